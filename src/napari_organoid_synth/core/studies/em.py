"""The study of electron micrographs: membranes by transfer, micrographs painted on them, a U-Net for mitochondria."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.results import GainResult, arm_key, main_rows
from napari_organoid_synth.core.gain.settings import HERE, GainSettings
from napari_organoid_synth.core.job import Control, Event, JobFolder
from napari_organoid_synth.core.pairs.split import split_table
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.report.rendering import Table
from napari_organoid_synth.core.segmentation.arms import title_of
from napari_organoid_synth.core.segmentation.settings import AnnotateSettings
from napari_organoid_synth.core.studies.commands import begin_again, begun_with, comparison, samples, training
from napari_organoid_synth.core.studies.compared import first_sentence, name_of_arm, verdict
from napari_organoid_synth.core.studies.em_settings import EmSettings
from napari_organoid_synth.core.studies.page import NOT_KNOWN, Deviation, Prose, StudyPage, StudySection
from napari_organoid_synth.core.studies.parts import Part, Results
from napari_organoid_synth.core.studies.pictures import error_gallery, marked_arms, sample_gallery
from napari_organoid_synth.core.studies.preparing import PREPARE, find_classes, preparing
from napari_organoid_synth.core.studies.settings import PROJECT
from napari_organoid_synth.core.studies.study import Plan
from napari_organoid_synth.core.synthesis.settings import GenerateSettings

LEAST = 4
TEACHER = "project-source"
"""The project of the set with both classes."""
PREPARE_SOURCE, TRANSFER, SEGMENT, RUN = "prepare-source", "transfer", "segment", "painter"


def plan(folder: Path, settings: EmSettings, control: Control) -> Plan:
    """Return the parts of the study in a folder, and its page."""
    project, teacher = Project(folder / PROJECT), Project(folder / TEACHER)
    with_both, with_one = sets_of(settings)
    both, one = (settings.known, settings.target), (settings.known,)

    def used(table: PairTable) -> PairTable:
        return split_table(table.scaled(settings.scale), settings.test_share, settings.seed)

    of_used = {"scale": settings.scale, "test_share": settings.test_share, "seed": settings.seed}
    needs = f"at least {LEAST} images, with masks of"
    source = preparing(
        teacher, find_classes(with_both, both), control, LEAST, f"{needs} {' and '.join(both)}", more=used,
        of_more=of_used,
    )  # fmt: skip
    target = preparing(
        project, find_classes(with_one, one), control, LEAST, f"{needs} {settings.known}", more=used,
        of_more=of_used,
    )  # fmt: skip
    makes = GenerateSettings(number=settings.pairs, seed=settings.seed, device=settings.device, masks=settings.masks)
    parts = [
        replace(source, name=PREPARE_SOURCE, title="check the images with both classes"),
        replace(target, title=f"check the images with {settings.known} alone"),
        _transfer(project, teacher, settings, control),
        training(project, RUN, _recipe(settings), control, "train the painter", [TRANSFER], share=60.0),
        samples(project, RUN, makes, control, "paint micrographs", share=5.0),
        _segmentation(project, settings, control),
    ]
    return Plan(parts, lambda results: _page(project, settings, results))


def sets_of(settings: EmSettings) -> tuple[str, str]:
    """Return the folders of the set with both classes and of that with one.

    They are ``source`` and ``data``, or the two folders in ``data``, told apart by their masks.

    Raises
    ------
    UserError
        If the set with both classes is not there.
    """
    data = Path(settings.data).expanduser()
    if settings.source and Path(settings.source).expanduser().is_dir():
        return settings.source, settings.data
    inside = sorted(path for path in data.iterdir() if (path / "images").is_dir() and (path / "masks").is_dir())
    with_both = [path for path in inside if (path / "masks" / settings.target).is_dir()]
    if not settings.source and len(inside) == 2 and len(with_both) == 1:
        (with_one,) = set(inside) - set(with_both)
        return str(with_both[0]), str(with_one)
    found = f"There is no folder {settings.source}." if settings.source else "No set with both classes is named."
    raise UserError(
        found,
        f"Expected a folder with images/, masks/{settings.known}/ and masks/{settings.target}/.",
        f"Name it as source, or choose a folder that holds both sets; {data.name} holds {len(inside)}.",
    )


def _transfer(project: Project, teacher: Project, settings: EmSettings, control: Control) -> Part:
    """Return the part that learns the class that is missing and predicts it; the table then has both."""
    asked = AnnotateSettings(
        source=str(teacher.path),
        target=settings.target,
        noise=settings.noise,
        unet=settings.transfer,
        steps=settings.transfer_steps,
        seed=settings.seed,
        device=settings.device,
        threads=settings.threads,
    )

    def work(_: Results, key: str) -> Iterator[Event]:
        from napari_organoid_synth.core.segmentation.annotate import annotate

        path = project.path / "jobs" / TRANSFER
        if not begun_with(path, key):
            begin_again(path, key)
        job = JobFolder(path)
        job.begin("annotate", ["study"])
        yield from job.record(annotate(project, asked, control, folder=path))

    determined_by = asked.model_dump(mode="json", exclude={"source", "device", "threads"})
    title = f"learn {settings.target} with noise, and predict them"
    return Part(TRANSFER, title, work, determined_by, (PREPARE_SOURCE, PREPARE), 20.0)


def _recipe(settings: EmSettings) -> Recipe:
    """Return the recipe of the painter."""
    return Recipe.parse(
        {
            "gan": settings.painter.model_dump(),
            "tiles": {"size": settings.tile},
            "train": {
                "epochs": settings.epochs,
                "batch": settings.batch,
                "seed": settings.seed,
                "device": settings.device,
                "threads": settings.threads,
                "precision": settings.precision,
                "keep": 1,
            },
        }
    )


def _segmentation(project: Project, settings: EmSettings, control: Control) -> Part:
    """Return the part that trains the U-Nets and tests them on the images put aside."""
    compared = GainSettings(
        segmenter=settings.segmenter.model_dump(),
        arms=settings.arms,
        design="hold-out",
        pairs_from="store",
        generator=(RUN,),
        score_classes=(settings.known,),
        repeats=settings.repeats,
        seed=settings.seed,
        ratios=(1.0,),
        steps=settings.segmenter_steps,
        floor=settings.floor,
        scheduler=HERE,
        device=settings.device,
        threads=settings.threads,
    )
    title = f"train U-Nets for {settings.known}"
    return comparison(project, compared, control, [f"samples-{RUN}"], SEGMENT, title, share=40.0)


# ----------------------------------------------------------------------------------------------------------- the page


def _page(project: Project, settings: EmSettings, results: Results) -> StudyPage:
    """Return the page: the transfer, what is painted, the scores of the known class, what differs."""
    result = GainResult.parse(results[SEGMENT])
    names = {arm: title_of(arm) for arm in result.arms}
    sections = [
        StudySection(f"{settings.target.capitalize()} by transfer", "transfer", _transfer_table(settings, results)),
        StudySection("Painted micrographs", "painted", sample_gallery(project, {"Painted": RUN})),
        StudySection(f"{settings.known.capitalize()} found by a U-Net", "segmentation", [
            Prose(verdict(result)), _table(settings, result),
            *error_gallery(project, marked_arms(SEGMENT, result, names)),
        ]),
    ]  # fmt: skip
    return StudyPage(_summary(settings, results, result), sections, _deviations(settings, results), True)


def _transfer_table(settings: EmSettings, results: Results) -> list[Any]:
    """Return the scores on the test images of the first set, and how much is marked in the other."""
    found = results[TRANSFER]
    held = found["held_out"]
    text = (
        f"A U-Net learned {settings.target} from image and {settings.known} with noise of up to {settings.noise:g}, "
        f"and marked {plural(found['masks'], 'image')} of the other set, where none are drawn; its scores there are "
        "not known."
    )
    row = [settings.target, *(f"{held[name]:.3f}" if name in held else "–" for name in ("dice", "precision", "recall"))]
    head = ["Class", "Dice, first set", "Precision", "Recall", "Share marked in the other set", "Published"]
    return [Prose(text), Table(head, [[*row, f"{found['cover']:.1%}", NOT_KNOWN]])]


def _table(settings: EmSettings, result: GainResult) -> Table:
    """Return Dice, precision and recall of the known class for each arm."""
    rows = []
    for row in main_rows(result.table):
        own = result.arms.get(arm_key(row.arm, row.generator))
        of_class = own.per_class.get(settings.known, {}) if own is not None else {}
        spread = row.scores["dice"]
        change = row.over_best.get("dice") or row.gain.get("dice")
        rows.append(
            [
                name_of_arm(row),
                f"{spread.mean:.3f} ± {spread.sd:.3f}",
                *(f"{of_class[name]:.3f}" if name in of_class else "–" for name in ("precision", "recall")),
                f"{change.mean:+.3f} [{change.low:.3f}, {change.high:.3f}]" if change else "–",
                f"{row.synthetic:g}",
                NOT_KNOWN,
            ]
        )
    head = [
        "Trained on",
        f"Dice of {settings.known} ± SD",
        "Precision",
        "Recall",
        "Change",
        "Painted pairs",
        "Published",
    ]
    return Table(head, rows)


def _summary(settings: EmSettings, results: Results, result: GainResult) -> str:
    best = max(main_rows(result.table), key=lambda row: row.scores["dice"].mean)
    return (
        f"The highest Dice of {settings.known}, {best.scores['dice'].mean:.3f}, has the U-Net trained on: "
        f"{name_of_arm(best)}. {first_sentence(result)}"
    ).strip()


def _deviations(settings: EmSettings, results: Results) -> list[Deviation]:
    """Return what is not as published."""
    found = [
        Deviation(
            "Images",
            "two sets of electron micrographs",
            f"{results[PREPARE_SOURCE]['images']} with both classes, {results[PREPARE]['images']} with one",
            "your images",
        ),
        Deviation(
            "Noise of the transfer",
            "'heavy', its strength is not given",
            f"σ drawn up to {settings.noise:g} of the range, brightness and contrast too",
            "fixed, so that it can be repeated",
        ),
        Deviation(
            "Three discriminators",
            "how their losses are joined is not given",
            "their mean",
            "so that the weight of the absolute difference means the same with one and with three",
        ),
        Deviation(
            "Test",
            "not given",
            f"{settings.test_share:.0%} of the images are put aside, in no training of a painter or U-Net",
            "scores hold for new images",
        ),
    ]
    if settings.size == "small":
        found.append(
            Deviation(
                "Size",
                "256 px, 200 epochs, full networks",
                f"images at {settings.scale:.0%}, tiles of {settings.tile} px, {settings.epochs} epochs, smaller nets",
                "so that it ends within an hour on two cores",
            )
        )
    return found
