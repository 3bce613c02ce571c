import numpy as np
import pytest

import adapting
from napari_organoid_synth.cli.answers import check
from napari_organoid_synth.core.adapt.sizes import diameters
from napari_organoid_synth.core.adapt.sketch import sketch
from napari_organoid_synth.core.adapt.sketch_settings import ObjectSettings, SketchSettings
from napari_organoid_synth.core.adapt.sketches import draw_objects, objects_are_bright, share_on_side, threshold
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Finished, Warned
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore

FLOW = {"name": "flow_joint", "channels": 8, "max_channels": 8, "sampling_steps": 4, "least_time": 0.2}


def settings(folder, **changes) -> SketchSettings:
    values = {
        "images": (str(folder),),
        "objects": {"mask_kind": "binary", "count": (20, 30), "radius": (8, 11)},
        "painter": FLOW,
        "painter_steps": 3,
        "number": 5,
        "size": 64,
        "segmenter": adapting.SMALL.model_dump(),
        "steps": 30,
        "floor": 15,
        "repeats": 1,
        "device": "cpu",
        "threads": 1,
    }
    return SketchSettings.parse(values | changes)


def test_objects_have_the_sizes_and_numbers_that_were_asked_for():
    wanted = ObjectSettings(count=(30, 30), radius=(10, 12), clustering=0.0, roughness=0.0, overlap=0.0)
    labels = draw_objects(wanted, 256, 0)
    found = diameters(labels, "instances")
    assert 20 <= len(found) <= 36
    assert np.median(found) == pytest.approx(22, abs=2)
    assert np.array_equal(labels, draw_objects(wanted, 256, 0))
    assert not np.array_equal(labels, draw_objects(wanted, 256, 1))


def test_the_side_of_the_background_on_which_objects_lie_is_found():
    bright, dark = ([one(seed).image for seed in range(3)] for one in (adapting.here, adapting.there))
    assert objects_are_bright(bright, 8)
    assert not objects_are_bright(dark, 12)
    assert not objects_are_bright([255 - image for image in bright], 8)


def test_threshold_segmentation_finds_separate_objects_on_either_side():
    for pair, bright in ((adapting.here(0), True), (adapting.there(0), False)):
        found = threshold(pair.image, bright, "binary")
        truth = pair.labels > 0
        assert 2 * (truth & (found > 0)).sum() / (truth.sum() + (found > 0).sum()) > 0.7
    assert threshold(adapting.here(0).image, True, "instances").max() > 3


def test_swapped_tones_are_seen():
    pairs = [adapting.here(seed) for seed in range(4)]
    assert share_on_side(pairs, True) == 1
    assert share_on_side(pairs, False) == 0
    swapped = [pair.replace(image=255 - pair.image) for pair in pairs[:1]]
    assert share_on_side([*swapped, *pairs[1:]], True) == 0.75


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    path = tmp_path_factory.mktemp("sketch")
    adapting.write_target(path / "images", range(10, 13))
    adapting.write_annotated(path / "annotated", range(20, 24))
    project = Project(path / "project")
    wanted = settings(path / "images", test=str(path / "annotated"))
    return project, wanted, list(sketch(project, wanted, Control()))


def test_pairs_from_images_alone_are_samples_of_the_project(made):
    project, _, events = made
    result = events[-1].result
    assert (result["objects"], result["pairs"], result["tries"]) == ("dark", 5, 1)
    assert result["on_side"] >= 0.8
    assert "darker" in next(event.text for event in events if isinstance(event, Warned))
    with SampleStore(project.samples_path) as store:
        pairs = [store.pair(id) for id in store.ids()]
    for pair in pairs:
        assert (pair.size, pair.image.dtype, pair.mask_kind) == ((64, 64), np.uint8, "binary")
        assert pair.source.provenance["kind"] == "sketched"
        assert pair.source.provenance["mask"]["objects"]["radius"] == [8, 11]
    assert share_on_side(pairs, False) == result["on_side"]
    assert all(not pair.labels.any() for pair in load_pairs(project, images_alone=True))  # nothing was drawn


def test_a_segmenter_of_sketches_alone_is_measured_beside_a_threshold(made):
    measured = made[2][-1].result["measured"]
    means = {row["kind"]: row["mean"] for row in measured["rows"]}
    assert list(means) == ["threshold", "sketched"]
    assert means["threshold"] > 0.7
    assert (measured["rival"], measured["images"]) == ("threshold", 4)


def test_the_same_again_repeats_nothing(made):
    project, wanted, events = made
    again = list(sketch(project, wanted, Control()))
    assert again[-1].result["samples"] == events[-1].result["samples"]
    assert again[-1].result["seconds"]["learn to paint"] < 1


def test_a_painter_that_does_not_keep_tones_is_trained_again_and_then_refused(made, tmp_path):
    images = made[1].images[0]
    small = {"name": "cyclegan", "generator_channels": 8, "discriminator_channels": 8, "blocks": 1}
    wanted = settings(images, painter=small, painter_steps=1)
    events = list[object]()
    with pytest.raises(UserError, match="swapped dark and bright with 2 seeds"):
        events.extend(sketch(Project(tmp_path / "project"), wanted, Control()))
    assert sum("swaps tones" in event.text for event in events if isinstance(event, Warned)) == 2
    assert not any(isinstance(event, Finished) for event in events)


def test_generators_that_need_pairs_and_odd_objects_are_refused():
    with pytest.raises(UserError, match="pix2pix learns from pairs"):
        SketchSettings(painter={"name": "pix2pix"})
    with pytest.raises(UserError, match="radius goes from 9"):
        ObjectSettings(radius=(9, 8))


def test_the_command_line_makes_the_project(call, made, tmp_path):
    file = tmp_path / "sketch.yaml"
    settings(made[1].images[0], number=2).to_file(file)
    code, out, _ = call("sketch", tmp_path / "new", "--recipe", file, "--images", made[1].images[0], "--json")
    assert code == 0
    assert check(out)["pairs"] == 2
    code, out, _ = call("sketch", tmp_path / "new", "--recipe", file)
    assert code == 0
    assert "Objects are dark, as in your images, in 100% of them." in out
