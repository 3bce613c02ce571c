"""A suggestion for a word that is not among those expected."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

MAX_WORD = 80
"""Characters of a word that is compared; longer ones are no slip of the fingers."""


def did_you_mean(word: str, expected: Iterable[str]) -> str:
    """Return a question with the nearest of the expected words; empty if none is near.

    A word with dots is also compared by its last part, for a setting that was given without its group.

    Examples
    --------
    >>> did_you_mean("train.stepz", ["train.steps", "train.seed"])
    "Did you mean 'train.steps'?"
    >>> did_you_mean("steps", ["train.steps", "train.seed"])
    "Did you mean 'train.steps'?"
    >>> did_you_mean("zebra", ["train.steps"])
    ''
    """
    if not word or len(word) > MAX_WORD:
        return ""
    words = list(dict.fromkeys(expected))
    group, _, last = word.rpartition(".")
    siblings = [each for each in words if each.rpartition(".")[0] == group]
    near = (
        _nearest(last, words, 1.0, by_last_part=True)
        or _nearest(last, siblings, 0.6, by_last_part=True)
        or _nearest(last, words, 0.75, by_last_part=True)
        or _nearest(word, words, 0.8)
    )
    return f"Did you mean '{near}'?" if near else ""


def _nearest(word: str, words: list[str], cutoff: float, by_last_part: bool = False) -> str:
    """Return the word most like the one given, without regard to capitals; empty if none is as much like it."""
    by_text = {(each.rpartition(".")[2] if by_last_part else each).lower(): each for each in reversed(words)}
    near = get_close_matches(word.lower(), by_text, n=1, cutoff=cutoff)
    return by_text[near[0]] if near else ""
