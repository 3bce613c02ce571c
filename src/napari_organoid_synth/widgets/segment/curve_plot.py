"""How the trainings went: held-back score against steps, a line for each."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import pyqtgraph as pg
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QWidget

from napari_organoid_synth.core.gain.curve_figure import CurveLine
from napari_organoid_synth.widgets.shared.curves import ThemedPlot
from napari_organoid_synth.widgets.shared.text_label import WrapLabel


class TrainingCurvePlot(ThemedPlot):
    """A line for each training in the colour of its arm, with a dot at the plateau and a ring where it still rose."""

    def __init__(self, parent: QWidget | None = None) -> None:
        tip = (
            "Score on the held-back parts of the training images against steps, a line for each training. A dot at its "
            "end: the score had stopped rising. A ring: it was still rising; raise 'steps'."
        )
        super().__init__("Held-back score of every training", tip, parent)
        self._lines: list[CurveLine] = []
        self.plot.setFixedHeight(200)
        self.plot.setLabel("bottom", "steps")
        self.plot.setLabel("left", "held-back score")
        self.legend = WrapLabel()
        self.legend.setTextFormat(Qt.TextFormat.RichText)  # names in it are escaped
        self.layout().addWidget(self.legend)

    def show_lines(self, lines: Sequence[CurveLine]) -> None:
        """Show the lines of trainings, and in words how many of each arm reached their plateau."""
        self._lines = list(lines)
        keys = []
        for arm in dict.fromkeys(line.arm for line in lines):
            own = [line for line in lines if line.arm == arm]
            rising = sum(not line.at_plateau for line in own)
            state = f"{rising} of {len(own)} still rising" if rising else f"all {len(own)} at the plateau"
            name = escape(arm.replace("+", ", "))
            keys.append(f'<span style="color: {own[0].colour}">■</span> {name}: {state}')
        self.legend.setText("<br>".join(keys))
        self.draw()

    def draw_items(self, text: str) -> None:
        """Draw the line of each training and its end."""
        for line in self._lines:
            colour = QColor(line.colour)
            colour.setAlpha(170)
            self.plot.plot(line.steps, line.scores, pen=pg.mkPen(colour, width=1.5))
            pen = None if line.at_plateau else pg.mkPen(line.colour, width=1.5)
            end = {"symbol": "o", "symbolSize": 7, "symbolPen": pen}
            brush = line.colour if line.at_plateau else None
            self.plot.plot([line.steps[-1]], [line.scores[-1]], pen=None, symbolBrush=brush, **end)
