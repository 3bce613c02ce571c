"""Which samples are compared as a set: those of a run, of a source of masks, of a class, a tag, a verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.settings import Trait
from napari_organoid_synth.core.pairs.ome_tiff import read_record
from napari_organoid_synth.core.samples.row import SampleRow

Parts = tuple[tuple[str, str], ...]

WITHOUT_RUN = "samples without a run"
EDITED, TOGETHER, UNKNOWN = "edited", "drawn with the image", "unknown"
"""Masks that a person changed; masks of a generator of pairs; of files that cannot be read."""
UNGRADED, UNTAGGED = "ungraded", "untagged"


class SetKey(NamedTuple):
    """What the samples of a set have in common.

    Parameters
    ----------
    run : str
        The run that made them; empty for samples without one, and for sets of any run.
    by : tuple of str
        Traits that tell sets apart.
    parts : tuple of (str, str)
        Traits other than the run, each with its value.
    """

    run: str
    by: tuple[Trait, ...]
    parts: Parts

    @property
    def title(self) -> str:
        """Name of the set for a person."""
        return set_title(self.run, self.by, self.parts)


def set_title(run: str, by: Sequence[str], parts: Parts) -> str:
    """Return the name of a set for a person: ``"run-3, masks fitted"``."""
    names = [run or WITHOUT_RUN] if "run" in by else []
    names += [value if trait == "verdict" else f"{trait} {value}" for trait, value in parts]
    return ", ".join(names) or "all samples"


def sets_of(rows: Iterable[SampleRow], samples: str, by: Sequence[Trait]) -> dict[SetKey, list[SampleRow]]:
    """Deal samples to sets.

    Parameters
    ----------
    rows : iterable of SampleRow
        All samples.
    samples : {"all", "kept", "accepted"}
        Those that count.
    by : sequence of {"run", "masks", "class", "tag", "verdict"}
        Traits that tell sets apart; a sample with several tags is in several sets.

    Returns
    -------
    dict of SetKey to list of SampleRow
        In the order of the samples.
    """
    traits = [trait for trait in by if trait != "run"]
    sets: dict[SetKey, list[SampleRow]] = {}
    for row in rows:
        if not (samples == "all" or row.verdict == "accepted" or (samples == "kept" and row.verdict == "new")):
            continue
        combined: list[Parts] = [()]
        for trait in traits:
            values = _TRAITS[trait](row)
            combined = [(*parts, (trait, value)) for parts in combined for value in values]
        for parts in combined:
            key = SetKey(row.run if "run" in by else "", tuple(by), parts)
            sets.setdefault(key, []).append(row)
    return sets


def _masks(row: SampleRow) -> tuple[str, ...]:
    return (EDITED,) if row.edited else (_origin(row.image_path)[0],)


@lru_cache(maxsize=100_000)  # the image of a sample never changes
def _origin(path: Path) -> tuple[str, str]:
    """Return the source of the mask and the class of a sample."""
    try:
        record = read_record(path)
    except (UserError, OSError):
        return UNKNOWN, UNKNOWN
    if record is None:
        return UNKNOWN, UNKNOWN
    mask = record.source.provenance.get("mask")
    kind = str(mask.get("kind", UNKNOWN)) if isinstance(mask, dict) else TOGETHER
    return kind, record.image_class or UNGRADED


_TRAITS: dict[str, Callable[[SampleRow], tuple[str, ...]]] = {
    "masks": _masks,
    "class": lambda row: (_origin(row.image_path)[1],),
    "tag": lambda row: row.tags or (UNTAGGED,),
    "verdict": lambda row: (row.verdict,),
}
