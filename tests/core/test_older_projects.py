"""A project that version 0.1.0 wrote opens with the present code: see ``tests/data/make_project.py``."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.blind.session import read_sessions
from napari_organoid_synth.core.job import Control, Finished, JobFolder
from napari_organoid_synth.core.map.storage import read_map
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.report.report import write_report
from napari_organoid_synth.core.runs.files import read_preview
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.storage import read_set_scores
from napari_organoid_synth.core.segmentation.catalog import find_segmenter, list_segmenters
from napari_organoid_synth.core.synthesis.generate import generate
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from report_project import Page

ARCHIVE = Path(__file__).parents[1] / "data" / "project-0.1.zip"
JOINT, PAINTER = "20261130-063545-train", "20261130-063608-train"
SEGMENT, GAIN = "20261130-063710-segment", "20261130-063734-gain"
ACCEPTED = ["pix2pix-20261130-063608-s0-00003", "pix2pix-20261130-063608-s0-00004", "pix2pix-20261130-063608-s0-00007"]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The project, unpacked."""
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(tmp_path)
    return Project(tmp_path / "project-0.1", make=False)


def test_pairs_are_read(project: Project) -> None:
    train, test = load_pairs(project, split="train"), load_pairs(project, split="test")
    assert [pair.name for pair in train] == ["tissue_00001", "tissue_00002"]
    assert [pair.name for pair in test] == ["tissue_00003", "tissue_00004"]
    assert {(pair.image.shape, pair.image.dtype.name, pair.mask_kind) for pair in train + test} == {
        ((1, 96, 96), "uint8", "instances")
    }


@pytest.mark.parametrize(("name", "generator", "seen"), [(JOINT, "progan", 24), (PAINTER, "pix2pix", 8)])
def test_runs_load_their_newest_checkpoint(name: str, generator: str, seen: int, project: Project) -> None:
    run = Run(project.run_path(name))
    assert run.recipe.gan.name == generator
    assert (run.steps(), run.best()) == ([4], 4)
    checkpoint = run.load(new_generator(run.recipe, run.spec))
    assert checkpoint.step == 4
    assert checkpoint.numbers["seen"] == seen
    assert [step for step, _ in run.previews()] == [0, 4]
    image, labels = read_preview(run.previews()[-1][1])
    assert (image.shape, labels.shape) == ((1, 1, 64, 64), (1, 64, 64))
    events, _ = JobFolder(run.path).read_events()
    assert isinstance(events[-1], Finished)
    assert (events[-1].reason, events[-1].result["steps"]) == ("completed", 4)


@pytest.mark.parametrize("name", [JOINT, PAINTER])
def test_runs_draw_the_samples_that_they_drew_before(name: str, project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        before = {row.name: store.pair(row.id) for row in store.rows() if row.run == name}
    empty = Project(project.path.parent / "other")
    (empty.path / "runs").symlink_to(project.path / "runs")
    (empty.path / "simulated").symlink_to(project.path / "simulated")
    (empty.path / "pairs.json").write_bytes(project.pairs_path.read_bytes())
    settings = GenerateSettings(run=name, number=2, device="cpu", masks="warped", warp=1.0)  # as they were then
    list(generate(empty, settings, Control()))
    with SampleStore(empty.samples_path) as store:
        pairs = [store.pair(id) for id in store.ids()]
    assert len(pairs) == 2
    for pair in pairs:
        assert np.abs(pair.image.astype(int) - before[pair.name].image).max() <= 1  # other processors round otherwise
        assert np.mean(pair.labels != before[pair.name].labels) < 0.01


def test_samples_keep_their_verdicts_and_scores(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        assert store.counts() == {"new": 7, "accepted": 3, "rejected": 1}
        assert sorted(row.name for row in store.rows("accepted")) == ACCEPTED
        row = next(row for row in store.rows() if row.name == ACCEPTED[0])
        assert row.run == PAINTER
        assert row.scores["blur"] == pytest.approx(0.11852595675)
        assert store.pair(row.id).source.provenance["checkpoint"] == 4


def test_scores_of_sets_are_read(project: Project) -> None:
    sets = read_set_scores(project)
    assert [(one.run, one.number) for one in sets] == [(JOINT, 3), (PAINTER, 8)]
    kept = json.loads(project.scores_path.read_text())["columns"][1]["scores"]
    found = sets[1].scores
    assert [(one.name, one.value) for one in found] == [(one["name"], one["value"]) for one in kept]
    assert len(found) == 24


def test_the_map_is_read(project: Project) -> None:
    found = read_map(project)
    assert found is not None
    record = found.record
    assert (record.method, record.side, found.coordinates.shape) == ("pca", 64, (19, 2))
    runs = [sample.run for sample in record.samples]
    assert (len(record.tiles), runs.count(JOINT), runs.count(PAINTER)) == (8, 3, 8)


def test_comparisons_are_in_the_catalog(project: Project) -> None:
    known = list_segmenters(project)
    assert [one.name for one in known] == [
        f"{GAIN}/raw/fold1", f"{GAIN}/raw/fold2", f"{GAIN}/raw+synthetic/fold1", f"{GAIN}/raw+synthetic/fold2",
        f"{SEGMENT}/raw", f"{SEGMENT}/raw+curated",
    ]  # fmt: skip
    trained = find_segmenter(project, f"{SEGMENT}/curated")
    assert find_segmenter(project, f"{SEGMENT}/real").path.name == "real"  # as the arm was called
    assert trained.description().spec.class_names == ("object",)
    assert sorted(trained.training_note().images) == ["tissue_00001", "tissue_00002"]


def test_blind_tests_are_read(project: Project) -> None:
    (session,) = read_sessions(project)
    assert (session.settings.observer, len(session.questions), len(session.answers)) == ("Anna", 4, 3)
    wrong = session.result().wrong
    assert (wrong.count, wrong.total) == (2, 3)


def test_the_report_tells_of_everything(project: Project, tmp_path: Path) -> None:
    page = Page(write_report(project, tmp_path / "report.html").read_text(encoding="utf-8"))
    assert page.table("Test")[1][1] == "Anna"
    for words in (JOINT, PAINTER, "Dice", "tissue_00004"):
        assert words in page.words
