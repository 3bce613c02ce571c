"""Share of images above each threshold of a score: the median of the folds, and a band from lowest to highest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import pyqtgraph as pg
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from napari_organoid_synth.core.segmentation.threshold_curves import COLOURS, THRESHOLDS, FoldScores, axis_start
from napari_organoid_synth.widgets.shared.curves import STYLES, ThemedPlot
from napari_organoid_synth.widgets.shared.text_label import WrapLabel


class IntervalPlot(ThemedPlot):
    """The interval plot of several methods, with their means in words below.

    Parameters
    ----------
    score : str
        What the thresholds are of.
    axis : str
        The same in words; default: the score.
    parent : QWidget, optional
    """

    def __init__(self, score: str = "F", axis: str = "", parent: QWidget | None = None) -> None:
        tip = (
            f"Share of the test images that reach at least each {score}. Higher is better; the band reaches from the "
            "worst to the best fold."
        )
        super().__init__(f"Images above each {score}", tip, parent)
        self.curves: dict[str, FoldScores] = {}
        self._colours: list[str] = []
        self.plot.setFixedHeight(180)
        self.plot.setYRange(0, 100, padding=0.06)
        self.plot.setLabel("bottom", f"at least this {escape(axis or score)}")
        self.plot.setLabel("left", "% of the images")
        self.words = WrapLabel()
        self.layout().addWidget(self.words)

    def show_curves(self, curves: Mapping[str, FoldScores], colours: Sequence[str] = COLOURS) -> None:
        """Show the scores of each method in its colour; those without images are left out."""
        self._colours = [colours[row % len(colours)] for row, each in enumerate(curves.values()) if each.folds]
        self.curves = {name: each for name, each in curves.items() if each.folds}
        self.words.setText("\n".join(f"{name}: {each.summary}" for name, each in self.curves.items()))
        self.draw()

    def draw_items(self, text: str) -> None:
        """Draw a line and a band for each method."""
        self.plot.setXRange(axis_start(self.curves.values()), 1, padding=0.01)
        legend = self.plot.addLegend(offset=(4, -4), labelTextColor=text, labelTextSize="8pt")
        legend.setLabelTextColor(text)  # of the theme now; it is made once
        legend.clear()
        for row, (name, each) in enumerate(self.curves.items()):
            median, low, high = (100 * values for values in each.band())
            colour = QColor(self._colours[row])
            faint = QColor(colour)
            faint.setAlpha(50)
            edges = [pg.PlotCurveItem(THRESHOLDS, values) for values in (low, high)]
            self.plot.addItem(pg.FillBetweenItem(*edges, brush=faint))
            pen = pg.mkPen(colour, width=2, style=STYLES[row % len(STYLES)])
            self.plot.plot(THRESHOLDS, median, pen=pen, name=name)
