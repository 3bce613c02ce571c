"""The bar above the gallery: order, query, size of the tiles, and a button for each command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QBoxLayout, QMenu, QPushButton, QSlider, QVBoxLayout, QWidget
from superqt.utils import QFlowLayout

from napari_organoid_synth.widgets.curate.gallery import SIDES
from napari_organoid_synth.widgets.curate.query_edit import QueryEdit
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel, literal
from napari_organoid_synth.widgets.shared.controls import combo_box, named, row_of
from napari_organoid_synth.widgets.shared.dock import ACROSS, DOWN
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

SORTS = {"created": "oldest first", "-created": "newest first", "name": "name"}
IN_MENU = ("Back to new", "Redo", "Nearest real", "Mask")
"""Commands without a button of their own, so that the bar stays one line on a laptop."""


class CurateBar(QWidget):
    """Order, query, size of the tiles, and buttons for the commands.

    Parameters
    ----------
    commands : dict of str to QAction

    Attributes
    ----------
    changed : Signal()
        Another order or, once typing has paused, another query.
    left : Signal()
        The focus returns to the tiles.
    """

    changed = Signal()
    left = Signal()

    def __init__(self, commands: Mapping[str, QAction]) -> None:
        super().__init__()
        self.sort, self.filter, self.zoom = combo_box(), QueryEdit(), QSlider(Qt.Orientation.Horizontal)
        for key, text in SORTS.items():
            self.sort.addItem(text, key)
        self.sort.setToolTip("Order of the tiles in all columns")
        self.sort.setAccessibleName("Sort by")
        self.sort.activated.connect(lambda _: self.changed.emit())
        self.sort.activated.connect(lambda _: self.left.emit())
        self._typing = QTimer(self)
        self._typing.setSingleShot(True)
        self._typing.setInterval(200)
        self._typing.timeout.connect(self.changed)
        self.filter.setAccessibleName("Show only pairs that fulfil this")
        self.filter.textChanged.connect(lambda _: self._typing.start())
        self.filter.returnPressed.connect(self.left)
        self.found, self.wrong = PlainLabel(), WrapLabel()
        self.found.setAccessibleName("Number of pairs found")
        self.found.setToolTip("Pairs that the query finds, of all")
        self.wrong.setAccessibleName("What is wrong with the query")
        self.wrong.hide()
        self.zoom.setRange(SIDES[0], SIDES[-1])
        self.zoom.setSingleStep(16)
        self.zoom.setPageStep(32)
        self.zoom.setValue(112)
        self.zoom.setFixedWidth(90)
        self.zoom.setToolTip("Size of the tiles (Ctrl and the mouse wheel)")
        self.zoom.setAccessibleName("Size of the tiles")
        self._finder, self._line = QBoxLayout(ACROSS), QBoxLayout(ACROSS)
        for layout in (self._finder, self._line):
            layout.setSpacing(3)
        self._finder.addWidget(row_of(self.sort, self.zoom))
        self._finder.addWidget(row_of(self.filter, self.found), 1)
        self._line.addLayout(self._finder, 1)
        self._line.addLayout(self._buttons(commands), 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(self._line)
        column.addWidget(self.wrong)

    def _buttons(self, commands: Mapping[str, QAction]) -> QFlowLayout:
        buttons = QFlowLayout()
        buttons.setHorizontalSpacing(4)
        buttons.setVerticalSpacing(3)
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for name, command in commands.items():
            if name in IN_MENU:
                menu.addAction(command)
                continue
            button = QPushButton(literal(name))
            button.clicked.connect(command.trigger)
            button.setToolTip(command.toolTip())
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # after a click the keys still act on the tiles
            button.setAccessibleName(name)
            buttons.addWidget(button)
        more = QPushButton("More")
        more.setMenu(menu)
        more.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        named(more, "More", "Back to new, redo, nearest real image, mask; also by right-clicking a tile")
        buttons.addWidget(more)
        return buttons

    def resizeEvent(self, event: Any) -> None:
        """Use more rows with less room."""
        super().resizeEvent(event)
        for layout, wanted in ((self._line, 1142), (self._finder, 472)):
            layout.setDirection(ACROSS if self.width() >= wanted else DOWN)

    # --- value ---

    @property
    def order(self) -> str:
        """The sort key of the tiles; a leading minus puts high values or new samples first."""
        return str(self.sort.currentData())

    @property
    def query(self) -> str:
        """The query."""
        return str(self.filter.text())

    def set_wanted(self, order: str, query: str) -> None:
        """Show an order and a query without applying them; also an order by a score that no pair has yet."""
        self.offer([order.removeprefix("-")] if self.sort.findData(order) < 0 else [])
        self.sort.setCurrentIndex(self.sort.findData(order))
        self.filter.setText(query)
        self._typing.stop()

    def offer(self, metrics: Sequence[str]) -> None:
        """Offer scores to sort by."""
        for metric in metrics:
            if self.sort.findData(metric) < 0:
                self.sort.addItem(f"{metric}, high first", f"-{metric}")
                self.sort.addItem(f"{metric}, low first", metric)

    # --- what was found ---

    def show_found(self, found: int, total: int, metrics: Sequence[str]) -> None:
        """Show how many pairs the query finds, and offer the scores that exist."""
        self.wrong.hide()
        self.found.setText(f"{found:,} of {total:,}")
        self.filter.set_names(metrics)
        self.offer(metrics)

    def explain(self, error: BaseException) -> None:
        """Show why the query cannot be read."""
        self.wrong.setText(f"⚠ {error}")
        self.wrong.show()
        self.found.setText("–")
