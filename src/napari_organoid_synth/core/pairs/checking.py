"""Check pairs by their pixels: the content of each file, and the meaning of the masks of the whole set."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError, sentence_of
from napari_organoid_synth.core.pairs.annotations.reading import is_annotation
from napari_organoid_synth.core.pairs.discovery import ONLY_PAIR
from napari_organoid_synth.core.pairs.entry_reading import (
    ONE_CLASS,
    merged_remarks,
    read_entry_image,
    read_masks,
    stack_remark,
)
from napari_organoid_synth.core.pairs.file_sets import holds_objects, is_file_set
from napari_organoid_synth.core.pairs.mask_kind import (
    MAX_CLASSES,
    NOTED,
    MaskFacts,
    decide_kind,
    inspect_mask,
)
from napari_organoid_synth.core.pairs.ome_tiff import read_info, read_record, read_source, stored_dtype
from napari_organoid_synth.core.pairs.pair import MaskKind, content_hash, size_mismatch
from napari_organoid_synth.core.pairs.pair_format import value_range
from napari_organoid_synth.core.pairs.reading.readers import short
from napari_organoid_synth.core.pairs.table import BY_HAND, OBJECT, PairEntry, PairTable
from napari_organoid_synth.core.quantities import pixels, plural

EMPTY_FIELD = "no objects: an empty field"
"""Remark on a row whose mask is empty."""
MAX_VALUE = 1e18
"""Of a pixel: squares of larger numbers are infinite in the arithmetic of the networks."""
NO_MASK = MaskFacts("binary", "no masks", (), 0, (0, 0))
"""Facts of an image without mask."""


@dataclass(frozen=True)
class CheckedEntry:
    """A row after its check.

    Parameters
    ----------
    entry : PairEntry
        With size, dtype, counts and digest filled in, or broken with the reason.
    facts : MaskFacts, optional
        Content of its mask; None for an unusable row, and for one that was checked earlier and is not read again.
    """

    entry: PairEntry
    facts: MaskFacts | None = None


def check_pairs(table: PairTable, kind: MaskKind | None = None) -> PairTable:
    """Read every matched pair once and fill in the content of its files.

    Unusable rows become ``broken``; of rows with equal pixels only the first is kept; the kind of the masks is
    detected. To show progress, loop over `check_entry` and call `conclude`.

    Parameters
    ----------
    table : PairTable
        As `find_pairs` returns it, or checked before.
    kind : {"binary", "classes", "instances"}, optional
        Meaning of the masks, if a person chose it.

    Returns
    -------
    PairTable
        With the kind of the masks, their classes, and size, type and objects of each row.
    """
    return conclude(table, [check_entry(entry) for entry in table.entries], kind)


def check_entry(entry: PairEntry) -> CheckedEntry:
    """Read the files of a row and fill in size, dtype, counts and digest, or mark it as broken with the reason."""
    if entry.duplicate_of:
        entry = entry.replace(status="matched", reason="", duplicate_of="")
    if entry.status != "matched":
        return CheckedEntry(entry)
    try:
        image, info = read_entry_image(entry)
        refuse_image(image, short(Path(entry.image)) + ("" if entry.page is None else f", slice {entry.page}"))
        record = read_record(Path(entry.image))
        mask, overlap = read_masks(entry, (image.shape[1], image.shape[2]))
        labels = mask.labels
        if labels.shape != image.shape[1:]:
            error = size_mismatch(entry.name, image, labels)
            broken = entry.replace(status="broken", reason=str(error), shape=image.shape, mask_size=labels.shape)
            return CheckedEntry(broken)
        known: MaskKind | None = "classes" if len(entry.masks) > 1 else record.mask_kind if record else None
        if mask.is_objects:
            known = "instances"
        mask_name = short(Path(next(iter(entry.masks.values()), "")))
        facts = inspect_mask(labels, mask_name, known, mask.is_objects) if entry.masks else NO_MASK
        predicted, mask_remarks = predicted_classes(entry), _mask_remarks(entry)
        mask_remarks = [*mask_remarks, *merged_remarks(entry, (image.shape[1], image.shape[2]))]
    except Exception as error:  # one odd file never stops the others
        if not isinstance(error, UserError):
            logging.getLogger(__name__).warning("%s cannot be checked", entry.image, exc_info=True)
        return CheckedEntry(entry.replace(status="broken", reason=sentence_of(error, short(Path(entry.image)))))
    remarks = [ONLY_PAIR] if entry.reason.startswith(ONLY_PAIR) else []
    if entry.masks and not facts.n_objects:
        remarks.append(EMPTY_FIELD)
    elif facts.kind == "binary" and facts.sizes[1] == labels.size:
        remarks.append("one object fills the image")
    remarks += [*info.remarks, *mask_remarks]
    if stack := stack_remark(entry):
        remarks.append(stack)
    if record and record.remark:
        remarks.append(record.remark)
    if predicted:
        remarks.append(f"{', '.join(predicted)} predicted, not drawn")
    if record and record.is_synthetic:
        remarks.append(f"{record.source.kind}, not a real image")
    remarks += mask.remarks
    if overlap:
        remarks.append(f"{overlap:,} px are in several masks, the later class wins")
    names = record.class_names if record and facts.kind == "classes" else ()
    checked = entry.replace(
        reason="; ".join(remarks),
        shape=image.shape,
        mask_size=None,
        dtype=image.dtype.name,
        value_range=value_range(image),
        pixel_size=entry.pixel_size or info.pixel_size,
        channel_names=info.channel_names,
        mask_kind=facts.kind,
        class_names=names,
        class_values=tuple(range(1, len(names) + 1)),
        n_objects=facts.n_objects,
        object_size=facts.sizes if facts.n_objects else None,
        image_class=entry.image_class or (record.image_class if record else None),
        image_digest=content_hash(image),
    )
    return CheckedEntry(checked, facts)


def predicted_classes(entry: PairEntry) -> list[str]:
    """Return the names of those masks of a row that a segmenter drew."""
    files = {name: Path(path) for name, path in entry.masks.items() if not is_file_set(Path(path))}
    return [name for name, path in files.items() if read_source(path).kind == "predicted"]


def drawn_classes(entry: PairEntry, class_names: Sequence[str]) -> tuple[str, ...]:
    """Return those classes of a row that a person drew, in their order: all that no segmenter predicted.

    Parameters
    ----------
    entry : PairEntry
        One mask file for each class, or a single one for all.
    class_names : sequence of str
        Those of the set.
    """
    predicted = predicted_classes(entry)
    if len(entry.masks) == 1:
        return () if predicted else tuple(class_names)
    return tuple(name for name in class_names if name not in predicted)


def _mask_remarks(entry: PairEntry) -> list[str]:
    """Return what a person should know of the files of the masks."""
    page = None if entry.stack_use else entry.page
    paths = map(Path, entry.masks.values())
    files = [path for path in paths if not is_annotation(path) and not holds_objects(path)]
    return [f"mask {short(path)}: {remark}" for path in files for remark in read_info(path, page).remarks]


def refuse_image(image: NDArray[Any], where: str) -> None:
    """Raise `UserError` if nothing can be learned from an image (C, Y, X); ``where`` names it in the message."""
    refuse_values(image, where)
    stored_dtype(image, where)
    if image.size and image.min() == image.max():
        raise UserError(
            f"The image {where} is constant: all {pixels(image.shape[1:])} are {image.flat[0]}.",
            "Expected different values.",
            "Check the file, or leave it out.",
        )


def refuse_values(image: NDArray[Any], where: str) -> None:
    """Raise `UserError` if pixels of an image are not numbers; ``where`` names it in the message."""
    if image.dtype.kind not in "buif":
        raise UserError(f"The image {where} is {image.dtype}.", "Expected integers or floats.", "Convert it first.")
    if image.dtype.kind == "f":
        wrong = int(np.count_nonzero(~np.isfinite(image)))
        if wrong:
            raise UserError(
                f"The image {where} has {wrong:,} px that are not a number (NaN or infinite).",
                "Expected numbers everywhere.",
                "Fill them, or leave the image out.",
            )
        if image.size and (largest := max(-float(image.min()), float(image.max()))) > MAX_VALUE:
            raise UserError(
                f"The image {where} has values up to {largest:.3g}.",
                f"Expected values up to {MAX_VALUE:.0e}: no camera gives more.",
                "Check how it was computed, or leave it out.",
            )


def conclude(table: PairTable, checked: Sequence[CheckedEntry], kind: MaskKind | None = None) -> PairTable:
    """Determine the facts of the whole set: kind and classes of the masks, duplicates, mixtures.

    Parameters
    ----------
    table : PairTable
        As it was before.
    checked : sequence of CheckedEntry
        Its rows from `check_entry`; a usable row without facts was checked earlier and is not read again.
    kind : {"binary", "classes", "instances"}, optional
        Meaning of the masks, if a person chose it.
    """
    entries = [row.entry for row in checked]
    facts = [row.facts or _facts_of(row.entry) for row in checked if row.entry.status == "matched"]
    facts = [fact for fact in facts if fact is not NO_MASK] or facts
    decided, reason = (NO_MASK.kind, NO_MASK.reason) if NO_MASK in facts else decide_kind(facts)
    several = next((tuple(entry.masks) for entry in entries if entry.status == "matched" and len(entry.masks) > 1), ())
    if several:
        decided, reason = "classes", "several masks per image: " + ", ".join(several)
    if kind is not None:
        decided, reason = kind, BY_HAND
    class_names, class_values = _classes(table, entries, facts, several, decided)
    for index, entry in enumerate(entries):
        if entry.status == "matched":
            entries[index] = entry.replace(mask_kind=decided, class_names=class_names, class_values=class_values)
    _mark_duplicates(entries)
    notes = [*_mixtures(entries), *_without_objects(entries), *_numbers_lost(entries)]
    return table.replace(
        entries=tuple(entries),
        mask_kind=decided,
        kind_reason=reason,
        kind_by_hand=kind is not None,
        class_names=class_names,
        class_values=class_values,
        check_notes=tuple(notes),
    )


def _facts_of(entry: PairEntry) -> MaskFacts:
    """Return the facts of an earlier check."""
    if not entry.masks:
        return NO_MASK
    kind = entry.mask_kind or "binary"
    return MaskFacts(kind, NOTED, entry.class_values, entry.n_objects or 0, entry.object_size or (0, 0))


def _classes(
    table: PairTable, entries: Sequence[PairEntry], facts: Sequence[MaskFacts], several: tuple[str, ...], kind: MaskKind
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Return the names of the classes (or the one name of the objects), and their codes in the masks."""
    if several:
        values = tuple(range(1, len(several) + 1))
        return (several, values) if kind == "classes" else ((OBJECT,), values)
    if kind != "classes":
        return next(((name,) for entry in entries for name in entry.masks), (OBJECT,)), ()
    values = tuple(sorted({value for fact in facts for value in fact.values}))
    if len(values) > MAX_CLASSES:
        raise UserError(
            f"The masks contain more than {MAX_CLASSES} different values.",
            f"Expected at most {MAX_CLASSES} classes.",
            "Choose 'instances', or merge classes.",
        )
    names = next((entry.class_names for entry in entries if len(entry.class_names) > 1), ())
    if names and max(values, default=0) <= len(names):
        return names, tuple(range(1, len(names) + 1))  # a class may be absent from every mask
    if values == table.class_values and len(table.class_names) == len(values):
        return table.class_names, values
    return tuple(f"class {value}" for value in values), values


