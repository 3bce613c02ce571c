"""Use on images: a trained segmenter marks open layers or a folder; the label images can be exported."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from qtpy.QtCore import QSignalBlocker, QUrl
from qtpy.QtGui import QDesktopServices
from qtpy.QtWidgets import QCheckBox, QFileDialog, QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Event, Failed, Started, Warned
from napari_organoid_synth.core.pairs.ome_tiff import LABELS_ENDING, MAP_ENDINGS
from napari_organoid_synth.core.project import file_stem
from napari_organoid_synth.core.segmentation.catalog import TrainedSegmenter, list_segmenters
from napari_organoid_synth.core.segmentation.measurements import FILE as TABLE
from napari_organoid_synth.core.segmentation.measurements import read_rows, write_rows
from napari_organoid_synth.core.segmentation.settings import PredictSettings
from napari_organoid_synth.widgets.forms.containers import Fold, rows
from napari_organoid_synth.widgets.forms.plain_text import literal
from napari_organoid_synth.widgets.segment.layer_files import (
    IMAGES,
    NOTE,
    PREDICTED,
    describe_layer,
    read_notes,
    read_predictions,
    show_predictions,
    with_layer_names,
    write_layers,
)
from napari_organoid_synth.widgets.segment.predictions import SHOWN
from napari_organoid_synth.widgets.shared.background import Background
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, named
from napari_organoid_synth.widgets.shared.layer_grid import full_data
from napari_organoid_synth.widgets.shared.progress_card import ProgressCard
from napari_organoid_synth.widgets.shared.project_choice import short
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.workspace import Workspace

MAX_WARNINGS = 5
COLOURS = {"as stored": "as-stored", "grey": "grey", "RGB": "rgb"}
STACKS = {"every slice": "slices", "brightest (maximum)": "max", "mean of the slices": "mean"}
FLOW_TIP = "Arrows to the middle of each object: a layer whose hue is their direction, or a file."
NO_SEGMENTER = "Nothing is trained yet: measure the gain first. The segmenters of its arms are kept."


class ApplyPanel(QWidget):
    """Marks images with a segmenter of a comparison, in a process of its own.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose selected image layers can be marked.
    workspace : Workspace
    show_error : callable
        Called with every error.
    """

    def __init__(self, viewer: Any, workspace: Workspace, show_error: Callable[[Any], None]) -> None:
        super().__init__()
        self.viewer, self.workspace, self._show_error = viewer, workspace, show_error
        self.runner = workspace.runner("predict")
        self.background = Background(self)
        self.known: list[TrainedSegmenter] = []
        self.folder: Path | None = None
        self._layers: Path | None = None  # where the layers that are marked were written
        self._writing = False
        self._build()
        self._connect()
        self._judge()

    def _build(self) -> None:
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        self.fold = Fold("Use on images")
        column.addWidget(self.fold)
        self.about, self.outcome = WrapLabel(NO_SEGMENTER), WrapLabel()
        self.outcome.hide()
        self.segmenter = combo_box()
        holder, form = QWidget(), rows()
        add_row(
            form,
            "Trained on",
            self.segmenter,
            "The segmenter to use, with its score in brackets; the best comes first.",
        )
        self.colours, self.stacks = combo_box(), combo_box()
        for combo, choices in ((self.colours, COLOURS), (self.stacks, STACKS)):
            for text, value in choices.items():
                combo.addItem(text, value)
        add_row(form, "Colours", self.colours, "Grey: one channel by luminance. RGB: grey three times.")
        add_row(form, "Stacks", self.stacks, "What is segmented of a stack in a file; of layers every slice is.")
        holder.setLayout(form)
        self.probability, self.flow = QCheckBox("also the probability of each pixel"), QCheckBox()
        self.layers_button, self.folder_button = QPushButton("Segment layers"), QPushButton("Segment a folder…")
        self.card = ProgressCard(self.runner, "Stop and keep", "image")
        self.open_button, self.export_button = QPushButton("Open folder"), QPushButton("Export predictions…")
        for widget, name, tip in (
            (self.probability, "Probability", "A second layer or file with values from 0 to 1."),
            (self.flow, "Flow", FLOW_TIP),
            (
                self.layers_button,
                "Segment layers",
                "Finds the objects in the image layers that are selected in the list of layers.",
            ),
            (
                self.folder_button,
                "Segment a folder",
                "Finds the objects in all images of a folder; label images go to the project.",
            ),
            (self.open_button, "Open folder", "Shows the label images in the file manager."),
            (
                self.export_button,
                "Export predictions",
                "Copies label images (OME-TIFF) and measurements (CSV) to a folder.",
            ),
        ):
            named(widget, name, tip)
        for widget in (
            self.about,
            holder,
            self.probability,
            self.flow,
            self.layers_button,
            self.folder_button,
            self.card,
            self.outcome,
            self.open_button,
            self.export_button,
        ):
            self.fold.addWidget(widget)

    def _connect(self) -> None:
        self.layers_button.clicked.connect(lambda: self._guard(self.mark_layers))
        self.folder_button.clicked.connect(self._choose_folder)
        self.open_button.clicked.connect(self._open_folder)
        self.export_button.clicked.connect(self._choose_export)
        self.segmenter.currentIndexChanged.connect(self._judge)
        self.runner.event.connect(self._show_event)
        self.runner.finished.connect(self._finished)
        self.runner.failed.connect(self._failed)
        self.runner.stateChanged.connect(self._judge)
        self.viewer.layers.selection.events.changed.connect(self._judge)

    def close_panel(self) -> None:
        """Let go of the layers, and read nothing more."""
        self.viewer.layers.selection.events.changed.disconnect(self._judge)
        self.background.close()

    # --- what there is ---

    def refresh(self) -> None:
        """Look for trained segmenters; the chosen one stays."""
        project = self.workspace.project
        self.known = list_segmenters(project) if project is not None else []
        chosen = self.segmenter.currentData()
        with QSignalBlocker(self.segmenter):
            self.segmenter.clear()
            for one in self.known:
                self.segmenter.addItem(f"{one.label}, {one.comparison}", one.name)
            self.segmenter.setCurrentIndex(max(self.segmenter.findData(chosen), 0) if self.known else -1)
        if self.folder is None or project is None or project.path not in self.folder.parents:
            self.folder = None
            self.outcome.hide()
        self._judge()

    def _selected(self) -> list[Any]:
        from napari.layers import Image

        chosen = self.viewer.layers.selection
        layers = [layer for layer in self.viewer.layers if layer in chosen and isinstance(layer, Image)]
        return [layer for layer in layers if not layer.metadata.get(SHOWN)]  # a picture of errors is not an image

    def _trained(self) -> TrainedSegmenter | None:
        return next((one for one in self.known if one.name == self.segmenter.currentData()), None)

    def _judge(self, *_: object) -> None:
        trained, layers = self._trained(), self._selected()
        free = trained is not None and not self.runner.running and not self._writing
        if trained is not None:
            self.about.setText(self._describe(trained))
        else:
            self.about.setText(NO_SEGMENTER)
        for widget in (self.segmenter, self.colours, self.stacks, self.probability):
            widget.setEnabled(trained is not None)
        flow = trained is not None and self._draws_flow(trained)
        self.flow.setEnabled(flow)
        self.flow.setText("also the flow that it follows" if flow else "no flow: only Cellpose draws one")
        names = f"the layer '{short(layers[0].name)}'" if len(layers) == 1 else f"{len(layers)} layers"
        text = f"Segment {names}" if layers else "Segment layers: select an image layer"
        self.layers_button.setText(literal(text))
        self.layers_button.setEnabled(free and bool(layers))
        self.folder_button.setEnabled(free)
        for button in (self.open_button, self.export_button):
            button.setVisible(self.folder is not None and not self.runner.running)

    def _draws_flow(self, trained: TrainedSegmenter) -> bool:
        try:
            return trained.draws_flow
        except UserError:  # damaged; `_describe` says so
            return False

    def _describe(self, trained: TrainedSegmenter) -> str:
        """Describe the input, the output and the size of a segmenter."""
        try:
            spec = trained.description().spec
        except UserError as error:
            return f"! {error}"
        channels, classes = spec.channels, ", ".join(spec.class_names)
        gives = "single objects" if spec.mask_kind == "instances" else classes
        fold = " It was trained without the test images of its fold." if trained.fold else ""
        size = f"{trained.size / 1e6:.1f} MB"
        return f"Takes images with {channels} channel{'s' * (channels > 1)}, marks {gives}; {size} on disk.{fold}"

    # --- mark ---

    def settings(self, images: tuple[str, ...], folder: str = "", planes: str = "slices") -> PredictSettings:
        """Return the settings for the child process."""
        return PredictSettings(
            segmenter=self.segmenter.currentData() or "",
            images=images,
            folder=folder,
            probability=self.probability.isChecked(),
            flow=self.flow.isEnabled() and self.flow.isChecked(),
            planes=planes,
            channels=self.colours.currentData(),
        )

    def mark_layers(self) -> None:
        """Write the selected image layers to files, and mark them; the labels come back as layers."""
        trained, layers, project = self._trained(), self._selected(), self.workspace.project
        if trained is None or project is None or not layers or self.runner.running or self._writing:
            return
        channels = trained.description().spec.channels
        folder = project.job("layers").path
        pixels = [(describe_layer(one), full_data(one)) for one in layers]
        settings = self.settings((str(folder / IMAGES),), str(folder / PREDICTED))
        self._writing, self._layers = True, folder
        self._judge()

        def start(_: object) -> None:
            self._writing = False
            if self.workspace.project is project and not self.runner.running:
                self.runner.start("predict", project, settings)
            self._judge()

        self.background.do(lambda: write_layers(folder, pixels, channels), start, self._could_not)

    def mark_folder(self, images: Path, folder: Path | None = None) -> None:
        """Mark all images of a folder."""
        project, trained = self.workspace.project, self._trained()
        if project is not None and trained is not None and not self.runner.running:
            by = file_stem(trained.name.replace("/", "-"))
            self._layers = None
            out = folder or project.path / "predictions" / by / images.name
            self.runner.start("predict", project, self.settings((str(images),), str(out), self.stacks.currentData()))

    def _choose_folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder of images to segment"):
            self._guard(lambda: self.mark_folder(Path(path)))

    # --- follow ---

    def _show_event(self, event: Event) -> None:
        if isinstance(event, Started):
            self.outcome.hide()
            self.fold.expand()
        elif isinstance(event, Warned):
            lines = dict.fromkeys([*self._shown(), f"! {self._named(event.text)}"])  # slices may give the same one
            self.outcome.setText("\n".join([*lines][:MAX_WARNINGS]))
            self.outcome.show()

    def _shown(self) -> list[str]:
        """Return the lines on the screen."""
        return [] if self.outcome.isHidden() else self.outcome.text().splitlines()

    def _named(self, text: str) -> str:
        """Return a message with the names of layers in place of their files."""
        return with_layer_names(text, self._layers) if self._layers is not None else text

    def _finished(self, reason: str) -> None:
        result = self.runner.result
        if "folder" not in result:  # stopped before it began
            self._judge()
            return
        self.folder = Path(result["folder"])
        marked, before, failed = int(result["images"]), int(result["done_before"]), len(result["failed"])
        parts = [f"{marked} image{'s' * (marked != 1)} segmented"]
        parts += [f"{before} done before"] * bool(before)
        parts += [f"{result['objects']:,} object{'s' * (result['objects'] != 1)}"] if "objects" in result else []
        parts += [f"each object in {Path(result['measurements']).name}"] * bool(result.get("measurements"))
        parts += [f"{failed} could not be segmented"] * bool(failed)
        text = ", ".join(parts) + "; stopped" * (reason == "canceled")
        self.outcome.setText("\n".join([f"{text}.", *self._shown()]))
        self.outcome.show()
        self._judge()
        above = self.folder.parent
        if (above / NOTE).exists():
            shutil.rmtree(above / IMAGES, ignore_errors=True)
            by = str(result["segmenter"]).split("/")[1] if "/" in str(result["segmenter"]) else "predicted"
            self.background.do(
                lambda: read_predictions(above),
                lambda predictions: show_predictions(self.viewer, predictions, by),
                self._show_error,
            )

    def _failed(self, failed: Failed) -> None:
        self._show_error(replace(failed, found=self._named(failed.found)))
        self._judge()

    def _could_not(self, error: BaseException) -> None:
        self._writing = False
        self._show_error(error)
        self._judge()

    # --- files ---

    def _open_folder(self) -> None:
        if self.folder is not None:
            QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.folder)))

    def _choose_export(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Copy the label images to a folder"):
            self.export(Path(path))

    def export(self, target: Path) -> None:
        """Copy label images, and maps, under the names of their layers or images."""
        source = self.folder
        if source is None:
            return

        def report(number: int) -> None:
            self.outcome.setText(f"{number} file{'s' * (number != 1)} copied to {target}.")
            self.outcome.show()

        self.background.do(lambda: copy_predictions(source, target), report, self._show_error)

    def _guard(self, action: Callable[[], Any]) -> None:
        try:
            action()
        except (UserError, OSError, ValueError) as error:
            self._show_error(error)


def copy_predictions(source: Path, target: Path) -> int:
    """Copy what `predict` wrote to another folder, under the names of the layers; return the number of files.

    Raises
    ------
    UserError
        If a file of that name is there.
    """
    names: dict[str, str] = {}
    if (source.parent / NOTE).exists():
        notes = read_notes(source.parent)
        stems = [file_stem(note.name) for note in notes]
        names = {
            note.stem: name if stems.count(name) == 1 else f"{name}_{note.stem}"
            for note, name in zip(notes, stems, strict=True)
        }
    files = sorted(path for path in source.iterdir() if path.name.endswith((LABELS_ENDING, *MAP_ENDINGS.values())))

    def renamed(text: str) -> str:
        return names.get(text[:3], text[:3]) + text[3:]

    measured = {renamed(image): its for image, its in read_rows(source).items()}
    wanted = [target / renamed(path.name) for path in files]
    for there in [*wanted, target / TABLE] if measured else wanted:
        if there.exists():
            raise UserError(f"{there} exists.", "Expected a folder without it.", "Choose another folder.")
    target.mkdir(parents=True, exist_ok=True)
    for path, there in zip(files, wanted, strict=True):
        shutil.copyfile(path, there)
    if measured:
        write_rows(target, {image: [row | {"image": image} for row in its] for image, its in measured.items()})
    return len(wanted) + bool(measured)
