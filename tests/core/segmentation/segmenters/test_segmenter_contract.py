"""What holds for every registered segmenter."""

from __future__ import annotations

import os
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from safetensors.torch import load, save

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Progress
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.segmentation.segmenters.base import WEIGHTS, Segmenter, SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.config import segmenter_config
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool

SMALL = {
    "unet": {"channels": 8, "depth": 2, "tile": 64, "batch": 2, "learning_rate": 1e-2},
    "multiscale_adversarial": {"width": 4, "side": 64},
    "stardist": {"rays": 8, "channels": 4, "depth": 2, "tile": 64, "batch": 1},
    "cellpose": {"tile": 64, "batch": 1},
}
LIBRARIES = {"stardist": ("stardist", "h5py"), "cellpose": ("cellpose.resnet_torch",)}  # Cellpose 4 needs weights
OF_OBJECTS = {"stardist", "cellpose"}  # no named classes
BINARY = SegmentSpec(1, "binary", ("disc",))


def missing(name: str) -> bool:
    try:
        return not all(map(find_spec, LIBRARIES.get(name, ())))
    except ModuleNotFoundError:
        return True


pytestmark = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.skipif(missing(name), reason="its library is not installed"))
        for name in SEGMENTERS.names()
        if name != "command"  # no network of ours: its own tests
    ],
)


def make(name: str, spec: SegmentSpec = BINARY, seed: int = 0) -> Segmenter:
    config = segmenter_config(name).parse({"name": name, **SMALL[name]})
    segmenter: Segmenter = SEGMENTERS.load(name)(config, spec, "cpu", seed)
    return segmenter


def test_same_seed_same_weights_and_other_seed_other_weights(name, scene):
    def fitted(seed: int) -> dict[str, torch.Tensor]:
        segmenter = make(name, seed=seed)
        list(segmenter.fit(CropPool([scene(0)], seed=seed), 3, Control()))
        return segmenter.network.state_dict()

    one, two, other = map(fitted, (0, 0, 1))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_every_weight_moves_and_progress_is_finite(name, scene):
    segmenter = make(name)
    before = {key: value.clone() for key, value in segmenter.network.named_parameters() if value.requires_grad}
    events = [event for event in segmenter.fit(CropPool([scene(0)]), 2, Control()) if isinstance(event, Progress)]
    assert (events[-1].step, events[-1].total) == (2, 2)
    assert 0 < events[-1].stats["loss"] < 10
    after = dict(segmenter.network.named_parameters())
    assert [key for key, value in before.items() if torch.equal(value, after[key])] == []


def test_cancel_ends_between_steps(name, scene):
    control = Control()
    control.cancel()
    assert list(make(name).fit(CropPool([scene(0)]), 5, control)) == []


@pytest.mark.parametrize("shape", [(40, 100), (1, 7), (130, 65)])
@pytest.mark.parametrize("kind", ["binary", "classes", "instances"])
def test_predicts_any_size_and_kind(name, shape, kind):
    spec = SegmentSpec(2, kind, ("small", "large") if kind == "classes" else ("disc",))
    if kind == "classes" and name in OF_OBJECTS:
        with pytest.raises(UserError, match="objects of one class"):
            make(name, spec)
        return
    segmenter = make(name, spec)
    labels, probability, flow = segmenter.predict(np.random.default_rng(0).integers(0, 255, (2, *shape), np.uint8))
    assert labels.dtype == np.int32
    assert labels.shape == shape
    assert probability.dtype == np.float32
    assert (flow is not None) == segmenter.config.draws_flow
    assert probability.shape[1:] == shape
    assert (
        (len(probability) == {"binary": 1, "classes": 2}[kind]) if kind != "instances" else len(probability) in (1, 2)
    )
    assert probability.min() >= 0
    assert probability.max() <= 1


def test_save_and_load_predict_the_same(name, scene, tmp_path):
    segmenter = make(name)
    list(segmenter.fit(CropPool([scene(0)]), 3, Control()))
    segmenter.save(tmp_path)
    again = load_segmenter(tmp_path, "cpu")
    assert again.spec == segmenter.spec
    assert again.config == segmenter.config
    one, two = (each.predict(scene(1).image) for each in (segmenter, again))
    assert np.array_equal(one[0], two[0])
    assert np.array_equal(one[1], two[1])
    (tmp_path / WEIGHTS).write_bytes(b"\0" * 20)
    with pytest.raises(UserError, match="Cannot read the segmenter"):
        load_segmenter(tmp_path)


def test_wrong_channel_count_is_named(name):
    with pytest.raises(UserError, match=r"has 3 channels. The segmenter expects 1"):
        make(name).predict(np.zeros((3, 64, 64), np.uint8))


def test_numbers_that_are_not_finite_are_no_mask(name):
    segmenter = make(name)
    with torch.no_grad():  # as where finite weights overflow
        next(one for one in segmenter.network.parameters() if one.dim() == 4).fill_(torch.nan)
    image = np.random.default_rng(0).integers(0, 255, (1, 64, 64), np.uint8)
    with pytest.raises(UserError, match="computes NaN or infinite numbers"):
        segmenter.predict(image)


def test_weights_of_another_shape_are_refused(name, tmp_path):
    make(name).save(tmp_path)
    state = load((tmp_path / WEIGHTS).read_bytes())
    key = next(key for key, tensor in state.items() if tensor.dim() == 4)
    (tmp_path / WEIGHTS).write_bytes(save(state | {key: state[key][:1, :1, :1, :1].contiguous()}))
    with pytest.raises(UserError, match="the weights are those of another network"):
        load_segmenter(tmp_path, "cpu")


def test_a_pipe_instead_of_weights_is_not_opened(name, tmp_path):
    make(name).save(tmp_path)
    (tmp_path / WEIGHTS).unlink()
    os.mkfifo(tmp_path / WEIGHTS)
    with pytest.raises(UserError, match="is a pipe"):
        load_segmenter(tmp_path, "cpu")


def test_nothing_is_found_in_a_constant_image(name, scene):
    segmenter = make(name)
    list(segmenter.fit(CropPool([scene(0)]), 1, Control()))  # marks at random
    for value in (0, 200):
        assert not segmenter.predict(np.full((1, 64, 64), value, np.uint8)).labels.any()
