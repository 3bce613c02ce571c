"""No tensor is left on the processor: every network at work on a graphics card that is only pretended."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.device import pick_device, random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.base import Generator, build_generator
from napari_organoid_synth.core.generators.canvas import MixedStream, TileStream
from napari_organoid_synth.core.generators.config import generator_config
from napari_organoid_synth.core.generators.contract import batch_of, spec_of
from napari_organoid_synth.core.generators.dcgan import Dcgan
from napari_organoid_synth.core.generators.latent import LatentGenerator
from napari_organoid_synth.core.live.flow_canvas import FlowCanvas
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import EXTRACTORS, GENERATORS, SEGMENTERS
from napari_organoid_synth.core.segmentation.segmenters.base import Segmenter, SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.config import segmenter_config
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.tones import Tones
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator
from pretended_card import CARD, FakeTensorDeviceMismatchError, pretended_card
from small_models import SIDE, SMALL

TRAINED = [name for name in GENERATORS.names() if generator_config(name).trains]
PAINTERS = [name for name in TRAINED if generator_config(name).kind == "painter"]
SEGMENTING = {  # small ones, and the library that each needs
    "unet": ({"channels": 8, "depth": 2, "tile": 64, "batch": 2}, "monai"),
    "multiscale_adversarial": ({"width": 4, "side": 64}, "monai"),
    "stardist": ({"rays": 8, "channels": 4, "depth": 2, "tile": 64, "batch": 1}, "stardist"),
    "cellpose": ({"tile": 64, "batch": 1}, "cellpose"),
}


def small(name: str) -> Generator:
    config = generator_config(name)
    settings = config(**{key: value for key, value in SMALL.items() if key in config.model_fields})
    return build_generator(settings, spec_of(settings)).to(pick_device(str(CARD)))


def on_card(tensor: Tensor) -> bool:
    return tensor.device.type == CARD.type


# ------------------------------------------------------------------------------------------------- faults are caught


def test_a_tensor_left_on_the_processor_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = Dcgan.draw
    monkeypatch.setattr(Dcgan, "draw", lambda self, latents, *rest: draw(self, latents + torch.ones(1, 1), *rest))
    with pretended_card(), pytest.raises(FakeTensorDeviceMismatchError, match="at least two devices"):
        small("dcgan").sample(random_stream(CARD, 0), 2)


def test_a_network_left_on_the_processor_is_caught() -> None:
    with pretended_card():
        generator = small("dcgan")
        generator.networks()["average"].to("cpu")
        with pytest.raises(FakeTensorDeviceMismatchError):
            generator.sample(random_stream(CARD, 0), 2)


def test_a_stream_of_the_processor_is_caught() -> None:
    with pretended_card(), pytest.raises(RuntimeError, match="a generator of cpu"):
        small("dcgan").sample(random_stream(torch.device("cpu"), 0), 2)


def test_an_array_of_a_tensor_on_the_card_is_refused() -> None:
    with pretended_card(), pytest.raises(TypeError, match="numpy"):
        torch.ones(3, device=CARD).numpy()


def test_the_card_is_gone_afterwards() -> None:
    with pretended_card():
        assert pick_device("auto").type == "cuda"
    with pytest.raises(UserError, match="no device 'cuda'"):
        pick_device("cuda")


# --------------------------------------------------------------------------------------------------------- generators


@pytest.mark.parametrize("name", TRAINED)
def test_generators_draw(name: str) -> None:
    with pretended_card():
        generator = small(name)
        spec = generator.spec
        condition = batch_of(spec).mask if generator.kind == "painter" else None  # as it comes from the codec
        streams = [random_stream(CARD, seed) for seed in range(2)]
        mixed = MixedStream.between(*streams, 0.3)
        one = None if condition is None else condition[:1]
        shares = torch.tensor([[0.5, 0.5, 0.0]], device=CARD)
        drawn = [
            generator.sample(streams[0], 2, condition, torch.tensor([0, 1], device=CARD)),
            generator.sample(streams, condition=condition, variety=0.5),
            generator.sample(mixed, 1, one, shares if generator.class_conditional else None),
            generator.look(streams, condition=condition),
        ]
        if generator.takes_tile_streams:
            drawn.append(generator.sample(TileStream(1, 32, 16, spec.tile), 1, one))
        if isinstance(generator, LatentGenerator):
            first, last = generator.latents(streams)
            drawn.append(generator.walk(first, last, 3))
        assert [tuple(one.shape[1:]) for one in drawn] == [drawn[0].shape[1:]] * len(drawn)
        assert all(map(on_card, drawn))


@pytest.mark.parametrize("name", PAINTERS)
def test_painters_paint_masks_of_any_size(name: str) -> None:
    pairs = [tissue(seed, SIDE, n_cells=12) for seed in range(2)]
    recipe, codec = _recipe(name), Codec.fit(pairs)
    with pretended_card():
        network = build_generator(recipe.gan, codec.spec(SIDE, recipe.shape)).to(CARD)
        trained = TrainedGenerator(name, recipe, codec, network, 1, "")
        for labels in (pairs[0].labels, np.tile(pairs[1].labels, (2, 2))[:100, :90]):
            image = trained.paint([labels], [random_stream(CARD, 0)], [0])[0].image
            assert image.shape == (1, *labels.shape)
            assert image.dtype == pairs[0].image.dtype


def test_flow_finishes_sketches_and_draws_a_part_again() -> None:
    pair = tissue(0, SIDE, n_cells=12)
    recipe, codec = _recipe("flow"), Codec.fit([pair])
    tones = Tones.guess([pair.image], codec)
    with pretended_card():
        network = build_generator(recipe.gan, codec.spec(SIDE, recipe.shape)).to(CARD)
        trained = TrainedGenerator("flow", recipe, codec, network, 1, "")
        assert trained.sketch(pair.labels, tones, 1).shape == (1, SIDE, SIDE)
        canvas = FlowCanvas(trained, np.tile(pair.labels, (2, 2)), lambda: random_stream(CARD, 0))
        labels = canvas.labels.copy()
        labels[40:60, 40:60] = 1
        assert canvas.change(labels, "fast") is not None
        assert canvas.change(labels, "full") is not None


def _recipe(name: str) -> Recipe:
    settings = {key: value for key, value in SMALL.items() if key in generator_config(name).model_fields}
    return Recipe.parse({"gan": {"name": name, **settings}, "tiles": {"size": SIDE}})


# --------------------------------------------------------------------------------------------------------- segmenters


@pytest.mark.parametrize("name", [name for name in SEGMENTERS.names() if name != "command"])
@pytest.mark.parametrize("kind", ["binary", "instances"])
def test_segmenters_predict(name: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings, library = SEGMENTING[name]
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    if name == "cellpose":  # the library itself follows the arrows
        nothing = lambda arrows, *_, **__: np.zeros(arrows.shape[1:], np.int32)  # noqa: E731
        monkeypatch.setattr("cellpose.dynamics.compute_masks", nothing)
    with pretended_card():
        config = segmenter_config(name).parse({"name": name, **settings})
        segmenter: Segmenter = SEGMENTERS.load(name)(config, SegmentSpec(1, kind, ("cell",)), str(CARD))
        for shape in ((64, 64), (100, 130)):
            found = segmenter.predict(np.random.default_rng(0).integers(0, 255, (1, *shape), np.uint8))
            assert found.labels.shape == shape


# --------------------------------------------------------------------------------------------------------- extractors


@pytest.mark.parametrize(("name", "channels"), [*((name, 1) for name in EXTRACTORS.names()), ("vgg19", 3)])
def test_extractors_compute_features(name: str, channels: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tiles = np.random.default_rng(0).random((3, channels, 48, 48), np.float32)
    with pretended_card():
        extractor = _extractor(name, channels, monkeypatch, tmp_path)
        features = extractor.features(torch.from_numpy(tiles).to(CARD))
        assert on_card(features)
        assert extractor(tiles).shape == tuple(features.shape)


def _extractor(name: str, channels: int, monkeypatch: pytest.MonkeyPatch, folder: Path):  # type: ignore[no-untyped-def]
    """Build an extractor; those that need a file of weights get random ones."""
    from napari_organoid_synth.core.generators import perceptual
    from napari_organoid_synth.core.metrics.extractors import inception

    file = folder / "weights.pth"
    file.write_bytes(b"")
    networks = {"inception64": inception.Stem, "inception2048": inception.Inception}
    if name in networks:
        monkeypatch.setattr(inception, "read_weights", lambda *_: networks[name]().state_dict())
    elif name == "vgg19":
        tensors = {f"features.{key}": value for key, value in perceptual.Vgg19().layers.state_dict().items()}
        tensors[perceptual.NEXT] = tensors["features.14.weight"]
        monkeypatch.setattr(perceptual, "read_weights", lambda *_: tensors)
    load = EXTRACTORS.load(name)
    return load(channels, str(file) if load.file else "", str(CARD))
