"""flow_joint: image and mask together, or one of them, by flow matching (see `flow_matching`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_organoid_synth.core.generators.base import streams_of
from napari_organoid_synth.core.generators.canvas import StepStream, Stream
from napari_organoid_synth.core.generators.flow_joint_config import FlowJointConfig
from napari_organoid_synth.core.generators.flow_matching import FlowMatching
from napari_organoid_synth.core.generators.flow_sampling import padded

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec
    from napari_organoid_synth.core.generators.batch import Batch


class FlowJoint(FlowMatching):
    """A joint generator: draws image channels and mask channels (N, C + M, Y, X) from noise."""

    config: FlowJointConfig

    def __init__(self, config: FlowJointConfig, spec: PairSpec) -> None:
        super().__init__(config, spec, spec.image_channels + spec.mask_channels, 0)

    def step(self, batch: Batch, rng: StepStream, progress: float) -> dict[str, Tensor]:
        """Learn to draw the tiles of a batch."""
        return self.learn(batch.joint, None, batch.image_class, rng, progress)

    @torch.no_grad()
    def sample(
        self,
        rng: Stream | Sequence[Stream],
        n: int = 1,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Draw tiles from noise."""
        streams, side = streams_of(rng), self.spec.tile
        number = n if len(streams) == 1 else len(streams)
        return self.draw(streams, (number, self.drawn, side, side), None, image_class, variety)

    @torch.no_grad()
    def finish(
        self,
        pictures: Tensor,
        rng: Stream | Sequence[Stream],
        time: float = 0.45,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Turn sketches into pictures: put them at a time of the way, follow the rest (SDEdit, arXiv 2108.01073)."""
        height, width = pictures.shape[-2:]
        sketch = padded(pictures.to(self.device))
        shape = (len(sketch), self.drawn, *sketch.shape[-2:])
        drawn = self.draw(streams_of(rng), shape, None, image_class, variety, sketch, time)
        return drawn[..., :height, :width]
