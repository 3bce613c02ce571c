"""Model packages of the zoo: what is written runs there, comes back, and what comes from there predicts."""

from __future__ import annotations

import io
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.core.segmentation.catalog import TrainedSegmenter, find_segmenter
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.simulators.simulate import em, tissue
from napari_organoid_synth.core.zoo.generators import discs, write_generator_package
from napari_organoid_synth.core.zoo.opening import open_package
from napari_organoid_synth.core.zoo.package import read_package, write_package
from napari_organoid_synth.core.zoo.segmenters import write_segmenter_package
from napari_organoid_synth.core.zoo.sharing import import_file, share
from small_models import SMALL

TERMS = ShareSettings(licence="CC-BY-4.0", authors="A. Lovelace; C. Babbage", name="EM, small", format="bioimage")
DAY = "2026-01-31"
pytestmark = [  # of the library: TorchScript is old, and it leaves packages open
    pytest.mark.filterwarnings(r"ignore:.torch\.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
with_zoo = pytest.mark.skipif(find_spec("bioimageio") is None, reason="bioimageio.core is not installed")


def make_run(folder: Path, name: str, pair: SamplePair) -> Run:
    recipe = Recipe.parse({"gan": name, "tiles": {"size": 64}, "train": {"device": "cpu", "threads": 1}})
    fields = {key: value for key, value in SMALL.items() if key in type(recipe.gan).model_fields}
    if name == "flow":
        fields |= {"sampling_steps": 2}
    recipe = recipe.replace(gan=recipe.gan.replace(**fields))
    run = Run.create(folder / "runs" / f"20260101-000000-{name}", recipe, Codec.fit([pair]))
    generator = new_generator(recipe, run.spec)
    for network in generator.transferable().values():  # as if it had learned: an output of zeros proves nothing
        for weight in network.parameters():
            weight.data.add_(0.02)
    run.save(generator, 10, kernel_distance=0.25)
    run.write_preview(10, pair.image[None, :, :64, :64], pair.labels[None, :64, :64])
    run.update_metadata(data={"secret name": "b" * 64})
    return run


def make_unet(folder: Path, channels: int = 1) -> TrainedSegmenter:
    pair = tissue(0, 64, n_cells=9).replace(mask_kind="binary", class_names=("cell",))
    pair = pair.replace(labels=(pair.labels > 0).astype(np.int32), image=np.repeat(pair.image, channels, 0))
    config = UNetConfig(channels=8, depth=2, tile=64, batch=2, learning_rate=1e-2)
    segmenter = UNet(config, SegmentSpec(channels, "binary", ("cell",)), "cpu")
    list(segmenter.fit(CropPool([pair]), 3, Control()))
    segmenter.save(folder)
    return TrainedSegmenter(folder)


def passes(path: Path) -> None:
    """Let the validator of the zoo load a package and compare its outputs with the tests in it."""
    from bioimageio.core import test_model

    summary = test_model(path, weight_format="torchscript")
    assert summary.status == "passed", summary.format()


def array(path: Path, name: str) -> np.ndarray:
    return np.load(io.BytesIO(read_package(path).read(name)))


@pytest.mark.parametrize("name", ["pix2pix", "cyclegan", "flow", "dcgan"])
def test_a_generator_in_a_package_draws_what_it_draws_here(name: str, tmp_path: Path) -> None:
    run, path = make_run(tmp_path, name, em(0, 64)), tmp_path / "model.zip"
    write_generator_package(run, path, TERMS, DAY)
    package = read_package(path)
    inputs = [one["id"] for one in package.rdf["inputs"]]
    assert inputs == {"pix2pix": ["mask"], "dcgan": ["noise"]}.get(name, ["mask", "noise"])
    script = torch.jit.load(io.BytesIO(package.read("weights.pt")))
    outputs = script(*(torch.from_numpy(array(path, f"{one}.npy")) for one in inputs))
    drawn = (outputs[0] if isinstance(outputs, tuple) else outputs).detach().numpy()
    native = run.codec.decode_image(drawn[0])
    image = array(path, "image.npy")
    np.testing.assert_allclose(native, image[0].clip(0, 255), atol=0.51)
    if name == "pix2pix":  # without noise, the same as here
        generator = new_generator(run.recipe, run.spec)
        run.load(generator)
        condition = torch.from_numpy(run.codec.encode_condition(discs(64, 2))[None])
        same = generator.sample(torch.Generator(), 1, condition, variety=0.0)
        np.testing.assert_allclose(drawn, same.numpy(), atol=1e-5)
    text = "".join(str(package.read(one)) for one in package.names)
    assert "secret" not in text


@with_zoo
@pytest.mark.parametrize("name", ["pix2pix", "cyclegan", "flow", "dcgan"])
def test_a_generator_passes_the_validator_of_the_zoo(name: str, tmp_path: Path) -> None:
    write_generator_package(make_run(tmp_path, name, em(0, 64)), tmp_path / "model.zip", TERMS, DAY)
    passes(tmp_path / "model.zip")


@with_zoo
@pytest.mark.parametrize("channels", [1, 2])
def test_a_unet_passes_the_validator_of_the_zoo(channels: int, tmp_path: Path) -> None:
    write_segmenter_package(make_unet(tmp_path / "unet", channels), tmp_path / "unet.zip", TERMS, DAY)
    passes(tmp_path / "unet.zip")


def test_a_generator_comes_back_as_the_run_that_it_was(tmp_path: Path) -> None:
    run, project = make_run(tmp_path / "one", "pix2pix", em(0, 64)), Project(tmp_path / "other")
    facts = share(Project(tmp_path / "one"), tmp_path / "model.zip", TERMS.replace(run=run.name))
    assert facts["name"] == "EM, small"
    answer = import_file(project, tmp_path / "model.zip")
    again = Run(project.run_path(answer["run"]))
    assert again.codec == run.codec
    expected, found = run.read()[1], again.read()[1]
    for key in found:
        assert torch.equal(found[key], expected[key]), key


def test_a_unet_comes_back_and_predicts_the_same(tmp_path: Path) -> None:
    trained, project = make_unet(tmp_path / "unet"), Project(tmp_path / "project")
    write_segmenter_package(trained, tmp_path / "unet.zip", TERMS, DAY)
    answer = import_file(project, tmp_path / "unet.zip")
    assert answer["run"] == ""
    image = tissue(1, 96, n_cells=9).image
    found = load_segmenter(find_segmenter(project, answer["segmenter"]).path, "cpu").predict(image)
    np.testing.assert_array_equal(found.labels, load_segmenter(trained.path, "cpu").predict(image).labels)


@with_zoo
def test_a_model_that_is_not_ours_predicts(tmp_path: Path) -> None:
    trained, project = make_unet(tmp_path / "unet"), Project(tmp_path / "project")
    write_segmenter_package(trained, tmp_path / "unet.zip", TERMS, DAY)
    package = read_package(tmp_path / "unet.zip")
    rdf = {key: value for key, value in package.rdf.items() if key not in ("attachments", "timestamp")}
    names = ("README.md", "cover.png", "weights.pt", "image.npy", "shares.npy")
    write_package(tmp_path / "foreign.zip", rdf, {name: package.read(name) for name in names}, DAY)
    answer = import_file(project, tmp_path / "foreign.zip")
    assert answer["generator"] == "zoo"
    model = load_segmenter(find_segmenter(project, answer["segmenter"]).path, "cpu")
    assert model.spec == SegmentSpec(1, "classes", ("cell",))
    image = tissue(1, 101, n_cells=9).image
    found = model.predict(image)
    assert found.labels.shape == (101, 101)
    ours = load_segmenter(trained.path, "cpu")
    assert (found.labels == ours.predict(image).labels).mean() > 0.9  # whole instead of in windows
    assert len(find_segmenter(project).digest) == 12


def test_a_package_whose_weights_lie_elsewhere_is_refused_and_nothing_is_downloaded(tmp_path: Path) -> None:
    write_segmenter_package(make_unet(tmp_path / "unet"), tmp_path / "unet.zip", TERMS, DAY)
    package = read_package(tmp_path / "unet.zip")
    rdf = {key: value for key, value in package.rdf.items() if key not in ("attachments", "timestamp")}
    rdf["weights"]["torchscript"]["source"] = "https://example.org/weights.pt"
    write_package(tmp_path / "linked.zip", rdf, {"README.md": package.read("README.md")}, DAY)
    with pytest.raises(UserError, match=r"does not hold its weights, but names https://example\.org/weights\.pt"):
        import_file(Project(tmp_path / "project"), tmp_path / "linked.zip")
    assert not list((tmp_path / "project").glob("segment/*"))


def test_what_cannot_be_a_package_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path, "pix2pix", em(0, 64))
    for settings, words in ((TERMS.replace(authors=""), "No author"), (TERMS.replace(licence=""), "No licence")):
        with pytest.raises(UserError, match=words):
            write_generator_package(run, tmp_path / "model.zip", settings)
    with pytest.raises(UserError, match=r"ends with \.zip"):
        write_generator_package(run, tmp_path / "model.synth", TERMS)
    with pytest.raises(UserError, match=r"Expected format=bioimage"):
        share(Project(tmp_path), tmp_path / "x.zip", TERMS.replace(format="synth", segmenter="raw"))
    assert not list(tmp_path.glob("*.zip"))


def test_an_archive_that_is_no_model_is_refused(tmp_path: Path) -> None:
    path, project = tmp_path / "odd.zip", Project(tmp_path / "project")
    path.write_bytes(b"no archive")
    with pytest.raises(UserError, match="not a whole zip archive"):
        open_package(project, path)
    for members, words in (
        ({"rdf.yaml": b"type: dataset"}, "describes no model"),
        ({"../rdf.yaml": b"type: model"}, "Expected files inside it"),
        (
            {"rdf.yaml": b"{type: model, inputs: [], outputs: []}"},
            "something else than one",
        ),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in members.items():
                archive.writestr(name, data)
        with pytest.raises(UserError, match=words):
            open_package(project, path)
    assert not list((tmp_path / "project").glob("segment/*"))
    assert not list((tmp_path / "project").glob(".*.part"))
