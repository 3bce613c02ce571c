"""Parts of a study: what is done is kept, a study that was stopped goes on, a change repeats only what it touches."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Started
from napari_organoid_synth.core.studies.parts import Part, Results, done_parts, part_path, run_parts
from napari_organoid_synth.core.synthesis.stages import TOTAL, Stage, run_stages


class Works:
    """Parts that add numbers, and a list of those that were done."""

    def __init__(self, first: int = 1, second: int = 10) -> None:
        self.done: list[str] = []
        self.fails, self.stops = "", ""
        self.control = Control()
        self.parts = [
            self._part("first", first),
            self._part("second", second),
            self._part("both", 0, ("first", "second"), share=2),
        ]

    def _part(self, name: str, value: int, needs: tuple[str, ...] = (), share: float = 1) -> Part:
        def work(results: Results, key: str) -> Iterator[Event]:
            yield Started(0)
            yield Progress(0, 2, part=0.8)
            yield Progress(1, 2)
            if self.fails == name:
                raise UserError("The training diverges.", "Expected numbers.", "Lower the rate.")
            if self.stops == name:
                self.control.cancel()
                yield Finished(1, "canceled", {"value": -1})
                return
            self.done.append(name)
            yield Finished(2, "completed", {"value": value + sum(results[one]["value"] for one in needs)})

        return Part(name, f"do {name}", work, {"value": value}, needs, share)

    def run(self, folder):
        self.done.clear()
        self.events, outcome = [], None
        steps = run_parts(folder, self.parts, self.control)
        while outcome is None:
            try:
                self.events.append(next(steps))
            except StopIteration as end:
                outcome = end.value
        return outcome


def test_parts_stand_on_each_other_and_share_one_bar(tmp_path):
    works = Works()
    outcome = works.run(tmp_path)
    assert [outcome.results[name]["value"] for name in ("first", "second", "both")] == [1, 10, 11]
    assert outcome.repeated == ("first", "second", "both")
    assert not outcome.canceled
    bar = [event for event in works.events if isinstance(event, Progress)]
    assert [event.step for event in bar] == [0, 100, 125, 250, 350, 375, 500, 700, 750]
    assert {event.part for event in bar} == {0}
    assert {event.total for event in bar} == {TOTAL}
    assert bar[-1].note == "3 of 3: do both"
    record = json.loads(part_path(tmp_path, "both").read_text())
    assert (record["title"], record["result"]) == ("do both", {"value": 11})
    assert record["seconds"] >= 0
    assert "core" in record["computer"]


def test_what_is_done_is_not_done_again(tmp_path):
    works = Works()
    works.run(tmp_path)
    outcome = works.run(tmp_path)
    assert works.done == []
    assert works.events == []
    assert outcome.results["both"]["value"] == 11


def test_a_study_that_failed_or_was_stopped_goes_on_where_it_was(tmp_path):
    works = Works()
    works.fails = "second"
    with pytest.raises(UserError, match=r"'do second' ended with an error\. The training diverges\. Expected .* Lower"):
        works.run(tmp_path)
    assert works.done == ["first"]
    works.fails, works.stops = "", "both"
    assert works.run(tmp_path).canceled
    assert works.done == ["second"]
    works.stops, works.control = "", Control()
    assert works.run(tmp_path).results["both"]["value"] == 11
    assert works.done == ["both"]


def test_a_change_repeats_only_what_it_touches(tmp_path):
    Works().run(tmp_path)
    changed = Works(second=20)
    assert list(done_parts(tmp_path, changed.parts).records) == ["first"]
    assert changed.run(tmp_path).repeated == ("second", "both")
    assert changed.done == ["second", "both"]


def test_a_damaged_result_is_made_again(tmp_path):
    Works().run(tmp_path)
    part_path(tmp_path, "first").write_text("{")
    works = Works()
    works.run(tmp_path)
    assert works.done == ["first"]


def test_a_stage_that_knows_how_long_it_takes_is_believed():
    """The estimated share of a stage may be far off: a bar at 95 % said '2 min left' for a quarter of an hour."""

    def events(left: float | None) -> Iterator[Event]:
        yield Progress(1, 2, seconds_left=left)
        yield Finished(2, "completed", {})

    def left_in(*lefts: float | None) -> list[float]:
        stages = [Stage(f"stage {left}", 1 / len(lefts), lambda left=left: events(left)) for left in lefts]
        progress = [event for event in run_stages(stages, Control()) if isinstance(event, Progress)]
        return [event.seconds_left for event in progress if event.seconds_left is not None]

    assert left_in(900.0) == [900.0]
    assert left_in(None)[0] < 1  # as long again as the half that is done
    assert 60 <= left_in(60.0, 30.0)[0] < 61  # and for the second stage what the first half took
