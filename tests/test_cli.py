"""The command line as a script sees it: exit codes, standard output, standard error, speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest


def call(*arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "napari_organoid_synth", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return done


def test_help_answers_in_half_a_second() -> None:
    resource = pytest.importorskip("resource", reason="processor time of children is a POSIX matter")

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return float(children.ru_utime + children.ru_stime)  # not the wall clock, which others on the machine stretch

    before = used()
    assert "generate" in call("--help").stdout
    assert used() - before < 0.5


def test_help_and_lists_import_nothing_heavy() -> None:
    script = """
import sys
from napari_organoid_synth.cli import app
for arguments in (["--help"], ["train", "--help"], ["list", "generators"]):
    try:
        app(arguments)
    except SystemExit as stop:
        assert stop.code == 0, stop
heavy = {"torch", "napari", "qtpy", "skimage", "tifffile", "monai", "ome_types"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("family", "name"),
    [("generators", "pix2pix"), ("generators", "dcgan"), ("metrics", "nearest"), ("segmenters", "unet")],
)
def test_lists_in_words_and_as_json(family: str, name: str) -> None:
    assert name in call("list", family).stdout
    described = json.loads(call("list", family, "--json").stdout)
    assert described[name]["summary"]


def test_the_settings_of_a_generator_are_listed_with_default_and_bounds() -> None:
    described = json.loads(call("list", "generators", "--json").stdout)
    rate = described["pix2pix"]["settings"]["learning_rate"]
    assert rate["default"] == 2e-4
    assert rate["exclusiveMinimum"] == 0
    assert rate["description"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["list", "gardens"], "There is no list of 'gardens'. Expected one of: generators, metrics, segmenters."),
        (["simulate", "rocks", "x"], "There is no simulator 'rocks'."),
        (["train", "PROJECT", "--set", "train.stepz=1"], "There is no setting 'train.stepz'."),
        (["train", "PROJECT", "--gan", "nogan"], "There is no 'nogan' in gans."),
        (["train", "PROJECT", "--resume", "nothing"], "has no trained run."),
        (["control", "PROJECT", "pause"], "No such job is running."),
        (["report", "PROJECT", "--output", "PROJECT"], "organoid-synth: Is a directory"),
    ],
)
def test_what_can_be_mended_is_one_sentence_and_exit_code_1(
    arguments: list[str], sentence: str, tmp_path: Path
) -> None:
    done = call(*[argument.replace("PROJECT", str(tmp_path / "p")) for argument in arguments], code=1)
    assert done.stdout == ""
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_use_is_exit_code_2() -> None:
    assert "No such option" in call("train", "x", "--colour", code=2).stderr


def test_pairs_are_matched_shown_and_split(tmp_path: Path) -> None:
    call("simulate", "tissue", tmp_path / "real", "--number", 4, "--size", 128)
    found = json.loads(call("pair", tmp_path / "p", "--images", tmp_path / "real", "--test", 0.25, "--json").stdout)
    assert [entry["status"] for entry in found["entries"]] == ["matched"] * 4
    assert sorted(entry["split"] for entry in found["entries"]) == ["test", "train", "train", "train"]
    shown = call("pair", tmp_path / "p").stdout
    assert "4" in shown.splitlines()[-1]


def test_a_stopped_training_goes_on_although_it_was_asked_to_stop(tmp_path: Path) -> None:
    call("simulate", "em", tmp_path / "real", "--number", 2, "--size", 64)
    call("pair", tmp_path / "p", "--images", tmp_path / "real")
    small = "tiles.size=64 train.batch=1 train.threads=1 train.precision=float32 gan.generator_channels=8"
    sets = [part for item in small.split() for part in ("--set", item)]
    first = json.loads(call("train", tmp_path / "p", *sets, "--set", "train.steps=2", "--json").stdout)
    assert (first["reason"], first["steps"]) == ("completed", 2)
    (tmp_path / "p" / "runs" / first["run"] / "control").write_text("cancel")
    more = json.loads(
        call("train", tmp_path / "p", "--resume", first["run"], "--set", "train.steps=4", "--json").stdout
    )
    assert (more["reason"], more["steps"], more["run"]) == ("completed", 4, first["run"])
