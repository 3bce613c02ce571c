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
ALIKE_IMAGES, ALIKE_OBJECTS = 3.0, 5.0
"""A set with at most so many times more, or fewer, images and objects in an image is still like a measured one."""


UNKNOWN = "What such pairs are worth was not measured on a set like this: measure it on yours."


class Measured(FrozenModel):
    """One measured result: what synthetic pairs changed against the best training without them."""

    data: str = Field(description="What was on the images.")
    mask_kind: MaskKind
    images: int = Field(description="Number that was learned from.")
    objects: float = Field(description="In an image, on average.")
    colours: bool = Field(False, description="Whether the images were RGB.")
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
        data="nuclei in fluorescence", mask_kind="instances", images=3, objects=86, painter="analogy",
        masks="arranged", score="accuracy", change=0.015, low=-0.013, high=0.045,
    ),
    Measured(
        data="mitochondria in EM", mask_kind="binary", images=2, objects=20, painter="analogy", masks="arranged",
        score="Dice", change=-0.012, low=-0.031, high=0.007, is_settled=False,
    ),
    Measured(
        data="spheroids in phase contrast", mask_kind="binary", images=4, objects=1, colours=True,
        painter="analogy", masks="arranged", score="Dice", change=0.001, low=-0.003, high=0.005,
    ),
    Measured(
        data="cerebral organoids in bright field", mask_kind="binary", images=3, objects=1, colours=True,
        painter="analogy", masks="arranged", score="Dice", change=0.004, low=-0.004, high=0.016, is_settled=False,
    ),
    Measured(
        data="stained tissue", mask_kind="instances", images=3, objects=57, colours=True, painter="analogy",
        masks="arranged", score="accuracy", change=-0.005, low=-0.030, high=0.013, is_settled=False,
    ),
)  # fmt: skip


class Advice(FrozenModel):
    """What suits a set of pairs."""

    painter: str = Field(description="Name of a generator.")
    masks: str = Field(description="Layout of the masks that it paints on.")
    sentence: str = Field(description="What suits, in a sentence.")
    expectation: str = Field(description="What to expect, in a sentence.")
    figures: str = Field("", description="The figures of the set that is alike; empty where none is.")


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
    >>> rows = tuple(PairEntry(name=name, image=name, masks={"object": name}, n_objects=30) for name in "abc")
    >>> advice = advise(PairTable(entries=rows, mask_kind="instances"), touching=0.0)
    >>> advice.painter, advice.masks, advice.sentence
    ('analogy', 'arranged', 'With 3 images of separate objects: Analogy on arranged masks, without training.')
    >>> advice.expectation
    'Expect little: on 3 images of nuclei in fluorescence there was no clear difference.'
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
    colours = all(entry.shape is not None and entry.shape[0] == 3 for entry in rows)
    found = closest(kind, number, sum(entry.n_objects or 0 for entry in rows) / number, colours)
    expectation, figures = _expectation(found) if found is not None else (UNKNOWN, "")
    return Advice(painter=painter, masks=masks, sentence=sentence, expectation=expectation, figures=figures)


def _objects(kind: MaskKind, touching: float | None) -> str:
    if kind == "classes":
        return "several classes"
    if kind == "binary" or touching is None:
        return "objects"
    return "touching objects" if touching >= TOUCHING else "separate objects"


def closest(kind: MaskKind, images: int, objects: float, colours: bool) -> Measured | None:
    """Return the measured set that is most like so many images of so many objects each; None where none is alike.

    Of two that are as like, the one with ``colours`` as asked for is taken: one organoid on each image is the same task
    in grey.
    """
    ratios = {
        one: (abs(math.log(images / one.images)), abs(math.log(max(objects, 0.1) / one.objects)))
        for one in MEASURED
        if one.mask_kind == kind
    }
    most = math.log(ALIKE_IMAGES) + 1e-9, math.log(ALIKE_OBJECTS) + 1e-9
    alike = [one for one, ratio in ratios.items() if ratio[0] <= most[0] and ratio[1] <= most[1]]
    alike = [one for one in alike if one.colours == colours or kind != "instances"]
    return min(alike, key=lambda one: (one.colours != colours, sum(ratios[one])), default=None)


def _expectation(found: Measured) -> tuple[str, str]:
    """Return what to expect like on a measured set, and its figures."""
    begin = {"a gain": "Expect a gain", "no verdict": "Nobody knows yet"}.get(found.outcome, "Expect little")
    sentence = f"{begin}: on {found.images} images of {found.data} there was {found.outcome}."
    figures = (
        f"Pairs of {found.painter} on {found.masks} masks changed {found.score} by {found.change:+.3f} "
        f"[{found.low:.3f}, {found.high:.3f}] against the best training without them."
    )
    return sentence, figures
