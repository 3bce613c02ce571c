"""The frame of the column docks: tab order, and texts that have too little room."""

from __future__ import annotations

from qtpy.QtCore import Qt
from qtpy.QtWidgets import QHBoxLayout, QPushButton

from napari_organoid_synth.widgets.shared.controls import combo_box
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.tab_order import in_order


def test_tab_follows_the_layout_and_not_the_order_of_making(qtbot, make_napari_viewer):
    viewer = make_napari_viewer()
    dock = ColumnDock(viewer, "test", "What this is for.")
    viewer.window.add_dock_widget(dock)
    dock.show_body()
    dock.button.setText("go")
    low, above, right, first = (QPushButton(name) for name in ("low", "above", "right", "first"))
    row = QHBoxLayout()
    row.addWidget(above)
    row.addWidget(right)
    dock.column.addWidget(low)
    dock.column.insertLayout(0, row)
    dock.put_above_button(foot := QPushButton("foot"))
    dock.column.insertWidget(0, first)  # made and added last, seen first
    wanted = [first, above, right, low, foot, dock.button]
    assert [widget for widget in in_order(dock.body) if isinstance(widget, QPushButton)] == wanted[:4]
    viewer.window._qt_window.show()
    viewer.window._qt_window.activateWindow()
    first.setFocus()
    seen = [first]
    for _ in wanted[1:]:
        qtbot.keyClick(seen[-1], Qt.Key.Key_Tab)
        seen.append(viewer.window._qt_window.focusWidget())
    assert [button.text() for button in seen] == [button.text() for button in wanted]


def test_a_long_text_of_a_combo_box_is_shortened(qtbot):
    combo = combo_box()
    qtbot.addWidget(combo)
    combo.addItem("run 12 · pix2pix · 1,234,567 img of a very long name")
    combo.resize(120, 24)
    combo.show()
    ending = combo.grab().toImage()
    combo.setItemText(0, combo.itemText(0) + " and more that is not seen either")
    assert combo.grab().toImage() == ending
    assert combo.minimumSizeHint().width() <= 160
