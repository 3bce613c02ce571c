"""Sources of pairs: a drop area, folder buttons, layers of the viewer, patterns of file names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Image, Labels
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.annotations.reading import SUFFIXES
from napari_organoid_synth.core.pairs.sheet import SHEET_ENDINGS
from napari_organoid_synth.widgets.forms.containers import Fold, rows
from napari_organoid_synth.widgets.shared.controls import add_row, combo_box, wrapping
from napari_organoid_synth.widgets.shared.drop import DropArea, Sources
from napari_organoid_synth.widgets.shared.layer_choice import layer_choice
from napari_organoid_synth.widgets.shared.layer_grid import slice_in_view
from napari_organoid_synth.widgets.shared.layers import has_slices

NAMES = (
    "{name} is what image and mask share, {group} marks images that belong together, {class} is a label of the whole "
    "image, * stands for anything. Empty: automatic."
)


NO_GRADES = "from a table…"
SLICES = {
    "the slice in view": "slice",
    "channels of one image": "channels",
    "brightest (maximum)": "max",
    "mean of all": "mean",
}


class PairSources(QWidget):
    """Take files, folders and layers.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Whose layers can be chosen.

    Signals
    -------
    changed()
        `sources` has changed; pairs can be found in it again.
    layersChosen(Image, Labels)
        Two layers that are a pair.
    failed(UserError)
        The action is impossible.
    """

    changed = Signal()
    layersChosen = Signal(object, object)
    failed = Signal(object)

    def __init__(self, viewer: Any, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.viewer = viewer
        self.sources = Sources()
        self.drop = DropArea("")
        self.drop.pathsDropped.connect(self.add_paths)
        self.drop.layersDropped.connect(self.add_layers)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(8)
        column.addWidget(self.drop)
        self.no_masks = QPushButton("There are no masks")
        self.no_masks.setToolTip(
            "Uses images alone. Generators from noise can learn to draw images from them (draws: images)."
        )
        self.no_masks.clicked.connect(self._do_without_masks)
        self.no_masks.hide()
        column.addWidget(self.no_masks)
        column.addWidget(self._build_buttons())
        column.addWidget(self._build_layers())
        column.addWidget(self._build_names())

    def _build_buttons(self) -> QWidget:
        buttons = []
        for text, tip, action in (
            (
                "Folder…",
                "A folder with both: images/ and masks/, or cell.tif beside cell_masks.tif.",
                self._choose_folder,
            ),
            ("Images…", "The folder of the images.", self._choose_images),
            ("Masks…", "The folder of the masks; choose again for another class.", self._choose_masks),
            (
                "Outlines…",
                "Files of outlines: ImageJ ROIs (.roi, .zip), COCO, labelme or QuPath (.json, .geojson). Each is an "
                "object.",
                self._choose_outlines,
            ),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.setStyleSheet("QPushButton { padding: 4px 6px; }")
            button.clicked.connect(action)
            buttons.append(button)
        return wrapping(*buttons)

    def _build_layers(self) -> Fold:
        self.layers_fold = Fold("From layers")
        form = rows(holder := QWidget())
        self.image_choice, self.mask_choice = layer_choice(Image), layer_choice(Labels)
        add_row(form, "Image", self.image_choice.native, "The layer with the image.")
        add_row(form, "Mask", self.mask_choice.native, "The layer with its labels.")
        self.slices = combo_box()
        for text, use in SLICES.items():
            self.slices.addItem(text, use)
        add_row(form, "Slices", self.slices, "What the slices of a stack are, where the mask is one image.")
        self._layer_form = form
        self.image_choice.changed.connect(self._ask_slices)
        self.add_button = QPushButton("Add this pair")
        self.add_button.setToolTip("Saves image and mask as OME-TIFF in the project and adds them to the table.")
        self.add_button.clicked.connect(self.choose_layers)
        form.addRow(self.add_button)
        self.layers_fold.addWidget(holder)
        return self.layers_fold

    def _build_names(self) -> Fold:
        fold = Fold("File names")
        form = rows(holder := QWidget())
        self.image_pattern, self.mask_pattern = QLineEdit(), QLineEdit()
        self.image_pattern.setPlaceholderText("automatic, or {name}_img.tif")
        self.mask_pattern.setPlaceholderText("automatic, or {name}_masks.tif")
        add_row(form, "Images", self.image_pattern, NAMES)
        add_row(form, "Masks", self.mask_pattern, NAMES)
        for edit in (self.image_pattern, self.mask_pattern):
            edit.editingFinished.connect(self._read_patterns)
        self.grades_button = QPushButton(NO_GRADES)
        add_row(
            form,
            "Classes",
            self.grades_button,
            "A table (CSV) with the name of each image and the class of the whole image, such as a grade.",
        )
        self.grades_button.clicked.connect(self._choose_grades)
        fold.addWidget(holder)
        return fold

    # --- files and folders ---

    def add_paths(self, paths: list[Path]) -> None:
        """Take dropped files and folders."""
        self.sources.add(paths)
        self.grades_button.setText(self.sources.grades.name if self.sources.grades is not None else NO_GRADES)
        self.changed.emit()

    def _choose_folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder of images and masks"):
            self.sources = Sources()
            self.add_paths([Path(path)])

    def _choose_images(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder of the images"):
            self.sources.images = [Path(path)]
            self.changed.emit()

    def _choose_masks(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder of the masks"):
            self.sources.add_masks([Path(path)])
            self.changed.emit()

    def _choose_outlines(self) -> None:
        patterns = " ".join(f"*{suffix}" for suffix in SUFFIXES)
        if paths := QFileDialog.getOpenFileNames(self, "Outlines of the objects", filter=f"Outlines ({patterns})")[0]:
            self.sources.add_masks([Path(path) for path in paths])
            self.changed.emit()

    def _choose_grades(self) -> None:
        filter = f"Tables ({' '.join(f'*{ending}' for ending in SHEET_ENDINGS)})"
        if path := QFileDialog.getOpenFileName(self, "Classes of whole images", filter=filter)[0]:
            self.add_paths([Path(path)])

    def _do_without_masks(self) -> None:
        self.sources.no_masks = True
        self.changed.emit()

    def _read_patterns(self) -> None:
        patterns = self.image_pattern.text().strip(), self.mask_pattern.text().strip()
        if patterns != (self.sources.image_pattern, self.sources.mask_pattern):
            self.sources.image_pattern, self.sources.mask_pattern = patterns
            if self.sources.images:
                self.changed.emit()

    # --- layers ---

    def add_layers(self, layers: list[Any]) -> None:
        """Choose layers dragged from the layer list, and add them when image and mask are there."""
        for layer in layers:
            if not isinstance(layer, Image | Labels):
                self.failed.emit(
                    UserError(
                        f"Layer '{layer.name}' is a layer of {type(layer).__name__.lower()}.",
                        "Expected an image layer and a labels layer.",
                        "For a mask of shapes: right-click the layer in the list, Convert to Labels.",
                    )
                )
                return
            choice = self.mask_choice if isinstance(layer, Labels) else self.image_choice
            choice.reset_choices()
            if layer in choice.choices:
                choice.value = layer
        self.layers_fold.expand()
        if all(any(isinstance(layer, kind) for layer in layers) for kind in (Image, Labels)):
            self.choose_layers()

    def choose_layers(self) -> None:
        """Emit `layersChosen` with the two chosen layers."""
        image, mask = self.image_choice.value, self.mask_choice.value
        if image is not None and mask is not None:
            self.layersChosen.emit(image, mask)
            return
        self.failed.emit(
            UserError(
                f"There is no {'image' if image is None else 'labels'} layer.",
                "Expected an image layer and a labels layer.",
                "Open an image, and draw or open its mask.",
            )
        )

    def planes(self) -> tuple[str, tuple[int, ...]]:
        """Return how the slices of the image layer are used, and the slice in view; empty for a single image."""
        layer = self.image_choice.value
        if layer is None or not has_slices(layer):
            return "", ()
        return str(self.slices.currentData()), slice_in_view(self.viewer, layer)

    def _ask_slices(self, *_: object) -> None:
        layer = self.image_choice.value
        self._layer_form.setRowVisible(self.slices, layer is not None and has_slices(layer))

    def reset_choices(self) -> None:
        """Offer the layers that there are."""
        self.image_choice.reset_choices()
        self.mask_choice.reset_choices()
        self._ask_slices()
