import numpy as np
import pytest

from napari_organoid_synth.core.matching import (
    IOU_THRESHOLDS,
    average_precision,
    mask_scores,
    object_scores,
    overlaps,
    paired_gain,
    pixel_scores,
)


def random_labels(seed: int, size: int = 64, n: int = 12) -> np.ndarray:
    rng = np.random.default_rng(seed)
    labels = np.zeros((size, size), np.int32)
    for value in range(1, n + 1):
        y, x = rng.integers(0, size - 8, 2)
        height, width = rng.integers(4, 16, 2)
        labels[y : y + height, x : x + width] = value * 7
    return labels


def shifted(labels: np.ndarray, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    moved = np.roll(labels, tuple(rng.integers(-2, 3, 2)), (0, 1))
    moved[moved == rng.choice(np.unique(moved)[1:])] = 0
    return moved


def test_pixel_scores_by_hand():
    truth, found = np.array([[1, 1, 1, 0, 0]]), np.array([[0, 1, 1, 1, 0]])
    scores = pixel_scores(truth, found)
    assert scores == {"dice": 4 / 6, "precision": 2 / 3, "recall": 2 / 3}


@pytest.mark.parametrize(("truth", "found", "expected"), [(0, 0, 1.0), (1, 0, 0.0), (0, 1, 0.0), (1, 1, 1.0)])
def test_empty_masks(truth, found, expected):
    a, b = np.full((4, 4), truth), np.full((4, 4), found)
    assert set(pixel_scores(a, b).values()) == {expected}
    assert average_precision(a, b) == expected


def test_overlaps_hold_the_iou_of_each_touching_pair():
    truth, found = np.array([[5, 5, 0, 9, 9, 9]]), np.array([[2, 2, 2, 0, 3, 3]])
    rows, columns, iou, shape = overlaps(truth, found)
    assert shape == (2, 2)
    assert dict(zip(zip(rows, columns, strict=True), iou, strict=True)) == {(0, 0): 2 / 3, (1, 1): 2 / 3}


@pytest.mark.parametrize("seed", range(20))
def test_objects_equal_stardist(seed):
    matching = pytest.importorskip("stardist.matching").matching
    truth = random_labels(seed)
    found = shifted(truth, seed)
    for threshold, ours in object_scores(truth, found, (*IOU_THRESHOLDS, 0.3)).items():
        theirs = matching(truth, found, thresh=threshold)
        assert (ours["tp"], ours["fp"], ours["fn"]) == (theirs.tp, theirs.fp, theirs.fn)
        assert ours["accuracy"] == pytest.approx(theirs.accuracy)


def test_two_halves_at_exactly_one_half_are_one_match():
    truth, found = np.array([[1, 1]]), np.array([[1, 2]])
    assert object_scores(truth, found, (0.5,))[0.5] == {"tp": 1.0, "fp": 1.0, "fn": 0.0, "accuracy": 0.5}


def test_seventy_thousand_objects_fit_in_memory():
    truth = np.arange(1, 70_001).repeat(2).reshape(2, -1)
    found = truth.copy()
    found.flat[:2000] = 0
    scores = object_scores(truth, found, (0.9,))[0.9]
    assert (scores["tp"], scores["fp"], scores["fn"]) == (69_000, 0, 1000)


def test_classes_are_scored_one_by_one():
    truth, found = np.array([[1, 1, 2, 2]]), np.array([[1, 2, 2, 2]])
    scores, per_class = mask_scores(truth, found, "classes", ("cell", "nucleus"))
    assert per_class["cell"]["dice"] == pytest.approx(2 / 3)
    assert per_class["nucleus"]["dice"] == pytest.approx(4 / 5)
    assert scores["dice"] == pytest.approx((2 / 3 + 4 / 5) / 2)


def test_instances_have_foreground_dice_and_object_ap():
    truth, found = np.array([[1, 1, 2, 2]]), np.array([[1, 1, 1, 1]])
    scores, _ = mask_scores(truth, found, "instances", ("cell",))
    assert scores["dice"] == 1.0
    assert scores["ap"] == pytest.approx(np.mean([1 / 2] + [0] * 8))


def test_paired_gain_of_constant_difference_is_exact():
    before = np.array([0.5, 0.6, 0.7, 0.8, 0.9])
    assert paired_gain(before, before + 0.05) == pytest.approx((0.05, 0.05, 0.05))


def test_paired_gain_interval_matches_normal_theory():
    rng = np.random.default_rng(0)
    difference = rng.normal(0.1, 1.0, 400)
    mean, low, high = paired_gain(np.zeros(400), difference)
    error = 1.96 * difference.std() / np.sqrt(400)
    assert mean == pytest.approx(difference.mean())
    assert low == pytest.approx(mean - error, abs=0.01)
    assert high == pytest.approx(mean + error, abs=0.01)


def test_paired_gain_of_few_images_spans_them():
    assert paired_gain(np.zeros(3), np.array([0.1, -0.1, 0.3])) == pytest.approx((0.1, -0.1, 0.3))
