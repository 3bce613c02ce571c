"""JSON files of annotations: bounded, and told apart by their content."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.reading.formats import folded, short, without_ending

MAX_BYTES = 1 << 30


def load(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises
    ------
    UserError
        If it is above 1 GiB, cannot be read, or is not JSON.
    """
    try:
        n_bytes = path.stat().st_size
        if n_bytes > MAX_BYTES:
            raise UserError(
                f"{short(path)} has {n_bytes:,} bytes.", f"Expected at most {MAX_BYTES:,}.", "Split it into parts."
            )
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror}.") from None
    except UserError:
        raise
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else error
        raise UserError(
            f"{short(path)} is damaged or not JSON: {reason}.", "Expected annotations.", "Export them again."
        ) from None


def format_of(document: Any) -> str:
    """Return "labelme", "COCO" or "GeoJSON", or nothing for any other JSON."""
    if isinstance(document, dict):
        if isinstance(document.get("shapes"), list):
            return "labelme"
        if isinstance(document.get("images"), list) and isinstance(document.get("annotations"), list):
            return "COCO"
        return "GeoJSON" if document.get("type") in ("FeatureCollection", "Feature") else ""
    is_features = isinstance(document, list) and all(isinstance(one, dict) for one in document[:1])
    return "GeoJSON" if is_features and all(one.get("type") == "Feature" for one in document[:1]) else ""


def name_parts(name: object) -> tuple[str, ...]:
    """Return folders and name of a file as any system wrote it."""
    parts = str(name or "").replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", ".", ".."))


@lru_cache(maxsize=1 << 16)
def name_keys(name: str) -> tuple[str, str, str]:
    """Return how the file of an image may be written, the surest first: as it is, without ending, in any case.

    Examples
    --------
    >>> name_keys("Im%201.ome.tif")
    ('Im%201.ome.tif', 'Im%201', 'im 1')
    """
    return name, without_ending(name), folded(without_ending(unquote(name)))


def wrong_size(where: str, stated: tuple[object, object], size: tuple[int, int]) -> UserError:
    """Return the error for annotations of an image of another size; both are (height, width)."""
    height, width = (str(side)[:20] for side in stated)
    return UserError(
        f"{where} was made for an image of {width} × {height} px, this one has {size[1]} × {size[0]} px.",
        "Expected the same height and width.",
        "Use the image that was annotated, or export the annotations again.",
    )
