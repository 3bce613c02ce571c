"""Which images belong together: slices of a volume, fields of a well, times of an embryo.

One rule for the split of a project and for the folds of a comparison, so that neither trains on what it tests.
"""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.filenames import natural, stem
from napari_organoid_synth.core.pairs.name_parts import Part, read_names, remaining, treatments
from napari_organoid_synth.core.pairs.reading.readers import short
from napari_organoid_synth.core.pairs.sheet import SHEET_ENDINGS, read_sheet
from napari_organoid_synth.core.pairs.sheet_names import match_names
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.quantities import plural

FOLDER, NAMES, NONE = "folder", "names", "none"
"""Rules with a name: the folder of an image; what the names suggest; each image alone."""
GROUP_COLUMNS = ("group", "sample", "patient", "embryo", "well", "subject", "donor", "animal", "volume")


@dataclass(frozen=True)
class Grouping:
    """Groups of images that belong together.

    Parameters
    ----------
    groups : dict of str to str
        Name of every image to its group; an image that belongs to none is a group of its own name.
    description : str
        The groups, and how they were found.
    warning : str
        Warning about the groups; empty if there is none.
    series : tuple of str
        All names in their order, where all images are of one volume or sample; neighbours look alike.
    strata : dict of str to str
        Name of every image to its class or treatment; a test set holds a share of each.
    """

    groups: dict[str, str]
    description: str
    warning: str = ""
    series: tuple[str, ...] = ()
    strata: dict[str, str] = field(default_factory=dict)

    @property
    def has_groups(self) -> bool:
        """Whether any group has more than one image."""
        return len(set(self.groups.values())) < len(self.groups)


def groups_of(table: PairTable, rule: str = "") -> Grouping:
    """Find the groups of the usable rows of a table by its own rule, or by another (see `find_groups`)."""
    return find_groups(table.matched, rule, table.groups)


def with_groups(table: PairTable, rule: str) -> PairTable:
    """Store groups in a table.

    Parameters
    ----------
    table : PairTable
        All of its rows get their group; their split stays.
    rule : str
        As in `find_groups`.

    Returns
    -------
    PairTable
        With the groups in its rows, and the rule.

    Raises
    ------
    UserError
        As `find_groups`.
    """
    bare = tuple(entry.replace(group=_stack_of(entry)) for entry in table.entries)
    rule = rule.strip()
    if rule.lower().endswith(SHEET_ENDINGS):
        rule = str(Path(rule).expanduser().absolute())  # pairing again may happen in another folder
    if rule in ("", NAMES):
        return table.replace(entries=bare, groups="")
    groups = find_groups([entry for entry in bare if entry.status == "matched"], rule).groups
    entries = tuple(entry.replace(group=groups.get(entry.name, entry.group)) for entry in bare)
    return table.replace(entries=entries, groups=rule)


def _stack_of(entry: PairEntry) -> str:
    """Return the name of the stack that an entry is a slice of; empty for a single image."""
    return re.sub(r"_\d+$", "", entry.name) if entry.page is not None else ""


def find_groups(entries: Iterable[PairEntry], rule: str = "", stored: str = "") -> Grouping:
    """Find which images belong together: slices of a volume, images of an embryo or a well.

    Parameters
    ----------
    entries : iterable of PairEntry
        The images.
    rule : str
        ``"folder"`` takes the folder of the image file, ``"names"`` what the names suggest, ``"none"`` leaves each
        image alone. A file that ends with .csv or .tsv names the group of each image in two columns. All else is a
        regular expression that is searched in each name: its group called ``group``, else its first group, else all
        that it matches. Empty: the groups of the rows where they have some (slices of a stack), else what the names
        suggest.
    stored : str
        Rule that gave the rows their groups, for the description.

    Raises
    ------
    UserError
        If the rule is not a regular expression, or does not give every name a group; or the file cannot be read.

    Examples
    --------
    >>> rows = [PairEntry(name=f"embryo{e}_z{z}") for e in (1, 2) for z in (1, 2)]
    >>> find_groups(rows).description
    '2 groups of 4 images, by the names (planes, times or crops of one name): embryo1 (2), embryo2 (2)'
    """
    rows = sorted(entries, key=lambda entry: entry.name)
    names = [entry.name for entry in rows]
    parts = read_names(names)
    classes = {entry.name: entry.image_class or "" for entry in rows}
    strata = classes if len(set(classes.values())) > 1 else treatments(parts)
    if rule == NONE:
        found = Grouping({name: name for name in names}, _each_alone(len(names)))
    elif rule == FOLDER:
        found = _if_several(_by_folder(rows), "by the folder")
    elif rule.lower().endswith(SHEET_ENDINGS):
        found = _if_several(_by_file(rows, Path(rule)), f"by {PurePath(rule).name}")
    elif rule and rule != NAMES:
        found = _if_several(_by_pattern(names, rule), f"by the pattern {rule}")
    else:
        found = _as_stored(rows, "" if rule == NAMES else stored)
    return Grouping(found.groups, found.description, found.warning, found.series, strata)


