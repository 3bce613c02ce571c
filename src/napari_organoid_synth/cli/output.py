"""What a command prints: a result for a person, or one JSON object, on success and on failure.

``{"schema": 1, "command": "train", "ok": true, ...}`` with the result of the command beside these keys; on failure
``"ok": false`` and ``"error": {"found", "expected", "todo"}``. The keys of each command are in `answers`.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from napari_organoid_synth.core.errors import UserError, disk_error

if TYPE_CHECKING:
    from napari_organoid_synth.core.setting_list import Setting

SCHEMA = 1
"""Version of the objects: it grows when a key is renamed, removed or gets another meaning, not when one is added."""
MAX_LISTED = 5
"""Parts of a list that a person is shown."""
USAGE: type[Exception] = typer.BadParameter.__mro__[2]  # ClickException; newer versions of typer have their own click


class Interrupted(UserError):
    """Ctrl-C in a command that ends at once."""


def show(command: str, result: dict[str, Any], as_json: bool, error: UserError | None = None) -> None:
    """Print a result, for a person or as JSON; with an error, the object says so."""
    if as_json:
        print(as_object(command, result, error))
        return
    if "arms" in result:
        from napari_organoid_synth.core.gain.results import GainResult
        from napari_organoid_synth.core.gain.sentences import gain_text

        print(gain_text(GainResult.parse({key: value for key, value in result.items() if key != "reason"})))
        return
    if command in ("adapt", "sketch"):
        from napari_organoid_synth.core.adapt.verdict import adapt_text

        print(adapt_text(result))
        return
    if command == "study":
        print(f"Page: {result['page']}\nTables and projects: {result['folder']}")
        return
    if command == "try":
        print("\n".join(filter(None, (result["sentence"], result["caveat"]))))
        return
    for key, value in result.items():
        if key == "sets":
            from napari_organoid_synth.core.scores.storage import SetScores
            from napari_organoid_synth.core.scores.table import table

            print(table([SetScores.parse(one) for one in value]))
            continue
        if key != "failed" or value:
            print(f"{key}: {_as_text(value)}")


def _as_text(value: Any) -> str:
    """Return a value for a person; a long list by its first ones."""
    if isinstance(value, list) and len(value) > MAX_LISTED:
        first = json.dumps(value[:MAX_LISTED], default=str)[:-1]
        return f"{first}, …] ({len(value):,}; all of them with --json)"
    return json.dumps(value, default=str) if isinstance(value, dict | list) else str(value)


def show_settings(command: str, listed: Sequence[Setting], as_json: bool) -> None:
    """Print settings, one a line: key, value, type and bounds, explanation."""
    if as_json:
        show(command, {"settings": [one.model_dump(mode="json") for one in listed]}, as_json)
        return
    values = [_as_yaml(one.value) for one in listed]
    wide = max(len(one.key) for one in listed), min(24, max(map(len, values)))
    for one, value in zip(listed, values, strict=True):
        kind = " ".join(part for part in (one.type, one.range) if part)
        changed = "" if one.value == one.default else f" Default: {_as_yaml(one.default)}."
        print(f"{one.key:{wide[0]}}  {value:{wide[1]}}  {one.description}{changed} ({kind})")


def _as_yaml(value: Any) -> str:
    """Return a value as ``--set`` takes it."""
    if isinstance(value, list):
        return f"[{', '.join(map(_as_yaml, value))}]"
    return value or "''" if isinstance(value, str) else json.dumps(value)


def as_object(command: str, result: dict[str, Any], error: UserError | None = None) -> str:
    """Return the JSON object of a result or an error."""
    head = {"schema": SCHEMA, "command": command, "ok": error is None}
    parts = {"found": error.found, "expected": error.expected, "todo": error.todo} if error is not None else {}
    return json.dumps({**head, **result, **({"error": parts} if error else {})}, indent=1, default=str)


def tell_failure(error: Exception, command: str, as_json: bool) -> int:
    """Print an error, as JSON also on standard output, and return the exit code."""
    code, known = 1, error
    if isinstance(error, USAGE):
        code = error.exit_code  # type: ignore[attr-defined]
        error.show()  # type: ignore[attr-defined]
        verb = f"{command} " if getattr(getattr(error, "ctx", None), "parent", None) is not None else ""
        known = UserError(error.format_message(), todo=f"See 'organoid-synth {verb}--help'.")  # type: ignore[attr-defined]
    elif isinstance(error, Interrupted):
        code = 130
        print(error, file=sys.stderr)
    elif isinstance(error, UserError):
        print(f"organoid-synth: {error}", file=sys.stderr)
    elif isinstance(error, OSError):  # no permission, no such folder
        known = _of_the_system(error)
        print(f"organoid-synth: {known}", file=sys.stderr)
    else:
        traceback.print_exception(error)
        known = UserError(f"{type(error).__name__}: {error}", todo="Copy the report and ask.")
    if as_json:
        assert isinstance(known, UserError)
        with suppress(OSError):  # the output itself may be what fails
            print(as_object(command, {}, known), flush=True)
    return code


def _of_the_system(error: OSError) -> UserError:
    return disk_error(error, Path()) or UserError(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
