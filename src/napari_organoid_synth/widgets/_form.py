"""Forms from settings classes: a field's type, bounds and description are its editor.

An untouched form gives the defaults back exactly. The form accepts whatever is typed and says in words what is wrong
with it, because the settings class itself knows (also rules between fields).
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo
from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Qt, Signal
from qtpy.QtGui import QIcon, QValidator
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QFormLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from superqt import QCollapsible

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.settings import Settings

MAX_INT = 2**31 - 1
MAX_HEIGHT = 16777215


class Fold(QCollapsible):
    """A titled group that folds; what is folded away cannot take the keyboard focus."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(f"▸ {title}", parent, QIcon(), QIcon())
        self._title = title
        self.setDuration(0)
        self.layout().setContentsMargins(0, 0, 0, 0)
        self.layout().setSpacing(2)
        self.content().layout().setContentsMargins(8, 0, 0, 0)
        self.content().hide()
        self.toggled.connect(self._settle)
        self.toggleButton().setAccessibleName(title)
        self.toggleButton().setStyleSheet("text-align: left; background: transparent; padding: 4px 0px;")

    def _settle(self, expanded: bool) -> None:
        self.content().setMaximumHeight(MAX_HEIGHT if expanded else 0)  # grows with what is folded inside
        self.content().setVisible(expanded)
        self.setText(f"{'▾' if expanded else '▸'} {self._title}")

    def eventFilter(self, a0: QObject, a1: QEvent) -> bool:
        """The height is not pinned (see `_settle`), so resized children need no answer."""
        return False


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

    def __init__(self, low: float, high: float, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._low, self._high = low, high
        self.setDecimals(40)  # the spin box rounds to these; doubles above 1e-20 survive
        self.setRange(-1e12, 1e12)

    def get(self) -> float:
        """The number."""
        return float(self.value())

    def put(self, value: float) -> None:
        """Show a number."""
        self.setValue(value)

    def textFromValue(self, value: float) -> str:
        """Shortest text that reads back as the same number."""
        return f"{value:.15g}".replace("e-0", "e-")

    def valueFromText(self, text: str) -> float:
        """The inverse of `textFromValue`; a comma counts as a point."""
        try:
            return float(text.replace(",", "."))
        except ValueError:
            return self.get()

    def validate(self, text: str, position: int) -> tuple[QValidator.State, str, int]:
        """Accept numbers in any notation, and the beginnings of one."""
        try:
            state = QValidator.State.Acceptable if math.isfinite(float(text.replace(",", "."))) else None
        except ValueError:
            state = QValidator.State.Intermediate if set(text) <= set("0123456789.,eE+- ") else None
        return state or QValidator.State.Invalid, text, position

    def stepBy(self, steps: int) -> None:
        """Change the first significant digit, stopped at the bounds."""
        value = self.value()
        if value == 0:
            size = 10.0 ** math.floor(math.log10((min(self._high, 1.0) - max(self._low, 0.0)) or 1.0) - 1)
        else:
            magnitude = math.floor(math.log10(abs(value)))
            leading = abs(value) / 10.0**magnitude
            size = 10.0 ** (magnitude - 1 if steps * value < 0 and leading < 1 + 1e-9 else magnitude)
        moved = float(f"{value + steps * size:.12g}")
        self.setValue(min(max(moved, max(self._low, -1e12)), min(self._high, 1e12)))


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
        self.setText(", ".join(value) if self._many else value)


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


class SettingsForm(QWidget):
    """A form for a settings class.

    Parameters
    ----------
    cls : type of Settings
    shown : sequence of str
        Fields in view, dotted inside nested settings (``"tiles.size"``); all others are folded under "More settings".
        Empty: every field is in view.
    hidden : sequence of str
        Fields without an editor; they keep what `setValue` or `put` gave them.
    labels : dict of str to str
        Names of fields other than their own, where that says too little in view.
    choices : dict of str to sequence
        Fields to choose from a few values, though their type allows more.
    parent : QWidget, optional

    Signals
    -------
    valueChanged(Settings)
        After an edit that gives valid settings.
    problemChanged(str)
        The sentence about what is wrong, empty when all is well; also shown below the fields.
    """

    valueChanged = Signal(object)
    problemChanged = Signal(str)

    def __init__(
        self,
        cls: type[Settings],
        shown: Sequence[str] = (),
        hidden: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        choices: Mapping[str, Sequence[Any]] | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.cls = cls
        self._choices, self._labels = choices or {}, labels or {}
        self._base: Settings = cls()
        self._editors: dict[str, Any] = {}
        self._problem = ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._front = _form_layout()
        layout.addLayout(self._front)
        self.fold = Fold("More settings")
        self._groups: dict[str, QFormLayout] = {}
        leaves = {path: field for path, field in _leaves(self._base) if not _covered(path, hidden)}
        for path in shown or leaves:
            self._add(path, leaves[path], self._front)
        for path, field in leaves.items():
            if path not in self._editors:
                self._add(path, field, self._group(path))
        layout.addWidget(self.fold)
        self.fold.setVisible(len(self._editors) > len(shown or leaves))
        self.message = QLabel()
        self.message.setWordWrap(True)
        self.message.setAccessibleName("What is wrong")
        self.message.hide()
        layout.addWidget(self.message)
        self.setValue(self._base)

    # --- value ---

    def value(self) -> Settings:
        """The settings as shown.

        Raises
        ------
        UserError
            If a value is out of bounds; the sentence is also shown in the form.
        """
        values = self._base.model_dump()
        for path, editor in self._editors.items():
            *parents, last = path.split(".")
            target = values
            for parent in parents:
                target = target[parent]
            target[last] = editor.get()
        return self.cls.parse(values)

    def setValue(self, value: Settings) -> None:
        """Show settings, hidden fields included."""
        self._base = value
        values = value.model_dump()
        for path, editor in self._editors.items():
            target: Any = values
            for part in path.split("."):
                target = target[part]
            with QSignalBlocker(editor):
                editor.put(target)
        self._judge()

    def put(self, **fields: Any) -> None:
        """Change top-level fields, also hidden ones, for example ``form.put(gan=config)``; they need not fit yet."""
        values = {name: field for name, field in fields.items() if name in self.cls.model_fields}
        self._base = self._base.model_copy(update=values)
        self._edited()

    @property
    def problem(self) -> str:
        """What is wrong with the values, in words; empty when nothing is."""
        return self._problem

    def editor(self, path: str) -> Any:
        """The editor of a field, by its dotted name; it has ``get()`` and ``put(value)``."""
        return self._editors[path]

    # --- build ---

    def _group(self, path: str) -> QFormLayout:
        """Where a folded field goes: its parent settings' own group."""
        parent = path.rpartition(".")[0]
        if parent not in self._groups:
            holder = QWidget()
            self._groups[parent] = _form_layout(holder)
            if parent:
                group = Fold(_title(parent.rpartition(".")[2], None))
                group.addWidget(holder)
                self.fold.addWidget(group)
            else:
                self.fold.addWidget(holder)
        return self._groups[parent]

    def _add(self, path: str, field: FieldInfo, layout: QFormLayout) -> None:
        editor = ChoiceEdit(self._choices[path]) if path in self._choices else _editor(field)
        name = self._labels.get(path) or _title(path.rpartition(".")[2], field)
        tip = _tip(field)
        editor.setToolTip(tip)
        editor.setAccessibleName(name)
        editor.setAccessibleDescription(field.description or "")
        self._editors[path] = editor
        if isinstance(editor, BoolEdit):
            editor.setText(name)
            layout.addRow(editor)
        else:
            label = QLabel(name)
            label.setToolTip(tip)
            label.setBuddy(editor)
            layout.addRow(label, editor)
        if isinstance(editor, IntEdit | FloatEdit):
            editor.setKeyboardTracking(False)
            editor.setButtonSymbols(QAbstractSpinBox.ButtonSymbols.UpDownArrows)
        if not isinstance(editor, BoolEdit | ManyEdit):
            editor.setMinimumWidth(90)
            editor.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        if not isinstance(editor, ManyEdit):
            guard_wheel(editor)
        _changed(editor).connect(self._edited)

    # --- edits ---

    def _edited(self, *_: object) -> None:
        value = self._judge()
        if value is not None:
            self.valueChanged.emit(value)

    def _judge(self) -> Settings | None:
        value, problem = None, ""
        try:
            value = self.value()
        except UserError as error:
            problem = str(error)
        if problem != self._problem:
            self._problem = problem
            self.message.setText(f"! {problem}")
            self.message.setVisible(bool(problem))
            self.problemChanged.emit(problem)
        return value


def _leaves(settings: Settings, prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Dotted name and field of every editable value, in order; the name of a family member is not one."""
    for name, field in type(settings).model_fields.items():
        value = getattr(settings, name)
        if isinstance(value, Settings):
            yield from _leaves(value, f"{prefix}{name}.")
        elif not (get_origin(field.annotation) is Literal and len(get_args(field.annotation)) == 1):
            yield prefix + name, field


def _covered(path: str, names: Sequence[str]) -> bool:
    return any(path == name or path.startswith(f"{name}.") for name in names)


def _editor(field: FieldInfo) -> Any:
    kind, optional = _strip_none(field.annotation)
    low, high = _bounds(field)
    if kind is bool:
        return BoolEdit()
    if kind is int:
        return IntEdit(low, high, optional)
    if kind is float:
        return FloatEdit(low, high)
    if get_origin(kind) is Literal:
        return ChoiceEdit(get_args(kind))
    if get_origin(kind) is tuple and get_origin(get_args(kind)[0]) is Literal:
        return ManyEdit(get_args(get_args(kind)[0]))
    if get_origin(kind) is tuple:
        return TextEdit(many=True)
    return TextEdit()


def _strip_none(annotation: Any) -> tuple[Any, bool]:
    if get_origin(annotation) in (Union, types.UnionType):
        members = [arg for arg in get_args(annotation) if arg is not type(None)]
        return members[0], len(members) < len(get_args(annotation))
    if get_origin(annotation) is typing.Annotated:
        return _strip_none(get_args(annotation)[0])
    return annotation, False


def _bounds(field: FieldInfo) -> tuple[float, float]:
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


def _tip(field: FieldInfo) -> str:
    """Description, bounds and default, one a line."""
    low, high = _bounds(field)
    lines = [field.description or ""]
    if math.isfinite(low) and math.isfinite(high):
        lines.append(f"{low:g} to {high:g}.")
    elif math.isfinite(low):
        lines.append(f"{low:g} or more.")
    elif math.isfinite(high):
        lines.append(f"{high:g} or less.")
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, bool):
        lines.append(f"Default: {'on' if default else 'off'}.")
    elif default is not None and default != "" and not isinstance(default, tuple):
        lines.append(f"Default: {default}.")
    return "\n".join(line for line in lines if line)


def _title(name: str, field: FieldInfo | None) -> str:
    given = field.title if field is not None else None
    return given or name.replace("_", " ").capitalize()


def _changed(editor: Any) -> Any:
    if isinstance(editor, IntEdit | FloatEdit):
        return editor.valueChanged
    if isinstance(editor, ChoiceEdit):
        return editor.currentIndexChanged
    if isinstance(editor, BoolEdit):
        return editor.toggled
    if isinstance(editor, ManyEdit):
        return editor.changed
    return editor.editingFinished


def _form_layout(parent: QWidget | None = None) -> QFormLayout:
    layout = QFormLayout(parent) if parent is not None else QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return layout
