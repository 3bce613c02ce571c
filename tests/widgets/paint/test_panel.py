"""The section "Paint" from its purpose to a kept sample, on a renderer that stands in."""

from __future__ import annotations

import time

import napari
import numpy as np
import pytest
from qtpy.QtWidgets import QAbstractButton, QComboBox, QSpinBox

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.job import Failed
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.simulators.simulate import SIMULATORS
from napari_organoid_synth.widgets.paint.panel import PaintPanel
from napari_organoid_synth.widgets.paint.session import PaintOptions
from napari_organoid_synth.widgets.shared.workspace import Workspace
from painting_stand_in import StandIn

ROOM = 320 - 12 - 8 - 16
"""Width of the section in the narrowest dock, without margins, indent and scroll bar, px."""


def make_project(tmp_path, kind="instances", name="project"):
    """Make a project of three simulated pairs."""
    simulate = SIMULATORS["em" if kind == "classes" else "tissue"]
    for seed in range(3):
        write_pair(tmp_path / name / "files", simulate(seed, 96).replace(name=f"p{seed}"))
    project = Project(tmp_path / name)
    check_pairs(find_pairs(tmp_path / name / "files"), kind).to_file(project.pairs_path)
    return project


class Shown:
    """A panel, its renderer and its viewer."""

    def __init__(self, qtbot, project, **model):
        self.qtbot, self.viewer, self.renderer = qtbot, napari.components.ViewerModel(), StandIn(**model)
        self.workspace = Workspace.of(self.viewer)
        self.panel = PaintPanel(self.viewer, self.renderer)
        qtbot.addWidget(self.panel)
        self.workspace.setProject(project)
        if project is not None:
            self.panel.set_model(project.path / "runs" / "1")
        self.panel.resize(320, 600)
        self.panel.show()

    def begin(self):
        self.panel.start_button.click()
        self.qtbot.waitUntil(lambda: self.panel.session is not None, timeout=10_000)
        self.settle()
        return self.panel.session

    def settle(self):
        follower = self.panel.session.follower
        self.qtbot.waitUntil(lambda: not follower._notice.isActive(), timeout=5000)
        self.qtbot.wait(20)

    def draw(self, row, column, label, side=8):
        places = np.mgrid[row : row + side, column : column + side].reshape(2, -1)
        self.panel.session.labels.data_setitem(tuple(places), label)
        self.settle()

    def close(self):
        self.panel.close_painting()
        self.workspace.close()


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path)


@pytest.fixture
def shown(qtbot, project):
    one = Shown(qtbot, project)
    yield one
    one.close()


def test_without_a_generator_that_paints_it_says_what_to_do(shown):
    panel = shown.panel
    panel.set_model(None)
    assert "cannot follow a brush" in panel.purpose.text()
    assert panel.start_button.isHidden()
    panel.set_model(None, problem="Run 1 has no checkpoint yet.")
    assert panel.purpose.text() == "Run 1 has no checkpoint yet."
    panel.start()
    assert shown.renderer.asked == []


def test_what_can_be_loaded_is_loaded_before_it_is_started(shown, tmp_path):
    launcher, renderer = shown.panel.launcher, shown.renderer
    shown.panel.set_model(shown.workspace.project.path)
    launcher.prepare()  # a project: nothing is made in it
    run = tmp_path / "run"
    run.mkdir()
    (run / "recipe.yaml").touch()
    shown.panel.set_model(run, "best")
    launcher.prepare()
    assert renderer.asked == [("prepare",), ("open", str(run))]
    shown.qtbot.wait(30)
    assert shown.panel.session is None
    shown.begin()
    before = list(renderer.asked)
    launcher.prepare()
    assert renderer.asked == before


def test_an_empty_canvas_has_the_size_of_the_real_images_and_their_contrast(shown):
    session = shown.begin()
    assert shown.renderer.kinds()[:2] == ["open", "paint"]
    assert session.layers.mask.shape == (96, 96)
    assert [layer.name for layer in shown.viewer.layers] == ["painting", "painting mask"]
    low, high = session.layers.image.contrast_limits
    assert 0 <= low < high < 255
    assert session.labels.mode == "paint"
    assert 3 <= session.labels.brush_size < 20
    assert shown.panel.form.isHidden()
    assert shown.panel.tools.classes.isHidden()
    shown.draw(10, 10, 3)
    assert session.layers.pixels[0, 12, 12] == 30
    assert session.layers.image.contrast_limits == [low, high]  # the picture does not change it


