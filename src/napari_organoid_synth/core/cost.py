"""Time and memory of a command before it runs: what ``--dry-run`` tells."""

from __future__ import annotations

from pydantic import Field

from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.quantities import words_for_seconds


class Cost(FrozenModel):
    """Estimated time and memory of a command, from a few measured pieces of its work."""

    minutes: float = Field(ge=0, description="Of the whole command.")
    needed_gb: float = Field(ge=0, description="Peak memory of all its processes, or of the graphics card, GiB.")
    free_gb: float = Field(ge=0, description="Free memory before, GiB.")
    work: dict[str, int] = Field({}, description="Numbers of what there is to do.")
    sentence: str = Field("", description="The above in words.")

    @classmethod
    def of(cls, seconds: float, needed: float, free: float, work: dict[str, int]) -> Cost:
        """Return the cost of some work that takes ``seconds``; memory in GiB.

        Examples
        --------
        >>> Cost.of(720, 1.5, 8.0, {"trainings": 6}).sentence
        '6 trainings: about 10 min; 1.5 of 8.0 GB memory.'
        """
        parts = ", ".join(f"{number:,} {name}" for name, number in work.items())
        text = f"{parts}: {words_for_seconds(seconds)}; {needed:.1f} of {free:.1f} GB memory."
        if needed > free:
            text += " It does not fit."
        return cls(
            minutes=round(seconds / 60, 2), needed_gb=round(needed, 2), free_gb=round(free, 2), work=work, sentence=text
        )
