"""The manifest of an export: every file with its digest, and the origin of every pair."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from napari_organoid_synth.core.atomic import regular_file
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.export.settings import ExportSettings
from napari_organoid_synth.core.fields import PixelSize
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.pairs.pair import MaskKind

MANIFEST = "manifest.json"
FORMAT = 1
Split = Literal["train", "test"]


class _Record(FrozenModel):
    """Base of the records of a manifest; keys of later versions are ignored."""

    model_config = ConfigDict(extra="ignore")


class ExportedFile(_Record):
    """One file of an export."""

    path: str = Field(description="Below the folder of the export, with forward slashes.")
    sha256: str = Field("", description="Of its bytes.")
    layout: str = Field(description="Layout to which it belongs; empty for texts beside them.")
    role: str = Field(description="image, labels or text.")


class ExportedPair(_Record):
    """One pair of an export, as written in all layouts."""

    name: str = Field("", description="Of its files.")
    split: Split = Field("train", description="Part of the set in which it is.")
    synthetic: bool = Field(False, description="Whether a generator or simulator made the image.")
    source: str = Field("real", description="real, synthetic, simulated, drawn or predicted.")
    verdict: str | None = Field(None, description="Of a person; None for a real pair.")
    scores: dict[str, Any] = Field({}, description="By metric.")
    note: str = Field("", description="The scores in words.")
    flagged: str = Field("", description="Reasons against the pair, separated by commas.")
    run: str = Field("", description="Training that made it.")
    size: tuple[int, int] = Field((0, 0), description="Height and width, px.")
    channels: tuple[str, ...] | int = Field((), description="Names of the channels, or their number.")
    dtype: str = Field("", description="Pixel type of the image.")
    pixel_size: PixelSize = None
    mask_kind: MaskKind = Field("binary", description="What the labels mean.")
    class_names: tuple[str, ...] = Field((), description="Names of the labels 1..K.")
    image_class: str | None = Field(None, description="Label of the whole image.")
    n_objects: int = Field(0, description="Distinct labels.")
    pixels: str = Field("", description="SHA-256 of image and labels.")
    provenance: dict[str, Any] = Field({}, description="What is needed to generate it again.")
    source_files: tuple[str, ...] = Field((), description="Names of the files it was read from.")
    files: tuple[ExportedFile, ...] = Field(description="Its files in all layouts.")

    @property
    def is_copy(self) -> bool:
        """Whether it is flagged as a copy of a real image."""
        return "copy" in self.flagged.split(", ")


class ExportedCopies(_Record):
    """Copies of real images that were exported."""

    reason: str = Field(description="Why, as a person gave it.")
    samples: tuple[str, ...] = Field(description="Their names.")


class Manifest(_Record):
    """Everything that an export contains, in ``manifest.json`` of its folder."""

    format: int = Field(FORMAT, description="Version of these fields.")
    software: str = Field("", description="Program and version that wrote the export.")
    created: str = Field("", description="When, ISO 8601.")
    project: str = Field("", description="Name of the project.")
    settings: ExportSettings = Field(ExportSettings(), description="Of the export.")
    labels: dict[str, str] = Field({}, description="What happens to masks in each layout, in words.")
    split_by: str = Field("", description="What is never divided between training and test.")
    skipped_copies: tuple[str, ...] = Field((), description="Accepted pairs left out as copies of real images.")
    skipped_tests: tuple[str, ...] = Field((), description="Accepted pairs left out as made from test images.")
    remarks: tuple[str, ...] = Field((), description="What the programs will do with this set, in words.")
    samples: tuple[ExportedPair, ...] = Field(description="All pairs.")
    documents: tuple[ExportedFile, ...] = Field((), description="Text files beside the images.")
    copies: ExportedCopies | None = Field(None, description="Copies of real images among the pairs.")

    def to_json(self) -> str:
        """Return the text of the file."""
        values = self.model_dump(mode="json", exclude={"copies"} if self.copies is None else None)
        return json.dumps(values, indent=1, ensure_ascii=False)

    @classmethod
    def from_file(cls, path: Path) -> Manifest:
        """Read the manifest of an export, of this or an earlier version.

        Raises
        ------
        UserError
            If the file cannot be read or is not the manifest of an export.
        """
        try:
            return cls.model_validate_json(regular_file(Path(path)).read_bytes())
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else type(error).__name__
            raise UserError(
                f"{path} lists no samples ({reason}).",
                "Expected the manifest of an export.",
                "Export again, or open the images one by one.",
            ) from None


class ExportResult(FrozenModel):
    """Result of an export and of its job."""

    folder: str = Field("", description="Where the files are; empty if nothing was written.")
    written: int = Field(0, description="Pairs written.")
    checked: int = Field(0, description="Pairs read back and found equal.")
    train: int = Field(0, description="Pairs for training.")
    test: int = Field(0, description="Pairs for testing.")
    real: int = Field(0, description="Real pairs among them.")
    skipped_copies: int = Field(0, description="Accepted pairs left out as copies of real images.")
    skipped_tests: int = Field(0, description="Accepted pairs left out as made from test images.")
    copies: int = Field(0, description="Copies of real images among the pairs.")
    formats: tuple[str, ...] = Field((), description="Layouts.")
    files: tuple[str, ...] = Field((), description="All files, below the folder, with forward slashes.")
    sentence: str = Field("", description="The result in words.")
