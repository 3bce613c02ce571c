"""A mask that was drawn as a layer, kept as a file of the project."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.widgets.shared.layer_grid import full_data
from napari_organoid_synth.widgets.shared.layers import DRAWN_MASK


def mask_path(project: Project | None, layer: Any) -> Path:
    """Return the file of a drawn mask, named by its pixels, so that the provenance of a sample stays true."""
    assert project is not None
    labels = np.ascontiguousarray(full_data(layer))
    digest = hashlib.sha256(labels.tobytes() + str(labels.shape).encode()).hexdigest()[:12]
    return project.path / "masks" / f"{file_stem(layer.name)}-{digest}.tif"


def save_mask(path: Path, layer: Any) -> None:
    """Write a labels layer as an integer TIFF that `read_labels` reads, and note the file in its metadata.

    Raises
    ------
    UserError
        If the layer is not one 2-D image of labels.
    """
    import tifffile

    labels = np.asarray(full_data(layer))
    if labels.ndim != 2 or not labels.any():
        raise UserError(
            f"Layer '{layer.name}' has shape {labels.shape}" + (" and is empty." if not labels.any() else "."),
            "Expected labels (y, x) with at least one object.",
            "Paint on a 2-D labels layer.",
        )
    stream = io.BytesIO()
    tifffile.imwrite(stream, labels.astype(np.int32), compression="zlib")
    write_bytes(path, stream.getvalue())
    layer.metadata[DRAWN_MASK] = {*layer.metadata.get(DRAWN_MASK, ()), str(path)}
