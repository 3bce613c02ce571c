"""Content decides: over endings, names of images, other files of a data set, and folders without an ending."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.discovery import NoMasks
from napari_organoid_synth.core.pairs.filenames import stem
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, load_pairs
from napari_organoid_synth.core.pairs.ome_tiff import read_image, read_info, read_labels, write_pair
from napari_organoid_synth.core.pairs.pair import RGB
from napari_organoid_synth.core.segmentation.predict import find_planes
from pair_files import disc, picture, rows, save

STACK = np.random.default_rng(0).integers(0, 250, (6, 24, 32)).astype(np.uint8)
ID = "urn:uuid:00000000-0000-0000-0000-00000000000"


def ome_file(path: Path, planes: np.ndarray, blocks: str, uuid: str = "", **options: Any) -> Path:
    """Write pages with an OME-XML whose blocks say where planes lie."""
    sizes = " ".join(f'Size{axis}="{options.get(axis, 1)}"' for axis in "ZCT")
    names = "".join(f'<Channel ID="Channel:0:{k}" Name="c{k}"/>' for k in range(options.get("C", 1)))
    extra = options.get("extra", "")
    xml = (
        f'<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"'
        f'{f" UUID={chr(34)}{uuid}{chr(34)}" if uuid else ""}><Image ID="Image:0" Name="{options.get("name", "x")}">'
        f'<Pixels ID="Pixels:0" DimensionOrder="XYZCT" Type="uint8" SizeX="32" SizeY="24" {sizes} {extra}>'
        f"{names}{blocks}</Pixels></Image></OME>"
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    with tifffile.TiffWriter(path, ome=False) as writer:
        for number, plane in enumerate(planes):
            writer.write(plane, metadata=None, contiguous=False, description=xml.encode() if number == 0 else None)
    return path


def spanning(folder: Path, axis: str, planes_each: int = 1) -> list[Path]:
    """Write one data set over three files."""
    blocks = "".join(
        f'<TiffData First{axis}="{k * planes_each}" IFD="0" PlaneCount="{planes_each}">'
        f'<UUID FileName="f{k}.ome.tif">{ID}{k}</UUID></TiffData>'
        for k in range(3)
    )
    parts = [STACK[k * planes_each : (k + 1) * planes_each] for k in range(3)]
    sizes = {axis: 3 * planes_each}
    return [ome_file(folder / f"f{k}.ome.tif", part, blocks, f"{ID}{k}", **sizes) for k, part in enumerate(parts)]


@pytest.mark.parametrize("axis", ["T", "C", "Z"])
def test_of_a_data_set_over_several_files_the_named_one_is_read(
    tmp_path: Path, axis: str, capfd: pytest.CaptureFixture[str]
) -> None:
    files = spanning(tmp_path / "images", axis)
    for k, path in enumerate(files):
        image, info = read_image(path)
        np.testing.assert_array_equal(image, STACK[k][None])
        assert info.n_pages == 1
        assert info.channel_names == ((f"c{k}",) if axis == "C" else ("c0",))
        save(tmp_path / "masks" / f"f{k}.tif", disc())
    assert [plane.name for plane in find_planes([str(tmp_path / "images")])] == ["f0", "f1", "f2"]
    assert rows(check_pairs(find_pairs(tmp_path))) == [("f0", "matched"), ("f1", "matched"), ("f2", "matched")]
    assert capfd.readouterr() == ("", "")


def test_several_planes_of_a_spanning_data_set(tmp_path: Path) -> None:
    files = spanning(tmp_path, "T", planes_each=2)
    assert read_info(files[1]).n_pages == 2
    np.testing.assert_array_equal(read_image(files[1], 1)[0], STACK[3][None])
    files = spanning(tmp_path / "c", "C", planes_each=2)
    np.testing.assert_array_equal(read_image(files[2])[0], STACK[4:6])
    assert read_info(files[2]).channel_names == ("c4", "c5")


def test_a_file_that_leaves_its_description_to_another_gives_its_pages(tmp_path: Path) -> None:
    xml = (
        '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06">'
        '<BinaryOnly MetadataFile="f0.companion.ome" UUID="urn:uuid:1"/></OME>'
    )
    with tifffile.TiffWriter(tmp_path / "f1.ome.tif", ome=False) as writer:
        for plane in STACK[:2]:
            writer.write(plane, metadata=None, contiguous=False, description=xml.encode())
    assert read_info(tmp_path / "f1.ome.tif").n_pages == 2
    np.testing.assert_array_equal(read_image(tmp_path / "f1.ome.tif", 1)[0], STACK[1][None])


def test_files_that_an_ome_tiff_names_are_never_opened(tmp_path: Path) -> None:
    save(tmp_path / "secret.tif", picture(7))
    (tmp_path / "in" / "link.ome.tif").parent.mkdir()
    (tmp_path / "in" / "link.ome.tif").symlink_to(tmp_path / "secret.tif")
    for k, name in enumerate(("../secret.tif", str(tmp_path / "secret.tif"), "link.ome.tif", "missing.tif")):
        blocks = (
            f'<TiffData FirstT="0" IFD="0" PlaneCount="1"><UUID FileName="a{k}.ome.tif">{ID}1</UUID></TiffData>'
            f'<TiffData FirstT="1" IFD="0" PlaneCount="1"><UUID FileName="{name}">{ID}2</UUID></TiffData>'
        )
        path = ome_file(tmp_path / "in" / f"a{k}.ome.tif", STACK[:1], blocks, f"{ID}1", T=2)
        image, info = read_image(path)
        np.testing.assert_array_equal(image, STACK[:1])
        assert info.n_pages == 1


@pytest.mark.parametrize("name", ["label", "macro", "thumbnail", "overview", "Label image"])
def test_an_image_is_read_whatever_its_name(tmp_path: Path, name: str) -> None:
    path = ome_file(tmp_path / "m.ome.tif", STACK[:1], '<TiffData IFD="0" PlaneCount="1"/>', name=name)
    np.testing.assert_array_equal(read_image(path)[0], STACK[:1])
    tifffile.imwrite(tmp_path / "t.ome.tif", STACK[0], metadata={"Name": name, "axes": "YX"})
    np.testing.assert_array_equal(read_labels(tmp_path / "t.ome.tif"), STACK[0])


def test_of_several_images_the_largest_is_taken_and_the_rest_is_told(tmp_path: Path) -> None:
    path = tmp_path / "slide.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(STACK[0, :8, :8], metadata=None, description="label")
        writer.write(STACK[1], metadata=None)
        writer.write(STACK[2, :4, :4], metadata=None, subfiletype=1)
    image, info = read_image(path)
    np.testing.assert_array_equal(image, STACK[1][None])
    assert info.remarks == ("1 smaller image in the file left out",)


@pytest.mark.parametrize("ending", ["lsm", "stk", "btf", "tf8", "ome.btf", "jfif", "raws", ""])
def test_content_decides_over_endings(tmp_path: Path, ending: str) -> None:
    for k in (1, 2):
        name = f"{k}.{ending}".rstrip(".")
        if ending == "jfif":
            (tmp_path / "images").mkdir(exist_ok=True)
            Image.fromarray(picture(k)).save(tmp_path / "images" / name, format="JPEG")
        else:
            save(tmp_path / "images" / "a.tif", picture(k)).rename(tmp_path / "images" / name)
        save(tmp_path / "masks" / f"{k}.tif", disc())
    (tmp_path / "images" / "notes.txt").write_text("II* is how a TIFF starts")
    assert rows(check_pairs(find_pairs(tmp_path))) == [("1", "matched"), ("2", "matched")]


def write_zarr(path: Path, array: np.ndarray) -> None:
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(path), mode="a", zarr_format=2)
    group.create_array("0", shape=array.shape, chunks=(16, 16), dtype=array.dtype)[:] = array
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "yx"]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [0.5, 0.5]}]}
    group.attrs["multiscales"] = [{"version": "0.4", "axes": axes, "datasets": [level]}]


@pytest.mark.parametrize("ending", [".zarr", ""])
def test_labels_inside_ome_zarr(tmp_path: Path, ending: str) -> None:
    zarr = pytest.importorskip("zarr")
    folder = tmp_path / "zl"
    for k in range(2):
        image = folder / f"img{k}{ending}"
        write_zarr(image, picture(k))
        zarr.open_group(str(image / "labels"), mode="a", zarr_format=2).attrs["labels"] = ["cells", "nuclei"]
        write_zarr(image / "labels" / "cells", disc(k + 1).astype(np.uint16))
        write_zarr(image / "labels" / "nuclei", disc(9).astype(np.uint16))
    inside = f"{folder}/{{name}}{ending}/labels"
    both = [("img0", "matched"), ("img1", "matched")]
    for masks in (
        f"{inside}/cells",
        [folder / f"img{k}{ending}" / "labels" / "cells" for k in range(2)],
        f"{folder}/*{ending}/labels/cells",
        {"cells": f"{inside}/cells", "nuclei": f"{inside}/nuclei"},
    ):
        table = check_pairs(find_pairs(folder, masks))
        assert rows(table) == both
    assert table.class_names == ("cells", "nuclei")
    [pair] = load_pairs(
        check_pairs(find_pairs(folder / f"img1{ending}", folder / f"img1{ending}" / "labels" / "cells"))
    )
    np.testing.assert_array_equal(pair.labels, disc(1))
    assert pair.pixel_size == (0.5, 0.5)
    with pytest.raises(NoMasks, match=r"img0.* has label images inside: choose the masks '.*labels/cells'"):
        find_pairs(folder)
    with pytest.raises(UserError, match=r"holds the label images cells, nuclei\. .* Choose labels/cells\."):
        read_labels(folder / f"img0{ending}" / "labels")


def test_wide_integers_pair_generate_and_come_back(tmp_path: Path) -> None:
    for k in (1, 2):
        image = picture(k).astype(np.int64) * 300
        tifffile.imwrite(save(tmp_path / "images" / f"{k}.tif", disc()), image)
        save(tmp_path / "masks" / f"{k}.tif", disc())
    table = check_pairs(find_pairs(tmp_path))
    assert rows(table) == [("1", "matched"), ("2", "matched")]
    pair = load_pairs(table)[0]
    path, _ = write_pair(tmp_path / "out", pair)
    np.testing.assert_array_equal(read_image(path)[0], pair.image)
    tifffile.imwrite(tmp_path / "images" / "2.tif", np.where(disc() > 0, 2**60 + 1, 0))
    [_, broken] = check_pairs(find_pairs(tmp_path)).entries
    assert (broken.status, broken.reason) == (
        "broken",
        "The image images/2.tif is int64 with numbers from 0 to 1152921504606846977. Expected a type of OME-TIFF: "
        "float32, float64, int8, int16, int32, uint8, uint16, uint32. Convert the image first.",
    )


@pytest.mark.parametrize(
    ("head", "kind", "package"),
    [
        (b"ZISRAWFILE\0\0\0\0\0\0", "CZI", "bioio-czi"),
        (b"\xda\xce\xbe\n" + bytes(12), "ND2", "bioio-nd2"),
        (b"p\0\0\0\x10\0\0\0*" + bytes(9), "LIF", "bioio-lif"),
    ],
)
def test_files_of_microscopes_name_the_package_they_need(
    tmp_path: Path, head: bytes, kind: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package.replace("-", "_"), None)
    path = tmp_path / "a.dat"
    path.write_bytes(head)
    with pytest.raises(UserError) as caught:
        read_image(path)
    assert str(caught.value) == (
        f"{tmp_path.name}/a.dat is a {kind} file; reading it needs the package {package}. "
        "Run 'pip install \"napari-organoid-synth[bioio]\"'."
    )


def test_names_without_endings() -> None:
    names = {
        "a.ome.tif": "a",
        "b.OME.BTF": "b",
        "c.lsm": "c",
        "d.tf8": "d",
        "e.1": "e.1",
        "f.zarr": "f",
        "g.h.jpeg": "g.h",
    }
    assert {name: stem(Path(name)) for name in names} == names


def test_palettes_become_colours_and_ramps_stay_intensities(tmp_path: Path) -> None:
    numbers = (STACK[0] % 4).astype(np.uint8)
    colours = np.zeros((3, 256), np.uint16)
    colours[:, :4] = [[0, 65535, 0, 257], [0, 0, 65535, 257], [65535, 0, 0, 257]]
    tifffile.imwrite(tmp_path / "p.tif", numbers, photometric="palette", colormap=colours)
    image, info = read_image(tmp_path / "p.tif")
    np.testing.assert_array_equal(image, (colours[:, numbers] // 257).astype(np.uint8))
    assert (info.channel_names, read_info(tmp_path / "p.tif").shape) == (RGB, (3, 24, 32))
    np.testing.assert_array_equal(read_labels(tmp_path / "p.tif"), numbers)
    green = np.stack([0 * np.arange(256), 257 * np.arange(256), 0 * np.arange(256)]).astype(np.uint16)
    tifffile.imwrite(tmp_path / "g.tif", STACK[0], photometric="palette", colormap=green)
    np.testing.assert_array_equal(read_image(tmp_path / "g.tif")[0], STACK[:1])
