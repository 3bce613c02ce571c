"""The split of pairs into training and test: whole groups, spread over them by a seed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.groups import Grouping, groups_of
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.quantities import plural

MAX_NAMED = 6
"""Groups that a sentence names."""


def split_table(table: PairTable, test: float | int | Sequence[str], seed: int = 0) -> PairTable:
    """Choose rows for testing.

    Parameters
    ----------
    table : PairTable
        Its other rows stay as they are.
    test : float, int or names
        A share below 1, a number of rows, or the names of the rows. Rows of one group (see `groups_of`) stay together,
        so that the test set can become larger than asked. Each class or treatment gives its share. If all rows are of
        one volume or sample, its beginning or end is taken.
    seed : int
        Chooses the groups, or the end.

    Returns
    -------
    PairTable
        Each usable row is to train or to test.

    Raises
    ------
    UserError
        If a name is unknown or nothing would be left to train on.
    """
    usable, grouping = table.matched, groups_of(table)
    if isinstance(test, str):
        test = [test]
    if isinstance(test, float | int):
        if not (0 <= test < 1 or (test >= 1 and test % 1 == 0)):
            raise UserError(
                f"{test:g} is neither a share nor a number of test images.",
                "Expected a share from 0 to below 1, a whole number, or names.",
                "For example 0.2 for a fifth of the images.",
            )
        number = max(1, round(test * len(usable))) if 0 < test < 1 else int(test)
        if number and number >= len(usable):
            raise _nothing_to_train(len(usable))
        chosen = set(choose_test(grouping, number, np.random.default_rng(seed))) if number else set()
    else:
        chosen = with_siblings(test, grouping)
    if usable and len(chosen) == len(usable):
        raise _nothing_to_train(len(usable))
    return table.replace(
        entries=tuple(entry.replace(split="test" if entry.name in chosen else "train") for entry in table.entries)
    )


def _nothing_to_train(number: int) -> UserError:
    return UserError(
        f"All {number} pairs would be test pairs.",
        "Expected at least one to train on.",
        "Choose fewer for testing, or use smaller groups.",
    )


def with_siblings(names: Sequence[str], grouping: Grouping) -> set[str]:
    """Return these names and all others of their groups.

    Raises
    ------
    UserError
        If a name is unknown.
    """
    groups = grouping.groups
    if unknown := [name for name in names if name not in groups]:
        raise UserError(
            f"There is no usable pair '{unknown[0]}'.",
            f"Expected one of {len(groups)} names, such as {', '.join(list(groups)[:3])}.",
            "Check the spelling.",
        )
    wanted = {groups[name] for name in names}
    return {name for name, group in groups.items() if group in wanted}


def choose_test(grouping: Grouping, number: int, rng: np.random.Generator) -> list[str]:
    """Choose whole groups with at least that many images, or all groups but one.

    Parameters
    ----------
    grouping : Grouping
        Of a series without groups, its beginning or end is taken.
    number : int
        Images to test, at least 1.
    rng : numpy.random.Generator
        Chooses them.

    Returns
    -------
    list of str
        Names, sorted. Classes and treatments (`Grouping.strata`) have nearly the share that they have in all images.

    Raises
    ------
    UserError
        If there are fewer than two groups.
    """
    if series := grouping.series:
        number = min(len(series) - 1, max(1, number))
        return sorted(series[:number] if rng.integers(2) else series[-number:])
    members = shuffled_groups(grouping.groups, rng)
    if len(members) < 2:
        raise UserError(
            f"All {len(grouping.groups)} images are of one group.",
            "Expected at least two groups: one to train on, one to test.",
            "Choose smaller groups, or leave-one-out.",
        )
    waiting: dict[str, list[list[str]]] = defaultdict(list)
    for names in members:
        waiting[_stratum(names, grouping.strata)].append(names)
    total = {stratum: sum(map(len, groups)) for stratum, groups in waiting.items()}
    share, tested, test = number / len(grouping.groups), Counter[str](), list[str]()
    for _ in members[1:]:
        room = number - len(test)
        if test and room <= 0:
            break
        stratum = max((one for one in waiting if waiting[one]), key=lambda one: share * total[one] - tested[one])
        group = next((names for names in waiting[stratum] if len(names) <= room), min(waiting[stratum], key=len))
        waiting[stratum].remove(group)
        tested[stratum] += len(group)
        test += group
    return sorted(test)


def shuffled_groups(groups: Mapping[str, str], rng: np.random.Generator) -> list[list[str]]:
    """Return the groups in random order, the names in each sorted."""
    members: dict[str, list[str]] = defaultdict(list)
    for name in sorted(groups):
        members[groups[name]].append(name)
    order = sorted(members)
    return [members[order[index]] for index in rng.permutation(len(order))]


def _stratum(names: Sequence[str], strata: Mapping[str, str]) -> str:
    """Return the class of most images of a group; empty where there are no classes."""
    return Counter(strata.get(name, "") for name in names).most_common(1)[0][0]


def split_sentence(table: PairTable, grouping: Grouping) -> str:
    """Describe the groups of the usable rows and those that the test holds; empty without rows."""
    if not table.matched:
        return ""
    text = grouping.description + "." * (not grouping.description.endswith("…"))
    held = sorted({grouping.groups[entry.name] for entry in table.test})
    if not held:
        return text
    noun = "group" if grouping.has_groups else "image"
    examples = ", ".join(held[:MAX_NAMED]) + ", …" * (len(held) > MAX_NAMED)
    cut = {grouping.groups[entry.name] for entry in table.train} & set(held)
    both = f" {plural(len(cut), 'group')} of them also to train: {', '.join(sorted(cut)[:3])}." if cut else ""
    return f"{text} The test holds {plural(len(held), noun)}: {examples}.{both}"
