"""What synthetic pairs gain: arms of training compared in folds, the generator trained anew in each.

No generator sees an image that is tested with its pairs, nor one that the arm does not train on: it is trained on the
training images of the fold (of the subset of these, where only a part is used), and the content of all images is
compared once more before an arm trains. ``paper_protocol`` lets it see everything, as published studies do.

The comparison is a grid of independent tasks (`gain_tasks`) that dask deals out to processes. Each keeps its result on
disk, so that a comparison that was stopped or killed goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.folds import Fold, Grouping, find_groups, make_folds, split_groups, subset
from napari_organoid_synth.core.gain_size import MIXED
from napari_organoid_synth.core.gain_table import (
    ARMS,
    GENERATED,
    OPTIMISTIC,
    RAW,
    gain_sentences,
    gain_table,
    main_score,
)
from napari_organoid_synth.core.gain_tasks import (
    SOURCES,
    Leak,
    Task,
    new_task,
    read_pairs,
    read_progress,
    read_result,
    task_folder,
)
from napari_organoid_synth.core.gain_workers import open_workers
from napari_organoid_synth.core.job import (
    Added,
    Control,
    Event,
    Finished,
    JobFolder,
    Progress,
    Started,
    Warned,
    write_text,
)
from napari_organoid_synth.core.pair import content_hash
from napari_organoid_synth.core.pair_table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import GainSettings, Recipe

RESULTS, SETTINGS, ERROR = "results.json", "gain.yaml", "error.txt"
REPORT_SECONDS = 0.5
WRITE_SECONDS = 2.0  # between tables of a comparison that goes on
AS_IT_IS = ("scheduler", "workers", "threads", "device")  # settings that leave the result alone


def gain(
    project: Project, settings: GainSettings, control: Control, folder: Path | None = None, resume: bool = False
) -> Iterator[Event]:
    """Measure what each arm gains over training on the real pairs alone.

    Parameters
    ----------
    project : Project
        With real pairs, and a trained run whose recipe is used (or a recipe file).
    settings : GainSettings
        On resuming, those of the folder, except for scheduler, workers, threads and device.
    control : Control
        Pause and cancel reach the tasks, which honour them after the optimiser step in progress.
    folder : Path, optional
        Where results go; tasks that are done there are not repeated. Default: that of an earlier comparison with the
        same settings that no process works on, else a new one below ``segment``.
    resume : bool
        Take the settings of the folder.

    Yields
    ------
    Event
        Started with the numbers of tasks and folds; Progress, whose note says what is being done; Added with the key of
        a finished task; Warned; Finished with the contents of ``results.json``.

    Raises
    ------
    UserError
        If the images, groups or arms do not allow the comparison, or a test image leaked into training.
    """
    if resume and folder is not None:
        kept = GainSettings.from_file(Path(folder) / SETTINGS)
        settings = kept.replace(**{name: getattr(settings, name) for name in AS_IT_IS})
    recipes = (_pinned(folder) if resume else {}) or pick_recipes(project, settings)
    folder = Path(folder) if folder is not None else _folder(project, settings, recipes)
    plan = make_plan(project, settings, recipes)
    _write_settings(folder, settings, recipes)
    board = _Board(folder, settings, plan)
    yield Started(0, board.info)
    for words in plan.warnings:
        yield Warned(0, words)
    board.write()  # whoever is killed in the first training is offered to go on
    if board.pending:
        yield from _work(folder, settings, control, board)
    board.write()
    if not board.records and board.failed:
        first = next(iter(board.failed.values()))
        raise UserError(f"Every training failed, the first ({first['title']}) so: {first['words']}")
    reason = "canceled" if board.left else "completed"
    yield Finished(board.done, reason, board.record | {"folder": str(folder)})


def _work(folder: Path, settings: GainSettings, control: Control, board: _Board) -> Iterator[Event]:
    """Deal out tasks until none is left, or the person stops."""
    asked = folder / "tasks" / "control"
    passed, reported = "", 0.0
    number = _workers(settings)
    with open_workers(folder, settings, control, min(number, len(board.pending))) as workers:
        while board.running or (board.ready and not control.canceled):
            if control.request() != passed:
                passed = control.request()
                write_text(asked, passed)
            if passed == "run":
                for task in board.ready[: max(0, workers.room - len(board.running))]:
                    board.begin(task)
                    workers.submit(task)
            if time.monotonic() - reported > REPORT_SECONDS:
                reported = time.monotonic()
                yield board.progress(workers.room)
            for task, outcome in workers.poll(0.2):
                yield from board.end(task, outcome)
            if passed == "pause":
                yield from control.gate(board.done)
        yield board.progress(workers.room)


def _workers(settings: GainSettings) -> int:
    """How many tasks at once on this computer; one for a graphics card."""
    if settings.workers or settings.scheduler:
        return settings.workers or 1
    from napari_organoid_synth.core.device import cores, pick_device

    return max(1, cores() // settings.threads) if pick_device(settings.device).type == "cpu" else 1


# --------------------------------------------------------------------------------------------------------- settings


def pick_recipes(project: Project, settings: GainSettings) -> dict[str, Recipe]:
    """Recipes of the generators that each fold trains: ``generator``, and ``masks`` where masks are generated.

    Raises
    ------
    UserError
        If there is no such run or file, or it is of the wrong sort.
    """
    if not {*settings.arms} & {*GENERATED}:
        return {}
    recipes = {"generator": _recipe(project, settings.generator, masks=False)}
    if settings.masks == "generated" and recipes["generator"].shape == "painter":
        recipes = {"masks": _recipe(project, settings.mask_generator, masks=True), **recipes}
    if settings.generator_steps:
        recipes = {name: one.override(f"train.steps={settings.generator_steps}") for name, one in recipes.items()}
    return recipes


def _recipe(project: Project, name: str, masks: bool) -> Recipe:
    """The recipe of a run or file, starting from the same weights wherever it is trained."""
    what = "masks" if masks else "pairs"
    if name and Path(name).suffix.lower() in {".yaml", ".yml", ".json"}:
        path = Path(name).expanduser()
        found = Recipe.from_file(path if path.exists() else project.path / name)
    elif name:
        found = Recipe.from_file(project.run_path(name) / "recipe.yaml")
    else:
        fitting = (Recipe.from_file(path / "recipe.yaml") for path in reversed(project.runs()))
        candidate = next((recipe for recipe in fitting if (recipe.shape == "mask") == masks), None)
        if candidate is None:
            raise UserError(
                f"{project.path.name} has no run that draws {what}.",
                "Expected one, whose recipe is trained anew in each fold.",
                "Train a generator first, or name a recipe file.",
            )
        found = candidate
    if found.shape not in ({"mask"} if masks else {"joint", "painter"}):
        raise UserError(
            f"The recipe of '{name}' draws {found.draws}.", f"Expected one that draws {what}.", "Choose another."
        )
    start = project.path / "runs" / found.start.run
    if found.start.run and (start / "codec.json").exists():
        found = found.replace(start=found.start.replace(run=str(start)).model_dump())
    return found


def _same(settings: GainSettings, recipes: Mapping[str, Recipe]) -> str:
    """Equal for comparisons with equal results."""
    return json.dumps(
        [settings.model_dump(mode="json", exclude=set(AS_IT_IS)), {k: v.digest for k, v in sorted(recipes.items())}],
        sort_keys=True,
    )


def _pinned(folder: Path | None) -> dict[str, Recipe]:
    """Recipes that a comparison began with; a run that was trained since is not among them."""
    if folder is None:
        return {}
    found = {path.stem: Recipe.from_file(path) for path in sorted(Path(folder).glob("recipes/*.yaml"))}
    return {name: found[name] for name in ("masks", "generator") if name in found}


def _write_settings(folder: Path, settings: GainSettings, recipes: Mapping[str, Recipe]) -> None:
    settings.to_file(folder / SETTINGS)
    for name, recipe in recipes.items():
        recipe.to_file(folder / "recipes" / f"{name}.yaml")


def _folder(project: Project, settings: GainSettings, recipes: Mapping[str, Recipe]) -> Path:
    """The newest comparison with the same settings that nobody works on, else a new folder."""
    found = find_gain(project, settings, recipes)
    return found if found is not None else project.job("gain").path


def find_gain(project: Project, settings: GainSettings, recipes: Mapping[str, Recipe] | None = None) -> Path | None:
    """The newest comparison with the same settings and recipes that no process works on."""
    wanted = _same(settings, pick_recipes(project, settings) if recipes is None else recipes)
    for path in sorted(project.path.glob(f"segment/*/{SETTINGS}"), reverse=True):
        try:
            same = _same(GainSettings.from_file(path), _pinned(path.parent)) == wanted
        except UserError:
            continue
        if same and not JobFolder(path.parent).alive:
            return path.parent
    return None


def earlier(project: Project, settings: GainSettings, name: str | None = None) -> JobFolder | None:
    """The folder of the comparison of that name, or of one with the same settings; None where there is none.

    Raises
    ------
    UserError
        If there is none of that name, or a process works on it.
    """
    if name is None:
        found = find_gain(project, settings)
        return JobFolder(found) if found is not None else None
    known = {path.parent.name: path.parent for path in sorted(project.path.glob(f"segment/*/{SETTINGS}"))}
    if name not in known:
        raise UserError(
            f"There is no comparison '{name}'.",
            f"Expected one of: {', '.join(known) or 'none so far'}.",
            "Look into the folder segment of the project.",
        )
    folder = JobFolder(known[name])
    if folder.alive:
        raise UserError(f"'{name}' is being worked on.", "", "Wait for it, or stop it with 'organoid-synth control'.")
    return folder


# ------------------------------------------------------------------------------------------------------------- plan


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
    folds = make_folds(grouping.groups, settings.design, settings.folds, settings.test_share, held, settings.seed)
    hashes, mask_kind = _hashes(table, sorted(grouping.groups))
    warnings = _warnings(settings, grouping, folds)
    if (
        "simulator" in settings.arms
        and mask_kind == "classes"
        and set(table.class_names)
        != {
            "mitochondria",
            "membranes",
        }
    ):
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
        trained = [arm for arm in self.arms if arm in SOURCES and arm != "simulator"]
        generator = self._source("generator", place) if set(trained) - ({"curated"} if by_hand else set()) else None
        simulator = self._source("simulator", place) if "simulator" in self.arms else None
        found = [task for task in (generator, simulator) if task is not None]
        for arm in self.arms:
            hand = by_hand if arm == "curated" else []
            source = simulator if arm == "simulator" else generator if arm in SOURCES and not hand else None
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
        return recipe.tiles.size if recipe else int(getattr(self.settings.segmenter, "tile", 256))

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
        from napari_organoid_synth.core.curation import SampleStore
        from napari_organoid_synth.core.ome_tiff import read_record

        self.project = project
        self.known: list[tuple[str, str, dict[str, Any]]] = []
        self._data: dict[str, set[str]] = {}
        if project.samples_path.exists():
            with SampleStore(project.samples_path) as store:
                for row in store.rows("accepted", "name"):
                    record = read_record(row.image_path) or {}
                    provenance = record.get("source", {}).get("provenance", {})
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
        from napari_organoid_synth.core.run import Run

        if name not in self._data:
            try:
                self._data[name] = set(Run(self.project.run_path(name)).note().get("data", {}).values())
            except UserError:
                self._data[name] = set()
        return self._data[name]


# ------------------------------------------------------------------------------------------------------------ board


@dataclass
class _Board:
    """Which tasks are done, running, ready; and ``results.json``, written anew after each."""

    folder: Path
    settings: GainSettings
    plan: Plan
    running: dict[str, tuple[Task, float]] = field(default_factory=dict)
    finished: dict[str, dict[str, Any]] = field(default_factory=dict)
    failed: dict[str, dict[str, str]] = field(default_factory=dict)
    lost: dict[str, int] = field(default_factory=dict)
    """Trainings that were not done because of one that failed."""

    def __post_init__(self) -> None:
        self.written = 0.0
        for task in self.plan.tasks:
            if (found := read_result(self.folder, task.key)) is not None:
                self.finished[task.key] = found
        self.before = len(self.finished)

    @property
    def pending(self) -> list[Task]:
        """Neither done, running nor failed."""
        known = self.finished.keys() | self.failed.keys() | self.running.keys()
        return [task for task in self.plan.tasks if task.key not in known]

    @property
    def ready(self) -> list[Task]:
        """Pending, and all that they need is done."""
        return [task for task in self.pending if all(key in self.finished for key in task.needs)]

    @property
    def left(self) -> bool:
        """Whether tasks remain that did not fail."""
        return bool(self.pending or self.running)

    @property
    def done(self) -> int:
        return len(self.finished)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Results of arms, in the order of the plan."""
        arms = [task.key for task in self.plan.tasks if task.kind == "arm" and task.key in self.finished]
        return [self.finished[key] for key in arms]

    @property
    def info(self) -> dict[str, Any]:
        """What is worth showing at once."""
        return {
            "folder": str(self.folder),
            "total": len(self.plan.tasks),
            "done": self.before,
            "folds": len(self.plan.folds),
            "groups": self.plan.grouping.words,
            "arms": list(dict.fromkeys([RAW, *self.settings.arms])),
            "paper_protocol": self.settings.paper_protocol,
        }

    def begin(self, task: Task) -> None:
        self.running[task.key] = task, time.monotonic()

    def end(self, task: Task, outcome: Mapping[str, Any]) -> Iterator[Event]:
        """Note how a task ended."""
        self.running.pop(task.key, None)
        if outcome["state"] == "leak":
            raise Leak(outcome["words"])
        if outcome["state"] == "done":
            self.finished[task.key] = read_result(self.folder, task.key) or {}
            if time.monotonic() - self.written > WRITE_SECONDS:
                self.write()
            yield Added(self.done, (task.key,))
        if outcome["state"] == "failed":
            self._fail(task, outcome["words"], outcome.get("report", ""))
            self.write()
            yield Warned(self.done, self.failures[-1])

    def _fail(self, task: Task, words: str, report: str) -> None:
        """Put a task aside, and those that need it."""
        self.failed[task.key] = {"title": task.title, "words": words}
        if report:
            write_text(task_folder(self.folder, task.key) / ERROR, report)
        others = [one for one in self.plan.tasks if task.key in one.needs and one.key not in self.failed]
        self.lost[task.key] = len(others)
        for other in others:
            self.failed[other.key] = {"title": other.title, "words": ""}

    @property
    def failures(self) -> list[str]:
        """What failed and why, with what could not be done because of it; a sentence or more for each."""
        found = []
        for key, lost in self.lost.items():
            title, words = self.failed[key]["title"], self.failed[key]["words"]
            text = f"{title[:1].upper()}{title[1:]}, failed: {words}"
            if lost:
                text += f" {lost} training{'s' * (lost > 1)} with its pairs could not be done."
            if (task_folder(self.folder, key) / ERROR).exists():
                text += f" The report is in segment/{self.folder.name}/tasks/{key}/{ERROR}."
            found.append(text)
        return found

    def progress(self, room: int) -> Progress:
        """Tasks done, what runs, and the time left from those measured."""
        running = [task for task, _ in self.running.values()]
        parts = {task.key: read_progress(self.folder, task.key) for task in running}
        notes = [f"{task.title} ({parts[task.key]:.0%})" if parts[task.key] else task.title for task in running]
        return Progress(
            self.done, len(self.plan.tasks), seconds_left=self._seconds_left(parts, room), note="; ".join(notes)
        )

    def _seconds_left(self, parts: Mapping[str, float], room: int) -> float | None:
        """By the mean time of the tasks of each kind; where none of a kind has ended, by how far those running are."""
        seconds: dict[str, list[float]] = {}
        for task in self.plan.tasks:
            if task.key in self.finished:
                seconds.setdefault(task.kind, []).append(float(self.finished[task.key].get("seconds", 0)))
        for task, began in self.running.values():
            if task.kind not in seconds and parts[task.key] > 0.05:
                seconds[task.kind] = [(time.monotonic() - began) / parts[task.key]]
        todo = [*self.pending, *(task for task, _ in self.running.values())]
        if any(task.kind not in seconds for task in todo):
            return None
        each = {kind: sum(found) / len(found) for kind, found in seconds.items()}
        return sum(each[task.kind] * (1 - parts.get(task.key, 0.0)) for task in todo) / max(1, min(room, len(todo)))

    # ------------------------------------------------------------------------------------------------- results

    def write(self) -> None:
        """Write ``results.json``."""
        self.written = time.monotonic()
        write_text(self.folder / RESULTS, json.dumps(self.record, indent=1))

    @property
    def record(self) -> dict[str, Any]:
        """The table so far, in the form that `segment` writes, with what folds and seeds add."""
        settings, plan, records = self.settings, self.plan, self.records
        score = main_score(plan.mask_kind)
        groups = plan.grouping.groups
        rows = gain_table(records, groups)
        sentences = gain_sentences(rows, score, settings.paper_protocol)
        if len({one["steps"] for one in records}) > 1:
            raise RuntimeError("arms took different numbers of steps")
        return {
            "arms": _arms(records, settings),
            "sentence": " ".join(sentences),
            "sentences": sentences,
            "warnings": plan.warnings + self.failures,
            "train": sorted(groups),
            "test": sorted({name for fold in plan.folds for name in fold.test}),
            "mask_kind": plan.mask_kind,
            "score": score,
            "table": rows,
            "design": {
                "name": settings.design,
                "groups": plan.grouping.words,
                "folds": [{"train": list(fold.train), "test": list(fold.test)} for fold in plan.folds],
                "repeats": settings.repeats,
                "seed": settings.seed,
                "paper_protocol": settings.paper_protocol,
            },
            "tasks": {"total": len(plan.tasks), "done": self.done, "failed": len(self.failed)},
        }


def _arms(records: Sequence[Mapping[str, Any]], settings: GainSettings) -> dict[str, Any]:
    """Each arm with the most training images and the first ratio, as the results of `segment` show it."""
    from napari_organoid_synth.core.matching import mean_scores

    arms: dict[str, Any] = {}
    for arm in dict.fromkeys([RAW, *settings.arms]):
        found = [
            one
            for one in records
            if (one["arm"], one["subset"], one["ratio"]) == (arm, max(settings.subsets), settings.ratios[0])
        ]
        if not found:
            continue
        names = sorted({name for one in found for name in one["per_image"]})
        tests = {name: [one["per_image"][name] for one in found if name in one["per_image"]] for name in names}
        per_image = {name: mean_scores(scores) for name, scores in tests.items()}
        classes = found[0]["per_class"]
        arms[arm] = {
            **mean_scores(list(per_image.values())),
            "per_image": per_image,
            "per_class": {name: mean_scores([one["per_class"][name] for one in found]) for name in classes},
            "steps": found[0]["steps"],
            "seconds": round(sum(one["seconds"] for one in found) / len(found), 1),
            "synthetic": round(sum(one["synthetic"] for one in found) / len(found)),
        }
    return arms
