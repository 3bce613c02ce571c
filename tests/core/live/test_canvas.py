"""Canvases: a change gives the bits of a new painting, all else stays, and a real image stays real elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_organoid_synth.core.boxes import box_of, changed_box, union, widened
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.base import build_generator
from napari_organoid_synth.core.generators.untrained import UntrainedPainter
from napari_organoid_synth.core.live.opening import open_canvas
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.arrays import paint
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

PAIRS = [tissue(seed, 128).replace(name=f"image_{seed}") for seed in range(2)]
SMALL = {
    "analogy": {},
    "pix2pix": {"generator_channels": 8, "discriminator_channels": 8},
    "cyclegan": {"generator_channels": 8, "discriminator_channels": 8, "blocks": 1},
    "flow": {"channels": 16, "max_channels": 16, "sampling_steps": 4},
}


def painter(name: str, condition: str = "auto") -> TrainedGenerator:
    """A painter with first weights: where it paints does not depend on how well."""
    recipe = Recipe.parse(
        {"gan": {"name": name, **SMALL[name]}, "tiles": {"size": 64}, "codec": {"condition": condition}}
    )
    codec = Codec.fit(PAIRS, recipe.codec)
    network = build_generator(recipe.gan, codec.spec(64, recipe.shape))
    if isinstance(network, UntrainedPainter):
        network.keep(PAIRS)
    if name == "flow":  # its first weights draw nothing at all
        rng = torch.Generator().manual_seed(0)
        for weights in network.average.parameters():
            weights.data += 0.1 * torch.randn(weights.shape, generator=rng)
    return TrainedGenerator("run", recipe, codec, network, 0, "")


def stroke(labels: NDArray[np.int32], y: int, x: int, radius: int = 6, label: int = 900) -> NDArray[np.int32]:
    rows, columns = np.ogrid[: labels.shape[0], : labels.shape[1]]
    changed = labels.copy()
    changed[(rows - y) ** 2 + (columns - x) ** 2 < radius**2] = label
    return changed


@pytest.mark.parametrize("size", [(64, 64), (100, 160), (48, 80)])
@pytest.mark.parametrize("name", [name for name in SMALL if name != "analogy"])
def test_a_full_change_of_a_network_gives_the_bits_of_a_new_painting(name: str, size: tuple[int, int]) -> None:
    trained, labels = painter(name), tissue(7, 160).labels[: size[0], : size[1]].copy()
    small = stroke(labels, 20, 30)
    changed = stroke(small, 40, 8, label=0)
    canvas = open_canvas(trained, labels, 5)
    settings = GenerateSettings(seed=5)
    assert np.array_equal(canvas.image, paint(trained, [labels], 5, settings)[0])
    assert canvas.change(small, "fast") is not None
    assert canvas.change(changed, "full") is not None
    assert np.array_equal(canvas.labels, changed)
    assert np.array_equal(canvas.image, paint(trained, [changed], 5, settings)[0])
    assert canvas.change(changed) is None
    canvas.change(labels)
    assert np.array_equal(canvas.image, paint(trained, [labels], 5, settings)[0])


@pytest.mark.parametrize("condition", ["classes", "flow", "labels"])
def test_every_condition_is_encoded_where_it_changes(condition: str) -> None:
    trained, labels = painter("pix2pix", condition), tissue(7, 160).labels
    canvas = open_canvas(trained, labels, 1)
    canvas.change(stroke(labels, 70, 90))
    assert np.array_equal(canvas.image, open_canvas(trained, stroke(labels, 70, 90), 1).image)


@pytest.mark.parametrize("quality", ["fast", "full"])
@pytest.mark.parametrize("name", list(SMALL))
def test_only_what_is_told_changes(name: str, quality: str) -> None:
    trained, labels = painter(name), np.tile(tissue(7, 160).labels, (1, 2))
    canvas = open_canvas(trained, labels, 2)
    before = canvas.image.copy()
    box = canvas.change(stroke(labels, 80, 60), quality)
    assert box is not None
    assert box[3] < 260  # the right of the canvas stays
    outside = np.ones(labels.shape, bool)
    outside[box[0] : box[2], box[1] : box[3]] = False
    assert np.array_equal(canvas.image[:, outside], before[:, outside])
    changed = changed_box(before, canvas.image)
    assert changed is not None
    assert union(changed, box) == box


def test_flow_joins_a_part_on_to_what_is_there() -> None:
    """On a canvas of more than a window, far from the change, the part is nearly the old picture."""
    trained, labels = painter("flow"), np.tile(tissue(7, 160).labels, (1, 2))
    canvas = open_canvas(trained, labels, 2)
    before = canvas.image.astype(int)
    box = canvas.change(stroke(labels, 80, 60))
    assert box is not None
    middle = np.abs(canvas.image.astype(int) - before)[:, 76:84, 56:64].mean()
    rim = np.zeros(labels.shape, bool)
    rim[box[0] : box[2], box[1] : box[3]] = True
    rim[box[0] + 2 : box[2] - 2, box[1] + 2 : box[3] - 2] = False
    step = np.abs(canvas.image.astype(int) - before)[:, rim]
    assert step.mean() < 0.2 * middle, (step.mean(), middle)


@pytest.mark.parametrize("name", list(SMALL))
def test_a_real_image_keeps_its_pixels_but_around_the_change(name: str) -> None:
    pair = PAIRS[0]
    canvas = open_canvas(painter(name), pair.labels, 3, real=pair.image)
    assert np.array_equal(canvas.image, pair.image)
    y, x = 70, 50
    changed = stroke(pair.labels, y, x)
    box = canvas.change(changed, "fast")
    assert box is not None
    rows, columns = np.ogrid[:128, :128]
    far = (rows - y) ** 2 + (columns - x) ** 2 > (6 + 11 + 1) ** 2
    assert np.array_equal(canvas.image[:, far], pair.image[:, far])
    assert not np.array_equal(canvas.image, pair.image)
    facts = canvas.facts()
    assert facts["synthetic_share"] == pytest.approx(np.pi * 17**2 / 128**2, rel=0.15)
    assert facts["synthetic_box"] == pytest.approx([y - 16, x - 16, y + 17, x + 17], abs=1)
    canvas.change(pair.labels)
    assert np.array_equal(canvas.image, pair.image)  # bit for bit, as it was
    assert canvas.facts()["synthetic_share"] == 0


def test_paint_on_a_real_image_has_its_brightness() -> None:
    """The same cell painted on a bright copy of the image is as bright as its surroundings."""
    pair, trained = PAIRS[0], painter("analogy")
    empty = np.zeros_like(pair.labels)
    grey = np.full_like(pair.image, 60)
    canvas = open_canvas(trained, stroke(empty, 64, 64), 3, real=grey)
    canvas.change(empty)
    assert canvas.image[:, 60:68, 60:68].mean() == pytest.approx(60, abs=12)


def test_analogy_tells_where_its_pixels_come_from_also_after_a_change() -> None:
    canvas = open_canvas(painter("analogy"), PAIRS[0].labels, 3, exclude=["image_0"])
    assert canvas.facts()["sources"] == {"image_1": 1.0}
    canvas.change(stroke(PAIRS[0].labels, 64, 64))
    assert 900 in canvas.facts()["residual"]


@pytest.mark.parametrize("name", list(SMALL))
def test_an_empty_canvas_can_be_painted_on(name: str) -> None:
    canvas = open_canvas(painter(name), np.zeros((96, 96), np.int32), 0)
    assert canvas.change(stroke(canvas.labels, 48, 48)) is not None
    assert canvas.image.shape == (1, 96, 96)


def test_what_a_painter_does_not_know_is_refused() -> None:
    trained = painter("pix2pix")
    canvas = open_canvas(trained, np.zeros((96, 96), np.int32), 0)
    with pytest.raises(UserError, match="Expected 96 × 96 px"):
        canvas.change(np.zeros((64, 96), np.int32))
    with pytest.raises(UserError, match=r"\(2, 8, 8\).*Expected rows and columns"):
        open_canvas(trained, np.zeros((2, 8, 8), np.int32))
    with pytest.raises(UserError, match=r"Expected \(1, 96, 96\) of uint8"):
        open_canvas(trained, np.zeros((96, 96), np.int32), real=np.zeros((1, 96, 96), np.uint16))
    classes = [SamplePair("a", PAIRS[0].image, (PAIRS[0].labels > 0).astype(np.int32), "classes", ("cell",))]
    named = TrainedGenerator("run", trained.recipe, Codec.fit(classes), trained.network, 0, "")
    with pytest.raises(UserError, match=r"label 2.*Expected 0 to 1: cell"):
        open_canvas(named, np.full((64, 64), 2, np.int32))


def test_boxes() -> None:
    where = np.zeros((9, 9), bool)
    assert box_of(where) is None
    where[2, 3] = where[5, 4] = True
    assert box_of(where) == (2, 3, 6, 5)
    assert union(None, (1, 1, 2, 2)) == (1, 1, 2, 2)
    assert union((0, 5, 3, 6), (1, 1, 2, 2)) == (0, 1, 3, 6)
    assert widened((2, 3, 6, 5), 4, (9, 8)) == (0, 0, 9, 8)
