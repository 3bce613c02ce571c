"""What a preflight found, as typed records."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.pairs.suggestion import Suggestion

Level = Literal["good", "warning", "problem"]
MARKS: dict[Level, str] = {"good": "✓", "warning": "!", "problem": "✕"}


class Finding(FrozenModel):
    """One fact about the pairs."""

    topic: str = Field(description="Such as tiles, objects, groups.")
    level: Level = Field(description="problem: a training fails or learns little; warning: worth a look.")
    sentence: str = Field(description="What was found.")
    todo: str = Field("", description="What to do; empty if nothing.")
    values: dict[str, float | str] = Field({}, description="The numbers behind the sentence.")

    @property
    def text(self) -> str:
        """The sentence with its mark and what to do, on one line."""
        return " ".join(filter(None, (MARKS[self.level], self.sentence, self.todo)))


class Preflight(FrozenModel):
    """All findings about the pairs of a project."""

    findings: tuple[Finding, ...] = ()
    images: int = Field(0, ge=0, description="Usable images.")
    measured: int = Field(0, ge=0, description="Images whose pixels were measured for tiles and shapes.")
    tile: int = Field(256, description="Side of the tiles, px.")
    suggestion: Suggestion | None = Field(None, description="Tile and size that suit the objects.")
    object_side: float = Field(0.0, description="Side that 90 % of the objects do not exceed, px as used; 0: none.")
    touching: float | None = Field(None, description="Share of the objects that touch another.")
    next_command: str = Field("", description="The command to run next, without the name of the project.")

    @property
    def lines(self) -> list[str]:
        """The findings as lines of text, problems first."""
        order: tuple[Level, ...] = ("problem", "warning", "good")
        return [finding.text for level in order for finding in self.findings if finding.level == level]

    def find(self, topic: str) -> Finding | None:
        """Return the first finding of a topic."""
        return next((finding for finding in self.findings if finding.topic == topic), None)
