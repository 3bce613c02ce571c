"""Files: images and masks of any origin are read, pairs are written as OME-TIFF and read back."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import regular_file, write_bytes
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.core.pairs.reading import ome_xml
from napari_organoid_synth.core.pairs.reading.readers import Reader, damaged, open_reader, short
from napari_organoid_synth.core.pairs.record import PairRecord
from napari_organoid_synth.core.project import file_stem
from napari_organoid_synth.core.quantities import pixels

IMAGE_ENDING, LABELS_ENDING = ".ome.tif", "_labels.ome.tif"
MAP_ENDINGS = {"probability": "_probability.ome.tif", "flow": "_flow.ome.tif"}  # files of a segmenter beside labels
MAX_LABEL = np.iinfo(np.int32).max
_OME_TYPES = {"float32": "float", "float64": "double"} | {
    name: name for name in ("int8", "int16", "int32", "uint8", "uint16", "uint32")
}
_STORED_AS = {"float16": ("float32",), "bool": ("uint8",)} | dict.fromkeys(
    ("int64", "uint64"), ("int32", "uint32", "float64")
)  # OME has no word for these


@dataclass(frozen=True)
class ImageInfo:
    """Metadata of one plane of a file.

    Parameters
    ----------
    path : Path
    page : int, optional
        Number of the plane; None for the only one.
    shape : (C, Y, X)
        As stored; a constant alpha channel counts until `read_image` drops it.
    dtype : numpy.dtype
    pixel_size : (float, float), optional
        Height and width of a pixel in µm.
    channel_names : tuple of str
        One per channel, or empty.
    n_pages : int
        Planes in the file.
    remarks : tuple of str
        What a person should know of the file, in words.
    """

    path: Path
    page: int | None
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] = ()
    n_pages: int = 1
    remarks: tuple[str, ...] = ()


@contextmanager
def _opened(path: Path, page: int | None) -> Iterator[tuple[Reader, ImageInfo]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # libraries warn of odd metadata; what matters is raised or in the remarks
        reader = open_reader(path)
        with closing(reader):
            yield reader, _info(reader, path, page)


def _info(reader: Reader, path: Path, page: int | None) -> ImageInfo:
    try:
        if page is not None and not 0 <= page < reader.n_pages:
            raise UserError(
                f"{short(path)} has no slice {page}.", f"Expected 0 to {reader.n_pages - 1}.", "Choose another slice."
            )
        shape, dtype, record = reader.describe(page or 0)
        return ImageInfo(
            path, page, shape, dtype, record.pixel_size, record.channel_names, reader.n_pages, record.remarks
        )
    except UserError:
        raise
    except Exception as error:  # damaged files raise any error of the libraries
        damaged(path, reader.kind, error)


def read_info(path: Path | str, page: int | None = None) -> ImageInfo:
    """Read size, dtype, pixel size and number of planes of an image file, without its pixels.

    Raises
    ------
    UserError
        If the file is missing, empty, damaged or of an unknown format.
    """
    with _opened(Path(path), page) as (_, info):
        return info


def read_image(path: Path | str, page: int | None = None) -> tuple[NDArray[Any], ImageInfo]:
    """Read one plane of an image file.

    Parameters
    ----------
    path : Path
        TIFF, OME-TIFF, PNG, JPEG, BMP, OME-Zarr, CZI, ND2 or LIF.
    page : int, optional
        Plane of a stack; may be left out when there is one.

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
                "Choose a slice; if the slices are channels, save them as channels.",
            )
        try:
            image = reader.read(page or 0, palette)
        except UserError:
            raise
        except Exception as error:  # damaged files raise any error of the libraries
            damaged(path, reader.kind, error)
        if image.dtype == bool:
            image = image.astype(np.uint8)
    names = info.channel_names
    if names[-1:] == ("alpha",) and (image[-1] == image[-1].flat[0]).all():
        image, names = image[:-1], names[:-1] if len(names) > 2 else ()
    return image, replace(
        info, shape=(image.shape[0], image.shape[1], image.shape[2]), dtype=image.dtype, channel_names=names
    )


def read_labels(path: Path | str, page: int | None = None) -> NDArray[np.int32]:
    """Read a mask or label image, numbers as stored.

    Whole numbers stored as float, RGB with three equal channels and any integer type are accepted.

    Parameters
    ----------
    path : Path
        TIFF, OME-TIFF, PNG, BMP or OME-Zarr.
    page : int, optional
        Plane of a stack; may be left out if there is only one.

    Returns
    -------
    labels : NDArray (Y, X) int32, 0 is background

    Raises
    ------
    UserError
        If the file cannot be read or its values are not labels.
    """
    path = Path(path)
    values, info = _read(path, page, palette=True)
    where = short(path) + ("" if page is None else f", slice {page}")
    if len(values) > 1:
        differing = int((values != values[:1]).any(axis=0).sum())
        if differing:
            kind = "RGB" if info.channel_names[:3] == RGB else f"an image of {len(values)} channels"
            raise UserError(
                f"The mask {where} is {kind}, {pixels(values.shape[1:])}; its channels differ in {differing} px.",
                "Expected one channel in which 0 is background and every object or class has its own number.",
                "Save the label numbers instead of their colours.",
            )
    return as_labels(values[0], where)


