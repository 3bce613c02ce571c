"""Run once with Cellpose 3 and once with 4: ``tox -e cellpose3,cellpose4``."""

import importlib.metadata
import pickle
import sys

import numpy as np
import pytest
import tifffile
import torch

from napari_organoid_synth.core.codec.heatflow import encode
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Progress
from napari_organoid_synth.core.pairs.ome_tiff import read_image
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.pictures import flow_colours
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.agreement import average_precision
from napari_organoid_synth.core.segmentation.predict import predict
from napari_organoid_synth.core.segmentation.segmenters.base import DESCRIPTION, SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.cellpose import (
    Cellpose,
    flow_loss,
    installed_major,
    mean_diameter,
)
from napari_organoid_synth.core.segmentation.segmenters.cellpose_config import CellposeConfig
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.network_input import intensity_range, normalise
from napari_organoid_synth.core.segmentation.settings import PredictSettings

pytest.importorskip("cellpose", reason="cellpose is not installed", exc_type=ImportError)
MAJOR = installed_major()
only3 = pytest.mark.skipif(MAJOR != 3, reason="Cellpose 3 trains from random weights")
only4 = pytest.mark.skipif(MAJOR != 4, reason="of Cellpose 4")
EXACT = {"mkldnn": False} if MAJOR == 3 else {"use_bfloat16": False}
SMALL = CellposeConfig(tile=64, batch=1, rescale=False)
ONE = SegmentSpec(1, "instances", ("cell",))

if MAJOR == 4:
    try:
        import torchvision  # noqa: F401
    except RuntimeError:  # built for CUDA beside a torch that is not; none of its compiled operators is called here
        OPERATORS = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            OPERATORS.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def touching(seed: int = 0, side: int = 3, size: int = 64, channels: int = 1) -> SamplePair:
    """side × side cells that share borders, darker where they touch."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    pitch = size / side
    middle = (np.stack(np.mgrid[:side, :side], -1).reshape(-1, 2) + 0.5) * pitch
    middle += rng.uniform(-2, 2, middle.shape)
    far = np.hypot(y[..., None] - middle[:, 0], x[..., None] - middle[:, 1])
    near = np.sort(far, -1)
    labels = np.where(near[..., 0] < pitch * 0.56, far.argmin(-1) + 1, 0).astype(np.int32)
    image = 200 + 600 * (labels > 0) * np.clip((near[..., 1] - near[..., 0]) / 6, 0.4, 1)
    image = np.repeat(image[None], channels, 0) + rng.normal(0, 30, (channels, size, size))
    return SamplePair(f"t{seed}", image.clip(0).astype(np.uint16), labels, "instances", ("cell",))


@pytest.fixture
def small_sam(monkeypatch):
    """The network of Cellpose 4 with SAM's own encoder, two blocks deep instead of 24: 2 MB instead of 1.2 GB."""
    if MAJOR != 4:
        return
    from functools import partial
    from types import SimpleNamespace

    import cellpose.vit
    from segment_anything.modeling import ImageEncoderViT

    def build(_):
        norm = partial(torch.nn.LayerNorm, eps=1e-6)
        encoder = ImageEncoderViT(embed_dim=48, depth=2, num_heads=2, out_chans=32, use_rel_pos=True, norm_layer=norm)
        return SimpleNamespace(image_encoder=encoder)

    monkeypatch.setitem(cellpose.vit.sam_model_registry, "vit_l", build)


@pytest.fixture
def weights(tmp_path, small_sam) -> str:
    """A file as the library's own ``save_model`` writes it, with random weights."""
    file = tmp_path / "cells"
    made = Cellpose(SMALL.replace(weights="x"), ONE, "cpu", seed=7).network
    made.save_model(file)
    return str(file)


def config(weights: str, **changes) -> CellposeConfig:
    """Settings under which the installed major can begin."""
    return SMALL.replace(**({"weights": weights} if MAJOR == 4 else {}) | changes)


def fit(segmenter: Cellpose, pair: SamplePair, steps: int, seed: int = 0, **pool) -> list:
    return list(segmenter.fit(CropPool([pair], seed=seed, **pool), steps, Control()))


# --- both majors ---


