"""Progressive growing: schedule, fading, resetting, resuming, losses."""

from __future__ import annotations

import copy
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.progan import Progan
from napari_organoid_synth.core.generators.progan_config import ProganConfig
from napari_organoid_synth.core.generators.progressive import (
    Discriminator,
    Halve,
    ProgressiveGenerator,
    Schedule,
    channels_at,
    r1_and_logits,
    shrink,
)
from napari_organoid_synth.core.generators.style_blocks import EqualConv2d, EqualLinear
from napari_organoid_synth.core.generators.stylegan import Stylegan
from napari_organoid_synth.core.generators.stylegan_config import StyleganConfig

SMALL = {"channels": 64, "max_channels": 16, "latent": 8}
CLASSES = ("healthy", "ill")


def stream(*seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(hash(seed) % 2**31)


def make(name: str, **changes: Any) -> ProgressiveGenerator:
    torch.manual_seed(changes.pop("seed", 0))
    spec = PairSpec(changes.pop("tile", 64), 1, 1, CLASSES)
    if name == "progan":
        return Progan(ProganConfig(**{**SMALL, **changes}), spec)
    return Stylegan(StyleganConfig(**{**SMALL, "width": 8, "layers": 2, **changes}), spec)


def batch(step: int, n: int = 2, tile: int = 64) -> Batch:
    image, mask = torch.rand(2, n, 1, tile, tile, generator=stream(step)) * 2 - 1
    return Batch(image, mask, torch.arange(n) % 2)


def advance(gan: ProgressiveGenerator, start: int, stop: int, total: int) -> list[dict[str, Tensor]]:
    tile = gan.spec.tile
    return [gan.step(batch(step, tile=tile), stream(1, step), step / total) for step in range(start, stop)]


# ------------------------------------------------------------------------------------------------------------ schedule


@pytest.mark.parametrize(
    ("channels", "most", "sizes", "widths"),
    [
        (8192, 512, (4, 8, 16, 32, 64, 128, 256, 512, 1024), (512, 512, 512, 512, 256, 128, 64, 32, 16)),
        (2048, 128, (4, 8, 16, 32, 64, 128, 256, 512), (128, 128, 128, 128, 64, 32, 16, 8)),
    ],
)
def test_widths_as_published(channels: int, most: int, sizes: tuple[int, ...], widths: tuple[int, ...]) -> None:
    assert tuple(channels_at(size, channels, most) for size in sizes) == widths


def test_every_size_has_the_same_images_the_first_without_fading() -> None:
    schedule = Schedule(ProganConfig(), 64)
    assert [(phase.size, phase.fading) for phase in schedule.phases] == [
        (4, False),
        *((size, fading) for size in (8, 16, 32, 64) for fading in (True, False)),
    ]
    images = [(phase.end - phase.start) * schedule.multiple(phase.size) for phase in schedule.phases]
    assert images == pytest.approx([images[0]] * 9)  # fading takes half
    assert schedule.phases[0].start == 0
    assert schedule.phases[-1].end == pytest.approx(1)
    assert [schedule.multiple(size) for size in (4, 8, 16, 32, 64)] == [8, 8, 4, 2, 1]
    # 31 equal parts: 1 + 2 · (1 + 2 + 4 + 8)
    assert [phase.end * 31 for phase in schedule.phases] == pytest.approx([1, 2, 3, 5, 7, 11, 15, 23, 31])


def test_alpha_goes_from_0_to_1_while_fading() -> None:
    schedule = Schedule(ProganConfig(), 64)
    assert schedule.at(0.0) == (4, 1.0)
    assert schedule.at(1.0) == schedule.at(1.5) == (64, 1.0)
    assert schedule.at(15 / 31 + 1e-9) == (64, pytest.approx(0, abs=1e-6))
    assert schedule.at(17 / 31) == (64, pytest.approx(0.25))
    assert schedule.at(23 / 31 + 1e-9) == (64, 1.0)
    assert sum(share for share, _ in schedule.step_kinds()) == pytest.approx(1)
    assert [schedule.at(moment) for _, moment in schedule.step_kinds()] == [
        (4, 1.0),
        *((size, pytest.approx(0.5)) for size in (8, 16, 32, 64)),
    ]


def test_shares_follow_the_settings() -> None:
    alone = Schedule(ProganConfig(first_size=64), 64)
    assert [tuple(phase) for phase in alone.phases] == [(0.0, 1.0, 64, False)]
    sudden = Schedule(ProganConfig(first_size=32, fade_share=0, batch_growth=1), 64)
    assert [tuple(phase) for phase in sudden.phases] == [(0.0, 0.5, 32, False), (0.5, 1.0, 64, False)]
    long = Schedule(ProganConfig(first_size=32, fade_share=0.25, batch_growth=1, last_images=3.25), 64)
    assert [phase.end * 4 for phase in long.phases] == pytest.approx([0.75, 1.0, 4.0])
    assert Schedule(StyleganConfig(), 256).at(0.0) == (8, 1.0)


def test_tiles_per_step_and_sizes_that_do_not_fit() -> None:
    gan = make("progan")
    assert [gan.batch_size(4, moment) for _, moment in gan.schedule.step_kinds()] == [32, 32, 16, 8, 4]
    with pytest.raises(UserError, match="first size is 128 px, but the tile is 64 px"):
        ProganConfig(first_size=128).check_tile(64)
    with pytest.raises(UserError, match="96 px"):
        ProganConfig().check_tile(96)


# ------------------------------------------------------------------------------------------------------------ pictures


def test_halving_with_blur_is_the_121_filter_and_the_mean_of_2_by_2() -> None:
    x = torch.randn(2, 3, 8, 8, generator=stream())
    row = torch.tensor([1.0, 2.0, 1.0]) / 4
    kernel = torch.outer(row, row).expand(3, 1, 3, 3)
    blurred = functional.avg_pool2d(functional.conv2d(x, kernel, padding=1, groups=3), 2)
    found = Halve(blur=True)(x)
    torch.testing.assert_close(found[..., 1:-1, 1:-1], blurred[..., 1:-1, 1:-1])
    assert found.shape == (2, 3, 4, 4)
    torch.testing.assert_close(Halve(blur=False)(x)[:, :, 0, 0], x[:, :, :2, :2].mean((2, 3)))


def test_real_pictures_are_blended_with_those_of_half_the_size() -> None:
    x = torch.randn(2, 3, 64, 64, generator=stream())
    assert torch.equal(shrink(x, 64, 1.0), x)
    torch.testing.assert_close(shrink(x, 16, 1.0)[0, 0, 0, 0], x[0, 0, :4, :4].mean())
    coarse = shrink(x, 8, 1.0).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(shrink(x, 16, 0.0), coarse)
    torch.testing.assert_close(shrink(x, 16, 0.25), 0.75 * coarse + 0.25 * shrink(x, 16, 1.0))


@pytest.mark.parametrize("name", ["progan", "stylegan"])
@pytest.mark.parametrize("size", [16, 64])
def test_fading_begins_and_ends_at_the_neighbouring_sizes(name: str, size: int) -> None:
    gan = make(name)
    x, classes = torch.randn(4, 2, size, size, generator=stream()), torch.tensor([0, 1, 0, 1])
    judge = gan.discriminator
    torch.testing.assert_close(
        judge(x, classes, size, 0.0), judge(functional.avg_pool2d(x, 2), classes, size // 2), atol=1e-5, rtol=1e-4
    )
    torch.testing.assert_close(judge(x, classes, size, 1 - 1e-7), judge(x, classes, size), atol=1e-4, rtol=1e-4)
    assert not torch.allclose(judge(x, classes, size, 0.5), judge(x, classes, size), atol=1e-3)
    latents = gan.latents(stream(5), 4)

    def drawn(at: int, alpha: float) -> Tensor:
        if isinstance(gan, Stylegan):
            w = gan.generator.mapping(latents, classes)[:, None].expand(-1, 10, -1)
            return gan.generator(w, at, alpha)
        found: Tensor = gan.generator(latents, classes, at, alpha)
        return found

    coarse = drawn(size // 2, 1.0).repeat_interleave(2, 2).repeat_interleave(2, 3)
    torch.testing.assert_close(drawn(size, 0.0), coarse, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(drawn(size, 1 - 1e-7), drawn(size, 1.0), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(drawn(size, 0.25), 0.75 * coarse + 0.25 * drawn(size, 1.0), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["progan", "stylegan"])
def test_every_layer_keeps_the_spread_at_first(name: str) -> None:
    wide = {"width": 128} if name == "stylegan" else {}
    gan = make(name, channels=2048, max_channels=128, latent=128, first_size=4, **wide)
    gains: dict[str, float] = {}

    def watch(key: str, layer: EqualConv2d | EqualLinear) -> None:
        gain = layer.scale * math.sqrt(layer.weight[0].numel()) / getattr(layer, "lrmul", 1.0)

        def note(_: Any, given: tuple[Tensor, ...], out: Tensor) -> None:
            gains[key] = float(out.square().mean().sqrt() / given[0].square().mean().sqrt() / gain)

        layer.register_forward_hook(note)

    for part in ("generator", "discriminator"):
        for key, layer in getattr(gan, part).named_modules():
            if isinstance(layer, (EqualConv2d, EqualLinear)):
                watch(f"{part}.{key}", layer)
    classes = torch.arange(8) % 2
    with torch.no_grad():
        for size in (8, 16, 32, 64):
            drawn = gan.dream(classes, stream(1), size, 0.5)
            gan.discriminator(torch.randn(drawn.shape, generator=stream(2)), classes, size, 0.5)
    assert len(gains) == sum(
        isinstance(layer, (EqualConv2d, EqualLinear))
        for network in (gan.generator, gan.discriminator)
        for layer in network.modules()
    )
    gains.pop("discriminator.blocks.4.logit")  # one number per sample is no statistic
    assert all(0.7 < value < 1.4 for value in gains.values()), gains


def test_parameters_of_the_discriminator_by_formula() -> None:
    judge = Discriminator(3, 0, 1024, ProganConfig(channels=8192, max_channels=512), blur=False)
    widths = {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64, 512: 32, 1024: 16}
    expected = sum(3 * width + width for width in widths.values())
    for size in list(widths)[1:]:
        inside, outside = widths[size], widths[size // 2]
        expected += 9 * inside * inside + inside + 9 * inside * outside + outside
    expected += 9 * 513 * 512 + 512 + 16 * 512 * 512 + 512 + 512 + 1
    assert sum(p.numel() for p in judge.parameters()) == expected
    assert expected == pytest.approx(23.1e6, rel=0.005)  # Karras 2018, table 2
    told = Discriminator(3, 2, 64, ProganConfig(**SMALL), blur=False)
    plain = Discriminator(3, 1, 64, ProganConfig(**SMALL), blur=False)
    assert sum(p.numel() for p in told.parameters()) - sum(p.numel() for p in plain.parameters()) == 2 * 16


def test_the_class_adds_its_projection_to_the_logit() -> None:
    judge = make("progan").discriminator
    x, verdict = torch.randn(1, 2, 8, 8, generator=stream()), judge.blocks["4"]
    seen: list[Tensor] = []
    verdict.logit.register_forward_hook(lambda _m, given, _out: seen.append(given[0]))
    ill, healthy = (judge(x, torch.tensor([number]), 8) for number in (1, 0))
    vectors = verdict.classes.weight
    torch.testing.assert_close(ill - healthy, seen[0] @ (vectors[1] - vectors[0]) / math.sqrt(16))


# -------------------------------------------------------------------------------------------------------------- losses


@pytest.mark.parametrize(
    ("loss", "on_discriminator", "on_generator"),
    [
        ("wgan_gp", 0.001 * 4 + 10 * 1, -2.0),  # a slope of 0 is 1 from the target
        ("w_r1", 0.001 * 4, -2.0),
        ("ns_r1", math.log1p(math.exp(-2)) + math.log1p(math.exp(2)), math.log1p(math.exp(-2))),
    ],
)
def test_losses_of_a_discriminator_that_says_2_to_everything(
    loss: str, on_discriminator: float, on_generator: float
) -> None:
    gan = make("progan", loss=loss, learning_rate=1e-12)
    with torch.no_grad():
        for parameter in gan.discriminator.parameters():
            parameter.zero_()
        gan.discriminator.blocks["4"].logit.bias.fill_(2.0)
    losses = gan.step(batch(0), stream(0), 0.0)
    assert losses.keys() == {"discriminator 4 px", "generator 4 px", "bad"}
    assert losses["discriminator 4 px"] == pytest.approx(on_discriminator, rel=1e-4)
    assert losses["generator 4 px"] == pytest.approx(on_generator, rel=1e-4)


@pytest.mark.parametrize("blur", [False, True])
def test_r1_is_that_of_finite_differences_and_its_gradient_reaches_the_weights(blur: bool) -> None:
    torch.manual_seed(0)
    judge = Discriminator(1, 0, 8, ProganConfig(channels=32, max_channels=8, first_size=4), blur).double()
    x, nothing = torch.randn(2, 1, 8, 8, generator=stream()).double(), torch.zeros(2, dtype=torch.int64)
    penalty, logits = r1_and_logits(lambda v: judge(v, nothing, 8, 0.5).double(), x.clone())
    torch.testing.assert_close(logits, judge(x, nothing, 8, 0.5).double())
    penalty.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for k, p in judge.named_parameters() if "weight" in k)
    slopes = torch.autograd.functional.jacobian(lambda v: judge(v, nothing, 8, 0.5).double().sum(), x)
    torch.testing.assert_close(penalty.detach(), slopes.square().flatten(1).sum(1).mean())


# ---------------------------------------------------------------------------------------------------- growing, resuming


@pytest.mark.parametrize("name", ["progan", "stylegan"])
def test_adam_starts_again_at_a_new_size_and_only_there(name: str) -> None:
    gan = make(name, tile=32, first_size=8, batch_growth=1, fade_share=0.5)  # 8 px to 1/5, 16 px to 3/5, 32 px
    counts = []
    for losses in (advance(gan, step, step + 1, 20)[0] for step in range(14)):
        states = gan.optimizers()["discriminator"].state
        steps = {int(state["step"]) for state in states.values()}
        counts.append(max(steps))
        assert losses["bad"] == 0
    assert counts == [1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 1, 2]
    assert gan.generator.blocks["8"].rgb.weight not in gan.optimizers()["generator"].state  # no longer in use


@pytest.mark.parametrize("name", ["progan", "stylegan"])
def test_resuming_around_a_new_size_is_the_same_bit_for_bit(name: str) -> None:
    changes = {"tile": 32, "first_size": 8, "batch_growth": 1}
    whole, states = make(name, **changes), {}
    for step in range(14):
        states[step] = copy.deepcopy(whole.state())
        advance(whole, step, step + 1, 20)
    expected, numbers = whole.state()
    assert numbers["progress"] == 13 / 20
    for stop in (3, 4, 5, 12):  # a new size begins with steps 4 and 12
        resumed = make(name, **changes, seed=9)
        resumed.load_state(*states[stop])
        advance(resumed, stop, 14, 20)
        found, own = resumed.state()
        assert numbers == own
        assert expected.keys() == found.keys()
        assert all(torch.equal(value, found[key]) for key, value in expected.items())


def test_more_steps_than_planned_do_not_shrink_the_pictures() -> None:
    gan = make("progan")
    gan.step(batch(0), stream(0), 0.99)
    assert gan.batch_size(4, 0.5) == 4
    assert "generator 64 px" in gan.step(batch(1), stream(1), 0.5)
    assert gan.progress == 0.99


@pytest.mark.parametrize("name", ["progan", "stylegan"])
def test_samples_are_enlarged_until_the_tile_is_reached_and_come_from_the_average(name: str) -> None:
    gan = make(name)
    latents, first = gan.latents(stream(3), 2), gan.schedule.at(0.0)[0]
    small = gan.draw(latents)
    assert small.shape == (2, 2, 64, 64)
    assert torch.equal(small, functional.interpolate(small[..., :: 64 // first, :: 64 // first], 64))
    with torch.no_grad():
        for parameter in gan.generator.parameters():
            parameter.add_(1.0)
    assert torch.equal(gan.draw(latents), small)
    before = [p.clone() for p in gan.average.parameters()]
    gan.step(batch(0, 4), stream(0), 0.999)
    beta = 0.5**20  # 4 images, half-life 5 % of them
    for old, new, average in zip(before, gan.generator.parameters(), gan.average.parameters(), strict=True):
        torch.testing.assert_close(average, beta * old + (1 - beta) * new)
    large = gan.draw(latents)
    assert not torch.equal(large, functional.interpolate(large[..., ::2, ::2], 64))


@pytest.mark.parametrize("name", ["progan", "stylegan"])
def test_the_class_changes_the_picture(name: str) -> None:
    gan = make(name)
    latents = gan.latents(stream(3), 2)
    first = gan.draw(latents)
    assert torch.equal(first, gan.draw(latents, torch.tensor([0, 0])))
    assert not torch.allclose(first, gan.draw(latents, torch.tensor([1, 1])))
