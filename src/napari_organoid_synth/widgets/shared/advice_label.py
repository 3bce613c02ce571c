"""One sentence about what suits the pairs of the project, and what to expect, where pairs are made or learned from."""

from __future__ import annotations

from html import escape
from importlib.metadata import PackageNotFoundError, metadata
from typing import TYPE_CHECKING

from qtpy.QtCore import Qt

from napari_organoid_synth.core.advice import PAGE, advise
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

if TYPE_CHECKING:
    from napari_organoid_synth.core.pairs.table import PairTable
    from napari_organoid_synth.widgets.shared.workspace import Workspace

KEY = "objects"
"""Under which the page of pairs remembers what it measured of the objects."""


class AdviceLabel(WrapLabel):
    """Painter, masks and expectation for the pairs of a project; hidden without pairs.

    Parameters
    ----------
    workspace : Workspace
        Followed.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self.setTextFormat(Qt.TextFormat.RichText)
        self.setOpenExternalLinks(True)
        self.setAccessibleName("What suits your pairs")
        workspace.pairsChanged.connect(self.show_table)
        workspace.objectsChanged.connect(self._refresh)
        self.show_table(workspace.pairs)

    def _refresh(self) -> None:
        self.show_table(self._workspace.pairs)

    def show_table(self, table: PairTable | None) -> None:
        """Show what suits a table."""
        stored = self._workspace.remembered(KEY)
        side, touching = stored.get("side"), stored.get("touching")
        advice = None
        if table is not None:
            advice = advise(
                table,
                float(side) if isinstance(side, int | float) else 0.0,
                float(touching) if isinstance(touching, int | float) else None,
            )
        self.setVisible(advice is not None)
        if advice is not None:
            self.setText(" ".join(filter(None, (escape(advice.sentence), escape(advice.expectation), _link()))))
            self.setAccessibleDescription(f"{advice.sentence} {advice.expectation}")
            self.setToolTip(plain(advice.figures or advice.expectation))


def remember_objects(workspace: Workspace, side: float, touching: float | None) -> None:
    """Remember what was measured of the objects of a project: side that most do not exceed, px; share that touch."""
    workspace.remember(KEY, {"side": side, "touching": touching})
    workspace.objectsChanged.emit()


def _link() -> str:
    """Return a link to what was measured; empty where this copy names no address of its documentation."""
    try:
        urls = metadata("napari-organoid-synth").get_all("Project-URL") or []
    except PackageNotFoundError:
        urls = []
    address = next((url.partition(",")[2].strip() for url in urls if url.startswith("Documentation")), "")
    return f'<a href="{escape(address.rstrip("/"))}/{PAGE}">What was measured</a>' if address else ""
