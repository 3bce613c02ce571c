"""The recipe of a training: generator, its output, tiles, codec, length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from napari_organoid_synth.core.codec.spec import CodecSettings, PairSpec, Shape
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import WHICH, DeviceName, Threads, Which
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.generators.analogy_config import AnalogyConfig
from napari_organoid_synth.core.generators.config import AnyGenerator, Draws, generator_config, untrained
from napari_organoid_synth.core.pairs.settings import TileSettings

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.codec import Codec


class TrainSettings(Settings):
    """Length, batch, precision and device of a training."""

    steps: int = Field(4000, ge=1, description="Optimiser steps.")
    epochs: int = Field(
        0, ge=0, le=1_000_000, description="Times that every tile is shown, in place of steps; 0: as many as the steps."
    )
    batch: int = Field(4, ge=1, le=256, description="Tiles per step.")
    seed: int = Field(0, ge=0, description="Fixes every random choice of the training.")
    device: DeviceName = "auto"
    devices: int = Field(
        1, ge=1, le=64, description="Graphics cards that share each batch; with device=cpu processes. Needs [fabric]."
    )
    precision: Literal["auto", "float32", "bf16"] = Field(
        "auto", description="Arithmetic inside the networks; auto times the first steps and keeps the faster."
    )
    threads: Threads = 0
    preview_every: int = Field(100, ge=1, description="Steps between live samples.")
    previews: int = Field(4, ge=1, le=16, description="Pairs in a live sample.")
    checkpoint_every: int = Field(500, ge=1, description="Steps between checkpoints.")
    keep: int = Field(2, ge=1, description="Newest checkpoints that are kept; the best one is always kept, too.")
    stop_after: int = Field(
        0, ge=0, le=1000, description="Checkpoints without improvement after which the training ends; 0: never."
    )


ONLY_TRAINED = (
    "start", "tiles.turn", "tiles.flip", "train.steps", "train.epochs", "train.batch", "train.device", "train.devices",
    "train.precision", "train.threads", "train.preview_every", "train.checkpoint_every", "train.keep",
    "train.stop_after",
)  # fmt: skip
"""Settings of a recipe, dotted, that do not count for a generator without training."""


class StartSettings(Settings):
    """Weights to start from instead of random ones (transfer learning)."""

    run: str = Field("", description="A run of this project, the folder of any run, or a .synth file; empty: none.")
    checkpoint: Which = Field("newest", pattern=WHICH, description="Checkpoint of that run: newest, best, or a step.")
    freeze: int = Field(
        0, ge=0, le=20, description="Layers of the discriminator, from its input on, that stay as they were there."
    )


class Recipe(Settings):
    """A training: output, tiles, codec, generator, length."""

    gan: AnyGenerator = Field(AnalogyConfig(), description="The generator.")
    draws: Draws = Field("pairs", description="What a joint generator draws: image and mask together, or one of them.")
    start: StartSettings = StartSettings()
    tiles: TileSettings = TileSettings()
    codec: CodecSettings = CodecSettings()
    train: TrainSettings = TrainSettings()

    @model_validator(mode="after")
    def _tile_fits(self) -> Recipe:
        self.gan.check_tile(self.tiles.size)
        if self.tiles.whole > self.tiles.size:
            raise UserError(
                f"Whole images of {self.tiles.whole} px do not fit into a tile of {self.tiles.size} px.",
                f"Expected at most {self.tiles.size} px.",
                "Raise tiles.size, or lower tiles.whole.",
            )
        return self

    @model_validator(mode="after")
    def _devices_can_share_it(self) -> Recipe:
        train = self.train
        if train.devices == 1 or not self.gan.trains:
            return self
        if reason := self.gan.looks_at_whole_batch:
            raise UserError(
                f"{self.gan.name} cannot be trained on {train.devices} devices: {reason}.",
                "Expected a generator whose steps look at each tile alone, such as flow or pix2pix.",
                "Set train.devices to 1; a comparison still uses all cards, one training on each.",
            )
        if train.batch % train.devices:
            raise UserError(
                f"{train.batch} tiles per step cannot be shared evenly by {train.devices} devices.",
                f"Expected a multiple of {train.devices}.",
                f"Set train.batch to {train.batch + -train.batch % train.devices}.",
            )
        return self

    @model_validator(mode="after")
    def _kind_can_draw_it(self) -> Recipe:
        if self.draws == "pairs" or self.gan.kind == "joint" or (self.gan.kind, self.draws) == ("mask", "masks"):
            return self
        reason = "paints images onto masks and needs both" if self.gan.kind == "painter" else "draws masks alone"
        raise UserError(
            f"The recipe lets {self.gan.name} draw {self.draws}.",
            f"{self.gan.name} {reason}.",
            "Set draws to 'pairs', or choose a joint generator.",
        )

    @property
    def aimed(self) -> float:
        """Share of the tiles that lie around a pixel of a class; none without masks, or of whole images."""
        if self.shape == "image" or self.tiles.whole:
            return 0.0
        return self.gan.aimed if self.tiles.aimed is None else self.tiles.aimed

    @property
    def shape(self) -> Shape:
        """Input and output of the generator: its kind, but of a joint generator only the part that it draws."""
        if self.gan.kind != "joint":
            return self.gan.kind
        shapes: dict[str, Shape] = {"pairs": "joint", "images": "image", "masks": "mask"}
        return shapes[self.draws]

    def spec(self, codec: Codec) -> PairSpec:
        """Return shapes of input and output of the network, with the codec of a training."""
        return codec.spec(self.tiles.size, self.shape, self.tiles.whole)


def first_recipe(sizes: Sequence[tuple[int, int]], name: str = "") -> Recipe:
    """Return the recipe of a painter without training whose tile fits into images of these sizes (height, width), px.

    Parameters
    ----------
    sizes : sequence of (int, int)
        Of the images.
    name : str
        Of the painter; empty: the first.
    """
    name = name or untrained()[0]
    most, sides = TileSettings().size, generator_config(name).tiles
    fitting = [side for side in sides if side <= min([most, *map(min, sizes)])]
    return Recipe.parse({"gan": name, "tiles": {"size": max(fitting, default=min(sides))}})
