"""The gain meter in the dock, with the real child process on tiny images; and its segmenter on open layers."""

from __future__ import annotations

import json

import numpy as np
import psutil
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_organoid_synth.core.gain.cost_estimate import Estimate, seconds, trainings, workers_at_once
from napari_organoid_synth.core.gain.results import TaskCounts
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.pairs.ome_tiff import read_labels
from napari_organoid_synth.core.pairs.pictures import flow_colours
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.segmenters.cellpose_config import CellposeConfig
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.widgets.segment.apply_panel import copy_predictions
from napari_organoid_synth.widgets.segment.comparison import fold_scores
from napari_organoid_synth.widgets.segment.dock import SegmentWidget
from napari_organoid_synth.widgets.segment.layer_files import (
    IMAGES,
    PREDICTED,
    as_planes,
    describe_layer,
    read_predictions,
    show_predictions,
    storable,
    write_layers,
)
from napari_organoid_synth.widgets.shared.workspace import Workspace

SETTINGS = GainSettings(
    segmenter=UNetConfig(channels=8, depth=2, tile=64, batch=1),
    arms=("raw", "classical-tissue"),
    design="k-fold",
    folds=2,
    repeats=1,
    steps=2,
    scheduler="here",
    device="cpu",
)


@pytest.fixture
def project(tmp_path):
    """Two images of each of two mice, one object each, on disk."""
    project = Project(tmp_path / "project")
    entries = []
    for number, name in enumerate(("m1_z1", "m1_z2", "m2_z1", "m2_z2")):
        labels = np.zeros((40, 50), np.uint8)
        labels[5 + number : 25, 10:30] = 1
        image, mask = (str(project.path / f"{name}{ending}.tif") for ending in ("", "_mask"))
        tifffile.imwrite(image, labels * 90 + np.random.default_rng(number).integers(0, 20, labels.shape, np.uint8))
        tifffile.imwrite(mask, labels)
        facts = {"shape": (1, 40, 50), "dtype": "uint8", "mask_kind": "binary", "class_names": ("object",)}
        entries.append(PairEntry(name=name, image=image, masks={"object": mask}, **facts))
    PairTable(entries=tuple(entries), mask_kind="binary", class_names=("object",)).to_file(project.pairs_path)
    return project


@pytest.fixture
def dock(make_napari_viewer, project):
    viewer = make_napari_viewer()
    workspace = Workspace.of(viewer)
    workspace.setProject(project)
    dock = SegmentWidget(viewer)
    viewer.window.add_dock_widget(dock)
    yield dock
    workspace.close()


def result(folder, key, kind, **values):
    path = folder / "tasks" / key / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"kind": kind, **values}))


def rows():
    """A table as `gain` writes it after 7 of 24 trainings, and what else the dock shows."""
    change = {"images": 4, "groups": 4, "better": 3, "worse": 1, "mean": 0.05, "low": 0.01, "high": 0.09}
    change |= {"low_all": 0.0, "high_all": 0.1, "interval": "bootstrap"}
    table = [
        {"arm": arm, "subset": share, "ratio": 1.0, "synthetic": 0, "steps": 2,
         "scores": {"dice": {"mean": mean, "sd": 0.02}}, **({"gain": {"dice": change}} if arm != "raw" else {})}
        for share in (1.0, 0.5) for arm, mean in (("raw", 0.8), ("classical-tissue", 0.85))
    ]  # fmt: skip
    names = ("m1_z1", "m1_z2", "m2_z1", "m2_z2")
    arms = {arm: {"dice": 0.8, "per_image": {name: {"dice": 0.8} for name in names}} for arm in ("raw", "curated")}
    return {
        "arms": arms, "table": table, "score": "dice", "sentences": ["One.", "Two."], "test": list(names),
        "tasks": {"total": 24, "done": 7, "failed": 0}, "warnings": [],
        "design": {"folds": [{"train": names[2:], "test": names[:2]}, {"train": names[:2], "test": names[2:]}]},
    }  # fmt: skip


