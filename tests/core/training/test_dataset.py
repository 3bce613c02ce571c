"""Tiles as tensors: values, turning, the memory limit, the order of tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.codec.spec import Shape
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.tiling import list_tiles
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.simulators.simulate import em, tissue
from napari_organoid_synth.core.training.dataset import PairDataset, TileSampler, decode_sample
from napari_organoid_synth.core.training.tiles import tile_warnings


@pytest.fixture(scope="module")
def pairs() -> list[SamplePair]:
    return [tissue(seed, 96).replace(name=f"t{seed}") for seed in range(2)]


def dataset(pairs: list[SamplePair], shape: Shape = "painter", **memory: int) -> PairDataset:
    tiles = [t for t in list_tiles(pairs, TileSettings(size=64)) if t.kept]
    return PairDataset(pairs, tiles, Codec.fit(pairs), shape, **memory)


def test_a_batch_is_the_encoded_tile(pairs: list[SamplePair]) -> None:
    data = dataset(pairs)
    for index in (0, 3, 6):  # upright, turned, turned and mirrored
        batch, pair = data.batch([index]), data.pair(index)
        np.testing.assert_allclose(batch.image[0].numpy(), data.codec.encode_image(pair.image), atol=1e-3)
        np.testing.assert_array_equal(batch.mask[0].numpy(), data.codec.encode_condition(pair.labels))
    batch = data.batch([0, 1, 2])
    assert batch.image.dtype == batch.mask.dtype == torch.float32
    assert batch.image.is_contiguous(memory_format=torch.channels_last)
    assert batch.image_class.tolist() == [0, 0, 0]


def test_heat_flow_turns_as_vectors(pairs: list[SamplePair]) -> None:
    data = dataset(pairs, "joint")
    for index in range(8):
        flow = data.batch([index]).mask[0].numpy()
        expected = data.codec.encode_mask(data.pair(index).labels)
        inside = (expected[0] > 0) & (np.linalg.norm(expected[1:], axis=0) > 0.1)
        cosine = (flow[1:] * expected[1:]).sum(0)[inside] / np.linalg.norm(expected[1:], axis=0)[inside]
        assert np.median(cosine / np.maximum(np.linalg.norm(flow[1:], axis=0)[inside], 1e-6)) > 0.999


def test_tiles_are_encoded_once_and_dropped_when_memory_is_short(pairs: list[SamplePair]) -> None:
    data = dataset(pairs)
    every = list(range(len(data)))
    data.batch(every)
    upright = sum(1 for tile in data.tiles if not tile.turns and not tile.flip)
    assert len(data._kept) == upright
    tile_bytes = 64 * 64 * 2 * 3
    tight = dataset(pairs, memory=2 * tile_bytes)
    for start in range(0, len(every), 4):
        chunk = every[start : start + 4]
        assert torch.equal(tight.batch(chunk).image, data.batch(chunk).image)
    assert len(tight._kept) == 2


def test_image_classes_are_counted() -> None:
    pairs = [em(0, 64).replace(image_class="sick"), em(1, 64).replace(image_class="healthy")]
    tiles = list_tiles(pairs, TileSettings(size=64, turn=False, flip=False))
    data = PairDataset(pairs, tiles, Codec.fit(pairs), "painter")
    assert data.batch([0, 1]).image_class.tolist() == [1, 0]


def test_images_without_class_are_a_class_of_their_own() -> None:
    pairs = [em(k, 64).replace(image_class=name) for k, name in enumerate(("sick", None, "healthy", None))]
    tiles = list_tiles(pairs, TileSettings(size=64, turn=False, flip=False))
    codec = Codec.fit(pairs)
    assert (codec.image_classes, codec.graded) == (("healthy", "sick", "ungraded"), ("healthy", "sick"))
    assert PairDataset(pairs, tiles, codec, "painter").batch([0, 1, 2, 3]).image_class.tolist() == [1, 2, 0, 2]
    recipe = Recipe().override("gan=cgan")
    warning = "2 of 4 images have no class (grade). In a training they are a class of their own, 'ungraded'."
    assert warning in tile_warnings(pairs, 99, recipe)
    assert warning not in tile_warnings(pairs, 99, recipe.override("gan=pix2pix"))
    assert Codec.fit(pairs[1:2]).image_classes == ()


def test_every_tile_once_per_round_and_pure() -> None:
    sampler = TileSampler(10, seed=3)
    shown = np.concatenate([sampler.indices(seen, 4) for seen in range(0, 20, 4)])
    assert sorted(shown[:10]) == sorted(shown[10:]) == list(range(10))
    assert list(shown[:10]) != list(shown[10:])
    again = TileSampler(10, seed=3)
    np.testing.assert_array_equal(again.indices(16, 4), shown[16:])
    np.testing.assert_array_equal(again.indices(3, 7), shown[3:10])  # another batch size on the way
    assert list(TileSampler(10, seed=4).indices(0, 10)) != list(shown[:10])
    assert len(TileSampler(2, seed=0).indices(35, 5)) == 5


def test_decoding_is_the_way_back() -> None:
    pair = em(0, 64)
    codec = Codec.fit([pair])
    encoded = np.concatenate([codec.encode_image(pair.image), codec.encode_mask(pair.labels)])
    image, labels = decode_sample(torch.from_numpy(encoded), codec, codec.spec(64, "joint"))
    assert image is not None
    assert image.dtype == pair.image.dtype
    np.testing.assert_array_equal(labels, pair.labels)
    inside = (pair.image >= np.ceil(codec.low[0])) & (pair.image <= np.floor(codec.high[0]))
    assert np.abs(image.astype(int) - pair.image)[inside].max() <= 1
    assert decode_sample(torch.from_numpy(encoded[:1]), codec, codec.spec(64, "image"))[1] is None
    image, labels = decode_sample(torch.from_numpy(encoded[1:]), codec, codec.spec(64, "mask"))
    assert image is None
    np.testing.assert_array_equal(labels, pair.labels)


@pytest.mark.parametrize(("shape", "channels"), [("joint", (1, 3)), ("image", (1, 0)), ("mask", (0, 3))])
def test_only_what_is_drawn_is_encoded(shape: Shape, channels: tuple[int, int]) -> None:
    pairs = [tissue(0, 64)]
    codec = Codec.fit(pairs)
    data = PairDataset(pairs, list_tiles(pairs, TileSettings(size=64)), codec, shape)
    batch = data.batch([0, 5])
    assert (batch.image.shape[1], batch.mask.shape[1]) == channels
    spec = codec.spec(64, shape)
    assert (spec.image_channels, spec.mask_channels) == channels
    assert batch.joint.shape == (2, sum(channels), 64, 64)
    joint = PairDataset(pairs, data.tiles, codec, "joint").batch([0, 5]).joint
    expected = {"joint": joint, "image": joint[:, :1], "mask": joint[:, 1:]}[shape]
    assert torch.equal(batch.joint, expected)
