"""Thumbnails, model and drags of the gallery, against values worked out by hand."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QItemSelectionModel, QMimeData, QPersistentModelIndex, QSize, QUrl
from qtpy.QtGui import QImage

from napari_organoid_synth.core.metrics.score_texts import sample_text
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore
from napari_organoid_synth.widgets.curate.gallery import GalleryView
from napari_organoid_synth.widgets.curate.tile_drag import SAMPLES_MIME, drag_data, read_ids
from napari_organoid_synth.widgets.shared import thumbnails as _thumbnails
from napari_organoid_synth.widgets.shared.sample_model import MAX_RUNS, SampleModel, describe
from napari_organoid_synth.widgets.shared.thumbnails import (
    FILL_ALPHA,
    MAX_WAITING,
    ImageCache,
    StoreThread,
    draw_thumbnail,
    label_colours,
    mask_overlay,
)


def pair(number: int) -> SamplePair:
    image = np.full((1, 64, 64), number, np.uint8)
    labels = np.zeros((64, 64), np.int32)
    labels[16:48, 16:48] = 1
    return SamplePair(f"sample {number}", image, labels)


@pytest.fixture
def store_path(tmp_path: Path) -> Path:
    with SampleStore(tmp_path / "samples.sqlite") as store:
        store.add_many([pair(number) for number in range(4)], "run 1")
    return tmp_path / "samples.sqlite"


# ----------------------------------------------------------------------------------------------------------- drawing


def test_outline_is_one_pixel_inside_every_label() -> None:
    labels = np.zeros((8, 8), np.uint16)
    labels[1:5, 1:5], labels[1:5, 5:8] = 1, 2  # touching
    drawn = mask_overlay(labels, 8, 8, "outline")[..., 3] == 255
    expected = labels > 0
    expected[2:4, 2:4] = False  # inside of label 1
    expected[2:4, 6:8] = False  # inside of label 2, which goes on beyond the right edge
    np.testing.assert_array_equal(drawn, expected)


def test_outline_stays_one_pixel_when_enlarged() -> None:
    labels = np.zeros((8, 8), np.uint16)
    labels[2:6, 2:6] = 3
    drawn = mask_overlay(labels, 32, 32, "outline")[..., 3] > 0
    assert drawn.sum() == 4 * 16 - 4  # rim of a 16 × 16 square
    assert drawn[8, 8:24].all()
    assert not drawn[9, 9:23].any()


def test_overlay_has_the_colours_of_labels_layers() -> None:
    napari_layers = pytest.importorskip("napari.layers")
    labels = np.array([[0, 1], [7, 60000]], np.uint16)
    overlay = mask_overlay(labels, 2, 2, "fill")
    layer = napari_layers.Labels(labels.astype(np.int32))
    for y, x in ((0, 1), (1, 0), (1, 1)):
        expected = np.rint(np.asarray(layer.get_color(int(labels[y, x])))[:3] * 255)
        np.testing.assert_array_equal(overlay[y, x], [*expected, FILL_ALPHA])
    np.testing.assert_array_equal(overlay[0, 0], 0)
    assert label_colours().shape == (65536, 3)


def test_no_mask_means_no_overlay() -> None:
    assert not mask_overlay(np.ones((4, 4), np.uint16), 4, 4, "none").any()


def test_thumbnail_keeps_its_shape_and_pixels() -> None:
    image = np.zeros((96, 192, 3), np.uint8)
    image[:, :96] = (10, 200, 30)
    drawn = draw_thumbnail(image, np.zeros((96, 192), np.uint16), 96, "outline")
    assert drawn.size() == QSize(96, 48)
    colour = drawn.pixelColor(5, 5)
    assert (colour.red(), colour.green(), colour.blue()) == (10, 200, 30)


def test_outline_is_drawn_on_the_thumbnail() -> None:
    labels = np.zeros((96, 96), np.uint16)
    labels[40:60, 40:60] = 1
    drawn = draw_thumbnail(np.zeros((96, 96, 3), np.uint8), labels, 96, "outline")
    colour = drawn.pixelColor(40, 50)
    np.testing.assert_array_equal([colour.red(), colour.green(), colour.blue()], label_colours()[1])
    assert drawn.pixelColor(50, 50).red() == 0


def test_cache_lets_the_least_recently_used_go() -> None:
    one = QImage(10, 10, QImage.Format.Format_RGB32)  # 400 bytes
    cache = ImageCache(limit=1000)
    cache.put("a", one)
    cache.put("b", one)
    assert cache.get("a") is not None
    cache.put("c", one)
    assert (cache.get("a") is not None, cache.get("b"), len(cache), cache.used) == (True, None, 2, 800)


# ------------------------------------------------------------------------------------------------------------- thread


def test_thread_brings_pictures_and_rows(qtbot, store_path: Path) -> None:
    thread = StoreThread(store_path)
    try:
        with qtbot.waitSignal(thread.loaded):
            assert thread.image("sample_2", 96, "none") is None
        image, row = thread.image("sample_2", 96, "none"), thread.row("sample_2")
        assert image is not None
        assert (image.size(), row.name, row.verdict) == (QSize(96, 96), "sample 2", "new")
    finally:
        thread.close()


def test_colours_are_mixed_in_the_thread_of_the_window(store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari.utils import colormaps

    mix, threads = colormaps.label_colormap, []

    def watched(*arguments: Any) -> Any:
        threads.append(threading.current_thread())
        return mix(*arguments)

    monkeypatch.setattr(colormaps, "label_colormap", watched)
    label_colours.cache_clear()
    thread = StoreThread(store_path)
    thread.close()
    assert threads == [threading.current_thread()]


def test_thread_keeps_order_and_delivers_in_the_window(qtbot, store_path: Path) -> None:
    thread, answers, threads = StoreThread(store_path), [], set()
    try:
        for number in range(20):
            thread.submit(
                lambda store, number=number: number,
                lambda n: (answers.append(n), threads.add(threading.current_thread())),
                pytest.fail,
            )
        qtbot.waitUntil(lambda: len(answers) == 20)
        assert answers == list(range(20))
        assert threads == {threading.main_thread()}
    finally:
        thread.close()


def test_closing_finishes_every_verdict(qtbot, store_path: Path) -> None:
    thread = StoreThread(store_path)
    for number in range(4):
        thread.image(f"sample_{number}" if number else "sample_0", 96, "fill")
        thread.submit(lambda store, n=number: store.decide([store.ids()[n]], "accepted"), lambda _: None, pytest.fail)
    thread.close()
    with SampleStore(store_path) as store:
        assert store.counts() == {"new": 0, "accepted": 4, "rejected": 0}


def test_a_failing_task_does_not_end_the_thread(qtbot, store_path: Path) -> None:
    thread, errors, answers = StoreThread(store_path), [], []
    try:
        thread.submit(lambda store: store.row("nobody"), pytest.fail, errors.append)
        thread.submit(lambda store: store.counts()["new"], answers.append, pytest.fail)
        qtbot.waitUntil(lambda: answers == [4])
        assert "nobody" in str(errors[0])
    finally:
        thread.close()


def test_a_damaged_database_is_told_in_a_sentence(qtbot, tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    path.write_bytes(b"this is no database, " * 200)
    thread, errors = StoreThread(path), []
    try:
        thread.submit(lambda store: 0, pytest.fail, errors.append)
        qtbot.waitUntil(lambda: len(errors) == 1)
        assert "damaged" in str(errors[0])
    finally:
        thread.close()


def test_changes_by_others_are_noticed(qtbot, store_path: Path) -> None:
    thread = StoreThread(store_path)
    try:
        with qtbot.waitSignal(thread.changedOutside, timeout=3000), SampleStore(store_path) as other:
            qtbot.wait(100)
            other.decide([other.ids()[0]], "rejected")
    finally:
        thread.close()


def test_a_removed_sample_stays_grey_and_is_asked_for_once(qtbot, store_path: Path) -> None:
    thread = StoreThread(store_path)
    try:
        with qtbot.waitSignal(thread.loaded):
            assert thread.image("nobody", 96, "fill") is None
        assert thread.image("nobody", 96, "fill").isNull()
        assert not thread._wanted
    finally:
        thread.close()


def test_all_thumbnails_have_the_contrast_that_is_set(qtbot, store_path: Path) -> None:
    def grey(image: Any) -> float:
        return float(np.mean([image.pixelColor(x, y).red() for x in range(0, 60, 4) for y in range(0, 60, 4)]))

    thread = StoreThread(store_path)
    try:
        with qtbot.waitSignal(thread.loaded):
            assert thread.image("sample_1", 96, "none") is None
        before = thread.image("sample_1", 96, "none")
        thread.set_contrast(((0.0, 510.0),))
        assert thread.image("sample_1", 96, "none") == before  # the old one, until the other is drawn
        qtbot.waitUntil(lambda: thread.image("sample_1", 96, "none") != before)
        with SampleStore(store_path) as store:
            expected = store.pair("sample_1").image.mean() / 2
        assert grey(thread.image("sample_1", 96, "none")) == pytest.approx(expected, abs=12)
    finally:
        thread.close()


def test_memory_of_rows(qtbot, store_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_thumbnails, "MAX_ROWS", 2)
    thread = StoreThread(store_path)
    try:
        for number in range(2, 5):
            with qtbot.waitSignal(thread.loaded):
                thread.image(f"sample_{number}", 96, "none")
        thread.row("sample_4")
        assert list(thread._rows) == ["sample_3", "sample_4"]
    finally:
        thread.close()


def test_wishes_scrolled_past_are_dropped(qtbot, store_path: Path) -> None:
    thread = StoreThread(store_path)
    try:
        with thread._wake:  # the thread cannot take any meanwhile
            for number in range(MAX_WAITING + 50):
                thread.image(f"x{number}", 96, "fill")
            assert len(thread._wanted) == MAX_WAITING
            assert next(iter(thread._wanted))[0] == "x50"
    finally:
        thread.close()


# -------------------------------------------------------------------------------------------------------------- model


@pytest.mark.parametrize("new", ["", "abcdef", "ace", "fedcba", "xaybzc", "czbyx", "g", "bcdefga"])
def test_model_follows_any_list_and_keeps_the_selection(qtbot, qtmodeltester, new: str) -> None:
    model = SampleModel()
    model.set_ids(list("abcdef"))
    kept = {id: QPersistentModelIndex(model.index(row)) for row, id in enumerate("abcdef")}
    model.set_ids(list(new))
    assert model.ids == list(new)
    assert [model.row_of(id) for id in new] == list(range(len(new)))
    for id, index in kept.items():
        assert (index.row() if index.isValid() else None) == (new.index(id) if id in new else None)
    qtmodeltester.check(model, force_py=True)


def test_samples_are_taken_out_and_put_in_at_their_places(qtbot, qtmodeltester) -> None:
    model = SampleModel()
    places = {id: place for place, id in enumerate("abcdefgh")}
    model.set_ids("acegh")
    qtmodeltester.check(model)
    kept = QPersistentModelIndex(model.index(3))  # g
    assert model.remove(["h", "a", "x", "c"]) == [0, 1, 4]
    assert model.ids == ["e", "g"]
    model.insert(["f", "a", "stranger", "h"], places)
    assert model.ids == ["a", "e", "f", "g", "h", "stranger"]
    assert (model.rowCount(), model.row_of("g"), kept.row()) == (6, 3, 3)


def test_selection_survives_new_samples_and_another_order(qtbot) -> None:
    view = GalleryView("new", "nothing")
    qtbot.addWidget(view)
    view.samples.set_ids(list("abcdef"))
    for row in (1, 3):
        view.selectionModel().select(view.samples.index(row), QItemSelectionModel.SelectionFlag.Select)
    view.show_ids(list("zfdebxac"))
    assert view.selected() == ["d", "b"]


def test_a_list_that_is_quite_another_keeps_the_selection_too(qtbot) -> None:
    """More separate changes than views can hear of one by one: what a query at random does to thousands of tiles."""
    view = GalleryView("new", "nothing")
    qtbot.addWidget(view)
    view.show_ids([f"s{number}" for number in range(4 * MAX_RUNS)])
    view.select(["s10", "s11", "s12", "s800"])
    resets: list[int] = []
    view.samples.modelReset.connect(lambda: resets.append(1))
    view.show_ids([f"s{number}" for number in range(0, 4 * MAX_RUNS, 2)])
    assert (view.samples.rowCount(), len(resets)) == (2 * MAX_RUNS, 1)
    assert view.selected() == ["s10", "s12", "s800"]
    places = {f"s{number}": number for number in range(4 * MAX_RUNS)}
    view.put_in([f"s{number}" for number in range(1, 4 * MAX_RUNS, 2)], places)
    assert view.samples.ids == [f"s{number}" for number in range(4 * MAX_RUNS)]
    view.take_out([f"s{number}" for number in range(0, 4 * MAX_RUNS, 2)])
    assert view.samples.ids == [f"s{number}" for number in range(1, 4 * MAX_RUNS, 2)]
    assert view.samples.row_of("s3") == 1
    assert view.selected() == ["s1"]


def test_scroll_position_survives_samples_inserted_above(qtbot) -> None:
    view = GalleryView("new", "nothing")
    qtbot.addWidget(view)
    view.resize(300, 300)
    view.samples.set_ids([f"s{n}" for n in range(200)])
    view.show()
    qtbot.waitExposed(view)
    view.executeDelayedItemsLayout()
    view.verticalScrollBar().setValue(2000)
    before = view._anchor()
    view.show_ids([*(f"new{n}" for n in range(40)), *view.samples.ids])
    qtbot.wait(20)
    assert before is not None
    row = view.samples.row_of(before[0])
    assert view.visualRect(view.samples.index(row)).top() == before[1]
    assert view.verticalScrollBar().value() > 2000


# --------------------------------------------------------------------------------------------------------------- drag


def test_a_drag_carries_ids_and_files(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    data = drag_data(path, ["a", "b"])
    folder = tmp_path / "samples"
    both = [folder / name for name in ("a.ome.tif", "a_labels.ome.tif", "b.ome.tif", "b_labels.ome.tif")]
    assert [Path(url.toLocalFile()) for url in data.urls()] == both
    assert json.loads(bytes(data.data(SAMPLES_MIME).data()))["ids"] == ["a", "b"]
    assert read_ids(data, path) == ["a", "b"]


def test_a_drag_of_another_project_is_not_taken(tmp_path: Path) -> None:
    data = drag_data(tmp_path / "samples.sqlite", ["a"])
    assert read_ids(data, tmp_path / "elsewhere.sqlite") == []
    broken = QMimeData()
    broken.setData(SAMPLES_MIME, b"[1, 2")
    broken.setUrls([QUrl("file:///x")])
    assert read_ids(broken, tmp_path / "samples.sqlite") == []


def test_tooltip_speaks(tmp_path: Path) -> None:
    row = SampleRow("a", "cell <7>", "run 3", 0.0, "rejected", tmp_path, tmp_path, 14, (256, 300), "instances")
    row = replace(
        row,
        note="sharp, 14 objects, a copy",
        flagged="copy",
        nearest=TilePlace("section_03", 0, 64),
        scores={"sharp": 0.51234, "fits": 0.2},
    )
    assert describe(row).splitlines() == [
        "cell <7>",
        "rejected; sharp, 14 objects, a copy",
        "Flagged: a copy of a real image",
        "Most similar real image: section_03",
        "14 objects, 300 × 256 px, run 3",
        "Mask fits image 0.2 (more is better)",
        f"{sample_text('sharp').title} 0.512 ({sample_text('sharp').direction})",
    ]
