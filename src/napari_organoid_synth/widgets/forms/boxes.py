"""Qt controls that keep every value: ``get()`` returns exactly what ``put(value)`` showed, ``edited`` reports it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QEvent, QObject, Qt, Signal
from qtpy.QtGui import QValidator
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.widgets.forms.plain_text import literal, plain

MAX_INT = 2**31 - 1
MAX_FLOAT = 1e12
AUTOMATIC = "automatic"
"""Shown in place of None."""


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


class _ZeroWord:
    """Shows a word in place of 0 where 0 has a meaning of its own, such as "automatic"; it can be typed, too."""

    zero = ""

    def set_zero(self, word: str) -> None:
        """Show this word for 0; empty: the number."""
        self.zero = word
        self.lineEdit().setText(self.textFromValue(self.value()))  # type: ignore[attr-defined]

    def is_zero_word(self, text: str) -> bool:
        """Return whether a text is the word, or its beginning."""
        return bool(self.zero and text.strip()) and self.zero.startswith(text.strip().casefold())


class IntBox(_ZeroWord, QSpinBox):
    """Whole numbers; the arrows stay within the bounds, typing may leave them (the form then says so)."""

    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.set_bounds(-MAX_INT + 1, MAX_INT, False)
        _settle_spin_box(self)
        self.valueChanged.connect(self._report)

    def set_bounds(self, low: float, high: float, optional: bool) -> None:
        """Set where the arrows stop, and whether the box may say "automatic"."""
        self._low, self._high, self._optional = int(max(low, -MAX_INT + 1)), int(min(high, MAX_INT)), optional
        self.setRange(-MAX_INT if optional else -MAX_INT + 1, MAX_INT)
        self.setSpecialValueText(AUTOMATIC if optional else "")

    def get(self) -> int | None:
        """Return the number; None for "automatic"."""
        return None if self._optional and self.value() == self.minimum() else self.value()

    def put(self, value: int | None) -> None:
        """Show a number or "automatic"."""
        self.setValue(self.minimum() if value is None else value)

    def textFromValue(self, value: int) -> str:
        """Return the number, or the word for 0."""
        return self.zero if self.zero and value == 0 else str(super().textFromValue(value))

    def valueFromText(self, text: str) -> int:
        """Read a number, or the word for 0."""
        return 0 if self.is_zero_word(text) else int(super().valueFromText(text))

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Accept numbers and the word for 0."""
        if self.is_zero_word(text):
            return QValidator.State.Acceptable, text, position
        found: tuple[QValidator.State, str, int] = super().validate(text, position)
        return found

    def stepBy(self, steps: int) -> None:
        """Move one step per notch (a hundredth of large numbers), stopped at the bounds."""
        value = self.get()
        if value is None:
            self.put(self._low if steps > 0 else None)
            return
        size = max(1, 10 ** (len(str(abs(value))) - 2)) if abs(value) >= 1000 else 1
        moved = value + steps * size
        self.put(None if self._optional and moved < self._low else min(max(moved, self._low), self._high))

    def _report(self, _: object) -> None:
        self.edited.emit(self.get())


class FloatBox(_ZeroWord, QDoubleSpinBox):
    """Numbers of any magnitude, shown and kept with all their digits: 2e-4 stays 2e-4."""

    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setDecimals(40)  # the spin box rounds to these; doubles above 1e-20 survive
        self.set_bounds(-MAX_FLOAT, MAX_FLOAT, False)
        _settle_spin_box(self)
        self.valueChanged.connect(self._report)

    def set_bounds(self, low: float, high: float, optional: bool) -> None:
        """Set where the arrows stop, and whether the box may say "automatic"."""
        self._low, self._high, self._optional = low, high, optional
        self.setRange(-2 * MAX_FLOAT if optional else -MAX_FLOAT, MAX_FLOAT)
        self.setSpecialValueText(AUTOMATIC if optional else "")

    def get(self) -> float | None:
        """Return the number; None for "automatic"."""
        return None if self._optional and self.value() < -MAX_FLOAT else float(self.value())

    def put(self, value: float | None) -> None:
        """Show a number or "automatic"."""
        self.setValue(self.minimum() if value is None else value)

    def textFromValue(self, value: float) -> str:
        """Return the shortest text that reads back as the same number, or the word for 0."""
        if self.zero and value == 0:
            return self.zero
        return f"{value:.15g}".replace("e-0", "e-")

    def valueFromText(self, text: str) -> float:
        """Read a number in any notation, or the word for 0; a comma counts as a point."""
        if self.is_zero_word(text):
            return 0.0
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return float(self.value())

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Accept numbers in any notation, the beginnings of one, and the word for 0."""
        if self.is_zero_word(text):
            return QValidator.State.Acceptable, text, position
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

    def _report(self, _: object) -> None:
        self.edited.emit(self.get())


def _settle_spin_box(box: QAbstractSpinBox) -> None:
    """Report a number when it is complete, not after each key."""
    box.setKeyboardTracking(False)
    box.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.UpDownArrows)


class LineBox(QLineEdit):
    """A line of text, reported when it is complete."""

    edited = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.editingFinished.connect(self._report)

    def get(self) -> str:
        """Return the text."""
        return str(self.text())

    def put(self, value: str) -> None:
        """Show a text."""
        self.setText(value)
        self._report()

    def _report(self) -> None:
        self.edited.emit(self.get())


class CheckBoxes(QWidget):
    """Any of a few values, one check box each."""

    edited = Signal(object)

    def __init__(self, choices: Sequence[Any] = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(2)
        self.boxes: dict[Any, QCheckBox] = {}
        self._order: tuple[Any, ...] = ()
        self.offer(choices)

    def offer(self, choices: Sequence[Any]) -> None:
        """Add a check box for each value."""
        for choice in choices:
            box = self.boxes[choice] = QCheckBox(literal(str(choice)))
            box.setAccessibleName(str(choice))
            box.toggled.connect(self._report)
            self._column.addWidget(box)

    def get(self) -> tuple[Any, ...]:
        """Return the checked values: those that were put in their order, then the others as shown."""
        checked = [choice for choice, box in self.boxes.items() if box.isChecked()]
        kept = [choice for choice in self._order if choice in checked]
        return tuple(kept + [choice for choice in checked if choice not in kept])

    def put(self, value: Sequence[Any]) -> None:
        """Check these values only."""
        self._order = tuple(value)
        for choice, box in self.boxes.items():
            box.setChecked(choice in value)

    def _report(self, _: object) -> None:
        self.edited.emit(self.get())


class ComboBox(QComboBox):
    """A combo box that never widens its dock: a text without room for it ends in an ellipsis."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        guard_wheel(self)

    def setItemData(self, index: int, value: Any, role: int = Qt.ItemDataRole.UserRole) -> None:
        """Set what an item holds; a tool tip is shown as it is."""
        is_tip = role == Qt.ItemDataRole.ToolTipRole
        super().setItemData(index, plain(str(value)) if is_tip else value, role)

    def paintEvent(self, event: Any) -> None:
        """Paint as usual, with the text shortened."""
        painter, option = QStylePainter(self), QStyleOptionComboBox()
        self.initStyleOption(option)
        part, field = QStyle.ComplexControl.CC_ComboBox, QStyle.SubControl.SC_ComboBoxEditField
        room = self.style().subControlRect(part, option, field, self).width() - 6
        option.currentText = self.fontMetrics().elidedText(option.currentText, Qt.TextElideMode.ElideRight, room)
        painter.drawComplexControl(part, option)
        painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
