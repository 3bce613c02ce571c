"""The Train dock on a job played by a script: start, watch, stop, resume, look back; and how late the window gets."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import QApplication

from napari_organoid_synth.core.generators.dcgan_config import DcganConfig
from napari_organoid_synth.core.generators.picture import in_words
from napari_organoid_synth.core.job import Finished, Previewed, Progress, Started, to_line
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.core.synthesis.settings import PipelineSettings
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.shared import jobs as _jobs
from napari_organoid_synth.widgets.shared.curves import MAX_POINTS, LossCurves, Trace, traces
from napari_organoid_synth.widgets.shared.workspace import Workspace
from napari_organoid_synth.widgets.train import estimate as _estimate
from napari_organoid_synth.widgets.train import run_view as _run_view
from napari_organoid_synth.widgets.train.dock import TrainWidget

PIX2PIX = Recipe.parse({"gan": "pix2pix"})


@pytest.fixture
def dock(make_napari_viewer, fake_job, project):
    viewer = make_napari_viewer()
    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    dock = TrainWidget(viewer)
    viewer.window.add_dock_widget(dock)
    yield dock
    workspace.close()


@pytest.fixture
def ready(dock):
    """A dock in which a generator that learns is chosen."""
    dock.workspace.setPairs(PairTable(entries=(PairEntry(name="a", image="a.tif", status="matched"),)))
    dock.setValue(PIX2PIX)
    return dock


def test_an_empty_dock_says_what_is_missing(dock):
    assert not dock.empty.isHidden()
    assert dock.settings.isHidden()
    assert not dock.button.isEnabled()
    assert "in Pairs" in dock.reason.text()


def test_an_untouched_dock_trains_the_defaults(dock):
    dock.workspace.setPairs(PairTable(entries=(PairEntry(name="a", image="a.tif", status="matched"),)))
    assert dock.value() == Recipe()
    assert dock.button.isEnabled()
    assert dock.empty.isHidden()


def test_a_painter_without_training_shows_nothing_of_a_training(ready, qtbot, monkeypatch):
    monkeypatch.setattr(type(ready), "isVisible", lambda self: True)
    form, recipe = ready.recipe.form, ready.recipe
    steps, turns = form["train.steps"].native, form["tiles.turn"].native
    form["train.batch"].value = 7
    assert ready.button.text() == "▶ Start training"
    assert not steps.isHidden()
    recipe.generator.setCurrentIndex(0)
    assert recipe.generator.currentData() == "analogy"
    assert ready.button.text() == "▶ Make the painter ready"
    assert all(one.isHidden() for one in (steps, turns, form["train.batch"].native, recipe.start))
    assert not form["tiles.size"].native.isHidden()
    assert not form["train.seed"].native.isHidden()
    assert recipe.summary == "Analogy, 256 px, no training"
    ready._settle.stop()
    ready._measure()
    qtbot.waitUntil(lambda: ready.estimate.text().startswith("No training: ready in a moment"), timeout=5000)
    recipe.generator.setCurrentIndex(recipe.generator.findData("pix2pix"))
    assert not steps.isHidden()
    assert not turns.isHidden()
    assert ready.value().train.batch == 7


def test_the_first_tile_is_one_that_the_images_fill(dock):
    def table(side, scale=1.0):
        entry = PairEntry(name="a", image="a.tif", status="matched", shape=(1, side, side + 100), scale=scale)
        return PairTable(entries=(entry,))

    for side, scale, tile in ((2000, 1, 256), (500, 1, 256), (200, 1, 128), (500, 0.128, 64), (40, 1, 64)):
        dock.workspace.setPairs(table(side, scale))
        assert dock.value().tiles.size == tile
    assert dock.value() == Recipe().override("tiles.size=64")
    dock.recipe.form["tiles.size"].value = 512  # from now on a person decides
    dock.workspace.setPairs(table(200))
    assert dock.value().tiles.size == 512


def test_every_generator_can_be_chosen(ready):
    ready.recipe.generator.setCurrentIndex(ready.recipe.generator.findData("dcgan"))
    assert ready.value() == Recipe(gan=DcganConfig())
    assert "noise" in ready.recipe.when.text()
    assert ready.recipe.form["tiles.size"].choices == (64, 128, 256)
    ready.recipe.form["gan.latent"].value = 50
    assert ready.value().gan.latent == 50
    ready.recipe.generator.setCurrentIndex(ready.recipe.generator.findData("pix2pix"))
    ready.recipe.form["tiles.size"].value = 512
    ready.recipe.generator.setCurrentIndex(ready.recipe.generator.findData("dcgan"))
    assert ready.value().tiles.size == 256  # the nearest it can take
    assert ready.button.isEnabled()


def test_a_picture_and_one_sentence_say_what_a_generator_is_for(ready):
    combo = ready.recipe.generator
    sentences = []
    for number in range(combo.count()):
        combo.setCurrentIndex(number)
        config = GENERATORS.config(combo.currentData())
        assert config.when == " ".join(filter(None, (ready.recipe.when.text(), ready.recipe.rest.text())))
        assert ready.recipe.picture.accessibleDescription() == in_words(config.picture_of())
        sentences.append(ready.recipe.when.text())
    assert all(len(sentence) < 130 and sentence.count(".") == 1 for sentence in sentences), sentences
    assert len(set(sentences)) == len(sentences)
    assert sentences[0].startswith("The first choice")
    combo.setCurrentIndex(combo.findData("dcgan"))
    ready.recipe.form["draws"].value = "masks"
    assert ready.recipe.picture.accessibleDescription() == "noise → mask"


def test_a_training_can_start_from_a_run(ready, project):
    write_run(project, "20250101-101500-train", 30)
    (project.path / "runs/20250101-101500-train/checkpoints").mkdir()
    (project.path / "runs/20250101-101500-train/checkpoints/step_00000030.json").write_text("{}")
    ready.workspace.runsChanged.emit()
    start = ready.recipe.start
    assert start.run.itemText(1) == "run 1 · pix2pix · 120 img"
    assert ready.value() == PIX2PIX
    start.run.setCurrentIndex(1)
    start.freeze.put(3)
    assert ready.value() == PIX2PIX.override("start.run=20250101-101500-train", "start.freeze=3")
    assert ready.workspace.remembered("train")["start"]["freeze"] == 3
    ready.recipe.generator.setCurrentIndex(ready.recipe.generator.findData("dcgan"))
    assert ready.value().start.run == ""
    start.freeze.put(99)
    assert "freeze" in ready.reason.text()


def test_wrong_settings_stop_the_start_in_words(ready):
    ready.recipe.form["train.steps"].value = 0
    assert not ready.button.isEnabled()
    assert "train.steps" in ready.reason.text()
    ready.recipe.form["train.steps"].value = 10
    assert ready.button.isEnabled()


def test_a_dock_opened_on_a_project_shows_what_was_chosen_in_it(ready, project):
    ready.recipe.form["train.steps"].value = 123
    again = TrainWidget(ready.viewer)  # as in a new window: made after the project was opened
    assert again.value().train.steps == 123
    assert ready.workspace.remembered("train")["train"]["steps"] == 123
    again.deleteLater()


def test_settings_come_back_with_the_project(ready, project, tmp_path):
    ready.recipe.form["train.steps"].value = 123
    ready.workspace.setProject(tmp_path / "other")
    ready.setValue(PIX2PIX)
    ready.workspace.setProject(project)
    assert ready.value().train.steps == 123


def test_memory_and_time_are_measured_before(qtbot, ready, monkeypatch, fake_job):
    monkeypatch.setattr(type(ready), "isVisible", lambda self: True)
    ready._measure()
    qtbot.waitUntil(lambda: ready.estimate.text().startswith("Memory"), timeout=10000)
    assert ready.estimate.text() == "Memory 1.9 of 24 GB ✓ · about 40 min to 4,000 steps"
    fake_job.setenv("FAKE_JOB", "refuse")
    ready.recipe.form["train.steps"].value = 99
    assert ready.estimate.text() == ""
    ready._measure()
    qtbot.waitUntil(lambda: ready.estimate.text().startswith("✕ The tile is 96 px"), timeout=10000)


def test_napari_does_not_ask_about_a_measurement(ready, project):
    from superqt.utils import WorkerBase

    ready.estimator.ask(project, PIX2PIX)
    assert not WorkerBase._worker_set
    ready.estimator.forget()


def test_a_measurement_ends_with_the_window(fake_job, project, monkeypatch):
    kept = []
    monkeypatch.setattr(_estimate.atexit, "register", kept.append)
    monkeypatch.setattr(_estimate.atexit, "unregister", kept.remove)
    left = threading.Event()
    measuring = _estimate.dry_run(project, PIX2PIX, left)
    next(measuring)
    assert [end.__name__ for end in kept] == ["kill"]  # what a closing window calls
    left.set()
    list(measuring)
    assert kept == []


def test_a_training_is_watched_and_can_be_resumed(qtbot, ready, fake_job):
    fake_job.setenv("FAKE_STEPS", "100000")
    ready.button.click()
    assert ready.settings.isHidden()
    assert ready.button.isHidden()
    assert not ready.progress.isHidden()
    qtbot.waitUntil(lambda: ready.past.curves.names == ["generator", "discriminator"], timeout=10000)
    qtbot.waitUntil(lambda: "samples" in ready.viewer.layers, timeout=10000)
    assert ready.past.runs.itemText(0) == "run 1 · running"
    layer = ready.viewer.layers["samples"]
    assert layer.data.shape == (2 * 64 + 4, 2 * 64 + 4)
    before = layer.data.copy()
    qtbot.waitUntil(lambda: not np.array_equal(layer.data, before), timeout=10000)
    assert ready.viewer.layers["samples"] is layer  # in place
    steps, values = ready.past.curves.points("generator")
    np.testing.assert_allclose(values[:3], 3 / steps[:3] + 1)
    with qtbot.waitSignal(ready.runner.finished, timeout=10000):
        ready.progress.stop_button.click()
    assert not ready.settings.isHidden()
    assert ready.button.isEnabled()
    assert not ready.resume_button.isHidden()
    assert ready.past.runs.count() == 1
    assert "pix2pix" in ready.past.runs.itemText(0)
    known = len(ready.past.curves.points("generator")[0])
    ready.resume_button.click()
    qtbot.waitUntil(lambda: ready.runner.running and ready.runner.last_progress is not None, timeout=10000)
    assert ready.past.runs.count() == 1
    assert known > 1
    with qtbot.waitSignal(ready.runner.finished, timeout=10000):
        ready.progress.stop_button.click()


def test_the_slider_goes_back_in_time(qtbot, ready, fake_job):
    fake_job.setenv("FAKE_STEPS", "40")
    with qtbot.waitSignal(ready.runner.finished, timeout=10000):
        ready.button.click()
    qtbot.waitUntil(lambda: ready.past.history_label.text() == "samples at step 40", timeout=5000)
    last = ready.viewer.layers["samples"].data.copy()
    ready.past.history.setValue(0)
    qtbot.waitUntil(lambda: ready.past.history_label.text() == "samples at step 10", timeout=5000)
    assert not np.array_equal(ready.viewer.layers["samples"].data, last)
    assert ready.resume_button.isHidden()  # completed


def test_a_failure_is_shown_and_everything_stays_usable(qtbot, ready, fake_job):
    fake_job.setenv("FAKE_JOB", "fail")
    with qtbot.waitSignal(ready.runner.failed, timeout=10000):
        ready.button.click()
    assert ready.error.found.text() == "✕ All 14 tiles are empty."
    assert ready.button.isEnabled()
    assert not ready.settings.isHidden()
    fake_job.setenv("FAKE_JOB", "normal")
    with qtbot.waitSignal(ready.runner.finished, timeout=10000):
        ready.button.click()
    assert ready.error.isHidden()


def test_a_running_training_is_taken_up_when_the_project_opens(qtbot, ready, fake_job, project, tmp_path):
    fake_job.setenv("FAKE_STEPS", "100000")
    ready.button.click()
    qtbot.waitUntil(lambda: ready.past.curves._step > 5, timeout=10000)
    ready.workspace.setProject(tmp_path / "other")
    assert ready.past.curves.names == []
    assert ready.progress.isHidden()
    ready.workspace.setProject(project)
    assert not ready.progress.isHidden()
    qtbot.waitUntil(lambda: ready.past.curves._step > 10, timeout=10000)
    steps, _ = ready.past.curves.points("generator")
    assert steps[0] == 1  # with its history
    assert (np.diff(steps) == 1).all()
    with qtbot.waitSignal(ready.runner.finished, timeout=5000):
        ready.runner.cancel()


def write_run(project, name, steps, gan="pix2pix"):
    folder = project.path / "runs" / name
    (folder / "previews").mkdir(parents=True)
    Recipe.parse({"gan": gan}).to_file(folder / "recipe.yaml")
    lines = [to_line(Started(0))]
    lines += [to_line(Progress(step, steps, {"loss": float(step)})) for step in range(1, steps + 1)]
    for step in (1, steps):
        np.savez(
            folder / "previews" / f"step_{step:08d}.npz",
            image=np.full((1, 1, 8, 8), step % 250, np.uint8),
            labels=np.eye(8, dtype=np.int32)[None],
        )
        lines.append(to_line(Previewed(step, f"/elsewhere/previews/step_{step:08d}.npz")))
    (folder / "events.jsonl").write_text("".join([*lines, to_line(Finished(steps))]))


def test_older_runs_can_be_looked_at(qtbot, ready, project):
    write_run(project, "20250101-101500-train", 30)
    write_run(project, "20250102-090000-train", 60, "dcgan")
    ready.workspace.setProject(project)
    qtbot.waitUntil(lambda: ready.past.curves._step == 60, timeout=5000)
    assert [ready.past.runs.itemText(i).split(" · ")[:2] for i in range(2)] == [
        ["run 2", "dcgan"],
        ["run 1", "pix2pix"],
    ]
    ready.past.runs.setCurrentIndex(1)
    ready.past.runs.activated.emit(1)
    qtbot.waitUntil(lambda: ready.past.curves._step == 30, timeout=5000)
    np.testing.assert_array_equal(ready.past.curves.points("loss")[1], np.arange(1, 31))
    qtbot.waitUntil(
        lambda: ready.past.history_label.text() == "samples at step 30", timeout=5000
    )  # though it was moved
    assert ready.viewer.layers["samples"].data[0, 1] == 30
    assert ready.resume_button.isHidden()


def test_copy_as_command(ready):
    ready.recipe.form["train.steps"].value = 77
    ready.copy_button.click()
    assert QApplication.clipboard().text().endswith("--set train.steps=77")


def test_the_dock_fits_320_pixels(ready):
    assert ready.minimumSizeHint().width() <= 320
    for button in (ready.one_button, ready.whole_button):
        button.click()
        for fold in ready.body.findChildren(Fold):
            fold.expand()
        assert ready.body.minimumSizeHint().width() <= 306, button.text()


def test_the_monitor_speaks_in_sentences_and_is_not_drawn_among_the_losses(qtbot):
    curves = LossCurves()
    qtbot.addWidget(curves)
    events = [Progress(1, 9, {"generator": 1.0}), Progress(5, 9, {"generator": 2.0, "kernel_distance": 3.5})]
    curves.append([*events, Progress(9, 9, {"generator": 2.0, "kernel_distance": 40.0, "diversity": 0.154})])
    assert curves.names == ["generator"]
    assert curves.words == (
        "Samples differ 15 % as much as real tiles do. Distance to the real tiles 40; smallest 3.5 at step 5."
    )
    assert curves.plot.viewRange()[1][1] < 3


def test_a_long_curve_stays_small_and_keeps_its_mean():
    trace = Trace()
    for step in range(10 * MAX_POINTS):
        trace.add(step, step % 2)
    trace.add(1, float("nan"))
    x, y = trace.arrays()
    assert len(x) < MAX_POINTS
    assert np.all(np.diff(x) > 0)
    np.testing.assert_allclose(y, 0.5)
    found, step, total = traces([Progress(1, 9, {"a": 1.0}), Progress(1, 9, {"a": 5.0}), Progress(2, 9, {"a": 2.0})])
    assert (step, total, found["a"].y) == (2, 9, [1.0, 2.0])


def stages_job(tmp_path, fake_job):
    """A stand-in for the pipeline: two trainings with samples, a decode report, pairs."""
    script = tmp_path / "stages.py"
    script.write_text(STAGES)
    fake_job.setattr(_jobs.JobRunner, "COMMAND", (sys.executable, str(script)))


STAGES = """
import json, os, sys, time
from pathlib import Path

