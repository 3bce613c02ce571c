"""The original adversarial training (Goodfellow 2014, arXiv 1406.2661): generator and discriminator take turns."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from napari_organoid_synth.core.generators.adversarial_config import AdversarialConfig
from napari_organoid_synth.core.generators.augment import augment
from napari_organoid_synth.core.generators.base import channels_last, descend, make_adam, set_trainable
from napari_organoid_synth.core.generators.blocks import init_weights, update_average
from napari_organoid_synth.core.generators.latent import LatentGenerator
from napari_organoid_synth.core.generators.losses import (
    LOSSES,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
)
from napari_organoid_synth.core.generators.networks import DenseGenerator

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec
    from napari_organoid_synth.core.generators.batch import Batch


PENALTY = 10.0
"""Weight of the gradient penalty (Gulrajani 2017)."""


class AdversarialGenerator(LatentGenerator):
    """A joint generator: image channels and mask channels in one tensor.

    Samples come from a moving average of the generator; the discriminator sees augmented tiles and samples.

    Parameters
    ----------
    config : AdversarialConfig
        The member's own settings.
    spec : PairSpec
        Tile size and channel counts.
    generator : nn.Module
        Called with (N, L) noise and (N,) classes.
    discriminator : nn.Module
        Called with (N, C + M, Y, X) and (N,) classes; gives (N,) logits.
    """

    config: AdversarialConfig

    def __init__(
        self, config: AdversarialConfig, spec: PairSpec, generator: nn.Module, discriminator: nn.Module
    ) -> None:
        super().__init__(config, spec)
        self.latent, self.adversarial = config.latent, LOSSES[config.loss]
        self.generator, self.discriminator = generator, discriminator
        self._optimizers: dict[str, Optimizer] = {}
        rates = {"generator": config.generator_rate or config.learning_rate, "discriminator": config.learning_rate}
        for name, network in (("generator", generator), ("discriminator", discriminator)):
            init_weights(network)
            channels_last(network)
            self._optimizers[name] = make_adam(network, rates[name], config.beta1)
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()

    def networks(self) -> dict[str, nn.Module]:
        """Return generator, discriminator and the averaged generator."""
        return {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}

    def optimizers(self) -> dict[str, Optimizer]:
        """Return Adam for generator and discriminator."""
        return self._optimizers

    def batch_size(self, batch: int, progress: float) -> int:
        """Return at least two tiles for fully connected networks: batch norm needs a spread."""
        return max(batch, 2) if isinstance(self.generator, DenseGenerator) else batch

    def step(self, batch: Batch, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Train discriminator, then generator, and update the average."""
        real, image_class = batch.joint, batch.image_class
        latents = self.latents(rng, len(real))
        set_trainable(self.discriminator, True)
        with self.autocast():
            fake = self.generator(latents, image_class)
        bad = torch.zeros((), device=self.device)
        for _ in range(self.config.steps_of_critic):
            seen_real, seen_fake = self._augment(real, rng), self._augment(fake.detach(), rng)
            with self.autocast():  # real and fake in two batches: batch norm would mix their statistics
                logits = self.discriminator(seen_real, image_class)
                fake_logits, shared = self.judge_drawn(seen_fake, latents, image_class)
                loss_d = discriminator_loss(logits, fake_logits, self.adversarial)
            loss = sum(shared.values(), loss_d)
            if self.adversarial == "wasserstein":
                slope = gradient_penalty(lambda x: self.discriminator(x, image_class), seen_real, seen_fake, rng)
                loss = loss + PENALTY * slope
            bad = torch.maximum(bad, descend(loss, self.discriminator, self._optimizers["discriminator"]))

        set_trainable(self.discriminator, False)
        seen_fake = self._augment(fake, rng)
        with self.autocast():
            fake_logits, shared = self.judge_drawn(seen_fake, latents, image_class)
            loss_g = generator_loss(fake_logits, self.adversarial)
        loss = sum(shared.values(), loss_g)
        bad = torch.maximum(bad, descend(loss, self.generator, self._optimizers["generator"]))
        self.record_step(len(real))
        update_average(self.average, self.generator, len(real), self.average_window, 1000 * self.config.ema_half_life)
        losses = {"discriminator": loss_d, "generator": loss_g, **shared}
        return {name: value.detach() for name, value in losses.items()} | {"bad": bad}

    def judge_drawn(self, drawn: Tensor, latents: Tensor, image_class: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute logits (N,) of samples drawn from latent vectors, and further losses that both networks minimise."""
        return self.discriminator(drawn, image_class), {}

    def draw(self, latents: Tensor, image_class: Tensor | None = None, variety: float = 1.0) -> Tensor:
        """Draw image and mask channels with the averaged network from latent vectors times ``variety``."""
        samples: Tensor = self.average(latents * variety, image_class)
        return samples

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
