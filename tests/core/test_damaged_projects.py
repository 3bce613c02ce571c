"""A damaged file of a project is named in a sentence, and everything else can still be used."""

from __future__ import annotations

import io
import json
import re
import shutil
import sqlite3
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import yaml
from tests.report_project import compared, pair, score, write_scores
from typer.testing import CliRunner

import terminal
from napari_organoid_synth.cli import app
from napari_organoid_synth.core.blind.session import read_sessions
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.damage import damaged_files
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.manifest import Manifest
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.storage import newest_result, write_result
from napari_organoid_synth.core.job import Finished, JobFolder, Progress
from napari_organoid_synth.core.map.storage import MappedSample, MapRecord, SampleMap, read_map, write_map
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.storage import read_set_scores
from napari_organoid_synth.core.synthesis.settings import PipelineSettings
from napari_organoid_synth.widgets.shared.runs import list_runs

TRAINED = Recipe().override("gan=pix2pix")
RUN, JOB, GAIN = "runs/20260101-000000-train", "jobs/20260101-000001-pipeline", "segment/20260101-000002-gain"
FILES = [
    "organoid-synth.json", "pairs.json", f"{RUN}/recipe.yaml", f"{RUN}/codec.json", f"{RUN}/run.json",
    f"{RUN}/job.json", f"{RUN}/events.jsonl", f"{RUN}/previews/step_00000001.npz", f"{JOB}/pipeline.yaml",
    f"{GAIN}/gain.yaml", f"{GAIN}/results.json", "samples.sqlite", "scores.json", "map.npz",
    "exports/one/manifest.json",
]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with every kind of file, none of them damaged."""
    project = Project(tmp_path_factory.mktemp("whole") / "p")
    PairTable(entries=(PairEntry(name="a", status="orphan", image="a.tif"),)).to_file(project.pairs_path)
    run = Run.create(project.path / RUN, TRAINED, Codec.fit([pair("first")]))
    run.update_metadata(steps=3, device="cpu")
    run.write_preview(1, np.ones((1, 1, 8, 8), np.uint8), np.ones((1, 8, 8), np.int32))
    for folder, verb in ((RUN, "train"), (JOB, "pipeline"), (GAIN, "gain")):
        job = JobFolder(project.path / folder)
        job.begin(verb, [verb])
        list(job.record([Progress(1, 3, {"loss": 0.5}), Finished(3)]))
        note = json.loads((job.path / "job.json").read_text())
        (job.path / "job.json").write_text(json.dumps(note | {"pid_started": 1.0}))  # its process has ended
    PipelineSettings(painter=TRAINED).to_file(project.path / JOB / "pipeline.yaml")
    GainSettings().to_file(project.path / GAIN / "gain.yaml")
    write_result(project.path / GAIN, compared(raw=[0.5, 0.6], synthetic=[0.7, 0.8]))
    with SampleStore(project.samples_path) as store:
        store.add_many([pair("s", "synthetic")], run=Path(RUN).name)
    write_scores(project, {Path(RUN).name: [score("kid", 0.1, 0.1, 0.2, "low")]})
    record = MapRecord(tiles=(), samples=(MappedSample(id="s", run=""),), method="pca", extractor="random")
    write_map(project, SampleMap(np.zeros((1, 2)), record))
    manifest = project.path / "exports" / "one" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(Manifest(samples=()).to_json())
    return project.path


def half(path: Path) -> None:
    """Cut a file in the middle; text before a colon, for YAML that ends with a line is whole."""
    content = path.read_bytes()
    middle = len(content) // 2
    colon = content.rfind(b":", 0, middle) if path.suffix == ".yaml" else -1
    path.write_bytes(content[: colon if colon > 0 else middle])


def other_types(path: Path) -> None:
    """The keys stay, and each value is a list of nothing; a file without keys becomes a list."""
    try:
        values = yaml.safe_load(path.read_text())
    except (ValueError, yaml.YAMLError):
        values = None
    path.write_text(json.dumps({key: [None] for key in values} if isinstance(values, dict) else ["a", 1]))


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(0).bytes(5000))


def huge_numbers(path: Path) -> None:
    if path.suffix == ".npz":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name in ("image", "labels", "record", "coordinates"):
                header = io.BytesIO()
                shape = (1 << 20, 1 << 20, 1 << 20)
                np.lib.format.write_array_header_1_0(header, {"descr": "<i4", "fortran_order": False, "shape": shape})
                archive.writestr(f"{name}.npy", header.getvalue() + bytes(1000))
    elif path.suffix == ".sqlite":
        path.write_bytes(path.read_bytes()[:100].ljust(100, b"\0")[:28] + b"\xff" * 72 + b"\xff" * 4000)
    else:
        path.write_text(re.sub(r"\b\d+\b", "9" * 5000, path.read_text(errors="replace")))


def nested(path: Path) -> None:
    path.write_text("[" * 100_000)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES = [empty, half, other_types, noise, huge_numbers, nested, folder]
FINE = {  # nothing is lost: no event yet, or the half line of a process that was killed
    ("empty", f"{RUN}/events.jsonl"), ("half", f"{RUN}/events.jsonl"),
    ("empty", "samples.sqlite"),  # a new database
}  # fmt: skip


@pytest.fixture
def project(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "p"))


def usable(path: Path) -> None:
    """Every list of a project can be read."""
    project = Project(path, make=False)
    assert [run.name for run in list_runs(project)] in ([], [Path(RUN).name])
    for job in project.jobs():
        assert not job.alive or job.info["verb"]
        job.read_events()
    assert JobFolder(path / RUN).control.request() == "run"
    read_set_scores(project), read_map(project), newest_result(project), read_sessions(project)


def test_a_whole_project_has_no_damage(whole: Path) -> None:
    assert damaged_files(Project(whole)) == []
    usable(whole)


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_named_and_lists_go_on(file: str, damage: Callable[[Path], None], project: Path) -> None:
    damage(project / file)
    usable(project)
    named = damaged_files(Project(project))
    if (damage.__name__, file) in FINE:
        assert named == []
        return
    assert [sentence.split(" ")[0] for sentence in named] == [file]
    assert "cannot be read (" in named[0]
    assert len(named[0]) < 500


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda one: one.__name__)
def test_commands_and_the_report_go_on_and_name_every_file(
    damage: Callable[[Path], None], project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for file in FILES:
        damage(project / file)
    names = [file for file in FILES if (damage.__name__, file) not in FINE]
    page = tmp_path / "page.html"
    told = CliRunner().invoke(app, ["report", str(project), "--output", str(page)])
    assert told.exit_code == 0, told.exception
    assert all(f"{name} cannot be read" in told.stderr for name in names)
    assert all(f"{name} cannot be read" in page.read_text() for name in names)
    asked = CliRunner().invoke(app, ["control", str(project), "pause"])
    assert isinstance(asked.exception, UserError)
    assert all(f"{name} cannot be read" in asked.stderr for name in names)
    blind = CliRunner().invoke(app, ["blind", str(project)])
    assert (blind.exit_code, blind.stdout) == (0, "There is no blind test yet.\n")


def test_damage_of_one_run_leaves_the_others(project: Path) -> None:
    other = Run.create(project / "runs" / "20270101-000000-train", TRAINED, Codec.fit([pair("first")]))
    nested(other.path / "recipe.yaml")
    assert [(run.title, bool(run.problem)) for run in list_runs(Project(project))] == [
        ("run 2 · damaged", True), ("run 1 · pix2pix · stopped before the first checkpoint", True)
    ]  # fmt: skip


@pytest.mark.parametrize("column", ["id", "run", "created", "verdict", "image", "labels", "n_objects", "tags"])
def test_a_sample_with_a_value_of_another_type_is_damage(column: str, whole: Path, tmp_path: Path) -> None:
    project = Project(shutil.copytree(whole, tmp_path / "p"))
    with closing(sqlite3.connect(project.samples_path)) as database, database:
        database.execute(f"UPDATE samples SET {column} = ?", (b"\xff\x00",))
    done = terminal.run("samples", project.path)
    assert done.code == 1
    assert done.err.startswith(f"organoid-synth: {project.samples_path} is damaged (the row of ")
    assert "--rebuild" in done.err
    assert any(sentence.startswith("samples.sqlite cannot be read") for sentence in damaged_files(project))
    with closing(sqlite3.connect(project.samples_path)) as database, database:
        database.execute("UPDATE samples SET height = -5")
    assert terminal.run("samples", project.path).code == 1
    assert terminal.run("report", project.path, "--output", tmp_path / "r.html").code == 0
    assert terminal.run("samples", project.path, "--rebuild").code == 0
    assert terminal.run("samples", project.path).code == 0


def test_a_comparison_without_images_is_no_reason_against_a_report(whole: Path, tmp_path: Path) -> None:
    project = Project(shutil.copytree(whole, tmp_path / "p"))
    path = project.path / GAIN / "results.json"
    values = json.loads(path.read_text())
    for arm in values["arms"].values():
        arm["per_image"] = {}
    path.write_text(json.dumps(values))
    assert terminal.run("report", project.path).code == 0
