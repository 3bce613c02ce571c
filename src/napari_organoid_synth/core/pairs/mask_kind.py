"""Detect the meaning of the numbers of a mask: object or not, named classes, or an id per object."""

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
NO_OBJECTS = "no objects"
DRAWN_SINGLY = "each object is drawn or stored by itself"
_MAX_CODES = 20  # more different values are ids
_MIN_CODE_GAP = 8  # classes are often coded 0, 128, 255; ids have no gaps
_LARGE_ID = 100_000
_MIN_BETWEEN = 0.15  # of the steps along rows; real labels have hardly any
_MIN_BETWEEN_VALUES = 5  # fewer may be classes in layers, such as background, rim, inside
_SPECK = 16  # px: the halo that JPEG leaves along an edge falls into pieces smaller than this


@dataclass(frozen=True)
class MaskFacts:
    """Content of a label image.

    Parameters
    ----------
    kind : {"binary", "classes", "instances"}
        The likely meaning.
    reason : str
        Reason for that meaning.
    values : tuple of int
        Distinct labels without background, ascending; of instances only the first 33.
    n_objects : int
        Instances, or connected pieces of the other kinds; 0 for an empty field.
    sizes : (int, int)
        Pixels of the smallest and the largest object; (0, 0) without objects.
    """

    kind: MaskKind
    reason: str
    values: tuple[int, ...]
    n_objects: int
    sizes: tuple[int, int]


