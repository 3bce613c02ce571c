"""Time and memory of a comparison before it runs: its plan is made, and one step of each kind of training is measured.

Nothing is written.
"""

from __future__ import annotations

import time
from pathlib import Path

from napari_organoid_synth.core.cost import Cost
from napari_organoid_synth.core.device import GIB, free_bytes, peak_bytes, pick_device, synchronize, use_threads
from napari_organoid_synth.core.gain.cost_estimate import workers_at_once
from napari_organoid_synth.core.gain.plan import make_plan
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.storage import pick_recipes
from napari_organoid_synth.core.gain.tasks import ArmTask, GeneratorTask, SharedTask, read_record
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.training.timing import estimate

STEPS = 3
"""Timed steps of a segmenter, after one that is not."""


def dry_run(project: Project, settings: GainSettings) -> Cost:
    """Estimate time and memory of a comparison; pairs are drawn and scored in addition, which is short beside it.

    Trainings count with their most steps, and may end earlier. Generators that another comparison trained do not count.

    Parameters
    ----------
    project : Project
        With real pairs, and a trained run whose recipe is used (or a recipe file).
    settings : GainSettings
        Of the comparison.

    Returns
    -------
    Cost
        Its ``work`` has the numbers of ``folds``, of ``trainings of a segmenter`` and ``of a generator``. The time of a
        segmenter that is a command is not known, and left out.

    Raises
    ------
    UserError
        As `gain`, before anything is trained.
    """
    use_threads(settings.threads)
    device = pick_device(settings.device)
    free = free_bytes(device) / GIB
    plan = make_plan(project, settings, pick_recipes(project, settings))
    tasks = [task for task in plan.tasks if not (isinstance(task, SharedTask) and _is_done(task))]
    arms = [task for task in tasks if isinstance(task, ArmTask)]
    generators = [task for task in tasks if isinstance(task, GeneratorTask)]
    per_step, per_image = _measure(arms[0]) if settings.segmenter.takes_steps else (0.0, 0.0)
    seconds = sum(task.steps * per_step + (len(task.test) + len(task.put_aside)) * per_image for task in arms)
    minutes: dict[str, float] = {}
    for task in generators:
        for recipe in task.recipes.values():
            if not recipe.gan.trains:
                continue
            if recipe.digest not in minutes:
                minutes[recipe.digest] = estimate(project, recipe, keep=False).minutes
            seconds += 60 * minutes[recipe.digest]
    at_once = min(workers_at_once(settings), len(tasks))
    work = {"folds": len(plan.folds), "trainings of a segmenter": len(arms)}
    trained = [task for task in generators if any(recipe.gan.trains for recipe in task.recipes.values())]
    work |= {"trainings of a generator": len(trained)} if trained else {}
    return Cost.of(seconds / at_once, at_once * peak_bytes(device) / GIB, free, work)


def _is_done(task: SharedTask) -> bool:
    """Return whether an earlier comparison has done it."""
    return read_record(task.folder(Path())) is not None


def _measure(task: ArmTask) -> tuple[float, float]:
    """Return the seconds of a step of a segmenter, and of a prediction of a test image; nothing is kept."""
    train = task.pairs(task.train)
    spec = SegmentSpec(len(train[0].image), train[0].mask_kind, train[0].class_names)
    segmenter = SEGMENTERS.load(task.segmenter.name)(task.segmenter, spec, task.device, task.seed)

    def fit(steps: int) -> float:
        began = time.perf_counter()
        for _ in segmenter.fit(CropPool(train, seed=task.seed), steps, Control()):
            pass
        synchronize(segmenter.device)
        return time.perf_counter() - began

    once = fit(1)  # also makes the crops ready
    per_step = max(0.0, fit(1 + STEPS) - min(once, fit(1))) / STEPS
    image = task.pairs(dict(list(task.test.items())[:1]))[0].image
    began = time.perf_counter()
    segmenter.predict(image)
    return per_step, time.perf_counter() - began
