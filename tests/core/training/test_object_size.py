"""Objects that are too small for a painter: refused before a training, and said where nothing is trained."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Warned
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.training.object_size import MIN_DIAMETER, object_diameter, tiny_objects
from napari_organoid_synth.core.training.timing import estimate
from napari_organoid_synth.core.training.train import train

TINY = Recipe.parse({"gan": "pix2pix", "tiles": {"size": 64}, "train": {"steps": 1, "device": "cpu"}})


def discs(radius: float, number: int = 5, side: int = 64) -> SamplePair:
    """Discs in a row, and bright pixels under them."""
    y, x = np.mgrid[:side, :side]
    labels = np.zeros((side, side), np.int32)
    for index in range(number):
        labels[np.hypot(y - side / 2, x - 6 - 12 * index) < radius] = index + 1
    image = (20 + 100 * (labels > 0) + (y + x) % 7).astype(np.uint8)[None]
    return SamplePair(f"discs_{radius:g}", image, labels, "instances")


def project_of(path: Path, pair: SamplePair) -> Project:
    project = Project(path)
    for number in range(2):
        add_pair(project, pair.replace(name=f"p{number}", image=pair.image + np.uint8(number)), "instances")
    return project


def test_diameter_of_discs_and_specks() -> None:
    assert object_diameter([discs(2.5)]) == pytest.approx(5, abs=0.3)
    whole = object_diameter([discs(5.0)])
    assert whole == pytest.approx(10, abs=0.7)
    spotted = discs(5.0).labels.copy()
    spotted[:12:3, ::3] = np.arange(100, 100 + 4 * 22).reshape(4, 22)  # 88 single pixels beside five discs
    assert object_diameter([discs(5.0).replace(labels=spotted)]) == whole
    assert object_diameter([discs(5.0).replace(labels=np.zeros((64, 64), np.int32))]) is None
    lines = np.zeros((256, 256), np.int32)
    lines[::32] = 1
    assert object_diameter([SamplePair("lines", lines[None].astype(np.uint8), lines, "binary")]) is None


def test_small_objects_are_refused_before_a_training_and_by_its_dry_run(tmp_path: Path) -> None:
    project = project_of(tmp_path, discs(2.5))
    for begin in (lambda: estimate(project, TINY, keep=False), lambda: list(train(project, TINY, Control()))):
        with pytest.raises(UserError) as caught:
            begin()
        assert caught.value.found == "The objects are about 5 px across."
        assert "Expected at least 8 px" in str(caught.value)
        assert "larger scale" in str(caught.value)
        assert "analogy" in str(caught.value)
    assert not project.runs()


def test_larger_objects_and_other_generators_are_not_refused() -> None:
    assert tiny_objects([discs(MIN_DIAMETER / 2 + 0.5)], TINY) is None
    assert tiny_objects([discs(2.5)], Recipe.parse({"gan": "dcgan", "tiles": {"size": 64}})) is None


def test_a_painter_without_training_warns_alone(tmp_path: Path) -> None:
    recipe = Recipe.parse({"gan": "analogy", "tiles": {"size": 64}})
    events = list(train(project_of(tmp_path, discs(2.5)), recipe, Control()))
    warnings = [event.text for event in events if isinstance(event, Warned)]
    assert any("about 5 px across" in warning for warning in warnings)
    assert not any("analogy copies" in warning for warning in warnings)
    assert events[-1].reason == "completed"  # type: ignore[attr-defined]
