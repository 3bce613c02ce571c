"""Features of many dimensions as points in a plane: near each other means alike."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError

COMPONENTS = 50
RESTARTS = 10
ITERATIONS = 1000
MIN_TILES = 5
Method = Literal["tsne", "pca", "umap"]


@dataclass(frozen=True, eq=False)
class Embedding:
    """Points in a plane.

    Parameters
    ----------
    coordinates : NDArray (N, 2) float64
    kl : float, optional
        How badly t-SNE keeps the neighbourhoods (Kullback–Leibler divergence, 0 is perfect). It is not a distance
        between real and synthetic tiles; that is C2ST or KID.
    perplexity : float, optional
        Of t-SNE: about how many neighbours count.
    """

    coordinates: NDArray[np.float64]
    kl: float | None = None
    perplexity: float | None = None


def default_perplexity(number: int) -> float:
    """Return min(30, (n - 1) / 3): it must stay below the number of points, and a third of it still works."""
    return min(30.0, (number - 1) / 3)


def check_method(method: Method) -> None:
    """Check that the method is installed.

    Raises
    ------
    UserError
        If UMAP is not installed.
    """
    if method == "umap" and find_spec("umap") is None:
        raise UserError("UMAP is not installed.", todo="Run: pip install 'napari-organoid-synth[umap]', or use t-SNE.")


def embed(
    features: NDArray[np.floating[Any]],
    *,
    method: Method = "tsne",
    perplexity: float | None = None,
    seed: int = 0,
    restarts: int = RESTARTS,
) -> Iterator[Embedding]:
    """Yield embeddings, none worse than the one before; the last is the result.

    All run on the first 50 principal components. t-SNE starts several times and the map of least divergence wins: after
    each start the best so far is yielded. PCA and UMAP give one map.

    Parameters
    ----------
    features : NDArray (N, D)
        Of tiles, from one extractor; N at least 5.
    method : {"tsne", "pca", "umap"}
        UMAP needs the package umap-learn.
    perplexity : float, optional
        Default: `default_perplexity`.
    seed : int
        Of the starts.
    restarts : int
        Starts of t-SNE.

    Raises
    ------
    UserError
        If there are too few tiles, the perplexity does not fit, or UMAP is not installed.
    """
    number = len(features)
    if number < MIN_TILES:
        raise UserError(f"There are {number} tiles to map.", f"Expected at least {MIN_TILES}.", "Make more pairs.")
    value = default_perplexity(number) if perplexity is None else perplexity
    if method == "tsne" and not 1 <= value < number:
        raise UserError(f"Perplexity is {value:g}.", f"Expected 1 to less than the number of tiles, {number}.")
    check_method(method)
    from sklearn.decomposition import PCA

    width = 2 if method == "pca" else min(COMPONENTS, number, features.shape[1])
    reduced = PCA(width, random_state=seed).fit_transform(np.asarray(features, np.float64))
    if method == "pca":
        yield Embedding(reduced)
    elif method == "umap":
        from umap import UMAP

        yield Embedding(np.asarray(UMAP(random_state=seed, n_jobs=1).fit_transform(reduced), np.float64))
    else:
        yield from _tsne(reduced, value, seed, restarts)


def _tsne(reduced: NDArray[np.float64], perplexity: float, seed: int, restarts: int) -> Iterator[Embedding]:
    """Yield the best map so far after each start; the first starts from the principal components."""
    from sklearn.manifold import TSNE

    best: Embedding | None = None
    for start in range(restarts):
        model = TSNE(
            perplexity=perplexity, max_iter=ITERATIONS, init="random" if start else "pca", random_state=seed + start
        )
        coordinates = np.asarray(model.fit_transform(reduced), np.float64)
        if best is None or best.kl is None or model.kl_divergence_ < best.kl:
            best = Embedding(coordinates, float(model.kl_divergence_), perplexity)
        yield best
