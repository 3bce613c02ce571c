"""The organoid study: five generators, six losses of an autoencoder, and what their images are worth to a U-Net."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.gain.results import GainResult, TableRow, arm_key
from napari_organoid_synth.core.gain.sentences import gain_verdict
from napari_organoid_synth.core.gain.settings import HERE, GainSettings
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.report.charts import COLOURS, Cloud, Group
from napari_organoid_synth.core.report.rendering import Table, number
from napari_organoid_synth.core.scores.storage import SetScores
from napari_organoid_synth.core.segmentation.arms import title_of
from napari_organoid_synth.core.studies.commands import comparison, mapping, samples, scoring, training
from napari_organoid_synth.core.studies.organoid_settings import ARCHITECTURES, LOSSES, OrganoidSettings
from napari_organoid_synth.core.studies.page import NOT_KNOWN, Clouds, Deviation, Prose, StudyPage, StudySection
from napari_organoid_synth.core.studies.parts import Part, Results
from napari_organoid_synth.core.studies.pictures import error_gallery, sample_gallery
from napari_organoid_synth.core.studies.preparing import PREPARE, find_data, preparing
from napari_organoid_synth.core.studies.set_table import LEGEND, SEVEN, set_table
from napari_organoid_synth.core.studies.settings import PROJECT
from napari_organoid_synth.core.studies.study import Plan
from napari_organoid_synth.core.synthesis.settings import GenerateSettings

LEAST = 8
NEEDS = "at least eight images with masks"
SCORES, MAP, SEGMENT = "scores", "map", "table-3"

TABLE_1: dict[str, dict[str, str]] = {
    "Originals": {"fid": "0.47 to 0.80", "ssim": "up to 0.87", "hf_energy": "0.10 to 86.28"},
    "GAN": {"hf_energy": "2504"},
    "CGAN": {"hf_energy": "7561"},
    "AAE": {"fid": "1.20", "psnr": "12.89", "mse": "102.72"},
}
TABLE_2: dict[str, dict[str, str]] = {
    "Originals": TABLE_1["Originals"],
    "BCE": {"fid": "1.20", "psnr": "13.47", "mse": "103.13"},
    "Perceptual Wasserstein": {"fid": "0.82"},
}
TABLE_3 = {
    "classical": "0.87 ± 0.03",
    "bce": "0.85",
    "bce_l1": "0.87",
    "least_squares": "0.86",
    "poisson": "0.87",
    "wasserstein": "0.88",
    "perceptual_wasserstein": "0.90 ± 0.04",
}
"""Published figures, as far as they are known here; of table 3 Dice, mean or mean ± SD."""


@dataclass(frozen=True)
class _Runs:
    """Recipes of all generators by run, and the runs of each table by the name of their row.

    A generator that stands in both tables is trained once.
    """

    recipes: dict[str, Recipe]
    generators: dict[str, str]
    losses: dict[str, str]

    @property
    def all(self) -> list[str]:
        """Names of all runs."""
        return list(self.recipes)


def plan(folder: Path, settings: OrganoidSettings, control: Control) -> Plan:
    """Return the parts of the study in a folder, and its page."""
    project = Project(folder / PROJECT)
    data = find_data(settings.data)
    number_of = len(data.table.matched)
    runs = _runs(settings, number_of)
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
    parts += _maps(project, settings, runs, features, control)
    parts.append(_segmentation(folder, project, settings, runs, control))
    return Plan(parts, lambda results: _page(project, settings, runs, results))


def _runs(settings: OrganoidSettings, images: int) -> _Runs:
    """Return the recipes of all generators."""
    recipes: dict[str, Recipe] = {}

    def run_of(name: str, values: Mapping[str, Any]) -> str:
        recipe = _recipe(settings, values, images)
        same = next((run for run, other in recipes.items() if other == recipe), None)
        if same is None:
            same = name.replace("_", "-")
            recipes[same] = recipe
        return same

    losses = {
        name: run_of(f"aae-{name}" if name in LOSSES else name, values) for name, values in settings.losses.items()
    }
    generators = {name: run_of(name, values) for name, values in settings.generators.items()}
    return _Runs(recipes, generators, losses)


def _recipe(settings: OrganoidSettings, generator: Mapping[str, Any], images: int) -> Recipe:
    """Return the recipe of a generator: whole images, without turning, for so many epochs."""
    batch = max(1, min(settings.batch, images))
    steps = max(1, math.ceil(settings.epochs * images / batch))
    return Recipe.parse(
        {
            "gan": dict(generator),
            "tiles": {"size": settings.tile, "whole": settings.side, "turn": False, "flip": False, "min_objects": 0},
            "train": {
                "epochs": settings.epochs,
                "batch": batch,
                "seed": settings.seed,
                "device": settings.device,
                "threads": settings.threads,
                "precision": settings.precision,
                "preview_every": max(1, steps // 6),
                "checkpoint_every": max(1, steps // 10),
                "keep": 1,
            },
        }
    )


def _cost(recipe: Recipe) -> float:
    """Return about how long a training takes, in seconds of two cores at 64 px."""
    loss = getattr(recipe.gan, "loss", "")
    each = 6.0 if loss in ("wasserstein", "perceptual_wasserstein") else 1.0
    return 30 * each * (recipe.tiles.size / 64) ** 2


def _maps(
    project: Project, settings: OrganoidSettings, runs: _Runs, features: dict[str, Any], control: Control
) -> list[Part]:
    """Return the parts of figure 2: a map of each loss, and last that of all, which stays in the project."""
    shared = MapSettings(seed=settings.seed, restarts=settings.restarts, **features)
    parts = [
        mapping(
            project,
            shared.replace(runs=(run,)),
            control,
            [f"samples-{run}"],
            f"{MAP}-{run}",
            f"map {run}",
            share=2.0,
        )
        for run in dict.fromkeys(runs.losses.values())
    ]
    of_losses = list(dict.fromkeys(runs.losses.values()))
    made = [f"samples-{run}" for run in of_losses]
    return [*parts, mapping(project, shared.replace(runs=tuple(of_losses)), control, made, MAP, "map all losses", 4.0)]


def _segmentation(folder: Path, project: Project, settings: OrganoidSettings, runs: _Runs, control: Control) -> Part:
    """Return the part of table 3."""
    of_losses = list(dict.fromkeys(runs.losses.values()))
    images = settings.images or 1
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
    for run in of_losses:
        runs.recipes[run].to_file(folder / "recipes" / f"{run}.yaml")
    files = tuple(str(folder / "recipes" / f"{run}.yaml") for run in of_losses)
    recipes = {
        run: runs.recipes[run].model_dump(mode="json", exclude={"train": {"device", "threads"}}) for run in of_losses
    }
    compared = shared.replace(generator=files, pairs=images)
    return comparison(project, compared, control, [PREPARE], SEGMENT, title, 9 * share, {"recipes": recipes})


# ----------------------------------------------------------------------------------------------------------- the page


def _page(project: Project, settings: OrganoidSettings, runs: _Runs, results: Results) -> StudyPage:
    """Return the page: figure 1, tables 1 and 2, figure 2, table 3, and what differs from the published way."""
    sets = {one.run: one for one in map(SetScores.parse, results[SCORES]["sets"])}
    result = GainResult.parse(results[SEGMENT])
    generators = {ARCHITECTURES.get(name, name): run for name, run in runs.generators.items()}
    losses = {LOSSES.get(name, name): run for name, run in runs.losses.items()}
    columns = ("kid", *SEVEN)
    rows_1 = {title: sets[run] for title, run in generators.items() if run in sets}
    rows_2 = {title: sets[run] for title, run in losses.items() if run in sets}
    table_1, table_2 = set_table("Generator", rows_1, columns, TABLE_1), set_table("Loss", rows_2, columns, TABLE_2)
    legend = Prose(f"{LEGEND} Features: {_extractor(sets)}.", "faint")
    published = Prose(
        "Published FID, PSNR and MSE cannot be compared by their size: the network of the published FID is not named "
        "and its values are too small for the usual one, and the published MSE fits squares that wrapped around in 8 "
        "bits. "
        "Compare the order of the rows and which lie within the range of the originals.",
        "faint",
    )
    sections = [
        StudySection(
            "Figure 1. What the generators draw", "figure-1", sample_gallery(project, {**generators, **losses})
        ),
        StudySection("Table 1. Generators", "table-1", [legend, table_1, published]),
        StudySection("Table 2. Losses of the autoencoder", "table-2", [legend, table_2, published]),
        StudySection("Figure 2. Maps of originals and drawn images", "figure-2", _figure_2(losses, sets, results)),
        StudySection("Table 3. What the images are worth to a U-Net", "table-3", _table_3(project, runs, result)),
    ]
    return StudyPage(_summary(rows_1, rows_2, result, runs), sections, _deviations(settings, results), True)


def _extractor(sets: Mapping[str, SetScores]) -> str:
    names = [score.extractor for one in sets.values() for score in one.scores if score.extractor]
    return names[0] if names else "none"


def _figure_2(losses: Mapping[str, str], sets: Mapping[str, SetScores], results: Results) -> list[Any]:
    """Return the maps, and a table of their divergences."""
    rows, clouds = [], []
    for place, (title, run) in enumerate(losses.items()):
        found = results[f"{MAP}-{run}"]
        clouds.append(_cloud(f"{title}: KL {number(found['kl'])}", found["places"], {run: title}, place))
        apart = sets[run].by_name.get("c2st") if run in sets else None
        rows.append(
            [title, number(found["kl"]), number(found["perplexity"]), f"{apart.value:.2f}" if apart else "–", NOT_KNOWN]
        )
    together = results[MAP]
    names = {run: title for title, run in losses.items()}
    head = ["Loss", "KL", "Perplexity", "Told apart (0.5: not)", "KL, published"]
    text = (
        "t-SNE: images near each other have similar features. KL says how far the map distorts the neighbourhoods of "
        "the features; it is not a distance between originals and drawn images. For that see 'told apart': how often "
        "the nearest neighbour tells what an image is."
    )
    return [
        Prose(text),
        Clouds([_cloud(f"All losses: KL {number(together['kl'])}", together["places"], names)]),
        Clouds(clouds, "Originals and each loss alone."),
        Table(head, rows),
    ]


def _cloud(label: str, places: Mapping[str, Any], titles: Mapping[str, str], first: int = 0) -> Cloud:
    """Return a map of originals and runs."""
    import numpy as np

    groups: list[Group] = [("originals", COLOURS[6], "dot", np.asarray(places[""], np.float64))]
    for place, (run, title) in enumerate(titles.items()):
        if places.get(run):
            groups.append((title, COLOURS[(first + place) % 6], "ring", np.asarray(places[run], np.float64)))
    return Cloud.of(label, groups)


def _titles(runs: _Runs, result: GainResult) -> dict[str, str]:
    """Return the title of each generator of the comparison."""
    titles = {run: LOSSES.get(name, name) for name, run in runs.losses.items()}
    several = {row.generator for row in result.table if "+" in row.generator}
    return titles | dict.fromkeys(several, "All losses together") | {"": next(iter(titles.values()), "")}


def _table_3(project: Project, runs: _Runs, result: GainResult) -> list[Any]:
    """Return Dice of each arm beside the published one, and a picture of the errors of each."""
    titles = _titles(runs, result)
    keys = {run: name for name, run in runs.losses.items()} | {"": next(iter(runs.losses), "")}
    classes = list(next(iter(result.arms.values())).per_class) if result.mask_kind == "classes" else []
    rows, names = list[list[str]](), dict[str, str]()
    order = [*titles]
    for row in sorted(result.table, key=lambda row: order.index(row.generator) if row.generator else -1):
        published = TABLE_3.get("classical" if row.arm == "classical-organoid" else keys.get(row.generator, ""), "")
        published = published if row.synthetic or row.arm == "classical-organoid" else ""
        dice, better = row.scores["dice"], row.over_best.get("dice")
        title = {"raw": "Originals alone", "classical-organoid": "Classical augmentation"}.get(row.arm, row.arm)
        if row.synthetic:
            title = titles.get(row.generator, row.generator) + ("" if row.arm == "raw+synthetic" else f", {row.arm}")
        names[_arm(row)] = title
        change = f"{better.mean:+.3f} [{better.low:.3f}, {better.high:.3f}]" if better else "–"
        of_class = [f"{result.arms[_arm(row)].per_class[name]['dice']:.3f}" for name in classes]
        others = [f"{row.scores[name].mean:.3f}" for name in ("precision", "recall")]
        rows.append(
            [title, f"{dice.mean:.3f} ± {dice.sd:.3f}", published, *others, *of_class, change, f"{row.steps:,}"]
        )
    head = ["Trained on originals and", "Dice ± SD", "Dice, published", "Precision", "Recall"]
    head += [f"Dice, {name}" for name in classes]
    head += ["Change over the best without a generator", "Steps"]
    text = gain_verdict(result)
    return [Prose(text), Table(head, rows), *error_gallery(project, SEGMENT, result, names)]


def _arm(row: TableRow) -> str:
    return arm_key(row.arm, row.generator)


def _summary(
    generators: Mapping[str, SetScores], losses: Mapping[str, SetScores], result: GainResult, runs: _Runs
) -> str:
    """Return the result in some sentences."""
    lines = []
    for noun, sets in (("generators", generators), ("losses", losses)):
        known = {title: one.by_name["kid"].matched_value for title, one in sets.items() if "kid" in one.by_name}
        if len(known) > 1:
            best = min(known, key=lambda title: known[title])
            lines.append(
                f"Of {len(known)} {noun} {best} draws what is most like the originals (KID {number(known[best])})."
            )
    best_row = max(result.table, key=lambda row: row.scores["dice"].mean)
    name = _titles(runs, result)[best_row.generator] if best_row.synthetic else title_of(best_row.arm)
    lines.append(f"The highest Dice, {best_row.scores['dice'].mean:.3f}, has the U-Net trained with: {name}.")
    return " ".join(lines)


def _deviations(settings: OrganoidSettings, results: Results) -> list[Deviation]:
    """Return what is not as published."""
    images = results[PREPARE]["images"]
    found = [
        Deviation(
            "Images",
            "40 bright-field images, cropped and resized to 250 × 250 px",
            f"{images} images, the middle square of each at {settings.side} × {settings.side} px, grey",
            "your images; where the study cropped is not said",
        ),
        Deviation(
            "Size of the networks",
            "not given",
            f"{settings.tile} px: images are mirrored at their edges, samples are cut back",
            "networks that halve images need powers of two",
        ),
        Deviation(
            "Masks",
            "images alone are drawn",
            "image and mask are drawn together",
            "so that a drawn image needs no annotation before a U-Net learns from it",
        ),
        Deviation(
            "FID",
            "values of 0.47 to 4 with an extractor that is not named",
            f"features of '{settings.extractor}', beside KID",
            "such values cannot come from the usual 2048 features and 40 images; FID of few images is biased",
        ),
        Deviation(
            "MSE, PSNR, mutual information",
            "MSE near 100 with a PSNR of 12 to 16 dB, which do not fit each other",
            "floating point, range 0 to 255; mutual information from 0 to 1",
            "squares of 8-bit differences wrap around at 256",
        ),
        Deviation(
            "Blur",
            "variance of what a filter removes; low is called sharp",
            "the same with a median filter, judged against the originals in both directions",
            "noise raises it and blur lowers it",
        ),
        Deviation(
            "t-SNE",
            "perplexity 80 of 80 images",
            "30, or a third of the images",
            "the perplexity must be smaller than the number of images",
        ),
        Deviation(
            "InfoGAN",
            "said to feed the images of one epoch into the next",
            "as its authors published it",
            "the description is not InfoGAN",
        ),
        Deviation(
            "U-Net",
            "1000 epochs on all images but one",
            f"{settings.segmenter_steps:,} steps; of eight images or more a fifth is kept back to see what was learned",
            "no training is judged on the image that is tested",
        ),
    ]
    if settings.protocol == "published":
        found.append(
            Deviation(
                "Tested images",
                "the generators saw them",
                "the same (protocol: published)",
                "as published; set 'protocol: honest' for numbers that hold for new images",
            )
        )
    if settings.size == "small":
        found.append(
            Deviation(
                "Length",
                "2000 epochs",
                f"{settings.epochs:,} epochs, smaller networks",
                "so that it ends within an hour on two cores",
            )
        )
    return found