def test_the_form_says_groups_and_trainings_before_it_runs(dock):
    assert dock.value() == GainSettings()
    assert "2 groups of 4 images, by the names" in dock.form.groups.text()
    assert dock.reason.isHidden()  # analogy needs no generator that was trained before
    for arm in ("classical+pasted", "classical+synthetic"):
        dock.form.arms.boxes[arm].setChecked(False)
    assert dock.reason.isHidden()
    assert dock.button.text() == "Train and test"
    assert dock.offer.estimate.text().startswith("2 folds, 12 trainings (12 of the segmenter). The time is known after")
    dock._know(({"arm": 1.2}, 0, None))
    at_once = min(workers_at_once(GainSettings()), 12)
    assert seconds(dock.value(), 2, {"arm": 1.2}, 0) == pytest.approx(12 * 5000 * 1.2 / at_once)
    assert ", at most about" in dock.offer.estimate.text()
    dock._know(({"arm": 1.2, "arm_steps": 2000}, 3, None))
    assert "at most" not in dock.offer.estimate.text()
    assert "kept" not in dock.offer.estimate.text()  # no arm needs a generator
    dock.form.arms.boxes["classical+synthetic"].setChecked(True)
    assert "Of earlier comparisons 3 generators are kept" in dock.offer.estimate.text()
    dock.form.arms.boxes["classical+synthetic"].setChecked(False)
    assert not dock.form.arms.boxes["raw"].isEnabled()
    dock.form.test_by.setCurrentIndex(dock.form.test_by.findData("leave-one-out"))
    dock.form.repeats.setValue(3)
    assert dock.value().design == "leave-one-out"
    assert dock.offer.estimate.text().startswith("4 folds, 24 trainings")
    dock.form.forms["gain"]["folds"].value = 3
    dock.form.test_by.setCurrentIndex(dock.form.test_by.findData("grouped"))
    assert dock.reason.text() == (
        "There are 2 groups for 3 folds. Expected at least as many groups as folds. "
        "Choose fewer folds, smaller groups, or leave-one-out."
    )
    dock.form.forms["gain"]["folds"].value = 0
    dock.form.forms["gain"]["paper_protocol"].value = True
    assert not dock.form.optimistic.isHidden()
    assert "Optimistic" in dock.form.optimistic.text()


def test_the_number_of_trainings_is_that_of_the_plan():
    settings = GainSettings(
        arms=("raw+synthetic", "raw+simulated", "classical-tissue"), ratios=(1, 2), subsets=(1, 0.5), repeats=2
    )
    places = 5 * 2 * 2
    expected = {"generator": places, "curated": 0, "simulator": places, "pasted": 0, "arm": places * (2 + 2 * 2)}
    assert trainings(settings, 5) == expected
    paper = trainings(settings.replace(paper_protocol=True), 5)
    assert (paper["generator"], paper["simulator"], paper["arm"]) == (2, 2, places * 6)


def test_a_table_so_far_and_the_offer_to_resume_button(dock, project, qtbot):
    folder = project.path / "segment" / "20260101-000000-gain"
    SETTINGS.to_file(folder / "gain.yaml")
    (folder / "results.json").write_text(json.dumps(rows()))
    result(folder, "arm-1", "arm", arm="raw", per_image={}, seconds=300.0, steps=200)
    for number in range(6):
        result(folder, f"simulator-{number}", "simulator", pairs=1, data={}, seconds=1.0)
    dock.workspace.setProject(Project(project.path))
    qtbot.waitUntil(lambda: dock._unfinished is not None, timeout=20_000)
    assert dock.resume_button.text() == "Resume: 7 of 24 done"
    assert dock._speeds == {"arm": 1.5}
    panel = dock.panel
    assert panel.state.text() == "So far, after 7 of 24 trainings:"
    assert panel.verdict.text() == "One."
    assert panel.words.text().startswith("Two.")
    cells = [[panel.table.item(row, column).text() for column in range(3)] for row in range(2)]
    assert cells == [["0.800\n± 0.020", "", ""], ["0.850\n± 0.020", "+0.050\n[0.010, 0.090]", "3 of\n4"]]
    assert panel.table.verticalHeaderItem(1).text() == "classical,\ntissue\n100 %"
    assert panel.table.item(1, 1).font().bold()
    assert panel.table.verticalHeaderItem(0).text() == "real\npairs\n100 %"
    assert [panel.tabs.isTabVisible(index) for index in range(5)] == [True, True, True, False, True]  # no curves yet
    assert [name for _, name, _ in panel.changes._rows] == ["classical, tissue, 100 %", "classical, tissue, 50 %"]
    assert not dock.setup.isExpanded()  # what was found goes first
    assert [one.mean for one in fold_scores(panel.result).values()] == [0.8, 0.8]
    assert dock.body.minimumSizeHint().width() <= 306


