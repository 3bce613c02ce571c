import sys

import numpy as np
import pytest
from skimage.morphology import skeletonize
from sklearn.metrics import jaccard_score, precision_recall_fscore_support

from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair
from napari_organoid_synth.core.segmentation.agreement import (
    DSB_THRESHOLDS,
    IOU_THRESHOLDS,
    average_precision,
    cl_dice,
    failed_training_warnings,
    false_objects,
    image_scores,
    mask_scores,
    mean_class_scores,
    object_accuracy,
    object_scores,
    only_classes,
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


def random_case(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth and prediction: moved, cut in two, grown together, shrunk, noise, foreign, or one or both empty."""
    rng = np.random.default_rng(seed)
    truth = random_labels(seed, n=int(rng.integers(1, 40)))
    found = [
        lambda: shifted(truth, seed),
        lambda: np.where(np.arange(64) % 12 < 6, truth, (truth + 1000) * (truth > 0)),
        lambda: truth // 14 + (truth > 0),  # two and two become one
        lambda: truth * (rng.random(truth.shape) < rng.uniform(0.5, 1)),
        lambda: rng.integers(0, 5, truth.shape),
        lambda: random_labels(seed + 1000),
        lambda: truth.copy(),
        lambda: np.zeros_like(truth),
    ][seed % 8]()
    empty = np.zeros_like(truth)
    return (empty if seed % 11 == 10 else truth), np.asarray(found, np.int32)


@pytest.mark.parametrize("seed", range(48))
def test_objects_equal_stardist(seed):
    matching = pytest.importorskip("stardist.matching").matching
    truth, found = random_case(seed)
    both_empty = not truth.any() and not found.any()
    thresholds = (0.1, 0.3, *DSB_THRESHOLDS)
    theirs = dict(zip(thresholds, matching(truth, found, thresh=thresholds), strict=True))
    for threshold, ours in object_scores(truth, found, thresholds).items():
        one = theirs[threshold]
        assert (ours["tp"], ours["fp"], ours["fn"]) == (one.tp, one.fp, one.fn)
        assert ours["accuracy"] == pytest.approx(1.0 if both_empty else one.accuracy, rel=1e-12)
    for chosen in (IOU_THRESHOLDS, DSB_THRESHOLDS):
        expected = 1.0 if both_empty else np.mean([theirs[threshold].accuracy for threshold in chosen])
        assert average_precision(truth, found, chosen) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(16))
def test_accuracy_is_the_same_with_and_without_stardist(seed, monkeypatch):
    pytest.importorskip("stardist.matching")
    truth, found = random_case(seed)
    by_stardist = object_accuracy(truth, found)
    monkeypatch.setitem(sys.modules, "stardist.matching", None)
    assert object_accuracy(truth, found) == pytest.approx(by_stardist, rel=1e-12)
    assert tuple(by_stardist) == DSB_THRESHOLDS


def test_the_thresholds_are_those_of_the_sources():
    assert tuple(k / 100 for k in range(50, 91, 5)) == IOU_THRESHOLDS
    assert tuple(k / 100 for k in range(50, 96, 5)) == DSB_THRESHOLDS


def pixels_by_scikit_learn(truth: np.ndarray, found: np.ndarray, value: int) -> dict[str, float]:
    """Of one class; where a side is empty scikit-learn has no score, here it is 1 for both empty and 0 for one."""
    real, seen = (truth == value).ravel(), (found == value).ravel()
    if not real.any() or not seen.any():
        return dict.fromkeys(("dice", "precision", "recall"), float(real.any() == seen.any()))
    precision, recall, f, _ = precision_recall_fscore_support(real, seen, average="binary")
    overlap = jaccard_score(real, seen)
    assert f == pytest.approx(2 * overlap / (1 + overlap))
    return {"dice": float(f), "precision": float(precision), "recall": float(recall)}


@pytest.mark.parametrize("kind", ["binary", "classes", "instances"])
@pytest.mark.parametrize("seed", range(24))
def test_scores_of_an_image_equal_scikit_learn_and_stardist(kind: MaskKind, seed):
    truth, found = random_case(seed)
    names = ("a", "b", "c") if kind == "classes" else ("a",)
    if kind != "instances":
        truth, found = ((labels % (1 + len(names))).astype(np.int32) for labels in (truth, found))
    pair = SamplePair("p", truth[None], truth, kind, names)
    scores, per_class = image_scores(pair, found)
    foreground = (truth, found) if kind == "classes" else (truth > 0, found > 0)
    expected = {name: pixels_by_scikit_learn(*foreground, value) for value, name in enumerate(names, 1)}
    for name in names:
        assert per_class[name] == pytest.approx(expected[name], rel=1e-12)
    for score in ("dice", "precision", "recall"):
        assert scores[score] == pytest.approx(np.mean([one[score] for one in expected.values()]), rel=1e-12)
    assert scores["f"] == pytest.approx(scores["dice"], rel=1e-12)
    present = [value for value in range(1, 4) if (truth == value).any() and (found == value).any()]
    if kind == "classes" and len(present) == 3:
        macro = precision_recall_fscore_support(truth.ravel(), found.ravel(), labels=present, average="macro")
        assert [scores["precision"], scores["recall"], scores["f"]] == pytest.approx(list(macro[:3]), rel=1e-12)
    if kind == "instances":
        matching = pytest.importorskip("stardist.matching").matching
        empty = not truth.any() and not found.any()
        each = [1.0 if empty else one.accuracy for one in matching(truth, found, thresh=DSB_THRESHOLDS)]
        assert scores["ap"] == pytest.approx(np.mean(each[:9]), rel=1e-12)
        assert scores["ap95"] == pytest.approx(np.mean(each), rel=1e-12)
    else:
        assert "ap" not in scores


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


def test_a_training_without_one_right_pixel_is_named():
    assert failed_training_warnings("real pairs", {"a": {"dice": 0.0}, "b": {"dice": 1e-6}}) == []
    (words,) = failed_training_warnings("real pairs", {"a": {"dice": 0.0}, "b": {"dice": 0.0}})
    assert words.startswith("Real pairs: a segmenter marked nothing correctly in any test image.")


def test_scores_of_an_image_by_hand():
    truth = np.zeros((10, 20), np.int32)
    truth[:, :10], truth[:, 10:] = 1, 2
    predicted = np.zeros_like(truth)
    predicted[:, :8], predicted[:, 10:] = 5, 7  # overlaps 0.8 and 1
    pair = SamplePair("two", truth[None].astype(np.uint8), truth, "instances", ("cell",))
    scores, per_class = image_scores(pair, predicted)
    assert scores["precision"] == 1
    assert scores["recall"] == 0.9
    assert [scores["f"], scores["dice"]] == pytest.approx([1.8 / 1.9] * 2)
    assert scores["ap"] == pytest.approx((7 * 1 + 2 * 1 / 3) / 9)  # 0.5 to 0.8: both; 0.85, 0.9: one of three
    assert scores["ap95"] == pytest.approx((7 * 1 + 3 * 1 / 3) / 10)
    assert per_class["cell"]["recall"] == 0.9


@pytest.mark.parametrize("kind", ["binary", "classes", "instances"])
def test_empty_fields_score_one_or_zero_and_false_objects_are_counted(kind):
    nothing = np.zeros((20, 20), np.int32)
    some = nothing.copy()
    some[2:6, 2:6], some[10:14, 10:14] = 1, 1 if kind == "binary" else 2
    names = ("a", "b") if kind == "classes" else ("object",)
    empty = SamplePair("empty", nothing[None], nothing, kind, names)
    drawn = SamplePair("drawn", nothing[None], some, kind, names)
    right, _ = image_scores(empty, nothing)
    assert set(right.values()) == {1.0}
    wrong, _ = image_scores(empty, some)
    missed, _ = image_scores(drawn, nothing)
    assert set(wrong.values()) == set(missed.values()) == {0.0}
    assert [false_objects(empty, labels) for labels in (nothing, some)] == [0, 2]
    assert false_objects(drawn, nothing) is None


def test_only_the_classes_that_were_drawn_are_scored():
    truth, predicted = np.zeros((2, 4, 10), np.int32)
    truth[0, :8], truth[1] = 1, 2
    predicted[0, :4], predicted[2] = 1, 2  # half of class 1, class 2 elsewhere
    pair = SamplePair("both", truth[None].astype(np.uint8), truth, "classes", ("mito", "wall"))
    all_scores, both = image_scores(pair, predicted)
    scores, per_class = image_scores(pair, predicted, ("mito",))
    assert list(both) == ["mito", "wall"]
    assert list(per_class) == ["mito"]
    assert scores["dice"] == scores["f"] == per_class["mito"]["dice"] == pytest.approx(2 / 3)
    assert all_scores["dice"] == pytest.approx(1 / 3)
    assert only_classes(truth, pair, ("wall",)).max() == 2
    assert not (only_classes(truth, pair, ("wall",)) == 1).any()
    assert only_classes(truth, pair) is truth
    cells = SamplePair("cells", truth[None].astype(np.uint8), truth, "instances", ("cell",))
    assert only_classes(truth, cells, ()) is truth  # ids, not classes
    means = mean_class_scores([both, per_class])
    assert means["mito"]["dice"] == pytest.approx(2 / 3)
    assert means["wall"]["dice"] == both["wall"]["dice"] == 0  # of the one image in which it is scored
    assert mean_class_scores([]) == {}


def test_a_failed_training_is_noticed_beside_empty_fields():
    scores = {"empty": {"dice": 1.0}, "drawn": {"dice": 0.0}}
    assert failed_training_warnings("real pairs", scores) == []
    assert len(failed_training_warnings("real pairs", scores, {"empty"})) == 1
    assert failed_training_warnings("real pairs", {"empty": {"dice": 0.0}}, {"empty"}) == []


def test_dice_of_middle_lines_worked_out_by_hand() -> None:
    truth = np.zeros((9, 40), int)
    truth[3:6, 2:38] = 1  # 3 px wide: its middle line runs along row 4
    thick, shifted, gap = np.zeros_like(truth), np.zeros_like(truth), truth.copy()
    thick[1:8, 2:38] = 1
    shifted[6:9, 2:38] = 1
    gap[:, 12:22] = 0
    assert cl_dice(truth, truth) == 1
    assert cl_dice(truth, thick) == 1  # too wide by 4 px: Dice says 0.6
    assert pixel_scores(truth, thick)["dice"] == pytest.approx(0.6)
    assert cl_dice(truth, shifted) == 0
    found = 1 - 10 / np.count_nonzero(skeletonize(truth > 0))
    assert cl_dice(truth, gap) == pytest.approx(2 * found / (1 + found))  # all lines are right, 10 px are missing
    assert [cl_dice(0 * truth, 0 * truth), cl_dice(truth, 0 * truth), cl_dice(0 * truth, truth)] == [1, 0, 0]


def test_only_thin_classes_have_a_dice_of_middle_lines() -> None:
    y, x = np.indices((64, 64))
    net = ((y % 16 < 2) | (x % 16 < 2)).astype(np.int32)
    blob = (((y - 40) ** 2 + (x - 40) ** 2) < 144).astype(np.int32)
    image, names = np.zeros((1, 64, 64)), ("membrane", "nucleus")
    torn = net * (y < 32)
    scores, _ = image_scores(SamplePair("a", image, net, "binary"), torn)
    assert scores["cldice"] == pytest.approx(cl_dice(net, torn))
    assert "cldice" not in image_scores(SamplePair("b", image, blob, "binary"), blob)[0]
    both = SamplePair("c", image, np.where(blob, 2, net), "classes", names)
    predicted = np.where(blob, 2, torn).astype(np.int32)
    expected = cl_dice(both.labels == 1, predicted == 1)
    assert image_scores(both, predicted)[0]["cldice"] == pytest.approx(expected)
    assert "cldice" not in image_scores(both, predicted, classes=["nucleus"])[0]
