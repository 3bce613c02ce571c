"""Network, targets and loss of StarDist, as in stardist 0.9."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from napari_organoid_synth.core.segmentation.segmenters.stardist_config import StarDistConfig

FEATURES = 128
"""Maps of the convolution before the two heads."""
BACKGROUND = 1e-4
"""Weight of distances outside objects."""
DISTANCES = 0.2
"""Weight of the distances relative to the probability."""
EPSILON = 1e-7
"""Of Keras: in Adam, and against a division by zero."""
THRESHOLDS = 0.5, 0.4
"""Of probability and overlap, before they are fitted."""


class StarNet(nn.Module):
    """The network of `stardist.models.StarDist2D`; every convolution has the name of its Keras layer.

    Parameters
    ----------
    in_channels : int
        Of an image.
    config : StarDistConfig

    Attributes
    ----------
    thresholds : Tensor (2,) float32
        Probability above which a pixel proposes a shape, and overlap above which the less probable of two is dropped.
    """

    thresholds: Tensor

    def __init__(self, in_channels: int, config: StarDistConfig) -> None:
        super().__init__()
        self.depth, self.halvings, base = config.depth, config.grid.bit_length() - 1, config.channels
        widths = [base * 2**level for level in range(self.depth + 1)]
        now = in_channels

        def add(name: str, out: int, kernel: int = 3, more: int = 0) -> None:
            nonlocal now
            convolution = nn.Conv2d(now + more, out, kernel, padding=kernel // 2)
            nn.init.xavier_uniform_(convolution.weight)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            self.add_module(name, convolution)
            now = out

        for number in range(2 * self.halvings):
            add(f"conv2d_{number}" if number else "conv2d", base)
        for level in range(self.depth):
            add(f"down_level_{level}_no_0", widths[level])
            add(f"down_level_{level}_no_1", widths[level])
        add("middle_0", widths[self.depth])
        add("middle_2", widths[self.depth - 1])
        for level in reversed(range(self.depth)):
            add(f"up_level_{level}_no_0", widths[level], more=widths[level])
            add(f"up_level_{level}_no_2", widths[max(0, level - 1)])
        add("features", FEATURES)
        add("prob", 1, kernel=1)
        now = FEATURES
        add("dist", config.rays, kernel=1)
        self.register_buffer("thresholds", torch.tensor(THRESHOLDS))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map images (N, C, Y, X) to logits (N, 1, Y / grid, X / grid) and distances (N, rays, ..., ...) in px."""
        for number in range(self.halvings):
            x = self._relu(f"conv2d_{2 * number}" if number else "conv2d", x)
            x = F.max_pool2d(self._relu(f"conv2d_{2 * number + 1}", x), 2)
        skips = []
        for level in range(self.depth):
            x = self._relu(f"down_level_{level}_no_1", self._relu(f"down_level_{level}_no_0", x))
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self._relu("middle_2", self._relu("middle_0", x))
        for level in reversed(range(self.depth)):
            x = torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skips[level]], 1)
            x = self._relu(f"up_level_{level}_no_2", self._relu(f"up_level_{level}_no_0", x))
        x = self._relu("features", x)
        with torch.autocast(x.device.type, enabled=False):  # eight bits are too few for a distance of 100 px
            return self.get_submodule("prob")(x.float()), self.get_submodule("dist")(x.float())

    def _relu(self, name: str, x: Tensor) -> Tensor:
        return F.relu(self.get_submodule(name)(x), inplace=True)


def star_targets(labels: NDArray[np.int32], rays: int, grid: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Compute the targets of the network.

    Parameters
    ----------
    labels : NDArray (Y, X) int32, 0 is background
        One id per object.
    rays, grid : int
        Number of directions; spacing, px.

    Returns
    -------
    prob : NDArray (Y / grid, X / grid) float32 in [0, 1]
        Distance to the edge of the object, divided by the largest in that object.
    dist : NDArray (Y / grid, X / grid, rays) float32, px
        Distance to the edge of the object in each direction, 0 outside.
    """
    from stardist.geometry import star_dist
    from stardist.utils import edt_prob

    present = np.zeros(int(labels.max()) + 1, bool)
    present[labels] = True
    present[0] = False
    compact = np.where(present, np.cumsum(present), 0)[labels]  # star_dist counts to 65535, edt_prob loops over ids
    coarse = np.ascontiguousarray(compact[::grid, ::grid])
    full = bool(coarse.all())  # an object without an edge gives a warning
    prob = edt_prob(np.pad(coarse, 1))[1:-1, 1:-1] if full else edt_prob(coarse)
    return prob.astype(np.float32), star_dist(compact, rays, grid=(grid, grid))


def star_loss(logit: Tensor, dist: Tensor, prob_target: Tensor, dist_target: Tensor) -> Tensor:
    """Compute the cross entropy of the probability plus 0.2 times the weighted mean error of the distances.

    With p the target probability, d the target distances, f the predicted ones, and means over pixels and rays:
    BCE(p) + 0.2 · (mean(p · abs(f − d)) / mean(p) + 1e-4 · mean((1 − p) · abs(f))).

    Parameters
    ----------
    logit : Tensor (N, 1, Y, X) float32
        Of the probability.
    dist : Tensor (N, rays, Y, X) float32, px
        Predicted distances.
    prob_target : Tensor (N, Y, X) float32 in [0, 1]
        From `star_targets`.
    dist_target : Tensor (N, Y, X, rays) float32, px
        From `star_targets`.

    Returns
    -------
    Tensor ()
    """
    predicted = dist.permute(0, 2, 3, 1)  # no copy: channels come last in memory
    weight = prob_target
    error = (weight * (predicted - dist_target).abs().mean(-1)).mean() / (weight.mean() + EPSILON)
    outside = ((1 - weight) * predicted.abs().mean(-1)).mean()
    return F.binary_cross_entropy_with_logits(logit[:, 0], weight) + DISTANCES * (error + BACKGROUND * outside)
