"""The tasks of a comparison: make pairs for a fold, or train one arm of it and test.

A task is a function of a folder and a plan of plain values, so that any process on any computer with the same files can
do it. It writes ``tasks/<key>/result.json`` last and all at once; the key is a hash of everything that determines the
result. What is interrupted leaves no result, and a training goes on from its last checkpoint the next time.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_bytes, write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.leakage import Leak, refuse_leaks, refuse_seen
from napari_organoid_synth.core.job import Control, Event, FileControl, Finished, Progress, Warned
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.segmentation.catalog import BELOW, TRAINING, note_training

FORMAT = 1
RESULT, PROGRESS = "result.json", "progress.json"
LOOK = 1.0  # seconds between notes of how far a task is


@dataclass(frozen=True)
class Task:
    """One piece of a comparison.

    Parameters
    ----------
    key : str
        Names its folder.
    kind : {"generator", "simulator", "arm"}
    title : str
        In words: ``"synthetic pairs, fold 2"``.
    plan : dict
        Plain values; see `new_task`.
    needs : tuple of str
        Keys of the tasks that come first.
    """

    key: str
    kind: str
    title: str
    plan: dict[str, Any]
    needs: tuple[str, ...] = ()


def new_task(
    kind: str, title: str, what: Mapping[str, Any], how: Mapping[str, Any], needs: tuple[str, ...] = ()
) -> Task:
    """A task whose key follows from what is done and not from how or where.

    Parameters
    ----------
    kind, title, needs
        As in `Task`.
    what : mapping
        Everything that determines the result, among it ``train`` and ``test`` (name to hash of the pair).
    how : mapping
        ``project``, ``device``, ``threads``, and whatever else leaves the result alone.
    """
    text = json.dumps([FORMAT, kind, what, needs], sort_keys=True, default=str)
    key = f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"
    return Task(key, kind, title, {**what, **how}, needs)


def task_folder(folder: Path, key: str) -> Path:
    """Where a task keeps what it makes."""
    return Path(folder) / "tasks" / key


def read_result(folder: Path, key: str) -> dict[str, Any] | None:
    """What a task found; None as long as it is not done."""
    try:
        found: dict[str, Any] = json.loads((task_folder(folder, key) / RESULT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found


def read_progress(folder: Path, key: str) -> float:
    """How much of a running task is done, 0 to 1."""
    try:
        return float(json.loads((task_folder(folder, key) / PROGRESS).read_text())["done"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0.0


def run_task(folder: str, task: Task, control: Control | None = None) -> dict[str, Any]:
    """Do a task, or return at once if it is done.

    Parameters
    ----------
    folder : str
        Of the comparison.
    task : Task
        What to do.
    control : Control, optional
        Default: the requests in the file ``tasks/control``.

    Returns
    -------
    dict
        ``state``: ``"done"``, ``"canceled"``, ``"failed"`` (then ``words`` and ``report``) or ``"leak"`` (``words``).
    """
    if read_result(Path(folder), task.key) is not None:
        return {"state": "done"}
    control = control or FileControl(Path(folder) / "tasks" / "control")
    began = time.monotonic()
    try:
        with _threads(task.plan["threads"]):
            result = DO[task.kind](Path(folder), task, control)
    except _Canceled:
        return {"state": "canceled"}
    except Leak as error:
        return {"state": "leak", "words": str(error)}
    except Exception as error:
        words = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
        return {"state": "failed", "words": words, "report": traceback.format_exc()}
    seconds = round(time.monotonic() - began, 2)
    here = task_folder(Path(folder), task.key)
    write_text(here / RESULT, json.dumps({"key": task.key, "kind": task.kind, **result, "seconds": seconds}))
    for name in (PROGRESS, TRAINING):
        (here / name).unlink(missing_ok=True)
    return {"state": "done"}


class _Canceled(Exception):
    """The person asked to stop."""


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """Compute with that many threads, also in what asks for all cores."""
    import torch

    before, torch_before = os.environ.get("OMP_NUM_THREADS"), torch.get_num_threads()
    os.environ["OMP_NUM_THREADS"] = str(number)
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(torch_before)
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def _follow(events: Iterator[Event], control: Control, here: Path, low: float, high: float) -> dict[str, Any]:
    """Run a verb to its end, noting how far it is between ``low`` and ``high``; its result."""
    noted = 0.0
    for event in events:
        if isinstance(event, Progress) and event.total and time.monotonic() - noted > LOOK:
            noted = time.monotonic()
            done = low + (high - low) * min(event.step / event.total, 1)
            write_text(here / PROGRESS, json.dumps({"done": round(done, 4)}))
        if isinstance(event, Finished):
            if event.reason == "canceled":
                raise _Canceled
            return event.result
    if control.canceled:
        raise _Canceled
    return {}


def _read(plan: Mapping[str, Any], which: str) -> list[SamplePair]:
    """Real pairs of the plan, each tested to be what was planned with."""
    table = PairTable.from_file(Project(plan["project"], make=False).pairs_path)
    return list(read_pairs(table, plan[which]))


def read_pairs(table: PairTable, hashes: Mapping[str, str]) -> Iterator[SamplePair]:
    """Pairs of a table by name, in that order.

    Raises
    ------
    UserError
        If one has changed.
    """
    from napari_organoid_synth.core.pairs.loading import read_entry

    for name, expected in hashes.items():
        pair = read_entry(table.entry(name), table.mask_kind, table.class_names)
        if expected and content_hash(pair.image, pair.labels) != expected:
            raise UserError(
                f"The pair '{name}' has changed since the comparison began.",
                "Expected the same pixels in all tasks.",
                "Measure the gain again.",
            )
        yield pair


# ------------------------------------------------------------------------------------------------------------ pairs


def _generator(folder: Path, task: Task, control: Control) -> dict[str, Any]:
    """Train on the images of the plan alone, draw pairs, score them, choose the best."""
    from napari_organoid_synth.core.metrics.settings import ScoreSettings
    from napari_organoid_synth.core.runs.run import Run
    from napari_organoid_synth.core.samples.selection import best
    from napari_organoid_synth.core.samples.store import SampleStore
    from napari_organoid_synth.core.scores.score import score
    from napari_organoid_synth.core.synthesis.generate import generate
    from napari_organoid_synth.core.synthesis.settings import GenerateSettings

    plan, here = task.plan, task_folder(folder, task.key)
    scratch = _scratch(plan, here)
    share = 0.9 / len(plan["recipes"])
    data: dict[str, str] = {}
    for number, (name, values) in enumerate(plan["recipes"].items()):
        _train(scratch, name, values, plan, control, here, number * share, (number + 1) * share)
        data |= Run(scratch.path / "runs" / name).metadata.data
    refuse_seen(plan["held"], data)
    drawn = here / "drawn"
    if not drawn.exists():
        _empty(scratch)
        wanted = GenerateSettings(
            run="generator",
            masks=plan["masks"],
            mask_run="masks" if plan["masks"] == "generated" else "",
            number=plan["pairs"],
            seed=plan["seed"],
            device=plan["device"],
        )
        _follow(generate(scratch, wanted, control), control, here, 0.9, 0.95)
        write_text(drawn, "")
    chosen: list[str] = []
    with SampleStore(scratch.samples_path) as store:
        if plan["curate"]:
            _follow(
                score(scratch, ScoreSettings(sets="none", device=plan["device"]), control), control, here, 0.95, 1.0
            )
            number = max(1, round(plan["curated_share"] * len(store.ids())))
            names = {row.id: row.name for row in store.rows()}
            chosen = sorted(names[id] for id in best(store, number, None))
        pairs = len(store.ids())
    return {"pairs": pairs, "curated": chosen, "data": data}


def _scratch(plan: Mapping[str, Any], here: Path) -> Project:
    """A project with the images of the plan and no others."""
    table = PairTable.from_file(Project(plan["project"], make=False).pairs_path)
    for _ in read_pairs(table, plan["train"]):
        pass
    rows = tuple(table.entry(name).replace(split="train") for name in plan["train"])
    scratch = Project(here / "project")
    table.replace(entries=rows, folder_notes=(), check_notes=()).to_file(scratch.pairs_path)
    return scratch


def _empty(scratch: Project) -> None:
    """Forget what an interrupted task drew."""
    for path in scratch.path.glob("samples.sqlite*"):
        path.unlink()
    shutil.rmtree(scratch.path / "samples", ignore_errors=True)


def _train(
    scratch: Project,
    name: str,
    values: dict[str, Any],
    plan: Mapping[str, Any],
    control: Control,
    here: Path,
    low: float,
    high: float,
) -> None:
    """Train a generator in the scratch project, or go on with it from its last checkpoint."""
    from napari_organoid_synth.core.recipe import Recipe
    from napari_organoid_synth.core.runs.run import Run
    from napari_organoid_synth.core.training.train import train
    from napari_organoid_synth.core.training.transfer import find_weights

    path = scratch.path / "runs" / name
    if (path / "trained").exists():
        return
    recipe = Recipe.parse(values).override(
        f"train.seed={plan['seed']}",
        f"train.device={plan['device']}",
        f"train.threads={plan['threads']}",
        "train.previews=1",
        f"train.preview_every={max(1, values['train']['steps'])}",
        "train.keep=1",
    )
    if recipe.start.run:
        refuse_seen(plan["held"], find_weights(scratch, recipe.start).data)
    resume = (path / "recipe.yaml").exists() and bool(Run(path).steps())
    if not resume:
        shutil.rmtree(path, ignore_errors=True)
    _follow(train(scratch, recipe, control, folder=path, resume=resume), control, here, low, high)
    write_text(path / "trained", "")


def _simulator(folder: Path, task: Task, control: Control) -> dict[str, Any]:
    """Pairs of the parametric simulator, fitted to the masks of the plan: the rival without a network."""
    from napari_organoid_synth.core.device import seed_of
    from napari_organoid_synth.core.samples.store import SampleStore
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    plan, here = task.plan, task_folder(folder, task.key)
    train = _read(plan, "train")
    scratch = Project(here / "project")
    _empty(scratch)
    draw = _fitted(train) if train[0].mask_kind != "classes" else SIMULATORS["em"]
    dark = [_is_darker(train, channel) for channel in range(len(train[0].image))]
    noted = 0.0
    with SampleStore(scratch.samples_path) as store:
        for index in range(plan["pairs"]):
            if control.canceled:
                raise _Canceled
            for _ in control.wait_while_paused(index):
                pass
            number = seed_of(plan["seed"], "simulator", index)
            made = draw(number, plan["size"])
            planes = [made.image[0].max() - made.image[0] if one else made.image[0] for one in dark]
            source = Source("simulated", provenance={**made.source.provenance, "data": plan["train"]})
            store.add(
                made.replace(
                    name=f"simulated_{index:05d}",
                    image=np.stack(planes),
                    class_names=train[0].class_names,
                    source=source,
                )
            )
            if time.monotonic() - noted > LOOK:
                noted = time.monotonic()
                write_text(here / PROGRESS, json.dumps({"done": index / plan["pairs"]}))
    return {"pairs": plan["pairs"], "curated": [], "data": plan["train"]}


def _fitted(train: Sequence[SamplePair]) -> Callable[[int, int], SamplePair]:
    """Draws pairs like the real masks: with the shapes of one of them, or where none can be drawn, their sizes."""
    from napari_organoid_synth.core.simulators.population import population
    from napari_organoid_synth.core.simulators.population_fit import fit, fit_each

    kind = train[0].mask_kind
    each, sizes = [one.replace(mask_kind=kind) for one in fit_each(train)], fit(train).replace(mask_kind=kind)

    def draw(seed: int, size: int) -> SamplePair:
        try:
            return population(seed, size, each[seed % len(each)])
        except UserError:  # outlines that are smoother than any that it draws
            return population(seed, size, sizes)

    return draw


def _is_darker(pairs: Sequence[SamplePair], channel: int) -> bool:
    """Whether objects are darker than what surrounds them; simulated objects shine."""
    change = 0.0
    for pair in pairs:
        inside = pair.labels > 0
        if inside.any() and not inside.all():
            plane = pair.image[channel].astype(np.float64)
            change += float(np.sign(plane[inside].mean() - plane[~inside].mean()))
    return change < 0


# ------------------------------------------------------------------------------------------------------------- arms


def _arm(folder: Path, task: Task, control: Control) -> dict[str, Any]:
    """Train the segmenter as the arm says and test it on the images of the fold."""
    from napari_organoid_synth.core.device import is_out_of_memory
    from napari_organoid_synth.core.gain.settings import GainSettings
    from napari_organoid_synth.core.gain.table import ARMS
    from napari_organoid_synth.core.registry import SEGMENTERS
    from napari_organoid_synth.core.segmentation.agreement import nothing_right
    from napari_organoid_synth.core.segmentation.segmenters.base import Segmenter, SegmentSpec

    plan, here = task.plan, task_folder(folder, task.key)
    train, test = _read(plan, "train"), _read(plan, "test")
    extra, curation, data = _made(folder, plan)
    refuse_leaks(test, train, [] if plan["paper_protocol"] else extra, {} if plan["paper_protocol"] else data)
    config = GainSettings(segmenter=plan["segmenter"]).segmenter
    spec = SegmentSpec(len(train[0].image), train[0].mask_kind, train[0].class_names)
    try:
        segmenter: Segmenter = SEGMENTERS.load(config.name)(config, spec, plan["device"], plan["seed"])
        pool = _pool(plan, train, extra)
        taken, warnings = 0, list[str]()

        def counted() -> Iterator[Event]:
            nonlocal taken
            for event in segmenter.fit(pool, plan["steps"], control, here / TRAINING):
                taken = max(taken, event.step) if isinstance(event, Progress) else taken
                warnings.extend([event.text] if isinstance(event, Warned) else [])
                yield event

        _follow(counted(), control, here, 0.0, 0.95)
        if taken != plan["steps"]:
            raise RuntimeError(f"the segmenter took {taken} steps instead of {plan['steps']}")
        if plan["show"]:
            kept = Path(folder) / BELOW / plan["arm"] / f"fold{plan['fold'] + 1}"
            segmenter.save(kept)
            note_training(kept, train, _scale_of(plan))
        per_image, per_class = _test(segmenter, test, Path(folder) / "predictions" / plan["arm"], plan["show"])
        warnings += nothing_right(ARMS[plan["arm"]], per_image)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            "Memory is full.", "Expected room for one training step.", "Lower the crops per step, or use fewer workers."
        ) from None
    return {
        **{name: plan[name] for name in ("arm", "subset", "ratio", "fold", "seed")},
        "per_image": per_image,
        "per_class": per_class,
        "steps": taken,
        "synthetic": len(extra),
        "curation": curation,
        "trained_on": len(train),
        "warnings": warnings,
    }


def _scale_of(plan: Mapping[str, Any]) -> float:
    """The share of their size at which the images of the plan are used."""
    return PairTable.from_file(Project(plan["project"], make=False).pairs_path).scale


def _made(folder: Path, plan: Mapping[str, Any]) -> tuple[list[SamplePair], str, dict[str, str]]:
    """Made pairs of an arm, who curated them, and the real pairs that their makers saw."""
    from napari_organoid_synth.core.samples.store import SampleStore

    if plan["by_hand"]:
        with SampleStore(Project(plan["project"], make=False).samples_path) as store:
            pairs = [store.pair(id) for id, _ in plan["by_hand"]]
        seen = [pair.source.provenance.get("data", {}) for pair in pairs]
        return pairs, "by hand", {name: digest for data in seen for name, digest in data.items()}
    if not plan["source"]:
        return [], "", {}
    result = read_result(folder, plan["source"]) or {}
    with SampleStore(task_folder(folder, plan["source"]) / "project" / "samples.sqlite") as store:
        rows = sorted(store.rows(), key=lambda row: row.name)
        if plan["arm"] == "curated":
            kept = set(result["curated"])
            rows = [row for row in rows if row.name in kept]
        pairs = [store.pair(row.id) for row in rows]
    if not pairs:
        raise UserError(
            "All generated pairs of a fold are flagged as copies or broken masks." if plan["arm"] == "curated"
            else "The generator of a fold made no pair.",
            "Expected some to train on.",
            "Train the generator longer.",
        )  # fmt: skip
    return pairs, "automatic" if plan["arm"] == "curated" else "", result["data"]


def _pool(plan: Mapping[str, Any], train: list[SamplePair], extra: list[SamplePair]) -> Any:
    """What an arm draws its crops from."""
    from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool

    arm, ratio = plan["arm"], plan["ratio"]
    augment: Any = arm.removeprefix("classical-") if arm.startswith("classical-") else ""
    first = min(plan["steps"] - 1, round(plan["steps"] * ratio / (1 + ratio))) if arm == "pretrain" else 0
    return CropPool(train, extra, augment=augment, seed=plan["seed"], ratio=ratio, first=first)


def _test(
    segmenter: Any, test: list[SamplePair], folder: Path, show: bool
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Scores of every test image and means of its classes; with ``show`` predictions and error pictures as files."""
    from napari_organoid_synth.core.pairs.ome_tiff import write_pair
    from napari_organoid_synth.core.pairs.pictures import encode_png, error_overlay, picture
    from napari_organoid_synth.core.segmentation.agreement import mean_scores

    per_image, classes = {}, []
    for pair in test:
        labels = segmenter.predict(pair.image).labels
        per_image[pair.name], per_class = image_scores(pair, labels)
        classes.append(per_class)
        if show:
            made = {"predicted_by": folder.name, "segmenter": segmenter.config.model_dump(mode="json")}
            write_pair(folder, pair.replace(labels=labels, source=Source("real", pair.source.files, made)))
            errors = error_overlay(labels, pair.labels, picture(pair.image, pair.is_rgb), pair.mask_kind == "classes")
            write_bytes(folder / f"{file_stem(pair.name)}_errors.png", encode_png(errors))
    return per_image, {name: mean_scores([one[name] for one in classes]) for name in classes[0]}


def image_scores(
    truth: SamplePair, predicted: NDArray[np.int32]
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Scores of a predicted mask.

    Returns
    -------
    scores : dict
        ``dice``, ``precision``, ``recall``, ``f`` of pixels; F = 2 P R / (P + R) is Dice, and all four are means over
        classes where there are several. For instances ``ap`` and ``ap95``, the mean of TP / (TP + FP + FN) of objects
        over overlaps 0.5 to 0.9 and to 0.95.
    per_class : dict
        The first three for each class.
    """
    from napari_organoid_synth.core.segmentation.agreement import IOU_THRESHOLDS, mask_scores, object_accuracy

    scores, per_class = mask_scores(truth.labels, predicted, truth.mask_kind, truth.class_names)
    scores["f"] = scores["dice"]
    if truth.mask_kind == "instances":
        accuracy = object_accuracy(truth.labels, predicted)
        scores["ap"] = float(np.mean([accuracy[threshold] for threshold in IOU_THRESHOLDS]))
        scores["ap95"] = float(np.mean(list(accuracy.values())))
    return {name: float(value) for name, value in scores.items()}, per_class


DO = {"generator": _generator, "simulator": _simulator, "arm": _arm}
"""What does each kind of task."""
