"""Layers say what they hold and where: pyramids at their highest level, masks where they lie, slices as chosen."""

from __future__ import annotations

import dask.array
import numpy as np
import pytest
import zarr
from napari.components import ViewerModel
from napari.layers import Image, Labels

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.widgets.generate.drawn_mask import save_mask
from napari_organoid_synth.widgets.segment.layer_files import _place, describe_layer
from napari_organoid_synth.widgets.shared.layer_grid import full_data, grid_of, lay_over, place_of, slice_in_view
from napari_organoid_synth.widgets.shared.layers import has_slices, pair_from_layers, show_pair

rng = np.random.default_rng(0)
IMAGE = rng.integers(0, 255, (512, 512)).astype(np.uint8)
LABELS = np.zeros((512, 512), np.int32)
LABELS[100:140, 200:260] = 1
LABELS[300:333, 41:77] = 2


def levels(array: np.ndarray, kind: str) -> list:
    pyramid = [array, array[::2, ::2], array[::4, ::4]]
    if kind == "dask":
        return [dask.array.from_array(level, chunks=128) for level in pyramid]
    return [zarr.array(level, chunks=(128, 128)) for level in pyramid] if kind == "zarr" else pyramid


@pytest.mark.parametrize("kind", ["numpy", "dask", "zarr"])
def test_a_pyramid_is_read_at_its_highest_level(kind):
    viewer = ViewerModel()
    place = {"scale": (0.5, 0.5), "units": ("um", "um"), "multiscale": True}
    image = viewer.add_image(levels(IMAGE, kind), **place)
    labels = viewer.add_labels(levels(LABELS, kind), **place)
    assert full_data(image).shape == full_data(labels).shape == (512, 512)
    pair = pair_from_layers(image, labels)
    assert pair.pixel_size == (0.5, 0.5)
    np.testing.assert_array_equal(pair.image[0], IMAGE)
    np.testing.assert_array_equal(pair.labels, LABELS)


@pytest.mark.parametrize(
    "place",
    [
        {"translate": (50, 20)},
        {"affine": [[1, 0, 50], [0, 1, 20], [0, 0, 1]]},
        {"scale": (0.5, 0.5), "translate": (25, 10)},
    ],
)
def test_labels_on_a_moved_layer_pair_where_they_lie(place):
    viewer = ViewerModel()
    image = viewer.add_image(IMAGE, scale=place.get("scale", (1, 1)))
    pair = pair_from_layers(image, viewer.add_labels(LABELS, **place))
    expected = np.zeros_like(LABELS)
    expected[50:, 20:] = LABELS[:-50, :-20]
    np.testing.assert_array_equal(pair.labels, expected)
    assert pair.source.provenance["remark"] == (
        "mask taken where it lies, 50 px down and 20 px right; "
        "the mask covers 87 % of the image, the rest is background"
    )


def test_a_mask_that_was_drawn_on_a_part_lies_in_that_part():
    viewer = ViewerModel()
    image = viewer.add_image(IMAGE)
    part = viewer.add_labels(LABELS[90:150, 190:270], translate=(90, 190))
    expected = np.where(LABELS == 1, 1, 0)
    np.testing.assert_array_equal(pair_from_layers(image, part).labels, expected)


def test_labels_outside_the_image_are_cropped_and_said():
    viewer = ViewerModel()
    image = viewer.add_image(IMAGE)
    pair = pair_from_layers(image, viewer.add_labels(LABELS, translate=(-110, 0)))
    expected = np.zeros_like(LABELS)
    expected[:-110] = LABELS[110:]
    np.testing.assert_array_equal(pair.labels, expected)
    assert "600 marked px outside the image left out" in pair.source.provenance["remark"]  # 10 of 40 rows, 60 columns
    with pytest.raises(UserError, match=r"lies beside the image .* 3,588 of 3,588 marked px are outside") as error:
        pair_from_layers(image, viewer.add_labels(LABELS, translate=(0, 600)))
    assert "correct scale and translate" in error.value.todo


@pytest.mark.parametrize("factor", [2, 0.5])
def test_labels_of_another_scale_are_resampled_by_the_nearest(factor):
    viewer = ViewerModel()
    small = LABELS[::2, ::2] if factor == 2 else np.repeat(np.repeat(LABELS, 2, 0), 2, 1)
    image = viewer.add_image(IMAGE, scale=(0.5, 0.5), units=("um", "um"))
    pair = pair_from_layers(image, viewer.add_labels(small, scale=(0.5 * factor,) * 2, units=("um", "um")))
    expected = np.repeat(np.repeat(small, 2, 0), 2, 1) if factor == 2 else LABELS
    np.testing.assert_array_equal(pair.labels, expected)
    assert f"mask resampled to the image, {factor:g} px each" in pair.source.provenance["remark"]


def test_units_of_length_are_compared_in_micrometres():
    viewer = ViewerModel()
    image = viewer.add_image(IMAGE, scale=(0.5, 0.5), units=("um", "um"))
    labels = viewer.add_labels(LABELS, scale=(500, 500), units=("nm", "nm"))
    np.testing.assert_array_equal(pair_from_layers(image, labels).labels, LABELS)


