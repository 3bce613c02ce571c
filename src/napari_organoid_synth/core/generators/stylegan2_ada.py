"""StyleGAN2-ADA (Karras 2020, arXiv 1912.04958 and 2006.06676): draws image, mask or both from a style vector."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from napari_organoid_synth.core.generators.ada import Ada
from napari_organoid_synth.core.generators.base import channels_last, descend, make_adam, set_trainable
from napari_organoid_synth.core.generators.blocks import update_average
from napari_organoid_synth.core.generators.latent import LatentGenerator
from napari_organoid_synth.core.generators.losses import discriminator_loss, generator_loss
from napari_organoid_synth.core.generators.projection import Projection, ProjectionOptions, project
from napari_organoid_synth.core.generators.style_blocks import mixed_layers
from napari_organoid_synth.core.generators.stylegan2_ada_config import StyleGan2AdaConfig
from napari_organoid_synth.core.generators.stylegan2_networks import Discriminator, StyleGan2Network

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec
    from napari_organoid_synth.core.generators.batch import Batch

R1_EVERY, PATH_EVERY = 16, 4
"""Steps between two regularisations of the discriminator and of the generator."""
MIN_MASK_GAMMA = 2.0
"""Smallest weight of R1 with masks, whose sharp edges a less regularised discriminator recognises at once."""


class Penalties(nn.Module):
    """State of the regularisation: the running mean of path lengths, and the last values of both penalties."""

    path_mean: Tensor
    path: Tensor
    r1: Tensor

    def __init__(self) -> None:
        super().__init__()
        for name in ("path_mean", "path", "r1"):
            self.register_buffer(name, torch.zeros(()))


def r1_penalty(logits: Tensor, x: Tensor) -> Tensor:
    """Compute ½ E ‖∂ logits / ∂x‖² (Mescheder 2018, arXiv 1801.04406), to be multiplied by γ; x (N, C, Y, X)."""
    (slope,) = torch.autograd.grad(logits.sum(), x, create_graph=True)
    return 0.5 * slope.square().sum((1, 2, 3)).mean()


def path_lengths(picture: Tensor, styles: Tensor, rng: torch.Generator) -> Tensor:
    """Compute how far pictures move with their style vectors (Karras 2020, arXiv 1912.04958, 3.2).

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
    """Return Adam with β (0, 0.99), corrected for an extra step every k steps: lr · c and β^c, c = k / (k + 1).

    Karras 2020 (1912.04958), appendix B; ``every`` 0 is Adam as it is.
    """
    share = every / (every + 1) if every else 1.0
    return make_adam(network, learning_rate * share, 0.0, 0.99**share)


