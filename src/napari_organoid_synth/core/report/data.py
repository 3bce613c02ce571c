"""The real data: table, warnings, distributions beside those of the synthetic pairs, some pairs."""

from __future__ import annotations

from html import escape

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.objects import object_areas
from napari_organoid_synth.core.pairs.pictures import decode_png, make_thumbnail
from napari_organoid_synth.core.pairs.table import PairEntry
from napari_organoid_synth.core.report.charts import histogram, thin
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.page import Section, count, fold, number, paragraph, table
from napari_organoid_synth.core.samples.store import SampleRow

UNFOLDED = 20  # rows of the table
MOST_ROWS = 2000
MEASURED = 64  # synthetic pairs whose objects are measured
SHOWN = 8  # whole images
WARNED = 12


def data(contents: Contents) -> Section | None:
    """What the generator learned from."""
    found = contents.table
    if found is None or not found.entries:
        return None
    text = paragraph(found.summary())
    head = ["Name", "Split", "Size, px", "Type", "Channels", "Pixel, µm", "Mask", "Objects"]
    rows = table(head, [_row(entry) for entry in found.matched[:MOST_ROWS]], words=True)
    many = len(found.matched)
    text += fold(f"{count(many, 'row')} of the table", rows) if many > UNFOLDED else rows
    if many > MOST_ROWS:
        text += paragraph(f"The first {MOST_ROWS:,} of {many:,}.", "faint")
    text += _warnings(found.entries)
    if contents.masks:
        text += _distributions(contents)
    return Section("Real data", "data", text + _sample(contents))


def _row(entry: PairEntry) -> list[str]:
    size = " × ".join(f"{side:,}" for side in entry.size) if entry.size else "–"
    pixel = " × ".join(number(side) for side in entry.pixel_size) if entry.pixel_size else "–"
    channels = ", ".join(entry.channel_names) or (str(entry.shape[0]) if entry.shape else "–")
    kind: str = (entry.mask_kind or "–") if entry.masks else "none"
    if entry.mask_kind == "classes" and entry.masks:
        kind += f" ({', '.join(entry.class_names)})"
    objects = "–" if entry.n_objects is None or not entry.masks else f"{entry.n_objects:,}"
    if entry.image_class:
        kind += f"; image is {entry.image_class}"
    return [entry.name, entry.split, size, entry.dtype or "–", channels, pixel, kind, objects]


def _warnings(entries: tuple[PairEntry, ...]) -> str:
    """Rows that are not used, and what was found about those that are."""
    found = [
        (f"{entry.name}{'' if entry.status == 'matched' else ' (' + entry.status + ')'}: {entry.reason}")
        for entry in entries
        if entry.reason or entry.status != "matched"
    ]
    if not found:
        return ""
    lines = f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in found[:200])}</ul>"
    if len(found) > 200:
        lines += paragraph(f"And {len(found) - 200:,} more.", "faint")
    return fold(count(len(found), "remark") + " about single rows", lines, shown=len(found) <= WARNED)


def _distributions(contents: Contents) -> str:
    """Objects per tile and areas of objects, real beside accepted synthetic (all of them while none is accepted)."""
    real = [object_areas(tile) for tile in contents.tiles]
    rows = [row for row in contents.rows if row.verdict == "accepted"]
    name = "accepted" if rows else "synthetic"
    rows = _evenly(rows or contents.rows)
    made = [object_areas(pair) for _, pair in contents.pairs(rows)] if rows else []
    groups = [("real", real), (name, made)]
    numbers = histogram("Objects in a tile", "", [(who, [len(tile) for tile in each]) for who, each in groups])
    areas = [(who, [area for tile in each for area in tile]) for who, each in groups]
    sizes = histogram("Area of an object", "px, widening bins", areas, log=True)
    if not numbers:
        return ""
    what = f"{count(len(real), 'real training tile')} of {contents.side} px"
    if made:
        what += f" and {len(made)} {name} pairs, evenly chosen"
    return f"<h3>Objects</h3>\n<div class='row wide'>{numbers}{sizes}</div>\n" + paragraph(f"From {what}.", "faint")


def _evenly(rows: list[SampleRow]) -> list[SampleRow]:
    return [rows[place] for place in thin(len(rows), MEASURED)] if rows else []


def _sample(contents: Contents) -> str:
    """The first images of the table, whole; each with its own contrast."""
    assert contents.table is not None
    figures = []
    for entry in contents.table.matched[:SHOWN]:
        try:
            image, labels = make_thumbnail(contents.read(entry))
        except UserError:
            continue
        caption = f"{entry.name} ({entry.split})"
        figures.append(contents.album.figure(decode_png(image), decode_png(labels), caption, caption))
    if not figures:
        return ""
    return f"<h3>Images</h3>\n<div class=row>{''.join(figures)}</div>\n"
