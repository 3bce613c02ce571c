"""Add a pair from arrays, such as two layers of the window, to a project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.checking import CheckedEntry, check_entry, conclude, refuse_image
from napari_organoid_synth.core.pairs.mask_kind import inspect_mask
from napari_organoid_synth.core.pairs.ome_tiff import as_labels, read_record, write_pair
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, content_hash
from napari_organoid_synth.core.pairs.pair_format import PairFormat
from napari_organoid_synth.core.pairs.table import OBJECT, PairEntry, PairTable
from napari_organoid_synth.core.project import Project, file_stem


def add_pair(project: Project, pair: SamplePair, mask_kind: MaskKind | None = None) -> PairEntry:
    """Save a pair in the project and add its row to the table, or update the row of the same image.

    Parameters
    ----------
    project : Project
        The files go to its folder ``pairs``.
    pair : SamplePair
        Its labels may be any whole numbers (Y, X); its own ``mask_kind`` is not used. A row of its name is updated if
        it is of the same file (the first of ``source.files``), or where no file is known has the same pixels; another
        image of that name becomes a row of its own, named by its folder or with a number.
    mask_kind : {"binary", "classes", "instances"}, optional
        Meaning of these labels; default: detected. The kind of the table stays if it was chosen by hand.

    Returns
    -------
    PairEntry
        The row, checked; its name may differ from that of the pair.

    Raises
    ------
    UserError
        If the pair is unusable; nothing is written then.
    Misfit
        If channels, pixel type, range of values or classes are not those of the other pairs; nothing is written then.
    """
    table = _table_of(project)
    pair = _usable(pair, table, mask_kind)
    pair = pair.replace(name=_row_name(table, pair))
    others = table.replace(entries=tuple(entry for entry in table.entries if entry.name != pair.name))
    if (real := PairFormat.of_table(others)) is not None:
        images = replace(PairFormat.of_pair(pair), mask_kind=_clear_kind(pair, real))
        real.refuse(images, f"'{pair.name}'", "Convert it, or add it to another project.")
    image_path, labels_path = write_pair(project.path / "pairs", pair)
    known = {entry.name: entry for entry in table.entries}
    before = known.get(pair.name, PairEntry(name=pair.name))
    as_used = before.size == pair.size  # opened from the table, it is already at the size at which it is used
    scaled = before if pair.name in known else table
    entry = PairEntry(
        name=pair.name,
        image=str(image_path),
        masks={pair.class_names[0] if pair.mask_kind != "classes" else OBJECT: str(labels_path)},
        split=before.split,
        group=before.group,
        scale=1 if as_used or scaled.whole else scaled.scale,
        whole=0 if as_used else scaled.whole,
    )
    checked = [CheckedEntry(other) for other in table.entries if other.name != pair.name]
    kind = table.mask_kind if table.kind_by_hand else None
    table = conclude(table, [*checked, check_entry(entry)], kind)
    table.to_file(project.pairs_path)
    return table.entry(pair.name)


def _table_of(project: Project) -> PairTable:
    """Return the table of a project; an empty one before its first pair."""
    try:
        return PairTable.from_file(project.pairs_path)
    except UserError:
        if project.pairs_path.exists():
            raise
        return PairTable()


def _clear_kind(pair: SamplePair, real: PairFormat) -> MaskKind | None:
    """Return the kind of a mask where it is certain; objects may be read as binary or as instances."""
    is_clear = "classes" in (pair.mask_kind, real.mask_kind) and pair.mask_kind != "binary"
    return pair.mask_kind if is_clear else None


def _row_name(table: PairTable, pair: SamplePair) -> str:
    """Return the name of the row of the same image, or a free one."""
    names, digest = _possible_names(pair, len(table.entries)), content_hash(pair.image)
    possible = set(names)
    for entry in table.entries:
        is_equal = entry.image_digest == digest
        if pair.source.files:  # a layer of the file may have another name by now, or other channels of it the same file
            if (entry.name in possible or is_equal) and _is_of_file(entry, pair.source.files[0]):
                return entry.name
        elif entry.name in possible and is_equal:
            return entry.name
    taken = {file_stem(entry.name).casefold() for entry in table.entries}
    return next(name for name in names if file_stem(name).casefold() not in taken)


def _possible_names(pair: SamplePair, rows: int) -> list[str]:
    """Return the names that a pair may get: its own, with its folder, with a number."""
    folder = [f"{Path(file).parent.name}_{pair.name}" for file in pair.source.files[:1] if Path(file).parent.name]
    return [pair.name, *folder, *(f"{pair.name} ({number})" for number in range(2, rows + 3))]


def _is_of_file(entry: PairEntry, file: str) -> bool:
    """Return whether a row is of this file, or of a copy that the project made of it."""
    try:
        record = read_record(Path(entry.image))
    except (UserError, OSError):
        record = None
    return file in {entry.image, *(record.source.files[:1] if record is not None else ())}


def _usable(pair: SamplePair, table: PairTable, mask_kind: MaskKind | None) -> SamplePair:
    """Check pixels and labels, and return the pair with its kind, int32 labels and a name for each class."""
    where = f"'{pair.name}'"
    labels = as_labels(np.asarray(pair.labels), where)
    refuse_image(pair.image, where)
    if mask_kind is None and table.mask_kind == "classes" and labels.max(initial=0) <= len(table.class_names):
        mask_kind = "classes"  # numbers of the classes that are there
    facts = inspect_mask(labels, where, mask_kind)
    kind = facts.kind if facts.n_objects else mask_kind or table.mask_kind or "binary"
    if kind == "binary":
        return pair.replace(labels=(labels != 0).astype(np.int32), mask_kind=kind)
    pair = pair.replace(labels=labels, mask_kind=kind)
    highest = int(labels.max())
    if kind == "instances" or len(pair.class_names) >= highest:
        return pair
    names = table.class_names if table.mask_kind == "classes" else ()
    return pair.replace(
        class_names=names if len(names) >= highest else tuple(f"class {value}" for value in range(1, highest + 1))
    )
