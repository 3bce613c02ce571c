"""The verbs map and fill on a small project with a trained painter and a generator from noise."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_organoid_synth.core.distances import euclidean
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Added, Control, Event, Finished, Progress, Saved, Started, Warned
from napari_organoid_synth.core.map.build import map as make_map
from napari_organoid_synth.core.map.build import starts_for
from napari_organoid_synth.core.map.gaps import uncovered
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.map.storage import MappedSample, read_map
from napari_organoid_synth.core.metrics.extractors import encoder
from napari_organoid_synth.core.metrics.real_features import RealFeatures
from napari_organoid_synth.core.metrics.real_tiles import real_tiles
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.metrics.tile_space import TileSpace
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import MIN_OBJECTS
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.fill_gaps import compare, fill
from napari_organoid_synth.core.synthesis.sampler import Sampler
from napari_organoid_synth.core.synthesis.settings import FillSettings, GenerateSettings
from napari_organoid_synth.core.training.train import train

RECIPE = Recipe.parse(
    {
        "gan": {"name": "pix2pix", "generator_channels": 8, "discriminator_channels": 8},
        "tiles": {"size": 64, "min_objects": 1},
        "train": {"steps": 2, "batch": 2, "previews": 1, "threads": 1, "precision": "float32", "device": "cpu"},
    }
)
JOINT = RECIPE.replace(
    gan={"name": "dcgan", "generator_channels": 8, "discriminator_channels": 8, "max_channels": 16}
).override("train.steps=20", "draws=images")
MAP = MapSettings(extractor="random", device="cpu", restarts=2)
FILL = FillSettings(extractor="random", device="cpu", number=4, tries=6, run="a-train")
N = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four real images; 12 samples, of which 8 look like the first image."""
    project = Project(tmp_path_factory.mktemp("made") / "project")
    for seed in range(4):
        pair = tissue(seed, 160)
        image = (
            pair.image if seed < 2 else (255 - pair.image if pair.image.dtype == np.uint8 else pair.image[..., ::-1])
        )
        add_pair(project, SamplePair(f"real{seed}", image, pair.labels, class_names=("cell",)), "instances")
    for name, recipe in (("a-train", RECIPE), ("b-train", JOINT)):
        list(train(project, recipe, Control(), project.path / "runs" / name))
    with SampleStore(project.samples_path) as store:
        for index, tile in enumerate(real_tiles(project, 64).pairs[:N]):
            store.add(tile.replace(name=f"s{index}"), run="a-train" if index < 8 else "")
    return project.path


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    return Project(shutil.copytree(made, tmp_path / "project"))


def done(events: Any) -> tuple[dict[str, Any], list[Event]]:
    seen = list(events)
    assert isinstance(seen[-1], Finished), seen[-1]
    return seen[-1].result, seen


def test_a_map_holds_every_real_tile_and_every_sample(project: Project) -> None:
    before = project.samples_path.read_bytes()
    result, events = done(make_map(project, MAP, Control()))
    assert isinstance(events[0], Started)
    assert all(event.step <= event.total for event in events if isinstance(event, Progress))
    saved = [event for event in events if isinstance(event, Saved)]
    assert {event.path for event in saved} == {str(project.map_path)}
    assert 1 <= len(saved) <= 2
    found = read_map(project)
    assert found is not None
    record, tiles = found.record, real_tiles(project, 64).places
    assert record.tiles == tuple(tiles)
    runs = ["a-train"] * 8 + [""] * 4
    assert record.samples == tuple(MappedSample(id=f"s{index}", run=run) for index, run in enumerate(runs))
    assert (record.method, record.side, result["points"]) == ("tsne", 64, len(tiles) + N)
    assert record.kl == result["kl"]
    assert record.perplexity == pytest.approx((len(tiles) + N - 1) / 3 if len(tiles) + N < 91 else 30)
    real = found.coordinates[: len(tiles)]
    copies = found.coordinates[len(tiles) :]
    # each sample is a real tile: on the map it lies nearest to that one
    assert (euclidean(copies, real).argmin(1) == np.arange(N)).mean() > 0.7
    # those tiles are covered, and regions hold uncovered ones only
    space = TileSpace(project, 64, MAP)
    list(space.learn())
    empty = set(uncovered(space.upright, space.upright[:N]))
    assert not empty & set(range(N))
    assert {row for region in record.regions for row in region} <= empty
    assert project.samples_path.read_bytes() == before


