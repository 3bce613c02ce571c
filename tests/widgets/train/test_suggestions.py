"""The form of a recipe suggests tile and steps for a generator and a set of images, and respects what was chosen."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.widgets.train.recipe_form import RecipeForm


@pytest.fixture
def form(qtbot):
    form = RecipeForm(Recipe())
    qtbot.addWidget(form)
    return form


def choose(form: RecipeForm, name: str) -> None:
    form.generator.setCurrentIndex(form.generator.findData(name))


def shown(form: RecipeForm) -> tuple[int, int]:
    return form.form["tiles.size"].value, form.form["train.steps"].value


def test_an_untouched_form_without_data_is_the_recipe(form):
    assert form.value() == Recipe()
    choose(form, "flow")
    assert shown(form) == (256, 4000)


def test_each_generator_suggests_its_own_for_the_images_of_a_project(form):
    form.offer_data(5, 300)
    assert shown(form) == (256, 4000)
    choose(form, "flow")
    assert shown(form) == (64, 7000)
    choose(form, "pix2pix")
    assert shown(form) == (256, 4000)


def test_what_a_person_chose_stays(form):
    form.offer_data(5, 300)
    form.form["train.steps"].value = 1234
    choose(form, "flow")
    assert shown(form) == (64, 1234)
    form.form["tiles.size"].value = 128
    choose(form, "pix2pix")
    assert shown(form) == (128, 1234)
