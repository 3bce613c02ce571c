"""The window of a blind test: a large picture, a question, two keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QRectF, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QGuiApplication, QImage, QPainter
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from napari_organoid_synth.core.blind.session import Answer, Session, keep_answer
from napari_organoid_synth.core.blind.statistics import NOISE, SIGNAL, Choice
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.controls import named

AHEAD = 8
"""Pictures that are read before they are needed: how long one takes to read must not tell where it comes from."""
BLANK = 0.25
"""Seconds without a picture between two, always the same."""
GAP = 24
ASKED = {"one by one": "Real or synthetic?", "in pairs": "Which one is real?"}
KEYS: dict[Any, Choice] = {
    Qt.Key.Key_R: "real",
    Qt.Key.Key_S: "synthetic",
    Qt.Key.Key_Left: "left",
    Qt.Key.Key_Right: "right",
}
BUTTONS: dict[Choice, str] = {
    "real": "R   Real",
    "synthetic": "S   Synthetic",
    "left": "←   Left one",
    "right": "Right one   →",
}


def to_qimage(picture: NDArray[np.uint8]) -> QImage:
    """Convert a picture (Y, X, 3) for Qt, with memory of its own."""
    height, width, _ = picture.shape
    return QImage(np.ascontiguousarray(picture).data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()


class PictureView(QWidget):
    """One picture, or two beside each other, as large as whole screen pixels allow; or a sentence.

    Signals
    -------
    painted(float)
        New pictures were painted; `time.perf_counter` at that moment. Once for each `show_pictures`.
    """

    painted = Signal(float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._images: list[QImage] = []
        self._text, self._new = "", False
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(300, 200)
        self.setAccessibleName("Picture")

    @property
    def showing(self) -> bool:
        """Whether there is a picture."""
        return bool(self._images)

    def show_pictures(self, pictures: Sequence[NDArray[np.uint8]]) -> None:
        """Show pictures (Y, X, 3) of one size."""
        self._images, self._text, self._new = [to_qimage(picture) for picture in pictures], "", True
        self.update()

    def say(self, text: str = "") -> None:
        """Show a sentence, or nothing."""
        self._images, self._text, self._new = [], text, False
        self.update()

    def places(self) -> list[QRectF]:
        """Return where each picture is painted.

        Every pixel of the picture takes the same whole number of screen pixels; a picture larger than the room is
        shrunk.
        """
        if not self._images:
            return []
        ratio, number, size = self.devicePixelRatioF(), len(self._images), self._images[0].size()
        wide = (self.width() * ratio - GAP * (number - 1)) / number / size.width()
        scale = min(wide, self.height() * ratio / size.height())
        scale = float(int(scale)) if scale >= 1 else scale
        width, height = scale * size.width(), scale * size.height()
        left = int((self.width() * ratio - number * width - GAP * (number - 1)) / 2)
        top = int((self.height() * ratio - height) / 2)
        return [
            QRectF((left + index * (width + GAP)) / ratio, top / ratio, width / ratio, height / ratio)
            for index in range(number)
        ]

    def paintEvent(self, event: Any) -> None:
        """Paint without smoothing; only a picture that must be shrunk is smoothed."""
        painter = QPainter(self)
        for image, place in zip(self._images, self.places(), strict=True):
            shrunk = place.width() * self.devicePixelRatioF() < image.width()
            painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, shrunk)
            painter.drawImage(place, image)
        if self._text:
            painter.setPen(self.palette().windowText().color())
            where = self.rect().adjusted(16, 0, -16, 0)
            painter.drawText(where, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self._text)
        painter.end()
        if self._new:
            self._new = False
            self.painted.emit(time.perf_counter())


class BlindPage(QWidget):
    """Asks the open questions of a test, in a window of its own.

    Every answer is on disk before the next picture is shown. It begins paused, so that nobody is surprised.

    Parameters
    ----------
    project : Project
    session : Session
    parent : QWidget, optional
        The window that it belongs to, whose style it takes.
    full_screen : bool

    Signals
    -------
    ended()
        It was answered or stopped, and is closed.
    failed(Exception)
        A picture could not be read or an answer not be written; comes before ``ended``.
    """

    ended = Signal()
    failed = Signal(object)

    def __init__(
        self, project: Project, session: Session, parent: QWidget | None = None, full_screen: bool = False
    ) -> None:
        super().__init__(parent, Qt.WindowType.Window)
        self.session, self._project = session, project
        self._open, self._ready = session.open_questions, dict[int, list[NDArray[np.uint8]]]()
        self._asked_for: set[int] = set()
        self._pictures: Any = None
        self._reader, self._keeper = Background(self), Background(self)
        self._state = "waiting"  # for the next picture; showing; saving; feedback; over
        self.paused, self._pauses, self._seen = True, 0, 0.0
        self._begun: float | None = None  # perf_counter; the clock stands while it is None
        self._blank_over = True
        self._hiding, self._blanking = QTimer(self), QTimer(self)
        for timer, call in ((self._hiding, self._hide_picture), (self._blanking, self._end_blank)):
            timer.setSingleShot(True)
            timer.setTimerType(Qt.TimerType.PreciseTimer)
            timer.timeout.connect(call)
        self._build()
        self._full_screen = full_screen
        self._reader.do(self._open_pictures, self._take_pictures, self._fail)
        self._show_state()

    def _build(self) -> None:
        self.setWindowTitle("Blind test")
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setMinimumSize(640, 480)
        self.progress, self.question, self.feedback = (
            PlainLabel(),
            PlainLabel(ASKED[self.session.settings.way]),
            PlainLabel(),
        )
        self.progress.setAccessibleName("Progress")
        self.feedback.setAccessibleName("Whether the last answer was right")
        large = f"font-size: {self.font().pointSize() + 4}pt"  # the style of the window sets the size of all text
        for label in (self.question, self.feedback):
            label.setStyleSheet(large)
        self.view = PictureView()
        self.view.setStyleSheet(large)
        self.view.painted.connect(self._start_clock)
        self.pause_button = self._button("Pause", "Hides the picture and stops the clock (Space)", self.toggle_pause)
        self.stop_button = self._button(
            "Stop", "Stops here; the answers are kept, and you can continue at any time (Esc)", self.stop
        )
        self.full_button = self._button("Full screen", "Fill the screen, or leave it (F11)", self.toggle_full_screen)
        top = QHBoxLayout()
        top.addWidget(self.progress)
        top.addStretch(1)
        for button in (self.full_button, self.pause_button, self.stop_button):
            top.addWidget(button)
        bottom = QHBoxLayout()
        bottom.addStretch(1)
        self.buttons: dict[Choice, QPushButton] = {}
        for choice in (SIGNAL[self.session.settings.way], NOISE[self.session.settings.way]):
            button = self._button(BUTTONS[choice], f"Answers: {choice}", partial(self.answer, choice))
            button.setMinimumSize(160, 44)
            button.setStyleSheet(large)
            self.buttons[choice] = button
            bottom.addWidget(button)
        bottom.addStretch(1)
        layout = QVBoxLayout(self)
        layout.addLayout(top)
        layout.addWidget(self.view, 1)
        for label in (self.question, self.feedback):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            layout.addWidget(label)
        layout.addLayout(bottom)
        self.feedback.setVisible(self.session.settings.practice)

    def _button(self, text: str, tip: str, call: Callable[[], object]) -> QPushButton:
        button = QPushButton(text)
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)  # the keys belong to the answers
        named(button, text, tip)
        button.clicked.connect(lambda _=False: call())
        return button

    def sizeHint(self) -> QSize:
        """Return most of the screen."""
        screen = self.screen() or QGuiApplication.primaryScreen()
        return screen.availableGeometry().size() * 0.8 if screen is not None else QSize(1024, 768)

    def open(self) -> None:
        """Show the window in the middle of the screen, or over all of it."""
        self.resize(self.sizeHint())
        screen = self.screen()
        if screen is not None:
            self.move(screen.availableGeometry().center() - self.rect().center())
        if self._full_screen:
            self.showFullScreen()
        else:
            self.show()
        self.raise_()
        self.activateWindow()
        self.setFocus()

    # ----------------------------------------------------------------------------------------------- reading pictures

    def _open_pictures(self) -> Any:
        from napari_organoid_synth.core.blind.pictures import Pictures

        return Pictures(self._project, self.session)

    def _take_pictures(self, pictures: Any) -> None:
        self._pictures = pictures
        self._read_ahead()

    def _read_ahead(self) -> None:
        for number in self._open[:AHEAD]:
            if self._pictures is not None and number not in self._asked_for:
                self._asked_for.add(number)
                self._reader.do(partial(self._read, number), self._take_question, self._fail)

    def _read(self, number: int) -> tuple[int, list[NDArray[np.uint8]]]:
        """Read the pictures of a question; in the background thread."""
        return number, self._pictures.question(number)

    def _take_question(self, question: tuple[int, list[NDArray[np.uint8]]]) -> None:
        self._ready[question[0]] = question[1]
        self._advance()

    # ----------------------------------------------------------------------------------------------------- the clock

    def _advance(self) -> None:
        """Show the next picture once the last answer is saved, the blank is over and the test is not paused."""
        self._show_state()
        if self._state != "waiting" or self.paused or not self._blank_over:
            return
        if not self._open:
            self._end()
            return
        if self._open[0] in self._ready:
            self._state, self._seen, self._begun = "showing", 0.0, None
            self.view.show_pictures(self._ready[self._open[0]])
            self._show_state()

    def _start_clock(self, moment: float) -> None:
        """Start the clock: the picture is on the screen."""
        if self._state == "showing" and not self.paused and self._begun is None:
            self._begun = moment
            limit = self.session.settings.seconds
            if limit:
                self._hiding.start(max(1, round(1000 * (limit - self._seen))))

    def _hide_picture(self) -> None:
        if self._state == "showing":
            self.view.say()

    def _end_blank(self) -> None:
        self._blank_over = True
        self._advance()

    def toggle_pause(self) -> None:
        """Hide the picture and stop the clock, or continue."""
        now = time.perf_counter()
        if self._state == "feedback":
            self._continue()
        elif self._state == "over":
            return
        elif not self.paused:
            self.paused = True
            if self._state == "showing":
                self._seen += now - self._begun if self._begun is not None else 0.0
                self._begun = None
                self._pauses += 1
                self._hiding.stop()
            self._show_state()
        else:
            self.paused = False
            self.view.say()
            if self._state == "showing":
                limit = self.session.settings.seconds
                if limit and self._seen >= limit:
                    self._begun = now  # the picture was seen long enough
                else:
                    self.view.show_pictures(self._ready[self._open[0]])
            self._advance()

    # ------------------------------------------------------------------------------------------------------- answers

    def answer(self, choice: Choice) -> None:
        """Record an answer to the picture on the screen, or to the one whose time is over."""
        if self._state == "feedback":
            self._continue()
            return
        if self._state != "showing" or self._begun is None or choice not in self.buttons:
            return
        seconds = self._seen + time.perf_counter() - self._begun
        self._begun = None
        self._hiding.stop()
        number = self._open.pop(0)
        answer = Answer(number, choice, round(seconds, 4), round(time.time(), 3), self._pauses)
        pictures, self._pauses, self._state, session = self._ready.pop(number), 0, "saving", self.session
        self._keeper.do(lambda: keep_answer(session, answer), self._take_kept, self._fail)
        if session.settings.practice:
            truth = session.truth(number)
            self.view.show_pictures(pictures)
            what = f"it is {truth}" if choice in ("real", "synthetic") else f"the {truth} one is real"
            self.feedback.setText(f"{'✓ Correct' if choice == truth else '✕ Wrong'}: {what}. Press Space to continue.")
        else:
            self._blank()
        self._read_ahead()
        self._show_state()

    def _blank(self) -> None:
        self.view.say()
        self._blank_over = False
        self._blanking.start(round(1000 * BLANK))

    def _take_kept(self, session: Session) -> None:
        self.session = session
        if session.settings.practice:
            self._state = "feedback"
            self._show_state()
            return
        self._state = "waiting"
        self._advance()

    def _continue(self) -> None:
        self._state = "waiting"
        self.feedback.setText("")
        self._blank()

    def _show_state(self) -> None:
        settings, number = self.session.settings, len(self.session.questions)
        at = min(number - len(self._open) + (self._state in ("waiting", "showing")), number)
        self.progress.setText(f"{at} of {number}{', practice' if settings.practice else ''}")
        for button in self.buttons.values():
            button.setEnabled(not self.paused and self._state in ("showing", "saving", "waiting"))
        self.question.setVisible(not self.paused)
        self.pause_button.setText(("Continue" if self._pauses or self._seen else "Begin") if self.paused else "Pause")
        self.pause_button.setAccessibleName(self.pause_button.text())
        if self.paused:
            self.view.say(self._greeting())
        elif self._state == "waiting" and self._blank_over:
            self.view.say("Reading pictures…" if self._open else "")

    def _greeting(self) -> str:
        left, keys = len(self._open), " and ".join(BUTTONS[choice].replace("   ", " ") for choice in self.buttons)
        if self._pauses or self._seen:
            return "Paused. Press Space to continue."
        limit = self.session.settings.seconds
        seen = f"\nEach picture is shown for {limit:g} s; the question stays." if limit else ""
        return (
            f"{plural(left, 'question')}: {ASKED[self.session.settings.way]}\nKeys: {keys}.{seen}\n"
            "Space pauses, Esc stops; answers are kept.\n\nPress Space to begin."
        )

    # ---------------------------------------------------------------------------------------------------- the end

    def stop(self) -> None:
        """End the test; all answers are kept."""
        self._end()

    def _end(self) -> None:
        if self._state != "over":
            self._state = "over"
            self._keeper.close(finish=True)  # an answer that is on its way reaches the disk
            self._reader.close()
            self.ended.emit()
            self.close()

    def _fail(self, error: BaseException) -> None:
        if self._state != "over":
            self.failed.emit(error)
            self._end()

    def toggle_full_screen(self) -> None:
        """Fill the screen, or leave it."""
        if self.isFullScreen():
            self.showNormal()
        else:
            self.showFullScreen()

    # ------------------------------------------------------------------------------------------------------- events

    def keyPressEvent(self, a0: Any) -> None:
        """Handle answers, pause and stop; a key that is held down answers once."""
        if a0.isAutoRepeat():
            return
        key = a0.key()
        if key in KEYS:
            self.answer(KEYS[key])
        elif key in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.toggle_pause()
        elif key == Qt.Key.Key_Escape:
            self.stop()
        elif key == Qt.Key.Key_F11:
            self.toggle_full_screen()

    def changeEvent(self, a0: Any) -> None:
        """Pause when another window comes to the front."""
        super().changeEvent(a0)
        left = a0.type() == QEvent.Type.ActivationChange and not self.isActiveWindow()
        if left and not self.paused and self._state in ("waiting", "showing", "saving"):
            self.toggle_pause()

    def closeEvent(self, a0: Any) -> None:
        """Stop the test."""
        self._end()
        super().closeEvent(a0)
