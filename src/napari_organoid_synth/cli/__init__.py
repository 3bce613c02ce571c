"""The command line: every verb of the window, without it.

Results go to standard output (``--json``: as one JSON object), everything else to standard error. Exit codes: 0 done,
1 something a person can mend (one sentence says what), 2 wrong use of the command, 130 stopped by Ctrl-C after saving.
"""

from __future__ import annotations

import sys
from pathlib import Path

from napari_organoid_synth.cli import long_verbs, short_verbs
from napari_organoid_synth.cli.options import app
from napari_organoid_synth.core.errors import DiskFull, UserError, is_disk_full

__all__ = ["app", "long_verbs", "main", "short_verbs"]  # the verbs add themselves to the app, in this order


def main() -> None:
    """Entry point: one sentence on standard error instead of a traceback for what a person can mend."""
    try:
        app()
    except UserError as error:
        print(f"organoid-synth: {error}", file=sys.stderr)
        sys.exit(1)
    except OSError as error:  # no permission, no such folder
        if is_disk_full(error):
            print(f"organoid-synth: {DiskFull(Path(error.filename or '.').absolute())}", file=sys.stderr)
            sys.exit(1)
        print(f"organoid-synth: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        sys.exit(1)
