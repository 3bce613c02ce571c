"""Real pairs: checked by their pixels, read as arrays, saved from the screen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.discovery import ONLY_PAIR, find_pairs
from napari_organoid_synth.core.pairs.mask_kind import (
    MAX_CLASSES,
    NOTED,
    MaskFacts,
    convert,
    decide_kind,
    inspect_mask,
    merge_classes,
)
from napari_organoid_synth.core.pairs.ome_tiff import as_labels, read_image, read_labels, read_record, write_pair
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.readers import short
from napari_organoid_synth.core.pairs.table import OBJECT, PairEntry, PairTable, Split, split_table
from napari_organoid_synth.core.project import Project

__all__ = [
    "PairEntry",
    "PairTable",
    "check_entry",
    "check_pairs",
    "conclude",
    "find_pairs",
    "load_pairs",
    "predicted_classes",
    "read_entry",
    "save_layers_pair",
    "split_table",
]

BY_HAND = "chosen by hand"
NO_MASK = MaskFacts("binary", "no masks", (), 0, (0, 0))
"""What is known of an image without mask."""
Checked = tuple[PairEntry, MaskFacts | None]


def check_pairs(table: PairTable, kind: MaskKind | None = None) -> PairTable:
    """Read every matched pair once and fill in what it holds.

    Unusable rows become ``broken``; of rows with equal pixels only the first is kept; the kind of the masks is found.
    To show progress, loop over `check_entry` and call `conclude`.

    Parameters
    ----------
    table : PairTable
        As found, or checked before.
    kind : {"binary", "classes", "instances"}, optional
        What the masks mean, if a person says so.
    """
    checked = [check_entry(entry) for entry in table.entries]
    return conclude(table, checked, kind)


def check_entry(entry: PairEntry) -> Checked:
    """A row with size, dtype, counts and digest filled in, or broken with the reason; and what its mask holds."""
    if entry.duplicate_of:
        entry = entry.replace(status="matched", reason="", duplicate_of="")
    if entry.status != "matched":
        return entry, None
    try:
        image, info = read_image(entry.image, entry.page)
        where = short(Path(entry.image)) + ("" if entry.page is None else f", slice {entry.page}")
        _refuse_image(image, where)
        record = read_record(Path(entry.image)) or {}
        labels, reason = _stored_labels(entry, (image.shape[1], image.shape[2]))
        mask_where = short(Path(next(iter(entry.masks.values()), "")))
        if labels.shape != image.shape[1:]:
            SamplePair(entry.name, image, labels)  # raises the sentence about sizes
        known: MaskKind | None = "classes" if len(entry.masks) > 1 else record.get("mask_kind")
        facts = inspect_mask(labels, mask_where, known) if entry.masks else NO_MASK
    except UserError as error:
        return entry.replace(status="broken", reason=str(error)), None
    if record.get("source", {}).get("kind") in ("synthetic", "simulated"):
        reason = "; ".join(filter(None, [f"{record['source']['kind']}, not a real image", reason]))
    if guessed := predicted_classes(entry):
        reason = "; ".join(filter(None, [f"{', '.join(guessed)} predicted, not drawn", reason]))
    if entry.reason.startswith(ONLY_PAIR):
        reason = "; ".join(filter(None, [ONLY_PAIR, reason]))
    names = tuple(record.get("class_names", ())) if facts.kind == "classes" else ()
    return entry.replace(
        reason=reason,
        shape=image.shape,
        dtype=image.dtype.name,
        pixel_size=entry.pixel_size or info.pixel_size,
        channel_names=info.channel_names,
        mask_kind=facts.kind,
        class_names=names,
        class_values=tuple(range(1, len(names) + 1)),
        n_objects=facts.n_objects,
        object_size=facts.sizes,
        image_class=entry.image_class or record.get("image_class"),
        image_digest=content_hash(image),
    ), facts


def predicted_classes(entry: PairEntry) -> list[str]:
    """Names of the masks of a row that a segmenter marked; ours say so."""
    records = {name: read_record(Path(path)) or {} for name, path in entry.masks.items()}
    return [name for name, record in records.items() if record.get("source", {}).get("kind") == "predicted"]


def _refuse_image(image: NDArray[Any], where: str) -> None:
    size = f"{image.shape[1]} × {image.shape[2]} px"
    if image.dtype.kind in "cOSUV":
        raise UserError(f"The image {where} is {image.dtype}.", "Expected integers or floats.", "Convert it first.")
    if image.dtype.kind == "f":
        wrong = int(np.count_nonzero(~np.isfinite(image)))
        if wrong:
            raise UserError(
                f"The image {where} holds {wrong} px that are not a number (NaN or infinite).",
                "Expected numbers everywhere.",
                "Fill them, or leave the image out.",
            )
    if image.size and image.min() == image.max():
        raise UserError(
            f"The image {where} is constant: all {size} are {image.flat[0]}.",
            "Expected a picture.",
            "Check the file, or leave it out.",
        )


def _stored_labels(entry: PairEntry, size: tuple[int, int]) -> tuple[NDArray[np.int32], str]:
    """Labels as in the file, several masks merged to classes 1..K, and a remark; all 0 for an image without mask."""
    masks = [read_labels(path, entry.page) for path in entry.masks.values()]
    if not masks:
        return np.zeros(size, np.int32), ""
    if len(masks) == 1:
        return masks[0], ""
    if len({mask.shape for mask in masks}) > 1:
        sizes = ", ".join(f"{n} {m.shape[0]} × {m.shape[1]} px" for n, m in zip(entry.masks, masks, strict=True))
        raise UserError(
            f"The masks of '{entry.name}' differ in size: {sizes}.", "Expected the same height and width.",
            "Export them again at the size of the image.",
        )  # fmt: skip
    labels, overlapped = merge_classes(masks)
    return labels, f"{overlapped} px are in several masks, the later class wins" if overlapped else ""


def conclude(table: PairTable, checked: Sequence[Checked], kind: MaskKind | None = None) -> PairTable:
    """What only the whole set tells: kind and classes of the masks, duplicates, mixtures.

    Parameters
    ----------
    table : PairTable
        As it was before.
    checked : sequence of (PairEntry, MaskFacts or None)
        Its rows from `check_entry`; None beside a usable row that was checked earlier and need not be read again.
    kind : str, optional
        What the masks mean, if a person says so.
    """
    entries = [entry for entry, _ in checked]
    facts = [fact or _facts_of(entry) for entry, fact in checked if entry.status == "matched"]
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
    return table.replace(
        entries=tuple(entries),
        mask_kind=decided,
        kind_reason=reason,
        class_names=class_names,
        class_values=class_values,
        notes=(*(note for note in table.notes if note.endswith("to use it.")), *_notes(entries)),
    )


def _facts_of(entry: PairEntry) -> MaskFacts:
    """What an earlier check found."""
    if not entry.masks:
        return NO_MASK
    kind = entry.mask_kind or "binary"
    return MaskFacts(kind, NOTED, entry.class_values, entry.n_objects or 0, entry.object_size or (0, 0))


def _classes(
    table: PairTable, entries: Sequence[PairEntry], facts: Sequence[MaskFacts], several: tuple[str, ...], kind: MaskKind
) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Names of the classes (or the one name of the objects), and their codes in the masks."""
    if several:
        values = tuple(range(1, len(several) + 1))
        return (several, values) if kind == "classes" else ((OBJECT,), values)
    if kind != "classes":
        return next(((name,) for entry in entries for name in entry.masks), (OBJECT,)), ()
    values = tuple(sorted({value for fact in facts for value in fact.values}))
    if len(values) > MAX_CLASSES:
        raise UserError(
            f"The masks hold more than {MAX_CLASSES} different values.",
            f"Expected at most {MAX_CLASSES} classes.",
            "Choose 'instances', or merge classes.",
        )
    noted = next((entry.class_names for entry in entries if len(entry.class_names) > 1), ())
    if noted and max(values, default=0) <= len(noted):
        return noted, tuple(range(1, len(noted) + 1))  # a class may be absent from every mask
    if values == table.class_values and len(table.class_names) == len(values):
        return table.class_names, values
    return tuple(f"class {value}" for value in values), values


