"""Read weights that other programs have saved."""

from __future__ import annotations

import math
import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_organoid_synth.core.atomic import regular_file
from napari_organoid_synth.core.errors import UserError

MAX_WEIGHT = 1e6
"""Largest number in a trained network; with inputs from -1 to 1 and weights around 0.01 to 10, statistics of layers
reach some thousands. A larger one saturates every pixel behind it."""


def read_weights(file: str | Path, expected: str, todo: str) -> dict[str, Tensor]:
    """Read the state dict in a .safetensors, .pth or .pt file; never runs code from it.

    Parameters
    ----------
    file : str or Path
        With ``~`` for the home folder.
    expected, todo : str
        End of the message about an unusable file.

    Raises
    ------
    UserError
        If there is no such file, it contains anything but tensors, or numbers that no trained network has.
    """
    path = Path(file).expanduser()
    try:
        regular_file(path).open("rb").close()
    except UserError as error:
        raise UserError(error.found, expected, todo) from None
    except OSError as error:
        raise UserError(f"Cannot read {path}: {error.strerror or error}.", expected, todo) from None
    try:
        if path.suffix == ".safetensors":
            content: Any = load_file(path)
        else:
            with warnings.catch_warnings(action="ignore"):  # of a pickle that is none of torch's
                content = torch.load(path, map_location="cpu", weights_only=True)
    except (SafetensorError, pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError, OSError):
        raise UserError(
            f"{path.name} holds something else than tensors, or is damaged; nothing of it was run.", expected, todo
        ) from None
    if not isinstance(content, dict):
        raise UserError(f"{path.name} holds {type(content).__name__}.", expected, todo)
    check_weights(content, path.name, expected, todo)
    return content


def check_weights(tensors: Mapping[str, Any], name: str, expected: str, todo: str, below: str = "") -> None:
    """Refuse weights with NaN or infinite numbers, or with such as no trained network has.

    Parameters
    ----------
    tensors : mapping of str to Tensor
        Anything else in it is ignored, and so are whole numbers.
    name : str
        Of the file, for the message.
    expected, todo : str
        End of the message.
    below : str
        Start of the names whose size is tested; moments of an optimiser may be larger.

    Raises
    ------
    UserError
        If a number is not finite, or larger than `MAX_WEIGHT`.
    """
    for key, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not tensor.is_floating_point() or not tensor.numel():
            continue
        low, high = (float(end) for end in torch.aminmax(tensor.detach().float()))
        if not math.isfinite(low + high):
            raise UserError(f"'{key}' in {name} contains NaN or infinite numbers.", expected, todo)
        if key.startswith(below) and max(-low, high) > MAX_WEIGHT:
            largest = high if high > -low else low
            found = f"'{key}' in {name} contains {largest:.3g}, more than {MAX_WEIGHT:.0e}."
            raise UserError(found, expected, todo)
