"""Images marked for testing in the project are in no training, whatever the design."""

from __future__ import annotations

import json
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import find_fold_groups, make_folds, put_aside, split_groups
from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.plan import Plan, make_plan
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.storage import pick_recipes
from napari_organoid_synth.core.gain.tasks import ArmTask, PairsTask, read_record
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

RECIPE = Recipe().override(
    "gan=pix2pix",
    "gan.generator_channels=8",
    "gan.discriminator_channels=8",
    "tiles.size=64",
    "train.steps=2",
    "train.batch=1",
    "train.precision=float32",
    "train.checkpoint_every=2",
)
SETTINGS = GainSettings(
    segmenter=UNetConfig(channels=8, depth=2, tile=64, batch=2),
    arms=("raw+synthetic", "raw+curated", "raw+simulated", "classical+pasted"),
    repeats=1,
    ratios=(1.0,),
    steps=2,
    pairs=2,
    generator="recipe.yaml",
    scheduler="here",
    device="cpu",
)
DESIGNS = ("hold-out", "k-fold", "leave-one-out", "grouped")


def folds_of(groups, design, marked, seed=0, series=(), strata=None):
    share = 0.4 if design == "hold-out" else 0.0
    return make_folds(groups, design, 0, share, marked, seed, series, strata)


@given(
    st.lists(st.sampled_from("ABCD"), min_size=2, max_size=10),
    st.sets(st.integers(0, 9)),
    st.integers(0, 3),
    st.sampled_from(["groups", "alone", "series"]),
    st.booleans(),
)
@settings(max_examples=400, deadline=None)
def test_no_fold_holds_an_image_that_is_put_aside(letters, marked, seed, how, with_strata):
    names = [f"i{index}" for index in range(len(letters))]
    groups = dict(zip(names, letters if how == "groups" else names, strict=True))
    series = names if how == "series" else ()
    strata = dict(zip(names, letters, strict=True)) if with_strata else None
    aside = {names[index] for index in marked if index < len(names)}
    rest = sorted(set(names) - aside)
    for design in DESIGNS:
        several = len({groups[name] for name in rest}) > 1
        if len(rest) < 2 or (design in {"hold-out", "grouped"} and not several):
            with pytest.raises(UserError, match=r"Expected at least (two|as many groups)") as error:
                folds_of(groups, design, sorted(aside), seed, series, strata)
            assert error.value.todo
            continue
        folds = folds_of(groups, design, sorted(aside), seed, series, strata)
        assert put_aside(design, 0.4 if design == "hold-out" else 0.0, aside) == tuple(sorted(aside))
        for fold in folds:
            assert fold.train
            assert fold.test
            assert sorted(fold.train + fold.test) == rest
        tested = [name for fold in folds for name in fold.test]
        assert len(tested) == len(set(tested))
        if design == "hold-out":
            assert len(tested) >= max(1, round(0.4 * len(rest))) or len({groups[name] for name in folds[0].train}) == 1
        else:
            assert sorted(tested) == rest
        if design in {"hold-out", "grouped"}:
            assert not split_groups(folds, groups)
        if design == "grouped" and series:
            order = [names.index(name) for fold in folds for name in sorted(fold.test, key=names.index)]
            assert order == sorted(order)  # blocks, with gaps where images are put aside


def test_only_a_hold_out_without_a_share_tests_the_marked_images_in_its_fold():
    groups = {name: name for name in "abcde"}
    (fold,) = make_folds(groups, "hold-out", held=["b", "d"])
    assert (fold.train, fold.test) == (("a", "c", "e"), ("b", "d"))
    assert put_aside("hold-out", 0.0, ["b", "d"]) == ()
    (fold,) = make_folds(groups, "hold-out", test_share=0.34, held=["b", "d"])
    assert len(fold.test) == 1  # a third of the three that are not put aside
    assert {*fold.train, *fold.test} == {"a", "c", "e"}


@pytest.mark.parametrize("marked", [["a", "b"], ["a", "b", "c"]])
@pytest.mark.parametrize("design", ["k-fold", "leave-one-out", "grouped"])
def test_a_design_that_has_nothing_left_says_so(design, marked):
    with pytest.raises(UserError, match=r"There is (only 1|no) pair besides the \d pairs put aside") as error:
        make_folds({name: name for name in "abc"}, design, held=marked)
    assert "hold-out" in error.value.todo


def rows(*names, marked=()):
    return [PairEntry(name=name, split="test" if name in marked else "train") for name in names]


def test_one_volume_left_is_tested_in_blocks():
    names = [f"{volume}_z{number}" for volume in ("vnc1", "vnc2") for number in range(6)]
    grouping = find_fold_groups(rows(*names, marked=names[6:]))
    assert grouping.series == tuple(names[:6])
    assert "All 6 images seem to belong together" in grouping.warning
    assert set(grouping.groups) == set(names)
    assert {grouping.groups[name] for name in names[6:]} == {"vnc2"}
    folds = make_folds(grouping.groups, "grouped", 3, held=names[6:], series=grouping.series)
    assert [fold.test for fold in folds] == [tuple(names[:2]), tuple(names[2:4]), tuple(names[4:6])]
    whole = find_fold_groups(rows(*names))
    assert set(whole.groups.values()) == {"vnc1", "vnc2"}  # without a mark as ever
    assert find_fold_groups(rows(*names, marked=names[:1])) == whole  # two are left


