"""What each verb is told: the recipe of a training and the settings of the others."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SerializeAsAny, model_validator

from napari_organoid_synth.core.configs.pix2pix import Pix2PixConfig
from napari_organoid_synth.core.configs.unet import UNetConfig
from napari_organoid_synth.core.registry import GANS, METRICS, SEGMENTERS, Registry
from napari_organoid_synth.core.settings import Settings


def _member_of(registry: Registry) -> Any:
    """Turn ``"dcgan"`` or ``{"name": "dcgan", ...}`` into that member's settings."""

    def validate(value: Any) -> Any:
        if isinstance(value, str):
            value = {"name": value}
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            return registry.config(value["name"]).model_validate(value)
        return value

    return BeforeValidator(validate)


class TileSettings(Settings):
    """How images are cut."""

    size: int = Field(256, ge=32, le=1024, description="Side of a tile, px.")
    overlap: float = Field(0.2, ge=0, lt=0.9, description="Least share of a tile that its neighbour repeats.")
    min_objects: int | None = Field(
        None, ge=0, description="Fewest objects in a kept tile; empty: 3 for instances, 1 for binary, 0 for classes."
    )
    max_cover: float = Field(0.98, gt=0, le=1, description="Largest share of a kept tile that objects may cover.")
    turn: bool = Field(True, description="Also train on the three right-angle rotations.")
    flip: bool = Field(True, description="Also train on mirror images.")


class CodecSettings(Settings):
    """How pixels and labels become network values."""

    low: float = Field(0.1, ge=0, lt=50, description="Percentile of intensity that becomes -1.")
    high: float = Field(99.9, gt=50, le=100, description="Percentile of intensity that becomes +1.")
    condition: Literal["auto", "edges", "classes", "flow", "labels"] = Field(
        "auto", description="What a painter sees of the mask; auto: edges for instances, else one map per class."
    )


class TrainSettings(Settings):
    """How long and on what."""

    steps: int = Field(4000, ge=1, description="Optimiser steps.")
    batch: int = Field(4, ge=1, le=256, description="Tiles per step.")
    seed: int = Field(0, ge=0, description="Fixes every random choice of the training.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="Arithmetic inside the networks; auto times the first steps and keeps the faster."
    )
    threads: int = Field(0, ge=0, description="Processor threads; 0: as many as there are cores.")
    preview_every: int = Field(100, ge=1, description="Steps between live samples.")
    previews: int = Field(4, ge=1, le=16, description="Pairs in a live sample.")
    checkpoint_every: int = Field(500, ge=1, description="Steps between checkpoints.")
    keep: int = Field(2, ge=1, description="Newest checkpoints that are kept.")


class Recipe(Settings):
    """A training: tiles, codec, generator, length."""

    gan: Annotated[SerializeAsAny[Settings], _member_of(GANS)] = Field(Pix2PixConfig(), description="The generator.")
    tiles: TileSettings = TileSettings()
    codec: CodecSettings = CodecSettings()
    train: TrainSettings = TrainSettings()

    @model_validator(mode="after")
    def _tile_fits(self) -> Recipe:
        self.gan.check_tile(self.tiles.size)  # type: ignore[attr-defined]
        return self


class GenerateSettings(Settings):
    """New pairs from a trained run."""

    run: str = Field("", description="Name of the run; empty: the newest.")
    number: int = Field(50, ge=1, le=100_000, description="Pairs to make.")
    seed: int = Field(0, ge=0, description="The same seed and run give the same pairs.")
    masks: Literal["warped", "real", "simulated", "file"] = Field(
        "warped", description="What a painter paints on: real masks warped, as they are, simulated, or a label file."
    )
    mask_file: str = Field("", description="Label image to paint on when masks is 'file'.")
    variety: float = Field(1.0, ge=0, le=2, description="Spread of the noise (joint) or of the warp (painter).")
    batch: int = Field(4, ge=1, le=256, description="Pairs drawn at once.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")


class ScoreSettings(Settings):
    """Scores of generated pairs."""

    metrics: tuple[str, ...] = Field(tuple(METRICS.names()), description="Which scores.")
    again: bool = Field(False, description="Also pairs that have their scores.")


class ExportSettings(Settings):
    """A curated set as files."""

    folder: str = Field("", description="Where; empty: exports/<time> in the project.")
    formats: tuple[Literal["ome-tiff", "cellpose", "stardist", "nnunet", "biapy"], ...] = Field(
        ("ome-tiff",), min_length=1, description="Layouts to write."
    )
    include_real: bool = Field(False, description="Also the real training pairs.")
    validation: float = Field(0.2, ge=0, lt=1, description="Share of the set put aside for validation.")
    seed: int = Field(0, ge=0, description="Fixes the split.")


class SegmentSettings(Settings):
    """A segmenter trained on several sets (arms), each with the same number of steps."""

    segmenter: Annotated[SerializeAsAny[Settings], _member_of(SEGMENTERS)] = Field(
        UNetConfig(), description="The segmenter."
    )
    arms: tuple[Literal["real", "classical", "synthetic", "curated"], ...] = Field(
        ("real", "classical", "curated"),
        min_length=1,
        description="real; real + classical augmentation; real + all synthetic; real + accepted synthetic.",
    )
    steps: int = Field(500, ge=1, description="Optimiser steps of every arm.")
    seed: int = Field(0, ge=0, description="Fixes initial weights and crops.")
    device: str = Field("auto", pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")
    threads: int = Field(0, ge=0, description="Processor threads; 0: as many as there are cores.")


VERBS: dict[str, type[Settings]] = {
    "train": Recipe,
    "generate": GenerateSettings,
    "score": ScoreSettings,
    "export": ExportSettings,
    "segment": SegmentSettings,
}
"""Every long verb and its settings; the function is ``core.<verb>.<verb>(project, settings, control)``."""
