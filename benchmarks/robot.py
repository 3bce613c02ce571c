"""A window driven from outside: where its controls are is asked, what is done is done by xdotool.

Used by ``window_journey.py``. As a program it is one of the two processes that are driven::

    python robot.py --serve PROJECT FOLDER    # the napari window ("": no project); answers where things are
    python robot.py --offer FILE ...          # a file manager in small: drag its label, drop the files
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from PIL import ImageGrab

Control = dict[str, Any]
OFFERED = "offered files"
done = {"clicks": 0, "drags": 0, "typed": 0}
"""What was done so far: as many times has a person to look and act."""


def serve(project: str, folder: str) -> None:
    """The window process: open the project and answer where things are, whenever the file ``ask`` appears."""
    import napari
    from qtpy import QtCore, QtWidgets

    from napari_organoid_synth.widgets.shared.dock import Dock
    from napari_organoid_synth.widgets.shared.window import open_project_window

    viewer = napari.Viewer(title=f"{Path(project).name} – Organoid Synth" if project else "napari")
    if project:
        open_project_window(viewer, project)
    viewer.window._qt_window.showMaximized()
    asked, answer = Path(folder) / "ask", Path(folder) / "answer.json"

    def box(widget: Any, rect: Any) -> list[int]:
        corner = widget.mapToGlobal(rect.topLeft())
        return [corner.x(), corner.y(), rect.width(), rect.height()]

    def look() -> None:
        if not asked.exists():
            return
        found: list[Control] = []
        for widget in QtWidgets.QApplication.allWidgets():
            seen = widget.visibleRegion().boundingRect()
            if not widget.isVisible():
                continue
            dock, scroll, page = widget, None, ""
            while dock is not None and not isinstance(dock, QtWidgets.QDockWidget):
                scroll = dock if isinstance(dock, QtWidgets.QScrollArea) and scroll is None else scroll
                if not page and type(dock).__module__.startswith("napari_organoid_synth") and isinstance(dock, Dock):
                    page = type(dock).__name__.removesuffix("Widget")
                dock = dock.parentWidget()
            text = widget.text() if callable(getattr(widget, "text", None)) and not hasattr(widget, "lineEdit") else ""
            one = {
                "dock": page or (dock.windowTitle().partition(" (")[0] if dock else ""),
                "kind": type(widget).__name__,
                "text": str(text),
                "name": widget.accessibleName() or str(text) or widget.windowTitle() or widget.objectName(),
                "enabled": widget.isEnabled(),
                "rect": box(widget, seen),
                "hidden": seen.height() < min(widget.height(), 30),
                "at": box(widget, widget.rect()),
                "scroll": box(scroll, scroll.rect()) if scroll else None,
                "cut": isinstance(widget, QtWidgets.QAbstractButton | QtWidgets.QLabel)
                and not getattr(widget, "wordWrap", bool)()
                and bool(text)
                and widget.sizeHint().width() > widget.width() + 1,
            }
            if widget.isWindow():
                frame = widget.frameGeometry()
                one["frame"] = [frame.x(), frame.y(), frame.width(), frame.height()]
            found.append(one)
            if isinstance(widget, QtWidgets.QListView | QtWidgets.QTableView) and widget.model() is not None:
                port, model = widget.viewport(), widget.model()
                for row in range(min(model.rowCount(widget.rootIndex()), 100)):
                    index = model.index(row, 0, widget.rootIndex())
                    words = str(index.data() or "")
                    rect = widget.visualRect(index).intersected(port.rect())
                    item = {"kind": "item", "name": words, "text": words, "view": one["name"], "rect": box(port, rect)}
                    found.append({**one, **item, "hidden": rect.height() < 8})
            if isinstance(widget, QtWidgets.QMenu | QtWidgets.QMenuBar):
                for action in widget.actions():
                    entry = {"kind": "action", "name": action.text().replace("&", "")}
                    found.append({**one, **entry, "rect": box(widget, widget.actionGeometry(action)), "hidden": False})
            if isinstance(widget, QtWidgets.QTabBar):
                for number in range(widget.count()):
                    tab = {"kind": "tab", "name": widget.tabText(number), "rect": box(widget, widget.tabRect(number))}
                    found.append({**one, **tab, "dock": "", "hidden": False})
        answer.with_suffix(".part").write_text(json.dumps(found))
        asked.unlink()
        answer.with_suffix(".part").rename(answer)

    timer = QtCore.QTimer()
    timer.timeout.connect(look)
    timer.start(30)
    napari.run()


def offer(paths: list[str]) -> None:
    """A file manager in small: a window whose one label starts a drag of these files."""
    from qtpy import QtCore, QtGui, QtWidgets

    class Source(QtWidgets.QLabel):
        def mouseMoveEvent(self, event: Any) -> None:
            data, drag = QtCore.QMimeData(), QtGui.QDrag(self)
            data.setUrls([QtCore.QUrl.fromLocalFile(path) for path in paths])
            drag.setMimeData(data)
            drag.exec(QtCore.Qt.DropAction.CopyAction)

    app = QtWidgets.QApplication([])
    label = Source("\n".join(Path(path).name for path in paths))
    label.setWindowTitle(OFFERED)
    label.setWindowFlag(QtCore.Qt.WindowType.WindowStaysOnTopHint)
    label.setGeometry(60, 400, 220, 90)
    label.show()
    app.exec()


def wait(test: Callable[[], Any], seconds: float, what: str) -> Any:
    """What ``test`` gives once that is true; ends the script when it does not become so."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if found := test():
            return found
        time.sleep(0.3)
    raise AssertionError(f"did not happen in {seconds} s: {what}")


