"""Rows of a table for the slices of stacks: with a stack of masks, with one mask, or without masks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from napari_organoid_synth.core.errors import sentence_of
from napari_organoid_synth.core.pairs.annotations.reading import is_annotation
from napari_organoid_synth.core.pairs.file_sets import holds_objects
from napari_organoid_synth.core.pairs.ome_tiff import read_info
from napari_organoid_synth.core.pairs.reading.readers import short
from napari_organoid_synth.core.pairs.stacks import Channels
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.quantities import plural


def expand_stack(entry: PairEntry, planes: str = "") -> Iterator[PairEntry]:
    """Yield the rows that an image and its masks become; an image of one plane stays one row.

    Parameters
    ----------
    entry : PairEntry
        Image and masks by their names alone.
    planes : str
        ``slices``, ``channels``, ``max``, ``mean`` or the number of a slice; see `stacks.PlanesChoice`. Empty: slices
        where the masks have as many, or there is none; else the row is ambiguous and asks.
    """
    if not entry.image or entry.status != "matched":
        yield entry
        return
    try:
        count = read_info(entry.image).n_pages
        of_masks = {path: _n_planes(Path(path)) for path in entry.masks.values()}
    except Exception as error:  # one odd file never stops the others
        yield entry.replace(status="broken", reason=sentence_of(error, short(Path(entry.image))))
        return
    is_single_mask = bool(of_masks) and all(number == 1 for number in of_masks.values())
    name = short(Path(entry.image))
    other = next(((path, number) for path, number in of_masks.items() if number != count), None)
    if other is not None and not is_single_mask:
        reason = f"{name} has {plural(count, 'slice')}, {short(Path(other[0]))} has {other[1]}."
        yield entry.replace(status="broken", reason=reason)
        return
    if count == 1:
        yield entry
        return
    entry = entry.replace(n_planes=count)
    if planes.isdigit():
        if int(planes) >= count:
            reason = f"{name} has no slice {planes}: expected 0 to {count - 1}."
            yield entry.replace(status="broken", stack_use="ask", reason=reason)
        else:
            yield entry.replace(page=int(planes), stack_use="slice" if is_single_mask else "")
    elif planes in ("channels", "max", "mean") and (is_single_mask or not of_masks):
        yield entry.replace(stack_use=planes)
    elif planes == "" and is_single_mask:
        reason = (
            f"{count} slices in {name} beside a single mask; choose what they are (planes): slices, channels, max, "
            "mean, or the number of one"
        )
        yield entry.replace(status="ambiguous", stack_use="ask", reason=reason)
    else:
        for page in range(count):
            yield entry.replace(
                name=f"{entry.name}_{page:03d}",
                page=page,
                stack_use="slice" if is_single_mask else "",
                group=entry.group or entry.name,
            )


def _n_planes(mask: Path) -> int:
    """Return the planes of a mask; outlines and folders of objects are for one."""
    return 1 if is_annotation(mask) or holds_objects(mask) else read_info(mask).n_pages


def choose_planes(table: PairTable, planes: str) -> PairTable:
    """Use the stacks of a table in another way; its other rows stay as they are. The rows are to be checked again."""
    rows: list[PairEntry] = []
    seen: set[tuple[str, ...]] = set()
    for entry in table.entries:
        if entry.page is None and not entry.stack_use:
            rows.append(entry)
            continue
        key = (entry.image, *entry.masks.values())
        if key in seen:
            continue
        seen.add(key)
        name = entry.name if entry.page is None else entry.name.removesuffix(f"_{entry.page:03d}")
        group = "" if entry.group == name else entry.group
        plain = entry.replace(name=name, page=None, stack_use="", status="matched", reason="", group=group)
        rows += expand_stack(plain, planes)
    return table.replace(entries=tuple(rows))


def choose_channels(table: PairTable, channels: Channels) -> PairTable:
    """Use all images of a table with these channels. The rows are to be checked again."""
    entries = []
    for entry in table.entries:
        was_refused = entry.status == "broken" and entry.channels != "as-stored"
        entries.append(entry.replace(channels=channels, status="matched" if was_refused else entry.status))
    return table.replace(entries=tuple(entries))
