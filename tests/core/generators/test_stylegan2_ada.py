"""StyleGAN2's networks, regularisation and averages against closed forms and explicit oracles."""

from __future__ import annotations

import copy
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.stylegan2_ada import StyleGan2Ada, lazy_adam, path_lengths, r1_penalty
from napari_organoid_synth.core.generators.stylegan2_ada_config import StyleGan2AdaConfig
from napari_organoid_synth.core.generators.stylegan2_networks import (
    Discriminator,
    StyleGan2Network,
)

SMALL = {"channels": 256, "max_channels": 16, "latent": 8, "augment": "none"}
ONE_CLASS = torch.zeros(2, dtype=torch.int64)
FIR = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


@pytest.fixture(autouse=True)
def same_stream() -> None:
    """Nothing here depends on what ran before."""
    torch.manual_seed(0)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def make(spec: PairSpec | None = None, **changes: object) -> StyleGan2Ada:
    torch.manual_seed(0)
    return StyleGan2Ada(StyleGan2AdaConfig(**{**SMALL, **changes}), spec or PairSpec(32, 1, 1))


def tiles(gan: StyleGan2Ada, n: int = 2, seed: int = 0) -> Batch:
    spec = gan.spec
    image, mask = (
        torch.rand(n, channels, spec.tile, spec.tile, generator=stream(seed)) * 2 - 1
        for channels in (spec.image_channels, spec.mask_channels)
    )
    return Batch(image, mask, torch.arange(n) % max(len(spec.image_classes), 1))


def numbers(network: nn.Module) -> int:
    return sum(p.numel() for p in network.parameters())


class TestParameters:
    """Counts by hand: every layer of the published tables written out."""

    @pytest.mark.parametrize(
        ("channels", "most", "latent", "widths", "published"),
        [
            (16384, 512, 512, (512, 512, 512, 512, 256, 128, 64), (23.2e6, 24.0e6)),
            (4096, 128, 512, (128, 128, 128, 128, 64, 32, 16), (2.66e6, 1.50e6)),
        ],
    )
    def test_at_256_px(
        self, channels: int, most: int, latent: int, widths: tuple[int, ...], published: tuple[float, float]
    ) -> None:
        config = StyleGan2AdaConfig(channels=channels, max_channels=most, latent=latent, mapping_layers=2)
        generator, discriminator = (
            StyleGan2Network(config, PairSpec(256, 3, 0)),
            Discriminator(3, 256, 0, channels, most),
        )

        def conv(inside: int, outside: int) -> int:  # weight, bias, strength of the noise, style
            return 9 * inside * outside + outside + 1 + (latent + 1) * inside

        def picture(inside: int) -> int:
            return 3 * inside + 3 + (latent + 1) * inside

        expected = 2 * (latent + 1) * latent + 16 * widths[0] + conv(widths[0], widths[0]) + picture(widths[0])
        for before, after in pairwise(widths):
            expected += conv(before, after) + conv(after, after) + picture(after)
        assert numbers(generator) == expected
        assert expected == pytest.approx(published[0], rel=0.005)

        last, down = widths[0], widths[::-1]
        expected = (3 + 1) * down[0]
        for before, after in pairwise(down):
            expected += 9 * before * before + before + 9 * before * after + after + before * after
        expected += 9 * (last + 1) * last + last + (16 * last + 1) * last + last + 1
        assert numbers(discriminator) == expected
        assert expected == pytest.approx(published[1], rel=0.005)
        assert generator.synthesis.count == 14  # 2 log2(256) - 2

    def test_six_more_mapping_layers_are_158_million(self) -> None:
        sizes = {}
        for layers in (2, 8):
            config = StyleGan2AdaConfig(latent=512, mapping_layers=layers)
            sizes[layers] = numbers(StyleGan2Network(config, PairSpec(256, 3, 0)))
        assert sizes[8] - sizes[2] == 6 * 513 * 512  # 1.58 M

    @pytest.mark.parametrize("channels", [1, 2, 3, 5])
    def test_any_number_of_channels(self, channels: int) -> None:
        """A channel costs one number and one per feature map in every `ToPicture`, one per map where D begins."""
        gan, plain = make(PairSpec(32, channels, 0)), make(PairSpec(32, 1, 0))
        assert numbers(gan.generator) - numbers(plain.generator) == (channels - 1) * sum(w + 1 for w in (16, 16, 16, 8))
        assert numbers(gan.discriminator) - numbers(plain.discriminator) == (channels - 1) * 8
        gan.augment.groups = {"blit", "geom", "color", "filter", "noise", "cutout"}
        gan.augment.p.fill_(0.8)
        losses = gan.step(tiles(gan), stream(), 0.0)
        assert losses["bad"] == 0
        drawn = gan.sample(stream(), 2)
        assert drawn.shape == (2, channels, 32, 32)
        assert torch.isfinite(drawn).all()


