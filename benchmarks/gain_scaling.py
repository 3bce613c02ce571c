"""One worker against two on a grid of single-threaded tasks: how much faster is the comparison of a gain?

    python benchmarks/gain_scaling.py --tasks 8 --steps 150

The same small comparison (arm raw, leave-one-out, simulated discs) is done from scratch with one worker and with two,
each in processes of dask with one thread. Trainings of fewer steps than the floor of the plateau rule take exactly
these steps, so that all tasks are equally long. Only the time from the first task to the last result counts, because
the start of the processes is paid once and not by each task; the whole time is printed beside it. Target: at least 1.8,
on a computer that does nothing else: what others take from the cores is taken from the ratio. How busy the workers were
with tasks says, on any computer, how little the dealing out costs.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.tasks import read_record
from napari_organoid_synth.core.job import Added, Control
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.segmenters.plateau import FLOOR
from napari_organoid_synth.core.simulators.simulate import organoid_brightfield


def measure(project: Project, settings: GainSettings, folder: Path) -> tuple[float, float, float]:
    """Seconds for each task after those of the first round, and of everything; share of the time spent in tasks."""
    began, ends, busy = time.perf_counter(), [], []
    for event in gain(project, settings, Control(), folder):
        if isinstance(event, Added):
            ends.append(time.perf_counter())
            record = read_record(folder, event.ids[0])
            busy.append(record.seconds if record else 0.0)
    first = settings.workers  # tasks of the first round carry the import of torch
    seconds = ends[-1] - ends[first - 1]
    share = sum(busy[first:]) / (settings.workers * seconds)
    return seconds / (len(ends) - first), time.perf_counter() - began, share


def main() -> None:
    """Print seconds per task with one and two workers, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=8, help="images, each a fold")
    parser.add_argument("--steps", type=int, default=150)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        project = Project(Path(scratch) / "project")
        for seed in range(options.tasks):
            pair = organoid_brightfield(seed, 128)
            add_pair(project, SamplePair(pair.name, pair.image, pair.labels), "binary")
        if options.steps > FLOOR:
            parser.error(f"more than {FLOOR} steps end at a plateau, each training at its own")
        settings = GainSettings(arms=("raw",), design="leave-one-out", repeats=1, steps=options.steps, device="cpu")
        settings = settings.override(
            "segmenter.channels=16", "segmenter.depth=3", "segmenter.tile=128", "segmenter.batch=4"
        )
        found = {}
        for workers in (1, 2):
            seconds, whole, busy = measure(project, settings.replace(workers=workers), Path(scratch) / f"{workers}")
            found[workers] = seconds
            print(
                f"{workers} worker(s): {seconds:.2f} s for each further task, {whole:.1f} s in all, busy {busy:.0%}",
                flush=True,
            )
    ratio = found[1] / found[2]
    print(json.dumps({"ratio": round(ratio, 2), "load": round(os.getloadavg()[0], 1), "cores": os.cpu_count()}))
    print(f"Two workers give {ratio:.2f} times one worker (target 1.8).")


if __name__ == "__main__":
    main()
