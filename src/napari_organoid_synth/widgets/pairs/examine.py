"""Work of the Pairs dock in a worker thread: find, read, count tiles, draw overlays, simulate, crop."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, Source, SourceKind
from napari_organoid_synth.core.pairs.reading.formats import is_folder
from napari_organoid_synth.core.pairs.record import REMARK
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.stacks import Channels
from napari_organoid_synth.core.pairs.table import OBJECT, PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.widgets.shared.drop import Sources

N_OVERLAYS = 3
N_SIMULATED = 12
PICTURE_SIDE = 168
"""Longer side of an overlay, px: twice what the page shows, for sharp screens."""

Picture = tuple[str, NDArray[np.uint8]]
"""Name of a pair and its overlay, (Y, X, 3) uint8."""


@dataclass
class Examination:
    """Result of reading a set of pairs once.

    Parameters
    ----------
    table : PairTable
    tiles : int
        Tiles of the training pairs that would be used, orientations counted once.
    overlays : list of (name, NDArray (Y, X, 3) uint8)
        Pictures of some pairs with their outlines.
    problem : str
        Why there are no tiles.
    added : str
        A sentence about the pair that was added or updated before.
    """

    table: PairTable
    tiles: int = 0
    overlays: list[Picture] = field(default_factory=list)
    problem: str = ""
    added: str = ""


Step = tuple[int, int] | Examination | UserError
"""Pairs read so far and their number; at the end the result, or the error."""


def examine(
    given: Sources | PairTable,
    kind: MaskKind | None,
    tiles: TileSettings,
    canceled: threading.Event,
    scale: float = 1.0,
    reading: tuple[str, Channels] = ("", "as-stored"),
    before: PairTable | None = None,
    project: Project | None = None,
    seed: int = 0,
) -> Iterator[Step]:
    """Find pairs (or take a table), read each once, count its tiles and draw some overlays.

    ``scale`` and ``reading`` (stacks beside one mask, colours) are for images that are found now and were not in the
    table ``before``; what was chosen there for the same files stays, and the pairs that the ``project`` holds itself.
    """
    from napari_organoid_synth.core.pairs.loading import check_entry, conclude
    from napari_organoid_synth.core.pairs.pairing_again import keep_groups

    is_new = isinstance(given, Sources)
    before = before or PairTable()
    try:
        table = _find(given, scale, reading, before, project) if isinstance(given, Sources) else given
        if is_new and before.kind_by_hand:
            kind = before.mask_kind
        checked = []
        for number, entry in enumerate(table.entries):
            yield number, 2 * len(table.entries)
            if canceled.is_set():
                return
            checked.append(check_entry(entry))
        table = conclude(table, checked, kind)
        result = Examination(keep_groups(table, before) if is_new else table)
        yield from _read_again(result, tiles, canceled, seed)
    except UserError as error:
        yield error
        return
    if not canceled.is_set():
        yield result


def _find(
    given: Sources, scale: float, reading: tuple[str, Channels], before: PairTable, project: Project | None
) -> PairTable:
    """Find pairs and add them to those before; what was chosen before for the same files stays."""
    from napari_organoid_synth.core.pairs.grades import with_grades
    from napari_organoid_synth.core.pairs.pairing_again import add_earlier, keep_choices, keep_own
    from napari_organoid_synth.core.pairs.settings import PairSettings
    from napari_organoid_synth.core.pairs.stack_rows import choose_channels

    table = choose_channels(given.find(reading[0]), reading[1])
    table = table.as_whole(before.whole) if before.whole else table.scaled(scale)
    table = keep_own(keep_choices(table, before, PairSettings()), before, project)
    table = add_earlier(table, before, [path for path in given.images if is_folder(path)])
    return table if given.grades is None else with_grades(table, given.grades)


def examine_otherwise(
    table: PairTable,
    reading: tuple[str, Channels],
    kind: MaskKind | None,
    tiles: TileSettings,
    canceled: threading.Event,
) -> Iterator[Step]:
    """Read the stacks and colours of a table in another way, and examine it again."""
    from napari_organoid_synth.core.pairs.stack_rows import choose_channels, choose_planes

    yield 0, 1
    table = choose_planes(table, reading[0]) if reading[0] else table
    yield from examine(choose_channels(table, reading[1]), kind, tiles, canceled)


def _read_again(result: Examination, settings: TileSettings, canceled: threading.Event, seed: int) -> Iterator[Step]:
    """Count tiles pair by pair (only one is in memory) and keep overlays of a few."""
    from napari_organoid_synth.core.pairs.loading import read_entry
    from napari_organoid_synth.core.pairs.tiling import list_tiles, used_whole

    rows = result.table.matched
    pictured = _random_rows(len(rows), seed)
    once = settings.replace(turn=False, flip=False)
    for number, entry in enumerate(rows):
        yield len(rows) + number, 2 * len(rows)
        if canceled.is_set():
            return
        pair = read_entry(entry, result.table.mask_kind, result.table.class_names)
        if entry.split == "train":
            asked = once if entry.masks else once.replace(min_objects=0)  # an image alone has no objects
            try:
                result.tiles += sum(tile.kept for tile in list_tiles(used_whole([pair], asked), asked))
            except UserError as error:
                result.problem = str(error)
        if number in pictured:
            result.overlays.append((entry.name, overlay(pair)))


def _random_rows(count: int, seed: int) -> set[int]:
    return set(random.Random(seed).sample(range(count), min(N_OVERLAYS, count)))


def draw_overlays(table: PairTable, canceled: threading.Event, seed: int = 0) -> Iterator[Picture]:
    """Draw the overlays of `examine` for a table that was examined before; no other pair is read.

    Raises
    ------
    UserError
        If a file is gone or damaged.
    """
    rows = table.matched
    for number in sorted(_random_rows(len(rows), seed)):
        if canceled.is_set():
            return
        yield rows[number].name, overlay(read_pair_of(table, rows[number].name))


def overlay(pair: SamplePair, side: int = PICTURE_SIDE) -> NDArray[np.uint8]:
    """Draw a whole pair, its longer side at most ``side`` px, with 1 px outlines in a colour per label."""
    from napari_organoid_synth.core.pairs.pictures import decode_png, make_thumbnail, outline

    image, labels = map(decode_png, make_thumbnail(pair, side))
    shown: NDArray[np.uint8] = np.array(image)
    lines = outline(labels)
    shown[lines] = colours(labels[lines])
    return shown


def colours(labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Return a bright colour (..., 3) for each label, with hues by the golden ratio so that neighbours differ."""
    hue = (np.asarray(labels, dtype=np.float64)[..., None] * 0.6180339887 + np.array([0.0, 2 / 3, 1 / 3])) % 1
    return np.asarray(np.clip(np.abs(hue * 6 - 3) - 1, 0, 1) * 215 + 40, dtype=np.uint8)


