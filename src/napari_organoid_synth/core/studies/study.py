"""Run a study whole: its parts, of which those that are done already are kept, and the page with all tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Started
from napari_organoid_synth.core.registry import load
from napari_organoid_synth.core.studies.catalog import Study, find_study
from napari_organoid_synth.core.studies.page import StudyPage, plain_tables, write_page
from napari_organoid_synth.core.studies.parts import Part, Results, done_parts, run_parts
from napari_organoid_synth.core.studies.settings import FILE, StudySettings, write_settings
from napari_organoid_synth.core.synthesis.stages import TOTAL


@dataclass(frozen=True)
class Plan:
    """What a study does.

    Parameters
    ----------
    parts : sequence of Part
        In an order in which they can be done.
    page : callable
        From the results of all parts to the page.
    """

    parts: Sequence[Part]
    page: Callable[[Results], StudyPage]


def study(folder: Path, settings: StudySettings, control: Control) -> Iterator[Event]:
    """Run a published study on your images; one that was stopped or changed goes on, and repeats only what it must.

    Parameters
    ----------
    folder : Path
        Gets ``study.yaml``, the results of the parts, ordinary projects, the tables and the page.
    settings : StudySettings
        From `study_settings`, or read from ``study.yaml``; written there first.
    control : Control
        Pause and cancel are honoured after the step in progress; what is done is kept.

    Yields
    ------
    Event
        One Started; the events of the parts, their Progress scaled to one bar of 1000 parts with the title of the part
        as its note; one Finished with ``folder``, ``page`` (the HTML file), ``seconds`` of each part, ``repeated``
        (names of the parts that were done now) and ``tables`` (``head`` and ``rows`` of each).

    Raises
    ------
    UserError
        If the images are not what the study needs, or a part fails; what was done before is kept.
    """
    folder, study = Path(folder), find_study(settings.name)
    refuse_missing(settings)
    plan: Plan = load(study.plan)(folder, settings, control)
    write_settings(folder, settings, _heading(study))
    done = done_parts(folder, plan.parts).records
    titles = [part.title for part in plan.parts]
    yield Started(0, {"folder": str(folder), "total": TOTAL, "parts": titles, "done": sorted(done)})
    outcome = yield from run_parts(folder, plan.parts, control)
    records = {part.name: record for part in plan.parts if (record := outcome.results.records.get(part.name))}
    result = {
        "study": settings.name,
        "folder": str(folder),
        "seconds": {name: record.seconds for name, record in records.items()},
        "repeated": list(outcome.repeated),
    }
    if outcome.canceled:
        yield Finished(round(TOTAL * len(records) / len(plan.parts)), "canceled", result)
        return
    yield Progress(TOTAL, TOTAL, note="write the report")
    page = plan.page(outcome.results)
    path = write_page(folder, study, settings, page, records)
    yield Finished(TOTAL, "completed", {**result, "page": str(path), "tables": plain_tables(page)})


def refuse_missing(settings: StudySettings) -> None:
    """Raise if there is no folder of images.

    Raises
    ------
    UserError
        That says what the folder must hold.
    """
    study = find_study(settings.name)
    if settings.data and Path(settings.data).expanduser().is_dir():
        return
    found = f"There is no folder {settings.data}." if settings.data else "No folder of images is named."
    raise UserError(found, f"Expected a folder with {study.data}.", "Name the folder of the images.")


def _heading(study: Study) -> str:
    """Return the comment at the top of ``study.yaml``."""
    return (
        f"{study.title}\nAfter {study.paper}.\n{study.question}\n\n"
        f"This file may be edited. Run the study again in the same folder ({FILE} is read there): only what a change "
        "touches is repeated."
    )
