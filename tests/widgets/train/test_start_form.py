"""Where a training starts: runs in words, only those that fit."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core.recipe import StartSettings
from napari_organoid_synth.widgets.shared.runs import RunInfo
from napari_organoid_synth.widgets.train.start_form import SCRATCH, StartForm

RUNS = [
    RunInfo("c", "run 3 · pix2pix · nothing saved yet", "painter", "no checkpoint", "pix2pix"),
    RunInfo("b", "run 2 · EM (model file) · pix2pix · 80 img", "painter", "", "pix2pix", (10, 20), 10),
    RunInfo("a", "run 1 · dcgan · 400 img", "joint", "", "dcgan", (100,)),
]


@pytest.fixture
def form(qtbot):
    form = StartForm()
    qtbot.addWidget(form)
    form.show()
    return form


def texts(combo):
    return [combo.itemText(number) for number in range(combo.count())]


@pytest.mark.parametrize(
    "start",
    [
        StartSettings(),
        StartSettings(run="b", checkpoint="best", freeze=3),
        StartSettings(run="/far/away/model.synth"),
        StartSettings(run="b", checkpoint="12345"),
    ],
)
def test_what_is_put_in_comes_out(form, start):
    form.offer(RUNS, "pix2pix")
    form.setValue(start)
    assert form.value() == start
    form.offer(RUNS, "pix2pix")
    assert form.value() == start


def test_only_runs_that_fit_are_offered_in_words(form):
    form.offer(RUNS, "pix2pix")
    assert texts(form.run) == [SCRATCH, "run 2 · EM (model file) · pix2pix · 80 img"]
    assert not form.state.isVisible()
    assert not form.freeze.isVisible()
    form.offer(RUNS, "cyclegan")
    assert texts(form.run) == [SCRATCH]
    assert form.message.text() == "cyclegan cannot start from runs of dcgan and pix2pix."


def test_a_run_brings_its_saved_states_and_the_frozen_layers(form, qtbot):
    form.offer(RUNS, "pix2pix")
    with qtbot.waitSignal(form.valueChanged):
        assert form.choose("b")
    assert texts(form.state) == ["newest · step 20", "best · step 10", "step 10"]
    assert form.state.isVisible()
    form.state.setCurrentIndex(1)
    form.freeze.put(4)
    assert form.value() == StartSettings(run="b", checkpoint="best", freeze=4)
    assert not form.choose("a")
    form.freeze.put(21)
    assert "freeze" in form.problem
    form.freeze.put(0)
    with qtbot.waitSignal(form.valueChanged):
        form.offer(RUNS, "dcgan")  # another generator: that run is no start any more
    assert form.value().run == ""
    form.run.setCurrentIndex(1)
    assert form.value() == StartSettings(run="a")


def test_a_file_of_elsewhere_is_shown_by_its_name(form):
    form.setValue(StartSettings(run="/far/away/model.synth"))
    assert form.run.currentText() == "model.synth"
    assert "/far/away" in form.run.itemData(form.run.currentIndex(), 3)
