"""The border between files and networks: native pixels and labels outside, float32 in [-1, 1] inside."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.codec import heatflow
from napari_organoid_synth.core.codec.spec import CodecSettings, Condition, PairSpec, Part, Shape
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import PixelSize
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.pairs.pair import UNGRADED, MaskKind, SamplePair
from napari_organoid_synth.core.pairs.pair_format import PairFormat

SAMPLED_PIXELS = 4_000_000  # per channel, over all pairs: enough for a percentile of 99.9

MIN_HOLE_SHARE = 0.05
"""Share of instances with a hole above which drawn instances keep theirs."""


class Codec(FrozenModel):
    """Everything needed to encode a pair, and to decode the output of a network to the format of the originals.

    Stored beside the checkpoints of a run as ``codec.json``.
    """

    low: tuple[float, ...] = Field(min_length=1, description="Intensity that becomes -1, per channel.")
    high: tuple[float, ...] = Field(description="Intensity that becomes +1, per channel.")
    dtype: str = Field(description="Pixel type of the originals, such as uint16.")
    channel_names: tuple[str, ...] = Field((), description="Names of the image channels.")
    pixel_size: PixelSize = None
    mask_kind: MaskKind = Field("binary", description="What the labels mean.")
    class_names: tuple[str, ...] = Field(("object",), min_length=1, description="Names of the labels 1..K.")
    condition: Condition = Field("classes", description="What a painter sees of the mask.")
    image_classes: tuple[str, ...] = Field((), description="Labels of whole images.")
    holes: bool = Field(False, description="Whether instances have holes, such as rings; otherwise holes are filled.")
    filled: bool = Field(False, description="Whether one object may fill a whole binary mask.")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.low) != len(self.high):
            raise ValueError(f"{len(self.low)} low and {len(self.high)} high intensities; expected one per channel")
        if not all(low < high for low, high in zip(self.low, self.high, strict=True)):
            raise ValueError("a low intensity is not below its high intensity")
        try:
            kind: str = np.dtype(self.dtype).kind
        except TypeError:
            kind = ""
        if kind not in tuple("uifb"):
            raise ValueError(f"pixel type {self.dtype}; expected integers or floats")
        return self

    @classmethod
    def fit(cls, pairs: Sequence[SamplePair], settings: CodecSettings | None = None) -> Self:
        """Measure the intensity percentiles of training pairs.

        Raises
        ------
        UserError
            If pairs differ in channels, pixel type, mask kind or class names.
        """
        settings = settings or CodecSettings()
        if not pairs:
            raise UserError("There are no training pairs.", "Expected at least one.", "Load pairs first.")
        first = pairs[0]
        for pair in pairs:
            for what, one, other in (
                ("channels", len(first.image), len(pair.image)),
                ("pixel types", first.image.dtype, pair.image.dtype),
                ("mask kinds", first.mask_kind, pair.mask_kind),
                ("classes", ", ".join(first.class_names), ", ".join(pair.class_names)),
            ):
                if one != other:
                    raise UserError(
                        f"{what.capitalize()} differ: {_file(first)} has {one}, {_file(pair)} has {other}.",
                        f"Expected the same {what} in all training pairs.",
                        "Convert one of them, or make two projects.",
                    )
        low, high = zip(
            *(_range([pair.image[c] for pair in pairs], settings) for c in range(len(first.image))), strict=True
        )
        sizes = {pair.pixel_size for pair in pairs}
        condition = settings.condition
        if condition == "auto":
            condition = "edges" if first.mask_kind == "instances" else "classes"
        return cls(
            low=low,
            high=high,
            dtype=first.image.dtype.name,
            channel_names=first.channel_names,
            pixel_size=sizes.pop() if len(sizes) == 1 else None,
            mask_kind=first.mask_kind,
            class_names=first.class_names,
            condition=condition,
            image_classes=_image_classes([pair.image_class for pair in pairs]),
            filled=first.mask_kind == "binary" and any(pair.labels.all() for pair in pairs),
            holes=first.mask_kind == "instances" and _have_holes(pairs),
        )

    @property
    def graded(self) -> tuple[str, ...]:
        """The image classes that were given; samples are drawn of each in turn."""
        return tuple(name for name in self.image_classes if name != UNGRADED) or self.image_classes

    def to_file(self, path: Path) -> None:
        """Write JSON atomically; `from_file` reads it."""
        write_text(Path(path), json.dumps(self.model_dump(mode="json"), indent=1, ensure_ascii=False))

    # -------------------------------------------------------------------------------------------------- channels

    @property
    def mask_channels(self) -> int:
        """Channels of an encoded mask: one per class, or three for instances."""
        return {"binary": 1, "classes": len(self.class_names), "instances": 3}[self.mask_kind]

    @property
    def condition_channels(self) -> int:
        """Channels of the condition of a painter."""
        maps = len(self.class_names) if self.mask_kind == "classes" else 1
        return {"edges": maps + 1, "classes": maps, "flow": 3, "labels": 1}[self.condition]

    def spec(self, tile: int, shape: Shape, whole: int = 0) -> PairSpec:
        """Return the channels that a network of this shape takes and returns; samples are cut back to ``whole``.

        ``joint`` draws image and mask channels, ``image`` and ``mask`` only one of the two; ``painter`` draws an image
        onto a condition.
        """
        images = 0 if shape == "mask" else len(self.low)
        masks = {"painter": self.condition_channels, "image": 0}.get(shape, self.mask_channels)
        flow = self.condition == "flow" if shape == "painter" else self.mask_kind == "instances" and masks > 0
        return PairSpec(
            tile=tile,
            image_channels=images,
            mask_channels=masks,
            image_classes=self.image_classes,
            vectors=images + 1 if flow else None,
            whole=0 if shape == "painter" else whole,  # a painter's samples are as large as its masks
        )

    def format(self, shape: Shape) -> PairFormat:
        """Return the format of the pairs that a network of this shape draws."""
        draws_images, top = shape != "mask", max(self.high)
        return PairFormat(
            frozenset({len(self.low)}) if draws_images else None,
            frozenset({self.dtype}) if draws_images else None,
            (top, top) if draws_images else None,
            self.mask_kind if shape != "image" else None,
            self.class_names,
        )

    # ----------------------------------------------------------------------------------------------------- image

    def encode_image(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Encode native pixels (C, Y, X) as float32 in [-1, 1], clipped at the percentiles; NaN counts as 0."""
        low, high = self._ends(image)
        encoded = (np.nan_to_num(image.astype(np.float32)) - low) * (2 / (high - low)) - 1
        return np.clip(encoded, -1, 1).astype(np.float32, copy=False)

    def decode_image(self, encoded: NDArray[np.floating[Any]]) -> NDArray[Any]:
        """Decode float (C, Y, X) to native pixels, rounded and clipped to the pixel type."""
        low, high = self._ends(encoded)
        image = (np.asarray(encoded, np.float32) + 1) * ((high - low) / 2) + low
        dtype = np.dtype(self.dtype)
        if dtype.kind == "f":
            return image.astype(dtype)
        if dtype.kind == "b":
            return np.asarray(image > 0.5)
        limits = np.iinfo(dtype)
        return np.asarray(np.clip(np.rint(image), limits.min, limits.max).astype(dtype))

    def _ends(self, image: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        if image.ndim != 3 or len(image) != len(self.low):
            raise UserError(
                f"The image has shape {image.shape}.",
                f"Expected {len(self.low)} channels, height, width.",
                "Use images with the channels of the training images.",
            )
        low, high = (np.array(ends, np.float32)[:, None, None] for ends in (self.low, self.high))
        return low, high

    # ------------------------------------------------------------------------------------------------------ mask

    def encode_mask(self, labels: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Encode labels (Y, X) as (M, Y, X) in [-1, 1]: one map per class, or the heat flow of instances."""
        if self.mask_kind == "instances":
            return heatflow.encode(labels)
        return self._maps(labels)

    def decode_mask(self, field: NDArray[np.floating[Any]]) -> NDArray[np.int32]:
        """Decode a field (M, Y, X), exact or drawn by a network, to int32 labels (Y, X).

        Classes take the largest map; where none is above 0 there is background.
        """
        if field.ndim != 3 or len(field) != self.mask_channels:
            raise UserError(f"The mask has shape {field.shape}.", f"Expected {self.mask_channels} channels.")
        if self.mask_kind == "instances":
            return heatflow.decode(field, fill_holes=not self.holes)
        return np.where(field.max(axis=0) > 0, field.argmax(axis=0) + 1, 0).astype(np.int32)

    def encode_condition(self, labels: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        """Encode labels (Y, X) as the condition of a painter: (M', Y, X) in [-1, 1].

        ``classes``: one map per class. ``edges``: those and a map of the object pixels that have a 4-neighbour with
        another label. ``flow``: heat flow. ``labels``: each id hashed to one value (as in the first publications).
        """
        if self.condition == "classes":
            return self._maps(labels)
        if self.condition == "edges":
            return np.concatenate([self._maps(labels), _signs(edges(labels))[None]])
        if self.condition == "flow":
            return heatflow.encode(labels if self.mask_kind == "instances" else _pieces(labels))
        hashed = (labels.astype(np.uint32) * np.uint32(2654435761)).astype(np.float32) / 2**31 - 1
        return np.where(labels == 0, np.float32(-1), hashed)[None].astype(np.float32)

    def _maps(self, labels: NDArray[np.integer[Any]]) -> NDArray[np.float32]:
        if self.mask_kind == "classes":
            return _signs(labels == np.arange(1, len(self.class_names) + 1)[:, None, None])
        return _signs(labels != 0)[None]

    def turn(self, field: NDArray[Any], turns: int, flip: bool, part: Part = "mask") -> NDArray[Any]:
        """Mirror left to right, then turn counter-clockwise by right angles; arrows of a heat flow are turned as well.

        Parameters
        ----------
        field : NDArray (C, Y, X)
            An encoded image, mask or condition.
        turns : int
            Quarter turns as in `numpy.rot90`.
        flip : bool
            Whether to mirror first.
        part : {"image", "mask", "condition"}
            Kind of the field.
        """
        flow = {"image": False, "mask": self.mask_kind == "instances", "condition": self.condition == "flow"}
        if flow[part]:
            return heatflow.turn(field, turns, flip)
        return np.rot90(field[..., ::-1] if flip else field, turns, axes=(-2, -1)).copy()


def edges(labels: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
    """Return object pixels (Y, X) with a 4-neighbour of another label; the border of the image is not an edge."""
    edge = np.zeros(labels.shape, bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    edge[:, 1:] |= across
    edge[:, :-1] |= across
    edge[1:] |= down
    edge[:-1] |= down
    edge &= labels != 0
    return edge


def _signs(where: NDArray[np.bool_]) -> NDArray[np.float32]:
    return np.where(where, np.float32(1), np.float32(-1))


def _pieces(labels: NDArray[np.integer[Any]]) -> NDArray[np.int32]:
    """Number the connected pieces of every class."""
    from scipy.ndimage import label

    pieces = np.zeros(labels.shape, np.int32)
    for value in np.unique(labels[labels != 0]):
        numbered, _ = label(labels == value)
        pieces = np.where(numbered > 0, numbered + pieces.max(), pieces)
    return pieces.astype(np.int32)


def _have_holes(pairs: Sequence[SamplePair]) -> bool:
    """Return whether enough instances have holes that these are shapes, not slips of the pen."""
    objects = sum(pair.n_objects for pair in pairs)
    return sum(heatflow.count_holes(pair.labels) for pair in pairs) > MIN_HOLE_SHARE * objects


def _file(pair: SamplePair) -> str:
    return pair.source.files[0] if pair.source.files else f"'{pair.name}'"


def _range(planes: Sequence[NDArray[Any]], settings: CodecSettings) -> tuple[float, float]:
    """Return the low and high percentile of one channel over all pairs; never equal."""
    step = max(1, sum(plane.size for plane in planes) // SAMPLED_PIXELS)
    # An odd step, not a multiple of the width, visits all columns.
    values = np.concatenate([plane.ravel()[:: step + 1 - step % 2] for plane in planes])
    if values.dtype.kind == "f":
        values = values[np.isfinite(values)]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(end) for end in np.percentile(values, (settings.low, settings.high)))
    if low >= high:  # nearly all pixels are equal: a few bright spots on black
        low, high = float(values.min()), float(values.max())
    return low, high if high > low else low + 1.0


def _image_classes(classes: Sequence[str | None]) -> tuple[str, ...]:
    """Return the classes of images in order; last that of the images without one, if others have one."""
    given = sorted({name for name in classes if name is not None} - {UNGRADED})
    return (*given, UNGRADED) if given and (None in classes or UNGRADED in classes) else tuple(given)
