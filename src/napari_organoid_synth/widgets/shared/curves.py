"""Loss curves that grow while a training runs, without a noticeable cost."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, Qt
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_organoid_synth.core.job import Event, Progress
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.shared.theme import theme_colour

MAX_POINTS = 500
STYLES = (Qt.PenStyle.SolidLine, Qt.PenStyle.DashLine, Qt.PenStyle.DotLine, Qt.PenStyle.DashDotLine)
COLOURS = ("current", "text", "warning", "error")
WATCHED = ("diversity", "kernel_distance")
"""Not losses, and on another scale: they are reported in sentences."""


class Trace:
    """One loss over steps in at most `MAX_POINTS` points: when they are used up, neighbours become their mean."""

    def __init__(self) -> None:
        self.x: list[float] = []
        self.y: list[float] = []
        self._stride, self._sum_x, self._sum_y, self._count = 1, 0.0, 0.0, 0

    def add(self, x: float, y: float) -> None:
        """Add a value; not a number is left out."""
        if not np.isfinite(y):
            return
        self._sum_x, self._sum_y, self._count = self._sum_x + x, self._sum_y + y, self._count + 1
        if self._count < self._stride:
            return
        self.x.append(self._sum_x / self._count)
        self.y.append(self._sum_y / self._count)
        self._sum_x, self._sum_y, self._count = 0.0, 0.0, 0
        if len(self.x) >= MAX_POINTS:
            self._stride *= 2
            self.x = [(a + b) / 2 for a, b in zip(self.x[::2], self.x[1::2], strict=False)]
            self.y = [(a + b) / 2 for a, b in zip(self.y[::2], self.y[1::2], strict=False)]

    def arrays(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Steps and values."""
        return np.asarray(self.x), np.asarray(self.y)


def traces(events: Iterable[Event]) -> tuple[dict[str, Trace], int, int]:
    """Curves of a whole history, the last step and the total; for a worker thread."""
    curves: dict[str, Trace] = {}
    step = total = 0
    for event in events:
        if isinstance(event, Progress) and event.step > step:
            step, total = event.step, event.total
            for name, value in event.stats.items():
                curves.setdefault(name, Trace()).add(step, value)
    return curves, step, total


def still_plot() -> Any:
    """Make a plot that only shows: no menu, no zooming, no buttons, no keys."""
    plot = pg.PlotWidget()
    plot.setMenuEnabled(False)
    plot.setMouseEnabled(False, False)
    plot.hideButtons()
    plot.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    return plot


