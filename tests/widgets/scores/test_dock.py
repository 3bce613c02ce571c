"""The dock Scores on the real command line in a child process, on a small simulated project."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtWidgets import QApplication, QLabel, QVBoxLayout, QWidget

from napari_organoid_synth.core.metrics.sets import Interval, SetScore
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.storage import read_set_scores
from napari_organoid_synth.widgets.scores.dock import ScoresWidget
from napari_organoid_synth.widgets.scores.rows import ScoreRow, number, verdict
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.workspace import Workspace
from simulated import sample, scene

SIDE = 64


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five real images; ten fresh draws, two of their own tiles."""
    project = Project(tmp_path_factory.mktemp("made") / "project")
    for seed in range(5):
        image, labels = scene(seed, 2 * SIDE, 16)
        add_pair(project, SamplePair(f"real{seed}", image, labels, class_names=("cell",)), "instances")
    with SampleStore(project.samples_path) as store:
        for seed in range(10):
            store.add(sample(f"good{seed}", *scene(50 + seed, SIDE)), run="run 1")
        for seed in range(2):
            image, labels = scene(seed, 2 * SIDE, 16)
            store.add(sample(f"copy{seed}", image[:, :SIDE, :SIDE], labels[:SIDE, :SIDE]), run="run 1")
    return project.path


@pytest.fixture
def dock(make_napari_viewer, made, tmp_path, qtbot):
    viewer = make_napari_viewer()
    workspace = Workspace.of(viewer)
    workspace.setProject(Project(shutil.copytree(made, tmp_path / "project")))
    dock = open_dock(viewer, "Scores")
    assert isinstance(dock, ScoresWidget)
    qtbot.waitUntil(lambda: dock.known.counts.get("new") == 12, timeout=10_000)
    yield dock
    dock.close_store()
    workspace.close()


def test_without_samples_it_says_where_they_come_from(make_napari_viewer, project):
    dock = ScoresWidget(make_napari_viewer())
    assert "Open a project" in dock.empty.sentence.text()
    dock.workspace.setProject(project)
    assert "Make some in Generate" in dock.empty.sentence.text()
    dock.workspace.close()


def test_an_untouched_dock_gives_the_defaults_and_a_file_is_asked_for(dock, tmp_path):
    assert dock.value() == ScoreSettings()
    assert dock.button.text() == "Score 12 pairs"
    assert dock.button.isEnabled()
    assert dock.runs.isHidden()  # nothing was scored
    assert dock._weights_row.isHidden()
    dock.extractor.setCurrentIndex(dock.extractor.findData("inception64"))
    assert not dock._weights_row.isHidden()
    assert not dock.button.isEnabled()
    assert "file of weights" in dock.reason.text()
    weights = tmp_path / "w.pth"
    weights.touch()
    dock.weights.setText(str(weights))
    assert dock.button.isEnabled()
    assert dock.value().weights == str(weights)
    dock.sets.setCurrentIndex(dock.sets.findData("accepted"))
    assert dock.reason.text() == "No pair is accepted yet."
    dock.by.setCurrentIndex(1)
    assert dock.value().by == ("run", "masks")
    unusual = ScoreSettings(by=("class", "verdict"))
    dock.setValue(unusual)
    assert dock.value() == unusual
    dock.setValue(ScoreSettings())
    assert dock.value() == ScoreSettings()


def test_from_pairs_to_scores_to_copies_in_curate(dock, qtbot):
    dock.setValue(ScoreSettings(extractor="random", device="cpu"))
    with qtbot.waitSignal(dock.runner.finished, timeout=120_000):
        dock.button.click()
        assert dock.reason.text() == "Pairs are being scored."
        assert not dock.progress.isHidden()
    qtbot.waitUntil(lambda: len(dock.known.sets) == 1, timeout=10_000)
    assert dock.error.isHidden()
    assert dock.outcome.text().startswith("1 set compared with the real images.")
    (kept,) = read_set_scores(dock.workspace.project)
    assert (kept.run, kept.number, kept.seed, kept.weights) == ("run 1", 12, 0, "")
    assert tuple(row.score for row in dock.table.rows) == kept.scores
    assert dock.table.rows[0].score.name == "kid"  # the first to read
    tip = dock.table.rows[0].toolTip()
    assert f"{kept.scores[0].value:.5g}" in tip
    assert f"All 12 synthetic with all {kept.scores[0].n_real} real tiles" in tip
    assert kept.scores[0].extractor in tip
    assert dock.stale.isHidden()
    assert "% reach SSIM 0.90 with a real tile" in dock.words.text()
    assert "samples are distinct" in dock.words.text()
    assert "of the masks may not fit their image" in dock.words.text()

    dock.copy_table.click()
    lines = QApplication.clipboard().text().splitlines()
    assert lines[0].split("\t")[:3] == ["run", "samples", "title"]
    assert len(lines) == 1 + len(kept.scores)
    assert float(lines[1].split("\t")[4]) == pytest.approx(kept.scores[0].value, rel=1e-5)
    dock.copy_button.click()
    assert QApplication.clipboard().text().endswith("--set extractor=random --set device=cpu")

    # the copies, and only they, in Curate
    with SampleStore(dock.workspace.project.samples_path) as store:
        flagged = [row.name for row in store.rows() if "copy" in row.flagged]
        assert {"copy0", "copy1"} <= set(flagged)
    assert dock.copies.text() == f"Show {len(flagged)} copies in Curate"
    dock.copies.click()
    curate = open_dock(dock.viewer, "Curate")
    qtbot.waitUntil(lambda: curate.bar.found.text() == f"{len(flagged)} of 12", timeout=10_000)
    assert curate.bar.filter.text() == 'flagged == copy and run == "run 1"'
    curate._thread.close()

    # another sample makes the result old, and it says so
    with SampleStore(dock.workspace.project.samples_path) as store:
        store.add(sample("late", *scene(90, SIDE)), run="run 1")
    dock.workspace.samplesChanged.emit()
    qtbot.waitUntil(lambda: not dock.stale.isHidden(), timeout=10_000)
    assert "made before 1 sample was added" in dock.stale.text()
    assert dock.button.text() == "Score 13 pairs"


