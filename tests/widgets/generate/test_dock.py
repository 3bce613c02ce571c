"""The dock Generate on a job played by a script that adds simulated pairs to the project."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QAbstractButton, QApplication, QComboBox, QSlider, QSpinBox

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.ome_tiff import read_labels
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.metadata import RunMetadata
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.widgets.generate import dock as generate_widget
from napari_organoid_synth.widgets.generate.dock import GenerateWidget
from napari_organoid_synth.widgets.generate.drawn_mask import save_mask
from napari_organoid_synth.widgets.shared import jobs as _jobs
from napari_organoid_synth.widgets.shared.runs import import_run, list_runs, saved_states
from napari_organoid_synth.widgets.shared.workspace import Workspace

JOB = """
import os, sys
from pathlib import Path
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.job import Added, Failed, Finished, JobFolder, Progress, Started
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.simulators.simulate import tissue

verb, project, folder = sys.argv[1], Project(sys.argv[2]), JobFolder(Path(sys.argv[sys.argv.index("--job") + 1]))
control = folder.control

def events():
    yield Started(0, {"total": 3})
    if verb == "score":
        ScoreSettings.from_file(folder.path / "settings.yaml")
        yield Finished(3, result={"scored": 3})
        return
    if os.environ.get("FAKE_JOB") == "fail":
        yield Failed(1, "The device is gone.", "Expected a device.", "Choose cpu.", "Traceback")
        return
    settings = GenerateSettings.from_file(folder.path / "settings.yaml")
    with SampleStore(project.samples_path) as store:
        for number in range(settings.number):
            while os.environ.get("FAKE_JOB") == "wait" and not control.canceled:
                yield from control.wait_while_paused(number)
            if control.canceled:
                yield Finished(number, "canceled", {"added": number})
                return
            yield Added(number, (store.add(tissue(number, 48), run=settings.run),))
            yield Progress(number + 1, settings.number, seconds_left=90.0)
    yield Finished(settings.number, "completed", {"added": settings.number, "refused": 0.25})

for _ in folder.record(events()):
    pass
