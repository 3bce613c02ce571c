"""Disks that are read-only, full or gone while a command runs: a true sentence, and reading goes on."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Added, Failed, Finished, JobFolder, Progress
from napari_organoid_synth.core.pairs.loading import add_pair, load_pairs
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.core.training.train import train

SETS = [
    part
    for item in (
        "tiles.size=64", "tiles.min_objects=1", "tiles.turn=false", "tiles.flip=false", "gan=pix2pix",
        "gan.generator_channels=8",
        "gan.discriminator_channels=8", "train.batch=1", "train.threads=1", "train.precision=float32",
        "train.device=cpu", "train.previews=1",
    )
    for part in ("--set", item)
]  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with two pairs, a run and two samples."""
    project = Project(tmp_path_factory.mktemp("made") / "p")
    for seed in range(2):
        add_pair(project, em(seed, 64), "classes")
    recipe = Recipe().override(*SETS[1::2])
    run = Run.create(project.path / "runs" / "one", recipe, Codec.fit(load_pairs(project)))
    run.update_metadata(precision="float32", seconds_per_step=1.0, gflop_per_image=1.0)
    run.save(new_generator(recipe, run.spec), 2, batch=1)
    with SampleStore(project.samples_path) as store:
        store.add_many([em(seed, 64) for seed in (8, 9)], run="one")
        store.decide(store.ids()[:1], "accepted")
    return project.path


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Project:
    return Project(shutil.copytree(made, tmp_path / "p"))


@pytest.fixture
def locked(project: Project) -> Iterator[Project]:
    """The project on a read-only disk, where tests may mount one."""
    allowed = hasattr(os, "getuid") and os.getuid() == 0 and shutil.which("mount")
    bind = ["mount", "--bind", project.path, project.path]
    if not allowed or subprocess.run(bind, check=False).returncode:
        pytest.skip("needs the right to mount")
    subprocess.run(["mount", "-o", "remount,ro,bind", project.path], check=True)
    yield project
    subprocess.run(["umount", "-l", project.path], check=True)


# ----------------------------------------------------------------------------------------------------------- read-only


def test_a_read_only_project_can_be_read(locked: Project, call: Callable[..., Any], tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Read-only"):
        (locked.path / "x").touch()
    code, out, err = call("curate", locked.path)
    assert (code, err) == (0, "")
    assert "1 new, 1 accepted, 0 rejected" in out
    assert call("pair", locked.path)[0] == 0
    assert call("blind", locked.path)[:2] == (0, "There is no blind test yet.\n")
    assert call("report", locked.path, "--output", tmp_path / "page.html")[0] == 0
    assert "2 synthetic pairs: 1 new, 1 accepted" in (tmp_path / "page.html").read_text()
    with SampleStore(locked.samples_path) as store:
        assert store.read_only
        assert store.pair(store.ids()[0]).image.shape == (1, 64, 64)
        with pytest.raises(UserError, match=r"samples\.sqlite cannot be changed: it is read-only"):
            store.decide(store.ids(), "rejected")
        assert store.counts()["accepted"] == 1


@pytest.mark.parametrize(
    "verb", ["train", "generate", "score", "gain", "predict", "export", "map", "pipeline", "report"]
)
def test_a_command_that_must_write_says_that_it_cannot(verb: str, locked: Project, call: Callable[..., Any]) -> None:
    code, out, err = call(verb, locked.path)
    assert (code, out) == (1, "")
    assert "saved" not in err.replace("What was saved before is as it was.", "")
    assert "Read-only file system" in err
    assert str(locked.path) in err
    assert len(err.splitlines()) == 1


def test_a_database_with_changes_beside_it_is_read_with_them(project: Project) -> None:
    """A window that was killed leaves a log of changes, which a read-only disk cannot take into the file."""
    program = (
        "import os, sys; from napari_organoid_synth.core.samples.store import SampleStore;"
        "store = SampleStore(sys.argv[1]); store.decide(store.ids(), 'rejected'); os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", program, str(project.samples_path)], check=True)
    log = project.samples_path.with_name("samples.sqlite-wal")
    assert log.stat().st_size > 0
    before = log.read_bytes()
    with read_only(project.samples_path) as store:
        assert store.counts()["rejected"] == 2
    assert log.read_bytes() == before


