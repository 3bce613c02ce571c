import numpy as np
import pytest
import torch

from napari_organoid_synth.core.configs.unet import UNetConfig
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Progress
from napari_organoid_synth.core.matching import average_precision, pixel_scores
from napari_organoid_synth.core.pair import SamplePair
from napari_organoid_synth.core.segmenters.base import WEIGHTS, SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmenters.crops import CropPool, _warped, intensity_range, normalise, reflect_to
from napari_organoid_synth.core.segmenters.unet import UNet, split_instances

SMALL = UNetConfig(channels=8, depth=2, tile=64, batch=2, learning_rate=1e-2)


def discs(seed: int, size: int = 64, channels: int = 1, kind: str = "binary") -> SamplePair:
    """Bright discs on a dark noisy ground; the mask is known exactly."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    for value, (cy, cx) in enumerate(
        ((size // 4, size // 4), (size // 2, 3 * size // 4), (3 * size // 4, size // 3)), 1
    ):
        inside = (y - cy) ** 2 + (x - cx) ** 2 < (size // 8) ** 2
        labels[inside] = {"binary": 1, "classes": 1 + value % 2, "instances": value}[kind]
    image = 1000 + 300 * (labels > 0) + 300 * (labels == 2) * (kind == "classes") + rng.normal(0, 40, labels.shape)
    names = ("small", "large") if kind == "classes" else ("disc",)
    return SamplePair(f"d{seed}", np.repeat(image[None], channels, 0).astype(np.uint16), labels, kind, names)


def fit(pair: SamplePair, steps: int, seed: int = 0, **pool) -> UNet:
    unet = UNet(SMALL, SegmentSpec(len(pair.image), pair.mask_kind, pair.class_names), "cpu", seed)
    list(unet.fit(CropPool([pair], seed=seed, **pool), steps, Control()))
    return unet


@pytest.mark.parametrize(("kind", "channels"), [("binary", 1), ("classes", 3), ("instances", 2)])
def test_learns_discs(kind, channels):
    unet = fit(discs(0, channels=channels, kind=kind), 60)
    test = discs(1, channels=channels, kind=kind)
    labels, probability = unet.predict(test.image)
    assert labels.dtype == np.int32
    assert probability.dtype == np.float32
    assert probability.shape == ({"binary": 1}.get(kind, 2), 64, 64)
    assert probability.min() >= 0
    assert probability.max() <= 1
    assert pixel_scores(test.labels, labels)["dice"] > 0.9
    if kind == "classes":
        assert pixel_scores(test.labels == 2, labels == 2)["dice"] > 0.9
    if kind == "instances":
        assert average_precision(test.labels, labels) > 0.7


def test_same_seed_same_weights_and_other_seed_other_weights():
    pair = discs(0)
    one, two, other = (fit(pair, 3, seed).network.state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)


def test_every_weight_moves_and_progress_is_finite():
    pair = discs(0)
    unet = UNet(SMALL, SegmentSpec(1, "binary", ("disc",)), "cpu")
    before = {key: value.clone() for key, value in unet.network.named_parameters()}
    events = [event for event in unet.fit(CropPool([pair]), 2, Control()) if isinstance(event, Progress)]
    assert (events[-1].step, events[-1].total) == (2, 2)
    assert 0 < events[-1].stats["loss"] < 10
    assert [key for key, value in unet.network.named_parameters() if torch.equal(value, before[key])] == []


def test_cancel_ends_between_steps():
    control = Control()
    control.cancel()
    assert list(UNet(SMALL, SegmentSpec(1, "binary", ("disc",)), "cpu").fit(CropPool([discs(0)]), 5, control)) == []


@pytest.mark.parametrize("shape", [(40, 100), (1, 7), (130, 65)])
def test_predicts_any_size(shape):
    unet = UNet(SMALL, SegmentSpec(1, "binary", ("disc",)), "cpu")
    labels, probability = unet.predict(np.random.default_rng(0).integers(0, 255, (1, *shape), np.uint8))
    assert labels.shape == shape
    assert probability.shape == (1, *shape)
    assert np.isfinite(probability).all()


def test_tiles_agree_with_one_window():
    unet = fit(discs(0), 30)
    image = discs(3, size=128).image
    tiled = unet.predict(image)[1]
    unet.config = SMALL.replace(tile=128)
    whole = unet.predict(image)[1]
    # instance norm sees another neighbourhood in a tile, so values differ a little, classes hardly
    assert np.mean((tiled > 0.5) != (whole > 0.5)) < 0.02


def test_save_and_load_predict_the_same(tmp_path):
    unet = fit(discs(0), 3)
    unet.save(tmp_path)
    again = load_segmenter(tmp_path, "cpu")
    assert again.spec == unet.spec
    assert again.config == unet.config
    image = discs(1).image
    assert np.array_equal(unet.predict(image)[1], again.predict(image)[1])
    (tmp_path / WEIGHTS).write_bytes(b"\0" * 20)
    with pytest.raises(UserError, match="Cannot read the segmenter"):
        load_segmenter(tmp_path)


def test_wrong_channel_count_is_named():
    with pytest.raises(UserError, match="has 3 channels"):
        UNet(SMALL, SegmentSpec(1, "binary", ("disc",)), "cpu").predict(np.zeros((3, 64, 64), np.uint8))


def test_split_instances_separates_touching_and_drops_crumbs():
    truth = np.zeros((20, 20), np.int32)
    truth[2:10, 2:18] = 1
    truth[10:18, 2:18] = 2
    edge = np.zeros(truth.shape, bool)
    edge[9:11, 2:18] = True
    shares = np.stack([truth == 0, (truth > 0) & ~edge, edge]).astype(np.float32)
    shares[:, 0, 0] = 0, 1, 0  # a crumb of one pixel
    assert average_precision(truth, split_instances(shares), (0.9,)) == 1.0


# --- crops ---


def test_half_of_a_batch_is_synthetic_however_many_there_are():
    real = SamplePair("r", np.tile(np.arange(64, dtype=np.uint8), (1, 64, 1)), np.ones((64, 64), np.int32))
    extra = [real.replace(name=f"s{i}", labels=np.full((64, 64), 2, np.int32), mask_kind="classes") for i in range(50)]
    pool = CropPool([real], extra)
    for step in range(3):
        labels = pool.draw(step, 8, 32)[1][:, 0, 0]
        assert np.bincount(labels)[1:].tolist() == [4, 4]
    odd = np.concatenate([pool.draw(step, 1, 32)[1][:, 0, 0] for step in range(6)])
    assert np.bincount(odd)[1:].tolist() == [3, 3]


def test_draw_depends_on_seed_and_step_alone():
    pair = discs(0)
    first, again = (CropPool([pair], augment=True, seed=3).draw(5, 2, 48) for _ in range(2))
    assert np.array_equal(first[0], again[0])
    assert np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], CropPool([pair], augment=True, seed=3).draw(6, 2, 48)[0])


def test_normalised_percentiles_are_0_and_1_and_a_hot_pixel_is_clipped():
    image = np.random.default_rng(0).integers(100, 1100, (2, 200, 200)).astype(np.uint16)
    image[0, 0, 0] = 65535
    scaled = normalise(image, *intensity_range(image))
    assert np.percentile(scaled[1], [1, 99.8]) == pytest.approx([0, 1], abs=0.01)
    assert scaled.max() == 4.0


def test_a_constant_image_stays_finite():
    image = np.full((1, 8, 8), 7, np.uint8)
    assert normalise(image, *intensity_range(image)).tolist() == np.zeros((1, 8, 8)).tolist()


def test_reflection_continues_small_images():
    assert reflect_to(np.array([[0, 1, 2]]), 1, 7).tolist() == [[0, 1, 2, 1, 0, 1, 2]]


def test_image_and_labels_are_warped_alike():
    labels = discs(0, size=96).labels
    pair = SamplePair("same", labels[None].astype(np.float32), labels)
    for seed in range(8):
        image, warped = _warped(pair, [16, 16], 64, np.random.default_rng(seed))
        assert image.shape == (1, 64, 64)
        assert np.mean((image[0] > 0.5) != (warped > 0)) < 0.01


def test_right_angle_turns_are_exact():
    pair = SamplePair("ramp", np.arange(33 * 33, dtype=np.float32).reshape(1, 33, 33), np.zeros((33, 33), np.int32))
    turned = [np.rot90(flip, k) for flip in (pair.image[0], pair.image[0, :, ::-1]) for k in range(4)]

    class NoBend(np.random.Generator):
        """Always a right angle, never a bend."""

        def random(self):
            return 0.9

    for seed in range(6):
        image, _ = _warped(pair, [0, 0], 33, NoBend(np.random.PCG64(seed)))
        assert any(np.allclose(image[0], expected, atol=0.01) for expected in turned)


def test_no_pair_is_a_plain_error():
    with pytest.raises(UserError, match="no pair to train on"):
        CropPool([])
