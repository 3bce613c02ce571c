"""The tab order of a dock: that of its layouts."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QLayout, QScrollArea, QWidget


def order_tabs(widget: QWidget) -> None:
    """Set the tab order inside a widget to the order of its layouts."""
    chain = [inner for inner in in_order(widget) if inner.focusPolicy() & Qt.FocusPolicy.TabFocus]
    for before, after in pairwise(chain):
        QWidget.setTabOrder(before, after)


def in_order(widget: QWidget) -> Iterator[QWidget]:
    """Yield all widgets inside a widget in reading order."""
    if isinstance(widget, QScrollArea) and (content := widget.widget()) is not None:
        yield from in_order(content)
    layouts: list[Any] = [widget.layout()]
    while layouts:
        item = layouts.pop()
        if isinstance(item, QLayout):
            layouts += [item.itemAt(number) for number in reversed(range(item.count()))]
        elif item is not None and (inner := item.widget()) is not None:
            yield inner
            yield from in_order(inner)
