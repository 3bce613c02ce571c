"""Generating: what is added, that it can be made again, which masks are refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Added, Control, Finished, Progress, Started, Warned
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.tiling import MIN_OBJECTS
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.runs.sharing import find_run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.illumination import add_background
from napari_organoid_synth.core.simulators.population import PopulationSettings, place, population
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.core.synthesis.generate import generate
from napari_organoid_synth.core.synthesis.mask_sources import Mask, fitted_masks, masks_of
from napari_organoid_synth.core.synthesis.more_like import more_like
from napari_organoid_synth.core.synthesis.sampler import Sampler
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator
from napari_organoid_synth.core.training.train import train
from simulated import em_project

RECIPE = Recipe.parse(
    {
        "gan": {"name": "pix2pix", "generator_channels": 8, "discriminator_channels": 8},
        "tiles": {"size": 64},
        "train": {"steps": 2, "batch": 2, "previews": 1, "threads": 1, "precision": "float32", "device": "cpu"},
    }
)
JOINT = RECIPE.replace(
    gan={"name": "dcgan", "generator_channels": 8, "discriminator_channels": 8, "max_channels": 16}
).override("train.steps=30")  # until batch statistics have settled
KNOWN = PopulationSettings(field=128, count=(18, 24), radius=(4.5, 5.5), clusters=0)
SETTINGS = GenerateSettings(number=5, seed=7, batch=2, device="cpu")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = em_project(tmp_path_factory.mktemp("project"), 2)
    for name, recipe in (("a-train", RECIPE), ("b-train", JOINT)):
        list(train(project, recipe, Control(), project.path / "runs" / name))
    return project


def sampler(project: Project, settings: GenerateSettings = SETTINGS, run: str = "a-train") -> Sampler:
    return Sampler.from_run(project, Run(project.run_path(run)), settings)


def test_samples_are_added_with_their_provenance(project: Project) -> None:
    events = list(generate(project, SETTINGS.replace(run="a-train"), Control()))
    assert isinstance(events[0], Started)
    added = [id for event in events if isinstance(event, Added) for id in event.ids]
    assert added == [f"pix2pix-a-s7-{index:05d}" for index in range(5)]
    assert [event.step for event in events if isinstance(event, Progress)] == [2, 4, 5]
    assert isinstance(events[-1], Finished)
    assert events[-1].result["added"] == 5
    with SampleStore(project.samples_path) as store:
        pair = store.pair(added[3])
        assert store.row(added[3]).run == "a-train"
    assert pair.image.shape == (1, 64, 64)
    assert pair.image.dtype == np.uint8
    assert pair.pixel_size == pytest.approx((0.0046, 0.0046))
    assert pair.class_names == em(0, 64).class_names
    assert pair.source.kind == "synthetic"
    provenance = pair.source.provenance
    checkpoint = project.path / "runs/a-train/checkpoints/step_00000002.safetensors"
    import hashlib

    assert provenance["model_sha256"] == hashlib.sha256(checkpoint.read_bytes()).hexdigest()
    assert (provenance["checkpoint"], provenance["seed"], provenance["index"]) == (2, 7, 3)
    assert provenance["mask"]["kind"] == "moved"  # the default where masks have classes
    assert set(provenance["mask"]["names"]) <= {"em0", "em1"}
    assert provenance["mask"]["digest"] == content_hash(pair.labels)
    assert set(provenance["data"]) == {"em0", "em1"}
    assert GenerateSettings.parse(provenance["settings"]).seed == 7


def test_the_same_seed_goes_on_with_other_noise(cells: Project, tmp_path: Path) -> None:
    shutil.copytree(cells.path, tmp_path / "cells")
    cells = Project(tmp_path / "cells")
    settings = SETTINGS.replace(run="c-train", seed=3, number=2)

    def made(settings: GenerateSettings) -> tuple[list[str], Finished, list[str]]:
        events = list(generate(cells, settings, Control()))
        warnings = [event.text for event in events if isinstance(event, Warned)]
        assert isinstance(events[-1], Finished)
        return list(events[-1].result["samples"]), events[-1], warnings

    first, second = made(settings)[0], made(settings)[0]
    assert [id.rpartition("-")[2] for id in (*first, *second)] == ["00000", "00001", "00002", "00003"]
    with SampleStore(cells.samples_path) as store:
        assert len({content_hash(store.pair(id).image) for id in (*first, *second)}) == 4
        assert store.next_number("c-train", 3) == 4
        store.delete(second)
        assert store.next_number("c-train", 3) == 4  # numbers in the bin are not given again
    third, finished, _ = made(settings.replace(number=1))
    assert (third[0].rpartition("-")[2], finished.result["first"]) == ("00004", 4)
    again, finished, warnings = made(settings.replace(first=0))  # the same ones
    assert (again, finished.result["added"], finished.result["known"]) == ([], 0, 2)
    assert "2 pairs were not added: the project has the same pixels and mask already." in warnings


def test_more_like_a_sample_are_nearer_to_it_than_others(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sampler, "_usable", lambda self, labels: True)  # two steps teach no masks
    shutil.copytree(project.path, tmp_path / "copy")
    copy = Project(tmp_path / "copy")
    first = list(generate(copy, SETTINGS.replace(run="b-train", seed=11, number=1), Control()))[-1].result["samples"]
    settings = more_like(copy, first[0], 4, 0.2)
    assert (settings.run, settings.checkpoint, settings.number, settings.near) == ("b-train", "30", 4, first[0])
    near = list(generate(copy, settings, Control()))[-1].result["samples"]
    assert [id.rpartition("-")[2] for id in near] == ["00001", "00002", "00003", "00004"]
    plain = sampler(copy, SETTINGS.replace(seed=11), "b-train").draw(range(1, 5))
    with SampleStore(copy.samples_path) as store:
        centre, others = store.pair(first[0]).image, [store.pair(id) for id in near]
        store.add(store.pair(first[0]).replace(name="drawn_by_hand", source=Source("synthetic")), "nowhere")

    def distance(image: np.ndarray) -> float:
        return float(np.abs(image.astype(float) - centre).mean())

    assert max(distance(pair.image) for pair in others) < min(distance(pair.image) for pair in plain)
    assert len({content_hash(pair.image) for pair in others}) == 4
    with pytest.raises(UserError, match="was not drawn by a generator of this project"):
        more_like(copy, "drawn_by_hand", 4)
    with pytest.raises(UserError, match="was not drawn by run 1"):
        list(generate(copy, SETTINGS.replace(run="a-train", near=first[0]), Control()))


@pytest.mark.parametrize("run", ["a-train", "b-train"])
def test_a_sample_depends_on_its_index_alone(project: Project, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sampler, "_usable", lambda self, labels: True)  # two steps teach no masks
    many = sampler(project, run=run).draw(range(5))
    (again,) = sampler(project, SETTINGS.replace(number=1, batch=1), run).draw([3])
    np.testing.assert_array_equal(again.image, many[3].image)
    np.testing.assert_array_equal(again.labels, many[3].labels)
    assert not np.array_equal(many[2].image, many[3].image)
    other = sampler(project, SETTINGS.replace(seed=8), run).draw([3])
    assert not np.array_equal(other[0].image, many[3].image)


def test_real_masks_are_painted_as_they_are(project: Project) -> None:
    pairs = sampler(project, SETTINGS.replace(masks="real")).draw(range(2))
    truth = em(0, 96).labels
    np.testing.assert_array_equal(pairs[0].labels, truth[:64, :64])
    np.testing.assert_array_equal(pairs[1].labels, truth[:64, 32:])


def test_simulated_masks(project: Project) -> None:
    (pair,) = sampler(project, SETTINGS.replace(masks="simulated")).draw([0])
    assert pair.source.provenance["mask"]["name"] == "em"
    assert set(np.unique(pair.labels)) <= {0, 1, 2}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of single objects with a painter."""
    project = Project(tmp_path_factory.mktemp("cells"))
    for seed in range(3):
        pair = population(seed, 128, KNOWN)
        add_pair(project, SamplePair(f"cells{seed}", pair.image, pair.labels, pixel_size=(0.5, 0.5)), "instances")
    list(train(project, RECIPE.override("train.steps=1"), Control(), project.path / "runs" / "c-train"))
    return project


