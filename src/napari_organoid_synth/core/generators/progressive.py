"""Progressive growing (Karras 2018, arXiv 1710.10196): its schedule, discriminator and training step."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from napari_organoid_synth.core.generators.base import channels_last, descend, make_adam, set_trainable
from napari_organoid_synth.core.generators.blocks import update_average
from napari_organoid_synth.core.generators.latent import LatentGenerator
from napari_organoid_synth.core.generators.losses import (
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    r1_penalty,
)
from napari_organoid_synth.core.generators.progressive_config import ProgressiveConfig
from napari_organoid_synth.core.generators.style_blocks import (
    ROOT_2,
    SLOPE,
    ClassVector,
    EqualConv2d,
    EqualLinear,
    minibatch_std,
)

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec
    from napari_organoid_synth.core.generators.batch import Batch

DRIFT = 0.001
"""Weight of the squared logits, which keeps a Wasserstein critic near 0 (Karras 2018, A.1)."""


def channels_at(size: int, channels: int, most: int) -> int:
    """Return the feature maps at ``size`` px: ``channels`` at 2 px, halved with each doubling, from 8 to ``most``."""
    return min(most, max(8, 2 * channels // size))


def sizes_of(first: int, tile: int) -> list[int]:
    """Return the sizes from ``first`` to ``tile`` px, each twice the one before."""
    return [2**i for i in range(first.bit_length() - 1, tile.bit_length())]


class Phase(NamedTuple):
    """A part of the training, from ``start`` to ``end`` as shares of its steps."""

    start: float
    end: float
    size: int
    fading: bool


class Schedule:
    """Schedule of the sizes, as a function of the share of the training that is done.

    Every size has the same number of images, the smallest without those of a fade-in. A step at a small size takes more
    images, so small sizes have fewer steps.

    Parameters
    ----------
    config : ProgressiveConfig
    tile : int
        Largest size, px.
    """

    def __init__(self, config: ProgressiveConfig, tile: int) -> None:
        self.tile, self.growth = tile, config.batch_growth
        sizes, fade = sizes_of(config.first_size, tile), config.fade_share
        parts: list[tuple[int, bool, float]] = []  # size, fading, images
        for size in sizes:
            if size > sizes[0] and fade:
                parts.append((size, True, fade))
            parts.append((size, False, (config.last_images if size == tile else 1.0) - fade))
        steps = [images / self.multiple(size) for size, _, images in parts]
        ends = [sum(steps[:i]) / sum(steps) for i in range(len(steps) + 1)]
        self.phases = [
            Phase(start, end, size, fading)
            for (start, end), (size, fading, _) in zip(pairwise(ends), parts, strict=True)
        ]

    def multiple(self, size: int) -> int:
        """Return the tiles per step at a size, relative to the full size."""
        return min(self.growth, self.tile // size)

    def at(self, progress: float) -> tuple[int, float]:
        """Return the size, px, and α, the share of its picture in the blend with that of half the size."""
        phase = next((phase for phase in self.phases if progress < phase.end), self.phases[-1])
        return phase.size, (progress - phase.start) / (phase.end - phase.start) if phase.fading else 1.0

    def step_kinds(self) -> list[tuple[float, float]]:
        """Return for each size its share of the steps, and a progress at which it is being faded in."""
        kinds = []
        for size in sorted({phase.size for phase in self.phases}):
            own = [phase for phase in self.phases if phase.size == size]
            kinds.append((own[-1].end - own[0].start, (own[0].start + own[0].end) / 2))
        return kinds


class Halve(nn.Module):
    """Halves the size: means of 2 × 2 px, with ``blur`` after a [1, 2, 1] filter, together [1, 3, 3, 1] / 8."""

    kernel: Tensor

    def __init__(self, blur: bool) -> None:
        super().__init__()
        self.blur = blur
        row = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", torch.outer(row, row)[None, None], persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, Y, X) to (N, C, Y / 2, X / 2)."""
        if not self.blur:
            return functional.avg_pool2d(x, 2)
        kernel = self.kernel.expand(x.shape[1], -1, -1, -1)
        return functional.conv2d(x, kernel, stride=2, padding=1, groups=x.shape[1])


