"""The first 64 features of Inception-v3: texture rather than content."""

from __future__ import annotations

from napari_organoid_synth.core.metrics.extractors.inception import InceptionExtractor, Stem


class Inception64(InceptionExtractor):
    """Inception-v3 of 2015 (from a file of weights), first pooling, 64 features, for few images."""

    name = "inception64"

    def __init__(self, channels: int, weights: str = "", device: str = "cpu") -> None:
        self.network = Stem()
        super().__init__(channels, weights, device)
