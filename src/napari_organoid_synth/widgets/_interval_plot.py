"""Share of images above each threshold of a score: a line for the mean of the folds, a band from lowest to highest."""

from __future__ import annotations

from collections.abc import Mapping

import pyqtgraph as pg
from qtpy.QtCore import QEvent
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QLabel, QVBoxLayout, QWidget

from napari_organoid_synth.core.threshold_curves import COLOURS, THRESHOLDS, FoldScores
from napari_organoid_synth.widgets._cards import theme_colour
from napari_organoid_synth.widgets._curves import STYLES, still_plot


class IntervalPlot(QWidget):
    """The interval plot of several methods, with their means in words below.

    Parameters
    ----------
    score : str
        What the thresholds are of.
    parent : QWidget, optional
    """

    def __init__(self, score: str = "F", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curves: dict[str, FoldScores] = {}
        self.setAccessibleName(f"Images above each {score}")
        self.setToolTip(
            f"How many of the test images reach a {score} of at least so much. Higher is better; the band reaches from "
            "the worst to the best fold."
        )
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.plot = still_plot()
        self.plot.setFixedHeight(170)
        self.plot.setXRange(0, 1, padding=0.01)
        self.plot.setYRange(0, 100, padding=0.06)
        self.plot.setLabel("bottom", score)
        self.plot.setLabel("left", "images, %")
        for side in ("bottom", "left"):
            self.plot.getAxis(side).enableAutoSIPrefix(False)
        self.words = QLabel()
        self.words.setWordWrap(True)
        layout.addWidget(self.plot)
        layout.addWidget(self.words)

    def show_curves(self, curves: Mapping[str, FoldScores]) -> None:
        """Show the scores of each method; those without images are left out."""
        self._curves = {name: each for name, each in curves.items() if each.folds}
        self.words.setText("\n".join(f"{name}: {each.words}" for name, each in self._curves.items()))
        self._draw()

    def _draw(self) -> None:
        self.plot.clear()
        self.plot.setBackground(theme_colour("background"))
        text = theme_colour("text")
        for side in ("bottom", "left"):
            axis = self.plot.getAxis(side)
            axis.setPen(text)
            axis.setTextPen(text)
        legend = self.plot.addLegend(offset=(4, -4), labelTextColor=text, labelTextSize="8pt")
        legend.setLabelTextColor(text)  # of the theme now; it is made once
        legend.clear()
        for row, (name, each) in enumerate(self._curves.items()):
            mean, low, high = (100 * values for values in each.band())
            colour = QColor(COLOURS[row % len(COLOURS)])
            faint = QColor(colour)
            faint.setAlpha(50)
            edges = [pg.PlotCurveItem(THRESHOLDS, values) for values in (low, high)]
            self.plot.addItem(pg.FillBetweenItem(*edges, brush=faint))
            pen = pg.mkPen(colour, width=2, style=STYLES[row % len(STYLES)])
            self.plot.plot(THRESHOLDS, mean, pen=pen, name=name)

    def changeEvent(self, a0: QEvent | None) -> None:
        """Take the new theme's colours."""
        super().changeEvent(a0)
        if a0 is not None and a0.type() == QEvent.Type.StyleChange and self._curves:
            self._draw()
