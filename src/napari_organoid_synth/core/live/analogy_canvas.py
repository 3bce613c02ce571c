"""A canvas of the painter that needs no training: pieces of real images, sought again where the guide differs."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.analogy.kept_pairs import KeptPairs
from napari_organoid_synth.core.analogy.painter import AnalogyPainter
from napari_organoid_synth.core.boxes import Box, changed_box, union
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.live.canvas import Quality, drawn_labels
from napari_organoid_synth.core.seeds import seed_of


class AnalogyCanvas:
    """A canvas of `AnalogyPainter`; see `Canvas`.

    Parameters
    ----------
    painter : AnalogyPainter
    codec : Codec
        Of its run.
    labels : NDArray (Y, X) int
    seed : int
    exclude : collection of str
        Sources that are not used.
    """

    def __init__(
        self,
        painter: AnalogyPainter,
        codec: Codec,
        labels: NDArray[np.integer[Any]],
        seed: int,
        exclude: Collection[str] = (),
    ) -> None:
        self._painter, self._codec = painter, codec
        self._painting = painter.paint(drawn_labels(labels, codec), seed, exclude)
        self._rough: Box | None = None  # painted fast since the last full change
        self._settled = self.labels.copy()  # the mask at that time
        self._seed = seed

    @classmethod
    def of(
        cls,
        kept: KeptPairs,
        codec: Codec,
        labels: NDArray[np.integer[Any]],
        seed: int,
        variety: float,
        exclude: Collection[str] = (),
    ) -> Self:
        """Paint with kept pairs as the first sample of a batch of this seed is painted."""
        return cls(kept.painter, codec, labels, seed_of(seed, "sample", 0, 0) if variety else 0, exclude)

    @property
    def labels(self) -> NDArray[np.int32]:
        """The mask."""
        return self._painting.labels

    @property
    def image(self) -> NDArray[Any]:
        """The image."""
        return self._painting.image

    def change(self, labels: NDArray[np.integer[Any]], quality: Quality = "full") -> Box | None:
        """Paint again where the guide differs; see `Canvas.change`."""
        drawn = drawn_labels(labels, self._codec, self.labels)
        box = changed_box(self.labels, drawn)
        window = box if quality == "fast" else union(box, self._rough)
        if window is None:
            return None
        if quality == "fast":
            self._rough = union(self._rough, window)
            return self._painter.change(self._painting, drawn, window, quality)
        painted = self._painter.change(self._painting, drawn, window, quality, self._settled)
        self._settled[window[0] : window[2], window[1] : window[3]] = drawn[
            window[0] : window[2], window[1] : window[3]
        ]
        self._rough = None
        return painted

    def facts(self) -> dict[str, Any]:
        """Return the shares of the sources, the misfit of each object, and the largest piece (px)."""
        painting = self._painting
        return {
            "seed": self._seed,
            "sources": {name: float(share) for name, share in painting.sources.items()},
            "residual": {int(label): float(misfit) for label, misfit in painting.residual.items()},
            "largest_piece": int(painting.largest_piece),
        }
