"""Cards: what they say and do."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QApplication

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Failed, Progress
from napari_organoid_synth.core.quantities import words_for_seconds
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.widgets.shared.buttons import CONFIRM_MS
from napari_organoid_synth.widgets.shared.cards import EmptyCard, ErrorCard
from napari_organoid_synth.widgets.shared.jobs import JobRunner
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.text_label import WrapLabel


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "about 1 min"),
        (38 * 60, "about 40 min"),
        (58 * 60, "about 1 h"),
        (80 * 60, "about 1 h 20 min"),
        (23 * 3600, "about 23 h"),
        (26 * 3600, "about 1 day"),
        (80 * 3600, "about 3 days"),
    ],
)
def test_durations_are_honest(seconds, words):
    assert words_for_seconds(seconds) == words


def test_an_error_says_found_expected_todo_and_can_be_copied(qtbot):
    card = ErrorCard()
    qtbot.addWidget(card)
    assert card.isHidden()
    card.show_error(UserError("cell.tif holds 0 bytes.", "Expected a TIFF.", "Copy it again."))
    assert not card.isHidden()
    assert card.found.text() == "✕ cell.tif holds 0 bytes."
    card.copy_button.click()
    text = QApplication.clipboard().text()
    assert text.startswith("cell.tif holds 0 bytes.\nExpected a TIFF.\nCopy it again.")
    assert "UserError" in text
    assert card.copy_button.text() == "Copied"
    qtbot.waitUntil(lambda: card.copy_button.text() == "Copy report", timeout=2 * CONFIRM_MS)
    card.show_error(Failed(0, "No memory.", "", "", "log line"))
    assert card.expected.isHidden()
    card.copy_button.click()
    assert QApplication.clipboard().text().endswith("log line")
    with qtbot.waitSignal(card.closed):
        card.close_button.click()
    assert card.isHidden()


def test_an_unforeseen_error_names_its_type(qtbot):
    card = ErrorCard()
    qtbot.addWidget(card)
    try:
        raise KeyError("gone")
    except KeyError as error:
        card.show_error(error)
    assert "KeyError" in card.found.text()
    assert "Traceback" in card.report


def test_long_file_names_wrap_and_keep_their_text(qtbot):
    name = "a_very_long_file_name_that_would_widen_the_dock_mask.tif"
    label = WrapLabel(name)
    qtbot.addWidget(label)
    assert label.text() == name
    assert label.heightForWidth(120) > 2 * label.fontMetrics().height()


def test_an_empty_card_has_its_ways_out(qtbot):
    pressed = []
    card = EmptyCard("Nothing here.", {"Fill it": lambda: pressed.append(1)})
    qtbot.addWidget(card)
    card.buttons[0].click()
    assert pressed == [1]


def test_progress_is_visible_while_a_job_runs(qtbot, fake_job, project):
    fake_job.setenv("FAKE_STEPS", "100000")
    runner = JobRunner("train")
    card = ProgressCard(runner)
    qtbot.addWidget(card)
    assert card.isHidden()
    runner.start("train", project, Recipe())
    assert not card.isHidden()
    qtbot.waitUntil(lambda: card.bar.maximum() > 0, timeout=10000)  # 0: nothing is known yet
    qtbot.waitUntil(lambda: card.message.text().startswith("step "), timeout=3000)
    card.pause_button.click()
    assert runner.state == "paused"
    assert card.pause_button.text() == card.pause_button.accessibleName() == "Resume"
    qtbot.wait(300)
    assert card.message.text().startswith("Paused")
    card.pause_button.click()
    with qtbot.waitSignal(runner.finished, timeout=5000):
        card.stop_button.click()
    assert card.isHidden()
    runner.wait()


def test_the_bar_moves_within_a_step_that_takes_minutes(qtbot, fake_job, project):
    runner = JobRunner("gain")
    card = ProgressCard(runner, unit="training")
    qtbot.addWidget(card)
    for event, filled in ((Progress(1, 5), 0.2), (Progress(1, 5, part=1.5), 0.5), (Progress(5, 5), 1.0)):
        runner.event.emit(event)
        assert card.bar.value() / card.bar.maximum() == filled
    runner.event.emit(Progress(7))
    assert card.bar.maximum() == 0  # of how many is not known


def test_one_line_about_a_step(qtbot):
    card = ProgressCard(JobRunner("train"), unit="pair")
    qtbot.addWidget(card)
    assert card.describe(Progress(12, 50, seconds_left=840.0)) == "pair 12 of 50 · about 15 min left"
    assert card.describe(Progress(1200, 0, note="real, fold 2")) == "real, fold 2 · pair 1,200"
    card = ProgressCard(JobRunner("adapt"), unit="%")
    qtbot.addWidget(card)
    assert card.describe(Progress(267, 1000, note="painted, seed 1")) == "painted, seed 1 · 27%"
