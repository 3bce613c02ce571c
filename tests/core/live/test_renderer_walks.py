"""The renderer walks: places of a request are painted, on masks and from noise, and can be changed afterwards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from live_models import changing, mask, opening, painting
from napari_organoid_synth.core.live.frames import Decoder, Message, encode
from napari_organoid_synth.core.live.renderer import Renderer
from napari_organoid_synth.core.live.walk import sample_at
from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

Models = Callable[[str], Path]
PLACE = {"seed": 3, "other_seed": 8, "share": 0.5, "pad_x": 0.25}


def ask(renderer: Renderer, request: Message) -> Message:
    [request] = Decoder().feed(encode(request))
    [answer] = renderer.answer(request)
    [answer] = Decoder().feed(encode(answer))
    return answer


def test_a_painter_walks_and_goes_on_being_changed(live_model: Models) -> None:
    renderer, labels = Renderer(), mask()
    walks = ask(renderer, opening(live_model("pix2pix"))).values["walks"]
    assert walks == ["seed", "between", "pad", "near"]
    place = WalkSettings(**PLACE)
    trained = TrainedGenerator.open(live_model("pix2pix"), device="cpu")
    painted = ask(renderer, painting(2, labels, seed=1, walk=PLACE))
    np.testing.assert_array_equal(painted.arrays["pixels"], sample_at(trained, place, labels)[0])
    assert painted.values["facts"]["walk"] == PLACE
    assert painted.values["facts"]["seed"] == 3
    labels[2:8, 60:72] = 3
    ask(renderer, changing(3, (2, 60, 8, 72), labels[2:8, 60:72]))
    np.testing.assert_array_equal(renderer.scenes["a"].image, sample_at(trained, place, labels)[0])


def test_the_beginning_of_a_walk_is_the_seed(live_model: Models) -> None:
    renderer, labels = Renderer(), mask()
    ask(renderer, opening(live_model("analogy")))
    plain = ask(renderer, painting(2, labels, seed=3))
    walked = ask(renderer, painting(3, labels, seed=1, walk={"seed": 3}))
    np.testing.assert_array_equal(plain.arrays["pixels"], walked.arrays["pixels"])
    assert plain.values["facts"] == walked.values["facts"]
    assert "walk" not in plain.values["facts"]


def test_image_and_mask_walk_together(live_model: Models) -> None:
    renderer = Renderer()
    assert "variety" in ask(renderer, opening(live_model("dcgan"))).values["walks"]
    trained = TrainedGenerator.open(live_model("dcgan"), device="cpu")
    answer = ask(renderer, painting(2, None, walk=PLACE))
    image, labels = sample_at(trained, WalkSettings(**PLACE))
    np.testing.assert_array_equal(answer.arrays["pixels"], image)
    np.testing.assert_array_equal(answer.arrays["labels"], labels)
    failed = ask(renderer, painting(3, None, walk={"share": 2}))
    assert "share" in failed.values["found"]
