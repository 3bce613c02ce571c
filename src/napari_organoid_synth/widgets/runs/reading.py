"""What the Runs dock reads in the background: the list, and what two runs are compared by; no Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import JobFolder
from napari_organoid_synth.core.pairs.pictures import picture
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import words_for_seconds
from napari_organoid_synth.core.runs.catalog import RunRecord, catalog
from napari_organoid_synth.core.runs.files import previews, read_preview
from napari_organoid_synth.core.runs.metadata import RunMetadata
from napari_organoid_synth.core.runs.titles import deleted_names
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.widgets.shared.curves import Trace, traces
from napari_organoid_synth.widgets.shared.job_process import history

SHOWN = 4
"""Samples of a preview that are shown beside each other."""


@dataclass(frozen=True)
class Listing:
    """The runs of a project, and the names of those in its bin by folder."""

    runs: tuple[RunRecord, ...] = ()
    deleted: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Course:
    """How a run went: its previews by step, its losses, facts by name."""

    folder: str
    previews: tuple[tuple[int, Path], ...]
    curves: dict[str, Trace]
    step: int
    total: int
    facts: dict[str, str]


def read_listing(project: Project) -> Listing:
    """List the runs with size, state and number of samples."""
    counts: dict[str, int] = {}
    if project.samples_path.exists():
        with SampleStore(project.samples_path) as store:
            counts = store.run_counts()
    return Listing(tuple(catalog(project, counts)), tuple(deleted_names(project).items()))


def read_course(project: Project, record: RunRecord) -> Course:
    """Read what a run is compared by."""
    path = project.path / "runs" / record.folder
    curves, step, total = traces(history(JobFolder(path)))
    try:
        metadata = RunMetadata.read(path / "run.json")
    except UserError:
        metadata = RunMetadata()
    facts = {
        "generator": record.generator,
        "state": record.status,
        "step": f"{record.step:,}",
        "time": words_for_seconds(metadata.seconds) if metadata.seconds else "–",
        "real pairs": f"{len(metadata.data):,}",
        "best distance": f"{record.distance:.3g}" if record.distance is not None else "–",
        "variety": f"{curves['diversity'].y[-1]:.0%}" if "diversity" in curves and curves["diversity"].y else "–",
        "pairs made": f"{record.samples:,}",
        "size": size_words(record.size),
    }
    return Course(record.folder, tuple(previews(path)), curves, step, total, facts)


def read_picture(path: Path | None) -> NDArray[np.uint8] | None:
    """Read samples of a preview beside each other as colours (Y, X, 3); None where they cannot be read."""
    try:
        if path is None:
            return None
        image, _ = read_preview(path)
    except UserError:
        return None
    across = 1 if len(image) == 1 else 2
    kept = image[: min(SHOWN, len(image) // across * across)]
    rows = [np.concatenate(list(kept[at : at + across]), axis=2) for at in range(0, len(kept), across)]
    return picture(np.concatenate(rows, axis=1), rgb=kept.shape[1] == 3 and kept.dtype == np.uint8)


def newest_until(steps: Sequence[tuple[int, Path]], step: int) -> Path | None:
    """Return the newest preview that is not later than a step."""
    return next((path for at, path in reversed(steps) if at <= step), None)


def size_words(size: int) -> str:
    """Write a size on disk as a person reads it."""
    value, unit = (size / 1e9, "GB") if size >= 1e9 else (size / 1e6, "MB") if size >= 1e5 else (size / 1e3, "kB")
    return f"{value:.1f} {unit}"
