"""The best of a set that is far from the originals are not accepted, unless asked for anyway or by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.command import samples
from napari_organoid_synth.core.samples.far_sets import FarFromOriginals, far_runs
from napari_organoid_synth.core.samples.selection import best, diverse
from napari_organoid_synth.core.samples.settings import SamplesSettings
from napari_organoid_synth.core.samples.store import SampleStore

FAR = "5 of 8 pairs have a realism below 0.05, as 5 of 100 real tiles have"


def fill(store: SampleStore, run: str, realism: list[float]) -> None:
    for number, value in enumerate(realism):
        image = np.full((1, 32, 32), 20 * number + 10, np.uint8)
        labels = np.zeros((32, 32), np.int32)
        labels[4:12, 4:12] = 1
        id = store.add(SamplePair(f"{run}_{number}", image, labels, "instances"), run)
        store.rate(id, {"realism": value})


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path / "project")


@pytest.fixture
def store(project: Project) -> Iterator[SampleStore]:
    with SampleStore(project.samples_path) as store:
        fill(store, "grid", [0.9, 0.5, 0.2, 0.04, 0.03, 0.02, 0.01, 0.001])
        yield store


def write_scores(
    project: Project, kid: float, precision: float, number: int = 8, run: str = "grid", doubt: str = ""
) -> None:
    scores = [
        {"name": "kid", "matched_value": kid, "originals": {"low": -0.4, "high": 2.9}},
        {"name": "precision", "matched_value": precision, "originals": {"low": 0.8, "high": 1.0}, "doubt": doubt},
    ]
    content = {"version": 2, "sets": [{"run": run, "samples": "all", "number": number, "scores": scores}]}
    project.scores_path.write_text(json.dumps(content))


def test_more_than_half_below_what_real_tiles_have(store: SampleStore) -> None:
    assert far_runs(store) == {"grid": FAR}
    store.rate("grid_3", {"realism": 0.05})
    assert far_runs(store) == {}  # four of eight
    store.rate("grid_3", {"realism": 0.04})
    store.delete(["grid_0"])
    assert far_runs(store) == {}  # seven are too few to say it


@pytest.mark.parametrize(
    ("kid", "precision", "is_far"),
    [(82.0, 0.0, True), (8.8, 0.39, True), (8.6, 0.0, False), (82.0, 0.41, False), (1.0, 0.9, False)],
)
def test_scores_of_the_set_come_first(
    project: Project, store: SampleStore, kid: float, precision: float, is_far: bool
) -> None:
    write_scores(project, kid, precision)
    found = far_runs(store)
    assert bool(found) == is_far  # more than 3 times 2.9, and less than half of 0.8
    if kid == 82 and is_far:
        assert found["grid"] == (
            "KID is 82 (originals among each other at most 2.9), precision 0 (originals at least 0.8)"
        )


def test_where_the_set_has_no_verdict_its_pairs_are_asked(project: Project, store: SampleStore) -> None:
    """Noise too would have that precision: that these pairs have it is no reason to accept them."""
    write_scores(project, 1.0, 0.9, doubt="pure noise lies there too")
    assert far_runs(store) == {"grid": FAR}
    write_scores(project, 82.0, 0.3, doubt="pure noise lies there too")  # worse than the range: there is no doubt
    assert far_runs(store)["grid"].startswith("KID is 82")


def test_scores_of_another_set_say_nothing(project: Project, store: SampleStore) -> None:
    write_scores(project, 1.0, 0.9, number=7)  # one sample was added since
    assert far_runs(store) == {"grid": FAR}
    write_scores(project, 1.0, 0.9, run="other")
    assert far_runs(store) == {"grid": FAR}
    write_scores(project, 1.0, 0.9)
    content = json.loads(project.scores_path.read_text())
    content["sets"][0]["by"] = ["run", "masks"]  # a part of the run
    project.scores_path.write_text(json.dumps(content))
    assert far_runs(store) == {"grid": FAR}
    for text in ("[]", "{", '{"sets": [{}]}', '{"sets": [{"run": "grid", "samples": "all", "scores": [{}]}]}'):
        project.scores_path.write_text(text)
        assert far_runs(store) == {"grid": FAR}


def test_the_best_are_refused_in_words(store: SampleStore) -> None:
    for choose in (best, diverse):
        with pytest.raises(FarFromOriginals, match=f"pairs of run grid are far from the originals: {FAR}") as error:
            choose(store, 3)
        assert "upsample=resize" in error.value.todo
        assert len(choose(store, 3, anyway=True)) == 3
    assert best(store, 2, anyway=True) == ["grid_0", "grid_1"]


def test_pairs_of_other_runs_are_chosen(project: Project, store: SampleStore) -> None:
    fill(store, "good", [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.02, 0.4])
    assert best(store, 3) == ["good_5", "good_4", "good_3"]
    assert all(id.startswith("good") for id in diverse(store, 4))
    found = samples(project, SamplesSettings(accept=("best:1",)))
    assert (found.changed, found.left_out) == (("good_5",), ("run grid",))
    assert found.sentence.endswith("1 sample changed. None of run grid: far from the originals.")
    assert samples(project, SamplesSettings()).left_out == ()
    store.decide([id for id in store.ids() if id.startswith("good")], "accepted")
    with pytest.raises(FarFromOriginals):
        best(store, 3)


def test_the_command_refuses_and_can_be_told_to_accept(project: Project, store: SampleStore) -> None:
    for way in ("best:2", "diverse:2"):
        with pytest.raises(FarFromOriginals, match="With --anyway the best of them are"):
            samples(project, SamplesSettings(accept=(way,)))
    assert store.counts()["accepted"] == 0
    assert samples(project, SamplesSettings(accept=("best:1",), anyway=True)).changed == ("grid_0",)
    assert samples(project, SamplesSettings(accept=("grid_5",))).changed == ("grid_5",)  # by hand, always
    assert samples(project, SamplesSettings(query="realism > 0.1", accept=("found",))).changed == ("grid_1", "grid_2")
    assert samples(project, SamplesSettings(reject=("best:1",))).changed == ("grid_3",)
