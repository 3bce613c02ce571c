"""Settings of the joint generator aae."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings

WASSERSTEIN = ("wasserstein", "perceptual_wasserstein", "wasserstein_plain")


class AaeConfig(Settings):
    """Adversarial autoencoder (Makhzani 2015): learns to copy pairs through a short code, and draws from the codes."""

    shape: ClassVar[str] = "joint"
    title: ClassVar[str] = "AAE – draws image and mask through a short code"
    when: ClassVar[str] = (
        "For calm training on few pairs: copies and varies them within minutes; pictures are smooth. Samples from "
        "noise lag behind: at 64 px they were still blobs after 1500 steps. Given pairs are varied from Python "
        "(Aae.vary). With wasserstein and perceptual_wasserstein a step takes some nine times as long."
    )
    tiles: ClassVar[tuple[int, ...]] = (64, 128, 256)
    max_batch: ClassVar[int] = 32

    name: Literal["aae"] = "aae"
    network: Literal["conv", "mlp"] = Field(
        "conv", description="Convolutions, or fully connected layers as first published (best at 64 px)."
    )
    loss: Literal[
        "bce",
        "bce_l1",
        "least_squares",
        "poisson",
        "wasserstein",
        "perceptual_wasserstein",
        "wasserstein_plain",
    ] = Field(
        "bce",
        description="Loss of the discriminators. Warning: wasserstein_plain bounds no slope and tends to diverge; "
        "it is there only to reproduce older work.",
    )
    reconstruction_loss: Literal["mse", "l1", "bce", "bce_l1", "least_squares", "poisson"] = Field(
        "mse", description="Distance of a copied pair from its original, pixel by pixel."
    )
    image_critic: Literal["auto", "on", "off"] = Field(
        "auto",
        description="A PatchGAN that tells copies from originals; auto: with wasserstein and perceptual_wasserstein.",
    )
    perceptual: Literal["auto", "vgg19", "disc", "encoder"] = Field(
        "auto",
        description="Whose features perceptual_wasserstein compares: VGG19's, the image critic's (disc) or the "
        "encoder's; auto: VGG19's if a weight file is given, else the critic's, else the encoder's.",
    )
    vgg19_weights: str = Field(
        "",
        description="VGG19 weights in torchvision's layout, .safetensors or .pth. Empty with perceptual=vgg19: "
        "torchvision must be installed and downloads its own.",
    )
    perceptual_weight: float = Field(100.0, ge=0, description="Weight of the features beside the critics' verdict.")
    adv_weight: float = Field(
        0.001, ge=0, le=1, description="Share of the discriminators in the loss; the rest is the reconstruction."
    )
    critic_steps: int | None = Field(
        None, ge=1, le=20, description="Discriminator steps per step; empty: 5 with a Wasserstein loss, else 1."
    )
    penalty_weight: float = Field(10.0, ge=0, description="Weight of the gradient penalty of the Wasserstein losses.")
    latent: int | None = Field(None, ge=2, le=1024, description="Numbers in a code; empty: 64 (conv) or 10 (mlp).")
    channels: int = Field(32, ge=8, le=128, multiple_of=8, description="Feature maps at half the tile size (conv).")
    max_channels: int = Field(256, ge=16, le=1024, multiple_of=8, description="Most feature maps of any layer (conv).")
    discriminator_channels: int = Field(32, ge=8, le=128, description="Feature maps of the image critic's first layer.")
    width: int = Field(512, ge=16, le=2048, description="Units of a fully connected layer.")
    samples_from: Literal["fitted", "normal"] = Field(
        "fitted",
        description="Where samples are drawn: a normal distribution fitted to the codes of the real tiles, or N(0, 1) "
        "as published.",
    )
    learning_rate: float = Field(2e-4, gt=0, le=0.1, description="Of Adam, all networks (1e-4 in DeblurGAN).")
    beta1: float = Field(0.5, ge=0, lt=1, description="First momentum of Adam.")

    @model_validator(mode="after")
    def _disc_needs_a_critic(self) -> AaeConfig:
        if self.perceptual == "disc" and self.image_critic == "off":
            raise UserError(
                "Perceptual features of the image critic (disc) are asked for, and it is off.",
                "Expected a critic to take features from.",
                "Set image_critic to auto, or perceptual to encoder.",
            )
        return self

    def check_tile(self, size: int) -> None:
        """Refuse a tile size the network cannot take (it doubles 8 px up to the tile)."""
        if size not in self.tiles:
            raise UserError(f"The tile is {size} px.", f"AAE takes {self.tiles} px.", "Change the tile size.")

    @property
    def code(self) -> int:
        """Numbers in a code."""
        return self.latent or (64 if self.network == "conv" else 10)

    @property
    def steps_of_critics(self) -> int:
        """Discriminator steps per step."""
        return self.critic_steps or (5 if self.loss in WASSERSTEIN[:2] else 1)

    @property
    def judges_images(self) -> bool:
        """Whether there is an image critic."""
        return self.image_critic == "on" or (self.image_critic == "auto" and self.loss in WASSERSTEIN[:2])

    @property
    def features(self) -> str:
        """Whose features are compared: ``vgg19``, ``disc``, ``encoder``, or empty."""
        if self.loss != "perceptual_wasserstein":
            return ""
        if self.perceptual != "auto":
            return self.perceptual
        if self.vgg19_weights:
            return "vgg19"
        return "disc" if self.judges_images else "encoder"
