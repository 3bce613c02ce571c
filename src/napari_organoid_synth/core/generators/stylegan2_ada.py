"""StyleGAN2-ADA (Karras 2020, arXiv 1912.04958 and 2006.06676): draws image, mask or both from a style vector."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional
from torch.optim import Optimizer

from napari_organoid_synth.core.generators.ada import Ada
from napari_organoid_synth.core.generators.base import channels_last, descend, make_adam, set_trainable
from napari_organoid_synth.core.generators.blocks import update_average
from napari_organoid_synth.core.generators.latent import LatentGenerator
from napari_organoid_synth.core.generators.losses import discriminator_loss, generator_loss
from napari_organoid_synth.core.generators.projection import Projection, project
from napari_organoid_synth.core.generators.style_blocks import (
    ROOT_2,
    SLOPE,
    ClassVector,
    EqualConv2d,
    EqualLinear,
    MappingNetwork,
    minibatch_std,
    pixel_norm,
)
from napari_organoid_synth.core.generators.stylegan2_ada_config import StyleGan2AdaConfig

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec
    from napari_organoid_synth.core.generators.batch import Batch

R1_EVERY, PATH_EVERY = 16, 4  # steps between two regularisations of discriminator and generator
MASK_GAMMA = 2.0  # encoded masks are flat with sharp edges: a discriminator with less R1 tells them at once, for ever


def channels_at(side: int, channels: int, most: int) -> int:
    """Feature maps at side px: ``channels`` / side, at most ``most``; 4 at least."""
    return max(4, min(channels // side, most))


class Blur(nn.Module):
    """Each channel by itself filtered with [1, 3, 3, 1] ⊗ [1, 3, 3, 1] / 64.

    Parameters
    ----------
    channels : int
    gain : float
        4 after every second pixel was left empty, else 1.
    padding : int
        Zeros on each side, px.
    stride : int
        2 to halve the size.
    """

    kernel: Tensor

    def __init__(self, channels: int, gain: float = 1.0, padding: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.padding, self.stride = padding, stride
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        kernel = (gain * torch.outer(line, line)).repeat(channels, 1, 1, 1)
        self.register_buffer("kernel", kernel, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, channels, Y, X), smaller by 3 - 2 padding, then halved."""
        kernel = self.kernel.to(x.dtype)
        found: Tensor = _Filter.apply(x, kernel, self.padding, self.stride)  # type: ignore[no-untyped-call]
        return found


class _Filter(Function):
    """A fixed symmetric filter per channel; linear, so that its derivative is `_Transposed` of any order.

    torch's own second derivative loops over the channels, and its first is slow in bf16 with stride 2.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, padding: int, stride: int) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.how = padding, stride
        return functional.conv2d(x, kernel, None, stride, padding, groups=len(kernel))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _Transposed.apply(gradient, *ctx.saved_tensors, *ctx.how), None, None, None  # type: ignore[no-untyped-call]


class _Transposed(Function):
    """The transpose of `_Filter`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, kernel: Tensor, padding: int, stride: int) -> Tensor:
        ctx.save_for_backward(kernel)
        ctx.how = padding, stride
        if stride == 1:
            return functional.conv2d(x, kernel, None, 1, 3 - padding, groups=len(kernel))
        wide = torch.promote_types(x.dtype, torch.float32)
        spread = functional.conv_transpose2d(x.to(wide), kernel.to(wide), None, stride, padding, groups=len(kernel))
        return spread.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        return _Filter.apply(gradient, *ctx.saved_tensors, *ctx.how), None, None, None  # type: ignore[no-untyped-call]


# ------------------------------------------------------------------------------------------------------------ generator


