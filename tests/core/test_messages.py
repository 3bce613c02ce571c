"""The backend speaks to a terminal, a script and a window: its messages name commands, not parts of a window."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from napari_organoid_synth import core

PARTS = re.compile(
    r"\b(docks?|buttons?|clicks?|clicked|galler(?:y|ies)|windows?|pages?|tabs?|menus?|drag)\b", re.IGNORECASE
)
OTHER_MEANINGS = {
    "blind/browser.py": "the page that it serves",
    "pairs/reading/readers.py": "pages of a TIFF file",
    "pairs/reading/tiff_reader.py": "pages of a TIFF file",
    "pairs/file_sets.py": "'page' in file names",
    "pairs/name_parts.py": "'page' and 'view' in file names",
}
"""Files in which such a word means something else, and what."""
ALLOWED = re.compile("organoid-synth window|browser page")
SOURCE = Path(core.__file__).parent
FOLDERS = [SOURCE, SOURCE.parent / "cli"]


def messages(path: Path) -> list[str]:
    """Return the strings of a file that are sentences, without docstrings."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and id(node) not in docstrings]
    return [text for text in texts if isinstance(text, str) and " " in text.strip()]


FILES = sorted(path for folder in FOLDERS for path in folder.rglob("*.py"))


def test_no_message_speaks_of_parts_of_a_window() -> None:
    found = [
        f"{path.relative_to(SOURCE.parent)}: {text}"
        for path in FILES
        if path.relative_to(SOURCE.parent).as_posix().removeprefix("core/") not in OTHER_MEANINGS
        for text in messages(path)
        if PARTS.search(ALLOWED.sub("", text))
    ]
    assert found == []
    assert sum(len(messages(path)) for path in FILES) > 1000  # the search sees the messages


@pytest.mark.parametrize("text", ["Accept some in the Curate dock.", "See the page Pairs.", "Click on Start."])
def test_the_search_finds_such_words(text: str) -> None:
    assert PARTS.search(text)
