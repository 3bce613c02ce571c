"""Adversarial autoencoder (Makhzani 2015, arXiv 1511.05644): reconstructs pairs from codes that resemble noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.optim import Optimizer

from napari_organoid_synth.core.generators.aae_config import AaeConfig
from napari_organoid_synth.core.generators.base import channels_last, descend, make_adam, set_trainable
from napari_organoid_synth.core.generators.blocks import Norm, init_weights, up_layer
from napari_organoid_synth.core.generators.canvas import Stream
from napari_organoid_synth.core.generators.latent import LatentGenerator
from napari_organoid_synth.core.generators.losses import (
    LOSSES,
    discriminator_loss,
    generator_loss,
    gradient_penalty,
    reconstruction_loss,
)
from napari_organoid_synth.core.generators.perceptual import Vgg19, load_vgg19
from napari_organoid_synth.core.generators.pix2pix import PatchDiscriminator

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec
    from napari_organoid_synth.core.generators.batch import Batch

SMALLEST = 8
"""Size at which convolutions end and the code begins, px."""
SHOWN = 0.5
"""Share of the training in which a `SkipDecoder` sees what the encoder saw; else it learns to draw from codes alone."""
DECAY = 0.995
"""Decay of `CodeCloud`, per step: about 200 steps count."""


class Encoder(nn.Module):
    """Network from samples (N, C, Y, X) to codes: features, then a linear layer.

    Parameters
    ----------
    features : nn.Sequential
        To (N, F).
    width : int
        F.
    code : int
        Length of a code.
    spread : bool
        Whether a code is drawn from N(μ, σ²), both predicted, or is μ itself.
    """

    def __init__(self, features: nn.Sequential, width: int, code: int, spread: bool) -> None:
        super().__init__()
        self.features, self.spread = features, spread
        self.last = nn.Linear(width, 2 * code if spread else code)

    def forward(self, x: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Compute codes (N, L) float32: μ without ``rng`` or spread, else μ + σ · N(0, 1)."""
        return self.code(self.features(x), rng)

    def code(self, features: Tensor, rng: torch.Generator | None = None) -> Tensor:
        """Compute codes of features (N, F), as `forward` does."""
        numbers: Tensor = self.last(features).float()
        if not self.spread:
            return numbers
        mean, log_variance = numbers.chunk(2, 1)
        if rng is None:
            return mean
        return mean + torch.exp(log_variance / 2) * torch.randn(mean.shape, generator=rng, device=mean.device)


