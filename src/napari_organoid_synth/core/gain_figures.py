"""Figures of a comparison as SVG: bars for each share of the training images, and intervals of the gain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from napari_organoid_synth.core.gain_table import ARMS, SCORES

# Okabe and Ito's colours, which people with any colour vision can tell apart
COLOURS = ("#7f7f7f", "#0072b2", "#56b4e9", "#d55e00", "#009e73", "#e69f00", "#cc79a7")
WIDTH, LEFT, ROW = 640, 230, 26


def name_of(row: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], with_subset: bool = True) -> str:
    """An arm in words, with the share and the ratio where there are several."""
    parts = [ARMS.get(row["arm"], row["arm"])]
    if with_subset and len({one["subset"] for one in rows}) > 1:
        parts.append(f"{row['subset']:.3g} of images")
    if len({one["ratio"] for one in rows if one["arm"] == row["arm"]}) > 1:
        parts.append(f"ratio {row['ratio']:g}")
    return ", ".join(parts)


def bars(rows: Sequence[Mapping[str, Any]], score: str) -> str:
    """A group of bars for each share of the training images, largest first, each with its standard deviation."""
    marks, y = [], 4.0
    for subset in dict.fromkeys(row["subset"] for row in rows):
        group = [row for row in rows if row["subset"] == subset]
        y += 18
        share = f"{100 * subset:.4g} % of the training images"
        marks.append(f'<text x="0" y="{y:.0f}" font-size="13" font-weight="600">{share}</text>')
        y += 8
        for row in group:
            one, middle, colour = row["scores"][score], y + ROW / 2, _colour(row["arm"])
            x, low, high = (_x(one["mean"] + by * one["sd"], 0.0, 1.0) for by in (0, -1, 1))
            marks += [
                f'<text x="0" y="{middle + 4:.0f}" font-size="12">{escape(name_of(row, rows, False))}</text>',
                f'<rect x="{LEFT}" y="{y + 4:.0f}" width="{x - LEFT:.1f}" height="{ROW - 8}" fill="{colour}"/>',
                f'<path d="M{low:.1f} {middle:.0f}H{high:.1f}" stroke="currentColor" stroke-width="2"/>',
                f'<text x="{WIDTH - 44}" y="{middle + 4:.0f}" font-size="12">{one["mean"]:.3f}</text>',
            ]
            y += ROW
    return _svg(marks, y + 6, f"{SCORES.get(score, score)} of every arm")


def intervals(rows: Sequence[Mapping[str, Any]], score: str) -> str:
    """A line for the interval of each gain and a dot for its mean; the upright line is no change."""
    shown = [row for row in rows if row.get("gain", {}).get(score)]
    if not shown:
        return ""
    changes = [row["gain"][score] for row in shown]
    low, high = min(0.0, *(one["low"] for one in changes)), max(0.0, *(one["high"] for one in changes))
    margin = 0.05 * ((high - low) or 0.02)
    low, high = low - margin, high + margin
    height = ROW * len(shown) + 30
    zero = _x(0, low, high)
    marks = [f'<path d="M{zero:.1f} 2V{height - 24}" stroke="currentColor" opacity=".5"/>']
    for index, (row, one) in enumerate(zip(shown, changes, strict=True)):
        y = ROW * index + ROW / 2
        start, middle, end = (_x(one[key], low, high) for key in ("low", "mean", "high"))
        colour = _colour(row["arm"])
        dashes = ' stroke-dasharray="3 3"' if one["interval"] == "range" else ""
        marks += [
            f'<text x="0" y="{y + 4:.0f}" font-size="12">{escape(name_of(row, rows))}</text>',
            f'<path d="M{start:.1f} {y:.0f}H{end:.1f}" stroke="{colour}" stroke-width="3"{dashes}/>',
            f'<circle cx="{middle:.1f}" cy="{y:.0f}" r="5" fill="{colour}"/>',
        ]
    for tick in (low + margin, 0.0, high - margin):
        x = _x(tick, low, high)
        marks.append(f'<text x="{x:.1f}" y="{height - 8}" font-size="12" text-anchor="middle">{tick:+.3f}</text>')
    return _svg(marks, height, f"Change of {SCORES.get(score, score)} against raw")


def _colour(arm: str) -> str:
    return COLOURS[list(ARMS).index(arm) % len(COLOURS)] if arm in ARMS else COLOURS[0]


def _x(value: float, low: float, high: float) -> float:
    return LEFT + (min(max(value, low), high) - low) / (high - low) * (WIDTH - LEFT - 56)


def _svg(marks: Sequence[str], height: float, label: str) -> str:
    return (
        f'<div style="max-width:44rem"><svg viewBox="0 0 {WIDTH} {height:.0f}" role="img" '
        f'aria-label="{escape(label)}" fill="currentColor">{"".join(marks)}</svg></div>\n'
    )
