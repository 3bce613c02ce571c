"""Layouts: the arrays and file names that other programs expect of a training set.

A layout defines the files of one pair; `SetWriter` writes, reads back and compares them.
"""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair


@dataclass(frozen=True, eq=False)
class LayoutFile:
    """One TIFF of a layout.

    Parameters
    ----------
    path : str
        Below the folder of the layout, with forward slashes.
    array : NDArray (Y, X), (C, Y, X) or (Y, X, C), native dtype
    channels_last : bool
        Whether a third axis is the last one (RGB always is).
    role : {"image", "labels"}
    """

    path: str
    array: NDArray[Any]
    channels_last: bool = False
    role: str = "image"


@dataclass(frozen=True)
class SetDescription:
    """Properties of a whole set, for the text files of a layout."""

    project: str
    n_train: int
    channel_names: tuple[str, ...]
    is_rgb: bool
    mask_kind: MaskKind
    class_names: tuple[str, ...]


class Layout(ABC):
    """Names and arrays of the files that one program expects.

    Attributes
    ----------
    name : str
        As in the export settings.
    labels_note : str
        Treatment of masks, as a sentence for the manifest.
    folders : tuple of str
        Folders that exist even when no file falls into them.
    uniform : bool
        Whether all images need the same channels and all masks the same classes.
    """

    name: ClassVar[str]
    labels_note: ClassVar[str]
    folders: ClassVar[tuple[str, ...]]
    uniform: ClassVar[bool] = False

    def root(self, project: str) -> str:
        """Return the name of the folder of the layout."""
        return self.name

    @abstractmethod
    def files(self, pair: SamplePair, split: str) -> list[LayoutFile]:
        """Return the files of one pair; ``split`` is "train" or "test"."""

    def documents(self, description: SetDescription) -> dict[str, str]:
        """Return text files beside the images, by path."""
        return {}


class Cellpose(Layout):
    """``NAME_img.tif`` and ``NAME_masks.tif`` in ``train`` and ``test``.

    As ``cellpose --image_filter _img --mask_filter _masks --train --dir train --test_dir test`` reads them.
    """

    name = "cellpose"
    labels_note = "One number per object; connected pieces of a binary or class mask become objects."
    folders = ("train", "test")

    def files(self, pair: SamplePair, split: str) -> list[LayoutFile]:
        """Return image as planes (C, Y, X), RGB as (Y, X, 3), and labels."""
        image = _image(pair)
        return [
            LayoutFile(f"{split}/{pair.name}_img.tif", image, channels_last=pair.is_rgb),
            LayoutFile(f"{split}/{pair.name}_masks.tif", as_instances(pair), role="labels"),
        ]


class StarDist(Layout):
    """``train/images``, ``train/masks`` and the same under ``test``; image and mask share their name."""

    name = "stardist"
    labels_note = Cellpose.labels_note
    folders = ("train/images", "train/masks", "test/images", "test/masks")

    def files(self, pair: SamplePair, split: str) -> list[LayoutFile]:
        """Return image as (Y, X) or (Y, X, C), and labels."""
        return [
            LayoutFile(f"{split}/images/{pair.name}.tif", _channels_last(pair), channels_last=True),
            LayoutFile(f"{split}/masks/{pair.name}.tif", as_instances(pair), role="labels"),
        ]


class BiaPy(Layout):
    """``train/x``, ``train/y`` and the same under ``test``; equal names, so that both sort alike."""

    name = "biapy"
    labels_note = "One number per object for instance masks (instance workflow); class numbers for others (semantic)."
    folders = ("train/x", "train/y", "test/x", "test/y")

    def files(self, pair: SamplePair, split: str) -> list[LayoutFile]:
        """Return image as (Y, X) or (Y, X, C), and labels."""
        labels = as_instances(pair) if pair.mask_kind == "instances" else as_classes(pair)
        return [
            LayoutFile(f"{split}/x/{pair.name}.tif", _channels_last(pair), channels_last=True),
            LayoutFile(f"{split}/y/{pair.name}.tif", labels, role="labels"),
        ]


