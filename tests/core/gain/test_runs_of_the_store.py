"""Pairs of the store by the run that made them: each named run is an arm of its own, several joined by + are one."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from tiny_gain import make_project, plan_of, result_of, run, strip

STORE = GainSettings(
    repeats=1,
    ratios=(1.0,),
    segmenter=UNetConfig(channels=8, depth=2, tile=64, batch=2),
    design="k-fold",
    folds=2,
    steps=10,
    arms=("raw+synthetic",),
    pairs_from="store",
    scheduler="here",
    device="cpu",
)


@pytest.fixture
def project(tmp_path):
    project = make_project(tmp_path / "p", [strip(seed) for seed in range(4)])
    with SampleStore(project.samples_path) as store:
        for run_name, number in (("bce", 2), ("poisson", 3), ("other", 4)):
            for seed in range(number):
                drawn = strip(100 + 10 * number + seed)
                image = np.ascontiguousarray(drawn.image[:, :, :64])
                pair = SamplePair(f"{run_name}{seed}", image, drawn.labels[:, :64].copy(), source=Source("synthetic"))
                store.add(pair, run=run_name)
    for name in ("bce", "poisson"):
        (project.path / "runs" / name).mkdir(parents=True)
        (project.path / "runs" / name / "recipe.yaml").write_text("gan: dcgan\ntiles: {size: 64}\n")
    return project


def numbers_of_pairs(project, settings):
    return {(task.generator, task.fold): len(task.stored) for task in plan_of(project, settings).tasks if task.stored}


def test_each_named_run_is_an_arm_and_several_can_be_joined(project):
    settings = STORE.replace(generator=("bce", "poisson", "bce+poisson"))
    numbers = numbers_of_pairs(project, settings)
    assert numbers == {
        (name, fold): n for name, n in (("bce", 2), ("poisson", 3), ("bce+poisson", 5)) for fold in (0, 1)
    }
    table = result_of(run(project, settings)).table
    assert {row.generator: row.synthetic for row in table if row.generator} == {
        "bce": 2,
        "poisson": 3,
        "bce+poisson": 5,
    }


def test_one_named_run_has_no_title_and_none_means_all(project):
    assert numbers_of_pairs(project, STORE.replace(generator="bce")) == {("", 0): 2, ("", 1): 2}
    assert numbers_of_pairs(project, STORE) == {("", 0): 9, ("", 1): 9}


def test_an_unknown_run_is_refused(project):
    with pytest.raises(UserError, match="poison"):
        plan_of(project, STORE.replace(generator=("bce", "poison")))