def test_fitted_masks_have_the_sizes_of_the_real_ones_and_can_be_drawn_again(cells: Project) -> None:
    settings = SETTINGS.replace(masks="fitted", number=12)
    pairs = sampler(cells, settings, "c-train").draw(range(12))
    assert len(pairs) == 12
    for pair in pairs:
        origin = pair.source.provenance["mask"]
        assert (pair.mask_kind, origin["kind"]) == ("instances", "fitted")
        measured = PopulationSettings.parse(json.loads(json.dumps(origin["population"])))
        labels, left_out = place(measured, np.random.default_rng(int(origin["seed"])), 64)
        np.testing.assert_array_equal(labels, pair.labels)
        assert left_out == origin["left_out"]
        assert origin["digest"] == content_hash(labels)
        assert measured.field == 128
        assert measured.radius == pytest.approx(KNOWN.radius, rel=0.1)
        assert 10 < len(measured.shapes) <= 24  # those of one real mask that are not cut by the border
    assert len({content_hash(pair.labels) for pair in pairs}) == 12
    counts = {pair.source.provenance["mask"]["population"]["count"][0] for pair in pairs}
    real = {population(seed, 128, KNOWN).n_objects for seed in range(3)}
    assert counts == real
    areas = np.concatenate([np.bincount(pair.labels.ravel())[1:] for pair in pairs])
    assert np.median(areas) == pytest.approx(np.pi * 25, rel=0.2)
    (again,) = sampler(cells, settings, "c-train").draw([5])
    np.testing.assert_array_equal(again.image, pairs[5].image)