class NnUNet(Layout):
    """nnU-Net v2: one file per channel (RGB in one), class labels and ``dataset.json``.

    nnU-Net divides the training cases into folds itself; test pairs are in ``imagesTs`` and ``labelsTs``.
    """

    name = "nnunet"
    labels_note = "Class numbers; all objects of an instance mask become class 1."
    folders = ("imagesTr", "labelsTr", "imagesTs", "labelsTs")
    uniform = True
    number = 501

    def root(self, project: str) -> str:
        """Return ``Dataset501_Name`` as nnU-Net requires."""
        name = "".join(part[:1].upper() + part[1:] for part in re.findall(r"[A-Za-z0-9]+", project))
        return f"Dataset{self.number:03d}_{name or 'Organoids'}"

    def files(self, pair: SamplePair, split: str) -> list[LayoutFile]:
        """Return ``NAME_0000.tif`` and so on, and ``NAME.tif`` with the labels."""
        end = {"train": "Tr", "test": "Ts"}[split]
        if pair.is_rgb:
            images = [LayoutFile(f"images{end}/{pair.name}_0000.tif", _image(pair), channels_last=True)]
        else:
            images = [
                LayoutFile(f"images{end}/{pair.name}_{number:04d}.tif", channel)
                for number, channel in enumerate(pair.image)
            ]
        return [*images, LayoutFile(f"labels{end}/{pair.name}.tif", as_classes(pair), role="labels")]

    def documents(self, description: SetDescription) -> dict[str, str]:
        """Return ``dataset.json``."""
        names = (
            description.class_names
            if description.mask_kind == "classes"
            else description.class_names[:1] or ("object",)
        )
        channels = ("R", "G", "B") if description.is_rgb else description.channel_names
        record = {
            "channel_names": {str(number): name for number, name in enumerate(channels)},
            "labels": {"background": 0, **{name: number for number, name in enumerate(names, start=1)}},
            "numTraining": description.n_train,
            "file_ending": ".tif",
            "overwrite_image_reader_writer": "NaturalImage2DIO",
        }
        return {"dataset.json": json.dumps(record, indent=2, ensure_ascii=False)}


LAYOUTS: dict[str, Layout] = {layout.name: layout for layout in (Cellpose(), StarDist(), NnUNet(), BiaPy())}


def as_instances(pair: SamplePair) -> NDArray[Any]:
    """Number the objects, uint16 or, above 65 535, uint32; connected pieces (8 neighbours) of other masks."""
    labels = pair.labels
    if pair.mask_kind != "instances":
        from skimage.measure import label

        labels = label(labels, background=0, connectivity=2)
    return np.asarray(labels).astype(np.uint16 if labels.max(initial=0) <= 65535 else np.uint32)


def as_classes(pair: SamplePair) -> NDArray[Any]:
    """Return class numbers, uint8 or, above 255, uint16; every object of an instance mask is 1."""
    labels = (pair.labels > 0) if pair.mask_kind == "instances" else pair.labels
    return np.asarray(labels).astype(np.uint8 if labels.max(initial=0) <= 255 else np.uint16)


def _image(pair: SamplePair) -> NDArray[Any]:
    """Return (Y, X) for one channel, (Y, X, 3) for RGB, else (C, Y, X)."""
    if len(pair.image) == 1:
        return np.asarray(pair.image[0])
    return np.moveaxis(pair.image, 0, -1) if pair.is_rgb else pair.image


def _channels_last(pair: SamplePair) -> NDArray[Any]:
    return pair.image[0] if len(pair.image) == 1 else np.moveaxis(pair.image, 0, -1)


def write_file(folder: Path, file: LayoutFile, pixel_size: tuple[float, float] | None, rgb: bool) -> Path:
    """Write one TIFF below a folder; labels are compressed without loss."""
    from io import BytesIO

    import tifffile

    options: dict[str, Any] = {"photometric": "minisblack"}
    if file.array.ndim == 3 and file.channels_last:
        options = {"photometric": "rgb" if rgb else "minisblack", "planarconfig": "contig"}
    if pixel_size is not None:
        options |= {"resolution": (1e4 / pixel_size[1], 1e4 / pixel_size[0]), "resolutionunit": "CENTIMETER"}
    if file.role == "labels":
        options["compression"] = "zlib"
    stream = BytesIO()
    tifffile.imwrite(stream, np.ascontiguousarray(file.array), **options)
    path = folder / file.path
    write_bytes(path, stream.getvalue())
    return path


def reads_back(folder: Path, file: LayoutFile) -> bool:
    """Return whether a written file contains the same numbers of the same type."""
    import tifffile

    array = tifffile.imread(folder / file.path)
    return bool(
        array.dtype == file.array.dtype and np.array_equal(array, file.array, equal_nan=array.dtype.kind == "f")
    )


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
