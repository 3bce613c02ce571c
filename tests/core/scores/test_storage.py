"""What ``scores.json`` keeps, also when an older version of this package wrote it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from napari_organoid_synth.core.metrics.memorisation import DataCopying
from napari_organoid_synth.core.metrics.sets import Interval
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.scores.storage import MaskFit, read_set_scores, write_set_scores
from napari_organoid_synth.core.scores.table import sentences

FORMAT_1 = Path(__file__).parents[2] / "data" / "format_1" / "scores.json"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    shutil.copy(FORMAT_1, project.scores_path)
    return project


def test_a_file_of_format_1_opens(project: Project) -> None:
    old = json.loads(FORMAT_1.read_text(encoding="utf-8"))["columns"]
    good, painter = read_set_scores(project)
    assert (good.key, good.number, good.seed, good.weights) == ((("good", ("run",), ()), "all", "random"), 8, 0, "")
    assert (good.title, good.max_samples) == ("good", 1000)
    assert (good.fingerprint, good.made) == (old[0]["digest"], old[0]["made"])
    assert len(good.scores) == len(old[0]["scores"]) == 24
    for score, before in zip(good.scores, old[0]["scores"], strict=True):
        assert (score.name, score.value, score.matched_value) == (before["name"], before["value"], before["alike"])
        assert score.interval == Interval(low=before["low"], high=before["high"])
        assert score.originals == Interval(low=before["real_low"], high=before["real_high"])
        assert (score.n_real, score.n_synthetic, score.message) == (36, 8, before["words"])
    test = good.memorisation.test
    assert isinstance(test, DataCopying)
    assert (test.n_unseen, test.n_images, test.message) == (9, 1, old[0]["memorisation"]["test"]["words"])
    assert good.mask_fit == MaskFit(low=0, real=1 / 18, strange=1, useful=True)
    assert painter.scores == ()
    assert painter.variety is not None
    assert (painter.variety.distinct, painter.variety.pixels) == (2, None)
    assert "100% are painted on masks made from real ones" in " ".join(sentences(painter))


def test_scores_come_back_as_they_were_written(project: Project) -> None:
    sets = read_set_scores(project)
    write_set_scores(project, sets)
    assert json.loads(project.scores_path.read_text(encoding="utf-8"))["version"] == 2
    assert read_set_scores(project) == sets


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 3, "sets": []}', '{"version": 1, "columns": [{}]}'])
def test_a_file_that_cannot_be_read_holds_no_scores(project: Project, text: str) -> None:
    project.scores_path.write_text(text)
    assert read_set_scores(project) == []
