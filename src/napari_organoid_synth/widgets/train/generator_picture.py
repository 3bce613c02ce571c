"""Paint the small schematic pictures of generators in the colours of napari's theme.

What a picture shows is part of a generator's settings (`core.generators.picture`); here every symbol becomes lines and
curves, so it is crisp at any scale.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import pairwise
from typing import Any

from qtpy.QtCore import QPointF, QRectF, QSize, Qt
from qtpy.QtGui import QColor, QPainter, QPen
from qtpy.QtWidgets import QSizePolicy, QWidget

from napari_organoid_synth.core.generators.picture import Picture, Symbol, in_words
from napari_organoid_synth.widgets.shared.theme import theme_colour

SIDE, GAP, CAPTION = 40.0, 6.0, 14.0
"""Height of a part, gap between parts, height of the captions, px at scale 1."""

OBJECTS = ((0.32, 0.32, 0.20, 0.17), (0.70, 0.44, 0.16, 0.22), (0.40, 0.75, 0.23, 0.15))
"""Centre (x, y) and half axes of the cells in every mask and image, as shares of its side."""


class GeneratorPicture(QWidget):
    """The picture of a generator, as wide as its dock, in the colours of the theme."""

    def __init__(self, picture: Picture = (), parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.picture: Picture = ()
        self.setAccessibleName("Input and output of the generator")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.show_picture(picture)

    def show_picture(self, picture: Picture) -> None:
        """Show another picture."""
        self.picture = picture
        self.setAccessibleDescription(in_words(picture))
        self.setToolTip(in_words(picture))
        self.update()

    def sizeHint(self) -> QSize:
        """Return the size of parts and captions."""
        return QSize(300, round(SIDE + CAPTION + 6))

    def minimumSizeHint(self) -> QSize:
        """Return the smallest size; in a narrow dock the parts shrink."""
        return QSize(120, round(SIDE + CAPTION + 6))

    def paintEvent(self, event: Any) -> None:
        """Paint the picture in the colours of the theme."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint(
            painter, self.picture, float(self.width()), QColor(theme_colour("text")), QColor(theme_colour("background"))
        )
        painter.end()


def paint(painter: QPainter, picture: Picture, width: float, ink: QColor, ground: QColor) -> None:
    """Paint a picture from left to right, at most ``width`` px wide, in two colours and the shades between them."""
    brush = Brush(painter, ink, ground)
    font = painter.font()
    font.setPixelSize(10)
    painter.setFont(font)
    metrics = painter.fontMetrics()
    columns = [max(WIDTHS.get(part.symbol, SIDE), float(metrics.horizontalAdvance(part.caption))) for part in picture]
    needed = sum(columns) + GAP * max(len(picture) - 1, 0) + 2
    scale = min(1.0, width / needed)
    painter.translate(1, 2)
    painter.scale(scale, scale)
    left = 0.0
    for part, column in zip(picture, columns, strict=True):
        own = WIDTHS.get(part.symbol, SIDE)
        PAINTERS[part.symbol](brush, QRectF(left + (column - own) / 2, 0, own, SIDE))
        painter.setPen(ink)
        below = QRectF(left - GAP, SIDE, column + 2 * GAP, CAPTION)
        painter.drawText(below, Qt.AlignmentFlag.AlignCenter, part.caption)
        left += column + GAP


class Brush:
    """A painter that knows the shades between ground (0) and ink (1)."""

    def __init__(self, painter: QPainter, ink: QColor, ground: QColor) -> None:
        self.painter, self.ink, self.ground = painter, ink, ground

    def shade(self, share: float) -> QColor:
        """Return a colour between ground (0) and ink (1)."""
        mixed = (
            round((1 - share) * low + share * high)
            for low, high in zip(self.ground.getRgb()[:3], self.ink.getRgb()[:3], strict=True)
        )
        return QColor(*mixed)

    def pen(self, share: float = 0.8, width: float = 1.2) -> None:
        """Draw lines in a shade, fill nothing."""
        self.painter.setPen(QPen(self.shade(share), width))
        self.painter.setBrush(Qt.BrushStyle.NoBrush)

    def fill(self, share: float) -> None:
        """Fill in a shade, without lines."""
        self.painter.setPen(Qt.PenStyle.NoPen)
        self.painter.setBrush(self.shade(share))

    def frame(self, box: QRectF) -> None:
        """Draw the border of an image."""
        self.pen(0.6, 1.0)
        self.painter.drawRect(box)

    def objects(self, box: QRectF) -> None:
        """Draw the cells, at the same places in a mask and in its image."""
        for x, y, across, down in OBJECTS:
            middle = QPointF(box.left() + x * box.width(), box.top() + y * box.height())
            self.painter.drawEllipse(middle, across * box.width(), down * box.height())

    def line(self, *points: tuple[float, float]) -> None:
        """Draw straight lines through points."""
        for (x, y), (to_x, to_y) in pairwise(points):
            self.painter.drawLine(QPointF(x, y), QPointF(to_x, to_y))


