"""Settings shared by flow and flow_joint."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.config import GeneratorConfig

SIDES = 16
"""Sides of tiles are multiples of it, px."""
VERY_FEW, FEW = 2, 20  # images
LARGE_OBJECT = 48  # px


class FlowMatchingConfig(GeneratorConfig):
    """Flow matching on a straight path (Lipman 2023, Liu 2023): a network moves noise to pictures, step by step."""

    tiles: ClassVar[tuple[int, ...]] = (64, 128, 256)
    class_conditional: ClassVar[bool] = True

    channels: int = Field(
        48, ge=8, le=256, multiple_of=8, description="Feature maps at half the size; a multiple of 8."
    )
    max_channels: int = Field(
        128, ge=8, le=512, multiple_of=8, description="Most feature maps of a level; a multiple of 8."
    )
    sampling_steps: int = Field(
        16, ge=1, le=200, description="Steps from noise to picture: 6 for a quick look, 16 for use; more change little."
    )
    learning_rate: float = Field(1e-3, gt=0, le=0.1, description="Learning rate of Adam.")
    decay_from: float = Field(0.6, ge=0, le=1, description="Share of the training after which the rate falls to 0.")
    least_time: float = Field(
        0.0,
        ge=0,
        le=0.8,
        description="Share of the way from noise to picture that is not learned; 0.2 for a network that only finishes "
        "sketches.",
    )

    @property
    def looks_at_whole_batch(self) -> str:
        """See `GeneratorConfig`."""
        return ""

    @classmethod
    def suggest(cls, images: int, side: int, object_side: float = 0.0) -> dict[str, float]:
        """Suggest small tiles, for a large picture is painted whole, and more steps for more images."""
        large = images > FEW or (images > VERY_FEW and object_side > LARGE_OBJECT)
        tile = min(128 if large else 64, max(side // SIDES, 2) * SIDES)
        steps = 4000 if images <= VERY_FEW else 7000 if images <= FEW else 10_000
        return {"tiles.size": tile, "train.steps": steps}

    def check_tile(self, size: int) -> None:
        """Refuse a tile size, px, that the network cannot halve: it folds pixels in pairs and halves three times."""
        if size % SIDES or size < 2 * SIDES:
            raise UserError(
                f"The tile is {size} px.",
                f"{self.short_title()} takes multiples of {SIDES} px from {2 * SIDES} px on.",
                "Change the tile size.",
            )
