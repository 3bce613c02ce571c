"""Which pictures a blind test shows, and in which order."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from blind_project import REALS, SIDE, of, pictures, sample, scene
from napari_organoid_synth.core.blind.session import read_session, read_sessions
from napari_organoid_synth.core.blind.settings import BlindSettings
from napari_organoid_synth.core.blind.setup import make_session
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.real_tiles import real_tiles
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore


@pytest.mark.parametrize("way", ["one by one", "in pairs"])
def test_as_many_real_as_synthetic_and_nothing_twice(project: Project, way: Any) -> None:
    session = make_session(project, BlindSettings(way=way, number=8, seed=1))
    assert len(session.questions) == 8
    each = 8 if way == "in pairs" else 4
    for kind in ("real", "synthetic"):
        assert len({picture.place for picture in of(session, kind)}) == each
    assert session.side == SIDE
    truths = [session.truth(number) for number in range(8)]
    assert sorted(truths.count(word) for word in set(truths)) == [4, 4]  # also the sides are balanced
    assert truths != sorted(truths)
    assert truths != sorted(truths, reverse=True)


def test_real_tiles_never_overlap_and_are_those_of_the_generator(project: Project) -> None:
    places = {place.name for place in real_tiles(project, SIDE).places}
    assert len(places) == 9 * REALS  # they overlap by a half here
    for seed in range(5):
        reals = of(make_session(project, BlindSettings(number=24, seed=seed)), "real")
        assert len(reals) == 4 * REALS  # as many as fit
        assert {f"{real.name}_y{real.y}_x{real.x}_r0" for real in reals} <= places
        for one, other in combinations(reals, 2):
            assert one.name != other.name or max(abs(one.y - other.y), abs(one.x - other.x)) >= SIDE


def test_a_seed_repeats_a_test_and_is_drawn_and_kept_otherwise(project: Project) -> None:
    one, same = (make_session(project, BlindSettings(number=8, seed=5, turned=True)) for _ in range(2))
    other, drawn = make_session(project, BlindSettings(number=8, seed=6)), make_session(project, BlindSettings())
    assert one.questions == same.questions
    assert one.path != same.path
    assert [one.truth(n) for n in range(8)] != [other.truth(n) for n in range(8)] or one.questions != other.questions
    assert drawn.settings.seed is not None
    again = make_session(project, drawn.settings)
    assert again.questions == drawn.questions
    assert {picture.turns for picture in pictures(one)} | {picture.flip for picture in pictures(one)} != {0}
    assert {(picture.turns, picture.flip) for picture in pictures(other)} == {(0, False)}


def test_scarcity_is_told(project: Project) -> None:
    session = make_session(project, BlindSettings(number=40))
    assert len(session.questions) == 8 * REALS
    assert session.note == f"There are only {4 * REALS} real tiles that do not overlap."
    with SampleStore(project.samples_path) as store:
        store.decide(store.ids()[:3], "accepted")
    few = make_session(project, BlindSettings(number=40, samples="accepted"))
    assert (len(few.questions), few.note) == (6, "There are only 3 synthetic pairs.")


def test_copies_are_left_out_and_counted(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        ids = store.ids()
        store.rate(ids[0], {"nearest": 1.0}, flagged="copy")
        store.rate(ids[1], {}, flagged="mask")
        store.decide(ids[2:4], "rejected")
    session = make_session(project, BlindSettings(number=40))
    names = {picture.name for picture in of(session, "synthetic")}
    assert not names & {ids[0], *ids[2:4]}
    assert "1 pair flagged as a copy of real images left out." in session.note
    masked = make_session(project, BlindSettings(number=40, samples="all", masks=True))
    assert {picture.name for picture in of(masked, "synthetic")} == set(ids[2:])  # a broken mask would be seen


def test_only_a_run_and_only_a_verdict(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        store.add_many([sample(f"other{n}", *scene(200 + n, SIDE)) for n in range(3)], "run 2")
    session = make_session(project, BlindSettings(run="run 2"))
    assert sorted(picture.name for picture in of(session, "synthetic")) == ["other0", "other1", "other2"]
    with pytest.raises(UserError, match="no accepted synthetic pair"):
        make_session(project, BlindSettings(samples="accepted"))
    with pytest.raises(UserError, match="of run 'run 9'"):
        make_session(project, BlindSettings(run="run 9"))


def test_pictures_of_one_mask_are_avoided(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        for number in range(4):  # on one mask
            store.add(sample(f"twin{number}", *scene(300, SIDE), {"kind": "warped", "digest": "same"}), "twins")
        for number in range(4):
            store.add(
                sample(f"single{number}", *scene(310 + number, SIDE), {"kind": "warped", "digest": f"{number}"}),
                "twins",
            )
    for seed in range(4):
        session = make_session(project, BlindSettings(number=10, run="twins", seed=seed))
        assert sum(picture.name.startswith("twin") for picture in of(session, "synthetic")) == 1
        assert session.note == ""
    session = make_session(project, BlindSettings(number=16, run="twins"))
    assert session.note == "3 synthetic pictures on the mask of another picture of the test."


def test_a_sample_painted_on_a_real_mask_is_not_beside_that_real_tile(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        for tile in real_tiles(project, SIDE).pairs:
            store.add(
                sample(f"on_{tile.name}", tile.image, tile.labels, {"kind": "real", "name": tile.name}), "painted"
            )
    session = make_session(project, BlindSettings(number=6, run="painted", seed=0))
    reals = [(real.name, real.y, real.x) for real in of(session, "real")]
    for made in of(session, "synthetic"):
        name, y, x = made.name.removeprefix("on_").split("_")[:3]
        assert not any(
            name == other and abs(int(y[1:]) - oy) < SIDE and abs(int(x[1:]) - ox) < SIDE for other, oy, ox in reals
        )
    assert session.note == ""


def test_without_samples_or_masks_the_error_says_what_to_do(tmp_path: Path) -> None:
    project = Project(tmp_path / "bare")
    with pytest.raises(UserError, match="no synthetic pairs yet"):
        make_session(project, BlindSettings())
    assert read_sessions(project) == []


def test_the_same_pictures_for_another_observer(project: Project) -> None:
    for way in ("one by one", "in pairs"):
        first = make_session(project, BlindSettings(way=way, number=12, observer="Anna", turned=True, seed=1))
        second = make_session(project, BlindSettings(observer="Ben", seed=2), like=first)
        assert set(pictures(first)) == set(pictures(second))
        assert [{*question} for question in first.questions] != [{*question} for question in second.questions]
        assert {frozenset(question) for question in first.questions} == {frozenset(one) for one in second.questions}
        assert (second.settings.way, second.settings.observer, second.settings.turned) == (way, "Ben", True)
        assert read_session(second.path) == second
