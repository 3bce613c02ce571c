"""Whether synthetic pairs helped a segmenter: arms beside each other, every test image, where they err."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.pairs.pictures import decode_png
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.report.charts import dots
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.page import Section, count, paragraph, table

ARMS = {
    "real": "Real pairs",
    "raw": "Real pairs",
    "classical": "Real pairs, classically augmented",
    "synthetic": "Real and all synthetic pairs",
    "curated": "Real and accepted synthetic pairs",
}


def newest_results(project: Project) -> dict[str, Any]:
    """What the newest segmentation of a project wrote, with its folder; empty when there is none."""
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
    """The arms of the newest segmentation."""
    results = contents.results
    arms = results.get("arms")
    if not arms or "table" in results:  # a comparison in folds has a section of its own
        return None
    scores = [key for key in ("dice", "precision", "recall", "ap") if all(key in arm for arm in arms.values())]
    names = {"dice": "Dice", "precision": "Precision", "recall": "Recall", "ap": "AP, objects"}
    classes = list(next(iter(arms.values()))["per_class"])
    best = max(arms, key=lambda name: arms[name]["dice"])
    head = ["Trained on", *(names[key] for key in scores)]
    if len(classes) > 1:
        head += [f"Dice, {name}" for name in classes]
    rows = []
    for name, arm in arms.items():
        cells = [ARMS.get(name, name), *(f"{arm[key]:.3f}" for key in scores)]
        if len(classes) > 1:
            cells += [f"{arm['per_class'][one]['dice']:.3f}" for one in classes]
        rows.append(cells)
    steps = next(iter(arms.values()))["steps"]
    n = len(results.get("test", ()))
    text = paragraph(
        f"Means over {count(n, 'test image')} that neither generator nor segmenter was trained on; {steps} optimiser "
        "steps for each row, the same first weights. One training each: another seed gives other numbers."
    )
    text += table(head, rows, best=list(arms).index(best))
    if n > 1:
        each = [
            (ARMS.get(name, name), [one["dice"] for one in arm["per_image"].values()]) for name, arm in arms.items()
        ]
        text += "<p>Each test image, Dice:</p>\n" + dots(each, "Dice of each test image")
        text += paragraph("Upright bars are means; lines join the same image.", "faint")
    return Section("Segmentation with and without synthetic pairs", "segmentation", text + errors(contents, ARMS))


def errors(contents: Contents, names: Mapping[str, str]) -> str:
    """Error pictures of the test image that differs most between arms, which have these names."""
    results = contents.results
    arms, folder = results["arms"], Path(results.get("folder", ""))
    images = list(next(iter(arms.values()))["per_image"])
    spread = {image: np.ptp([arm["per_image"][image]["dice"] for arm in arms.values()]) for image in images}
    image = max(images, key=lambda name: spread[name])
    figures = []
    for name, arm in arms.items():
        path = folder / "predictions" / name / f"{file_stem(image)}_errors.png"
        if path.is_file():
            caption = f"{names.get(name, name)}: Dice {arm['per_image'][image]['dice']:.3f}"
            figures.append(contents.album.whole(decode_png(path.read_bytes()), caption))
    if not figures:
        return ""
    key = "".join(
        f'<span style="white-space:nowrap"><span class=key style="background:{colour}"></span>{word}</span> '
        for colour, word in (("#f0f", "marked, but nothing there"), ("#0ff", "missed"), ("#ff0", "wrong class"))
        if word != "wrong class" or results.get("mask_kind") == "classes"
    )
    which = f"‘{escape(image)}’" + (", the test image on which they differ most" if len(images) > 1 else "")
    return f"<h3>Where they err</h3>\n<p>Errors on {which}: {key}</p>\n<div class='row wide'>{''.join(figures)}</div>\n"
