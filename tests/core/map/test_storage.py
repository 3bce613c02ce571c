"""What ``map.npz`` keeps, also when an older version of this package wrote it."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np

from napari_organoid_synth.core.map.storage import MappedSample, MapRecord, SampleMap, read_map, write_map
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.project import Project

FORMAT_1 = Path(__file__).parents[2] / "data" / "format_1" / "map.npz"
RECORD = MapRecord(
    tiles=(TilePlace("a", 0, 64),),
    samples=(MappedSample(id="ß-1", run="run 1"), MappedSample(id="s-2", run="")),
    method="tsne", extractor="encoder:12", kl=0.5, perplexity=1.0, regions=((0,),), side=64,
)  # fmt: skip


def test_a_map_comes_back_as_it_was_written(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    assert read_map(project) is None
    places = np.random.default_rng(0).normal(size=(3, 2))
    write_map(project, SampleMap(places, RECORD))
    found = read_map(project)
    assert found is not None
    np.testing.assert_array_equal(found.coordinates, places)
    assert found.record == RECORD


def test_a_map_that_cannot_be_read_is_none(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    write_map(project, SampleMap(np.zeros((3, 2)), RECORD))
    whole = project.map_path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        project.map_path.write_bytes(whole[:length])
        assert read_map(project) is None, length
    write_map(project, SampleMap(np.zeros((4, 2)), RECORD))  # a point too many
    assert read_map(project) is None
    newer = RECORD.model_dump(mode="json") | {"format": 3}
    data = io.BytesIO()
    np.savez(data, coordinates=np.zeros((3, 2)), record=np.frombuffer(json.dumps(newer).encode(), np.uint8))
    project.map_path.write_bytes(data.getvalue())
    assert read_map(project) is None


def test_a_map_of_format_1_opens(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    shutil.copy(FORMAT_1, project.map_path)
    found = read_map(project)
    assert found is not None
    with np.load(FORMAT_1) as file:
        old = json.loads(file["record"].tobytes())
        np.testing.assert_array_equal(found.coordinates, file["coordinates"])
    record = found.record
    assert [tile.name for tile in record.tiles] == old["ids"][:36]
    assert record.tiles[1] == TilePlace("real0", 0, 32)
    assert [sample.id for sample in record.samples] == old["ids"][36:]
    assert [sample.run for sample in record.samples] == ["good"] * 8 + ["painter"] * 2
    assert (record.method, record.side, record.kl, record.perplexity) == ("tsne", 64, old["kl"], old["perplexity"])
    assert [list(region) for region in record.regions] == old["regions"]
