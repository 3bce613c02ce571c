"""Image and mask that a generator draws from noise, as layers that follow the walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.widgets.live.target import LiveTarget, show_drawn, shown
from napari_organoid_synth.widgets.shared.layers import look_at

CANVAS = "walk"
NAME = "walk"


@dataclass(frozen=True, eq=False)
class Drawing:
    """Image and mask as they are looked at.

    Parameters
    ----------
    message : PaintedMessage
        The newest whole picture.
    facts : mapping
        Of its noise.
    place : WalkSettings
        Where it lies.
    model : mapping
        What the renderer said of the model.
    path : Path
        Of its run or model file.
    """

    message: Any
    facts: Mapping[str, Any]
    place: WalkSettings
    model: Mapping[str, Any]
    path: Path

    @property
    def is_pair(self) -> bool:
        """Whether image and mask are both there."""
        return self.message.labels is not None and bool(len(self.message.pixels))


class NoiseDrawing(QObject):
    """Image and mask that a generator draws from noise, as two layers that follow.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Gets the layers.
    renderer : LiveRenderer
    parent : QObject, optional

    Signals
    -------
    began(LiveTarget)
        The model is open.
    drawn()
        A picture is on the layers.

    Attributes
    ----------
    is_open : bool
        Whether the model is open.
    newest : Drawing or None
        What the layers show.
    """

    began = Signal(object)
    drawn = Signal()

    def __init__(self, viewer: Any, renderer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.viewer, self._renderer = viewer, renderer
        self._model: dict[str, Any] = {}
        self._starting = self.is_open = False
        self._layers: tuple[Any, ...] = ()
        self._path = Path()
        self._asked: dict[int, WalkSettings] = {}
        self.newest: Drawing | None = None
        renderer.opened.connect(self._take_model)
        renderer.painted.connect(self._take)
        renderer.failed.connect(self._fail)

    def start(self, model: Path, checkpoint: str) -> None:
        """Open a model; after `began` a place can be drawn.

        Parameters
        ----------
        model : Path
            Folder of a run, or a ``.synth`` file.
        checkpoint : str
            ``"newest"``, ``"best"``, or a step.
        """
        self.end()
        self._starting, self._path = True, model
        self._renderer.open(model, checkpoint)

    def end(self) -> None:
        """Stop following; layers stay as they are."""
        self._starting = False
        if self.is_open:
            self.is_open, self._layers, self.newest = False, (), None
            self._asked.clear()
            self._renderer.close(CANVAS)

    def walk_to(self, place: WalkSettings) -> bool:
        """Draw another place; return whether a picture follows."""
        if self.is_open:
            self._asked[self._renderer.paint(CANVAS, None, seed=place.seed, walk=place.model_dump())] = place
        return self.is_open

    def _take_model(self, model: Mapping[str, Any]) -> None:
        if self._starting:
            self._starting, self.is_open, self._model = False, True, dict(model)
            size = self._model.get("pixel_size")
            self.began.emit(LiveTarget(CANVAS, self._model, self.walk_to, pixel_size=tuple(size) if size else None))

    def _fail(self, _: object) -> None:
        self._starting = False

    def _take(self, message: Any) -> None:
        """Show what was drawn, in the layers that are there or in new ones."""
        if message.canvas != CANVAS or not self.is_open:
            return
        answered = [self._asked.pop(serial) for serial in list(self._asked) if serial <= message.serial]
        before = self.newest
        if answered:
            self.newest = Drawing(message, message.facts, answered[-1], self._model, self._path)
        elif before is not None:  # the same place in another light
            self.newest = replace(before, message=message)
        self._show(message)
        self.drawn.emit()

    def _show(self, message: Any) -> None:
        arrays = [array for array in (shown(message.pixels, self._model), message.labels) if array is not None]
        fits = self._layers and all(
            layer in self.viewer.layers and layer.data.shape == array.shape
            for layer, array in zip(self._layers, arrays, strict=True)
        )
        if not fits:
            self._layers = show_drawn(self.viewer, message, self._model, NAME)
            look_at(self.viewer, self._layers)
            return
        for layer, array in zip(self._layers, arrays, strict=True):
            np.copyto(layer.data, array)
            layer.refresh(thumbnail=False, highlight=False, extent=False)