def test_steps_are_counted_exactly(weights, monkeypatch):
    made = []
    step = torch.optim.AdamW.step
    monkeypatch.setattr(torch.optim.AdamW, "step", lambda self, *rest: made.append(1) or step(self, *rest))
    events = fit(Cellpose(config(weights), ONE, "cpu"), touching(), 3)
    assert len(made) == 3
    last = [event for event in events if isinstance(event, Progress)][-1]
    assert (last.step, last.total) == (3, 3)
    assert 0 < last.stats["loss"] < 50


def test_cancel_ends_after_the_step_it_is_in(weights):
    control, steps = Control(), []
    pool = CropPool([touching()])
    draw = pool.draw

    def counted(step, *rest, **more):
        steps.append(step)
        if step == 2:
            control.cancel()
        return draw(step, *rest, **more)

    pool.draw = counted  # type: ignore[method-assign]
    list(Cellpose(config(weights), ONE, "cpu").fit(pool, 50, control))
    assert steps == [0, 1, 2]


def test_a_seed_repeats_the_weights_and_leaves_chance_alone(weights):
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    trained = []
    for seed in (0, 0, 1):
        segmenter = Cellpose(config(weights), ONE, "cpu", seed)
        fit(segmenter, touching(), 2, seed)
        trained.append(segmenter.network.state_dict())
    drawn = np.random.rand(), float(torch.rand(()))  # noqa: NPY002
    one, two, other = trained
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not all(torch.equal(one[key], other[key]) for key in one)
    np.random.seed(5)  # noqa: NPY002
    torch.manual_seed(5)
    assert drawn == (np.random.rand(), float(torch.rand(())))  # noqa: NPY002


def test_save_and_load_predict_the_same_without_the_file_of_weights(weights, tmp_path):
    segmenter = Cellpose(config(weights), ONE, "cpu")
    fit(segmenter, touching(), 1)
    segmenter.save(tmp_path / "saved")
    if MAJOR == 4:
        assert segmenter.facts["weights_sha256"] in (tmp_path / "saved" / DESCRIPTION).read_text()
    (tmp_path / "cells").unlink()
    again = load_segmenter(tmp_path / "saved", "cpu")
    image = touching(1).image
    (labels, probability, flow), (other_labels, other, _) = segmenter.predict(image), again.predict(image)
    assert np.array_equal(labels, other_labels)
    assert np.array_equal(probability, other)
    assert labels.dtype == np.int32
    assert probability.dtype == np.float32
    assert probability.shape == (1, 64, 64)
    assert probability.min() >= 0
    assert probability.max() <= 1
    assert flow.dtype == np.float32
    assert flow.shape == (2, 64, 64)


@pytest.mark.parametrize(("channels", "shape"), [(1, (1, 7)), (2, (40, 90)), (4, (70, 33))])
def test_predicts_any_size_and_channel_count(weights, channels, shape):
    segmenter = Cellpose(config(weights, rescale=True), SegmentSpec(channels, "binary", ("cell",)), "cpu")
    image = np.random.default_rng(0).integers(0, 255, (channels, *shape), np.uint8)
    labels, probability, flow = segmenter.predict(image)
    assert labels.shape == shape
    assert set(np.unique(labels)) <= {0, 1}
    assert probability.shape == (1, *shape)
    assert flow.shape == (2, *shape)
    with pytest.raises(UserError, match=f"expects {channels}"):
        segmenter.predict(image[:0])


def test_perfect_arrows_give_back_every_touching_cell(weights, monkeypatch):
    """The library's own test of arrows would drop them, see the module's docstring."""
    from cellpose import core

    pair = touching(2, side=6, size=128)
    field = encode(pair.labels)
    drawn = np.stack([5 * field[1], 5 * field[2], 20 * field[0]], -1)[None]
    monkeypatch.setattr(core, "run_net", lambda *_, **__: (drawn, None))
    labels, probability, flow = Cellpose(config(weights), ONE, "cpu").predict(pair.image)
    assert average_precision(pair.labels, labels, (0.9,)) == 1
    assert ((probability[0] > 0.5) == (pair.labels > 0)).all()
    np.testing.assert_array_equal(flow, np.float32(5 * field[1:]))


