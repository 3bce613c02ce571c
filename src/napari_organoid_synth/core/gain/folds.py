"""The folds of a comparison: training images and test images of each.

Folds depend on the names, the groups and the seed alone, never on the order in which the images are listed.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Literal

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.pairs.filenames import natural
from napari_organoid_synth.core.pairs.table import PairEntry

DesignName = Literal["hold-out", "k-fold", "leave-one-out", "grouped"]
DEFAULT_FOLDS = 5
FOLDER = "folder"
"""The group pattern that stands for the folder of an image."""
PART = r"(?:z|t|c|s|d|h|slice|plane|section|frame|time|tp|day|hour|page|crop|tile|patch|view|field|fov|pos)"
NAME_PATTERNS = (
    # description of a group, and how it is cut out of a name; the first that leaves two groups or more is taken
    ("slices, times or crops of the same name", rf"^(?P<group>.+?)(?:[ ._-]+{PART}[ ._-]?\d+)+$"),
    ("crops at places of the same image", r"^(?P<group>.+?)[ ._-]+y\d+[ ._-]?x\d+.*$"),
    ("names that differ in the last of two numbers", r"^(?P<group>.*?\d+)[ ._-]+\d+$"),
    ("slices or times in a row", r"^(?P<group>z|slice|plane|section|frame|time)[ ._-]?\d+$"),
)


class Fold(FrozenModel):
    """Names of the training images and of the test images, both sorted."""

    train: tuple[str, ...]
    test: tuple[str, ...]


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
    """

    groups: dict[str, str]
    description: str
    warning: str = ""
    series: tuple[str, ...] = ()

    @property
    def has_groups(self) -> bool:
        """Whether any group has more than one image."""
        return len(set(self.groups.values())) < len(self.groups)


def find_groups(entries: Iterable[PairEntry], pattern: str = "") -> Grouping:
    """Find which images belong together: slices of a volume, images of an embryo or a well.

    Parameters
    ----------
    entries : iterable of PairEntry
        The images.
    pattern : str
        A regular expression that is searched in each name: its group called ``group``, else its first group, else all
        that it matches. ``"folder"`` takes the folder of the image file. Empty: the groups of the table if it has
        any (slices of a stack), else what the names suggest.

    Raises
    ------
    UserError
        If the pattern is not a regular expression, or does not match a name.

    Examples
    --------
    >>> rows = [PairEntry(name=f"embryo{e}_z{z}") for e in (1, 2) for z in (1, 2)]
    >>> find_groups(rows).description
    '2 groups of 4 images, by the names (slices, times or crops of the same name): embryo1 (2), embryo2 (2)'
    """
    rows = sorted(entries, key=lambda entry: entry.name)
    names = [entry.name for entry in rows]
    if pattern == FOLDER:
        groups = {entry.name: PurePath(entry.image).parent.as_posix() for entry in rows}
        last = {group: PurePath(group).name for group in groups.values()}
        if len(set(last.values())) == len(last):
            groups = {name: last[group] for name, group in groups.items()}
        return Grouping(groups, _describe(groups, "by the folder"))
    if pattern:
        groups = _by_pattern(names, pattern)
        return Grouping(groups, _describe(groups, f"by the pattern {pattern}"))
    if any(entry.group for entry in rows):
        groups, how = {entry.name: entry.group or entry.name for entry in rows}, "as the pairs say"
        return _if_several(groups, how)
    one: Grouping | None = None
    for how, guess in NAME_PATTERNS:
        groups = {name: match["group"] if (match := re.match(guess, name, re.IGNORECASE)) else name for name in names}
        grouping = _if_several(groups, f"by the names ({how})")
        if grouping.has_groups:
            return grouping
        one = one or (grouping if grouping.series else None)
    return one or Grouping({name: name for name in names}, _each_alone(len(names)))