class Decoder(nn.Module):
    """Network from codes (N, L) to samples (N, C, Y, X) float32 in [-1, 1]."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers

    def forward(self, codes: Tensor, seen: Sequence[Tensor] = ()) -> Tensor:
        """Draw the samples of codes; only a `SkipDecoder` uses what the encoder has ``seen``."""
        return torch.tanh(self.layers(codes).float())


def conv_autoencoder(channels: int, tile: int, config: AaeConfig) -> nn.ModuleDict:
    """Build an autoencoder that halves tiles down to 8 × 8 px and doubles them; group norm but in the first layer.

    At 256 px the encoder has 32, 64, 128, 256, 256 feature maps, the decoder 256 (at 8 px), 256, 128, 64, 32, 16.
    """
    halvings = (tile // SMALLEST).bit_length() - 1
    widths = [min(config.max_channels, config.channels * 2**level) for level in range(halvings)]
    down: list[nn.Module] = []
    inside = channels
    for width in widths:
        normed = _group_norm(width) if down else []
        down += [nn.Conv2d(inside, width, 4, 2, 1, bias=not normed), *normed, nn.LeakyReLU(0.2)]
        inside = width
    flattened = inside * SMALLEST**2
    up: list[nn.Module] = [
        nn.Linear(config.code, flattened),
        nn.Unflatten(1, (inside, SMALLEST, SMALLEST)),
        nn.LeakyReLU(0.2),
    ]
    for width in (*reversed(widths[:-1]), widths[0] // 2):
        up += [*up_layer(inside, width, "resize", bias=False), *_group_norm(width), nn.LeakyReLU(0.2)]
        inside = width
    encoder = Encoder(nn.Sequential(*down, nn.Flatten()), flattened, config.code, spread=False)
    if config.skips:
        return nn.ModuleDict({"encoder": encoder, "decoder": SkipDecoder(channels, widths, config.code)})
    decoder = Decoder(nn.Sequential(*up, nn.Conv2d(inside, channels, 3, 1, 1)))
    return nn.ModuleDict({"encoder": encoder, "decoder": decoder})


class SkipDecoder(nn.Module):
    """Network from codes (N, L) to samples, which at each size may also see what the encoder saw there, as in a U-Net.

    Parameters
    ----------
    channels : int
        Of the samples.
    widths : sequence of int
        Feature maps of the encoder, at half the size of the samples first.
    code : int
        Length of a code.
    """

    def __init__(self, channels: int, widths: Sequence[int], code: int) -> None:
        super().__init__()
        inside = widths[-1]
        self.first = nn.Sequential(
            nn.Linear(code, inside * SMALLEST**2), nn.Unflatten(1, (inside, SMALLEST, SMALLEST)), nn.LeakyReLU(0.2)
        )
        blocks, self.seen_widths = list[nn.Module](), tuple(widths[::-1])
        for width, seen in zip((*reversed(widths[:-1]), widths[0] // 2), self.seen_widths, strict=True):
            up = up_layer(inside + seen, width, "resize", bias=False)
            blocks.append(nn.Sequential(*up, *_group_norm(width), nn.LeakyReLU(0.2)))
            inside = width
        self.blocks, self.last = nn.ModuleList(blocks), nn.Conv2d(inside, channels, 3, 1, 1)

    def forward(self, codes: Tensor, seen: Sequence[Tensor] = ()) -> Tensor:
        """Draw the samples of codes; without ``seen`` zeros stand in their place."""
        x: Tensor = self.first(codes)
        for place, (block, width) in enumerate(zip(self.blocks, self.seen_widths, strict=True), 1):
            skip = seen[-place].to(x.dtype) if seen else x.new_zeros(len(x), width, *x.shape[-2:])
            x = block(torch.cat([x, skip.contiguous(memory_format=torch.channels_last)], 1))
        return torch.tanh(self.last(x).float())


def mlp_autoencoder(channels: int, tile: int, config: AaeConfig) -> nn.ModuleDict:
    """Build an autoencoder of two hidden layers each way, with codes from a predicted normal distribution."""
    values, width = channels * tile**2, config.width
    features = nn.Sequential(
        nn.Flatten(), nn.Linear(values, width), nn.LeakyReLU(0.2), nn.Linear(width, width), nn.LeakyReLU(0.2)
    )
    layers = nn.Sequential(
        nn.Linear(config.code, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, values),
        nn.Unflatten(1, (channels, tile, tile)),
    )
    return nn.ModuleDict({"encoder": Encoder(features, width, config.code, spread=True), "decoder": Decoder(layers)})


def latent_critic(code: int, width: int) -> nn.Sequential:
    """Build a network to logits (N, 1) of codes (N, L): positive means "drawn from N(0, 1)"."""
    return nn.Sequential(
        nn.Linear(code, width),
        nn.LeakyReLU(0.2),
        nn.Linear(width, width // 2),
        nn.LeakyReLU(0.2),
        nn.Linear(width // 2, 1),
    )


class CodeCloud(nn.Module):
    """Running mean (L,) and covariance (L, L) of the codes of real tiles, initially those of N(0, 1).

    The discriminator never brings the codes completely to N(0, 1), and a decoder draws blobs for codes unlike those of
    the training. A normal distribution fitted to the codes matches them better (Ghosh 2020, arXiv 1903.12436, 4).
    """

    mean: Tensor
    covariance: Tensor

    def __init__(self, code: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(code))
        self.register_buffer("covariance", torch.eye(code))

    @torch.no_grad()
    def update(self, codes: Tensor) -> None:
        """Update mean and covariance with the codes (N, L) of one step."""
        offsets = codes - self.mean
        self.covariance.lerp_(offsets.T @ offsets / len(codes), 1 - DECAY)
        self.mean.lerp_(codes.mean(0), 1 - DECAY)

    def place(self, noise: Tensor, variety: float = 1.0) -> Tensor:
        """Transform noise (N, L) of N(0, 1) to codes (N, L); ``variety`` 0 gives the mean code."""
        room = 1e-6 * torch.eye(len(self.mean), device=noise.device)  # some directions may have no spread
        spread: Tensor = torch.linalg.cholesky(self.covariance + room)
        return self.mean + variety * noise @ spread.T


class Aae(LatentGenerator):
    """A joint generator: the decoder of an autoencoder whose codes a discriminator cannot distinguish from N(0, 1).

    A step improves encoder and decoder by (1 - w) · reconstruction + w · adversarial, then the discriminators. The
    adversarial part is the loss of the codes, with an image critic also that of the copies, and with
    ``perceptual_wasserstein`` 100 × the distance between features of copies and originals.
    """

    config: AaeConfig

    def __init__(self, config: AaeConfig, spec: PairSpec) -> None:
        super().__init__(config, spec)
        self.latent = config.code
        self.adversarial = LOSSES.get(config.loss, "wasserstein")
        self.penalised = self.adversarial == "wasserstein" and config.loss != "wasserstein_plain"
        channels = spec.image_channels + spec.mask_channels
        build = conv_autoencoder if config.network == "conv" else mlp_autoencoder
        trained: dict[str, nn.Module] = {
            "autoencoder": build(channels, spec.tile, config),
            "discriminator_latent": latent_critic(config.code, config.width),
        }
        if config.judges_images:
            # a gradient penalty needs independent samples: no norms, as published
            norm: Norm = "none" if self.penalised else "instance"
            judge = trained["discriminator_image"] = PatchDiscriminator(channels, config.discriminator_channels, norm)
            init_weights(judge)
        self._optimizers: dict[str, Optimizer] = {
            name: make_adam(channels_last(network), config.learning_rate, config.beta1)
            for name, network in trained.items()
        }
        self.cloud = CodeCloud(config.code)
        self._networks = trained | {"codes": self.cloud}

    def networks(self) -> dict[str, nn.Module]:
        """Return autoencoder, discriminators of codes and, if chosen, of images, and the distribution of codes."""
        return self._networks

    def optimizers(self) -> dict[str, Optimizer]:
        """Return Adam for each network."""
        return self._optimizers

    @property
    def encoder(self) -> Encoder:
        """Network from samples to codes."""
        return self._networks["autoencoder"]["encoder"]  # type: ignore[index,no-any-return]

    @property
    def decoder(self) -> Decoder | SkipDecoder:
        """Network from codes to samples."""
        return self._networks["autoencoder"]["decoder"]  # type: ignore[index,no-any-return]

    @property
    def metadata(self) -> dict[str, str]:
        """Network whose features are compared, name and SHA-256 of its file; a warning about ``wasserstein_plain``."""
        if self.config.loss == "wasserstein_plain":
            return {"loss": "wasserstein_plain bounds no slope; only to reproduce older work"}
        if self.config.features == "vgg19":
            return self._vgg19[1]
        return {"perceptual": self.config.features} if self.config.features else {}

    @cached_property
    def _vgg19(self) -> tuple[Vgg19, dict[str, str]]:
        """VGG19, loaded by the first training step; drawing samples needs no weight file."""
        network, notes = load_vgg19(self.config.vgg19_weights)
        channels_last(network.to(self.device))
        return network, notes

    def step(self, batch: Batch, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Train encoder and decoder, then the discriminators."""
        config, real = self.config, batch.joint
        critics = {name: network for name, network in self._networks.items() if name.startswith("discriminator")}
        for critic in critics.values():
            set_trainable(critic, False)
        with self.autocast():
            codes, seen = self._looked_at(real, rng)
            if seen:
                shown = torch.rand(len(real), 1, 1, 1, generator=rng, device=self.device) < SHOWN
                seen = [shown * one for one in seen]
            drawn = self.decoder(codes, seen)
            verdicts = [critics["discriminator_latent"](codes).float()]
            hidden: list[Tensor] = []
            if "discriminator_image" in critics:
                *hidden, verdict = critics["discriminator_image"](drawn)
                verdicts.append(verdict)
        copied = reconstruction_loss(drawn, real, config.reconstruction_loss)
        adversarial = torch.stack([generator_loss(verdict, self.adversarial) for verdict in verdicts]).sum()
        losses = {"reconstruction": copied.detach(), "generator": adversarial.detach()}
        if config.features:
            distance = self._feature_distance(real, drawn, hidden)
            adversarial = adversarial + config.perceptual_weight * distance
            losses["perceptual"] = distance.detach()
        share = config.adversarial_share
        loss = (1 - share) * copied + share * adversarial
        bad = descend(loss, self._networks["autoencoder"], self._optimizers["autoencoder"])

        codes, drawn = codes.detach(), drawn.detach()
        self.cloud.update(codes)
        for name, critic in critics.items():
            set_trainable(critic, True)
            for _ in range(config.steps_of_critics):
                if name == "discriminator_latent":
                    loss = self._critic_loss(critic, self.latents(rng, len(codes)), codes, rng)
                else:
                    loss = self._critic_loss(critic, real, drawn, rng)
                bad = torch.maximum(bad, descend(loss, critic, self._optimizers[name]))
            losses[name] = loss.detach()
        self.record_step(len(real))
        return losses | {"bad": bad}

    def _looked_at(self, real: Tensor, rng: torch.Generator | None = None) -> tuple[Tensor, list[Tensor]]:
        """Compute codes of pairs, and with skips what the encoder saw at each size, the largest first."""
        if not self.config.skips:
            return self.encoder(real, rng), []
        seen, features = list[Tensor](), real
        for layer in self.encoder.features:
            features = layer(features)
            if isinstance(layer, nn.LeakyReLU):
                seen.append(features)
        return self.encoder.code(features, rng), seen

    def _critic_loss(self, critic: nn.Module, real: Tensor, fake: Tensor, rng: torch.Generator) -> Tensor:
        with self.autocast():  # in one batch, since no critic mixes samples
            on_real, on_fake = _verdict(critic, torch.cat([real, fake])).chunk(2)
            loss = discriminator_loss(on_real, on_fake, self.adversarial)
        if not self.penalised:
            return loss
        return loss + self.config.penalty_weight * gradient_penalty(lambda x: _verdict(critic, x), real, fake, rng)

    def _feature_distance(self, real: Tensor, drawn: Tensor, hidden: list[Tensor]) -> Tensor:
        """Compute E(φ(x) - φ(x̂))², the mean over layers; φ itself gets no gradient.

        ``hidden`` are the hidden layers of the image critic, if there is one, for ``drawn``.
        """
        with self.autocast():
            if self.config.features == "vgg19":
                images = slice(0, self.spec.image_channels or None)  # masks have no texture, unless there is no image
                network = self._vgg19[0]
                targets, features = [network(real[:, images])], [network(drawn[:, images])]
            elif self.config.features == "disc":
                with torch.no_grad():
                    targets = self._networks["discriminator_image"](real)[:-1]
                features = hidden
            else:
                weights = {key: value.detach() for key, value in self.encoder.features.named_parameters()}
                targets, features = ([functional_call(self.encoder.features, weights, (x,))] for x in (real, drawn))
        return torch.stack(
            [(a.float() - b.float()).square().mean() for a, b in zip(targets, features, strict=True)]
        ).mean()

    @torch.no_grad()
    def draw(self, latents: Tensor, image_class: Tensor | None = None, variety: float = 1.0) -> Tensor:
        """Draw image and mask channels of codes, distributed by ``samples_from``, spread by ``variety``."""
        codes = latents * variety if self.config.samples_from == "normal" else self.cloud.place(latents, variety)
        output: Tensor = self.decoder(codes)
        return output

    @torch.no_grad()
    def encode(self, samples: Tensor) -> Tensor:
        """Compute codes (N, L) float32 of encoded pairs (N, C + M, Y, X); for codes with a spread their means."""
        codes: Tensor = self.encoder(samples)
        return codes

    @torch.no_grad()
    def vary(self, samples: Tensor, rng: Stream | Sequence[Stream], sigma: float = 0.5) -> Tensor:
        """Draw variations of given pairs: the decoder of E(x) + σ ε with ε of N(0, 1).

        Parameters
        ----------
        samples : Tensor (N, C + M, Y, X) float32 in [-1, 1]
            Encoded pairs.
        rng : Stream or sequence of Stream
            One for all, or one for each of the N.
        sigma : float
            0 gives the copies themselves.

        Returns
        -------
        Tensor (N, C + M, Y, X) float32 in [-1, 1]
        """
        codes, seen = self._looked_at(samples)
        output: Tensor = self.decoder(codes + sigma * self.latents(rng, len(samples)), seen)
        return output


def _group_norm(width: int) -> list[nn.Module]:
    return [nn.GroupNorm(math.gcd(8, width), width)]


def _verdict(critic: nn.Module, x: Tensor) -> Tensor:
    """Compute logits, float32; a PatchGAN returns its hidden layers before them."""
    outputs = critic(x)
    logits: Tensor = outputs[-1] if isinstance(outputs, list) else outputs
    return logits.float()
