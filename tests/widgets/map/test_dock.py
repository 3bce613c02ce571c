"""The Map dock in a real window: pointing, catching, walking, verdicts, the gallery beside it, jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QPoint, QPointF, QRect, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_organoid_synth.core.job import Saved
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.map.storage import MappedSample, MapRecord, SampleMap, read_map, write_map
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.widgets.curate.dock import CurateWidget
from napari_organoid_synth.widgets.map.dock import MapWidget
from napari_organoid_synth.widgets.map.filling import fill_words
from napari_organoid_synth.widgets.map.groups import groups_of
from napari_organoid_synth.widgets.map.legend import ABOUT_REGIONS
from napari_organoid_synth.widgets.map.points import REAL, inside, outline_of, read_points, towards
from napari_organoid_synth.widgets.map.view import MapView
from napari_organoid_synth.widgets.shared.workspace import Workspace

N, REALS = 9, 4
BIG = (np.arange(128 * 128) // 64).astype(np.uint8).reshape(128, 128)
LEFT, NO_KEY, CTRL, SHIFT = (
    Qt.MouseButton.LeftButton,
    Qt.KeyboardModifier.NoModifier,
    Qt.KeyboardModifier.ControlModifier,
    Qt.KeyboardModifier.ShiftModifier,
)


def pair(number: int) -> SamplePair:
    rng = np.random.default_rng(number)
    labels = np.zeros((64, 64), np.int32)
    labels[10:30, 8:20] = 1
    image = rng.integers(0, 255, (1, 64, 64)).astype(np.uint8)
    return SamplePair(f"sample_{number}", image, labels, source=Source("synthetic"))


@pytest.fixture
def filled(project: Project) -> Project:
    """Nine pairs on a grid of 3 × 3, and right of them four real tiles of one image, an empty region."""
    labels = np.zeros((128, 128), np.int32)
    labels[::16, ::16] = 1
    add_pair(project, SamplePair("real0", BIG[None], labels), "binary")
    with SampleStore(project.samples_path) as store:
        ids = store.add_many([pair(number) for number in range(N)], "run 1")
        for number, id in enumerate(ids):
            store.rate(id, {"sharpness": float(number)}, note="sharp", flagged="copy" if number == 8 else "")
        store.decide(ids[:2], "accepted")
        store.decide(ids[2:3], "rejected")
    record = MapRecord(
        tiles=tuple(TilePlace("real0", y, x) for y in (0, 64) for x in (0, 64)),
        samples=tuple(MappedSample(id=id, run="run 1") for id in ids),
        method="tsne", extractor="random:1", kl=0.5, perplexity=4.0, regions=((0, 1, 2, 3),), side=64,
    )  # fmt: skip
    places = [(8.0, y) for y in range(REALS)] + [(float(number % 3), float(number // 3)) for number in range(N)]
    write_map(project, SampleMap(np.array(places), record))
    return project


def place_dock(viewer: Any, qtbot: Any, dock: Any, name: str) -> None:
    viewer.window.add_dock_widget(dock, name=name, area="bottom")
    dock._placed = True
    dock.show()


@pytest.fixture
def viewer(make_napari_viewer: Any) -> Any:
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1400, 1000)
    return viewer


@pytest.fixture
def dock(viewer: Any, filled: Project, qtbot: Any) -> Iterator[MapWidget]:
    Workspace.of(viewer).setProject(filled)
    widget = MapWidget(viewer)
    place_dock(viewer, qtbot, widget, "Map")
    qtbot.waitUntil(lambda: len(widget.points.ids) == N + REALS, timeout=20000)
    qtbot.waitUntil(lambda: widget.view.width() > 300 and widget.view.height() > 150, timeout=20000)
    widget.view.fit()
    widget.view.setFocus()
    yield widget
    if widget._thread is not None:
        widget._thread.close()


def sample(number: int) -> int:
    """Row of a pair."""
    return REALS + number


def ids_of(dock: MapWidget) -> list[str]:
    return [dock.points.ids[row] for row in dock.view.chosen]


def pixel(dock: MapWidget, row: int) -> QPoint:
    return dock.view.pixel_of(row).toPoint()


def send(view: MapView, kind: Any, place: QPointF, keys: Any = NO_KEY, held: Any = LEFT) -> None:
    """A mouse event as the window system gives it, with its modifiers, which QTest drops from moves."""
    port = view.viewport()
    button = Qt.MouseButton.NoButton if kind == QMouseEvent.Type.MouseMove else LEFT
    event = QMouseEvent(kind, place, QPointF(port.mapToGlobal(place.toPoint())), button, held, keys)
    QApplication.sendEvent(port, event)


def drag(view: MapView, way: list[QPointF], keys: Any = NO_KEY) -> None:
    send(view, QMouseEvent.Type.MouseButtonPress, way[0], keys)
    for place in way[1:]:
        send(view, QMouseEvent.Type.MouseMove, place, keys)
    send(view, QMouseEvent.Type.MouseButtonRelease, way[-1], keys)


def around(dock: MapWidget, rows: list[int], margin: float = 14) -> list[QPointF]:
    """A rectangle around points, as a way of the mouse."""
    spots = np.array([(dock.view.pixel_of(row).x(), dock.view.pixel_of(row).y()) for row in rows])
    (left, top), (right, low) = spots.min(0) - margin, spots.max(0) + margin
    return [QPointF(*corner) for corner in ((left, top), (right, top), (right, low), (left, low), (left, top))]


def verdicts(project: Project) -> dict[str, str]:
    with SampleStore(project.samples_path) as store:
        return {row.id: row.verdict for row in store.rows()}


# ---------------------------------------------------------------------------------------------------------------- runs


@pytest.fixture
def two_losses(filled: Project) -> Project:
    """The nine pairs come from two runs of the AAE with different losses: six of the first, three of the second."""
    for name, loss in (("20260101-000000-train", "bce"), ("20260102-000000-train", "wasserstein")):
        folder = filled.path / "runs" / name
        folder.mkdir(parents=True)
        Recipe.parse({"gan": {"name": "aae", "loss": loss}, "tiles": {"size": 64}}).to_file(folder / "recipe.yaml")
    found = read_map(filled)
    assert found is not None
    names = ["20260101-000000-train"] * 6 + ["20260102-000000-train"] * 3
    samples = tuple(one.replace(run=run) for one, run in zip(found.record.samples, names, strict=True))
    write_map(filled, SampleMap(found.coordinates, found.record.replace(samples=samples)))
    return filled


def test_runs_are_named_by_number_and_loss_and_shown_alone(two_losses: Project, dock: MapWidget, qtbot: Any) -> None:
    offered = [dock.colours.runs.itemText(place) for place in range(dock.colours.runs.count())]
    assert offered == ["of all runs", "run 1, AAE bce", "run 2, AAE wasserstein"]
    dock.colours.set_key("run")
    dock._recolour()
    qtbot.waitUntil(lambda: "run 2, AAE wasserstein" in dock.legend.buttons, timeout=20000)
    assert [button.text() for button in dock.legend.buttons.values()] == [
        "real 4", "run 1, AAE bce 6", "run 2, AAE wasserstein 3", "empty regions 1",
    ]  # fmt: skip
    second = groups_of(dock.points, "run")[2]
    dock.view.choose([sample(0), sample(7)])
    dock.colours.runs.setCurrentIndex(2)
    dock.colours.filtered.emit()
    assert list(dock.legend.buttons) == ["real", "run 2, AAE wasserstein", "empty regions"]
    assert dock.view.chosen.tolist() == [sample(7)]  # a hidden point gets no verdict
    assert np.flatnonzero(dock.view.is_visible(np.arange(N + REALS))).tolist() == [
        *range(REALS),
        *map(sample, (6, 7, 8)),
    ]
    alone = groups_of(dock.points, "run", "20260102-000000-train")[1]
    assert (alone.colour, alone.symbol) == (second.colour, second.symbol)
    dock.colours.set_key("verdict")
    dock._recolour()
    qtbot.waitUntil(lambda: "new" in dock.legend.buttons, timeout=20000)
    assert {title: button.text() for title, button in dock.legend.buttons.items()}["new"] == "new 2"  # 8 is flagged
    dock.colours.runs.setCurrentIndex(0)
    dock.colours.filtered.emit()
    assert dock.legend.buttons["new"].text() == "new 5"


# ------------------------------------------------------------------------------------------------------------ geometry


def test_a_lasso_holds_what_the_reference_says() -> None:
    from skimage.measure import points_in_poly

    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (500, 2))
    angles = np.linspace(0, 2 * np.pi, 40)
    star = np.stack([np.cos(angles), np.sin(angles)], 1) * (0.4 + 0.4 * np.cos(5 * angles))[:, None]
    np.testing.assert_array_equal(inside(points, star), points_in_poly(points, star))


def test_arrows_go_to_the_nearest_point_in_their_direction() -> None:
    points = np.array([[0.0, 0], [2, 1], [1, 3], [-1, 0], [5, 0]])
    allowed = np.ones(5, bool)
    found = [towards(points, 0, way, allowed) for way in ((1, 0), (0, 1), (-1, 0), (0, -1))]
    assert found == [1, 2, 3, None]
    allowed[1] = False
    assert towards(points, 0, (1, 0), allowed) == 4


def test_an_outline_leaves_a_straggler_outside() -> None:
    rng = np.random.default_rng(0)
    points = np.concatenate([rng.normal(size=(30, 2)), [[100.0, 100.0]]])
    around = outline_of(points, 0.5)
    assert inside(points, around).tolist()[-1] is False
    assert inside(points[:30], around).mean() > 0.9


def test_points_follow_the_database(filled: Project) -> None:
    with SampleStore(filled.samples_path) as store:
        points = read_points(store, filled, "sharpness")
        assert points.states.tolist() == [REAL] * 4 + ["accepted"] * 2 + ["rejected"] + ["new"] * 5 + ["flagged"]
        np.testing.assert_array_equal(points.values, [np.nan] * 4 + list(range(9)))
        assert (points.unmapped, points.side, points.regions) == (0, 64, ((0, 1, 2, 3),))
        assert points.summary == "t-SNE, perplexity 4, divergence 0.50; features of random"
        store.add(pair(50))
        assert read_points(store, filled).unmapped == 1
        store._db.execute("DELETE FROM samples WHERE id = 'sample_0'")
        fewer = read_points(store, filled)
    assert "sample_0" not in fewer.ids
    assert len(fewer.xy) == len(fewer.ids) == N + REALS - 1
    assert {group.title: len(group.rows) for group in groups_of(points, "verdict")} == {
        "real": 4, "new": 5, "accepted": 2, "rejected": 1, "flagged": 1,
    }  # fmt: skip
    assert [group.title for group in groups_of(points, "run")] == ["real", "run 1"]
    shades = {group.title: group.shades for group in groups_of(points, "sharpness")}
    assert shades["real"] is None
    assert shades["accepted"][0] < 0.02 < shades["accepted"][1] < shades["flagged"][0]


# --------------------------------------------------------------------------------------------------------------- mouse


def test_click_ctrl_click_and_click_beside(dock: MapWidget, qtbot: Any) -> None:
    port = dock.view.viewport()
    qtbot.mouseClick(port, LEFT, NO_KEY, pixel(dock, sample(4)))
    assert ids_of(dock) == ["sample_4"]
    qtbot.mouseClick(port, LEFT, CTRL, pixel(dock, sample(0)))
    assert ids_of(dock) == ["sample_0", "sample_4"]
    assert dock.workspace.selected == ("sample_0", "sample_4")
    qtbot.mouseClick(port, LEFT, CTRL, pixel(dock, sample(4)))
    assert ids_of(dock) == ["sample_0"]
    qtbot.mouseClick(port, LEFT, NO_KEY, QPoint(3, 3))
    assert ids_of(dock) == []
    assert dock.workspace.selected == ()


def test_shift_and_drag_catches_what_is_shown(dock: MapWidget, qtbot: Any) -> None:
    drag(dock.view, around(dock, [sample(number) for number in range(6)]), SHIFT)
    assert ids_of(dock) == [f"sample_{number}" for number in range(6)]
    dock.lasso_button.click()
    drag(dock.view, around(dock, [sample(7), sample(8)]))
    assert ids_of(dock) == ["sample_7", "sample_8"]
    dock.legend.buttons["accepted"].click()  # hidden points are not caught
    drag(dock.view, around(dock, [sample(number) for number in range(3)]))
    assert ids_of(dock) == ["sample_2"]
    qtbot.mouseClick(dock.view.viewport(), LEFT, NO_KEY, pixel(dock, sample(0)))
    assert ids_of(dock) == []


def test_drag_pans_by_the_way_of_the_mouse_and_double_click_shows_all(dock: MapWidget, qtbot: Any) -> None:
    before = dock.view.pixel_of(sample(4))
    start = QPointF(6, 6)
    drag(dock.view, [start, start + QPointF(30, 15), start + QPointF(60, 40)])
    after = dock.view.pixel_of(sample(4))
    assert (after - before).x() == pytest.approx(60, abs=0.5)
    assert (after - before).y() == pytest.approx(40, abs=0.5)
    assert ids_of(dock) == []
    qtbot.mouseDClick(dock.view.viewport(), LEFT, NO_KEY, QPoint(3, 3))
    again = dock.view.pixel_of(sample(4))
    assert (again - before).manhattanLength() < 1


def test_the_legend_explains_and_hides_empty_regions(dock: MapWidget) -> None:
    button = dock.legend.buttons["empty regions"]
    assert (button.text(), button.toolTip()) == ("empty regions 1", ABOUT_REGIONS)
    assert all(mark.isVisible() for mark in dock.view._marks)
    button.click()
    assert dock.view._marks
    assert not any(mark.isVisible() for mark in dock.view._marks)


def test_hovering_shows_thumbnail_and_words(dock: MapWidget, qtbot: Any) -> None:
    send(dock.view, QMouseEvent.Type.MouseMove, QPointF(pixel(dock, sample(8))), held=Qt.MouseButton.NoButton)
    assert dock.card.isVisible()
    whole, covered = dock.screen().availableGeometry(), QRect(dock.view.mapToGlobal(QPoint(0, 0)), dock.view.size())
    assert whole.contains(dock.card.geometry())  # never cut
    assert not covered.intersects(dock.card.geometry())  # and over no point
    qtbot.waitUntil(lambda: "Flagged: a copy of a real image" in dock.card.words.text(), timeout=10000)
    image = dock._thread.image("sample_8", 144, "outline")
    assert image is not None
    assert image.width() == 144
    send(dock.view, QMouseEvent.Type.MouseMove, QPointF(pixel(dock, 1)), held=Qt.MouseButton.NoButton)
    assert dock.card.words.text() == "real0_y0_x64_r0\nreal tile"
    qtbot.waitUntil(lambda: TilePlace("real0", 0, 64) in dock.card.pictures, timeout=10000)
    assert not dock.card.pictures[TilePlace("real0", 0, 64)].isNull()
    send(dock.view, QMouseEvent.Type.MouseMove, QPointF(2, 2), held=Qt.MouseButton.NoButton)
    assert not dock.card.isVisible()


def test_double_click_and_enter_open_layers(dock: MapWidget, viewer: Any, qtbot: Any) -> None:
    qtbot.mouseDClick(dock.view.viewport(), LEFT, NO_KEY, pixel(dock, sample(3)))
    qtbot.waitUntil(lambda: "sample_3 mask" in viewer.layers, timeout=10000)
    np.testing.assert_array_equal(viewer.layers["sample_3"].data, pair(3).image[0])
    dock.view.choose([3])
    qtbot.keyClick(dock.view, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: "real0_y64_x64_r0" in viewer.layers, timeout=10000)
    np.testing.assert_array_equal(viewer.layers["real0_y64_x64_r0"].data, BIG[64:, 64:])


# ---------------------------------------------------------------------------------------------------------------- keys


def test_arrows_walk_numbers_choose_regions_and_escape_ends(dock: MapWidget, qtbot: Any) -> None:
    dock.view.choose([sample(4)])
    walked = []
    for key in (Qt.Key.Key_Right, Qt.Key.Key_Up, Qt.Key.Key_Left, Qt.Key.Key_Left, Qt.Key.Key_Down):
        qtbot.keyClick(dock.view, key)
        walked += ids_of(dock)
    assert walked == ["sample_5", "sample_8", "sample_7", "sample_6", "sample_3"]
    qtbot.keyClick(dock.view, Qt.Key.Key_1)
    assert dock.view.chosen.tolist() == [0, 1, 2, 3]
    qtbot.keyClick(dock.view, Qt.Key.Key_Escape)
    assert ids_of(dock) == []
    qtbot.keyClick(dock.view, Qt.Key.Key_A, CTRL)
    assert len(ids_of(dock)) == N + REALS


def test_verdicts_by_keys_are_one_history(dock: MapWidget, filled: Project, qtbot: Any) -> None:
    drag(dock.view, around(dock, [sample(3), sample(4)]), SHIFT)
    qtbot.keyClick(dock.view, "a")
    qtbot.waitUntil(lambda: dock.points.states[sample(3)] == "accepted", timeout=10000)
    assert [verdicts(filled)[f"sample_{number}"] for number in (3, 4)] == ["accepted"] * 2
    assert dock.legend.buttons["accepted"].text() == "accepted 4"
    qtbot.keyClick(dock.view, "u")
    qtbot.waitUntil(lambda: dock.points.states[sample(3)] == "new", timeout=10000)
    assert verdicts(filled)["sample_4"] == "new"
    dock.view.choose([0])
    qtbot.keyClick(dock.view, "r")
    assert dock.message.text() == "Real tiles have no verdict."


def test_a_verdict_given_elsewhere_recolours_its_point(dock: MapWidget, filled: Project, qtbot: Any) -> None:
    with SampleStore(filled.samples_path) as store:  # another window
        store.decide(["sample_5"], "rejected")
    qtbot.waitUntil(lambda: dock.points.states[sample(5)] == "rejected", timeout=10000)
    assert dock.legend.buttons["rejected"].text() == "rejected 2"


# ----------------------------------------------------------------------------------------------------- with the gallery


def test_gallery_and_map_follow_each_other(dock: MapWidget, viewer: Any, filled: Project, qtbot: Any) -> None:
    gallery = CurateWidget(viewer)
    place_dock(viewer, qtbot, gallery, "Curate")
    thread = gallery._thread
    qtbot.waitUntil(lambda: len(gallery.columns.views["new"].samples.ids) == 6, timeout=20000)
    qtbot.waitUntil(lambda: not gallery._telling.isActive())
    told: list[Any] = []
    dock.workspace.selectionChanged.connect(told.append)
    gallery.columns.views["new"].select(["sample_5", "sample_6"])
    qtbot.waitUntil(lambda: ids_of(dock) == ["sample_5", "sample_6"], timeout=10000)
    assert told == [("sample_5", "sample_6")]
    drag(dock.view, around(dock, [sample(number) for number in range(6)]), SHIFT)
    assert gallery.columns.views["new"].selected() == ["sample_3", "sample_4", "sample_5"]
    assert gallery.columns.views["accepted"].selected() == ["sample_0", "sample_1"]
    assert gallery.columns.views["rejected"].selected() == ["sample_2"]
    qtbot.wait(150)
    assert len(told) == 2  # no echo
    assert len(ids_of(dock)) == 6
    assert len(gallery.selected()) == 6  # a key means all that is lit up
    qtbot.keyClick(gallery.columns.views["new"], "r")
    qtbot.waitUntil(lambda: all(dock.points.states[sample(number)] == "rejected" for number in range(6)), timeout=10000)
    thread.close()


# ---------------------------------------------------------------------------------------------------------------- jobs


def test_states_of_the_dock(viewer: Any, project: Project, filled: Project, qtbot: Any) -> None:
    workspace = Workspace.of(viewer)
    dock = MapWidget(viewer)
    place_dock(viewer, qtbot, dock, "Map")
    qtbot.waitUntil(dock.empty.isVisible, timeout=10000)
    assert dock.empty.sentence.text().endswith("Open a project first.")
    filled.map_path.unlink()
    workspace.setProject(filled)
    qtbot.waitUntil(lambda: dock.points.unmapped == N, timeout=10000)
    assert not dock.empty.isVisible()
    assert dock.button.text() == "Make the map"
    assert dock.foot.text() == "9 pairs are not on the map yet."
    thread = dock._thread
    thread.close()


def test_an_untouched_form_gives_the_defaults(dock: MapWidget) -> None:
    assert dock.value() == MapSettings()
    changed = MapSettings(method="pca", perplexity=12.5, samples=77, seed=3)
    dock.setValue(changed)
    assert dock.value() == changed
    dock.copy_button.click()
    words = QApplication.clipboard().text()
    assert words.startswith("organoid-synth map ")
    assert words.endswith("--set method=pca --set perplexity=12.5 --set samples=77 --set seed=3")


def test_a_better_map_is_shown_while_the_job_runs(dock: MapWidget, filled: Project, fake_job: Any, qtbot: Any) -> None:
    dock.button.click()
    qtbot.waitUntil(lambda: dock.runner.running)
    assert dock.progress.isVisible()
    assert not dock.button.isVisible()
    before = read_map(filled)
    assert before is not None
    better = SampleMap(2 * before.coordinates, before.record.replace(method="pca", kl=None, perplexity=None))
    write_map(filled, better)
    dock.runner.event.emit(Saved(1, str(filled.map_path)))
    qtbot.waitUntil(lambda: dock.points.summary.startswith("PCA"), timeout=10000)
    np.testing.assert_array_equal(dock.points.xy, better.coordinates)
    qtbot.waitUntil(lambda: not dock.runner.running, timeout=30000)
    assert dock.button.isVisible()


def test_a_failed_job_says_why(dock: MapWidget, fake_job: Any, qtbot: Any) -> None:
    fake_job.setenv("FAKE_JOB", "fail")
    dock.button.click()
    qtbot.waitUntil(lambda: dock.error.isVisible(), timeout=30000)
    assert "All 14 tiles are empty." in dock.error.found.text()
    assert dock.button.isVisible()


def test_generate_here_needs_real_tiles_and_a_run(dock: MapWidget, qtbot: Any, filled: Project, fake_job: Any) -> None:
    assert not dock.filler.here_button.isEnabled()
    assert "empty region" in dock.filler.here_button.toolTip()
    dock.filler.region.setCurrentIndex(1)
    dock.filler.region.activated.emit(1)
    assert dock.view.chosen.tolist() == [0, 1, 2, 3]
    assert "Train a generator first." in dock.filler.here_button.toolTip()
    run = filled.path / "runs" / "x-train"
    (run / "checkpoints").mkdir(parents=True)
    (run / "recipe.yaml").write_text("gan: pix2pix\n")
    (run / "checkpoints" / "step_00000002.json").write_text("{}")
    dock.workspace.runsChanged.emit()
    assert dock.filler.here_button.isEnabled()
    qtbot.keyClick(dock.view, "g")
    assert dock.filler.more.isVisible()
    dock.filler.number.setValue(7)
    dock.filler.make_button.click()
    assert dock.filler.runner.running
    settings = (dock.filler.runner.folder.path / "settings.yaml").read_text()
    assert "number: 7" in settings
    assert "run: x-train" in settings
    assert all(f"- {name}" in settings for name in dock.points.ids[:4])
    qtbot.waitUntil(lambda: not dock.filler.runner.running, timeout=30000)


def test_what_came_of_it_is_a_number() -> None:
    result = {
        "added": 20, "nearer": 0.34, "distance": 2.1, "distance_plain": 3.2,
        "covered": 5, "tiles": 7, "covered_plain": 1,
    }  # fmt: skip
    assert fill_words(result) == (
        "20 pairs added. They are 34% nearer to these tiles than the same number drawn without choosing (2.1 "
        "instead of 3.2) and cover 5 of 7 tiles instead of 1. Update the map to see them on it."
    )
    assert fill_words({"added": 0}) == "No pairs were added."


def test_ten_thousand_selected_do_not_stall(viewer: Any, project: Project, qtbot: Any) -> None:
    """What a lasso around everything costs the window, in processor time of its thread."""
    import time

    view = MapView()
    qtbot.addWidget(view)
    rng = np.random.default_rng(0)
    from napari_organoid_synth.widgets.map.points import Points

    states = np.array(["new", "accepted"], object)[rng.integers(2, size=10_000)]
    points = Points(
        xy=rng.normal(size=(10_000, 2)),
        ids=tuple(f"s{k}" for k in range(10_000)),
        runs=np.full(10_000, "run", object),
        states=states,
    )
    view.show_points(points, groups_of(points, "verdict"), True)
    begin = time.thread_time()
    view.choose(np.arange(10_000))
    assert time.thread_time() - begin < 1.0
    assert len(view.chosen) == 10_000