def test_the_flow_is_what_the_library_returns(weights, tmp_path):
    from cellpose.models import CellposeModel

    segmenter = Cellpose(config(weights), ONE, "cpu")
    if MAJOR == 4:
        segmenter.load_weights()
    segmenter.network.save_model(tmp_path / "mine")
    theirs = CellposeModel(pretrained_model=str(tmp_path / "mine"), device=torch.device("cpu"), **EXACT)
    image = touching(1).image
    seen = segmenter._channels(normalise(image, *intensity_range(image))[None])[0].transpose(1, 2, 0)
    how = {"bsize": 64, "channels": None, "rescale": 1.0} if MAJOR == 3 else {}
    _, flows, _ = theirs.eval(seen, normalize=False, channel_axis=-1, batch_size=1, compute_masks=False, **how)
    found = segmenter.predict(image)
    np.testing.assert_allclose(found.flow, flows[1], atol=1e-5)
    np.testing.assert_allclose(found.probability[0], 1 / (1 + np.exp(-flows[2])), atol=1e-5)


def test_the_colours_are_those_of_the_library():
    from cellpose.plot import dx_to_circ

    flow = 5 * encode(touching(0).labels)[1:]  # lengths 0 and 5, which the library finds by percentiles
    np.testing.assert_allclose(flow_colours(flow), dx_to_circ(flow), atol=1)


def test_the_flow_of_a_file_is_written_with_its_channels(weights, tmp_path):
    segmenter = Cellpose(config(weights), ONE, "cpu")
    segmenter.save(tmp_path / "saved")
    image = touching(1).image
    tifffile.imwrite(tmp_path / "a.tif", image[0])
    out = tmp_path / "out"
    wanted = {"segmenter": str(tmp_path / "saved"), "images": str(tmp_path / "a.tif"), "folder": str(out)}
    project = Project(tmp_path / "project")

    def run(**changes):
        return list(predict(project, PredictSettings(device="cpu", threads=1, **wanted, **changes), Control()))[
            -1
        ].result

    assert run()["images"] == 1
    assert run(flow=True)["images"] == 1  # it was missing
    assert run(flow=True)["done_before"] == 1
    flow, info = read_image(out / "a_flow.ome.tif")
    np.testing.assert_array_equal(flow, segmenter.predict(image).flow)
    assert info.channel_names == ("dy", "dx")
    assert sorted(path.name for path in out.glob("*.tif")) == ["a_flow.ome.tif", "a_labels.ome.tif"]


def test_the_loss_is_that_of_the_library():
    from cellpose.train import _loss_fn_seg

    rng = np.random.default_rng(0)
    target = np.concatenate([rng.integers(0, 2, (2, 1, 16, 16)), rng.normal(0, 1, (2, 2, 16, 16))], 1)
    drawn = torch.from_numpy(rng.normal(0, 2, (2, 3, 16, 16)).astype(np.float32))
    target = target.astype(np.float32)
    theirs = _loss_fn_seg(target if MAJOR == 3 else torch.from_numpy(target), drawn, torch.device("cpu"))
    assert float(flow_loss(drawn, torch.from_numpy(target))) == pytest.approx(float(theirs), rel=1e-6)


def test_the_network_learns_the_flows_of_the_library():
    """Ours times 5 is what the library trains with; on an object that touches no other the two are one."""
    from cellpose.dynamics import labels_to_flows

    y, x = np.mgrid[:48, :40]
    labels = ((y - 25) ** 2 / 15**2 + (x - 18) ** 2 / 10**2 < 1).astype(np.int32)
    _, cell, dy, dx = labels_to_flows([labels.copy()], device=torch.device("cpu"))[0][:4]
    ours = encode(labels)
    assert ((ours[0] > 0) == (cell > 0)).all()
    inside = np.hypot(dy, dx) > 0.5  # at the middle of the object the way is over
    assert inside.sum() >= labels.sum() - 1
    cosine = (ours[1] * dy + ours[2] * dx)[inside] / np.hypot(dy, dx)[inside]
    assert np.degrees(np.arccos(np.clip(np.median(cosine), -1, 1))) < 1
    assert np.mean(cosine > np.cos(np.radians(5))) > 0.97


