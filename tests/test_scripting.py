"""Functions for scripts: arrays in, arrays out, and the same numbers as from the commands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import napari_organoid_synth as synth

SMALL = ("tiles.size=64", "train.steps=2", "train.threads=1", "train.precision=float32", "train.batch=2")
PAINTER = ("gan=pix2pix", "gan.generator_channels=8", "gan.discriminator_channels=8")
NOISE = ("gan=dcgan", "draws=images", "gan.generator_channels=8", "gan.discriminator_channels=8")


def trained(path: Path, *assignments: str) -> tuple[synth.Project, synth.Run]:
    """A project of three simulated pairs with a run of two steps."""
    for seed in range(3):
        synth.write_pair(path / "data", synth.simulate_tissue(seed, size=96))
    project = synth.Project(path / "project")
    synth.check_pairs(synth.find_pairs(path / "data")).to_file(project.pairs_path)
    recipe = synth.Recipe().override(*assignments, *SMALL)
    result = synth.run_to_end(synth.train(project, recipe, synth.Control()))
    return project, synth.Run(Path(result["folder"]))


@pytest.fixture(scope="module")
def painter(tmp_path_factory: pytest.TempPathFactory) -> tuple[synth.Project, synth.Run]:
    return trained(tmp_path_factory.mktemp("painter"), *PAINTER)


@pytest.fixture(scope="module")
def dcgan(tmp_path_factory: pytest.TempPathFactory) -> tuple[synth.Project, synth.Run]:
    return trained(tmp_path_factory.mktemp("dcgan"), *NOISE)


@pytest.fixture(scope="module")
def painter_file(painter: tuple[synth.Project, synth.Run]) -> Path:
    path = painter[0].path.parent / "tissue.synth"
    synth.write_model(painter[1], path, synth.ShareSettings(licence="CC0-1.0"))
    return path


def equal(some: list[synth.SamplePair], others: list[synth.SamplePair]) -> bool:
    return all(
        np.array_equal(a.image, b.image) and np.array_equal(a.labels, b.labels)
        for a, b in zip(some, others, strict=True)
    )


# ------------------------------------------------------------------------------------------------------- make_pairs


def test_pairs_of_a_run_are_those_that_the_command_makes(painter: tuple[synth.Project, synth.Run]) -> None:
    project, run = painter
    pairs = synth.make_pairs(run, 3, seed=5)
    synth.run_to_end(synth.generate(project, synth.GenerateSettings(number=3, seed=5), synth.Control()))
    with synth.SampleStore(project.samples_path) as store:
        stored = [store.pair(row.id) for row in sorted(store.rows(), key=lambda row: row.name)]
    assert equal(pairs, stored)
    assert [pair.name for pair in pairs] == [pair.name for pair in stored]
    assert pairs[0].source == stored[0].source
    assert [pair.image.dtype for pair in pairs] == 3 * [np.uint8]


def test_a_seed_repeats_its_pairs_and_more_of_them_begin_alike(painter: tuple[synth.Project, synth.Run]) -> None:
    _, run = painter
    four = synth.make_pairs(run, 4, seed=1)
    assert equal(synth.make_pairs(run.path, 2, seed=1), four[:2])
    assert not equal(synth.make_pairs(run, 2, seed=2), four[:2])


def test_a_model_file_makes_the_same_pairs_on_masks_that_are_given(
    painter: tuple[synth.Project, synth.Run], painter_file: Path
) -> None:
    project, run = painter
    real = synth.load_pairs(project)
    arrays = [(pair.image, pair.labels) for pair in real]
    pairs = synth.make_pairs(run, 2, seed=3)
    assert equal(synth.make_pairs(painter_file, 2, seed=3, pairs=real), pairs)
    assert equal(synth.make_pairs(str(painter_file), 2, seed=3, pairs=arrays), pairs)
    simulated = synth.make_pairs(painter_file, 2, settings=synth.GenerateSettings(masks="simulated"))
    assert [pair.source.provenance["mask"]["kind"] for pair in simulated] == ["simulated", "simulated"]


def test_a_model_file_that_paints_needs_masks(painter_file: Path) -> None:
    with pytest.raises(synth.UserError, match=r"no real pairs whose masks could be warped.*Pass real pairs"):
        synth.make_pairs(painter_file, 2)


def test_a_generator_that_draws_from_noise_needs_no_masks(
    dcgan: tuple[synth.Project, synth.Run], tmp_path: Path
) -> None:
    _, run = dcgan
    path = tmp_path / "dcgan.synth"
    synth.write_model(run, path, synth.ShareSettings(licence="CC0-1.0"))
    pairs = synth.make_pairs(path, 2, seed=1)
    assert equal(pairs, synth.make_pairs(run, 2, seed=1))
    assert pairs[0].image.shape == (1, 64, 64)
    assert not pairs[0].labels.any()


def test_a_folder_that_is_not_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(synth.UserError, match=r"has no recipe\.yaml"):
        synth.make_pairs(tmp_path, 2)
    with pytest.raises(synth.UserError, match="Cannot read"):
        synth.make_pairs(tmp_path / "missing.synth", 2)


# ------------------------------------------------------------------------------------------------------------ paint


def discs(height: int, width: int) -> NDArray[np.int_]:
    y, x = np.mgrid[:height, :width]
    labels = np.zeros((height, width), int)
    for number, (cy, cx) in enumerate([(20, 20), (20, 50), (45, 30)], start=1):
        labels[(y - cy) ** 2 + (x - cx) ** 2 < 64] = number
    return labels


def test_masks_of_any_size_are_painted(painter: tuple[synth.Project, synth.Run], painter_file: Path) -> None:
    masks = [discs(64, 64), discs(70, 130).astype(np.uint8)]
    images = synth.paint(painter[1], masks, seed=1)
    assert [image.shape for image in images] == [(1, 64, 64), (1, 70, 130)]
    assert {image.dtype for image in images} == {np.dtype(np.uint8)}
    for image, again in zip(images, synth.paint(painter_file, masks, seed=1), strict=True):
        assert np.array_equal(image, again)
    assert not np.array_equal(images[0], synth.paint(painter[1], masks[:1], seed=2)[0])


def test_a_mask_is_painted_as_the_command_paints_it(painter: tuple[synth.Project, synth.Run]) -> None:
    _, run = painter
    pairs = synth.make_pairs(run, 1, seed=4)
    [image] = synth.paint(run, [pairs[0].labels], seed=4)
    if pairs[0].source.provenance["try"] == 0:
        assert np.array_equal(image, pairs[0].image)


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((4, 64, 64), int), r"mask 0 has shape \(4, 64, 64\)\. Expected \(y, x\)"),
        (np.full((64, 64), 0.5), "fractions"),
        (np.zeros((64, 64), int), "empty"),
    ],
)
def test_what_is_not_a_mask_is_refused(
    painter: tuple[synth.Project, synth.Run], mask: NDArray[Any], message: str
) -> None:
    with pytest.raises(synth.UserError, match=message):
        synth.paint(painter[1], [mask])


def test_a_generator_that_draws_from_noise_paints_no_masks(dcgan: tuple[synth.Project, synth.Run]) -> None:
    with pytest.raises(synth.UserError, match="is a dcgan, which draws from noise"):
        synth.paint(dcgan[1], [discs(64, 64)])
