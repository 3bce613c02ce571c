"""Near-duplicates are found in every orientation, as by comparing all with all."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.distances import distinct_scale, effective_number
from napari_organoid_synth.core.metrics import collapse
from napari_organoid_synth.core.metrics.collapse import (
    count_distinct,
    distinct_pictures,
    near_duplicates,
    repeated,
)
from napari_organoid_synth.core.metrics.memorisation import ORIENTATIONS, orientations
from napari_organoid_synth.core.metrics.nearest import ssim
from napari_organoid_synth.core.pairs.tiling import orient
from simulated import scene


def tiles(number: int, first: int = 0, side: int = 64) -> list[np.ndarray]:
    return [(scene(first + seed, side, 16)[0] / 6000).astype(np.float32) for seed in range(number)]


def test_twins_are_those_of_comparing_all_with_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collapse, "BATCH", 4)
    rng = np.random.default_rng(0)
    images = tiles(6)
    images += [orient(images[1], 1, True), orient(images[1], 3, False), images[4] + rng.normal(0, 0.01, (1, 64, 64))]
    images = [np.ascontiguousarray(image, np.float32) for image in images]
    every = [
        (i, j) for j in range(len(images)) for i in range(j) if ssim(images[i], orientations(images[j])).max() >= 0.9
    ]
    assert sorted(every) == [(1, 6), (1, 7), (4, 8), (6, 7)]
    assert near_duplicates(images) == sorted(every)
    assert count_distinct(9, near_duplicates(images)) == 6
    assert near_duplicates(images[:6]) == []
    assert near_duplicates(images[:1]) == []
    assert len(ORIENTATIONS) == 8


def test_many_equal_images_are_one() -> None:
    same = tiles(1) * 30 + tiles(10, 100)
    pairs = near_duplicates(same)
    assert {one for pair in pairs for one in pair} == set(range(30))
    assert count_distinct(40, pairs) <= 10 + 10  # of many equal ones not every pair is looked at
    assert count_distinct(4, []) == 4


def test_repeated_by_hand() -> None:
    vectors = np.array([[[0.0], [5.0]], [[4.8], [9.0]], [[2.0], [20.0]], [[30.0], [31.0]]])
    # 0 upright to 2 upright: 2; 1 upright to 0 turned: 0.2; 2 to 0: 2; 3 to 2 turned: 10
    assert repeated(vectors, 1.0).tolist() == [False, True, False, False]
    assert repeated(vectors, 2.5).tolist() == [True, True, True, False]


def near_identical(base: np.ndarray, side: int = 128) -> list[np.ndarray]:
    """Six pictures that a person calls one: noise of a grey level, brighter, moved by a pixel or two."""
    noise = np.random.default_rng(0).normal(0, 1 / 255, base.shape)
    changed = [(base, 0, 0), (base + noise, 0, 0), (base * 1.05, 0, 0), (base + 4 / 255, 0, 0)]
    changed += [(base, 1, 0), (base, 1, 2)]
    return [image[:, y : y + side, x : x + side].astype(np.float32) for image, y, x in changed]


def larger(seed: int) -> np.ndarray:
    return (scene(seed, 130, 16)[0] / 6000).astype(np.float32)


def test_near_identical_pictures_are_one_and_real_tiles_are_all_distinct() -> None:
    real = tiles(20, side=128)
    one = distinct_pictures(near_identical(larger(200)), real)
    assert (one.number, one.of) == (1, 6)
    assert one.effective < 1.5
    assert one.real > 0.9 * 6
    two = distinct_pictures(near_identical(larger(200))[:3] + near_identical(larger(201))[3:], real)
    assert two.number == 2
    assert 1.8 < two.effective < 2.7
    others = distinct_pictures(tiles(12, 300, 128), real)
    assert others.number == 12
    assert others.effective > 0.9 * 12
    many = distinct_pictures(tiles(1, side=128) * 30 + tiles(10, 100, 128), real)
    assert many.number == 11
    assert many.effective < 0.2 * many.real
    linked = distinct_pictures(tiles(3, side=128), real, [(0, 2)])
    assert linked.number == 2


def test_effective_numbers_by_hand() -> None:
    apart = 1e3 * (1 - np.eye(5))
    assert effective_number(apart, 1.0) == pytest.approx(5)
    assert effective_number(np.zeros((5, 5)), 1.0) == pytest.approx(1)
    line = np.abs(np.subtract.outer([0.0, 1.0], [0.0, 1.0]))
    shares = np.array([1 + np.exp(-0.5), 1 - np.exp(-0.5)]) / 2  # eigenvalues of a kernel of two things
    assert effective_number(line, 1.0) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()))
    scale = distinct_scale(apart + 0)
    assert effective_number(apart, scale) == pytest.approx(0.95 * 5, abs=0.05)
    assert distinct_scale(np.zeros((4, 4))) == 0
