"""A saved StarDist opened by the official package; needs TensorFlow (``tox -e stardist-official``)."""

import importlib.util
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from napari_organoid_synth.core.job import Control
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters import stardist as module
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.stardist import StarDist
from napari_organoid_synth.core.segmentation.segmenters.stardist_config import StarDistConfig

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("tensorflow") is None, reason="needs TensorFlow"),
    pytest.mark.filterwarnings("ignore"),  # those of TensorFlow
]


def official(folder: Path):
    from stardist.models import StarDist2D

    return StarDist2D(None, folder.name, str(folder.parent))


def normalised(image: np.ndarray) -> np.ndarray:
    """An image (C, Y, X) as people of stardist normalise it, (Y, X, C), and outliers limited as ours are."""
    from csbdeep.utils import normalize

    return normalize(image.transpose(1, 2, 0), 1, 99.8, axis=(0, 1)).clip(-1, 4)


def nuclei(folder: Path, start: str, number: int) -> list[SamplePair]:
    pairs = []
    for file in sorted((folder / "nuclei_dsb2018" / "images").glob(f"{start}*.png"))[:number]:
        image, labels = iio.imread(file), iio.imread(folder / "nuclei_dsb2018" / "masks" / file.name)
        image = image[None] if image.ndim == 2 else image.transpose(2, 0, 1)
        pairs.append(SamplePair(file.stem, image, labels.astype(np.int32), "instances"))
    return pairs


def differences(ours: StarDist, theirs, pair: SamplePair) -> tuple[float, float]:
    """Largest difference of probability and of distance (px) where ours proposes a shape."""
    prob, shapes = ours._shapes(pair.image, 0.0)  # every point but two at the border
    their_prob, their_dist = theirs.predict(normalised(pair.image))
    rows, columns = (shapes.points // ours.config.grid).T
    inside = (rows < their_prob.shape[0]) & (columns < their_prob.shape[1])
    assert inside.mean() > 0.95
    assert len(rows) > 0.9 * their_prob.size
    height, width = their_prob.shape
    return (
        float(np.abs(prob[:height, :width] - their_prob).max()),
        float(np.abs(shapes.dist[inside] - their_dist[rows[inside], columns[inside]]).max()),
    )


@pytest.mark.parametrize(("grid", "depth", "kind"), [(1, 3, "fluo"), (2, 3, "hist"), (4, 2, "fluo"), (1, 4, "hist")])
def test_every_architecture_gives_the_same_maps(grid, depth, kind, tmp_path, shared_data):
    pair = nuclei(shared_data, kind, 2)[1]
    ours = StarDist(StarDistConfig(grid=grid, depth=depth), SegmentSpec(len(pair.image), "instances", ("n",)), "cpu", 1)
    for layer in ours.network.children():  # Keras begins with biases of 0; these must not hide behind that
        layer.bias.data.normal_(0, 0.1)
    ours.export(tmp_path / "model")
    theirs = official(tmp_path / "model")
    assert theirs.keras_model.count_params() == sum(one.numel() for one in ours.network.parameters())
    prob, dist = differences(ours, theirs, pair)
    assert prob < 1e-4
    assert dist < 1e-4


def test_a_trained_model_finds_the_same_nuclei(tmp_path, shared_data):
    from stardist.matching import matching

    pairs = nuclei(shared_data, "fluo", 12)
    config = StarDistConfig(grid=2, channels=16, tile=128, learning_rate=2e-3)
    ours = StarDist(config, SegmentSpec(1, "instances", ("nucleus",)), "cpu")
    list(ours.fit(CropPool(pairs[:3]), 300, Control()))
    ours.save(tmp_path)
    theirs = official(tmp_path / "stardist")
    assert [theirs.thresholds.prob, theirs.thresholds.nms] == ours.network.thresholds.tolist()
    worst, found = [], 0
    for pair in pairs:
        worst.append(differences(ours, theirs, pair))
        mine = ours.predict(pair.image)[0]
        other = theirs.predict_instances(normalised(pair.image))[0]
        found += other.max()
        assert matching(mine, other, thresh=0.99).accuracy == 1.0
        assert mine.max() == other.max()
    print("largest differences (probability, px):", np.max(worst, axis=0), "instances:", found)
    assert found > 100
    assert np.max(worst) < 1e-4


def test_both_learn_the_same_from_the_same_batches(tmp_path, shared_data, monkeypatch):
    """Loss, gradient and Adam: after three steps from the same weights on the same crops, the same weights."""
    monkeypatch.setattr(module, "has_bf16", lambda device: False)
    pool = CropPool(nuclei(shared_data, "fluo", 3))
    ours = StarDist(StarDistConfig(grid=2, channels=8, tile=64), SegmentSpec(1, "instances", ("n",)), "cpu")
    ours.export(tmp_path / "begin")
    theirs = official(tmp_path / "begin")
    begin = theirs.keras_model.get_weights()
    theirs.prepare_for_training()
    losses = []
    for step in range(3):
        image, prob, dist = ours._batch(pool, step, 64)
        target = prob[..., None], np.concatenate([dist, prob[..., None]], -1)
        theirs.keras_model.reset_metrics()
        losses.append(float(theirs.keras_model.train_on_batch(image.transpose(0, 2, 3, 1), target)[0]))
    mine = [ours._loss(*ours._send(*ours._batch(pool, 0, 64))).item()]
    assert mine == pytest.approx(losses[:1], rel=1e-5)
    list(ours.fit(pool, 3, Control()))
    ours.export(tmp_path / "end")
    end = official(tmp_path / "end").keras_model.get_weights()
    after = theirs.keras_model.get_weights()
    change, error = (
        np.concatenate([np.abs(one - two).ravel() for one, two in zip(weights, after, strict=True)])
        for weights in (begin, end)
    )
    print("change of a weight:", change.mean(), "difference, mean and largest:", error.mean(), error.max())
    assert change.mean() > 1e-4
    assert error.max() < 1e-6


def test_the_official_package_trains_it_further(tmp_path, shared_data):
    pair = nuclei(shared_data, "fluo", 1)[0]
    StarDist(StarDistConfig(channels=8, tile=64), SegmentSpec(1, "instances", ("n",)), "cpu").export(tmp_path / "model")
    theirs = official(tmp_path / "model")
    before = theirs.keras_model.get_weights()
    image, labels = normalised(pair.image)[..., 0], pair.labels
    theirs.config.train_tensorboard = False
    theirs.train([image], [labels], ([image], [labels]), epochs=1, steps_per_epoch=2)
    assert all((old != new).any() for old, new in zip(before, theirs.keras_model.get_weights(), strict=True))
