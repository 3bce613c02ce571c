"""Advice for a set of pairs: what paints, on which masks, and what to expect, from what was measured on other sets.

`MEASURED` is a short form of the tables in the documentation, failures included: a set that resembles none of them gets
no expectation.
"""

from __future__ import annotations

import math

from pydantic import Field

from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.generators.config import generator_config
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.synthesis.settings import GenerateSettings

PAGE = "benchmarks.html#what-synthetic-pairs-are-worth"
"""Page of the documentation with the tables."""
MANY_IMAGES = 20
"""From so many images on, a painter that is trained has enough to learn from."""
SMALLEST = 8.0
"""Side of objects below which a painter that is trained cannot learn them, px."""
TOUCHING = 0.3
"""Share of objects that touch another from which on they are not called separate."""
ALIKE = 3.0
"""A set with at most so many times more, or fewer, images is still like a measured one."""


class Measured(FrozenModel):
    """One measured result: what synthetic pairs changed against the best training without them."""

    data: str = Field(description="What was on the images.")
    mask_kind: MaskKind
    images: int = Field(description="Number that was learned from.")
    painter: str = Field(description="Name of the generator.")
    masks: str = Field(description="Layout of the masks.")
    score: str
    change: float
    low: float = Field(description="Lower end of the 95 % interval.")
    high: float = Field(description="Upper end.")
    is_settled: bool = Field(True, description="Whether all trainings had reached their plateau.")

    @property
    def outcome(self) -> str:
        """The result in words."""
        if not self.is_settled:
            return "no verdict"
        if self.low <= 0 <= self.high:
            return "no clear difference"
        return "a gain" if self.change > 0 else "a loss"


MEASURED = (
    Measured(
        data="nuclei in fluorescence", mask_kind="instances", images=3, painter="pix2pix", masks="warped",
        score="accuracy", change=0.010, low=-0.014, high=0.035,
    ),
    Measured(
        data="mitochondria in EM", mask_kind="binary", images=2, painter="analogy", masks="arranged", score="Dice",
        change=-0.012, low=-0.031, high=0.007, is_settled=False,
    ),
)  # fmt: skip


class Advice(FrozenModel):
    """What suits a set of pairs."""

    painter: str = Field(description="Name of a generator.")
    masks: str = Field(description="Layout of the masks that it paints on.")
    sentence: str = Field(description="What suits, in a sentence.")
    expectation: str = Field(description="What to expect, with the figures of a set that is alike.")


def advise(table: PairTable, object_side: float = 0.0, touching: float | None = None) -> Advice | None:
    """Choose a painter and masks for a set, and say what such pairs were worth on a set that is alike.

    Parameters
    ----------
    table : PairTable
        Checked.
    object_side : float
        Side that most objects do not exceed, px as used; 0: not known.
    touching : float, optional
        Share of the objects that touch another.

    Returns
    -------
    Advice or None
        None without images that have masks with objects.

    Examples
    --------
    >>> from napari_organoid_synth.core.pairs.table import PairEntry
    >>> rows = tuple(PairEntry(name=name, image=name, masks={"object": name}, n_objects=9) for name in "abc")
    >>> advice = advise(PairTable(entries=rows, mask_kind="instances"), touching=0.0)
    >>> advice.painter, advice.masks, advice.sentence
    ('analogy', 'arranged', 'With 3 images of separate objects: Analogy on arranged masks, without training.')
    >>> advice.expectation
    'Expect little: on 3 images of nuclei in fluorescence pairs of pix2pix on warped masks made no clear difference \
(accuracy +0.010 [-0.014, 0.035] over the best without them).'
    """
    rows = [entry for entry in table.train if entry.masks and not entry.is_empty_field]
    if not rows or table.mask_kind is None:
        return None
    kind, number = table.mask_kind, len(rows)
    painter = "flow" if number >= MANY_IMAGES and not 0 < object_side < SMALLEST else "analogy"
    masks = GenerateSettings().layout(kind)
    training = "after a training" if painter == "flow" else "without training"
    sentence = (
        f"With {plural(number, 'image')} of {_objects(kind, touching)}: {generator_config(painter).short_title()} on "
        f"{masks} masks, {training}."
    )
    return Advice(painter=painter, masks=masks, sentence=sentence, expectation=_expectation(kind, number))


def _objects(kind: MaskKind, touching: float | None) -> str:
    if kind == "classes":
        return "several classes"
    if kind == "binary" or touching is None:
        return "objects"
    return "touching objects" if touching >= TOUCHING else "separate objects"


def closest(kind: MaskKind, number: int) -> Measured | None:
    """Return the measured set of the same kind of masks whose number of images is nearest; None where none is alike."""
    alike = [one for one in MEASURED if one.mask_kind == kind and 1 / ALIKE <= number / one.images <= ALIKE]
    return min(alike, key=lambda one: abs(math.log(number / one.images)), default=None)


def _expectation(kind: MaskKind, number: int) -> str:
    found = closest(kind, number)
    if found is None:
        return "What such pairs are worth was not measured on a set like this: measure it on yours."
    numbers = f"{found.score} {found.change:+.3f} [{found.low:.3f}, {found.high:.3f}] over the best without them"
    pairs = f"on {found.images} images of {found.data} pairs of {found.painter} on {found.masks} masks"
    if found.outcome == "no verdict":
        return f"Expect little: {pairs} gave no verdict ({numbers})."
    made = "made no clear difference" if found.outcome == "no clear difference" else f"brought {found.outcome}"
    begin = "Expect a gain" if found.outcome == "a gain" else "Expect little"
    return f"{begin}: {pairs} {made} ({numbers})."
