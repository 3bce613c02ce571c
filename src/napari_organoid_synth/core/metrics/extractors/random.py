"""A network with fixed random weights: needs no training and no file."""

from __future__ import annotations

from torch import Tensor

from napari_organoid_synth.core.metrics.extractors.base import ConvStack, Extractor, weights_of

WIDTHS = (32, 64, 128, 256)
SEED = 2021


class Random(Extractor):
    """Four convolutions with fixed random weights, 256 features: a smoke test that ranks grossly different sets."""

    name = "random"
    note = "smoke test: features of random weights"
    cheap = True

    def __init__(self, channels: int, weights: str = "", device: str = "cpu") -> None:
        super().__init__(channels, weights, device)
        self.network = ConvStack((channels, *WIDTHS), SEED).requires_grad_(False).to(self.device)
        self.digest = weights_of(self.network)

    def features(self, images: Tensor) -> Tensor:
        """Compute the mean over space of the last layer, (N, 256)."""
        last: Tensor = self.network(2 * images - 1)[-1]
        return last
