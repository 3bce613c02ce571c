"""Kill window, trainer and generator with SIGKILL at random moments and check that nothing that was saved is lost.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/kill.py --rounds 50

Each round starts a training (resumed from round to round), a generation and a real napari window with the Curate dock,
in which verdicts are given through the dock as fast as it takes them. Each is written to a log on disk twice: "asked"
before the dock is told, "saved" after the dock heard that it is saved. After a random time everything is killed. Then
the project is opened again and compared with what was reported:

* the newest checkpoint is at least the last that was reported, and its size and hash are right,
* every sample that was reported is in the database and both its files can be read,
* the verdicts in the history of the database are those asked for, in that order, and none that was saved is missing;
  those asked for and not yet saved may be there or not,
* the verdict of every sample is the last one in the history,
* no file that counts is half: all JSON, YAML, TIFF and safetensors files outside ``.part`` can be read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

from napari_organoid_synth.core.job import Added, JobFolder, Saved
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.ome_tiff import read_pair, write_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.samples.store import VERDICTS, SampleStore
from napari_organoid_synth.core.simulators.simulate import tissue

CLI = [sys.executable, "-m", "napari_organoid_synth"]
TRAIN = ["tiles.size=64", "train.batch=2", "train.checkpoint_every=5", "train.preview_every=10"]
TRAIN += [
    "gan=pix2pix",
    "gan.generator_channels=8",
    "gan.discriminator_channels=8",
    "train.threads=1",
    "train.precision=float32",
]


def prepare(project: Project) -> str:
    """Ten real pairs, one run of ten steps, twenty samples; the name of the run."""
    for seed in range(10):
        write_pair(project.path / "real" / "images", tissue(seed, 128))
    table = check_pairs(find_pairs(project.path / "real" / "images"))
    table.to_file(project.pairs_path)
    sets = [part for item in [*TRAIN, "train.steps=10"] for part in ("--set", item)]
    subprocess.run([*CLI, "train", str(project.path), *sets], check=True)
    subprocess.run([*CLI, "generate", str(project.path), "--set", "number=20"], check=True)
    return project.run_path().name


def window(path: Path, log: Path) -> None:
    """The process that is killed: a napari window whose Curate dock is given one verdict after another."""
    import napari
    from qtpy.QtCore import QTimer

    from napari_organoid_synth.widgets.curate.dock import CurateWidget
    from napari_organoid_synth.widgets.shared.workspace import Workspace

    viewer = napari.Viewer()
    Workspace.of(viewer).setProject(path)
    _, dock = viewer.window.add_plugin_dock_widget("napari-organoid-synth", "Curate")
    assert isinstance(dock, CurateWidget)
    noted = log.open("a")

    def note(*words: str) -> None:
        noted.write(json.dumps(words) + "\n")
        noted.flush()
        os.fsync(noted.fileno())

    def decide() -> None:
        verdict = random.choice(VERDICTS)
        samples = [id for other, column in dock.columns.views.items() if other != verdict for id in column.samples.ids]
        if samples:
            sample = random.choice(samples)
            note("asked", sample, verdict)
            dock.decide(verdict, [sample])
            # tasks run in order: this one is done after the verdict was saved
            dock._ask(lambda _: note("saved", sample, verdict), lambda _: None)

    timer = QTimer()
    timer.timeout.connect(decide)
    timer.start(50)
    napari.run()


def history(project: Project) -> list[tuple[str, str]]:
    """Every verdict in the database, sample and verdict, oldest first."""
    with closing(sqlite3.connect(project.samples_path)) as database:
        return database.execute("SELECT id, after FROM changes ORDER BY decision").fetchall()


def check(project: Project, run_name: str, log: Path, known: int, job: Path) -> dict[str, int]:
    """Open everything as a new window would and compare with what was reported; ``known`` verdicts are from before."""
    import safetensors
    import tifffile
    import yaml

    run = Run(project.run_path(run_name))
    for step in run.steps():
        run._read(step)  # checks size and hash
    saved = [event.step for event in JobFolder(run.path).read_events()[0] if isinstance(event, Saved)]
    assert run.steps()[-1] >= saved[-1], f"checkpoint {saved[-1]} was reported, there are {run.steps()}"
    store = SampleStore(project.samples_path)
    rows = {row.id: row for row in store.rows()}
    store.close()
    added = {id for event in JobFolder(job).read_events()[0] if isinstance(event, Added) for id in event.ids}
    assert added <= rows.keys(), f"reported but lost: {added - rows.keys()}"
    for row in rows.values():
        read_pair(row.image_path)
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    asked = [(sample, verdict) for word, sample, verdict in lines if word == "asked"]
    kept = sum(word == "saved" for word, *_ in lines)
    found = history(project)
    new = found[known:]
    assert new == asked[: len(new)], f"other verdicts than asked for: {new} and {asked}"
    assert len(new) >= kept, f"{kept - len(new)} verdicts lost of {kept}"
    last = dict(found)
    wrong = [id for id, row in rows.items() if row.verdict != last.get(id, "new")]
    assert not wrong, f"verdicts that differ from the history: {wrong}"
    for path in project.path.rglob("*"):
        match path.suffix:
            case ".json":
                json.loads(path.read_text())
            case ".yaml":
                yaml.safe_load(path.read_text())
            case ".tif":
                tifffile.imread(path)
            case ".safetensors":
                safetensors.safe_open(path, "np")
    return {
        "checkpoints": len(saved),
        "step": run.steps()[-1],
        "added": len(added),
        "samples": len(rows),
        "saved": kept,
        "in flight": len(new) - kept,
        "verdicts": len(found),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--shortest", type=float, default=6.0, help="Seconds before the kill: some starts are hit.")
    parser.add_argument("--longest", type=float, default=25.0)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--window", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.window:
        return window(options.project, options.window)
    random.seed(options.seed)
    project = Project(options.project)
    run, known = prepare(project), 0
    for number in range(1, options.rounds + 1):
        log, job = project.path / f"noted-{number}.log", project.job("generate").path
        more = ["--set", "number=1000", "--set", f"seed={number}", "--job", str(job)]
        commands = [
            [*CLI, "train", str(project.path), "--resume", run, "--set", "train.steps=1000000"],
            [*CLI, "generate", str(project.path), *more],
            [sys.executable, __file__, "--project", str(project.path), "--window", str(log)],
        ]
        with (project.path / "output.log").open("a") as output:
            processes = [
                subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True) for command in commands
            ]
        time.sleep(random.uniform(options.shortest, options.longest))
        for process in random.sample(processes, len(processes)):
            os.killpg(process.pid, signal.SIGKILL)
            time.sleep(random.uniform(0, 0.05))
        for process in processes:
            process.wait()
        found = check(project, run, log, known, job)
        known = found["verdicts"]
        print(f"round {number:3}: {found}", flush=True)
    print(f"{options.rounds} rounds: no verdict, sample or checkpoint lost, no half file, the project opens")


if __name__ == "__main__":
    main()