def _as_stored(rows: Sequence[PairEntry], stored: str) -> Grouping:
    """Return the groups of the rows; those of the names where a row has none, or is a slice of a stack."""
    explicit = {entry.name: entry.group for entry in rows if entry.group and entry.group != _stack_of(entry)}
    rest = [entry for entry in rows if entry.name not in explicit]
    if explicit:
        guessed = _by_names(rest)[0] if rest else {}
        shown = PurePath(stored).name if stored.lower().endswith(SHEET_ENDINGS) else stored
        how = f"by {shown}" if shown and shown != NONE else "as the pairs say"
        return _if_several({**guessed, **explicit}, how)
    groups, how, one = _by_names(rest)
    if one is not None and not Grouping(groups, "").has_groups:
        return _if_several(one, how)
    return _if_several(groups, how)


def _by_names(rows: Sequence[PairEntry]) -> tuple[dict[str, str], str, dict[str, str] | None]:
    """Return the groups that the names suggest, how, and the single group of all where there is only that one.

    The coarsest way that leaves several groups is taken: fields of one sample, else views of one field, else numbers.
    """
    text = _texts(rows)
    parts = read_names(sorted(set(text.values())))
    ways: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("fields, planes, times or crops of one sample", lambda name: _sample(name, parts[name])),
        ("planes, times or crops of one name", lambda name: remaining(name, parts[name], frozenset({"view"}))),
        ("numbers at the end", lambda name: remaining(name, parts[name], frozenset({"view"}), numbers=True)),
    )
    one: tuple[dict[str, str], str] | None = None
    fine = {name: remaining(text[name], parts[text[name]], frozenset({"view"})) for name in text}
    for how, key in ways:
        groups = {name: key(text[name]) for name in text}
        several = len(set(groups.values()))
        if 1 < several < len(groups):
            if groups == fine:
                how = ways[1][0]
            return groups, f"by the names ({how})", None
        if several == 1 and len(groups) > 1 and one is None:
            one = groups, f"by the names ({how})"
    alone = {name: name for name in text}
    return (alone, one[1], one[0]) if one else (alone, "", None)


def _sample(name: str, parts: Sequence[Part]) -> str:
    """Return a name without views and fields, or without views alone where only a word, no sample, would be left."""
    sample = remaining(name, parts, frozenset({"view", "site"}))
    fields = remaining(name, parts, frozenset({"view"}))
    is_word = sample.replace("_", "").replace("-", "").isalpha() and len(sample) > 1
    return fields if is_word and sample != fields else sample


def _texts(rows: Sequence[PairEntry]) -> dict[str, str]:
    """Return what is read of each name: the stack of a slice; with folders where a file name occurs in several."""
    text = {entry.name: _stack_of(entry) or entry.name for entry in rows}
    folders: dict[str, set[str]] = defaultdict(set)
    for entry in rows:
        folders[stem(Path(entry.image))].add(PurePath(entry.image).parent.as_posix())
    if not any(len(several) > 1 for name, several in folders.items() if name):
        return text
    parents = {PurePath(entry.image).parent for entry in rows if entry.image}
    root = os.path.commonpath([parent.as_posix() for parent in parents])
    for entry in rows:
        if entry.image:
            file = PurePath(entry.image)
            text[entry.name] = (PurePath(os.path.relpath(file.parent, root)) / stem(Path(file))).as_posix()
    return text


