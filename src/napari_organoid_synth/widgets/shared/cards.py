"""Cards that docks share: the purpose of an empty dock, and errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Failed
from napari_organoid_synth.widgets.forms.plain_text import literal, plain
from napari_organoid_synth.widgets.shared.buttons import CopyButton
from napari_organoid_synth.widgets.shared.text_label import WrapLabel


class Card(QFrame):
    """A framed column."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Maximum)
        self.column = QVBoxLayout(self)
        self.column.setContentsMargins(8, 8, 8, 8)
        self.column.setSpacing(6)

    def add_text(self, text: str = "", bold: bool = False) -> WrapLabel:
        """Add a wrapped line of text."""
        label = WrapLabel(text)
        if bold:
            font = label.font()
            font.setBold(True)
            label.setFont(font)
        self.column.addWidget(label)
        return label

    def add_buttons(self, buttons: Mapping[str, Callable[[], Any]], *before: QPushButton) -> list[QPushButton]:
        """Add a row of buttons by text and action, existing ones ``before`` them; return the new ones."""
        row = QHBoxLayout()
        for button in before:
            row.addWidget(button)
        made = []
        for text, action in buttons.items():
            button = QPushButton(text)
            button.setAccessibleName(text)
            button.clicked.connect(lambda _=False, action=action: action())
            row.addWidget(button)
            made.append(button)
        self.column.addLayout(row)
        return made


class EmptyCard(Card):
    """The purpose of a dock, and the buttons that fill it.

    Parameters
    ----------
    sentence : str
    buttons : dict of str to callable
        Below each other, by text and action.
    """

    def __init__(
        self, sentence: str, buttons: Mapping[str, Callable[[], Any]] | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.sentence = self.add_text(sentence)
        self.buttons = [self.add_buttons({text: action})[0] for text, action in (buttons or {}).items()]

    def set_sentence(self, text: str) -> None:
        """Change the sentence."""
        self.sentence.setText(text)


class ErrorCard(Card):
    """An error: what was found, what was expected, what to do; hidden until `show_error`.

    Signals
    -------
    closed()
        The person closed it.
    """

    closed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.found = self.add_text(bold=True)
        self.expected, self.todo = self.add_text(), self.add_text()
        self.report = ""
        self.correct_button = QPushButton()  # its text is set by `offer`
        self.correct_button.setAccessibleName("Correct")
        self.correct_button.setToolTip("Does what the message suggests.")
        self.column.addWidget(self.correct_button)
        self._correct: Callable[[], Any] = self.dismiss
        self.correct_button.clicked.connect(lambda: self._correct())
        self.correct_button.hide()
        tip = "Copies the whole error with its technical details."
        self.copy_button = CopyButton("Copy report", tip, self.whole)
        (self.close_button,) = self.add_buttons({"Close": self.dismiss}, self.copy_button)
        self.close_button.setToolTip("Hides this message. Nothing is lost.")
        self.setAccessibleName("Error")
        self.hide()

    def show_error(self, error: Failed | BaseException) -> None:
        """Show a failed job or an exception."""
        if isinstance(error, Failed | UserError):
            found, expected, todo = error.found, error.expected, error.todo
        else:
            found, expected, todo = f"{type(error).__name__}: {error}", "", "Copy the report and ask."
        if isinstance(error, Failed):
            self.report = error.report
        else:
            import traceback

            self.report = "".join(traceback.format_exception(error))
        self.found.setText(f"✕ {found}")
        for label, text in ((self.expected, expected), (self.todo, todo)):
            label.setText(text)
            label.setVisible(bool(text))
        self.setAccessibleDescription(" ".join((found, expected, todo)))
        self.correct_button.hide()
        self.show()

    def offer(self, text: str, tip: str, action: Callable[[], Any]) -> None:
        """Offer a button that corrects the error."""
        self._correct = action
        self.correct_button.setText(literal(text))
        self.correct_button.setAccessibleName(text)
        self.correct_button.setToolTip(plain(tip))
        self.correct_button.show()

    def whole(self) -> str:
        """Return the message and its technical details."""
        from napari_organoid_synth import __version__

        parts = (self.found.text().removeprefix("✕ "), self.expected.text(), self.todo.text())
        return "\n".join(part for part in (*parts, f"napari-organoid-synth {__version__}", self.report) if part)

    def dismiss(self) -> None:
        """Hide the card."""
        self.hide()
        self.closed.emit()
