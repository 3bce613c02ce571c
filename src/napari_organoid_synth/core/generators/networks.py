"""Networks shared by several generators: convolutional (DCGAN) and fully connected.

With ``classes`` they are conditional (CGAN, Mirza 2014, arXiv 1411.1784): the generator gets a learned vector of the
class with the noise; the discriminator a learned map as a further channel, or a one-hot vector with the pixels.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.generators.blocks import up_layer
from napari_organoid_synth.core.generators.class_mix import class_vectors

CLASS_NUMBERS = 50
"""Length of the learned vector of a class."""

CLASS_STRENGTH = 0.5
"""Standard deviation of the initial weights of the class in a fully connected discriminator."""


def channels_at(side: int, tile: int, channels: int, most: int) -> int:
    """Return the feature maps at side px: ``channels`` at half the tile, doubled per halving, at most ``most``."""
    return min(most, channels * tile // (2 * side))


class ConvGenerator(nn.Module):
    """Noise (N, latent) to 4 × 4 px, doubled up to the tile; batch norm and ReLU between, tanh at the end."""

    def __init__(
        self, latent: int, outside: int, tile: int, channels: int, most: int, upsample: str, classes: int = 0
    ) -> None:
        super().__init__()
        width = channels_at(4, tile, channels, most)
        inside = latent + (CLASS_NUMBERS if classes else 0)
        layers: list[nn.Module] = [nn.ConvTranspose2d(inside, width, 4, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
        side = 8
        while side < tile:
            wider, width = width, channels_at(side, tile, channels, most)
            layers += [*up_layer(wider, width, upsample, bias=False), nn.BatchNorm2d(width), nn.ReLU()]
            side *= 2
        self.layers = nn.Sequential(*layers, *up_layer(width, outside, upsample, bias=True))
        self.embedding = nn.Embedding(classes, CLASS_NUMBERS) if classes else None

    def forward(self, noise: Tensor, image_class: Tensor | None = None) -> Tensor:
        """Draw (N, C, tile, tile) float32 in [-1, 1]; ``image_class`` (N,) int64 is the first when not given."""
        noise = _with_class(noise, image_class, self.embedding)
        return torch.tanh(self.layers(noise[:, :, None, None]).float())


class ConvDiscriminator(nn.Module):
    """The mirror image: halved to 4 × 4 px, LeakyReLU, batch norm (or none) except in the first layer, one logit."""

    def __init__(self, inside: int, tile: int, channels: int, most: int, classes: int = 0, norm: bool = True) -> None:
        super().__init__()
        self.tile = tile
        inside += classes > 0
        layers: list[nn.Module] = []
        side = tile // 2
        while side >= 4:
            width = channels_at(side, tile, channels, most)
            layers.append(nn.Conv2d(inside, width, 4, 2, 1, bias=not layers or not norm))
            if len(layers) > 1 and norm:
                layers.append(nn.BatchNorm2d(width))
            layers.append(nn.LeakyReLU(0.2))
            inside, side = width, side // 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(inside, 1, 4))
        self.maps = nn.Embedding(classes, tile * tile) if classes else None
        if self.maps is not None:  # uniform planes, far apart, instead of noise as strong as the image
            planes = torch.linspace(-1, 1, classes)[:, None].expand(-1, tile * tile)
            self.maps.weight.data.copy_(planes)

    def features(self, x: Tensor, image_class: Tensor | None = None) -> Tensor:
        """Compute the features before the logit, (N, width, 4, 4) of (N, C, tile, tile)."""
        if self.maps is not None:
            plane = self.maps(_or_first(image_class, x)).view(-1, 1, self.tile, self.tile)
            x = torch.cat([x, plane], 1)
        features: Tensor = self.layers[:-1](x)
        return features

    def forward(self, x: Tensor, image_class: Tensor | None = None) -> Tensor:
        """Compute logits (N,) of (N, C, tile, tile)."""
        logits: Tensor = self.layers[-1](self.features(x, image_class)).float().flatten()
        return logits


class DenseGenerator(nn.Module):
    """Noise (N, latent) through layers of width, 2 · width, 4 · width to all pixels; LeakyReLU and batch norm, tanh.

    Batch norm needs at least two samples in training.
    """

    def __init__(self, latent: int, outside: int, tile: int, width: int, classes: int = 0) -> None:
        super().__init__()
        self.shape = (tile, tile, outside)
        layers: list[nn.Module] = []
        for inside, units in pairwise((latent + (CLASS_NUMBERS if classes else 0), width, 2 * width, 4 * width)):
            layers += [_dense(inside, units), nn.LeakyReLU(0.2), nn.BatchNorm1d(units, momentum=0.2)]
        self.layers = nn.Sequential(*layers, _dense(4 * width, outside * tile * tile))
        self.embedding = nn.Embedding(classes, CLASS_NUMBERS) if classes else None

    def forward(self, noise: Tensor, image_class: Tensor | None = None) -> Tensor:
        """Draw (N, C, tile, tile) float32 in [-1, 1]; ``image_class`` (N,) int64 is the first when not given."""
        values = torch.tanh(self.layers(_with_class(noise, image_class, self.embedding)).float())
        return values.view(-1, *self.shape).permute(0, 3, 1, 2)  # channels_last, as in memory


class DenseDiscriminator(nn.Module):
    """All pixels through layers of 2 · width and width to one logit; LeakyReLU, no norm."""

    def __init__(self, inside: int, tile: int, width: int, classes: int = 0) -> None:
        super().__init__()
        self.classes = classes
        pixels = inside * tile * tile
        first = _dense(pixels + classes, 2 * width)
        if classes:  # as strong as all pixels together: one number among thousands would be ignored
            nn.init.normal_(first.weight[:, pixels:], std=CLASS_STRENGTH)
        self.layers = nn.Sequential(
            *(first, nn.LeakyReLU(0.2)), *(_dense(2 * width, width), nn.LeakyReLU(0.2)), _dense(width, 1)
        )

    def forward(self, x: Tensor, image_class: Tensor | None = None) -> Tensor:
        """Compute logits (N,) of (N, C, tile, tile)."""
        flat = x.permute(0, 2, 3, 1).flatten(1)  # no copy of channels_last
        if self.classes:
            one_hot = functional.one_hot(_or_first(image_class, x), self.classes)
            flat = torch.cat([flat, one_hot.to(flat.dtype)], 1)
        logits: Tensor = self.layers(flat).float().flatten()
        return logits


def _dense(inside: int, outside: int) -> nn.Linear:
    """Return a fully connected layer with Glorot's initial weights (Glorot 2010, eq. 16) and biases 0."""
    layer = nn.Linear(inside, outside)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _with_class(noise: Tensor, image_class: Tensor | None, embedding: nn.Embedding | None) -> Tensor:
    """Append the learned vector of each sample's class to the noise (N, L), if there are classes."""
    if embedding is None:
        return noise
    return torch.cat([noise, class_vectors(_or_first(image_class, noise), embedding.weight)], 1)


def _or_first(image_class: Tensor | None, like: Tensor) -> Tensor:
    """Return the classes (N,), the first class for all when not given."""
    if image_class is None:
        return torch.zeros(len(like), dtype=torch.int64, device=like.device)
    return image_class