class DownBlock(nn.Module):
    """Two convolutions with leaky ReLU, then half the size; ``rgb`` converts a picture of this size to features."""

    def __init__(self, inside: int | None, width: int, outside: int, blur: bool) -> None:
        super().__init__()
        self.rgb = None if inside is None else EqualConv2d(inside, width, 1)
        self.same, self.wider = EqualConv2d(width, width, 3), EqualConv2d(width, outside, 3)
        self.halve = Halve(blur)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, width, Y, X) to (N, outside, Y / 2, X / 2)."""
        x = functional.leaky_relu(self.same(x), SLOPE)
        halved: Tensor = self.halve(functional.leaky_relu(self.wider(x), SLOPE))
        return halved


class Verdict(nn.Module):
    """The last part, from 4 × 4 px to a logit: minibatch deviation, a convolution and two dense layers.

    With classes the logit is a projection (Miyato 2018, arXiv 1802.05637): features · (weights + vector of the class).
    """

    def __init__(self, inside: int | None, width: int, classes: int) -> None:
        super().__init__()
        self.rgb = None if inside is None else EqualConv2d(inside, width, 1)
        self.same = EqualConv2d(width + 1, width, 3)
        self.dense = EqualLinear(16 * width, width, ROOT_2)
        self.logit = EqualLinear(width, 1)
        self.classes = ClassVector(classes, width) if classes >= 2 else None

    def forward(self, x: Tensor, image_class: Tensor) -> Tensor:
        """Map (N, width, 4, 4) to logits (N,) float32."""
        x = functional.leaky_relu(self.same(minibatch_std(x)), SLOPE)
        features = functional.leaky_relu(self.dense(x.flatten(1)), SLOPE)
        logits: Tensor = self.logit(features)[:, 0].float()
        if self.classes is not None:
            logits = logits + (features * self.classes(image_class)).float().sum(1) * self.logit.scale
        return logits


class Discriminator(nn.Module):
    """Network from a picture of any trained size to a logit; its blocks are named by their size, from the tile down."""

    def __init__(self, inside: int, classes: int, tile: int, config: ProgressiveConfig, blur: bool) -> None:
        super().__init__()
        self.halve = Halve(blur=False)
        self.blocks = nn.ModuleDict()
        for size in reversed(sizes_of(4, tile)):
            width = channels_at(size, config.channels, config.max_channels)
            channels_in = inside if size >= config.first_size else None
            self.blocks[str(size)] = (
                DownBlock(channels_in, width, channels_at(size // 2, config.channels, config.max_channels), blur)
                if size > 4
                else Verdict(channels_in, width, classes)
            )

    def forward(self, x: Tensor, image_class: Tensor, size: int, alpha: float = 1.0) -> Tensor:
        """Compute logits (N,) of (N, C, size, size); at α < 1 blended with features of half the size."""
        features = self._see(x, size)
        while size > 4:
            features = self.blocks[str(size)](features)
            size //= 2
            if alpha < 1:
                features = torch.lerp(self._see(self.halve(x), size), features, alpha)
                alpha = 1.0
        logits: Tensor = self.blocks["4"](features, image_class)
        return logits

    def _see(self, x: Tensor, size: int) -> Tensor:
        block: Any = self.blocks[str(size)]
        return functional.leaky_relu(block.rgb(x), SLOPE)


def shrink(real: Tensor, size: int, alpha: float) -> Tensor:
    """Shrink real pictures (N, C, tile, tile) to a size: means over squares, blended with half the size."""
    real = functional.avg_pool2d(real, real.shape[-1] // size)
    if alpha < 1:
        coarse = functional.interpolate(functional.avg_pool2d(real, 2), scale_factor=2.0)
        real = torch.lerp(coarse, real, alpha)
    return real


def r1_and_logits(critic: Callable[[Tensor], Tensor], real: Tensor) -> tuple[Tensor, Tensor]:
    """Compute R1 and the logits (N,) in one pass over the real pictures."""
    logits: list[Tensor] = []

    def recording(x: Tensor) -> Tensor:
        logits.append(critic(x))
        return logits[-1]

    return r1_penalty(recording, real), logits[0]


class ProgressiveGenerator(LatentGenerator):
    """A joint generator that grows; samples come from a moving average, enlarged while the size is still small.

    Parameters
    ----------
    config : ProgressiveConfig
    spec : PairSpec
    generator : nn.Module
        Made by the member.
    blur : bool
        Whether the discriminator filters before it halves.

    Attributes
    ----------
    progress : float
        Share of the training at the newest step; it never falls, so that more steps than first planned do not shrink
        the pictures again.
    """

    config: ProgressiveConfig

    def __init__(self, config: ProgressiveConfig, spec: PairSpec, generator: nn.Module, blur: bool) -> None:
        super().__init__(config, spec)
        self.schedule = Schedule(config, spec.tile)
        self.progress = 0.0
        channels = spec.image_channels + spec.mask_channels
        self.generator = channels_last(generator)
        self.discriminator = channels_last(Discriminator(channels, len(spec.image_classes), spec.tile, config, blur))
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()
        trained = {"generator": self.generator, "discriminator": self.discriminator}
        self._optimizers: dict[str, Optimizer] = {
            name: make_adam(network, config.learning_rate, 0.0, 0.99) for name, network in trained.items()
        }

    @abstractmethod
    def dream(self, image_class: Tensor, rng: torch.Generator, size: int, alpha: float) -> Tensor:
        """Draw pictures (N, C + M, size, size) float32 of new latent vectors with the network in training."""

    def rate(self, size: int) -> float:
        """Return the learning rate at a size."""
        return float(self.config.learning_rate)

    def networks(self) -> dict[str, nn.Module]:
        """Return generator, discriminator and the averaged generator."""
        return {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}

    def optimizers(self) -> dict[str, Optimizer]:
        """Return Adam for generator and discriminator."""
        return self._optimizers

    def batch_size(self, batch: int, progress: float) -> int:
        """Return the tiles of a step: doubled per halving of the size, at most ``batch_growth`` times ``batch``."""
        return batch * self.schedule.multiple(self.schedule.at(max(progress, self.progress))[0])

    def step_kinds(self, steps: int) -> list[tuple[float, float, int]]:
        """Return one kind of step for each size."""
        return [(share, progress, 0) for share, progress in self.schedule.step_kinds()]

    def step(self, batch: Batch, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Train discriminator, then generator, and update the average; names of losses include the size."""
        size, alpha = self._enter(progress)
        image_class, real = batch.image_class, shrink(batch.joint, size, alpha)
        critic = partial(self.discriminator, image_class=image_class, size=size, alpha=alpha)
        set_trainable(self.discriminator, True)
        with self.autocast():
            fake = self.dream(image_class, rng, size, alpha)
            on_fake = critic(fake.detach())  # real and fake in two batches: the minibatch deviation needs that
        if self.config.loss == "wgan_gp":
            with self.autocast():
                on_real = critic(real)
            penalty = self.config.penalty * gradient_penalty(critic, real, fake.detach(), rng)
        else:
            slope, on_real = r1_and_logits(critic, real)
            penalty = 0.5 * self.config.penalty * slope
        if self.config.loss == "ns_r1":
            loss_d = discriminator_loss(on_real, on_fake) + penalty
        else:
            loss_d = on_fake.mean() - on_real.mean() + DRIFT * on_real.square().mean() + penalty
        bad = descend(loss_d, self.discriminator, self._optimizers["discriminator"])

        set_trainable(self.discriminator, False)
        with self.autocast():
            on_fake = critic(fake)
        loss_g = generator_loss(on_fake) if self.config.loss == "ns_r1" else -on_fake.mean()
        bad = torch.maximum(bad, descend(loss_g, self.generator, self._optimizers["generator"]))
        self.record_step(len(real))
        update_average(self.average, self.generator, len(real), self.average_window, 1000 * self.config.ema_half_life)
        return {f"discriminator {size} px": loss_d.detach(), f"generator {size} px": loss_g.detach(), "bad": bad}

    def _enter(self, progress: float) -> tuple[int, float]:
        """Return size and α of a step; at a new size Adam is reset."""
        progress = max(progress, self.progress)
        size, alpha = self.schedule.at(progress)
        for optimizer in self._optimizers.values():
            if size != self.schedule.at(self.progress)[0]:
                optimizer.state.clear()
            for group in optimizer.param_groups:
                group["lr"] = self.rate(size)
        self.progress = progress
        return size, alpha

    def enlarge(self, small: Tensor) -> Tensor:
        """Enlarge pictures of the current size to the size of the tile."""
        return small if small.shape[-1] == self.spec.tile else functional.interpolate(small, self.spec.tile)

    def classes_or_first(self, image_class: Tensor | None, n: int) -> Tensor:
        """Return the classes (N,), the first class for all when not given."""
        return torch.zeros(n, dtype=torch.int64, device=self.device) if image_class is None else image_class

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return the state with the share of the training, on which the size depends."""
        tensors, numbers = super().state()
        return tensors, {**numbers, "progress": self.progress}

    def load_state(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        """Restore a state from `state`."""
        super().load_state(tensors, numbers)
        self.progress = float(numbers["progress"])
