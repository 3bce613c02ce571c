"""Errors and flow of a prediction as pictures, and outlines of labels. numpy alone, so that the window may use it."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

FALSE_POSITIVE = (255, 0, 255)  # magenta: marked, but nothing there
FALSE_NEGATIVE = (0, 255, 255)  # cyan: there, but missed
WRONG_CLASS = (255, 255, 0)  # yellow: marked as another class


def error_overlay(
    predicted: NDArray[Any], truth: NDArray[Any], background: NDArray[np.uint8] | None = None, classes: bool = False
) -> NDArray[np.uint8]:
    """Errors of a prediction in colour.

    Parameters
    ----------
    predicted, truth : NDArray (Y, X) int, 0 is background
        Label images of the same size.
    background : NDArray (Y, X, 3) uint8, optional
        The image; without it correct foreground is white and correct background black.
    classes : bool
        Whether the values are classes, so that two different values at a pixel are an error too.

    Returns
    -------
    NDArray (Y, X, 3) uint8
        False positives magenta, false negatives cyan, wrong classes yellow; correct pixels show the background.
    """
    found, real = np.asarray(predicted) != 0, np.asarray(truth) != 0
    if background is None:
        picture = np.repeat(np.where(found & real, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    else:
        picture = np.array(background, dtype=np.uint8)
    picture[found & ~real] = FALSE_POSITIVE
    picture[real & ~found] = FALSE_NEGATIVE
    if classes:
        picture[found & real & (np.asarray(predicted) != np.asarray(truth))] = WRONG_CLASS
    return picture


def flow_colours(flow: NDArray[np.float32], longest: float = 5.0) -> NDArray[np.uint8]:
    """Arrows in colour as Cellpose shows them: the hue is the direction, the brightness the length.

    Parameters
    ----------
    flow : NDArray (2, ..., Y, X) float32
        dy, dx; up is red, down cyan.
    longest : float
        Length of full brightness; Cellpose learns arrows of 5.

    Returns
    -------
    NDArray (..., Y, X, 3) uint8
    """
    dy, dx = flow
    angle = np.arctan2(dx, dy) + np.pi
    half = 127.5 * np.minimum(np.hypot(dy, dx) / longest, 1)
    colours = [half * (1 + np.cos(angle + turn * 2 * np.pi / 3)) for turn in range(3)]
    picture: NDArray[np.uint8] = np.stack(colours, -1).astype(np.uint8)
    return picture


def outline(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels of objects that touch another label or background by an edge.

    Parameters
    ----------
    labels : NDArray (..., Y, X) int, 0 is background
        A label image, or a stack of them.

    Returns
    -------
    NDArray (..., Y, X) bool
        The rim of the image is no outline by itself.
    """
    labels = np.asarray(labels)
    edge: NDArray[np.bool_] = np.zeros(labels.shape, dtype=bool)
    down = labels[..., 1:, :] != labels[..., :-1, :]
    edge[..., 1:, :] |= down
    edge[..., :-1, :] |= down
    right = labels[..., 1:] != labels[..., :-1]
    edge[..., 1:] |= right
    edge[..., :-1] |= right
    edge &= labels != 0
    return edge
