"""How badly the sources fit each object, compared with how badly real objects fit each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.analogy.choice import LEVEL, Chooser, nearest
from napari_organoid_synth.core.analogy.pyramid import pyramid
from napari_organoid_synth.core.analogy.sources import Cut
from napari_organoid_synth.core.pairs.pair import MaskKind

MAX_EXAMPLES = 8  # cuts that the usual residual is measured on
_EACH, _MOST, _LEAST = 12, 1500, 3  # patches of an object, of all objects together; at least of an object
_SMALL = 1e-3


class Residual:
    """Measures residuals in units of what real objects have among themselves.

    Parameters
    ----------
    chooser : Chooser
        Of the same cuts.
    cuts : sequence of Cut
        Each is measured as if it were new: on the cuts of the other sources, or, where there is one source, on the
        other pieces of it.
    mask_kind : {"binary", "classes", "instances"}
    """

    def __init__(self, chooser: Chooser, cuts: Sequence[Cut], mask_kind: MaskKind) -> None:
        self._chooser = chooser
        self._alike = mask_kind != "classes"  # all labels are objects of one kind
        cuts, examples = list(cuts), chooser.examples
        if len({cut.name for cut in cuts}) == 1:
            cuts = [part for cut in cuts for part in _halves(cut)]
            cuts = [replace(cut, name=f"{cut.name} {number}") for number, cut in enumerate(cuts)]
            examples = [chooser.examples_of(cut) for cut in cuts]
        found: dict[int, list[float]] = {}
        for number in np.linspace(0, len(cuts) - 1, min(len(cuts), MAX_EXAMPLES)).astype(int):
            one = cuts[number]
            others = [examples[k] for k, cut in enumerate(cuts) if cut.name != one.name]
            for value, raw in self._raw(one.guide, one.labels, others, None).items():
                found.setdefault(0 if self._alike else value, []).append(raw)
        self._usual = {value: max(float(np.mean(raws)), _SMALL) for value, raws in found.items()}

    def of(
        self,
        guide: NDArray[np.float32],
        labels: NDArray[np.int32],
        cuts: Iterable[int],
        only: Iterable[int] | None = None,
    ) -> dict[int, float]:
        """Measure the residual of each label.

        Parameters
        ----------
        guide : NDArray (G, Y, X) float32
            Of the mask.
        labels : NDArray (Y, X) int32
            The mask.
        cuts : iterable of int
            Those that the painting was made from.
        only : iterable of int, optional
            Labels to measure; all by default.

        Returns
        -------
        dict of int to float
            1 for as good as usual.
        """
        examples = [self._chooser.examples[cut] for cut in sorted(set(cuts))]
        usual = float(np.mean(list(self._usual.values()))) if self._usual else 1.0
        return {
            value: raw / self._usual.get(0 if self._alike else value, usual)
            for value, raw in self._raw(guide, labels, examples, only).items()
        }

    def _raw(
        self,
        guide: NDArray[np.float32],
        labels: NDArray[np.int32],
        examples: Sequence[NDArray[np.float32]],
        only: Iterable[int] | None,
    ) -> dict[int, float]:
        """Return the mean distance of the patches of each label to the nearest example."""
        at = np.flatnonzero(labels if only is None else np.isin(labels, list(only)) & (labels > 0))
        if not at.size or not examples:
            return {}
        order = np.argsort(labels.ravel()[at], kind="stable")
        values, starts, counts = np.unique(labels.ravel()[at][order], return_index=True, return_counts=True)
        each = int(np.clip(_MOST // len(values), _LEAST, _EACH if self._alike else _MOST))
        steps = (np.arange(each) + 0.5) / each  # evenly over the pixels of a label, row by row
        chosen = at[order][(starts[:, None] + (counts[:, None] * steps).astype(int)).ravel()]
        places = np.column_stack(np.unravel_index(chosen, labels.shape)) >> LEVEL
        asked = self._chooser.numbers(pyramid(guide, LEVEL + 1)[-1], places)
        least = np.min([nearest(asked, one) for one in examples], axis=0).reshape(-1, each)
        return {int(value): float(raw) for value, raw in zip(values, least.mean(1), strict=True)}


def _halves(cut: Cut) -> list[Cut]:
    """Cut in two across the longer side; too small a cut stays whole."""
    height, width = cut.labels.shape
    if max(height, width) < 32:
        return [cut]
    middle = max(height, width) // 2
    parts = [(slice(middle), slice(None)), (slice(middle, None), slice(None))]
    return [
        replace(cut, image=cut.image[:, *part], guide=cut.guide[:, *part], labels=cut.labels[part])
        for part in (parts if height >= width else [one[::-1] for one in parts])
    ]
