"""Every command with --json: one object on standard output that its model describes, on success and on failure."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from imageio.v3 import imwrite

import adapting
from napari_organoid_synth.cli import other_verbs
from napari_organoid_synth.cli.answers import ANSWERS, as_markdown, check, json_schema
from napari_organoid_synth.cli.options import app
from napari_organoid_synth.core.job import JobFolder
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.simulators.simulate import em
from terminal import result, run

NETWORK = ["segmenter.channels=8", "segmenter.depth=2", "segmenter.tile=64", "segmenter.batch=1", "steps=1"]
TRAIN = ["train.steps=2", "train.threads=1", "train.precision=float32", "tiles.size=64", "train.batch=1"]
GAN = ["gan=pix2pix", "gan.generator_channels=8", "gan.discriminator_channels=8"]
RANDOM = ["extractor=random", "device=cpu"]
SMALL_PIPELINE = [
    *[f"masks.{one}" for one in TRAIN], "masks.gan=dcgan", "masks.gan.generator_channels=16",
    "masks.gan.discriminator_channels=16", "masks.draws=masks", *[f"painter.{one}" for one in (*TRAIN, *GAN)],
    "checked=1", "number=1",
]  # fmt: skip


def sets(*settings: str) -> list[str]:
    return [part for one in settings for part in ("--set", one)]


def answer(*arguments: object, code: int = 0) -> dict[str, Any]:
    """Run a command with --json, and return its object, checked against its model."""
    done = run(*arguments, "--json")
    assert done.code == code, done.err
    values = check(done.out)
    assert (values["schema"], values["ok"]) == (1, code == 0)
    return values


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything that the commands made: their objects are checked while they make it."""
    folder = tmp_path_factory.mktemp("answers")
    made = answer("simulate", "em", folder / "real", "--number", 4, "--size", 64)
    assert all(Path(file).exists() for file in made["files"])
    for seed in range(2):
        pair = em(seed, 64)
        for name, array in (("images", pair.image[0]), ("mito", 255 * (pair.labels == 1).astype(np.uint8))):
            (folder / name).mkdir(exist_ok=True)
            imwrite(folder / name / f"{seed}.png", array)
    return folder


@pytest.fixture(scope="module")
def project(folder: Path) -> Path:
    path = folder / "p"
    paired = answer("pair", path, "--images", folder / "real", "--test", 0.25)
    assert len(paired["table"]["entries"]) == 4
    trained = answer("train", path, *sets(*TRAIN, *GAN))
    assert Path(trained["checkpoint"]).exists()
    generated = answer("generate", path, *sets("number=4"))
    assert (generated["added"], len(generated["samples"])) == (4, 4)
    assert answer("score", path, *sets(*RANDOM, "sets=none"))["scored"] == 4
    assert answer("samples", path, "--accept", "best:2")["accepted"] == 2
    return path


def test_a_map_and_its_gaps(project: Path) -> None:
    assert Path(answer("map", project, *sets(*RANDOM, "restarts=1"))["file"]).exists()
    filled = answer("fill", project, *sets("tiles=[em_00000_y0_x0_r0]", "number=1", "tries=2", *RANDOM))
    assert len(filled["samples"]) == filled["added"]


def test_an_export_names_its_files(project: Path, folder: Path) -> None:
    exported = answer("export", project, *sets(f"folder={folder / 'out'}"))
    assert "manifest.json" in exported["files"]
    assert all((folder / "out" / file).exists() for file in exported["files"])


def test_comparisons_and_predictions(project: Path, folder: Path) -> None:
    compared = answer("segment", project, *sets(*NETWORK, "arms=[raw]"))
    assert compared["tasks"] == {"total": 1, "done": 1, "failed": 0}
    folds = sets(*NETWORK, "arms=[raw]", "folds=2", "repeats=1", "design=k-fold", "scheduler=here")
    assert answer("gain", project, *folds)["tasks"]["done"] == 2
    marked = answer("predict", project, *sets(f"images={folder / 'images'}", f"folder={folder / 'marked'}"))
    assert [Path(file).name for file in marked["files"]] == ["0_labels.ome.tif", "1_labels.ome.tif"]
    for verb in ("segment", "gain"):
        assert answer(verb, project, "--dry-run", *sets(*NETWORK, "arms=[raw]"))["minutes"] >= 0


def test_a_class_is_added(project: Path, folder: Path) -> None:
    other = folder / "mito-only"
    answer("pair", other, "--images", folder / "images", "--masks", f"mitochondria={folder / 'mito'}")
    unet = ["unet.channels=8", "unet.depth=2", "unet.tile=64", "unet.batch=1", "steps=1"]
    added = answer("annotate", other, *sets(f"source={project}", *unet))
    assert added["class"] == "membranes"
    assert len(added["files"]) == added["masks"] == 2


def test_pairs_from_images_without_masks(folder: Path) -> None:
    target = adapting.write_target(folder / "unlabelled", range(10, 12))
    adapting.settings(target, number=1).to_file(folder / "adapt.yaml")
    made = answer("adapt", adapting.source(folder / "adapted", 2).path, "--recipe", folder / "adapt.yaml")
    assert len(made["samples"]) == made["pairs"] == 1
    flow = ["painter.channels=8", "painter.max_channels=8", "painter_steps=1", "size=64", "number=1"]
    sketched = answer("sketch", folder / "sketched", "--images", target, *sets(*flow))
    assert len(sketched["samples"]) == sketched["pairs"] == 1


