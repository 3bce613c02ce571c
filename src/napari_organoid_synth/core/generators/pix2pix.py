"""pix2pix (Isola 2017, arXiv 1611.07004): a U-Net paints an image onto a mask, PatchGANs judge it."""

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
from napari_organoid_synth.core.generators.blocks import Dropout, Norm, init_weights, norm_layer, up_layer
from napari_organoid_synth.core.generators.canvas import StepStream, Stream
from napari_organoid_synth.core.generators.losses import discriminator_loss, feature_loss, generator_loss
from napari_organoid_synth.core.generators.pix2pix_config import Pix2PixConfig

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec
    from napari_organoid_synth.core.generators.batch import Batch

DROPOUT_SIZES = (4, 8, 16)
"""Sizes with dropout, px, as in the authors' code; the paper has 2, 4, 8."""


class UNet(nn.Module):
    """The generator network: log2(size) halvings down to 1 px, as many doublings, and a skip at every size.

    Parameters
    ----------
    inside, outside : int
        Channels of mask and image.
    size : int
        Side of the tile, px, a power of two.
    channels : int
        Of the first level; doubled at each level up to eight times.
    """

    def __init__(
        self,
        inside: int,
        outside: int,
        size: int,
        channels: int = 64,
        norm: Norm = "instance",
        dropout: float = 0.5,
        upsample: str = "transposed",
    ) -> None:
        super().__init__()
        self.size = size
        levels = size.bit_length() - 1
        widths = [channels * min(2**level, 8) for level in range(levels)]  # widths[i] is that at size / 2^(i + 1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            normed = norm_layer(norm, width, size >> (level + 1)) if level else []
            before = [nn.LeakyReLU(0.2)] if level else []
            conv = nn.Conv2d(widths[level - 1] if level else inside, width, 4, 2, 1, bias=not normed)
            self.down.append(nn.Sequential(*before, conv, *normed))
        for level in reversed(range(levels)):
            side = size >> level  # after doubling
            wide = widths[level] * (1 if level == levels - 1 else 2)
            normed = norm_layer(norm, widths[level - 1], side) if level else []
            after = [Dropout(dropout)] if side in DROPOUT_SIZES and level else []
            layers = up_layer(wide, widths[level - 1] if level else outside, upsample, bias=not normed)
            self.up.append(nn.Sequential(nn.ReLU(), *layers, *normed, *after))

    def forward(self, condition: Tensor) -> Tensor:
        """Paint (N, M, size, size) as (N, C, size, size), float32 in [-1, 1]."""
        skips = [condition]
        for down in self.down:
            skips.append(down(skips[-1]))
        x = skips.pop()
        for level, up in enumerate(self.up):
            x = up(x if level == 0 else torch.cat([x, skips.pop()], 1))
        return torch.tanh(x.float())


