from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from napari_organoid_synth.core import job as job_module
from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.job import (
    EVENTS,
    Added,
    Control,
    Event,
    FileControl,
    Finished,
    JobFolder,
    Progress,
    Saved,
    from_line,
    to_line,
)


@pytest.mark.parametrize("cls", EVENTS.values())
def test_an_event_survives_its_line(cls: type[Event]) -> None:
    event = cls(7)
    assert from_line(to_line(event)) == event


def test_values_survive_the_line_and_unknown_fields_are_ignored() -> None:
    event = Progress(3, 10, {"generator": 1.5}, 2.0, 3.5, "painting")
    assert from_line(to_line(event)) == event
    assert from_line(to_line(Added(1, ("a", "b")))) == Added(1, ("a", "b"))
    assert from_line('{"event": "Saved", "time": 1, "step": 2, "path": "x", "colour": "red"}') == Saved(2, "x")


def test_the_gate_beats_while_paused_and_opens_on_resume() -> None:
    control = Control()
    assert list(control.wait_while_paused(4)) == []
    control.pause()
    beats = control.wait_while_paused(4)
    assert next(beats).step == 4
    control.resume()
    assert list(beats) == []
    control.cancel()
    assert control.canceled
    assert list(control.wait_while_paused(4)) == []


def test_a_request_passes_between_processes(tmp_path: Path) -> None:
    ours, theirs = FileControl(tmp_path / "control"), FileControl(tmp_path / "control")
    assert theirs.request() == "run"
    for ask, word in ((ours.pause, "pause"), (ours.resume, "run"), (ours.cancel, "cancel")):
        ask()
        time.sleep(FileControl.READ_INTERVAL * 1.5)
        assert theirs.request() == word


def test_events_are_read_on_from_where_reading_stopped(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    assert folder.read_events() == ([], 0)
    list(folder.record([Saved(1, "a"), Saved(2, "b")]))
    events, offset = folder.read_events()
    assert events == [Saved(1, "a"), Saved(2, "b")]
    list(folder.record([Finished(3)]))
    assert folder.read_events(offset)[0] == [Finished(3)]


def test_a_half_line_of_a_killed_process_costs_only_itself(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    list(folder.record([Saved(1, "a")]))
    with folder.events_path.open("ab") as stream:
        stream.write(b'{"event": "Sav')
    assert folder.read_events()[0] == [Saved(1, "a")]
    list(folder.record([Saved(2, "b")]))
    assert folder.read_events()[0] == [Saved(1, "a"), Saved(2, "b")]


def test_alive_follows_the_process(tmp_path: Path) -> None:
    folder = JobFolder(tmp_path)
    assert not folder.alive
    folder.begin("train", ["x"])
    assert folder.alive
    assert folder.info["pid"] == os.getpid()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    folder.begin("train", ["x"], child.pid)
    assert folder.alive
    child.kill()
    child.wait()
    assert child.stdin is not None
    child.stdin.close()
    assert not folder.alive


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    write_bytes(target, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(job_module.os, "fsync", full)
    with pytest.raises(OSError, match="is full"):
        write_bytes(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
