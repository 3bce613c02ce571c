"""Small files of outlines, as other programs write them."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

SQUARE = [(2, 3), (10, 3), (10, 7), (2, 7)]  # 8 × 4 px
HOLE = [(4, 4), (6, 4), (6, 6), (4, 6)]  # 2 × 2 px
TRIANGLE = [(16, 10), (24, 10), (16, 18)]
SIZE = (24, 32)


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")
    return path


def coco(*images: tuple[str, list[dict[str, Any]]], size: tuple[int, int] = SIZE) -> dict[str, Any]:
    """Return a COCO document of images, each with its annotations."""
    annotations = [
        {"id": 10 * number + k, "image_id": number, "category_id": 1, "iscrowd": 0} | annotation
        for number, (_, described) in enumerate(images)
        for k, annotation in enumerate(described)
    ]
    return {
        "images": [
            {"id": number, "file_name": name, "height": size[0], "width": size[1]}
            for number, (name, _) in enumerate(images)
        ],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "nucleus"}, {"id": 2, "name": "cell"}],
    }


def polygon(points: list[tuple[float, float]], **more: Any) -> dict[str, Any]:
    return {"segmentation": [[value for point in points for value in point]], **more}


def labelme(*shapes: dict[str, Any], image: str = "a.png", size: tuple[int, int] = SIZE) -> dict[str, Any]:
    return {"version": "5.5.0", "shapes": list(shapes), "imagePath": image, "imageData": None,
            "imageHeight": size[0], "imageWidth": size[1]}  # fmt: skip


def shape(kind: str, points: Any, label: str = "cell", group: int | None = None, **more: Any) -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": group, "shape_type": kind, "flags": {}} | more


def feature(kind: str, coordinates: Any, object_type: str = "annotation", name: str = "") -> dict[str, Any]:
    properties: dict[str, Any] = {"objectType": object_type}
    if name:
        properties["classification"] = {"name": name, "color": [1, 2, 3]}
    return {"type": "Feature", "geometry": {"type": kind, "coordinates": coordinates}, "properties": properties}


def closed(points: list[tuple[float, float]]) -> list[list[float]]:
    return [list(point) for point in [*points, points[0]]]


def write_rois(path: Path, *rois: Any) -> Path:
    """Write ROIs as one ``.roi`` or as the ``.zip`` of ImageJ's ROI manager."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".roi":
        path.write_bytes(rois[0].tobytes())
        return path
    with zipfile.ZipFile(path, "w") as archive:
        for number, roi in enumerate(rois):
            archive.writestr(f"{number:04d}.roi", roi.tobytes())
    return path


def square_mask(hole: bool = False, triangle: bool = False) -> np.ndarray:
    """Return what `SQUARE`, `HOLE` and `TRIANGLE` are in pixels."""
    mask = np.zeros(SIZE, np.int32)
    mask[3:7, 2:10] = 1
    if hole:
        mask[4:6, 4:6] = 0
    if triangle:
        for row in range(8):
            mask[10 + row, 16 : 23 - row] = 2  # centres on the slope lie outside
    return mask
