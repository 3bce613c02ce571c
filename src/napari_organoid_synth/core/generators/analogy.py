"""The painter analogy: real pairs that are kept, and image analogies (Hertzmann 2001) that paint with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_organoid_synth.core.analogy.kept_pairs import TODO, KeptPairs
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.analogy_config import AnalogyConfig
from napari_organoid_synth.core.generators.painted import Painted
from napari_organoid_synth.core.generators.untrained import UntrainedPainter
from napari_organoid_synth.core.pairs.pair import SamplePair

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec


class Analogy(UntrainedPainter):
    """Keeps real pairs and paints with patches of their images.

    Parameters
    ----------
    config : AnalogyConfig
    spec : PairSpec
        Its image channels and image classes are those of the pairs.

    Attributes
    ----------
    kept : KeptPairs
        The kept pairs and their painter.
    """

    config: AnalogyConfig

    def __init__(self, config: AnalogyConfig, spec: PairSpec) -> None:
        super().__init__(config, spec)
        self.kept = KeptPairs(turn=config.turn, quality=config.quality)

    # --- the kept pairs ---

    @property
    def pairs(self) -> tuple[SamplePair, ...]:
        """The kept pairs; their ``image_class`` is that of the training."""
        return self.kept.pairs

    def keep(self, pairs: Sequence[SamplePair]) -> list[str]:
        """Keep real pairs that hold an object, at most ``config.sources``; return the names of the others.

        Where there are more, every image class keeps its share.
        """
        self._take(self.kept.of(pairs, self.config.sources))
        names = {pair.name for pair in self.pairs}
        return [pair.name for pair in pairs if pair.name not in names]

    def _take(self, kept: KeptPairs) -> None:
        self.kept = kept
        self.images_seen = len(kept.pairs)

    def usable(self, names: Collection[str], digests: Collection[str] = (), image_class: int | None = None) -> set[str]:
        """Return the names of the kept pairs that may be painted from."""
        classes = self.spec.image_classes
        return self.kept.usable(names, digests, classes[image_class] if image_class is not None and classes else None)

    # --- painting ---

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
        painting = self.kept.painter.paint(np.ascontiguousarray(labels, np.int32), seed, exclude=tuple(sorted(exclude)))
        return Painted(
            painting.image, seed, dict(painting.sources), dict(painting.residual), int(painting.largest_piece)
        )

    # --- state ---

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return images and labels in their own types, and names and classes as JSON in one more tensor."""
        tensors = {name: torch.from_numpy(array) for name, array in self.kept.arrays().items()}
        return tensors, {"seen": self.images_seen, "taken": 0, "transferred": False}

    def load_state(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        """Restore the pairs of a state.

        Raises
        ------
        UserError
            If a tensor is missing, foreign, or not what it should be.
        """
        arrays = {name: tensor.numpy() for name, tensor in tensors.items()}
        self._take(self.kept.read(arrays, self.spec.image_channels))

    def shared_state(self) -> dict[str, Tensor]:
        """Return the state with numbers in place of the names of the files."""
        nameless = Analogy(self.config, self.spec)
        nameless._take(
            replace(self.kept, pairs=tuple(pair.replace(name=f"image {n}") for n, pair in enumerate(self.pairs, 1)))
        )
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
