"""Settings of the painter flow."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from napari_organoid_synth.core.generators.config import Kind
from napari_organoid_synth.core.generators.flow_matching_config import VERY_FEW, FlowMatchingConfig
from napari_organoid_synth.core.generators.picture import IMAGE, MASK, NOISE, TO, Part, Picture


class FlowConfig(FlowMatchingConfig):
    """Flow matching (Lipman 2023): paints an image onto a mask in some steps from noise."""

    kind: ClassVar[Kind] = "painter"
    title: ClassVar[str] = "Flow – paints masks in steps"
    when: ClassVar[str] = (
        "For variety: images of one mask differ from each other, at any size without seams. Needs some 2,500 steps or "
        "more, from one image on; painting takes seconds, not milliseconds."
    )
    aimed: ClassVar[float] = 0.5
    picture: ClassVar[Picture] = (MASK, Part("with"), NOISE, TO, IMAGE)

    @classmethod
    def suggest(cls, images: int, side: int, object_side: float = 0.0) -> dict[str, float]:
        """Suggest also to follow the masks more strictly where one or two images leave them half learned."""
        found = super().suggest(images, side, object_side)
        return {**found, "gan.guidance": 1.5} if images <= VERY_FEW else found

    name: Literal["flow"] = "flow"
    guidance: float = Field(
        1.0,
        ge=0,
        le=4,
        description="How strictly a picture follows its mask: 1 as learned, 1.5 for sparse objects or short trainings, "
        "2 exaggerates. Other values than 1 double the time.",
    )
    drop_mask: float = Field(
        0.1, ge=0, lt=1, description="Share of the tiles that are shown without their mask, which guidance needs."
    )
