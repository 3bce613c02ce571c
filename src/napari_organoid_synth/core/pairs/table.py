"""The table of real pairs as it is stored in ``pairs.json``, and its rows to train and to test."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.fields import PixelSize
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.pairs.stacks import Channels, StackUse
from napari_organoid_synth.core.plain_values import from_json, read_text, reason
from napari_organoid_synth.core.quantities import pixels, plural

Status = Literal["matched", "orphan", "ambiguous", "broken", "skipped"]
Split = Literal["train", "test"]
FORMAT = 2
OBJECT = "object"
"""Default name of what a mask marks."""
BY_HAND = "chosen by hand"
_SKIPPED_BEFORE_2 = "skipped by hand"  # reason of an ambiguous row in format 1


class PairEntry(FrozenModel):
    """One row: its files, and after the check their content. A matched row without mask is an image alone."""

    name: str = Field(description="Unique in the table.")
    image: str = Field("", description="File of the image; empty for a mask without image.")
    n_planes: int | None = Field(None, ge=2, description="Slices of the file, if it is a stack.")
    page: int | None = Field(None, ge=0, description="Slice of a stack, from 0; the same for image and masks.")
    stack_use: StackUse = Field(
        "", description="How a stack beside a mask of one plane is used: one slice, slices as channels, a projection."
    )
    channels: Channels = Field("as-stored", description="Colours as stored, as one channel (grey), or as three (rgb).")
    masks: dict[str, str] = Field(
        {}, description="File of the mask of each class; later classes win where they overlap."
    )
    status: Status = "matched"
    reason: str = Field("", description="Reason for the status, or a remark.")
    shape: tuple[int, int, int] | None = Field(None, description="Channels, height and width of the image.")
    mask_size: tuple[int, int] | None = Field(None, description="Height and width of a mask that does not fit, px.")
    dtype: str = ""
    value_range: tuple[float, float] | None = Field(
        None, description="Values that 0.1 and 99.9 % of pixels stay below."
    )
    pixel_size: PixelSize = None
    channel_names: tuple[str, ...] = ()
    mask_kind: MaskKind | None = None
    class_names: tuple[str, ...] = ()
    class_values: tuple[int, ...] = Field(
        (), description="Codes of the classes in the mask, in the order of the names."
    )
    n_objects: int | None = None
    object_size: tuple[int, int] | None = Field(None, description="Pixels of the smallest and the largest object.")
    image_class: str | None = Field(None, description="Label of the whole image.")
    group: str = Field("", description="Rows of one group are never split between training and test.")
    split: Split = "train"
    scale: float = Field(
        1.0, gt=0, le=1, description="Image and mask are shrunk to this share of their size when they are read."
    )
    whole: int = Field(
        0, ge=0, le=1024, description="The middle square is resized to this side, px, when they are read; 0: no."
    )
    image_digest: str = Field("", description="SHA-256 of the pixels of the image.")
    duplicate_of: str = Field("", description="Row with the same pixels that is used instead of this one.")

    @model_validator(mode="before")
    @classmethod
    def _from_format_1(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("reason") == _SKIPPED_BEFORE_2:
            return {**values, "status": "skipped", "reason": ""}
        return values

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width in px as they are used; None before the check."""
        if self.shape is None:
            return None
        if self.whole:
            return self.whole, self.whole
        height, width = (max(1, round(side * self.scale)) for side in self.shape[1:])
        return height, width

    @property
    def share(self) -> float:
        """The share of its size at which it is used, at most 1."""
        return min(1.0, self.whole / min(self.shape[1:])) if self.whole and self.shape else self.scale

    @property
    def area(self) -> int:
        """Pixels of the image as stored; 0 before the check."""
        return self.shape[1] * self.shape[2] if self.shape else 0

    @property
    def is_empty_field(self) -> bool:
        """Whether the mask holds no object: nothing is there, as opposed to an image without mask."""
        return bool(self.masks) and self.n_objects == 0


