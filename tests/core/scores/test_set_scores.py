"""Scoring sets of a small simulated project: columns of runs, copies, what is kept, what is said."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Finished, Progress, Warned
from napari_organoid_synth.core.metrics.memorisation import MANIFOLD
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.pairs.loading import PairTable, add_pair, load_pairs, split_table
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.registry import EXTRACTORS
from napari_organoid_synth.core.report.report import write_report
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.arrays import score_sets
from napari_organoid_synth.core.scores.score import score
from napari_organoid_synth.core.scores.storage import SetScores, read_set_scores
from napari_organoid_synth.core.scores.table import sentences, table
from simulated import sample, scene

SIDE = 64


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six real images, one of them to test; fresh draws as run "good", turned noisy training tiles as run "thief"."""
    project = Project(tmp_path_factory.mktemp("made") / "project")
    for seed in range(6):
        image, labels = scene(seed, 2 * SIDE, 16)
        add_pair(project, SamplePair(f"real{seed}", image, labels, class_names=("cell",)), "instances")
    split_table(PairTable.from_file(project.pairs_path), test=["real5"]).to_file(project.pairs_path)
    rng = np.random.default_rng(0)
    with SampleStore(project.samples_path) as store:
        for seed in range(10):
            store.add(sample(f"good{seed}", *scene(50 + seed, SIDE)), run="good")
            image, labels = scene(seed % 5, 2 * SIDE, 16)
            y, x = SIDE * (seed // 5), SIDE * (seed % 2)
            image, labels = image[:, y : y + SIDE, x : x + SIDE], labels[y : y + SIDE, x : x + SIDE]
            noisy = np.rot90(image, seed, axes=(1, 2)) + rng.normal(0, 600, (1, SIDE, SIDE))
            noisy = np.clip(noisy, 0, None)
            store.add(sample(f"thief{seed}", noisy.astype(np.uint16), np.rot90(labels, seed).copy()), run="thief")
    return project.path


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.setattr("napari_organoid_synth.core.metrics.sets.ROUNDS", 20)
    return Project(shutil.copytree(made, tmp_path / "project"))


def scored(project: Project, **changes: Any) -> tuple[list[SetScores], list[Any]]:
    settings = ScoreSettings(**{"extractor": "random", "metrics": ("nearest",), "device": "cpu", **changes})
    events = list(score(project, settings, Control()))
    assert isinstance(events[-1], Finished)
    return [SetScores.parse(one) for one in events[-1].result["sets"]], events


def test_arrays_without_a_project_get_the_same_scores(project: Project) -> None:
    split_table(PairTable.from_file(project.pairs_path), test=0).to_file(project.pairs_path)
    sets, _ = scored(project)
    real = load_pairs(project)
    with SampleStore(project.samples_path) as store:
        made = [store.pair(row.id) for row in store.rows() if row.run == "thief"]
    settings = ScoreSettings(extractor="random", device="cpu")
    steps: list[Progress] = []
    found = score_sets(
        [(pair.image, pair.labels) for pair in real],
        [(pair.image[0], pair.labels) for pair in made],
        settings,
        progress=steps.append,
    )
    of_run = next(one for one in sets if one.run == "thief")
    assert found.scores == of_run.scores
    assert found.variety == of_run.variety
    assert found.memorisation == of_run.memorisation.replace(ssim_copies=None)
    assert sentences(found)[0].startswith("100% lie nearer to a real tile")
    assert steps[-1].step == steps[-1].total == 100


def test_too_few_arrays_are_refused() -> None:
    with pytest.raises(UserError, match=r"There are 3 real tiles of 64 px and 2 synthetic pairs\. Expected at least 8"):
        score_sets([scene(seed, SIDE, 9) for seed in range(3)], [scene(seed, SIDE, 9) for seed in range(2)],
                   ScoreSettings(extractor="random"))  # fmt: skip


def test_a_project_from_scores_to_table_and_again(project: Project) -> None:
    sets, events = scored(project)
    found = {one.run: one for one in sets}
    assert set(found) == {"good", "thief"}
    assert read_set_scores(project) == sets
    scores = {run: one.by_name for run, one in found.items()}
    assert scores["good"].keys() == {
        "kid", "fid", "precision", "recall", "density", "coverage", "c2st",
        "ssim", "uqi", "nmi", "psnr", "mse", "hf_energy", "blur",
        "ks_count", "ks_area", "ks_eccentricity", "ks_touching", "ks_decode_error",
        "w_count", "w_area", "w_eccentricity", "w_touching", "w_decode_error", "flow_kid", "flow_fid",
    }  # fmt: skip
    for by_name in scores.values():
        for one in by_name.values():
            assert one.interval.low <= one.interval.high
            assert one.originals.low <= one.originals.high
            assert one.n_synthetic == 10
    kid = scores["good"]["kid"]
    assert kid.extractor.startswith("random:")
    assert "smoke test" in kid.message
    assert "trust KID" in scores["good"]["fid"].message
    assert next(iter(scores["good"])) == "kid"
    assert scores["thief"]["hf_energy"].message == "above the range of the originals"  # its noise
    assert "median 4, real" in scores["good"]["ks_count"].message

    # the thief is caught by the adaptive rule, although its noise keeps SSIM below 0.90; the good one is not
    assert found["thief"].memorisation.ssim_copies == 0
    assert found["thief"].memorisation.copies == 1
    assert found["good"].memorisation.copies <= 0.1
    test = found["thief"].memorisation.test
    assert test is not None
    assert test.p < 0.01
    assert test.n_images == 1
    with SampleStore(project.samples_path) as store:
        rows = {row.id: row for row in store.rows()}
    assert {id for id, row in rows.items() if row.flagged == "copy"} >= {f"thief{seed}" for seed in range(10)}
    assert rows["thief0"].note == "a copy of a real image"
    assert rows["thief0"].scores["real_distance"] < 1

    text = table(sets)
    assert "KID [random]" in text
    assert "100% lie nearer to a real tile than real tiles of different images do" in text
    assert "a hint, not proof" in text
    assert any(isinstance(event, Progress) and event.note for event in events)

    # again: nothing is computed; another verdict or sample computes its run; flags stay when pairs are rated again
    made = {one.run: one.made for one in sets}
    features = sorted(path.name for path in (project.path / "features").iterdir())
    assert {one.run: one.made for one in scored(project)[0]} == made
    with SampleStore(project.samples_path) as store:
        store.add(sample("late", *scene(90, SIDE)), run="good")
    later = {one.run: one for one in scored(project)[0]}
    assert later["thief"].made == made["thief"]
    assert later["good"].number == 11
    assert sorted(path.name for path in (project.path / "features").iterdir()) == features
    scored(project, again=True, sets="none")
    with SampleStore(project.samples_path) as store:
        assert store.row("thief0").flagged == "copy"


def test_a_generator_that_repeats_itself_and_masks_of_other_images(project: Project) -> None:
    rng = np.random.default_rng(1)
    with SampleStore(project.samples_path) as store:
        store.decide(store.ids(), "rejected")
        image, labels = scene(50, SIDE)
        others = [scene(50 + seed, SIDE) for seed in range(10)]
        for seed in range(10):
            noisy = np.clip(image + rng.normal(0, 40, image.shape), 0, None).astype(np.uint16)
            store.add(sample(f"stuck{seed}", noisy, labels), run="stuck")
            store.add(sample(f"mixed{seed}", others[seed][0], others[seed - 1][1]), run="mixed")
            store.add(sample(f"fine{seed}", *others[seed]), run="fine")
    sets, _ = scored(project, sets="kept", metrics=("nearest", "fits"))
    found = {one.run: one for one in sets}
    variety = {one.run: one.variety for one in sets if one.variety is not None}
    assert (variety["stuck"].ssim, variety["stuck"].pixels, variety["stuck"].masks) == (1, 1, 1)
    assert variety["stuck"].distinct <= 2
    for run in ("fine", "mixed"):
        assert (variety[run].distinct, variety[run].ssim, variety[run].pixels) == (10, 0, 0)
    fits = {one.run: one.mask_fit for one in sets if one.mask_fit is not None}
    assert fits["mixed"].low >= 0.9
    assert fits["fine"].low <= 0.1
    assert fits["fine"].strange > 0.9
    text = {run: " ".join(sentences(one)) for run, one in found.items()}
    assert "100% repeat the mask layout of another sample" in text["stuck"]
    assert "little variety" in text["stuck"]
    assert "repeat" not in text["fine"]
    assert re.search(r"(9|10)0% of the masks may not fit their image", text["mixed"])
    with SampleStore(project.samples_path) as store:
        assert store.row("fine0").scores[MANIFOLD] > 0
        assert "mask may not fit" in store.row("mixed3").note


def test_the_report_shows_runs_beside_the_range_of_the_originals(project: Project) -> None:
    sets, _ = scored(project)
    page = write_report(project, project.path / "report.html").read_text(encoding="utf-8")
    assert "Generators against the originals" in page
    for one in sets:
        run, kid = one.run, one.by_name["kid"]
        row = re.search(rf'<tr><th scope="row">{run}<small>.*?</th><td>(.*?)</td>', page)
        assert row is not None
        shown, value, interval = re.sub(r"<(?!small|/small).*?>", "", row[1]).replace("</small>", "").split("<small>")
        assert shown.endswith("●") == (kid.originals.low <= kid.matched_value <= kid.originals.high)
        assert float(shown.removesuffix("&nbsp;●").replace(",", "")) == pytest.approx(kid.matched_value, rel=0.01)
        assert float(value.replace(",", "")) == pytest.approx(kid.value, rel=0.01)
        low, high = (float(end.replace(",", "")) for end in interval.split(" to "))
        assert (low, high) == pytest.approx((kid.interval.low, kid.interval.high), rel=0.01)
    assert "<b>thief (10 tiles, all pairs).</b> 0% reach SSIM 0.90 with a real tile. 100% lie nearer" in page


def test_fid_and_kid_are_of_all_tiles_and_samples(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    few, _ = scored(project)
    monkeypatch.setattr("napari_organoid_synth.core.metrics.real_tiles.MAX_TILES", 9)
    monkeypatch.setattr("napari_organoid_synth.core.scores.set_scores.MAX_SAMPLES", 8)
    sets, _ = scored(project, again=True)
    for before, one in zip(few, sets, strict=True):
        assert one.number == 10
        for name in ("kid", "fid", "flow_kid", "flow_fid"):
            found = one.by_name[name]
            assert (found.n_real, found.n_synthetic) == (45, 10)
            assert (one.by_name["coverage"].n_real, one.by_name["coverage"].n_synthetic) == (9, 8)
        kid = one.by_name["kid"]
        assert kid.subsets is not None
        assert (kid.subsets.size, kid.subsets.mean) == (10, kid.value)
        assert "100 subsets of 10: " in kid.message
        assert before.by_name["kid"].subsets is None
    folder = project.path / "features"
    assert {path.name.partition("-v")[0] for path in folder.glob("*-v*")} >= {
        f"{kind}-{space}-random" for kind in ("all", "samples") for space in ("features", "masks")
    }
    few_of_them, _ = scored(project, max_samples=8, max_tiles=9)
    assert few_of_them[0].by_name["kid"].n_synthetic == 8
    assert few_of_them[0].by_name["kid"].subsets is None


def test_which_pairs_and_too_few(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        store.decide([f"good{seed}" for seed in range(3)], "accepted")
        store.decide([f"thief{seed}" for seed in range(10)], "rejected")
    sets, events = scored(project, sets="accepted")
    assert [(one.run, one.number, one.scores) for one in sets] == [("good", 3, ())]
    assert sets[0].memorisation.copies <= 1 / 3
    assert "Expected at least 8" in next(event.text for event in events if isinstance(event, Warned))
    assert scored(project, sets="none")[0] == []


def test_pairs_on_masks_of_real_images_are_not_copies_by_their_layout(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        thief = store.pair("thief3")
        source = Source("synthetic", provenance={"mask": {"kind": "warped"}})
        store.add(thief.replace(name="painted", source=source), run="painter")
        store.decide([id for id in store.ids() if id != "painted"], "rejected")
    sets, _ = scored(project, sets="kept")
    found = sets[0].memorisation
    assert (sets[0].run, found.copies, found.pixels_copies, found.test) == ("painter", 0, 1, None)
    assert "100% are painted on masks made from real ones" in table(sets)
    with SampleStore(project.samples_path) as store:
        assert store.row("painted").flagged == ""


def test_progress_is_one_scale_that_ends_with_the_last_set(project: Project) -> None:
    _, events = scored(project)
    progress = [event for event in events if isinstance(event, Progress)]
    steps = [event.step for event in progress]
    assert steps == sorted(steps)
    assert {event.total for event in progress} == {1000}
    assert [event for event in progress if event.step == 1000] == progress[-1:]  # and not minutes before
    comparing = [event.step for event in progress if event.note == "compare sets"]
    assert len(comparing) >= 2  # of both sets
    assert comparing[-1] > comparing[0]


def test_stopping_keeps_whole_results(project: Project) -> None:
    control = Control()
    events = score(project, ScoreSettings(extractor="random", metrics=("objects",), device="cpu"), control)
    for event in events:
        if isinstance(event, Progress) and event.note == "compare sets":
            control.cancel()
            break
    last = list(events)[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.result["scored"], last.result["sets"]) == ("canceled", 20, [])
    assert not project.scores_path.exists()


def test_what_is_missing_is_said_before_work_begins(project: Project) -> None:
    assert get_args(ScoreSettings.model_fields["extractor"].annotation) == tuple(EXTRACTORS.names())
    with pytest.raises(UserError, match="inception2048 needs a file of weights"):
        scored(project, extractor="inception2048")
    with pytest.raises(UserError, match="There is no file"):
        scored(project, extractor="vgg19", weights="none.pth")
    assert not (project.path / "features").exists()
    project.scores_path.write_text("{")
    assert read_set_scores(project) == []


def test_a_pair_that_is_decided_meanwhile_stops_nothing(project: Project) -> None:
    scored(project, sets="kept")  # nothing is outdated
    settings = ScoreSettings(extractor="random", metrics=("objects",), device="cpu", sets="kept")
    decided = False
    for event in score(project, settings, Control()):
        if isinstance(event, Progress) and not decided:
            with SampleStore(project.samples_path) as store:
                store.decide([store.ids()[0]], "rejected")
            decided = True
        last = event
    assert decided
    assert isinstance(last, Finished)
    assert last.reason == "completed"
