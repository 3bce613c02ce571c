"""Cards that docks share: nothing there yet, running, failed; and the one prominent button."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from qtpy.QtCore import QEvent, QSize, Qt, QTimer, Signal
from qtpy.QtWidgets import (
    QApplication,
    QFrame,
    QHBoxLayout,
    QLabel,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Event, Failed, Progress, Started, Warned
from napari_organoid_synth.widgets.shared.jobs import JobRunner

SAID_MS = 1500
VERDICT_COLOURS = {"new": "#999999", "accepted": "#009E73", "rejected": "#D55E00", "flagged": "#E69F00"}
"""Okabe-Ito; always shown together with a letter or a shape."""


def theme_colour(name: str) -> str:
    """A colour of napari's current theme as ``#rrggbb``, by its field in `napari.utils.theme.Theme`."""
    from napari import current_viewer
    from napari.settings import get_settings
    from napari.utils.theme import get_theme

    viewer = current_viewer()
    theme = get_theme(viewer.theme if viewer is not None else get_settings().appearance.theme)
    red, green, blue = getattr(theme, name).as_rgb_tuple(alpha=False)
    return f"#{red:02x}{green:02x}{blue:02x}"


BREAK = "\u200b"
"""A space without width, at which a line may break."""

_LONG_WORD = re.compile(r"\S{24,}")
_JOINT = re.compile(r"([_./\\-])")


