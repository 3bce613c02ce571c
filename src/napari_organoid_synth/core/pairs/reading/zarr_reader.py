"""Read OME-Zarr, and bare zarr arrays."""

from __future__ import annotations

import math
import os
import stat
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.reading.formats import short
from napari_organoid_synth.core.pairs.reading.limits import (
    MAX_RATIO,
    SMALL_BYTES,
    NotSupported,
    refuse_memory,
    refuse_too_large,
)
from napari_organoid_synth.core.pairs.reading.ome_xml import PixelMetadata, size_remark, to_micrometres


class ZarrReader:
    """OME-Zarr 0.1 to 0.5 at full resolution, or a bare zarr array (its last two axes are Y and X)."""

    kind = "OME-Zarr"

    def __init__(self, path: Path) -> None:
        import zarr

        node = zarr.open(_store(path), mode="r")
        self._path, self._metadata = path, PixelMetadata()
        if isinstance(node, zarr.Group):
            attributes: dict[str, Any] = dict(node.attrs)
            attributes = attributes.get("ome", attributes)  # 0.5 keeps everything below "ome"
            if not attributes.get("multiscales"):
                raise _no_image(path, attributes)
            scales = attributes["multiscales"][0]
            level = scales["datasets"][0]
            array: Any = node[level["path"]]
            named = scales.get("axes") or list("tczyx")[-array.ndim :]
            described = [axis if isinstance(axis, dict) else {"name": axis} for axis in named]
            self.axes = "".join(str(axis["name"])[0].upper() for axis in described)
            channels = attributes.get("omero", {}).get("channels", [])
            names = tuple(str(channel.get("label", "")) for channel in channels)
            size, remarks = _zarr_size(scales, level, self.axes, described)
            self._metadata = PixelMetadata(size, names if all(names) else (), remarks)
        else:
            array = node
            self.axes = "Q" * (array.ndim - 2) + "YX"
        if len(self.axes) != array.ndim or "Y" not in self.axes or "X" not in self.axes or min(array.shape) < 1:
            raise ValueError(f"its axes are '{self.axes[:20]}', its shape is {array.shape}")
        self._array = array
        self._others = [i for i, axis in enumerate(self.axes) if axis not in "CYX"]
        self.n_pages = math.prod(array.shape[i] for i in self._others)
        largest = max(math.prod(array.shape), math.prod(array.chunks)) * array.dtype.itemsize
        if largest > SMALL_BYTES:
            refuse_too_large(largest, _stored_bytes(path / array.path, largest // MAX_RATIO))

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def describe(self, page: int) -> tuple[tuple[int, int, int], np.dtype[Any], PixelMetadata]:
        """Return shape, dtype and metadata from the attributes."""
        sizes, record = dict(zip(self.axes, self._array.shape, strict=True)), self._metadata
        shape = (int(sizes.get("C", 1)), int(sizes["Y"]), int(sizes["X"]))
        names = record.channel_names if len(record.channel_names) == shape[0] else ()
        dtype = np.dtype(self._array.dtype).newbyteorder("=")
        return shape, dtype, PixelMetadata(record.pixel_size, names, record.remarks)

    def read(self, page: int, palette: bool) -> NDArray[Any]:
        """Read only the chunks of this plane."""
        shape, dtype, _ = self.describe(page)
        refuse_memory(max(math.prod(shape), math.prod(self._array.chunks)) * dtype.itemsize, short(self._path))
        selector: list[Any] = [slice(None)] * self._array.ndim
        where = np.unravel_index(page, tuple(self._array.shape[i] for i in self._others)) if self._others else ()
        for i, k in zip(self._others, where, strict=True):
            selector[i] = int(k)
        plane = np.asarray(self._array[tuple(selector)])
        kept = [axis for axis in self.axes if axis in "CYX"]
        plane = plane.transpose([kept.index(axis) for axis in "CYX" if axis in kept])
        plane = plane.reshape(-1, *plane.shape[-2:])
        return np.ascontiguousarray(plane, dtype=plane.dtype.newbyteorder("="))


def _store(path: Path) -> Any:
    """Return a store that opens regular files below its folder alone."""
    from zarr.storage import LocalStore

    class RegularFiles(LocalStore):  # type: ignore[misc]
        async def get(self, key: str, *args: Any, **options: Any) -> Any:
            _refuse_odd_file(self.root, key)
            return await super().get(key, *args, **options)

        def get_sync(self, key: str, **options: Any) -> Any:
            _refuse_odd_file(self.root, key)
            return super().get_sync(key, **options)

    return RegularFiles(path, read_only=True)


def _refuse_odd_file(root: Path, key: str) -> None:
    try:
        mode = (root / key).stat().st_mode
    except OSError:
        return  # a missing chunk holds the fill value
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise ValueError(f"its part {key[:80]} is not a regular file")
    if not (root / key).resolve().is_relative_to(root.resolve()):
        raise ValueError(f"its part {key[:80]} is a link that leads out of it")


def _stored_bytes(folder: Path, enough: int) -> int:
    """Return the bytes of the files in a folder; counting stops at ``enough``."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            total += os.lstat(Path(place) / name).st_size
            if total > enough:
                return total
    return total


def _no_image(path: Path, attributes: dict[str, Any]) -> NotSupported:
    labels = attributes.get("labels")
    inside = [str(name) for name in labels] if isinstance(labels, list) else []
    found, todo = "is a zarr group without 'multiscales'", "Choose the image inside it, for example the folder '0'."
    if place := _first_well(attributes):
        found, todo = "is a plate of many images", f"Choose the images inside it: '{path.name}/{place}/{{name}}'."
    if inside:
        found, todo = f"{found}; it holds the label images {', '.join(inside)}", f"Choose {path.name}/{inside[0]}."
    return NotSupported(found, "Expected an OME-Zarr image or label image.", todo)


def _first_well(attributes: dict[str, Any]) -> str:
    """Return the folder of the first well of a plate; empty for another group."""
    plate = attributes.get("plate")
    wells = plate.get("wells") if isinstance(plate, dict) else None
    first = wells[0] if isinstance(wells, list) and wells else None
    return str(first.get("path", ""))[:40] if isinstance(first, dict) else ""


def _zarr_size(
    scales: dict[str, Any], level: dict[str, Any], axes: str, described: list[dict[str, Any]]
) -> tuple[tuple[float, float] | None, tuple[str, ...]]:
    """Return height and width of a pixel, µm: the scales of level and whole image multiplied; and a remark on it."""
    factors = np.ones(len(axes))
    has_scale = False
    for transform in [*level.get("coordinateTransformations", []), *scales.get("coordinateTransformations", [])]:
        if transform.get("type") == "scale" and len(transform.get("scale", ())) == len(axes):
            factors, has_scale = factors * np.asarray(transform["scale"], float), True
    if not has_scale:
        return None, ()
    given = [float(factors[axes.index(axis)]) for axis in "YX"]
    units = [str(described[axes.index(axis)].get("unit", "")) for axis in "YX"]
    height, width = (to_micrometres(length, unit) for length, unit in zip(given, units, strict=True))
    if height is None or width is None:
        return None, size_remark(given, units[0])
    return (height, width), ()
