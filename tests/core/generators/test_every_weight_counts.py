"""No weight of a loss is switched off by another one that is not 0, in any generator."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from napari_organoid_synth.core.generators.base import Generator, build_generator
from napari_organoid_synth.core.generators.config import GeneratorConfig, generator_config
from napari_organoid_synth.core.generators.contract import batch_of, spec_of
from napari_organoid_synth.core.registry import GENERATORS

SMALL: dict[str, Any] = {
    "generator_channels": 8,
    "discriminator_channels": 8,
    "channels": 64,
    "max_channels": 16,
    "width": 16,
    "blocks": 1,
    "latent": 8,
    "layers": 2,
}
AAE = {"loss": "perceptual_wasserstein", "critic_steps": 1}


def weights_of(name: str) -> list[str]:
    return [f for f in generator_config(name).model_fields if f.endswith("_weight") or f in ("penalty", "gamma")]


def config_of(name: str, **changes: float) -> GeneratorConfig:
    fields = generator_config(name).model_fields
    small = {key: value for key, value in SMALL.items() if key in fields}
    return generator_config(name)(**{**small, **(AAE if name == "aae" else {}), **changes})


def gradients(config: GeneratorConfig) -> list[torch.Tensor]:
    """The gradients that one step leaves in each network."""
    torch.manual_seed(0)
    spec = spec_of(config)
    if config.name == "cyclegan":  # identity needs as many channels in masks as in images
        spec = type(spec)(spec.tile, 1, 1)
    generator: Generator = build_generator(config, spec, 0)
    generator.step(batch_of(spec), torch.Generator().manual_seed(0), 0.0)
    return [p.grad for net in generator.networks().values() for p in net.parameters() if p.grad is not None]


CASES = [(name, weight) for name in GENERATORS.names() for weight in weights_of(name)]


@pytest.mark.parametrize(("name", "weight"), CASES)
def test_doubling_a_weight_changes_the_gradient_while_all_others_are_on(name: str, weight: str) -> None:
    others = dict.fromkeys(weights_of(name), 0.5)
    once, twice = gradients(config_of(name, **others)), gradients(config_of(name, **{**others, weight: 1.0}))
    assert any(not torch.equal(a, b) for a, b in zip(once, twice, strict=True))


def test_the_cases_hold_the_weights_of_all_families() -> None:
    assert {("pix2pix", "l1_weight"), ("pix2pix", "feature_weight"), ("aae", "adv_weight"),
            ("cyclegan", "identity_weight"), ("infogan", "category_weight")} <= {*CASES}  # fmt: skip
