"""A canvas that begins with a real pair: real pixels stay but where the mask is another one now."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_organoid_synth.core.boxes import Box, box_of, union, widened
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.live.canvas import Canvas, Quality

REACH = 6  # px around a changed pixel of the mask that are painted
FADE = 5  # px over which the paint passes into the real image
TONE = 12.0  # px: σ over which the brightness of the paint follows that of the real image around it


def on_real(painted: Canvas, real: NDArray[Any] | None) -> Canvas:
    """Return a painted canvas, with the real image of its mask where there is one."""
    return painted if real is None else RealCanvas(painted, real)


class RealCanvas:
    """A real image, with paint where its mask was changed; see `Canvas`.

    Where the mask is again as it was, the image has its real pixels, bit for bit.

    Parameters
    ----------
    painted : Canvas
        The same mask, painted.
    real : NDArray (C, Y, X)
        The real image, in the type of the painted one.

    Raises
    ------
    UserError
        If the image has another size, type or number of channels than what is painted.
    """

    def __init__(self, painted: Canvas, real: NDArray[Any]) -> None:
        if real.shape != painted.image.shape or real.dtype != painted.image.dtype:
            raise UserError(
                f"The real image has {real.shape} pixels of {real.dtype}.",
                f"Expected {painted.image.shape} of {painted.image.dtype}, as the generator paints.",
                "Choose a pair of the project that the generator was trained in.",
            )
        self._painted, self._real = painted, real
        self._first = painted.labels.copy()
        self.image = real.copy()
        self._share = np.zeros(self._first.shape, np.float32)

    @property
    def labels(self) -> NDArray[np.int32]:
        """The mask."""
        return self._painted.labels

    def change(self, labels: NDArray[np.integer[Any]], quality: Quality = "full") -> Box | None:
        """Paint again where the mask changed; see `Canvas.change`."""
        before = self.labels.copy()
        painted = self._painted.change(labels, quality)
        touched = union(painted, box_of(before != self.labels))
        if touched is None:
            return None
        box = widened(touched, REACH + FADE, self._first.shape)
        changed = self._mix(box)
        return None if changed is None else changed

    def _mix(self, box: Box) -> Box | None:
        """Mix paint and real pixels in a box; return where the image changed."""
        wide = widened(box, REACH + FADE + int(3 * TONE), self._first.shape)
        inside = np.s_[..., wide[0] : wide[2], wide[1] : wide[3]]
        other = self.labels[inside] != self._first[inside]
        away = ndimage.distance_transform_edt(~other) if other.any() else np.full(other.shape, np.inf)
        share = np.clip((REACH + FADE - away) / FADE, 0, 1).astype(np.float32)
        part = np.s_[..., box[0] - wide[0] : box[2] - wide[0], box[1] - wide[1] : box[3] - wide[1]]
        paint = self._painted.image[inside].astype(np.float32)
        real = self._real[inside].astype(np.float32)
        mixed = real + share * (paint + _tone(real - paint, share == 0) - real)
        place = np.s_[..., box[0] : box[2], box[1] : box[3]]
        before = self.image[place].copy()
        self._share[place] = share[part]
        self.image[place] = np.where(share[part] > 0, _native(mixed[part], self._real.dtype), self._real[place])
        found = box_of((before != self.image[place]).any(axis=0))
        if found is None:
            return None
        return found[0] + box[0], found[1] + box[1], found[2] + box[0], found[3] + box[1]

    def facts(self) -> dict[str, Any]:
        """Return those of the paint, the box of the synthetic pixels, and their share of all."""
        box = box_of(self._share > 0)
        return {
            **self._painted.facts(),
            "synthetic_box": list(box) if box else [],
            "synthetic_share": float(np.mean(self._share > 0)),
        }


def _tone(difference: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Continue a smooth difference (C, Y, X) from the pixels where it is known to all; 0 where none is near."""
    weight = ndimage.gaussian_filter(known.astype(np.float32), TONE)
    sums = np.stack([ndimage.gaussian_filter(np.where(known, one, 0), TONE) for one in difference])
    return np.asarray(sums / np.maximum(weight, 1e-3), np.float32)


def _native(values: NDArray[np.float32], dtype: np.dtype[Any]) -> NDArray[Any]:
    if dtype.kind == "f":
        return values.astype(dtype)
    if dtype.kind == "b":
        return np.asarray(values > 0.5)
    limits = np.iinfo(dtype)
    return np.asarray(np.clip(np.rint(values), limits.min, limits.max).astype(dtype))
