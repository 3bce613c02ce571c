"""A map of real and generated tiles: near on the map means alike in features."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError

COMPONENTS = 50
RESTARTS = 10
ITERATIONS = 1000
LEAST = 5
Method = Literal["tsne", "pca", "umap"]


@dataclass(frozen=True, eq=False)
class Embedding:
    """A map.

    Parameters
    ----------
    coordinates : NDArray (N, 2) float64
    ids : tuple of str
    kinds : tuple of str
        ``"real"``, or the run that made it.
    method : {"tsne", "pca", "umap"}
    extractor : str
        Name and weight hash of the features.
    kl : float, optional
        How badly t-SNE's map keeps the neighbourhoods (Kullback–Leibler divergence, 0 is perfect). It is no distance
        between real and generated tiles; that is C2ST or KID.
    perplexity : float, optional
        Of t-SNE: about how many neighbours count.
    regions : tuple of tuple of int
        Groups of real tiles that no generated pair comes near, as rows.
    side : int, optional
        Of the real tiles, px.
    """

    coordinates: NDArray[np.float64]
    ids: tuple[str, ...]
    kinds: tuple[str, ...]
    method: Method
    extractor: str
    kl: float | None = None
    perplexity: float | None = None
    regions: tuple[tuple[int, ...], ...] = ()
    side: int | None = None


def default_perplexity(number: int) -> float:
    """min(30, (n - 1) / 3): it must stay below the number of points, and at a third of it maps still mean something."""
    return min(30.0, (number - 1) / 3)


def check_method(method: Method) -> None:
    """Say at once what would fail later.

    Raises
    ------
    UserError
        If UMAP is not installed.
    """
    if method == "umap" and find_spec("umap") is None:
        raise UserError("UMAP is not installed.", todo="Run: pip install 'napari-organoid-synth[umap]', or use t-SNE.")


def embed(
    features: NDArray[np.floating[Any]],
    ids: Sequence[str],
    kinds: Sequence[str],
    extractor: str = "",
    *,
    method: Method = "tsne",
    perplexity: float | None = None,
    seed: int = 0,
    restarts: int = RESTARTS,
) -> Iterator[Embedding]:
    """Maps of tiles, none worse than the one before; the last is the result.

    t-SNE runs on the first 50 principal components, ten times from different starts, and the map of least divergence
    wins: after each start the best so far is yielded. PCA and UMAP give one map.

    Parameters
    ----------
    features : NDArray (N, D)
        Of real and generated tiles, from one extractor; N at least 5.
    ids, kinds : sequence of str
        One per tile.
    extractor : str
        Name and weight hash, for the record.
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
    if number < LEAST:
        raise UserError(f"There are {number} tiles to map.", f"Expected at least {LEAST}.", "Make more pairs.")
    wanted = default_perplexity(number) if perplexity is None else perplexity
    if method == "tsne" and not 1 <= wanted < number:
        raise UserError(f"Perplexity is {wanted:g}.", f"Expected 1 to less than the number of tiles, {number}.")
    check_method(method)
    from sklearn.decomposition import PCA

    width = 2 if method == "pca" else min(COMPONENTS, number, features.shape[1])
    reduced = PCA(width, random_state=seed).fit_transform(np.asarray(features, np.float64))
    names = tuple(ids), tuple(kinds), method, extractor
    if method == "pca":
        yield Embedding(reduced, *names)
    elif method == "umap":
        from umap import UMAP

        yield Embedding(np.asarray(UMAP(random_state=seed, n_jobs=1).fit_transform(reduced), np.float64), *names)
    else:
        from sklearn.manifold import TSNE

        best: Embedding | None = None
        for start in range(restarts):
            model = TSNE(
                perplexity=wanted, max_iter=ITERATIONS, init="random" if start else "pca", random_state=seed + start
            )
            found = np.asarray(model.fit_transform(reduced), np.float64)
            if best is None or best.kl is None or model.kl_divergence_ < best.kl:
                best = Embedding(found, *names, float(model.kl_divergence_), wanted)
            yield best
