"""Add a pair from arrays, such as two layers of the window, to a project."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.checking import CheckedEntry, check_entry, conclude, refuse_image
from napari_organoid_synth.core.pairs.format import PairFormat
from napari_organoid_synth.core.pairs.mask_kind import inspect_mask
from napari_organoid_synth.core.pairs.ome_tiff import as_labels, write_pair
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair
from napari_organoid_synth.core.pairs.table import OBJECT, PairEntry, PairTable
from napari_organoid_synth.core.project import Project


def add_pair(project: Project, pair: SamplePair, mask_kind: MaskKind | None = None) -> PairEntry:
    """Save a pair in the project and add its row to the table, or update the row of that name.

    Parameters
    ----------
    project : Project
        The files go to its folder ``pairs``.
    pair : SamplePair
        Its labels may be any whole numbers (Y, X); its own ``mask_kind`` is not used.
    mask_kind : {"binary", "classes", "instances"}, optional
        Meaning of these labels; default: detected. The kind of the table stays if it was chosen by hand.

    Returns
    -------
    PairEntry
        The row, checked.

    Raises
    ------
    UserError
        If the pair is unusable; nothing is written then.
    Misfit
        If channels, pixel type, range of values or classes are not those of the other pairs; nothing is written then.
    """
    table = _table_of(project)
    pair = _usable(pair, table, mask_kind)
    others = table.replace(entries=tuple(entry for entry in table.entries if entry.name != pair.name))
    if (real := PairFormat.of_table(others)) is not None:
        images = replace(PairFormat.of_pair(pair), mask_kind=_clear_kind(pair, real))
        real.refuse(images, f"'{pair.name}'", "Convert it, or add it to another project.")
    image_path, labels_path = write_pair(project.path / "pairs", pair)
    known = {entry.name: entry for entry in table.entries}
    before = known.get(pair.name, PairEntry(name=pair.name))
    entry = PairEntry(
        name=pair.name,
        image=str(image_path),
        masks={pair.class_names[0] if pair.mask_kind != "classes" else OBJECT: str(labels_path)},
        split=before.split,
        group=before.group,
        scale=1 if pair.name in known else table.scale,  # a known pair is already at the size at which it is used
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


def _usable(pair: SamplePair, table: PairTable, mask_kind: MaskKind | None) -> SamplePair:
    """Check pixels and labels, and return the pair with its kind, int32 labels and a name for each class."""
    where = f"'{pair.name}'"
    labels = as_labels(np.asarray(pair.labels), where)
    refuse_image(pair.image, where)
    kind = inspect_mask(labels, where, mask_kind).kind
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
