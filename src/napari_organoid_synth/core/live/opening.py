"""Open a canvas of any painter."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.analogy import Analogy
from napari_organoid_synth.core.generators.flow import Flow
from napari_organoid_synth.core.live.canvas import Canvas
from napari_organoid_synth.core.live.flow_canvas import FlowCanvas
from napari_organoid_synth.core.live.real_canvas import on_real
from napari_organoid_synth.core.live.tile_canvas import TileCanvas

if TYPE_CHECKING:
    from napari_organoid_synth.core.generators.canvas import Stream
    from napari_organoid_synth.core.synthesis.trained_generator import ImageClass, TrainedGenerator


def open_canvas(
    trained: TrainedGenerator,
    labels: NDArray[np.integer[Any]],
    seed: int = 0,
    image_class: ImageClass = 0,
    variety: float = 1.0,
    exclude: Collection[str] = (),
    real: NDArray[Any] | None = None,
    stream: Callable[[], Stream] | None = None,
) -> Canvas:
    """Paint a mask, and return the canvas on which it can be changed.

    Parameters
    ----------
    trained : TrainedGenerator
        A painter.
    labels : NDArray (Y, X) int
        Labels as in the training masks, of any size; may be empty.
    seed : int
        The same seed gives the same image: that of `paint` with this seed.
    image_class : int or sequence of float
        An index into the codec's image classes, or the share of each.
    variety : float
        Spread of the noise.
    exclude : collection of str
        Real images that a painter without training may not use.
    real : NDArray (C, Y, X), optional
        The real image of this mask, native dtype: it stays as it is but where the mask is changed.
    stream : callable, optional
        Returns the noise of the canvas, at its beginning; that of the seed when not given. A painter without training
        uses the seed alone.

    Raises
    ------
    UserError
        If the generator paints no masks, a label is not one of its own, or the real image is unlike what it paints.
    """
    if trained.shape != "painter":
        raise UserError(
            f"{trained.name} is a {trained.generator}, which draws image and mask from noise.",
            "Expected a painter, such as analogy.",
            "Choose a painter.",
        )

    def plain() -> torch.Generator:
        return random_stream(trained.device, seed, "sample", 0, 0)  # that of the first sample of a batch

    canvas: Canvas
    if isinstance(trained.network, Analogy):
        from napari_organoid_synth.core.live.analogy_canvas import AnalogyCanvas  # with what it imports half a second

        canvas = AnalogyCanvas.of(trained.network.kept, trained.codec, labels, seed, variety, exclude)
    elif isinstance(trained.network, Flow):
        canvas = FlowCanvas(trained, labels, stream or plain, image_class, variety)
    else:
        canvas = TileCanvas(trained, labels, stream or plain, image_class, variety)
    return on_real(canvas, real)
