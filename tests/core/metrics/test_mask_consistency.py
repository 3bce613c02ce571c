"""Right masks score high, those of other images low; nothing is said where nothing can be learned."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.metrics.mask_consistency import MaskConsistency, traits
from napari_organoid_synth.core.metrics.real_tiles import PREDICTED, real_tiles
from napari_organoid_synth.core.pairs.loading import check_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_labels, write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from simulated import sample, scene


def pairs(first: int, number: int) -> list[SamplePair]:
    return [sample(f"s{seed}", *scene(seed, 64, 4)) for seed in range(first, first + number)]


def test_strange_masks_are_told_from_right_ones() -> None:
    metric = MaskConsistency().fit(pairs(0, 20))
    assert metric.rejected == pytest.approx(0.05, abs=0.05)
    assert metric.detected > 0.95
    assert metric.useful
    fresh = pairs(100, 12)
    right = [metric(pair)["fits"] for pair in fresh]
    strange = [metric(fresh[i].replace(labels=fresh[i - 1].labels))["fits"] for i in range(12)]
    assert np.mean(np.array(right) < 0.5) <= 1 / 12
    assert np.mean(np.array(strange) < 0.5) >= 11 / 12
    assert np.ptp(right) > 0.2  # right ones are told apart, too
    assert np.mean(right) == pytest.approx(0.75, abs=0.12)
    known = metric.real_values["fits"]
    assert np.median(known) == pytest.approx(0.74, abs=0.03)  # of those put aside
    assert np.mean(known < 0.5) == metric.rejected
    assert metric.describe({"fits": 0.1}) == "mask may not fit"
    assert metric.describe({"fits": 0.9}) == ""


def test_predicted_masks_are_not_learned_from_as_if_drawn(tmp_path: Path) -> None:
    """A segmenter that marks the wrong places would teach that wrong places are right."""
    project, entries = Project(tmp_path / "project"), []
    for number, pair in enumerate(pairs(0, 24)):
        by_network = number >= 12
        strange = pair.replace(labels=np.roll(pair.labels, 32, axis=(0, 1)), source=Source("predicted"))
        image, mask = write_pair(tmp_path / "files", pair)
        if by_network:
            write_labels(mask, strange)
        entries.append(PairEntry(name=pair.name, image=str(image), masks={"object": str(mask)}))
    check_pairs(PairTable(entries=tuple(entries))).to_file(project.pairs_path)
    tiles = real_tiles(project, 64)
    assert "masks of 12 of 24 real pairs were predicted, not drawn: 'fits' learns from the others" in tiles.note
    assert [bool(tile.source.provenance.get(PREDICTED)) for tile in tiles.pairs] == [False] * 12 + [True] * 12
    marked = MaskConsistency().fit(tiles.pairs)
    assert np.isnan(marked.real_values["fits"]).tolist() == [False] * 12 + [True] * 12
    drawn = MaskConsistency().fit(tiles.pairs[:12])
    assert marked.detected == drawn.detected > 0.9
    alone = MaskConsistency().fit(tiles.pairs[12:])  # with nothing else they are learned from
    assert alone.detected < marked.detected


def test_images_of_noise_say_nothing() -> None:
    rng = np.random.default_rng(0)
    noise = [pair.replace(image=rng.integers(0, 999, pair.image.shape).astype(np.uint16)) for pair in pairs(0, 20)]
    metric = MaskConsistency().fit(noise)
    assert metric.detected < 0.5
    assert not metric.useful
    assert metric.describe({"fits": 0.0}) == ""
    few = MaskConsistency().fit(noise[:3])
    assert (few(noise[0]), few.useful) == ({"fits": 0.5}, False)


def test_traits_of_a_bright_square() -> None:
    labels = np.zeros((64, 64), np.int32)
    labels[16:48, 16:48] = 1
    found = traits(labels.astype(float), labels)
    share = 0.25
    assert found[0] == pytest.approx(1 / np.sqrt(share * (1 - share)), rel=1e-5)  # 1 - 0 over the standard deviation
    assert found[1] == found[0]
    assert found[4] == pytest.approx(1)  # the grey level tells all of the mask
    assert found[6] > 1
    assert found[7] > np.log(2)
    dark = traits(-labels.astype(float), labels)
    assert dark[0] == -found[0]
    np.testing.assert_allclose(dark[[1, 4, 6, 7]], found[[1, 4, 6, 7]])
    assert np.isfinite(traits(np.zeros((64, 64)), np.ones((64, 64), np.int32))).all()
