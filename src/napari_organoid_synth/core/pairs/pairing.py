"""The command pair: find the pairs of a project, or change what is chosen for those that are there."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.checking import check_pairs
from napari_organoid_synth.core.pairs.discovery import find_pairs
from napari_organoid_synth.core.pairs.grades import with_grades
from napari_organoid_synth.core.pairs.groups import with_groups
from napari_organoid_synth.core.pairs.pairing_again import keep_choices, keep_groups, keep_own, refuse_alone
from napari_organoid_synth.core.pairs.settings import PairSettings
from napari_organoid_synth.core.pairs.split import split_table
from napari_organoid_synth.core.pairs.stack_rows import choose_channels, choose_planes
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project


def pair(project: Project, settings: PairSettings) -> tuple[PairTable, str]:
    """Pair the images with their masks, check them, and save the table; without images, change the table that is there.

    Parameters
    ----------
    project : Project
        Its table is read and written; with the default settings it is only read.
    settings : PairSettings
        What is not given stays as it was chosen before for the same files.

    Returns
    -------
    table : PairTable
    warning : str
        What was lost because the earlier table is damaged; usually empty.

    Raises
    ------
    UserError
        If a setting needs another one, files are missing, or there is no table.
    """
    refuse_alone(settings)
    if settings.images:
        table, warning = _found(project, settings)
    else:
        table, warning = _changed(PairTable.from_file(project.pairs_path), settings), ""
    if settings.test != "":
        table = split_table(table, _test(settings.test), settings.seed)
    if settings != PairSettings():
        table.to_file(project.pairs_path)
    return table, warning


def _found(project: Project, settings: PairSettings) -> tuple[PairTable, str]:
    """Return the table of the files that the settings name, with the choices of the earlier table."""
    before, warning = PairTable(), ""
    try:
        before = PairTable.from_file(project.pairs_path)
    except UserError as error:
        if project.pairs_path.exists():
            warning = f"{error.found} What was chosen in it is lost."
    table = find_pairs(
        settings.images,
        _masks(settings.masks),
        settings.image_pattern,
        settings.mask_pattern,
        settings.no_masks,
        settings.planes,
    )
    table = keep_choices(choose_channels(table, settings.channels or "as-stored"), before, settings)
    table = keep_own(table, before, project)
    table = check_pairs(table, settings.kind or (before.mask_kind if before.kind_by_hand else None))
    return keep_groups(_with_choices(table, settings), before, settings.groups), warning


def _changed(table: PairTable, settings: PairSettings) -> PairTable:
    """Return the table with the choices that are given."""
    table = choose_planes(table, settings.planes) if settings.planes else table
    table = choose_channels(table, settings.channels) if settings.channels else table
    if settings.planes or settings.channels or settings.kind:
        table = check_pairs(table, settings.kind or (table.mask_kind if table.kind_by_hand else None))
    table = _with_choices(table, settings)
    return with_groups(table, settings.groups) if settings.groups else table


def _with_choices(table: PairTable, settings: PairSettings) -> PairTable:
    table = table.scaled(settings.scale) if settings.scale else table
    table = table if settings.whole is None else table.as_whole(settings.whole)
    return with_grades(table, Path(settings.grades), settings.grade_column) if settings.grades else table


def _masks(texts: Sequence[str]) -> Any:
    """Return masks as `find_pairs` takes them: by class name, a list, or None."""
    named = dict(text.split("=", 1) for text in texts if "=" in text)
    if named and len(named) != len(texts):
        raise UserError("Some --masks have a class name, others have none.", "Expected NAME=FOLDER for each.")
    return named or list(texts) or None


def _test(text: float | str) -> float | list[str]:
    """Return a share of test images, or their names."""
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    return share if math.isfinite(share) else str(text).split(",")
