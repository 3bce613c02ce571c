"""Scores equal those of torchmetrics on random input; where a definition differs, the test says how."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_organoid_synth.core.distances import (
    frechet_distance,
    kernel_distance,
    kid_of_subsets,
)
from napari_organoid_synth.core.metrics.full_reference import compare, uqi
from napari_organoid_synth.core.metrics.nearest import ssim

pytest.importorskip("torchmetrics")
pytestmark = [
    pytest.mark.filterwarnings("ignore:Metric `:UserWarning"),
    pytest.mark.filterwarnings("ignore:pkg_resources:UserWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Same(torch.nn.Module):
    """Gives the features that it is given, so that torchmetrics computes on ours."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.num_features = number

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features.double()


def two_sets(n: int, m: int, d: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(n, d)), rng.normal(0.3, 1.4, (m, d)) @ rng.normal(size=(d, d)) / np.sqrt(d)


def fill(metric, x: NDArray[np.float64], y: NDArray[np.float64]):
    metric.update(torch.from_numpy(x), real=True)
    metric.update(torch.from_numpy(y), real=False)
    return metric.compute()


def test_fid() -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance

    x, y = two_sets(90, 70, 12)
    oracle = FrechetInceptionDistance(feature=Same(12)).set_dtype(torch.float64)
    assert frechet_distance(x, y) == pytest.approx(float(fill(oracle, x, y)), rel=1e-6)


def test_fid_of_more_vectors_than_fit_into_a_block(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchmetrics.image.fid import FrechetInceptionDistance

    monkeypatch.setattr("napari_organoid_synth.core.distances.BLOCK", 64)
    x, y = two_sets(1000, 700, 12)
    oracle = FrechetInceptionDistance(feature=Same(12)).set_dtype(torch.float64)
    assert frechet_distance(x, y) == pytest.approx(float(fill(oracle, x, y)), rel=1e-6)


def test_kid_of_all_and_of_subsets() -> None:
    from torchmetrics.image.kid import KernelInceptionDistance

    x, y = two_sets(60, 60, 12)
    mean, spread = fill(KernelInceptionDistance(feature=Same(12), subsets=1, subset_size=60), x, y)
    assert kernel_distance(x, y) == pytest.approx(float(mean), rel=1e-5)
    assert float(spread) == 0

    torch.manual_seed(0)
    mean, spread = fill(KernelInceptionDistance(feature=Same(12), subsets=400, subset_size=30), x, y)
    found = kid_of_subsets(x, y, subsets=400, size=30)
    ours, sd = found.mean(), found.std()
    assert ours == pytest.approx(float(mean), abs=4 * sd / 20)
    assert sd == pytest.approx(float(spread), rel=0.2)
    assert ours == pytest.approx(kernel_distance(x, y), abs=4 * sd / 20)  # unbiased
    whole = kid_of_subsets(x, y, subsets=3, size=1000)
    np.testing.assert_allclose(whole, kernel_distance(x, y), rtol=1e-9)


def images() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(1)
    a = gaussian_filter(rng.random((2, 40, 48)), (0, 1, 1))
    a = (a - a.min()) / np.ptp(a)
    return a, np.clip(a[None] + rng.normal(0, 0.1, (3, 2, 40, 48)), 0, 1)


def test_ssim_psnr_and_mse() -> None:
    from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure
    from torchmetrics.functional.regression import mean_squared_error

    a, b = images()
    found = compare(a, b)
    for index, one in enumerate(b):
        x, y = torch.from_numpy(a[None]), torch.from_numpy(one[None])
        # torchmetrics also averages over the edge, where it mirrors the image; as scikit-image, ours leaves it out
        _, full = structural_similarity_index_measure(x, y, data_range=1.0, return_full_image=True)
        assert ssim(a, b)[index] == pytest.approx(float(full[..., 5:-5, 5:-5].mean()), abs=1e-6)
        assert found[index, 3] == pytest.approx(float(peak_signal_noise_ratio(x, y, data_range=1.0)), rel=1e-6)
        expected = float(mean_squared_error(255 * x.flatten(), 255 * y.flatten()))
        assert found[index, 4] == pytest.approx(expected, rel=1e-6)


def test_uqi_is_the_same_formula_over_other_windows() -> None:
    """Torchmetrics weighs an 11 × 11 window by a Gaussian; the paper, and ours, takes all 8 × 8 windows evenly."""
    from torchmetrics.functional.image import universal_image_quality_index

    a, b = images()

    def formula(mean) -> NDArray[np.float64]:
        m, n = mean(a)[None], mean(b)
        both = mean(a * a)[None] - m**2 + mean(b * b) - n**2
        return (4 * (mean(a[None] * b) - m * n) * m * n / (both * (m**2 + n**2))).mean((1, 2, 3))

    def gaussian(one: NDArray[np.float64]) -> NDArray[np.float64]:
        sigma = (0,) * (one.ndim - 2) + (1.5, 1.5)
        return gaussian_filter(one, sigma, radius=(0,) * (one.ndim - 2) + (5, 5))[..., 5:-5, 5:-5]

    def even(one: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.lib.stride_tricks.sliding_window_view(one, (8, 8), (-2, -1)).mean((-2, -1))

    theirs = [float(universal_image_quality_index(torch.from_numpy(a[None]), torch.from_numpy(one[None]))) for one in b]
    np.testing.assert_allclose(formula(gaussian), theirs, atol=1e-5)
    np.testing.assert_allclose(formula(even), uqi(a, b), atol=1e-9)
    assert np.abs(uqi(a, b) - theirs).max() > 0.01
