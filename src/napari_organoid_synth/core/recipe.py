"""The recipe of a training: what is drawn, tiles, codec, generator, length."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SerializeAsAny, model_validator

from napari_organoid_synth.core.codec.spec import CodecSettings, Shape
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import WHICH, DeviceName, Threads, Which, member_of
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.generators.pix2pix_config import Pix2PixConfig
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.registry import GENERATORS


class TrainSettings(Settings):
    """How long and on what."""

    steps: int = Field(4000, ge=1, description="Optimiser steps.")
    batch: int = Field(4, ge=1, le=256, description="Tiles per step.")
    seed: int = Field(0, ge=0, description="Fixes every random choice of the training.")
    device: DeviceName = "auto"
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="Arithmetic inside the networks; auto times the first steps and keeps the faster."
    )
    threads: Threads = 0
    preview_every: int = Field(100, ge=1, description="Steps between live samples.")
    previews: int = Field(4, ge=1, le=16, description="Pairs in a live sample.")
    checkpoint_every: int = Field(500, ge=1, description="Steps between checkpoints.")
    keep: int = Field(2, ge=1, description="Newest checkpoints that are kept; the best one is kept besides.")
    stop_after: int = Field(
        0, ge=0, le=1000, description="Checkpoints without improvement after which the training ends; 0: never."
    )


class StartSettings(Settings):
    """Weights to start from instead of random ones (transfer learning)."""

    run: str = Field("", description="A run of this project, the folder of any run, or a .synth file; empty: none.")
    checkpoint: Which = Field("newest", pattern=WHICH, description="Of that run: newest, best, or a step.")
    freeze: int = Field(
        0, ge=0, le=20, description="Layers of the discriminator, from its input on, that stay as they were there."
    )


class Recipe(Settings):
    """A training: what is drawn, tiles, codec, generator, length."""

    gan: Annotated[SerializeAsAny[Settings], member_of(GENERATORS)] = Field(
        Pix2PixConfig(), description="The generator."
    )
    draws: Literal["pairs", "images", "masks"] = Field(
        "pairs", description="What a generator that starts from noise draws: image and mask together, or one of them."
    )
    start: StartSettings = StartSettings()
    tiles: TileSettings = TileSettings()
    codec: CodecSettings = CodecSettings()
    train: TrainSettings = TrainSettings()

    @model_validator(mode="after")
    def _tile_fits(self) -> Recipe:
        self.gan.check_tile(self.tiles.size)  # type: ignore[attr-defined]
        return self

    @model_validator(mode="after")
    def _painter_needs_pairs(self) -> Recipe:
        if self.gan.shape == "painter" and self.draws != "pairs":  # type: ignore[attr-defined]
            name = self.gan.name  # type: ignore[attr-defined]
            raise UserError(
                f"The recipe lets {name} draw {self.draws}.",
                f"{name} paints images onto masks and needs both.",
                "Set draws to 'pairs', or choose a generator that starts from noise.",
            )
        return self

    @property
    def shape(self) -> Shape:
        """What goes in and out of the generator: ``painter``, or ``joint``, ``image``, ``mask`` from noise."""
        if self.gan.shape == "painter":  # type: ignore[attr-defined]
            return "painter"
        shapes: dict[str, Shape] = {"pairs": "joint", "images": "image", "masks": "mask"}
        return shapes[self.draws]
