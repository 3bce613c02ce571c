"""Messages to a process and back without a turn of the event loop, in which the window may be drawn first."""

from __future__ import annotations

import sys
import time

import pytest
from pytestqt.qtbot import QtBot

from napari_organoid_synth.core.live.frames import Message
from napari_organoid_synth.widgets.shared.renderer_process import RendererProcess

ECHO = """
import os
while data := os.read(0, 1 << 20):
    os.write(1, data)
"""


def test_requests_and_answers_do_not_wait_for_the_event_loop(qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RendererProcess, "COMMAND", (sys.executable, "-c", ECHO))
    process, heard = RendererProcess(), list[Message]()
    process.received.connect(heard.append)
    process.collect()  # nothing runs yet
    process.start()
    process.send(Message("first"))
    qtbot.waitUntil(lambda: len(heard) == 1, timeout=20_000)
    process.send(Message("change", {"serial": 2}))
    for _ in range(500):
        process.collect()
        if len(heard) == 2:
            break
        time.sleep(0.01)
    assert [one.kind for one in heard] == ["first", "change"]
    for number in range(3):  # who sends hears nothing meanwhile, and all of it afterwards
        before = len(heard)
        process.send(Message("change", {"serial": number}))
        assert len(heard) == before
        time.sleep(0.05)
    qtbot.waitUntil(lambda: len(heard) == 5, timeout=5000)
    process.stop(wait=True)
    process.collect()
