import json

import numpy as np
import pytest

import adapting
from napari_organoid_synth.cli.answers import check
from napari_organoid_synth.core.adapt.adapt import adapt
from napari_organoid_synth.core.adapt.place import Place
from napari_organoid_synth.core.adapt.steps import SEGMENTER, Steps
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Progress, Started, Warned
from napari_organoid_synth.core.pairs.loading import drawn_classes, load_pairs
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.segmentation.segmenters import trust
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.command_config import CommandConfig
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    path = tmp_path_factory.mktemp("adapt")
    adapting.write_target(path / "target", range(10, 13))
    adapting.write_annotated(path / "annotated", range(20, 27))
    adapting.source(path / "here")
    return path


@pytest.fixture(scope="module")
def events(folders):
    return list(adapt(Project(folders / "here"), adapting.settings(folders / "target"), Control()))


@pytest.fixture(scope="module")
def made(events):
    return Project(events[-1].result["project"], make=False)


def samples(project: Project) -> dict:
    with SampleStore(project.samples_path) as store:
        return {id: store.pair(id) for id in sorted(store.ids())}


def depth(pair) -> float:
    """How much darker objects are."""
    inside = pair.labels > 0
    return pair.image[0][~inside].mean() - pair.image[0][inside].mean()


def test_pairs_in_the_look_of_the_target_lie_in_a_project_of_its_own(folders, events, made):
    assert isinstance(events[0], Started)
    result = events[-1].result
    assert made.path == folders / "here" / "adapted" / "target"
    assert (result["tones"], result["pairs"], result["measured"]) == ("inverted", 5, None)
    assert result["size_ratio"] == pytest.approx(adapting.RATIO, rel=0.12)
    assert [event.text for event in events if isinstance(event, Warned)] == result["found"]
    steps = [event.step for event in events if isinstance(event, Progress)]
    assert steps == sorted(steps)
    real = np.concatenate([pair.image.ravel() for pair in load_pairs(made)])
    for pair in samples(made).values():
        assert (pair.size, pair.image.dtype) == ((64, 64), np.uint8)
        assert depth(pair) > 0.5 * np.mean([depth(one) for one in load_pairs(made)])  # dark nuclei, as there
        assert abs(np.median(pair.image) - np.median(real)) < 40


def test_painted_pairs_say_that_they_were_adapted_from_what_to_what(folders, made):
    for name, pair in samples(made).items():
        assert name.startswith("adapted-")
        assert pair.source.kind == "synthetic"
        provenance = pair.source.provenance
        assert provenance["kind"] == "adapted"
        assert provenance["adapted"]["source"] == "here"
        assert provenance["adapted"]["target"] == [str(folders / "target")]
        assert provenance["adapted"]["inverted"] is True
        assert provenance["data"]


def test_kept_squares_are_marked_as_predicted_and_never_count_as_truth(made):
    table = PairTable.from_file(made.pairs_path)
    assert {entry.split for entry in table.matched} == {"train"}
    assert len(table.matched) == 6  # half of four in each of three
    for entry in table.matched:
        assert drawn_classes(entry, table.class_names) == ()
        assert entry.reason.startswith("nucleus predicted, not drawn")
        assert entry.group.startswith("there")


def test_predicted_squares_are_right(made):
    truth = {f"there{seed}": adapting.there(seed).labels for seed in range(10, 13)}
    scores = []
    for pair in load_pairs(made):
        name, y, x = pair.name.rsplit("_", 2)
        y, x = int(y[1:]), int(x[1:])
        drawn = truth[name][y : y + 64, x : x + 64] > 0
        scores.append(2 * (drawn & (pair.labels > 0)).sum() / (drawn.sum() + (pair.labels > 0).sum()))
    assert np.mean(scores) > 0.85


def test_the_same_command_again_repeats_nothing(folders, events, made):
    again = list(adapt(Project(folders / "here"), adapting.settings(folders / "target"), Control()))
    assert again[-1].result["project"] == str(made.path)
    assert again[-1].result["samples"] == events[-1].result["samples"]
    assert len(samples(made)) == 5
    other = adapting.settings(folders / "target", number=6)
    assert next(adapt(Project(folders / "here"), other, Control())).info["project"].endswith("target-2")


@pytest.mark.parametrize("title", ["learn to mark", "mark the target", "paint pairs"])
def test_a_stopped_adaptation_goes_on_where_it_was(title, folders, events, made, tmp_path):
    wanted = adapting.settings(folders / "target", folder=str(tmp_path / "made"))
    control, stopped = Control(), []
    for event in adapt(Project(folders / "here"), wanted, control):
        stopped.append(event)
        if isinstance(event, Progress) and f": {title}, " in f"{event.note}, " and event.step % 1000:
            control.cancel()
    assert stopped[-1].reason == "canceled"
    match = (tmp_path / "made" / "steps" / "match.json").stat().st_mtime_ns
    last = list(adapt(Project(folders / "here"), wanted, Control()))[-1]
    assert last.reason == "completed"
    assert (tmp_path / "made" / "steps" / "match.json").stat().st_mtime_ns == match
    for before, after in zip(samples(made).values(), samples(Project(tmp_path / "made")).values(), strict=True):
        assert np.array_equal(before.image, after.image)
        assert np.array_equal(before.labels, after.labels)


