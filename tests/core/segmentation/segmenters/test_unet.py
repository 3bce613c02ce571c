from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.utils.class_weight import compute_class_weight

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.agreement import average_precision, pixel_scores
from napari_organoid_synth.core.segmentation.segmenters import unet as module
from napari_organoid_synth.core.segmentation.segmenters.augmentation import warped
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.instances import split_instances
from napari_organoid_synth.core.segmentation.segmenters.network_input import (
    intensity_range,
    normalise,
    reflect_to,
    unfit,
    whole_image,
    whole_labels,
    whole_size,
)
from napari_organoid_synth.core.segmentation.segmenters.original_unet import OriginalUNet
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

SMALL = UNetConfig(channels=8, depth=2, tile=64, batch=2, learning_rate=1e-2)


def fit(pair: SamplePair, steps: int, seed: int = 0, **pool) -> UNet:
    unet = UNet(SMALL, SegmentSpec(len(pair.image), pair.mask_kind, pair.class_names), "cpu", seed)
    list(unet.fit(CropPool([pair], seed=seed, **pool), steps, Control()))
    return unet


@pytest.mark.parametrize(("kind", "channels"), [("binary", 1), ("classes", 3), ("instances", 2)])
def test_learns_discs(kind, channels, scene):
    unet = fit(scene(0, channels=channels, kind=kind), 60)
    test = scene(1, channels=channels, kind=kind)
    labels, probability, _ = unet.predict(test.image)
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


def test_tiles_agree_with_one_window(scene):
    unet = fit(scene(0), 30)
    image = scene(3, size=128).image
    tiled = unet.predict(image)[1]
    unet.config = SMALL.replace(tile=128)
    whole = unet.predict(image)[1]
    # instance norm sees another neighbourhood in a tile, so values differ a little, classes hardly
    assert np.mean((tiled > 0.5) != (whole > 0.5)) < 0.02


def test_split_instances_separates_touching_and_drops_crumbs():
    truth = np.zeros((20, 20), np.int32)
    truth[2:10, 2:18] = 1
    truth[10:18, 2:18] = 2
    edge = np.zeros(truth.shape, bool)
    edge[9:11, 2:18] = True
    shares = np.stack([truth == 0, (truth > 0) & ~edge, edge]).astype(np.float32)
    shares[:, 0, 0] = 0, 1, 0  # a crumb of one pixel
    assert average_precision(truth, split_instances(shares), (0.9,)) == 1.0


# --- the original network, weights, large images ---


def test_the_original_network_has_31_million_weights_by_formula():
    widths = [64, 128, 256, 512, 1024]
    down = sum(9 * i * o + o + 9 * o * o + o for i, o in pairwise([1, *widths]))
    up = sum(
        4 * low * high + high + 9 * 2 * high * high + high + 9 * high * high + high for high, low in pairwise(widths)
    )
    expected = down + up + 2 * 64 + 2
    assert expected == 31_030_658
    assert sum(weight.numel() for weight in OriginalUNet(1, 2, 64, 4).parameters()) == expected


def test_the_original_network_keeps_the_size_by_zeros():
    network = OriginalUNet(1, 2, 8, 2)
    assert network(torch.zeros(1, 1, 40, 24)).shape == (1, 2, 40, 24)
    assert {layer.padding_mode for layer in network.modules() if isinstance(layer, torch.nn.Conv2d)} == {"zeros"}
    pooled = []
    network.down[1].register_forward_hook(lambda _module, given, _out: pooled.append(tuple(given[0].shape)))
    network(torch.zeros(1, 1, 40, 24))
    assert pooled == [(1, 8, 20, 12)]


@pytest.mark.parametrize("whole", [False, True])
def test_the_original_network_learns(scene, whole):
    config = SMALL.replace(network="original", whole=whole, learning_rate=2e-3)
    unet = UNet(config, SegmentSpec(1, "binary", ("disc",)), "cpu")
    list(unet.fit(CropPool([scene(0)]), 80, Control()))
    test = scene(1)
    assert pixel_scores(test.labels, unet.predict(test.image)[0])["dice"] > 0.9


