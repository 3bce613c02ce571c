"""Workers for the tasks: processes of ``dask.distributed`` on this computer or a cluster, or this process itself."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from napari_organoid_synth.core.computer import cards_for
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.settings import HERE, GainSettings
from napari_organoid_synth.core.gain.tasks import Task
from napari_organoid_synth.core.gain.work import Outcome, do_task, run_task
from napari_organoid_synth.core.job import Control, Event

POLL_SECONDS = 0.05
START_SECONDS = 120.0
"""Time in which the processes of this computer must be there."""
CONNECT_SECONDS = 15.0
"""Time after which a scheduler that does not answer is given up."""


class Workers(Protocol):
    """Interface of the workers that `open_workers` yields."""

    @property
    def room(self) -> int:
        """Number of tasks that can be done at once."""

    def submit(self, task: Task) -> None:
        """Begin a task, or queue it."""

    def poll(self, seconds: float) -> list[tuple[Task, Outcome]]:
        """Return the tasks that ended within some seconds; a task whose worker died has failed."""


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
        here = _Here(folder, control)
        try:
            yield here
        finally:
            here.close()
    elif settings.scheduler:
        with _connect(settings.scheduler) as client:
            yield _Dask(folder, client)
    else:
        with _local(number, settings.threads, cards_for(settings.device)) as client:
            yield _Dask(folder, client)


class _Here:
    """Workers in this process: tasks one after the other; each call of `poll` does a part of a task."""

    room = 1

    def __init__(self, folder: Path, control: Control) -> None:
        self.folder, self.control = folder, control
        self.line: list[Task] = []
        self.steps: Generator[Event, None, Outcome] | None = None

    def submit(self, task: Task) -> None:
        self.line.append(task)

    def poll(self, seconds: float) -> list[tuple[Task, Outcome]]:
        until = time.monotonic() + seconds
        while self.line and time.monotonic() < until:
            self.steps = self.steps or do_task(self.folder, self.line[0], self.control)
            try:
                next(self.steps)
            except StopIteration as end:
                self.steps = None
                return [(self.line.pop(0), end.value)]
        return []

    def close(self) -> None:
        """End the task in progress; the next time it resumes from its last state."""
        if self.steps is not None:
            self.steps.close()


class _Dask:
    """Workers of a dask client; a task whose worker dies is done once more by another."""

    def __init__(self, folder: Path, client: Any) -> None:
        self.folder, self.client = str(folder), client
        self.running: dict[Any, Task] = {}

    @property
    def room(self) -> int:
        return max(1, len(self.client.ncores()))

    def submit(self, task: Task) -> None:
        self.running[self.client.submit(run_task, self.folder, task, pure=False, retries=0)] = task

    def poll(self, seconds: float) -> list[tuple[Task, Outcome]]:
        until = time.monotonic() + seconds
        while True:
            ended = [future for future in self.running if future.done()]
            if ended or time.monotonic() > until:
                return [(self.running.pop(future), _outcome(future)) for future in ended]
            time.sleep(POLL_SECONDS)


def _outcome(future: Any) -> Outcome:
    """Return the outcome of a task; a worker that died is a failure."""
    from distributed import KilledWorker

    if future.status == "finished":
        outcome: Outcome = future.result()
        return outcome
    error = future.exception() if future.status == "error" else None
    if error is None or isinstance(error, KilledWorker):
        message = (
            "Its process ended twice, most often because memory was full. Use fewer workers, or settings that need "
            "less memory."
        )
    else:
        message = f"{type(error).__name__}: {error}"
    return Outcome("failed", message, repr(error))


@contextmanager
def _local(number: int, threads: int, cards: Sequence[str] = ()) -> Iterator[Any]:
    """Start processes on this computer, with one task each at a time.

    Each sees one of the graphics ``cards``, dealt out in turn; without cards it sees what this process sees.

    They accept connections from this computer alone, and with a certificate that only they and this process have:
    a scheduler runs the code of anyone who connects, and other users of the computer could.
    """
    import dask
    from distributed import Client, LocalCluster
    from distributed.security import Security

    environment = {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}
    options = {
        "distributed.scheduler.allowed-failures": 1,  # tried again once
        "distributed.comm.timeouts.connect": "60s",  # a busy computer starts processes slowly
        "distributed.nanny.pre-spawn-environ": environment,
    }
    with dask.config.set(options), _silence():
        cluster = _dealing(LocalCluster, cards)(
            n_workers=0,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls://",
            security=Security.temporary(),
            # its pages are off, but it opens a port for them: any free one, for this computer alone
            scheduler_kwargs={"dashboard": False, "dashboard_address": "127.0.0.1:0"},
            worker_dashboard_address=None,
            memory_limit=0,
            silence_logs=logging.CRITICAL,
        )
        client = Client(cluster)
        try:
            cluster.scale(number)
            client.wait_for_workers(number, timeout=START_SECONDS)
            client.register_worker_callbacks(_ignore_interrupts)
            yield client
        finally:
            with suppress(TimeoutError, OSError):
                client.close(timeout=10)
            with suppress(TimeoutError, OSError):
                cluster.close(timeout=20)


def _dealing(cluster: type[Any], cards: Sequence[str]) -> type[Any]:
    """Return a kind of cluster of which each new process sees the next graphics card alone."""

    class Dealing(cluster):  # type: ignore[misc]
        dealt = 0

        def new_worker_spec(self) -> dict[Any, Any]:
            specs = super().new_worker_spec()
            if not cards:
                return dict(specs)
            card = cards[self.dealt % len(cards)]
            self.dealt += 1
            return {
                name: {**spec, "options": {**spec["options"], "env": {"CUDA_VISIBLE_DEVICES": card}}}
                for name, spec in specs.items()
            }

    return Dealing


def _ignore_interrupts() -> None:
    """Ignore Ctrl-C, which reaches all processes of a terminal; the job asks workers to save and stop."""
    with suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _connect(address: str) -> Iterator[Any]:
    """Connect to a scheduler that is running."""
    from distributed import Client

    with _silence():
        try:
            client = Client(address, timeout=CONNECT_SECONDS)
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
    """Keep the log messages of dask off the screen."""
    loggers = [logging.getLogger(name) for name in ("distributed", "tornado", "asyncio")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
