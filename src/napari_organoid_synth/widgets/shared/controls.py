"""Controls in labelled rows, each with an accessible name and a tool tip."""

from __future__ import annotations

from qtpy.QtWidgets import QFileDialog, QFormLayout, QHBoxLayout, QLineEdit, QToolButton, QWidget
from superqt.utils import QFlowLayout

from napari_organoid_synth.widgets.forms.boxes import ComboBox
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel, plain


def combo_box() -> ComboBox:
    """Create a combo box that never widens its dock and leaves the wheel to the scroll area."""
    return ComboBox()


def add_row(layout: QFormLayout, text: str, widget: QWidget, tip: str) -> None:
    """Add a labelled editor with tool tip and accessible name."""
    label = PlainLabel(text)
    label.setToolTip(plain(tip))
    label.setBuddy(widget)
    named(widget, text, tip)
    layout.addRow(label, widget)


def bold(text: str) -> PlainLabel:
    """Create a heading."""
    label = PlainLabel(text)
    font = label.font()
    font.setBold(True)
    label.setFont(font)
    return label


def folder_row(edit: QLineEdit, hint: str, tip: str) -> QWidget:
    """Put a button beside a line for a folder that lets a person choose one; ``hint`` says what it holds."""
    browse = QToolButton()
    browse.setText("…")
    edit.setPlaceholderText(hint)
    named(edit, hint, tip)
    named(browse, f"Choose a folder: {hint}", tip)

    def choose() -> None:
        if folder := QFileDialog.getExistingDirectory(edit.window(), "Folder", edit.text()):
            edit.setText(folder)

    browse.clicked.connect(choose)
    return row_of(edit, browse)


def row_of(*widgets: QWidget) -> QWidget:
    """Put widgets beside each other; the first takes the remaining width."""
    holder = QWidget()
    layout = QHBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for number, widget in enumerate(widgets):
        layout.addWidget(widget, 0 if number else 1)
    return holder


def wrapping(*widgets: QWidget) -> QWidget:
    """Put widgets beside each other as far as there is room, the others below."""
    holder = QWidget()
    flow = flow_layout(holder, 2)
    for widget in widgets:
        flow.addWidget(widget)
    return holder


def flow_layout(holder: QWidget | None, across: int, down: int | None = None) -> QFlowLayout:
    """Return a layout of as many rows as there is no room for in one; spacing in px, without margins."""
    flow = QFlowLayout(holder)
    flow.setContentsMargins(0, 0, 0, 0)
    flow.setHorizontalSpacing(across)
    flow.setVerticalSpacing(across if down is None else down)
    return flow


def named(widget: QWidget, name: str, tip: str) -> None:
    """Give a control its accessible name and tooltip."""
    widget.setAccessibleName(name)
    widget.setAccessibleDescription(tip)
    widget.setToolTip(plain(tip))
