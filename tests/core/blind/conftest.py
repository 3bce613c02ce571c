"""A project with real pairs and samples."""

from __future__ import annotations

from pathlib import Path

import pytest

from blind_project import REALS, SIDE, SYNTHETICS, sample, scene
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    for seed in range(REALS):
        image, labels = scene(seed, 2 * SIDE)
        add_pair(project, SamplePair(f"real{seed}", image, labels, class_names=("cell",)), "instances")
    with SampleStore(project.samples_path) as store:
        store.add_many([sample(f"made{n}", *scene(100 + n, SIDE)) for n in range(SYNTHETICS)], "run 1")
    return project