def _by_folder(rows: Sequence[PairEntry]) -> dict[str, str]:
    groups = {entry.name: PurePath(entry.image).parent.as_posix() for entry in rows}
    last = {group: PurePath(group).name for group in groups.values()}
    if len(set(last.values())) == len(last):
        groups = {name: last[group] for name, group in groups.items()}
    return groups


def _by_file(rows: Sequence[PairEntry], path: Path) -> dict[str, str]:
    """Read the group of each image from a table with a column of names and one of groups."""
    titles, lines = read_sheet(path)
    found = [match_names([line[index] for line in lines], rows) for index in range(len(titles))]
    names_at = max(range(len(titles)), key=lambda index: len(found[index]))
    lower = [title.casefold() for title in titles]
    others = [index for index in range(len(titles)) if index != names_at]
    if not others:
        raise UserError(
            f"{short(path)} has {plural(len(titles), 'column')}.",
            "Expected a column 'name' with the names of the images, and a column 'group'.",
            "Add the other column.",
        )
    group_at = next((lower.index(title) for title in GROUP_COLUMNS if title in lower), others[0])
    groups: dict[str, str] = {}
    for number, image in found[names_at].items():
        group = lines[number][group_at]
        if group and groups.setdefault(image, group) != group:
            raise UserError(
                f"{short(path)} names two groups for '{image}': {groups[image]} and {group}.",
                "Expected one group for each image.",
                "Delete one of the rows.",
            )
    missing = [entry.name for entry in rows if entry.name not in groups]
    if missing:
        raise UserError(
            f"{short(path)} has no group for {plural(len(missing), 'image')}, such as '{missing[0]}'.",
            f"Expected a row for each of {plural(len(rows), 'image')}.",
            "Add the missing rows.",
        )
    return groups


def _by_pattern(names: Sequence[str], pattern: str) -> dict[str, str]:
    try:
        with warnings.catch_warnings(action="ignore"):  # of what may mean something else in a later Python
            search = re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"The group pattern '{pattern}' is not a regular expression: {error}.",
            "Expected one such as '^(.*)_z', a CSV file, or the word 'folder'.",
            "Correct it, or leave it empty.",
        ) from None
    groups = {}
    for name in names:
        match = search.search(name)
        if match is None:
            raise UserError(
                f"The group pattern '{pattern}' does not match '{name}'.",
                "Expected every name to hold its group.",
                "Widen the pattern, or leave it empty.",
            )
        groups[name] = (match["group"] if "group" in search.groupindex else match[1]) if search.groups else match[0]
        groups[name] = groups[name] or name
    return groups


def _if_several(groups: dict[str, str], how: str) -> Grouping:
    """Return these groups; if all images are of one, each stands alone in a series, with a warning."""
    if len(set(groups.values())) > 1 or len(groups) < 2:
        return Grouping(groups, describe(groups, how))
    one = next(iter(groups.values()))
    return Grouping(
        {name: name for name in groups},
        f"{len(groups)} images of one volume or sample, tested in blocks of neighbours by the design 'grouped'",
        f"All {len(groups)} images seem to belong together ('{one}', {how}). Test images look like their neighbours "
        "in training, so every score is higher than on another volume or sample.",
        tuple(sorted(groups, key=lambda name: natural(Path(name)))),
    )


def _each_alone(number: int) -> str:
    return "1 image" if number == 1 else f"{number} images, none of which belong together"


def describe(groups: Mapping[str, str], how: str) -> str:
    """Return the number of groups, how they were found, and the first of them with their sizes."""
    counts = Counter(groups.values())
    if len(counts) == len(groups):
        return _each_alone(len(groups))
    examples = [f"{group} ({number})" for group, number in sorted(counts.items())[:6]]
    more = ", …" if len(counts) > 6 else ""
    return f"{plural(len(counts), 'group')} of {len(groups)} images, {how}: {', '.join(examples)}{more}"
