"""Layers become pairs of a project."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import (
    PairTable,
    add_pair,
    check_pairs,
    find_pairs,
    load_pairs,
    split_table,
)
from napari_organoid_synth.core.pairs.ome_tiff import read_pair
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.core.pairs.pair_format import Misfit
from napari_organoid_synth.core.project import Project
from pair_files import disc, picture, save


def test_layers_become_a_row_and_saving_again_renews_it(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    entry = add_pair(
        project, SamplePair("one", picture(0)[None].astype(np.uint16), disc().astype(np.int64), pixel_size=(0.5, 0.25))
    )
    assert (entry.status, entry.mask_kind, entry.pixel_size, entry.dtype) == (
        "matched",
        "binary",
        (0.5, 0.25),
        "uint16",
    )
    assert Path(entry.image) == project.path / "pairs" / "one.ome.tif"
    np.testing.assert_array_equal(read_pair(entry.image).labels, disc(1))
    numbers = disc(1).astype(np.int32)
    numbers[16:20, 16:20] = 2
    with pytest.raises(Misfit) as caught:
        add_pair(project, SamplePair("rgb", np.stack([picture(1)] * 3), numbers, channel_names=RGB))
    assert str(caught.value) == (
        "'rgb' has 3 channels, uint8 pixels. Expected 1 channel, uint16 pixels, like the real pairs of the project. "
        "Convert it, or add it to another project."
    )
    assert not (project.path / "pairs" / "rgb.ome.tif").exists()
    add_pair(project, SamplePair("two", picture(1)[None].astype(np.uint16), numbers))
    table = PairTable.from_file(project.pairs_path)
    assert [(e.name, e.mask_kind, e.n_objects) for e in table.entries] == [
        ("one", "instances", 1),
        ("two", "instances", 2),
    ]
    np.testing.assert_array_equal(load_pairs(project)[1].labels, numbers)
    split_table(table, ["one"]).to_file(project.pairs_path)
    assert table.kind_reason == "1 of 2 masks look like it; as noted before"
    again = add_pair(project, SamplePair("one", picture(0)[None].astype(np.uint16), numbers), "instances")
    assert (again.split, again.n_objects) == ("test", 2)
    assert [e.name for e in PairTable.from_file(project.pairs_path).entries] == ["two", "one"]


def test_a_kind_chosen_by_hand_stays(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    add_pair(project, SamplePair("one", picture(0)[None], disc()))
    numbers = disc(1).astype(np.int32)
    numbers[16:20, 16:20] = 2
    check_pairs(PairTable.from_file(project.pairs_path), kind="binary").to_file(project.pairs_path)
    add_pair(project, SamplePair("two", picture(1)[None], numbers))
    assert PairTable.from_file(project.pairs_path).mask_kind == "binary"
    np.testing.assert_array_equal(load_pairs(project)[1].labels, numbers > 0)
    np.testing.assert_array_equal(read_pair(project.path / "pairs" / "two.ome.tif").labels, numbers)  # nothing is lost


def test_unusable_layers_change_nothing(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    with pytest.raises(UserError, match=r"'x': the image is 32 × 24 px, the mask 32 × 20 px\."):
        add_pair(project, SamplePair("x", picture(0)[None], disc(size=(20, 32))))
    assert not project.pairs_path.exists()
    assert not (project.path / "pairs").exists()


def test_names_are_not_identities(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    first, second = (
        SamplePair("img", picture(k)[None], disc(), source=Source("drawn", (str(tmp_path / folder / "img.tif"),)))
        for k, folder in enumerate(("A1", "B2"))
    )
    assert [add_pair(project, pair).name for pair in (first, second)] == ["img", "B2_img"]
    again = add_pair(project, second.replace(labels=disc()[:, ::-1]))
    assert again.name == "B2_img"
    by_name = {pair.name: pair for pair in load_pairs(project)}
    assert set(by_name) == {"img", "B2_img"}
    np.testing.assert_array_equal(by_name["img"].image, first.image)
    np.testing.assert_array_equal(by_name["B2_img"].image, second.image)
    np.testing.assert_array_equal(by_name["B2_img"].labels, disc(1)[:, ::-1])


def test_arrays_of_one_name_are_the_same_if_their_pixels_are(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    names = [add_pair(project, SamplePair("Image", picture(k)[None], disc())).name for k in (0, 1, 1, 2, 0)]
    assert names == ["Image", "Image (2)", "Image (2)", "Image (3)", "Image"]
    assert len({entry.image for entry in PairTable.from_file(project.pairs_path).entries}) == 3


def test_a_file_of_a_folder_is_updated_and_another_of_its_name_is_not(tmp_path: Path) -> None:
    save(tmp_path / "A1/images/img.tif", picture(0))
    save(tmp_path / "A1/masks/img.tif", disc())
    project = Project(tmp_path / "p")
    check_pairs(find_pairs(tmp_path / "A1")).to_file(project.pairs_path)
    path = str(tmp_path / "A1/images/img.tif")
    assert add_pair(project, SamplePair("img", picture(0)[None], disc(), source=Source("drawn", (path,)))).name == "img"
    assert add_pair(project, SamplePair("img", picture(3)[None], disc())).name == "img (2)"


def test_the_same_file_under_another_layer_name_is_the_same_pair(tmp_path: Path) -> None:
    project = Project(tmp_path / "p")
    source = Source("drawn", (str(tmp_path / "A1" / "img.tif"),))
    first = SamplePair("img", picture(0)[None], disc(), source=source)
    assert add_pair(project, first).name == "img"
    again = add_pair(project, first.replace(name="img [1]", labels=disc()[:, ::-1]))
    assert (again.name, again.status) == ("img", "matched")
    np.testing.assert_array_equal(load_pairs(project)[0].labels, disc(1)[:, ::-1])
    other_channel = first.replace(name="img [2]", image=picture(7)[None])  # of the same file
    assert add_pair(project, other_channel).name == "img [2]"
