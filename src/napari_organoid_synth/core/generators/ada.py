"""Adaptive discriminator augmentation (Karras 2020, arXiv 2006.06676), as strong as the discriminator needs.

Real and generated samples pass through the same random changes, each drawn per sample with probability p, and gradients
flow back through them. p follows how sure the discriminator is of real tiles. Nothing is read back from a
graphics card.

Channels of masks take part in the geometry but never in colour, filters, noise or holes. Arrows of a heat flow can turn
with the plane: a turned flow whose arrows do not turn belongs to no mask.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn import functional

MAX_P = 0.8
"""Upper limit of p; above 0.85 samples begin to show the augmentation."""
ADJUST_EVERY = 4
"""Batches between two adjustments of p."""
SHIFT = 0.125
"""Share of the tile: largest shift by whole pixels, and standard deviation of shifts by fractions."""
POWER = (10 / 13, 1 / 13, 1 / 13, 1 / 13)
"""Power of natural images in four octave bands, lowest first."""


class Ada(nn.Module):
    """The augmentation and its strength p.

    Parameters
    ----------
    groups : collection of {"blit", "geom", "color", "filter", "noise", "cutout"}
        Kinds of change, always in this order; empty: none.
    image_channels : int
        The first channels are images, the others masks.
    vectors : int, optional
        Channel of the y component of arrows that turn with the plane; the x component follows. None: no arrows.
    stretch : bool
        Whether the geometry may scale two directions differently.
    target : float
        Mean sign of the logits of real tiles to hold.
    kimg : float
        Thousand images in which p can go from 0 to 1.
    """

    p: Tensor
    sign: Tensor
    signs: Tensor

    def __init__(
        self,
        groups: Collection[str],
        image_channels: int,
        vectors: int | None = None,
        stretch: bool = True,
        target: float = 0.6,
        kimg: float = 500.0,
    ) -> None:
        super().__init__()
        self.groups, self.image_channels, self.vectors, self.stretch = set(groups), image_channels, vectors, stretch
        self.target, self.kimg = target, kimg
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("sign", torch.zeros(()))  # mean over the last four batches, to be shown
        self.register_buffer("signs", torch.zeros(()))  # sum since the last adjustment

    def forward(self, x: Tensor, rng: torch.Generator) -> Tensor:
        """Augment (N, C + M, Y, X) float32, Y = X; the result has the same shape."""
        if "blit" in self.groups:
            x = blit(x, rng, self.p, self.vectors)
        if "geom" in self.groups:
            x = geom(x, rng, self.p, self.vectors, self.stretch)
        changes = [change for name, change in IMAGE_CHANGES.items() if name in self.groups]
        if not changes or not self.image_channels:
            return x
        image, mask = x[:, : self.image_channels], x[:, self.image_channels :]
        for change in changes:
            image = change(image, rng, self.p)
        return torch.cat([image, mask], 1) if mask.shape[1] else image

    @torch.no_grad()
    def adjust(self, logits: Tensor, steps_taken: int) -> None:
        """Record the logits of a batch of real tiles; adjust p after every fourth batch.

        p ← clip(p + sign(r - target) · 4 N / (1000 kimg), 0, 0.8), r being the mean sign of the logits.

        Parameters
        ----------
        logits : Tensor (N,)
            Of real tiles.
        steps_taken : int
            Steps before this one.
        """
        self.signs.add_(logits.sign().mean())
        if (steps_taken + 1) % ADJUST_EVERY == 0:
            torch.div(self.signs, ADJUST_EVERY, out=self.sign)
            self.signs.zero_()
            move = ADJUST_EVERY * len(logits) / (1000 * self.kimg) if self.groups else 0.0
            self.p.add_((self.sign - self.target).sign() * move).clamp_(0, MAX_P)


def _gate(n: int, rng: torch.Generator, p: Tensor | float) -> Tensor:
    """Draw which samples change: (N,) bool."""
    return torch.rand(n, generator=rng, device=rng.device) < p


# ------------------------------------------------------------------------------------------- geometry, masks included


def blit(x: Tensor, rng: torch.Generator, p: Tensor, vectors: int | None = None) -> Tensor:
    """Mirror left to right, turn by right angles, move by whole pixels; see `copy_pixels`."""
    n, _, side, _ = x.shape
    reach = int(side * SHIFT)
    mirrored = _gate(n, rng, p) & _gate(n, rng, 0.5)
    turns = torch.randint(4, (n,), generator=rng, device=x.device) * _gate(n, rng, p)
    move = torch.randint(-reach, reach + 1, (n, 2), generator=rng, device=x.device) * _gate(n, rng, p)[:, None]
    return copy_pixels(x, mirrored, turns, move, vectors)


def copy_pixels(x: Tensor, mirrored: Tensor, turns: Tensor, move: Tensor, vectors: int | None = None) -> Tensor:
    """Mirror, then turn, then move, in one look-up: values are copied, not interpolated.

    Parameters
    ----------
    x : Tensor (N, C, Y, X)
        Y = X.
    mirrored : Tensor (N,) bool
        Left to right.
    turns : Tensor (N,) int64
        Quarter turns as in `numpy.rot90`.
    move : Tensor (N, 2) int64
        Down and right, px, less than the side; what is missing is mirrored at the middle of the border pixels.
    vectors : int, optional
        As in `Ada`.
    """
    n, channels, side, _ = x.shape
    last = side - 1
    at = torch.arange(side, device=x.device) - move[:, :, None]  # (N, 2, side): rows and columns before the move
    outside = (at < 0) | (at > last)
    at = last - (last - at.abs()).abs()
    v, u = 2 * at[:, 0, :, None] - last, 2 * at[:, 1, None, :] - last  # from the centre, half px
    turn, mirror = turns[:, None, None], 1 - 2 * mirrored.long()[:, None, None]
    cosine, sine = (turn == 0).long() - (turn == 2).long(), (turn == 1).long() - (turn == 3).long()
    rows, columns = (last + cosine * v + sine * u) // 2, (last + mirror * (cosine * u - sine * v)) // 2
    first = side * side * torch.arange(n, device=x.device)[:, None, None]
    flat = x.permute(0, 2, 3, 1).reshape(-1, channels)
    copied = flat.index_select(0, (first + side * rows + columns).flatten())
    copied = copied.view(n, side, side, channels).permute(0, 3, 1, 2)
    if vectors is None:
        return copied
    y, x = copied[:, vectors], mirror * copied[:, vectors + 1]
    signs = 1 - 2 * outside.long()  # the arrow across a mirroring border is reversed
    return _replace(
        copied, vectors, (cosine * y - sine * x) * signs[:, 0, :, None], (sine * y + cosine * x) * signs[:, 1, None, :]
    )


def geom(x: Tensor, rng: torch.Generator, p: Tensor, vectors: int | None = None, stretch: bool = True) -> Tensor:
    """Scale, turn, stretch along one direction, turn again, move by fractions: one matrix per sample, one warp.

    On a processor only the samples that change are warped; elsewhere all are, since a choice would wait for the device.
    """
    n = len(x)

    def drawn(numbers: Tensor, gate: Tensor) -> Tensor:
        gates.append(gate)
        return torch.where(gate.view(-1, *[1] * (numbers.ndim - 1)), numbers, 0.0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=rng, device=x.device)

    def angle() -> Tensor:  # each with the probability that makes one of the two happen with p
        turn = (torch.rand(n, generator=rng, device=x.device) * 2 - 1) * math.pi
        return drawn(turn, _gate(n, rng, 1 - torch.sqrt(1 - p)))

    gates: list[Tensor] = []
    scale = torch.exp2(0.2 * drawn(normal(n), _gate(n, rng, p)))
    first = angle()
    wide = torch.exp2(0.2 * drawn(normal(n), _gate(n, rng, p))) if stretch else torch.ones_like(scale)
    second = angle()
    move = 2 * SHIFT * drawn(normal(n, 2), _gate(n, rng, p))  # the tile goes from -1 to 1
    stretched = torch.stack([1 / (scale * wide), wide / scale], 1)[:, :, None]
    linear = _rotation(-first) @ (stretched * _rotation(-second))
    inverse = torch.cat([linear, -linear @ move[:, :, None]], 2).to(x.dtype)
    changed = torch.stack(gates).any(0)
    if x.device.type != "cpu":
        return torch.where(changed[:, None, None, None], warp(x, inverse, vectors), x)
    rows = changed.nonzero()[:, 0]
    if len(rows) == 0:
        return x
    if len(rows) == n:
        return warp(x, inverse, vectors)
    return x.index_copy(0, rows, warp(x[rows], inverse[rows], vectors))


def warp(x: Tensor, inverse: Tensor, vectors: int | None = None) -> Tensor:
    """Resample bilinearly at twice the resolution and average 2 × 2; the plane is mirrored beyond its border.

    Parameters
    ----------
    x : Tensor (N, C, Y, X)
        Y = X.
    inverse : Tensor (N, 2, 3)
        From a place (x, y) in the result to the place in ``x``, the tile's border being at -1 and 1.
    vectors : int, optional
        As in `Ada`; arrows turn by the rotation of a matrix that does not stretch.
    """
    side = 2 * x.shape[-1]
    grid = functional.affine_grid(inverse, [len(x), 1, side, side], align_corners=False)
    sampled: Tensor = _Sample.apply(x, grid)  # type: ignore[no-untyped-call]
    if vectors is not None:
        # mirrored an odd number of times: the arrow across that border is reversed
        signs = 1 - 2 * torch.remainder(torch.floor((grid + 1) / 2), 2)
        right, down = sampled[:, vectors + 1] * signs[..., 0], sampled[:, vectors] * signs[..., 1]
        a, b, _, c, d, _ = (number[:, None, None] for number in inverse.flatten(1).unbind(1))
        size = torch.rsqrt(a * d - b * c)  # the matrix is the inverse: its transpose turns forwards
        sampled = _replace(sampled, vectors, (b * right + d * down) * size, (a * right + c * down) * size)
    return functional.avg_pool2d(sampled, 2).contiguous(memory_format=torch.channels_last)


class _Sample(Function):
    """Bilinear sampling, mirrored beyond the border; linear in x, so that its derivative is `_Spread` of any order.

    torch has a second derivative of its own for this only in recent versions.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, grid: Tensor) -> Tensor:
        ctx.save_for_backward(grid)
        ctx.shape = x.shape
        return functional.grid_sample(x, grid, "bilinear", "reflection", align_corners=False)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (grid,) = ctx.saved_tensors
        return _Spread.apply(gradient, grid, ctx.shape), None  # type: ignore[no-untyped-call]


