"""Functions for scripts: arrays in, arrays out, and the same numbers as from the commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import napari_organoid_synth as synth

SMALL = ("tiles.size=64", "train.steps=2", "train.threads=1", "train.precision=float32", "train.batch=2")
PAINTER = ("gan=pix2pix", "gan.generator_channels=8", "gan.discriminator_channels=8")
NOISE = ("gan=dcgan", "draws=images", "gan.generator_channels=8", "gan.discriminator_channels=8", "train.steps=20")


def trained(path: Path, *assignments: str) -> tuple[synth.Project, synth.Run]:
    """A project of three simulated pairs with a run of a few steps."""
    for seed in range(3):
        synth.write_pair(path / "data", synth.simulate_tissue(seed, size=96))
    project = synth.Project(path / "project")
    synth.check_pairs(synth.find_pairs(path / "data")).to_file(project.pairs_path)
    recipe = synth.Recipe().override(*SMALL, *assignments)
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
    with pytest.raises(synth.UserError, match=r"no real pairs whose masks could be arranged.*Pass real pairs"):
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


# ----------------------------------------------------------------------------------------------------- measure_gain

REAL = [synth.simulate_tissue(seed, size=64) for seed in range(6)]


def knows(number: int) -> Callable[[list[synth.SamplePair]], Callable[[NDArray[Any]], NDArray[Any]]]:
    """A segmenter that marks all objects when it has seen some number of pairs, else only the first one."""
    truth = {pair.image.tobytes(): pair.labels for pair in REAL}

    def fit(pairs: list[synth.SamplePair]) -> Callable[[NDArray[Any]], NDArray[Any]]:
        def predict(image: NDArray[Any]) -> NDArray[Any]:
            labels = truth[image.tobytes()]
            return labels if len(pairs) >= number else np.where(labels == 1, 1, 0)

        return predict

    return fit


def simulated(number: int = 3) -> list[synth.SamplePair]:
    return [synth.simulate_tissue(100 + seed, size=64) for seed in range(number)]


def test_pairs_that_help_are_measured_and_said_so() -> None:
    steps: list[tuple[int, int, str]] = []
    result = synth.measure_gain(
        REAL, simulated(), knows(7), folds=3, progress=lambda now: steps.append((now.step, now.total, now.note))
    )
    assert list(result.arms) == ["raw", "raw+synthetic"]
    assert result.arms["raw+synthetic"].dice == 1
    assert 0 < result.arms["raw"].dice < 0.5
    row = result.table[1]
    assert (row.arm, row.images, row.trainings, row.synthetic) == ("raw+synthetic", 6, 3, 3)
    assert row.gain["ap"].better == 6
    assert row.gain["dice"].mean == pytest.approx(1 - result.arms["raw"].dice)
    assert result.sentences[0].startswith("Synthetic pairs added 0.")
    assert result.test == tuple(sorted(pair.name for pair in REAL))
    assert steps[0] == (1, 6, "real pairs, fold 1")
    assert steps[-1] == (6, 6, "real and synthetic pairs, fold 3")


def test_arrays_without_names_give_the_same() -> None:
    named = synth.measure_gain(REAL, simulated(), knows(7), folds=3)
    plain = synth.measure_gain(
        [(pair.image, pair.labels) for pair in REAL],
        [(pair.image[0], pair.labels) for pair in simulated()],
        knows(7),
        folds=3,
    )
    assert plain.arms["raw"].dice == pytest.approx(named.arms["raw"].dice)
    assert plain.test == tuple(f"pair_{index:03d}" for index in range(6))


def test_a_function_makes_the_pairs_of_a_fold_from_its_training_pairs_alone() -> None:
    seen: list[set[str]] = []

    def make(pairs: list[synth.SamplePair]) -> list[synth.SamplePair]:
        seen.append({pair.name for pair in pairs})
        return simulated(1)

    result = synth.measure_gain(REAL, make, knows(5), folds=3, repeats=2)
    names = {pair.name for pair in REAL}
    assert [names - one for one in seen] == 2 * [set(fold.test) for fold in result.design.folds]
    assert result.design.pairs_from == "folds"
    assert result.table[1].gain["dice"].seeds == 2


def test_pairs_of_one_group_are_tested_together() -> None:
    result = synth.measure_gain(REAL, simulated(), knows(7), folds=2, groups=["a", "b", "a", "b", "a", "c"])
    first = {pair.name for pair in REAL[:5:2]}
    assert any(first <= set(fold.test) for fold in result.design.folds)
    assert result.table[1].gain["dice"].groups == 3


def test_a_test_image_among_the_synthetic_pairs_is_refused() -> None:
    copy = REAL[2].replace(name="new", source=synth.Source("synthetic"))
    with pytest.raises(synth.UserError, match="'new', on which an arm would train, has the pixels of the test image"):
        synth.measure_gain(REAL, [*simulated(), copy], knows(7), folds=3)


def test_pairs_of_a_generator_that_saw_the_test_images_are_refused(painter: tuple[synth.Project, synth.Run]) -> None:
    project, run = painter
    real = synth.load_pairs(project)
    with pytest.raises(synth.UserError, match=r"has seen.*Give a function that makes the pairs"):
        synth.measure_gain(real, synth.make_pairs(run, 2), knows(9), folds=3)


def test_pairs_painted_on_the_mask_of_a_test_image_are_refused(painter_file: Path) -> None:
    pairs = [
        pair.replace(source=synth.Source("synthetic", provenance={**pair.source.provenance, "data": {}}))
        for pair in synth.make_pairs(painter_file, 4, pairs=REAL)
    ]
    with pytest.raises(synth.UserError, match="painted on the mask of"):
        synth.measure_gain(REAL, pairs, knows(9), folds=3)


@pytest.mark.parametrize(
    ("predicted", "message"),
    [
        (np.zeros((1, 64, 64), int), r"has shape \(1, 64, 64\)"),
        (np.full((64, 64), 0.5), "fractions such as 0.5"),
    ],
)
def test_a_prediction_that_is_not_a_label_image_is_refused(predicted: NDArray[Any], message: str) -> None:
    with pytest.raises(synth.UserError, match=message):
        synth.measure_gain(REAL, simulated(), lambda pairs: lambda image: predicted, folds=2)


def test_each_pair_needs_its_group() -> None:
    with pytest.raises(synth.UserError, match="There are 2 groups for 6 pairs"):
        synth.measure_gain(REAL, simulated(), knows(7), groups=["a", "b"])


def test_two_pairs_of_one_name_are_refused() -> None:
    with pytest.raises(synth.UserError, match="Two pairs are called 'tissue_00000'"):
        synth.measure_gain([*REAL, REAL[0]], simulated(), knows(7))
