"""Buttons of the classes, in the colours of the mask: the one that is pressed is painted with."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from qtpy.QtCore import QSize, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QButtonGroup, QPushButton, QWidget

from napari_organoid_synth.widgets.forms.plain_text import literal
from napari_organoid_synth.widgets.shared.controls import flow_layout, named
from napari_organoid_synth.widgets.shared.theme import theme_colour

ICON = 12
"""Side of the coloured square, px."""
Colour = Callable[[int], tuple[float, float, float]]


class ClassButtons(QWidget):
    """One button for each class, and one for the background.

    Signals
    -------
    chosen(int)
        A person chose this label; 0 is the background.
    """

    chosen = Signal(int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._group = QButtonGroup(self)
        self._group.setExclusive(True)
        self._group.idClicked.connect(self.chosen)
        self._flow = flow_layout(self, 4)
        self.hide()

    def show_classes(self, names: Sequence[str], colour: Colour) -> None:
        """Show a button for each name, the first of label 1; none hides all.

        Parameters
        ----------
        names : sequence of str
            Of the classes.
        colour : callable
            Returns red, green and blue, 0 to 1, of a label.
        """
        for button in self._group.buttons():
            self._group.removeButton(button)
            self._flow.removeWidget(button)
            button.deleteLater()
        if names:
            for label, name in enumerate(names, 1):
                self._add(label, name, QColor.fromRgbF(*colour(label)), f"Paint {name}, label {label}.")
            tip = "Erase: paint the background, label 0."
            self._add(0, "background", QColor(theme_colour("background")), tip)
        self.setVisible(bool(names))

    def _add(self, label: int, name: str, colour: QColor, tip: str) -> None:
        button = QPushButton(literal(name))
        button.setCheckable(True)
        button.setIcon(_square(colour, QColor(theme_colour("text"))))
        button.setIconSize(QSize(ICON, ICON))
        named(button, name, tip)
        self._group.addButton(button, label)
        self._flow.addWidget(button)

    def select(self, label: int) -> None:
        """Press the button of a label."""
        button = self._group.button(label)
        if button is not None:
            button.setChecked(True)

    @property
    def texts(self) -> list[str]:
        """Names on the buttons, in their order."""
        return [button.accessibleName() for button in self._group.buttons()]


def _square(colour: QColor, edge: QColor) -> QIcon:
    pixmap = QPixmap(ICON, ICON)
    pixmap.fill(colour)
    painter = QPainter(pixmap)
    painter.setPen(edge)
    painter.drawRect(0, 0, ICON - 1, ICON - 1)
    painter.end()
    return QIcon(pixmap)