def test_features_are_kept_and_those_of_the_scores_are_used(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = done(make_map(project, MAP.replace(method="pca"), Control()))
    real = RealFeatures.of_project(project, ScoreSettings(extractor="random", device="cpu"), 64)
    for number, tile in enumerate(real.tiles):
        real.look(number, tile)
    before = {path: path.stat().st_mtime_ns for path in (project.path / "features").iterdir()}
    list(real.learn())  # those of the masks are made
    after = {path: path.stat().st_mtime_ns for path in (project.path / "features").iterdir()}
    assert before.items() < after.items()  # those of the images are found where the map left them
    monkeypatch.setattr(TileSpace, "vectors", lambda *_: pytest.fail("computed again"))
    again, _ = done(make_map(project, MAP.replace(method="pca"), Control()))
    assert first["points"] == again["points"]


def test_samples_that_cannot_be_read_are_told_and_left_out(project: Project) -> None:
    (project.path / "samples" / "s3.ome.tif").write_bytes(b"torn")
    result, events = done(make_map(project, MAP.replace(method="pca"), Control()))
    assert any(isinstance(event, Warned) and "s3" in event.text for event in events)
    found = read_map(project)
    assert found is not None
    assert "s3" not in {sample.id for sample in found.record.samples}
    assert len(found.coordinates) == result["points"]


def test_stopping_and_what_is_missing(project: Project) -> None:
    control = Control()
    control.cancel()
    events = list(make_map(project, MAP, control))
    assert isinstance(events[-1], Finished)
    assert events[-1].reason == "canceled"
    assert not project.map_path.exists()
    with pytest.raises(UserError, match="needs a file of weights"):
        next(make_map(project, MAP.replace(extractor="vgg19"), Control()))
    with pytest.raises(UserError, match="has no map"):
        next(fill(project, FILL, Control()))
    with SampleStore(project.samples_path) as store:
        store._db.execute("DELETE FROM samples")
    with pytest.raises(UserError, match="no synthetic pairs to map"):
        next(make_map(project, MAP, Control()))


def test_many_points_start_less_often() -> None:
    assert [starts_for(points, 10) for points in (50, 2000, 4000, 10_400, 100_000)] == [10, 10, 5, 2, 1]
    assert starts_for(10_400, 1) == 1


def test_masks_are_warped_from_the_chosen_tiles_alone(project: Project) -> None:
    settings = GenerateSettings(run="a-train", mask_tiles=("real2_y0_x96_r0",), variety=0, device="cpu", seed=3)
    drawn = Sampler.from_run(project, Run(project.run_path("a-train")), settings).draw(range(3))
    for pair in drawn:
        origin = pair.source.provenance["mask"]
        assert (origin["kind"], origin["name"]) == ("warped", "real2")
        assert (origin["y"], origin["x"]) == (0, 80)  # 80 px wide around the tile, inside the image of 160 px
    assert MIN_OBJECTS["instances"] == 3
    with pytest.raises(UserError, match="'gone' is not among"):
        Sampler.from_run(project, Run(project.run_path("a-train")), settings.replace(mask_tiles=("gone_y0_x0_r0",)))


@pytest.mark.parametrize("run", ["a-train", "b-train"])
def test_pairs_are_made_near_real_tiles_and_can_be_made_again(project: Project, run: str) -> None:
    list(make_map(project, MAP.replace(method="pca"), Control()))
    near = tuple(place.name for place in real_tiles(project, 64).places[-6:])
    settings = FILL.replace(tiles=near, run=run)
    result, events = done(fill(project, settings, Control()))
    added = [id for event in events if isinstance(event, Added) for id in event.ids]
    assert (result["added"], result["candidates"], result["tiles"]) == (4, 24, 6)
    assert len(added) == 4
    if run == "b-train":  # its candidates hold those that it is compared with
        assert result["distance"] <= result["distance_plain"]
    assert result["nearer"] == pytest.approx(1 - result["distance"] / result["distance_plain"], abs=1e-3)
    space = TileSpace(project, 64, settings)
    list(space.learn())
    with SampleStore(project.samples_path) as store:
        pairs = [store.pair(id) for id in added]
        assert {store.row(id).run for id in added} == {run}
    vectors = space.vectors([space.picture(pair) for pair in pairs])
    distance = euclidean(space.upright[-6:], vectors)
    assert distance.min(1).mean() == pytest.approx(result["distance"], abs=1e-3)
    for pair, column in zip(pairs, distance.T, strict=True):
        provenance = pair.source.provenance
        assert provenance["chosen"]["near"] == list(near)
        assert provenance["chosen"]["candidates"] == 24
        assert provenance["chosen"]["distance"] == pytest.approx(column.min(), abs=1e-3)
        # the provenance alone makes the same sample
        artist = Sampler.from_run(project, Run(project.run_path(run)), GenerateSettings.parse(provenance["settings"]))
        (again,) = artist.draw([provenance["index"]])
        np.testing.assert_array_equal(again.image, pair.image)
        np.testing.assert_array_equal(again.labels, pair.labels)
    more, _ = done(fill(project, settings, Control()))  # not the same ones twice
    with SampleStore(project.samples_path) as store:
        names = [row.name for row in store.rows()]
    assert len(set(names)) == len(names)
    assert more["added"] == 4


def test_how_much_nearer_is_a_ratio_of_mean_distances() -> None:
    real = np.array([[0.0, 0.0], [10.0, 0.0]])
    kept, plain = np.array([[1.0, 0.0], [10.0, 2.0]]), np.array([[4.0, 0.0], [4.0, 0.0]])
    found = compare(real, np.array([1.5, 1.5]), kept, plain)
    assert found == {"distance": 1.5, "distance_plain": 5.0, "nearer": 0.7, "covered": 1, "covered_plain": 0}


def test_regions_are_checked(project: Project) -> None:
    list(make_map(project, MAP.replace(method="pca"), Control()))
    with pytest.raises(UserError, match="no empty region 99"):
        next(fill(project, FILL.replace(region=99), Control()))
    with pytest.raises(UserError, match="is not among the real tiles"):
        list(fill(project, FILL.replace(tiles=("real0_y1_x1_r0",)), Control()))


def test_damaged_features_are_made_again(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "STEPS", 3)  # what it learns does not matter here
    settings = MAP.replace(extractor="encoder")
    list(make_map(project, settings, Control()))
    (weights,) = project.path.glob("features/encoder-*.safetensors")
    (features,) = project.path.glob("features/real-encoder-*.npy")
    before = np.load(features)
    weights.unlink()
    os.mkfifo(weights)
    np.save(features, before[:1])
    list(make_map(project, settings, Control()))
    assert weights.is_file()
    (features,) = project.path.glob("features/real-encoder-*.npy")
    assert np.load(features).shape == before.shape


def test_a_map_of_one_run(project: Project) -> None:
    result, _ = done(make_map(project, MAP, Control()))
    assert result["runs"] == {"run 1, pix2pix": 8, "without a run": 4}
    result, _ = done(make_map(project, MAP.replace(runs=("run 1",)), Control()))
    assert result["runs"] == {"run 1, pix2pix": 8}
    found = read_map(project)
    assert found is not None
    assert {sample.run for sample in found.record.samples} == {"a-train"}
    with pytest.raises(UserError, match=r"No synthetic pair comes from b-train\."):
        list(make_map(project, MAP.replace(runs=("2",)), Control()))
    with pytest.raises(UserError, match="There is no run '9'"):
        list(make_map(project, MAP.replace(runs=("9",)), Control()))
