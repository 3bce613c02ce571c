"""What is wrong with pairs is said before anything runs, and the kind of masks is detected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.checking import refuse_values
from napari_organoid_synth.core.pairs.loading import (
    check_pairs,
    find_pairs,
    load_pairs,
    split_table,
)
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from pair_files import disc, fill, picture, rows, save

ImageSet = Callable[[str], Path]


def broken(tmp_path: Path, image: Any, mask: Any) -> str:
    for folder, content in (("images", image), ("masks", mask)):
        if isinstance(content, bytes):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / "a.tif").write_bytes(content)
        else:
            save(tmp_path / folder / "a.tif", content)
    (entry,) = check_pairs(find_pairs(tmp_path)).entries
    assert entry.status == "broken"
    return entry.reason


def test_bad_rows_say_what_is_wrong(tmp_path: Path) -> None:
    nan = picture(0).astype(np.float32)
    nan[0, :5] = np.nan
    flat = np.full((24, 32), 17, np.uint8)
    cases = [
        (
            picture(0),
            disc(size=(25, 32)),
            "'a': the image is 32 × 24 px, the mask 32 × 25 px. Expected the same height and width. "
            "Export the mask again at the size of the image.",
        ),
        (
            nan,
            disc(),
            "The image images/a.tif has 5 px that are not a number (NaN or infinite). Expected numbers everywhere. "
            "Fill them, or leave the image out.",
        ),
        (
            flat,
            disc(),
            "The image images/a.tif is constant: all 32 × 24 px are 17. Expected different values. Check the file, "
            "or leave it out.",
        ),
        (
            b"",
            disc(),
            "images/a.tif is empty (0 bytes). Expected an image. Copy the file again from its source.",
        ),
        (
            picture(0),
            b"no image",
            "masks/a.tif has an unknown format (8 bytes). "
            "Expected TIFF, OME-TIFF, PNG, JPEG, BMP, OME-Zarr, CZI, ND2 or LIF. Save it as TIFF, for example with "
            "Fiji.",
        ),
        (
            picture(0),
            disc().astype(np.float32) / 510,
            "The mask masks/a.tif is float32 with fractions such as 0.5 in 64 px. Expected whole numbers, 0 for "
            "background. If these are probabilities, threshold them, then save an integer label image.",
        ),
    ]
    for image, mask, text in cases:
        assert broken(tmp_path, image, mask) == text


def test_a_broken_row_leaves_the_others_usable(tmp_path: Path) -> None:
    fill(tmp_path, "images/a{}.png", "masks/a{}.png")
    (tmp_path / "masks" / "a2.png").write_bytes(b"")
    table = check_pairs(find_pairs(tmp_path))
    assert rows(table) == [("a1", "matched"), ("a2", "broken"), ("a3", "matched")]
    assert [pair.name for pair in load_pairs(table)] == ["a1", "a3"]


def test_check_fills_the_row(tmp_path: Path) -> None:
    mask = disc(3).astype(np.uint16)
    mask[16:20, 16:21] = 900
    path = save(tmp_path / "images/a.tif", picture(1).astype(np.uint16))
    tifffile.imwrite(path, tifffile.imread(path), resolution=(20_000, 20_000), resolutionunit="CENTIMETER")
    save(tmp_path / "masks/a.tif", mask)
    table = check_pairs(find_pairs(tmp_path))
    entry = table.entry("a")
    assert entry.shape == (1, 24, 32)
    assert (entry.dtype, entry.pixel_size) == ("uint16", pytest.approx((0.5, 0.5)))
    assert (entry.mask_kind, entry.n_objects, entry.object_size) == ("instances", 2, (20, 64))
    assert table.summary() == "1 matched; instances (2 values from 3 to 900, 2 pieces in the first mask)."
    pair = load_pairs(table)[0]
    np.testing.assert_array_equal(pair.labels, mask)
    assert pair.pixel_size == pytest.approx((0.5, 0.5))
    with pytest.raises(UserError, match="There is no pair 'b'"):
        table.entry("b")


def test_codes_become_classes_over_the_whole_set_and_a_person_may_disagree(tmp_path: Path) -> None:
    for name, codes in (("a", (50, 150)), ("b", (100, 150))):
        mask = disc(codes[0])
        mask[16:20, 16:20] = codes[1]
        save(tmp_path / "images" / f"{name}.png", picture(ord(name)))
        save(tmp_path / "masks" / f"{name}.png", mask)
    found = find_pairs(tmp_path)
    table = check_pairs(found)
    assert (table.mask_kind, table.class_values) == ("classes", (50, 100, 150))
    assert table.class_names == ("class 50", "class 100", "class 150")
    assert [np.unique(pair.labels).tolist() for pair in load_pairs(table)] == [[0, 1, 3], [0, 2, 3]]
    named = check_pairs(table.replace(class_names=("x", "y", "z")))
    assert load_pairs(named)[0].class_names == ("x", "y", "z")
    for kind, expected in (("binary", [0, 1]), ("instances", [0, 50, 150])):
        other = check_pairs(found, kind=kind)  # type: ignore[arg-type]
        assert other.kind_reason == "chosen by hand"
        assert np.unique(load_pairs(other)[0].labels).tolist() == expected


def test_copies_are_reported_on_both_rows_and_only_one_is_used(tmp_path: Path) -> None:
    fill(tmp_path, "images/a{}.png", "masks/a{}.png", 4)
    save(tmp_path / "images/a3.png", picture(1))
    table = check_pairs(find_pairs(tmp_path))
    assert [(e.status, e.reason, e.duplicate_of) for e in table.entries] == [
        ("matched", "same pixels as 'a3', left out", ""),
        ("matched", "", ""),
        ("ambiguous", "same pixels as 'a1', which is kept", "a1"),
        ("matched", "", ""),
    ]
    assert table.notes == ("1 image left out with the same pixels as another.",)
    assert check_pairs(table) == table
    assert len(split_table(table, test=2).test) == 2  # a copy is not counted
    save(tmp_path / "images/a3.png", picture(33))
    assert [e.status for e in check_pairs(table).entries] == ["matched"] * 4


def test_mixtures_are_told(tmp_path: Path) -> None:
    fill(tmp_path, "images/a{}.png", "masks/a{}.png")
    save(tmp_path / "images/a2.png", np.stack([picture(k) for k in (5, 6, 7)], -1))
    save(tmp_path / "images/a3.png", picture(8).astype(np.uint16))
    table = check_pairs(find_pairs(tmp_path))
    assert table.notes == (
        "Images differ in channels: 2 with 1 channel, 1 with 3 channels; a generator needs the same number in all. "
        "To use all alike, set channels to grey or rgb.",
        "Images differ in pixel type: 1 uint16, 2 uint8.",
    )
    assert load_pairs(table)[1].channel_names == RGB


def test_own_pairs_are_taken_with_their_notes(tmp_path: Path) -> None:
    labels = np.zeros((24, 32), np.int32)
    labels[2:8, 2:8], labels[12:18, 12:18] = 1, 2
    pair = SamplePair(
        "s",
        picture(0)[None],
        labels,
        "classes",
        ("bud", "core", "rim"),
        (0.5, 0.5),
        ("phase",),
        "ill",
        Source("synthetic"),
    )
    write_pair(tmp_path, pair)
    table = check_pairs(find_pairs(tmp_path))
    assert (table.mask_kind, table.class_names) == ("classes", ("bud", "core", "rim"))
    assert table.entries[0].reason == "synthetic, not a real image"
    read = load_pairs(table)[0]
    np.testing.assert_array_equal(read.labels, labels)
    assert (read.image_class, read.pixel_size, read.channel_names) == ("ill", (0.5, 0.5), ("phase",))


def test_a_jpeg_mask_is_refused(tmp_path: Path) -> None:
    save(tmp_path / "a.png", picture(0, (200, 200)))
    mask = np.zeros((200, 200), np.uint8)
    mask[50:150, 60:160] = 255
    mask[20:60, 20:70] = 255
    Image.fromarray(mask).save(tmp_path / "a_mask.jpg", quality=80)
    (entry,) = check_pairs(find_pairs(tmp_path)).entries
    assert entry.status == "broken"
    assert "has blurred edges" in entry.reason


@pytest.mark.parametrize(("name", "number", "overlap"), [("miniature/em", 4, 111), ("drosophila_vnc_em", 14, 44)])
def test_two_folders_of_masks_are_two_classes(image_set: ImageSet, name: str, number: int, overlap: int) -> None:
    folder = image_set(name)
    masks = {name: folder / "masks" / name for name in ("mitochondria", "membranes")}
    table = check_pairs(find_pairs(folder / "images", masks))
    assert len(table.matched) == len(table.entries) == number
    assert (table.mask_kind, table.class_names) == ("classes", ("mitochondria", "membranes"))
    assert table.entries[0].reason == f"{overlap} px are in several masks, the later class wins"
    alone = find_pairs(folder)
    assert alone.notes == ("masks/classes (classes) is left out; choose it as the mask folder to use it.",)


@pytest.mark.parametrize(("name", "grey", "rgb"), [("miniature/nuclei", 8, 4), ("nuclei_dsb2018", 31, 34)])
def test_nuclei_are_instances_grey_and_rgb(image_set: ImageSet, name: str, grey: int, rgb: int) -> None:
    table = check_pairs(find_pairs(image_set(name)))
    assert (len(table.matched), table.mask_kind) == (grey + rgb, "instances")
    assert table.notes[0] == (
        f"Images differ in channels: {grey} with 1 channel, {rgb} with 3 channels; a generator needs the same number "
        "in all. To use all alike, set channels to grey or rgb."
    )


@pytest.mark.parametrize(
    ("name", "number"),
    [("miniature/organoids", 6), ("cerebral_organoids_brightfield", 9), ("spheroids_microwell_phase", 20)],
)
def test_organoids_are_binary(image_set: ImageSet, name: str, number: int) -> None:
    table = check_pairs(find_pairs(image_set(name)))
    assert (len(table.matched), table.mask_kind) == (number, "binary")
    assert {entry.n_objects for entry in table.matched} == {1}


def test_an_image_is_no_mask_of_any_class(tmp_path: Path) -> None:
    for number in range(3):
        save(tmp_path / "images" / f"{number}.png", picture(number))
        save(tmp_path / "cell" / f"{number}.png", disc())
        save(tmp_path / "wall" / f"{number}.png", picture(number + 9))
    for classes in (("cell", "wall"), ("wall", "cell")):
        masks = {name: tmp_path / name for name in classes}
        for entry in check_pairs(find_pairs(tmp_path / "images", masks)).entries:
            assert entry.status == "broken"
            assert entry.reason.startswith(f"The mask of 'wall', wall/{entry.name}.png, looks like an image: ")


def test_values_that_no_network_can_compute_with_are_refused():
    image = np.array([[[0.0, 1e300]]])
    with pytest.raises(UserError, match=r"of a\.tif has values up to 1e\+300\. Expected values up to 1e\+18"):
        refuse_values(image, "of a.tif")
    with pytest.raises(UserError, match=r"values up to 3e\+38"):
        refuse_values(-image.clip(0, 3e38).astype(np.float32), "a.tif")
    refuse_values(image.clip(0, 1e18), "a.tif")
