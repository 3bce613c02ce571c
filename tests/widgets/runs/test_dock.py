"""The Runs dock: the list, two beside each other, names, the bin."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.job import Finished, Progress, to_line
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.widgets.runs.dock import RunsWidget
from napari_organoid_synth.widgets.shared import menus
from napari_organoid_synth.widgets.shared.workspace import Workspace


def make_run(project: Project, day: int, steps: int, grey: int, completed: bool = True) -> str:
    """A run as training leaves it, its samples all of one grey."""
    path = project.path / "runs" / f"202601{day:02d}-000000-train"
    path.mkdir(parents=True)
    Recipe.parse({"gan": {"name": "pix2pix"}, "tiles": {"size": 64}}).to_file(path / "recipe.yaml")
    Codec.fit([em(0, 64)]).to_file(path / "codec.json")
    events = [Progress(step, steps, {"generator": 1 / step, "diversity": 0.5}) for step in range(1, steps + 1)]
    last = [Finished(steps)] if completed else []
    (path / "events.jsonl").write_text("".join(map(to_line, [*events, *last])))
    (path / "job.json").write_text(json.dumps({"verb": "train", "pid": 2**22 + 1, "pid_started": 0.0}))
    for folder in ("checkpoints", "previews"):
        (path / folder).mkdir()
    for step in range(10, steps + 1, 10):
        stem = path / "checkpoints" / f"step_{step:08d}"
        stem.with_suffix(".safetensors").write_bytes(bytes(2_000_000))
        stem.with_suffix(".json").write_text(json.dumps({"step": step, "numbers": {"kernel_distance": 1 / step}}))
        image, labels = np.full((4, 1, 32, 32), grey + step, np.uint8), np.zeros((4, 32, 32), np.int32)
        image[:, :, 0] = 255
        image[:, :, 1] = 0
        np.savez(path / "previews" / f"step_{step:08d}.npz", image=image, labels=labels)
    return path.name


@pytest.fixture
def dock(qtbot, make_napari_viewer, project):
    viewer = make_napari_viewer()
    make_run(project, 1, 30, 50)
    make_run(project, 2, 20, 90, completed=False)
    with SampleStore(project.samples_path) as store:
        store.add_many((em(seed, 64) for seed in range(3)), run="20260101-000000-train")
    Workspace.of(viewer).setProject(project)
    dock = RunsWidget(viewer)
    viewer.window.add_dock_widget(dock, name="Runs (Organoid Synth)")
    qtbot.waitUntil(lambda: dock.list.count() == 2, timeout=10_000)
    yield dock
    viewer.window.remove_dock_widget(dock)
    Workspace.of(viewer).close()


def lines(dock: RunsWidget) -> list[str]:
    return [dock.list.item(place).text() for place in range(dock.list.count())]


def choose(dock: RunsWidget, *places: int) -> None:
    dock.list.clearSelection()
    for place in places:
        dock.list.item(place).setSelected(True)


def middle(dock: RunsWidget, place: int) -> int:
    """Grey in the middle of the picture of a run; 0 before it is there."""
    image = dock.courses.pictures[place].image
    return 0 if image.isNull() else image.pixelColor(8, 16).red()


def test_each_run_in_two_lines(dock):
    assert lines(dock) == [
        "run 2 · pix2pix\nstopped: saved up to step 20 · distance 0.05 · 0 pairs · 4.0 MB",
        "run 1 · pix2pix\ndone · distance 0.0333 · 3 pairs · 6.1 MB",
    ]
    assert (dock.button.isEnabled(), dock.reason.text()) == (False, "Select one run.")
    choose(dock, 1)
    assert dock.button.isEnabled()
    assert (dock.resume_button.isEnabled(), dock.delete_button.isEnabled()) == (False, True)
    choose(dock, 0)
    assert dock.resume_button.isEnabled()


def test_two_runs_are_compared_with_one_slider(dock, qtbot):
    choose(dock, 0, 1)
    qtbot.waitUntil(lambda: middle(dock, 0) > 0 and middle(dock, 1) > 0, timeout=10_000)
    assert [name.text() for name in dock.courses.names] == ["run 2", "run 1"]
    assert dock.courses.step == 30
    newest = middle(dock, 0), middle(dock, 1)
    assert newest == (110, 80)
    dock.courses.slider.setValue(0)
    qtbot.waitUntil(lambda: (middle(dock, 0), middle(dock, 1)) == (100, 60), timeout=10_000)
    assert dock.courses.step_label.text() == "step 10"
    assert [label.text() for label in dock.courses.values["best distance"]] == ["0.05", "0.0333"]
    assert [label.text() for label in dock.courses.values["pairs made"]] == ["0", "3"]
    assert dock.courses.curves[1].names == ["generator"]
    assert not dock.button.isEnabled()


def test_a_name_is_shown_wherever_runs_are_listed(dock, qtbot):
    generate = menus.open_dock(dock.viewer, "Generate")
    train = menus.open_dock(dock.viewer, "Train")
    choose(dock, 1)
    dock.name.setText("the best")
    dock.name.editingFinished.emit()
    qtbot.waitUntil(lambda: lines(dock)[1].startswith("the best · pix2pix"), timeout=10_000)
    assert "the best · pix2pix · 120 img" in [generate.run_combo.itemText(n) for n in range(generate.run_combo.count())]
    assert train.past.runs.itemText(1) == "the best · pix2pix · 120 img"
    choose(dock, 0)
    dock.name.setText("The Best")
    dock.name.editingFinished.emit()
    assert dock.error.found.text() == "✕ 'The Best' is the name of another run."
    assert dock.name.text() == "run 2"


def test_a_deleted_run_comes_back(dock, qtbot, project):
    choose(dock, 1)
    dock.list.setFocus()
    qtbot.keyClick(dock.list, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: dock.list.count() == 1, timeout=10_000)
    assert lines(dock)[0].startswith("run 2 · ")  # its number stays
    assert dock.outcome.text() == "run 1 is in the bin. Its 3 pairs stayed."
    assert [action.text() for action in dock.bin_menu.actions()] == ["Bring back run 1"]
    assert Path(project.path / "bin" / "runs" / "20260101-000000-train" / "recipe.yaml").is_file()
    dock.undo_button.click()
    qtbot.waitUntil(lambda: dock.list.count() == 2, timeout=10_000)
    assert lines(dock)[1].startswith("run 1 · pix2pix\ndone")
    assert dock.bin_button.isHidden()


def test_pairs_are_made_with_the_selected_run(dock, qtbot):
    choose(dock, 1)
    dock.button.click()
    generate = menus.open_dock(dock.viewer, "Generate")
    assert generate.run_combo.currentData() == "20260101-000000-train"


def test_without_runs_there_is_a_way_to_train(dock, qtbot, tmp_path):
    dock.workspace.setProject(tmp_path / "empty")
    qtbot.waitUntil(lambda: dock.body.isHidden(), timeout=10_000)
    assert dock.empty.sentence.text().endswith("This project has none yet.")
