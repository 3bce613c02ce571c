"""Rules that hold on simulated and real images: equal sets, copies, the other half of the data, masks of others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from imageio.v3 import imread
from numpy.typing import NDArray

from napari_organoid_synth.core.distances import radii
from napari_organoid_synth.core.metrics.base import intensity_limits
from napari_organoid_synth.core.metrics.extractors.random import Random
from napari_organoid_synth.core.metrics.full_reference import NAMES, compare
from napari_organoid_synth.core.metrics.mask_consistency import MaskConsistency
from napari_organoid_synth.core.metrics.memorisation import Space, signature, turned_signatures
from napari_organoid_synth.core.metrics.nearest import COPY_SSIM, Nearest
from napari_organoid_synth.core.metrics.set_measures import (
    FEATURE_SCORES,
    IMAGE_SCORES,
    PAIR_SCORES,
    feature_measure,
    image_measure,
    mask_measure,
)
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.metrics.tile_facts import look
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, Source
from napari_organoid_synth.core.pairs.tiling import orient
from napari_organoid_synth.core.scores.arrays import score_sets
from napari_organoid_synth.core.simulators.simulate import em

SETS = {
    "nuclei_dsb2018": ("masks", 256, "instances"),
    "drosophila_vnc_em": ("masks/mitochondria", 256, "binary"),
    "spheroids_microwell_phase": ("masks", 384, "binary"),
}
SIMULATED = "simulated em"
SIDE = 64  # px of its tiles; the images are twice as wide
Halves = tuple[list[SamplePair], list[SamplePair]]


@pytest.fixture(scope="module", params=[SIMULATED, *SETS])
def halves(request: pytest.FixtureRequest, image_set: Callable[[str], Path]) -> Halves:
    """Four tiles at most of each image, grey; whole images in one half or the other."""
    if request.param == SIMULATED:
        images, side = simulated(), SIDE
    else:
        masks, side, kind = SETS[request.param]
        images = read(image_set(request.param), masks, kind)
    parts: Halves = ([], [])
    for place, index in enumerate(np.random.default_rng(3).permutation(len(images))):
        pair = images[index]
        height, width = pair.size
        corners = [(y, x) for y in range(0, height - side + 1, side) for x in range(0, width - side + 1, side)]
        for y, x in [(y, x) for y, x in corners if pair.labels[y : y + side, x : x + side].any()][:4]:
            cut = np.s_[..., y : y + side, x : x + side]
            parts[place % 2].append(
                pair.replace(name=f"{pair.name}_{y}_{x}", image=pair.image[cut], labels=pair.labels[cut])
            )
    return parts


def simulated() -> list[SamplePair]:
    """Sixteen images of electron microscopy with masks of mitochondria."""
    return [
        pair.replace(
            labels=(pair.labels == 1).astype(np.int32),
            mask_kind="binary",
            class_names=("object",),
            source=Source(files=(pair.name,)),
        )
        for pair in (em(seed, 2 * SIDE) for seed in range(16))
    ]


def read(folder: Path, masks: str, kind: MaskKind) -> list[SamplePair]:
    """All images of a set that have a mask, in grey."""
    pairs = []
    for file in sorted((folder / "images").glob("*.png")):
        if (folder / masks / file.name).exists():
            image, labels = imread(file), imread(folder / masks / file.name).astype(np.int32)
            grey = image if image.ndim == 2 else image[..., :3].mean(-1).astype(image.dtype)
            labels = (labels > 0).astype(np.int32) if kind == "binary" else labels
            pairs.append(SamplePair(file.stem, grey[None], labels, kind, source=Source(files=(file.name,))))
    return pairs


def changed(pair: SamplePair, change: Callable[[NDArray], NDArray]) -> SamplePair:
    return pair.replace(image=np.ascontiguousarray(change(pair.image)))


def test_equal_sets_have_the_known_extreme_of_every_score(halves: Halves) -> None:
    mine = halves[0][:16]
    n = len(mine)
    limits = intensity_limits(mine)
    tiles = [look(pair, limits, 64, True) for pair in mine]
    real, fake = np.arange(n), np.arange(n, 2 * n)
    features = Random(1)([tile.image for tile in tiles])
    found = feature_measure(features, features)(real, fake)
    assert found["fid"] == pytest.approx(0, abs=1e-9)
    assert found["kid"] < 0  # unbiased: below zero, by the diagonals that are left out
    assert (found["precision"], found["recall"], found["coverage"], found["c2st"]) == (1, 1, 1, 0)
    distance = np.linalg.norm(features[:, None] - features, axis=2)
    ball = radii(distance, 5)
    inside = distance <= ball[:, None] * (1 + 1e-12)
    assert found["density"] == pytest.approx(inside.sum(0).mean() / 5)  # its own ball and those around it
    for tile in tiles:
        alike = dict(zip(NAMES, compare(tile.image, tile.image[None])[0], strict=True))
        assert alike == pytest.approx({"ssim": 1, "uqi": 1, "nmi": 1, "psnr": 100, "mse": 0}, abs=1e-6)
    both = [*tiles, *tiles]
    assert image_measure(both)(real, real) == image_measure(both)(real, fake)
    for name, value in mask_measure(both)(real, fake).items():
        assert value == 0 or (np.isnan(value) and mine[0].mask_kind == "binary"), name
    assert [Nearest().fit(mine)(pair)["nearest"] for pair in mine[:3]] == pytest.approx([1, 1, 1], abs=1e-4)


def test_copies_are_caught_and_the_other_half_is_not(halves: Halves) -> None:
    rng = np.random.default_rng(0)
    mine, others = (half[:24] for half in halves)
    limits, nearest = intensity_limits(mine), Nearest().fit(mine)
    sources = [pair.source.files[0] for pair in mine]
    space = Space(turned_signatures([look(pair, limits).image for pair in mine]), sources)

    def noise(image: NDArray) -> NDArray:
        return np.clip(image + rng.normal(0, 0.02 * 255, image.shape), 0, 255).astype(image.dtype)

    def caught(pairs: list[SamplePair]) -> tuple[float, float]:
        twins = [nearest(pair)["nearest"] >= COPY_SSIM for pair in pairs]
        vectors = np.stack([signature(look(pair, limits).image).ravel() for pair in pairs])
        return float(np.mean(twins)), float((space.ratio(vectors) < 1).mean())

    turned = [changed(pair, lambda image, k=k: orient(image, k % 4, k % 2 > 0)) for k, pair in enumerate(mine)]
    noisy = [changed(pair, noise) for pair in turned]
    assert caught(mine) == (1, 1)
    assert caught(turned) == (1, 1)
    twins, near = caught(noisy)
    assert twins >= 0.8  # noise in a dark background lowers SSIM; the second rule stands it
    assert near == 1
    twins, near = caught(others)
    assert twins <= 0.1
    assert near <= 0.2


def test_masks_of_other_images_are_caught(halves: Halves) -> None:
    mine, others = halves
    metric = MaskConsistency().fit(mine)
    right = [metric(pair)["fits"] < 0.5 for pair in others]
    strange = []
    for shift in (0, 1, 3, 7):  # neighbouring sections of a volume have nearly the same mask: more than one way to mix
        for index, pair in enumerate(others):
            masks = [one for one in others if one.source != pair.source]
            strange.append(metric(pair.replace(labels=masks[(index + shift) % len(masks)].labels))["fits"] < 0.5)
    assert np.mean(strange) >= 0.9
    assert np.mean(right) <= 0.2
    assert metric.useful


@pytest.mark.parametrize("kind", ["normal", "even"])
def test_pure_noise_is_never_within_the_range_of_the_originals(
    kind: str, halves: Halves, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_organoid_synth.core.metrics.sets.ROUNDS", 3)
    real, rng = halves[0][:16], np.random.default_rng(5)
    grey = np.stack([tile.image for tile in real])

    def noise(tile: SamplePair) -> SamplePair:
        shape, dtype = tile.image.shape, tile.image.dtype
        values = rng.normal(grey.mean(), grey.std(), shape) if kind == "normal" else rng.uniform(0, grey.max(), shape)
        return tile.replace(image=np.clip(values, 0, grey.max()).astype(dtype), source=Source("synthetic"))

    found = score_sets(real, [noise(tile) for tile in real], ScoreSettings(extractor="random", device="cpu"))
    names = {score.name for score in (*FEATURE_SCORES, *PAIR_SCORES, *IMAGE_SCORES)}
    verdicts = {one.name: one.verdict for one in found.scores if one.name in names}
    assert verdicts.keys() == names
    assert not {name for name, verdict in verdicts.items() if verdict in ("within", "nearer")}