def test_what_is_kept_is_a_new_sample_with_its_record(shown):
    session = shown.begin()
    panel = shown.panel
    panel.keeper.keep_button.click()
    shown.qtbot.waitUntil(lambda: "mask is empty" in panel.keeper.outcome.text(), timeout=5000)
    assert panel.keeper.outcome.text() == "The mask is empty. Paint one with the brush."
    shown.draw(10, 10, 3)
    with shown.qtbot.waitSignal(shown.workspace.samplesChanged, timeout=10_000):
        panel.keeper.keep_button.click()
    assert panel.keeper.outcome.text() == "Kept as 'painting'. It is new in Curate."
    pair = shown.workspace.store.pair("painting")
    np.testing.assert_array_equal(pair.image, session.layers.pixels)
    np.testing.assert_array_equal(pair.labels, session.layers.mask)
    assert (pair.source.kind, pair.mask_kind, pair.class_names) == ("synthetic", "instances", ("nucleus",))
    record = pair.source.provenance
    assert (record["run"], record["model_sha256"], record["seed"]) == ("analogy-1", "ab", 0)
    assert record["drawn"] == {
        "start": "empty",
        "name": "",
        "strokes": 1,
        "stamps": 0,
        "shapes": [],
        "runs": [],
        "box": [0, 0, 96, 96],
        "synthetic": 1.0,
    }
    assert record["mask"]["kind"] == "drawn"
    assert record["mask"]["names"] == []
    assert record["latent_seed"] == "77"
    assert record["painted"]["sources"] == {"a": 1.0}


def test_what_is_kept_is_painted_up_to_the_last_stroke(shown):
    session, renderer = shown.begin(), shown.renderer
    renderer.wait = True  # the renderer is slow
    session.follower.pressed = True
    session.labels.data_setitem(tuple(np.mgrid[10:18, 10:18].reshape(2, -1)), 3)
    shown.panel.keeper.keep_button.click()
    assert [one[2] for one in renderer.asked if one[0] == "change"][-1] == "full"
    session.labels.data_setitem(tuple(np.mgrid[40:48, 10:18].reshape(2, -1)), 4)  # and the person paints on
    session.follower.pressed = False
    session.follower.finish()
    renderer.known = renderer.known | {"residual": {4: 2.0}}
    while len(renderer.held) > 1:
        renderer.held.pop(0)()
        assert not shown.panel.keeper.keep_button.isEnabled()
    with shown.qtbot.waitSignal(shown.workspace.samplesChanged, timeout=10_000):
        renderer.held.pop(0)()
    pair = shown.workspace.store.pair("painting")
    np.testing.assert_array_equal(pair.image[0], 10 * pair.labels)
    assert np.unique(pair.labels).tolist() == [0, 3, 4]
    assert pair.source.provenance["painted"]["residual"] == {"4": 2.0}
    assert shown.panel.keeper.keep_button.isEnabled()


def test_new_cells_have_shapes_that_a_mask_generator_drew(shown):
    path = shown.workspace.project.path / "runs" / "20260101-000000-train"
    codec = Codec(low=(0,), high=(255,), dtype="uint8", mask_kind="instances", class_names=("nucleus",))
    run = Run.create(path, Recipe().override("gan=dcgan", "draws=masks", "tiles.size=64"), codec)
    run.put(b"", 100, {"seen": 1})
    masks = np.zeros((2, 64, 64), np.int32)
    masks[0, 20:30, 20:40] = masks[1, 30:36, 30:36] = 1
    run.write_preview(100, np.zeros((2, 1, 64, 64), np.uint8), masks)
    session, tools = shown.begin(), shown.panel.tools
    titles = [tools.source.itemText(row) for row in range(tools.source.count())]
    assert titles == ["from real masks", "like real ones, drawn", "from a mask generator"]
    tools.source.setCurrentIndex(2)
    tools.button.click()
    shown.qtbot.waitUntil(lambda: tools.stamp.is_on, timeout=10_000)
    tools.stamp._place = (40.0, 40.0)
    tools.stamp._angle, tools.stamp._scale = 0.0, 1.0
    tools.stamp._shape_changed()
    tools.stamp.drop()
    assert np.count_nonzero(session.labels.data) in (pytest.approx(200, rel=0.1), pytest.approx(36, rel=0.2))
    shown.settle()
    with shown.qtbot.waitSignal(shown.workspace.samplesChanged, timeout=10_000):
        shown.panel.keeper.keep_button.click()
    drawn = shown.workspace.store.pair("painting").source.provenance["drawn"]
    assert (drawn["stamps"], drawn["shapes"], drawn["runs"]) == (1, [], [run.name])
    assert shown.workspace.remembered("paint")["source"] == "generated"


