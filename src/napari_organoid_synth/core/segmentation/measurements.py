"""Measurements of the objects that a segmenter marked, as a table: a line for each object of each image."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.sheet import read_sheet

FILE = "measurements.csv"
FIRST = ("image", "object", "class", "area_px", "perimeter_px", "eccentricity")
Row: TypeAlias = dict[str, str]
"""A line: the title of a column to its text; ``""`` where a value is not known."""


def measure(pair: SamplePair) -> list[Row]:
    """Measure every object of a mask: every number of instances, else every connected piece of a class.

    Parameters
    ----------
    pair : SamplePair
        Image (C, Y, X), native dtype, and labels (Y, X).

    Returns
    -------
    list of dict
        ``image``, ``object`` (its number in the label image, or counted from 1), ``class``; ``area_px`` and
        ``perimeter_px``; ``eccentricity`` of the ellipse of the same moments, 0 (circle) to 1; ``mean_intensity``, or
        one for each channel, ``mean_NAME``, in the values of the file; and where the size of a pixel is known
        ``area_um2`` and ``perimeter_um``, the latter where pixels are square.
    """
    return [row for name, objects in _classes(pair) for row in _measure(pair, name, objects)]


def _classes(pair: SamplePair) -> Iterable[tuple[str, NDArray[np.int32]]]:
    """Yield the name of each class with its objects (Y, X) numbered."""
    if pair.mask_kind == "instances":
        yield pair.class_names[0], pair.labels
        return
    from skimage.measure import label

    found = 0
    for value, name in enumerate(pair.class_names, 1):
        objects = np.asarray(label(pair.labels == value, connectivity=2), np.int32)
        number = int(objects.max(initial=0))
        yield name, np.where(objects > 0, objects + found, 0).astype(np.int32)
        found += number


def _measure(pair: SamplePair, name: str, objects: NDArray[np.int32]) -> Iterable[Row]:
    from skimage.measure import regionprops_table

    if not objects.any():
        return
    image = np.moveaxis(pair.image.astype(np.float64), 0, -1)
    wanted = ("label", "area", "perimeter", "eccentricity", "intensity_mean")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # an object of one pixel has no axes
        table: dict[str, Any] = regionprops_table(objects, image, properties=wanted)
    titles = channel_titles(len(pair.image), pair.channel_names)
    size = pair.pixel_size
    for place, number in enumerate(table["label"]):
        area, perimeter = float(table["area"][place]), float(table["perimeter"][place])
        eccentricity = float(np.nan_to_num(table["eccentricity"][place]))
        row = dict(zip(FIRST, (pair.name, str(number), name, f"{area:.0f}", f"{perimeter:.2f}"), strict=False))
        row["eccentricity"] = f"{eccentricity:.4f}"
        for channel, title in enumerate(titles):
            row[title] = f"{float(table[f'intensity_mean-{channel}'][place]):.6g}"
        if size is not None:
            row["area_um2"] = f"{area * size[0] * size[1]:.6g}"
            row["perimeter_um"] = f"{perimeter * size[0]:.6g}" if np.isclose(*size) else ""
        yield row


def channel_titles(channels: int, names: Sequence[str] = ()) -> list[str]:
    """Return the titles of the mean intensities.

    Examples
    --------
    >>> channel_titles(1), channel_titles(2, ("DAPI", ""))
    (['mean_intensity'], ['mean_DAPI', 'mean_channel_2'])
    """
    if channels == 1:
        return ["mean_intensity"]
    named = [names[place] if place < len(names) else "" for place in range(channels)]
    distinct = len(set(filter(None, named))) == len(list(filter(None, named)))
    return [f"mean_{name if name and distinct else f'channel_{place}'}" for place, name in enumerate(named, 1)]


def read_rows(folder: Path) -> dict[str, list[Row]]:
    """Read the lines of the table in a folder by image; none where there is no table that can be read."""
    try:
        titles, lines = read_sheet(folder / FILE)
    except ValueError:
        return {}
    rows: dict[str, list[Row]] = {}
    for line in lines:
        row = dict(zip(titles, line, strict=True))
        rows.setdefault(row.get("image", ""), []).append(row)
    return rows


def write_rows(folder: Path, rows: dict[str, list[Row]]) -> Path:
    """Write the table as a whole: images in their order, columns that any line has; return the file."""
    path, every = Path(folder) / FILE, [row for its in rows.values() for row in its]
    known = dict.fromkeys(title for row in every for title in row)
    titles = [*FIRST, *(title for title in known if title not in FIRST)]
    stream = io.StringIO()
    table = csv.DictWriter(stream, titles, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(every)
    write_text(path, stream.getvalue())
    return path
