"""The project that adapting makes: its files, and how an earlier one is found again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.adapt.settings import AdaptSettings
from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.pairs.loading import check_pairs, read_entry
from napari_organoid_synth.core.pairs.ome_tiff import pair_paths, write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.table import OBJECT, PairEntry, PairTable, Split
from napari_organoid_synth.core.plain_values import read_object, reason
from napari_organoid_synth.core.project import Project, file_stem

FOLDER = "adapted"
SETTINGS = "adapt.yaml"
SOURCE, UNMATCHED, PREDICTED, PAIRS, TEST = "source", "unmatched", "predicted", "pairs", "test"
"""Folders: matched source pairs, the same in their own tones, predictions of whole images, sure squares of them,
annotated images to test."""
COMPUTING = {"device", "threads", "folder"}
"""Settings that leave the result alone."""


class Place:
    """A project of the target, in which each step leaves a file and is not done twice.

    Parameters
    ----------
    project : Project
    """

    def __init__(self, project: Project) -> None:
        self.project, self.path = project, project.path

    @classmethod
    def of(cls, source: Project, settings: AdaptSettings) -> Place:
        """Open the project for these settings: the one that was begun with the same, else a new one.

        Raises
        ------
        UserError
            If no image is named, or the named folder was begun with other settings.
        """
        if not settings.target:
            raise UserError(
                "No images of the target are named.", "Expected a folder of images without masks.", "Name it as target."
            )
        if settings.folder:
            path = Path(settings.folder).expanduser()
            if (path / SETTINGS).exists() and not _same(path, settings):
                raise UserError(
                    f"{path} was begun with other settings.",
                    "Expected the same ones, or a new folder.",
                    "Name another.",
                )
            return cls._begin(path, settings)
        stem = file_stem(Path(settings.target[0]).expanduser().resolve().stem)
        number = 1
        while True:
            path = source.path / FOLDER / (stem if number == 1 else f"{stem}-{number}")
            if not path.exists() or _same(path, settings):
                return cls._begin(path, settings)
            number += 1

    @classmethod
    def _begin(cls, path: Path, settings: Settings) -> Place:
        place = cls(Project(path))
        if not (path / SETTINGS).exists():
            settings.to_file(path / SETTINGS)
        return place

    # --- marks of steps that are done ---

    def read(self, step: str) -> dict[str, Any] | None:
        """Return what a step noted when it was done; None as long as it is not."""
        path = self.path / "steps" / f"{step}.json"
        try:
            return read_object(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise UserError(f"Cannot read {path}: {reason(error)}.", todo="Delete it, and adapt again.") from None

    def noted(self, step: str) -> dict[str, Any]:
        """Return what a step noted that must be done before."""
        values = self.read(step)
        if values is None:
            raise UserError(f"The step '{step}' of {self.path} is not done.", todo="Give the same command again.")
        return values

    def note(self, step: str, values: dict[str, Any]) -> dict[str, Any]:
        """Note that a step is done; return the values."""
        write_text(self.path / "steps" / f"{step}.json", json.dumps(values, indent=1))
        return values

    # --- pairs in a folder ---

    def write(self, folder: str, pairs: Sequence[SamplePair]) -> None:
        """Write pairs into a folder, and a table of it."""
        rows = tuple(row_of(pair, *write_pair(self.path / folder, pair)) for pair in pairs)
        write_table(self.path / folder / "pairs.json", rows, pairs[0])

    def pairs(self, folder: str) -> list[SamplePair]:
        """Read the pairs of a folder; none if it was not written."""
        path = self.path / folder / "pairs.json"
        if not path.exists():
            return []
        table = PairTable.from_file(path)
        return [read_entry(entry, table.mask_kind, table.class_names) for entry in table.matched]

    def row(self, folder: str, pair: SamplePair, split: Split = "train", group: str = "") -> PairEntry:
        """Return the row of a pair that was written into a folder."""
        return row_of(pair, *pair_paths(self.path / folder, pair.name)).replace(split=split, group=group)


def row_of(pair: SamplePair, image: Path, labels: Path) -> PairEntry:
    """Return the row of a pair with its files."""
    name = OBJECT if pair.mask_kind == "classes" or not pair.class_names else pair.class_names[0]
    return PairEntry(name=pair.name, image=str(image), masks={name: str(labels)}, pixel_size=pair.pixel_size)


def write_table(path: Path, rows: Sequence[PairEntry], like: SamplePair | None = None) -> PairTable:
    """Check rows and write their table; with ``like``, its kind of masks and all its classes, also those not there."""
    table = check_pairs(PairTable(entries=tuple(rows)), like.mask_kind if like is not None else None)
    if like is not None and like.mask_kind == "classes":
        codes = tuple(range(1, len(like.class_names) + 1))
        known = {"class_names": like.class_names, "class_values": codes}
        table = table.replace(**known, entries=tuple(entry.replace(**known) for entry in table.entries))
    table.to_file(path)
    return table


def _same(path: Path, settings: AdaptSettings) -> bool:
    """Return whether a folder was begun with these settings."""
    try:
        before = AdaptSettings.from_file(path / SETTINGS)
    except (UserError, OSError):
        return False
    return before.model_dump(exclude=COMPUTING) == settings.model_dump(exclude=COMPUTING)
