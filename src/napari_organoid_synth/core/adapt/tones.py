"""Tones of two sets of images: are they upside down, and how does one get the histogram of the other?

Histogram matching (Gonzalez and Woods): a tone becomes the one with the same rank in the other set. Each image is first
scaled by its own range, so that an exposure is not mistaken for a stain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.quantities import plural

ENDS = 0.1, 99.9
"""Percentiles between which an image is scaled to 0 to 1."""
SIGMAS = 1.5, 3.0, 6.0
"""Of the smaller Gaussian of each band, px; the larger is twice as wide."""
RANKS = 513
"""Points of a tone curve."""
SHAPE_RANKS = np.linspace(0.01, 0.99, 99)
CLEAR, LEAST_GAP = 0.8, 0.12
"""Largest ratio of the distances, and their least difference, with which the polarity is clear: tones that are nearly
symmetric, as in electron micrographs, do not say it."""
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)
MOST_PIXELS = 200_000
"""Of an image, that count for its curve."""


def grey(image: NDArray[Any]) -> NDArray[np.float32]:
    """Return one plane (Y, X) of an image (C, Y, X): luminance of three channels, else the mean; 0 to 1 by its range.

    Range: from 0.1 % to 99.9 % of the pixels, values beyond are clipped.
    """
    planes = image.astype(np.float32)
    plane = np.tensordot(LUMINANCE, planes, axes=1) if len(planes) == 3 else planes.mean(axis=0)
    low, high = np.percentile(plane, ENDS)
    scaled: NDArray[np.float32] = ((plane - low) / max(high - low, 1e-6)).clip(0, 1).astype(np.float32)
    return scaled


@dataclass(frozen=True)
class Polarity:
    """Whether dark and bright are exchanged between two sets.

    Parameters
    ----------
    inverted : bool
        Only where that is clear.
    upright, upside_down : float
        Distance of the tones as they are, and with those of the first set inverted; 0 is equal.
    """

    inverted: bool
    upright: float = 0.0
    upside_down: float = 0.0

    @property
    def is_clear(self) -> bool:
        """Whether one distance is well below the other."""
        low, high = sorted((self.upright, self.upside_down))
        return low < CLEAR * high and high - low > LEAST_GAP

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        if self.inverted:
            text = f"Tones are inverted: {self.upside_down:.2f} apart, upright {self.upright:.2f}."
        else:
            text = f"Tones stay as they are: {self.upright:.2f} apart, inverted {self.upside_down:.2f}."
        return text if self.is_clear else f"{text} That is nearly the same; set tones if you know better."


def find_polarity(source: Sequence[NDArray[Any]], target: Sequence[NDArray[Any]]) -> Polarity:
    """Decide whether the tones of the source must be inverted to look like the target.

    The shape of a histogram says it: fluorescence has a bright tail, a stain a dark one. Shapes are compared for the
    tones themselves and for three bands of detail (differences of Gaussians), so that a dark border or an uneven light
    does not decide alone. A shape is a curve of 99 quantiles around the median, divided by their spread; two shapes are
    as far apart as the mean absolute difference of their curves.

    Parameters
    ----------
    source, target : sequence of NDArray (C, Y, X)
        At least one image each.
    """
    here, there = (np.mean([_shapes(grey(image)) for image in images], axis=0) for images in (source, target))
    upright = float(np.abs(here - there).mean())
    upside_down = float(np.abs(-here[:, ::-1] - there).mean())
    inverted = upside_down < upright and Polarity(True, upright, upside_down).is_clear
    return Polarity(inverted, upright, upside_down)


def _shapes(plane: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the curves (1 + bands, ranks) of a plane in 0 to 1 and of its bands of detail."""
    from scipy.ndimage import gaussian_filter

    bands = [gaussian_filter(plane, sigma) - gaussian_filter(plane, 2 * sigma) for sigma in SIGMAS]
    curves = []
    for band in (plane, *bands):
        curve = np.quantile(band, SHAPE_RANKS) - np.median(band)
        curves.append(curve / max(float(np.abs(curve).mean()), 1e-6))
    return np.stack(curves)


