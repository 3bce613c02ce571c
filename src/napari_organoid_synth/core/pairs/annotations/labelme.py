"""labelme: one JSON file per image, with polygons, rectangles, circles and painted masks."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.pairs.annotations.documents import name_keys, name_parts, wrong_size
from napari_organoid_synth.core.pairs.annotations.outlines import (
    DrawnObject,
    Ring,
    Window,
    ellipse,
    rectangle,
    ring,
)


class Labelme:
    """The shapes of a labelme file.

    Parameters
    ----------
    document : dict
        Content of the file.
    where : str
        The file, for messages.
    """

    def __init__(self, document: dict[str, Any], where: str) -> None:
        document.pop("imageData", None)  # the image itself, which would stay in memory
        self._document, self._where = document, where
        self._image = "".join(name_parts(document.get("imagePath"))[-1:])

    def describes(self, image: Path) -> bool:
        """Return whether the file names this image."""
        return name_keys(image.name)[-1] == name_keys(self._image)[-1]

    def objects(self, image: Path, size: tuple[int, int]) -> Iterator[DrawnObject]:
        """Yield the objects of an image of ``size`` (height, width); shapes of one label and group are one object."""
        stated = (self._document.get("imageHeight") or size[0], self._document.get("imageWidth") or size[1])
        if stated != size:
            raise wrong_size(self._where, stated, size)
        groups: dict[tuple[str, Any], DrawnObject] = {}
        for number, shape in enumerate(self._document["shapes"]):
            drawn = _object(shape, size)
            group = shape.get("group_id")
            key = (drawn.class_name, f"shape {number}" if group is None or not drawn.parts else str(group))
            before = groups.get(key)
            parts = drawn.parts if before is None else [*before.parts, *drawn.parts]
            groups[key] = replace(drawn, parts=parts)
        yield from groups.values()


def _object(shape: dict[str, Any], size: tuple[int, int]) -> DrawnObject:
    kind, points, name = shape.get("shape_type") or "polygon", shape["points"], str(shape.get("label") or "")
    if kind == "mask":
        return DrawnObject(window=_painted(shape, size), class_name=name)
    if kind not in ("polygon", "rectangle", "circle", "oriented_rectangle"):
        return DrawnObject(left_out=str(kind)[:20])
    outline: Ring
    if kind == "circle":
        (x, y), (edge_x, edge_y) = points
        radius = float(np.hypot(edge_x - x, edge_y - y))
        outline = ellipse(float(x), float(y), radius, radius)
    elif kind == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        outline = rectangle(float(x0), float(y0), float(x1), float(y1))
    else:
        outline = ring(points)
    return DrawnObject([[outline]], class_name=name)


def _painted(shape: dict[str, Any], size: tuple[int, int]) -> Window:
    """Return the pixels of a painted mask: a small picture at its corner, cut to the image."""
    from PIL import Image

    left, top = (round(float(value)) for value in shape["points"][0])
    with Image.open(io.BytesIO(base64.b64decode(shape["mask"]))) as picture:
        if picture.width > size[1] + 2 or picture.height > size[0] + 2:
            raise ValueError(f"a painted mask of {picture.width} × {picture.height} px")
        inside = np.asarray(picture.convert("L")) > 0
    cut = inside[max(-top, 0) : max(size[0] - top, 0), max(-left, 0) : max(size[1] - left, 0)]
    return Window(max(top, 0), max(left, 0), cut)