def test_two_groups_are_no_five_folds_but_two():
    groups = {
        f"{letter}{index}": letter for letter, number in (("a", 1), ("b", 6), ("c", 2)) for index in range(number)
    }
    held = ["c0", "c1"]
    folds = make_folds(groups, "grouped", held=held)
    assert sorted(len(fold.test) for fold in folds) == [1, 6]
    with pytest.raises(UserError, match="There are 2 groups for 5 folds"):
        make_folds(groups, "grouped", 5, held=held)


def disc(name: str, seed: int) -> SamplePair:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    cy, cx = rng.integers(20, 44, 2)
    labels = ((y - cy) ** 2 + (x - cx) ** 2 < 12**2).astype(np.int32)
    image = (100 + 60 * labels + rng.normal(0, 8, labels.shape)).clip(0, 255).astype(np.uint8)
    return SamplePair(name, image[None], labels)


def make_project(path, names, marked) -> Project:
    project = Project(path)
    for seed, name in enumerate(names):
        add_pair(project, disc(name, seed), "binary")
    RECIPE.to_file(project.path / "recipe.yaml")
    mark(project, marked)
    return project


def mark(project, marked):
    table = PairTable.from_file(project.pairs_path)
    rows = tuple(row.replace(split="test" if row.name in marked else "train") for row in table.entries)
    table.replace(entries=rows).to_file(project.pairs_path)


def plan_of(project, settings) -> Plan:
    return make_plan(project, settings, pick_recipes(project, settings))


NAMES = [f"embryo{group}_z{plane}" for group in range(4) for plane in range(2)]


def test_no_task_of_any_design_learns_from_a_marked_image(tmp_path):
    project = make_project(tmp_path / "project", NAMES, ())
    for marked, design, paper in product(((), NAMES[:1], NAMES[:2], NAMES[2:6]), DESIGNS, (False, True)):
        mark(project, marked)
        share = 0.3 if design == "hold-out" else 0.0
        choice = SETTINGS.replace(design=design, test_share=share, paper_protocol=paper, subsets=(0.5, 1.0))
        plan = plan_of(project, choice)
        rest = set(NAMES) - set(marked)
        for task in plan.tasks:
            assert not set(task.train) & set(marked)
            assert set(task.train) <= rest
            if isinstance(task, PairsTask):
                assert set(task.held) >= set(marked)
                assert set(task.train) == rest or not paper
            if isinstance(task, ArmTask):
                assert set(task.put_aside) == set(marked)
                assert not set(task.test) & {*marked, *task.train}
        tested = [name for fold in plan.folds for name in fold.test]
        assert len(tested) == len(set(tested))
        assert set(tested) <= rest if design == "hold-out" else set(tested) == rest
        cut = [text for text in plan.warnings if "put aside for the test" in text]
        assert bool(cut) == (len(marked) == 1)  # one of two planes of an embryo


def test_the_paper_protocol_on_marked_images_alone_is_refused(tmp_path):
    project = make_project(tmp_path / "project", NAMES, NAMES[:2])
    choice = SETTINGS.replace(design="hold-out", paper_protocol=True)
    with pytest.raises(UserError, match="would train the generator on the 2 images put aside") as error:
        plan_of(project, choice)
    assert error.value.todo
    (fold,) = plan_of(project, choice.replace(paper_protocol=False)).folds
    assert fold.test == tuple(NAMES[:2])


def test_the_generators_of_a_comparison_saw_no_marked_image(tmp_path):
    marked = ["disc1", "disc4"]
    project = make_project(tmp_path / "project", [f"disc{seed}" for seed in range(6)], marked)
    choice = SETTINGS.replace(design="k-fold", folds=2, arms=("raw+synthetic", "raw+simulated", "classical+pasted"))
    plan, folder = plan_of(project, choice), tmp_path / "out"
    list(gain(project, choice, Control(), folder))
    seen_of_all = set()
    for task in plan.tasks:
        record = read_record(task.folder(folder))
        if isinstance(task, PairsTask):
            assert set(record.data) == set(task.train)
            assert not set(record.data) & set(marked)
        if task.kind == "generator":
            scratch = Project(task.folder(folder) / "project", make=False)
            seen = Run(scratch.path / "runs" / "generator").seen
            assert set(seen) == set(task.train)
            seen_of_all |= set(seen)
            assert not {row.name for row in PairTable.from_file(scratch.pairs_path).entries} & set(marked)
        if isinstance(task, ArmTask):
            assert set(record.per_image) == set(task.test)
            assert set(record.put_aside) == set(marked)
            assert {"dice", "precision", "recall"} <= set(record.put_aside["disc1"])
    assert seen_of_all == {"disc0", "disc2", "disc3", "disc5"}
    stored = json.loads((plan.tasks[-1].folder(folder) / "result.json").read_text(encoding="utf-8"))
    assert set(stored["put_aside"]) == set(marked)