class PairTable(FrozenModel):
    """All rows, the kind of the masks, and remarks about the set."""

    format: int = Field(FORMAT, description="Version of these fields.")
    entries: tuple[PairEntry, ...] = ()
    mask_kind: MaskKind | None = Field(None, description="Of the whole set; empty until checked.")
    kind_reason: str = Field("", description="Why the masks are of that kind.")
    kind_by_hand: bool = Field(False, description="Whether a person chose the kind.")
    class_names: tuple[str, ...] = ()
    class_values: tuple[int, ...] = ()
    groups: str = Field("", description="Rule that gave the rows their groups; empty: stacks and names.")
    folder_notes: tuple[str, ...] = Field((), description="Sentences about folders that were left out.")
    check_notes: tuple[str, ...] = Field((), description="Sentences about the set, from its check.")
    grade_notes: tuple[str, ...] = Field((), description="Sentences about the table that gave images their classes.")
    grades_file: str = Field("", description="That table.")

    @model_validator(mode="before")
    @classmethod
    def _from_format_1(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "notes" not in values:
            return values
        values = dict(values)
        notes = tuple(values.pop("notes"))
        values["folder_notes"] = tuple(note for note in notes if note.endswith("to use it."))
        values["check_notes"] = tuple(note for note in notes if not note.endswith("to use it."))
        return {**values, "kind_by_hand": values.get("kind_reason") == BY_HAND}

    @property
    def notes(self) -> tuple[str, ...]:
        """All sentences about the set."""
        return (*self.folder_notes, *self.grade_notes, *self.check_notes)

    @property
    def matched(self) -> tuple[PairEntry, ...]:
        """Rows that can be used."""
        return tuple(entry for entry in self.entries if entry.status == "matched")

    @property
    def train(self) -> tuple[PairEntry, ...]:
        """Usable rows to learn from."""
        return tuple(entry for entry in self.matched if entry.split == "train")

    @property
    def test(self) -> tuple[PairEntry, ...]:
        """Usable rows that are never learned from and measure the result."""
        return tuple(entry for entry in self.matched if entry.split == "test")

    @property
    def scale(self) -> float:
        """The share of their size at which most images are used."""
        return Counter([entry.share for entry in self.entries] or [1.0]).most_common(1)[0][0]

    @property
    def whole(self) -> int:
        """The side, px, to which the middle square of most images is resized; 0: images are used as they are."""
        return Counter([entry.whole for entry in self.entries] or [0]).most_common(1)[0][0]

    def scaled(self, scale: float) -> Self:
        """Return the same table with all images used at this share of their size."""
        return self.replace(entries=tuple(entry.replace(scale=scale, whole=0) for entry in self.entries))

    def as_whole(self, side: int) -> Self:
        """Return the same table with the middle square of all images resized to a side, px; 0: images as they are."""
        return self.replace(entries=tuple(entry.replace(scale=1.0, whole=side) for entry in self.entries))

    def entry(self, name: str) -> PairEntry:
        """Return the row of that name."""
        for entry in self.entries:
            if entry.name == name:
                return entry
        raise UserError(f"There is no pair '{name}'.", "Expected the name of a row.", "See 'organoid-synth pair'.")

    def summary(self) -> str:
        """Describe the set in a few words: ``14 matched, 2 orphans, 1 ambiguous; classes (...)``."""
        counts = Counter(entry.status for entry in self.entries)
        parts = [f"{counts['matched']} matched"]
        if alone := sum(not entry.masks for entry in self.matched):
            parts[0] += f" ({'all' if alone == counts['matched'] else alone} without masks, for generators of images)"
        if counts["orphan"]:
            parts.append(plural(counts["orphan"], "orphan"))
        rest: tuple[Status, ...] = ("ambiguous", "broken", "skipped")
        parts += [f"{counts[status]} {status}" for status in rest if counts[status]]
        text = ", ".join(parts)
        if self.mask_kind is not None:
            text += f"; {self.mask_kind} ({self.kind_reason})"
        if self.test:
            text += f"; {len(self.train)} to train, {len(self.test)} to test"
        shrunk = [f"Used at {100 * self.scale:.4g} % of their size."] if self.scale < 1 else []
        shrunk = [f"Used whole: the middle square at {pixels((self.whole, self.whole))}."] if self.whole else shrunk
        return " ".join([text + ".", *shrunk, *self.notes])

    def to_file(self, path: Path) -> None:
        """Write JSON, with relative paths for files below its folder, so that a project can be moved."""
        base = Path(path).resolve().parent
        values = self.model_dump(mode="json")
        values["grades_file"] = _relative(self.grades_file, base)
        for entry in values["entries"]:
            entry["image"] = _relative(entry["image"], base)
            entry["masks"] = {name: _relative(mask, base) for name, mask in entry["masks"].items()}
        write_text(Path(path), json.dumps(values, indent=1, ensure_ascii=False))

    @classmethod
    def from_file(cls, path: Path) -> Self:
        """Read a file of `to_file`, of this or an earlier version.

        Raises
        ------
        UserError
            If the file is missing or not such a table.
        """
        path = Path(path)
        try:
            values = from_json(read_text(path))
        except FileNotFoundError:
            raise UserError(
                f"{path.parent} has no pairs.", "Expected a table of images and masks.", "Add pairs first."
            ) from None
        except (OSError, ValueError) as error:
            raise UserError(
                f"Cannot read {path}: {reason(error)}.", "Expected the table of pairs.", "Find the pairs again."
            ) from None
        if not isinstance(values, dict):
            raise UserError(f"{path} is not a table of pairs.", "Expected a JSON object.", "Find the pairs again.")
        try:
            table, base = cls.parse(values), path.resolve().parent
        except UserError as error:
            raise UserError(f"{path}: {error.found}", error.expected, "Find the pairs again.") from None
        return table.replace(
            grades_file=_absolute(table.grades_file, base),
            entries=tuple(
                entry.replace(
                    image=_absolute(entry.image, base),
                    masks={name: _absolute(mask, base) for name, mask in entry.masks.items()},
                )
                for entry in table.entries
            ),
        )


def _relative(file: str, base: Path) -> str:
    if file and Path(file).is_relative_to(base):
        return Path(file).relative_to(base).as_posix()
    return file


def _absolute(file: str, base: Path) -> str:
    return str(base / file) if file else file
