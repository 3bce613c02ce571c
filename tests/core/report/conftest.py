"""A project with a bit of everything, its names full of HTML, and a reader of the page."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from napari_organoid_synth.core.atomic import write_bytes, write_text
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.codec.spec import CodecSettings
from napari_organoid_synth.core.gain.storage import write_result
from napari_organoid_synth.core.job import JobFolder, Progress
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import encode_png
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.report.report import write_report
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.samples.store import SampleStore
from report_project import EVIL, Page, compared, pair


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Page]:
    """Write the report of a project and read it."""

    def run(project: Project, **options: Any) -> Page:
        return Page(write_report(project, tmp_path / "report.html", **options).read_text(encoding="utf-8"))

    return run


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """One real pair, three samples of which two are accepted, one training, one export, two arms."""
    project = Project(tmp_path / "R&D <1>")
    real = pair(f"first {EVIL}")
    add_pair(project, SamplePair(real.name, real.image, real.labels), "binary")
    with SampleStore(project.samples_path) as store:
        ids = [store.add(pair(f"s{i}", "synthetic"), run="one") for i in range(3)]
        for value, id in enumerate(ids):
            store.rate(id, {"realism": 0.5 + 0.1 * value}, note=f"note {EVIL} of {id}")
        store.decide(ids[1:], "accepted")
        store.annotate(ids[:1], add=[EVIL])
    recipe = Recipe().override("gan=pix2pix", "train.steps=20", "tiles.size=64")
    run = Run.create(project.path / "runs" / "one", recipe, Codec.fit([real], CodecSettings()))
    run.update_metadata(device=f"processor {EVIL}", precision="bf16", steps=20, images_per_second=12.34, seconds=100)
    job = JobFolder(run.path)
    list(job.record(Progress(step, 20, {"generator": 3.0 - step / 10}) for step in (0, 10, 20)))
    folder = project.path / "segment" / "x"
    result = compared(raw=[0.5, 0.75], curated=[0.8, 0.776])
    write_result(folder, result)
    for name in result.arms:
        write_bytes(folder / "predictions" / name / "t0_errors.png", encode_png(np.full((9, 9, 3), 7, np.uint8)))
    manifest = {
        "settings": {"formats": ["ome-tiff"]},
        "samples": [{"split": "train", "flagged": "copy, mask"}, {"split": "test", "flagged": ""}],
        "skipped_copies": ["a", "b"],
        "created": "today",
    }
    write_text(project.path / "exports" / "e1" / "manifest.json", json.dumps(manifest))
    return project
