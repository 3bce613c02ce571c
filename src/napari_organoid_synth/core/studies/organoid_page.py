"""The page of the organoid study: its tables and figures beside the published ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from napari_organoid_synth.core.gain.results import GainResult, TableRow, arm_key, main_rows
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.report.charts import COLOURS, Cloud, Group
from napari_organoid_synth.core.report.rendering import Table, number
from napari_organoid_synth.core.scores.storage import SetScores
from napari_organoid_synth.core.segmentation.arms import needs_generator, title_of
from napari_organoid_synth.core.studies.areas import area_table
from napari_organoid_synth.core.studies.by_class import class_blocks
from napari_organoid_synth.core.studies.compared import first_sentence, name_of_arm, verdict
from napari_organoid_synth.core.studies.organoid_deviations import deviations
from napari_organoid_synth.core.studies.organoid_runs import Runs
from napari_organoid_synth.core.studies.organoid_settings import ARCHITECTURES, LOSSES, OrganoidSettings
from napari_organoid_synth.core.studies.page import NOT_KNOWN, Clouds, Prose, StudyPage, StudySection
from napari_organoid_synth.core.studies.parts import Results
from napari_organoid_synth.core.studies.pictures import error_gallery, marked_arms, sample_gallery
from napari_organoid_synth.core.studies.preparing import PREPARE
from napari_organoid_synth.core.studies.set_table import LEGEND, SEVEN, set_table

SCORES, MAP, SEGMENT, AREAS, CLASSES = "scores", "map", "table-3", "table-5", "table-6"
"""Names of parts."""
TRAINED = "Trained on originals and"

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
    "classical-organoid": "0.87 ± 0.03",
    "bce": "0.85",
    "bce_l1": "0.87",
    "least_squares": "0.86",
    "poisson": "0.87",
    "wasserstein": "0.88",
    "perceptual_wasserstein": "0.90 ± 0.04",
}
"""Published figures, as far as they are known here; of table 3 Dice, mean or mean ± SD."""


def page_of(project: Project, settings: OrganoidSettings, runs: Runs, results: Results) -> StudyPage:
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
    drawn = {**generators, **{title: run for title, run in losses.items() if run not in generators.values()}}
    maps = _figure_2(settings, losses, sets, results)
    sections = [
        StudySection("Figure 1. What the generators draw", "figure-1", sample_gallery(project, drawn)),
        StudySection("Table 1. Generators", "table-1", [legend, table_1, published]),
        StudySection("Table 2. Losses of the autoencoder", "table-2", [legend, table_2, published]),
        StudySection("Figure 2. Maps of originals and drawn images", "figure-2", maps),
        StudySection("Table 3. What the images are worth to a U-Net", "table-3", _table_3(project, runs, result)),
    ]
    planned = {_planned_title(name): sets[run] for name, run in runs.planned.items() if run in sets}
    if planned:
        base = {title: one for title, one in rows_1.items() if any(name.startswith(f"{title}, ") for name in planned)}
        table_4 = set_table("Generator", {**base, **planned}, columns, {})
        text = Prose("The losses on the other architectures, an autoencoder with skips; nothing of it is published.")
        sections.append(StudySection("Table 4. What the authors plan next", "table-4", [text, legend, table_4]))
    sections.append(StudySection("Table 5. Area and perimeter of what was marked", "table-5", _table_5(results, runs)))
    if CLASSES in results.records:
        drawn |= {_planned_title(name): run for name, run in runs.planned.items()}
        blocks = class_blocks(drawn, results[CLASSES])
        sections.append(StudySection("Table 6. Each class of images", "table-6", blocks))
    return StudyPage(
        _summary(rows_1, rows_2, result, runs), sections, deviations(settings, results[PREPARE]["images"]), True
    )


def _planned_title(name: str) -> str:
    """Return the title of a generator with another loss.

    Examples
    --------
    >>> _planned_title("dcgan_least_squares"), _planned_title("mine")
    ('DCGAN, Least squares', 'mine')
    """
    first, _, loss = name.partition("_")
    return f"{ARCHITECTURES[first]}, {LOSSES.get(loss, loss)}" if first in ARCHITECTURES and loss else name


def _extractor(sets: Mapping[str, SetScores]) -> str:
    names = [score.extractor for one in sets.values() for score in one.scores if score.extractor]
    return names[0] if names else "none"


def _figure_2(
    settings: OrganoidSettings, losses: Mapping[str, str], sets: Mapping[str, SetScores], results: Results
) -> list[Any]:
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
    own = settings.features == "own"
    features = "the codes of each autoencoder itself" if own else "the same features for all"
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
        Clouds(clouds, f"Originals and each loss alone, by {features}."),
        Table(head, rows),
    ]


def _cloud(label: str, places: Mapping[str, Any], titles: Mapping[str, str], first: int = 0) -> Cloud:
    """Return a map of originals and runs."""
    groups: list[Group] = [("originals", COLOURS[6], "dot", np.asarray(places[""], np.float64))]
    for place, (run, title) in enumerate(titles.items()):
        if places.get(run):
            groups.append((title, COLOURS[(first + place) % 6], "ring", np.asarray(places[run], np.float64)))
    return Cloud.of(label, groups)


def _generator_titles(runs: Runs, result: GainResult) -> dict[str, str]:
    """Return the title of each generator of the comparison, in the order of the rows."""
    titles = {run: LOSSES.get(name, name) for name, run in runs.losses.items()}
    several = {row.generator for row in result.table if "+" in row.generator}
    return titles | dict.fromkeys(several, "All losses together") | {"": next(iter(titles.values()), "")}


def _rows(runs: Runs, result: GainResult) -> dict[str, tuple[str, TableRow]]:
    """Return title and row of each arm by its key: those without a generator first."""
    titles = _generator_titles(runs, result)
    order = list(titles)
    rows = {}
    for row in sorted(
        main_rows(result.table), key=lambda row: order.index(row.generator) if needs_generator(row.arm) else -1
    ):
        title = {"raw": "Originals alone", "classical-organoid": "Classical augmentation"}.get(row.arm, row.arm)
        if needs_generator(row.arm):
            title = titles[row.generator] + ("" if row.arm == "raw+synthetic" else f", {row.arm}")
        rows[arm_key(row.arm, row.generator)] = name_of_arm(row, title), row
    return rows


def _table_3(project: Project, runs: Runs, result: GainResult) -> list[Any]:
    """Return Dice of each arm beside the published one, and a picture of the errors of each."""
    names = {run: name for name, run in runs.losses.items()} | {"": next(iter(runs.losses), "")}
    classes = list(next(iter(result.arms.values())).per_class) if result.mask_kind == "classes" else []
    lines, rows = list[list[str]](), _rows(runs, result)
    for key, (title, row) in rows.items():
        published = TABLE_3.get(names.get(row.generator, "") if needs_generator(row.arm) else row.arm, "")
        dice, better = row.scores["dice"], row.over_best.get("dice")
        change = f"{better.mean:+.3f} [{better.low:.3f}, {better.high:.3f}]" if better else "–"
        of_class = [f"{result.arms[key].per_class[name]['dice']:.3f}" for name in classes]
        others = [f"{row.scores[name].mean:.3f}" for name in ("precision", "recall")]
        ours = f"{dice.mean:.3f} ± {dice.sd:.3f}"
        lines.append([title, ours, published, *others, *of_class, change, f"{row.steps:,}"])
    head = [TRAINED, "Dice ± SD", "Dice, published", "Precision", "Recall", *(f"Dice, {name}" for name in classes)]
    table = Table([*head, "Change over the best without a generator", "Steps"], lines)
    titles = {key: title for key, (title, _) in rows.items()}
    return [Prose(verdict(result)), table, *error_gallery(project, marked_arms(SEGMENT, result, titles))]


def _table_5(results: Results, runs: Runs) -> list[Any]:
    """Return how far areas and perimeters of what the U-Nets of table 3 marked are from those of the masks."""
    titles = {key: title for key, (title, _) in _rows(runs, GainResult.parse(results[SEGMENT])).items()}
    text = (
        "Of each image that was tested, by the U-Net that had not seen it; the error is the mean over images ± SD. "
        "Every object with its area, perimeter, eccentricity and intensity is in tables/measurements.csv."
    )
    return [Prose(text), area_table(results[AREAS]["totals"], titles, TRAINED)]


def _summary(
    generators: Mapping[str, SetScores], losses: Mapping[str, SetScores], result: GainResult, runs: Runs
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
    best_row = max(main_rows(result.table), key=lambda row: row.scores["dice"].mean)
    name = (
        _generator_titles(runs, result)[best_row.generator] if needs_generator(best_row.arm) else title_of(best_row.arm)
    )
    text = f"The highest Dice, {best_row.scores['dice'].mean:.3f}, has the U-Net trained with: {name}."
    lines.append(f"{text} {first_sentence(result)}".strip())
    return " ".join(lines)
