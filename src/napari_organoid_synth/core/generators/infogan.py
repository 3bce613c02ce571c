"""InfoGAN (Chen 2016, arXiv 1606.03657): finds categories and gradual traits without labels.

A latent vector is, in this order, ``config.latent`` numbers of noise, one score for each category (the largest chooses
the category), and one number for each continuous code. All are N(0, 1), so that latent vectors are drawn, mixed and
walked like those of any other generator; the network sees the category as a one-hot vector and each continuous code as
u = erf(number / √2), which is U(-1, 1).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.generators.adversarial import AdversarialGenerator
from napari_organoid_synth.core.generators.infogan_config import InfoganConfig
from napari_organoid_synth.core.generators.networks import ConvDiscriminator, ConvGenerator

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec

UNITS = 128
"""Units of the layer between the shared features and the prediction of the codes."""
MAX_LOG_VARIANCE = 6.0
"""Limit of the predicted log σ²: without it a code that is predicted well would outweigh all others."""
DEFAULT_CATEGORIES = 10
"""Categories where images carry no classes."""
SPAN = 0.95
"""Ends of a walk along a continuous code, in [-1, 1]."""


class InfoGenerator(ConvGenerator):
    """DCGAN's generator with noise, category and continuous codes as input, taken from a latent vector."""

    def __init__(
        self,
        noise: int,
        categories: int,
        continuous: int,
        outside: int,
        tile: int,
        channels: int,
        most: int,
        upsample: str,
    ) -> None:
        super().__init__(noise + categories + continuous, outside, tile, channels, most, upsample)
        self.noise, self.categories = noise, categories

    def forward(self, noise: Tensor, image_class: Tensor | None = None) -> Tensor:
        """Draw (N, C, tile, tile) float32 in [-1, 1] from latent vectors (N, L)."""
        category, codes = self.codes(noise)
        one_hot = functional.one_hot(category, self.categories).to(noise.dtype)
        return super().forward(torch.cat([noise[:, : self.noise], one_hot, codes], 1))

    def codes(self, latents: Tensor) -> tuple[Tensor, Tensor]:
        """Return category (N,) int64 and continuous codes (N, continuous) in [-1, 1] of latent vectors (N, L)."""
        after = self.noise + self.categories
        return latents[:, self.noise : after].argmax(1), torch.erf(latents[:, after:] / math.sqrt(2))


class InfoDiscriminator(ConvDiscriminator):
    """DCGAN's discriminator; a head on the same features (Q in the paper) predicts the codes of a sample."""

    def __init__(
        self, categories: int, continuous: int, inside: int, tile: int, channels: int, most: int, norm: bool = True
    ) -> None:
        super().__init__(inside, tile, channels, most, norm=norm)
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d)
        self.categories = categories
        self.guess = nn.Sequential(
            nn.Conv2d(last.in_channels, UNITS, 4), nn.LeakyReLU(0.2), nn.Conv2d(UNITS, categories + 2 * continuous, 1)
        )

    def judge(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Compute logits (N,), and predict the codes: category logits (N, K), mean and log σ² (N, continuous) each."""
        features = self.features(x)
        guess = self.guess(features).float().flatten(1)
        mean, raw = guess[:, self.categories :].chunk(2, 1)
        log_variance = MAX_LOG_VARIANCE * torch.tanh(raw / MAX_LOG_VARIANCE)
        return self.layers[-1](features).float().flatten(), guess[:, : self.categories], mean, log_variance


class Infogan(AdversarialGenerator):
    """min over G, Q, max over D of V(D, G) - λ L(G, Q), L a lower bound of the mutual information of codes and sample.

    Q shares the features of D, so it learns together with D, on what the generator drew; G learns from both. What the
    augmentation changes (orientation, brightness) cannot be predicted from a sample and so cannot become a code.
    """

    config: InfoganConfig
    generator: InfoGenerator
    discriminator: InfoDiscriminator

    def __init__(self, config: InfoganConfig, spec: PairSpec) -> None:
        channels, tile, most = spec.image_channels + spec.mask_channels, spec.tile, config.max_channels
        known = len(spec.image_classes)
        categories = config.categories or (known if known > 1 else DEFAULT_CATEGORIES)
        sizes = (config.latent, categories, config.continuous)
        super().__init__(
            config,
            spec,
            InfoGenerator(*sizes, channels, tile, config.generator_channels, most, config.upsample),
            InfoDiscriminator(
                categories, config.continuous, channels, tile, config.discriminator_channels, most, config.has_norm
            ),
        )
        self.latent = sum(sizes)

    def judge_drawn(self, drawn: Tensor, latents: Tensor, image_class: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute logits, and the losses of predicting the codes from the samples."""
        category, codes = self.generator.codes(latents)
        logits, guess, mean, log_variance = self.discriminator.judge(drawn)
        return logits, {
            "category": self.config.category_weight * functional.cross_entropy(guess, category),
            "continuous": self.config.continuous_weight * code_loss(codes, mean, log_variance),
        }

    def with_codes(
        self, latents: Tensor, category: int | None = None, continuous: dict[int, float] | None = None
    ) -> Tensor:
        """Return the same latent vectors with other codes.

        Parameters
        ----------
        latents : Tensor (N, L)
            As `latents` gives them; they stay as they are.
        category : int, optional
            Number of the category; its score changes places with the largest.
        continuous : dict of int to float, optional
            Number of a continuous code, from 0, to its value in (-1, 1).
        """
        latents, first = latents.clone(), self.config.latent
        after = first + self.generator.categories
        if category is not None:
            scores = latents[:, first:after]
            best, at = scores.max(1, keepdim=True)
            scores.scatter_(1, at, scores[:, [category]])
            scores[:, [category]] = best
        for code, value in (continuous or {}).items():
            latents[:, after + code] = math.sqrt(2) * torch.erfinv(torch.tensor(value))
        return latents

    @torch.no_grad()
    def walk_code(self, latent: Tensor, code: int, steps: int) -> Tensor:
        """Draw samples (steps, C + M, Y, X) of a latent vector (L,) while a continuous code goes from -0.95 to 0.95."""
        values = torch.linspace(-SPAN, SPAN, steps).tolist()
        return self.draw(torch.cat([self.with_codes(latent[None], continuous={code: value}) for value in values]))


def code_loss(codes: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Compute the negative log-likelihood of codes (N, n), without its constant: ½ Σ (u - μ)² / σ² + log σ².

    Summed over the codes, mean over the samples.
    """
    each = (codes - mean).square() * torch.exp(-log_variance) + log_variance
    return 0.5 * each.sum(1).mean()
