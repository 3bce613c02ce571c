"""The gain, measured for real on tiny images: arms, leaks, resuming, workers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from napari_organoid_synth.core import computer
from napari_organoid_synth.core.computer import on_graphics_card
from napari_organoid_synth.core.device import pick_device
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain import cost_estimate
from napari_organoid_synth.core.gain import work as gain_work
from napari_organoid_synth.core.gain import workers as gain_workers
from napari_organoid_synth.core.gain.cost_estimate import trainings, workers_at_once
from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.leakage import Leak, refuse_leaks
from napari_organoid_synth.core.gain.make_pairs import pairs_path
from napari_organoid_synth.core.gain.results import PairsRecord
from napari_organoid_synth.core.gain.sentences import gain_text
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.storage import find_gain, read_result
from napari_organoid_synth.core.gain.tasks import (
    ArmTask,
    PairsTask,
    Task,
    read_pairs,
    read_record,
    shared_folder,
    task_folder,
)
from napari_organoid_synth.core.gain.work import Outcome, run_task
from napari_organoid_synth.core.gain.workers import open_workers
from napari_organoid_synth.core.job import Added, Control, Progress, Started, Warned
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.segmentation.segmenters import trust
from napari_organoid_synth.core.segmentation.segmenters.cellpose import installed_major
from napari_organoid_synth.core.segmentation.segmenters.cellpose_config import CellposeConfig
from napari_organoid_synth.core.segmentation.segmenters.command_config import CommandConfig
from napari_organoid_synth.core.segmentation.segmenters.multiscale_adversarial_config import MultiscaleAdversarialConfig
from tiny_gain import SETTINGS, make_project, plan_of, result_of, run


def disc(seed: int) -> SamplePair:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    cy, cx = rng.integers(20, 44, 2)
    labels = ((y - cy) ** 2 + (x - cx) ** 2 < 12**2).astype(np.int32)
    image = (100 + 60 * labels + rng.normal(0, 8, labels.shape)).clip(0, 255).astype(np.uint8)
    return SamplePair(f"disc{seed}", image[None], labels)


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "project", [disc(seed) for seed in range(4)])


ARMS = (
    "raw", "classical", "classical-organoid", "raw+simulated", "classical+synthetic", "classical-organoid+curated",
    "pretrain", "synthetic-only",
)  # fmt: skip


def test_all_arms_are_trained_and_paired(project, tmp_path):
    settings = SETTINGS.replace(arms=ARMS)
    events = run(project, settings, folder=tmp_path / "out")
    assert isinstance(events[0], Started)
    assert (events[0].info["folds"], events[0].info["total"]) == (2, 2 * (3 + 8))  # makers, arms
    assert events[0].info["groups"] == "4 images, none of which belong together"
    result = result_of(events)
    assert (events[-1].step, events[-1].reason) == (22, "completed")
    assert not [event for event in events if isinstance(event, Warned)]
    assert list(result.arms) == list(ARMS)
    assert len([event for event in events if isinstance(event, Added)]) == 22
    progress = [event for event in events if isinstance(event, Progress)]
    assert progress[-1].step == progress[-1].total == 22
    assert progress[-1].shares == dict.fromkeys(ARMS, 1.0)
    assert [row.steps for row in result.table] == [3, 3, 3, 3, 3, 3, 6, 3]  # fine-tuning comes in addition
    assert [row.synthetic for row in result.table] == [0, 0, 0, 4, 4, 2, 4, 4]
    assert result.table[5].curation == "automatic"
    names = sorted(f"disc{seed}" for seed in range(4))
    assert list(result.test) == list(result.train) == names
    for row, (name, arm) in zip(result.table, result.arms.items(), strict=True):
        assert row.arm == name
        assert list(arm.per_image) == names
        assert arm.dice == pytest.approx(np.mean([one["dice"] for one in arm.per_image.values()]))
        assert row.scores["dice"].mean == pytest.approx(arm.dice)
        assert arm.scores["f"] == pytest.approx(arm.dice)
        assert list(arm.per_class) == ["object"]
        if name != "raw":
            raw = result.arms["raw"].per_image
            change = [arm.per_image[one]["dice"] - raw[one]["dice"] for one in names]
            assert row.gain["dice"].mean == pytest.approx(np.mean(change))
    assert "automatically curated synthetic pairs" in result.sentence
    for arm in ARMS:
        assert {path.name for path in (tmp_path / "out" / "predictions" / arm).glob("*_errors.png")} == {
            f"{name}_errors.png" for name in names
        }
    assert read_result(tmp_path / "out") == result
    assert "folder" not in json.loads((tmp_path / "out" / "results.json").read_text())


def test_hard_images_are_counted_among_those_of_each_fold(project, tmp_path):
    segmenter = MultiscaleAdversarialConfig(width=4, side=64, hard="^disc[01]$")
    run(project, SETTINGS.replace(segmenter=segmenter, arms=("raw",), folds=4), folder=tmp_path / "out")
    notes = [
        json.loads(path.read_text()) for path in sorted((tmp_path / "out").glob("segmenters/raw/*/segmenter.json"))
    ]
    assert sorted(note["facts"]["hard"] for note in notes) == ["1 of 3 images"] * 2 + ["2 of 3 images"] * 2


def test_a_segmenter_that_learned_nothing_is_no_evidence_about_pairs(project, tmp_path):
    """Two steps from nothing leave Cellpose without one object."""
    pytest.importorskip("cellpose")
    if installed_major() != 3:
        pytest.skip("Cellpose 4 does not begin from nothing")
    settings = SETTINGS.replace(
        arms=("raw", "classical-tissue"), segmenter=CellposeConfig(tile=64), steps=2, design="hold-out", test_share=0.5
    )
    events = run(project, settings, folder=tmp_path / "out")
    result = result_of(events)
    assert [arm.dice for arm in result.arms.values()] == [0.0, 0.0]
    warnings = [event.text for event in events if isinstance(event, Warned)]
    assert warnings == list(result.warnings)
    assert [text.split(":")[0] for text in warnings] == ["Real pairs", "Classical augmentation (tissue)"]
    assert all("It failed to train; this says nothing about the pairs." in text for text in warnings)
    assert gain_text(result).splitlines()[-4:-2] == [f"! {text}" for text in warnings]


def test_a_warning_of_several_trainings_is_given_once(project, tmp_path):
    segmenter = MultiscaleAdversarialConfig(width=4, side=64, hard="nowhere")
    events = run(project, SETTINGS.replace(arms=("raw",), segmenter=segmenter), folder=tmp_path / "out")
    words = "None of 2 training images is hard by 'nowhere': all are drawn equally often."
    assert [event.text for event in events if isinstance(event, Warned)].count(words) == 1
    assert result_of(events).warnings.count(words) == 1


def test_subsets_ratios_and_repeats_make_the_grid(project):
    settings = SETTINGS.replace(arms=("raw+synthetic", "pretrain"), subsets=(1.0, 0.5), ratios=(1.0, 3.0), repeats=2)
    tasks = plan_of(project, settings).tasks
    kinds = [task.kind for task in tasks]
    assert kinds.count("generator") == 2 * 2 * 2  # folds, repeats, subsets: it knows no more than the arm
    assert kinds.count("arm") == 2 * 2 * 2 * (1 + 1 + 2 + 1)  # raw, classical, two ratios, pretraining without a ratio
    assert trainings(settings, 2) == {kind: kinds.count(kind) for kind in trainings(settings, 2)}
    assert len({task.key for task in tasks}) == len({task.title for task in tasks}) == len(tasks)
    for task in tasks:
        if isinstance(task, ArmTask) and task.needs:
            (source,) = (other for other in tasks if other.key == task.source)
            assert isinstance(source, PairsTask)
            assert source.train == task.train
            assert set(source.held) >= set(task.test)


def test_a_resumed_comparison_does_only_what_is_left(project, tmp_path):
    settings = SETTINGS.replace(arms=("classical-tissue",))
    control, added = Control(), []
    for event in gain(project, settings, control, tmp_path / "out"):
        if isinstance(event, Added):
            added += event.ids
        if len(added) == 2:
            control.cancel()
    assert event.reason == "canceled"
    assert event.result["tasks"] == {"total": 4, "done": 2, "failed": 0}
    assert result_of([event]).tasks.unfinished
    written = {key: (task_folder(tmp_path / "out", key) / "result.json").stat().st_mtime_ns for key in added}

    events = run(project, settings, folder=tmp_path / "out")
    assert events[0].info["done"] == 2
    assert events[-1].reason == "completed"
    again = [key for event in events if isinstance(event, Added) for key in event.ids]
    assert len(again) == 2
    assert not set(again) & set(added)
    for key, at in written.items():
        assert (task_folder(tmp_path / "out", key) / "result.json").stat().st_mtime_ns == at
    at_once = result_of(run(project, settings, folder=tmp_path / "other"))
    assert at_once.table[0].scores == result_of(events).table[0].scores


def test_a_stopped_generator_goes_on_from_its_checkpoint(project, tmp_path):
    settings = SETTINGS.replace(arms=("raw+synthetic",), generator_steps=4)
    (task, *_) = [task for task in plan_of(project, settings).tasks if task.kind == "generator"]

    class Stop(Control):
        asked = 0

        def request(self):
            self.asked += 1
            return "cancel" if self.asked > 4 else "run"

    assert run_task(str(tmp_path), task, Stop()) == Outcome("canceled")
    run_folder = task.folder(tmp_path) / "project" / "runs" / "generator"
    steps = [int(path.stem[5:]) for path in run_folder.glob("checkpoints/step_*.json")]
    assert 0 < max(steps) < 4
    assert read_record(task.folder(tmp_path)) is None
    assert run_task(str(tmp_path), task, Control()) == Outcome("done")
    other = make_project(tmp_path / "other", [disc(seed) for seed in range(4)])
    through = replace(task, project=str(other.path))
    assert through.key == task.key
    assert run_task(str(tmp_path), through, Control()) == Outcome("done")
    with SampleStore(pairs_path(project.path, task.key)) as one, SampleStore(pairs_path(other.path, task.key)) as two:
        pixels = [[content_hash(store.pair(id).image) for id in store.ids(sort="name")] for store in (one, two)]
    assert pixels[0] == pixels[1]


def test_the_same_settings_go_on_in_the_same_folder(project):
    short = SETTINGS.replace(arms=("raw",))
    first = run(project, short)[-1].result["folder"]
    again = run(project, short.replace(workers=2))
    assert again[-1].result["folder"] == first
    assert not [event for event in again if isinstance(event, Added)]
    assert find_gain(project, short.replace(steps=4)) is None
    assert run(project, short.replace(steps=4))[-1].result["folder"] != first


@pytest.mark.parametrize("dark", [False, True])
def test_simulated_objects_are_dark_where_the_real_ones_are(tmp_path, dark):
    pairs = [disc(seed) for seed in range(3)]
    if dark:
        pairs = [pair.replace(image=255 - pair.image) for pair in pairs]
    project = make_project(tmp_path / "project", pairs)
    settings = SETTINGS.replace(arms=("raw+simulated",), design="leave-one-out")
    (task, *_) = [task for task in plan_of(project, settings).tasks if task.kind == "simulator"]
    assert run_task(str(tmp_path), task, Control()) == Outcome("done")
    with SampleStore(pairs_path(project.path, task.key)) as store:
        made = [store.pair(id) for id in store.ids()]
    assert len(made) == 4
    for pair in made:
        assert (pair.mask_kind, pair.class_names, len(pair.image)) == ("binary", ("object",), 1)
        inside, outside = pair.image[0][pair.labels > 0].mean(), pair.image[0][pair.labels == 0].mean()
        assert (inside < outside) == dark
        assert pair.size == (128, 128)  # larger than a crop, which shows a part of it
        share = np.pi * 12**2 / 64**2  # of a real image in its disc
        assert 0.25 < (pair.labels > 0).mean() / share < 2.25


# --- leaks ---


def memorise(folder, task, control):
    """A generator that has learned its images by heart: what it makes are exactly the pairs that it was given."""
    yield from ()
    table = PairTable.from_file(Project(task.project).pairs_path)
    with SampleStore(Project(task.folder(folder) / "project").samples_path) as store:
        for pair in read_pairs(table, task.train):
            store.add(pair.replace(name=f"copy_{pair.name}", source=Source("synthetic")))
    return PairsRecord(pairs=len(task.train), data=task.train)


FIT = """
import json, pathlib, sys
data, model = map(pathlib.Path, sys.argv[1:])
pairs = json.loads((data / "data.json").read_text())["train"]
known = [[(data / pair[one]).read_bytes().hex() for one in ("image", "mask")] for pair in pairs]
(model / "known.json").write_text(json.dumps(known))
"""
PREDICT = """
import io, json, pathlib, sys
from tifffile import imread, imwrite
model, images, out = map(pathlib.Path, sys.argv[1:])
known = json.loads((model / "known.json").read_text())
known = [[imread(io.BytesIO(bytes.fromhex(file))) for file in pair] for pair in known]
for path in images.iterdir():
    image = imread(path)
    seen = [mask for other, mask in known if other.shape == image.shape and (other == image).all()]
    imwrite(out / path.name, seen[0] if seen else 0 * image)
