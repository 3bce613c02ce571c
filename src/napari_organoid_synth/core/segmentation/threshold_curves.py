"""Pixel precision, recall and F per image, and the share of images above each threshold with its band over folds.

The evaluation of the spheroid study: F is pixel-wise (2 P R / (P + R), which is Dice), scores are averaged over the
images of a fold, then over folds. Empty masks are scored as in `agreement`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.segmentation.agreement import pixel_scores

Score = Literal["precision", "recall", "f"]
SCORES: tuple[Score, ...] = ("precision", "recall", "f")
THRESHOLDS: NDArray[np.float64] = np.arange(101) / 100
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")  # Okabe and Ito
DASHES = ("", "7 3", "2 3", "9 3 2 3")  # so that colour is not alone
STARTS = (0.0, 0.5, 0.75, 0.9)
"""Possible first values of an axis of thresholds, so that five steps to 1 are round."""
FRAME = 46, 10, 300, 190
"""Left, top, width and height of the plot area."""


def foreground_scores(truth: NDArray[Any], predicted: NDArray[Any]) -> dict[Score, float]:
    """Compute precision, recall and F of the foreground of one image, each in [0, 1].

    Parameters
    ----------
    truth, predicted : NDArray (Y, X)
        Everything but 0 is foreground.

    Examples
    --------
    >>> foreground_scores(np.array([[1, 1, 0, 0]]), np.array([[0, 1, 1, 1]]))
    {'precision': 0.3333333333333333, 'recall': 0.5, 'f': 0.4}
    """
    scores = pixel_scores(truth, predicted)
    return {"precision": scores["precision"], "recall": scores["recall"], "f": scores["dice"]}


@dataclass(frozen=True)
class FoldScores:
    """One score of every test image of every fold.

    Parameters
    ----------
    folds : tuple of NDArray (images,) float64
        In [0, 1]; folds may differ in their number of images.
    """

    folds: tuple[NDArray[np.float64], ...]

    @classmethod
    def of(cls, folds: Sequence[Sequence[float]]) -> FoldScores:
        """Build from plain numbers; folds without images are left out."""
        return cls(tuple(np.asarray(fold, dtype=np.float64) for fold in folds if len(fold)))

    @property
    def mean(self) -> float:
        """Mean over folds of the means over images: maF, maP, maR of the study."""
        return float(np.mean([fold.mean() for fold in self.folds])) if self.folds else float("nan")

    @property
    def deviation(self) -> float:
        """Sample standard deviation (n - 1) of the means of the folds; 0 for a single fold."""
        return float(np.std([fold.mean() for fold in self.folds], ddof=1)) if len(self.folds) > 1 else 0.0

    def curves(self) -> NDArray[np.float64]:
        """Compute the share of the images of each fold that reach each of the 101 thresholds 0, 0.01, … 1.

        Returns
        -------
        NDArray (folds, 101) float64 in [0, 1]
            Falls from 1; a score equal to the threshold reaches it.

        Examples
        --------
        >>> FoldScores.of([[0.2, 0.9]]).curves()[0, [0, 20, 21, 90, 91]].tolist()
        [1.0, 1.0, 0.5, 0.5, 0.0]
        """
        if not self.folds:
            return np.empty((0, len(THRESHOLDS)))
        return np.stack([(fold[:, None] >= THRESHOLDS).mean(axis=0) for fold in self.folds])

    def band(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Compute median, lowest and highest of the `curves`, each (101,)."""
        curves = self.curves()
        return np.median(curves, axis=0), curves.min(axis=0), curves.max(axis=0)

    @property
    def summary(self) -> str:
        """``"77.1 ± 6.9 %"``; without the deviation for a single fold."""
        if not self.folds:
            return "none"
        spread = f" ± {100 * self.deviation:.1f}" if len(self.folds) > 1 else ""
        return f"{100 * self.mean:.1f}{spread} %"


