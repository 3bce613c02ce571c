"""The quick comparison: the test images of the project, and the synthetic pairs in its store."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.gain import gain, segment
from napari_organoid_synth.core.gain.leakage import Leak
from napari_organoid_synth.core.gain.results import ArmRecord, GainResult
from napari_organoid_synth.core.gain.settings import GainSettings, SegmentSettings
from napari_organoid_synth.core.gain.storage import find_gain, read_result
from napari_organoid_synth.core.gain.tasks import read_record, task_folder
from napari_organoid_synth.core.job import Added, Control, Finished, Progress, Started, Warned
from napari_organoid_synth.core.pairs.loading import add_pair, load_pairs
from napari_organoid_synth.core.pairs.ome_tiff import read_labels, read_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.pictures import decode_png
from napari_organoid_synth.core.pairs.split import split_table
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.segmentation.arms import ARMS
from napari_organoid_synth.core.segmentation.segmenters.base import load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.cellpose import installed_major
from napari_organoid_synth.core.segmentation.segmenters.cellpose_config import CellposeConfig
from napari_organoid_synth.core.segmentation.segmenters.multiscale_adversarial_config import MultiscaleAdversarialConfig
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

SETTINGS = SegmentSettings(
    ratios=(1.0,),
    arms=("raw", "classical-tissue", "raw+curated"),
    segmenter=UNetConfig(channels=8, depth=2, tile=64, batch=2, learning_rate=1e-2),
    steps=6,
    device="cpu",
    threads=1,
)


def disc(seed: int, kind: str = "binary") -> SamplePair:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:64, :64]
    cy, cx = rng.integers(20, 44, 2)
    labels = ((y - cy) ** 2 + (x - cx) ** 2 < 12**2).astype(np.int32)
    image = (100 + 60 * labels + rng.normal(0, 8, labels.shape)).clip(0, 255).astype(np.uint8)
    return SamplePair(f"disc{seed}", image[None], labels, kind, source=Source("synthetic"))


def make_project(path, n_train=2, n_test=4, n_accepted=12, n_new=2) -> Project:
    project = Project(path)
    for seed in range(n_train + n_test):
        pair = disc(seed)
        add_pair(project, SamplePair(pair.name, pair.image, pair.labels), "binary")
    if n_test:
        names = [f"disc{seed}" for seed in range(n_train, n_train + n_test)]
        split_table(PairTable.from_file(project.pairs_path), names).to_file(project.pairs_path)
    with SampleStore(project.samples_path) as store:
        ids = [store.add(disc(100 + seed)) for seed in range(n_accepted + n_new)]
        store.decide(ids[:n_accepted], "accepted")
    return project


@pytest.fixture
def project(tmp_path):
    return make_project(tmp_path / "project")


def run(project, settings=SETTINGS, control=None, folder=None):
    return list(segment(project, settings, control or Control(), folder))


def result_of(events) -> GainResult:
    assert isinstance(events[-1], Finished)
    return GainResult.parse(events[-1].result)


def arms_added(folder, events) -> list[str]:
    """Arms that were trained, in order."""
    records = [read_record(task_folder(folder, event.ids[0])) for event in events if isinstance(event, Added)]
    return [record.arm for record in records if isinstance(record, ArmRecord)]


def test_it_is_gain_on_one_split_with_one_seed():
    assert SegmentSettings().as_gain() == GainSettings(
        repeats=1,
        design="hold-out",
        pairs_from="store",
        scheduler="here",
        threads=0,
    )
    assert SETTINGS.as_gain().segmenter == SETTINGS.segmenter
    assert (SETTINGS.as_gain().steps, SETTINGS.as_gain().device) == (6, "cpu")


def test_arms_by_their_earlier_names_are_read(tmp_path):
    assert SegmentSettings(arms=("real", "pasted", "curated")).arms == ("raw", "classical+pasted", "raw+curated")
    assert SegmentSettings().override("arms=[real, synthetic]").arms == ("raw", "raw+synthetic")
    assert SegmentSettings().override("arms=real").arms == ("raw",)
    (tmp_path / "settings.yaml").write_text("arms: [simulator]\nsteps: 7\n")
    assert SegmentSettings.from_file(tmp_path / "settings.yaml").arms == ("raw+simulated",)
    with pytest.raises(UserError, match=r"arms\.0.*is 'reel'"):
        SegmentSettings.parse({"arms": ["reel"]})


def test_a_segmenter_of_whole_images_runs_through_the_verb(project, tmp_path):
    settings = SETTINGS.replace(segmenter=MultiscaleAdversarialConfig(width=4, side=64), arms=("raw+curated",), steps=3)
    events = run(project, settings, folder=tmp_path / "out")
    result = result_of(events)
    assert {arm.steps for arm in result.arms.values()} == {3}
    assert result.arms["raw+curated"].synthetic == 2  # one image per step, half of them synthetic
    again = load_segmenter(tmp_path / "out" / "segmenters" / "raw+curated" / "fold1", "cpu")
    assert again.config == settings.segmenter


def test_a_segmenter_that_learned_nothing_is_named(project, tmp_path):
    """Two steps from nothing leave Cellpose without one object; the warning stays when nothing is trained again."""
    pytest.importorskip("cellpose")
    if installed_major() != 3:
        pytest.skip("Cellpose 4 does not begin from nothing")
    settings = SETTINGS.replace(segmenter=CellposeConfig(tile=64), arms=("raw",), steps=2)
    for number in (1, 0):
        events = run(project, settings, folder=tmp_path / "out")
        (warning,) = result_of(events).warnings
        assert warning.startswith("Real pairs: a segmenter marked nothing correctly in any test image.")
        assert [event.text for event in events if isinstance(event, Warned)] == [warning] * number


def test_hard_images_are_taken_from_the_table(project, tmp_path):
    one = MultiscaleAdversarialConfig(width=4, side=64, hard="^disc1$")
    for segmenter, warnings in ((one, 0), (one.replace(hard="blurred"), 1)):
        events = run(project, SETTINGS.replace(segmenter=segmenter, arms=("raw",), steps=2), folder=tmp_path / "out")
        warned = [event.text for event in events if isinstance(event, Warned) and "hard" in event.text]
        assert len(warned) == warnings
        facts = json.loads((tmp_path / "out" / "segmenters" / "raw" / "fold1" / "segmenter.json").read_text())["facts"]
        assert facts == {"hard": f"{1 - warnings} of 2 images"}


def test_all_arms_are_trained_alike_and_measured(project, tmp_path):
    arms = ("raw", "classical-tissue", "raw+synthetic", "raw+curated")
    events = run(project, SETTINGS.replace(arms=arms, steps=25), folder=tmp_path / "out")
    assert isinstance(events[0], Started)
    assert (events[0].info["folds"], events[0].info["total"]) == (1, 4)
    result = result_of(events)
    assert (events[-1].step, events[-1].reason) == (4, "completed")
    assert tuple(result.arms) == arms
    assert {arm.steps for arm in result.arms.values()} == {25}
    assert [arm.synthetic for arm in result.arms.values()] == [0, 0, 14, 12]
    assert [row.curation for row in result.table] == ["", "", "", "by hand"]
    names = ["disc2", "disc3", "disc4", "disc5"]
    assert (list(result.train), list(result.test)) == (["disc0", "disc1"], names)
    for arm in result.arms.values():
        assert list(arm.per_image) == names
        for key in ("dice", "precision", "recall"):
            assert arm.scores[key] == pytest.approx(np.mean([image[key] for image in arm.per_image.values()]))
            assert arm.per_class["object"][key] == pytest.approx(arm.scores[key])
    assert result.arms["raw"].dice > 0.8
    assert arms_added(tmp_path / "out", events) == list(arms)
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.step for event in progress] == sorted(event.step for event in progress)
    assert {event.total for event in progress} == {4}
    assert progress[-1].shares == dict.fromkeys(arms, 1.0)
    notes = {event.note for event in progress} - {""}  # a short arm may end between two of them
    assert notes
    assert all(note.startswith(tuple(ARMS[arm] for arm in arms)) for note in notes)
    assert read_result(tmp_path / "out") == result
    assert "synthetic pairs curated by hand" in result.sentence
    assert result.design.pairs_from == "store"


def test_predictions_on_disk_are_those_that_were_scored(project, tmp_path):
    result = result_of(run(project, SETTINGS.replace(arms=("raw",)), folder=tmp_path))
    folder = tmp_path / "predictions" / "raw"
    predicted = read_labels(folder / "disc2_labels.ome.tif")
    truth = disc(2).labels
    hits = np.count_nonzero(predicted & truth)
    assert 2 * hits / (predicted.sum() + truth.sum()) == pytest.approx(result.arms["raw"].per_image["disc2"]["dice"])
    assert read_pair(folder / "disc2.ome.tif").source.provenance["predicted_by"] == "raw"
    errors = decode_png((folder / "disc2_errors.png").read_bytes())
    assert ((errors == (255, 0, 255)).all(-1) == (predicted > truth)).all()
    assert ((errors == (0, 255, 255)).all(-1) == (truth > predicted)).all()
    again = load_segmenter(tmp_path / "segmenters" / "raw" / "fold1", "cpu")
    assert np.array_equal(again.predict(disc(2).image)[0], predicted)


def test_finished_arms_survive_a_stop_and_are_not_repeated(project, tmp_path):
    control, events = Control(), []
    for event in segment(project, SETTINGS, control, tmp_path):
        events.append(event)
        if isinstance(event, Added):
            control.cancel()
    assert events[-1].reason == "canceled"
    before = result_of(events)
    assert list(before.arms) == ["raw"]
    weights = tmp_path / "segmenters" / "raw" / "fold1" / "segmenter.safetensors"
    written = weights.stat().st_mtime_ns

    events = run(project, folder=tmp_path)
    assert events[-1].reason == "completed"
    assert list(result_of(events).arms) == ["raw", "classical-tissue", "raw+curated"]
    assert result_of(events).arms["raw"] == before.arms["raw"]
    assert weights.stat().st_mtime_ns == written


def test_a_training_stopped_in_the_middle_goes_on(project, tmp_path):
    """In this process a task is done in parts: a stop is heeded after the step in progress."""
    settings = SETTINGS.replace(arms=("raw",), steps=150)
    control = Control()
    for event in segment(project, settings, control, tmp_path):
        if isinstance(event, Progress) and event.shares["raw"] > 0:
            control.cancel()
            assert (event.step, event.part) == (0, event.shares["raw"])  # the bar moves while the only task runs
            assert event.share == event.shares["raw"]
    assert event.reason == "canceled"
    (task,) = (tmp_path / "tasks").glob("arm-*")
    assert (task / "training.safetensors").exists()
    assert run(project, settings, folder=tmp_path)[-1].reason == "completed"
    whole = result_of(run(project, settings, folder=tmp_path / "whole"))
    assert read_result(tmp_path).arms["raw"].per_image == whole.arms["raw"].per_image


def test_other_data_or_settings_make_an_arm_again(project, tmp_path):
    both = SETTINGS.replace(arms=("raw+curated",), steps=13)  # which show up to 13 synthetic pairs: all of them
    run(project, both, folder=tmp_path)
    with SampleStore(project.samples_path) as store:
        store.decide(store.ids("new")[:1], "accepted")
    assert arms_added(tmp_path, run(project, both, folder=tmp_path)) == ["raw+curated"]
    assert arms_added(tmp_path, run(project, both.replace(steps=3), folder=tmp_path)) == ["raw", "raw+curated"]


def test_a_damaged_result_of_a_task_is_made_again(project, tmp_path):
    settings = SETTINGS.replace(arms=("raw",), steps=2)
    events = run(project, settings, folder=tmp_path)
    (key,) = (event.ids[0] for event in events if isinstance(event, Added))
    (task_folder(tmp_path, key) / "result.json").write_text('{"kind": "arm", ')
    (tmp_path / "results.json").write_text('{"arms": {"raw": ')
    assert arms_added(tmp_path, run(project, settings, folder=tmp_path)) == ["raw"]
    assert read_result(tmp_path).tasks.done == 1


def test_same_seed_same_result(project, tmp_path):
    short = SETTINGS.replace(arms=("raw+curated",), steps=4)
    one, two = (result_of(run(project, short, folder=tmp_path / name)).arms["raw+curated"] for name in "ab")
    assert one.per_image == two.per_image


def test_a_finished_comparison_is_kept_and_an_unfinished_one_goes_on(project):
    settings = SETTINGS.replace(arms=("classical-tissue",), steps=2)
    control = Control()
    for event in segment(project, settings, control):
        if isinstance(event, Added):
            control.cancel()
    first = find_gain(project, settings.as_gain())
    assert result_of(run(project, settings)).folder == str(first)
    assert find_gain(project, settings.as_gain()) is None  # the pairs of the store may have changed since
    time.sleep(1.1)  # folders are named by the second
    assert result_of(run(project, settings)).folder != str(first)


def test_the_command_that_was_killed_goes_on_in_the_same_folder(project, tmp_path):
    SETTINGS.replace(steps=20).to_file(tmp_path / "segment.yaml")
    command = [sys.executable, "-m", "napari_organoid_synth", "segment", str(project.path), "--json"]
    command += ["--recipe", str(tmp_path / "segment.yaml")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def done():
        return {path: path.stat().st_mtime_ns for path in project.path.glob("segment/*/tasks/*/result.json")}

    while not done() and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    process.wait()
    before = done()
    assert 1 <= len(before) < 3
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(finished.stdout)["tasks"] == {"total": 3, "done": 3, "failed": 0}
    assert {path: done()[path] for path in before} == before
    assert len(list(project.path.glob("segment/*"))) == 1


# --- leaks ---


def painted(project, names, mask=None, run_name=""):
    """Accept a pair whose generator was trained on these real pairs."""
    data = {pair.name: content_hash(pair.image, pair.labels) for pair in load_pairs(project) if pair.name in names}
    how = {"data": data, "mask": mask or {"kind": "simulated"}}
    with SampleStore(project.samples_path) as store:
        store.decide([store.add(disc(500).replace(source=Source("synthetic", provenance=how)), run_name)], "accepted")


def test_a_generator_that_saw_a_test_image_is_refused(project, tmp_path):
    painted(project, ("disc0", "disc1"))
    short = SETTINGS.replace(arms=("raw+curated",), steps=50)
    assert run(project, short.replace(steps=2), folder=tmp_path / "clean")[-1].reason == "completed"
    painted(project, ("disc1", "disc2", "disc3"))
    with pytest.raises(Leak, match=r"was trained on 2 of the 4 test images \(disc2, disc3\)") as error:
        run(project, short)
    assert "Train the generator again" in error.value.todo
    assert "organoid-synth gain" in error.value.todo
    optimistic = short.as_gain().replace(paper_protocol=True)
    with pytest.raises(UserError, match="would train the generator on the 4 images put aside"):
        list(gain(project, optimistic, Control()))
    optimistic = optimistic.replace(design="k-fold", folds=2)
    with pytest.raises(Leak, match="was trained on 2 of the 4 test images"):  # which no protocol learns from
        list(gain(project, optimistic, Control()))
    split_table(PairTable.from_file(project.pairs_path), []).to_file(project.pairs_path)
    result = result_of(list(gain(project, optimistic.replace(steps=2), Control(), tmp_path / "paper")))
    assert "Optimistic" in result.sentence


def test_a_pair_painted_on_the_mask_of_a_test_image_is_refused(project):
    painted(project, ("disc0",), {"kind": "warped", "name": "disc4_y0_x0"})
    with pytest.raises(Leak, match=r"1 of the 4 test images \(disc4\)"):
        run(project, SETTINGS.replace(arms=("raw+curated",), steps=50))


def test_what_a_run_was_trained_on_counts_where_its_pairs_do_not_say(project):
    (test,) = (pair for pair in load_pairs(project) if pair.name == "disc5")
    folder = project.path / "runs" / "one"
    folder.mkdir(parents=True)
    Recipe().to_file(folder / "recipe.yaml")
    (folder / "run.json").write_text(json.dumps({"data": {"other name": content_hash(test.image, test.labels)}}))
    painted(project, (), run_name="one")
    with pytest.raises(Leak, match="The generator of run one was trained on 1 of the 4 test images"):
        run(project, SETTINGS.replace(arms=("raw+curated",), steps=50))


# --- what cannot be done ---


def test_without_test_images_it_says_how_to_get_some(tmp_path):
    project = make_project(tmp_path / "p", n_test=0)
    with pytest.raises(UserError, match="None of the 2 pairs is put aside") as error:
        run(project)
    assert "--test" in error.value.todo


def test_without_accepted_pairs_it_says_so(tmp_path):
    project = make_project(tmp_path / "p", n_accepted=0)
    with pytest.raises(UserError, match="no accepted synthetic pair") as error:
        run(project)
    assert "Curate" in error.value.todo


def test_few_and_misfit_pairs_are_warned_about(tmp_path):
    project = make_project(tmp_path / "p", n_accepted=3)
    away = project.pairs_path.rename(tmp_path / "pairs.json")  # as if it had entered before anything was compared
    with SampleStore(project.samples_path) as store:
        store.decide([store.add(disc(999, kind="instances"))], "accepted")
    away.rename(project.pairs_path)
    texts = [
        event.text
        for event in run(project, SETTINGS.replace(arms=("raw+curated",), steps=4), folder=tmp_path)
        if isinstance(event, Warned)
    ]
    assert len(texts) == 2
    assert texts[0].startswith("1 synthetic pair ")
    assert "only 3 accepted synthetic pairs" in texts[1]
