"""Scores of the arms of a comparison side by side: a dot for each test image, the mean and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyqtgraph as pg
from qtpy.QtCore import QEvent
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_organoid_synth.core.matching import paired_gain
from napari_organoid_synth.widgets._cards import theme_colour
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