def x(*words: Any) -> None:
    """Run xdotool."""
    subprocess.run(["xdotool", *map(str, words)], check=True)


def middle(control: Control) -> tuple[int, int]:
    """Centre of the part of a control that is in view."""
    left, top, width, height = control["rect"]
    across = 10 if control["kind"] == "QCheckBox" else width // 2  # a check box takes clicks on its sign and text only
    return left + across, top + height // 2


@contextmanager
def offered(paths: Sequence[Path]) -> Iterator[tuple[int, int]]:
    """A small window from which files can be dragged, and where to grab them."""
    process = subprocess.Popen([sys.executable, __file__, "--offer", *map(str, paths)])
    wait(
        lambda: subprocess.run(["xdotool", "search", "--name", OFFERED], capture_output=True).returncode == 0,
        60,
        OFFERED,
    )
    time.sleep(1)
    yield 170, 450
    process.kill()


def drag(start: tuple[int, int], end: tuple[int, int], during: Callable[[], None] | None = None) -> None:
    """Press, move in small steps as a hand does, let go."""
    done["drags"] += 1
    x("mousemove", *start, "mousedown", 1)
    for part in (0.01, 0.03, 0.06, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 0.96, 1, 1, 1):
        x("mousemove", *(round(a + part * (b - a)) for a, b in zip(start, end, strict=True)))
        time.sleep(0.06)
    if during:
        during()
    for shift in (2, 0):  # a slow window learns of the last place only with the next movement
        x("mousemove", end[0] + shift, end[1])
        time.sleep(0.3)
    x("mouseup", 1)
    time.sleep(0.8)