# ------------------------------------------------------------------------------------------------------------- layers


def test_features_keep_their_spread_at_first() -> None:
    """Every layer keeps the root mean square; white features lose 3/8 of it where they are doubled."""
    gan = make(PairSpec(64, 3, 0), channels=4096, max_channels=64, latent=32)
    ratios: list[float] = []
    for conv in gan.generator.synthesis.convs:
        conv.register_forward_hook(
            lambda _m, given, out: ratios.append((out.square().mean() / given[0].square().mean()).sqrt().item())
        )
    with torch.no_grad():
        gan.generator.synthesis(gan._new_styles(torch.zeros(8, dtype=torch.int64), stream()))
        found = gan.discriminator.features(torch.randn(8, 3, 64, 64, generator=stream()))
    assert ratios[0] == pytest.approx(math.sqrt(1.04) * 10 / 12, rel=0.05)  # zeros beyond the border of 4 px
    assert ratios[1] == pytest.approx(math.sqrt(1.04) * 5 / 8, rel=0.05)
    assert all(0.6 < ratio < 1.1 for ratio in ratios[1::2]), ratios
    assert all(0.8 < ratio < 1.2 for ratio in ratios[2::2]), ratios
    spreads = [one.square().mean().sqrt().item() for one in found]  # blurred noise to begin with
    assert all(0.5 < spread < 1.4 for spread in spreads), spreads


def test_the_picture_is_the_doubled_sum_of_all_sizes_with_the_style_of_the_next_convolution() -> None:
    gan = make()
    synthesis = gan.generator.synthesis
    styles = torch.randn(2, synthesis.count, 8, generator=stream())
    maps, noise = [], synthesis.new_noise(2, stream())
    x = synthesis.constant.expand(2, -1, -1, -1)
    for index, conv in enumerate(synthesis.convs):
        x = conv(x, styles[:, index], noise[index])
        maps.append(x)
    pictures = [layer(maps[2 * k], styles[:, 2 * k + 1]) for k, layer in enumerate(synthesis.pictures)]
    expected = pictures[0]
    for picture in pictures[1:]:
        expected = functional.interpolate(expected, scale_factor=2.0, mode="bilinear") + picture
    torch.testing.assert_close(synthesis(styles, noise), expected)
    assert [tuple(one.shape[1:]) for one in noise] == [(1, s, s) for s in (4, 8, 8, 16, 16, 32, 32)]
    assert synthesis.count == 8


def test_the_class_is_an_inner_product() -> None:
    torch.manual_seed(0)
    plain = Discriminator(2, 16, 3, 128, 16)
    x, seen = torch.randn(4, 2, 16, 16), []
    plain.score.register_forward_hook(lambda _m, _i, out: seen.append(out.detach()))
    logits = [plain(x, torch.full((4,), k)) for k in range(3)]
    vectors = plain.classes.weight
    unit = vectors / vectors.square().mean(1, keepdim=True).add(1e-8).sqrt()
    for k in range(3):
        torch.testing.assert_close(logits[k], seen[0] @ unit[k] / 4)  # √16
    torch.testing.assert_close(logits[2] - logits[0], seen[0] @ (unit[2] - unit[0]) / 4)
    alone = Discriminator(2, 16, 1, 128, 16)
    assert alone.classes is None
    assert alone.score.weight.shape == (1, 16)


def test_the_class_changes_the_picture_and_its_mean() -> None:
    gan = make(PairSpec(32, 1, 1, ("healthy", "ill")))
    for seed in range(3):
        gan.step(tiles(gan, 4, seed), stream(seed), 0.0)
    z, first = gan.latents(stream(5), 2), torch.zeros(2, dtype=torch.int64)
    assert not torch.allclose(gan.draw(z, first), gan.draw(z, first + 1), atol=1e-4)
    assert not torch.allclose(gan.draw(z, first, 0.0), gan.draw(z, first + 1, 0.0), atol=1e-6)
    assert gan.average.mapping.mean.shape == (2, 8)


