"""The organoid study on tiny images: to its end, gone on after a stop, repeated only where it was changed."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import pytest

from napari_organoid_synth.cli.answers import check
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.job import Control, Finished, Progress, Started, run_to_end
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.score import score
from napari_organoid_synth.core.scores.storage import SetScores
from napari_organoid_synth.core.studies.organoid import plan
from napari_organoid_synth.core.studies.organoid_page import AREAS, CLASSES, SCORES, SEGMENT
from napari_organoid_synth.core.studies.parts import read_part
from napari_organoid_synth.core.studies.study import study
from napari_organoid_synth.core.synthesis.generate import generate
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.training.train import train
from organoids import tiny, write_organoids

RUNS = ["aae-bce", "aae-poisson", "gan", "gan-poisson"]
PARTS = [
    "prepare", *(f"{kind}-{run}" for run in RUNS for kind in ("train", "samples")), "scores",
    "map-aae-bce", "map-aae-poisson", "map", "table-3", "table-5",
]  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_organoids(tmp_path_factory.mktemp("organoids"))


@pytest.fixture(scope="module")
def done(data, tmp_path_factory):
    """The folder of a study that was stopped in the middle and went on, and the events of both times."""
    folder, control, first = tmp_path_factory.mktemp("study") / "organoid", Control(), []
    for event in study(folder, tiny(data), control):
        first.append(event)
        if isinstance(event, Progress) and "draw with aae-poisson" in event.note:
            control.cancel()
    return folder, first, list(study(folder, tiny(data), Control()))


def test_it_is_stopped_and_goes_on_without_repeating(done):
    _, first, second = done
    assert first[-1].reason == "canceled"
    assert set(first[-1].result["repeated"]) == {"prepare", "train-aae-bce", "samples-aae-bce", "train-aae-poisson"}
    assert isinstance(second[0], Started)
    assert set(second[0].info["done"]) == set(first[-1].result["repeated"])
    assert isinstance(second[-1], Finished)
    assert second[-1].result["repeated"] == [name for name in PARTS if name not in first[-1].result["repeated"]]
    bar = [event.step for event in second if isinstance(event, Progress)]
    assert bar == sorted(bar)
    assert bar[-1] == 1000


def test_the_project_is_an_ordinary_one_with_runs_named_by_loss(done):
    folder = done[0]
    project = Project(folder / "project", make=False)
    table = PairTable.from_file(project.pairs_path)
    assert {entry.size for entry in table.matched} == {(60, 60)}
    assert {entry.channels for entry in table.matched} == {"grey"}
    assert [path.name for path in project.runs()] == RUNS
    with SampleStore(project.samples_path) as store:
        rows = store.rows()
    assert {row.run for row in rows} == set(RUNS)
    assert {row.size for row in rows} == {(60, 60)}
    assert len(rows) == 8 * len(RUNS)


def test_the_page_has_tables_figures_and_what_differs(done):
    folder, _, events = done
    page = (folder / "study.html").read_text(encoding="utf-8")
    for text in ("Table 1. Generators", "Table 2. Losses", "Figure 2. Maps", "Table 3.", "0.47 to 0.80", "0.87 ± 0.03"):
        assert text in page
    assert "BCE: KL" in page
    assert "What differs from the published way, and why" in page
    assert "train aae-poisson" in page
    tables = events[-1].result["tables"]
    assert [row[0] for row in tables["table-1"]["rows"]] == [
        "Originals", "Originals, published", "GAN", "GAN, published",
    ]  # fmt: skip
    assert [row[0] for row in tables["table-4"]["rows"]] == ["Originals", "GAN", "GAN, Poisson"]
    titles = [row[0] for row in tables["table-3"]["rows"]]
    assert titles == ["Originals alone", "Classical augmentation", "BCE", "Poisson", "All losses together"]
    assert [row[2] for row in tables["table-3"]["rows"]] == ["", "0.87 ± 0.03", "0.85", "0.87", ""]
    with (folder / "tables" / "table-3.csv").open(encoding="utf-8") as stream:
        assert list(csv.reader(stream)) == [tables["table-3"]["head"], *tables["table-3"]["rows"]]
    result = GainResult.parse(read_part(folder, SEGMENT).result)
    assert (len(result.design.folds), result.design.paper_protocol) == (8, True)
    assert {row.generator: row.synthetic for row in result.table if row.generator} == {
        "aae-bce": 1, "aae-poisson": 1, "aae-bce+aae-poisson": 1,
    }  # fmt: skip


def test_areas_of_the_masks_and_of_what_was_marked(done):
    folder, _, events = done
    found = read_part(folder, AREAS).result
    pairs = {pair.name: pair for pair in load_pairs(Project(folder / "project", make=False))}
    by_hand = found["totals"]["mask"]
    assert {name: its["area"] for name, its in by_hand.items()} == {
        name: float(pair.labels.sum()) for name, pair in pairs.items()
    }
    assert set(found["totals"]) >= {"mask", "raw", "raw+synthetic (aae-bce)"}
    with Path(found["measurements"]).open(encoding="utf-8") as stream:
        lines = list(csv.DictReader(stream))
    assert sum(line["from"] == "mask" for line in lines) == len(pairs)
    assert {"area_px", "perimeter_px", "eccentricity", "mean_intensity"} <= set(lines[0])
    rows = events[-1].result["tables"]["table-5"]["rows"]
    assert rows[0][:2] == ["Masks", f"{sum(its['area'] for its in by_hand.values()) / len(by_hand):,.0f}"]
    assert len(rows) == 6


def test_its_scores_are_those_of_the_separate_commands(done, tmp_path):
    folder = done[0]
    ours = {one["run"]: SetScores.parse(one) for one in read_part(folder, SCORES).result["sets"]}["gan"]
    recipe = Run(folder / "project" / "runs" / "gan").recipe
    project = Project(tmp_path / "alone")
    PairTable.from_file(folder / "project" / "pairs.json").to_file(project.pairs_path)
    run_to_end(train(project, recipe, Control(), folder=project.path / "runs" / "gan"))
    run_to_end(generate(project, GenerateSettings(run="gan", number=8, device="cpu"), Control()))
    found = run_to_end(score(project, ScoreSettings(extractor="random", device="cpu"), Control()))
    assert SetScores.parse(found["sets"][0]).scores == ours.scores


def test_the_command_goes_on_in_the_folder_and_prints_the_page(done, call):
    code, out, _ = call("study", "organoid", "--out", done[0], "--json")
    assert code == 0
    answer = check(out)
    assert answer["repeated"] == []
    assert answer["tables"] == done[2][-1].result["tables"]
    code, out, _ = call("study", "organoid", "--out", done[0])
    assert out.startswith(f"Page: {done[0] / 'study.html'}")
    code, _, err = call("study", "organoid", "--out", done[0], "--size", "published")
    assert code == 1
    assert "at the size 'small'" in err


def test_an_edited_file_repeats_only_what_it_touches(done, data, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(done[0], folder)
    settings = tiny(data, "losses.poisson.latent=5", "segmenter_steps=2", "generators={}", "planned={}")
    started = next(study(folder, settings, Control()))
    assert started.info["done"] == sorted(["prepare", "train-aae-bce", "samples-aae-bce", "map-aae-bce"])
    assert "latent: 5" in (folder / "study.yaml").read_text()
    changed = json.loads((folder / "parts" / "train-aae-poisson.json").read_text())
    assert changed["title"] == "train aae-poisson"


def test_honest_trains_the_generators_again_for_each_tested_image(data, tmp_path):
    parts = {part.name: part for part in plan(tmp_path / "s", tiny(data, "protocol=honest"), Control()).parts}
    compared = parts[SEGMENT].determined_by
    settings = GainSettings.parse(compared["settings"] | {"scheduler": "here"})
    assert settings.generator == ("recipes/aae-bce.yaml", "recipes/aae-poisson.yaml")
    assert (settings.pairs_from, settings.paper_protocol, settings.pairs) == ("folds", False, 8)
    assert set(compared["recipes"]) == {"aae-bce", "aae-poisson"}
    assert parts[SEGMENT].needs == ["prepare"]
    folder = tmp_path / "s" / "project" / "recipes"
    assert Recipe.from_file(folder / "aae-poisson.yaml").gan.loss == "poisson"


def test_classes_are_compared_where_a_generator_draws_them(data, tmp_path):
    cgan = "generators={gan: {name: gan}, cgan: {name: cgan, network: mlp, width: 16}}"
    for more, expected in (
        (("classes=^(healthy|ill)", cgan), ("samples-cgan",)),
        (("classes=^(healthy|ill)",), None),
        ((cgan,), None),
    ):
        parts = {part.name: part for part in plan(tmp_path / "s", tiny(data, *more), Control()).parts}
        found = parts.get(CLASSES)
        assert (tuple(found.needs) if found else None) == expected


def test_data_that_do_not_fit_are_refused_in_words(tmp_path):
    few = write_organoids(tmp_path / "few", 3)
    with pytest.raises(UserError, match=r"Only 3 images can be used.*at least eight images with masks"):
        list(study(tmp_path / "s", tiny(few), Control()))
    with pytest.raises(UserError, match="There is no folder"):
        next(study(tmp_path / "t", tiny(tmp_path / "nowhere"), Control()))
    assert not Path(tmp_path / "t").exists()
    shutil.rmtree(few / "masks")
    with pytest.raises(UserError, match="has images/ and no masks/"):
        next(study(tmp_path / "u", tiny(few), Control()))