import numpy as np

from napari_organoid_synth.core.job import Failed, Finished, JobFolder, Previewed, Progress, Started
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.synthesis.settings import PipelineSettings

folder, project = JobFolder(Path(sys.argv[sys.argv.index("--job") + 1])), Project(sys.argv[2])
if sys.argv[1] != "pipeline":
    for _ in folder.record(iter([Finished(0)])):
        pass
    sys.exit()
if "--resume" not in sys.argv:
    PipelineSettings.from_file(folder.path / "settings.yaml").to_file(folder.path / "pipeline.yaml")

def train(name, recipe, note):
    run = JobFolder(project.path / "runs" / name)
    run.begin("train", ["pipeline"])
    recipe.to_file(run.path / "recipe.yaml")
    (run.path / "previews").mkdir(exist_ok=True)

    def steps():
        for step in (1, 2):
            path = run.path / "previews" / f"step_{step:08d}.npz"
            np.savez(path, image=np.full((1, 1, 8, 8), step, np.uint8), labels=np.eye(8, dtype=np.int32)[None])
            yield Previewed(step, str(path))
            yield Progress(step, 2, {"loss": float(step)}, note=note)

    yield from run.record(steps())

def events():
    settings = PipelineSettings.from_file(folder.path / "pipeline.yaml")
    yield Started(0, {"total": 1000})
    yield from train("a-train", settings.masks, "1 of 4: learn masks")
    while os.environ.get("FAKE_JOB") == "wait" and not folder.control.canceled:
        yield Progress(500, 1000, note="1 of 4: learn masks", seconds_left=300.0)
        time.sleep(0.05)
    if folder.control.canceled:
        yield Finished(500, "canceled")
        return
    report = {"masks": 4, "passed": 0.75, "error": 0.1, "fragments": 0, "merged": 0, "holes": 0, "at_border": 0.5,
              "objects": [1, 2, 3], "real_objects": [2, 2, 2], "area_px": [1, 2, 3], "real_area_px": [1, 2, 3],
              "reasons": {"no object": 1}, "run": "a-train", "checkpoint": 2}
    (folder.path / "decode_report.json").write_text(json.dumps(report))
    yield Progress(600, 1000, note="3 of 4: learn to paint, starting")
    if os.environ.get("FAKE_JOB") == "fail":
        yield Failed(600, "None of 80 masks is usable.", "Expected some.", "Train longer.", "Traceback")
        return
    yield from train("b-train", settings.painter, "3 of 4: learn to paint")
    yield Finished(1000, result={"pairs": 7})

