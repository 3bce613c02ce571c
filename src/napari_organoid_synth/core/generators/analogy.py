"""The painter analogy: real pairs that are kept, and image analogies (Hertzmann 2001) that paint with them."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_organoid_synth.core.device import seed_of
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.analogy_config import AnalogyConfig
from napari_organoid_synth.core.generators.painted import Painted
from napari_organoid_synth.core.generators.untrained import UntrainedPainter
from napari_organoid_synth.core.pairs.pair import MASK_KINDS, UNGRADED, MaskKind, SamplePair, content_hash
from napari_organoid_synth.core.plain_values import from_json

if TYPE_CHECKING:
    from napari_organoid_synth.core.analogy.painter import AnalogyPainter
    from napari_organoid_synth.core.codec.spec import PairSpec

ABOUT = "source/about"
MAX_SOURCES = 10_000
TODO = "Choose another checkpoint, or make the run again."


class Analogy(UntrainedPainter):
    """Keeps real pairs and paints with patches of their images.

    Parameters
    ----------
    config : AnalogyConfig
    spec : PairSpec
        Its image channels and image classes are those of the pairs.

    Attributes
    ----------
    pairs : tuple of SamplePair
        The kept pairs; their ``image_class`` is that of the training.
    """

    config: AnalogyConfig

    def __init__(self, config: AnalogyConfig, spec: PairSpec) -> None:
        super().__init__(config, spec)
        self.pairs: tuple[SamplePair, ...] = ()

    # --- the kept pairs ---

    def keep(self, pairs: Sequence[SamplePair]) -> list[str]:
        """Keep real pairs that hold an object, at most ``config.sources``; return the names of the others.

        Where there are more, every image class keeps its share.
        """
        held = [pair for pair in pairs if pair.labels.any()]
        if not held:
            raise UserError(
                "None of the masks holds an object.", "Expected at least one.", "Draw objects in a mask first."
            )
        chosen = {id(pair) for pair in _spread(held, self.config.sources)}
        self._take([_clean(pair) for pair in held if id(pair) in chosen])
        return [pair.name for pair in pairs if id(pair) not in chosen]

    def _take(self, pairs: Sequence[SamplePair]) -> None:
        self.pairs = tuple(pairs)
        self.images_seen = len(self.pairs)
        for known in ("painter", "digests"):
            self.__dict__.pop(known, None)

    @cached_property
    def digests(self) -> dict[str, str]:
        """Hash of image and labels of each kept pair, by its name."""
        return {pair.name: content_hash(pair.image, pair.labels) for pair in self.pairs}

    def usable(self, names: Collection[str], digests: Collection[str] = (), image_class: int | None = None) -> set[str]:
        """Return the names of the kept pairs that may be painted from."""
        known = {UNGRADED if pair.image_class is None else pair.image_class for pair in self.pairs}
        wanted = self.spec.image_classes[image_class] if image_class is not None and self.spec.image_classes else None
        return {
            pair.name
            for pair in self.pairs
            if pair.name not in names
            and not (digests and self.digests[pair.name] in digests)
            and (wanted not in known or pair.image_class == wanted)
        }

    # --- painting ---

    @cached_property
    def painter(self) -> AnalogyPainter:
        """The prepared algorithm; preparing takes seconds at most, so it happens once."""
        from napari_organoid_synth.core.analogy.painter import AnalogyPainter, Source

        first = self.pairs[0]
        return AnalogyPainter(
            [Source(pair.name, pair.image, pair.labels) for pair in self.pairs],
            first.mask_kind,
            class_names=first.class_names,
            turn=self.config.turn,
            quality=self.config.quality,
        )

    def paint_labels(self, labels: NDArray[np.integer[Any]], seed: int, exclude: Collection[str] = ()) -> Painted:
        """Paint an image onto a mask (Y, X) of any size with the kept pairs that are not excluded."""
        if not self.pairs:
            raise UserError("The painter has no image to paint from.", "Expected a checkpoint.", TODO)
        if not self.usable(exclude):
            raise UserError(
                f"All {len(self.pairs)} images of the painter are excluded.",
                "Expected one that the mask does not come from.",
                "Add another annotated image, or choose masks with a new arrangement.",
            )
        painting = self.painter.paint(np.ascontiguousarray(labels, np.int32), seed, exclude=tuple(sorted(exclude)))
        return Painted(
            painting.image, seed, dict(painting.sources), dict(painting.residual), int(painting.largest_piece)
        )

    # --- state ---

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return images and labels in their own types, and names and classes as JSON in one more tensor."""
        tensors: dict[str, Tensor] = {}
        for number, pair in enumerate(self.pairs):
            tensors[f"source/{number:05d}/image"] = torch.from_numpy(np.ascontiguousarray(pair.image))
            tensors[f"source/{number:05d}/labels"] = torch.from_numpy(np.ascontiguousarray(pair.labels, np.int32))
        if self.pairs:
            about = {
                "mask_kind": self.pairs[0].mask_kind,
                "class_names": self.pairs[0].class_names,
                "names": [pair.name for pair in self.pairs],
                "image_classes": [pair.image_class for pair in self.pairs],
            }
            text = json.dumps(about, ensure_ascii=False).encode("utf-8")
            tensors[ABOUT] = torch.from_numpy(np.frombuffer(text, np.uint8).copy())
        return tensors, {"seen": self.images_seen, "taken": 0, "transferred": False}

    def load_state(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        """Restore the pairs of a state.

        Raises
        ------
        UserError
            If a tensor is missing, foreign, or not what it should be.
        """
        self._take(_pairs_of(tensors, self.spec))

    def shared_state(self) -> dict[str, Tensor]:
        """Return the state with numbers in place of the names of the files."""
        nameless = Analogy(self.config, self.spec)
        nameless._take([pair.replace(name=f"image {number}") for number, pair in enumerate(self.pairs, 1)])
        return nameless.state()[0]

    def load_matching_weights(self, tensors: dict[str, Tensor]) -> tuple[int, int]:
        """Refuse: there are no weights.

        Raises
        ------
        UserError
            Always.
        """
        raise UserError(
            "analogy has no weights and cannot start from another run.",
            "Expected no start.run.",
            "Leave start.run empty.",
        )


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


def _pairs_of(tensors: dict[str, Tensor], spec: PairSpec) -> list[SamplePair]:
    """Build the pairs of a state, each part checked."""
    wrong = UserError("The checkpoint holds no real pairs to paint from.", "Expected images, labels and names.", TODO)
    try:
        about = from_json(bytes(tensors[ABOUT].numpy()).decode("utf-8"))
        kind: MaskKind = about["mask_kind"]
        names, classes = [str(name) for name in about["names"]], about["image_classes"]
        class_names = tuple(str(name) for name in about["class_names"])
        if kind not in MASK_KINDS or not 0 < len(names) == len(set(names)) == len(classes) <= MAX_SOURCES:
            raise wrong
        if tensors.keys() != {ABOUT} | {
            f"source/{number:05d}/{part}" for number in range(len(names)) for part in ("image", "labels")
        }:
            raise wrong
        pairs = []
        for number, (name, image_class) in enumerate(zip(names, classes, strict=True)):
            image, labels = (tensors[f"source/{number:05d}/{part}"].numpy() for part in ("image", "labels"))
            if image.ndim != 3 or len(image) != spec.image_channels:
                raise UserError(
                    f"Image {name!r} of the checkpoint is {image.shape}.",
                    f"Expected {spec.image_channels} channels, height, width.",
                    "It was made with other settings; choose the run it belongs to.",
                )
            if labels.dtype != np.int32 or labels.shape != image.shape[1:] or not labels.any() or labels.min() < 0:
                raise wrong
            if kind != "instances" and labels.max() > len(class_names):
                raise wrong
            given = None if image_class is None else str(image_class)
            pairs.append(SamplePair(name, image, labels, kind, class_names, image_class=given))
    except UserError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise wrong from None
    return pairs
