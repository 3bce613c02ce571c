"""Agreement of predicted labels with the truth: pixel by pixel, and object by object.

Conventions everywhere: if truth and prediction are both empty the score is 1, if only one is empty it is 0; an overlap
counts from the threshold on (``>=``), each object is matched at most once.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.metrics.network import skeleton, thin_classes
from napari_organoid_synth.core.pairs.mask_kind import pieces_of
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair
from napari_organoid_synth.core.segmentation.arms import Scores

IOU_THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9)
DSB_THRESHOLDS = (*IOU_THRESHOLDS, 0.95)
"""Thresholds of the Data Science Bowl 2018."""
MAX_DENSE_PAIRS = 4_000_000
"""True times predicted objects above which objects are only matched by the sparse method."""


def pixel_scores(truth: NDArray[Any], predicted: NDArray[Any]) -> dict[str, float]:
    """Compute Dice, precision and recall of two masks.

    Parameters
    ----------
    truth, predicted : NDArray (Y, X)
        Everything but 0 is foreground.

    Returns
    -------
    dict
        ``dice`` = 2 TP / (2 TP + FP + FN), ``precision`` = TP / (TP + FP), ``recall`` = TP / (TP + FN), each in [0, 1].

    Examples
    --------
    >>> pixel_scores(np.array([[1, 1, 0, 0]]), np.array([[0, 1, 1, 1]]))["dice"]
    0.4
    """
    real, marked = np.asarray(truth) != 0, np.asarray(predicted) != 0
    hits, n_real, n_marked = (int(np.count_nonzero(mask)) for mask in (real & marked, real, marked))
    if n_real == 0 or n_marked == 0:
        value = float(n_real == n_marked)
        return {"dice": value, "precision": value, "recall": value}
    return {"dice": 2 * hits / (n_real + n_marked), "precision": hits / n_marked, "recall": hits / n_real}


def overlaps(
    truth: NDArray[Any], predicted: NDArray[Any]
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64], tuple[int, int]]:
    """Find every true and predicted object that share a pixel; sparse, so that 100 000 cells fit in memory.

    Parameters
    ----------
    truth, predicted : NDArray (Y, X) int, 0 is background
        Ids need not be consecutive.

    Returns
    -------
    rows, columns : NDArray (overlaps,) intp
        Positions of the two objects in the order of the ids.
    iou : NDArray (overlaps,) float64 in (0, 1]
        Intersection over union.
    shape : (int, int)
        Number of true and of predicted objects.
    """
    real_ids, real, real_area = np.unique(truth, return_inverse=True, return_counts=True)
    predicted_ids, place, predicted_area = np.unique(predicted, return_inverse=True, return_counts=True)
    pairs, common = np.unique(real.ravel().astype(np.int64) * predicted_ids.size + place.ravel(), return_counts=True)
    rows, columns = np.divmod(pairs, predicted_ids.size)
    iou = common / (real_area[rows] + predicted_area[columns] - common)
    objects = (real_ids[rows] != 0) & (predicted_ids[columns] != 0)
    place_real, place_predicted = np.cumsum(real_ids != 0) - 1, np.cumsum(predicted_ids != 0) - 1
    shape = int(np.count_nonzero(real_ids)), int(np.count_nonzero(predicted_ids))
    return place_real[rows[objects]], place_predicted[columns[objects]], iou[objects], shape


def object_scores(
    truth: NDArray[Any], predicted: NDArray[Any], thresholds: tuple[float, ...] = IOU_THRESHOLDS
) -> dict[float, dict[str, float]]:
    """Count objects found, missed and invented at each overlap threshold (Caicedo 2019).

    Parameters
    ----------
    truth, predicted : NDArray (Y, X) int, 0 is background
        Label images of the same size.
    thresholds : tuple of float
        Least intersection over union at which a true and a predicted object are the same.

    Returns
    -------
    dict
        For each threshold ``tp``, ``fp``, ``fn`` and ``accuracy`` = TP / (TP + FP + FN). TP is the largest number of
        one-to-one matches (up to 0.5 one object may have several candidates).
    """
    from scipy.sparse import csr_matrix
    from scipy.sparse.csgraph import maximum_bipartite_matching

    rows, columns, iou, (n_real, n_found) = overlaps(truth, predicted)
    result: dict[float, dict[str, float]] = {}
    for threshold in thresholds:
        near = iou >= threshold
        hits = 0
        if near.any():
            graph = csr_matrix((np.ones(near.sum(), bool), (rows[near], columns[near])), shape=(n_real, n_found))
            hits = int(np.count_nonzero(maximum_bipartite_matching(graph, perm_type="column") >= 0))
        total = n_real + n_found - hits
        result[threshold] = {
            "tp": float(hits),
            "fp": float(n_found - hits),
            "fn": float(n_real - hits),
            "accuracy": hits / total if total else 1.0,
        }
    return result


def average_precision(
    truth: NDArray[Any], predicted: NDArray[Any], thresholds: tuple[float, ...] = IOU_THRESHOLDS
) -> float:
    """Compute the mean over thresholds of TP / (TP + FP + FN) of objects; the score of the Data Science Bowl 2018."""
    scores = object_scores(truth, predicted, thresholds)
    return float(np.mean([score["accuracy"] for score in scores.values()]))


def object_accuracy(
    truth: NDArray[Any], predicted: NDArray[Any], thresholds: tuple[float, ...] = DSB_THRESHOLDS
) -> dict[float, float]:
    """Compute TP / (TP + FP + FN) of objects at each overlap threshold, by ``stardist.matching`` where installed.

    The same numbers as `object_scores`, except that ``stardist`` gives 0 for two empty masks; here that is 1.

    Parameters
    ----------
    truth, predicted : NDArray (Y, X) int, 0 is background
        Label images of the same size.
    thresholds : tuple of float
        Of intersection over union.
    """
    n_true, n_predicted = (np.count_nonzero(np.unique(labels)) for labels in (truth, predicted))
    try:
        from stardist.matching import matching
    except ImportError:
        matching = None
    if matching is None or not n_true or not n_predicted or n_true * n_predicted > MAX_DENSE_PAIRS:
        return {threshold: one["accuracy"] for threshold, one in object_scores(truth, predicted, thresholds).items()}
    results = matching(truth, predicted, thresh=thresholds)
    return {threshold: float(one.accuracy) for threshold, one in zip(thresholds, results, strict=True)}


def mask_scores(
    truth: NDArray[Any],
    predicted: NDArray[Any],
    kind: MaskKind,
    class_names: tuple[str, ...],
    classes: Collection[str] | None = None,
) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """Compute the scores of one label image, and of each of its classes.

    Parameters
    ----------
    truth, predicted : NDArray (Y, X) int, 0 is background
        Label images of the same size.
    kind : {"binary", "classes", "instances"}
        Meaning of the values.
    class_names : tuple of str
        Names of the values 1..K.
    classes : collection of str, optional
        Those to score where ``kind`` is ``classes``, at least one; default: all.

    Returns
    -------
    scores : dict
        ``dice``, ``precision``, ``recall``: for ``classes`` the means over the scored classes, else of the whole
        foreground; for ``instances`` also ``ap``, the `average_precision` of objects.
    per_class : dict
        The same three for each name.
    """
    if kind == "classes":
        per_class = {
            name: pixel_scores(truth == value, predicted == value)
            for value, name in enumerate(class_names, start=1)
            if classes is None or name in classes
        }
        scores = mean_scores(list(per_class.values()))
    else:
        scores = pixel_scores(truth, predicted)
        per_class = {class_names[0]: dict(scores)}
    if kind == "instances":
        scores["ap"] = average_precision(truth, predicted)
    return scores, per_class


def mean_scores(scores: list[dict[str, float]]) -> dict[str, float]:
    """Return the mean of each score."""
    return {key: float(np.mean([score[key] for score in scores])) for key in scores[0]} if scores else {}


def mean_class_scores(images: Sequence[Mapping[str, Scores]]) -> dict[str, Scores]:
    """Return the mean scores of each class over the images in which it is scored."""
    names = dict.fromkeys(name for classes in images for name in classes)
    return {name: mean_scores([classes[name] for classes in images if name in classes]) for name in names}


def cl_dice(truth: NDArray[Any], predicted: NDArray[Any]) -> float:
    r"""Compute the Dice of middle lines, clDice (Shit 2021, arXiv 2003.07311), of two masks of thin structures.

    .. math:: \frac{2 P S}{P + S}, \qquad P = \frac{|S_P \cap V_T|}{|S_P|}, \quad S = \frac{|S_T \cap V_P|}{|S_T|}

    with the masks :math:`V` and their skeletons :math:`S`. A gap in a membrane costs as much as it is long, however
    thin the membrane is.

    Parameters
    ----------
    truth, predicted : NDArray (Y, X)
        Everything but 0 is foreground.

    Returns
    -------
    float
        In [0, 1].
    """
    real, marked = np.asarray(truth) != 0, np.asarray(predicted) != 0
    if not (real.any() and marked.any()):
        return float(real.any() == marked.any())
    real_lines, marked_lines = skeleton(real), skeleton(marked)
    right = np.count_nonzero(marked_lines & real) / np.count_nonzero(marked_lines)
    found = np.count_nonzero(real_lines & marked) / np.count_nonzero(real_lines)
    return 2 * right * found / (right + found) if right + found else 0.0


def _thin_scores(truth: SamplePair, predicted: NDArray[np.int32], classes: Collection[str] | None) -> dict[str, float]:
    """Return the mean `cl_dice` of the scored classes that are thin in the true mask; nothing where none is."""
    names = dict(enumerate(truth.class_names, start=1))
    scored = [value for value in thin_classes([truth]) if classes is None or names.get(value) in classes]
    found = [cl_dice(truth.labels == value, predicted == value) for value in scored]
    return {"cldice": float(np.mean(found))} if found else {}


def image_scores(
    truth: SamplePair, predicted: NDArray[np.int32], classes: Collection[str] | None = None
) -> tuple[Scores, dict[str, Scores]]:
    """Compute all scores of a predicted mask.

    Parameters
    ----------
    truth : SamplePair
        The image with its true mask.
    predicted : NDArray (Y, X) int32, 0 is background
        Labels in the sense of its mask.
    classes : collection of str, optional
        Classes that are scored, at least one, such as those that a person drew; default: all.

    Returns
    -------
    scores : dict
        ``dice``, ``precision``, ``recall``, ``f`` of pixels; F = 2 P R / (P + R) is Dice, and all four are means over
        the scored classes where there are several. For instances ``ap`` and ``ap95``, the mean of TP / (TP + FP + FN)
        of objects over overlaps 0.5 to 0.9 and to 0.95. For classes that are thin in the true mask (membranes, fibres)
        ``cldice``, the mean of `cl_dice`.
    per_class : dict
        The first three for each of these classes.
    """
    scores, per_class = mask_scores(truth.labels, predicted, truth.mask_kind, truth.class_names, classes)
    scores["f"] = scores["dice"]
    if truth.mask_kind == "instances":
        accuracy = object_accuracy(truth.labels, predicted)
        scores["ap"] = float(np.mean([accuracy[threshold] for threshold in IOU_THRESHOLDS]))
        scores["ap95"] = float(np.mean(list(accuracy.values())))
    scores |= _thin_scores(truth, predicted, classes)
    return {name: float(value) for name, value in scores.items()}, per_class


def only_classes(
    labels: NDArray[np.int32], pair: SamplePair, classes: Collection[str] | None = None
) -> NDArray[np.int32]:
    """Return labels (Y, X) in the sense of the mask of a pair with these classes alone, the others as background."""
    if classes is None or pair.mask_kind != "classes":
        return labels
    kept = [value for value, name in enumerate(pair.class_names, start=1) if name in classes]
    return np.where(np.isin(labels, kept), labels, 0).astype(np.int32)


def false_objects(truth: SamplePair, predicted: NDArray[np.int32]) -> int | None:
    """Count the objects predicted in an empty field, none of which is there; None for an image with objects.

    Parameters
    ----------
    truth : SamplePair
        The image with its true mask.
    predicted : NDArray (Y, X) int32, 0 is background
        Labels in the sense of its mask: ids of instances; of the other kinds the connected pieces are counted.
    """
    if truth.labels.any():
        return None
    objects = predicted if truth.mask_kind == "instances" else pieces_of(predicted)
    return int(np.count_nonzero(np.unique(objects)))


def failed_training_warnings(
    title: str, per_image: Mapping[str, Mapping[str, float]], empty: Collection[str] = ()
) -> list[str]:
    """Return a warning if a segmenter has no pixel right in any image: it failed to train.

    Parameters
    ----------
    title : str
        Names the training.
    per_image : mapping
        Image to its scores, among them ``dice``.
    empty : collection of str
        Images without objects, where marking nothing is right.

    Examples
    --------
    >>> failed_training_warnings("real pairs", {"a": {"dice": 0.0}, "b": {"dice": 0.1}})
    []
    """
    drawn = [scores["dice"] for image, scores in per_image.items() if image not in empty]
    if any(dice > 0 for dice in drawn) or not drawn:
        return []
    return [
        f"{title[:1].upper()}{title[1:]}: a segmenter marked nothing correctly in any test image. It failed to train; "
        "this says nothing about the pairs. Raise the steps."
    ]


def paired_gain(
    before: NDArray[np.float64], after: NDArray[np.float64], seed: int = 0, draws: int = 10_000
) -> tuple[float, float, float]:
    """Compute the mean paired difference with its 95 % bootstrap interval (Efron 1979, percentile form).

    Parameters
    ----------
    before, after : NDArray (images,) float64
        A score of the same images in the same order.
    seed : int
        Fixes the draws.
    draws : int
        Resamplings of the images.

    Returns
    -------
    (float, float, float)
        Mean of ``after - before``, lower and upper end. Of fewer than four images the ends are the smallest and the
        largest difference, because an interval from so few would be too narrow.
    """
    difference = np.asarray(after, np.float64) - np.asarray(before, np.float64)
    if difference.size < 4:
        return float(difference.mean()), float(difference.min()), float(difference.max())
    rng = np.random.default_rng(seed)
    means = difference[rng.integers(0, difference.size, (draws, difference.size))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(difference.mean()), float(low), float(high)
