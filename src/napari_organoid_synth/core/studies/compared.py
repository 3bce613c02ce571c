"""Words for a comparison of segmenters in a study: the names of its arms, and the verdict."""

from __future__ import annotations

from napari_organoid_synth.core.gain.results import GainResult, TableRow
from napari_organoid_synth.core.gain.sentences import gain_verdict
from napari_organoid_synth.core.segmentation.arms import title_of

NONE_CHOSEN = "none of the pairs chosen"


def name_of_arm(row: TableRow, title: str = "") -> str:
    """Return the title of an arm, and in how many folds none of its pairs were chosen.

    Examples
    --------
    >>> name_of_arm(TableRow(arm="raw", scores={}))
    'real pairs'
    >>> name_of_arm(TableRow(arm="raw+synthetic", scores={}, ratio=None, chosen=(0.0, 1.0)), "BCE")
    'BCE (none of the pairs chosen in 1 of 2 folds)'
    """
    title, none = title or title_of(row.arm), row.chosen.count(0.0)
    if not none:
        return title
    where = f" in {none} of {len(row.chosen)} folds" if len(row.chosen) > 1 else ""
    return f"{title} ({NONE_CHOSEN}{where})"


def verdict(result: GainResult) -> str:
    """Return the verdict of a comparison, in the words of a study."""
    return in_study(gain_verdict(result))


def first_sentence(result: GainResult) -> str:
    """Return what a comparison says first, in the words of a study; empty if it says nothing."""
    return in_study(next(iter(result.sentences), ""))


def in_study(text: str) -> str:
    """Call the number of steps as in ``study.yaml``."""
    return text.replace("Set steps to", "Set segmenter_steps to")
