"""A blind test with real keys: what is shown, when the clock runs, what is on disk, what the dock makes of it."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from qtpy.QtCore import QEvent, Qt
from qtpy.QtGui import QKeyEvent
from qtpy.QtWidgets import QApplication, QLabel, QPushButton

from napari_organoid_synth.core.blind.pictures import Pictures
from napari_organoid_synth.core.blind.session import Session, read_session, read_sessions
from napari_organoid_synth.core.blind.settings import BlindSettings
from napari_organoid_synth.core.blind.setup import make_session
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.query import parse
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.widgets.blind.dock import BlindWidget
from napari_organoid_synth.widgets.blind.page import AHEAD, BlindPage, PictureView
from napari_organoid_synth.widgets.blind.results import TOGETHER
from napari_organoid_synth.widgets.shared.workspace import Workspace

SIDE = 32
SLOW = 30_000
"""Milliseconds to wait on a busy machine."""
KEY = {"real": Qt.Key.Key_R, "synthetic": Qt.Key.Key_S, "left": Qt.Key.Key_Left, "right": Qt.Key.Key_Right}
OTHER = {"real": "synthetic", "synthetic": "real", "left": "right", "right": "left"}


@pytest.fixture
def filled(project: Project) -> Project:
    """Real images of 128 px, and a dozen samples of 32 px."""
    rng = np.random.default_rng(0)
    labels = np.kron(np.arange(1, 65, dtype=np.int32).reshape(8, 8), np.pad(np.ones((8, 8), np.int32), 4))
    for number in range(2):
        image = (rng.integers(0, 120, labels.shape) + 120 * (labels > 0)).astype(np.uint8)
        add_pair(project, SamplePair(f"real{number}", image[None], labels, class_names=("cell",)), "instances")
    with SampleStore(project.samples_path) as store:
        for number in range(12):
            image = (rng.integers(0, 120, (1, SIDE, SIDE)) + 120 * (labels[:SIDE, :SIDE] > 0)).astype(np.uint8)
            mask = labels[:SIDE, :SIDE]
            store.add(SamplePair(f"made{number}", image, mask, "instances", ("cell",), source=Source("synthetic")))
    return project


@pytest.fixture
def start(filled: Project, qtbot: Any) -> Iterator[Any]:
    """Opens the window of a test; ``start(number=4, ...)``."""
    opened: list[BlindPage] = []

    def begin(run: bool = True, **changes: Any) -> BlindPage:
        session = make_session(filled, BlindSettings(**{"number": 4, "seed": 1, **changes}))
        page = BlindPage(filled, session)
        page.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose, False)
        opened.append(page)
        page.open()
        qtbot.waitExposed(page)
        qtbot.waitUntil(lambda: len(page._ready) == min(AHEAD, len(session.questions)), timeout=SLOW)
        if run:
            qtbot.keyClick(page, Qt.Key.Key_Space)
            wait_for_picture(qtbot, page)
        return page

    yield begin
    for page in opened:
        page.close()
        page.deleteLater()


def wait_for_picture(qtbot: Any, page: BlindPage) -> None:
    qtbot.waitUntil(lambda: page._state == "showing" and page._begun is not None, timeout=SLOW)


def truth(page: BlindPage) -> str:
    return page.session.truth(page._open[0])


def press(qtbot: Any, page: BlindPage, choice: str) -> None:
    qtbot.keyClick(page, KEY[choice])


# ------------------------------------------------------------------------------------------------------- the picture


def test_pixels_are_whole_and_not_smoothed(qtbot: Any) -> None:
    view = PictureView()
    qtbot.addWidget(view)
    view.resize(350, 221)
    picture = np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)
    for pictures, scale in (([picture], 6), ([picture, picture[::-1]], 5)):
        view.show_pictures(pictures)
        grabbed = view.grab().toImage()
        for shown, place in zip(pictures, view.places(), strict=True):
            assert (place.width(), place.height()) == (scale * SIDE, scale * SIDE)
            for y, x in ((0, 0), (SIDE - 1, SIDE - 1), (7, 19)):
                for corner in (0, scale - 1):
                    at = int(place.x()) + scale * x + corner, int(place.y()) + scale * y + corner
                    colour = grabbed.pixelColor(*at)
                    assert [colour.red(), colour.green(), colour.blue()] == shown[y, x].tolist()


def test_a_picture_larger_than_the_room_is_shrunk_to_it(qtbot: Any) -> None:
    view = PictureView()
    qtbot.addWidget(view)
    view.resize(300, 200)
    view.show_pictures([np.zeros((400, 800, 3), np.uint8)])
    (place,) = view.places()
    assert (place.width(), place.height()) == (300, 150)


# --------------------------------------------------------------------------------------------------- keys and clock


def test_every_answer_is_on_disk_before_the_next_picture(qtbot: Any, start: Any) -> None:
    page = start(number=12)
    path, ended = page.session.path, []
    page.ended.connect(lambda: ended.append(True))
    for number in range(12):
        wait_for_picture(qtbot, page)
        assert len(read_session(path).answers) == number
        assert page.progress.text() == f"{number + 1} of 12"
        assert page.view.showing
        press(qtbot, page, truth(page) if number % 3 else OTHER[truth(page)])
        assert not page.view.showing  # nothing is shown while it is written
    qtbot.waitUntil(lambda: bool(ended), timeout=SLOW)
    found = read_session(path)
    assert found.result().wrong.count == 4
    assert [one.question for one in found.answers] == list(range(12))
    assert not page.isVisible()


def test_the_clock_runs_from_the_paint_to_the_key(qtbot: Any, start: Any) -> None:
    page = start()
    painted = page._begun
    qtbot.wait(300)
    before = time.perf_counter() - painted
    press(qtbot, page, "real")
    after = time.perf_counter() - painted
    wait_for_picture(qtbot, page)
    assert before <= page.session.answers[0].seconds <= after + 0.001
    assert page._begun > painted + after  # of the next one


def test_a_pause_hides_the_picture_and_stops_the_clock(qtbot: Any, start: Any) -> None:
    page = start()
    begun = page._begun
    qtbot.wait(50)
    qtbot.keyClick(page, Qt.Key.Key_Space)
    seen = time.perf_counter() - begun
    assert page.paused
    assert not page.view.showing
    qtbot.wait(400)
    press(qtbot, page, "real")  # no answer to what is hidden
    assert page._state == "showing"
    qtbot.keyClick(page, Qt.Key.Key_Space)
    wait_for_picture(qtbot, page)
    assert page.view.showing
    again = page._begun
    press(qtbot, page, "real")
    seen += time.perf_counter() - again
    wait_for_picture(qtbot, page)
    answer = page.session.answers[0]
    assert 0.05 <= answer.seconds <= seen + 0.001
    assert (answer.pauses, page._pauses) == (1, 0)


def test_after_its_time_the_picture_is_hidden_and_the_question_stays(qtbot: Any, start: Any) -> None:
    page = start(seconds=0.2)
    qtbot.waitUntil(lambda: not page.view.showing, timeout=SLOW)
    assert page._state == "showing"
    assert page.question.isVisible()
    for _ in range(2):  # a pause does not show it again
        qtbot.keyClick(page, Qt.Key.Key_Space)
    assert not page.view.showing
    press(qtbot, page, "synthetic")
    wait_for_picture(qtbot, page)
    assert page.session.answers[0].choice == "synthetic"
    assert page.session.answers[0].seconds >= 0.19
    assert page.view.showing


def test_a_key_held_down_and_foreign_keys_answer_nothing(qtbot: Any, start: Any) -> None:
    page = start()
    held = QKeyEvent(QEvent.Type.KeyPress, Qt.Key.Key_R, Qt.KeyboardModifier.NoModifier, "r", True)
    QApplication.sendEvent(page, held)
    for choice in ("left", "right"):
        press(qtbot, page, choice)
    qtbot.keyClick(page, Qt.Key.Key_X)
    assert page._state == "showing"
    press(qtbot, page, "real")
    press(qtbot, page, "real")  # a bounce: the next picture is not there yet
    wait_for_picture(qtbot, page)
    qtbot.wait(50)
    assert len(read_session(page.session.path).answers) == 1


def test_arrows_and_buttons_in_pairs(qtbot: Any, start: Any) -> None:
    page = start(way="in pairs", number=3)
    assert len(page.view.places()) == 2
    press(qtbot, page, "left")
    wait_for_picture(qtbot, page)
    qtbot.mouseClick(page.buttons["right"], Qt.MouseButton.LeftButton)
    wait_for_picture(qtbot, page)
    assert [one.choice for one in page.session.answers] == ["left", "right"]


def test_practice_tells_after_each_answer(qtbot: Any, start: Any) -> None:
    page = start(practice=True)
    for right in (True, False):
        expected = truth(page)
        press(qtbot, page, expected if right else OTHER[expected])
        qtbot.waitUntil(lambda: page._state == "feedback", timeout=SLOW)
        mark = "✓ Correct" if right else "✕ Wrong"
        assert page.feedback.text() == f"{mark}: it is {expected}. Press Space to continue."
        assert page.view.showing  # to look again
        qtbot.keyClick(page, Qt.Key.Key_Space)
        wait_for_picture(qtbot, page)
        assert page.feedback.text() == ""
    assert len(page.session.answers) == 2


def test_another_window_in_front_pauses(qtbot: Any, start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    page = start()
    monkeypatch.setattr(page, "isActiveWindow", lambda: False)
    QApplication.sendEvent(page, QEvent(QEvent.Type.ActivationChange))
    assert page.paused
    assert not page.view.showing


def test_nothing_tells_what_a_picture_is(qtbot: Any, start: Any) -> None:
    page = start(number=12, seed=3)
    seen: dict[str, set[Any]] = {"real": set(), "synthetic": set()}
    for _ in range(12):
        wait_for_picture(qtbot, page)
        controls = [*page.findChildren(QLabel), *page.findChildren(QPushButton), page, page.view]
        texts = [(c.objectName(), c.toolTip(), c.accessibleName(), c.windowTitle(), c.statusTip()) for c in controls]
        place = page.view.places()[0]
        image = page.view._images[0]
        seen[truth(page)].add(
            (str(texts), place.getRect(), image.format(), image.size().width(), page.view.cursor().shape())
        )
        press(qtbot, page, "real")
    assert seen["real"] == seen["synthetic"]
    assert len(seen["real"]) == 1
    assert not any(word in str(seen) for word in ("made", "real0", "real1"))


def test_pictures_are_read_ahead_and_dropped(qtbot: Any, start: Any) -> None:
    page = start(number=20)
    assert len(page._ready) == AHEAD
    press(qtbot, page, "real")
    wait_for_picture(qtbot, page)
    qtbot.waitUntil(lambda: len(page._ready) == AHEAD, timeout=SLOW)
    assert 0 not in page._ready
    expected = Pictures(page._project, page.session).question(1)[0]
    image = page.view._images[0]
    for y, x in ((0, 0), (5, 9)):
        colour = image.pixelColor(x, y)
        assert [colour.red(), colour.green(), colour.blue()] == expected[y, x].tolist()


def test_closing_keeps_the_answer_that_is_on_its_way(qtbot: Any, start: Any) -> None:
    page = start()
    press(qtbot, page, "real")
    page.close()
    assert len(read_session(page.session.path).answers) == 1


def test_an_answer_that_cannot_be_written_ends_the_test(qtbot: Any, start: Any) -> None:
    page = start()
    errors: list[Any] = []
    page.failed.connect(errors.append)
    page.session.path.unlink()
    press(qtbot, page, "real")
    qtbot.waitUntil(lambda: bool(errors), timeout=SLOW)
    assert "cannot be written" in str(errors[0])
    assert not page.isVisible()


def test_a_picture_that_is_gone_ends_the_test(qtbot: Any, filled: Project) -> None:
    session = make_session(filled, BlindSettings(number=4))
    filled.pairs_path.unlink()
    page, errors = BlindPage(filled, session), []
    page.failed.connect(errors.append)
    qtbot.waitUntil(lambda: bool(errors), timeout=SLOW)
    assert isinstance(errors[0], UserError)


def test_full_screen_and_back(qtbot: Any, start: Any) -> None:
    page = start(run=False)
    qtbot.keyClick(page, Qt.Key.Key_F11)
    assert page.isFullScreen()
    qtbot.keyClick(page, Qt.Key.Key_F11)
    assert not page.isFullScreen()
    assert page.minimumWidth() >= 640
    assert page.minimumHeight() >= 480


# --------------------------------------------------------------------------------------------------------- the dock


@pytest.fixture
def dock(make_napari_viewer: Any, filled: Project, qtbot: Any) -> Iterator[BlindWidget]:
    viewer = make_napari_viewer(show=True)
    Workspace.of(viewer).setProject(filled)
    widget = BlindWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Blind test", area="right")
    qtbot.waitUntil(lambda: widget.available.text().startswith("12 "), timeout=SLOW)
    yield widget
    if widget.page is not None:
        widget.page.stop()
    widget.background.close(finish=True)


def open_test(qtbot: Any, dock: BlindWidget) -> BlindPage:
    """Begin the test whose window is about to open."""
    qtbot.waitUntil(lambda: dock.page is not None, timeout=SLOW)
    page = dock.page
    assert page is not None
    qtbot.waitExposed(page)
    qtbot.keyClick(page, Qt.Key.Key_Space)
    return page


def answer(qtbot: Any, dock: BlindWidget, page: BlindPage, number: int, right: bool = True) -> None:
    for _ in range(number):
        wait_for_picture(qtbot, page)
        press(qtbot, page, truth(page) if right else OTHER[truth(page)])


def sessions(dock: BlindWidget) -> list[Session]:
    assert dock.workspace.project is not None
    return read_sessions(dock.workspace.project)


def test_a_whole_test_in_the_window(qtbot: Any, dock: BlindWidget, filled: Project, tmp_path: Path) -> None:
    dock.form.show_value(BlindSettings(number=12, seed=2))
    qtbot.keyClicks(dock.form["observer"].native, "Anne")
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    assert not dock.button.isEnabled()
    assert dock.reason.text() == "Choosing pictures…"
    page = open_test(qtbot, dock)
    assert dock.reason.text() == "A test is open in its window."
    answer(qtbot, dock, page, 5)
    wait_for_picture(qtbot, page)
    qtbot.keyClick(page, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: dock.unfinished.count() == 1, timeout=SLOW)
    assert dock.page is None
    assert dock.panel.headline.text() == "Too few answers to say whether they can be told apart: 5."
    assert dock.panel.words.text().startswith("Anne recognised 5 of 5")
    assert not dock.panel.numbers.isExpanded()
    button = dock.unfinished.itemAt(0).widget()
    assert button.text().endswith(", Anne, 5 of 12")

    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    page = open_test(qtbot, dock)
    with qtbot.waitSignal(dock.workspace.samplesChanged, timeout=SLOW):
        answer(qtbot, dock, page, 7, right=False)
    qtbot.waitUntil(lambda: dock.shown.results and dock.shown.results[0].wrong.total == 12, timeout=SLOW)
    assert dock.unfinished.count() == 0
    assert dock.panel.headline.text().startswith("Anne could not tell synthetic from real images: right in 42 % of 12")
    assert dock.panel.words.text().startswith("Anne recognised 5 of 12 (42 %, 19 to 68 %): no better than guessing")
    assert dock.panel.rates.rates["all"].count == 7
    assert [len(dock.panel.times.times[word]) for word in ("right", "wrong")] == [5, 7]
    (session,) = sessions(dock)
    convincing = {
        question[0].name
        for number, question in enumerate(session.questions)
        if question[0].kind == "synthetic" and session.answers[number].choice == "real"
    }
    assert {example.judgement.picture.name for example in dock.shown.examples["convincing"]} == convincing
    with SampleStore(filled.samples_path) as store:
        found = store.listing(condition=parse("blind_real > 0.5", store.metrics()))
        assert {id for id, _, fits in found if fits} == convincing
        assert set(store.metrics()) >= {"blind_real", "blind_seconds"}

    file = tmp_path / "results.csv"
    dock.save_results(file)
    assert sum(int(row["correct"]) for row in csv.DictReader(file.read_text().splitlines())) == 5
    qtbot.mouseClick(dock.copy_button, Qt.MouseButton.LeftButton)
    assert "Anne recognised 5 of 12" in QApplication.clipboard().text()
    first = dock.panel.tiles["doubted"].itemAt(0).widget()
    first.click()
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 2, timeout=SLOW)
    assert dock.viewer.layers[0].data.shape == (SIDE, SIDE)
    assert dock.workspace.remembered("blind")["observer"] == "Anne"

    qtbot.mouseClick(dock.again_button, Qt.MouseButton.LeftButton)  # the same pictures for somebody else
    page = open_test(qtbot, dock)
    answer(qtbot, dock, page, 12)
    qtbot.waitUntil(lambda: dock.tests.count() == 3, timeout=SLOW)
    dock.refresh(TOGETHER)
    qtbot.waitUntil(lambda: dock.shown.chosen == TOGETHER, timeout=SLOW)
    assert dock.shown.lines[0].startswith("2 tests one by one (Anne): 7 of 24")
    assert "Cohen's kappa" in dock.shown.lines[-1]


def test_a_test_without_an_answer_leaves_nothing(qtbot: Any, dock: BlindWidget) -> None:
    dock.form.show_value(BlindSettings(number=4))
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    page = open_test(qtbot, dock)
    qtbot.keyClick(page, Qt.Key.Key_Escape)
    qtbot.waitUntil(lambda: not sessions(dock), timeout=SLOW)
    assert dock.results.isHidden()
    assert dock.button.isEnabled()


def test_what_cannot_be_pressed_says_why(qtbot: Any, dock: BlindWidget, project: Project, tmp_path: Path) -> None:
    dock.form.show_value(BlindSettings(samples="accepted"))
    dock._judge()
    assert dock.reason.text().startswith("There are no such synthetic pairs.")
    dock.form.show_value(BlindSettings(practice=True))
    dock._judge()
    assert dock.button.isEnabled()
    assert dock.button.text() == "Start practising"
    dock.form.show_value(BlindSettings())
    project.pairs_path.write_text('{"entries": []}')
    dock._judge()
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not dock.error.isHidden(), timeout=SLOW)
    assert "no usable pair" in dock.error.found.text()
    assert dock.button.isEnabled()
    dock.workspace.setProject(tmp_path / "another")
    assert dock.body.isHidden()
    assert "no synthetic pairs yet" in dock.empty.sentence.text()


def test_another_project_ends_the_test_and_keeps_the_answers(qtbot: Any, dock: BlindWidget, tmp_path: Path) -> None:
    before = dock.workspace.project
    dock.form.show_value(BlindSettings(number=6))
    qtbot.mouseClick(dock.button, Qt.MouseButton.LeftButton)
    page = open_test(qtbot, dock)
    answer(qtbot, dock, page, 2)
    wait_for_picture(qtbot, page)
    dock.workspace.setProject(tmp_path / "another")
    assert dock.page is None
    assert len(read_sessions(before)[0].answers) == 2  # type: ignore[arg-type]
    assert dock.shown.sessions == []