def test_a_comparison_that_says_it_is_done_is_not_offered_again(dock, project, qtbot):
    """An earlier version kept some of its tasks in other folders."""
    folder = project.path / "segment" / "20260101-000000-gain"
    SETTINGS.to_file(folder / "gain.yaml")
    content = rows()
    content["tasks"] = {"total": 24, "done": 24}
    (folder / "results.json").write_text(json.dumps(content))
    result(folder, "arm-1", "arm", arm="raw", per_image={}, seconds=300.0, steps=200)
    dock.workspace.setProject(Project(project.path))
    qtbot.waitUntil(lambda: dock.panel.result is not None, timeout=20_000)
    assert dock._unfinished is None
    assert dock.resume_button.isHidden()


def test_a_long_comparison_offers_one_of_a_night_and_takes_it_back(dock):
    for arm in ("classical+pasted", "classical+synthetic"):
        dock.form.arms.boxes[arm].setChecked(False)
    dock.form.steps.setValue(500)
    dock.form.test_by.setCurrentIndex(dock.form.test_by.findData("leave-one-out"))
    dock.form.repeats.setValue(3)
    dock._know(({"arm": 1.0}, 0, None))
    assert dock.offer.use_button.isHidden()  # 4 folds, 3 repeats, 2 arms of 500 s: 12,000 s
    dock._know(({"arm": 30.0 * workers_at_once(GainSettings())}, 0, None))
    before = dock.value()
    # 100 h; 2 folds take 50 h (3 are not possible with 2 groups), one repeat 17 h: nothing less is possible
    assert dock.offer.offer.text().startswith(
        "Shorter: 1 repeat, 2 folds → about 16 h 40 min. One repeat does not show the variance between seeds"
    )
    assert "each training sees 50 % of the images instead of 75 %" in dock.offer.offer.text()
    dock.offer.use_button.click()
    assert dock.value() == before.replace(design="grouped", folds=2, repeats=1)
    assert dock.offer.estimate.text().startswith("2 folds, 4 trainings")
    assert dock.offer.use_button.text() == "Undo"
    dock.offer.use_button.click()
    assert dock.value() == before
    assert dock.offer.use_button.text() == "Use the shorter comparison"
    dock.offer.use_button.click()
    dock.form.steps.setValue(7)  # edited since: nothing to take back
    assert dock.offer.use_button.isHidden()


def test_what_shortens_a_comparison_is_computed_from_the_speed():
    one = GainSettings(arms=("raw+synthetic",), workers=1, repeats=1, ratios=(1.0,), steps=500)
    speed = {"generator": 3.0, "arm": 1.0}
    # 5 × 20,000 × 3 s + 10 × 500 s = 305,000 s; 3 folds 183,000 s; 2 folds 122,000 s, of these 2,000 s the segmenter:
    # 28,800 - 2,000 s are 4,466 steps of each of two generators
    found = Estimate(one, 5, 12, speed, 20_000).shorter()
    assert found.settings == one.replace(folds=2, generator_steps=2000)
    assert found.changes == "2 folds, generator 2,000 steps"
    assert found.seconds == seconds(found.settings, 2, speed, 20_000) == 2 * 2000 * 3 + 4 * 500
    assert "50 % of the images instead of 80 %; a generator of 2,000 instead of 20,000 steps" in found.costs
    assert Estimate(one, 5, 12, {"generator": 0.2, "arm": 1.0}, 20_000).shorter() is None  # 25,000 s
    three = Estimate(one, 5, 12, {"generator": 0.4, "arm": 1.0}, 20_000).shorter()  # 45,000 s; 3 folds: 27,000 s
    assert (three.changes, three.seconds) == ("3 folds", 27_000)
    alone = Estimate(
        one, 5, 12, {"generator": 0.6}, 20_000
    ).shorter()  # of the generators alone; 3 folds 36,000 s, 2 24,000 s
    assert (alone.changes, alone.seconds) == ("2 folds", 24_000)
    assert Estimate(one, 5, 12, {}, 20_000).shorter() is None
    held = Estimate(
        one.replace(design="hold-out"), 1, 12, speed, 20_000
    ).shorter()  # 61,000 s; 27,800 s are 9,266 steps
    assert held.settings == one.replace(design="hold-out", generator_steps=5000)


