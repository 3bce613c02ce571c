"""The list of layouts: a picture, a title and a sentence for each."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import QModelIndex, QRect, QSize, Qt
from qtpy.QtGui import QFont, QPainter, QPalette
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


def furnish(combo: QComboBox, icons: dict[Any, Any], sentences: dict[Any, str], reasons: dict[Any, str]) -> None:
    """Give the items of a list their pictures and sentences; those with a reason against them cannot be chosen.

    Parameters
    ----------
    combo : QComboBox
        Items hold their keys as data.
    icons : dict of key to QIcon
        Pictures.
    sentences, reasons : dict of key to str
        What an item is, and why it cannot be chosen.
    """
    model: Any = combo.model()
    for row in range(combo.count()):
        key = combo.itemData(row)
        if not isinstance(key, str):
            continue
        if key in icons:
            combo.setItemIcon(row, icons[key])
        reason = reasons.get(key, "")
        combo.setItemData(row, reason or sentences.get(key, ""), SENTENCE)
        combo.setItemData(row, reason or sentences.get(key, ""), Qt.ItemDataRole.ToolTipRole)
        if (item := model.item(row)) is not None:
            item.setEnabled(not reason)
