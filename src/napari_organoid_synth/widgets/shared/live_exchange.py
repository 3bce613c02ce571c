"""Requests and answers of the live renderer by number: the process, which requests wait, and what became of it."""

from __future__ import annotations

import logging
import time
from typing import Any, ClassVar

from numpy.typing import NDArray
from qtpy.QtCore import QObject, QTimer, Signal

from napari_organoid_synth.core.live.frames import Message
from napari_organoid_synth.widgets.shared.renderer_process import RendererProcess

logger = logging.getLogger(__name__)


class LiveExchange(QObject):
    """The present process of the renderer, started where there is none and ended where nobody asks.

    Parameters
    ----------
    parent : QObject, optional

    Signals
    -------
    answered(Message)
    crashed(str, bool)
        The last lines of its log, and whether it had just begun again after a crash.
    stateChanged(str)
        "stopped", "starting", "ready", "busy" or "crashed".

    Attributes
    ----------
    state : str
    serial : int
        Number of the newest request.
    started : float
        When the present process was started, on the clock of `time.perf_counter`.
    """

    answered = Signal(object)
    crashed = Signal(str, bool)
    stateChanged = Signal(str)

    IDLE_MINUTES: ClassVar[float] = 10.0
    """Without a request until the process ends; the next request starts it again."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state, self.serial, self.started = "stopped", 0, 0.0
        self._process: RendererProcess | None = None
        self._waiting: set[int] = set()
        self._crashes = 0
        self._idle = QTimer(self)
        self._idle.setSingleShot(True)
        self._idle.timeout.connect(self._rest)

    @property
    def pid(self) -> int:
        """Number of the process; 0 where none runs."""
        return self._process.pid if self._process is not None else 0

    @property
    def is_running(self) -> bool:
        """Whether there is a process, or one is starting."""
        return self._process is not None

    def begin(self) -> bool:
        """Start the process if there is none, and return whether it was started: it knows nothing yet."""
        self._idle.start(int(self.IDLE_MINUTES * 60_000))
        if self._process is not None:
            return False
        process = self._process = RendererProcess(self)
        process.received.connect(self._take)
        process.ended.connect(self._crashed)
        process.start()
        self.started = time.perf_counter()
        self._set_state("starting")
        return True

    def send(self, kind: str, values: dict[str, Any], arrays: dict[str, NDArray[Any]] | None = None) -> int:
        """Send a request to the process, which must have been started; return its number."""
        assert self._process is not None
        self.serial += 1
        self._waiting.add(self.serial)
        self._process.send(Message(kind, {**values, "serial": self.serial}, arrays or {}))
        self._judge()
        return self.serial

    def collect(self) -> None:
        """Take up the answers that are there, without waiting for the event loop to find them."""
        if self._process is not None:
            self._process.collect()

    def end(self, wait: bool = False) -> None:
        """End the process.

        Parameters
        ----------
        wait : bool
            Whether to return when it is gone, some milliseconds later.
        """
        self._idle.stop()
        self._waiting.clear()
        self._crashes = 0
        if self._process is not None:
            process, self._process = self._process, None
            process.stop(wait)
        self._set_state("stopped")

    def _rest(self) -> None:
        """End a process that has nothing to do."""
        if self._waiting:
            self._idle.start()
        else:
            self.end()

    def _take(self, answer: Message) -> None:
        self.answered.emit(answer)
        serials = answer.values.get("serials", ())
        self._waiting.difference_update(serials)
        if serials or self.state != "starting":
            self._judge(first=bool(serials))

    def _crashed(self, report: str) -> None:
        """Say so; who listens starts again, but once: what has to be painted again may be what ended the process."""
        logger.warning("The live renderer ended: %s", report)
        self._process = None
        self._waiting.clear()
        self._idle.stop()
        self._set_state("crashed")
        self._crashes += 1
        again = self._crashes > 1
        if again:
            self._crashes = 0
        self.crashed.emit(report, again)

    def _judge(self, first: bool = False) -> None:
        """Say whether requests wait."""
        if self._process is None or (self.state == "starting" and not first):
            return
        self._set_state("busy" if self._waiting else "ready")
        if not self._waiting:
            self._crashes = 0

    def _set_state(self, state: str) -> None:
        if state != self.state:
            self.state = state
            self.stateChanged.emit(state)
