"""Settings of generate, pipeline and fill."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import LAYOUTS, WHICH, DeviceName, Layout, Names, Which
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.metrics.settings import FeatureSettings
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.recipe import Recipe

VARIETY = "Spread of the noise that images are drawn or painted from, 1 as trained."


class GenerateSettings(Settings):
    """New pairs from a trained run."""

    run: str = Field(
        "",
        description="Name of the run, or a .synth file; 'analogy' paints now with the project's pairs, without "
        "training; empty: the newest run, or analogy where there is none.",
    )
    checkpoint: Which = Field("newest", pattern=WHICH, description="Of that run: newest, best, or a step.")
    number: int = Field(50, ge=1, le=100_000, description="Pairs to make.")
    seed: int = Field(0, ge=0, description="The same seed, run and first number give the same pairs.")
    first: int | None = Field(
        None,
        ge=0,
        description="Number of the first pair of this seed; empty: the one after those that the project has.",
    )
    masks: Literal[Layout, "file"] = Field("auto", description=f"{LAYOUTS[:-1]}. file: one label image.")
    cover: float = Field(
        0.0,
        ge=0,
        le=0.9,
        description="Share of the area that the objects of arranged masks cover; 0: as measured on the real masks.",
    )
    contact: float = Field(
        -1.0,
        ge=-1,
        le=1,
        description="Share of the objects of arranged masks that touch another; below 0: as measured.",
    )
    warp: float = Field(
        0.3,
        ge=0,
        le=2,
        description="How far real masks (warped), or the outlines of their objects (arranged), are bent; above 0.5 "
        "outlines become rough, below 1 a warped mask resembles its original.",
    )
    mask_run: str = Field("", description="The run that draws the masks when masks is 'generated'; empty: the newest.")
    mask_checkpoint: Which = Field(
        "newest", pattern=WHICH, description="Checkpoint of that run: newest, best, or a step."
    )
    mask_file: str = Field("", description="Label image to paint on when masks is 'file'.")
    mask_tiles: Names = Field(
        (),
        description="Real tiles, such as image_y0_x128_r0, whose masks alone are warped, also where masks is auto; "
        "empty: masks from anywhere.",
    )
    image_class: str = Field("", description="Class of the images (healthy, a grade); empty: each class in turn.")
    size: int = Field(
        0,
        ge=0,
        le=1024,
        description="Side of the pairs, px; 0: that of the tiles learned from. Painters paint others in overlapping "
        "tiles; generators that draw from noise have one size, and a mask from a file has its own.",
    )
    variety: float = Field(1.0, ge=0, le=2, description=VARIETY)
    near: str = Field(
        "",
        description="Sample of the same run that the new pairs are to be like: their noise is near to its own. "
        "A painter without training has no noise that is near: its pairs differ as always.",
    )
    distance: float = Field(
        0.3, gt=0, le=1, description="How far from the noise of that sample: 1 has nothing of it left."
    )
    sampling_steps: int | None = Field(
        None,
        ge=1,
        le=200,
        description="Steps from noise to picture of flow: 6 for a quick look, 16 for use; empty: as trained.",
    )
    guidance: float | None = Field(
        None,
        ge=0,
        le=4,
        description="How strictly flow follows a mask: 1 as learned, 1.5 for sparse objects or short trainings, 2 "
        "exaggerates; empty: as trained.",
    )
    background: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of each channel's range that an uneven background with dust adds to the image, from its "
        "darkest to its brightest place; 0: none.",
    )
    batch: int = Field(4, ge=1, le=256, description="Pairs drawn at once.")
    device: DeviceName = "auto"

    def layout(self, mask_kind: MaskKind) -> str:
        """Return where the masks come from, ``auto`` resolved for a kind of masks."""
        if self.masks != "auto":
            return self.masks
        if self.mask_tiles:
            return "warped"
        return "moved" if mask_kind == "classes" else "arranged"


class PipelineSettings(FeatureSettings):
    """Masks first, then images: a mask generator, a painter, and pairs made with both.

    The features of ``extractor`` show which checkpoint draws the masks that are nearest to the real ones.
    """

    masks: Recipe = Field(
        Recipe.model_validate(
            {"gan": "stylegan2_ada", "draws": "masks", "train": {"batch": 8, "steps": 8000, "keep": 5}}
        ),
        description="Training of the mask generator.",
    )
    painter: Recipe = Field(Recipe(), description="Training of the painter.")
    checked: int = Field(100, ge=1, le=10_000, description="Masks that are drawn and checked before painting.")
    least_passed: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of the drawn masks that must pass the check; with less nothing is painted, and the pipeline "
        "ends.",
    )
    masks_alone: bool = Field(
        False, description="Make masks alone, as label images in the folder of the pipeline; no painter is trained."
    )
    number: int = Field(50, ge=1, le=100_000, description="Pairs, or masks alone, to make.")
    seed: int = Field(0, ge=0, description="The same seed and trainings give the same pairs.")

    @model_validator(mode="after")
    def _fitting_shapes(self) -> PipelineSettings:
        if self.masks.shape != "mask" or self.painter.shape != "painter":
            raise UserError(
                f"The pipeline's masks draw {self.masks.draws} and its painter is {self.painter.gan.name}.",
                "Expected draws=masks, and a generator that paints.",
                "Set masks.draws to 'masks' and painter.gan to a painter such as flow.",
            )
        return self


class FillSettings(FeatureSettings):
    """New pairs near real tiles that no pair comes near."""

    region: int = Field(1, ge=1, description="Number of the empty region on the map.")
    tiles: Names = Field((), description="Real tiles by name, such as image_y0_x128_r0, in place of a region.")
    number: int = Field(20, ge=1, le=10_000, description="Pairs to keep.")
    tries: int = Field(8, ge=1, le=1000, description="Pairs that are drawn for each one that is kept.")
    run: str = Field("", description="Name of the run; empty: the newest that draws images.")
    checkpoint: Which = Field("newest", pattern=WHICH, description="Of that run: newest, best, or its step.")
    variety: float = Field(1.0, ge=0, le=2, description=VARIETY)
    seed: int = Field(0, ge=0, description="The same seed, run and tiles give the same pairs.")
    batch: int = Field(4, ge=1, le=256, description="Pairs drawn at once.")
