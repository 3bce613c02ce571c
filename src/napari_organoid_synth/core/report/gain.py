"""What synthetic pairs gained in folds: sentences, table, intervals, bars for each share of the images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from napari_organoid_synth.core.gain_figures import bars, intervals
from napari_organoid_synth.core.gain_table import ARMS, OPTIMISTIC, SCORES
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.page import Section, count, paragraph, table
from napari_organoid_synth.core.report.segmentation import errors
from napari_organoid_synth.core.threshold_curves import FoldScores, threshold_svg

Rows = Sequence[Mapping[str, Any]]


def gain(contents: Contents) -> Section | None:
    """The newest segmentation, where it was a comparison in folds."""
    results = contents.results
    if not results.get("table"):
        return None
    rows, score, design = results["table"], results["score"], results["design"]
    said = "".join(f"<li>{escape(sentence)}</li>" for sentence in results["sentences"])
    text = f"<ul>{said}</ul>\n" if said else ""
    tasks = results["tasks"]
    if tasks["done"] < tasks["total"]:
        text += paragraph(f"Unfinished: {tasks['done']} of {tasks['total']} trainings are done.")
    text += paragraph(_design(design, rows))
    scores = [name for name in SCORES if name in rows[0]["scores"]]
    head = ["Trained on", "Part", "Ratio", "Pairs", *(SCORES[name] for name in scores), "Change", "Better on"]
    cells = []
    for row in rows:
        found = row.get("gain", {}).get(score)
        change, better = "–", "–"
        if found:
            change = f"{found['mean']:+.3f} ({found['low']:+.3f} to {found['high']:+.3f})"
            better = f"{found['better']} of {found['images']}"
        means = [f"{row['scores'][name]['mean']:.3f} ± {row['scores'][name]['sd']:.3f}" for name in scores]
        what = [_name_of(row), f"{row['subset']:.3g}", f"{row['ratio']:g}", f"{row['synthetic']:g}"]
        cells.append([*what, *means, change, better])
    caption = (
        f"Mean ± standard deviation over images. Change of {SCORES[score]} against real pairs alone, same images, with "
        "95 % interval (in brackets single values where images are fewer than four)."
    )
    text += table(head, cells, caption=caption)
    if drawn := intervals(rows, score):
        text += f"<h3>Change against real pairs alone</h3>\n{drawn}"
    text += f"<h3>{escape(SCORES[score])}, mean and standard deviation over images</h3>\n{bars(rows, score)}"
    arms = results["arms"]
    if len(arms) > 1:
        text += (
            "<h3>Share of images that reach a score</h3>\n" + f"<div style='max-width:36rem'>{_plot(results)}</div>\n"
        )
    return Section("What synthetic pairs gained", "gain", text + errors(contents))


def _name_of(row: Mapping[str, Any]) -> str:
    """An arm in words, with how its pairs were chosen."""
    name = ARMS.get(row["arm"], row["arm"])
    return f"{name}, {row['curation']}" if row.get("curation") else name


def _design(design: Mapping[str, Any], rows: Rows) -> str:
    words = f"Design: {design['name']}, {count(len(design['folds']), 'fold')}, {count(design['repeats'], 'repeat')}. "
    words += f"Images: {design['groups']}. {rows[0]['steps']} optimiser steps for each training. "
    if design["paper_protocol"]:
        return f"{words}{OPTIMISTIC} This is the paper protocol."
    return words + "Generators were trained anew in each fold, without its test images."


def _plot(results: Mapping[str, Any]) -> str:
    """F of pixels over thresholds, the band over folds."""
    folds = [set(fold["test"]) for fold in results["design"]["folds"]]
    curves = {}
    for name, arm in results["arms"].items():
        values = [[one["dice"] for image, one in arm["per_image"].items() if image in fold] for fold in folds]
        curves[ARMS.get(name, name)] = FoldScores.of(values)
    return threshold_svg(curves, "Dice")
