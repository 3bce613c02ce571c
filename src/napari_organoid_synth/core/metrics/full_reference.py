"""Scores that compare one image with another: SSIM, UQI, mutual information, PSNR, MSE.

A synthetic image has no counterpart, so the published use is to compare every synthetic image with every real one and
to average; what real images reach among each other is the value to expect, not 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.nearest import ssim

WINDOW = 8
BINS = 64
GREYS = 255.0  # the range 0–1 of an image, in the units in which MSE is published
NAMES = ("ssim", "uqi", "nmi", "psnr", "mse")


def uqi(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    r"""Compute the universal quality index (Wang & Bovik 2002) of one image with many.

    .. math:: Q = \frac{4 σ_{ab} μ_a μ_b}{(σ_a^2 + σ_b^2)(μ_a^2 + μ_b^2)}

    averaged over all 8 × 8 windows and channels. Where the denominator vanishes a window counts 1 if both are equal,
    else 0.

    Parameters
    ----------
    a : NDArray (C, Y, X)
        At least 8 px high and wide; any number type, computed as float64.
    b : NDArray (N, C, Y, X)
        Of the same size.

    Returns
    -------
    NDArray (N,) float64, in [-1, 1]
    """
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    mean_a, mean_b = _windows(a), _windows(b)
    variances = _windows(a * a) - mean_a**2 + _windows(b * b) - mean_b**2
    # rounding errors of differences of equal numbers
    variances[variances < 1e-9 * (mean_a**2 + mean_b**2)] = 0
    below = variances * (mean_a**2 + mean_b**2)
    equal = np.broadcast_to(np.isclose(mean_a, mean_b, rtol=1e-6, atol=1e-12), below.shape)
    above = 4 * (_windows(a * b) - mean_a * mean_b) * mean_a * mean_b
    qualities = np.where(equal & (variances == 0), 1.0, 0.0)
    np.divide(above, below, out=qualities, where=below > 0)
    return np.asarray(qualities.mean((1, 2, 3)))


def _windows(images: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the mean of every whole 8 × 8 window over the last two axes."""
    from scipy.ndimage import uniform_filter

    size = (1,) * (images.ndim - 2) + (WINDOW, WINDOW)
    means: NDArray[np.float64] = uniform_filter(images, size)
    half = WINDOW // 2  # the middle of an even window lies right of its centre
    return means[..., half : images.shape[-2] - half + 1, half : images.shape[-1] - half + 1]


def mutual_information(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Compute the normalised mutual information 2 I / (H_a + H_b) of one image with many, mean over channels.

    Of a joint histogram with 64 bins on 0–1 (what lies outside counts in the outermost). In [0, 1]: 1 for equal images,
    0 for two plain ones; scikit-image's, in [1, 2], is another normalisation.

    Parameters
    ----------
    a : NDArray (C, Y, X) float
        The range is 0–1.
    b : NDArray (N, C, Y, X) float
        Of the same size.
    """
    bins_a, bins_b = (np.clip((one * BINS).astype(np.int64), 0, BINS - 1) for one in (a, b))
    information = np.zeros((len(b), len(a)))
    for index, image in enumerate(bins_b):
        for channel in range(len(a)):
            pairs = bins_a[channel].ravel() * BINS + image[channel].ravel()
            joint = np.bincount(pairs, minlength=BINS * BINS).reshape(BINS, BINS) / pairs.size
            parts = _entropy(joint.sum(1)) + _entropy(joint.sum(0))
            information[index, channel] = 2 * (1 - _entropy(joint.ravel()) / parts) if parts > 0 else 0.0
    return np.asarray(information.mean(1))


def _entropy(shares: NDArray[np.float64]) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def mean_squared_error(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Compute the mean squared error of one image (C, Y, X) with many (N, C, Y, X), (N,) float64."""
    difference = b.astype(np.float64) - a.astype(np.float64)
    return np.asarray((difference**2).mean((1, 2, 3)))


def compare(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Compute all scores of `NAMES` of one image with many, (N, 5).

    Parameters
    ----------
    a : NDArray (C, Y, X) float
        The range is 0–1, the values may leave it. MSE is given for 0–255; PSNR is 10 log₁₀(R² / MSE), 100 dB at most.
    b : NDArray (N, C, Y, X) float
        Of the same size.
    """
    error = mean_squared_error(a, b) * GREYS**2
    psnr = np.minimum(10 * np.log10(GREYS**2 / np.maximum(error, 1e-12)), 100.0)
    return np.stack([ssim(a, b), uqi(a, b), mutual_information(a, b), psnr, error], 1)
