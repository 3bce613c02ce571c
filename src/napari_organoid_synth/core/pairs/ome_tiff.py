"""The border to files: images and masks of any origin in, pairs as OME-TIFF out and back."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth import __version__
from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs import ome_xml
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.core.pairs.readers import Reader, damaged, open_reader, short
from napari_organoid_synth.core.project import file_stem

IMAGE_ENDING, LABELS_ENDING = ".ome.tif", "_labels.ome.tif"
MAP_ENDINGS = {"probability": "_probability.ome.tif", "flow": "_flow.ome.tif"}  # of what a segmenter says beside labels
MAX_LABEL = np.iinfo(np.int32).max
_OME_TYPES = {"float32": "float", "float64": "double"} | {
    name: name for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32")
}
_STORED_AS = {"float16": "float32", "bool": "uint8"}  # OME has no word for these


@dataclass(frozen=True)
class ImageInfo:
    """What a file says about one of its planes.

    Parameters
    ----------
    path : Path
    page : int, optional
        Which plane; None for the only one.
    shape : (C, Y, X)
        As stored; a constant alpha channel counts until `read_image` drops it.
    dtype : numpy.dtype
    pixel_size : (float, float), optional
        Height and width of a pixel in µm.
    channel_names : tuple of str
        One per channel, or empty.
    n_pages : int
        Planes in the file.
    """

    path: Path
    page: int | None
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] = ()
    n_pages: int = 1


@contextmanager
def _opened(path: Path, page: int | None) -> Iterator[tuple[Reader, ImageInfo]]:
    reader = open_reader(path)
    try:
        if page is not None and not 0 <= page < reader.n_pages:
            raise UserError(
                f"{short(path)} has no slice {page}.", f"Expected 0 to {reader.n_pages - 1}.", "Choose another slice."
            )
        shape, dtype, record = reader.describe(page or 0)
        yield reader, ImageInfo(path, page, shape, dtype, record.pixel_size, record.channel_names, reader.n_pages)
    except (UserError, MemoryError):
        raise
    except Exception as error:  # damaged files raise whatever the libraries stumble over
        damaged(path, reader.kind, error)
    finally:
        reader.close()


def read_info(path: Path | str, page: int | None = None) -> ImageInfo:
    """Size, dtype, pixel size and number of planes of an image file, without its pixels.

    Raises
    ------
    UserError
        If the file is missing, empty, damaged or of an unknown format.
    """
    with _opened(Path(path), page) as (_, info):
        return info


def read_image(path: Path | str, page: int | None = None) -> tuple[NDArray[Any], ImageInfo]:
    """One plane of an image file.

    Parameters
    ----------
    path : Path
        TIFF, OME-TIFF, PNG, JPEG, BMP or OME-Zarr.
    page : int, optional
        Which plane of a stack; may be left out when there is one.

    Returns
    -------
    image : NDArray (C, Y, X), native dtype
        Large uncompressed TIFFs stay on disk as a read-only memory map. A constant alpha channel is dropped.
    info : ImageInfo

    Raises
    ------
    UserError
        If the file cannot be read, or is a stack and ``page`` is missing.
    """
    return _read(Path(path), page, palette=False)


def _read(path: Path, page: int | None, palette: bool) -> tuple[NDArray[Any], ImageInfo]:
    with _opened(path, page) as (reader, info):
        if page is None and reader.n_pages > 1:
            raise UserError(
                f"{short(path)} is a stack of {reader.n_pages} slices.",
                "Expected one image.",
                "Choose a slice, or save the slices as channels if that is what they are.",
            )
        image = reader.read(page or 0, palette)
        if image.dtype == bool:
            image = image.astype(np.uint8)
    names = info.channel_names
    if names[-1:] == ("alpha",) and (image[-1] == image[-1].flat[0]).all():
        image, names = image[:-1], names[:-1] if len(names) > 2 else ()
    return image, replace(
        info, shape=(image.shape[0], image.shape[1], image.shape[2]), dtype=image.dtype, channel_names=names
    )


def read_labels(path: Path | str, page: int | None = None) -> NDArray[np.int32]:
    """A mask or label image, numbers as stored.

    Float with whole numbers, RGB with three equal channels and any integer type are taken when nothing is lost.

    Returns
    -------
    labels : NDArray (Y, X) int32, 0 is background

    Raises
    ------
    UserError
        If the file cannot be read or its values are no labels.
    """
    path = Path(path)
    values, info = _read(path, page, palette=True)
    where = short(path) + ("" if page is None else f", slice {page}")
    if len(values) > 1:
        differing = int((values != values[:1]).any(axis=0).sum())
        if differing:
            kind = "RGB" if info.channel_names[:3] == RGB else f"an image of {len(values)} channels"
            raise UserError(
                f"The mask {where} is {kind}, {values.shape[1]} × {values.shape[2]} px; "
                f"its channels differ in {differing} px.",
                "Expected one channel in which 0 is background and every object or class has its number.",
                "Save the label numbers instead of their colours.",
            )
    return as_labels(values[0], where)


def as_labels(values: NDArray[Any], where: str) -> NDArray[np.int32]:
    """Numbers as int32 labels, or the sentence why they are none; ``where`` names them in it."""
    if values.dtype == bool:
        return values.astype(np.int32)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise UserError(
                f"The mask {where} is {values.dtype} with {int((~np.isfinite(values)).sum())} px that are no number.",
                "Expected whole numbers, 0 for background.",
                "Save it as an integer label image.",
            )
        fractions = values[values != np.round(values)]
        if fractions.size:
            raise UserError(
                f"The mask {where} is {values.dtype} with fractions such as {fractions[0]:.4g} in {fractions.size} px.",
                "Expected whole numbers, 0 for background.",
                "If these are probabilities, threshold them; save it as an integer label image.",
            )
    elif values.dtype.kind not in "iu":
        raise UserError(f"The mask {where} is {values.dtype}.", "Expected whole numbers, 0 for background.")
    if values.size and (values.min() < 0 or values.max() > MAX_LABEL):
        worst = values.min() if values.min() < 0 else values.max()
        raise UserError(
            f"The mask {where} is {values.dtype} and holds the label {int(worst)}.",
            f"Expected labels from 0 to {MAX_LABEL}.",
            "Number the objects again from 1.",
        )
    return values.astype(np.int32)


def pair_paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Where `write_pair` puts image and labels of that name."""
    stem = file_stem(name)
    return folder / f"{stem}{IMAGE_ENDING}", folder / f"{stem}{LABELS_ENDING}"


