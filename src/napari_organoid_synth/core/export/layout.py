"""What a layout is: the files and texts that one program expects of a training set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair


@dataclass(frozen=True, eq=False)
class LayoutFile:
    """One TIFF or PNG of a layout.

    Parameters
    ----------
    path : str
        Below the folder of the layout, with forward slashes; its ending tells the format.
    array : NDArray (Y, X), (C, Y, X) or (Y, X, C), native dtype
    channels_last : bool
        Whether a third axis is the last one (RGB always is).
    role : {"image", "labels"}
    """

    path: str
    array: NDArray[Any]
    channels_last: bool = False
    role: str = "image"

    @property
    def axes(self) -> str:
        """Names of the axes, such as YX or CYX."""
        return "YX" if self.array.ndim == 2 else "YXC" if self.channels_last else "CYX"


@dataclass(frozen=True)
class SetDescription:
    """Properties of a whole set, for the texts of a layout.

    Parameters
    ----------
    entries : tuple of (split, entry)
        What `Layout.entry` gave for each pair.
    """

    project: str
    n_train: int
    channel_names: tuple[str, ...]
    is_rgb: bool
    mask_kind: MaskKind
    class_names: tuple[str, ...]
    entries: tuple[tuple[str, Any], ...] = ()


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

    def entry(self, pair: SamplePair, split: str) -> Any:
        """Return what the texts of the layout need of a pair; nothing by default."""
        return None

    def documents(self, description: SetDescription) -> dict[str, str]:
        """Return text files beside the images, by path."""
        return {}

    def remarks(self, description: SetDescription) -> tuple[str, ...]:
        """Return sentences about what the program will do with this set."""
        return ()


def as_instances(pair: SamplePair) -> NDArray[Any]:
    """Number the objects, uint16 or, above 65 535, uint32; connected pieces (8 neighbours) of other masks."""
    labels = pair.labels
    if pair.mask_kind != "instances":
        from skimage.measure import label

        labels = label(_without_background(pair), background=0, connectivity=2)
    return np.asarray(labels).astype(np.uint16 if labels.max(initial=0) <= 65535 else np.uint32)


def _without_background(pair: SamplePair) -> NDArray[np.int32]:
    """Return the labels without the classes that are no objects: background and ignore."""
    no_objects = [is_named(name, "background", "ignore") for name in pair.class_names]
    if pair.mask_kind != "classes" or all(no_objects):
        return pair.labels
    return np.where(np.array([False, *no_objects])[pair.labels], 0, pair.labels)


def as_classes(pair: SamplePair) -> NDArray[Any]:
    """Return class numbers as uint8 or, above 255, uint16; a class named background is 0, one named ignore the last."""
    labels = pair.labels
    if pair.mask_kind == "classes":
        labels = np.array([0, *class_numbers(pair.class_names).values()])[labels]
    return np.asarray(labels).astype(np.uint8 if labels.max(initial=0) <= 255 else np.uint16)


def as_image(pair: SamplePair) -> NDArray[Any]:
    """Return (Y, X) for one channel, (Y, X, 3) for RGB, else (C, Y, X)."""
    if len(pair.image) == 1:
        return np.asarray(pair.image[0])
    return np.moveaxis(pair.image, 0, -1) if pair.is_rgb else pair.image


def with_channels_last(pair: SamplePair) -> NDArray[Any]:
    """Return (Y, X) for one channel, else (Y, X, C)."""
    return pair.image[0] if len(pair.image) == 1 else np.moveaxis(pair.image, 0, -1)


def unique_names(names: tuple[str, ...], noun: str) -> list[str]:
    """Return names without empty or equal ones: ``a``, ``a (2)``; an empty one is called after its noun and number."""
    result: list[str] = []
    for number, name in enumerate(names, start=1):
        plain = " ".join(name.split()) or f"{noun} {number}"
        count = sum(other == plain or other.startswith(f"{plain} (") for other in result)
        result.append(plain if not count else f"{plain} ({count + 1})")
    return result


def class_numbers(class_names: tuple[str, ...]) -> dict[str, int]:
    """Return the number of each class in other programs, in the order of the classes.

    A class named background is 0, whatever it is drawn on; one named ignore has the highest number. Where nothing else
    is left, the class counts as an object.
    """
    names = unique_names(class_names, "class")
    objects = [name for name in names if not is_named(name, "background", "ignore")]
    if not objects:
        return {f"{name} (class)": number for number, name in enumerate(names, start=1)}
    order = {name: number for number, name in enumerate(objects, start=1)}
    return {name: len(objects) + 1 if is_named(name, "ignore") else order.get(name, 0) for name in names}


def is_named(name: str, *words: str) -> bool:
    """Return whether a class or channel has one of these names, in small letters."""
    return name.strip().casefold() in words