def test_fitted_masks_that_are_too_crowded_are_told_once(cells: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_organoid_synth.core.simulators import population_fit

    full = KNOWN.replace(count=(400, 400), overlap=0.0)
    monkeypatch.setattr(population_fit, "fit_each", lambda *_: [full])
    events = list(generate(cells, SETTINGS.replace(masks="fitted", number=2), Control()))
    with SampleStore(cells.samples_path) as store:
        left = [store.pair(id).source.provenance["mask"]["left_out"] for id in store.ids()]
    assert min(left) > 10
    assert [event.text for event in events if isinstance(event, Warned)] == [
        f"{sum(left)} objects of the masks were left out: no free place, or no outline like a real one, in 500 tries."
    ]


def test_fitted_binary_masks_are_merged_and_classes_refused(project: Project, tmp_path: Path) -> None:
    from napari_organoid_synth.core.codec.codec import Codec

    pairs = [population(seed, 128, KNOWN.replace(mask_kind="binary")) for seed in range(3)]
    run = Run.create(tmp_path / "run", RECIPE, Codec.fit(pairs, RECIPE.codec))
    masks = fitted_masks(pairs, run.codec, 64, 7)
    labels = [masks(index, 0).labels for index in range(40)]
    assert set(np.unique(labels)) == {0, 1}
    assert np.mean(labels) == pytest.approx(np.mean([pair.labels.mean() for pair in pairs]), rel=0.2)
    with pytest.raises(UserError) as caught:
        sampler(project, SETTINGS.replace(masks="fitted"))
    assert str(caught.value) == (
        "The masks have named classes (mitochondria, membranes). A population is fitted to single objects: instances, "
        "or a binary mask. Paint on real masks, moved."
    )


@pytest.mark.parametrize("run", ["a-train", "b-train"])
def test_background_goes_into_the_image_alone(project: Project, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sampler, "_usable", lambda self, labels: True)
    (plain, _), (uneven, other) = (
        sampler(project, SETTINGS.replace(background=strength), run).draw(range(2)) for strength in (0.0, 0.6)
    )
    assert "background" not in plain.source.provenance
    noted = uneven.source.provenance["background"]
    assert noted["strength"] == uneven.source.provenance["settings"]["background"] == 0.6
    assert noted["seed"] != other.source.provenance["background"]["seed"]
    expected = add_background(plain.image, np.random.default_rng(int(noted["seed"])), 0.6)
    np.testing.assert_array_equal(uneven.image, expected)
    assert uneven.image.dtype == plain.image.dtype == np.uint8
    assert not np.array_equal(uneven.image, plain.image)
    np.testing.assert_array_equal(uneven.labels, plain.labels)


@pytest.mark.parametrize("strength", [-0.1, 1.1])
def test_background_has_bounds(strength: float) -> None:
    with pytest.raises(UserError, match="Setting 'background' is"):
        GenerateSettings.parse({"background": strength})


def test_variety_changes_the_noise_alone_and_warp_the_mask(project: Project) -> None:
    warped = SETTINGS.replace(masks="warped")
    still, varied, bent = (
        sampler(project, warped.replace(**changes)).draw([0])[0]
        for changes in ({"variety": 0.0}, {"variety": 1.0}, {"variety": 0.0, "warp": 1.0})
    )
    np.testing.assert_array_equal(still.labels, varied.labels)
    assert not np.array_equal(still.image, varied.image)
    assert not np.array_equal(still.labels, bent.labels)
    assert [pair.source.provenance["mask"]["warp"] for pair in (still, bent)] == [0.3, 1.0]


def test_arranged_masks_are_the_default_for_single_objects(cells: Project) -> None:
    pairs = sampler(cells, SETTINGS.replace(number=6), "c-train").draw(range(6))
    named = sampler(cells, SETTINGS.replace(number=6, masks="arranged"), "c-train").draw(range(6))
    for pair, same in zip(pairs, named, strict=True):
        origin = pair.source.provenance["mask"]
        np.testing.assert_array_equal(pair.labels, same.labels)
        assert origin["kind"] == "arranged"
        assert set(origin["names"]) <= {"cells0", "cells1", "cells2"}
        assert origin["cover_reached"] == pytest.approx((pair.labels > 0).mean(), abs=1e-4)
    real = [population(seed, 128, KNOWN).labels for seed in range(3)]
    known = {content_hash(labels[y : y + 64, x : x + 64]) for labels in real for y in range(65) for x in range(65)}
    assert not known & {content_hash(pair.labels) for pair in pairs}, "a copy of a real mask"


def test_more_cover_and_contact_can_be_asked_for(cells: Project) -> None:
    dense = SETTINGS.replace(masks="arranged", cover=0.5, contact=0.9)
    plain, crowded = (
        sampler(cells, settings, "c-train").draw(range(6)) for settings in (dense.replace(cover=0.1, contact=0), dense)
    )
    assert np.mean([(pair.labels > 0).mean() for pair in plain]) == pytest.approx(0.1, abs=0.05)
    assert np.mean([(pair.labels > 0).mean() for pair in crowded]) == pytest.approx(0.5, abs=0.08)
    assert np.mean([pair.source.provenance["mask"]["contact_reached"] for pair in crowded]) > 0.6


def test_single_objects_without_room_are_moved_by_default(tmp_path: Path) -> None:
    full = [SamplePair(f"t{seed}", *_filled(seed)) for seed in range(2)]
    painter = TrainedGenerator.from_run(_a_run(tmp_path, full))
    assert masks_of(painter, full, SETTINGS)(0, 0).origin["kind"] == "moved"
    with pytest.raises(UserError, match="cover 100%"):
        masks_of(painter, full, SETTINGS.replace(masks="arranged"))


def test_settings_of_earlier_versions_are_read(tmp_path: Path) -> None:
    (tmp_path / "old.yaml").write_text("run: ''\nmasks: warped\nvariety: 1.0\nseed: 3\nbatch: 4\n")
    old = GenerateSettings.from_file(tmp_path / "old.yaml")
    assert (old.masks, old.variety, old.warp, old.cover, old.contact) == ("warped", 1.0, 0.3, 0.0, -1.0)
    assert [GenerateSettings().layout(kind) for kind in ("binary", "instances", "classes")] == [
        "arranged", "arranged", "moved"
    ]  # fmt: skip
    assert GenerateSettings(mask_tiles=("a_y0_x0_r0",)).layout("classes") == "warped"
    with pytest.raises(UserError, match="masks"):
        GenerateSettings.parse({"masks": "shuffled"})


def _filled(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Image and mask of a tissue whose cells leave no background."""
    from scipy.ndimage import distance_transform_edt

    labels = population(seed, 96, KNOWN.replace(count=(60, 60))).labels
    nearest = distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
    full = labels[tuple(nearest)]
    return np.asarray(full[None] * 3 % 251, np.uint8), full.astype(np.int32)


def _a_run(tmp_path: Path, pairs: list[SamplePair]) -> Run:
    from napari_organoid_synth.core.codec.codec import Codec

    run = Run.create(tmp_path / "run", RECIPE, Codec.fit(pairs, RECIPE.codec))
    run.save(new_generator(RECIPE, run.spec), 0)
    return run


def test_a_mask_file_of_any_size(project: Project, tmp_path: Path) -> None:
    import tifffile

    labels = em(5, 160).labels[:100, :150]
    tifffile.imwrite(tmp_path / "mask.tif", labels.astype(np.uint8))
    settings = SETTINGS.replace(masks="file", mask_file=str(tmp_path / "mask.tif"))
    pairs = sampler(project, settings).draw(range(2))
    assert pairs[0].image.shape == (1, 100, 150)
    np.testing.assert_array_equal(pairs[0].labels, labels)
    assert not np.array_equal(pairs[0].image, pairs[1].image)
    tifffile.imwrite(tmp_path / "mask.tif", np.full((64, 64), 9, np.uint8))
    with pytest.raises(UserError, match="has the label 9"):
        sampler(project, settings)
    with pytest.raises(UserError, match="No label image"):
        sampler(project, SETTINGS.replace(masks="file"))


def test_a_given_mask_is_painted_however_few_its_objects(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tifffile

    monkeypatch.setitem(MIN_OBJECTS, "classes", 2)  # as instances have 3
    labels = np.zeros((64, 96), np.uint8)
    labels[20:40, 30:60] = 1
    tifffile.imwrite(tmp_path / "one.tif", labels)
    drawing = sampler(project, SETTINGS.replace(masks="file", mask_file=str(tmp_path / "one.tif")))
    pairs = drawing.draw(range(2))
    drawing.check()
    assert [pair.labels.sum() for pair in pairs] == [600, 600]
    assert drawing.refused == 0


def test_cancel_keeps_what_was_added(project: Project) -> None:
    control = Control()
    added: list[str] = []
    for event in generate(project, SETTINGS.replace(seed=20, run="a-train"), control):
        if isinstance(event, Added):
            added += event.ids
            control.cancel()
    assert isinstance(event, Finished)
    assert event.reason == "canceled"
    assert event.result["added"] == 2
    with SampleStore(project.samples_path) as store:
        assert set(added) <= set(store.ids())


def test_useless_masks_are_refused_and_said(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_organoid_synth.core.synthesis import sampler as module

    empty = Mask(np.zeros((64, 64), np.int32))
    full = Mask(em(0, 64).labels)
    monkeypatch.setattr(module, "project_masks", lambda *_: lambda index, attempt: full if attempt == 1 else empty)
    some = sampler(project)
    assert len(some.draw(range(2))) == 2
    assert some.refused_share == 0.5
    monkeypatch.setattr(module, "project_masks", lambda *_: lambda index, attempt: empty)
    with pytest.raises(UserError, match="None of 40 masks"):
        list(generate(project, SETTINGS.replace(run="a-train"), Control()))


def test_no_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no trained run"):
        next(generate(Project(tmp_path / "empty"), SETTINGS, Control()))


def test_only_a_generator_that_is_told_the_class_names_it(tmp_path: Path) -> None:
    project, small = Project(tmp_path), {"generator_channels": 8, "discriminator_channels": 8, "max_channels": 16}
    for seed, grade in enumerate(("a", "b")):
        pair = em(seed, 96)
        add_pair(project, SamplePair(grade, pair.image, pair.labels, image_class=grade))
    drawn = {}
    for name in ("dcgan", "cgan"):
        gan = {"name": name, **small} | ({"network": "conv"} if name == "cgan" else {})
        recipe = RECIPE.replace(gan=gan, draws="images")
        list(train(project, recipe, Control(), project.path / "runs" / name))
        drawn[name] = [pair.image_class for pair in sampler(project, run=name).draw(range(4))]
    assert drawn == {"dcgan": [None] * 4, "cgan": ["a", "b", "a", "b"]}
    wanted = SETTINGS.replace(image_class="b")
    assert [pair.image_class for pair in sampler(project, wanted, "cgan").draw(range(2))] == ["b", "b"]
    with pytest.raises(UserError, match="dcgan draws all image classes mixed"):
        sampler(project, wanted, "dcgan").draw(range(1))


def test_the_newest_run_is_one_that_gives_images(project: Project, tmp_path: Path) -> None:
    other = Project(tmp_path)
    for name, draws in (("a-train", "pairs"), ("b-train", "masks")):
        (other.path / "runs" / name).mkdir(parents=True)
        JOINT.replace(draws=draws).to_file(other.path / "runs" / name / "recipe.yaml")
        (other.path / "runs" / name / "codec.json").write_bytes((project.path / "runs/b-train/codec.json").read_bytes())
    assert find_run(other, "").name == "a-train"
    assert find_run(other, "b-train").name == "b-train"