def _if_several(groups: dict[str, str], how: str) -> Grouping:
    """Return these groups; if all images are of one, each stands alone in a series, with a warning."""
    if len(set(groups.values())) > 1 or len(groups) < 2:
        return Grouping(groups, _describe(groups, how))
    one = next(iter(groups.values()))
    alone = {name: name for name in groups}
    return Grouping(
        alone,
        f"{len(groups)} images of one volume or sample, tested in blocks of neighbours by the design 'grouped'",
        f"All {len(groups)} images seem to belong together ('{one}', {how}). Test images look like their neighbours "
        "in training, so every score is higher than on another volume or sample.",
        tuple(sorted(groups, key=lambda name: natural(Path(name)))),
    )


def _by_pattern(names: Sequence[str], pattern: str) -> dict[str, str]:
    try:
        search = re.compile(pattern)
    except re.error as error:
        raise UserError(
            f"The group pattern '{pattern}' is not a regular expression: {error}.",
            "Expected one such as '^(.*)_z', or the word 'folder'.",
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


def _each_alone(number: int) -> str:
    return f"{number} image{'s' * (number != 1)}, each by itself"


def _describe(groups: Mapping[str, str], how: str) -> str:
    counts = Counter(groups.values())
    if len(counts) == len(groups):
        return _each_alone(len(groups))
    examples = [f"{group} ({number})" for group, number in sorted(counts.items())[:6]]
    more = ", …" if len(counts) > 6 else ""
    plural = "s" * (len(counts) > 1)
    return f"{len(counts)} group{plural} of {len(groups)} images, {how}: {', '.join(examples)}{more}"


def make_folds(
    groups: Mapping[str, str],
    design: DesignName,
    number: int = 0,
    test_share: float = 0.0,
    held: Sequence[str] = (),
    seed: int = 0,
    series: Sequence[str] = (),
) -> list[Fold]:
    """Split images into folds.

    Parameters
    ----------
    groups : mapping of str to str
        Name of every image to its group, as `find_groups` gives it.
    design : {"hold-out", "k-fold", "leave-one-out", "grouped"}
        ``hold-out``: one fold, whose test images are ``held``, or whole groups with about ``test_share`` of the images,
        of a ``series`` its beginning or end.
        ``k-fold``: images dealt out evenly. ``leave-one-out``: every image is a fold. ``grouped``: groups dealt out so
        that folds are of nearly equal size, or the ``series`` cut into blocks. But for the first, every image is tested
        once.
    number : int
        Of folds, for ``k-fold`` and ``grouped``; 0: five, or as many as can be.
    test_share : float in [0, 1)
        For ``hold-out``; 0: the images in ``held``.
    held : sequence of str
        Images put aside in the project.
    seed : int
        Deals the images out.
    series : sequence of str
        All names in the order of their volume, as `find_groups` gives them, where there are no groups: neighbours are
        then tested together, and only at the ends of a block does one lie beside a training image.

    Raises
    ------
    UserError
        If it cannot be done: fewer images or groups than folds, nothing to train on or to test, an unknown name.
    """
    names = sorted(groups)
    if len(names) < 2:
        raise UserError(
            f"There {'is only 1 pair' if names else 'is no pair'} of image and mask.",
            "Expected at least two: one to train on, one to test.",
            "Add pairs.",
        )
    rng = np.random.default_rng(seed)
    if design == "hold-out":
        parts = [_hold_out(groups, test_share, held, series, rng)]
    else:
        parts = _parts(groups, design, number, series, rng)
    folds = [Fold(train=tuple(sorted(set(names) - set(part))), test=tuple(sorted(part))) for part in parts]
    if not all(fold.train for fold in folds):
        raise UserError(
            f"All {len(names)} pairs would be tested and none is left to train on.",
            "Expected at least one on either side.",
            "Test fewer, or choose another design.",
        )
    return folds


def _parts(
    groups: Mapping[str, str], design: DesignName, number: int, series: Sequence[str], rng: np.random.Generator
) -> list[list[str]]:
    """Return the test images of each fold; every image is tested once."""
    names = sorted(groups)
    if design == "leave-one-out":
        return [[name] for name in names]
    if design == "k-fold":
        count = _count(number, len(names), "images")
        order = [names[index] for index in rng.permutation(len(names))]
        return [order[start::count] for start in range(count)]
    if series:
        count = _count(number, len(names), "images")
        return [list(part) for part in np.array_split(np.array(series, dtype=object), count)]
    return _deal(groups, _count(number, len(set(groups.values())), "groups"), rng)


def _hold_out(
    groups: Mapping[str, str], share: float, held: Sequence[str], series: Sequence[str], rng: np.random.Generator
) -> list[str]:
    """Return the test images of a single split."""
    if unknown := sorted(set(held) - set(groups)):
        examples = ", ".join(sorted(groups)[:3])
        raise UserError(
            f"There is no pair '{unknown[0]}' to put aside.",
            f"Expected some of {len(groups)} names, such as {examples}.",
            "Check the spelling.",
        )
    if share and series:
        number = min(len(series) - 1, max(1, round(share * len(series))))
        return list(series[:number] if rng.integers(2) else series[-number:])
    if share:
        return _hold_groups(groups, share, rng)
    if not held:
        raise UserError(
            f"None of the {len(groups)} pairs is put aside for the test.",
            "Expected at least one image that neither the generator nor the segmenter has seen.",
            "Mark some as test pairs ('organoid-synth pair --test 0.2', in napari: Pairs) and train the generator "
            "again; or give a test share such as 0.25, or choose another design.",
        )
    return sorted(set(held))


def _count(number: int, most: int, what: str) -> int:
    """Return the number of folds, or raise `UserError`."""
    if not number and most > 1:
        return min(DEFAULT_FOLDS, most)
    if number == 1:
        raise UserError("1 fold is asked for.", "Expected at least 2.", "Choose hold-out for a single split.")
    if most < max(number, 2):
        raise UserError(
            f"There {'is' if most == 1 else 'are'} {most} {what if most != 1 else what[:-1]} for {number or 2} folds.",
            f"Expected at least as many {what} as folds.",
            "Choose fewer folds, smaller groups, or leave-one-out." if most > 1 else "Choose smaller groups or k-fold.",
        )
    return number


def _members(groups: Mapping[str, str], rng: np.random.Generator) -> list[list[str]]:
    """Return the groups in random order, the names in each sorted."""
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(groups):
        members[groups[name]].append(name)
    order = sorted(members)
    return [members[order[index]] for index in rng.permutation(len(order))]


def _deal(groups: Mapping[str, str], count: int, rng: np.random.Generator) -> list[list[str]]:
    """Deal groups to folds, the largest first, each to the fold that is smallest so far."""
    parts: list[list[str]] = [[] for _ in range(count)]
    for members in sorted(_members(groups, rng), key=len, reverse=True):
        min(parts, key=len).extend(members)
    return parts


def _hold_groups(groups: Mapping[str, str], share: float, rng: np.random.Generator) -> list[str]:
    """Take whole groups until the share is reached; at least one, and never all."""
    members = _members(groups, rng)
    if len(members) < 2:
        raise UserError(
            f"All {len(groups)} images are of one group.",
            "Expected at least two groups: one to train on, one to test.",
            "Choose smaller groups, or leave-one-out.",
        )
    target, test = max(1, round(share * len(groups))), members[0]
    for more in members[1:-1]:
        if len(test) >= target:
            break
        test = test + more
    return test


def split_groups(folds: Sequence[Fold], groups: Mapping[str, str]) -> set[str]:
    """Return the groups with images on both sides of a fold."""
    return {group for fold in folds for group in _of(fold.train, groups) & _of(fold.test, groups)}


def _of(names: Sequence[str], groups: Mapping[str, str]) -> set[str]:
    return {groups[name] for name in names}


def subset(names: Sequence[str], share: float, seed: int = 0) -> tuple[str, ...]:
    """Choose a share of some images, sorted; a smaller share is contained in a larger one.

    Parameters
    ----------
    names : sequence of str
        In any order.
    share : float in (0, 1]
        Of 8 images 0.625 are 5 and 0.375 are 3; never fewer than one.
    seed : int
        Chooses them.
    """
    order = sorted(names)
    chosen = np.random.default_rng(seed).permutation(len(order))[: max(1, round(share * len(order)))]
    return tuple(sorted(order[index] for index in chosen))
