"""What suits the pairs and what does not, as a short list below the table."""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QToolButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.shared.background import start_worker, while_alive
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

if TYPE_CHECKING:
    from napari_organoid_synth.core.preflight.findings import Finding, Preflight


_OPTION = re.compile(r" \(--[^)]*\)")
"""Options of the command line, which the dock has as controls."""


class PreflightView(QWidget):
    """Warnings and problems of a table, one line each; what is fine is folded. Pixels are read in a worker.

    Signals
    -------
    shown(Preflight or None)
        Another result is shown.
    """

    shown = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._canceled = threading.Event()
        self._seen: tuple[PairTable, TileSettings] | None = None
        self.result: Preflight | None = None
        self.labels: list[WrapLabel] = []
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(3)
        self.title = WrapLabel("Before you train")
        self.title.setToolTip("What suits these pairs, and what does not. Ten images are measured at most.")
        self.lines = QVBoxLayout()
        self.lines.setSpacing(3)
        self.more = QToolButton()
        self.more.setCheckable(True)
        self.more.setAutoRaise(True)
        self.more.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.more.setToolTip("Shows or hides what is fine.")
        self.more.toggled.connect(self._fold)
        column.addWidget(self.title)
        column.addLayout(self.lines)
        column.addWidget(self.more)
        self.hide()

    def look(self, table: PairTable | None, tiles: TileSettings) -> None:
        """Look at a table, if it was checked and is not the one that is shown."""
        if table is None or not table.matched or any(entry.shape is None for entry in table.matched):
            self._canceled.set()
            self._seen = None
            self.show_result(None)
            return
        if self._seen == (table, tiles):
            return
        from napari.qt.threading import create_worker

        from napari_organoid_synth.core.preflight.preflight import preflight

        self._canceled.set()
        self._seen, self._canceled = (table, tiles), threading.Event()
        canceled = self._canceled
        worker: Any = create_worker(preflight, table, tiles, canceled.is_set, _start_thread=False, _ignore_errors=True)
        worker.returned.connect(
            while_alive(self, lambda result: None if canceled.is_set() else self.show_result(result))
        )
        worker.errored.connect(while_alive(self, lambda _: None if canceled.is_set() else self.show_result(None)))
        start_worker(worker)

    def show_result(self, result: Preflight | None) -> None:
        """Show findings, problems first; nothing for None."""
        self.result = result
        while (item := self.lines.takeAt(0)) is not None:
            if (widget := item.widget()) is not None:
                widget.hide()
                widget.deleteLater()
        self.labels = []
        findings = result.findings if result is not None else ()
        for level in ("problem", "warning", "good"):
            for finding in findings:
                if finding.level == level:
                    self._add(finding)
        good = sum(finding.level == "good" for finding in findings)
        everything = " All is well." if good and good == len(findings) else ""
        self.more.setText(f"✓ {plural(good, 'check')} passed.{everything}")
        self.more.setVisible(bool(good))
        self._fold(self.more.isChecked())
        self.setVisible(bool(findings))
        self.shown.emit(result)

    def _add(self, finding: Finding) -> None:
        label = WrapLabel(_OPTION.sub("", finding.text))
        label.setProperty("level", finding.level)
        label.setToolTip(plain(_OPTION.sub("", f"{finding.topic.capitalize()}. {finding.todo}").strip()))
        label.setAccessibleName(f"{finding.level}: {finding.topic}")
        self.lines.addWidget(label)
        self.labels.append(label)

    def _fold(self, is_open: bool) -> None:
        for label in self.labels:
            label.setVisible(is_open or label.property("level") != "good")
