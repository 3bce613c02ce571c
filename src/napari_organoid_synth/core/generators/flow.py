"""flow: a painter by flow matching (see `flow_matching`), with guidance (Ho & Salimans 2022, arXiv 2207.12598)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from napari_organoid_synth.core.generators.base import streams_of
from napari_organoid_synth.core.generators.canvas import StepStream, Stream, uniform
from napari_organoid_synth.core.generators.flow_config import FlowConfig
from napari_organoid_synth.core.generators.flow_matching import FlowMatching
from napari_organoid_synth.core.generators.flow_network import STRIDE
from napari_organoid_synth.core.generators.flow_sampling import padded

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec
    from napari_organoid_synth.core.generators.batch import Batch


class Flow(FlowMatching):
    """A painter: draws an image (N, C, Y, X) of any size onto an encoded mask (N, M, Y, X).

    Beside the noisy image the network sees the mask and one map that is 1 where the mask is withheld.

    Attributes
    ----------
    guidance : float
        How strictly the next pictures follow their masks; at first that of the settings.
    """

    config: FlowConfig

    def __init__(self, config: FlowConfig, spec: PairSpec) -> None:
        super().__init__(config, spec, spec.image_channels, spec.mask_channels + 1)
        self.guidance = config.guidance

    def steer(self, steps: int | None = None, guidance: float | None = None) -> None:
        """Choose steps and guidance of the next pictures."""
        super().steer(steps)
        self.guidance = self.config.guidance if guidance is None else guidance

    def step(self, batch: Batch, rng: StepStream, progress: float) -> dict[str, Tensor]:
        """Learn to paint the images of a batch; a tenth of them without their masks."""
        withheld = uniform((len(batch.mask), 1, 1, 1), rng)
        withheld = (withheld < self.config.drop_mask).to(batch.mask.dtype)
        return self.learn(batch.image, _shown(batch.mask, withheld), batch.image_class, rng, progress)

    @torch.no_grad()
    def sample(
        self,
        rng: Stream | Sequence[Stream],
        n: int = 1,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Paint the masks ``condition`` (N, M, Y, X), of any size."""
        return self._paint(rng, condition, image_class, variety)

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
        """Turn sketches into images: put them at a time of the way, and follow the rest (SDEdit, arXiv 2108.01073).

        Without a condition the masks are withheld from the network.
        """
        if condition is None:
            condition = pictures.new_zeros(len(pictures), self.spec.mask_channels, *pictures.shape[-2:])
            withheld = 1.0
        else:
            withheld = 0.0
        return self._paint(rng, condition, image_class, variety, withheld, pictures, time)

    @torch.no_grad()
    def repaint(
        self,
        picture: Tensor,
        condition: Tensor,
        box: tuple[int, int, int, int],
        rng: Stream | Sequence[Stream],
        image_class: Tensor | None = None,
        variety: float = 1.0,
        context: int = 32,
    ) -> Tensor:
        """Paint a part of a picture again whose mask changed; see `FlowMatching.redraw`.

        Parameters
        ----------
        picture : Tensor (N, C, Y, X) float32 in [-1, 1]
            As it was painted.
        condition : Tensor (N, M, Y, X)
            The new encoded masks.
        box : (int, int, int, int)
            First row and column, last row and column plus one of the part.
        rng, image_class, variety
            Those that the picture was painted with.
        context : int
            Pixels around the part that the network sees as well.
        """
        height, width = picture.shape[-2:]
        known, mask = padded(picture.to(self.device)), padded(condition.to(self.device))
        inner = slice(box[0], box[2]), slice(box[1], box[3])
        rows, columns = (_around(own, context, length) for own, length in zip(inner, known.shape[-2:], strict=True))
        shown = _shown(mask, mask.new_zeros(len(mask), 1, 1, 1))
        part = self.redraw(streams_of(rng), known, shown, image_class, variety, inner, (rows, columns))
        known[..., rows, columns] = part
        return known[..., :height, :width]

    def _paint(
        self,
        rng: Stream | Sequence[Stream],
        condition: Tensor | None,
        image_class: Tensor | None,
        variety: float,
        withheld: float = 0.0,
        pictures: Tensor | None = None,
        time: float = 0.0,
    ) -> Tensor:
        if condition is None:
            raise ValueError("a painter needs a condition (N, M, Y, X)")
        height, width = condition.shape[-2:]
        mask = padded(condition.to(self.device))
        shown = _shown(mask, mask.new_full((len(mask), 1, 1, 1), withheld))
        sketch = None if pictures is None else padded(pictures.to(self.device))
        shape = (len(mask), self.drawn, *mask.shape[-2:])
        painted = self.draw(streams_of(rng), shape, shown, image_class, variety, sketch, time)
        return painted[..., :height, :width]

    def velocity_of(self, x: Tensor, time: Tensor, shown: Tensor | None, image_class: Tensor | None) -> Tensor:
        """Compute the velocity; away from that without a mask by the guidance: v₀ + g · (v − v₀)."""
        assert shown is not None
        guided = super().velocity_of(x, time, shown, image_class)
        if self.guidance == 1:
            return guided
        free = super().velocity_of(
            x, time, _shown(shown[:, :-1], torch.ones_like(time)[:, None, None, None]), image_class
        )
        return free + self.guidance * (guided - free)


def _around(own: slice, context: int, length: int) -> slice:
    """Return a part with pixels around it, from and to multiples of the stride."""
    first, last = max(0, own.start - context), own.stop + context
    return slice(first // STRIDE * STRIDE, min(length, -(-last // STRIDE) * STRIDE))


def _shown(mask: Tensor, withheld: Tensor) -> Tensor:
    """Return the mask (N, M, Y, X), 0 where withheld (N, 1, 1, 1) is 1, and that number as a further map."""
    number, _, height, width = mask.shape
    return torch.cat([mask * (1 - withheld), withheld.expand(number, 1, height, width)], 1)
