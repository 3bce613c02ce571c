"""The contrast of all tiles, in a small popup."""

from __future__ import annotations

import math
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt
from qtpy.QtWidgets import QFormLayout, QMenu, QPushButton, QVBoxLayout, QWidget, QWidgetAction
from superqt import QLabeledDoubleRangeSlider

from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.shared.contrast import ProjectContrast
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

TIP = "Pixel values that are black and white on all tiles and in layers opened from here."
AS_STORED = "Colour images are shown in the colours of their files."
WIDTH = 280


class ContrastButton(QPushButton):
    """Opens sliders for the pixel values that are black and white, one for each channel.

    Parameters
    ----------
    contrast : ProjectContrast
    """

    def __init__(self, contrast: ProjectContrast) -> None:
        super().__init__("Contrast")
        self._contrast = contrast
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.sliders: list[QLabeledDoubleRangeSlider] = []
        self._popup = QMenu(self)
        holder = QWidget()
        holder.setFixedWidth(WIDTH)
        column = QVBoxLayout(holder)
        self._about = WrapLabel(TIP)
        self._form = QFormLayout()
        self.reset = QPushButton("As in the real images")
        named(self.reset, "As in the real images", "Takes the contrast from the real images again.")
        self.reset.clicked.connect(lambda: contrast.choose(()))
        column.addWidget(self._about)
        column.addLayout(self._form)
        column.addWidget(self.reset)
        action = QWidgetAction(self._popup)
        action.setDefaultWidget(holder)
        self._popup.addAction(action)
        self._popup.aboutToShow.connect(self._show_limits)
        self.setMenu(self._popup)
        contrast.changed.connect(self._judge)
        self._judge()

    def _judge(self) -> None:
        """Offer the popup where there is something to choose."""
        there = bool(self._contrast.limits) and not self._contrast.is_colour
        self.setEnabled(there)
        named(self, "Contrast", AS_STORED if self._contrast.is_colour else TIP)
        self.reset.setEnabled(bool(self._contrast.chosen))
        if self._popup.isVisible() and there:
            self._show_limits()
        elif not there:
            self._popup.hide()

    def _show_limits(self) -> None:
        limits = self._contrast.limits
        if len(self.sliders) != len(limits):
            while self._form.rowCount():
                self._form.removeRow(0)
            self.sliders = [self._slider(number, len(limits)) for number in range(len(limits))]
        low, high = self._contrast.bounds()
        for slider, (black, white) in zip(self.sliders, limits, strict=True):
            with QSignalBlocker(slider):
                slider.setDecimals(0 if high - low > 20 else max(3, 2 - math.floor(math.log10(high - low))))
                slider.setRange(min(low, black), max(high, white))
                slider.setValue((black, white))

    def _slider(self, number: int, count: int) -> QLabeledDoubleRangeSlider:
        slider = QLabeledDoubleRangeSlider(Qt.Orientation.Horizontal)
        name = "Contrast" if count == 1 else f"Channel {number + 1}"
        named(slider, name, TIP)
        for part in slider.findChildren(QWidget):
            named(part, name, TIP)
        guard_wheel(slider)
        slider.valueChanged.connect(self._choose)
        if count == 1:
            self._form.addRow(slider)
        else:
            self._form.addRow(name, slider)
        return slider

    def _choose(self, *_: Any) -> None:
        values = [slider.value() for slider in self.sliders]
        if all(white > black for black, white in values):
            self._contrast.choose(tuple((float(black), float(white)) for black, white in values))
