"""Sources on the page of pairs: rows, removing and undoing, folders that moved, masks for images that are there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_organoid_synth.widgets.pairs.dock import PairsWidget


@pytest.fixture
def data(tmp_path) -> Path:
    folder, rng = tmp_path / "set", np.random.default_rng(0)
    mask = np.zeros((64, 64), np.uint8)
    mask[10:30, 10:30] = 255
    for below in ("images", "masks/cell", "masks/wall"):
        (folder / below).mkdir(parents=True)
        for number in range(3):
            pixels = rng.integers(0, 60, (64, 64)).astype(np.uint8) if below == "images" else mask
            tifffile.imwrite(folder / below / f"s{number}.tif", pixels)
    return folder


@pytest.fixture
def dock(make_napari_viewer):
    viewer = make_napari_viewer()
    dock = PairsWidget(viewer)
    viewer.window.add_dock_widget(dock)
    return dock


def settle(qtbot, dock, rows):
    qtbot.waitUntil(lambda: dock._worker is None and len(dock.sources.rows) == rows, timeout=20000)


def test_sources_are_rows_that_can_be_removed_and_brought_back(qtbot, dock, data):
    dock.add_paths([data])
    settle(qtbot, dock, 3)
    assert [row.text for row in dock.sources.rows] == [
        "3 images · set/images",
        "3 masks of cell · masks/cell",
        "3 masks of wall · masks/wall",
    ]
    assert all(row.find_button.isHidden() for row in dock.sources.rows)
    assert dock.sources.rows[1].remove_button.accessibleName() == "Remove masks/cell"
    before = dock.workspace.pairs
    dock.sources.rows[1].remove_button.click()
    settle(qtbot, dock, 2)
    assert dock.workspace.pairs.class_names == ("wall",)
    assert dock.sources.message.text() == "Removed masks/cell from the list. No file was deleted."
    dock.sources.undo_button.click()
    settle(qtbot, dock, 3)
    assert dock.workspace.pairs == before
    assert dock.sources._undo_row.isHidden()
    dock.sources.rows[0].remove_button.click()
    settle(qtbot, dock, 0)
    assert "and 3 pairs" in dock.sources.message.text()
    assert not dock.empty.isHidden()
    dock.sources.undo_button.click()
    settle(qtbot, dock, 3)


def test_a_folder_that_moved_is_found_again(qtbot, dock, data):
    dock.add_paths([data])
    settle(qtbot, dock, 3)
    dock.workspace.setPairs(dock.workspace.pairs.scaled(0.5))
    moved = data.rename(data.with_name("archive"))
    dock.run()
    qtbot.waitUntil(lambda: dock.sources.rows[0].text == "✕ 3 images are missing · set/images", timeout=20000)
    assert not dock.sources.rows[0].find_button.isHidden()
    (moved / "masks" / "other").mkdir()
    dock.sources.use_place(dock.sources.sources[0], moved / "masks" / "other")
    qtbot.waitUntil(lambda: not dock.error.isHidden(), timeout=20000)
    assert "3 of 3 files are not in" in dock.error.found.text()
    dock.sources.use_place(dock.sources.sources[0], moved / "images")
    qtbot.waitUntil(lambda: dock.sources.rows[0].text == "3 images · archive/images", timeout=20000)
    settle(qtbot, dock, 3)
    assert [len(dock.workspace.pairs.matched), dock.workspace.pairs.scale] == [3, 0.5]
    assert dock.workspace.pairs.entry("s1").masks["wall"] == str(moved / "masks" / "wall" / "s1.tif")
    assert dock.error.isHidden()


def test_masks_that_come_later_are_for_the_images_of_the_project(qtbot, dock, data, tmp_path):
    (data / "masks" / "wall").rename(tmp_path / "masks")
    dock.add_paths([data])
    settle(qtbot, dock, 2)
    project = dock.workspace.project
    dock.workspace.setProject(tmp_path / "other")
    assert dock.incoming.sources.images == []
    dock.workspace.setProject(project)
    dock.add_paths([tmp_path / "masks"])
    settle(qtbot, dock, 3)
    assert dock.workspace.pairs.class_names == ("cell", "masks")
    assert len(dock.workspace.pairs.matched) == 3
