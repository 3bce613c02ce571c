"""The live renderer: a model, the canvases that are painted with it, and an answer to each request.

It knows no process: `server` runs it in one, scripts and tests call `Renderer.answer`.
"""

from __future__ import annotations

import gc
import logging
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.boxes import Box
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.live.canvas import Quality
from napari_organoid_synth.core.live.frames import Message
from napari_organoid_synth.core.live.light import LightSettings
from napari_organoid_synth.core.live.model import OpenModel, OpenSettings
from napari_organoid_synth.core.live.pending import is_whole, write
from napari_organoid_synth.core.live.scene import MAX_SIDE, PaintSettings, Scene

logger = logging.getLogger(__name__)
WARM_SIDE = 32
"""Side of the mask that is painted while nobody waits, px."""


class Renderer:
    """Answers requests, one after the other.

    Attributes
    ----------
    model : OpenModel or None
        What is painted with.
    scenes : dict of str to Scene
        The canvases by name.
    """

    def __init__(self) -> None:
        self.model: OpenModel | None = None
        self.scenes: dict[str, Scene] = {}

    def answer(self, request: Message) -> list[Message]:
        """Do what a request asks; whatever fails is an answer of the kind ``failed``.

        Parameters
        ----------
        request : Message
            ``open``, ``paint``, ``change``, ``light``, ``facts`` or ``close``; as `Pending` gives it.

        Returns
        -------
        list of Message
            The last one lists in ``serials`` the numbers of the requests that are settled now.
        """
        start = time.perf_counter()
        try:
            answers = self._with_memory(request)
        except Exception as error:
            answers = [_failed(error)]
        serials = request.values.get("serials", [request.values.get("serial", 0)])
        for one in answers:
            one.values.update(serial=max(serials), canvas=request.values.get("canvas", ""), serials=[])
        answers[-1].values.update(serials=serials, seconds=round(time.perf_counter() - start, 4))
        return answers

    def warm_up(self) -> None:
        """Paint a tiny mask, so that the first one that counts finds everything loaded.

        Before a model is open the painter without training does it, whose compiled code takes the longest.
        """
        try:
            if self.model is None:
                _load_compiled()
                return
            generator = self.model.generator
            labels = _square(WARM_SIDE if generator.any_size else generator.side)
            scene = Scene(PaintSettings(), labels if generator.shape == "painter" else None)
            scene.paint(generator)
            if scene.canvas is not None:
                scene.labels = np.roll(labels, 2)
                scene.change(generator, "fast")
        except Exception:  # the next request will say so
            logger.info("Could not warm up", exc_info=True)

    def rest(self) -> None:
        """Return memory that is not needed while nobody asks."""
        gc.collect()
        if self.model is not None:
            self.model.generator.rest()

    def _with_memory(self, request: Message) -> list[Message]:
        """Answer; where the graphics card has no memory left, go on with the processor and say so."""
        try:
            return self._do(request)
        except RuntimeError as error:
            if self.model is None or self.model.on_processor or not _is_out_of_memory(error):
                raise
            logger.warning("The graphics card has no memory left: %s", error)
        for scene in self.scenes.values():
            scene.forget()
        self.model = self.model.on_cpu()
        self.rest()
        return [Message("opened", self.model.facts()), *self._do(request)]

    def _do(self, request: Message) -> list[Message]:
        methods: dict[str, Callable[[Message], Message]] = {
            "open": self._open,
            "paint": self._paint,
            "change": self._change,
            "light": self._light,
            "facts": self._facts,
            "close": self._close,
        }
        if request.kind not in methods:
            raise UserError(f"The renderer knows no '{request.kind}'.", f"Expected one of: {', '.join(methods)}.", "")
        return [methods[request.kind](request)]

    def _open(self, request: Message) -> Message:
        """Open a model; canvases of another one are forgotten, for their masks may be of another kind."""
        self.scenes.clear()
        settings = OpenSettings.parse(_asked(request))
        if self.model is None or not self.model.is_of(settings):
            self.model = None  # before the next one takes its place in memory
            self.model = OpenModel.open(settings)
        return Message("opened", self.model.facts())

    def _paint(self, request: Message) -> Message:
        values = _asked(request)
        name, light = str(values.pop("canvas", "")), values.pop("light", None)
        settings = PaintSettings.parse(values)
        labels, first = (None if one is None else _mask(one) for one in map(request.arrays.get, ("labels", "first")))
        scene = Scene(settings, labels, request.arrays.get("real"), first=first)
        if (before := self.scenes.get(name)) is not None:
            scene.light, scene.look = before.light, before.look
            before.forget()
        if light is not None or "look" in request.arrays:
            scene.light, scene.look = LightSettings.parse(light or {}), request.arrays.get("look")
        self.scenes[name] = scene
        box = scene.paint(self._opened().generator)
        return self._painted(scene, box, whole=True)

    def _change(self, request: Message) -> Message:
        scene = self._scene(request)
        if not is_whole(request) or scene.labels is None:
            raise UserError("The change is not one of a mask.", "Expected boxes with labels.", "Paint the mask again.")
        write(scene.labels, request)
        quality: Quality = "fast" if request.values.get("quality") == "fast" else "full"
        box = scene.change(self._opened().generator, quality)
        return Message("done") if box is None else self._painted(scene, box)

    def _light(self, request: Message) -> Message:
        scene = self._scene(request)
        scene.relight(self._opened().generator, request.values.get("settings"), request.arrays.get("look"))
        if scene.image is None:  # it could not be painted; the light is kept
            return Message("done")
        return self._painted(scene, scene.whole)

    def _facts(self, request: Message) -> Message:
        return Message("facts", {"facts": self._scene(request).facts()})

    def _close(self, request: Message) -> Message:
        self.scenes.pop(str(request.values.get("canvas", "")), None)
        return Message("done")

    def _painted(self, scene: Scene, box: Box, whole: bool = False) -> Message:
        arrays = {"pixels": scene.picture(box)}
        if scene.drawn_labels is not None:
            arrays["labels"] = scene.drawn_labels
        values = {"box": list(box), "full": box == scene.whole, "facts": scene.origin if whole else {}}
        return Message("painted", values, arrays)

    def _opened(self) -> OpenModel:
        if self.model is None:
            raise UserError("No generator is open.", "Expected one to paint with.", "Choose a generator.")
        return self.model

    def _scene(self, request: Message) -> Scene:
        name = str(request.values.get("canvas", ""))
        if name not in self.scenes:
            raise UserError(f"There is no canvas '{name}'.", "Expected one that was painted.", "Paint its mask first.")
        return self.scenes[name]


