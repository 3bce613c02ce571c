"""Which real tiles are independent: groups, blocks of neighbours, and what is taken from them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.metrics.groups import group_of, related, tile_groups
from napari_organoid_synth.core.metrics.mask_consistency import MaskConsistency
from napari_organoid_synth.core.metrics.nearest import COPY_SSIM, Nearest
from napari_organoid_synth.core.metrics.real_features import RealFeatures
from napari_organoid_synth.core.metrics.real_tiles import cut_tiles, real_tiles
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project


def table(*names: str, tested: tuple[str, ...] = ()) -> PairTable:
    rows = [PairEntry(name=name, split="test" if name in tested else "train") for name in names]
    return PairTable(entries=tuple(rows))


def test_planes_of_an_embryo_are_one_group() -> None:
    names = [f"embryo{group}_z{plane}" for group in range(5) for plane in range(3)]
    found = tile_groups(table(*names))
    assert found.labels == {name: name.split("_", maxsplit=1)[0] for name in names}
    assert found.note == ""
    alone = tile_groups(table("b", "q", "x"))
    assert (alone.labels, alone.note) == ({"b": "b", "q": "q", "x": "x"}, "")


def test_a_volume_is_cut_into_blocks_of_neighbours() -> None:
    names = [f"vnc_z{number}" for number in range(8, 18)]
    found = tile_groups(table(*names))
    assert [found.labels[name] for name in names] == [f"series, block {1 + index // 2}" for index in range(10)]
    assert "All 10 images seem to belong together: 5 blocks of neighbours stand for independent images" in found.note
    apart = ~related([found.labels[name] for name in names])
    assert apart[0].tolist() == [False] * 4 + [True] * 6  # the next block touches
    assert (apart == apart.T).all()


def test_two_volumes_are_independent_of_each_other_and_cut_for_the_ranges() -> None:
    names = [f"vol{volume}_z{number}" for volume in (1, 2) for number in range(6)]
    found = tile_groups(table(*names))
    assert len(set(found.labels.values())) == 6
    assert "There are only 2 groups of 12 images" in found.note
    labels = [found.labels[name] for name in names]
    assert (related(labels) == np.kron(np.eye(2), np.ones((6, 6))).astype(bool)).all()
    one = tile_groups(table(*names, tested=tuple(names[6:])))
    assert "There is only 1 group of 6 images" in one.note
    train = [one.labels[name] for name in names[:6]]
    assert len(set(train)) == 5
    assert not related(train).all()
    assert not related([one.labels[name] for name in names[6:]], train).any()


def test_where_nothing_is_independent_labels_decide() -> None:
    assert related(["a", "a"]).all()
    assert (related(["v, block 1", "v, block 2"]) == np.eye(2, dtype=bool)).all()
    assert related(["v, block 1", "v, block 3"], ["v, block 2", "w"]).tolist() == [[True, False], [True, False]]


def pair(name: str, seed: int, blur: int = 0) -> SamplePair:
    from scipy.ndimage import gaussian_filter

    grey = gaussian_filter(np.random.default_rng(seed).normal(size=(64, 64)), 3 + blur)
    image = (128 + 100 * grey / np.abs(grey).max()).astype(np.uint8)[None]
    return SamplePair(name, image, (grey > 0).astype(np.int32))


def test_tiles_of_a_project_know_their_group(tmp_path) -> None:
    project = Project(tmp_path / "project")
    for seed in range(6):
        for plane in range(2):
            add_pair(project, pair(f"object{seed}_z{plane}", seed, plane), "binary")
    found = PairTable.from_file(project.pairs_path)
    tested = {"object0_z0", "object5_z0", "object5_z1"}
    rows = tuple(row.replace(split="test" if row.name in tested else "train") for row in found.entries)
    found.replace(entries=rows).to_file(project.pairs_path)
    tiles = real_tiles(project, 64)
    assert [group_of(tile) for tile in tiles.pairs] == [place.pair.split("_")[0] for place in tiles.places]
    features = RealFeatures.of_project(project, ScoreSettings(), 64)
    assert {group_of(tile) for tile in features.unseen_tiles} == {"object5"}  # the other plane of object0 is learned
    for number, tile in enumerate(features.tiles):
        features.look(number, tile)
    assert set(features.sources) == {f"object{seed}" for seed in range(5)}
    features.measure()
    assert features.spaces["pixels"].limit > 0.3


def test_without_groups_each_image_stands_alone() -> None:
    tiles = cut_tiles([pair("a", 0), pair("b", 1)], TileSettings(size=64)).pairs
    assert [group_of(tile) for tile in tiles] == ["a", "b"]
    assert (
        group_of(SamplePair("c", np.zeros((1, 8, 8)), np.zeros((8, 8), np.int32), source=Source(files=("f",)))) == "f"
    )


def test_the_similarity_that_counts_as_a_copy_is_that_between_groups() -> None:
    images = [pair(f"object{seed}_z{plane}", seed, 0) for seed in range(6) for plane in range(2)]
    images = [one.replace(image=one.image + np.uint8(index % 2)) for index, one in enumerate(images)]
    groups = {one.name: one.name.split("_")[0] for one in images}
    settings = TileSettings(size=64)
    assert Nearest().fit(cut_tiles(images, settings).pairs).threshold == pytest.approx(0.99)
    assert Nearest().fit(cut_tiles(images, settings, groups).pairs).threshold == COPY_SSIM


def test_a_strange_mask_is_of_another_group() -> None:
    images = [pair(f"object{seed}_z{plane}", seed) for seed in range(8) for plane in range(2)]
    groups = {one.name: one.name.split("_")[0] for one in images}
    by_image, by_object = (
        MaskConsistency().fit(cut_tiles(images, TileSettings(size=64), known).pairs) for known in ({}, groups)
    )
    assert by_object.detected == 1  # masks of the other plane, which fit, are not called strange
    assert by_object.detected >= by_image.detected
