"""Input and output of a generator, as a row of parts that the window paints and a screen reader speaks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Symbol = Literal[
    "mask", "image", "pair", "grainy", "noise", "coarse", "middle", "masks", "images", "code", "tag", "dials", "styles",
    "turned", "tick", "to", "both", "with",
]  # fmt: skip
"""Symbols that the window can paint."""

JOINTS: dict[str, str] = {"to": "→", "both": "↔", "with": "and"}


@dataclass(frozen=True)
class Part:
    """A symbol and the word below it.

    Parameters
    ----------
    symbol : Symbol
    caption : str
        Empty for the signs between two symbols.
    """

    symbol: Symbol
    caption: str = ""


Picture = tuple[Part, ...]
"""Parts from left to right; the last one shows what is drawn."""

TO = Part("to")
NOISE = Part("noise", "noise")
PAIR = Part("pair", "image + mask")
MASK, IMAGE = Part("mask", "mask"), Part("image", "image")

DEFAULT: dict[str, Picture] = {"joint": (NOISE, TO, PAIR), "mask": (NOISE, TO, MASK), "painter": (MASK, TO, IMAGE)}
"""Picture of a generator without one of its own, by its kind."""

PIPELINE: Picture = (NOISE, TO, Part("mask", "new mask"), TO, Part("tick", "check"), TO, Part("image", "new image"))
"""Masks first, then images."""


def of_one(picture: Picture, drawn: Part) -> Picture:
    """Replace every pair in a picture by the only part of it that is drawn, `IMAGE` or `MASK`."""

    def replaced(part: Part) -> Part:
        if part.symbol not in ("pair", "grainy"):
            return part
        return drawn if part.caption == PAIR.caption else Part(drawn.symbol, part.caption)

    return tuple(map(replaced, picture))


def in_words(picture: Picture) -> str:
    """Describe a picture for people who cannot see it: ``"mask → image"``."""
    return " ".join(JOINTS.get(part.symbol, part.caption) for part in picture)
