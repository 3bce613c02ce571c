"""States of the steps of a project, and what comes next after each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QObject, QTimer, Signal

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.headlines import short_verdict
from napari_organoid_synth.core.gain.storage import newest_result
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.runs import list_runs
from napari_organoid_synth.widgets.shared.workspace import Workspace
from napari_organoid_synth.widgets.steps.bar import StepState

VERBS = {
    "train": 1,
    "pipeline": 1,
    "adapt": 0,
    "generate": 2,
    "fill": 2,
    "score": 3,
    "map": 3,
    "gain": 4,
    "segment": 4,
    "try": 4,
    "predict": 4,
    "export": 5,
}
"""Long commands by the place of their step."""
WORDS = {"paused": "paused", "waiting": "waits"}
PAIRS, TRAIN, GENERATE, CURATE, MEASURE, EXPORT = range(6)


@dataclass(frozen=True)
class Next:
    """What comes next: the text of the button, and the page that it opens."""

    text: str
    page: str


@dataclass(frozen=True)
class Facts:
    """What the states are about, read in the background.

    Parameters
    ----------
    runs : tuple of str
        Short names of the trainings that can draw, newest first ("run 3").
    verdict : str
        Of the newest comparison, as `short_verdict`.
    exported : bool
        Whether something was exported.
    """

    runs: tuple[str, ...] = ()
    verdict: str = ""
    exported: bool = False


class StepStates(QObject):
    """Follows a workspace.

    Parameters
    ----------
    workspace : Workspace
    parent : QObject

    Signals
    -------
    changed()
        Read `states` and `next_of` again.
    """

    changed = Signal()

    def __init__(self, workspace: Workspace, parent: QObject) -> None:
        super().__init__(parent)
        self._workspace = workspace
        self._facts = Facts()
        self._counts: dict[str, int] = {}
        self._failed: dict[int, str] = {}
        self._background = Background(self)
        self._reading = False
        self._stale = False  # something changed while files were read
        self._soon, self._files_soon = QTimer(self), QTimer(self)
        for timer, task in ((self._soon, self._count), (self._files_soon, self._read)):
            timer.setSingleShot(True)
            timer.setInterval(50)
            timer.timeout.connect(task)
        workspace.projectChanged.connect(self._forget)
        workspace.runsChanged.connect(self._files_soon.start)
        for signal in (workspace.pairsChanged, workspace.samplesChanged):
            signal.connect(self._later)
        self._places = {workspace.runner(verb): place for verb, place in VERBS.items()}
        for runner in self._places:
            runner.started.connect(self._began)
            runner.failed.connect(self._note_failure)
            runner.stateChanged.connect(self._repaint)
            runner.finished.connect(self._files_later)
            runner.event.connect(self._repaint)
        self._count()
        self._read()

    def close(self) -> None:
        """Read nothing more."""
        self._background.close()

    # --- what is followed ---

    def _began(self) -> None:
        self._failed.pop(self._places[self.sender()], None)
        self.changed.emit()

    def _note_failure(self, failed: Any) -> None:
        self._failed[self._places[self.sender()]] = failed.found
        self.changed.emit()

    def _repaint(self, _: object = None) -> None:
        self.changed.emit()

    def _forget(self, _: object = None) -> None:
        self._facts, self._counts, self._failed = Facts(), {}, {}
        self._later()
        self._files_later()

    def _later(self, _: object = None) -> None:
        self._soon.start()

    def _files_later(self, _: object = None) -> None:
        self._files_soon.start()

    def _count(self) -> None:
        """Count the samples."""
        project, self._counts = self._workspace.project, {}
        if project is not None and project.samples_path.exists() and self._workspace.store is not None:
            try:
                self._counts = dict(self._workspace.store.counts())
            except (UserError, OSError):
                self._counts = {}  # the gallery says what is wrong with it
        self.changed.emit()

    def _read(self) -> None:
        """Read what needs files, in the background; once at a time."""
        project = self._workspace.project
        if project is None:
            return
        if self._reading:
            self._stale = True
            return
        self._reading, self._stale = True, False
        self._background.do(lambda: (project, read_facts(project)), self._take, self._not_read)

    def _take(self, answer: tuple[Project, Facts]) -> None:
        project, facts = answer
        self._reading = False
        if project is self._workspace.project and facts != self._facts:
            self._facts = facts
            self.changed.emit()
        if self._stale:
            self._read()

    def _not_read(self, _: BaseException) -> None:
        self._reading = False  # the pages say what is wrong

    # --- what is shown ---

    @property
    def states(self) -> list[StepState]:
        """The states of all steps, in their order."""
        states = [self._pairs(), self._train(), self._generate(), self._curate(), self._measure(), self._export()]
        for place in range(len(states)):
            if (running := self._running(place)) is not None:
                kept = states[place].text if place == CURATE else ""  # scores come on their own after each batch
                states[place] = StepState("running", kept or running.text)
            elif place in self._failed:
                states[place] = StepState("attention", "failed", self._failed[place])
        return states

    @property
    def _n_pairs(self) -> int:
        table = self._workspace.pairs
        return len(table.matched) if table is not None else 0

    def _running(self, place: int) -> StepState | None:
        for runner, its in self._places.items():
            if its == place and runner.running:
                progress = runner.last_progress
                share = f"{progress.share:.0%}" if progress is not None and progress.total else ""
                return StepState("running", WORDS.get(runner.state) or share or "running")
        return None

    def _pairs(self) -> StepState:
        table = self._workspace.pairs
        if table is None or not table.entries:
            return StepState()
        if not table.train:
            return StepState("attention", plural(self._n_pairs, "pair"))
        return StepState("done", plural(self._n_pairs, "pair"))

    def _train(self) -> StepState:
        if self._facts.runs:
            return StepState("done", self._facts.runs[0])
        return StepState("ready", "optional") if self._n_pairs else StepState()

    def _generate(self) -> StepState:
        made = sum(self._counts.values())
        if made:
            return StepState("done", f"{made:,} made")
        return StepState("ready", "ready") if self._n_pairs or self._facts.runs else StepState()

    def _curate(self) -> StepState:
        accepted, new = self._counts.get("accepted", 0), self._counts.get("new", 0)
        if accepted:
            return StepState("done", f"{accepted:,} accepted")
        if new:
            return StepState("ready", f"{new:,} new")
        return StepState("attention", "all rejected") if self._counts.get("rejected") else StepState()

    def _measure(self) -> StepState:
        if self._facts.verdict:
            return StepState("attention" if self._facts.verdict == "no verdict" else "done", self._facts.verdict)
        return StepState("ready", "ready") if self._n_pairs else StepState()

    def _export(self) -> StepState:
        if self._facts.exported:
            return StepState("done", "exported")
        return StepState("ready", "ready") if self._counts.get("accepted") else StepState()

    def next_of(self, place: int) -> Next | None:
        """Return what comes after a step; None while the step itself is still to be done, or runs."""
        if self._running(place) is not None or (place == PAIRS and self._workspace.runner("try").running):
            return None
        new, accepted = self._counts.get("new", 0), self._counts.get("accepted", 0)
        table = self._workspace.pairs
        if place == PAIRS and not new and table is not None and table.train:
            return Next("Make synthetic pairs →", "Generate")
        if place == TRAIN and self._facts.runs:
            return Next("Make synthetic pairs →", "Generate")
        if place in (PAIRS, GENERATE) and new:
            return Next(f"Look at {plural(new, 'new pair')} →", "Curate")
        if place in (GENERATE, CURATE) and accepted:
            return Next("Measure what they are worth →", "Measure")
        if place == MEASURE and self._facts.verdict and accepted:
            return Next(f"Export {plural(accepted, 'pair')} →", "Export")
        return None


def read_facts(project: Project) -> Facts:
    """Read the trainings, the newest comparison and the exports of a project; for a background thread."""
    runs = tuple(run.title.partition(" · ")[0] for run in list_runs(project) if not run.problem)
    result = newest_result(project)
    exported = any((project.path / "exports").glob("*/manifest.json"))
    return Facts(runs, short_verdict(result) if result is not None else "", exported)
