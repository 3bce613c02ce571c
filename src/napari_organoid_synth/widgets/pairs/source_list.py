"""The sources of the pairs as rows: each can be removed, and found again where it moved."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QFontMetrics, QResizeEvent
from qtpy.QtWidgets import QFileDialog, QHBoxLayout, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.reading.formats import short
from napari_organoid_synth.core.pairs.sheet import SHEET_ENDINGS
from napari_organoid_synth.core.pairs.sources import PairSource, find_again, list_sources, remove_source
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel, plain
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.controls import named
from napari_organoid_synth.widgets.shared.text_label import WrapLabel


class SourceList(QWidget):
    """Folders of images and masks and the table of classes, a row each; files are looked up in a thread.

    Signals
    -------
    removed(PairTable)
        The table without a source, or with it again; it is to be checked.
    found(PairTable)
        The table whose files are at another place; it is to be checked.
    failed(UserError)
        A chosen folder does not have the files.
    """

    removed = Signal(object)
    found = Signal(object)
    failed = Signal(object)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._table: PairTable | None = None
        self._before: PairTable | None = None
        self.sources: list[PairSource] = []
        self.rows: list[SourceRow] = []
        self._background = Background(self)
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(1)
        self.message, self.undo_button = WrapLabel(), QToolButton()
        self.undo_button.setText("Undo")
        named(self.undo_button, "Undo", "Brings back what was removed, with all that was chosen for it.")
        self.undo_button.clicked.connect(self._undo)
        self._undo_row = QWidget()
        undo = QHBoxLayout(self._undo_row)
        undo.setContentsMargins(0, 0, 0, 0)
        undo.addWidget(self.message, 1)
        undo.addWidget(self.undo_button)
        self._column.addWidget(self._undo_row)
        self._undo_row.hide()
        self.setAccessibleName("Sources of the pairs")
        self.hide()

    def show_table(self, table: PairTable | None) -> None:
        """List the sources of a table."""
        if table is None:
            self.forget()
            self._fill(table, [])
        elif table is not self._table:
            self._background.do(lambda: list_sources(table), lambda sources: self._fill(table, sources), self._fail)
        self._table = table

    def forget(self) -> None:
        """Offer nothing to undo, as in another project."""
        self._before = None
        self._undo_row.hide()

    def look_for(self, source: PairSource) -> None:
        """Ask for the new place of a source, and use it if the files are the same."""
        if source.kind == "classes":
            ends = " ".join(f"*{ending}" for ending in SHEET_ENDINGS)
            path = QFileDialog.getOpenFileName(self, f"Where is {source.path.name}?", filter=f"Tables ({ends})")[0]
        else:
            path = QFileDialog.getExistingDirectory(self, f"Where is the folder {short(source.path)}?")
        if path:
            self.use_place(source, Path(path))

    def use_place(self, source: PairSource, path: Path) -> None:
        """Use the files of a source at another place."""
        table = self._table
        if table is not None:
            self._background.do(lambda: find_again(table, source.path, path), self._show_found, self._fail)

    def remove(self, source: PairSource) -> None:
        """Remove a source; it can be undone until another is removed."""
        if self._table is None:
            return
        before = self._table
        left = remove_source(before, source)
        self._before = before
        rows = len(before.entries) - len(left.entries)
        gone = f" and {plural(rows, 'pair')}" if rows else ""
        self.message.setText(f"Removed {short(source.path)}{gone} from the list. No file was deleted.")
        self._undo_row.show()
        self.removed.emit(left)

    def _undo(self) -> None:
        if self._before is not None:
            before = self._before
            self.forget()
            self.removed.emit(before)

    def _show_found(self, table: PairTable) -> None:
        self.forget()
        self.found.emit(table)

    def _fail(self, error: BaseException) -> None:
        self.failed.emit(error if isinstance(error, UserError) else UserError(f"{type(error).__name__}: {error}"))

    def _fill(self, table: PairTable | None, sources: list[PairSource]) -> None:
        if table is not self._table:
            return  # another one is being listed
        self.sources = sources
        for row in self.rows:
            self._column.removeWidget(row)
            row.hide()
            row.deleteLater()
        self.rows = []
        for number, source in enumerate(sources):
            row = SourceRow(source)
            row.find_button.clicked.connect(lambda _=False, source=source: self.look_for(source))
            row.remove_button.clicked.connect(lambda _=False, source=source: self.remove(source))
            self._column.insertWidget(number, row)
            self.rows.append(row)
        self.setVisible(bool(sources) or self._before is not None)


class SourceRow(QWidget):
    """One source: what it is, where it is, how many files it has, and whether they are there.

    Parameters
    ----------
    source : PairSource
    """

    def __init__(self, source: PairSource, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.source, self.text = source, source_text(source)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(4)
        self.label = ElidedLabel(self.text)
        self.label.setToolTip(plain(f"{source.path}\n{self.text}"))
        self.find_button, self.remove_button = QToolButton(), QToolButton()
        self.find_button.setText("Find the folder…" if source.kind != "classes" else "Find the file…")
        named(
            self.find_button,
            f"{self.find_button.text().removesuffix('…')} {short(source.path)}",
            "Says where the files are now. They are compared by name and size; splits, classes and edits stay.",
        )
        self.find_button.setVisible(source.missing > 0)
        self.remove_button.setText("✕")
        named(
            self.remove_button,
            f"Remove {short(source.path)}",
            "Takes this source and its pairs off the list. No file is deleted, and it can be undone.",
        )
        row.addWidget(self.label, 1)
        row.addWidget(self.find_button)
        row.addWidget(self.remove_button)
        self.setAccessibleName(self.text)


class ElidedLabel(PlainLabel):
    """One line of text, shortened in its middle where there is no room."""

    def __init__(self, text: str, parent: QWidget | None = None) -> None:
        super().__init__(text, parent)
        self.whole = text
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.setAccessibleName(text)

    def minimumSizeHint(self) -> QSize:
        """Return a small width."""
        return QSize(60, super().minimumSizeHint().height())

    def resizeEvent(self, a0: QResizeEvent | None) -> None:
        """Shorten the text to the new width."""
        super().resizeEvent(a0)
        self.setText(QFontMetrics(self.font()).elidedText(self.whole, Qt.TextElideMode.ElideMiddle, self.width()))


def source_text(source: PairSource) -> str:
    """Describe a source in a line: ``14 images · set/images``, ``✕ 3 of 14 masks of wall are missing · set/wall``."""
    of_class = f" of {source.class_name}" if source.class_name not in ("", "object", "mask", "masks") else ""
    if source.kind == "classes":
        what, missing = "Classes", "The table of classes is missing"
    else:
        noun = "image" if source.kind == "images" else "mask"
        what = f"{plural(source.files, noun)}{of_class}"
        some = f"{source.missing} of {what}" if source.missing < source.files else f"{what}"
        missing = f"{some} {'is' if source.missing == 1 else 'are'} missing"
    return f"✕ {missing} · {short(source.path)}" if source.missing else f"{what} · {short(source.path)}"
