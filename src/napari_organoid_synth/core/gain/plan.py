"""The plan of a comparison: folds, and the tasks of each; nothing is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import Fold, find_fold_groups, make_folds, put_aside, split_groups, subset
from napari_organoid_synth.core.gain.scored_classes import ScoredClasses, scored_classes
from napari_organoid_synth.core.gain.sentences import OPTIMISTIC
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.stored_pairs import StoredPairs
from napari_organoid_synth.core.gain.tasks import (
    ArmTask,
    GeneratorTask,
    Hashes,
    PairsTask,
    SimulatorTask,
    StoredPair,
    Task,
    read_pairs,
)
from napari_organoid_synth.core.pairs.groups import Grouping
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.segmentation.arms import RAW, data_of, has_ratio, needs_generator, title_of

SIMULATED_CLASSES = {"mitochondria", "membranes"}
"""The only named classes that a simulator draws."""
SIMULATED_SIZE = 64, 4096
"""Smallest and largest side of simulated images, px."""


@dataclass(frozen=True)
class Plan:
    """All tasks of a comparison, in an order in which they can be done, with warnings."""

    tasks: list[Task]
    folds: list[Fold]
    grouping: Grouping
    mask_kind: Any
    warnings: list[str]


def make_plan(project: Project, settings: GainSettings, recipes: Mapping[str, Recipe]) -> Plan:
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
    )
    aside = put_aside(settings.design, settings.test_share, test_names)
    if settings.paper_protocol and settings.design == "hold-out" and not settings.test_share:
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
    maker = _TaskMaker(project, settings, recipes, hashes, example, aside, scored)
    tasks: dict[str, Task] = {}
    for place in _places(settings, folds):
        for task in maker.tasks(place):
            tasks.setdefault(task.key, task)
    warnings = [*_warnings(settings, grouping, folds, aside), *scored.warnings([*tested, *aside])]
    return Plan(list(tasks.values()), folds, grouping, example.mask_kind, [*warnings, *maker.warnings()])


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
    if settings.paper_protocol:
        warnings.append(f"{OPTIMISTIC} This is the paper protocol.")
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


@dataclass(frozen=True)
class _Place:
    """Place of a task in the grid of seeds, folds and shares."""

    fold: int
    seed: int
    subset: float
    train: tuple[str, ...]
    test: tuple[str, ...]
    parts: tuple[str, ...]
    """Parts of a title, where there are several folds, repeats, shares."""

    def title(self, what: str, *more: str) -> str:
        """Return a title such as ``"synthetic pairs, fold 2, ratio 3"``."""
        return ", ".join([what, *self.parts, *more])


def _places(settings: GainSettings, folds: Sequence[Fold]) -> Iterator[_Place]:
    """Yield every seed, fold and share of the training images."""
    shares = list(dict.fromkeys(settings.subsets))
    for repeat in range(settings.repeats):
        for number, fold in enumerate(folds):
            for share in shares:
                train = subset(fold.train, share, settings.seed + repeat)
                parts = [f"fold {number + 1}"] * (len(folds) > 1)
                parts += [f"repeat {repeat + 1}"] * (settings.repeats > 1)
                parts += [f"{len(train)} images"] * (len(shares) > 1)
                yield _Place(number, settings.seed + repeat, share, train, fold.test, tuple(parts))


class _TaskMaker:
    """Maker of the tasks of one place: those that make pairs, then the arms."""

    def __init__(
        self,
        project: Project,
        settings: GainSettings,
        recipes: Mapping[str, Recipe],
        hashes: Hashes,
        example: SamplePair,
        aside: Sequence[str],
        scored: ScoredClasses,
    ) -> None:
        self.settings, self.recipes, self.hashes, self.example = settings, recipes, hashes, example
        self.aside, self.scored = aside, scored
        self.store = StoredPairs(project)
        self.where: dict[str, Any] = {
            "project": str(project.path),
            "device": settings.device,
            "threads": settings.threads,
        }
        self.arms = list(dict.fromkeys([RAW, *settings.arms]))
        self._places, self._without_accepted = 0, 0
        self._warnings: list[str] = []

    def tasks(self, place: _Place) -> list[Task]:
        """Return all tasks of a place, those first that others need."""
        stored = self._stored(place)
        trained = {arm for arm in self.arms if needs_generator(arm)} - stored.keys()
        generator = self._generator(place) if trained else None
        simulator = self._simulator(place) if "simulated" in map(data_of, self.arms) else None
        tasks: list[Task] = [task for task in (generator, simulator) if task is not None]
        for arm in self.arms:
            source = simulator if data_of(arm) == "simulated" else generator if arm in trained else None
            for ratio in dict.fromkeys(self.settings.ratios) if has_ratio(arm) else (self.settings.ratios[0],):
                tasks.append(self._arm(arm, ratio, place, source, stored.get(arm, ())))
        return tasks

    def warnings(self) -> list[str]:
        """Return the warnings about the pairs of the store, each once."""
        warnings = list(dict.fromkeys(self._warnings))
        if left_out := self.store.misfits.warning():
            warnings.append(left_out)
        if self._without_accepted and (accepted := self.store.accepted):
            warnings.append(
                f"The {len(accepted)} accepted pairs are not used in {self._without_accepted} of {self._places} "
                "cases: their generator saw images that are tested, or it is not known what it saw. There the most "
                "realistic pairs of a generator trained in the fold are used (automatically curated)."
            )
        return warnings

    def _stored(self, place: _Place) -> dict[str, tuple[StoredPair, ...]]:
        """Return the arms that train on pairs of the store, with these pairs."""
        settings = self.settings
        if settings.pairs_from == "store":
            stored = {}
            for arm in self.arms:
                if needs_generator(arm):
                    pairs, warnings = self.store.of_arm(arm, self.example, settings, place.seed)
                    tested = self.aside if settings.paper_protocol else (*place.test, *self.aside)
                    self.store.refuse_leaks(pairs, self._hashes(tested))
                    self._warnings += warnings
                    stored[arm] = tuple(known.pair for known in pairs)
            return stored
        curated = [arm for arm in self.arms if data_of(arm) == "curated"]
        if not curated:
            return {}
        accepted = self.store.certain(self.hashes, self._seen(place))
        self._places += 1
        self._without_accepted += not accepted
        return dict.fromkeys(curated, accepted) if accepted else {}

    def _hashes(self, names: Sequence[str]) -> Hashes:
        return {name: self.hashes[name] for name in names}

    def _seen(self, place: _Place) -> Sequence[str]:
        """Return the images that a generator sees: those to train on, or in the paper protocol all not put aside."""
        return sorted(set(self.hashes) - set(self.aside)) if self.settings.paper_protocol else place.train

    def _of_pairs(self, place: _Place) -> dict[str, Any]:
        """Return the fields that both kinds of tasks that make pairs share."""
        train = self._seen(place)
        return {
            **self.where,
            "train": self._hashes(train),
            "held": self._hashes(sorted(set(self.hashes) - set(train))),
            "seed": place.seed,
            "number": self.settings.pairs,
        }

    def _generator(self, place: _Place) -> GeneratorTask:
        settings = self.settings
        return GeneratorTask(
            title=self._title("training the generator", place),
            recipes=self.recipes,
            masks=settings.masks,
            curate="curated" in map(data_of, settings.arms),
            curated_share=settings.curated_share,
            **self._of_pairs(place),
        )

    def _simulator(self, place: _Place) -> SimulatorTask:
        recipe = self.recipes.get("generator")
        tile = recipe.tiles.size if recipe else self.settings.segmenter.crops.side
        smallest, largest = SIMULATED_SIZE
        return SimulatorTask(
            title=self._title("simulating", place),
            size=min(max(smallest, tile), largest),
            **self._of_pairs(place),
        )

    def _title(self, what: str, place: _Place) -> str:
        return f"{what}, all images" if self.settings.paper_protocol else place.title(what)

    def _arm(
        self, arm: str, ratio: float, place: _Place, source: PairsTask | None, stored: tuple[StoredPair, ...]
    ) -> ArmTask:
        settings = self.settings
        is_first = place.seed == settings.seed and ratio == settings.ratios[0]
        several = has_ratio(arm) and len(set(settings.ratios)) > 1
        return ArmTask(
            **self.where,
            title=place.title(title_of(arm), *[f"ratio {ratio:g}"] * several),
            arm=arm,
            ratio=ratio,
            subset=place.subset,
            fold=place.fold,
            seed=place.seed,
            steps=settings.steps,
            segmenter=settings.segmenter,
            train=self._hashes(place.train),
            test=self._hashes(place.test),
            put_aside=self._hashes(self.scored.tested(self.aside)),
            scored={name: its for name, its in self.scored.partial.items() if name in {*place.test, *self.aside}},
            source=source.key if source else "",
            stored=stored,
            paper_protocol=settings.paper_protocol,
            show=is_first and place.subset == max(settings.subsets),
        )
