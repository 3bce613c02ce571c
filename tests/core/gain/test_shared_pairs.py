"""Generators and their pairs: from training parts alone, made once, shared by comparisons; real, on tiny images."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from napari_organoid_synth.core.gain.dry_run import dry_run
from napari_organoid_synth.core.gain.leakage import Leak, refuse_others
from napari_organoid_synth.core.gain.make_pairs import _train, pairs_path, scratch_project
from napari_organoid_synth.core.gain.settings import GainSettings, SegmentSettings
from napari_organoid_synth.core.gain.storage import pick_recipes, pinned_recipes
from napari_organoid_synth.core.gain.tasks import (
    SHARED,
    ArmTask,
    CurateTask,
    GeneratorTask,
    Part,
    PastedTask,
    SharedTask,
    read_record,
)
from napari_organoid_synth.core.gain.turn import Turn
from napari_organoid_synth.core.gain.work import Outcome, run_task
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.adding import add_pair
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.segmentation.segmenters.held_parts import hold_parts
from tiny_gain import RECIPE, SETTINGS, make_project, plan_of, result_of, run, strip


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "project", [strip(seed) for seed in range(4)])


def tasks_of(project, settings, kind):
    return [task for task in plan_of(project, settings).tasks if isinstance(task, kind)]


def written(project, kind="generator"):
    """When the results of the shared tasks were written."""
    return {path: path.stat().st_mtime_ns for path in project.path.glob(f"{SHARED}/{kind}-*/result.json")}


def test_a_generator_sees_the_training_parts_alone(project):
    settings = SETTINGS.replace(arms=("raw+synthetic",))
    task = tasks_of(project, settings, GeneratorTask)[0]
    assert run_task("anywhere", task, Control()) == Outcome("done")
    parts, held = hold_parts(task.pairs(task.train))
    assert len(held) == 2
    scratch = load_pairs(PairTable.from_file(pairs_path(project.path, task.key).parent / "pairs.json"))
    assert [one.size for one in scratch] == [one.size for one in parts] == [(64, 152)] * 2
    assert [content_hash(one.image, one.labels) for one in scratch] == [
        content_hash(one.image, one.labels) for one in parts
    ]
    record = read_record(task.folder(Path()))
    assert record.data == dict(task.train)  # the whole images, by which a leak is found
    with SampleStore(pairs_path(project.path, task.key)) as store:
        assert {json.dumps(store.pair(id).source.provenance["data"]) for id in store.ids()} == {
            json.dumps(dict(task.train))
        }


def test_a_planted_test_image_is_noticed(project):
    task = tasks_of(project, SETTINGS.replace(arms=("raw+synthetic",)), GeneratorTask)[0]
    here = task.folder(Path())
    scratch, allowed = scratch_project(task, here, task.training_parts())
    other = next(pair for pair in load_pairs(project) if pair.name not in task.train)
    add_pair(scratch, SamplePair("planted", other.image[:, :, :152], other.labels[:, :152]), "binary")
    with pytest.raises(Leak, match="seen 'planted', which is no training part"):
        list(_train(scratch, "generator", task, allowed, Part(here, 0, 1), Control()))
    refuse_others({"a": "1"}, ["1", "2"])
    with pytest.raises(Leak, match="seen 'b'"):
        refuse_others({"a": "1", "b": "3"}, ["1", "2"])


def test_segmenters_comparisons_and_designs_share_generators(project, tmp_path):
    settings = SETTINGS.replace(arms=("raw+synthetic",))
    first = run(project, settings, folder=tmp_path / "first")
    assert (first[0].info["total"], first[0].info["done"]) == (2 + 4, 0)
    before = written(project)
    assert len(before) == 2
    other = SETTINGS.segmenter.model_copy(update={"channels": 16})
    again = run(project, settings.replace(segmenter=other), folder=tmp_path / "again")
    assert (again[0].info["total"], again[0].info["done"]) == (2 + 4, 2)  # shown as done
    halves = settings.replace(design="hold-out", test_share=0.5)
    folds = [set(task.train) for task in tasks_of(project, settings, GeneratorTask)]
    (half,) = tasks_of(project, halves, GeneratorTask)
    run(project, halves, folder=tmp_path / "half")
    assert written(project).items() >= before.items()
    assert len(written(project)) == 2 + (set(half.train) not in folds)
    told = dry_run(project, settings)
    assert told.work == {"folds": 2, "trainings of a segmenter": 4}
    assert dry_run(project, settings.replace(seed=7)).work["trainings of a generator"] == 2


def test_another_share_of_curated_pairs_trains_no_generator(project, tmp_path):
    settings = SETTINGS.replace(arms=("raw+curated",), design="hold-out", test_share=0.5)
    one = result_of(run(project, settings, folder=tmp_path / "one"))
    before = written(project)
    two = result_of(run(project, settings.replace(curated_share=0.25), folder=tmp_path / "two"))
    assert written(project) == before
    rows = [row for result in (one, two) for row in result.table if (row.arm, row.ratio) == ("raw+curated", 1.0)]
    assert [row.synthetic for row in rows] == [2, 1]
    assert len(written(project, "curated")) == 2
    (task,) = tasks_of(project, settings, CurateTask)
    assert len(read_record(task.folder(Path())).curated) == 2


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"pairs": 5}, {"masks": "real"}, {"generator_steps": 2}, {"segmenter": {"whole": True}}]
)
def test_what_determines_a_generator_makes_another_one(project, change):
    settings = SETTINGS.replace(arms=("raw+synthetic",), design="hold-out", test_share=0.5)
    (task,) = tasks_of(project, settings, GeneratorTask)
    if "segmenter" in change:
        change = {"segmenter": settings.segmenter.model_copy(update=change["segmenter"])}
    (other,) = tasks_of(project, settings.replace(**change), GeneratorTask)
    assert other.key != task.key
    for same in ({"steps": 9}, {"device": "auto"}, {"threads": 2}, {"ratios": (0.5,)}, {"curated_share": 0.1}):
        assert tasks_of(project, settings.replace(**same), GeneratorTask)[0].key == task.key


def test_two_that_need_the_same_generator_train_it_once(project, tmp_path):
    task = tasks_of(project, SETTINGS.replace(arms=("raw+synthetic",), generator_steps=30), GeneratorTask)[0]
    outcomes = []
    threads = [
        threading.Thread(target=lambda: outcomes.append(run_task(str(tmp_path), task, Control()))) for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert outcomes == [Outcome("done"), Outcome("done")]
    events = (pairs_path(project.path, task.key).parent / "runs" / "generator").glob("checkpoints/*.json")
    assert [path.stem for path in events] == ["step_00000030"]
    with SampleStore(pairs_path(project.path, task.key)) as store:
        assert len(store.ids()) == 4


HOLD = """
import sys, time
from pathlib import Path
from napari_organoid_synth.core.gain.turn import Turn
turn = Turn(Path(sys.argv[1]))
print(turn.take(), flush=True)
time.sleep(60)
"""


def test_the_turn_of_a_killed_process_is_free(tmp_path):
    with subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "True\n"
        turn = Turn(tmp_path)
        assert not turn.take()
        owner.kill()
        owner.wait()
        for _ in range(100):
            if turn.take():
                break
            time.sleep(0.05)
        assert turn.take()
    assert not Turn(tmp_path).take()
    turn.give_back()
    assert Turn(tmp_path).take()


def test_one_that_waits_for_another_can_be_stopped(project, tmp_path):
    task = tasks_of(project, SETTINGS.replace(arms=("raw+synthetic",)), GeneratorTask)[0]
    turn, control = Turn(task.workplace), Control()
    assert turn.take()
    control.cancel()
    assert run_task(str(tmp_path), task, control) == Outcome("canceled")
    turn.give_back()


def test_a_painter_paints_larger_than_a_crop_where_images_have_room(project, tmp_path):
    settings = SETTINGS.replace(arms=("raw+synthetic",), design="hold-out", test_share=0.5)
    assert tasks_of(project, settings, GeneratorTask)[0].size == 0  # strips of 64 px have none
    large = [strip(seed) for seed in range(4)]
    large = [one.replace(image=one.image.repeat(3, 1), labels=one.labels.repeat(3, 0)) for one in large]
    roomy = make_project(tmp_path / "roomy", large)
    (task,) = tasks_of(roomy, settings, GeneratorTask)
    assert task.size == 128
    assert run_task(str(tmp_path), task, Control()) == Outcome("done")
    with SampleStore(pairs_path(roomy.path, task.key)) as store:
        assert {store.pair(id).size for id in store.ids()} == {(128, 128)}


def test_pasted_pairs_are_made_from_the_training_parts(project):
    settings = SETTINGS.replace(arms=("classical+pasted",), design="hold-out", test_share=0.5)
    (task,) = tasks_of(project, settings, PastedTask)
    assert run_task("anywhere", task, Control()) == Outcome("done")
    parts = {content_hash(part.image, part.labels) for part in hold_parts(task.pairs(task.train))[0]}
    with SampleStore(pairs_path(project.path, task.key)) as store:
        made = [store.pair(id) for id in store.ids()]
    assert len(made) == 4
    for pair in made:
        assert pair.source.provenance["data"] == dict(task.train)
        assert pair.labels.any()
    assert len(parts) == 2
    assert tasks_of(project, settings.replace(steps=9), PastedTask)[0].key == task.key


# --- the grid of tasks ---


def test_every_ratio_is_trained_and_only_of_arms_that_mix(project):
    settings = SETTINGS.replace(arms=GainSettings().arms, ratios=(0.25, 1), design="hold-out", test_share=0.5)
    arms = [(task.arm, task.ratio) for task in tasks_of(project, settings, ArmTask)]
    assert arms == [
        ("raw", 0.25), ("classical", 0.25), ("classical+pasted", 0.25), ("classical+pasted", 1.0),
        ("classical+synthetic", 0.25), ("classical+synthetic", 1.0),
    ]  # fmt: skip
    titles = [task.title for task in tasks_of(project, settings, ArmTask)]
    assert titles[0] == "real pairs"
    assert titles[-1] == "classical augmentation and synthetic pairs, ratio 1"


def test_predictions_and_segmenters_of_the_chosen_ratio_stand_for_the_arm(project, tmp_path):
    settings = SETTINGS.replace(arms=("raw+simulated",), ratios=(0.25, 1), design="hold-out", test_share=0.5)
    result = result_of(run(project, settings, folder=tmp_path))
    for below in ("predictions", "segmenters"):
        assert {path.name for path in (tmp_path / below / "raw+simulated" / "ratio").iterdir()} == {"0.25", "1"}
    (chosen,) = [row for row in result.table if row.arm == "raw+simulated" and row.ratio is None] or [None]
    ratio = chosen.chosen[0] if chosen else result.design.ratio
    name = f"{result.test[0]}_labels.ome.tif"
    source = tmp_path / "predictions" / ("raw+simulated" if ratio else "raw")
    source = source / "ratio" / f"{ratio:g}" if ratio else source
    assert (tmp_path / "predictions" / "raw+simulated" / name).read_bytes() == (source / name).read_bytes()
    assert (tmp_path / "segmenters" / "raw+simulated" / "fold1" / "segmenter.json").exists()


def test_several_generators_are_arms_of_one_comparison(project, tmp_path):
    RECIPE.override("gan.name=pix2pix", "train.steps=2").to_file(project.path / "short.yaml")
    settings = SETTINGS.replace(
        arms=("raw+synthetic",), generator=("recipe.yaml", "short.yaml"), design="hold-out", test_share=0.5
    )
    generators = tasks_of(project, settings, GeneratorTask)
    assert [one.title for one in generators] == ["training the generator recipe", "training the generator short"]
    assert len({one.key for one in generators}) == 2
    assert [task.generator for task in tasks_of(project, settings, ArmTask)] == ["", "recipe", "short"]
    result = result_of(run(project, settings, folder=tmp_path / "out"))
    assert {(row.arm, row.generator) for row in result.table} == {
        ("raw", ""), ("raw+synthetic", "recipe"), ("raw+synthetic", "short"),
    }  # fmt: skip
    assert pinned_recipes(tmp_path / "out") == pick_recipes(project, settings)
    alone = tasks_of(project, settings.replace(generator="short.yaml"), GeneratorTask)
    assert alone[0].key == generators[1].key  # shared, whatever it is called


def test_settings_of_earlier_versions_are_read(tmp_path):
    (tmp_path / "gain.yaml").write_text("arms: [real, synthetic]\ngenerator: ''\nratios: [1.0]\nsteps: 500\n")
    settings = GainSettings.from_file(tmp_path / "gain.yaml")
    assert (settings.arms, settings.generator) == (("raw", "raw+synthetic"), ())
    (tmp_path / "gain.yaml").write_text("generator: some-run\nratios: 0.5\n")
    settings = GainSettings.from_file(tmp_path / "gain.yaml")
    assert (settings.generator, settings.ratios) == (("some-run",), (0.5,))
    assert (settings.steps, settings.floor, settings.repeats) == (5000, 1500, 3)
    quick = SegmentSettings().as_gain()
    assert (quick.steps, quick.floor, quick.repeats, quick.ratios) == (5000, 1500, 1, (0.25, 1.0))


def test_the_pairs_of_a_killed_task_are_made_again_by_the_next(project, tmp_path):
    """What another process left half done is finished, not trusted."""
    task = tasks_of(project, SETTINGS.replace(arms=("raw+simulated",)), SharedTask)[0]
    assert run_task(str(tmp_path), task, Control()) == Outcome("done")
    (task.folder(tmp_path) / "result.json").unlink()
    with SampleStore(pairs_path(project.path, task.key)) as store:
        store.add(strip(9).replace(name="stray"))
    assert run_task(str(tmp_path), replace(task, title="again"), Control()) == Outcome("done")
    with SampleStore(pairs_path(project.path, task.key)) as store:
        assert sorted(row.name for row in store.rows()) == [f"simulated_{index:05d}" for index in range(4)]
