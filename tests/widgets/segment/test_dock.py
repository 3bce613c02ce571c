"""The dock Segment on a job played by a script that writes results and predictions as the verb does."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile

from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import ArmRecord, Design
from napari_organoid_synth.core.gain.settings import GainSettings, SegmentSettings
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import FALSE_NEGATIVE, FALSE_POSITIVE
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.widgets.segment.dock import SegmentWidget
from napari_organoid_synth.widgets.segment.predictions import SHOWN, errors_only
from napari_organoid_synth.widgets.shared import jobs as _jobs
from napari_organoid_synth.widgets.shared.workspace import Workspace
from qt_bindings import WORKER_FAILS

OLD_RESULT = Path(__file__).parents[2] / "data" / "gain" / "20260101-000000-segment"

JOB = """
import os, sys, time
from pathlib import Path
from napari_organoid_synth.core.job import Added, Failed, Finished, JobFolder, Progress, Started, Warned
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import ArmRecord, Design, TaskCounts
from napari_organoid_synth.core.gain.settings import SegmentSettings
from napari_organoid_synth.core.gain.storage import write_result
from napari_organoid_synth.core.gain.summary import summarise

folder = JobFolder(Path(sys.argv[sys.argv.index("--job") + 1]))
control = folder.control
DICE = {
    "raw": [0.5, 0.6], "classical": [0.55, 0.6], "classical+pasted": [0.6, 0.6], "classical+synthetic": [0.7, 0.8]
}
DESIGN = Design(folds=(Fold(train=("a",), test=("b", "c")),), pairs_from="store")

def events():
    settings = SegmentSettings.from_file(folder.path / "settings.yaml")
    arms, total, records = settings.arms, len(settings.arms), []
    yield Started(0, {"total": total, "arms": list(arms)})
    yield Warned(0, "There are only 2 accepted pairs.")
    if os.environ.get("FAKE_JOB") == "fail":
        yield Failed(0, "Memory is full.", "Expected room.", "Lower the crops per step.", "Traceback")
        return
    for number, arm in enumerate(arms):
        for step in range(1, settings.steps + 1):
            shares = {one: 1.0 if one in arms[:number] else 0.0 for one in arms} | {arm: step / settings.steps}
            yield Progress(number, total, shares=shares, seconds_left=5.0, note=arm)
        per_image = {n: {"dice": d, "precision": d, "recall": d} for n, d in zip(("b", "c"), DICE[arm])}
        records.append(ArmRecord(arm=arm, per_image=per_image, steps=100, seconds=2.0, synthetic=2))
        counts = TaskCounts(total=total, done=number + 1)
        result = summarise(records, DESIGN, warnings=["Only 2 pairs."], tasks=counts)
        write_result(folder.path, result)
        yield Added(number + 1, (arm,))
        while os.environ.get("FAKE_JOB") == "wait" and not control.canceled:
            time.sleep(0.02)
        if control.canceled:
            yield Finished(1, "canceled", result.model_dump(mode="json"))
            return
    yield Finished(total, "completed", result.model_dump(mode="json"))

for _ in folder.record(events()):
    pass
