"""The editors of forms: each has ``get()``, ``put(value)`` and gives back exactly what was put."""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import QCheckBox, QComboBox, QDoubleSpinBox, QLineEdit, QSpinBox, QVBoxLayout, QWidget

MAX_INT = 2**31 - 1
MAX_FLOAT = 1e12


class WheelGuard(QObject):
    """Lets the wheel scroll the dock instead of changing a value that is not being edited."""

    def eventFilter(self, a0: QObject, a1: QEvent) -> bool:
        """Ignore the wheel unless the widget has the focus."""
        if a1.type() == QEvent.Type.Wheel and isinstance(a0, QWidget) and not a0.hasFocus():
            a1.ignore()
            return True
        return False


def guard_wheel(widget: QWidget) -> None:
    """Make the wheel change ``widget`` only while it has the focus."""
    guard = WheelGuard(widget)
    widget.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    widget.installEventFilter(guard)


class IntEdit(QSpinBox):
    """Whole numbers; the arrows stay within the bounds, typing may leave them (the form then says so)."""

    def __init__(self, low: float, high: float, optional: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high = int(max(low, -MAX_INT)), int(min(high, MAX_INT))
        self._none = -MAX_INT
        self.setRange(-MAX_INT if optional else -MAX_INT + 1, MAX_INT)
        if optional:
            self.setSpecialValueText("automatic")
        self._optional = optional

    def get(self) -> int | None:
        """The number; None for "automatic"."""
        return None if self._optional and self.value() == self._none else self.value()

    def put(self, value: int | None) -> None:
        """Show a number or "automatic"."""
        self.setValue(self._none if value is None else value)

    def stepBy(self, steps: int) -> None:
        """One step per notch (a hundredth of large numbers), stopped at the bounds."""
        value = self.get()
        if value is None:
            self.put(self._low if steps > 0 else None)
            return
        size = max(1, 10 ** (len(str(abs(value))) - 2)) if abs(value) >= 1000 else 1
        moved = value + steps * size
        self.put(None if self._optional and moved < self._low else min(max(moved, self._low), self._high))


class FloatEdit(QDoubleSpinBox):
    """Numbers of any magnitude, shown and kept with all their digits: 2e-4 stays 2e-4."""

    def __init__(self, low: float, high: float, optional: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high, self._optional = low, high, optional
        self.setDecimals(40)  # the spin box rounds to these; doubles above 1e-20 survive
        self.setRange(-2 * MAX_FLOAT if optional else -MAX_FLOAT, MAX_FLOAT)
        if optional:
            self.setSpecialValueText("automatic")

    def get(self) -> float | None:
        """The number; None for "automatic"."""
        return None if self._optional and self.value() < -MAX_FLOAT else float(self.value())

    def put(self, value: float | None) -> None:
        """Show a number or "automatic"."""
        self.setValue(self.minimum() if value is None else value)

    def textFromValue(self, value: float) -> str:
        """Shortest text that reads back as the same number."""
        return f"{value:.15g}".replace("e-0", "e-")

    def valueFromText(self, text: str) -> float:
        """The inverse of `textFromValue`; a comma counts as a point."""
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return float(self.value())

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Accept numbers in any notation, and the beginnings of one."""
        try:
            state = QValidator.State.Acceptable if math.isfinite(float(text.replace(",", "."))) else None
        except ValueError:
            state = QValidator.State.Intermediate if set(text) <= set("0123456789.,eE+- ") else None
        return state or QValidator.State.Invalid, text, position

    def stepBy(self, steps: int) -> None:
        """Change the first significant digit, stopped at the bounds; "automatic" is below the lowest."""
        value = self.get()
        if value is None:
            self.put(max(self._low, 0.0) if steps > 0 else None)
            return
        if value == 0:
            size = 10.0 ** math.floor(math.log10((min(self._high, 1.0) - max(self._low, 0.0)) or 1.0) - 1)
        else:
            magnitude = math.floor(math.log10(abs(value)))
            leading = abs(value) / 10.0**magnitude
            size = 10.0 ** (magnitude - 1 if steps * value < 0 and leading < 1 + 1e-9 else magnitude)
        moved = float(f"{value + steps * size:.12g}")
        if self._optional and (moved < self._low or value == self._low) and steps < 0:
            self.put(None)
            return
        self.setValue(min(max(moved, max(self._low, -MAX_FLOAT)), min(self._high, MAX_FLOAT)))


class ChoiceEdit(QComboBox):
    """One of a few values."""

    def __init__(self, choices: Sequence[Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.offer(choices)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(6)

    def offer(self, choices: Sequence[Any]) -> None:
        """Change what can be chosen; the chosen value stays when it is still there, else the nearest number."""
        chosen = self.get()
        with QSignalBlocker(self):
            self.clear()
            for choice in choices:
                self.addItem(str(choice), choice)
        if chosen is not None:
            self.put(chosen if chosen in choices else min(choices, key=lambda choice: abs(choice - chosen)))

    def get(self) -> Any:
        """The chosen value."""
        return self.currentData()

    def put(self, value: Any) -> None:
        """Choose a value; one that was not offered is added, so that a file's settings are shown as they are."""
        if self.findData(value) < 0:
            self.addItem(str(value), value)
        self.setCurrentIndex(self.findData(value))


class BoolEdit(QCheckBox):
    """Yes or no."""

    def get(self) -> bool:
        """Whether it is checked."""
        return bool(self.isChecked())

    def put(self, value: bool) -> None:
        """Check or uncheck."""
        self.setChecked(value)


class TextEdit(QLineEdit):
    """A line of text; with ``many`` a tuple of words separated by commas."""

    def __init__(self, many: bool = False, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._many = many

    def get(self) -> Any:
        """The text or the tuple of words."""
        if not self._many:
            return self.text()
        return tuple(word.strip() for word in self.text().split(",") if word.strip())

    def put(self, value: Any) -> None:
        """Show a text or words."""
        self.setText(", ".join(map(str, value)) if self._many else value)


class ManyEdit(QWidget):
    """Any of a few values, one check box each."""

    changed = Signal()

    def __init__(self, choices: Sequence[Any], parent: QWidget | None = None) -> None:
        super().__init__(parent)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(2)
        self.boxes: dict[Any, QCheckBox] = {}
        self._order: tuple[Any, ...] = ()
        for choice in choices:
            box = self.boxes[choice] = QCheckBox(str(choice))
            box.setAccessibleName(str(choice))
            box.toggled.connect(self.changed)
            layout.addWidget(box)

    def get(self) -> tuple[Any, ...]:
        """The checked values: those that were set in their order, then the others as shown."""
        checked = [choice for choice, box in self.boxes.items() if box.isChecked()]
        kept = [choice for choice in self._order if choice in checked]
        return tuple(kept + [choice for choice in checked if choice not in kept])

    def put(self, value: Sequence[Any]) -> None:
        """Check these values only."""
        self._order = tuple(value)
        for choice, box in self.boxes.items():
            box.setChecked(choice in value)


def make_editor(field: FieldInfo) -> Any:
    """The editor of a field, by its type."""
    kind, optional = _strip_none(field.annotation)
    low, high = bounds(field)
    if kind is bool:
        return BoolEdit()
    if kind is int:
        return IntEdit(low, high, optional)
    if kind is float:
        return FloatEdit(low, high, optional)
    if get_origin(kind) is Literal:
        return ChoiceEdit(get_args(kind))
    if get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is Literal:
        return ManyEdit(get_args(get_args(kind)[0]))
    if get_origin(kind) is tuple:
        return TextEdit(many=True)
    return TextEdit()


def changed(editor: Any) -> Any:
    """The signal of an editor that something was entered."""
    if isinstance(editor, IntEdit | FloatEdit):
        return editor.valueChanged
    if isinstance(editor, ChoiceEdit):
        return editor.currentIndexChanged
    if isinstance(editor, BoolEdit):
        return editor.toggled
    if isinstance(editor, ManyEdit):
        return editor.changed
    return editor.editingFinished


def _strip_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        members = [arg for arg in get_args(annotation) if arg is not type(None)]
        return members[0], len(members) < len(get_args(annotation))
    if get_origin(annotation) is typing.Annotated:
        return _strip_none(get_args(annotation)[0])
    return annotation, False


def bounds(field: FieldInfo) -> tuple[float, float]:
    """Lowest and highest value; open ends are infinite."""
    low, high = -math.inf, math.inf
    for rule in field.metadata:
        low = max(
            low, *(float(v) for v in (getattr(rule, "ge", None), getattr(rule, "gt", None), low) if v is not None)
        )
        high = min(
            high, *(float(v) for v in (getattr(rule, "le", None), getattr(rule, "lt", None), high) if v is not None)
        )
    return low, high