def test_the_target_turns_with_the_image(weights):
    """At every angle the arrows of the crop are those of the crop's own labels."""
    segmenter = Cellpose(config(weights), ONE, "cpu")
    pair = touching(3, side=2, size=96)
    np.random.seed(0)  # noqa: NPY002
    image, target = segmenter._turned(np.float32(pair.labels > 0)[None, None], pair.labels[None], 96)
    assert ((image[0, 0] > 0.5) == (target[0, 0] > 0.5)).float().mean() > 0.99
    from scipy.ndimage import binary_erosion, label

    inside = binary_erosion(label(target[0, 0].numpy() > 0.5)[0] > 0, iterations=2)
    arrows = target[0, 1:].numpy()
    y, x = np.nonzero(inside)
    ahead = target[0, 0].numpy()[
        np.clip(np.rint(y + 3 * arrows[0, y, x]).astype(int), 0, 95),
        np.clip(np.rint(x + 3 * arrows[1, y, x]).astype(int), 0, 95),
    ]
    assert np.mean(ahead > 0.5) > 0.99  # arrows point inwards; turned the wrong way they would leave the cells


def test_files_that_are_no_weights_are_refused_in_words(weights, tmp_path):
    class Evil:
        def __reduce__(self):
            return (sys.exit, (3,))

    for name, content in (("evil", pickle.dumps({"W2": Evil()})), ("noise", b"\0" * 99)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match="nothing of it was run"):
            Cellpose(SMALL.replace(weights=str(tmp_path / name)), ONE, "cpu").load_weights()
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "other")
    with pytest.raises(UserError, match=f"another network.*weights of Cellpose {MAJOR}"):
        Cellpose(SMALL.replace(weights=str(tmp_path / "other")), ONE, "cpu").load_weights()
    state = torch.load(weights, weights_only=True)
    key = next(key for key in state if state[key].ndim == 4)
    torch.save(state | {key: state[key][:1]}, tmp_path / "shape")
    with pytest.raises(UserError, match=f"'{key}' is 1 × "):
        Cellpose(SMALL.replace(weights=str(tmp_path / "shape")), ONE, "cpu").load_weights()
    with pytest.raises(UserError, match="Cannot read"):
        Cellpose(SMALL.replace(weights=str(tmp_path / "none")), ONE, "cpu").load_weights()


def test_weights_of_the_library_are_taken_exactly(weights):
    segmenter = Cellpose(SMALL.replace(weights=weights), ONE, "cpu", seed=1)
    segmenter.load_weights()
    state = torch.load(weights, weights_only=True)
    assert all(torch.equal(value, state[key]) for key, value in segmenter.network.state_dict().items())


def test_published_weights_come_only_when_asked_for(weights, tmp_path, monkeypatch):
    from cellpose import models

    asked = []
    monkeypatch.setattr(models, "cache_model_path", lambda name: asked.append(name) or weights)
    if MAJOR == 3:
        fit(Cellpose(SMALL, ONE, "cpu"), touching(), 1)
    else:
        with pytest.raises(UserError, match="needs weights to start from"):
            fit(Cellpose(SMALL, ONE, "cpu"), touching(), 1)
    assert asked == []
    Cellpose(SMALL.replace(download=True), ONE, "cpu").load_weights()
    assert asked == [{3: "cyto3", 4: "cpsam_v2"}[MAJOR]]

    def offline(name):
        raise OSError("no route to host")

    monkeypatch.setattr(models, "cache_model_path", offline)
    with pytest.raises(UserError, match=r"no route to host.*Put the file into"):
        Cellpose(SMALL.replace(download=True), ONE, "cpu").load_weights()


def test_a_library_that_cannot_be_loaded_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, {3: "cellpose.resnet_torch", 4: "cellpose.vit"}[MAJOR], None)
    with pytest.raises(UserError, match=rf"Cellpose {MAJOR} is installed but cannot be loaded.*same index"):
        Cellpose(SMALL, ONE, "cpu")


def test_named_classes_are_refused():
    with pytest.raises(UserError, match="2 named classes"):
        Cellpose(SMALL, SegmentSpec(1, "classes", ("a", "b")), "cpu")


