"""The section "Light and noise": sliders that an image follows, and the look of a real one."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray
from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.live.light import LightSettings
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.widgets.forms.containers import rows, show_row
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named
from napari_organoid_synth.widgets.shared.setting_slider import SettingSlider
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

SLIDERS = {
    "brightness": "Brightness",
    "contrast": "Contrast",
    "gamma": "Gamma",
    "blur": "Blur, px",
    "gradient": "Uneven light",
    "angle": "Direction, °",
    "noise": "Noise",
}
AS_PAINTED = "as painted"
LOOK_TIP = "Gives the image the tones of one of your images: the same share of dark and bright pixels in each channel."
RESET_TIP = "Back to the image as it was painted."


class LightPanel(QWidget):
    """Sliders for light and noise; holds values, changes no image.

    Signals
    -------
    valueChanged(LightSettings)
        A slider was moved, or everything was reset.
    lookChanged(NDArray (C, Y, X) | None)
        Another real image was chosen and is read, or none.

    Attributes
    ----------
    look : NDArray (C, Y, X) or None
        The real image whose tones are wanted.
    """

    valueChanged = Signal(object)
    lookChanged = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.look: NDArray[Any] | None = None
        self._background = Background(self)
        self._entries: dict[str, PairEntry] = {}
        self._asked = 0
        self._build()

    def _build(self) -> None:
        self.form = rows()
        self.sliders = {
            field: SettingSlider(LightSettings, field, name, 0 if field == "angle" else 2)
            for field, name in SLIDERS.items()
        }
        for field, slider in self.sliders.items():
            add_row(self.form, SLIDERS[field], slider, str(LightSettings.model_fields[field].description))
            slider.valueChanged.connect(self._moved)
        self.look_combo = combo_box()
        self.look_combo.addItem(AS_PAINTED, "")
        add_row(self.form, "Look of", self.look_combo, LOOK_TIP)
        self.look_combo.currentIndexChanged.connect(self._look_chosen)
        self.problem = WrapLabel()
        self.problem.setAccessibleName("Why the look was not taken")
        self.problem.hide()
        self.reset_button = QPushButton("Reset")
        named(self.reset_button, "Reset light and noise", RESET_TIP)
        self.reset_button.clicked.connect(self.reset)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.addLayout(self.form)
        column.addWidget(self.problem)
        column.addWidget(self.reset_button)
        self._judge()

    # --- value ---

    def value(self) -> LightSettings:
        """Return what the sliders say; the defaults where none was moved."""
        return LightSettings(**{field: slider.value() for field, slider in self.sliders.items()})

    @property
    def look_name(self) -> str:
        """Name of the real image whose tones are wanted; empty: none."""
        return str(self.look_combo.currentData() or "") if self.look is not None else ""

    def setValue(self, settings: LightSettings) -> None:
        """Show settings; one signal follows where they differ."""
        before = self.value()
        for field, slider in self.sliders.items():
            slider.show_value(getattr(settings, field))
        if self.value() != before:
            self._moved()

    def reset(self) -> None:
        """Go back to the image as it was painted."""
        self.setValue(LightSettings())
        self.look_combo.setCurrentIndex(0)

    def _moved(self, _: float = 0.0) -> None:
        self._judge()
        self.valueChanged.emit(self.value())

    def _judge(self) -> None:
        value = self.value()
        show_row(self.form, self.sliders["angle"], value.gradient > 0)
        self.reset_button.setEnabled(not value.is_neutral or self.look_combo.currentIndex() > 0)

    # --- look ---

    def show_pairs(self, table: PairTable | None, channels: int | None = None) -> None:
        """Offer the images of a project.

        Parameters
        ----------
        table : PairTable, optional
            None: there are no images.
        channels : int, optional
            Only images with that number of channels.
        """
        entries = table.train if table is not None else ()
        usable = {
            entry.name: entry
            for entry in entries
            if channels is None or entry.shape is None or entry.shape[0] == channels
        }
        if usable == self._entries:
            return
        self._entries = usable
        chosen = self.look_combo.currentData()
        with QSignalBlocker(self.look_combo):
            self.look_combo.clear()
            self.look_combo.addItem(AS_PAINTED, "")
            for name in usable:
                self.look_combo.addItem(name, name)
            self.look_combo.setCurrentIndex(max(self.look_combo.findData(chosen), 0))
        show_row(self.form, self.look_combo, bool(usable))
        if chosen and self.look_combo.currentIndex() == 0:
            self._look_chosen()

    def _look_chosen(self, _: int = 0) -> None:
        self._asked += 1
        number, entry = self._asked, self._entries.get(self.look_combo.currentData() or "")
        self.problem.hide()
        self._judge()
        if entry is None:
            self._take(None)
            return

        def read() -> NDArray[Any]:
            from napari_organoid_synth.core.pairs.loading import read_entry

            return read_entry(entry).image

        self._background.do(
            read,
            lambda image: self._take(image) if number == self._asked else None,
            lambda error: self._fail(error) if number == self._asked else None,
        )

    def _take(self, image: NDArray[Any] | None) -> None:
        if image is None and self.look is None:
            return
        self.look = image
        self.lookChanged.emit(image)

    def _fail(self, error: BaseException) -> None:
        self.look_combo.setCurrentIndex(0)
        self.problem.setText(str(error))
        self.problem.show()

    def close_thread(self) -> None:
        """End the background thread."""
        self._background.close()
