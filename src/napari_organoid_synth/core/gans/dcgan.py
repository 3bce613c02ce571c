"""DCGAN (Radford 2016, arXiv 1511.06434): draws image and mask together from noise."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from napari_organoid_synth.core.configs.dcgan import DcganConfig
from napari_organoid_synth.core.gans.augment import augment
from napari_organoid_synth.core.gans.base import Gan, channels_last, descend, make_adam, set_trainable, streams_of
from napari_organoid_synth.core.gans.blocks import init_weights, up_layer, update_average
from napari_organoid_synth.core.gans.losses import discriminator_loss, generator_loss

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec import PairSpec
    from napari_organoid_synth.core.dataset import Batch


def channels_at(side: int, tile: int, channels: int, most: int) -> int:
    """Feature maps at side px: ``channels`` at half the tile, doubled with each halving, at most ``most``."""
    return min(most, channels * tile // (2 * side))


class Generator(nn.Module):
    """Noise (N, latent, 1, 1) to 4 × 4 px, doubled up to the tile; batch norm and ReLU between, tanh at the end."""

    def __init__(self, latent: int, outside: int, tile: int, channels: int, most: int, upsample: str) -> None:
        super().__init__()
        width = channels_at(4, tile, channels, most)
        layers: list[nn.Module] = [nn.ConvTranspose2d(latent, width, 4, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        side = 8
        while side < tile:
            wider, width = width, channels_at(side, tile, channels, most)
            layers += [*up_layer(wider, width, upsample, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            side *= 2
        self.layers = nn.Sequential(*layers, *up_layer(width, outside, upsample, bias=True))

    def forward(self, noise: Tensor) -> Tensor:
        """Draw (N, C, tile, tile) float32 in [-1, 1]."""
        return torch.tanh(self.layers(noise).float())


class Discriminator(nn.Module):
    """The mirror image: halved down to 4 × 4 px, LeakyReLU, batch norm except in the first layer, one logit."""

    def __init__(self, inside: int, tile: int, channels: int, most: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        side = tile // 2
        while side >= 4:
            width = channels_at(side, tile, channels, most)
            layers.append(nn.Conv2d(inside, width, 4, 2, 1, bias=not layers))
            if len(layers) > 1:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(0.2))
            inside, side = width, side // 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(inside, 1, 4))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N,) of (N, C, tile, tile)."""
        logits: Tensor = self.layers(x).float().flatten()
        return logits


class Dcgan(Gan):
    """A joint generator: image channels and mask channels in one tensor.

    Samples come from a moving average of the generator; the discriminator sees everything augmented.
    """

    shape: ClassVar[str] = "joint"
    config: DcganConfig

    def __init__(self, config: DcganConfig, spec: PairSpec) -> None:
        super().__init__(config, spec)
        channels = spec.image_channels + spec.mask_channels
        self.generator = Generator(
            config.latent, channels, spec.tile, config.generator_channels, config.max_channels, config.upsample
        )
        self.discriminator = Discriminator(channels, spec.tile, config.discriminator_channels, config.max_channels)
        self._optimizers: dict[str, Optimizer] = {}
        for name, network in (("generator", self.generator), ("discriminator", self.discriminator)):
            init_weights(network)
            channels_last(network)
            self._optimizers[name] = make_adam(network, config.learning_rate, config.beta1)
        self.average = copy.deepcopy(self.generator).requires_grad_(False).eval()

    def networks(self) -> dict[str, nn.Module]:
        """Generator, discriminator and the averaged generator."""
        return {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}

    def optimizers(self) -> dict[str, Optimizer]:
        """Adam for generator and discriminator."""
        return self._optimizers

    def step(self, batch: Batch, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Discriminator, generator, average."""
        real = torch.cat([batch.image, batch.mask], 1)
        noise = torch.randn(len(real), self.config.latent, 1, 1, generator=rng, device=self.device)
        set_trainable(self.discriminator, True)
        with self.autocast():
            fake = self.generator(noise)
        seen_real, seen_fake = self._augment(real, rng), self._augment(fake.detach(), rng)
        with self.autocast():  # real and fake apart: batch norm would mix their statistics
            loss_d = discriminator_loss(self.discriminator(seen_real), self.discriminator(seen_fake))
        bad = descend(loss_d, self.discriminator, self._optimizers["discriminator"])

        set_trainable(self.discriminator, False)
        seen_fake = self._augment(fake, rng)
        with self.autocast():
            loss_g = generator_loss(self.discriminator(seen_fake))
        bad = torch.maximum(bad, descend(loss_g, self.generator, self._optimizers["generator"]))
        self.seen += len(real)
        update_average(self.average, self.generator, len(real), self.seen, 1000 * self.config.ema_half_life)
        return {"discriminator": loss_d.detach(), "generator": loss_g.detach(), "bad": bad}

    @torch.no_grad()
    def sample(
        self,
        rng: torch.Generator | Sequence[torch.Generator],
        n: int = 1,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Draw image and mask channels from noise N(0, variety²)."""
        streams = streams_of(rng)
        each = n if len(streams) == 1 else 1
        noise = [torch.randn(each, self.config.latent, 1, 1, generator=s, device=self.device) for s in streams]
        drawn: Tensor = self.average(torch.cat(noise) * variety)
        return drawn

    def _augment(self, x: Tensor, rng: torch.Generator) -> Tensor:
        if self.config.augment == "none":
            return x
        return augment(
            x,
            rng,
            self.config.augment_probability,
            self.spec.image_channels,
            vectors=self.spec.vectors,
            color=self.config.augment == "all",
        )
