"""Pairs from arrays: arrays of a script, checked like files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.mask_kind import convert, decide_kind, inspect_mask
from napari_organoid_synth.core.pairs.ome_tiff import as_labels, stored_dtype
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, Source, SourceKind
from napari_organoid_synth.core.pairs.table import OBJECT

PairLike: TypeAlias = SamplePair | tuple[NDArray[Any], NDArray[Any]]
"""A pair, or an image (C, Y, X) or (Y, X) with its labels (Y, X)."""


def as_pairs(
    pairs: Iterable[PairLike], name: str = "pair", source: SourceKind = "real", like: SamplePair | None = None
) -> list[SamplePair]:
    """Turn tuples of arrays into pairs; pairs stay as they are.

    Parameters
    ----------
    pairs : iterable of SamplePair or (image, labels)
        image (C, Y, X) or (Y, X), any number type; labels (Y, X), whole numbers, 0 is background.
    name : str
        Tuples are named ``name_000``, ``name_001`` and so on, by their place.
    source : {"real", "synthetic", "simulated", "drawn", "predicted"}
        Kind of source of the tuples.
    like : SamplePair, optional
        Gives the kind and the class names of the masks in tuples. Default: those of the first `SamplePair` among
        ``pairs``; without one the masks themselves tell, as in `check_pairs`.

    Returns
    -------
    list of SamplePair

    Raises
    ------
    UserError
        If there is none, image and labels differ in size, or labels are not whole numbers.

    Examples
    --------
    >>> labels = np.array([[0, 1], [0, 1]])
    >>> [pair] = as_pairs([(10 * labels, labels)])
    >>> pair.name, pair.image.shape, pair.mask_kind
    ('pair_000', (1, 2, 2), 'binary')
    """
    pairs = list(pairs)
    if not pairs:
        raise UserError(f"There are no {source} pairs.", "Expected at least one image with its labels.")
    like = like or next((pair for pair in pairs if isinstance(pair, SamplePair)), None)
    result: list[SamplePair | None] = [pair if isinstance(pair, SamplePair) else None for pair in pairs]
    plain = {
        index: _check_arrays(*pair, f"{name}_{index:03d}")
        for index, pair in enumerate(pairs)
        if not isinstance(pair, SamplePair)
    }
    kind, values, class_names = _kind_of({place: labels for place, _, labels in plain.values()}, like)
    for index, (place, image, labels) in plain.items():
        labels = convert(labels, kind, values, f"'{place}'")
        result[index] = SamplePair(place, image, labels, kind, class_names, source=Source(source))
    return [pair for pair in result if pair is not None]


def as_image(image: NDArray[Any], name: str) -> NDArray[Any]:
    """Return an image as (C, Y, X); ``name`` stands for it in messages.

    Raises
    ------
    UserError
        If it has neither two nor three axes.
    """
    array = np.asarray(image)
    if array.ndim not in (2, 3):
        raise UserError(f"Image of '{name}' has shape {array.shape}.", "Expected (channel, y, x) or (y, x).")
    return array if array.ndim == 3 else array[None]


def _check_arrays(image: NDArray[Any], labels: NDArray[Any], name: str) -> tuple[str, NDArray[Any], NDArray[np.int32]]:
    """Return name, image (C, Y, X) and labels (Y, X); colours that stand last are refused with advice."""
    pixels, numbers = as_image(image, name), as_labels(np.asarray(labels), f"'{name}'")
    stored_dtype(pixels, f"of '{name}'")
    if pixels.shape[:2] == numbers.shape and pixels.shape[1:] != numbers.shape:
        raise UserError(
            f"Image of '{name}' has shape {pixels.shape}, with its {pixels.shape[2]} channels last.",
            "Expected (channel, y, x).",
            "Use numpy.moveaxis(image, -1, 0).",
        )
    return name, pixels, numbers


def _kind_of(
    masks: Mapping[str, NDArray[np.int32]], like: SamplePair | None
) -> tuple[MaskKind, tuple[int, ...], tuple[str, ...]]:
    """Return kind, values and names of the classes: those of a pair, or as detected in the masks."""
    if like is not None:
        values = tuple(range(1, len(like.class_names) + 1)) if like.mask_kind == "classes" else ()
        return like.mask_kind, values, like.class_names
    facts = [inspect_mask(labels, f"'{name}'") for name, labels in masks.items()]
    kind, _ = decide_kind(facts)
    if kind != "classes":
        return kind, (), (OBJECT,)
    values = tuple(sorted({value for fact in facts for value in fact.values}))
    return kind, values, tuple(f"class {value}" for value in values)
