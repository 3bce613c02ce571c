import json

import numpy as np
import pytest

from napari_organoid_synth.core.demo import TOTAL, DemoSettings, demo
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.job import Added, Control, Finished, Progress, Started
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore

TINY = DemoSettings(size=64, train=2, test=2, steps=4, samples=4, segment_steps=2, channels=8)


def test_walks_the_whole_way(tmp_path):
    project = Project(tmp_path / "demo")
    events = list(demo(project, Control(), TINY))

    assert [type(event) for event in events].count(Started) == 1
    assert [type(event) for event in events].count(Finished) == 1
    assert isinstance(events[-1], Finished)
    bar = [event for event in events if isinstance(event, Progress)]
    assert [event.step for event in bar] == sorted(event.step for event in bar)
    assert bar[-1].step == TOTAL
    assert {event.total for event in bar} == {TOTAL}
    assert len({event.note.split(",")[0] for event in bar}) == 8  # seven stages and the report
    assert sum(isinstance(event, Added) for event in events) >= 3  # samples, verdicts, two arms

    table = PairTable.from_file(project.pairs_path)
    assert (len(table.train), len(table.test), table.mask_kind) == (2, 2, "binary")
    with SampleStore(project.samples_path) as store:
        counts = store.counts()
        assert counts["new"] == 0
        assert counts["accepted"] in (1, 2)  # copies are never accepted
    (manifest,) = project.path.glob("exports/*/manifest.json")
    written = [sample["synthetic"] for sample in json.loads(manifest.read_text())["samples"]]
    assert (written.count(True), written.count(False)) == (counts["accepted"], 2)  # the test images come along
    result = events[-1].result
    arms = GainResult.parse(result["stages"]["train a U-Net without and with them"]).arms
    assert list(arms) == ["raw", "raw+curated"]
    assert all(np.isfinite(arm.dice) and arm.steps == 2 for arm in arms.values())
    assert result["how"].startswith("With the pairs Dice changed by ")
    assert "Measured on 2 simulated images that neither painter nor U-Net saw. 2 others to learn from" in result["how"]
    page = (project.path / "report.html").read_text(encoding="utf-8")
    assert result["sentence"] in page
    assert "<polyline" in page
    assert [job.info["verb"] for job in project.jobs()] == ["train", "segment"]

    with pytest.raises(UserError, match="already has pairs"):
        next(demo(project, Control(), TINY))


def test_cancel_ends_with_what_is_there(tmp_path):
    project, control, events = Project(tmp_path / "demo"), Control(), []
    for event in demo(project, control, TINY):
        events.append(event)
        if isinstance(event, Progress) and event.note.startswith("2 of 7"):
            control.cancel()
    assert events[-1].reason == "canceled"
    assert len(PairTable.from_file(project.pairs_path).matched) == 4
    assert not (project.path / "report.html").exists()
