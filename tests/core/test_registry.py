"""Registries: members from outside, settings beside a member or in its own module."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.generators.config import generator_config
from napari_organoid_synth.core.generators.pix2pix_config import Pix2PixConfig
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GENERATORS, METRICS, Registry
from napari_organoid_synth.core.segmentation.segmenters.config import segmenter_config
from napari_organoid_synth.core.segmentation.segmenters.stardist_config import StarDistConfig

SETTINGS = """
from napari_organoid_synth.core.frozen_model import Settings


class {name}Config(Settings):
    \"\"\"Settings of {name}.\"\"\"

    name: str = "{name}"
"""


@pytest.fixture
def shapes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """A family of two members from outside, one with its settings in a module of their own."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "h_square.py").write_text(SETTINGS.format(name="Square") + "\n\nclass Square:\n    pass\n")
    (tmp_path / "h_disc_config.py").write_text(SETTINGS.format(name="Disc"))
    (tmp_path / "h_disc.py").write_text("raise RuntimeError('torch would be loaded here')\n")
    shapes = Registry("shapes", {})
    shapes.register("square", "h_square:Square")
    shapes.register("disc", "h_disc:Disc")
    return shapes


def test_settings_are_found_in_the_config_module_else_in_the_module_itself(shapes: Registry) -> None:
    assert shapes.names() == ["square", "disc"]
    assert (shapes.config("square").__module__, shapes.config("disc").__module__) == ("h_square", "h_disc_config")
    assert issubclass(shapes.config("disc"), Settings)
    assert shapes.load("square").__name__ == "Square"
    assert shapes.describe("disc") == {"summary": "Settings of Disc.", "settings": {}}


def test_a_name_belongs_to_one_member(shapes: Registry) -> None:
    shapes.register("disc", "h_disc:Disc")  # the same again, as when a notebook is run twice
    with pytest.raises(UserError, match=r"'disc' among the shapes is h_disc:Disc. Expected a name that is not in use"):
        shapes.register("disc", "other:Disc")
    with pytest.raises(UserError, match=r"'other.Disc' names no class. Expected 'package.module:Class'"):
        shapes.register("other", "other.Disc")
    assert shapes.names() == ["square", "disc"]


def test_what_is_missing_is_named(shapes: Registry, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"There is no 'ring' among the shapes. Expected one of: square, disc"):
        shapes.config("ring")
    (tmp_path / "h_ring.py").write_text("class Ring:\n    pass\n")
    shapes.register("ring", "h_ring:Ring")
    with pytest.raises(UserError, match=r"'ring' among the shapes has no settings. Expected a class RingConfig"):
        shapes.config("ring")


def test_installed_packages_add_members_that_job_processes_know_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    installed = tmp_path / "their_generators-1.0.dist-info"
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: their-generators\nVersion: 1.0\n")
    (installed / "entry_points.txt").write_text(
        "[napari_organoid_synth.generators]\nvae = their_vae:Vae\npix2pix = their_vae:Vae\n"
    )
    (tmp_path / "their_vae.py").write_text(SETTINGS.format(name="Vae") + "\n\nclass Vae:\n    pass\n")
    family = Registry("generators", {"pix2pix": "generators.pix2pix:Pix2Pix"})
    assert family.config("vae").__module__ == "their_vae"  # found without a list of names before
    assert family.names() == ["pix2pix", "vae"]
    assert family.load("pix2pix").__module__ == "napari_organoid_synth.core.generators.pix2pix"  # a name in use stays
    code = "from napari_organoid_synth.core.registry import GENERATORS; print(GENERATORS.config('vae').__module__)"
    path = os.pathsep.join([str(tmp_path), *sys.path])
    other = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=True
    )
    assert other.stdout == "their_vae\n"


def test_families_of_classes_alone_have_no_settings() -> None:
    assert METRICS.describe("nearest")["settings"] == {}
    assert len(METRICS.describe("nearest")["summary"]) > 10


def test_settings_of_members_are_typed() -> None:
    assert generator_config("pix2pix") is Pix2PixConfig
    assert segmenter_config("stardist") is StarDistConfig
    assert {name: generator_config(name).kind for name in GENERATORS.names()} == {
        "analogy": "painter", "flow": "painter", "pix2pix": "painter", "cyclegan": "painter",
        "flow_joint": "joint", "dcgan": "joint", "aae": "joint", "cgan": "joint", "infogan": "joint",
        "gan": "joint", "progan": "joint", "stylegan": "joint",
        "stylegan2_ada": "joint",
    }  # fmt: skip
    conditional = {name for name in GENERATORS.names() if generator_config(name).class_conditional}
    assert conditional == {"analogy", "flow", "flow_joint", "cgan", "progan", "stylegan", "stylegan2_ada"}
    sides = {name: tuple(segmenter_config(name)().crops) for name in ("unet", "stardist", "cellpose")}
    assert sides == {"unet": (8, 256), "stardist": (4, 256), "cellpose": (8, 224)}
    assert segmenter_config("multiscale_adversarial")().crops == (1, 480)


def test_the_kind_of_a_generator_decides_what_a_recipe_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [Recipe.parse({"gan": "dcgan", "tiles": {"size": 64}, "draws": draws}).shape for draws in (
        "pairs", "images", "masks",
    )] == ["joint", "image", "mask"]  # fmt: skip
    assert Recipe().shape == "painter"
    with pytest.raises(UserError, match="paints images onto masks and needs both"):
        Recipe.parse({"draws": "masks"})
    monkeypatch.setattr(Pix2PixConfig, "kind", "mask")
    assert Recipe.parse({"gan": "pix2pix"}).shape == Recipe.parse({"gan": "pix2pix", "draws": "masks"}).shape == "mask"
    with pytest.raises(UserError, match="pix2pix draws masks alone"):
        Recipe.parse({"gan": "pix2pix", "draws": "images"})