def test_a_changed_real_pair_is_real_where_it_was_not_changed_and_never_counts_as_the_pair(shown):
    panel = shown.panel
    panel.form.kind.setCurrentIndex(panel.form.kind.findData("pair"))
    panel.form.pair.setCurrentIndex(1)
    session = shown.begin()
    assert shown.renderer.asked[1] == ("paint", 0, True)
    assert session.layers.name == "p1 painted"
    panel.keeper.keep_button.click()
    shown.qtbot.waitUntil(lambda: bool(panel.keeper.outcome.text()), timeout=5000)
    assert panel.keeper.outcome.text().startswith("This is still the real pair itself.")
    before = session.layers.pixels.copy()
    shown.draw(40, 30, 200)
    with shown.qtbot.waitSignal(shown.workspace.samplesChanged, timeout=10_000):
        panel.keeper.keep_button.click()
    (id,) = [row.id for row in shown.workspace.store.rows()]
    assert id == "p1-painted"
    pair = shown.workspace.store.pair(id)
    drawn = pair.source.provenance["drawn"]
    assert (drawn["start"], drawn["name"], drawn["box"]) == ("pair", "p1", [40, 30, 48, 38])
    assert drawn["synthetic"] == pytest.approx(64 / 96**2, abs=1e-6)
    assert pair.source.provenance["mask"]["names"] == ["p1"]
    outside = np.ones((96, 96), bool)
    outside[40:48, 30:38] = False
    np.testing.assert_array_equal(pair.image[:, outside], before[:, outside])


def test_a_whole_image_is_not_painted_with_the_image_of_its_own_mask(shown):
    form = shown.panel.form
    form.kind.setCurrentIndex(form.kind.findData("pair"))
    form.keep_real.setChecked(False)
    session = shown.begin()
    assert session.options.exclude == ("p0",)
    assert session.start.real is None


def test_a_sample_of_the_gallery_is_changed_and_keeps_its_origin(shown):
    sample = SIMULATORS["tissue"](7, 64).replace(name="s")
    provenance = {"mask": {"kind": "arranged", "names": ["p2"]}}
    id = shown.workspace.store.add(sample.replace(source=sample.source.__class__("synthetic", (), provenance)))
    shown.panel.start_on_sample(id)
    shown.qtbot.waitUntil(lambda: shown.panel.session is not None, timeout=10_000)
    shown.settle()
    np.testing.assert_array_equal(shown.panel.session.layers.mask, sample.labels)
    shown.draw(0, 0, 99)
    with shown.qtbot.waitSignal(shown.workspace.samplesChanged, timeout=10_000):
        shown.panel.keeper.keep_button.click()
    record = shown.workspace.store.pair("s-painted").source.provenance
    assert (record["drawn"]["start"], record["drawn"]["name"]) == ("sample", "s")
    assert record["mask"]["names"] == ["p2"]


def test_a_labels_layer_that_is_there_is_painted_on_where_it_lies(shown):
    labels = np.zeros((50, 60), np.uint16)
    labels[5:20, 5:20] = 1
    own = shown.viewer.add_labels(labels, name="mine", scale=(0.5, 0.5), translate=(3, 4))
    shown.viewer.add_labels(np.zeros((3, 50, 60), int), name="stack")
    shown.panel.reset_choices()
    form = shown.panel.form
    assert [form.layer.itemText(number) for number in range(form.layer.count())] == ["mine"]
    form.kind.setCurrentIndex(form.kind.findData("layer"))
    session = shown.begin()
    assert session.labels is own
    image = session.layers.image
    assert shown.viewer.layers.index(image) == shown.viewer.layers.index(own) - 1
    assert image.translate.tolist() == [3, 4]
    assert image.scale.tolist() == [0.5, 0.5]
    shown.draw(30, 30, 2)
    assert own.data.dtype == np.uint16
    assert session.layers.pixels[0, 31, 31] == 20


def test_classes_are_chosen_by_buttons(qtbot, tmp_path):
    names = ("membrane", "mitochondrion")
    one = Shown(qtbot, make_project(tmp_path, "classes"), mask_kind="classes", class_names=list(names))
    session = one.begin()
    classes = one.panel.tools.classes
    assert classes.texts == [*names, "background"]
    classes._group.button(2).click()
    assert session.labels.selected_label == 2
    session.labels.selected_label = 1
    assert classes._group.checkedId() == 1
    assert one.panel.tools.new_ids.isHidden()
    one.renderer.known = one.renderer.known | {"residual": {"2": 4.5, "1": 1.0}}
    one.draw(3, 3, 2)
    qtbot.waitUntil(lambda: not one.panel.unlike.isHidden(), timeout=5000)
    assert one.panel.unlike.text() == "Nothing like this in your images: mitochondrion."
    one.close()


