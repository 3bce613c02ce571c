"""What becomes of the answers: statistics, scores, agreement, sentences, tables."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from blind_project import SIDE, answered, of, pictures, sample, scene
from napari_organoid_synth.core.blind.overview import overview
from napari_organoid_synth.core.blind.pictures import Pictures
from napari_organoid_synth.core.blind.results import agreement, judgements, pooled, to_csv, write_scores
from napari_organoid_synth.core.blind.sentences import pooled_sentences, session_sentences
from napari_organoid_synth.core.blind.session import Answer, Session, keep_answer
from napari_organoid_synth.core.blind.settings import BlindSettings
from napari_organoid_synth.core.blind.setup import make_session
from napari_organoid_synth.core.blind.statistics import FAST, Rate
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.query import parse
from napari_organoid_synth.core.samples.store import SampleStore


def test_who_knows_makes_no_error_and_who_guesses_cannot_tell(project: Project) -> None:
    with SampleStore(project.samples_path) as store:
        store.add_many([sample(f"more{n}", *scene(400 + n, SIDE)) for n in range(90)], "run 2")
    for seed in range(6):
        image, labels = scene(60 + seed, 6 * SIDE)
        add_pair(project, SamplePair(f"wide{seed}", image, labels, class_names=("cell",)), "instances")
    session = make_session(project, BlindSettings(number=200, seed=0))
    assert len(session.questions) == 200
    guess = np.random.default_rng(0).choice(["real", "synthetic"], 200).tolist()
    knows = session.model_copy(update={"answers": tuple(Answer(n, session.truth(n), 1.0) for n in range(200))})
    assert knows.result().wrong == Rate(0, 200)
    guesses = session.model_copy(update={"answers": tuple(Answer(n, guess[n], 1.0) for n in range(200))})
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
    assert pooled_sentences([session]) == []
    assert "This was practice, with the solution after each answer. It is not counted." in session_sentences(session)
    assert "practice" in session.title


def test_most_and_least_convincing(project: Project) -> None:
    session = make_session(project, BlindSettings(number=6, seed=1))
    made, real = of(session, "synthetic"), of(session, "real")
    time_of = {made[0]: 3.0, made[1]: 1.0, made[2]: 2.0, real[0]: 1.0, real[1]: 1.0, real[2]: 1.0}
    taken = {made[0], made[1], real[0], real[1]}
    for number, (picture,) in enumerate(session.questions):
        choice = "real" if picture in taken else "synthetic"
        session = keep_answer(session, Answer(number, choice, time_of[picture]))
    listed = judgements([session], "synthetic")
    assert [(one.picture, one.taken_for_real.share, one.seconds) for one in listed] == [
        (made[1], 1.0, 1.0),
        (made[0], 1.0, 3.0),
        (made[2], 0.0, 2.0),
    ]
    assert [one.picture for one in judgements([session], "real") if one.taken_for_real.share < 0.5] == [real[2]]


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
    lines = pooled_sentences([anna, ben])
    assert lines[0] == f"2 tests one by one (Anna, Ben): {Rate(3, 24)} answers wrong in total."
    assert "Cohen's kappa 0." in lines[-1]
    assert overview(project).together["one by one"].wrong.count == 3
    assert [test.observer for test in overview(project).tests] == ["Eve", "Ben", "Anna"]


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
