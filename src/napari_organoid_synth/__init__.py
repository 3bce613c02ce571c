"""Make, curate and prove synthetic image-mask pairs for microscopy, in napari and without it."""

__version__ = "0.1.0"
