"""The Blind test dock: set up a test, continue one, look at the results. The test has a window of its own."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import napari
from qtpy.QtWidgets import QCheckBox, QFileDialog, QFrame, QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.blind.session import Session
from napari_organoid_synth.core.blind.settings import BlindSettings
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.widgets.blind.page import BlindPage
from napari_organoid_synth.widgets.blind.results import TOGETHER, Example, ResultPanel, Shown, look
from napari_organoid_synth.widgets.forms.form import settings_form
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.buttons import CopyButton
from napari_organoid_synth.widgets.shared.controls import combo_box, named, row_of
from napari_organoid_synth.widgets.shared.dock import ColumnDock
from napari_organoid_synth.widgets.shared.layers import look_at, show_pair
from napari_organoid_synth.widgets.shared.menus import open_dock
from napari_organoid_synth.widgets.shared.text_label import WrapLabel

PURPOSE = (
    "Here you find out whether synthetic pictures can be told from real ones: they are shown in random order, you say "
    "what each is, and the time it takes is measured."
)
MAX_UNFINISHED = 3
"""Tests that are offered to continue."""
LABELS = {"way": "Show", "number": "Questions", "samples": "Synthetic", "seconds": "Seconds shown"}
ALL_RUNS = "all runs"


class BlindWidget(ColumnDock):
    """Test whether a person can tell synthetic from real.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Shows the pictures that are opened from a result.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        ways_out = {
            "Generate pairs": lambda: open_dock(self.viewer, "Generate"),
            "Look at samples": lambda: open_dock(self.viewer, "Curate"),
        }
        super().__init__(viewer, "blind", PURPOSE, ways_out)
        self.background = Background(self)
        self.page: BlindPage | None = None
        self.shown = Shown([])
        self._choosing = False
        self._rows: list[tuple[str, str]] = []  # run and verdict of every sample that may be shown
        self._build()
        self.workspace.projectChanged.connect(self._open)
        self.workspace.samplesChanged.connect(self._count)
        self.workspace.pairsChanged.connect(self._judge)
        self._open(self.workspace.project)

    def _build(self) -> None:
        self.unfinished = QVBoxLayout()
        self.column.addLayout(self.unfinished)
        shown = ("way", "number", "samples", "observer")
        self.form = settings_form(BlindSettings, shown=shown, titles=LABELS, choices={"run": [(ALL_RUNS, "")]})
        self.form["observer"].native.setPlaceholderText("your name, if you like")
        self.form.changed.connect(self._edited)
        self.column.addWidget(self.form.native)
        self.full_screen = QCheckBox("Full screen")
        named(self.full_screen, "Full screen", "The test fills the screen; F11 switches during the test.")
        self.full_screen.toggled.connect(self._edited)
        self.column.addWidget(self.full_screen)
        self.available = WrapLabel()
        self.column.addWidget(self.available)

        self.results = QWidget()
        layout = QVBoxLayout(self.results)
        layout.setContentsMargins(0, 6, 0, 0)
        line = QFrame()
        line.setFrameShape(QFrame.Shape.HLine)
        self.tests, self.panel = combo_box(), ResultPanel()
        named(self.tests, "Test", "The test whose result is shown")
        self.tests.activated.connect(lambda _: self.refresh(str(self.tests.currentData())))
        self.panel.wanted.connect(self.open_example)
        self.again_button, self.copy_button, self.save_button = (
            self._button("Ask again with these pictures", "In another order, for another observer", self._ask_again),
            CopyButton("Copy as text", "Puts the sentences on the clipboard", self._text),
            self._button("Save results as CSV…", "Writes every answer of what is shown", self._choose_file),
        )
        title = PlainLabel("Results")
        for widget in (line, title, self.tests, self.panel, self.again_button):
            layout.addWidget(widget)
        layout.addWidget(row_of(self.copy_button, self.save_button))
        self.column.addWidget(self.results)

    def _button(self, text: str, tip: str, call: Callable[[], object]) -> QPushButton:
        button = QPushButton(text)
        named(button, text, tip)
        button.clicked.connect(lambda _=False: self.guard(call))
        return button

    # ------------------------------------------------------------------------------------------------- what there is

    def _open(self, project: Project | None) -> None:
        self.error.hide()
        if self.page is not None:
            self.page.stop()
        self.shown, self._rows = Shown([]), []
        self.restore(BlindSettings, self.form.show_value, without=("seed",))
        self._restoring = True
        self.full_screen.setChecked(bool(self.workspace.remembered(self.key).get("full_screen")))
        self._restoring = False
        self._count()
        self.refresh()

    def _count(self) -> None:
        """Read which runs there are, and how many pairs to draw from."""
        project = self.workspace.project
        if project is None:
            self.show_body(PURPOSE + " Open a project first.")
        elif not project.samples_path.exists():
            self.show_body(PURPOSE + " This project has no synthetic pairs yet.")
        else:
            self.show_body()
            path = project.samples_path
            self.background.do(lambda: _verdicts(path), self._take_verdicts, self.show_error)
        self._judge()

    def _take_verdicts(self, rows: list[tuple[str, str]]) -> None:
        runs, editor = sorted({run for run, _ in rows}), self.form["run"]
        chosen = editor.value
        editor.offer([(ALL_RUNS, ""), *((run, run) for run in runs if run)])
        editor.value = chosen
        self._rows = rows
        self._judge()

    def refresh(self, chosen: str = "") -> None:
        """Read the tests again, and show the result of one of them."""
        project = self.workspace.project
        if project is None:
            self._show_results(Shown([]))
            return

        def show(shown: Shown) -> None:
            if project is self.workspace.project:
                self._show_results(shown)

        self.background.do(lambda: look(project, chosen), show, self.show_error)

    def _show_results(self, shown: Shown) -> None:
        self.shown = shown
        answered = [session for session in shown.sessions if session.answers]
        self.tests.clear()
        for session in answered:
            self.tests.addItem(session.title, session.id)
        if len(answered) > 1:
            self.tests.addItem("All tests together", TOGETHER)
        self.tests.setCurrentIndex(max(0, self.tests.findData(shown.chosen)))
        self.results.setVisible(bool(answered))
        self.panel.show_result(shown)
        self.again_button.setVisible(shown.chosen != TOGETHER)
        while (item := self.unfinished.takeAt(0)) is not None:
            item.widget().deleteLater()
        for session in [session for session in answered if session.open_questions][:MAX_UNFINISHED]:
            tip = "Its answers are kept; the open questions follow in the same order."
            text = f"Continue: {session.title}"
            self.unfinished.addWidget(self._button(text, tip, partial(self.ask, session)))

    # ------------------------------------------------------------------------------------------------------- edits

    def _edited(self, *_: object) -> None:
        self._judge()
        if not self.form.problem:
            self.remember(self.form.value, without=("seed",), full_screen=self.full_screen.isChecked())

    def _judge(self, *_: object) -> None:
        if self.form.problem:
            self.allow(self.form.problem)
            return
        settings: Any = self.form.value
        self.button.setText("Start practising" if settings.practice else "Start the test")
        self.button.setAccessibleDescription("Opens a window with one question after the other.")
        wanted = {"accepted": ("accepted",), "new and accepted": ("new", "accepted")}.get(settings.samples)
        number = sum((not wanted or verdict in wanted) and settings.run in ("", run) for run, verdict in self._rows)
        self.available.setText(f"{plural(number, 'synthetic pair')} to draw from.")
        if self._choosing:
            self.allow("Choosing pictures…")
        elif self.page is not None:
            self.allow("A test is open in its window.")
        elif self.workspace.pairs is None:
            self.allow("There are no real images to compare with. Add them in Pairs.")
        elif not number:
            hint = " Accept some in Curate, or choose others above." if self._rows else ""
            self.allow("There are no such synthetic pairs." + hint)
        else:
            self.allow("")

    # --------------------------------------------------------------------------------------------------------- a test

    def run(self) -> None:
        """Draw pictures and ask."""
        self._edited()  # a name that is still being typed is also kept
        self.start(self.form.value)

    def start(self, settings: Any, like: Session | None = None) -> None:
        """Draw pictures in the background, then open the window of the test."""
        from napari_organoid_synth.core.blind.setup import make_session

        project = self.workspace.project
        if project is None or self._choosing or self.page is not None:
            return
        self.error.dismiss()
        self._choosing = True
        self._judge()

        def ask(session: Session) -> None:
            self._choosing = False
            if project is self.workspace.project:
                self.ask(session)
            self._judge()

        def fail(error: BaseException) -> None:
            self._choosing = False
            self.show_error(error)
            self._judge()

        self.background.do(lambda: make_session(project, settings, like), ask, fail)

    def ask(self, session: Session) -> None:
        """Open the window of a test with its open questions."""
        project = self.workspace.project
        if project is None or self.page is not None:
            return
        self.page = BlindPage(project, session, self.window(), self.full_screen.isChecked())
        self.page.failed.connect(self.show_error)
        self.page.ended.connect(lambda: self._end(project, session))
        self.page.open()
        self._judge()

    def _end(self, project: Project, session: Session) -> None:
        """Write the scores and show the result once the window is closed."""
        from napari_organoid_synth.core.blind.results import write_scores
        from napari_organoid_synth.core.blind.session import forget_unanswered

        self.page = None
        self._judge()

        def rate() -> int:
            forget_unanswered(session.path)
            return write_scores(project)

        def tell(number: int) -> None:
            if number and project is self.workspace.project:
                self.workspace.samplesChanged.emit()

        self.background.do(rate, tell, self.show_error)
        if project is self.workspace.project:
            self.refresh(session.id)

    def _ask_again(self) -> None:
        like = next((session for session in self.shown.sessions if session.id == self.shown.chosen), None)
        if like is not None:
            self.start(self.form.value, like)

    # ------------------------------------------------------------------------------------------------------- results

    def open_example(self, example: Example) -> None:
        """Open a picture of a result as layers."""
        from napari_organoid_synth.core.blind.pictures import Pictures

        project = self.workspace.project
        if project is None:
            return

        def show(pair: Any) -> None:
            look_at(self.viewer, show_pair(self.viewer, pair, outline=1))

        self.background.do(
            lambda: Pictures(project, example.session).pair(example.judgement.picture), show, self.show_error
        )

    def _text(self) -> str:
        return "\n".join([self.tests.currentText(), *self.shown.lines])

    def _choose_file(self) -> None:
        project = self.workspace.project
        start = str(project.path / "blind_test.csv") if project is not None else ""
        path, _ = QFileDialog.getSaveFileName(self, "Save results", start, "CSV (*.csv)")
        if path:
            self.save_results(Path(path))

    def save_results(self, path: Path) -> None:
        """Write the answers of the test on the screen as CSV."""
        from napari_organoid_synth.core.blind.results import counted, to_csv

        sessions, chosen = self.shown.sessions, self.shown.chosen
        together = chosen == TOGETHER
        write_text(path, to_csv(counted(sessions) if together else [one for one in sessions if one.id == chosen]))

    def closeEvent(self, a0: Any) -> None:
        """End the test that is open; its answers are kept."""
        if self.page is not None:
            self.page.stop()
        super().closeEvent(a0)


def _verdicts(path: Path) -> list[tuple[str, str]]:
    """Return run and verdict of every sample that is not a copy; for a worker thread."""
    from napari_organoid_synth.core.samples.store import SampleStore

    with SampleStore(path) as store:
        return [(row.run, row.verdict) for row in store.rows() if "copy" not in row.flagged]
