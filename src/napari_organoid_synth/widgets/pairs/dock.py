"""The Pairs dock: bring images and masks together, and see problems before anything runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QHBoxLayout, QProgressBar, QPushButton, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.discovery import NoMasks
from napari_organoid_synth.core.pairs.grades import with_grades
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.widgets.forms.plain_text import plain
from napari_organoid_synth.widgets.pairs.annotate_panel import AnnotatePanel
from napari_organoid_synth.widgets.pairs.examine import (
    Examination,
    Picture,
    Step,
    add_layers_pair,
    crop_pairs,
    draw_overlays,
    examine,
    examine_otherwise,
    simulate_pairs,
)
from napari_organoid_synth.widgets.pairs.layers import PairLayers
from napari_organoid_synth.widgets.pairs.panel import PairPanel
from napari_organoid_synth.widgets.pairs.preflight_view import PreflightView
from napari_organoid_synth.widgets.pairs.quick_try import QuickTry
from napari_organoid_synth.widgets.pairs.source_list import SourceList
from napari_organoid_synth.widgets.pairs.sources import PairSources
from napari_organoid_synth.widgets.pairs.suggestion_row import SuggestionRow
from napari_organoid_synth.widgets.shared.advice_label import remember_objects
from napari_organoid_synth.widgets.shared.background import start_worker, while_alive
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.drop import Sources, looks_like_mask
from napari_organoid_synth.widgets.shared.layers import pair_from_layers
from napari_organoid_synth.widgets.shared.project_choice import choose_project, short
from napari_organoid_synth.widgets.shared.sample_choice import SampleChoice
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.tile import tile_settings, use_tile

if TYPE_CHECKING:
    import napari

    from napari_organoid_synth.core.pairs.suggestion import Suggestion
    from napari_organoid_synth.core.preflight.findings import Preflight

PURPOSE = "Everything is learned from real images with their masks. Five pairs are a start, twenty are good."


class PairsWidget(ColumnDock):
    """Match, check and look at the real pairs of a project.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Pairs that are clicked open in it as layers.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, "pairs", PURPOSE)
        self._canceled = threading.Event()
        self._worker: Any = None
        self._missing = ""  # invitation to drop what is still missing
        self._drawn = False  # whether pictures of this table were drawn, or are being drawn
        self._pictures: list[Picture] = []
        self.layers = PairLayers(viewer, self.workspace, self._tiles, self._fail, self)
        self._build()
        self.workspace.projectChanged.connect(self._show_project)
        self.workspace.pairsChanged.connect(self._show_table)
        self._show_project()
        self._show_table(self.workspace.pairs)

    def _build(self) -> None:
        self.samples = SampleChoice()
        self.samples.chosen.connect(self.try_sample_data)
        self.empty.column.addWidget(self.samples)
        project = QHBoxLayout()
        self.project_label = WrapLabel()
        self.project_button = QPushButton("Change…")
        self.project_button.setToolTip("Open another project, or choose an empty folder for a new one.")
        self.project_button.clicked.connect(lambda: self.guard(lambda: choose_project(self.workspace, self)))
        project.addWidget(self.project_label, 1)
        project.addWidget(self.project_button)
        self.column.addLayout(project)
        self.incoming = PairSources(self.viewer)
        self.incoming.changed.connect(self.find)
        self.incoming.layersChosen.connect(self._add_layers)
        self.incoming.failed.connect(self._fail)
        self.column.addWidget(self.incoming)
        self.sources = SourceList()
        self.sources.removed.connect(self._use_sources)
        self.sources.found.connect(self._use_sources)
        self.sources.failed.connect(self._fail)
        self.column.addWidget(self.sources)
        self.suggestion = SuggestionRow()
        self.suggestion.used.connect(self._use_suggestion)
        self.column.addWidget(self.suggestion)
        self.panel = PairPanel()
        self.panel.edited.connect(self._change)
        self.panel.cropWanted.connect(self._crop)
        self.panel.classesChosen.connect(self._choose_classes)
        self.panel.kindChosen.connect(self.run)
        self.panel.readingChosen.connect(self._read_otherwise)
        self.panel.opened.connect(self.layers.open)
        self.panel.failed.connect(self._fail)
        self.panel.grid.toggled.connect(self.layers.show_grid)
        self.column.addWidget(self.panel)
        self.preflight = PreflightView()
        self.preflight.shown.connect(self._suggest)
        self.column.addWidget(self.preflight)
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
        self.quick = QuickTry(self.viewer, self.suggestion.use)
        self.quick.failed.connect(self.show_error)
        self.put_above_button(self.busy, self.verdict, self.quick)
        self.button.setText("Check pairs")
        self.button.setAccessibleDescription("Reads every pair once, counts objects and tiles, and finds problems.")

    def showEvent(self, event: Any) -> None:
        """Draw pictures of a project that was opened while the dock was hidden."""
        super().showEvent(event)
        self._draw_pictures()
        self._refresh()

    # --- what comes in ---

    def add_paths(self, paths: list[Path]) -> None:
        """Add files and folders as sources; masks alone are for the images that are there."""
        if not self.incoming.sources.images and all(map(looks_like_mask, paths)):
            self.incoming.sources = Sources.of(self.workspace.pairs)
        self.incoming.add_paths(paths)

    def reset_choices(self, _: object = None) -> None:
        """Offer the layers that there are; napari calls this when they change."""
        self.incoming.reset_choices()

    def add_layers(self, layers: list[Any]) -> None:
        """Choose layers, and add them when both image and mask are given."""
        self.incoming.add_layers(layers)

    def find(self) -> None:
        """Find pairs in the dropped or chosen sources."""
        sources = self.incoming.sources
        if not sources.images:
            self._grade(sources.grades)
            return
        self.workspace.ensure_project(sources.name)
        self.incoming.sources = sources  # a new project began with none
        self._find(sources, self.workspace.pairs)

    def _find(self, sources: Sources, before: PairTable | None) -> None:
        self.sources.forget()  # what comes now would be lost with an undo
        scale, reading = self.panel.scale(), self.panel.reading.for_new()
        project, canceled = self.workspace.project, self._restart_cancel()
        self._run(examine, sources, None, self._tiles(), canceled, scale, reading, before, project)

    def _use_sources(self, table: PairTable) -> None:
        """Check a table whose sources changed; masks that are dropped next are for its images."""
        self.incoming.sources = Sources.of(table)
        self.workspace.setPairs(table)  # the check, which takes a while, only adds to it
        kind = table.mask_kind if table.kind_by_hand else None
        self._run(examine, table, kind, self._tiles(), self._restart_cancel())

    def _grade(self, file: Path | None) -> None:
        """Give the images that there are their classes from a table."""
        table = self.workspace.pairs
        if file is None or table is None:
            self._show_table(table)
            return
        try:
            self._change(with_grades(table, file))
        except UserError as error:
            self._fail(error)

    def try_sample_data(self, name: str = "organoid_brightfield") -> None:
        """Simulate a small set in a new project, so that everything can be tried."""
        project = self.workspace.ensure_project("sample data")
        self._run(simulate_pairs, project, name, self._restart_cancel())

    def _add_layers(self, image: Any, labels: Any) -> None:
        """Save two layers as a pair of the project."""
        try:
            planes, step = self.incoming.planes()
            pair = pair_from_layers(image, labels, planes=planes, step=step)
            project = self.workspace.ensure_project("drawn pairs")
        except UserError as error:
            self._fail(error)
            return
        self._run(add_layers_pair, project, pair, self._tiles(), self._restart_cancel())

    def _choose_classes(self, masks: dict[str, list[Path]]) -> None:
        table, given = self.workspace.pairs, self.incoming.sources
        assert table is not None
        images = list(dict.fromkeys(Path(entry.image) for entry in table.entries if entry.image))
        entries = (
            entry.replace(masks={name: file for name, file in entry.masks.items() if name in masks})
            for entry in table.entries
        )  # a mask that was not chosen is not kept
        self._find(
            Sources(images, masks, given.image_pattern, given.mask_pattern), table.replace(entries=tuple(entries))
        )

    def _read_otherwise(self) -> None:
        table = self.workspace.pairs
        if table is not None:
            kind, tiles = self.panel.kind(), self._tiles()
            reading = self.panel.reading.planes(), self.panel.reading.channels()
            self._run(examine_otherwise, table, reading, kind, tiles, self._restart_cancel())

    def _crop(self, entries: list[Any]) -> None:
        if self.workspace.project is not None:
            self._run(crop_pairs, self.workspace.project, entries, self._restart_cancel())

    def _change(self, table: PairTable) -> None:
        self.sources.forget()
        self.verdict.setText("")
        self.workspace.setPairs(table)

    def _tiles(self) -> TileSettings:
        """Return the tile settings of the training, or the defaults."""
        return tile_settings(self.workspace)

    def _suggest(self, result: Preflight | None) -> None:
        """Show what the objects suggest."""
        table = self.workspace.pairs
        scale = table.scale if table is not None else 1.0
        if result is not None:
            remember_objects(self.workspace, result.object_side, result.touching)
        self.suggestion.show_suggestion(result.suggestion if result is not None else None, self._tiles().size, scale)

    def _use_suggestion(self, suggestion: Suggestion) -> None:
        """Use the suggested tile and size, here and on the pages that train."""
        if (table := self.workspace.pairs) is not None:
            use_tile(self.workspace, suggestion.tile, suggestion.widest * suggestion.scale)
            self._change(table.scaled(suggestion.scale))

    # --- read, in a worker ---

    def run(self) -> None:
        """Read every pair again, with the chosen kind of masks."""
        table = self.workspace.pairs
        if table is not None and table.entries:
            self._run(examine, table, self.panel.kind(), self._tiles(), self._restart_cancel())

    def cancel(self) -> None:
        """Stop reading; the table does not change."""
        self._canceled.set()
        self._done()

    def _restart_cancel(self) -> threading.Event:
        self._canceled.set()
        self._canceled = threading.Event()
        return self._canceled

    def _run(self, function: Callable[..., Iterator[Step]], *arguments: Any) -> None:
        from napari.qt.threading import create_worker

        self.error.hide()
        self._missing, self._drawn = "", True
        canceled = self._canceled
        worker: Any = create_worker(
            function, *arguments, _start_thread=False, _progress={"desc": "reading pairs"}, _ignore_errors=True
        )
        worker.yielded.connect(while_alive(self, lambda step: self._take(step, canceled)))
        worker.errored.connect(self._fail)
        worker.finished.connect(while_alive(self, lambda: self._done() if canceled is self._canceled else None))
        self._worker = worker
        self.busy.show()
        self.empty.hide()
        self.bar.setRange(0, 0)
        self.verdict.setText("Reading…")
        self._refresh()
        start_worker(worker)

    def _take(self, step: Step, canceled: threading.Event) -> None:
        if canceled is not self._canceled or canceled.is_set():
            return
        if isinstance(step, tuple):
            self.bar.setRange(0, step[1])
            self.bar.setValue(step[0])
        elif isinstance(step, UserError):
            self._refuse(step)
        else:
            self._show_examined(step)

    def _refuse(self, error: UserError) -> None:
        """Ask for the masks if only images were given, otherwise show the error."""
        if isinstance(error, NoMasks) and not self.incoming.sources.masks:
            self._missing = f"{error.found} Now drop the folder of the masks here; several folders become classes."
        else:
            self._fail(error)

    def _done(self) -> None:
        self.busy.hide()
        self._worker = None
        if self.verdict.text() == "Reading…":
            self.verdict.setText("")
        self._refresh()

    def _show_examined(self, result: Examination) -> None:
        self.workspace.setPairs(result.table)
        self.panel.show_pictures(result.overlays)
        if result.tiles:
            ready = f"Ready: {split_text(result.table)}, {plural(result.tiles, 'tile')}"
            self.verdict.setText("\n".join(filter(None, (result.added, ready))))
        elif result.table.matched:
            self.verdict.setText(f"✕ No tile can be used. {result.problem}")
        else:
            self.verdict.setText("✕ No image has a mask yet.")

    def _fail(self, error: BaseException) -> None:
        self.show_error(error)
        self.verdict.setText("")

    # --- a project that was opened: its table is known, pictures are drawn when the dock is visible ---

    def _show_project(self, _: object = None) -> None:
        project = self.workspace.project
        self.project_label.setText(f"Project: {short(project.path.name, 30)}" if project is not None else "")
        self.project_label.setToolTip(plain(str(project.path)) if project is not None else "")
        self.project_label.setVisible(project is not None)
        self.project_button.setVisible(project is not None)
        self.cancel()
        self.incoming.sources = Sources()
        self.sources.forget()
        self.panel.show_pictures([])
        self.error.hide()
        self._missing, self._drawn = "", False
        self.verdict.setText(check_summary(self.workspace.pairs))
        self._draw_pictures()

    def _draw_pictures(self) -> None:
        from napari.qt.threading import create_worker

        table = self.workspace.pairs
        if self._drawn or not self.isVisible() or table is None or not table.matched:
            return
        self._drawn, self._pictures = True, []
        canceled = self._restart_cancel()
        worker: Any = create_worker(draw_overlays, table, canceled, _start_thread=False, _ignore_errors=True)

        def unless_canceled(call: Callable[[Any], None]) -> Callable[..., None]:
            return while_alive(self, lambda value: None if canceled.is_set() else call(value))

        worker.yielded.connect(unless_canceled(self._add_picture))
        worker.errored.connect(unless_canceled(self._show_problem))
        start_worker(worker)

    def _add_picture(self, picture: Picture) -> None:
        self._pictures.append(picture)
        self.panel.show_pictures(self._pictures)

    def _show_problem(self, error: BaseException) -> None:
        problem = error.found if isinstance(error, UserError) else str(error)
        self.verdict.setText(f"✕ {problem} 'Check pairs' reads all pairs again and marks missing files.")

    # --- states ---

    def _show_table(self, table: PairTable | None) -> None:
        self.sources.show_table(table)
        self.panel.show_table(table)
        self._refresh()

    def _refresh(self) -> None:
        table, reading = self.workspace.pairs, self._worker is not None
        filled = table is not None and bool(table.entries)
        self.empty.setVisible(not filled and not reading)
        self.panel.setVisible(filled)
        self.annotate.setVisible(filled)
        if self.isVisible() and not reading:
            self.preflight.look(table if filled else None, self._tiles())
        self.allow("" if filled or reading else "Nothing to check yet: bring images and masks first.")
        self.button.setEnabled(filled and not reading)
        self.quick.offer(table is not None and bool(table.train) and not reading)
        invitation = "Drop more here" if filled else "Drop images, masks or a folder with both here"
        self.incoming.drop.label.setText(self._missing or invitation)
        self.incoming.no_masks.setVisible(bool(self._missing))
        self.verdict.setVisible(bool(self.verdict.text()))


def split_text(table: PairTable) -> str:
    """Return the numbers of pairs: ``12 pairs``, or ``10 pairs to train, 2 to test``."""
    pairs = plural(len(table.train), "pair")
    return f"{pairs} to train, {len(table.test)} to test" if table.test else pairs


def check_summary(table: PairTable | None) -> str:
    """Describe the last check of the pairs of a project; empty without pairs."""
    if table is None or not table.matched:
        return ""
    if any(entry.shape is None for entry in table.matched):
        return "Not checked yet: press 'Check pairs'."
    return f"Checked before: {split_text(table)}. Check again if files have changed."
