"""Do the same with several things in as many threads as may compute; numpy and compiled loops let each other run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from napari_organoid_synth.core.computer import threads_for

Given = TypeVar("Given")
Made = TypeVar("Made")


def side_by_side(make: Callable[[Given], Made], given: Iterable[Given]) -> list[Made]:
    """Return ``make`` of each, in their order.

    Examples
    --------
    >>> side_by_side(abs, [-2, 1])
    [2, 1]
    """
    each = list(given)
    threads = min(threads_for(), len(each))
    if threads < 2:
        return [make(one) for one in each]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(make, each))
