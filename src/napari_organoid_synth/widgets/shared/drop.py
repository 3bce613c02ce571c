"""An area where files, folders and napari layers can be dropped, and the sources that a drop names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFrame, QVBoxLayout, QWidget

from napari_organoid_synth.core.pairs.annotations.reading import is_annotation
from napari_organoid_synth.core.pairs.filenames import IMAGE_FOLDERS, MASK_FOLDERS, is_mask_name, list_files
from napari_organoid_synth.core.pairs.reading.formats import is_folder
from napari_organoid_synth.core.pairs.sheet import SHEET_ENDINGS
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.widgets.shared.text_label import WrapLabel
from napari_organoid_synth.widgets.shared.theme import theme_colour

MAX_LOOKS = 50
"""Folders of single images that are looked into while something is dropped."""
LAYERS = "application/x-list-index"
"""Format of a drag that starts in napari's layer list; the layers themselves are the ``items`` of its MIME object."""


@dataclass
class Sources:
    """Files and folders of images and masks.

    Parameters
    ----------
    images : list of Path
        Folders or files; one folder that contains both when there are no ``masks``.
    masks : dict of str to list of Path
        By class name.
    image_pattern, mask_pattern : str
        As in `find_pairs`.
    no_masks : bool
        Whether a person stated that there are none.
    grades : Path, optional
        Table with the classes of whole images.
    """

    images: list[Path] = field(default_factory=list)
    masks: dict[str, list[Path]] = field(default_factory=dict)
    image_pattern: str = ""
    mask_pattern: str = ""
    no_masks: bool = False
    grades: Path | None = None

    @classmethod
    def of(cls, table: PairTable | None) -> Sources:
        """Return the files of a table, so that masks can be added to its images."""
        sources = cls()
        entries = table.entries if table is not None else ()
        sources.images = [Path(image) for image in dict.fromkeys(entry.image for entry in entries) if image]
        for name in dict.fromkeys(name for entry in entries for name in entry.masks):
            files = dict.fromkeys(entry.masks[name] for entry in entries if name in entry.masks)
            sources.masks[name] = [Path(file) for file in files]
        return sources

    def add(self, paths: Sequence[Path]) -> None:
        """Sort dropped paths: a folder with both replaces all; otherwise the first holds images, the next masks.

        A table (CSV) holds the classes of whole images.
        """
        sheets = [path for path in paths if path.suffix.lower() in SHEET_ENDINGS]
        self.grades = sheets[-1] if sheets else self.grades
        paths = [path for path in paths if path not in sheets]
        if len(paths) == 1 and holds_both(paths[0]):
            self.images, self.masks = [paths[0]], {}
            return
        if len(self.images) == 1 and holds_both(self.images[0]):
            self.images, self.masks = [], {}
        # several things at once: those named like masks are masks
        for path in sorted(paths, key=looks_like_mask):
            if looks_like_mask(path) or (path.is_dir() and self.images):
                self.add_masks([path])
            else:
                self.images.append(path)

    def add_masks(self, paths: Sequence[Path]) -> None:
        """Add masks: each folder is a class, files are one class."""
        self.no_masks = False
        for path in paths:
            name = path.name if is_folder(path) else "object"
            self.masks.setdefault(name, [])
            if path not in self.masks[name]:
                self.masks[name].append(path)

    def find(self, planes: str = "") -> PairTable:
        """Match by name, without `grades`; ``planes`` as in `find_pairs`. Reads folders: call it in a worker thread."""
        from napari_organoid_synth.core.pairs.loading import find_pairs

        masks: Any = {name: files[0] if len(files) == 1 else files for name, files in self.masks.items()} or None
        only = next(iter(masks.values())) if masks and len(masks) == 1 else None
        if list(self.masks) == ["object"] or (isinstance(only, Path) and only.is_dir() and not list_files(only)):
            masks = only  # files, or a folder with a folder for each class
        images: Any = self.images[0] if len(self.images) == 1 else self.images
        return find_pairs(images, masks, self.image_pattern, self.mask_pattern, self.no_masks, planes)

    @property
    def name(self) -> str:
        """The name of a project made from these files."""
        if not self.images:
            return "project"
        first = self.images[0]
        folder = first if first.is_dir() else first.parent
        return folder.parent.name if folder.name.lower() in IMAGE_FOLDERS else folder.name


def holds_both(path: Path) -> bool:
    """Return whether a folder contains a folder of images and one of masks, itself or in a folder for each image."""
    if not path.is_dir():
        return False
    folders = [below for below in path.iterdir() if below.is_dir()]
    return _has_both(folders) or any(
        _has_both([below for below in folder.iterdir() if below.is_dir()]) for folder in folders[:MAX_LOOKS]
    )


def _has_both(folders: Sequence[Path]) -> bool:
    names = {folder.name.lower() for folder in folders}
    return bool(names & set(IMAGE_FOLDERS)) and bool(names & set(MASK_FOLDERS))


def looks_like_mask(path: Path) -> bool:
    """Return whether a file or folder is named like masks."""
    is_named = is_annotation(path) or is_mask_name(path)
    return is_named or path.name.lower() in MASK_FOLDERS or path.parent.name.lower() in MASK_FOLDERS


class DropArea(QFrame):
    """A framed sentence that takes drops.

    Signals
    -------
    pathsDropped(list of Path)
    layersDropped(list of napari layers)
    """

    pathsDropped = Signal(list)
    layersDropped = Signal(list)

    def __init__(self, sentence: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self.setAccessibleName("Drop images and masks here")
        self.setMinimumHeight(40)
        self.setObjectName("dropArea")
        layout = QVBoxLayout(self)
        self.label = WrapLabel(sentence)
        self.label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction)  # a drop goes through to the frame
        self.label.setAlignment(Qt.AlignmentFlag.AlignCenter)
        layout.addWidget(self.label)
        self._light(False)

    def _light(self, on: bool) -> None:
        width, colour = (2, theme_colour("text")) if on else (1, theme_colour("highlight"))
        self.setStyleSheet(
            f"QFrame#dropArea {{ border: {width}px dashed {colour}; border-radius: 4px; margin: {2 - width}px; }}"
        )

    def dragEnterEvent(self, event: Any) -> None:
        """Highlight the frame for files and layers."""
        mime = event.mimeData()
        if mime.hasUrls() or getattr(mime, "items", None):
            event.setDropAction(Qt.DropAction.CopyAction)
            event.accept()
            self._light(True)

    def dragMoveEvent(self, event: Any) -> None:
        """Stay accepted; a layer is used, not moved out of its list."""
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()

    def dragLeaveEvent(self, event: Any) -> None:
        """End the highlight."""
        self._light(False)

    def dropEvent(self, event: Any) -> None:
        """Emit the dropped files or layers."""
        self._light(False)
        mime = event.mimeData()
        event.setDropAction(Qt.DropAction.CopyAction)
        event.accept()
        paths = [Path(url.toLocalFile()) for url in mime.urls() if url.isLocalFile()]
        if paths:
            self.pathsDropped.emit(paths)
        elif mime.hasFormat(LAYERS) and getattr(mime, "items", None):
            self.layersDropped.emit(list(mime.items))


def dropped_files(event: Any) -> list[Path]:
    """Return the local files and folders of a drag."""
    data = event.mimeData() if event is not None else None
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()] if data is not None else []


def are_models(paths: Sequence[Path]) -> bool:
    """Return whether these are model files, at least one, by their names."""
    from napari_organoid_synth.core.runs.model_file import SUFFIX

    return bool(paths) and all(path.suffix.lower() == SUFFIX for path in paths)
