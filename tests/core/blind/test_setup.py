"""A blind test without a window: which pictures, how they look, what is kept, what becomes of the answers."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_organoid_synth.core.blind.session import Answer
from napari_organoid_synth.core.blind.setup import (
    OUTLINE,
    BlindSettings,
    Picture,
    Pictures,
    Session,
    agreement,
    keep_answer,
    make_session,
    overview,
    pooled,
    read_session,
    read_sessions,
    report_words,
    to_csv,
    together_words,
    verdicts_on,
    write_scores,
)
from napari_organoid_synth.core.blind.statistics import FAST, Rate
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.base import intensity_limits
from napari_organoid_synth.core.metrics.real_tiles import real_tiles
from napari_organoid_synth.core.pairs.loading import add_pair, load_pairs
from napari_organoid_synth.core.pairs.pair import RGB, SamplePair, Source
from napari_organoid_synth.core.pairs.pictures import outline
from napari_organoid_synth.core.pairs.tiling import clean_instances
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.query import parse
from napari_organoid_synth.core.samples.store import SampleStore

SIDE, REALS, SYNTHETICS = 64, 3, 14


def scene(seed: int, size: int, channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Bright discs on grain: image (C, Y, X) uint16 and instance labels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size]
    labels = np.zeros((size, size), np.int32)
    for number, (row, column) in enumerate(np.ndindex(size // 16, size // 16)):
        labels[(y - 16 * row - 8) ** 2 + (x - 16 * column - 8) ** 2 < rng.integers(16, 40)] = number + 1
    grain = gaussian_filter(rng.normal(size=(channels, size, size)), (0, 1, 1))
    return (2000 + 1500 * (labels > 0) + 900 * grain).astype(np.uint16), labels


def sample(name: str, image: np.ndarray, labels: np.ndarray, mask: dict[str, str] | None = None) -> SamplePair:
    source = Source("synthetic", provenance={"mask": mask or {}})
    return SamplePair(name, image, labels, "instances", ("cell",), source=source)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path / "project")
    for seed in range(REALS):
        image, labels = scene(seed, 2 * SIDE)
        add_pair(project, SamplePair(f"real{seed}", image, labels, class_names=("cell",)), "instances")
    with SampleStore(project.samples_path) as store:
        store.add_many([sample(f"made{n}", *scene(100 + n, SIDE)) for n in range(SYNTHETICS)], "run 1")
    return project


def answered(session: Session, choose: Any, seconds: float = 1.0) -> Session:
    """Answer all open questions with ``choose(question)``."""
    for number in session.left:
        session = keep_answer(session, Answer(number, choose(number), seconds, 1000.0 + number))
    return session


def pictures(session: Session) -> list[Picture]:
    return [picture for question in session.questions for picture in question]


def of(session: Session, kind: str) -> list[Picture]:
    return [picture for picture in pictures(session) if picture.kind == kind]


# ------------------------------------------------------------------------------------------------- choosing pictures


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
    assert "1 flagged as copies of real images are left out." in session.note
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
    assert session.note == "3 synthetic pictures show the mask of another picture of the test."


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


# ------------------------------------------------------------------------------------------------------ how they look


def test_real_and_synthetic_look_alike_to_the_last_pixel(project: Project) -> None:
    """Real tiles among the samples are drawn exactly as they are drawn as real ones."""
    tiles = real_tiles(project, SIDE).pairs
    with SampleStore(project.samples_path) as store:
        ids = store.add_many([sample(tile.name, tile.image, tile.labels) for tile in tiles], "stolen")
    for settings in (BlindSettings(), BlindSettings(masks=True)):
        session = make_session(project, settings)
        shown = Pictures(project, session)
        for tile, id in list(zip(tiles, ids, strict=True))[::5]:
            name, y, x, _ = tile.name.split("_")
            real, made = Picture("real", name, int(y[1:]), int(x[1:]), 3, True), Picture("synthetic", id, 0, 0, 3, True)
            np.testing.assert_array_equal(shown.draw(real), shown.draw(made))


def test_contrast_is_that_of_the_real_images_for_all(project: Project) -> None:
    tiles = real_tiles(project, SIDE).pairs
    low, high = intensity_limits(tiles)[0]
    image, labels = scene(7, SIDE)
    with SampleStore(project.samples_path) as store:
        (dim,) = store.add_many([sample("dim", (image // 2).astype(np.uint16), labels)], "dim")
    session = make_session(project, BlindSettings())
    assert session.limits == ((low, high),)
    shown = Pictures(project, session).draw(Picture("synthetic", dim))
    expected = np.rint(255 * np.clip((image[0] // 2 - low) / (high - low), 0, 1))
    assert np.abs(shown[..., 0] - expected).max() <= 1
    assert (shown == shown[..., :1]).all()
    whole = load_pairs(project)[1].image[0, SIDE:, :SIDE]
    real = Pictures(project, session).draw(Picture("real", "real1", SIDE, 0))
    assert np.abs(real[..., 0] - np.rint(255 * np.clip((whole - low) / (high - low), 0, 1))).max() <= 1


def test_larger_samples_are_cut_to_the_side_and_smaller_ones_left_out(project: Project) -> None:
    image, labels = scene(50, SIDE + 20)
    with SampleStore(project.samples_path) as store:
        store.add_many([sample("large", image, labels), sample("small", *scene(51, SIDE - 16))], "sizes")
    found = {}
    for seed in range(20):
        session = make_session(project, BlindSettings(seed=seed, number=24))
        found |= {picture.name: (session, picture) for picture in of(session, "synthetic")}
        if "large" in found:
            break
    session, picture = found["large"]
    assert "small" not in found
    assert 0 < picture.y + picture.x <= 40
    pair = Pictures(project, session).pair(picture)
    box = slice(picture.y, picture.y + SIDE), slice(picture.x, picture.x + SIDE)
    np.testing.assert_array_equal(pair.image[0], image[0][box])
    np.testing.assert_array_equal(pair.labels, clean_instances(labels[box]))


def test_outlines_have_one_colour_and_pictures_turn_with_them(project: Project) -> None:
    session = make_session(project, BlindSettings(masks=True, number=4))
    shown = Pictures(project, session)
    picture = of(session, "real")[0]
    lines = outline(shown.pair(picture).labels)
    drawn = shown.draw(picture)
    assert lines.any()
    np.testing.assert_array_equal((drawn == OUTLINE).all(axis=-1), lines)
    turned = shown.draw(Picture("real", picture.name, picture.y, picture.x, 1, True))
    np.testing.assert_array_equal(turned, np.rot90(drawn[:, ::-1], 1))


@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_and_more_channels(tmp_path: Path, channels: int) -> None:
    project = Project(tmp_path / "colour")
    names = RGB if channels == 3 else ()
    for seed in range(2):
        image, labels = scene(seed, 2 * SIDE, channels)
        image[0] = 2 * (image[0] // 3)
        add_pair(
            project, SamplePair(f"real{seed}", image, labels, class_names=("cell",), channel_names=names), "instances"
        )
    with SampleStore(project.samples_path) as store:
        store.add(sample("made", *scene(9, SIDE, channels)).replace(channel_names=names))
    session = make_session(project, BlindSettings(number=2))
    assert len(session.limits) == channels
    assert len(set(session.limits)) == (1 if channels == 3 else channels)
    drawn = Pictures(project, session).draw(of(session, "real")[0])
    assert (drawn.shape, drawn.dtype) == ((SIDE, SIDE, 3), np.uint8)
    if channels == 3:
        assert drawn[..., 0].mean() < drawn[..., 1].mean()  # the same stretch for all: red stays darker


def test_what_is_gone_is_said(project: Project) -> None:
    session = make_session(project, BlindSettings(number=4))
    shown = Pictures(project, session)
    with pytest.raises(UserError, match="'gone' of this test is not in the table"):
        shown.draw(Picture("real", "gone"))
    with pytest.raises(UserError, match="no sample 'gone'"):
        shown.draw(Picture("synthetic", "gone"))


# ------------------------------------------------------------------------------------------------------------- files


def test_every_answer_is_a_line_and_all_comes_back(project: Project) -> None:
    session = make_session(project, BlindSettings(number=6, observer="Anna", seconds=3, seed=2))
    assert session.path.parent == project.path / "blind"
    for number in (4, 0):
        session = keep_answer(session, Answer(number, "real", 0.15 if number else 2.5, 12.5, 1))
        assert read_session(session.path) == session
    lines = [json.loads(line) for line in session.path.read_text().splitlines()]
    assert [line["fast"] for line in lines[1:]] == [True, False]
    assert lines[0]["settings"]["seed"] == 2
    assert lines[0]["questions"][0][0]["kind"] == session.truth(0)
    assert session.left == [1, 2, 3, 5]
    assert read_sessions(project) == [session]
    assert session.title.endswith(", Anna, 2 of 6")


def test_a_line_cut_short_is_ignored_and_the_test_goes_on(project: Project) -> None:
    session = make_session(project, BlindSettings(number=6))
    session = keep_answer(keep_answer(session, Answer(0, "real", 1.0)), Answer(1, "real", 1.0))
    whole = session.path.read_bytes()
    for cut in (1, 5, 40):  # the newline alone, the end, the most of the last line
        session.path.write_bytes(whole[:-cut])
        found = read_session(session.path)
        kept = 2 if cut == 1 else 1
        assert len(found.answers) == kept
        went_on = keep_answer(found, Answer(5, "synthetic", 1.0))
        assert read_session(session.path) == went_on
        assert len(went_on.answers) == kept + 1


def test_strange_lines_and_second_answers_do_not_count(project: Project) -> None:
    session = keep_answer(make_session(project, BlindSettings(number=4)), Answer(1, "real", 1.0))
    with session.path.open("a") as stream:
        for line in ('{"question": 99, "choice": "real", "seconds": 1, "time": 0, "pauses": 0}', "[]", "nonsense"):
            stream.write(line + "\n")
        stream.write('{"question": 2, "choice": "left", "seconds": 1, "time": 0, "pauses": 0}\n')
        stream.write('{"question": 1, "choice": "synthetic", "seconds": 1, "time": 0, "pauses": 0}\n')
    assert read_session(session.path) == session


def test_a_damaged_file_does_not_hide_the_others(project: Project) -> None:
    session = make_session(project, BlindSettings(number=4))
    (session.path.parent / "broken.jsonl").write_text("{")
    newer = json.loads(session.path.read_text()) | {"format": 99}
    (session.path.parent / "newer.jsonl").write_text(json.dumps(newer) + "\n")
    with pytest.raises(UserError, match="newer version"):
        read_session(session.path.parent / "newer.jsonl")
    assert read_sessions(project) == [session]


def test_an_answer_that_cannot_be_written_is_told(project: Project) -> None:
    session = make_session(project, BlindSettings(number=4))
    session.path.unlink()
    with pytest.raises(UserError, match="cannot be written"):
        keep_answer(session, Answer(0, "real", 1.0))
    assert not session.path.exists()


KILLED = """
import os, sys
from pathlib import Path
from napari_organoid_synth.core.blind.session import Answer, keep_answer, read_session
session = read_session(Path(sys.argv[1]))
for number in range(3):
    session = keep_answer(session, Answer(number, "real", 1.0))
