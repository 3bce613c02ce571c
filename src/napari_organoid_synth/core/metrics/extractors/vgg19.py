"""VGG19, trained on photographs, from a file that a person names."""

from __future__ import annotations

from torch import Tensor

from napari_organoid_synth.core.generators.perceptual import load_vgg19
from napari_organoid_synth.core.metrics.extractors.base import TODO, Extractor, joined

EXPECTED = "Expected the state dict of torchvision's VGG19 as .safetensors, .pth or .pt."


class Vgg19(Extractor):
    """VGG19 conv3_3 (from a file of weights), mean over space: 256 features per channel, or per RGB image."""

    name = "vgg19"
    note = "network trained on photographs"
    file = EXPECTED

    def __init__(self, channels: int, weights: str = "", device: str = "cpu") -> None:
        super().__init__(channels, weights, device)
        self.network, facts = load_vgg19(weights, TODO)
        self.network.to(self.device)
        self.digest = facts["perceptual_sha256"][:12]

    def features(self, images: Tensor) -> Tensor:
        """Compute the mean of the feature maps, (N, 256), or (N, 256 C) unless C is 3."""
        return joined(self.network(2 * images - 1).mean((2, 3)), len(images))
