"""Pictures of every page in its states, and those of the documentation.

    xvfb-run -a -s "-screen 0 1700x1100x24" python benchmarks/screens.py OUT [--looks dark-1280x800 …] [--only Train …]
    xvfb-run -a -s "-screen 0 1700x1100x24" python benchmarks/screens.py OUT --docs   # rewrites docs/_static/step_*.png

The real window shows a small project of simulated organoids: pairs, a dozen painted ones with scores and verdicts, a
short training, a quick comparison, a map and an export; ``OUT/project`` keeps it for the next call. A running or failed
job is played from the record of one that ran, so that each picture is the same whenever it is taken.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

LOOKS = ("dark-1280x800", "light-1280x800", "dark-1600x1000", "light-1600x1000", "dark-1280x800-125%")
STATES = ("empty", "ready", "done", "running", "failed")
PAGES = (
    "Pairs", "Adapt", "Train", "Runs", "Generate", "Scores", "Blind test", "Measure", "Studies", "Export", "Curate",
    "Map",
)  # fmt: skip
JOBS = {
    "Pairs": "try", "Adapt": "adapt", "Train": "train", "Generate": "generate", "Scores": "score", "Measure": "gain",
    "Studies": "study", "Export": "export", "Map": "map",
}  # fmt: skip
"""The job that a page shows while it runs."""
NOTES = {"try": "train", "study": "3 of 5: train Baseline, without adversary in 5 folds, real pairs, fold 2 (57%)"}
"""What a played job says that has no record."""
STATIC = Path(__file__).parents[1] / "docs" / "_static"
DOCS = {
    "step_pairs": ("Pairs", "ready"),
    "step_train": ("Train", "done"),
    "step_generate": ("Generate", "ready"),
    "step_curate": ("Curate", "done"),
    "step_map": ("Map", "done"),
    "step_scores": ("Scores", "done"),
    "step_measure": ("Measure", "done"),
    "step_export": ("Export", "done"),
}
"""Pictures of the documentation: page and state."""
WHOLE, WIDE = ("step_curate",), ("step_map",)
"""Pictures of the whole window, and of the dock at the bottom; the others show the column alone."""
DOCS_LOOK = "dark-1280x800"
COLOURS = 256
"""Colours of a picture of the documentation: few, so that it is small."""
WIDEST = 1000
"""Width of a picture of the whole window, px."""
SETTLE = 10
"""Times that events are processed at last: what came in the end is laid out before a picture is taken."""
IMAGES, TESTED = 12, 3
PAINTED, NUMBER, TRY_STEPS, TRAIN_STEPS = "organoids", 12, 20, 40
MAKE = (
    f"try PROJECT --set number={NUMBER} --set steps={TRY_STEPS}",
    "score PROJECT",
    "train PROJECT --gan pix2pix --set tiles.size=64 --set gan.generator_channels=16"
    f" --set gan.discriminator_channels=16 --set train.steps={TRAIN_STEPS} --set train.preview_every=20",
    "generate PROJECT --set run=analogy --set number=4 --set seed=5",
    "samples PROJECT --query nearest>0 --limit 6 --accept found",
    "samples PROJECT --query verdict==new --limit 2 --reject found",
    "map PROJECT --set restarts=1",
    "export PROJECT",
)


# --- the project ---


def make_pairs(path: Path) -> None:
    """Simulate pairs, of which some are put aside."""
    from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, split_table
    from napari_organoid_synth.core.pairs.ome_tiff import write_pair
    from napari_organoid_synth.core.project import Project
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    images = path.parent / "images"
    for seed in range(IMAGES):
        pair = SIMULATORS["organoid_brightfield"](seed, size=256)
        write_pair(images, pair.replace(name=f"organoids_{'abcdefghijkl'[seed]}"))
    split_table(check_pairs(find_pairs(images), "binary"), TESTED).to_file(Project(path).pairs_path)


def make_all(path: Path) -> None:
    """Do every step once, in this process."""
    from napari_organoid_synth import cli

    for command in MAKE:
        sys.argv = ["organoid-synth", *command.replace("PROJECT", str(path)).split()]
        try:
            cli.main()
        except SystemExit as stop:
            if stop.code:
                sys.exit(f"{command}: exit code {stop.code}")


def projects(out: Path, states: Sequence[str]) -> dict[str, Path | None]:
    """Return the project of each state, made where they are wanted and not there."""
    folder = out / "project"
    done, ready, busy = folder / PAINTED, folder / "new", folder / "busy"
    if not (ready / "pairs.json").exists():
        make_pairs(ready)
    if not (done / "exports").exists() and {"done", "running", "failed"} & set(states):
        shutil.rmtree(done, ignore_errors=True)
        shutil.copytree(ready, done)
        subprocess.run([sys.executable, __file__, str(out), "--make", str(done)], check=True)
    return {"empty": None, "ready": ready, "done": done, "running": busy, "failed": busy}


def play(out: Path, verb: str, failed: bool) -> Path:
    """Put the project of a running or failed job in place, played from the one that ran."""
    from napari_organoid_synth.core.job import Failed, Finished, Progress, Saved, Started, to_line
    from napari_organoid_synth.core.project import Project

    done, busy = out / "project" / PAINTED, out / "project" / "busy"
    shutil.rmtree(busy, ignore_errors=True)
    shutil.copytree(done, busy)
    project = Project(busy)
    folder = project.job(verb)
    ran = sorted((*done.glob(f"runs/*-{verb}"), *done.glob(f"segment/*-{verb}")))
    events: list[Any] = [Started(0, {"total": 100, "device": "cpu", "precision": "float32"})]
    if ran:
        shutil.copytree(ran[-1], folder.path, dirs_exist_ok=True)
        events = type(folder)(ran[-1]).read_events()[0] or events
        events = [event for event in events[: max(2, len(events) // 2)] if not isinstance(event, Finished | Saved)]
    if not any(isinstance(event, Progress) for event in events):
        events.append(Progress(40, 100, seconds_left=95.0, note=NOTES.get(verb, "")))
    for name in ("events.jsonl", "results.json"):
        (folder.path / name).unlink(missing_ok=True)
    folder.begin(verb, ["screens"])
    if failed:
        found, expected = "images/organoids_c.ome.tif is a damaged or truncated TIFF file.", "Expected a whole file."
        events.append(Failed(40, found, expected, "Copy it again from its source.", "Traceback …"))
    folder.events_path.write_text("".join(map(to_line, events)), encoding="utf-8")
    return folder.path


# --- the window ---


class Studio:
    """A viewer of one look, of which pictures are taken."""

    def __init__(self, out: Path, look: str) -> None:
        import napari
        from napari.settings import get_settings

        self.out, self.look = out, look
        theme, size, *font = look.split("-")
        appearance = get_settings().appearance
        appearance.theme = theme
        if font:
            appearance.font_size = round(appearance.font_size * int(font[0].rstrip("%")) / 100)
        self.viewer = napari.Viewer()
        self.window = self.viewer.window._qt_window
        self.size = tuple(map(int, size.split("x")))
        self.window.resize(*self.size)
        self.window.move(0, 0)
        self.wait(1.0)

    def wait(self, seconds: float) -> None:
        """Let the window live."""
        from qtpy.QtWidgets import QApplication

        end = time.monotonic() + seconds
        while time.monotonic() < end:
            QApplication.processEvents()
            time.sleep(0.01)
        for _ in range(SETTLE):
            QApplication.processEvents()

    def open(self, path: Path | None) -> None:
        """Open a project without layers and without a followed job."""
        from napari_organoid_synth.widgets.shared.workspace import Workspace

        workspace = Workspace.of(self.viewer)
        for runner in workspace.running():
            runner.detach()
        self.viewer.layers.clear()
        workspace.setProject(None)
        workspace.setProject(path)

    def follow(self, folder: Path) -> None:
        """Follow a played job, unless the page has found it already."""
        from napari_organoid_synth.core.job import JobFolder
        from napari_organoid_synth.widgets.shared.workspace import Workspace

        job = JobFolder(folder)
        runner = Workspace.of(self.viewer).runner(job.info["verb"])
        if not runner.running:
            runner.attach(job)

    def show(self, page: str) -> Any:
        """Show a page; the widget."""
        from napari_organoid_synth.widgets.shared.menus import open_dock

        if page in ("Curate", "Map"):
            open_dock(self.viewer, "Scores")
            widget = open_dock(self.viewer, page)
            self.wait(1.0)  # it gets its place and height once it is shown
            return widget
        self.close_wide()
        return open_dock(self.viewer, page)

    def choose_study(self, widget: Any, state: str) -> None:
        """Name the folders of a study, of which the page is there if it is done."""
        from napari_organoid_synth.core.studies.settings import PAGE

        results = self.out / "project" / f"study-{state}"
        results.mkdir(exist_ok=True)
        if state == "done":
            (results / PAGE).touch()
        widget.data.setText(str(self.out / "project" / "images"))
        widget.out.setText(str(results))

    def close_wide(self) -> None:
        """Take the gallery and the map out, so that a column has the whole height."""
        docks = self.viewer.window.dock_widgets
        if (wide := docks.get("Gallery and map (Organoid Synth)")) is not None:
            self.viewer.window.remove_dock_widget(wide)

    def box(self, name: str) -> tuple[int, int, int, int]:
        """Return what a picture of the documentation shows: left, top, right and bottom, px of the window."""
        from qtpy.QtCore import QPoint

        width, height = self.window.width(), self.window.height()
        if name in WHOLE:
            return 0, 0, width, height
        dock = "Gallery and map" if name in WIDE else "All steps"
        widget = self.viewer.window.dock_widgets[f"{dock} (Organoid Synth)"]
        corner = widget.mapTo(self.window, QPoint(0, 0))
        if name in WIDE:
            return corner.x(), corner.y(), corner.x() + widget.width(), corner.y() + widget.height()
        return corner.x(), 0, width, height

    def shoot(self, page: str, state: str, seconds: float) -> Path:
        """Save a picture of the window, and say where it outgrew its size."""
        self.wait(seconds)
        if (self.window.width(), self.window.height()) != self.size:
            print(f"{self.look} {page} {state}: the window is {self.window.width()} x {self.window.height()}")
        path = self.out / f"{self.look}_{page.replace(' ', '_')}_{state}.png"
        self.viewer.screenshot(str(path), canvas_only=False, flash=False)
        for scroll in overflowing(self.window):
            print(f"{self.look} {page} {state}: {scroll}")
        return path


def overflowing(window: Any) -> list[str]:
    """Return columns that are wider than what is seen of them, and texts that are cut."""
    from qtpy.QtWidgets import QPushButton, QScrollArea

    found = []
    for area in window.findChildren(QScrollArea):
        bar = area.horizontalScrollBar()
        if area.isVisible() and bar.maximum() > 0:
            found.append(f"a column is {bar.maximum()} px wider than its place")
    for button in window.findChildren(QPushButton):
        if button.isVisible() and button.text() and button.width() + 2 < button.minimumSizeHint().width():
            found.append(f"the button {button.text()!r} is cut")
    return found


def pictures(
    studio: Studio, states: Sequence[str], pages: Sequence[str], seconds: float
) -> Iterator[tuple[str, str, Path]]:
    """Take the pictures of pages in states; page, state and file of each."""
    there = projects(studio.out, states)
    for state in states:
        playing = state in ("running", "failed")
        if not playing:
            studio.open(there[state])
            studio.show("Pairs")
            studio.wait(2 * seconds)
        for page in pages:
            if playing and page not in JOBS:
                continue
            folder = play(studio.out, JOBS[page], state == "failed") if playing else None
            if playing:
                studio.open(there[state])
            widget = studio.show(page)
            if folder is not None:
                studio.follow(folder)
            if page == "Studies" and state != "empty":
                studio.choose_study(widget, state)
            if (page, state) == ("Curate", "done"):
                studio.viewer.layers.clear()
                widget.open_selected()
            yield page, state, studio.shoot(page, state, seconds)


# --- the documentation ---


def write_docs(studio: Studio, seconds: float) -> None:
    """Write the pictures of the documentation."""
    for name, (page, state) in DOCS.items():
        for _, _, picture in pictures(studio, [state], [page], seconds):
            small(picture, STATIC / f"{name}.png", studio.box(name))


def small(picture: Path, target: Path, box: tuple[int, int, int, int]) -> None:
    """Write a part of a picture, at most so wide, with few colours."""
    from PIL import Image

    image = Image.open(picture).convert("RGB").crop(box)
    if image.width > WIDEST:
        image = image.resize((WIDEST, round(image.height * WIDEST / image.width)), Image.Resampling.LANCZOS)
    # the most different colours, not the most frequent: those of the verdicts are on few pixels
    few = image.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(target, optimize=True)
    print(f"{target.name}: {target.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Parse the options; each look has a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--looks", nargs="+", default=LOOKS, help="theme-WIDTHxHEIGHT, and -125%% for a larger font")
    parser.add_argument("--states", nargs="+", default=STATES, choices=STATES)
    parser.add_argument("--only", nargs="+", default=PAGES, choices=PAGES, metavar="PAGE")
    parser.add_argument("--seconds", type=float, default=1.0, help="for which a page is waited for")
    parser.add_argument("--docs", action="store_true", help="write the pictures of the documentation")
    parser.add_argument("--make", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    out = options.out.absolute()
    if options.make:
        make_all(options.make)
        return
    projects(out, [state for _, state in DOCS.values()] if options.docs else options.states)
    looks = [DOCS_LOOK] if options.docs else options.looks
    if len(looks) > 1:
        rest = ["--states", *options.states, "--only", *options.only, "--seconds", str(options.seconds)]
        for look in looks:
            subprocess.run([sys.executable, __file__, str(out), "--looks", look, *rest], check=True)
        return
    scratch = Path(tempfile.mkdtemp())  # the person's own settings and list of projects stay as they are
    os.environ |= {"NAPARI_CONFIG": str(scratch / "napari.yaml"), "XDG_CONFIG_HOME": str(scratch)}
    studio = Studio(out, looks[0])
    if options.docs:
        write_docs(studio, options.seconds)
    else:
        for _ in pictures(studio, options.states, options.only, options.seconds):
            pass
    sys.stdout.flush()
    os._exit(0)  # closing the window is not what is looked at, and would ask about the played job


if __name__ == "__main__":
    main()
