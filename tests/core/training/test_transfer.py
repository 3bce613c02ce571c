"""Transfer: a training really starts from the weights of another, and says from which."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.ada import Ada
from napari_organoid_synth.core.generators.base import Generator
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.job import Control, Event, Progress, Saved, Started, Warned
from napari_organoid_synth.core.pairs.loading import add_pair, load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import list_tiles
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.core.runs.sharing import write_model_file
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.core.training.dataset import PairDataset, TileSampler
from napari_organoid_synth.core.training.train import train
from simulated import em_project

RECIPE = Recipe.parse(
    {
        "gan": {"name": "dcgan", "generator_channels": 8, "discriminator_channels": 8, "max_channels": 16},
        "tiles": {"size": 64},
        "train": {"steps": 4, "batch": 2, "preview_every": 99, "checkpoint_every": 2, "previews": 1, "threads": 1,
                  "precision": "float32", "device": "cpu"},
    }
)  # fmt: skip
PAINTER = RECIPE.replace(gan={"name": "pix2pix", "generator_channels": 8, "discriminator_channels": 8})


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with the run that others start from."""
    project = em_project(tmp_path_factory.mktemp("project"), 2)
    list(train(project, RECIPE, Control(), project.path / "runs" / "source"))
    return project


def source(project: Project) -> Run:
    return Run(project.path / "runs" / "source")


def starting(run: object = "source", *overrides: str, recipe: Recipe = RECIPE) -> Recipe:
    return recipe.override(f"start.run='{run}'", "train.seed=1", *overrides)


def warned(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Warned)]


def begin(project: Project, recipe: Recipe, folder: Path) -> list[Event]:
    return list(train(project, recipe.override("train.steps=1"), Control(), folder))


def test_what_is_taken_over_is_said_and_noted(project: Project, tmp_path: Path) -> None:
    events = begin(project, starting(), tmp_path / "run")
    tensors = [key for key in source(project).read()[1] if key.startswith("network/")]
    words = f"Took over {len(tensors)} of {len(tensors)} tensors from run 1."
    assert isinstance(events[0], Started)
    assert events[0].info["start"] == words
    assert warned(events)[0] == words
    metadata = Run(tmp_path / "run").metadata
    assert metadata.start is not None
    assert metadata.start.source == "run source"
    newest = source(project).checkpoint_path(4).read_bytes()
    assert metadata.start.sha256 == hashlib.sha256(newest).hexdigest()
    assert set(metadata.data) == {"em0", "em1", "em0 (run source)", "em1 (run source)"}
    assert events[0].step == 0


@pytest.mark.parametrize("recipe", [RECIPE, PAINTER], ids=["dcgan", "pix2pix"])
def test_the_first_step_is_that_of_the_weights_it_starts_from(project: Project, tmp_path: Path, recipe: Recipe) -> None:
    list(train(project, recipe, Control(), tmp_path / "first"))
    new = starting(tmp_path / "first", recipe=recipe)
    events = begin(project, new, tmp_path / "run")
    told = [event.stats for event in events if isinstance(event, Progress)][-1]  # slow machines report more often

    first = Run(tmp_path / "first")
    gan = new_generator(first.recipe, first.spec)
    tensors = first.read()[1]
    for name, network in gan.networks().items():
        network.load_state_dict({k.split("/", 2)[2]: v for k, v in tensors.items() if k.startswith(f"network/{name}/")})
    pairs = load_pairs(project, split="train")
    data = PairDataset(pairs, [t for t in list_tiles(pairs, new.tiles) if t.kept], first.codec, first.recipe.shape)
    batch = data.batch(TileSampler(len(data), 1).indices(0, 2))
    expected = gan.step(batch, random_stream(gan.device, 1, "step", 0), 0.0)
    assert {name: float(value) for name, value in expected.items() if name != "bad"} == {
        name: told[name] for name in expected if name != "bad"
    }
    fresh = begin(project, recipe.override("train.seed=1"), tmp_path / "fresh")
    other = [event.stats for event in fresh if isinstance(event, Progress)][-1]
    assert other["generator"] != told["generator"]


def test_the_average_remembers_from_the_first_step_on(project: Project, tmp_path: Path) -> None:
    begin(project, starting(), tmp_path / "run")
    checkpoint, tensors = Run(tmp_path / "run").read()
    assert checkpoint.numbers["transferred"] == 1
    before, key = source(project).read()[1], "layers.0.weight"
    share = 0.5 ** (2 / 1000)  # two images of a half-life of 1000; ramped up from nothing it would be 10⁻⁶
    old, new = before[f"network/average/{key}"], tensors[f"network/generator/{key}"]
    torch.testing.assert_close(tensors[f"network/average/{key}"], share * old + (1 - share) * new)


