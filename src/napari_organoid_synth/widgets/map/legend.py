"""The legend of the map, and the colours of a score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyqtgraph as pg
from pyqtgraph.graphicsItems.ScatterPlotItem import Symbols
from qtpy.QtCore import QEvent, QRectF, QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QLinearGradient, QPainter, QPen, QPixmap
from qtpy.QtWidgets import QToolButton, QWidget

from napari_organoid_synth.widgets.forms.plain_text import literal
from napari_organoid_synth.widgets.map.view import Group, shade_colours
from napari_organoid_synth.widgets.shared.controls import flow_layout, named
from napari_organoid_synth.widgets.shared.text_label import Drawn
from napari_organoid_synth.widgets.shared.theme import theme_colour

REGIONS = "empty regions"
ABOUT_REGIONS = "Dashed: real tiles that no synthetic pair comes near. Press the number of one to select its tiles."
ICON = 14
BAR = 10


class Legend(QWidget):
    """One button for each group, its symbol, its name, how many, and one for empty regions; off hides the points.

    Attributes
    ----------
    hidden : set of str
        Titles of the groups that are off.
    changed : Signal()
        `hidden` is another.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.hidden: set[str] = set()
        self.buttons: dict[str, QToolButton] = {}
        self._groups: Sequence[Group] = ()
        self._flow = flow_layout(self, 4, 3)

    def show_groups(self, groups: Sequence[Group], regions: int = 0) -> None:
        """Show these groups and the number of empty regions; what was off stays off."""
        titles = [group.title for group in groups] + [REGIONS] * bool(regions)
        if titles != list(self.buttons):
            for button in self.buttons.values():
                self._flow.removeWidget(button)
                button.hide()  # at once: it is deleted later
                button.deleteLater()
            self.buttons = {title: self._button(title) for title in titles}
        self._groups = groups
        for group in groups:
            button = self.buttons[group.title]
            button.setText(literal(f"{group.title} {len(group.rows):,}"))
            named(button, f"{group.title}, {len(group.rows):,} points", "Shown; press to hide these points.")
        if regions:
            self.buttons[REGIONS].setText(literal(f"{REGIONS} {regions:,}"))
            named(self.buttons[REGIONS], f"{regions:,} {REGIONS}", ABOUT_REGIONS)
        for title, button in self.buttons.items():
            button.setChecked(title not in self.hidden)
        self._draw_icons()

    def _draw_icons(self) -> None:
        for group in self._groups:
            self.buttons[group.title].setIcon(symbol_icon(group))
        if REGIONS in self.buttons:
            self.buttons[REGIONS].setIcon(region_icon())

    def _button(self, title: str) -> QToolButton:
        button = QToolButton()
        button.setCheckable(True)
        button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        button.setIconSize(QSize(ICON, ICON))
        button.clicked.connect(lambda on: self._toggle(title, on))
        self._flow.addWidget(button)
        return button

    def _toggle(self, title: str, on: bool) -> None:
        self.hidden = self.hidden - {title} if on else self.hidden | {title}
        self.changed.emit()

    def changeEvent(self, event: Any) -> None:
        """Draw the symbols in the new theme's colours."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.StyleChange and self._groups:
            self._draw_icons()


def symbol_icon(group: Group) -> QIcon:
    """Draw the symbol of a group as an icon; of a score in grey, because its points have many colours."""
    colour = QColor(theme_colour("text")) if not group.colour or group.shades is not None else QColor(group.colour)
    pixmap = QPixmap(2 * ICON, 2 * ICON)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.translate(ICON, ICON)
    painter.scale(1.5 * ICON, 1.5 * ICON)
    painter.setPen(pg.mkPen(colour, width=2, cosmetic=True) if group.hollow or group.symbol == "x" else pg.mkPen(None))
    painter.setBrush(pg.mkBrush(None) if group.hollow else pg.mkBrush(colour))
    painter.drawPath(Symbols[group.symbol])
    painter.end()
    pixmap.setDevicePixelRatio(2)
    return QIcon(pixmap)


def region_icon() -> QIcon:
    """Draw the dashed outline of an empty region."""
    pixmap = QPixmap(2 * ICON, 2 * ICON)
    pixmap.fill(Qt.GlobalColor.transparent)
    painter = QPainter(pixmap)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(QColor(theme_colour("warning")), 3, Qt.PenStyle.DashLine))
    painter.drawEllipse(QRectF(3, 3, 2 * ICON - 6, 2 * ICON - 6))
    painter.end()
    pixmap.setDevicePixelRatio(2)
    return QIcon(pixmap)


class ColourBar(Drawn):
    """The colours of a score with its lowest, middle and highest value."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.title, self.low, self.high = "", 0.0, 1.0
        self.hide()

    def sizeHint(self) -> QSize:
        """Return room for two lines of text and the colours between them."""
        return QSize(200, 2 * self.fontMetrics().height() + BAR + 4)

    def show_range(self, title: str, low: float, high: float) -> None:
        """Show which score the colours mean, and their lowest and highest value."""
        self.title, self.low, self.high = title, low, high
        text = f"{title}: {low:.3g} dark to {high:.3g} bright; grey: not known"
        named(self, text, text)
        self.show()
        self.update()

    def paintEvent(self, event: Any) -> None:
        """Paint title, colours and numbers."""
        painter, line = QPainter(self), self.fontMetrics().height()
        painter.setPen(QColor(theme_colour("text")))
        painter.drawText(
            0, line - 3, self.fontMetrics().elidedText(self.title, Qt.TextElideMode.ElideRight, self.width())
        )
        box = QRectF(0, line + 1, self.width() - 1, BAR)
        gradient = QLinearGradient(box.topLeft(), box.topRight())
        colours = shade_colours()
        for place, colour in enumerate(colours):
            gradient.setColorAt(place / (len(colours) - 1), colour)
        painter.fillRect(box, gradient)
        below = QRectF(0, box.bottom() + 1, self.width(), line)
        middle = (self.low + self.high) / 2
        sides = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignHCenter, Qt.AlignmentFlag.AlignRight
        for value, side in zip((self.low, middle, self.high), sides, strict=True):
            painter.drawText(below, side | Qt.AlignmentFlag.AlignTop, f"{value:.3g}")
