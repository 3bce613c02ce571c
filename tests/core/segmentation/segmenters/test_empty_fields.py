"""Fields that hold nothing: noise is not stretched to signal, by any segmenter."""

from __future__ import annotations

import json
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, label

from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.segmentation.agreement import average_precision
from napari_organoid_synth.core.segmentation.catalog import TrainedSegmenter
from napari_organoid_synth.core.segmentation.segmenters.base import Segmenter, SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.config import segmenter_config
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.network_input import intensity_range, normalise
from napari_organoid_synth.core.segmentation.segmenters.training_range import TrainingRange, contrasts

SIZE = 96
NOISE = 6.0
BRIGHT = 110.0


def field(seed: int, light: float = 1.0) -> SamplePair:
    """Six bright discs on a dark ground with noise, 8 bit; ``light`` scales their contrast."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:SIZE, :SIZE]
    labels = np.zeros((SIZE, SIZE), np.int32)
    for number in range(6):
        y, x = 18 + 30 * (number // 3) + rng.integers(0, 24), 16 + 30 * (number % 3) + rng.integers(0, 6)
        labels[np.hypot(rows - y, columns - x) < rng.uniform(8, 10)] = number + 1
    return SamplePair(f"f{seed}", noisy(60 + BRIGHT * light * (labels > 0), seed, NOISE * light), labels, "instances")


def noisy(values: NDArray | float, seed: int = 0, deviation: float = NOISE) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).normal(0, deviation, (1, SIZE, SIZE))
    return np.clip(np.rint(values + noise), 0, 255).astype(np.uint8)


RAMP = np.linspace(0, 20, SIZE) * np.ones((1, SIZE, 1))
SMOOTH = 20 * gaussian_filter(np.random.default_rng(5).normal(size=(SIZE, SIZE)), 1)[None]
EMPTY = {
    "noise as in training": noisy(60),
    "weak noise": noisy(60, deviation=1),
    "strong noise": noisy(120, deviation=30),
    "all of the range": np.random.default_rng(1).integers(0, 256, (1, SIZE, SIZE)).astype(np.uint8),
    "black": np.zeros((1, SIZE, SIZE), np.uint8),
    "constant": np.full((1, SIZE, SIZE), 60, np.uint8),
    "bright": np.full((1, SIZE, SIZE), 230, np.uint8),
    "gradient": np.rint(60 + RAMP).astype(np.uint8),
    "gradient and noise": noisy(60 + RAMP),
    "smooth noise": np.clip(60 + SMOOTH, 0, 255).astype(np.uint8),
    "16 bit": np.random.default_rng(2).normal(500, 30, (1, SIZE, SIZE)).astype(np.uint16),
    "float": np.random.default_rng(3).normal(0, 1, (1, SIZE, SIZE)).astype(np.float32),
}

SETTINGS = {
    "unet": ({"channels": 8, "depth": 2, "tile": 64, "batch": 4, "learning_rate": 1e-2}, 40),
    "multiscale_adversarial": (
        {"width": 8, "side": 256, "adversarial": False, "learning_rate": 3e-3},
        200,
    ),
    "stardist": ({"rays": 16, "channels": 8, "depth": 2, "tile": 64, "batch": 4, "learning_rate": 2e-3}, 80),
    "cellpose": ({"tile": 64, "batch": 2}, 50),
}
LIBRARIES = {"stardist": ("stardist", "h5py"), "cellpose": ("cellpose.resnet_torch",)}


def missing(name: str) -> bool:
    try:
        return not all(map(find_spec, LIBRARIES.get(name, ())))
    except ModuleNotFoundError:
        return True


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(
            name,
            marks=[
                pytest.mark.skipif(missing(name), reason="its library is not installed"),
                *[pytest.mark.slow] * (name in ("cellpose", "multiscale_adversarial")),
            ],
        )
        for name in SETTINGS
    ],
)
def trained(request) -> Segmenter:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    settings, steps = SETTINGS[request.param]
    config = segmenter_config(request.param).parse({"name": request.param, **settings})
    segmenter: Segmenter = SEGMENTERS.load(request.param)(config, SegmentSpec(1, "instances", ("disc",)), "cpu", 0)
    list(segmenter.fit(CropPool([field(seed) for seed in range(3)]), steps, Control()))
    torch.set_num_threads(threads)
    return segmenter


def found(segmenter: Segmenter) -> dict[str, int]:
    """Number of objects predicted in each empty field."""
    return {name: int(segmenter.predict(image).labels.max()) for name, image in EMPTY.items()}


def test_nothing_is_found_where_nothing_is(trained):
    assert found(trained) == dict.fromkeys(EMPTY, 0)


@pytest.mark.parametrize("light", [1.0, 0.4], ids=["new", "dim"])
def test_objects_are_found_where_there_are_some(trained, light):
    test = field(7, light)
    assert average_precision(test.labels, trained.predict(test.image).labels, (0.5,)) == 1.0


def test_another_pixel_type_is_found_as_before(trained):
    test = field(7)
    for image in (test.image.astype(np.uint16) * 50, test.image.astype(np.float32) / 255):
        assert average_precision(test.labels, trained.predict(image).labels, (0.5,)) == 1.0


def test_the_training_range_is_saved_and_older_segmenters_load_without(trained, tmp_path):
    trained.save(tmp_path)
    again = load_segmenter(tmp_path, "cpu")
    assert again.usual == trained.usual
    assert TrainedSegmenter(tmp_path).description().name == trained.config.name
    description = json.loads((tmp_path / "segmenter.json").read_text())
    del description["usual"]
    (tmp_path / "segmenter.json").write_text(json.dumps(description))
    older = load_segmenter(tmp_path, "cpu")
    assert older.usual is None
    np.testing.assert_array_equal(
        older.predict(field(7).image).labels > 0, trained.predict(field(7).image).labels > 0
    )  # full of objects: the range does not matter
    if trained.config.name == "unet":
        assert sum(found(older).values()) > 50  # what was found before


@pytest.mark.parametrize("name", SETTINGS)
@pytest.mark.parametrize("empty", [1, 4], ids=["some empty", "most empty"])
def test_empty_fields_are_learned_from(name, empty):
    if missing(name):
        pytest.skip("its library is not installed")
    settings = {**SETTINGS[name][0], "batch": 1} if "batch" in SETTINGS[name][0] else SETTINGS[name][0]
    config = segmenter_config(name).parse({"name": name, **settings})
    segmenter: Segmenter = SEGMENTERS.load(name)(config, SegmentSpec(1, "instances", ("disc",)), "cpu", 0)
    nothing = [SamplePair(f"e{k}", noisy(60, k), np.zeros((SIZE, SIZE), np.int32), "instances") for k in range(empty)]
    *_, last = segmenter.fit(CropPool([field(0), *nothing]), 6, Control())
    assert np.isfinite(last.stats["loss"])
    assert segmenter.usual == TrainingRange.of([field(0)])  # empty fields say nothing about contrast


# --- the range itself ---


@pytest.fixture(scope="module")
def usual() -> TrainingRange:
    return TrainingRange.of([field(seed) for seed in range(3)])


def test_it_measures_what_the_scene_was_made_of(usual):
    assert usual.dtype == "uint8"
    span = BRIGHT + (2.33 + 2) * NOISE  # between percentiles 1 and 99.8
    assert abs(usual.span[0] - span) < 10
    assert abs(usual.level[0] * usual.span[0] - 2.33 * NOISE) < 3
    assert abs(usual.grain[0] * usual.span[0] - NOISE) < 1
    assert abs(usual.contrast * usual.span[0] - BRIGHT) < 10


def test_an_image_with_contrast_keeps_its_own_range(usual):
    for image in (field(8).image, field(8, 0.4).image, field(8).image * np.float32(3)):
        for own, kept in zip(intensity_range(image), usual.range_of(image), strict=True):
            np.testing.assert_array_equal(own, kept)


@pytest.mark.parametrize("name", EMPTY)
def test_empty_fields_lie_at_the_background(usual, name):
    planes = normalise(EMPTY[name], *usual.range_of(EMPTY[name]))
    assert abs(float(np.median(planes)) - usual.level[0]) < 0.02
    assert planes.std() < 0.2


def test_each_channel_is_judged_alone(usual):
    one, nothing = field(8).image, EMPTY["noise as in training"]
    both = np.concatenate([one, nothing])
    pairs = [pair.replace(image=np.concatenate([pair.image, pair.image])) for pair in map(field, range(3))]
    _, span = TrainingRange.of(pairs).range_of(both)
    assert span[0, 0, 0] == intensity_range(one)[1][0, 0, 0]
    assert span[1, 0, 0] == pytest.approx(usual.span[0])


def test_sets_of_constant_or_tiny_images_have_a_range():
    flat = SamplePair("flat", np.full((1, 20, 20), 7, np.uint8), np.zeros((20, 20), np.int32))
    planes = normalise(flat.image, *TrainingRange.of([flat]).range_of(flat.image))
    assert np.isfinite(planes).all()
    tiny = SamplePair("tiny", np.arange(3, dtype=np.uint8).reshape(1, 3, 1), np.array([[0], [1], [1]], np.int32))
    assert np.isfinite(np.concatenate(TrainingRange.of([tiny]).range_of(tiny.image))).all()


def test_contrast_is_the_distance_of_means_and_deviations():
    objects = np.zeros((40, 40), np.int32)
    objects[10:20, 10:20], objects[25:35, 25:35] = 1, 2
    plane = np.where(objects == 1, 0.7, 0.2)
    plane[25:35:2, 25:35], plane[26:35:2, 25:35] = 0.0, 0.4  # the same mean as around, but striped
    np.testing.assert_allclose(contrasts(plane[None].astype(np.float32), objects)[1:], [0.5, 0.2], atol=1e-6)
    assert np.isnan(contrasts(plane[None].astype(np.float32), np.ones((40, 40), np.int32))).all()


@pytest.mark.parametrize("kind", ["binary", "classes", "instances"])
def test_only_objects_without_contrast_are_dropped(usual, kind):
    pair = field(8)
    image = pair.image.copy()
    image[:, pair.labels == 2] = noisy(60, 9)[:, pair.labels == 2]
    labels = {"binary": (pair.labels > 0), "classes": np.minimum(pair.labels, 3), "instances": pair.labels}[kind]
    kept = usual.visible(normalise(image, *usual.range_of(image)), labels.astype(np.int32), kind)
    np.testing.assert_array_equal(kept > 0, (pair.labels > 0) & (pair.labels != 2))
    assert label(kept)[1] == 5
    assert kept.max() == {"binary": 1, "classes": 3, "instances": 5}[kind]
