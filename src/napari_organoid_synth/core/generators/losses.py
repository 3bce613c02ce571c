"""Losses of discriminators and generators, on logits; formulas of the papers, means over all elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Adversarial = Literal["bce", "lsgan", "hinge", "wasserstein", "bce_l1", "poisson"]
Reconstruction = Literal["mse", "l1", "bce", "bce_l1", "least_squares", "poisson"]

LOSSES: dict[str, Adversarial] = {
    "bce": "bce",
    "bce_l1": "bce_l1",
    "least_squares": "lsgan",
    "poisson": "poisson",
    "wasserstein": "wasserstein",
}
"""Names of losses in settings, and of their formulas."""
L1_WEIGHT = 4.0  # α of bce_l1 (Wargnier-Dauchelle 2019)
POISSON_EPS = 1e-8


def discriminator_loss(real: Tensor, fake: Tensor, kind: Adversarial = "bce") -> Tensor:
    """Compute the loss of a discriminator.

    ``bce`` (Goodfellow 2014): E softplus(-real) + E softplus(fake). ``lsgan`` (Mao 2017, a = 0, b = c = 1):
    ½ E(real - 1)² + ½ E fake². ``hinge`` (Lim 2017): E max(0, 1 - real) + E max(0, 1 + fake). ``wasserstein``
    (Arjovsky 2017): E fake - E real, which needs a bound on the slope such as `gradient_penalty`. ``bce_l1`` and
    ``poisson``: `label_loss` of real against 1 plus that of fake against 0.

    Parameters
    ----------
    real, fake : Tensor, any shape
        Logits of real and generated samples; positive means "looks real".
    kind : {"bce", "lsgan", "hinge", "wasserstein", "bce_l1", "poisson"}
        Formula.

    Returns
    -------
    Tensor ()
    """
    if kind == "hinge":
        return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()
    if kind == "wasserstein":
        return fake.mean() - real.mean()
    return label_loss(real, 1, kind) + label_loss(fake, 0, kind)


def generator_loss(fake: Tensor, kind: Adversarial = "bce") -> Tensor:
    """Compute the loss of a generator: -E fake for ``hinge`` and ``wasserstein``, else `label_loss` against 1.

    With ``bce`` that is E softplus(-fake), which does not saturate.
    """
    if kind in ("hinge", "wasserstein"):
        return -fake.mean()
    return label_loss(fake, 1, kind)


def label_loss(logits: Tensor, label: Literal[0, 1], kind: Adversarial) -> Tensor:
    """Compute the mean distance between a discriminator's output ŷ = σ(ℓ) and the label y, 1 real or 0 fake.

    ``bce``: softplus(-ℓ) or softplus(ℓ). ``bce_l1``: bce + 4 |y - ŷ|. ``lsgan``: ½ (ℓ - y)², on the logit itself.
    ``poisson``: `poisson` (y, ŷ).
    """
    if kind == "lsgan":
        return 0.5 * (logits - label).square().mean()
    if kind == "poisson":
        return poisson(torch.full_like(logits, label), torch.sigmoid(logits))
    bce = functional.softplus(-logits if label else logits).mean()
    return bce if kind == "bce" else bce + L1_WEIGHT * (label - torch.sigmoid(logits)).abs().mean()


def poisson(target: Tensor, predicted: Tensor) -> Tensor:
    """Compute the mean of ŷ - y log(ŷ + 1e-8) for y, ŷ ≥ 0; lowest where ŷ = y."""
    return (predicted - target * torch.log(predicted + POISSON_EPS)).mean()


def reconstruction_loss(drawn: Tensor, real: Tensor, kind: Reconstruction = "mse") -> Tensor:
    """Compute the mean distance between images and their originals.

    Parameters
    ----------
    drawn, real : Tensor, any shape, float32 in [-1, 1]
        Images, or images with encoded masks.
    kind : {"mse", "l1", "bce", "bce_l1", "least_squares", "poisson"}
        ``mse``: (x - x̂)². The others compare y = (x + 1) / 2 with ŷ = (x̂ + 1) / 2, both in [0, 1]: |y - ŷ|;
        -y log ŷ - (1 - y) log(1 - ŷ); that + 4 |y - ŷ|; ½ (y - ŷ)²; ŷ - y log(ŷ + 1e-8).
    """
    if kind == "mse":
        return functional.mse_loss(drawn, real)
    target, predicted = (((x + 1) / 2).clamp(0, 1) for x in (real, drawn))
    if kind == "l1":
        return functional.l1_loss(predicted, target)
    if kind == "least_squares":
        return 0.5 * functional.mse_loss(predicted, target)
    if kind == "poisson":
        return poisson(target, predicted)
    bce = functional.binary_cross_entropy(predicted, target)
    return bce if kind == "bce" else bce + L1_WEIGHT * functional.l1_loss(predicted, target)


def feature_loss(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Compute feature matching (Wang 2018, eq. 4): mean over discriminators, Σ over layers, 4/(n + 1) · E|real - fake|.

    Parameters
    ----------
    real, fake : sequence (discriminators) of sequence (layers) of Tensor (N, C, Y, X)
        Activations of the hidden layers; n + 1 is their number (4 in a 70 × 70 PatchGAN, so the factor is 1).
    """
    sums = [
        torch.stack([functional.l1_loss(f, r.detach()) for r, f in zip(r_layers, f_layers, strict=True)]).sum()
        * (4 / len(f_layers))
        for r_layers, f_layers in zip(real, fake, strict=True)
    ]
    return torch.stack(sums).mean()


