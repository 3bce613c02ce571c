"""The folds of a comparison: training images and test images of each.

Folds depend on the names, the groups and the seed alone, never on the order in which the images are listed. Images that
are marked for testing in the project are in no fold: they are tested once more when the folds are done, or are the test
images of a hold-out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.pairs.groups import Grouping, find_groups
from napari_organoid_synth.core.pairs.split import choose_test, shuffled_groups
from napari_organoid_synth.core.pairs.table import PairEntry
from napari_organoid_synth.core.quantities import plural

DesignName = Literal["hold-out", "k-fold", "leave-one-out", "grouped"]
DEFAULT_FOLDS = 5


class Fold(FrozenModel):
    """Names of the training images and of the test images, both sorted."""

    train: tuple[str, ...]
    test: tuple[str, ...]


def find_fold_groups(rows: Sequence[PairEntry], rule: str = "", stored: str = "") -> Grouping:
    """Find which images of a comparison belong together.

    Parameters
    ----------
    rows : sequence of PairEntry
        All images with masks, those put aside included.
    rule, stored : str
        As in `find_groups`.

    Returns
    -------
    Grouping
        Of all rows. Where all images that are not put aside are of one group, they are looked at without the others:
        fields of the one sample, or a series.

    Raises
    ------
    UserError
        As `find_groups`.
    """
    grouping = find_groups(rows, rule, stored)
    rest = [entry for entry in rows if entry.split != "test"]
    if len(rest) < 2 or len(rest) == len(rows) or len({grouping.groups[entry.name] for entry in rest}) > 1:
        return grouping
    inner = find_groups(rest, rule, stored)
    groups = {**grouping.groups, **inner.groups}
    return Grouping(groups, inner.description, inner.warning, inner.series, {**grouping.strata, **inner.strata})


def put_aside(design: DesignName, test_share: float, held: Iterable[str]) -> tuple[str, ...]:
    """Return the images that no fold holds and that are tested when the folds are done, sorted.

    Parameters
    ----------
    design, test_share
        As in `make_folds`; a hold-out without ``test_share`` tests the images that are put aside in its fold.
    held : iterable of str
        Images put aside in the project.
    """
    return () if design == "hold-out" and not test_share else tuple(sorted(set(held)))


def make_folds(
    groups: Mapping[str, str],
    design: DesignName,
    number: int = 0,
    test_share: float = 0.0,
    held: Sequence[str] = (),
    seed: int = 0,
    series: Sequence[str] = (),
    strata: Mapping[str, str] | None = None,
    counts: Mapping[str, int] | None = None,
) -> list[Fold]:
    """Split images into folds.

    Parameters
    ----------
    groups : mapping of str to str
        Name of every image to its group, as `find_groups` gives it.
    design : {"hold-out", "k-fold", "leave-one-out", "grouped"}
        ``hold-out``: one fold, whose test images are ``held``, or whole groups with about ``test_share`` of the other
        images, of a ``series`` its beginning or end.
        ``k-fold``: images dealt out evenly. ``leave-one-out``: every image is a fold. ``grouped``: groups dealt out so
        that folds are of nearly equal size, or the ``series`` cut into blocks. But for the first, every image that is
        not ``held`` is tested once.
    number : int
        Of folds, for ``k-fold`` and ``grouped``; 0: five, or as many as can be.
    test_share : float in [0, 1)
        For ``hold-out``; 0: the images in ``held``.
    held : sequence of str
        Images put aside in the project. They are in no fold, except as the test images of a hold-out without
        ``test_share``.
    seed : int
        Deals the images out.
    series : sequence of str
        All names in the order of their volume, as `find_groups` gives them, where there are no groups: neighbours are
        then tested together, and only at the ends of a block does one lie beside a training image.
    strata : mapping of str to str, optional
        Name of every image to its class or treatment; a ``test_share`` takes a share of each.
    counts : mapping of str to int, optional
        Objects in every image: images of ``k-fold``, and groups, are dealt out so that folds have nearly as many
        objects; default: nearly as many images.

    Raises
    ------
    UserError
        If it cannot be done: fewer images or groups than folds, nothing to train on or to test, an unknown name.
    """
    _refuse_unknown(held, groups)
    aside = put_aside(design, test_share, held)
    dealt = {name: group for name, group in groups.items() if name not in set(aside)}
    names, series = sorted(dealt), [name for name in series if name in dealt]
    if len(names) < 2:
        raise _too_few(len(names), len(aside))
    rng = np.random.default_rng(seed)
    if design == "hold-out":
        strata_of_dealt = {name: stratum for name, stratum in (strata or {}).items() if name in dealt}
        grouping = Grouping(dealt, "", series=tuple(series), strata=strata_of_dealt)
        parts = [_hold_out(grouping, test_share, held, rng)]
    else:
        parts = _parts(dealt, design, number, series, rng, counts)
    folds = [Fold(train=tuple(sorted(set(names) - set(part))), test=tuple(sorted(part))) for part in parts]
    if not all(fold.train for fold in folds):
        raise UserError(
            f"All {len(names)} pairs would be tested and none is left to train on.",
            "Expected at least one on either side.",
            "Test fewer, or choose another design.",
        )
    return folds


def folds_sentence(folds: Sequence[Fold]) -> str:
    """Say how many folds there are, and how many images each tests.

    Examples
    --------
    >>> folds_sentence([Fold(train=("b",), test=("a",)), Fold(train=("a",), test=("b", "c"))])
    'Tested in 2 folds, 1 to 2 images each.'
    >>> folds_sentence([])
    'Nothing is tested.'
    """
    if not folds:
        return "Nothing is tested."
    few, many = (pick(len(fold.test) for fold in folds) for pick in (min, max))
    images = plural(few, "image") if few == many else f"{few} to {many} images"
    return f"Tested in {len(folds)} folds, {images} each." if len(folds) > 1 else f"Tested once, on {images}."


def _refuse_unknown(held: Sequence[str], groups: Mapping[str, str]) -> None:
    if unknown := sorted(set(held) - set(groups)):
        examples = ", ".join(sorted(groups)[:3])
        raise UserError(
            f"There is no pair '{unknown[0]}' to put aside.",
            f"Expected some of {len(groups)} names, such as {examples}.",
            "Check the spelling.",
        )


def _too_few(number: int, aside: int) -> UserError:
    found = "is no pair" if number == 0 else "is only 1 pair"
    if not aside:
        return UserError(
            f"There {found} of image and mask.",
            "Expected at least two: one to train on, one to test.",
            "Add pairs.",
        )
    return UserError(
        f"There {found} besides the {plural(aside, 'pair')} put aside for the test.",
        "Expected at least two to train on and to test in turn; no fold holds images that are put aside.",
        "Put fewer aside, add pairs, or choose hold-out without a test share, which tests those put aside.",
    )


def _parts(
    groups: Mapping[str, str],
    design: DesignName,
    number: int,
    series: Sequence[str],
    rng: np.random.Generator,
    counts: Mapping[str, int] | None = None,
) -> list[list[str]]:
    """Return the test images of each fold; every image is tested once."""
    names = sorted(groups)
    if design == "leave-one-out":
        return [[name] for name in names]
    if design == "k-fold":
        count = _count(number, len(names), "images")
        if counts is not None:
            return _deal({name: name for name in names}, count, rng, counts)
        order = [names[index] for index in rng.permutation(len(names))]
        return [order[start::count] for start in range(count)]
    if series:
        count = _count(number, len(names), "images")
        return [list(part) for part in np.array_split(np.array(series, dtype=object), count)]
    return _deal(groups, _count(number, len(set(groups.values())), "groups"), rng, counts)


def _hold_out(grouping: Grouping, share: float, held: Sequence[str], rng: np.random.Generator) -> list[str]:
    """Return the test images of a single split."""
    groups = grouping.groups
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


def _deal(
    groups: Mapping[str, str], count: int, rng: np.random.Generator, counts: Mapping[str, int] | None = None
) -> list[list[str]]:
    """Deal groups to folds, the largest first, each to the fold that is smallest so far, by objects or by images."""

    def size(names: Sequence[str]) -> tuple[int, int]:
        return (sum(counts[name] for name in names) if counts is not None else 0), len(names)

    parts: list[list[str]] = [[] for _ in range(count)]
    for members in sorted(shuffled_groups(groups, rng), key=size, reverse=True):
        min(parts, key=size).extend(members)
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
