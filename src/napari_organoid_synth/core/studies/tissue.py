"""The tissue study: masks drawn as flows, images painted onto them, what the pairs are worth to two segmenters."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.gain.figures import bars
from napari_organoid_synth.core.gain.results import GainResult, TableRow, main_rows
from napari_organoid_synth.core.gain.settings import HERE, GainSettings
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.metrics.settings import FeatureSettings, ScoreSettings
from napari_organoid_synth.core.pairs.split import split_table
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.report.rendering import Table, number
from napari_organoid_synth.core.scores.storage import SetScores
from napari_organoid_synth.core.segmentation.arms import RAW, SCORES, needs_generator, title_of
from napari_organoid_synth.core.studies.commands import comparison, scoring, training
from napari_organoid_synth.core.studies.compared import first_sentence, name_of_arm, verdict
from napari_organoid_synth.core.studies.mask_parts import (
    CHECK,
    ENCODINGS,
    LONGER,
    MASKS,
    PAINTER,
    REAL,
    checking,
    comparing_encodings,
    drawn_pairs,
    gathering,
    kept_masks,
    painting_sources,
    pairs_only,
    preparing_encoding,
)
from napari_organoid_synth.core.studies.page import (
    NOT_KNOWN,
    Deviation,
    Drawings,
    Gallery,
    Prose,
    StudyPage,
    StudySection,
)
from napari_organoid_synth.core.studies.parts import Part, Results
from napari_organoid_synth.core.studies.pictures import error_gallery, marked_arms, mask_pictures, sample_gallery
from napari_organoid_synth.core.studies.preparing import PREPARE, find_data, preparing
from napari_organoid_synth.core.studies.set_table import LEGEND, set_table
from napari_organoid_synth.core.studies.settings import PROJECT
from napari_organoid_synth.core.studies.study import Plan
from napari_organoid_synth.core.studies.tissue_settings import TissueSettings

LEAST = 8
NEEDS = "at least eight images with a number for each cell"
SCORED, SCRATCH, TRANSFERRED, OTHER = "scores-sources", "scratch", "transferred", "other"
TITLES = {"stardist": "StarDist", "cellpose": "Cellpose"}
SOURCE_TITLES = {
    "generated": "Drawn as flows", "fitted": "Simulated, fitted to the masks", "simulated": "Simulated",
    "warped": "Real masks, bent", "real": "Real masks", "arranged": "Real cells at other places",
}  # fmt: skip
TABLE_1 = {
    "stardist": {"raw": "0.344; 0.248", "classical-tissue": "0.385; 0.331", "pretrain": "0.389; 0.357"},
    "cellpose": {"raw": "0.487; 0.382", "pretrain": "0.488; 0.386"},
}
"""Published accuracy of objects, salivary gland; fallopian tube, as far as it is known here."""
PUBLISHED_DISTANCES = (
    "Published for drawn masks: 54.3 (salivary gland, from random weights), 56.5 (fallopian tube, likewise), "
    "46.6 (fallopian tube, from the generator of the other set), in 2048 Inception features."
)


def plan(folder: Path, settings: TissueSettings, control: Control) -> Plan:
    """Return the parts of the study in a folder, and its page."""
    project, sources = Project(folder / PROJECT), Project(folder / "project-sources")
    features = FeatureSettings(extractor=settings.extractor, weights=settings.weights, device=settings.device)
    holds_out = settings.protocol == "hold-out"

    def used(table: PairTable) -> PairTable:
        table = pairs_only(table, settings.only)
        return split_table(table, settings.test_share, settings.seed) if holds_out else table

    of_used = {"only": settings.only, "test_share": settings.test_share * holds_out, "seed": settings.seed}
    parts = [
        preparing(project, find_data(settings.data), control, LEAST, NEEDS, more=used, of_more=of_used),
        training(project, MASKS, _masks(settings), control, "train the generator of masks", [PREPARE], 60.0),
        checking(project, MASKS, features, settings.checked, settings.seed, control, CHECK),
        training(project, PAINTER, _painter(settings), control, "train the painter", [PREPARE], 40.0),
        painting_sources(
            project, sources, settings.sources, settings.samples, settings.seed, control, settings.device
        ),
        scoring(
            sources, _scores(settings), control, ["samples-sources"], SCORED, "compare the sources of masks", 10.0
        ),
    ]  # fmt: skip
    if settings.encodings:
        parts += _encodings(folder, project, settings, features, control)
    if holds_out:
        parts.append(drawn_pairs(project, settings.samples, settings.seed, control, settings.device, 2.0))
    parts += [
        _segmentation(folder, project, settings, name, control) for name in settings.segmenters if installed(name)
    ]
    if settings.transfer:
        parts += _transfer(folder, project, settings, features, control)
    return Plan(parts, lambda results: _page(project, sources, settings, results))


def installed(segmenter: str) -> bool:
    """Return whether the library of a segmenter is there."""
    return segmenter not in TITLES or find_spec(segmenter) is not None


def _masks(settings: TissueSettings, draws: str = "masks", steps: int = 0, start: str = "") -> Recipe:
    """Return the recipe of the generator of masks."""
    steps = steps or settings.masks_steps
    return Recipe.parse(
        {
            "gan": settings.masks.model_dump(),
            "draws": draws,
            "start": {"run": start},
            "tiles": {"size": settings.tile, **({"min_objects": 0} if draws == "images" else {})},
            "codec": {"low": 0.0, "high": 100.0} if draws == "images" else {},
            "train": {
                **_computing(settings),
                "steps": steps,
                "batch": settings.masks_batch,
                "checkpoint_every": -(-steps // settings.checkpoints),  # so many, the last one at the end
                "preview_every": max(1, steps // 4),
                "keep": settings.checkpoints,
            },
        }
    )


def _painter(settings: TissueSettings) -> Recipe:
    """Return the recipe of the painter."""
    return Recipe.parse(
        {
            "gan": settings.painter.model_dump(),
            "tiles": {"size": settings.tile},
            "codec": {"condition": settings.condition},
            "train": {
                **_computing(settings), "epochs": settings.painter_epochs, "batch": settings.painter_batch, "keep": 1,
            },
        }
    )  # fmt: skip


def _computing(settings: TissueSettings) -> dict[str, Any]:
    return {
        "seed": settings.seed, "device": settings.device, "threads": settings.threads, "precision": settings.precision,
    }  # fmt: skip


def _scores(settings: TissueSettings) -> ScoreSettings:
    return ScoreSettings(
        by=("masks",), metrics=("objects",), seed=settings.seed, extractor=settings.extractor, weights=settings.weights,
        device=settings.device,
    )  # fmt: skip


def _encodings(
    folder: Path, project: Project, settings: TissueSettings, features: FeatureSettings, control: Control
) -> list[Part]:
    """Return the parts of figure 3: the same generator on binary masks and on labels as grey values."""
    parts, others = list[Part](), dict[str, Project]()
    for encoding, draws in (("binary", "masks"), ("labels", "images")):
        others[encoding] = Project(folder / f"project-{encoding}")
        parts.append(preparing_encoding(project, others[encoding], encoding, [PREPARE]))
        title = f"train the generator of masks on: {ENCODINGS[encoding].lower()}"
        trained = training(
            others[encoding], MASKS, _masks(settings, draws), control, title, [f"prepare-{encoding}"], 60.0
        )
        parts.append(replace(trained, name=f"train-{encoding}"))
    parts.append(comparing_encodings(project, others, features, settings.checked, settings.seed, control))
    return parts


def _segmentation(folder: Path, project: Project, settings: TissueSettings, name: str, control: Control) -> Part:
    """Return the part of table 1 and figure 6 for a segmenter."""
    shared = GainSettings(
        segmenter=settings.segmenters[name].model_dump(),
        arms=settings.arms,
        repeats=settings.repeats,
        seed=settings.seed,
        subsets=settings.subsets,
        ratios=(1.0,),
        steps=settings.segmenter_steps,
        floor=settings.floor,
        pairs=settings.samples,
        scheduler=HERE,
        device=settings.device,
        threads=settings.threads,
    )
    part, title = f"table-1-{name.replace('_', '-')}", f"train {TITLES.get(name, name)} (table 1, figure 6)"
    if settings.protocol == "hold-out":
        compared = shared.replace(design="hold-out", pairs_from="store", generator=(PAINTER,))
        return comparison(project, compared, control, [f"samples-{PAINTER}"], part, title, 40.0, fitted=_with_pairs)
    recipes = {MASKS: _masks(settings), PAINTER: _painter(settings)}
    for recipe_name, recipe in recipes.items():
        recipe.to_file(folder / "recipes" / f"{recipe_name}.yaml")
    compared = shared.replace(
        design="k-fold", folds=settings.folds, balance=True, masks="generated", masks_on_all=True,
        generator=(str(folder / "recipes" / f"{PAINTER}.yaml"),),
        mask_generator=str(folder / "recipes" / f"{MASKS}.yaml"),
    )  # fmt: skip
    determined_by = {
        one: recipe.model_dump(mode="json", exclude={"train": {"device", "threads"}}) for one, recipe in recipes.items()
    }
    return comparison(project, compared, control, [PREPARE], part, title, 200.0, {"recipes": determined_by})


def _with_pairs(settings: GainSettings, results: Results) -> GainSettings:
    """Leave arms out that need drawn pairs where there are none."""
    if "left_out" not in results[f"samples-{PAINTER}"]:
        return settings
    arms = tuple(arm for arm in settings.arms if not needs_generator(arm))
    return settings.replace(arms=arms or (RAW,), pairs_from="folds", generator=())


def _transfer(
    folder: Path, project: Project, settings: TissueSettings, features: FeatureSettings, control: Control
) -> list[Part]:
    """Return the parts that compare a generator of masks that began on another set with one that did not."""
    other = Project(folder / "project-other")
    prepared = preparing(
        other, find_data(settings.transfer), control, LEAST, NEEDS,
        more=lambda table: pairs_only(table, settings.transfer_only), of_more={"only": settings.transfer_only},
    )  # fmt: skip
    first = training(
        other,
        MASKS,
        _masks(settings),
        control,
        "train a generator of masks on the other set",
        [f"prepare-{OTHER}"],
        60.0,
    )
    start, steps = str(other.path / "runs" / MASKS), settings.transfer_steps
    return [
        replace(prepared, name=f"prepare-{OTHER}", title="check the images of the other set"),
        replace(first, name=f"train-{OTHER}"),
        training(
            project, SCRATCH, _masks(settings, steps=steps), control, "train masks from random weights", [PREPARE]
        ),
        training(
            project, TRANSFERRED, _masks(settings, steps=steps, start=start), control, "train masks from the other set",
            [PREPARE, f"train-{OTHER}"],
        ),
        checking(project, SCRATCH, features, settings.checked, settings.seed, control, f"check-{SCRATCH}"),
        checking(project, TRANSFERRED, features, settings.checked, settings.seed, control, f"check-{TRANSFERRED}"),
        gathering(
            [f"check-{SCRATCH}", f"check-{TRANSFERRED}"], "compare both",
            [f"check-{SCRATCH}", f"check-{TRANSFERRED}"],
        ),
    ]  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- the page


def _page(project: Project, sources: Project, settings: TissueSettings, results: Results) -> StudyPage:
    """Return the page: figure 3, figure 5, table 1, figure 6, transfer, what differs."""
    sections = [StudySection("Which checkpoint draws the masks", "checkpoints", _checkpoints(results))]
    if settings.encodings:
        sections.append(StudySection("Figure 3. How masks are encoded", "figure-3", _figure_3(project, results)))
    sections.append(StudySection("Figure 5. Sources of masks", "figure-5", _figure_5(sources, settings, results)))
    for name in settings.segmenters:
        title = TITLES.get(name, name)
        if not installed(name):
            text = Prose(f"{title} is not installed and was left out.", "faint")
            sections.append(StudySection(f"Table 1. {title}", f"table-1-{name}", [text]))
            continue
        result = GainResult.parse(results[f"table-1-{name.replace('_', '-')}"])
        blocks = [*_without_pairs(results), *_table_1(project, name, result)]
        sections.append(StudySection(f"Table 1. {title}", f"table-1-{name}", blocks))
        if len(settings.subsets) > 1:
            drawn: list[Any] = [
                Drawings(
                    {f"{SCORES[result.score]}, mean ± SD over images": bars(main_rows(result.table), result.score)}
                ),
                _subsets(result),
            ]
            sections.append(StudySection(f"Figure 6. {title} with fewer images", f"figure-6-{name}", drawn))
    if settings.transfer:
        sections.append(StudySection("Transfer between sets", "transfer", _transfer_table(settings, results)))
    return StudyPage(_summary(settings, results), sections, _deviations(settings, results), True)


def _without_pairs(results: Results) -> list[Any]:
    """Say which arms could not be trained, if there are no drawn pairs."""
    drawn = results.records.get(f"samples-{PAINTER}")
    why = drawn.result.get("left_out", "") if drawn is not None else ""
    return [Prose(f"Training with drawn pairs was left out. {why} {LONGER}")] if why else []


def _checkpoints(results: Results) -> list[Any]:
    found = results[CHECK]
    rows = [
        [f"{int(step):,}", number(value), "draws" if int(step) == found["checkpoint"] else ""]
        for step, value in found["distances"].items()
    ]
    report = found["decode"]
    text = (
        f"The masks of step {found['checkpoint']:,} are nearest to the real ones; {report['passed']:.0%} of "
        f"{report['masks']} pass the check."
    )
    return [Prose(text), Table(["Checkpoint", "Distance of flows ↓", ""], rows), Prose(PUBLISHED_DISTANCES, "faint")]


def _figure_3(project: Project, results: Results) -> list[Any]:
    """Return the check of masks in each encoding, and some of them beside real ones."""
    found = results["figure-3"]
    rows = [
        [
            ENCODINGS[name], f"{one['passed']:.0%}", f"{one['objects']:g} ({one['real_objects']:g})",
            f"{one['area']:g} ({one['real_area']:g})", f"{one['merged']:.0%}", f"{one['fragments']:.0%}",
            number(one["distance"]),
        ]
        for name, one in found.items()
    ]  # fmt: skip
    text = (
        "The same generator on three encodings of the same masks; what it draws is decoded to cells and checked alike: "
        "cells in pieces or run together, and about as many as in real masks. The check looks at each mask alone: see "
        "below whether they differ. Whether arrows fit as they were drawn stands above, for flows alone. "
        "Published as pictures: binary masks run together where cells touch, raw labels fall into pieces."
    )
    head = [
        "Encoding", "Pass the check", "Cells in a mask (real)", "Area, px (real)", "Seem to be several", "In pieces",
        "Distance of flows ↓",
    ]  # fmt: skip
    blocks: list[Any] = [Prose(text), Table(head, rows)]
    for name, title in {REAL: "Real masks", **ENCODINGS}.items():
        if drawn := mask_pictures(kept_masks(project, name)):
            blocks.append(Gallery(drawn, title))
    return blocks


def _figure_5(sources: Project, settings: TissueSettings, results: Results) -> list[Any]:
    """Return the distances of masks and images for each source of masks, and pictures."""
    sets = {dict(one.parts).get("masks", ""): one for one in map(SetScores.parse, results[SCORED]["sets"])}
    rows = {SOURCE_TITLES.get(name, name): sets[name] for name in settings.sources if name in sets}
    blocks: list[Any] = [Prose(LEGEND, "faint")]
    if rows:
        blocks.append(set_table("Masks", rows, ("flow_fid", "flow_kid", "fid", "kid"), {}))
    blocks += [
        Prose(f"{SOURCE_TITLES.get(name, name)}: left out. {why}", "faint")
        for name, why in results["samples-sources"]["left_out"].items()
    ]
    return [*blocks, Prose(PUBLISHED_DISTANCES, "faint"), *sample_gallery(sources, {"Painted": PAINTER})]


def _table_1(project: Project, name: str, result: GainResult) -> list[Any]:
    """Return the accuracy of objects of each arm on all images of a training, beside the published one."""
    score, largest = result.score, max(row.subset for row in result.table)
    rows = []
    for row in main_rows(result.table):
        if row.subset != largest:
            continue
        spread, change = row.scores[score], row.over_best.get(score) or row.gain.get(score)
        rows.append(
            [
                name_of_arm(row), f"{spread.mean:.3f} ± {spread.sd:.3f}",
                TABLE_1.get(name, {}).get(row.arm, NOT_KNOWN),
                f"{change.mean:+.3f} [{change.low:.3f}, {change.high:.3f}]" if change else "–",
                f"{row.synthetic:g}", f"{row.steps:,}",
            ]
        )  # fmt: skip
    head = [
        "Trained on",
        f"{SCORES[score][:1].upper()}{SCORES[score][1:]}",
        "Published, two sets",
        "Change",
        "Drawn pairs",
    ]
    part = f"table-1-{name.replace('_', '-')}"
    names = {arm: title_of(arm) for arm in result.arms}
    return [
        Prose(verdict(result)),
        Table([*head, "Steps"], rows),
        *error_gallery(project, marked_arms(part, result, names)),
    ]


def _subsets(result: GainResult) -> Table:
    """Return the accuracy of each arm at each share of the training images."""
    shares = sorted({row.subset for row in result.table}, reverse=True)
    arms = dict.fromkeys(row.arm for row in result.table)

    def cell(arm: str, share: float) -> str:
        found = [row for row in main_rows(result.table) if (row.arm, row.subset) == (arm, share)]
        return _spread(found[0], result.score) if found else "–"

    rows = [[title_of(arm), *(cell(arm, share) for share in shares)] for arm in arms]
    return Table(["Trained on", *(f"{100 * share:.4g} % of the images" for share in shares)], rows)


def _spread(row: TableRow, score: str) -> str:
    return f"{row.scores[score].mean:.3f} ± {row.scores[score].sd:.3f}"


def _transfer_table(settings: TissueSettings, results: Results) -> list[Any]:
    found = results["transfer"]["distances"]
    titles = {f"check-{SCRATCH}": "Random weights", f"check-{TRANSFERRED}": "The generator of the other set"}
    rows = [[titles[name], number(value)] for name, value in found.items()]
    text = f"Distance of flows of the nearest checkpoint after {settings.transfer_steps:,} steps on these images."
    return [Prose(text), Table(["Began with", "Distance of flows ↓"], rows), Prose(PUBLISHED_DISTANCES, "faint")]


def _summary(settings: TissueSettings, results: Results) -> str:
    """Return the result in some sentences."""
    lines = []
    if settings.encodings:
        found = results["figure-3"]
        lines.append(
            "Masks that pass the check: "
            + ", ".join(f"{ENCODINGS[name].lower()} {one['passed']:.0%}" for name, one in found.items())
            + "."
        )
    for name in filter(installed, settings.segmenters):
        result = GainResult.parse(results[f"table-1-{name.replace('_', '-')}"])
        rows = main_rows(result.table)
        largest = max(row.subset for row in rows)
        best = max((row for row in rows if row.subset == largest), key=lambda row: row.scores[result.score].mean)
        mean = best.scores[result.score].mean
        text = f"{TITLES.get(name, name)} has its highest accuracy, {mean:.3f}, with {name_of_arm(best)}."
        lines.append(f"{text} {first_sentence(result)}".strip())
    return " ".join(lines)


def _deviations(settings: TissueSettings, results: Results) -> list[Deviation]:
    """Return what is not as published."""
    found = [
        Deviation(
            "Images",
            "10 of salivary gland, some more of fallopian tube",
            f"{results[PREPARE]['images']} images",
            "your images",
        ),
        Deviation(
            "Flows",
            "stored in 8 bits, turned like pictures when augmented",
            "numbers from -1 to 1; arrows turn with the plane",
            "8 bits cannot hold a flow of 0, and a turned picture of arrows is no flow",
        ),
        Deviation(
            "Condition of the painter",
            "raw labels as grey values",
            settings.condition,
            "numbers above 255 wrap around; set condition: labels for the published way",
        ),
        Deviation(
            "Length of trainings",
            "fixed epochs, not equal between the ways",
            f"at most {settings.segmenter_steps:,} steps, until the score of held-back parts stops rising",
            "otherwise a gain may come from more training",
        ),
        Deviation(
            "Fine-tuning",
            "20 epochs after 100",
            "until the score stops rising; classical augmentation in both halves",
            "as in every comparison here",
        ),
    ]
    if settings.protocol == "hold-out":
        found.append(
            Deviation(
                "Folds",
                "5 and 4 folds with as many cells each; the generator of masks saw all images",
                f"one split, {settings.test_share:.0%} put aside; no generator saw them",
                "one training of each generator; set protocol: published for the folds",
            )
        )
    if settings.size == "small":
        found.append(
            Deviation(
                "Size",
                "256 px, four graphics cards, 6,500 to 12,140 thousand tiles",
                f"{settings.tile} px, {settings.masks_steps * settings.masks_batch / 1000:.3g} thousand tiles",
                "so that it ends within an hour on two cores",
            )
        )
    return found
