"""The dock Pairs on real files: find, check, look, mend, split."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from napari._qt.containers.qt_list_model import ItemMimeData
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QFileDialog

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair
from napari_organoid_synth.core.pairs.stack_rows import choose_planes
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.widgets.pairs import examine
from napari_organoid_synth.widgets.pairs.dock import PairsWidget
from napari_organoid_synth.widgets.pairs.examine import colours, overlay
from napari_organoid_synth.widgets.pairs.model import describe, image_text, reading_text, sign, size_text
from napari_organoid_synth.widgets.shared.drop import Sources
from napari_organoid_synth.widgets.shared.jobs import JobRunner
from napari_organoid_synth.widgets.shared.sample_choice import picture_of
from qt_bindings import WORKER_FAILS


@pytest.fixture
def data(tmp_path) -> Path:
    """Six images with two kinds of masks; one mask is one pixel larger, one is missing."""
    folder = tmp_path / "my set"
    rng = np.random.default_rng(0)
    for below in ("images", "masks/cell", "masks/wall"):
        (folder / below).mkdir(parents=True)
    for number in range(6):
        cells = np.zeros((128, 128), np.uint8)
        for y, x in rng.integers(5, 100, (5, 2)):
            cells[y : y + 20, x : x + 20] = 255
        walls = np.zeros_like(cells)
        walls[:, number] = 255
        image = rng.integers(0, 60, (128, 128)).astype(np.uint8) + cells // 2
        tifffile.imwrite(folder / "images" / f"s{number}.tif", image)
        if number == 4:
            cells = np.pad(cells, ((0, 1), (0, 0)))
            walls = np.pad(walls, ((0, 1), (0, 0)))
        if number != 5:
            tifffile.imwrite(folder / "masks" / "cell" / f"s{number}.tif", cells)
            tifffile.imwrite(folder / "masks" / "wall" / f"s{number}.tif", walls)
    return folder


@pytest.fixture
def dock(make_napari_viewer):
    viewer = make_napari_viewer()
    dock = PairsWidget(viewer)
    viewer.window.add_dock_widget(dock)
    return dock


def settle(qtbot, dock):
    qtbot.waitUntil(lambda: dock._worker is None, timeout=20000)


def select(dock, *names):
    table = dock.workspace.pairs
    rows = [row for row, entry in enumerate(table.entries) if entry.name in names]
    dock.panel.view.clearSelection()
    for row in rows:
        dock.panel.view.selectRow(row)


def test_an_empty_dock_says_what_it_is_for(dock):
    assert not dock.empty.isHidden()
    assert dock.panel.isHidden()
    assert not dock.button.isEnabled()
    assert "Nothing to check yet" in dock.reason.text()


def test_a_folder_is_matched_checked_and_tiled(qtbot, dock, data):
    dock.workspace.remember("train", {"tiles": {"size": 64}})
    dock.add_paths([data])
    assert dock.workspace.project.path.name == "my_set"
    settle(qtbot, dock)
    table = dock.workspace.pairs
    assert [(entry.name, entry.status) for entry in table.entries] == [
        *((f"s{n}", "matched") for n in range(4)),
        ("s4", "broken"),
        ("s5", "orphan"),
    ]
    assert dock.verdict.text().startswith("Ready: 4 pairs, ")
    assert dock.panel.model.rowCount() == 6
    assert dock.panel.model.index(0, 1).data() == "128 × 128 px"
    assert len(dock.panel.picture_buttons) == 3
    assert dock.panel.view.rows() == [4]  # the first that needs a look
    assert "128 × 128 px, the mask 128 × 129 px" in dock.panel.detail.text()
    assert PairTable.from_file(dock.workspace.project.pairs_path) == table
    assert "(detected)" in dock.panel.kinds.itemText(0)
    assert table.mask_kind == "classes"
    assert dock.empty.isHidden()


def test_a_small_image_is_said_once(qtbot, dock, data, tmp_path):
    dock.viewer.window._qt_window.show()
    dock.show()
    dock.add_paths([data])
    qtbot.waitUntil(lambda: dock.preflight.result is not None, timeout=20000)
    assert sum("mirroring" in label.text() for label in dock.preflight.labels) == 1
    assert dock.verdict.text() == "Ready: 4 pairs, 4 tiles"
    project = dock.workspace.project
    dock.workspace.setProject(tmp_path / "other")
    dock.workspace.setProject(project)  # also when it is opened again
    assert dock.verdict.text() == "Checked before: 4 pairs. Check again if files have changed."


def test_images_can_be_used_smaller_so_that_whole_objects_fit_a_tile(qtbot, dock, data, tmp_path):
    dock.add_paths([data])
    settle(qtbot, dock)
    dock.workspace.remember("train", {"tiles": {"size": 64}})
    assert (dock.panel.percent.value(), dock.workspace.pairs.scale) == (100, 1)
    dock.panel.percent.setValue(50)
    assert dock.workspace.pairs.scale == 0.5
    assert PairTable.from_file(dock.workspace.project.pairs_path).scale == 0.5
    dock.run()
    settle(qtbot, dock)
    select(dock, "s1")
    assert dock.verdict.text() == "Ready: 4 pairs, 4 tiles"  # one of 64 px each
    assert "Used at 64 × 64 px" in dock.panel.detail.text()
    dock.layers.open("s1")
    qtbot.waitUntil(lambda: "s1" in dock.viewer.layers, timeout=20000)
    assert dock.viewer.layers["s1"].data.shape == (64, 64)
    dock.add_paths([data])  # dropped again: the size stays
    settle(qtbot, dock)
    assert dock.workspace.pairs.scale == 0.5
    dock.workspace.setPairs(dock.workspace.pairs.scaled(0.0623))  # finer than the box shows
    dock.add_paths([data])
    settle(qtbot, dock)
    assert dock.workspace.pairs.scale == 0.0623
    dock.workspace.setProject(tmp_path / "another")  # in another project images begin whole
    dock.add_paths([data])
    settle(qtbot, dock)
    assert dock.workspace.pairs.scale == 1


def test_images_alone_ask_for_masks_until_they_come(qtbot, dock, data):
    dock.add_paths([data / "images"])
    settle(qtbot, dock)
    assert "Now drop the folder of the masks here" in dock.incoming.drop.label.text()
    dock.add_paths([data / "masks" / "cell", data / "masks" / "wall"])
    settle(qtbot, dock)
    assert dock.workspace.pairs.class_names == ("cell", "wall")
    assert dock.incoming.drop.label.text() == "Drop more here"


def test_pairs_for_testing_are_counted_apart(qtbot, dock, data):
    dock.workspace.remember("train", {"tiles": {"size": 64}})
    dock.add_paths([data])
    settle(qtbot, dock)
    select(dock, "s1")
    dock.panel.test_button.click()
    dock.run()
    settle(qtbot, dock)
    assert dock.verdict.text().startswith("Ready: 3 pairs to train, 1 to test, ")


def test_images_without_masks_can_be_taken_as_they_are(qtbot, dock, data):
    assert not dock.incoming.no_masks.isVisibleTo(dock)
    dock.add_paths([data / "images"])
    settle(qtbot, dock)
    assert dock.incoming.no_masks.isVisibleTo(dock)
    dock.incoming.no_masks.click()
    settle(qtbot, dock)
    table = dock.workspace.pairs
    assert len(table.matched) == len(list((data / "images").iterdir()))
    assert not any(entry.masks for entry in table.matched)
    assert dock.verdict.text().startswith(f"Ready: {len(table.matched)} pairs, ")
    assert not dock.incoming.no_masks.isVisibleTo(dock)
    dock.add_paths([data / "masks"])
    settle(qtbot, dock)
    assert dock.workspace.pairs.class_names == ("cell", "wall")


def test_one_of_several_masks_can_be_chosen_and_taken_back(qtbot, dock, data):
    dock.add_paths([data])
    settle(qtbot, dock)
    assert list(dock.panel.class_boxes.boxes) == ["cell", "wall"]
    dock.panel.class_boxes.boxes["wall"].setChecked(False)
    settle(qtbot, dock)
    assert dock.workspace.pairs.mask_kind == "binary"
    assert dock.workspace.pairs.class_names == ("cell",)
    dock.panel.class_boxes.boxes["wall"].setChecked(True)
    settle(qtbot, dock)
    assert dock.workspace.pairs.class_names == ("cell", "wall")


def test_the_kind_can_be_said_by_hand(qtbot, dock, data):
    dock.add_paths([data])
    settle(qtbot, dock)
    dock.panel.class_boxes.boxes["wall"].setChecked(False)
    settle(qtbot, dock)
    dock.panel.kinds.setCurrentIndex(dock.panel.kinds.findData("instances"))
    dock.run()
    settle(qtbot, dock)
    assert dock.workspace.pairs.mask_kind == "instances"
    assert dock.panel.kinds.currentData() == "instances"


def test_a_mask_that_is_one_pixel_larger_can_be_cropped(qtbot, dock, data):
    sources = Sources([data / "images"], {"object": [data / "masks" / "cell"]})
    dock.incoming.sources = sources
    dock.find()
    settle(qtbot, dock)
    select(dock, "s4")
    assert not dock.panel.crop_button.isHidden()
    dock.panel.crop_button.click()
    settle(qtbot, dock)
    entry = dock.workspace.pairs.entry("s4")
    assert entry.status == "matched"
    assert entry.shape == (1, 128, 128)
    assert Path(entry.image).is_relative_to(dock.workspace.project.path)
    select(dock, "s5")
    assert dock.panel.crop_button.isHidden()


def test_rows_are_skipped_and_put_aside_for_testing(qtbot, dock, data):
    dock.add_paths([data])
    settle(qtbot, dock)
    select(dock, "s1")
    dock.panel.skip_button.click()
    table = dock.workspace.pairs
    assert [entry.name for entry in table.matched] == ["s0", "s2", "s3"]
    assert table.entry("s1").status == "skipped"
    assert sign(table.entry("s1")) == "–"
    select(dock, "s1")
    assert dock.panel.skip_button.text() == "Use again"
    dock.panel.skip_button.click()
    assert len(dock.workspace.pairs.matched) == 4
    select(dock, "s3")
    dock.panel.test_button.click()
    assert [entry.name for entry in dock.workspace.pairs.test] == ["s3"]
    select(dock, "s3")
    dock.panel.test_button.click()
    assert dock.workspace.pairs.test == ()


def test_a_pair_opens_as_layers_with_its_grid(qtbot, dock, data):
    dock.workspace.ensure_project("my set")
    dock.workspace.remember("train", {"tiles": {"size": 64, "overlap": 0}})
    dock.add_paths([data])
    settle(qtbot, dock)
    dock.panel.grid.setChecked(True)  # opens the first pair
    qtbot.waitUntil(lambda: "tile grid" in dock.viewer.layers, timeout=5000)
    grid = dock.viewer.layers["tile grid"]
    assert len(grid.data) == 4
    np.testing.assert_array_equal(grid.data[3], [[64, 64], [64, 128], [128, 128], [128, 64]])
    dock.panel.grid.setChecked(False)
    assert "tile grid" not in dock.viewer.layers
    name = dock.panel.picture_buttons[-1].accessibleName().removeprefix("Open ")
    dock.panel.picture_buttons[-1].click()
    qtbot.waitUntil(lambda: f"{name} mask" in dock.viewer.layers, timeout=5000)


def test_images_first_masks_later(qtbot, dock, data):
    dock.add_paths([data / "images"])
    settle(qtbot, dock)
    assert dock.error.isHidden()
    dock.add_paths([data / "masks" / "cell"])
    settle(qtbot, dock)
    assert len(dock.workspace.pairs.matched) == 4


def test_a_folder_without_images_is_said_in_words_and_nothing_is_lost(qtbot, dock, data, tmp_path):
    dock.add_paths([data])
    settle(qtbot, dock)
    before = dock.workspace.pairs
    (tmp_path / "none").mkdir()
    dock.incoming.sources = Sources([tmp_path / "none"], {"object": [data / "masks" / "cell"]})
    dock.find()
    settle(qtbot, dock)
    assert "no image" in dock.error.found.text()
    assert dock.workspace.pairs == before
    assert dock.button.isEnabled()


@pytest.mark.parametrize(
    ("name", "kind", "classes"),
    [
        ("organoid_brightfield", "binary", ("object",)),
        ("tissue", "instances", ("object",)),
        ("em", "classes", ("mitochondria", "membranes")),
    ],
)
def test_sample_data_is_chosen_by_picture(qtbot, dock, monkeypatch, name, kind, classes):
    monkeypatch.setattr(examine, "N_SIMULATED", 2)
    assert not dock.samples.isHidden()
    dock.samples.buttons[name].click()
    settle(qtbot, dock)
    table = dock.workspace.pairs
    assert (len(table.matched), table.mask_kind, table.class_names) == (2, kind, classes)
    assert dock.verdict.text().startswith("Ready: 2 pairs")
    assert dock.empty.isHidden()


def test_pictures_of_sample_data_are_drawn_by_the_simulators(qtbot, dock):
    assert all(button.icon().isNull() for button in dock.samples.buttons.values())
    for name in dock.samples.buttons:
        assert picture_of(name).shape == (168, 168, 3)
    dock.viewer.window._qt_window.show()
    dock.show()
    qtbot.waitUntil(lambda: not any(one.icon().isNull() for one in dock.samples.buttons.values()), timeout=20000)


def test_layers_become_a_pair(qtbot, dock):
    viewer = dock.viewer
    rng = np.random.default_rng(1)
    image = viewer.add_image(rng.integers(0, 255, (96, 96)).astype(np.uint8), name="photo")
    labels = np.zeros((96, 96), np.int32)
    labels[20:40, 20:40] = 1
    drawn = viewer.add_labels(labels, name="drawing")
    assert dock.incoming.image_choice.value is image
    assert dock.incoming.mask_choice.value is drawn
    mime = ItemMimeData([image, drawn], [0, 1])
    drop(dock.incoming.drop, mime)
    settle(qtbot, dock)
    (entry,) = dock.workspace.pairs.entries
    assert entry.name == "photo"
    assert entry.status == "matched"


def test_dropped_files_arrive(qtbot, dock, data):
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(data))])
    drop(dock.incoming.drop, mime)
    settle(qtbot, dock)
    assert len(dock.workspace.pairs.matched) == 4


def drop(area, mime):
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    )
    area.dropEvent(event)
    assert event.isAccepted()


def test_missing_layers_are_said_in_words(dock):
    dock.incoming.choose_layers()
    assert "no image layer" in dock.error.found.text()


def test_reading_can_be_canceled(qtbot, dock, data):
    dock.add_paths([data])
    dock.cancel_button.click()
    assert dock.busy.isHidden()
    assert dock.workspace.pairs is None
    qtbot.wait(200)
    assert dock.workspace.pairs is None


def test_the_dock_fits_320_pixels(qtbot, dock, data):
    dock.add_paths([data])
    settle(qtbot, dock)
    assert dock.minimumSizeHint().width() <= 320
    dock.panel.split.expand()
    assert dock.panel.minimumSizeHint().width() <= 290  # without the margins and the scroll bar


def test_a_project_opened_again_shows_its_table_and_pictures(qtbot, dock, data):
    dock.add_paths([data])
    settle(qtbot, dock)
    project, table = dock.workspace.project, dock.workspace.pairs
    dock.workspace.setProject(None)
    dock.viewer.window._qt_window.show()
    dock.show()
    assert dock.panel.isHidden()
    dock.workspace.setProject(project)
    assert dock.workspace.pairs == table
    assert dock.verdict.text().splitlines()[0] == "Checked before: 4 pairs. Check again if files have changed."
    assert not dock.panel.isHidden()
    qtbot.waitUntil(lambda: len(dock.panel.picture_buttons) == 3, timeout=5000)
    assert dock.button.isEnabled()


@WORKER_FAILS
def test_pictures_wait_until_the_dock_is_seen_and_gone_files_are_said(qtbot, dock, data):
    dock.add_paths([data])
    settle(qtbot, dock)
    project = dock.workspace.project
    dock.hide()
    dock.workspace.setProject(None)
    for path in (data / "images").iterdir():
        path.unlink()
    dock.workspace.setProject(project)
    assert not dock._drawn
    dock.viewer.window._qt_window.show()
    dock.show()
    qtbot.waitUntil(lambda: dock.verdict.text().startswith("✕"), timeout=5000)
    assert "'Check pairs' reads all pairs again" in dock.verdict.text()
    assert dock.panel.picture_buttons == []


def test_a_row_is_described_in_plain_words():
    row = PairEntry(
        name="a", masks={"object": "m"}, shape=(3, 378, 512), dtype="uint8", channel_names=RGB, n_objects=1,
        object_size=(37406, 37406), pixel_size=(0.5, 0.5),
    )  # fmt: skip
    assert size_text(row) == "512 × 378 px, RGB"
    assert image_text(row.replace(channel_names=())) == "512 × 378 px, 3 channels, 8-bit"
    assert size_text(row.replace(channel_names=())) == "512 × 378 px, 3 channels"
    assert size_text(row.replace(shape=(1, 64, 64), dtype="float32", channel_names=())) == "64 × 64 px, 32-bit float"
    assert describe(row) == "a: matched. 512 × 378 px, RGB. One object, 37,406 px. Pixel size 0.5 µm."
    two = row.replace(n_objects=2, object_size=(64, 1200), pixel_size=None, split="test")
    assert describe(two) == "a: matched, for testing. 512 × 378 px, RGB. 2 objects of 64 to 1,200 px."
    assert describe(row.replace(masks={}, n_objects=0, object_size=(0, 0), scale=0.5)) == (
        "a: matched. 512 × 378 px, RGB. No mask. Used at 256 × 189 px. Pixel size 0.5 µm."
    )


def test_what_a_drop_means(tmp_path):
    for name in ("raw", "labels", "both/images", "both/masks"):
        (tmp_path / name).mkdir(parents=True)
    sources = Sources()
    sources.add([tmp_path / "labels", tmp_path / "raw"])
    assert sources.images == [tmp_path / "raw"]
    assert sources.masks == {"labels": [tmp_path / "labels"]}
    sources.add([tmp_path / "both"])
    assert (sources.images, sources.masks) == ([tmp_path / "both"], {})
    sources.add([tmp_path / "x.tif", tmp_path / "x_masks.tif"])
    assert sources.images == [tmp_path / "x.tif"]
    assert sources.masks == {"object": [tmp_path / "x_masks.tif"]}
    with pytest.raises(UserError):
        Sources([tmp_path / "raw"]).find()


def test_label_colours_differ_and_are_bright():
    shown = colours(np.arange(1, 9)).astype(int)
    assert shown.shape == (8, 3)
    assert shown.max(axis=1).min() >= 200
    assert np.abs(shown[1:] - shown[:-1]).max(axis=1).min() > 60


def test_an_overlay_shows_the_whole_image():
    labels = np.zeros((384, 512), np.int32)
    labels[0:64, 0:64] = 1
    labels[320:384, 448:512] = 2
    pair = SamplePair("a", np.random.default_rng(0).integers(0, 255, (1, 384, 512)).astype(np.uint8), labels)
    picture = overlay(pair, 64)
    assert picture.shape == (48, 64, 3)
    for label, corner in ((1, (7, 7)), (2, (40, 56))):
        rows, columns = np.nonzero((picture == colours(np.array([label]))[0]).all(axis=2))
        assert (corner[0] in rows, corner[1] in columns) == (True, True)
        assert len(rows) == 15  # the two edges inside the image


def test_stacks_and_colours_are_said(tmp_path):
    rng = np.random.default_rng(0)
    for folder, shape in (("images", (5, 40, 40)), ("masks", (40, 40))):
        (tmp_path / folder).mkdir()
        tifffile.imwrite(
            tmp_path / folder / "z.tif", rng.integers(0, 2, shape).astype(np.uint8), photometric="minisblack"
        )
    asked = find_pairs(tmp_path)
    assert reading_text(asked) == "Stack of 5 planes: say below what they are."
    used = check_pairs(choose_planes(asked, "max"))
    assert reading_text(used) == "Stack of 5 planes: the brightest is used (maximum)."
    assert image_text(used.entries[0]) == "40 × 40 px, 8-bit, of a stack of 5 planes"
    assert reading_text(check_pairs(choose_planes(asked, "slices"))) == "Stack of 5 planes: each plane is an image."
    row = PairEntry(name="a", image="a.png", shape=(3, 40, 40), channel_names=RGB, dtype="uint8")
    assert reading_text(PairTable(entries=(row,))) == "RGB images."
    grey = row.replace(name="b", shape=(1, 40, 40), channel_names=())
    assert reading_text(PairTable(entries=(row, grey))) == "1 of 2 images are RGB."


def test_the_next_pair_takes_the_place_of_the_one_before_but_not_of_edits(qtbot, dock, data, tmp_path):
    dock.add_paths([data])
    settle(qtbot, dock)
    own = dock.viewer.add_image(np.zeros((400, 400), np.uint8), name="mine")
    far = dock.viewer.add_image(np.zeros((9, 9), np.uint8), name="far", translate=(900, 900))
    dock.layers.open("s1")
    qtbot.waitUntil(lambda: "s1 mask" in dock.viewer.layers, timeout=20000)
    assert (own.visible, far.visible) == (False, True)
    height, width = getattr(dock.viewer, "scene", dock.viewer).camera.center[-2:]
    assert (round(height), round(width)) == (64, 64)  # the view is on the pair of 128 px
    assert "1 layer under it is hidden" in dock.viewer.status
    dock.layers.open("s2")
    qtbot.waitUntil(lambda: "s2 mask" in dock.viewer.layers, timeout=20000)
    assert [layer.name for layer in dock.viewer.layers] == ["mine", "far", "s2", "s2 mask"]
    dock.viewer.layers["s2 mask"].paint((5, 5), 1)
    dock.layers.open("s3")
    qtbot.waitUntil(lambda: "s3 mask" in dock.viewer.layers, timeout=20000)
    assert {layer.name for layer in dock.viewer.layers} == {"mine", "far", "s2", "s2 mask", "s3", "s3 mask"}
    assert not dock.viewer.layers["s2 mask"].visible
    dock.layers.open("s2")  # it is still there
    assert dock.viewer.layers["s2 mask"].visible
    dock.workspace.setProject(tmp_path / "another")
    assert {layer.name for layer in dock.viewer.layers} == {"mine", "far", "s2", "s2 mask"}


def test_outlines_are_dropped_and_chosen_like_masks(qtbot, dock, data, monkeypatch):
    square = [5.0, 5.0, 25.0, 5.0, 25.0, 25.0, 5.0, 25.0]
    document = {
        "images": [{"id": k, "file_name": f"s{k}.tif"} for k in range(6)],
        "annotations": [{"id": k, "image_id": k, "segmentation": [square]} for k in range(6)],
    }
    file = data / "objects.json"
    file.write_text(json.dumps(document))
    dock.add_paths([data / "images"])
    settle(qtbot, dock)
    dock.add_paths([file])
    settle(qtbot, dock)
    table = dock.workspace.pairs
    assert (table.mask_kind, len(table.matched)) == ("instances", 6)
    assert {entry.object_size for entry in table.matched} == {(400, 400)}
    dock.incoming.sources = Sources([data / "images"])
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *_, **__: ([str(file)], ""))
    dock.incoming._choose_outlines()
    settle(qtbot, dock)
    assert len(dock.workspace.pairs.matched) == 6


def test_a_folder_with_a_folder_for_each_image_is_dropped(qtbot, dock, tmp_path):
    rng = np.random.default_rng(0)
    for name in ("one", "two"):
        for folder in ("images", "masks"):
            (tmp_path / "dsb" / name / folder).mkdir(parents=True)
        image = rng.integers(0, 255, (64, 64)).astype(np.uint8)
        tifffile.imwrite(tmp_path / "dsb" / name / "images" / f"{name}.tif", image)
        for k in range(3):
            mask = np.zeros((64, 64), np.uint8)
            mask[20 * k : 20 * k + 10, 20:30] = 255
            tifffile.imwrite(tmp_path / "dsb" / name / "masks" / f"{k}.tif", mask)
    dock.add_paths([tmp_path / "dsb"])
    settle(qtbot, dock)
    assert [entry.n_objects for entry in dock.workspace.pairs.matched] == [3, 3]
    dock.add_paths([tmp_path / "dsb"])  # again: the same folder, not masks for it
    settle(qtbot, dock)
    assert [entry.n_objects for entry in dock.workspace.pairs.matched] == [3, 3]


def test_a_table_of_classes_is_dropped(qtbot, dock, data):
    dock.add_paths([data])
    settle(qtbot, dock)
    table = data / "grades.csv"
    table.write_text("image;grade\ns0.tif;good\ns1.tif;bad\n")
    dock.add_paths([table])
    settle(qtbot, dock)
    assert [entry.image_class for entry in dock.workspace.pairs.entries[:3]] == ["good", "bad", None]
    assert "Class of the image: good." in describe(dock.workspace.pairs.entries[0])
    assert "2 image classes from grades.csv: bad (1), good (1)." in dock.panel.summary.text()
    assert dock.incoming.grades_button.text() == "grades.csv"
    table.write_text("image;grade\ns0.tif;poor\n")
    dock.incoming.sources = Sources(grades=table)  # a project that was opened: the table changes its rows
    dock.find()
    assert dock.workspace.pairs.entries[0].image_class == "poor"


def test_two_files_of_one_name_are_two_pairs(qtbot, dock, tmp_path):
    """As a person does it: open, annotate, add; then the same with the image of the next folder."""
    viewer = dock.viewer
    labels = np.zeros((96, 96), np.int32)
    labels[20:40, 20:40] = 1
    for number, folder in enumerate(("A1", "B2", "B2")):
        viewer.layers.clear()
        path = tmp_path / folder / "img.tif"
        if not path.exists():
            path.parent.mkdir()
            tifffile.imwrite(path, np.random.default_rng(number).integers(0, 255, (96, 96)).astype(np.uint8))
        (image,) = viewer.open(path, plugin="napari")
        drawn = viewer.add_labels(labels)
        dock.add_layers([image, drawn])
        settle(qtbot, dock)
        assert dock.error.isHidden()
    assert [entry.name for entry in dock.workspace.pairs.matched] == ["img", "B2_img"]
    assert dock.verdict.text().startswith("'B2_img' was updated: it is the same image.")


def test_a_stack_beside_a_mask_asks_in_the_window(qtbot, dock):
    viewer = dock.viewer
    stack = np.random.default_rng(2).integers(0, 255, (5, 96, 96)).astype(np.uint8)
    image = viewer.add_image(stack, name="z")
    labels = np.zeros((96, 96), np.int32)
    labels[20:40, 20:40] = 1
    drawn = viewer.add_labels(labels)
    dock.reset_choices()
    assert not dock.incoming.slices.isHidden()
    assert dock.incoming.slices.currentText() == "the slice in view"
    viewer.dims.set_current_step(0, 4)
    dock.add_layers([image, drawn])
    settle(qtbot, dock)
    (entry,) = dock.workspace.pairs.entries
    assert (entry.name, entry.shape, entry.reason) == ("z_004", (1, 96, 96), "slice 4 of the layer")
    assert dock.verdict.text().startswith("'z_004' was added: slice 4 of the layer.")
    viewer.layers.remove(image)
    viewer.add_image(stack[0], name="flat")
    dock.reset_choices()
    assert dock.incoming.slices.isHidden()


def test_a_foreign_layer_of_that_name_stays_what_it_is(qtbot, dock, data):
    dock.add_paths([data])
    settle(qtbot, dock)
    own = dock.viewer.add_image(np.zeros((8, 8)), name="s1")
    dock.layers.open("s1")
    qtbot.waitUntil(lambda: "s1 mask" in dock.viewer.layers, timeout=20000)
    assert own in dock.viewer.layers
    assert dock.viewer.layers["s1 mask"].data.shape == (128, 128)
    number = len(dock.viewer.layers)
    dock.layers.open("s1")  # it is open already
    qtbot.wait(200)
    assert len(dock.viewer.layers) == number


def test_pairs_are_checked_while_jobs_are_followed(qtbot, dock, data, fake_job, project):
    """Two comparisons and a scoring at once, on any number of cores; other plugins keep the threads of napari."""
    from napari.qt.threading import create_worker
    from qtpy.QtCore import QThreadPool

    dock.add_paths([data])
    settle(qtbot, dock)
    fake_job.setenv("FAKE_STEPS", "100000")
    runners = [JobRunner("train") for _ in range(QThreadPool.globalInstance().maxThreadCount() + 1)]
    try:
        for runner in runners:
            runner.start("train", project)
        qtbot.waitUntil(lambda: all(runner.last_progress for runner in runners), timeout=30_000)
        dock.button.click()
        assert dock.verdict.text() == "Reading…"
        settle(qtbot, dock)
        assert dock.verdict.text().startswith("Ready: 4 pairs")
        answers = []
        create_worker(lambda: 7, _connect={"returned": answers.append})
        qtbot.waitUntil(lambda: answers == [7], timeout=10_000)
        assert all(runner.running for runner in runners)
    finally:
        for runner in runners:
            runner.cancel()
            runner.detach()
            runner.wait()


def test_what_suits_the_pairs_is_listed_below_the_table(qtbot, dock, data):
    dock.viewer.window._qt_window.show()
    dock.show()
    view = dock.preflight
    assert view.isHidden()
    dock.add_paths([data])
    qtbot.waitUntil(lambda: view.result is not None, timeout=20000)
    shown = [label.text() for label in view.labels if not label.isHidden()]
    assert shown == [
        "! 4 images to learn from. Add more: 5 are a start, 20 are good.",
        "! 4 of 4 tiles of 256 px can be used. Add images, or choose smaller tiles (tiles.size).",
        "! All 4 images are smaller than a tile of 256 px (128 × 128 px): the missing pixels are filled by mirroring "
        "at the edges. Choose a tile of at most 128 px to use only real pixels.",
        "! No test images: nothing is kept aside to measure the gain. Choose test pairs.",
    ]
    assert view.more.text() == f"✓ {len(view.labels) - 4} checks passed."
    view.more.setChecked(True)
    assert not any(label.isHidden() for label in view.labels)
    assert view.labels[3].toolTip() == "Test. Choose test pairs."
    select(dock, "s0")
    dock.panel.test_button.click()  # another split is another list
    qtbot.waitUntil(lambda: view.result.find("test") is None, timeout=20000)
    assert view.result.find("groups").sentence == "4 images, none of which belong together. The test holds 1 image: s0."
    dock.show_error(UserError("x.tif is empty.", "Expected a TIFF.", "Copy it again."))
    assert not view.isHidden()
    dock.workspace.setProject(data.parent / "empty")
    qtbot.waitUntil(view.isHidden, timeout=20000)


def test_stacks_and_colours_of_files_are_chosen_on_the_page(qtbot, dock, tmp_path):
    rng = np.random.default_rng(3)
    stack = rng.integers(0, 255, (5, 96, 96)).astype(np.uint8)
    colours = rng.integers(0, 255, (96, 96, 3)).astype(np.uint8)
    mask = np.zeros((96, 96), np.uint8)
    mask[20:50, 20:50] = 1
    folder = tmp_path / "mixed"
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    tifffile.imwrite(folder / "images" / "a.tif", stack, photometric="minisblack")
    tifffile.imwrite(folder / "images" / "b.tif", colours, photometric="rgb")
    for name in "ab":
        tifffile.imwrite(folder / "masks" / f"{name}.tif", mask)
    dock.add_paths([folder])
    settle(qtbot, dock)
    reading = dock.panel.reading
    assert [entry.status for entry in dock.workspace.pairs.entries] == ["ambiguous", "matched"]
    assert not reading._stack_row.isHidden()
    assert (reading.stacks.currentText(), reading.number.isHidden()) == ("choose…", True)
    reading.stacks.setCurrentIndex(reading.stacks.findData("max"))
    reading.stacks.activated.emit(0)
    settle(qtbot, dock)
    assert dock.workspace.pairs.entry("a").reason == "brightest of the slices of a stack (maximum)"
    assert reading.planes() == "max"
    dock.layers.open("a")
    qtbot.waitUntil(lambda: "a" in dock.viewer.layers, timeout=20_000)
    np.testing.assert_array_equal(dock.viewer.layers["a"].data, stack.max(axis=0))
    reading.stacks.setCurrentIndex(reading.stacks.findData("slice"))
    reading.stacks.activated.emit(0)
    settle(qtbot, dock)
    reading.number.setValue(3)
    settle(qtbot, dock)
    assert dock.workspace.pairs.entry("a").page == 3
    dock.layers.open("a")  # it is another image now
    qtbot.waitUntil(lambda: np.array_equal(dock.viewer.layers["a"].data, stack[3]), timeout=20_000)
    assert len(dock.viewer.layers) == 2  # in the place of the other
    assert not reading.colours.isHidden()
    reading.colours.setCurrentIndex(reading.colours.findData("grey"))
    reading.colours.activated.emit(0)
    settle(qtbot, dock)
    assert [entry.shape for entry in dock.workspace.pairs.matched] == [(1, 96, 96)] * 2
    assert not any("differ in channels" in note for note in dock.workspace.pairs.notes)
    dock.find()  # as before, also when files are found again
    settle(qtbot, dock)
    assert [(entry.page, entry.channels) for entry in dock.workspace.pairs.matched] == [(3, "grey"), (None, "grey")]


def test_dropping_again_keeps_what_was_chosen(qtbot, dock, data):
    (data / "masks" / "wall").rename(data.parent / "wall")
    dock.add_paths([data])
    settle(qtbot, dock)
    table = dock.workspace.pairs
    changes = {
        "s0": {"split": "test"},
        "s1": {"status": "skipped"},
        "s2": {"image_class": "grade 2", "group": "mouse 7"},
        "s3": {"scale": 0.5},
    }
    dock.workspace.setPairs(
        table.replace(entries=tuple(entry.replace(**changes.get(entry.name, {})) for entry in table.entries))
    )
    chosen = [dock.workspace.pairs.entry(name) for name in changes]
    dock.panel.kinds.setCurrentIndex(dock.panel.kinds.findData("instances"))
    dock.panel.kinds.activated.emit(0)
    settle(qtbot, dock)
    for again in (lambda: dock.add_paths([data]), dock.run, lambda: dock.add_paths([data])):
        again()
        settle(qtbot, dock)
        table = dock.workspace.pairs
        for entry in chosen:
            row = table.entry(entry.name)
            for field in ("split", "status", "image_class", "group", "scale"):
                assert getattr(row, field) == getattr(entry, field), (entry.name, field)
        assert (table.mask_kind, len(table.entries)) == ("instances", 6)
    assert table.kind_by_hand


def test_files_are_added_to_the_pairs_that_are_there(qtbot, dock, data, tmp_path):
    (data / "masks" / "wall").rename(data.parent / "wall")
    dock.add_paths([data])
    settle(qtbot, dock)
    select(dock, "s0")
    dock.panel.test_button.click()
    project = dock.workspace.project
    dock.workspace.setProject(tmp_path / "other")
    dock.workspace.setProject(project)
    dock.incoming.sources = Sources()  # as in a new window
    more = tmp_path / "more"
    more.mkdir()
    for name, new in (("s1", "s1"), ("s2", "fresh")):
        image = tifffile.imread(data / "images" / f"{name}.tif")
        tifffile.imwrite(more / f"{new}.tif", 255 - image)
        tifffile.imwrite(more / f"{new}_masks.tif", tifffile.imread(data / "masks" / "cell" / f"{name}.tif"))
    dock.add_paths(sorted(more.iterdir()))
    settle(qtbot, dock)
    table = dock.workspace.pairs
    assert [entry.name for entry in table.matched] == ["s0", "s1", "s2", "s3", "fresh", "more_s1"]
    assert [entry.name for entry in table.test] == ["s0"]
    dock.add_paths([data])  # a folder is searched again; what other folders gave stays
    settle(qtbot, dock)
    names = [entry.name for entry in dock.workspace.pairs.matched]
    assert names == ["fresh", "more_s1", "s0", "s1", "s2", "s3"]


def test_test_images_and_groups_are_chosen_on_the_page(qtbot, dock, data, monkeypatch):
    (data / "masks" / "wall").rename(data.parent / "wall")
    dock.add_paths([data])
    settle(qtbot, dock)
    split, before = dock.panel.split, dock.workspace.pairs
    assert not split.isExpanded()
    assert split.sentence.text() == "4 images, none of which belong together."

    def choose(rule):
        split.groups.setCurrentIndex(split.groups.findData(rule))
        split.groups.activated.emit(0)

    def groups():
        return {entry.name: entry.group for entry in dock.workspace.pairs.matched}

    split.choose_button.click()
    assert len(dock.workspace.pairs.test) == 1
    split.share.setValue(0)
    split.choose_button.click()
    assert dock.workspace.pairs == before  # taken back
    sheet = tmp_sheet(data, "name,group\ns0,a\ns1,a\ns2,b\ns3,b\n")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (str(sheet), ""))
    choose("sheet")
    assert groups() == {"s0": "a", "s1": "a", "s2": "b", "s3": "b"}
    assert dock.workspace.pairs.groups == str(sheet)
    assert split.groups.currentData() == "sheet"
    split.share.setValue(25)
    split.choose_button.click()
    tested = {entry.name for entry in dock.workspace.pairs.test}
    assert tested in ({"s0", "s1"}, {"s2", "s3"})
    assert split.sentence.text().startswith("2 groups of 4 images, by groups.csv: a (2), b (2). The test holds 1 group")
    monkeypatch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: ("", ""))
    choose("sheet")  # canceled
    assert groups()["s0"] == "a"
    choose("pattern")
    assert not split.pattern.isHidden()
    split.pattern.setText("^q")
    split.pattern.editingFinished.emit()
    assert not dock.error.isHidden()
    assert split.pattern.text() == "^q"  # to be corrected
    split.pattern.setText("^s[01]|^s")
    split.pattern.editingFinished.emit()
    assert dock.workspace.pairs.groups == "^s[01]|^s"
    assert PairTable.from_file(dock.workspace.project.pairs_path).groups == "^s[01]|^s"
    assert (split.groups.currentData(), split.pattern.text()) == ("pattern", "^s[01]|^s")
    dock.add_paths([data])  # groups stay
    settle(qtbot, dock)
    assert groups() == {"s0": "s0", "s1": "s1", "s2": "s", "s3": "s"}
    choose("")
    assert (dock.workspace.pairs.groups, set(groups().values()), split.pattern.isHidden()) == ("", {""}, True)


def tmp_sheet(data, text):
    path = data.parent / "groups.csv"
    path.write_text(text)
    return path


def test_groups_of_file_names_come_back_after_another_rule(qtbot, dock, data):
    dock.add_paths([data])
    settle(qtbot, dock)
    split = dock.panel.split
    before = dock.workspace.pairs.replace(
        entries=tuple(entry.replace(group="mouse") for entry in dock.workspace.pairs.entries)
    )
    dock.workspace.setPairs(before)
    for rule in ("none", ""):
        split.groups.setCurrentIndex(split.groups.findData(rule))
        split.groups.activated.emit(0)
        assert dock.workspace.pairs.groups == rule
    assert dock.workspace.pairs == before


def test_a_layer_that_is_neither_image_nor_labels_is_refused_in_words(dock):
    image = dock.viewer.add_image(np.zeros((40, 50), np.uint8), name="a")
    shapes = dock.viewer.add_shapes([[[1, 1], [9, 9]]], shape_type="rectangle", name="outlines")
    said = []
    dock.incoming.failed.connect(said.append)
    dock.add_layers([image, shapes])
    assert said[0].found == "Layer 'outlines' is a layer of shapes."
    assert "Convert to Labels" in said[0].todo
    assert not dock.error.isHidden()


def test_drawn_corrected_and_cropped_pairs_stay_when_files_are_dropped_again(qtbot, dock, data):
    (data / "masks" / "wall").rename(data.parent / "wall")
    dock.add_paths([data])
    settle(qtbot, dock)
    select(dock, "s4")
    dock.panel.crop_button.click()
    settle(qtbot, dock)
    dock.layers.open("s0")
    qtbot.waitUntil(lambda: "s0 mask" in dock.viewer.layers, timeout=20000)
    image, mask = dock.viewer.layers["s0"], dock.viewer.layers["s0 mask"]
    mask.data = np.where(np.arange(128) < 64, mask.data, 0)  # corrected by hand
    dock.add_layers([image, mask])
    settle(qtbot, dock)
    drawn = np.zeros((128, 128), int)
    drawn[5:30, 5:30] = 1
    other = np.random.default_rng(5).integers(0, 255, (128, 128)).astype(np.uint8)
    dock.add_layers([dock.viewer.add_image(other, name="mine"), dock.viewer.add_labels(drawn)])
    settle(qtbot, dock)
    before = {entry.name: (entry.image, entry.masks) for entry in dock.workspace.pairs.matched}
    assert set(before) == {"s0", "s1", "s2", "s3", "s4", "mine"}
    dock.add_paths([data])
    settle(qtbot, dock)
    assert {entry.name: (entry.image, entry.masks) for entry in dock.workspace.pairs.matched} == before
