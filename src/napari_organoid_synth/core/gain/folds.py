"""The folds of a comparison: training images and test images of each.

Folds depend on the names, the groups and the seed alone, never on the order in which the images are listed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.pairs.groups import Grouping
from napari_organoid_synth.core.pairs.split import choose_test, shuffled_groups

DesignName = Literal["hold-out", "k-fold", "leave-one-out", "grouped"]
DEFAULT_FOLDS = 5


class Fold(FrozenModel):
    """Names of the training images and of the test images, both sorted."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def make_folds(
    groups: Mapping[str, str],
    design: DesignName,
    number: int = 0,
    test_share: float = 0.0,
    held: Sequence[str] = (),
    seed: int = 0,
    series: Sequence[str] = (),
    strata: Mapping[str, str] | None = None,
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
    strata : mapping of str to str, optional
        Name of every image to its class or treatment; a ``test_share`` takes a share of each.

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
        grouping = Grouping(dict(groups), "", series=tuple(series), strata=dict(strata or {}))
        parts = [_hold_out(grouping, test_share, held, rng)]
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


def _hold_out(grouping: Grouping, share: float, held: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Return the test images of a single split."""
    groups = grouping.groups
    if unknown := sorted(set(held) - set(groups)):
        examples = ", ".join(sorted(groups)[:3])
        raise UserError(
            f"There is no pair '{unknown[0]}' to put aside.",
            f"Expected some of {len(groups)} names, such as {examples}.",
            "Check the spelling.",
        )
    if share:
        return choose_test(grouping, max(1, round(share * len(groups))), rng)
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


def _deal(groups: Mapping[str, str], count: int, rng: np.random.Generator) -> list[list[str]]:
    """Deal groups to folds, the largest first, each to the fold that is smallest so far."""
    parts: list[list[str]] = [[] for _ in range(count)]
    for members in sorted(shuffled_groups(groups, rng), key=len, reverse=True):
        min(parts, key=len).extend(members)
    return parts


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
