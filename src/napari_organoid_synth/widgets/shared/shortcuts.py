"""Commands with keys of their own, which a list or a picture claims before the window's shortcuts see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QWidget

EDIT_KEYS = tuple(
    getattr(QKeySequence.StandardKey, name)
    for name in ("Undo", "Redo", "Copy", "Cut", "Paste", "SelectAll", "Deselect", "Find", "Delete")
)


@dataclass(frozen=True)
class Command:
    """An action of a key, a button or a menu entry.

    Parameters
    ----------
    name : str
        On buttons and in menus.
    keys : tuple of str
        The first is named in the tooltip.
    call : callable
        What it does.
    tip : str
        What it does, in words; default: the name.
    """

    name: str
    keys: tuple[str, ...]
    call: Callable[[], object]
    tip: str = ""


def make_actions(parent: QWidget, commands: Iterable[Command]) -> dict[str, QAction]:
    """Return an action for each command, by name; their keys work where they are added to a widget."""
    return {command.name: _action(parent, command) for command in commands}


def _action(parent: QWidget, command: Command) -> QAction:
    action = QAction(command.name, parent)
    action.setShortcuts([QKeySequence(key) for key in command.keys])
    action.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
    action.setToolTip(f"{command.tip or command.name} ({command.keys[0]})")
    action.triggered.connect(lambda _=False: command.call())
    return action


def stays(event: Any) -> bool:
    """Return whether a key that is pressed on a page is for the page: napari would use it on its canvas.

    Plain keys and those of the canvas stay, such as Ctrl+Y, which makes the canvas 3-D; function keys and those of
    napari's menus that open and close files do not.
    """
    combination = event.keyCombination()
    held = combination.keyboardModifiers()
    if not held & ~(Qt.KeyboardModifier.ShiftModifier | Qt.KeyboardModifier.KeypadModifier):
        return not Qt.Key.Key_F1 <= combination.key() <= Qt.Key.Key_F35
    return QKeySequence(combination).toString() in _canvas_keys() or _is_edit(event)


def _is_edit(event: Any) -> bool:
    """Return whether a key edits: undo, redo, copy, paste, select all and so on."""
    return any(event.matches(key) for key in EDIT_KEYS)


@cache
def _canvas_keys() -> frozenset[str]:
    """Return the keys of napari's canvas and layers, as Qt writes them."""
    from app_model.backends.qt import QKeyBindingSequence
    from napari.utils.shortcuts import default_shortcuts

    return frozenset(QKeyBindingSequence(key).toString() for keys in default_shortcuts.values() for key in keys)


def take_key(widget: Any, event: Any) -> None:
    """Trigger the action of a key that nothing inside a page has used; whatever it is, it does not reach napari."""
    if action := action_for(widget, event):
        action.trigger()
    event.accept()


def action_for(widget: Any, event: Any) -> Any:
    """Return the action of a widget whose shortcut a key event is, or None."""
    combination = event.keyCombination()
    modifiers = combination.keyboardModifiers() & ~Qt.KeyboardModifier.KeypadModifier
    pressed = QKeySequence(modifiers.value | combination.key().value)
    return next((action for action in widget.actions() if pressed in action.shortcuts()), None)
