"""How masks are laid out: sliders, and a picture of one mask that is drawn of the project's own ones meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import QHBoxLayout, QLabel, QSlider, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import rows, show_row
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.generate.mask_source import FROM_REAL
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.controls import add_row, named, row_of
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.thumbnails import label_colours

SIDE = 256
"""Side of the example where the settings name none, px."""
LOOKED_AT = 3
"""Pairs of the project that examples are drawn from."""
PICTURE, ICON = 132, 44
"""Sides of the picture and of the icons in the list, px."""
PAUSE = 200
"""Time, ms, without a change before a new picture is drawn."""
COVER_TIP = "Share of the area that objects cover. At the left end: as in your masks."
CONTACT_TIP = "Share of the objects that touch another. At the left end: as in your masks."


@dataclass(frozen=True, eq=False)
class Found:
    """What was found on the pairs: examples by layout, reasons where there is none, and what was measured."""

    layouts: Any
    icons: dict[str, NDArray[np.uint8]]
    reasons: dict[str, str]
    cover: float | None
    contact: float | None


class LayoutPanel(QWidget):
    """Sliders for cover and contact, and a picture of one mask.

    Signals
    -------
    changed()
        A slider was moved.
    found(dict, dict)
        A picture of each layout, drawn from the pairs of the project, and the reason where there is none.
    """

    changed = Signal()
    found = Signal(object, object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._background = Background(self)
        self._found: Found | None = None
        self._rows: tuple[PairEntry, ...] = ()
        self._side, self._asked, self._kind = 0, 0, ""
        self._settings, self._layout = GenerateSettings(), "auto"
        self._build()

    def _build(self) -> None:
        self.cover, self.cover_text = QSlider(Qt.Orientation.Horizontal), PlainLabel()
        self.contact, self.contact_text = QSlider(Qt.Orientation.Horizontal), PlainLabel()
        self.cover.setRange(0, 90)
        self.contact.setRange(-1, 100)
        for slider, name, tip in ((self.cover, "Cover", COVER_TIP), (self.contact, "Contact", CONTACT_TIP)):
            slider.setPageStep(10)
            guard_wheel(slider)
            named(slider, name, tip)
            slider.valueChanged.connect(self._moved)
        self.form = rows()
        self.cover_row, self.contact_row = row_of(self.cover, self.cover_text), row_of(self.contact, self.contact_text)
        add_row(self.form, "Cover", self.cover_row, COVER_TIP)
        add_row(self.form, "Contact", self.contact_row, CONTACT_TIP)
        self.picture, self.caption = QLabel(), WrapLabel()
        self.picture.setFixedSize(PICTURE, PICTURE)
        self.picture.setAccessibleName("Example of a mask")
        self.caption.setAccessibleName("What the example shows")
        beside = QHBoxLayout()
        beside.addWidget(self.picture)
        beside.addWidget(self.caption, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self.form)
        column.addLayout(beside)
        self._wait = QTimer(self)
        self._wait.setSingleShot(True)
        self._wait.setInterval(PAUSE)
        self._wait.timeout.connect(self._ask)
        self.contact.setValue(-1)
        self._write_values()

    # --- value ---

    def value(self) -> dict[str, float]:
        """Return cover and contact as in the settings of the command generate."""
        contact = self.contact.value()
        return {"cover": self.cover.value() / 100, "contact": -1.0 if contact < 0 else contact / 100}

    def setValue(self, settings: GenerateSettings) -> None:
        """Show cover and contact."""
        self.cover.setValue(round(settings.cover * 100))
        self.contact.setValue(-1 if settings.contact < 0 else round(settings.contact * 100))

    def _moved(self) -> None:
        self._write_values()
        self.changed.emit()

    def _write_values(self) -> None:
        """Write what the sliders say beside them."""
        cover, contact = (self._found.cover, self._found.contact) if self._found else (None, None)
        for label, value, known, lowest in (
            (self.cover_text, self.cover.value(), cover, 0),
            (self.contact_text, self.contact.value(), contact, -1),
        ):
            measured = "as measured" + (f" ({known:.0%})" if known is not None else "")
            label.setText(measured if value == lowest else f"{value} %")

    # --- examples ---

    def show_pairs(self, table: PairTable | None, side: int) -> None:
        """Draw examples of the first pairs with objects of a project, in the background."""
        usable = [entry for entry in table.train if entry.masks and not entry.is_empty_field] if table else []
        chosen = tuple(usable[:LOOKED_AT])
        if (chosen, side) == (self._rows, self._side):
            return
        self._rows, self._side, self._found = chosen, side, None
        self._write_values()
        if table is None or not chosen:
            self._show_picture()
            return
        label_colours()  # first in this thread
        kind, names = table.mask_kind, table.class_names
        self._kind = kind or ""
        self._background.do(lambda: examine(chosen, kind, names, side), self._take, self._fail)

    def show_layout(self, table: PairTable | None, layout: str, settings: GenerateSettings) -> None:
        """Show an example of a layout with these settings as soon as nothing has changed for a moment.

        Parameters
        ----------
        table : PairTable, optional
            The pairs of the project.
        layout : str
            Masks that are chosen.
        settings : GenerateSettings
            As chosen.
        """
        self.show_pairs(table, settings.size or SIDE)
        self._layout, self._settings = layout, settings
        self._show_sliders()
        self._wait.start()

    def _show_sliders(self) -> None:
        """Show cover and contact where objects are arranged."""
        layout = self._found.layouts.resolved(self._layout) if self._found else self._layout
        for row in (self.cover_row, self.contact_row):
            show_row(self.form, row, layout in ("auto", "arranged"))

    def _take(self, found: Found) -> None:
        self._found = found
        self._write_values()
        self.found.emit({key: QPixmap.fromImage(as_image(icon)) for key, icon in found.icons.items()}, found.reasons)
        self._show_sliders()
        self._wait.start()

    def _fail(self, error: BaseException) -> None:
        self._found = None
        self._show_picture()

    def _ask(self) -> None:
        found, layout, settings = self._found, self._layout, self._settings
        if found is None or layout not in FROM_REAL:
            self._show_picture()
            return
        self._asked += 1
        number = self._asked

        def draw() -> tuple[int, Any]:
            if number < self._asked:  # another one is waiting
                return number, None
            return number, found.layouts.typical(layout, settings.seed, settings.cover, settings.contact, settings.warp)

        self._background.do(draw, self._show_example, lambda error: self._show_picture())

    def _show_example(self, answer: tuple[int, Any]) -> None:
        number, example = answer
        if number == self._asked and example is not None:
            self._show_picture(example)

    def _show_picture(self, example: Any = None) -> None:
        self.picture.setVisible(example is not None)
        self.caption.setVisible(example is not None)
        if example is None:
            return
        self.picture.setPixmap(QPixmap.fromImage(as_image(coloured_labels(example.labels, PICTURE))))
        text = f"An example from your masks: {example.cover:.0%} covered"
        if self._kind != "classes":
            text += f", {plural(example.objects, 'object' if self._kind == 'instances' else 'piece')}"
        if self._kind == "instances" and example.objects > 1:
            text += f", {example.contact:.0%} of them touch another"
        self.caption.setText(f"{text}.")

    def close_thread(self) -> None:
        """End the background thread."""
        self._wait.stop()
        self._background.close()


def examine(rows: tuple[PairEntry, ...], kind: Any, names: tuple[str, ...], side: int) -> Found:
    """Read pairs and draw an example of each layout.

    Raises
    ------
    UserError
        If no pair can be read, or none holds an object.
    """
    from napari_organoid_synth.core.pairs.loading import read_entry
    from napari_organoid_synth.core.simulators.layouts import Layouts
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    pairs = [pair for pair in (read_entry(row, kind, names) for row in rows) if pair.labels.any()]
    if not pairs:
        raise UserError("The masks hold no object.", "Expected at least one.", "Choose simulated masks.")
    layouts, icons, reasons = Layouts(pairs, side), dict[str, NDArray[np.uint8]](), dict[str, str]()
    for layout in FROM_REAL:
        try:
            icons[layout] = coloured_labels(layouts.typical(layout).labels, ICON)
        except UserError as error:
            reasons[layout] = error.found
    icons["simulated"] = coloured_labels(SIMULATORS["tissue"](1, 96).labels, ICON)
    icons["generated"] = coloured_labels(SIMULATORS["tissue"](2, 128).labels, ICON)
    arranger = layouts.arranger if "arranged" in icons else None
    return Found(layouts, icons, reasons, arranger.cover if arranger else None, arranger.contact if arranger else None)


def coloured_labels(labels: NDArray[np.int32], side: int) -> NDArray[np.uint8]:
    """Colour a mask (Y, X) as a picture (side, side, 3); the background is dark."""
    rows, columns = (np.linspace(0, length - 1, side).round().astype(int) for length in labels.shape)
    small = labels[np.ix_(rows, columns)]
    colours = label_colours()
    picture = colours[small % len(colours)].astype(np.uint8)
    picture[small == 0] = 24
    return np.ascontiguousarray(picture)


def as_image(picture: NDArray[np.uint8]) -> QImage:
    """Return a picture (Y, X, 3) as an image of Qt."""
    height, width = picture.shape[:2]
    return QImage(picture.tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888).copy()