"""


def real_pair(name: str) -> SamplePair:
    labels = np.zeros((20, 30), np.int32)
    labels[4:10, 5:15] = 1
    return SamplePair(name, (labels[None] * 90).astype(np.uint8), labels, pixel_size=(0.5, 0.5))


@pytest.fixture
def table(project):
    """One training and two test pairs on disk, as in ``pairs.json``."""
    entries = []
    for name, split in (("a", "train"), ("b", "test"), ("c", "test")):
        pair, folder = real_pair(name), project.path / "files"
        folder.mkdir(exist_ok=True)
        tifffile.imwrite(folder / f"{name}.tif", pair.image[0])
        tifffile.imwrite(folder / f"{name}_mask.tif", pair.labels.astype(np.uint8))
        entries.append(
            PairEntry(
                name=name,
                image=str(folder / f"{name}.tif"),
                masks={"object": str(folder / f"{name}_mask.tif")},
                split=split,
                shape=(1, 20, 30),
                dtype="uint8",
                mask_kind="binary",
                class_names=("object",),
            )
        )
    return PairTable(entries=tuple(entries), mask_kind="binary", class_names=("object",))


@pytest.fixture
def dock(make_napari_viewer, fake_job, project, table, tmp_path):
    script = tmp_path / "job.py"
    script.write_text(JOB)
    fake_job.setattr(_jobs.JobRunner, "COMMAND", (sys.executable, str(script)))
    viewer = make_napari_viewer()
    with SampleStore(project.samples_path) as store:
        ids = store.add_many([tissue(seed, 48).replace(name=f"s{seed}") for seed in range(3)])
        store.decide(ids[:2], "accepted")
    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    workspace.setPairs(table)
    dock = SegmentWidget(viewer)
    viewer.window.add_dock_widget(dock)
    assert dock.value() == GainSettings()  # untouched
    dock.setValue(SegmentSettings())
    yield dock
    workspace.close()


def test_without_pairs_it_says_what_to_do(make_napari_viewer, project):
    dock = SegmentWidget(make_napari_viewer())
    assert "Open a project" in dock.empty.sentence.text()
    dock.workspace.setProject(project)
    assert "no pairs yet" in dock.empty.sentence.text()
    dock.workspace.close()


def test_the_quick_test_gives_the_defaults_too(dock):
    assert dock.value() == SegmentSettings()
    assert dock.button.text() == "Measure the gain"
    assert dock.button.isEnabled()


def test_arms_say_how_many_pairs_they_have(dock):
    notes = {arm: label.text() for arm, label in dock.form.arms.notes.items()}
    assert notes == {
        "raw": "1 pair",
        "classical": "1 pair",
        "classical-tissue": "1 pair",
        "classical-organoid": "1 pair",
        "classical+pasted": "+ pasted",
        "classical+simulated": "+ simulated",
        "raw+synthetic": "+ 3 synthetic",
        "classical+synthetic": "+ 3 synthetic",
        "classical+curated": "+ 2 accepted",
        "pretrain": "+ 3 synthetic",
        "synthetic-only": "+ 3 synthetic",
    }
    dock.form.test_by.setCurrentIndex(dock.form.test_by.findData("grouped"))
    notes = {arm: label.text() for arm, label in dock.form.arms.notes.items()}
    assert notes.pop("pretrain") == "synthetic pairs first, then real ones"
    assert set(notes.values()) == {""}


def test_settings_have_headings_and_say_what_a_fold_is(dock):
    dock.form.test_by.setCurrentIndex(dock.form.test_by.findData("grouped"))
    form = dock.form.forms["gain"]
    assert [section[0].value for section in form._sections] == [
        "Pairs that are added",
        "How it is tested",
        "When a training ends",
        "Computer",
    ]
    shown = {path for section in form._sections for path in ("folds", "floor", "threads") if form[path] in section.rows}
    assert shown == {"folds", "floor", "threads"}
    assert len(form._front) == 0  # every setting is under a heading
    assert "A fold is a share of the images" in form._sections[1][1].value
    assert form["folds"].native.text() == "automatic"
    assert len(dock.form.member._front) == 0
    assert form.value == GainSettings()
    more = dock.form.arms.more
    assert not more.isExpanded()
    dock.form.arms.setValue(("raw", "pretrain"))
    assert more.isExpanded()


def test_a_picture_of_errors_is_not_offered_for_segmenting(dock):
    viewer, button = dock.viewer, dock.apply.layers_button
    viewer.add_image(np.zeros((20, 20)), name="my cells")
    assert button.text() == "Segment the layer 'my cells'"
    errors = viewer.add_image(np.zeros((20, 20, 3), np.uint8), rgb=True, name="errors", metadata={SHOWN: True})
    viewer.layers.selection = {errors}
    assert button.text() == "Segment layers: select an image layer"
    assert not button.isEnabled()


def test_an_arm_without_samples_is_left_out(dock, project):
    with SampleStore(project.samples_path) as store:
        store.decide(store.ids(), "rejected")
    dock.workspace.samplesChanged.emit()
    dock.form.arms.boxes["classical+curated"].setChecked(True)
    assert not dock.form.arms.boxes["classical+curated"].isEnabled()
    assert dock.form.arms.notes["classical+curated"].text() == "none accepted yet"
    assert dock.value().arms == SegmentSettings().arms


def test_no_test_image_is_a_reason(dock, table):
    dock.workspace.setPairs(PairTable(entries=table.entries[:1]))
    assert not dock.button.isEnabled()
    assert "put aside for the test" in dock.reason.text()


def test_the_real_pairs_are_always_compared(dock):
    for box in dock.form.arms.boxes.values():
        box.setChecked(False)
    dock.form.arms.setValue(())
    assert dock.value().arms == ("raw",)
    assert not dock.form.arms.boxes["raw"].isEnabled()
    assert dock.reason.isHidden()


def test_a_comparison_fills_bars_table_plot_and_sentence(dock, qtbot, project):
    dock.form.steps.setValue(4)
    wanted = dock.value()
    with qtbot.waitSignal(dock.runners["segment"].finished, timeout=60_000):
        dock.button.click()
        assert not dock.button.isEnabled()
    assert SegmentSettings.from_file(project.jobs("segment")[0].path / "settings.yaml") == wanted
    assert dock.panel.sentence.text().startswith("Classical augmentation and synthetic pairs: Dice +0.150")
    table = dock.panel.table
    rows = [table.verticalHeaderItem(row).text() for row in range(table.rowCount())]
    assert rows == ["real\npairs", "classical", "classical,\npasted", "classical,\nsynthetic"]
    columns = [table.horizontalHeaderItem(column).text() for column in range(table.columnCount())]
    assert columns == ["Dice", "Over best", "Change", "Better"]
    assert [table.item(row, 1).text() for row in range(4)] == ["", "", "", "+0.150\n[0.100, 0.200]"]
    assert [table.item(row, 0).text().split("\n")[0] for row in range(4)] == ["0.550", "0.575", "0.600", "0.750"]
    assert table.item(3, 2).text() == "+0.200\n[0.200, 0.200]"
    assert [table.item(row, 3).text() for row in range(4)] == ["", "1 of\n2", "1 of\n2", "2 of\n2"]
    assert [table.item(row, 2).font().bold() for row in range(4)] == [False] * 4  # two images are no interval
    assert dock.panel.plot._arms["classical+synthetic"] == [0.7, 0.8]
    assert dock.warning.text() == "! Only 2 pairs."
    assert [dock.panel.image.itemText(i) for i in range(2)] == ["b", "c"]
    assert all(bar.isHidden() for bar in dock.form.arms.bars.values())
    qtbot.waitUntil(lambda: "less than a minute here" in dock.offer.estimate.text().lower(), timeout=20_000)


def test_each_arm_has_its_own_progress_and_finished_arms_are_shown(dock, qtbot, fake_job):
    fake_job.setenv("FAKE_JOB", "wait")
    dock.form.steps.setValue(4)
    dock.button.click()
    qtbot.waitUntil(
        lambda: dock.panel.table.rowCount() == 1 and dock.form.arms.bars["raw"].value() == 100, timeout=30_000
    )
    assert dock.form.arms.bars["classical"].value() == 0
    assert not dock.form.arms.bars["classical+synthetic"].isHidden()
    assert dock.form.arms.bars["classical+curated"].isHidden()
    assert "only 2 accepted" in dock.warning.text() or dock.warning.text() == "! Only 2 pairs."
    with qtbot.waitSignal(dock.runners["segment"].finished, timeout=30_000) as caught:
        dock.cards["segment"].stop_button.click()
    assert caught.args == ["canceled"]
    assert dock.panel.table.rowCount() == 1


def test_a_new_window_takes_up_a_running_comparison(dock, qtbot, fake_job, project, make_napari_viewer):
    fake_job.setenv("FAKE_JOB", "wait")
    dock.form.steps.setValue(3)
    dock.button.click()
    qtbot.waitUntil(lambda: dock.panel.table.rowCount() == 1, timeout=30_000)
    dock.runners["segment"].detach()
    dock.runners["segment"].wait()
    workspace = Workspace()
    workspace.setProject(Project(project.path))
    runner = workspace.runner("segment")
    assert runner.running
    viewer = dock.viewer
    dock.workspace.setProject(Project(project.path))
    again = SegmentWidget(viewer)
    qtbot.waitUntil(
        lambda: again.form.arms.bars["raw"].value() == 100 or again.panel.table.rowCount() == 1, timeout=30_000
    )
    with qtbot.waitSignal(again.runners["segment"].finished, timeout=30_000):
        again.runners["segment"].cancel()
    qtbot.waitUntil(lambda: not runner.running, timeout=30_000)
    runner.wait()
    workspace.close()
    again.deleteLater()


def test_a_failure_is_a_card(dock, qtbot, fake_job):
    fake_job.setenv("FAKE_JOB", "fail")
    with qtbot.waitSignal(dock.runners["segment"].failed, timeout=30_000):
        dock.button.click()
    assert dock.error.found.text() == "✕ Memory is full."
    assert dock.button.isEnabled()


def result_in(folder, dice):
    """A result of some arms on the images b and c."""
    records = [
        ArmRecord(arm=arm, steps=1, per_image={name: {"dice": one} for name, one in values.items()})
        for arm, values in dice.items()
    ]
    result = summarise(records, Design(folds=(Fold(train=("a",), test=("b", "c")),), pairs_from="store"))
    return result.model_copy(update={"folder": str(folder)})


def test_choices_of_an_earlier_version_are_read(dock, project):
    kept = {"arms": ["real", "classical-tissue"], "steps": 5}
    dock.workspace.remember("segment", {"verb": "segment", "segment": kept})
    dock._open(project)
    assert dock.value() == SegmentSettings(arms=("raw", "classical-tissue"), steps=5)


def test_a_result_of_an_earlier_version_is_shown(dock, project):
    shutil.copytree(OLD_RESULT, project.path / "segment" / OLD_RESULT.name)
    dock._open(project)
    panel = dock.panel
    assert [panel.arm.itemText(row) for row in range(4)] == [
        "real pairs",
        "classical, tissue",
        "raw, synthetic",
        "raw, curated",
    ]
    assert panel.table.item(0, 0).text().startswith("0.942")
    assert panel.sentence.text().startswith("Synthetic pairs made no clear difference to real pairs")


def test_errors_are_magenta_and_cyan_and_the_rest_is_clear():
    truth = np.array([[0, 1, 1, 0]])
    found = np.array([[2, 3, 0, 0]])
    errors = errors_only(found, truth, classes=False)
    assert errors[0].tolist() == [[*FALSE_POSITIVE, 255], [0, 0, 0, 0], [*FALSE_NEGATIVE, 255], [0, 0, 0, 0]]


@WORKER_FAILS
def test_a_prediction_opens_as_layers_and_is_replaced_in_place(dock, qtbot, project):
    folder = project.job("segment").path
    predicted = np.roll(real_pair("b").labels, 3, axis=1)
    write_pair(folder / "predictions" / "raw", real_pair("b").replace(labels=predicted))
    dock._show(result_in(folder, {"raw": {"b": 0.7, "c": 0.7}}))
    names = ["test image", "truth", "prediction", "errors"]
    for _ in range(2):
        dock.viewer.layers.clear() if not dock.panel.layers_open() else None
        dock.panel.show_button.click()
        qtbot.waitUntil(lambda: [layer.name for layer in dock.viewer.layers] == names, timeout=20_000)
        qtbot.wait(200)
    np.testing.assert_array_equal(dock.viewer.layers["prediction"].data, predicted)
    np.testing.assert_array_equal(dock.viewer.layers["truth"].data, real_pair("b").labels)
    assert tuple(dock.viewer.layers["errors"].scale) == tuple(dock.viewer.layers["test image"].scale)
    assert dock.panel.sides.text() == "real pairs (Dice 0.700)"
    dock.panel.image.setCurrentText("c")
    dock.panel.show_layers()
    qtbot.waitUntil(lambda: not dock.error.isHidden(), timeout=20_000)
    assert "no prediction" in dock.error.found.text()


def test_the_real_pairs_stand_to_the_left_of_what_is_chosen(dock, qtbot, project):
    folder = project.job("segment").path
    predicted = {"raw": np.roll(real_pair("b").labels, 3, axis=1), "raw+synthetic": real_pair("b").labels}
    for arm, labels in predicted.items():
        write_pair(folder / "predictions" / arm, real_pair("b").replace(labels=labels))
    dock._show(result_in(folder, {"raw": {"b": 0.7, "c": 0.9}, "raw+synthetic": {"b": 1.0, "c": 0.9}}))
    panel = dock.panel
    assert (panel.arm.currentData(), panel.image.currentText()) == ("raw+synthetic", "b")  # where most changed
    assert panel.sides.text() == "Left real pairs (Dice 0.700), right raw, synthetic (Dice 1.000)"
    panel.show_button.click()
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 9, timeout=20_000)
    layers = dock.viewer.layers
    np.testing.assert_array_equal(layers["prediction"].data, predicted["raw+synthetic"])
    np.testing.assert_array_equal(layers["prediction, real pairs"].data, predicted["raw"])
    assert not layers["errors"].data.any()
    red_green_blue = layers["errors, real pairs"].data[5, [5, 16]]  # objects 5..15, found at 8..18
    assert red_green_blue.tolist() == [[*FALSE_NEGATIVE, 255], [*FALSE_POSITIVE, 255]]
    (left, right) = (layers[name].extent.world[:, 1] for name in ("errors, real pairs", "errors"))
    assert left[1] < right[0]  # beside it, not above it
    titles = layers["trained on"]
    assert titles.text.values.tolist() == ["raw, synthetic", "real pairs"]
    assert titles.data[:, 1] * titles.scale[1] == pytest.approx([right[0], left[0]], abs=1)
    assert (titles.data[:, 0] < 0).all()  # above the pictures
    assert layers.selection.active is layers["errors"]
    panel.arm.setCurrentIndex(panel.arm.findData("raw"))
    panel.show_layers()
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 4, timeout=20_000)


def test_choices_are_remembered_in_the_project(dock, project, table, tmp_path):
    dock.form.steps.setValue(77)
    dock.form.arms.boxes["classical+pasted"].setChecked(False)
    dock.workspace.setProject(Project(tmp_path / "other"))
    assert dock.value() == GainSettings()
    dock.workspace.setProject(Project(project.path))
    dock.workspace.setPairs(table)
    assert dock.value().steps == 77
    assert dock.value().arms == ("raw", "classical", "classical+synthetic")


def test_it_fits_320_px_and_every_control_says_what_it_is(dock):
    assert dock.body.minimumSizeHint().width() <= 306
    boxes = list(dock.form.arms.boxes.values())
    panel, apply = dock.panel, dock.apply
    form = dock.form
    more = (form.segmenter, form.test_by, form.repeats, form.steps, panel.image, panel.arm, panel.show_button)
    for control in (*boxes, *more, apply.segmenter, apply.layers_button, apply.folder_button, apply.export_button):
        assert control.toolTip()
        assert control.accessibleName()