def axis_start(curves: Iterable[FoldScores]) -> float:
    """Return where an axis of thresholds may begin: the largest of `STARTS` with no image of any method below.

    Examples
    --------
    >>> axis_start([FoldScores.of([[0.67, 0.9]]), FoldScores.of([[0.81], [0.99]])])
    0.5
    """
    least = min((float(fold.min()) for each in curves for fold in each.folds), default=0.0)
    return max(start for start in STARTS if start <= max(least, 0.0))


def threshold_svg(
    curves: Mapping[str, FoldScores],
    score: str = "F",
    colours: Sequence[str] = COLOURS,
    start: float = 0.0,
    inline: bool = False,
) -> str:
    """Draw the interval plot as SVG: a line for the median over folds, a band from the lowest to the highest.

    Parameters
    ----------
    curves : mapping of str to FoldScores
        Name of each method to its scores; those without images are left out.
    score : str
        Name of the score, for the axis.
    colours : sequence of str
        Of the methods that are drawn, in turn.
    start : float
        Threshold at which the axis begins, such as `axis_start`.
    inline : bool
        For a page of HTML, where the element needs no namespace.

    Returns
    -------
    str
        An ``svg`` element without scripts or external parts; text takes the colour of the page around it.
    """
    visible = {name: each for name, each in curves.items() if each.folds}
    left, top, width, height = FRAME
    in_range = start - 1e-9 <= THRESHOLDS
    x = left + (THRESHOLDS - start) / (1 - start) * width

    def points(values: NDArray[np.float64], xs: NDArray[np.float64] = x[in_range]) -> str:
        return " ".join(f"{a:.1f},{top + (1 - b) * height:.1f}" for a, b in zip(xs, values, strict=True))

    parts = _grid(start)
    for row, (name, each) in enumerate(visible.items()):
        median, low, high = (values[in_range] for values in each.band())
        colour, dash = colours[row % len(colours)], DASHES[row % len(DASHES)]
        stroke = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}" fill="none"'
        y = top + height + 56 + 18 * row
        outline = f"{points(high)} {points(low[::-1], x[in_range][::-1])}"
        parts += [
            f'<polygon points="{outline}" fill="{colour}" fill-opacity=".18"/>',
            f'<polyline points="{points(median)}" {stroke}/>',
            f'<path d="M4 {y - 4}h24" {stroke}/>',
            f'<text x="34" y="{y}">{escape(name)}: {each.summary}</text>',
        ]
    bottom = top + height + 56 + 18 * max(len(visible), 1)
    namespace = "" if inline else ' xmlns="http://www.w3.org/2000/svg"'
    label = f"Share of images whose {score} reaches a threshold, band over folds"
    return (
        f'<svg{namespace} viewBox="0 0 {left + width + 16} {bottom}" role="img" '
        f'aria-label="{escape(label)}" font-size="12" font-family="sans-serif">'
        f'<g fill="currentColor">{"".join(parts)}'
        f'<text x="{left + width / 2:.0f}" y="{top + height + 34}" text-anchor="middle">{escape(score)}</text>'
        f'<text transform="translate(12 {top + height / 2:.0f}) rotate(-90)" text-anchor="middle">'
        "images that reach it, %</text></g></svg>"
    )


def _grid(start: float) -> list[str]:
    """Draw lines and numbers of both axes."""
    left, top, width, height = FRAME
    parts = []
    for tick, threshold in zip(np.linspace(0, 1, 6), np.linspace(start, 1, 6), strict=True):
        x, y = left + tick * width, top + (1 - tick) * height
        parts += [
            f'<path d="M{left} {y:.1f}h{width}M{x:.1f} {top}v{height}" stroke="currentColor" stroke-opacity=".15"/>',
            f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end">{100 * tick:.0f}</text>',
            f'<text x="{x:.1f}" y="{top + height + 16}" text-anchor="middle">{threshold:.3g}</text>',
        ]
    return parts
