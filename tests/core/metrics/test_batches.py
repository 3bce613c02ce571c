"""Features of many tiles: the same as at once, computed once, and never those of another format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_organoid_synth.core.metrics import batches as module
from napari_organoid_synth.core.metrics.batches import Batches, Look
from napari_organoid_synth.core.metrics.extractors.random import Random
from napari_organoid_synth.core.metrics.tile_facts import look, pictures
from napari_organoid_synth.core.pairs.pair import SamplePair
from simulated import sample, scene

LIMITS = np.array([[1000.0, 5000.0]])
TILES: list[SamplePair] = [sample(f"t{seed}", *scene(seed, 64)) for seed in range(5)]


class Counted(Random):
    """Counts the images that it gets."""

    seen = 0

    def __call__(self, images: Any) -> Any:
        Counted.seen += len(images)
        return super().__call__(images)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> Look:
    monkeypatch.setattr(module, "BATCH", 2)
    Counted.seen = 0
    return Look({"features": Counted(1), "masks": Counted(3)}, LIMITS, 64)


def test_batches_give_what_all_at_once_give(seen: Look, tmp_path: Path) -> None:
    batches = Batches(seen, tmp_path, "all")
    for tile in [*TILES, TILES[0]]:
        batches.add_unnamed(tile)
    found = batches.finish()
    facts = [look(tile, LIMITS, 64) for tile in [*TILES, TILES[0]]]
    expected = {
        "features": Random(1)([fact.image for fact in facts]),
        "masks": Random(3)([fact.mask_picture.astype(np.float32) for fact in facts if fact.mask_picture is not None]),
    }
    for space, vectors in expected.items():
        np.testing.assert_allclose(found[space], vectors, rtol=1e-4, atol=1e-6)
    assert Counted.seen == 10  # the last one is known
    np.testing.assert_array_equal(pictures(TILES[0], LIMITS, 64)[1], facts[0].mask_picture)


def test_what_is_known_is_read_and_of_another_format_it_is_not(
    seen: Look, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Batches(seen, tmp_path, "samples")
    for tile in TILES[:3]:
        first.add(tile.name, tile)
    before = first.finish()
    assert Counted.seen == 6
    again = Batches(seen, tmp_path, "samples")
    assert again.knows("t1")
    assert not again.knows("t3")
    again.add("t2")
    again.add("t3", TILES[3])
    found = again.finish()
    assert Counted.seen == 8
    np.testing.assert_array_equal(found["masks"][0], before["masks"][2])
    assert Batches(seen, tmp_path, "samples").knows("t0")  # of another set
    pruned = Batches(seen, tmp_path, "samples")
    pruned.add("t4", TILES[4])
    pruned.finish(prune=True)
    assert not Batches(seen, tmp_path, "samples").knows("t0")
    assert not Batches(seen, tmp_path, "samples", again=True).knows("t4")
    assert not Batches(Look(seen.extractors, LIMITS + 1, 64), tmp_path, "samples").knows("t4")
    monkeypatch.setattr("napari_organoid_synth.core.metrics.feature_file.FORMAT", 99)
    assert not Batches(seen, tmp_path, "samples").knows("t4")
