"""Charts as places on the page: curves, histograms, dots, a map. Templates draw them in the colours of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.report.rendering import number

# Okabe and Ito's colours, which people with any colour vision can tell apart
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f")
BINS = 20
MAX_CURVE_POINTS = 300
Series = tuple[str, Sequence[float], Sequence[float]]  # name, x, y


@dataclass(frozen=True)
class Mark:
    """A line, outline or group of points: its SVG geometry and style.

    Parameters
    ----------
    path : str
        Geometry in the syntax of its SVG element.
    colour : str
        Hexadecimal colour.
    label : str
        Entry in the legend.
    dashes : str
        SVG dash pattern; empty for a solid line.
    """

    path: str
    colour: str
    label: str = ""
    dashes: str = ""


@dataclass(frozen=True)
class Curves:
    """Lines over a common axis, whose ends are labelled."""

    title: str
    unit: str
    lines: tuple[Mark, ...]
    x_ends: tuple[str, str]
    y_ends: tuple[str, str]
    last: str

    @classmethod
    def of(cls, title: str, series: Sequence[Series], unit: str, first: int = 0) -> Curves | None:
        """Lay out some curves; a long one is thinned out.

        Parameters
        ----------
        title : str
            Title of the chart.
        series : sequence of (str, x, y)
            Points that are not finite are left out, and series without points.
        unit : str
            Unit of the x axis.
        first : int
            Index of the first colour.

        Returns
        -------
        Curves or None
            None where no point is left.
        """
        curves = []
        for name, x, y in series:
            points = np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)])
            points = points[:, np.isfinite(points).all(0)]
            if points.shape[1]:
                curves.append((name, points[:, thin(points.shape[1])]))
        if not curves:
            return None
        everything = np.concatenate([points for _, points in curves], axis=1)
        (left, low), (right, high) = everything.min(1), everything.max(1)
        lines = []
        for index, (name, points) in enumerate(curves):
            x = 52 + (points[0] - left) / max(right - left, 1e-12) * 254
            y = 96 - (points[1] - low) / ((high - low) or 1) * 84
            line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
            line = line if len(x) > 1 else f"{line} {line}"  # with round ends, a dot
            colour = COLOURS[(first + index) % len(COLOURS)]
            lines.append(Mark(line, colour, f"{name} {number(points[1, -1])}", f"{3 * index} 3" if index else ""))
        last = number(curves[0][1][1, -1]) if len(curves) == 1 else ""
        return cls(title, unit, tuple(lines), (f"{left:.0f}", f"{right:.0f}"), (number(low), number(high)), last)


@dataclass(frozen=True)
class Histogram:
    """Distributions of some groups over common bins, as steps of shares, with their medians."""

    title: str
    unit: str
    outlines: tuple[Mark, ...]
    medians: tuple[Mark, ...]
    ends: tuple[str, str]

    @classmethod
    def of(
        cls, title: str, unit: str, groups: Sequence[tuple[str, Sequence[float]]], log: bool = False
    ) -> Histogram | None:
        """Lay out the distributions of some groups.

        Parameters
        ----------
        title : str
            Title of the chart.
        unit : str
            Unit of the values.
        groups : sequence of (str, values)
            The largest 1 % of all values share the last bin.
        log : bool
            Whether bins widen by a constant factor; all values must then be positive.

        Returns
        -------
        Histogram or None
            None where there are no values.
        """
        arrays = [(name, np.asarray(values, np.float64)) for name, values in groups if len(values)]
        if not arrays:
            return None
        edges = _edges(np.concatenate([values for _, values in arrays]), log)
        shares = [np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] / len(values) for _, values in arrays]
        top = max(float(share.max()) for share in shares)

        def place(values: Any) -> Any:
            ends = [np.log(one) if log else one for one in (values, edges[0], edges[-1])]
            return 8 + (ends[0] - ends[1]) / (ends[2] - ends[1]) * 294

        x, outlines, medians = place(edges), [], []
        for index, ((name, values), share) in enumerate(zip(arrays, shares, strict=True)):
            colour, median = COLOURS[index % len(COLOURS)], np.median(values)
            steps = "".join(f"V{b:.1f}H{a:.1f}" for a, b in zip(x[1:], 96 - share / top * 84, strict=True))
            label = f"{name}: median {number(median)}"
            outlines.append(Mark(f"M{x[0]:.1f} 96{steps}V96", colour, label, "5 3" if index else ""))
            medians.append(Mark(f"M{place(np.clip(median, edges[0], edges[-1])):.1f} 96v8", colour))
        return cls(title, unit, tuple(outlines), tuple(medians), (number(edges[0]), number(edges[-1])))


def _edges(values: NDArray[np.float64], log: bool) -> NDArray[np.float64]:
    """Return the edges of the bins, whole numbers in a bin each where they are few."""
    low, high, bins = float(values.min()), float(np.percentile(values, 99)), BINS
    if not log and np.equal(np.mod(values, 1), 0).all() and high - low < bins:
        bins, high = int(high - low) + 1, low + int(high - low) + 1
    high = high if high > low else low + 1
    return np.geomspace(low, high, bins + 1) if log else np.linspace(low, high, bins + 1)


@dataclass(frozen=True)
class Strip:
    """A row of a `DotPlot`: a dot for each image, joined to the same image in the row above."""

    name: str
    y: int
    colour: str
    dots: tuple[str, ...]
    mean: str
    joins: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class DotPlot:
    """A strip of dots for each row, on an axis that ends at 1."""

    label: str
    width: int
    height: int
    ticks: tuple[tuple[str, str], ...]
    strips: tuple[Strip, ...]

    @classmethod
    def of(cls, rows: Sequence[tuple[str, Sequence[float]]], label: str) -> DotPlot:
        """Lay out rows of values between 0 and 1, the same images in each."""
        low = min(0.95, min(min(values) for _, values in rows) - 0.01)
        low = max(0.0, int(low * 20) / 20)
        width, left, height = 660, 240, 34 * len(rows) + 30

        def x(value: float) -> str:
            return f"{left + (value - low) / (1 - low) * (width - left - 20):.1f}"

        strips: list[Strip] = []
        for index, (name, values) in enumerate(rows):
            dots = tuple(x(value) for value in values)
            joins = tuple(zip(strips[-1].dots, dots, strict=True)) if strips else ()
            colour = COLOURS[index % len(COLOURS)]
            strips.append(Strip(name, 20 + 34 * index, colour, dots, x(float(np.mean(values))), joins))
        ticks = tuple((x(tick), f"{tick:.2f}") for tick in np.linspace(low, 1, 5))
        return cls(label, width, height, ticks, tuple(strips))


SHAPES = {
    "dot": "h0",
    "ring": "m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0",
    "cross": "m-4-4l8 8m0-8l-8 8",
    "box": "m-4-4h8v8h-8z",
}
Group = tuple[str, str, str, NDArray[np.float64]]  # name, colour, shape, (N, 2)


@dataclass(frozen=True)
class Points:
    """A group of points of a `Cloud`: one path, which is small also for many points."""

    path: str
    sample: str
    colour: str
    is_dot: bool
    label: str


@dataclass(frozen=True)
class Cloud:
    """Points in the plane; groups differ in colour and shape."""

    label: str
    height: str
    groups: tuple[Points, ...]

    @classmethod
    def of(cls, label: str, groups: Sequence[Group]) -> Cloud:
        """Lay out groups of points with equal scales in x and y."""
        everything = np.concatenate([points for *_, points in groups])
        low, span = everything.min(0), np.ptp(everything, axis=0).max() or 1.0
        height = 40 + 680 * float(np.ptp(everything[:, 1])) / span
        parts = []
        for name, colour, shape, points in groups:
            x, y = (points - low).T / span * 680 + 20
            path = "".join(f"M{a:.0f} {height - b:.0f}{SHAPES[shape]}" for a, b in zip(x, y, strict=True))
            parts.append(Points(path, f"M8 8{SHAPES[shape]}", colour, shape == "dot", f"{name} ({len(points):,})"))
        return cls(label, f"{height:.0f}", tuple(parts))


def thin(length: int, limit: int = MAX_CURVE_POINTS) -> NDArray[np.intp]:
    """Return at most ``limit`` of ``length`` indices, evenly spread, the first and the last among them."""
    return np.unique(np.linspace(0, length - 1, min(length, limit)).round().astype(np.intp))
