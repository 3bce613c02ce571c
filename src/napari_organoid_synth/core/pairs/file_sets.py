"""Files that differ only in a number, such as one mask file per object: one name with ``*`` stands for them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from napari_organoid_synth.core.pairs.reading.formats import is_directory, is_folder, without_ending

_NUMBERED = re.compile(r"^(.*[^\d])(\d+)$")
_WORD = re.compile(r"^(.+)[_\-. ][^\W\d_]+$")
OBJECT_TAIL = re.compile(r"[_\-. ](masks?|labels?|obj|objects?)[_\-. ]?\d+$", re.IGNORECASE)
"""End of the name of a file with one object: ``cell_mask_3``."""


_PART_TAIL = re.compile(r"[_\-. ](class|cls|c|ch|channel|z|t|slice|frame|time|plane|page)[_\-. ]?\d+$", re.IGNORECASE)


def set_name(files: Sequence[Path]) -> Path | None:
    """Return the one name with ``*`` for files that differ in their last number, or None.

    None also if other files of the folder fit that name.

    Examples
    --------
    >>> print(set_name([Path("a_mask_1.png"), Path("b_mask_1.png")]))
    None
    """
    names = {name for file in files for name in [_with_star(file)]}
    name = names.pop()
    return name if not names and name is not None and set(files_of_set(name)) == set(files) else None


def _with_star(file: Path) -> Path | None:
    stem = without_ending(file.name)
    found = _NUMBERED.match(stem)
    return file.with_name(f"{found[1]}*{file.name[len(stem) :]}") if found else None


def is_file_set(path: Path) -> bool:
    """Return whether a path is a name with ``*`` for several files, rather than a file."""
    return "*" in path.name and not os.path.lexists(path)


def files_of_set(path: Path) -> list[Path]:
    """Return the files that a name with ``*`` stands for, by their numbers."""
    start, _, end = path.name.rpartition("*")
    names = _names(path.parent, path.parent.stat().st_mtime_ns) if is_directory(path.parent) else ()
    fitting = [name for name in names if name.startswith(start) and name.endswith(end)]
    numbers = {name: name[len(start) : len(name) - len(end)] for name in fitting}
    found = [(int(number), name) for name, number in numbers.items() if number.isdecimal()]
    return [path.with_name(name) for _, name in sorted(found)]


@lru_cache(maxsize=4)
def _names(folder: Path, changed: int) -> tuple[str, ...]:
    """Return the names in a folder, read again when it changed (ns)."""
    return tuple(path.name for path in folder.iterdir())


def holds_objects(path: Path) -> bool:
    """Return whether a mask is stored as one file per object: a folder of them, or a name with ``*``."""
    return is_folder(path) or is_file_set(path)


def without_number(name: str) -> Iterator[str]:
    """Yield a name without its last number, then without each word before it; nothing for a class, slice or channel.

    Examples
    --------
    >>> list(without_number("a_cell_mask_3"))
    ['a_cell_mask', 'a_cell', 'a']
    """
    found = None if _PART_TAIL.search(name) else _NUMBERED.match(name)
    rest = found[1].rstrip("_-. ") if found else ""
    while rest:
        yield rest
        match = _WORD.match(rest)
        rest = match[1] if match else ""
