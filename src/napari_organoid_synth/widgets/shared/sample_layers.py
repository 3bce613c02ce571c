"""Samples of the gallery as napari layers: with the contrast and the drawing of masks of the tiles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar
from weakref import WeakKeyDictionary, WeakSet, proxy

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.widgets.shared.contrast import ProjectContrast
from napari_organoid_synth.widgets.shared.layers import show_pair
from napari_organoid_synth.widgets.shared.thumbnails import FILL_ALPHA, MASK_MODES, StoreThread

MAX_OPENED = 12
"""Pairs that are opened as layers at once."""
FILL_OPACITY = FILL_ALPHA / 255
"""Of filled labels: the texture below is what is judged."""
SAMPLE = "organoid_synth_sample"
"""Key of a layer's metadata: database and id of the sample that it shows."""


class SampleLayers:
    """The layers of samples in one viewer.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Where they are shown.
    contrast : ProjectContrast
        Of the tiles.
    """

    _all: ClassVar[WeakKeyDictionary[Any, SampleLayers]] = WeakKeyDictionary()

    @classmethod
    def of(cls, viewer: Any) -> SampleLayers:
        """Return those of a viewer, which its docks share: a mask opened by one can be saved by another."""
        viewer = getattr(viewer, "__wrapped__", viewer)  # docks may get a proxy of the viewer
        if viewer not in cls._all:
            cls._all[viewer] = cls(proxy(viewer), ProjectContrast.of(viewer))
        return cls._all[viewer]

    def __init__(self, viewer: Any, contrast: ProjectContrast) -> None:
        self._viewer, self._watches = viewer, False
        self._mode = MASK_MODES[0]
        self._images: WeakSet[Any] = WeakSet()  # layers that have the contrast of the tiles
        self._contrast = contrast
        self._contrast.changed.connect(self._apply_contrast)
        self._saved: dict[Any, NDArray[Any]] = {}  # labels layers: what the store has of them

    def show(self, thread: StoreThread, id: str, pair: SamplePair) -> tuple[Any, Any]:
        """Add a sample as image and labels."""
        image, labels = show_pair(self._viewer, pair)
        labels.metadata[SAMPLE] = (str(thread.path), id)
        self._saved[labels] = np.array(pair.labels)  # napari paints into the array that it was given
        if not self._watches:
            self._watches = True
            self._viewer.layers.events.removed.connect(self._forget)
        self.adopt(image, labels)
        return image, labels

    def adopt(self, image: Any, labels: Any) -> None:
        """Draw the layers of any pair as the tiles: with their contrast and their masks."""
        self.draw_mask(labels)
        self._images.add(image)
        self._apply_contrast([image])

    def show_beside(self, thread: StoreThread, id: str, sample: SamplePair, real: SamplePair) -> None:
        """Add a sample and, right of it, a real tile."""
        shown = self.show(thread, id, sample)
        width = sample.size[1] * float(shown[1].scale[-1])
        beside = show_pair(self._viewer, real)
        self.adopt(*beside)
        for layer in beside:
            layer.translate = [*layer.translate[:-1], 1.04 * width]
        self._viewer.reset_view()

    def _forget(self, event: Any) -> None:
        self._saved.pop(event.value, None)
        self._images.discard(event.value)

    def _apply_contrast(self, layers: Sequence[Any] = ()) -> None:
        """Give these layers, or all, the contrast of the tiles; channels behind a slider share the widest."""
        limits = self._contrast.limits
        if not limits:
            return
        low, high = min(low for low, _ in limits), max(high for _, high in limits)
        for layer in layers or list(self._images):
            if not layer.rgb and high > low:
                least, most = layer.contrast_limits_range
                layer.contrast_limits_range = min(least, low), max(most, high)
                layer.contrast_limits = low, high

    def set_mode(self, mode: str, thread: StoreThread | None) -> None:
        """Draw all masks, and those opened later, as the tiles do: outline, fill or none."""
        self._mode = mode
        for _, labels in self.masks(thread):
            self.draw_mask(labels)

    def draw_mask(self, labels: Any) -> None:
        """Draw a labels layer as the tiles draw theirs."""
        labels.visible = self._mode != "none"
        labels.contour = int(self._mode == "outline")
        labels.opacity = FILL_OPACITY if self._mode == "fill" else 1.0

    def masks(self, thread: StoreThread | None) -> list[tuple[str, Any]]:
        """Return the ids of the samples of this database whose mask is open, each with its labels layer."""
        path = str(thread.path) if thread is not None else ""
        known = [(layer.metadata.get(SAMPLE, ("", "")), layer) for layer in self._viewer.layers]
        return [(id, layer) for (store, id), layer in known if id and store == path]

    def changed(self, thread: StoreThread | None) -> list[tuple[str, NDArray[Any]]]:
        """Return ids and pixels of the open masks that differ from those in the store."""
        return [
            (id, np.array(layer.data))
            for id, layer in self.masks(thread)
            if not np.array_equal(layer.data, self._saved.get(layer, layer.data))
        ]

    def update(self, masks: Sequence[tuple[Any, SamplePair]]) -> None:
        """Show what is saved in labels layers that show something else."""
        for layer, pair in masks:
            self._saved[layer] = np.array(pair.labels)
            if not np.array_equal(layer.data, pair.labels):
                layer.data = pair.labels
