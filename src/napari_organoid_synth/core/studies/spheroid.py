"""The spheroid study: a network with and without adversary and U-Net*, one part of the images put aside, five folds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.gain.folds import make_folds
from napari_organoid_synth.core.gain.protocol_scores import (
    easy_and_hard,
    put_aside_over_folds,
    read_arm_records,
    scores_over_folds,
)
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.settings import HERE, GainSettings
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.groups import find_groups, with_groups
from napari_organoid_synth.core.pairs.split import split_table
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.rendering import Table
from napari_organoid_synth.core.segmentation.threshold_curves import SCORES, FoldScores, axis_start, threshold_svg
from napari_organoid_synth.core.studies.commands import comparison, computing
from napari_organoid_synth.core.studies.page import NOT_KNOWN, Deviation, Drawings, Prose, StudyPage, StudySection
from napari_organoid_synth.core.studies.parts import Part, Results, Values
from napari_organoid_synth.core.studies.pictures import Marked, error_gallery
from napari_organoid_synth.core.studies.preparing import PREPARE, find_data, preparing
from napari_organoid_synth.core.studies.settings import PROJECT
from napari_organoid_synth.core.studies.spheroid_settings import ADVERSARIAL, BASELINE, METHODS, STAR, SpheroidSettings
from napari_organoid_synth.core.studies.study import Plan

LEAST = 12
NEEDS = "at least twelve images of one spheroid each, with masks"
ARM, TESTED = "raw", "tested"
FOLDS, ASIDE = "folds", "put aside"
ALL, EASY, HARD = "all", "easy", "hard"
PUBLISHED = {
    ADVERSARIAL: {EASY: "77.1 ± 6.9 %", HARD: "64.2 ± 4.8 %"},
    BASELINE: {EASY: "68.8 %", HARD: "50.6 %"},
    STAR: {EASY: "49.2 %", HARD: "36.5 %"},
}
"""Published F, mean over folds, as far as it is known here."""


def plan(folder: Path, settings: SpheroidSettings, control: Control) -> Plan:
    """Return the parts of the study in a folder, and its page."""
    project, data = Project(folder / PROJECT), find_data(settings.data)
    split = {"groups": settings.groups, "parts": settings.parts, "seed": settings.seed}
    parts = [
        preparing(
            project, data, control, LEAST, NEEDS, more=lambda table: put_part_aside(table, settings), of_more=split
        )
    ]
    for method in settings.methods:
        parts.append(_training(project, settings, method, control))
    compared = [name_of(method) for method in settings.methods]
    parts.append(
        computing(
            TESTED, "gather the scores", lambda results: _gathered(project, settings, results), {}, compared, share=0.1
        )
    )
    return Plan(parts, lambda results: _page(project, settings, results))


def name_of(method: str) -> str:
    """Return the name of the part of a method, and of its comparison in the project."""
    return f"method-{method.replace('_', '-')}"


def put_part_aside(table: PairTable, settings: SpheroidSettings) -> PairTable:
    """Return a table with its groups, and one of the parts to test."""
    table = with_groups(table, settings.groups or "names")
    rows = [entry for entry in table.matched if entry.masks]
    grouping = find_groups(rows, "", table.groups)
    parts = make_folds(grouping.groups, "grouped", settings.parts, seed=settings.seed, series=grouping.series)
    return split_table(table, list(parts[0].test))


def _training(project: Project, settings: SpheroidSettings, method: str, control: Control) -> Part:
    """Return the part that trains a network in each fold, and tests it there and on the images put aside."""
    segmenter = settings.methods[method]
    if "hard" in type(segmenter).model_fields:
        segmenter = segmenter.replace(hard=settings.hard, hard_share=settings.hard_share)
    compared = GainSettings(
        segmenter=segmenter.model_dump(),
        arms=(ARM,),
        design="grouped",
        folds=settings.parts - 1,
        repeats=1,
        seed=settings.seed,
        ratios=(1.0,),
        steps=settings.steps,
        floor=settings.steps,
        scheduler=HERE,
        device=settings.device,
        threads=settings.threads,
    )
    title = f"train {METHODS.get(method, method)} in {plural(settings.parts - 1, 'fold')}"
    return comparison(project, compared, control, [PREPARE], name_of(method), title, share=60.0)


def _gathered(project: Project, settings: SpheroidSettings, results: Results) -> Values:
    """Return for each method, images and kind of image the scores of every image in each fold."""
    found: Values = {}
    for method in settings.methods:
        result = GainResult.parse(results[name_of(method)])
        records = read_arm_records(project.path / "segment" / name_of(method))
        aside = {name for record in records for name in record.put_aside}
        hard = set(result.design.hard)
        kinds: dict[str, set[str] | None] = {ALL: None}
        if all(easy_and_hard(result)):
            kinds |= {EASY: {*result.test, *aside} - hard, HARD: hard}
        found[method] = {
            part: {
                kind: {
                    score: [
                        fold.tolist()
                        for fold in (
                            scores_over_folds(result, ARM, score, among)
                            if part == FOLDS
                            else put_aside_over_folds(records, ARM, score, among)
                        ).folds
                    ]
                    for score in SCORES
                }
                for kind, among in kinds.items()
            }
            for part in (FOLDS, ASIDE)
        }
    return found


# ----------------------------------------------------------------------------------------------------------- the page


def _page(project: Project, settings: SpheroidSettings, results: Results) -> StudyPage:
    """Return the page: scores with easy and hard images apart, curves over thresholds, errors, what differs."""
    found = results[TESTED]
    sections = []
    for part, title, name in (
        (ASIDE, "Scores of the images put aside", "aside"),
        (FOLDS, "Scores of the folds", "folds"),
    ):
        text = Prose(
            "Pixels: mean over the images of a fold, then mean ± SD over the networks of the folds. "
            + ("The images were in no training and no fold." if part == ASIDE else "Each image is tested once.")
        )
        sections.append(StudySection(title, name, [text, _table(settings, found, part)]))
    for part, title, name in ((ASIDE, "put aside", "curves-aside"), (FOLDS, "of the folds", "curves-folds")):
        drawn = _curves(settings, found, part)
        sections.append(StudySection(f"Share of the images {title} above each threshold", name, drawn))
    marked = {
        METHODS.get(method, method): Marked(name_of(method), GainResult.parse(results[name_of(method)]), ARM)
        for method in settings.methods
    }
    sections.append(StudySection("Errors", "errors", error_gallery(project, marked)))
    return StudyPage(_summary(settings, found), sections, _deviations(settings, results, found))


def _scores(found: Mapping[str, Any], method: str, part: str, kind: str, score: str) -> FoldScores:
    return FoldScores.of(found[method][part].get(kind, {}).get(score, []))


def _table(settings: SpheroidSettings, found: Mapping[str, Any], part: str) -> Table:
    """Return a row for each method: maP, maR and maF of all images, maF of easy and of hard ones, published ones."""
    kinds = [kind for kind in (EASY, HARD) if kind in next(iter(found.values()))[part]]
    head = ["Network", "maP", "maR", "maF", *(f"maF, {kind}" for kind in kinds)]
    head += [f"maF, {kind}, published" for kind in (EASY, HARD)]
    rows = []
    for method in settings.methods:
        cells = [_scores(found, method, part, ALL, score).summary for score in SCORES]
        cells += [_scores(found, method, part, kind, "f").summary for kind in kinds]
        published = [PUBLISHED.get(method, {}).get(kind, NOT_KNOWN) for kind in (EASY, HARD)]
        rows.append([METHODS.get(method, method), *cells, *published])
    return Table(head, rows)


def _curves(settings: SpheroidSettings, found: Mapping[str, Any], part: str) -> list[Any]:
    """Return a drawing for each score: the median over the networks of the folds, and the band from least to most."""
    svgs = {}
    for score, title in zip(SCORES, ("precision", "recall", "F"), strict=True):
        curves = {METHODS.get(name, name): _scores(found, name, part, ALL, score) for name in settings.methods}
        svgs[title] = threshold_svg(curves, title, start=axis_start(curves.values()), inline=True)
    return [Drawings(svgs, "Line: median over the folds; band: from the lowest to the highest fold.")]


def _summary(settings: SpheroidSettings, found: Mapping[str, Any]) -> str:
    """Return the result in some sentences."""
    scores = {name: _scores(found, name, ASIDE, ALL, "f") for name in settings.methods}
    best, least = (pick(scores, key=lambda name: scores[name].mean) for pick in (max, min))
    high, low = scores[best].mean, scores[least].mean
    if high - low > max(one.deviation for one in scores.values()) or len(scores) == 1:
        text = f"On the images put aside {METHODS.get(best, best)} has the highest maF, {scores[best].summary}."
    else:
        text = (
            "On the images put aside the networks differ by no more than the folds of one of them: "
            f"maF {100 * low:.1f} to {100 * high:.1f} %."
        )
    if {ADVERSARIAL, BASELINE} <= scores.keys():
        change = 100 * (scores[ADVERSARIAL].mean - scores[BASELINE].mean)
        text += f" The adversary changes maF by {change:+.1f} points; published: +8.3 on easy and +13.7 on hard images."
    return text


def _deviations(settings: SpheroidSettings, results: Results, found: Mapping[str, Any]) -> list[Deviation]:
    """Return what is not as published."""
    images = results[PREPARE]["images"]
    told_apart = HARD in next(iter(found.values()))[FOLDS]
    differs = [
        Deviation(
            "Images",
            "easy and hard sets of spheroids, thousands of drawn images in a training",
            f"{images} images" + ("" if told_apart else ", none told apart as hard"),
            "your images" + ("" if told_apart else "; name hard ones with 'hard'"),
        ),
        Deviation(
            "What a training is judged by",
            "not given",
            "some images of each training part are kept back, and never learned from",
            "no training is judged on the images that are tested",
        ),
        Deviation(
            "Weights of rare classes",
            "three times background over object pixels",
            "the same, at most 1000",
            "an image with hardly any object would outweigh all others",
        ),
        Deviation(
            "Blocks of the deep paths",
            "their widths stand in a figure alone",
            "half and a quarter of the maps",
            "not given in numbers",
        ),
    ]
    if settings.size == "small":
        differs.append(
            Deviation(
                "Size",
                "480 px, 60 feature maps, 12,000 steps",
                f"smaller networks, {settings.steps:,} steps",
                "so that it ends within an hour on two cores",
            )
        )
    return differs
