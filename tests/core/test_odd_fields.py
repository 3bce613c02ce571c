"""Unusual fields from pairing to a comparison: empty ones, tissue without background, one object, 12 bit in 16."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.pair_files import save

from napari_organoid_synth.core.gain.gain import segment
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.sentences import gain_text
from napari_organoid_synth.core.gain.settings import SegmentSettings
from napari_organoid_synth.core.job import Control, Event, Finished
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.loading import PairTable, check_pairs, find_pairs, load_pairs, split_table
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.score import score
from napari_organoid_synth.core.synthesis.generate import generate
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.training.train import train

SIDE = 96


def cells(seed: int, gap: int) -> NDArray[np.uint16]:
    """36 cells of 16 px with ``gap`` px of background between them, shifted by the seed."""
    labels = np.arange(1, 50, dtype=np.uint16).reshape(7, 7).repeat(16, 0).repeat(16, 1)
    rows, columns = np.mgrid[:112, :112]
    labels[(rows % 16 < gap) | (columns % 16 < gap)] = 0
    return labels[seed % 16 : seed % 16 + SIDE, seed % 16 : seed % 16 + SIDE]


def image(labels: NDArray[np.uint16], seed: int, top: int = 255) -> NDArray[np.uint16]:
    rng = np.random.default_rng(seed)
    bright = 0.2 + 0.5 * (labels > 0) + 0.02 * (labels % 5) + rng.normal(0, 0.03, labels.shape)
    return (top * bright.clip(0, 1)).astype(np.uint8 if top == 255 else np.uint16)


FIELDS = {
    "empty fields": lambda k: (cells(k, 4) if k % 2 else np.zeros((SIDE, SIDE), np.uint16), 255),
    "no background": lambda k: (cells(k, 0), 255),
    "12 bit in 16": lambda k: (cells(k, 4), 4095),
    "one object": lambda k: (np.ones((SIDE, SIDE), np.uint16), 255),
}


def project_of(folder: Path, kind: str, number: int = 4) -> Project:
    for k in range(number):
        labels, top = FIELDS[kind](k)
        save(folder / "images" / f"{k}.tif", image(labels, k, top))
        save(folder / "masks" / f"{k}.tif", labels)
    project = Project(folder / "project")
    table = check_pairs(find_pairs(folder / "images", folder / "masks"))
    split_table(table, [str(k) for k in range(number - 2, number)]).to_file(project.pairs_path)
    return project


def result_of(events: Iterator[Event]) -> dict[str, object]:
    *_, last = events
    assert isinstance(last, Finished)
    assert last.reason == "completed"
    return last.result


def recipe(gan: str) -> Recipe:
    return Recipe.parse(
        {
            "gan": {"name": gan, "generator_channels": 8, "discriminator_channels": 8},
            "tiles": {"size": 64},
            "train": {"steps": 2, "batch": 2, "threads": 1, "precision": "float32"},
        }
    )


@pytest.mark.parametrize("kind", FIELDS)
def test_from_pairing_to_a_comparison(kind: str, tmp_path: Path) -> None:
    project = project_of(tmp_path, kind)
    assert [entry.status for entry in PairTable.from_file(project.pairs_path).entries] == ["matched"] * 4
    real = load_pairs(project, "train")
    assert {pair.mask_kind for pair in real} == {"binary" if kind == "one object" else "instances"}

    result_of(train(project, recipe("pix2pix"), Control(), folder=project.job("train").path))
    assert result_of(generate(project, GenerateSettings(number=2, masks="real"), Control()))["added"] == 2
    with SampleStore(project.samples_path) as store:
        made = [store.pair(id) for id in store.ids()]
        store.decide(store.ids(), "accepted")
    assert all(pair.labels.any() for pair in made)
    assert {pair.image.dtype.name for pair in made} == {real[0].image.dtype.name}
    if kind == "no background":
        assert all(pair.labels.all() for pair in made)
    if kind == "12 bit in 16":
        assert max(int(pair.image.max()) for pair in made) <= 4095
    result_of(score(project, ScoreSettings(), Control()))

    settings = SegmentSettings.parse(
        {"segmenter": {"name": "unet", "channels": 8, "depth": 2, "tile": 64, "batch": 2}, "steps": 2, "threads": 1}
    )
    result = GainResult.parse(result_of(segment(project, settings, Control())))
    assert all(np.isfinite(list(arm.scores.values())).all() for arm in result.arms.values())
    row = result.table[0]
    assert row.empty_fields == (kind == "empty fields")
    if kind == "empty fields":
        assert row.false_objects >= 0
        assert result.sentences[-1].startswith(
            "False objects per empty field (1 test image without objects): real pairs "
        )
        assert result.sentences[-1] in gain_text(result)
        first = next(line for line in gain_text(result).splitlines() if line.startswith("raw"))
        assert first.endswith(f"{row.false_objects:.3g} false objects per empty field")


@pytest.mark.parametrize("gan", ["dcgan"])
@pytest.mark.parametrize("kind", ["empty fields", "no background"])
def test_joint_generators_learn_from_them(kind: str, gan: str, tmp_path: Path) -> None:
    project = project_of(tmp_path, kind)
    folder = project.job("train").path
    result_of(train(project, recipe(gan), Control(), folder=folder))
    tiles = load_pairs(project, "train")
    assert any(not pair.labels.any() for pair in tiles) == (kind == "empty fields")
