"""The dock Train: choose a generator, start it, watch it learn, stop, go on."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt, QTimer
from qtpy.QtGui import QImage, QPixmap
from qtpy.QtWidgets import (
    QApplication,
    QComboBox,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSlider,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Event, Failed, Finished, JobFolder, Previewed
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.registry import GANS
from napari_organoid_synth.core.settings import Settings
from napari_organoid_synth.widgets._cards import EmptyCard, ErrorCard, PrimaryButton, ProgressCard, WrapLabel
from napari_organoid_synth.widgets._curves import LossCurves, Trace, traces
from napari_organoid_synth.widgets._estimate import Estimator, describe
from napari_organoid_synth.widgets._form import Fold, SettingsForm, guard_wheel
from napari_organoid_synth.widgets._jobs import command_text, history, preview_path
from napari_organoid_synth.widgets._layers import PreviewLayers, montage
from napari_organoid_synth.widgets._menus import open_dock, settle
from napari_organoid_synth.widgets._runs import describe_run
from napari_organoid_synth.widgets._workspace import Workspace, add_recent_buttons

if TYPE_CHECKING:
    import napari

SHOWN = ("tiles.size", "train.steps", "tiles.turn", "tiles.flip")
LABELS = {"tiles.size": "Tile, px", "tiles.turn": "Also turned tiles", "tiles.flip": "Also mirrored tiles"}
SETTLE_MS = 1500
"""How long settings must rest before memory and time are measured."""


class TrainWidget(QWidget):
    """Train a generator on the pairs of the project.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Live samples appear in it as the layer "samples".
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.workspace = Workspace.of(viewer)
        self.runner = self.workspace.runner("train")
        self.preview = PreviewLayers(viewer)
        self._shown: JobFolder | None = None  # the run whose curves and samples are shown
        self._previews: list[tuple[int, str]] = []
        self._loading = False
        self._restoring = True  # until a project's own recipe is shown, nothing is remembered
        self._seen: tuple[JobFolder | None, int] = (None, -1)
        self._wanted: int | None = None  # the preview to load next; the newest wish wins
        self._build()
        self.workspace.projectChanged.connect(self._show_project)
        self.workspace.pairsChanged.connect(self._refresh)
        self.workspace.runsChanged.connect(self._list_runs)
        self.runner.events.connect(self._follow)
        self.runner.stateChanged.connect(self._refresh)
        self.runner.started.connect(self._job_started)
        self.runner.failed.connect(self._job_failed)
        self.runner.finished.connect(self._job_finished)
        self._show_project()

    # --- build, top to bottom ---

    def _build(self) -> None:
        self.setMinimumWidth(320)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(6, 6, 6, 6)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 6, 0)
        column.setSpacing(8)
        scroll.setWidget(inside)
        outer.addWidget(scroll)

        self.empty = EmptyCard("", {"Try with sample data": self._try_sample_data})
        self.recent = add_recent_buttons(self.empty, self.workspace, self._error)
        column.addWidget(self.empty)
        self.error = ErrorCard()
        column.addWidget(self.error)

        self.settings = QWidget()
        form = QVBoxLayout(self.settings)
        form.setContentsMargins(0, 0, 0, 0)
        self.generator = QComboBox()
        self.generator.setAccessibleName("Generator")
        self.generator.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.generator.setMinimumContentsLength(12)
        guard_wheel(self.generator)
        for name in GANS.names():
            config: Any = GANS.config(name)
            self.generator.addItem(config.title, name)
            self.generator.setItemData(self.generator.count() - 1, config.__doc__, Qt.ItemDataRole.ToolTipRole)
        form.addWidget(self.generator)
        about = QHBoxLayout()
        self.picture = QLabel()
        self.picture.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.picture.setAccessibleName("What the generator makes of what")
        about.addWidget(self.picture)
        self.when = WrapLabel()
        about.addWidget(self.when, 1)
        form.addLayout(about)
        first: Any = GANS.config(GANS.names()[0])
        self.form = SettingsForm(Recipe, SHOWN, hidden=("gan",), labels=LABELS, choices={"tiles.size": first.tiles})
        form.addWidget(self.form)
        self._gan_forms: dict[str, SettingsForm] = {}
        self._gan_groups: dict[str, Fold] = {}
        self.estimate = WrapLabel()
        self.estimate.setToolTip("Measured by doing a few steps in the background and throwing them away.")
        form.addWidget(self.estimate)
        column.addWidget(self.settings)

        runs = QHBoxLayout()
        self.run_label = QLabel("Run")
        runs.addWidget(self.run_label)
        self.runs = QComboBox()
        self.runs.setAccessibleName("Run whose curves and samples are shown")
        self.runs.setToolTip("Look at the curves and samples of an earlier training.")
        self.runs.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.runs.setMinimumContentsLength(10)
        guard_wheel(self.runs)
        runs.addWidget(self.runs, 1)
        column.addLayout(runs)
        self.curves = LossCurves()
        column.addWidget(self.curves)
        past = QHBoxLayout()
        self.history = QSlider(Qt.Orientation.Horizontal)
        self.history.setAccessibleName("Samples over time")
        self.history.setToolTip("Live samples of an earlier step; at the right end the newest one follows.")
        self.history_label = QLabel("samples")
        past.addWidget(self.history_label)
        past.addWidget(self.history, 1)
        column.addLayout(past)
        column.addStretch(1)

        self.progress = ProgressCard(self.runner, "Stop and keep")
        outer.addWidget(self.progress)
        self.go_on = QPushButton("Go on with this run")
        self.go_on.setToolTip("Trains the stopped run further, as if it had never been stopped.")
        self.copy = QPushButton("Copy as command")
        self.copy.setToolTip("The same training for a terminal or a cluster, on the clipboard.")
        outer.addWidget(self.go_on)
        outer.addWidget(self.copy)
        self.why_not = WrapLabel()
        outer.addWidget(self.why_not)
        self.start = PrimaryButton("▶ Start training")
        self.start.setToolTip("Trains in a process of its own; the window stays free and may be closed.")
        outer.addWidget(self.start)

        self._settle = QTimer(self)
        self._settle.setSingleShot(True)
        self._settle.setInterval(SETTLE_MS)
        self._settle.timeout.connect(self._measure)
        self._copied = QTimer(self)
        self._copied.setSingleShot(True)
        self._copied.setInterval(1500)
        self._copied.timeout.connect(lambda: self.copy.setText("Copy as command"))
        self._live = QTimer(self)  # new samples are drawn at most once a second
        self._live.setSingleShot(True)
        self._live.setInterval(1000)
        self._live.timeout.connect(self._show_newest)
        self.estimator = Estimator(self)
        self.estimator.measured.connect(self._show_estimate)
        self.estimator.failed.connect(lambda error: self.estimate.setText(f"✕ {error}"))
        self.generator.currentIndexChanged.connect(self._show_generator)
        self.form.valueChanged.connect(self._edited)
        self.form.problemChanged.connect(self._refresh)
        self.runs.activated.connect(self._choose_run)
        self.history.valueChanged.connect(self._want_preview)
        self.history.valueChanged.connect(self.preview.reveal)
        self.start.clicked.connect(self._start)
        self.go_on.clicked.connect(self._go_on)
        self.copy.clicked.connect(self._copy)
        self._show_generator()

    # --- settings ---

    def value(self) -> Recipe:
        """The recipe as shown.

        Raises
        ------
        UserError
            If a value is out of bounds.
        """
        gan = self._gan_form().value()
        values = self.form.value().model_dump()
        recipe: Recipe = Recipe.parse({**values, "gan": gan.model_dump()})
        return recipe

    def setValue(self, recipe: Recipe) -> None:
        """Show a recipe."""
        name: str = recipe.gan.name  # type: ignore[attr-defined]
        self.generator.setCurrentIndex(self.generator.findData(name))
        self._gan_form().setValue(recipe.gan)
        self.form.setValue(recipe)

    def _gan_form(self) -> SettingsForm:
        """The form of the chosen generator, made when first chosen."""
        name = self.generator.currentData()
        if name not in self._gan_forms:
            form = self._gan_forms[name] = SettingsForm(GANS.config(name))
            form.valueChanged.connect(self._gan_edited)
            form.problemChanged.connect(self._refresh)
            group = self._gan_groups[name] = Fold("Generator")
            group.addWidget(form)
            self.form.fold.addWidget(group)
        return self._gan_forms[name]

    def _show_generator(self) -> None:
        form, config = self._gan_form(), self._gan_form().cls
        for name, group in self._gan_groups.items():
            group.setVisible(self._gan_forms[name] is form)
        self.when.setText(config.when)  # type: ignore[attr-defined]
        self.picture.setPixmap(example_picture(config.shape))  # type: ignore[attr-defined]
        self.form.editor("tiles.size").offer(config.tiles)  # type: ignore[attr-defined]
        self._gan_edited()

    def _gan_edited(self, _: object = None) -> None:
        if not self._gan_form().problem:
            self.form.put(gan=self._gan_form().value())

    def _edited(self, _: Settings | None = None) -> None:
        self.estimate.setText("")
        self.estimator.forget()
        self._settle.start()
        if not self._restoring and not self.form.problem and not self._gan_form().problem:
            self.workspace.remember("train", self.value().model_dump(mode="json"))
        self._refresh()

    def _measure(self) -> None:
        """Ask for memory and time, when a person can see the answer and nothing runs."""
        if not self.isVisible() or self.runner.running or self._obstacle():
            return
        assert self.workspace.project is not None
        self.estimate.setText("Measuring memory and time…")
        self.estimator.ask(self.workspace.project, self.value())

    def _show_estimate(self, found: dict[str, Any]) -> None:
        text, fits = describe(found, self.value().train.steps)
        self.estimate.setText(text if fits else f"{text}. Choose a smaller tile or batch.")

    # --- states ---

    def _show_project(self, _: object = None) -> None:
        self.error.hide()
        self._shown, self._previews = None, []
        self.curves.clear()
        stored = self.workspace.remembered("train")
        self._restoring = True
        if stored:
            with suppress(UserError):  # remembered by another version: the defaults stay
                self.setValue(Recipe.parse(stored))
        self._restoring = False
        self.recent()
        self._list_runs()
        self._refresh()

    def _obstacle(self) -> str:
        """Why training cannot start, in words; empty when it can."""
        if self.workspace.project is None:
            return "No project is open."
        if self.workspace.pairs is None or not self.workspace.pairs.train:
            return "Check your pairs in the dock Pairs first."
        return self.form.problem or self._gan_form().problem

    def _refresh(self, _: object = None) -> None:
        table, running = self.workspace.pairs, self.runner.running
        ready = table is not None and bool(table.train)
        self.empty.setVisible(not ready and not running)
        self.empty.set_sentence(
            "A generator learns from your image–mask pairs and then makes new ones. Open a project, or drop images and "
            "masks into the dock Pairs."
            if self.workspace.project is None
            else "This project has no pairs yet: drop images and masks into the dock Pairs."
        )
        self.settings.setVisible(ready and not running)
        has_run = self.runs.count() > 0
        for widget in (self.run_label, self.runs, self.curves):
            widget.setVisible(has_run)
        for widget in (self.history, self.history_label):
            widget.setVisible(has_run and bool(self._previews))
        obstacle = "" if running else self._obstacle()
        self.why_not.setText(obstacle)
        self.why_not.setVisible(bool(obstacle) and (ready or self.workspace.project is not None))
        self.start.setVisible(not running)
        self.start.setEnabled(not obstacle)
        self.copy.setVisible(not running)
        self.copy.setEnabled(not obstacle)
        self.go_on.setVisible(not running and self._can_go_on())
        if ready and not running and not self.estimate.text() and not self._settle.isActive():
            self._settle.start()

    def showEvent(self, event: Any) -> None:
        """Become a tab beside the other docks; measure memory and time once the dock is seen."""
        super().showEvent(event)
        settle(self)
        self._settle.start()

    # --- jobs ---

    def _start(self) -> None:
        self.error.dismiss()
        project = self.workspace.project
        if project is None or self._obstacle() or self.runner.running:
            return
        self._settle.stop()
        self.estimator.forget()
        try:
            self.runner.start("train", project, self.value())
        except (UserError, OSError) as error:
            self._error(error)

    def _go_on(self) -> None:
        self.error.dismiss()
        if self.workspace.project is not None and self._shown is not None and not self.runner.running:
            self.estimator.forget()
            self.runner.start("train", self.workspace.project, resume=self._shown)

    def _can_go_on(self) -> bool:
        """A run with a recipe and a checkpoint can go on unless it was completed."""
        if self._shown is None or not (self._shown.path / "recipe.yaml").exists():
            return False
        return not self._completed and any((self._shown.path / "checkpoints").glob("step_*.json"))

    def _copy(self) -> None:
        if self.workspace.project is not None and not self._obstacle():
            QApplication.clipboard().setText(command_text("train", self.workspace.project, self.value()))
            self.copy.setText("Copied")
            self._copied.start()

    def _job_started(self) -> None:
        self._shown, self._previews, self._completed = self.runner.folder, [], False
        self.preview.reveal()
        self.curves.clear()
        self._list_runs()
        self._refresh()
        if self.runner.folder is not None and self.runner.folder.events_path.exists():
            self._load_run(self.runner.folder)  # one that goes on: its curve so far

    def _follow(self, events: list[Event]) -> None:
        """A slice of events of the running job."""
        if self._shown is None or self.runner.folder is None or self._shown.path != self.runner.folder.path:
            return
        self.curves.append(events)
        known = self._previews[-1][0] if self._previews else -1
        self._add_previews([(e.step, e.path) for e in events if isinstance(e, Previewed) and e.step > known])

    def _job_failed(self, failed: Failed) -> None:
        self.error.show_error(failed)
        self._refresh()

    def _job_finished(self, reason: str) -> None:
        self._completed = reason == "completed"
        self._refresh()
        if self._completed:
            self.workspace.notify("The training is done.", [("Look at samples", self._look)])

    def _try_sample_data(self) -> None:
        open_dock(self.viewer, "Pairs").try_sample_data()

    def _look(self) -> None:
        dock = self.parentWidget()
        if dock is not None:
            dock.show()
            dock.raise_()
        self.preview.reveal()
        self._want_preview(self.history.maximum())

    def _error(self, error: BaseException) -> None:
        self.error.show_error(error)

    # --- runs: curves and samples of now and before ---

    _completed = False

    def _list_runs(self) -> None:
        """Fill the selector, newest first; the running or the newest run is shown."""
        project = self.workspace.project
        runs = project.runs() if project is not None else []
        running = self.runner.folder if self.runner.running else None
        if running is not None and running.path not in runs:
            runs.append(running.path)  # it has no recipe yet
        self.runs.clear()
        for number, path in reversed(list(enumerate(runs, 1))):
            runs_now = running is not None and path == running.path
            title = f"run {number} · running" if runs_now else describe_run(path, number).title
            self.runs.addItem(title, str(path))
        folders = [JobFolder(path) for path in reversed(runs)]
        if not folders:
            return
        shown = self._shown or running or folders[0]
        self.runs.setCurrentIndex(max(self.runs.findData(str(shown.path)), 0))
        if self._shown is None:
            self._load_run(shown)

    def _choose_run(self, _: int) -> None:
        self._load_run(JobFolder(Path(self.runs.currentData())))

    def _load_run(self, folder: JobFolder) -> None:
        """Read curve and previews of a run in a worker, then show them."""
        from napari.qt.threading import create_worker

        self._shown = folder
        worker: Any = create_worker(read_run, folder, _start_thread=False, _ignore_errors=True)
        worker.returned.connect(self._show_run)
        worker.start()

    def _show_run(self, found: tuple[Path, dict[str, Trace], int, int, list[tuple[int, str]], bool]) -> None:
        path, curves, step, total, previews, completed = found
        if self._shown is None or self._shown.path != path:
            return  # another run was chosen meanwhile
        self._completed = completed
        self.curves.show_history(curves, step, total)
        self._previews = []
        self.history.setValue(0)
        self._add_previews(previews)
        self._refresh()

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
            self._refresh()
        if (newest or first) and not self._live.isActive():
            self._show_newest()

    def _show_newest(self) -> None:
        """Follow the newest samples unless a person looks at older ones."""
        number = self.history.maximum()
        if self.history.value() == number and self._seen != (self._shown, number) and self._previews:
            self._want_preview(number)
            self._live.start()

    def _want_preview(self, number: int) -> None:
        """Load a preview in a worker; while one loads, only the newest wish is remembered."""
        from napari.qt.threading import create_worker

        if not 0 <= number < len(self._previews) or self._shown is None:
            return
        if self._loading:
            self._wanted = number
            return
        self._loading, self._wanted, self._seen = True, None, (self._shown, number)
        step, path = self._previews[number]
        worker: Any = create_worker(
            read_sheet, preview_path(self._shown, path), step, _start_thread=False, _ignore_errors=True
        )
        worker.returned.connect(self._show_preview)
        worker.start()

    def _show_preview(self, found: tuple[int, NDArray[Any], NDArray[np.uint8]] | None) -> None:
        self._loading = False
        if found is not None:
            step, sheet, lines = found
            self.preview.show(sheet, lines, self._scale())
            self.history_label.setText(f"samples at step {step:,}")
        if self._wanted is not None:
            self._want_preview(self._wanted)

    def _scale(self) -> tuple[float, float]:
        table = self.workspace.pairs
        sizes = [entry.pixel_size for entry in table.train if entry.pixel_size] if table is not None else []
        return sizes[0] if sizes else (1.0, 1.0)


