"""What the numbers of a mask mean: one object, named classes, or an id per object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import MaskKind

MAX_CLASSES = 32
NOTED = "as noted before"
_FEW = 20
_CODE_GAP = 8
_SPECK = 16  # px: the halo that JPEG leaves along an edge falls into pieces smaller than this


@dataclass(frozen=True)
class MaskFacts:
    """What a label image holds.

    Parameters
    ----------
    kind : {"binary", "classes", "instances"}
        The likely meaning.
    reason : str
        Why, in words.
    values : tuple of int
        Distinct labels without background, ascending; of instances only the first 33.
    n_objects : int
        Instances, or connected pieces of the other kinds.
    sizes : (int, int)
        Pixels of the smallest and the largest object.
    """

    kind: MaskKind
    reason: str
    values: tuple[int, ...]
    n_objects: int
    sizes: tuple[int, int]


def pieces_of(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Connected pieces (8 neighbours) of equal labels, numbered 1..n row by row."""
    from skimage import measure

    label: Any = measure.label
    pieces: NDArray[np.int32] = label(labels, background=0, connectivity=2).astype(np.int32)
    return pieces


def inspect_mask(labels: NDArray[np.int32], where: str, kind: MaskKind | None = None) -> MaskFacts:
    """Find out what a mask means.

    Parameters
    ----------
    labels : NDArray (Y, X) int32, 0 is background
        As read from the file.
    where : str
        Its file, for the sentence if it is unusable.
    kind : str, optional
        The meaning, if it is known.

    Raises
    ------
    UserError
        If it is empty, of one value, an intensity image, or a binary mask with blurred edges.
    """
    values, areas = np.unique(labels, return_counts=True)
    values, areas = (values[1:], areas[1:]) if values.size and values[0] == 0 else (values, areas)
    size = f"{labels.shape[0]} × {labels.shape[1]} px"
    if not values.size:
        raise UserError(
            f"The mask {where} is empty: all {size} are 0.",
            "Expected at least one object.",
            "Draw the object, or leave the image out.",
        )
    if values.size == 1 and areas[0] == labels.size:
        raise UserError(
            f"The mask {where} has one value, {values[0]}, in all {size}.",
            "Expected 0 for background beside the objects.",
            "Check whether the right file was saved.",
        )
    pieces = pieces_of(labels)
    piece_areas = np.bincount(pieces.ravel())[1:]
    _refuse_grey(labels, values, areas, pieces, where)
    guess, reason = _guess(values, len(piece_areas))
    if kind is not None:
        guess, reason = kind, NOTED
    sizes = areas if guess == "instances" else piece_areas
    return MaskFacts(
        guess, reason, tuple(map(int, values[: MAX_CLASSES + 1])), len(sizes), (int(sizes.min()), int(sizes.max()))
    )


def _refuse_grey(
    labels: NDArray[np.int32], values: NDArray[np.int32], areas: NDArray[np.intp], pieces: NDArray[np.int32], where: str
) -> None:
    """Labels are flat areas; photographs and blurred edges are not."""
    if values.size <= 2:
        return
    differing = float(np.mean(labels[:, 1:] != labels[:, :-1])) if labels.shape[1] > 1 else 0.0
    if values.size > _FEW and differing > 0.4:
        raise UserError(
            f"The mask {where} looks like an image: {100 * differing:.0f} % of neighbouring pixels differ, "
            f"{values.size} values.",
            "Expected flat areas, one number per object or class.",
            "Check whether image and mask were swapped.",
        )
    top = int(values[-1])
    between = (labels > 0) & (labels < top)
    n_between = int(np.count_nonzero(between))
    n_pieces = len(np.unique(pieces[between]))
    if 128 <= top <= 255 and n_between < _SPECK * n_pieces and int(areas[-1]) > n_between:
        raise UserError(
            f"The mask {where} has blurred edges: {n_between} px lie between 0 and {top}.",
            f"Expected only 0 and {top}.",
            "Threshold it, and save it as PNG or TIFF; JPEG blurs edges.",
        )


