import json

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.segment import RESULTS, gain_sentence, segment
from napari_organoid_synth.core.gain.settings import SegmentSettings
from napari_organoid_synth.core.job import Added, Control, Finished, Progress, Started, Warned
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.ome_tiff import read_labels, read_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.pictures import decode_png
from napari_organoid_synth.core.pairs.table import PairTable, split_table
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.segmentation.segmenters.base import load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.cellpose import installed_major
from napari_organoid_synth.core.segmentation.segmenters.cellpose_config import CellposeConfig
from napari_organoid_synth.core.segmentation.segmenters.multiscale_adversarial_config import MultiscaleAdversarialConfig
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

SETTINGS = SegmentSettings(
    segmenter=UNetConfig(channels=8, depth=2, tile=64, batch=2, learning_rate=1e-2), steps=25, device="cpu"
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


def test_a_segmenter_of_whole_images_runs_through_the_verb(project, tmp_path):
    settings = SETTINGS.replace(
        segmenter=MultiscaleAdversarialConfig(width=4, side=64), arms=("real", "curated"), steps=3
    )
    events = run(project, settings, folder=tmp_path / "out")
    result = events[-1].result
    assert {arm["steps"] for arm in result["arms"].values()} == {3}
    assert result["arms"]["curated"]["synthetic"] == 2  # one image per step, half of them synthetic
    again = load_segmenter(tmp_path / "out" / "segmenters" / "curated", "cpu")
    assert again.config == settings.segmenter


def test_a_segmenter_that_learned_nothing_is_named(project, tmp_path):
    """Two steps from nothing leave Cellpose without one object; said once, also when nothing is trained again."""
    pytest.importorskip("cellpose")
    if installed_major() != 3:
        pytest.skip("Cellpose 4 does not begin from nothing")
    settings = SETTINGS.replace(segmenter=CellposeConfig(tile=64), arms=("real",), steps=2)
    for said in (1, 0):
        events = run(project, settings, folder=tmp_path / "out")
        (words,) = events[-1].result["warnings"]
        assert words.startswith("Real pairs: a segmenter marked nothing right in any test image.")
        assert [event.text for event in events if isinstance(event, Warned)] == [words] * said


def test_hard_images_are_taken_from_the_table(project, tmp_path):
    one = MultiscaleAdversarialConfig(width=4, side=64, hard="^disc1$")
    for segmenter, warnings in ((one, 0), (one.replace(hard="blurred"), 1)):
        events = run(project, SETTINGS.replace(segmenter=segmenter, arms=("real",), steps=2), folder=tmp_path / "out")
        warned = [event.text for event in events if isinstance(event, Warned) and "hard" in event.text]
        assert len(warned) == warnings
        facts = json.loads((tmp_path / "out" / "segmenters" / "real" / "segmenter.json").read_text())["facts"]
        assert facts == {"hard": f"{1 - warnings} of 2 images"}


def test_all_arms_are_trained_alike_and_measured(project, tmp_path):
    settings = SETTINGS.replace(arms=("real", "classical", "synthetic", "curated"))
    events = run(project, settings, folder=tmp_path / "out")
    assert isinstance(events[0], Started)
    result = events[-1].result
    assert events[-1] == Finished(100, "completed", result)
    assert list(result["arms"]) == ["real", "classical", "synthetic", "curated"]
    assert {arm["steps"] for arm in result["arms"].values()} == {25}
    assert [arm["synthetic"] for arm in result["arms"].values()] == [0, 0, 14, 12]
    for arm in result["arms"].values():
        assert list(arm["per_image"]) == ["disc2", "disc3", "disc4", "disc5"]
        for key in ("dice", "precision", "recall"):
            assert arm[key] == pytest.approx(np.mean([image[key] for image in arm["per_image"].values()]))
            assert arm["per_class"]["object"][key] == pytest.approx(arm[key])
    assert result["arms"]["real"]["dice"] > 0.8
    assert [event.ids for event in events if isinstance(event, Added)] == [(arm,) for arm in result["arms"]]
    progress = [event for event in events if isinstance(event, Progress)]
    assert [event.step for event in progress] == sorted(event.step for event in progress)
    assert {event.total for event in progress} == {100}
    assert progress[-1].note == "real + accepted synthetic pairs (4 of 4)"
    on_disk = json.loads((tmp_path / "out" / RESULTS).read_text())
    assert on_disk == {key: value for key, value in result.items() if key != "folder"}


def test_predictions_on_disk_are_those_that_were_scored(project, tmp_path):
    result = run(project, SETTINGS.replace(arms=("real",)), folder=tmp_path)[-1].result
    folder = tmp_path / "predictions" / "real"
    predicted = read_labels(folder / "disc2_labels.ome.tif")
    truth = disc(2).labels
    hits = np.count_nonzero(predicted & truth)
    assert 2 * hits / (predicted.sum() + truth.sum()) == pytest.approx(
        result["arms"]["real"]["per_image"]["disc2"]["dice"]
    )
    assert read_pair(folder / "disc2.ome.tif").source.provenance["predicted_by"] == "real"
    errors = decode_png((folder / "disc2_errors.png").read_bytes())
    assert ((errors == (255, 0, 255)).all(-1) == (predicted > truth)).all()
    assert ((errors == (0, 255, 255)).all(-1) == (truth > predicted)).all()
    again = load_segmenter(tmp_path / "segmenters" / "real", "cpu")
    assert np.array_equal(again.predict(disc(2).image)[0], predicted)


def test_finished_arms_survive_a_stop_and_are_not_repeated(project, tmp_path):
    control, events = Control(), []
    for event in segment(project, SETTINGS, control, tmp_path):
        events.append(event)
        if isinstance(event, Added):
            control.cancel()
    assert events[-1].reason == "canceled"
    assert list(events[-1].result["arms"]) == ["real"]
    before = (tmp_path / RESULTS).read_bytes()
    weights = tmp_path / "segmenters" / "real" / "segmenter.safetensors"
    written = weights.stat().st_mtime_ns

    events = run(project, folder=tmp_path)
    assert events[-1].reason == "completed"
    assert list(events[-1].result["arms"]) == ["real", "classical", "curated"]
    assert events[-1].result["arms"]["real"] == json.loads(before)["arms"]["real"]
    assert weights.stat().st_mtime_ns == written


def test_other_data_or_settings_make_an_arm_anew(project, tmp_path):
    both = SETTINGS.replace(arms=("real", "curated"))
    run(project, both, folder=tmp_path)
    with SampleStore(project.samples_path) as store:
        store.decide(store.ids("new")[:1], "accepted")
    added = [event.ids[0] for event in run(project, both, folder=tmp_path) if isinstance(event, Added)]
    assert added == ["curated"]
    added = [event.ids[0] for event in run(project, both.replace(steps=3), folder=tmp_path) if isinstance(event, Added)]
    assert added == ["real", "curated"]


def test_a_damaged_results_file_is_no_obstacle(project, tmp_path):
    (tmp_path / RESULTS).write_text('{"arms": {"real": ')
    assert run(project, SETTINGS.replace(arms=("real",), steps=2), folder=tmp_path)[-1].reason == "completed"


def test_same_seed_same_result(project, tmp_path):
    short = SETTINGS.replace(arms=("curated",), steps=4)
    one, two = (run(project, short, folder=tmp_path / name)[-1].result["arms"]["curated"] for name in "ab")
    assert one["per_image"] == two["per_image"]


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
    with SampleStore(project.samples_path) as store:
        store.decide([store.add(disc(999, kind="instances"))], "accepted")
    texts = [
        event.text
        for event in run(project, SETTINGS.replace(arms=("curated",), steps=4), folder=tmp_path)
        if isinstance(event, Warned)
    ]
    assert len(texts) == 2
    assert texts[0].startswith("1 synthetic pair ")
    assert "only 3 accepted synthetic pairs" in texts[1]


def arm(values, **more):
    return {
        "dice": float(np.mean(values)),
        "per_image": {str(index): {"dice": value} for index, value in enumerate(values)},
        **more,
    }


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ([0.5] * 6, [0.6, 0.61, 0.62, 0.6, 0.61, 0.62], ["rose from 0.500 to 0.610 (+0.110) on 6", "better on 6"]),
        ([0.5] * 6, [0.4, 0.6, 0.45, 0.56, 0.52, 0.5], ["rose from", "better on 3", "this may be chance"]),
        ([0.5] * 6, [0.4] * 6, ["fell from 0.500 to 0.400 (-0.100)", "better on 0"]),
        ([0.5] * 6, [0.5] * 6, ["stayed at 0.500"]),
        ([0.5] * 2, [0.6, 0.7], ["+0.100 to +0.200", "So few images tell little"]),
    ],
)
def test_sentence_is_honest(before, after, words):
    text = gain_sentence({"real": arm(before), "curated": arm(after, synthetic=40)})
    assert text.startswith("With 40 accepted synthetic pairs Dice ")
    for word in words:
        assert word in text
    assert ("chance" in text) == ("this may be chance" in words)


def test_sentence_names_the_rival_and_waits_for_two_arms():
    arms = {"real": arm([0.5]), "classical": arm([0.7]), "curated": arm([0.6], synthetic=4)}
    assert gain_sentence(arms).endswith("Classical augmentation alone gave 0.700.")
    assert gain_sentence({"real": arm([0.5])}) == ""
