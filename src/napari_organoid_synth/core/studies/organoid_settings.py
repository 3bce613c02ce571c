"""Settings of the organoid study."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field

from napari_organoid_synth.core.fields import Pattern
from napari_organoid_synth.core.segmentation.segmenters.config import AnySegmenter
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.studies.members import Members
from napari_organoid_synth.core.studies.settings import Size, StudySettings

LOSSES = {
    "bce": "BCE",
    "bce_l1": "BCE + L1",
    "least_squares": "Least squares",
    "poisson": "Poisson",
    "wasserstein": "Wasserstein",
    "perceptual_wasserstein": "Perceptual Wasserstein",
}
"""The six losses of the study, and what it calls them."""
ARCHITECTURES = {"gan": "GAN", "cgan": "CGAN", "dcgan": "DCGAN", "infogan": "InfoGAN", "aae": "AAE"}
"""The five generators of table 1."""


class OrganoidSettings(StudySettings):
    """Five generators, six losses, and what their images are worth to a U-Net, leave one out."""

    name: Literal["organoid"] = Field("organoid", description="Name of the study.")
    side: int = Field(
        250, ge=32, le=1024, description="Whole images are cropped to their middle square and resized to this side, px."
    )
    tile: int = Field(
        256,
        ge=32,
        le=1024,
        description="Side of the networks, px: images are mirrored at their edges up to it, samples are cut back.",
    )
    classes: Pattern = Field(
        "",
        description="Regular expression that finds the class in the name of an image, such as '^(normal|abnormal)', "
        "for generators that draw a class; empty: no classes.",
    )
    generators: Members = Field(
        {name: {"name": name} for name in ARCHITECTURES},
        description="Generators of table 1, each by its name with the settings that are not the usual ones.",
    )
    losses: Members = Field(
        {loss: {"name": "aae", "loss": loss} for loss in LOSSES},
        description="Generators of table 2, figure 2 and table 3: the autoencoder with each loss.",
    )
    planned: Members = Field(
        {},
        description="Generators of table 4, which the authors plan: the losses on the other architectures, an "
        "autoencoder with skips.",
    )
    epochs: int = Field(2000, ge=1, description="Rounds over all images in the training of a generator.")
    batch: int = Field(32, ge=1, le=256, description="Images of a training step; at most as many as there are.")
    images: int = Field(0, ge=0, le=10_000, description="Images that each generator draws; 0: as many as originals.")
    extractor: Literal["encoder", "inception2048", "inception64", "vgg19", "random"] = Field(
        "encoder",
        description="Network whose features compare sets and make the map: the encoder learns from the images.",
    )
    weights: str = Field("", description="File of weights of inception2048, inception64 or vgg19.")
    features: Literal["ours", "own"] = Field(
        "ours",
        description="Features of the map of each loss: ours, of the extractor, so that maps can be compared; own, the "
        "codes of the autoencoder itself, as in the study.",
    )
    restarts: int = Field(10, ge=1, le=100, description="How often each t-SNE starts; the best is kept.")
    segmenter: AnySegmenter = Field(UNetConfig(), description="The segmenter of table 3.")
    segmenter_steps: int = Field(10_000, ge=1, description="Steps of each training of the segmenter.")
    arms: tuple[str, ...] = Field(
        ("classical-organoid", "raw+synthetic"),
        description="What table 3 compares beside real images alone; as in a comparison.",
    )
    together: bool = Field(True, description="Also an arm with the images of all losses together, as planned there.")
    protocol: Literal["published", "honest"] = Field(
        "published",
        description="published: the generators saw the images that table 3 tests, so it is optimistic; honest: they "
        "are trained again for each tested image, which takes as many times longer.",
    )
    repeats: int = Field(1, ge=1, le=100, description="Trainings of each U-Net with other seeds.")


OTHER_LOSSES = ("bce_l1", "least_squares", "poisson", "wasserstein")
"""Losses that a generator from noise can have beside BCE; the perceptual one compares a copy with its original."""


def _planned(generators: dict[str, dict[str, Any]], names: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return some of the generators with each other loss, and the autoencoder with skips."""
    others = {f"{name}_{loss}": {**generators[name], "loss": loss} for name in names for loss in OTHER_LOSSES}
    return {**others, "aae_skips": {**generators["aae"], "skips": True}}


_GENERATORS: dict[str, dict[str, Any]] = {
    "gan": {"name": "gan", "augment": "none"},
    "cgan": {"name": "cgan", "network": "mlp", "augment": "none"},
    "dcgan": {"name": "dcgan", "augment": "none"},
    "infogan": {"name": "infogan", "augment": "none"},
    "aae": {"name": "aae", "loss": "bce"},
}
_NARROW = {"generator_channels": 32, "discriminator_channels": 32}
_SMALL_GENERATORS = {
    name: {**values, **(_NARROW if name in ("dcgan", "infogan") else {})} for name, values in _GENERATORS.items()
}

PUBLISHED = OrganoidSettings(
    size="published",
    generators=_GENERATORS,
    planned=_planned(_GENERATORS, ("gan", "cgan", "dcgan", "infogan")),
    segmenter=UNetConfig(network="original", channels=64, depth=4, whole=True, tile=256, batch=8),
)
SMALL = PUBLISHED.replace(
    size="small",
    side=64,
    tile=64,
    generators=_SMALL_GENERATORS,
    planned=_planned(_SMALL_GENERATORS, ("dcgan",)),
    epochs=600,
    batch=16,
    restarts=3,
    segmenter=UNetConfig(channels=16, depth=3, whole=True, tile=64, batch=8).model_dump(),
    segmenter_steps=150,
)
SIZES: dict[Size, OrganoidSettings] = {"small": SMALL, "published": PUBLISHED}