def test_class_weights_balanced_given_and_wrong(scene):
    pair = scene(0, kind="classes")
    pool, spec = CropPool([pair]), SegmentSpec(1, "classes", pair.class_names)
    balanced = UNet(SMALL.replace(class_weights="balanced"), spec, "cpu")._class_weights(pool)
    expected = compute_class_weight("balanced", classes=np.arange(3), y=pair.labels.ravel())
    assert balanced.tolist() == pytest.approx(expected.tolist(), rel=1e-6)
    given = UNet(SMALL.replace(class_weights="1, 2.5,3"), spec, "cpu")
    assert given._class_weights(pool).tolist() == [1, 2.5, 3]
    absent = pair.replace(labels=np.where(pair.labels == 2, 0, pair.labels))
    assert UNet(SMALL.replace(class_weights="balanced"), spec, "cpu")._class_weights(CropPool([absent]))[2] == 1
    with pytest.raises(UserError, match="Expected 3: background, small, large"):
        list(UNet(SMALL.replace(class_weights="1, 2"), spec, "cpu").fit(pool, 1, Control()))
    with pytest.raises(UserError, match="class_weights"):
        SMALL.replace(class_weights="much")


def test_a_heavier_class_is_marked_more(scene):
    pair = scene(0)
    spec, marked = SegmentSpec(1, "binary", ("disc",)), []
    for weights in ("10, 1", "none", "1, 10"):
        unet = UNet(SMALL.replace(class_weights=weights), spec, "cpu")
        list(unet.fit(CropPool([pair]), 15, Control()))
        marked.append(float(unet.predict(pair.image)[1].mean()))
    assert marked == sorted(marked)


@pytest.mark.parametrize("size", [(1024, 1024), (1024, 700)])
@pytest.mark.parametrize("network", ["dynamic", "original"])
def test_depth_5_marks_1024_px_in_windows(size, network):
    config = UNetConfig(channels=8, depth=5, tile=512, network=network)
    unet = UNet(config, SegmentSpec(1, "binary", ("disc",)), "cpu")
    image = np.random.default_rng(0).integers(0, 255, (1, *size), np.uint8)
    labels, probability, _ = unet.predict(image)
    assert labels.shape == size
    assert probability.shape == (1, *size)
    assert np.isfinite(probability).all()
    assert unet._side(1024) == 512


# --- the terms of the spheroid study ---

STUDY = SMALL.replace(network="original", study=True, batch=1, learning_rate=2e-3, smallest=20)


def test_the_study_marks_binary_masks_classes_and_instances_as_pieces(scene, tmp_path):
    for kind in ("binary", "classes", "instances"):
        pair = scene(0, kind=kind)
        unet = UNet(STUDY, SegmentSpec(1, kind, pair.class_names), "cpu")
        list(unet.fit(CropPool([pair]), 60, Control()))
        labels, probability, _ = unet.predict(pair.image)
        assert pixel_scores(pair.labels, labels)["dice"] > 0.85
        assert len(probability) == (2 if kind == "classes" else 1)
        assert labels.max() == {"binary": 1, "classes": 2, "instances": 3}[kind]
        assert not bool(unet.network.single)
        unet.save(tmp_path / kind)
        assert np.array_equal(load_segmenter(tmp_path / kind, "cpu").predict(pair.image)[0], labels)


def test_the_study_cleans_masks_and_a_plain_network_does_not(scene):
    shares = np.zeros((2, 64, 64), np.float32)
    shares[1, 8:40, 8:40] = 0.9
    shares[1, 20:24, 20:24] = 0.1  # a hole
    shares[1, 50:52, 50:52] = 0.9  # below 20 px
    shares[1, 50:56, 8:14] = 0.48  # 122 of 255
    shares[0] = 1 - shares[1]
    spec = SegmentSpec(1, "binary", ("disc",))
    assert UNet(STUDY, spec, "cpu")._marked(shares).labels.sum() == 32 * 32 + 36
    assert UNet(STUDY.replace(objects="largest"), spec, "cpu")._marked(shares).labels.sum() == 32 * 32
    assert UNet(SMALL, spec, "cpu")._marked(shares).labels.sum() == 32 * 32 - 16 + 4


