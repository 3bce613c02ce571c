"""When a training ends: the rule of the plateau, for all segmenters; plain numbers, without torch.

The learning rate is constant. Every `LOOK` steps the averaged weights are scored on the held-back parts. When, after a
floor, the score has not risen for a patience that grows with the steps taken, the rate decays to 0 and the training
ends. A cap ends it in any case; the decay then begins early enough.
"""

from __future__ import annotations

import math
from typing import Any

from napari_organoid_synth.core.segmentation.segmenters.curve import Curve

FLOOR = 1500
"""Steps before which no training ends by the rule."""
LOOK = 100
"""Steps between two looks at the held-back score."""
SMOOTH = 3
"""Looks whose mean is compared."""
TOLERANCE = 0.003
"""A smaller rise is none."""
PATIENCE, PATIENCE_SHARE = 400, 0.3
"""Steps without a rise: so many at least, and this share of the steps taken."""
DECAY, DECAY_SHARE = 200, 0.2
"""Steps of the decay: so many at least, and this share of the steps taken before."""
FLAT = 3
"""A score that has never risen counts as standing still only after so many floors."""
LONGEST = 5
"""A guess of the last rise is at most so many times the steps taken."""


class Plateau:
    """Course of one training: its learning rate, its looks, its end.

    Parameters
    ----------
    cap : int
        Most steps.
    floor : int
        Steps before which the rule does not end the training; with ``cap`` ≤ ``floor`` it takes ``cap`` steps.
    watched : bool
        Whether there are looks; otherwise it takes ``cap`` steps.

    Attributes
    ----------
    end : int
        Step at which the training ends, as known so far.
    reached : bool
        Whether the score stood still.

    Examples
    --------
    >>> course = Plateau(cap=9000, floor=1500, watched=True)
    >>> done = 0
    >>> while done < course.end:
    ...     done += 1
    ...     if course.due(done):
    ...         course.look(done, 1 - 0.5 ** (done / 100))
    >>> course.reached, course.stands_since, done  # the mean of three looks is 0.995 at 1100 steps
    (True, 1100, 1920)
    """

    def __init__(self, cap: int, floor: int = FLOOR, watched: bool = True) -> None:
        self.cap, self.floor, self.watched = cap, floor, watched
        self.end, self.decay_from = cap, cap - decay_before(cap)
        self.reached = False
        self._steps: list[int] = []
        self._scores: list[float] = []

    def rate(self, step: int) -> float:
        """Return the share of the learning rate at a step, counted from 0: 1, in the decay falling evenly."""
        return min(1.0, (self.end - step) / (self.end - self.decay_from + 1))

    def due(self, done: int) -> bool:
        """Return whether the score is looked at after so many steps."""
        return self.watched and (done % LOOK == 0 or done == self.end)

    def look(self, done: int, score: float) -> None:
        """Take in the score after ``done`` steps, and begin the decay if it has stood still for long enough."""
        self._steps.append(done)
        self._scores.append(score)
        if self.floor < self.cap and self.floor <= done < self.decay_from and self._stands(done):
            self.reached = True
            self.decay_from, self.end = done, done + decay_after(done)

    @property
    def stands_since(self) -> int:
        """Step of the last look before the decay at which the score had risen."""
        return self._last_rise()[0]

    def _stands(self, done: int) -> bool:
        since, risen = self._last_rise()
        return done - since >= patience(done) and (risen or done >= FLAT * self.floor)

    def _last_rise(self) -> tuple[int, bool]:
        """Return the step of the last rise, 0 at first, and whether there was one after the first look."""
        since, high, risen = 0, -1.0, False
        for step, score in zip(self._steps, smoothed(self._scores), strict=True):
            if step > self.decay_from:
                break
            if score > high + TOLERANCE:
                risen = high >= 0
                since, high = step, score
        return since, risen

    def curve(self, taken: int) -> Curve:
        """Return what there is to know about the training after ``taken`` steps."""
        if not self._steps:
            return Curve(taken=taken)
        return Curve(
            steps=tuple(self._steps),
            scores=tuple(self._scores),
            taken=taken,
            at_plateau=self.reached,
            best=self._scores[-1],
            rise=0.0 if self.reached else self._rise(),
            wanted=0 if self.reached else self._wanted(taken),
        )

    def _level(self, step: float) -> float:
        """Return the smoothed score at the last look up to a step, or at the first."""
        looks = zip(self._steps, smoothed(self._scores), strict=True)
        return ([score for at, score in looks if at <= step] or self._scores[:1])[-1]

    def _rise(self) -> float:
        """Compute the rise over the patience that ends where the decay begins."""
        last = self._last_look()
        return max(0.0, self._level(last) - self._level(last - patience(last)))

    def _last_look(self) -> int:
        """Return the step of the last look before the decay."""
        return max([at for at in self._steps if at <= self.decay_from] or self._steps[:1])

    def _wanted(self, taken: int) -> int:
        """Guess the cap that is needed: the rise goes on to shrink as it does now, over equal shares of the steps."""
        last, (since, risen) = self._last_look(), self._last_rise()
        quiet: float = since  # step of the last rise
        now, half = self._level(last), last - patience(last) / 2
        if now - self._level(half) > TOLERANCE:
            share = max(0.5, 1 - patience(last) / last)
            before, then = self._level(share**2 * last), self._level(share * last)
            shrinks = min(max((now - then) / max(then - before, TOLERANCE), 0.2), 0.8)
            times = math.log(TOLERANCE / max(now - then, TOLERANCE)) / math.log(shrinks)
            quiet = last * min(share**-times, LONGEST)
        stands = max(quiet + PATIENCE, quiet / (1 - PATIENCE_SHARE), self.floor if risen else FLAT * self.floor)
        wanted = max(stands + decay_after(int(stands)), taken + LOOK)
        return LOOK * math.ceil(wanted / LOOK)

    def state_dict(self) -> dict[str, Any]:
        """Return what changes from step to step."""
        return {
            "steps": self._steps,
            "scores": self._scores,
            "end": self.end,
            "decay_from": self.decay_from,
            "reached": self.reached,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self._steps, self._scores = list(state["steps"]), list(state["scores"])
        self.end, self.decay_from, self.reached = state["end"], state["decay_from"], state["reached"]


def patience(done: int) -> int:
    """Return the steps without a rise after which a score stands still, when ``done`` steps are taken."""
    return max(PATIENCE, int(PATIENCE_SHARE * done))


def decay_after(done: int) -> int:
    """Return the steps of a decay that begins after ``done`` steps."""
    return max(DECAY, int(DECAY_SHARE * done))


def decay_before(end: int) -> int:
    """Return the steps of the decay of a training of ``end`` steps; at most a quarter of a short one.

    Examples
    --------
    >>> [decay_before(steps) for steps in (3, 40, 400, 1200, 6000)]
    [0, 10, 100, 200, 1000]
    """
    return max(int(end * DECAY_SHARE / (1 + DECAY_SHARE)), min(DECAY, end // 4))


def smoothed(scores: list[float]) -> list[float]:
    """Return the mean of each score and the two before it.

    Examples
    --------
    >>> smoothed([0.0, 0.5, 1.0, 1.0])
    [0.0, 0.25, 0.5, 0.8333333333333334]
    """
    return [sum(part := scores[max(0, last - SMOOTH) : last]) / len(part) for last in range(1, len(scores) + 1)]