def write_pair(folder: Path, pair: SamplePair) -> tuple[Path, Path]:
    """Write ``NAME.ome.tif`` and ``NAME_labels.ome.tif``, each beside and renamed; `read_pair` is the inverse.

    The image keeps its dtype, RGB stays RGB, labels are uint16 (int32 above 65 535). Name, kind of mask, class names,
    image class, source and provenance go into the OME annotations. Equal pairs give equal bytes.

    Raises
    ------
    UserError
        If OME-TIFF cannot hold the dtype or another image has that file name.
    """
    image_path, labels_path = pair_paths(Path(folder), pair.name)
    stored = _STORED_AS.get(pair.image.dtype.name, pair.image.dtype.name)
    if stored not in _OME_TYPES:
        raise UserError(
            f"The image of '{pair.name}' is {pair.image.dtype}.",
            f"OME-TIFF holds {', '.join(_OME_TYPES)}.",
            "Convert the image first.",
        )
    _refuse_stranger(image_path, pair.name)
    write_labels(labels_path, pair)
    # The image comes last: where it is, the pair is whole.
    record, facts = _annotations(pair, labels_path)
    image = pair.image.astype(stored, copy=False)
    write_bytes(image_path, _encode(image, pair, record, facts | {"role": "image"}, pair.channel_names))
    return image_path, labels_path


def write_labels(path: Path, pair: SamplePair) -> None:
    """Write the labels of a pair alone, as `write_pair` does."""
    record, facts = _annotations(pair, path)
    labels = pair.labels.astype(np.uint16 if pair.labels.max(initial=0) <= 65535 else np.int32)
    write_bytes(path, _encode(labels[None], pair, record, facts | {"role": "labels"}, ("labels",)))


def write_maps(path: Path, pair: SamplePair, maps: NDArray[np.float32], names: tuple[str, ...]) -> None:
    """Write maps (K, Y, X) that belong to the labels of a pair, such as probabilities; one channel name each."""
    record, facts = _annotations(pair, path)
    write_bytes(path, _encode(maps.astype(np.float32), pair, record, facts | {"role": "maps"}, names))


