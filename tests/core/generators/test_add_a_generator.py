"""The page about adding a generator is run as it stands: its file, its line, its checks, its training."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from napari_organoid_synth.core.generators.config import generator_config
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.registry import GENERATORS

PAGE = Path(__file__).parents[3] / "docs" / "add_a_generator.md"
FILE, LINE, CHECK, USE = re.findall(r"^```python\n(.*?)^```", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def registered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The file of the page in a folder of its own, registered by its line; forgotten afterwards."""
    monkeypatch.setattr(GENERATORS, "_members", dict(GENERATORS._members))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "vae.py").write_text(FILE, encoding="utf-8")
    exec(LINE, {})
    yield tmp_path
    sys.modules.pop("vae", None)


def test_the_file_is_short_and_the_registry_finds_its_settings(registered: Path) -> None:
    assert 60 <= FILE.count("\n") <= 100
    assert GENERATORS.names()[-1] == "vae"
    config = generator_config("vae")
    assert (config.__name__, config.__module__) == ("VaeConfig", "vae")


def test_it_keeps_the_contract(registered: Path) -> None:
    exec(CHECK, {})


def test_it_trains_and_generates(registered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    exec(USE, {})
    assert "reconstruction" in capsys.readouterr().out
    project = Project(registered / "vae-project", make=False)
    assert [path.name for path in project.runs()[-1].glob("checkpoints/step_00000020.*")]


def test_it_is_listed(registered: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from napari_organoid_synth.cli import app

    app(["list", "generators"], standalone_mode=False)
    assert "vae          For a first look within minutes" in capsys.readouterr().out
    app(["list", "generators", "--json"], standalone_mode=False)
    listed = json.loads(capsys.readouterr().out)["members"]["vae"]["settings"]
    assert listed["latent"] == {
        "default": 32, "description": "Length of a code.", "maximum": 512, "minimum": 2, "title": "Latent",
        "type": "integer",
    }  # fmt: skip