@pytest.mark.slow
def test_stopped_killed_and_gone_on_with_without_repeating_what_is_done(dock, project, qtbot):
    """A stop by its button, then a kill: 'Resume' each time finishes the rest, and what was done stays as it was."""
    settings = SETTINGS.replace(arms=("raw", "classical-tissue", "classical-organoid"), steps=25)
    dock.setValue(settings)

    def done():
        return {path: path.stat().st_mtime_ns for path in project.path.glob("segment/*/tasks/*/result.json")}

    def click(button):
        button.setFocus()
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)

    runner = dock.runners["gain"]
    click(dock.button)
    qtbot.waitUntil(lambda: len(done()) >= 1, timeout=200_000)
    with qtbot.waitSignal(runner.finished, timeout=60_000) as caught:
        click(dock.cards["gain"].stop_button)
    assert caught.args == ["canceled"]
    first = done()
    assert 1 <= len(first) < 6
    qtbot.waitUntil(lambda: dock.resume_button.isVisibleTo(dock), timeout=30_000)
    assert dock.resume_button.text() == f"Resume: {len(first)} of 6 done"
    click(dock.resume_button)
    qtbot.waitUntil(lambda: len(done()) > len(first) or not runner.running, timeout=200_000)
    (folder,) = project.path.glob("segment/*")
    with qtbot.waitSignal(runner.failed, timeout=60_000):
        psutil.Process(json.loads((folder / "job.json").read_text())["pid"]).kill()
    second = done()
    assert len(first) < len(second) < 6
    assert first.items() <= second.items()
    assert not dock.error.isHidden()

    dock.workspace.setProject(Project(project.path))  # a new window
    again = SegmentWidget(dock.viewer)
    dock.viewer.window.add_dock_widget(again)
    qtbot.waitUntil(lambda: again.resume_button.isVisibleTo(again), timeout=30_000)
    assert again.resume_button.text() == f"Resume: {len(done())} of 6 done"
    second = done()
    with qtbot.waitSignal(again.runners["gain"].finished, timeout=200_000) as caught:
        click(again.resume_button)
    assert caught.args == ["completed"]
    assert len(done()) == 6
    assert second.items() <= done().items()
    assert again.panel.result.tasks == TaskCounts(total=6, done=6)
    assert again.panel.table.rowCount() == 3
    assert again.resume_button.isHidden()
    assert GainSettings.from_file(folder / "gain.yaml") == settings  # as many at once as was chosen


@pytest.mark.parametrize(
    ("shape", "rgb", "channels", "planes", "lead"),
    [
        ((7, 9), False, 1, (1, 1, 7, 9), ()),
        ((7, 9, 4), True, 3, (1, 3, 7, 9), ()),
        ((5, 7, 9), False, 1, (5, 1, 7, 9), (5,)),
        ((2, 7, 9), False, 2, (1, 2, 7, 9), ()),
        ((4, 5, 2, 7, 9), False, 2, (20, 2, 7, 9), (4, 5)),
    ],
)
def test_layers_become_planes(shape, rgb, channels, planes, lead):
    data = np.arange(np.prod(shape)).reshape(shape)
    found, before = as_planes(data, rgb, channels)
    assert (found.shape, before) == (planes, lead)
    first = data[..., 0] if rgb else data[(0,) * (len(shape) - 2)]
    np.testing.assert_array_equal(found[0, 0], first)
    assert storable(found).dtype == np.int32


