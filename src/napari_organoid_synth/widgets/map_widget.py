"""The Map dock: where real tiles and synthetic pairs lie to each other, linked with the gallery both ways."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import napari
import numpy as np
from qtpy.QtCore import QSignalBlocker, Qt, QTimer
from qtpy.QtGui import QAction, QImage, QKeySequence
from qtpy.QtWidgets import (
    QApplication,
    QBoxLayout,
    QDoubleSpinBox,
    QFrame,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSpinBox,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.core.curation import SampleStore, Verdict
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Event, Failed, Finished, Saved, Warned
from napari_organoid_synth.core.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import FillSettings, MapSettings, ScoreSettings
from napari_organoid_synth.core.sample_map import REAL
from napari_organoid_synth.widgets._cards import (
    VERDICT_COLOURS,
    EmptyCard,
    ErrorCard,
    PrimaryButton,
    ProgressCard,
    WrapLabel,
)
from napari_organoid_synth.widgets._dock import add_row, combo_box, named, row_of
from napari_organoid_synth.widgets._editors import guard_wheel
from napari_organoid_synth.widgets._form import Fold, SettingsForm, rows
from napari_organoid_synth.widgets._jobs import command_text
from napari_organoid_synth.widgets._layers import look_at, show_pair
from napari_organoid_synth.widgets._map_legend import PICTURE, ColourBar, HoverCard, Legend
from napari_organoid_synth.widgets._map_points import STATES, Points, read_points
from napari_organoid_synth.widgets._map_view import Group, MapView
from napari_organoid_synth.widgets._menus import move_down, open_dock
from napari_organoid_synth.widgets._rebuild import show_error
from napari_organoid_synth.widgets._runs import list_runs
from napari_organoid_synth.widgets._sample_layers import SampleLayers
from napari_organoid_synth.widgets._sample_model import describe
from napari_organoid_synth.widgets._thumbnails import StoreThread, draw_thumbnail
from napari_organoid_synth.widgets._workspace import Workspace, add_recent_buttons

PURPOSE = (
    "Here you see where your real tiles and the synthetic pairs lie to each other: alike ones lie near each other, and "
    "places where pairs are missing are marked."
)
METHODS = {
    "tsne": ("t-SNE: neighbours", "Keeps neighbours together; distances and sizes of clouds mean little."),
    "pca": ("PCA: distances", "The two directions in which the tiles differ most; distances mean something."),
    "umap": ("UMAP: neighbours", "Like t-SNE; needs the package umap-learn."),
}
SYMBOLS = {REAL: "s", "new": "o", "accepted": "t1", "rejected": "x", "flagged": "d"}
RUN_COLOURS = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#0072B2", "#F0E442")
RUN_SYMBOLS = ("o", "t1", "d", "t", "p", "star", "h")
BY_VERDICT, BY_RUN = "verdict", "run"
OPENED_AT_ONCE = 12
MOST_PICTURES = 300
ACROSS, DOWN = QBoxLayout.Direction.LeftToRight, QBoxLayout.Direction.TopToBottom
WIDE = 520
KEYS = "Drag pans · wheel zooms · Shift and drag catches · Enter opens · A accept · R reject · U undo"
DONE: dict[Verdict, str] = {"new": "back to new", "accepted": "accepted", "rejected": "rejected"}


def groups_of(points: Points, colour_by: str) -> list[Group]:
    """The points in groups that look alike: by verdict, by run, or with the colours of a score."""
    real = np.flatnonzero(points.states == REAL)
    groups = [Group("real", SYMBOLS[REAL], "", real, hollow=True)]
    if colour_by == BY_RUN:
        names = sorted(set(points.kinds.tolist()) - {REAL})
        for place, run in enumerate(names):
            look = RUN_SYMBOLS[place % len(RUN_SYMBOLS)], RUN_COLOURS[place % len(RUN_COLOURS)]
            title = run.removesuffix("-train") or "without a run"
            groups.append(Group(title, *look, np.flatnonzero(points.kinds == run)))
        return groups
    shades = None
    if colour_by != BY_VERDICT:
        low, high = score_range(points)
        shades = (points.values - low) / ((high - low) or 1.0)
    for state in STATES[1:]:
        chosen = np.flatnonzero(points.states == state)
        if len(chosen) or state in DONE:
            own = None if shades is None else shades[chosen]
            groups.append(Group(state, SYMBOLS[state], VERDICT_COLOURS[state], chosen, shades=own))
    return groups


def score_range(points: Points) -> tuple[float, float]:
    """Values with the first and the last colour: percentiles 1 and 99, so that a freak does not take all colours."""
    known = points.values[np.isfinite(points.values)]
    low, high = np.percentile(known, [1, 99]) if len(known) else (0.0, 1.0)
    return float(low), float(high)


class MapWidget(QWidget):
    """Look at the map of a project, select on it, give verdicts, and fill its empty places.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Shows the pairs and tiles that are opened.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer, self.workspace = viewer, Workspace.of(viewer)
        self.runner, self.filler = self.workspace.runner("map"), self.workspace.runner("fill")
        self.layers = SampleLayers.of(viewer)
        self.points = Points()
        self._thread: StoreThread | None = None
        self._asked = 0
        self._placed = self._restoring = False
        self._read_once = False
        self._pictures: OrderedDict[str, QImage] = OrderedDict()
        self._fetching = ""
        self._pointed = -1
        self._rereading, self._settling = QTimer(self), QTimer(self)
        for timer, wait, call in ((self._rereading, 50, self._read), (self._settling, 0, lambda: move_down(self))):
            timer.setSingleShot(True)
            timer.setInterval(wait)
            timer.timeout.connect(call)
        self.commands = self._make_commands()
        self._build()
        for runner in (self.runner, self.filler):
            runner.failed.connect(self.show_error)
            runner.stateChanged.connect(lambda _: self._judge())
        self.runner.event.connect(self._heed)
        self.runner.finished.connect(lambda _: self._rereading.start())
        self.filler.event.connect(self._heed_filling)
        self.filler.finished.connect(lambda _: self._score())
        self.workspace.projectChanged.connect(self._open)
        self.workspace.samplesChanged.connect(self._rereading.start)
        self.workspace.runsChanged.connect(self._list_runs)
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
            ("Generate here", ("G",), lambda: self.here_button.click()),
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
        self.view.hovered.connect(self._hover)
        self.card = HoverCard(self.view)
        self.error, self.legend, self.bar = ErrorCard(), Legend(), ColourBar()
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
        self.form = SettingsForm(MapSettings, hidden=("method", "perplexity"))
        self.fold = Fold("More settings")
        self.fold.addWidget(self.form)
        self.method.currentIndexChanged.connect(self._edited)
        self.perplexity.valueChanged.connect(self._edited)
        self.form.valueChanged.connect(self._edited)
        self.form.problemChanged.connect(lambda _: self._judge())

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

        self.region = combo_box()
        self.region.activated.connect(lambda _: self.view.choose_region(int(self.region.currentData() or 0)))
        self.here_button = QPushButton("Generate here…")
        self.here_button.clicked.connect(self._open_filling)
        self.number, self.run_combo = QSpinBox(), combo_box()
        self.number.setRange(1, 10_000)
        self.number.setValue(20)
        guard_wheel(self.number)
        self.make_button = QPushButton("Generate")
        named(
            self.make_button, "Generate", "Draws eight for each pair that is kept: those nearest to the selected tiles."
        )
        self.make_button.clicked.connect(lambda: self.guard(self.fill))
        self.filling = QFrame()
        filling = rows()
        self.filling.setLayout(filling)
        add_row(filling, "Pairs", row_of(self.number, self.make_button), "How many pairs to keep near the tiles.")
        named(self.number, "Pairs", "How many pairs to keep near the selected tiles.")
        add_row(filling, "From", self.run_combo, "The trained run that draws.")
        self.filling.hide()
        self.said = WrapLabel()
        self.said.hide()

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
        self.regions_row = row_of(self.region, self.here_button)
        named(
            self.region,
            "Empty region",
            "Real tiles that no pair comes near, in groups; choosing one selects its tiles.",
        )
        column.addWidget(self.regions_row)
        column.addWidget(self.filling)
        column.addWidget(self.said)
        making = rows()
        add_row(making, "Method", self.method, "How the map is made.")
        tip = "About how many neighbours count in t-SNE. Automatic: 30, or a third of the points where these are few."
        add_row(making, "Perplexity", self.perplexity, tip)
        column.addLayout(making)
        column.addWidget(self.fold)
        self.copy_button = QPushButton("Copy as command")
        named(self.copy_button, "Copy as command", "The same map on the command line, also on another computer.")
        self.copy_button.setFlat(True)
        self.copy_button.clicked.connect(lambda: self.guard(self._copy))
        column.addWidget(self.copy_button)
        column.addStretch(1)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(side)
        scroll.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.progress = ProgressCard(self.runner, "Stop and keep", "part")
        self.filling_progress = ProgressCard(self.filler, "Stop", "pair")
        self.button, self.reason = PrimaryButton("Make the map"), WrapLabel()
        self.button.clicked.connect(lambda: self.guard(self.run))
        self.side = QWidget()
        below = QVBoxLayout(self.side)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(3)
        below.addWidget(scroll, 1)
        for widget in (self.progress, self.filling_progress, self.error, self.reason, self.button):
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

    def showEvent(self, event: Any) -> None:
        """A map wants width: when it is first shown it moves to the bottom area."""
        super().showEvent(event)
        if not self._placed:
            self._placed = True
            self._settling.start()

    # --------------------------------------------------------------------------------------------------------- value

    def value(self) -> MapSettings:
        """The settings as shown."""
        chosen = {"method": self.method.currentData(), "perplexity": self.perplexity.value()}
        return MapSettings.parse(self.form.value().model_dump() | chosen)

    def setValue(self, settings: MapSettings) -> None:
        """Show settings."""
        self.form.setValue(settings)
        self.method.setCurrentIndex(max(0, self.method.findData(settings.method)))
        self.perplexity.setValue(settings.perplexity)

    def _edited(self, *_: object) -> None:
        self.perplexity.setEnabled(self.method.currentData() == "tsne")
        self.copy_button.setText("Copy as command")
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
        self._pictures.clear()
        self._fetching = ""
        self.error.hide()
        self.said.hide()
        self.filling.hide()
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
            thread.loaded.connect(lambda ids: self._hover(self._pointed))
            thread.changedOutside.connect(self._heed_outside)
            thread.unreadable.connect(self.show_error)
            self.destroyed.connect(thread.close)
            colour = str(kept.get("colour") or BY_VERDICT)
            if self.colour.findData(colour) < 0:
                self.colour.addItem(colour, colour)
            self.colour.setCurrentIndex(self.colour.findData(colour))
        self._list_runs()
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
        groups = groups_of(points, str(self.colour.currentData() or BY_VERDICT))
        self.view.show_points(points, groups, fit)
        self.legend.show_groups(groups)
        self.view.hide_groups(self.legend.hidden)
        if self.score and len(points.ids):
            self.bar.show_range(self.score, *score_range(points))
        else:
            self.bar.hide()
        if regions_changed:
            with QSignalBlocker(self.region):
                self.region.clear()
                self.region.addItem("empty regions" if points.regions else "no empty region", 0)
                for number, region in enumerate(points.regions, 1):
                    self.region.addItem(f"{number}: {len(region)} real tiles", number)
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
        for widget in (self.legend, self.regions_row, self.message, self.colour, self.lasso_button, self.fit_button):
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
        self._judge_filling()

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
        self._judge_filling()
        self.workspace.select([self.points.ids[row] for row in self.view.chosen], self)

    def _follow(self, ids: Sequence[str]) -> None:
        """Light up what was selected elsewhere."""
        if self.workspace.selector is self:
            return
        wanted = set(ids)
        rows = [row for row, id in enumerate(self.points.ids) if id in wanted] if wanted else []
        self.view.choose(rows, told=True)
        self._count()
        self._judge_filling()

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
            from napari_organoid_synth.core.real_tiles import read_tile

            return [("", read_tile(project, id, side or 0)) if real else (id, store.pair(id)) for id, real in chosen]

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

    def _hover(self, row: int) -> None:
        """Show thumbnail and words of a point; grey until they have been read."""
        self._pointed = row
        if row < 0 or row >= len(self.points.ids) or self._thread is None:
            self.card.hide()
            return
        id, image = self.points.ids[row], None
        if self.points.real(row):
            image = self._pictures.get(id)
            words = f"{id}\nreal tile"
            if image is None:
                self._fetch(id)
        else:
            image = self._thread.image(id, PICTURE, "outline")
            known = self._thread.row(id)
            words = describe(known) if known else id
        self.card.show_sample(self.view.pixel_of(row), words, image)

    def _fetch(self, id: str) -> None:
        """Read a real tile, one at a time; when it has come the one that is pointed to then is next."""
        project, side = self.workspace.project, self.points.side
        if self._fetching or self._thread is None or project is None:
            return
        self._fetching = id

        def keep(image: QImage) -> None:
            self._fetching = ""
            self._pictures[id] = image
            while len(self._pictures) > MOST_PICTURES:
                self._pictures.popitem(last=False)
            self._hover(self._pointed)

        self._thread.submit(lambda _: draw_tile(project, id, side or 0), keep, lambda _: keep(QImage()))

    # ---------------------------------------------------------------------------------------------------------- jobs

    def guard(self, action: Callable[[], Any]) -> None:
        """Do something; what goes wrong is shown and everything stays usable."""
        try:
            action()
        except (UserError, OSError, ValueError) as error:
            self.show_error(error)

    def show_error(self, error: Failed | BaseException) -> None:
        """Show what went wrong."""
        show_error(self.error, self.workspace, error)

    def run(self) -> None:
        """Make the map."""
        project = self.workspace.project
        if project is not None and not self.runner.running:
            self.error.dismiss()
            self.said.hide()
            self.runner.start("map", project, self.value())

    def _copy(self) -> None:
        if self.workspace.project is not None:
            clipboard: Any = QApplication.clipboard()
            clipboard.setText(command_text("map", self.workspace.project, self.value()))
            self.copy_button.setText("Copied")

    def _heed(self, event: Event) -> None:
        if isinstance(event, Saved):
            self._rereading.start()
        elif isinstance(event, Warned):
            self._say(event.text)

    def _list_runs(self) -> None:
        project = self.workspace.project
        runs = list_runs(project) if project is not None else []
        chosen = self.run_combo.currentData()
        self.run_combo.clear()
        for info in runs:
            if info.steps and info.shape != "mask":
                self.run_combo.addItem(info.title, info.name)
        self.run_combo.setCurrentIndex(max(0, self.run_combo.findData(chosen)))
        self._judge_filling()

    def _judge_filling(self) -> None:
        _, real = self.selected()
        reason = ""
        if not real:
            reason = "Choose an empty region, or select real tiles with the lasso."
        elif not self.run_combo.count():
            reason = "Train a generator first."
        elif self.filler.running:
            reason = "It is generating."
        self.here_button.setEnabled(not reason)
        words = reason or f"Makes pairs that lie near the {len(real):,} selected real tiles (G)."
        named(self.here_button, "Generate here", words)
        self.make_button.setEnabled(not reason)
        if not real:
            self.filling.hide()

    def _open_filling(self) -> None:
        self.filling.setVisible(self.filling.isHidden())
        if self.filling.isVisible():
            self.number.setFocus()
            self.number.selectAll()

    def fill(self) -> None:
        """Generate near the selected real tiles."""
        project, (_, real) = self.workspace.project, self.selected()
        if project is None or not real or self.filler.running:
            return
        self.error.dismiss()
        self.filling.hide()
        self._say("")
        own = self.value()
        settings = FillSettings(
            tiles=tuple(real),
            number=self.number.value(),
            run=str(self.run_combo.currentData() or ""),
            extractor=own.extractor,
            weights=own.weights,
            device=own.device,
        )
        self.filler.start("fill", project, settings)

    def _heed_filling(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._say(event.text)
        elif isinstance(event, Finished):
            self._say(" ".join(filter(None, (fill_words(event.result), self.said.text()))))

    def _score(self) -> None:
        """Score what was added, as after Generate, so that broken masks and copies are flagged."""
        project, scorer = self.workspace.project, self.workspace.runner("score")
        if project is not None and self.filler.result.get("added") and not scorer.running:
            self.guard(lambda: scorer.start("score", project, ScoreSettings(sets="none")))

    def _say(self, text: str) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))

    def closeEvent(self, event: Any) -> None:
        """Let the database go."""
        if self._thread is not None:
            self._thread.close()
            self._thread = None
        super().closeEvent(event)


def fill_words(result: dict[str, Any]) -> str:
    """What came of generating here, in words with the number."""
    added = int(result.get("added", 0))
    if not added:
        return "Nothing was added."
    words = f"{added:,} pair{'s' * (added != 1)} added."
    if "nearer" in result:
        near, plain = result["distance"], result["distance_plain"]
        side = "nearer to" if result["nearer"] >= 0 else "farther from"
        words += (
            f" They lie {abs(result['nearer']):.0%} {side} these tiles than as many drawn without choosing "
            f"({near:.3g} instead of {plain:.3g}), and cover {result['covered']} of {result['tiles']} tiles instead of "
            f"{result['covered_plain']}. Update the map to see them on it."
        )
    return words


def draw_tile(project: Project, id: str, side: int) -> QImage:
    """The thumbnail of a real tile; for the background thread."""
    from napari_organoid_synth.core.real_tiles import read_tile
    from napari_organoid_synth.core.thumbnail import decode_png, make_thumbnail

    image, labels = make_thumbnail(read_tile(project, id, side))
    return draw_thumbnail(decode_png(image), decode_png(labels), PICTURE, "outline")