# --- symbols, each in its box -----------------------------------------------------------------------------------


def _mask(brush: Brush, box: QRectF) -> None:
    brush.fill(0.06)
    brush.painter.drawRect(box)
    brush.fill(0.95)
    brush.objects(box)
    brush.frame(box)


def _image(brush: Brush, box: QRectF, grain: float = 0.0) -> None:
    rng = random.Random(1)
    brush.fill(0.3)
    brush.painter.drawRect(box)
    for _ in range(70):
        brush.fill(rng.choice((0.2, 0.38, 0.45)))
        dot = QPointF(
            box.left() + box.width() * rng.uniform(0.04, 0.96), box.top() + box.height() * rng.uniform(0.04, 0.96)
        )
        brush.painter.drawEllipse(dot, 1.0, 1.0)
    brush.painter.setPen(QPen(brush.shade(0.85), 1.4))
    brush.painter.setBrush(brush.shade(0.55))
    brush.objects(box)
    brush.fill(0.75)
    for x, y, across, down in OBJECTS:  # a nucleus in each
        middle = QPointF(box.left() + (x + across / 4) * box.width(), box.top() + y * box.height())
        brush.painter.drawEllipse(middle, across * box.width() / 3, down * box.height() / 3)
    for _ in range(round(grain * 260)):
        brush.fill(rng.choice((0.1, 0.9)))
        brush.painter.drawRect(
            QRectF(box.left() + rng.randrange(20) * box.width() / 20, box.top() + rng.randrange(20) * SIDE / 20, 2, 2)
        )
    brush.frame(box)


def _pair(brush: Brush, box: QRectF, grain: float = 0.0) -> None:
    _image(brush, QRectF(box.left(), box.top(), SIDE, SIDE), grain)
    _mask(brush, QRectF(box.left() + SIDE + 3, box.top(), SIDE, SIDE))


