"""Commands with keys of their own, which a list or a picture claims before the window's shortcuts see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import QWidget


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


def action_for(widget: Any, event: Any) -> Any:
    """Return the action of a widget whose shortcut a key event is, or None."""
    combination = event.keyCombination()
    modifiers = combination.keyboardModifiers() & ~Qt.KeyboardModifier.KeypadModifier
    pressed = QKeySequence(modifiers.value | combination.key().value)
    return next((action for action in widget.actions() if pressed in action.shortcuts()), None)