class PatchDiscriminator(nn.Module):
    """The 70 × 70 PatchGAN: one logit for every 70 × 70 px patch of mask and image together.

    Convolutions k4 p1 of 64 s2 (no norm), 128 s2, 256 s2, 512 s1, 1 s1: 256² px become 30² logits.
    """

    def __init__(self, inside: int, channels: int = 64, norm: Norm = "instance") -> None:
        super().__init__()
        self.hidden = nn.ModuleList()
        for level, stride in enumerate((2, 2, 2, 1)):
            width = channels * 2**level
            normed = norm_layer(norm, width, size=2) if level else []
            conv = nn.Conv2d(inside, width, 4, stride, 1, bias=not normed)
            self.hidden.append(nn.Sequential(conv, *normed, nn.LeakyReLU(0.2)))
            inside = width
        self.last = nn.Conv2d(inside, 1, 4, 1, 1)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Compute the four hidden activations of (N, M + C, Y, X), then the logits (N, 1, Y/8 - 2, X/8 - 2)."""
        outputs = []
        for layer in self.hidden:
            x = layer(x)
            outputs.append(x)
        return [*outputs, self.last(x).float()]


class MultiscaleDiscriminator(nn.Module):
    """Equal PatchGANs with separate weights at full, half, quarter size (Wang 2018, arXiv 1711.11585)."""

    def __init__(self, inside: int, channels: int = 64, norm: Norm = "instance", scales: int = 3) -> None:
        super().__init__()
        self.scales = nn.ModuleList(PatchDiscriminator(inside, channels, norm) for _ in range(scales))

    def forward(self, x: Tensor) -> list[list[Tensor]]:
        """Compute the outputs of every scale, each as those of `PatchDiscriminator`."""
        outputs = [self.scales[0](x)]
        for scale in list(self.scales)[1:]:
            x = functional.avg_pool2d(x, 3, 2, 1, count_include_pad=False)
            outputs.append(scale(x))
        return outputs


class Pix2Pix(Generator):
    """A painter: draws an image (N, C, size, size) onto an encoded mask (N, M, size, size)."""

    config: Pix2PixConfig
    takes_tile_streams = True

    def __init__(self, config: Pix2PixConfig, spec: PairSpec) -> None:
        super().__init__(config, spec)
        image, mask = spec.image_channels, spec.mask_channels
        norm = config.norm
        self.generator = UNet(mask, image, spec.tile, config.generator_channels, norm, config.dropout, config.upsample)
        self.discriminator = MultiscaleDiscriminator(mask + image, config.discriminator_channels, norm, config.scales)
        for network in self.networks().values():
            init_weights(network)
            channels_last(network)
        self._optimizers: dict[str, Optimizer] = {
            name: make_adam(network, config.learning_rate, config.beta1) for name, network in self.networks().items()
        }

    @property
    def draws_noise(self) -> bool:
        """Whether any layer drops values."""
        return any(isinstance(module, Dropout) and module.p > 0 for module in self.generator.modules())

    @property
    def has_gradual_variety(self) -> bool:
        """Dropout is on or off."""
        return False

    def networks(self) -> dict[str, nn.Module]:
        """Return the U-Net and its discriminator."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def optimizers(self) -> dict[str, Optimizer]:
        """Return Adam for each network."""
        return self._optimizers

    def learning_rate(self, progress: float) -> float:
        """Return the learning rate: constant, then linear to 0 from ``decay_from`` on."""
        start = self.config.decay_from
        return self.config.learning_rate * (1.0 if progress <= start else (1 - progress) / (1 - start))

    def step(self, batch: Batch, rng: StepStream, progress: float) -> dict[str, Tensor]:
        """Train the discriminator, then the generator, as in the paper."""
        config, mask, image = self.config, batch.mask, batch.image
        for optimizer in self._optimizers.values():
            optimizer.param_groups[0]["lr"] = self.learning_rate(progress)
        self._set_noise([rng])
        set_trainable(self.discriminator, True)
        with self.autocast():
            painted = self.generator(mask)
            judged = self._judge_both(mask, image, painted.detach())
            loss_d = self._mean([discriminator_loss(real[-1], fake[-1], config.adversarial) for real, fake in judged])
            if config.adversarial == "bce":
                loss_d = loss_d * 0.5  # slows the discriminator; the least-squares loss already has this half
        bad = descend(loss_d, self.discriminator, self._optimizers["discriminator"])

        set_trainable(self.discriminator, False)
        with self.autocast():
            fakes = self.discriminator(torch.cat([mask, painted], 1))
            loss_g = self._mean([generator_loss(fake[-1], config.adversarial) for fake in fakes])
            losses = {"discriminator": loss_d.detach(), "generator": loss_g.detach()}
            difference = functional.l1_loss(painted, image)
            if config.feature_weight:
                with torch.no_grad():
                    reals = self.discriminator(torch.cat([mask, image], 1))
                matching = feature_loss([real[:-1] for real in reals], [fake[:-1] for fake in fakes])
                loss_g = loss_g + config.feature_weight * matching
                losses["features"] = matching.detach()
            if config.l1_weight:
                loss_g = loss_g + config.l1_weight * difference
        bad = torch.maximum(bad, descend(loss_g, self.generator, self._optimizers["generator"]))
        self._set_noise([])
        self.record_step(len(image))
        return losses | {"difference": difference.detach(), "bad": bad}

    @torch.no_grad()
    def sample(
        self,
        rng: Stream | Sequence[Stream],
        n: int = 1,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Paint the masks ``condition``; dropout stays on as the noise unless ``variety`` is 0."""
        if condition is None:
            raise ValueError("a painter needs a condition (N, M, Y, X)")
        self.generator.eval()
        self._set_noise(streams_of(rng) if variety > 0 else [])
        painted: Tensor = self.generator(condition.to(self.device, memory_format=torch.channels_last))
        self._set_noise([])
        self.generator.train()
        return painted

    def _judge_both(self, mask: Tensor, image: Tensor, painted: Tensor) -> list[tuple[list[Tensor], list[Tensor]]]:
        """Compute the outputs of every scale for real and painted, in one batch unless batch norm would mix them."""
        real, fake = torch.cat([mask, image], 1), torch.cat([mask, painted], 1)
        if self.config.norm == "batch":
            return list(zip(self.discriminator(real), self.discriminator(fake), strict=True))
        outputs = self.discriminator(torch.cat([real, fake]))
        halves = [[layer.chunk(2) for layer in scale] for scale in outputs]
        return [([half[0] for half in scale], [half[1] for half in scale]) for scale in halves]

    def _set_noise(self, streams: Sequence[Stream]) -> None:
        for module in self.generator.modules():
            if isinstance(module, Dropout):
                module.streams = streams

    @staticmethod
    def _mean(values: list[Tensor]) -> Tensor:
        return torch.stack(values).mean()