def _guess(values: NDArray[np.int32], n_pieces: int) -> tuple[MaskKind, str]:
    number = len(values)
    if number == 1:
        return "binary", f"one value, {values[0]}, beside 0"
    gap = int(np.diff(values, prepend=0).min())
    if number <= _FEW and values[-1] <= 255 and gap >= _CODE_GAP:
        return "classes", f"{number} widely spaced values ({_listed(values)})"
    if number <= _FEW and n_pieces > 2 * number:
        return "classes", f"{number} values ({_listed(values)}) in {n_pieces} pieces"
    return "instances", f"{number} values from {values[0]} to {values[-1]}, {n_pieces} pieces"


def _listed(values: Sequence[int] | NDArray[np.int32]) -> str:
    shown = ", ".join(str(value) for value in values[:8])
    return shown + (", …" if len(values) > 8 else "")


def decide_kind(facts: Sequence[MaskFacts]) -> tuple[MaskKind, str]:
    """The one kind of a whole set, and why.

    An image with a single object tells little, so one instance image makes the set instances; the same two to five
    numbers in every one of at least five images are classes rather than objects that happen to be as many.
    """
    number = {kind: sum(fact.kind == kind for fact in facts) for kind in ("binary", "classes", "instances")}
    if not facts or number["binary"] == len(facts):
        return "binary", _say("binary", facts)
    same = {fact.values for fact in facts}
    looked_at = all(fact.reason != NOTED for fact in facts)
    if looked_at and len(facts) >= 5 and len(same) == 1 and 2 <= len(facts[0].values) <= 5 and not number["binary"]:
        return "classes", f"the same values ({_listed(facts[0].values)}) in all {len(facts)} masks"
    kind: MaskKind = "classes" if number["classes"] > number["instances"] else "instances"
    return kind, _say(kind, facts)


def _say(kind: MaskKind, facts: Sequence[MaskFacts]) -> str:
    those = [fact for fact in facts if fact.kind == kind]
    if not those:
        return "no mask could be read"
    text = NOTED if those[0].reason == NOTED else f"{those[0].reason} in the first mask"
    return text if len(those) == len(facts) else f"{len(those)} of {len(facts)} masks look so; {text}"


def merge_classes(masks: Sequence[NDArray[np.int32]]) -> tuple[NDArray[np.int32], int]:
    """Masks of one image as classes 1..K; where they overlap the later wins.

    Returns
    -------
    labels : NDArray (Y, X) int32
    overlapped : int
        Pixels that more than one mask claims.
    """
    labels = np.zeros(masks[0].shape, np.int32)
    claims = np.zeros(masks[0].shape, np.uint8)
    for number, mask in enumerate(masks, 1):
        labels[mask > 0] = number
        claims += mask > 0
    return labels, int(np.count_nonzero(claims > 1))


def convert(labels: NDArray[np.int32], kind: MaskKind, class_values: Sequence[int], where: str) -> NDArray[np.int32]:
    """Labels as stored, brought into the form of a kind.

    Parameters
    ----------
    labels : NDArray (Y, X) int32
        As read from the file, or merged by `merge_classes`.
    kind : str
        ``binary``: whatever is not 0 becomes 1. ``classes``: the code ``class_values[k - 1]`` becomes k. ``instances``:
        ids stay; a mask with a single value, or with class codes, is taken apart into connected pieces.
    class_values : sequence of int
        Codes of the classes, ascending; empty if the mask holds no classes.
    where : str
        Its file, for the sentence if a code is unknown.
    """
    if kind == "binary":
        return np.asarray(labels != 0, np.int32)
    if kind == "instances":
        return pieces_of(labels) if class_values or np.unique(labels[labels != 0]).size == 1 else labels
    known = np.asarray(class_values, np.int32)
    place = np.searchsorted(known, labels)
    wrong = (labels != 0) & (known[np.minimum(place, len(known) - 1)] != labels)
    if wrong.any():
        raise UserError(
            f"The mask {where} holds the value {labels[wrong][0]} in {int(wrong.sum())} px.",
            f"Expected the classes {_listed(known)}.",
            "Check the pairs again.",
        )
    numbered: NDArray[np.int32] = np.where(labels == 0, 0, place + 1).astype(np.int32)
    return numbered
