"""The page of a study: its tables and figures in its own form, beside the published ones, as a single HTML file."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeAlias

from jinja2 import ChoiceLoader, Environment, PackageLoader

from napari_organoid_synth import __version__
from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.project import file_stem
from napari_organoid_synth.core.report.charts import Cloud, Curves
from napari_organoid_synth.core.report.head import Head, machine
from napari_organoid_synth.core.report.pictures import Picture
from napari_organoid_synth.core.report.rendering import Table, environment
from napari_organoid_synth.core.studies.catalog import Study
from napari_organoid_synth.core.studies.parts import PartRecord, Values
from napari_organoid_synth.core.studies.settings import FILE, PAGE, StudySettings

NOT_KNOWN = "not known"
"""In place of a published figure that is not known here: none is made up."""


@dataclass(frozen=True)
class Prose:
    """A paragraph; ``kind`` is empty, ``faint`` or ``lead``."""

    text: str
    kind: str = ""


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side, with a text above; ``layout``: ``tiles`` at their own pixels, ``row`` or ``row wide``."""

    pictures: Sequence[Picture]
    caption: str = ""
    layout: str = "tiles"


@dataclass(frozen=True)
class Charts:
    """Curves side by side, with a text above."""

    curves: Sequence[Curves]
    caption: str = ""


@dataclass(frozen=True)
class Clouds:
    """Maps of points side by side, with a text above."""

    clouds: Sequence[Cloud]
    caption: str = ""


@dataclass(frozen=True)
class Drawings:
    """SVGs side by side that were drawn by this package, each with its title, and a text above all."""

    svgs: Mapping[str, str]
    caption: str = ""


Block: TypeAlias = Prose | Table | Gallery | Charts | Clouds | Drawings
"""A piece of a section, drawn by its type."""


@dataclass(frozen=True)
class StudySection:
    """A table or figure of the study.

    Parameters
    ----------
    title, name : str
        Heading, and target of links to it.
    blocks : sequence of Block
        From top to bottom.
    """

    title: str
    name: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Deviation:
    """Something that is not as published: what it is, the published way, the way here, and the reason."""

    what: str
    published: str
    here: str
    why: str


@dataclass(frozen=True)
class StudyPage:
    """Content of the page.

    Parameters
    ----------
    summary : str
        The result in some sentences.
    sections : sequence of StudySection
        Tables and figures.
    deviations : sequence of Deviation
        What differs from the published way, and why.
    has_outlines : bool
        Whether pictures have outlines of masks above them.
    """

    summary: str
    sections: Sequence[StudySection]
    deviations: Sequence[Deviation]
    has_outlines: bool = False

    @property
    def tables(self) -> dict[str, Table]:
        """The tables by the name of their section; further ones of a section are numbered."""
        found: dict[str, Table] = {}
        for section in self.sections:
            tables = [block for block in section.blocks if isinstance(block, Table)]
            for number, table in enumerate(tables, 1):
                found[section.name if number == 1 else f"{section.name}-{number}"] = table
        return found


def write_page(
    folder: Path, study: Study, settings: StudySettings, page: StudyPage, records: dict[str, PartRecord]
) -> Path:
    """Write the page and its tables (``tables/NAME.csv``), and return the path of the page."""
    head = Head(
        project=study.title,
        origin=f"{time.strftime('%d %B %Y, %H:%M')} · napari-organoid-synth {__version__} · {machine()}",
        summary=page.summary,
        warnings=(),
        has_outlines=page.has_outlines,
    )
    text = (
        _environment()
        .get_template("study.html.j2")
        .render(
            head=head,
            study=study,
            settings=settings,
            file=FILE,
            sections=page.sections,
            deviations=page.deviations,
            times=_times(records),
            hours=_duration(sum(record.seconds for record in records.values())),
        )
    )
    path = folder / PAGE
    write_text(path, text)
    for name, table in page.tables.items():
        write_text(folder / "tables" / f"{file_stem(name)}.csv", _csv(table))
    return path


def plain_tables(page: StudyPage) -> Values:
    """Return the tables as plain values: ``head`` and ``rows`` of text by name."""
    return {
        name: {"head": list(table.head), "rows": [list(row) for row in table.rows]}
        for name, table in page.tables.items()
    }


def _csv(table: Table) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows([table.head, *table.rows])
    return stream.getvalue()


def _times(records: dict[str, PartRecord]) -> Table:
    """Return how long each part took, and where."""
    rows = [[record.title, _duration(record.seconds), record.computer] for record in records.values()]
    return Table(["Part", "Time", "Computer"], rows, left=True)


def _duration(seconds: float) -> str:
    """Return a time with two digits or more.

    Examples
    --------
    >>> _duration(4.26), _duration(75), _duration(4500)
    ('4.3 s', '75 s', '1 h 15 min')
    """
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


@cache
def _environment() -> Environment:
    """Return the templates of the report with those of the studies, which come first."""
    shared = environment()
    loaders = [PackageLoader("napari_organoid_synth.core.studies"), shared.loader]
    return shared.overlay(loader=ChoiceLoader([one for one in loaders if one is not None]))