class WrapLabel(QLabel):
    """Text that wraps, can be selected and copied, and never widens its dock."""

    def __init__(self, text: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setText(text)
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setMinimumWidth(60)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        policy.setHeightForWidth(True)
        self.setSizePolicy(policy)

    def setText(self, text: str) -> None:
        """Show a text; long words, such as file names, may break after ``_ . / -``."""
        super().setText(_LONG_WORD.sub(lambda word: _JOINT.sub(rf"\1{BREAK}", word[0]), text))

    def text(self) -> str:
        """The text as it was given."""
        return str(super().text()).replace(BREAK, "")


class Drawn(QLabel):
    """What a dock paints itself; a label, because napari gives its font size to labels and not to bare widgets.

    Subclasses paint, and say in ``sizeHint`` how many lines of text they are high.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)

    def minimumSizeHint(self) -> QSize:
        """The same height."""
        return QSize(60, self.sizeHint().height())

    def changeEvent(self, event: QEvent) -> None:
        """Another font is another height."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()


class PrimaryButton(QPushButton):
    """The one prominent button of a dock; it follows the theme."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.setMinimumHeight(34)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._style = ""
        self._follow_theme()

    def changeEvent(self, event: QEvent) -> None:
        """Take the new theme's colour."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange:
            self._follow_theme()

    def _follow_theme(self) -> None:
        style = (
            f"QPushButton {{ font-weight: bold; padding: 6px; background-color: {theme_colour('current')}; }}"
            f"QPushButton:disabled {{ background-color: {theme_colour('foreground')}; }}"
            f"QPushButton:focus {{ border: 1px solid {theme_colour('text')}; }}"
        )
        if style != self._style:  # setting it raises StyleChange again
            self._style = style
            self.setStyleSheet(style)


class CopyButton(QPushButton):
    """Puts a text on the clipboard and says so for a moment.

    Parameters
    ----------
    text : str
    tip : str
    content : callable
        Gives what is copied; when that is nothing, nothing happens.
    """

    def __init__(self, text: str, tip: str, content: Callable[[], str | None]) -> None:
        super().__init__(text)
        self.setAccessibleName(text)
        self.setAccessibleDescription(tip)
        self.setToolTip(tip)
        self._content = content
        self._said = QTimer(self)
        self._said.setSingleShot(True)
        self._said.setInterval(SAID_MS)
        self._said.timeout.connect(lambda: self.setText(text))
        self.clicked.connect(self.copy)

    def copy(self) -> None:
        """Put it on the clipboard."""
        if content := self._content():
            clipboard: Any = QApplication.clipboard()
            clipboard.setText(content)
            self.setText("Copied")
            self._said.start()


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
        """A wrapped line of text."""
        label = WrapLabel(text)
        if bold:
            font = label.font()
            font.setBold(True)
            label.setFont(font)
        self.column.addWidget(label)
        return label

    def add_buttons(self, buttons: Mapping[str, Callable[[], Any]], *before: QPushButton) -> list[QPushButton]:
        """A row of buttons, those that there are ``before`` new ones; text to what it does. The new ones."""
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
    """What a dock is for, and the buttons that fill it.

    Parameters
    ----------
    sentence : str
    buttons : dict of str to callable
        One under the other: text to what it does.
    """

    def __init__(
        self, sentence: str, buttons: Mapping[str, Callable[[], Any]] | None = None, parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self.sentence = self.add_text(sentence)
        self.buttons = [self.add_buttons({text: action})[0] for text, action in (buttons or {}).items()]

    def set_sentence(self, text: str) -> None:
        """Say something else."""
        self.sentence.setText(text)


class ErrorCard(Card):
    """What was found, what was expected, what to do; hidden until `show_error`.

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
        self.mend_button = QPushButton()  # `offer` says what for
        self.mend_button.setAccessibleName("Mend")
        self.mend_button.setToolTip("Does what the message says.")
        self.column.addWidget(self.mend_button)
        self._mend: Callable[[], Any] = self.dismiss
        self.mend_button.clicked.connect(lambda: self._mend())
        self.mend_button.hide()
        tip = "Puts the whole error with its technical details on the clipboard."
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
        self.mend_button.hide()
        self.show()

    def offer(self, text: str, tip: str, action: Callable[[], Any]) -> None:
        """Give the error that is shown a button that mends it."""
        self._mend = action
        self.mend_button.setText(text)
        self.mend_button.setAccessibleName(text)
        self.mend_button.setToolTip(tip)
        self.mend_button.show()

    def whole(self) -> str:
        """The message and its technical details."""
        from napari_organoid_synth import __version__

        words = (self.found.text().removeprefix("✕ "), self.expected.text(), self.todo.text())
        return "\n".join(word for word in (*words, f"napari-organoid-synth {__version__}", self.report) if word)

    def dismiss(self) -> None:
        """Hide the card."""
        self.hide()
        self.closed.emit()


class ProgressCard(Card):
    """Bar, time left, pause and stop of a `JobRunner`; visible while it runs.

    Parameters
    ----------
    runner : JobRunner
    stop_text : str
        What stopping means, for example ``"Stop and keep"``.
    unit : str
        What a step is called: "step", "pair".
    """

    def __init__(
        self, runner: JobRunner, stop_text: str = "Stop and keep", unit: str = "step", parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._runner, self._unit = runner, unit
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Progress")
        self.bar.setTextVisible(True)
        self.column.addWidget(self.bar)
        self.note = self.add_text()
        self.pause_button, self.stop_button = self.add_buttons({"Pause": self._toggle, stop_text: self._stop})
        self.pause_button.setToolTip("Waits after the step it is in; resume at any time.")
        self.stop_button.setToolTip("Ends after the step it is in and saves. Nothing is lost.")
        self._stop_text = stop_text
        runner.event.connect(self._show_event)
        runner.stateChanged.connect(self._show_state)
        self._show_state(runner.state)

    def _toggle(self) -> None:
        if self._runner.state == "paused":
            self._runner.resume()
        else:
            self._runner.pause()

    def _stop(self) -> None:
        self._runner.cancel()
        self.stop_button.setEnabled(False)
        self.pause_button.setEnabled(False)
        self.note.setText("Saving…")

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Started):
            self.note.setText("Getting ready…")
        elif isinstance(event, Warned):
            self.note.setText(event.text)
        elif isinstance(event, Progress):
            if self.bar.maximum() != event.total:
                self.bar.setRange(0, event.total)
            self.bar.setValue(event.step)
            if self.stop_button.isEnabled() and self._runner.state == "running":
                self.note.setText(self.describe(event))

    def describe(self, event: Progress) -> str:
        """One line about a progress: step, speed, time left."""
        parts = [event.note] if event.note else []
        parts.append(
            f"{self._unit} {event.step:,} of {event.total:,}" if event.total else f"{self._unit} {event.step:,}"
        )
        if event.seconds_left is not None:
            parts.append(words_for_seconds(event.seconds_left) + " left")
        return " · ".join(parts)

    def _show_state(self, state: str) -> None:
        if state == "idle" or not self.isVisibleTo(self.parentWidget()):
            self.bar.setRange(0, 0)
            self.note.setText("Starting…")
        self.setVisible(state != "idle")
        for button in (self.stop_button, self.pause_button):
            button.setEnabled(True)
        self.pause_button.setText("Resume" if state == "paused" else "Pause")
        self.pause_button.setAccessibleName(self.pause_button.text())
        if state == "paused":
            self.note.setText("Paused. The window may be closed; nothing is lost.")


def words_for_seconds(seconds: float) -> str:
    """An honest duration: "less than a minute", "about 5 min", "about 1 h 20 min", "about 3 days"."""
    minutes = seconds / 60
    if minutes < 1:
        return "less than a minute"
    if minutes < 10:
        return f"about {minutes:.0f} min"
    if minutes < 57.5:
        return f"about {5 * round(minutes / 5)} min"
    hours, rest = divmod(10 * round(minutes / 10), 60)
    if hours < 24:
        return f"about {hours} h {rest} min" if rest else f"about {hours} h"
    days = max(1, round(minutes / 60 / 24))
    return f"about {days} day{'s' if days > 1 else ''}"