def _mark_duplicates(entries: list[PairEntry]) -> None:
    """Keep the first of rows with equal pixels and say so on all of them."""
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
            copies = ", ".join(f"'{entries[other].name}'" for other in others)
            text = f"same pixels as {copies}, left out"
            entries[first] = entries[first].replace(reason="; ".join(filter(None, [entries[first].reason, text])))


def _notes(entries: Sequence[PairEntry]) -> list[str]:
    """Sentences about rows that do not fit together."""
    matched = [entry for entry in entries if entry.status == "matched"]
    copies = sum(bool(entry.duplicate_of) for entry in entries)
    notes = [f"{copies} left out with the same pixels as another."] if copies else []
    channels = Counter((entry.shape or (0,))[0] for entry in matched)
    if len(channels) > 1:
        counted = ", ".join(f"{number} with {c} channel{'s' * (c > 1)}" for c, number in sorted(channels.items()))
        notes.append(f"Images differ in channels: {counted}; a generator takes one sort.")
    dtypes = Counter(entry.dtype for entry in matched)
    if len(dtypes) > 1:
        notes.append("Images differ in type: " + ", ".join(f"{n} {name}" for name, n in sorted(dtypes.items())) + ".")
    sizes = {entry.pixel_size for entry in matched if entry.pixel_size}
    if len(sizes) > 1 and np.ptp(np.log(np.array(list(sizes))), axis=0).max() > 0.01:
        low, high = min(min(s) for s in sizes), max(max(s) for s in sizes)
        notes.append(f"Pixel sizes differ: {low:.4g} to {high:.4g} µm.")
    return notes


