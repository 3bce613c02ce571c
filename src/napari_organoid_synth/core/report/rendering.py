"""The page out of its parts: templates fill in the text and escape all of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from napari_organoid_synth.core.quantities import plural


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Parameters
    ----------
    title : str
        Its heading.
    name : str
        The target of links to it, and the name of its template.
    data : object
        Content for the template, as ``data``.
    """

    title: str
    name: str
    data: Any


@dataclass(frozen=True)
class Table:
    """A table of text.

    Parameters
    ----------
    head : sequence of str
        Titles of the columns.
    rows : sequence of sequences of str
        The cells.
    bold : int, optional
        Index of a row in bold type.
    left : bool
        Whether all columns are aligned to the left, not only the first.
    caption : str
        Text above the table.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    bold: int | None = None
    left: bool = False
    caption: str = ""


def render(template: str, **values: Any) -> str:
    """Return the HTML of a template, such as ``"page"``, filled with values."""
    return environment().get_template(f"{template}.html.j2").render(**values)


def number(value: Any) -> str:
    """Return three significant digits, with an exponent only below a thousandth."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def digits(value: float) -> str:
    """Return three significant digits, zeros at the end included, so that columns line up."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


@cache
def environment() -> Environment:
    """Return the templates, with everything that they print escaped."""
    environment = Environment(
        loader=PackageLoader("napari_organoid_synth.core.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "plural": plural}
    return environment
