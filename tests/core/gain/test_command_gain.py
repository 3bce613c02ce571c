"""A segmenter of two commands in a comparison: in this process, in workers, resumed, and applied afterwards."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from tifffile import imwrite

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.gain import gain
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.job import Control, Finished
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.ome_tiff import read_labels
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.predict import predict
from napari_organoid_synth.core.segmentation.segmenters import trust
from napari_organoid_synth.core.segmentation.settings import PredictSettings
from napari_organoid_synth.core.simulators.simulate import organoid_brightfield

FIT = """
import json, pathlib, sys
import numpy as np
from tifffile import imread
data, model, calls = map(pathlib.Path, sys.argv[1:])
with calls.open("a") as file:
    file.write("fit ")
pairs = json.loads((data / "data.json").read_text())["train"]
inside = np.concatenate([imread(data / p["image"])[imread(data / p["mask"]) > 0] for p in pairs]).mean()
outside = np.concatenate([imread(data / p["image"])[imread(data / p["mask"]) == 0] for p in pairs]).mean()
(model / "levels.json").write_text(json.dumps([float(inside), float(outside)]))
"""
PREDICT = """
import json, pathlib, sys
from tifffile import imread, imwrite
model, images, out = map(pathlib.Path, sys.argv[1:])
inside, outside = json.loads((model / "levels.json").read_text())
for path in images.iterdir():
    image = imread(path)
    imwrite(out / path.name, (abs(image - inside) < abs(image - outside)).astype("uint8"))
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    for seed in range(4):
        pair = organoid_brightfield(seed, 64)
        add_pair(project, SamplePair(f"o{seed}", pair.image, pair.labels), "binary")
    return project


def test_a_comparison_with_a_command(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "_file", lambda: tmp_path / "trusted.json")
    calls = tmp_path / "calls"
    command = {
        "name": "command",
        "fit": [sys.executable, "-c", FIT, "{data}", "{model}", str(calls)],
        "predict": [sys.executable, "-c", PREDICT, "{model}", "{images}", "{out}"],
        "trained_to_end": True,
    }
    settings = GainSettings.parse({
        "segmenter": command, "arms": ["raw"], "design": "k-fold", "folds": 2, "repeats": 1, "scheduler": "here",
        "device": "cpu",
    })  # fmt: skip

    def result(folder: str, **changes: object) -> GainResult:
        *_, last = gain(project, settings.replace(**changes), Control(), project.path / "segment" / folder)
        assert isinstance(last, Finished)
        return GainResult.parse(last.result)

    here = result("here")
    assert (here.tasks.total, here.tasks.done) == (2, 2)
    [row] = here.table
    assert row.plateau == 1
    assert calls.read_text() == "fit fit "
    result("here")  # a finished comparison is not done again
    assert calls.read_text() == "fit fit "
    two = result("two", scheduler="", workers=2)
    assert [one.scores for one in two.table] == [one.scores for one in here.table]

    (project.path / "new").mkdir()
    imwrite(project.path / "new" / "new.tif", organoid_brightfield(9, 64).image[0])
    wanted = PredictSettings(
        segmenter="here/raw/fold1", images=(str(project.path / "new"),), folder=str(tmp_path / "out"), device="cpu"
    )
    *_, last = predict(project, wanted, Control())
    assert isinstance(last, Finished)
    [found] = (tmp_path / "out").glob("*labels*.tif*")
    assert 0 < np.mean(read_labels(found) > 0) < 1

    monkeypatch.setattr(trust, "_file", lambda: tmp_path / "of another person.json")
    with pytest.raises(UserError, match=", and was not trained here"):
        next(predict(project, wanted, Control()))
    with pytest.raises(UserError, match="not trained here"):
        next(gain(project, settings, Control(), project.path / "segment" / "here", resume=True))
    *_, last = predict(project, wanted.replace(run_command=True, folder=str(tmp_path / "again")), Control())
    assert isinstance(last, Finished)
    next(predict(project, wanted, Control()))  # once allowed is enough
