"""The list of layouts: a picture, a title and a sentence for each."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QFont, QIcon, QPainter, QPalette, QPixmap
from qtpy.QtWidgets import QComboBox, QStyle, QStyledItemDelegate, QStyleOptionViewItem

SIDE, MARGIN = 44, 5
"""Side of a picture and space around it, px."""
WIDTH = 340
"""Of the list, px."""


class LayoutDelegate(QStyledItemDelegate):
    """Paints an item with its picture, its title, and its tool tip as a sentence below."""

    def sizeHint(self, option: QStyleOptionViewItem, index: QModelIndex) -> QSize:
        """Return room for the picture, the title and three lines."""
        return QSize(WIDTH, max(SIDE + 2 * MARGIN, 4 * option.fontMetrics.height() + MARGIN))

    def paint(self, painter: QPainter | None, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        """Paint an item."""
        if painter is None:
            return
        painter.save()
        enabled = bool(index.flags() & Qt.ItemFlag.ItemIsEnabled)
        chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        palette, area = option.palette, option.rect
        group = QPalette.ColorGroup.Active if enabled else QPalette.ColorGroup.Disabled
        if chosen:
            painter.fillRect(area, palette.brush(group, QPalette.ColorRole.Highlight))
        icon = index.data(Qt.ItemDataRole.DecorationRole)
        box = QRect(area.left() + MARGIN, area.top() + MARGIN, SIDE, SIDE)
        if icon is not None:
            painter.setOpacity(1.0 if enabled else 0.35)
            icon.paint(painter, box)
            painter.setOpacity(1.0)
        role = QPalette.ColorRole.HighlightedText if chosen else QPalette.ColorRole.Text
        painter.setPen(palette.color(group, role))
        left = box.right() + 2 * MARGIN
        text = QRect(left, area.top() + MARGIN - 2, area.right() - left - MARGIN, area.height() - MARGIN)
        line = option.fontMetrics.height()
        bold = QFont(option.font)
        bold.setBold(True)
        painter.setFont(bold)
        painter.drawText(text, int(Qt.AlignmentFlag.AlignLeft), str(index.data(Qt.ItemDataRole.DisplayRole)))
        painter.setFont(option.font)
        painter.setOpacity(0.8 if enabled else 0.6)
        below = text.adjusted(0, line, 0, 0)
        words = int(Qt.TextFlag.TextWordWrap) | int(Qt.AlignmentFlag.AlignLeft)
        painter.drawText(below, words, str(index.data(SENTENCE) or ""))
        painter.restore()


SENTENCE = int(Qt.ItemDataRole.UserRole) + 1
"""Role of the sentence of an item."""


class LayoutList:
    """Pictures and sentences of the items of a list; those that the pairs do not suit say why and cannot be chosen.

    Parameters
    ----------
    combo : QComboBox
        Items hold their keys as data.
    sentences : dict of key to str
        What each is.
    """

    def __init__(self, combo: QComboBox, sentences: dict[str, str]) -> None:
        self._combo, self._sentences = combo, sentences
        self._icons: dict[str, QIcon] = {}
        self._reasons: dict[str, str] = {}
        self._delegate = LayoutDelegate(combo)
        view: Any = combo.view()
        view.setItemDelegate(self._delegate)
        view.setMinimumWidth(WIDTH)

    def show_found(self, pictures: dict[str, QPixmap], reasons: dict[str, str]) -> None:
        """Show pictures, and reasons against items."""
        self._icons = {key: QIcon(picture) for key, picture in pictures.items()}
        self._reasons = reasons
        self.refresh()

    def refresh(self) -> None:
        """Furnish the items that there are now."""
        model: Any = self._combo.model()
        for row in range(self._combo.count()):
            key = self._combo.itemData(row)
            if not isinstance(key, str):
                continue
            if key in self._icons:
                self._combo.setItemIcon(row, self._icons[key])
            reason = self._reasons.get(key, "")
            for role in (SENTENCE, int(Qt.ItemDataRole.ToolTipRole)):
                self._combo.setItemData(row, reason or self._sentences.get(key, ""), role)
            if (item := model.item(row)) is not None:
                item.setEnabled(not reason)
