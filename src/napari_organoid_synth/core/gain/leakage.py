"""The check that nothing is trained on test images, on their masks, or on pairs of a generator that saw them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.mask_origin import is_cut_from, real_masks
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash


class Leak(UserError):
    """A test image was seen in training; the comparison must not go on."""


def refuse_seen(held: Mapping[str, str], data: Mapping[str, str]) -> None:
    """Raise if a generator was trained on test images.

    Parameters
    ----------
    held : mapping of str to str
        Name of every pair put aside to its hash.
    data : mapping of str to str
        The same of all pairs that the generator was trained on.
    """
    names = {digest: name for name, digest in held.items()}
    for digest in data.values():
        if digest in names:
            raise Leak(
                f"The generator of a fold has seen '{names[digest]}', which it must not.",
                "Expected a generator that was trained on the training images of the fold alone.",
                "Choose a recipe that starts from random weights, or the paper protocol.",
            )


def refuse_others(seen: Mapping[str, str], allowed: Collection[str]) -> None:
    """Raise if a generator was trained on anything but what it was given: the training parts of the fold.

    Parameters
    ----------
    seen : mapping of str to str
        Name of every pair that it was trained on to its hash.
    allowed : collection of str
        Hashes of the training parts.
    """
    known = set(allowed)
    for name, digest in seen.items():
        if digest not in known:
            raise Leak(
                f"The generator of a fold has seen '{name}', which is no training part of the fold.",
                "Expected a generator that was trained on these alone.",
                "Delete its folder in segment/shared of the project, and measure again.",
            )


def refuse_leaks(
    test: Sequence[SamplePair], train: Sequence[SamplePair], extra: Sequence[SamplePair], data: Mapping[str, str]
) -> None:
    """Raise if the training data of an arm contain a test image, by content and not by name.

    Parameters
    ----------
    test, train, extra : sequence of SamplePair
        Real pairs that are tested and trained on, and synthetic pairs that are trained on.
    data : mapping of str to str
        Hashes of the pairs that the makers of ``extra`` saw.

    Raises
    ------
    Leak
        If an image, the mask of a synthetic pair, or a pair that a generator saw equals a test image, its mask, or the
        pair.
    """
    refuse_seen({pair.name: content_hash(pair.image, pair.labels) for pair in test}, data)
    images = {content_hash(pair.image): pair.name for pair in test}
    known = {content_hash(pair.labels) for pair in train}
    masks = {content_hash(pair.labels): pair.name for pair in test if pair.labels.min() != pair.labels.max()}
    for pair in [*train, *extra]:
        name = images.get(content_hash(pair.image))
        if name is None and pair.source.kind != "real":
            digest = content_hash(pair.labels)
            name = masks.get(digest) if digest not in known else None
        if name is not None:
            raise Leak(
                f"'{pair.name}', on which an arm would train, has the pixels of the test image '{name}'.",
                "Expected no test image among them.",
                "Take the copy out of the pairs.",
            )


def is_painted_on(provenance: Mapping[str, Any], names: Collection[str]) -> bool:
    """Return whether a synthetic pair has the mask, a crop of it, or objects of one of these real pairs.

    Parameters
    ----------
    provenance : mapping
        Of the synthetic pair.
    names : collection of str
        Of the real pairs.
    """
    return any(is_cut_from(name, names) for name in real_masks(provenance))