class Window:
    """The window process, seen and touched from outside."""

    def __init__(self, project: Path | None, out: Path) -> None:
        self.out = out
        if project is not None:
            self.project = project
        self.folder = Path(tempfile.mkdtemp())
        command = [sys.executable, __file__, "--serve", str(project or ""), str(self.folder)]
        self.process = subprocess.Popen(command)
        opened = {"name": "Pairs", "kind": "StepButton"} if project else {"name": "Plugins", "kind": "action"}
        wait(lambda: self.find(**opened), 90, "the window opens")
        time.sleep(2)

    def controls(self) -> list[Control]:
        """Every visible control."""
        answer = self.folder / "answer.json"
        answer.unlink(missing_ok=True)
        (self.folder / "ask").touch()
        until = time.monotonic() + 60
        while not answer.exists():
            assert self.process.poll() is None, "the window process ended"
            assert time.monotonic() < until, "the window does not answer for a minute"
            time.sleep(0.05)
        found: list[Control] = json.loads(answer.read_text())
        return found

    def find(self, name: str, dock: str | None = None, **wanted: Any) -> Control | None:
        """The control whose name begins so, exact names first."""
        fits = [
            c
            for c in self.controls()
            if c["name"].startswith(name)
            and dock in (None, c["dock"])
            and all(c.get(key) == value for key, value in wanted.items())
        ]
        return min(fits, key=lambda c: (c["name"] != name, c["kind"] == "QLabel", c["hidden"])) if fits else None

    def _at_rest(self, name: str, dock: str | None, **wanted: Any) -> Control | None:
        """The control, once it stays where it is: what was just opened or raised still moves."""
        before = self.find(name, dock, **wanted)
        time.sleep(0.2)
        after = self.find(name, dock, **wanted)
        return after if before and after and before["rect"] == after["rect"] else None

    def click(self, name: str, dock: str | None = None, **wanted: Any) -> Control:
        """Scroll to a control by the wheel and click it."""
        control = wait(lambda: self._at_rest(name, dock, **wanted), 20, f"'{name}' is in view")
        for _ in range(40):
            if not control["hidden"] or not control["scroll"]:
                break
            left, top, width, height = control["scroll"]
            x("mousemove", left + width - 4, top + height // 2)
            x("click", 5 if control["at"][1] > top + height // 2 else 4)
            time.sleep(0.15)
            control = self.find(name, dock, **wanted) or control
        assert control["enabled"], f"'{name}' is disabled"
        assert not control["hidden"], f"'{name}' cannot be scrolled into view"
        x("mousemove", *middle(control), "click", 1)
        done["clicks"] += 1
        time.sleep(0.4)
        return control

    def type(self, name: str, text: str, dock: str) -> None:
        """Replace what an editor holds."""
        self.click(name, dock)
        x("key", "ctrl+a", "type", text)
        done["typed"] += 1
        x("key", "Tab")
        time.sleep(0.3)

    def choose(self, name: str, item: str, dock: str) -> None:
        """Open a combo box and click an item of it."""
        self.click(name, dock)
        self.click(item, kind="item")

    def go(self, step: str) -> None:
        """Show the page of a step."""
        self.click(step, "Steps", kind="StepButton")

    def menu(self, *entries: str) -> None:
        """Click through a menu."""
        for entry in entries:
            self.click(entry, kind="action")

    def texts(self, dock: str) -> str:
        """Everything that a dock says, marks that only allow line breaks left out."""
        return "\n".join(c["text"].replace("\u200b", "") for c in self.controls() if c["dock"] == dock)

    def says(self, dock: str, pattern: str, seconds: float = 30) -> str:
        """Wait until a dock says something."""
        found = wait(lambda: re.search(pattern, self.texts(dock)), seconds, f"{dock} says /{pattern}/")
        return str(found[0])

    def shot(self, name: str) -> None:
        """Save the whole screen; tell which texts are cut."""
        time.sleep(0.5)
        ImageGrab.grab(xdisplay=os.environ["DISPLAY"]).save(self.out / f"{name}.png")
        ours = {"Steps", "Pairs", "Train", "Generate", "Curate", "Scores", "Segment", "Export"}
        cut = sorted({f"{c['dock']}: {c['name']}" for c in self.controls() if c["cut"] and c["dock"] in ours})
        print(f"{name}.png", f"CUT {cut}" if cut else "", flush=True)

    def close(self, answer: str = "") -> None:
        """Press the window manager's close button, answer what is asked."""
        frame = next(c["frame"] for c in self.controls() if c.get("frame") and c["kind"] == "_QtMainWindow")
        x("mousemove", frame[0] + frame[2] - 12, frame[1] + 12, "click", 1)
        if answer:
            wait(lambda: self.find(answer, kind="QPushButton"), 15, "it asks about the running job")
            self.shot("closing")
            self.click(answer, kind="QPushButton")
        for _ in range(2):  # without a job napari itself asks once
            time.sleep(2)
            with suppress(AssertionError):  # it closed while it was asked
                if self.find("Close", kind="QPushButton", dock=""):
                    self.click("Close", kind="QPushButton", dock="")
        wait(lambda: self.process.poll() is not None, 30, "the window closes")


@contextmanager
def screen(size: str) -> Iterator[None]:
    """A virtual screen with a window manager for as long as it is needed; the real one where DISPLAY is given."""
    if os.environ.get("DISPLAY"):
        yield
        return
    read, write = os.pipe()
    server = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{size}x24", "-nolisten", "tcp"]
    processes = [subprocess.Popen(server, pass_fds=[write])]
    os.environ["DISPLAY"] = f":{os.read(read, 20).decode().strip()}"
    processes.append(subprocess.Popen(["openbox"]))
    time.sleep(1)
    try:
        yield
    finally:
        for process in reversed(processes):
            process.terminate()
        del os.environ["DISPLAY"]


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(*sys.argv[2:4])
    else:
        offer(sys.argv[2:])
