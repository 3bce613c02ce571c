"""The states of a project's steps, and what comes next, with real projects on disk."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core.gain.storage import write_result
from napari_organoid_synth.core.job import Failed, Progress
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.widgets.shared.workspace import Workspace
from napari_organoid_synth.widgets.steps.bar import StepState
from napari_organoid_synth.widgets.steps.states import (
    CURATE,
    EXPORT,
    GENERATE,
    MEASURE,
    PAIRS,
    TRAIN,
    StepStates,
)
from report_project import compared
from simulated import add_made, em_project


@pytest.fixture
def workspace(qapp):
    workspace = Workspace()
    yield workspace
    workspace.close()


@pytest.fixture
def states(workspace):
    states = StepStates(workspace, workspace)
    yield states
    states.close()


@pytest.fixture
def project(tmp_path) -> Project:
    return em_project(tmp_path / "p", 3)


def test_without_a_project_nothing_is_to_be_done(states):
    assert states.states == [StepState()] * 6
    assert [states.next_of(place) for place in range(6)] == [None] * 6


def test_the_way_from_pairs_to_export(states, workspace, project, qtbot):
    def texts() -> list[str]:
        return [state.text for state in states.states]

    workspace.setProject(project)
    qtbot.waitUntil(lambda: texts() == ["3 pairs", "optional", "ready", "", "ready", ""])
    assert states.next_of(PAIRS).page == "Generate"
    assert states.next_of(TRAIN) is states.next_of(GENERATE) is states.next_of(CURATE) is None

    add_made(project, 12)
    workspace.samplesChanged.emit()
    qtbot.waitUntil(lambda: texts()[2:4] == ["12 made", "12 new"])
    assert (states.next_of(GENERATE).text, states.next_of(GENERATE).page) == ("Look at 12 new pairs →", "Curate")
    assert states.next_of(PAIRS) == states.next_of(GENERATE)  # a quick try has made them
    assert states.next_of(CURATE) is None

    with SampleStore(project.samples_path) as store:
        store.decide(store.ids("new")[:5], "accepted")
    workspace.samplesChanged.emit()
    qtbot.waitUntil(lambda: texts()[3:] == ["5 accepted", "ready", "ready"])
    assert states.next_of(CURATE).page == "Measure"
    assert states.next_of(MEASURE) is None  # nothing is measured yet

    folder = project.path / "segment" / "20260101-000000-gain"
    folder.mkdir(parents=True)
    write_result(folder, compared(raw=[0.5, 0.6], **{"raw+synthetic": [0.55, 0.65]}))
    workspace.runner("gain").finished.emit("completed")
    qtbot.waitUntil(lambda: texts()[MEASURE] == "+0.05")
    assert states.next_of(MEASURE).text == "Export 5 pairs →"

    (project.path / "exports" / "one").mkdir(parents=True)
    (project.path / "exports" / "one" / "manifest.json").write_text("{}")
    workspace.runner("export").finished.emit("completed")
    qtbot.waitUntil(lambda: texts()[EXPORT] == "exported")
    assert {state.kind for state in states.states} == {"done", "ready"}  # training is optional


def test_all_rejected_wants_attention(states, workspace, project, qtbot):
    add_made(project, 2)
    with SampleStore(project.samples_path) as store:
        store.decide(store.ids("new"), "rejected")
    workspace.setProject(project)
    qtbot.waitUntil(lambda: states.states[CURATE] == StepState("attention", "all rejected"))


def test_pairs_that_are_all_put_aside_want_attention(states, workspace, project, qtbot):
    workspace.setProject(project)
    table = workspace.pairs
    aside = table.replace(entries=tuple(entry.replace(split="test") for entry in table.entries))
    workspace.setPairs(aside)
    assert states.states[PAIRS] == StepState("attention", "3 pairs")
    assert states.next_of(PAIRS) is None


def test_a_running_job_shows_its_share_and_hides_the_next_step(states, workspace, project, qtbot, monkeypatch):
    workspace.setProject(project)
    add_made(project, 2)
    workspace.samplesChanged.emit()
    qtbot.waitUntil(lambda: states.next_of(GENERATE) is not None)
    runner = workspace.runner("generate")
    runner.last_progress = Progress(20, 50)
    runner._set_state("running")
    assert states.states[GENERATE] == StepState("running", "40%")
    assert states.next_of(GENERATE) is None
    runner._set_state("paused")
    assert states.states[GENERATE] == StepState("running", "paused")
    runner._set_state("idle")
    runner.failed.emit(Failed(3, "All tiles are empty.", "", "", ""))
    assert states.states[GENERATE] == StepState("attention", "failed", "All tiles are empty.")
    runner.started.emit()
    assert states.states[GENERATE].text == "2 made"
    assert states.next_of(PAIRS) is not None
    workspace.runner("try")._set_state("running")
    assert states.next_of(PAIRS) is None


def test_scoring_leaves_the_count_of_new_pairs_in_view(states, workspace, project, qtbot):
    add_made(project, 4)
    workspace.setProject(project)
    qtbot.waitUntil(lambda: states.states[CURATE].text == "4 new")
    workspace.runner("score")._set_state("running")
    assert states.states[CURATE] == StepState("running", "4 new")
    workspace.runner("score")._set_state("idle")


def test_a_run_counts_once_it_can_draw(states, workspace, project, qtbot):
    run = project.path / "runs" / "20260101-000000-train"
    (run / "checkpoints").mkdir(parents=True)
    Recipe().override("gan=pix2pix").to_file(run / "recipe.yaml")
    workspace.setProject(project)
    qtbot.waitUntil(lambda: states.states[TRAIN] == StepState("ready", "optional"))
    for name in ("step_00000010.json", "step_00000010.safetensors"):
        (run / "checkpoints" / name).write_text("{}")
    workspace.runsChanged.emit()
    qtbot.waitUntil(lambda: states.states[TRAIN] == StepState("done", "run 1"))
    assert states.next_of(TRAIN).page == "Generate"
