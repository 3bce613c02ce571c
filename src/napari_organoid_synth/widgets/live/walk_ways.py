"""The ways of a walk that only some generators offer: variety, from class to class, styles of layers."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from qtpy.QtCore import QSignalBlocker, Qt, Signal
from qtpy.QtWidgets import QCheckBox, QSpinBox, QVBoxLayout, QWidget
from superqt import QLabeledRangeSlider

from napari_organoid_synth.core.live.walk_settings import SEED_LIMIT, WalkSettings
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import rows, show_row
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named, row_of
from napari_organoid_synth.widgets.shared.setting_slider import SettingSlider

STYLE_TIP = "Mix the styles of another seed into some layers: coarse layers place objects, fine ones draw textures."
LAYERS_TIP = "Layers that take the styles of that seed, from the coarsest on the left to the finest."


class WalkWays(QWidget):
    """Variety, image classes and styles.

    Signals
    -------
    changed()
        A control was changed by a person.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._walks: frozenset[str] = frozenset()
        self.form = rows()
        self.variety = SettingSlider(WalkSettings, "variety", "Variety")
        self.class_from, self.class_to = combo_box(), combo_box()
        self.class_share = SettingSlider(WalkSettings, "class_share", "Between the classes")
        self.style_on, self.style_seed, self.layers = QCheckBox(), QSpinBox(), QLabeledRangeSlider()
        self.style_row = row_of(self.style_seed, self.style_on)
        self._build()

    def _build(self) -> None:
        about = WalkSettings.model_fields
        self.style_seed.setRange(0, SEED_LIMIT)
        self.style_seed.setValue(1)
        guard_wheel(self.style_seed)
        self.layers.setOrientation(Qt.Orientation.Horizontal)
        self.layers.setRange(0, 1)
        for name, widget, tip in (
            ("Variety", self.variety, str(about["variety"].description)),
            ("Class", self.class_from, str(about["class_from"].description)),
            ("To class", self.class_to, str(about["class_to"].description)),
            ("Between", self.class_share, str(about["class_share"].description)),
            ("Styles of", self.style_row, STYLE_TIP),
            ("Layers", self.layers, LAYERS_TIP),
        ):
            add_row(self.form, name, widget, tip)
        for part in self.layers.findChildren(QWidget):
            named(part, "Layers", LAYERS_TIP)
        named(self.style_seed, "Seed of the styles", STYLE_TIP)
        named(self.style_on, "Mix styles", STYLE_TIP)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self.form)
        for signal in (
            self.variety.valueChanged,
            self.class_from.currentIndexChanged,
            self.class_to.currentIndexChanged,
            self.class_share.valueChanged,
            self.style_on.toggled,
            self.style_seed.valueChanged,
            self.layers.valueChanged,
        ):
            signal.connect(self._edited)

    def offer(self, walks: Collection[str], image_classes: Sequence[str] = (), style_layers: int = 0) -> None:
        """Show the controls that a generator offers.

        Parameters
        ----------
        walks : collection of str
            See `Walk`.
        image_classes : sequence of str
            Names of the classes.
        style_layers : int
            Layers with a style of their own.
        """
        self._walks = frozenset(walks)
        if [self.class_from.itemText(row) for row in range(self.class_from.count())] != list(image_classes):
            for number, combo in enumerate((self.class_from, self.class_to)):
                with QSignalBlocker(combo):
                    combo.clear()
                    combo.addItems(list(image_classes))
                    combo.setCurrentIndex(min(number, len(image_classes) - 1))
        with QSignalBlocker(self.layers):
            last = max(style_layers - 1, 1)
            if last != self.layers.maximum():
                self.layers.setRange(0, last)
                self.layers.setValue((last // 2 + 1, last))
        self._judge()

    @property
    def has_any(self) -> bool:
        """Whether any of them is offered."""
        return bool(self._walks & {"variety", "classes", "styles"})

    def value(self) -> dict[str, Any]:
        """Return the fields of `WalkSettings` that stand here; what is not offered is left out."""
        found: dict[str, Any] = {"variety": self.variety.value()} if "variety" in self._walks else {}
        if "classes" in self._walks:
            found |= {
                "class_from": max(self.class_from.currentIndex(), 0),
                "class_to": max(self.class_to.currentIndex(), 0),
                "class_share": self.class_share.value(),
            }
        if "styles" in self._walks and self.style_on.isChecked():
            first, last = self.layers.value()
            found |= {"style_seed": self.style_seed.value(), "style_first": int(first), "style_last": int(last)}
        return found

    def show_value(self, place: WalkSettings) -> None:
        """Show a place without a signal."""
        with QSignalBlocker(self):
            self.variety.setValue(place.variety)
            self.class_share.setValue(place.class_share)
            self.class_from.setCurrentIndex(place.class_from)
            if place.class_to != place.class_from:
                self.class_to.setCurrentIndex(place.class_to)
            self.style_on.setChecked(place.style_seed is not None)
            if place.style_seed is not None:
                self.style_seed.setValue(place.style_seed)
                self.layers.setValue((place.style_first, min(place.style_last, self.layers.maximum())))
        self._judge()

    def _edited(self, *_: object) -> None:
        self._judge()
        self.changed.emit()

    def _judge(self) -> None:
        mixes = self.style_on.isChecked()
        self.style_seed.setEnabled(mixes)
        for widget, walk, also in (
            (self.variety, "variety", True),
            (self.class_from, "classes", True),
            (self.class_to, "classes", True),
            (self.class_share, "classes", True),
            (self.style_row, "styles", True),
            (self.layers, "styles", mixes),
        ):
            show_row(self.form, widget, walk in self._walks and also)
