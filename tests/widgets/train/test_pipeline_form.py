"""The form of the whole pipeline."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.core.synthesis.settings import PipelineSettings
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.train.pipeline_form import PipelineForm


@pytest.fixture
def form(qtbot):
    form = PipelineForm()
    qtbot.addWidget(form)
    return form


def items(combo):
    return [combo.itemData(number) for number in range(combo.count())]


def test_untouched_it_gives_the_defaults_exactly(form):
    assert form.value() == PipelineSettings()
    assert form.value().to_yaml() == PipelineSettings().to_yaml()
    assert form.problem == ""


def test_what_is_put_in_comes_out(form):
    masks = ("gan=dcgan", "tiles.size=64", "train.steps=4", "start.run=a")
    painter = ("gan=cyclegan", "gan.noise=0.3", "tiles.size=128", "train.device=cpu")
    settings = PipelineSettings().override(
        *(f"masks.{one}" for one in masks), *(f"painter.{one}" for one in painter), "checked=6", "number=2", "seed=9"
    )
    form.setValue(settings)
    assert form.value() == settings
    form.setValue(PipelineSettings())
    assert form.value() == PipelineSettings()


def test_each_part_offers_what_can_do_its_work(form):
    painters = [name for name in GENERATORS.names() if GENERATORS.config(name).kind == "painter"]
    assert items(form.painter.generator) == painters
    assert items(form.masks.generator) == [name for name in GENERATORS.names() if name not in painters]
    for number in range(form.masks.generator.count()):
        form.masks.generator.setCurrentIndex(number)
        assert form.masks.value().draws == "masks"
        assert form.masks.picture.accessibleDescription().endswith(("mask", "copy", "tile", "turned tiles"))


def test_folded_parts_say_what_is_in_them(form):
    first, second = (summary for summary, _ in form.summaries)
    assert [fold.text() for fold in form.folds] == ["▸ 1 Learn masks", "▸ 2 Learn to paint"]
    assert first.text().strip() == "StyleGAN2-ADA, 256 px, 8,000 steps"
    assert second.text().strip() == "Analogy, 256 px, no training"
    form.painter.generator.setCurrentIndex(form.painter.generator.findData("pix2pix"))
    assert second.text().strip() == "pix2pix, 256 px, 4,000 steps"
    form.masks.form["train.steps"].value = 12_000
    assert first.text().strip() == "StyleGAN2-ADA, 256 px, 12,000 steps"


def test_it_fits_a_dock_also_unfolded(form):
    for fold in form.findChildren(Fold):
        fold.expand()
    assert form.minimumSizeHint().width() <= 306


def test_what_is_wrong_is_said_with_its_place(form):
    form.painter.form["train.steps"].value = 0
    assert form.problem.startswith("Learn to paint: Setting 'train.steps' is 0")
    form.painter.form["train.steps"].value = 5
    assert form.problem == ""
    form.form["number"].value = 0
    assert "number" in form.problem
