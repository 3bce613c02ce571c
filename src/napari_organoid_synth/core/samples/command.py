"""The command samples: find samples by a query, change them, and list them as they are then."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pydantic import Field

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.samples.far_sets import FarFromOriginals, far_runs, run_of
from napari_organoid_synth.core.samples.importing import import_pairs
from napari_organoid_synth.core.samples.query import parse
from napari_organoid_synth.core.samples.row import SampleRow, Verdict
from napari_organoid_synth.core.samples.selection import best, diverse
from napari_organoid_synth.core.samples.settings import SamplesSettings
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.spelling import did_you_mean

FOUND, ALL = "found", "all"
VERDICTS: tuple[tuple[str, Verdict], ...] = (("accept", "accepted"), ("reject", "rejected"), ("reset", "new"))


class SampleRecord(FrozenModel):
    """One sample in a list."""

    name: str = Field(description="Name of its files, unique in the project.")
    verdict: str = Field(description="new, accepted or rejected; deleted in the bin.")
    run: str = Field(description="The run that made it.")
    created: float = Field(description="Seconds since 1970.")
    objects: int = Field(description="Objects in its mask.")
    size: tuple[int, int] = Field(description="Height and width, px.")
    flagged: str = Field(description="Why it should not be used, such as copy or mask.")
    tags: tuple[str, ...] = Field(description="In alphabetical order.")
    note: str = Field(description="Note of a person.")
    words: str = Field(description="The scores in words.")
    scores: dict[str, float] = Field(description="By name.")
    image: str = Field(description="File of the image.")
    labels: str = Field(description="File of the mask.")

    @classmethod
    def of(cls, row: SampleRow, verdict: str = "") -> SampleRecord:
        """Return the record of a row."""
        return cls(
            name=row.id,
            verdict=verdict or row.verdict,
            run=row.run,
            created=row.created,
            objects=row.n_objects,
            size=row.size,
            flagged=row.flagged,
            tags=row.tags,
            note=row.remark,
            words=row.note,
            scores=row.scores,
            image=str(row.image_path),
            labels=str(row.labels_path),
        )


class SamplesResult(FrozenModel):
    """Samples after the changes."""

    new: int = Field(description="Samples without a verdict, of all.")
    accepted: int = Field(description="Accepted samples, of all.")
    rejected: int = Field(description="Rejected samples, of all.")
    found: int = Field(description="Samples that the query finds.")
    samples: tuple[SampleRecord, ...] = Field(description="Those found, in order, at most as many as the limit.")
    changed: tuple[str, ...] = Field(description="Names of the samples that this call changed.")
    added: tuple[str, ...] = Field(description="Names of the samples that were added from files.")
    failed: dict[str, str] = Field(description="Files that could not be added, with the reason.")
    file: str = Field("", description="The CSV file.")
    left_out: tuple[str, ...] = Field(
        (), description="Runs of which none of the best was accepted, because they are far from the originals."
    )

    @property
    def sentence(self) -> str:
        """Numbers in words."""
        counts = f"{self.new:,} new, {self.accepted:,} accepted, {self.rejected:,} rejected"
        text = f"{plural(self.found, 'sample')} found ({counts} in all)."
        text += f" {plural(len(self.added), 'sample')} added." if self.added else ""
        text += f" {plural(len(self.changed), 'sample')} changed." if self.changed else ""
        return text + (f" None of {', '.join(self.left_out)}: far from the originals." if self.left_out else "")


def samples(project: Project, settings: SamplesSettings) -> SamplesResult:
    """Change samples and list them.

    Parameters
    ----------
    project : Project
        With samples, unless some are added.
    settings : SamplesSettings
        What to find, change and write. The query is answered before the changes; those found then are changed and
        listed.

    Raises
    ------
    UserError
        If the query cannot be read, a sample or a score does not exist, or a change needs a query and there is none.
    FarFromOriginals
        If the best are to be accepted and all are of runs that are far from the originals as a set.
    """
    with SampleStore(project.samples_path) as store:
        failed: dict[str, str] = {}
        added = []
        if settings.add:
            added = import_pairs(store, [Path(one).expanduser() for one in settings.add], "new", failed)
        found = _find(store, settings)
        chosen = found[: settings.limit or None]
        wants_best = any(name.startswith(("best:", "diverse:")) for name in settings.accept)
        left_out = far_runs(store) if wants_best and not settings.anyway else {}
        changed = _change(store, settings, chosen)
        verdict = "deleted" if settings.deleted else ""
        rows = {row.id: row for row in store.rows(deleted=settings.deleted)}
        records = [SampleRecord.of(rows[id], verdict) for id in chosen if id in rows]
        if settings.csv:
            write_text(Path(settings.csv), to_csv(records))
        return SamplesResult(
            **store.counts(),
            found=len(found),
            samples=tuple(records),
            changed=tuple(changed),
            added=tuple(added),
            failed=failed,
            file=settings.csv,
            left_out=tuple(run_of(store, run) for run in left_out),
        )


def _find(store: SampleStore, settings: SamplesSettings) -> list[str]:
    """Return the ids that the query finds, in order."""
    metrics = store.metrics()
    key = settings.sort.removeprefix("-")
    known = ["created", "name", *metrics]
    if key not in known:
        raise UserError(
            f"Samples cannot be sorted by '{key}'.", f"Expected one of: {', '.join(known)}.", did_you_mean(key, known)
        )
    condition = parse(settings.query, metrics)
    listed = store.listing(key, settings.sort.startswith("-"), condition, deleted=settings.deleted)
    return [id for id, _, fits in listed if fits]


def _change(store: SampleStore, settings: SamplesSettings, found: Sequence[str]) -> list[str]:
    """Make the changes in the order of the fields, and return the samples that changed."""
    changed: list[str] = []
    for field, verdict in VERDICTS:
        anyway = settings.anyway or verdict != "accepted"
        if ids := _named(store, getattr(settings, field), found, settings, anyway):
            changed += store.decide(ids, verdict)
    if settings.tag or settings.untag or settings.note or settings.no_note:
        _require_query(settings, "Tags and notes go")
        remark = settings.note if settings.note or settings.no_note else None
        changed += store.annotate(found, add=settings.tag, remove=settings.untag, remark=remark)
    if settings.flag or settings.unflag:
        _require_query(settings, "A flag goes")
        changed += store.flag(found, settings.flag, settings.unflag)
    if ids := _named(store, settings.delete, found, settings, anyway=True):
        changed += store.delete(ids)
    if settings.restore:
        deleted = [id for id, _, _ in store.listing(deleted=True)]
        changed += store.bring_back(deleted if ALL in settings.restore else settings.restore)
    steps: tuple[tuple[bool, Callable[[], list[str]]], ...] = (
        (settings.undo, store.undo),
        (settings.redo, store.redo),
    )
    for wanted, step in steps:
        changed += step() if wanted else []
    return list(dict.fromkeys(changed))


def _named(
    store: SampleStore, names: Iterable[str], found: Sequence[str], settings: SamplesSettings, anyway: bool
) -> list[str]:
    """Return the ids of the samples that an option names; ``anyway`` as in `best`."""
    ids: list[str] = []
    for name in names:
        way, _, number = name.partition(":")
        if name == FOUND:
            _require_query(settings, "'found' stands")
            ids += found
        elif way in ("best", "diverse") and number.isdigit():
            try:
                ids += (best if way == "best" else diverse)(store, int(number), anyway=anyway)
            except FarFromOriginals as error:
                todo = f"{error.todo} With --anyway the best of them are."
                raise FarFromOriginals(error.found, error.expected, todo) from None
        else:
            store.row(name)
            ids.append(name)
    return ids


def _require_query(settings: SamplesSettings, what: str) -> None:
    if not settings.query.strip() and not settings.limit:
        raise UserError(
            "There is no query.",
            f"{what} for all samples that the query finds.",
            "Add --query, such as --query 'verdict == new', or --limit.",
        )


def to_csv(records: Sequence[SampleRecord]) -> str:
    """Format samples as CSV: a line for each, a column for each score."""
    scores = sorted({name for record in records for name in record.scores})
    plain = [name for name in SampleRecord.model_fields if name not in ("size", "tags", "scores")]
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow([*plain, "height", "width", "tags", *scores])
    for record in records:
        values = [getattr(record, name) for name in plain]
        numbers = [record.scores.get(name, "") for name in scores]
        table.writerow([*values, *record.size, ", ".join(record.tags), *numbers])
    return stream.getvalue()
