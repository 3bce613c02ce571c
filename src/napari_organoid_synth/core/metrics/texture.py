"""Texture: the grid that upsampling leaves, and the balance of fine and coarse structure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.base import Metric, Score, intensity_limits, to_grey
from napari_organoid_synth.core.pairs.pair import SamplePair

PERIODS = (2, 4, 8)
"""Periods of the last three doublings of size, px."""
INVISIBLE = 0.02  # standard deviation of a grid that cannot be seen, relative to that of the image
RING = 4  # steps of frequency around a period that it is compared with
LEAST_RATIO = 1e-9  # of the mean power, so that a plain image has a logarithm


def spectrum(grey: NDArray[Any]) -> NDArray[np.float64]:
    """Compute the power spectrum under a Hann window.

    Parameters
    ----------
    grey : NDArray (Y, X)
        Cut to a multiple of 8 px; at least 16 px.

    Returns
    -------
    NDArray (Y, X) float64
        Frequency 0 first, as of ``numpy.fft.fft2``.
    """
    height, width = (side - side % max(PERIODS) for side in grey.shape)
    cut = np.asarray(grey[:height, :width], np.float64)
    window = np.hanning(height)[:, None] * np.hanning(width)
    level = (cut * window).sum() / window.sum()
    return np.asarray(np.abs(np.fft.fft2((cut - level) * window)) ** 2)


def grid_energy(power: NDArray[np.float64]) -> float:
    r"""Compute how far the power at the periods of upsampling stands out.

    .. math:: \max_{P ∈ \{2, 4, 8\}} \frac{\sqrt{|K_P|}}{|K_P|} \sum_{k ∈ K_P}
              \ln \frac{\overline{S}(k, 1)}{\overline{S}(k, 3…4)}

    :math:`K_P` are the frequencies that repeat every :math:`P` px but not more often, in both directions;
    :math:`\overline{S}(k, 1)` is the mean power of the 3 × 3 frequencies there and :math:`\overline{S}(k, 3…4)` that of
    the ring around them, at 3 and 4 steps (nearer in small images). Transposed convolutions paint such grids (Odena
    2016, doi 10.23915/distill.00003).

    Parameters
    ----------
    power : NDArray (Y, X)
        From `spectrum`.

    Returns
    -------
    float
        About 0 without a grid, several units with one that can be seen. 0 for images too small for it.
    """
    found = []
    power = power + LEAST_RATIO * power.mean() + np.finfo(float).tiny
    for period in PERIODS:
        reach = min(RING, min(power.shape) // period - 2)
        if reach < 2:
            continue
        places, near, ring = _places((power.shape[0], power.shape[1]), period, reach)
        around = power.ravel()[places]
        ratios = np.log(around[:, near].mean(1) / around[:, ring].mean(1))
        found.append(np.sqrt(len(ratios)) * float(ratios.mean()))
    return max(found, default=0.0)


def grid_peak(images: Sequence[NDArray[Any]], real: Sequence[NDArray[Any]]) -> float:
    r"""Compute how many times more power images have at the periods of upsampling than real ones.

    .. math:: \max_{k ∈ K} \frac{r_k(\text{images})}{r_k(\text{real})}, \qquad
              r_k = \frac{\overline{S}(k) + f}{\overline{S}(|k|) + f}

    :math:`\overline{S}(k)` is the power of the 3 × 3 frequencies around :math:`k`, :math:`\overline{S}(|k|)` the median
    of that of all frequencies at this distance from 0, so that blur, noise and contrast do not count; both are of the
    mean spectrum of all images, each divided by its variance. :math:`f` is the power of a grid with 2 % of the standard
    deviation of the image: weaker ones cannot be seen. :math:`K` are all frequencies of patterns that repeat every
    8 px, and so also every 4 or 2 px, in both directions. A grid that real images have themselves, such as the blocks
    of a compressed file, is no fault.

    Parameters
    ----------
    images, real : sequence of NDArray (Y, X) or (C, Y, X), float or int
        Of equal size, at least 32 px; channels are averaged. Eight or more of each: the fewer, the higher is the value
        by chance.

    Returns
    -------
    float
        About 1.5 without a grid, since it is the largest of 32 ratios; above 3 with one that can be seen.

    Raises
    ------
    ValueError
        If there is no image, or sizes differ or are too small.

    Examples
    --------
    >>> noise = np.random.default_rng(0).normal(size=(40, 64, 64))
    >>> checkerboard = np.indices((64, 64)).sum(0) % 2
    >>> grid_peak(noise[:20], noise[20:]) < 1.8 < 10 < grid_peak(noise[:20] + checkerboard, noise[20:])
    True
    """
    if not len(images) or not len(real):
        raise ValueError("no images to compare")
    found, expected = _prominence(images), _prominence(real)
    if len(found) != len(expected):
        raise ValueError(f"images of {images[0].shape} px beside real ones of {real[0].shape} px")
    return float((found / expected).max())


def _prominence(images: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
    """Return the power at each frequency of all periods, relative to the median at the same distance from 0."""
    total: Any = 0.0
    for image in images:
        grey = np.asarray(image, np.float64)
        grey = grey.mean(0) if grey.ndim == 3 else grey
        if min(grey.shape) < 4 * max(PERIODS):
            raise ValueError(f"an image of {grey.shape} px; expected at least {4 * max(PERIODS)} px")
        power = spectrum(grey)
        total = total + power / max(power.mean(), np.finfo(float).tiny)
    height, width = total.shape
    near = sum(np.roll(total, (a, b), (0, 1)) for a in (-1, 0, 1) for b in (-1, 0, 1))
    power = near / (9 * len(images)) + INVISIBLE**2 * total.size / 9
    distance = np.hypot(*np.meshgrid(np.fft.fftfreq(height), np.fft.fftfreq(width), indexing="ij"))
    reach = RING / min(height, width)
    found = []
    for a, b in ((a, b) for a in range(max(PERIODS)) for b in range(max(PERIODS)) if a or b):
        y, x = a * height // max(PERIODS), b * width // max(PERIODS)
        band = np.abs(distance - distance[y, x]) <= reach
        found.append(power[y, x] / np.median(power[band]))
    return np.array(found)


@lru_cache(maxsize=16)
def _places(
    shape: tuple[int, int], period: int, reach: int
) -> tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]:
    """Find the frequencies of a period that no shorter one of `PERIODS` has, and their surroundings.

    Returns
    -------
    places : NDArray (K, (2 reach + 1)²) intp
        Frequencies around each of them, as places in a flat spectrum.
    near, ring : NDArray ((2 reach + 1)²,) bool
        The 3 × 3 in the middle, and those at 2 (from a reach of 3 on at 3) or more steps.
    """
    steps = [(a, b) for a in range(period) for b in range(period) if (a or b) and (period == 2 or a % 2 or b % 2)]
    y, x = (axis.ravel() for axis in np.meshgrid(*2 * [np.arange(-reach, reach + 1)], indexing="ij"))
    rows = np.array([[a * shape[0] // period] for a, _ in steps]) + y
    columns = np.array([[b * shape[1] // period] for _, b in steps]) + x
    far = np.maximum(np.abs(y), np.abs(x))
    return rows % shape[0] * shape[1] + columns % shape[1], far <= 1, far >= min(reach, 3)


def slope(power: NDArray[np.float64]) -> float:
    """Compute the slope of the logarithm of power over that of frequency, from 1/32 to 1/2 per px, by least squares.

    Parameters
    ----------
    power : NDArray (Y, X)
        From `spectrum`.

    Returns
    -------
    float
        0 for noise, about -2 to -4 for images of things; lower is smoother.
    """
    band, middle, count = _bands((power.shape[0], power.shape[1]))
    mean = np.bincount(band, power.ravel(), minlength=len(middle) + 2)[1:-1] / np.maximum(count, 1)
    mean = mean + LEAST_RATIO * power.mean() + np.finfo(float).tiny
    return float(np.polyfit(middle[count > 0], np.log(mean[count > 0]), 1)[0])


@lru_cache(maxsize=16)
def _bands(shape: tuple[int, int]) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
    """Return the band of each place of a flat spectrum, 0 and 9 outside, the logarithms of their middles, and sizes."""
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(side) for side in shape), indexing="ij"))
    edges = np.geomspace(1 / 32, 1 / 2, 9)
    band = np.digitize(frequency, edges).ravel()
    count = np.bincount(band, minlength=len(edges) + 1)[1:-1]
    return band, np.log(np.sqrt(edges[1:] * edges[:-1])), count


class Texture(Metric):
    """Whether the texture is that of real images: no grid of the generator, as much fine as coarse structure."""

    name = "texture"
    title = "Texture"
    scores = (
        Score("grid", "Grid every 2, 4 or 8 px (0: none)", better="low", unusual="high"),
        Score("slope", "Slope of the spectrum (low: smooth)"),
    )

    def fit(self, real: Sequence[SamplePair]) -> Self:
        """Take intensity limits and ranges from real tiles."""
        self._limits = intensity_limits(real)
        self._fit_ranges(real)
        return self

    def __call__(self, pair: SamplePair) -> dict[str, float]:
        """Compute `grid_energy` and `slope` of the mean of the channels."""
        grey = to_grey(pair.image, self._limits)
        if min(grey.shape) < 2 * max(PERIODS) or np.ptp(grey) == 0:
            return {"grid": 0.0, "slope": 0.0}
        power = spectrum(grey)
        return {"grid": grid_energy(power), "slope": slope(power)}

    def describe(self, values: dict[str, float]) -> str:
        """Describe a grid that no real tile has; other images give an empty text."""
        return "grid of the generator visible" if values["grid"] > self.ranges["grid"].high else ""
