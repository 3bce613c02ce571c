"""A renderer in the window's own thread, pixels are ten times the labels plus the seed, and a mouse that paints."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from qtpy.compat import isalive
from qtpy.QtCore import QEvent, QObject, QPoint, QPointF, Qt, QTimer, Signal
from qtpy.QtGui import QMouseEvent
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication

from napari_organoid_synth.widgets.paint.session import PaintOptions, PaintSession
from napari_organoid_synth.widgets.paint.start import Start, StartChoice

MODEL = {
    "name": "analogy-1",
    "generator": "analogy",
    "shape": "painter",
    "side": 64,
    "checkpoint": 0,
    "sha256": "ab",
    "mask_kind": "instances",
    "class_names": ["nucleus"],
    "image_channels": 1,
    "dtype": "uint8",
    "image_classes": [],
    "class_conditional": False,
    "walks": [],
    "device": "cpu",
    "remark": "",
}


class StandIn(QObject):
    """The interface of `LiveRenderer`; answers come with the next turn of the event loop, ``wait`` holds them back."""

    opened = Signal(dict)
    painted = Signal(object)
    factsKnown = Signal(str, dict)
    failed = Signal(object)
    stateChanged = Signal(str)

    def __init__(self, **model):
        super().__init__()
        self.model, self.state, self.wait, self.serial = MODEL | model, "stopped", False, 0
        self.answered = 0
        self.excluded = ()
        self.asked, self.masks, self.reals, self.seeds, self.held = [], {}, {}, {}, []
        self.known = {"sources": {"a": 1.0}, "residual": {}, "largest_piece": 9, "seed": 0, "latent_seed": "77"}

    def open(self, model, checkpoint="newest", device="auto"):
        self.asked.append(("open", str(model)))
        return self._later(lambda: self.opened.emit(self.model))

    @property
    def has_canvases(self):
        return bool(self.masks)

    def prepare(self):
        self.asked.append(("prepare",))

    def paint(self, canvas, labels=None, *, seed=0, real=None, exclude=(), **_):
        self.asked.append(("paint", seed, real is not None))
        self.excluded = tuple(exclude)
        self.masks[canvas], self.seeds[canvas] = np.array(labels), seed
        self.reals[canvas] = None if real is None else (np.array(labels), np.array(real))
        return self._answer(canvas, (0, 0, *labels.shape), self.known | {"seed": seed})

    def change(self, canvas, box, labels, quality="full"):
        self.asked.append(("change", box, quality))
        self.masks[canvas][box[0] : box[2], box[1] : box[3]] = labels
        return self._answer(canvas, box, {})

    def ask_facts(self, canvas):
        return self._later(lambda: self.factsKnown.emit(canvas, self.known))

    def close(self, canvas):
        self.asked.append(("close", canvas))
        self.masks.pop(canvas, None)

    def stop(self):
        self.asked.append(("stop",))

    def image(self, canvas):
        channels, dtype = self.model["image_channels"], self.model["dtype"]
        picture = np.repeat((10 * self.masks[canvas] + self.seeds[canvas])[None], channels, axis=0).astype(dtype)
        if self.reals[canvas] is not None:
            before, real = self.reals[canvas]
            picture = np.where(self.masks[canvas] == before, real, picture)
        return picture

    def kinds(self):
        return [one[0] for one in self.asked]

    def _answer(self, canvas, box, facts):
        serial = self.serial + 1

        def say():
            if canvas in self.masks:
                picture = self.image(canvas)
                pixels = picture[:, box[0] : box[2], box[1] : box[3]].copy()
                full = box == (0, 0, *picture.shape[1:])
                message = {"canvas": canvas, "serial": serial, "box": box, "pixels": pixels, "labels": None}
                self.painted.emit(SimpleNamespace(**message, full=full, facts=facts))

        return self._later(say)

    def _later(self, call):
        self.serial += 1
        serial = self.serial

        def answer():
            if isalive(self):
                self.answered = serial
                call()

        if self.wait:
            self.held.append(answer)
        else:
            QTimer.singleShot(0, answer)
        return serial


SIDE = 128


class Painter:
    """A viewer with a session, and a mouse."""

    def __init__(self, viewer, renderer, qtbot, start=None, **model):
        self.viewer, self.renderer, self.qtbot = viewer, renderer, qtbot
        start = start or Start(StartChoice(size=(SIDE, SIDE)), np.zeros((SIDE, SIDE), np.int32), limits=((0, 255),))
        self.session = PaintSession(viewer, renderer, MODEL | model, start, PaintOptions())
        self.labels = self.session.labels
        self.canvas = viewer.window._qt_viewer.canvas
        self.native = self.canvas._scene_canvas.native
        viewer.window._qt_window.resize(900, 700)
        self.settle()

    def settle(self):
        """Wait until nothing is to be sent and every answer is on the layer."""
        follower = self.session.follower
        self.qtbot.waitUntil(lambda: not follower._notice.isActive() and not self.renderer.held, timeout=5000)
        self.qtbot.wait(5)

    def at(self, row, column):
        """Return the point of the window where a pixel of the mask is shown."""
        view = self.canvas.view
        world = self.labels.data_to_world((row, column))
        place = view.scene.transform.map([world[1], world[0], 0, 1])[:2]
        ratio = self.native.devicePixelRatioF()
        return QPoint(round(place[0] / ratio), round(place[1] / ratio))

    def mouse(self, kind, place, button=Qt.MouseButton.LeftButton, modifiers=Qt.KeyboardModifier.NoModifier):
        """Send an event of the mouse to the canvas, as the window system does."""
        point = QPointF(self.at(*place))
        none = Qt.MouseButton.NoButton
        moved = kind == QEvent.Type.MouseMove
        held = none if kind == QEvent.Type.MouseButtonRelease else button
        event = QMouseEvent(kind, point, self.native.mapToGlobal(point), none if moved else button, held, modifiers)
        QApplication.sendEvent(self.native, event)

    def stroke(self, *places, button=Qt.MouseButton.LeftButton, release=True):
        self.mouse(QEvent.Type.MouseButtonPress, places[0], button)
        for place in places[1:]:
            self.mouse(QEvent.Type.MouseMove, place, button)
            self.qtbot.wait(20)
        if release:
            self.release(*places[-1], button=button)

    def release(self, *place, button=Qt.MouseButton.LeftButton):
        self.mouse(QEvent.Type.MouseButtonRelease, place, button)
        self.settle()

    def key(self, *arguments):
        self.native.setFocus()
        QTest.keyClick(self.native, *arguments)
        self.settle()

    def follows(self):
        """Check that the image is what the renderer makes of the mask, and that both layers show their pixels."""
        expected = self.renderer.image(self.session.canvas)
        np.testing.assert_array_equal(self.renderer.masks[self.session.canvas], self.session.layers.mask)
        np.testing.assert_array_equal(self.session.layers.pixels, expected)
        assert np.shares_memory(self.session.layers.image.data, self.session.layers.pixels)
        return expected
