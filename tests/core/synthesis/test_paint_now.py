"""Painting without training: at once, never with a mask's own image, the sources told; real, on small images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.analogy import Analogy
from napari_organoid_synth.core.job import Control, Event, Finished, Warned
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.adding import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.model_file import read_model_file
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.core.runs.sharing import import_model, write_model_file
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.score import score
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.generate import generate
from napari_organoid_synth.core.synthesis.paint_now import run_to_use
from napari_organoid_synth.core.synthesis.provenance import painted_sentence
from napari_organoid_synth.core.synthesis.sampler import Sampler
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator
from napari_organoid_synth.core.training.train import train

FAST = Recipe.parse({"gan": {"name": "analogy", "quality": "fast"}, "tiles": {"size": 64}, "train": {"previews": 1}})


def image(seed: int, **changes: Any) -> SamplePair:
    return tissue(seed, 96).replace(**{"name": f"image_{seed}", **changes})


def make(path: Path, pairs: list[SamplePair]) -> Project:
    project = Project(path)
    for pair in pairs:
        add_pair(project, pair, "instances")
    return project


def ready(project: Project) -> TrainedGenerator:
    list(train(project, FAST, Control()))
    return TrainedGenerator.open(Run(project.run_path()), device="cpu")


def draw(project: Project, number: int = 3, **changes: Any) -> list[SamplePair]:
    run = Run(project.run_path())
    sampler = Sampler.from_run(project, run, GenerateSettings.parse({"number": number, **changes}))
    pairs = sampler.draw(range(number))
    sampler.check()
    return pairs


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of three images with a painter."""
    project = make(tmp_path_factory.mktemp("three") / "p", [image(seed) for seed in range(3)])
    ready(project)
    return project


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of one image with a painter."""
    project = make(tmp_path_factory.mktemp("one") / "p", [image(0)])
    ready(project)
    return project


@pytest.mark.parametrize("masks", ["real", "warped"])
def test_a_mask_is_not_painted_with_its_own_image(three: Project, masks: str) -> None:
    for pair in draw(three, masks=masks):
        own = pair.source.provenance["mask"]["name"].partition("_y")[0]
        painted = pair.source.provenance["painted"]
        assert own.startswith("image_")
        assert painted["sources"].get(own, 0) == 0
        assert sum(painted["sources"].values()) == pytest.approx(1, abs=1e-3)
        assert painted["seed"] == pair.source.provenance["latent_seed"]
        assert painted["largest_piece"] > 0
        assert painted["worst"] == max(painted["residual"].values())
        assert set(map(int, painted["residual"])) == set(np.unique(pair.labels)) - {0}


@pytest.mark.parametrize(("masks", "warp"), [("real", 0.3), ("warped", 0.3)])
def test_with_one_image_its_own_masks_are_refused(one: Project, masks: str, warp: float) -> None:
    with pytest.raises(UserError, match="paints with 1 image, and the masks are those of the same images"):
        draw(one, masks=masks, warp=warp)


@pytest.mark.parametrize(("masks", "warp"), [("arranged", 0.3), ("fitted", 0.3), ("warped", 1.0)])
def test_with_one_image_new_layouts_are_painted(one: Project, masks: str, warp: float) -> None:
    pairs = draw(one, masks=masks, warp=warp)
    assert len(pairs) == 3
    assert all(pair.source.provenance["painted"]["sources"] == {"image_0": 1.0} for pair in pairs)
    assert len({pair.image.tobytes() for pair in pairs}) == 3


def test_a_real_mask_in_a_file_or_script_is_known_by_its_outlines(one: Project, three: Project) -> None:
    model = TrainedGenerator.open(Run(one.run_path()), device="cpu")
    with pytest.raises(UserError, match="those of the same images"):
        Sampler(model, GenerateSettings()).paint([np.rot90(image(0).labels)[10:80, 5:90]])
    (pair,) = Sampler(model, GenerateSettings()).paint([image(7).labels])
    assert pair.source.provenance["painted"]["sources"] == {"image_0": 1.0}
    model = TrainedGenerator.open(Run(three.run_path()), device="cpu")
    (pair,) = Sampler(model, GenerateSettings()).paint([image(1).labels])
    assert "image_1" not in pair.source.provenance["painted"]["sources"]


def test_a_painter_that_cannot_be_made_leaves_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = make(tmp_path / "p", [image(0)])
    left = project.job("train")  # of a process that was killed
    left.begin("train", ["generate"])
    monkeypatch.setattr(type(left), "alive", False)
    monkeypatch.setattr(Analogy, "keep", lambda *_: (_ for _ in ()).throw(UserError("The disk is full.")))
    with pytest.raises(UserError, match="disk is full"):
        list(run_to_use(project, "analogy", Control()))
    assert list((project.path / "runs").iterdir()) == []
    monkeypatch.undo()
    ready(project)
    assert len(project.runs()) == 1


def test_an_imported_painter_knows_the_images_of_the_project_under_other_names(one: Project, tmp_path: Path) -> None:
    file = tmp_path / "painter.synth"
    card = write_model_file(Run(one.run_path()), file, ShareSettings(licence="MIT", note="no names")).card
    assert card.real_images == 1
    assert b"image_0" not in file.read_bytes()
    assert read_model_file(file).card.real_images == 1
    other = make(tmp_path / "other", [image(0, name="renamed")])
    imported = import_model(other, file)
    assert imported.metadata.card == card
    with pytest.raises(UserError, match="those of the same images"):
        draw(other, masks="real")
    (pair,) = draw(other, number=1, masks="arranged")
    assert pair.source.provenance["painted"]["sources"] == {"image 1": 1.0}
    (same,) = draw(one, number=1, masks="arranged")
    np.testing.assert_array_equal(pair.image, same.image)
    again = write_model_file(imported, tmp_path / "again.synth", ShareSettings(licence="MIT"))
    assert again.card.sha256["model.safetensors"] == card.sha256["model.safetensors"]


def test_a_model_file_with_other_pixels_than_its_codec_is_refused(tmp_path: Path) -> None:
    project = make(tmp_path / "p", [image(0)])
    ready(project)
    run = Run(project.run_path())
    other = make(tmp_path / "other", [image(0, image=image(0).image.astype(np.float32))])
    ready(other)
    floats = Run(other.run_path()).checkpoint_path(0).read_bytes()
    run.put(floats, 0, {"seen": 1.0, "taken": 0.0, "transferred": 0.0})
    write_model_file(run, tmp_path / "bad.synth", ShareSettings(licence="MIT"))
    with pytest.raises(UserError, match=r"is float32\. Expected u?int"):
        import_model(Project(tmp_path / "third"), tmp_path / "bad.synth")


def test_threads_and_batches_leave_the_pixels_alone(three: Project) -> None:
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = draw(three, number=4, batch=1)
        torch.set_num_threads(2)
        together = draw(three, number=4, batch=4)
    finally:
        torch.set_num_threads(threads)
    for first, second in zip(alone, together, strict=True):
        np.testing.assert_array_equal(first.image, second.image)
        assert first.source.provenance["painted"] == second.source.provenance["painted"]


def test_large_and_oblong_masks_have_their_own_size(three: Project) -> None:
    assert {pair.size for pair in draw(three, number=1, size=160)} == {(160, 160)}
    model = TrainedGenerator.open(Run(three.run_path()), device="cpu")
    (pair,) = Sampler(model, GenerateSettings()).paint([tissue(5, 160).labels[:70]])
    assert pair.size == (70, 160)


def test_without_variety_a_mask_has_one_look(three: Project) -> None:
    model, mask = TrainedGenerator.open(Run(three.run_path()), device="cpu"), tissue(5, 96).labels
    still, again, other = (
        Sampler(model, GenerateSettings(seed=seed, variety=variety)).paint([mask])[0].image
        for seed, variety in ((1, 0.0), (2, 0.0), (1, 1.0))
    )
    np.testing.assert_array_equal(still, again)
    assert not np.array_equal(still, other)


def test_an_image_class_is_painted_with_images_of_that_class(tmp_path: Path) -> None:
    grades = ("healthy", "ill", "healthy", "ill")
    project = make(tmp_path / "p", [image(seed, image_class=grade) for seed, grade in enumerate(grades)])
    ready(project)
    (ill, *_) = draw(project, number=1, image_class="ill")
    assert ill.image_class == "ill"
    assert set(ill.source.provenance["painted"]["sources"]) <= {"image_1", "image_3"}
    turns = draw(project, number=2)
    assert [pair.image_class for pair in turns] == ["healthy", "ill"]


def follow(project: Project, **changes: Any) -> list[Event]:
    return list(generate(project, GenerateSettings.parse({"number": 2, "size": 64, **changes}), Control()))


def test_a_project_without_a_run_paints_at_once(tmp_path: Path) -> None:
    project = make(tmp_path / "p", [image(0), image(1)])
    first = follow(project)
    assert isinstance(first[-1], Finished)
    assert first[-1].result["added"] == 2
    (made,) = project.runs()
    assert Run(made).recipe.gan.name == "analogy"
    assert Run(made).recipe.tiles.size == 64
    assert follow(project, run="analogy", seed=1)[-1].result["run"] == made.name  # the same images: the same run
    add_pair(project, image(2), "instances")
    assert follow(project, run="analogy", seed=2)[-1].result["run"] != made.name
    assert len(project.runs()) == 2
    with pytest.raises(UserError, match="has no trained run"):
        follow(Project(tmp_path / "empty"))


def test_the_meter_of_copies_catches_an_own_mask_and_passes_arranged_ones(tmp_path: Path) -> None:
    real = [image(seed) for seed in range(5)]
    project = make(tmp_path / "p", real)
    painter = ready(project).untrained
    assert painter is not None
    misused = [
        one.replace(name=f"misused_{one.name}", image=painter.paint_labels(one.labels, 1, others).image)
        for one in real[:4]
        for others in [{other.name for other in real} - {one.name}]
    ]
    with SampleStore(project.samples_path) as store:
        store.add_many(misused)
        store.add_many(draw(project, number=4, masks="arranged", size=96))
    list(score(project, ScoreSettings(extractor="random", device="cpu"), Control()))
    with SampleStore(project.samples_path) as store:
        rows = list(store.rows())
    assert [row.name.partition("_")[0] for row in rows if "copy" in row.flagged] == ["misused"] * 4
    assert all(row.scores["real_distance"] < 0.2 for row in rows if row.name.startswith("misused"))
    assert all(row.scores["nearest"] < 0.6 for row in rows if row.name.startswith("analogy"))


def test_the_origin_of_a_pair_is_told_in_a_sentence() -> None:
    painted = {"sources": {"a": 0.7, "b": 0.2, "c": 0.06, "d": 0.04}, "residual": {"3": 2.9, "7": 3.0, "9": 4.5}}
    assert painted_sentence({"painted": painted}) == (
        "Painted with pieces of a (70%), b (20%), c (6%) and others. Nothing like this in your images: labels 7, 9."
    )
    painted = {"sources": {"a": 1.0}, "residual": {"3": 1.2}}
    assert painted_sentence({"painted": painted}) == "Painted with pieces of a (100%)."
    assert painted_sentence({"run": "x"}) == ""


def test_a_warning_says_how_many_pairs_have_an_object_like_none(one: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_organoid_synth.core.synthesis import sampler

    monkeypatch.setattr(sampler, "UNLIKE", 0.0)
    texts = [event.text for event in follow(one, run=one.run_path().name) if isinstance(event, Warned)]
    assert any(text.startswith("2 of 2 pairs have an object like none in your images") for text in texts)


def test_the_command_that_shares_real_images_says_so(one: Project, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from napari_organoid_synth.cli import app

    file = tmp_path / "painter.synth"
    done = CliRunner().invoke(app, ["share", str(one.path), str(file), "--licence", "MIT"])
    assert done.exit_code == 0
    assert "This file contains 1 real image with its mask: everybody who has it can see them." in done.stderr
