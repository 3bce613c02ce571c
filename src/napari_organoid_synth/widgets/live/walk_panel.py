"""The section "Walk": gradually from one image to others."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QPushButton, QSpinBox, QToolButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.live.walk_settings import SEED_LIMIT, Film, WalkSettings, film_of, variations
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import Fold, rows, show_row
from napari_organoid_synth.widgets.live.walk_pad import TIP, WalkPad
from napari_organoid_synth.widgets.live.walk_ways import WalkWays
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named, row_of
from napari_organoid_synth.widgets.shared.setting_slider import SettingSlider
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

ONLY_SEEDS = (
    "This painter copies pieces of your images: another seed takes other pieces. There is no gradual way from one to "
    "the other; a trained generator has one."
)
STILL = "This generator was trained without noise: it always draws the same image."
VARIATIONS = 4
FILMS: dict[Film, tuple[str, str]] = {
    "between": ("from seed to seed", "between"),
    "circle": ("a circle on the pad", "pad"),
    "classes": ("from class to class", "classes"),
}
"""What a film shows, and the walk that it needs."""


class WalkPanel(QWidget):
    """Where to walk; holds a place, draws nothing.

    Signals
    -------
    valueChanged(WalkSettings)
        Another place was chosen.
    variationsAsked(list of WalkSettings)
        Several variations are to be shown side by side.
    filmAsked(list of WalkSettings, bool)
        The places of a film that is to be saved, and whether it goes back the same way; a circle need not.
    """

    valueChanged = Signal(object)
    variationsAsked = Signal(object)
    filmAsked = Signal(object, bool)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._walks: frozenset[str] = frozenset()
        self._sample = (0, 0)  # index and attempt of the sample of the seed
        self.pad, self.ways, self.form, self.film_form = WalkPad(), WalkWays(), rows(), rows()
        self.seed, self.seed_row = _seed_box("From seed", "Where the way begins.")
        self.other_seed, self.other_row = _seed_box("To seed", "Where the way ends.")
        self.share = SettingSlider(WalkSettings, "share", "Between the seeds")
        self.distance = SettingSlider(WalkSettings, "distance", "Distance of variations")
        self.film_combo, self.frames = combo_box(), QSpinBox()
        self._build()
        self.offer(())

    def _build(self) -> None:
        about = WalkSettings.model_fields
        self.note, self.more = WrapLabel(), Fold("More ways")
        self.note.setAccessibleName("Which ways this generator has")
        self.other_seed.setValue(1)
        self.more.addWidget(self.ways)
        add_row(self.form, "From seed", self.seed_row, "Where the way begins.")
        add_row(self.form, "To seed", self.other_row, "Where the way ends.")
        add_row(self.form, "Between", self.share, str(about["share"].description))
        add_row(self.form, "Pad", self.pad, TIP)
        add_row(self.film_form, "Nearby", self.distance, str(about["distance"].description))
        self.variations_button = QPushButton(f"{VARIATIONS} variations")
        tip = "More like this: draws several images around this place and shows them side by side."
        named(self.variations_button, f"{VARIATIONS} variations", tip)
        self.film_form.addRow(self.variations_button)
        self.frames.setRange(2, 500)
        self.frames.setValue(48)
        guard_wheel(self.frames)
        add_row(self.film_form, "Film", self.film_combo, "What the animation shows.")
        add_row(self.film_form, "Frames", self.frames, "Pictures of the animation, 12 a second.")
        self.film_button = QPushButton("Save as animation…")
        tip = "Draws the way picture by picture and saves it as GIF, MP4 or a stack of TIFF; it also becomes layers."
        named(self.film_button, "Save as animation", tip)
        self.film_form.addRow(self.film_button)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.note)
        column.addLayout(self.form)
        column.addWidget(self.more)
        column.addLayout(self.film_form)
        for signal in (self.seed.valueChanged, self.other_seed.valueChanged, self.share.valueChanged):
            signal.connect(self._edited)
        self.seed.valueChanged.connect(self._leave_sample)
        self.pad.moved.connect(self._edited)
        self.ways.changed.connect(self._edited)
        self.variations_button.clicked.connect(self._ask_variations)
        self.film_button.clicked.connect(self._ask_film)

    def offer(self, walks: Collection[str], image_classes: Sequence[str] = (), style_layers: int = 0) -> None:
        """Show the ways that a generator offers; see `WalkWays.offer`."""
        self._walks = frozenset(walks)
        self.ways.offer(walks, image_classes, style_layers)
        chosen = self.film_combo.currentData()
        with QSignalBlocker(self.film_combo):
            self.film_combo.clear()
            for kind, (text, walk) in FILMS.items():
                if walk in self._walks:
                    self.film_combo.addItem(text, kind)
            self.film_combo.setCurrentIndex(max(self.film_combo.findData(chosen), 0))
        films = self.film_combo.count() > 0
        for form, widget, visible in (
            (self.form, self.seed_row, "seed" in self._walks),
            (self.form, self.other_row, "between" in self._walks),
            (self.form, self.share, "between" in self._walks),
            (self.form, self.pad, "pad" in self._walks),
            (self.film_form, self.distance, "near" in self._walks),
            (self.film_form, self.film_combo, films),
            (self.film_form, self.frames, films),
        ):
            show_row(form, widget, visible)
        self.variations_button.setVisible("seed" in self._walks)
        self.film_button.setVisible(films)
        self.more.setVisible(self.ways.has_any)
        self.note.setText(ONLY_SEEDS if self._walks == {"seed"} else "" if "seed" in self._walks else STILL)
        self.note.setVisible(bool(self.note.text()))

    # --- value ---

    def value(self) -> WalkSettings:
        """Return the place; what is not offered is at its default."""
        found: dict[str, Any] = {"seed": self.seed.value(), "index": self._sample[0], "attempt": self._sample[1]}
        if "between" in self._walks:
            found |= {"other_seed": self.other_seed.value(), "share": self.share.value()}
        if "pad" in self._walks:
            x, y = self.pad.value_at()
            found |= {"pad_x": x, "pad_y": y}
        if "near" in self._walks:
            found["distance"] = self.distance.value()
        return WalkSettings(**found, **self.ways.value())

    def setValue(self, place: WalkSettings) -> None:
        """Show a place; one signal follows where it differs."""
        before = self.value()
        with QSignalBlocker(self):
            self.seed.setValue(place.seed)
            self.other_seed.setValue(place.other_seed)
            self.share.setValue(place.share)
            self.distance.setValue(place.distance)
            self.pad.show_point(place.pad_x, place.pad_y)
            self.ways.show_value(place)
            self._sample = place.index, place.attempt
        if self.value() != before:
            self._edited()

    def _leave_sample(self, _: int = 0) -> None:
        self._sample = 0, 0

    def _edited(self, *_: object) -> None:
        self.valueChanged.emit(self.value())

    # --- several images ---

    def _ask_variations(self) -> None:
        self.variationsAsked.emit(variations(self.value(), VARIATIONS))

    def _ask_film(self) -> None:
        kind = self.film_combo.currentData()
        self.filmAsked.emit(film_of(kind, self.value(), self.frames.value()), kind != "circle")


def _seed_box(name: str, tip: str) -> tuple[QSpinBox, QWidget]:
    """Return a box for a seed, and the row that it stands in with a button for another one."""
    box, dice = QSpinBox(), QToolButton()
    box.setRange(0, SEED_LIMIT)
    guard_wheel(box)
    dice.setText("⟳")
    row = row_of(box, dice)
    named(box, name, tip)
    named(dice, f"Another seed: {name}", "Choose a random seed.")
    dice.clicked.connect(lambda: box.setValue(random.randrange(100_000)))
    return box, row
