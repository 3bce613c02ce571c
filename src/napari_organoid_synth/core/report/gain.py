"""What synthetic pairs gained in folds: sentences, the table, bars for each share of the images, the interval plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from napari_organoid_synth.core.gain_table import ARMS, SCORES
from napari_organoid_synth.core.report.charts import COLOURS
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
        what = [name_of(row), f"{row['subset']:.3g}", f"{row['ratio']:g}", f"{row['synthetic']:g}"]
        cells.append([*what, *means, change, better])
    caption = (
        f"Mean ± standard deviation over images. Change of {SCORES[score]} against real pairs alone, same images, with "
        "95 % interval (in brackets single values where images are fewer than four)."
    )
    text += table(head, cells, caption=caption) + bars(rows, score)
    arms = results["arms"]
    if len(arms) > 1:
        text += (
            "<h3>Share of images that reach a score</h3>\n" + f"<div style='max-width:36rem'>{_plot(results)}</div>\n"
        )
    return Section("What synthetic pairs gained", "gain", text + errors(contents))


def name_of(row: Mapping[str, Any]) -> str:
    """An arm in words, with how its pairs were chosen."""
    name = ARMS.get(row["arm"], row["arm"])
    return f"{name}, {row['curation']}" if row.get("curation") else name


def _design(design: Mapping[str, Any], rows: Rows) -> str:
    words = f"Design: {design['name']}, {count(len(design['folds']), 'fold')}, {count(design['repeats'], 'repeat')}. "
    words += f"Images: {design['groups']}. {rows[0]['steps']} optimiser steps for each training. "
    if design["paper_protocol"]:
        return words + "Optimistic: the generators saw the test images (paper protocol)."
    return words + "Generators were trained anew in each fold, without its test images."


def bars(rows: Rows, score: str) -> str:
    """Bars of each share of the training images, with the standard deviation over images.

    Parameters
    ----------
    rows : sequence of mapping
        Of `gain_table`.
    score : str
        Which score is drawn; all lie in [0, 1].
    """
    subsets = list(dict.fromkeys(row["subset"] for row in rows))
    arms = list(dict.fromkeys(name_of(row) for row in rows))
    wide, height, left = 22, 200, 40
    step = wide * max(sum(row["subset"] == subset for row in rows) for subset in subsets) + 26
    parts = []
    for tick in (0, 0.25, 0.5, 0.75, 1):
        y = 10 + (1 - tick) * height
        parts.append(f'<path d="M{left} {y:.0f}h{step * len(subsets)}" stroke="currentColor" opacity=".15"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.0f}" text-anchor="end">{tick:g}</text>')
    for place, subset in enumerate(subsets):
        x = left + place * step + 13.0
        found = [row for row in rows if row["subset"] == subset]
        middle = x + wide * len(found) / 2
        parts.append(f'<text x="{middle:.0f}" y="{height + 28}" text-anchor="middle">{100 * subset:.4g} %</text>')
        for row in found:
            mean, sd = row["scores"][score]["mean"], row["scores"][score]["sd"]
            colour = COLOURS[arms.index(name_of(row)) % len(COLOURS)]
            y, low, high = (10 + (1 - min(max(v, 0), 1)) * height for v in (mean, mean - sd, mean + sd))
            title = f"{name_of(row)}, ratio {row['ratio']:g}: {mean:.3f} ± {sd:.3f}"
            parts.append(
                f'<g><title>{escape(title)}</title><rect x="{x + 2:.0f}" y="{y:.1f}" width="{wide - 4}" '
                f'height="{10 + height - y:.1f}" fill="{colour}"/>'
                f'<path d="M{x + wide / 2:.0f} {high:.1f}V{low:.1f}m-4 0h8M{x + wide / 2 - 4:.0f} {high:.1f}h8" '
                'stroke="currentColor" fill="none" stroke-width="1.5"/></g>'
            )
            x += wide
    keys = "".join(
        f'<span class=key style="background:{COLOURS[index % len(COLOURS)]}"></span>{escape(arm)}'
        for index, arm in enumerate(arms)
    )
    size = left + step * len(subsets) + 10
    label = f"{SCORES[score]} of each arm for each share of the training images"
    return (
        f'<figure style="max-width:{max(size, 320) / 14:.0f}rem"><svg viewBox="0 0 {size} {height + 36}" '
        f'font-size="12" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
        f"<figcaption>{escape(SCORES[score])}, mean and standard deviation over images, for each share of the training "
        f"images.{keys}</figcaption></figure>\n"
    )


def _plot(results: Mapping[str, Any]) -> str:
    """F of pixels over thresholds, the band over folds."""
    folds = [set(fold["test"]) for fold in results["design"]["folds"]]
    curves = {}
    for name, arm in results["arms"].items():
        values = [[one["dice"] for image, one in arm["per_image"].items() if image in fold] for fold in folds]
        curves[ARMS.get(name, name)] = FoldScores.of(values)
    return threshold_svg(curves, "Dice")
