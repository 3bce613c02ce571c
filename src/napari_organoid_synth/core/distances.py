"""Distance and overlap of two sets of feature vectors: FID, KID, precision … coverage, C2ST."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating[Any]]
NEIGHBOURS = 5
BLOCK = 4096  # vectors that are centred at once


def frechet_distance(x: Features, y: Features) -> float:
    r"""Compute the Fréchet distance of the Gaussians fitted to two sets (Heusel 2017), exact also for few vectors.

    .. math:: \|μ_x - μ_y\|^2 + \mathrm{Tr}(Σ_x + Σ_y) - 2\,\mathrm{Tr}(Σ_x Σ_y)^{1/2}

    With :math:`A` the centred vectors over :math:`\sqrt{n - 1}`, the last trace is the sum of the singular values of
    :math:`A_x A_y^T`; no matrix square root is needed and nothing is rounded below rank.

    Parameters
    ----------
    x, y : NDArray (N, D) and (M, D)
        N and M at least 2. The result is biased upwards by a term of order 1/N.
    """
    scaled = [_factor(one) for one in (x, y)]
    trace = sum(float((one**2).sum()) for one in scaled)
    nuclear = float(np.linalg.svd(scaled[0] @ scaled[1].T, compute_uv=False).sum())
    means = x.mean(0, dtype=np.float64) - y.mean(0, dtype=np.float64)
    return max(0.0, float(means @ means) + trace - 2 * nuclear)


def _factor(x: Features) -> NDArray[np.float64]:
    """Return a matrix (at most D, D), or (N, D) of few vectors, whose square is the covariance of x."""
    mean = x.mean(0, dtype=np.float64)
    if len(x) <= x.shape[1]:
        few: NDArray[np.float64] = (x - mean) / np.sqrt(len(x) - 1)
        return few
    # an orthogonal factor changes no singular value; block by block, because all at once may not fit into memory
    factor = np.empty((0, x.shape[1]))
    for start in range(0, len(x), BLOCK):
        factor = np.linalg.qr(np.concatenate([factor, x[start : start + BLOCK] - mean])).R
    whole: NDArray[np.float64] = factor / np.sqrt(len(x) - 1)
    return whole


def cubic_kernel(x: Features, y: Features) -> NDArray[np.float64]:
    """Compute (x·y / D + 1)³ of every pair of rows, (N, M)."""
    kernel: NDArray[np.float64] = (x.astype(np.float64) @ y.T.astype(np.float64) / x.shape[1] + 1) ** 3
    return kernel


def discrepancy(within_x: Features, within_y: Features, between: Features) -> float:
    """Compute the unbiased squared maximum mean discrepancy (Gretton 2012, JMLR 13, eq. 3) from kernel matrices.

    Parameters
    ----------
    within_x, within_y, between : NDArray (N, N), (M, M), (N, M)
        N and M at least 2. The diagonals are left out; the result may come out slightly below 0.
    """
    within = sum((k.sum() - np.trace(k)) / (len(k) * (len(k) - 1)) for k in (within_x, within_y))
    return float(within - 2 * between.mean())


def kernel_distance(x: Features, y: Features) -> float:
    """Compute the kernel distance between two sets: the discrepancy with the kernel (x·y / D + 1)³.

    Of Inception features this is the Kernel Inception Distance (Bińkowski 2018, arXiv 1801.01401), of all vectors at
    once instead of many subsets of 1000.

    Parameters
    ----------
    x, y : NDArray (N, D) and (M, D) float64
        Features; N and M at least 2.

    Examples
    --------
    >>> kernel_distance(np.array([[1.0], [1.0]]), np.array([[0.0], [0.0]]))
    7.0
    """
    return discrepancy(cubic_kernel(x, x), cubic_kernel(y, y), cubic_kernel(x, y))


def kid_of_subsets(
    x: Features, y: Features, subsets: int = 100, size: int = 1000, seed: int = 0
) -> NDArray[np.float64]:
    """Compute `kernel_distance` of random subsets, whose mean and standard deviation are KID as published.

    Parameters
    ----------
    x, y : NDArray (N, D) and (M, D)
        Features.
    subsets, size : int
        Number of subsets, and vectors of either kind in each; N or M if that is less.
    seed : int
        Of the draws.

    Returns
    -------
    NDArray (subsets,) float64
    """
    rng = np.random.default_rng(seed)
    size = min(size, len(x), len(y))
    chosen = [[np.sort(rng.choice(len(one), size, replace=False)) for one in (x, y)] for _ in range(subsets)]
    return np.array([kernel_distance(x[first], y[second]) for first, second in chosen])


def euclidean(x: Features, y: Features) -> NDArray[np.float64]:
    """Compute the distance of every pair of rows, (N, M); of equal rows exactly 0."""
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(x, y))


def radii(within: Features, neighbours: int = NEIGHBOURS) -> NDArray[np.float64]:
    """Return the distance of each vector to its k-th nearest other, (N,), from distances (N, N); k at most N - 1."""
    k = min(neighbours, len(within) - 1)
    return np.asarray(np.partition(within, k, axis=1)[:, k])


def overlap(real: Features, fake: Features, between: Features, neighbours: int = NEIGHBOURS) -> dict[str, float]:
    r"""Compute precision, recall (Kynkäänniemi 2019, 1904.06991), density, coverage (Naeem 2020, arXiv 2002.09797).

    A set fills the balls around its vectors that reach to their k-th neighbours. Precision: share of fakes inside the
    real balls. Recall: share of reals inside the fake balls. Density: real balls that hold a fake, over k. Coverage:
    share of real balls that hold any fake.

    Parameters
    ----------
    real, fake, between : NDArray (N, N), (M, M), (N, M)
        Distances; N and M at least 2.
    neighbours : int
        k.
    """
    inside = between <= radii(real, neighbours)[:, None]
    return {
        "precision": float(inside.any(0).mean()),
        "recall": float((between <= radii(fake, neighbours)).any(1).mean()),
        "density": float(inside.sum(0).mean() / min(neighbours, len(real) - 1)),
        "coverage": float(inside.any(1).mean()),
    }


def neighbour_accuracy(real: Features, fake: Features, between: Features) -> float:
    """Compute the leave-one-out accuracy of a nearest-neighbour test (C2ST; Lopez-Paz 2017, arXiv 1610.06545).

    The mean of the accuracies on reals and on fakes, so that sets of unequal size have 0.5 too when nothing tells them
    apart; 1: separable; 0: every fake lies on a real one. A tie of both kinds counts half.

    Parameters
    ----------
    real, fake, between : NDArray (N, N), (M, M), (N, M)
        Distances; N and M at least 2.
    """
    right = []
    for within, other in ((real, between.min(1)), (fake, between.min(0))):
        own = radii(within, 1)
        right.append(float(((own < other) + 0.5 * (own == other)).mean()))
    return sum(right) / 2


def effective_number(distances: NDArray[np.floating[Any]], scale: float) -> float:
    r"""Compute how many different things a set holds, the Vendi score (Friedman & Dieng 2022, arXiv 2210.02410).

    .. math:: \exp\Big(-\sum_i λ_i \log λ_i\Big), \quad λ \text{ the eigenvalues of } \exp(-d^2 / 2 s^2) / N

    N things far from each other count N, equal ones 1, two tight groups of one size 2.

    Parameters
    ----------
    distances : NDArray (N, N)
        Symmetric, 0 on the diagonal.
    scale : float
        s: things much nearer than this count as one.

    Examples
    --------
    >>> apart = np.array([[0.0, 0.0, 9.0], [0.0, 0.0, 9.0], [9.0, 9.0, 0.0]])
    >>> round(effective_number(apart, 1.0), 2)
    1.89
    """
    values = np.linalg.eigvalsh(np.exp(-((distances / scale) ** 2) / 2) / len(distances))
    shares = values[values > 1e-12] / values[values > 1e-12].sum()
    return float(np.exp(-(shares * np.log(shares)).sum()))


def distinct_scale(distances: NDArray[np.floating[Any]], share: float = 0.95) -> float:
    """Find the widest scale at which these things still count as different in `effective_number`.

    Parameters
    ----------
    distances : NDArray (N, N)
        Of real tiles, at least 2.
    share : float
        Part of them that has to count; of those that are not equal.

    Returns
    -------
    float
        At least a thousandth of their median distance; 0 where all are equal.
    """
    least, most = (float(np.median(distances[~np.eye(len(distances), dtype=bool)])) * part for part in (1e-3, 1.0))
    if most <= 0:
        return 0.0
    wanted = share * effective_number(distances, least)
    for _ in range(12):
        middle = (least * most) ** 0.5
        if effective_number(distances, middle) >= wanted:
            least = middle
        else:
            most = middle
    return least
