"""Tables as text: CSV with commas, semicolons or tabs, as spreadsheets write them."""

from __future__ import annotations

import csv
import io
import re
from functools import partial
from itertools import islice
from pathlib import Path

from napari_organoid_synth.core.atomic import regular_file
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.reading.readers import short
from napari_organoid_synth.core.quantities import plural

SHEET_ENDINGS = (".csv", ".tsv")
MAX_BYTES = 64 << 20


def read_sheet(path: Path) -> tuple[list[str], list[list[str]]]:
    """Read a table of texts.

    Parameters
    ----------
    path : Path
        Its first line has the titles; commas, semicolons or tabs separate the columns, whichever the first lines
        share, or a line ``sep=;`` names. Quotes, a byte order mark, UTF-16 and Windows letters are understood.

    Returns
    -------
    titles : list of str
    rows : list of list of str
        Each as long as the titles; empty lines are left out.

    Raises
    ------
    UserError
        If the file cannot be read, is larger than 64 MiB, or has no line below the titles.
    """
    try:
        n_bytes = regular_file(path.expanduser()).stat().st_size
        if n_bytes > MAX_BYTES:
            raise UserError(f"{short(path)} has {n_bytes:,} bytes.", f"Expected a table of at most {MAX_BYTES:,}.")
        text = _decode(path.expanduser().read_bytes())
        if named := re.match(r'"?sep=(.)"?\s*\n', text):  # as Excel writes it
            text = text[named.end() :]
        separator = named[1] if named else max(",;\t", key=partial(_columns, text))
        lines = [line for line in csv.reader(io.StringIO(text, newline=""), delimiter=separator) if any(line)]
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.", "Expected a table as CSV text.") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise UserError(f"Cannot read {short(path)}: {error}.", "Expected a table as CSV text.") from None
    if len(lines) < 2:
        raise UserError(
            f"{short(path)} has {plural(len(lines), 'line')}.",
            "Expected a line of titles and one for each image.",
            "Fill it in.",
        )
    titles = [title.strip() for title in lines[0]]
    rows = [[cell.strip() for cell in line[: len(titles)]] for line in lines[1:]]
    return titles, [row + [""] * (len(titles) - len(row)) for row in rows]


def _columns(text: str, separator: str) -> tuple[int, int]:
    """Return the columns that all of the first lines have at least, and those of the first line."""
    lines = [line for line in islice(csv.reader(io.StringIO(text, newline=""), delimiter=separator), 20) if any(line)]
    return min(map(len, lines), default=0), len(lines[0]) if lines else 0


def _decode(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252")