def test_a_pipeline(folder: Path) -> None:
    answer("simulate", "organoid_brightfield", folder / "organoids", "--number", 2, "--size", 64)
    project = folder / "of organoids"
    answer("pair", project, "--images", folder / "organoids")
    made = answer("pipeline", project, *sets(*SMALL_PIPELINE))
    assert len(made["samples"]) == made["pairs"]


def test_models_reports_and_the_rest(project: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = folder / "model.synth"
    assert answer("share", project, file, "--licence", "MIT", "--checkpoint", "newest")["bytes"] == file.stat().st_size
    assert answer("import-model", folder / "other", file)["run"]
    assert Path(answer("report", project)["report"]).exists()
    assert answer("blind", project, "--csv", folder / "blind.csv")["file"] == str(folder / "blind.csv")
    assert "unet" in answer("list", "segmenters")["members"]
    assert answer("runs", project)["runs"][0]["state"] == "done"
    job = Project(folder / "other").job("score")
    job.begin("score", [])
    asked = answer("control", folder / "other", "pause")
    assert (asked["request"], asked["job"], asked["verb"]) == ("pause", job.path.name, "score")
    assert JobFolder(job.path).control.request() == "pause"
    monkeypatch.setattr(other_verbs, "_open_window", lambda _: None)
    assert answer("window", project)["project"] == str(project)


@pytest.mark.slow
def test_a_demonstration(folder: Path) -> None:
    small = sets("size=64", "train=1", "test=1", "steps=1", "samples=2", "segment_steps=1", "channels=8")
    assert Path(answer("demo", "--project", folder / "demo", *small)["report"]).exists()


@pytest.mark.parametrize("verb", [verb for verb in ANSWERS if verb not in ("list", "control", "window")])
def test_settings_are_listed_as_json_without_a_project(verb: str) -> None:
    listed = answer(verb, "--settings")["settings"]
    assert len({one["key"] for one in listed}) == len(listed) > 0
    assert all(one["description"] and one["type"] for one in listed)


FAILURES: dict[str, list[str]] = {
    **{verb: ["NOWHERE"] for verb in ANSWERS},
    "pair": ["NEW", "--images", "NOWHERE"],
    "list": ["gardens"],
    "control": ["NOWHERE", "pause"],
    "simulate": ["rocks", "NEW"],
    "share": ["NOWHERE", "x.synth"],
    "import-model": ["NEW", "NOWHERE"],
    "demo": ["--set", "size=1"],
    "study": ["organoid", "NOWHERE", "--out", "NEW"],
    "window": ["FILE"],
}


@pytest.mark.parametrize("verb", list(FAILURES))
def test_a_failure_is_an_object_too(verb: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    paths = {"NOWHERE": tmp_path / "nowhere", "NEW": tmp_path / "new", "FILE": tmp_path / "file"}
    failed = answer(verb, *[paths.get(one, one) for one in FAILURES[verb]], code=1)
    assert failed["command"] == verb
    assert failed["error"]["found"].endswith(".")


@pytest.mark.parametrize("verb", [*ANSWERS, "nonsense"])
def test_wrong_use_is_an_object_too(verb: str) -> None:
    failed = answer(verb, "--colour", "red", code=2)
    assert (failed["command"], set(failed["error"])) == (verb, {"found", "expected", "todo"})
    assert failed["error"]["todo"].startswith("See 'organoid-synth ")


def test_words_that_are_misspelt_are_suggested() -> None:
    assert "Did you mean 'train'?" in answer("trian", "x", code=2)["error"]["found"]
    assert "--settings" in answer("train", "x", "--setings", code=2)["error"]["found"]
    assert answer("train", "x", "--settings", "--set", "train.stepz=1", code=1)["error"]["todo"] == (
        "Did you mean 'train.steps'?"
    )


def test_what_a_library_prints_is_not_mixed_with_the_object(project: Path) -> None:
    script = """
import sys
from napari_organoid_synth.core.metrics.sharpness import Sharpness
from napari_organoid_synth import cli
plain = Sharpness.fit
Sharpness.fit = lambda self, tiles: print("a library prints") or plain(self, tiles)
cli.main()
"""
    arguments = ["score", str(project), "--json", *sets(*RANDOM, "sets=none", "again=true", "metrics=[sharpness]")]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    assert result(done.stdout)["scored"] >= 4
    assert "a library prints" in done.stderr


def test_a_mistake_of_the_program_is_an_object_with_the_report_on_standard_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("napari_organoid_synth.core.registry.Registry.describe", lambda *_: 1 / 0)
    done = run("list", "metrics", "--json")
    assert (done.code, check(done.out)["error"]["found"]) == (1, "ZeroDivisionError: division by zero")
    assert "Traceback" in done.err


def test_ctrl_c_in_a_short_command_is_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("napari_organoid_synth.core.registry.Registry.describe", press)
    done = run("list", "metrics", "--json")
    assert (done.code, check(done.out)["error"]["found"], done.err) == (130, "Stopped.", "Stopped.\n")


def test_every_command_is_described() -> None:
    assert set(ANSWERS) == {command.name or command.callback.__name__ for command in app.registered_commands}
    schema, text = json.dumps(json_schema()), as_markdown()
    for model in ANSWERS.values():
        assert model.__name__ in schema
        assert (model.__doc__ or "").rstrip(".") in text
