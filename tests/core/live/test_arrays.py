"""A canvas in a script: painted as `paint` does, changed bit by bit, never painted from its own image."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import napari_organoid_synth as synth
from live_models import mask
from napari_organoid_synth.core.simulators.simulate import tissue

CPU = synth.GenerateSettings(device="cpu")


@pytest.mark.parametrize("name", ["analogy", "pix2pix"])
def test_a_canvas_is_what_paint_paints_and_follows_its_mask(live_model: Callable[[str], Path], name: str) -> None:
    labels = mask()
    canvas = synth.open_canvas(live_model(name), labels, seed=2, device="cpu")
    [expected] = synth.paint(live_model(name), [labels], seed=2, settings=CPU)
    np.testing.assert_array_equal(canvas.image, expected)
    before = canvas.image.copy()
    labels[2:8, 60:72] = 3
    box = canvas.change(labels)
    assert box is not None
    top, left, bottom, right = box
    assert not np.array_equal(canvas.image[:, top:bottom, left:right], before[:, top:bottom, left:right])
    before[:, top:bottom, left:right] = canvas.image[:, top:bottom, left:right]
    np.testing.assert_array_equal(canvas.image, before)
    assert canvas.change(labels) is None


def test_a_real_mask_is_not_painted_from_its_own_image(live_model: Callable[[str], Path]) -> None:
    real = tissue(0, 96)
    canvas = synth.open_canvas(live_model("analogy"), real.labels, device="cpu")
    assert set(canvas.facts()["sources"]) == {"image_1"}
    kept = synth.open_canvas(live_model("analogy"), real.labels, real=real.image, device="cpu")
    np.testing.assert_array_equal(kept.image, real.image)
    empty = synth.open_canvas(live_model("analogy"), np.zeros((40, 50), int), device="cpu")
    assert empty.image.shape == (1, 40, 50)


def test_what_is_no_mask_or_no_class_is_said(live_model: Callable[[str], Path]) -> None:
    for wrong, text in ((np.zeros((2, 3, 4), int), r"shape \(2, 3, 4\)"), (np.full((9, 9), 0.5), "with fractions")):
        with pytest.raises(synth.UserError, match=text):
            synth.open_canvas(live_model("pix2pix"), wrong, device="cpu")
    with pytest.raises(synth.UserError, match="no image class 'ill'"):
        synth.open_canvas(live_model("pix2pix"), mask(), image_class="ill", device="cpu")
    with pytest.raises(synth.UserError, match="Expected a painter"):
        synth.open_canvas(live_model("dcgan"), mask(), device="cpu")
