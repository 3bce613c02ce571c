"""Classes of whole images, such as grades, from a column of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import UNGRADED
from napari_organoid_synth.core.pairs.reading.readers import short
from napari_organoid_synth.core.pairs.sheet import read_sheet
from napari_organoid_synth.core.pairs.sheet_names import match_names
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.quantities import plural

COLUMNS = ("grade", "class", "label", "image_class", "image class")
"""Titles that a column of grades may have, the likeliest first."""


_NONE = ("na", "n/a", "#n/a", "nan", "null")  # as tables write a missing value


OWN_CLASS = f"In a training they are a class of their own, '{UNGRADED}'."


def ungraded_warning(number: int, of: int) -> str:
    """Return the warning about images without a class among others that have one.

    Examples
    --------
    >>> ungraded_warning(1, 4)
    "1 of 4 images has no class (grade). In a training they are a class of their own, 'ungraded'."
    """
    return f"{number} of {plural(of, 'image')} {'has' if number == 1 else 'have'} no class (grade). {OWN_CLASS}"


def with_grades(table: PairTable, file: Path, column: str = "") -> PairTable:
    """Give images the class that a table names.

    Parameters
    ----------
    table : PairTable
        Images that the file does not name keep the class that they have.
    file : Path
        CSV with the names of the images, with or without ending and folder, in one column.
    column : str
        Title of the column with the classes; default: the only other column, or one titled grade, class or label.

    Returns
    -------
    PairTable
        With classes in its rows, and sentences about images and lines without partner.

    Raises
    ------
    UserError
        If the file cannot be read, no column has the names or the classes, or one image has two classes.
    """
    titles, rows = read_sheet(file)
    images = [entry for entry in table.entries if entry.image]
    if match_names(titles, images):  # there are no titles
        titles, rows = [f"column {number}" for number, _ in enumerate(titles, 1)], [titles, *rows]
    found = [match_names([row[index] for row in rows], images) for index in range(len(titles))]
    names_at = max(range(len(titles)), key=lambda index: len(found[index]))
    if not found[names_at]:
        raise UserError(
            f"No column of {short(file)} has the name of an image; its first line below the titles is "
            f"'{', '.join(rows[0])[:80]}'.",
            f"Expected names such as {images[0].name if images else 'image_1'}.",
            "Write the names of the image files into a column.",
        )
    grade_at = _column(titles, names_at, column, file)
    grades: dict[str, str] = {}
    spelled = _spelling([row[grade_at] for row in rows])
    for line, image in found[names_at].items():
        grade = spelled[rows[line][grade_at]]
        if grade and grades.setdefault(image, grade) != grade:
            raise UserError(
                f"{short(file)} gives '{image}' the classes '{grades[image]}' and '{grade}'.",
                "Expected one class for each image.",
                "Correct the table.",
            )
    entries = tuple(
        entry.replace(image_class=grades[entry.name]) if entry.name in grades else entry for entry in table.entries
    )
    without = [entry.name for entry in images if entry.name not in grades]
    unknown = [rows[line][names_at] for line in range(len(rows)) if line not in found[names_at]]
    notes = tuple(_notes(file, grades, without, unknown))
    return table.replace(entries=entries, grade_notes=notes, grades_file=str(Path(file).expanduser().absolute()))


def _spelling(grades: Sequence[str]) -> dict[str, str]:
    """Return one spelling for each grade: of equal numbers (``1``, ``1.0``) the shortest, of a missing one none.

    Examples
    --------
    >>> _spelling(["1.0", "1", "NA", "A"])
    {'1.0': '1', '1': '1', 'NA': '', 'A': 'A'}
    """
    shortest: dict[float | str, str] = {}
    for grade in sorted(grades, key=len):
        shortest.setdefault(_number(grade), grade)
    return {grade: "" if grade.casefold() in _NONE else shortest[_number(grade)] for grade in grades}


def _number(grade: str) -> float | str:
    try:
        return float(grade.replace(",", "."))
    except ValueError:
        return grade


def _column(titles: Sequence[str], names_at: int, column: str, file: Path) -> int:
    """Return the column with the classes."""
    others = [index for index in range(len(titles)) if index != names_at]
    lower = [title.casefold() for title in titles]
    wanted = [column.casefold()] if column else COLUMNS
    for title in wanted:
        if title in lower and lower.index(title) in others:
            return lower.index(title)
    if len(others) == 1 and not column:
        return others[0]
    raise UserError(
        f"{short(file)} has no column '{column}'." if column else f"{short(file)} has {plural(len(titles), 'column')}.",
        f"Expected one of: {', '.join(titles[index] for index in others)[:200] or 'a column with the classes'}.",
        "Name it with --grade-column.",
    )


def _notes(file: Path, grades: dict[str, str], without: Sequence[str], unknown: Sequence[str]) -> list[str]:
    """Describe the classes, and what has no partner."""
    counts = Counter(grades.values())
    shown = ", ".join(f"{grade} ({number})" for grade, number in sorted(counts.items())[:8])
    notes = [f"{plural(len(counts), 'image class', 'image classes')} from {file.name}: {shown}."]
    if without:
        text = f"{plural(len(without), 'image has', 'images have')} no class in {file.name}: {_few(without)}."
        notes.append(f"{text} {OWN_CLASS}")
    if unknown:
        notes.append(f"{plural(len(unknown), 'line')} of {file.name} fit no image, or several: {_few(unknown)}.")
    return notes


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")
