"""Write a project as one page: a single HTML file with everything inside, for a colleague, a lab book or a supplement.

A section is a function that takes the `Contents` and returns a `Section`, or None where there is nothing to show: one
file, one template and one line in ``SECTIONS``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.storage import newest_result
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Started, Warned
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.blind import blind
from napari_organoid_synth.core.report.contents import Contents, read_contents
from napari_organoid_synth.core.report.copies import copies
from napari_organoid_synth.core.report.data import data
from napari_organoid_synth.core.report.decisions import decisions
from napari_organoid_synth.core.report.exports import exports, times
from napari_organoid_synth.core.report.gain import gain
from napari_organoid_synth.core.report.head import head
from napari_organoid_synth.core.report.map_section import map_section
from napari_organoid_synth.core.report.rendering import Section, render
from napari_organoid_synth.core.report.set_tables import set_tables
from napari_organoid_synth.core.report.sheet import sheet
from napari_organoid_synth.core.report.trainings import trainings

SECTIONS: dict[str, Callable[[Contents], Section | None]] = {
    "real data": data,
    "trainings": trainings,
    "sample sheet": sheet,
    "tables": set_tables,
    "copies": copies,
    "map": map_section,
    "curation": decisions,
    "blind test": blind,
    "gain": gain,
    "exports": exports,
    "times": times,
}
"""Sections in the order of the page, each with its name in the messages of progress."""


def report(
    project: Project,
    path: Path,
    control: Control,
    result: GainResult | None = None,
    seconds: dict[str, float] | None = None,
) -> Iterator[Event]:
    """Write the report of a project, section by section.

    Parameters
    ----------
    project : Project
        Parts that are not there yet are left out.
    path : Path
        The HTML file; untouched when the writing is stopped.
    control : Control
        Read before each section.
    result : GainResult, optional
        Of a comparison; default: the newest of the project.
    seconds : dict of str to float, optional
        Duration of each stage.

    Yields
    ------
    Event
        Started, Progress in sections, Finished with ``report`` (the file), ``bytes`` and ``seconds``.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    start, total = time.monotonic(), len(SECTIONS)
    yield Started(0, {"total": total})
    sections: list[Section] = []
    with read_contents(project, result or newest_result(project), seconds or {}) as contents:
        for sentence in contents.damage:
            yield Warned(0, sentence)
        for step, (name, section) in enumerate(SECTIONS.items()):
            yield from control.wait_while_paused(step)
            if control.canceled:
                yield Finished(step, "canceled")
                return
            yield Progress(step, total, note=name)
            if (part := section(contents)) is not None:
                sections.append(part)
        top, shrunk = head(contents), contents.album.shrunk
    took = time.monotonic() - start
    footer = f"Written in {took:.1f} s."
    if shrunk:
        footer += f" {plural(shrunk, 'picture')} shrunk to keep the file small."
    text = render("page", head=top, sections=sections, footer=footer)
    _write(Path(path), text)
    yield Progress(total, total)
    yield Finished(total, "completed", {"report": str(path), "bytes": len(text.encode()), "seconds": round(took, 1)})


def write_report(
    project: Project,
    path: Path,
    result: GainResult | None = None,
    seconds: dict[str, float] | None = None,
) -> Path:
    """Run `report` to its end.

    Parameters
    ----------
    project : Project
        Project of the report.
    path : Path
        Of the HTML file.
    result : GainResult, optional
        Of a comparison; default: the newest of the project.
    seconds : dict, optional
        Duration of each step, to be shown.

    Returns
    -------
    Path
        Of the file.
    """
    for _ in report(project, path, Control(), result, seconds):
        pass
    return Path(path)


def _write(path: Path, text: str) -> None:
    try:
        write_text(path, text)
    except OSError as error:
        if isinstance(error, UserError):
            raise
        todo = "Choose another file."
        raise UserError(
            f"Cannot write {path}: {error.strerror}.", "Expected a file that can be written.", todo
        ) from error
