"""The training steps of a network, compiled by PyTorch; the network itself stays as it is."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from napari_organoid_synth.core.errors import UserError


def compiled(network: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return the forward pass of a network, compiled at its first call and kept by PyTorch for the next training.

    It reads the weights of ``network`` at each call, so whatever changes these counts for it too.

    Parameters
    ----------
    network : nn.Module
        On its device. Inputs should always have one shape: each further one is compiled as well.

    Raises
    ------
    UserError
        At the first call, if this computer cannot compile it.
    """
    from torch._dynamo.exc import TorchDynamoException  # takes seconds

    quick: Callable[[torch.Tensor], torch.Tensor] = torch.compile(network, dynamic=False)

    def forward(images: torch.Tensor) -> torch.Tensor:
        try:
            return quick(images)
        except TorchDynamoException as error:
            reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
            raise UserError(
                f"The network cannot be compiled here: {reason}",
                "Expected a compiler that PyTorch can call: g++, clang++ or MSVC (cl).",
                "Install one, or train with compile: false.",
            ) from None

    return forward
