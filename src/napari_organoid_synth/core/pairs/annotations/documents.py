"""JSON files of annotations: bounded, and told apart by their content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.readers import short

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
    is_list = isinstance(document, list) and bool(document) and isinstance(document[0], dict)
    return "GeoJSON" if is_list and document[0].get("type") == "Feature" else ""


def name_parts(name: object) -> tuple[str, ...]:
    """Return folders and name of a file as any system wrote it."""
    parts = str(name or "").replace("\\", "/").split("/")
    return tuple(part for part in parts if part not in ("", ".", ".."))


def wrong_size(where: str, stated: tuple[object, object], size: tuple[int, int]) -> UserError:
    """Return the error for annotations of an image of another size; both are (height, width)."""
    height, width = (str(side)[:20] for side in stated)
    return UserError(
        f"{where} was made for an image of {width} × {height} px, this one has {size[1]} × {size[0]} px.",
        "Expected the same height and width.",
        "Use the image that was annotated, or export the annotations again.",
    )
