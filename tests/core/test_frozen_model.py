from __future__ import annotations

import os
from pathlib import Path

import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS, SEGMENTERS
from napari_organoid_synth.core.verbs import VERBS

PIX2PIX = Recipe.parse({"gan": "pix2pix"})


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
    recipe = Recipe.parse({"gan": name}).override("tiles.size=128", "train.steps=20")
    recipe.to_file(tmp_path / "recipe.yaml")
    read = Recipe.from_file(tmp_path / "recipe.yaml")
    assert read == recipe
    assert type(read.gan) is GENERATORS.config(name)
    assert read.tiles.size == 128
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
        ("train.stepz=3", "There is no setting 'train.stepz'. Did you mean 'train.steps'?"),
        ("train.steps=0", "Setting 'train.steps' is 0. Input should be greater than or equal to 1."),
        ("train.steps", "'train.steps' is not an override. Expected key=value, such as train.steps=200."),
        ("train.steps.more=1", "There is no setting 'train.steps.more'. Did you mean 'train.steps'?"),
        ("steps=3", "There is no setting 'steps'. Did you mean 'train.steps'?"),
        (
            "gan.genrator_channels=8",
            "There is no setting 'gan.genrator_channels'. Did you mean 'gan.generator_channels'?",
        ),
        ("tiles.zebra=1", "There is no setting 'tiles.zebra'. Check the spelling in the recipe."),
        (
            "train.precision=flaot32",
            "Setting 'train.precision' is 'flaot32'. Input should be 'auto', 'float32' or 'bf16'. "
            "Did you mean 'float32'?",
        ),
        ("gan=pix3pix", "Did you mean 'pix2pix'?"),
        ("train.steps=" + "9" * 50, "a whole number has 50 digits, more than 30"),
        ("train.device=" + "x" * 500, "xxxxxxxxxxxxxx' (502 characters)"),
        ("gan=nogan", "There is no 'nogan' among the generators."),
        ("tiles.size=100", "The tile is 100 px. pix2pix takes 64, 128, 256, 512 px. Change the tile size."),
    ],
)
def test_a_wrong_override_is_answered_by_a_sentence(override: str, sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        PIX2PIX.override(override)
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
    kept = PIX2PIX.override("gan.generator_channels=16", "gan.name=pix2pix")
    assert kept == PIX2PIX.override("gan.generator_channels=16")  # the same member keeps what was set


def test_repr_shows_only_what_differs() -> None:
    assert repr(Recipe().override("train.steps=20")) == "Recipe(train=TrainSettings(steps=20))"


# ---------------------------------------------------------------------------------------------------------- plain YAML


@pytest.mark.parametrize("word", ["on", "On", "ON", "oN", "yes", "true", "True"])
def test_truth_values_in_any_case(word: str) -> None:
    assert Recipe().override(f"tiles.flip={word}").tiles.flip is True
    assert Recipe().override("gan=aae", f"gan.image_critic={word}").gan.image_critic == "on"  # type: ignore[attr-defined]


@pytest.mark.parametrize("word", ["off", "NO", "False", "n"])
def test_untruth_values_in_any_case(word: str) -> None:
    assert Recipe().override(f"tiles.flip={word}").tiles.flip is False


@pytest.mark.parametrize("name", ["on", "no", "true", "20261130", "007", "1:30", "2026-11-30", "null", "1e3", "0x1f"])
def test_a_name_stays_as_it_is_written(name: str, tmp_path: Path) -> None:
    recipe = Recipe().override(f"start.run={name}")
    assert recipe.start.run == name
    recipe.to_file(tmp_path / "recipe.yaml")
    assert Recipe.from_file(tmp_path / "recipe.yaml") == recipe


LAUGHS = "a0: &a0 [x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 30))
MERGED = "a0: &a0 {x: 1}\n" + "".join(f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 9)}]}}\n" for i in range(1, 30))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (LAUGHS, "it stands for more than 100,000 values"),
        (MERGED, "it stands for more than 100,000 values"),
        ("a: &a [*a]", "line 1: it contains itself"),
        ("[" * 60 + "]" * 60, "line 1: it is nested too deeply"),
        ("[" * 100_000, "it is nested too deeply"),
        (
            "train: {steps: 1}\ntiles: {size: 64}\ntrain: {steps: 2}",
            "line 3: 'train' stands there twice, first in line 1",
        ),
        ("train: {steps: 1, steps: 2}", "line 1: 'steps' stands there twice, first in line 1"),
        ("k" * 300 + ": 1", "line 1: a key has 300 characters, more than 200"),
        ("? " + "k" * 2000 + "\n: 1", "line 1: a key has 2,000 characters, more than 200"),
        ("a: '" + "x" * (1 << 20) + "'", "bytes, more than 262,144"),
        ("a: " + "9" * 5000, "a whole number has 5,000 digits, more than 30"),
        ("gan: \x00", "special characters are not allowed"),
        (b"\xff\xfeg\x00", "it is not text (UTF-8)"),
        (None, "it is a folder"),
    ],
)
def test_a_hostile_recipe_is_refused_in_words(text: str | bytes | None, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    if text is None:
        path.mkdir()
    else:
        path.write_bytes(text.encode() if isinstance(text, str) else text)
    with pytest.raises(UserError) as caught:
        Recipe.from_file(path)
    assert str(caught.value).startswith(f"Cannot read {path}: ")
    assert sentence in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


def test_an_alias_that_is_no_bomb_works(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("tiles: &same {size: 64}\ntrain: {steps: 5}\n")
    assert Recipe.from_file(tmp_path / "recipe.yaml").tiles.size == 64
    (tmp_path / "recipe.yaml").write_text("train: {steps: &n 5, preview_every: *n}\n")
    assert Recipe.from_file(tmp_path / "recipe.yaml").train.preview_every == 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
def test_a_pipe_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "recipe.yaml")
    with pytest.raises(UserError, match="it is a pipe"):
        Recipe.from_file(tmp_path / "recipe.yaml")


@pytest.mark.parametrize("value", [".inf", ".nan", "-.inf", "1e400"])
def test_infinite_numbers_are_no_settings(value: str) -> None:
    with pytest.raises(UserError, match=r"gan.*l1_weight"):
        PIX2PIX.override(f"gan.l1_weight={value}")


def test_a_name_that_is_not_utf8_is_said_to_be() -> None:
    with pytest.raises(UserError, match=r"Expected a name in UTF-8\. Rename the file\."):
        VERBS["predict"].settings_class()().override("images=caf" + os.fsdecode(bytes([233])) + ".tif")


def test_a_recipe_of_another_command_is_answered_with_the_name_of_the_setting(tmp_path: Path) -> None:
    Recipe().to_file(tmp_path / "train.yaml")
    with pytest.raises(UserError, match=r"Setting 'tiles' is a group of settings\. Input should be a valid tuple\."):
        VERBS["fill"].settings_class().from_file(tmp_path / "train.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    with pytest.raises(UserError, match=r"empty\.yaml is empty\. Expected 'key: value' lines"):
        Recipe.from_file(tmp_path / "empty.yaml")
