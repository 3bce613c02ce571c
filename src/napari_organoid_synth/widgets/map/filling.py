"""Generate here: choose an empty region of the map, then generate pairs near its real tiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QFrame, QPushButton, QSpinBox, QVBoxLayout, QWidget

from napari_organoid_synth.core.job import Event, Finished, Warned
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.synthesis.settings import FillSettings
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import rows
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named, row_of, wrapping
from napari_organoid_synth.widgets.shared.dock import Dock
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.runs import list_runs
from napari_organoid_synth.widgets.shared.text_label import WrapLabel


class FillPanel(QWidget):
    """A choice of empty regions, and the controls that generate pairs for them.

    Parameters
    ----------
    dock : Dock
        Gives the project, and shows errors.
    features : callable
        Gives the settings of the map, whose features are also used here.

    Attributes
    ----------
    regionChosen : Signal(int)
        Number of an empty region, from 1; 0 for none.
    """

    regionChosen = Signal(int)

    def __init__(self, dock: Dock, features: Callable[[], MapSettings]) -> None:
        super().__init__()
        self.dock, self.workspace, self._features = dock, dock.workspace, features
        self.runner = self.workspace.runner("fill")
        self._tiles: list[str] = []
        self._build()
        self.runner.failed.connect(dock.show_error)
        self.runner.stateChanged.connect(self._judge)
        self.runner.event.connect(self._follow_job)
        self.workspace.runsChanged.connect(self._list_runs)

    def _build(self) -> None:
        self.region = combo_box()
        self.region.activated.connect(lambda _: self.regionChosen.emit(int(self.region.currentData() or 0)))
        tip = "Groups of real tiles without a synthetic pair nearby; choosing one selects its tiles."
        self.here_button = QPushButton("Generate here…")
        self.here_button.clicked.connect(self._unfold)
        self.choice = wrapping(self.region, self.here_button)
        named(self.region, "Empty region", tip)
        self.number, self.run_combo = QSpinBox(), combo_box()
        self.number.setRange(1, 10_000)
        self.number.setValue(20)
        guard_wheel(self.number)
        self.make_button = QPushButton("Generate")
        tip = "Draws eight pairs for each one that is kept, and keeps those nearest to the selected tiles."
        named(self.make_button, "Generate", tip)
        self.make_button.clicked.connect(lambda: self.dock.guard(self.fill))
        self.more = QFrame()
        form = rows()
        self.more.setLayout(form)
        add_row(form, "Pairs", row_of(self.number, self.make_button), "How many pairs to keep near the tiles.")
        named(self.number, "Pairs", "How many pairs to keep near the selected tiles.")
        add_row(form, "From", self.run_combo, "The trained run that draws.")
        self.more.hide()
        self.result = WrapLabel()
        self.result.hide()
        self.progress = ProgressCard(self.runner, "Stop", "pair")  # the dock places it where it never scrolls away
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(5)
        for widget in (self.choice, self.more, self.result):
            column.addWidget(widget)

    # --- what there is ---

    def open_project(self) -> None:
        """Follow the project that is open now."""
        self.say("")
        self.more.hide()
        self._list_runs()

    def offer_regions(self, sizes: Sequence[int]) -> None:
        """Offer the empty regions of a map, by their numbers of real tiles."""
        with QSignalBlocker(self.region):
            self.region.clear()
            self.region.addItem("empty regions" if sizes else "no empty region", 0)
            for number, size in enumerate(sizes, 1):
                self.region.addItem(f"{number}: {plural(size, 'real tile')}", number)

    def set_tiles(self, names: Sequence[str]) -> None:
        """Set the real tiles that are selected now."""
        self._tiles = list(names)
        self._judge()

    def _list_runs(self) -> None:
        project = self.workspace.project
        runs = list_runs(project) if project is not None else []
        chosen = self.run_combo.currentData()
        self.run_combo.clear()
        for info in runs:
            if info.steps and info.shape != "mask":
                self.run_combo.addItem(info.title, info.name)
        self.run_combo.setCurrentIndex(max(0, self.run_combo.findData(chosen)))
        self._judge()

    def _judge(self, *_: object) -> None:
        reason = ""
        if not self._tiles:
            reason = "Choose an empty region, or select real tiles with the lasso."
        elif not self.run_combo.count():
            reason = "Train a generator first."
        elif self.runner.running:
            reason = "Pairs are being generated."
        self.here_button.setEnabled(not reason)
        sentence = reason or f"Generates pairs near the {plural(len(self._tiles), 'selected real tile')} (G)."
        named(self.here_button, "Generate here", sentence)
        self.make_button.setEnabled(not reason)
        if not self._tiles:
            self.more.hide()

    def _unfold(self) -> None:
        self.more.setVisible(self.more.isHidden())
        if self.more.isVisible():
            self.number.setFocus()
            self.number.selectAll()

    # --- run ---

    def fill(self) -> None:
        """Generate near the selected real tiles."""
        project = self.workspace.project
        if project is None or not self._tiles or self.runner.running:
            return
        self.dock.error.dismiss()
        self.more.hide()
        self.say("")
        features = self._features()
        settings = FillSettings(
            tiles=tuple(self._tiles),
            number=self.number.value(),
            run=str(self.run_combo.currentData() or ""),
            extractor=features.extractor,
            weights=features.weights,
            device=features.device,
        )
        self.runner.start("fill", project, settings)

    def _follow_job(self, event: Event) -> None:
        if isinstance(event, Warned):
            self.say(event.text)
        elif isinstance(event, Finished):
            self.say(" ".join(filter(None, (fill_words(event.result), self.result.text()))))

    def say(self, text: str) -> None:
        """Show the result of a generation."""
        self.result.setText(text)
        self.result.setVisible(bool(text))


def fill_words(result: dict[str, Any]) -> str:
    """Describe how many pairs were generated, and how near they lie."""
    added = int(result.get("added", 0))
    if not added:
        return "No pairs were added."
    sentence = f"{plural(added, 'pair')} added."
    if "nearer" in result:
        near, plain = result["distance"], result["distance_plain"]
        side = "nearer to" if result["nearer"] >= 0 else "farther from"
        sentence += (
            f" They are {abs(result['nearer']):.0%} {side} these tiles than the same number drawn without choosing "
            f"({near:.3g} instead of {plain:.3g}) and cover {result['covered']} of {result['tiles']} tiles instead of "
            f"{result['covered_plain']}. Update the map to see them on it."
        )
    return sentence
