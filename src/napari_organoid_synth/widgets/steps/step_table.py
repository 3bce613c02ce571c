"""The table of steps: their pages in order, and what each is for."""

from __future__ import annotations

from dataclasses import dataclass

from napari_organoid_synth.widgets.shared.menus import WIDE


@dataclass(frozen=True)
class Step:
    """A step of the way.

    Parameters
    ----------
    title : str
        On the bar.
    pages : tuple of str
        Pages by their titles in `napari_organoid_synth.widgets.shared.menus.DOCKS`, the main one first.
    purpose : str
        One sentence.
    """

    title: str
    pages: tuple[str, ...]
    purpose: str


STEPS = (
    Step("Pairs", ("Pairs", "Adapt"), "Bring images and masks together, and check them."),
    Step("Train", ("Train", "Runs"), "Let a generator learn from your pairs. A painter without training needs none."),
    Step("Generate", ("Generate",), "Make synthetic pairs, or paint a mask and watch its image follow."),
    Step(
        "Curate",
        ("Scores", "Blind test"),
        "Look through the synthetic pairs, and keep the good ones.",
    ),
    Step(
        "Measure", ("Measure", "Studies"), "Measure whether the pairs improve a segmenter, on images that it never saw."
    ),
    Step("Export", ("Export",), "Write the accepted pairs for other programs."),
)
PAGE_NAMES = {
    "Pairs": "With masks",
    "Adapt": "Without masks",
    "Train": "Train",
    "Runs": "Runs",
    "Scores": "Scores",
    "Blind test": "Blind test",
    "Measure": "My pairs",
    "Studies": "Published studies",
}
"""How the pages of a step that has several are called on their tabs."""


def step_of(title: str) -> int:
    """Return the place of the step that a page belongs to.

    Raises
    ------
    KeyError
        If no step has this page.
    """
    if title in WIDE:
        title = "Scores"
    for place, step in enumerate(STEPS):
        if title in step.pages:
            return place
    raise KeyError(title)
