from __future__ import annotations

from pathlib import Path

import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS, SEGMENTERS
from napari_organoid_synth.core.verbs import VERBS


@pytest.mark.parametrize(
    "cls",
    [
        *(verb.settings_class() for verb in VERBS.values()),
        *map(GENERATORS.config, GENERATORS.names()),
        *map(SEGMENTERS.config, SEGMENTERS.names()),
    ],
)
def test_defaults_survive_yaml(cls: type[Settings], tmp_path: Path) -> None:
    settings = cls()
    settings.to_file(tmp_path / "settings.yaml")
    assert cls.from_file(tmp_path / "settings.yaml") == settings
    assert repr(settings) == f"{cls.__name__}()"


@pytest.mark.parametrize("name", GENERATORS.names())
def test_a_recipe_keeps_its_generator(name: str, tmp_path: Path) -> None:
    recipe = Recipe.parse({"gan": name}).override("gan.learning_rate=1e-3", "train.steps=20")
    recipe.to_file(tmp_path / "recipe.yaml")
    read = Recipe.from_file(tmp_path / "recipe.yaml")
    assert read == recipe
    assert type(read.gan) is GENERATORS.config(name)
    assert read.gan.learning_rate == 1e-3  # type: ignore[attr-defined]
    assert read.train.steps == 20


def test_every_field_of_every_member_is_explained_and_bounded() -> None:
    for registry in (GENERATORS, SEGMENTERS):
        for name in registry.names():
            for key, field in registry.config(name).model_fields.items():
                if key != "name":
                    assert field.description, (name, key)


def test_the_digest_changes_with_any_value_and_only_then() -> None:
    assert Recipe().digest == Recipe().digest
    assert Recipe().digest != Recipe().override("train.seed=1").digest
    assert Recipe().digest == Recipe().override("train.seed=0").digest


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("train.stepz=3", "There is no setting 'train.stepz'. Check the spelling in the recipe."),
        ("train.steps=0", "Setting 'train.steps' is 0. Input should be greater than or equal to 1."),
        ("train.steps", "'train.steps' is not an override. Expected key=value, such as train.steps=200."),
        ("train.steps.more=1", "There is no setting 'train.steps.more'. Check the spelling in --set."),
        ("gan=nogan", "There is no 'nogan' among the generators."),
        ("tiles.size=100", "The tile is 100 px. pix2pix takes 64, 128, 256, 512 px. Change the tile size."),
    ],
)
def test_a_wrong_override_is_answered_by_a_sentence(override: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        Recipe().override(override)
    assert sentence in str(caught.value)


def test_a_broken_recipe_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text("- 1\n")
    with pytest.raises(
        UserError, match=r"recipe.yaml contains a list instead of settings. Expected 'key: value' lines."
    ):
        Recipe.from_file(path)
    path.write_text("a: [")
    with pytest.raises(UserError, match="Cannot read"):
        Recipe.from_file(path)


def test_a_member_can_be_chosen_and_changed_in_one_go() -> None:
    recipe = Recipe().override("gan=dcgan", "gan.latent=32", "tiles.size=64")
    assert recipe == Recipe.parse({"gan": {"name": "dcgan", "latent": 32}, "tiles": {"size": 64}})


def test_a_member_may_be_named_by_its_field() -> None:
    assert Recipe().override("gan.name=dcgan", "gan.latent=32") == Recipe().override("gan=dcgan", "gan.latent=32")
    kept = Recipe().override("gan.generator_channels=16", "gan.name=pix2pix")
    assert kept == Recipe().override("gan.generator_channels=16")  # the same member keeps what was set


def test_repr_shows_only_what_differs() -> None:
    assert repr(Recipe().override("train.steps=20")) == "Recipe(train=TrainSettings(steps=20))"