def simulate_pairs(project: Project, name: str, canceled: threading.Event) -> Iterator[Step]:
    """Write simulated pairs into the project and use them as its pairs."""
    from napari_organoid_synth.core.pairs.ome_tiff import write_pair
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    folder = project.path / "pairs"
    for number in range(N_SIMULATED):
        yield number, 3 * N_SIMULATED
        if canceled.is_set():
            return
        write_pair(folder, SIMULATORS[name](number, size=256))
    yield from examine(Sources([folder]), None, TileSettings(), canceled)


def add_layers_pair(
    project: Project, pair: SamplePair, tiles: TileSettings, canceled: threading.Event
) -> Iterator[Step]:
    """Save a pair that was made from layers in the project and examine all pairs again."""
    from napari_organoid_synth.core.pairs.adding import add_pair

    yield 0, 1
    kept = {key: value for key, value in pair.source.provenance.items() if key == REMARK}
    kind: SourceKind = "real" if pair.source.kind == "real" else "drawn"  # a person may have changed the labels
    source = Source(kind, pair.source.files, kept)
    try:
        before = PairTable.from_file(project.pairs_path) if project.pairs_path.exists() else PairTable()
        entry = add_pair(project, pair.replace(class_names=(OBJECT,), source=source))
    except UserError as error:
        yield error
        return
    known = entry.name in {row.name for row in before.entries}
    remark = f": {kept[REMARK]}" if kept else ""
    added = f"'{entry.name}' {'was updated: it is the same image' if known else f'was added{remark}'}."
    for step in examine(PairTable.from_file(project.pairs_path), None, tiles, canceled):
        if isinstance(step, Examination):
            step.added = added
        yield step


def crop_pairs(project: Project, entries: list[PairEntry], canceled: threading.Event) -> Iterator[Step]:
    """Save copies of pairs whose image and mask differ by a few pixels, cut to the size of the smaller."""
    from napari_organoid_synth.core.pairs.adding import add_pair
    from napari_organoid_synth.core.pairs.entry_reading import read_entry_image, read_masks

    try:
        for number, entry in enumerate(entries):
            yield number, len(entries)
            image, info = read_entry_image(entry)
            labels = read_masks(entry, (image.shape[1], image.shape[2]))[0].labels
            height, width = (min(a, b) for a, b in zip(image.shape[1:], labels.shape, strict=True))
            pair = SamplePair(
                name=entry.name,
                image=image[:, :height, :width],
                labels=labels[:height, :width],
                pixel_size=info.pixel_size,
                channel_names=info.channel_names,
                class_names=tuple(entry.masks) or (OBJECT,),
                source=Source("real", (entry.image,)),
            )
            add_pair(project, pair, "classes" if len(entry.masks) > 1 else None)
        yield from examine(PairTable.from_file(project.pairs_path), None, TileSettings(), canceled)
    except UserError as error:
        yield error


def read_pair_of(table: PairTable, name: str) -> SamplePair:
    """Read one pair of a table."""
    from napari_organoid_synth.core.pairs.loading import read_entry

    return read_entry(table.entry(name), table.mask_kind, table.class_names)
