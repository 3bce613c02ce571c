"""Figures of a comparison as SVG: bars for each share of the training images, and intervals of the change."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import ceil, floor, log10

from napari_organoid_synth.core.gain.results import PairedChange, TableRow, rival_of, varied
from napari_organoid_synth.core.segmentation.arms import RAW, SCORES, base_of, data_of

# Okabe and Ito's colours, which people with any colour vision can tell apart; the same arm has the same everywhere
COLOURS = {
    "raw": "#7f7f7f",
    "classical": "#0072b2",
    "classical-tissue": "#56b4e9",
    "classical-organoid": "#9ad0f5",
    "pretrain": "#cc79a7",
    "synthetic-only": "#f0e442",
}
COLOURS_OF_DATA = {"pasted": "#999900", "simulated": "#e69f00", "synthetic": "#d55e00", "curated": "#009e73"}
WIDTH, LEFT, RIGHT, ROW = 720, 250, 170, 26  # RIGHT holds the numbers


def colour_of(arm: str) -> str:
    """Return the colour of an arm, that of its added pairs or its augmentation; grey for one that is not known."""
    return COLOURS.get(arm) or COLOURS_OF_DATA.get(data_of(arm)) or COLOURS.get(base_of(arm), COLOURS[RAW])


def row_name(row: TableRow, rows: Sequence[TableRow], with_subset: bool = True) -> str:
    """Return the short name of an arm, with generator, share and ratio where there are several.

    Examples
    --------
    >>> row = TableRow(arm="classical+synthetic", scores={}, ratio=0.25)
    >>> row_name(row, [row, row.replace(ratio=None)])
    'classical + synthetic, ratio 0.25'
    """
    names = varied(rows)
    parts = [row.arm.replace("+", " + ")]
    if "generator" in names and row.generator:
        parts.append(row.generator)
    if with_subset and "subset" in names:
        parts.append(f"{100 * row.subset:.4g} % of images")
    if sum(other.place == row.place for other in rows) > 1:
        parts.append("share chosen" if row.ratio is None else f"ratio {row.ratio:g}")
    return ", ".join(parts)


def bars(rows: Sequence[TableRow], score: str) -> str:
    """Draw a group of bars for each share of the training images, largest first, each with its standard deviation."""
    marks, y = [], 4.0
    subsets = dict.fromkeys(row.subset for row in rows)
    for subset in subsets:
        if len(subsets) > 1:
            y += 18
            share = f"{100 * subset:.4g} % of the training images"
            marks.append(f'<text x="0" y="{y:.0f}" font-size="13" font-weight="600">{share}</text>')
            y += 8
        for row in rows:
            if row.subset == subset:
                marks += _bar(row, row_name(row, rows, False), score, y)
                y += ROW
    title = SCORES.get(score, score)
    marks += _axis((0.0, 0.2, 0.4, 0.6, 0.8, 1.0), 0.0, 1.0, y, "{:.1f}", title)
    return _svg(marks, y + 40, f"{title} of every arm")


def _bar(row: TableRow, name: str, score: str, y: float) -> list[str]:
    """Draw name, bar, deviation and numbers of one row."""
    spread, middle = row.scores[score], y + ROW / 2
    x, low, high = (_x(spread.mean + by * spread.sd, 0.0, 1.0) for by in (0, -1, 1))
    return [
        f'<text x="0" y="{middle + 4:.0f}" font-size="12">{escape(name)}</text>',
        f'<rect x="{LEFT}" y="{y + 4:.0f}" width="{x - LEFT:.1f}" height="{ROW - 8}" fill="{colour_of(row.arm)}"/>',
        f'<path d="M{low:.1f} {middle:.0f}H{high:.1f}" stroke="currentColor" stroke-width="2"/>',
        f'<text x="{WIDTH - RIGHT + 14}" y="{middle + 4:.0f}" font-size="12">{spread.mean:.3f} ± {spread.sd:.3f}'
        "</text>",
    ]


def intervals(rows: Sequence[TableRow], score: str) -> str:
    """Draw a line for the interval of each change and a dot for its mean; the upright line is no change.

    Arms with a generator come first, against the best arm without one; then every arm against the real pairs alone. A
    ring in place of the dot: not all trainings had reached their plateau.
    """
    groups = [(text, compared) for text, compared in _compared(rows, score) if compared]
    if not groups:
        return ""
    changes = [change for _, compared in groups for _, change in compared]
    low, high = min(0.0, *(change.low for change in changes)), max(0.0, *(change.high for change in changes))
    ticks = round_ticks(low, high)
    margin = 0.05 * ((high - low) or 0.02)
    low, high = min(low, ticks[0]) - margin, max(high, ticks[-1]) + margin
    bottom = ROW * (len(changes) + len(groups)) + 4
    zero = _x(0, low, high)
    marks, y = [f'<path d="M{zero:.1f} 2V{bottom}" stroke="currentColor" opacity=".5"/>'], 0
    for text, compared in groups:
        marks.append(f'<text x="0" y="{y + ROW - 8}" font-size="12" font-weight="600">{escape(text)}</text>')
        y += ROW
        for row, change in compared:
            marks += _interval(row, change, row_name(row, rows), y + ROW / 2, (low, high))
            y += ROW
    title = SCORES.get(score, score)
    marks += _axis(ticks, low, high, bottom, "{:+g}", f"change of {title}; right of 0 is better")
    return _svg(marks, bottom + 36, f"Change of {title}")


def _compared(rows: Sequence[TableRow], score: str) -> list[tuple[str, list[tuple[TableRow, PairedChange]]]]:
    """Return the changes against the best arms without a generator, and against the real pairs, each with a heading."""
    over_best = [(row, row.over_best[score]) for row in rows if score in row.over_best]
    rivals = {rival.arm for row, _ in over_best if (rival := rival_of(rows, score, row.subset)) is not None}
    best = f"against {', '.join(arm.replace('+', ' + ') for arm in sorted(rivals))}, the best without a generator"
    gains = [
        (row, row.gain[score])
        for row in rows
        if score in row.gain and not (rivals == {RAW} and score in row.over_best)  # which would be the same again
    ]
    return [(best, over_best), ("against real pairs alone", gains)]


def _interval(row: TableRow, change: PairedChange, name: str, y: float, ends: tuple[float, float]) -> list[str]:
    """Draw name, line, dot and numbers of one change."""
    start, middle, end = (_x(value, *ends) for value in (change.low, change.mean, change.high))
    colour = colour_of(row.arm)
    dashes = ' stroke-dasharray="3 3"' if change.interval == "range" else ""
    ring = f'fill="none" stroke="{colour}" stroke-width="2"' if row.rising else f'fill="{colour}"'
    return [
        f'<text x="0" y="{y + 4:.0f}" font-size="12">{escape(name)}</text>',
        f'<path d="M{start:.1f} {y:.0f}H{end:.1f}" stroke="{colour}" stroke-width="3"{dashes}/>',
        f'<circle cx="{middle:.1f}" cy="{y:.0f}" r="5" {ring}/>',
        f'<text x="{WIDTH - RIGHT + 14}" y="{y + 4:.0f}" font-size="12">{change.mean:+.3f} '
        f"[{change.low:.3f}, {change.high:.3f}]</text>",
    ]


def round_ticks(low: float, high: float) -> list[float]:
    """Return three to seven multiples of 1, 2 or 5 times a power of ten, zero among them, that span both ends.

    Examples
    --------
    >>> round_ticks(-0.028, 0.083)
    [-0.05, 0.0, 0.05, 0.1]
    """
    high = high if high > low else low + 0.01
    span = high - low
    power = 10.0 ** floor(log10(span / 2))
    step = next(power * by for by in (1, 2, 5, 10) if span / (power * by) <= 4)
    digits = max(0, -floor(log10(step)))
    first, last = floor(min(low, 0) / step + 1e-9), ceil(max(high, 0) / step - 1e-9)
    return [round(number * step, digits) for number in range(first, last + 1)]


def _axis(ticks: Sequence[float], low: float, high: float, y: float, form: str, caption: str) -> list[str]:
    """Draw ticks with their numbers below the marks, and a caption."""
    marks = [f'<path d="M{LEFT} {y:.0f}H{WIDTH - RIGHT}" stroke="currentColor" opacity=".3"/>']
    for tick in ticks:
        x, text = _x(tick, low, high), form.format(tick) if tick else "0"
        marks.append(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y:.0f}" y2="{y + 4:.0f}" stroke="currentColor"/>')
        marks.append(f'<text x="{x:.1f}" y="{y + 16:.0f}" font-size="12" text-anchor="middle">{text}</text>')
    middle = (LEFT + WIDTH - RIGHT) / 2
    return [
        *marks,
        f'<text x="{middle:.0f}" y="{y + 32:.0f}" font-size="12" text-anchor="middle">{escape(caption)}</text>',
    ]


def _x(value: float, low: float, high: float) -> float:
    return LEFT + (min(max(value, low), high) - low) / (high - low) * (WIDTH - LEFT - RIGHT)


def _svg(marks: Sequence[str], height: float, label: str) -> str:
    return (
        f'<div style="max-width:48rem"><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(label)}" fill="currentColor">{"".join(marks)}</svg></div>\n'
    )
