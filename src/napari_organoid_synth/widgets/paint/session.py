"""One painting: layers, what is done on them, and the renderer whose pictures come back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.compat import isalive
from qtpy.QtCore import QObject, QTimer, Signal

from napari_organoid_synth.core.boxes import Box, changed_box
from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.widgets.paint.follow import Follower
from napari_organoid_synth.widgets.paint.layers import PaintLayers
from napari_organoid_synth.widgets.paint.start import Start, kind_of
from napari_organoid_synth.widgets.paint.strokes import StrokeLabels

FACTS_MS = 500
"""Time after the last change until it is asked which objects are unlike any example."""
_numbers = count(1)


@dataclass(frozen=True)
class PaintOptions:
    """How the image is painted; another choice paints the whole image again.

    Parameters
    ----------
    seed : int
    image_class : int
        Index into the image classes of the model.
    variety : float
        Spread of the noise, 0 to 2.
    exclude : tuple of str
        Real images that a painter without training may not use.
    walk : WalkSettings, optional
        Place on a way through the noise, which says seed, class and variety.
    """

    seed: int = 0
    image_class: int = 0
    variety: float = 1.0
    exclude: tuple[str, ...] = ()
    walk: WalkSettings | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the keyword arguments of `LiveRenderer.paint`."""
        chosen = {name: getattr(self, name) for name in ("seed", "image_class", "variety", "exclude")}
        return chosen if self.walk is None else chosen | {"walk": self.walk.model_dump()}


@dataclass
class Deeds:
    """What a person did by hand; undone strokes count, too."""

    strokes: int = 0
    stamps: int = 0
    deleted: int = 0
    shapes: set[str] = field(default_factory=set)  # real images
    runs: set[str] = field(default_factory=set)  # that drew shapes


