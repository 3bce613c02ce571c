"""The organoid study: five generators, six losses of an autoencoder, and what their images are worth to a U-Net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_organoid_synth.core.gain.settings import HERE, GainSettings
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.studies.areas import measuring
from napari_organoid_synth.core.studies.by_class import scoring_by_class
from napari_organoid_synth.core.studies.commands import comparison, mapping, samples, scoring, training
from napari_organoid_synth.core.studies.organoid_page import AREAS, CLASSES, MAP, SCORES, SEGMENT, page_of
from napari_organoid_synth.core.studies.organoid_runs import Runs, runs_of
from napari_organoid_synth.core.studies.organoid_settings import OrganoidSettings
from napari_organoid_synth.core.studies.own_features import mapping_by_own
from napari_organoid_synth.core.studies.parts import Part
from napari_organoid_synth.core.studies.preparing import PREPARE, find_data, preparing
from napari_organoid_synth.core.studies.settings import PROJECT
from napari_organoid_synth.core.studies.study import Plan
from napari_organoid_synth.core.synthesis.settings import GenerateSettings

LEAST = 8
NEEDS = "at least eight images with masks"


def plan(folder: Path, settings: OrganoidSettings, control: Control) -> Plan:
    """Return the parts of the study in a folder, and its page."""
    project = Project(folder / PROJECT)
    data = find_data(settings.data)
    number_of = len(data.table.matched)
    runs = runs_of(settings, number_of)
    makes = GenerateSettings(number=settings.images or max(1, number_of), seed=settings.seed, device=settings.device)
    parts = [
        preparing(project, data, control, LEAST, NEEDS, settings.side, grey=True, classes=settings.classes),
    ]
    for run, recipe in runs.recipes.items():
        parts.append(training(project, run, recipe, control, f"train {run}", [PREPARE], share=_cost(recipe)))
        parts.append(samples(project, run, makes, control, f"draw with {run}", share=0.5))
    made = [f"samples-{run}" for run in runs.all]
    features: dict[str, Any] = {
        "extractor": settings.extractor, "weights": settings.weights, "device": settings.device
    }  # fmt: skip
    scores = ScoreSettings(seed=settings.seed, **features)
    parts.append(scoring(project, scores, control, made, SCORES, share=10.0))
    of_classes = [run for run, recipe in runs.recipes.items() if recipe.gan.class_conditional]
    if settings.classes and of_classes:
        needs = [f"samples-{run}" for run in of_classes]
        parts.append(scoring_by_class(project, of_classes, scores, control, needs, CLASSES))
    parts += _maps(project, settings, runs, features, control)
    parts.append(_segmentation(project, settings, runs, makes.number, control))
    parts.append(measuring(project, folder / "tables", SEGMENT, control, AREAS, share=2.0))
    return Plan(parts, lambda results: page_of(project, settings, runs, results))


def _cost(recipe: Recipe) -> float:
    """Return about how long a training takes, in seconds of two cores at 64 px."""
    loss = getattr(recipe.gan, "loss", "")
    each = 6.0 if loss in ("wasserstein", "perceptual_wasserstein") else 1.0
    return 30 * each * (recipe.tiles.size / 64) ** 2


def _maps(
    project: Project, settings: OrganoidSettings, runs: Runs, features: dict[str, Any], control: Control
) -> list[Part]:
    """Return the parts of figure 2: a map of each loss, and last that of all, which stays in the project."""
    shared = MapSettings(seed=settings.seed, restarts=settings.restarts, **features)
    parts = []
    for run in dict.fromkeys(runs.losses.values()):
        name, title = f"{MAP}-{run}", f"map {run}"
        if settings.features == "own":
            parts.append(mapping_by_own(project, run, shared, control, name, title, share=2.0))
        else:
            alone = shared.replace(runs=(run,))
            parts.append(mapping(project, alone, control, [f"samples-{run}"], name, title, share=2.0))
    of_losses = list(dict.fromkeys(runs.losses.values()))
    made = [f"samples-{run}" for run in of_losses]
    return [*parts, mapping(project, shared.replace(runs=tuple(of_losses)), control, made, MAP, "map all losses", 4.0)]


def _segmentation(project: Project, settings: OrganoidSettings, runs: Runs, images: int, control: Control) -> Part:
    """Return the part of table 3; ``images`` is the number that each generator draws."""
    of_losses = list(dict.fromkeys(runs.losses.values()))
    shared = GainSettings(
        segmenter=settings.segmenter.model_dump(),
        arms=settings.arms,
        design="leave-one-out",
        group_pattern="none",
        repeats=settings.repeats,
        seed=settings.seed,
        ratios=(1.0,),
        steps=settings.segmenter_steps,
        floor=settings.segmenter_steps,
        scheduler=HERE,
        device=settings.device,
        threads=settings.threads,
    )
    title, share = "train U-Nets, leave one out (table 3)", 60.0
    if settings.protocol == "published":
        together = ["+".join(of_losses)] * (settings.together and len(of_losses) > 1)
        compared = shared.replace(paper_protocol=True, pairs_from="store", generator=(*of_losses, *together))
        made = [f"samples-{run}" for run in of_losses]
        return comparison(project, compared, control, made, SEGMENT, title, share)
    files = tuple(f"recipes/{run}.yaml" for run in of_losses)  # in the project
    for run, file in zip(of_losses, files, strict=True):
        runs.recipes[run].to_file(project.path / file)
    recipes = {
        run: runs.recipes[run].model_dump(mode="json", exclude={"train": {"device", "threads"}}) for run in of_losses
    }
    compared = shared.replace(generator=files, pairs=images)
    return comparison(project, compared, control, [PREPARE], SEGMENT, title, 9 * share, {"recipes": recipes})
