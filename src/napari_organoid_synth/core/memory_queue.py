"""Whether a command has memory enough beside those that run already, or waits for one of them to end.

Commands run beside each other; only where the free memory would not suffice for one more it waits. Without another
command of the project there is nothing to wait for: it starts.
"""

from __future__ import annotations

from contextlib import suppress

import psutil

from napari_organoid_synth.core.computer import has_graphics_card
from napari_organoid_synth.core.job import JobFolder
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.titles import job_name
from napari_organoid_synth.core.training.estimate import newest_timing

GIB = 2**30
NEEDED_GB = {
    "train": 2.0, "pipeline": 2.0, "adapt": 2.0, "sketch": 2.0, "segment": 2.0, "gain": 2.0, "try": 2.0,
    "annotate": 2.0, "study": 2.0, "generate": 1.0, "fill": 1.0, "predict": 1.0,
}  # fmt: skip
"""Commands that need much memory, GiB: guesses for where nothing was measured, rather too large than too small."""


def waits_for(project: Project, verb: str, folder: JobFolder) -> str:
    """Return why a command waits, in a sentence; empty if it can start.

    Parameters
    ----------
    project : Project
        Whose running commands count.
    verb : str
        The command.
    folder : JobFolder
        Its own job.
    """
    if verb not in NEEDED_GB:
        return ""
    running = [job for job in _heavy(project) if job.path != folder.path]
    free = free_gb() - sum(max(0.0, needed_gb(project, str(job.info["verb"])) - _used_gb(job)) for job in running)
    needed = needed_gb(project, verb)
    if not running or needed <= free:
        return ""
    name = job_name(project, running[0].path.name, str(running[0].info["verb"]))
    return f"Waits for {name}: about {needed:.1f} GB of memory are needed, {max(0.0, free):.1f} GB are free beside it."


def needed_gb(project: Project, verb: str) -> float:
    """Return the memory that a command is reckoned to need, GiB: of trainings what was measured last."""
    timing = newest_timing(project) if verb in ("train", "pipeline") and not has_graphics_card() else None
    return timing.needed_gb if timing is not None else NEEDED_GB[verb]


def free_gb() -> float:
    """Return the free memory of this computer, GiB."""
    return float(psutil.virtual_memory().available) / GIB


def _heavy(project: Project) -> list[JobFolder]:
    """Return the running jobs that need much memory, the one begun first is first."""
    found: dict[str, JobFolder] = {}
    for job in project.running_jobs().values():
        if job.info.get("verb") in NEEDED_GB:
            found.setdefault(str(job.path), job)
    return list(found.values())


def _used_gb(job: JobFolder) -> float:
    """Return the memory that the processes of a job have already, GiB."""
    used = 0
    with suppress(psutil.Error, KeyError, TypeError, ValueError):
        process = psutil.Process(int(job.info["pid"]))
        for one in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                used += one.memory_info().rss
    return used / GIB