def read_entry(
    entry: PairEntry, kind: MaskKind | None = None, class_names: tuple[str, ...] | None = None
) -> SamplePair:
    """The pair of a row.

    Parameters
    ----------
    entry : PairEntry
        Checked, so that it knows its class codes.
    kind : str, optional
        What the labels shall mean; default: what the check found. Binary masks become instances by connected pieces.
    class_names : tuple of str, optional
        Default: those of the row.

    Raises
    ------
    UserError
        If a file cannot be read or changed since the check.
    """
    image, info = read_image(entry.image, entry.page)
    labels, _ = _stored_labels(entry, (image.shape[1], image.shape[2]))
    kind = kind or entry.mask_kind or "binary"
    values = entry.class_values
    if kind == "classes" and not values:
        values = tuple(int(value) for value in np.unique(labels[labels != 0]))
    names = class_names or entry.class_names or (OBJECT,)
    if kind == "classes" and len(names) != len(values):
        names = tuple(f"class {value}" for value in values)
    return SamplePair(
        name=entry.name,
        image=image,
        labels=convert(labels, kind, values, short(Path(next(iter(entry.masks.values()), "")))),
        mask_kind=kind,
        class_names=names,
        pixel_size=entry.pixel_size or info.pixel_size,
        channel_names=info.channel_names,
        image_class=entry.image_class,
        source=Source("real", (entry.image, *entry.masks.values()), {} if entry.page is None else {"page": entry.page}),
    ).shrunk(entry.scale)