def as_labels(values: NDArray[Any], where: str) -> NDArray[np.int32]:
    """Convert numbers to int32 labels.

    Raises
    ------
    UserError
        If they are not whole, negative or too large; ``where`` names them in the message.
    """
    if values.dtype == bool:
        return values.astype(np.int32)
    if values.dtype.kind == "f":
        if not np.isfinite(values).all():
            raise UserError(
                f"The mask {where} is {values.dtype} and has {int((~np.isfinite(values)).sum()):,} px without a value.",
                "Expected whole numbers, 0 for background.",
                "Save it as an integer label image.",
            )
        fractions = values[values != np.round(values)]
        if fractions.size:
            raise UserError(
                f"The mask {where} is {values.dtype} with fractions such as {fractions[0]:.4g} in {fractions.size} px.",
                "Expected whole numbers, 0 for background.",
                "If these are probabilities, threshold them, then save an integer label image.",
            )
        exact = 2 ** (np.finfo(values.dtype).nmant + 1)
        if values.size and values.max() > exact:
            raise UserError(
                f"The mask {where} is {values.dtype} with numbers up to {values.max():.0f}; above {exact:,} this type "
                "leaves out every other number, so that neighbours may have merged.",
                "Expected an integer label image.",
                "Save the labels as uint16 or int32.",
            )
    elif values.dtype.kind not in "iu":
        raise UserError(f"The mask {where} is {values.dtype}.", "Expected whole numbers, 0 for background.")
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    if low < 0 or high > MAX_LABEL:
        raise UserError(
            f"The mask {where} ({values.dtype}) contains the label {low if low < 0 else high}.",
            f"Expected labels from 0 to {MAX_LABEL:,}.",
            "Number the objects again from 1.",
        )
    return values.astype(np.int32)


