"""A damaged database is rebuilt from the pixel files."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.samples.recovery import Recovery, rebuild
from napari_organoid_synth.core.samples.store import SampleStore
from simulated import sample, scene


def damage(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)


def test_samples_come_back_without_verdicts(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    pairs = [sample(name, *scene(seed, 64)) for seed, name in enumerate("ab")]
    with SampleStore(path) as store:
        store.add_many([pair.replace(source=pair.source) for pair in pairs], run="run-1")
        store.decide(["a"], "accepted")
    with pytest.raises(UserError, match="The list of 2 samples is intact"):
        rebuild(path)
    damage(path)
    (tmp_path / "samples" / "broken.ome.tif").write_bytes(b"")
    result = rebuild(path)
    (old,) = (tmp_path / "bin").iterdir()
    assert result == Recovery(2, 0, ("broken.ome.tif",), old)
    assert result.message == (
        f"2 samples recovered; verdicts and scores are lost. Not readable: broken.ome.tif. The old list is in {old}."
    )
    with SampleStore(path) as store:
        assert {row.id: row.verdict for row in store.rows()} == {"a": "new", "b": "new"}
        np.testing.assert_array_equal(store.pair("b").image, pairs[1].image)
        assert store.add(pairs[0]) == "a-2"
    assert [file.name for file in old.iterdir()] == ["samples.sqlite"]


def test_the_mask_that_was_edited_last_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    image, labels = scene(0, 64)
    with SampleStore(path) as store:
        store.add(sample("a", image, labels))
        for number in (1, 2):
            drawn = labels.copy()
            drawn[:number] = 7
            store.edit_mask("a", drawn)
    first, last = sorted((tmp_path / "samples" / "edited").iterdir())
    os.utime(first, ns=(0, last.stat().st_mtime_ns - 10**9))
    damage(path)
    result = rebuild(path)
    assert (result.recovered, result.edited) == (1, 1)
    assert "1 with the mask that was edited last." in result.message
    with SampleStore(path) as store:
        assert store.row("a").labels_path == last
        np.testing.assert_array_equal(store.pair("a").labels, drawn)


def test_without_a_database_there_is_no_old_one(tmp_path: Path) -> None:
    path = tmp_path / "samples.sqlite"
    with SampleStore(path) as store:
        store.add(sample("a", *scene(0, 64)))
    path.unlink()
    assert rebuild(path) == Recovery(1, 0, (), None)
    assert not (tmp_path / "bin").exists()
