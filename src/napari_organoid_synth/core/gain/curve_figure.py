"""Held-back score against steps, a line for each training: as lines for a window and as SVG for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import floor

from napari_organoid_synth.core.gain.figures import colour_of
from napari_organoid_synth.core.gain.results import TrainingCurve, arm_key

FRAME = 46, 10, 560, 240
"""Left, top, width and height of the plot area."""
ROW = 18
"""Height of a row of the legend."""


@dataclass(frozen=True)
class CurveLine:
    """The line of one training.

    Parameters
    ----------
    arm : str
        Name of the arm, with its generator.
    colour : str
        Of the arm, hexadecimal.
    steps, scores : tuple
        Points, rising steps, and held-back scores in [0, 1].
    at_plateau : bool
        Whether the score had stopped rising at the end.
    title : str
        Arm, ratio, fold and seed, in words.
    """

    arm: str
    colour: str
    steps: tuple[int, ...]
    scores: tuple[float, ...]
    at_plateau: bool
    title: str


def curve_lines(curves: Sequence[TrainingCurve], subset: float | None = None) -> list[CurveLine]:
    """Return a line for each training with held-back scores at one share of the images; default: the largest."""
    subset = max((one.subset for one in curves), default=1.0) if subset is None else subset
    several = {one.arm for one in curves for other in curves if one.arm == other.arm and one.ratio != other.ratio}
    return [
        CurveLine(
            arm_key(one.arm, one.generator),
            colour_of(one.arm),
            one.curve.steps,
            one.curve.scores,
            one.curve.at_plateau,
            f"{arm_key(one.arm, one.generator).replace('+', ' + ')}, {f'ratio {one.ratio:g}, ' * (one.arm in several)}"
            f"fold {one.fold + 1}, seed {one.seed}",
        )
        for one in curves
        if one.subset == subset and one.curve.steps
    ]


def curves_svg(curves: Sequence[TrainingCurve]) -> str:
    """Draw the held-back score of every training against its steps, in the colours of the arms.

    A dot ends a line whose training reached its plateau, a ring one that was still rising.

    Returns
    -------
    str
        A ``div`` with an ``svg`` element; empty without curves.
    """
    lines = curve_lines(curves)
    if not lines:
        return ""
    left, top, width, height = FRAME
    last = max(line.steps[-1] for line in lines)
    every = [score for line in lines for score in line.scores]
    low, high = _ends(min(every), max(every))
    marks = _grid(last, low, high)
    for line in lines:
        points = [
            (left + step / last * width, top + (high - score) / (high - low) * height)
            for step, score in zip(line.steps, line.scores, strict=True)
        ]
        x, y = points[-1]
        ring = f'fill="{line.colour}"' if line.at_plateau else f'fill="none" stroke="{line.colour}" stroke-width="1.5"'
        text = " ".join(f"{a:.1f},{b:.1f}" for a, b in points)
        marks += [
            f'<polyline points="{text}" fill="none" stroke="{line.colour}" stroke-width="1.5" stroke-opacity=".6">'
            f"<title>{escape(line.title)}</title></polyline>",
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" {ring}/>',
        ]
    y = top + height + 50
    for arm, colour in {line.arm: line.colour for line in lines}.items():
        own = [line for line in lines if line.arm == arm]
        rising = sum(not line.at_plateau for line in own)
        state = f"{rising} of {len(own)} still rising" if rising else f"all {len(own)} at the plateau"
        marks += [
            f'<path d="M4 {y - 4}h24" stroke="{colour}" stroke-width="3"/>',
            f'<text x="34" y="{y}">{escape(arm.replace("+", " + "))}: {state}</text>',
        ]
        y += ROW
    return (
        f'<div style="max-width:48rem"><svg viewBox="0 0 {left + width + 24} {y}" role="img" font-size="12" '
        f'aria-label="Held-back score of every training against its steps" fill="currentColor">{"".join(marks)}'
        "</svg></div>\n"
    )


def _ends(low: float, high: float) -> tuple[float, float]:
    """Return the ends of an axis of four round steps that holds all scores.

    Examples
    --------
    >>> _ends(0.2, 0.5), _ends(0.71, 0.83)
    ((0.2, 0.6), (0.7, 0.9))
    """
    for step in (0.005, 0.01, 0.02, 0.025, 0.05, 0.1, 0.2):
        start = floor(low / step + 1e-9) * step
        if high <= start + 4 * step + 1e-9:
            return round(start, 6), round(start + 4 * step, 6)
    return 0.0, 1.0


def _grid(last: int, low: float, high: float) -> list[str]:
    """Draw lines and numbers of both axes, and their titles."""
    left, top, width, height = FRAME
    marks = []
    for tick in range(5):
        x, y = left + tick / 4 * width, top + (1 - tick / 4) * height
        marks += [
            f'<path d="M{left} {y:.1f}h{width}M{x:.1f} {top}v{height}" stroke="currentColor" stroke-opacity=".15"/>',
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{low + tick / 4 * (high - low):.3g}</text>',
            f'<text x="{x:.1f}" y="{top + height + 16}" text-anchor="middle">{round(tick / 4 * last):,}</text>',
        ]
    return [
        *marks,
        f'<text x="{left + width / 2:.0f}" y="{top + height + 32}" text-anchor="middle">steps</text>',
    ]
