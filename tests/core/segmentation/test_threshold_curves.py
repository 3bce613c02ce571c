from __future__ import annotations

import numpy as np
import pytest
from lxml import etree
from sklearn.metrics import precision_recall_fscore_support

from napari_organoid_synth.core.segmentation.threshold_curves import (
    THRESHOLDS,
    FoldScores,
    axis_start,
    foreground_scores,
    threshold_svg,
)


@pytest.mark.parametrize("seed", range(20))
def test_scores_equal_scikit_learn_on_random_masks(seed):
    rng = np.random.default_rng(seed)
    truth, found = (rng.random((24, 31)) < rng.uniform(0.02, 0.9) for _ in range(2))
    scores = foreground_scores(truth, found)
    expected = precision_recall_fscore_support(truth.ravel(), found.ravel(), average="binary")
    assert [scores["precision"], scores["recall"], scores["f"]] == pytest.approx(list(expected[:3]), rel=1e-12)


@pytest.mark.parametrize(("truth", "found", "value"), [(0, 0, 1.0), (0, 1, 0.0), (1, 0, 0.0), (1, 1, 1.0)])
def test_scores_of_empty_masks(truth, found, value):
    a, b = np.full((5, 5), truth), np.full((5, 5), found)
    assert set(foreground_scores(a, b).values()) == {value}
    if truth == found:
        expected = precision_recall_fscore_support(a.ravel(), b.ravel(), average="binary", zero_division=1)
        assert expected[2] == value


def test_disjoint_masks_have_no_division_by_zero():
    assert set(foreground_scores(np.array([[1, 0]]), np.array([[0, 1]])).values()) == {0.0}


def test_a_curve_counts_images_that_reach_each_threshold():
    scores = np.array([0.0, 0.29, 0.57, 0.58, 1.0])  # 0.57 and 0.58 are not exact in binary
    curve = FoldScores.of([scores]).curves()[0]
    assert len(THRESHOLDS) == len(curve) == 101
    for threshold, share in enumerate(curve):
        assert share == np.mean(np.round(100 * scores) >= threshold)
    assert curve[[0, 1, 29, 30, 57, 58, 59, 100]].tolist() == [1, 0.8, 0.8, 0.6, 0.6, 0.4, 0.2, 0.2]


def test_the_area_below_a_curve_is_the_mean_score():
    scores = np.random.default_rng(0).random(500)
    curve = FoldScores.of([scores]).curves()[0]
    assert (curve[1:] + curve[:-1]).mean() / 2 == pytest.approx(scores.mean(), abs=0.005)


def test_band_and_mean_over_folds_by_hand():
    folds = FoldScores.of([[0.5, 0.7], [0.9], []])
    assert folds.mean == pytest.approx(0.75)  # of 0.6 and 0.9, not of the three images
    assert folds.deviation == pytest.approx(0.3 / np.sqrt(2))
    mean, low, high = folds.band()
    at = {round(100 * t): (m, a, b) for t, m, a, b in zip(THRESHOLDS, mean, low, high, strict=True)}
    assert at[50] == (1, 1, 1)
    assert at[60] == (0.75, 0.5, 1)
    assert at[80] == (0.5, 0, 1)
    assert at[95] == (0, 0, 0)
    assert folds.summary == "75.0 ± 21.2 %"
    assert FoldScores.of([[0.5]]).summary == "50.0 %"
    assert FoldScores.of([[0.5]]).deviation == 0


def test_the_drawing_is_valid_and_holds_mean_band_and_words():
    both = {"with <adversary>": FoldScores.of([[0.5, 0.7], [0.9, 0.9]]), "none": FoldScores.of([])}
    root = etree.fromstring(threshold_svg(both))
    name = "{http://www.w3.org/2000/svg}"
    line, band = root.find(f".//{name}polyline"), root.find(f".//{name}polygon")
    assert len(line.get("points").split()) == 101
    assert len(band.get("points").split()) == 202
    first, last = line.get("points").split()[0], line.get("points").split()[-1]
    assert (first, last) == ("46.0,10.0", "346.0,200.0")  # all images at 0, none at 1
    middle = line.get("points").split()[60]  # half of the first fold and all of the second
    assert middle == f"{46 + 0.6 * 300:.1f},{10 + 0.25 * 190:.1f}"
    texts = [text.text for text in root.iter(f"{name}text")]
    assert "with <adversary>: 75.0 ± 21.2 %" in texts
    assert not any("none" in text for text in texts)
    assert etree.fromstring(threshold_svg({})) is not None
    assert axis_start(both.values()) == 0.5
    root = etree.fromstring(threshold_svg(both, start=0.5, colours=("#123456",)))
    line = root.find(f".//{name}polyline")
    points = line.get("points").split()
    assert line.get("stroke") == "#123456"
    assert (len(points), points[0], points[10]) == (51, "46.0,10.0", f"{46 + 0.2 * 300:.1f},{10 + 0.25 * 190:.1f}")
    assert [text.text for text in root.iter(f"{name}text")][1:12:2] == ["0.5", "0.6", "0.7", "0.8", "0.9", "1"]
