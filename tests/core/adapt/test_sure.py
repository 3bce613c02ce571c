import numpy as np
import pytest

from adapting import SMALL, here
from napari_organoid_synth.core.adapt.sure import LEAST, Square, cut, keep_sure, predict_with_certainty, squares_of
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet


@pytest.fixture(scope="module")
def unet():
    network = UNet(SMALL, SegmentSpec(1, "binary", ("nucleus",)), "cpu", 0)
    list(network.fit(CropPool([here(seed) for seed in range(3)], augment="classical"), 60, Control()))
    return network


def test_sure_pixels_are_right_more_often_than_unsure_ones(unet):
    right = {"sure": [], "unsure": []}
    for seed in range(20, 24):
        pair = here(seed)
        noisy = (pair.image + np.random.default_rng(seed).normal(0, 25, pair.image.shape)).clip(0, 255)
        labels, certainty, _ = predict_with_certainty(unet, pair.replace(image=noisy.astype(np.uint8)))
        middle, correct = np.median(certainty), labels == pair.labels
        right["sure"].append(correct[certainty > middle].mean())
        right["unsure"].append(correct[certainty <= middle].mean())
        assert certainty.min() >= 0
        assert certainty.max() <= 1
    assert np.mean(right["sure"]) > np.mean(right["unsure"]) + 0.03


def test_sure_squares_are_right_more_often_than_unsure_ones(unet):
    rng, squares, dice = np.random.default_rng(0), [], {}
    for seed in range(20, 26):
        pair = here(seed)
        fade = np.linspace(0, 1, 96)[None, None]  # fades to the right, into noise
        image = (pair.image * (1 - 0.8 * fade) + rng.normal(0, 25, pair.image.shape) * fade).clip(0, 255)
        labels, certainty, probability = predict_with_certainty(unet, pair.replace(image=image.astype(np.uint8)))
        found = squares_of(f"i{seed}", labels, certainty, probability, 32)
        for one in found:
            box = slice(one.y, one.y + 32), slice(one.x, one.x + 32)
            truth, marked = pair.labels[box] > 0, labels[box] > 0
            dice[one.name] = 2 * (truth & marked).sum() / max(1, truth.sum() + marked.sum())
        squares += [one for one in found if not one.empty]
    kept = keep_sure(squares, 0.5)
    rest = [one for one in squares if one not in kept]
    assert 0.3 < len(kept) / len(squares) <= 0.5
    assert np.mean([dice[one.name] for one in kept]) > np.mean([dice[one.name] for one in rest]) + 0.05


def square(certainty: float, empty: bool = False, name: str = "a") -> Square:
    return Square(name, 0, round(1000 * certainty), 8, 8, certainty, empty)


def test_squares_with_and_without_objects_are_ranked_apart():
    full = [square(value) for value in (0.9, 0.8, 0.7, 0.6)]
    empty = [square(value, True) for value in (0.99, 0.98)]
    assert keep_sure([*full, *empty], 0.5) == [*full[:2], empty[0]]


def test_what_is_not_sure_is_not_kept_whatever_its_rank():
    assert keep_sure([square(LEAST - 0.01), square(0.3)], 1.0) == []
    assert keep_sure([square(0.7, True)], 1.0) == []


def test_squares_cover_an_image_evenly_and_small_ones_whole():
    maps = np.ones((100, 70), np.float32)
    labels = np.zeros((100, 70), np.int32)
    labels[:20, :20] = 1
    found = squares_of("a", labels, maps, maps, 32)
    assert [(one.y, one.x) for one in found] == [(y, x) for y in (0, 34, 68) for x in (0, 38)]
    assert [one.empty for one in found] == [False] + 5 * [True]
    (whole,) = squares_of("a", labels, maps, maps, 256)
    assert (whole.height, whole.width, whole.name) == (100, 70, "a_y0_x0")


def test_a_cut_square_is_marked_as_predicted():
    pair = here(0)
    made = cut(pair, pair.labels, Square("here0", 32, 16, 40, 48, 0.87654, False), {"adapted": {"source": "a"}})
    assert made.source.kind == "predicted"
    assert made.source.provenance == {"adapted": {"source": "a"}, "certainty": 0.8765}
    assert np.array_equal(made.labels, pair.labels[32:72, 16:64])