def test_layers_turned_alike_pair_and_layers_turned_against_each_other_do_not():
    viewer = ViewerModel()
    image = viewer.add_image(IMAGE, rotate=30, shear=[0.2], scale=(2, 3))
    same = viewer.add_labels(LABELS, rotate=30, shear=[0.2], scale=(2, 3))
    np.testing.assert_array_equal(pair_from_layers(image, same).labels, LABELS)
    for place in ({"scale": (2, 3)}, {"rotate": 30, "scale": (2, 3)}):
        with pytest.raises(UserError, match="rotated or sheared against each other") as error:
            pair_from_layers(image, viewer.add_labels(LABELS, **place))
        assert "same rotate, shear and affine" in error.value.todo


def test_an_array_of_the_size_of_a_scaled_image_is_its_mask():
    viewer = ViewerModel()
    image = viewer.add_image(IMAGE, scale=(0.5, 0.5), units=("um", "um"), translate=(7, 7))
    pair = pair_from_layers(image, viewer.add_labels(LABELS))
    np.testing.assert_array_equal(pair.labels, LABELS)
    assert "remark" not in pair.source.provenance


def test_a_new_layer_lies_on_its_image_whatever_its_transform():
    viewer = ViewerModel()
    world = [[1, 0, 0, 2], [0, 1.5, 0.1, 3], [0, 0, 2, 4], [0, 0, 0, 1]]
    image = viewer.add_image(
        rng.random((5, 20, 30)), scale=(3, 0.5, 0.7), translate=(1, 3, 4), rotate=30, shear=[0, 0, 0.2], affine=world,
        units=("um", "um", "um"),
    )  # fmt: skip
    flat = viewer.add_labels(np.zeros((20, 30), int), **place_of(image, (1, 2)))
    assert flat.data_to_world((7, 9)) == pytest.approx(image.data_to_world((0, 7, 9))[1:])
    deep = viewer.add_labels(np.zeros((5, 20, 30), int), **place_of(image))
    assert deep.data_to_world((2, 7, 9)) == pytest.approx(image.data_to_world((2, 7, 9)))
    assert [str(unit) for unit in deep.units] == ["micrometer"] * 3


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_an_image_tilted_out_of_its_plane_is_refused():
    viewer = ViewerModel()
    tilted = viewer.add_image(rng.random((5, 20, 30)), rotate=(0, 30, 0))
    with pytest.raises(UserError, match="out of its plane"):
        grid_of(tilted)


STACK = rng.integers(0, 255, (5, 512, 512)).astype(np.uint8)


def test_a_stack_beside_one_mask_asks():
    viewer = ViewerModel()
    image, labels = viewer.add_image(STACK, name="z"), viewer.add_labels(LABELS)
    assert has_slices(image)
    with pytest.raises(UserError, match=r"shape \(5, 512, 512\): 5 slices") as error:
        pair_from_layers(image, labels)
    assert "'Slices'" in error.value.todo
    viewer.dims.set_current_step(0, 3)
    assert slice_in_view(viewer, image) == (3,)
    pair = pair_from_layers(image, labels, planes="slice", step=(3,))
    np.testing.assert_array_equal(pair.image, STACK[3:4])
    assert (pair.name, pair.source.provenance["remark"]) == ("z_003", "slice 3 of the layer")
    np.testing.assert_array_equal(pair_from_layers(image, labels, planes="channels").image, STACK)
    np.testing.assert_array_equal(pair_from_layers(image, labels, planes="max").image[0], STACK.max(axis=0))


def test_labels_with_slices_give_those_of_the_slice():
    viewer = ViewerModel()
    image = viewer.add_image(STACK)
    labels = viewer.add_labels(np.stack([LABELS * (k == 2) for k in range(5)]))
    np.testing.assert_array_equal(pair_from_layers(image, labels, planes="slice", step=(2,)).labels, LABELS)


def test_an_axis_that_says_channel_is_not_asked_about():
    viewer = ViewerModel()
    image = viewer.add_image(STACK[:2], axis_labels=("c", "y", "x"))
    assert not has_slices(image)
    np.testing.assert_array_equal(pair_from_layers(image, viewer.add_labels(LABELS)).image, STACK[:2])


def test_sizes_that_differ_without_a_place_are_refused():
    viewer = ViewerModel()
    with pytest.raises(UserError, match="512 × 512 px, the mask 256 × 256 px") as error:
        lay_over(viewer.add_image(IMAGE), (512, 512), viewer.add_labels(LABELS[::2, ::2]), LABELS[::2, ::2])
    assert "Set the scale of the layer" in error.value.todo


