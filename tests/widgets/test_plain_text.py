"""Texts of files are shown as they are, in every dock: no name is taken for HTML or for the key of a shortcut."""

from __future__ import annotations

import re
import shutil
import sqlite3
import zipfile
from pathlib import Path

import numpy as np
import pytest
from napari.utils.notifications import notification_manager
from qtpy.QtCore import QAbstractItemModel, QAbstractListModel, QModelIndex, Qt
from qtpy.QtWidgets import QAbstractButton, QAbstractItemView, QComboBox, QLabel, QMenu, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.widgets.forms.plain_text import BREAK, literal, plain
from napari_organoid_synth.widgets.shared import reader
from napari_organoid_synth.widgets.shared.menus import DOCKS, open_dock
from napari_organoid_synth.widgets.shared.workspace import Workspace

ARCHIVE = Path(__file__).parents[1] / "data" / "project-0.1.zip"
HOSTILE = "<img src=x>&"
SINGLE = re.compile(r"(?<!&)&(?!&)")
TAG = re.compile(r"<(?=[A-Za-z/!?])")


@pytest.fixture
def hostile(tmp_path: Path) -> Project:
    """A project of everything, whose folder, pairs, class, samples and results have names that look like HTML."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / f"{HOSTILE} project"
    shutil.move(tmp_path / "project-0.1", folder)
    for path in [*folder.rglob("*.json"), *folder.rglob("*.jsonl"), *folder.rglob("*.yaml")]:
        path.write_text(path.read_text().replace("tissue_", f"{HOSTILE}_"))
    for path in list(folder.rglob("*tissue_*")):
        path.rename(path.with_name(path.name.replace("tissue_", f"{HOSTILE}_")))
    table = folder / "pairs.json"
    table.write_text(
        table.read_text().replace('"object"', f'"{HOSTILE} cell"').replace('"reason": "', f'"reason": "{HOSTILE}')
    )
    with sqlite3.connect(folder / "samples.sqlite") as database:
        database.execute("UPDATE samples SET name = ? || name, tags = ?, remark = ?, note = ?", [HOSTILE] * 4)
    database.close()
    return Project(folder)


def tips_of(model: QAbstractItemModel | None) -> list[str]:
    """The tool tips of a flat model."""
    if model is None:
        return []
    none = QModelIndex()
    columns = 1 if isinstance(model, QAbstractListModel) else model.columnCount(none)
    cells = [
        model.index(row, column, none) for row in range(min(model.rowCount(none), 20)) for column in range(columns)
    ]
    return [str(tip) for cell in cells if (tip := model.data(cell, Qt.ItemDataRole.ToolTipRole))]


def problems(root: QWidget) -> tuple[list[str], int]:
    """What Qt would take for HTML or for a shortcut below a widget, and how many texts held the hostile name."""
    wrong, seen = [], 0
    for widget in [root, *root.findChildren(QWidget)]:
        tips = [widget.toolTip()]
        if isinstance(widget, QLabel):
            seen += "src=x" in widget.text()
            if "src=x" in widget.text() and widget.textFormat() != Qt.TextFormat.PlainText:
                wrong.append(f"label {widget.text()!r}")
        elif isinstance(widget, QAbstractButton) and "src=x" in widget.text() and SINGLE.search(widget.text()):
            wrong.append(f"button {widget.text()!r}")
        elif isinstance(widget, QMenu):
            wrong += [
                f"menu {one.text()!r}"
                for one in widget.actions()
                if "src=x" in one.text() and SINGLE.search(one.text())
            ]
        elif isinstance(widget, QComboBox | QAbstractItemView):
            tips += tips_of(widget.model())
        seen += sum("src=x" in tip for tip in tips)
        wrong += [f"tool tip {tip!r}" for tip in tips if TAG.search(tip) or Qt.mightBeRichText(tip)]
    return wrong, seen


def test_no_dock_takes_a_name_for_html(make_napari_viewer, hostile, qtbot):
    viewer = make_napari_viewer()
    viewer.add_image(np.eye(8), name=f"{HOSTILE} layer")
    viewer.add_labels(np.eye(8, dtype=int), name=f"{HOSTILE} mask")
    workspace = Workspace.of(viewer)
    docks = {title: open_dock(viewer, title) for title in DOCKS}
    workspace.setProject(hostile)
    qtbot.wait(1500)  # pictures and figures come from other threads
    error = UserError(f"{HOSTILE} found", f"{HOSTILE} expected", f"{HOSTILE} todo")
    counts = {}
    try:
        for title, dock in docks.items():
            dock.show_error(error)
            qtbot.wait(20)
            wrong, counts[title] = problems(dock)
            assert not wrong, title
        assert min(counts.values()) >= 3, counts  # the error card
        assert counts["Pairs"] > 10, counts
    finally:
        docks["Generate"].strip.close_store()
        workspace.close()


def test_notifications_and_readers_are_plain(make_napari_viewer, tmp_path):
    workspace = Workspace.of(make_napari_viewer())
    workspace.notify(f"{HOSTILE} is ready.")
    assert not Qt.mightBeRichText(notification_manager.records[-1].message)
    workspace.close()
    path = tmp_path / f"{HOSTILE}.ome.tif"
    path.write_bytes(b"II*\0")
    with pytest.raises(UserError) as caught:
        reader.read(str(path))
    assert "img src=x>&.ome.tif" in str(caught.value)
    assert not Qt.mightBeRichText(str(caught.value))


def test_plain_changes_no_other_text():
    for text in ("a < b", "µm & more", "x <= 3"):
        assert plain(text) == text
    assert plain("<b>x</b>").replace(BREAK, "") == "<b>x</b>"
    assert not Qt.mightBeRichText(plain("&lt;b&gt; <?xml"))
    assert literal("a & b") == "a && b"
