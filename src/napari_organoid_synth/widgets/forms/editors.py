"""Editors of settings for magicgui, in place of its own where those would lose a value.

A spin box of magicgui turns 2e-4 into 0.0 and refuses what is out of bounds, where a form has to say what is wrong; its
list editors cannot have an open number of choices. `create_editor` uses magicgui's own editors for all other types.
"""

from __future__ import annotations

import math
import re
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from magicgui.backends._qtpy.widgets import ComboBox as QtComboBox
from magicgui.backends._qtpy.widgets import QBaseValueWidget
from magicgui.types import Undefined
from magicgui.widgets import CheckBox, Widget, create_widget
from magicgui.widgets.bases import CategoricalWidget, ValueWidget
from pydantic.fields import FieldInfo
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_organoid_synth.widgets.forms.boxes import (
    AUTOMATIC,
    CheckBoxes,
    ComboBox,
    FloatBox,
    IntBox,
    LineBox,
    guard_wheel,
)
from napari_organoid_synth.widgets.forms.plain_text import plain

MIN_WIDTH = 90  # px
_EMPTY = re.compile(r"\b[Ee]mpty: ([^.;]+)")
_ZERO = re.compile(r"(?<!below )\b0: ([^.;,]+)")


class _QtBox(QBaseValueWidget):
    """One of our boxes behind magicgui's value protocol."""

    def __init__(self, box: type[QWidget], **kwargs: Any) -> None:
        super().__init__(box, "get", "put", "edited", **kwargs)


class _BoxEdit(ValueWidget):
    box: type[QWidget]

    def __init__(self, value: Any = Undefined, **kwargs: Any) -> None:
        super().__init__(value, **kwargs | {"widget_type": _QtBox, "backend_kwargs": {"box": self.box}})


class NumberEdit(_BoxEdit):
    """A number with all its digits; None is "automatic" where the field allows it.

    Parameters
    ----------
    value : int, float or None
    low, high : float
        Where the arrows stop. Other numbers can be typed and set: the settings class refuses them in words.
    nullable : bool
    zero : str
        Shown in place of 0.
    """

    def __init__(
        self,
        value: Any = Undefined,
        *,
        low: float = -math.inf,
        high: float = math.inf,
        nullable: bool = False,
        zero: str = "",
        **kwargs: Any,
    ) -> None:
        super().__init__(nullable=nullable, **kwargs)
        self.native.set_bounds(low, high, nullable)
        self.native.set_zero(zero)
        if value is not Undefined:
            self.value = value


class IntEdit(NumberEdit):
    """A whole number."""

    box = IntBox


class FloatEdit(NumberEdit):
    """A number of any magnitude."""

    box = FloatBox


class TextEdit(_BoxEdit):
    """A line of text."""

    box = LineBox


class TupleEdit(TextEdit):
    """Values separated by commas.

    Parameters
    ----------
    value : tuple
    read : callable
        Makes a value of a text. What it refuses stays text, which the settings class refuses in words.
    """

    def __init__(self, value: Any = Undefined, *, read: Callable[[str], Any] = str, **kwargs: Any) -> None:
        self._read = read
        super().__init__(value, **kwargs)

    def get_value(self) -> tuple[Any, ...]:
        """Return the values."""
        return tuple(_attempt(self._read, text.strip()) for text in super().get_value().split(",") if text.strip())

    def set_value(self, value: Sequence[Any]) -> None:
        """Show values."""
        super().set_value(", ".join(map(str, value)))


class NumberOrTextEdit(TextEdit):
    """A line that is a number where it can be read as one."""

    def get_value(self) -> Any:
        """Return the number, or the text if it is not a number."""
        return _attempt(float, super().get_value())

    def set_value(self, value: Any) -> None:
        """Show a number or a text."""
        super().set_value(str(value))


