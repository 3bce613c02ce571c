"""Scores that compare one image with another: SSIM, UQI, mutual information, PSNR, MSE.

A synthetic image has no counterpart, so the published use is to compare every synthetic image with every real one and
to average; what real images reach among each other is the value to expect, not 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.nearest import smoothed, ssim

WINDOW = 8
BINS = 64
GREYS = 255.0  # the range 0–1 of an image, in the units in which MSE is published
NAMES = ("ssim", "uqi", "nmi", "psnr", "mse")


class Others:
    """Images that many are compared with; what depends on them alone is computed once.

    Parameters
    ----------
    images : NDArray (N, C, Y, X) float
        The range is 0–1, the values may leave it; at least 11 px high and wide.
    """

    def __init__(self, images: NDArray[Any]) -> None:
        self._images = images
        self._smooth = smoothed(images)
        self._exact = np.asarray(images, np.float64)
        self._means, self._squares = _windows(self._exact), _windows(self._exact * self._exact)
        self._bins = _bins(images)

    def compare(self, image: NDArray[Any]) -> NDArray[np.float64]:
        """Compute all scores of `NAMES` of one image (C, Y, X) with each of these, (N, 5)."""
        error = mean_squared_error(image, self._exact) * GREYS**2
        psnr = np.minimum(10 * np.log10(GREYS**2 / np.maximum(error, 1e-12)), 100.0)
        similarity = ssim(image, self._images, smooth=self._smooth)
        quality = _uqi(np.asarray(image, np.float64), self._exact, self._means, self._squares)
        return np.stack([similarity, quality, _information(_bins(image), self._bins), psnr, error], 1)


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
    return _uqi(a, b, _windows(b), _windows(b * b))


def _uqi(
    a: NDArray[np.float64], b: NDArray[np.float64], mean_b: NDArray[np.float64], square_b: NDArray[np.float64]
) -> NDArray[np.float64]:
    mean_a = _windows(a)
    levels = mean_a**2 + mean_b**2
    variances = _windows(a * a) - mean_a**2 + square_b - mean_b**2
    # rounding errors of differences of equal numbers
    variances[variances < 1e-9 * levels] = 0
    below = variances * levels
    product = mean_a * mean_b
    above = 4 * (_windows(a * b) - product) * product
    qualities = np.zeros(below.shape)
    flat = variances == 0
    if flat.any():
        qualities[flat & np.isclose(mean_a, mean_b, rtol=1e-6, atol=1e-12)] = 1
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
    return _information(_bins(a), _bins(b))


def _bins(images: NDArray[Any]) -> NDArray[np.int64]:
    return np.clip((images * BINS).astype(np.int64), 0, BINS - 1)


def _information(bins_a: NDArray[np.int64], bins_b: NDArray[np.int64]) -> NDArray[np.float64]:
    information = np.zeros(bins_b.shape[:2])
    for index, image in enumerate(bins_b):
        for channel, own in enumerate(bins_a):
            pairs = own.ravel() * BINS + image[channel].ravel()
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
    return Others(b).compare(a)
