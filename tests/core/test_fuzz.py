"""Files by other hands, torn, cut and rewritten at random: a sentence or a right result, never anything else.

``ORGANOID_SYNTH_FUZZ=100 pytest tests/core/test_fuzz.py`` tries a hundred times as many.
"""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sqlite3
import tempfile
import time
import tracemalloc
import warnings
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.manifest import Manifest
from napari_organoid_synth.core.job import JobFolder, Progress, Started, to_line
from napari_organoid_synth.core.pairs.annotations.reading import read_annotation
from napari_organoid_synth.core.pairs.checking import check_entry
from napari_organoid_synth.core.pairs.ome_tiff import read_image, read_info, read_labels, read_record, write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.card import Card
from napari_organoid_synth.core.runs.metadata import RunMetadata
from napari_organoid_synth.core.runs.model_file import MEMBERS, read_model_file
from napari_organoid_synth.core.samples.query import parse
from pair_files import disc, picture

TIMES = float(os.environ.get("ORGANOID_SYNTH_FUZZ", "1"))
MAX_SECONDS, MAX_BYTES = 10.0, 300 << 20
pytestmark = pytest.mark.timeout(int(300 * max(1, TIMES)))
EDGES = [0, 1, -1, 2, 255, 256, 65_535, 65_536, 2**31 - 1, 2**31, 2**32 - 1, 8, 10**6]


def tries(number: int) -> Callable[[Any], Any]:
    """Return the settings of a test with so many tries."""
    return settings(
        max_examples=max(1, round(number * TIMES)),
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp())
    yield path
    shutil.rmtree(path)


def survives(call: Callable[[], Any]) -> Any:
    """Return the result of a call, None if it ended with a sentence; within bounds of time and memory."""
    tracemalloc.start(1)
    began = time.monotonic()
    try:
        return call()
    except UserError as error:
        text = str(error)
        assert 10 < len(text) < 4_000
        text.encode("utf-8")
        return None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert time.monotonic() - began < MAX_SECONDS
        assert peak < MAX_BYTES


@st.composite
def torn(draw: st.DrawFn, data: bytes) -> bytes:
    """Cut, overwrite, insert and move bytes; the first hundreds, where headers are, more often."""
    out = bytearray(data)
    for _ in range(draw(st.integers(1, 6))):
        top = len(out) if draw(st.booleans()) else min(len(out), 400)
        place = draw(st.integers(0, max(0, top - 1)))
        match draw(st.sampled_from(["byte", "bit", "number", "number", "cut", "drop", "insert", "copy"])):
            case "byte":
                out[place : place + 1] = bytes([draw(st.integers(0, 255))])
            case "bit" if out:
                out[place] ^= 1 << draw(st.integers(0, 7))
            case "number":
                width = draw(st.sampled_from([2, 4, 8]))
                value = draw(st.sampled_from(EDGES)) % 256**width
                out[place : place + width] = value.to_bytes(width, draw(st.sampled_from(["little", "big"])))
            case "cut":
                del out[place:]
            case "drop":
                del out[place : place + draw(st.integers(1, 64))]
            case "insert":
                out[place:place] = draw(st.binary(min_size=1, max_size=32))
            case "copy":
                other = draw(st.integers(0, max(0, len(out) - 1)))
                length = draw(st.integers(1, 64))
                out[place : place + length] = out[other : other + length]
    return bytes(out)


NASTY = [
    "-1", "0", "1e400", "NaN", "-Infinity", "1" + 500 * "0", "null", "true", '""', "[]", "{}", '"\\ud800"', 200 * "[",
    '{"a": {"a": [1]}}', '"../../x"', "1000000000", "0.5", '"' + 3000 * "x" + '"', "9999999999999999999999",
    '"\\u0000"',
]  # fmt: skip


