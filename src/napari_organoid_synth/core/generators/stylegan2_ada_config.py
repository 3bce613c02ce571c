"""Settings of the joint generator stylegan2_ada."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.generators.config import GeneratorConfig, Kind
from napari_organoid_synth.core.generators.picture import NOISE, PAIR, TO, Part, Picture

AugmentGroup = Literal["blit", "geom", "color", "filter", "noise", "cutout"]


class StyleGan2AdaConfig(GeneratorConfig):
    """StyleGAN2 with adaptive augmentation (Karras 2020): draws image, mask or both from noise."""

    kind: ClassVar[Kind] = "joint"
    title: ClassVar[str] = "StyleGAN2-ADA – best quality"
    when: ClassVar[str] = (
        "For the best pictures and masks from noise, where there is time or a GPU. With adaptive augmentation a few "
        "hundred tiles are enough. Needs hours on a processor at 64 px; above 128 px, or at the published width, a GPU."
    )
    tiles: ClassVar[tuple[int, ...]] = (32, 64, 128, 256, 512, 1024)
    class_conditional: ClassVar[bool] = True
    picture: ClassVar[Picture] = (
        *(NOISE, TO, Part("styles", "styles"), TO, PAIR),
        *(Part("with"), Part("turned", "turned tiles")),
    )

    name: Literal["stylegan2_ada"] = "stylegan2_ada"
    latent: int = Field(128, ge=2, le=1024, description="Length of latent and style vectors (512 as published).")
    mapping_layers: int = Field(2, ge=1, le=8, description="Layers from latent to style vector (2 or 8 as published).")
    channels: int = Field(
        4096,
        ge=8,
        le=65536,
        description="Feature maps at r px: this / r. 4096 suits a processor; published: 16384 up to 256 px.",
    )
    max_channels: int = Field(
        128, ge=4, le=1024, description="Maximum of feature maps in a layer. 128 suits a processor; published: 512."
    )
    learning_rate: float = Field(0.0025, gt=0, le=0.1, description="Learning rate of Adam, both networks.")
    gamma: float | None = Field(
        None,
        ge=0,
        description="Weight of the R1 penalty; empty: 0.0002 · tile² / batch, at least 2 with masks. Multiply by 2 "
        "to 4 if training is unstable, halve it if samples are dull.",
    )
    r1_at: Literal["image", "augmented"] = Field(
        "image", description="Images at which R1 takes the gradient; 'augmented' avoids second derivatives of the warp."
    )
    path_length: bool = Field(
        True, description="Path length regularisation, as published; off saves a tenth of the time."
    )
    path_weight: float = Field(2.0, ge=0, description="Weight of path length regularisation.")
    mixing: float = Field(0.9, ge=0, le=1, description="Share of samples made with two style vectors.")
    ema_kimg: float | None = Field(
        None, gt=0, description="Half-life of the averaged generator, thousand images; empty: batch · 10 / 32."
    )
    augment: Literal["none", "image", "flow"] = Field(
        "flow",
        description="Adaptive augmentation. flow: the arrows of encoded masks turn with the plane, nothing is "
        "stretched; image: as published, masks are warped like images.",
    )
    augment_groups: tuple[AugmentGroup, ...] = Field(
        ("blit", "geom", "color"),
        description="Kinds of augmentation; blit and geom change image and mask, the others images only.",
    )
    ada_target: float = Field(
        0.6, gt=0, lt=1, description="Target of the augmentation: mean sign of the logits of real tiles."
    )
    ada_kimg: float = Field(
        100.0, gt=0, description="Thousand images in which the strength can rise from 0 to 1 (published: 500)."
    )

    @property
    def looks_at_whole_batch(self) -> str:
        """See `GeneratorConfig`."""
        return "its discriminator compares the tiles of a batch, and ADA adapts to all of them"
