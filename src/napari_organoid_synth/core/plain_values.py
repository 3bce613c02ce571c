"""Plain values out of YAML and JSON texts: bounded in size and depth before anything grows out of them."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from napari_organoid_synth.core.atomic import regular_file
from napari_organoid_synth.core.errors import UserError

MAX_BYTES = 256 << 20
"""Size of a JSON file; a table of 100,000 pairs has about 50 MB."""
MAX_YAML = 1 << 18
"""Characters of a YAML text; a recipe has about 2,000."""
MAX_VALUES = 100_000
"""Values of a YAML text, each alias counted as often as it is used."""
MAX_DEPTH = 50
"""Levels of nesting in a YAML text."""
MAX_KEY = 200
"""Characters of a YAML key."""
MAX_DIGITS = 30
"""Digits of a whole number."""


class _Loader(yaml.SafeLoader):
    """Plain data only; words are what YAML 1.2 says, so that ``on``, ``no`` and dates stay texts.

    A truth value may still be written ``on`` or ``no``: the field that holds it knows what it means.
    """

    def get_single_data(self) -> Any:
        """Compose the tree, measure it, and only then build the values."""
        tree = self.get_single_node()
        if tree is None:
            return None
        _measure(tree, {}, 0)
        return self.construct_document(tree)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Refuse a key that stands twice: which of them was meant cannot be known."""
        first: dict[str, int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != "tag:yaml.org,2002:merge":
                line = key.start_mark.line + 1
                if key.value in first:
                    raise ValueError(f"line {line}: '{key.value}' stands there twice, first in line {first[key.value]}")
                first[key.value] = line
        return super().construct_mapping(node, deep=deep)

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """Refuse a number of endless digits."""
        return _whole(str(node.value).replace("_", ""))


_Loader.yaml_implicit_resolvers = {
    first: [entry for entry in entries if not entry[0].endswith((":bool", ":timestamp", ":int"))]
    for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_TRUTH = re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$")
_WHOLE = re.compile(r"^[-+]?(?:0|[1-9][0-9_]*)$")
_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", _TRUTH, list("tTfF"))
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", _WHOLE, list("-+0123456789"))
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)


def from_yaml(text: str) -> Any:
    """Parse YAML.

    Raises
    ------
    ValueError
        If it is not YAML, a key stands twice, or it is too long, too deep or too large once its aliases are filled in;
        the message names the line.
    """
    if len(text) > MAX_YAML:
        raise ValueError(f"it has {len(text):,} characters, more than {MAX_YAML:,}")
    depth = 0
    for bracket in re.findall(r"[\[\]{}]", text):  # the parser takes minutes to find out by itself
        depth += 1 if bracket in "[{" else -1
        if depth > 10 * MAX_DEPTH:
            raise ValueError("it is nested too deeply")
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise ValueError(f"{line}{error.problem}") from None
    except yaml.YAMLError as error:
        raise ValueError(str(error).splitlines()[0]) from None
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def from_json(text: str) -> Any:
    """Parse JSON.

    Raises
    ------
    ValueError
        If it is not JSON, nested too deeply, or has a whole number of endless digits.
    """
    try:
        return json.loads(text, parse_int=_whole)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def read_text(path: Path, limit: int = MAX_BYTES) -> str:
    """Read a text file; a pipe, a device or a folder is not opened.

    Raises
    ------
    OSError
        If there is no such file, or it may not be read.
    ValueError
        If it is not a file, larger than ``limit`` bytes, or not text.
    """
    try:
        size = regular_file(Path(path)).stat().st_size
    except UserError as error:
        raise ValueError(error.found.replace(str(path), "it", 1).removesuffix(".")) from None
    if size > limit:
        raise ValueError(f"it has {size:,} bytes, more than {limit:,}")
    try:
        return Path(path).read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is not text (UTF-8)") from None


def read_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds names and values.

    Raises
    ------
    OSError, ValueError
        As `read_text` and `from_json`, and if it holds something else.
    """
    values = from_json(read_text(path))
    if not isinstance(values, dict):
        raise ValueError(f"it holds a {type(values).__name__} instead of names and values")
    return values


def reason(error: OSError | ValueError) -> str:
    """Return why a file cannot be read, for "Cannot read <path>: <reason>."."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text.removesuffix(".")


def _measure(node: yaml.Node, sizes: dict[int, int], depth: int) -> int:
    """Return the values below a node with its aliases filled in; 0 in ``sizes`` marks a node that is being counted."""
    line = node.start_mark.line + 1
    if isinstance(node, yaml.ScalarNode):
        return 1
    if depth > MAX_DEPTH:
        raise ValueError(f"line {line}: it is nested too deeply")
    if id(node) in sizes:
        if not sizes[id(node)]:
            raise ValueError(f"line {line}: it contains itself")
        return sizes[id(node)]
    sizes[id(node)] = 0
    total = 1
    for part in node.value:
        for child in part if isinstance(node, yaml.MappingNode) else (part,):
            total += _measure(child, sizes, depth + 1)
        if isinstance(node, yaml.MappingNode) and isinstance(part[0], yaml.ScalarNode) and len(part[0].value) > MAX_KEY:
            raise ValueError(f"line {line}: a key has {len(part[0].value):,} characters, more than {MAX_KEY}")
        if total > MAX_VALUES:
            raise ValueError(f"line {line}: it stands for more than {MAX_VALUES:,} values")
    sizes[id(node)] = total
    return total


def _whole(text: str) -> int:
    if len(text) > MAX_DIGITS:
        raise ValueError(f"a whole number has {len(text):,} digits, more than {MAX_DIGITS}")
    return int(text)