def pieces_of(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Number the connected pieces (8 neighbours) of equal labels 1..n, row by row."""
    from skimage import measure

    label: Any = measure.label
    pieces: NDArray[np.int32] = label(labels, background=0, connectivity=2).astype(np.int32)
    return pieces


def compact_ids(labels: NDArray[np.int32]) -> NDArray[np.int32]:
    """Number large ids 1..n, so that a list as long as the largest id is short; small ids stay."""
    if labels.max(initial=0) < _LARGE_ID:
        return labels
    _, dense = np.unique(labels, return_inverse=True)
    numbered: NDArray[np.int32] = np.where(labels == 0, 0, dense.reshape(labels.shape) + 1).astype(np.int32)
    return numbered


def _values_and_areas(labels: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.intp]]:
    """Return the labels without background, ascending, and the pixels of each."""
    if labels.size and labels.min() >= 0 and labels.max() < max(labels.size, 1 << 16):
        counts = np.bincount(labels.ravel())  # ten times as fast as sorting
        counts[0] = 0
        values = np.flatnonzero(counts)
        return values.astype(np.int32), counts[values]
    values, areas = np.unique(labels[labels != 0], return_counts=True)
    return values.astype(np.int32), areas


def inspect_mask(
    labels: NDArray[np.int32], where: str, kind: MaskKind | None = None, drawn_singly: bool = False
) -> MaskFacts:
    """Detect the meaning of a mask.

    Parameters
    ----------
    labels : NDArray (Y, X) int32, 0 is background
        As read from the file.
    where : str
        Its file, for the message if it is unusable.
    kind : str, optional
        The meaning, if it is known.
    drawn_singly : bool
        Whether each object was drawn or stored by itself: its number then says nothing of its neighbours.

    Raises
    ------
    UserError
        If it is an intensity image, or a binary mask with blurred edges.
    """
    values, areas = _values_and_areas(labels)
    if not values.size:
        return MaskFacts(kind or "binary", NO_OBJECTS, (), 0, (0, 0))
    pieces = pieces_of(labels)
    piece_areas = np.bincount(pieces.ravel())[1:]
    if not drawn_singly:
        _refuse_grey(labels, values, areas, pieces, where)
    guess, reason = _guess(values, len(piece_areas))
    if areas[0] == labels.size:
        reason = f"one value, {values[0]}, in every pixel"
    if kind is not None:
        guess, reason = kind, DRAWN_SINGLY if drawn_singly else NOTED
    sizes = areas if guess == "instances" else piece_areas
    return MaskFacts(
        guess, reason, tuple(map(int, values[: MAX_CLASSES + 1])), len(sizes), (int(sizes.min()), int(sizes.max()))
    )


def _refuse_grey(
    labels: NDArray[np.int32], values: NDArray[np.int32], areas: NDArray[np.intp], pieces: NDArray[np.int32], where: str
) -> None:
    """Refuse photographs and blurred edges: labels are flat areas."""
    if values.size <= 2:
        return
    differing = float(np.mean(labels[:, 1:] != labels[:, :-1])) if labels.shape[1] > 1 else 0.0
    if values.size > _MAX_CODES and differing > 0.4:
        raise UserError(
            f"The mask {where} looks like an image: {100 * differing:.0f} % of neighbouring pixels differ, "
            f"{values.size} values.",
            "Expected flat areas, one number per object or class.",
            "Check whether image and mask were swapped.",
        )
    top = int(values[-1])
    if 128 <= top <= 255 and areas[-1] > areas[:-1].sum():
        between = (labels > 0) & (labels < top)
        n_between = int(np.count_nonzero(between))
        if n_between < _SPECK * len(np.unique(pieces[between])):
            raise UserError(
                f"The mask {where} has blurred edges: {n_between:,} px lie between 0 and {top}.",
                f"Expected only 0 and {top}.",
                "Threshold it, and save it as PNG or TIFF; JPEG blurs edges.",
            )
    _refuse_resampled(labels, differing, where)


def _refuse_resampled(labels: NDArray[np.int32], differing: float, where: str) -> None:
    """Refuse masks that were resized like photographs: along an edge such numbers lie between those on both sides."""
    steps = labels[:, 1:] != labels[:, :-1]
    rows, columns = np.nonzero(steps[:, :-1] & steps[:, 1:])  # of the left of three
    if not rows.size:
        return
    left, centre, right = (labels[rows, columns + k] for k in range(3))
    between = ((left < centre) & (centre < right)) | ((left > centre) & (centre > right))
    n_between = int(np.count_nonzero(between))
    if n_between < _MIN_BETWEEN * differing * labels.size:
        return
    values = np.unique(centre[between])
    if values.size >= _MIN_BETWEEN_VALUES:
        raise UserError(
            f"The mask {where} looks resized with interpolation: {n_between:,} px along edges have numbers between "
            f"those of their neighbours, {values.size} different ones.",
            "Expected one number per object, up to its edge.",
            "Save it as PNG or TIFF, for JPEG blurs edges; resize the original with nearest neighbours.",
        )


def _guess(values: NDArray[np.int32], n_pieces: int) -> tuple[MaskKind, str]:
    number = len(values)
    if number == 1:
        return "binary", f"one value, {values[0]}, beside 0"
    gap = int(np.diff(values, prepend=0).min())
    if number <= _MAX_CODES and values[-1] <= 255 and gap >= _MIN_CODE_GAP:
        return "classes", f"{number} widely spaced values ({_list_values(values)})"
    if number <= _MAX_CODES and n_pieces > 2 * number:
        return "classes", f"{number} values ({_list_values(values)}) in {n_pieces} pieces"
    return "instances", f"{number} values from {values[0]} to {values[-1]}, {n_pieces} pieces"


def _list_values(values: Sequence[int] | NDArray[np.int32]) -> str:
    examples = ", ".join(str(value) for value in values[:8])
    return examples + (", …" if len(values) > 8 else "")


def decide_kind(facts: Sequence[MaskFacts]) -> tuple[MaskKind, str]:
    """Decide on one kind for a whole set, and give the reason.

    An empty mask tells nothing. A mask with a single object tells little, so one instance mask makes the set instances;
    the same two to five numbers in every one of at least five masks are classes rather than objects that happen to be
    as many.
    """
    facts = [fact for fact in facts if fact.n_objects] or list(facts)
    counts = {kind: sum(fact.kind == kind for fact in facts) for kind in ("binary", "classes", "instances")}
    if not facts or counts["binary"] == len(facts):
        return "binary", _reason("binary", facts)
    values = {fact.values for fact in facts}
    detected = all(fact.reason not in (NOTED, DRAWN_SINGLY) for fact in facts)
    if detected and len(facts) >= 5 and len(values) == 1 and 2 <= len(facts[0].values) <= 5 and not counts["binary"]:
        return "classes", f"the same values ({_list_values(facts[0].values)}) in all {len(facts)} masks"
    kind: MaskKind = "classes" if counts["classes"] > counts["instances"] else "instances"
    return kind, _reason(kind, facts)


def _reason(kind: MaskKind, facts: Sequence[MaskFacts]) -> str:
    alike = [fact for fact in facts if fact.kind == kind]
    if not alike:
        return "no mask could be read"
    is_known = alike[0].reason in (NOTED, DRAWN_SINGLY)
    text = alike[0].reason if is_known else f"{alike[0].reason} in the first mask"
    return text if len(alike) == len(facts) else f"{len(alike)} of {len(facts)} masks look like it; {text}"


def merge_classes(masks: Sequence[NDArray[np.int32]]) -> tuple[NDArray[np.int32], int]:
    """Merge the masks of one image to classes 1..K; where they overlap the later wins.

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
    """Convert labels as stored to the form of a kind.

    Parameters
    ----------
    labels : NDArray (Y, X) int32
        As read from the file, or merged by `merge_classes`.
    kind : str
        ``binary``: every value but 0 becomes 1. ``classes``: the code ``class_values[k - 1]`` becomes k. ``instances``:
        ids stay; a mask with a single value, or with class codes, is split into connected pieces.
    class_values : sequence of int
        Codes of the classes, ascending; empty if the mask has no classes.
    where : str
        Its file, for the message if a code is unknown.
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
            f"The mask {where} has the value {labels[wrong][0]} in {int(wrong.sum()):,} px.",
            f"Expected the classes {_list_values(known)}.",
            "Check the pairs again.",
        )
    numbered: NDArray[np.int32] = np.where(labels == 0, 0, place + 1).astype(np.int32)
    return numbered