def test_frozen_layers_stay_also_when_resumed(project: Project, tmp_path: Path) -> None:
    recipe = starting("source", "start.freeze=2")
    control = Control()
    for event in train(project, recipe, control, tmp_path / "run"):
        if isinstance(event, Saved):
            control.cancel()
    assert event.step == 2
    events = list(train(project, recipe, Control(), tmp_path / "run", resume=True))
    assert events[-1].step == 4
    assert "start" not in events[0].info  # type: ignore[attr-defined]
    before, after = source(project).read()[1], Run(tmp_path / "run").read()[1]
    moved = {
        key: not torch.equal(before[key], after[key])
        for key in before
        if key.startswith("network/discriminator/") and key.endswith("weight") and before[key].ndim == 4
    }
    in_order = sorted(moved, key=lambda key: int(key.split(".")[1]))  # a file may hold them in any order
    assert [moved[key] for key in in_order] == [False, False, True, True, True]
    list(train(project, recipe, Control(), tmp_path / "whole"))
    whole = Run(tmp_path / "whole").read()[1]
    assert all(torch.equal(value, after[key]) for key, value in whole.items())


def test_a_run_elsewhere_and_a_model_file_give_the_same(project: Project, tmp_path: Path) -> None:
    run = source(project)
    write_model_file(run, tmp_path / "model.synth", ShareSettings(licence="MIT", checkpoint="newest"))
    begin(project, starting(), tmp_path / "expected")
    expected = Run(tmp_path / "expected").read()[1]
    for number, place in enumerate([run.path, *sorted(tmp_path.glob("*.*"))]):
        events = begin(project, starting(place), tmp_path / f"{number}")
        kind = "run 1" if place == run.path else f"file {place.name}"
        assert warned(events)[0].endswith(f"tensors from {kind}.")
        got = Run(tmp_path / f"{number}").read()[1]
        assert all(torch.equal(value, got[key]) for key, value in expected.items())
    assert number == 1


def test_which_checkpoint(project: Project, tmp_path: Path) -> None:
    begin(project, starting("source", "start.checkpoint=2"), tmp_path / "run")
    start = Run(tmp_path / "run").metadata.start
    assert start is not None
    assert start.sha256 == hashlib.sha256(source(project).checkpoint_path(2).read_bytes()).hexdigest()
    with pytest.raises(UserError, match=r"Run 1 has no checkpoint of step 3\. Expected newest, best or one of: 2, 4"):
        begin(project, starting("source", "start.checkpoint=3"), tmp_path / "other")


def test_what_differs_keeps_random_values(project: Project, tmp_path: Path) -> None:
    events = begin(project, starting("source", "draws=images"), tmp_path / "images")
    run = source(project)
    shapes = {key: value.shape for key, value in run.read()[1].items() if key.startswith("network/")}
    images = Run(tmp_path / "images").read()[1]
    left = [key for key, shape in shapes.items() if images[key].shape != shape]
    total, one = len(shapes), len(left)
    assert 0 < one < 10
    taken = f"Took over {total - one} of {total} tensors from run 1"
    words = f"{taken}; {one} keep random values because the channels differ."
    assert warned(events)[0] == words
    fresh = new_generator(Run(tmp_path / "images").recipe, Run(tmp_path / "images").spec).state()[0]
    assert all(fresh[key].shape == images[key].shape for key in left)
    wider = begin(project, starting("source", "gan.latent=50"), tmp_path / "latent")
    assert warned(wider)[0].endswith(
        "2 keep random values because the settings differ."
    )  # the first layer, and its average


FIRST_AND_LAST = {
    "dcgan": r"(generator|average)\.layers\.12\.|discriminator\.layers\.0\.",
    "pix2pix": r"generator\.up\.5\.2\.|discriminator\.scales\.0\.hidden\.0\.0\.",
    "stylegan2_ada": r"(generator|average)\.synthesis\.pictures\.\d\.|discriminator\.first\.",
    "progan": r"\w+\.blocks\.\d+\.rgb\.",
}  # what touches pixels: one layer, or one for each resolution


@pytest.mark.parametrize("name", FIRST_AND_LAST)
def test_with_other_channels_only_what_touches_pixels_keeps_random_values(name: str) -> None:
    small = {"generator_channels": 8, "discriminator_channels": 8, "channels": 64, "max_channels": 16, "latent": 8}
    recipe = Recipe.parse({"gan": name, "tiles": {"size": 64}})
    fields = type(recipe.gan).model_fields
    recipe = recipe.replace(gan=recipe.gan.replace(**{key: value for key, value in small.items() if key in fields}))
    old = new_generator(recipe, PairSpec(64, 1, 2))
    new, fresh = (new_generator(recipe.override("train.seed=1"), PairSpec(64, 3, 2)) for _ in range(2))
    before, initial = old.state()[0], fresh.state()[0]
    taken, left = new.load_matching_weights(before)
    after = {key: value for key, value in new.state()[0].items() if key.split("/")[1] in new.transferable()}
    random = {key for key, value in after.items() if before[key].shape != value.shape}
    assert (len(after) - len(random), len(random)) == (taken, left)
    assert random
    for key, value in after.items():
        network, layer = key.split("/")[1:]
        assert torch.equal(value, (initial if key in random else before)[key]), key
        assert (key in random) <= bool(re.match(FIRST_AND_LAST[name], f"{network}.{layer}")), key
        if network == "average" and key in random:
            assert torch.equal(value, after[f"network/generator/{layer}"])


