"""What synthetic pairs are worth in annotated images, read off the learning curve of the best arm without a generator.

With several shares of the training images, the scores of that arm against the number of images are its learning curve.
The pairs are worth the images that it needs in addition to score what it scores with the pairs. The curve is made
monotone (isotonic regression) and read off between its points along the logarithm of the number. Nothing is read off
beyond the largest number: there the answer is "at least".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.gain.bootstrap import MIN_GROUPS, Parts, per_test
from napari_organoid_synth.core.gain.choose_ratios import Cell, choose_ratios, gather, is_main
from napari_organoid_synth.core.gain.results import ArmRecord, Worth
from napari_organoid_synth.core.segmentation.arms import needs_generator

DRAWS = 2_000
"""Learning curves that are drawn."""
RISING = "Not all trainings reached their plateau."
FEW = f"It takes {MIN_GROUPS} test images, or groups of them, for an interval."
LARGEST = "No larger number of images was tried."


def worth_in_images(
    records: Sequence[ArmRecord],
    groups: Mapping[str, str],
    rival: str,
    score: str = "dice",
    seed: int = 0,
    draws: int = DRAWS,
) -> tuple[Worth, ...]:
    """Compute what the pairs of each arm with a generator are worth at each share of the training images.

    Parameters
    ----------
    records : sequence of ArmRecord
        The trainings, with shares of the training images (``subset``) and numbers of these (``trained_on``).
    groups : mapping of str to str
        Image to group.
    rival : str
        Arm without a generator whose learning curve is read off.
    score : str
        The score that is compared.
    seed, draws : int
        Of the bootstrap, which draws groups and trainings as for a paired change.

    Returns
    -------
    tuple of Worth
        Arms in the order of the records, largest share first. Empty without several numbers of images, or an arm with
        a generator.
    """
    cells = gather(records, choose_ratios(records))
    main = {cell: trainings for cell, trainings in cells.items() if is_main(cell, cells)}
    curve = {cell: main[cell] for cell in sorted(main, key=lambda cell: cell[2]) if cell[0] == rival}
    subsets = [cell[2] for cell in curve]
    arms = dict.fromkeys(cell[:2] for cell in main if needs_generator(cell[0]))
    answers = []
    images = np.array([np.mean([one.trained_on for one in cell]) for cell in curve.values()])
    is_curve = len(curve) > 1 and bool(np.all(images > 0) and np.all(np.diff(images) > 0))
    for arm, generator in arms if is_curve else ():
        with_pairs = {cell: main[cell] for cell in main if cell[:2] == (arm, generator) and cell[2] in subsets}
        if with_pairs:
            answers += _answers(curve, with_pairs, groups, score, np.random.default_rng(seed), draws)
    return tuple(answers)


def _answers(
    curve: Mapping[Cell, Sequence[ArmRecord]],
    with_pairs: Mapping[Cell, Sequence[ArmRecord]],
    groups: Mapping[str, str],
    score: str,
    rng: np.random.Generator,
    draws: int,
) -> list[Worth]:
    """Return the worth at each share of one arm."""
    tests = {cell: per_test(each, score) for cell, each in {**curve, **with_pairs}.items()}
    common = set.intersection(*({name for name, _, _ in values} for values in tests.values()))
    parts = {
        cell: Parts.of({test: value for test, value in values.items() if test[0] in common}, groups)
        for cell, values in tests.items()
    }
    number = len(next(iter(parts.values())).counts)
    chosen: NDArray[np.intp] = np.vstack([np.arange(number), rng.integers(0, max(number, 1), (draws, number))])
    drawn = {cell: _draw(each, chosen, rng) for cell, each in parts.items()} if common else {}
    images = np.array([np.mean([one.trained_on for one in cell]) for cell in curve.values()])
    learning = np.stack([drawn[cell] for cell in curve], axis=1) if common else np.empty((0, len(images)))
    answers = []
    for cell, trainings in sorted(with_pairs.items(), key=lambda item: -item[0][2]):
        place = [one[2] for one in curve].index(cell[2])
        base = Worth(
            arm=cell[0], generator=cell[1], subset=cell[2], rival=next(iter(curve))[0], images=float(images[place])
        )
        rising = [
            one for each in (*curve.values(), trainings) for one in each if one.curve and not one.curve.at_plateau
        ]
        reason = RISING if rising else FEW if number < MIN_GROUPS else ""
        if reason or not common:
            answers.append(base.replace(reason=reason or FEW))
            continue
        answers.append(base.replace(**_numbers(images, learning, drawn[cell], place)))
    return answers


def _draw(parts: Parts, chosen: NDArray[np.intp], rng: np.random.Generator) -> NDArray[np.float64]:
    """Return the mean over images, then that of each draw, (draws + 1,)."""
    means = parts.draw(chosen, rng)
    means[0] = parts.by_training.sum() / parts.counts.sum()  # all trainings, all groups
    return means


def _numbers(
    images: NDArray[np.float64], learning: NDArray[np.float64], reached: NDArray[np.float64], place: int
) -> dict[str, object]:
    """Return the numbers of `Worth` at one point of the learning curve.

    Parameters
    ----------
    images : NDArray (points,) float64
        Rising numbers of training images.
    learning : NDArray (draws + 1, points) float64
        Scores of the rival; the first row is the measured one.
    reached : NDArray (draws + 1,) float64
        Scores with the pairs.
    place : int
        Point at which the pairs were added.
    """
    if place + 1 == len(images):
        return {"reason": LARGEST}
    rises = learning[:, place + 1] - learning[:, place]
    rise_low, rise_high = np.percentile(rises[1:], [2.5, 97.5])
    more = images_needed(images, learning, reached) - images[place]
    low, high = np.percentile(more[1:], [2.5, 97.5], method="closest_observation")
    end = float(images[-1] - images[place])
    return {
        "annotate": float(images[place + 1] - images[place]),
        "rise": float(rises[0]),
        "rise_low": float(rise_low),
        "rise_high": float(rise_high),
        "more": float(min(more[0], end)),
        "low": float(min(low, end)),
        "high": float(min(high, end)),
        "beyond": bool(np.isinf(more[0])),
        "beyond_high": bool(np.isinf(high)),
    }


def images_needed(
    images: NDArray[np.float64], scores: NDArray[np.float64], reached: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the number of training images with which learning curves reach a score.

    Parameters
    ----------
    images : NDArray (points,) float64
        Rising.
    scores : NDArray (curves, points) float64
        Scores with these; each curve is made monotone first.
    reached : NDArray (curves,) float64
        Scores to be reached.

    Returns
    -------
    NDArray (curves,) float64
        The smallest such numbers; the first of ``images`` for a score below the curve, infinite for one above it.

    Examples
    --------
    >>> curve = np.array([[0.5, 0.6, 0.8]])
    >>> [images_needed(np.array([2.0, 4, 8]), curve, np.array([score])).round(1).tolist() for score in (0.4, 0.7, 0.9)]
    [[2.0], [5.7], [inf]]
    """
    curves = rising_curves(scores)
    is_above = curves >= reached[:, None]
    first = np.where(is_above.any(axis=1), is_above.argmax(axis=1), len(images))
    inside = (first > 0) & (first < len(images))
    needed = np.where(first == 0, images[0], np.inf)
    rows, after = np.flatnonzero(inside), first[inside]
    low, high = curves[rows, after - 1], curves[rows, after]
    share = (reached[inside] - low) / (high - low)
    needed[inside] = np.exp((1 - share) * np.log(images[after - 1]) + share * np.log(images[after]))
    return needed


def rising_curves(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the monotone curve closest to each (isotonic regression, by its formula of highest lowest means).

    The same as ``sklearn.isotonic.isotonic_regression`` of each row, for all rows at once (Robertson, Wright and
    Dykstra 1988, Order restricted statistical inference).

    Parameters
    ----------
    scores : NDArray (curves, points) float64
        Few points.

    Examples
    --------
    >>> rising_curves(np.array([[0.25, 0.75, 0.5, 1.0]])).tolist()
    [[0.25, 0.625, 0.625, 1.0]]
    """
    points = scores.shape[1]
    sums = np.concatenate([np.zeros((len(scores), 1)), np.cumsum(scores, axis=1)], axis=1)
    columns = []
    for at in range(points):
        lowest = [
            np.min([(sums[:, end] - sums[:, start]) / (end - start) for end in range(at + 1, points + 1)], axis=0)
            for start in range(at + 1)
        ]
        columns.append(np.max(lowest, axis=0))
    return np.stack(columns, axis=1)
