"""Skeletons drawn by hand, and membranes beside blobs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.morphology import skeletonize

from napari_organoid_synth.core.metrics.mask_consistency import MaskConsistency
from napari_organoid_synth.core.metrics.network import (
    Network,
    is_thin,
    junctions,
    length,
    only_thin,
    skeleton,
    thin_classes,
)
from napari_organoid_synth.core.metrics.objects import Objects
from napari_organoid_synth.core.pairs.pair import SamplePair


def drawing(text: str) -> NDArray[np.bool_]:
    return np.array([[letter == "#" for letter in line] for line in text.split()])


PLUS = drawing("""
    ...#...
    ...#...
    ...#...
    #######
    ...#...
    ...#...
    ...#...
""")
STEPS = drawing("""
    ##.....
    .##....
    ..##...
    ...####
""")
TEE = drawing("""
    #######
    ...#...
    ...#...
""")
RING = drawing("""
    ..###..
    .#...#.
    .#...#.
    ..###..
""")


def test_lengths_and_junctions_drawn_by_hand() -> None:
    assert (length(PLUS), junctions(PLUS)) == (12, 1)
    assert (length(STEPS), junctions(STEPS)) == (9, 0)  # no diagonal beside two straight steps
    assert (length(TEE), junctions(TEE)) == (8, 1)
    assert (length(RING), junctions(RING)) == (pytest.approx(6 + 4 * np.sqrt(2)), 0)
    assert length(np.eye(5, dtype=bool)[::-1]) == pytest.approx(4 * np.sqrt(2))
    nothing = np.zeros((5, 5), bool)
    assert (length(nothing), junctions(nothing)) == (0, 0)


def mesh(side: int = 96, cell: int = 24, width: int = 3, shift: int = 0) -> NDArray[np.int32]:
    """Straight membranes around square cells."""
    y, x = np.indices((side, side)) + shift
    return ((y % cell < width) | (x % cell < width)).astype(np.int32)


def test_a_mesh_of_known_length() -> None:
    lines = skeleton(mesh(96, 24, 3, 11))  # four lines each way, 13, 37, 61 and 85
    np.testing.assert_array_equal(lines, skeletonize(mesh(96, 24, 3, 11) > 0))
    assert junctions(lines) == 16
    assert length(lines) == pytest.approx(2 * 4 * 95, abs=2 * 4 * 4)  # a little is lost at the ends


def blobs(side: int = 96) -> NDArray[np.int32]:
    y, x = np.indices((side, side))
    labels = np.zeros((side, side), np.int32)
    for cy, cx in ((20, 20), (20, 70), (70, 45)):
        labels[((y - cy) / 9) ** 2 + ((x - cx) / 16) ** 2 < 1] = 1
    return labels


def test_membranes_are_thin_and_mitochondria_are_not() -> None:
    assert is_thin([mesh()])
    assert not is_thin([blobs()])
    assert is_thin([drawing("." * 40 + " " + "#" * 40 + " " + "." * 40)])
    assert not is_thin([np.zeros((9, 9))])
    both = np.where(blobs() > 0, 2, mesh())
    pairs = [SamplePair(f"p{k}", np.zeros((1, 96, 96)), both, "classes", ("membrane", "organelle")) for k in range(3)]
    assert thin_classes(pairs) == (1,)
    assert not only_thin(pairs)
    membranes = [pair.replace(labels=mesh(shift=5 * k)) for k, pair in enumerate(pairs)]
    assert only_thin(membranes)
    assert thin_classes([SamplePair("cells", np.zeros((1, 96, 96)), mesh(), "instances")]) == ()


def membranes(number: int) -> list[SamplePair]:
    rng = np.random.default_rng(0)
    found = []
    for index in range(number):
        labels = mesh(96, int(rng.integers(20, 26)), 3, int(rng.integers(0, 20)))
        image = (200 - 100 * labels + rng.normal(0, 5, labels.shape))[None]
        found.append(SamplePair(f"m{index}", image, labels, "binary"))
    return found


def test_a_torn_network_is_unlike_real_ones_though_it_covers_as_much() -> None:
    real = membranes(12)
    network, objects = Network().fit(real), Objects().fit(real)
    assert set(network.ranges) == {"skeleton", "junctions"}
    assert set(objects.ranges) == {"covered"}  # pieces of a network are not counted
    assert network.judge(real[0]).message == ""
    y, x = np.indices((96, 96))
    torn = real[0].replace(labels=real[0].labels * ((y % 6 > 1) | (x % 6 > 1)) * (y % 12 > 3))
    assert network.judge(torn).message.startswith("network: shorter")
    assert "than real" not in objects.judge(torn).message
    fits = MaskConsistency().fit(real)
    assert all(np.isfinite(value) for value in fits(torn).values())


def test_where_nothing_is_thin_networks_are_not_judged() -> None:
    pairs = [SamplePair(f"b{k}", np.zeros((1, 96, 96)), np.roll(blobs(), 3 * k, 1), "binary") for k in range(4)]
    metric = Network().fit(pairs)
    assert metric.ranges == metric.real_values == {}
    assert metric.judge(pairs[0]).message == ""
    assert set(Objects().fit(pairs).ranges) == {"objects", "mean_area", "covered"}
