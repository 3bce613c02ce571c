from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Progress, Warned
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.agreement import average_precision, pixel_scores
from napari_organoid_synth.core.segmentation.segmenters import multiscale_adversarial
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.multiscale_adversarial import (
    MultiscaleAdversarial,
    masked,
    ramp,
)
from napari_organoid_synth.core.segmentation.segmenters.multiscale_adversarial_config import MultiscaleAdversarialConfig
from napari_organoid_synth.core.segmentation.segmenters.multiscale_net import (
    Adversary,
    DeepPath,
    MultiscaleNet,
    Residual1,
    Residual2,
    strided,
)
from napari_organoid_synth.core.segmentation.segmenters.whole_images import (
    clean,
    is_hard,
    min_area,
    turned,
    weighted_cross_entropy,
)

SMALL = MultiscaleAdversarialConfig(width=8, side=96, learning_rate=2e-3)
BINARY = SegmentSpec(1, "binary", ("spheroid",))


def spheroid(seed: int, size: int = 96) -> SamplePair:
    """A dark ellipse on a bright noisy ground."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    labels = ((y - 0.45 * size) ** 2 / 1.3 + (x - 0.55 * size) ** 2 < (size / 4) ** 2).astype(np.int32)
    image = 3000 - 1500 * labels + rng.normal(0, 150, labels.shape)
    return SamplePair(f"s{seed}", image[None].astype(np.uint16), labels, "binary", ("spheroid",))


def fit(pairs: list[SamplePair], steps: int, config: MultiscaleAdversarialConfig = SMALL):
    spec = SegmentSpec(len(pairs[0].image), pairs[0].mask_kind, pairs[0].class_names)
    segmenter = MultiscaleAdversarial(config, spec, "cpu", 0)
    events = [e for e in segmenter.fit(CropPool(pairs), steps, Control()) if isinstance(e, Progress)]
    return segmenter, events


# --- networks ---


def test_sizes_and_maps_at_every_level():
    network, seen = MultiscaleNet(1, 2, 60, False), {}
    for name in [
        "to_half",
        "to_quarter",
        "to_eighth",
        "to_sixteenth",
        "path1",
        "path2",
        "up_eighth",
        "up_quarter",
        "up_half",
        "head",
    ]:
        getattr(network, name).register_forward_hook(
            lambda _module, _given, out, name=name: seen.__setitem__(name, tuple(out.shape[1:]))
        )
    network = network.to("meta")  # shapes alone
    network(torch.zeros(1, 1, 480, 480, device="meta"))
    assert seen == {
        "to_half": (60, 240, 240),
        "to_quarter": (120, 120, 120),
        "to_eighth": (240, 60, 60),
        "to_sixteenth": (480, 30, 30),
        "path1": (240, 60, 60),
        "path2": (480, 30, 30),
        "up_eighth": (240, 60, 60),
        "up_quarter": (120, 120, 120),
        "up_half": (60, 240, 240),
        "head": (2, 480, 480),
    }


def test_the_adversary_halves_480_to_8():
    adversary, sizes = Adversary(2), []
    for layer in adversary:
        if isinstance(layer, torch.nn.ReLU):
            layer.register_forward_hook(lambda _module, _given, out: sizes.append(tuple(out.shape[1:])))
    assert adversary(torch.zeros(1, 2, 480, 480)).shape == (1, 2)
    assert sizes == [(8, 240, 240), (16, 120, 120), (32, 60, 60), (64, 30, 30), (128, 15, 15), (256, 8, 8)]


@pytest.mark.parametrize(("channels", "classes", "width"), [(1, 2, 60), (3, 4, 16)])
def test_number_of_weights_by_formula(channels, classes, width):
    w, a, b = width, 4 * width, 8 * width
    down = 9 * (channels * w + w * 2 * w + 2 * w * a + a * b) + 2 * (w + 2 * w + a + b)  # kernels, norm
    one = 2 * (a * a // 2 + a // 2) + 2 * (3 * a // 2 * a) + 2 * a  # two of 1×1 with bias, 1×3 and 3×1; norm
    q = b // 4
    two = (b * q + q) + 2 * (9 * b * q + q) + (9 * q * q + q) + 3 * q * b + 2 * b
    path1 = 9 * one + 9 * a * a + 2 * a
    up = 4 * (b * a + 2 * a * 2 * w + 2 * w * w) + 2 * (a + 2 * w + w) + 4 * w * classes + classes
    expected = down + path1 + 9 * two + up
    assert sum(p.numel() for p in MultiscaleNet(channels, classes, width, False).parameters()) == expected
    if width == 60:
        assert expected == 17_267_582
    maps = [channels * classes, 8, 16, 32, 64, 128, 256]
    judge = sum(9 * i * o + o + o * o + o for i, o in pairwise(maps)) + 9 * 256 * 2 + 2
    assert sum(p.numel() for p in Adversary(channels * classes).parameters()) == judge


def test_strided_convolution_skips_and_reaches_two():
    layer, images = strided(2, 3), torch.randn(1, 2, 20, 20)
    assert torch.equal(layer(images), F.conv2d(images, layer.weight, stride=2, padding=2, dilation=2))
    point = torch.zeros(1, 1, 12, 12)
    point[0, 0, 6, 6] = 1
    one = strided(1, 1)
    torch.nn.init.ones_(one.weight)
    assert one(point)[0, 0].nonzero().tolist() == [[y, x] for y in (2, 3, 4) for x in (2, 3, 4)]


def test_skips_of_a_deep_path():
    assert DeepPath([torch.nn.Identity()] * 9)(torch.ones(1)).item() == 9  # 1 → 2 → 4 → 8, and 1 from the start

    class Zero(torch.nn.Module):
        def forward(self, maps):
            return 0 * maps

    assert DeepPath([Zero()] * 9)(torch.ones(1)).item() == 2


@pytest.mark.parametrize("block", [Residual1, Residual2])
def test_blocks_start_from_their_input(block):
    made, maps = block(8, False), torch.randn(1, 8, 6, 6)
    for name, weight in made.named_parameters():
        if not name.startswith("norm"):
            torch.nn.init.zeros_(weight)
    mean, var = maps.mean((2, 3), keepdim=True), maps.var((2, 3), keepdim=True, unbiased=False)
    assert torch.allclose(made(maps), ((maps - mean) / (var + 1e-5).sqrt()).relu(), atol=1e-6)


# --- losses ---


def test_the_adversary_gains_weight_evenly():
    assert ramp(0, 12_000, 0.1) == pytest.approx(8.3333e-6, rel=1e-4)  # two epochs of 6000 images, as published
    assert ramp(5_999, 12_000, 0.1) == 0.05
    assert ramp(11_999, 12_000, 0.1) == 0.1
    assert ramp(20_000, 12_000, 0.1) == 0.1


def test_weighted_cross_entropy_by_hand():
    logits = torch.tensor([[[[0.0, 1.0, 0.0, 2.0]], [[0.0, 0.0, 3.0, 0.0]]]])
    target = torch.tensor([[[0, 0, 1, 0]]])
    each = [np.log(2), np.log(1 + np.exp(-1)), np.log(1 + np.exp(-3)), np.log(1 + np.exp(-2))]
    expected = (each[0] + each[1] + 9 * each[2] + each[3]) / 4  # 3 · 3 / 1
    assert float(weighted_cross_entropy(logits, target)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("counts", "weights"),
    [
        ((75, 25), (1, 9)),
        ((25, 75), (1, 1)),
        ((100, 0), (1, 1)),  # nothing to weigh
        ((0, 100), (1, 1)),  # no background: 0 would teach nothing
        ((9999, 1), (1, 1000)),  # capped
        ((60, 30, 10), (1, 6, 18)),
    ],
)
def test_weights_of_classes(counts, weights):
    target = torch.from_numpy(np.repeat(np.arange(len(counts)), counts))[None, None]
    logits = torch.zeros(1, len(counts), 1, sum(counts))
    expected = np.log(len(counts)) * np.dot(counts, weights) / sum(counts)
    assert float(weighted_cross_entropy(logits, target)) == pytest.approx(expected, rel=1e-5)


def test_weights_are_those_of_each_image():
    target = torch.tensor([[[0, 0, 0, 1]], [[0, 0, 1, 1]]])
    logits = torch.randn(2, 2, 1, 4, generator=torch.Generator().manual_seed(0))
    both = weighted_cross_entropy(logits, target)
    each = [weighted_cross_entropy(logits[i : i + 1], target[i : i + 1]) for i in range(2)]
    assert float(both) == pytest.approx(float(sum(each)) / 2, rel=1e-6)


def test_the_adversary_sees_the_image_through_every_class():
    images, maps = torch.randn(1, 3, 4, 4), torch.rand(1, 2, 4, 4)
    seen = masked(images, maps)
    assert seen.shape == (1, 6, 4, 4)
    for k in range(2):
        for c in range(3):
            assert torch.equal(seen[:, 3 * k + c], images[:, c] * maps[:, k])
    for kind, names, expected in (("binary", ("a",), 6), ("classes", ("a", "b"), 9), ("instances", ("a",), 6)):
        segmenter = MultiscaleAdversarial(SMALL, SegmentSpec(3, kind, names), "cpu")
        assert segmenter.adversary[0].in_channels == expected


def test_turning_takes_all_eight_positions_and_keeps_pairs():
    image = np.arange(9, dtype=np.float32).reshape(1, 1, 3, 3)
    found = set()
    for seed in range(60):
        turned_image, labels = turned(image, image[:, 0].astype(np.int32), np.random.default_rng(seed))
        assert np.array_equal(turned_image[:, 0], labels)
        found.add(labels.tobytes())
    assert len(found) == 8


# --- easy and hard images ---


@pytest.mark.parametrize(
    ("pattern", "hard"),
    [("hard", "bd"), ("^c", "c"), ("^(a|b)_", "ab"), ("_1$", "ab"), ("nothing", ""), (".", "abcd"), ("HARD", "")],
)
def test_hard_is_said_by_the_name_or_the_class(pattern, hard):
    pairs = [spheroid(0, 8).replace(name=name) for name in ("a_1", "b_hard_1", "c_2", "d_2")]
    pairs[3] = pairs[3].replace(image_class="hard")
    assert "".join(pair.name[0] for pair in pairs if is_hard(pair, pattern)) == hard


def test_three_of_ten_images_that_training_sees_are_hard(monkeypatch, tmp_path):
    pairs = [spheroid(seed, 64).replace(name=f"easy{seed}") for seed in range(18)]
    pairs += [pair.replace(name=pair.name.replace("easy", "hard"), labels=0 * pair.labels) for pair in pairs[:2]]
    seen: list[bool] = []
    draw = CropPool.draw

    def watched(pool, *args, **more):
        shown, labels = draw(pool, *args, **more)
        seen.append(not labels.any())
        return shown, labels

    monkeypatch.setattr(CropPool, "draw", watched)
    config = SMALL.replace(side=64, width=4, hard="hard", adversarial=False)
    segmenter, _ = fit(pairs, 150, config)
    assert np.mean(seen) == pytest.approx(0.3, abs=3.3 * np.sqrt(0.21 / 150))  # 0.1 if all were equally likely
    assert segmenter.facts == {"hard": "2 of 20 images"}
    segmenter.save(tmp_path)
    assert load_segmenter(tmp_path, "cpu").config.hard == "hard"


@pytest.mark.parametrize(
    ("pattern", "words"), [("x", "None of 3 training images is"), ("s", "All 3 training images are")]
)
def test_a_pattern_that_parts_nothing_is_said_and_changes_nothing(pattern, words):
    pairs = [spheroid(seed, 64) for seed in range(3)]
    weights = []
    for hard in ("", pattern):
        segmenter = MultiscaleAdversarial(SMALL.replace(side=64, width=4, hard=hard), BINARY, "cpu", 0)
        warned = [e.text for e in segmenter.fit(CropPool(pairs), 3, Control()) if isinstance(e, Warned)]
        weights.append(segmenter.network.head.weight)
        assert len(warned) == bool(hard)
    assert warned[0].startswith(f"{words} hard by '{pattern}'")
    assert torch.equal(*weights)


def test_a_broken_pattern_is_refused_in_words():
    with pytest.raises(UserError, match=r"not a regular expression: .* position 0"):
        MultiscaleAdversarialConfig().replace(hard="(")
    with pytest.raises(UserError, match="hard_share"):
        MultiscaleAdversarialConfig().replace(hard_share=1.0)


# --- objects ---


def drawn() -> np.ndarray:
    """A ring with a hole, a piece of 64 px, one of 63 px, and a pixel just below the threshold."""
    probability = np.zeros((40, 60), np.float32)
    probability[2:22, 2:22] = 0.9
    probability[10:14, 10:14] = 0.1
    probability[2:10, 30:38] = 0.9
    probability[20:27, 30:39] = 0.9
    probability[35, 50] = 120.4 / 255
    return np.stack([1 - probability, probability])


@pytest.mark.parametrize(
    ("options", "pixels"),
    [
        ((120, True, 64, True), 400),
        ((120, True, 64, False), 400 + 64),
        ((120, False, 64, True), 384),
        ((120, True, 63, False), 400 + 64 + 63),
        ((119, True, 0, False), 400 + 64 + 63 + 1),
        ((240, True, 0, False), 0),
    ],
)
def test_cleaning_a_drawn_mask(options, pixels):
    labels = clean(drawn(), *options)
    assert labels.dtype == np.int32
    assert int(labels.sum()) == pixels


def test_each_class_is_cleaned_by_itself_and_a_class_in_a_hole_stays():
    shares = np.zeros((3, 30, 30), np.float32)
    shares[1, 5:25, 5:25] = 0.9
    shares[1, 10:20, 10:20] = 0
    shares[2, 12:18, 12:18] = 0.8
    shares[0] = 1 - shares[1:].sum(axis=0)
    labels = clean(shares, 120, True, 10, True)
    assert np.bincount(labels.ravel()).tolist() == [500, 364, 36]
    assert np.bincount(clean(shares, 120, True, 40, True).ravel()).tolist() == [500 + 36, 364, 0][:2]


def test_small_objects_are_measured_at_the_resized_size():
    assert min_area(64, 96, (96, 96)) == 64
    assert min_area(64, 96, (192, 96)) == 64 * 4


# --- training ---


def test_learns_a_spheroid_and_the_adversary_learns_too(monkeypatch):
    monkeypatch.setattr("napari_organoid_synth.core.segmentation.segmenters.base.REPORT_SECONDS", 0.0)
    segmenter, events = fit([spheroid(0)], 50)
    assert set(events[-1].stats) == {"loss", "cross entropy", "fooling", "adversary"}
    assert events[0].stats["adversary"] == pytest.approx(2 * np.log(2), rel=0.02)  # which is what guessing costs
    assert min(event.stats["adversary"] for event in events) < 0.3
    for test in (spheroid(0), spheroid(1, 192)):  # also at twice the size
        labels, probability, _ = segmenter.predict(test.image)
        assert pixel_scores(test.labels, labels)["dice"] > 0.9
        assert probability.shape == (1, *test.size)


def test_without_adversary_there_is_one_loss():
    segmenter, events = fit([spheroid(0)], 40, SMALL.replace(adversarial=False))
    assert set(events[-1].stats) == {"loss"}
    assert pixel_scores(spheroid(0).labels, segmenter.predict(spheroid(0).image)[0])["dice"] > 0.9


def test_the_adversary_learns_and_changes_the_segmenter():
    pair = spheroid(0)
    with_it, events = fit([pair], 6)
    without, _ = fit([pair], 6, SMALL.replace(adversarial=False))
    weightless, _ = fit([pair], 6, SMALL.replace(adversarial_weight=0))
    fresh = MultiscaleAdversarial(SMALL, BINARY, "cpu", 0).adversary.state_dict()
    assert all(not torch.equal(value, fresh[key]) for key, value in with_it.adversary.state_dict().items())
    assert not torch.equal(with_it.network.head.weight, without.network.head.weight)
    assert torch.equal(weightless.network.head.weight, without.network.head.weight)
    assert events[-1].stats["loss"] >= events[-1].stats["cross entropy"]


def test_one_object_per_mask_is_noticed_and_kept(scene, tmp_path):
    one, _ = fit([spheroid(0), spheroid(1)], 1)
    several, _ = fit([spheroid(0), scene(0, 96)], 1)
    assert bool(one.network.single)
    assert not bool(several.network.single)
    one.save(tmp_path)
    assert bool(load_segmenter(tmp_path, "cpu").network.single)


@pytest.mark.parametrize("kind", ["classes", "instances"])
def test_learns_several_classes_and_separate_instances(scene, kind):
    config = SMALL.replace(side=64, learning_rate=3e-3, smallest=20, foreground_weight=0.5, adversarial_weight=0.02)
    test = scene(0, 64, 1, kind)
    segmenter, _ = fit([test], 60, config)
    labels, *_ = segmenter.predict(test.image)
    if kind == "classes":
        assert all(pixel_scores(test.labels == k, labels == k)["dice"] > 0.8 for k in (1, 2))
    else:
        assert labels.max() == 3
        assert average_precision(test.labels, labels, (0.5,)) == 1


def test_bf16_changes_the_loss_by_less_than_5_percent(monkeypatch):
    curves = []
    for bf16 in (True, False):
        monkeypatch.setattr(multiscale_adversarial, "has_bf16", lambda device, bf16=bf16: bf16)
        monkeypatch.setattr(
            "napari_organoid_synth.core.segmentation.segmenters.base.has_bf16", lambda device, bf16=bf16: bf16
        )
        monkeypatch.setattr("napari_organoid_synth.core.segmentation.segmenters.base.REPORT_SECONDS", 0.0)
        _, events = fit([spheroid(0)], 15, SMALL.replace(side=64))
        curves.append([event.stats["cross entropy"] for event in events])
    assert len(curves[0]) == 15
    assert np.allclose(curves[0], curves[1], rtol=0.05)
