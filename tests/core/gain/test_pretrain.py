"""Pretraining: two trainings, each with a schedule of its own, that can be stopped in either."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_organoid_synth.core.gain.tasks import ArmTask, SharedTask, read_record
from napari_organoid_synth.core.gain.train_arm import CURVE, PRETRAINED, PRETRAINING, _joined
from napari_organoid_synth.core.gain.work import Outcome, run_task
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.segmentation.catalog import TRAINING
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve
from tiny_gain import SETTINGS, make_project, plan_of, strip

STEPS = 12


class StopAfter(Control):
    """Stops a task when it has asked so many times, once the folder ``since`` is there."""

    def __init__(self, times: int, since: Path = Path()) -> None:
        super().__init__()
        self.left, self.since = times, since

    def request(self):
        self.left -= self.since.exists()
        return "cancel" if self.left < 0 else "run"


@pytest.fixture
def task(tmp_path):
    project = make_project(tmp_path / "project", [strip(seed) for seed in range(4)])
    settings = SETTINGS.replace(arms=("pretrain",), design="hold-out", test_share=0.5, steps=STEPS, floor=5)
    tasks = plan_of(project, settings).tasks
    for shared in tasks:
        if isinstance(shared, SharedTask):
            assert run_task(str(tmp_path), shared, Control()) == Outcome("done")
    (task,) = [one for one in tasks if isinstance(one, ArmTask) and one.arm == "pretrain"]
    return task


def test_fine_tuning_comes_in_addition_with_a_schedule_of_its_own(task, tmp_path):
    assert run_task(str(tmp_path), task, Control()) == Outcome("done")
    record = read_record(task.folder(tmp_path))
    assert record.steps == record.curve.taken == 2 * STEPS
    assert record.curve.steps == (STEPS, 2 * STEPS)  # each half is looked at when it ends
    assert record.held_score == record.curve.scores[-1]
    assert not record.curve.at_plateau
    assert record.synthetic == 4
    assert not [path for path in task.folder(tmp_path).iterdir() if path.name != "result.json"]


def test_it_can_be_stopped_in_both_halves(task, tmp_path):
    assert run_task(str(tmp_path / "through"), task, Control()) == Outcome("done")
    through = read_record(task.folder(tmp_path / "through"))
    here = task.folder(tmp_path)
    assert run_task(str(tmp_path), task, StopAfter(STEPS // 2)) == Outcome("canceled")
    assert (here / PRETRAINING).exists()
    assert not (here / PRETRAINED).exists()
    assert run_task(str(tmp_path), task, StopAfter(6, here / PRETRAINED / CURVE)) == Outcome("canceled")
    assert (here / PRETRAINED / "segmenter.safetensors").exists()
    assert (here / TRAINING).exists()
    weights = (here / PRETRAINED / "segmenter.safetensors").stat().st_mtime_ns
    assert run_task(str(tmp_path), task, StopAfter(2)) == Outcome("canceled")
    assert (here / PRETRAINED / "segmenter.safetensors").stat().st_mtime_ns == weights  # not pretrained twice
    assert run_task(str(tmp_path), task, Control()) == Outcome("done")
    resumed = read_record(here)
    assert resumed.per_image == through.per_image
    assert resumed.curve == through.curve


def test_it_is_at_its_plateau_where_both_halves_are():
    rising = Curve(steps=(100, 200), scores=(0.1, 0.3), taken=200, rise=0.2, wanted=900, best=0.3)
    still = Curve(steps=(100, 200), scores=(0.5, 0.5), taken=240, at_plateau=True, best=0.5)
    assert _joined(still, still).at_plateau
    for first, second in ((rising, still), (still, rising)):
        both = _joined(first, second)
        assert not both.at_plateau
        assert (both.taken, both.wanted, both.rise, both.best) == (440, 900, 0.2, second.best)
        assert both.steps == (100, 200, first.taken + 100, first.taken + 200)
