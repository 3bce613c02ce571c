"""Settings of the joint generator stylegan2_ada."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings

AugmentGroup = Literal["blit", "geom", "color", "filter", "noise", "cutout"]


class StyleGan2AdaConfig(Settings):
    """StyleGAN2 with adaptive augmentation (Karras 2020): draws image, mask or both from noise."""

    shape: ClassVar[str] = "joint"
    title: ClassVar[str] = "StyleGAN2-ADA – draws image, mask or both, best quality"
    when: ClassVar[str] = (
        "For the best pictures and masks from noise, where there is time or a GPU. Adaptive augmentation lets some "
        "hundred tiles suffice. Needs hours on a processor at 64 px; above 128 px or at the published width, a GPU."
    )
    tiles: ClassVar[tuple[int, ...]] = (32, 64, 128, 256, 512, 1024)
    max_batch: ClassVar[int] = 32

    name: Literal["stylegan2_ada"] = "stylegan2_ada"
    latent: int = Field(128, ge=2, le=1024, description="Numbers in latent and style vector (512 as published).")
    mapping_layers: int = Field(2, ge=1, le=8, description="Layers from latent to style vector (2 or 8 published).")
    channels: int = Field(
        4096, ge=8, le=65536, description="Feature maps at r px: this / r. Processor 4096; 16384 published to 256 px."
    )
    max_channels: int = Field(128, ge=4, le=1024, description="Most feature maps. Processor 128; 512 as published.")
    learning_rate: float = Field(0.0025, gt=0, le=0.1, description="Of Adam, both networks.")
    gamma: float | None = Field(
        None,
        ge=0,
        description="Weight of R1; empty: 0.0002 · tile² / batch, with masks 2 or more. Unstable: ×2–4; dull: half.",
    )
    r1_at: Literal["image", "augmented"] = Field(
        "image", description="Where R1 takes the gradient; 'augmented' avoids second derivatives of the warp."
    )
    path_length: bool = Field(True, description="Path length regularisation, as published; off saves a tenth.")
    path_weight: float = Field(2.0, ge=0, description="Its weight.")
    mixing: float = Field(0.9, ge=0, le=1, description="Share of samples made with two style vectors.")
    ema_kimg: float | None = Field(
        None, gt=0, description="Half-life of the averaged generator, thousand images; empty: batch · 10 / 32."
    )
    augment: Literal["none", "image", "flow"] = Field(
        "flow",
        description="Adaptive augmentation. flow: arrows of masks turn along, no stretching; image: as published, "
        "masks are warped like images.",
    )
    augment_groups: tuple[AugmentGroup, ...] = Field(
        ("blit", "geom", "color"), description="Kinds of augmentation; all but blit and geom touch images only."
    )
    ada_target: float = Field(0.6, gt=0, lt=1, description="Mean sign of the judgement of real tiles to hold.")
    ada_kimg: float = Field(
        100.0, gt=0, description="Thousand images in which the strength can go from 0 to 1 (500 for 25 000 kimg)."
    )

    def check_tile(self, size: int) -> None:
        """Refuse a tile size the network cannot take (it doubles 4 px up to the tile)."""
        if size not in self.tiles:
            raise UserError(f"The tile is {size} px.", f"StyleGAN2-ADA takes {self.tiles} px.", "Change the tile size.")