def test_real_and_fake_in_one_pass_are_as_in_two() -> None:
    torch.manual_seed(0)
    network, x = Discriminator(2, 16, 0, 128, 16), torch.randn(8, 2, 16, 16)
    none = torch.zeros(4, dtype=torch.int64)
    apart = torch.cat([network(x[:4], none), network(x[4:], none)])
    torch.testing.assert_close(network(x, none.repeat(2), parts=2), apart, atol=1e-5, rtol=1e-5)


# ----------------------------------------------------------------------------------------------------- regularisation


class Linear(nn.Module):
    """A critic a · x."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)

    def forward(self, x: Tensor, image_class: Tensor, parts: int = 1) -> Tensor:
        return (x * self.weight).sum((1, 2, 3))


class TestR1:
    """½ γ E ‖∇D‖² at real tiles, every 16 steps."""

    def test_a_linear_critic(self) -> None:
        a = torch.randn(2, 8, 8, generator=stream(), requires_grad=True)
        x = torch.randn(5, 2, 8, 8, generator=stream(1)).requires_grad_()
        penalty = r1_penalty((x * a).sum((1, 2, 3)), x)
        assert penalty.item() == pytest.approx(a.square().sum().item() / 2, rel=1e-6)
        (slope,) = torch.autograd.grad(penalty, a)
        torch.testing.assert_close(slope, a.detach())

    @pytest.mark.parametrize("at", ["image", "augmented"])
    def test_the_slope_is_that_at_the_picture_before_it_was_augmented(self, at: str) -> None:
        """γ/2 E ‖Aᵀa‖², A being the augmentation as a matrix, and 16 γ E A Aᵀ a for the weights."""
        gan = make(PairSpec(32, 1, 0), augment="image", augment_groups=("blit", "geom"), r1_at=at, gamma=0.3)
        gan.augment.p.fill_(0.8)
        a = torch.randn(1, 32, 32, generator=stream(9))
        gan.discriminator = Linear(a.clone())
        gan._optimizers["discriminator"] = torch.optim.SGD(gan.discriminator.parameters(), 0.0)
        n, pixels = 3, 32 * 32
        basis = torch.eye(pixels).view(1, pixels, 32, 32).expand(n, -1, -1, -1)
        turned = gan.augment(basis, stream(4)).flatten(2)  # (n, from, to): rows of Aᵀ
        slopes = turned @ a.flatten()
        pulled = torch.einsum("nij,ni->nj", turned, slopes).mean(0)
        if at == "augmented":
            slopes, pulled = a.flatten().expand(n, -1), a.flatten()
        real = torch.rand(n, 1, 32, 32, generator=stream(3))
        gan._regularize_discriminator(real, torch.zeros(n, dtype=torch.int64), stream(4))
        expected = 0.5 * 0.3 * slopes.square().sum(1).mean().item()
        assert gan.penalties.r1.item() == pytest.approx(expected, rel=1e-5)
        torch.testing.assert_close(gan.discriminator.weight.grad.flatten(), 16 * 0.3 * pulled, atol=1e-4, rtol=1e-4)
        plain = a.square().sum().item() * 0.15
        assert (abs(expected / plain - 1) > 0.01) == (at == "image")

    def test_one_of_16_steps_pulls_16_times(self) -> None:
        gan, lazy = make(gamma=0.5), make(gamma=0.5)
        batch = tiles(gan)
        x = batch.joint.requires_grad_()
        per_step = 0.5 * r1_penalty(gan.discriminator(x, ONE_CLASS), x)
        expected = torch.autograd.grad(per_step, list(gan.discriminator.parameters()), allow_unused=True)
        lazy._regularize_discriminator(batch.joint, ONE_CLASS, stream())
        for gradient, parameter in zip(expected, lazy.discriminator.parameters(), strict=True):
            if gradient is not None:  # the bias of the last layer does not enter the slope
                torch.testing.assert_close(parameter.grad, 16 * gradient, atol=1e-6, rtol=1e-3)
        assert lazy.penalties.r1.item() == pytest.approx(per_step.item(), rel=1e-5)

    def test_gamma_by_size_and_batch_and_the_steps_it_is_due(self) -> None:
        for spec, gamma in (
            (PairSpec(32, 2, 0), 0.0002 * 32**2 / 4),
            (PairSpec(32, 1, 1), 2.0),
        ):  # with masks at least 2
            gan = make(spec, path_length=False)
            gan.discriminator = Linear(torch.full((2, 32, 32), 0.1))
            gan._optimizers["discriminator"] = torch.optim.SGD(gan.discriminator.parameters(), 0.0)
            gan._regularize_discriminator(tiles(gan, 4).joint, torch.zeros(4, dtype=torch.int64), stream())
            assert gan.penalties.r1.item() == pytest.approx(gamma / 2 * 0.01 * 2 * 32**2, rel=1e-5)
        gan, due = make(path_length=False), []
        for gan.steps_taken in (0, 1, 15, 16, 17, 24, 32):
            step = gan.steps_taken
            gan.penalties.r1.zero_()
            if gan.step(tiles(gan, 1), stream(step), 0.0)["r1"] > 0:
                due.append(step)
        assert due == [0, 16, 32]


class Straight(nn.Module):
    """A generator whose picture is c times its style vectors, laid out as pixels."""

    def __init__(self, strength: float) -> None:
        super().__init__()
        self.count, self.strength = 4, nn.Parameter(torch.tensor(strength))

    def new_noise(self, n: int, rng: torch.Generator) -> list[Tensor]:
        return []

    def forward(self, styles: Tensor, noise: list[Tensor] | None = None) -> Tensor:
        return self.strength * styles.reshape(-1, 1, 8, 8)


class TestPathLength:
    """√(mean over layers of |Jᵀ n|²), pulled to its running mean."""

    def test_a_linear_generator(self) -> None:
        count, width, shape = 3, 5, (2, 4, 4)
        jacobian = torch.randn(*shape, count, width, generator=stream(), dtype=torch.float64)
        styles = torch.randn(6, count, width, generator=stream(1), dtype=torch.float64, requires_grad=True)
        picture = torch.einsum("cyxlw,nlw->ncyx", jacobian, styles)
        found = path_lengths(picture, styles, stream(2))
        noise = torch.randn(6, *shape, generator=stream(2), dtype=torch.float64) / 4  # √(4 · 4)
        back = torch.einsum("cyxlw,ncyx->nlw", jacobian, noise)
        torch.testing.assert_close(found, back.square().sum(2).mean(1).sqrt())
        many = styles.detach()[:1].expand(20_000, -1, -1).requires_grad_()
        lengths = path_lengths(torch.einsum("cyxlw,nlw->ncyx", jacobian, many), many, stream(3))
        mean_square = jacobian.square().sum().item() / 16 / count
        assert lengths.square().mean().item() == pytest.approx(mean_square, rel=0.02)

    def test_running_mean_penalty_and_its_pull(self) -> None:
        gan = make(latent=16, path_weight=2.0)
        gan.generator.synthesis = Straight(3.0)  # 4 layers of 16 numbers
        gan._optimizers["generator"] = torch.optim.SGD(gan.generator.parameters(), 0.0)
        mean = 0.0
        for seed in range(3):
            replay = stream(seed)
            gan._new_styles(torch.zeros(5, dtype=torch.int64), replay)
            noise = torch.randn(5, 1, 8, 8, generator=replay) / 8
            lengths = 3 * (noise.square().sum((1, 2, 3)) / 4).sqrt()
            mean += 0.01 * (lengths.mean().item() - mean)
            bad = gan._regularize_generator(torch.zeros(5, dtype=torch.int64), stream(seed))
            assert bad == 0
            assert gan.penalties.path_mean.item() == pytest.approx(mean, rel=1e-5)
            assert gan.penalties.path.item() == pytest.approx(2 * (lengths - mean).square().mean().item(), rel=1e-5)
            pull = 4 * 2 * 2 * ((lengths - mean) * lengths / 3).mean().item()  # ∂ length / ∂c = length / c
            assert gan.generator.synthesis.strength.grad.item() == pytest.approx(pull, rel=1e-4)

    def test_half_the_batch_every_fourth_step(self) -> None:
        gan, seen, steps = make(), [], []
        original = gan._regularize_generator

        def note(image_class: Tensor, rng: torch.Generator) -> Tensor:
            seen.append(len(image_class))
            steps.append(gan.steps_taken)
            return original(image_class, rng)

        gan._regularize_generator = note  # type: ignore[method-assign]
        for step in range(5):
            gan.step(tiles(gan, 5), stream(step), 0.0)
        assert steps == [0, 4]
        assert seen == [2, 2]


def test_lazy_adam() -> None:
    """Rate times c and β to the power c, c = k / (k + 1); a lone step is lr c g / (|g| + ε)."""
    for every, share in ((16, 16 / 17), (4, 4 / 5), (0, 1.0)):
        layer = nn.Linear(1, 1, bias=False)
        optimizer = lazy_adam(layer, 0.0025, every)
        (group,) = optimizer.param_groups
        assert group["lr"] == pytest.approx(0.0025 * share)
        assert group["betas"] == pytest.approx((0.0, 0.99**share))
        assert group["eps"] == 1e-8
        before = layer.weight.item()
        layer.weight.grad = torch.full((1, 1), 0.2)
        optimizer.step()
        assert layer.weight.item() - before == pytest.approx(-0.0025 * share, rel=1e-3)
    gan, free = make(), make(path_length=False)
    rates = [g.optimizers()[name].param_groups[0]["lr"] for g in (gan, free) for name in ("generator", "discriminator")]
    assert rates == pytest.approx([0.0025 * share for share in (4 / 5, 16 / 17, 1, 16 / 17)])


def test_losses_are_softplus_of_the_logits() -> None:
    gan = make(path_length=False)
    gan.discriminator = Linear(torch.zeros(2, 32, 32))
    gan._optimizers["discriminator"] = torch.optim.SGD(gan.discriminator.parameters(), 0.0)
    losses = gan.step(tiles(gan), stream(), 0.0)
    assert losses["discriminator"].item() == pytest.approx(2 * math.log(2))
    assert losses["generator"].item() == pytest.approx(math.log(2))
    assert losses["r1"].item() == 0


# ----------------------------------------------------------------------------------------------- averages and styles


@pytest.mark.parametrize(
    ("seen", "kimg", "transferred", "half_life"),
    [
        (10**6, None, False, 2 * 10_000 / 32),
        (998, None, False, 0.05 * 1000),  # early: 5 % of what was seen, this step included
        (998, None, True, 625),
        (10**6, 3.0, False, 3000),
    ],
)
def test_half_life_of_the_averaged_generator(
    seen: int, kimg: float | None, transferred: bool, half_life: float
) -> None:
    gan = make(ema_kimg=kimg)
    gan.images_seen, gan.transferred = seen, transferred
    before = [p.clone() for p in gan.average.parameters()]
    gan.generator.synthesis.noise_0.fill_(7.0)
    gan.step(tiles(gan), stream(), 0.0)
    share = 0.5 ** (2 / half_life)
    for old, new, found in zip(before, gan.generator.parameters(), gan.average.parameters(), strict=True):
        torch.testing.assert_close(found, share * old + (1 - share) * new, atol=1e-6, rtol=1e-5)
    for name, value in gan.generator.named_buffers():
        assert torch.equal(dict(gan.average.named_buffers())[name], value), name
    assert gan.average.synthesis.noise_0.unique().tolist() == [7.0]


def test_an_old_weight_counts_half_after_a_half_life() -> None:
    gan = make(ema_kimg=0.02, learning_rate=1e-12, path_length=False)  # the generator stays where it is
    gan.images_seen = 10**6
    with torch.no_grad():
        for old, new in zip(gan.average.parameters(), gan.generator.parameters(), strict=True):
            old.copy_(new + 1)
    for gan.steps_taken in (1, 2, 3, 5):  # 20 images
        gan.step(tiles(gan, 5), stream(), 0.0)
    for old, new in zip(gan.average.parameters(), gan.generator.parameters(), strict=True):
        torch.testing.assert_close(old - new, torch.full_like(old, 0.5), atol=1e-3, rtol=0)


def test_the_mean_style_follows_with_a_decay_of_995() -> None:
    gan = make()
    mapping, mean = copy.deepcopy(gan.generator.mapping), torch.zeros(8)
    z = torch.randn(2, 2, 8, generator=stream(3))[0]  # of the two, the one that begins every picture
    w = mapping(z, ONE_CLASS)
    gan.step(tiles(gan), stream(3), 0.0)
    mean = 0.995 * mean + 0.005 * w.mean(0)
    torch.testing.assert_close(gan.average.mapping.mean[0], mean.detach(), atol=1e-7, rtol=1e-4)


def test_truncation() -> None:
    gan = make()
    for step in range(3):
        gan.step(tiles(gan), stream(step), 0.0)
    z, mapping = gan.latents(stream(5), 3), gan.average.mapping
    w = mapping(z, torch.zeros(3, dtype=torch.int64))
    count = gan.average.synthesis.count
    mean_picture = gan.average.synthesis(mapping.mean[:, None].expand(1, count, -1))
    torch.testing.assert_close(gan.draw(z, variety=0.0), mean_picture.expand(3, -1, -1, -1), atol=1e-5, rtol=1e-5)
    assert torch.equal(gan.draw(z, variety=1.0), gan.draw_styles(w))
    torch.testing.assert_close(gan.styles(z, variety=0.7), mapping.mean + 0.7 * (w - mapping.mean))
    assert torch.equal(gan.draw(z), gan.draw(z))  # noise is always the same
    assert not torch.allclose(gan.draw(z)[0], gan.draw(z)[1], atol=1e-3)


class TestMixing:
    """The layers from a random one on take a second style vector."""

    def test_which_layers(self) -> None:
        gan, n = make(mixing=0.9), 4000
        count = gan.generator.synthesis.count
        found = gan._new_styles(torch.zeros(n, dtype=torch.int64), stream())
        z = torch.randn(2, n, 8, generator=stream())
        first, second = gan.generator.mapping(z.flatten(0, 1), torch.zeros(2 * n, dtype=torch.int64)).chunk(2)
        late = (found == second[:, None]).all(2)
        torch.testing.assert_close(found, torch.where(late[:, :, None], second[:, None], first[:, None]))
        assert not late[:, 0].any()
        assert (late.int().diff(dim=1) >= 0).all()
        cuts = torch.bincount(count - late.sum(1), minlength=count + 1) / n
        torch.testing.assert_close(cuts[1:count], torch.full((count - 1,), 0.9 / (count - 1)), atol=0.02, rtol=0)
        assert cuts[count].item() == pytest.approx(0.1, abs=0.02)

    def test_none(self) -> None:
        found = make(mixing=0.0)._new_styles(torch.zeros(50, dtype=torch.int64), stream())
        assert torch.equal(found, found[:, :1].expand_as(found))

    @pytest.mark.parametrize("cut", [1, 4, 6])
    def test_features_before_the_cut_stay(self, cut: int) -> None:
        synthesis = make().generator.synthesis
        first, second = torch.randn(2, 1, 1, 8, generator=stream()).expand(-1, -1, synthesis.count, -1)
        mixed = torch.cat([first[:, :cut], second[:, cut:]], 1)
        found: list[Tensor] = []
        hooks = [conv.register_forward_hook(lambda _m, _i, out: found.append(out.clone())) for conv in synthesis.convs]
        synthesis(first)
        synthesis(mixed)
        for hook in hooks:
            hook.remove()
        half = len(found) // 2
        same = [torch.equal(a, b) for a, b in zip(found[:half], found[half:], strict=True)]
        assert same == [True] * cut + [False] * (half - cut)


def test_images_that_both_networks_see_are_not_rounded() -> None:
    """Pictures and logits stay float32 in bf16, and are close to those in float32."""
    gan = make(PairSpec(32, 1, 0))
    styles = gan._new_styles(ONE_CLASS, stream())
    with torch.no_grad():
        picture, logits = gan.generator.synthesis(styles), None
        logits = gan.discriminator(picture, ONE_CLASS)
        gan.bf16 = True
        with gan.autocast():
            half, half_logits = gan.generator.synthesis(styles), gan.discriminator(picture, ONE_CLASS)
    assert half.dtype == half_logits.dtype == torch.float32
    assert (half - picture).abs().max() < 0.05 * picture.abs().max()
    torch.testing.assert_close(half_logits, logits, atol=0.05, rtol=0.05)