def test_adaptive_augmentation_starts_at_0_and_is_quick_and_the_average_does_not_ramp_up() -> None:
    config = {"name": "stylegan2_ada", "channels": 64, "max_channels": 8, "latent": 8, "path_length": False}
    recipe = Recipe.parse({"gan": config, "tiles": {"size": 32}, "start": {"run": "source"}})
    spec = PairSpec(32, 1, 1)
    old, new = (new_generator(recipe.override(f"train.seed={seed}"), spec) for seed in (0, 1))
    old.augment.p.fill_(0.3)  # type: ignore[attr-defined]
    new.load_matching_weights(old.state()[0])
    strength: Any = new.networks()["augment"]
    assert (float(strength.p), strength.kimg) == (0, 100)
    ada = Ada(("blit",), 1, kimg=strength.kimg)
    for taken in range(4):
        ada.adjust(torch.ones(32), taken)
    assert float(ada.p) == pytest.approx(4 * 32 / 100_000)
    rng = torch.Generator().manual_seed(0)
    batch = Batch(
        torch.rand(2, 1, 32, 32, generator=rng), torch.rand(2, 1, 32, 32, generator=rng), torch.zeros(2).long()
    )
    key = "network/average/synthesis.pictures.0.weight"
    average, share = old.state()[0][key], 0.5 ** (32 / 10_000)  # half-life of batch · 10 / 32 thousand images
    new.step(batch, rng, 0.0)
    after = new.state()[0]
    torch.testing.assert_close(after[key], share * average + (1 - share) * after[key.replace("average", "generator")])


def test_other_data_other_classes_other_channels(project: Project, tmp_path: Path) -> None:
    other = Project(tmp_path / "other")
    for seed in range(2):
        pair = em(10 + seed, 80)
        colour = np.concatenate([pair.image, 255 - pair.image, pair.image // 2])
        add_pair(other, SamplePair(f"c{seed}", colour, pair.labels, class_names=("wall", "gap")), "classes")
    events = begin(other, starting(source(project).path), tmp_path / "run")
    run = Run(tmp_path / "run")
    count = sum(key.startswith("network/") for key in run.read()[1])
    assert (run.spec.image_channels, source(project).spec.image_channels) == (3, 1)
    assert warned(events)[0] == (
        f"Took over {count - 5} of {count} tensors from run 1; 5 keep random values because the channels differ"
        "; mitochondria, membranes there, wall, gap here."
    )
    assert set(run.metadata.data) == {"c0", "c1", "em0 (run source)", "em1 (run source)"}
    assert run.read()[0].step == 1


def test_a_note_of_one_tensor_is_in_the_singular() -> None:
    from napari_organoid_synth.core.training.transfer import Weights, transfer_weights

    class One(Generator):
        def __init__(self) -> None:
            super().__init__(None, PairSpec(16, 1, 1))  # type: ignore[arg-type]
            self.network = torch.nn.Linear(2, 2)

        def networks(self) -> dict[str, torch.nn.Module]:
            return {"generator": self.network}

        def optimizers(self) -> dict[str, Any]:
            return {}

        def step(self, *_: Any) -> Any: ...

        def sample(self, *_: Any, **__: Any) -> Any: ...

    weights = Weights("run a", "", {"network/generator/bias": torch.zeros(2)}, "one", PairSpec(16, 1, 1), title="run a")
    assert transfer_weights(One(), "one", weights) == (
        "took over 1 of 2 tensors from run a; 1 keeps random values because the settings differ"
    )


# ---------------------------------------------------------------------------------------------------------- refusing


def refusal(project: Project, recipe: Recipe, folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        begin(project, recipe, folder)
    assert not (folder / "recipe.yaml").exists()  # no run is left behind
    return str(caught.value)


def test_other_generators_and_runs_that_do_not_exist(project: Project, tmp_path: Path) -> None:
    assert refusal(project, starting(recipe=PAINTER), tmp_path / "a") == (
        "Run 1 is a 'dcgan'. Expected 'pix2pix', the generator of this training. "
        "Start from a run of pix2pix, or train a dcgan."
    )
    names = ", ".join(path.name for path in project.runs())
    assert refusal(project, starting("nothing"), tmp_path / "b") == (
        "There is no run or file 'nothing' to start from. "
        f"Expected the name of a run ({names}), the folder of one, or a .synth file. "
        "Change start.run, or leave it empty to start from random weights."
    )
    assert "There is no run or file 'nothing.pt'" in refusal(project, starting("nothing.pt"), tmp_path / "c")
    assert "Cannot read nothing.synth: No such file" in refusal(project, starting("nothing.synth"), tmp_path / "d")
    (tmp_path / "broken.synth").write_bytes(b"x")
    assert "broken.synth is not a whole zip archive." in refusal(
        project, starting(tmp_path / "broken.synth"), tmp_path / "e"
    )