def _noise(brush: Brush, box: QRectF) -> None:
    rng = random.Random(0)
    cell = box.width() / 8
    for number in range(64):
        brush.fill(rng.uniform(0.05, 0.95))
        brush.painter.drawRect(
            QRectF(box.left() + number % 8 * cell, box.top() + number // 8 * cell, cell + 0.3, cell + 0.3)
        )
    brush.frame(box)


def _pixels(number: int) -> Callable[[Brush, QRectF], None]:
    """Return a painter of the cells as an image of few large pixels, smaller than the others because it grows."""

    def draw(brush: Brush, box: QRectF) -> None:
        cell = box.width() / number
        top = box.center().y() - box.width() / 2
        for row in range(number):
            for column in range(number):
                y, x = (row + 0.5) / number, (column + 0.5) / number
                hit = any(((x - a) / c) ** 2 + ((y - b) / d) ** 2 < 1.3 for a, b, c, d in OBJECTS)
                brush.fill(0.7 if hit else 0.3)
                brush.painter.drawRect(QRectF(box.left() + column * cell, top + row * cell, cell + 0.3, cell + 0.3))
        brush.frame(QRectF(box.left(), top, box.width(), box.width()))

    return draw


def _stack(draw: Callable[[Brush, QRectF], None]) -> Callable[[Brush, QRectF], None]:
    """Return a painter of several images behind each other: any of a set."""

    def stacked(brush: Brush, box: QRectF) -> None:
        for shift in (8.0, 4.0):
            back = QRectF(box.left() + shift, box.top() + 8 - shift, SIDE - 8, SIDE - 8)
            brush.fill(0.15)
            brush.painter.drawRect(back)
            brush.frame(back)
        draw(brush, QRectF(box.left(), box.top() + 8, SIDE - 8, SIDE - 8))

    return stacked


def _arrow(brush: Brush, box: QRectF, both: bool = False) -> None:
    brush.pen(0.9, 1.6)
    y, left, right = box.center().y(), box.left() + 1, box.right() - 1
    brush.line((left, y), (right, y))
    brush.line((right - 5, y - 4), (right, y), (right - 5, y + 4))
    if both:
        brush.line((left + 5, y - 4), (left, y), (left + 5, y + 4))


def _code(brush: Brush, box: QRectF) -> None:
    for number, shade in enumerate((0.8, 0.35, 0.6, 0.2, 0.9)):
        brush.fill(shade)
        cell = QRectF(box.left(), box.top() + number * box.height() / 5, box.width(), box.height() / 5)
        brush.painter.drawRect(cell)
        brush.frame(cell)


def _tag(brush: Brush, box: QRectF) -> None:
    y, half, x = box.center().y(), 9.0, box.left()
    brush.pen(0.9, 1.4)
    brush.line((x, y), (x + 9, y - half), (box.right(), y - half), (box.right(), y + half), (x + 9, y + half), (x, y))
    brush.painter.drawEllipse(QPointF(x + 9, y), 1.6, 1.6)
    brush.line((x + 16, y - 3), (box.right() - 5, y - 3))
    brush.line((x + 16, y + 3), (box.right() - 9, y + 3))


def _dials(brush: Brush, box: QRectF) -> None:
    for number, place in enumerate((0.25, 0.7, 0.45)):
        y = box.top() + (number + 0.5) * box.height() / 3
        brush.pen(0.6, 1.4)
        brush.line((box.left(), y), (box.right(), y))
        brush.fill(0.95)
        brush.painter.drawEllipse(QPointF(box.left() + place * box.width(), y), 3.4, 3.4)


def _styles(brush: Brush, box: QRectF) -> None:
    for number, (length, shade) in enumerate(((0.55, 0.9), (0.7, 0.7), (0.85, 0.5), (1.0, 0.3))):
        brush.fill(shade)
        wide = length * box.width()
        y = box.top() + number * box.height() / 4
        bar = QRectF(box.center().x() - wide / 2, y + 1, wide, box.height() / 4 - 2)
        brush.painter.drawRoundedRect(bar, 2, 2)


def _turned(brush: Brush, box: QRectF) -> None:
    brush.painter.save()
    brush.painter.translate(box.center())
    brush.painter.rotate(20)
    brush.painter.scale(0.74, 0.74)
    _image(brush, QRectF(-SIDE / 2, -SIDE / 2, SIDE, SIDE))
    brush.painter.restore()


def _tick(brush: Brush, box: QRectF) -> None:
    middle, radius = box.center(), box.width() / 2 - 1
    brush.pen(0.9, 1.6)
    brush.painter.drawEllipse(middle, radius, radius)
    x, y = middle.x(), middle.y()
    brush.line((x - 5, y), (x - 1, y + 5), (x + 6, y - 5))


def _plus(brush: Brush, box: QRectF) -> None:
    brush.pen(0.9, 1.6)
    x, y = box.center().x(), box.center().y()
    brush.line((x - 4, y), (x + 4, y))
    brush.line((x, y - 4), (x, y + 4))


PAINTERS: dict[Symbol, Callable[[Brush, QRectF], None]] = {
    "mask": _mask,
    "image": _image,
    "pair": _pair,
    "grainy": lambda brush, box: _pair(brush, box, 0.5),
    "noise": _noise,
    "coarse": _pixels(4),
    "middle": _pixels(10),
    "masks": _stack(_mask),
    "images": _stack(_image),
    "code": _code,
    "tag": _tag,
    "dials": _dials,
    "styles": _styles,
    "turned": _turned,
    "tick": _tick,
    "to": _arrow,
    "both": lambda brush, box: _arrow(brush, box, both=True),
    "with": _plus,
}
WIDTHS: dict[Symbol, float] = {
    "pair": 2 * SIDE + 3, "grainy": 2 * SIDE + 3, "noise": SIDE, "coarse": 16, "middle": 26, "code": 9, "tag": 38,
    "dials": 34, "styles": 26, "tick": 24, "to": 18, "both": 24, "with": 10,
}  # fmt: skip