@dataclass(frozen=True, eq=False)
class Matching:
    """How images of one set get the tones of another.

    Parameters
    ----------
    inverted : bool
        Whether tones are inverted first.
    before : NDArray (K, ranks) float
        Tone of each rank in the source, 0 to 1; K is its number of channels, or 1.
    after : NDArray (C, ranks) float
        Value of each rank in the target, in its own range; C is its number of channels.
    dtype : numpy.dtype
        Of the target.
    way : {"channels", "ramp"}
        ``channels``: each channel alone. ``ramp``: luminance, then the mean colour that the target has at each rank of
        luminance.
    """

    inverted: bool
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    dtype: np.dtype[Any]
    way: Literal["channels", "ramp"]

    @classmethod
    def of(cls, source: Sequence[NDArray[Any]], target: Sequence[NDArray[Any]], inverted: bool) -> Matching:
        """Measure both sets.

        Raises
        ------
        UserError
            If the sets have other numbers of channels and neither has one nor three.
        """
        here, there = len(source[0]), len(target[0])
        if here != there and not {here, there} <= {1, 3}:
            raise UserError(
                f"The annotated images have {plural(here, 'channel')}, those of the target {there}.",
                "Expected equally many, or grey and RGB.",
                "Save one channel of each.",
            )
        as_channels = here == there != 3
        ranks = np.linspace(0, 1, RANKS)
        planes = [[_scaled(plane) for plane in image] if as_channels else [grey(image)] for image in source]
        before = np.stack([_curve([one[k] for one in planes], ranks) for k in range(len(planes[0]))])
        before = 1 - before[:, ::-1] if inverted else before
        if as_channels:
            after = np.stack([_mean_curve([image[k] for image in target], ranks) for k in range(there)])
        elif there == 1:
            after = _mean_curve([image[0] for image in target], ranks)[None]
        else:
            after = np.mean([_ramp(image, ranks) for image in target], axis=0)
        return cls(inverted, before, after, target[0].dtype, "channels" if as_channels else "ramp")

    def apply(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return an image (C, Y, X) of the source in the tones, channels and dtype of the target."""
        planes = np.stack([_scaled(plane) for plane in image]) if self.way == "channels" else grey(image)[None]
        planes = 1 - planes if self.inverted else planes
        ranks = np.linspace(0, 1, RANKS)
        ranked = [np.interp(plane, _rising(curve), ranks) for plane, curve in zip(planes, self.before, strict=True)]
        if len(ranked) < len(self.after):
            ranked = ranked * len(self.after)
        made = np.stack([np.interp(rank, ranks, curve) for rank, curve in zip(ranked, self.after, strict=True)])
        if self.dtype.kind in "iu":
            ends = np.iinfo(self.dtype)
            made = np.rint(made).clip(ends.min, ends.max)
        return made.astype(self.dtype)


def _scaled(plane: NDArray[Any]) -> NDArray[np.float32]:
    """Return one plane (Y, X) as `grey` does."""
    return grey(plane[None])


def _some(plane: NDArray[Any]) -> NDArray[Any]:
    """Return evenly spread pixels of a plane."""
    return plane.ravel()[:: max(1, plane.size // MOST_PIXELS)]


def _curve(planes: Sequence[NDArray[np.float32]], ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the tone at each rank over all planes together."""
    curve: NDArray[np.float64] = np.quantile(np.concatenate([_some(plane) for plane in planes]), ranks)
    return curve


def _mean_curve(planes: Sequence[NDArray[Any]], ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the tone at each rank of planes scaled to 0 to 1, together, in their mean range of values."""
    low, high = np.mean([np.percentile(plane, ENDS) for plane in planes], axis=0)
    return np.asarray(low + (high - low) * _curve([_scaled(plane) for plane in planes], ranks))


def _ramp(image: NDArray[Any], ranks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean colour (3, ranks) of an RGB image at each rank of luminance."""
    order = np.argsort(_some(grey(image)), kind="stable")
    colours = np.stack([_some(plane)[order] for plane in image.astype(np.float64)])
    parts = np.array_split(np.arange(colours.shape[1]), len(ranks))
    means = np.stack([colours[:, part].mean(axis=1) if len(part) else colours[:, 0] for part in parts], axis=1)
    return np.asarray(means)


def _rising(curve: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a curve that rises strictly, as interpolation over it needs."""
    return np.asarray(np.maximum.accumulate(curve) + np.linspace(0, 1e-6, len(curve)))
