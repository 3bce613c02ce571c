"""Light and walks act on the painting that is open, or on what is drawn from noise."""

from __future__ import annotations

import time
from types import SimpleNamespace

import imageio.v3 as imageio
import napari
import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog

from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.widgets.live.sections import DRAW_FIRST, NOTHING, PAINT_FIRST, LiveSections
from napari_organoid_synth.widgets.paint.keep import provenance_of, take_painting
from napari_organoid_synth.widgets.paint.panel import PaintPanel
from napari_organoid_synth.widgets.paint.session import PaintOptions
from napari_organoid_synth.widgets.shared.runs import RunInfo
from napari_organoid_synth.widgets.shared.workspace import Workspace
from painting_stand_in import StandIn

WALKS = ["seed", "between", "pad", "near", "variety"]
JOINT = {"shape": "joint", "generator": "dcgan", "walks": WALKS}


class Walker(StandIn):
    """Remembers walks and lights; pixels of a place are 100 times its pad_x."""

    def __init__(self, **model):
        super().__init__(**model)
        self.walks, self.lights, self.looks = [], [], []

    def paint(self, canvas, labels=None, *, walk=None, light=None, look=None, **more):
        self.walks.append((canvas, walk))
        self.looks.append((light, look))
        self.asked.append(("paint", canvas))
        side = (64, 64) if labels is None else labels.shape
        pixels = np.full((1, *side), round(100 * (walk or {}).get("pad_x", 0)) + 100, np.uint8)
        drawn = np.eye(64, dtype=np.int32) if labels is None else None
        self.masks[canvas], self.seeds[canvas], self.reals[canvas] = np.array(labels), 0, None
        serial = self.serial + 1
        message = {"canvas": canvas, "serial": serial, "box": (0, 0, *side), "pixels": pixels, "labels": drawn}
        facts = {"latent_seed": str(1000 + serial)}
        self.shown = message
        return self._later(lambda: self.painted.emit(SimpleNamespace(**message, full=True, facts=facts)))

    def light(self, canvas, settings, look=None):
        self.lights.append((canvas, settings, look))
        message = {**self.shown, "serial": self.serial + 1, "pixels": self.shown["pixels"] // 2}
        return self._later(lambda: self.painted.emit(SimpleNamespace(**message, full=True, facts={})))


class Shown:
    def __init__(self, qtbot, tmp_path, **model):
        for seed in range(2):
            write_pair(tmp_path / "files", tissue(seed, 96, n_cells=10).replace(name=f"p{seed}"))
        self.project = Project(tmp_path / "project")
        check_pairs(find_pairs(tmp_path / "files"), "instances").to_file(self.project.pairs_path)
        self.qtbot, self.viewer, self.renderer = qtbot, napari.components.ViewerModel(), Walker(**model)
        self.paint = PaintPanel(self.viewer, self.renderer)
        self.sections = LiveSections(self.viewer, self.paint)
        qtbot.addWidget(self.paint)
        qtbot.addWidget(self.sections)
        Workspace.of(self.viewer).setProject(self.project)
        self.panel, self.light = self.sections.walk_panel, self.sections.light_panel

    def choose(self, shape, **settings):
        self.paint.set_model(self.project.path / "runs" / "1" if shape == "painter" else None)
        self.sections.show_choices(RunInfo("1", "run 1", shape), GenerateSettings(**settings))

    def begin(self):
        self.choose("painter")
        self.paint.start_button.click()
        self.qtbot.waitUntil(lambda: self.paint.session is not None, timeout=10_000)
        self.qtbot.wait(50)
        return self.paint.session

    def close(self):
        self.sections.close_live()
        self.paint.close_painting()
        Workspace.of(self.viewer).close()


@pytest.fixture
def shown(qtbot, tmp_path, request):
    one = Shown(qtbot, tmp_path, **getattr(request, "param", {"walks": WALKS}))
    yield one
    one.close()


def test_without_anything_to_act_on_it_says_what_to_do(shown):
    for choose, hint, draws in (
        (lambda: None, NOTHING, False),
        (lambda: shown.choose("painter"), PAINT_FIRST, False),
        (lambda: shown.choose("joint"), DRAW_FIRST, True),
    ):
        choose()
        assert [label.text() for label in shown.sections.hints] == [hint, hint]
        assert shown.panel.isHidden()
        assert shown.light.isHidden()
        assert shown.sections.draw_button.isHidden() != draws


def test_a_painting_follows_the_pad(shown):
    session = shown.begin()
    assert not shown.panel.isHidden()
    assert shown.renderer.walks == [(session.canvas, None)]
    shown.panel.pad.move_to(0.5, 0.0)
    shown.qtbot.waitUntil(lambda: (session.layers.pixels == 150).all(), timeout=5000)
    canvas, walk = shown.renderer.walks[-1]
    assert canvas == session.canvas
    assert WalkSettings(**walk) == WalkSettings(pad_x=0.5)
    shown.panel.pad.move_to(0.0, 0.0)
    shown.qtbot.waitUntil(lambda: shown.renderer.walks[-1][1] is None, timeout=5000)  # as without a walk


def test_while_a_picture_is_on_its_way_only_the_newest_place_waits(shown):
    shown.begin()
    shown.renderer.wait = True
    before = len(shown.renderer.walks)
    for x in (0.1, 0.2, 0.3, 0.4):
        shown.panel.pad.move_to(x, 0.0)
    assert [walk["pad_x"] for _, walk in shown.renderer.walks[before:]] == [0.1]
    shown.renderer.held.pop()()
    assert [walk["pad_x"] for _, walk in shown.renderer.walks[before:]] == [0.1, 0.4]


def test_the_walk_begins_where_the_choices_above_say(shown):
    session = shown.begin()
    shown.choose("painter", seed=7, variety=0.5)
    assert shown.panel.value() == WalkSettings(seed=7, variety=0.5)
    shown.panel.share.setValue(0.5)
    shown.qtbot.waitUntil(lambda: shown.renderer.walks[-1][1] is not None, timeout=5000)
    assert WalkSettings(**shown.renderer.walks[-1][1]) == WalkSettings(seed=7, variety=0.5, share=0.5)
    shown.paint.set_options(PaintOptions(seed=7, variety=0.5))
    shown.qtbot.waitUntil(lambda: session.options.seed == 7, timeout=5000)
    assert session.options.walk.share == 0.5
    session.labels.data_setitem(tuple(np.mgrid[5:20, 5:20].reshape(2, -1)), 1)
    record = provenance_of(take_painting(session), {})
    assert record.settings["walk"] == {"seed": 7, "variety": 0.5, "share": 0.5}
    assert (record.seed, record.settings["variety"]) == (7, 0.5)


def test_light_and_look_reach_the_canvas(shown):
    session = shown.begin()
    shown.light.sliders["brightness"].setValue(0.25)
    shown.qtbot.waitUntil(lambda: bool(shown.renderer.lights), timeout=5000)
    canvas, settings, look = shown.renderer.lights[-1]
    assert shown.paint.keeper.light == {"brightness": 0.25}
    assert (canvas, settings["brightness"], look) == (session.canvas, 0.25, None)
    shown.light.look_combo.setCurrentIndex(1)
    shown.qtbot.waitUntil(lambda: shown.renderer.lights[-1][2] is not None, timeout=10_000)
    assert shown.renderer.lights[-1][2].shape == (1, 96, 96)
    assert shown.paint.keeper.light == {"brightness": 0.25, "look": "p0"}
    shown.light.reset_button.click()
    shown.qtbot.waitUntil(lambda: shown.renderer.lights[-1][1:] == (None, None), timeout=5000)


@pytest.mark.parametrize("shown", [JOINT], indirect=True)
def test_image_and_mask_are_drawn_from_noise_and_follow(shown):
    shown.choose("joint", seed=4)
    shown.sections.draw_button.click()
    shown.qtbot.waitUntil(lambda: len(shown.viewer.layers) == 2, timeout=5000)
    image, mask = shown.viewer.layers
    assert (image.name, mask.name) == ("walk", "walk mask")
    assert shown.renderer.walks[-1][1]["seed"] == 4
    assert shown.sections.draw_button.isHidden()
    shown.panel.pad.move_to(-0.25, 0.5)
    shown.qtbot.waitUntil(lambda: (image.data == 75).all(), timeout=5000)
    assert list(shown.viewer.layers) == [image, mask]
    shown.viewer.layers.remove(image)
    shown.panel.pad.move_to(0.25, 0.5)
    shown.qtbot.waitUntil(lambda: "walk" in shown.viewer.layers, timeout=5000)
    shown.choose("painter")
    assert ("close", "walk") in shown.renderer.asked or shown.sections.controls.target is not None


@pytest.mark.parametrize("shown", [JOINT], indirect=True)
def test_what_a_walk_draws_is_kept_as_a_sample(shown):
    assert shown.sections.keep_button.isHidden()
    shown.choose("joint", seed=4)
    shown.sections.draw_button.click()
    shown.qtbot.waitUntil(lambda: not shown.sections.keep_button.isHidden(), timeout=5000)
    shown.panel.pad.move_to(-0.25, 0.5)
    image, _ = shown.viewer.layers
    shown.qtbot.waitUntil(lambda: (image.data == 75).all(), timeout=5000)
    latent = shown.sections.drawing.newest.facts["latent_seed"]
    shown.light.sliders["brightness"].setValue(-0.5)
    shown.qtbot.waitUntil(lambda: (image.data == 37).all(), timeout=5000)
    shown.sections.keep_button.click()
    shown.qtbot.waitUntil(lambda: "It is new in Curate." in shown.sections.outcome.text(), timeout=10_000)
    store = Workspace.of(shown.viewer).store
    [id] = store.ids()
    pair = store.pair(id)
    assert pair.labels.dtype == np.int32
    np.testing.assert_array_equal(pair.labels, np.eye(64))
    assert np.unique(pair.image).tolist() == [37]
    record = pair.source.provenance
    assert (record["generator"], record["seed"], record["latent_seed"]) == ("dcgan", 4, latent)
    assert record["settings"]["walk"] == {"seed": 4, "pad_x": -0.25, "pad_y": 0.5}
    assert record["settings"]["light"] == {"brightness": -0.5}
    shown.renderer.shown["labels"][:] = 0
    shown.sections.keep_button.click()
    shown.qtbot.waitUntil(lambda: not shown.sections.error.isHidden(), timeout=5000)
    assert store.ids() == [id]
    shown.sections.show_choices(RunInfo("2", "run 2", "painter"), GenerateSettings())
    assert shown.sections.keep_button.isHidden()


@pytest.mark.parametrize("shown", [JOINT, {"walks": WALKS}], indirect=True)
def test_variations_stand_side_by_side(shown):
    if shown.renderer.model["shape"] == "joint":
        shown.choose("joint")
        shown.sections.draw_button.click()
        shown.qtbot.waitUntil(lambda: len(shown.viewer.layers) == 2, timeout=5000)
    else:
        shown.begin()
    before = len(shown.viewer.layers)
    shown.panel.variations_button.click()
    shown.qtbot.waitUntil(lambda: "4 variations" in shown.sections.outcome.text(), timeout=5000)
    names = [layer.name for layer in shown.viewer.layers[before:]]
    each = ["variation {}", "variation {} mask"] if shown.renderer.model["shape"] == "joint" else ["variation {}"]
    assert names == [name.format(number) for number in (1, 2, 3, 4) for name in each]
    corners = [layer.extent.world[0, -2:] for layer in shown.viewer.layers[before :: len(each)]]
    side = shown.viewer.layers[0].extent.world[1, -1]
    assert np.allclose(np.round(np.array(corners) / side), [[0, 1], [0, 2], [1, 1], [1, 2]])
    old = shown.viewer.layers[before]
    shown.panel.variations_button.click()
    shown.qtbot.waitUntil(lambda: old not in shown.viewer.layers, timeout=5000)
    assert len(shown.viewer.layers) == before + 4 * len(each)
    variations = [walk["variation"] for _, walk in shown.renderer.walks if walk is not None]
    assert [number for number in variations if number] == [1, 2, 3, 4] * 2


def test_a_film_is_saved_and_becomes_a_layer(shown, tmp_path, monkeypatch):
    shown.begin()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "my walk"), ""))
    shown.panel.frames.setValue(5)
    shown.panel.pad.move_to(0.25, 0.0)
    shown.panel.film_combo.setCurrentIndex(shown.panel.film_combo.findData("circle"))
    shown.panel.film_button.click()
    shown.qtbot.waitUntil(lambda: "Saved my walk.gif" in shown.sections.outcome.text(), timeout=10_000)
    read = imageio.imread(tmp_path / "my walk.gif")
    assert len(read) == 4  # of five, two neighbours are alike
    assert read.min() < 5
    assert read.max() > 250
    layer = shown.viewer.layers["my walk"]
    assert layer.data.shape == (5, *shown.paint.session.layers.pixels.shape[1:])
    assert layer.extent.world[1, -1] < 0  # left of the painting
    assert [int(frame[0, 0]) for frame in layer.data] == [125, 108, 80, 80, 108]


