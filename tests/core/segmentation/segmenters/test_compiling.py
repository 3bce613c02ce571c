"""Compiled training steps of the U-Net."""

import os
import shutil

import pytest
import torch

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.held_parts import hold_parts
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

SMALL = UNetConfig(channels=8, depth=2, tile=64, batch=2, learning_rate=1e-2)


@pytest.mark.slow  # a C++ compiler works for about twenty seconds
@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # PyTorch, about its own tracing
def test_a_compiled_training_learns_the_same_stops_and_goes_on(scene, stop_at, tmp_path, monkeypatch):
    if shutil.which(os.environ.get("CXX", "g++")) is None:
        pytest.skip("needs a C++ compiler")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "cache"))
    quick = SMALL.replace(compile=True)
    real, held = hold_parts([scene(seed, 128) for seed in range(2)])

    def train(config, steps, keep=None, control=None, seed=0):
        unet = UNet(config, SegmentSpec(1, "binary", ("disc",)), "cpu", seed)
        list(unet.fit(CropPool(real, held=held), steps, control or Control(), keep))
        return unet

    bare, through = train(SMALL, 12), train(quick, 12)
    assert list(through.network.state_dict()) == list(bare.network.state_dict())
    for ours, theirs in zip(through.network.parameters(), bare.network.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=2e-3)  # steps of 1e-2: sums are taken in another order
    assert through.curve.best == pytest.approx(bare.curve.best, abs=0.02)

    path = tmp_path / "training.safetensors"
    train(quick, 12, path, stop_at(5))
    resumed = train(quick, 12, path, seed=3)  # its own first weights do not matter, though the code is the same
    for ours, theirs in zip(resumed.network.parameters(), through.network.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_missing_compiler_is_a_sentence(scene, tmp_path, monkeypatch):
    import torch._inductor.config as inductor

    torch._dynamo.reset()  # forgets what was compiled in this process
    monkeypatch.setattr(inductor.cpp, "cxx", ("/nowhere/g++",))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    unet = UNet(SMALL.replace(compile=True), SegmentSpec(1, "binary", ("disc",)), "cpu")
    with pytest.raises(UserError, match=r"cannot be compiled here: .*/nowhere/g\+\+.*compile: false"):
        list(unet.fit(CropPool([scene(0)]), 2, Control()))
