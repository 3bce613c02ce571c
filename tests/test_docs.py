"""The commands of README and docs are run as they stand there, only shorter; examples of docstrings as they are."""

from __future__ import annotations

import doctest
import json
import re
import shlex
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[1]
SHORTER = {
    "train": "train.steps=2 train.threads=1 tiles.size=64",
    "train --gan flow": "gan.channels=8 gan.max_channels=16",
    "train whole": "tiles.whole=60 train.epochs=1 train.batch=8",
    "train graded": "gan.generator_channels=8 gan.discriminator_channels=8",
    "generate": "number=4",
    "map": "extractor=random restarts=1",
    "segment": "steps=1 threads=1 segmenter.channels=8 segmenter.depth=2 segmenter.tile=64 segmenter.batch=1",
    "gain": "steps=1 generator_steps=1 pairs=2 folds=2 arms=[raw] scheduler=here segmenter.channels=8 "
    "segmenter.depth=2 segmenter.tile=64 segmenter.batch=1",
    "annotate": "steps=1 threads=1 unet.channels=8 unet.depth=2 unet.tile=64 unet.batch=1",
}
RUNNER = """
import json, sys
from napari_organoid_synth import cli

for command in json.load(sys.stdin):
    sys.argv = ["organoid-synth", *command]
    try:
        cli.main()
    except SystemExit as stop:
        if stop.code:
            sys.exit(f"{' '.join(command)}: exit code {stop.code}")
"""
"""Runs commands one after the other; a process for each would import torch a dozen times."""
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[list[str]]:
    lines = "".join(BLOCK.findall((ROOT / page).read_text())).splitlines()
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith("organoid-synth")]


def begins(command: list[str], start: str) -> bool:
    """Return whether a command has a verb, and also the words that stand behind it here."""
    verb, *words = start.split()
    return command[0] == verb and " ".join(words) in " ".join(command)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """The folders that the pages speak of: images, and masks of two classes; images in a folder for each grade."""
    from imageio.v3 import imwrite

    from napari_organoid_synth.core.simulators.simulate import em

    for seed in range(5):
        pair = em(seed, 128)
        for folder, value in {"mitochondria": 1, "mito": 1, "membranes": 2, "memb": 2}.items():
            (tmp_path / "masks" / folder).mkdir(parents=True, exist_ok=True)
            imwrite(tmp_path / "masks" / folder / f"{seed}.png", (255 * (pair.labels == value)).astype(np.uint8))
        (tmp_path / "images").mkdir(exist_ok=True)
        imwrite(tmp_path / "images" / f"{seed}.png", pair.image[0])
        grade = tmp_path / "embryos" / ("good", "poor")[seed % 2]
        grade.mkdir(parents=True, exist_ok=True)
        imwrite(grade / f"{seed}.png", pair.image[0])
    return tmp_path


@pytest.mark.parametrize("page", ["README.md", "docs/command_line.md"])
def test_the_commands_of_a_page_work_in_their_order(page: str, images: Path) -> None:
    found = commands(page)
    assert {"pair", "train", "generate", "score", "samples", "export", "segment"} <= {command[0] for command in found}
    for command in found:
        if "--settings" not in command:
            shorter = [item for begin, items in SHORTER.items() if begins(command, begin) for item in items.split()]
            command += [part for item in shorter for part in ("--set", item)]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER], input=json.dumps(found), cwd=images, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_names_every_step_and_every_command() -> None:
    from napari_organoid_synth.core.verbs import VERBS

    readme = (ROOT / "README.md").read_text()
    steps = re.findall(
        r'    Step\(\s*"(\w+)"', (ROOT / "src/napari_organoid_synth/widgets/steps/step_table.py").read_text()
    )
    assert steps == ["Pairs", "Train", "Generate", "Curate", "Measure", "Export"]
    assert re.findall(r"^\| \*\*(\w+)\*\* \|", readme, re.MULTILINE) == steps
    for verb in VERBS:
        assert f"organoid-synth {verb}" in readme


LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#[^)\s]+)?\)")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_of_a_page_are_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    pictures = re.findall(r"^```\{image\} (\S+)", text, re.MULTILINE)
    missing = [path for path in (*LINK.findall(text), *pictures) if not (page.parent / path).exists()]
    assert [path for path in missing if "_generated" not in path] == []  # those are written when the pages are built


def test_every_page_is_reached_from_the_first() -> None:
    listed = re.findall(r"^(\w+)$", (ROOT / "docs/index.md").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(path.stem for path in (ROOT / "docs").glob("*.md") if path.stem != "index")


def test_the_package_page_of_a_release_has_no_relative_link() -> None:
    from runpy import run_path

    made = run_path(str(ROOT / ".ci/package_page.py"))
    page = made["absolute"]((ROOT / "README.md").read_text(), "lab/plugin", "v1.0")
    assert LINK.findall(page) == []
    assert "](https://raw.githubusercontent.com/lab/plugin/v1.0/docs/_static/paint.gif)" in page
    assert "](https://github.com/lab/plugin/blob/v1.0/docs/first_project.md)" in page
    metadata = tomllib.loads(made["with_urls"]((ROOT / "pyproject.toml").read_text(), "lab/plugin", "v1.0"))["project"]
    assert set(metadata["urls"]) == {"Homepage", "Documentation", "Source", "Issues", "Changelog"}
    assert metadata["scripts"]  # a table of the project is still read after the addresses
    assert metadata["license"] == "BSD-3-Clause"
    assert not [one for one in metadata["classifiers"] if one.startswith("License")]


SOURCE = ROOT / "src"
EXAMPLES = sorted(
    ".".join(path.relative_to(SOURCE).with_suffix("").parts)
    for path in SOURCE.rglob("*.py")
    if ">>> " in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_of_a_module(name: str) -> None:
    failed, tried = doctest.testmod(import_module(name))
    assert tried
    assert not failed
