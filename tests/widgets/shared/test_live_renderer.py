"""The window's renderer with its real process: pictures arrive, the newest wins, and its end costs nothing."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from pytestqt.qtbot import QtBot

from live_models import mask
from napari_organoid_synth.core.live.frames import Message
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.widgets.shared.live_exchange import LiveExchange
from napari_organoid_synth.widgets.shared.live_renderer import LiveRenderer, PaintedMessage
from napari_organoid_synth.widgets.shared.renderer_process import RendererProcess
from napari_organoid_synth.widgets.shared.workspace import Workspace

START = 60_000
"""Milliseconds that a start may take on a busy computer."""


class Listener:
    """A renderer and all that it says."""

    def __init__(self, renderer: LiveRenderer) -> None:
        self.renderer = renderer
        self.opened: list[dict[str, Any]] = []
        self.painted: list[PaintedMessage] = []
        self.facts: list[tuple[str, dict[str, Any]]] = []
        self.failed: list[Any] = []
        self.states: list[str] = []
        renderer.opened.connect(self.opened.append)
        renderer.painted.connect(self.painted.append)
        renderer.factsKnown.connect(lambda *known: self.facts.append(known))
        renderer.failed.connect(self.failed.append)
        renderer.stateChanged.connect(self.states.append)

    def wait(self, qtbot: QtBot, serial: int) -> PaintedMessage:
        """Wait for the answer to a request."""
        qtbot.waitUntil(lambda: any(one.serial >= serial for one in self.painted), timeout=START)
        return next(one for one in self.painted if one.serial >= serial)


@pytest.fixture
def heard(qtbot: QtBot) -> Iterator[Listener]:
    renderer = LiveRenderer()
    yield Listener(renderer)
    renderer.stop(wait=True)


@pytest.fixture(scope="module")
def warm(qapp: object) -> Iterator[LiveRenderer]:
    """A renderer whose process several tests share, for its start takes longer than they do."""
    renderer = LiveRenderer()
    yield renderer
    renderer.stop(wait=True)


def commanded(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    """Let the process be a program of another sort."""
    monkeypatch.setattr(RendererProcess, "COMMAND", (sys.executable, "-c", program))


def test_a_mask_is_painted_and_its_picture_follows(
    qtbot: QtBot, heard: Listener, live_model: Callable[[str], Path]
) -> None:
    renderer, labels = heard.renderer, mask()
    assert renderer.state == "stopped"
    renderer.prepare()
    assert renderer.state == "starting"
    renderer.open(live_model("analogy"))
    first = heard.wait(qtbot, renderer.paint("a", labels, seed=3))
    assert heard.opened[0]["name"] == live_model("analogy").name
    assert heard.opened[0].keys().isdisjoint({"serial", "serials", "canvas"})
    assert (first.canvas, first.box, first.full, first.labels) == ("a", (0, 0, 64, 80), True, None)
    assert first.pixels.shape == (1, 64, 80)
    assert first.facts["seed"] == 3
    assert "sources" not in first.facts  # they are measured when they are asked for
    assert renderer.first_picture_seconds is not None
    picture = first.pixels.copy()
    labels[2:8, 60:72] = 3
    changed = heard.wait(qtbot, renderer.change("a", (2, 60, 8, 72), labels[2:8, 60:72], "fast"))
    top, left, bottom, right = changed.box
    assert not changed.full
    assert changed.facts == {}
    picture[:, top:bottom, left:right] = changed.pixels
    labels[-1, -1] = 4
    last = heard.wait(qtbot, renderer.change("a", (62, 78, 70, 90), labels))  # the whole mask, a box beyond its edge
    assert last.box[2:] == (64, 80)
    assert renderer.ask_facts("a") > last.serial
    qtbot.waitUntil(lambda: bool(heard.facts), timeout=START)
    assert heard.facts[0][0] == "a"
    assert set(heard.facts[0][1]["residual"]) == {"1", "2", "3", "4"}
    assert set(heard.facts[0][1]["sources"]) <= {"image_0", "image_1"}
    assert heard.facts[0][1]["latent_seed"] == first.facts["latent_seed"]
    qtbot.waitUntil(lambda: renderer.state == "ready")
    assert heard.states[0] == "starting"
    assert heard.states[-2:] == ["busy", "ready"]
    assert not heard.failed
    assert renderer.change("unknown", (0, 0, 1, 1), labels) == 0
    assert renderer.change("a", (70, 0, 75, 1), labels) == 0
    renderer.close("a")
    assert renderer.change("a", (0, 0, 1, 1), labels) == 0


def test_answers_about_a_mask_that_was_replaced_are_dropped(
    qtbot: QtBot, warm: LiveRenderer, live_model: Callable[[str], Path]
) -> None:
    heard, renderer = Listener(warm), warm
    renderer.open(live_model("pix2pix"))
    old = renderer.paint("a", mask())
    heard.wait(qtbot, old)

    def answer(serial: int) -> None:
        values = {"canvas": "a", "serial": serial, "serials": [], "box": [0, 0, 1, 1], "full": False, "facts": {}}
        renderer._take(Message("painted", values, {"pixels": np.zeros((1, 1, 1), np.uint8)}))

    dragged = renderer.paint("a", mask(), seed=1)
    answer(old)  # of the same mask: a picture on the way of a slider
    assert [one.serial for one in heard.painted] == [old, old]
    new = renderer.paint("a", mask(32, 32))
    answer(dragged)
    assert [one.serial for one in heard.painted] == [old, old]
    assert heard.wait(qtbot, new).pixels.shape == (1, 32, 32)
    renderer.open(live_model("pix2pix"))
    renderer.paint("a", mask(32, 32))
    answer(new)
    assert heard.painted[-1].serial == new
    assert len(heard.painted) == 3


def test_many_requests_end_with_the_newest(qtbot: QtBot, warm: LiveRenderer, live_model: Callable[[str], Path]) -> None:
    heard, renderer, labels = Listener(warm), warm, mask()
    renderer.open(live_model("pix2pix"))
    heard.wait(qtbot, renderer.paint("a", labels))
    serial = 0
    for step in range(60):
        labels[step : step + 4, 70:76] = 5
        serial = renderer.change("a", (step, 70, step + 4, 76), labels[step : step + 4, 70:76], "fast")
    heard.wait(qtbot, serial)
    assert len(heard.painted) < 61
    pixels = heard.painted[0].pixels.copy()
    for one in heard.painted[1:]:
        top, left, bottom, right = one.box
        pixels[:, top:bottom, left:right] = one.pixels
    renderer.paint("b", labels)
    whole = heard.wait(qtbot, serial + 1).pixels
    assert np.abs(pixels.astype(int) - whole).max() <= 1


def test_a_crash_costs_nothing_but_a_moment(qtbot: QtBot, heard: Listener, live_model: Callable[[str], Path]) -> None:
    renderer, labels = heard.renderer, mask()
    renderer.open(live_model("pix2pix"))
    heard.wait(qtbot, renderer.paint("a", labels, seed=4))
    labels[2:8, 60:72] = 3
    heard.wait(qtbot, renderer.change("a", (2, 60, 8, 72), labels))
    qtbot.waitUntil(lambda: renderer.state == "ready")
    before, pid = heard.painted[-1].serial, renderer.pid
    psutil.Process(pid).kill()
    again = heard.wait(qtbot, before + 1)
    assert again.full
    assert not psutil.pid_exists(pid)  # it left no zombie
    assert heard.states.count("crashed") == 1
    assert not heard.failed
    assert len(heard.opened) == 2
    expected = heard.wait(qtbot, renderer.paint("b", labels, seed=4))
    np.testing.assert_array_equal(again.pixels, expected.pixels)


@pytest.mark.parametrize(
    ("program", "report"),
    [
        ("import sys; sys.stderr.write('no room'); sys.exit(3)", "no room\nIt ended with exit code 3."),
        ("import os; os.abort()", "It was ended from outside, or crashed."),
        ("print('hello', flush=True); input()", "Its answer is damaged: a message begins with b'hell'"),
    ],
)
def test_what_ends_twice_is_told(
    qtbot: QtBot, heard: Listener, monkeypatch: pytest.MonkeyPatch, program: str, report: str
) -> None:
    commanded(monkeypatch, program)
    heard.renderer.open("somewhere")
    qtbot.waitUntil(lambda: bool(heard.failed), timeout=START)
    assert heard.states == ["starting", "crashed", "starting", "crashed"]
    assert report in heard.failed[0].report
    assert heard.failed[0].found == "The renderer ended, and ended again after its second start."
    heard.renderer.paint("a", mask())  # a person tries again
    assert heard.renderer.state == "starting"


def test_a_program_that_is_missing_is_told(qtbot: QtBot, heard: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RendererProcess, "COMMAND", ("/no/such/program",))
    heard.renderer.open("somewhere")
    qtbot.waitUntil(lambda: bool(heard.failed), timeout=START)
    assert "It cannot be started" in heard.failed[0].report


def test_a_model_that_cannot_be_read_is_told_once(
    qtbot: QtBot, warm: LiveRenderer, live_model: Callable[[str], Path], tmp_path: Path
) -> None:
    heard, renderer = Listener(warm), warm
    renderer.open(tmp_path / "nothing")
    renderer.paint("a", mask())
    qtbot.waitUntil(lambda: bool(heard.failed) and renderer.state == "ready", timeout=START)
    [failed] = heard.failed
    assert failed.found.endswith("nothing has no recipe.yaml.")
    assert failed.expected == "Expected the folder of a training."
    assert "Traceback" in failed.report
    renderer.open(live_model("pix2pix"))
    heard.wait(qtbot, renderer.paint("a", mask()))


def test_stopping_ends_the_process(qtbot: QtBot, heard: Listener, live_model: Callable[[str], Path]) -> None:
    renderer = heard.renderer
    renderer.open(live_model("pix2pix"))
    qtbot.waitUntil(lambda: bool(heard.opened), timeout=START)
    pid = renderer.pid
    assert psutil.pid_exists(pid)
    renderer.stop()
    assert renderer.state == "stopped"
    qtbot.waitUntil(lambda: not psutil.pid_exists(pid))
    assert renderer.pid == 0
    assert renderer.change("a", (0, 0, 1, 1), mask()) == 0


def test_a_process_without_work_ends_and_comes_back(
    qtbot: QtBot, heard: Listener, live_model: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LiveExchange, "IDLE_MINUTES", 0.5 / 60)
    renderer, labels = heard.renderer, mask()
    renderer.open(live_model("pix2pix"))
    heard.wait(qtbot, renderer.paint("a", labels))
    pid = renderer.pid
    qtbot.waitUntil(lambda: renderer.state == "stopped")
    qtbot.waitUntil(lambda: not psutil.pid_exists(pid))
    labels[2:8, 60:72] = 3
    whole = heard.wait(qtbot, renderer.change("a", (2, 60, 8, 72), labels, "fast"))
    assert whole.full
    assert whole.pixels.shape == (1, 64, 80)


def test_a_workspace_has_one_and_stops_it_with_its_project(
    qtbot: QtBot, live_model: Callable[[str], Path], tmp_path: Path
) -> None:
    workspace = Workspace()
    renderer = workspace.renderer
    assert workspace.renderer is renderer
    for leave in (lambda: workspace.setProject(Project(tmp_path / "other")), workspace.close):
        with qtbot.waitSignal(renderer.opened, timeout=START):
            renderer.open(live_model("pix2pix"))
        pid = renderer.pid
        leave()
        assert renderer.state == "stopped"
        qtbot.waitUntil(lambda pid=pid: not psutil.pid_exists(pid))


def test_nothing_of_torch_is_loaded_with_it() -> None:
    program = (
        "import sys; import napari_organoid_synth.widgets.shared.live_renderer;"
        "sys.exit(','.join({'torch', 'numba', 'scipy', 'napari'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
