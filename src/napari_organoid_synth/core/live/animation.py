"""A walk as frames: one after the other, and stacked for layers; `film` writes them as files."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.live.live_generator import Drawn
from napari_organoid_synth.core.live.walk import sample_at
from napari_organoid_synth.core.live.walk_settings import WalkSettings

if TYPE_CHECKING:
    from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator


def frames_along(
    trained: TrainedGenerator,
    places: Iterable[WalkSettings],
    labels: NDArray[np.integer[Any]] | None = None,
    exclude: Collection[str] = (),
) -> Iterator[Drawn]:
    """Draw what lies at each place of a way, one after the other; arguments as of `sample_at`."""
    for place in places:
        yield sample_at(trained, place, labels, exclude)


def stacked(frames: Iterable[Drawn]) -> Drawn:
    """Stack frames for layers: images (T, C, Y, X) and labels (T, Y, X); None for what is not drawn."""
    images, labels = zip(*frames, strict=True)
    return (
        None if images[0] is None else np.stack(images),
        None if labels[0] is None else np.stack(labels),
    )