def _load_compiled() -> None:
    from napari_organoid_synth.core.analogy.painter import AnalogyPainter, Source

    labels = _square(2 * WARM_SIDE)
    AnalogyPainter([Source("", labels[None].astype(np.uint8) * 200, labels)], "binary").paint(labels, 0)


def _square(side: int) -> NDArray[np.int32]:
    labels = np.zeros((side, side), np.int32)
    labels[side // 4 : side // 2, side // 4 : side // 2] = 1
    return labels


def _asked(request: Message) -> dict[str, Any]:
    """Return the values of a request without those of the post."""
    return {name: value for name, value in request.values.items() if name not in ("serial", "serials")}


def _mask(labels: NDArray[Any]) -> NDArray[np.int32]:
    if labels.ndim != 2 or not labels.size or max(labels.shape) > MAX_SIDE or labels.dtype.kind not in "iub":
        raise UserError(
            f"The mask is {labels.dtype} of shape {labels.shape}.",
            f"Expected whole numbers, at most {MAX_SIDE} rows and columns.",
            "Paint on a smaller mask.",
        )
    return np.array(labels, np.int32)


def _is_out_of_memory(error: RuntimeError) -> bool:
    # with torch, which painting with pairs does not need
    from napari_organoid_synth.core.device import is_out_of_memory

    return is_out_of_memory(error)


def _failed(error: Exception) -> Message:
    """Return an error as an answer; one that was not foreseen with its kind, its text and where it came from."""
    report = traceback.format_exc()
    if isinstance(error, UserError):
        parts = error.found, error.expected, error.todo
    elif isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _is_out_of_memory(error)):
        parts = "The memory of this computer is full.", "", "Close other programs, or paint on a smaller mask."
    else:
        parts = f"Painting failed: {type(error).__name__}, {error or 'without a reason'}.", "", "Copy the report."
    logger.info("%s", report)
    return Message("failed", {**dict(zip(("found", "expected", "todo"), parts, strict=True)), "report": report})