def test_a_flow_comes_back_as_a_layer_in_colour_at_the_place_of_its_image(dock, project, tmp_path, qtbot):
    pytest.importorskip("cellpose")
    from napari_organoid_synth.core.job import Control
    from napari_organoid_synth.core.segmentation.measurements import read_rows
    from napari_organoid_synth.core.segmentation.predict import predict
    from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
    from napari_organoid_synth.core.segmentation.segmenters.cellpose import Cellpose
    from napari_organoid_synth.core.segmentation.segmenters.unet import UNet

    segmenters = project.path / "segment" / "20260101-000000-gain" / "segmenters"
    spec = SegmentSpec(1, "instances", ("cell",))
    config = CellposeConfig(tile=64, batch=1, rescale=False)
    flows = Cellpose(config, spec, "cpu")
    flows.save(segmenters / "raw+curated" / "fold1")
    UNet(SETTINGS.segmenter, spec, "cpu").save(segmenters / "raw" / "fold1")
    apply = dock.apply
    apply.refresh()
    apply.flow.setChecked(True)
    apply.segmenter.setCurrentIndex(apply.segmenter.findData("20260101-000000-gain/raw/fold1"))
    assert (apply.flow.isEnabled(), apply.flow.text()) == (False, "no flow: only Cellpose draws one")
    assert not apply.settings(("x",)).flow
    apply.segmenter.setCurrentIndex(apply.segmenter.findData("20260101-000000-gain/raw+curated/fold1"))
    assert apply.flow.isEnabled()

    image = np.random.default_rng(0).integers(0, 255, (2, 33, 47)).astype(np.uint16)
    layer = dock.viewer.add_image(image, name="my cells", scale=(2, 0.5, 0.5), translate=(0, 3, 4))
    write_layers(tmp_path, [(describe_layer(layer), layer.data)], 1)
    settings = apply.settings((str(tmp_path / IMAGES),), str(tmp_path / PREDICTED)).replace(device="cpu", threads=1)
    assert settings.flow
    list(predict(project, settings, Control()))
    flow, labels = show_predictions(dock.viewer, read_predictions(tmp_path), "curated")
    assert (flow.name, labels.name) == ("my cells flow", "my cells curated")
    assert flow.rgb
    assert flow.data.shape == (*labels.data.shape, 3) == (2, 33, 47, 3)
    np.testing.assert_array_equal(flow.data[1], flow_colours(flows.predict(image[1:]).flow))
    assert tuple(flow.scale) == tuple(labels.scale) == (2, 0.5, 0.5)
    assert tuple(flow.translate) == (0, 3, 4)
    copy_predictions(tmp_path / PREDICTED, tmp_path / "mine")
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [
        *[f"my_cells_z00{page}_{what}.ome.tif" for page in (1, 2) for what in ("flow", "labels")],
        *["measurements.csv"] * bool(labels.data.any()),  # random weights may find no object
    ]
    found = {f"my_cells_z00{number}" for number, page in enumerate(labels.data, 1) if page.any()}
    assert set(read_rows(tmp_path / "mine")) == found


def test_measured_marked_and_exported_with_real_processes(dock, project, qtbot, tmp_path):
    dock.setValue(SETTINGS)
    assert dock.value() == SETTINGS
    with qtbot.waitSignal(dock.runners["gain"].finished, timeout=300_000) as caught:
        dock.button.click()
        assert dock.reason.text().startswith("A comparison is running")
    assert caught.args == ["completed"]
    assert list(dock.panel.result.arms) == ["raw", "classical-tissue"]
    assert dock.panel.table.rowCount() == 2
    assert dock.panel.state.isHidden()
    assert dock.resume_button.isHidden()
    apply = dock.apply
    assert sorted((one.arm, one.fold) for one in apply.known) == [
        ("classical-tissue", 1), ("classical-tissue", 2), ("raw", 1), ("raw", 2),
    ]  # fmt: skip
    image = np.random.default_rng(0).integers(0, 255, (2, 33, 47)).astype(np.uint16)
    dock.viewer.add_image(image, name="my cells", scale=(2, 0.5, 0.5), translate=(0, 3, 4))
    apply.probability.setChecked(True)
    assert apply.layers_button.text() == "Segment the layer 'my cells'"
    apply.layers_button.click()
    qtbot.waitUntil(lambda: len(dock.viewer.layers) == 3 or not dock.error.isHidden(), timeout=300_000)
    probability, labels = dock.viewer.layers[1], dock.viewer.layers[2]
    assert labels.name == f"my cells {apply._trained().arm}"
    assert labels.data.shape == probability.data.shape == (2, 33, 47)
    assert probability.data.max() > 0.5
    assert not labels.data.any()  # noise holds no objects
    assert tuple(labels.scale) == tuple(probability.scale) == (2, 0.5, 0.5)
    assert tuple(labels.translate) == (0, 3, 4)
    assert apply.outcome.text().startswith("2 images segmented, each object in measurements.csv.")
    apply.export(tmp_path / "mine")
    qtbot.waitUntil(lambda: "copied" in apply.outcome.text(), timeout=20_000)
    assert sorted(path.name for path in (tmp_path / "mine").iterdir()) == [
        f"my_cells_z00{page}_{what}.ome.tif" for page in (1, 2) for what in ("labels", "probability")
    ]
    np.testing.assert_array_equal(read_labels(tmp_path / "mine" / "my_cells_z002_labels.ome.tif"), labels.data[1])
