"""Write the pairs of an export in all layouts, then read every file back and compare it."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth import __version__
from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.layout import SetDescription
from napari_organoid_synth.core.export.layouts import LAYOUTS, check_uniform, reads_back, write_file
from napari_organoid_synth.core.export.manifest import (
    MANIFEST,
    ExportedCopies,
    ExportedFile,
    ExportedPair,
    Manifest,
    Split,
)
from napari_organoid_synth.core.export.selection import Item, Selection
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.pairs import ome_tiff
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.quantities import plural

SPLIT_BY = "real image"
OME_LABELS = "As in the project, with provenance, scores and verdict in the OME annotations."


class SetWriter:
    """Write pairs one by one, then the texts and the manifest.

    Parameters
    ----------
    folder : Path
        Exists and is empty.
    project : Project
    settings : ExportSettings
    """

    def __init__(self, folder: Path, project: Project, settings: ExportSettings) -> None:
        self.folder, self.project, self.settings = folder, project, settings
        self.layouts = [LAYOUTS[name] for name in settings.formats if name != "ome-tiff"]
        self.pairs: list[ExportedPair] = []
        self.remarks: tuple[str, ...] = ()
        self._entries: dict[str, list[tuple[str, Any]]] = {layout.name: [] for layout in self.layouts}
        self._first: SamplePair | None = None
        self._first_traits = ("", "")

    def add(self, item: Item, pair: SamplePair, split: Split) -> None:
        """Write one pair in all layouts.

        Raises
        ------
        UserError
            If a file reads back different, or a layout cannot contain this pair beside the first.
        """
        files: list[ExportedFile] = []
        for name in self.settings.formats:
            files += self._write_ome_tiff(pair, split) if name == "ome-tiff" else self._write(name, pair, split)
        self.pairs.append(_describe(item, pair, split, files))
        traits = (item.name, _traits(pair))
        if self._first is None:
            self._first, self._first_traits = pair, traits
        for layout in self.layouts:
            check_uniform(layout, [self._first_traits, traits])

    def _write_ome_tiff(self, pair: SamplePair, split: Split) -> list[ExportedFile]:
        """Write a pair; test pairs into a folder of their own, so that nobody trains on them by accident."""
        paths = ome_tiff.write_pair(self.folder / "ome-tiff" / ("test" if split == "test" else ""), pair)
        _require(_equal(ome_tiff.read_pair(paths[0]), pair), paths[0])
        return [self._file(path, "ome-tiff", role) for path, role in zip(paths, ("image", "labels"), strict=True)]

    def _write(self, name: str, pair: SamplePair, split: Split) -> list[ExportedFile]:
        layout, files = LAYOUTS[name], []
        folder = self.folder / layout.root(self.project.path.name)
        for file in layout.files(pair, split):
            path = write_file(folder, file, pair)
            _require(reads_back(folder, file), path)
            files.append(self._file(path, name, file.role))
        self._entries[name].append((split, layout.entry(pair, split)))
        return files

    def finish(self, selection: Selection) -> None:
        """Write the texts of the layouts, the settings, the recipes of the runs, and the manifest."""
        copies = None
        if selection.copies:
            copies = ExportedCopies(reason=self.settings.copies.strip(), samples=selection.copies)
        documents = tuple(self._write_documents())
        manifest = Manifest(
            software=f"napari-organoid-synth {__version__}",
            created=time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            project=self.project.path.name,
            settings=self.settings,
            labels={
                name: OME_LABELS if name == "ome-tiff" else LAYOUTS[name].labels_note for name in self.settings.formats
            },
            split_by=SPLIT_BY,
            skipped_copies=tuple(selection.skipped_copies),
            skipped_tests=tuple(selection.skipped_tests),
            remarks=self.remarks,
            samples=tuple(self.pairs),
            documents=documents,
            copies=copies,
        )
        text, path = manifest.to_json(), self.folder / MANIFEST
        write_text(path, text)
        _require(path.read_text(encoding="utf-8") == text, path)

    def _write_documents(self) -> list[ExportedFile]:
        assert self._first is not None  # there is at least one pair
        channels = self._first.channel_names or tuple(f"channel {index}" for index in range(len(self._first.image)))
        description = SetDescription(
            project=self.project.path.name,
            n_train=sum(pair.split == "train" for pair in self.pairs),
            channel_names=channels,
            is_rgb=self._first.is_rgb,
            mask_kind=self._first.mask_kind,
            class_names=self._first.class_names,
        )
        texts = {"export.yaml": self.settings.to_yaml()}
        for layout in self.layouts:
            root = layout.root(self.project.path.name)
            for folder in layout.folders:
                (self.folder / root / folder).mkdir(parents=True, exist_ok=True)
            described = replace(description, entries=tuple(self._entries[layout.name]))
            self.remarks += layout.remarks(described)
            texts |= {f"{root}/{path}": text for path, text in layout.documents(described).items()}
        for run in sorted({pair.run for pair in self.pairs if pair.run}):
            recipe = self.project.path / "runs" / Path(run).name / "recipe.yaml"  # a name from the database, not a path
            if recipe.exists():
                texts[f"recipes/{file_stem(run)}.yaml"] = recipe.read_text(encoding="utf-8")
        for path, text in texts.items():
            write_text(self.folder / path, text)
        return [self._file(self.folder / path, "", "text") for path in texts]

    def _file(self, path: Path, layout: str, role: str) -> ExportedFile:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return ExportedFile(path=path.relative_to(self.folder).as_posix(), sha256=digest, layout=layout, role=role)


def _describe(item: Item, pair: SamplePair, split: Split, files: list[ExportedFile]) -> ExportedPair:
    """Return the entry of a pair in the manifest."""
    row = item.row
    return ExportedPair(
        name=item.name,
        split=split,
        synthetic=pair.source.kind in ("synthetic", "simulated"),
        source=pair.source.kind,
        verdict=row.verdict if row else None,
        scores=row.scores if row else {},
        note=row.note if row else "",
        flagged=row.flagged if row else "",
        run=row.run if row else "",
        size=pair.size,
        channels=pair.channel_names or len(pair.image),
        dtype=pair.image.dtype.name,
        pixel_size=pair.pixel_size,
        mask_kind=pair.mask_kind,
        class_names=pair.class_names,
        image_class=pair.image_class,
        n_objects=pair.n_objects,
        pixels=content_hash(pair.image, pair.labels),
        provenance=pair.source.provenance,
        source_files=tuple(Path(file).name for file in pair.source.files),
        files=tuple(files),
    )


def _traits(pair: SamplePair) -> str:
    """Describe channels and classes of a pair, to compare it with another."""
    channels = "RGB" if pair.is_rgb else plural(len(pair.image), "channel")
    return f"{channels}, classes {', '.join(pair.class_names) if pair.mask_kind == 'classes' else '1'}"


def _equal(one: SamplePair, other: SamplePair) -> bool:
    """Return whether two pairs agree in every field."""
    fields = ("name", "mask_kind", "class_names", "channel_names", "image_class", "source")
    sizes = (one.pixel_size, other.pixel_size)
    return (
        one.image.dtype == other.image.dtype
        and np.array_equal(one.image, other.image, equal_nan=other.image.dtype.kind == "f")
        and np.array_equal(one.labels, other.labels)
        and (sizes[0] == sizes[1] or (None not in sizes and np.allclose(*sizes)))  # type: ignore[arg-type]
        and all(_as_json(getattr(one, name)) == _as_json(getattr(other, name)) for name in fields)
    )


def _as_json(value: Any) -> str:
    return json.dumps(value, default=asdict, sort_keys=True)


def _require(is_equal: bool, path: Path) -> None:
    """Raise `UserError` if a file did not read back equal."""
    if not is_equal:
        raise UserError(
            f"{path.name} reads back different from what was written.",
            "Nothing was exported.",
            "Check the disk, then export again.",
        )
