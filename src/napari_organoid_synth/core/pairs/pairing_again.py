"""Pairing the images of a project again: what a person chose for the same files stays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.checking import predicted_classes
from napari_organoid_synth.core.pairs.file_sets import is_file_set
from napari_organoid_synth.core.pairs.groups import groups_of, with_groups
from napari_organoid_synth.core.pairs.ome_tiff import read_source
from napari_organoid_synth.core.pairs.settings import PairSettings
from napari_organoid_synth.core.pairs.split import with_siblings
from napari_organoid_synth.core.pairs.table import OBJECT, PairEntry, PairTable
from napari_organoid_synth.core.project import Project

NEED_IMAGES = {"masks": "--masks", "image_pattern": "--image-pattern", "mask_pattern": "--mask-pattern",
               "no_masks": "--no-masks"}  # fmt: skip
"""Settings that say how files are searched for."""


def refuse_alone(settings: PairSettings) -> None:
    """Refuse settings that have no effect without another.

    Raises
    ------
    UserError
        If files shall be searched for in another way, but no images are given; a seed stands without a test share; or
        a column without its table.
    """
    given = [option for name, option in NEED_IMAGES.items() if getattr(settings, name)]
    if given and not settings.images:
        raise UserError(
            f"{given[0]} is given without --images.",
            "Expected the images, too: files are searched for only with them.",
            "Add --images; what you chose for the same files stays.",
        )
    if settings.scale is not None and settings.whole:
        raise UserError("Both --scale and --whole are given.", "Expected one of them.", "Leave one out.")
    if settings.seed and settings.test == "":
        raise UserError("--seed is given without --test.", "Expected a share of test images that it chooses.")
    if settings.grade_column and not settings.grades:
        raise UserError("--grade-column is given without --grades.", "Expected the table with that column.")


def keep_choices(table: PairTable, before: PairTable, settings: PairSettings) -> PairTable:
    """Return new rows with what was chosen for the same images before: test, skipped, scale, class, group, added masks.

    Parameters
    ----------
    table : PairTable
        As `find_pairs` returns it.
    before : PairTable
        The table of the project.
    settings : PairSettings
        What is given there is not kept.
    """
    known = {(Path(entry.image).resolve(), entry.page): entry for entry in before.entries if entry.image}
    entries = []
    for entry in table.entries:
        old = known.get((Path(entry.image).resolve(), entry.page)) if entry.image else None
        entries.append(entry if old is None else _with_choices(entry, old, settings))
    return table.replace(entries=tuple(entries))


def keep_own(table: PairTable, before: PairTable, project: Project | None) -> PairTable:
    """Return new rows with those of the project's own folder: pairs drawn in layers, corrected and cropped copies.

    A copy stands in the place of the row of its file; a drawn pair that no file was found for is added.
    """
    if project is None:
        return table
    found = {Path(entry.image).resolve(): entry for entry in table.entries if entry.image}
    own, copied = (project.path / "pairs").resolve(), set[Path]()
    kept = []
    for entry in before.entries:
        path = Path(entry.image).resolve()
        if not entry.image or path in found or not path.is_relative_to(own) or not path.is_file():
            continue
        source = read_source(path)
        file = Path(source.files[0]).resolve() if source.files else None
        if source.kind == "drawn" or file in found:
            kept.append(entry)
            copied |= {file} & found.keys() if file is not None else set()
    rest = [entry for entry in table.entries if not entry.image or Path(entry.image).resolve() not in copied]
    return _joined(kept, table.replace(entries=tuple(rest)))


def keep_groups(table: PairTable, before: PairTable, rule: str = "") -> PairTable:
    """Group rows by a rule, or by that of the table before; new images of a group that is tested are tested, too."""
    rule = rule or before.groups
    table = with_groups(table, rule) if rule else table
    known = {Path(entry.image).resolve() for entry in before.entries if entry.image}
    tested = [entry.name for entry in table.test if Path(entry.image).resolve() in known]
    if not tested:
        return table
    siblings = set(with_siblings(tested, groups_of(table)))
    return table.replace(
        entries=tuple(
            entry.replace(split="test")
            if entry.name in siblings and Path(entry.image).resolve() not in known
            else entry
            for entry in table.entries
        )
    )


def add_earlier(table: PairTable, before: PairTable, folders: Sequence[Path] = ()) -> PairTable:
    """Return a table with the rows before, too, of files that it lacks; a new row of a name that is taken gets another.

    Its row is named by the folder of its image, or gets a number.

    Parameters
    ----------
    table : PairTable
        Found now.
    before : PairTable
        Of the project.
    folders : sequence of Path
        Searched just now: what lies in them and was not found again is not kept.
    """
    found = {Path(entry.image).resolve() for entry in table.entries if entry.image}
    searched = {folder.resolve() for folder in folders}
    kept = []
    for entry in before.entries:
        path = Path(entry.image).resolve()
        if entry.image and path not in found and path.parent not in searched:
            kept.append(entry)
    used = {mask for entry in kept for mask in entry.masks.values()}
    new = [entry for entry in table.entries if entry.image or not used & set(entry.masks.values())]
    return _joined(kept, table.replace(entries=tuple(new)))


def _joined(earlier: list[PairEntry], table: PairTable) -> PairTable:
    """Return a table with earlier rows first; a row whose name is taken gets another."""
    taken, entries = {entry.name for entry in earlier}, []
    for entry in table.entries:
        parent = Path(entry.image).parent.name
        names = [entry.name, f"{parent}_{entry.name}", *(f"{entry.name} ({n})" for n in range(2, len(taken) + 3))]
        name = next(name for name in names if name not in taken)
        taken.add(name)
        entries.append(entry.replace(name=name))
    return table.replace(entries=(*earlier, *entries))


def _with_choices(entry: PairEntry, old: PairEntry, settings: PairSettings) -> PairEntry:
    """Return a row with the choices of the one of the same image before."""
    changes: dict[str, Any] = {"split": old.split, "group": old.group or entry.group}
    changes["image_class"] = entry.image_class if old.image_class is None else old.image_class
    if settings.scale is None and settings.whole is None:
        changes |= {"scale": old.scale, "whole": old.whole}
    if not settings.planes:
        changes["stack_use"] = old.stack_use
    if settings.channels is None:
        changes["channels"] = old.channels
    chosen_by_hand = entry.status in ("ambiguous", "orphan") and old.status == "matched" and old.masks
    if chosen_by_hand and all(Path(file).exists() or is_file_set(Path(file)) for file in old.masks.values()):
        changes |= {"masks": old.masks, "status": "matched", "reason": ""}
    elif entry.masks:
        changes["masks"] = _with_added(entry.masks, old)
    if old.status == "skipped" and entry.status in ("matched", "ambiguous"):
        changes |= {"status": "skipped", "reason": old.reason}
    return entry.replace(**changes)


def _with_added(masks: dict[str, str], old: PairEntry) -> dict[str, str]:
    """Return masks with those that `annotate` added to the same ones; the class it named keeps its name."""
    there = {name: file for name, file in old.masks.items() if name not in masks and Path(file).is_file()}
    try:
        added = {name: there[name] for name in predicted_classes(old.replace(masks=there))}
    except (UserError, OSError):  # a mask that cannot be read any more is none
        added = {}
    if added:
        names = {Path(file).resolve(): name for name, file in old.masks.items()}
        masks = {
            names.get(Path(file).resolve(), name) if name == OBJECT else name: file for name, file in masks.items()
        }
    return masks | added
