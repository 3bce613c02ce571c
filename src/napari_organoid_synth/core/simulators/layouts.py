"""One example of each way to new masks, to look at before pairs are made: pictures and numbers, no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import TileGrid
from napari_organoid_synth.core.simulators.arranged import Arranger
from napari_organoid_synth.core.simulators.moved import Mover
from napari_organoid_synth.core.simulators.pieces import contact_share, numbered
from napari_organoid_synth.core.simulators.population import PopulationSettings, place
from napari_organoid_synth.core.simulators.population_fit import fit_each
from napari_organoid_synth.core.simulators.real_outlines import why_not_arranged
from napari_organoid_synth.core.simulators.warp import warp_labels

TRIES = 5
"""Masks that a typical one is chosen from."""


@dataclass(frozen=True, eq=False)
class Example:
    """A mask to look at.

    Parameters
    ----------
    labels : NDArray (Y, X) int32
    cover, contact : float
        Share of the area that is covered, and of the objects that touch another.
    objects : int
        Number of objects.
    """

    labels: NDArray[np.int32]
    cover: float
    contact: float
    objects: int


class Layouts:
    """Examples of masks made of a few real ones.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Real pairs of one kind, with objects.
    side : int
        Of the examples, px.
    """

    def __init__(self, pairs: Sequence[SamplePair], side: int) -> None:
        self.pairs, self.side = list(pairs), side

    @cached_property
    def arranger(self) -> Arranger:
        """Arranges their objects."""
        return Arranger(self.pairs)

    @cached_property
    def mover(self) -> Mover:
        """Bends them."""
        return Mover(self.pairs)

    @cached_property
    def populations(self) -> list[PopulationSettings]:
        """Populations that are fitted to them."""
        return [one.replace(mask_kind=self.pairs[0].mask_kind) for one in fit_each(self.pairs)]

    def resolved(self, layout: str) -> str:
        """Return the layout that ``auto`` means for these masks."""
        return self._automatic if layout == "auto" else layout

    @cached_property
    def _automatic(self) -> str:
        """Measured once, since it takes up to a second for large masks."""
        return "moved" if why_not_arranged(self.pairs) is not None else "arranged"

    def draw(self, layout: str, seed: int = 0, cover: float = 0.0, contact: float = -1.0, warp: float = 0.3) -> Example:
        """Draw a mask.

        Parameters
        ----------
        layout : str
            arranged, moved, warped, real, fitted, or auto.
        seed : int
            The same seed gives the same mask.
        cover, contact, warp : float
            As in the settings of the command generate.

        Raises
        ------
        UserError
            If these masks do not suit the layout.
        """
        rng = np.random.default_rng(seed)
        match self.resolved(layout):
            case "arranged":
                labels = self.arranger.arrange(self.side, rng, cover, contact, warp).labels
            case "moved":
                labels = self.mover.move(self.side, rng).labels
            case "fitted":
                labels, _ = place(self.populations[int(rng.integers(len(self.populations)))], rng, self.side)
            case "warped":
                labels = warp_labels(self._part(rng), rng, warp)
            case "real":
                labels = self._part(rng)
            case _:
                raise UserError(
                    f"There is no example of '{layout}'.", "Expected masks that are made from real ones alone."
                )
        objects = numbered(labels, self.pairs[0].mask_kind)
        number = int(np.count_nonzero(np.unique(objects)))
        return Example(labels, float(np.mean(labels > 0)), contact_share(objects), number)

    def typical(
        self, layout: str, seed: int = 0, cover: float = 0.0, contact: float = -1.0, warp: float = 0.3
    ) -> Example:
        """Draw a mask as in `draw`; where no cover is asked for, some, and return that as full as the real ones.

        A single one may be nearly empty.
        """
        if cover:
            return self.draw(layout, seed, cover, contact, warp)
        wanted = float(np.median([np.mean(pair.labels > 0) for pair in self.pairs]))
        some = [self.draw(layout, TRIES * seed + number, cover, contact, warp) for number in range(TRIES)]
        return min(some, key=lambda one: abs(one.cover - wanted))

    def _part(self, rng: np.random.Generator) -> NDArray[np.int32]:
        """Cut a square out of a real mask, around one of its objects."""
        pair = self.pairs[int(rng.integers(len(self.pairs)))]
        labels = TileGrid(pair.size, self.side).padded(pair.labels)
        rows, columns = np.nonzero(labels)
        middle = int(rng.integers(len(rows)))
        y, x = (
            int(np.clip(at - self.side // 2, 0, length - self.side))
            for at, length in zip((rows[middle], columns[middle]), labels.shape, strict=True)
        )
        return np.ascontiguousarray(labels[y : y + self.side, x : x + self.side])
