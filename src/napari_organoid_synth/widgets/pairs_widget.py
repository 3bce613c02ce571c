"""The dock Pairs: bring images and masks together and see what is wrong before anything runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray
from qtpy.QtCore import QSize, Qt
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import (
    QCheckBox,
    QComboBox,
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pair import MASK_KINDS, MaskKind, SamplePair
from napari_organoid_synth.core.pair_table import PairTable, split_table
from napari_organoid_synth.core.recipe import TileSettings
from napari_organoid_synth.core.tiling import TileGrid
from napari_organoid_synth.widgets._cards import EmptyCard, ErrorCard, PrimaryButton, WrapLabel
from napari_organoid_synth.widgets._drop import DropArea, Sources
from napari_organoid_synth.widgets._examine import Examined, Step, cropped, examine, read_pair_of, simulated
from napari_organoid_synth.widgets._form import Fold, ManyEdit, guard_wheel
from napari_organoid_synth.widgets._layers import pair_from_layers, show_pair
from napari_organoid_synth.widgets._menus import settle
from napari_organoid_synth.widgets._pair_model import SKIPPED, PairModel, PairView, can_crop, describe, skipped
from napari_organoid_synth.widgets._workspace import Workspace, add_recent_buttons, choose_project, short

if TYPE_CHECKING:
    import napari

GRID = "tile grid"
PICTURE = 84


class PairsWidget(QWidget):
    """Match, check and look at the real pairs of a project.

    Parameters
    ----------
    viewer : napari.viewer.Viewer
        Pairs that are clicked open in it as layers.
    """

    def __init__(self, viewer: napari.viewer.Viewer) -> None:
        super().__init__()
        self.viewer = viewer
        self.workspace = Workspace.of(viewer)
        self.sources = Sources()
        self._left = threading.Event()
        self._worker: Any = None
        self._classes: dict[str, list[Path]] = {}
        self._missing = ""  # what still has to be dropped, in words
        self._build()
        self.workspace.projectChanged.connect(self._show_project)
        self.workspace.pairsChanged.connect(self._show_table)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed, viewer.layers.events.reordered):
            event.connect(self._list_layers)
        self._list_layers()
        self._show_project()
        self._show_table(self.workspace.pairs)

    # --- build, top to bottom ---

    def _build(self) -> None:
        self.setMinimumWidth(320)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(6, 6, 6, 6)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inside = QWidget()
        column = QVBoxLayout(inside)
        column.setContentsMargins(0, 0, 4, 0)
        column.setSpacing(8)
        scroll.setWidget(inside)
        outer.addWidget(scroll)

        self.empty = EmptyCard(
            "Real images with their masks are what everything else learns from. Five are a start, twenty are good.",
            {"Try with sample data": self.try_sample_data},
        )
        self.empty.buttons[0].setToolTip(f"Simulates {12} images of electron microscopy with mitochondria masks.")
        self.recent = add_recent_buttons(self.empty, self.workspace, self._fail)
        column.addWidget(self.empty)
        project = QHBoxLayout()
        self.project_label = WrapLabel()
        self.project_button = QPushButton("Change…")
        self.project_button.setToolTip("Open another project, or choose an empty folder to make one.")
        self.project_button.clicked.connect(self._choose_project)
        project.addWidget(self.project_label, 1)
        project.addWidget(self.project_button)
        column.addLayout(project)

        self.drop = DropArea("")
        column.addWidget(self.drop)
        choose = QHBoxLayout()
        for text, tip, action in (
            (
                "Folder…",
                "A folder that holds both: images/ and masks/, or cell.tif beside cell_masks.tif.",
                self._folder,
            ),
            ("Images…", "The folder of the images.", self._images),
            ("Masks…", "The folder of the masks; once more for a further class.", self._masks),
        ):
            button = QPushButton(text)
            button.setToolTip(tip)
            button.clicked.connect(action)
            choose.addWidget(button)
        column.addLayout(choose)
        column.addWidget(self._build_layers())
        column.addWidget(self._build_names())
        self.error = ErrorCard()
        column.addWidget(self.error)

        self.found = QWidget()
        table = QVBoxLayout(self.found)
        table.setContentsMargins(0, 0, 0, 0)
        self.summary = WrapLabel()
        table.addWidget(self.summary)
        self.classes = QVBoxLayout()
        table.addLayout(self.classes)
        self.class_boxes: ManyEdit | None = None
        self.pictures = QHBoxLayout()
        self.pictures.setSpacing(4)
        self.picture_buttons: list[QToolButton] = []
        table.addLayout(self.pictures)
        self.model = PairModel(self)
        self.view = PairView(self.model)
        table.addWidget(self.view)
        self.detail = WrapLabel()
        table.addWidget(self.detail)
        actions = QHBoxLayout()
        self.skip_button, self.crop_button, self.test_button = QPushButton("Skip"), QPushButton("Crop"), QPushButton()
        self.skip_button.setToolTip("Leaves the selected pairs out; press again to take them back.")
        self.crop_button.setToolTip("Saves a copy in the project, cut to the size that image and mask both have.")
        self.test_button.setToolTip("Test pairs are never learned from; they measure the gain at the end.")
        for button, action in (
            (self.skip_button, self._skip),
            (self.crop_button, self._crop),
            (self.test_button, self._test),
        ):
            button.clicked.connect(action)
            actions.addWidget(button)
        table.addLayout(actions)
        kind = QFormLayout()
        self.kind = QComboBox()
        self.kind.setAccessibleName("What the masks mean")
        self.kind.setToolTip(
            "binary: object or not. classes: a name for each value. instances: each object has a number of its own."
        )
        self.kind.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.kind.addItem("detected", None)
        for name in MASK_KINDS:
            self.kind.addItem(name, name)
        guard_wheel(self.kind)
        kind.addRow("Masks are", self.kind)
        table.addLayout(kind)
        self.grid = QCheckBox("Show the tile grid")
        self.grid.setToolTip("Draws the tiles that the generator will see on the image that is open.")
        table.addWidget(self.grid)
        column.addWidget(self.found)
        column.addStretch(1)

        self.busy = QWidget()
        busy = QHBoxLayout(self.busy)
        busy.setContentsMargins(0, 0, 0, 0)
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Pairs read")
        self.cancel_button = QPushButton("Cancel")
        self.cancel_button.clicked.connect(self.cancel)
        busy.addWidget(self.bar, 1)
        busy.addWidget(self.cancel_button)
        outer.addWidget(self.busy)
        self.verdict = WrapLabel()
        outer.addWidget(self.verdict)
        self.check = PrimaryButton("Check pairs")
        self.check.setToolTip("Reads every pair once, counts objects and tiles, and finds what is wrong.")
        outer.addWidget(self.check)
        self.busy.hide()

        self.drop.pathsDropped.connect(self.add_paths)
        self.drop.layersDropped.connect(self.add_layers)
        self.view.selectionModel().selectionChanged.connect(self._show_row)
        self.view.doubleClicked.connect(lambda index: self.open_pair(self.model.entry(index.row()).name))
        self.kind.activated.connect(lambda _: self.run_check())
        self.grid.toggled.connect(self._show_grid)
        self.check.clicked.connect(self.run_check)

    def _build_layers(self) -> Fold:
        fold = self.layers_fold = Fold("From layers")
        holder = QWidget()
        form = QFormLayout(holder)
        form.setContentsMargins(0, 0, 0, 0)
        self.image_combo, self.mask_combo = QComboBox(), QComboBox()
        for combo, name in ((self.image_combo, "Image"), (self.mask_combo, "Mask")):
            combo.setAccessibleName(f"{name} layer")
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            guard_wheel(combo)
            form.addRow(name, combo)
        self.add_button = QPushButton("Add this pair")
        self.add_button.setToolTip("Saves image and mask as OME-TIFF in the project and adds them to the table.")
        self.add_button.clicked.connect(self.add_from_layers)
        form.addRow(self.add_button)
        fold.addWidget(holder)
        return fold

    def _build_names(self) -> Fold:
        fold = Fold("File names")
        holder = QWidget()
        form = QFormLayout(holder)
        form.setContentsMargins(0, 0, 0, 0)
        self.image_pattern, self.mask_pattern = QLineEdit(), QLineEdit()
        for edit, name, example in (
            (self.image_pattern, "Image", "{name}_img.tif"),
            (self.mask_pattern, "Mask", "{name}_masks.tif"),
        ):
            edit.setPlaceholderText(f"automatic, or {example}")
            edit.setAccessibleName(f"Pattern of {name.lower()} names")
            edit.setToolTip(
                "{name} is what image and mask share, {group} marks images that belong together, {class} is a label of "
                "the whole image, * is anything. Empty: found automatically."
            )
            edit.editingFinished.connect(self._pattern_edited)
            form.addRow(name, edit)
        fold.addWidget(holder)
        return fold

    def showEvent(self, event: Any) -> None:
        """Become a tab beside the other docks."""
        super().showEvent(event)
        settle(self)

    # --- what comes in ---

    def add_paths(self, paths: list[Path]) -> None:
        """Take dropped files and folders."""
        self.sources.add(paths)
        self._find()

    def add_layers(self, layers: list[Any]) -> None:
        """Take layers dragged from the layer list: choose them, and add them when image and mask are there."""
        for layer in layers:
            combo = self.mask_combo if isinstance(layer, Labels) else self.image_combo
            combo.setCurrentText(layer.name)
        self.layers_fold.expand()
        if all(any(isinstance(layer, kind) for layer in layers) for kind in (Image, Labels)):
            self.add_from_layers()

    def add_from_layers(self) -> None:
        """Save the chosen layers as a pair of the project."""
        names = self.image_combo.currentText(), self.mask_combo.currentText()
        if not all(names):
            self._fail(
                UserError(
                    f"There is no {'image' if not names[0] else 'labels'} layer.",
                    "Expected an image layer and a labels layer.",
                    "Open an image, and draw or open its mask.",
                )
            )
            return
        try:
            pair = pair_from_layers(self.viewer.layers[names[0]], self.viewer.layers[names[1]])
            project = self.workspace.ensure_project("drawn pairs")
        except UserError as error:
            self._fail(error)
            return

        def save() -> Iterator[Step]:
            from napari_organoid_synth.core.pairing import save_layers_pair

            yield 0, 1
            try:
                save_layers_pair(
                    project,
                    pair.name,
                    pair.image,
                    pair.labels,
                    pair.pixel_size,
                    channel_names=pair.channel_names,
                    image_class=pair.image_class,
                    source="real" if pair.source.kind == "real" else "drawn",
                )
            except UserError as error:
                yield error
                return
            yield from examine(PairTable.from_file(project.pairs_path), None, self._tiles(), self._left)

        self._run(save)

    def try_sample_data(self) -> None:
        """Simulate a small set in a new project, so that everything can be tried at once."""
        project = self.workspace.ensure_project("sample data")
        self._run(simulated, project, "em", self._new_left())

    def _folder(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder of images and masks"):
            self.sources = Sources()
            self.add_paths([Path(path)])

    def _images(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder of the images"):
            self.sources.images = [Path(path)]
            self._find()

    def _masks(self) -> None:
        if path := QFileDialog.getExistingDirectory(self, "Folder of the masks"):
            self.sources.add_masks([Path(path)])
            self._find()

    def _pattern_edited(self) -> None:
        patterns = self.image_pattern.text().strip(), self.mask_pattern.text().strip()
        if patterns != (self.sources.image_pattern, self.sources.mask_pattern):
            self.sources.image_pattern, self.sources.mask_pattern = patterns
            if self.sources.images:
                self._find()

    def _find(self) -> None:
        if not self.sources.images:
            self._show_table(self.workspace.pairs)
            return
        self.workspace.ensure_project(self.sources.name)
        self._run(examine, self.sources, None, self._tiles(), self._new_left())

    # --- check, in a worker ---

    def run_check(self) -> None:
        """Read every pair again, as the masks are said to be."""
        table = self.workspace.pairs
        if table is not None and table.entries:
            self._run(examine, table, self._chosen_kind(), self._tiles(), self._new_left())

    def cancel(self) -> None:
        """Stop reading; the table stays as it was."""
        self._left.set()
        self._done()

    def _new_left(self) -> threading.Event:
        self._left.set()
        self._left = threading.Event()
        return self._left

    def _run(self, function: Callable[..., Iterator[Step]], *arguments: Any) -> None:
        from napari.qt.threading import create_worker

        self.error.hide()
        self._missing = ""
        left = self._left if self._left in arguments else self._new_left()
        worker: Any = create_worker(
            function, *arguments, _start_thread=False, _progress={"desc": "reading pairs"}, _ignore_errors=True
        )
        worker.yielded.connect(lambda step: self._take(step, left))
        worker.errored.connect(self._fail)
        worker.finished.connect(lambda: self._done() if left is self._left else None)
        self._worker = worker
        self.busy.show()
        self.empty.hide()
        self.bar.setRange(0, 0)
        self.check.setEnabled(False)
        self.verdict.setText("Reading…")
        worker.start()

    def _take(self, step: Step, left: threading.Event) -> None:
        if left is not self._left or left.is_set():
            return
        if isinstance(step, tuple):
            self.bar.setRange(0, step[1])
            self.bar.setValue(step[0])
        elif isinstance(step, UserError):
            self._refuse(step)
        else:
            self._show_examined(step)

    def _refuse(self, error: UserError) -> None:
        """A first folder without masks is no error: the masks are still to come."""
        if self.sources.images and not self.sources.masks and "no masks" in error.found:
            self._missing = f"{error.found} Now drop the folder of the masks here; several folders become classes."
        else:
            self._fail(error)

    def _done(self) -> None:
        self.busy.hide()
        self._worker = None
        self._refresh()

    def _show_examined(self, found: Examined) -> None:
        self.workspace.setPairs(found.table)
        self._show_pictures(found.overlays)
        pairs, test = len(found.table.matched), len(found.table.test)
        if found.tiles:
            split = f" to train, {test} to test" if test else ""
            pairs -= test
            self.verdict.setText(f"Ready: {pairs} pair{'s' * (pairs != 1)}{split}, {found.tiles:,} tiles")
        elif pairs:
            self.verdict.setText(f"✕ No tile can be used. {found.problem}")
        else:
            self.verdict.setText("✕ No image has a mask yet.")

    def _fail(self, error: BaseException) -> None:
        self.error.show_error(error)
        self.verdict.setText("")

    # --- states ---

    def _show_project(self, _: object = None) -> None:
        project = self.workspace.project
        self.project_label.setText(f"Project: {short(project.path.name, 30)}" if project is not None else "")
        self.project_label.setToolTip(str(project.path) if project is not None else "")
        self.project_label.setVisible(project is not None)
        self.project_button.setVisible(project is not None)
        self.recent()
        self.cancel()
        self._show_pictures([])
        self.error.hide()
        self._missing = ""
        self.verdict.setText("")

    def _show_table(self, table: PairTable | None) -> None:
        rows = self.view.rows()
        self.model.setTable(table)
        if table is not None and table.entries:
            self.view.selectRow(rows[0] if rows and rows[0] < len(table.entries) else self.model.first_problem())
            self.summary.setText(table.summary())
            self.kind.setItemText(0, f"{table.mask_kind} (detected)" if table.mask_kind else "detected")
            if table.kind_reason == "chosen by hand":
                self.kind.setItemText(0, "detect again")
                self.kind.setCurrentIndex(max(self.kind.findData(table.mask_kind), 0))
            else:
                self.kind.setCurrentIndex(0)
            self.view.setFixedHeight(min(184, 30 + 22 * max(3, len(table.entries))))
        self._show_classes(table)
        self._refresh()

    def _show_classes(self, table: PairTable | None) -> None:
        """Check boxes when an image has several masks."""
        entries = table.entries if table is not None else ()
        named: dict[str, list[Path]] = {}
        for entry in entries:
            for name, path in entry.masks.items():
                named.setdefault(name, []).append(Path(path))
        if set(named) <= set(self._classes) and len(self._classes) > 1 and entries and self.class_boxes is not None:
            return  # some of the known ones are chosen
        self._classes = named
        if self.class_boxes is not None:
            self.class_boxes.deleteLater()
            self.class_boxes = None
        if len(named) > 1:
            self.class_boxes = ManyEdit(list(named))
            self.class_boxes.put(list(named))
            self.class_boxes.setToolTip("Which masks to use; each is a class. One alone makes a plain mask.")
            self.class_boxes.changed.connect(self._choose_classes)
            self.classes.addWidget(self.class_boxes)

    def _choose_classes(self) -> None:
        assert self.class_boxes is not None
        chosen = self.class_boxes.get()
        table = self.workspace.pairs
        if not chosen or table is None:
            return
        sources = Sources(
            [Path(entry.image) for entry in table.entries if entry.image],
            {name: self._classes[name] for name in chosen},
            self.sources.image_pattern,
            self.sources.mask_pattern,
        )
        self._run(examine, sources, None, self._tiles(), self._new_left())

    def _refresh(self) -> None:
        table = self.workspace.pairs
        filled = table is not None and bool(table.entries)
        self.empty.setVisible(not filled and self._worker is None)
        self.found.setVisible(filled)
        self.check.setEnabled(filled and self._worker is None)
        invitation = "Drop more here" if filled else "Drop images, masks or a folder with both here"
        self.drop.label.setText(self._missing or invitation)
        self.verdict.setVisible(bool(self.verdict.text()) or not filled)
        if not filled and self._worker is None:
            self.verdict.setText("Nothing to check yet: bring images and masks first.")
        elif filled and self.verdict.text().startswith("Nothing to check"):
            self.verdict.setText("")
            self.verdict.hide()
        self._show_row()

    def _show_row(self, *_: object) -> None:
        entries = [self.model.entry(row) for row in self.view.rows()]
        self.detail.setText(describe(entries[0]) if len(entries) == 1 else f"{len(entries)} pairs selected.")
        usable = [entry for entry in entries if entry.status == "matched" or skipped(entry)]
        self.skip_button.setEnabled(bool(usable))
        self.skip_button.setText("Use again" if usable and all(map(skipped, usable)) else "Skip")
        self.crop_button.setVisible(any(map(can_crop, entries)))
        matched = [entry for entry in entries if entry.status == "matched"]
        self.test_button.setEnabled(bool(matched))
        testing = bool(matched) and all(entry.split == "test" for entry in matched)
        self.test_button.setText("Use for training" if testing else "Use for testing")

    # --- rows ---

    def _selected(self) -> list[str]:
        return [self.model.entry(row).name for row in self.view.rows()]

    def _skip(self) -> None:
        table = self.workspace.pairs
        assert table is not None
        names, back = set(self._selected()), self.skip_button.text() == "Use again"
        entries = tuple(
            entry
            if entry.name not in names or (skipped(entry) != back)
            else entry.replace(status="matched", reason="")
            if back
            else entry.replace(status="ambiguous", reason=SKIPPED)
            if entry.status == "matched"
            else entry
            for entry in table.entries
        )
        self._change(table.replace(entries=entries))

    def _test(self) -> None:
        table = self.workspace.pairs
        assert table is not None
        names = set(self._selected())
        test = {entry.name for entry in table.test}
        test = test - names if self.test_button.text() == "Use for training" else test | names
        try:
            self._change(split_table(table, sorted(test & {entry.name for entry in table.matched})))
        except UserError as error:
            self._fail(error)

    def _crop(self) -> None:
        table, project = self.workspace.pairs, self.workspace.project
        if table is None or project is None:
            return
        entries = [entry for name in self._selected() if can_crop(entry := table.entry(name))]
        self._run(cropped, project, entries, self._new_left())

    def _change(self, table: PairTable) -> None:
        self.verdict.setText("")
        self.workspace.setPairs(table)

    # --- pictures and layers ---

    def _show_pictures(self, pictures: list[tuple[str, NDArray[np.uint8]]]) -> None:
        for button in self.picture_buttons:
            button.deleteLater()
        self.picture_buttons = []
        for name, picture in pictures:
            height, width = picture.shape[:2]
            image = QImage(
                np.ascontiguousarray(picture).tobytes(), width, height, 3 * width, QImage.Format.Format_RGB888
            )
            button = QToolButton()
            button.setIcon(QIcon(QPixmap.fromImage(image)))
            button.setIconSize(QSize(PICTURE, PICTURE))
            button.setToolTip(f"{name}\nClick to open image and mask as layers.")
            button.setAccessibleName(f"Open {name}")
            button.clicked.connect(lambda _=False, name=name: self.open_pair(name))
            self.pictures.addWidget(button)
            self.picture_buttons.append(button)

    def open_pair(self, name: str) -> None:
        """Open image and mask of a pair as layers; read in a worker."""
        from napari.qt.threading import create_worker

        table = self.workspace.pairs
        if table is None or name in self.viewer.layers:
            return
        worker: Any = create_worker(read_pair_of, table, name, _start_thread=False, _ignore_errors=True)
        worker.returned.connect(self._show_layers)
        worker.errored.connect(self._fail)
        worker.start()

    def _show_layers(self, pair: SamplePair) -> None:
        image, _ = show_pair(self.viewer, pair)
        self.viewer.layers.selection.active = image
        if self.grid.isChecked():
            self._show_grid(True)

    def _show_grid(self, shown: bool) -> None:
        """Draw the tiles on the image that is open, as the Shapes layer "tile grid"."""
        if GRID in self.viewer.layers:
            self.viewer.layers.remove(GRID)
        table = self.workspace.pairs
        if not shown or table is None:
            return
        entries = {entry.name: entry for entry in table.matched}
        opened = [layer.name for layer in reversed(self.viewer.layers) if layer.name in entries]
        if not opened:
            if entries:
                self.open_pair(next(iter(entries)))  # comes back here when it is read
            return
        entry = entries[opened[0]]
        assert entry.shape is not None
        tiles = self._tiles()
        grid = TileGrid(entry.shape[1:], tiles.size, tiles.overlap)
        side = tiles.size
        boxes = [[[y, x], [y, x + side], [y + side, x + side], [y + side, x]] for y, x in grid.boxes]
        layer = self.viewer.layers[opened[0]]
        self.viewer.add_shapes(
            np.asarray(boxes, dtype=float),
            shape_type="rectangle",
            name=GRID,
            edge_width=max(1.0, side / 128),
            edge_color="white",
            face_color="transparent",
            opacity=0.6,
            scale=layer.scale[-2:],
            translate=layer.translate[-2:],
            units=layer.units[-2:],
        )

    def _list_layers(self, _: object = None) -> None:
        for combo, kind in ((self.image_combo, Image), (self.mask_combo, Labels)):
            chosen = combo.currentText()
            combo.clear()
            combo.addItems([layer.name for layer in reversed(self.viewer.layers) if isinstance(layer, kind)])
            combo.setCurrentText(chosen)

    # --- choices ---

    def _chosen_kind(self) -> MaskKind | None:
        kind: MaskKind | None = self.kind.currentData()
        return kind

    def _tiles(self) -> TileSettings:
        """The tile settings of the dock Train, or the defaults."""
        try:
            return TileSettings.parse(self.workspace.remembered("train").get("tiles", {}))
        except UserError:
            return TileSettings()

    def _choose_project(self) -> None:
        try:
            choose_project(self.workspace, self)
        except UserError as error:
            self._fail(error)
