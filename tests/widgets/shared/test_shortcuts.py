"""Commands with keys: found for a key event, named in the tooltip."""

from __future__ import annotations

from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QWidget

from napari_organoid_synth.widgets.shared.shortcuts import Command, action_for, make_actions


def press(key, held=Qt.KeyboardModifier.NoModifier):
    return QKeyEvent(QEvent.Type.KeyPress, key, held)


def test_a_key_finds_its_command_and_no_other(qtbot):
    widget, done = QWidget(), []
    qtbot.addWidget(widget)
    commands = [
        Command("Accept", ("A",), lambda: done.append("accept"), "Accept the selected pairs"),
        Command("Undo", ("U", "Ctrl+Z"), lambda: done.append("undo")),
    ]
    actions = make_actions(widget, commands)
    widget.addActions(list(actions.values()))
    assert [action.toolTip() for action in actions.values()] == ["Accept the selected pairs (A)", "Undo (U)"]
    assert action_for(widget, press(Qt.Key.Key_A)) is actions["Accept"]
    assert action_for(widget, press(Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)) is actions["Undo"]
    assert action_for(widget, press(Qt.Key.Key_U, Qt.KeyboardModifier.KeypadModifier)) is actions["Undo"]
    for event in (press(Qt.Key.Key_Z), press(Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier), press(Qt.Key.Key_X)):
        assert action_for(widget, event) is None
    actions["Undo"].trigger()
    assert done == ["undo"]
