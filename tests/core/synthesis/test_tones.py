"""Sketches: tones as measured or guessed, and pictures of them."""

from __future__ import annotations

import numpy as np
import pytest

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.synthesis.tones import Tones, draw_sketch, measure_tones


def discs(seed: int = 0, side: int = 128, bright: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Sixteen discs of 40 (±8) grey levels more, or less, than the background of 100, with a little grain."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((side, side), np.int32)
    y, x = np.mgrid[:side, :side]
    for number in range(16):
        row, column = divmod(number, 4)
        labels[(y - 32 * row - 16) ** 2 + (x - 32 * column - 16) ** 2 < 100] = number + 1
    tones = 100 + (1 if bright else -1) * np.concatenate([[0.0], rng.normal(40, 8, 16)])
    image = tones[labels] + rng.normal(0, 4, labels.shape)
    return image.round().astype(np.uint8)[None], labels


def test_tones_are_measured_per_class_and_object() -> None:
    labels = np.zeros((1, 4, 6), np.int32)[0]
    labels[0, :2], labels[0, 4:], labels[3, :3] = 1, 1, 2
    image = np.full((2, 4, 6), -0.5, np.float32)
    image[0, 0, :2], image[0, 0, 4:], image[0, 3, :3] = 0.2, 0.6, 1.0
    tones = measure_tones([image], [labels], 3)
    np.testing.assert_allclose(tones.means, [[-0.5, -0.5], [0.4, -0.5], [1.0, -0.5], [-0.5, -0.5]], atol=1e-6)
    np.testing.assert_allclose(tones.spreads, [[0, 0], [0.2, 0], [0, 0], [0, 0]], atol=1e-6)


@pytest.mark.parametrize("bright", [True, False])
def test_a_guess_without_masks_is_close_to_what_the_masks_say(bright: bool) -> None:
    image, labels = discs(bright=bright)
    codec = Codec.fit([SamplePair("a", image, labels, mask_kind="instances")])
    guessed = Tones.guess([image], codec, bright)
    known = measure_tones([codec.encode_image(image)], [labels], 1)
    np.testing.assert_allclose(guessed.means, known.means, atol=0.06)
    assert guessed.spreads[1, 0] == pytest.approx(known.spreads[1, 0], abs=0.05)
    assert (guessed.means[1] > guessed.means[0]).all() == bright


def test_a_sketch_has_the_tones_differing_from_object_to_object_and_soft_edges() -> None:
    _, labels = discs()
    tones = Tones(np.array([[-0.8, 0.0], [0.2, 0.1]], np.float32), np.array([[0, 0], [0.2, 0.0]], np.float32))
    sketch = draw_sketch(labels, tones, np.random.default_rng(0), blur=0)
    assert sketch.shape == (2, 128, 128)
    assert sketch.dtype == np.float32
    np.testing.assert_allclose(sketch[0][labels == 0], -0.8, atol=1e-6)
    each = [np.unique(sketch[0][labels == number]) for number in range(1, 17)]
    assert all(len(values) == 1 for values in each)
    assert np.std(np.concatenate(each)) == pytest.approx(0.2, abs=0.08)
    soft = draw_sketch(labels, tones, np.random.default_rng(0), blur=2)
    assert np.abs(np.diff(soft[0])).max() < 0.5 * np.abs(np.diff(sketch[0])).max()
    np.testing.assert_array_equal(soft, draw_sketch(labels, tones, np.random.default_rng(0), blur=2))


def test_classes_have_their_own_tones_and_an_unknown_one_is_refused() -> None:
    tones = Tones(np.array([[-0.5], [0.0], [0.5]], np.float32), np.zeros((3, 1), np.float32))
    labels = np.repeat(np.array([[0, 1, 2]], np.int32), 3, 0)
    np.testing.assert_allclose(draw_sketch(labels, tones, np.random.default_rng(0), 0)[0, 0], [-0.5, 0.0, 0.5])
    with pytest.raises(UserError, match=r"The mask has the class 3\. Expected 0 to 2"):
        draw_sketch(labels + 1, tones, np.random.default_rng(0))


def test_no_image_is_refused() -> None:
    image, labels = discs()
    codec = Codec.fit([SamplePair("a", image, labels, mask_kind="instances")])
    with pytest.raises(UserError, match="There is no image"):
        Tones.guess([], codec)
