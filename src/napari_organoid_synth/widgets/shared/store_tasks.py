"""What the gallery's background thread does with the store: list, read, take in; no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.query import parse
from napari_organoid_synth.core.samples.store import VERDICTS, SampleStore, Verdict

SIMULATED = 12
DONE: dict[Verdict, str] = {"new": "back to new", "accepted": "accepted", "rejected": "rejected"}
"""What has become of pairs with a verdict, in words."""


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
        """How many samples the query found."""
        return sum(map(len, self.ids.values()))


def list_samples(store: SampleStore, sort: str, query: str) -> Listing:
    """Ids by verdict of the samples that a query finds (see `core.query`); ``-`` before a sort key: descending.

    Raises
    ------
    QueryError
        If the query cannot be read.
    """
    metrics = store.metrics()
    records = store.listing(sort.removeprefix("-"), sort.startswith("-"), parse(query, metrics))
    ids: dict[Verdict, list[str]] = {verdict: [] for verdict in VERDICTS}
    for id, verdict, fits in records:
        if fits:
            ids[verdict].append(id)
    places = {id: place for place, (id, _, _) in enumerate(records)}
    return Listing(ids, places, metrics, sum(verdict == "accepted" for _, verdict, _ in records))


def read_with_nearest(store: SampleStore, id: str, project: Project) -> tuple[SamplePair, SamplePair]:
    """A sample and the place in a real pair that it resembles most.

    Raises
    ------
    UserError
        If it was not scored yet, or the real image is no longer among the training pairs.
    """
    from napari_organoid_synth.core.scores.score import nearest_real

    real = nearest_real(project, store.row(id))
    return store.pair(id), real


def take_in(store: SampleStore, files: Sequence[Path], verdict: Verdict) -> list[str]:
    """Add pairs from files; label files are found beside their images.

    Raises
    ------
    UserError
        If a file is no pair of this project's kind; none is added then.
    """
    from napari_organoid_synth.core.pairs.ome_tiff import IMAGE_ENDING, LABELS_ENDING, read_pair

    images = {file.with_name(file.name.replace(LABELS_ENDING, IMAGE_ENDING)): file for file in files}
    for image, file in images.items():
        if not image.name.endswith(IMAGE_ENDING):
            raise UserError(
                f"{file.name} is no pair written by organoid-synth.",
                f"Expected NAME{IMAGE_ENDING} with NAME{LABELS_ENDING} beside it.",
                "Drop real images into the Pairs dock.",
            )
    pairs = [read_pair(image) for image in images]
    ids = store.add_many(pairs, run=str(pairs[0].source.provenance.get("run", "")) if pairs else "")
    store.decide(ids, verdict)
    return ids


def accept_best(path: Path, number: int) -> list[str]:
    """Samples to accept, see `core.diversity`; in a worker with its own connection, because it may take seconds."""
    from napari_organoid_synth.core.samples.selection import diverse

    with SampleStore(path) as store:
        return diverse(store, number)


def save_masks(store: SampleStore, drawn: Sequence[tuple[str, NDArray[Any]]]) -> list[str]:
    """Keep the masks, by id of their sample, that differ from those in the store; the samples that changed.

    Raises
    ------
    UserError
        If a mask does not fit its image; none is kept then.
    """
    with store.transaction():
        return [id for id, labels in drawn if store.edit_mask(id, labels)]


def simulate_some(store: SampleStore) -> list[str]:
    """Add a few simulated pairs of each kind."""
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    kinds = list(SIMULATORS.values())
    return store.add_many((kinds[seed % len(kinds)](seed) for seed in range(SIMULATED)), run="simulated")
