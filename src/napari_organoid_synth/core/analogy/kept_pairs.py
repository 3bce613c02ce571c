"""Real pairs that are kept to paint from, as arrays in a checkpoint; knows no torch, which takes longer to load."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import MASK_KINDS, UNGRADED, MaskKind, SamplePair, content_hash
from napari_organoid_synth.core.plain_values import from_json
from napari_organoid_synth.core.seeds import seed_of

if TYPE_CHECKING:
    from napari_organoid_synth.core.analogy.painter import AnalogyPainter

ABOUT = "source/about"
MAX_SOURCES = 10_000
TODO = "Choose another checkpoint, or make the run again."


@dataclass(frozen=True, eq=False)
class KeptPairs:
    """Real pairs, and the painter that paints with them.

    Parameters
    ----------
    pairs : tuple of SamplePair
        Their ``image_class`` is that of the training.
    turn : bool
    quality : {"full", "fast"}
        As of `AnalogyPainter`.
    """

    pairs: tuple[SamplePair, ...] = ()
    turn: bool = True
    quality: Literal["full", "fast"] = "full"

    def of(self, pairs: Sequence[SamplePair], most: int) -> Self:
        """Keep pairs that hold an object instead, at most so many; every image class keeps its share.

        Raises
        ------
        UserError
            If no mask holds an object.
        """
        held = [pair for pair in pairs if pair.labels.any()]
        if not held:
            raise UserError(
                "None of the masks holds an object.", "Expected at least one.", "Draw objects in a mask first."
            )
        chosen = {id(pair) for pair in _spread(held, most)}
        return replace(self, pairs=tuple(_clean(pair) for pair in held if id(pair) in chosen))

    @cached_property
    def digests(self) -> dict[str, str]:
        """Hash of image and labels of each pair, by its name."""
        return {pair.name: content_hash(pair.image, pair.labels) for pair in self.pairs}

    def usable(self, names: Collection[str], digests: Collection[str] = (), image_class: str | None = None) -> set[str]:
        """Return the names of the pairs that may be painted from.

        Parameters
        ----------
        names, digests : collection of str
            Pairs that may not be used, by name, or by the hash of image and labels.
        image_class : str, optional
            Only pairs of this class, where there are any.
        """
        known = {UNGRADED if pair.image_class is None else pair.image_class for pair in self.pairs}
        return {
            pair.name
            for pair in self.pairs
            if pair.name not in names
            and not (digests and self.digests[pair.name] in digests)
            and (image_class not in known or pair.image_class == image_class)
        }

    @cached_property
    def painter(self) -> AnalogyPainter:
        """The prepared algorithm; preparing takes seconds at most, so it happens once."""
        from napari_organoid_synth.core.analogy.painter import AnalogyPainter, Source

        first = self.pairs[0]
        return AnalogyPainter(
            [Source(pair.name, pair.image, pair.labels) for pair in self.pairs],
            first.mask_kind,
            class_names=first.class_names,
            turn=self.turn,
            quality=self.quality,
        )

    # --- as arrays ---

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return images and labels in their own types, and names and classes as JSON in one more array."""
        arrays: dict[str, NDArray[Any]] = {}
        for number, pair in enumerate(self.pairs):
            arrays[f"source/{number:05d}/image"] = np.ascontiguousarray(pair.image)
            arrays[f"source/{number:05d}/labels"] = np.ascontiguousarray(pair.labels, np.int32)
        if self.pairs:
            about = {
                "mask_kind": self.pairs[0].mask_kind,
                "class_names": self.pairs[0].class_names,
                "names": [pair.name for pair in self.pairs],
                "image_classes": [pair.image_class for pair in self.pairs],
            }
            text = json.dumps(about, ensure_ascii=False).encode("utf-8")
            arrays[ABOUT] = np.frombuffer(text, np.uint8).copy()
        return arrays

    def read(self, arrays: Mapping[str, NDArray[Any]], channels: int) -> Self:
        """Keep the pairs of a checkpoint instead.

        Parameters
        ----------
        arrays : mapping of str to NDArray
            As `arrays` returns them.
        channels : int
            Of the images.

        Raises
        ------
        UserError
            If an array is missing, foreign, or not what it should be.
        """
        return replace(self, pairs=tuple(_pairs_of(arrays, channels)))


def _clean(pair: SamplePair) -> SamplePair:
    """Return a pair whose pixels are all numbers; NaN counts as 0, as in the codec."""
    if pair.image.dtype.kind != "f" or np.isfinite(pair.image).all():
        return pair
    finite = pair.image[np.isfinite(pair.image)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    return replace(pair, image=np.nan_to_num(pair.image, nan=0.0, posinf=high, neginf=low))


def _spread(pairs: Sequence[SamplePair], most: int) -> list[SamplePair]:
    """Return at most so many pairs: the classes take turns, by chance within each, always the same."""
    if len(pairs) <= most:
        return list(pairs)
    groups: dict[str | None, list[SamplePair]] = {}
    for pair in sorted(pairs, key=lambda pair: seed_of("source", pair.name)):
        groups.setdefault(pair.image_class, []).append(pair)
    turns = [pair for turn in range(len(pairs)) for group in groups.values() for pair in group[turn : turn + 1]]
    return turns[:most]


def _pairs_of(arrays: Mapping[str, NDArray[Any]], channels: int) -> list[SamplePair]:
    """Build the pairs of a checkpoint, each part checked."""
    wrong = UserError("The checkpoint holds no real pairs to paint from.", "Expected images, labels and names.", TODO)
    try:
        about = from_json(bytes(arrays[ABOUT]).decode("utf-8"))
        kind: MaskKind = about["mask_kind"]
        names, classes = [str(name) for name in about["names"]], about["image_classes"]
        class_names = tuple(str(name) for name in about["class_names"])
        if kind not in MASK_KINDS or not 0 < len(names) == len(set(names)) == len(classes) <= MAX_SOURCES:
            raise wrong
        if arrays.keys() != {ABOUT} | {
            f"source/{number:05d}/{part}" for number in range(len(names)) for part in ("image", "labels")
        }:
            raise wrong
        pairs = []
        for number, (name, image_class) in enumerate(zip(names, classes, strict=True)):
            image, labels = (arrays[f"source/{number:05d}/{part}"] for part in ("image", "labels"))
            if image.ndim != 3 or len(image) != channels:
                raise UserError(
                    f"Image {name!r} of the checkpoint is {image.shape}.",
                    f"Expected {channels} channels, height, width.",
                    "It was made with other settings; choose the run it belongs to.",
                )
            if labels.dtype != np.int32 or labels.shape != image.shape[1:] or not labels.any() or labels.min() < 0:
                raise wrong
            if (kind != "instances" and labels.max() > len(class_names)) or not np.isfinite(image).all():
                raise wrong
            given = None if image_class is None else str(image_class)
            pairs.append(SamplePair(name, image, labels, kind, class_names, image_class=given))
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise wrong from None
    return pairs
