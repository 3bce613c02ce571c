"""Choose the sources of a painting by how well their guides fit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.analogy.book import Metric
from napari_organoid_synth.core.analogy.features import patches_at
from napari_organoid_synth.core.analogy.pyramid import pyramid
from napari_organoid_synth.core.analogy.sources import Cut, turned
from napari_organoid_synth.core.pairs.pair import MaskKind

PIXELS = 700_000
"""Most pixels of the sources in one painting, orientations counted."""
MAIN_SHARE = 0.75  # of these for the main source, if there are others
ASKED = 400  # patches of the new mask that are looked for in each source
_EXAMPLES = 3200  # guide patches of a source
LEVEL = 1
"""Of the pyramid, at which guides are compared."""
_CHOOSY = 6.0


class Chooser:
    """Chooses sources for a mask.

    Parameters
    ----------
    cuts : sequence of Cut
    metric : Metric
        Of `LEVEL`.
    mask_kind : {"binary", "classes", "instances"}
    turn : bool
        Whether sources may be turned.

    Attributes
    ----------
    examples : list of NDArray (N, GUIDE_NUMBERS) float32
        Guide patches of each cut, in all orientations that are used.
    """

    def __init__(self, cuts: Sequence[Cut], metric: Metric, mask_kind: MaskKind, turn: bool) -> None:
        self._cuts, self._metric, self._turn, self._kind = cuts, metric, turn, mask_kind
        self.examples = [self.examples_of(cut) for cut in cuts]

    def pages(self, guide: NDArray[np.float32], allowed: Sequence[int], seed: int) -> tuple[list[tuple[int, int]], Cut]:
        """Choose the pages of a painting, those of the main cut first.

        Parameters
        ----------
        guide : NDArray (G, Y, X) float32
            Of the new mask.
        allowed : sequence of int
            Cuts that may be used.
        seed : int
            Of the draw.
        """
        rng = np.random.default_rng((seed & (2**64 - 1), 1))
        asked = self._random(pyramid(guide, LEVEL + 1)[-1], ASKED, rng)
        costs = np.array([float(np.mean(nearest(asked, self.examples[cut]))) for cut in allowed])
        odds = np.exp(-_CHOOSY * (costs / max(costs.min(), 1e-3) - 1))
        main = allowed[int(rng.choice(len(allowed), p=odds / odds.sum()))]
        others = [allowed[k] for k in np.argsort(costs, kind="stable") if allowed[k] != main]
        others = [cut for cut in others if self._cuts[main].agrees(self._cuts[cut])]
        left = float(PIXELS) * (MAIN_SHARE if others else 1)
        pages: list[tuple[int, int]] = []
        for orientation in rng.permutation(8) if self._turn else [0]:
            if pages and self._cuts[main].size > left:
                break
            pages.append((main, int(orientation)))
            left -= self._cuts[main].size
        left += float(PIXELS) * (1 - MAIN_SHARE if others else 0)
        for cut in others:
            if self._cuts[cut].size <= left:
                pages.append((cut, int(rng.integers(8)) if self._turn else 0))
                left -= self._cuts[cut].size
        return pages, self._cuts[main]

    def examples_of(self, cut: Cut) -> NDArray[np.float32]:
        """Return the guide numbers of random patches of a cut, (N, GUIDE_NUMBERS)."""
        guide = pyramid(cut.guide, LEVEL + 1)[-1]
        orientations = range(8) if self._turn else [0]
        each, rng = _EXAMPLES // len(orientations), np.random.default_rng(0)
        return np.concatenate([self._random(turned(guide, one), each, rng) for one in orientations])

    def _random(self, guide: NDArray[np.float32], number: int, rng: np.random.Generator) -> NDArray[np.float32]:
        """Return the numbers of random patches: half of them anywhere, half on or near objects."""
        near = np.argwhere(np.any(guide[::2] > -0.9, axis=0) if self._kind == "classes" else guide[0] > -0.9)
        places = rng.integers(0, guide.shape[1:], (number, 2))
        if len(near):
            places[: number // 2] = near[rng.integers(0, len(near), number // 2)]
        return self.numbers(guide, places)

    def numbers(self, guide: NDArray[np.float32], places: NDArray[np.intp]) -> NDArray[np.float32]:
        """Return the guide numbers of chosen pixels.

        Parameters
        ----------
        guide : NDArray (G, Y, X) float32
            At `LEVEL`.
        places : NDArray (N, 2) int
            Rows and columns.
        """
        return self._metric.guide.of(patches_at(guide * self._metric.scales, places))


def nearest(asked: NDArray[np.float32], examples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the squared distance of each row to the nearest example, (N,) float32."""
    squares = (examples**2).sum(1) - 2 * asked @ examples.T
    return np.asarray(np.maximum(squares.min(1) + (asked**2).sum(1), 0), np.float32)
