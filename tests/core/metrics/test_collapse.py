"""Near-duplicates are found in every orientation, as by comparing all with all."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.metrics import collapse
from napari_organoid_synth.core.metrics.collapse import count_distinct, near_duplicates, repeated
from napari_organoid_synth.core.metrics.memorisation import ORIENTATIONS, orientations
from napari_organoid_synth.core.metrics.nearest import ssim
from napari_organoid_synth.core.pairs.tiling import orient
from simulated import scene


def tiles(number: int, first: int = 0) -> list[np.ndarray]:
    return [(scene(first + seed, 64)[0] / 6000).astype(np.float32) for seed in range(number)]


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
