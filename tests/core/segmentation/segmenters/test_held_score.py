"""Every segmenter is scored on held-back parts while it learns, and ends at its plateau."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_organoid_synth.core.job import Control, Progress, Warned
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.segmentation.segmenters import plateau
from napari_organoid_synth.core.segmentation.segmenters.base import Segmenter, SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.cellpose_config import CellposeConfig
from napari_organoid_synth.core.segmentation.segmenters.config import SegmenterConfig
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.held_score import held_images, mean_dice, overlap
from napari_organoid_synth.core.segmentation.segmenters.multiscale_adversarial_config import MultiscaleAdversarialConfig
from napari_organoid_synth.core.segmentation.segmenters.stardist_config import StarDistConfig
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig

CONFIGS = [
    UNetConfig(channels=8, depth=2, tile=64, batch=1, learning_rate=5e-3),
    MultiscaleAdversarialConfig(width=4, side=64, learning_rate=3e-3, smallest=20, adversarial_weight=0.02),
    StarDistConfig(grid=2, channels=8, depth=2, tile=64, batch=1, learning_rate=5e-3),
    CellposeConfig(tile=64, batch=1, rescale=False),
]
every_segmenter = pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)


def made(config: SegmenterConfig, kind: str = "instances") -> Segmenter:
    if config.name == "cellpose":
        pytest.importorskip("cellpose.resnet_torch", reason="needs Cellpose 3, which is not for this Python")
    segmenter: Segmenter = SEGMENTERS.load(config.name)(config, SegmentSpec(1, kind, ("disc",)), "cpu", 0)
    return segmenter


@pytest.mark.parametrize("config", CONFIGS[:3], ids=lambda config: config.name)  # Cellpose takes minutes
def test_a_training_ends_at_its_plateau_and_the_curve_says_so(config, scene, monkeypatch):
    """Looks every 10 steps; the discs are learned in about a hundred steps, and rise by 0.02 a look until 300."""
    for name, value in {"LOOK": 10, "PATIENCE": 40, "DECAY": 20, "TOLERANCE": 0.05}.items():
        monkeypatch.setattr(plateau, name, value)
    segmenter = made(config)
    pool = CropPool([scene(0, kind="instances")], held=[scene(1, kind="instances")])
    events = list(segmenter.fit(pool, 400, Control(), floor=30))
    curve = segmenter.curve
    assert curve.at_plateau
    assert 30 < curve.taken < 400
    assert (curve.rise, curve.wanted) == (0, 0)
    assert curve.best > 0.6
    looks = {event.step: event.stats["held score"] for event in events if "held score" in getattr(event, "stats", {})}
    assert tuple(looks) == curve.steps
    assert tuple(looks.values()) == curve.scores
    assert {event.total for event in events if isinstance(event, Progress)} == {400}
    assert [event for event in events if isinstance(event, Warned)] == []


@every_segmenter
def test_the_last_score_is_that_of_the_weights_that_are_kept(config, scene, monkeypatch):
    monkeypatch.setattr(plateau, "LOOK", 8)
    segmenter = made(config)
    pool = CropPool([scene(0, kind="instances")], held=[scene(1, kind="instances")])
    list(segmenter.fit(pool, 12, Control()))
    assert segmenter.curve.steps == (8, 12)
    assert not segmenter.curve.at_plateau
    assert segmenter.curve.wanted > plateau.FLOOR
    segmenter.network.eval()
    size = {"multiscale_adversarial": "whole"}.get(config.name, "crop")
    held = held_images(pool, config.batch if size == "crop" else 1, 64, size == "whole")
    more = {"cellpose": (64,), "stardist": ()}.get(config.name, ((),))
    with torch.no_grad():
        assert segmenter._scored(*held, *more)() == pytest.approx(segmenter.curve.best, abs=1e-6)


@every_segmenter
def test_without_held_back_parts_all_steps_are_taken_and_nothing_is_claimed(config, scene):
    segmenter = made(config)
    list(segmenter.fit(CropPool([scene(0, kind="instances")]), 5, Control(), floor=2))
    assert segmenter.curve.taken == 5
    assert not segmenter.curve.watched
    assert not segmenter.curve.at_plateau


@every_segmenter
def test_looks_do_not_change_what_is_learned(config, scene, monkeypatch):
    monkeypatch.setattr(plateau, "LOOK", 4)
    weights = []
    for held in ((), (scene(1, kind="instances"),)):
        segmenter = made(config)
        more = {"floor": 7} if held else {}  # the weight of the adversary rises alike
        list(segmenter.fit(CropPool([scene(0, kind="instances")], held=held), 7, Control(), **more))
        state = {key: value for key, value in segmenter.network.state_dict().items() if key != "thresholds"}
        weights.append(torch.cat([one.flatten().double() for one in state.values()]))
    assert torch.equal(*weights)


@pytest.mark.parametrize(("name", "elastic"), [("stardist", True), ("cellpose", False)])
def test_the_augmentation_of_tissue_bends_for_stardist_and_not_for_cellpose(name, elastic, scene, monkeypatch):
    seen, draw = [], CropPool.draw
    monkeypatch.setattr(CropPool, "draw", lambda *given, **more: seen.append(more["elastic"]) or draw(*given, **more))
    config = next(config for config in CONFIGS if config.name == name)
    list(made(config).fit(CropPool([scene(0, kind="instances")], augment="tissue"), 1, Control()))
    assert seen == [elastic]


def test_settings_of_earlier_versions_are_read():
    assert StarDistConfig.parse({"name": "stardist", "patience": 40, "rays": 16}) == StarDistConfig(rays=16)
    assert UNetConfig.parse({"name": "unet", "whole": True}).sees_whole
    assert MultiscaleAdversarialConfig.parse({"width": 60, "turn": False, "hard": "^d7"}).sees_whole
    assert not StarDistConfig().sees_whole


def test_held_images_are_whole_or_crops(scene):
    pool = CropPool([scene(0)], held=[scene(seed, 96) for seed in range(1, 4)])
    assert held_images(CropPool([scene(0)]), 4, 64) is None
    images, labels = held_images(pool, 4, 32)
    assert images.shape == (16, 1, 32, 32)
    assert labels.shape == (16, 32, 32)
    images, labels = held_images(pool, 1, 48, whole=True)
    assert images.shape == (3, 1, 48, 48)
    assert np.array_equal(labels[0], scene(1, 96).labels[1::2, 1::2])


def test_mean_dice_by_hand():
    truth = torch.tensor([[0, 0, 1, 1], [0, 2, 2, 2]])
    found = torch.tensor([[0, 1, 1, 1], [0, 2, 0, 0]])
    assert mean_dice(found, truth, 4).item() == pytest.approx((2 * 2 / 5 + 2 * 1 / 4) / 2)
    nothing = torch.zeros(1, 4, dtype=torch.int64)
    assert mean_dice(torch.tensor([[0, 0, 0, 1]]), nothing, 2).item() == 0.75
    assert mean_dice(nothing, nothing, 2).item() == 1


def test_overlap_is_that_of_two_discs():
    y, x = np.mgrid[:64, :64]
    discs = [torch.from_numpy(((y - 32) ** 2 + (x - cx) ** 2 < 15**2).astype(np.float32)) for cx in (28, 36)]
    both, either = overlap(*discs).tolist()
    assert both == (discs[0].bool() & discs[1].bool()).sum()
    assert either == (discs[0].bool() | discs[1].bool()).sum()


@pytest.mark.parametrize("config", CONFIGS[:2], ids=lambda config: config.name)
def test_a_class_that_is_not_scored_has_no_part_in_the_held_score(config, scene, monkeypatch):
    """Dice of one class does not know whether the other pixels are background or of the other class."""
    monkeypatch.setattr(plateau, "LOOK", 4)
    pair = scene(1, kind="classes")
    erased = pair.replace(labels=np.where(pair.labels == 2, 0, pair.labels).astype(np.int32))

    def curve(held, scored):
        segmenter = SEGMENTERS.load(config.name)(config, SegmentSpec(1, "classes", pair.class_names), "cpu", 0)
        list(segmenter.fit(CropPool([scene(0, kind="classes")], held=[held], scored=scored), 8, Control()))
        return segmenter.curve.scores

    assert len(curve(pair, (1,))) == 2
    assert curve(erased, (1,)) == curve(pair, (1,))
    assert curve(pair, ()) != curve(pair, (1,))
