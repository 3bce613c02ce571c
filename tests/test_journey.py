"""One set of pairs through every stage, from files to files, in seconds and without a window."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_organoid_synth.core.export.export import export
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.gain.gain import segment
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.settings import SegmentSettings
from napari_organoid_synth.core.job import Control, Event, Finished, Previewed, Saved
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, load_pairs, split_table
from napari_organoid_synth.core.pairs.ome_tiff import read_pair, write_pair
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.samples.selection import best
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.score import score
from napari_organoid_synth.core.simulators.simulate import SIMULATORS
from napari_organoid_synth.core.synthesis.generate import generate
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.training.train import train


def ended(events: Iterator[Event]) -> tuple[list[Event], dict[str, object]]:
    seen = list(events)
    assert isinstance(seen[-1], Finished)
    assert seen[-1].reason == "completed"
    return seen, seen[-1].result


@pytest.mark.parametrize(
    ("simulator", "gan"), [("em", "pix2pix"), ("tissue", "pix2pix"), ("organoid_brightfield", "dcgan")]
)
def test_from_files_to_files(simulator: str, gan: str, tmp_path: Path) -> None:
    for seed in range(4):
        write_pair(tmp_path / "real", SIMULATORS[simulator](seed, size=128))
    project = Project(tmp_path / "project")
    table = split_table(check_pairs(find_pairs(tmp_path / "real")), test=0.25)
    table.to_file(project.pairs_path)
    real = load_pairs(table, "train")
    assert len(real) == 3

    small = {"generator_channels": 8, "discriminator_channels": 8}
    recipe = Recipe.parse(
        {
            "gan": {"name": gan, **small},
            "tiles": {"size": 64, "min_objects": 0},
            "train": {"steps": 4, "batch": 2, "threads": 1, "precision": "float32", "preview_every": 2},
        }
    )
    run = project.job("train")
    seen, _ = ended(train(project, recipe, Control(), folder=run.path))
    assert [event.step for event in seen if isinstance(event, Saved)][-1] == 4
    preview = np.load(next(event.path for event in seen if isinstance(event, Previewed)), allow_pickle=False)
    assert preview["image"].dtype == real[0].image.dtype
    assert preview["labels"].dtype == np.int32

    _, result = ended(generate(project, GenerateSettings(number=6, batch=3), Control()))
    assert result["added"] == 6
    with SampleStore(project.samples_path) as store:
        ids = store.ids()
        made = store.pair(ids[0])
    assert made.image.dtype == real[0].image.dtype
    assert made.source.kind == "synthetic"
    assert (made.mask_kind, made.class_names, made.pixel_size) == (
        real[0].mask_kind,
        real[0].class_names,
        real[0].pixel_size,
    )

    ended(score(project, ScoreSettings(), Control()))
    with SampleStore(project.samples_path) as store:
        chosen = best(store, 4) or ids[:4]
        store.decide(chosen, "accepted")
        assert set(store.undo()) == set(chosen)
        assert store.counts()["accepted"] == 0
        assert set(store.redo()) == set(chosen)

    _, exported = ended(export(project, ExportSettings(formats=("ome-tiff", "cellpose")), Control()))
    n_tests = len(PairTable.from_file(project.pairs_path).test)  # they come along, in folders of their own
    assert exported["checked"] == exported["written"] == len(chosen) + n_tests
    folder = Path(str(exported["folder"]))
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest
    image = next(path for path in (folder / "ome-tiff").glob("*.ome.tif") if not path.name.endswith("_labels.ome.tif"))
    with SampleStore(project.samples_path) as store:
        original = store.pair(read_pair(image).name)
    assert np.array_equal(read_pair(image).image, original.image)
    assert np.array_equal(read_pair(image).labels, original.labels)

    settings = SegmentSettings.parse(
        {"segmenter": {"name": "unet", "channels": 8, "depth": 2, "tile": 64, "batch": 2}, "steps": 2, "threads": 1}
    )
    _, result = ended(segment(project, settings, Control()))
    arms = GainResult.parse(result).arms
    assert set(arms) == {"raw", "classical", "classical+pasted", "classical+synthetic"}
    assert all(0 <= arm.dice <= 1 and arm.steps == 2 for arm in arms.values())
