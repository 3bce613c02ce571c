"""Projection: find the style vector of a given picture (Karras 2020, arXiv 1912.04958, appendix D)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

WHITE_WEIGHT = 1e5
"""Weight of the correlation of searched noise, which keeps it white."""


@dataclass(frozen=True)
class ProjectionOptions:
    """Options of the search for the style vector of a picture.

    Parameters
    ----------
    steps : int
        Of Adam; the rate rises over the first 5 % and falls over the last 25 %.
    image_class : int
        Class whose mean style vector is the start.
    compare : {"features", "pyramid"}
        Added to the mean squared difference of pixels: that of the discriminator's features, normalised at each place,
        or that of means over ever larger squares, which needs no trained discriminator.
    each_layer : bool
        Search a style vector for each layer: closer to the picture, further from what the generator would draw.
    noise : bool
        Search the noise too, which takes up fine detail.
    learning_rate : float
        Highest rate of Adam.
    """

    steps: int = 300
    image_class: int = 0
    compare: Literal["features", "pyramid"] = "features"
    each_layer: bool = False
    noise: bool = False
    learning_rate: float = 0.1


@dataclass(frozen=True)
class Projection:
    """Style vector of a picture, and how close its own picture comes.

    Parameters
    ----------
    styles : Tensor (latent,), or (count, latent) with one style vector per layer
    noise : tuple of Tensor (1, 1, Y, X)
        Of every convolution; the generator's own unless it was searched too.
    picture : Tensor (C + M, Y, X) float32
        Drawn from ``styles`` and ``noise``.
    distances : Tensor (steps,)
        Distance from the target before each step.
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
    options: ProjectionOptions | None = None,
) -> Projection:
    """Search the style vector of a picture, from the mean style vector on.

    Parameters
    ----------
    generator, discriminator : nn.Module
        With ``mapping`` and ``synthesis``; with ``features``.
    target : Tensor (C + M, Y, X) float32 in [-1, 1]
        The picture to approach.
    rng : torch.Generator
        Of the noise that is added to the style vector early on.
    options : ProjectionOptions, optional
        Defaults when not given.
    """
    options = options or ProjectionOptions()
    synthesis = generator.synthesis
    distance = _distance_to(target, discriminator.features if options.compare == "features" else None)
    mean, spread = _mean_style(generator, options.image_class, rng, target.device)
    styles = mean.repeat(synthesis.count if options.each_layer else 1, 1).requires_grad_()
    maps = [one.clone().requires_grad_(options.noise) for one in synthesis.fixed_noise()]
    searched = [styles, *(maps if options.noise else ())]
    optimizer = torch.optim.Adam(searched, lr=options.learning_rate, betas=(0.9, 0.999))
    distances = []
    for step in range(options.steps):
        progress = step / options.steps
        optimizer.param_groups[0]["lr"] = options.learning_rate * _rate_share(progress)
        wander = 0.05 * spread * max(0.0, 1 - progress / 0.75) ** 2
        shaken = styles + wander * torch.randn(styles.shape, generator=rng, device=styles.device)
        far = distance(synthesis(shaken[None].expand(-1, synthesis.count, -1), maps))
        distances.append(far.detach())
        optimizer.zero_grad()
        (far + WHITE_WEIGHT * _correlation(maps) if options.noise else far).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if options.noise:
            with torch.no_grad():
                for one in maps:
                    one.sub_(one.mean()).mul_(torch.rsqrt(one.square().mean()))
    with torch.no_grad():
        picture = synthesis(styles[None].expand(-1, synthesis.count, -1), maps)[0]
    result = styles.detach() if options.each_layer else styles.detach()[0]
    return Projection(result, tuple(one.detach() for one in maps), picture, torch.stack(distances))


@torch.no_grad()
def _mean_style(generator: Any, image_class: int, rng: torch.Generator, device: torch.device) -> tuple[Tensor, Tensor]:
    """Estimate mean (latent,) and standard deviation () of the style vectors of a class, from a thousand."""
    classes = torch.full((1000,), image_class, device=device)
    styles = generator.mapping(torch.randn(1000, generator.latent, generator=rng, device=device), classes)
    return styles.mean(0), styles.var(0).sum().sqrt() / math.sqrt(styles.shape[1])


def _rate_share(progress: float) -> float:
    """Compute the share of the learning rate."""
    return min(1.0, (progress + 1e-3) / 0.05) * (0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - progress) / 0.25)))


def _distance_to(target: Tensor, features: Callable[[Tensor], list[Tensor]] | None) -> Callable[[Tensor], Tensor]:
    """Return the mean squared difference of pixels and of features from the target, as a function of a picture."""

    def features_of(x: Tensor) -> list[Tensor]:
        if features is None:
            return [functional.avg_pool2d(x, 1 << level) for level in range(1, target.shape[-1].bit_length() - 2)]
        return [functional.normalize(one, dim=1) * math.sqrt(one.shape[1]) for one in features(x)]

    with torch.no_grad():
        targets = [target[None], *features_of(target[None])]

    def distance(x: Tensor) -> Tensor:
        return torch.stack(
            [functional.mse_loss(a, b) for a, b in zip([x, *features_of(x)], targets, strict=True)]
        ).mean()

    return distance


def _correlation(maps: Sequence[Tensor]) -> Tensor:
    """Compute the squared correlation of noise with its neighbours, at all sizes down to 8 px; 0 for white noise."""
    total = torch.zeros((), device=maps[0].device)
    for one in maps:
        while True:
            for axis in (2, 3):
                total = total + (one * one.roll(1, axis)).mean().square()
            if one.shape[-1] <= 8:
                break
            one = functional.avg_pool2d(one, 2) * 2
    return total
