import json
import sys
from io import BytesIO

import numpy as np
import pytest
import torch

pytest.importorskip("stardist")
h5py = pytest.importorskip("h5py")

# ruff: noqa: E402
from stardist.geometry import star_dist
from stardist.matching import matching
from stardist.utils import edt_prob

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.gain import segment
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.settings import SegmentSettings
from napari_organoid_synth.core.job import Control, Progress
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.split import split_table
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.segmenters import stardist as module
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec, load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.stardist import StarDist, star_loss, star_targets
from napari_organoid_synth.core.segmentation.segmenters.stardist_config import StarDistConfig
from napari_organoid_synth.core.segmentation.segmenters.stardist_export import keras_weights

SMALL = StarDistConfig(grid=2, channels=8, depth=2, tile=64, batch=2, learning_rate=1e-2)
CENTRES = ((20, 16), (20, 32), (20, 48), (44, 16), (44, 32), (44, 48))


def touching(size: int = 64, kind: str = "instances", channels: int = 1, seed: int = 0) -> SamplePair:
    """Six ellipses of 16 × 24 px, each touching its neighbours, on a noisy ground."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    bright = np.zeros((size, size))
    for value, (cy, cx) in enumerate(CENTRES, 1):
        far = ((y - cy) / 12) ** 2 + ((x - cx) / 8) ** 2
        labels[far <= 1] = value
        bright = np.maximum(bright, 1 - far)
    image = 200 + 800 * bright.clip(0) ** 0.5 + rng.normal(0, 10, labels.shape)
    if kind == "binary":
        labels = (labels > 0).astype(np.int32)
    return SamplePair(f"t{seed}", np.repeat(image[None], channels, 0).astype(np.uint16), labels, kind)


def made(config: StarDistConfig = SMALL, channels: int = 1, kind: str = "instances", seed: int = 0) -> StarDist:
    return StarDist(config, SegmentSpec(channels, kind, ("object",)), "cpu", seed)


@pytest.fixture(scope="module")
def trained() -> StarDist:
    stardist = made()
    list(stardist.fit(CropPool([touching()]), 250, Control()))  # it learns nothing in the first hundred
    return stardist


# --- targets and loss ---


def test_targets_are_those_of_stardist_whatever_the_ids():
    labels = touching().labels
    prob, dist = star_targets(labels, 32, 1)
    assert np.array_equal(prob, edt_prob(labels))
    assert np.allclose(dist, star_dist(labels, 32, mode="python"), atol=1e-5)
    many = np.where(labels == 3, 70_000 + 5, labels)  # stardist alone would wrap it to 4469
    for grid in (1, 2, 4):
        prob, dist = star_targets(many, 16, grid)
        assert np.array_equal(prob, edt_prob(labels[::grid, ::grid]))
        assert np.array_equal(dist, star_dist(labels, 16, grid=(grid, grid)))


def test_targets_of_a_disc_in_closed_form():
    y, x = np.mgrid[:65, :65]
    prob, dist = star_targets(((y - 32) ** 2 + (x - 32) ** 2 <= 20**2).astype(np.int32), 32, 1)
    assert prob[32, 32] == pytest.approx(1)
    assert prob[32, 42] == pytest.approx(0.5, abs=0.03)
    assert dist[32, 32] == pytest.approx(np.full(32, 20), abs=1)
    assert dist[32, 42, 0] == pytest.approx(20 - 10, abs=1)  # ray 0 points along x, ray 8 of 32 along y
    assert dist[32, 42, 8] == pytest.approx((20**2 - 10**2) ** 0.5, abs=1)
    assert dist[0, 0].tolist() == [0] * 32


def test_a_crop_within_one_object_has_targets_without_a_warning():
    prob, dist = star_targets(np.ones((9, 9), np.int32), 8, 1)
    assert prob[4, 4] == pytest.approx(1)
    assert prob[0, 0] == pytest.approx(1 / 5)
    assert dist[4, 4, 0] == pytest.approx(4.5)
    assert not star_targets(np.zeros((8, 8), np.int32), 8, 2)[0].any()


def test_loss_by_hand():
    # 2 × 2 pixels, 2 rays. p = target probability, d = true, f = found distances; the logit is 0, so BCE = ln 2.
    p = torch.tensor([[[1.0, 0.5], [0.0, 0.0]]])
    d = torch.tensor([[[[4.0, 6.0], [2.0, 2.0]], [[0.0, 0.0], [0.0, 0.0]]]])
    f = torch.tensor([[[[5.0, 9.0], [2.0, 0.0]], [[3.0, -1.0], [0.0, 0.0]]]])
    # abs(f - d), mean over rays: 2, 1, 2, 0; times p: 2, 0.5, 0, 0; mean 0.625; mean p = 0.375
    # abs(f), mean over rays: 7, 1, 2, 0; times 1 - p: 0, 0.5, 2, 0; mean 0.625
    expected = np.log(2) + 0.2 * (0.625 / 0.375 + 1e-4 * 0.625)
    loss = star_loss(torch.zeros(1, 1, 2, 2), f.permute(0, 3, 1, 2), p, d)
    assert loss.item() == pytest.approx(expected, rel=1e-6)


# --- network ---


@pytest.mark.parametrize(
    ("grid", "channels", "number"),  # as StarDist2D(Config2D(...)).keras_model.count_params() gives
    [(1, 1, 1_406_689), (1, 3, 1_407_265), (2, 1, 1_425_185), (2, 3, 1_425_761), (4, 1, 1_443_681)],
)
def test_as_many_weights_as_the_official_network(grid, channels, number):
    network = made(StarDistConfig(grid=grid), channels).network
    assert sum(weights.numel() for weights in network.parameters()) == number
    # 3 × 3 convolutions c → k have 9ck + k weights
    down = [(channels, 32), (32, 32), (32, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 128)]
    up = [(256, 128), (128, 64), (128, 64), (64, 32), (64, 32), (32, 32), (32, 128)]
    if grid > 1:
        first = [(channels, 32), (32, 32)] + [(32, 32), (32, 32)] * (grid == 4)
        down = [*first, (32, 32), *down[1:]]
    assert sum(9 * c * k + k for c, k in down + up) + (128 + 1) * 33 == number


def test_glorot_weights_and_no_biases():
    network = made(StarDistConfig()).network
    weight = network.get_submodule("middle_0").weight  # 128 → 256
    limit = (6 / (9 * (128 + 256))) ** 0.5
    assert weight.abs().max().item() == pytest.approx(limit, rel=1e-3)
    assert weight.std().item() == pytest.approx(limit / 3**0.5, rel=0.01)
    assert not network.get_submodule("middle_0").bias.any()


@pytest.mark.parametrize(("grid", "depth"), [(1, 3), (2, 2)])
def test_windows_give_the_prediction_of_the_whole(grid, depth, monkeypatch):
    stardist = made(StarDistConfig(grid=grid, depth=depth, channels=8))
    image = np.random.default_rng(0).integers(0, 4000, (1, 200, 330), np.uint16)
    whole, shapes = stardist._shapes(image, 0.0)
    monkeypatch.setattr(module, "WINDOW", 32)
    parts, pieces = stardist._shapes(image, 0.0)
    assert parts.shape == whole.shape
    assert np.abs(parts - whole).max() < 1e-6
    assert np.array_equal(shapes.points, pieces.points)
    assert np.abs(shapes.dist - pieces.dist).max() < 1e-5


def test_a_window_sees_all_that_matters_and_no_less():
    """What a pixel depends on, by its gradient, lies within 7 units."""
    for grid in (1, 2):
        network = made(StarDistConfig(grid=grid, depth=3, channels=4)).network
        with torch.no_grad():
            for name, weights in network.named_parameters():
                weights.fill_(0.01 if name.endswith("weight") else 0.1)  # no ReLU is closed
        unit = 8 * grid
        image = torch.rand(1, 1, 24 * unit, 24 * unit, requires_grad=True)
        middle = 12 * unit // grid
        network(image)[0][0, 0, middle, middle].backward()
        rows = image.grad[0, 0].abs().sum(1).nonzero()
        reach = max(12 * unit - rows.min().item(), rows.max().item() - 12 * unit)
        assert 5 * unit < reach < 7 * unit


# --- training ---


def test_finds_six_touching_nuclei(trained):
    pair = touching()
    labels, probability, _ = trained.predict(pair.image)
    assert labels.dtype == np.int32
    assert probability.dtype == np.float32
    assert probability.shape == (1, 64, 64)
    assert 0 <= probability.min() <= probability.max() <= 1
    assert labels.max() == 6
    assert matching(pair.labels, labels, thresh=0.5).accuracy == 1.0
    other = touching(seed=5)  # other noise
    assert matching(other.labels, trained.predict(other.image)[0], thresh=0.5).accuracy == 1.0


def test_fitted_thresholds_are_at_least_as_good_as_the_usual_ones(trained):
    assert trained.network.thresholds.tolist() != pytest.approx([0.5, 0.4])
    pair = touching()
    _, shapes = trained._shapes(pair.image, 0.05)

    def accuracy(*thresholds: float) -> float:
        found = shapes.labels(*thresholds)
        return np.mean([matching(pair.labels, found, thresh=t).accuracy for t in (0.3, 0.5, 0.7)])

    assert accuracy(*trained.network.thresholds.tolist()) >= max(accuracy(0.5, 0.4), accuracy(0.3, 0.4))


def test_same_seed_same_bits_and_other_seed_other_ones():
    pairs = [touching(seed=seed) for seed in range(5)]
    states = []
    for seed in (0, 0, 1):
        stardist = made(seed=seed)
        list(stardist.fit(CropPool(pairs, augment=True, seed=seed), 4, Control()))
        states.append(stardist.network.state_dict())
    one, two, other = states
    assert all(torch.equal(one[key], two[key]) for key in one)
    assert not torch.equal(one["middle_0.weight"], other["middle_0.weight"])


def test_bf16_learns_like_float32(monkeypatch):
    monkeypatch.setattr("napari_organoid_synth.core.segmentation.segmenters.base.REPORT_SECONDS", 0)
    curves = []
    for bf16 in (False, True):
        monkeypatch.setattr(module, "has_bf16", lambda device, bf16=bf16: bf16)
        stardist = made(SMALL.replace(learning_rate=1e-3))
        curves.append([event.stats["loss"] for event in stardist.fit(CropPool([touching()]), 50, Control())])
    assert len(curves[0]) == 50
    assert curves[0][-1] < 0.8 * curves[0][0]
    assert np.mean(np.abs(np.divide(curves[1], curves[0]) - 1)) < 0.05


def test_every_weight_moves_and_progress_is_finite():
    stardist = made(channels=2)
    before = {key: value.clone() for key, value in stardist.network.named_parameters()}
    events = list(stardist.fit(CropPool([touching(channels=2)]), 3, Control()))
    assert (events[-1].step, events[-1].total) == (3, 3)
    assert all(isinstance(event, Progress) and 0 < event.stats["loss"] < 20 for event in events)
    assert [key for key, value in stardist.network.named_parameters() if torch.equal(value, before[key])] == []


def test_cancel_ends_between_steps():
    control = Control()
    control.cancel()
    stardist = made()
    assert list(stardist.fit(CropPool([touching()]), 5, control)) == []
    assert stardist.network.thresholds.tolist() == pytest.approx([0.5, 0.4])


def test_touching_objects_of_a_binary_mask_are_one_shape_and_come_back_as_a_mask():
    pair = touching(kind="binary")
    stardist = made(kind="binary")
    assert np.unique(stardist._objects(pair.labels)).tolist() == [0, 1]
    apart = np.zeros((20, 20), np.int32)
    apart[2:6, 2:6] = apart[10:16, 10:16] = 1
    assert np.unique(stardist._objects(apart)).tolist() == [0, 1, 2]
    list(stardist.fit(CropPool([pair]), 3, Control()))
    assert set(np.unique(stardist.predict(pair.image)[0])) <= {0, 1}


# --- pool ---


def test_crops_hold_objects_as_often_as_asked():
    labels = np.zeros((512, 512), np.int32)
    labels[500:508, 500:508] = 1  # 1 crop of 64 px in 1400 meets it
    pair = SamplePair("rare", labels[None].astype(np.uint8), labels, "instances")
    for share in (0.0, 0.9, 1.0):
        drawn = CropPool([pair]).draw(0, 100, 64, foreground=share)[1]
        assert drawn.any(axis=(1, 2)).mean() == pytest.approx(share, abs=0.08 if share < 1 else 0)
    empty = SamplePair("empty", pair.image, np.zeros_like(labels), "instances")
    assert not CropPool([empty]).draw(0, 2, 64, foreground=1.0)[1].any()


def test_augmentation_of_stardist_only_moves_pixels():
    labels = np.arange(1, 65 * 64 + 1, dtype=np.int32).reshape(65, 64)[:64]
    pair = SamplePair("ids", labels[None].astype(np.float32), labels, "instances")
    pool, seen = CropPool([pair], augment=True), set()
    for step in range(40):
        image, turned = (part[0] for part in pool.draw(step, 1, 64, elastic=False))
        assert np.array_equal(np.sort(turned, axis=None), labels.ravel())
        assert np.corrcoef(image.ravel(), turned.ravel())[0, 1] > 0.95  # brightness changes along a line, and noise
        seen.add(tuple(turned[0, :2]))
    assert len(seen) == 8


# --- files and errors ---


def test_save_and_load_predict_the_same(trained, tmp_path):
    trained.save(tmp_path)
    again = load_segmenter(tmp_path, "cpu")
    assert torch.equal(again.network.thresholds, trained.network.thresholds)
    image = touching(seed=2).image
    for one, two in zip(trained.predict(image), again.predict(image), strict=True):
        assert np.array_equal(one, two)


def test_the_model_folder_for_stardist(trained, tmp_path):
    trained.save(tmp_path)
    folder = tmp_path / "stardist"
    assert sorted(file.name for file in folder.iterdir()) == ["config.json", "thresholds.json", "weights_best.h5"]
    config = json.loads((folder / "config.json").read_text())
    assert (config["n_rays"], config["grid"], config["unet_n_depth"], config["unet_n_filter_base"]) == (
        32,
        [2, 2],
        2,
        8,
    )
    assert list(json.loads((folder / "thresholds.json").read_text()).values()) == trained.network.thresholds.tolist()
    with h5py.File(folder / "weights_best.h5") as file:
        names = [name.decode() for name in file.attrs["layer_names"]]
        assert names[:3] == ["conv2d", "conv2d_1", "down_level_0_no_0"]
        assert names[-5:] == ["up_level_0_no_0", "up_level_0_no_2", "features", "prob", "dist"]
        assert len(names) == 2 + 2 * 2 + 2 + 2 * 2 + 3
        layer = file["middle_0"]
        assert [name.decode() for name in layer.attrs["weight_names"]] == ["middle_0/kernel:0", "middle_0/bias:0"]
        kernel = layer["middle_0/kernel:0"][()]
        assert kernel.shape == (3, 3, 16, 32)
        weight = trained.network.get_submodule("middle_0").weight.detach().numpy()
        assert np.array_equal(kernel[0, 2, 5, 7], weight[7, 5, 0, 2])


def test_keras_layers_keep_their_order_though_hdf5_sorts_names():
    arrays = {name: (np.zeros((1, 1, 1, 1), np.float32), np.zeros(1, np.float32)) for name in ("z", "a", "m")}
    with h5py.File(BytesIO(keras_weights(arrays))) as file:
        assert [name.decode() for name in file.attrs["layer_names"]] == ["z", "a", "m"]


def test_every_arm_of_a_comparison_leaves_a_model_for_stardist(tmp_path):
    project = Project(tmp_path)
    for seed in range(3):
        pair = touching(seed=seed)
        add_pair(project, SamplePair(pair.name, pair.image, pair.labels), "instances")
    split_table(PairTable.from_file(project.pairs_path), ["t2"]).to_file(project.pairs_path)
    settings = SegmentSettings(segmenter=SMALL, arms=("raw", "classical-tissue"), steps=2, device="cpu", threads=1)
    result = GainResult.parse(list(segment(project, settings, Control(), tmp_path / "out"))[-1].result)
    assert list(result.arms) == ["raw", "classical-tissue"]
    for arm in result.arms:
        assert (tmp_path / "out" / "segmenters" / arm / "fold1" / "stardist" / "weights_best.h5").is_file()


@pytest.mark.parametrize("shape", [(40, 100), (1, 7), (65, 130)])
def test_predicts_any_size(trained, shape):
    labels, probability, _ = trained.predict(np.random.default_rng(0).integers(0, 255, (1, *shape), np.uint8))
    assert labels.shape == shape
    assert probability.shape == (1, *shape)
    assert np.isfinite(probability).all()


def test_an_empty_image_and_a_black_one_hold_nothing(trained):
    for value in (0, 255):
        assert trained.predict(np.full((1, 64, 64), value, np.uint8))[0].dtype == np.int32


@pytest.mark.parametrize("package", ["stardist", "h5py"])
def test_without_the_package_a_sentence_says_how_to_install_it(package, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r'pip install "napari-organoid-synth\[stardist\]"'):
        made()


def test_classes_and_other_channels_are_refused():
    with pytest.raises(UserError, match=r"The masks hold classes \(a, b\)"):
        StarDist(SMALL, SegmentSpec(1, "classes", ("a", "b")), "cpu")
    with pytest.raises(UserError, match="has 3 channels"):
        made().predict(np.zeros((3, 64, 64), np.uint8))
