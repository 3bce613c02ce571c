"""The map of a project: where its real tiles and generated pairs lie to each other, kept in ``map.npz``."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np

from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.map.embedding import Embedding
from napari_organoid_synth.core.project import Project

REAL = "real"
"""The kind of a real tile in `Embedding.kinds`; generated pairs have the name of their run."""


def write_map(project: Project, found: Embedding) -> None:
    """Keep a map in place of the one before."""
    words = {"ids": found.ids, "kinds": found.kinds, "method": found.method, "extractor": found.extractor}
    numbers = {"kl": found.kl, "perplexity": found.perplexity, "regions": found.regions, "side": found.side}
    record = json.dumps(words | numbers)
    data = io.BytesIO()
    np.savez(data, coordinates=found.coordinates, record=np.frombuffer(record.encode(), np.uint8))
    write_bytes(project.map_path, data.getvalue())


def read_map(project: Project) -> Embedding | None:
    """The map of a project; None where there is none that can be read."""
    try:
        with np.load(io.BytesIO(project.map_path.read_bytes()), allow_pickle=False) as file:
            record = json.loads(file["record"].tobytes())
            coordinates = np.asarray(file["coordinates"], np.float64)
        record |= {"ids": tuple(record["ids"]), "kinds": tuple(record["kinds"])}
        record["regions"] = tuple(map(tuple, record.get("regions", ())))
        if coordinates.shape != (len(record["ids"]), 2) or len(record["kinds"]) != len(coordinates):
            return None
        return Embedding(coordinates, **record)
    except (OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        return None