"""


def make_run(project: Project, name: str, steps: int | None = 3100, *changes: str, **codec: object) -> None:
    """Files of a training as the window reads them."""
    path = project.path / "runs" / name
    (path / "checkpoints").mkdir(parents=True, exist_ok=True)
    Recipe.parse({"gan": "pix2pix"}).override(*changes).to_file(path / "recipe.yaml")
    (path / "codec.json").write_text(json.dumps({"low": [0], "high": [255], "dtype": "uint8", **codec}))
    if steps is not None:
        (path / "checkpoints" / f"step_{steps:08d}.json").write_text("{}")
        (path / "checkpoints" / f"step_{steps:08d}.safetensors").write_bytes(b"tensors")


@pytest.fixture
def dock(make_napari_viewer, fake_job, project, tmp_path):
    script = tmp_path / "job.py"
    script.write_text(JOB)
    fake_job.setattr(_jobs.JobRunner, "COMMAND", (sys.executable, str(script)))
    viewer = make_napari_viewer()
    make_run(project, "20260101-000000-train")
    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    workspace.setPairs(PairTable(entries=(PairEntry(name="a", image="a.tif", status="matched"),)))
    dock = GenerateWidget(viewer)
    viewer.window.add_dock_widget(dock)
    yield dock
    dock.strip.close_store()
    workspace.close()


def test_without_a_project_or_a_run_it_says_what_to_do(make_napari_viewer, project):
    viewer = make_napari_viewer()
    dock = GenerateWidget(viewer)
    assert not dock.empty.isHidden()
    assert "Open a project" in dock.empty.sentence.text()
    dock.workspace.setProject(project)
    assert "nor a trained generator" in dock.empty.sentence.text()
    assert dock.body.isHidden()
    assert dock.button.isHidden()
    dock.strip.close_store()
    dock.workspace.close()


def test_runs_in_words_newest_first(project):
    make_run(project, "a", 3100)
    make_run(project, "b", None)
    newest, oldest = list_runs(project)
    assert oldest.title == "run 1 · pix2pix · 12,400 img"
    assert newest.title == "run 2 · pix2pix · stopped before the first checkpoint"
    assert newest.problem == "Run 2 was stopped before the first checkpoint. Train again."


def test_an_untouched_dock_gives_the_defaults_and_the_newest_run(dock):
    assert dock.value() == GenerateSettings(run="20260101-000000-train")
    assert dock.button.text() == "Make 50 pairs"
    assert dock.button.isEnabled()
    assert dock.reason.isHidden()
    assert dock.run_combo.currentText() == "run 1 · pix2pix · 12,400 img"


def test_a_run_without_a_checkpoint_cannot_be_used_and_says_why(dock, project):
    make_run(project, "20260102-000000-train", None)
    dock.workspace.runsChanged.emit()
    dock.run_combo.setCurrentIndex(0)
    assert not dock.button.isEnabled()
    assert "stopped before the first checkpoint" in dock.reason.text()
    dock.run_combo.setCurrentIndex(1)
    assert dock.button.isEnabled()


def test_there_is_nothing_to_look_at_before_the_first_pair(dock, project):
    assert dock.workspace.store.counts()["new"] == 0  # the database is there, empty, once another dock asked for it
    dock.workspace.samplesChanged.emit()
    assert project.samples_path.exists()
    assert dock.look.isHidden()


def test_pairs_are_made_shown_and_scored(dock, qtbot, project):
    dock.number.setValue(3)
    dock.variety.setValue(50)
    dock.dice.click()
    wanted = dock.value()
    assert wanted.variety == 0.5
    with qtbot.waitSignal(dock.scorer.finished, timeout=60_000):
        dock.button.click()
        assert not dock.button.isEnabled()
        assert "being made" in dock.reason.text()
    assert GenerateSettings.from_file(project.jobs("generate")[0].path / "settings.yaml") == wanted
    assert dock.outcome.text().startswith("3 new pairs. 25% of the masks")
    assert "Scored" in dock.outcome.text()
    assert not dock.look.isHidden()
    qtbot.waitUntil(lambda: len(dock.strip.ids) == 3, timeout=10_000)
    assert not dock.strip.isHidden()
    assert dock.button.isEnabled()


def test_look_at_samples_opens_the_gallery(dock, monkeypatch):
    opened = []
    monkeypatch.setattr(generate_widget, "open_dock", lambda _, title: opened.append(title))
    dock.look.click()
    assert opened == ["Curate"]


def test_stopping_keeps_what_is_there(dock, qtbot, fake_job):
    fake_job.setenv("FAKE_JOB", "wait")
    dock.button.click()
    qtbot.waitUntil(lambda: dock.runner.folder.events_path.exists(), timeout=30_000)
    assert not dock.progress.isHidden()
    with qtbot.waitSignal(dock.runner.finished, timeout=30_000) as caught:
        dock.progress.stop_button.click()
    assert caught.args == ["canceled"]
    assert dock.outcome.text() == "Stopped. 0 pairs were kept."
    assert dock.progress.isHidden()


def test_a_failure_is_a_card_and_everything_stays_usable(dock, qtbot, fake_job):
    fake_job.setenv("FAKE_JOB", "fail")
    with qtbot.waitSignal(dock.runner.failed, timeout=30_000):
        dock.button.click()
    assert dock.error.found.text() == "✕ The device is gone."
    assert dock.error.todo.text() == "Choose cpu."
    assert dock.button.isEnabled()


def test_a_drawn_mask_is_saved_first_and_reads_back_equal(dock, qtbot):
    labels = np.zeros((40, 48), np.int32)
    layer = dock.viewer.add_labels(labels, name="my drawing")
    dock.use_layer(layer)
    assert not dock.button.isEnabled()
    assert "empty" in dock.reason.text()
    layer.data[5:20, 6:30] = 7
    dock._judge()
    assert dock.button.isEnabled()
    dock.number.setValue(1)
    settings = dock.value()
    assert settings.masks == "file"
    with qtbot.waitSignal(dock.scorer.finished, timeout=60_000):
        dock.button.click()
    np.testing.assert_array_equal(read_labels(settings.mask_file), layer.data)
    layer.data[0, 0] = 8
    assert dock.value().mask_file != settings.mask_file


def test_a_pyramid_is_painted_on_at_its_highest_level(dock):
    labels = np.zeros((256, 256), np.int32)
    labels[101:140, 30:61] = 1
    layer = dock.viewer.add_labels([labels, labels[::2, ::2], labels[::4, ::4]], multiscale=True, name="pyramid")
    dock.use_layer(layer)
    assert dock.mask_choice.value is layer
    path = Path(dock.value().mask_file)
    save_mask(path, layer)
    np.testing.assert_array_equal(read_labels(path), labels)


def test_a_layer_that_is_gone_or_a_stack_is_not_offered(dock):
    dock.viewer.add_labels(np.zeros((3, 4, 4), int), name="stack")
    layer = dock.viewer.add_labels(np.ones((4, 4), int), name="flat")
    dock.use_layer(layer)
    assert [one.name for one in dock.mask_choice.choices if not isinstance(one, str)] == ["flat"]
    assert dock.value().masks == "file"
    dock.viewer.layers.remove(layer)
    assert dock.value().masks == "auto"


def test_a_joint_generator_needs_no_masks(dock, project):
    path = project.path / "runs" / "20260103-000000-train"
    make_run(project, path.name)
    Recipe().override("gan=dcgan", "tiles.size=64").to_file(path / "recipe.yaml")
    dock.workspace.runsChanged.emit()
    dock.run_combo.setCurrentIndex(0)
    assert dock.mask_choice.native.isHidden()
    dock.run_combo.setCurrentIndex(1)
    assert not dock.mask_choice.native.isHidden()


def texts(combo: QComboBox) -> list[str]:
    return [combo.itemText(number) for number in range(combo.count())]


def test_saved_states_can_be_chosen(dock, project):
    assert dock.state_combo.isHidden()  # there is but one
    for step, distance in ((3000, 0.1), (3100, 0.3)):
        make_run(project, "20260101-000000-train", step)
        header = project.path / f"runs/20260101-000000-train/checkpoints/step_{step:08d}.json"
        header.write_text(json.dumps({"numbers": {"kernel_distance": distance}}))
    dock.workspace.runsChanged.emit()
    assert not dock.state_combo.isHidden()
    assert texts(dock.state_combo) == ["newest · step 3,100", "best · step 3,000", "step 3,000"]
    dock.state_combo.setCurrentIndex(1)
    assert dock.value().checkpoint == "best"
    dock.workspace.runsChanged.emit()
    assert dock.value().checkpoint == "best"
    dock.state_combo.setCurrentIndex(2)
    assert dock.value().checkpoint == "3000"


def test_a_class_can_be_chosen_when_the_run_knows_some(dock, project):
    assert dock.class_combo.isHidden()
    make_run(project, "20260102-000000-train", 10, "gan=cgan", "tiles.size=64", image_classes=["healthy", "ill"])
    dock.workspace.runsChanged.emit()
    assert dock.run_combo.currentText() == "run 2 · cgan · 40 img"
    assert not dock.class_combo.isHidden()
    assert texts(dock.class_combo) == ["each in turn", "healthy", "ill"]
    assert dock.value().image_class == ""
    dock.class_combo.setCurrentIndex(2)
    assert dock.value().image_class == "ill"
    dock.run_combo.setCurrentIndex(1)  # knows none
    assert dock.class_combo.isHidden()
    assert dock.value().image_class == ""


def choose_masks(dock, source):
    dock.mask_choice.value = source


def test_every_source_of_masks_says_what_it_uses_or_lacks(dock, project):
    name = "20260101-000000-train"
    make_run(project, name, 3100, mask_kind="classes", class_names=["axon"])
    dock.workspace.runsChanged.emit()
    assert dock.need.text() == "Uses the masks of your 1 pair, bent strongly, with organelles exchanged."
    choose_masks(dock, "warped")
    assert dock.need.text() == "Uses the masks of your 1 pair, bent a little and rotated."
    choose_masks(dock, "arranged")
    assert dock.reason.text() == (
        "Named classes belong together and cannot be arranged apart. Choose real masks, moved."
    )
    choose_masks(dock, "real")
    assert dock.need.text() == "Uses the masks of your 1 pair."
    choose_masks(dock, "simulated")
    assert dock.need.isHidden()
    assert dock.reason.text() == (
        "The simulator draws mitochondria and membranes; this run paints axon. Choose real masks, moved."
    )
    assert not dock.button.isEnabled()
    make_run(project, name, 3100, mask_kind="classes", class_names=["mitochondria", "membranes"])
    dock.workspace.runsChanged.emit()
    assert dock.need.text() == "Needs no pairs: mitochondria and membranes are simulated."
    assert dock.button.isEnabled()
    layer = dock.viewer.add_labels(np.full((4, 4), 3), name="drawn")
    dock.use_layer(layer)
    assert dock.reason.text() == "The layer contains label 3; this run knows 1 mitochondria, 2 membranes."
    layer.data[:] = 2
    dock._judge()
    assert dock.need.text() == "Uses 'drawn' for every pair: one mask, each time with another look."
    dock.viewer.layers.remove(layer)
    dock.workspace.setPairs(PairTable())
    assert dock.reason.text().endswith("Drop images and masks on the Pairs dock, or choose simulated masks.")
    assert not dock.button.isEnabled()
    choose_masks(dock, "simulated")
    assert dock.button.isEnabled()


def test_masks_can_come_from_a_mask_generator(dock, project):
    kind = {"mask_kind": "instances", "class_names": ["cell"]}
    make_run(project, "20260101-000000-train", 3100, **kind)
    dock.workspace.runsChanged.emit()
    choose_masks(dock, "generated")
    assert "Needs a run that draws masks, and none here fits." in dock.reason.text()
    assert dock.drawer_combo.isHidden()
    masks = ("gan=dcgan", "draws=masks", "tiles.size=64")
    make_run(project, "20260102-000000-train", 20, *masks, mask_kind="binary", class_names=["cell"])
    make_run(project, "20260103-000000-train", 20, *masks, **kind)
    make_run(project, "20260104-000000-train", None, *masks, **kind)
    dock.workspace.runsChanged.emit()
    assert dock.run_combo.currentData() == "20260101-000000-train"  # the newest that can draw an image
    assert texts(dock.drawer_combo) == ["run 3 · dcgan · masks only · 80 img"]  # of the same kind, with something saved
    assert not dock.drawer_combo.isHidden()
    assert dock.need.text() == ("Uses new masks of run 3; masks that fail the check against your 1 pair are replaced.")
    assert (dock.value().masks, dock.value().mask_run) == ("generated", "20260103-000000-train")
    assert dock.button.isEnabled()
    dock.run_combo.setCurrentIndex(1)
    assert dock.reason.text().startswith("This run draws masks only.")
    assert dock.mask_choice.native.isHidden()


def test_choices_are_remembered_in_the_project(dock, project, tmp_path):
    dock.number.setValue(7)
    dock.variety.setValue(125)
    dock.mask_choice.value = "arranged"
    dock.layouts.cover.setValue(40)
    dock.layouts.contact.setValue(0)
    dock.workspace.setProject(Project(tmp_path / "other"))
    dock.workspace.setProject(Project(project.path))
    value = dock.value()
    assert (value.number, value.variety, value.masks) == (7, 1.25, "arranged")
    assert (value.cover, value.contact) == (0.4, 0.0)


@pytest.mark.parametrize(("stored", "masks"), [({"warp": 0.3}, "warped"), ({}, "auto")])
def test_the_default_of_an_earlier_version_is_not_taken_for_a_choice(dock, project, tmp_path, stored, masks):
    dock.workspace.setProject(Project(tmp_path / "other"))
    old = {"generate": {"masks": "warped", "variety": 1.0, "number": 9, **stored}}
    (project.path / "window.json").write_text(json.dumps(old))
    dock.workspace.setProject(Project(project.path))
    assert (dock.value().number, dock.value().masks) == (9, masks)


def test_a_run_of_another_project_is_copied_by_a_drop(dock, tmp_path):
    other = Project(tmp_path / "elsewhere")
    make_run(other, "theirs")
    data = QMimeData()
    data.setUrls(
        [QUrl.fromLocalFile(str(other.path / "runs" / "theirs" / "checkpoints" / "step_00003100.safetensors"))]
    )
    buttons, keys = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    dock.dropEvent(QDropEvent(QPointF(5, 5), Qt.DropAction.CopyAction, data, buttons, keys))
    assert dock.run_combo.currentData() == "theirs"
    copied = dock.workspace.project.path / "runs" / "theirs"
    assert (copied / "checkpoints" / "step_00003100.safetensors").read_bytes() == b"tensors"
    assert dock.error.isHidden()


def test_what_is_no_run_is_refused_in_words(project, tmp_path):
    (tmp_path / "stranger.pt").write_bytes(b"x")
    with pytest.raises(UserError, match="does not belong to a trained run"):
        import_run(project, tmp_path / "stranger.pt")
    make_run(project, "mine")
    assert import_run(project, project.path / "runs" / "mine") == "mine"
    other = Project(tmp_path / "other")
    make_run(other, "mine")
    assert import_run(project, other.path / "runs" / "mine") == "mine-2"
    (other.path / "runs" / "mine" / "codec.json").write_text("{")
    with pytest.raises(UserError, match="codec"):
        import_run(project, other.path / "runs" / "mine")


def test_a_click_opens_layers_and_a_double_click_accepts(dock, qtbot, project):
    from napari_organoid_synth.core.simulators.simulate import tissue

    with SampleStore(project.samples_path) as store:
        (id,) = store.add_many([tissue(1, 48)])
    dock.workspace.samplesChanged.emit()
    qtbot.waitUntil(lambda: dock.strip.ids == [id], timeout=10_000)
    tile = dock.strip.tiles[0]
    with qtbot.waitSignal(dock.strip.opened, timeout=10_000):
        tile.click()
    assert [layer._type_string for layer in dock.viewer.layers] == ["image", "labels"]
    with qtbot.waitSignal(dock.strip.accepted, timeout=10_000):
        QTest.mouseDClick(tile, Qt.MouseButton.LeftButton)
    with SampleStore(project.samples_path) as store:
        assert store.row(id).verdict == "accepted"
    with qtbot.waitSignal(dock.strip.opened, timeout=10_000):
        QTest.keyClick(tile, Qt.Key.Key_Return)
    assert len(dock.viewer.layers) == 2  # shown again, not twice
    until = time.monotonic() + 2 * QApplication.doubleClickInterval() / 1000
    while time.monotonic() < until:
        QApplication.processEvents()


def test_the_command_does_the_same(dock):
    dock.number.setValue(9)
    dock.copy_button.click()
    assert QApplication.clipboard().text().endswith("--set run=20260101-000000-train --set number=9")


def test_every_control_says_what_it_is_and_fits_320_px(dock):
    unnamed = [
        widget
        for kind in (QAbstractButton, QComboBox, QSlider, QSpinBox)
        for widget in dock.body.findChildren(kind)
        if not (widget.accessibleName() or getattr(widget, "text", str)())
        and not widget.objectName().startswith("qt_")
        and widget not in dock.strip.tiles
    ]
    assert unnamed == []
    for control in (
        dock.run_combo,
        dock.mask_choice.native,
        dock.number,
        dock.seed,
        dock.dice,
        dock.variety,
        dock.open_button,
        dock.layouts.cover,
        dock.layouts.contact,
    ):
        assert control.toolTip()
        assert control.accessibleName()
    assert dock.body.minimumSizeHint().width() <= 306


def test_remembered_file_is_plain_json(dock, project):
    dock.number.setValue(11)
    dock.workspace._save_settings()
    assert json.loads((project.path / "window.json").read_text())["generate"]["number"] == 11


def test_without_a_run_the_pairs_of_the_project_are_painted_now(make_napari_viewer, project):
    viewer = make_napari_viewer()
    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    dock = GenerateWidget(viewer)
    entry = PairEntry(name="a", image="a.tif", status="matched", masks={"object": "a_mask.tif"})
    workspace.setPairs(PairTable(entries=(entry, entry.replace(name="b")), mask_kind="instances"))
    assert not dock.body.isHidden()
    assert dock.run_combo.currentText() == "no training · pieces of your 2 images"
    assert dock.button.text() == "Paint 50 pairs now, no training"
    assert dock.button.isEnabled()
    assert dock.value().run == "analogy"
    make_run(project, "20260101-000000-train")
    workspace.runsChanged.emit()
    assert dock.run_combo.currentText() == "run 1 · pix2pix · 12,400 img"
    assert dock.button.text() == "Make 50 pairs"
    assert dock.run_combo.findData("analogy") == 1
    dock.strip.close_store()
    workspace.close()


def test_a_run_without_training_is_named_by_its_images(project):
    make_run(project, "20260101-000000-train", 0, "gan=analogy")
    RunMetadata(data={"a": "1", "b": "2"}).write(project.path / "runs" / "20260101-000000-train" / "run.json")
    (info,) = list_runs(project)
    assert info.title == "run 1 · analogy · of 2 real images"
    assert not info.trains
    assert saved_states(info) == [("newest", "the real images as they were kept")]