def pair_paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Return the files of image and labels that `write_pair` writes for that name."""
    stem = file_stem(name)
    return folder / f"{stem}{IMAGE_ENDING}", folder / f"{stem}{LABELS_ENDING}"


def write_pair(folder: Path, pair: SamplePair) -> tuple[Path, Path]:
    """Write ``NAME.ome.tif`` and ``NAME_labels.ome.tif``, each atomically; `read_pair` is the inverse.

    The image keeps its dtype, RGB stays RGB, labels are uint16 (int32 above 65 535). Name, kind of mask, class names,
    image class, source and provenance go into the OME annotations. Equal pairs give equal bytes.

    Parameters
    ----------
    folder : Path
        Is made if it is missing.
    pair : SamplePair
        Its name becomes the file name.

    Returns
    -------
    (Path, Path)
        Files of image and labels.

    Raises
    ------
    UserError
        If OME-TIFF cannot store the dtype, or another image has that file name.
    """
    image_path, labels_path = pair_paths(Path(folder), pair.name)
    stored = stored_dtype(pair.image, f"of '{pair.name}'")
    _refuse_other_file(image_path, pair.name)
    write_labels(labels_path, pair)
    # The image comes last: where it is, the pair is complete.
    image = pair.image.astype(stored, copy=False)
    write_bytes(image_path, _encode(image, pair, _facts(pair, labels_path, "image"), pair.channel_names))
    return image_path, labels_path


def stored_dtype(image: NDArray[Any], where: str) -> np.dtype[Any]:
    """Return the pixel type as which an image is written: its own, or one of OME-TIFF that holds the same numbers.

    Raises
    ------
    UserError
        If there is none; ``where`` names the image in the message.
    """
    for name in _STORED_AS.get(image.dtype.name, (image.dtype.name,)):
        if name in _OME_TYPES and _holds(np.dtype(name), image):
            return np.dtype(name)
    is_wide = image.dtype.kind in "iu" and image.size
    span = f" with numbers from {image.min()} to {image.max()}" if is_wide else ""
    raise UserError(
        f"The image {where} is {image.dtype}{span}.",
        f"Expected a type of OME-TIFF: {', '.join(_OME_TYPES)}.",
        "Convert the image first.",
    )


def _holds(dtype: np.dtype[Any], image: NDArray[Any]) -> bool:
    """Return whether a type holds the numbers of an image of 64-bit integers exactly; others are known to fit."""
    if image.dtype.name not in ("int64", "uint64") or not image.size:
        return True
    low, high = int(image.min()), int(image.max())
    if dtype.kind == "f":
        return bool(max(-low, high) <= 2 ** (np.finfo(dtype).nmant + 1))
    limits = np.iinfo(dtype)
    return bool(limits.min <= low and high <= limits.max)


def write_labels(path: Path, pair: SamplePair) -> None:
    """Write the labels of a pair alone, as `write_pair` does."""
    labels = pair.labels.astype(np.uint16 if pair.labels.max(initial=0) <= 65535 else np.int32)
    write_bytes(path, _encode(labels[None], pair, _facts(pair, path, "labels"), ("labels",)))


def write_maps(path: Path, pair: SamplePair, maps: NDArray[np.float32], names: tuple[str, ...]) -> None:
    """Write maps (K, Y, X) that belong to the labels of a pair, such as probabilities; one name per map."""
    write_bytes(path, _encode(maps.astype(np.float32), pair, _facts(pair, path, "maps"), names))


def _facts(pair: SamplePair, labels_path: Path, role: str) -> dict[str, str]:
    """Describe a pair for people and other programs, as keys and values."""
    record = PairRecord.of(pair)
    return {
        "synthetic": "true" if record.is_synthetic else "false",
        "source": pair.source.kind,
        "mask kind": pair.mask_kind,
        "class names": ", ".join(pair.class_names),
        "image class": pair.image_class or "",
        "labels": labels_path.name,
        "software": record.software,
        "role": role,
    }


def _refuse_other_file(path: Path, name: str) -> None:
    """Refuse to overwrite a file unless it is an earlier version of the same pair."""
    if not path.exists():
        return
    try:
        record = read_record(path)
    except UserError:
        record = None
    if record is None or record.name != name:
        raise UserError(
            f"{short(path)} exists and is not the pair '{name}'" + (f" but '{record.name}'." if record else "."),
            "Expected a free file name.",
            "Choose another folder or name.",
        )


def _encode(image: NDArray[Any], pair: SamplePair, facts: dict[str, str], names: tuple[str, ...]) -> bytes:
    """Return the bytes of an OME-TIFF of the image (C, Y, X) with the record of the pair."""
    import tifffile

    rgb, is_labels = names == RGB, facts["role"] == "labels"
    image = image.astype(image.dtype.newbyteorder("<"), copy=False)
    description = ome_xml.ImageDescription(
        name=pair.name + (" labels" if is_labels else ""),
        shape=(image.shape[0], image.shape[1], image.shape[2]),
        pixel_type=_OME_TYPES[image.dtype.name],
        is_rgb=rgb,
        pixel_size=pair.pixel_size,
        channel_names=names,
        creator=facts["software"],
    )
    xml = ome_xml.build(description, PairRecord.of(pair).as_json(), facts)
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


def read_record(path: Path) -> PairRecord | None:
    """Read the record that `write_pair` put into a file, or None for any other file.

    Raises
    ------
    UserError
        If the file is damaged.
    """
    if not path.name.endswith(IMAGE_ENDING):
        return None
    import tifffile

    try:
        with tifffile.TiffFile(regular_file(path)) as file:
            text = file.ome_metadata
    except UserError:
        raise
    except Exception as error:  # damaged files raise any error of the library
        damaged(path, "TIFF", error)
    try:
        values = ome_xml.parse_record(text) if text else None
        return None if values is None else PairRecord.parse(values)
    except UserError as error:
        damaged(path, "OME-TIFF", f"its record cannot be read ({error.found})")


def read_source(path: Path) -> Source:
    """Read where an image or mask comes from; a file of another program counts as real, without provenance."""
    record = read_record(path)
    return Source() if record is None else record.source


def read_pair(image_path: Path | str, labels_path: Path | None = None) -> SamplePair:
    """Read a pair that `write_pair` wrote; all fields and pixels are the same.

    Parameters
    ----------
    image_path : Path
        ``NAME.ome.tif``.
    labels_path : Path, optional
        Default: ``NAME_labels.ome.tif`` beside it.

    Returns
    -------
    SamplePair

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
            "Expected a pair with its OME annotations.",
            "Add image and mask as a pair ('organoid-synth pair', in napari: Pairs).",
        )
    return SamplePair(
        name=record.name,
        image=np.asarray(image).astype(record.dtype or image.dtype, copy=False),
        labels=labels,
        mask_kind=record.mask_kind,
        class_names=record.class_names,
        pixel_size=info.pixel_size,
        channel_names=record.channel_names,
        image_class=record.image_class,
        source=record.source,
    )
