"""Diverse choices against hand-worked ones, and against chance where no hand can."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.samples.selection import GROUPS, diverse, features, k_centre, read_features, scaled
from napari_organoid_synth.core.samples.store import SampleStore


def test_k_centre_takes_the_farthest_each_time() -> None:
    points = np.array([[0.0, 0], [1, 0], [10, 0], [4, 0], [0, 3], [10, 0]])
    assert k_centre(points, 4) == [0, 2, 3, 4]  # 10 away; then 4 away; then 3 away from 0, the copy of 2 last
    assert k_centre(points, 99) == [0, 2, 3, 4, 1, 5]
    assert k_centre(points, 2, taken=1) == [2, 3]  # as if row 0 had been accepted before
    assert k_centre(points, 0) == []
    assert k_centre(points[:0], 3) == []


def test_k_centre_is_within_twice_the_best_radius() -> None:
    """Gonzalez's bound, with the best radius found by trying every choice."""
    from itertools import combinations

    points = np.random.default_rng(3).normal(size=(11, 3))
    between = np.linalg.norm(points[:, None] - points[None], axis=-1)
    best = min(between[:, list(some)].min(1).max() for some in combinations(range(11), 4))
    greedy = between[:, k_centre(points, 4)].min(1).max()
    assert best <= greedy <= 2 * best


def test_features_of_a_half_white_picture() -> None:
    image = np.zeros((96, 192, 3), np.uint8)
    image[:, 96:] = 255
    labels = np.zeros((96, 192), np.uint16)
    labels[:48], labels[48:, :96] = 1, 2
    layout, values, texture, mask, objects = np.split(features(image, labels), np.cumsum(GROUPS)[:-1])
    np.testing.assert_array_equal(layout.reshape(8, 8), np.repeat([[0.0] * 4 + [1.0] * 4], 8, 0))
    np.testing.assert_array_equal(values, 0.5)  # half of the pixels below each level
    np.testing.assert_allclose(texture.reshape(5, 3)[:, 0], 0)  # nothing changes downwards
    np.testing.assert_allclose(texture.reshape(5, 3)[:, 1], [1 / 127, 1 / 63, 1 / 31, 1 / 15, 1 / 7], rtol=1e-6)
    np.testing.assert_allclose(texture.reshape(5, 3)[:, 2], 0.5)
    np.testing.assert_array_equal(mask.reshape(8, 8)[4:], np.repeat([[1.0] * 4 + [0.0] * 4], 4, 0))
    np.testing.assert_allclose(objects, [0.75, (1 / 127 + 1 / 254) / 2, np.log(3)], rtol=1e-6)


def test_scaled_gives_every_group_the_same_weight() -> None:
    z = scaled(np.random.default_rng(0).normal(size=(4000, sum(GROUPS))).astype(np.float32))
    shares = [(part**2).sum(1).mean() for part in np.split(z, np.cumsum(GROUPS)[:-1], 1)]
    np.testing.assert_allclose(shares, 1, rtol=1e-3)
    assert not scaled(np.ones((5, sum(GROUPS)), np.float32)).any()  # nothing differs: no division by zero


def flat(name: str, grey: int) -> SamplePair:
    """A picture of two values, so that its thumbnail keeps how bright it is."""
    image = np.full((1, 64, 64), grey, np.uint8)
    image[0, :2], image[0, -2:] = 0, 255
    labels = np.zeros((64, 64), np.int32)
    labels[8:24, 8:24] = 1
    return SamplePair(name, image, labels, "instances")


@pytest.fixture
def store(tmp_path: Path):
    """Eight dark ones, one grey, one bright; the realism of the last four is low."""
    with SampleStore(tmp_path / "samples.sqlite") as store:
        greys = [20] * 5 + [120, 230] + [20, 20, 21] + [60, 90, 160, 200, 250, 75, 33, 77, 99, 11]
        store.add_many([flat(f"s{number}", grey) for number, grey in enumerate(greys)])
        for number in range(len(greys)):
            store.rate(f"s{number}", {"realism": 1 - number / 20}, flagged="copy" if number == 6 else "")
        yield store


def test_diverse_keeps_to_realistic_unflagged_ones_and_spreads(store: SampleStore) -> None:
    chosen = diverse(store, 3)
    assert chosen[:2] == ["s0", "s5"]  # the most realistic; the only other brightness in the upper half
    assert set(chosen) <= {f"s{number}" for number in range(11)} - {"s6"}  # s6 is flagged, s11 and later less realistic
    store.decide(["s5"], "accepted")
    assert "s5" not in diverse(store, 4)
    assert diverse(store, 1) != ["s5"]
    assert len(diverse(store, 100)) == 18  # more than the half: all that are new and not flagged
    assert diverse(store, 0) == []


def test_what_is_accepted_counts_as_chosen(store: SampleStore) -> None:
    store.decide(["s0"], "accepted")
    first = diverse(store, 1)
    assert first == ["s5"]  # not another dark one


def test_features_are_kept_and_forgotten_with_the_mask(store: SampleStore, monkeypatch: pytest.MonkeyPatch) -> None:
    first = read_features(store, ["s0", "s5"])
    assert first.shape == (2, sum(GROUPS))
    monkeypatch.setattr(store, "thumbnail", lambda id: pytest.fail(f"{id} computed again"))
    np.testing.assert_array_equal(read_features(store, ["s5", "s0"]), first[::-1])
    monkeypatch.undo()
    store.edit_mask("s5", np.ones((64, 64), np.int32))
    again = read_features(store, ["s0", "s5"])
    np.testing.assert_array_equal(again[0], first[0])
    assert again[1, -3] == 1  # all covered now


def test_without_scores_it_says_so(tmp_path: Path) -> None:
    with SampleStore(tmp_path / "samples.sqlite") as store:
        assert diverse(store, 3) == []
        store.add(flat("a", 3))
        with pytest.raises(UserError, match="Score them first"):
            diverse(store, 3)


def test_the_window_may_choose_without_torch() -> None:
    import subprocess
    import sys

    code = "import sys, napari_organoid_synth.core.samples.selection; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=120).returncode == 0
