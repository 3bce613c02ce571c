"""Who does the tasks: processes of ``dask.distributed`` on this computer or a cluster, or this process itself."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.tasks import Task, run_task
from napari_organoid_synth.core.job import Control

HERE = "here"
PAUSE = 0.05
CONNECT = 15.0  # seconds until a scheduler that does not answer is given up


class Workers(Protocol):
    """What `open_workers` gives."""

    @property
    def room(self) -> int:
        """How many tasks can be done at once."""

    def submit(self, task: Task) -> None:
        """Begin a task, or put it in line."""

    def poll(self, seconds: float) -> list[tuple[Task, dict[str, Any]]]:
        """Tasks that ended within some seconds, each with what `run_task` returned; a dead worker is ``"failed"``."""


@contextmanager
def open_workers(folder: Path, settings: GainSettings, control: Control, number: int) -> Iterator[Workers]:
    """Start workers and stop them at the end.

    Parameters
    ----------
    folder : Path
        Of the comparison.
    settings : GainSettings
        Its scheduler and threads.
    control : Control
        For tasks in this process; others read ``tasks/control``.
    number : int
        Workers on this computer.
    """
    if settings.scheduler == HERE:
        yield _Here(folder, control)
    elif settings.scheduler:
        with _connect(settings.scheduler) as client:
            yield _Dask(folder, client)
    else:
        with _local(number, settings.threads) as client:
            yield _Dask(folder, client)


class _Here:
    """One after the other, in this process."""

    room = 1

    def __init__(self, folder: Path, control: Control) -> None:
        self.folder, self.control = str(folder), control
        self.line: list[Task] = []

    def submit(self, task: Task) -> None:
        self.line.append(task)

    def poll(self, seconds: float) -> list[tuple[Task, dict[str, Any]]]:
        line, self.line = self.line, []
        return [(task, run_task(self.folder, task, self.control)) for task in line]


class _Dask:
    """Through a dask client; a task whose worker dies is done once more by another."""

    def __init__(self, folder: Path, client: Any) -> None:
        self.folder, self.client = str(folder), client
        self.running: dict[Any, Task] = {}

    @property
    def room(self) -> int:
        return max(1, int(sum(self.client.ncores().values())))

    def submit(self, task: Task) -> None:
        self.running[self.client.submit(run_task, self.folder, task, pure=False, retries=0)] = task

    def poll(self, seconds: float) -> list[tuple[Task, dict[str, Any]]]:
        until = time.monotonic() + seconds
        while True:
            ended = [future for future in self.running if future.done()]
            if ended or time.monotonic() > until:
                return [(self.running.pop(future), _outcome(future)) for future in ended]
            time.sleep(PAUSE)


def _outcome(future: Any) -> dict[str, Any]:
    """What a task returned, or in words that its worker died."""
    from distributed import KilledWorker

    if future.status == "finished":
        result: dict[str, Any] = future.result()
        return result
    error = future.exception() if future.status == "error" else None
    if error is None or isinstance(error, KilledWorker):
        words = "The process that did it ended twice, most often for want of memory. Use fewer workers, or less memory."
    else:
        words = f"{type(error).__name__}: {error}"
    return {"state": "failed", "words": words, "report": repr(error)}


@contextmanager
def _local(number: int, threads: int) -> Iterator[Any]:
    """Processes on this computer that answer to nobody else; one task each at a time."""
    import dask
    from distributed import Client, LocalCluster

    environment = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    quiet = {
        "distributed.scheduler.allowed-failures": 1,  # tried again once
        "distributed.comm.timeouts.connect": "60s",  # a busy computer starts processes slowly
        "distributed.nanny.pre-spawn-environ": environment,
    }
    with dask.config.set(quiet), _silence():
        cluster = LocalCluster(
            n_workers=number,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # its pages are off, but it opens a port for them: any free one, for this computer alone
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            worker_dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )
        client = Client(cluster)
        try:
            client.register_worker_callbacks(_leave_interrupts_to_the_job)
            yield client
        finally:
            with suppress(TimeoutError, OSError):
                client.close(timeout=10)
            with suppress(TimeoutError, OSError):
                cluster.close(timeout=20)


def _leave_interrupts_to_the_job() -> None:
    """Ctrl-C reaches all processes of a terminal; workers are asked to stop by the job, and save first."""
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _connect(address: str) -> Iterator[Any]:
    """A scheduler that somebody else started."""
    from distributed import Client

    with _silence():
        try:
            client = Client(address, timeout=CONNECT)
        except (OSError, ValueError, TimeoutError) as error:
            raise UserError(
                f"The scheduler '{address}' does not answer: {error}.",
                "Expected the address that 'dask scheduler' prints, such as tcp://10.0.0.5:8786.",
                "Start it, or leave the address empty to work on this computer.",
            ) from None
        try:
            yield client
        finally:
            with suppress(TimeoutError, OSError):
                client.close(timeout=10)


@contextmanager
def _silence() -> Iterator[None]:
    """Keep what dask has to say about itself off the screen."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
