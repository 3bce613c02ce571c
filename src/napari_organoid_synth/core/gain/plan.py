"""The plan of a comparison: folds, and the tasks of each; nothing is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import Fold, find_fold_groups, make_folds, put_aside, split_groups
from napari_organoid_synth.core.gain.scored_classes import scored_classes
from napari_organoid_synth.core.gain.sentences import optimistic
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.task_maker import Generators, TaskMaker, places
from napari_organoid_synth.core.gain.tasks import Task, read_pairs
from napari_organoid_synth.core.pairs.groups import Grouping
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.segmentation.arms import data_of
from napari_organoid_synth.core.segmentation.segmenters.whole_images_config import is_hard

SIMULATED_CLASSES = {"mitochondria", "membranes"}
"""The only named classes that a simulator draws."""


@dataclass(frozen=True)
class Plan:
    """All tasks of a comparison, in an order in which they can be done, with warnings."""

    tasks: list[Task]
    folds: list[Fold]
    grouping: Grouping
    mask_kind: Any
    warnings: list[str]
    hard: tuple[str, ...] = ()


def make_plan(project: Project, settings: GainSettings, generators: Generators) -> Plan:
    """Make folds and tasks.

    Raises
    ------
    UserError
        As `gain`.
    """
    table = PairTable.from_file(project.pairs_path)
    rows = [entry for entry in table.matched if entry.masks]
    grouping = find_fold_groups(rows, settings.group_pattern, table.groups)
    test_names = [entry.name for entry in rows if entry.split == "test"]
    folds = make_folds(
        grouping.groups,
        settings.design,
        settings.folds,
        settings.test_share,
        test_names,
        settings.seed,
        grouping.series,
        grouping.strata,
        {entry.name: entry.n_objects or 0 for entry in rows} if settings.balance else None,
    )
    aside = put_aside(settings.design, settings.test_share, test_names)
    _refuse_unclear(settings)
    if optimistic(settings) and settings.design == "hold-out" and not settings.test_share:
        raise UserError(
            f"The paper protocol would train the generator on the {plural(len(test_names), 'image')} put aside.",
            "Expected images that are put aside to be in no training.",
            "Choose another design or a test share: only images that are not put aside are then seen and tested.",
        )
    by_name = {entry.name: entry for entry in rows}
    tested = [name for fold in folds for name in fold.test]
    scored = scored_classes(table, [by_name[name] for name in (*tested, *aside)], settings.score_classes)
    folds = scored.folds(folds)
    hashes, example = _check_pairs(table, sorted(grouping.groups))
    if (
        "simulated" in map(data_of, settings.arms)
        and example.mask_kind == "classes"
        and set(table.class_names) != SIMULATED_CLASSES
    ):
        raise UserError(
            f"The masks hold classes ({', '.join(table.class_names)}); no simulator draws these.",
            "Expected single objects for an arm with simulated pairs.",
            "Leave it out.",
        )
    maker = TaskMaker(project, settings, generators, hashes, example, aside, scored)
    tasks: dict[str, Task] = {}
    for place in places(settings, folds):
        for task in maker.tasks(place):
            tasks.setdefault(task.key, task)
    pattern = getattr(settings.segmenter, "hard", "")
    hard = tuple(entry.name for entry in rows if pattern and is_hard(entry, pattern))
    warnings = [*_warnings(settings, grouping, folds, aside), *scored.warnings([*tested, *aside])]
    return Plan(list(tasks.values()), folds, grouping, example.mask_kind, [*warnings, *maker.warnings()], hard)


def _refuse_unclear(settings: GainSettings) -> None:
    """Refuse a generator of masks on all images where there is none, or where all generators see them anyway."""
    if settings.masks_on_all and (settings.masks != "generated" or settings.paper_protocol):
        found = "all generators see all images" if settings.paper_protocol else f"masks are '{settings.masks}'"
        raise UserError(
            f"masks_on_all is set, and {found}.",
            "Expected masks=generated, without the paper protocol.",
            "Set masks to 'generated' and paper_protocol to false, or leave masks_on_all out.",
        )


def _check_pairs(table: PairTable, names: Sequence[str]) -> tuple[dict[str, str], SamplePair]:
    """Return the hash of every pair, and one of them; refuse pairs that do not fit together."""
    hashes, first = dict[str, str](), None
    for pair in read_pairs(table, dict.fromkeys(names, "")):
        first = first or pair
        if len(pair.image) != len(first.image) or pair.mask_kind != first.mask_kind:
            raise UserError(
                f"'{pair.name}' has {len(pair.image)} channels and a mask of {pair.mask_kind}.",
                f"Expected {len(first.image)} and {first.mask_kind}, like '{first.name}'.",
                "Take it out of the pairs.",
            )
        hashes[pair.name] = content_hash(pair.image, pair.labels)
    assert first is not None  # make_folds refuses fewer than two
    return hashes, first


def _warnings(
    settings: GainSettings,
    grouping: Grouping,
    folds: Sequence[Fold],
    aside: tuple[str, ...],
) -> list[str]:
    warnings = []
    if found := optimistic(settings):
        warnings.append(f"{found} This is the paper protocol.")
    if grouping.warning:
        warnings.append(grouping.warning)
    if both := sorted(split_groups(folds, grouping.groups)):
        warnings.append(
            f"Images of one group ({', '.join(both[:3])}{', …' if len(both) > 3 else ''}) are both trained on and "
            "tested. They look alike, so the scores are higher than on new samples. Choose the design 'grouped'."
        )
    trained = tuple({name for fold in folds for name in fold.train})
    if cut := sorted(split_groups([Fold(train=trained, test=aside)], grouping.groups)):
        warnings.append(
            f"Images of one group ({', '.join(cut[:3])}{', …' if len(cut) > 3 else ''}) are both trained on and put "
            "aside for the test. They look alike, so the scores of the images put aside are higher than on new "
            "samples. Put whole groups aside."
        )
    return warnings
