"""The process of the renderer: answers in order, skips what is needless, ends with its input."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from queue import Queue

import numpy as np
import psutil
import pytest

from live_models import changing, mask, opening, painting
from napari_organoid_synth.core.live.frames import Decoder, Message, encode
from napari_organoid_synth.core.live.renderer import Renderer

COMMAND = [sys.executable, "-P", "-m", "napari_organoid_synth.core.live.server"]


class Server:
    """A real process, and its answers as they come."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0
        )
        self.answers: Queue[Message] = Queue()
        self.log = b""
        self.readers = [threading.Thread(target=read) for read in (self._read, self._read_log)]
        for reader in self.readers:
            reader.start()

    def _read(self) -> None:
        decoder = Decoder()
        assert self.process.stdout is not None
        while data := self.process.stdout.read(1 << 16):
            for message in decoder.feed(data):
                self.answers.put(message)

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        self.log = self.process.stderr.read()

    def send(self, *messages: Message) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"".join(map(encode, messages)))

    def get(self) -> Message:
        return self.answers.get(timeout=60)

    def end(self) -> int:
        """Close the input; the exit status."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        status = self.process.wait(20)
        for reader in self.readers:
            reader.join(10)
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdout.close()
        self.process.stderr.close()
        return status


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.process.kill()
    made.end()


def test_it_paints_changes_and_ends_with_its_input(server: Server, live_model: Callable[[str], Path]) -> None:
    server.send(opening(live_model("pix2pix")))
    assert server.get().kind == "opened"
    labels = mask()
    server.send(painting(2, labels))
    first = server.get()
    assert (first.kind, first.arrays["pixels"].shape) == ("painted", (1, 64, 80))
    labels[2:8, 60:72] = 3
    server.send(changing(3, (2, 60, 8, 72), labels[2:8, 60:72]))
    assert server.get().values["serials"] == [3]
    server.send(painting(4, labels, image_class=9))
    assert server.get().values["found"] == "There is no image class 9."
    server.send(painting(5, labels))
    assert server.get().kind == "painted"
    assert server.end() == 0
    assert server.answers.empty()


def test_requests_that_wait_are_answered_once(server: Server, live_model: Callable[[str], Path]) -> None:
    labels = mask()
    labels[0, 0] = 3
    many = [painting(serial, mask(), seed=serial) for serial in range(2, 40)]
    server.send(opening(live_model("pix2pix")), *many, changing(40, (0, 0, 1, 1), [[3]]), painting(41, mask(), "b"))
    answers = [server.get(), server.get(), server.get()]
    assert [one.values["serials"] for one in answers] == [[1], list(range(2, 41)), [41]]
    renderer = Renderer()
    renderer.answer(opening(live_model("pix2pix")))
    [alone] = renderer.answer(painting(2, labels, seed=39))
    np.testing.assert_array_equal(alone.arrays["pixels"], answers[1].arrays["pixels"])


def test_bytes_that_are_no_message_end_it(server: Server) -> None:
    assert server.process.stdin is not None
    server.process.stdin.write(b"Traceback (most recent call last): what is this?")
    assert server.process.wait(30) == 2
    server.end()
    assert b"The input is damaged: a message begins with" in server.log


def test_it_ends_while_it_works_when_its_owner_is_gone(server: Server, live_model: Callable[[str], Path]) -> None:
    server.send(opening(live_model("analogy")))
    server.get()
    server.send(painting(2, mask(512, 512)))
    time.sleep(0.05)
    start = time.monotonic()
    assert server.end() == 0
    assert time.monotonic() - start < 8


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_in_the_terminal_is_meant_for_its_owner(server: Server, live_model: Callable[[str], Path]) -> None:
    import signal

    server.send(opening(live_model("pix2pix")))
    server.get()
    os.kill(server.process.pid, signal.SIGINT)
    server.send(painting(2, mask()))
    assert server.get().kind == "painted"


@pytest.mark.slow
def test_memory_stays_flat_over_many_changes(server: Server, live_model: Callable[[str], Path]) -> None:
    rng = np.random.default_rng(0)
    memory = psutil.Process(server.process.pid).memory_info
    for name in ("analogy", "pix2pix"):
        server.send(opening(live_model(name)))
        server.get()
        server.send(painting(1, mask(128, 128)))
        server.get()
        before = 0
        for number in range(500):
            y, x = rng.integers(0, 112, 2)
            box = int(y), int(x), int(y) + 16, int(x) + 16
            server.send(changing(number, box, np.full((16, 16), rng.integers(0, 9))))
            server.get()
            if number == 50:
                before = memory().rss
        assert memory().rss - before < 20e6, name
