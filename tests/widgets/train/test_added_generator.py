"""A generator registered from outside is offered like all others: title, sentence, picture, tiles, form."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.widgets.train.recipe_form import RecipeForm

PAGE = Path(__file__).parents[3] / "docs" / "add_a_generator.md"


@pytest.fixture
def form(qtbot, tmp_path, monkeypatch):
    """The form of a recipe after the page's generator was registered."""
    file, line = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)[:2]
    (tmp_path / "vae.py").write_text(file, encoding="utf-8")
    monkeypatch.setattr(GENERATORS, "_members", dict(GENERATORS._members))
    monkeypatch.syspath_prepend(tmp_path)
    exec(line, {})
    form = RecipeForm()
    qtbot.addWidget(form)
    yield form
    sys.modules.pop("vae", None)


def test_it_can_be_chosen_and_set(form):
    form.generator.setCurrentIndex(form.generator.findData("vae"))
    assert form.generator.currentText() == "VAE – draws image and mask, smoothly"
    assert form.when.text() == "For a first look within minutes: draws smooth images and masks."
    assert form.rest.text() == "Fine texture is lost."
    assert form.picture.accessibleDescription() == "pair → code → image + mask"
    assert form.form["tiles.size"].choices == (32, 64, 128)
    form.form["gan.latent"].value = 16
    assert form.value().gan.model_dump() == {
        "name": "vae", "latent": 16, "channels": 32, "learning_rate": 1e-3, "code_weight": 1e-3,
    }  # fmt: skip
