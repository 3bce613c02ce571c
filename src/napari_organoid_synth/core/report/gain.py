"""Gain from synthetic pairs: sentences, table, intervals, bars for each share of the images, errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from napari_organoid_synth.core.gain.curve_figure import curves_svg
from napari_organoid_synth.core.gain.figures import bars, colour_of, intervals
from napari_organoid_synth.core.gain.protocol_scores import easy_and_hard, scores_over_folds
from napari_organoid_synth.core.gain.results import (
    Design,
    GainResult,
    PairedChange,
    TableRow,
    TaskCounts,
    arm_key,
    varied,
)
from napari_organoid_synth.core.gain.sentences import gain_verdict, optimistic
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.charts import DotPlot
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.errors import Errors, errors
from napari_organoid_synth.core.report.rendering import Section, Table
from napari_organoid_synth.core.segmentation.arms import SCORES, has_ratio, title_of
from napari_organoid_synth.core.segmentation.threshold_curves import FoldScores, axis_start, threshold_svg


@dataclass(frozen=True)
class Gain:
    """Content of the section; figures are SVG, their text escaped."""

    warning: str
    verdict: str
    sentences: tuple[str, ...]
    progress: tuple[str, ...]
    design: str
    score: str
    table: Table
    images: DotPlot | None
    intervals: str
    bars: str
    curves: str
    thresholds: tuple[tuple[str, str], ...]
    difficulty: Table | None
    errors: Errors | None


def gain(contents: Contents) -> Section | None:
    """Show the newest comparison of segmenters."""
    result = contents.result
    if result is None or not result.arms:
        return None
    rows, score = result.table, result.score
    verdict = gain_verdict(result)
    content = Gain(
        warning=f"{warned} This is the paper protocol." if (warned := optimistic(result.design)) else "",
        verdict=verdict if verdict != "\n".join(result.sentences) else "",
        sentences=result.sentences,
        progress=tuple(_progress(result.tasks)),
        design=_design(result.design, rows),
        score=SCORES[score],
        table=_table(result),
        images=_images(result),
        intervals=intervals(rows, score),
        bars=bars(rows, score),
        curves=curves_svg(result.curves),
        thresholds=tuple(_thresholds(result)),
        difficulty=_difficulty(result),
        errors=errors(contents, result, {arm_key(row.arm, row.generator): _title(row) for row in reversed(rows)}),
    )
    return Section("What synthetic pairs gained", "gain", content)


def _progress(tasks: TaskCounts) -> list[str]:
    sentences = []
    if tasks.unfinished:
        sentences.append(f"Unfinished: {tasks.done} of {tasks.total} trainings are done.")
    if tasks.failed:
        sentences.append(
            f"{tasks.failed} of {tasks.total} trainings failed or could not be done, so that their images or arms are "
            "missing here; the notes at the top say why."
        )
    return sentences


def _table(result: GainResult) -> Table:
    """Return the scores of every row; columns that are the same for all rows are left out."""
    rows, score, names = result.table, result.score, varied(result.table)
    scores = [name for name in SCORES if name in rows[0].scores]
    means = [[row.scores[name].mean for name in ("f", "dice") if name in row.scores] for row in rows]
    if all(len(pair) == 2 and abs(pair[0] - pair[1]) < 1e-9 for pair in means):
        scores = [name for name in scores if name != "f"]  # for pixels the two are the same
    several = [name for name in ("generator", "subset", "ratio") if name in names]
    titles = {"generator": "Generator", "subset": "Share of images", "ratio": "Share of pairs"}
    head = ["Trained on", *(titles[name] for name in several), "Pairs", f"Change of {SCORES[score]}", "Better on"]
    over_best = any(score in row.over_best for row in rows)
    head += ["Over the best without a generator"] * over_best
    aside = max(row.images_aside for row in rows)
    head += [f"{SCORES[score][:1].upper()}{SCORES[score][1:]} on {plural(aside, 'image')} put aside"] * (aside > 0)
    steps = any(row.taken or row.steps for row in rows)
    head += ["Steps"] * steps
    head += [SCORES[name][:1].upper() + SCORES[name][1:] for name in scores]
    if empty := max(row.empty_fields for row in rows):
        head.append(f"False objects per empty field ({plural(empty, 'image')})")
    classes = list(next(iter(result.arms.values())).per_class)
    if several or len(classes) < 2:
        classes = []
    lines = []
    for row in rows:
        dice = [f"{result.arms[arm_key(row.arm, row.generator)].per_class[name]['dice']:.3f}" for name in classes]
        place, change, numbers = _cells(row, score, scores, several)
        more = [_change(row.over_best.get(score))] * over_best
        more += [f"{row.put_aside[score].mean:.3f}" if score in row.put_aside else "–"] * (aside > 0)
        more += [_steps(row)] * steps
        lines.append([*place, *change, *more, *numbers, *dice])
    return Table([*head, *(f"Dice, {name}" for name in classes)], lines)


def _cells(
    row: TableRow, score: str, scores: Sequence[str], several: Sequence[str]
) -> tuple[list[str], list[str], list[str]]:
    """Return what a row is of, its change against the real pairs alone, and its scores."""
    difference = row.gain.get(score)
    better = f"{difference.better} of {difference.images}" if difference else "–"
    place = {"generator": row.generator or "–", "subset": f"{100 * row.subset:.4g} %", "ratio": _ratio(row)}
    numbers = [f"{row.scores[name].mean:.3f} ± {row.scores[name].sd:.3f}" for name in scores]
    numbers += [f"{row.false_objects:.3g}"] * (row.empty_fields > 0)
    return (
        [_title(row), *(place[name] for name in several), f"{row.synthetic:g}"],
        [_change(difference), better],
        numbers,
    )


def _change(change: PairedChange | None) -> str:
    return f"{change.mean:+.3f} [{change.low:.3f}, {change.high:.3f}]" if change is not None else "–"


def _ratio(row: TableRow) -> str:
    """Return the ratio of a row, or the ratios that were chosen, most frequent first."""
    if row.ratio is not None:
        return f"{row.ratio:g} : 1" if has_ratio(row.arm) else "–"
    chosen = Counter(row.chosen).most_common()
    return "chosen: " + ", ".join(
        f"{ratio:g} : 1 ({number})" if ratio else f"none ({number})" for ratio, number in chosen
    )


def _steps(row: TableRow) -> str:
    """Return the mean number of steps, and how many trainings had not reached their plateau."""
    return f"{row.steps:,}" + f" ({row.rising} of {row.trainings} still rising)" * (row.rising > 0)


def _images(result: GainResult) -> DotPlot | None:
    """Return a dot for the Dice of every image that all arms were tested on."""
    arms = result.arms
    common = [image for image in result.test if all(image in arm.per_image for arm in arms.values())]
    if len(common) < 2:
        return None
    dice = [(title_of(name), [arm.per_image[image]["dice"] for image in common]) for name, arm in arms.items()]
    return DotPlot.of(dice, "Dice of each test image")


def _difficulty(result: GainResult) -> Table | None:
    """Return precision, recall and F of easy and of hard images, mean ± SD over folds; None without hard ones."""
    easy, hard = easy_and_hard(result)
    if not easy or not hard:
        return None
    rows = [
        [
            title_of(arm),
            *(
                scores_over_folds(result, arm, score, among).summary
                for among in (easy, hard)
                for score in ("precision", "recall", "f")
            ),
        ]
        for arm in result.arms
    ]
    kinds = [f"{plural(len(easy), 'easy image')}", f"{plural(len(hard), 'hard image')}"]
    return Table(
        ["Trained on", *(f"{score}, {kind}" for kind in kinds for score in ("Precision", "Recall", "F"))], rows
    )


def _title(row: TableRow) -> str:
    """Return the title of an arm, with the choice of its pairs."""
    name = title_of(row.arm)
    if row.curation:
        name += {"automatic": " (automatically)", "by hand": " (by hand)"}.get(row.curation, f" ({row.curation})")
    return name


def _design(design: Design, rows: Sequence[TableRow]) -> str:
    folds = plural(len(design.folds), "fold")
    groups = f"{design.groups}. " if design.groups else ""
    text = (
        f"How it was tested: {groups}Design {design.name}, {folds}: in each, some images are held out, the segmenter "
        f"learns from the others and is tested on these; {plural(design.repeats, 'repeat')}, {_range_of_steps(rows)} "
        "optimiser steps in a training, mean of an arm. "
    )
    if design.paper_protocol:
        return f"{text}One generator was trained on all images, including those that are tested."
    if design.masks_on_all:
        return (
            f"{text}One generator of masks was trained on all images, including those that are tested; painters were "
            "trained again in each fold, without its test images."
        )
    if design.pairs_from == "store":
        return f"{text}Synthetic pairs are those of the project, whose generators saw no test image."
    return f"{text}Generators were trained again in each fold, without its test images."


def _range_of_steps(rows: Sequence[TableRow]) -> str:
    few, many = min(row.steps for row in rows), max(row.steps for row in rows)
    return f"{few:,}" if few == many else f"{few:,} to {many:,}"


def _thresholds(result: GainResult) -> list[tuple[str, str]]:
    """Return the share of the images over thresholds of Dice, the band over folds, for each arm beside the first."""
    curves = {}
    for name, arm in result.arms.items():
        values = [
            [arm.per_image[image]["dice"] for image in fold.test if image in arm.per_image]
            for fold in result.design.folds
        ]
        curves[name] = FoldScores.of(values)
    first, *others = curves
    start, figures = axis_start(curves.values()), []
    for name in others:
        both = {title_of(one): curves[one] for one in (first, name)}
        svg = threshold_svg(both, "Dice", [colour_of(one) for one in (first, name)], start, inline=True)
        figures.append((title_of(name), svg))
    return figures
