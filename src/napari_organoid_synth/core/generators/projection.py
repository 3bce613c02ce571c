"""The way back: the style vector of a given picture (Karras 2020, arXiv 1912.04958, appendix D)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

UNIFORM = 1e5  # weight that keeps optimised noise white


@dataclass(frozen=True)
class Projection:
    """What was found.

    Parameters
    ----------
    styles : Tensor (latent,), or (count, latent) with one style vector per layer
    noise : tuple of Tensor (1, 1, Y, X)
        Of every convolution; the generator's own unless it was to be found too.
    picture : Tensor (C + M, Y, X) float32
    distances : Tensor (steps,)
        How far from the target the picture was before each step; ends with the best to be had.
    """

    styles: Tensor
    noise: tuple[Tensor, ...]
    picture: Tensor
    distances: Tensor


def project(
    generator: Any,
    discriminator: Any,
    target: Tensor,
    rng: torch.Generator,
    steps: int = 300,
    image_class: int = 0,
    compare: Literal["features", "pyramid"] = "features",
    each_layer: bool = False,
    noise: bool = False,
    learning_rate: float = 0.1,
) -> Projection:
    """Walk from the mean style vector towards a picture.

    Parameters
    ----------
    generator, discriminator : nn.Module
        With ``mapping`` and ``synthesis``; with ``features``.
    target : Tensor (C + M, Y, X) float32 in [-1, 1]
        The picture to come close to.
    rng : torch.Generator
        Of the noise that is added to the style vector early on.
    steps : int
        Of Adam; the rate rises over the first 5 % and falls over the last 25 %.
    image_class : int
        Where to start.
    compare : {"features", "pyramid"}
        Beside the mean squared difference of pixels, that of the discriminator's features, of unit length at each
        place, or of the pixels' means over ever larger squares, which needs no trained discriminator.
    each_layer : bool
        A style vector for each layer: closer to the picture, further from what the generator would draw.
    noise : bool
        Find the noise too: takes up fine detail.
    learning_rate : float
        Highest rate of Adam.
    """
    mapping, synthesis = generator.mapping, generator.synthesis
    distance = _distance_to(target, discriminator.features if compare == "features" else None)
    with torch.no_grad():
        classes = torch.full((1000,), image_class, device=target.device)
        some = mapping(torch.randn(1000, generator.latent, generator=rng, device=target.device), classes)
        mean, spread = some.mean(0), some.var(0).sum().sqrt() / math.sqrt(some.shape[1])
    styles = mean.repeat(synthesis.count if each_layer else 1, 1).requires_grad_()
    maps = [one.clone().requires_grad_(noise) for one in synthesis.fixed_noise()]
    optimizer = torch.optim.Adam([styles, *(maps if noise else ())], lr=learning_rate, betas=(0.9, 0.999))
    distances = []
    for step in range(steps):
        done = step / steps
        optimizer.param_groups[0]["lr"] = learning_rate * _pace(done)
        wander = 0.05 * spread * max(0.0, 1 - done / 0.75) ** 2
        shaken = styles + wander * torch.randn(styles.shape, generator=rng, device=styles.device)
        far = distance(synthesis(shaken[None].expand(-1, synthesis.count, -1), maps))
        distances.append(far.detach())
        optimizer.zero_grad()
        (far + UNIFORM * _pattern(maps) if noise else far).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if noise:
            with torch.no_grad():
                for one in maps:
                    one.sub_(one.mean()).mul_(torch.rsqrt(one.square().mean()))
    with torch.no_grad():
        picture = synthesis(styles[None].expand(-1, synthesis.count, -1), maps)[0]
    found = styles.detach() if each_layer else styles.detach()[0]
    return Projection(found, tuple(one.detach() for one in maps), picture, torch.stack(distances))


def _pace(done: float) -> float:
    """Share of the learning rate."""
    return min(1.0, (done + 1e-3) / 0.05) * (0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - done) / 0.25)))


def _distance_to(target: Tensor, features: Callable[[Tensor], list[Tensor]] | None) -> Callable[[Tensor], Tensor]:
    """Mean squared difference of pixels and of what is made of them."""

    def seen(x: Tensor) -> list[Tensor]:
        if features is None:
            return [functional.avg_pool2d(x, 1 << level) for level in range(1, target.shape[-1].bit_length() - 2)]
        return [functional.normalize(one, dim=1) * math.sqrt(one.shape[1]) for one in features(x)]

    with torch.no_grad():
        wanted = [target[None], *seen(target[None])]

    def distance(x: Tensor) -> Tensor:
        return torch.stack([functional.mse_loss(a, b) for a, b in zip([x, *seen(x)], wanted, strict=True)]).mean()

    return distance


def _pattern(maps: Sequence[Tensor]) -> Tensor:
    """How far noise is from white: squared correlation with its neighbours, at all sizes down to 8 px."""
    total = torch.zeros((), device=maps[0].device)
    for one in maps:
        while True:
            for axis in (2, 3):
                total = total + (one * one.roll(1, axis)).mean().square()
            if one.shape[-1] <= 8:
                break
            one = functional.avg_pool2d(one, 2) * 2
    return total