class ThemedPlot(QWidget):
    """A still plot that takes the colours of the theme; `draw_items` fills it, at first and when the theme changes.

    Parameters
    ----------
    name, tip : str
        Accessible name and visible title.
    parent : QWidget, optional
    """

    def __init__(self, name: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName(name)
        self.setToolTip(plain(tip))
        self.plot = still_plot()
        self.plot.setMinimumWidth(60)
        for side in ("bottom", "left"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
        self.plot.getPlotItem().layout.setContentsMargins(1, 1, 1, 6)  # pyqtgraph lets the title of an axis hang over
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.plot)
        self._drawn = False

    def draw(self) -> None:
        """Draw again in the present colours of the theme."""
        self._drawn = True
        text = theme_colour("text")
        self.plot.clear()
        self.plot.setBackground(theme_colour("background"))
        for side in ("bottom", "left"):
            self.plot.getAxis(side).setPen(text)
            self.plot.getAxis(side).setTextPen(text)
        self.draw_items(text)

    def draw_items(self, text: str) -> None:
        """Fill the empty plot; ``text`` is the colour of words and marks."""
        raise NotImplementedError

    def changeEvent(self, a0: QEvent | None) -> None:
        """Apply the colours of the new theme."""
        super().changeEvent(a0)
        if a0 is not None and a0.type() == QEvent.Type.StyleChange and self._drawn:
            self.draw()


class LossCurves(QWidget):
    """One curve for each loss, in colours and dashes of the theme.

    Ranges are set by hand and seldom, lines are not smoothed, and a slice of events costs one repaint.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Losses")
        self.setToolTip(
            "Losses over steps: both networks should keep moving. A loss stuck at 0: this network overpowers the other."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.plot = still_plot()
        self.plot.getViewBox().disableAutoRange()
        self.plot.setLabel("bottom", "step")
        self._legend = self.plot.addLegend(offset=(-2, 1), labelTextSize="8pt", colCount=2)
        layout.addWidget(self.plot)
        self.setFixedHeight(190)
        self._items: dict[str, Any] = {}
        self._traces: dict[str, Trace] = {}
        self._colours: tuple[str, ...] = ()
        self.clear()
        self._follow_theme()

    def clear(self) -> None:
        """Forget everything."""
        self._legend.clear()
        for item in self._items.values():
            self.plot.removeItem(item)
        self._items, self._traces, self._step = {}, {}, 0
        self._low, self._high, self._right = np.inf, -np.inf, 0.0

    @property
    def names(self) -> list[str]:
        """Losses that have a curve."""
        return [name for name in self._traces if name not in WATCHED]

    @property
    def words(self) -> str:
        """Diversity of the samples and their distance to the real tiles, in sentences; empty until measured."""
        measures = {name: self.points(name) for name in WATCHED if name in self._traces and self._traces[name].y}
        sentences = []
        if "diversity" in measures:
            sentences.append(f"Samples differ {100 * measures['diversity'][1][-1]:.0f} % as much as real tiles do.")
        if "kernel_distance" in measures:
            steps, values = measures["kernel_distance"]
            best = int(values.argmin())
            sentences.append(
                f"Distance to the real tiles {values[-1]:.3g}; smallest {values[best]:.3g} at step {steps[best]:,.0f}."
            )
        return " ".join(sentences)

    def points(self, name: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Steps and values of a loss."""
        return self._traces[name].arrays()

    def append(self, events: Iterable[Event]) -> None:
        """Add the values after the last step that is shown; one repaint."""
        total = 0
        for event in events:
            if isinstance(event, Progress) and event.step > self._step:
                self._step, total = event.step, event.total
                for name, value in event.stats.items():
                    self._traces.setdefault(name, Trace()).add(event.step, value)
        if total or self._step:
            self._draw(total)

    def show_history(self, traces: dict[str, Trace], step: int, total: int) -> None:
        """Show `traces` of a history instead."""
        self.clear()
        self._traces, self._step = traces, step
        self._draw(total)

    def _draw(self, total: int) -> None:
        ends: list[float] = []
        for name in self.names:
            x, y = self.points(name)
            if not len(x):
                continue
            if name not in self._items:
                item = self._items[name] = pg.PlotCurveItem(pen=self._pen(len(self._items)), antialias=False)
                self.plot.addItem(item, ignoreBounds=True)
                self._legend.addItem(item, escape(name))  # pyqtgraph takes it for HTML
            self._items[name].setData(x, y, skipFiniteCheck=True)
            # the first values of a training are wild: the range is that of 98 % of the values
            ends += np.percentile(y, [1, 99]).tolist()
        if ends:
            low, high = min(ends), max(ends)
            # a new range only when a curve leaves the shown one or has come to fill little of it
            if low < self._low or high > self._high or high - low < 0.4 * (self._high - self._low):
                self._low, self._high = low, high
                margin = 0.1 * (high - low) or 0.1 * abs(high) or 0.1
                self.plot.setYRange(low - margin, high + 6 * margin, padding=0)  # the legend lies above
        right = max(float(total), self._right if self._step <= self._right else 1.5 * self._step)
        if right and right != self._right:
            self._right = right
            self.plot.setXRange(0, right, padding=0)

    def _pen(self, number: int) -> Any:
        colour = self._colours[number % len(self._colours)]
        return pg.mkPen(colour, width=1, style=STYLES[number // len(COLOURS) % len(STYLES)])

    def changeEvent(self, event: QEvent) -> None:
        """Apply the colours of the new theme."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._follow_theme()

    def _follow_theme(self) -> None:
        colours = tuple(theme_colour(name) for name in COLOURS)
        if colours == self._colours:
            return
        self._colours = colours
        self.plot.setBackground(theme_colour("background"))
        for side in ("left", "bottom"):
            axis = self.plot.getAxis(side)
            axis.setPen(theme_colour("highlight"))
            axis.setTextPen(theme_colour("text"))
        self._legend.setLabelTextColor(theme_colour("text"))
        for _, label in self._legend.items:
            label.setText(label.text)  # pyqtgraph keeps the colour for the next text alone
        for number, item in enumerate(self._items.values()):
            item.setPen(self._pen(number))
