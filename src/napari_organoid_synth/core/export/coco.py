"""The layout of COCO: images, and one JSON file for each part of the set."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from napari_organoid_synth.core.export.layout import (
    Layout,
    LayoutFile,
    SetDescription,
    as_image,
    as_instances,
    is_named,
    unique_names,
)
from napari_organoid_synth.core.pairs.annotations.outlines import Window
from napari_organoid_synth.core.pairs.annotations.rle import encode
from napari_organoid_synth.core.pairs.pair import SamplePair


class Coco(Layout):
    """``train/NAME.png`` with ``annotations/train.json``, and the same for test; TIFF where PNG cannot hold it."""

    name = "coco"
    labels_note = (
        "One annotation per object, as run lengths, which keep every pixel and hole; connected pieces of a binary or "
        "class mask become objects, of the category of their class."
    )
    folders = ("train", "test", "annotations")

    def files(self, pair: SamplePair, split: str) -> list[LayoutFile]:
        """Return the image alone: objects are in the JSON files."""
        return [LayoutFile(f"{split}/{_file_name(pair)}", as_image(pair), channels_last=pair.is_rgb)]

    def entry(self, pair: SamplePair, split: str) -> dict[str, Any]:
        """Return the record of the image, with its annotations."""
        return {
            "file_name": _file_name(pair),
            "height": pair.size[0],
            "width": pair.size[1],
            "annotations": _annotations(pair),
            "categories": _categories(pair),
        }

    def documents(self, description: SetDescription) -> dict[str, str]:
        """Return ``annotations/train.json`` and ``annotations/test.json``."""
        names = _categories(description)
        if description.mask_kind == "classes":  # a real pair may have a class that the samples lack
            names += [name for _, entry in description.entries for name in entry["categories"]]
        objects = [name for name in dict.fromkeys(names) if not is_named(name, "background", "ignore")] or names
        categories = {name: number for number, name in enumerate(objects, start=1)}
        return {
            f"annotations/{split}.json": _document(
                description.project, categories, [entry for part, entry in description.entries if part == split]
            )
            for split in ("train", "test")
        }


def _categories(of: SamplePair | SetDescription) -> list[str]:
    """Return the names of the categories, in the order of the classes."""
    names = of.class_names if of.mask_kind == "classes" else of.class_names[:1]
    return unique_names(names or ("object",), "class")


def _file_name(pair: SamplePair) -> str:
    fits_png = pair.image.dtype == np.uint8 and (len(pair.image) == 1 or pair.is_rgb)
    is_png = fits_png or (pair.image.dtype == np.uint16 and len(pair.image) == 1)
    return f"{pair.name}.png" if is_png else f"{pair.name}.tif"


def _annotations(pair: SamplePair) -> list[dict[str, Any]]:
    """Return area in px, box (x, y, width, height), category and run lengths of each object."""
    from scipy import ndimage

    labels, names = as_instances(pair).astype(np.int32), _categories(pair)
    annotations = []
    for number, place in enumerate(ndimage.find_objects(labels), start=1):
        if place is None:
            continue
        rows, columns = place
        inside = labels[place] == number
        value = int(pair.labels[place][inside][0]) if pair.mask_kind == "classes" else 1
        window = Window(rows.start, columns.start, inside)
        annotations.append(
            {
                "category": names[value - 1],
                "segmentation": {"size": list(pair.size), "counts": encode(window, pair.size)},
                "area": int(np.count_nonzero(inside)),
                "bbox": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
                "iscrowd": 0,
            }
        )
    return annotations


def _document(project: str, categories: dict[str, int], entries: list[dict[str, Any]]) -> str:
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for image_id, entry in enumerate(entries, start=1):
        images.append({"id": image_id, **{key: entry[key] for key in ("file_name", "height", "width")}})
        for annotation in entry["annotations"]:
            known = {key: value for key, value in annotation.items() if key != "category"}
            ids = {"id": len(annotations) + 1, "image_id": image_id}
            annotations.append(ids | {"category_id": categories.get(annotation["category"], 1)} | known)
    record = {
        "info": {"description": project},
        "licenses": [],
        "categories": [{"id": number, "name": name, "supercategory": ""} for name, number in categories.items()],
        "images": images,
        "annotations": annotations,
    }
    return json.dumps(record, ensure_ascii=False)