def load_pairs(
    project: Project | PairTable, split: Split | None = None, images_alone: bool = False
) -> list[SamplePair]:
    """All usable pairs of a project or table, or those to ``"train"`` or ``"test"``.

    Images without mask are left out, or with ``images_alone`` taken in with empty labels.

    Raises
    ------
    UserError
        If the project has no table or the table no usable pair of that split.
    """
    table = project if isinstance(project, PairTable) else PairTable.from_file(project.pairs_path)
    if table.mask_kind is None:
        table = check_pairs(table)
    rows = {None: table.matched, "train": table.train, "test": table.test}[split]
    if rows and not images_alone:
        rows, found = tuple(entry for entry in rows if entry.masks), len(rows)
        if not rows:
            raise UserError(
                f"None of {found} images has a mask.",
                "Expected images with masks.",
                "Add masks, or let a generator draw images alone (draws=images).",
            )
    if not rows:
        which = "usable pair" if split is None else f"usable pair to {split}"
        raise UserError(
            f"The table has no {which} ({table.summary().rstrip('.')}).",
            "Expected at least one image with its mask.",
            "Check the pairs." if split != "test" else "Put some pairs aside for testing.",
        )
    return [read_entry(entry, table.mask_kind, table.class_names) for entry in rows]


def save_layers_pair(
    project: Project,
    name: str,
    image: NDArray[Any],
    labels: NDArray[Any],
    pixel_size: tuple[float, float] | None = None,
    *,
    mask_kind: MaskKind | None = None,
    class_names: tuple[str, ...] = (),
    channel_names: tuple[str, ...] = (),
    image_class: str | None = None,
    source: Literal["real", "drawn"] = "real",
) -> PairEntry:
    """Save an image and labels from the screen in the project and add their row, or renew the row of that name.

    Parameters
    ----------
    project : Project
        The pair goes to ``pairs/`` in it.
    name : str
        Of the pair.
    image : NDArray (Y, X) or (C, Y, X), native dtype
        Pixels of the image layer.
    labels : NDArray (Y, X), whole numbers
        Pixels of the labels layer.
    pixel_size : (float, float), optional
        Height and width of a pixel in µm.
    mask_kind : str, optional
        What these labels mean; default: what they look like. The kind of the table stays if it was chosen by hand.
    class_names, channel_names, image_class, source
        As in `SamplePair` and its source.

    Raises
    ------
    UserError
        If the two do not fit or are unusable; nothing is written then.
    """
    image = image[None] if image.ndim == 2 else image
    numbers = as_labels(np.asarray(labels), f"'{name}'")
    try:
        table = PairTable.from_file(project.pairs_path)
    except UserError:
        if project.pairs_path.exists():
            raise
        table = PairTable()
    pair = SamplePair(name, image, numbers)
    _refuse_image(image, f"'{name}'")
    kind = inspect_mask(numbers, f"'{name}'", mask_kind).kind
    if kind == "classes" and not class_names:
        known = table.class_names if table.mask_kind == "classes" else ()
        highest = int(numbers.max())
        class_names = known if len(known) >= highest else tuple(f"class {k}" for k in range(1, highest + 1))
    pair = pair.replace(
        labels=(numbers != 0).astype(np.int32) if kind == "binary" else numbers,
        mask_kind=kind,
        class_names=class_names or (OBJECT,),
        pixel_size=pixel_size,
        channel_names=channel_names,
        image_class=image_class,
        source=Source(source),
    )
    image_path, labels_path = write_pair(project.path / "pairs", pair)
    rows = {entry.name: entry for entry in table.entries}
    old = rows.get(name, PairEntry(name=name))
    new = PairEntry(
        name=name,
        image=str(image_path),
        masks={pair.class_names[0] if kind != "classes" else OBJECT: str(labels_path)},
        split=old.split,
        group=old.group,
        scale=1 if name in rows else table.scale,  # a known pair comes from the screen as it is used
    )
    checked: list[Checked] = [(entry, None) for entry in table.entries if entry.name != name]
    chosen = table.mask_kind if table.kind_reason == BY_HAND else None
    table = conclude(table, [*checked, check_entry(new)], chosen)
    table.to_file(project.pairs_path)
    return table.entry(name)
