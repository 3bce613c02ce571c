"""Pictures of several places of a walk, asked for one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count
from typing import Any

from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_organoid_synth.core.live.walk_settings import WalkSettings

_numbers = count(1)


class Gatherer(QObject):
    """Asks the renderer for one picture after the other, on a canvas of its own.

    Parameters
    ----------
    renderer : LiveRenderer
        With the model open.
    parent : QObject, optional

    Signals
    -------
    advanced(int, int)
        So many pictures of so many are there.
    gathered(list of PaintedMessage)
        All of them.
    """

    advanced = Signal(int, int)
    gathered = Signal(object)

    def __init__(self, renderer: Any, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._renderer, self._canvas = renderer, ""
        self._places: list[WalkSettings] = []
        self._taken: list[Any] = []
        self._labels: NDArray[Any] | None = None
        self._more: dict[str, Any] = {}
        renderer.painted.connect(self._take)
        renderer.failed.connect(self.stop)

    @property
    def is_busy(self) -> bool:
        """Whether pictures are still missing."""
        return bool(self._canvas)

    def ask(
        self,
        places: Sequence[WalkSettings],
        labels: NDArray[Any] | None = None,
        light: dict[str, Any] | None = None,
        exclude: Sequence[str] = (),
        look: NDArray[Any] | None = None,
    ) -> None:
        """Ask for the pictures of places; what was asked for before is given up.

        Parameters
        ----------
        places : sequence of WalkSettings
            At least one.
        labels : NDArray (Y, X) int, optional
            The mask for a painter.
        light : dict, optional
            Settings of the light.
        exclude : sequence of str
            Real images that a painter without training may not use.
        look : NDArray (C, Y, X), optional
            A real image whose tones are taken.
        """
        self.stop()
        self._canvas, self._places, self._taken = f"places {next(_numbers)}", list(places), []
        self._labels, self._more = labels, {"light": light, "exclude": tuple(exclude), "look": look}
        self._next()

    def _next(self) -> None:
        place = self._places[len(self._taken)]
        self._renderer.paint(
            self._canvas, self._labels, seed=place.seed, walk=place.model_dump(), real=None, **self._more
        )

    def _take(self, message: Any) -> None:
        if message.canvas != self._canvas or not message.full:
            return
        self._taken.append(message)
        self.advanced.emit(len(self._taken), len(self._places))
        if len(self._taken) < len(self._places):
            self._next()
            return
        taken = self._taken
        self.stop()
        self.gathered.emit(taken)

    def stop(self, _: object = None) -> None:
        """Give up what is still missing."""
        if self._canvas:
            canvas, self._canvas = self._canvas, ""
            self._renderer.close(canvas)
