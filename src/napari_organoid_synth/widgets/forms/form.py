"""Forms from settings classes: a field's type, bounds and description are its editor.

An untouched form gives the defaults back exactly. The form accepts whatever is typed and says in words what is wrong
with it, because the settings class itself knows (also rules between fields).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from qtpy.QtCore import QEvent, QObject, QSignalBlocker, Signal
from qtpy.QtGui import QIcon
from qtpy.QtWidgets import QAbstractSpinBox, QFormLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget
from superqt import QCollapsible

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.widgets.forms.editors import (
    BoolEdit,
    ChoiceEdit,
    FloatEdit,
    IntEdit,
    ManyEdit,
    changed,
    guard_wheel,
    make_editor,
)
from napari_organoid_synth.widgets.forms.field_text import tip, title

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
    inside : str
        Dotted name of these settings in the recipe that holds them, for the keys in tool tips: ``"gan"``.
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
        inside: str = "",
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.cls = cls
        self._choices, self._labels, self._inside = choices or {}, labels or {}, f"{inside}." if inside else ""
        self._base: Settings = cls()
        self._editors: dict[str, Any] = {}
        self._problem = ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self._front = rows()
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

    @property
    def base(self) -> Any:
        """The settings that hold the hidden fields."""
        return self._base

    def has(self, path: str) -> bool:
        """Whether a field has an editor."""
        return path in self._editors

    def editor(self, path: str) -> Any:
        """The editor of a field, by its dotted name; it has ``get()`` and ``put(value)``."""
        return self._editors[path]

    # --- build ---

    def _group(self, path: str) -> QFormLayout:
        """Where a folded field goes: its parent settings' own group."""
        parent = path.rpartition(".")[0]
        if parent not in self._groups:
            holder = QWidget()
            self._groups[parent] = rows(holder)
            if parent:
                group = Fold(title(parent.rpartition(".")[2]))
                group.addWidget(holder)
                self.fold.addWidget(group)
            else:
                self.fold.addWidget(holder)
        return self._groups[parent]

    def _add(self, path: str, field: FieldInfo, layout: QFormLayout) -> None:
        editor = ChoiceEdit(self._choices[path]) if path in self._choices else make_editor(field)
        name = self._labels.get(path) or title(path.rpartition(".")[2], field)
        about = tip(field, self._inside + path)
        editor.setToolTip(about)
        editor.setAccessibleName(name)
        editor.setAccessibleDescription(field.description or "")
        self._editors[path] = editor
        if isinstance(editor, BoolEdit):
            editor.setText(name)
            layout.addRow(editor)
        else:
            label = QLabel(name)
            label.setToolTip(about)
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
        changed(editor).connect(self._edited)

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


def show_row(layout: QFormLayout, editor: QWidget, visible: bool) -> None:
    """Show or hide an editor together with its label."""
    editor.setVisible(visible)
    if (label := layout.labelForField(editor)) is not None:
        label.setVisible(visible)


def rows(parent: QWidget | None = None) -> QFormLayout:
    """Labelled rows that grow with the dock."""
    layout = QFormLayout(parent) if parent is not None else QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.ExpandingFieldsGrow)
    return layout
