"""The quick try on real files: pairs, scores, a first number; and what it says where nothing can be measured."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.results import GainResult
from napari_organoid_synth.core.gain.storage import newest_result
from napari_organoid_synth.core.job import Control, Finished, Progress
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quick_try import TOTAL, compared, quick_try
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.try_settings import TrySettings
from simulated import em_project

SMALL = TrySettings(number=3, steps=4)


def result_of(project: Project, settings: TrySettings = SMALL) -> dict:
    events = list(quick_try(project, settings, Control()))
    bar = [event.step for event in events if isinstance(event, Progress)]
    assert bar == sorted(bar)
    assert bar[-1] <= TOTAL
    assert isinstance(events[-1], Finished)
    return events[-1].result


def test_it_ends_with_samples_and_a_first_number_that_says_what_it_is(tmp_path):
    project = em_project(tmp_path / "p", 3)
    result = result_of(project)
    with SampleStore(project.samples_path) as store:
        assert store.counts()["new"] == result["pairs"] == 3
        assert all("realism" in row.scores for row in store.rows("new"))
    measured = newest_result(project)
    assert measured == GainResult.parse(result["measured"]).replace(folder=measured.folder)
    assert list(measured.arms) == ["raw", "classical", "classical+synthetic"]
    assert len(measured.test) == 1  # a third of three
    before, after = (
        max(measured.arms[arm].dice for arm in ("raw", "classical")),
        measured.arms["classical+synthetic"].dice,
    )
    assert f"is {after:.2f} instead of {before:.2f}" in result["sentence"]
    assert "on 1 image that no network saw" in result["sentence"]
    assert result["caveat"].startswith("A first look: one short training of each, 4 steps.")


def test_images_that_are_put_aside_are_what_is_tested(tmp_path):
    project = em_project(tmp_path / "p", 3)
    from napari_organoid_synth.core.pairs.table import PairTable

    table = PairTable.from_file(project.pairs_path)
    assert compared(table, SMALL, 100).test_share == pytest.approx(1 / 3)
    first, *others = table.entries
    aside = table.replace(entries=(first.replace(split="test"), *others))
    assert compared(aside, SMALL, 100).test_share == 0


def test_one_image_makes_pairs_and_says_that_nothing_is_left_to_measure_on(tmp_path):
    result = result_of(em_project(tmp_path / "p", 1))
    assert (result["pairs"], result["measured"], result["sentence"]) == (3, None, "3 synthetic pairs made.")
    assert "nothing is left to measure on" in result["caveat"]


def test_without_pairs_it_says_what_to_do(tmp_path):
    with pytest.raises(UserError, match="has no pair to learn from"):
        next(quick_try(Project(tmp_path / "p"), SMALL, Control()))


def test_stop_keeps_the_pairs(tmp_path):
    project, control = em_project(tmp_path / "p", 2), Control()
    events = []
    for event in quick_try(project, SMALL, control):
        events.append(event)
        if isinstance(event, Progress) and event.note.startswith("3 of 3"):
            control.cancel()
    assert events[-1].reason == "canceled"
    assert events[-1].result["pairs"] == 3


def test_the_steps_follow_from_the_speed(tmp_path, monkeypatch):
    from napari_organoid_synth.core import quick_try as module

    monkeypatch.setattr(module, "TIMED_STEPS", 2)
    monkeypatch.setattr(module, "LEAST_STEPS", 3)
    project = em_project(tmp_path / "p", 2)
    slow = result_of(project, TrySettings(number=1, minutes=1e-4))
    assert "3 steps" in slow["caveat"]
    monkeypatch.setattr(module, "MOST_STEPS", 4)
    quick = result_of(project, TrySettings(number=1, minutes=600))
    assert "4 steps" in quick["caveat"]
