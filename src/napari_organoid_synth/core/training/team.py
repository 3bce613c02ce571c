"""Several processes that take the steps of one training together, each with its part of every batch.

The leader is the process of the training: it reports, judges and saves. The others follow its orders. Each learns from
its tiles with its part of the random numbers; the gradients are averaged before each optimiser step, so that all keep
the same weights, those that one process would have with the whole batch.

Processes and devices are those of lightning-fabric, which is imported here alone and only when it is needed. Its
wrappers of models are not: a step of these networks is many passes forward and back, of which each trains one network.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from napari_organoid_synth.core.computer import graphics_cards
from napari_organoid_synth.core.device import pick_device, random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.base import averaging
from napari_organoid_synth.core.generators.canvas import PartStream, StepStream
from napari_organoid_synth.core.recipe import TrainSettings

T = TypeVar("T")
LEARN, WAIT, STOP = 1, 2, 0
FOLLOWER = "napari_organoid_synth.core.training.follower"
PATIENCE = timedelta(days=365)
"""How long followers wait for an order: a training may be paused for long."""
SILENCE = timedelta(minutes=10)
"""Time after which a process that does not come, or does not answer within a step, is given up."""


class Team:
    """The processes of a training; alone until it is launched.

    Parameters
    ----------
    size : int
        Number of processes.
    device : torch.device
        Of this process.
    rank : int
        Of this process; 0 leads.
    fabric : lightning_fabric.Fabric, optional
        Launched; None when alone.
    """

    def __init__(self, size: int, device: torch.device, rank: int = 0, fabric: Any = None) -> None:
        self.size, self.device, self.rank, self.fabric = size, device, rank, fabric
        self._orders: Any = None
        if fabric is not None:
            self._orders = torch.distributed.new_group(backend="gloo", timeout=PATIENCE)

    # ----------------------------------------------------------------------------------------------------- of a step

    def part(self, items: Sequence[T]) -> Sequence[T]:
        """Return the items of this process."""
        number = len(items) // self.size
        return items[self.rank * number : (self.rank + 1) * number]

    def stream(self, *parts: int | str) -> StepStream:
        """Return the random numbers of a step; see `random_stream`."""
        whole = random_stream(self.device, *parts)
        return whole if self.size == 1 else PartStream(whole, self.rank, self.size)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Average the gradients of all optimiser steps that are taken inside."""
        token = averaging.set(self._average if self.size > 1 else None)
        try:
            yield
        finally:
            averaging.reset(token)

    def _average(self, tensors: list[Tensor]) -> None:
        """Average tensors in place over all processes, in one message."""
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        self.fabric.all_reduce(flat, reduce_op="mean")
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, parts, strict=True):
            tensor.copy_(mean.view(tensor.shape))

    def mean(self, losses: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the means of losses over all processes; ``bad`` is 1 if it is so anywhere."""
        if self.size == 1:
            return losses
        means = torch.stack([value.float() for value in losses.values()])
        self.fabric.all_reduce(means, reduce_op="mean")
        return {name: (mean > 0).float() if name == "bad" else mean for name, mean in zip(losses, means, strict=True)}

    # -------------------------------------------------------------------------------------------------------- orders

    def order(self, kind: int, step: int = 0, batch: int = 0) -> None:
        """Tell the followers what to do."""
        if self.size > 1:
            torch.distributed.broadcast(torch.tensor([kind, step, batch]), 0, self._orders)

    def next_order(self) -> tuple[int, int, int]:
        """Wait for an order: its kind, the step, and the tiles of the whole batch."""
        order = torch.zeros(3, dtype=torch.int64)
        torch.distributed.broadcast(order, 0, self._orders)
        kind, step, batch = order.tolist()
        return kind, step, batch

    def tell(self, what: Any = None) -> Any:
        """Send an object to all followers, and return it in each process."""
        return self.fabric.broadcast(what, 0) if self.size > 1 else what


@contextmanager
def open_team(settings: TrainSettings) -> Iterator[Team]:
    """Start the followers of a training, and end them with it.

    Raises
    ------
    UserError
        If lightning-fabric is missing, or there are fewer graphics cards than asked for.
    """
    if settings.devices == 1:
        yield Team(1, pick_device(settings.device))
        return
    device = pick_device(settings.device)
    _refuse(settings, device)
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "NODE_RANK": "0"}
    command = [sys.executable, "-m", FOLLOWER, device.type, str(settings.devices)]
    with tempfile.TemporaryDirectory() as folder:
        logs = [Path(folder) / f"{rank}.log" for rank in range(1, settings.devices)]
        followers = []
        try:
            for rank, log in enumerate(logs, 1):
                with log.open("wb") as output:
                    environment = {**os.environ, **place, "LOCAL_RANK": str(rank)}
                    followers.append(subprocess.Popen(command, env=environment, stdout=output, stderr=output))
            with _environment({**place, "LOCAL_RANK": "0"}), join(device.type, settings.devices) as team:
                yield team
                team.order(STOP)
        except RuntimeError as error:
            ended = [log for log, follower in zip(logs, followers, strict=True) if follower.poll()]
            if not ended:
                raise
            words = ended[0].read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise UserError(
                f"A process of the training ended: {words[-1] if words else error}",
                f"Expected {settings.devices} processes until the end.",
                "Take fewer tiles per step, or devices=1.",
            ) from None
        finally:
            for follower in followers:
                _end(follower)


@contextmanager
def join(kind: str, size: int) -> Iterator[Team]:
    """Take part in a team as ``LOCAL_RANK`` says; ``kind`` is ``"cpu"`` or ``"cuda"``."""
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    fabric = Fabric(accelerator=kind, devices=size, strategy=DDPStrategy(timeout=SILENCE))
    fabric.launch()
    try:
        yield Team(size, fabric.device, fabric.global_rank, fabric)
    finally:
        torch.distributed.destroy_process_group()


def _refuse(settings: TrainSettings, device: torch.device) -> None:
    """Refuse a team that cannot be."""
    if device.type not in ("cpu", "cuda") or device.index is not None:
        raise UserError(
            f"device={settings.device} is one device, and devices={settings.devices}.",
            "Expected device=auto, cuda or cpu for several.",
        )
    cards = len(graphics_cards())
    if device.type == "cuda" and cards < settings.devices:
        raise UserError(
            f"There are {cards} graphics cards here.", f"Expected at least {settings.devices}, as devices says."
        )
    try:
        import lightning_fabric  # noqa: F401
    except ModuleNotFoundError:
        raise UserError(
            "The package 'lightning-fabric' is not installed.",
            "Training on several devices needs it.",
            'Run: pip install "napari-organoid-synth[fabric]"',
        ) from None


def _free_port() -> int:
    """Return a port of this computer that nothing uses."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(values: dict[str, str]) -> AbstractContextManager[Any]:
    """Set variables of the environment for a while."""
    from unittest.mock import patch

    return patch.dict(os.environ, values)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Wait for a follower; end it when it does not end by itself."""
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
