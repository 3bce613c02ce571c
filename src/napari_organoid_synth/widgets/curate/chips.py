"""The verdicts as a row of chips in place of columns: a click shows the tiles, tiles dropped on one are decided."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QColor, QIcon, QPainter, QPixmap
from qtpy.QtWidgets import QButtonGroup, QHBoxLayout, QPushButton, QSizePolicy, QWidget

from napari_organoid_synth.core.samples.store import VERDICTS, Verdict
from napari_organoid_synth.widgets.curate.tile_drag import offered
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.theme import LETTERS, VERDICT_COLOURS

ICON = 16


class Chip(QPushButton):
    """One verdict.

    Attributes
    ----------
    samplesDropped : Signal(list of str)
        Ids of tiles.
    filesDropped : Signal(list of Path)
        Files from elsewhere.
    """

    samplesDropped = Signal(list)
    filesDropped = Signal(list)

    def __init__(self, verdict: Verdict) -> None:
        super().__init__()
        self.verdict = verdict
        self.store_path: Path | None = None
        self.setCheckable(True)
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)  # after a click the keys act on the tiles
        self.setIconSize(QSize(ICON, ICON))
        self.setIcon(letter_icon(verdict))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.show_number(0)

    def show_number(self, number: int) -> None:
        """Show how many samples have this verdict."""
        self.setText(f"{self.verdict.capitalize()} {number:,}")
        named(self, self.text(), f"Shows the {self.verdict} pairs. Tiles dropped here become {self.verdict}.")

    def dragEnterEvent(self, a0: Any) -> None:
        """Accept tiles and files."""
        fits = any(offered(a0.mimeData(), self.store_path))
        self.setDown(fits)
        a0.setDropAction(Qt.DropAction.CopyAction)
        a0.setAccepted(fits)

    def dragMoveEvent(self, a0: Any) -> None:
        """Accept drops anywhere on the chip."""
        a0.setDropAction(Qt.DropAction.CopyAction)
        a0.setAccepted(self.isDown())

    def dragLeaveEvent(self, a0: Any) -> None:
        """End the highlight."""
        self.setDown(False)

    def dropEvent(self, a0: Any) -> None:
        """Pass on what was dropped."""
        self.setDown(False)
        ids, files = offered(a0.mimeData(), self.store_path)
        a0.setDropAction(Qt.DropAction.CopyAction)
        a0.setAccepted(bool(ids or files))
        if ids:
            self.samplesDropped.emit(ids)
        elif files:
            self.filesDropped.emit(files)


class Chips(QWidget):
    """A chip for each verdict, one of them chosen.

    Attributes
    ----------
    chosen : Signal(str)
        A person chose a verdict.
    """

    chosen = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.chips: dict[Verdict, Chip] = {verdict: Chip(verdict) for verdict in VERDICTS}
        group, row = QButtonGroup(self), QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        for verdict, chip in self.chips.items():
            group.addButton(chip)
            row.addWidget(chip, 1)
            chip.clicked.connect(lambda _=False, verdict=verdict: self.chosen.emit(verdict))
        self.chips["new"].setChecked(True)

    def choose(self, verdict: Verdict) -> None:
        """Show a verdict as chosen."""
        self.chips[verdict].setChecked(True)

    def show_numbers(self, numbers: Mapping[Verdict, int]) -> None:
        """Show how many samples each verdict has."""
        for verdict, chip in self.chips.items():
            chip.show_number(numbers[verdict])

    def set_store(self, path: Path | None) -> None:
        """Take tiles of this database."""
        for chip in self.chips.values():
            chip.store_path = path


def letter_icon(verdict: Verdict) -> QIcon:
    """Draw the letter of a verdict on its colour."""
    pixmap = QPixmap(2 * ICON, 2 * ICON)
    pixmap.fill(QColor(VERDICT_COLOURS[verdict]))
    painter = QPainter(pixmap)
    font = painter.font()
    font.setPixelSize(round(1.4 * ICON))
    font.setBold(True)
    painter.setFont(font)
    painter.setPen(QColor("black"))
    painter.drawText(pixmap.rect(), int(Qt.AlignmentFlag.AlignCenter), LETTERS[verdict])
    painter.end()
    pixmap.setDevicePixelRatio(2)
    return QIcon(pixmap)
