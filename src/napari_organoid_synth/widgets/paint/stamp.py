"""The tool "New cell": a shape floats under the mouse, turns and grows with the wheel, and is dropped by a click."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.live.stamps import (
    MAX_SCALE,
    MIN_SCALE,
    Pixels,
    Stamp,
    border_of,
    free_label,
    object_at,
    stamp_pixels,
)
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.widgets.shared.layer_grid import place_of

TURN, GROW = 15.0, 1.08
"""Degrees and factor of one notch of the wheel."""
CLICK = 4.0
"""Movement of the mouse, px of the screen, up to which a press and a release are a click and no drag."""
BORDER, INSIDE, FAINT = 1, 2, 0.35
"""Labels of the floating shape, and the opacity of its inside."""
FLOAT_NAME = "new cell"
FLOAT = "organoid_synth_float"
"""Key of the metadata of the layer that floats."""


class StampTool(QObject):
    """Stamps shapes into a labels layer; napari's undo takes a stamp back.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    layer : napari.layers.Labels
        2-D.
    mask_kind : {"binary", "classes", "instances"}
    parent : QObject, optional

    Signals
    -------
    dropped(object)
        The `Stamp` that was dropped.
    deleted()
        An object was deleted.
    turnedOn(bool)
        Whether it is on.

    Attributes
    ----------
    overwrite : bool
        Whether a stamp also takes the pixels of other objects.
    """

    dropped = Signal(object)
    deleted = Signal()
    turnedOn = Signal(bool)

    def __init__(self, viewer: Any, layer: Any, mask_kind: MaskKind, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._viewer, self._layer, self._kind = viewer, layer, mask_kind
        self.overwrite, self.is_on = False, False
        self._stamps: list[Stamp] = []
        self._rng = np.random.default_rng()
        self._stamp: Stamp | None = None
        self._angle, self._scale = 0.0, 1.0
        self._shape: NDArray[np.bool_] = np.ones((1, 1), bool)
        self._place: tuple[float, float] | None = None
        self._float: Any = None
        self._floating: Pixels | None = None  # where it is drawn
        self._mode = "paint"
        self._callbacks: tuple[list[Any], list[Any]] = ([], [])

    # --- on and off ---

    def start(self, stamps: Sequence[Stamp]) -> None:
        """Let shapes float under the mouse, one after the other in random order."""
        self._stamps = list(stamps)
        if not self._stamps or self.is_on:
            return
        self.is_on = True
        viewer, layer = self._viewer, self._layer
        self._mode = str(layer.mode)
        layer.mode = "pan_zoom"
        self._callbacks = list(viewer.mouse_wheel_callbacks), list(viewer.mouse_double_click_callbacks)
        viewer.mouse_wheel_callbacks[:] = [self._wheel]  # the wheel neither zooms nor moves the sliders meanwhile
        viewer.mouse_double_click_callbacks[:] = [self._double_click]  # a quick second click drops, too
        layer.mouse_move_callbacks.append(self._move)
        layer.mouse_drag_callbacks.append(self._press)
        for key, call in self._keys().items():
            layer.bind_key(key, call, overwrite=True)
        viewer.layers.selection = {layer}
        self.next()
        self.turnedOn.emit(True)

    def stop(self) -> None:
        """Give the mouse back to the brush."""
        if not self.is_on:
            return
        self.is_on = False
        viewer, layer = self._viewer, self._layer
        viewer.mouse_wheel_callbacks[:], viewer.mouse_double_click_callbacks[:] = self._callbacks
        for callbacks, call in ((layer.mouse_move_callbacks, self._move), (layer.mouse_drag_callbacks, self._press)):
            if call in callbacks:
                callbacks.remove(call)
        for key in self._keys():
            layer.bind_key(key, None, overwrite=True)
        self._land()
        if layer in viewer.layers:
            viewer.layers.selection = {layer}
            layer.mode = self._mode
        self.turnedOn.emit(False)

    def _keys(self) -> dict[str, Any]:
        return {
            "Escape": lambda _: self.stop(),
            "Delete": lambda _: self.delete(),
            "Backspace": lambda _: self.delete(),
            "N": lambda _: self.next(),
        }

    # --- the shape ---

    def next(self) -> None:
        """Take another shape, turned at random where objects have no direction of their own."""
        wanted = self._layer.selected_label
        of_class = [one for one in self._stamps if one.value == wanted] if self._kind == "classes" else []
        among = of_class or self._stamps
        self._stamp = among[int(self._rng.integers(len(among)))]
        self._angle, self._scale = float(self._rng.uniform(0, 360)), 1.0
        self._shape_changed()

    def turn(self, degrees: float) -> None:
        """Turn the shape counter-clockwise."""
        self._angle += degrees
        self._shape_changed()

    def grow(self, factor: float) -> None:
        """Make the shape larger or smaller."""
        self._scale = float(np.clip(self._scale * factor, MIN_SCALE, MAX_SCALE))
        self._shape_changed()

    def _shape_changed(self) -> None:
        if self._stamp is None:
            return
        self._shape = self._stamp.turned(self._angle, self._scale)
        self._draw()

    # --- what is done ---

    def drop(self) -> None:
        """Stamp the shape where it floats, as one step of napari's undo, and take the next."""
        if self._place is None or self._stamp is None:
            return
        data = np.asarray(self._layer.data)
        pixels = stamp_pixels(data, self._shape, self._place, self.overwrite)
        if not len(pixels[0]):
            return
        value = {"instances": free_label(data), "classes": self._stamp.value}.get(self._kind, 1)
        self._layer.data_setitem(pixels, value)
        self._layer.selected_label = value
        self.dropped.emit(self._stamp)
        self.next()

    def delete(self) -> None:
        """Remove the object under the mouse, as one step of napari's undo."""
        if self._place is None:
            return
        place = round(self._place[0]), round(self._place[1])
        pixels = object_at(np.asarray(self._layer.data), place, self._kind)
        if pixels is not None:
            self._layer.data_setitem(pixels, 0)
            self.deleted.emit()

    # --- mouse ---

    def _move(self, layer: Any, event: Any) -> None:
        place = np.asarray(layer.world_to_data(event.position), float)[-2:]
        self._place = float(place[0]), float(place[1])
        self._draw()

    def _press(self, layer: Any, event: Any) -> Iterator[None]:
        """Drop where the mouse is released, unless it was dragged, which moves the view; the right button: next."""
        start, button = np.array(event.pos, float), event.button
        self._move(layer, event)
        yield
        while event.type == "mouse_move":
            yield
        if np.abs(np.array(event.pos, float) - start).max() > CLICK:
            return
        if button == 1:
            self.drop()
        elif button == 2:
            self.next()

    def _double_click(self, viewer: Any, event: Any) -> None:
        event.handled = True
        self._move(self._layer, event)
        self.drop()

    def _wheel(self, viewer: Any, event: Any) -> None:
        """Turn, or with Ctrl or Shift grow; the view does not zoom."""
        notches = float(event.delta[1]) or float(event.delta[0])  # some systems scroll sideways with Shift
        event.handled = True
        if "Control" in event.modifiers or "Shift" in event.modifiers:
            self.grow(GROW**notches)
        else:
            self.turn(TURN * notches)

    # --- the outline under the mouse ---

    def _draw(self) -> None:
        """Show the shape at the mouse, its border stronger than its inside."""
        if self._place is None:
            return
        if self._float is None or self._float not in self._viewer.layers:
            self._float = add_float(self._viewer, self._layer)
            self._floating = None
        blank = np.asarray(self._float.data)
        inside = stamp_pixels(blank, self._shape, self._place, overwrite=True)
        border = stamp_pixels(blank, border_of(self._shape), self._place, overwrite=True)
        if self._floating is not None:  # moving the layer itself would let napari measure the world again, 25 ms
            self._float.data_setitem(self._floating, 0, refresh=not len(inside[0]))
        self._float.data_setitem(inside, INSIDE, refresh=False)
        self._float.data_setitem(border, BORDER)
        self._floating = inside

    def _land(self) -> None:
        if self._float is not None and self._float in self._viewer.layers:
            self._viewer.layers.remove(self._float)
        self._float, self._floating, self._place = None, None, None


def add_float(viewer: Any, layer: Any) -> Any:
    """Add an empty labels layer of the size and place of another, which keeps the mouse and the keys."""
    from napari.settings import get_settings
    from napari.utils.colormaps import DirectLabelColormap

    blank = np.zeros(layer.data.shape, np.uint8)
    added = viewer.add_labels(blank, name=FLOAT_NAME, opacity=1.0, metadata={FLOAT: True}, **place_of(layer))
    colour = get_settings().appearance.highlight.highlight_color  # with which napari marks what is selected
    faint = [*list(colour)[:3], FAINT]
    colours = {None: "transparent", 0: "transparent", BORDER: colour, INSIDE: faint}
    added.colormap = DirectLabelColormap(color_dict=colours)
    viewer.layers.selection = {layer}
    return added