def test_a_film_and_variations_have_light_and_look_of_the_picture(shown, tmp_path, monkeypatch):
    shown.begin()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "walk.gif"), ""))
    shown.light.sliders["brightness"].setValue(0.25)
    shown.light.look_combo.setCurrentIndex(1)
    shown.qtbot.waitUntil(lambda: shown.light.look is not None, timeout=10_000)
    shown.panel.frames.setValue(3)
    for button, sentence in ((shown.panel.film_button, "Saved"), (shown.panel.variations_button, "4 variations")):
        shown.renderer.looks.clear()
        button.click()
        shown.qtbot.waitUntil(lambda sentence=sentence: sentence in shown.sections.outcome.text(), timeout=10_000)
        assert shown.renderer.looks
        for light, look in shown.renderer.looks:
            assert light["brightness"] == 0.25
            np.testing.assert_array_equal(look, shown.light.look)


def test_a_film_that_cannot_be_saved_says_why(shown, tmp_path, monkeypatch):
    shown.begin()
    (tmp_path / "walk.gif").mkdir()
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "walk.gif"), ""))
    shown.panel.frames.setValue(2)
    shown.panel.film_button.click()
    shown.qtbot.waitUntil(lambda: not shown.sections.error.isHidden(), timeout=10_000)


def test_dragging_takes_no_time(shown):
    shown.begin()
    spent = []
    for number in range(20):
        before = time.perf_counter()
        shown.panel.pad.move_to(number / 20, 0.1)
        spent.append(time.perf_counter() - before)
    assert np.median(spent) < 0.01


def test_after_the_end_of_a_painting_there_is_nothing_to_act_on(shown):
    shown.begin()
    shown.paint.launcher.end()
    assert shown.panel.isHidden()
    shown.sections.controls._send_light()
    assert not shown.renderer.lights
