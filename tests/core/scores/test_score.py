"""Scoring a project: what is written, who is flagged, who is best."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Finished, Progress, Started, Warned
from napari_organoid_synth.core.metrics.groups import group_of
from napari_organoid_synth.core.metrics.real_tiles import real_tiles
from napari_organoid_synth.core.metrics.realism import Realism
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.loading import add_pair, check_pairs, find_pairs
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tile_reading import TilePlace, tile_side
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.registry import METRICS
from napari_organoid_synth.core.samples.selection import best
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.score import nearest_real, score
from simulated import sample, scene


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    for seed in range(3):
        image, labels = scene(seed, 192, 36)
        add_pair(project, SamplePair(f"real{seed}", image, labels, class_names=("cell",)), "instances")
    with SampleStore(project.samples_path) as store:
        for seed in range(10, 14):
            store.add(sample(f"good{seed}", *scene(seed, 96)))
        real, labels = scene(1, 192, 36)
        store.add(sample("stolen", np.rot90(real[:, :96, 96:], axes=(1, 2)), np.rot90(labels[:96, 96:])))
        image, labels = scene(20, 96)
        store.add(sample("empty", image, np.zeros_like(labels)))
        blurred = np.stack([gaussian_filter(image[0], 5)])
        store.add(sample("blurred", blurred, labels))
    return project


def finished(project: Project, **changes: object) -> Finished:
    last = list(score(project, ScoreSettings(**{"sets": "none", **changes}), Control()))[-1]
    assert isinstance(last, Finished)
    return last


def test_scores_words_and_flags(project: Project) -> None:
    events = list(score(project, ScoreSettings(sets="none"), Control()))
    assert isinstance(events[0], Started)
    assert events[0].info["total"] == 7
    assert isinstance(events[-2], Progress)
    assert (events[-2].step, events[-2].total) == (1000, 1000)
    result = events[-1].result
    assert (result["scored"], result["copies"], result["broken_masks"]) == (7, 1, 1)
    with SampleStore(project.samples_path) as store:
        rows = {row.id: row for row in store.rows()}
    names = {found.name for name in METRICS.names() for found in METRICS.load(name).scores}
    assert rows["good10"].scores.keys() == names | {"realism"}
    assert rows["good10"].flagged == ""
    assert rows["good10"].note == "not a copy, sharp, 9 objects"
    assert rows["stolen"].flagged == "copy"
    assert rows["stolen"].nearest == TilePlace("real1", 0, 96)
    assert rows["stolen"].scores["nearest"] == pytest.approx(1, abs=1e-4)
    assert rows["empty"].flagged == "mask"
    assert "empty mask" in rows["empty"].note
    assert "blurred" in rows["blurred"].note
    good = [rows[f"good{seed}"].scores["realism"] for seed in range(10, 14)]
    assert min(good) > max(rows["empty"].scores["realism"], rows["blurred"].scores["realism"])


def test_images_alone_are_not_said_to_have_empty_masks(tmp_path: Path) -> None:
    for seed in range(3):
        tifffile.imwrite(tmp_path / f"real{seed}.tif", scene(seed, 192, 36)[0][0])
    project = Project(tmp_path / "project")
    check_pairs(find_pairs(sorted(tmp_path.glob("*.tif")), no_masks=True)).to_file(project.pairs_path)
    with SampleStore(project.samples_path) as store:
        for seed in range(10, 13):
            image, labels = scene(seed, 96)
            store.add(sample(f"made{seed}", image, np.zeros_like(labels)))
    assert finished(project).result["broken_masks"] == 0
    assert finished(project).result["already"] == 3  # every score is there
    with SampleStore(project.samples_path) as store:
        for row in store.rows():
            assert (row.flagged, row.note) == ("", "not a copy, sharp")
            assert row.scores["valid"] == 1
        metrics = [METRICS.load(name)().fit(real_tiles(project, 96).pairs) for name in METRICS.names()]
        assert {name for metric in metrics for name in metric.ranges} == {
            "nearest", "hf_energy", "blur", "grid", "slope", "brightness", "contrast",
        }  # fmt: skip
        assert len(best(store, 3)) == 3  # flagged ones would be left out


def test_realism_is_that_of_the_worst_trait(project: Project) -> None:
    finished(project)
    with SampleStore(project.samples_path) as store:
        pair, stored = store.pair("good11"), store.row("good11").scores
        blurred = store.row("blurred")
    tiles = real_tiles(project, 96)
    metrics = [METRICS.load(name)().fit(tiles.pairs) for name in METRICS.names()]
    known = Realism.of(metrics, [group_of(tile) for tile in tiles.pairs])
    values = {name: value for metric in metrics for name, value in metric(pair).items()}
    assert stored["realism"] == pytest.approx(known(values))
    assert stored["realism"] == known.of_worst(min(known.shares(values).values()))
    assert {group_of(tile) for tile in tiles.pairs} == {"real0", "real1", "real2"}
    assert blurred.scores["realism"] < 0.05
    assert "; unlike real: " in blurred.note


def test_best_are_new_unflagged_and_in_order(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        with pytest.raises(UserError, match="None of these samples has been scored"):
            best(store, 3)
        finished(project)
        order = best(store, 100)
        assert set(order) == {f"good{seed}" for seed in range(10, 14)} | {"blurred"}
        values = [store.row(id).scores["realism"] for id in order]
        assert values == sorted(values, reverse=True)
        store.decide(order[:1], "rejected")
        assert best(store, 2) == order[1:3]
        assert best(store, 1, verdict=None) == order[:1]
        assert best(store, 0) == []
        store.decide(store.ids(), "rejected")
        assert best(store, 3) == []


def test_scored_samples_are_left_unless_asked_again(project: Project) -> None:
    assert finished(project, metrics=("sharpness",)).result["scored"] == 7
    assert finished(project, metrics=("sharpness",)).result == {
        "scored": 0, "already": 7, "failed": {}, "copies": 0, "broken_masks": 0, "real_tiles": 0, "sets": [],
    }  # fmt: skip
    assert finished(project).result["scored"] == 7
    assert finished(project, metrics=("sharpness",), again=True).result["scored"] == 7
    with SampleStore(project.samples_path) as store:
        assert store.row("stolen").flagged == "copy"  # flags of metrics that did not run stay
        store.add(sample("late", *scene(30, 96)))
    assert finished(project).result["scored"] == 1


def test_stopping_keeps_what_is_done(project: Project) -> None:
    control = Control()
    events = score(project, ScoreSettings(metrics=("objects",)), control)
    next(events)
    control.cancel()
    last = list(events)[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.result["scored"]) == ("canceled", 0)
    assert finished(project, metrics=("objects",)).result["scored"] == 7


def test_a_missing_file_is_a_warning(project: Project) -> None:
    (project.path / "samples/good12.ome.tif").unlink()
    events = list(score(project, ScoreSettings(metrics=("objects",)), Control()))
    assert next(event.text for event in events if isinstance(event, Warned)).startswith("There is no file")
    assert events[-1].result["scored"] == 6


def test_real_tiles_and_the_one_to_look_at(project: Project) -> None:
    tiles = real_tiles(project, 96)
    assert {tile.size for tile in tiles.pairs} == {(96, 96)}
    assert {place.name for place in tiles.places} >= {"real0_y0_x0_r0", "real2_y96_x96_r0"}
    finished(project, metrics=("nearest",))
    with SampleStore(project.samples_path) as store:
        shown = nearest_real(project, store.row("stolen"))
        assert tile_side(row.size for row in store.rows()) == 96
        np.testing.assert_array_equal(shown.image, scene(1, 192, 36)[0][:, :96, 96:])
        new = store.add(sample("new", *scene(30, 96)))
        with pytest.raises(UserError, match="not known"):
            nearest_real(project, store.row(new))


def test_what_is_missing_is_said(tmp_path: Path) -> None:
    project = Project(tmp_path / "empty")
    with pytest.raises(UserError, match="no synthetic pairs to score"):
        list(score(project, ScoreSettings(sets="none"), Control()))
    with SampleStore(project.samples_path) as store:
        store.add(sample("a", *scene(1, 96)))
    with pytest.raises(UserError):
        list(score(project, ScoreSettings(sets="none"), Control()))
    with pytest.raises(UserError, match="There is no 'fid'"):
        list(score(project, ScoreSettings(metrics=("fid",)), Control()))
    with pytest.raises(UserError, match="No score is chosen"):
        list(score(project, ScoreSettings(metrics=()), Control()))
