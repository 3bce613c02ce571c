"""Commands in this process, and the JSON objects that they print."""

from __future__ import annotations

import io
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple
from unittest.mock import patch

from napari_organoid_synth import cli
from napari_organoid_synth.cli.answers import check


class Done(NamedTuple):
    """Exit code, standard output and standard error of a command."""

    code: int
    out: str
    err: str


def run(*arguments: object) -> Done:
    """Run a command in this process."""
    out, err, handlers = (
        io.StringIO(),
        io.StringIO(),
        [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)],
    )
    with (
        patch.object(sys, "argv", ["organoid-synth", *map(str, arguments)]),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        finally:
            for number, handler in zip((signal.SIGINT, signal.SIGTERM), handlers, strict=True):
                signal.signal(number, handler)
    return Done(code, out.getvalue(), err.getvalue())


def result(text: str) -> dict[str, Any]:
    """Return what a command printed with --json, checked against its model, without the keys that all have."""
    values = check(text)
    return {key: value for key, value in values.items() if key not in ("schema", "command", "ok")}