class StyleGan2Ada(LatentGenerator):
    """Skip generator, residual discriminator, non-saturating loss, lazy R1 and path length, adaptive augmentation.

    Samples come from a moving average of the generator, with fixed noise, so that a latent vector determines a picture.
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
        """Return generator, discriminator, averaged generator; state of augmentation and regularisation."""
        return {
            "generator": self.generator,
            "discriminator": self.discriminator,
            "average": self.average,
            "augment": self.augment,
            "penalties": self.penalties,
        }

    def optimizers(self) -> dict[str, Optimizer]:
        """Return Adam for generator and discriminator."""
        return self._optimizers

    def step_kinds(self, steps: int) -> list[tuple[float, float, int]]:
        """Return plain steps, those with path lengths, and those with R1 too."""
        if not self.config.path_length:
            return [(15 / 16, 0.0, 1), (1 / 16, 0.0, 0)]
        return [(12 / 16, 0.0, 1), (3 / 16, 0.0, 4), (1 / 16, 0.0, 0)]

    def step(self, batch: Batch, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Train discriminator, then generator, each with its penalty when due; update average and augmentation."""
        real, image_class = batch.joint, batch.image_class
        n = len(real)
        set_trainable(self.generator, True)
        set_trainable(self.discriminator, True)
        styles = self._new_styles(image_class, rng, track=True)
        with self.autocast():
            fake = self.generator.synthesis(styles, self.generator.synthesis.new_noise(n, rng))
        shown = self.augment(torch.cat([fake.detach(), real]), rng)
        with self.autocast():
            logits = self.discriminator(shown, image_class.repeat(2), parts=2)
        loss_d = discriminator_loss(logits[n:], logits[:n])
        bad = [descend(loss_d, self.discriminator, self._optimizers["discriminator"])]
        if self.steps_taken % R1_EVERY == 0:
            bad.append(self._regularize_discriminator(real, image_class, rng))

        set_trainable(self.discriminator, False)
        shown = self.augment(fake, rng)
        with self.autocast():
            loss_g = generator_loss(self.discriminator(shown, image_class))
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
        """Map latent vectors (N, latent) to style vectors (N, latent) with the averaged network.

        They approach the mean of their class as ``variety`` approaches 0. Paths between style vectors are shorter and
        smoother than those between latent vectors (arXiv 1812.04948, section 4).
        """
        if image_class is None:
            image_class = torch.zeros(len(latents), dtype=torch.int64, device=latents.device)
        mapping = self.average.mapping
        return mapping.truncate(mapping(latents, image_class), image_class, variety)

    @torch.no_grad()
    def draw_styles(self, styles: Tensor, noise: Sequence[Tensor] | None = None) -> Tensor:
        """Draw pictures (N, C + M, Y, X) of style vectors (N, latent), or (N, count, latent) with one per layer."""
        synthesis = self.average.synthesis
        if styles.ndim == 2:
            styles = styles[:, None].expand(-1, synthesis.count, -1)
        samples: Tensor = synthesis(styles, noise)
        return samples

    @torch.no_grad()
    def draw(self, latents: Tensor, image_class: Tensor | None = None, variety: float = 1.0) -> Tensor:
        """Draw image and mask channels with the averaged network and its fixed noise."""
        return self.draw_styles(self.styles(latents, image_class, variety))

    @property
    def style_layers(self) -> int:
        """Style vectors of a picture, coarse to fine."""
        return int(self.average.synthesis.count)

    @torch.no_grad()
    def draw_mixed(
        self,
        latents: Tensor,
        others: Tensor,
        layers: range,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Draw samples in which some layers take the styles of other latent vectors."""
        first, other = (self.styles(z, image_class, variety) for z in (latents, others))
        return self.draw_styles(mixed_layers(first, other, self.style_layers, layers))

    def project(self, target: Tensor, rng: torch.Generator, options: ProjectionOptions | None = None) -> Projection:
        """Find the style vector whose picture is closest to ``target``; see `projection.project`."""
        return project(self.average, self.discriminator, target, rng, options)

    def _new_styles(self, image_class: Tensor, rng: torch.Generator, track: bool = False) -> Tensor:
        """Draw style vectors (N, count, width), for some samples from two latent vectors, changed at a random layer."""
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
        """Take a step on R1, times 16 because it is due every 16 steps."""
        gamma = self.config.gamma
        if gamma is None:
            gamma = max(0.0002 * self.spec.tile**2 / len(real), MIN_MASK_GAMMA if self.spec.mask_channels else 0)
        x = real if self.config.r1_at == "image" else self.augment(real, rng)
        x = x.detach().requires_grad_().view_as(x)  # a view: torch's flop counter cannot take a leaf
        shown = self.augment(x, rng) if self.config.r1_at == "image" else x
        penalty = gamma * r1_penalty(self.discriminator(shown, image_class), x)
        self.penalties.r1.copy_(penalty.detach())
        return descend(R1_EVERY * penalty, self.discriminator, self._optimizers["discriminator"])

    def _regularize_generator(self, image_class: Tensor, rng: torch.Generator) -> Tensor:
        """Take a step on the path lengths, times 4 because it is due every 4 steps."""
        synthesis = self.generator.synthesis
        styles = self._new_styles(image_class, rng)
        lengths = path_lengths(synthesis(styles, synthesis.new_noise(len(styles), rng)), styles, rng)
        mean = self.penalties.path_mean
        mean.lerp_(lengths.detach().mean(), 0.01)
        penalty = self.config.path_weight * (lengths - mean).square().mean()
        self.penalties.path.copy_(penalty.detach())
        return descend(PATH_EVERY * penalty, self.generator, self._optimizers["generator"])
