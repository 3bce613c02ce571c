"""Metadata of a run beside its recipe, in ``run.json``: the pairs it learned from, its machine and its speed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.plain_values import read_object, reason
from napari_organoid_synth.core.runs.card import Card

FORMAT = 1


class StartingPoint(FrozenModel):
    """Origin of the first weights of a run."""

    source: str = Field(description="A run or a model file.")
    sha256: str = Field(description="Of the file with the tensors.")
    message: str = Field("", description="How many tensors were taken over, in a sentence.")

    @model_validator(mode="before")
    @classmethod
    def _older(cls, values: Any) -> Any:
        if isinstance(values, dict) and "words" in values:  # 0.1
            values = {**values, "message": values["words"]}
            del values["words"]
        return values


class ImportedFile(FrozenModel):
    """The model file that a run was imported from."""

    file: str = Field(description="Its name.")
    sha256: str = Field(description="Of its card.")
    steps: int = Field(ge=0, description="Steps that it was trained for.")


class RunMetadata(FrozenModel):
    """Contents of ``run.json``; a value that is not known (yet) has its default."""

    format: int = Field(FORMAT, ge=1, description="Version of this layout.")
    title: str = Field("", description="The name that a person gave it; empty: by its number.")
    data: dict[str, str] = Field({}, description="Hash of every pair that the networks have seen, by name.")
    notes: dict[str, str] | None = Field(None, description="What the generator depends on, such as a weight file.")
    device: str = Field("", description="Where it was trained.")
    precision: str = Field("", description="Arithmetic inside the networks.")
    seconds_per_step: float = Field(0.0, ge=0, description="Measured before the first step.")
    gflop_per_image: float = Field(0.0, ge=0, description="Arithmetic operations of a step per tile, 1e9.")
    steps: int = Field(0, ge=0, description="Steps that were done.")
    seconds: float = Field(0.0, ge=0, description="Time that the last session took, pauses excluded.")
    images_per_second: float = Field(0.0, ge=0, description="Tiles shown per second in the last session.")
    gflops_per_second: float = Field(0.0, ge=0, description="Arithmetic operations per second, 1e9.")
    start: StartingPoint | None = Field(None, description="Where the first weights come from; none: random.")
    model_file: ImportedFile | None = Field(None, description="The file that the run was imported from.")
    card: Card | None = Field(None, description="The card of that file.")

    @model_validator(mode="before")
    @classmethod
    def _older(cls, values: Any) -> Any:
        if isinstance(values, dict) and "bundle" in values:  # 0.1
            values = {**values, "model_file": values["bundle"]}
            del values["bundle"]
        return values

    @property
    def data_hashes(self) -> frozenset[str]:
        """Hashes of the pairs alone."""
        return frozenset(self.data.values())

    @classmethod
    def read(cls, path: Path) -> RunMetadata:
        """Read a file; one that is missing or cut short gives the defaults.

        Raises
        ------
        UserError
            If it was written by a newer version, or a value is not what it should be.
        """
        try:
            values = read_object(path)
        except (OSError, ValueError):
            return cls()
        return cls._checked(path, values)

    @classmethod
    def read_whole(cls, path: Path) -> RunMetadata:
        """Read a file where it matters what the networks have seen; one that is missing gives the defaults.

        Raises
        ------
        UserError
            As `read`, and if the file is damaged.
        """
        try:
            return cls._checked(path, read_object(path))
        except FileNotFoundError:
            return cls()
        except (OSError, ValueError) as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"Cannot read {path}: {reason(error)}.",
                "Expected the facts of a training, such as the pairs that it has seen.",
                "Train again, or delete the file if that does not matter.",
            ) from None

    @classmethod
    def _checked(cls, path: Path, values: dict[str, Any]) -> RunMetadata:
        version = values.get("format", FORMAT)
        if isinstance(version, int) and version > FORMAT:
            raise UserError(f"{path} has format {version}.", f"Expected {FORMAT}.", "Update napari-organoid-synth.")
        try:
            return cls.parse(values)
        except UserError as error:
            raise UserError(f"{path}: {error.found}", error.expected, error.todo) from None

    def write(self, path: Path) -> None:
        """Write the values that differ from the defaults, and the format."""
        values = {"format": self.format, **self.model_dump(mode="json", exclude_defaults=True)}
        write_text(path, json.dumps(values, indent=1))
