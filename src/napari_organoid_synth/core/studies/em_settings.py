"""Settings of the study of electron micrographs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.fields import Layout
from napari_organoid_synth.core.gain.settings import Arms
from napari_organoid_synth.core.generators.config import AnyGenerator
from napari_organoid_synth.core.generators.pix2pix_config import Pix2PixConfig
from napari_organoid_synth.core.segmentation.segmenters.config import AnySegmenter
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.studies.settings import Size, StudySettings


class EmSettings(StudySettings):
    """Membranes by transfer from another set, micrographs painted on both classes, a U-Net for one of them."""

    name: Literal["em"] = Field("em", description="Name of the study.")
    source: str = Field(
        "",
        description="Folder of the set in which both classes are drawn: images/ and a folder of masks/ for each; "
        "empty: the folder of images holds both sets, a folder each.",
    )
    known: str = Field(
        "mitochondria", description="Class of both sets: a folder of masks/ in each. It alone is scored."
    )
    target: str = Field("membranes", description="Class that is learned from the first set and predicted in the other.")
    scale: float = Field(1.0, gt=0, le=1, description="Use all images at this share of their size.")
    test_share: float = Field(
        0.25, gt=0, lt=1, description="Share of the images of each set that is put aside for the test."
    )
    noise: float = Field(0.2, ge=0, le=1, description="Noise while the class is learned, σ up to this of 0 to 1.")
    transfer: UNetConfig = Field(UNetConfig(channels=32), description="The U-Net that learns and predicts the class.")
    transfer_steps: int = Field(5000, ge=1, description="Steps of its training.")
    painter: AnyGenerator = Field(
        Pix2PixConfig(scales=3, generator_channels=64, discriminator_channels=64, upsample="transposed", dropout=0.5),
        description="The painter, with three discriminators as published.",
    )
    tile: int = Field(256, ge=64, le=1024, description="Side of the tiles that the painter learns from, px.")
    batch: int = Field(1, ge=1, le=64, description="Tiles of a step of the painter.")
    epochs: int = Field(200, ge=1, description="Times that the painter is shown every tile.")
    masks: Layout = Field("moved", description="What is painted on, as in 'generate'.")
    pairs: int = Field(200, ge=1, le=100_000, description="Micrographs that are painted.")
    segmenter: AnySegmenter = Field(UNetConfig(), description="The U-Net that finds the known class.")
    arms: Arms = Field(
        ("classical", "raw+synthetic", "classical+synthetic"),
        description="What it is trained on beside real images alone; as in a comparison.",
    )
    segmenter_steps: int = Field(10_000, ge=1, description="Most steps of each of its trainings.")
    floor: int = Field(1500, ge=1, description="Steps before which none of them ends.")
    repeats: int = Field(3, ge=1, le=100, description="Trainings of each with other seeds.")


PUBLISHED = EmSettings(size="published")
SMALL = EmSettings(
    scale=0.5,
    transfer=UNetConfig(channels=16, depth=3, tile=128, batch=4),
    transfer_steps=500,
    painter=Pix2PixConfig(scales=3, generator_channels=16, discriminator_channels=16),
    tile=128,
    batch=2,
    epochs=3,
    pairs=40,
    segmenter=UNetConfig(channels=16, depth=3, tile=128, batch=4),
    arms=("classical", "classical+synthetic"),
    segmenter_steps=2000,
    floor=600,
    repeats=1,
)
SIZES: dict[Size, EmSettings] = {"small": SMALL, "published": PUBLISHED}
