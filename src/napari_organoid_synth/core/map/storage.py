"""The map of a project: places of its real tiles and synthetic pairs, kept in ``map.npz``."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import model_validator

from napari_organoid_synth.core.array_file import read_npz
from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.map.embedding import Method
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.plain_values import from_json
from napari_organoid_synth.core.project import Project


class MappedSample(FrozenModel):
    """A synthetic pair on the map: its id, and the run that made it."""

    id: str
    run: str


class MapRecord(FrozenModel):
    """Points and method of a map; records of format 1 are read as well.

    Attributes
    ----------
    tiles : tuple of TilePlace
        The real tiles: the first points.
    samples : tuple of MappedSample
        The points after them.
    method : {"tsne", "pca", "umap"}
    extractor : str
        Name and weight hash of the features.
    kl, perplexity : float, optional
        As in `Embedding`.
    regions : tuple of tuple of int
        Groups of real tiles that no synthetic pair comes near, as indices of ``tiles``.
    side : int, optional
        Of the real tiles, px.
    """

    format: Literal[2] = 2
    tiles: tuple[TilePlace, ...]
    samples: tuple[MappedSample, ...]
    method: Method
    extractor: str
    kl: float | None = None
    perplexity: float | None = None
    regions: tuple[tuple[int, ...], ...] = ()
    side: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, values: Any) -> Any:
        """Turn a record of format 1, which names tiles and samples in one list, into one of format 2."""
        if not isinstance(values, dict) or "ids" not in values:
            return values
        kept = {name: value for name, value in values.items() if name not in ("ids", "kinds")}
        points = list(zip(values["ids"], values["kinds"], strict=True))
        tiles = [TilePlace.from_name(id) for id, kind in points if kind == "real"]
        return kept | {
            "tiles": tiles,
            "samples": [{"id": id, "run": kind} for id, kind in points[len(tiles) :]],
        }


@dataclass(frozen=True, eq=False)
class SampleMap:
    """A map of real tiles and synthetic pairs.

    Parameters
    ----------
    coordinates : NDArray (N, 2) float64
        Of the real tiles, then of the samples.
    record : MapRecord
        Meaning of these points.
    """

    coordinates: NDArray[np.float64]
    record: MapRecord


def write_map(project: Project, found: SampleMap) -> None:
    """Write a map in place of the one before."""
    record = json.dumps(found.record.model_dump(mode="json"))
    data = io.BytesIO()
    np.savez(data, coordinates=found.coordinates, record=np.frombuffer(record.encode(), np.uint8))
    write_bytes(project.map_path, data.getvalue())


def read_map(project: Project) -> SampleMap | None:
    """Read the map of a project; None where there is none that can be read."""
    try:
        return parse_map(project.map_path)
    except (OSError, ValueError):
        return None


def parse_map(path: Path) -> SampleMap:
    """Read a map from a file.

    Raises
    ------
    OSError, ValueError
        If it cannot be read.
    """
    text, coordinates = read_npz(path, "record", "coordinates")
    record = MapRecord.parse(from_json(text.tobytes().decode("utf-8")))
    if coordinates.shape != (len(record.tiles) + len(record.samples), 2) or coordinates.dtype.kind != "f":
        raise ValueError(f"it holds {coordinates.shape} {coordinates.dtype}")
    return SampleMap(np.asarray(coordinates, np.float64), record)