def test_the_study_turns_favours_hard_images_and_weighs_classes(scene, monkeypatch):
    pairs = [scene(seed).replace(name=f"easy{seed}") for seed in range(9)]
    pairs.append(scene(9).replace(name="hard", labels=np.zeros((64, 64), np.int32)))
    drawn, seen = [], []
    turn, weigh = module.turned, module.weighted_cross_entropy

    def watched(images, labels, rng):
        drawn.append(not labels.any())
        return turn(images, labels, rng)

    monkeypatch.setattr(module, "turned", watched)
    monkeypatch.setattr(module, "weighted_cross_entropy", lambda *given: seen.append(given[2:]) or weigh(*given))
    unet = UNet(STUDY.replace(hard="hard", foreground_weight=2.0), SegmentSpec(1, "binary", ("disc",)), "cpu")
    list(unet.fit(CropPool(pairs), 60, Control()))
    assert np.mean(drawn) == pytest.approx(0.3, abs=3 * np.sqrt(0.21 / 60))  # 0.1 if all were equally likely
    assert unet.facts["hard"] == "1 of 10 images"
    assert seen == [(2.0, 1000.0)] * 60


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


def test_draw_depends_on_seed_and_step_alone(scene):
    pair = scene(0)
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


def test_image_and_labels_are_warped_alike(scene):
    labels = scene(0, size=96).labels
    pair = SamplePair("same", labels[None].astype(np.float32), labels)
    for seed in range(8):
        image, moved = warped(pair, [16, 16], 64, np.random.default_rng(seed))
        assert image.shape == (1, 64, 64)
        assert np.mean((image[0] > 0.5) != (moved > 0)) < 0.01


def test_right_angle_turns_are_exact():
    pair = SamplePair("ramp", np.arange(33 * 33, dtype=np.float32).reshape(1, 33, 33), np.zeros((33, 33), np.int32))
    turned = [np.rot90(flip, k) for flip in (pair.image[0], pair.image[0, :, ::-1]) for k in range(4)]

    class NoBend(np.random.Generator):
        """Always a right angle, never a bend."""

        def random(self):
            return 0.9

    for seed in range(6):
        image, _ = warped(pair, [0, 0], 33, NoBend(np.random.PCG64(seed)))
        assert any(np.allclose(image[0], expected, atol=0.01) for expected in turned)


def test_no_pair_is_a_plain_error():
    with pytest.raises(UserError, match="no pair to train on"):
        CropPool([])


# --- whole images ---


def test_whole_images_are_never_stretched_and_come_back():
    assert whole_size((1080, 2160), 480) == (240, 480)
    assert whole_size((1, 7), 64) == (9, 64)
    y, x = np.mgrid[:90, :60]
    image = np.stack([y, x]).astype(np.float32)
    shown = whole_image(image, 48)  # 48 × 32, reflected beyond
    assert shown.shape == (2, 48, 48)
    assert np.array_equal(shown[:, :, 32:], shown[:, :, 30:14:-1])
    again = unfit(shown, (90, 60))
    assert np.abs(again - image)[:, 4:-4, 4:-4].max() < 0.5
    assert whole_image(image, 180)[0, 1:179, 0] == pytest.approx(np.arange(1, 179) / 2 - 0.25, abs=1e-4)


def test_shrinking_averages_and_labels_stay_labels():
    chess = np.indices((64, 64)).sum(0) % 2
    shown = whole_image(chess[None].astype(np.float32), 16)
    assert shown.std() < 0.05
    labels = np.repeat(np.repeat(np.array([[0, 7], [3, 0]], np.int32), 32, 0), 32, 1)
    assert np.array_equal(whole_labels(labels, 16), np.repeat(np.repeat([[0, 7], [3, 0]], 8, 0), 8, 1))


def test_whole_images_are_drawn_equally_often_whatever_their_size():
    small = SamplePair("small", np.zeros((1, 16, 16), np.uint8), np.ones((16, 16), np.int32))
    large = SamplePair("large", np.zeros((1, 64, 64), np.uint8), np.full((64, 64), 2, np.int32), "classes", ("a", "b"))
    labels = CropPool([small, large], seed=1).draw(0, 400, 8, whole=True)[1][:, 0, 0]
    assert 160 < np.count_nonzero(labels == 1) < 240  # 200 ± 10


def test_whole_images_are_augmented_with_their_masks(scene):
    pool = CropPool([scene(0)], augment=True)
    first, again = (pool.draw(3, 2, 64, whole=True) for _ in range(2))
    assert np.array_equal(first[0], again[0])
    assert not np.array_equal(first[1], CropPool([scene(0)]).draw(3, 2, 64, whole=True)[1])
    for image, labels in zip(*first, strict=True):
        assert image[0][labels > 0].mean() > image[0][labels == 0].mean() + 0.3
