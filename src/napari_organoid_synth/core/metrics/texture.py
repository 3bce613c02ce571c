"""Texture: the grid that upsampling leaves, and the balance of fine and coarse structure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.base import Metric, Score, intensity_limits, to_grey
from napari_organoid_synth.core.pairs.pair import SamplePair

PERIODS = (2, 4, 8)
"""Periods of the last three doublings of size, px."""
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
              \ln \frac{\overline{S}(k, 1)}{\overline{S}(k, 2…r)}

    :math:`K_P` are the frequencies that repeat every :math:`P` px but not more often, in both directions;
    :math:`\overline{S}(k, 1)` is the mean power of the 3 × 3 frequencies there and :math:`\overline{S}(k, 2…r)` that of
    the ring around them. Transposed convolutions paint such grids (Odena 2016, doi 10.23915/distill.00003).

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
        ratios = [_stands_out(power, y, x, reach) for y, x in _frequencies(power.shape, period)]
        found.append(np.sqrt(len(ratios)) * float(np.mean(ratios)))
    return max(found, default=0.0)


def _frequencies(shape: tuple[int, ...], period: int) -> list[tuple[int, int]]:
    """Return the frequencies of a period that no shorter one of `PERIODS` has."""
    steps = [(a, b) for a in range(period) for b in range(period) if (a or b) and (period == 2 or a % 2 or b % 2)]
    return [(a * shape[0] // period, b * shape[1] // period) for a, b in steps]


def _stands_out(power: NDArray[np.float64], y: int, x: int, reach: int) -> float:
    """Return the logarithm of the power at a frequency over that of the ring around it."""
    near = np.arange(-reach, reach + 1)
    around = power[np.ix_((y + near) % power.shape[0], (x + near) % power.shape[1])]
    sums = [around[reach - r : reach + r + 1, reach - r : reach + r + 1].sum() for r in (1, 2 if reach > 2 else 1)]
    sides = [3, 5 if reach > 2 else 3]
    ring = (around.sum() - sums[1]) / (around.size - sides[1] ** 2)
    return float(np.log(sums[0] / sides[0] ** 2 / ring))


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
    frequency = np.hypot(*np.meshgrid(*(np.fft.fftfreq(side) for side in power.shape), indexing="ij"))
    edges = np.geomspace(1 / 32, 1 / 2, 9)
    band = np.digitize(frequency, edges).ravel()
    count = np.bincount(band, minlength=10)[1:9]
    mean = np.bincount(band, power.ravel(), minlength=10)[1:9] / np.maximum(count, 1)
    mean = mean + LEAST_RATIO * power.mean() + np.finfo(float).tiny
    middle = np.log(np.sqrt(edges[1:] * edges[:-1]))
    return float(np.polyfit(middle[count > 0], np.log(mean[count > 0]), 1)[0])


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
