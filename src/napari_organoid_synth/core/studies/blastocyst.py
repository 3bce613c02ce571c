"""The blastocyst study: ProGAN and StyleGAN on graded images, and how far what they draw is from the originals."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, JobFolder, Progress
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.grades import with_grades
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.report.charts import Curves, Series
from napari_organoid_synth.core.report.rendering import number
from napari_organoid_synth.core.scores.storage import SetScores
from napari_organoid_synth.core.studies.blastocyst_settings import BlastocystSettings
from napari_organoid_synth.core.studies.by_class import class_blocks, scoring_by_class
from napari_organoid_synth.core.studies.commands import samples, scoring, training
from napari_organoid_synth.core.studies.page import Charts, Deviation, Prose, StudyPage, StudySection
from napari_organoid_synth.core.studies.parts import Results
from napari_organoid_synth.core.studies.pictures import sample_gallery
from napari_organoid_synth.core.studies.preparing import PREPARE, find_data, fingerprint_of, preparing
from napari_organoid_synth.core.studies.set_table import LEGEND, set_table
from napari_organoid_synth.core.studies.settings import PROJECT
from napari_organoid_synth.core.studies.study import Plan
from napari_organoid_synth.core.synthesis.settings import GenerateSettings

LEAST = 16
NEEDS = "at least sixteen images, with grades in a table"
SCORES, CLASSES = "scores", "scores-by-class"
TITLES = {"progan": "ProGAN", "stylegan": "StyleGAN"}
PUBLISHED = {"ProGAN": {"fid": "360.4", "kid": "0.516"}, "StyleGAN": {"fid": "312.0", "kid": "0.435"}}
"""Clean FID and KID with 2048 Inception features."""
ALL = "all grades"


def plan(folder: Path, settings: BlastocystSettings, control: Control) -> Plan:
    """Return the parts of the study in a folder, and its page."""
    project = Project(folder / PROJECT)
    data = find_data(settings.data, no_masks=True)
    images = len(data.table.matched)
    grades = _grades(settings)
    parts = [
        preparing(
            project,
            data,
            control,
            LEAST,
            NEEDS,
            settings.side,
            more=lambda table: with_grades(table, grades, settings.grade_column),
            of_more={"grades": fingerprint_of(grades), "column": settings.grade_column},
        )
    ]
    runs = {name: _recipe(settings, values, images) for name, values in settings.generators.items()}
    makes = GenerateSettings(number=settings.images or max(1, images), seed=settings.seed, device=settings.device)
    for run, recipe in runs.items():
        title = TITLES.get(run, run)
        parts.append(training(project, run, recipe, control, f"train {title}", [PREPARE], share=100.0))
        parts.append(samples(project, run, makes, control, f"draw with {title}", share=2.0))
    made = [f"samples-{run}" for run in runs]
    scores = ScoreSettings(
        seed=settings.seed, extractor=settings.extractor, weights=settings.weights, device=settings.device
    )
    parts.append(scoring(project, scores, control, made, SCORES, share=10.0))
    parts.append(scoring_by_class(project, list(runs), scores, control, made, CLASSES))
    return Plan(parts, lambda results: _page(project, settings, list(runs), results))


def _grades(settings: BlastocystSettings) -> Path:
    """Return the table with the grades."""
    folder = Path(settings.data).expanduser()
    if settings.grades:
        given = Path(settings.grades).expanduser()
        return given if given.is_absolute() or given.exists() else folder / given
    found = sorted(folder.glob("*.csv"))
    if len(found) != 1:
        raise UserError(
            f"{folder} has {len(found)} tables (.csv).",
            "Expected one with the grade beside the name of each image.",
            "Name it: grades=FILE.",
        )
    return found[0]


def _recipe(settings: BlastocystSettings, generator: Mapping[str, Any], images: int) -> Recipe:
    """Return the recipe of a generator of whole images without masks."""
    steps = math.ceil(1000 * settings.kimg / (1.5 * settings.batch))  # small sizes have more images in a step
    return Recipe.parse(
        {
            "gan": dict(generator),
            "draws": "images",
            "tiles": {"size": settings.side, "whole": settings.side, "turn": False, "flip": False, "min_objects": 0},
            "train": {
                "epochs": max(1, math.ceil(1000 * settings.kimg / max(images, 1))),
                "batch": settings.batch,
                "seed": settings.seed,
                "device": settings.device,
                "threads": settings.threads,
                "precision": settings.precision,
                "preview_every": max(1, steps // 12),
                "checkpoint_every": max(1, steps // 20),
                "keep": 1,
            },
        }
    )


# ----------------------------------------------------------------------------------------------------------- the page


def _page(project: Project, settings: BlastocystSettings, runs: list[str], results: Results) -> StudyPage:
    """Return the page: pictures, loss curves, distances over all and by class, what differs."""
    titles = {TITLES.get(run, run): run for run in runs}
    sets = {one.run: one for one in map(SetScores.parse, results[SCORES]["sets"])}
    table = set_table("Generator", {title: sets[run] for title, run in titles.items()}, ("fid", "kid"), PUBLISHED)
    sections = [
        StudySection("What the generators draw", "samples", sample_gallery(project, titles)),
        StudySection("Losses at each size", "losses", _curves(project, titles)),
        StudySection(
            "Distance to the originals",
            "distances",
            [Prose(f"{LEGEND} Features: {_extractor(sets)}.", "faint"), table, Prose(_comparable(settings), "faint")],
        ),
        StudySection("The same for each grade", "grades", class_blocks(titles, results[CLASSES])),
    ]
    return StudyPage(_summary(titles, sets), sections, _deviations(settings, results))


def _extractor(sets: Mapping[str, SetScores]) -> str:
    return next((score.extractor for one in sets.values() for score in one.scores if score.extractor), "none")


def _comparable(settings: BlastocystSettings) -> str:
    if settings.extractor == "inception2048":
        return "Published figures are those of networks that had collapsed or learned too little: a floor, not a goal."
    return (
        "The published figures are of other features (2048 of Inception) and cannot be compared with these; set "
        "extractor=inception2048 and weights for those. They are of networks that had collapsed or learned too little."
    )


def _curves(project: Project, titles: Mapping[str, str]) -> list[Any]:
    """Return the losses of each generator, all sizes in one chart and each alone."""
    blocks: list[Any] = []
    for title, run in titles.items():
        events, _ = JobFolder(project.path / "runs" / run).read_events()
        progress = [event for event in events if isinstance(event, Progress) and event.stats]
        keys = dict.fromkeys(key for event in progress for key in event.stats if key.endswith(" px"))

        def series(key: str, progress: list[Progress] = progress) -> Series:
            own = [event for event in progress if key in event.stats]
            return key, [event.step for event in own], [event.stats[key] for event in own]

        for network in ("generator", "discriminator"):
            own = [key for key in keys if key.startswith(network)]
            charts = [Curves.of(f"{title}, {network}, all sizes", [series(key) for key in own], "steps")]
            charts += [Curves.of(f"{title}, {key}", [series(key)], "steps", first=at) for at, key in enumerate(own)]
            known = [chart for chart in charts if chart is not None]
            blocks += [Charts(known, f"{title}: loss of the {network}")] if known else []
    return blocks or [Prose("No losses were recorded: the trainings were too short.", "faint")]


def _summary(titles: Mapping[str, str], sets: Mapping[str, SetScores]) -> str:
    """Return the result in a sentence."""
    known = {title: sets[run].by_name["kid"] for title, run in titles.items() if "kid" in sets[run].by_name}
    if not known:
        return "The sets are too small for a distance."
    best = min(known, key=lambda title: known[title].matched_value)
    found = known[best]
    return (
        f"{best} is nearest to the originals: KID {number(found.matched_value)}, originals among each other "
        f"{number(found.originals.low)} to {number(found.originals.high)}."
    )


def _deviations(settings: BlastocystSettings, results: Results) -> list[Deviation]:
    """Return what is not as published."""
    prepared = results[PREPARE]
    grades = ", ".join(prepared["classes"]) or "none"
    found = [
        Deviation("Images", "about 3,800 at 256 px", f"{prepared['images']} at {settings.side} px", "your images"),
        Deviation(
            "Grades",
            "ten classes, not given to the networks",
            f"{grades}; both networks draw the grade that they are asked for",
            "so that each grade can be compared with its own originals",
        ),
        Deviation(
            "Loss",
            "'Wasserstein with R1', which mixes two papers",
            "Wasserstein with gradient penalty",
            "the way of ProGAN's authors; set loss: w_r1 for a literal reading",
        ),
        Deviation(
            "Length",
            "not clear ('fewer than 3 epochs' of a size)",
            f"{settings.kimg:g} thousand images, shared equally by the sizes",
            "fixed, so that it can be repeated",
        ),
        Deviation(
            "Batch",
            "64 at the smallest size to 4 at the largest",
            f"{settings.batch} at {settings.side} px, doubled with each halving, at most 16 times",
            "the text gives only the ends",
        ),
        Deviation(
            "FID of 50,000 drawn images",
            "from 3,800 originals",
            "as many drawn images as originals, with the range of the originals among each other",
            "FID of few images is biased; KID is not",
        ),
    ]
    if settings.size == "small":
        found.append(
            Deviation(
                "Size",
                "networks of up to 512 feature maps, 16 to 256 px",
                f"up to 64 feature maps, 16 to {settings.side} px",
                "so that it ends within an hour on two cores",
            )
        )
    return found
