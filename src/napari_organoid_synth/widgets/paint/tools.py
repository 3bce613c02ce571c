"""What a person paints with: classes, numbers for new objects, and the stamp for new cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.live.stamps import Stamp
from napari_organoid_synth.widgets.paint.classes import ClassButtons
from napari_organoid_synth.widgets.paint.session import PaintSession
from napari_organoid_synth.widgets.paint.shapes import Shapes
from napari_organoid_synth.widgets.paint.stamp import StampTool
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.controls import combo_box, named, row_of
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

SOURCE_TIP = (
    "Shapes of new cells: cut out of your masks, drawn with their measured sizes and forms, or cut out of the newest "
    "samples of a generator that draws masks."
)
STAMP_TIP = "Lets a cell float under the mouse: click to drop it."
HINT = (
    "Click: drop. Wheel: turn. Shift or Ctrl + wheel: grow. N or right click: next shape. Delete: remove the object "
    "under the mouse. Esc: end."
)
IDS_TIP = "Each stroke that does not begin on the selected object gets a new number. Off: all get the selected one."
OVER_TIP = "A new cell takes the place of the objects that it lies on. Off: it goes behind them."
REMEMBERED = ("new_ids", "overwrite", "source")


class PaintTools(QWidget):
    """Controls of a painting.

    Parameters
    ----------
    background : Background
        Reads shapes.
    parent : QWidget, optional

    Signals
    -------
    failed(object)
        An error to show.
    changed()
        A setting that is remembered.
    """

    failed = Signal(object)
    changed = Signal()

    def __init__(self, background: Background, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._background = background
        self._session: PaintSession | None = None
        self._stamps: dict[tuple[Any, ...], list[Stamp]] = {}
        self._shapes: Shapes | None = None
        self._wanted = "real"  # the source that a person chose, also where it is not offered now
        self.stamp: StampTool | None = None
        self.classes = ClassButtons()
        self.classes.chosen.connect(self._choose_class)
        self.new_ids = self._check("New number for each new object", True, IDS_TIP)
        self.overwrite = self._check("New cells cover others", False, OVER_TIP)
        self.source, self.button, self.hint = combo_box(), QPushButton("New cell"), WrapLabel(HINT)
        named(self.source, "Shapes of new cells", SOURCE_TIP)
        named(self.button, "New cell", STAMP_TIP)
        self.button.setCheckable(True)
        self.button.clicked.connect(self._toggle)
        self.source.currentIndexChanged.connect(self._other_source)
        self.hint.setAccessibleName("How new cells are placed")
        self.hint.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self.classes, self.new_ids, row_of(self.source, self.button), self.hint, self.overwrite):
            column.addWidget(widget)

    def _check(self, text: str, checked: bool, tip: str) -> QCheckBox:
        box = QCheckBox(text)
        box.setChecked(checked)
        named(box, text, tip)
        box.toggled.connect(self._apply)
        return box

    # --- a painting ---

    def follow(self, session: PaintSession | None, shapes: Shapes | None = None) -> None:
        """Work on another painting; None: on none."""
        self.release()
        self._session, self._shapes = session, shapes
        if session is None:
            return
        kind, labels = session.mask_kind, session.labels
        self.stamp = StampTool(session.viewer, labels, kind, session)
        self.stamp.turnedOn.connect(self._show_on)
        self.stamp.dropped.connect(self._count_stamp)
        self.stamp.deleted.connect(self._count_deleted)
        names = session.layers.class_names if kind == "classes" else ()
        self.classes.show_classes(names, session.layers.colour)
        self.classes.select(int(labels.selected_label))
        session.strokes.selected.connect(self.classes.select)
        self.new_ids.setVisible(kind == "instances")
        self._offer({} if shapes is None else shapes.sources)
        self._apply()

    def _offer(self, sources: dict[str, str]) -> None:
        with QSignalBlocker(self.source):
            self.source.clear()
            for key, text in sources.items():
                self.source.addItem(text, key)
            self.source.setCurrentIndex(max(0, self.source.findData(self._wanted)))
        self.source.setEnabled(len(sources) > 1)

    def release(self) -> None:
        """End the stamp."""
        if self.stamp is not None:
            self.stamp.stop()
        self.stamp, self._session = None, None
        self._show_on(False)

    def _apply(self) -> None:
        if self._session is not None:
            self._session.strokes.new_ids = self.new_ids.isChecked()
        if self.stamp is not None:
            self.stamp.overwrite = self.overwrite.isChecked()
        self.changed.emit()

    def _choose_class(self, label: int) -> None:
        if self._session is not None:
            labels = self._session.labels
            labels.selected_label = label
            if labels.mode not in ("paint", "fill", "polygon") and not (self.stamp and self.stamp.is_on):
                labels.mode = "paint"

    # --- new cells ---

    def _toggle(self, on: bool) -> None:
        if self.stamp is None:
            self._show_on(False)
        elif on:
            self._with_stamps(self._start_stamp)
        else:
            self.stamp.stop()

    def _other_source(self) -> None:
        self._wanted = str(self.source.currentData() or self._wanted)
        self.changed.emit()
        if self.stamp is not None and self.stamp.is_on:
            self.stamp.stop()
            self._toggle(True)

    def _with_stamps(self, call: Callable[[list[Stamp]], None]) -> None:
        """Read shapes in the background, once for each source and set of pairs."""
        source, shapes, tool = str(self.source.currentData()), self._shapes, self.stamp
        if shapes is None:
            return
        key = shapes.key(source)
        if key in self._stamps:
            call(self._stamps[key])
            return

        def take(stamps: list[Stamp]) -> None:
            self._stamps = {key: stamps}
            if tool is self.stamp:
                call(stamps)

        def fail(error: BaseException) -> None:
            self._show_on(False)
            self.failed.emit(error)

        self.button.setText("Reading shapes…")
        self._background.do(lambda: shapes.read(source), take, fail)

    def _start_stamp(self, stamps: list[Stamp]) -> None:
        if self.stamp is not None:
            self.stamp.start(stamps)

    def _show_on(self, on: bool) -> None:
        self.button.setChecked(on)
        self.button.setText("New cell")
        self.hint.setVisible(on)

    def _count_stamp(self, stamp: Stamp) -> None:
        if self._session is not None:
            deeds = self._session.deeds
            deeds.stamps, deeds.strokes = deeds.stamps + 1, max(0, deeds.strokes - 1)  # napari told of it as a stroke
            deeds.shapes |= {stamp.source} - {""}
            deeds.runs |= {stamp.run} - {""}

    def _count_deleted(self) -> None:
        if self._session is not None:
            self._session.deeds.deleted += 1

    # --- remembered ---

    def remembered(self) -> dict[str, Any]:
        """Return what is kept for the next time."""
        values = self.new_ids.isChecked(), self.overwrite.isChecked(), self._wanted
        return dict(zip(REMEMBERED, values, strict=True))

    def restore(self, kept: dict[str, Any]) -> None:
        """Show what was kept."""
        self.new_ids.setChecked(kept.get("new_ids") is not False)
        self.overwrite.setChecked(kept.get("overwrite") is True)
        self._wanted = str(kept.get("source") or "real")
