"""A pad to drag a point on, with the mouse or the arrow keys."""

from __future__ import annotations

from qtpy.QtCore import QPointF, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.text_label import Drawn
from napari_organoid_synth.widgets.shared.theme import theme_colour

SIDE = 168  # px
DOT = 7  # px
STEP, LEAP = 0.05, 0.25
TIP = (
    "Drag to change the image gradually into two directions. Arrow keys take small steps, with Shift large ones; "
    "Home or a double click goes back to the middle."
)
KEYS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, -1),
    Qt.Key.Key_Down: (0, 1),
}


class WalkPad(Drawn):
    """A point in a square; x and y go from -1 to 1, right and down.

    Signals
    -------
    moved(float, float)
        The point was moved to x, y.
    """

    moved = Signal(float, float)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.x, self.y = 0.0, 0.0
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.CrossCursor)
        named(self, "Pad", TIP)

    def value_at(self) -> tuple[float, float]:
        """Return x and y of the point."""
        return self.x, self.y

    def show_point(self, x: float, y: float) -> None:
        """Show a point without a signal."""
        self.x, self.y = min(max(x, -1.0), 1.0), min(max(y, -1.0), 1.0)
        named(self, f"Pad, at {self.x:.2f} and {self.y:.2f}", TIP)
        self.update()

    def move_to(self, x: float, y: float) -> None:
        """Move the point; a signal follows where it moves."""
        before = self.value_at()
        self.show_point(x, y)
        if self.value_at() != before:
            self.moved.emit(self.x, self.y)

    # --- mouse and keys ---

    def _square(self) -> QRectF:
        """Return where the point may lie."""
        side = min(self.width(), self.height()) - 2 * DOT
        return QRectF((self.width() - side) / 2, (self.height() - side) / 2, side, side)

    def _drag(self, event: QMouseEvent) -> None:
        square, at = self._square(), event.position()
        half = square.width() / 2
        self.move_to((at.x() - square.center().x()) / half, (at.y() - square.center().y()) / half)

    def mousePressEvent(self, ev: QMouseEvent | None) -> None:
        """Move the point to the mouse."""
        if ev is not None and ev.button() == Qt.MouseButton.LeftButton:
            self._drag(ev)

    def mouseMoveEvent(self, ev: QMouseEvent | None) -> None:
        """Let the point follow."""
        if ev is not None and ev.buttons() & Qt.MouseButton.LeftButton:
            self._drag(ev)

    def mouseDoubleClickEvent(self, a0: QMouseEvent | None) -> None:
        """Go back to the middle."""
        self.move_to(0.0, 0.0)

    def keyPressEvent(self, ev: QKeyEvent | None) -> None:
        """Take a step with an arrow key, or go back to the middle."""
        if ev is None:
            return
        if ev.key() == Qt.Key.Key_Home:
            self.move_to(0.0, 0.0)
        elif (way := KEYS.get(Qt.Key(ev.key()))) is not None:
            step = LEAP if ev.modifiers() & Qt.KeyboardModifier.ShiftModifier else STEP
            self.move_to(round(self.x + way[0] * step, 3), round(self.y + way[1] * step, 3))
        else:
            super().keyPressEvent(ev)

    # --- picture ---

    def sizeHint(self) -> QSize:
        """Return a square."""
        return QSize(SIDE, SIDE)

    def paintEvent(self, a0: QPaintEvent | None) -> None:
        """Draw the square, its two directions and the point."""
        line, dot = QColor(theme_colour("text")), QColor(theme_colour("current"))
        square = self._square()
        middle, half = square.center(), square.width() / 2
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(line, 2.0 if self.hasFocus() else 1.0))
        painter.setBrush(QColor(theme_colour("foreground")))
        painter.drawRoundedRect(square, 4, 4)
        line.setAlphaF(0.35)
        painter.setPen(QPen(line, 1.0))
        painter.drawLine(QPointF(square.left(), middle.y()), QPointF(square.right(), middle.y()))
        painter.drawLine(QPointF(middle.x(), square.top()), QPointF(middle.x(), square.bottom()))
        at = QPointF(middle.x() + self.x * half, middle.y() + self.y * half)
        painter.drawLine(middle, at)
        line.setAlphaF(1.0)
        painter.setPen(QPen(line, 1.5))
        painter.setBrush(dot)
        painter.drawEllipse(at, DOT, DOT)
        painter.end()
