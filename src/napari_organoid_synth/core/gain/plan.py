"""The plan of a comparison: folds, and the tasks of each; nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.cost_estimate import MIXED
from napari_organoid_synth.core.gain.folds import Fold, Grouping, find_groups, make_folds, split_groups, subset
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.table import ARMS, GENERATED, OPTIMISTIC, RAW
from napari_organoid_synth.core.gain.tasks import Task, new_task, read_pairs
from napari_organoid_synth.core.pairs.pair import content_hash
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe

SIMULATED = {"mitochondria", "membranes"}  # the only named classes that a simulator draws


@dataclass(frozen=True)
class Plan:
    """All tasks of a comparison and what is worth knowing about them."""

    tasks: list[Task]
    folds: list[Fold]
    grouping: Grouping
    mask_kind: str
    warnings: list[str]


def make_plan(project: Project, settings: GainSettings, recipes: Mapping[str, Recipe]) -> Plan:
    """Folds and tasks; nothing is trained.

    Raises
    ------
    UserError
        As `gain`.
    """
    table = PairTable.from_file(project.pairs_path)
    rows = [entry for entry in table.matched if entry.masks]
    grouping = find_groups(rows, settings.group_pattern)
    held = [entry.name for entry in rows if entry.split == "test"]
    folds = make_folds(
        grouping.groups, settings.design, settings.folds, settings.test_share, held, settings.seed, grouping.row
    )
    hashes, mask_kind = _hashes(table, sorted(grouping.groups))
    warnings = _warnings(settings, grouping, folds)
    if "simulator" in settings.arms and mask_kind == "classes" and set(table.class_names) != SIMULATED:
        raise UserError(
            f"The masks hold classes ({', '.join(table.class_names)}); no simulator draws these.",
            "Expected single objects for the arm 'simulator'.",
            "Leave it out.",
        )
    accepted = _Accepted(project) if "curated" in settings.arms else None
    maker = _Maker(project, settings, recipes, hashes)
    tasks: dict[str, Task] = {}
    by_itself = 0
    for repeat in range(settings.repeats):
        for number, fold in enumerate(folds):
            for share in dict.fromkeys(settings.subsets):
                train = subset(fold.train, share, settings.seed + repeat)
                title = f"fold {number + 1}"
                title += f", repeat {repeat + 1}" * (settings.repeats > 1)
                title += f", {len(train)} images" * (len(set(settings.subsets)) > 1)
                place = _Place(number, settings.seed + repeat, share, train, fold.test, title)
                by_hand = accepted.clean(hashes, train, settings.paper_protocol) if accepted else []
                by_itself += bool(accepted) and not by_hand
                for task in maker.tasks(place, by_hand):
                    tasks.setdefault(task.key, task)
    if accepted and accepted.known and by_itself:
        warnings.append(
            f"The {len(accepted.known)} accepted pairs are not used in {by_itself} of "
            f"{settings.repeats * len(folds) * len(dict.fromkeys(settings.subsets))} cases: their generator saw images "
            "that are tested, or it is not known what it saw. There the most realistic pairs of a generator trained in "
            "the fold stand in (automatically curated)."
        )
    return Plan(list(tasks.values()), folds, grouping, mask_kind, warnings)


def _hashes(table: PairTable, names: Sequence[str]) -> tuple[dict[str, str], str]:
    """Content of every pair; refuses pairs that do not fit together."""
    hashes, first = {}, None
    for pair in read_pairs(table, dict.fromkeys(names, "")):
        first = first or pair
        if len(pair.image) != len(first.image) or pair.mask_kind != first.mask_kind:
            raise UserError(
                f"'{pair.name}' has {len(pair.image)} channels and a mask of {pair.mask_kind}.",
                f"Expected {len(first.image)} and {first.mask_kind}, like '{first.name}'.",
                "Take it out of the pairs.",
            )
        hashes[pair.name] = content_hash(pair.image, pair.labels)
    return hashes, first.mask_kind if first else "binary"


def _warnings(settings: GainSettings, grouping: Grouping, folds: Sequence[Fold]) -> list[str]:
    found = []
    if settings.paper_protocol:
        found.append(f"{OPTIMISTIC} This is the paper protocol.")
    if grouping.warning:
        found.append(grouping.warning)
    if both := sorted(split_groups(folds, grouping.groups)):
        found.append(
            f"Images of one group ({', '.join(both[:3])}{', …' if len(both) > 3 else ''}) are learned from and tested: "
            "they look alike, so the scores are better than on new samples. Choose the design 'grouped'."
        )
    return found


@dataclass(frozen=True)
class _Place:
    """Where in the grid a task stands."""

    fold: int
    seed: int
    subset: float
    train: tuple[str, ...]
    test: tuple[str, ...]
    title: str


class _Maker:
    """Makes the tasks of one place: makers of pairs, then the arms."""

    def __init__(
        self, project: Project, settings: GainSettings, recipes: Mapping[str, Recipe], hashes: Mapping[str, str]
    ) -> None:
        self.settings, self.recipes, self.hashes = settings, recipes, hashes
        self.how = {"project": str(project.path), "device": settings.device, "threads": settings.threads}
        self.largest = max(settings.subsets)
        self.arms = list(dict.fromkeys([RAW, *settings.arms]))

    def tasks(self, place: _Place, by_hand: list[tuple[str, str]]) -> list[Task]:
        """All tasks of a place, those first that others need."""
        trained = {*self.arms} & {*GENERATED} - ({"curated"} if by_hand else set())
        generator = self._source("generator", place) if trained else None
        simulator = self._source("simulator", place) if "simulator" in self.arms else None
        found = [task for task in (generator, simulator) if task is not None]
        for arm in self.arms:
            hand = by_hand if arm == "curated" else []
            source = simulator if arm == "simulator" else generator if arm in GENERATED and not hand else None
            for ratio in dict.fromkeys(self.settings.ratios) if arm in MIXED else (self.settings.ratios[0],):
                found.append(self._arm(arm, ratio, place, source, hand))
        return found

    def _pairs(self, names: Sequence[str]) -> dict[str, str]:
        return {name: self.hashes[name] for name in names}

    def _source(self, kind: str, place: _Place) -> Task:
        settings, everything = self.settings, self.settings.paper_protocol
        train = sorted(self.hashes) if everything else place.train
        what: dict[str, Any] = {
            "train": self._pairs(train),
            "held": self._pairs(sorted(set(self.hashes) - set(train))),
            "seed": place.seed,
            "pairs": settings.pairs,
        }
        if kind == "generator":
            what |= {
                "recipes": {name: recipe.model_dump(mode="json") for name, recipe in self.recipes.items()},
                "masks": settings.masks,
                "curate": "curated" in settings.arms,
                "curated_share": settings.curated_share,
            }
        else:
            what["size"] = min(max(64, self._tile()), 4096)
        where = "all images" if everything else place.title
        return new_task(
            kind, f"{'training the generator' if kind == 'generator' else 'simulating'}, {where}", what, self.how
        )

    def _tile(self) -> int:
        recipe = self.recipes.get("generator")
        return recipe.tiles.size if recipe else self.settings.segmenter.crops.side

    def _arm(self, arm: str, ratio: float, place: _Place, source: Task | None, by_hand: list[tuple[str, str]]) -> Task:
        settings = self.settings
        what = {
            "arm": arm,
            "ratio": ratio,
            "subset": place.subset,
            "fold": place.fold,
            "seed": place.seed,
            "steps": settings.steps,
            "segmenter": settings.segmenter.model_dump(mode="json"),
            "train": self._pairs(place.train),
            "test": self._pairs(place.test),
            "by_hand": by_hand,
            "paper_protocol": settings.paper_protocol,
        }
        show = place.seed == settings.seed and place.subset == self.largest and ratio == settings.ratios[0]
        how = self.how | {"source": source.key if source else "", "show": show}
        title = f"{ARMS[arm]}, {place.title}" + f", ratio {ratio:g}" * (arm in MIXED and len(set(settings.ratios)) > 1)
        return new_task("arm", title, what, how, (source.key,) if source else ())


class _Accepted:
    """Pairs that a person accepted, and which of them may be used in a fold."""

    def __init__(self, project: Project) -> None:
        from napari_organoid_synth.core.pairs.ome_tiff import read_source
        from napari_organoid_synth.core.samples.store import SampleStore

        self.project = project
        self.known: list[tuple[str, str, dict[str, Any]]] = []
        self._data: dict[str, set[str]] = {}
        if project.samples_path.exists():
            with SampleStore(project.samples_path) as store:
                for row in store.rows("accepted", "name"):
                    provenance = read_source(row.image_path).provenance
                    self.known.append((row.id, row.labels_path.name, provenance))

    def clean(self, hashes: Mapping[str, str], train: Sequence[str], everything: bool) -> list[tuple[str, str]]:
        """Ids and label files of those that saw no other image of the project than these; or of ``everything``."""
        if everything:
            return [(id, labels) for id, labels, _ in self.known]
        others = {hashes[name] for name in set(hashes) - set(train)}
        return [(id, labels) for id, labels, how in self.known if self._saw_none(how, others, train)]

    def _saw_none(self, provenance: Mapping[str, Any], others: set[str], train: Sequence[str]) -> bool:
        """Whether neither the painter nor the origin of its mask knows one of the others; when unsure, no."""
        seen = set(provenance.get("data", {}).values())
        mask = provenance.get("mask", {})
        kind = mask.get("kind")
        if kind in {"warped", "real"}:
            name = str(mask.get("name", ""))
            seen_mask = any(name == one or name.startswith(f"{one}_y") for one in train)
        elif kind == "generated":
            drawn = self._of_run(str(mask.get("run", "")))
            seen_mask = bool(drawn) and not drawn & others
        else:
            seen_mask = kind in {None, "simulated"}
        return bool(seen) and not seen & others and seen_mask

    def _of_run(self, name: str) -> set[str]:
        """Hashes of the pairs that a run was trained on; empty if it is gone."""
        from napari_organoid_synth.core.runs.run import Run

        if name not in self._data:
            try:
                self._data[name] = set(Run(self.project.run_path(name)).metadata.data_hashes)
            except UserError:
                self._data[name] = set()
        return self._data[name]