def _annotations(pair: SamplePair, labels_path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """What goes into the files of a pair beside pixels: for us, and for other readers."""
    record: dict[str, Any] = {
        "name": pair.name,
        "mask_kind": pair.mask_kind,
        "class_names": list(pair.class_names),
        "image_class": pair.image_class,
        "channel_names": list(pair.channel_names),
        "dtype": pair.image.dtype.name,
        "source": {
            "kind": pair.source.kind,
            "files": list(pair.source.files),
            "provenance": pair.source.provenance,
        },
        "software": f"napari-organoid-synth {__version__}",
    }
    facts = {
        "synthetic": "true" if pair.source.kind in ("synthetic", "simulated") else "false",
        "source": pair.source.kind,
        "mask kind": pair.mask_kind,
        "class names": ", ".join(pair.class_names),
        "image class": pair.image_class or "",
        "labels": labels_path.name,
        "software": record["software"],
    }
    return record, facts


def _refuse_stranger(path: Path, name: str) -> None:
    """Never write over a file that is not an earlier version of the same pair."""
    if not path.exists():
        return
    try:
        found = (read_record(path) or {}).get("name")
    except UserError:
        found = None
    if found != name:
        raise UserError(
            f"{short(path)} exists and is not the pair '{name}'" + (f" but '{found}'." if found else "."),
            "Expected a free file name.",
            "Choose another folder or name.",
        )


def _encode(
    image: NDArray[Any], pair: SamplePair, record: dict[str, Any], facts: dict[str, str], names: tuple[str, ...]
) -> bytes:
    import tifffile

    rgb = names == RGB
    is_labels = facts["role"] == "labels"
    image = image.astype(image.dtype.newbyteorder("<"), copy=False)
    xml = ome_xml.build(
        name=pair.name + (" labels" if is_labels else ""),
        shape=(image.shape[0], image.shape[1], image.shape[2]),
        ome_type=_OME_TYPES[image.dtype.name],
        rgb=rgb,
        record=record,
        facts=facts,
        pixel_size=pair.pixel_size,
        channel_names=names,
        creator=record["software"],
    )
    resolution = {}
    if pair.pixel_size is not None:
        height, width = pair.pixel_size
        resolution = {"resolution": (1e4 / width, 1e4 / height), "resolutionunit": "CENTIMETER"}
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, bigtiff=image.nbytes > 3_900_000_000, byteorder="<", ome=False) as writer:
        writer.write(
            np.ascontiguousarray(np.moveaxis(image, 0, -1)) if rgb else np.ascontiguousarray(image),
            photometric="rgb" if rgb else "minisblack",
            planarconfig="contig" if rgb else None,
            description=xml.encode("utf-8"),
            software=False,
            metadata=None,
            compression="zlib" if is_labels else None,
            **resolution,  # type: ignore[arg-type]
        )
    return stream.getvalue()


def read_record(path: Path) -> dict[str, Any] | None:
    """What `write_pair` noted in a file, or None for any other file."""
    if not path.name.endswith(IMAGE_ENDING):
        return None
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            text = file.ome_metadata
    except Exception as error:  # damaged files raise whatever the library stumbles over
        damaged(path, "TIFF", error)
    return ome_xml.parse_record(text) if text else None


def read_pair(image_path: Path | str, labels_path: Path | None = None) -> SamplePair:
    """The pair that `write_pair` wrote, exactly.

    Parameters
    ----------
    image_path : Path
        ``NAME.ome.tif``.
    labels_path : Path, optional
        Default: ``NAME_labels.ome.tif`` beside it.

    Raises
    ------
    UserError
        If a file is missing or damaged, or was not written by `write_pair`.
    """
    path = Path(image_path)
    image, info = read_image(path)
    labels = read_labels(labels_path or path.with_name(path.name.removesuffix(IMAGE_ENDING) + LABELS_ENDING))
    record = read_record(path)
    if record is None:
        raise UserError(
            f"{short(path)} was not written by napari-organoid-synth.",
            "Expected a pair with its annotations.",
            "Load image and mask as a pair in the Pairs dock.",
        )
    source = record["source"]
    return SamplePair(
        name=record["name"],
        image=np.asarray(image).astype(record["dtype"], copy=False),
        labels=labels,
        mask_kind=record["mask_kind"],
        class_names=tuple(record["class_names"]),
        pixel_size=info.pixel_size,
        channel_names=tuple(record["channel_names"]),
        image_class=record["image_class"],
        source=Source(source["kind"], tuple(source["files"]), source["provenance"]),
    )
