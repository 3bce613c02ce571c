"""Threads of this program: one that does small things in order, and as many as needed for napari's workers."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QCoreApplication, QObject, QThreadPool, QTimer, Signal

from napari_organoid_synth.core.errors import UserError

logger = logging.getLogger(__name__)

MAX_THREADS = 256
"""Workers at once; those that follow a job mostly sleep."""
END_MS = 3000
SIGNALS = ("started", "yielded", "returned", "errored", "warned", "paused", "resumed", "aborted", "finished")
"""Of napari's workers."""
_running: set[Any] = set()


def thread_pool() -> QThreadPool:
    """Return the threads of this program's workers.

    The global pool of Qt, in which napari starts its workers, has as many threads as the processor has cores: followers
    of jobs would fill it, and nothing else would ever start.
    """
    app = QCoreApplication.instance()
    pool = app.findChild(QThreadPool, __name__) if app is not None else None
    if pool is None:
        pool = QThreadPool(app)
        pool.setObjectName(__name__)
        pool.setMaxThreadCount(MAX_THREADS)
        atexit.register(_end, pool)
    return pool


def _end(pool: QThreadPool) -> None:
    """Wait for the workers before the interpreter ends: a thread that still runs Python then crashes."""
    for worker in list(_running):
        worker.quit()
    if isalive(pool):
        pool.clear()
        pool.waitForDone(END_MS)


def start_worker(worker: Any) -> None:
    """Start a worker of napari's ``create_worker`` in `thread_pool` instead of the global pool."""
    _running.add(worker)  # Qt alone does not keep it
    worker.finished.connect(lambda: QTimer.singleShot(0, lambda: _let_go(worker)))
    thread_pool().start(worker)


def _let_go(worker: Any) -> None:
    """Forget a worker that has ended, and what its signals called.

    Qt keeps what is called, which keeps a page, which keeps its worker: a circle that Python cannot see, so that every
    page that was ever closed would stay in memory.
    """
    _running.discard(worker)
    for name in SIGNALS:
        if (signal := getattr(worker, name, None)) is not None:
            signal.connect(_nothing)  # PySide warns where nothing is connected
            signal.disconnect()


def _nothing(*_: object) -> None:
    pass


def while_alive(owner: QObject, call: Callable[..., object]) -> Callable[..., None]:
    """Return ``call`` as a slot that does nothing once ``owner`` is gone, as Qt does with slots of the owner itself."""

    def guarded(*arguments: Any) -> None:
        if isalive(owner):
            call(*arguments)

    return guarded


class Background(QObject):
    """Runs tasks one after the other; answers reach the thread of the window.

    Parameters
    ----------
    parent : QObject, optional
        Whose end is the end of the answers.
    """

    _answered = Signal(object, object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._pool = ThreadPoolExecutor(1, "organoid-synth")
        self._closed = False
        self._answered.connect(self._deliver)

    def do(
        self, task: Callable[[], Any], done: Callable[[Any], object], failed: Callable[[BaseException], object]
    ) -> None:
        """Run ``task()`` in the thread; its answer reaches ``done`` or ``failed`` in the window."""
        if not self._closed:
            self._pool.submit(self._run, task, done, failed)

    def close(self, finish: bool = False) -> None:
        """Drop waiting tasks, or with ``finish`` wait for all; no more answers arrive."""
        self._closed = True
        self._pool.shutdown(wait=finish, cancel_futures=not finish)

    def _run(self, task: Callable[[], Any], done: Callable[[Any], object], failed: Callable[..., object]) -> None:
        call, answer = done, None
        try:
            answer = task()
        except Exception as error:  # whatever it is, the person must see it
            if not isinstance(error, UserError):
                logger.exception("A task failed")
            call, answer = failed, error
        try:
            self._answered.emit(call, answer)
        except RuntimeError:
            return  # the window is gone

    def _deliver(self, call: Callable[[Any], object], answer: Any) -> None:
        if not self._closed:
            call(answer)
