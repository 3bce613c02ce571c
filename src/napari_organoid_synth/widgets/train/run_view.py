"""A run of the project: its curves and its samples over time, while it is trained or later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, QTimer, Signal
from qtpy.QtWidgets import QHBoxLayout, QPushButton, QSlider, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Event, Finished, JobFolder, Previewed
from napari_organoid_synth.core.runs.files import read_preview
from napari_organoid_synth.core.runs.numbers import next_number, run_numbers
from napari_organoid_synth.core.runs.titles import run_names
from napari_organoid_synth.widgets.forms.plain_text import PlainLabel
from napari_organoid_synth.widgets.shared.background import start_worker
from napari_organoid_synth.widgets.shared.controls import combo_box, named
from napari_organoid_synth.widgets.shared.curves import LossCurves, Trace, traces
from napari_organoid_synth.widgets.shared.job_process import history, preview_path
from napari_organoid_synth.widgets.shared.jobs import JobRunner
from napari_organoid_synth.widgets.shared.runs import RunInfo, describe_card, describe_run
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.workspace import Workspace
from napari_organoid_synth.widgets.train.preview_layers import PreviewLayers, montage

LIVE_MS = 1000
"""New samples are drawn at most this often."""


class RunView(QWidget):
    """Chooses a run and shows it; follows the one that is running.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Samples appear in it as the layer "samples".
    workspace : Workspace
    runner : JobRunner
        Of trainings.

    Signals
    -------
    changed()
        Another run is shown, or more is known about it.
    shareWanted(RunInfo)
        The run that is shown is to become a model file.
    """

    changed = Signal()
    shareWanted = Signal(object)

    def __init__(self, viewer: Any, workspace: Workspace, runner: JobRunner, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.workspace, self.runner = workspace, runner
        self.preview = PreviewLayers(viewer)
        self.shown: JobFolder | None = None
        self.completed = False
        self._previews: list[tuple[int, str]] = []
        self._loading = False
        self._seen: tuple[JobFolder | None, int] = (None, -1)
        self._wanted: int | None = None  # the preview to load next; the newest request wins
        self._infos: dict[str, RunInfo] = {}
        self._build()

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        top = QHBoxLayout()
        self.runs = combo_box()
        named(
            self.runs,
            "Run whose curves and samples are shown",
            "Look at the curves and samples of an earlier training.",
        )
        top.addWidget(PlainLabel("Run"))
        top.addWidget(self.runs, 1)
        self.share = QPushButton("Share…")
        named(self.share, "Share this run", "Writes the trained generator as one file for others.")
        self.share.clicked.connect(lambda: self.shareWanted.emit(self.info) if self.info is not None else None)
        top.addWidget(self.share)
        column.addLayout(top)
        self.about = WrapLabel()
        column.addWidget(self.about)
        self.curves = LossCurves()
        column.addWidget(self.curves)
        self.monitor_label = WrapLabel()
        self.monitor_label.setToolTip(
            "Measured on the live samples at every checkpoint. Few differences: the generator draws the same thing "
            "again and again. The distance falls while samples become more like your images."
        )
        column.addWidget(self.monitor_label)
        past = QHBoxLayout()
        self.history_label, self.history = PlainLabel("samples"), QSlider(Qt.Orientation.Horizontal)
        named(
            self.history,
            "Samples over time",
            "Live samples of an earlier step; the right end follows the newest one.",
        )
        past.addWidget(self.history_label)
        past.addWidget(self.history, 1)
        column.addLayout(past)
        self._live = QTimer(self)
        self._live.setSingleShot(True)
        self._live.setInterval(LIVE_MS)
        self._live.timeout.connect(self._show_newest)
        self.runs.activated.connect(lambda _: self._load(JobFolder(Path(self.runs.currentData()))))
        self.history.valueChanged.connect(self._want_preview)
        self.history.valueChanged.connect(self.preview.reveal)

    # --- which run ---

    def reset(self) -> None:
        """Clear the view; another project was opened."""
        self.shown, self._previews = None, []
        self.curves.clear()
        self._show_monitor()
        self.list_runs()

    def list_runs(self) -> None:
        """Fill the selector, newest first; the running or the newest run is shown."""
        project = self.workspace.project
        numbers = run_numbers(project) if project is not None else {}
        runs = sorted(project.runs(), key=lambda path: numbers[path.name]) if project is not None else []
        running = self.runner.folder if self.runner.running else None
        if project is not None and running is not None and running.path not in runs:
            runs.append(running.path)  # it has no recipe yet
            numbers.setdefault(running.path.name, next_number(project))
        if self.shown is not None and self.shown.path not in runs:
            self.shown = None  # deleted, or stopped before it began
        names = run_names(project) if project is not None else {}
        self.runs.clear()
        self._infos = {}
        for path in reversed(runs):
            name = names.get(path.name, f"run {numbers[path.name]}")
            runs_now = running is not None and path == running.path
            if not runs_now:
                self._infos[str(path)] = describe_run(path, name)
            self.runs.addItem(f"{name} · running" if runs_now else self._infos[str(path)].title, str(path))
        self._show_parts()
        if not runs:
            return
        shown = self.shown or running or JobFolder(runs[-1])
        self.runs.setCurrentIndex(max(self.runs.findData(str(shown.path)), 0))
        if self.shown is None:
            self._load(shown)

    def begin(self, folder: JobFolder | None) -> None:
        """Show a training that starts or continues, with its curve so far."""
        self.shown, self._previews, self.completed = folder, [], False
        self.preview.reveal()
        self.curves.clear()
        self._show_monitor()
        self.list_runs()
        if folder is not None and folder.events_path.exists():
            self._load(folder)

    @property
    def info(self) -> RunInfo | None:
        """The facts about the run that is shown; None while it is trained."""
        return self._infos.get(str(self.shown.path)) if self.shown is not None else None

    def show_run(self, folder: JobFolder) -> None:
        """Show a run, or what is new in it, unless a person looks at its older samples."""
        same = self.shown is not None and self.shown.path == folder.path
        if same and self.history.value() < self.history.maximum():
            return
        if not same:
            self.shown, self._previews = folder, []
            self.list_runs()
        self._load(folder)

    def follow(self, events: list[Event]) -> None:
        """Show new events of the running training."""
        if self.shown is None or self.runner.folder is None or self.shown.path != self.runner.folder.path:
            return
        self.curves.append(events)
        self._show_monitor()
        known = self._previews[-1][0] if self._previews else -1
        self._add_previews([(e.step, e.path) for e in events if isinstance(e, Previewed) and e.step > known])

    def _show_monitor(self) -> None:
        self.monitor_label.setText(self.curves.words)
        self.monitor_label.setVisible(bool(self.curves.words))

    def can_resume(self) -> bool:
        """Return whether the run can be resumed: it has a recipe and a checkpoint and was not completed."""
        if self.shown is None or not (self.shown.path / "recipe.yaml").exists():
            return False
        if (info := self.info) is not None and not info.trains and info.steps:
            return False
        return not self.completed and any((self.shown.path / "checkpoints").glob("step_*.json"))

    def _show_parts(self) -> None:
        self.setVisible(self.runs.count() > 0)
        info = self.info
        learns = info is None or info.trains
        for widget in (self.history, self.history_label):
            widget.setVisible(learns and bool(self._previews))
        self.curves.setVisible(learns)
        self.share.setEnabled(info is not None and bool(info.steps))
        self.share.setToolTip(
            "Writes the trained generator as one file for others." if self.share.isEnabled() else "Nothing is saved."
        )
        text = describe_card(info.card) if info is not None else ""
        self.about.setText(text)
        self.about.setVisible(bool(text))
        self.changed.emit()

    def _load(self, folder: JobFolder) -> None:
        """Read curve and previews of a run in a worker, then show them."""
        from napari.qt.threading import create_worker

        self.shown = folder
        self._show_parts()
        worker: Any = create_worker(read_run, folder, _start_thread=False, _ignore_errors=True)
        worker.returned.connect(self._show_run)
        start_worker(worker)

    def _show_run(self, content: tuple[Path, dict[str, Trace], int, int, list[tuple[int, str]], bool]) -> None:
        path, curves, step, total, previews, completed = content
        if self.shown is None or self.shown.path != path:
            return  # another run was chosen meanwhile
        self.completed = completed
        self.curves.show_history(curves, step, total)
        self._show_monitor()
        self._previews = []
        self.history.setValue(0)
        self._add_previews(previews)
        self._show_parts()

    # --- samples over time ---

    def _add_previews(self, previews: list[tuple[int, str]]) -> None:
        if not previews:
            return
        newest = self.history.value() >= self.history.maximum()
        first = not self._previews
        self._previews += previews
        self.history.blockSignals(True)
        self.history.setRange(0, len(self._previews) - 1)
        if newest or first:
            self.history.setValue(len(self._previews) - 1)
        self.history.blockSignals(False)
        if first:
            self._show_parts()
        if (newest or first) and not self._live.isActive():
            self._show_newest()

    def _show_newest(self) -> None:
        """Follow the newest samples unless a person looks at older ones."""
        number = self.history.maximum()
        if self.history.value() == number and self._seen != (self.shown, number) and self._previews:
            self._want_preview(number)
            self._live.start()

    def _want_preview(self, number: int) -> None:
        """Load a preview in a worker; while one loads, only the newest request is kept."""
        from napari.qt.threading import create_worker

        if not 0 <= number < len(self._previews) or self.shown is None:
            return
        if self._loading:
            self._wanted = number
            return
        self._loading, self._wanted, self._seen = True, None, (self.shown, number)
        step, path = self._previews[number]
        worker: Any = create_worker(
            read_sheet, preview_path(self.shown, path), step, _start_thread=False, _ignore_errors=True
        )
        worker.returned.connect(self._show_preview)
        start_worker(worker)

    def _show_preview(self, preview: tuple[int, NDArray[Any], NDArray[np.uint8]] | None) -> None:
        self._loading = False
        if preview is not None:
            step, sheet, lines = preview
            self.preview.show(sheet, lines, self._pixel_size())
            learns = self.info is None or self.info.trains
            self.history_label.setText(f"samples at step {step:,}" if learns else "samples of this painter")
        if self._wanted is not None:
            self._want_preview(self._wanted)

    def _pixel_size(self) -> tuple[float, float] | None:
        table = self.workspace.pairs
        return next((e.pixel_size for e in table.train if e.pixel_size), None) if table is not None else None


def read_run(folder: JobFolder) -> tuple[Path, dict[str, Trace], int, int, list[tuple[int, str]], bool]:
    """Read path, curves, last step, total, previews and whether it was completed; in a worker thread."""
    events = history(folder)
    curves, step, total = traces(events)
    previews = {event.step: event.path for event in events if isinstance(event, Previewed)}
    ends = [event for event in events if isinstance(event, Finished)]
    total = step if ends and not folder.alive else total  # of one that was stopped, what there is
    return folder.path, curves, step, total, sorted(previews.items()), bool(ends) and ends[-1].reason == "completed"


def read_sheet(path: Path, step: int) -> tuple[int, NDArray[Any], NDArray[np.uint8]] | None:
    """Read a preview file as a montage with outlines; None when it is missing or damaged. In a worker thread."""
    try:
        return (step, *montage(*read_preview(path)))
    except UserError:
        return None
