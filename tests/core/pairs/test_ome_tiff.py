"""Pairs on disk: exact, by the standard, never half written, never over someone else's file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs import ome_tiff
from napari_organoid_synth.core.pairs.ome_tiff import read_image, read_pair, read_source, write_pair
from napari_organoid_synth.core.pairs.pair import RGB, MaskKind, SamplePair, Source
from napari_organoid_synth.core.pairs.reading import ome_xml
from napari_organoid_synth.core.pairs.record import PairRecord

RNG = np.random.default_rng(0)
DTYPES = ["uint8", "uint16", "int8", "int16", "int32", "uint32", "float16", "float32", "float64", "bool"]


def make(dtype: str = "uint16", channels: int = 2, size: tuple[int, int] = (33, 47), **fields: object) -> SamplePair:
    pair = SamplePair(
        name="well a/3 – day 7",
        image=(RNG.random((channels, *size)) * 100).astype(dtype),
        labels=RNG.integers(0, 300, size).astype(np.int32),
        mask_kind="instances",
        class_names=("cell, living",),
        pixel_size=(0.1, 1 / 3),
        channel_names=tuple(f"channel µ{i}" for i in range(channels)),
        image_class="healthy",
        source=Source("synthetic", ("a.tif", "b.tif"), {"seed": 7, "latent": [0.1, -2.5], "mask": {"of": "x"}}),
    )
    return pair.replace(**fields)


def assert_same(first: SamplePair, second: SamplePair) -> None:
    for name in ("image", "labels"):
        one, two = getattr(first, name), getattr(second, name)
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)
    for name in ("name", "mask_kind", "class_names", "pixel_size", "channel_names", "image_class", "source"):
        assert getattr(first, name) == getattr(second, name), name


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_a_pair_comes_back_exactly(tmp_path: Path, dtype: str, channels: int) -> None:
    pair = make(dtype, channels)
    image_path, labels_path = write_pair(tmp_path, pair)
    assert (image_path.name, labels_path.name) == ("well_a_3_day_7.ome.tif", "well_a_3_day_7_labels.ome.tif")
    assert_same(read_pair(image_path), pair)


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_rgb_stays_rgb(tmp_path: Path, dtype: str) -> None:
    pair = make(dtype, 3, channel_names=RGB)
    path, _ = write_pair(tmp_path, pair)
    assert_same(read_pair(path), pair)
    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        assert (page.photometric.name, page.samplesperpixel, len(file.pages)) == ("RGB", 3, 1)
        assert page.asarray().shape == (33, 47, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 1), (4, 3)])
def test_tiny_images_keep_their_axes(tmp_path: Path, size: tuple[int, int]) -> None:
    for channels in (1, 3, 4):
        pair = make(channels=channels, size=size)
        assert_same(read_pair(write_pair(tmp_path, pair)[0]), pair)


def test_labels_are_as_small_as_is_exact(tmp_path: Path) -> None:
    for top, dtype in ((65_535, np.uint16), (65_536, np.int32)):
        labels = np.zeros((33, 47), np.int32)
        labels[0, 0] = top
        pair = make(labels=labels, name=str(top))
        path, labels_path = write_pair(tmp_path, pair)
        assert tifffile.imread(labels_path).dtype == dtype
        assert_same(read_pair(path), pair)


@given(
    name=st.text(min_size=1, max_size=8),
    words=st.lists(st.text(max_size=6), min_size=1, max_size=3),
    size=st.tuples(st.floats(1e-4, 1e4), st.floats(1e-4, 1e4)) | st.none(),
    kind=st.sampled_from(["binary", "classes", "instances"]),
    seed=st.integers(0, 2**63),
)
@settings(max_examples=40, deadline=None)
def test_any_words_come_back(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    words: list[str],
    size: tuple[float, float] | None,
    kind: MaskKind,
    seed: int,
) -> None:
    pair = make(
        channels=1,
        size=(3, 4),
        name=name,
        class_names=tuple(words),
        pixel_size=size,
        mask_kind=kind,
        image_class=words[0],
        source=Source("drawn", tuple(words), {"seed": seed, words[0]: words}),
    )
    assert_same(read_pair(write_pair(tmp_path_factory.mktemp("pair"), pair)[0]), pair)


@pytest.mark.parametrize("channels", [1, 3, 5])
@pytest.mark.parametrize("rgb", [False, True])
def test_files_keep_the_ome_schema(tmp_path: Path, channels: int, rgb: bool) -> None:
    ome_types = pytest.importorskip("ome_types")
    pytest.importorskip("lxml")
    names = RGB if rgb else tuple(f"c{i}" for i in range(channels))
    pair = make(channels=3 if rgb else channels, channel_names=names, name="bad \x00\x1b name")
    for path in write_pair(tmp_path, pair):
        with tifffile.TiffFile(path) as file:
            text = file.ome_metadata
        assert text
        ome_types.validate_xml(text)
        ome = ome_types.from_xml(text)
        pixels = ome.images[0].pixels
        assert (pixels.size_y, pixels.size_x, pixels.physical_size_y, pixels.physical_size_x) == (33, 47, 0.1, 1 / 3)
        assert pixels.physical_size_x_unit.value == "µm"
        notes = {note.id: note for note in ome.structured_annotations}
        linked = [notes[reference.id] for reference in ome.images[0].annotation_refs]
        facts = next(note.value for note in linked if type(note).__name__ == "MapAnnotation")
        found = {m.k: m.value for m in facts.ms}
        assert found["synthetic"] == "true"
        assert found["mask kind"] == "instances"
        assert found["class names"] == "cell, living"
        assert found["software"].startswith("napari-organoid-synth ")


def test_resolution_tags_serve_readers_without_ome(tmp_path: Path) -> None:
    path, _ = write_pair(tmp_path, make(pixel_size=(0.5, 0.25)))
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        assert tags["ResolutionUnit"].value == 3
        assert [tags[n].value[0] / tags[n].value[1] for n in ("XResolution", "YResolution")] == [40_000, 20_000]


def test_equal_pairs_give_equal_bytes(tmp_path: Path) -> None:
    pair = make()
    first = [path.read_bytes() for path in write_pair(tmp_path / "a", pair)]
    assert first == [path.read_bytes() for path in write_pair(tmp_path / "b", pair)]


def test_writing_again_replaces_and_strangers_are_safe(tmp_path: Path) -> None:
    path, _ = write_pair(tmp_path, make(name="a b"))
    newer = make(name="a b", image_class="ill")
    write_pair(tmp_path, newer)
    assert_same(read_pair(path), newer)
    before = path.read_bytes()
    with pytest.raises(UserError) as caught:
        write_pair(tmp_path, make(name="a_b"))
    assert str(caught.value) == (
        f"{tmp_path.name}/a_b.ome.tif exists and is not the pair 'a_b' but 'a b'. Expected a free file name. "
        "Choose another folder or name."
    )
    assert path.read_bytes() == before
    tifffile.imwrite(tmp_path / "raw.ome.tif", np.zeros((4, 4), np.uint8))
    with pytest.raises(UserError, match=r"raw\.ome\.tif exists and is not the pair 'raw'\."):
        write_pair(tmp_path, make(name="raw"))


def test_a_failed_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="is full"):
        write_pair(tmp_path, make())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("dtype", "values", "stored"),
    [
        ("int64", (-5, 70_000), "int32"),
        ("uint64", (0, 2**32 - 1), "uint32"),
        ("int64", (-1, 2**40), "float64"),
        ("uint64", (0, 2**53), "float64"),
    ],
)
def test_wide_integers_are_written_in_a_type_that_holds_them(
    tmp_path: Path, dtype: str, values: tuple[int, int], stored: str
) -> None:
    image = np.full((1, 33, 47), values[0], dtype)
    image[0, 3, 4] = values[1]
    path, _ = write_pair(tmp_path, make(image=image, channel_names=()))
    assert tifffile.imread(path).dtype == stored
    back = read_pair(path).image
    assert back.dtype == dtype
    np.testing.assert_array_equal(back, image)


def test_big_endian_numbers_come_back(tmp_path: Path) -> None:
    image = make("uint16").image
    path, _ = write_pair(tmp_path, make(image=image.astype(">u2")))
    np.testing.assert_array_equal(read_pair(path).image, image)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (np.array([[[0, 2**53 + 1]]], np.int64), "int64 with numbers from 0 to 9007199254740993"),
        (np.array([[[0, 2j]]]), "complex128"),
        (np.array([[[0, 2]]], np.longdouble), str(np.dtype(np.longdouble))),
    ],
)
def test_what_ome_tiff_cannot_hold(tmp_path: Path, image: np.ndarray, found: str) -> None:
    if image.dtype == np.float64:
        pytest.skip("this computer has no longer float")
    with pytest.raises(UserError) as caught:
        write_pair(tmp_path, make(image=image, labels=np.ones((1, 2), np.int32), name="x"))
    assert str(caught.value) == (
        f"The image of 'x' is {found}. Expected a type of OME-TIFF: float32, float64, int8, int16, int32, uint8, "
        "uint16, uint32. Convert the image first."
    )


def test_only_own_pairs_are_pairs(tmp_path: Path) -> None:
    for name in ("a.ome.tif", "a_labels.ome.tif"):
        tifffile.imwrite(tmp_path / name, np.zeros((4, 4), np.uint8))
    with pytest.raises(UserError) as caught:
        read_pair(tmp_path / "a.ome.tif")
    assert str(caught.value) == (
        f"{tmp_path.name}/a.ome.tif was not written by napari-organoid-synth. Expected a pair with its OME "
        "annotations. Add image and mask as a pair ('organoid-synth pair', in napari: Pairs)."
    )
    path, labels_path = write_pair(tmp_path, make(name="b"))
    labels_path.unlink()
    with pytest.raises(UserError, match=r"There is no file .*b_labels\.ome\.tif"):
        read_pair(path)


def test_entities_in_xml_are_refused() -> None:
    text = '<!DOCTYPE x [<!ENTITY a "b">]><OME>&a;</OME>'
    with pytest.raises(UserError, match="declares a document type"):
        ome_xml.parse(text)
    with pytest.raises(UserError, match="is damaged"):
        ome_xml.parse("<OME>")


def test_reading_needs_no_ome_types(tmp_path: Path) -> None:
    path, _ = write_pair(tmp_path, make())
    code = (
        "import sys; from napari_organoid_synth.core.pairs import ome_tiff;"
        "heavy = {'tifffile', 'ome_types', 'zarr', 'PIL'};"
        "assert not heavy & set(sys.modules); ome_tiff.read_pair(sys.argv[1]);"
        "assert not {'ome_types', 'zarr', 'torch', 'skimage'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(path)], check=True)


def test_read_image_of_a_pair_tells_size_and_names(tmp_path: Path) -> None:
    pair = make()
    path, labels_path = write_pair(tmp_path, pair)
    image, info = read_image(path)
    np.testing.assert_array_equal(image, pair.image)
    assert (info.pixel_size, info.channel_names, info.n_pages) == (pair.pixel_size, pair.channel_names, 1)
    np.testing.assert_array_equal(ome_tiff.read_labels(labels_path), pair.labels)


def test_a_record_of_the_version_before_is_read(tmp_path: Path) -> None:
    record = {
        "name": "old", "mask_kind": "instances", "class_names": ["cell"], "image_class": None, "channel_names": [],
        "dtype": "uint8", "source": {"kind": "synthetic", "files": [], "provenance": {"seed": 3}}, "software": "0.1.0",
    }  # fmt: skip
    read = PairRecord.parse(record)
    assert (read.format, read.is_synthetic, read.source) == (1, True, Source("synthetic", (), {"seed": 3}))
    assert PairRecord.parse(read.as_json() | {"of a later version": 1}) == read
    path, _ = write_pair(tmp_path, make())
    assert read_source(path) == make().source
    tifffile.imwrite(tmp_path / "other.ome.tif", np.zeros((4, 5), np.uint8))
    assert read_source(tmp_path / "other.ome.tif") == Source()
