"""The command line: every command of the window, without the window.

Results go to standard output (``--json``: as one JSON object, also of an error), everything else to standard error.
Exit codes: 0 done, 1 a problem that the user can solve (one sentence describes it), 2 wrong use of the command, 130
stopped by Ctrl-C after saving.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper

from napari_organoid_synth.cli import long_verbs, other_verbs, short_verbs
from napari_organoid_synth.cli.options import app, command_of
from napari_organoid_synth.cli.output import tell_failure

__all__ = [
    "app",
    "long_verbs",
    "main",
    "other_verbs",
    "short_verbs",
]  # commands add themselves to the app when imported


def main() -> None:
    """Run the command line; a problem that the user can solve is one sentence on standard error, not a traceback."""
    arguments = sys.argv[1:]
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # "✓" in a terminal that is not UTF-8
    try:
        code = app(standalone_mode=False) or 0
    except Exception as error:
        code = tell_failure(error, command_of(arguments), "--json" in arguments)
    sys.exit(code)