class ModulatedConv(nn.Module):
    """3 × 3 convolution whose weights are scaled per sample by a style and brought back to unit length.

    Scaling what goes in by s and what comes out by d = (Σ (s W)² + 1e-8)^-½ is the same as a weight per sample, without
    ever making one (Karras 2020, 1912.04958, 2.2). Noise, bias and leaky ReLU · √2 follow.

    Parameters
    ----------
    inside, outside : int
        Channels.
    width : int
        Numbers in w.
    up : bool
        Whether to double height and width: transposed convolution, then blur.
    """

    def __init__(self, inside: int, outside: int, width: int, up: bool = False) -> None:
        super().__init__()
        self.up, self.scale = up, 1 / math.sqrt(9 * inside)
        self.style = EqualLinear(width, inside, bias=1.0)
        shape = (inside, outside) if up else (outside, inside)  # as torch's convolutions want it
        self.weight = nn.Parameter(torch.randn(*shape, 3, 3))
        self.bias = nn.Parameter(torch.zeros(outside))
        self.strength = nn.Parameter(torch.zeros(()))
        self.blur = Blur(outside, gain=4.0) if up else None

    def scales(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """What samples are multiplied with before and after: (N, inside) and (N, outside), float32."""
        with torch.autocast(w.device.type, enabled=False):
            squares = self.weight.square().sum((2, 3))
            before = self.style(w) * self.scale
            after = torch.rsqrt(before.square() @ (squares if self.up else squares.T) + 1e-8)
        return before, after

    def forward(self, x: Tensor, w: Tensor, noise: Tensor) -> Tensor:
        """(N, inside, Y, X), (N, width) and noise of the size of the result to (N, outside, Y, X)."""
        before, after = self.scales(w)
        x = x * before.to(x.dtype)[:, :, None, None]
        if self.blur is not None:
            x = self.blur(functional.conv_transpose2d(x, self.weight, stride=2))
        else:
            x = functional.conv2d(x, self.weight, padding=1)
        # √2 goes into all three terms, and each term is one pass over the feature maps
        bias, after = ((ROOT_2 * number).to(x.dtype) for number in (self.bias, after))
        x = torch.addcmul(bias[:, None, None], x, after[:, :, None, None])
        x = x.add_((ROOT_2 * self.strength * noise).to(x.dtype))
        return functional.leaky_relu_(x, SLOPE)


class ToPicture(nn.Module):
    """1 × 1 convolution modulated by a style, not brought back to unit length: features to channels of the picture."""

    def __init__(self, inside: int, outside: int, width: int) -> None:
        super().__init__()
        self.style = EqualLinear(width, inside, bias=1.0)
        self.weight = nn.Parameter(torch.randn(outside, inside))
        self.bias = nn.Parameter(torch.zeros(outside))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(N, inside, Y, X) and (N, width) to (N, outside, Y, X) float32."""
        with torch.autocast(w.device.type, enabled=False):
            weight = self.style(w)[:, :, None] * self.weight.T / math.sqrt(x.shape[1])  # per sample, and still small
        # pixels by channels is how channels_last lies in memory
        found = torch.bmm(x.permute(0, 2, 3, 1).flatten(1, 2), weight.to(x.dtype)).float() + self.bias
        return found.reshape(len(x), *x.shape[2:], -1).permute(0, 3, 1, 2)


class Synthesis(nn.Module):
    """Style vectors to a picture: a constant at 4 px, two convolutions per doubling, pictures of all sizes added up."""

    def __init__(self, outside: int, tile: int, width: int, channels: int, most: int) -> None:
        super().__init__()
        sides = [4 << i for i in range(tile.bit_length() - 2)]
        widths = [channels_at(side, channels, most) for side in sides]
        self.constant = nn.Parameter(torch.randn(1, widths[0], 4, 4))
        self.convs = nn.ModuleList([ModulatedConv(widths[0], widths[0], width)])
        self.pictures = nn.ModuleList([ToPicture(widths[0], outside, width)])
        for before, after in pairwise(widths):
            self.convs += [ModulatedConv(before, after, width, up=True), ModulatedConv(after, after, width)]
            self.pictures.append(ToPicture(after, outside, width))
        self.sides = [4] + [side for side in sides[1:] for _ in range(2)]  # of the results of all convolutions
        self.count = len(self.convs) + 1  # of style vectors
        for index, side in enumerate(self.sides):
            self.register_buffer(f"noise_{index}", torch.randn(1, 1, side, side))

    def fixed_noise(self) -> list[Tensor]:
        """The noise (1, 1, Y, X) of every convolution that samples are drawn with."""
        return [self.get_buffer(f"noise_{index}") for index in range(len(self.sides))]

    def new_noise(self, n: int, rng: torch.Generator) -> list[Tensor]:
        """Noise (N, 1, Y, X) of every convolution to train with."""
        return [torch.randn(n, 1, side, side, generator=rng, device=rng.device) for side in self.sides]

    def forward(self, styles: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """(N, count, width) to (N, outside, tile, tile) float32, about [-1, 1]; by default with the fixed noise."""
        noise = self.fixed_noise() if noise is None else noise
        device = styles.device.type
        half = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else styles.dtype
        x = self.constant.to(half).expand(len(styles), -1, -1, -1)
        picture: Tensor | None = None
        for index, conv in enumerate(self.convs):
            x = conv(x, styles[:, index], noise[index])
            if index % 2 == 0:  # the style vector of the next convolution serves the picture too
                added = self.pictures[index // 2](x, styles[:, index + 1])
                picture = (
                    added
                    if picture is None
                    else added + functional.interpolate(picture, scale_factor=2.0, mode="bilinear", align_corners=False)
                )
        assert picture is not None
        return picture


class StyleGan2Network(nn.Module):
    """Mapping from latent vectors to style vectors, and synthesis from style vectors to pictures."""

    def __init__(self, config: StyleGan2AdaConfig, spec: PairSpec) -> None:
        super().__init__()
        self.latent = config.latent
        self.mapping = MappingNetwork(config.latent, len(spec.image_classes), config.latent, config.mapping_layers)
        outside = spec.image_channels + spec.mask_channels
        self.synthesis = Synthesis(outside, spec.tile, config.latent, config.channels, config.max_channels)


# -------------------------------------------------------------------------------------------------------- discriminator


class HalvingConv(EqualConv2d):
    """Blur and 3 × 3 convolution with stride 2; both as for `EqualConv2d`."""

    def __init__(self, inside: int, outside: int, gain: float) -> None:
        super().__init__(inside, outside, 3, gain)
        self.blur = Blur(inside, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inside, Y, X) to (N, outside, Y/2, X/2)."""
        return functional.conv2d(self.blur(x), self.weight * self.scale, self.bias, stride=2)


class Halving(nn.Module):
    """Residual block of the discriminator: two convolutions beside one of 1 × 1, half the size, both · √½, added."""

    def __init__(self, inside: int, outside: int) -> None:
        super().__init__()
        self.conv = EqualConv2d(inside, inside, 3)
        self.down = HalvingConv(inside, outside, gain=1.0)  # √2 of the leaky ReLU and √½ of the sum
        self.blur = Blur(inside, stride=2)
        self.skip = EqualConv2d(inside, outside, 1, gain=math.sqrt(0.5), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(N, inside, Y, X) to (N, outside, Y/2, X/2)."""
        skip: Tensor = self.skip(self.blur(x))
        x = functional.leaky_relu_(self.conv(x), SLOPE)
        return skip.add_(functional.leaky_relu_(self.down(x), SLOPE))


class Discriminator(nn.Module):
    """Picture to logit; with classes the inner product of its features with a vector of the class (Miyato 2018)."""

    def __init__(self, inside: int, tile: int, classes: int, channels: int, most: int) -> None:
        super().__init__()
        sides = [tile >> i for i in range(tile.bit_length() - 2)]  # down to 4
        widths = [channels_at(side, channels, most) for side in sides]
        last = widths[-1]
        self.first = EqualConv2d(inside, widths[0], 1)
        self.blocks = nn.ModuleList(Halving(a, b) for a, b in pairwise(widths))
        self.conv = EqualConv2d(last + 1, last, 3)
        self.dense = EqualLinear(16 * last, last, ROOT_2)
        self.score = EqualLinear(last, last if classes >= 2 else 1)
        self.classes = ClassVector(classes, last) if classes >= 2 else None

    def features(self, x: Tensor) -> list[Tensor]:
        """What every block gives, (N, C, Y, X) at half the tile down to 4 px."""
        x = functional.leaky_relu_(self.first(x), SLOPE)
        return [x := block(x) for block in self.blocks]

    def forward(self, x: Tensor, image_class: Tensor, parts: int = 1) -> Tensor:
        """(N, inside, Y, X) and (N,) int64 to logits (N,) float32.

        ``parts`` says how many batches lie behind one another; only samples of the same are compared.
        """
        x = self.features(x)[-1]
        x = torch.cat([minibatch_std(part) for part in x.chunk(parts)])
        x = functional.leaky_relu_(self.conv(x), SLOPE)
        x = functional.leaky_relu_(self.dense(x.flatten(1)), SLOPE)
        with torch.autocast(x.device.type, enabled=False):
            found: Tensor = self.score(x.float())
            if self.classes is None:
                return found[:, 0]
            return (found * pixel_norm(self.classes(image_class))).sum(1) / math.sqrt(found.shape[1])


# ------------------------------------------------------------------------------------------------------- regularisation


class Penalties(nn.Module):
    """What regularisation remembers: the running mean of path lengths, and both penalties when last computed."""

    path_mean: Tensor
    path: Tensor
    r1: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("path_mean", "path", "r1"):
            self.register_buffer(name, torch.zeros(()))


def r1_penalty(logits: Tensor, x: Tensor) -> Tensor:
    """½ E ‖∂ logits / ∂x‖² (Mescheder 2018, arXiv 1801.04406), to be multiplied with γ; x (N, C, Y, X)."""
    (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return 0.5 * slope.square().sum((1, 2, 3)).mean()


def path_lengths(picture: Tensor, styles: Tensor, rng: torch.Generator) -> Tensor:
    """How far the picture moves with the style vectors (Karras 2020, 1912.04958, 3.2).

    Parameters
    ----------
    picture : Tensor (N, C, Y, X)
        Drawn from ``styles``.
    styles : Tensor (N, count, width)
        With a gradient.
    rng : torch.Generator
        Of the noise n.

    Returns
    -------
    Tensor (N,)
        √(mean over count of the squared length of Jᵀ n), n being N(0, 1) / √(Y X).
    """
    direction = torch.randn(picture.shape, generator=rng, device=picture.device, dtype=picture.dtype)
    direction /= math.sqrt(picture.shape[2] * picture.shape[3])
    (slope,) = torch.autograd.grad((picture * direction).sum(), styles, create_graph=True)
    return slope.square().sum(2).mean(1).sqrt()


def lazy_adam(network: nn.Module, learning_rate: float, every: int) -> Optimizer:
    """Adam with β (0, 0.99), corrected for the additional step every so many steps: lr c and β^c, c = k / (k + 1).

    Karras 2020 (1912.04958), appendix B; ``every`` 0 is Adam as it is.
    """
    share = every / (every + 1) if every else 1.0
    return make_adam(network, learning_rate * share, 0.0, 0.99**share)


class StyleGan2Ada(LatentGenerator):
    """Skip generator, residual discriminator, non-saturating loss, lazy R1 and path length, adaptive augmentation.

    Samples come from a moving average of the generator and with fixed noise: a latent vector is a picture.
    """

    config: StyleGan2AdaConfig

    def __init__(self, config: StyleGan2AdaConfig, spec: PairSpec) -> None:
        super().__init__(config, spec)
        self.latent = config.latent
        channels = spec.image_channels + spec.mask_channels
        self.generator = StyleGan2Network(config, spec)
        self.discriminator = Discriminator(
            channels, spec.tile, len(spec.image_classes), config.channels, config.max_channels
        )
        self.augment = Ada(
            () if config.augment == "none" else config.augment_groups,
            spec.image_channels,
            spec.vectors if config.augment == "flow" else None,
            stretch=config.augment == "image",
            target=config.ada_target,
            kimg=config.ada_kimg,
        )
        self.penalties = Penalties()
        self._optimizers: dict[str, Optimizer] = {}
        every = {"generator": PATH_EVERY if config.path_length else 0, "discriminator": R1_EVERY}
        for name, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            channels_last(network)
            self._optimizers[name] = lazy_adam(network, config.learning_rate, every[name])
        self.average = copy.deepcopy(self.generator).requires_grad_(False)

    def networks(self) -> dict[str, nn.Module]:
        """Generator, discriminator, averaged generator; strength of the augmentation and memory of the penalties."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
            "augment": self.augment,
            "penalties": self.penalties,
        }

    def optimizers(self) -> dict[str, Optimizer]:
        """Adam for generator and discriminator."""
        return self._optimizers

    def step_kinds(self, steps: int) -> list[tuple[float, float, int]]:
        """Plain steps, those with path lengths, those with R1 too."""
        if not self.config.path_length:
            return [(15 / 16, 0.0, 1), (1 / 16, 0.0, 0)]
        return [(12 / 16, 0.0, 1), (3 / 16, 0.0, 4), (1 / 16, 0.0, 0)]

    def step(self, batch: Batch, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Discriminator, generator, each with its penalty when it is due, average, strength of the augmentation."""
        real, image_class = batch.joint, batch.image_class
        n = len(real)
        set_trainable(self.generator, True)
        set_trainable(self.discriminator, True)
        styles = self._new_styles(image_class, rng, track=True)
        with self.autocast():
            fake = self.generator.synthesis(styles, self.generator.synthesis.new_noise(n, rng))
        seen = self.augment(torch.cat([fake.detach(), real]), rng)
        with self.autocast():
            logits = self.discriminator(seen, image_class.repeat(2), parts=2)
        loss_d = discriminator_loss(logits[n:], logits[:n])
        bad = [descend(loss_d, self.discriminator, self._optimizers["discriminator"])]
        if self.steps_taken % R1_EVERY == 0:
            bad.append(self._regularize_discriminator(real, image_class, rng))

        set_trainable(self.discriminator, False)
        seen = self.augment(fake, rng)
        with self.autocast():
            loss_g = generator_loss(self.discriminator(seen, image_class))
        bad.append(descend(loss_g, self.generator, self._optimizers["generator"]))
        if self.config.path_length and self.steps_taken % PATH_EVERY == 0:
            bad.append(self._regularize_generator(image_class[: max(n // 2, 1)], rng))

        self.augment.adjust(logits[n:].detach(), self.steps_taken)
        self.record_step(n)
        half_life = 1000 * self.config.ema_kimg if self.config.ema_kimg else n * 10_000 / 32
        update_average(self.average, self.generator, n, self.average_window, half_life)
        return {
            "discriminator": loss_d.detach(),
            "generator": loss_g.detach(),
            "r1": self.penalties.r1.clone(),
            "path": self.penalties.path.clone(),
            "augmentation": self.augment.p.clone(),
            "real_sign": self.augment.sign.clone(),
            "bad": torch.stack(bad).amax(),
        }

    @torch.no_grad()
    def styles(self, latents: Tensor, image_class: Tensor | None = None, variety: float = 1.0) -> Tensor:
        """Style vectors (N, latent) of latent vectors (N, latent), of the averaged generator.

        They go towards the mean of their class as ``variety`` goes to 0. Ways between style vectors are shorter and
        smoother than those between latent vectors (1812.04948, section 4).
        """
        if image_class is None:
            image_class = torch.zeros(len(latents), dtype=torch.int64, device=latents.device)
        mapping = self.average.mapping
        return mapping.truncate(mapping(latents, image_class), image_class, variety)

    @torch.no_grad()
    def draw_styles(self, styles: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Pictures (N, C + M, Y, X) of style vectors (N, latent), or (N, count, latent) with one per layer."""
        synthesis = self.average.synthesis
        if styles.ndim == 2:
            styles = styles[:, None].expand(-1, synthesis.count, -1)
        drawn: Tensor = synthesis(styles, noise)
        return drawn

    @torch.no_grad()
    def draw(self, latents: Tensor, image_class: Tensor | None = None, variety: float = 1.0) -> Tensor:
        """Image and mask channels of the averaged generator with its fixed noise."""
        return self.draw_styles(self.styles(latents, image_class, variety))

    def project(self, target: Tensor, rng: torch.Generator, **options: Any) -> Projection:
        """The style vector whose picture is closest to ``target``; see `projection.project`."""
        return project(self.average, self.discriminator, target, rng, **options)

    def _new_styles(self, image_class: Tensor, rng: torch.Generator, track: bool = False) -> Tensor:
        """Style vectors (N, count, width) of new latent vectors; those from a random one on come from a second one."""
        n, count, mapping = len(image_class), self.generator.synthesis.count, self.generator.mapping
        z = torch.randn(2, n, self.latent, generator=rng, device=self.device)
        w, other = mapping(z.flatten(0, 1), image_class.repeat(2)).chunk(2)
        if track:
            mapping.track(w.detach(), image_class)
        cut = torch.randint(1, count, (n, 1), generator=rng, device=self.device)
        mixed = torch.rand(n, 1, generator=rng, device=self.device) < self.config.mixing
        own = (torch.arange(count, device=self.device) < cut) | ~mixed
        return torch.where(own[:, :, None], w[:, None], other[:, None])

    def _regularize_discriminator(self, real: Tensor, image_class: Tensor, rng: torch.Generator) -> Tensor:
        """R1, sixteenfold because it is due every 16 steps."""
        gamma = self.config.gamma
        if gamma is None:
            gamma = max(0.0002 * self.spec.tile**2 / len(real), MASK_GAMMA if self.spec.mask_channels else 0)
        x = real if self.config.r1_at == "image" else self.augment(real, rng)
        x = x.detach().requires_grad_().view_as(x)  # a view: torch's flop counter cannot take a leaf
        seen = self.augment(x, rng) if self.config.r1_at == "image" else x
        penalty = gamma * r1_penalty(self.discriminator(seen, image_class), x)
        self.penalties.r1.copy_(penalty.detach())
        return descend(R1_EVERY * penalty, self.discriminator, self._optimizers["discriminator"])

    def _regularize_generator(self, image_class: Tensor, rng: torch.Generator) -> Tensor:
        """Path lengths towards their running mean, fourfold because it is due every 4 steps."""
        synthesis = self.generator.synthesis
        styles = self._new_styles(image_class, rng)
        lengths = path_lengths(synthesis(styles, synthesis.new_noise(len(styles), rng)), styles, rng)
        mean = self.penalties.path_mean
        mean.lerp_(lengths.detach().mean(), 0.01)
        penalty = self.config.path_weight * (lengths - mean).square().mean()
        self.penalties.path.copy_(penalty.detach())
        return descend(PATH_EVERY * penalty, self.generator, self._optimizers["generator"])
