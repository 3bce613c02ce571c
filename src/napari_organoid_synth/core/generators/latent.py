"""Base of generators that draw from a latent vector, so that samples can be repeated, mixed and walked between."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence

import torch
from torch import Tensor

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.base import Generator, streams_of
from napari_organoid_synth.core.generators.canvas import NORMAL, Stream, fill


class LatentGenerator(Generator):
    """A generator of image, mask or both from a latent vector of N(0, 1).

    Attributes
    ----------
    latent : int
        Length of a latent vector.
    """

    latent: int

    @abstractmethod
    def draw(self, latents: Tensor, image_class: Tensor | None = None, variety: float = 1.0) -> Tensor:
        """Draw samples from latent vectors, without other random numbers.

        Parameters
        ----------
        latents : Tensor (N, L) float32
            From `latents`.
        image_class : Tensor (N,) int64 or (N, K) float32, optional
            Class of each sample, or shares of classes; the first class when not given; ignored by generators that are
            not class-conditional.
        variety : float
            Spread of the noise: 0 always draws the same, 1 as trained (ψ of the truncation trick).

        Returns
        -------
        Tensor (N, C + M, Y, X) float32, about [-1, 1]
        """

    def latents(self, rng: Stream | Sequence[Stream], n: int = 1) -> Tensor:
        """Draw latent vectors (N, L) from N(0, 1): ``n`` from one stream, or one from each stream."""
        streams = streams_of(rng)
        each = n if len(streams) == 1 else 1
        return torch.cat([fill(torch.empty(each, self.latent, device=self.device), s, NORMAL) for s in streams])

    @torch.no_grad()
    def sample(
        self,
        rng: Stream | Sequence[Stream],
        n: int = 1,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Draw samples from new latent vectors."""
        return self.draw(self.latents(rng, n), image_class, variety)

    @property
    def style_layers(self) -> int:
        """Layers with a style of their own, coarse to fine, which `draw_mixed` can mix; 0: none."""
        return 0

    def draw_mixed(
        self,
        latents: Tensor,
        others: Tensor,
        layers: range,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Draw samples in which some layers take the styles of other latent vectors.

        Parameters
        ----------
        latents, others : Tensor (N, L) float32
            From `latents`.
        layers : range
            Layers that take the styles of ``others``, counted from 0 for the coarsest.
        image_class, variety
            As in `draw`.

        Returns
        -------
        Tensor (N, C + M, Y, X) float32, about [-1, 1]

        Raises
        ------
        UserError
            If the generator has no styles.
        """
        raise UserError(
            f"{self.config.name} has no styles.",
            "Expected a generator with a style for each layer.",
            "Leave style_seed empty, or use stylegan or stylegan2_ada.",
        )

    @torch.no_grad()
    def walk(self, first: Tensor, last: Tensor, steps: int, image_class: Tensor | None = None) -> Tensor:
        """Draw samples (steps, C + M, Y, X) on the way from one latent vector (L,) to another, both included."""
        return self.draw(interpolate(first, last, steps), image_class)


def interpolate(first: Tensor, last: Tensor, steps: int) -> Tensor:
    """Interpolate latent vectors (steps, L) between two (L,) on the great circle, so that their length stays typical.

    Shoemake 1985 (slerp), the length interpolated linearly; collinear vectors are interpolated linearly.
    """
    share = torch.linspace(0, 1, steps, device=first.device)[:, None]
    long, longer = first.norm(), last.norm()
    cosine = torch.clamp((first * last).sum() / (long * longer).clamp_min(1e-12), -1, 1)
    angle = torch.arccos(cosine)
    if torch.sin(angle) < 1e-4:
        return first + share * (last - first)
    directions = torch.sin((1 - share) * angle) * first / long + torch.sin(share * angle) * last / longer
    vectors: Tensor = directions / torch.sin(angle) * (long + share * (longer - long))
    return vectors
