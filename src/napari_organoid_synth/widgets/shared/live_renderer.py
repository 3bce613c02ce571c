"""The window's side of painting live: a process that renders, asked without a thread and without a wait.

Every request has a number. The newest wins: answers about a mask that was replaced are dropped, and the process itself
skips what became needless. The masks are kept here, so that a process that ended, for want of work or for any other
reason, costs a second and nothing else.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.job import Failed
from napari_organoid_synth.core.live.frames import Message, plain
from napari_organoid_synth.widgets.shared.live_canvas import Box, LiveCanvas, PaintedMessage
from napari_organoid_synth.widgets.shared.live_exchange import LiveExchange

logger = logging.getLogger(__name__)
POST = ("serial", "serials", "canvas", "seconds")
"""Values of an answer that are not about its contents."""


class LiveRenderer(QObject):
    """Paints canvases in a process of its own.

    Parameters
    ----------
    parent : QObject, optional

    Signals
    -------
    opened(dict)
        The model is open, or another device computes now. Keys: name, generator, shape, side, checkpoint, sha256,
        mask_kind, class_names, image_channels, channel_names, dtype, pixel_size, image_classes, class_conditional,
        walks, style_layers, device, remark.
    painted(PaintedMessage)
    factsKnown(str, dict)
        Canvas, and what is known of the origin of its image.
    failed(Failed)
        With ``found``, ``expected``, ``todo`` and ``report``.
    stateChanged(str)
        "stopped", "starting", "ready", "busy" or "crashed".
    """

    opened = Signal(dict)
    painted = Signal(object)
    factsKnown = Signal(str, dict)
    failed = Signal(object)
    stateChanged = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.first_picture_seconds: float | None = None
        """From the start of the present process to its first picture."""
        self._model: dict[str, Any] = {}
        self._canvases: dict[str, LiveCanvas] = {}
        self._oldest = 0
        self.answered = 0
        """Number of the newest request of which an answer was told, also while it is told."""
        self._exchange = LiveExchange(self)
        self._exchange.answered.connect(self._take)
        self._exchange.crashed.connect(self._crashed)
        self._exchange.stateChanged.connect(self.stateChanged)

    @property
    def state(self) -> str:
        """``"stopped"``, ``"starting"``, ``"ready"``, ``"busy"`` or ``"crashed"``."""
        return self._exchange.state

    @property
    def pid(self) -> int:
        """Number of the process; 0 where none runs."""
        return self._exchange.pid

    def prepare(self) -> None:
        """Start the process although nothing is to paint yet: loading it takes longer than the first picture."""
        self._begin()

    @property
    def has_canvases(self) -> bool:
        """Whether something is painted, here or from another page, which opening a model would end."""
        return bool(self._canvases)

    # --- requests; each returns its number, or 0 where there was nothing to ask ---

    def open(self, model: Path | str, checkpoint: str = "newest", device: str = "auto") -> int:
        """Open a model, and forget all canvases, whose masks belong to another one; `opened` or `failed` follows.

        Parameters
        ----------
        model : Path or str
            Folder of a run, or a ``.synth`` file.
        checkpoint, device : str
            As in `TrainedGenerator.open`.
        """
        self._model = {"model": str(model), "checkpoint": checkpoint, "device": device}
        self._canvases.clear()
        if not self._begin():
            self._send_open()
        return self._oldest

    def paint(
        self,
        canvas: str,
        labels: NDArray[Any] | None = None,
        *,
        seed: int = 0,
        image_class: int = 0,
        variety: float = 1.0,
        exclude: Collection[str] = (),
        walk: dict[str, Any] | None = None,
        light: dict[str, Any] | None = None,
        look: NDArray[Any] | None = None,
        real: NDArray[Any] | None = None,
    ) -> int:
        """Paint a whole mask, or draw image and mask from noise.

        Parameters
        ----------
        canvas : str
            Its name; a canvas of that name is replaced.
        labels : NDArray (Y, X) int, optional
            The mask; none for a generator that draws masks itself.
        seed, image_class, variety, exclude, real
            As in `open_canvas`.
        walk : dict, optional
            Place on a way through the noise, values of `WalkSettings`, in place of seed, image class and variety.
        light : dict, optional
            Settings of the light.
        look : NDArray (C, Y, X), optional
            As of `light`. Without light and look both stay as they were.
        """
        values = {"seed": seed, "image_class": image_class, "variety": variety, "exclude": exclude, "walk": walk}
        mask = None if labels is None else np.array(labels, np.int32)
        given = (None if array is None else np.array(array) for array in (real, look))
        known = LiveCanvas(canvas, plain(values), mask, next(given), light, next(given))
        if (before := self._canvases.get(canvas)) is not None:
            known.follow(before)
        self._canvases[canvas] = known
        if not self._begin():
            self._send_paint(known)
        return known.newest

    def change(self, canvas: str, box: Box, labels: NDArray[Any], quality: str = "full") -> int:
        """Paint what depends on a part of a mask that changed; a canvas that was not painted is ignored.

        Parameters
        ----------
        canvas : str
            Its name.
        box : (int, int, int, int)
            First row and column, last row and column plus one; what lies outside of the canvas is left out.
        labels : NDArray (h, w) or (Y, X) int
            The new labels in the box, or the whole mask.
        quality : {"full", "fast"}
            ``fast`` while the mouse is down.
        """
        self._exchange.collect()  # the window is about to be drawn: it may show what is painted already
        known = self._canvases.get(canvas)
        written = None if known is None else known.write(box, labels)
        if known is None or written is None:
            return 0
        if not self._begin():
            values = {"canvas": canvas, "boxes": [written[0]], "quality": quality}
            known.newest = self._exchange.send("change", values, {"labels 0": written[1]})
        return known.newest

    def light(self, canvas: str, settings: dict[str, Any] | None, look: NDArray[Any] | None = None) -> int:
        """Show a canvas in another light; one that was not painted is ignored.

        Parameters
        ----------
        canvas : str
            Its name.
        settings : dict, optional
            Those of `LightSettings`; None: as painted.
        look : NDArray (C, Y, X), optional
            Another real image, whose tones are taken.
        """
        if (known := self._canvases.get(canvas)) is None:
            return 0
        known.light, known.look = settings, None if look is None else np.array(look)
        if not self._begin():
            known.newest = self._exchange.send("light", *known.lighting)
        return known.newest

    def ask_facts(self, canvas: str) -> int:
        """Ask where the present image comes from; `factsKnown` follows.

        The facts are those of the message, and of painters without training ``sources`` (share by name), ``residual``
        (misfit by label) and ``largest_piece`` (px).
        """
        if (known := self._canvases.get(canvas)) is None:
            return 0
        self._begin()
        known.newest = self._exchange.send("facts", {"canvas": canvas})
        return known.newest

    def close(self, canvas: str) -> None:
        """Forget a canvas."""
        if self._canvases.pop(canvas, None) is not None and self._exchange.is_running:
            self._exchange.send("close", {"canvas": canvas})

    def stop(self, wait: bool = False) -> None:
        """End the process and forget model and canvases.

        Parameters
        ----------
        wait : bool
            Whether to return when the process is gone, some milliseconds later.
        """
        self._model = {}
        self._canvases.clear()
        self._exchange.end(wait)

    # --- the process ---

    def _begin(self) -> bool:
        """Start the process if there is none, ask it for all that is known here, and return True."""
        if not self._exchange.begin():
            return False
        self.first_picture_seconds = None
        if self._model:
            self._send_open()
        for canvas in self._canvases.values():
            self._send_paint(canvas)
        return True

    def _crashed(self, report: str, again: bool) -> None:
        if not again:
            self._begin()
            return
        found, expected = "The renderer ended, and ended again after its second start.", "Expected it to paint."
        self.failed.emit(Failed(0, found, expected, "Use a smaller mask, or close other programs.", report))

    def _send_open(self) -> None:
        self._oldest = self._exchange.send("open", self._model)

    def _send_paint(self, canvas: LiveCanvas) -> None:
        canvas.newest = self._exchange.send("paint", *canvas.painting)
        canvas.oldest = canvas.oldest or canvas.newest

    # --- answers ---

    def _take(self, answer: Message) -> None:
        values = answer.values
        canvas, serial = str(values.get("canvas", "")), int(values.get("serial", 0))
        self.answered = max(self.answered, serial)
        known = self._canvases.get(canvas)
        of_model = serial >= self._oldest
        stale = not of_model or (bool(canvas) and (known is None or serial < known.oldest))
        if answer.kind == "opened" and of_model:
            self.opened.emit({name: value for name, value in values.items() if name not in POST})
        elif answer.kind == "painted" and not stale:
            self._show(answer)
        elif answer.kind == "facts" and not stale:
            self.factsKnown.emit(canvas, values["facts"])
        elif answer.kind == "failed" and not stale:
            if not canvas:  # without a model every canvas would fail, too
                self._oldest = self._exchange.serial + 1
            self.failed.emit(Failed(0, values["found"], values["expected"], values["todo"], values["report"]))

    def _show(self, answer: Message) -> None:
        if self.first_picture_seconds is None:
            self.first_picture_seconds = time.perf_counter() - self._exchange.started
            logger.info("First picture %.2f s after the start of the renderer", self.first_picture_seconds)
        self.painted.emit(PaintedMessage.of(answer))
