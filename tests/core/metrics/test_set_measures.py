"""What each family of set scores measures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from napari_organoid_synth.core.distances import frechet_distance, kernel_distance
from napari_organoid_synth.core.metrics.full_reference import compare
from napari_organoid_synth.core.metrics.set_measures import (
    FEATURE_SCORES,
    FLOW_SCORES,
    compare_all,
    feature_measure,
    feature_notes,
    flow_measure,
    image_measure,
    mask_measure,
    mask_notes,
    pair_measure,
    whole_sets,
)
from napari_organoid_synth.core.metrics.sets import evaluate
from napari_organoid_synth.core.metrics.tile_facts import TileFacts


def test_features_of_the_same_of_copies_and_of_others() -> None:
    rng = np.random.default_rng(2)
    real, fresh = rng.normal(size=(2, 40, 6))

    def scores(fake: np.ndarray) -> dict[str, float]:
        every = np.arange(40)
        return feature_measure(real, fake)(every, every + 40)

    same = scores(real.copy())
    assert same["fid"] == pytest.approx(0, abs=1e-9)
    assert same["kid"] < 0
    assert (same["precision"], same["recall"], same["coverage"], same["c2st"]) == (1, 1, 1, 0)
    far = scores(real + 50)
    assert (far["precision"], far["recall"], far["density"], far["coverage"], far["c2st"]) == (0, 0, 0, 0, 1)
    assert scores(fresh)["kid"] < far["kid"]
    found = {
        one.name: one.message
        for one in evaluate(
            FEATURE_SCORES,
            feature_measure(real, fresh),
            list(map(str, range(40))),
            40,
            notes=feature_notes(FEATURE_SCORES, 40, "smoke test"),
        )
    }
    assert found["kid"] == "within the range of the originals; smoke test"
    assert found["fid"].endswith("biased upwards with fewer than 2048 tiles: trust KID; smoke test")
    assert next(iter(found)) == "kid"
    assert feature_notes(FEATURE_SCORES, 2048) == {}  # FID is no longer much too high


def test_of_whole_sets_kid_is_that_of_subsets_and_fid_that_of_all(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = np.random.default_rng(3).normal(size=(2, 60, 5))
    monkeypatch.setattr("napari_organoid_synth.core.metrics.set_measures.SUBSET_SIZE", 40)
    whole = whole_sets(real, fake[:50], "flow_")
    assert whole.values["flow_fid"] == pytest.approx(frechet_distance(real, fake[:50]))
    subsets = whole.subsets["flow_kid"]
    assert (subsets.number, subsets.size, whole.n_real, whole.n_synthetic) == (100, 40, 60, 50)
    assert whole.values["flow_kid"] == subsets.mean
    assert subsets.mean == pytest.approx(kernel_distance(real, fake[:50]), abs=4 * subsets.sd / 10)
    assert whole_sets(real[:30], fake).subsets["kid"].size == 30
    notes = feature_notes(FLOW_SCORES, whole.smaller, "flows", whole)
    assert notes["flow_kid"] == f"100 subsets of 40: {subsets.mean:.3g} ± {subsets.sd:.2g}; flows"
    some = np.arange(20)
    measure = flow_measure(real[some], fake[some])
    found = evaluate(FLOW_SCORES, measure, list(map(str, some)), 20, whole=whole)
    assert [one.value for one in found] == [whole.values[score.name] for score in FLOW_SCORES]
    assert [(one.n_real, one.n_synthetic) for one in found] == [(60, 50)] * 2
    assert [one.subsets for one in found] == [subsets, None]
    assert all(one.interval.low < one.value < one.interval.high for one in found)


def test_pairs_are_all_pairs() -> None:
    images = np.random.default_rng(3).random((5, 1, 16, 16)).astype(np.float32)
    real, fake = images[:3], images[3:]
    measure = pair_measure(compare_all(real, real), compare_all(real, fake))
    found = measure(np.array([0, 1, 2]), np.array([3, 4]))
    expected = np.mean([compare(a, b[None])[0] for a in real for b in fake], axis=0)
    assert list(found.values()) == pytest.approx(list(expected))
    among = measure(np.array([0]), np.array([2]))
    assert list(among.values()) == pytest.approx(list(compare(real[0], real[2:])[0]))


def facts(areas: list[float], touching: float = np.nan) -> TileFacts:
    nothing = np.zeros((1, 4, 4), np.float32)
    area = np.array(areas, float)
    return TileFacts("t", "s", nothing, nothing, float(len(areas)), 0.25, area, area / 1000, touching, np.nan)


def test_masks_by_the_distance_of_distributions() -> None:
    rng = np.random.default_rng(4)
    tiles = [facts(list(rng.integers(50, 90, 6)), 0.5) for _ in range(4)]
    tiles += [facts(list(rng.integers(70, 120, 9)), 0.5) for _ in range(3)]
    measure = mask_measure(tiles)
    a, b = np.arange(4), np.arange(4, 7)
    found = measure(a, b)
    areas = [np.concatenate([tiles[i].areas for i in one]) for one in (a, b)]
    assert found["ks_area"] == ks_2samp(*areas).statistic
    assert found["ks_eccentricity"] == found["ks_area"]
    assert found["ks_count"] == 1  # 6 against 9
    assert found["ks_touching"] == 0
    assert np.isnan(found["ks_decode_error"])
    grid = np.arange(0, 130)  # the area between the two distribution functions, step by step
    below = [(one[:, None] <= grid).mean(0) for one in areas]
    assert found["w_area"] == pytest.approx(np.abs(below[0] - below[1]).sum())
    assert found["w_eccentricity"] == pytest.approx(found["w_area"] / 1000)
    assert (found["w_count"], found["w_touching"]) == (3, 0)
    same = measure(a, a)
    assert (same["ks_count"], same["ks_area"]) == (0, 0)
    assert mask_notes(tiles, 4)["ks_count"] == "median 9, real 6"
    assert image_measure(tiles)(a, b) == {"hf_energy": 9, "blur": 0.25}
