"""The quality of drawn masks: the decode report in sentences, and the refused masks as a layer."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.synthesis.decode_report import DecodeReport
from napari_organoid_synth.widgets.shared.cards import Card

REFUSED = "refused masks"
SHOWN = 64  # masks in the layer
REASONS = {
    "no object": "nothing was found in them",
    "the arrows fit only of the object pixels": "what was drawn does not fit the objects found in it",
    "of objects are in pieces": "objects are in pieces",
    "of objects seem to be several": "objects have run together",
}
"""Reason, without its numbers, as the check names it, and in plain words."""


def report_sentences(report: DecodeReport) -> list[str]:
    """Return a decode report in sentences, the verdict first."""
    good = round(report.passed * report.masks)
    lines = [f"{good:,} of {report.masks:,} drawn masks are usable ({report.passed:.0%}). {_verdict(report.passed)}"]
    real = _range(report.real_objects)
    if not any(report.area_px):
        return [*lines, f"No object was found in any of them; in your masks {real}."]
    lines.append(f"Objects in a mask: {_range(report.objects)}; in your masks {real}.")
    lines.append(f"Size of an object: {_range(report.area_px)} px; in your masks {_range(report.real_area_px)} px.")
    lines.append(
        f"Of the objects: {report.fragments:.0%} in pieces, {report.merged:.0%} run together, {report.holes:.0%} with "
        f"a hole, {report.at_border:.0%} cut by the border."
    )
    lines.append(
        f"Reconstruction error {report.error:.3f}: the difference between what was drawn and what its objects would "
        "give. 0 is perfect; above 0.4 an object is doubtful."
    )
    if report.reasons:
        most = sorted(report.reasons.items(), key=lambda item: -item[1])
        reasons = "; ".join(f"{REASONS.get(reason, reason)} ({count})" for reason, count in most)
        lines.append(f"Why masks were refused: {reasons}.")
    return lines


def _verdict(passed: float) -> str:
    if passed >= 0.9:
        return "They can be painted on."
    if passed >= 0.5:
        return "The others are drawn again."
    return "Train the mask generator longer, or on more tiles."


def _range(quartiles: Sequence[float]) -> str:
    """Format the median and the middle half of values: ``"11 (8 to 14)"``."""
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
        lines = []
        with suppress(UserError):  # there is none, or another version wrote it
            lines = report_sentences(DecodeReport.from_file(folder / "decode_report.json")) if folder else []
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
