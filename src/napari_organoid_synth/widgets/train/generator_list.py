"""The list of generators: in groups, each with its picture, its title, a sentence, and what it takes to learn."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QFont, QPainter, QPalette
from qtpy.QtWidgets import QComboBox, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from napari_organoid_synth.core.generators.config import GeneratorConfig, generator_config
from napari_organoid_synth.core.recipe import TrainSettings
from napari_organoid_synth.widgets.train.generator_picture import CAPTION, SIDE, paint

GROUPS = (
    "Without training",
    "Learns to paint on masks",
    "Learns to draw image and mask, or one of them",
    "Learns to draw masks",
)
MARGIN, WIDTH = 6, 360
"""Space around the parts of an item, and width of the list, px."""
LINES = 3
"""Of the sentence, at most."""


def group_of(config: type[GeneratorConfig]) -> int:
    """Return the place of a generator's group in `GROUPS`."""
    if not config.trains:
        return 0
    return {"painter": 1, "joint": 2, "mask": 3}[config.kind]


def sentence_of(config: type[GeneratorConfig], images: int = 0, side: int = 256) -> str:
    """Return the purpose of a generator in a sentence, and the steps that it learns for a set of images.

    Examples
    --------
    >>> from napari_organoid_synth.core.generators.config import generator_config
    >>> sentence_of(generator_config("analogy")).rpartition(". ")[2]
    'Ready at once.'
    >>> sentence_of(generator_config("flow"), 3, 300).rpartition(". ")[2]
    'Learns in about 7,000 steps.'
    """
    first = config.when.partition(". ")[0].removesuffix(".")
    if not config.trains:
        return f"{first}. Ready at once."
    steps = config.suggest(images, side).get("train.steps", TrainSettings().steps) if images else TrainSettings().steps
    return f"{first}. Learns in about {steps:,.0f} steps."


class GeneratorDelegate(QStyledItemDelegate):
    """Paints an item of the list; the first of a group has its heading above."""

    def __init__(self, combo: QComboBox) -> None:
        super().__init__(combo)
        self.images, self.side = 0, 256
        self._combo = combo

    def heading(self, row: int) -> str:
        """Return the heading above a row; empty unless it is the first of its group."""
        group = group_of(generator_config(self._combo.itemData(row)))
        is_first = row == 0 or group != group_of(generator_config(self._combo.itemData(row - 1)))
        return GROUPS[group] if is_first else ""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Return room for heading, title, picture and sentence."""
        line = option.fontMetrics.height()
        lines = 1 + LINES + bool(self.heading(index.row()))
        return QSize(WIDTH, round(lines * line + SIDE + CAPTION) + 3 * MARGIN)

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Paint an item in the colours of the list."""
        if painter is None:
            return
        config = generator_config(index.data(Qt.ItemDataRole.UserRole))
        painter.save()
        area, line = QRect(option.rect), option.fontMetrics.height()
        bold = QFont(option.font)
        bold.setBold(True)
        palette, roles = option.palette, QPalette.ColorRole
        ink, ground = palette.color(roles.Text), palette.color(roles.Base)
        left = int(Qt.AlignmentFlag.AlignLeft)
        if heading := self.heading(index.row()):
            painter.setFont(option.font)
            painter.setPen(ink)
            painter.setOpacity(0.7)
            painter.drawText(area.adjusted(MARGIN, MARGIN // 2, -MARGIN, 0), left, heading)
            painter.setOpacity(1)
            area.setTop(area.top() + line + MARGIN // 2)
        if option.state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, palette.brush(roles.Highlight))
            ink, ground = palette.color(roles.HighlightedText), palette.color(roles.Highlight)
        inner = area.adjusted(2 * MARGIN, MARGIN // 2, -MARGIN, 0)
        painter.setPen(ink)
        painter.setFont(bold)
        painter.drawText(inner, left, str(index.data(Qt.ItemDataRole.DisplayRole)))
        painter.save()
        painter.translate(inner.left(), inner.top() + line + 2)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        paint(painter, config.picture_of(), float(inner.width()), ink, ground)
        painter.restore()
        painter.setFont(option.font)
        painter.setPen(ink)
        words = int(Qt.TextFlag.TextWordWrap) | left
        below = inner.adjusted(0, round(line + SIDE + CAPTION) + MARGIN, 0, 0)
        painter.drawText(below, words, sentence_of(config, self.images, self.side))
        painter.restore()


def furnish(combo: QComboBox) -> GeneratorDelegate:
    """Show the items of a combo box of generators with pictures and sentences."""
    delegate = GeneratorDelegate(combo)
    view: Any = combo.view()
    view.setItemDelegate(delegate)
    view.setMinimumWidth(WIDTH)
    view.setVerticalScrollMode(view.ScrollMode.ScrollPerPixel)
    combo.setMaxVisibleItems(5)
    return delegate
