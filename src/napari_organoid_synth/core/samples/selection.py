r"""Choose samples that are realistic and differ from each other: k-centre greedy.

Each choice is the candidate whose nearest chosen one is farthest,

.. math:: \arg\max_i \min_{c \in \text{chosen}} \lVert x_i - x_c \rVert ,

so that after k choices no candidate is farther from a chosen one than twice the least distance that any k could reach
(Gonzalez 1985, Theoretical Computer Science 38, 293-306). Samples accepted before count as chosen. The candidates are
the more realistic part of the samples without flagged ones: otherwise the method would choose the outliers.

The features are plain statistics of the thumbnail, stored in the database: arrangement, brightness, texture and mask.
No trained network is needed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.samples.far_sets import far_runs, refusal
from napari_organoid_synth.core.samples.store import SampleStore, Verdict

TOP_SHARE = 0.5
"""Share of the samples that are candidates, the most realistic ones."""
MAX_CANDIDATES = 5000
"""So that choosing among a hundred thousand takes seconds; four times the number wanted if that is more."""
SIDE, SQUARES, OCTAVES = 128, 8, 5
LEVELS = (0.1, 0.3, 0.5, 0.7, 0.9)
GROUPS = (SQUARES**2, len(LEVELS), 3 * OCTAVES, SQUARES**2, 3)
"""Numbers in each group of features; every group counts the same."""
MIN_SPREAD, MAX_Z = 1e-3, 8.0


def features(image: NDArray[np.uint8], labels: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Compute statistics of a thumbnail.

    Parameters
    ----------
    image : NDArray (h, w, 3) uint8
        As in the database.
    labels : NDArray (h, w) uint16
        0 is background.

    Returns
    -------
    NDArray (151,) float32
        In five groups. Layout: mean grey value, 0 to 1, of 8 × 8 squares. Values: share of pixels below 0.1, 0.3, 0.5,
        0.7, 0.9. Texture: at full, half, … sixteenth size the mean absolute difference of neighbours down and across,
        and the standard deviation. Mask: share covered in 8 × 8 squares. Objects: share covered, share of pixels where
        a label ends, logarithm of one more than the number of labels.
    """
    rows, columns = (((np.arange(SIDE) + 0.5) * old / SIDE).astype(np.intp) for old in labels.shape)
    grey = image[rows[:, None], columns].mean(-1, dtype=np.float32) / 255
    small_labels = labels[rows[:, None], columns]
    shares = [(grey < level).mean() for level in LEVELS]
    parts: list[NDArray[Any]] = [_squares(grey, SQUARES).ravel(), np.asarray(shares)]
    texture: list[Any] = []
    for octave in range(OCTAVES):
        if octave:
            grey = _squares(grey, len(grey) // 2)
        texture += [np.abs(np.diff(grey, axis=0)).mean(), np.abs(np.diff(grey, axis=1)).mean(), grey.std()]
    covered = small_labels > 0
    ends = (small_labels[1:] != small_labels[:-1]).mean() + (small_labels[:, 1:] != small_labels[:, :-1]).mean()
    objects = [covered.mean(), ends / 2, np.log1p(np.count_nonzero(np.unique(labels)))]
    parts += [np.asarray(texture), _squares(covered.astype(np.float32), SQUARES).ravel(), np.asarray(objects)]
    return np.asarray(np.concatenate(parts), np.float32)


def _squares(values: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return the means of ``count`` × ``count`` squares."""
    step = len(values) // count
    means: NDArray[np.float32] = values.reshape(count, step, count, step).mean((1, 3))
    return means


def scaled(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Scale features (N, 151) to units of their spread, all groups with the same weight; clipped at 8 spreads."""
    spread = np.maximum(points.std(0, dtype=np.float64), MIN_SPREAD)
    z = np.clip((points - points.mean(0, dtype=np.float64)) / spread, -MAX_Z, MAX_Z)
    return np.asarray(z / np.sqrt(np.repeat(GROUPS, GROUPS)))


def k_centre(points: NDArray[np.float64], number: int, taken: int = 0) -> list[int]:
    """Choose points by the greedy k-centre method.

    Parameters
    ----------
    points : NDArray (N, D) float64
        Coordinates of the candidates.
    number : int
        Number to choose; fewer come back when there are fewer.
    taken : int
        The first so many points count as chosen and are not chosen again.

    Returns
    -------
    list of int
        Rows in the order chosen; without ``taken`` the first is row 0. Of equally far ones the first is chosen.

    Examples
    --------
    >>> k_centre(np.array([[0.0], [1.0], [10.0], [4.0]]), 3)
    [0, 2, 3]
    """
    squares = (points**2).sum(1)
    nearest = np.full(len(points), np.inf)

    def choose(row: int) -> None:
        between = np.maximum(squares + squares[row] - 2 * points @ points[row], 0)
        np.minimum(nearest, between, out=nearest)

    for row in range(taken):
        choose(row)
    nearest[:taken] = -1
    chosen: list[int] = []
    for _ in range(min(number, len(points) - taken)):
        row = int(nearest.argmax())
        chosen.append(row)
        choose(row)
        nearest[row] = -1
    return chosen


def best(store: SampleStore, number: int, verdict: Verdict | None = "new", anyway: bool = False) -> list[str]:
    """Return the most realistic samples, best first, without flagged ones (copies, broken masks).

    Samples of runs that are far from the originals as a set (`far_runs`) are left out.

    Parameters
    ----------
    store : SampleStore
        With scores.
    number : int
        Number to choose; fewer come back when there are fewer.
    verdict : str, optional
        Only samples with this verdict; all when None.
    anyway : bool
        Whether to choose among those of such runs, too.

    Raises
    ------
    UserError
        If none of them has been scored.
    FarFromOriginals
        If all that could be chosen are of such runs.
    """
    rows = [row for row in store.rows(verdict, "realism", descending=True) if "realism" in row.scores]
    if not rows and store.ids(verdict):
        raise UserError("None of these samples has been scored.", todo="Score them first.")
    rows = [row for row in rows if not row.flagged]
    far = {} if anyway else far_runs(store)
    near = [row for row in rows if row.run not in far]
    if rows and not near:
        raise refusal({run: text for run, text in far.items() if any(row.run == run for row in rows)}, store)
    return [row.id for row in near][: max(0, number)]


def diverse(store: SampleStore, number: int, verdict: Verdict = "new", anyway: bool = False) -> list[str]:
    """Choose samples from the more realistic half that differ most from each other and from the accepted ones.

    Parameters
    ----------
    store : SampleStore
        With scores.
    number : int
        Number to choose; fewer come back when there are fewer.
    verdict : str
        Only samples with this verdict.
    anyway : bool
        Whether to choose among samples of runs that are far from the originals, too.

    Raises
    ------
    UserError, FarFromOriginals
        As `best`.
    """
    ranked = best(store, sum(store.counts().values()), verdict, anyway)
    top = max(number, min(round(TOP_SHARE * len(ranked)), max(MAX_CANDIDATES, 4 * number)))
    candidates = ranked[:top]
    accepted = store.ids("accepted")[-MAX_CANDIDATES:] if verdict != "accepted" else []
    if not candidates or number < 1:
        return []
    points = scaled(read_features(store, [*accepted, *candidates]))
    return [candidates[row - len(accepted)] for row in k_centre(points, number, len(accepted))]


def read_features(store: SampleStore, ids: Sequence[str]) -> NDArray[np.float32]:
    """Read features (N, 151) of samples from the database; missing ones are computed and stored."""
    length = 4 * sum(GROUPS)
    known = {id: data for id, data in store.features(ids).items() if len(data) == length}
    fresh = {id: features(*store.thumbnail(id)).astype("<f4").tobytes() for id in ids if id not in known}
    if fresh:
        store.keep_features(fresh)
    known |= fresh
    return np.asarray(np.stack([np.frombuffer(known[id], "<f4") for id in ids]), np.float32)
