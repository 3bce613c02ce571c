"""Networks as TorchScript, which runs without this package."""

from __future__ import annotations

import io
import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.generators.canvas import TileStream

if TYPE_CHECKING:
    from napari_organoid_synth.core.generators.base import Generator

CPU = torch.device("cpu")


class GivenNoise(TileStream):
    """Random numbers that are given as a tensor; without one they are drawn, and their shapes are noted.

    Parameters
    ----------
    noise : Tensor, optional
        (1, C, Y, X), or (1, L) of a latent vector.
    """

    def __init__(self, noise: Tensor | None = None) -> None:
        super().__init__(0, 0, 0, 1)
        self.noise = noise
        self.shapes: list[tuple[int, ...]] = []

    def fill(self, out: Tensor, draw: Any) -> None:
        """Fill a map, with the given numbers or new ones."""
        self.shapes.append((1, *out.shape))
        if self.noise is not None:
            out.copy_(self.noise[0])
        else:
            draw(out, random_stream(out.device, "zoo", len(self.shapes)))


class DrawnTile(nn.Module):
    """A trained generator as a function of its mask, if it paints, and of its noise, if it can be given.

    Parameters
    ----------
    generator : Generator
        On the processor.

    Attributes
    ----------
    noise : tuple of int, optional
        Shape of its noise; None where it always draws the same, or draws its noise in several parts: then its network
        is used without noise.
    """

    def __init__(self, generator: Generator) -> None:
        super().__init__()
        self._generator = generator  # no module: its weights become constants, those of discriminators stay out
        for network in generator.networks().values():
            network.requires_grad_(False).eval()
        spec = generator.spec
        self.condition = (1, spec.mask_channels, spec.tile, spec.tile) if generator.kind == "painter" else None
        probe = GivenNoise()
        shown = None if self.condition is None else torch.full(self.condition, -1.0)
        generator.sample(probe, 1, shown)
        self.noise = probe.shapes[0] if len(probe.shapes) == 1 else None

    def forward(self, *given: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Draw from a mask (1, M, Y, X), if any, and noise, if any; a joint generator gives image and mask."""
        parts = list(given)
        condition = parts.pop(0) if self.condition else None
        stream = GivenNoise(parts.pop(0)) if self.noise else GivenNoise()
        variety = 1.0 if self.noise else 0.0
        drawn = self._generator.sample(stream, 1, condition, variety=variety)
        images = self._generator.spec.image_channels
        return (drawn[:, :images], drawn[:, images:]) if 0 < images < drawn.shape[1] else drawn


class Shares(nn.Module):
    """A segmentation network with the softmax of its outputs."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor) -> Tensor:
        """Compute the share of each class (N, K, Y, X)."""
        shares: Tensor = self.network(image).softmax(dim=1)
        return shares


def traced(module: nn.Module, inputs: Sequence[Tensor]) -> tuple[bytes, list[Tensor]]:
    """Return a module as TorchScript, and its outputs for the inputs that it was recorded with."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that numbers of sizes are kept as they are, and that TorchScript is old
        script = torch.jit.trace(module, tuple(inputs), check_trace=False)  # type: ignore[no-untyped-call]
        stream = io.BytesIO()
        torch.jit.save(script, stream)
        with torch.no_grad():
            outputs = script(*inputs)
    return stream.getvalue(), list(outputs) if isinstance(outputs, tuple) else [outputs]
