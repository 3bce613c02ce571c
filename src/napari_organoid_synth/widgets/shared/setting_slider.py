"""Sliders for settings: range and default of a field, the value beside it, as in napari's own layer controls."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QHBoxLayout, QSlider, QWidget
from superqt import QLabeledDoubleSlider

from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.shared.controls import named


class SettingSlider(QWidget):
    """A slider for one field of settings.

    Parameters
    ----------
    settings : type of Settings
        Whose field has a lower and an upper bound.
    field : str
        Name of the field; its description is the tool tip.
    name : str
        Accessible name.
    decimals : int
        Shown digits after the point.
    """

    valueChanged = Signal(float)

    def __init__(
        self, settings: type[Settings], field: str, name: str, decimals: int = 2, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        about = settings.model_fields[field]
        low, high = bounds(about.metadata)
        self.default = float(about.get_default())
        self.slider = QLabeledDoubleSlider(Qt.Orientation.Horizontal)
        self.slider.setDecimals(decimals)
        self.slider.setRange(low, high)
        self.slider.setSingleStep(10.0**-decimals)
        self.slider.setPageStep((high - low) / 10)
        self.slider.setValue(self.default)
        tip = str(about.description)
        for part in (self.slider, *self.slider.findChildren(QWidget)):
            named(part, name, tip)
        for part in self.slider.findChildren(QSlider):
            guard_wheel(part)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.slider)
        self.slider.valueChanged.connect(self.valueChanged)

    def value(self) -> float:
        """Return the value; the default exactly where it was not moved."""
        return float(self.slider.value())

    def setValue(self, value: float) -> None:
        """Show a value."""
        self.slider.setValue(value)

    def show_value(self, value: float) -> None:
        """Show a value without a signal."""
        with QSignalBlocker(self):
            self.slider.setValue(value)


def bounds(rules: list[Any]) -> tuple[float, float]:
    """Return lower and upper bound of a field, of the rules in its metadata."""
    low = next(float(rule.ge) for rule in rules if hasattr(rule, "ge"))
    return low, next(float(rule.le) for rule in rules if hasattr(rule, "le"))
