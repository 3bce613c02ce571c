"""Small charts as SVG: curves, histograms, dots, a map. They take the colours of the page, light or dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.report.page import number

# Okabe and Ito's colours, which people with any colour vision can tell apart
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
BINS = 20
MOST_POINTS = 300
"""Of a curve."""
Series = tuple[str, Sequence[float], Sequence[float]]  # what, x, y


def curves(title: str, lines: Sequence[Series], unit: str, first: int = 0) -> str:
    """Lines over a common axis, whose ends are labelled; a long curve is thinned out to 300 points.

    Parameters
    ----------
    title : str
        What is drawn.
    lines : sequence of (str, x, y)
        Points that are not finite are left out; a line without points too.
    unit : str
        What the x axis counts.
    first : int
        Number of the first colour.
    """
    kept = []
    for name, x, y in lines:
        points = np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)])
        points = points[:, np.isfinite(points).all(0)]
        if points.shape[1]:
            kept.append((name, points[:, thin(points.shape[1])]))
    if not kept:
        return ""
    everything = np.concatenate([points for _, points in kept], axis=1)
    (left, low), (right, high) = everything.min(1), everything.max(1)
    drawn, keys = "", ""
    for index, (name, points) in enumerate(kept):
        x = 52 + (points[0] - left) / max(right - left, 1e-12) * 254
        y = 96 - (points[1] - low) / ((high - low) or 1) * 84
        line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        colour = COLOURS[(first + index) % len(COLOURS)]
        dashes = f' stroke-dasharray="{3 * index} 3"' if index else ""
        drawn += f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>'
        if len(kept) > 1:
            keys += f'<span class=key style="background:{colour}"></span>{escape(name)} {points[1, -1]:.3g}'
    last = f", last {kept[0][1][1, -1]:.3g}" if len(kept) == 1 else ""
    return (
        f"<figure><figcaption><b>{escape(title)}</b>{last}{keys}</figcaption>"
        f'<svg viewBox="0 0 310 122" role="img" aria-label="{escape(title)} over {escape(unit)}">'
        f'<path d="M52 8V96H306" fill="none" stroke="currentColor" opacity=".3"/>{drawn}'
        f'<g font-size="11"><text x="48" y="16" text-anchor="end">{high:.3g}</text>'
        f'<text x="48" y="96" text-anchor="end">{low:.2g}</text><text x="52" y="112">{left:.0f}</text>'
        f'<text x="306" y="112" text-anchor="end">{right:.0f} {escape(unit)}</text></g></svg></figure>'
    )


def thin(length: int, most: int = MOST_POINTS) -> NDArray[np.intp]:
    """Indices of at most ``most`` of ``length`` points, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, min(length, most)).round().astype(np.intp))


def histogram(title: str, unit: str, groups: Sequence[tuple[str, Sequence[float]]], log: bool = False) -> str:
    """Distributions of some groups over common bins, as steps of shares; their medians are upright lines.

    Parameters
    ----------
    title : str
        What is counted.
    unit : str
        Of the values.
    groups : sequence of (str, values)
        The largest 1 % of all values share the last bin.
    log : bool
        Whether bins widen by a factor; all values are positive then.
    """
    found = [(name, np.asarray(values, np.float64)) for name, values in groups if len(values)]
    if not found:
        return ""
    everything = np.concatenate([values for _, values in found])
    low, high, bins = float(everything.min()), float(np.percentile(everything, 99)), BINS
    if not log and np.equal(np.mod(everything, 1), 0).all() and high - low < bins:  # whole numbers: a bin for each
        bins, high = int(high - low) + 1, low + int(high - low) + 1
    high = high if high > low else low + 1
    edges = np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)
    shares = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values) for _, values in found]
    top = max(float(share.max()) for share in shares)
    drawn, keys = "", ""

    def place(values: Any) -> Any:
        ends = [np.log(one) if log else one for one in (values, edges[0], edges[-1])]
        return 8 + (ends[0] - ends[1]) / (ends[2] - ends[1]) * 294

    x = place(edges)
    for index, ((name, values), share) in enumerate(zip(found, shares, strict=True)):
        colour, dashes = COLOURS[index % len(COLOURS)], ' stroke-dasharray="5 3"' if index else ""
        y = 96 - share / top * 84
        path = f"M{x[0]:.1f} 96" + "".join(f"V{b:.1f}H{a:.1f}" for a, b in zip(x[1:], y, strict=True)) + "V96"
        drawn += f'<path d="{path}" fill="{colour}" fill-opacity=".15" stroke="{colour}" stroke-width="2"{dashes}/>'
        middle = place(np.clip(np.median(values), edges[0], edges[-1]))
        drawn += f'<path d="M{middle:.1f} 96v8" stroke="{colour}" stroke-width="3"/>'
        keys += f'<span class=key style="background:{colour}"></span>{escape(name)}: median {number(np.median(values))}'
    return (
        f"<figure><figcaption><b>{escape(title)}</b>{f', {escape(unit)}' if unit else ''}<br>{keys}</figcaption>"
        f'<svg viewBox="0 0 310 122" role="img" aria-label="Distribution of {escape(title)}">{drawn}'
        '<path d="M8 96H306" stroke="currentColor" opacity=".3"/>'
        f'<g font-size="11"><text x="8" y="117">{number(edges[0])}</text>'
        f'<text x="302" y="117" text-anchor="end">{number(edges[-1])}</text></g></svg></figure>'
    )


