"""Texts of a field in a form: its title with the unit, and a tool tip with everything known about it."""

from __future__ import annotations

import math
import re

from pydantic.fields import FieldInfo

from napari_organoid_synth.widgets.forms.editors import bounds

WORDS = {
    "ada": "ADA",
    "adv": "adversarial",
    "beta1": "beta 1",
    "ema": "EMA",
    "kimg": "thousand images",
    "l1": "L1",
    "max": "most",
    "min": "fewest",
    "r1": "R1",
    "vgg19": "VGG19",
}
"""Replacements for words in field names."""

UNITS = {"Percentile": "percentile", "Share": "share", "Steps": "steps"}
"""Units of fields whose description begins with one of these words."""

_UNIT = re.compile(r", (px|µm|%|s|thousand images)[.;]")
_FIRST = re.compile(r"\w+")


def title(name: str, field: FieldInfo | None = None) -> str:
    """Return the title of a field: its own, or its name in words with the unit from the description.

    Parameters
    ----------
    name : str
        Of the field, without the settings that it is in.
    field : FieldInfo, optional
        Groups have none.
    """
    if field is not None and field.title:
        return field.title
    text = " ".join(WORDS.get(word, word) for word in name.split("_"))
    text = text[:1].upper() + text[1:]
    unit = unit_of(field.description or "") if field is not None else ""
    return f"{text}, {unit}" if unit and unit not in text.casefold() else text


def unit_of(description: str) -> str:
    """Return the unit in a description such as "Side of a tile, px." or "Steps between checkpoints."; otherwise ""."""
    unit = _UNIT.search(description)
    first = _FIRST.match(description)
    return unit[1] if unit else UNITS.get(first[0], "") if first else ""


def tip(field: FieldInfo, key: str) -> str:
    """Return description, bounds, default and the key for recipes and ``--set``, one per line."""
    low, high = bounds(field)
    lines = [field.description or ""]
    if math.isfinite(low) and math.isfinite(high):
        lines.append(f"{low:g} to {high:g}.")
    elif math.isfinite(low):
        lines.append(f"{low:g} or more.")
    elif math.isfinite(high):
        lines.append(f"{high:g} or less.")
    default = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(default, bool):
        lines.append(f"Default: {'on' if default else 'off'}.")
    elif default is not None and default != "" and not isinstance(default, tuple):
        lines.append(f"Default: {default}.")
    lines.append(f"In recipes and after --set: {key}")
    return "\n".join(line for line in lines if line)
