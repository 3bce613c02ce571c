"""The Map dock: where real tiles and synthetic pairs lie to each other, linked with the gallery both ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtWidgets import (
    QBoxLayout,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Event, Saved, Warned
from napari_organoid_synth.core.map.settings import MapSettings
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.samples.store import SampleStore, Verdict
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.map.controls import ColourControls, MethodControls
from napari_organoid_synth.widgets.map.filling import FillPanel
from napari_organoid_synth.widgets.map.groups import BY_VERDICT
from napari_organoid_synth.widgets.map.hover import HoverCard
from napari_organoid_synth.widgets.map.legend import REGIONS
from napari_organoid_synth.widgets.map.points import Points, read_points
from napari_organoid_synth.widgets.map.view import MapView
from napari_organoid_synth.widgets.shared.buttons import PrimaryButton
from napari_organoid_synth.widgets.shared.cards import EmptyCard
from napari_organoid_synth.widgets.shared.contrast import ProjectContrast
from napari_organoid_synth.widgets.shared.controls import named, row_of
from napari_organoid_synth.widgets.shared.dock import ACROSS, DOWN, WideDock, scrolling
from napari_organoid_synth.widgets.shared.layers import look_at, show_pair
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.project_choice import add_recent_buttons
from napari_organoid_synth.widgets.shared.sample_layers import MAX_OPENED, SampleLayers
from napari_organoid_synth.widgets.shared.shortcuts import Command, make_actions
from napari_organoid_synth.widgets.shared.store_tasks import VERDICT_NAMES
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.thumbnails import StoreThread

PURPOSE = (
    "The map shows your real tiles and the synthetic pairs as points: similar ones lie near each other, and places "
    "where pairs are missing are marked."
)
WIDE = 520
KEYS = "Drag pans · wheel zooms · Shift and drag selects · Enter opens · A accept · R reject · U undo"


class MapWidget(WideDock):
    """Look at the map of a project, select on it, give verdicts, and fill its empty places.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Shows the pairs and tiles that are opened.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer)
        self.runner = self.workspace.runner("map")
        self.layers, self.contrast = SampleLayers.of(viewer), ProjectContrast.of(viewer)
        self.points = Points()
        self._thread: StoreThread | None = None
        self._asked = 0
        self._restoring = self._read_once = False
        self._rereading = QTimer(self)
        self._rereading.setSingleShot(True)
        self._rereading.setInterval(50)
        self._rereading.timeout.connect(self._read)
        self.commands = make_actions(self, self._list_commands())
        self._build()
        self.runner.failed.connect(self.show_error)
        self.runner.stateChanged.connect(self._judge)
        self.runner.event.connect(self._follow_job)
        self.runner.finished.connect(self._read_again)
        self.workspace.projectChanged.connect(self._open)
        self.workspace.samplesChanged.connect(self._rereading.start)
        self.workspace.pairsChanged.connect(self._judge)
        self.workspace.selectionChanged.connect(self._follow)
        self._open(self.workspace.project)

    # ------------------------------------------------------------------------------------------------------ building

    def _list_commands(self) -> list[Command]:
        return [
            Command("Accept", ("A",), lambda: self.decide("accepted")),
            Command("Reject", ("R",), lambda: self.decide("rejected")),
            Command("Back to new", ("N",), lambda: self.decide("new")),
            Command("Undo", ("U", "Ctrl+Z"), lambda: self._walk(SampleStore.undo, "undo")),
            Command("Redo", ("Y", "Ctrl+Y", "Ctrl+Shift+Z"), lambda: self._walk(SampleStore.redo, "redo")),
            Command("Open", ("Enter", "Return"), self.open_selected),
            Command("Show all", ("F",), lambda: self.view.fit()),
            Command("Lasso", ("L",), lambda: self.lasso_button.click()),
            Command("Generate here", ("G",), lambda: self.filler.here_button.click()),
        ]

    def _build(self) -> None:
        self._build_picture()
        self._build_side()
        ways_out = {
            "Pair images": lambda: open_dock(self.viewer, "Pairs"),
            "Generate pairs": lambda: open_dock(self.viewer, "Generate"),
        }
        self.empty = EmptyCard(PURPOSE, ways_out)
        self.empty.setMaximumWidth(480)
        self._offer_projects = add_recent_buttons(self.empty, self.workspace, self.show_error)
        self._body = QBoxLayout(ACROSS)
        self._body.addWidget(self.picture, 1)
        self._body.addWidget(self.side)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(4, 2, 4, 2)
        outer.addWidget(self.empty, 0, Qt.AlignmentFlag.AlignTop)
        outer.addLayout(self._body, 1)
        self.setFocusProxy(self.view)
        self.setMinimumWidth(320)

    def _build_picture(self) -> None:
        """Build the points with the card of the one pointed to, and a line below."""
        self.view = MapView()
        self.view.addActions(list(self.commands.values()))
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.view.picked.connect(self._share_selection)
        self.view.opened.connect(self.open_rows)
        self.card = HoverCard(self.view, self.contrast)
        self.view.hovered.connect(self.card.point)
        self.lasso_button, self.fit_button = QToolButton(), QToolButton()
        for button, text, name, tip in (
            (self.lasso_button, "Lasso", "Lasso", "Drag around points to select them (L; or Shift and drag)"),
            (self.fit_button, "All", "Show all", "Show all points (F; or double-click beside the points)"),
        ):
            button.setText(text)
            named(button, name, tip)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.lasso_button.setCheckable(True)
        self.lasso_button.toggled.connect(self._set_lasso)
        self.fit_button.clicked.connect(self.view.fit)
        self.foot, self.message = WrapLabel(), PlainLabel(KEYS)
        self.message.setWordWrap(True)
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.picture = QWidget()
        column = QVBoxLayout(self.picture)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addWidget(self.view, 1)
        column.addWidget(self.foot)
        column.addWidget(row_of(self.message, self.lasso_button, self.fit_button))

    def _build_side(self) -> None:
        """Build the controls, which scroll, and below them the parts that stay visible."""
        self.colours, self.making = ColourControls(), MethodControls()
        self.colours.chosen.connect(self._recolour)
        self.colours.filtered.connect(self._filter)
        self.legend = self.colours.legend
        self.legend.changed.connect(self._filter)
        self.making.changed.connect(self._edited)
        self.filler = FillPanel(self, self.value)
        self.filler.regionChosen.connect(self.view.choose_region)
        self.copy_button = self.command_button(lambda: ("map", self.value()))
        controls, column = QWidget(), QVBoxLayout()
        controls.setLayout(column)
        column.setContentsMargins(4, 2, 4, 2)
        column.setSpacing(5)
        for widget in (self.colours, self.filler, self.making, self.copy_button):
            column.addWidget(widget)
        column.addStretch(1)
        self.progress = ProgressCard(self.runner, "Stop and keep", "part")
        self.button, self.reason = PrimaryButton("Make the map"), WrapLabel()
        self.button.clicked.connect(lambda: self.guard(self.run))
        self.side = QWidget()
        below = QVBoxLayout(self.side)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(3)
        below.addWidget(scrolling(controls), 1)
        for widget in (self.progress, self.filler.progress, self.error, self.reason, self.button):
            below.addWidget(widget)

    def resizeEvent(self, event: Any) -> None:
        """Put the controls below the map where there is little width."""
        super().resizeEvent(event)
        width = self.width()
        wide = width >= max(WIDE, 1.2 * self.height())
        self._body.setDirection(ACROSS if wide else DOWN)
        self.side.setFixedWidth(min(300, max(286, int(0.42 * width))) if wide else width - 8)
        self._body.setStretch(1, 0 if wide else 1)

    # --------------------------------------------------------------------------------------------------------- value

    def value(self) -> MapSettings:
        """Return the settings as shown."""
        return self.making.value()

    def setValue(self, settings: MapSettings) -> None:
        """Show settings."""
        self.making.setValue(settings)

    def _edited(self) -> None:
        self._judge()
        self._remember()

    def _remember(self) -> None:
        if not self._restoring and not self.making.problem:
            self.workspace.remember("map", self.value().model_dump(mode="json") | {"colour": self.colours.key})

    # ------------------------------------------------------------------------------------------------- what is shown

    def _open(self, project: Project | None) -> None:
        """Follow the project that is open now."""
        if self._thread is not None:
            self._thread.close()
        self._thread, self._read_once = None, False
        self.error.hide()
        self.filler.open_project()
        self._offer_projects()
        self._show(Points())
        kept = self.workspace.remembered("map")
        self._restoring = True
        try:
            self.setValue(MapSettings.parse({key: kept[key] for key in kept if key in MapSettings.model_fields}))
        except UserError:  # stored by another version
            self.setValue(MapSettings())
        self._restoring = False
        if project is not None:
            thread = self._thread = StoreThread(project.samples_path)
            self.contrast.attach(thread)
            thread.changedOutside.connect(self._reread)
            thread.unreadable.connect(self.show_error)
            self.destroyed.connect(thread.close)
            self.colours.set_key(str(kept.get("colour") or BY_VERDICT))
        self.card.follow(self._thread, project)
        self._read()

    def _recolour(self) -> None:
        self._remember()
        self._read()

    def _filter(self) -> None:
        """Hide points of other runs or groups; hidden ones are not selected, so that no verdict reaches them."""
        self._show(self.points)
        self.view.choose(self.view.chosen[self.view.is_visible(self.view.chosen)])

    def _read(self) -> None:
        """Read map and verdicts in the background; an older answer is dropped."""
        project = self.workspace.project
        if self._thread is None or project is None:
            self._judge()
            return
        self._asked += 1
        number, metric = self._asked, self.colours.score
        self._thread.submit(
            lambda store: read_points(store, project, metric),
            lambda points: self._take(points) if number == self._asked else None,
            self.show_error,
        )

    def _reread(self) -> None:
        if self._thread is not None:
            self._thread.forget_rows()
        self._read()

    def _take(self, points: Points) -> None:
        self._read_once = True
        self.colours.offer(points.metrics)
        self.colours.offer_runs(points.titles)
        self._show(points)

    def _show(self, points: Points) -> None:
        fit = len(points.ids) > 0 and (points.ids != self.points.ids or not np.array_equal(points.xy, self.points.xy))
        regions_changed = points.regions != self.points.regions or points.ids != self.points.ids
        self.points = points
        self.card.set_points(points)
        self.view.show_points(points, self.colours.show_points(points), fit)
        self.view.hide_groups(self.legend.hidden)
        self.view.show_regions(REGIONS not in self.legend.hidden)
        if regions_changed:
            self.filler.offer_regions([len(region) for region in points.regions])
        if fit:
            self._follow(self.workspace.selected)
        self._judge()

    def _read_again(self, _: str) -> None:
        self._rereading.start()

    def _judge(self, *_: object) -> None:
        """Update the page (nothing to map, ready, or a map) and the buttons."""
        project, there = self.workspace.project, len(self.points.ids) > 0
        running = self.runner.running
        sentence = ""
        if project is None:
            sentence = PURPOSE + " Open a project first."
        elif not there and not running:
            if self.workspace.pairs is None:
                sentence = PURPOSE + " This project has no real pairs yet."
            elif self._read_once and not self.points.unmapped:
                sentence = PURPOSE + " There are no synthetic pairs yet."
        self.empty.set_sentence(sentence or PURPOSE)
        self.empty.setVisible(bool(sentence))
        for widget in (self.picture, self.side):
            widget.setVisible(not sentence)
        self.view.setVisible(there)
        for widget in (self.colours, self.filler.choice, self.message, self.lasso_button, self.fit_button):
            widget.setEnabled(there)
        self.button.setText("Update the map" if there else "Make the map")
        reason = self.making.problem
        self.button.setVisible(not running)
        self.button.setEnabled(not reason)
        self.reason.setText(reason)
        self.reason.setVisible(bool(reason))
        unmapped, about = self.points.unmapped, self.points.summary
        if unmapped:
            missing = f"{plural(unmapped, 'pair is', 'pairs are')} not on the map"
            about += f"{'. ' if about else ''}{missing}{': update it.' if there else ' yet.'}"
        self.foot.setText(about)
        self.foot.setVisible(bool(about))
        self.filler.set_tiles(self.selected()[1])

    def _count(self) -> None:
        chosen = self.view.chosen
        real = sum(self.points.is_real(int(row)) for row in chosen)
        pairs = len(chosen) - real
        parts = [plural(pairs, "pair")] * bool(pairs) + [plural(real, "real tile")] * bool(real)
        self.message.setText(f"Selected: {' and '.join(parts)}." if parts else KEYS)

    # ----------------------------------------------------------------------------------------------------- selection

    def _share_selection(self) -> None:
        """Pass the selection on the map to the other docks."""
        self._count()
        self.filler.set_tiles(self.selected()[1])
        self.workspace.select([self.points.ids[row] for row in self.view.chosen], self)

    def _follow(self, ids: Sequence[str]) -> None:
        """Select the points that were selected in another dock."""
        if self.workspace.selector is self:
            return
        wanted = set(ids)
        rows = [row for row, id in enumerate(self.points.ids) if id in wanted] if wanted else []
        self.view.choose(rows, silent=True)
        self._count()
        self.filler.set_tiles(self.selected()[1])

    def selected(self) -> tuple[list[str], list[str]]:
        """Return ids of the selected pairs, and names of the selected real tiles."""
        pairs: list[str] = []
        real: list[str] = []
        for row in self.view.chosen:
            (real if self.points.is_real(int(row)) else pairs).append(self.points.ids[row])
        return pairs, real

    def _set_lasso(self, on: bool) -> None:
        self.view.lasso = on
        self.view.setFocus()

    # ------------------------------------------------------------------------------------------------------ verdicts

    def decide(self, verdict: Verdict) -> None:
        """Give the selected pairs a verdict, saved at once; the gallery follows."""
        ids, real = self.selected()
        if self._thread is None or not ids:
            self.message.setText("Real tiles have no verdict." if real else "Select a point first: click one.")
            return

        def show(changed: list[str]) -> None:
            self.message.setText(f"{len(changed):,} {VERDICT_NAMES[verdict]}. Press U to undo.")
            self._changed()

        self._thread.submit(lambda store: store.decide(ids, verdict), show, self.show_error)

    def _walk(self, step: Callable[[SampleStore], list[str]], word: str) -> None:
        def show(ids: list[str]) -> None:
            self.message.setText(f"{word.capitalize()}: {len(ids):,} changed." if ids else f"Nothing to {word}.")
            if ids:
                self._changed()

        if self._thread is not None:
            self._thread.submit(step, show, self.show_error)

    def _changed(self) -> None:
        if self._thread is not None:
            self._thread.forget_rows()
        self.workspace.samplesChanged.emit()

    # ---------------------------------------------------------------------------------------------- layers and hover

    def open_selected(self) -> None:
        """Open the selected points as layers."""
        self.open_rows([int(row) for row in self.view.chosen])

    def open_rows(self, rows: Sequence[int]) -> None:
        """Open pairs and real tiles as layers; the pixels are read in the background."""
        project, points = self.workspace.project, self.points
        if self._thread is None or project is None:
            return
        if len(rows) > MAX_OPENED:
            self.message.setText(f"Opened the first {MAX_OPENED} of {len(rows):,}.")

        def read(store: SampleStore) -> list[tuple[str, SamplePair]]:
            from napari_organoid_synth.core.pairs.tile_reading import read_tile

            return [
                ("", read_tile(project, points.tiles[row], points.side or 0))
                if points.is_real(row)
                else (points.ids[row], store.pair(points.ids[row]))
                for row in rows[:MAX_OPENED]
            ]

        self._thread.submit(read, self._show_layers, self.show_error)

    def _show_layers(self, pairs: list[tuple[str, SamplePair]]) -> None:
        if self._thread is None:
            return
        shown: list[Any] = []
        for id, pair in pairs:
            if id:
                shown += self.layers.show(self._thread, id, pair)
            else:
                image, labels = show_pair(self.viewer, pair)
                self.layers.adopt(image, labels)
                shown += [image, labels]
        if shown:
            look_at(self.viewer, shown)

    # ---------------------------------------------------------------------------------------------------------- jobs

    def run(self) -> None:
        """Make the map."""
        project = self.workspace.project
        if project is not None and not self.runner.running:
            self.error.dismiss()
            self.filler.say("")
            self.runner.start("map", project, self.value())

    def _follow_job(self, event: Event) -> None:
        if isinstance(event, Saved):
            self._rereading.start()
        elif isinstance(event, Warned):
            self.filler.say(event.text)

    def hideEvent(self, event: Any) -> None:
        """Take the card away: it is a window of its own."""
        super().hideEvent(event)
        self.card.hide()

    def closeEvent(self, event: Any) -> None:
        """Close the database."""
        if self._thread is not None:
            self._thread.close()
            self._thread = None
        self.card.follow(None, None)
        super().closeEvent(event)
