"""A place on the ways that lead from sample to sample; knows no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import atan2, cos, hypot, pi, sin
from typing import Any, Literal, Self, TypeAlias

import numpy as np
from pydantic import Field, model_validator

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.seeds import seed_of

Walk: TypeAlias = Literal["seed", "between", "pad", "near", "variety", "classes", "styles"]
"""Ways that a generator may offer: to another seed at once, or gradually; on a pad of two directions; to variations
nearby; by the spread of the noise; from image class to image class; by the styles of another seed in some layers."""
SEED_LIMIT = 2**31 - 1
"""Largest seed that the window offers."""
GRADUAL = ("share", "pad_x", "pad_y", "distance", "variety", "class_share")
"""Settings of which all values between two can be taken."""


class WalkSettings(Settings):
    """A place: which noise a sample is drawn from, and how. The defaults are the first sample of seed 0."""

    seed: int = Field(0, ge=0, description="Where the way begins.")
    index: int = Field(0, ge=0, description="Number of the sample of that seed; stored pairs tell it.")
    attempt: int = Field(0, ge=0, description="Number of the mask that was tried for that sample.")
    other_seed: int = Field(1, ge=0, description="Where the way ends; its first sample.")
    share: float = Field(0.0, ge=0, le=1, description="How far along: 0 is the seed, 1 the other one.")
    pad_x: float = Field(0.0, ge=-1, le=1, description="Into a first direction, which belongs to the seed.")
    pad_y: float = Field(0.0, ge=-1, le=1, description="Into a second direction, independent of the first.")
    variation: int = Field(0, ge=0, description="Number of a variation around this place; 0: the place itself.")
    distance: float = Field(0.2, ge=0, le=1, description="Distance of the variations: 1 has nothing of the place left.")
    variety: float = Field(1.0, ge=0, le=2, description="Spread of the noise, 1 as trained.")
    class_from: int = Field(0, ge=0, description="Image class at the beginning, by its number from 0.")
    class_to: int = Field(0, ge=0, description="Image class at the end.")
    class_share: float = Field(0.0, ge=0, le=1, description="How far from class to class.")
    style_seed: int | None = Field(None, ge=0, description="Seed whose styles some layers take; empty: none.")
    style_first: int = Field(0, ge=0, description="First layer that takes them, 0 for the coarsest.")
    style_last: int = Field(0, ge=0, description="Last layer that takes them.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.style_first > self.style_last:
            raise ValueError(f"style_first is {self.style_first}, style_last {self.style_last}; expected them in order")
        return self

    @property
    def is_plain(self) -> bool:
        """Whether seed, variety and one class say all, as in a batch."""
        gone = (self.share and self.other_seed != self.seed) or self.pad_x or self.pad_y or self.variation
        return not gone and self.class_share in (0, 1) and self.style_seed is None

    def check_classes(self, image_classes: Sequence[str]) -> None:
        """Refuse classes that a generator of these image classes does not have.

        Raises
        ------
        UserError
            If it has none of that number.
        """
        number = max(len(image_classes), 1)
        for image_class in (self.class_from, self.class_to):
            if image_class >= number:
                raise UserError(
                    f"There is no image class {image_class}.", f"Expected 0 to {number - 1}.", "Choose one of these."
                )


def nearest_seed(place: WalkSettings) -> int:
    """Return the seed to paint a place with where there is no way between seeds: the nearer one, or a variation's."""
    seed = place.other_seed if place.share > 0.5 else place.seed
    return seed_of(seed, "variation", place.variation) if place.variation else seed


def way(first: WalkSettings, last: WalkSettings, number: int) -> Iterator[WalkSettings]:
    """Yield places on the way from one to another, both included.

    Parameters
    ----------
    first, last : WalkSettings
        What cannot change gradually, such as seeds, is that of the first, but at the end.
    number : int
        Places, at least 2.
    """
    for share in np.linspace(0, 1, number).tolist():
        between: dict[str, Any] = {
            name: (1 - share) * getattr(first, name) + share * getattr(last, name) for name in GRADUAL
        }
        yield last if share == 1 else first.replace(**between)


def variations(place: WalkSettings, number: int, distance: float | None = None) -> list[WalkSettings]:
    """Return variations around a place, all as far from it and independent of each other.

    Parameters
    ----------
    place : WalkSettings
        Where they are; of a variation its own centre.
    number : int
        How many.
    distance : float, optional
        In (0, 1]; that of the place when not given.
    """
    chosen = place.distance if distance is None else distance
    return [place.replace(variation=one, distance=chosen) for one in range(1, number + 1)]


Film: TypeAlias = Literal["between", "circle", "classes"]
"""What a film shows: the way between two seeds, a circle on the pad, the way from class to class."""


def film_of(kind: Film, place: WalkSettings, number: int) -> list[WalkSettings]:
    """Return the places of a film through a place; a circle ends one step before it begins again.

    Parameters
    ----------
    kind : {"between", "circle", "classes"}
        Which way; what it does not change is as at the place.
    place : WalkSettings
        Where a circle begins; in the middle of the pad one of radius 0.5 is taken.
    number : int
        Frames, at least 2.
    """
    if kind == "between":
        return list(way(place.replace(share=0.0), place.replace(share=1.0), number))
    if kind == "classes":
        return list(way(place.replace(class_share=0.0), place.replace(class_share=1.0), number))
    radius, start = hypot(place.pad_x, place.pad_y) or 0.5, atan2(place.pad_y, place.pad_x)
    angles = [start + 2 * pi * step / number for step in range(number)]
    corners = [(min(max(radius * cos(angle), -1), 1), min(max(radius * sin(angle), -1), 1)) for angle in angles]
    return [place.replace(pad_x=x, pad_y=y) for x, y in corners]
