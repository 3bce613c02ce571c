"""Similarity to real images equals scikit-image's, and copies are found however they are turned."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity

from napari_organoid_synth.core.metrics.nearest import COPY_SSIM, MAX_COPY_SSIM, Nearest, shrink, ssim
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.tiling import orient


def texture(seed: int, size: int = 128, channels: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.stack([gaussian_filter(rng.normal(size=(size, size)), 3) for _ in range(channels)])


def tile(name: str, image: np.ndarray, source: str = "") -> SamplePair:
    image = (30_000 + 60_000 * image).astype(np.uint16)
    return SamplePair(name, image, np.zeros(image.shape[1:], np.int32), source=Source(files=(source or name,)))


def test_ssim_equals_scikit_image() -> None:
    rng = np.random.default_rng(0)
    a = rng.random((2, 40, 56))
    b = rng.random((3, 2, 40, 56)) + 2 * a
    expected = [
        structural_similarity(
            a, other, data_range=3.0, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        for other in b
    ]
    np.testing.assert_allclose(ssim(a, b, data_range=3.0), expected, rtol=1e-12)
    np.testing.assert_allclose(ssim(a, a[None]), 1.0)


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("flip", [False, True])
def test_a_copy_is_found_in_every_orientation(turns: int, flip: bool) -> None:
    real = [tile(f"real_{seed}", texture(seed)) for seed in range(5)]
    metric = Nearest().fit(real)
    copy = real[3].replace(image=orient(real[3].image, turns, flip))
    judgement = metric.judge(copy)
    assert judgement.values["nearest"] == pytest.approx(1.0, abs=1e-5)
    assert judgement.nearest == 3
    assert judgement.flag == "copy"
    assert judgement.message == "a copy of a real image"


def test_something_new_is_no_copy_and_its_value_is_the_exact_maximum() -> None:
    real = [tile(f"real_{seed}", texture(seed, channels=2)) for seed in range(4)]
    metric = Nearest().fit(real)
    new = tile("new", 0.5 * texture(9, channels=2) + 0.5 * texture(2, channels=2))
    judgement = metric.judge(new)
    limits = metric._limits[:, :, None, None]

    def unit(pair: SamplePair) -> np.ndarray:
        return (pair.image - limits[:, 0]) / (limits[:, 1] - limits[:, 0])

    expected = max(
        structural_similarity(
            unit(new),
            orient(unit(pair), turns, flip),
            data_range=1.0,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
        for pair in real
        for turns in range(4)
        for flip in (False, True)
    )
    assert judgement.values["nearest"] == pytest.approx(expected, abs=1e-4)
    assert judgement.nearest == 2
    assert judgement.flag == ""
    assert judgement.message == "not a copy"


def test_candidates_include_the_copy_among_many() -> None:
    real = [tile(f"real_{seed}", texture(seed, size=64)) for seed in range(40)]  # 320 orientations, 64 compared
    metric = Nearest().fit(real)
    rng = np.random.default_rng(0)
    for index in (0, 17, 39):
        noisy = texture(index, size=64) + 0.003 * rng.normal(size=(1, 64, 64))
        assert metric.judge(tile("copy", noisy)).nearest == index


def test_threshold_rises_where_real_images_are_alike() -> None:
    base = texture(0)
    alike = [tile(f"real_{seed}", base + 0.01 * texture(seed)) for seed in (1, 2, 3)]
    found = Nearest().fit(alike)
    assert COPY_SSIM < found.threshold <= MAX_COPY_SSIM
    assert Nearest().fit([tile("a", texture(1)), tile("b", texture(2))]).threshold == COPY_SSIM
    one_source = Nearest().fit([tile("a", base, "same.tif"), tile("b", base + 0.01 * texture(2), "same.tif")])
    assert one_source.threshold == COPY_SSIM
    assert one_source.ranges == {}


def test_shrink_is_the_mean_of_blocks_or_antialiased() -> None:
    image = np.random.default_rng(0).random((2, 256, 128)).astype(np.float32)
    small = shrink(image, 64)
    assert small.shape == (2, 64, 64)
    assert small[1, 3, 5] == pytest.approx(image[1, 12:16, 10:12].mean(), rel=1e-6)
    odd = shrink(np.full((1, 100, 90), 0.25, np.float32), 64)
    np.testing.assert_allclose(odd, 0.25, rtol=1e-6)


def test_samples_of_another_size_are_compared_too() -> None:
    real = [tile(f"real_{seed}", texture(seed, size=128)) for seed in range(3)]
    metric = Nearest().fit(real)
    large = real[1].replace(
        image=np.kron(real[1].image, np.ones((1, 2, 2), np.uint16)), labels=np.zeros((256, 256), np.int32)
    )
    value, index = metric.find(large)
    assert index == 1
    assert value == pytest.approx(1.0, abs=1e-5)
