"""What every generator promises."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_organoid_synth.core.codec import PairSpec
from napari_organoid_synth.core.dataset import Batch
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gans.base import Gan
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GANS
from napari_organoid_synth.core.run import new_gan

SPEC = PairSpec(64, 2, 3, vectors=3)
pytestmark = pytest.mark.parametrize("name", GANS.names())


def small(name: str) -> Recipe:
    recipe = Recipe.parse({"gan": name, "tiles": {"size": 64}})
    changes = {"generator_channels": 8, "discriminator_channels": 8, "max_channels": 16}
    fields = type(recipe.gan).model_fields
    return recipe.replace(gan=recipe.gan.replace(**{key: v for key, v in changes.items() if key in fields}))


def batch(step: int) -> Batch:
    rng = random_stream(torch.device("cpu"), "data", step)
    image, mask = (torch.rand(2, channels, 64, 64, generator=rng) * 2 - 1 for channels in (2, 3))
    return Batch(image, mask, torch.zeros(2, dtype=torch.int64))


def advance(gan: Gan, start: int, stop: int) -> None:
    for step in range(start, stop):
        gan.step(batch(step), random_stream(torch.device("cpu"), 0, step), step / 10)


def test_default_settings_survive_yaml(name: str, tmp_path: Path) -> None:
    config = GANS.config(name)()
    config.to_file(tmp_path / "config.yaml")
    assert type(config).from_file(tmp_path / "config.yaml") == config


def test_a_step_is_finite_and_moves_every_weight(name: str) -> None:
    gan = new_gan(small(name), SPEC)
    before = {n: [p.detach().clone() for p in net.parameters()] for n, net in gan.networks().items()}
    losses = gan.step(batch(0), random_stream(torch.device("cpu"), 0), 0.0)
    assert all(value.ndim == 0 and not value.requires_grad and torch.isfinite(value) for value in losses.values())
    assert losses["bad"] == 0
    for net_name, network in gan.networks().items():
        for old, (key, new) in zip(before[net_name], network.named_parameters(), strict=True):
            assert not torch.equal(old, new), f"{net_name}.{key} did not move"


def test_weights_and_samples_repeat_by_seed(name: str) -> None:
    first, second = new_gan(small(name), SPEC), new_gan(small(name), SPEC)
    other = new_gan(small(name).override("train.seed=1"), SPEC)
    condition = batch(0).mask if first.shape == "painter" else None

    def draw(gan: Gan, seed: int) -> torch.Tensor:
        streams = [random_stream(torch.device("cpu"), seed, i) for i in range(2)]
        return gan.sample(streams, condition=condition)

    assert torch.equal(draw(first, 0), draw(second, 0))
    assert not torch.equal(draw(first, 0), draw(first, 1))
    assert not torch.equal(draw(first, 0), draw(other, 0))


@pytest.mark.parametrize("bf16", [False, True])
def test_five_and_five_resumed_steps_equal_ten(name: str, bf16: bool) -> None:
    whole = new_gan(small(name), SPEC)
    whole.bf16 = bf16
    advance(whole, 0, 10)
    half = new_gan(small(name), SPEC)
    half.bf16 = bf16
    advance(half, 0, 5)
    tensors, numbers = half.state()
    resumed = new_gan(small(name).override("train.seed=7"), SPEC)
    resumed.bf16 = bf16
    resumed.load_state(tensors, numbers)
    torch.manual_seed(99)  # nothing may depend on the global stream
    advance(resumed, 5, 10)
    expected, got = whole.state(), resumed.state()
    assert expected[1] == got[1]
    assert expected[0].keys() == got[0].keys()
    for key, value in expected[0].items():
        assert torch.equal(value, got[0][key]), key


def test_state_of_other_settings_is_refused(name: str) -> None:
    tensors, numbers = new_gan(small(name), SPEC).state()
    with pytest.raises(UserError, match="other settings"):
        new_gan(small(name), PairSpec(64, 1, 3)).load_state(tensors, numbers)


def test_weights_and_gradients_are_channels_last(name: str) -> None:
    gan = new_gan(small(name), SPEC)
    advance(gan, 0, 1)
    for net in gan.optimizers():
        for key, parameter in gan.networks()[net].named_parameters():
            if parameter.ndim == 4:
                assert parameter.is_contiguous(memory_format=torch.channels_last), key
                assert parameter.grad is not None
                assert parameter.grad.stride() == parameter.stride(), key
