from pathlib import Path

import numpy as np

from napari_organoid_synth.core.map.embedding import Embedding
from napari_organoid_synth.core.map.storage import REAL, read_map, write_map
from napari_organoid_synth.core.project import Project


def test_a_map_comes_back_as_it_was_written(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    assert read_map(project) is None
    places = np.random.default_rng(0).normal(size=(3, 2))
    written = Embedding(places, ("a_y0_x0_r0", "ß-1", "s-2"), (REAL, "run 1", "run 1"), "tsne", "encoder:12", 0.5, 1.0)
    write_map(project, written)
    found = read_map(project)
    assert found is not None
    np.testing.assert_array_equal(found.coordinates, places)
    for name in ("ids", "kinds", "method", "extractor", "kl", "perplexity"):
        assert getattr(found, name) == getattr(written, name)


def test_a_map_that_is_cut_off_is_none(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    write_map(project, Embedding(np.zeros((1, 2)), ("a",), (REAL,), "pca", "x"))
    whole = project.map_path.read_bytes()
    for length in (0, 10, len(whole) // 2, len(whole) - 1):
        project.map_path.write_bytes(whole[:length])
        assert read_map(project) is None, length
