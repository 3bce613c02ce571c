"""Settings of the tissue study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.fields import Layout, Pattern
from napari_organoid_synth.core.gain.settings import Arms, Share
from napari_organoid_synth.core.generators.config import AnyGenerator
from napari_organoid_synth.core.generators.pix2pix_config import Pix2PixConfig
from napari_organoid_synth.core.generators.stylegan2_ada_config import StyleGan2AdaConfig
from napari_organoid_synth.core.segmentation.segmenters.cellpose_config import CellposeConfig
from napari_organoid_synth.core.segmentation.segmenters.config import AnySegmenter
from napari_organoid_synth.core.segmentation.segmenters.stardist_config import StarDistConfig
from napari_organoid_synth.core.studies.settings import Size, StudySettings

SOURCES: tuple[Layout, ...] = ("generated", "fitted", "simulated", "warped")


class TissueSettings(StudySettings):
    """Masks drawn as flows, images painted onto them, and what the pairs are worth to StarDist and Cellpose."""

    name: Literal["tissue"] = Field("tissue", description="Name of the study.")
    only: Pattern = Field(
        "",
        description="Regular expression in the names of the images that are used, such as ^fluorescence; empty: all.",
    )
    tile: int = Field(256, ge=32, le=1024, description="Side of the tiles that both generators learn from, px.")
    masks: AnyGenerator = Field(StyleGan2AdaConfig(), description="Generator of masks, drawn as heat flows.")
    masks_steps: int = Field(200_000, ge=1, description="Steps of its training.")
    masks_batch: int = Field(16, ge=1, le=256, description="Tiles of a step.")
    checkpoints: int = Field(5, ge=1, le=100, description="Checkpoints of it that are compared; the nearest draws.")
    painter: AnyGenerator = Field(Pix2PixConfig(), description="Painter of images onto masks.")
    painter_epochs: int = Field(600, ge=1, description="Times that it is shown every tile.")
    painter_batch: int = Field(1, ge=1, le=256, description="Tiles of a step.")
    condition: Literal["edges", "labels", "flow"] = Field(
        "edges", description="Form in which the painter sees a mask; labels as published, where numbers wrap at 256."
    )
    sources: tuple[Layout, ...] = Field(
        SOURCES, min_length=1, description="Sources of masks that figure 5 compares, as in 'generate'."
    )
    samples: int = Field(500, ge=8, le=100_000, description="Pairs of each source.")
    checked: int = Field(200, ge=2, le=10_000, description="Masks that are drawn and checked for each encoding.")
    encodings: bool = Field(True, description="Also train on binary masks and on raw labels (figure 3).")
    segmenters: dict[str, AnySegmenter] = Field(
        {"stardist": StarDistConfig(learning_rate=0.003), "cellpose": CellposeConfig()},
        description="Segmenters of table 1 and figure 6, each by its name.",
    )
    arms: Arms = Field(
        ("classical-tissue", "pretrain"),
        description="What they are trained on beside real images alone; pretrain: drawn pairs first, then real ones.",
    )
    protocol: Literal["hold-out", "published"] = Field(
        "published",
        description="published: folds with as many cells each, a painter trained in each, one generator of masks for "
        "all, so it is optimistic; hold-out: one split, no generator sees a tested image.",
    )
    test_share: float = Field(0.25, gt=0, lt=1, description="Share of the images that hold-out tests.")
    folds: int = Field(5, ge=2, le=100, description="Folds of the published protocol.")
    subsets: tuple[Share, ...] = Field(
        (1.0, 0.625, 0.375), min_length=1, description="Shares of the training images (figure 6); 1 is table 1."
    )
    repeats: int = Field(10, ge=1, le=100, description="Trainings of each with other seeds and subsets.")
    segmenter_steps: int = Field(10_000, ge=1, description="Most steps of each training.")
    floor: int = Field(1500, ge=1, description="Steps before which none of them ends.")
    transfer: str = Field(
        "", description="Folder of another set: its generator of masks is trained first, and goes on here; empty: none."
    )
    transfer_only: Pattern = Field("", description="As 'only', for the other set.")
    transfer_steps: int = Field(50_000, ge=1, description="Steps that it goes on here, and of one from random weights.")
    extractor: Literal["encoder", "inception2048", "inception64", "vgg19", "random"] = Field(
        "encoder", description="Network whose features compare masks and images."
    )
    weights: str = Field("", description="File of weights of inception2048, inception64 or vgg19.")


PUBLISHED = TissueSettings(
    size="published",
    masks=StyleGan2AdaConfig(channels=16384, max_channels=512, latent=512),
    painter=Pix2PixConfig(generator_channels=64, discriminator_channels=64, norm="batch", upsample="transposed"),
)
SMALL = TissueSettings(
    tile=64,
    masks=StyleGan2AdaConfig(latent=64, channels=1024, max_channels=64),
    masks_steps=2500,  # at 1200 steps of 8 tiles hardly any mask of real nuclei had an object
    masks_batch=16,
    checkpoints=3,
    painter=Pix2PixConfig(generator_channels=16, discriminator_channels=16),
    painter_epochs=2,
    painter_batch=4,
    samples=60,
    checked=60,
    segmenters={
        "stardist": StarDistConfig(channels=16, tile=64, batch=4),
        "cellpose": CellposeConfig(tile=96, batch=4),
    },
    protocol="hold-out",
    subsets=(1.0, 0.375),
    repeats=1,
    segmenter_steps=300,
    floor=300,
    transfer_steps=500,
)
SIZES: dict[Size, TissueSettings] = {"small": SMALL, "published": PUBLISHED}
