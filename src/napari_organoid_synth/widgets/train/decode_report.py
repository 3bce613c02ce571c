"""How good the masks are that a generator drew: the decode report in words, and the refused masks to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.widgets.shared.cards import Card
from napari_organoid_synth.widgets.shared.runs import read_json

REFUSED = "refused masks"
SHOWN = 64  # masks in the layer
REASONS = {
    "no object": "nothing was found in them",
    "the arrows fit only of the object pixels": "what was drawn does not fit the objects found in it",
    "of objects are in pieces": "objects are in pieces",
    "of objects seem to be several": "objects have run together",
}
"""What the check calls a reason, without its numbers, and what a person calls it."""


def report_words(report: dict[str, Any]) -> list[str]:
    """A decode report in sentences.

    Parameters
    ----------
    report : dict
        As `core.mask_check.summarize` makes it, with ``run`` and ``checkpoint``.

    Returns
    -------
    list of str
        The verdict first.
    """
    masks, passed = int(report["masks"]), float(report["passed"])
    good = round(passed * masks)
    lines = [f"{good:,} of {masks:,} drawn masks are usable ({passed:.0%}). {_verdict(passed)}"]
    if not any(map(float, report["area_px"])):
        return [*lines, f"No object was found in any of them; in your masks {_range(report['real_objects'])}."]
    lines.append(f"Objects in a mask: {_range(report['objects'])}; in your masks {_range(report['real_objects'])}.")
    lines.append(
        f"Size of an object: {_range(report['area_px'])} px; in your masks {_range(report['real_area_px'])} px."
    )
    shares = (
        ("in pieces", "fragments"),
        ("run together", "merged"),
        ("with a hole", "holes"),
        ("cut by the border", "at_border"),
    )
    lines.append(f"Of the objects: {', '.join(f'{float(report[key]):.0%} {words}' for words, key in shares)}.")
    lines.append(
        f"Reconstruction error {float(report['error']):.3f}: how far what was drawn lies from what the objects found "
        "in it would give; 0 is perfect, above 0.4 an object is doubtful."
    )
    if report["reasons"]:
        most = sorted(report["reasons"].items(), key=lambda item: -item[1])
        words = "; ".join(f"{REASONS.get(reason, reason)} ({count})" for reason, count in most)
        lines.append(f"Why masks were refused: {words}.")
    return lines


def _verdict(passed: float) -> str:
    if passed >= 0.9:
        return "They can be painted on."
    if passed >= 0.5:
        return "The others are drawn again."
    return "Train the mask generator longer, or on more tiles."


def _range(quartiles: Sequence[float]) -> str:
    """Middle and the middle half of values: ``"11 (8 to 14)"``."""
    low, middle, high = (f"{round(value):,}" for value in quartiles)
    return middle if low == high else f"{middle} ({low} to {high})"


class ReportCard(Card):
    """The decode report of a pipeline; hidden while there is none.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Gets the refused masks as the layer "refused masks".
    """

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.folder: Path | None = None
        self.setAccessibleName("Check of the drawn masks")
        self.add_text("Check of the drawn masks", bold=True)
        self.words = self.add_text()
        (self.look_button,) = self.add_buttons({"Look at the refused masks": self.show_refused})
        self.look_button.setToolTip(f"Opens up to {SHOWN} of them as one layer with a slider.")
        self.hide()

    def show_folder(self, folder: Path | None) -> None:
        """Show the report of a pipeline's folder, or nothing."""
        self.folder = folder
        report = read_json(folder / "decode_report.json") if folder is not None else {}
        try:
            lines = report_words(report) if report else []
        except (KeyError, TypeError, ValueError):  # written by another version
            lines = []
        self.words.setText("\n".join(lines))
        self.look_button.setVisible(folder is not None and any((folder / "failed_masks").glob("*.tif")))
        self.setVisible(bool(lines))

    def show_refused(self) -> None:
        """Open the refused masks as a layer, in place when it is there."""
        import tifffile

        from napari_organoid_synth.widgets.shared.layers import look_at

        if self.folder is None:
            return
        paths = sorted((self.folder / "failed_masks").glob("*.tif"))[:SHOWN]
        try:
            stack = np.stack([tifffile.imread(path) for path in paths]).astype(np.int32)
        except (OSError, ValueError) as error:
            raise UserError(f"The refused masks cannot be read ({error}).", todo="Check them again.") from None
        if REFUSED in self.viewer.layers:
            self.viewer.layers.remove(REFUSED)
        layer = self.viewer.add_labels(stack, name=REFUSED)
        look_at(self.viewer, [layer])