@pytest.mark.parametrize("channels", [1, 2])
def test_a_sample_lies_on_the_layer_that_it_was_painted_on(tmp_path, channels):
    viewer = ViewerModel()
    drawn = viewer.add_labels(LABELS, rotate=30, shear=[0.2], scale=(2, 3), translate=(7, 8))
    save_mask(tmp_path / "drawn.tif", drawn)
    source = Source("synthetic", (), {"mask": {"kind": "file", "name": str(tmp_path / "drawn.tif")}})
    sample = SamplePair("s", np.stack([IMAGE] * channels), LABELS, "instances", pixel_size=(0.5, 0.5), source=source)
    image, labels = show_pair(viewer, sample)
    assert labels.data_to_world((3, 4)) == pytest.approx(drawn.data_to_world((3, 4)))
    assert image.data_to_world((0, 3, 4)[-image.ndim :])[-2:] == pytest.approx(drawn.data_to_world((3, 4)))
    other, _ = show_pair(viewer, sample.replace(source=Source("synthetic")))
    assert tuple(other.scale[-2:]) == (0.5, 0.5)


@pytest.mark.parametrize("lead", [(1,), (1, 1)])
@pytest.mark.parametrize("rgb", [False, True])
def test_a_stack_of_one_plane_is_an_image(lead, rgb):
    image, labels = np.arange(60, dtype=np.uint8).reshape(6, 10), np.eye(6, 10, dtype=np.int32)
    pixels = np.stack([image] * 3, -1) if rgb else image
    layer = Image(pixels.reshape(*lead, *pixels.shape), rgb=rgb)
    for mask in (labels, labels.reshape(*lead, 6, 10)):
        pair = pair_from_layers(layer, Labels(mask))
        np.testing.assert_array_equal(pair.image, [image] * (3 if rgb else 1))
        np.testing.assert_array_equal(pair.labels, labels)
    assert not has_slices(layer)
    alone = pair_from_layers(Image(image), Labels(labels[None]))
    np.testing.assert_array_equal(alone.labels, labels)


def test_one_time_of_a_stack_is_a_stack():
    stack = np.stack([np.full((4, 5), value, np.uint8) for value in (3, 9, 6)])
    labels = Labels(np.eye(4, 5, dtype=np.int32))
    pair = pair_from_layers(Image(stack[None]), labels, planes="max")
    np.testing.assert_array_equal(pair.image, stack[1:2])
    pair = pair_from_layers(Image(stack[:, None]), labels, planes="slice", step=(2, 0))
    assert (pair.image.min(), pair.name) == (6, "Image_002")


def test_colours_of_a_stack_are_projected_and_other_choices_refused():
    stack = np.zeros((3, 4, 5, 4), np.uint8)
    stack[1, ..., 0], stack[2, ..., 2] = 7, 8
    labels = Labels(np.eye(4, 5, dtype=np.int32))
    pair = pair_from_layers(Image(stack, rgb=True), labels, planes="max")
    assert pair.image[:, 0, 0].tolist() == [7, 0, 8]
    assert pair.channel_names == RGB
    with pytest.raises(UserError, match=r"in colour\. Expected one axis of slices of one colour"):
        pair_from_layers(Image(stack, rgb=True), labels, planes="channels")
    with pytest.raises(UserError, match="Expected one axis of slices to project"):
        pair_from_layers(Image(stack), labels, planes="mean")


def test_a_mirrored_layer_is_said_in_words():
    labels = np.zeros((4, 5), np.int32)
    labels[0, 1] = 1
    pair = pair_from_layers(
        Image(np.arange(20, dtype=np.uint8).reshape(4, 5), scale=(-1, 1), translate=(3, 0)), Labels(labels)
    )
    assert np.argwhere(pair.labels).tolist() == [[3, 1]]
    assert pair.source.provenance == {"remark": "mask mirrored up and down, as it lies"}


MIRRORED = {
    "flipped": {"scale": (2, -0.3, 0.3), "translate": (1, 2, 3)},
    "both flipped": {"scale": (2, -0.3, -0.5), "translate": (1, 2, 3)},
    "slices downwards": {"scale": (-2, 0.3, 0.3)},
    "flipped, turned": {"scale": (2, -0.3, 0.5), "rotate": [[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]]},
    "flipped, in an affine": {
        "scale": (1, -2, 1),
        "affine": [[1, 0, 0, 1], [0, -1, 0.2, 3], [0, 0.1, 1, 4], [0, 0, 0, 1]],
    },
    "flipped, sheared": {"scale": (-1, -2, 1), "shear": [0, 0, 0.2]},
}


@pytest.mark.parametrize("where", MIRRORED)
def test_a_new_layer_lies_on_a_mirrored_image(where):
    image = Image(np.zeros((5, 20, 30)), **MIRRORED[where])
    deep = Labels(np.zeros((5, 20, 30), int), **place_of(image))
    again = Labels(np.zeros((5, 20, 30), int), **_place(describe_layer(image), range(3)))
    flat = Labels(np.zeros((20, 30), int), **place_of(image, (1, 2)))
    for point in ((0, 0, 0), (2, 7, 9), (4, 19, 29)):
        world = image.data_to_world(point)
        assert deep.data_to_world(point) == pytest.approx(world)
        assert again.data_to_world(point) == pytest.approx(world)
        assert flat.data_to_world(point[1:]) == pytest.approx(world[1:])
