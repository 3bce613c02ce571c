"""The process of the live renderer as the window holds it: started and ended without waiting, messages in and out."""

from __future__ import annotations

import sys
from collections import deque
from typing import ClassVar

from qtpy.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

from napari_organoid_synth.core.live.frames import Decoder, FrameError, Message, encode

LOG_LINES = 60
BLAS_THREADS = "OPENBLAS_NUM_THREADS"


class RendererProcess(QObject):
    """One process; make another object for the next one.

    Parameters
    ----------
    parent : QObject, optional

    Signals
    -------
    received(Message)
        An answer.
    ended(str)
        The process ended without being asked to; the last lines of its log, and how.
    """

    received = Signal(object)
    ended = Signal(str)

    COMMAND: ClassVar[tuple[str, ...]] = (sys.executable, "-P", "-m", "napari_organoid_synth.core.live.server")
    """-P: a stray torch.py beside the data is not imported."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._decoder = Decoder()
        self._log: deque[str] = deque(maxlen=LOG_LINES)
        self._over = self._is_sending = False
        self._process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        if not environment.contains(BLAS_THREADS):  # matrices are small: threads would cost more than they bring
            environment.insert(BLAS_THREADS, "1")
        self._process.setProcessEnvironment(environment)
        self._process.readyReadStandardOutput.connect(self._read)
        self._process.readyReadStandardError.connect(self._read_log)
        self._process.finished.connect(self._finished)
        self._process.errorOccurred.connect(self._failed)

    @property
    def pid(self) -> int:
        """Number of the process; 0 before it runs and after its end."""
        return int(self._process.processId() or 0)

    @property
    def log(self) -> str:
        """Last lines of its log."""
        return "\n".join(self._log)

    def start(self) -> None:
        """Start it; messages may be sent at once."""
        program, *arguments = self.COMMAND
        self._process.start(program, arguments)

    def send(self, message: Message) -> None:
        """Send a request, at once if it is short: the event loop may draw the window first, which takes long."""
        if self._over:
            return
        self._process.write(encode(message))
        if self._is_running:
            self._is_sending = True  # who sends does not expect an answer meanwhile
            self._process.waitForBytesWritten(0)
            self._is_sending = False

    def collect(self) -> None:
        """Take up the answers that are there, without waiting for the event loop to find them."""
        if self._is_running and not self._over:
            self._process.waitForReadyRead(0)

    @property
    def _is_running(self) -> bool:
        return bool(self._process.state() == QProcess.ProcessState.Running)

    def stop(self, wait: bool = False) -> None:
        """End the process, which holds nothing that has to be saved; this object deletes itself.

        Parameters
        ----------
        wait : bool
            Whether to return when it is gone, some milliseconds later.
        """
        self._over = True
        self._process.kill()
        if wait:
            self._process.waitForFinished(2000)
        if self._process.state() == QProcess.ProcessState.NotRunning:
            self.deleteLater()

    def _read(self) -> None:
        if self._over:
            return
        if self._is_sending:
            QTimer.singleShot(0, self._read)
            return
        try:
            messages = self._decoder.feed(self._process.readAllStandardOutput().data())
        except FrameError as error:
            self._log.append(f"Its answer is damaged: {error}.")
            self._process.kill()  # `_finished` says so
            return
        for message in messages:
            if not self._over:  # an answer may make the window stop it
                self.received.emit(message)

    def _read_log(self) -> None:
        text = self._process.readAllStandardError().data().decode("utf-8", "replace")
        self._log.extend(text.splitlines())

    def _finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._read_log()
        crashed = status == QProcess.ExitStatus.CrashExit
        self._end("It was ended from outside, or crashed." if crashed else f"It ended with exit code {code}.")

    def _failed(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end(f"It cannot be started: {self._process.errorString()}.")

    def _end(self, how: str) -> None:
        if not self._over:
            self._over = True
            self._log.append(how)
            self.ended.emit(self.log)
        self.deleteLater()
