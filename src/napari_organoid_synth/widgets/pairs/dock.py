"""The dock Pairs: bring images and masks together and see what is wrong before anything runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.widgets.pairs.annotate_panel import AnnotatePanel
from napari_organoid_synth.widgets.pairs.examine import (
    SAMPLES,
    Examined,
    Picture,
    Step,
    cropped,
    examine,
    from_layers,
    look,
    simulated,
)
from napari_organoid_synth.widgets.pairs.layers import PairLayers
from napari_organoid_synth.widgets.pairs.panel import PairPanel
from napari_organoid_synth.widgets.pairs.sources import PairSources
from napari_organoid_synth.widgets.shared.cards import WrapLabel
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.drop import Sources
from napari_organoid_synth.widgets.shared.layers import pair_from_layers
from napari_organoid_synth.widgets.shared.workspace import choose_project, short

if TYPE_CHECKING:
    import napari

PURPOSE = "Real images with their masks are what everything else learns from. Five are a start, twenty are good."


class PairsWidget(ColumnDock):
    """Match, check and look at the real pairs of a project.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Pairs that are clicked open in it as layers.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, "pairs", PURPOSE, {"Try with sample data": lambda: self.try_sample_data()})
        self._left = threading.Event()
        self._worker: Any = None
        self._missing = ""  # what still has to be dropped, in words
        self._looked = False  # whether pictures of this table were drawn, or are being drawn
        self._pictures: list[Picture] = []
        self.layers = PairLayers(viewer, self.workspace, self._tiles, self._fail, self)
        self._build()
        self.workspace.projectChanged.connect(self._show_project)
        self.workspace.pairsChanged.connect(self._show_table)
        self._show_project()
        self._show_table(self.workspace.pairs)

    def _build(self) -> None:
        self.empty.buttons[0].setToolTip(f"Simulates {SAMPLES} images of electron microscopy with mitochondria masks.")
        project = QHBoxLayout()
        self.project_label = WrapLabel()
        self.project_button = QPushButton("Change…")
        self.project_button.setToolTip("Open another project, or choose an empty folder to make one.")
        self.project_button.clicked.connect(lambda: self.guard(lambda: choose_project(self.workspace, self)))
        project.addWidget(self.project_label, 1)
        project.addWidget(self.project_button)
        self.column.addLayout(project)
        self.incoming = PairSources(self.viewer)
        self.incoming.changed.connect(self.find)
        self.incoming.layersChosen.connect(self._add_layers)
        self.incoming.failed.connect(self._fail)
        self.column.addWidget(self.incoming)
        self.found = PairPanel()
        self.found.edited.connect(self._change)
        self.found.cropWanted.connect(self._crop)
        self.found.classesChosen.connect(self._choose_classes)
        self.found.kindChosen.connect(self.run)
        self.found.opened.connect(self.layers.open)
        self.found.failed.connect(self._fail)
        self.found.grid.toggled.connect(self.layers.show_grid)
        self.column.addWidget(self.found)
        self.annotate = AnnotatePanel(self.workspace)
        self.annotate.failed.connect(self.show_error)
        self.column.addWidget(self.annotate)

        self.busy = QWidget()
        busy = QHBoxLayout(self.busy)
        busy.setContentsMargins(0, 0, 0, 0)
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Pairs read")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.cancel)
        busy.addWidget(self.bar, 1)
        busy.addWidget(self.cancel_button)
        self.busy.hide()
        self.verdict = WrapLabel()
        self.put_above_button(self.busy, self.verdict)
        self.button.setText("Check pairs")
        self.button.setAccessibleDescription(
            "Reads every pair once, counts objects and tiles, and finds what is wrong."
        )

    def showEvent(self, event: Any) -> None:
        """Draw pictures of a project that was opened while the dock was not seen."""
        super().showEvent(event)
        self._look()

    # --- what comes in ---

    def add_paths(self, paths: list[Path]) -> None:
        """Take files and folders."""
        self.incoming.add_paths(paths)

    def reset_choices(self, _: object = None) -> None:
        """Offer the layers that there are; napari calls this when they change."""
        self.incoming.reset_choices()

    def add_layers(self, layers: list[Any]) -> None:
        """Take layers: choose them, and add them when image and mask are there."""
        self.incoming.add_layers(layers)

    def find(self) -> None:
        """Look for pairs in what was dropped or chosen."""
        sources = self.incoming.sources
        if not sources.images:
            self._show_table(self.workspace.pairs)
            return
        self.workspace.ensure_project(sources.name)
        self._run(examine, sources, None, self._tiles(), self._new_left(), self.found.scale())

    def try_sample_data(self) -> None:
        """Simulate a small set in a new project, so that everything can be tried at once."""
        project = self.workspace.ensure_project("sample data")
        self._run(simulated, project, "em", self._new_left())

    def _add_layers(self, image: Any, labels: Any) -> None:
        """Save two layers as a pair of the project."""
        try:
            pair = pair_from_layers(image, labels)
            project = self.workspace.ensure_project("drawn pairs")
        except UserError as error:
            self._fail(error)
            return
        self._run(from_layers, project, pair, self._tiles(), self._new_left())

    def _choose_classes(self, masks: dict[str, list[Path]]) -> None:
        table, given = self.workspace.pairs, self.incoming.sources
        assert table is not None
        images = [Path(entry.image) for entry in table.entries if entry.image]
        sources = Sources(images, masks, given.image_pattern, given.mask_pattern)
        self._run(examine, sources, None, self._tiles(), self._new_left(), self.found.scale())

    def _crop(self, entries: list[Any]) -> None:
        if self.workspace.project is not None:
            self._run(cropped, self.workspace.project, entries, self._new_left())

    def _change(self, table: PairTable) -> None:
        self.verdict.setText("")
        self.workspace.setPairs(table)

    def _tiles(self) -> TileSettings:
        """The tile settings of the dock Train, or the defaults."""
        try:
            return TileSettings.parse(self.workspace.remembered("train").get("tiles", {}))
        except UserError:
            return TileSettings()

    # --- read, in a worker ---

    def run(self) -> None:
        """Read every pair again, as the masks are said to be."""
        table = self.workspace.pairs
        if table is not None and table.entries:
            self._run(examine, table, self.found.kind(), self._tiles(), self._new_left())

    def cancel(self) -> None:
        """Stop reading; the table stays as it was."""
        self._left.set()
        self._done()

    def _new_left(self) -> threading.Event:
        self._left.set()
        self._left = threading.Event()
        return self._left

    def _run(self, function: Callable[..., Iterator[Step]], *arguments: Any) -> None:
        from napari.qt.threading import create_worker

        self.error.hide()
        self._missing, self._looked = "", True
        left = self._left
        worker: Any = create_worker(
            function, *arguments, _start_thread=False, _progress={"desc": "reading pairs"}, _ignore_errors=True
        )
        worker.yielded.connect(lambda step: self._take(step, left))
        worker.errored.connect(self._fail)
        worker.finished.connect(lambda: self._done() if left is self._left else None)
        self._worker = worker
        self.busy.show()
        self.empty.hide()
        self.bar.setRange(0, 0)
        self.verdict.setText("Reading…")
        self._refresh()
        worker.start()

    def _take(self, step: Step, left: threading.Event) -> None:
        if left is not self._left or left.is_set():
            return
        if isinstance(step, tuple):
            self.bar.setRange(0, step[1])
            self.bar.setValue(step[0])
        elif isinstance(step, UserError):
            self._refuse(step)
        else:
            self._show_examined(step)

    def _refuse(self, error: UserError) -> None:
        """A first folder without masks is no error: the masks are still to come."""
        sources = self.incoming.sources
        if sources.images and not sources.masks and "no mask" in error.found:
            self._missing = f"{error.found} Now drop the folder of the masks here; several folders become classes."
        else:
            self._fail(error)

    def _done(self) -> None:
        self.busy.hide()
        self._worker = None
        if self.verdict.text() == "Reading…":
            self.verdict.setText("")
        self._refresh()

    def _show_examined(self, found: Examined) -> None:
        self.workspace.setPairs(found.table)
        self.found.show_pictures(found.overlays)
        pairs, test = len(found.table.matched), len(found.table.test)
        if found.tiles:
            split = f" to train, {test} to test" if test else ""
            pairs -= test
            ready = f"Ready: {pairs} pair{'s' * (pairs != 1)}{split}, {found.tiles:,} tiles"
            self.verdict.setText("\n".join(filter(None, (ready, mirrored(found.table, self._tiles().size)))))
        elif pairs:
            self.verdict.setText(f"✕ No tile can be used. {found.problem}")
        else:
            self.verdict.setText("✕ No image has a mask yet.")

    def _fail(self, error: BaseException) -> None:
        self.show_error(error)
        self.verdict.setText("")

    # --- a project that was opened: its table is known, pictures are drawn when the dock is seen ---

    def _show_project(self, _: object = None) -> None:
        project = self.workspace.project
        self.project_label.setText(f"Project: {short(project.path.name, 30)}" if project is not None else "")
        self.project_label.setToolTip(str(project.path) if project is not None else "")
        self.project_label.setVisible(project is not None)
        self.project_button.setVisible(project is not None)
        self.cancel()
        self.found.show_pictures([])
        self.error.hide()
        self._missing, self._looked = "", False
        table = self.workspace.pairs
        words = known(table), mirrored(table, self._tiles().size) if table is not None else ""
        self.verdict.setText("\n".join(filter(None, words)))
        self._look()

    def _look(self) -> None:
        from napari.qt.threading import create_worker

        table = self.workspace.pairs
        if self._looked or not self.isVisible() or table is None or not table.matched:
            return
        self._looked, self._pictures = True, []
        left = self._new_left()
        worker: Any = create_worker(look, table, left, _start_thread=False, _ignore_errors=True)
        worker.yielded.connect(lambda picture: None if left.is_set() else self._add_picture(picture))
        worker.errored.connect(lambda error: None if left.is_set() else self._complain(error))
        worker.start()

    def _add_picture(self, picture: Picture) -> None:
        self._pictures.append(picture)
        self.found.show_pictures(self._pictures)

    def _complain(self, error: BaseException) -> None:
        found = error.found if isinstance(error, UserError) else str(error)
        self.verdict.setText(f"✕ {found} 'Check pairs' reads all pairs again and marks those that are gone.")

    # --- states ---

    def _show_table(self, table: PairTable | None) -> None:
        self.found.show_table(table)
        self._refresh()

    def _refresh(self) -> None:
        table, reading = self.workspace.pairs, self._worker is not None
        filled = table is not None and bool(table.entries)
        self.empty.setVisible(not filled and not reading)
        self.found.setVisible(filled)
        self.annotate.setVisible(filled)
        self.allow("" if filled or reading else "Nothing to check yet: bring images and masks first.")
        self.button.setEnabled(filled and not reading)
        invitation = "Drop more here" if filled else "Drop images, masks or a folder with both here"
        self.incoming.drop.label.setText(self._missing or invitation)
        self.incoming.no_masks.setVisible(bool(self._missing))
        self.verdict.setVisible(bool(self.verdict.text()))


def known(table: PairTable | None) -> str:
    """What was found when the pairs of a project were checked, in words; empty without pairs."""
    if table is None or not table.matched:
        return ""
    if any(entry.shape is None for entry in table.matched):
        return "Not checked yet: press 'Check pairs'."
    train, test = len(table.train), len(table.test)
    split = f" to train, {test} to test" if test else ""
    pairs = f"{train} pair{'s' * (train != 1)}{split}"
    return f"Checked before: {pairs}. Check again if files have changed."


def mirrored(table: PairTable, tile: int) -> str:
    """What to know about images smaller than a tile of that side, px; empty when there are none."""
    from napari_organoid_synth.core.pairs.tiling import mirrored_words

    words = mirrored_words([entry.size for entry in table.train if entry.size is not None], tile)
    return f"! {words}" if words else ""
