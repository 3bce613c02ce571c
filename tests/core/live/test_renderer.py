"""The renderer without its process: opens, paints, changes, says in words what it cannot do, falls back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_organoid_synth as synth
from live_models import changing, mask, opening, painting
from napari_organoid_synth.core.generators.pix2pix import Pix2Pix
from napari_organoid_synth.core.live.frames import Decoder, Message, encode
from napari_organoid_synth.core.live.light import LightSettings, apply_light
from napari_organoid_synth.core.live.model import OpenModel
from napari_organoid_synth.core.live.renderer import Renderer
from napari_organoid_synth.core.seeds import seed_of
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

Models = Callable[[str], Path]


def ask(renderer: Renderer, request: Message) -> Message:
    """The one answer, after a way through the pipe."""
    [request] = Decoder().feed(encode(request))
    [answer] = renderer.answer(request)
    [answer] = Decoder().feed(encode(answer))
    return answer


def opened(model: Path) -> Renderer:
    renderer = Renderer()
    assert ask(renderer, opening(model)).kind == "opened"
    return renderer


@pytest.mark.parametrize("name", ["analogy", "pix2pix"])
def test_a_painter_paints_a_mask_and_what_changed_in_it(live_model: Models, name: str) -> None:
    renderer, labels = Renderer(), mask()
    answer = ask(renderer, opening(live_model(name)))
    assert (answer.values["generator"], answer.values["shape"], answer.values["side"]) == (name, "painter", 64)
    assert (answer.values["mask_kind"], answer.values["dtype"], answer.values["image_channels"]) == (
        "instances",
        "uint8",
        1,
    )
    assert answer.values["device"].startswith("processor")
    assert answer.values["remark"] == ""
    first = ask(renderer, painting(2, labels, seed=3))
    assert (first.kind, first.values["box"], first.values["full"]) == ("painted", [0, 0, 64, 80], True)
    assert first.values["serials"] == [2]
    assert first.values["facts"]["seed"] == 3
    assert first.values["facts"]["latent_seed"] == str(seed_of(3, "sample", 0, 0))
    [expected] = synth.paint(live_model(name), [labels], seed=3, settings=synth.GenerateSettings(device="cpu"))
    np.testing.assert_array_equal(first.arrays["pixels"], expected)
    pixels = first.arrays["pixels"].copy()
    assert pixels.shape == (1, 64, 80)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(ask(renderer, painting(3, labels, seed=3)).arrays["pixels"], pixels)
    labels[2:8, 60:72] = 3
    second = ask(renderer, changing(4, (2, 60, 8, 72), labels[2:8, 60:72]))
    top, left, bottom, right = second.values["box"]
    assert top <= 2
    assert left <= 60
    assert second.arrays["pixels"].shape == (1, bottom - top, right - left)
    pixels[:, top:bottom, left:right] = second.arrays["pixels"]
    scene = renderer.scenes["a"]
    np.testing.assert_array_equal(pixels, scene.image)
    np.testing.assert_array_equal(labels, scene.labels)
    assert ask(renderer, changing(5, (2, 60, 8, 72), labels[2:8, 60:72])).kind == "done"


def test_a_joint_generator_draws_image_and_mask(live_model: Models) -> None:
    renderer = opened(live_model("dcgan"))
    answer = ask(renderer, painting(2, None, seed=5))
    assert answer.arrays["pixels"].shape == (1, 64, 64)
    assert answer.arrays["labels"].shape == (64, 64)
    assert answer.arrays["labels"].dtype == np.int32
    other = ask(renderer, painting(3, None, seed=6))
    assert not np.array_equal(other.arrays["pixels"], answer.arrays["pixels"])
    failed = ask(renderer, changing(4, (0, 0, 2, 2), np.ones((2, 2))))
    assert failed.kind == "failed"


def test_light_falls_on_the_whole_and_on_what_changes_later(live_model: Models) -> None:
    renderer, labels = opened(live_model("pix2pix")), mask()
    plain = ask(renderer, painting(2, labels)).arrays["pixels"]
    settings = {"blur": 1.0, "brightness": 0.1, "noise": 0.02, "gradient": 0.3}
    light = Message("light", {"serial": 3, "canvas": "a", "settings": settings})
    lit = ask(renderer, light)
    assert (lit.kind, lit.values["full"], lit.values["box"]) == ("painted", True, [0, 0, 64, 80])
    np.testing.assert_array_equal(lit.arrays["pixels"], apply_light(plain, LightSettings(**settings)))
    labels[2:8, 60:72] = 3
    changed, pixels = ask(renderer, changing(4, (2, 60, 8, 72), labels[2:8, 60:72])), lit.arrays["pixels"].copy()
    top, left, bottom, right = changed.values["box"]
    pixels[:, top:bottom, left:right] = changed.arrays["pixels"]
    again = ask(renderer, painting(5, labels))  # the light stays
    assert np.abs(again.arrays["pixels"].astype(int) - pixels).max() <= 1
    assert ask(renderer, painting(6, labels, light={})).arrays["pixels"].mean() < pixels.mean() - 10
    look = np.full((1, 9, 9), 77, np.uint8)
    looked = ask(renderer, Message("light", {"serial": 7, "canvas": "a", "settings": None}, {"look": look}))
    assert np.unique(looked.arrays["pixels"]).tolist() == [77]
    request = painting(7, labels, light={"brightness": 0.1})
    request.arrays["look"] = look
    assert ask(renderer, request).arrays["pixels"].min() > 77  # look and light of the painting itself
    again = ask(renderer, painting(7, labels))
    assert again.arrays["pixels"].min() > 77  # both stay
    back = ask(renderer, Message("light", {"serial": 8, "canvas": "a", "settings": None}))
    np.testing.assert_array_equal(back.arrays["pixels"], renderer.scenes["a"].image)
    dark = ask(renderer, Message("light", {"serial": 9, "canvas": "a", "settings": {"gamma": 99}}))
    assert "gamma" in dark.values["found"]
    other = ask(renderer, Message("light", {"serial": 9, "canvas": "a"}, {"look": np.zeros((3, 9, 9), np.uint8)}))
    assert "channels" in other.values["found"]


def test_what_cannot_be_done_comes_back_in_words(live_model: Models, tmp_path: Path) -> None:
    renderer = Renderer()
    assert ask(renderer, painting(1, mask())).values["found"] == "No generator is open."
    failed = ask(renderer, opening(tmp_path / "nothing"))
    assert "has no recipe.yaml" in failed.values["found"]
    assert failed.values["todo"] == "Choose a run of the project."
    assert "Traceback" in failed.values["report"]
    (tmp_path / "bad.synth").write_bytes(b"not a zip")
    assert "bad.synth" in ask(renderer, opening(tmp_path / "bad.synth")).values["found"]
    assert "model" in ask(renderer, Message("open", {"serial": 1})).values["found"]
    ask(renderer, opening(live_model("pix2pix")))
    wrong = [
        (painting(2, mask(), image_class=4), "There is no image class 4."),
        (painting(2, mask(), variety=7), "variety"),
        (painting(2, np.zeros((3, 4, 5), np.int32)), "int32 of shape (3, 4, 5)"),
        (painting(2, np.zeros((4, 5))), "float64 of shape (4, 5)"),
        (painting(2, None), "There is no mask to paint on."),
        (changing(2, (0, 0, 2, 2), np.ones((2, 2)), "other"), "There is no canvas 'other'."),
        (Message("dance", {"serial": 2}), "The renderer knows no 'dance'."),
    ]
    for request, found in wrong:
        answer = ask(renderer, request)
        assert answer.kind == "failed"
        assert found in answer.values["found"]
        assert answer.values["serials"] == [2]
    ask(renderer, painting(3, mask()))
    outside = ask(renderer, changing(4, (60, 70, 70, 90), np.ones((10, 20))))
    assert outside.kind == "failed"
    assert "the canvas has (64, 80) px" in outside.values["found"]
    assert ask(renderer, painting(5, mask())).kind == "painted"


def test_a_model_that_is_open_is_not_read_again(live_model: Models) -> None:
    renderer = opened(live_model("pix2pix"))
    model = renderer.model
    ask(renderer, painting(2, mask()))
    ask(renderer, opening(live_model("pix2pix")))
    assert renderer.model is model
    assert not renderer.scenes
    [header] = (live_model("pix2pix") / "checkpoints").glob("*.json")
    header.touch()
    ask(renderer, opening(live_model("pix2pix")))
    assert renderer.model is not model


def test_a_full_graphics_card_leaves_the_work_to_the_processor(
    live_model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = ask(opened(live_model("pix2pix")), painting(2, mask())).arrays["pixels"]
    renderer = opened(live_model("pix2pix"))
    sample, full = Pix2Pix.sample, [True]

    def draw(*arguments: Any, **options: Any) -> Any:
        if full:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB." * full.pop())
        return sample(*arguments, **options)

    monkeypatch.setattr(Pix2Pix, "sample", draw)
    monkeypatch.setattr(OpenModel, "on_processor", False)
    remark, painted = renderer.answer(painting(2, mask()))
    assert (remark.kind, painted.kind) == ("opened", "painted")
    assert remark.values["remark"] == "The memory of the graphics card is full: the processor paints, more slowly."
    assert remark.values["device"].startswith("processor")
    assert (remark.values["serials"], painted.values["serials"]) == ([], [2])
    np.testing.assert_array_equal(painted.arrays["pixels"], expected)


def test_a_model_too_large_for_the_graphics_card_is_opened_on_the_processor(
    live_model: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []

    def open_on_card(source: Path, checkpoint: str, device: str) -> Any:
        tried.append(device)
        if device != "cpu":
            raise torch.cuda.OutOfMemoryError("CUDA out of memory.")
        return real(source, checkpoint, device)

    real = TrainedGenerator.open
    monkeypatch.setattr(TrainedGenerator, "open", open_on_card)
    again = ask(Renderer(), Message("open", {"serial": 3, "model": str(live_model("pix2pix"))}))
    assert tried == ["auto", "cpu"]
    assert "the processor paints" in again.values["remark"]


def test_full_memory_is_said_in_words(live_model: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = opened(live_model("pix2pix"))
    assert renderer.model is not None

    def full(*_: Any, **__: Any) -> None:
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.")

    monkeypatch.setattr(type(renderer.model.generator.trained.network), "sample", full)
    assert ask(renderer, painting(2, mask())).values["found"] == "The memory of this computer is full."


@pytest.mark.parametrize("name", ["analogy", "pix2pix", "dcgan"])
def test_warming_up_leaves_nothing_behind(live_model: Models, name: str) -> None:
    renderer = opened(live_model(name))
    renderer.warm_up()
    renderer.rest()
    assert not renderer.scenes
    assert renderer.model is not None


def test_warming_up_without_a_model_loads_what_is_compiled(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        Renderer().warm_up()
    assert not caplog.records
    assert "napari_organoid_synth.core.analogy.solving" in sys.modules


def test_a_generator_that_only_draws_loads_no_compiler(live_model: Models) -> None:
    program = (
        "import sys; from pathlib import Path\n"
        "from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator\n"
        "trained = TrainedGenerator.open(Path(sys.argv[1]), device='cpu')\n"
        "assert not any(one.state for one in trained.network.optimizers().values())\n"
        "print(*{'torch._dynamo', 'sympy', 'scipy', 'skimage', 'numba'} & set(sys.modules))\n"
    )
    command = [sys.executable, "-c", program, str(live_model("pix2pix"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_changed_real_pair_is_painted_again_with_the_mask_that_its_image_belongs_to(live_model: Models) -> None:
    renderer, first = opened(live_model("analogy")), mask()
    real = np.random.default_rng(0).integers(0, 255, (1, *first.shape)).astype(np.uint8)
    now = first.copy()
    now[50:60, 5:15] = 3
    request = painting(2, now)
    request.arrays.update(real=real, first=first)
    answer = ask(renderer, request)
    assert (answer.kind, answer.values["full"]) == ("painted", True)
    pixels = answer.arrays["pixels"]
    far = np.ones(first.shape, bool)
    far[35:, :30] = False
    np.testing.assert_array_equal(pixels[:, far], real[:, far])
    assert (pixels[:, 52:58, 7:13] != real[:, 52:58, 7:13]).mean() > 0.5
    scene = renderer.scenes["a"]
    scene.forget()  # as where another device goes on
    scene.paint(renderer.model.generator)  # type: ignore[union-attr]
    np.testing.assert_array_equal(scene.image, pixels)
