"""Walks: ends are the samples of their seeds, ways are gradual, and each generator offers what it can."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.canvas import NORMAL, MixedStream, fill
from napari_organoid_synth.core.live.opening import open_canvas
from napari_organoid_synth.core.live.walk import (
    class_of,
    open_walk,
    sample_at,
    stream_of,
    style_layers,
    walks_of,
)
from napari_organoid_synth.core.live.walk_settings import WalkSettings, film_of, nearest_seed, variations, way
from napari_organoid_synth.core.simulators.simulate import tissue
from napari_organoid_synth.core.synthesis.sampler import Sampler
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from small_models import SIDE, small_model

CPU = torch.device("cpu")
MASK = tissue(7, 96, n_cells=20).labels
NOISE = ["seed", "between", "pad", "near"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def image_at(name: str, labels: NDArray[Any] | None = None, **changes: Any) -> NDArray[Any]:
    """Return the image of a place; of what draws from noise the values before they are rounded to pixels."""
    model, place = small_model(name), WalkSettings(**changes)
    if labels is None and place.style_seed is None:
        return model.draw_fields([stream_of(place, CPU)], [class_of(place, model)], place.variety)[0].astype(float)
    image, _ = sample_at(model, place, labels)
    assert image is not None
    return image.astype(float)


def difference(name: str, first: dict[str, Any], second: dict[str, Any], labels: Any = None) -> float:
    return float(np.abs(image_at(name, labels, **first) - image_at(name, labels, **second)).mean())


@pytest.mark.parametrize(
    ("name", "walks"),
    [
        ("analogy", ["seed"]),
        ("flow", [*NOISE, "variety", "classes"]),
        ("pix2pix", NOISE),
        ("cyclegan", [*NOISE, "variety"]),
        ("dcgan", [*NOISE, "variety"]),
        ("cgan", [*NOISE, "variety", "classes"]),
        ("progan", [*NOISE, "variety", "classes"]),
        ("stylegan", [*NOISE, "variety", "classes", "styles"]),
        ("stylegan2_ada", [*NOISE, "variety", "classes", "styles"]),
    ],
)
def test_each_generator_offers_its_walks(name: str, walks: list[str]) -> None:
    assert walks_of(small_model(name)) == walks
    assert (style_layers(small_model(name)) > 0) == ("styles" in walks)


def test_the_beginning_is_the_sample_of_a_batch() -> None:
    model = small_model("dcgan")
    pairs = Sampler(model, GenerateSettings(seed=5)).draw(range(3))
    for index, pair in enumerate(pairs):
        image, labels = sample_at(model, WalkSettings(seed=5, index=index))
        assert np.array_equal(image, pair.image)
        assert np.array_equal(labels, pair.labels)


@pytest.mark.parametrize("name", ["dcgan", "stylegan2_ada", "flow_joint", "flow", "cyclegan", "pix2pix"])
def test_ways_are_gradual_and_end_at_the_other_seed(name: str) -> None:
    labels = MASK if small_model(name).shape == "painter" else None
    ends = {"seed": 3, "other_seed": 8}
    assert np.array_equal(image_at(name, labels, **ends, share=1), image_at(name, labels, seed=8))
    whole = difference(name, ends, {**ends, "share": 1}, labels)
    assert difference(name, {**ends, "share": 0.5}, {**ends, "share": 0.51}, labels) < 0.4 * whole
    step = difference(name, {**ends, "pad_x": 0.5}, {**ends, "pad_x": 0.51}, labels)
    assert 0 < step < 0.4 * difference(name, ends, {**ends, "pad_x": 1}, labels)


def test_every_place_has_noise_of_the_same_spread() -> None:
    for place in (
        WalkSettings(share=0.5),
        WalkSettings(share=0.3, pad_x=1, pad_y=-0.4),
        WalkSettings(pad_y=0.6, variation=2, distance=0.7),
        WalkSettings(seed=4, other_seed=4, share=0.5),
    ):
        drawn = fill(torch.empty(40_000), stream_of(place, CPU), NORMAL)
        assert drawn.std().item() == pytest.approx(1, abs=0.02)
    assert isinstance(stream_of(WalkSettings(seed=4, other_seed=4, share=0.5), CPU), torch.Generator)
    assert isinstance(stream_of(WalkSettings(pad_x=0.1), CPU), MixedStream)


def test_variations_lie_around_their_place_at_their_distance() -> None:
    place = WalkSettings(seed=3, pad_x=0.3)
    near, far = variations(place, 4, 0.1), variations(place, 4, 0.8)
    assert [one.variation for one in near] == [1, 2, 3, 4]
    drawn = {one: fill(torch.empty(40_000), stream_of(one, CPU), NORMAL) for one in (place, *near, *far)}

    def alike(first: WalkSettings, second: WalkSettings) -> float:
        return float(torch.corrcoef(torch.stack([drawn[first], drawn[second]]))[0, 1])

    assert [alike(place, one) for one in near] == pytest.approx([np.cos(0.05 * np.pi)] * 4, abs=0.01)
    assert [alike(place, one) for one in far] == pytest.approx([np.cos(0.4 * np.pi)] * 4, abs=0.02)
    assert alike(*far[:2]) < alike(*near[:2]) < 1


@pytest.mark.parametrize("name", ["cgan", "progan", "stylegan", "stylegan2_ada", "flow", "flow_joint"])
def test_classes_change_gradually(name: str) -> None:
    labels = MASK[:SIDE, :SIDE] if small_model(name).shape == "painter" else None
    both = {"class_from": 0, "class_to": 1}
    model = small_model(name)
    assert class_of(WalkSettings(**both, class_share=0.25), model) == [0.75, 0.25]
    assert np.array_equal(image_at(name, labels, **both), image_at(name, labels))
    end = image_at(name, labels, class_from=1, class_to=1)
    assert np.array_equal(image_at(name, labels, **both, class_share=1), end)
    middle = difference(name, {**both, "class_share": 0.5}, {**both, "class_share": 0.52}, labels)
    assert middle < 0.4 * difference(name, both, {**both, "class_share": 1}, labels)
    with pytest.raises(UserError, match="no image class 2"):
        sample_at(model, WalkSettings(class_to=2), labels)


@pytest.mark.parametrize("name", ["stylegan", "stylegan2_ada"])
def test_styles_of_layers_come_from_another_seed(name: str) -> None:
    last = style_layers(small_model(name)) - 1
    own, other = (sample_at(small_model(name), WalkSettings(seed=seed))[0] for seed in (2, 9))
    assert np.array_equal(image_at(name, seed=2, style_seed=9, style_last=last), other)
    assert np.array_equal(image_at(name, seed=2, style_seed=9, style_first=last + 1, style_last=last + 1), own)
    mixed = image_at(name, seed=2, style_seed=9, style_first=2, style_last=last)
    assert not np.array_equal(mixed, own)
    assert not np.array_equal(mixed, other)


def test_painters_walk_on_a_canvas_that_can_be_changed() -> None:
    for name in ("flow", "cyclegan"):
        model, place = small_model(name), WalkSettings(seed=1, share=0.4, pad_x=0.2)
        canvas = open_walk(model, MASK, place)
        whole, _ = sample_at(model, place, MASK)
        assert np.array_equal(canvas.image, whole)
        changed = MASK.copy()
        changed[40:50, 40:50] = 0
        canvas.change(changed)
        again, _ = sample_at(model, place, changed)
        assert np.array_equal(canvas.image, again)
        assert np.array_equal(open_walk(model, MASK, WalkSettings(seed=6)).image, open_canvas(model, MASK, 6).image)


def test_a_painter_without_training_takes_another_seed() -> None:
    assert nearest_seed(WalkSettings(seed=1, other_seed=2, share=0.4)) == 1
    assert nearest_seed(WalkSettings(seed=1, other_seed=2, share=0.6)) == 2
    assert len({nearest_seed(one) for one in variations(WalkSettings(), 4)}) == 4
    labels = MASK[:48, :48]
    near = image_at("analogy", labels, seed=1, other_seed=2, share=0.4)
    assert np.array_equal(near, image_at("analogy", labels, seed=1))
    assert not np.array_equal(near, image_at("analogy", labels, seed=2))


def test_ways_go_from_place_to_place() -> None:
    first, last = WalkSettings(seed=1, pad_x=-1), WalkSettings(seed=1, share=1, pad_x=0.5, variety=2)
    places = list(way(first, last, 4))
    assert [place.share for place in places] == pytest.approx([0, 1 / 3, 2 / 3, 1])
    assert [place.pad_x for place in places] == pytest.approx([-1, -0.5, 0, 0.5])
    assert (places[0], places[-1]) == (first, last)
    assert WalkSettings().is_plain
    assert WalkSettings(seed=3, class_from=1, distance=0.5).is_plain
    assert not any(place.is_plain for place in places)


def test_films_of_a_place() -> None:
    place = WalkSettings(pad_x=0.6, pad_y=0.8, class_to=1)
    circle = film_of("circle", place, 4)
    found = [(one.pad_x, one.pad_y) for one in circle]
    assert np.allclose(found, [(0.6, 0.8), (-0.8, 0.6), (-0.6, -0.8), (0.8, -0.6)])
    assert film_of("circle", WalkSettings(), 8)[0].pad_x == 0.5
    assert [one.share for one in film_of("between", place, 3)] == [0, 0.5, 1]
    assert [one.class_share for one in film_of("classes", place, 3)] == [0, 0.5, 1]
    assert film_of("between", place, 3)[0].pad_x == 0.6


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(UserError, match="paints images onto masks"):
        sample_at(small_model("flow"), WalkSettings())
    with pytest.raises(UserError, match="tyle_first is 4, style_last 2"):
        WalkSettings.parse({"style_first": 4, "style_last": 2})
    network: Any = small_model("dcgan").network
    latents = torch.zeros(1, network.latent)
    with pytest.raises(UserError, match="has no styles"):
        network.draw_mixed(latents, latents, range(2))
