"""Weights that no trained network has are refused when loaded, and what a broken network draws is not kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save, save_file

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Warned
from napari_organoid_synth.core.metrics.extractors.encoder import Encoder
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.core.runs.sharing import import_model, write_model_file
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.segmentation.segmenters.base import WEIGHTS, SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.core.synthesis.generate import generate
from napari_organoid_synth.core.synthesis.sampler import Sampler
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator
from napari_organoid_synth.core.weight_files import read_weights

BAD = {"NaN": float("nan"), "infinite": float("inf"), "minus infinite": float("-inf"), "absurd": -3e7}
SAID = dict.fromkeys(BAD, "contains NaN or infinite numbers") | {"absurd": "contains -3e+07, more than 1e+06"}
RECIPE = Recipe().override("gan=pix2pix", "gan.generator_channels=8", "gan.discriminator_channels=8", "tiles.size=64")
SETTINGS = GenerateSettings(number=2, device="cpu", masks="real")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "p")
    add_pair(project, em(0, 96), "classes")
    return project


def run_of(project: Project, change: float | None, name: str = "one") -> Run:
    """A painter whose output layer holds one number everywhere, or only once."""
    run = Run.create(project.path / "runs" / name, RECIPE, Codec.fit([em(0, 96)]))
    generator = new_generator(RECIPE, run.spec)
    generator.images_seen = 10
    if change is not None:
        weight = next(iter(generator.networks()["generator"].parameters()))
        weight.data[0, 0, 1, 1] = change
    run.save(generator, 2, batch=1)
    return run


@pytest.mark.parametrize("bad", BAD)
def test_a_checkpoint_is_refused(bad: str, project: Project) -> None:
    run_of(project, BAD[bad])
    with pytest.raises(UserError, match=r"'network/generator/.*' in step_00000002\.safetensors") as caught:
        list(generate(project, SETTINGS, Control()))
    assert SAID[bad] in str(caught.value)
    assert not project.samples_path.exists()


def test_an_older_whole_checkpoint_is_taken_instead(project: Project) -> None:
    run = run_of(project, None)
    generator = new_generator(RECIPE, run.spec)
    generator.images_seen = 20
    next(iter(generator.networks()["generator"].parameters())).data.fill_(torch.nan)
    run.save(generator, 4, batch=1)
    assert run.steps() == [2, 4]
    assert run.read()[0].step == 2


@pytest.mark.parametrize("bad", BAD)
def test_a_model_file_is_refused(bad: str, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(project, BAD[bad])
    with monkeypatch.context() as patch:  # as another program would write it
        patch.setattr("napari_organoid_synth.core.weight_files.check_weights", lambda *_, **__: None)
        patch.setattr(np, "isfinite", lambda values: np.ones(np.shape(values), bool))
        write_model_file(run, tmp_path / "m.synth", ShareSettings(licence="MIT"))
    with pytest.raises(UserError) as caught:
        import_model(Project(tmp_path / "other"), tmp_path / "m.synth")
    assert SAID[bad] in str(caught.value)
    assert "m.synth" in str(caught.value)
    assert Project(tmp_path / "other").runs() == []


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("ending", [".pth", ".safetensors"])
def test_a_file_of_another_program_is_refused(bad: str, ending: str, tmp_path: Path) -> None:
    tensors = {"a.weight": torch.ones(3), "b.bias": torch.tensor([0.5, BAD[bad]]), "steps": torch.tensor(10**9)}
    path = tmp_path / f"weights{ending}"
    save_file(tensors, path) if ending == ".safetensors" else torch.save(tensors, path)
    with pytest.raises(UserError, match=r"'b\.bias' in weights") as caught:
        read_weights(path, "Expected weights.", "Choose another file.")
    assert SAID[bad] in str(caught.value)


@pytest.mark.parametrize("bad", BAD)
def test_a_segmenter_is_refused(bad: str, tmp_path: Path) -> None:
    config = UNetConfig(channels=8, depth=2, tile=64)
    UNet(config, SegmentSpec(1, "binary", ("disc",)), "cpu").save(tmp_path)
    load_segmenter(tmp_path, "cpu")
    tensors = load((tmp_path / WEIGHTS).read_bytes())
    name = next(key for key, tensor in tensors.items() if tensor.is_floating_point())
    tensors[name].view(-1)[0] = BAD[bad]
    (tmp_path / WEIGHTS).write_bytes(save(tensors))
    with pytest.raises(UserError) as caught:
        load_segmenter(tmp_path, "cpu")
    assert SAID[bad] in str(caught.value)


def test_a_damaged_encoder_is_no_encoder() -> None:
    encoder = Encoder(1, "", "cpu")
    data = encoder.to_bytes()
    encoder.from_bytes(data)
    tensors = {key: tensor.clone() for key, tensor in load(data).items()}
    next(tensor for tensor in tensors.values() if tensor.is_floating_point()).view(-1)[0] = torch.nan
    for damaged in (data[:100], b"", save(tensors), save({"x": torch.ones(1)})):
        with pytest.raises(ValueError, match=r"no weights of an encoder|contains NaN"):
            encoder.from_bytes(damaged)


# ------------------------------------------------------------------------------------------------ what a network draws


def constant(project: Project) -> Run:
    """A painter that has collapsed: whatever it is given, every pixel is the same."""
    run = Run.create(project.path / "runs" / "flat", RECIPE, Codec.fit([em(0, 96)]))
    generator = new_generator(RECIPE, run.spec)
    generator.images_seen = 10
    for parameter in generator.networks()["generator"].parameters():
        parameter.data.zero_()
    run.save(generator, 2, batch=1)
    return run


def test_constant_images_are_not_kept(project: Project) -> None:
    run = constant(project)
    said = r"Run 1 draws .* in which every pixel has the same value \(checkpoint 2\)\. Expected images with structure"
    with pytest.raises(UserError, match=said):
        list(generate(project, SETTINGS, Control()))
    with SampleStore(project.samples_path) as store:
        assert store.ids() == []
    with pytest.raises(UserError, match=said):  # as painting in the window does
        Sampler(TrainedGenerator.open(run, device="cpu"), SETTINGS).paint([em(1, 64).labels])


def test_some_constant_images_are_left_out_and_told(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    run_of(project, None)
    paint, drawn = TrainedGenerator.paint, []

    def flat_at_first(self: TrainedGenerator, labels: Any, *rest: Any) -> Any:
        drawn.append(1)
        images = paint(self, labels, *rest)
        return images if len(drawn) == 2 else [replace(one, image=0 * one.image) for one in images]

    monkeypatch.setattr(TrainedGenerator, "paint", flat_at_first)
    events = list(generate(project, SETTINGS, Control()))
    texts = [event.text for event in events if isinstance(event, Warned)]
    assert texts == ["1 image was left out: every pixel has the same value. The generator may have collapsed."]
    with SampleStore(project.samples_path) as store:
        assert len(store.ids()) == 1


def test_values_that_are_not_numbers_are_not_written_as_zeros(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = run_of(project, None)
    model = TrainedGenerator.open(run, device="cpu")
    for parameter in model.network.networks()["generator"].parameters():
        parameter.data.fill_(1e30)  # finite weights that overflow
    for side in (64, 160):  # one tile, and tile by tile
        with pytest.raises(UserError, match=r"draws values that are not numbers \(checkpoint 2\)|the same value"):
            Sampler(model, SETTINGS).paint([em(1, side).labels])
