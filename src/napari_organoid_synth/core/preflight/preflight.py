"""The preflight: look at the pairs of a table before anything is trained."""

from __future__ import annotations

from collections.abc import Callable

from napari_organoid_synth.core.generators.config import generator_config
from napari_organoid_synth.core.pairs.groups import groups_of
from napari_organoid_synth.core.pairs.settings import TileSettings
from napari_organoid_synth.core.pairs.suggestion import Suggestion, suggest
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.preflight import rules
from napari_organoid_synth.core.preflight.findings import Finding, Preflight
from napari_organoid_synth.core.preflight.measures import Measures, measure


def preflight(
    table: PairTable, tiles: TileSettings | None = None, is_canceled: Callable[[], bool] = lambda: False
) -> Preflight:
    """Find out what suits the pairs of a table, what does not, and what to do next.

    Sizes, channels, ranges and groups are those of all rows; tiles and shapes are measured on at most ten images, in
    about two seconds at most.

    Parameters
    ----------
    table : PairTable
        Checked.
    tiles : TileSettings, optional
        Tiles of the training; default: those of a new recipe.
    is_canceled : callable
        Asked before each image that is read.

    Returns
    -------
    Preflight
        Without findings where no row is usable.
    """
    tiles = tiles or TileSettings()
    if not table.matched or any(entry.shape is None for entry in table.matched):
        return Preflight(tile=tiles.size)
    measures, grouping = measure(table, tiles, is_canceled), groups_of(table)
    findings: tuple[Finding, ...] = (
        *rules.images(table),
        *rules.tiles(table, measures, tiles),
        *rules.objects(table, measures, tiles),
        *rules.background(measures),
        *rules.formats(table),
        *rules.grades(table),
        *rules.groups(table, grouping),
        *rules.shapes(measures),
        *rules.generators(table),
    )
    found = {finding.topic: finding for finding in findings}
    return Preflight(
        findings=findings,
        images=len(table.matched),
        measured=measures.images,
        tile=tiles.size,
        object_side=measures.object_side,
        touching=measures.touching,
        suggestion=_suggestion(table, measures),
        next_command=_next_command(found, table, measures.object_side),
    )


def _suggestion(table: PairTable, measures: Measures) -> Suggestion | None:
    """Return the tile and size that suit the objects; None for nets and images without masks."""
    sizes = [entry.shape[1:] for entry in table.train if entry.shape is not None]
    return suggest([side / table.scale for side in measures.sides], sizes) if measures.are_objects else None


def _next_command(found: dict[str, Finding], table: PairTable, object_side: float) -> str:
    """Return the command that mends the first thing that can be mended, else that of new pairs or of a training."""
    pair = ""
    channels = found.get("channels")
    if channels is not None and "--channels" in channels.todo:
        pair += " --channels grey"
    if (scale := _value(found, "objects", "scale")) is not None:
        pair += f" --scale {scale:g}"
    if "test" in found:
        pair += " --test 0.2"
    if pair:
        return f"pair{pair}"
    if any(finding.level == "problem" for finding in found.values()):
        return ""
    if "draws=images" not in found["generators"].sentence:
        return "generate"
    rows = table.train or table.matched
    side = min((min(entry.size) for entry in rows if entry.size is not None), default=TileSettings().size)
    settings = generator_config("flow_joint").suggest(len(rows), side, object_side)
    chosen = "".join(f" --set {key}={value:g}" for key, value in settings.items())
    return f"train --gan flow_joint --set draws=images{chosen}"


def _value(found: dict[str, Finding], topic: str, name: str) -> float | None:
    value = found[topic].values.get(name) if topic in found else None
    return float(value) if value is not None else None
