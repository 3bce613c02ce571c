"""A trained network, open for painting live; torch ends here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from napari_organoid_synth.core.device import describe_device, use_threads
from napari_organoid_synth.core.live.canvas import Canvas
from napari_organoid_synth.core.live.live_generator import Drawn, LiveGenerator
from napari_organoid_synth.core.live.walk import open_walk, sample_at, style_layers, walks_of
from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.core.synthesis.trained_generator import ModelSource, TrainedGenerator


@dataclass(frozen=True, eq=False, kw_only=True)
class NetworkGenerator(LiveGenerator):
    """See `LiveGenerator`.

    Parameters
    ----------
    trained : TrainedGenerator
    """

    trained: TrainedGenerator

    @classmethod
    def open(cls, source: ModelSource, checkpoint: str = "newest", device: str = "auto") -> Self:
        """Load a run or a model file; see `TrainedGenerator.open`."""
        use_threads()
        trained = TrainedGenerator.open(source, checkpoint, device)
        network, untrained = trained.network, trained.untrained
        return cls(
            name=trained.name,
            generator=trained.generator,
            shape=trained.shape,
            side=trained.side if trained.shape == "painter" else trained.sample_side,
            codec=trained.codec,
            step=trained.step,
            sha256=trained.sha256,
            device=describe_device(trained.device),
            on_processor=trained.device.type == "cpu",
            class_conditional=network.class_conditional,
            any_size=network.paints_any_size,
            walks=tuple(walks_of(trained)),
            style_layers=style_layers(trained),
            pairs=() if untrained is None else untrained.pairs,
            trained=trained,
        )

    def open_canvas(
        self,
        labels: NDArray[np.integer[Any]],
        place: WalkSettings,
        exclude: Collection[str] = (),
        real: NDArray[Any] | None = None,
    ) -> Canvas:
        """Paint a mask; see `open_walk`."""
        return open_walk(self.trained, labels, place, exclude, real)

    def draw(self, place: WalkSettings) -> Drawn:
        """Draw what lies at a place; see `sample_at`."""
        return sample_at(self.trained, place)

    def rest(self) -> None:
        """Return the memory of the graphics card that nothing uses."""
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
