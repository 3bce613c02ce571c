"""COCO: one JSON file with the objects of many images, as polygons or run lengths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.annotations.documents import name_keys, name_parts, wrong_size
from napari_organoid_synth.core.pairs.annotations.outlines import DrawnObject, Ring, ring
from napari_organoid_synth.core.pairs.annotations.rle import decode


class Coco:
    """The images of a COCO file by name, with their annotations.

    Parameters
    ----------
    document : dict
        Content of the file.
    where : str
        The file, for messages.
    """

    def __init__(self, document: dict[str, Any], where: str) -> None:
        self._where = where
        self._images = [image for image in document["images"] if isinstance(image, dict)]
        self._annotations: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for annotation in document["annotations"]:
            self._annotations[str(annotation["image_id"])].append(annotation)
        categories = document.get("categories") or ()
        self._names = {str(category["id"]): str(category.get("name", "")) for category in categories}
        self._by_name: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for image in self._images:
            for name in name_parts(image.get("file_name"))[-1:]:
                for key in set(name_keys(name)):
                    self._by_name[key].append(image)

    def describes(self, image: Path) -> bool:
        """Return whether an image is among those of the file."""
        return bool(self._records(image))

    def _records(self, image: Path) -> list[dict[str, Any]]:
        """Return the records of the name that is most alike; of several those in the same folder."""
        records = next(filter(None, (self._by_name.get(key) for key in name_keys(image.name))), [])
        if len(records) < 2:
            return records
        shared = [_n_shared(name_parts(record.get("file_name")), image.parts) for record in records]
        return [record for record, number in zip(records, shared, strict=True) if number == max(shared)]

    def objects(self, image: Path, size: tuple[int, int]) -> Iterator[DrawnObject]:
        """Yield the objects of an image of ``size`` (height, width).

        Raises
        ------
        UserError
            If the file does not describe the image, describes it twice, or states another size.
        """
        records = self._records(image) or (self._images if len(self._images) == 1 else [])
        if len(records) != 1:
            number = "several images" if records else "no image"
            raise UserError(
                f"{self._where} describes {number} named {image.name}.",
                f"Expected one among its {len(self._images):,} images.",
                "Choose the annotations of these images, or give the images different names.",
            )
        stated = (records[0].get("height", size[0]), records[0].get("width", size[1]))
        if stated != size:
            raise wrong_size(self._where, stated, size)
        for annotation in self._annotations.get(str(records[0].get("id")), ()):
            yield self._object(annotation, size)

    def _object(self, annotation: dict[str, Any], size: tuple[int, int]) -> DrawnObject:
        name, shape = self._names.get(str(annotation.get("category_id")), ""), annotation.get("segmentation")
        if annotation.get("iscrowd") == 1:
            return DrawnObject(left_out="crowd region")
        if isinstance(shape, dict):
            height, width = shape["size"]
            if (height, width) != size:
                raise wrong_size(self._where, (height, width), size)
            return DrawnObject(window=decode(shape["counts"], size), class_name=name)
        if not shape:
            return DrawnObject(left_out="box" if annotation.get("bbox") else "annotation without outline")
        return DrawnObject([[_polygon(numbers)] for numbers in shape], class_name=name)


def _polygon(numbers: list[float]) -> Ring:
    """Return x, y, x, y, ... as a ring."""
    return ring(np.asarray(numbers, np.float64).reshape(-1, 2))


def _n_shared(one: tuple[str, ...], other: tuple[str, ...]) -> int:
    """Return how many of the last parts of two paths are equal."""
    number = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        number += 1
    return number
