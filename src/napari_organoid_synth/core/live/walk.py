"""Walks through what a generator can draw: the noise of a place, and the sample that lies there.

Noise is mixed with weights whose squares add up to 1, so that every place on a way is as probable as its ends.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.canvas import MixedStream, Stream
from napari_organoid_synth.core.generators.latent import LatentGenerator
from napari_organoid_synth.core.live.live_generator import Drawn
from napari_organoid_synth.core.live.opening import open_canvas
from napari_organoid_synth.core.live.walk_settings import Walk, WalkSettings, nearest_seed
from napari_organoid_synth.core.training.dataset import decode_sample

if TYPE_CHECKING:
    from napari_organoid_synth.core.live.canvas import Canvas
    from napari_organoid_synth.core.synthesis.trained_generator import ImageClass, TrainedGenerator


def walks_of(trained: TrainedGenerator) -> list[Walk]:
    """Return the ways that a generator offers; see `Walk`.

    A painter without training copies pieces: with another seed it chooses others, and there is no way between.
    """
    network = trained.network
    if trained.untrained is not None:
        return ["seed"]
    walks: list[Walk] = []
    if network.draws_noise:
        walks += ["seed", "between", "pad", "near"]
        if network.has_gradual_variety:
            walks.append("variety")
    if network.class_conditional and len(trained.codec.image_classes) > 1:
        walks.append("classes")
    if style_layers(trained):
        walks.append("styles")
    return walks


def style_layers(trained: TrainedGenerator) -> int:
    """Return the number of layers with a style of their own; 0 for most generators."""
    return trained.network.style_layers if isinstance(trained.network, LatentGenerator) else 0


# --- the noise of a place --------------------------------------------------------------------------------------------


def stream_of(place: WalkSettings, device: torch.device) -> Stream:
    """Return the noise of a place, at its beginning: a plain stream where it is that of a seed alone.

    Parameters
    ----------
    place : WalkSettings
        Seed, index and attempt give the noise of that sample of a batch.
    device : torch.device
        Where it is drawn.
    """
    own = (place.seed, "sample", place.index, place.attempt)
    start = random_stream(device, *own)
    parts: list[tuple[Stream, float]] = [(start, 1.0)]
    other = (place.other_seed, "sample", 0, 0)
    if place.share and other != own:
        parts = [(MixedStream.between(start, random_stream(device, *other), place.share), 1.0)]
    for axis, weight in (("x", place.pad_x), ("y", place.pad_y)):
        if weight:
            parts.append((random_stream(device, place.seed, "pad", axis), weight))
    stream = parts[0][0] if len(parts) == 1 else MixedStream(parts)
    if place.variation and place.distance:
        fresh = random_stream(device, place.seed, "variation", place.variation)
        stream = MixedStream.between(stream, fresh, place.distance)
    return stream


def class_of(place: WalkSettings, trained: TrainedGenerator) -> ImageClass:
    """Return the image class of a place, or the share of each class between two.

    Raises
    ------
    UserError
        If the generator has no such class.
    """
    place.check_classes(trained.codec.image_classes)
    if place.class_from == place.class_to or place.class_share in (0, 1) or "classes" not in walks_of(trained):
        return place.class_to if place.class_share > 0.5 else place.class_from
    shares = [0.0] * len(trained.codec.image_classes)
    shares[place.class_from], shares[place.class_to] = 1 - place.class_share, place.class_share
    return shares


# --- the sample of a place -------------------------------------------------------------------------------------------


def sample_at(
    trained: TrainedGenerator,
    place: WalkSettings,
    labels: NDArray[np.integer[Any]] | None = None,
    exclude: Collection[str] = (),
) -> Drawn:
    """Draw what lies at a place.

    Parameters
    ----------
    trained : TrainedGenerator
        Of any kind.
    place : WalkSettings
        The place; what the generator does not offer is ignored.
    labels : NDArray (Y, X) int, optional
        The mask for a painter.
    exclude : collection of str
        Real images that a painter without training may not use.

    Raises
    ------
    UserError
        If a painter gets no mask, or there is no such image class.
    """
    if trained.shape == "painter":
        if labels is None:
            raise UserError(f"{trained.name} paints images onto masks.", "Expected a mask.", "Give labels.")
        canvas = open_walk(trained, labels, place, exclude)
        return canvas.image, canvas.labels
    image_class, stream = class_of(place, trained), stream_of(place, trained.device)
    network = trained.network
    if place.style_seed is None or not isinstance(network, LatentGenerator) or not network.style_layers:
        return trained.draw([stream], [image_class], place.variety)[0]
    others = network.latents(random_stream(trained.device, place.style_seed, "sample", 0, 0))
    layers = range(place.style_first, place.style_last + 1)
    classes = torch.tensor([image_class], device=trained.device)
    with torch.no_grad():
        drawn = network.draw_mixed(network.latents(stream), others, layers, classes, place.variety)
    return decode_sample(trained.finite(drawn)[0], trained.codec, trained.spec)


def open_walk(
    trained: TrainedGenerator,
    labels: NDArray[np.integer[Any]],
    place: WalkSettings,
    exclude: Collection[str] = (),
    real: NDArray[Any] | None = None,
) -> Canvas:
    """Paint a mask with the noise of a place, and return the canvas on which it can be changed; see `open_canvas`."""
    stream: Callable[[], Stream] = partial(stream_of, place, trained.device)
    seed = nearest_seed(place) if trained.untrained is not None else place.seed
    image_class = class_of(place, trained)
    return open_canvas(trained, labels, seed, image_class, place.variety, exclude, real, stream)