def read_only(path: Path) -> SampleStore:
    """Open a store as on a disk that refuses every change."""
    connect = sqlite3.connect

    def refuse(address: Any, **options: Any) -> Any:
        if address == path:
            raise refused
        return connect(address, **options)

    refused = sqlite3.OperationalError("attempt to write a readonly database")
    refused.sqlite_errorcode = sqlite3.SQLITE_READONLY
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("napari_organoid_synth.core.samples.database.sqlite3.connect", refuse)
        store = SampleStore(path)
    assert store.read_only
    return store


# ---------------------------------------------------------------------------------------------------------------- gone


def gone(where: Path) -> str:
    return (
        f"{where} is no longer there: it was deleted, moved, renamed, or its disk was removed. Nothing more could be "
        "saved; what was saved before is where the folder is now. Put it back, then start again."
    )


def test_a_training_whose_project_vanishes_stops_and_makes_nothing_again(
    project: Project, call: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaving(*arguments: Any, **options: Any) -> Iterator[Any]:
        for event in train(*arguments, **options):
            yield event
            if isinstance(event, Progress) or event.step >= 2:
                project.path.exists() and project.path.rename(tmp_path / "moved")

    monkeypatch.setattr("napari_organoid_synth.core.training.train.train", leaving)
    more = ["--set", "train.steps=400", "--set", "train.checkpoint_every=4", "--set", "train.preview_every=2"]
    code, out, err = call("train", project.path, *SETS, *more)
    assert (code, out) == (1, "")
    assert err.splitlines()[-1].removeprefix("organoid-synth: ") == gone(project.path)
    assert not project.path.exists()
    assert (tmp_path / "moved" / "runs").exists()


@pytest.mark.parametrize("verb", ["generate", "score", "map", "export", "gain", "pipeline", "predict"])
def test_any_command_whose_project_vanishes_says_so(
    verb: str, project: Project, call: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(opened: Project, *_: Any, **__: Any) -> Iterator[Any]:
        yield Progress(1, 9)
        opened.path.rename(tmp_path / "moved")
        with SampleStore(tmp_path / "moved" / "samples.sqlite"):
            yield Progress(2, 9)
        yield Finished(9, "canceled")

    from napari_organoid_synth.core.verbs import VERBS

    module, _, name = VERBS[verb].function.partition(":")
    monkeypatch.setattr(f"napari_organoid_synth.core.{module}.{name}", work)
    code, out, err = call(verb, project.path)
    assert (code, out) == (1, "")
    assert "everything so far is saved" not in err
    assert err in (
        gone(project.path),
        gone(next((tmp_path / "moved").rglob("events.jsonl")).parent).replace("/moved", "/p"),
    )
    assert not project.path.exists()


def test_samples_are_not_written_to_a_file_without_a_name(project: Project, tmp_path: Path) -> None:
    with SampleStore(project.samples_path) as store:
        project.path.rename(tmp_path / "moved")
        with pytest.raises(UserError, match=r"samples\.sqlite is no longer there"):
            store.add_many([em(3, 64)], run="one")
        assert not project.path.exists()
    with SampleStore(tmp_path / "moved" / "samples.sqlite") as store:
        assert len(store.ids()) == 2


def test_a_run_that_was_deleted_is_not_made_again(project: Project) -> None:
    run = Run(project.path / "runs" / "one")
    generator = new_generator(run.recipe, run.spec)
    shutil.rmtree(run.path)
    with pytest.raises(UserError, match="runs/one is no longer there"):
        run.save(generator, 4, batch=1)
    assert not run.path.exists()


def test_a_command_that_ends_without_a_result_is_not_said_to_be_saved(
    project: Project, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("napari_organoid_synth.core.scores.score.score", lambda *_: iter([Added(1, ("a",))]))
    code, out, err = call("score", project.path)
    assert (code, out, err) == (
        1, "", "'score' ended without a result. Expected it to finish or to be stopped. Start it again."
    )  # fmt: skip


@pytest.mark.parametrize(("number", "words"), [(5, "does not answer"), (30, "cannot be read or written")])
def test_a_disk_that_fails_ends_the_events(
    number: int, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = JobFolder(tmp_path)

    def refuse(*_: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(JobFolder, "_append", refuse)
    *_, last = folder.record(iter([Progress(1, 2)]))
    assert isinstance(last, Failed)
    assert words in last.found
    assert str(tmp_path) in last.found