os.kill(os.getpid(), 9)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_a_killed_process_loses_nothing(project: Project) -> None:
    session = make_session(project, BlindSettings(number=4))
    done = subprocess.run([sys.executable, "-c", KILLED, str(session.path)], check=False)
    assert done.returncode == -9
    assert [one.question for one in read_session(session.path).answers] == [0, 1, 2]


# ----------------------------------------------------------------------------------------------------------- observers


def test_who_knows_makes_no_error_and_who_guesses_cannot_tell(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        store.add_many([sample(f"more{n}", *scene(400 + n, SIDE)) for n in range(90)], "run 2")
    for seed in range(6):
        image, labels = scene(60 + seed, 6 * SIDE)
        add_pair(project, SamplePair(f"wide{seed}", image, labels, class_names=("cell",)), "instances")
    session = make_session(project, BlindSettings(number=200, seed=0))
    assert len(session.questions) == 200
    guess = np.random.default_rng(0).choice(["real", "synthetic"], 200).tolist()
    knows = replace(session, answers=tuple(Answer(n, session.truth(n), 1.0) for n in range(200)))
    assert knows.result().wrong == Rate(0, 200)
    guesses = replace(session, answers=tuple(Answer(n, guess[n], 1.0) for n in range(200)))
    low, high = guesses.result().wrong.interval
    assert low < 0.5 < high


def test_a_nearest_neighbour_recognises_blurred_samples(project: Project) -> None:
    """The observer sees what is shown, nothing else: the mean step between neighbouring pixels."""
    with SampleStore(project.samples_path) as store:
        for number in range(12):
            image, labels = scene(500 + number, SIDE)
            store.add(sample(f"soft{number}", gaussian_filter(image, (0, 2, 2)), labels), "soft")
    session = make_session(project, BlindSettings(number=24, run="soft", seed=3))
    shown = Pictures(project, session)
    seen = [float(np.abs(np.diff(shown.question(n)[0][..., 0].astype(float))).mean()) for n in range(24)]

    def nearest(number: int) -> str:
        others = [other for other in range(24) if other != number]
        return session.truth(min(others, key=lambda other: abs(seen[other] - seen[number])))

    assert answered(session, nearest).result().wrong == Rate(0, 24)


# -------------------------------------------------------------------------------------------------- scores and results


def test_answers_become_scores_that_the_query_finds(project: Project) -> None:
    first = make_session(project, BlindSettings(number=8, seed=1))
    fooling = {picture.name for picture in of(first, "synthetic")[:2]}

    def fooled(session: Session, number: int) -> str:
        return "real" if session.questions[number][0].name in fooling else session.truth(number)

    answered(first, lambda number: fooled(first, number), 2.0)
    second = make_session(project, BlindSettings(seed=2), like=first)
    answered(second, second.truth, 4.0)
    third = make_session(project, BlindSettings(seed=3), like=first)
    answered(third, lambda number: fooled(third, number), 6.0)
    practice = make_session(project, BlindSettings(practice=True), like=first)
    answered(practice, practice.truth)
    assert write_scores(project) == 4
    with SampleStore(project.samples_path) as store:
        rows = {row.id: row for row in store.rows() if "blind_real" in row.scores}
        assert rows.keys() == {picture.name for picture in of(first, "synthetic")}
        for id, row in rows.items():
            assert row.scores["blind_real"] == pytest.approx(2 / 3 if id in fooling else 0)
            assert row.scores["blind_seconds"] == 4.0
        found = store.listing(condition=parse("blind_real > 0.5 and blind_seconds < 5", store.metrics()))
        assert {id for id, _, fits in found if fits} == fooling
        assert set(store.ids(sort="blind_real", descending=True)[:2]) == fooling


def test_in_pairs_the_chosen_one_was_taken_for_real(project: Project) -> None:
    session = make_session(project, BlindSettings(way="in pairs", number=6, seed=4))
    session = answered(session, lambda _: "left")
    write_scores(project)
    with SampleStore(project.samples_path) as store:
        scores = {row.id: row.scores["blind_real"] for row in store.rows() if "blind_real" in row.scores}
    for left, right in session.questions:
        synthetic = left if left.kind == "synthetic" else right
        assert scores[synthetic.name] == float(synthetic is left)
    assert session.result().wrong == Rate(3, 6)
    assert session.result().bias < 0  # towards the left
    assert session.result().d_prime == pytest.approx(0)


def test_only_practice_gives_no_scores_and_is_kept_apart(project: Project) -> None:
    session = make_session(project, BlindSettings(number=6, practice=True))
    session = answered(session, session.truth)
    assert write_scores(project) == 0
    assert pooled([session], "one by one") is None
    assert together_words([session]) == []
    assert "Practice, with the solution after each answer: it is not counted." in report_words(session)
    assert "practice" in session.title


def test_most_and_least_convincing(project: Project) -> None:
    session = make_session(project, BlindSettings(number=6, seed=1))
    made, real = of(session, "synthetic"), of(session, "real")
    time_of = {made[0]: 3.0, made[1]: 1.0, made[2]: 2.0, real[0]: 1.0, real[1]: 1.0, real[2]: 1.0}
    taken = {made[0], made[1], real[0], real[1]}
    for number, (picture,) in enumerate(session.questions):
        choice = "real" if picture in taken else "synthetic"
        session = keep_answer(session, Answer(number, choice, time_of[picture]))
    listed = verdicts_on([session], "synthetic")
    assert [(picture, rate.share, seconds) for picture, rate, seconds in listed] == [
        (made[1], 1.0, 1.0),
        (made[0], 1.0, 3.0),
        (made[2], 0.0, 2.0),
    ]
    assert [picture for picture, rate, _ in verdicts_on([session], "real") if rate.share < 0.5] == [real[2]]


def test_several_observers_are_pooled_and_compared(project: Project) -> None:
    anna = make_session(project, BlindSettings(number=12, observer="Anna", seed=1))
    anna = answered(anna, anna.truth)
    assert agreement([anna]) is None
    ben = make_session(project, BlindSettings(observer="Ben", seed=2), like=anna)
    wrong = {picture.place for picture in pictures(anna)[:3]}
    flip = {"real": "synthetic", "synthetic": "real"}
    ben = answered(ben, lambda n: flip[ben.truth(n)] if ben.questions[n][0].place in wrong else ben.truth(n))
    together = pooled([anna, ben], "one by one")
    assert together is not None
    assert together.wrong == Rate(3, 24)
    agreed = agreement([anna, ben])
    assert agreed is not None
    says = [[picture.kind == "real" for picture in pictures(anna)]]
    says.append([real != (picture.place in wrong) for picture, real in zip(pictures(anna), says[0], strict=True)])
    p, q = np.mean(says, axis=1)
    chance = p * q + (1 - p) * (1 - q)
    assert (agreed.tests, agreed.shared) == (2, 12)
    assert agreed.kappa == pytest.approx((9 / 12 - chance) / (1 - chance))
    eve = make_session(project, BlindSettings(observer="Eve", seed=3), like=anna)
    eve = answered(eve, eve.truth)
    three = agreement([anna, ben, eve])
    assert three is not None
    assert three.tests == 3
    assert three.kappa is not None
    assert agreed.kappa < three.kappa < 1
    lines = together_words([anna, ben])
    assert lines[0] == f"2 tests one by one (Anna, Ben): {Rate(3, 24)} wrong together."
    assert "Cohen's kappa 0." in lines[-1]
    assert overview(project)["together"]["one by one"]["wrong"]["count"] == 3
    assert [test["observer"] for test in overview(project)["tests"]] == ["Eve", "Ben", "Anna"]


def test_pairs_shown_in_other_places_are_the_same_items(project: Project) -> None:
    one = make_session(project, BlindSettings(way="in pairs", number=8, seed=1))
    other = make_session(project, BlindSettings(seed=2), like=one)
    agreed = agreement([answered(one, one.truth), answered(other, other.truth)])
    assert agreed is not None
    assert (agreed.shared, agreed.kappa) == (8, pytest.approx(1))


def test_the_table_has_a_line_for_each_answer(project: Project) -> None:
    one = answered(make_session(project, BlindSettings(number=4, observer="Ä, B", seed=1)), lambda _: "real", FAST / 2)
    two = answered(make_session(project, BlindSettings(way="in pairs", number=2, seed=1)), lambda _: "left")
    rows = list(csv.DictReader(io.StringIO(to_csv([one, two]))))
    assert len(rows) == 6
    assert [row["correct"] for row in rows[:4]] == [str(int(one.truth(n) == "real")) for n in range(4)]
    assert {(row["observer"], row["fast"], row["right"]) for row in rows[:4]} == {("Ä, B", "1", "")}
    assert all(row["left"] and row["right"] for row in rows[4:])
    for row, (left, _) in zip(rows[4:], two.questions, strict=True):
        assert (row["truth"] == "left") == (left.kind == "real")


def test_results_on_the_command_line(project: Project, tmp_path: Path) -> None:
    def run(*more: str) -> str:
        command = [sys.executable, "-m", "napari_organoid_synth", "blind", str(project.path), *more]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    session = answered(make_session(project, BlindSettings(number=8, observer="Anna")), lambda _: "real")
    file = tmp_path / "answers.csv"
    assert "Anna recognised 4 of 8 (50 %" in run("--csv", str(file))
    assert len(file.read_text().splitlines()) == 9
    found = json.loads(run("--json"))
    assert found["tests"][0]["id"] == session.id
    assert found["tests"][0]["result"]["fooled"]["share"] == 1