def test_with_test_images_each_kind_of_pairs_is_measured_beside_annotating_three(folders, tmp_path):
    wanted = adapting.settings(
        folders / "target", test=str(folders / "annotated"), folder=str(tmp_path / "made"), number=2
    )
    events = list(adapt(Project(folders / "here"), wanted, Control()))
    measured = events[-1].result["measured"]
    means = {row["kind"]: row["mean"] for row in measured["rows"]}
    assert list(means) == ["source", "matched", "predicted", "adapted", "annotated"]
    assert means["source"] < 0.4 < 0.75 < means["matched"]  # tones are upside down
    assert measured["rival"] == "matched"
    assert (measured["images"], measured["rows"][-1]["pairs"]) == (4, 3)
    assert measured["sentences"][-1].startswith("Each training was done once: a quick look")
    table = PairTable.from_file(tmp_path / "made" / "pairs.json")
    assert len(table.test) == 7
    assert all(drawn_classes(entry, table.class_names) == ("nucleus",) for entry in table.test)


def test_test_images_among_the_unlabelled_ones_are_left_out(folders, tmp_path):
    adapting.write_target(tmp_path / "target", range(10, 12))
    adapting.write_target(tmp_path / "target", range(20, 21))
    control = Control()
    wanted = adapting.settings(tmp_path / "target", test=str(folders / "annotated"), folder=str(tmp_path / "made"))
    for event in adapt(Project(folders / "here"), wanted, control):
        if isinstance(event, Progress) and "learn to mark" in event.note:
            control.cancel()
    noted = json.loads((tmp_path / "made" / "steps" / "match.json").read_text())
    assert noted["images"] == ["there10", "there11"]
    assert "1 image of the target left out, to be tested: there20" in noted["sentences"][-1]


def test_nothing_sure_is_an_error_that_says_what_to_do(folders, tmp_path):
    wanted = adapting.settings(folders / "target", steps=1, floor=1, folder=str(tmp_path / "made"))
    with pytest.raises(UserError, match="sure of no object"):
        list(adapt(Project(folders / "here"), wanted, Control()))


def test_no_target_and_another_use_of_a_folder_are_refused(folders, tmp_path):
    with pytest.raises(UserError, match="No images of the target"):
        next(adapt(Project(folders / "here"), adapting.settings(folders / "target").replace(target=()), Control()))
    wanted = adapting.settings(folders / "target", folder=str(tmp_path / "made"))
    next(adapt(Project(folders / "here"), wanted, Control()))
    with pytest.raises(UserError, match="begun with other settings"):
        next(adapt(Project(folders / "here"), wanted.replace(keep=0.9), Control()))


def test_a_folder_without_images_is_answered_without_options_of_another_command(folders, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"There is no image in .*empty") as caught:
        list(adapt(Project(folders / "here"), adapting.settings(tmp_path / "empty"), Control()))
    assert caught.value.todo == "Choose another folder, or other files."


def test_a_command_in_a_project_of_somebody_else_is_not_run(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(trust, "_file", lambda: tmp_path / "trusted.json")
    project, wanted = Project(folders / "here"), adapting.settings(folders / "target", folder=str(tmp_path / "made"))
    place = Place.of(project, wanted)
    steps = Steps(project, place, wanted, Control())
    list(steps.match())
    command = CommandConfig(
        fit=("cp", "-r", "{data}", "{model}"), predict=("touch", str(tmp_path / "ran"), "{model}", "{images}", "{out}")
    )
    stranger = SEGMENTERS.load("command")(command, SegmentSpec(1, "binary", ("nucleus",)), "cpu", 0)
    list(stranger.fit(CropPool(load_pairs(project)), 1, Control()))
    stranger.save(place.path / SEGMENTER)
    with pytest.raises(UserError, match="was not trained here"):
        list(steps.predict())
    assert not (tmp_path / "ran").exists()


def test_a_generator_that_paints_nothing_is_refused(folders):
    with pytest.raises(UserError, match="Stylegan paints onto no masks"):
        adapting.settings(folders / "target", painter="stylegan")


def test_the_command_line_answers_in_json_and_in_words(call, folders, events, made):
    file = folders / "adapt.yaml"
    adapting.settings(folders / "target").to_file(file)
    code, out, _ = call("adapt", folders / "here", "--recipe", file, "--target", folders / "target", "--json")
    values = check(out)
    assert code == 0
    assert (values["kept"], values["pairs"], values["tones"]) == (6, 5, "inverted")
    code, out, _ = call("adapt", folders / "here", "--recipe", file)
    assert code == 0
    assert "Tones are inverted" in out
    assert str(made.path) in out
