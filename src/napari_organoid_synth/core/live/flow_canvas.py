"""A canvas of flow: around a change the way from noise to picture is gone again, and joins on to what is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_organoid_synth.core.boxes import Box, changed_box, union, widened
from napari_organoid_synth.core.generators.flow import Flow
from napari_organoid_synth.core.generators.flow_matching import WINDOW
from napari_organoid_synth.core.generators.flow_sampling import FADE
from napari_organoid_synth.core.live.canvas import Quality, drawn_labels
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

if TYPE_CHECKING:
    from collections.abc import Callable

    from napari_organoid_synth.core.generators.canvas import Stream
    from napari_organoid_synth.core.synthesis.trained_generator import ImageClass

FAST_STEPS = 6
"""From noise to picture, while the mouse is down."""
AROUND = {"fast": 8, "full": 32}
"""Pixels around a change that are painted again."""


class FlowCanvas:
    """A canvas of flow; see `Canvas`. Up to 256 px a full change gives the bits of a new painting.

    Parameters
    ----------
    trained : TrainedGenerator
        Of a `Flow`.
    labels : NDArray (Y, X) int
    stream : callable
        Returns the noise of the canvas, at its beginning.
    image_class : int or sequence of float
    variety : float
    """

    def __init__(
        self,
        trained: TrainedGenerator,
        labels: NDArray[np.integer[Any]],
        stream: Callable[[], Stream],
        image_class: ImageClass = 0,
        variety: float = 1.0,
    ) -> None:
        assert isinstance(trained.network, Flow)
        self._trained, self._flow, self._stream = trained, trained.network, stream
        self._classes = torch.tensor([image_class], device=trained.device)
        self._variety = variety
        self.labels = drawn_labels(labels, trained.codec).copy()
        self._picture = self._whole()
        self.image = trained.codec.decode_image(self._picture[0].cpu().numpy())
        self._rough: Box | None = None

    def _condition(self) -> torch.Tensor:
        return torch.from_numpy(self._trained.codec.encode_condition(self.labels)[None])

    def _whole(self) -> torch.Tensor:
        """Paint all."""
        return self._trained.finite(
            self._flow.sample(
                self._stream(), condition=self._condition(), image_class=self._classes, variety=self._variety
            )
        ).float()

    def change(self, labels: NDArray[np.integer[Any]], quality: Quality = "full") -> Box | None:
        """Paint again around what changed; ``fast``: in six steps; see `Canvas.change`."""
        drawn = drawn_labels(labels, self._trained.codec, self.labels)
        box = changed_box(self.labels, drawn)
        window = box if quality == "fast" else union(box, self._rough)
        if window is None:
            return None
        self.labels[:] = drawn
        self._rough = union(self._rough, window) if quality == "fast" else None
        if quality == "full" and max(self.labels.shape) <= WINDOW:
            self._picture = self._whole()
            place = (0, 0, self.labels.shape[0], self.labels.shape[1])
        else:
            place = self._part(widened(window, AROUND[quality], self.labels.shape), quality)
        top, left, bottom, right = place
        part = self._picture[0, :, top:bottom, left:right].cpu().numpy()
        self.image[:, top:bottom, left:right] = self._trained.codec.decode_image(part)
        return place

    def _part(self, box: Box, quality: Quality) -> Box:
        """Paint a part; return where the picture may have changed."""
        steps = self._flow.sampling_steps
        if quality == "fast":
            self._flow.steer(min(FAST_STEPS, steps), self._flow.guidance)
        try:
            self._picture = self._trained.finite(
                self._flow.repaint(self._picture, self._condition(), box, self._stream(), self._classes, self._variety)
            )
        finally:
            self._flow.steer(steps, self._flow.guidance)
        return widened(box, FADE, self.labels.shape)

    def facts(self) -> dict[str, Any]:
        """Return nothing: networks do not tell where their pixels come from."""
        return {}
