"""The points of the map, read from the project, and the geometry of selecting them. No Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.map.storage import read_map
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.titles import WITHOUT, run_titles
from napari_organoid_synth.core.samples.query import parse
from napari_organoid_synth.core.samples.store import SampleStore

REAL = "real"
STATES = (REAL, "new", "accepted", "rejected", "flagged")
"""Flagged: new, and something speaks against it; a verdict counts more than a flag."""
METHODS = {"tsne": "t-SNE", "pca": "PCA", "umap": "UMAP"}


@dataclass(frozen=True, eq=False)
class Points:
    """The points of a map: the real tiles first.

    Parameters
    ----------
    xy : NDArray (N, 2) float64
    tiles : tuple of TilePlace
        The real tiles.
    ids : tuple of str
        Names of the real tiles, ids of the samples.
    runs : NDArray (N,) of str
        Of the samples.
    titles : dict of str to str
        Friendly names of the runs that made samples, oldest first.
    states : NDArray (N,) of str
        One of `STATES` each.
    values : NDArray (N,) float64
        Of the score that was asked for; NaN where there is none, and everywhere when none was asked for.
    metrics : tuple of str
        Scores that any sample has.
    regions : tuple of tuple of int
        Groups of real tiles that no pair comes near, as rows.
    summary : str
        How the map was made and how good it is.
    unmapped : int
        Samples that are not on it.
    side : int, optional
        Of the real tiles, px.
    """

    xy: NDArray[np.float64] = field(default_factory=lambda: np.empty((0, 2)))
    tiles: tuple[TilePlace, ...] = ()
    ids: tuple[str, ...] = ()
    runs: NDArray[Any] = field(default_factory=lambda: np.empty(0, object))
    titles: dict[str, str] = field(default_factory=dict)
    states: NDArray[Any] = field(default_factory=lambda: np.empty(0, object))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    metrics: tuple[str, ...] = ()
    regions: tuple[tuple[int, ...], ...] = ()
    summary: str = ""
    unmapped: int = 0
    side: int | None = None

    def is_real(self, row: int) -> bool:
        """Return whether this is a real tile."""
        return row < len(self.tiles)


def read_points(store: SampleStore, project: Project, metric: str = "") -> Points:
    """Read the map of a project with the present rows of its samples; deleted ones are left out."""
    stored = read_map(project)
    listing = store.listing(condition=parse("flagged", []))
    if stored is None:
        return Points(unmapped=len(listing))
    record = stored.record
    states = {id: "flagged" if flagged and verdict == "new" else verdict for id, verdict, flagged in listing}
    kept = [place for place, sample in enumerate(record.samples) if sample.id in states]
    samples = [record.samples[place] for place in kept]
    number = len(record.tiles)
    scores = store.score_values(metric) if metric else {}
    summary = METHODS[record.method]
    if record.kl is not None and record.perplexity is not None:
        summary += f", perplexity {record.perplexity:.3g}, divergence {record.kl:.2f}"
    return Points(
        xy=stored.coordinates[[*range(number), *(number + place for place in kept)]],
        tiles=record.tiles,
        ids=(*(tile.name for tile in record.tiles), *(sample.id for sample in samples)),
        runs=np.asarray([*[""] * number, *(sample.run for sample in samples)], object),
        titles=_titles(project, {sample.run for sample in samples}),
        states=np.asarray([*[REAL] * number, *(states[sample.id] for sample in samples)], object),
        values=np.asarray([*[np.nan] * number, *(scores.get(sample.id, np.nan) for sample in samples)], np.float64),
        metrics=tuple(store.metrics()),
        regions=record.regions,
        summary=f"{summary}; features of {record.extractor.partition(':')[0]}",
        unmapped=len(listing) - len(samples),
        side=record.side,
    )


def _titles(project: Project, runs: set[str]) -> dict[str, str]:
    """Return the friendly names of these runs; of one that is gone the name of its folder."""
    known = run_titles(project)
    order = [*(run for run in known if run in runs), *sorted(runs - known.keys())]
    return {run: known.get(run) or run.removesuffix("-train") or WITHOUT for run in order}


def inside(points: NDArray[np.float64], polygon: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points (N, 2) lie inside a closed polygon (M, 2), by the even-odd rule.

    Examples
    --------
    >>> inside(np.array([[0.5, 0.5], [2.0, 0.5]]), np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]))
    array([ True, False])
    """
    enclosed = np.zeros(len(points), bool)
    x, y = points[:, 0], points[:, 1]
    for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, 0), strict=True):
        if y0 != y1:
            enclosed ^= ((y0 > y) != (y1 > y)) & (x < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
    return enclosed


def towards(points: NDArray[np.float64], start: int, way: Sequence[float], allowed: NDArray[np.bool_]) -> int | None:
    """Return the nearest point within 45° of a direction; None where there is none.

    Parameters
    ----------
    points : NDArray (N, 2)
        All points.
    start : int
        Row of the point to go from.
    way : (float, float)
        Of length 1.
    allowed : NDArray (N,) of bool
        Where one may go.

    Examples
    --------
    >>> towards(np.array([[0.0, 0.0], [3.0, 1.0], [1.0, 2.0]]), 0, (1, 0), np.ones(3, bool))
    1
    """
    offset = points - points[start]
    along = offset @ np.asarray(way, float)
    aside = np.abs(offset @ np.asarray((-way[1], way[0]), float))
    fits = allowed & (along > 0) & (aside <= along)
    if not fits.any():
        return None
    return int(np.where(fits, (offset**2).sum(1), np.inf).argmin())


def outline_of(points: NDArray[np.float64], margin: float) -> NDArray[np.float64]:
    """Draw a rounded outline (M, 2) around most of the points (N, 2); those far from the middle are left outside."""
    from scipy.spatial import ConvexHull

    middle = np.median(points, 0)
    far = np.linalg.norm(points - middle, axis=1)
    core = points[far <= max(2.5 * float(np.median(far)), margin)]
    angles = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    circle = margin * np.stack([np.cos(angles), np.sin(angles)], 1)
    around = (core[:, None] + circle).reshape(-1, 2)
    corners: NDArray[np.float64] = around[ConvexHull(around).vertices]
    return np.concatenate([corners, corners[:1]])
