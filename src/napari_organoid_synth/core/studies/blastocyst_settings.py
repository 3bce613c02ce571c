"""Settings of the blastocyst study."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.studies.members import Members
from napari_organoid_synth.core.studies.settings import Size, StudySettings


class BlastocystSettings(StudySettings):
    """ProGAN and StyleGAN on whole images with grades, grown from 16 px."""

    name: Literal["blastocyst"] = Field("blastocyst", description="Name of the study.")
    grades: str = Field(
        "", description="Table (CSV) with the grade beside the name of each image; empty: the only CSV of the folder."
    )
    grade_column: str = Field(
        "", description="Title of its column; empty: the only other one, or one titled grade, class or label."
    )
    side: Literal[64, 128, 256, 512] = Field(
        256, description="Whole images are cropped to their middle square and resized to this side, px."
    )
    generators: Members = Field(
        {
            "progan": {"name": "progan", "first_size": 16, "batch_growth": 16},
            "stylegan": {"name": "stylegan", "first_size": 16, "batch_growth": 16},
        },
        description="Generators, each by its name with the settings that are not the usual ones.",
    )
    kimg: float = Field(6000.0, gt=0, description="Thousand images that a generator is shown, over all sizes.")
    batch: int = Field(4, ge=1, le=64, description="Images of a step at full size; twice as many at half the size.")
    images: int = Field(0, ge=0, le=100_000, description="Images that each generator draws; 0: as many as originals.")
    extractor: Literal["encoder", "inception2048", "inception64", "vgg19", "random"] = Field(
        "encoder",
        description="Network whose features compare sets; inception2048 with its weights gives clean FID and KID.",
    )
    weights: str = Field("", description="File of weights of inception2048, inception64 or vgg19.")


_RATE = {"learning_rate": 0.001}
PUBLISHED = BlastocystSettings(
    size="published",
    generators={
        "progan": {
            **{"name": "progan", "first_size": 16, "batch_growth": 16, **_RATE},
            **{"channels": 8192, "max_channels": 512, "loss": "wgan_gp"},
        },
        "stylegan": {
            **{"name": "stylegan", "first_size": 16, "batch_growth": 16, **_RATE},
            **{"channels": 8192, "max_channels": 512, "latent": 512, "width": 512, "loss": "wgan_gp"},
        },
    },
)
SMALL = PUBLISHED.replace(
    size="small",
    side=64,
    kimg=20.0,
    generators={
        "progan": {
            **{"name": "progan", "first_size": 16, "batch_growth": 16, **_RATE},
            **{"channels": 1024, "max_channels": 64, "latent": 128, "ema_half_life": 2.0},
        },
        "stylegan": {
            **{"name": "stylegan", "first_size": 16, "batch_growth": 16, **_RATE},
            **{"channels": 1024, "max_channels": 64, "loss": "wgan_gp", "ema_half_life": 2.0},
        },
    },
)
SIZES: dict[Size, BlastocystSettings] = {"small": SMALL, "published": PUBLISHED}
