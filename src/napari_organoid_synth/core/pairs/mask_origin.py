"""Which real masks the mask of a synthetic pair was made from, as its provenance says."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

MADE_OF_REAL = ("real", "warped", "moved", "arranged", "drawn")
"""Kinds of masks that consist of real ones, or of objects of them; a drawn one where it started from a real pair."""
_TILE = re.compile(r"_y\d+_x\d+_r\dm?$")


def mask_of(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a provenance says of the mask; nothing where it is damaged."""
    mask = provenance.get("mask")
    return mask if isinstance(mask, dict) else {}


def real_masks(provenance: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the real images, or tiles of them, whose masks or objects a synthetic pair has.

    Parameters
    ----------
    provenance : mapping
        Of the synthetic pair.

    Examples
    --------
    >>> sorted(real_masks({"mask": {"kind": "arranged", "names": ["a", "b"], "like": "b"}}))
    ['a', 'b']
    >>> real_masks({"mask": {"kind": "fitted"}})
    frozenset()
    """
    mask = mask_of(provenance)
    if mask.get("kind") not in MADE_OF_REAL:
        return frozenset()
    names = mask.get("names")
    listed = [*(names if isinstance(names, list | tuple) else ()), mask.get("name", ""), mask.get("like", "")]
    return frozenset(map(str, listed)) - {""}


def image_of(name: str) -> str:
    """Return the name of the image that a tile was cut from; that of an image is its own.

    Examples
    --------
    >>> image_of("day_1_y0_x128_r0"), image_of("day_1")
    ('day_1', 'day_1')
    """
    return _TILE.sub("", name)


def is_cut_from(name: str, images: Collection[str]) -> bool:
    """Return whether this is the name of one of some images, or of a part of one."""
    return any(name == one or name.startswith(f"{one}_y") for one in images)