def gradient_penalty(
    critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, rng: torch.Generator, target: float = 1.0
) -> Tensor:
    """Compute the gradient penalty E(‖∇ critic(x)‖₂ / target - 1)² (Gulrajani 2017, eq. 3).

    x = ε · real + (1 - ε) · fake with one ε ~ U(0, 1) per sample. Callers multiply by λ = 10. A ``target`` other than 1
    is ProGAN's (Karras 2018, appendix F: (‖∇‖ - γ)² / γ² with γ = 750).

    Parameters
    ----------
    critic : callable
        From (N, ...) to logits (N,) or (N, ...); the score of a sample is the mean of its logits. It must not mix
        samples: no batch normalisation.
    real, fake : Tensor (N, ...) float32
        Values only: no gradient reaches the generator. Call outside `autocast`.
    rng : torch.Generator
        On the device of ``real``.
    target : float
        Norm of the gradient without penalty, > 0.

    Returns
    -------
    Tensor ()
        Differentiable with respect to the weights of the critic.
    """
    share = torch.rand((len(real), *[1] * (real.ndim - 1)), generator=rng, device=real.device)
    mixed = torch.lerp(fake.detach(), real.detach(), share)
    slope: Tensor = torch.linalg.vector_norm(_slopes(critic, mixed).flatten(1), dim=1)
    return (slope / target - 1).square().mean()


def r1_penalty(critic: Callable[[Tensor], Tensor], real: Tensor) -> Tensor:
    """Compute the squared gradient at real samples, E‖∇ critic(real)‖² (Mescheder 2018, eq. 9, without γ / 2).

    Summed over the values of a sample, averaged over samples. Callers multiply by γ / 2, and by the interval where the
    penalty is taken every so many steps only.

    Parameters
    ----------
    critic : callable
        From (N, ...) to logits (N,) or (N, ...), as in `gradient_penalty`. With augmentation inside, the slope is that
        with respect to the sample before it was augmented.
    real : Tensor (N, ...) float32
        Call outside `autocast`.

    Returns
    -------
    Tensor ()
        Differentiable with respect to the weights of the critic.
    """
    return _slopes(critic, real.detach()).square().flatten(1).sum(1).mean()


def _slopes(critic: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """Compute the gradient (N, ...) of each sample's score by the sample, with a graph for the second derivative."""
    x.requires_grad_(True)
    # a view: torch's counter of operations cannot follow a gradient that ends at the input of a module
    scores = critic(x.view_as(x)).reshape(len(x), -1).mean(1)
    slopes: Tensor = torch.autograd.grad(scores.sum(), x, create_graph=True)[0]
    return slopes
