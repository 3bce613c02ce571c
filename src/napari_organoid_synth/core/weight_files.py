"""Read weights that other programs have saved."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from napari_organoid_synth.core.errors import UserError


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
        If there is no such file, or it contains anything but tensors.
    """
    path = Path(file).expanduser()
    try:
        path.open("rb").close()
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
    return content