def dots(rows: Sequence[tuple[str, Sequence[float]]], label: str) -> str:
    """A strip of dots per row, one per image, on an axis that ends at 1; lines join the same image."""
    low = min(0.95, min(min(values) for _, values in rows) - 0.01)
    low = max(0.0, int(low * 20) / 20)
    width, left, height = 660, 240, 34 * len(rows) + 30

    def x(value: float) -> float:
        return left + (value - low) / (1 - low) * (width - left - 20)

    marks = [
        f'<line x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="4" y2="{height - 24}" stroke="currentColor" opacity=".15"/>'
        f'<text x="{x(tick):.1f}" y="{height - 8}" font-size="12" text-anchor="middle">{tick:.2f}</text>'
        for tick in np.linspace(low, 1, 5)
    ]
    for index, (name, values) in enumerate(rows):
        y = 20 + 34 * index
        marks.append(f'<text x="0" y="{y + 4}" font-size="13">{escape(name)}</text>')
        if index:
            marks += [
                f'<line x1="{x(a):.1f}" y1="{y - 34}" x2="{x(b):.1f}" y2="{y}" stroke="currentColor" opacity=".2"/>'
                for a, b in zip(rows[index - 1][1], values, strict=True)
            ]
    for index, (_, values) in enumerate(rows):
        y, colour = 20 + 34 * index, COLOURS[index % len(COLOURS)]
        marks += [f'<circle cx="{x(value):.1f}" cy="{y}" r="5" fill="{colour}" opacity=".75"/>' for value in values]
        mean = x(float(np.mean(values)))
        marks.append(f'<path d="M{mean:.1f} {y - 11}V{y + 11}" stroke="{colour}" stroke-width="3"/>')
    return (
        f'<div style="max-width:44rem"><svg viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(label)}">{"".join(marks)}</svg></div>\n'
    )


SHAPES = {
    "dot": "h0",
    "ring": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    "cross": "m-4-4l8 8m0-8l-8 8",
    "box": "m-4-4h8v8h-8z",
}
Cloud = tuple[str, str, str, NDArray[np.float64]]  # what, colour, shape, (N, 2)


def cloud(label: str, groups: Sequence[Cloud]) -> str:
    """Points in the plane, groups told apart by colour and shape; one path for each group, small for many points."""
    everything = np.concatenate([points for *_, points in groups])
    low, span = everything.min(0), np.ptp(everything, axis=0).max() or 1.0
    height = 40 + 680 * float(np.ptp(everything[:, 1])) / span
    drawn, keys = "", ""
    for name, colour, shape, points in groups:
        x, y = (points - low).T / span * 680 + 20
        path = "".join(f"M{a:.0f} {height - b:.0f}{SHAPES[shape]}" for a, b in zip(x, y, strict=True))
        stroke = '8" stroke-linecap="round" opacity=".8' if shape == "dot" else '2"  opacity=".9'
        drawn += f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="{stroke}"/>'
        sample = f'<path d="M8 8{SHAPES[shape]}" fill="none" stroke="{colour}" stroke-width="{stroke}"/>'
        keys += (
            f'<svg style="display:inline;width:1em;height:1em;margin:0 .3em 0 .8em;vertical-align:-.1em" '
            f'viewBox="0 0 16 16" aria-hidden="true">{sample}</svg>{escape(name)} ({len(points):,})'
        )
    return (
        f'<figure style="max-width:52rem"><svg viewBox="0 0 720 {height:.0f}" role="img" aria-label="{escape(label)}">'
        f"{drawn}</svg><figcaption>{keys}</figcaption></figure>\n"
    )
