"""The Curate dock: tiles by verdict, moved by keys, buttons or drags; every verdict is saved at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
from qtpy.compat import isalive
from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtWidgets import (
    QBoxLayout,
    QHBoxLayout,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.core.job import Failed
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.samples.far_sets import FarFromOriginals
from napari_organoid_synth.core.samples.importing import import_pairs
from napari_organoid_synth.core.samples.query import QueryError
from napari_organoid_synth.core.samples.store import SampleStore, Verdict
from napari_organoid_synth.core.synthesis.more_like import more_like
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.widgets.curate.bar import FIND, CurateBar
from napari_organoid_synth.widgets.curate.columns import Columns
from napari_organoid_synth.widgets.curate.opened_pairs import OpenedPairs
from napari_organoid_synth.widgets.curate.panels import AcceptPanel, MorePanel, Panel, TagPanel
from napari_organoid_synth.widgets.curate.tile_drag import TileDrop
from napari_organoid_synth.widgets.shared.background import start_worker
from napari_organoid_synth.widgets.shared.buttons import PrimaryButton
from napari_organoid_synth.widgets.shared.cards import EmptyCard
from napari_organoid_synth.widgets.shared.contrast import ProjectContrast
from napari_organoid_synth.widgets.shared.dock import ACROSS, DOWN, WideDock
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.project_choice import choose_project
from napari_organoid_synth.widgets.shared.shortcuts import Command, make_actions
from napari_organoid_synth.widgets.shared.store_tasks import (
    SIMULATED,
    VERDICT_NAMES,
    Listing,
    accept_best,
    list_samples,
    simulate_some,
)
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.thumbnails import MASK_MODES, StoreThread

KEYS = "A accept · R reject · U undo · Enter open · Space nearest real"
ROWS = 2
"""Of whole tiles that are in view unless a person chose another size."""
MAX_SIDE = 112
"""Side of a tile, px, that is chosen automatically at most."""


class CurateWidget(WideDock):
    """Sort synthetic pairs into accepted and rejected.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Shows the pairs that are opened.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.mode = MASK_MODES[0]
        self.contrast = ProjectContrast.of(viewer)
        self.opened = OpenedPairs(viewer, self)
        self.opened.failed.connect(self.show_error)
        self.opened.saved.connect(self._masks_saved)
        self._thread: StoreThread | None = None
        self._asked = self._shown = 0  # number of the newest listing asked for, and shown; older answers are dropped
        self._places: dict[str, int] = {}
        self._accepted = 0  # whether the query finds them or not
        self._to_select: list[str] = []
        self._is_sized = False  # by a person; otherwise the tiles fit the room
        self._greeted = self._ready = self._choosing = self._making = False
        self._telling = QTimer(self)
        self._telling.setSingleShot(True)
        self._telling.setInterval(30)
        self._telling.timeout.connect(self._share_selection)
        self.commands = make_actions(self, self._list_commands())
        self.addActions(list(self.commands.values()))
        self._build()
        self.workspace.projectChanged.connect(self._open_store)
        self.workspace.selectionChanged.connect(self._follow)
        self.workspace.queryAsked.connect(self.bar.ask)
        self.workspace.runner("generate").finished.connect(self._made_more)
        self.workspace.runner("generate").failed.connect(self._made_none)
        self._open_store()

    # ------------------------------------------------------------------------------------------------------ building

    def _list_commands(self) -> list[Command]:
        return [
            Command("Accept", ("A",), lambda: self.decide("accepted"), "Accept the selected pairs"),
            Command("Reject", ("R",), lambda: self.decide("rejected"), "Reject the selected pairs"),
            Command("Back to new", ("N",), lambda: self.decide("new"), "Remove the verdict of the selected pairs"),
            Command("Undo", ("U", "Ctrl+Z"), lambda: self._walk(SampleStore.undo, "undo"), "Undo the last change"),
            Command(
                "Redo",
                ("Y", "Ctrl+Y", "Ctrl+Shift+Z"),
                lambda: self._walk(SampleStore.redo, "redo"),
                "Redo what was undone",
            ),
            Command("Open", ("Enter", "Return"), self.open_selected, "Open image and labels as layers"),
            Command("Nearest real", ("Space",), self.show_nearest, "Show the most similar real image beside the pair"),
            Command("Mask", ("O",), self.next_mode, "Mask as outline, filled or hidden, here and in the open layers"),
            Command("Accept best…", ("B",), self.open_best, "Accept the best new pairs, keeping diversity"),
            Command("Tag…", ("T",), lambda: self.open_tags(False), "Tag the selected pairs"),
            Command("Note…", ("M",), lambda: self.open_tags(True), "Write a note on the selected pairs"),
            Command("Change this one…", ("C",), self.change_selected, "Paint on this pair while its image follows"),
            Command("More like this…", ("L",), self.open_more, "Make more pairs like the selected one"),
            Command("Save mask", ("S",), self.opened.save_masks, "Save masks that were changed in their layers"),
            Command("Delete", ("Delete", "Backspace"), self.delete_selected, "Move the selected pairs to the bin"),
            Command(FIND, ("Ctrl+F",), lambda: self.bar.open_finder(), "Find pairs by comparing scores and names"),
        ]

    def _build(self) -> None:
        self.tile_drop = TileDrop(self)
        self.tile_drop.dropped.connect(self.opened.open)
        self.pages = QStackedWidget()
        self.pages.addWidget(self._welcome())
        self.pages.addWidget(self._gallery())
        self.message, self.export = WrapLabel(), PrimaryButton("Export")
        self.opened.message.connect(self.message.setText)
        self.export.clicked.connect(lambda: open_dock(self.viewer, "Export"))
        self.export.setMinimumHeight(26)  # height is scarce here: a row of whole tiles should be seen on a laptop
        foot = self._foot = QBoxLayout(ACROSS)
        foot.addWidget(self.message, 1)
        foot.addWidget(self.export)
        self.export.setSizePolicy(QSizePolicy.Policy.Minimum, QSizePolicy.Policy.Fixed)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(4, 2, 4, 2)
        outer.setSpacing(3)
        middle = self._middle = QBoxLayout(ACROSS)  # with width and little height an error stands beside the tiles
        middle.addWidget(self.pages, 1)
        middle.addWidget(self.error, 0, Qt.AlignmentFlag.AlignTop)
        outer.addLayout(middle, 1)
        outer.addLayout(foot)
        self.setFocusProxy(self.columns.views["new"])
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumWidth(320)

    def _welcome(self) -> QWidget:
        """Make the page of an empty project."""
        self.empty = EmptyCard(
            "Here you look through synthetic pairs, keep the good ones and reject the rest. There are none yet.",
            {
                "Open a project…": lambda: self.guard(lambda: choose_project(self.workspace, self)),
                "Generate pairs": lambda: open_dock(self.viewer, "Generate"),
                "Try with simulated pairs": self.add_simulated,
            },
        )
        self.empty.setMaximumWidth(480)
        page = QWidget()
        QHBoxLayout(page).addWidget(self.empty)
        return page

    def _gallery(self) -> QWidget:
        """Make the page with the tiles: the bar, the panels below it, the columns."""
        self.bar = CurateBar(self.commands, self.contrast)
        self.columns = Columns([action for name, action in self.commands.items() if name != FIND])
        self.bar.changed.connect(self._ask_again)
        self.bar.left.connect(lambda: self.columns.active.setFocus())
        self.bar.zoom.valueChanged.connect(lambda _: self._resize_tiles())
        self.columns.resized.connect(self._fit_tiles)
        self.columns.picked.connect(self._telling.start)
        self.columns.opened.connect(self.open_selected)
        self.columns.zoomed.connect(lambda step: self.bar.zoom.setValue(self.bar.zoom.value() + step))
        self.columns.samplesDropped.connect(self.decide)
        self.columns.filesDropped.connect(lambda verdict, files: self.import_files(files, verdict))
        self.accepter, self.tagger, self.more = AcceptPanel(), TagPanel(), MorePanel()
        self.more.wanted.connect(self.make_more)
        self.accepter.wanted.connect(self.accept_best)
        self.tagger.wanted.connect(self.annotate)
        for panel in (self.accepter, self.tagger, self.more):
            panel.closed.connect(lambda: self.columns.active.setFocus())
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for widget in (self.bar, self.accepter, self.accepter.why, self.tagger, self.more, self.columns.chips):
            layout.addWidget(widget)
        layout.addWidget(self.columns, 1)
        return page

    def resizeEvent(self, event: Any) -> None:
        """Use one column, and put an error below it, with less room."""
        super().resizeEvent(event)
        width = self.width()
        self._middle.setDirection(ACROSS if width >= 700 else DOWN)
        self.columns.set_width(width)
        self._foot.setDirection(ACROSS if width >= 420 else DOWN)
        self.error.setFixedWidth(300 if width >= 700 else width - 12)

    def settle(self) -> None:
        """Move to the bottom area, if it is a dock, and take tiles that are dropped on the canvas."""
        super().settle()
        viewer = getattr(self.viewer, "__wrapped__", self.viewer)  # docks may get a proxy of the viewer
        self.tile_drop.watch(viewer.window._qt_window.centralWidget())

    # ------------------------------------------------------------------------------------------------- what is shown

    def _open_store(self) -> None:
        """Follow the project that is open now."""
        if self._thread is not None:
            self._thread.close()
        self._thread, self._greeted, project = None, False, self.workspace.project
        self._ready = False  # nothing is remembered until what was remembered is shown
        self.error.hide()
        self._show(Listing({}, {}, [], 0))
        if project is not None:
            thread = self._thread = StoreThread(project.samples_path)
            self.contrast.attach(thread)
            thread.loaded.connect(self.columns.repaint_tiles)
            thread.changedOutside.connect(self._reread)
            thread.unreadable.connect(self.show_error)
            self.destroyed.connect(thread.close)
            kept = self.workspace.remembered("curate")
            self.mode = kept["mask"] if kept.get("mask") in MASK_MODES else self.mode
            self.opened.layers.set_mode(self.mode, None)
            self._is_sized = bool(kept.get("size"))
            if self._is_sized:
                self.bar.zoom.setValue(int(kept["size"]))
            self.bar.set_wanted(kept)
        self.opened.thread = self._thread
        self.tile_drop.store_path = self._thread.path if self._thread is not None else None
        self.columns.set_source(self._thread)
        self._ready = True
        self._show_tiles()
        self._fit_tiles()
        self.refresh()

    def _remember(self) -> None:
        if self._ready:
            size = self.bar.zoom.value() if self._is_sized else 0
            self.workspace.remember("curate", {"size": size, "mask": self.mode} | self.bar.value())

    def _ask_again(self) -> None:
        """Remember and apply another order or query."""
        self._remember()
        self.refresh()

    def _ask(
        self,
        task: Callable[[SampleStore], Any],
        done: Callable[[Any], None],
        failed: Callable[[BaseException], None] | None = None,
    ) -> None:
        """Let the background thread do something with the store; an error becomes a card."""
        if self._thread is not None:
            self._thread.submit(task, done, failed or self._fail)

    def _fail(self, error: BaseException) -> None:
        self.show_error(error)
        self.refresh()  # what was shown before it was saved goes back

    def refresh(self) -> None:
        """Read again which samples there are; selection and scroll position stay."""
        self._asked += 1
        number, sort, query = self._asked, self.bar.order, self.bar.query
        self._ask(
            lambda store: list_samples(store, sort, query),
            lambda listing: self._show(listing) if number == self._asked else None,
            lambda error: self._explain(error) if number == self._asked else None,
        )

    def _explain(self, error: BaseException) -> None:
        """Explain below the query why it cannot be read; the samples on the screen stay, or all if there were none."""
        if not isinstance(error, QueryError):
            self.show_error(error)
            return

        def show_all(listing: Listing) -> None:
            self._show(listing)
            self.bar.explain(error)

        if self._places:
            self.bar.explain(error)
        else:
            sort = self.bar.order
            self._ask(lambda store: list_samples(store, sort, ""), show_all)

    def _show(self, listing: Listing) -> None:
        self._shown, self._places, self._accepted = self._asked, listing.places, listing.accepted
        self.pages.setCurrentIndex(int(bool(listing.places)))
        self.bar.show_found(listing.found, len(listing.places), listing.metrics)
        self.columns.show_ids(listing.ids)
        if self._to_select:
            chosen, self._to_select = self._to_select, []
            self.columns.find(chosen)
        elif listing.places and not self._greeted:  # the keys work at once, and only on new samples
            self._greeted = True
            waiting = self.columns.views["new"]
            waiting.select(waiting.samples.ids[:1])
        self._count()

    def _count(self) -> None:
        self.columns.count()
        accepted = self._accepted
        self.export.setText(f"Export {plural(accepted, 'pair')}")
        self.export.setEnabled(accepted > 0)
        self.export.setToolTip("Opens Export" if accepted else "Accept at least one pair first")
        self.export.setVisible(self.pages.currentIndex() == 1)
        if self.pages.currentIndex() == 1 and not self.message.text():
            self.message.setText(KEYS)

    def _reread(self) -> None:
        if self._thread is not None:
            self._thread.forget_rows()
        self.columns.repaint_all()
        self.refresh()

    def _show_tiles(self) -> None:
        self.columns.show_tiles(self.bar.zoom.value(), self.mode)
        self._remember()

    def _resize_tiles(self) -> None:
        """Show tiles of the size that a person chose."""
        self._is_sized = True
        self._show_tiles()

    def _fit_tiles(self) -> None:
        """Choose a size with which whole rows of tiles are in view."""
        side = min(self.columns.side_for(ROWS), MAX_SIDE)
        if not self._is_sized and side != self.bar.zoom.value():
            with QSignalBlocker(self.bar.zoom):
                self.bar.zoom.setValue(side)
            self._show_tiles()

    def next_mode(self) -> None:
        """Draw masks the next way: outline, fill, none."""
        self.mode = MASK_MODES[(MASK_MODES.index(self.mode) + 1) % len(MASK_MODES)]
        self._show_tiles()
        self.opened.layers.set_mode(self.mode, self._thread)
        self.message.setText(
            {"outline": "Masks as outline.", "fill": "Masks filled.", "none": "Masks hidden."}[self.mode]
        )

    def _share_selection(self) -> None:
        """Let the other docks follow the selection, once for many changes in a row."""
        if isalive(self.workspace):  # a closing viewer may end it before the dock
            self.workspace.select(self.columns.chosen(), self)

    def _follow(self, ids: Sequence[str]) -> None:
        """Select the samples that were selected in another dock."""
        if self.workspace.selector is not self:
            self.columns.follow(ids)

    def selected(self) -> list[str]:
        """Return the ids of the selected tiles; show a message if there are none."""
        ids = self.columns.chosen()
        if not ids:
            self.message.setText("Select a tile first: click one, or use the arrow keys.")
        return ids

    # ------------------------------------------------------------------------------------------------------ verdicts

    def decide(self, verdict: Verdict, ids: Sequence[str] | None = None) -> None:
        """Give the selected samples, or these, a verdict; shown at once, saved in the background, in order."""
        moving = [id for id in dict.fromkeys(ids or self.selected()) if not self.columns.has(verdict, id)]
        if self._thread is None or not moving:
            return
        lost = sum(self.columns.has("accepted", id) for id in moving)
        self._accepted += len(moving) if verdict == "accepted" else -lost
        for id in moving:
            self._thread.note_verdict(id, verdict)
        self.columns.move(moving, verdict, self._places)
        self.message.setText(f"{len(moving):,} {VERDICT_NAMES[verdict]}. Press U to undo.")
        self._count()
        self._ask(lambda store: store.decide(moving, verdict), lambda changed: self._decided(moving, changed))
        if self._asked != self._shown:
            self.refresh()  # the listing that is on its way was made before this verdict

    def _decided(self, moved: Sequence[str], changed: Sequence[str]) -> None:
        if set(changed) != set(moved):
            self.refresh()  # decided earlier in another window
        self.workspace.samplesChanged.emit()

    def delete_selected(self) -> None:
        """Move the selected pairs to the bin of the project; undo brings them back."""
        ids = self.selected()
        if self._thread is None or not ids:
            return
        self._accepted -= sum(self.columns.has("accepted", id) for id in ids)
        self.columns.take_out(ids)
        self.message.setText(f"{plural(len(ids), 'pair')} moved to the bin. Press U to undo.")
        self._count()
        self._ask(lambda store: store.delete(ids), lambda _: self._deleted())

    def _deleted(self) -> None:
        self.refresh()
        self.workspace.samplesChanged.emit()

    def open_best(self) -> None:
        """Ask how many of the best to accept."""
        self._open_panel(self.accepter)
        self.accepter.open()

    def accept_best(self, number: int, anyway: bool = False) -> None:
        """Accept so many new pairs, realistic ones that differ from each other; one step of the history.

        Where all are far from the originals as a set, none is accepted unless ``anyway``, and the panel says why.
        """
        from napari.qt.threading import create_worker

        project = self.workspace.project
        if project is None or self._choosing:
            return
        self._choosing = True
        self.message.setText("Looking for the best pairs that differ from each other…")

        def show(ids: list[str]) -> None:
            self._choosing = False
            if project is self.workspace.project and ids:
                self.decide("accepted", ids)
                self.refresh()  # a query may not want them all
            elif not ids:
                self.message.setText("There are no more new pairs without a flag.")

        def fail(error: BaseException) -> None:
            self._choosing = False
            if isinstance(error, FarFromOriginals):
                self.message.setText("None was accepted.")
                self.accepter.open(str(error))
            else:
                self.show_error(error)

        worker: Any = create_worker(
            accept_best, project.samples_path, number, anyway, _start_thread=False, _ignore_errors=True,
            _progress={"desc": "comparing pairs"},
        )  # fmt: skip
        worker.returned.connect(show)
        worker.errored.connect(fail)
        start_worker(worker)

    def _open_panel(self, chosen: Panel) -> None:
        """Hide the other panels: there is room for one."""
        for panel in (self.accepter, self.tagger, self.more):
            if panel is not chosen:
                panel.hide()

    def open_more(self) -> None:
        """Ask how many pairs like the first of the selected ones to make."""
        if ids := self.selected()[:1]:
            self._open_panel(self.more)
            self._ask(lambda store: store.row(ids[0]), self.more.open)

    def make_more(self, id: str, number: int, distance: float) -> None:
        """Make more pairs like one, with the generator that drew it."""
        project, runner = self.workspace.project, self.workspace.runner("generate")
        if project is None:
            return
        if runner.running:
            self.message.setText("Pairs are being made. Wait until they are done.")
            return

        def start(settings: GenerateSettings) -> None:
            if project is self.workspace.project and not runner.running:
                self.message.setText(f"Making {plural(number, 'pair')} like {id}…")
                self._making = self.guard(lambda: runner.start("generate", project, settings)) is not None

        self._ask(lambda _: more_like(project, id, number, distance), start, self.show_error)

    def _made_more(self, _: str) -> None:
        if self._making:
            self._making, added = False, int(self.workspace.runner("generate").result.get("added", 0))
            none = "No pair was added."
            self.message.setText(f"{plural(added, 'pair')} added, without a verdict yet." if added else none)

    def _made_none(self, failed: Failed) -> None:
        if self._making:
            self._making = False
            self.message.setText("")
            self.show_error(failed)

    def open_tags(self, note: bool) -> None:
        """Show tags and note of the selected samples, ready to type."""
        ids = self.selected()
        if ids:
            self._open_panel(self.tagger)
            self._ask(
                lambda store: ([store.row(id) for id in ids], store.tags()),
                lambda content: self.tagger.open(content[0], content[1], note),
            )

    def annotate(self, ids: list[str], add: list[str], remove: list[str], remark: str | None) -> None:
        """Change tags and note of samples; one step of the history."""

        def show(changed: list[str]) -> None:
            self.message.setText(f"{len(changed):,} changed. Press U to undo." if changed else "Nothing changed.")
            self._reread()

        self._ask(lambda store: store.annotate(ids, add=add, remove=remove, remark=remark), show)

    def _masks_saved(self, _: list[str]) -> None:
        self._reread()
        self.workspace.samplesChanged.emit()

    def _walk(self, step: Callable[[SampleStore], list[str]], word: str) -> None:
        def show(ids: list[str]) -> None:
            self.message.setText(f"{word.capitalize()}: {len(ids):,} changed." if ids else f"Nothing to {word}.")
            if ids:
                self._to_select = ids
                self._reread()
                self.opened.update(ids)
                self.workspace.samplesChanged.emit()

        self._ask(step, show)

    # ---------------------------------------------------------------------------------------------- pairs in and out

    def open_selected(self) -> None:
        """Open the selected pairs as layers."""
        self.opened.open(self.selected())

    def change_selected(self) -> None:
        """Paint on the first of the selected pairs, in Generate."""
        if ids := self.selected()[:1]:
            open_dock(self.viewer, "Generate").change_sample(ids[0])

    def show_nearest(self) -> None:
        """Open the sample and, right of it, the real image that it resembles most."""
        ids, project = self.selected()[:1], self.workspace.project
        if ids and project is not None:
            self.opened.open_beside_real(ids[0], project)

    def import_files(self, files: Sequence[Path], verdict: Verdict) -> None:
        """Import pairs that this program wrote as OME-TIFF; anything else gets an error message."""
        self.message.setText("Reading the dropped files…")
        self._ask(lambda store: import_pairs(store, files, verdict), self._added)

    def add_simulated(self) -> None:
        """Fill the gallery with simulated pairs, to try it out."""
        self.workspace.ensure_project("simulated")
        self.message.setText(f"Drawing {SIMULATED} simulated pairs…")
        self._ask(simulate_some, self._added)

    def _added(self, ids: list[str]) -> None:
        self.message.setText(
            f"{plural(len(ids), 'pair')} added." if ids else "Nothing added: these pairs are in the gallery."
        )
        self._to_select = ids
        self.refresh()
        self.workspace.samplesChanged.emit()
