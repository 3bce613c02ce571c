"""Figures of a comparison: the change of each arm, the score of every test image, bars for each share of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QWidget

from napari_organoid_synth.core.gain.figures import colour_of
from napari_organoid_synth.core.gain.results import PairedChange, TableRow
from napari_organoid_synth.core.segmentation.agreement import paired_gain
from napari_organoid_synth.widgets.segment.arms import arm_name
from napari_organoid_synth.widgets.shared.curves import ThemedPlot
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.theme import theme_colour

ROW = 34


class _RowPlot(ThemedPlot):
    """One row for each name, first on top, the name above its marks; one axis for all below."""

    def __init__(self, name: str, tip: str, parent: QWidget | None = None) -> None:
        super().__init__(name, tip, parent)
        self.plot.hideAxis("left")

    def _frame(self, names: Sequence[str], ends: Sequence[float], text: str) -> None:
        """Room for all rows and values, and the name of each row."""
        margin = max(0.05 * (max(ends) - min(ends)), 0.005)
        left = min(ends) - margin
        self.plot.setXRange(left, max(ends) + margin, padding=0)
        self.plot.setYRange(-len(names) + 0.5, 0.5, padding=0)
        for row, name in enumerate(names):
            label = pg.TextItem(name, color=text, anchor=(0, 0.5), fill=theme_colour("background"))
            label.setPos(left, -row + 0.27)
            self.plot.addItem(label, ignoreBounds=True)
        self.setFixedHeight(ROW * len(names) + 68)  # with an axis and its title


class GainPlot(_RowPlot):
    """Dots are test images, the bar is the 95 % bootstrap interval of their mean (below four images: their range), the
    tick is the mean.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        tip = (
            "A dot for each test image, a tick for their mean, a bar for the 95 % interval of the mean "
            "(fewer than four images: their range)."
        )
        super().__init__("Dice of every arm", tip, parent)
        self._arms: dict[str, list[float]] = {}
        self.plot.setLabel("bottom", "Dice of each test image")

    def show_arms(self, arms: Mapping[str, Sequence[float]]) -> None:
        """Show the Dice of every test image of every arm, first arm on top."""
        self._arms = {name: list(values) for name, values in arms.items() if len(values)}
        self.draw()

    def draw_items(self, text: str) -> None:
        """Draw the dots, the bar and the tick of each arm."""
        ends = []
        for row, (arm, values) in enumerate(self._arms.items()):
            scores, y = np.asarray(values, dtype=float), -row - 0.22
            mean, low, high = paired_gain(np.zeros_like(scores), scores)
            self.plot.plot([low, high], [y, y], pen=pg.mkPen(colour_of(arm), width=5))
            dots = {"symbol": "o", "symbolSize": 5, "symbolPen": None, "symbolBrush": text}
            self.plot.plot(scores, np.full(len(scores), y), pen=None, **dots)
            self.plot.plot([mean, mean], [y - 0.22, y + 0.22], pen=pg.mkPen(text, width=2))
            ends += [scores.min(), scores.max(), low, high]
        if ends:
            self._frame([arm_name(arm) for arm in self._arms], ends, text)


class ChangePlot(_RowPlot):
    """The change of each arm: mean and interval; the upright line is no change; a ring is no verdict."""

    def __init__(self, parent: QWidget | None = None) -> None:
        tip = (
            "A dot for the mean change, a line for its 95 % interval (dashed: single values of fewer than four "
            "images). Right of the upright line is better; where a line crosses it, it may be chance. A ring: some "
            "trainings were still rising, so there is no verdict."
        )
        super().__init__("Change of every arm", tip, parent)
        self._rows: list[tuple[str, str, PairedChange]] = []
        self._rising: list[bool] = []

    def show_rows(
        self, rows: Sequence[tuple[str, str, PairedChange]], score: str, against: str = "", rising: Sequence[bool] = ()
    ) -> None:
        """Show arm, name and change of each row of a table, what they are compared with, and which have no verdict."""
        self._rows, self._rising = list(rows), list(rising) or [False] * len(rows)
        over = f" over {escape(against)}" if against else ""
        self.plot.setLabel("bottom", f"Change of {escape(score)}{over}, right is better")
        self.draw()

    def draw_items(self, text: str) -> None:
        """Line and dot of each arm."""
        ends = [0.0]
        for row, (arm, _, change) in enumerate(self._rows):
            low, mean, high, y = change.low, change.mean, change.high, -row - 0.22
            colour, dashed = colour_of(arm), change.interval == "range"
            style = pg.QtCore.Qt.PenStyle.DashLine if dashed else pg.QtCore.Qt.PenStyle.SolidLine
            self.plot.plot([low, high], [y, y], pen=pg.mkPen(colour, width=3, style=style))
            ring = self._rising[row]
            pen = pg.mkPen(colour, width=2) if ring else None
            dot = {"symbol": "o", "symbolSize": 10, "symbolPen": pen, "symbolBrush": None if ring else colour}
            self.plot.plot([mean], [y], pen=None, **dot)
            ends += [low, high]
        if self._rows:
            self.plot.addItem(pg.InfiniteLine(0, pen=pg.mkPen(text, width=1)))
            self._frame([name for _, name, _ in self._rows], ends, text)


class GainBars(ThemedPlot):
    """Bars of every arm for each share of the training images, with the standard deviation over images."""

    def __init__(self, parent: QWidget | None = None) -> None:
        tip = "Mean and standard deviation over images, for each share of the training images."
        super().__init__("Scores for each share of the training images", tip, parent)
        self._rows: list[TableRow] = []
        self._score = "dice"
        self.plot.setFixedHeight(200)
        self.plot.setYRange(0, 1, padding=0.02)
        self.plot.setLabel("bottom", "share of the training images")
        self.legend = WrapLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)  # names in it are escaped
        self.layout().addWidget(self.legend)

    def show_rows(self, rows: Sequence[TableRow], score: str, name: str) -> None:
        """Show the rows of a table; one bar each, groups for shares, only the first ratio."""
        first: dict[tuple[str, float], TableRow] = {}
        for row in rows:
            first.setdefault((row.arm, row.subset), row)
        self._rows, self._score = list(first.values()), score
        self.plot.setLabel("left", escape(name))
        self.draw()

    def draw_items(self, text: str) -> None:
        """Bars and deviations."""
        arms = list(dict.fromkeys(row.arm for row in self._rows))
        shares = list(dict.fromkeys(row.subset for row in self._rows))
        width = 0.8 / max(len(arms), 1)
        for number, arm in enumerate(arms):
            rows = [row for row in self._rows if row.arm == arm]
            x = np.array([shares.index(row.subset) + (number - (len(arms) - 1) / 2) * width for row in rows])
            spreads = [row.scores[self._score] for row in rows]
            mean, sd = np.array([one.mean for one in spreads]), np.array([one.sd for one in spreads])
            bars = pg.BarGraphItem(x=x, height=mean, width=0.9 * width, brush=colour_of(arm), pen=None)
            self.plot.addItem(bars)
            self.plot.addItem(pg.ErrorBarItem(x=x, y=mean, height=2 * sd, beam=width / 3, pen=pg.mkPen(text)))
        ticks = [(index, f"{100 * share:.4g} %") for index, share in enumerate(shares)]
        self.plot.getAxis("bottom").setTicks([ticks])
        self.plot.setXRange(-0.5, max(len(shares), 1) - 0.5, padding=0)
        keys = [f'<span style="color: {colour_of(arm)}">■</span> {escape(arm_name(arm))}' for arm in arms]
        self.legend.setText(" &nbsp; ".join(keys))
