"""GeoJSON of QuPath: annotations and cells of one image, with holes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.pairs.annotations.outlines import DrawnObject, ring

_REGION = "region"


class GeoJson:
    """The features of a GeoJSON file; positions are px.

    Parameters
    ----------
    document : dict or list
        A feature collection, a feature, or a list of features.
    where : str
        The file, for messages.
    """

    def __init__(self, document: Any, where: str) -> None:
        features = document.get("features", [document]) if isinstance(document, dict) else document
        self._features: list[dict[str, Any]] = list(features)

    def describes(self, image: Path) -> None:
        """Return nothing: the file names no image."""

    def objects(self, image: Path, size: tuple[int, int]) -> Iterator[DrawnObject]:
        """Yield one object per feature; where there are cells or detections, regions drawn around them are left out."""
        kinds = [_kind(feature) for feature in self._features]
        has_cells = any(kind not in ("annotation", "") for kind in kinds)
        for feature, kind in zip(self._features, kinds, strict=True):
            is_region = has_cells and kind == "annotation"
            yield DrawnObject(left_out=_REGION) if is_region else _object(feature)


def _kind(feature: dict[str, Any]) -> str:
    """Return "annotation", "detection", "cell", ...; nothing where a program does not say."""
    properties = feature.get("properties") or {}
    return str(properties.get("objectType") or properties.get("object_type") or "")


def _object(feature: dict[str, Any]) -> DrawnObject:
    geometry: dict[str, Any] = feature.get("geometry") or {}
    kind, places = geometry.get("type"), geometry.get("coordinates", ())
    if kind not in ("Polygon", "MultiPolygon"):
        return DrawnObject(left_out=f"{str(kind or 'feature without shape')[:20]}")
    polygons = [places] if kind == "Polygon" else places
    parts = [[ring(points) for points in polygon] for polygon in polygons]
    return DrawnObject(parts, class_name=_class_name(feature.get("properties") or {}))


def _class_name(properties: dict[str, Any]) -> str:
    value = properties.get("classification") or ""
    if isinstance(value, dict):
        value = value.get("name") or ": ".join(map(str, value.get("names") or ()))
    return str(value)
