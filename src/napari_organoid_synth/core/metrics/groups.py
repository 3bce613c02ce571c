"""Which real tiles are independent of each other.

Focal planes of an embryo, slices of a volume, days of a well look alike. What real tiles differ by, how near to each
other they come, and how much a score varies is therefore asked between groups (`pairs.groups`), never within one. Where
all images are of one volume, blocks of neighbours stand for groups, and blocks that touch are not independent.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.filenames import natural
from napari_organoid_synth.core.pairs.groups import groups_of
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.quantities import plural

GROUP = "group"
"""What a tile's `Source.provenance` calls its group."""
MIN_GROUPS = 4
"""Groups below which they are cut into blocks, so that sets can be halved."""
BLOCKS = 5
_BLOCK = re.compile(r"(.*), block (\d+)", re.DOTALL)


@dataclass(frozen=True)
class TileGroups:
    """Groups of the images that tiles are cut from.

    Parameters
    ----------
    labels : dict of str to str
        Name of every image to its group, or block of a group.
    note : str
        What a person should know of them; empty if there is nothing.
    """

    labels: dict[str, str]
    note: str = ""


def tile_groups(table: PairTable) -> TileGroups:
    """Find the groups of the usable images of a table; fewer than four, or a single series, are cut into blocks."""
    grouping = groups_of(table)
    if grouping.series:
        blocks = _blocks("series", grouping.series, BLOCKS)
        return TileGroups(
            blocks,
            f"All {len(blocks)} images seem to belong together: {len(set(blocks.values()))} blocks of neighbours stand "
            "for independent images, so ranges and copies are judged within one volume or sample.",
        )
    names = [entry.name for entry in table.train or table.matched]
    number = len({grouping.groups[name] for name in names})
    if number >= MIN_GROUPS or number == len(names):
        return TileGroups(grouping.groups)
    members: dict[str, list[str]] = {}
    for name in sorted(grouping.groups, key=lambda name: natural(Path(name))):
        members.setdefault(grouping.groups[name], []).append(name)
    labels: dict[str, str] = {}
    for group, its in members.items():
        labels |= _blocks(group, its, -(-BLOCKS // number))
    return TileGroups(
        labels,
        f"There {'is' if number == 1 else 'are'} only {plural(number, 'group')} of {len(names)} images: ranges of the "
        "originals are those of blocks of neighbours, and narrower than between new samples.",
    )


def _blocks(group: str, names: Sequence[str], number: int) -> dict[str, str]:
    """Return the block of each name, in their order: ``"GROUP, block 1"``."""
    parts = np.array_split(np.arange(len(names)), min(number, len(names)))
    return {names[index]: f"{group}, block {block}" for block, part in enumerate(parts, 1) for index in part}


def group_of(tile: SamplePair) -> str:
    """Return the group that a tile belongs to: as it was cut, else the image file, else its own name."""
    return str(tile.source.provenance.get(GROUP, "")) or (tile.source.files[0] if tile.source.files else tile.name)


def related(groups: Sequence[str], others: Sequence[str] | None = None) -> NDArray[np.bool_]:
    """Return which tiles are not independent of which, (N, M).

    Parameters
    ----------
    groups, others : sequence of str
        Groups of N and of M tiles; default: of the same.

    Returns
    -------
    NDArray (N, M) bool
        Those of one group; where all are of one, those of one block and of blocks that touch. If that would leave none
        that is independent: those of one label.

    Examples
    --------
    >>> related(["a", "a", "b"])[0].tolist()
    [True, True, False]
    >>> related([f"volume, block {number}" for number in (1, 2, 3)])[0].tolist()
    [True, True, False]
    """
    others = groups if others is None else others
    rows, columns = ([_parts(label) for label in labels] for labels in (groups, others))
    bases = np.unique([base for base, _ in [*rows, *columns]], return_inverse=True)[1].reshape(-1)
    same = bases[: len(rows), None] == bases[None, len(rows) :]
    if same.all():
        blocks = [np.array([block for _, block in labels]) for labels in (rows, columns)]
        same = np.abs(blocks[0][:, None] - blocks[1][None]) <= 1
    return np.asarray(same if not same.all() else np.array(groups)[:, None] == np.array(others)[None])


def _parts(label: str) -> tuple[str, int]:
    """Return the group of a label and the number of its block, 0 if it has none."""
    found = _BLOCK.fullmatch(label)
    return (found[1], int(found[2])) if found else (label, 0)
