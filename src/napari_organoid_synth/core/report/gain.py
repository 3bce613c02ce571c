"""What synthetic pairs gained in folds: sentences, table, intervals, bars for each share of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from napari_organoid_synth.core.gain.figures import bars, colour_of, intervals
from napari_organoid_synth.core.gain.table import ARMS, OPTIMISTIC, SCORES, gain_verdict
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.page import Section, count, paragraph, table
from napari_organoid_synth.core.report.segmentation import errors
from napari_organoid_synth.core.segmentation.threshold_curves import FoldScores, lowest, threshold_svg

Rows = Sequence[Mapping[str, Any]]


def gain(contents: Contents) -> Section | None:
    """The newest segmentation, where it was a comparison in folds."""
    results = contents.results
    if not results.get("table"):
        return None
    rows, score, design = results["table"], results["score"], results["design"]
    text = paragraph(f"{OPTIMISTIC} This is the paper protocol.", "lead") if design["paper_protocol"] else ""
    verdict = gain_verdict(results)
    if verdict != "\n".join(results["sentences"]):
        text += paragraph(verdict)
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in results["sentences"])
    text += f"<ul>{said}</ul>\n" if said else ""
    tasks = results["tasks"]
    failed = tasks.get("failed", 0)
    if tasks["done"] + failed < tasks["total"]:
        text += paragraph(f"Unfinished: {tasks['done']} of {tasks['total']} trainings are done.")
    if failed:
        text += paragraph(
            f"{failed} of {tasks['total']} trainings failed or could not be done, so that their images or arms are "
            "missing here; the notes at the top say why."
        )
    text += paragraph(_design(design, rows))
    text += _table(rows, score)
    if drawn := intervals(rows, score):
        text += f"<h3>Change of {escape(SCORES[score])} against real pairs alone, 95 % interval</h3>\n{drawn}"
    text += f"<h3>{escape(SCORES[score])}, mean ± standard deviation over images</h3>\n{bars(rows, score)}"
    text += _reach(results)
    names = {row["arm"]: _name_of(row) for row in reversed(rows)}
    return Section("What synthetic pairs gained", "gain", text + errors(contents, names))


def _table(rows: Rows, score: str) -> str:
    """Scores of every row; columns that hold the same for all rows are left out."""
    scores = [name for name in SCORES if name in rows[0]["scores"]]
    means = [[row["scores"][name]["mean"] for name in ("f", "dice") if name in row["scores"]] for row in rows]
    if all(len(pair) == 2 and abs(pair[0] - pair[1]) < 1e-9 for pair in means):
        scores = [name for name in scores if name != "f"]  # of pixels they are one
    several = [key for key in ("subset", "ratio") if len({row[key] for row in rows}) > 1]
    titles = {"subset": "Share of images", "ratio": "Ratio"}
    head = ["Trained on", *(titles[key] for key in several), "Pairs", f"Change of {SCORES[score]}", "Better on"]
    head += [SCORES[name][:1].upper() + SCORES[name][1:] for name in scores]
    cells = []
    for row in rows:
        found = row.get("gain", {}).get(score)
        change, better = "–", "–"
        if found:
            change = f"{found['mean']:+.3f} [{found['low']:.3f}, {found['high']:.3f}]"
            better = f"{found['better']} of {found['images']}"
        numbers = [f"{row['scores'][name]['mean']:.3f} ± {row['scores'][name]['sd']:.3f}" for name in scores]
        where = {"subset": f"{100 * row['subset']:.4g} %", "ratio": f"{row['ratio']:g} : 1"}
        cells.append(
            [_name_of(row), *(where[key] for key in several), f"{row['synthetic']:g}", change, better, *numbers]
        )
    caption = (
        "Pairs: generated or simulated ones in the training. Change against real pairs alone, same images, with its "
        "95 % interval (below four images the lowest and the highest single change). Scores: mean ± standard deviation "
        "over images."
    )
    # the words may wrap: they would widen the table as its caption
    return table(head, cells) + paragraph(caption, "faint")


def _name_of(row: Mapping[str, Any]) -> str:
    """An arm in words, with how its pairs were chosen."""
    name: str = ARMS.get(row["arm"], row["arm"])
    if row.get("curation"):
        name += {"automatic": " (automatically)", "by hand": " (by hand)"}.get(row["curation"], f" ({row['curation']})")
    return name


def _design(design: Mapping[str, Any], rows: Rows) -> str:
    folds = len(design["folds"])
    groups = str(design["groups"])
    words = f"How it was tested: {groups}. Design {design['name']}, {count(folds, 'fold')}: "
    words += "in each, some images are put aside, the segmenter learns from the others and is tested on these; "
    words += f"{count(design['repeats'], 'repeat')}, {rows[0]['steps']:,} optimiser steps for each training. "
    if design["paper_protocol"]:
        return f"{words}One generator was trained on all images, also on those that are tested."
    return words + "Generators were trained anew in each fold, without its test images."


def _reach(results: Mapping[str, Any]) -> str:
    """Share of the images over thresholds of Dice, the band over folds; each arm beside the first one."""
    folds = [set(fold["test"]) for fold in results["design"]["folds"]]
    curves = {}
    for arm, scores in results["arms"].items():
        values = [[one["dice"] for image, one in scores["per_image"].items() if image in fold] for fold in folds]
        curves[arm] = FoldScores.of(values)
    first, *others = curves
    start, drawn = lowest(curves.values()), ""
    for arm in others:
        both = {ARMS.get(one, one): curves[one] for one in (first, arm)}
        svg = threshold_svg(both, "Dice", [colour_of(one) for one in (first, arm)], start)
        drawn += f"<figure><figcaption><b>{escape(ARMS.get(arm, arm))}</b></figcaption>{svg}</figure>"
    if not drawn:
        return ""
    words = (
        "How many of the test images reach a Dice of at least so much; a line further right and higher is better. The "
        "band reaches from the worst to the best fold."
    )
    return (
        f"<h3>Share of images that reach a score</h3>\n{paragraph(words, 'faint')}"
        f"<div class='row wide' style='max-width:{22 * min(len(others), 3)}rem'>{drawn}</div>\n"
    )
