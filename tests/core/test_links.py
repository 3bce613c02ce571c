"""Nothing outside a project is deleted or copied through links, and archives cannot write outside their folder."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.archives import check_archive
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.export import _all_or_nothing
from napari_organoid_synth.core.gain.make_pairs import scratch_project
from napari_organoid_synth.core.gain.tasks import GeneratorTask
from napari_organoid_synth.core.metrics.feature_file import store
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.samples.recovery import rebuild
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import em
from napari_organoid_synth.sample_data import _unpack
from napari_organoid_synth.widgets.shared.runs import import_run

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
RECIPE = Recipe().override(
    "gan=pix2pix", "gan.generator_channels=8", "gan.discriminator_channels=8", "tiles.size=64", "train.keep=1"
)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder of somebody else, with files named like ours."""
    folder = tmp_path / "outside"
    folder.mkdir()
    for name in ("step_00000001.json", "step_00000001.safetensors", "real-x-1.npy", "samples.sqlite", "a.part"):
        (folder / name).write_text("precious")
    os.utime(folder / "a.part", (0, 0))
    return folder


def untouched(outside: Path) -> bool:
    names = ("step_00000001.json", "step_00000001.safetensors", "real-x-1.npy", "samples.sqlite", "a.part")
    return all((outside / name).is_file() and (outside / name).read_text() == "precious" for name in names)


@pytest.mark.parametrize("linked", ["run", "checkpoints"])
def test_old_checkpoints_behind_a_link_stay(linked: str, tmp_path: Path, outside: Path) -> None:
    run = Run.create(tmp_path / "p" / "runs" / "one", RECIPE, Codec.fit([em(0, 64)]))
    if linked == "checkpoints":
        (run.path / "checkpoints").symlink_to(outside)
    else:
        for path in (run.path / "codec.json", run.path / "recipe.yaml"):
            path.rename(outside / path.name)
        run.path.rmdir()
        run.path.symlink_to(outside)
        (outside / "checkpoints").symlink_to(outside)
    generator = new_generator(RECIPE, run.spec)
    for step in (2, 3):
        run.save(generator, step, batch=1)
    assert untouched(outside)
    assert run.read()[0].step == 3


def test_features_behind_a_link_stay(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "features").symlink_to(outside)
    store(tmp_path / "features" / "real-x-2.npy", b"new", "real-x")
    assert untouched(outside)


def test_unfinished_files_behind_a_link_stay(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "samples").symlink_to(outside)
    with SampleStore(tmp_path / "samples.sqlite") as store:
        assert store.ids() == []
    assert untouched(outside)
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "samples").mkdir()
    (tmp_path / "own" / "samples" / "b.part").write_text("x")
    os.utime(tmp_path / "own" / "samples" / "b.part", (0, 0))
    with SampleStore(tmp_path / "own" / "samples.sqlite"):
        assert not (tmp_path / "own" / "samples" / "b.part").exists()


def test_an_interrupted_task_behind_a_link_is_not_emptied(tmp_path: Path, outside: Path) -> None:
    project = Project(tmp_path / "p")
    PairTable().to_file(project.pairs_path)
    here = project.path / "segment" / "g" / "tasks" / "generator-1"
    here.mkdir(parents=True)
    (here / "project").symlink_to(outside)
    with pytest.raises(UserError, match="is a link"):
        scratch_project(GeneratorTask(title="t", project=str(project.path), recipes={}), here, [])
    assert untouched(outside)


def test_an_export_replaces_no_link(tmp_path: Path, outside: Path) -> None:
    (tmp_path / ".set.part").symlink_to(outside)
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="Cannot write"), _all_or_nothing(tmp_path / "set", True):
        pass
    (tmp_path / "other").symlink_to(tmp_path / "empty")
    with pytest.raises(UserError, match="Cannot write"), _all_or_nothing(tmp_path / "other", True):
        pass
    assert (tmp_path / "empty").is_dir()
    assert untouched(outside)


def test_rebuilding_moves_links_and_not_what_they_lead_to(tmp_path: Path, outside: Path) -> None:
    (tmp_path / "p" / "samples").mkdir(parents=True)
    (tmp_path / "p" / "samples.sqlite").symlink_to(outside / "samples.sqlite")
    rebuild(tmp_path / "p" / "samples.sqlite")
    assert untouched(outside)


def test_a_run_is_copied_without_what_its_links_lead_to(tmp_path: Path, outside: Path) -> None:
    run = Run.create(tmp_path / "other" / "runs" / "theirs", RECIPE, Codec.fit([em(0, 64)]))
    run.save(new_generator(RECIPE, run.spec), 2, batch=1)
    (run.path / "checkpoints" / "key.json").symlink_to(outside / "samples.sqlite")
    (run.path / "run.json").symlink_to(outside / "samples.sqlite")
    project = Project(tmp_path / "p")
    copied = project.path / "runs" / import_run(project, run.path)
    names = {path.relative_to(copied).as_posix() for path in copied.rglob("*")}
    tensors = "checkpoints/step_00000002"
    assert names == {"recipe.yaml", "codec.json", "checkpoints", f"{tensors}.json", f"{tensors}.safetensors"}


def zipped(path: Path, name: str, data: bytes = b"x", mode: int = 0) -> Path:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    info.compress_type = zipfile.ZIP_DEFLATED
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(info, data)
    return path


@pytest.mark.parametrize(
    ("name", "data", "mode", "words"),
    [
        ("../x", b"x", 0, r"holds '\.\./x'\. Expected names below its folder"),
        ("a/../../x", b"x", 0, "Expected names below its folder"),
        ("/etc/x", b"x", 0, "Expected names below its folder"),
        ("C:\\x", b"x", 0, "Expected names below its folder"),
        ("..\\x", b"x", 0, "Expected names below its folder"),
        ("a", b"/etc/passwd", 0o120777, "holds the link 'a'"),
        ("bomb", bytes(150 << 20), 0, "would become 157,286,400"),
    ],
)
def test_a_hostile_archive_is_not_unpacked(name: str, data: bytes, mode: int, words: str, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    archive = zipped(tmp_path / "in" / "a.zip", name, data, mode)
    with pytest.raises(UserError, match=words):
        _unpack(str(archive), "download", None)
    assert list(tmp_path.rglob("*")) == [tmp_path / "in", archive]


def test_a_usual_archive_passes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).bytes(5000)
    check_archive(zipped(tmp_path / "a.zip", "images/a.tif", noise))
    check_archive(zipped(tmp_path / "b.zip", "images/..a..tif", bytes(1 << 20)))
    (tmp_path / "c.zip").write_bytes(noise)
    with pytest.raises(UserError, match="is not a whole zip archive"):
        check_archive(tmp_path / "c.zip")
