"""Keep a part of each training image back, to see on it when a training has learned what it can."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash

SHARE = 0.15
"""Share of an image that is kept back."""
MIN_WIDTH = 48
"""Narrowest band, px: a narrower one shows hardly a whole object."""
MAX_SHARE = 0.25
"""Widest band, as share of the side."""
MIN_OBJECTS, MAX_OBJECTS = 0.05, 0.5
"""Least and greatest share of the objects of an image in its band."""
MAX_FOR_OBJECTS = 0.4
"""Widest band of an image whose ends are without objects, as share of the side."""
WHOLE_SHARE, MIN_WHOLE, MIN_IMAGES = 0.2, 3, 8
"""Share of whole images kept back, fewest, and fewest images of which whole ones can be spared."""
_Parts = tuple[SamplePair | None, SamplePair | None]  # learned from, kept back


def hold_parts(
    pairs: Sequence[SamplePair], whole: bool = False
) -> tuple[tuple[SamplePair, ...], tuple[SamplePair, ...]]:
    """Split training pairs into what is learned from and what is kept back for the held-back score.

    Each image gives a band at one end of its longer side: 15 % of it, at least 48 px, at most a quarter. The end is
    the one where the share of the objects is nearer to 15 %. If it is below 5 % at both (an object in the middle), the
    band grows until it holds 15 %, up to 0.4 of the side. An image that is too small, whose band would hold more than
    half of its objects or none, is learned from as a whole, and so is one with the only objects of a class. If no band
    has an object to score on, whole images are kept back instead.

    Nothing is random: the same pairs in any order are split alike, so that arms, seeds and generators share the parts.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Training pairs, of any size.
    whole : bool
        Keep whole images back, for networks that see whole images: 20 %, at least three; none of fewer than eight.

    Returns
    -------
    train, held : tuple of SamplePair
        In the order of the pairs. A band, and the rest of its image in ``train``, have the name of the pair.
        ``held`` is empty where nothing can be spared.
    """
    parts = _whole_images(pairs) if whole else [_split(pair) for pair in pairs]
    if not any(held and (held.labels.any() or not _values(pairs)) for _, held in parts):
        parts = _whole_images(pairs)
    learned = _values([train for train, _ in parts if train])
    train, held = list[SamplePair](), list[SamplePair]()
    for pair, (rest, part) in zip(pairs, parts, strict=True):
        if part and _values([part]) <= learned:
            held.append(part)
            train.extend([rest] if rest else [])
        else:  # has the only objects of a class
            train.append(pair)
    return tuple(train), tuple(held)


def _values(pairs: Sequence[SamplePair]) -> set[int]:
    """Return the classes, or for other masks 1 if there is any object."""
    found = set[int]()
    for pair in pairs:
        labels = pair.labels if pair.mask_kind == "classes" else pair.labels > 0
        found |= set(np.unique(labels).tolist()) - {0}
    return found


def _split(pair: SamplePair) -> _Parts:
    """Cut the band off an image; without one, return the image itself and None."""
    axis = int(np.argmax(pair.size))
    length = pair.size[axis]
    usual = min(max(round(SHARE * length), MIN_WIDTH), int(MAX_SHARE * length))
    if usual < MIN_WIDTH:
        return pair, None
    profile = _profile(pair, axis)
    bands = []  # width, miss, which end
    for end in (0, 1):
        share = np.cumsum(profile[::-1] if end else profile)  # of the objects, up to each line
        width = usual
        if profile.any() and share[width - 1] < MIN_OBJECTS:
            width = min(int(np.searchsorted(share, SHARE)) + 1, int(MAX_FOR_OBJECTS * length))
        if not profile.any() or MIN_OBJECTS <= share[width - 1] <= MAX_OBJECTS:
            bands.append((width, abs(float(share[width - 1]) - SHARE), end))
    if not bands:
        return pair, None
    width, _, end = min(bands)
    cut = length - width if end else width
    first, last = _box(pair, axis, 0, cut), _box(pair, axis, cut, length)
    return (first, last) if end else (last, first)


def _profile(pair: SamplePair, axis: int) -> NDArray[np.float64]:
    """Return for each line across an axis its share of the objects, averaged over classes; zeros without objects."""
    labels = pair.labels if pair.mask_kind == "classes" else (pair.labels > 0).astype(np.int32)
    lines = [(labels == value).sum(axis=1 - axis) for value in np.unique(labels) if value]
    shares = [line / line.sum() for line in lines]
    return np.asarray(np.mean(shares, axis=0) if shares else np.zeros(pair.size[axis]))


def _box(pair: SamplePair, axis: int, start: int, stop: int) -> SamplePair:
    """Return the lines start to stop of a pair."""
    box = [slice(None), slice(None)]
    box[axis] = slice(start, stop)
    return pair.replace(
        image=np.ascontiguousarray(pair.image[(slice(None), *box)]),
        labels=np.ascontiguousarray(pair.labels[tuple(box)]),
    )


def _whole_images(pairs: Sequence[SamplePair]) -> list[_Parts]:
    """Put whole images aside, by their content."""
    n = len(pairs)
    number = max(MIN_WHOLE, round(WHOLE_SHARE * n)) if n >= MIN_IMAGES else 0
    order = sorted(range(n), key=lambda index: content_hash(pairs[index].image, pairs[index].labels))
    chosen = set(order[:number])
    return [(None, pair) if index in chosen else (pair, None) for index, pair in enumerate(pairs)]
