"""A trained segmenter applied to files: pixels, provenance, resuming, what is refused."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from imageio.v3 import imwrite

import terminal
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import ArmRecord, Design
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.storage import write_result
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.job import Added, Control, Finished, Progress, Started, Warned
from napari_organoid_synth.core.pairs.ome_tiff import read_image, read_labels, read_source
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.catalog import (
    TrainingNote,
    find_segmenter,
    list_segmenters,
    write_training_note,
)
from napari_organoid_synth.core.segmentation.measurements import read_rows
from napari_organoid_synth.core.segmentation.predict import enlarged, find_planes, predict
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.segmentation.settings import PredictSettings

CONFIG = UNetConfig(channels=8, depth=2, tile=64, batch=1)
OLD_RESULT = Path(__file__).parents[2] / "data" / "gain" / "20260101-000000-segment"
RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 255, (70, 93), np.uint8)
STACK = RNG.integers(0, 255, (3, 70, 93), np.uint8)


def keep(project: Project, name: str, scores: dict[str, float], kind="instances", fold="fold1", channels=1) -> None:
    """A comparison with a segmenter for each arm."""
    folder = project.path / "segment" / name
    GainSettings().to_file(folder / "gain.yaml")
    for seed, arm in enumerate(scores):
        segmenter = UNet(CONFIG, SegmentSpec(channels, kind, ("cell",)), "cpu", seed)
        segmenter.save(folder / "segmenters" / arm / fold)
        pair = SamplePair("seen", IMAGE[None], np.zeros(IMAGE.shape, np.int32))
        write_training_note(folder / "segmenters" / arm / fold, [pair], 1.0)
    records = [
        ArmRecord(arm=arm, per_image={"test": {"ap": score, "dice": 1 - score}}) for arm, score in scores.items()
    ]
    write_result(folder, summarise(records, Design(folds=(Fold(train=("seen",), test=("test",)),)), kind))


@pytest.fixture
def project(tmp_path):
    project = Project(tmp_path / "project")
    keep(project, "20260101-000000-gain", {"raw": 0.9})
    keep(project, "20260102-000000-gain", {"raw": 0.2, "classical+synthetic": 0.7, "classical": 0.5})
    return project


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    imwrite(folder / "a2.png", IMAGE)
    tifffile.imwrite(folder / "a10.tif", RNG.integers(0, 4000, (31, 200), np.uint16))
    return folder


def run(project, control=None, **settings):
    settings = {"device": "cpu", "threads": 1} | settings
    return list(predict(project, PredictSettings(**settings), control or Control()))


def test_the_best_arm_of_the_newest_comparison_is_the_default(project):
    assert find_segmenter(project).name == "20260102-000000-gain/classical+synthetic/fold1"
    assert [one.label for one in list_segmenters(project)] == [
        "classical+synthetic, fold 1 (0.700)", "classical, fold 1 (0.500)", "raw, fold 1 (0.200)",
        "raw, fold 1 (0.900)",
    ]  # fmt: skip
    for name in ("raw", "20260102-000000-gain/raw", "20260102-000000-gain/raw/fold1"):
        assert find_segmenter(project, name).path.parts[-4:] == ("20260102-000000-gain", "segmenters", "raw", "fold1")
    assert find_segmenter(project, "20260101-000000-gain/raw").score == 0.9
    by_path = find_segmenter(project, str(find_segmenter(project).path))
    assert by_path == find_segmenter(project)
    with pytest.raises(UserError, match=r"one of: classical\+synthetic, classical, raw"):
        find_segmenter(project, "curted")
    with pytest.raises(UserError, match="Measure the gain first"):
        find_segmenter(Project(project.path.parent / "other"))


def test_segmenters_of_an_earlier_version_are_found_by_both_names(tmp_path):
    project = Project(tmp_path / "project")
    folder = project.path / "segment" / "20260101-000000-segment"
    shutil.copytree(OLD_RESULT, folder)
    for arm in ("real", "classical", "curated"):
        UNet(CONFIG, SegmentSpec(1, "binary", ("object",)), "cpu").save(folder / "segmenters" / arm)
    assert [one.label for one in list_segmenters(project)] == [
        "raw+curated (0.950)", "raw (0.942)", "classical-tissue (0.934)",
    ]  # fmt: skip
    assert find_segmenter(project, "classical-tissue").path == folder / "segmenters" / "classical"
    for name in ("real", "raw", "20260101-000000-segment/real", "20260101-000000-segment/raw"):
        assert find_segmenter(project, name).path == folder / "segmenters" / "real"
    assert find_segmenter(project, "raw").training_note() == TrainingNote()


def test_files_hold_what_the_segmenter_says_and_what_made_them(project, images, tmp_path):
    events = run(project, images=str(images), folder=str(tmp_path / "out"), probability=True)
    assert isinstance(events[0], Started)
    assert events[0].info["total"] == 2
    assert [event.ids for event in events if isinstance(event, Added)] == [("a2",), ("a10",)]
    assert [event.step for event in events if isinstance(event, Progress)] == [1, 2]
    found = find_segmenter(project)
    expected, maps, _ = load_segmenter(found.path, "cpu").predict(IMAGE[None])
    path = tmp_path / "out" / "a2_labels.ome.tif"
    np.testing.assert_array_equal(read_labels(path), expected)
    kept, info = read_image(tmp_path / "out" / "a2_probability.ome.tif")
    np.testing.assert_array_equal(kept, maps)
    assert info.channel_names == ("cell", "outline")
    source = read_source(path)
    assert source.kind == "predicted"
    assert source.files == (str(images / "a2.png"),)
    assert source.provenance["image"] == content_hash(IMAGE[None])
    assert source.provenance["weights"] == found.digest
    assert source.provenance["config"] == CONFIG.model_dump(mode="json")
    result = events[-1].result
    assert (result["images"], result["done_before"], result["failed"]) == (2, 0, {})
    others = read_labels(tmp_path / "out" / "a10_labels.ome.tif")
    assert others.shape == (31, 200)
    assert result["objects"] == expected.max() + others.max()
    assert result["cover"] == pytest.approx(np.mean([(expected > 0).mean(), (others > 0).mean()]), abs=1e-4)
    (warned,) = (event.text for event in events if isinstance(event, Warned))
    assert warned.startswith("1 of 2 images were trained on (a2)")


def test_every_object_is_measured(project, images, tmp_path):
    out = tmp_path / "out"
    result = run(project, images=str(images), folder=str(out))[-1].result
    assert result["measurements"] == str(out / "measurements.csv")
    rows, labels = read_rows(out), read_labels(out / "a2_labels.ome.tif")
    assert list(rows) == ["a2", "a10"]
    areas = {int(row["object"]): int(row["area_px"]) for row in rows["a2"]}
    assert areas == {number: int((labels == number).sum()) for number in np.unique(labels[labels > 0])}
    first = rows["a2"][0]
    inside = labels == int(first["object"])
    assert float(first["mean_intensity"]) == pytest.approx(IMAGE[inside].mean(), rel=1e-5)
    (out / "measurements.csv").unlink()
    assert run(project, images=str(images), folder=str(out))[-1].result["images"] == 0
    assert read_rows(out) == rows  # measured again, not marked again


def test_what_is_done_is_not_done_again(project, images, tmp_path):
    where = {"images": str(images), "folder": str(tmp_path / "out")}
    run(project, **where)
    path = tmp_path / "out" / "a2_labels.ome.tif"
    before = path.stat().st_mtime_ns
    imwrite(images / "a3.png", IMAGE[:40])
    assert (lambda r: (r["images"], r["done_before"]))(run(project, **where)[-1].result) == (1, 2)
    assert path.stat().st_mtime_ns == before
    imwrite(images / "a2.png", 255 - IMAGE)  # other pixels
    assert run(project, **where)[-1].result["images"] == 1
    assert run(project, **where, segmenter="raw")[-1].result["images"] == 3  # another segmenter
    assert run(project, **where, segmenter="raw", probability=True)[-1].result["images"] == 3  # maps are missing


def test_maps_of_other_pixels_are_made_again(project, images, tmp_path):
    where = {"images": str(images / "a2.png"), "folder": str(tmp_path / "out")}
    run(project, **where, probability=True)
    imwrite(images / "a2.png", 255 - IMAGE)
    run(project, **where)  # the labels alone
    assert run(project, **where, probability=True)[-1].result["images"] == 1
    kept, _ = read_image(tmp_path / "out" / "a2_probability.ome.tif")
    expected = load_segmenter(find_segmenter(project).path, "cpu").predict(255 - IMAGE[None]).probability
    np.testing.assert_array_equal(kept, expected)


def test_a_flow_of_a_segmenter_without_is_refused_before_anything_is_marked(project, images, tmp_path):
    with pytest.raises(UserError, match=r"classical\+synthetic/fold1' has no flow\. Expected a Cellpose segmenter"):
        run(project, images=str(images), folder=str(tmp_path / "out"), flow=True)
    assert not (tmp_path / "out").exists()


def test_an_image_may_be_called_like_a_map(project, tmp_path):
    for name in ("chip_flow.ome.tif", "chip_probability.ome.tif"):
        tifffile.imwrite(tmp_path / name, IMAGE)
    assert [plane.name for plane in find_planes([str(tmp_path)])] == ["chip_flow", "chip_probability"]
    imwrite(tmp_path / "chip.png", IMAGE)
    with pytest.raises(UserError, match=r"chip_probability\.ome\.tif exists and is not a prediction"):
        run(project, images=str(tmp_path / "chip.png"), folder=str(tmp_path), probability=True)


def test_a_stop_keeps_whole_files_and_goes_on(project, images, tmp_path):
    control = Control()
    settings = PredictSettings(images=str(images), folder=str(tmp_path / "out"), device="cpu", threads=1)
    for event in predict(project, settings, control):
        if isinstance(event, Added):
            control.cancel()
    assert isinstance(event, Finished)
    assert event.reason == "canceled"
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a2_labels.ome.tif", "measurements.csv"]
    assert run(project, images=str(images), folder=str(tmp_path / "out"))[-1].result["done_before"] == 1


def test_an_image_that_does_not_fit_is_named_and_the_others_are_marked(project, images, tmp_path):
    imwrite(images / "b.png", RNG.integers(0, 255, (40, 40, 3), np.uint8))
    imwrite(images / "grey.png", np.stack([IMAGE] * 3, axis=-1))
    (images / "c.tif").write_bytes(b"II*\0")
    events = run(project, images=str(images), folder=str(tmp_path / "out"))
    assert set(events[-1].result["failed"]) == {"b", "c"}
    assert "images/b.png has 3 channels. The segmenter learned from images with 1 channel." in str(
        events[-1].result["failed"]["b"]
    )
    grey, plain = (read_labels(tmp_path / "out" / f"{name}_labels.ome.tif") for name in ("grey", "a2"))
    np.testing.assert_array_equal(grey, plain)
    with pytest.raises(UserError, match="3 channels"):
        run(project, images=str(images / "b.png"))
    both = r"None of the 2 images could be marked\. b: images/b\.png has 3 channels\..* c: "
    with pytest.raises(UserError, match=both):
        run(project, images=(str(images / "b.png"), str(images / "c.tif")))
    rgb = np.stack([RNG.integers(0, 255, (40, 40, 3), np.uint8)] * 2)
    imwrite(images / "d.tif", rgb, photometric="rgb")
    with pytest.raises(UserError, match="for the same reason") as error:  # of both slices
        run(project, images=str(images / "d.tif"))
    assert str(error.value).count("has 3 channels") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such files and names")
def test_odd_files_are_named_and_the_others_are_marked(project, images, tmp_path):
    os.mkfifo(images / "pipe.tif")
    (images / "loop.tif").symlink_to("loop.tif")
    (images / "cut.tif").write_bytes((images / "a10.tif").read_bytes()[:100])
    shutil.copy(images / "a10.tif", images / os.fsdecode(b"caf\xe9.tif"))
    events = run(project, images=(str(images),), folder=str(tmp_path / "out"))
    failed = events[-1].result["failed"]
    assert set(failed) == {"pipe", "loop", "cut", "caf\ufffd"}
    assert failed["pipe"] == f"{images / 'pipe.tif'} is a pipe. Expected a file."
    assert failed["caf\ufffd"].startswith("The name of ")
    assert events[-1].result["images"] == 2


def test_the_command_fails_where_an_image_failed_and_writes_the_others(project, images, tmp_path):
    imwrite(images / "b.png", RNG.integers(0, 255, (40, 40, 3), np.uint8))
    out = tmp_path / "out"
    arguments = ["--set", f"images={images}", "--set", f"folder={out}", "--set", "device=cpu", "--set", "threads=1"]
    done = terminal.run("predict", project.path, *arguments, "--json")
    said = terminal.result(done.out)
    files = [str(out / f"{name}_labels.ome.tif") for name in ("a2", "a10")]
    assert (done.code, said["files"], said["images"], list(said["failed"])) == (1, files, 2, ["b"])
    assert all(Path(file).exists() for file in files)
    assert said["error"]["found"].startswith("1 input failed; all others are done. b: ")
    assert "organoid-synth: 1 input failed; all others are done. b: " in done.err
    (images / "b.png").unlink()
    again = terminal.run("predict", project.path, *arguments, "--json")
    assert (again.code, terminal.result(again.out)["done_before"], terminal.result(again.out)["files"]) == (0, 2, files)


def test_a_stack_is_marked_slice_by_slice(project, tmp_path):
    tifffile.imwrite(tmp_path / "stack.tif", np.stack([IMAGE, 255 - IMAGE]), photometric="minisblack")
    run(project, images=str(tmp_path / "stack.tif"), folder=str(tmp_path / "out"))
    segmenter = load_segmenter(find_segmenter(project).path, "cpu")
    for page, image in (("001", IMAGE), ("002", 255 - IMAGE)):
        labels = read_labels(tmp_path / "out" / f"stack_z{page}_labels.ome.tif")
        np.testing.assert_array_equal(labels, segmenter.predict(image[None])[0])


def test_images_are_marked_at_the_scale_of_the_training(project, images, tmp_path):
    settings = {"images": str(images / "a2.png"), "folder": str(tmp_path / "out")}
    run(project, **settings, scale=0.5)
    small = SamplePair("a", IMAGE[None], np.zeros(IMAGE.shape, np.int32)).shrunk(0.5)
    expected = load_segmenter(find_segmenter(project).path, "cpu").predict(small.image)[0]
    labels = read_labels(tmp_path / "out" / "a2_labels.ome.tif")
    assert labels.shape == IMAGE.shape
    np.testing.assert_array_equal(labels, enlarged(expected, IMAGE.shape))
    write_training_note(find_segmenter(project).path, [], 0.5)
    assert run(project, **settings)[-1].result["done_before"] == 1


def test_our_own_files_and_those_of_others_are_safe(project, images, tmp_path):
    run(project, images=str(images), folder=str(images), probability=True)
    assert [plane.name for plane in find_planes([str(images)])] == ["a2", "a10"]
    (tmp_path / "out").mkdir()
    tifffile.imwrite(tmp_path / "out" / "a2_labels.ome.tif", IMAGE)
    with pytest.raises(UserError, match=r"not a prediction of images/a2\.png"):
        run(project, images=str(images / "a2.png"), folder=str(tmp_path / "out"))
    imwrite(images / "a10.png", IMAGE)
    assert [plane.name for plane in find_planes([str(images)])] == ["a2", "a10.png", "a10.tif"]
    with pytest.raises(UserError, match="There is no image"):
        run(project, images=str(tmp_path / "out"))


def labels_of(image, project):
    return load_segmenter(find_segmenter(project).path, "cpu").predict(image[None])[0]


@pytest.mark.parametrize("at_once", [True, False])
def test_files_of_one_name_from_two_folders_are_two_predictions(project, tmp_path, at_once):
    pixels = {"A1": IMAGE, "B2": 255 - IMAGE}
    for folder, image in pixels.items():
        (tmp_path / folder).mkdir()
        imwrite(tmp_path / folder / "img.png", image)
    folders, out = [str(tmp_path / folder) for folder in pixels], str(tmp_path / "out")
    for images in [folders] if at_once else folders:
        assert run(project, images=images, folder=out)[-1].result["failed"] == {}
    names = ["A1_img", "B2_img"] if at_once else ["img", "B2_img"]
    files = [*(f"{n}_labels.ome.tif" for n in names), "measurements.csv"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(files)
    assert set(read_rows(tmp_path / "out")) == set(names)
    for name, (folder, image) in zip(names, pixels.items(), strict=True):
        path = tmp_path / "out" / f"{name}_labels.ome.tif"
        np.testing.assert_array_equal(read_labels(path), labels_of(image, project))
        assert read_source(path).files == (str(tmp_path / folder / "img.png"),)
    again = folders if at_once else folders[1]
    assert run(project, images=again, folder=out)[-1].result["images"] == 0  # found under their names


@pytest.mark.parametrize(
    ("planes", "expected", "sentence"),
    [
        ("max", STACK.max(axis=0), "1 file is a stack: marked is the brightest of the slices of a stack (maximum)."),
        ("2", STACK[2], "1 file is a stack: slice 2, which is marked by itself; see planes for max, mean or channels."),
    ],
)
def test_a_stack_is_marked_as_asked_and_says_so(project, tmp_path, planes, expected, sentence):
    tifffile.imwrite(tmp_path / "stack.tif", STACK, photometric="minisblack")
    events = run(project, images=str(tmp_path / "stack.tif"), folder=str(tmp_path / "out"), planes=planes)
    (path,) = (tmp_path / "out").glob("*.tif")
    assert path.name == f"stack{'' if planes == 'max' else '_z003'}_labels.ome.tif"
    np.testing.assert_array_equal(read_labels(path), labels_of(expected, project))
    assert sentence in [event.text for event in events if isinstance(event, Warned)]


def test_colours_are_marked_as_grey_on_request(project, tmp_path):
    colours = np.stack([IMAGE, IMAGE[::-1], 255 - IMAGE], axis=-1)
    imwrite(tmp_path / "a.png", colours)
    with pytest.raises(UserError, match="or set channels to grey"):
        run(project, images=str(tmp_path / "a.png"), folder=str(tmp_path / "out"))
    run(project, images=str(tmp_path / "a.png"), folder=str(tmp_path / "out"), channels="grey")
    grey = np.rint(colours @ [299.0, 587.0, 114.0] / 1000).astype(np.uint8)
    np.testing.assert_array_equal(read_labels(tmp_path / "out" / "a_labels.ome.tif"), labels_of(grey, project))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (np.full((20, 20), np.nan, np.float32), "has 400 px that are not a number"),
        (np.where(np.eye(20) > 0, np.inf, 1.0), "has 20 px that are not a number"),
        (np.zeros((20, 20), np.complex64), "is complex64. Expected integers or floats."),
    ],
)
def test_pixels_that_are_not_numbers_are_refused(values, said, project, tmp_path):
    tifffile.imwrite(tmp_path / "odd.tif", values)
    with pytest.raises(UserError) as error:
        run(project, images=[str(tmp_path / "odd.tif")])
    assert said in str(error.value)
    assert "odd.tif" in error.value.found
