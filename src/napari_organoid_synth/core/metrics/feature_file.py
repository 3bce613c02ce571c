"""Features of single tiles, kept in a file of the folder ``features/`` by the name of each tile."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.array_file import read_npz
from napari_organoid_synth.core.atomic import leads_elsewhere, write_bytes

FORMAT = 2
"""Part of the names of stored features: another number when the same pictures would get other features."""


def store(path: Path, data: bytes, kind: str) -> None:
    """Write a file in place of those of its kind that other pixels or weights had left."""
    write_bytes(path, data)
    if leads_elsewhere(path.parent):
        return
    for old in path.parent.glob(f"{kind}-*"):
        if old != path:
            old.unlink(missing_ok=True)


class FeatureFile:
    """Features by name.

    Parameters
    ----------
    folder : Path
        Folder of stored features.
    kind : str
        First part of the name of the file; another file of this kind is replaced.
    key : str
        Everything else that the features depend on.
    """

    def __init__(self, folder: Path, kind: str, key: str) -> None:
        self.path, self.kind = folder / f"{kind}-v{FORMAT}-{key}.npz", kind

    def read(self) -> dict[str, NDArray[np.float32]]:
        """Read all features; nothing when there are none or the file is damaged."""
        try:
            names, features = read_npz(self.path, "ids", "features")
            return dict(zip(names.tolist(), features, strict=True))
        except (OSError, ValueError, TypeError):
            return {}

    def write(self, features: dict[str, NDArray[np.float32]]) -> None:
        """Write features in place of those that were there."""
        data = io.BytesIO()
        np.savez(data, ids=np.asarray(list(features)), features=np.stack(list(features.values())))
        store(self.path, data.getvalue(), self.kind)
