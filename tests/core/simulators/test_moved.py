"""Sections bent strongly, with other organelles: membranes stay closed, nothing touches that did not."""

from __future__ import annotations

import numpy as np
import pytest
from skimage.measure import label

from napari_organoid_synth.core.metrics.network import junctions, length, skeleton
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.moved import Mover, bend, organelles_of
from napari_organoid_synth.core.simulators.simulate import SIMULATORS

NAMES = ("membrane", "mitochondrion")


def cells(seed: int, side: int = 384) -> SamplePair:
    """Polygonal cells with membranes of 3 px and round mitochondria inside some of them."""
    rng = np.random.default_rng(seed)
    pitch = 64
    sites = np.array([(y, x) for y in range(-32, side + 64, pitch) for x in range(-32, side + 64, pitch)], float)
    sites += rng.uniform(-18, 18, sites.shape)
    y, x = np.mgrid[:side, :side]
    far = np.sqrt((y[..., None] - sites[:, 0]) ** 2 + (x[..., None] - sites[:, 1]) ** 2)
    order = np.partition(far, 1, axis=-1)
    labels = (order[..., 1] - order[..., 0] < 3).astype(np.int32)
    for number, (cy, cx) in enumerate(sites):
        if number % 2:
            labels[np.hypot(y - cy, x - cx) < rng.uniform(6, 10)] = 2
    return SamplePair(f"cells_{seed}", np.zeros((1, side, side), np.uint8), labels, "classes", NAMES)


REAL = [cells(seed) for seed in range(3)]


def test_membranes_stay_closed() -> None:
    """Open parts of a bent section never join two cells of the real one."""
    for seed in range(6):
        lines = (REAL[seed % 3].labels == 1).astype(np.int32)
        cells_before = label(lines == 0, connectivity=1).astype(np.int32)
        bent, came_from = (bend(labels, 256, np.random.default_rng(seed)) for labels in (lines, cells_before))
        for number in range(1, int((parts := label(bent == 0, connectivity=1)).max()) + 1):
            cells_inside = np.bincount(came_from[parts == number], minlength=2)[1:]
            assert np.count_nonzero(cells_inside > 20) <= 1, (seed, cells_inside[cells_inside > 20])


def test_the_network_is_as_long_and_branches_as_often() -> None:
    mover = Mover(REAL)
    made = [mover.move(256, np.random.default_rng(seed)).labels for seed in range(8)]
    real = [pair.labels[y : y + 256, x : x + 256] for pair in REAL for y in (0, 128) for x in (0, 128)]
    for measure, tolerance in ((length, 0.1), (junctions, 0.2)):
        ours, theirs = (np.mean([measure(skeleton(mask == 1)) for mask in masks]) for masks in (made, real))
        assert ours == pytest.approx(theirs, rel=tolerance), measure.__name__
    share = [np.mean([(mask == 1).mean() for mask in masks]) for masks in (made, real)]
    assert share[0] == pytest.approx(share[1], rel=0.15)


def test_no_neighbourhood_is_kept() -> None:
    """Nowhere do 96 px of a bent section equal a turned or mirrored part of it, unlike after a warp of 0.3."""
    y, x = np.mgrid[:384, :384]
    places = (y * 384 + x).astype(np.int64)
    bent = bend(places, 256, np.random.default_rng(1))
    rows, columns = bent // 384, bent % 384
    off = []
    for top in range(0, 160, 32):
        for left in range(0, 160, 32):
            part = np.stack([rows[top : top + 96, left : left + 96], columns[top : top + 96, left : left + 96]])
            part = part.reshape(2, -1) - part.reshape(2, -1).mean(axis=1, keepdims=True)
            here = np.mgrid[:96, :96].reshape(2, -1) - 47.5
            u, _, v = np.linalg.svd(part @ here.T)
            off.append(np.sqrt(np.mean(np.sum((part - u @ v @ here) ** 2, axis=0))))
    assert min(off) > 5  # px from the nearest rigid motion


def test_organelles_are_exchanged_and_touch_nothing() -> None:
    mover = Mover(REAL)
    for seed in range(4):
        made = mover.move(256, np.random.default_rng(seed))
        found = organelles_of(made.labels)
        assert made.exchanged >= 1
        assert set(made.names) <= {pair.name for pair in REAL}
        assert len(found) >= made.exchanged / 2
        assert all(around == 0 for _, around in found)


def test_membranes_do_not_depend_on_the_organelles() -> None:
    pair = REAL[0]
    empty = pair.replace(labels=np.where(pair.labels == 2, 0, pair.labels))
    moved, plain = (Mover([one]).move(256, np.random.default_rng(9)).labels for one in (pair, empty))
    lines = (plain == 1) & (moved != 2)
    assert np.array_equal(moved == 1, lines)
    still = bend(pair.labels, 256, _after_the_part(9)) == 2
    assert not np.array_equal(moved == 2, still)
    assert (moved == 2).sum() == pytest.approx(still.sum(), rel=0.4)


def _after_the_part(seed: int) -> np.random.Generator:
    """Return the random numbers that bend the only part of the only section."""
    rng = np.random.default_rng(seed)
    for _ in range(3):
        rng.integers(1)
    return rng


def test_the_seed_fixes_a_mask() -> None:
    first, again = (Mover(REAL).move(128, np.random.default_rng(5)) for _ in range(2))
    assert np.array_equal(first.labels, again.labels)
    assert first.as_dict() == again.as_dict()
    assert first.labels.dtype == np.int32
    assert not np.array_equal(first.labels, Mover(REAL).move(128, np.random.default_rng(6)).labels)


def test_tissue_without_background_is_bent_and_numbered() -> None:
    tissue = SIMULATORS["tissue"](0, 192)
    made = Mover([tissue]).move(128, np.random.default_rng(0))
    assert (made.labels > 0).mean() == pytest.approx((tissue.labels > 0).mean(), abs=0.15)
    assert made.labels.max() == len(np.unique(made.labels)) - 1
    assert made.as_dict() == {
        "name": tissue.name, "names": [tissue.name], "exchanged": 0, "y": made.place[0], "x": made.place[1]
    }  # fmt: skip