def read_run(folder: JobFolder) -> tuple[Path, dict[str, Trace], int, int, list[tuple[int, str]], bool]:
    """Path, curves, last step, total, previews and whether it was completed; in a worker thread."""
    events = history(folder)
    curves, step, total = traces(events)
    previews = {event.step: event.path for event in events if isinstance(event, Previewed)}
    ends = [event for event in events if isinstance(event, Finished)]
    return folder.path, curves, step, total, sorted(previews.items()), bool(ends) and ends[-1].reason == "completed"


def read_sheet(path: Path, step: int) -> tuple[int, NDArray[Any], NDArray[np.uint8]] | None:
    """A preview file as a montage with outlines; None when it is gone or damaged. In a worker thread."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return (step, *montage(arrays["image"], arrays["labels"]))
    except (OSError, ValueError, KeyError, EOFError):
        return None


_pictures: dict[str, QPixmap] = {}


def example_picture(shape: str, side: int = 56) -> QPixmap:
    """Mask and image (painter) or image with mask (joint), drawn by the tissue simulator."""
    if shape not in _pictures:
        from napari_organoid_synth.core.overlay import outline
        from napari_organoid_synth.core.simulate import SIMULATORS
        from napari_organoid_synth.core.thumbnail import picture

        pair = SIMULATORS["tissue"](3, size=128)
        image = picture(pair.image, pair.is_rgb)
        mask = np.where(pair.labels[..., None] > 0, 200, 30).astype(np.uint8).repeat(3, axis=-1)
        drawn = image.copy()
        drawn[outline(pair.labels)] = (255, 255, 255)
        sheet = np.ascontiguousarray(np.concatenate([mask, image] if shape == "painter" else [image, drawn], axis=0))
        shown = QImage(sheet.tobytes(), 128, 256, 3 * 128, QImage.Format.Format_RGB888)
        _pictures[shape] = QPixmap.fromImage(shown).scaledToWidth(side, Qt.TransformationMode.SmoothTransformation)
    return _pictures[shape]