def test_what_goes_wrong_is_shown_and_the_dock_stays_usable(dock, qtbot):
    for path in (dock.workspace.project.path / "pairs").rglob("*"):
        if path.is_file():
            path.write_bytes(b"nothing")
    dock.setValue(ScoreSettings(extractor="random", device="cpu"))
    with qtbot.waitSignal(dock.runner.failed, timeout=120_000):
        dock.button.click()
    assert not dock.error.isHidden()
    assert dock.error.found.text().startswith("✕ ")
    assert dock.button.isEnabled()


def kid(matched, low, high, **more):
    """A score with the interval of ± 2 around its value."""
    usual = {
        "name": "kid", "title": "KID", "unit": "", "better": "low", "extractor": "random:0", "message": "words",
        "value": matched, "matched_value": matched, "interval": Interval(low=matched - 2, high=matched + 2),
        "originals": Interval(low=low, high=high), "n_real": 9, "n_synthetic": 9, "seed": 0,
    }  # fmt: skip
    return SetScore(**(usual | more))


@pytest.mark.parametrize(
    ("better", "matched", "expected"),
    [
        ("low", 1.0, ("●", "within")),
        ("low", 3.0, ("▲", "worse")),
        ("low", 0.0, ("◆", "nearer")),
        ("high", 0.0, ("▲", "worse")),
        ("high", 3.0, ("◆", "nearer")),
        ("range", 3.0, ("▲", "above")),
        ("range", 0.0, ("▲", "below")),
    ],
)
def test_sign_and_word(better, matched, expected):
    assert verdict(kid(matched, 0.5, 2.0, better=better)) == expected
    doubtful = kid(matched, 0.5, 2.0, better=better, doubt="pure noise lies there too")
    says_nothing = expected[1] in ("within", "nearer")
    assert verdict(doubtful) == (("○", "no verdict") if says_nothing else expected)


def test_numbers_are_short():
    assert [number(value) for value in (0.0, 0.00123, 12.345, 6450.3)] == ["0", "0.00123", "12.3", "6,450"]


def test_a_bar_is_where_the_originals_are(qtbot):
    row = ScoreRow(kid(8.0, 0.0, 5.0))
    qtbot.addWidget(row)
    row.resize(300, row.sizeHint().height())
    image = row.grab().toImage()
    y = round(row.fontMetrics().height() * 1.5 + 2 * 4) + 4  # through the bar, beside the thin line and the dot
    ratio = image.width() / 300
    colours = [image.pixelColor(round(x * ratio), round(y * ratio)).name() for x in range(300)]
    from napari_organoid_synth.widgets.shared.theme import theme_colour

    blue = np.flatnonzero([colour == theme_colour("current") for colour in colours])
    column = row.fontMetrics().horizontalAdvance("○ no verdict ") + 4
    width = 300 - column - 12
    assert blue[0] == pytest.approx(4, abs=2)
    assert blue[-1] == pytest.approx(4 + width / 2, abs=2)  # the originals are half of the axis from 0 to 10


def test_a_row_grows_with_the_font_that_napari_gives_its_labels(qtbot):
    window = QWidget()
    qtbot.addWidget(window)
    column = QVBoxLayout(window)
    row, label = ScoreRow(kid(2.0, 0.0, 5.0)), QLabel("beside it")
    for widget in (row, label):
        column.addWidget(widget)
    window.show()
    for points in (9, 14, 20):
        window.setStyleSheet(f"QLabel {{ font-size: {points}pt }}")  # as napari does, not by the application's font
        qtbot.waitUntil(lambda: row.height() == 2 * label.fontMetrics().height() + 12)
        assert row.font().pointSize() == points