def test_another_seed_paints_again_and_another_model_too(shown):
    session = shown.begin()
    shown.draw(10, 10, 3)
    for seed in (1, 2, 3):
        shown.panel.set_options(PaintOptions(seed=seed))
    shown.qtbot.waitUntil(lambda: session.layers.pixels[0, 0, 0] == 3, timeout=5000)
    assert [one[1] for one in shown.renderer.asked if one[0] == "paint"] == [0, 3]
    shown.panel.set_model(shown.workspace.project.path / "runs" / "2")
    shown.qtbot.waitUntil(lambda: shown.renderer.kinds()[-1] == "paint", timeout=5000)
    assert shown.panel.session is session
    shown.renderer.model = shown.renderer.model | {"mask_kind": "binary"}
    shown.panel.set_model(shown.workspace.project.path / "runs" / "3")
    shown.qtbot.waitUntil(lambda: shown.panel.session is None, timeout=5000)
    assert "another kind" in shown.panel.keeper.outcome.text()


def test_a_failure_is_shown_and_start_again_starts_again(shown):
    session = shown.begin()
    shown.renderer.failed.emit(Failed(0, "The mask holds label 9.", "Expected 0 to 2.", "Erase it.", "report"))
    card = shown.panel.error
    assert card.found.text() == "✕ The mask holds label 9."
    assert card.correct_button.text() == "Start again"
    count = shown.renderer.kinds().count("open")
    card.correct_button.click()
    assert shown.renderer.kinds().count("open") == count + 1
    shown.qtbot.waitUntil(lambda: shown.renderer.kinds()[-1] == "paint", timeout=5000)
    assert shown.panel.session is session
    assert card.isHidden()


def test_a_model_that_cannot_be_opened_leaves_the_choice_as_it_was(shown):
    shown.renderer.wait = True
    shown.panel.start_button.click()
    assert shown.panel.status.text() == "Starting the painter…"
    assert not shown.panel.start_button.isEnabled()
    shown.renderer.failed.emit(Failed(0, "Run 1 is damaged.", "", "Train again.", ""))
    assert shown.panel.session is None
    assert shown.panel.start_button.isEnabled()
    shown.renderer.held.pop(0)()  # an answer that comes too late
    time.sleep(0.2)
    shown.qtbot.wait(50)
    assert shown.panel.session is None


def test_another_project_ends_it_and_choices_are_remembered(shown, tmp_path):
    session, panel = shown.begin(), shown.panel
    panel.tools.new_ids.setChecked(False)
    other = make_project(tmp_path, name="other")
    first = shown.workspace.project
    shown.workspace.setProject(other)
    assert session.over
    assert panel.session is None
    assert panel.tools.new_ids.isChecked()
    panel.form.width_box.setValue(320)
    shown.workspace.setProject(first)
    assert not panel.tools.new_ids.isChecked()
    assert panel.form.width_box.value() == 96
    shown.workspace.setProject(other)
    assert panel.form.width_box.value() == 320


def test_a_removed_layer_ends_it_with_a_word(shown):
    session = shown.begin()
    session.labels.name = "renamed"
    shown.viewer.layers.remove(session.labels)
    assert shown.panel.keeper.outcome.text() == "The layer 'renamed' was removed."
    assert not shown.panel.form.isHidden()
    assert shown.renderer.asked[-1][0] == "close"


def test_closing_ends_the_painter(shown):
    session = shown.begin()
    shown.panel.close_painting()
    assert session.over
    assert shown.renderer.asked[-1] == ("stop",)


def test_every_control_has_a_name_and_a_tip_and_fits_into_320_px(shown):
    shown.begin()
    panel = shown.panel
    for kind in (QAbstractButton, QComboBox, QSpinBox):
        for control in panel.findChildren(kind):
            if control.objectName().startswith("qt_") or control.window() is not panel.window():
                continue
            assert control.accessibleName(), control
            assert control.toolTip(), control.accessibleName()
    assert panel.minimumSizeHint().width() <= ROOM
    panel.launcher.cancel()
    for number in range(panel.form.kind.count()):
        panel.form.kind.setCurrentIndex(number)
        assert panel.minimumSizeHint().width() <= ROOM, panel.form.kind.currentText()
