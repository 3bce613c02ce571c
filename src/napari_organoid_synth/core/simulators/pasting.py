"""Real objects pasted onto real backgrounds: new pairs without any network.

Objects of one training image are pasted into crops of training images at random places, as in Cut, Paste and Learn
(Dwibedi 2017, arXiv 1708.01642) and Simple Copy-Paste (Ghiasi 2021, arXiv 2012.07177).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.mask_kind import compact_ids, pieces_of
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.simulators.cutouts import Brightness, Cutout, cutouts, ground_level, grown
from napari_organoid_synth.core.simulators.pieces import MIN_AREA

CUT_FROM = "cut_from"
"""Name, in the provenance, of the real image whose crop is the background."""
MAX_OVERLAP = 0.1
"""Share of a pasted object that may lie on others."""
MIN_LEFT = 0.75
"""Share of an object that must stay visible below a pasted one."""
BEYOND = 0.25
"""Share of an object that may lie outside the pair, as the border of an image cuts objects."""
FEATHER = 0.8
"""Sigma of the border between object and background, px: they mix over two pixels."""
TRIES, BACKGROUNDS = 30, 3
"""Places that are tried for an object, and backgrounds for a pair."""
MAX_OBJECTS = 40
"""Most objects that are pasted into a pair."""


def paste_pairs(pairs: Sequence[SamplePair], number: int, size: int, seed: int) -> Iterator[SamplePair]:
    """Paste objects of training images, mirrored, turned and scaled by up to 10 %, into crops of training images.

    An object is placed where there is room, or where it covers little of others. Its contrast becomes that of such
    objects in the image below it, and its border is mixed over two pixels. Of binary masks the connected pieces are
    objects, of classes the pieces of each class, which they keep; thin nets such as membranes are not pasted. Each pair
    has half as many pasted objects as a crop has objects on average, at least one if there is room.

    Parameters
    ----------
    pairs : sequence of SamplePair
        Training pairs of one kind, with any channels and pixel type.
    number : int
        Of new pairs.
    size : int
        Their side, px; an image with a shorter side gives pairs that are as short.
    seed : int
        The same pairs, size and seed give the same results, and a larger number begins with the same ones.

    Yields
    ------
    SamplePair
        Source ``"simulated"``; its provenance has the images that background and objects come from, with their hashes.

    Raises
    ------
    UserError
        If there are no pairs, or they differ in channels, pixel type or kind of mask.
    """
    _refuse_mixed(pairs)
    sources = [_Real(pair) for pair in pairs]
    usual = sum(len(one.objects) for one in sources) / max(1, sum(pair.labels.size for pair in pairs))
    for index in range(number):
        yield _pasted(sources, usual, index, size, seed)


def _refuse_mixed(pairs: Sequence[SamplePair]) -> None:
    if not pairs:
        raise UserError("There are no pairs to paste from.", "Expected at least one.", "Load pairs first.")
    kinds = {f"{len(p.image)} × {p.image.dtype}, {p.mask_kind} of {', '.join(p.class_names)}" for p in pairs}
    if len(kinds) > 1:
        raise UserError(
            f"The pairs are of {len(kinds)} kinds: {'; '.join(sorted(kinds))}.",
            "Expected the same channels, pixel type, kind of mask and classes in all.",
            "Convert them first.",
        )


@dataclass(frozen=True, eq=False)
class _Real:
    """A training pair and what is measured on it once."""

    pair: SamplePair

    @cached_property
    def objects(self) -> list[Cutout]:
        return cutouts(self.pair, self.brightness.ground)

    @cached_property
    def brightness(self) -> Brightness:
        return Brightness.of(self.pair)

    @cached_property
    def digest(self) -> str:
        return content_hash(self.pair.image, self.pair.labels)


def _pasted(sources: list[_Real], usual: float, index: int, size: int, seed: int) -> SamplePair:
    """Return the pair of an index; ``usual`` is the number of objects per pixel."""
    rng = np.random.default_rng((seed, index))
    areas = np.array([one.pair.labels.size for one in sources], float)
    givers = [one for one in sources if one.objects]
    for _ in range(BACKGROUNDS):
        below = sources[int(rng.choice(len(sources), p=areas / areas.sum()))]
        canvas, place = _background(below.pair, size, rng)
        if not givers:
            break
        giver = givers[int(rng.integers(len(givers)))]
        wanted = 1 + min(int(rng.poisson(usual * canvas.labels.size / 2)), MAX_OBJECTS - 1)
        for _ in range(wanted):
            cutout = giver.objects[int(rng.integers(len(giver.objects)))].turned(rng)
            canvas.paste(cutout, below.brightness, giver.brightness, rng)
        if canvas.pasted:
            break
    used = [below, giver] if canvas.pasted else [below]
    provenance = {
        "simulator": "pasted",
        "seed": seed,
        "index": index,
        CUT_FROM: below.pair.name,
        "place": place,
        "objects_from": giver.pair.name if canvas.pasted else "",
        "objects": canvas.pasted,
        "data": {one.pair.name: one.digest for one in used},
    }
    return below.pair.replace(
        name=f"pasted_{index:05d}", image=canvas.image, labels=canvas.labels, source=Source("simulated", (), provenance)
    )


def _background(pair: SamplePair, size: int, rng: np.random.Generator) -> tuple[_Canvas, list[int]]:
    """Cut a crop at a random place; of two the one with more room."""
    shape = tuple(min(size, length) for length in pair.size)
    boxes = []
    for _ in range(2):
        corner = [int(rng.integers(length - side + 1)) for length, side in zip(pair.size, shape, strict=True)]
        box = tuple(slice(start, start + side) for start, side in zip(corner, shape, strict=True))
        boxes.append((np.count_nonzero(pair.labels[box]), corner, box))
    _, corner, box = min(boxes, key=lambda one: one[0])
    crop = pair.replace(image=pair.image[(slice(None), *box)].copy(), labels=compact_ids(pair.labels)[box].copy())
    return _Canvas(crop), corner


class _Canvas:
    """A crop of a real pair, into which objects are pasted."""

    def __init__(self, crop: SamplePair) -> None:
        self._crop, self.image, self.labels, self.pasted = crop, crop.image, crop.labels, 0
        self._instances = crop.mask_kind == "instances"
        self._objects = self.labels if self._instances else pieces_of(self.labels)

    def paste(self, cutout: Cutout, brightness: Brightness, source: Brightness, rng: np.random.Generator) -> None:
        """Paste an object where it fits; nothing happens if it fits nowhere that is tried.

        ``brightness`` is that of the image below, ``source`` that of the image of the object.
        """
        for _ in range(TRIES):
            corner = [
                int(rng.integers(*sorted((-int(BEYOND * side), length - side + int(BEYOND * side) + 1))))
                for length, side in zip(self.labels.shape, cutout.mask.shape, strict=True)
            ]
            here, there = _overlap(corner, cutout.mask.shape, self.labels.shape)
            mask = cutout.mask[there]
            visible = np.count_nonzero(mask)
            enough = visible >= max(MIN_AREA, (1 - BEYOND) * np.count_nonzero(cutout.mask))
            if enough and self._fits(mask, here, cutout.value):
                level = ground_level(self.image[(slice(None), *here)], mask, self.labels[here] == 0, brightness.ground)
                matched = brightness.matched(cutout, source, level)[(slice(None), *there)]
                self._put(matched, _feathered(cutout.mask)[there], mask, here, cutout.value)
                return

    def _fits(self, mask: NDArray[np.bool_], here: tuple[slice, slice], value: int) -> bool:
        """Return whether an object may lie here: on little of others, none of which is lost, split or merged."""
        labels, objects = self.labels[here], self._objects[here]
        if not self._instances and (labels[grown(mask, 1)] == value).any():
            return False
        covered = objects[mask]
        covered = covered[covered > 0]
        if covered.size > MAX_OVERLAP * np.count_nonzero(mask):
            return False
        return all(self._stays(int(number), mask, here) for number in np.unique(covered))

    def _stays(self, number: int, mask: NDArray[np.bool_], here: tuple[slice, slice]) -> bool:
        from scipy.ndimage import label

        before = self._objects == number
        after = before.copy()
        after[here] &= ~mask
        enough = np.count_nonzero(after) >= MIN_LEFT * np.count_nonzero(before)
        return bool(enough and label(after)[1] <= label(before)[1])

    def _put(
        self,
        matched: NDArray[np.float64],
        share: NDArray[np.float32],
        mask: NDArray[np.bool_],
        here: tuple[slice, slice],
        value: int,
    ) -> None:
        below = self.image[(slice(None), *here)]
        self.image[(slice(None), *here)] = _as_pixels(below + share * (matched - below), below, share)
        number = int(self._objects.max(initial=0)) + 1
        self._objects[here][mask] = number
        self.labels[here][mask] = number if self._instances else value
        self.pasted += 1


def _overlap(
    corner: Sequence[int], side: Sequence[int], lengths: Sequence[int]
) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return where an object with this first pixel lies in the crop, and which part of it."""
    here, there = [], []
    for start, length, whole in zip(corner, side, lengths, strict=True):
        first, last = max(start, 0), max(min(start + length, whole), 0)
        here.append(slice(first, last))
        there.append(slice(first - start, max(last - start, 0)))
    return (here[0], here[1]), (there[0], there[1])


def _feathered(mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the share of the object in each pixel: 1 inside, 0 from two pixels outside on."""
    from scipy.ndimage import gaussian_filter

    share: NDArray[np.float32] = gaussian_filter(mask.astype(np.float32), FEATHER, truncate=2 / FEATHER)
    return share


def _as_pixels(values: NDArray[Any], before: NDArray[Any], share: NDArray[np.float32]) -> NDArray[Any]:
    """Round and clip values (C, Y, X) to the type of the pixels before, which stay where nothing was pasted."""
    dtype = before.dtype
    if dtype.kind == "b":
        pixels = values > 0.5
    elif dtype.kind in "iu":
        limits = np.iinfo(dtype)
        pixels = np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
    else:
        pixels = values.astype(dtype)
    return np.where(share > 0, pixels, before)
