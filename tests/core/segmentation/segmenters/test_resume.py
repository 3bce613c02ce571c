"""A training that was stopped goes on and ends with the very weights of one that was not."""

import pytest
import torch

from napari_organoid_synth.core.job import Control, Progress
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.segmentation.segmenters import base, plateau
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.cellpose_config import CellposeConfig
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.multiscale_adversarial_config import MultiscaleAdversarialConfig
from napari_organoid_synth.core.segmentation.segmenters.stardist_config import StarDistConfig
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.simulators.simulate import SIMULATORS

STEPS, STOP = 10, 6
CONFIGS = [
    UNetConfig(channels=8, depth=2, tile=64, batch=2),
    MultiscaleAdversarialConfig(width=4, side=64),
    StarDistConfig(channels=4, depth=2, tile=64, batch=2),
    CellposeConfig(tile=64, batch=2),
]


@pytest.fixture(scope="module")
def pairs():
    draw = SIMULATORS["population"]
    return [draw(seed, 64).replace(mask_kind="instances", class_names=("nucleus",)) for seed in range(5)]


def train(config, pairs, path, control=None, seed=0, held=(), steps=STEPS, floor=plateau.FLOOR):
    spec = SegmentSpec(len(pairs[0].image), pairs[0].mask_kind, pairs[0].class_names)
    segmenter = SEGMENTERS.load(config.name)(config, spec, "cpu", seed)
    pool = CropPool(pairs, augment="tissue", seed=1, held=held)
    events = segmenter.fit(pool, steps, control or Control(), path, floor)
    return segmenter, [one for one in events if isinstance(one, Progress)]


def weights(segmenter):
    return torch.cat([tensor.flatten().double() for tensor in segmenter.network.state_dict().values()])


def skip_without_library(config):
    if config.name == "cellpose":
        pytest.importorskip("cellpose.resnet_torch", reason="needs Cellpose 3, which is not for this Python")


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_stopped_training_goes_on_as_if_it_had_not_stopped(config, pairs, stop_at, tmp_path):
    skip_without_library(config)
    path = tmp_path / "training.safetensors"
    through, _ = train(config, pairs, None)
    train(config, pairs, path, stop_at(STOP))
    assert path.exists()
    resumed, events = train(config, pairs, path, seed=7)  # its own first weights do not matter
    assert events[0].step == STOP
    assert events[-1].step == STEPS
    assert torch.equal(weights(resumed), weights(through))


@pytest.mark.parametrize("config", CONFIGS[:3], ids=lambda config: config.name)  # one rule for all; Cellpose is slow
def test_a_training_stopped_before_and_in_the_decay_ends_at_the_same_plateau(
    config, pairs, stop_at, tmp_path, monkeypatch
):
    """Looks every 2 steps at a score that counts as standing: at step 4 a decay of 5 steps begins."""
    skip_without_library(config)
    for name, value in {"LOOK": 2, "TOLERANCE": 1.0, "PATIENCE": 2, "FLAT": 1, "DECAY": 5}.items():
        monkeypatch.setattr(plateau, name, value)
    more = {"held": pairs[3:], "steps": 40, "floor": 4}
    through, events = train(config, pairs[:3], None, **more)
    assert through.curve.at_plateau
    assert through.curve.steps == (2, 4, 6, 8, 9)
    assert [event.stats["held score"] for event in events if "held score" in event.stats] == list(through.curve.scores)
    for stop in (3, 4, 7):
        path = tmp_path / f"{stop}.safetensors"
        train(config, pairs[:3], path, stop_at(stop), **more)
        resumed, events = train(config, pairs[:3], path, seed=7, **more)
        assert (events[0].step, events[-1].step, events[-1].total) == (stop, 9, 40)
        assert resumed.curve == through.curve
        assert torch.equal(weights(resumed), weights(through))


def test_other_settings_or_pixels_start_again(pairs, stop_at, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "REPORT_SECONDS", 0.0)
    config, path = CONFIGS[0], tmp_path / "training.safetensors"
    train(config, pairs, path, stop_at(STOP))
    assert train(config.replace(learning_rate=1e-4), pairs, path, stop_at(1))[1][0].step == 1
    train(config, pairs, path, stop_at(STOP))
    assert train(config, brighter(pairs), path, stop_at(1))[1][0].step == 1


def brighter(pairs):
    image = pairs[0].image.copy()
    image[0, 0, 0] += 1
    return [pairs[0].replace(image=image), *pairs[1:]]


def test_the_state_is_written_now_and_then(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(base, "KEEP_SECONDS", 0.0)
    monkeypatch.setattr(base, "WRITE_SHARE", 0)
    path = tmp_path / "training.safetensors"
    through, _ = train(CONFIGS[0], pairs, path)
    resumed, events = train(CONFIGS[0], pairs, path, seed=7)  # killed after its last step: nothing is left to do
    assert [event.step for event in events] == [STEPS]
    assert torch.equal(weights(resumed), weights(through))
