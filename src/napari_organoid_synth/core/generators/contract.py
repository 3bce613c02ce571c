"""The contract of generators, as checks that run on any registered generator.

The tests of this package run each check on each member. For a generator of your own::

    from napari_organoid_synth.core.generators.contract import check_generator

    check_generator(MyConfig(channels=8))
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.base import Generator, build_generator
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.canvas import MixedStream
from napari_organoid_synth.core.generators.config import Draws, GeneratorConfig
from napari_organoid_synth.core.generators.latent import LatentGenerator
from napari_organoid_synth.core.generators.untrained import UntrainedPainter
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, content_hash

CPU = torch.device("cpu")
CLASSES = ("healthy", "ill", "dead")
READING_METHODS = ("item", "tolist", "cpu", "numpy", "__bool__", "__int__", "__float__", "__index__")


def check_generator(config: GeneratorConfig) -> None:
    """Run every check of the contract on a registered generator, on the processor.

    Parameters
    ----------
    config : GeneratorConfig
        Its settings; small networks make this fast.

    Raises
    ------
    AssertionError
        With the name of the check that failed, and what was found.
    """
    for name, check in checks_of(config).items():
        try:
            check(config)
        except AssertionError as error:
            raise AssertionError(f"{config.name}: {name}: {error}") from error


# --- input of generators ---------------------------------------------------------------------------------------------


def spec_of(config: GeneratorConfig, draws: Draws = "pairs", images: int = 2) -> PairSpec:
    """Return sizes for checks: 64 px or the smallest tile, two image channels, three channels of a heat flow."""
    images = 0 if draws == "masks" or config.kind == "mask" else images
    tile = 64 if 64 in config.tiles else min(config.tiles)
    masks = 0 if draws == "images" else 3
    return PairSpec(tile, images, masks, CLASSES, vectors=images + 1 if masks else None)


def batch_of(spec: PairSpec, step: int = 0, n: int = 2) -> Batch:
    """Return n tiles of noise, the same for the same step."""
    rng = random_stream(CPU, "data", step)
    image, mask = (
        torch.rand(n, channels, spec.tile, spec.tile, generator=rng) * 2 - 1
        for channels in (spec.image_channels, spec.mask_channels)
    )
    return Batch(image, mask, torch.arange(n) % len(CLASSES))


def take_steps(generator: Generator, start: int, stop: int) -> None:
    """Take the steps from ``start`` to before ``stop`` of ten."""
    for step in range(start, stop):
        generator.step(batch_of(generator.spec, step), random_stream(CPU, 0, step), step / 10)


def pairs_of(config: GeneratorConfig, images: int = 2, mask_kind: MaskKind = "instances") -> list[SamplePair]:
    """Return three pairs with round objects on a bright ground, for a painter that needs no training."""
    pairs = []
    for number, name in enumerate(("first", "second", "third")):
        rng = np.random.default_rng(number)
        labels = np.zeros((96, 96), np.int32)
        rows, columns = np.mgrid[:96, :96]
        for label, (y, x) in enumerate(((24, 24), (24, 70), (70, 24), (70, 70)), 1):
            inside = (rows - y - number) ** 2 + (columns - x) ** 2 < (12 + 2 * label) ** 2
            labels[inside] = label if mask_kind == "instances" else 1
        tones = np.where(labels > 0, 900 + 400 * number, 200) + rng.normal(0, 40, (images, 96, 96))
        pairs.append(
            SamplePair(name, tones.clip(0, 4000).astype(np.uint16), labels, mask_kind, image_class=CLASSES[number % 2])
        )
    return pairs


def _ready(config: GeneratorConfig) -> UntrainedPainter:
    """Return a painter that needs no training, with pairs to paint from."""
    painter = _new(config)
    assert isinstance(painter, UntrainedPainter), "it does not train and is no UntrainedPainter"
    painter.keep(pairs_of(config))
    return painter


def _new(config: GeneratorConfig, seed: int = 0) -> Generator:
    return build_generator(config, spec_of(config), seed)


# --- checks ----------------------------------------------------------------------------------------------------------


def check_settings(config: GeneratorConfig) -> None:
    """Check that settings survive being written and read and have defaults, and that there are texts and tiles."""
    cls: Any = type(config)
    assert cls.parse(config.model_dump(mode="json")) == config, "settings change when written and read"
    assert cls().name == config.name, "the default of 'name' is another name"
    assert " – " in cls.title, f"the title '{cls.title}' has no ' – ' between name and description"
    assert cls.when.endswith("."), "'when' is not a sentence"
    for size in cls.tiles:
        cls().check_tile(size)


def check_steps(config: GeneratorConfig) -> None:
    """Check that steps of each kind give finite losses, and that together they move every weight."""
    generator = _new(config)
    before = {n: [p.detach().clone() for p in net.parameters()] for n, net in generator.networks().items()}
    kinds = generator.step_kinds(10)
    assert abs(sum(share for share, _, _ in kinds) - 1) < 1e-6, "the shares of step_kinds do not add up to 1"
    for _, progress, steps_taken in kinds:  # a generator that grows reaches its large layers late
        generator.steps_taken = steps_taken
        losses = generator.step(batch_of(generator.spec), random_stream(CPU, 0), progress)
        for name, value in losses.items():
            assert value.ndim == 0, f"loss '{name}' is not a single number"
            assert not value.requires_grad, f"loss '{name}' is not detached"
            assert torch.isfinite(value), f"loss '{name}' is {value}"
        assert losses["bad"] == 0, "a gradient is not finite"
    for net_name, network in generator.networks().items():
        for old, (key, new) in zip(before[net_name], network.named_parameters(), strict=True):
            assert not torch.equal(old, new), f"{net_name}.{key} did not move"


class _NothingIsRead(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Raise where a number leaves the device: ``.item()``, ``bool(tensor)``, an index made of a mask."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert func.overloadpacket.__name__ != "_local_scalar_dense", "the step waits for the device"
        return func(*args, **(kwargs or {}))


def check_nothing_is_read_back(config: GeneratorConfig) -> None:
    """Check that a step reads nothing back from the device, which a graphics card would have to wait for."""
    generator = _new(config)
    take_steps(generator, 0, 1)
    batch, rng = batch_of(generator.spec), random_stream(CPU, 0)

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("the step waits for the device")

    with ExitStack() as stack:
        # torch's own looks at the classes, on a processor only
        one_hot = patch.object(functional, "one_hot", lambda index, n: torch.eye(n, dtype=torch.int64)[index])
        stack.enter_context(one_hot)
        for method in READING_METHODS:
            stack.enter_context(patch.object(Tensor, method, refuse))
        stack.enter_context(_NothingIsRead())  # type: ignore[no-untyped-call]
        for _, progress, steps_taken in generator.step_kinds(10):
            generator.steps_taken = steps_taken
            generator.step(batch, rng, progress)


def check_seeds(config: GeneratorConfig) -> None:
    """Check that a seed repeats weights and samples, and that each sample of a batch has its own random stream."""
    first, second, other = _new(config), _new(config), _new(config, seed=1)
    condition = batch_of(first.spec).mask if first.kind == "painter" else None

    def draw(generator: Generator, seed: int) -> Tensor:
        return generator.sample([random_stream(CPU, seed, i) for i in range(2)], condition=condition)

    assert torch.equal(draw(first, 0), draw(second, 0)), "the same seeds give other samples"
    assert not torch.equal(draw(first, 0), draw(first, 1)), "another seed of the samples gives the same ones"
    assert not torch.equal(draw(first, 0), draw(other, 0)), "another seed of the weights gives the same samples"


def check_resuming(config: GeneratorConfig) -> None:
    """Check that five steps, and five after loading the state, equal ten, bit for bit, in float32 and in bf16."""
    for bf16 in (False, True):
        whole, half, resumed = _new(config), _new(config), _new(config, seed=7)
        whole.bf16 = half.bf16 = resumed.bf16 = bf16
        take_steps(whole, 0, 10)
        take_steps(half, 0, 5)
        resumed.load_state(*half.state())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(99)  # nothing may depend on the global stream
            take_steps(resumed, 5, 10)
        (expected, expected_numbers), (found, found_numbers) = whole.state(), resumed.state()
        assert expected_numbers == found_numbers, "the numbers of the state differ"
        assert expected.keys() == found.keys(), "the state holds other tensors"
        for key, value in expected.items():
            assert torch.equal(value, found[key]), f"{key} differs after resuming"


def check_foreign_state(config: GeneratorConfig) -> None:
    """Check that the state of a generator with other channels is refused."""
    state = _new(config).state() if config.trains else _ready(config).state()
    other = spec_of(config)
    other = PairSpec(other.tile, other.image_channels + 1, other.mask_channels + 1, CLASSES)
    message = ""
    try:
        build_generator(config, other).load_state(*state)
    except UserError as error:
        message = str(error)
    assert "other settings" in message, f"a state of other channels is not refused as that of other settings: {message}"


def check_memory_layout(config: GeneratorConfig) -> None:
    """Check that weights and gradients of convolutions are ``channels_last``, the layout that is fastest."""
    generator = _new(config)
    layers = [
        (f"{name}.{key}", parameter)
        for name in generator.optimizers()
        for key, parameter in generator.networks()[name].named_parameters()
        if parameter.ndim == 4
    ]
    reached = set()
    for _, progress, steps_taken in generator.step_kinds(10):
        generator.steps_taken = steps_taken
        generator.step(batch_of(generator.spec), random_stream(CPU, 0), progress)
        for key, parameter in layers:
            assert parameter.is_contiguous(memory_format=torch.channels_last), f"{key} is not channels_last"
            if parameter.grad is not None:
                assert parameter.grad.stride() == parameter.stride(), f"the gradient of {key} is not channels_last"
                reached.add(key)
    assert reached == {key for key, _ in layers}, f"no gradient for {sorted({k for k, _ in layers} - reached)}"


def check_freezing(config: GeneratorConfig) -> None:
    """Check that frozen layers stay as they are, that the others learn, and that resuming changes nothing."""
    generator = _new(config)
    generator.freeze(2)
    frozen = [p for net in generator.networks().values() for p in net.parameters() if getattr(p, "frozen", False)]
    before = [p.detach().clone() for p in frozen]
    if any(name.startswith("discriminator") for name in generator.networks()):
        assert len(frozen) >= 2, "freeze(2) froze fewer than two layers of the discriminators"
    take_steps(generator, 0, 2)
    assert all(torch.equal(old, new) for old, new in zip(before, frozen, strict=True)), "a frozen layer moved"
    half, resumed = generator.state(), _new(config)
    resumed.freeze(2)
    resumed.load_state(*half)
    take_steps(generator, 2, 4)
    take_steps(resumed, 2, 4)
    state = resumed.state()[0]
    for key, value in generator.state()[0].items():
        assert torch.equal(value, state[key]), f"{key} differs after resuming with frozen layers"


def check_transfer(config: GeneratorConfig) -> None:
    """Check that weights of another training are loaded, all or those that fit, and that images count from 0."""
    source = _new(config)
    take_steps(source, 0, 1)
    tensors, _ = source.state()
    twin = _new(config, seed=1)
    _, missing = twin.load_matching_weights(tensors)
    assert missing == 0, f"{missing} tensors of an equal generator were not loaded"
    assert twin.transferred, "'transferred' is not set"
    for name, network in twin.transferable().items():
        for key, value in network.state_dict().items():
            assert torch.equal(tensors[f"network/{name}/{key}"], value), f"{name}.{key} was not loaded"
    spec = spec_of(config, images=1)
    if spec.image_channels:
        loaded, missing = build_generator(config, spec).load_matching_weights(tensors)
        assert loaded > missing > 0, f"with another channel count {loaded} tensors were loaded, {missing} were not"
    take_steps(twin, 1, 2)
    assert twin.images_seen == 2, "images of the other training count as seen"


def check_latent_walk(config: GeneratorConfig) -> None:
    """Check that latent vectors repeat a sample, that a walk joins two, and that no variety means one sample."""
    generator = _new(config)
    if not isinstance(generator, LatentGenerator):
        return
    a, b = generator.latents([random_stream(CPU, seed) for seed in (1, 2)])
    assert a.shape == (generator.latent,), f"a latent vector has shape {tuple(a.shape)}"
    ends = generator.draw(torch.stack([a, b]))
    way, spec = generator.walk(a, b, 5), generator.spec
    assert way.shape == (5, spec.image_channels + spec.mask_channels, spec.tile, spec.tile), f"it is {way.shape}"
    torch.testing.assert_close(way[[0, -1]], ends, atol=1e-4, rtol=1e-4)
    assert not torch.equal(way[0], way[2]), "the middle of the walk is its beginning"
    still = generator.draw(torch.stack([a, b]), variety=0.0)
    torch.testing.assert_close(still[0], still[1])


def check_mixed_streams(config: GeneratorConfig) -> None:
    """Check that a mix of two streams leads gradually from the sample of the one to that of the other."""
    generator = _new(config)
    take_steps(generator, 0, 2)
    condition = batch_of(generator.spec, n=1).mask if generator.kind == "painter" else None

    def draw(share: float) -> Tensor:
        ends = [random_stream(CPU, seed) for seed in (1, 2)]
        return generator.sample(MixedStream.between(ends[0], ends[1], share), 1, condition)

    for share, seed in ((0.0, 1), (1.0, 2)):
        alone = generator.sample(random_stream(CPU, seed), 1, condition)
        assert torch.equal(draw(share), alone), f"at {share} the mix is not the sample of the stream"
    near, ends = ((draw(a) - draw(b)).abs().mean() for a, b in ((0.5, 0.51), (0.0, 1.0)))
    assert near < 0.5 * ends, f"a step of 0.01 changes samples by {near:.4f}, the whole way by {ends:.4f}"
    assert torch.isfinite(draw(0.5)).all(), "the middle of the way is not finite"


def check_shares_of_classes(config: GeneratorConfig) -> None:
    """Check that shares of image classes lead gradually from class to class."""
    if not config.class_conditional:
        return
    generator = _new(config)
    take_steps(generator, 0, 2)
    condition = batch_of(generator.spec, n=1).mask if generator.kind == "painter" else None

    def draw(image_class: Tensor) -> Tensor:
        return generator.sample(random_stream(CPU, 1), 1, condition, image_class)

    first, last = (draw(torch.tensor([number])) for number in (0, 1))
    torch.testing.assert_close(draw(torch.tensor([[1.0, 0.0, 0.0]])), first)
    torch.testing.assert_close(draw(torch.tensor([[0.0, 1.0, 0.0]])), last)
    near = (draw(torch.tensor([[0.5, 0.5, 0.0]])) - draw(torch.tensor([[0.49, 0.51, 0.0]]))).abs().mean()
    ends = (first - last).abs().mean()
    assert 0 < near < 0.5 * ends, f"a step of 0.01 changes samples by {near:.2g}, the whole way by {ends:.2g}"


def check_parts(config: GeneratorConfig) -> None:
    """Check that a joint generator can also draw images alone, or masks alone."""
    if config.kind != "joint":
        return
    draws: Draws
    for draws in ("images", "masks"):
        spec = spec_of(config, draws)
        generator = build_generator(config, spec)
        assert generator.step(batch_of(spec), random_stream(CPU, 0), 0.0)["bad"] == 0, f"{draws}: a bad gradient"
        shape = generator.sample(random_stream(CPU, 1), 2).shape
        assert shape == (2, spec.image_channels + spec.mask_channels, spec.tile, spec.tile), f"{draws}: {shape}"


def check_untrained(config: GeneratorConfig) -> None:
    """Check that there is nothing to train and that pairs without any object are refused."""
    painter = _ready(config)
    assert not painter.networks(), "it has networks"
    assert not painter.optimizers(), "it has optimisers"
    empty = [pair.replace(labels=np.zeros_like(pair.labels)) for pair in pairs_of(config)]
    message = ""
    try:
        painter.keep(empty)
    except UserError as error:
        message = str(error)
    assert "object" in message, f"pairs without objects are not refused: {message}"


def check_painting(config: GeneratorConfig) -> None:
    """Check that images have size, channels and type of what they should, and that a seed repeats their pixels."""
    painter, twin = _ready(config), _ready(config)
    for shape in ((96, 96), (70, 130)):
        labels = np.zeros(shape, np.int32)
        labels[20:50, 25:60] = 3
        painted = painter.paint_labels(labels, 5)
        assert painted.image.shape == (2, *shape), f"the image is {painted.image.shape}"
        assert painted.image.dtype == np.uint16, f"the image is {painted.image.dtype}"
        assert painted.seed == 5, "the seed is not told"
        assert np.array_equal(painted.image, twin.paint_labels(labels, 5).image), "the same seed gives another image"
        assert not np.array_equal(painted.image, painter.paint_labels(labels, 6).image), "all seeds give one image"
        inside, outside = painted.image[0][labels > 0].mean(), painted.image[0][labels == 0].mean()
        assert inside > 1.5 * outside, f"objects have {inside:.0f}, the ground has {outside:.0f}"


def check_sources(config: GeneratorConfig) -> None:
    """Check that excluded pairs are not used, that the shares of the others are told, and that none is too few."""
    painter = _ready(config)
    labels = pairs_of(config)[0].labels
    painted = painter.paint_labels(labels, 1, {"first"})
    assert abs(sum(painted.sources.values()) - 1) < 1e-3, f"the shares are {dict(painted.sources)}"
    assert painted.sources.get("first", 0.0) == 0, "an excluded pair was used"
    assert painted.residual.keys() == {1, 2, 3, 4}, f"there are misfits of {sorted(painted.residual)}"
    assert painter.usable({"first"}) == {"second", "third"}, "usable() ignores names"
    first = pairs_of(config)[0]
    assert painter.usable((), {content_hash(first.image, first.labels)}) == {"second", "third"}, (
        "usable() ignores hashes"
    )
    assert painter.usable((), (), 1) == {"second"}, "usable() ignores classes"
    message = ""
    try:
        painter.paint_labels(labels, 1, {"first", "second", "third"})
    except UserError as error:
        message = str(error)
    assert "excluded" in message, f"painting without any pair is not refused: {message}"


def check_kept_state(config: GeneratorConfig) -> None:
    """Check that a state paints the same, in another object, and that a model file tells no names."""
    painter, other, shared = _ready(config), _new(config), _new(config)
    other.load_state(*painter.state())
    tensors = painter.shared_state()
    assert not any(b"second" in bytes(value.numpy()) for value in tensors.values()), "a model file tells names"
    shared.load_shared_state(tensors, painter.state()[1])
    assert isinstance(other, UntrainedPainter)
    assert isinstance(shared, UntrainedPainter)
    labels = pairs_of(config)[0].labels
    expected = painter.paint_labels(labels, 3).image
    assert np.array_equal(expected, other.paint_labels(labels, 3).image), "another image after loading"
    assert shared.paint_labels(labels, 3).image.shape == expected.shape, "a model file paints another size"
    first = pairs_of(config)[0]
    assert len(shared.usable((), {content_hash(first.image, first.labels)})) == 2, "hashes are lost in a model file"


CHECKS: dict[str, Callable[[GeneratorConfig], None]] = {
    "settings": check_settings,
    "steps": check_steps,
    "nothing is read back": check_nothing_is_read_back,
    "seeds": check_seeds,
    "resuming": check_resuming,
    "foreign state": check_foreign_state,
    "memory layout": check_memory_layout,
    "freezing": check_freezing,
    "transfer": check_transfer,
    "latent walk": check_latent_walk,
    "mixed streams": check_mixed_streams,
    "shares of classes": check_shares_of_classes,
    "parts": check_parts,
}
"""The contract by name, in the order in which it is worth meeting."""

WITHOUT_TRAINING: dict[str, Callable[[GeneratorConfig], None]] = {
    "settings": check_settings,
    "untrained": check_untrained,
    "painting": check_painting,
    "sources": check_sources,
    "kept state": check_kept_state,
    "foreign state": check_foreign_state,
}
"""That of painters that need no training: all checks that are not about training, and some of their own."""


def checks_of(config: GeneratorConfig) -> dict[str, Callable[[GeneratorConfig], None]]:
    """Return the checks that a generator must pass, by name."""
    return CHECKS if config.trains else WITHOUT_TRAINING