class PaintSession(QObject):
    """A painting from its first picture until it ends.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    renderer : LiveRenderer
        With the model open.
    model : mapping
        What the renderer said of the model when it was opened.
    start : Start
    options : PaintOptions
    own : napari.layers.Labels, optional
        The labels layer to paint on; default: a new one.
    parent : QObject, optional

    Signals
    -------
    pictured()
        Pixels arrived and are on the layer.
    factsChanged(dict)
        Sources, residual and more of the whole image.
    settled()
        The image is that of the mask, and the facts are those of the image; after `settle`.
    ended(str)
        Why: a layer that is gone; empty where a person ended it.

    Attributes
    ----------
    canvas : str
        Its name at the renderer.
    """

    pictured = Signal()
    factsChanged = Signal(object)
    settled = Signal()
    ended = Signal(str)

    def __init__(
        self,
        viewer: Any,
        renderer: Any,
        model: Mapping[str, Any],
        start: Start,
        options: PaintOptions,
        own: Any = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.viewer, self.renderer, self.model, self.start = viewer, renderer, dict(model), start
        self.options, self.facts, self.deeds = options, dict[str, Any](), Deeds()
        self.canvas, self.over = f"paint {next(_numbers)}", False
        self._settling = 0  # number of the request whose answer says that all is painted
        self._ask = QTimer(self)
        self._ask.setSingleShot(True)
        self._ask.setInterval(FACTS_MS)
        self._ask.timeout.connect(self._ask_facts)
        self.mask_kind, names = kind_of(str(model.get("mask_kind", ""))), tuple(model.get("class_names", ()))
        self.layers = PaintLayers(viewer, start, self._first_picture(start), self.mask_kind, names, own)
        self.labels = self.layers.labels
        highest = len(names) if self.mask_kind == "classes" else 1
        self.strokes = StrokeLabels(self.labels, self.mask_kind, highest, parent=self)
        self.follower = Follower(self.labels, self.mask_kind == "binary", self)
        self.follower.changed.connect(self._send)
        self.follower.resized.connect(self._resize)
        self.follower.stroked.connect(self._count)
        renderer.painted.connect(self._take)
        renderer.factsKnown.connect(self._take_facts)
        viewer.layers.events.removed.connect(self._check_layers)
        self.paint_all()

    def _first_picture(self, start: Start) -> NDArray[Any]:
        """Return the picture until the first is painted: the real one, or darkness."""
        dtype = np.dtype(str(self.model.get("dtype") or "uint8"))
        channels = int(self.model.get("image_channels") or 1)
        if start.image is not None and len(start.image) == channels and start.image.dtype == dtype:
            return np.ascontiguousarray(start.image)
        return np.zeros((channels, *start.labels.shape), dtype)

    def drawn_labels(self) -> set[int] | None:
        """Return the labels of what was changed on a real pair, whose other objects are real; None: all are painted."""
        first, mask = self.start.labels, self.follower.sent
        if self.start.real is None or first.shape != mask.shape:
            return None
        return set(np.unique(mask[mask != first]).tolist())

    # --- to the renderer ---

    def paint_all(self) -> None:
        """Ask for the whole image of the mask as it is now."""
        mask, real = self.follower.sent, self.start.real
        first = mask if real is None else self.start.labels  # the mask that the real image belongs to
        self.renderer.paint(self.canvas, first, **self.options.as_dict(), real=real)
        if real is not None and (box := changed_box(first, mask)) is not None:
            self._send(box, "full")

    def set_options(self, options: PaintOptions) -> None:
        """Paint with another seed, class or variety."""
        if options != self.options and not self.over:
            self.options = options
            self.paint_all()

    def set_model(self, model: Mapping[str, Any]) -> None:
        """Paint the same mask with another model; ends where that paints other masks or other images."""
        needed = ("mask_kind", "class_names", "image_channels", "dtype")
        if any(_plain(model.get(name)) != _plain(self.model.get(name)) for name in needed):
            self.end("This generator paints masks or images of another kind.")
            return
        self.model = dict(model)
        self.paint_all()

    def _send(self, box: Box, quality: str) -> None:
        self.renderer.change(self.canvas, box, self.follower.part(box), quality)
        if quality != "full":
            self._ask.stop()  # a full one follows
        elif self._settling:
            self._settling = self.renderer.ask_facts(self.canvas) or 1  # 0: another model opens, and answers next
        else:
            self._ask.start()

    def settle(self) -> None:
        """Let everything be painted that was drawn so far; `settled` follows."""
        self._settling = 1  # what is sent now asks once more
        self.follower.finish()
        self._ask.stop()
        self._settling = self.renderer.ask_facts(self.canvas) or 1

    def _resize(self) -> None:
        """Begin again on a mask of another size: nothing of a real image remains, nor may it paint what is its own."""
        start = self.start
        barred = start.barred if start.real is None else (start.choice.name,)
        self.start = replace(start, labels=self.follower.sent, image=None, real=None, barred=barred)
        self.options = replace(self.options, exclude=tuple(dict.fromkeys((*self.options.exclude, *barred))))
        pixels = self.layers.pixels
        self.layers.replace(np.zeros((len(pixels), *self.follower.sent.shape), pixels.dtype))
        self.paint_all()

    def _ask_facts(self) -> None:
        self.renderer.ask_facts(self.canvas)

    def _count(self) -> None:
        self.deeds.strokes += 1

    # --- from the renderer ---

    def _take(self, message: Any) -> None:
        """Show pixels of this canvas; the renderer leaves out those of a mask that was replaced."""
        if message.canvas != self.canvas or self.over:
            return
        top, left, bottom, right = message.box
        height, width = self.layers.pixels.shape[1:]
        if bottom > height or right > width or message.pixels.shape[1:] != (bottom - top, right - left):
            return  # asked before the mask got another size
        self.layers.show((top, left, bottom, right), message.pixels)
        if message.full:
            self.layers.rest()
        self.pictured.emit()
        if message.facts:  # of a whole painting; what has to be measured comes after the picture
            self._ask_facts()

    def _take_facts(self, canvas: str, facts: Mapping[str, Any]) -> None:
        if canvas == self.canvas and not self.over:
            self.facts = dict(facts)
            self.factsChanged.emit(self.facts)
            if self._settling and self.renderer.answered >= self._settling:
                self._settling = 0
                self.settled.emit()

    # --- the end ---

    def _check_layers(self, event: Any = None) -> None:
        if isalive(self) and not self.over and (name := self.layers.missing):
            self.end(f"The layer '{name}' was removed.")

    def end(self, why: str = "") -> None:
        """Stop following; layers stay as they are."""
        if self.over:
            return
        self.over = True
        self.follower.stop()
        self.strokes.stop()
        self._ask.stop()
        self.viewer.layers.events.removed.disconnect(self._check_layers)
        if isalive(self.renderer):  # else the window is gone
            self.renderer.painted.disconnect(self._take)
            self.renderer.factsKnown.disconnect(self._take_facts)
            self.renderer.close(self.canvas)
        self.ended.emit(why)


def _plain(value: Any) -> Any:
    return tuple(value) if isinstance(value, list | tuple) else value
