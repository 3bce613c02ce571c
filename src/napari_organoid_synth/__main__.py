"""The command line, also as ``python -m napari_organoid_synth``."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while its libraries are still loading ends it in a word, too."""
    try:
        from napari_organoid_synth.cli import main as run

        run()
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
