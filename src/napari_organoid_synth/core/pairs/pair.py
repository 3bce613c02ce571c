"""A pair, the currency of the project: one image with its label image."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import is_pixel_size
from napari_organoid_synth.core.quantities import pixels

MaskKind = Literal["binary", "classes", "instances"]
SourceKind = Literal["real", "synthetic", "simulated", "drawn", "predicted"]
MASK_KINDS: tuple[MaskKind, ...] = get_args(MaskKind)
UNGRADED = "ungraded"
"""Class, in a training, of images that have no class while others have one."""
RGB = ("red", "green", "blue")


@dataclass(frozen=True)
class Source:
    """Origin of a pair.

    Parameters
    ----------
    kind : str
        ``"real"``, ``"synthetic"`` (a generator), ``"simulated"`` (a parametric simulator), ``"drawn"`` (a person) or
        ``"predicted"`` (a mask that a segmenter marked).
    files : tuple of str
        The files it was read from.
    provenance : dict
        Everything needed to generate it again (model hash, seed, source mask, ...); JSON values only.
    """

    kind: SourceKind = "real"
    files: tuple[str, ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class SamplePair:
    """An image and its label image; every stage takes and returns pairs.

    Parameters
    ----------
    name : str
        Unique within a set; becomes the file name.
    image : NDArray (C, Y, X), native dtype
        Any channel count; RGB is three channels named red, green and blue.
    labels : NDArray (Y, X) int32, 0 is background
        ``binary``: 0 and 1; ``classes``: k stands for ``class_names[k - 1]``; ``instances``: one id per object.
    mask_kind : {"binary", "classes", "instances"}
    class_names : tuple of str
        Names of the label values 1..K; for ``binary`` and ``instances`` the one name of the object.
    pixel_size : (float, float), optional
        Height and width of a pixel in µm.
    channel_names : tuple of str, optional
        One per channel.
    image_class : str, optional
        Label of the whole image (healthy, pathological, a grade).
    source : Source

    Raises
    ------
    UserError
        If image and labels differ in size or have the wrong number of axes.
    """

    name: str
    image: NDArray[Any]
    labels: NDArray[np.int32]
    mask_kind: MaskKind = "binary"
    class_names: tuple[str, ...] = ("object",)
    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] = ()
    image_class: str | None = None
    source: Source = field(default_factory=Source)

    def __post_init__(self) -> None:
        if self.image.ndim != 3:
            raise UserError(
                f"Image of '{self.name}' has {self.image.ndim} axes, shape {self.image.shape}.",
                "Expected (channel, y, x).",
                "Choose a single plane, or split the stack into slices.",
            )
        if self.labels.shape != self.image.shape[1:]:
            raise size_mismatch(self.name, self.image, self.labels)
        if self.pixel_size is not None and not is_pixel_size(self.pixel_size):
            raise UserError(
                f"A pixel of '{self.name}' is {self.pixel_size[0]:g} × {self.pixel_size[1]:g} µm.",
                "Expected height and width of a real pixel.",
                "Leave the pixel size out if it is not known.",
            )

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.image.shape[1], self.image.shape[2]

    @property
    def is_rgb(self) -> bool:
        """Whether the three channels are red, green and blue."""
        return self.channel_names == RGB

    @property
    def n_objects(self) -> int:
        """Number of distinct labels without background."""
        return int(np.count_nonzero(np.unique(self.labels)))

    def shrunk(self, scale: float) -> SamplePair:
        """Return the pair at ``scale`` (0 < scale <= 1) of its height and width; itself at 1.

        Pixels of the image are averaged. A pixel of the mask takes the label at its centre, so that lines thinner than
        1 / scale px are interrupted and objects smaller than that may vanish.
        """
        height, width = (max(1, round(side * scale)) for side in self.size)
        return self._resized(height, width)

    def whole(self, side: int) -> SamplePair:
        """Return the middle square of the pair, resized to ``side`` px as `shrunk` does it."""
        short = min(self.size)
        top, left = ((length - short) // 2 for length in self.size)
        box = (..., slice(top, top + short), slice(left, left + short))
        return self.replace(image=self.image[box], labels=self.labels[box])._resized(side, side)

    def _resized(self, height: int, width: int) -> SamplePair:
        """Return the pair at another height and width; itself at its own."""
        if (height, width) == self.size:
            return self
        from skimage.transform import resize

        small = resize(
            self.image, (len(self.image), height, width), order=1, anti_aliasing=True, preserve_range=True, mode="edge"
        )
        if self.image.dtype.kind in "iu":
            small = np.rint(small)
        rows, columns = (
            ((np.arange(new) + 0.5) * old / new).astype(int)
            for new, old in zip((height, width), self.size, strict=True)
        )
        return self.replace(
            image=small.astype(self.image.dtype),
            labels=self.labels[np.ix_(rows, columns)],
            pixel_size=self.pixel_size
            and (self.pixel_size[0] * self.size[0] / height, self.pixel_size[1] * self.size[1] / width),
        )

    def replace(self, **changes: Any) -> SamplePair:
        """Return a copy with some fields changed."""
        return replace(self, **changes)


def size_mismatch(name: str, image: NDArray[Any], labels: NDArray[Any]) -> UserError:
    """Return the error for an image (C, Y, X) and labels of another height or width."""
    return UserError(
        f"'{name}': the image is {pixels(image.shape[1:])}, the mask {pixels(labels.shape)}.",
        "Expected the same height and width.",
        "Export the mask again at the size of the image.",
    )


def content_hash(*arrays: NDArray[Any]) -> str:
    """Return the SHA-256 of shapes, dtypes and values as hexadecimal text; equal arrays give equal text."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.shape}{array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
