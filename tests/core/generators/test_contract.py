"""What every generator promises: the contract of the package, and what its own generators promise beyond."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.generators.base import build_generator
from napari_organoid_synth.core.generators.config import GeneratorConfig, generator_config
from napari_organoid_synth.core.generators.contract import CHECKS, batch_of, check_generator, checks_of, spec_of
from napari_organoid_synth.core.generators.dcgan_config import DcganConfig
from napari_organoid_synth.core.registry import GENERATORS

SMALL = {"generator_channels": 8, "discriminator_channels": 8, "channels": 8, "max_channels": 16, "width": 16}


def small(name: str) -> GeneratorConfig:
    config = generator_config(name)
    return config(**{key: value for key, value in SMALL.items() if key in config.model_fields})


@pytest.mark.parametrize(
    ("name", "check"), [(name, check) for name in GENERATORS.names() for check in checks_of(small(name))]
)
def test_contract(name: str, check: str) -> None:
    config = small(name)
    assert spec_of(config).tile == 64
    checks_of(config)[check](config)


def test_only_painters_that_need_no_training_are_spared_the_checks_of_training() -> None:
    untrained = {name for name in GENERATORS.names() if checks_of(small(name)) is not CHECKS}
    assert untrained == {"analogy"}
    assert CHECKS.keys() & checks_of(small("analogy")).keys() == {"settings", "foreign state"}


@pytest.mark.parametrize("name", GENERATORS.names())
def test_default_settings_survive_yaml(name: str, tmp_path: Path) -> None:
    config = generator_config(name)()
    config.to_file(tmp_path / "config.yaml")
    assert type(config).from_file(tmp_path / "config.yaml") == config


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in GENERATORS.names() if generator_config(name).trains])
def test_losses_of_fifty_steps_in_bf16_are_those_in_float32(name: str) -> None:
    curves: dict[bool, dict[str, list[torch.Tensor]]] = {False: {}, True: {}}
    config = small(name)
    if "generator_rate" in type(config).model_fields:  # at a higher one the same roundings grow faster apart
        config = config.replace(generator_rate=None)
    for bf16, found in curves.items():
        generator = build_generator(config, spec_of(config))
        generator.bf16 = bf16
        for step in range(50):
            batch = batch_of(generator.spec, step, n=4)
            losses = generator.step(batch, random_stream(torch.device("cpu"), 0, step), step / 50)
            for key, value in losses.items():
                found.setdefault(key.split()[0], []).append(value)  # one curve over all sizes of those that grow
    for key in curves[False].keys() & {"discriminator", "generator", "difference", "cycle", "reconstruction"}:
        exact, rough = (torch.stack(curves[bf16][key]) for bf16 in (False, True))
        # a Wasserstein score has no zero to measure it from: there its range counts
        size = exact.max() - exact.min() if name == "progan" else exact.abs().mean()
        assert ((exact - rough).abs().mean() / size).item() < 0.05, key


def test_a_broken_promise_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_organoid_synth.core.generators.dcgan import Dcgan

    step = Dcgan.step

    def forgetful(self: Dcgan, batch, rng, progress):  # type: ignore[no-untyped-def]
        return {**step(self, batch, rng, progress), "random": torch.rand(())} | {"bad": torch.tensor(1.0)}

    monkeypatch.setattr(Dcgan, "step", forgetful)
    with pytest.raises(AssertionError, match=r"dcgan: steps: a gradient is not finite"):
        check_generator(DcganConfig(generator_channels=8, discriminator_channels=8, max_channels=16))
