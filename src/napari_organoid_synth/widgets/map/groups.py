"""The points of the map in groups that look alike: by verdict, by run, or with the colours of a score."""

from __future__ import annotations

import numpy as np

from napari_organoid_synth.widgets.map.points import REAL, STATES, Points
from napari_organoid_synth.widgets.map.view import Group
from napari_organoid_synth.widgets.shared.theme import VERDICT_COLOURS

SYMBOLS = {REAL: "s", "new": "o", "accepted": "t1", "rejected": "x", "flagged": "d"}
RUN_COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#F0E442")
RUN_SYMBOLS = ("o", "t1", "d", "t", "p", "star", "h")
BY_VERDICT, BY_RUN = "verdict", "run"


def groups_of(points: Points, colour_by: str, only: str | None = None) -> list[Group]:
    """Sort points into groups that look alike: by verdict, by run, or with the colours of a score.

    Parameters
    ----------
    points : Points
        All points of the map.
    colour_by : str
        ``"verdict"``, ``"run"`` or the name of a score.
    only : str, optional
        Run whose pairs are in the groups, beside the real tiles; None: all. A run has the same look alone.
    """
    real = np.flatnonzero(points.states == REAL)
    groups = [Group("real", SYMBOLS[REAL], "", real, hollow=True)]
    shown = points.states != REAL
    if only is not None:
        shown &= points.runs == only
    if colour_by == BY_RUN:
        for place, (run, title) in enumerate(points.titles.items()):
            look = RUN_SYMBOLS[place % len(RUN_SYMBOLS)], RUN_COLOURS[place % len(RUN_COLOURS)]
            if only in (None, run):
                groups.append(Group(title, *look, np.flatnonzero(shown & (points.runs == run))))
        return groups
    shades = None
    if colour_by != BY_VERDICT:
        low, high = score_range(points)
        shades = (points.values - low) / ((high - low) or 1.0)
    for state in STATES[1:]:
        chosen = np.flatnonzero(shown & (points.states == state))
        if len(chosen) or state != "flagged":
            own = None if shades is None else shades[chosen]
            groups.append(Group(state, SYMBOLS[state], VERDICT_COLOURS[state], chosen, shades=own))
    return groups


def score_range(points: Points) -> tuple[float, float]:
    """Return the values of the first and last colour: percentiles 1 and 99, so that outliers do not use up all."""
    known = points.values[np.isfinite(points.values)]
    low, high = np.percentile(known, [1, 99]) if len(known) else (0.0, 1.0)
    return float(low), float(high)
