"""Moving average of the weights of a network, which is kept as the result of its training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

EVERY = 4
"""Steps between two updates, so that these cost little."""
POWER = 17
"""The average reaches back over about a 17th of the steps taken, so that it leaves the first ones behind soon."""


class MovingAverage:
    """Average of weights and floating-point buffers, in which step s of t has a weight in proportion to (s / t)^16.

    This is the power profile of Karras et al. 2024 (arXiv 2312.02696): short trainings are hardly averaged, long ones
    over more steps. Running statistics of batch norm are averaged like weights.

    Parameters
    ----------
    network : nn.Module
        On its device, with the weights that the training starts from.

    Examples
    --------
    >>> line = nn.Linear(1, 1, bias=False)
    >>> average = MovingAverage(line)
    >>> for step, weight in ((4, 1.0), (8, 2.0)):
    ...     _ = line.weight.data.fill_(weight)
    ...     average.update(step)
    >>> with average.shown():
    ...     print(f"{line.weight.item():.6f}")  # 1 weighs (4 / 8)^17
    1.999992
    >>> line.weight.item()
    2.0
    """

    def __init__(self, network: nn.Module) -> None:
        named = {**dict(network.named_parameters()), **dict(network.named_buffers())}
        self._weights = {name: one for name, one in named.items() if one.is_floating_point()}
        self._means = {name: one.detach().clone() for name, one in self._weights.items()}
        self._at = 0

    @torch.no_grad()
    def update(self, done: int) -> None:
        """Take in the weights after ``done`` steps; nothing if they were taken in."""
        if done == self._at:
            return
        share = 1 - (self._at / done) ** POWER
        torch._foreach_lerp_(list(self._means.values()), list(self._weights.values()), share)
        self._at = done

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Give the network the averaged weights for a while; nothing is copied."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def keep(self) -> None:
        """Give the network the averaged weights for good; the average itself is used up."""
        self._swap()

    def _swap(self) -> None:
        for name, one in self._weights.items():
            one.data, self._means[name] = self._means[name], one.data

    def state_dict(self) -> dict[str, Any]:
        """Return the averages and the step of the last update."""
        return {"means": self._means, "at": self._at}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        for name, mean in self._means.items():
            mean.copy_(state["means"][name])
        self._at = state["at"]