@st.composite
def rewritten(draw: st.DrawFn, text: str) -> str:
    """Replace values and words of a text by others, and cut it."""
    for _ in range(draw(st.integers(1, 5))):
        parts = [match.span() for match in re.finditer(r'"[^"]*"|[-+.\w]+|[\[\]{}<>:,]', text)]
        if not parts:
            break
        start, end = parts[draw(st.integers(0, len(parts) - 1))]
        match draw(st.sampled_from(["value", "value", "value", "drop", "cut", "other", "text"])):
            case "value":
                text = text[:start] + draw(st.sampled_from(NASTY)) + text[end:]
            case "drop":
                text = text[:start] + text[end:]
            case "cut":
                text = text[:start]
            case "other":
                other = parts[draw(st.integers(0, len(parts) - 1))]
                text = text[:start] + text[other[0] : other[1]] + text[end:]
            case "text":
                text = text[:start] + draw(st.text(max_size=8)) + text[end:]
    return text


def tiff(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


def pillow(array: np.ndarray, kind: str, mode: str = "") -> bytes:
    stream, image = io.BytesIO(), Image.fromarray(array)
    (image.convert(mode) if mode else image).save(stream, format=kind)
    return stream.getvalue()


@cache
def own_pair() -> tuple[bytes, bytes, str]:
    """Return the files of a pair of ours, and its OME-XML."""
    with tempfile.TemporaryDirectory() as place:
        paths = write_pair(Path(place), SamplePair("a", picture(0)[None], disc(1).astype(np.int32), pixel_size=(1, 1)))
        with tifffile.TiffFile(paths[0]) as file:
            return paths[0].read_bytes(), paths[1].read_bytes(), str(file.ome_metadata)


@cache
def images() -> list[bytes]:
    colours, stack = np.stack([picture(k) for k in range(3)], -1), np.stack([picture(k) for k in range(4)])
    palette = np.random.default_rng(0).integers(0, 65_535, (3, 256)).astype(np.uint16)
    return [
        tiff(picture(0)),
        tiff(picture(0).astype(np.uint16), tile=(16, 16), compression="zlib"),
        tiff(stack, metadata={"axes": "ZYX"}, ome=True),
        tiff(stack.reshape(2, 2, 24, 32), imagej=True, metadata={"axes": "ZCYX", "unit": "um"}),
        tiff(colours, photometric="rgb", compression="jpeg", tile=(16, 16)),
        tiff(picture(1), photometric="palette", colormap=palette),
        tiff(stack, bigtiff=True, compression="lzw", metadata=None, photometric="minisblack"),
        tiff(picture(2).astype(np.float32), byteorder=">", predictor=True, compression="deflate"),
        tiff(disc() > 0, compression="packbits"),
        pillow(picture(0).astype(np.uint16), "PNG"),
        pillow(colours, "PNG", "P"),
        pillow(colours, "BMP"),
        pillow(colours, "JPEG"),
        *own_pair()[:2],
    ]


def read_all(path: Path) -> None:
    """Read a file in every way; what is said before must be what comes."""
    info = read_info(path)
    image, told = read_image(path, 0)
    assert image.ndim == 3
    assert image.shape == told.shape
    assert image.dtype.isnative
    assert image.shape[1:] == info.shape[1:]
    assert image.shape[0] <= info.shape[0]
    np.asarray(image).max()
    read_record(path)
    labels = read_labels(path, 0)
    assert labels.ndim == 2
    assert labels.dtype == np.int32


@given(st.data())
@tries(600)
def test_images(folder: Path, data: st.DataObject) -> None:
    path = folder / f"a{data.draw(st.sampled_from(['.ome.tif', '.png', '']))}"
    path.write_bytes(data.draw(torn(data.draw(st.sampled_from(images())))))
    survives(lambda: read_all(path))


@given(st.data())
@tries(200)
def test_ome_xml_and_our_annotation(folder: Path, data: st.DataObject) -> None:
    text, path = data.draw(rewritten(own_pair()[2])), folder / "x.ome.tif"
    with tifffile.TiffWriter(path, ome=False) as writer:
        writer.write(picture(0), metadata=None, description=text.encode("utf-8", "replace"))
    survives(lambda: read_all(path))
    entry = check_entry(PairEntry(name="x", image=str(path), masks={"object": str(path)})).entry
    assert entry.status in ("matched", "broken")


@cache
def whole_zarr(folder: Path, version: int) -> Path:
    zarr = pytest.importorskip("zarr")
    path = folder / f"whole{version}.zarr"
    with warnings.catch_warnings(action="ignore"):
        group = zarr.open_group(str(path), mode="w", zarr_format=version)
        group.create_array("0", shape=(2, 24, 32), chunks=(1, 16, 16), dtype="uint16")[:] = np.stack(
            [picture(0), picture(1)]
        )
    scale = [{"type": "scale", "scale": [1, 0.5, 0.5]}]
    axes = [{"name": name, "type": "space", "unit": "micrometer"} for name in "zyx"]
    scales = [{"axes": axes, "datasets": [{"path": "0", "coordinateTransformations": scale}]}]
    told = {"multiscales": scales, "omero": {"channels": [{"label": "a"}]}}
    group.attrs.update({"ome": {"version": "0.5", **told}} if version == 3 else told)
    return path


@given(st.data(), st.sampled_from([2, 3]))
@tries(150)
def test_metadata_of_zarr(folder: Path, data: st.DataObject, version: int) -> None:
    whole = whole_zarr(folder, version)
    copy = folder / "copy.zarr"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(whole, copy)
    files = sorted(path for path in copy.rglob("*") if path.name.startswith(".z") or path.name == "zarr.json")
    file = data.draw(st.sampled_from(files))
    file.write_text(data.draw(rewritten(file.read_text())), encoding="utf-8", errors="replace")
    survives(lambda: read_all(copy))


def in_file(path: Path, text: str | bytes, read: Callable[[Path], Any]) -> Any:
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return survives(lambda: read(path))


@given(st.data())
@tries(200)
def test_tables_of_pairs(folder: Path, data: st.DataObject) -> None:
    entry = PairEntry(name="a", image="a.tif", masks={"object": "b.tif"}, shape=(1, 24, 32), pixel_size=(1, 1))
    table = PairTable(entries=(entry, entry.replace(name="b", page=3)), mask_kind="instances")
    text = data.draw(rewritten(table.model_dump_json()))
    read = in_file(folder / "pairs.json", text, PairTable.from_file)
    if read is not None:
        read.summary()
        read.to_file(folder / "again.json")


def members() -> dict[str, bytes]:
    tensors = json.dumps({"network/a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    recipe = Recipe()
    return {
        "recipe.yaml": recipe.to_yaml().encode(),
        "codec.json": Codec(low=(0.0,), high=(255.0,), dtype="uint8").model_dump_json().encode(),
        "model.safetensors": len(tensors).to_bytes(8, "little") + tensors + bytes(4),
        "preview.png": pillow(picture(0), "PNG"),
    }


@given(st.data())
@tries(150)
def test_model_files(folder: Path, data: st.DataObject) -> None:
    import hashlib

    parts = members()
    if data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(parts)))
        is_text = name.endswith((".yaml", ".json"))
        parts[name] = (
            data.draw(rewritten(parts[name].decode())).encode("utf-8", "replace")
            if is_text
            else data.draw(torn(parts[name]))
        )
    hashes = {name: hashlib.sha256(part).hexdigest() for name, part in parts.items()}
    numbers = {"name": "a", "steps": 1, "images": 1, "pairs": 1, "created": "2026-01-01", "software": "0.1"}
    card = Card(generator="pix2pix", licence="MIT", sha256=hashes, **numbers).model_dump_json()
    parts["card.json"] = (data.draw(rewritten(card)) if data.draw(st.booleans()) else card).encode("utf-8", "replace")
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in MEMBERS:
            archive.writestr(name, parts[name])
    whole = stream.getvalue()
    torn_apart = data.draw(torn(whole)) if data.draw(st.booleans()) else whole
    in_file(folder / "a.synth", torn_apart, read_model_file)


@given(st.data())
@tries(150)
def test_recipes(folder: Path, data: st.DataObject) -> None:
    text = Recipe().to_yaml()
    changed = data.draw(st.one_of(rewritten(text), torn(text.encode()), st.text(max_size=60)))
    read = in_file(folder / "recipe.yaml", changed, Recipe.from_file)
    if read is not None:
        assert Recipe.parse(read.model_dump()) == read


@given(st.data())
@tries(150)
def test_manifests_and_facts_of_runs(folder: Path, data: st.DataObject) -> None:
    sample = {"name": "a", "split": "train", "files": [{"layout": "ome-tiff", "role": "image", "path": "a.tif"}]}
    manifest = json.dumps({**json.loads(Manifest(samples=()).to_json()), "samples": [sample]})
    in_file(folder / "manifest.json", data.draw(rewritten(manifest)), Manifest.from_file)
    facts = RunMetadata(data={"a": "b"}).model_dump_json()
    for read in (RunMetadata.read, RunMetadata.read_whole):
        in_file(folder / "run.json", data.draw(rewritten(facts)), read)


@given(st.data())
@tries(100)
def test_jobs(folder: Path, data: st.DataObject) -> None:
    job = JobFolder(folder / "train" / "a")
    job.path.mkdir(parents=True, exist_ok=True)
    record = {"verb": "train", "arguments": ["x"], "pid": os.getpid(), "pid_started": 1.5, "started": 2.5, "number": 3}
    changed: str | bytes = data.draw(rewritten(json.dumps(record)))
    in_file(job.path / "job.json", changed, lambda _: (job.alive, job.number, job.info))
    lines = to_line(Started(0, {"total": 3})) + to_line(Progress(1, 3, {"loss": 0.5}))
    lines = re.sub(r'"time": [^,]*', '"time": 1.5', lines)
    changed = data.draw(st.one_of(rewritten(lines), torn(lines.encode())))
    in_file(job.events_path, changed, lambda _: job.read_events())
    in_file(folder / "organoid-synth.json", data.draw(rewritten('{"version": 1}')), lambda path: Project(path.parent))


@given(st.data())
@tries(300)
def test_queries(data: st.DataObject) -> None:
    whole = 'objects > 5 and not (nearest >= 0.9 or tag == "blurred*") verdict != new 1 <= blur < 2 flagged "a b"'
    text = data.draw(st.one_of(rewritten(whole), st.text(max_size=40), st.text("()<>=! \"'ao0.*", max_size=60)))
    condition = survives(lambda: parse(text, ["objects", "nearest", "blur"]))
    if condition is None:
        return
    names = "id", "verdict", "run", "name", "flagged", "tags", "remark", "note"
    with sqlite3.connect(":memory:") as database:
        database.create_function("fold", 1, lambda value: None if value is None else str(value).casefold())
        database.execute(f"CREATE TABLE samples ({', '.join(names)})")
        database.execute("CREATE TABLE scores (id TEXT, metric TEXT, value REAL)")
        found = database.execute(f"SELECT count(*) FROM samples s WHERE {condition.sql}", condition.values)
        assert found.fetchone() == (0,)
    database.close()


SHAPES = {
    "a.json": {
        "images": [{"id": 1, "file_name": "a.tif", "height": 24, "width": 32}],
        "categories": [{"id": 1, "name": "cell"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]},
            {"id": 2, "image_id": 1, "category_id": 1, "segmentation": {"size": [24, 32], "counts": [5, 9, 754]}},
        ],
    },
    "b.json": {
        "shapes": [{"label": "cell", "points": [[1, 1], [9, 1], [9, 9]], "shape_type": "polygon"}],
        "imagePath": "a.tif", "imageHeight": 24, "imageWidth": 32,
    },
    "c.geojson": {
        "type": "FeatureCollection",
        "features": [
            {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [[[1, 1], [9, 1], [9, 9], [1, 1]]]}}
        ],
    },
}  # fmt: skip


@given(st.data())
@tries(150)
def test_outlines(folder: Path, data: st.DataObject) -> None:
    name = data.draw(st.sampled_from([*SHAPES, "d.roi"]))
    if name == "d.roi":
        head = b"Iout\x00\xe4\x07\x00\x00\x01\x00\x01\x00\x09\x00\x09\x00\x04" + bytes(46)
        changed: str | bytes = data.draw(torn(head + bytes([0, 0, 0, 8, 0, 8, 0, 0, 0, 0, 0, 0, 0, 8, 0, 8])))
    else:
        changed = data.draw(rewritten(json.dumps(SHAPES[name])))
    mask = in_file(folder / name, changed, lambda path: read_annotation(path, Path("a.tif"), (24, 32)))
    assert mask is None or (mask.labels.shape == (24, 32) and mask.labels.min() >= 0)
