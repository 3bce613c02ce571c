"""The Map dock: where real tiles and synthetic pairs lie to each other, linked with the gallery both ways."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QAction, QKeySequence
from qtpy.QtWidgets import (
    QBoxLayout,
    QDoubleSpinBox,
    QLabel,
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
from napari_organoid_synth.core.samples.store import SampleStore, Verdict
from napari_organoid_synth.widgets.forms.boxes import guard_wheel
from napari_organoid_synth.widgets.forms.containers import rows
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.map.filling import FillPanel
from napari_organoid_synth.widgets.map.groups import BY_RUN, BY_VERDICT, groups_of, score_range
from napari_organoid_synth.widgets.map.hover import HoverCard
from napari_organoid_synth.widgets.map.legend import ColourBar, Legend
from napari_organoid_synth.widgets.map.points import Points, read_points
from napari_organoid_synth.widgets.map.view import MapView
from napari_organoid_synth.widgets.shared.buttons import PrimaryButton
from napari_organoid_synth.widgets.shared.cards import EmptyCard
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named, row_of
from napari_organoid_synth.widgets.shared.dock import ACROSS, DOWN, WideDock, scrolling
from napari_organoid_synth.widgets.shared.layers import look_at, show_pair
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.project_choice import add_recent_buttons
from napari_organoid_synth.widgets.shared.sample_layers import OPENED_AT_ONCE, SampleLayers
from napari_organoid_synth.widgets.shared.store_tasks import DONE
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.thumbnails import StoreThread

PURPOSE = (
    "Here you see where your real tiles and the synthetic pairs lie to each other: alike ones lie near each other, and "
    "places where pairs are missing are marked."
)
METHODS = {
    "tsne": ("t-SNE: neighbours", "Keeps neighbours together; distances and sizes of clouds mean little."),
    "pca": ("PCA: distances", "The two directions in which the tiles differ most; distances mean something."),
    "umap": ("UMAP: neighbours", "Like t-SNE; needs the package umap-learn."),
}
WIDE = 520
KEYS = "Drag pans · wheel zooms · Shift and drag catches · Enter opens · A accept · R reject · U undo"


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
        self.layers = SampleLayers.of(viewer)
        self.points = Points()
        self._thread: StoreThread | None = None
        self._asked = 0
        self._restoring = self._read_once = False
        self._rereading = QTimer(self)
        self._rereading.setSingleShot(True)
        self._rereading.setInterval(50)
        self._rereading.timeout.connect(self._read)
        self.commands = self._make_commands()
        self._build()
        self.runner.failed.connect(self.show_error)
        self.runner.stateChanged.connect(lambda _: self._judge())
        self.runner.event.connect(self._heed)
        self.runner.finished.connect(lambda _: self._rereading.start())
        self.workspace.projectChanged.connect(self._open)
        self.workspace.samplesChanged.connect(self._rereading.start)
        self.workspace.pairsChanged.connect(lambda _: self._judge())
        self.workspace.selectionChanged.connect(self._follow)
        self._open(self.workspace.project)

    # ------------------------------------------------------------------------------------------------------ building

    def _make_commands(self) -> dict[str, QAction]:
        wanted: list[tuple[str, tuple[str, ...], Callable[[], object]]] = [
            ("Accept", ("A",), lambda: self.decide("accepted")),
            ("Reject", ("R",), lambda: self.decide("rejected")),
            ("Back to new", ("N",), lambda: self.decide("new")),
            ("Undo", ("U", "Ctrl+Z"), lambda: self._walk(SampleStore.undo, "undo")),
            ("Redo", ("Y", "Ctrl+Shift+Z"), lambda: self._walk(SampleStore.redo, "redo")),
            ("Open", ("Enter", "Return"), self.open_selected),
            ("Show all", ("F",), lambda: self.view.fit()),
            ("Lasso", ("L",), lambda: self.lasso_button.click()),
            ("Generate here", ("G",), lambda: self.filler.here_button.click()),
        ]
        commands = {}
        for name, keys, call in wanted:
            command = commands[name] = QAction(name, self)
            command.setShortcuts([QKeySequence(key) for key in keys])
            command.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
            command.triggered.connect(lambda _=False, call=call: call())
        return commands

    def _build(self) -> None:
        self.view = MapView()
        self.view.addActions(list(self.commands.values()))
        self.view.setContextMenuPolicy(Qt.ContextMenuPolicy.ActionsContextMenu)
        self.view.picked.connect(self._tell)
        self.view.opened.connect(self.open_rows)
        self.card = HoverCard(self.view)
        self.view.hovered.connect(self.card.point)
        self.legend, self.bar = Legend(), ColourBar()
        self.legend.changed.connect(lambda: self.view.hide_groups(self.legend.hidden))

        self.colour = combo_box()
        self._offer_colours(())
        self.colour.activated.connect(lambda _: self._recolour())
        self.method, self.perplexity = combo_box(), QDoubleSpinBox()
        for key, (text, tip) in METHODS.items():
            self.method.addItem(text, key)
            self.method.setItemData(self.method.count() - 1, tip, Qt.ItemDataRole.ToolTipRole)
        self.perplexity.setRange(0, 1000)
        self.perplexity.setDecimals(1)
        self.perplexity.setSpecialValueText("automatic")
        guard_wheel(self.perplexity)
        self.form = settings_form(MapSettings, shown=(), hidden=("method", "perplexity"))
        self.method.currentIndexChanged.connect(self._edited)
        self.perplexity.valueChanged.connect(self._edited)
        self.form.changed.connect(self._edited)

        self.lasso_button, self.fit_button = QToolButton(), QToolButton()
        for button, text, name, tip in (
            (self.lasso_button, "Lasso", "Lasso", "Drag around points to select them (L; or Shift and drag)"),
            (self.fit_button, "All", "Show all", "Show all points (F; or double click beside the points)"),
        ):
            button.setText(text)
            named(button, name, tip)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.lasso_button.setCheckable(True)
        self.lasso_button.toggled.connect(self._set_lasso)
        self.fit_button.clicked.connect(self.view.fit)

        self.filler = FillPanel(self, self.value)
        self.filler.regionChosen.connect(self.view.choose_region)

        side, column = QWidget(), QVBoxLayout()
        side.setLayout(column)
        column.setContentsMargins(4, 2, 4, 2)
        column.setSpacing(5)
        form = rows()
        add_row(form, "Colour", self.colour, "What the colours say.")
        named(self.colour, "Colour", "What the colours of the points say: verdict, run, or any score.")
        column.addLayout(form)
        column.addWidget(self.legend)
        column.addWidget(self.bar)
        column.addWidget(self.filler)
        making = rows()
        add_row(making, "Method", self.method, "How the map is made.")
        tip = "About how many neighbours count in t-SNE. Automatic: 30, or a third of the points where these are few."
        add_row(making, "Perplexity", self.perplexity, tip)
        column.addLayout(making)
        column.addWidget(self.form.native)
        self.copy_button = self.command_button(lambda: ("map", self.value()))
        column.addWidget(self.copy_button)
        column.addStretch(1)
        self.progress = ProgressCard(self.runner, "Stop and keep", "part")
        self.button, self.reason = PrimaryButton("Make the map"), WrapLabel()
        self.button.clicked.connect(lambda: self.guard(self.run))
        self.side = QWidget()
        below = QVBoxLayout(self.side)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(3)
        below.addWidget(scrolling(side), 1)
        for widget in (self.progress, self.filler.progress, self.error, self.reason, self.button):
            below.addWidget(widget)

        self.empty = EmptyCard(
            PURPOSE,
            {
                "Pair images": lambda: open_dock(self.viewer, "Pairs"),
                "Generate pairs": lambda: open_dock(self.viewer, "Generate"),
            },
        )
        self.empty.setMaximumWidth(480)
        self._offer_projects = add_recent_buttons(self.empty, self.workspace, self.show_error)
        self.message = QLabel(KEYS)
        self.message.setWordWrap(True)
        self.message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.picture = QWidget()
        picture = QVBoxLayout(self.picture)
        picture.setContentsMargins(0, 0, 0, 0)
        picture.setSpacing(2)
        picture.addWidget(self.view, 1)
        self.foot = WrapLabel()
        picture.addWidget(self.foot)
        picture.addWidget(row_of(self.message, self.lasso_button, self.fit_button))
        self._body = QBoxLayout(ACROSS)
        self._body.addWidget(self.picture, 1)
        self._body.addWidget(self.side)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(4, 2, 4, 2)
        outer.addWidget(self.empty, 0, Qt.AlignmentFlag.AlignTop)
        outer.addLayout(self._body, 1)
        self.setFocusProxy(self.view)
        self.setMinimumWidth(320)

    def resizeEvent(self, event: Any) -> None:
        """With little width the controls stand below the map."""
        super().resizeEvent(event)
        width = self.width()
        wide = width >= max(WIDE, 1.2 * self.height())
        self._body.setDirection(ACROSS if wide else DOWN)
        self.side.setFixedWidth(min(300, max(262, int(0.42 * width))) if wide else width - 8)
        self._body.setStretch(1, 0 if wide else 1)

    # --------------------------------------------------------------------------------------------------------- value

    def value(self) -> MapSettings:
        """The settings as shown."""
        chosen = {"method": self.method.currentData(), "perplexity": self.perplexity.value()}
        return MapSettings.parse(self.form.value.model_dump() | chosen)

    def setValue(self, settings: MapSettings) -> None:
        """Show settings."""
        self.form.show_value(settings)
        self.method.setCurrentIndex(max(0, self.method.findData(settings.method)))
        self.perplexity.setValue(settings.perplexity)

    def _edited(self, *_: object) -> None:
        self.perplexity.setEnabled(self.method.currentData() == "tsne")
        self._judge()
        self._remember()

    def _remember(self) -> None:
        if not self._restoring and not self.form.problem:
            values = self.value().model_dump(mode="json")
            self.workspace.remember("map", values | {"colour": self.colour.currentData()})

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
            thread.changedOutside.connect(self._heed_outside)
            thread.unreadable.connect(self.show_error)
            self.destroyed.connect(thread.close)
            colour = str(kept.get("colour") or BY_VERDICT)
            if self.colour.findData(colour) < 0:
                self.colour.addItem(colour, colour)
            self.colour.setCurrentIndex(self.colour.findData(colour))
        self.card.follow(self._thread, project)
        self._read()

    def _offer_colours(self, metrics: Sequence[str]) -> None:
        for text, key in (("verdict", BY_VERDICT), ("run", BY_RUN), *((metric, metric) for metric in metrics)):
            if self.colour.findData(key) < 0:
                self.colour.addItem(text, key)

    @property
    def score(self) -> str:
        """The score that the colours show, or nothing."""
        chosen = str(self.colour.currentData() or BY_VERDICT)
        return "" if chosen in (BY_VERDICT, BY_RUN) else chosen

    def _recolour(self) -> None:
        self._remember()
        self._read()

    def _read(self) -> None:
        """Read map and verdicts in the background; an older answer is dropped."""
        project = self.workspace.project
        if self._thread is None or project is None:
            self._judge()
            return
        self._asked += 1
        number, metric = self._asked, self.score
        self._thread.submit(
            lambda store: read_points(store, project, metric),
            lambda points: self._take(points) if number == self._asked else None,
            self.show_error,
        )

    def _heed_outside(self) -> None:
        if self._thread is not None:
            self._thread.forget_rows()
        self._read()

    def _take(self, points: Points) -> None:
        self._read_once = True
        self._offer_colours(points.metrics)
        self._show(points)

    def _show(self, points: Points) -> None:
        fit = len(points.ids) > 0 and (points.ids != self.points.ids or not np.array_equal(points.xy, self.points.xy))
        regions_changed = points.regions != self.points.regions or points.ids != self.points.ids
        self.points = points
        self.card.set_points(points)
        groups = groups_of(points, str(self.colour.currentData() or BY_VERDICT))
        self.view.show_points(points, groups, fit)
        self.legend.show_groups(groups)
        self.view.hide_groups(self.legend.hidden)
        if self.score and len(points.ids):
            self.bar.show_range(self.score, *score_range(points))
        else:
            self.bar.hide()
        if regions_changed:
            self.filler.offer_regions([len(region) for region in points.regions])
        if fit:
            self._follow(self.workspace.selected)
        self._judge()

    def _judge(self) -> None:
        """Show the state that fits: nothing to map, ready, a map; and what the buttons can do."""
        project, there = self.workspace.project, len(self.points.ids) > 0
        running = self.runner.running
        sentence = ""
        if project is None:
            sentence = PURPOSE + " Open a project first."
        elif not there and not running:
            if self.workspace.pairs is None:
                sentence = PURPOSE + " This project has no real pairs yet."
            elif self._read_once and not self.points.left_out:
                sentence = PURPOSE + " There are no synthetic pairs yet."
        self.empty.set_sentence(sentence or PURPOSE)
        self.empty.setVisible(bool(sentence))
        for widget in (self.picture, self.side):
            widget.setVisible(not sentence)
        self.view.setVisible(there)
        for widget in (self.legend, self.filler.choice, self.message, self.colour, self.lasso_button, self.fit_button):
            widget.setEnabled(there)
        self.button.setText("Update the map" if there else "Make the map")
        reason = self.form.problem if self.form.problem else ""
        self.button.setVisible(not running)
        self.button.setEnabled(not reason)
        self.reason.setText(reason)
        self.reason.setVisible(bool(reason))
        left_out = self.points.left_out
        words = self.points.words
        if left_out:
            plural = f"{left_out:,} pair{'s are' if left_out != 1 else ' is'} not on the map"
            words += f"{'. ' if words else ''}{plural}{': update it.' if there else ' yet.'}"
        self.foot.setText(words)
        self.foot.setVisible(bool(words))
        self.filler.set_tiles(self.selected()[1])

    def _count(self) -> None:
        chosen = self.view.chosen
        real = sum(self.points.real(row) for row in chosen)
        pairs = len(chosen) - real
        parts = [f"{pairs:,} pair{'s' * (pairs != 1)}"] * bool(pairs) + [
            f"{real:,} real tile{'s' * (real != 1)}"
        ] * bool(real)
        self.message.setText(f"Selected: {' and '.join(parts)}." if parts else KEYS)

    # ----------------------------------------------------------------------------------------------------- selection

    def _tell(self) -> None:
        """The person selected on the map: the other docks follow."""
        self._count()
        self.filler.set_tiles(self.selected()[1])
        self.workspace.select([self.points.ids[row] for row in self.view.chosen], self)

    def _follow(self, ids: Sequence[str]) -> None:
        """Light up what was selected elsewhere."""
        if self.workspace.selector is self:
            return
        wanted = set(ids)
        rows = [row for row, id in enumerate(self.points.ids) if id in wanted] if wanted else []
        self.view.choose(rows, told=True)
        self._count()
        self.filler.set_tiles(self.selected()[1])

    def selected(self) -> tuple[list[str], list[str]]:
        """Ids of the selected pairs, and names of the selected real tiles."""
        pairs: list[str] = []
        real: list[str] = []
        for row in self.view.chosen:
            (real if self.points.real(row) else pairs).append(self.points.ids[row])
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
            self.message.setText(f"{len(changed):,} {DONE[verdict]}. U takes it back.")
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
        project, side = self.workspace.project, self.points.side
        if self._thread is None or project is None:
            return
        chosen = [(self.points.ids[row], self.points.real(row)) for row in rows[:OPENED_AT_ONCE]]
        if len(rows) > OPENED_AT_ONCE:
            self.message.setText(f"Opened the first {OPENED_AT_ONCE} of {len(rows):,}.")

        def read(store: SampleStore) -> list[tuple[str, SamplePair]]:
            from napari_organoid_synth.core.pairs.tile_reading import TilePlace, read_tile

            return [
                ("", read_tile(project, TilePlace.from_name(id), side or 0)) if real else (id, store.pair(id))
                for id, real in chosen
            ]

        self._thread.submit(read, self._show_layers, self.show_error)

    def _show_layers(self, found: list[tuple[str, SamplePair]]) -> None:
        if self._thread is None:
            return
        shown: list[Any] = []
        for id, pair in found:
            if id:
                shown += self.layers.show(self._thread, id, pair)
            else:
                image, labels = show_pair(self.viewer, pair)
                self.layers.draw_mask(labels)
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

    def _heed(self, event: Event) -> None:
        if isinstance(event, Saved):
            self._rereading.start()
        elif isinstance(event, Warned):
            self.filler.say(event.text)

    def closeEvent(self, event: Any) -> None:
        """Let the database go."""
        if self._thread is not None:
            self._thread.close()
            self._thread = None
        self.card.follow(None, None)
        super().closeEvent(event)
