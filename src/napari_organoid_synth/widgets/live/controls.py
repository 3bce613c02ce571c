"""Connects the panels of light and walks to the renderer and to the canvas that is looked at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtCore import QObject, QTimer, Signal

from napari_organoid_synth.core.live.film import SUFFIXES, pictures_of, there_and_back, write_film
from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.core.pairs.pair import RGB
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.widgets.live.gather import Gatherer
from napari_organoid_synth.widgets.live.light_panel import LightPanel
from napari_organoid_synth.widgets.live.target import GAP, LiveTarget, show_drawn, show_film
from napari_organoid_synth.widgets.live.walk_panel import WalkPanel
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.layers import look_at

LIGHT_MS = 15
"""Time in which movements of a slider become one request."""
COLUMNS = 2
PATIENCE_MS = 1000
"""Time after which the next place is asked for, although no picture of the one before arrived."""


class LiveControls(QObject):
    """Light and walks of one canvas.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Gets the layers of variations and films.
    renderer : LiveRenderer
    light : LightPanel
    walk : WalkPanel
    parent : QObject, optional

    Signals
    -------
    told(str)
        How far it is, and what was saved.
    failed(object)
        An error to show.
    """

    told = Signal(str)
    failed = Signal(object)

    def __init__(
        self, viewer: Any, renderer: Any, light: LightPanel, walk: WalkPanel, parent: QObject | None = None
    ) -> None:
        super().__init__(parent)
        self.viewer, self.renderer, self.light, self.walk = viewer, renderer, light, walk
        self.target: LiveTarget | None = None
        self._base = WalkSettings()
        self._path: Path | None = None
        self._back = False
        self._shown: list[Any] = []  # layers of the newest variations
        self._next: WalkSettings | None = None
        self._patience = QTimer(self)
        self._patience.setSingleShot(True)
        self._patience.setInterval(PATIENCE_MS)
        self._patience.timeout.connect(self._go_on)
        renderer.painted.connect(self._see_picture)
        self._background = Background(self)
        self._variations, self._film = Gatherer(renderer, self), Gatherer(renderer, self)
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(LIGHT_MS)
        self._wait.timeout.connect(self._send_light)
        light.valueChanged.connect(self._relight)
        light.lookChanged.connect(self._relight)
        walk.valueChanged.connect(self._walk_to)
        walk.variationsAsked.connect(self._ask_variations)
        self._variations.gathered.connect(self._show_variations)
        self._film.gathered.connect(self._write_film)
        self._film.advanced.connect(lambda done, number: self.told.emit(f"Drawing: {done} of {number} pictures."))

    # --- the canvas ---

    def follow(self, target: LiveTarget | None) -> None:
        """Act on a canvas; None: on nothing."""
        self._variations.stop()
        self._film.stop()
        self.target = target
        if target is None:
            return
        model = target.model
        self.walk.offer(model.get("walks") or (), model.get("image_classes") or (), int(model.get("style_layers") or 0))
        self._patience.stop()
        self._walk_to(self.walk.value())
        if not self.light.value().is_neutral or self.light.look is not None:
            self._relight()

    def set_base(self, place: WalkSettings) -> None:
        """Begin the walk at seed, class and variety that are chosen above; pad and share stay."""
        if place == self._base:
            return
        self._base = place
        changes = {name: getattr(place, name) for name in ("seed", "variety", "class_from")}
        now = self.walk.value()
        class_to = place.class_from if not now.class_share and now.class_to == now.class_from else now.class_to
        self.walk.setValue(now.replace(**changes, class_to=class_to, index=0, attempt=0))

    def _walk_to(self, place: WalkSettings) -> None:
        """Ask for a place; while an answer is on its way only the newest place waits."""
        if self.target is None:
            return
        self._next = place
        if not self._patience.isActive():
            self._go_on()

    def _go_on(self) -> None:
        place, self._next = self._next, None
        self._patience.stop()
        if self.target is not None and place is not None and self.target.walk_to(place):
            self._patience.start()

    def _see_picture(self, message: Any) -> None:
        if self.target is not None and message.canvas == self.target.canvas:
            self._go_on()

    def is_base(self, place: WalkSettings) -> bool:
        """Return whether a place is what the choices above say already."""
        same = ("seed", "variety", "class_from", "index", "attempt")
        return place.is_plain and not place.class_share and all(
            getattr(place, name) == getattr(self._base, name) for name in same
        )  # fmt: skip

    # --- light ---

    def _relight(self, _: object = None) -> None:
        self._wait.start()

    def _send_light(self) -> None:
        if self.target is not None:
            self.renderer.light(self.target.canvas, self._light(), self.light.look)

    def _light(self) -> dict[str, Any] | None:
        settings = self.light.value()
        return None if settings.is_neutral else settings.model_dump()

    # --- several pictures ---

    def _ask_variations(self, places: Sequence[WalkSettings]) -> None:
        if self.target is not None:
            self._variations.ask(places, self.target.mask(), self._light(), self.target.exclude, self.light.look)

    def _show_variations(self, messages: Sequence[Any]) -> None:
        """Show variations side by side, right of the picture that they vary; those before give way."""
        if self.target is None:
            return
        for layer in self._shown:
            if layer in self.viewer.layers:
                self.viewer.layers.remove(layer)
        self._shown = []
        for number, message in enumerate(messages):
            layers = show_drawn(self.viewer, message, self.target.about, f"variation {number + 1}")
            height, width = (GAP * length for length in layers[0].extent.world[1, -2:])
            for layer in layers:
                moved = np.array(layer.translate, float)
                moved[-2:] += (number // COLUMNS) * height, (number % COLUMNS + 1) * width
                layer.translate = moved
            self._shown += layers
        look_at(self.viewer, list(self.viewer.layers))
        self.told.emit(f"{plural(len(messages), 'variation')} beside the picture.")

    def save_film(self, path: Path, places: Sequence[WalkSettings], back: bool = False) -> None:
        """Draw the places of a film, then write it and show it as a layer.

        Parameters
        ----------
        path : Path
            Ends with .gif, .mp4 or .tif; .gif is added to a name without one of these.
        places : sequence of WalkSettings
            At least 2.
        back : bool
            Whether the file goes the same way back.
        """
        if self.target is not None:
            self._back = back
            self._path = path if path.suffix.lower() in SUFFIXES else path.with_name(f"{path.name}.gif")
            self._film.ask(places, self.target.mask(), self._light(), self.target.exclude, self.light.look)

    def _write_film(self, messages: Sequence[Any]) -> None:
        path, target = self._path, self.target
        if path is None or target is None:
            return
        pixels = [message.pixels for message in messages]
        if not len(pixels[0]):  # masks alone
            pixels = [(message.labels > 0)[None].astype(np.uint8) for message in messages]
        rgb = tuple(target.model.get("channel_names") or ()) == RGB
        self.told.emit("Saving the animation…")

        back = self._back

        def write() -> None:
            pictures = pictures_of(pixels, rgb)
            write_film(path, there_and_back(pictures) if back else pictures)

        self._background.do(write, lambda _: self.told.emit(f"Saved {path.name}."), self.failed.emit)
        show_film(self.viewer, messages, target.about, path.stem)

    def close(self) -> None:
        """Stop, and end the background thread."""
        self.follow(None)
        self._wait.stop()
        self._patience.stop()
        self._background.close()
