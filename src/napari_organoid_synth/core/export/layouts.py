"""All layouts: the arrays and file names that other programs expect of a training set.

A layout defines the files of one pair; `SetWriter` writes, reads back and compares them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.coco import Coco
from napari_organoid_synth.core.export.layout import (
    Layout,
    LayoutFile,
    SetDescription,
    as_classes,
    as_image,
    as_instances,
    with_channels_last,
)
from napari_organoid_synth.core.export.nnunet import NnUNet
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.quantities import plural

MIN_TRAIN_MASKS = 5
"""Cellpose leaves out training images with fewer objects, unless it is told otherwise."""


class Cellpose(Layout):
    """``NAME_img.tif`` and ``NAME_masks.tif`` in ``train`` and ``test``."""

    name = "cellpose"
    labels_note = (
        "One number per object; connected pieces of a binary or class mask become objects, but not of the classes "
        "background and ignore."
    )
    folders = ("train", "test")

    def files(self, pair: SamplePair, split: str) -> list[LayoutFile]:
        """Return image as planes (C, Y, X), RGB as (Y, X, 3), and labels."""
        return [
            LayoutFile(f"{split}/{pair.name}_img.tif", as_image(pair), channels_last=pair.is_rgb),
            LayoutFile(f"{split}/{pair.name}_masks.tif", as_instances(pair), role="labels"),
        ]

    def entry(self, pair: SamplePair, split: str) -> int:
        """Return the number of objects."""
        return int(np.count_nonzero(np.unique(as_instances(pair))))

    def documents(self, description: SetDescription) -> dict[str, str]:
        """Return the command that trains on the files."""
        command = "cellpose --train --dir train --test_dir test --img_filter _img --mask_filter _masks"
        lines = ["Train in this folder:", "", f"    {command} --min_train_masks {_min_masks(description)}", ""]
        return {"README.txt": "\n".join([*lines, *self.remarks(description)]).rstrip() + "\n"}

    def remarks(self, description: SetDescription) -> tuple[str, ...]:
        """Say how many training images Cellpose would leave out."""
        few = _n_few(description)
        if not few:
            return ()
        return (
            f"{plural(few, 'training image')} of {description.n_train:,} have fewer than {MIN_TRAIN_MASKS} objects: "
            "Cellpose leaves them out unless it is given --min_train_masks 0.",
        )


def _n_few(description: SetDescription) -> int:
    return sum(split == "train" and n_objects < MIN_TRAIN_MASKS for split, n_objects in description.entries)


def _min_masks(description: SetDescription) -> int:
    return 0 if _n_few(description) else MIN_TRAIN_MASKS


class StarDist(Layout):
    """``train/images``, ``train/masks`` and the same under ``test``; image and mask share their name."""

    name = "stardist"
    labels_note = Cellpose.labels_note
    folders = ("train/images", "train/masks", "test/images", "test/masks")

    def files(self, pair: SamplePair, split: str) -> list[LayoutFile]:
        """Return image as (Y, X) or (Y, X, C), and labels."""
        return [
            LayoutFile(f"{split}/images/{pair.name}.tif", with_channels_last(pair), channels_last=True),
            LayoutFile(f"{split}/masks/{pair.name}.tif", as_instances(pair), role="labels"),
        ]


class BiaPy(Layout):
    """``train/x``, ``train/y`` and the same under ``test``; equal names, so that both sort alike."""

    name = "biapy"
    labels_note = (
        "One number per object for instance masks (instance workflow); class numbers for others (semantic), where a "
        "class named background is 0 and one named ignore the last."
    )
    folders = ("train/x", "train/y", "test/x", "test/y")

    def files(self, pair: SamplePair, split: str) -> list[LayoutFile]:
        """Return image as (Y, X) or (Y, X, C), and labels."""
        labels = as_instances(pair) if pair.mask_kind == "instances" else as_classes(pair)
        return [
            LayoutFile(f"{split}/x/{pair.name}.tif", with_channels_last(pair), channels_last=True),
            LayoutFile(f"{split}/y/{pair.name}.tif", labels, role="labels"),
        ]


LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (Cellpose(), StarDist(), NnUNet(), BiaPy(), Coco())}


def write_file(folder: Path, file: LayoutFile, pair: SamplePair) -> Path:
    """Write one TIFF or PNG below a folder; labels are compressed without loss.

    A TIFF also holds the pixel size, its axes and, for an image, the names of its channels.
    """
    path = folder / file.path
    write_bytes(path, _png(file) if path.suffix == ".png" else _tiff(file, pair))
    return path


def _png(file: LayoutFile) -> bytes:
    from io import BytesIO

    from PIL import Image

    stream = BytesIO()
    Image.fromarray(np.ascontiguousarray(file.array)).save(stream, "PNG")
    return stream.getvalue()


def _tiff(file: LayoutFile, pair: SamplePair) -> bytes:
    from io import BytesIO

    import tifffile

    metadata: dict[str, Any] = {"axes": file.axes}
    if (
        file.role == "image"
        and pair.channel_names
        and len(pair.channel_names) == len(pair.image) > 1
        and "C" in file.axes
    ):
        metadata["channel_names"] = list(pair.channel_names)
    options: dict[str, Any] = {"photometric": "minisblack", "metadata": metadata}
    if file.array.ndim == 3 and file.channels_last:
        options |= {"photometric": "rgb" if pair.is_rgb else "minisblack", "planarconfig": "contig"}
    if pair.pixel_size is not None:
        options |= {"resolution": (1e4 / pair.pixel_size[1], 1e4 / pair.pixel_size[0]), "resolutionunit": "CENTIMETER"}
    if file.role == "labels":
        options["compression"] = "zlib"
    stream = BytesIO()
    tifffile.imwrite(stream, np.ascontiguousarray(file.array), **options)
    return stream.getvalue()


def reads_back(folder: Path, file: LayoutFile) -> bool:
    """Return whether a written file contains the same numbers of the same type."""
    array = _read(folder / file.path)
    return bool(
        array.dtype == file.array.dtype and np.array_equal(array, file.array, equal_nan=array.dtype.kind == "f")
    )


def _read(path: Path) -> NDArray[Any]:
    import tifffile

    if path.suffix != ".png":
        return tifffile.imread(path)
    from PIL import Image

    with Image.open(path) as picture:
        array = np.asarray(picture)
    return array.astype(np.uint16) if array.dtype == np.int32 else array  # Pillow gives 16 bits as 32


def check_uniform(layout: Layout, pairs: Sequence[tuple[str, Any]]) -> None:
    """Refuse pairs that a layout cannot contain together.

    Parameters
    ----------
    layout : Layout
        The layout.
    pairs : sequence of (name, traits)
        Channels and classes of every pair.

    Raises
    ------
    UserError
        If traits differ and the layout needs them equal.
    """
    if not layout.uniform or not pairs:
        return
    first_name, first = pairs[0]
    for name, traits in pairs[1:]:
        if traits != first:
            raise UserError(
                f"'{name}' has {traits}, '{first_name}' has {first}.",
                f"The layout {layout.name} needs the same channels and classes in all images.",
                f"Leave out the layout {layout.name}, or reject one of the two kinds of pairs.",
            )