"""  # a segmenter that knows images by heart, and marks nothing in any other


def test_a_memorising_generator_raises_its_score_only_where_it_may_see_the_test_images(tmp_path, monkeypatch):
    monkeypatch.setitem(gain_work.WORK, "generator", memorise)
    monkeypatch.setattr(trust, "_file", lambda: tmp_path / "trusted.json")
    project = make_project(tmp_path / "project", [disc(seed) for seed in range(4)])
    segmenter = CommandConfig(
        fit=(sys.executable, "-c", FIT, "{data}", "{model}"),
        predict=(sys.executable, "-c", PREDICT, "{model}", "{images}", "{out}"),
        trained_to_end=True,
    )
    settings = SETTINGS.replace(arms=("raw+synthetic",), design="hold-out", test_share=0.5, segmenter=segmenter)
    gains = {}
    for paper in (False, True):
        folder = tmp_path / str(paper)
        result = result_of(run(project, settings.replace(paper_protocol=paper), folder=folder))
        gains[paper] = result.table[1].gain["dice"].mean
        test = {content_hash(pair.image) for pair in load_pairs(project) if pair.name in result.test}
        (task, *_) = [one for one in plan_of(project, settings.replace(paper_protocol=paper)).tasks if one.needs == ()]
        with SampleStore(pairs_path(project.path, task.key)) as store:
            made = {content_hash(store.pair(id).image) for id in store.ids()}
        assert len(made & test) == (2 if paper else 0)
        assert len(made) == (4 if paper else 2)
        assert ("Optimistic" in result.sentence) == paper
    assert gains == {False: 0.0, True: 1.0}


def test_a_generator_that_cheats_stops_the_comparison(tmp_path, monkeypatch):
    """It looks into the project for the test images: found by their pixels, though its list of data names none."""

    def cheat(folder, task, control):
        honest = yield from memorise(folder, task, control)
        with SampleStore(pairs_path(task.project, task.key)) as store:
            for pair in load_pairs(Project(task.project)):
                store.add(pair.replace(name=f"stolen_{pair.name}", source=Source("synthetic")))
        return honest

    monkeypatch.setitem(gain_work.WORK, "generator", cheat)
    project = make_project(tmp_path / "project", [disc(seed) for seed in range(4)])
    with pytest.raises(Leak, match="has the pixels of the test image"):
        run(project, SETTINGS.replace(arms=("raw+synthetic",)))


def test_what_counts_as_a_leak():
    one, two, test = disc(0), disc(1), disc(2)
    refuse_leaks([test], [one, two], [one.replace(source=Source("synthetic"))], {"a": "another hash"})
    with pytest.raises(Leak, match="seen 'disc2'"):
        refuse_leaks([test], [one], [], {"renamed": content_hash(test.image, test.labels)})
    with pytest.raises(Leak, match="'renamed', on which an arm would train"):
        refuse_leaks([test], [one, test.replace(name="renamed")], [], {})
    painted = SamplePair("painted", one.image, test.labels, source=Source("synthetic"))
    with pytest.raises(Leak, match="painted"):
        refuse_leaks([test], [one], [painted], {})
    empty = test.replace(labels=np.zeros_like(test.labels))
    refuse_leaks([empty], [one], [painted.replace(labels=empty.labels)], {})  # an empty mask gives nothing away


def test_pairs_accepted_by_hand_are_used_only_where_their_generator_saw_no_test_image(project):
    hashes = {pair.name: content_hash(pair.image, pair.labels) for pair in load_pairs(project)}
    settings = SETTINGS.replace(arms=("raw+curated",), design="leave-one-out")

    def accept(name, data, mask):
        how = {"data": {one: hashes[one] for one in data}, "mask": mask}
        with SampleStore(project.samples_path) as store:
            id = store.add(disc(50).replace(name=name, source=Source("synthetic", provenance=how)))
            store.decide([id], "accepted")

    accept("clean", ("disc0", "disc1", "disc2"), {"kind": "warped", "name": "disc1"})
    accept("mask of disc3", ("disc0", "disc1", "disc2"), {"kind": "warped", "name": "disc3"})
    accept("mask unknown", ("disc0", "disc1", "disc2"), {"kind": "fitted"})
    accept("saw all", tuple(hashes), {"kind": "simulated"})
    accept("nothing known", (), {})
    plan = plan_of(project, settings)
    arms = {tuple(task.test): task for task in plan.tasks if isinstance(task, ArmTask) and task.arm == "raw+curated"}
    assert {test: len(task.stored) for test, task in arms.items()} == {
        ("disc0",): 0,
        ("disc1",): 0,
        ("disc2",): 0,
        ("disc3",): 1,
    }
    assert [bool(task.needs) for task in arms.values()] == [True, True, True, False]
    assert "not used in 3 of 4 cases" in plan.warnings[0]
    paper = plan_of(project, settings.replace(paper_protocol=True))
    stored = {len(task.stored) for task in paper.tasks if isinstance(task, ArmTask) and task.arm == "raw+curated"}
    assert stored == {5}


def test_accepted_pairs_that_do_not_fit_are_named(project):
    settings = SETTINGS.replace(arms=("raw+curated",), paper_protocol=True)
    away = project.pairs_path.rename(project.path / "away.json")  # as if it had entered before anything was compared
    with SampleStore(project.samples_path) as store:
        pair = disc(50)
        odd = pair.replace(name="odd", image=np.repeat(pair.image, 3, axis=0))
        ids = [store.add(one.replace(source=Source("synthetic"))) for one in (pair, odd)]
        store.decide(ids, "accepted")
    away.rename(project.pairs_path)
    plan = plan_of(project, settings)
    arms = [task for task in plan.tasks if isinstance(task, ArmTask) and task.arm == "raw+curated"]
    assert [[pair.id for pair in task.stored] for task in arms] == 2 * [["disc50"]]
    said = "'odd' is left out: 3 channels, the real pairs 1 channel. It does not fit the project."
    assert plan.warnings[-1] == said
    assert all(said not in warning for warning in plan_of(project, settings.replace(arms=("raw",))).warnings)


# --- what cannot be done ---


def test_it_says_what_is_missing(project, monkeypatch):
    monkeypatch.setattr(gain_workers, "CONNECT_SECONDS", 1.0)
    with pytest.raises(UserError, match="has no run that draws masks"):
        run(project, SETTINGS.replace(masks="generated"))
    with pytest.raises(UserError, match="4 images for 7 folds"):
        run(project, SETTINGS.replace(folds=7))
    with pytest.raises(UserError, match="None of the 4 pairs is put aside"):
        run(project, SETTINGS.replace(design="hold-out"))
    with pytest.raises(UserError, match=r"'tcp://127.0.0.1:9' does not answer"):
        run(project, SETTINGS.replace(arms=("raw",), scheduler="tcp://127.0.0.1:9"))


def test_a_failed_task_is_reported_and_the_rest_goes_on(project, tmp_path):
    settings = SETTINGS.replace(arms=("raw+curated",))
    broken = {task.key for task in plan_of(project, settings).tasks if task.kind == "generator"}

    def fail(folder, task, control):
        yield from ()
        raise UserError("The generator is broken.")

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(gain_work.WORK, "generator", fail)
        events = run(project, settings, folder=tmp_path / "out")
    result = result_of(events)
    assert result.tasks.model_dump() == {"total": 8, "done": 2, "failed": 6}
    assert list(result.arms) == ["raw"]
    warnings = [event.text for event in events if isinstance(event, Warned)]
    assert warnings == list(result.warnings)
    for number, text in enumerate(warnings, 1):
        start = f"Training the generator, fold {number}, failed: The generator is broken. 1 training with its pairs"
        assert text.startswith(start + " could not be done. The report is in segment/shared/generator-")
        assert text.endswith("/error.txt.")
    assert all((shared_folder(project.path, key) / "error.txt").exists() for key in broken)
    healed = run(project, settings, folder=tmp_path / "out")[-1].result
    assert healed["tasks"] == {"total": 8, "done": 8, "failed": 0}


def test_an_image_that_changes_meanwhile_is_noticed(project, tmp_path):
    (task, *_) = plan_of(project, SETTINGS.replace(arms=("raw",))).tasks
    name = next(iter(task.train))
    write_pair(project.path / "pairs", disc(77).replace(name=name))
    outcome = run_task(str(tmp_path), task, Control())
    assert outcome.state == "failed"
    assert f"'{name}' has changed since the comparison began" in outcome.message


def test_slices_of_a_volume_stay_together_and_a_design_that_parts_them_warns(tmp_path):
    pairs = [disc(seed).replace(name=f"mouse{seed // 2}_z{seed % 2}") for seed in range(6)]
    project = make_project(tmp_path / "project", pairs)
    plan = plan_of(project, SETTINGS.replace(arms=("raw",), design="grouped", folds=3))
    assert plan.grouping.description.startswith("3 groups of 6 images, by the names")
    assert [len({name[:6] for name in fold.test}) for fold in plan.folds] == [1, 1, 1]
    assert not plan.warnings
    parted = plan_of(project, SETTINGS.replace(arms=("raw",), design="leave-one-out"))
    assert "Images of one group (mouse0, mouse1, mouse2)" in parted.warnings[0]


# --- workers ---


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"scheduler": "here"}, 1),
        ({"workers": 3}, 3),
        ({"workers": 3, "scheduler": "here"}, 1),
        ({"device": "cuda"}, 1),
        ({"device": "cuda:1", "workers": 2}, 2),
        ({"device": "cpu"}, 6),
        ({"device": "cpu", "threads": 2}, 3),
        ({"device": "cpu", "threads": 0}, 1),
        ({"device": "cpu", "threads": 9}, 1),
    ],
)
def test_as_many_tasks_at_once_as_cores_or_one_on_a_graphics_card(changes, number, monkeypatch):
    for module in (cost_estimate, computer):
        monkeypatch.setattr(module, "cores", lambda: 6)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert workers_at_once(GainSettings().replace(**changes)) == number


@pytest.mark.parametrize(("device", "number"), [("auto", 3), ("cuda", 3), ("cuda:1", 1), ("cpu", 6)])
def test_one_task_at_once_for_each_graphics_card(device, number, monkeypatch):
    for module in (cost_estimate, computer):
        monkeypatch.setattr(module, "cores", lambda: 6)
        monkeypatch.setattr(module, "on_graphics_card", lambda name: name != "cpu")
    monkeypatch.setattr(computer, "has_graphics_card", lambda: True)
    monkeypatch.setattr(computer, "count_cards", lambda: 3)
    for name in ("OMP_NUM_THREADS", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    assert workers_at_once(GainSettings(device=device)) == number
    if device == "auto":
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "5, 7")  # as a queue of a cluster gives them
        assert computer.graphics_cards() == ("5", "7")
        assert workers_at_once(GainSettings()) == 2


def test_the_window_and_torch_agree_on_the_graphics_card():
    assert on_graphics_card("auto") == (pick_device("auto").type != "cpu")
    assert on_graphics_card("mps")
    assert not on_graphics_card("cpu")


def test_a_comparison_killed_at_any_moment_goes_on(project, tmp_path):
    """The command is killed hard after its first results; the same command does the rest and nothing twice."""
    arms = "arms=[raw, classical-tissue, classical-organoid]"
    command = [sys.executable, "-m", "napari_organoid_synth", "gain", str(project.path), "--json", "--set", arms]
    SETTINGS.replace(steps=20).to_file(tmp_path / "gain.yaml")
    command += ["--recipe", str(tmp_path / "gain.yaml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def done():
        return {path: path.stat().st_mtime_ns for path in project.path.glob("segment/*/tasks/*/result.json")}

    while len(done()) < 2 and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    before = done()
    assert 2 <= len(before) < 6
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(finished.stdout)
    assert result["tasks"] == {"total": 6, "done": 6, "failed": 0}
    after = done()
    assert len(after) == 6
    assert {path: after[path] for path in before} == before
    assert len(list(project.path.glob("segment/*"))) == 1


def test_two_workers_give_what_one_process_gives(project, tmp_path):
    settings = SETTINGS.replace(arms=("raw+synthetic",))
    here = result_of(run(project, settings, folder=tmp_path / "here"))
    other = make_project(tmp_path / "other", [disc(seed) for seed in range(4)])  # which shares no generator
    events = run(other, settings.replace(scheduler="", workers=2), folder=tmp_path / "two")
    assert events[-1].reason == "completed"
    two = result_of(events)
    assert two.tasks == here.tasks
    for one, other in zip(here.table, two.table, strict=True):
        assert one.scores == other.scores


@contextmanager
def dask_commands(folder):
    """A scheduler and two workers, each started by its own command, as on a cluster."""
    file, log = folder / "scheduler.json", (folder / "dask.log").open("w")
    command = [str(Path(sys.executable).with_name("dask"))]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    lines = [
        ["scheduler", "--host", "127.0.0.1", "--port", "0", "--scheduler-file", str(file), "--no-dashboard"],
        *2 * [["worker", "--scheduler-file", str(file), "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"]],
    ]
    processes = [
        subprocess.Popen([*command, *line], env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        for line in lines
    ]
    try:
        while not file.exists():
            assert processes[0].poll() is None, (folder / "dask.log").read_text()
            time.sleep(0.1)
        yield json.loads(file.read_text())["address"]
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(30)
        log.close()


def test_a_scheduler_of_another_process_gives_what_this_process_gives(project, tmp_path):
    settings = SETTINGS.replace(arms=("raw",), repeats=1)
    here = result_of(run(project, settings, folder=tmp_path / "here"))
    (tmp_path / "dask").mkdir()
    with dask_commands(tmp_path / "dask") as address:
        events = run(project, settings.replace(scheduler=address), folder=tmp_path / "far")
    far = result_of(events)
    assert far.tasks == here.tasks
    assert far.tasks.done == far.tasks.total == 2
    assert [row.scores for row in far.table] == [row.scores for row in here.table]


@dataclass(frozen=True, kw_only=True)
class DyingTask(Task):
    """Its worker dies the first time, or always."""

    kind: ClassVar[str] = "die"
    always: bool

    def identity(self):
        return {"always": self.always}


def die(folder, task, control):
    """The worker is killed, as by the system when memory is full."""
    yield from ()
    mark = Path(folder) / f"{task.key}.died"
    if not mark.exists() or task.always:
        mark.write_text("")
        os.kill(os.getpid(), signal.SIGKILL)
    return PairsRecord(pairs=0, data={})


PREPARE = """
import sys
sys.path.insert(0, {!r})
import test_gain
from napari_organoid_synth.core.gain import work
work.WORK["die"] = test_gain.die
"""  # tells a new worker about the task that dies


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal")
def test_a_task_whose_worker_dies_is_done_once_more(tmp_path):
    tasks = [DyingTask(title=f"{always}", always=always) for always in (False, True)]
    settings = SETTINGS.replace(scheduler="", workers=1)
    found = {}
    with open_workers(tmp_path, settings, Control(), 1) as workers:
        workers.client.register_worker_callbacks(partial(exec, PREPARE.format(str(Path(__file__).parent))))
        for task in tasks:
            workers.submit(task)
            while task.title not in found:
                found |= {ended.title: outcome for ended, outcome in workers.poll(1)}
    assert found["False"] == Outcome("done")
    assert found["True"].state == "failed"
    assert "ended twice" in found["True"].message
