"""The bar of steps: each with its state and the number that matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from qtpy.QtCore import QEvent, Qt, Signal
from qtpy.QtGui import QResizeEvent
from qtpy.QtWidgets import QButtonGroup, QGridLayout, QPushButton, QSizePolicy, QWidget

from napari_organoid_synth.widgets.forms.plain_text import literal
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.theme import theme_colour
from napari_organoid_synth.widgets.steps.step_table import STEPS

Kind = Literal["empty", "ready", "running", "done", "attention"]
SIGNS: dict[Kind, str] = {"empty": "", "ready": "", "running": "▶ ", "done": "✓ ", "attention": "! "}
STATES: dict[Kind, str] = {
    "empty": "nothing to do yet",
    "ready": "ready",
    "running": "running",
    "done": "done",
    "attention": "needs attention",
}
WIDE_ENOUGH = 84
"""Width (px at the usual font) for which a step is wide enough that all stand in one row."""


@dataclass(frozen=True)
class StepState:
    """State of a step, with the number that matters in a few words ("14 pairs", "40 %"), and more for its tooltip."""

    kind: Kind = "empty"
    text: str = ""
    tip: str = ""


class StepButton(QPushButton):
    """A step on the bar: its name, and below it its state."""

    def __init__(self, title: str, purpose: str) -> None:
        super().__init__()
        self.title, self.purpose, self._state = title, purpose, StepState()
        self.setCheckable(True)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setProperty("emphasized", True)
        self.show_state(StepState())

    def show_state(self, state: StepState) -> None:
        """Show a state."""
        self._state = state
        self._write()
        word, detail = STATES[state.kind], state.tip or state.text
        what = f"{word}: {detail}" if detail and detail != word else word
        named(self, f"{self.title}, {what}", f"{self.purpose}\n{what[:1].upper()}{what[1:]}.")

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        """Fit the state into the new width."""
        super().resizeEvent(a0)
        self._write()

    def _write(self) -> None:
        sign, text, room = SIGNS[self._state.kind], self._state.text or "–", max(self.width(), 60) - 6
        number = text.partition(" ")[0]
        if self.fontMetrics().horizontalAdvance(sign + text) > room and number[:1].isdigit():
            text = number  # whole, in place of a word that is cut
        shown = self.fontMetrics().elidedText(sign + text, Qt.TextElideMode.ElideRight, room)
        self.setText(literal(f"{self.title}\n{shown}"))


class StepBar(QWidget):
    """All steps, in one row or, where it is narrow, in two.

    Signals
    -------
    chosen(int)
        The person clicked the step at this place.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAccessibleName("Steps")
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(4, 4, 4, 0)
        self._grid.setSpacing(2)
        self._group = QButtonGroup(self)
        self.buttons = [StepButton(step.title, step.purpose) for step in STEPS]
        for place, button in enumerate(self.buttons):
            self._group.addButton(button, place)
        self._group.idClicked.connect(self.chosen)
        self._columns = 0
        self._style = ""
        self._arrange()
        self._follow_theme()

    def show_states(self, states: list[StepState]) -> None:
        """Show the states of all steps."""
        for button, state in zip(self.buttons, states, strict=True):
            button.show_state(state)

    def select(self, place: int) -> None:
        """Mark the step whose page is shown."""
        self.buttons[place].setChecked(True)

    def resizeEvent(self, event: Any) -> None:
        """Put all in one row where there is room."""
        super().resizeEvent(event)
        self._arrange()

    def changeEvent(self, event: QEvent | None) -> None:
        """Apply the colours of a new theme."""
        super().changeEvent(event)
        if event is not None and event.type() == QEvent.Type.StyleChange:
            self._follow_theme()

    def _arrange(self) -> None:
        wanted = WIDE_ENOUGH * self.fontMetrics().averageCharWidth() // 6
        columns = len(self.buttons) if self.width() >= len(self.buttons) * wanted else len(self.buttons) // 2
        if columns != self._columns:
            self._columns = columns
            for place, button in enumerate(self.buttons):
                self._grid.addWidget(button, place // columns, place % columns)

    def _follow_theme(self) -> None:
        style = (
            "QPushButton { padding: 3px 1px; }"
            f"QPushButton:checked {{ background-color: {theme_colour('current')}; font-weight: bold; }}"
            f"QPushButton:focus {{ border: 1px solid {theme_colour('text')}; }}"
        )
        if style != self._style:  # setting it raises StyleChange again
            self._style = style
            self.setStyleSheet(style)
