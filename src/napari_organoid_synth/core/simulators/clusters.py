"""Clusters among points: their number, their width, and the share of points in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Points = NDArray[np.floating[Any]]

ROUNDS = 40
MIN_SPREAD, MAX_SPREAD = (
    0.01,
    0.15,
)  # of the side of an image; two points at one place are not a cluster, nor half an image
EXTRA_NUMBERS = 2  # numbers of clusters that are tried beyond the best
MAX_NUMBER = 30


@dataclass(frozen=True)
class Clusters:
    """Round clusters in images of points, as `find_clusters` fits them.

    Parameters
    ----------
    number : int
        In an image of median area.
    share : float
        Of the points, that belong to one.
    spread : float
        Standard deviation along each axis, px.
    """

    number: int = 0
    share: float = 0.0
    spread: float = 0.0


def find_clusters(images: Sequence[Points], areas: Sequence[float]) -> Clusters:
    """Fit round clusters of equal width and weight on an even background, by expectation maximisation.

    The density in an image of area A is (1 - p) / A + p / K · Σ_k N(centre_k, spread²), where p and the spread are
    common to all images and K is proportional to A. Centres are added where the background explains the points worst; K
    is that of the highest evidence, so that clusters which may be chance are not reported, and two that overlap may
    count as one. Of the evidence each centre takes ln(A n / 2π spread²), n being its points: before the fit it lay
    anywhere in A, now within spread / √n (Laplace's approximation); share and spread take ln √N each.

    Parameters
    ----------
    images : sequence of NDArray (n, 2)
        y and x of the points of each image, px.
    areas : sequence of float
        Of each image, px².
    """
    typical = float(np.median(areas))
    side = typical**0.5
    total = sum(map(len, images))
    background = [np.ones(len(points)) for points in images]  # how likely each point belongs to none
    centres: list[Points] = [np.empty((0, 2)) for _ in images]
    best, lowest = Clusters(), 2 * sum(len(p) * np.log(a) for p, a in zip(images, areas, strict=True))
    share, spread = 0.0, 0.05 * side
    for number in range(1, MAX_NUMBER + 1):
        numbers = [
            min(round(number * area / typical), len(points) // 3) for points, area in zip(images, areas, strict=True)
        ]
        if number > best.number + EXTRA_NUMBERS or not any(numbers):
            break
        for i, points in enumerate(images):
            while len(centres[i]) < numbers[i]:
                near = np.exp(-_squares(points, points) / (2 * spread**2))
                newest = points[np.argmax(near @ background[i])]
                centres[i] = np.vstack([centres[i], newest])
                background[i] = background[i] * (1 - np.exp(-_squares(points, newest[None])[:, 0] / (2 * spread**2)))
        share = min(0.9, share + 0.5 / number)
        for _ in range(ROUNDS):
            likelihood = inside = squares = paid = 0.0
            for i, (points, area) in enumerate(zip(images, areas, strict=True)):
                if not numbers[i]:
                    likelihood -= len(points) * np.log(area)
                    continue
                far = _squares(points, centres[i])
                each = share / numbers[i] / (2 * np.pi * spread**2) * np.exp(-far / (2 * spread**2))
                density = each.sum(axis=1) + (1 - share) / area
                likelihood += float(np.log(density).sum())
                weight = each / density[:, None]
                background[i] = 1 - weight.sum(axis=1)
                whole = weight.sum(axis=0) + 1e-9
                centres[i] = weight.T @ points / whole[:, None]
                inside += float(whole.sum())
                squares += float((weight * _squares(points, centres[i])).sum())
                paid += 2 * float(np.log(area * np.maximum(whole, 1) / (2 * np.pi * spread**2)).sum())
            share = min(0.999, inside / total)
            spread = float(np.clip((squares / (2 * inside)) ** 0.5, MIN_SPREAD * side, MAX_SPREAD * side))
        paid += 2 * np.log(total)
        if paid - 2 * likelihood < lowest:
            lowest, best = paid - 2 * likelihood, Clusters(number, share, spread)
    return best


def _squares(points: Points, others: Points) -> Points:
    """Return squared distances (n, m)."""
    return np.asarray(((points[:, None] - others) ** 2).sum(axis=-1))