def _mark_duplicates(entries: list[PairEntry]) -> None:
    """Keep the first of the rows with equal pixels, and give the reason on all of them."""
    by_digest: dict[str, list[int]] = {}
    for index, entry in enumerate(entries):
        if entry.status == "matched" and entry.image_digest:
            by_digest.setdefault(entry.image_digest, []).append(index)
    for first, *others in by_digest.values():
        for other in others:
            entries[other] = entries[other].replace(
                status="ambiguous",
                duplicate_of=entries[first].name,
                reason=f"same pixels as '{entries[first].name}', which is kept",
            )
        if others:
            copies = ", ".join(f"'{entries[other].name}'" for other in others[:3])
            copies += f" and {len(others) - 3} more" if len(others) > 3 else ""
            text = f"same pixels as {copies}, left out"
            entries[first] = entries[first].replace(reason="; ".join(filter(None, [entries[first].reason, text])))


def _numbers_lost(entries: Sequence[PairEntry]) -> list[str]:
    """Say, in a sentence, that numbered objects become one class because there are several masks per image."""
    rows = sum(entry.status == "matched" and ONE_CLASS in entry.reason for entry in entries)
    if not rows:
        return []
    return [
        f"In {plural(rows, 'image')} numbered objects {ONE_CLASS}: several masks per image are classes. To tell the "
        "objects apart, use their masks alone."
    ]


