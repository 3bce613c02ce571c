"""The card of a model file: its name, authors and licence."""

from __future__ import annotations

import re
import unicodedata

from pydantic import Field, FiniteFloat, field_validator

from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.quantities import plural

FORMAT = 1
MAX_MEMBERS = 5
LICENCES = (  # to choose from; any other SPDX identifier will do
    "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "BSD-3-Clause", "MIT", "Apache-2.0", "GPL-3.0-or-later",
)  # fmt: skip
_SPDX = re.compile(r"(LicenseRef-)?[A-Za-z0-9][A-Za-z0-9.-]{0,63}\+?")


def contains_images(number: int) -> str:
    """Return the warning about a model file that contains real images."""
    return (
        f"This file contains {plural(number, 'real image')} with {'its mask' if number == 1 else 'their masks'}: "
        "everybody who has it can see them. Share it only if the images themselves may be shared."
    )


class Card(FrozenModel):
    """Description of a model file by its authors."""

    format: int = Field(FORMAT, ge=1, description="Version of this layout.")
    name: str = Field(min_length=1, max_length=100, description="What it is called.")
    generator: str = Field(max_length=100, description="Name of the generator.")
    steps: int = Field(ge=0, description="Steps that it was trained for.")
    images: int = Field(ge=0, description="Tiles that it was shown.")
    pairs: int = Field(ge=0, description="Pairs that it learned from.")
    real_images: int = Field(0, ge=0, description="Real images that the file contains; 0: none, only networks.")
    data: tuple[str, ...] = Field((), max_length=100_000, description="Their hashes.")
    licence: str = Field(description="SPDX identifier.")
    authors: str = Field("", max_length=1000, description="Who made it.")
    note: str = Field("", max_length=10_000, description="What others should know.")
    created: str = Field(pattern=r"^\d{4}-\d\d-\d\d$", description="Day on which the file was made.")
    software: str = Field(max_length=100, description="Version of napari-organoid-synth.")
    metrics: dict[str, FiniteFloat] = Field({}, max_length=100, description="Scores of the checkpoint.")
    numbers: dict[str, FiniteFloat] = Field({}, max_length=100, description="What belongs to the tensors.")
    sha256: dict[str, str] = Field({}, max_length=MAX_MEMBERS, description="Hash of every other member.")

    @field_validator("name", "generator", "authors", "note", "software")
    @classmethod
    def _printable(cls, text: str) -> str:
        if any(unicodedata.category(letter) in {"Cc", "Cs"} and letter not in "\n\t" for letter in text):
            raise ValueError("expected text without control characters")
        return text

    @field_validator("licence")
    @classmethod
    def _spdx(cls, text: str) -> str:
        if not _SPDX.fullmatch(text):
            raise ValueError(f"expected an SPDX identifier such as {', '.join(LICENCES[:4])}")
        return text
