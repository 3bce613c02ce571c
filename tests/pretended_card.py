"""A graphics card that is not there: tensors without contents that know the device on which they would be.

Under torch's fake tensors every operation checks that its tensors are on one device, so a tensor that was left on the
processor is found without a card. Numbers that a computation reads back are made up. Gradients need a real device: only
forward passes can be tried.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorDeviceMismatchError, FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

__all__ = ["CARD", "FakeTensorDeviceMismatchError", "pretended_card"]

CARD = torch.device("cuda", 0)
READ: dict[Any, Any] = {
    Tensor.item: lambda number: number,
    Tensor.__bool__: bool,
    Tensor.__float__: float,
    Tensor.__int__: int,
}
"""How numbers are read back."""
FILLED = (Tensor.normal_, Tensor.uniform_, Tensor.bernoulli_)
"""What fills a tensor with random numbers."""
FOUND = 3
"""Pixels that a search finds."""


@contextmanager
def pretended_card() -> Iterator[None]:
    """Pretend that this computer has one graphics card; use ``device="cuda"`` inside."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)  # made first: it asks whether there is a card
    with ExitStack() as stack:
        stack.callback(torch.set_autocast_cache_enabled, torch.is_autocast_cache_enabled())
        torch.set_autocast_cache_enabled(False)  # what is kept for later needs the graph of gradients
        stack.enter_context(patch.object(torch.cuda, "is_available", lambda: True))
        stack.enter_context(patch.object(torch.cuda, "device_count", lambda: 1))
        stack.enter_context(patch.object(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True))
        stack.enter_context(patch.object(torch, "Generator", _Stream))
        stack.enter_context(patch.object(nn.Module, "_apply", _moved))
        stack.enter_context(patch.object(Tensor, "__deepcopy__", lambda tensor, _: tensor.clone()))
        stack.enter_context(torch.no_grad())
        stack.enter_context(mode)
        stack.enter_context(_NumbersMadeUp())
        stack.enter_context(_ArraysMadeUp())
        yield


class _Stream(torch.Generator):
    """A stream of random numbers that tells the device that was asked for."""

    def __new__(cls, device: Any = "cpu") -> _Stream:
        stream: _Stream = super().__new__(cls, "cpu")
        stream.asked = torch.device(device)
        return stream

    @property
    def device(self) -> torch.device:
        return self.asked


class _NumbersMadeUp(TorchDispatchMode):
    """Make up the numbers that are read back from the card, and how many pixels a search finds."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for tensor in args:
            if isinstance(tensor, FakeTensor):
                tensor.constant = None  # numbers that are known would be computed on the card
        name = func.overloadpacket.__name__
        if name == "_local_scalar_dense":
            return _made_up(args[0].dtype).item()
        return func(*args, **(kwargs or {}))


class _ArraysMadeUp(TorchFunctionMode):
    """Make up arrays of tensors on the processor; refuse streams of another device than what they fill."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func in (Tensor.numpy, Tensor.tolist) and isinstance(args[0], FakeTensor):
            if func is Tensor.numpy and args[0].device.type != "cpu":
                raise TypeError(f"can't convert {args[0].device} device type tensor to numpy")
            array = np.full(tuple(args[0].shape), _made_up(args[0].dtype))
            return array if func is Tensor.numpy else array.tolist()
        if func is Tensor.copy_ and args[0].device.type == CARD.type:
            args[1].expand(args[0].shape)
            return args[0]
        if func is Tensor.nonzero:
            return torch.zeros(FOUND, args[0].ndim, dtype=torch.int64, device=args[0].device)
        if func is Tensor.contiguous:
            return args[0].clone(memory_format=kwargs.get("memory_format", torch.contiguous_format))
        if func is Tensor.unflatten:
            return args[0].reshape([*args[0].shape[: args[1]], *args[2], *args[0].shape[args[1] + 1 :]])
        if func in READ and isinstance(args[0], FakeTensor):
            return READ[func](_made_up(args[0].dtype).item())
        if func is torch.tensor and kwargs.get("device") is not None:
            return torch.tensor(*args, **{**kwargs, "device": None}).to(kwargs["device"])
        if func in (Tensor.__getitem__, Tensor.__setitem__) and args[0].device.type == CARD.type:
            return _indexed(*args)
        filled = func in FILLED and args[0].device.type == CARD.type
        result = args[0] if filled else func(*args, **kwargs)
        stream = kwargs.get("generator")
        if stream is not None and isinstance(result, Tensor) and stream.device.type != result.device.type:
            raise RuntimeError(f"a generator of {stream.device} fills a tensor on {result.device}")
        return result


def _made_up(dtype: torch.dtype) -> np.generic:
    """Return True, 1 or 0.5 of the type."""
    kind = np.dtype(str(dtype).removeprefix("torch.").replace("bfloat16", "float32"))
    number: np.generic = kind.type(0.5 if kind.kind == "f" else 1)
    return number


def _indexed(tensor: Tensor, index: Any, value: Any = None) -> Tensor | None:
    """Return a part of a tensor, or set it to a value: in single operations, since torch's own asks for the card."""
    indices = list(index) if isinstance(index, tuple) else [index]
    if any(one is Ellipsis for one in indices):
        at = next(number for number, one in enumerate(indices) if one is Ellipsis)
        indices[at : at + 1] = [slice(None)] * (tensor.ndim - sum(one is not None for one in indices) + 1)
    part, dim, chosen = tensor, 0, []
    for one in indices:
        if one is None:
            part = part.unsqueeze(dim)
        elif isinstance(one, slice):
            part = torch.ops.aten.slice(part, dim, *_ends(one, part.shape[dim]))
        elif isinstance(one, int):
            part = part.select(dim, one)
            continue
        else:
            chosen += [None] * (dim - len(chosen)) + [torch.as_tensor(one, device=tensor.device)]
        dim += 1
    if value is None:
        return torch.ops.aten.index(part, chosen) if chosen else part
    value = value if isinstance(value, Tensor) else torch.full((), value, dtype=tensor.dtype, device=tensor.device)
    if chosen:
        torch.ops.aten.index_put_(part, chosen, value)
    else:
        value.expand(part.shape)
    return None


def _ends(part: slice, length: int) -> tuple[int, int, int]:
    """Return first, last and step of a slice."""
    first, last, step = part.indices(length)
    return first, max(first, last), step


def _moved(module: nn.Module, change: Any, recurse: bool = True) -> nn.Module:
    """Change all weights and buffers of a module; torch itself cannot swap what fake tensors hold."""
    for child in module.children() if recurse else ():
        _moved(child, change)
    for table in (module._parameters, module._buffers):
        for key, old in table.items():
            if old is not None:
                new = change(old)
                table[key] = nn.Parameter(new, old.requires_grad) if isinstance(old, nn.Parameter) else new
    return module