def _without_objects(entries: Sequence[PairEntry]) -> list[str]:
    """Describe how many masks are empty, or hold nothing but one object, in a sentence."""
    masked = [entry for entry in entries if entry.status == "matched" and entry.masks]
    empty = sum(entry.is_empty_field for entry in masked)
    if masked and empty == len(masked):
        return [f"{'The mask is' if empty == 1 else f'All {empty} masks are'} empty: there is nothing to learn."]
    full = sum(entry.mask_kind == "binary" and entry.object_size == (entry.area, entry.area) for entry in masked)
    if masked and full == len(masked):
        return [
            f"{'The mask has' if full == 1 else f'All {full} masks have'} one value in every pixel: there is nothing "
            "to tell apart. Check the files."
        ]
    return [f"{plural(empty, 'image')} without objects: empty fields, learned from and tested on."] if empty else []


def _mixtures(entries: Sequence[PairEntry]) -> list[str]:
    """Describe rows that do not fit together, a sentence each."""
    matched = [entry for entry in entries if entry.status == "matched"]
    copies = sum(bool(entry.duplicate_of) for entry in entries)
    notes = [f"{plural(copies, 'image')} left out with the same pixels as another."] if copies else []
    channels = Counter((entry.shape or (0,))[0] for entry in matched)
    if len(channels) > 1:
        counts = ", ".join(f"{number} with {plural(c, 'channel')}" for c, number in sorted(channels.items()))
        grey = " To use all alike, set channels to grey or rgb." if set(channels) <= {1, 3} else ""
        notes.append(f"Images differ in channels: {counts}; a generator needs the same number in all.{grey}")
    dtypes = Counter(entry.dtype for entry in matched)
    if len(dtypes) > 1:
        notes.append(
            "Images differ in pixel type: " + ", ".join(f"{n} {name}" for name, n in sorted(dtypes.items())) + "."
        )
    sizes = {entry.pixel_size for entry in matched if entry.pixel_size}
    if len(sizes) > 1 and np.ptp(np.log(np.array(list(sizes))), axis=0).max() > 0.01:
        low, high = min(min(s) for s in sizes), max(max(s) for s in sizes)
        notes.append(f"Pixel sizes differ: {low:.4g} to {high:.4g} µm.")
    return notes
