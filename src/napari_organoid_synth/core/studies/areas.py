"""Area and perimeter of what segmenters marked in images that they had not seen, beside the masks of a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.storage import predictions_folder
from napari_organoid_synth.core.job import Control, Event, Finished, Progress
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.ome_tiff import read_pair
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.report.rendering import Table
from napari_organoid_synth.core.segmentation.measurements import Row, measure, write_rows
from napari_organoid_synth.core.studies.parts import Part, Results

SIZES = {"area": "area_px", "perimeter": "perimeter_px"}
BY_HAND = "mask"
"""What the lines of the masks of a person say they are from."""


def measuring(project: Project, folder: Path, comparison: str, control: Control, name: str, share: float = 1.0) -> Part:
    """Return a part that measures all objects in the masks, and in the predictions of a comparison.

    ``measurements`` of its result is the table of all objects (CSV, in ``folder``); ``totals`` holds for each arm and
    image the sums over its objects, ``area`` and ``perimeter``, px; those of the masks are below ``mask``.
    """

    def work(results: Results, key: str) -> Iterator[Event]:
        result = GainResult.parse(results[comparison])
        pairs = [pair for pair in load_pairs(project) if pair.name in result.test]
        rows: dict[str, list[Row]] = {}
        totals: dict[str, dict[str, dict[str, float]]] = {}
        for number, pair in enumerate(pairs):
            yield Progress(number, len(pairs), note=pair.name)
            if control.canceled:
                yield Finished(number, "canceled")
                return
            masks = {BY_HAND: pair}
            for arm in result.arms:
                path = predictions_folder(project.path / "segment" / comparison, arm) / file_stem(pair.name)
                try:
                    masks[arm] = read_pair(path.with_name(f"{path.name}.ome.tif"))
                except (UserError, OSError):  # predictions of one repeat are kept
                    continue
            for source, mask in masks.items():
                found = measure(mask.replace(name=pair.name))
                rows.setdefault(pair.name, []).extend({**row, "from": source} for row in found)
                totals.setdefault(source, {})[pair.name] = {
                    size: sum(float(row[column]) for row in found) for size, column in SIZES.items()
                }
        path = write_rows(folder, rows)
        yield Progress(len(pairs), len(pairs))
        yield Finished(len(pairs), "completed", {"measurements": str(path), "totals": totals})

    return Part(name, "measure area and perimeter", work, {}, (comparison,), share)


def area_table(totals: Mapping[str, Mapping[str, Mapping[str, float]]], titles: Mapping[str, str], first: str) -> Table:
    """Return how far areas and perimeters are from those of the masks, for each arm.

    Parameters
    ----------
    totals : mapping
        Of the result of `measuring`.
    titles : mapping of str to str
        Key of each arm to its title, in the order of the rows.
    first : str
        Head of the first column.
    """
    by_hand = totals[BY_HAND]
    means = [_mean([its[size] for its in by_hand.values()]) for size in SIZES]
    rows = [["Masks", *(text for mean in means for text in (f"{mean:,.0f}", "–"))]]
    for key, title in titles.items():
        cells: list[str] = []
        for size in SIZES:
            known = {image: its[size] for image, its in totals.get(key, {}).items()}
            errors = [abs(value / by_hand[image][size] - 1) for image, value in known.items() if by_hand[image][size]]
            cells += [f"{_mean(list(known.values())):,.0f}" if known else "–", _spread(errors)]
        rows.append([title, *cells])
    head = [first, *(text for size in SIZES for text in (f"{size.capitalize()}, px, mean", f"Error of the {size}"))]
    return Table(head, rows)


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if len(values) else 0.0


def _spread(errors: Sequence[float]) -> str:
    """Return the mean of some shares with its standard deviation, in per cent."""
    if not errors:
        return "–"
    deviation = float(np.std(errors, ddof=1)) if len(errors) > 1 else 0.0
    return f"{100 * _mean(errors):.1f} ± {100 * deviation:.1f} %"
