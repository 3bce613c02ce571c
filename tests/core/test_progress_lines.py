"""Progress of a command in a real process: lines in a log, one bar in a terminal."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys
import time
from pathlib import Path

import pytest

PROGRAM = """
import sys, time
from pathlib import Path
from napari_organoid_synth.cli.progress import Bar, Lines
from napari_organoid_synth.cli.running import follow
from napari_organoid_synth.core.job import Control, Finished, Progress, Warned
from napari_organoid_synth.core.project import Project

Lines.SOONEST = 0.3
def work():
    yield Warned(0, "There are only 3 tiles.")
    for step in range(1, 401):
        time.sleep(0.005)
        yield Progress(step, 400, {"loss": step / 8}, 200.0, (400 - step) * 30.0, "a long note " * 30)
    yield Finished(400, "completed", {"done": 400})

print(follow(work(), Control(), "train", Project(Path(sys.argv[1]))))
"""


def test_a_log_gets_a_line_from_time_to_time(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "p")], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "{'reason': 'completed', 'done': 400}\n"
    assert "\r" not in done.stderr
    first, *lines = done.stderr.splitlines()
    assert first == "There are only 3 tiles."
    assert 2 <= len(lines) <= 12  # two seconds on an idle machine, and never one for each of 400 events
    for line in lines:
        rest = "(?:about .*|less than a minute) left"
        found = re.fullmatch(rf"train: (\d+) of 400 \((\d+)%\), (?:a long note )+a?.*…, loss=\S+, {rest}", line)
        assert found, line
        assert abs(int(found[1]) / 4 - int(found[2])) <= 1
        assert len(line) < 200


@pytest.mark.skipif(sys.platform == "win32", reason="needs pseudo terminals")
def test_a_terminal_gets_one_bar_that_is_not_drawn_for_each_event(tmp_path: Path) -> None:
    import fcntl
    import pty
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environment = {**os.environ, "COLUMNS": "80", "LINES": "24"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "p")], stdout=subprocess.DEVNULL, stderr=theirs, env=environment
    )
    os.close(theirs)
    data, until = b"", time.monotonic() + 120
    while time.monotonic() < until:
        try:
            part = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not part:
            break
        data += part
    assert process.wait(60) == 0
    os.close(ours)
    text = data.decode()
    drawn = [part for part in re.split(r"[\r\n]", text) if part.strip()]
    assert any("There are only 3 tiles." in part for part in drawn)
    bars = [part for part in drawn if "/400" in part]
    assert 1 <= len(bars) <= 40  # of 400 events
    assert all(len(part) <= 80 for part in bars)
    assert text.count("\n") <= 4  # the warning, not a line for each bar
