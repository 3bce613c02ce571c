"""The border between pixels and networks: what goes in comes out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_organoid_synth.core.codec import heatflow
from napari_organoid_synth.core.codec.codec import Codec, edges
from napari_organoid_synth.core.codec.spec import CodecSettings, PairSpec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.core.simulators.simulate import em, organoid_brightfield, tissue


def image_of(channels: int, dtype: str, seed: int = 0, side: int = 64) -> NDArray:
    rng = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "f":
        return rng.normal(0, 3, (channels, side, side)).astype(dtype)
    top = np.iinfo(dtype).max
    return rng.integers(0, top + 1, (channels, side, side)).astype(dtype)


def pair_of(image: NDArray, **fields) -> SamplePair:
    labels = (np.random.default_rng(1).random(image.shape[1:]) > 0.5).astype(np.int32)
    return SamplePair("a", image, labels, **fields)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize(("dtype", "least"), [("uint8", 0), ("uint16", 1), ("int16", 1), ("float32", 1e-5)])
def test_pixels_come_back(channels: int, dtype: str, least: float):
    image = image_of(channels, dtype)
    codec = Codec.fit([pair_of(image)])
    encoded = codec.encode_image(image)
    assert encoded.dtype == np.float32
    assert encoded.min() == -1
    assert encoded.max() == 1
    back = codec.decode_image(encoded)
    assert back.dtype == image.dtype
    low, high = (np.array(ends)[:, None, None] for ends in (codec.low, codec.high))
    inside = (image >= low) & (image <= high)
    assert inside.mean() > 0.99
    assert np.abs(back.astype(float) - image)[inside].max() <= least


def test_percentiles_are_those_of_all_pairs_and_each_channel():
    images = [np.stack([np.full((50, 50), v, np.uint16), image_of(1, "uint16", v, 50)[0]]) for v in (100, 300)]
    codec = Codec.fit([pair_of(image) for image in images], CodecSettings(low=5, high=95))
    values = np.concatenate([image[1].ravel() for image in images])
    assert (codec.low[0], codec.high[0]) == (100, 300)
    np.testing.assert_allclose((codec.low[1], codec.high[1]), np.percentile(values, (5, 95)))
    np.testing.assert_array_equal(codec.encode_image(images[0])[0], -1)
    np.testing.assert_array_equal(codec.encode_image(images[1])[0], 1)


def test_large_sets_are_sampled_evenly(monkeypatch):
    monkeypatch.setattr("napari_organoid_synth.core.codec.codec.SAMPLED_PIXELS", 3000)
    ramp = np.tile(np.arange(256, dtype=np.uint8), (1, 256, 1))
    codec = Codec.fit([pair_of(ramp), pair_of(ramp)], CodecSettings(low=10, high=90))
    np.testing.assert_allclose((codec.low[0], codec.high[0]), np.percentile(ramp, (10, 90)), atol=3)


def test_constant_sparse_and_nan_channels_do_not_divide_by_zero():
    image = np.zeros((3, 64, 64), np.float32)
    image[0] = 7
    image[1, 0, 0] = 50  # a single bright pixel, above the percentile
    image[2] = np.random.default_rng(0).random((64, 64))
    image[2, :2] = np.nan
    codec = Codec.fit([pair_of(image)])
    encoded = codec.encode_image(image)
    assert np.isfinite(encoded).all()
    np.testing.assert_array_equal(codec.decode_image(encoded)[:2], image[:2])


def test_values_beyond_the_percentiles_are_clipped_and_decoding_stays_in_the_pixel_type():
    codec = Codec(low=(10.0,), high=(250.0,), dtype="uint8")
    np.testing.assert_array_equal(codec.encode_image(np.array([[[0, 10, 130, 255]]], np.uint8)), [[[-1, -1, 0, 1]]])
    np.testing.assert_array_equal(codec.decode_image(np.array([[[-2.0, -1, 0, 1, 2]]])), [[[0, 10, 130, 250, 255]]])


@pytest.mark.parametrize(
    ("other", "word"),
    [
        (pair_of(image_of(3, "uint8"), source=Source(files=("b.tif",))), "Channels differ: a.tif has 1, b.tif has 3"),
        (pair_of(image_of(1, "uint16"), source=Source(files=("b.tif",))), "Pixel types differ: a.tif has uint8"),
        (pair_of(image_of(1, "uint8"), mask_kind="instances", source=Source(files=("b.tif",))), "Mask kinds differ"),
        (pair_of(image_of(1, "uint8"), class_names=("cell",), source=Source(files=("b.tif",))), "Classes differ"),
    ],
)
def test_pairs_that_differ_are_named(other: SamplePair, word: str):
    first = pair_of(image_of(1, "uint8"), source=Source(files=("a.tif",)))
    with pytest.raises(UserError, match=word) as caught:
        Codec.fit([first, other])
    assert caught.value.todo
    with pytest.raises(UserError, match="no training pairs"):
        Codec.fit([])


def test_wrong_channels_are_refused():
    codec = Codec.fit([pair_of(image_of(3, "uint8"), channel_names=RGB)])
    with pytest.raises(UserError, match="Expected 3 channels"):
        codec.encode_image(image_of(1, "uint8"))
    with pytest.raises(UserError, match="Expected 1 channels"):
        codec.decode_mask(np.zeros((3, 8, 8), np.float32))


def test_file_round_trip(tmp_path: Path):
    pairs = [tissue(seed, 64).replace(image_class=name) for seed, name in enumerate(("sick", "healthy", "sick"))]
    codec = Codec.fit(pairs)
    assert codec.image_classes == ("healthy", "sick")
    assert codec.pixel_size == (0.5, 0.5)
    assert codec.class_names == ("nucleus",)
    codec.to_file(tmp_path / "codec.json")
    assert Codec.from_file(tmp_path / "codec.json") == codec
    (tmp_path / "bad.json").write_text('{"low": [3], "high": [3], "dtype": "uint8"}')
    with pytest.raises(UserError, match="low intensity"):
        Codec.from_file(tmp_path / "bad.json")


def test_pixel_sizes_that_differ_are_not_kept():
    pairs = [tissue(0, 64), tissue(1, 64).replace(pixel_size=(1.0, 1.0))]
    assert Codec.fit(pairs).pixel_size is None


def test_specs():
    codec = Codec.fit([tissue(0, 64).replace(image_class="a")])
    assert codec.spec(64, "joint") == PairSpec(64, 1, 3, ("a",), vectors=2)
    assert codec.spec(64, "painter") == PairSpec(64, 1, 2, ("a",))
    assert codec.spec(128, "mask") == PairSpec(128, 0, 3, ("a",), vectors=1)
    assert Codec.fit([em(0, 64)]).spec(64, "painter").mask_channels == 2


@pytest.mark.parametrize("simulator", [organoid_brightfield, em, tissue])
def test_masks_come_back(simulator):
    pair = simulator(2, 128)
    codec = Codec.fit([pair])
    field = codec.encode_mask(pair.labels)
    assert field.shape == (codec.mask_channels, 128, 128)
    assert field.dtype == np.float32
    found = codec.decode_mask(field)
    assert found.dtype == np.int32
    if pair.mask_kind != "instances":
        np.testing.assert_array_equal(found, pair.labels)
    else:
        assert (found == 0).mean() == pytest.approx((pair.labels == 0).mean(), abs=0.002)
        assert found.max() == pair.n_objects


def test_classes_take_the_largest_map_or_none():
    codec = Codec(low=(0.0,), high=(1.0,), dtype="uint8", mask_kind="classes", class_names=("a", "b"))
    field = np.array([[[0.2, 0.9, -0.1, 0.0]], [[0.3, 0.1, -0.2, -1]]], np.float32)
    np.testing.assert_array_equal(codec.decode_mask(field), [[2, 1, 0, 0]])


def condition_codec(condition: str, kind: str = "instances", names: tuple[str, ...] = ("cell",)) -> Codec:
    return Codec(low=(0.0,), high=(1.0,), dtype="uint8", mask_kind=kind, class_names=names, condition=condition)


def test_edges_mark_both_sides_of_a_border_and_no_image_border():
    labels = np.array([[1, 1, 2, 2], [1, 1, 2, 2], [0, 0, 2, 2], [0, 0, 2, 2]])
    expected = np.array([[0, 1, 1, 0], [1, 1, 1, 0], [0, 0, 1, 0], [0, 0, 1, 0]], bool)
    np.testing.assert_array_equal(edges(labels), expected)
    seen = condition_codec("edges").encode_condition(labels)
    np.testing.assert_array_equal(seen > 0, np.stack([labels > 0, expected]))
    assert set(np.unique(seen)) == {-1, 1}
    assert condition_codec("edges", "classes", ("a", "b")).encode_condition(labels).shape == (3, 4, 4)


def test_every_condition_has_the_promised_channels_and_range():
    for kind, names, labels in (
        ("binary", ("cell",), tissue(0, 64).labels > 0),
        ("classes", ("a", "b"), em(0, 64).labels),
        ("instances", ("cell",), tissue(0, 64).labels),
    ):
        for condition in ("edges", "classes", "flow", "labels"):
            codec = condition_codec(condition, kind, names)
            seen = codec.encode_condition(np.asarray(labels, np.int32))
            assert seen.shape == (codec.spec(64, "painter").mask_channels, 64, 64)
            assert seen.dtype == np.float32
            assert np.abs(seen).max() <= 1
            assert condition != "flow" or np.hypot(*seen[1:]).max() > 0.99


def test_hashed_labels_tell_ids_apart_beyond_255():
    labels = np.arange(1000, dtype=np.int32).reshape(20, 50)
    assert len(np.unique(condition_codec("labels").encode_condition(labels))) == 1000


def test_flow_of_a_binary_mask_has_one_middle_per_piece():
    labels = tissue(0, 64, n_cells=5, touching=False).labels
    codec = condition_codec("flow", "binary")
    assert heatflow.decode(codec.encode_condition((labels > 0).astype(np.int32))).max() == labels.max()


def test_turning_before_and_after_encoding_agree():
    labels = tissue(1, 64).labels
    image = image_of(3, "uint8")
    for condition in ("edges", "classes", "flow"):
        codec = condition_codec(condition)
        for turns in range(4):
            turned = np.rot90(labels[:, ::-1], turns)
            a = codec.turn(codec.encode_condition(labels), turns, True, "condition")
            b = codec.encode_condition(turned)
            assert np.median(np.abs(a - b)) == 0 if condition != "flow" else np.median(np.abs(a - b)) < 0.02
            np.testing.assert_array_equal(
                codec.turn(image, turns, True, "image"), np.rot90(image[..., ::-1], turns, (1, 2))
            )
    np.testing.assert_array_equal(
        condition_codec("edges").turn(heatflow.encode(labels), 1, False), heatflow.turn(heatflow.encode(labels), 1)
    )


def rings(inner: float) -> SamplePair:
    """Two rings side by side that touch; ``inner`` is the radius of their holes, px."""
    rows, columns = np.mgrid[:64, :96]
    labels = np.zeros((64, 96), np.int32)
    for number, column in ((1, 26), (2, 68)):
        away = np.hypot(rows - 32, columns - column)
        labels[(away <= 21.2) & (away >= inner)] = number
    return SamplePair("rings", labels[None].astype(np.uint8), labels, "instances")


def test_rings_stay_rings_where_the_training_masks_hold_some():
    pair = rings(14)
    codec = Codec.fit([pair])
    assert codec.holes
    back = codec.decode_mask(codec.encode_mask(pair.labels))
    np.testing.assert_array_equal(back, pair.labels)
    assert heatflow.count_holes(back) == 2


def test_holes_are_filled_where_the_training_masks_have_none():
    codec = Codec.fit([rings(0)])
    assert not codec.holes
    back = codec.decode_mask(codec.encode_mask(rings(14).labels))
    assert heatflow.count_holes(back) == 0
    assert not Codec.fit([rings(2)]).holes  # a gap of 9 px is a slip of the pen
    assert not Codec.model_validate({key: value for key, value in codec.model_dump().items() if key != "holes"}).holes


def test_an_impossible_pixel_size_is_not_known():
    codec = Codec.fit([tissue(0, 64)])
    for size in ((-1.0, 0.5), (0.5, 0.0), (0.5, float("nan")), (1e300, 1.0)):
        assert Codec.parse({**codec.model_dump(), "pixel_size": size}).pixel_size is None
    with pytest.raises(UserError, match="A pixel of 'tissue_00000' is 0 × 1 µm"):
        tissue(0, 64).replace(name="tissue_00000", pixel_size=(0.0, 1.0))
