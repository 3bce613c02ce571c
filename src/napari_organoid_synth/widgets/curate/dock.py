"""The Curate dock: three columns of tiles, moved by keys, buttons or drags; every verdict is saved at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import napari
from qtpy.QtCore import QEvent, Qt, QTimer
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import (
    QBoxLayout,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.samples.query import QueryError
from napari_organoid_synth.core.samples.store import SampleStore, Verdict
from napari_organoid_synth.widgets.curate.bar import CurateBar
from napari_organoid_synth.widgets.curate.columns import Columns
from napari_organoid_synth.widgets.curate.gallery import read_ids
from napari_organoid_synth.widgets.curate.panels import AcceptPanel, TagPanel
from napari_organoid_synth.widgets.shared.buttons import PrimaryButton
from napari_organoid_synth.widgets.shared.cards import EmptyCard
from napari_organoid_synth.widgets.shared.dock import ACROSS, DOWN, WideDock
from napari_organoid_synth.widgets.shared.menus import move_down, open_dock
from napari_organoid_synth.widgets.shared.project_choice import choose_project
from napari_organoid_synth.widgets.shared.sample_layers import OPENED_AT_ONCE, SampleLayers
from napari_organoid_synth.widgets.shared.store_tasks import (
    DONE,
    SIMULATED,
    Listing,
    accept_best,
    list_samples,
    read_with_nearest,
    save_masks,
    simulate_some,
    take_in,
)
from napari_organoid_synth.widgets.shared.thumbnails import MASK_MODES, StoreThread

KEYS = "A accept · R reject · U undo · B best · T tag · M note · Enter open · S save mask · Space nearest real · O mask"


class CurateWidget(WideDock):
    """Sort generated pairs into accepted and rejected.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Shows the pairs that are opened.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.mode, self.layers = MASK_MODES[0], SampleLayers.of(viewer)
        self._thread: StoreThread | None = None
        self._asked = self._shown = 0  # number of the newest listing asked for, and shown; older answers are dropped
        self._places: dict[str, int] = {}
        self._accepted = 0  # whether the query finds them or not
        self._to_select: list[str] = []
        self._greeted = self._ready = self._choosing = False
        self._telling = QTimer(self)
        self._telling.setSingleShot(True)
        self._telling.setInterval(30)
        self._telling.timeout.connect(self._tell)
        self.commands = self._make_commands()
        self._build()
        self.workspace.projectChanged.connect(self._open_store)
        self.workspace.selectionChanged.connect(self._follow)
        self.workspace.queryAsked.connect(self.bar.filter.setText)
        self._open_store()

    # ------------------------------------------------------------------------------------------------------ building

    def _make_commands(self) -> dict[str, QAction]:
        wanted: list[tuple[str, str, tuple[str, ...], Callable[[], object]]] = [
            ("Accept", "Accept the selected pairs", ("A",), lambda: self.decide("accepted")),
            ("Reject", "Reject the selected pairs", ("R",), lambda: self.decide("rejected")),
            ("Back to new", "Take the verdict off the selected pairs", ("N",), lambda: self.decide("new")),
            ("Undo", "Take back the newest verdict", ("U", "Ctrl+Z"), lambda: self._walk(SampleStore.undo, "undo")),
            ("Redo", "Redo what was undone", ("Y", "Ctrl+Shift+Z"), lambda: self._walk(SampleStore.redo, "redo")),
            ("Open", "Open image and labels as layers", ("Enter", "Return"), self.open_selected),
            ("Nearest real", "Show the most similar real image beside the pair", ("Space",), self.show_nearest),
            ("Mask", "Mask as outline, filled or not at all, here and in the open layers", ("O",), self.next_mode),
            ("Accept best…", "Accept the best new pairs, keeping diversity", ("B",), self.open_best),
            ("Tag…", "Tag the selected pairs", ("T",), lambda: self.open_tags(False)),
            ("Note…", "Write a note on the selected pairs", ("M",), lambda: self.open_tags(True)),
            ("Save mask", "Keep masks that were changed in their layers as new versions", ("S",), self.save_masks),
        ]
        commands = {}
        for name, tip, keys, call in wanted:
            command = commands[name] = QAction(name, self)
            command.setShortcuts([QKeySequence(key) for key in keys])
            command.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            command.setToolTip(f"{tip} ({keys[0]})")
            command.triggered.connect(lambda _=False, call=call: call())
            self.addAction(command)
        return commands

    def _build(self) -> None:
        self.bar, self.columns = CurateBar(self.commands), Columns(list(self.commands.values()))
        self.bar.changed.connect(self._ask_anew)
        self.bar.left.connect(lambda: self.columns.active.setFocus())
        self.bar.zoom.valueChanged.connect(lambda _: self._show_tiles())
        self.columns.picked.connect(self._telling.start)
        self.columns.opened.connect(self.open_selected)
        self.columns.zoomed.connect(lambda step: self.bar.zoom.setValue(self.bar.zoom.value() + step))
        self.columns.samplesDropped.connect(self.decide)
        self.columns.filesDropped.connect(lambda verdict, files: self.import_files(files, verdict))
        self.accepter, self.tagger = AcceptPanel(), TagPanel()
        self.accepter.wanted.connect(self.accept_best)
        self.tagger.wanted.connect(self.annotate)
        for panel in (self.accepter, self.tagger):
            panel.closed.connect(lambda: self.columns.active.setFocus())
        gallery = QWidget()
        layout = QVBoxLayout(gallery)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        for widget in (self.bar, self.accepter, self.accepter.why, self.tagger):
            layout.addWidget(widget)
        layout.addWidget(self.columns, 1)

        self.empty = EmptyCard(
            "Here you look through synthetic pairs, keep the good ones and reject the rest. There are none yet.",
            {
                "Open a project…": lambda: self.guard(lambda: choose_project(self.workspace, self)),
                "Generate pairs": lambda: open_dock(self.viewer, "Generate"),
                "Try with simulated pairs": self.add_simulated,
            },
        )
        self.empty.setMaximumWidth(480)
        welcome = QWidget()
        QHBoxLayout(welcome).addWidget(self.empty)
        self.pages = QStackedWidget()
        self.pages.addWidget(welcome)
        self.pages.addWidget(gallery)
        self.message, self.export = QLabel(), PrimaryButton("Export")
        self.message.setWordWrap(True)
        self.export.clicked.connect(lambda: open_dock(self.viewer, "Export"))
        self.export.setMinimumHeight(26)  # height is scarce here: a row of whole tiles should be seen on a laptop
        foot = self._foot = QBoxLayout(ACROSS)
        foot.addWidget(self.message, 3)
        foot.addWidget(self.export, 1)
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

    def resizeEvent(self, event: Any) -> None:
        """With less room everything stands below each other."""
        super().resizeEvent(event)
        width = self.width()
        for layout in (self._middle, self._foot):
            layout.setDirection(ACROSS if width >= 700 else DOWN)
        self.columns.set_width(width)
        self.error.setFixedWidth(300 if width >= 700 else width - 12)

    def settle(self) -> None:
        """Move to the bottom area, from where tiles are dragged onto the canvas."""
        if window := move_down(self):
            self._watch_canvas(window.centralWidget())

    def _watch_canvas(self, canvas: Any) -> None:
        """Open tiles dropped on the canvas here: napari would ask which of its readers takes each of the files."""
        for widget in (canvas, *canvas.findChildren(QWidget)):
            if widget.acceptDrops():
                widget.installEventFilter(self)

    def eventFilter(self, watched: Any, event: Any) -> bool:
        """A drop of tiles on the canvas opens them as layers; everything else is napari's."""
        if event.type() == QEvent.Type.Drop and self._thread is not None:
            ids = read_ids(event.mimeData(), self._thread.path)
            if ids:
                event.setDropAction(Qt.DropAction.CopyAction)
                event.accept()
                self.open_as_layers(ids)
                return True
        return False

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
            thread.loaded.connect(self.columns.repaint_tiles)
            thread.changedOutside.connect(self._heed_outside)
            thread.unreadable.connect(self.show_error)
            self.destroyed.connect(thread.close)
            kept = self.workspace.remembered("curate")
            self.mode = kept["mask"] if kept.get("mask") in MASK_MODES else self.mode
            self.layers.set_mode(self.mode, None)
            self.bar.zoom.setValue(int(kept.get("size") or self.bar.zoom.value()))
            self.bar.set_wanted(str(kept.get("sort") or "created"), str(kept.get("query") or ""))
        self.columns.set_source(self._thread)
        self._ready = True
        self._show_tiles()
        self.refresh()

    def _remember(self) -> None:
        if self._ready:
            values = {"size": self.bar.zoom.value(), "mask": self.mode, "query": self.bar.query}
            self.workspace.remember("curate", values | {"sort": self.bar.order})

    def _ask_anew(self) -> None:
        """Another order or query was chosen."""
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
        """A query that cannot be read is told below it; what was shown before stays, or all when nothing was."""
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
        self.export.setText(f"Export {accepted:,} pair{'s' * (accepted != 1)}")
        self.export.setEnabled(accepted > 0)
        self.export.setToolTip("Opens the Export dock" if accepted else "Accept at least one pair first")
        self.export.setVisible(self.pages.currentIndex() == 1)
        if self.pages.currentIndex() == 1 and not self.message.text():
            self.message.setText(KEYS)

    def _heed_outside(self) -> None:
        if self._thread is not None:
            self._thread.forget_rows()
        self.columns.repaint_all()
        self.refresh()

    def _show_tiles(self) -> None:
        self.columns.show_tiles(self.bar.zoom.value(), self.mode)
        self._remember()

    def next_mode(self) -> None:
        """Outline, fill, none, outline ..."""
        self.mode = MASK_MODES[(MASK_MODES.index(self.mode) + 1) % len(MASK_MODES)]
        self._show_tiles()
        self.layers.set_mode(self.mode, self._thread)
        self.message.setText(
            {"outline": "Masks as outline.", "fill": "Masks filled.", "none": "Masks hidden."}[self.mode]
        )

    def _tell(self) -> None:
        """Let the other docks follow the selection, once for many changes in a row."""
        self.workspace.select(self.columns.chosen(), self)

    def _follow(self, ids: Sequence[str]) -> None:
        """Select what was selected in another dock."""
        if self.workspace.selector is not self:
            self.columns.follow(ids)

    def selected(self) -> list[str]:
        """Ids of the selected tiles; says so in the dock when there are none."""
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
        self.message.setText(f"{len(moving):,} {DONE[verdict]}. U takes it back.")
        self._count()
        self._ask(lambda store: store.decide(moving, verdict), lambda changed: self._decided(moving, changed))
        if self._asked != self._shown:
            self.refresh()  # the listing that is on its way was made before this verdict

    def _decided(self, moved: Sequence[str], changed: Sequence[str]) -> None:
        if set(changed) != set(moved):
            self.refresh()  # somebody else had decided before
        self.workspace.samplesChanged.emit()

    def open_best(self) -> None:
        """Ask how many of the best to accept."""
        self.tagger.hide()
        self.accepter.open()

    def accept_best(self, number: int) -> None:
        """Accept so many new pairs, realistic ones that differ from each other; one step of the history."""
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
                self.message.setText("No new pair without a flag is left.")

        def fail(error: BaseException) -> None:
            self._choosing = False
            self.show_error(error)

        worker: Any = create_worker(
            accept_best, project.samples_path, number, _start_thread=False, _ignore_errors=True,
            _progress={"desc": "comparing pairs"},
        )  # fmt: skip
        worker.returned.connect(show)
        worker.errored.connect(fail)
        worker.start()

    def open_tags(self, note: bool) -> None:
        """Show tags and note of the selected samples, ready to type."""
        ids = self.selected()
        if ids:
            self.accepter.hide()
            self._ask(
                lambda store: ([store.row(id) for id in ids], store.tags()),
                lambda found: self.tagger.open(found[0], found[1], note),
            )

    def annotate(self, ids: list[str], add: list[str], remove: list[str], remark: str | None) -> None:
        """Change tags and note of samples; one step of the history."""

        def show(changed: list[str]) -> None:
            self.message.setText(f"{len(changed):,} changed. U takes it back." if changed else "Nothing changed.")
            self._heed_outside()

        self._ask(lambda store: store.annotate(ids, add=add, remove=remove, remark=remark), show)

    def save_masks(self) -> None:
        """Keep the masks of open pairs that were changed in their layers."""
        drawn = self.layers.changed(self._thread)
        if not drawn:
            draw = "Open a pair first (Enter), change its mask with napari's brush, then save."
            self.message.setText("No open mask was changed." if self.layers.masks(self._thread) else draw)
            return

        def show(changed: list[str]) -> None:
            if not changed:
                self.message.setText("No open mask was changed.")
                return
            self.message.setText(f"{len(changed):,} changed; the masks' scores wait to be computed. U takes it back.")
            self._heed_outside()
            self._read_again(changed)
            self.workspace.samplesChanged.emit()

        self._ask(lambda store: save_masks(store, drawn), show, self.show_error)

    def _walk(self, step: Callable[[SampleStore], list[str]], word: str) -> None:
        def show(ids: list[str]) -> None:
            self.message.setText(f"{word.capitalize()}: {len(ids):,} changed." if ids else f"Nothing to {word}.")
            if ids:
                self._to_select = ids
                self._heed_outside()
                self._read_again(ids)
                self.workspace.samplesChanged.emit()

        self._ask(step, show)

    # ---------------------------------------------------------------------------------------------- pairs in and out

    def open_selected(self) -> None:
        """Open the selected pairs as layers."""
        self.open_as_layers(self.selected())

    def open_as_layers(self, ids: Sequence[str]) -> None:
        """Open pairs, image and labels each; the pixels are read in the background."""
        if len(ids) > OPENED_AT_ONCE:
            self.message.setText(f"Opened the first {OPENED_AT_ONCE} of {len(ids):,}.")
        chosen = list(ids[:OPENED_AT_ONCE])
        self._ask(lambda store: [(id, store.pair(id)) for id in chosen], self._show_pairs)

    def _show_pairs(self, pairs: list[tuple[str, SamplePair]]) -> None:
        from napari_organoid_synth.widgets.shared.layers import look_at

        if self._thread is None:
            return
        shown = [layer for id, pair in pairs for layer in self.layers.show(self._thread, id, pair)]
        if shown:
            look_at(self.viewer, shown)

    def _read_again(self, ids: Sequence[str]) -> None:
        """Bring the mask layers of open pairs up to date."""
        open_now = [(id, layer) for id, layer in self.layers.masks(self._thread) if id in set(ids)]
        if open_now:
            self._ask(lambda store: [(layer, store.pair(id)) for id, layer in open_now], self.layers.update)

    def show_nearest(self) -> None:
        """Open the sample and, right of it, the real image that it resembles most."""
        ids, project = self.selected()[:1], self.workspace.project
        if ids and project is not None and self._thread is not None:
            self._thread.submit(
                lambda store: read_with_nearest(store, ids[0], project),
                lambda found: self._show_beside(ids[0], *found),
                lambda error: self.message.setText(str(error)),
            )

    def _show_beside(self, id: str, sample: SamplePair, real: SamplePair) -> None:
        from napari_organoid_synth.widgets.shared.layers import show_pair

        if self._thread is None:
            return
        shown = self.layers.show(self._thread, id, sample)
        width = sample.size[1] * float(shown[1].scale[-1])
        beside = show_pair(self.viewer, real)
        self.layers.draw_mask(beside[1])
        for layer in beside:
            layer.translate = [*layer.translate[:-1], 1.04 * width]
        self.viewer.reset_view()
        self.message.setText(f"Left {sample.name}, right the real image {real.name}.")

    def import_files(self, files: Sequence[Path], verdict: Verdict) -> None:
        """Take in pairs that this project's tools wrote as OME-TIFF; anything else gets a sentence."""
        self.message.setText("Reading the dropped files…")
        self._ask(lambda store: take_in(store, files, verdict), self._added)

    def add_simulated(self) -> None:
        """Fill the gallery with simulated pairs, to try it out."""
        self.workspace.ensure_project("simulated")
        self.message.setText(f"Drawing {SIMULATED} simulated pairs…")
        self._ask(simulate_some, self._added)

    def _added(self, ids: list[str]) -> None:
        self.message.setText(f"{len(ids)} pair{'s' * (len(ids) != 1)} added.")
        self._to_select = ids
        self.refresh()
        self.workspace.samplesChanged.emit()
