"""Images of any origin: axes, pixel size, channels, and a sentence for every broken file."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.ome_tiff import read_image, read_info, read_labels, write_pair
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair
from napari_organoid_synth.core.pairs.reading import tiff_reader

STACK = np.random.default_rng(0).integers(0, 60_000, (6, 40, 50)).astype(np.uint16)
AGAIN = "Expected a complete file. Copy the file again from its source."


def sentence(function: Any, *args: Any) -> str:
    with pytest.raises(UserError) as caught:
        function(*args)
    return str(caught.value)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_pages_of_a_plain_tiff_are_slices(tmp_path: Path, compression: str | None, byteorder: Any) -> None:
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata=None, compression=compression, byteorder=byteorder)
    assert read_info(path).n_pages == 6
    for page in range(6):
        image, info = read_image(path, page)
        np.testing.assert_array_equal(image, STACK[page][None])
        assert image.dtype == info.dtype == np.dtype(np.uint16)
        assert info.shape == (1, 40, 50)
    assert sentence(read_image, path) == (
        f"{tmp_path.name}/stack.tif is a stack of 6 slices. Expected one image. "
        "Choose a slice; if the slices are channels, save them as channels."
    )
    assert sentence(read_image, path, 6) == (
        f"{tmp_path.name}/stack.tif has no slice 6. Expected 0 to 5. Choose another slice."
    )


def test_imagej_hyperstack_keeps_channels_and_size(tmp_path: Path) -> None:
    path = tmp_path / "ij.tif"
    data = STACK.reshape(3, 2, 40, 50)
    tifffile.imwrite(path, data, imagej=True, resolution=(4, 5), metadata={"axes": "ZCYX", "unit": "um"})
    image, info = read_image(path, 2)
    np.testing.assert_array_equal(image, data[2])
    assert info.n_pages == 3
    assert info.pixel_size == pytest.approx((0.2, 0.25))


def test_ome_units_and_channel_names(tmp_path: Path) -> None:
    path = tmp_path / "a.ome.tif"
    data = STACK.reshape(3, 2, 40, 50)
    metadata = {
        "axes": "ZCYX",
        "PhysicalSizeX": 500,
        "PhysicalSizeXUnit": "nm",
        "PhysicalSizeY": 0.25,
        "Channel": {"Name": ["nuclei", "membrane"]},
    }
    tifffile.imwrite(path, data, metadata=metadata, compression="zlib")
    image, info = read_image(path, 1)
    np.testing.assert_array_equal(image, data[1])
    assert info.pixel_size == (0.25, 0.5)
    assert info.channel_names == ("nuclei", "membrane")


@pytest.mark.parametrize(
    ("unit", "per_unit", "expected"),
    [("CENTIMETER", (20_000, 10_000), (1.0, 0.5)), ("INCH", (25_400, 50_800), (0.5, 1.0)), ("NONE", (4, 4), None)],
)
def test_resolution_tags(tmp_path: Path, unit: str, per_unit: Any, expected: Any) -> None:
    path = tmp_path / "r.tif"
    tifffile.imwrite(path, STACK[0], resolution=per_unit, resolutionunit=unit)
    assert read_info(path).pixel_size == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("dpi", [72, 96, 300])
def test_print_resolution_is_no_pixel_size(tmp_path: Path, dpi: int) -> None:
    tifffile.imwrite(tmp_path / "r.tif", STACK[0], resolution=(dpi, dpi), resolutionunit="INCH")
    assert read_info(tmp_path / "r.tif").pixel_size is None


@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_rgb_tiff(tmp_path: Path, planar: str) -> None:
    data = STACK[:3]
    stored = data if planar == "separate" else np.moveaxis(data, 0, -1)
    tifffile.imwrite(tmp_path / "rgb.tif", stored, photometric="rgb", planarconfig=planar)
    image, info = read_image(tmp_path / "rgb.tif")
    np.testing.assert_array_equal(image, data)
    assert info.channel_names == RGB


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_constant_alpha_is_dropped_and_a_real_one_kept(tmp_path: Path, suffix: str) -> None:
    data = np.random.default_rng(1).integers(0, 255, (40, 50, 4)).astype(np.uint8)
    for alpha, channels in ((255, 3), (None, 4)):
        if alpha is not None:
            opaque = data.copy()
            opaque[..., 3] = alpha
        stored = data if alpha is None else opaque
        path = tmp_path / f"{channels}.{suffix}"
        if suffix == "png":
            Image.fromarray(stored).save(path)
        else:
            tifffile.imwrite(path, stored, photometric="rgb", extrasamples=["unassalpha"])
        image, info = read_image(path)
        np.testing.assert_array_equal(image, np.moveaxis(stored, -1, 0)[:channels])
        assert info.channel_names == (*RGB, "alpha")[:channels]


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_grey_png(tmp_path: Path, dtype: str) -> None:
    data = STACK[0].astype(dtype)
    Image.fromarray(data).save(tmp_path / "g.png")
    image, info = read_image(tmp_path / "g.png")
    assert image.dtype == read_info(tmp_path / "g.png").dtype == np.dtype(dtype)
    np.testing.assert_array_equal(image[0], data)
    assert info.channel_names == ()


def test_one_bit_and_palette(tmp_path: Path) -> None:
    Image.fromarray(STACK[0] > 30_000).save(tmp_path / "bit.png")
    assert read_image(tmp_path / "bit.png")[0].dtype == np.uint8
    np.testing.assert_array_equal(read_labels(tmp_path / "bit.png"), STACK[0] > 30_000)
    numbers = (STACK[0] % 5).astype(np.uint8)
    palette = Image.fromarray(numbers).convert("P")
    palette.putpalette([7, 8, 9, 200, 0, 0, 0, 200, 0, 0, 0, 200, 5, 5, 5])
    palette.save(tmp_path / "p.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "p.png"), numbers)
    image, info = read_image(tmp_path / "p.png")
    assert info.channel_names == RGB
    np.testing.assert_array_equal(image[:, numbers == 1][:, 0], [200, 0, 0])


def test_jpeg(tmp_path: Path) -> None:
    flat = np.full((32, 48, 3), (200, 100, 50), np.uint8)
    Image.fromarray(flat).save(tmp_path / "f.jpg", quality=95)
    image, info = read_image(tmp_path / "f.jpg")
    assert info.shape == (3, 32, 48)
    assert np.abs(image.astype(int) - flat.transpose(2, 0, 1)).max() <= 2


def test_large_planes_stay_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "large.tif"
    tifffile.imwrite(path, STACK, photometric="minisblack", metadata={"axes": "ZYX"})
    assert type(read_image(path, 3)[0]) is np.ndarray
    monkeypatch.setattr(tiff_reader, "LAZY_BYTES", 1)
    image, _ = read_image(path, 3)
    assert isinstance(image, np.memmap)
    np.testing.assert_array_equal(image[0], STACK[3])


def test_large_planes_of_our_own_files_stay_on_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiff_reader, "LAZY_BYTES", 1)
    for names in ((), RGB):
        pair = SamplePair("a", STACK[:3], np.zeros((40, 50), np.int32), channel_names=names)
        image, _ = read_image(write_pair(tmp_path, pair)[0])
        assert isinstance(image, np.memmap)
        np.testing.assert_array_equal(image, STACK[:3])


@pytest.mark.parametrize("version", [2, 3])
def test_ome_zarr(tmp_path: Path, version: int) -> None:
    zarr = pytest.importorskip("zarr")
    path = tmp_path / "a.zarr"
    group = zarr.open_group(str(path), mode="w", zarr_format=version)
    data = STACK.reshape(3, 2, 40, 50)
    array = group.create_array("0", shape=data.shape, chunks=(1, 1, 40, 50), dtype="uint16")
    array[:] = data
    units = {"z": "micrometer", "c": None, "y": "nanometer", "x": "nanometer"}
    axes = [{"name": name, **({"unit": unit} if unit else {})} for name, unit in units.items()]
    level = {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 250, 500]}]}
    told = {
        "multiscales": [{"axes": axes, "datasets": [level]}],
        "omero": {"channels": [{"label": "nuclei"}, {"label": "membrane"}]},
    }
    group.attrs.update({"ome": {"version": "0.5", **told}} if version == 3 else told)
    image, info = read_image(path, 1)
    np.testing.assert_array_equal(image, data[1])
    assert (info.pixel_size, info.channel_names, info.n_pages) == ((0.25, 0.5), ("nuclei", "membrane"), 3)


def test_missing_empty_and_unknown(tmp_path: Path) -> None:
    folder = tmp_path.name
    assert sentence(read_image, tmp_path / "no.tif") == (
        f"There is no file {tmp_path / 'no.tif'}. Check whether it was moved or renamed."
    )
    (tmp_path / "zero.tif").touch()
    assert sentence(read_image, tmp_path / "zero.tif") == (
        f"{folder}/zero.tif is empty (0 bytes). Expected an image. Copy the file again from its source."
    )
    (tmp_path / "x.tif").write_bytes(b"no picture")
    assert sentence(read_image, tmp_path / "x.tif") == (
        f"{folder}/x.tif has an unknown format (10 bytes). "
        "Expected TIFF, OME-TIFF, PNG, JPEG, BMP, OME-Zarr, CZI, ND2 or LIF. "
        "Save it as TIFF, for example with Fiji."
    )
    assert sentence(read_image, tmp_path) == (f"{tmp_path} is a folder. Expected an image file or an OME-Zarr folder.")


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.999])
def test_a_cut_off_tiff_is_never_read(tmp_path: Path, share: float, compression: str | None) -> None:
    whole, cut = tmp_path / "whole.tif", tmp_path / "cut.tif"
    tifffile.imwrite(whole, STACK[0], compression=compression)
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    text = sentence(read_image, cut)
    assert re.fullmatch(rf"{tmp_path.name}/cut\.tif is a damaged or truncated TIFF: .+\. {re.escape(AGAIN)}", text)


@pytest.mark.parametrize("kind", ["png", "jpg"])
def test_a_cut_off_picture_is_never_read(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"cut.{kind}"
    Image.fromarray((STACK[0] // 256).astype(np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-200])
    name = {"png": "PNG", "jpg": "JPEG"}[kind]
    assert sentence(read_image, path).startswith(f"{tmp_path.name}/cut.{kind} is a damaged or truncated {name}: ")


def test_a_stack_with_a_lost_tail_says_so(tmp_path: Path) -> None:
    path = tmp_path / "s.tif"
    with tifffile.TiffWriter(path) as writer:
        for plane in STACK:
            writer.write(plane, metadata=None, contiguous=False, compression="zlib")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "is a damaged or truncated TIFF: invalid page offset" in sentence(read_info, path)


def test_deep_colour_png_is_refused(tmp_path: Path) -> None:
    header = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\0\0\x02\0\0\0\x02" + b"\x10\x02" + b"\0" * 20
    (tmp_path / "deep.png").write_bytes(header)
    assert sentence(read_image, tmp_path / "deep.png") == (
        f"{tmp_path.name}/deep.png is a PNG with 16 bits in several channels. Expected 8 bits, or 16 bits in one "
        "channel: PNG readers discard the rest. Save it as TIFF."
    )


def labels_in(tmp_path: Path, values: NDArray[Any], **options: Any) -> Path:
    path = tmp_path / "m.tif"
    tifffile.imwrite(path, values, **options)
    return path


@pytest.mark.parametrize(
    "dtype", ["bool", "uint8", "int16", "uint16", "int32", "uint32", "int64", "float32", "float64"]
)
def test_labels_of_any_type_that_holds_whole_numbers(tmp_path: Path, dtype: str) -> None:
    values = (STACK[0] % 2 if dtype == "bool" else STACK[0] % 100).astype(dtype)
    labels = read_labels(labels_in(tmp_path, values))
    assert labels.dtype == np.int32
    np.testing.assert_array_equal(labels, values.astype(np.int32))


def test_labels_in_equal_colours_are_taken(tmp_path: Path) -> None:
    values = (STACK[0] % 3).astype(np.uint8)
    Image.fromarray(np.stack([values] * 3, -1)).save(tmp_path / "m.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "m.png"), values)


def test_values_that_are_not_labels(tmp_path: Path) -> None:
    where = f"The mask {tmp_path.name}/m.tif"
    values = np.zeros((4, 5), np.float32)
    values[1, 1:3] = 0.375
    assert sentence(read_labels, labels_in(tmp_path, values)) == (
        f"{where} is float32 with fractions such as 0.375 in 2 px. Expected whole numbers, 0 for background. "
        "If these are probabilities, threshold them, then save an integer label image."
    )
    values[1, 1] = np.nan
    assert sentence(read_labels, labels_in(tmp_path, values)) == (
        f"{where} is float32 and has 1 px without a value. Expected whole numbers, 0 for background. "
        "Save it as an integer label image."
    )
    many = np.array([[0, 2**31]], np.int64)
    assert sentence(read_labels, labels_in(tmp_path, many)) == (
        f"{where} (int64) contains the label 2147483648. Expected labels from 0 to 2,147,483,647. "
        "Number the objects again from 1."
    )
    assert "(int16) contains the label -3." in sentence(read_labels, labels_in(tmp_path, np.array([[0, -3]], np.int16)))
    colours = np.zeros((4, 5, 3), np.uint8)
    colours[0, :3] = (255, 0, 0)
    assert sentence(read_labels, labels_in(tmp_path, colours, photometric="rgb")) == (
        f"{where} is RGB, 5 × 4 px; its channels differ in 3 px. Expected one channel in which 0 is background and "
        "every object or class has its own number. Save the label numbers instead of their colours."
    )
