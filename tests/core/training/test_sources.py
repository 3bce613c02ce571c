"""A run without training: ready in a moment, whole, and left alone on resuming."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Previewed, Saved, Started, Warned
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, load_pairs, split_table
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import content_hash
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.files import read_preview
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.training.timing import estimate
from napari_organoid_synth.core.training.train import train

RECIPE = Recipe.parse(
    {"gan": {"name": "analogy", "quality": "fast"}, "tiles": {"size": 64}, "train": {"previews": 2, "steps": 12345}}
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Three images to learn from and one to test on."""
    for seed in range(4):
        write_pair(tmp_path / "in", tissue(seed, 96).replace(name=f"image {seed}"))
    made = Project(tmp_path / "project")
    split_table(check_pairs(find_pairs(tmp_path / "in"), "instances"), 1).to_file(made.pairs_path)
    return made


def follow(project: Project, recipe: Recipe = RECIPE, resume: bool = False) -> list[Event]:
    return list(train(project, recipe, Control(), resume=resume))


def test_one_checkpoint_holds_the_training_images_alone(project: Project) -> None:
    events = follow(project)
    assert [type(event) for event in events if not isinstance(event, Warned)][::6] == [Started, Finished]
    assert [event.step for event in events if isinstance(event, Saved | Previewed)] == [0, 0]
    run = Run(project.run_path())
    assert run.steps() == [0]
    painter = new_generator(run.recipe, run.spec)
    run.load(painter)
    learned = {pair.name: content_hash(pair.image, pair.labels) for pair in load_pairs(project, split="train")}
    assert len(learned) == 3
    assert painter.kept.digests == learned == run.seen
    image, labels = read_preview(run.previews()[0][1])
    assert image.shape == (2, 1, 64, 64)
    assert image.dtype == np.dtype(run.codec.dtype)
    assert labels.any()
    assert events[-1].result["steps"] == 0


def test_resuming_changes_nothing_and_says_so(project: Project) -> None:
    follow(project)
    run = Run(project.run_path())
    before = {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()}
    events = follow(project, resume=True)
    assert [event.text for event in events if isinstance(event, Warned)] == [
        "Run 1 needs no training and is ready: there is nothing to resume."
    ]
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "completed"
    assert {path: path.read_bytes() for path in run.path.rglob("*") if path.is_file()} == before


def test_a_run_that_was_interrupted_is_made_whole(project: Project) -> None:
    follow(project)
    run = Run(project.run_path())
    expected = run.checkpoint_path(0).read_bytes()
    run.checkpoint_path(0).with_suffix(".json").unlink()
    follow(project, resume=True)
    assert run.steps() == [0]
    assert run.checkpoint_path(0).read_bytes() == expected


def test_there_are_neither_steps_to_measure_nor_weights_to_start_from(project: Project) -> None:
    found = estimate(project, RECIPE)
    assert (found.seconds_per_step, found.minutes) == (0.0, 0.0)
    assert 0 < found.needed_gb < 4
    assert not (project.path / "runs" / "timings.json").exists()
    with pytest.raises(UserError, match="cannot start from 'elsewhere'"):
        follow(project, RECIPE.override("start.run=elsewhere"))
    assert project.runs() == []
