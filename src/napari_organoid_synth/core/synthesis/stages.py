"""Run several long commands one after the other, as one job with one progress bar."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Started

TOTAL = 1000  # parts of the one progress bar
MIN_SHARE = 0.05
"""Of the whole that must be done before the time of the rest is estimated from it."""


@dataclass(frozen=True)
class Stage:
    """One command of several.

    Parameters
    ----------
    title : str
        Title; also the key of its result.
    share : float
        Estimated share of the whole time; all add up to 1.
    events : callable
        Starts it and returns its events; called when its turn comes.
    """

    title: str
    share: float
    events: Callable[[], Iterator[Event]]


@dataclass(frozen=True)
class Stages:
    """Results and seconds by title, how much of the bar is done, and whether the stages were canceled."""

    results: dict[str, Any]
    seconds: dict[str, float]
    step: int
    canceled: bool


def run_stages(stages: list[Stage], control: Control) -> Generator[Event, None, Stages]:
    """Yield the events of all stages; their Progress is scaled to one bar of 1000 parts, its note names the stage.

    Their own Started and Finished are left out. Ends after a stage that was canceled.
    """
    began = time.monotonic()
    done = 0.0
    results: dict[str, Any] = {}
    seconds: dict[str, float] = {}
    for number, stage in enumerate(stages, start=1):
        note = f"{number} of {len(stages)}: {stage.title}"
        entered = time.monotonic()
        yield Progress(round(TOTAL * done), TOTAL, note=note)
        reason = "completed"
        for event in stage.events():
            match event:
                case Started():
                    continue
                case Finished(reason=reason, result=result):
                    results[stage.title] = result
                case Progress(note=detail):
                    part = done + stage.share * event.share
                    each = (time.monotonic() - began) / part if part > MIN_SHARE else None
                    # what the stage itself expects counts more than its estimated share of the whole
                    rest = 1 - part if event.seconds_left is None else 1 - done - stage.share
                    seconds_left = None if each is None else each * rest + (event.seconds_left or 0.0)
                    full = f"{note}, {detail}" if detail else note
                    yield replace(
                        event, step=round(TOTAL * part), total=TOTAL, part=0.0, seconds_left=seconds_left, note=full
                    )
                case _:
                    yield replace(event, step=round(TOTAL * done))
        seconds[stage.title] = round(time.monotonic() - entered, 1)
        if reason == "canceled" or control.canceled:
            return Stages(results, seconds, round(TOTAL * done), True)
        done += stage.share
    return Stages(results, seconds, TOTAL, False)
