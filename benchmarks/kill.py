"""Kill window, trainer and generator with SIGKILL at random moments and check that nothing that was saved is lost.

    xvfb-run -a -s "-screen 0 1600x1000x24" python benchmarks/kill.py --rounds 50

Each round starts a training (resumed from round to round), a generation and a real napari window with the Curate dock,
in which verdicts are given through the dock as fast as it takes them; each is noted in a log only after the dock said
it is decided. After a random time everything is killed. Then the project is opened anew and compared with the log:

* every checkpoint that was reported loads and its hash is right,
* every sample that was reported is in the database and both its files can be read,
* the last verdict of every sample is the one that was noted last; one a round may differ, as it may have been decided
  and not yet noted (the check cannot tell that from a lost one),
* no file that counts is half: all JSON, YAML, TIFF and safetensors files outside ``.part`` can be read.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from napari_organoid_synth.core.curation import SampleStore
from napari_organoid_synth.core.job import Added, JobFolder, Saved
from napari_organoid_synth.core.ome_tiff import read_pair, write_pair
from napari_organoid_synth.core.pairing import check_pairs, find_pairs
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.run import Run
from napari_organoid_synth.core.simulate import tissue

CLI = [sys.executable, "-m", "napari_organoid_synth"]
TRAIN = ["tiles.size=64", "train.batch=2", "train.steps=1000000", "train.checkpoint_every=5", "train.preview_every=10"]
TRAIN += ["gan.generator_channels=8", "gan.discriminator_channels=8", "train.threads=1", "train.precision=float32"]


def prepare(project: Project) -> str:
    """Ten real pairs, one run of ten steps, twenty samples; the name of the run."""
    for seed in range(10):
        write_pair(project.path / "real" / "images", tissue(seed, 128))
    table = check_pairs(find_pairs(project.path / "real" / "images"))
    table.to_file(project.pairs_path)
    sets = [part for item in TRAIN for part in ("--set", item)]
    subprocess.run([*CLI, "train", str(project.path), *sets, "--set", "train.steps=10"], check=True)
    subprocess.run([*CLI, "generate", str(project.path), "--set", "number=20"], check=True)
    return project.run_path().name


def window(path: Path, log: Path) -> None:
    """The process that is killed: a napari window whose Curate dock is given one verdict after another."""
    import napari
    from qtpy.QtCore import QTimer

    from napari_organoid_synth.widgets._workspace import Workspace
    from napari_organoid_synth.widgets.curate_widget import CurateWidget

    viewer = napari.Viewer()
    Workspace.of(viewer).setProject(path)
    _, dock = viewer.window.add_plugin_dock_widget("napari-organoid-synth", "Curate")
    assert isinstance(dock, CurateWidget)
    noted = log.open("a")

    def note(sample: str, verdict: str) -> None:
        noted.write(json.dumps([sample, verdict]) + "\n")
        noted.flush()
        os.fsync(noted.fileno())

    def decide() -> None:
        samples = [sample for column in dock.columns.values() for sample in column.samples.ids]
        if samples:
            sample, verdict = random.choice(samples), random.choice(("new", "accepted", "rejected"))
            dock.decide(verdict, [sample])
            dock._ask(lambda _: note(sample, verdict), lambda _: None)  # in order: after the verdict was saved

    timer = QTimer()
    timer.timeout.connect(decide)
    timer.start(20)
    napari.run()


def check(project_path: Path, run_name: str, log: Path, jobs: list[Path]) -> dict[str, int]:
    """Open everything as a new window would and compare with what was reported."""
    import safetensors
    import tifffile
    import yaml

    project = Project(project_path)
    run = Run(project.run_path(run_name))
    for step in run.steps():
        run._read(step)  # checks size and hash
    saved = [event.step for event in JobFolder(run.path).read_events()[0] if isinstance(event, Saved)]
    assert not saved or run.steps()[-1] >= saved[-1], f"checkpoint {saved[-1]} was reported, newest is {run.steps()}"
    store = SampleStore(project.samples_path)
    known = set(store.ids())
    added = {
        i for job in jobs for event in JobFolder(job).read_events()[0] if isinstance(event, Added) for i in event.ids
    }
    assert added <= known, f"reported but lost: {added - known}"
    for sample in known:
        read_pair(store.row(sample).image_path)
    lines = log.read_text().splitlines() if log.exists() else []
    last = dict(map(json.loads, lines))
    wrong = [sample for sample, verdict in last.items() if store.row(sample).verdict != verdict]
    assert len(wrong) <= 1, f"verdicts lost: {wrong}"  # one may have been decided and not yet noted
    with log.open("a") as noted:  # it is known from here on
        noted.writelines(json.dumps([sample, store.row(sample).verdict]) + "\n" for sample in wrong)
    store.close()
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
    return {"checkpoints": len(saved), "samples": len(known), "verdicts": len(lines)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--project", type=Path, required=True)
    parser.add_argument("--window", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.window:
        return window(options.project, options.window)
    random.seed(options.seed)
    project = Project(options.project)
    run, log, jobs = prepare(project), options.project / "noted.log", []
    for number in range(options.rounds):
        jobs.append(project.job("generate").path)
        commands = [
            [*CLI, "train", str(project.path), "--resume", run],
            [
                *CLI,
                "generate",
                str(project.path),
                "--set",
                "number=1000",
                "--set",
                f"seed={number + 1}",
                "--job",
                str(jobs[-1]),
            ],
            [sys.executable, __file__, "--project", str(project.path), "--window", str(log)],
        ]
        with (options.project / "output.log").open("a") as output:
            processes = [
                subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True) for command in commands
            ]
        time.sleep(random.uniform(5, 14))  # from before the first step to well into the work
        order = random.sample(processes, len(processes))
        for process in order:
            os.killpg(process.pid, signal.SIGKILL)
            time.sleep(random.uniform(0, 0.05))
        for process in processes:
            process.wait()
        print(f"round {number + 1:3}: {check(options.project, run, log, jobs)}", flush=True)
    print(f"{options.rounds} rounds: no verdict, sample or checkpoint lost, no half file, the project opens")


if __name__ == "__main__":
    main()
