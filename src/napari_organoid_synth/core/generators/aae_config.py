"""Settings of the joint generator aae."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import Switch
from napari_organoid_synth.core.generators.config import GeneratorConfig, Kind
from napari_organoid_synth.core.generators.picture import TO, Part, Picture

WASSERSTEIN = ("wasserstein", "perceptual_wasserstein", "wasserstein_plain")


class AaeConfig(GeneratorConfig):
    """Adversarial autoencoder (Makhzani 2015): reconstructs pairs from short codes and draws from new codes."""

    kind: ClassVar[Kind] = "joint"
    title: ClassVar[str] = "AAE – copies through a short code"
    when: ClassVar[str] = (
        "For stable training on few pairs: reconstructs and varies them within minutes; pictures are smooth. New "
        "samples take longer: at 64 px they were still blobs after 1500 steps. Variations of given pairs: Aae.vary, "
        "from Python. The image critic more than doubles the time of a step; with wasserstein and "
        "perceptual_wasserstein, which train it five times, it is about nine times as long."
    )
    tiles: ClassVar[tuple[int, ...]] = (64, 128, 256)
    picture: ClassVar[Picture] = (Part("pair", "pair"), TO, Part("code", "short code"), TO, Part("pair", "copy"))

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
        description="Loss of the discriminators. Warning: wasserstein_plain has no gradient penalty and tends to "
        "diverge; use it only to reproduce older work.",
    )
    reconstruction_loss: Literal["mse", "l1", "bce", "bce_l1", "least_squares", "poisson"] = Field(
        "mse", description="Pixelwise distance between a pair and its reconstruction."
    )
    image_critic: Switch = Field(
        "on",
        description="A PatchGAN that tells reconstructions from real pairs, by which the loss reaches the pictures; "
        "auto: with wasserstein and perceptual_wasserstein alone.",
    )
    perceptual: Literal["auto", "vgg19", "disc", "encoder"] = Field(
        "auto",
        description="Network whose features perceptual_wasserstein compares: VGG19, the image critic (disc) or the "
        "encoder; auto: VGG19 if a weight file is given, else the critic, else the encoder.",
    )
    vgg19_weights: str = Field(
        "",
        description="File of VGG19 weights in torchvision's layout, .safetensors or .pth. Empty with perceptual=vgg19: "
        "torchvision downloads its own and must be installed.",
    )
    perceptual_weight: float = Field(
        100.0, ge=0, description="Weight of the feature distance relative to the adversarial loss."
    )
    adv_weight: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the adversarial loss; the rest is reconstruction. Empty: 0.01, and 0.001 with "
        "perceptual_wasserstein, whose feature distance counts 100 times. Other losses hardly matter with 0.001.",
    )
    critic_steps: int | None = Field(
        None, ge=1, le=20, description="Discriminator steps per step; empty: 5 with a Wasserstein loss, else 1."
    )
    penalty_weight: float = Field(10.0, ge=0, description="Weight of the gradient penalty of the Wasserstein losses.")
    latent: int | None = Field(None, ge=2, le=1024, description="Length of a code; empty: 64 (conv) or 10 (mlp).")
    channels: int = Field(32, ge=8, le=128, multiple_of=8, description="Feature maps at half the tile size (conv).")
    max_channels: int = Field(
        256, ge=16, le=1024, multiple_of=8, description="Maximum of feature maps in a layer (conv)."
    )
    discriminator_channels: int = Field(32, ge=8, le=128, description="Feature maps of the image critic's first layer.")
    width: int = Field(512, ge=16, le=2048, description="Units of a fully connected layer.")
    skips: bool = Field(
        False,
        description="The decoder also sees what the encoder saw at each size (conv), as a U-Net does, in half of the "
        "training: variations of given pairs keep their details, and new samples are still drawn from codes alone.",
    )
    samples_from: Literal["fitted", "normal"] = Field(
        "fitted",
        description="Distribution of the codes of new samples: a normal distribution fitted to the codes of the real "
        "tiles, or N(0, 1) as published.",
    )
    learning_rate: float = Field(
        2e-4, gt=0, le=0.1, description="Learning rate of Adam, all networks (1e-4 in DeblurGAN)."
    )
    beta1: float = Field(0.5, ge=0, lt=1, description="First momentum (β₁) of Adam.")

    @property
    def looks_at_whole_batch(self) -> str:
        """See `GeneratorConfig`."""
        return "it measures the spread of all codes of a batch"

    @model_validator(mode="after")
    def _skips_need_convolutions(self) -> AaeConfig:
        if self.skips and self.network == "mlp":
            raise UserError(
                "An autoencoder with skips is chosen, but its network is 'mlp'.",
                "Expected convolutions: the decoder sees what the encoder saw at each size.",
                "Set network to 'conv', or skips to false.",
            )
        return self

    @model_validator(mode="after")
    def _disc_needs_a_critic(self) -> AaeConfig:
        if self.perceptual == "disc" and self.image_critic == "off":
            raise UserError(
                "Features of the image critic are chosen (perceptual: disc), but image_critic is off.",
                "Expected an image critic to take features from.",
                "Set image_critic to auto, or perceptual to encoder.",
            )
        return self

    @property
    def code(self) -> int:
        """Length of a code."""
        return self.latent or (64 if self.network == "conv" else 10)

    @property
    def adversarial_share(self) -> float:
        """Share of the adversarial loss."""
        if self.adv_weight is not None:
            return self.adv_weight
        return 0.001 if self.features else 0.01

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
        """Network whose features are compared: ``vgg19``, ``disc``, ``encoder``; empty: none."""
        if self.loss != "perceptual_wasserstein":
            return ""
        if self.perceptual != "auto":
            return self.perceptual
        if self.vgg19_weights:
            return "vgg19"
        return "disc" if self.judges_images else "encoder"
