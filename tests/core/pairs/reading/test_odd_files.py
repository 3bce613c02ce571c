"""Damaged, hostile and unsuitable files: refused or remarked in words, without waiting, memory, or a way out."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.mask_kind import inspect_mask
from napari_organoid_synth.core.pairs.ome_tiff import as_labels, read_image, write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.reading import ome_xml
from napari_organoid_synth.core.pairs.table import PairTable
from pair_files import disc, picture, rows, save

NOISE = np.random.default_rng(0)
IMAGE = NOISE.integers(0, 255, (128, 128)).astype(np.uint8)
RAMP = np.add.outer(np.arange(128), np.arange(128)).astype(np.uint8)
TILES, STRIPS = {"tile": (64, 64)}, {"rowsperstrip": 32}
not_windows = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files")


def written(path: Path, array: np.ndarray = IMAGE, **options: Any) -> Path:
    tifffile.imwrite(path, array, metadata=None, **options)
    return path


def patch(path: Path, code: int, index: int, value: int) -> Path:
    """Overwrite one number of a tag of the first page."""
    with tifffile.TiffFile(path, mode="r+b") as file:
        tag = file.pages[0].tags[code]
        values = list(tag.value) if isinstance(tag.value, tuple) else [tag.value]
        values[index] = value
        tag.overwrite(tuple(values) if len(values) > 1 else values[0])
    return path


def sentence(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_image(path)
    assert path.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(
    ("options", "offsets", "counts", "noun"), [(TILES, 324, 325, "tile"), (STRIPS, 273, 279, "strip")]
)
def test_parts_at_offset_0_or_of_0_bytes_are_refused(
    tmp_path: Path, options: dict[str, Any], offsets: int, counts: int, noun: str, compression: str | None
) -> None:
    path = tmp_path / "a.tif"
    for code, text in ((offsets, r"[\d,]+ bytes at byte 0"), (counts, r"0 bytes at byte [\d,]+")):
        patch(written(path, compression=compression, **options), code, 1, 0)
        assert re.search(rf"damaged or truncated TIFF: {noun} 1 has {text}\.", sentence(path))


def test_an_empty_tile_is_remarked_and_all_empty_ones_are_refused(tmp_path: Path) -> None:
    path = written(
        tmp_path / "images" / "a.tif" if (tmp_path / "images").mkdir() else tmp_path / "images/a.tif", **TILES
    )
    save(tmp_path / "masks" / "a.tif", disc(size=(128, 128)))
    for code in (324, 325):
        patch(path, code, 1, 0)
    [entry] = check_pairs(find_pairs(tmp_path)).entries
    assert (entry.status, entry.reason) == ("matched", "1 of 4 tiles missing, read as 0")
    for code in (324, 325):
        for index in range(4):
            patch(path, code, index, 0)
    assert "all of its tiles are missing" in sentence(path)


@pytest.mark.parametrize("compression", ["zlib", "lzw", "packbits", "jpeg"])
def test_noise_after_a_valid_header_is_refused(tmp_path: Path, compression: str) -> None:
    path = written(tmp_path / "a.tif", IMAGE, compression=compression, **STRIPS)
    with tifffile.TiffFile(path) as file:
        offset, count = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
    data = bytearray(path.read_bytes())
    data[offset + count // 3 : offset + count] = NOISE.bytes(count - count // 3)
    path.write_bytes(data)
    assert "is a damaged or truncated TIFF" in sentence(path)


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_noise_in_a_picture_is_refused(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    Image.fromarray(IMAGE).save(path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : -12] = NOISE.bytes(len(data) - len(data) // 2 - 12)
    path.write_bytes(data)
    assert "is a damaged or truncated" in sentence(path)


@pytest.mark.parametrize("options", [{"progressive": True}, {"restart_marker_rows": 1}, {"optimize": True}, {}])
def test_sound_jpegs_of_all_sorts_are_read(tmp_path: Path, options: dict[str, Any]) -> None:
    colours = np.stack([IMAGE, RAMP, IMAGE.T], -1)
    Image.fromarray(colours).save(tmp_path / "a.jpg", quality=100, subsampling=0, **options)
    image, _ = read_image(tmp_path / "a.jpg")
    assert np.abs(image.astype(int) - np.moveaxis(colours, -1, 0)).max() <= 4


def test_jpeg_inside_tiff_comes_as_rgb(tmp_path: Path) -> None:
    smooth = np.stack([RAMP, RAMP[::-1], 255 - RAMP], -1)
    tifffile.imwrite(tmp_path / "a.tif", smooth, photometric="rgb", compression="jpeg", compressionargs={"level": 100})
    with tifffile.TiffFile(tmp_path / "a.tif") as file:
        assert file.pages[0].photometric.name == "YCBCR"
    image, info = read_image(tmp_path / "a.tif")
    assert info.channel_names == ("red", "green", "blue")
    assert np.abs(image.astype(int) - np.moveaxis(smooth, -1, 0)).max() <= 8


def test_inks_lab_and_mosaics_are_refused_and_ycbcr_becomes_rgb(tmp_path: Path) -> None:
    four, three = (NOISE.integers(0, 255, (16, 16, n)).astype(np.uint8) for n in (4, 3))
    cases = {
        "inks.tif": (lambda p: written(p, four, photometric="separated"), "inks (CMYK)"),
        "inks.jpg": (lambda p: Image.fromarray(four, "CMYK").save(p), "inks (CMYK)"),
        "lab.tif": (lambda p: written(p, three, photometric="cielab"), "L*a*b*"),
        "bayer.tif": (lambda p: written(p, IMAGE, photometric="cfa"), "sensor mosaic"),
    }
    write: Callable[[Path], object]
    for name, (write, word) in cases.items():
        write(tmp_path / name)
        text = sentence(tmp_path / name)
        assert word in text
        assert text.endswith("Expected grey values or RGB. Convert it to RGB, for example with Fiji.")
    colours = np.stack([IMAGE, RAMP, IMAGE.T], -1)
    written(
        tmp_path / "y.tif",
        np.asarray(Image.fromarray(colours).convert("YCbCr")),
        photometric="ycbcr",
        subsampling=(1, 1),
    )
    image, info = read_image(tmp_path / "y.tif")
    assert info.channel_names == ("red", "green", "blue")
    assert np.abs(image.astype(int) - np.moveaxis(colours, -1, 0)).max() <= 3


@pytest.mark.parametrize("size", ["0", "-1", "NaN", "INF", "2000000", "1e-9", "abc"])
def test_impossible_pixel_sizes_are_not_used_and_said(tmp_path: Path, size: str) -> None:
    image, info = read_image(described(tmp_path / "a.ome.tif", {"PhysicalSizeX": size, "PhysicalSizeY": size}))
    assert info.pixel_size is None
    assert info.remarks == (f"its pixel size of {size} × {size} µm is impossible and not used",)
    np.testing.assert_array_equal(image[0], IMAGE)


def described(path: Path, changes: dict[str, str]) -> Path:
    """Write an OME-TIFF of one page whose OME-XML says something else."""
    image = ome_xml.ImageDescription("x", (1, 128, 128), "uint8")
    text = ome_xml.build(image, {}, {}).split("<StructuredAnnotations")[0].replace("SizeY=", 'PhysicalSizeZ="1" SizeY=')
    text = re.sub("<AnnotationRef[^>]*>", "", text) + "</OME>"
    for key, value in changes.items():
        text = re.sub(f' {key}="[^"]*"', "", text).replace("<Pixels ", f'<Pixels {key}="{value}" ')
    with tifffile.TiffWriter(path, ome=False) as writer:
        writer.write(IMAGE, metadata=None, description=text.encode())
    return path


@pytest.mark.parametrize("axis", ["Z", "C", "T", "X"])
@pytest.mark.parametrize("size", ["0", "-1", "NaN", "", "1" + 400 * "0"])
def test_impossible_sizes_in_ome_xml_are_refused(tmp_path: Path, axis: str, size: str) -> None:
    text = sentence(described(tmp_path / "a.ome.tif", {f"Size{axis}": size}))
    assert f"its OME-XML has Size{axis}={size[:20]}" in text
    assert len(text) < 300


def test_declared_planes_are_compared_with_the_pages(tmp_path: Path) -> None:
    path = described(tmp_path / "a.ome.tif", {"SizeT": "1000000000"})
    assert "its OME-XML describes 1,000,000,000 planes, the file has 1 of them" in sentence(path)
    path = described(tmp_path / "b.ome.tif", {"SizeX": "64"})
    assert read_image(path)[1].remarks == ("its OME-XML says 64 × 128 px, its pages have 128 × 128 px",)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(("code", "value"), [(256, 2**31), (257, 2**31), (256, 0), (257, 0), (277, 60_000)])
def test_declared_sizes_are_compared_with_the_bytes(
    tmp_path: Path, code: int, value: int, compression: str | None
) -> None:
    path = patch(written(tmp_path / "a.tif", compression=compression), code, 0, value)
    assert re.search("bytes of pixels, more than its|have the lengths", sentence(path))


def test_declared_tiles_are_compared_with_the_bytes(tmp_path: Path) -> None:
    path = patch(written(tmp_path / "a.tif", compression="zlib", **TILES), 323, 0, 2**24)
    assert "it describes 1,073,741,824 bytes of pixels, more than its" in sentence(path)


def test_a_bomb_of_a_png_is_refused(tmp_path: Path) -> None:
    def part(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (13_000, 2**31 - 1):
        header = part(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        data = b"\x89PNG\r\n\x1a\n" + header + part(b"IDAT", zlib.compress(bytes(1000))) + part(b"IEND", b"")
        (tmp_path / "a.png").write_bytes(data)
        assert re.search("more than its 7. bytes can hold|too many pixels", sentence(tmp_path / "a.png"))


def test_a_part_of_a_png_that_is_longer_than_the_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(IMAGE).save(path)
    data = bytearray(path.read_bytes())
    place = data.index(b"IDAT") - 4
    data[place : place + 4] = struct.pack(">I", 2**31 - 1)
    path.write_bytes(data)
    assert f"a part at byte {place} has 2,147,483,647 bytes" in sentence(path)


def zarr_array(path: Path, shape: list[int], chunks: list[int]) -> Path:
    path.mkdir()
    described = {"shape": shape, "chunks": chunks, "dtype": "<u2", "fill_value": 0, "order": "C", "zarr_format": 2}
    (path / ".zarray").write_text(json.dumps(described | {"filters": None, "compressor": None}))
    return path


@pytest.mark.parametrize(
    ("shape", "chunks"),
    [([10**7, 10**7], [10**3] * 2), ([9, 9], [10**6] * 2), ([10**9, 99, 99], [1, 99, 99]), ([-5, 5], [5, 5])],
)
def test_declared_zarr_arrays_are_compared_with_their_files(
    tmp_path: Path, shape: list[int], chunks: list[int]
) -> None:
    assert "is a damaged or truncated OME-Zarr" in sentence(zarr_array(tmp_path / "a.zarr", shape, chunks))


@not_windows
def test_parts_of_a_zarr_are_regular_files_inside_it(tmp_path: Path) -> None:
    path = zarr_array(tmp_path / "a.zarr", [4, 4], [4, 4])
    os.mkfifo(path / "0.0")
    assert "its part 0.0 is not a regular file" in sentence(path)
    (path / "0.0").unlink()
    (tmp_path / "secret").write_bytes(bytes(32))
    (path / "0.0").symlink_to(tmp_path / "secret")
    assert "its part 0.0 is a link that leads out of it" in sentence(path)


def whole_pair(folder: Path, name: str) -> None:
    save(folder / "images" / f"{name}.tif", picture(hash(name) % 1000))
    save(folder / "masks" / f"{name}.tif", disc())


def annotated(folder: Path, change: Callable[[str], str]) -> None:
    """Write a pair of ours whose annotation is changed."""
    image_path, labels_path = write_pair(folder / "w", SamplePair("odd", picture(5)[None], disc(1).astype(np.int32)))
    with tifffile.TiffFile(image_path) as file:
        text = change(str(file.ome_metadata))
    with tifffile.TiffWriter(folder / "images" / "odd.ome.tif", ome=False) as writer:
        writer.write(picture(5), metadata=None, description=text.encode())
    labels_path.rename(folder / "masks" / "odd.ome.tif")


def put(name: str, data: bytes | None = None, link: str = "") -> Callable[[Path], None]:
    def into(folder: Path) -> None:
        save(folder / "masks" / "odd.tif", disc())
        path = folder / "images" / name
        if link:
            path.symlink_to(link)
        elif data is None:
            os.mkfifo(path)
        else:
            path.write_bytes(data)

    return into


def in_words(change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda folder: annotated(folder, change)


ODD: dict[str, Callable[[Path], None]] = {
    "a cut annotation": in_words(lambda text: text.replace('"mask_kind": "binary", ', '"mask_kind": "bin')),
    "cut XML": in_words(lambda text: text[:300] + "</OME>"),
    "a document type": in_words(lambda text: text.replace("<OME ", "<!DOCTYPE a><OME ", 1)),
    "wrong types": in_words(lambda text: text.replace('"class_names": ["object"]', '"class_names": {"a": [1]}')),
    "a list": in_words(lambda text: re.sub("<Value>{.*}</Value>", "<Value>[1]</Value>", text)),
    "an unknown kind": in_words(lambda text: text.replace('"mask_kind": "binary"', '"mask_kind": "probability"')),
    "deep JSON": in_words(lambda text: re.sub("<Value>{.*}</Value>", "<Value>" + 50_000 * "[" + "</Value>", text)),
    "a pipe": put("odd.tif"),
    "a link to nothing": put("odd.tif", link="nothing.tif"),
    "a link to itself": put("odd.tif", link="odd.tif"),
    "a link to a device": put("odd.tif", link="/dev/zero"),
    "an empty file": put("odd.tif", b""),
    "a head alone": put("odd.tif", b"II*\0"),
}


@not_windows
@pytest.mark.parametrize("kind", ODD)
def test_one_odd_file_never_stops_the_others(tmp_path: Path, kind: str) -> None:
    for name in "ab":
        whole_pair(tmp_path, name)
    ODD[kind](tmp_path)
    table = check_pairs(find_pairs(tmp_path))
    assert rows(table) == [("a", "matched"), ("b", "matched"), ("odd", "broken")]
    assert "odd" in table.entries[2].reason
    assert len(table.entries[2].reason) < 500
    table.to_file(tmp_path / "pairs.json")
    assert PairTable.from_file(tmp_path / "pairs.json") == table


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that other users may enter; root may read everything and becomes nobody for the test."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    if os.getuid() == 0:
        os.seteuid(0)
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


@not_windows
def test_files_and_folders_that_may_not_be_read(shared_folder: Path) -> None:
    for name in "abc":
        whole_pair(shared_folder / "set", name)
        whole_pair(shared_folder / "other", name)
    assert len(check_pairs(find_pairs(shared_folder / "set")).matched) == 3  # loads what is needed
    (shared_folder / "set" / "images" / "b.tif").chmod(0)
    (shared_folder / "set" / "masks" / "c.tif").chmod(0)
    (shared_folder / "set" / "notes").mkdir(mode=0)
    (shared_folder / "other" / "masks").chmod(0)
    if os.getuid() == 0:
        os.seteuid(65534)
    table = check_pairs(find_pairs(shared_folder / "set"))
    assert rows(table) == [("a", "matched"), ("b", "broken"), ("c", "broken")]
    for entry, name in zip(table.entries[1:], ("images/b.tif", "masks/c.tif"), strict=True):
        assert entry.reason == (
            f"Cannot read {shared_folder / 'set' / name}: Permission denied. Check the permissions of the file."
        )
    with pytest.raises(UserError) as caught:
        find_pairs(shared_folder / "other")
    assert str(caught.value) == (
        f"Cannot read the folder {shared_folder / 'other' / 'masks'}: Permission denied. "
        "Check the permissions of the folder."
    )


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow only UTF-8 in names")
def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    for name in "ab":
        whole_pair(tmp_path, name)
    for folder in ("images", "masks"):
        (tmp_path / folder / "a.tif").rename(tmp_path / folder / os.fsdecode(b"caf\xe9.tif"))
    table = check_pairs(find_pairs(tmp_path))
    assert rows(table) == [("b", "matched"), ("caf\ufffd", "broken")]
    assert table.entries[1].reason == (
        "The name of images/caf\ufffd.tif is not UTF-8. Expected a name that every program can read. Rename it."
    )
    table.to_file(tmp_path / "pairs.json")
    assert PairTable.from_file(tmp_path / "pairs.json") == table


def test_digits_that_are_not_decimal_do_not_stop_the_order(tmp_path: Path) -> None:
    for name in ("10 µm²", "x²3"):
        whole_pair(tmp_path, name)
    assert rows(check_pairs(find_pairs(tmp_path))) == [("10 µm²", "matched"), ("x²3", "matched")]


@pytest.mark.parametrize(("dtype", "exact"), [("float32", 2**24), ("float16", 2**11)])
def test_ids_that_a_float_type_cannot_hold_are_refused(dtype: str, exact: int) -> None:
    labels = np.array([[0, exact]], dtype)
    assert as_labels(labels, "m.tif").tolist() == [[0, exact]]
    with pytest.raises(UserError, match=f"m.tif is {dtype} with numbers up to {2 * exact}; above {exact:,} this type"):
        as_labels(2 * labels, "m.tif")


def discs_with_ids(number: int = 30, side: int = 200) -> np.ndarray:
    labels = np.zeros((side, side), np.int32)
    y, x = np.mgrid[:side, :side]
    for label in range(1, number + 1):
        row, column = NOISE.integers(0, side, 2)
        labels[(y - row) ** 2 + (x - column) ** 2 < 150] = 7 * label
    return labels


@pytest.mark.parametrize("scale", [0.4, 0.7, 1.5, 2.0])
@pytest.mark.parametrize("order", [1, 3])
def test_ids_resized_with_interpolation_are_refused(scale: float, order: int) -> None:
    from scipy.ndimage import zoom

    labels = discs_with_ids()
    blurred = np.clip(zoom(labels.astype(float), scale, order=order), 0, None).round().astype(np.int32)
    with pytest.raises(UserError, match=r"m.tif looks resized with interpolation: [\d,]+ px along edges"):
        inspect_mask(blurred, "m.tif")
    assert inspect_mask(zoom(labels, scale, order=0), "m.tif").kind == "instances"


def test_thin_rims_between_classes_are_not_interpolation() -> None:
    from scipy.ndimage import binary_erosion

    inside = discs_with_ids() > 0
    layers = inside.astype(np.int32)
    for _ in range(3):
        inside = binary_erosion(inside)
        layers += inside
    assert inspect_mask(layers, "m.tif").values == (1, 2, 3, 4)
