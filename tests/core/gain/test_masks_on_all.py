"""A generator of masks that saw all images, and painters that did not: the way of the tissue study."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.results import PairsRecord
from napari_organoid_synth.core.gain.sentences import OPTIMISTIC_MASKS
from napari_organoid_synth.core.gain.tasks import GeneratorTask, MasksTask, read_record
from napari_organoid_synth.core.job import Warned
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.synthesis.mask_check import MaskCheck
from napari_organoid_synth.core.synthesis.mask_sampler import MaskSampler
from tiny_gain import RECIPE, SETTINGS, make_project, plan_of, result_of, run, strip

MASKS = RECIPE.override("gan=dcgan", "gan.generator_channels=8", "gan.discriminator_channels=8", "draws=masks")
ON_ALL = SETTINGS.replace(
    masks="generated", masks_on_all=True, mask_generator="masks.yaml", arms=("raw+synthetic",), pairs=2
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = make_project(tmp_path / "p", [strip(seed) for seed in range(4)])
    MASKS.to_file(project.path / "masks.yaml")
    return project


def test_one_generator_of_masks_serves_the_painters_of_all_folds(project: Project) -> None:
    plan = plan_of(project, ON_ALL)
    (masks,) = (task for task in plan.tasks if isinstance(task, MasksTask))
    painters = [task for task in plan.tasks if isinstance(task, GeneratorTask) and task is not masks]
    assert (len(masks.train), masks.parts, list(masks.recipes), masks.held) == (4, "all", ["masks"], {})
    assert [(len(task.train), list(task.recipes), task.needs) for task in painters] == 2 * [
        (2, ["generator"], (masks.key,))
    ]
    assert plan.warnings[0] == f"{OPTIMISTIC_MASKS} This is the paper protocol."
    assert plan.tasks.index(masks) < min(plan.tasks.index(task) for task in painters)
    with pytest.raises(UserError, match="masks are 'auto'"):
        plan_of(project, ON_ALL.replace(masks="auto"))
    with pytest.raises(UserError, match="all generators see all images"):
        plan_of(project, ON_ALL.replace(paper_protocol=True))


def test_it_runs_and_what_each_saw_is_known(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(self: MaskSampler, *seed: int | str, variety: float = 1.0) -> tuple[np.ndarray, MaskCheck]:
        return strip(100 + int(seed[-2])).labels[:, :64], MaskCheck(1, 0.0, 1.0, 0, 0, 0, 0)  # after long training

    monkeypatch.setattr(MaskSampler, "draw", draw)
    events = run(project, ON_ALL)
    result = result_of(events)
    assert (result.design.masks_on_all, result.tasks.failed) == (True, 0), [e for e in events if isinstance(e, Warned)]
    assert set(result.arms) == {"raw", "raw+synthetic"}
    plan = plan_of(project, ON_ALL)
    for task in plan.tasks:
        if isinstance(task, GeneratorTask):
            record = read_record(task.folder(Path()))
            assert isinstance(record, PairsRecord)
            assert dict(record.data) == dict(task.train)  # the painter of a fold saw its training images alone
    text = json.loads((Path(result.folder) / "results.json").read_text())
    assert text["design"]["masks_on_all"]
