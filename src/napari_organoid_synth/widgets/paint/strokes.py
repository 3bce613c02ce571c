"""Labels while painting: a new number for each new object, and none that the generator does not know."""

from __future__ import annotations

from typing import Any

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.live.stamps import free_label
from napari_organoid_synth.core.pairs.pair import MaskKind


class StrokeLabels(QObject):
    """Chooses the label of each stroke on a labels layer.

    Parameters
    ----------
    layer : napari.layers.Labels
    mask_kind : {"binary", "classes", "instances"}
    highest : int
        Largest label that the generator knows; of instances there is none.
    new_ids : bool
        Whether a stroke that does not begin on the object of the selected label gets a new number.
    parent : QObject, optional

    Signals
    -------
    selected(int)
        Another label is selected.
    """

    selected = Signal(int)

    def __init__(
        self, layer: Any, mask_kind: MaskKind, highest: int, new_ids: bool = True, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self._layer, self._kind, self._highest = layer, mask_kind, highest
        self.new_ids = new_ids
        layer.mouse_drag_callbacks.insert(0, self._press)
        layer.events.paint.connect(self._after_polygon)
        layer.events.selected_label.connect(self._keep_known)

    def stop(self) -> None:
        """Leave the layer alone."""
        if self._press in self._layer.mouse_drag_callbacks:
            self._layer.mouse_drag_callbacks.remove(self._press)
        self._layer.events.paint.disconnect(self._after_polygon)
        self._layer.events.selected_label.disconnect(self._keep_known)

    def _press(self, layer: Any, event: Any) -> None:
        """Select a new number before napari's own tool begins a stroke."""
        if layer.mode == "paint" and self._numbers() and not event.modifiers and not self._is_on_selected(event):
            layer.selected_label = free_label(np.asarray(layer.data))

    def _after_polygon(self, event: Any = None) -> None:
        """Select a new number for the next polygon, which is on the mask only after this event."""
        if self._layer.mode == "polygon" and self._numbers():
            used = self._layer.selected_label
            self._layer.selected_label = max(used + 1, free_label(np.asarray(self._layer.data)))

    def _numbers(self) -> bool:
        """Return whether objects get numbers of their own, and none is being erased."""
        return self._kind == "instances" and self.new_ids and self._layer.selected_label != 0

    def _is_on_selected(self, event: Any) -> bool:
        """Return whether the brush touches the object of the selected label where it is put down."""
        layer = self._layer
        place = np.asarray(layer.world_to_data(event.position))[-2:]
        radius = layer.brush_size / 2
        low = np.maximum(np.floor(place - radius), 0).astype(int)
        high = np.maximum(np.ceil(place + radius) + 1, 0).astype(int)
        return bool((np.asarray(layer.data)[low[0] : high[0], low[1] : high[1]] == layer.selected_label).any())

    def _keep_known(self, event: Any = None) -> None:
        """Go back to the highest label that the generator knows."""
        if not isalive(self):  # napari's events outlive a window that was closed
            return
        layer = self._layer
        if self._kind != "instances" and layer.selected_label > self._highest:
            layer.selected_label = self._highest
            return
        self.selected.emit(int(layer.selected_label))
