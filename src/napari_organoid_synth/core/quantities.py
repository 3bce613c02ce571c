"""Numbers in sentences: "1 object", "2 objects", "512 × 378 px"."""

from __future__ import annotations


def plural(number: int, noun: str, nouns: str = "") -> str:
    """Return a number with its noun in singular or plural, such as ``"1 object"`` or ``"37,406 objects"``.

    Parameters
    ----------
    number : int
        The number.
    noun : str
        Name of one of them.
    nouns : str, optional
        Name of several; default: ``noun`` with an s.
    """
    return f"{number:,} {noun if number == 1 else nouns or noun + 's'}"


def pixels(size: tuple[int, ...]) -> str:
    """Return the size of an image as people write it, width first.

    Parameters
    ----------
    size : (int, int)
        Height and width, px, as in the shape of an array (Y, X).

    Examples
    --------
    >>> pixels((378, 512))
    '512 × 378 px'
    """
    return " × ".join(str(side) for side in reversed(size)) + " px"


def words_for_seconds(seconds: float) -> str:
    """Return a rounded duration: "less than a minute", "about 5 min", "about 1 h 20 min", "about 3 days"."""
    minutes = seconds / 60
    if minutes < 1:
        return "less than a minute"
    if minutes < 10:
        return f"about {minutes:.0f} min"
    if minutes < 57.5:
        return f"about {5 * round(minutes / 5)} min"
    hours, rest = divmod(10 * round(minutes / 10), 60)
    if hours < 24:
        return f"about {hours} h {rest} min" if rest else f"about {hours} h"
    days = max(1, round(minutes / 60 / 24))
    return f"about {days} day{'s' if days > 1 else ''}"


def capital(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]
