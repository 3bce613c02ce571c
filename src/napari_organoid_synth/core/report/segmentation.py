"""Whether synthetic pairs helped a segmenter: arms beside each other, every test image, where they err."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.report.charts import DotPlot
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.errors import Errors, errors
from napari_organoid_synth.core.report.rendering import Section, Table

ARMS = {
    "real": "Real pairs",
    "raw": "Real pairs",
    "classical": "Real pairs, classically augmented",
    "synthetic": "Real and all synthetic pairs",
    "curated": "Real and accepted synthetic pairs",
}


@dataclass(frozen=True)
class Segmentation:
    """What the section shows."""

    number: int
    steps: int
    table: Table
    images: DotPlot | None
    errors: Errors | None


def newest_results(project: Project) -> dict[str, Any]:
    """Return what the newest segmentation of a project wrote, with its folder; empty when there is none."""
    for path in sorted(
        project.path.glob("segment/*/results.json"), key=lambda path: path.stat().st_mtime, reverse=True
    ):
        try:
            found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if found.get("arms"):  # nothing was tested yet in one that has just begun
            return found | {"folder": str(path.parent)}
    return {}


def segmentation(contents: Contents) -> Section | None:
    """Show the arms of the newest segmentation."""
    results = contents.results
    arms = results.get("arms")
    if not arms or "table" in results:  # a comparison in folds has a section of its own
        return None
    number = len(results.get("test", ()))
    images = None
    if number > 1:
        each = [
            (ARMS.get(name, name), [one["dice"] for one in arm["per_image"].values()]) for name, arm in arms.items()
        ]
        images = DotPlot.of(each, "Dice of each test image")
    steps = next(iter(arms.values()))["steps"]
    shown = Segmentation(number, steps, _table(arms), images, errors(contents, ARMS))
    return Section("Segmentation with and without synthetic pairs", "segmentation", shown)


def _table(arms: dict[str, Any]) -> Table:
    scores = [key for key in ("dice", "precision", "recall", "ap") if all(key in arm for arm in arms.values())]
    names = {"dice": "Dice", "precision": "Precision", "recall": "Recall", "ap": "AP, objects"}
    classes = list(next(iter(arms.values()))["per_class"])
    head = ["Trained on", *(names[key] for key in scores)]
    if len(classes) > 1:
        head += [f"Dice, {name}" for name in classes]
    rows = []
    for name, arm in arms.items():
        cells = [ARMS.get(name, name), *(f"{arm[key]:.3f}" for key in scores)]
        if len(classes) > 1:
            cells += [f"{arm['per_class'][one]['dice']:.3f}" for one in classes]
        rows.append(cells)
    best = max(arms, key=lambda name: arms[name]["dice"])
    return Table(head, rows, bold=list(arms).index(best))
