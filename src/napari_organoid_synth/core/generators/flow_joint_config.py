"""Settings of the joint generator flow_joint."""

from __future__ import annotations

from typing import ClassVar, Literal

from napari_organoid_synth.core.generators.config import Kind
from napari_organoid_synth.core.generators.flow_matching_config import FlowMatchingConfig
from napari_organoid_synth.core.generators.picture import NOISE, PAIR, TO, Part, Picture


class FlowJointConfig(FlowMatchingConfig):
    """Flow matching (Lipman 2023): draws image and mask together, or one of them, in some steps from noise."""

    kind: ClassVar[Kind] = "joint"
    title: ClassVar[str] = "Flow – draws image and mask in steps"
    when: ClassVar[str] = (
        "For new shapes as well as new looks from few images, and for images alone. It also finishes sketches, so that "
        "pictures fit a mask although none was annotated. Needs some 4,000 steps or more."
    )

    picture: ClassVar[Picture] = (NOISE, TO, Part("grainy", "less noise"), TO, PAIR)

    name: Literal["flow_joint"] = "flow_joint"
