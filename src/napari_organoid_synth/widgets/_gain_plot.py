"""Scores of the arms of a comparison side by side: a dot for each test image, the mean and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_organoid_synth.core.matching import paired_gain
from napari_organoid_synth.core.threshold_curves import COLOURS
from napari_organoid_synth.widgets._cards import WrapLabel, theme_colour
from napari_organoid_synth.widgets._curves import still_plot

ROW = 30


class GainPlot(QWidget):
    """One row for each arm, the same axis below.

    Dots are test images, the bar is the 95 % bootstrap interval of their mean (below four images: their range), the
    tick is the mean.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._arms: dict[str, list[float]] = {}
        self.setAccessibleName("Dice of every arm")
        self.setToolTip(
            "A dot for each test image, a tick for their mean, a bar for the 95 % interval of the mean "
            "(fewer than four images: their range)."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.plot = still_plot()
        self.plot.setMinimumWidth(60)
        self.plot.setLabel("bottom", "Dice")
        self.plot.getAxis("left").setTicks([[]])
        self.plot.getAxis("bottom").enableAutoSIPrefix(False)
        layout.addWidget(self.plot)

    def show_arms(self, arms: Mapping[str, Sequence[float]]) -> None:
        """Show the Dice of every test image of every arm, first arm on top."""
        self._arms = {name: list(values) for name, values in arms.items() if len(values)}
        self._draw()

    def _draw(self) -> None:
        self.plot.clear()
        self.plot.setBackground(theme_colour("background"))
        text, strong = theme_colour("text"), theme_colour("current")
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
        lows, highs = [], []
        for row, values in enumerate(self._arms.values()):
            found = np.asarray(values, dtype=float)
            mean, low, high = paired_gain(np.zeros_like(found), found)
            y = -float(row)
            self.plot.plot([low, high], [y, y], pen=pg.mkPen(strong, width=4))
            self.plot.plot(
                found, np.full(len(found), y), pen=None, symbol="o", symbolSize=5, symbolPen=None, symbolBrush=text
            )
            self.plot.plot([mean, mean], [y - 0.32, y + 0.32], pen=pg.mkPen(text, width=2))
            lows.append(min(found.min(), low))
            highs.append(max(found.max(), high))
        count = len(self._arms)
        self.plot.getAxis("left").setTicks([[(-row, name) for row, name in enumerate(self._arms)]])
        if count:
            margin = max(0.05 * (max(highs) - min(lows)), 0.005)
            self.plot.setXRange(min(lows) - margin, max(highs) + margin, padding=0)
            self.plot.setYRange(-count + 0.5, 0.5, padding=0)
        self.setFixedHeight(ROW * max(count, 1) + 48)

    def changeEvent(self, a0: QEvent | None) -> None:
        """Take the new theme's colours."""
        super().changeEvent(a0)
        if a0 is not None and a0.type() == QEvent.Type.StyleChange and self._arms:
            self._draw()


class GainBars(QWidget):
    """Bars of every arm for each share of the training images, with the standard deviation over images."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Mapping[str, Any]] = []
        self._score = "dice"
        self.setAccessibleName("Scores for each share of the training images")
        self.setToolTip("Mean and standard deviation over images, for each share of the training images.")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.plot = still_plot()
        self.plot.setMinimumWidth(60)
        self.plot.setFixedHeight(200)
        self.plot.setYRange(0, 1, padding=0.02)
        for side in ("bottom", "left"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
        self.legend = WrapLabel()
        layout.addWidget(self.plot)
        layout.addWidget(self.legend)

    def show_rows(self, rows: Sequence[Mapping[str, Any]], score: str) -> None:
        """Show the rows of a `gain_table`; one bar each, groups for shares, the first ratio alone."""
        first: dict[tuple[str, float], Mapping[str, Any]] = {}
        for row in rows:
            first.setdefault((row["arm"], row["subset"]), row)
        self._rows, self._score = list(first.values()), score
        self._draw()

    def _draw(self) -> None:
        self.plot.clear()
        self.plot.setBackground(theme_colour("background"))
        text = theme_colour("text")
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
        arms = list(dict.fromkeys(row["arm"] for row in self._rows))
        shares = list(dict.fromkeys(row["subset"] for row in self._rows))
        width = 0.8 / max(len(arms), 1)
        for number, arm in enumerate(arms):
            found = [row for row in self._rows if row["arm"] == arm]
            x = np.array([shares.index(row["subset"]) + (number - (len(arms) - 1) / 2) * width for row in found])
            mean, sd = (np.array([row["scores"][self._score][what] for row in found]) for what in ("mean", "sd"))
            bars = pg.BarGraphItem(x=x, height=mean, width=0.9 * width, brush=COLOURS[number % len(COLOURS)], pen=None)
            self.plot.addItem(bars)
            self.plot.addItem(pg.ErrorBarItem(x=x, y=mean, height=2 * sd, beam=width / 3, pen=pg.mkPen(text)))
        ticks = [(index, f"{100 * share:.4g} %") for index, share in enumerate(shares)]
        self.plot.getAxis("bottom").setTicks([ticks])
        self.plot.setXRange(-0.5, max(len(shares), 1) - 0.5, padding=0)
        keys = [
            f'<span style="color: {COLOURS[number % len(COLOURS)]}">■</span> {arm}' for number, arm in enumerate(arms)
        ]
        self.legend.setText(" &nbsp; ".join(keys))

    def changeEvent(self, a0: QEvent | None) -> None:
        """Take the new theme's colours."""
        super().changeEvent(a0)
        if a0 is not None and a0.type() == QEvent.Type.StyleChange and self._rows:
            self._draw()
