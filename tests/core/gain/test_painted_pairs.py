"""Comparisons with a painter that needs no training: each fold paints with its own training parts alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.gain.dry_run import dry_run
from napari_organoid_synth.core.gain.leakage import Leak
from napari_organoid_synth.core.gain.make_pairs import _train, pairs_path, scratch_project
from napari_organoid_synth.core.gain.tasks import GeneratorTask, Part, read_record
from napari_organoid_synth.core.gain.work import Outcome, run_task
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.adding import add_pair
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.samples.store import SampleStore
from tiny_gain import SETTINGS, make_project, plan_of

PAINTED = SETTINGS.replace(generator="analogy", arms=("raw+synthetic",))


def strip(seed: int) -> SamplePair:
    """An image that is long enough to give a band: a row of discs."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :200]
    labels = np.zeros((64, 200), np.int32)
    for cx in range(20, 200, 40):
        labels |= ((y - rng.integers(24, 40)) ** 2 + (x - cx) ** 2 < 11**2).astype(np.int32)
    image = (100 + 60 * labels + rng.normal(0, 8, labels.shape)).clip(0, 255).astype(np.uint8)
    return SamplePair(f"strip{seed}", image[None], labels)


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "project", [strip(seed) for seed in range(4)])


def tasks_of(project, settings):
    return [task for task in plan_of(project, settings).tasks if isinstance(task, GeneratorTask)]


def test_each_fold_paints_with_its_own_parts_and_no_time_is_planned_for_a_training(project, tmp_path):
    tasks = tasks_of(project, PAINTED)
    assert len(tasks) == 2
    assert all("painting pairs" in task.title for task in tasks)
    assert "trainings of a generator" not in dry_run(project, PAINTED).work
    task = tasks[0]
    assert run_task(str(tmp_path), task, Control()) == Outcome("done")
    run = Run(pairs_path(project.path, task.key).parent / "runs" / "generator")
    painter = new_generator(run.recipe, run.spec)
    run.load(painter)
    parts = {part.name: content_hash(part.image, part.labels) for part in task.training_parts()}
    assert painter.kept.digests == parts
    assert all(pair.size == (64, 152) for pair in painter.pairs)  # what is held back is not painted with
    assert read_record(task.folder(Path())).data == dict(task.train)
    with SampleStore(pairs_path(project.path, task.key)) as store:
        provenances = [store.pair(id).source.provenance for id in store.ids()]
    assert len(provenances) == PAINTED.pairs
    for provenance in provenances:
        assert provenance["data"] == dict(task.train)
        assert provenance["painted"]["sources"].keys() <= parts.keys()
        assert provenance["mask"]["kind"] == "arranged"


def test_a_planted_test_image_is_noticed(project):
    task = tasks_of(project, PAINTED)[0]
    here = task.folder(Path())
    scratch, allowed = scratch_project(task, here, task.training_parts())
    other = next(pair for pair in load_pairs(project) if pair.name not in task.train)
    add_pair(scratch, SamplePair("planted", other.image[:, :, :152], other.labels[:, :152]), "binary")
    with pytest.raises(Leak, match="seen 'planted', which is no training part"):
        list(_train(scratch, "generator", task, allowed, Part(here, 0, 1), Control()))


def test_steps_of_a_training_leave_a_painter_without_one_alone(project):
    first, second = (tasks_of(project, PAINTED.replace(generator_steps=steps))[0] for steps in (0, 77))
    assert first.key == second.key


def test_without_any_run_a_comparison_paints(project):
    (task, *_) = tasks_of(project, PAINTED.replace(generator=()))
    assert task.recipes["generator"].gan.name == "analogy"
    assert task.recipes["generator"].tiles.size == 64
