"""Scores of image pairs equal scikit-image's, and UQI a loop over windows."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import metrics as sk

from napari_organoid_synth.core.metrics.full_reference import (
    NAMES,
    compare,
    mean_squared_error,
    mutual_information,
    uqi,
)


def images(n: int = 3, channels: int = 2, size: tuple[int, int] = (24, 31)) -> np.ndarray:
    found = np.random.default_rng(0).random((n, channels, *size))
    found[:, :, 0, 0], found[:, :, 0, 1] = 0, 1  # so that scikit-image's bins, which span the data, are ours
    return found


def test_against_scikit_image() -> None:
    a, *others = images(4)
    b = np.stack(others)
    found = dict(zip(NAMES, compare(a, b).T, strict=True))
    for index, other in enumerate(others):
        ssim = sk.structural_similarity(
            a, other, data_range=1.0, channel_axis=0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
        )
        assert found["ssim"][index] == pytest.approx(ssim, rel=1e-9)
        assert found["mse"][index] == pytest.approx(255**2 * sk.mean_squared_error(a, other), rel=1e-12)
        assert found["psnr"][index] == pytest.approx(sk.peak_signal_noise_ratio(a, other, data_range=1.0), rel=1e-12)
        nmi = [
            2 * (1 - 1 / sk.normalized_mutual_information(one, two, bins=64)) for one, two in zip(a, other, strict=True)
        ]
        assert found["nmi"][index] == pytest.approx(np.mean(nmi), rel=1e-9)


def test_uqi_is_that_of_a_loop_over_windows() -> None:
    a, b = images(2)
    values = []
    for channel in range(2):
        for y in range(24 - 8 + 1):
            for x in range(31 - 8 + 1):
                p, q = (one[channel, y : y + 8, x : x + 8] for one in (a, b))
                covariance = ((p - p.mean()) * (q - q.mean())).mean()
                values.append(
                    4 * covariance * p.mean() * q.mean() / ((p.var() + q.var()) * (p.mean() ** 2 + q.mean() ** 2))
                )
    assert uqi(a, b[None])[0] == pytest.approx(np.mean(values), rel=1e-9)


def test_uqi_of_a_shift_and_of_plain_images() -> None:
    a = images(1, 1)[0]
    means = np.lib.stride_tricks.sliding_window_view(a[0], (8, 8)).mean((2, 3))
    expected = (2 * means * (means + 0.5) / (means**2 + (means + 0.5) ** 2)).mean()  # structure and contrast agree
    assert uqi(a, a[None] + 0.5)[0] == pytest.approx(expected, rel=1e-9)
    plain = np.full((1, 20, 20), 0.3)
    assert uqi(plain, plain[None])[0] == 1
    assert uqi(plain, plain[None] + 0.1)[0] == 0
    assert uqi(plain * 0, plain[None] * 0)[0] == 1


def test_an_image_and_itself() -> None:
    a = images(1)[0]
    assert dict(zip(NAMES, compare(a, a[None])[0], strict=True)) == pytest.approx(
        {"ssim": 1, "uqi": 1, "nmi": 1, "psnr": 100, "mse": 0}
    )
    assert mutual_information(a * 0, a[None] * 0)[0] == 0


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_integers_do_not_wrap(dtype: type) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.integers(0, 256, (2, 3, 64, 64)).astype(dtype)
    assert mean_squared_error(a, b[None])[0] == mean_squared_error(a.astype(float), b.astype(float)[None])[0]
    assert mean_squared_error(a, b[None])[0] == pytest.approx(2 * (256**2 - 1) / 12, rel=0.05)  # 10 923, not 105.5
    wrapped = float(((a.astype(np.uint8) - b.astype(np.uint8)) ** 2).astype(np.uint8).mean())
    assert 100 < wrapped < 130  # what 8-bit arithmetic makes of it, whatever the images
