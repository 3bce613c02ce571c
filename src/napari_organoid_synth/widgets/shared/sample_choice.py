"""Simulated sample data, chosen by picture: the simulators draw the pictures when they are first seen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_organoid_synth.widgets.shared.background import start_worker, while_alive
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

KINDS = {
    "organoid_brightfield": ("Organoids", "12 images of organoids in bright field, one mask each."),
    "tissue": ("Nuclei", "12 images of stained tissue in which every nucleus is marked."),
    "em": ("Organelles", "12 images of electron microscopy with mitochondria and membranes."),
}
"""Simulators, each with its title and what it makes."""
SIDE = 84  # px


class SampleChoice(QWidget):
    """A picture for each kind of sample data; a click chooses it.

    Signals
    -------
    chosen(str)
        Name of a simulator.
    """

    chosen = Signal(str)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._drawn = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(WrapLabel("Or try with sample data, made on this computer:"))
        row = QHBoxLayout()
        row.setSpacing(4)
        column.addLayout(row)
        self.buttons: dict[str, QToolButton] = {}
        for name, (title, tip) in KINDS.items():
            button = self.buttons[name] = QToolButton()
            button.setText(title)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextUnderIcon)
            button.setIconSize(QSize(SIDE, SIDE))
            button.setMinimumHeight(SIDE + 30)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            named(button, f"Try with sample data: {title}", tip)
            button.clicked.connect(lambda _=False, name=name: self.chosen.emit(name))
            row.addWidget(button)

    def showEvent(self, event: Any) -> None:
        """Draw the pictures when they are first seen."""
        super().showEvent(event)
        if not self._drawn:
            from napari.qt.threading import create_worker

            self._drawn = True
            worker: Any = create_worker(draw_all, _start_thread=False, _ignore_errors=True)
            worker.yielded.connect(while_alive(self, self._show))
            start_worker(worker)

    def _show(self, drawn: tuple[str, NDArray[np.uint8]]) -> None:
        name, pixels = drawn
        height, width = pixels.shape[:2]
        image = QImage(pixels.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888)
        self.buttons[name].setIcon(QIcon(QPixmap.fromImage(image)))


def draw_all() -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Yield each simulator with its picture, (Y, X, 3) uint8."""
    for name in KINDS:
        yield name, picture_of(name)


@cache
def picture_of(name: str) -> NDArray[np.uint8]:
    """Return a picture of what a simulator makes, (2 SIDE, 2 SIDE, 3) uint8, without masks."""
    from napari_organoid_synth.core.pairs.pictures import picture
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    pair = SIMULATORS[name](1, size=2 * SIDE)
    return np.ascontiguousarray(picture(pair.image, pair.is_rgb))
