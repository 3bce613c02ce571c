"""What is said when long work has ended: the sentence of each command, and where its button leads."""

from pathlib import Path

import pytest

from napari_organoid_synth.core.export.manifest import ExportResult
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import ArmRecord, Design
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.job import JobFolder
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve
from napari_organoid_synth.widgets.shared.notices import Notice, notice
from napari_organoid_synth.widgets.shared.workspace import Workspace


@pytest.fixture
def said(tmp_path):
    """Ask for the notice of a command with a result; a training's recipe is given as an override."""

    def ask(verb: str, result: dict, gan: str = "pix2pix") -> Notice | None:
        folder = JobFolder(tmp_path / "runs" / "20260101-000000-train")
        Recipe().override(f"gan={gan}").to_file(folder.path / "recipe.yaml")
        return notice(Project(tmp_path), verb, folder, result)

    return ask


def test_each_command_names_its_result_and_its_page(said):
    assert said("train", {}) == Notice("Run 1 is trained.", "Look at the run", "Runs")
    assert said("train", {}, gan="analogy") == Notice(
        "The painter is ready; it needs no training.", "Make pairs", "Generate"
    )
    assert said("generate", {"added": 1}) == Notice("1 synthetic pair is ready.", "Look at samples", "Curate")
    assert said("pipeline", {"pairs": 12}) == Notice("12 synthetic pairs are ready.", "Look at samples", "Curate")
    assert said("score", {"sets": {"all": 1}}) == Notice(
        "1 set compared with the real images.", "Look at scores", "Scores"
    )
    assert said("sketch", {"pairs": 3, "project": "/there"}) == Notice(
        "3 pairs painted.", "Look at the pairs", "Curate", "/there"
    )


def test_scoring_of_single_pairs_and_work_without_a_result_say_nothing(said):
    assert said("score", {}) is None
    assert said("generate", {"added": 0}) is None
    assert said("predict", {}) is None


def test_a_comparison_says_its_verdict(said):
    names = [f"{number:02d}" for number in range(12)]
    curve = Curve(steps=(1000, 2000), scores=(0.6, 0.7), taken=2000, at_plateau=True, best=0.7)
    records = [
        ArmRecord(
            arm=arm, ratio=1.0, seed=seed, curve=curve, held_score=dice, steps=2000,
            per_image={name: {"dice": dice + 0.001 * int(name)} for name in names},
        )
        for arm, dice in (("raw", 0.5), ("classical", 0.6), ("classical+synthetic", 0.7))
        for seed in range(3)
    ]  # fmt: skip
    result = summarise(records, Design(folds=(Fold(train=("x",), test=tuple(names)),), name="k-fold", repeats=3))
    assert said("gain", result.model_dump(mode="json")) == Notice(
        "The synthetic pairs help.", "Look at the result", "Measure"
    )


def test_an_export_says_its_sentence(said, tmp_path):
    result = ExportResult(folder=str(tmp_path), written=2, sentence="2 pairs exported and verified.")
    assert said("export", result.model_dump(mode="json")) == Notice(result.sentence, "Look at the export", "Export")


def test_the_button_opens_the_project_that_was_made(make_napari_viewer, tmp_path):
    viewer = make_napari_viewer()
    workspace = Workspace.of(viewer)
    made = Project(tmp_path / "made")
    workspace._look(Notice("3 pairs painted.", "Look at the pairs", "Curate", str(made.path)))
    assert workspace.project is not None
    assert Path(workspace.project.path) == made.path
    workspace.close()
