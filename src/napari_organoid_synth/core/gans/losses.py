"""Losses of discriminators and generators, on logits; formulas of the papers, means over all elements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

Adversarial = Literal["bce", "lsgan"]


def discriminator_loss(real: Tensor, fake: Tensor, kind: Adversarial = "bce") -> Tensor:
    """What a discriminator minimises.

    ``bce`` (Goodfellow 2014): E softplus(-real) + E softplus(fake). ``lsgan`` (Mao 2017, a = 0, b = c = 1):
    ½ E(real - 1)² + ½ E fake².

    Parameters
    ----------
    real, fake : Tensor, any shape
        Logits of real and generated samples; positive means "looks real".
    kind : {"bce", "lsgan"}
        Which of the two formulas.

    Returns
    -------
    Tensor ()
    """
    if kind == "bce":
        return functional.softplus(-real).mean() + functional.softplus(fake).mean()
    return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()


def generator_loss(fake: Tensor, kind: Adversarial = "bce") -> Tensor:
    """What a generator minimises: E softplus(-fake), which does not saturate, or ½ E(fake - 1)²."""
    if kind == "bce":
        return functional.softplus(-fake).mean()
    return 0.5 * (fake - 1).square().mean()


def feature_loss(real: Sequence[Sequence[Tensor]], fake: Sequence[Sequence[Tensor]]) -> Tensor:
    """Feature matching (Wang 2018, eq. 4): mean over discriminators of Σ over layers of 4/(n + 1) · E|real - fake|.

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
