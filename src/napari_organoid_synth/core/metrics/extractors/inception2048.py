"""The features of the published FID and KID."""

from __future__ import annotations

from napari_organoid_synth.core.metrics.extractors.inception import Inception, InceptionExtractor


class Inception2048(InceptionExtractor):
    """Inception-v3 of 2015 (from a file of weights), last pooling, 2048 features: the published FID and KID."""

    name = "inception2048"

    def __init__(self, channels: int, weights: str = "", device: str = "cpu") -> None:
        self.network = Inception()
        super().__init__(channels, weights, device)
