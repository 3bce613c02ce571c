"""One run, or two beside each other: samples over time with one slider, facts, losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray
from qtpy.QtCore import QPoint, QRect, Qt, Signal
from qtpy.QtGui import QImage, QPainter
from qtpy.QtWidgets import QGridLayout, QHBoxLayout, QSizePolicy, QSlider, QVBoxLayout, QWidget

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
MAX_PX, LINE_PX = 360, 28


class Picture(QWidget):
    """A square picture as wide as it is given room for."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        named(self, name, "Samples of the training at the step of the slider.")
        self.image = QImage()

    def show_pixels(self, pixels: NDArray[Any] | None) -> None:
        """Show colours (Y, X, 3) uint8; None: say that there is nothing."""
        self.image = QImage()
        if pixels is not None:
            height, width = pixels.shape[:2]
            self.image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
        self._fit()
        self.update()

    def resizeEvent(self, a0: Any) -> None:
        """Stay square."""
        super().resizeEvent(a0)
        self._fit()

    def _fit(self) -> None:
        self.setFixedHeight(LINE_PX if self.image.isNull() else max(1, min(self.width(), MAX_PX)))

    def paintEvent(self, a0: Any) -> None:
        """Draw the picture, or that there is none."""
        painter = QPainter(self)
        if self.image.isNull():
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, "no samples")
        else:
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform)
            size = self.image.size().scaled(self.size(), Qt.AspectRatioMode.KeepAspectRatio)
            painter.drawImage(QRect(QPoint(0, 0), size), self.image)
        painter.end()


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
        self.names = [WrapLabel(), WrapLabel()]
        self.pictures = [Picture("Samples of the run"), Picture("Samples of the other run")]
        beside = self.beside = QGridLayout()
        for place in range(2):
            beside.addWidget(self.names[place], 0, place)
            beside.addWidget(self.pictures[place], 1, place)
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
        self.values: dict[str, list[WrapLabel]] = {}
        for place, (name, tip) in enumerate(FACTS.items()):
            label = PlainLabel(name)
            label.setToolTip(tip)
            self.values[name] = [WrapLabel(), WrapLabel()]
            self.table.addWidget(label, place, 0, Qt.AlignmentFlag.AlignTop)
            for side, value in enumerate(self.values[name], 1):
                value.setToolTip(tip)
                value.setAlignment(Qt.AlignmentFlag.AlignTop)
                self.table.addWidget(value, place, side)
        column.addLayout(self.table)
        self.curves = [LossCurves(), LossCurves()]
        for curve in self.curves:
            column.addWidget(curve)

    def show_courses(self, courses: Sequence[tuple[str, Course]]) -> None:
        """Show one or two runs, each with its name."""
        for place in range(2):
            there = place < len(courses)
            self.beside.setColumnStretch(place, int(there))
            self.table.setColumnStretch(place + 1, int(there))
            parts: list[QWidget] = [self.names[place], self.pictures[place]]
            for part in parts + [one[place] for one in self.values.values()]:
                part.setVisible(there)
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
