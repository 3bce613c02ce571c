"""How long a comparison takes, and what a shorter one gives up first."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core.gain.cost_estimate import (
    NIGHT_SECONDS,
    Estimate,
    kept_generators,
    seconds,
    speeds,
    trainings,
)
from napari_organoid_synth.core.gain.results import ArmRecord
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve

SETTINGS = GainSettings(workers=1)


def test_the_default_comparison_is_counted():
    places = 5 * 3
    arms = 1 + 1 + 2 + 2  # raw, classical, and two ratios of pasted and of synthetic pairs
    expected = {"generator": places, "curated": 0, "simulator": 0, "pasted": places, "arm": places * arms}
    assert trainings(SETTINGS, 5) == expected
    two = SETTINGS.replace(generator=("a", "b"), arms=("raw", "pretrain", "raw+curated"), ratios=(1.0,))
    assert trainings(two, 5) == {
        "generator": 30, "curated": 30, "simulator": 0, "pasted": 0, "arm": places * (1 + 1 + 2 + 2),
    }  # fmt: skip
    assert trainings(two.replace(pairs_from="store"), 5)["arm"] == places * 4


def test_an_arm_counts_with_its_most_steps_until_it_is_known_how_many_it_takes():
    alone = SETTINGS.replace(arms=("raw",), repeats=1)
    assert seconds(alone, 2, {"arm": 0.1}, 0) == pytest.approx(2 * 5000 * 0.1)
    assert seconds(alone, 2, {"arm": 0.1, "arm_steps": 2000}, 0) == pytest.approx(2 * 2000 * 0.1)
    assert seconds(alone.replace(steps=1000), 2, {"arm": 0.1, "arm_steps": 2000}, 0) == pytest.approx(2 * 1000 * 0.1)
    assert Estimate(alone, 2, 2, {"arm": 0.1}, 0).at_most
    assert not Estimate(alone, 2, 2, {"arm": 0.1, "arm_steps": 2000}, 0).at_most


def test_the_steps_that_arms_took_are_those_of_arms_at_their_plateau(tmp_path):
    project = Project(tmp_path)
    for number, (taken, reached) in enumerate([(1800, True), (2200, True), (5000, False)]):
        curve = Curve(steps=(taken,), scores=(0.5,), taken=taken, at_plateau=reached)
        record = ArmRecord(arm="raw", per_image={}, steps=taken, seconds=taken / 10, curve=curve)
        path = project.path / "segment" / "20260101-000000-gain" / "tasks" / f"arm-{number}" / "result.json"
        path.parent.mkdir(parents=True)
        path.write_text(record.model_dump_json())
    assert speeds(project) == {"arm": pytest.approx(0.1), "arm_steps": 2000}


def test_a_training_of_a_few_steps_tells_no_speed(tmp_path):
    """Most of its time goes into loading: 10 steps in 100 s would make months of a comparison."""
    path = Project(tmp_path).path / "segment" / "20260101-000000-gain" / "tasks" / "arm-1" / "result.json"
    path.parent.mkdir(parents=True)
    path.write_text(ArmRecord(arm="raw", per_image={}, steps=10, seconds=100).model_dump_json())
    assert speeds(Project(tmp_path)) == {}
    path.write_text(ArmRecord(arm="raw", per_image={}, steps=50, seconds=10).model_dump_json())
    assert speeds(Project(tmp_path)) == {"arm": pytest.approx(0.2)}


def test_finished_generators_of_earlier_comparisons_are_kept(tmp_path):
    project = Project(tmp_path)
    assert kept_generators(project) == 0
    for name in ("generator-1", "generator-2", "generator-unfinished", "pasted-1"):
        (project.path / "segment" / "shared" / name).mkdir(parents=True)
        if not name.endswith("unfinished"):
            (project.path / "segment" / "shared" / name / "result.json").touch()
    assert kept_generators(project) == 2


def test_a_shorter_comparison_gives_up_first_what_costs_least():
    """One ratio, fewer arms, fewer folds, and only then the seeds, without which luck is not in the interval."""
    seen = {}
    for speed in (0.02, 0.08, 0.09, 0.15, 0.3, 0.5, 1.0):
        shorter = Estimate(SETTINGS, 5, 9, {"arm": speed}, 0).shorter()
        seen[speed] = shorter and (shorter.changes, shorter.seconds <= NIGHT_SECONDS)
    assert seen == {
        0.02: None,
        0.08: ("ratio 0.25", True),
        0.09: ("ratio 0.25", True),
        0.15: ("ratio 0.25, arms raw, classical, classical+synthetic, 3 folds", True),
        0.3: ("ratio 0.25, arms raw, classical, classical+synthetic, 2 folds", True),
        0.5: ("ratio 0.25, arms raw, classical, classical+synthetic, 1 repeat, 2 folds", True),
        1.0: ("ratio 0.25, arms raw, classical, classical+synthetic, 1 repeat, 2 folds", False),
    }
    costs = Estimate(SETTINGS, 5, 9, {"arm": 0.5}, 0).shorter().costs
    assert costs.startswith("No other share of the pairs is tried; the other arms are not compared; one repeat does")
