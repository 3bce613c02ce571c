"""The bar above the gallery: which pairs are shown in which order, how they look, and a button for each command."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QAction
from qtpy.QtWidgets import QMenu, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_organoid_synth.core.metrics.score_texts import sample_text
from napari_organoid_synth.core.samples.presets import PRESETS
from napari_organoid_synth.widgets.curate.contrast_button import ContrastButton
from napari_organoid_synth.widgets.curate.gallery import SIDES
from napari_organoid_synth.widgets.curate.query_edit import QueryEdit
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel, literal, plain
from napari_organoid_synth.widgets.shared.contrast import ProjectContrast
from napari_organoid_synth.widgets.shared.controls import combo_box, flow_layout, named, row_of
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

BUTTONS = ("Accept", "Reject", "Undo", "Open")
"""Commands with a button of their own; the others are in a menu, so that the bar stays one line on a laptop."""
DEFAULT = "oldest"
FIND = "Find by scores…"


class CurateBar(QWidget):
    """Order and filter in words, size and contrast of the tiles, buttons for the commands; a query where asked for.

    Parameters
    ----------
    commands : dict of str to QAction
    contrast : ProjectContrast

    Attributes
    ----------
    changed : Signal()
        Another order or, once typing has paused, another query.
    left : Signal()
        The focus returns to the tiles.
    """

    changed = Signal()
    left = Signal()

    def __init__(self, commands: Mapping[str, QAction], contrast: ProjectContrast) -> None:
        super().__init__()
        self._build_presets()
        self._build_finder()
        self.zoom = QSlider(Qt.Orientation.Horizontal)
        self.zoom.setRange(SIDES[0], SIDES[-1])
        self.zoom.setSingleStep(16)
        self.zoom.setPageStep(32)
        self.zoom.setValue(112)
        self.zoom.setFixedWidth(70)
        self.zoom.setMinimumHeight(24)  # of the buttons beside it
        named(self.zoom, "Size of the tiles", "Size of the tiles (Ctrl and the mouse wheel)")
        self.contrast = ContrastButton(contrast)
        flow = flow_layout(None, 4, 3)
        for part in (self.preset, self.zoom, self.contrast, *self._buttons(commands)):
            flow.addWidget(part)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        column.addLayout(flow)
        column.addWidget(self.finder)
        column.addWidget(self.wrong)

    def _build_presets(self) -> None:
        self.preset = combo_box()
        self.preset.setMinimumWidth(150)
        for preset in PRESETS.values():
            self.preset.addItem(preset.title, preset.name)
            self.preset.setItemData(self.preset.count() - 1, plain(preset.about), Qt.ItemDataRole.ToolTipRole)
        self.preset.setCurrentIndex(self.preset.findData(DEFAULT))
        named(self.preset, "Order and filter", "Which pairs come first, and which are shown")
        self.preset.activated.connect(lambda _: self._choose_preset())

    def _build_finder(self) -> None:
        """Build the line for those who want to compare scores."""
        self.sort, self.filter = combo_box(), QueryEdit()
        self.sort.addItem("in the order above", "")
        named(self.sort, "Order by a score", "Order of the tiles by one score in place of the order above")
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
        self.finder = row_of(self.filter, self.sort, self.found)
        self.finder.hide()

    def _buttons(self, commands: Mapping[str, QAction]) -> list[QPushButton]:
        buttons: list[QPushButton] = []
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for name, command in commands.items():
            if name not in BUTTONS:
                menu.addAction(command)
                continue
            button = QPushButton(literal(name))
            button.clicked.connect(command.trigger)
            button.setToolTip(command.toolTip())
            button.setAccessibleName(name)
            buttons.append(button)
        self.more = QPushButton("More")
        self.more.setMenu(menu)
        named(self.more, "More", "All other commands, also by right-clicking a tile")
        for button in (*buttons, self.more):
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # after a click the keys still act on the tiles
        return [*buttons, self.more]

    def _choose_preset(self) -> None:
        """Apply a preset; an order by a score would hide what it does."""
        self.sort.setCurrentIndex(0)
        self.changed.emit()
        self.left.emit()

    def open_finder(self) -> None:
        """Show the query, ready to type."""
        self.finder.show()
        self.filter.setFocus()
        self.filter.selectAll()

    # --- value ---

    @property
    def order(self) -> str:
        """The sort key of the tiles; a leading minus puts high values or new samples first."""
        return str(self.sort.currentData() or self._preset.sort)

    @property
    def query(self) -> str:
        """The query: that of the preset and what was typed."""
        parts = [part for part in (self._preset.query, self.typed) if part]
        return parts[0] if len(parts) == 1 else " and ".join(f"({part})" for part in parts)

    @property
    def typed(self) -> str:
        """The query without that of the preset."""
        return str(self.filter.text()).strip()

    @property
    def _preset(self) -> Any:
        return PRESETS[str(self.preset.currentData())]

    def value(self) -> dict[str, str]:
        """Return what to remember."""
        return {"preset": self._preset.name, "sort": str(self.sort.currentData()), "query": self.typed}

    def set_wanted(self, kept: Mapping[str, Any]) -> None:
        """Show what was remembered without applying it; also an order by a score that no pair has yet."""
        preset, order = kept.get("preset"), str(kept.get("sort") or "")
        self.preset.setCurrentIndex(max(0, self.preset.findData(preset if preset in PRESETS else DEFAULT)))
        if order.removeprefix("-") in ("created", "name"):  # remembered by an earlier version
            order = ""
        self.offer([order.removeprefix("-")] if order and self.sort.findData(order) < 0 else [])
        self.sort.setCurrentIndex(max(0, self.sort.findData(order)))
        self.filter.setText(str(kept.get("query") or ""))
        self._typing.stop()
        self.finder.setVisible(bool(self.typed or order))

    def ask(self, query: str) -> None:
        """Find what another page asks for, whatever was chosen here."""
        self.preset.setCurrentIndex(self.preset.findData(DEFAULT))
        self.sort.setCurrentIndex(0)
        self.finder.show()
        self.filter.setText(query)
        self._typing.start()  # also where the same query stands there already

    def offer(self, metrics: Sequence[str]) -> None:
        """Offer scores to sort by."""
        for metric in metrics:
            if self.sort.findData(metric) >= 0:
                continue
            text = sample_text(metric)
            for words, key in (("high first", f"-{metric}"), ("low first", metric)):
                self.sort.addItem(f"{text.title}, {words}", key)
                about = plain(f"{text.sentence} In the query: {metric}.")
                self.sort.setItemData(self.sort.count() - 1, about, Qt.ItemDataRole.ToolTipRole)

    # --- what was found ---

    def show_found(self, found: int, total: int, metrics: Sequence[str]) -> None:
        """Show how many pairs are found, and offer the scores and orders that exist."""
        self.wrong.hide()
        self.found.setText(f"{found:,} of {total:,}")
        self.filter.set_names(metrics)
        self.offer(metrics)
        for row, preset in enumerate(PRESETS.values()):
            there = not preset.score or preset.score in metrics
            about = preset.about if there else f"{preset.about} The pairs have to be scored first."
            self.preset.model().item(row).setEnabled(there)
            self.preset.setItemData(row, plain(about), Qt.ItemDataRole.ToolTipRole)

    def explain(self, error: BaseException) -> None:
        """Show why the query cannot be read."""
        self.finder.show()
        self.wrong.setText(f"⚠ {error}")
        self.wrong.show()
        self.found.setText("–")
