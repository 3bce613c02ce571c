"""Copies are caught, fresh tiles are not: on textures, simulated and real images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from imageio.v3 import imread
from scipy.ndimage import gaussian_filter

from napari_organoid_synth.core.distances import euclidean
from napari_organoid_synth.core.metrics.memorisation import (
    Space,
    data_copying,
    orientations,
    signature,
    turned_signatures,
)
from napari_organoid_synth.core.pairs.tiling import orient
from napari_organoid_synth.core.registry import EXTRACTORS
from napari_organoid_synth.core.simulators.em import em


def test_a_signature_is_a_correlation_and_orientations_are_eight() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.random((2, 1, 32, 32))
    correlation = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    distance = float(np.linalg.norm(signature(a) - signature(b)))
    assert distance == pytest.approx(np.sqrt(2 - 2 * correlation), rel=1e-4)
    assert len({way.tobytes() for way in orientations(a)}) == 8
    np.testing.assert_array_equal(orientations(a)[0], a)
    assert not signature(np.full((1, 64, 64), 0.3)).any()


def test_the_limit_is_what_real_tiles_of_other_images_reach() -> None:
    rng = np.random.default_rng(1)
    images = rng.random((6, 1, 32, 32))
    images[1] = orient(images[0], 1, True) + 0.02 * rng.random((1, 32, 32))  # of the same image: does not count
    images[5] = orient(images[4], 3, False) + 0.3 * rng.random((1, 32, 32))  # of another: does
    space = Space(turned_signatures(images), ["a", "a", "b", "c", "d", "e"])
    bank = turned_signatures(images).reshape(6, 8, -1)
    assert space.limit == pytest.approx(euclidean(bank[5, :1], bank[4]).min() * (1 - 1 / 5), rel=1e-5)
    copy = signature(orient(images[2], 2, True) + 0.1 * rng.random((1, 32, 32))).reshape(1, -1)
    new = signature(rng.random((1, 32, 32))).reshape(1, -1)
    assert space.ratio(copy) < 1 < space.ratio(new)
    alone = Space(turned_signatures(images[:2]), ["a", "a"])
    assert np.isnan(alone.limit)
    assert alone.ratio(copy) == np.inf


def test_images_that_are_in_twice_set_no_limit_of_zero() -> None:
    images = np.random.default_rng(2).random((4, 1, 32, 32))
    images[1] = images[0]
    assert Space(turned_signatures(images), list("abcd")).limit > 0.1


def test_the_distance_from_the_cloud_by_hand_and_by_brute_force() -> None:
    line = np.arange(10.0)[:, None, None]  # the 5th neighbour of an inner point is 3 away, of the next ones 3, 4, 5
    space = Space(line, [str(index) for index in range(10)])
    assert space.outside(np.array([[4.0], [4.5], [10.0], [27.0]])).tolist() == pytest.approx(
        [0, 0.5 / 3, 3 / 3, 20 / 3]
    )

    rng = np.random.default_rng(3)
    real, fake = rng.normal(size=(30, 4)), rng.normal(0, 2, (20, 4))
    ball = np.array([np.sort(np.linalg.norm(one - real, axis=1))[5] for one in real])
    kept = ball <= np.median(ball)
    realism = [(ball[kept] / np.linalg.norm(one - real[kept], axis=1)).max() for one in fake]  # eq. 3 of 1904.06991
    found = Space(real[:, None], [str(index) for index in range(30)]).outside(fake)
    np.testing.assert_allclose(found, 1 / np.array(realism))
    near = Space(np.repeat(real, 2, 0)[:, None] + 0.01 * rng.normal(size=(60, 1, 4)), [str(i // 2) for i in range(60)])
    assert (near.outside(fake) < 1.5 * found).all()  # tiles of one image are no neighbours of each other
    one = Space(real[:, None], ["a"] * 30)
    np.testing.assert_allclose(one.outside(fake), found)
    assert np.isinf(Space(real[:1, None], ["a"]).outside(fake)).all()


def test_the_three_sample_test_knows_its_numbers() -> None:
    rng = np.random.default_rng(3)
    found = data_copying([np.array([1.0, 2.0]), rng.random(2)], [np.array([3.0, 4.0, 0.5]), np.zeros(3)], 9)
    assert found.nearer == pytest.approx(4 / 6)  # 1 and 2 lie below 3 and 4
    assert (found.n_unseen, found.n_images) == (3, 9)
    p = [data_copying([rng.normal(size=30)], [rng.normal(size=20)], 9).p for _ in range(300)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.035)
    copied = data_copying([rng.normal(-2, 1, 30)], [rng.normal(size=20)], 3)
    assert copied.p < 1e-4
    assert "repeats what it has seen (only 3 independent unseen images" in copied.message


def read_nuclei(folder: Path) -> dict[str, np.ndarray]:
    """Grey images (Y, X) of at least 256 px, by name."""
    images = {file.stem: imread(file) for file in sorted((folder / "images").glob("fluorescence_*.png"))}
    return {name: image for name, image in images.items() if image.ndim == 2 and min(image.shape) >= 256}


@pytest.mark.parametrize("name", ["simulated em", "nuclei_dsb2018"])
def test_rates_on_images(image_set: Callable[[str], Path], name: str) -> None:
    """Turned, noisy copies of training tiles against tiles of other images of the same kind."""
    if name == "simulated em":
        images, side = {f"em{seed}": em(seed, 128).image[0] for seed in range(30)}, 64
    else:
        images, side = read_nuclei(image_set(name)), 128
    rng = np.random.default_rng(4)
    tiles, sources = [], []
    for key in rng.permutation(sorted(images)):
        image = images[key]
        high = max(float(np.percentile(image, 99.9)), 1.0)
        for y, x in ((0, 0), (side, side)):
            tiles.append((image[y : y + side, x : x + side] / high).astype(np.float32)[None])
            sources.append(str(key))
    n = len(tiles) // 2 // 2 * 2  # half of the images to train, the others are fresh and unseen
    train, others = tiles[:n], tiles[n:]
    middle = len(others) // 4 * 2
    extractor = EXTRACTORS.load("random")(1)
    spaces = {
        "pixels": Space(turned_signatures(train), sources[:n]),
        "features": Space(np.stack([extractor(orientations(tile)) for tile in train]), sources[:n]),
    }

    def vectors(space: str, images: list[np.ndarray]) -> np.ndarray:
        if space == "features":
            return extractor(images)
        return np.stack([signature(image).ravel() for image in images])

    copies = [
        orient(tile, index % 4, index % 2 == 0) + rng.normal(0, 0.05, tile.shape) for index, tile in enumerate(train)
    ]
    rate = {
        kind: float((np.minimum(*(spaces[name].ratio(vectors(name, images)) for name in spaces)) < 1).mean())
        for kind, images in (("copies", copies), ("fresh", others))
    }
    print(f"flagged: {rate}, {n} training tiles, {len(others)} fresh")
    assert rate["copies"] > 0.9
    assert rate["fresh"] < 0.1

    def test(images: list[np.ndarray]) -> float:
        near = [[spaces[name].nearest(vectors(name, part)) for name in spaces] for part in (images, others[middle:])]
        return data_copying(*near, n_images=len(set(sources[n + middle :]))).p

    assert test(copies) < 1e-6
    assert test(others[:middle]) > 0.01


def planes(seed: int) -> list[np.ndarray]:
    """Two focal planes of one object, the second out of focus."""
    sharp = gaussian_filter(np.random.default_rng(seed).normal(size=(64, 64)), 4)
    return [sharp[None], gaussian_filter(sharp, 2)[None]]


def test_planes_of_one_object_do_not_hide_copies() -> None:
    tiles = [plane for seed in range(6) for plane in planes(seed)]
    tiles = [(tile - tile.min()) / np.ptp(tile) for tile in tiles]
    vectors = turned_signatures(tiles)
    by_image = Space(vectors, [f"object{index // 2}_z{index % 2}" for index in range(12)])
    by_object = Space(vectors, [f"object{index // 2}" for index in range(12)])
    within = min(euclidean(vectors[2 * one, :1], vectors[2 * one + 1, :1]).item() for one in range(6))
    assert by_image.limit == pytest.approx(within * (1 - 1 / 12), rel=1e-5)  # the planes of one object
    apart = [euclidean(vectors[a, :1], vectors[b]).min() for a in range(12) for b in range(12) if a // 2 != b // 2]
    assert by_object.limit == pytest.approx(min(apart) * (1 - 1 / 6), rel=1e-5)
    assert by_object.limit > 3 * by_image.limit
    blurred = np.stack([signature(gaussian_filter(tile, (0, 3, 3))).ravel() for tile in tiles[::2]])
    assert (by_object.ratio(blurred) < 1).all()
    assert (by_image.ratio(blurred) < 1).mean() < 0.5  # what it was before
    fresh = np.stack([signature(planes(seed)[0]).ravel() for seed in range(100, 130)])
    assert (by_object.ratio(fresh) < 1).mean() <= 0.1


def test_blocks_that_touch_set_no_limit() -> None:
    rng = np.random.default_rng(5)
    walk = np.cumsum(rng.normal(size=(10, 1, 32, 32)), axis=0)  # slices of a volume: neighbours are alike
    vectors = turned_signatures(list((walk - walk.min()) / np.ptp(walk)))
    blocks = [f"series, block {1 + index // 2}" for index in range(10)]
    space = Space(vectors, blocks)
    apart = [euclidean(vectors[a, :1], vectors[b]).min() for a in range(10) for b in range(10) if b // 2 - a // 2 > 1]
    assert space.limit == pytest.approx(min(apart) * (1 - 1 / 5), rel=1e-5)
    assert space.limit > 1.2 * Space(vectors, [str(index) for index in range(10)]).limit