@pytest.mark.parametrize("found", [None, "2.3.2", "3.0.11", "4.0.1", "5.0"])
def test_a_library_that_is_missing_or_unknown_is_named(found, monkeypatch):
    def version(name):
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr("napari_organoid_synth.core.segmentation.segmenters.cellpose.version", version)
    with pytest.raises(UserError, match=f"{'not' if found is None else f'Cellpose {found} is'} installed.*pip install"):
        Cellpose(SMALL, ONE, "cpu")


@pytest.mark.parametrize(("found", "major"), [("3.1.1.3", 3), ("3.4", 3), ("4.2.1.1", 4)])
def test_the_installed_version_decides(found, major, monkeypatch):
    monkeypatch.setattr("napari_organoid_synth.core.segmentation.segmenters.cellpose.version", lambda _: found)
    assert installed_major() == major


def test_mean_diameter_is_that_of_the_library():
    from cellpose.utils import diameters

    images = [touching(seed, side).labels for seed, side in ((0, 3), (1, 5))]
    assert mean_diameter(images) == pytest.approx(np.mean([diameters(one)[0] for one in images]), rel=1e-6)
    assert mean_diameter([np.zeros((9, 9), np.int32)]) == 30


# --- major 3 ---


@only3
def test_learns_touching_cells_from_nothing():
    pair = touching()
    segmenter = Cellpose(SMALL, ONE, "cpu")
    fit(segmenter, pair, 60)
    labels = segmenter.predict(pair.image).labels
    assert average_precision(pair.labels, labels, (0.5,)) >= 0.8


@only3
def test_every_weight_moves_from_nothing():
    segmenter = Cellpose(SMALL, ONE, "cpu")
    before = {key: value.clone() for key, value in segmenter.network.named_parameters()}
    fit(segmenter, touching(), 2)
    still = [key for key, value in segmenter.network.named_parameters() if torch.equal(value, before[key])]
    assert still == ["diam_mean"]


@only3
def test_binary_masks_are_learned_as_connected_pieces():
    binary = touching().replace(mask_kind="binary")
    segmenter = Cellpose(SMALL, SegmentSpec(1, "binary", ("cell",)), "cpu")
    labels = np.zeros((9, 9), np.int32)
    labels[1:3, 1:3] = labels[5:8, 5:8] = 1
    assert segmenter._objects(labels).max() == 2
    assert len(fit(segmenter, binary.replace(labels=(binary.labels > 0).astype(np.int32)), 1)) >= 1


@only3
def test_rescaling_makes_objects_as_wide_as_the_network_wants():
    pair = touching(size=96)  # cells of about 33 px
    segmenter = Cellpose(SMALL.replace(rescale=True, tile=96), ONE, "cpu")
    fit(segmenter, pair.replace(labels=pair.labels * (pair.labels < 3)), 1)
    scale = segmenter._object_scale()
    assert scale == pytest.approx(mean_diameter([pair.labels * (pair.labels < 3)]) / 30)
    field = np.stack([np.float32(pair.labels > 0)] * 1)[None]
    image, _ = segmenter._turned(field, pair.labels[None], 96)
    assert image.shape == (1, 2, 96, 96)  # the empty second channel of Cellpose


@only3
def test_the_library_opens_what_was_trained_here(tmp_path):
    from cellpose.models import CellposeModel

    segmenter = Cellpose(SMALL, ONE, "cpu")
    fit(segmenter, touching(), 1)
    segmenter.network.save_model(tmp_path / "mine")
    theirs = CellposeModel(pretrained_model=str(tmp_path / "mine"), device=torch.device("cpu"), **EXACT)
    assert torch.equal(theirs.net.output[2].weight, segmenter.network.output[2].weight)
    assert theirs.diam_labels == pytest.approx(mean_diameter([touching().labels]))


# --- major 4 ---


@only4
def test_fine_tuning_lowers_the_loss(weights):
    segmenter = Cellpose(config(weights, learning_rate=1e-2), ONE, "cpu")
    losses = [event.stats["loss"] for event in fit(segmenter, touching(), 40) if isinstance(event, Progress)]
    assert losses[-1] < 0.7 * losses[0]
