"""The arms of a comparison: a check box for each, with its training pairs beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qtpy.QtCore import QSignalBlocker, Signal
from qtpy.QtWidgets import QCheckBox, QGridLayout, QProgressBar, QVBoxLayout, QWidget

from napari_organoid_synth.core.gain.settings import DEFAULT_ARMS
from napari_organoid_synth.core.segmentation.arms import RAW
from napari_organoid_synth.widgets.forms.containers import Fold
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.shared.controls import named

ARMS = {
    "raw": ("real pairs", "Your training pairs alone; always trained, because the others are compared with it."),
    "classical": (
        "classical",
        "Your pairs mirrored, turned, zoomed, bent, brighter and darker, blurred, with noise: what synthetic pairs "
        "have to beat.",
    ),
    "classical-tissue": (
        "classical, tissue",
        "Mirrored, rotated, deformed; brightness × 0.6 to 2 and ± 0.2, noise 0.02: the usual augmentation.",
    ),
    "classical-organoid": ("classical, organoid", "Half of each batch mirrored, rotated, cropped and whitened."),
    "classical+pasted": (
        "classical, pasted",
        "Classical augmentation, and your objects copied onto your backgrounds: the rival that needs no network.",
    ),
    "classical+simulated": (
        "classical, simulated",
        "Classical augmentation, and simulated pairs with the shapes of your objects; needs no generator.",
    ),
    "raw+synthetic": ("raw, synthetic", "Your pairs and synthetic ones, all without augmentation."),
    "classical+synthetic": (
        "classical, synthetic",
        "Classical augmentation of your pairs and of synthetic ones: from a generator trained in each fold, or all "
        "pairs of the project.",
    ),
    "classical+curated": (
        "classical, curated",
        "Classical augmentation of your pairs and of the pairs that you accepted, if their generator saw no test "
        "image; otherwise of the most realistic pairs of the fold (automatically curated).",
    ),
    "pretrain": ("pretrain", "Synthetic pairs until nothing more is learned, then your pairs in addition."),
    "synthetic-only": ("synthetic only", "Synthetic pairs alone: the quick figure of how good they are."),
}
"""Arm to the text and the tooltip of its check box."""
USUAL = (*DEFAULT_ARMS, "classical+curated")
"""Arms in view; the others are folded."""


def arm_name(arm: str) -> str:
    """Return the short name of an arm, that of its check box."""
    return ARMS[arm][0] if arm in ARMS else arm.replace("+", ", ")


class ArmBoxes(QWidget):
    """Check boxes for the arms; the real pairs alone are always on, because the others are compared with them.

    Parameters
    ----------
    parent : QWidget, optional

    Signals
    -------
    changed()
        A box was checked or unchecked.
    """

    changed = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        self.more, rest = Fold("More ways to train"), QWidget()
        usual, others = QGridLayout(), QGridLayout(rest)
        for grid in (usual, others):
            grid.setContentsMargins(0, 0, 0, 0)
            grid.setSpacing(4)
            grid.setColumnStretch(1, 1)
        column.addLayout(usual)
        column.addWidget(self.more)
        self.more.addWidget(rest)
        self.boxes: dict[str, QCheckBox] = {}
        self.notes: dict[str, PlainLabel] = {}
        self.bars: dict[str, QProgressBar] = {}
        for row, (arm, (text, tip)) in enumerate(ARMS.items()):
            box, note, bar = QCheckBox(text), PlainLabel(), QProgressBar()
            named(box, text, tip)
            note.setMinimumWidth(20)
            bar.setAccessibleName(f"Progress of {text}")
            bar.setTextVisible(False)
            bar.setMaximumHeight(8)
            bar.hide()
            grid = usual if arm in USUAL else others
            grid.addWidget(box, row, 0)
            for widget in (note, bar):  # one of them is shown
                grid.addWidget(widget, row, 1)
            self.boxes[arm], self.notes[arm], self.bars[arm] = box, note, bar
            box.toggled.connect(self.changed)
        self.boxes[RAW].setChecked(True)
        self.boxes[RAW].setEnabled(False)

    def value(self) -> tuple[str, ...]:
        """Arms that are checked and possible."""
        return tuple(arm for arm, box in self.boxes.items() if arm == RAW or (box.isChecked() and box.isEnabled()))

    def checked(self) -> tuple[str, ...]:
        """Arms that are checked, also those that are not possible now."""
        return tuple(arm for arm, box in self.boxes.items() if arm == RAW or box.isChecked())

    def setValue(self, arms: Sequence[str]) -> None:
        """Check these and the real pairs; `changed` is not emitted."""
        for arm, box in self.boxes.items():
            with QSignalBlocker(box):
                box.setChecked(arm in arms or arm == RAW)
        if set(arms) - {*USUAL}:
            self.more.expand(animate=False)

    def allow(self, arm: str, possible: bool, note: str) -> None:
        """Show whether an arm can be trained, and on which pairs."""
        self.boxes[arm].setEnabled(possible and arm != RAW)
        self.notes[arm].setText(note)

    def show_progress(self, shares: Mapping[str, float]) -> None:
        """Show a bar, 0 to 1, in place of the note of each of these arms; an empty mapping removes all bars."""
        for arm, bar in self.bars.items():
            bar.setRange(0, 100)
            bar.setValue(round(100 * min(max(shares.get(arm, 0.0), 0.0), 1.0)))
            bar.setVisible(arm in shares)
            self.notes[arm].setVisible(arm not in shares)