class _Spread(Function):
    """The transpose of `_Sample`: every value is spread over the four pixels that it would be sampled from."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, grid: Tensor, shape: torch.Size) -> Tensor:
        ctx.save_for_backward(grid)
        like = values.new_zeros(()).expand(shape)  # only its shape matters
        spread: Tensor = torch.ops.aten.grid_sampler_2d_backward(values, like, grid, 0, 2, False, [True, False])[0]
        return spread

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        (grid,) = ctx.saved_tensors
        return _Sample.apply(gradient, grid), None, None  # type: ignore[no-untyped-call]


def _rotation(angle: Tensor) -> Tensor:
    """Return rotation matrices (N, 2, 2) for (x, y)."""
    cosine, sine = torch.cos(angle), torch.sin(angle)
    return torch.stack([cosine, -sine, sine, cosine], 1).view(-1, 2, 2)


def _replace(x: Tensor, vectors: int, down: Tensor, right: Tensor) -> Tensor:
    """Return the same channels with other arrows (N, Y, X)."""
    return torch.cat([x[:, :vectors], torch.stack([down, right], 1), x[:, vectors + 2 :]], 1)


# ---------------------------------------------------------------------------------------------------------- images only


def color(image: Tensor, rng: torch.Generator, p: Tensor) -> Tensor:
    """Compute (x + N(0, 0.2)) · 2^N(0, 0.5) per channel; of RGB also change luma, hue and saturation.

    Luma is mirrored, hue turned by U(-π, π) about the grey axis, distance from it scaled by 2^N(0, 1).
    """
    n, channels = image.shape[:2]
    rgb = channels == 3
    gates = [_gate(n, rng, p) for _ in range(5 if rgb else 2)]

    def drawn(deviation: float, gate: Tensor, each: int) -> Tensor:
        numbers = torch.randn(n, each, 1, 1, generator=rng, device=image.device, dtype=image.dtype)
        return torch.where(gate[:, None, None, None], deviation * numbers, 0.0)

    each = 1 if rgb else channels
    offset, factor = drawn(0.2, gates[0], each), torch.exp2(drawn(0.5, gates[1], each))
    if rgb:
        mirror = (_gate(n, rng, 0.5) & gates[2]).to(image.dtype)[:, None, None]
        hue = (torch.rand(n, 1, 1, generator=rng, device=image.device) * 2 - 1) * math.pi * gates[3][:, None, None]
        colorful = torch.exp2(drawn(1.0, gates[4], 1))[:, 0]
        one = torch.eye(3, device=image.device, dtype=image.dtype)
        grey = torch.full_like(one, 1 / 3)  # projection on the grey axis
        across = (one.roll(1, 0) - one.roll(-1, 0)) / math.sqrt(3)  # product with that axis
        matrix = (1 - 2 * mirror) * grey + colorful * (torch.cos(hue) * (one - grey) + torch.sin(hue) * across)
        pixels = (image + offset).permute(0, 2, 3, 1).flatten(1, 2) @ matrix.mT.to(image.dtype)
        changed = pixels.reshape(len(image), *image.shape[2:], -1).permute(0, 3, 1, 2) * factor
    else:
        changed = (image + offset) * factor
    return torch.where(torch.stack(gates).any(0)[:, None, None, None], changed, image)


def spectrum(image: Tensor, rng: torch.Generator, p: Tensor) -> Tensor:
    """Amplify four octave bands by 2^N(0, 1) each, then scale so that natural images keep their power."""
    n, channels = image.shape[:2]
    gates = torch.stack([_gate(n, rng, p) for _ in POWER], 1)
    gains = torch.ones(n, len(POWER), device=image.device)
    factors = torch.exp2(torch.randn(n, len(POWER), generator=rng, device=image.device))
    for band, share in enumerate(POWER):
        one = torch.where(gates[:, band], factors[:, band], 1.0)
        norm = torch.rsqrt(1 + share * (one.square() - 1))
        others = torch.arange(len(POWER), device=image.device) != band
        gains = gains * norm[:, None] * torch.where(others, 1.0, one[:, None])
    kernel = (gains.to(image.dtype) @ _bands(image.device, image.dtype)).repeat_interleave(channels, 0)
    reach = kernel.shape[1] // 2
    rows = functional.pad(image.reshape(1, n * channels, *image.shape[2:]), [reach] * 4, mode="reflect")
    rows = functional.conv2d(rows, kernel[:, None, :, None], groups=n * channels)
    rows = functional.conv2d(rows, kernel[:, None, None, :], groups=n * channels)
    return torch.where(gates.any(1)[:, None, None, None], rows.view(image.shape), image)


@cache
def _bands(device: torch.device, dtype: torch.dtype) -> Tensor:
    """Return four filters (4, 29) that add up to the identity: differences of binomial means, lowest band first."""
    means = [torch.ones(1, 1, 1, dtype=torch.float64)]
    for spacing in (1, 2, 4):
        wide = torch.zeros(4 * spacing + 1, dtype=torch.float64)
        wide[::spacing] = torch.tensor([1.0, 4, 6, 4, 1], dtype=torch.float64) / 16
        means.append(functional.conv1d(means[-1], wide[None, None], padding=4 * spacing))
    length = means[-1].shape[-1]
    padded = [functional.pad(mean, [(length - mean.shape[-1]) // 2] * 2)[0, 0] for mean in means]
    bands = [padded[3], padded[2] - padded[3], padded[1] - padded[2], padded[0] - padded[1]]
    return torch.stack(bands).to(device, dtype)


def noise(image: Tensor, rng: torch.Generator, p: Tensor) -> Tensor:
    """Add N(0, σ), σ being |N(0, 0.1)| for each sample."""
    n = len(image)
    sigma = torch.randn(n, generator=rng, device=image.device).abs() * 0.1 * _gate(n, rng, p)
    drawn = torch.randn(image.shape, generator=rng, device=image.device)
    return image + (sigma[:, None, None, None] * drawn).to(image.dtype)


def cutout(image: Tensor, rng: torch.Generator, p: Tensor) -> Tensor:
    """Set a square of half the side to 0; its centre is anywhere in the tile."""
    n, _, height, width = image.shape
    centre = torch.rand(2, n, 1, 1, 1, generator=rng, device=image.device)
    y = (torch.arange(height, device=image.device) + 0.5).view(1, 1, -1, 1) / height - centre[0]
    x = (torch.arange(width, device=image.device) + 0.5).view(1, 1, 1, -1) / width - centre[1]
    inside = (y.abs() < 0.25) & (x.abs() < 0.25)
    return image.masked_fill(inside & _gate(n, rng, p)[:, None, None, None], 0.0)


IMAGE_CHANGES: dict[str, Callable[[Tensor, torch.Generator, Tensor], Tensor]] = {
    "color": color,
    "filter": spectrum,
    "noise": noise,
    "cutout": cutout,
}
