"""CycleGAN (Zhu 2017, arXiv 1703.10593): one network paints masks, one predicts masks; each must undo the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from napari_organoid_synth.core.generators.base import (
    Generator,
    channels_last,
    descend,
    make_adam,
    set_trainable,
    streams_of,
)
from napari_organoid_synth.core.generators.blocks import DoublingConv, InstanceNorm, init_weights
from napari_organoid_synth.core.generators.canvas import NORMAL, Stream, fill
from napari_organoid_synth.core.generators.cyclegan_config import CycleGanConfig
from napari_organoid_synth.core.generators.losses import discriminator_loss
from napari_organoid_synth.core.generators.pix2pix import PatchDiscriminator

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec
    from napari_organoid_synth.core.generators.batch import Batch

POOL = 50
"""Drawn images that a pool keeps."""
EMPTY = 2.0
"""Marks empty places in a pool; no network gives this value, since tanh ends at 1."""


class ResNet(nn.Module):
    """A generator: two halvings, residual blocks at a quarter of the size, two doublings (Johnson 2016).

    Convolutions k7 C, k3 s2 2C, k3 s2 4C, blocks of two k3 4C, k3 2C, k3 C, k7; reflection instead of zeros outside the
    image, so that an even input gives an even output up to its border.

    Parameters
    ----------
    inside, outside : int
        Channels of what comes in and of what is drawn.
    channels : int
        Of the first layer.
    blocks : int
        Residual blocks.
    upsample : {"bilinear", "resize", "transposed"}
        Bilinear × 2 and a convolution, nearest × 2 and a convolution, or a transposed convolution.
    """

    def __init__(
        self, inside: int, outside: int, channels: int = 64, blocks: int = 9, upsample: str = "bilinear"
    ) -> None:
        super().__init__()
        c = channels
        self.down = nn.Sequential(
            *_normed(_conv(inside, c, 7)), *_normed(_conv(c, 2 * c, 3, 2)), *_normed(_conv(2 * c, 4 * c, 3, 2))
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(*_normed(_conv(4 * c, 4 * c, 3)), *_normed(_conv(4 * c, 4 * c, 3))[:2]) for _ in range(blocks)
        )
        self.up = nn.Sequential(*_double(4 * c, 2 * c, upsample), *_double(2 * c, c, upsample))
        self.last = nn.Conv2d(c, outside, 7, padding=3, padding_mode="reflect")

    def forward(self, x: Tensor) -> Tensor:
        """Draw (N, outside, Y, X), float32 in [-1, 1], from (N, inside, Y, X); sides are multiples of 4."""
        x = self.down(x)
        for block in self.blocks:
            x = x + block(x)
        return torch.tanh(self.last(self.up(x)).float())


def _conv(inside: int, outside: int, kernel: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inside, outside, kernel, stride, kernel // 2, bias=False, padding_mode="reflect")


def _normed(conv: nn.Module) -> list[nn.Module]:
    return [conv, InstanceNorm(conv.out_channels), nn.ReLU()]  # type: ignore[arg-type]


def _double(inside: int, outside: int, upsample: str) -> list[nn.Module]:
    if upsample == "transposed":
        return _normed(nn.ConvTranspose2d(inside, outside, 3, 2, 1, output_padding=1, bias=False))
    if upsample == "bilinear":
        return [nn.Upsample(scale_factor=2, mode="bilinear"), *_normed(_conv(inside, outside, 3))]
    return [nn.Identity(), *_normed(DoublingConv(inside, outside, bias=False, border="reflect"))]


class ImagePool(nn.Module):
    """The last drawn images, which keep a discriminator from forgetting earlier ones (Shrivastava 2017).

    With probability ½ an image is swapped for an older one. The pool is a buffer and part of every checkpoint.
    """

    kept: Tensor

    def __init__(self, channels: int, side: int, size: int = POOL) -> None:
        super().__init__()
        self.register_buffer("kept", torch.full((size, channels, side, side), EMPTY, dtype=torch.float16))

    def forward(self, images: Tensor, rng: torch.Generator) -> Tensor:
        """Return N images for N images (N, C, Y, X): the same until the pool is full, then about half of them older."""
        size, device = len(self.kept), images.device
        older = torch.rand(len(images), generator=rng, device=device) < 0.5
        places = torch.randint(size, (len(images),), generator=rng, device=device)
        batch = []
        for image, old, place in zip(torch.split(images, 1), older, places, strict=True):
            filled = (self.kept[:, 0, 0, 0] <= 1).sum()  # stays on the device, as all choices here
            full = filled == size
            where = torch.where(full, place, filled)[None]
            before = self.kept.index_select(0, where)
            swap = full & old
            batch.append(torch.where(swap, before.to(image.dtype), image))
            self.kept.index_copy_(0, where, torch.where(swap | ~full, image.to(before.dtype), before))
        return torch.cat(batch)


class Memory(nn.Module):
    """State from earlier steps: pools of drawn images and masks, and the last mask shown."""

    last: Tensor

    def __init__(self, spec: PairSpec) -> None:
        super().__init__()
        self.images = ImagePool(spec.image_channels, spec.tile)
        self.masks = ImagePool(spec.mask_channels, spec.tile)
        self.register_buffer("last", torch.zeros(1, spec.mask_channels, spec.tile, spec.tile))

    def unpair(self, masks: Tensor, first: bool) -> Tensor:
        """Shift masks (N, M, Y, X) by one place, so that each image meets the mask of the tile shown before it.

        In the very first step the last mask of the batch comes first; alone, it stays with its image.
        """
        shifted = torch.cat([masks[-1:] if first else self.last, masks[:-1]])
        self.last.copy_(masks[-1:])
        return shifted


class CycleGan(Generator):
    """A painter and its inverse, for images (N, C, Y, X) and encoded masks (N, M, Y, X) that are not paired.

    No term of the loss compares a mask with the image of its tile; in each step the two come from different tiles.
    """

    config: CycleGanConfig
    takes_tile_streams = True

    def __init__(self, config: CycleGanConfig, spec: PairSpec) -> None:
        super().__init__(config, spec)
        image, mask = spec.image_channels, spec.mask_channels
        blocks = config.blocks or (6 if spec.tile <= 128 else 9)
        self.painter = ResNet(mask, image, config.generator_channels, blocks, config.upsample)
        self.finder = ResNet(image, mask, config.generator_channels, blocks, config.upsample)
        self.generators = nn.ModuleDict({"painter": self.painter, "finder": self.finder})
        self.judge_images = PatchDiscriminator(image, config.discriminator_channels)
        self.judge_masks = PatchDiscriminator(mask, config.discriminator_channels)
        self.memory = Memory(spec)
        self.identity = config.cycle_weight * config.identity_weight if image == mask else 0.0
        for network in self.networks().values():
            init_weights(network)
            channels_last(network)
        self._optimizers: dict[str, Optimizer] = {
            name: make_adam(network, config.learning_rate, config.beta1)
            for name, network in self.networks().items()
            if name != "memory"
        }

    @property
    def draws_noise(self) -> bool:
        """Whether masks get noise."""
        return self.config.noise > 0

    def networks(self) -> dict[str, nn.Module]:
        """Return both networks, trained together, a discriminator for each, and the memory."""
        return {
            "generators": self.generators,
            "discriminator_images": self.judge_images,
            "discriminator_masks": self.judge_masks,
            "memory": self.memory,
        }

    def optimizers(self) -> dict[str, Optimizer]:
        """Return Adam for both networks and for each discriminator."""
        return self._optimizers

    def learning_rate(self, progress: float) -> float:
        """Return the learning rate: constant, then linear to 0 from ``decay_from`` on."""
        start = self.config.decay_from
        return self.config.learning_rate * (1.0 if progress <= start else (1 - progress) / (1 - start))

    def step(self, batch: Batch, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Train both networks, then their discriminators on samples of this and earlier steps."""
        for optimizer in self._optimizers.values():
            optimizer.param_groups[0]["lr"] = self.learning_rate(progress)
        image, mask = batch.image, self.memory.unpair(batch.mask, first=self.steps_taken == 0)
        set_trainable(self.judge_images, False)
        set_trainable(self.judge_masks, False)
        with self.autocast():
            painted, predicted = self.painter(self._noisy(mask, rng)), self.finder(image)
            cycle = functional.l1_loss(self.finder(painted), mask)
            cycle = cycle + functional.l1_loss(self.painter(self._noisy(predicted, rng)), image)
            # least squares as in the paper, without the factor ½ of Mao 2017
            fooled = (self.judge_images(painted)[-1] - 1).square().mean()
            fooled = fooled + (self.judge_masks(predicted)[-1] - 1).square().mean()
            loss = fooled + self.config.cycle_weight * cycle
            losses = {"generator": fooled.detach(), "cycle": cycle.detach()}
            if self.identity:
                identity_loss = functional.l1_loss(self.painter(image), image) + functional.l1_loss(
                    self.finder(mask), mask
                )
                loss = loss + self.identity * identity_loss
                losses["identity"] = identity_loss.detach()
        bad = descend(loss, self.generators, self._optimizers["generators"])

        losses["discriminator"] = torch.zeros_like(bad)
        for name, judge, pool, real, drawn in (
            ("discriminator_images", self.judge_images, self.memory.images, image, painted),
            ("discriminator_masks", self.judge_masks, self.memory.masks, mask, predicted),
        ):
            set_trainable(judge, True)
            with self.autocast():
                yes, no = judge(torch.cat([real, pool(drawn.detach(), rng)]))[-1].chunk(2)
                judged = discriminator_loss(yes, no, "lsgan")
            losses["discriminator"] += judged.detach()
            bad = torch.maximum(bad, descend(judged, judge, self._optimizers[name]))
        self.record_step(len(image))
        return losses | {"bad": bad}

    @torch.no_grad()
    def sample(
        self,
        rng: Stream | Sequence[Stream],
        n: int = 1,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Paint the masks ``condition``, with noise on them unless ``variety`` is 0."""
        if condition is None:
            raise ValueError("a painter needs a condition (N, M, Y, X)")
        mask = condition.to(self.device, memory_format=torch.channels_last)
        streams = streams_of(rng)
        parts = zip(mask.chunk(len(streams)), streams, strict=True)
        painted: Tensor = self.painter(torch.cat([self._noisy(part, stream, variety) for part, stream in parts]))
        return painted

    @torch.no_grad()
    def reverse(self, images: Tensor) -> Tensor:
        """Predict the masks of images, the reverse of painting.

        Parameters
        ----------
        images : Tensor (N, C, Y, X) float32 in [-1, 1]
            Encoded by the codec of the training; sides are multiples of 4.

        Returns
        -------
        Tensor (N, M, Y, X) float32 in [-1, 1]
            Fields as `Codec.encode_condition` makes them of labels: what a painter sees, not yet labels.
        """
        masks: Tensor = self.finder(images.to(self.device, memory_format=torch.channels_last))
        return masks

    def _noisy(self, mask: Tensor, rng: Stream, variety: float = 1.0) -> Tensor:
        """Add noise to a mask, which also prevents hiding an image in it (Chu 2017, Bashkirova 2019)."""
        spread = self.config.noise * variety
        if not spread:
            return mask
        noise = torch.empty_like(mask, memory_format=torch.contiguous_format)
        return mask + spread * fill(noise, rng, NORMAL)
