"""Intervals, ranges and words of set scores; what each family measures."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from napari_organoid_synth.core.metrics.base import Score, intensity_limits
from napari_organoid_synth.core.metrics.full_reference import compare
from napari_organoid_synth.core.metrics.sets import (
    FEATURE_SCORES,
    compare_all,
    evaluate,
    feature_measure,
    feature_notes,
    image_measure,
    mask_measure,
    mask_notes,
    pair_measure,
)
from napari_organoid_synth.core.metrics.tile_facts import TileFacts, look
from napari_organoid_synth.core.pairs.pair import SamplePair, Source

SOURCES = [f"image{index // 5}" for index in range(40)]  # eight images of five tiles


def test_the_interval_of_a_mean_is_that_of_statistics() -> None:
    values = np.random.default_rng(0).normal(3, 2, 140)
    (found,) = evaluate(
        [Score("mean", "Mean")], lambda a, b: {"mean": float(values[b].mean())}, SOURCES, 100, extractor="e:1"
    )
    assert found.value == values[40:].mean()
    expected = 2 * 1.96 * values[40:].std(ddof=1) / np.sqrt(100)
    assert found.interval.high - found.interval.low == pytest.approx(expected, rel=0.2)
    assert found.interval.low < found.value < found.interval.high
    assert (found.n_real, found.n_synthetic, found.extractor, found.seed) == (40, 100, "e:1", 0)
    assert found.originals.low < values[:40].mean() < found.originals.high
    again = evaluate([Score("mean", "Mean")], lambda a, b: {"mean": float(values[b].mean())}, SOURCES, 100)
    assert (again[0].interval, again[0].originals) == (found.interval, found.originals)


def test_no_interval_leaves_the_values_that_a_score_can_have() -> None:
    values = np.random.default_rng(0).normal(0.5, 10, 140)

    def measure(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
        return {"x": float(values[b].mean())}

    free, cut = evaluate([Score("x", "X"), Score("x", "X", ends=(0, 1))], measure, SOURCES, 100)
    assert free.interval.low < 0 == cut.interval.low
    assert free.interval.high > 1 == cut.interval.high


def test_halves_share_no_image_and_sizes_are_alike() -> None:
    seen: list[tuple[int, int]] = []

    def measure(a: np.ndarray, b: np.ndarray) -> dict[str, float]:
        if b.max() < 40:  # real against real
            assert not {SOURCES[i] for i in a} & {SOURCES[i] for i in b}
        elif len(a) < 40:
            seen.append((len(a), len(b)))
        assert len(set(a)) == len(a)
        assert len(set(b)) == len(b)
        return {"x": float(len(b)), "nothing": np.nan}

    found = evaluate([Score("x", "x"), Score("nothing", "n")], measure, SOURCES, 12)
    assert [score.name for score in found] == ["x"]
    assert found[0].originals.low == found[0].originals.high == found[0].matched_value == 12
    assert set(seen) == {(20, 12), (20, 6)}
    one_image: list[int] = []
    evaluate([Score("x", "x")], lambda a, b: one_image.append(len(a)) or {"x": 1.0}, ["a"] * 9, 8)
    assert set(one_image) == {9, 4}


@pytest.mark.parametrize(
    ("better", "shift", "message"),
    [
        ("low", 0.0, "within the range of the originals"),
        ("low", 9.0, "worse than the originals among each other"),
        ("low", -9.0, "nearer than the originals are to each other"),
        ("high", -9.0, "worse than the originals among each other"),
        ("high", 9.0, "nearer than the originals are to each other"),
        ("range", 9.0, "above the range of the originals"),
        ("range", -9.0, "below the range of the originals; because"),
    ],
)
def test_the_message_compares_like_with_like(better: str, shift: float, message: str) -> None:
    values = np.random.default_rng(1).normal(size=80)
    values[40:] += shift - values[40:].mean()
    notes = {"m": "because"} if message.endswith("because") else {}
    score = Score("m", "M", better=better)  # type: ignore[arg-type]
    (found,) = evaluate([score], lambda a, b: {"m": float(values[b].mean())}, SOURCES, 40, notes=notes)
    assert found.message == message
    assert found.within == message.startswith("within")


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
            notes=feature_notes(real, fresh, "smoke test"),
        )
    }
    assert found["kid"] == "within the range of the originals; smoke test"
    assert found["fid"].endswith("biased upwards with fewer than 2048 tiles: trust KID; smoke test")
    assert next(iter(found)) == "kid"
    assert feature_notes(np.zeros((2048, 1)), np.zeros((2048, 1))).keys() == {"kid"}  # FID is no longer much too high


def test_kid_of_subsets_is_said_where_there_are_enough_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fake = np.random.default_rng(3).normal(size=(2, 60, 5))
    monkeypatch.setattr("napari_organoid_synth.core.metrics.sets.SUBSET", 40)
    mean, sd = feature_notes(real, fake)["kid"].removeprefix("100 subsets of 40: ").split(" ± ")
    kid = feature_measure(real, fake)(np.arange(60), np.arange(60, 120))["kid"]
    assert float(mean) == pytest.approx(kid, abs=4 * float(sd) / 10)
    assert "kid" not in feature_notes(real[:39], fake)


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


def blocks() -> np.ndarray:
    labels = np.zeros((64, 64), np.int32)
    labels[4:20, 4:20], labels[4:20, 20:36] = 1, 2  # touch
    labels[40:56, 10:26] = 3
    labels[30:34, 40:60] = 4
    return labels


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint16, 1), (np.uint16, 3), (np.float32, 2)])
def test_facts_of_a_tile_in_any_type(dtype: type, channels: int) -> None:
    rng = np.random.default_rng(5)
    image = rng.integers(0, 200, (channels, 64, 64)).astype(dtype)
    pair = SamplePair("p", image, blocks(), "instances", ("cell",), source=Source(files=("f.tif",)))
    found = look(pair, intensity_limits([pair]), 32, round_trip=True)
    assert found.image.shape == (channels, 32, 32)
    assert found.source == "f.tif"
    assert list(found.areas) == [256, 256, 256, 80]
    assert found.eccentricities[2] == pytest.approx(0, abs=1e-3)
    assert found.eccentricities[3] > 0.95
    assert found.touching == 0.5
    assert found.decode_error < 0.05
    assert found.mask.sum() == pytest.approx(256 * 3 + 80 - 2 * 16)  # two lines of 16 px between the first two
    twin = look(pair.replace(image=image.astype(np.float64)), intensity_limits([pair]), 32)
    np.testing.assert_allclose(found.image, twin.image, rtol=1e-5, atol=1e-6)
    assert found.hf_energy == pytest.approx(twin.hf_energy, rel=1e-5)
    assert np.isnan(twin.decode_error)


def test_facts_without_objects_or_instances() -> None:
    image = np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64)
    empty = look(SamplePair("e", image, np.zeros((64, 64), np.int32), "instances"), np.array([[0.0, 1.0]]), 32, True)
    assert len(empty.areas) == 0
    assert np.isnan(empty.touching)
    labels = np.where(blocks() == 3, 2, blocks() > 0).astype(np.int32)
    found = look(SamplePair("c", image, labels, "classes", ("a", "b")), np.array([[0.0, 1.0]]), 32, True)
    assert found.mask.shape == (2, 64, 64)
    assert sorted(found.areas) == [80, 256, 512]
    assert np.isnan(found.touching)