for _ in folder.record(events()):
    pass
"""


@pytest.fixture
def whole(ready, tmp_path, fake_job):
    stages_job(tmp_path, fake_job)
    ready.whole_button.click()
    return ready


def test_the_whole_pipeline_is_one_click(qtbot, whole, project):
    assert whole.recipe.isHidden()
    assert not whole.pipeline.isHidden()
    assert whole.button.text() == "▶ Start the whole pipeline"
    assert whole.report.isHidden()
    with qtbot.waitSignal(whole.stages.finished, timeout=30000):
        whole.button.click()
        assert whole.settings.isHidden()
        assert not whole.stages_progress.isHidden()
        assert whole.progress.isHidden()
    (job,) = project.jobs("pipeline")
    assert PipelineSettings.from_file(job.path / "settings.yaml") == PipelineSettings()
    assert whole.outcome.text() == "7 new pairs: look at them in Curate."
    assert not whole.report.isHidden()
    assert whole.report.words.text().startswith("3 of 4 drawn masks are usable (75%).")
    assert whole.resume_pipeline_button.isHidden()
    assert whole.button.isEnabled()
    qtbot.waitUntil(lambda: whole.past.shown.path.name == "b-train", timeout=5000)
    qtbot.waitUntil(lambda: whole.past.history_label.text() == "samples of this painter", timeout=5000)  # followed
    assert not whole.runner.running
    qtbot.waitUntil(lambda: not whole.workspace.runner("score").running, timeout=30000)
    whole.one_button.click()
    assert whole.report.isHidden()
    assert whole.button.text() == "▶ Start training"


def test_a_pipeline_is_stopped_found_again_and_goes_on(qtbot, whole, project, tmp_path, fake_job):
    fake_job.setenv("FAKE_JOB", "wait")
    whole.button.click()
    qtbot.waitUntil(lambda: "learning masks" in whole.stages_progress.message.text(), timeout=30000)
    assert whole.stages_progress.message.text() == "1 of 4: learning masks · 50% · about 5 min left"
    whole.workspace.setProject(tmp_path / "other")
    assert whole.stages_progress.isHidden()
    whole.workspace.setProject(project)
    assert whole.whole
    assert whole.stages.running
    assert not whole.runner.running  # the training inside is not a job of its own
    with qtbot.waitSignal(whole.stages.finished, timeout=10000):
        whole.stages_progress.stop_button.click()
    assert not whole.resume_pipeline_button.isHidden()
    assert whole.report.isHidden()  # stopped before the check
    fake_job.setenv("FAKE_JOB", "normal")
    with qtbot.waitSignal(whole.stages.finished, timeout=30000):
        whole.resume_pipeline_button.click()
    assert len(project.jobs("pipeline")) == 1
    assert not whole.report.isHidden()
    assert whole.resume_pipeline_button.isHidden()
    qtbot.waitUntil(lambda: not whole.workspace.runner("score").running, timeout=30000)


def test_a_failed_pipeline_shows_card_and_report(qtbot, whole, fake_job):
    fake_job.setenv("FAKE_JOB", "fail")
    with qtbot.waitSignal(whole.stages.failed, timeout=30000):
        whole.button.click()
    assert whole.error.found.text() == "✕ None of 80 masks is usable."
    assert not whole.report.isHidden()
    assert not whole.resume_pipeline_button.isHidden()
    assert whole.button.isEnabled()


def test_memory_and_time_of_a_pipeline_are_those_of_both_trainings(qtbot, ready, monkeypatch):
    monkeypatch.setattr(type(ready), "isVisible", lambda self: True)
    ready.whole_button.click()
    ready._measure()  # the painter needs no training
    qtbot.waitUntil(lambda: ready.estimate.text().startswith("Memory"), timeout=20000)
    assert ready.estimate.text() == "Memory 1.9 of 24 GB ✓ · about 40 min to 8,000 steps"
    painter = ready.pipeline.painter.generator
    painter.setCurrentIndex(painter.findData("pix2pix"))
    ready._measure()
    qtbot.waitUntil(lambda: ready.estimate.text().startswith("Memory"), timeout=20000)
    assert ready.estimate.text() == "Memory 1.9 of 24 GB ✓ · about 1 h 20 min to 12,000 steps"


def test_the_choice_and_the_settings_of_a_pipeline_are_remembered(ready, project, tmp_path):
    ready.whole_button.click()
    ready.pipeline.form["number"].value = 9
    ready.pipeline.masks.form["train.steps"].value = 11
    ready.workspace.setProject(tmp_path / "other")
    assert not ready.whole
    assert ready.pipeline.value() == PipelineSettings()
    ready.workspace.setProject(project)
    assert ready.whole
    assert ready.pipeline.value() == PipelineSettings().override("number=9", "masks.train.steps=11")
    ready.pipeline.form["number"].value = 0
    assert "number" in ready.reason.text()
    assert not ready.button.isEnabled()
    ready.one_button.click()
    assert ready.button.isEnabled()


def lateness(qtbot, milliseconds):
    """How late a 5 ms timer is, in ms: 99th percentile and most."""
    late, last = [], [time.perf_counter()]

    def tick():
        now = time.perf_counter()
        late.append(1000 * (now - last[0]) - 5)
        last[0] = now

    timer = QTimer()
    timer.setTimerType(Qt.TimerType.PreciseTimer)
    timer.timeout.connect(tick)
    timer.start(5)
    qtbot.wait(milliseconds)
    timer.stop()
    return np.percentile(late, 99), max(late)


def test_the_window_stays_live_while_training(qtbot, ready, fake_job):
    """With curves and samples shown: 99 % within 25 ms, all within 100 ms, beyond what the idle window is late."""
    fake_job.setenv("FAKE_STEPS", "100000")
    own_usual, own_most = lateness(qtbot, 1500)
    ready.button.click()
    qtbot.waitUntil(lambda: "samples" in ready.viewer.layers, timeout=10000)
    usual, most = lateness(qtbot, 4000)
    assert usual < 25 + 2 * own_usual, f"99 % within {usual:.1f} ms, idle {own_usual:.1f} ms"
    assert most < 100 + 2 * own_most, f"all within {most:.1f} ms, idle {own_most:.1f} ms"
    with qtbot.waitSignal(ready.runner.finished, timeout=10000):
        ready.runner.cancel()


def test_a_torn_preview_is_left_out(tmp_path):
    (tmp_path / "x.npz").write_bytes(b"PK torn")
    assert _run_view.read_sheet(tmp_path / "x.npz", 3) is None
    assert _run_view.read_sheet(tmp_path / "gone.npz", 3) is None
