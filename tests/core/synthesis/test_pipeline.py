"""Masks first, then images: the whole pipeline, small, stopped and gone on with."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Progress
from napari_organoid_synth.core.metrics.settings import FeatureSettings
from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs, load_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.choose_checkpoint import fitted_extractor, mask_distance
from napari_organoid_synth.core.synthesis.mask_sampler import real_tiles
from napari_organoid_synth.core.synthesis.pipeline import pipeline
from napari_organoid_synth.core.synthesis.settings import PipelineSettings
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "p")
    for seed in range(4):
        write_pair(project.path / "real", tissue(seed, 128))
    check_pairs(find_pairs(project.path / "real")).to_file(project.pairs_path)
    return project


def small(**changes: object) -> PipelineSettings:
    texts = ("tiles.size=64", "train.steps=4", "train.batch=2", "train.checkpoint_every=2", "train.precision=float32")
    texts += ("train.threads=1", "train.previews=2")
    settings = PipelineSettings().override(
        *(f"{part}.{text}" for part in ("masks", "painter") for text in texts),
        "masks.gan=dcgan",
        "masks.gan.generator_channels=8",
        "masks.gan.discriminator_channels=8",
        "painter.gan=pix2pix",
        "painter.gan.generator_channels=8",
        "painter.gan.discriminator_channels=8",
        "checked=6",
        "number=2",
        "extractor=random",
    )
    return settings.replace(**changes)


def test_untrained_masks_fail_the_check_and_are_kept_apart(project: Project) -> None:
    folder = project.job("pipeline").path
    events: list[Event] = []
    with pytest.raises(UserError) as caught:
        events.extend(pipeline(project, small(), Control(), folder))
    assert str(caught.value).startswith("Only 0% of 6 drawn masks pass the check (most often: ")
    assert (
        "no painter was trained. Expected at least 20% (least_passed). Train the masks longer (train --resume"
        in str(caught.value)
    )
    report = json.loads((folder / "decode_report.json").read_text())
    assert report["masks"] == 6
    assert report["passed"] == 0.0
    assert report["real_objects"][1] > 1
    reasons = json.loads((folder / "failed_masks" / "reasons.json").read_text())
    assert len(reasons) == 6
    assert all(check["reasons"] for check in reasons.values())
    assert tifffile.imread(folder / "failed_masks" / "mask_0000.tif").shape == (64, 64)
    stages = [event.note for event in events if isinstance(event, Progress)]
    assert list(dict.fromkeys(note.split(": ")[1].split(",")[0] for note in stages)) == [
        "learn masks",
        "check drawn masks",
    ]
    assert set(json.loads((folder / "runs.json").read_text())) == {"masks", "checkpoint"}


def test_the_checkpoint_whose_masks_are_nearest_draws(project: Project) -> None:
    folder = project.job("pipeline").path
    *_, finished = pipeline(project, small(masks_alone=True, least_passed=0.0), Control(), folder)
    assert isinstance(finished, Finished)
    report = json.loads((folder / "decode_report.json").read_text())
    assert set(report["distances"]) == {"2", "4"}
    best = min(report["distances"], key=lambda step: report["distances"][step])
    assert json.loads((folder / "runs.json").read_text())["checkpoint"] == best == str(report["checkpoint"])
    run = Run(project.run_path(finished.result["masks"]))
    tiles = real_tiles(run, load_pairs(project))
    real = np.stack([run.codec.encode_mask(pair.labels) for pair in tiles])
    extractor = fitted_extractor(real, FeatureSettings(extractor="random"))
    assert mask_distance(extractor, real, real) == pytest.approx(0, abs=1e-6)
    model, cpu = TrainedGenerator.from_run(run, "2", "cpu"), torch.device("cpu")
    drawn = np.concatenate([model.draw_fields([random_stream(cpu, 0, "choose", index)], [0]) for index in range(6)])
    assert mask_distance(extractor, real, drawn) == pytest.approx(report["distances"]["2"], rel=1e-4)


def test_good_masks_are_painted_and_say_where_they_come_from(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_organoid_synth.core.codec.heatflow import encode
    from napari_organoid_synth.core.synthesis.mask_sampler import MaskSampler

    def draw(self: MaskSampler, *seed: int | str, variety: float = 1.0) -> object:
        labels = tissue(int(seed[-2]), 64).labels  # what a well-trained generator would draw
        check = self.checker(encode(labels), labels)
        self.checks.append(check)
        return labels, check

    monkeypatch.setattr(MaskSampler, "draw", draw)
    *_, alone = pipeline(project, small(masks_alone=True), Control(), folder := project.job("pipeline").path)
    assert isinstance(alone, Finished)
    assert (alone.result["painter"], alone.result["pairs"]) == ("", 0)
    assert alone.result["files"] == [str(folder / "masks" / f"mask_{number:05d}.tif") for number in range(2)]
    np.testing.assert_array_equal(tifffile.imread(alone.result["files"][1]), tissue(1, 64).labels)
    *_, finished = pipeline(project, small(), Control(), folder := project.job("pipeline").path)
    assert isinstance(finished, Finished)
    assert finished.result["pairs"] == 2
    assert finished.result["decode"]["passed"] == 1.0
    assert not (folder / "failed_masks").exists()
    with SampleStore(project.samples_path) as store:
        pair = store.pair(store.ids()[0])
    np.testing.assert_array_equal(pair.labels, tissue(0, 64).labels)
    origin = pair.source.provenance["mask"]
    assert origin["kind"] == "generated"
    assert origin["run"] == finished.result["masks"]
    assert origin["check"]["reasons"] == []


def test_a_stopped_pipeline_goes_on_where_it_was(project: Project) -> None:
    folder, control = project.job("pipeline").path, Control()
    for event in pipeline(project, small(least_passed=0.0), control, folder):
        if isinstance(event, Progress) and event.note.startswith("3 of 4") and event.step > 600:
            control.cancel()
    assert isinstance(event, Finished)
    assert event.reason == "canceled"
    names = json.loads((folder / "runs.json").read_text())
    masks = Run(project.run_path(names["masks"]))
    kept = {path: path.stat().st_mtime_ns for path in (masks.path / "checkpoints").iterdir()}
    with pytest.raises(UserError, match="None of"):  # the masks of a generator of four steps
        list(pipeline(project, PipelineSettings(), Control(), folder, resume=True))
    assert json.loads((folder / "runs.json").read_text()) == names
    assert {path: path.stat().st_mtime_ns for path in (masks.path / "checkpoints").iterdir()} == kept
    assert Run(project.run_path(names["painter"])).steps()[-1] == 4


def test_a_pipeline_needs_masks_and_a_painter() -> None:
    with pytest.raises(UserError, match="Expected draws=masks, and a generator that paints"):
        PipelineSettings().override("masks.draws=pairs")
