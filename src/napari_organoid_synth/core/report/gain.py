"""What synthetic pairs gained in folds: sentences, table, intervals, bars for each share of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_organoid_synth.core.gain.figures import bars, colour_of, intervals
from napari_organoid_synth.core.gain.table import ARMS, OPTIMISTIC, SCORES, gain_verdict
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.errors import Errors, errors
from napari_organoid_synth.core.report.rendering import Section, Table
from napari_organoid_synth.core.segmentation.threshold_curves import FoldScores, lowest, threshold_svg

Rows = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Gain:
    """What the section shows; figures are SVG, their text escaped."""

    warning: str
    verdict: str
    sentences: tuple[str, ...]
    progress: tuple[str, ...]
    design: str
    score: str
    table: Table
    intervals: str
    bars: str
    thresholds: tuple[tuple[str, str], ...]
    errors: Errors | None


def gain(contents: Contents) -> Section | None:
    """Show the newest segmentation, where it was a comparison in folds."""
    results = contents.results
    if not results.get("table"):
        return None
    rows, score, design = results["table"], results["score"], results["design"]
    verdict = gain_verdict(results)
    shown = Gain(
        warning=f"{OPTIMISTIC} This is the paper protocol." if design["paper_protocol"] else "",
        verdict=verdict if verdict != "\n".join(results["sentences"]) else "",
        sentences=tuple(results["sentences"]),
        progress=tuple(_progress(results["tasks"])),
        design=_design(design, rows),
        score=SCORES[score],
        table=_table(rows, score),
        intervals=intervals(rows, score),
        bars=bars(rows, score),
        thresholds=tuple(_thresholds(results)),
        errors=errors(contents, {row["arm"]: _title(row) for row in reversed(rows)}),
    )
    return Section("What synthetic pairs gained", "gain", shown)


def _progress(tasks: Mapping[str, int]) -> list[str]:
    failed, sentences = tasks.get("failed", 0), []
    if tasks["done"] + failed < tasks["total"]:
        sentences.append(f"Unfinished: {tasks['done']} of {tasks['total']} trainings are done.")
    if failed:
        sentences.append(
            f"{failed} of {tasks['total']} trainings failed or could not be done, so that their images or arms are "
            "missing here; the notes at the top say why."
        )
    return sentences


def _table(rows: Rows, score: str) -> Table:
    """Return the scores of every row; columns that are the same for all rows are left out."""
    scores = [name for name in SCORES if name in rows[0]["scores"]]
    means = [[row["scores"][name]["mean"] for name in ("f", "dice") if name in row["scores"]] for row in rows]
    if all(len(pair) == 2 and abs(pair[0] - pair[1]) < 1e-9 for pair in means):
        scores = [name for name in scores if name != "f"]  # for pixels the two are the same
    several = [key for key in ("subset", "ratio") if len({row[key] for row in rows}) > 1]
    titles = {"subset": "Share of images", "ratio": "Ratio"}
    head = ["Trained on", *(titles[key] for key in several), "Pairs", f"Change of {SCORES[score]}", "Better on"]
    head += [SCORES[name][:1].upper() + SCORES[name][1:] for name in scores]
    return Table(head, [_cells(row, score, scores, several) for row in rows])


def _cells(row: Mapping[str, Any], score: str, scores: Sequence[str], several: Sequence[str]) -> list[str]:
    change, better = "–", "–"
    if found := row.get("gain", {}).get(score):
        change = f"{found['mean']:+.3f} [{found['low']:.3f}, {found['high']:.3f}]"
        better = f"{found['better']} of {found['images']}"
    place = {"subset": f"{100 * row['subset']:.4g} %", "ratio": f"{row['ratio']:g} : 1"}
    numbers = [f"{row['scores'][name]['mean']:.3f} ± {row['scores'][name]['sd']:.3f}" for name in scores]
    return [_title(row), *(place[key] for key in several), f"{row['synthetic']:g}", change, better, *numbers]


def _title(row: Mapping[str, Any]) -> str:
    """Return an arm in words, with how its pairs were chosen."""
    name: str = ARMS.get(row["arm"], row["arm"])
    if row.get("curation"):
        name += {"automatic": " (automatically)", "by hand": " (by hand)"}.get(row["curation"], f" ({row['curation']})")
    return name


def _design(design: Mapping[str, Any], rows: Rows) -> str:
    folds = plural(len(design["folds"]), "fold")
    text = (
        f"How it was tested: {design['groups']}. Design {design['name']}, {folds}: in each, some images are held out, "
        f"the segmenter learns from the others and is tested on these; {plural(design['repeats'], 'repeat')}, "
        f"{rows[0]['steps']:,} optimiser steps for each training. "
    )
    if design["paper_protocol"]:
        return f"{text}One generator was trained on all images, including those that are tested."
    return f"{text}Generators were trained again in each fold, without its test images."


def _thresholds(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the share of the images over thresholds of Dice, the band over folds, for each arm beside the first."""
    folds = [set(fold["test"]) for fold in results["design"]["folds"]]
    curves = {}
    for arm, scores in results["arms"].items():
        values = [[one["dice"] for image, one in scores["per_image"].items() if image in fold] for fold in folds]
        curves[arm] = FoldScores.of(values)
    first, *others = curves
    start, figures = lowest(curves.values()), []
    for arm in others:
        both = {ARMS.get(one, one): curves[one] for one in (first, arm)}
        svg = threshold_svg(both, "Dice", [colour_of(one) for one in (first, arm)], start)
        figures.append((ARMS.get(arm, arm), svg))
    return figures
