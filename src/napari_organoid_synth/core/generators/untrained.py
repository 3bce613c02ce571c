"""Base class of painters that need no training: they keep real pairs and paint label images of any size with them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from napari_organoid_synth.core.generators.base import Generator
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.canvas import Stream
from napari_organoid_synth.core.generators.painted import Painted
from napari_organoid_synth.core.pairs.pair import SamplePair


class UntrainedPainter(Generator):
    """A painter without networks. It computes on the processor, whatever device is asked for."""

    paints_any_size = True

    @property
    @abstractmethod
    def pairs(self) -> tuple[SamplePair, ...]:
        """The kept pairs."""

    @abstractmethod
    def keep(self, pairs: Sequence[SamplePair]) -> list[str]:
        """Keep real pairs to paint from, in place of those kept before; return the names of those left out.

        Raises
        ------
        UserError
            If none of them can be used.
        """

    @abstractmethod
    def usable(self, names: Collection[str], digests: Collection[str] = (), image_class: int | None = None) -> set[str]:
        """Return the names of the kept pairs that may be painted from.

        Parameters
        ----------
        names, digests : collection of str
            Pairs that may not be used, by name, or by the hash of image and labels where names are not known.
        image_class : int, optional
            Only pairs of this class, an index into the codec's image classes; None: any.
        """

    @abstractmethod
    def paint_labels(self, labels: NDArray[np.integer[Any]], seed: int, exclude: Collection[str] = ()) -> Painted:
        """Paint an image onto a mask of any size.

        Parameters
        ----------
        labels : NDArray (Y, X) int
            Labels as in the training masks.
        seed : int
            The same seed gives the same bits.
        exclude : collection of str
            Names of kept pairs that may not be used.

        Raises
        ------
        UserError
            If no pair is left to paint from.
        """

    def to(self, device: torch.device) -> Generator:
        """Stay on the processor."""
        return self

    def networks(self) -> dict[str, nn.Module]:
        """Return nothing: there are no networks."""
        return {}

    def optimizers(self) -> dict[str, Optimizer]:
        """Return nothing: nothing is trained."""
        return {}

    def step(self, batch: Batch, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Refuse to learn.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(f"{self.config.name} is not trained; give it pairs with keep().")

    def sample(
        self,
        rng: Stream | Sequence[Stream],
        n: int = 1,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Refuse to draw from encoded masks.

        Raises
        ------
        TypeError
            Always.
        """
        raise TypeError(f"{self.config.name} paints label images; use paint_labels().")
