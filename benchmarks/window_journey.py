"""The whole way through the real window by mouse and keyboard: pairs, train, generate, curate, export, measure.

    python benchmarks/window_journey.py --out shots [--images DIR --masks DIR [DIR ...]] [--size 1600x1000]
    python benchmarks/window_journey.py --out shots --first-number    # from an empty napari, clicks counted
    python benchmarks/window_journey.py --out shots --project DIR --tour    # only a picture of every page

Needs Linux with Xvfb, openbox and xdotool. Everything a person would do is done by xdotool from
outside; the window only answers where its visible controls are (``robot.py``). After every step the screen is
saved as a picture and the project folder is looked at, so a click that did nothing ends the script. Several mask
folders become classes; without ``--images`` simulated electron microscopy is used.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from robot import Window, done, drag, middle, offered, screen, wait, x

LONG = 5400.0  # seconds after which a training or a comparison counts as stuck


def sql(project: Path, query: str) -> Any:
    """First value of a query on the samples, 0 while there is no such table."""
    try:
        with closing(sqlite3.connect(f"file:{project / 'samples.sqlite'}?mode=ro", uri=True)) as database:
            return database.execute(query).fetchone()[0]
    except sqlite3.Error:
        return 0


def verdicts(project: Path) -> tuple[int, ...]:
    """Numbers of new, accepted and rejected samples."""
    return tuple(
        sql(project, f"SELECT count(*) FROM samples WHERE verdict = '{v}'") for v in ("new", "accepted", "rejected")
    )


def pairs(w: Window, drops: list[list[Path]], tests: int) -> None:
    """Drag files in, mark the first rows as test, check."""
    w.go("Pairs")
    w.shot("01-pairs-empty")
    for number, paths in enumerate(drops):
        with offered(paths) as files:
            target = wait(lambda: w.find("Drop ", "Pairs"), 20, "the drop area")
            drag(files, middle(target), lambda number=number: w.shot(f"02-pairs-drag-{number}"))
        wait(lambda: not w.find("Cancel", "Pairs"), 120, "the pairs are read")
        w.shot(f"03-pairs-dropped-{number}")
    time.sleep(1)
    rows = [c for c in w.controls() if c["kind"] == "item" and c["view"] == "Pairs"]
    for number in range(tests):
        x("mousemove", *middle(rows[number]), *(["keydown", "ctrl"] if number else []), "click", 1, "keyup", "ctrl")
    w.click("Use for testing", "Pairs")
    w.click("Check pairs", "Pairs")
    w.says("Pairs", r"Ready: [\d,]+ pairs to train, \d+ to test|Ready: .*", 120)
    w.shot("04-pairs-checked")
    table = json.loads((w.project / "pairs.json").read_text())["entries"]
    split = [entry["split"] for entry in table if entry["status"] == "matched"]
    assert (len(split), split.count("test")) == (len(rows), tests), split


def acts() -> str:
    """What a person has done so far."""
    return f"{sum(done.values())} acts: " + ", ".join(f"{number} {what}" for what, number in done.items())


def first_number(out: Path, drops: list[list[Path]]) -> None:
    """From an empty napari to samples in the gallery and a first number, by the quick try."""
    began = time.monotonic()
    w = Window(None, out)
    opened = time.monotonic() - began
    w.menu("Plugins", "Organoid Synth", "All steps")
    w.shot("first-0-opened")
    for number, paths in enumerate(drops):
        with offered(paths) as files:
            target = wait(lambda: w.find("Drop ", "Pairs"), 20, "the drop area")
            drag(files, middle(target))
        wait(lambda: not w.find("Cancel", "Pairs"), 120, "the pairs are read")
        w.shot(f"first-{number + 1}-dropped")
    print(w.says("Pairs", r"Ready: .*", 120))
    w.click("Quick try", "Pairs")
    pressed = time.monotonic()
    print(f"until the wait begins: {acts()}; {pressed - began - opened:.0f} s of a slow hand", flush=True)
    wait(lambda: w.find("Look at ", "Steps") or "made" in w.texts("Steps"), LONG, "the samples are made")
    print(f"samples: {acts()}, {time.monotonic() - pressed:.0f} s after the last", flush=True)
    w.shot("first-5-samples")
    sentence = w.says("Pairs", r"With synthetic pairs .*", LONG)
    print(f"first number: {acts()}, {time.monotonic() - pressed:.0f} s after the last\n{sentence}", flush=True)
    time.sleep(2)
    w.shot("first-6-number")
    w.close()


def train(w: Window, steps: int, tile: int) -> Path:
    """Choose, type, start, pause, resume, let it finish."""
    w.go("Train")
    w.choose("Generator", "pix2pix", "Train")
    w.choose("Tile, px", str(tile), "Train")
    w.type("Steps", str(steps), "Train")
    w.says("Train", r"GB", 90)
    w.shot("05-train-ready")
    w.click("▶ Start training", "Train")
    run = wait(lambda: sorted(w.project.glob("runs/*/previews/*.npz")), 180, "live samples").pop().parents[1]
    w.says("Train", r"step [\d,]+ of", 120)
    w.shot("06-train-running")
    w.click("Pause", "Train")
    w.says("Train", "Paused")
    before = (run / "events.jsonl").read_text().count('"Progress"')
    time.sleep(4)
    w.shot("07-train-paused")
    assert (run / "events.jsonl").read_text().count('"Progress"') <= before + 1, "it did not pause"
    w.click("Resume", "Train")
    wait(lambda: '"Finished"' in (run / "events.jsonl").read_text(), LONG, "the training ends")
    time.sleep(3)
    w.shot("08-train-done")
    assert list(run.glob("checkpoints/*.safetensors")), "no checkpoint"
    return run


def generate(w: Window, number: int) -> None:
    """Make pairs, wait for their scores."""
    w.go("Generate")
    w.type("Number", str(number), "Generate")
    w.shot("09-generate-ready")
    w.click(f"Make {number} pairs", "Generate")
    wait(lambda: sum(verdicts(w.project)) == number, LONG, "the pairs are made")
    w.says("Generate", "Scored", LONG)
    w.shot("10-generate-scored")


def curate(w: Window) -> None:
    """Keys, drags between columns and onto the canvas, undo and redo."""
    w.go("Curate")
    time.sleep(3)

    def tile(column: str, number: int) -> tuple[int, int]:
        items = [c for c in w.controls() if c["kind"] == "item" and c["view"] == f"{column} samples"]
        return middle(items[number])

    def become(*counts: int) -> None:
        wait(lambda: verdicts(w.project) == counts, 10, f"verdicts {counts}, are {verdicts(w.project)}")

    n = sum(verdicts(w.project))
    x("mousemove", *tile("new", 0), "click", 1)
    for keys, counts in (("a", (n - 1, 1, 0)), ("a", (n - 2, 2, 0)), ("r", (n - 3, 2, 1)), ("u", (n - 2, 2, 0))):
        x("key", keys)
        become(*counts)
    x("key", "ctrl+shift+z")
    become(n - 3, 2, 1)
    w.shot("11-curate-keys")
    x("mousemove", *tile("new", 0), "click", 1, "keydown", "shift", "mousemove", *tile("new", 3), "click", 1)
    x("keyup", "shift")
    drag(tile("new", 1), middle(w.find("accepted samples") or {}), lambda: w.shot("12-curate-drag"))
    become(n - 7, 6, 1)
    drag(tile("accepted", 0), middle(w.find("rejected samples") or {}))
    become(n - 7, 5, 2)
    x("key", "ctrl+z")
    become(n - 7, 6, 1)
    canvas = wait(lambda: w.find("", kind="CanvasBackendDesktop"), 10, "the canvas")
    layers = len([c for c in w.controls() if c["kind"] == "item" and c["dock"] == "layer list"])
    drag(tile("accepted", 0), middle(canvas), lambda: w.shot("13-curate-drag-canvas"))
    count = lambda: len([c for c in w.controls() if c["kind"] == "item" and c["dock"] == "layer list"])  # noqa: E731
    wait(lambda: count() == layers + 2, 20, "the tile opens as two layers")
    w.shot("14-curate-opened")


def export(w: Window) -> None:
    """Write the accepted pairs and read what the dock says."""
    w.go("Export")
    w.click("Cellpose", "Export")
    w.shot("15-export-ready")
    w.click(f"Export {verdicts(w.project)[1]} pairs", "Export")
    print(w.says("Export", r"Checked: .*", 120))
    w.shot("16-export-done")
    assert list(w.project.glob("exports/*/cellpose/*/*_img.tif")), "nothing was exported for Cellpose"


def segment(w: Window, steps: int, batch: int, channels: int) -> None:
    """Compare, then look at the errors."""
    w.go("Measure")
    w.type("Steps", str(steps), "Segment")
    w.click("More settings", "Segment")
    w.type("Batch", str(batch), "Segment")
    w.type("Channels", str(channels), "Segment")
    w.shot("17-segment-ready")
    w.click("Measure the gain", "Segment")
    w.says("Segment", r"step \d+ of", 120)
    w.shot("18-segment-running")
    wait(lambda: list(w.project.glob("segment/*/results.json")) and not w.find("Stop and", "Segment"), LONG, "results")
    w.shot("19-segment-done")
    w.click("Show as layers", "Segment")
    wait(lambda: [c for c in w.controls() if c["kind"] == "item" and c["name"] == "errors"], 30, "the errors layer")
    w.shot("20-segment-errors")


def leave_and_return(w: Window) -> Window:
    """Close the window on a running training, let that go on, find it again; then stop it."""
    w.go("Train")
    w.type("Steps", "5000", "Train")
    w.click("▶ Start training", "Train")
    w.says("Train", r"step [\d,]+ of", 180)
    w.close("Keep running")
    again = Window(w.project, w.out)
    again.go("Train")
    again.says("Train", r"step [\d,]+ of", 120)
    time.sleep(2)
    again.shot("22-train-found-again")
    again.click("Stop and keep", "Train")
    wait(lambda: again.find("Resume this run", "Train"), 120, "the run can go on")
    again.shot("23-train-stopped")
    return again


def tour(w: Window) -> None:
    """A picture of every page."""
    for step in ("Pairs", "Train", "Generate", "Curate", "Measure", "Export"):
        w.go(step)
        time.sleep(3 if step == "Train" else 0.5)
        w.shot(f"tour-{step.lower()}")


def main() -> None:
    """Parse the options and go."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="Folder of the pictures.")
    parser.add_argument("--project", type=Path, help="Default: a new folder.")
    parser.add_argument("--images", type=Path)
    parser.add_argument("--masks", type=Path, nargs="+", default=[])
    parser.add_argument("--size", default="1600x1000")
    parser.add_argument("--theme", default="dark", choices=("dark", "light"))
    parser.add_argument("--tests", type=int, default=2, help="Images put aside for testing.")
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--train-steps", type=int, default=150)
    parser.add_argument("--number", type=int, default=24, help="Pairs to generate.")
    parser.add_argument("--segment-steps", type=int, default=10)
    parser.add_argument("--batch", type=int, default=4, help="Of the U-Net.")
    parser.add_argument("--channels", type=int, default=16, help="Of the U-Net's first level.")
    parser.add_argument("--tour", action="store_true")
    parser.add_argument("--first-number", action="store_true", help="Only the quick try, from an empty napari.")
    options = parser.parse_args()
    scratch = Path(tempfile.mkdtemp())
    project = (options.project or scratch / "journey").absolute()
    options.out.mkdir(parents=True, exist_ok=True)
    # a person's own napari settings are left alone
    os.environ |= {"NAPARI_CONFIG": str(scratch / "napari.yaml"), "XDG_CONFIG_HOME": str(scratch)}
    if options.first_number:  # its project is made in the folder of documents
        os.environ["HOME"] = str(scratch)
    (scratch / "napari.yaml").write_text(f"appearance:\n  theme: {options.theme}\n")
    if options.images is None and not options.tour:
        simulate = [sys.executable, "-m", "napari_organoid_synth", "simulate", "em", str(scratch / "em")]
        subprocess.run([*simulate, "--number", "8", "--size", "384"], check=True)
        drops = [[scratch / "em"]]
    else:
        drops = [[options.images], list(options.masks)]
    if options.first_number:
        with screen(options.size):
            first_number(options.out, drops)
        return
    with screen(options.size):
        w = Window(project, options.out)
        if not options.tour:
            pairs(w, drops, options.tests)
            train(w, options.train_steps, options.tile)
            generate(w, options.number)
            curate(w)
            export(w)
            segment(w, options.segment_steps, options.batch, options.channels)
            w = leave_and_return(w)
        tour(w)
        w.close()
    print(f"the whole way was walked; project {project}, pictures {options.out}")


if __name__ == "__main__":
    main()
