"""The real data: table, remarks, distributions beside those of the synthetic pairs, some images."""

from __future__ import annotations

from dataclasses import dataclass

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.objects import object_areas
from napari_organoid_synth.core.pairs.table import PairEntry
from napari_organoid_synth.core.pairs.thumbnail import Thumbnail
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.charts import Histogram, thin
from napari_organoid_synth.core.report.contents import Contents
from napari_organoid_synth.core.report.pictures import Picture
from napari_organoid_synth.core.report.rendering import Section, Table, number
from napari_organoid_synth.core.samples.store import SampleRow

MAX_OPEN_ROWS = 20  # a longer table is folded
MAX_ROWS = 2000
MAX_REMARKS = 200
MAX_OPEN_REMARKS = 12
MEASURED_PAIRS = 64  # synthetic pairs whose objects are measured
SHOWN_IMAGES = 8


@dataclass(frozen=True)
class Objects:
    """Distributions of objects in real and synthetic tiles, and their source."""

    histograms: tuple[Histogram, ...]
    source: str


@dataclass(frozen=True)
class RealData:
    """Content of the section."""

    summary: str
    table: Table
    number: int
    is_folded: bool
    omitted: str
    remarks: tuple[str, ...]
    omitted_remarks: int
    objects: Objects | None
    images: tuple[Picture, ...]

    @property
    def has_open_remarks(self) -> bool:
        """Whether the remarks are few enough to be shown at once."""
        return len(self.remarks) + self.omitted_remarks <= MAX_OPEN_REMARKS


def data(contents: Contents) -> Section | None:
    """Show the pairs that the generator learned from."""
    pairs = contents.table
    if pairs is None or not pairs.entries:
        return None
    head = ["Name", "Split", "Size, px", "Type", "Channels", "Pixel, µm", "Mask", "Objects"]
    total, remarks = len(pairs.matched), _remarks(pairs.entries)
    return Section(
        "Real data",
        "data",
        RealData(
            summary=pairs.summary(),
            table=Table(head, [_row(entry) for entry in pairs.matched[:MAX_ROWS]], left=True),
            number=total,
            is_folded=total > MAX_OPEN_ROWS,
            omitted=f"The first {MAX_ROWS:,} of {total:,}." if total > MAX_ROWS else "",
            remarks=remarks[:MAX_REMARKS],
            omitted_remarks=len(remarks[MAX_REMARKS:]),
            objects=_objects(contents) if contents.has_masks else None,
            images=_images(contents, pairs.matched[:SHOWN_IMAGES]),
        ),
    )


def _row(entry: PairEntry) -> list[str]:
    size = " × ".join(f"{side:,}" for side in reversed(entry.size)) if entry.size else "–"
    pixel = " × ".join(number(side) for side in entry.pixel_size) if entry.pixel_size else "–"
    channels = ", ".join(entry.channel_names) or (str(entry.shape[0]) if entry.shape else "–")
    kind: str = (entry.mask_kind or "–") if entry.masks else "none"
    if entry.mask_kind == "classes" and entry.masks:
        kind += f" ({', '.join(entry.class_names)})"
    objects = "–" if entry.n_objects is None or not entry.masks else f"{entry.n_objects:,}"
    if entry.image_class:
        kind += f"; image is {entry.image_class}"
    return [entry.name, entry.split, size, entry.dtype or "–", channels, pixel, kind, objects]


def _remarks(entries: tuple[PairEntry, ...]) -> tuple[str, ...]:
    """Return the reasons why rows are not used, and the remarks about those that are."""
    return tuple(
        f"{entry.name}{'' if entry.status == 'matched' else f' ({entry.status})'}: {entry.reason}"
        for entry in entries
        if entry.reason or entry.status != "matched"
    )


def _objects(contents: Contents) -> Objects | None:
    """Measure objects of real tiles and of accepted pairs, or of all pairs while none is accepted."""
    real = [object_areas(tile) for tile in contents.tiles]
    rows = [row for row in contents.rows if row.verdict == "accepted"]
    name = "accepted" if rows else "synthetic"
    synthetic = [object_areas(pair) for _, pair in contents.pairs(_evenly(rows or contents.rows))]
    groups = [("real", real), (name, synthetic)]
    numbers = Histogram.of("Objects in a tile", "", [(label, [len(tile) for tile in tiles]) for label, tiles in groups])
    areas = [(label, [area for tile in tiles for area in tile]) for label, tiles in groups]
    sizes = Histogram.of("Area of an object", "px, widening bins", areas, log=True)
    if numbers is None:
        return None
    source = f"From {plural(len(real), 'real training tile')} of {contents.side} px"
    if synthetic:
        source += f" and {len(synthetic)} {name} pairs, evenly chosen"
    return Objects((numbers,) if sizes is None else (numbers, sizes), f"{source}.")


def _evenly(rows: list[SampleRow]) -> list[SampleRow]:
    return [rows[place] for place in thin(len(rows), MEASURED_PAIRS)] if rows else []


def _images(contents: Contents, entries: tuple[PairEntry, ...]) -> tuple[Picture, ...]:
    """Return whole images, all with the contrast of the project; unreadable ones are left out."""
    pictures = []
    for entry in entries:
        try:
            small = Thumbnail.of(contents.read(entry))
        except UserError:
            continue
        caption = f"{entry.name} ({entry.split})"
        pictures.append(contents.album.figure(small.picture(contents.contrast), small.labels, caption, caption))
    return tuple(pictures)
