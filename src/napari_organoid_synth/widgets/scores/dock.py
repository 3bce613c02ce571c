"""The Scores dock: the pairs of each run against the real images, as numbers with the range of the originals."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import napari
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QLineEdit, QPushButton, QToolButton

from napari_organoid_synth.core.job import Event, Finished, Warned
from napari_organoid_synth.core.metrics.settings import ScoreSettings, Trait
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.scores.sample_sets import UNTAGGED
from napari_organoid_synth.widgets.forms.containers import Fold, rows, show_row
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.scores.rows import ScoreRows
from napari_organoid_synth.widgets.shared.buttons import CopyButton
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named, row_of
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.project_choice import short
from napari_organoid_synth.widgets.shared.store_dock import StoreDock
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

if TYPE_CHECKING:
    from napari_organoid_synth.core.scores.storage import SetScores

PURPOSE = "Here the synthetic pairs are compared with your images: are they similar, as varied, and not copies?"
SETS = {"all": "all of every run", "kept": "new and accepted", "accepted": "accepted"}
BY: dict[tuple[Trait, ...], str] = {
    ("run",): "each run",
    ("run", "masks"): "each run and source of masks",
    ("masks",): "each source of masks",
    ("run", "class"): "each run and image class",
    ("run", "tag"): "each run and tag",
    ("tag",): "each tag",
    ("run", "verdict"): "each run and verdict",
}
EXTRACTORS = {
    "encoder": ("learned from your images", "Encoder: a small network learns from your tiles, for about a minute."),
    "inception2048": (
        "Inception, 2048 features",
        "As in the literature. Needs hundreds of tiles and a file of weights.",
    ),
    "inception64": ("Inception, 64 features", "Its first layers, texture; for few tiles. Needs a file of weights."),
    "vgg19": ("VGG19", "Trained on photographs. Needs a file of weights."),
    "random": ("not trained", "Shows gross differences only; fast."),
}
COPIES = "flagged == copy"
HOW_TO_READ = (
    "The bar is the range of the originals: one half of your real tiles against the other half, 20 times. A perfect "
    "generator lies in it. The dot is as many synthetic tiles against the same halves; the thin line is its "
    "uncertainty.\n"
    "● within: like the originals.  ▲ worse, below, above: unlike them.  ◆ nearer than the originals are to each "
    "other: more variety than half of your images, or copies; see the sentences about copies.  ○ no verdict: the range "
    "says nothing here, for example because pure noise lies in it too.\n"
    "Do not compare values of different features. Two runs whose lines overlap may not differ. "
    "See the chapter 'Scores' of the manual."
)


@dataclass(frozen=True)
class Known:
    """Samples by verdict, scores of sets, why each is outdated, the copies in each, and friendly names of runs."""

    counts: dict[str, int] = field(default_factory=dict)
    sets: list[SetScores] = field(default_factory=list)
    outdated: list[str] = field(default_factory=list)
    copies: list[int] = field(default_factory=list)
    titles: dict[str, str] = field(default_factory=dict)

    def number(self, sets: str) -> int:
        """Return how many pairs a kind of set has."""
        verdicts = {"all": ("new", "accepted", "rejected"), "kept": ("new", "accepted")}.get(sets, ("accepted",))
        return sum(self.counts.get(verdict, 0) for verdict in verdicts)


def read_known(store: SampleStore, project: Project) -> Known:
    """Read the scores and the samples they are about; in the background, because it reads every row."""
    from napari_organoid_synth.core.runs.titles import run_titles
    from napari_organoid_synth.core.scores.sample_sets import sets_of
    from napari_organoid_synth.core.scores.set_scores import outdated
    from napari_organoid_synth.core.scores.storage import read_set_scores

    sets = sorted(read_set_scores(project), key=lambda one: one.made, reverse=True)
    every = store.rows()
    rows_of = {key: sets_of(every, *key) for key in {(one.samples, one.by) for one in sets}}
    rows = [rows_of[one.samples, one.by].get(one.set_key, []) for one in sets]
    return Known(
        store.counts(),
        sets,
        [outdated(project, one, its) for one, its in zip(sets, rows, strict=True)],
        [sum("copy" in row.flagged.split(", ") for row in its) for its in rows],
        run_titles(project),
    )


class ScoresWidget(StoreDock):
    """Score the pairs of every run as a set.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__(viewer, "scores", PURPOSE, {"Make pairs": lambda: open_dock(self.viewer, "Generate")})
        self.runner = self.workspace.runner("score")
        self.known = Known()
        self._mine, self._warned = False, ""
        self._build()
        self.runner.event.connect(self._follow_job)
        self.runner.failed.connect(self._failed)
        self.runner.stateChanged.connect(self._judge)
        self.workspace.projectChanged.connect(self._open)
        self.workspace.samplesChanged.connect(self.read)
        self.workspace.pairsChanged.connect(self.read)
        self._open(self.workspace.project)

    # --- build ---

    def _build(self) -> None:
        form = self._form = rows()
        self.sets, self.by, self.extractor = combo_box(), combo_box(), combo_box()
        for key, text in SETS.items():
            self.sets.addItem(text, key)
        for by, text in BY.items():
            self.by.addItem(text, by)
        for key, (text, _) in EXTRACTORS.items():
            self.extractor.addItem(text, key)
        add_row(form, "Pairs", self.sets, "Which pairs of each run are compared with the real tiles.")
        tip = "What is compared as one set: to compare fitted, warped and generated masks of one painter, each source."
        add_row(form, "Sets", self.by, tip)
        tip = "The network that turns a tile into numbers, which are compared."
        add_row(form, "Features", self.extractor, tip)
        self.weights, browse = QLineEdit(), QToolButton()
        self.weights.setPlaceholderText("file of weights")
        browse.setText("…")
        named(browse, "Choose a file of weights", "A .pth or .safetensors file on this computer.")
        browse.clicked.connect(self._choose)
        self._weights_row = row_of(self.weights, browse)
        tip = "File of trained weights for these features. Nothing is downloaded."
        add_row(form, "Weights", self._weights_row, tip)
        named(self.weights, "File of weights", tip)
        self.column.addLayout(form)
        self.about = WrapLabel()
        self.column.addWidget(self.about)
        self.form = settings_form(ScoreSettings, shown=(), hidden=("metrics", "sets", "by", "extractor", "weights"))
        self.column.addWidget(self.form.native)
        self.progress = ProgressCard(self.runner, "Stop and keep", "%")
        self.column.addWidget(self.progress)
        self.column.addWidget(self.outcome)

        self.runs = combo_box()
        named(self.runs, "Scores of", "Run, pairs and features whose scores are shown; newest first.")
        self.runs.currentIndexChanged.connect(self._show_column)
        self.stale = WrapLabel()
        self.stale.setAccessibleName("Outdated")
        self.verdict, self.advice = WrapLabel(), WrapLabel()
        self.verdict.setAccessibleName("The scores in words")
        font = self.verdict.font()
        font.setBold(True)
        self.verdict.setFont(font)
        self.advice.setAccessibleName("What to do about it")
        self.table = ScoreRows()
        self.words = WrapLabel()
        self.words.setAccessibleName("Copies, variety and masks")
        self.numbers = Fold("Numbers")
        for widget in (self.table, self.words):
            self.numbers.addWidget(widget)
        self.copies = QPushButton()
        self.copies.clicked.connect(lambda: self.guard(self.show_copies))
        tip = "All numbers of all runs for a spreadsheet, tab-separated."
        self.copy_table = CopyButton("Copy as table", tip, self._table_text)
        self.read_me = Fold("How to read this")
        self.read_me.addWidget(WrapLabel(HOW_TO_READ))
        for widget in (self.copy_table, self.read_me):
            self.numbers.addWidget(widget)
        self._results = (self.runs, self.stale, self.verdict, self.advice, self.copies, self.numbers)
        for widget in self._results:
            self.column.addWidget(widget)
        self.copy_button = self.command_button(lambda: ("score", self.value()))
        self.column.addWidget(self.copy_button)

        self.sets.currentIndexChanged.connect(self._edited)
        self.by.currentIndexChanged.connect(self._edited)
        self.extractor.currentIndexChanged.connect(self._edited)
        self.weights.textChanged.connect(self._edited)
        self.form.changed.connect(self._edited)
        self.setValue(ScoreSettings())

    # --- value ---

    def value(self) -> ScoreSettings:
        """Return the settings as shown."""
        values = self.form.value.model_dump() | {
            "sets": self.sets.currentData(),
            "by": tuple(self.by.currentData()),
            "extractor": self.extractor.currentData(),
            "weights": self.weights.text().strip() if self._needs_file() else "",
        }
        return ScoreSettings.parse(values)

    def setValue(self, settings: ScoreSettings) -> None:
        """Show settings; the pairs of ``sets="none"`` are all."""
        self.form.show_value(settings)
        self.sets.setCurrentIndex(max(0, self.sets.findData(settings.sets)))
        place = next((index for index in range(self.by.count()) if tuple(self.by.itemData(index)) == settings.by), None)
        if place is None:
            place = self.by.count()
            self.by.addItem("each " + ", ".join(settings.by) if settings.by else "all together", settings.by)
        self.by.setCurrentIndex(place)
        self.extractor.setCurrentIndex(self.extractor.findData(settings.extractor))
        self.weights.setText(settings.weights)
        self._judge()

    def _needs_file(self) -> bool:
        return self.extractor.currentData() in ("inception2048", "inception64", "vgg19")

    # --- what there is ---

    def _open(self, _: Project | None) -> None:
        self.error.hide()
        self.show_outcome("")
        self.close_store()
        self.known = Known()
        self.restore(ScoreSettings, self.setValue, without=("again",))
        self.read()

    def read(self, *_: object) -> None:
        """Read the scores again."""
        super().read()
        self._show_known()

    def look(self, store: SampleStore, project: Project) -> Known:
        """Read the scores and the samples they are about; in the background."""
        return read_known(store, project)

    def take(self, known: Known) -> None:
        """Show the scores."""
        self.known = known
        self._show_known()

    def _show_known(self) -> None:
        shown = self.runs.currentText()
        self.runs.blockSignals(True)
        self.runs.clear()
        for one in self.known.sets:
            title = one.title.replace(one.run, self.known.titles.get(one.run, one.run)) if one.run else one.title
            name = short(title.replace("samples", "pairs"), 28)
            self.runs.addItem(f"{name} · {SETS[one.samples]} · {one.extractor}")
            about = f"{title}: {one.number} pairs, features {one.extractor}"
            self.runs.setItemData(self.runs.count() - 1, about, Qt.ItemDataRole.ToolTipRole)
        self.runs.setCurrentIndex(max(0, self.runs.findText(shown)) if self.known.sets else -1)
        self.runs.blockSignals(False)
        self._show_column()
        self._judge()

    def _show_column(self, *_: object) -> None:
        place = self.runs.currentIndex()
        for widget in self._results:
            widget.setVisible(place >= 0)
        if place < 0:
            return
        from napari_organoid_synth.core.scores.headline import headline
        from napari_organoid_synth.core.scores.table import sentences

        shown, stale, copies = self.known.sets[place], self.known.outdated[place], self.known.copies[place]
        self.stale.setText(f"⚠ Outdated: {stale}. Score again to update.")
        self.stale.setVisible(bool(stale))
        found = headline(shown, copies)
        self.verdict.setText(f"{found.text}.")
        self.advice.setText("\n".join(f"→ {todo}" for todo in found.advice))
        self.table.show_scores(shown.scores)
        lines = sentences(shown)
        if not shown.scores:
            lines.insert(0, f"{shown.number} pairs: too few for scores of the set; only copies were looked for.")
        self.words.setText("\n".join(f"• {line}" for line in lines))
        self.copies.setText(f"Show {plural(copies, 'copy', 'copies')} in Curate")
        tip = "Opens Curate with the query for flagged copies; Space shows the real image beside a pair."
        named(self.copies, self.copies.text(), tip)
        self.copies.setVisible(copies > 0)

    def show_copies(self) -> None:
        """Let Curate show the flagged copies of the run that is shown."""
        shown = self.known.sets[self.runs.currentIndex()]
        known = [("run", shown.run), *(part for part in shown.parts if part[0] in ("tag", "verdict"))]
        terms = [f'{field} == "{value}"' for field, value in known if value and value != UNTAGGED]
        open_dock(self.viewer, "Curate")
        self.workspace.queryAsked.emit(" and ".join([COPIES, *terms]))

    # --- edits ---

    def _edited(self, *_: object) -> None:
        self._judge()
        if not self.form.problem:
            self.remember(self.value(), without=("again",))

    def _judge(self, *_: object) -> None:
        table = self.workspace.pairs
        count = self.known.number(self.sets.currentData())
        show_row(self._form, self._weights_row, self._needs_file())
        self.about.setText(EXTRACTORS[self.extractor.currentData()][1])
        self.button.setText(f"Score {plural(count, 'pair')}" if count else "Score")
        tip = "Scores each pair, then the pairs of each run as a set, in a separate process. Keeps current scores."
        self.button.setAccessibleDescription(tip)
        if self.runner.running:
            self.allow("Pairs are being scored.")
        elif not self.known.counts:
            self.allow("Reading the pairs…")
        elif table is None or not table.train:
            self.allow("There are no real pairs to compare with. Add them in Pairs.")
        elif not count:
            self.allow(
                "No pair is accepted yet." if self.sets.currentData() == "accepted" else "There are no pairs yet."
            )
        elif self._needs_file() and not Path(self.weights.text().strip()).expanduser().is_file():
            self.allow("Choose the file of weights, or features that need none.")
        else:
            self.allow(self.form.problem)

    def _choose(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "File of weights", self.weights.text())
        if path:
            self.weights.setText(path)

    # --- run ---

    def run(self) -> None:
        """Start scoring."""
        if self.workspace.project is not None and not self.runner.running:
            self.error.dismiss()
            self.show_outcome("")
            self._mine, self._warned = True, ""
            self.runner.start("score", self.workspace.project, self.value())

    def _follow_job(self, event: Event) -> None:
        if isinstance(event, Warned):
            self._warned = event.text
        if not isinstance(event, Finished) or not self._mine:
            return
        self._mine = False
        number = len(event.result.get("sets") or ())
        if event.reason != "completed":
            text = "Stopped; the sets that were done are kept."
        else:
            text = f"{plural(number, 'set')} compared with the real images."
        self.show_outcome(f"{text} {self._warned}".strip())

    def _failed(self, failed: Any) -> None:
        self._mine = False
        self.show_error(failed)

    def _table_text(self) -> str:
        from napari_organoid_synth.core.scores.table import as_tsv

        return as_tsv(self.known.sets)
