"""Numbers with their noun, for messages: "1 object", "2 objects"."""

from __future__ import annotations


def plural(number: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun in singular or plural, such as ``"1 object"`` or ``"37,406 objects"``.

    Parameters
    ----------
    number : int
        How many.
    noun : str
        Name of one of them.
    nouns : str, optional
        Name of several; default: ``noun`` with an s.
    """
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"
