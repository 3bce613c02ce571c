"""Training data of one step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Tiles of one training step, on one device, ``channels_last``.

    Parameters
    ----------
    image : Tensor (N, C, Y, X) float32 in [-1, 1]
        C is 0 for a generator that draws masks only.
    mask : Tensor (N, M, Y, X) float32 in [-1, 1]
        Encoded masks, or what a painter sees of them; M is 0 for a generator that draws images only.
    image_class : Tensor (N,) int64
        Index into the codec's image classes; 0 when there are none.
    """

    image: Tensor
    mask: Tensor
    image_class: Tensor

    @property
    def joint(self) -> Tensor:
        """Image and mask channels together, (N, C + M, Y, X), for joint generators."""
        return torch.cat([self.image, self.mask], 1)

    def to(self, device: torch.device) -> Batch:
        """Move the batch to another device."""
        if device.type == "cpu":
            return self
        return Batch(*(part.to(device, non_blocking=True) for part in (self.image, self.mask, self.image_class)))
