"""Orders and filters of samples in words."""

from __future__ import annotations

from dataclasses import dataclass

NOVELTY = "novelty"
"""Order by the distance to the most similar other sample (`samples.novelty`); computed for a list, never stored."""


@dataclass(frozen=True)
class Preset:
    """An order of samples, and which of them are shown.

    Parameters
    ----------
    name : str
        In commands and remembered choices.
    title : str
        In words.
    about : str
        What comes first, and why one would look at it.
    sort : str
        As of `SampleStore.listing`; a leading minus puts high values first.
    query : str
        As of `samples.query`; empty shows all.
    """

    name: str
    title: str
    about: str
    sort: str
    query: str = ""

    @property
    def score(self) -> str:
        """The score that samples need to be put in this order; empty where they need none."""
        key = self.sort.removeprefix("-")
        return "" if key in ("created", "name", NOVELTY) else key


PRESETS: dict[str, Preset] = {
    preset.name: preset
    for preset in (
        Preset("newest", "Newest first", "The pairs that were made last come first.", "-created"),
        Preset("oldest", "Oldest first", "In the order in which the pairs were made.", "created"),
        Preset(
            "realistic",
            "Most realistic first",
            "Pairs that are as ordinary as real tiles in every trait come first.",
            "-realism",
        ),
        Preset(
            "novel",
            "Least like the others first",
            "Pairs that resemble no other pair come first: rare ones, and odd ones.",
            f"-{NOVELTY}",
        ),
        Preset("fits", "Mask fits best first", "Pairs whose mask follows their image come first.", "-fits"),
        Preset(
            "copies",
            "Possible copies",
            "Only pairs flagged as copies of a real image, the nearest ones first. Space shows the real image.",
            "real_distance",
            "flagged == copy",
        ),
        Preset(
            "waiting",
            "Not looked at yet",
            "Only pairs without verdict, tag or note, the newest first.",
            "-created",
            "verdict == new and not tag and not note",
        ),
    )
}