class SetEdit(_BoxEdit):
    """Any of a few values, one check box each.

    Parameters
    ----------
    value : tuple
    choices : sequence
    """

    box = CheckBoxes

    def __init__(self, value: Any = Undefined, *, choices: Sequence[Any] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.native.offer(choices)
        if value is not Undefined:
            self.value = value


class _QtChoice(QtComboBox):
    """Our combo box behind magicgui's categorical protocol."""

    def __init__(self, **kwargs: Any) -> None:
        QBaseValueWidget.__init__(self, ComboBox, "isChecked", "setCurrentIndex", "", **kwargs)
        self._qwidget.setMinimumContentsLength(6)
        self._qwidget.currentIndexChanged.connect(self._emit_data)


class ChoiceEdit(CategoricalWidget):
    """One of a few values.

    Parameters
    ----------
    value : object
        A value that is not offered is added, so that the settings of a file are shown as they are; not where the
        choices are a callable.
    choices : sequence or callable
        Values, or pairs of title and value; a callable, as magicgui's own for layers, is asked at each
        `reset_choices`.
    tips : dict of value to str
        Tool tips of the values in the list.
    """

    null_string = AUTOMATIC

    def __init__(
        self, value: Any = Undefined, choices: Any = (), tips: Mapping[Any, str] | None = None, **kwargs: Any
    ) -> None:
        self._offered, self._added, self._tips = choices, list[Any](), tips or {}
        super().__init__(value, self._list, **kwargs | {"widget_type": _QtChoice})

    def _list(self, widget: Any) -> list[tuple[str, Any]]:
        offered = self._offered(widget) if callable(self._offered) else self._offered
        return [one if isinstance(one, tuple) else (str(one), one) for one in (*offered, *self._added)]

    @property
    def value(self) -> Any:
        """The chosen value."""
        return self.get_value()

    @value.setter
    def value(self, value: Any) -> None:
        if value not in self.choices:
            if callable(self._offered):
                raise ValueError(f"{value!r} is not among {self.choices}.")
            self._added = [value]
            self.reset_choices()
        self.set_value(value)

    def reset_choices(self, *_: Any) -> None:
        """Read the choices again; the chosen value stays, even if its title changed."""
        chosen = self.get_value()
        with self.changed.blocked():
            self._widget._mgui_set_choices(())  # otherwise magicgui appends new choices at the end
            super().reset_choices()
            if chosen in self.choices:
                self.set_value(chosen)
        if self.get_value() != chosen:
            self.changed.emit(self.get_value())
        for index in range(self.native.count()):
            tip = self._tips.get(self.native.itemData(index), self.native.itemText(index))
            self.native.setItemData(index, plain(str(tip)), Qt.ItemDataRole.ToolTipRole)

    def offer(self, choices: Sequence[Any]) -> None:
        """Offer other values; the chosen one stays if it is still offered, otherwise the nearest number is chosen."""
        chosen = self.get_value()
        self._offered, self._added = choices, []
        with self.changed.blocked():
            self.reset_choices()
            if chosen not in self.choices and isinstance(chosen, int | float):
                self.set_value(min(self.choices, key=lambda choice: abs(choice - chosen)))


def create_editor(field: FieldInfo, path: str, title: str, tip: str, choices: Sequence[Any] = ()) -> Widget:
    """Create the magicgui widget that edits a field of settings.

    Parameters
    ----------
    field : FieldInfo
        Of a pydantic model.
    path : str
        Dotted name of the field, which becomes the name of the widget.
    title, tip : str
        Its label and tool tip.
    choices : sequence
        Values to choose from, though the type of the field allows others.
    """
    options = {"widget_type": ChoiceEdit, "choices": choices} if choices else editor_options(field)
    annotation = field.annotation if options["widget_type"] is ChoiceEdit else split_optional(field.annotation)[0]
    widget = create_widget(annotation=annotation, name=path, label=title, options={**options, "tooltip": tip})
    native = widget.native
    native.setAccessibleName(title)
    native.setAccessibleDescription(field.description or "")
    if isinstance(widget, TextEdit) and (empty := _EMPTY.search(field.description or "")):
        native.setPlaceholderText(empty[1])
    if not isinstance(widget, CheckBox | SetEdit):
        native.setMinimumWidth(MIN_WIDTH)
        native.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    if not isinstance(widget, SetEdit):
        guard_wheel(native)
    return widget


def editor_options(field: FieldInfo) -> dict[str, Any]:
    """Choose the editor of a field, by its type, with what it has to know."""
    kind, optional = split_optional(field.annotation)
    low, high = bounds(field)
    if kind is bool:
        return {"widget_type": CheckBox}
    if kind in (int, float):
        return {
            "widget_type": IntEdit if kind is int else FloatEdit,
            "low": low,
            "high": high,
            "nullable": optional,
            "zero": zero_word(field),
        }
    if get_origin(kind) is Literal:
        return {"widget_type": ChoiceEdit}  # magicgui reads the choices from the type
    if get_origin(kind) is tuple:
        item = split_optional(get_args(kind)[0])[0]
        if get_origin(item) is Literal:
            return {"widget_type": SetEdit, "choices": get_args(item)}
        return {"widget_type": TupleEdit, "read": item}
    return {"widget_type": TextEdit if kind is str else NumberOrTextEdit}


def zero_word(field: FieldInfo) -> str:
    """Return what a form shows in place of 0, where the description says what 0 means; empty where it is a number.

    Examples
    --------
    >>> from pydantic import Field
    >>> words = ("Threads; 0: as many as there are cores.", "Ends after so many; 0: never.", "Share; 0 is smooth.")
    >>> [zero_word(Field(description=text)) for text in words]
    ['automatic', 'never', '']
    """
    found = _ZERO.search(field.description or "")
    if found is None:
        return ""
    return found[1] if found[1].partition(" ")[0] in ("never", "off", "none", "no", "all") else AUTOMATIC


def split_optional(annotation: Any) -> tuple[Any, bool]:
    """Return a type without its ``None`` and its metadata, and whether ``None`` was among its members."""
    if get_origin(annotation) is Annotated:
        return split_optional(get_args(annotation)[0])
    if get_origin(annotation) in (Union, types.UnionType):
        members = [arg for arg in get_args(annotation) if arg is not type(None)]
        optional = len(members) < len(get_args(annotation))
        return (members[0] if len(members) == 1 else Union[tuple(members)]), optional  # noqa: UP007
    return annotation, False


def bounds(field: FieldInfo) -> tuple[float, float]:
    """Return the lowest and the highest value of a field; open ends are infinite."""
    low, high = -math.inf, math.inf
    for rule in field.metadata:
        low = max(
            low, *(float(v) for v in (getattr(rule, "ge", None), getattr(rule, "gt", None), low) if v is not None)
        )
        high = min(
            high, *(float(v) for v in (getattr(rule, "le", None), getattr(rule, "lt", None), high) if v is not None)
        )
    return low, high


def _attempt(read: Callable[[str], Any], text: str) -> Any:
    try:
        return read(text)
    except ValueError:
        return text
