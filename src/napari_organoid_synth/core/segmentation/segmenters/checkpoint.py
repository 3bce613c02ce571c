"""State of an unfinished training of a segmenter: one file, written whole or not at all, without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from napari_organoid_synth.core.atomic import regular_file, write_bytes
from napari_organoid_synth.core.weight_files import check_weights


class TrainingFile:
    """File with weights, optimisers and everything else that changes from step to step.

    Parameters
    ----------
    path : Path
        Of the safetensors file.
    identity : str
        Of settings and data; a file with another identity is ignored, and overwritten by `write`.

    Examples
    --------
    >>> import tempfile
    >>> line = torch.nn.Linear(2, 1)
    >>> kept = TrainingFile(Path(tempfile.mkdtemp()) / "training.safetensors", "U-Net, 500 steps")
    >>> kept.read({"network": line})
    0
    >>> kept.write({"network": line}, 120)
    >>> kept.read({"network": line})
    120
    """

    def __init__(self, path: Path, identity: str) -> None:
        self.path, self.identity = path, identity

    def write(self, parts: Mapping[str, Any], step: int) -> None:
        """Write the state of all parts.

        Parameters
        ----------
        parts : mapping of str to object
            Each with ``state_dict`` and ``load_state_dict``.
        step : int
            Optimiser steps taken.
        """
        tensors: dict[str, Tensor] = {}
        states = {name: _plain(part.state_dict(), tensors) for name, part in parts.items()}
        header = json.dumps({"identity": self.identity, "step": step, "states": states})
        write_bytes(self.path, save(tensors, metadata={"training": header}))

    def read(self, parts: Mapping[str, Any]) -> int:
        """Restore all parts; returns the steps taken, 0 if the file has no state of this training."""
        try:
            with safe_open(regular_file(self.path), framework="pt") as file:
                header = json.loads((file.metadata() or {})["training"])
                if header["identity"] != self.identity or header["states"].keys() != parts.keys():
                    return 0
                states = {name: _whole(state, file) for name, state in header["states"].items()}
                step = int(header["step"])
                keys = file.keys()
                check_weights({key: file.get_tensor(key) for key in keys}, self.path.name, "", "", below="no size")
        except (OSError, SafetensorError, ValueError, KeyError, TypeError):  # none yet, or damaged: start over
            return 0
        for name, part in parts.items():
            part.load_state_dict(states[name])
        return step

    def remove(self) -> None:
        """Delete the file, once the training is finished."""
        self.path.unlink(missing_ok=True)


def _plain(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Convert a state to JSON; tensors go into ``tensors`` and are replaced by their keys."""
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        last = value.dim() == 4 and not value.is_contiguous()  # fused optimisers go through memory, not through indices
        return {"tensor": name, "channels_last": last}
    if isinstance(value, Mapping):  # keys of optimisers are numbers
        return {"items": [[key, _plain(one, tensors)] for key, one in value.items()]}
    if isinstance(value, list | tuple):
        return [_plain(one, tensors) for one in value]
    return value


def _whole(value: Any, file: Any) -> Any:
    """Rebuild the state that `_plain` converted."""
    if isinstance(value, dict):
        if "tensor" in value:
            tensor = file.get_tensor(value["tensor"])
            return tensor.contiguous(memory_format=torch.channels_last) if value["channels_last"] else tensor
        return {key: _whole(one, file) for key, one in value["items"]}
    if isinstance(value, list):
        return [_whole(one, file) for one in value]
    return value
