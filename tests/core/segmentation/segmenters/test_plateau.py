"""The rule that ends a training, on drawn courses of a score."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from napari_organoid_synth.core.segmentation.segmenters.curve import Curve
from napari_organoid_synth.core.segmentation.segmenters.plateau import (
    FLAT,
    FLOOR,
    LOOK,
    Plateau,
    decay_after,
    decay_before,
    patience,
)


def trained(score: Callable[[int], float], cap: int = 15_000, floor: int = FLOOR) -> tuple[Plateau, Curve]:
    """Take all steps of a training whose score after t steps is ``score(t)``."""
    course, done = Plateau(cap, floor), 0
    while done < course.end:
        done += 1
        if course.due(done):
            course.look(done, score(done))
    return course, course.curve(done)


def test_a_score_that_stands_from_900_steps_on_ends_at_the_floor():
    course, curve = trained(lambda done: min(done, 900) / 1000)
    assert course.stands_since == 1100  # the mean of three looks rises until the third at the top
    assert curve.at_plateau
    assert course.decay_from == 1600  # the first look with 450 steps or more without a rise
    assert curve.taken == 1600 + 320
    assert (curve.best, curve.rise, curve.wanted) == (0.9, 0.0, 0)
    assert curve.steps == (*range(100, 1901, 100), 1920)


def test_a_score_that_rises_slowly_is_followed_for_as_long():
    """0.6 at 4000 steps, then nothing: a tolerance of 0.003 is passed every two looks."""
    _, curve = trained(lambda done: 0.6 * min(done, 4000) / 4000)
    assert curve.at_plateau
    assert 4000 + 0.3 * 4000 < curve.taken / 1.2 < 1.6 * 4000


@pytest.mark.parametrize("begin", [1200, 2500, 4000])
def test_a_score_that_rises_late_after_a_flat_phase_is_waited_for(begin):
    _, curve = trained(lambda done: min(0.8, max(0, done - begin) / 2000))
    assert curve.at_plateau
    assert curve.best == 0.8


def test_a_score_that_never_rises_stands_after_three_floors():
    course, curve = trained(lambda done: 0.25)
    assert curve.at_plateau
    assert course.decay_from == FLAT * FLOOR


@pytest.mark.parametrize("seed", range(5))
def test_noise_on_a_plateau_does_not_keep_it_going(seed):
    """A deviation of 0.005 from look to look; without an end of the rises chance would find ever higher ones."""
    noise = np.random.default_rng(seed).normal(0, 0.005, 500)
    _, curve = trained(lambda done: 0.8 * (1 - np.exp(-done / 300)) + noise[done // LOOK])
    assert curve.at_plateau
    assert curve.taken < 6000


def test_a_falling_score_ends_too():
    _, curve = trained(lambda done: 0.9 - abs(done - 800) / 20_000)
    assert curve.at_plateau
    assert curve.taken == 1500 + 300


def test_the_cap_ends_a_score_that_still_rises_and_a_guess_is_made():
    course, curve = trained(lambda done: done / 10_000, cap=3000)
    assert not curve.at_plateau
    assert curve.taken == 3000
    assert course.decay_from == 2500
    assert curve.rise == pytest.approx(0.08)  # over 800 steps: the patience of 750 ends between looks
    assert curve.wanted == pytest.approx(5 * 2500 / 0.7 * 1.2, abs=LOOK)  # five times as long at most, and the rest


def test_the_guess_is_right_for_a_score_whose_gap_halves_when_steps_double():
    def score(done: int) -> float:
        return 0.9 - 30 / (done + 50)

    _, short = trained(score, cap=2000)
    _, long = trained(score, cap=50_000)
    assert not short.at_plateau
    assert long.at_plateau
    assert short.wanted == pytest.approx(long.taken, rel=0.25)
    assert trained(score, cap=2 * short.wanted)[1].at_plateau


def test_a_score_that_had_almost_stood_wants_little_more():
    _, curve = trained(lambda done: min(done, 1500) / 2000, cap=2400)
    assert not curve.at_plateau
    assert curve.wanted == 3000  # stands since 1700; 0.3 of the steps are over at 2429; the decay takes 485


@pytest.mark.parametrize(("cap", "floor"), [(1500, 1500), (400, 1500), (40, 1500), (3, 0)])
def test_a_cap_at_or_below_the_floor_is_taken_exactly(cap, floor):
    course, curve = trained(lambda done: 0.5, cap=cap, floor=floor)
    assert curve.taken == cap
    assert not curve.at_plateau
    assert curve.wanted > cap
    assert curve.steps[-1] == cap
    assert course.decay_from == cap - decay_before(cap)


def test_without_held_back_parts_there_is_no_look_and_nothing_is_claimed():
    course = Plateau(5000, watched=False)
    assert not any(course.due(done) for done in range(1, 5001))
    assert course.curve(5000) == Curve(taken=5000)
    assert not course.curve(5000).watched


def test_the_rate_is_constant_and_then_falls_evenly():
    course = Plateau(1200, watched=False)
    rates = [course.rate(step) for step in range(1200)]
    assert rates[:1000] == [1.0] * 1000
    assert np.allclose(np.diff(rates[999:]), -1 / 201)
    assert rates[-1] == pytest.approx(1 / 201)
    assert [Plateau(3, watched=False).rate(step) for step in range(3)] == [1, 1, 1]


def test_a_decay_before_a_cap_is_that_after_the_same_steps():
    for cap in (1200, 1800, 6000, 15_000):
        assert decay_after(cap - decay_before(cap)) == pytest.approx(decay_before(cap), abs=1)
    assert (patience(1000), patience(4000)) == (400, 1200)


def test_a_course_goes_on_from_its_state():
    def score(done: int) -> float:
        return min(done, 1200) / 2000

    _, through = trained(score)
    for stop in (700, 1650, 1900):
        first, done = Plateau(15_000), 0
        while done < stop:
            done += 1
            if first.due(done):
                first.look(done, score(done))
        second = Plateau(15_000)
        second.load_state_dict(first.state_dict())
        while done < second.end:
            done += 1
            if second.due(done):
                second.look(done, score(done))
        assert second.curve(done) == through
