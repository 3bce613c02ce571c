"""``python -m napari_organoid_synth`` is the command line."""

from napari_organoid_synth.cli import main

if __name__ == "__main__":
    main()
