"""Settings of the painter analogy."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.generators.config import GeneratorConfig, Kind
from napari_organoid_synth.core.generators.picture import IMAGE, MASK, TO, Part, Picture


class AnalogyConfig(GeneratorConfig):
    """Image analogy (Hertzmann 2001): paints masks with small patches of your images; needs no training."""

    kind: ClassVar[Kind] = "painter"
    trains: ClassVar[bool] = False
    title: ClassVar[str] = "Analogy – paints now, no training"
    when: ClassVar[str] = (
        "The first choice: puts images together from small pieces of your own, from one annotated image on, without "
        "training. All texture is that of your images, in pieces usually a few pixels wide; nothing unseen is "
        "invented, so it does not make images anonymous, and a model file of it contains your images. Objects that are "
        "larger or more crowded than any of yours come out badly, which each pair says of itself. A mask is never "
        "painted with its own image. Where hundreds of pairs are at hand, a trained painter may vary more."
    )
    tiles: ClassVar[tuple[int, ...]] = (64, 128, 256, 512)
    class_conditional: ClassVar[bool] = True
    picture: ClassVar[Picture] = (Part("pair", "your pairs"), Part("with"), MASK, TO, IMAGE)

    name: Literal["analogy"] = "analogy"
    quality: Literal["full", "fast"] = Field(
        "full", description="'fast' takes two thirds of the time; texture is a little less regular."
    )
    turn: bool = Field(
        True, description="Also take pieces turned and mirrored; switch off where light or tissue has a direction."
    )
    sources: int = Field(
        20, ge=1, le=200, description="Most images that are kept to paint from; more are left out by chance."
    )
