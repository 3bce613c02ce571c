"""One thread that does small things in order and brings the answers into the window."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.errors import UserError

logger = logging.getLogger(__name__)


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
