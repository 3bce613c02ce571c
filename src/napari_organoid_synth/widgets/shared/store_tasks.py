"""Tasks of the gallery's background thread: list, read, save; no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.novelty import novelty
from napari_organoid_synth.core.samples.presets import NOVELTY
from napari_organoid_synth.core.samples.query import parse
from napari_organoid_synth.core.samples.store import VERDICTS, SampleStore, Verdict

SIMULATED = 12
VERDICT_NAMES: dict[Verdict, str] = {"new": "back to new", "accepted": "accepted", "rejected": "rejected"}
"""Names of the verdicts on the screen."""


@dataclass(frozen=True)
class Listing:
    """What the columns show: ids by verdict, place of each sample in the order of all, names of scores, how many are
    accepted whether found or not.
    """

    ids: dict[Verdict, list[str]]
    places: dict[str, int]
    metrics: list[str]
    accepted: int

    @property
    def found(self) -> int:
        """Number of samples that the query found."""
        return sum(map(len, self.ids.values()))


def list_samples(store: SampleStore, sort: str, query: str) -> Listing:
    """Find samples by a query (see `samples.query`); ``-`` before a sort key: descending; see also `presets.NOVELTY`.

    Raises
    ------
    QueryError
        If the query cannot be read.
    """
    metrics = store.metrics()
    key, descending = sort.removeprefix("-"), sort.startswith("-")
    if key == NOVELTY:
        records = store.listing(condition=parse(query, metrics))
        distances = novelty(store)
        records.sort(key=lambda record: distances.get(record[0], 0.0), reverse=descending)
    else:
        records = store.listing(key, descending, parse(query, metrics))
    ids: dict[Verdict, list[str]] = {verdict: [] for verdict in VERDICTS}
    for id, verdict, fits in records:
        if fits:
            ids[verdict].append(id)
    places = {id: place for place, (id, _, _) in enumerate(records)}
    return Listing(ids, places, metrics, sum(verdict == "accepted" for _, verdict, _ in records))


def read_with_nearest(store: SampleStore, id: str, project: Project) -> tuple[SamplePair, SamplePair]:
    """Read a sample and the real tile that it resembles most.

    Raises
    ------
    UserError
        If it has not been scored, or the real image is no longer among the training pairs.
    """
    from napari_organoid_synth.core.scores.score import nearest_real

    real = nearest_real(project, store.row(id))
    return store.pair(id), real


def accept_best(path: Path, number: int, anyway: bool = False) -> list[str]:
    """Choose samples to accept, see `samples.selection`; in a worker of its own, because it takes seconds."""
    from napari_organoid_synth.core.samples.selection import diverse

    with SampleStore(path) as store:
        return diverse(store, number, anyway=anyway)


def save_masks(store: SampleStore, drawn: Sequence[tuple[str, NDArray[Any]]]) -> list[str]:
    """Save the masks, by id of their sample, that differ from those in the store; return the samples that changed.

    Raises
    ------
    UserError
        If a mask does not fit its image; then none is saved.
    """
    with store.transaction():
        return [id for id, labels in drawn if store.edit_mask(id, labels)]


def simulate_some(store: SampleStore) -> list[str]:
    """Add a few simulated pairs of each kind."""
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    kinds = list(SIMULATORS.values())
    return store.add_many((kinds[seed % len(kinds)](seed) for seed in range(SIMULATED)), run="simulated")
