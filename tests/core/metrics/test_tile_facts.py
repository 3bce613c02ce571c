"""Facts of tiles of any type, with and without objects."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.metrics.base import intensity_limits
from napari_organoid_synth.core.metrics.tile_facts import look
from napari_organoid_synth.core.pairs.pair import SamplePair, Source


def blocks() -> np.ndarray:
    labels = np.zeros((64, 64), np.int32)
    labels[4:20, 4:20], labels[4:20, 20:36] = 1, 2  # touch
    labels[40:56, 10:26] = 3
    labels[30:34, 40:60] = 4
    return labels


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint16, 1), (np.uint16, 3), (np.float32, 2)])
def test_facts_of_a_tile_in_any_type(dtype: type, channels: int) -> None:
    rng = np.random.default_rng(5)
    image = rng.integers(0, 200, (channels, 64, 64)).astype(dtype)
    pair = SamplePair("p", image, blocks(), "instances", ("cell",), source=Source(files=("f.tif",)))
    found = look(pair, intensity_limits([pair]), 32, round_trip=True)
    assert found.image.shape == (channels, 32, 32)
    assert found.source == "f.tif"
    assert list(found.areas) == [256, 256, 256, 80]
    assert found.eccentricities[2] == pytest.approx(0, abs=1e-3)
    assert found.eccentricities[3] > 0.95
    assert found.touching == 0.5
    assert found.decode_error < 0.05
    assert found.mask.sum() == pytest.approx(256 * 3 + 80 - 2 * 16)  # two lines of 16 px between the first two
    twin = look(pair.replace(image=image.astype(np.float64)), intensity_limits([pair]), 32)
    np.testing.assert_allclose(found.image, twin.image, rtol=1e-5, atol=1e-6)
    assert found.hf_energy == pytest.approx(twin.hf_energy, rel=1e-5)
    assert np.isnan(twin.decode_error)


def test_facts_without_objects_or_instances() -> None:
    image = np.arange(64 * 64, dtype=np.uint16).reshape(1, 64, 64)
    empty = look(SamplePair("e", image, np.zeros((64, 64), np.int32), "instances"), np.array([[0.0, 1.0]]), 32, True)
    assert len(empty.areas) == 0
    assert np.isnan(empty.touching)
    labels = np.where(blocks() == 3, 2, blocks() > 0).astype(np.int32)
    found = look(SamplePair("c", image, labels, "classes", ("a", "b")), np.array([[0.0, 1.0]]), 32, True)
    assert found.mask.shape == (2, 64, 64)
    assert sorted(found.areas) == [80, 256, 512]
    assert np.isnan(found.touching)
