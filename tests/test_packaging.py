"""What strangers install: archives, conda recipe, container and citation agree with the project."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest
import yaml

from napari_organoid_synth import __version__

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RECIPE: dict[str, Any] = yaml.safe_load((ROOT / "packaging/conda/recipe.yaml").read_text())
CONTAINER = (ROOT / "packaging/Containerfile").read_text()
CONDA_NAMES = {"torch": "pytorch"}
"""Packages that have another name there."""
BUILD = """
import os, sys
from hatchling import build
build.build_wheel(sys.argv[1])
build.build_sdist(sys.argv[1])
"""


def requirements(lines: Sequence[str]) -> dict[str, str]:
    """Return the lowest version of each package."""
    found = {}
    for line in lines:
        name, _, version = line.replace(" ", "").partition(">=")
        found[CONDA_NAMES.get(name, name)] = version
    return found


def test_the_version_is_the_same_everywhere() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert str(citation["version"]) == __version__
    assert str(RECIPE["context"]["version"]) == __version__
    changes = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert changes[0].startswith(("Unreleased", __version__))


def test_the_conda_recipe_asks_for_what_the_project_asks_for() -> None:
    run = [line for line in RECIPE["requirements"]["run"] if not line.startswith("python ")]
    assert requirements(run) == requirements(PROJECT["dependencies"])
    assert f">={RECIPE['context']['python_min']}" == PROJECT["requires-python"]
    backend = tomllib.loads((ROOT / "pyproject.toml").read_text())["build-system"]["requires"]
    assert set(backend) <= set(RECIPE["requirements"]["host"])


def test_the_conda_recipe_has_command_licence_and_summary_of_the_project() -> None:
    commands = dict(line.split(" = ") for line in RECIPE["build"]["python"]["entry_points"])
    assert commands == PROJECT["scripts"]
    assert RECIPE["package"]["name"] == PROJECT["name"]
    assert RECIPE["about"]["summary"] == PROJECT["description"]
    assert RECIPE["about"]["license"] == PROJECT["license"]
    assert (ROOT / RECIPE["about"]["license_file"]).exists()
    assert (ROOT / "packaging/conda" / RECIPE["source"]["path"]).resolve() == ROOT


def test_the_container_runs_the_command_of_the_project() -> None:
    (entry,) = re.findall(r'^ENTRYPOINT \["(.+)"\]$', CONTAINER, re.MULTILINE)
    assert entry in PROJECT["scripts"]
    (python,) = re.findall(r"^FROM python:([\d.]+)-", CONTAINER, re.MULTILINE)
    assert f"Programming Language :: Python :: {python}" in PROJECT["classifiers"]
    torch = next(line for line in PROJECT["dependencies"] if line.startswith("torch"))
    assert CONTAINER.count(f'"{torch}"') == 2  # for the processor, and for graphics cards


def test_the_container_is_given_what_it_copies() -> None:
    copied = [name for line in re.findall(r"^COPY (.+) \S+$", CONTAINER, re.MULTILINE) for name in line.split()]
    given = (ROOT / ".containerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= set(given)
    assert all((ROOT / name).exists() for name in copied)
    assert (ROOT / ".dockerignore").read_text() == (ROOT / ".containerignore").read_text()


def test_the_citation_is_complete() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "type", "version", "license"} <= citation.keys()
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == PROJECT["name"]
    assert citation["license"] == PROJECT["license"]
    assert [one["name"] for one in citation["authors"]] == [one["name"] for one in PROJECT["authors"]]


def test_the_page_of_the_plugin_has_all_its_data() -> None:
    manifest = yaml.safe_load((ROOT / "napari.yaml").read_text())
    assert manifest["name"] == PROJECT["name"]
    assert manifest["display_name"]
    assert manifest["categories"]
    assert "Framework :: napari" in PROJECT["classifiers"]
    assert any(one.startswith("Operating System ::") for one in PROJECT["classifiers"])
    assert PROJECT["readme"] == "README.md"
    assert PROJECT["entry-points"]["napari.manifest"] == {PROJECT["name"]: "napari_organoid_synth:napari.yaml"}
    assert len(PROJECT["description"]) < 100


@pytest.mark.skipif(find_spec("hatchling") is None, reason="hatchling is not installed")
def test_wheel_and_source_archive_hold_the_whole_package_and_nothing_else(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", BUILD, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    assert run_path(str(ROOT / ".ci/package_contents.py"))["faults"](tmp_path) == []


def test_an_archive_that_lacks_a_file_or_holds_more_is_named(tmp_path: Path) -> None:
    import tarfile
    import zipfile

    check = run_path(str(ROOT / ".ci/package_contents.py"))
    assert check["faults"](tmp_path) == [f"{tmp_path} holds 0 wheels and 0 source archives. Expected one of each."]
    files = check["package_files"]()
    assert {"napari_organoid_synth/napari.yaml", "napari_organoid_synth/py.typed"} <= files
    assert "napari_organoid_synth/core/report/templates/style.css" in files
    with zipfile.ZipFile(tmp_path / "one.whl", "w") as wheel:
        for name in sorted(files - {"napari_organoid_synth/napari.yaml"}):
            wheel.writestr(name, "")
        for name in ("METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE"):
            wheel.writestr(f"one.dist-info/{name}", "")
        wheel.writestr("tests/test_it.py", "")
    with tarfile.open(tmp_path / "one.tar.gz", "w:gz") as archive:
        for name in [*(f"src/{name}" for name in files), *check["BESIDE"] - {"LICENSE"}]:
            archive.addfile(tarfile.TarInfo(f"one/{name}"))
    assert check["faults"](tmp_path) == [
        "one.whl lacks napari_organoid_synth/napari.yaml.",
        "one.whl holds tests/test_it.py, which is not for it.",
        "one.tar.gz lacks LICENSE.",
    ]
