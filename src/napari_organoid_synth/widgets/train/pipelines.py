"""Pipelines of a project: their progress, the newest one, and one that can be resumed."""

from __future__ import annotations

from napari_organoid_synth.core.job import Failed, Finished, JobFolder, Progress
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import words_for_seconds
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard

TAIL = 1 << 16
"""Bytes of events that are read to see how a job ended."""
STAGES = {
    "learn masks": "learning masks",
    "check drawn masks": "checking drawn masks",
    "learn to paint": "learning to paint",
    "make pairs": "making pairs",
}


class StagesCard(ProgressCard):
    """The progress of several stages on one bar."""

    def describe(self, event: Progress) -> str:
        """Describe a progress: ``"1 of 4: learning masks · 23 % · about 40 min left"``."""
        note = event.note
        for stage, description in STAGES.items():
            note = note.replace(stage, description)
        parts = [note, f"{event.share:.0%}"]
        if event.seconds_left is not None:
            parts.append(f"{words_for_seconds(event.seconds_left)} left")
        return " · ".join(filter(None, parts))


def newest_pipeline(project: Project) -> JobFolder | None:
    """Return the folder of the pipeline that was started last."""
    folders = project.folders("jobs/*/pipeline.yaml")
    return JobFolder(folders[-1]) if folders else None


def unfinished(project: Project) -> JobFolder | None:
    """Return the newest pipeline if it was stopped, failed or was killed."""
    folder = newest_pipeline(project)
    if folder is None:
        return None
    try:
        size = folder.events_path.stat().st_size
    except OSError:
        size = 0
    events, _ = folder.read_events(max(0, size - TAIL))
    last = events[-1] if events else None
    if isinstance(last, Finished) and last.reason == "completed":
        return None
    ended = isinstance(last, Finished | Failed)  # its process may need another moment to end
    return folder if ended or not folder.alive else None
