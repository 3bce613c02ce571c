"""One run, or two beside each other: samples over time with one slider, facts, losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.runs.reading import Course
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.curves import LossCurves
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

FACTS = {
    "generator": "The network that was trained.",
    "state": "How the training is or ended.",
    "step": "Step of the newest checkpoint.",
    "time": "Time that the last session of the training took.",
    "real pairs": "Image-mask pairs that it learned from.",
    "best distance": "Kernel distance of the samples of the best checkpoint from your tiles: low is good.",
    "variety": "How much samples differ, as a share of how much real tiles differ: near 100 % is good.",
    "pairs made": "Synthetic pairs in the project that this run drew.",
    "size": "Size of its folder on disk.",
}
MIN_PX, MAX_PX = 96, 360


class Picture(QLabel):
    """A picture that fills the width it is given, sharp."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setMinimumSize(MIN_PX, MIN_PX)
        self.setAlignment(Qt.AlignmentFlag.AlignCenter)
        named(self, name, "Samples of the training at the step of the slider.")
        self._image = QImage()

    def show_pixels(self, pixels: NDArray[Any] | None) -> None:
        """Show colours (Y, X, 3) uint8; None: say that there is nothing."""
        self._image = QImage()
        if pixels is not None:
            height, width = pixels.shape[:2]
            self._image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
        self._draw()

    def resizeEvent(self, a0: Any) -> None:
        """Fill the new width."""
        super().resizeEvent(a0)
        self._draw()

    def _draw(self) -> None:
        if self._image.isNull():
            self.setPixmap(QPixmap())
            self.setText("no samples")
            return
        side = max(MIN_PX, min(self.width(), MAX_PX))
        self.setFixedHeight(side)
        aspect, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
        self.setPixmap(QPixmap.fromImage(self._image).scaled(side, side, aspect, smooth))


class Courses(QWidget):
    """Shows one or two runs.

    Signals
    -------
    stepChosen(int)
        Samples of this step are wanted.
    """

    stepChosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._steps: list[int] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.names = [PlainLabel(), PlainLabel()]
        self.pictures = [Picture("Samples of the run"), Picture("Samples of the other run")]
        beside = QGridLayout()
        for place in range(2):
            beside.addWidget(self.names[place], 0, place)
            beside.addWidget(self.pictures[place], 1, place)
            beside.setColumnStretch(place, 1)
        column.addLayout(beside)
        row = QHBoxLayout()
        self.step_label, self.slider = PlainLabel(), QSlider(Qt.Orientation.Horizontal)
        guard_wheel(self.slider)
        named(
            self.slider, "Samples over time", "Samples at this step of the training; of both runs where two are shown."
        )
        self.slider.valueChanged.connect(self._moved)
        row.addWidget(self.step_label)
        row.addWidget(self.slider, 1)
        column.addLayout(row)
        self.table = QGridLayout()
        self.table.setColumnStretch(1, 1)
        self.table.setColumnStretch(2, 1)
        self.values: dict[str, list[WrapLabel]] = {}
        for place, (name, tip) in enumerate(FACTS.items()):
            label = PlainLabel(name)
            label.setToolTip(tip)
            self.values[name] = [WrapLabel(), WrapLabel()]
            self.table.addWidget(label, place, 0, Qt.AlignmentFlag.AlignTop)
            for side, value in enumerate(self.values[name], 1):
                value.setToolTip(tip)
                self.table.addWidget(value, place, side)
        column.addLayout(self.table)
        self.curves = [LossCurves(), LossCurves()]
        for curve in self.curves:
            column.addWidget(curve)

    def show_courses(self, courses: Sequence[tuple[str, Course]]) -> None:
        """Show one or two runs, each with its name."""
        for place in range(2):
            there = place < len(courses)
            for widget in (self.names[place], self.pictures[place], *(one[place] for one in self.values.values())):
                widget.setVisible(there)
            name, course = courses[place] if there else ("", None)
            self.names[place].setText(name)
            self.curves[place].setVisible(course is not None and bool(course.curves))
            self.curves[place].setAccessibleName(f"Losses of {name}")
            if course is None:
                continue
            for fact, labels in self.values.items():
                labels[place].setText(course.facts[fact])
            self.curves[place].show_history(dict(course.curves), course.step, course.total)
        steps = {step for _, course in courses for step, _ in course.previews}
        self._steps = sorted(steps)
        self.slider.blockSignals(True)
        self.slider.setRange(0, max(0, len(self._steps) - 1))
        self.slider.setValue(self.slider.maximum())
        self.slider.blockSignals(False)
        for widget in (self.slider, self.step_label):
            widget.setVisible(bool(self._steps))
        self._moved()

    @property
    def step(self) -> int:
        """The step whose samples are shown; 0 where there are none."""
        return self._steps[self.slider.value()] if self._steps else 0

    def _moved(self, *_: object) -> None:
        self.step_label.setText(f"step {self.step:,}")
        self.stepChosen.emit(self.step)
