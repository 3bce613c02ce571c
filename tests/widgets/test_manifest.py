"""What napari reads before it imports anything of ours, and that opening docks imports no torch."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

npe2 = pytest.importorskip("npe2")

MANIFEST = Path(__file__).parents[2] / "src" / "napari_organoid_synth" / "napari.yaml"


@pytest.fixture(scope="module")
def manifest():
    return npe2.PluginManifest.from_file(MANIFEST)


def test_all_commands_can_be_imported(manifest):
    manifest.validate_imports()
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(importlib.import_module(module), name)), command.id


def test_docks_in_the_order_of_the_work(manifest):
    titles = [widget.display_name for widget in manifest.contributions.widgets]
    assert titles == [
        "All steps",
        "Pairs",
        "Train",
        "Runs",
        "Generate",
        "Adapt",
        "Curate",
        "Map",
        "Scores",
        "Blind test",
        "Measure",
        "Studies",
        "Export",
    ]


def test_every_menu_is_one_that_napari_lets_plugins_fill(manifest):
    from napari._app_model.constants import MenuId

    assert set(manifest.contributions.menus) <= {str(menu) for menu in MenuId.contributables()}


def test_root_manifest_is_the_one_in_the_package():
    assert (MANIFEST.parents[2] / "napari.yaml").resolve() == MANIFEST.resolve()


FOREIGN = ("cells.ome.tif", "cells.tif", "image.OME.TIFF", "labels.ome.tif", "scan.json", "a.png")


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_not_claimed(manifest, name):
    from fnmatch import fnmatch

    patterns = [pattern for reader in manifest.contributions.readers for pattern in reader.filename_patterns]
    assert not any(fnmatch(name.lower(), pattern) for pattern in patterns)


def test_folders_are_left_to_napari_which_would_ask_about_each(manifest):
    assert not any(reader.accepts_directories for reader in manifest.contributions.readers)


PROBE = """
import json, sys
import napari
from napari_organoid_synth.widgets.shared import menus as _menus, reader as _reader
from napari_organoid_synth import sample_data as _sample_data
viewer = napari.Viewer(show=False)
for title in ("Pairs", "Train", "Runs", "Generate", "Curate", "Map", "Scores", "Blind test", "Measure", "Export"):
    _menus.open_dock(viewer, title)
heavy = [name for name in ("torch", "monai", "ome_types", "torchvision", "cellpose") if name in sys.modules]
print(json.dumps(heavy))
sys.stdout.flush()
import os
os._exit(0)  # napari's own teardown is not what is measured
"""


def test_opening_all_docks_imports_nothing_heavy(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        capture_output=True,
        text=True,
        timeout=120,
        env={**__import__("os").environ, "NAPARI_CONFIG": str(tmp_path / "napari.yaml"), "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == []
