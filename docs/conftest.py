"""The Python blocks of these pages run as tests, each page in an empty folder."""

import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser


def enter(namespace: dict[str, Any]) -> None:
    """Change into a new folder, in which a page may write files."""
    namespace["_folder"], namespace["_before"] = TemporaryDirectory(), Path.cwd()
    os.chdir(namespace["_folder"].name)


def leave(namespace: dict[str, Any]) -> None:
    """Change back and delete the folder."""
    os.chdir(namespace["_before"])
    namespace["_folder"].cleanup()


pytest_collect_file = Sybil(
    parsers=[PythonCodeBlockParser()],
    patterns=["*.md"],
    excludes=["add_a_generator.md"],  # its first block is a file: tests/core/generators/test_add_a_generator.py
    setup=enter,
    teardown=leave,
).pytest()
