"""The command line: every command of the window, without the window.

Results go to standard output (``--json``: as one JSON object), everything else to standard error. Exit codes: 0 done,
1 a problem that the user can solve (one sentence describes it), 2 wrong use of the command, 130 stopped by Ctrl-C after
saving.
"""

from __future__ import annotations

import sys
from pathlib import Path

from napari_organoid_synth.cli import long_verbs, other_verbs, short_verbs
from napari_organoid_synth.cli.options import app
from napari_organoid_synth.core.errors import UserError, disk_error

__all__ = [
    "app",
    "long_verbs",
    "main",
    "other_verbs",
    "short_verbs",
]  # commands add themselves to the app when imported


def main() -> None:
    """Run the command line; a problem that the user can solve is one sentence on standard error, not a traceback."""
    try:
        app()
    except UserError as error:
        print(f"organoid-synth: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # no permission, no such folder
        sentence = disk_error(error, Path.cwd())
        if sentence is not None:
            print(f"organoid-synth: {sentence}", file=sys.stderr)
            sys.exit(1)
        print(f"organoid-synth: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        sys.exit(1)
