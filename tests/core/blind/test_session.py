"""The file of a blind test: every answer is safe, older files open."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from napari_organoid_synth.core.blind.session import Answer, keep_answer, read_session, read_sessions
from napari_organoid_synth.core.blind.settings import BlindSettings
from napari_organoid_synth.core.blind.setup import make_session
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project

FORMAT_1 = Path(__file__).parents[2] / "data" / "format_1" / "blind"


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
    assert session.open_questions == [1, 2, 3, 5]
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


@pytest.mark.parametrize(("name", "way"), [("one_by_one", "one by one"), ("in_pairs", "in pairs")])
def test_a_file_of_the_first_version_opens_and_goes_on(tmp_path: Path, name: str, way: str) -> None:
    path = tmp_path / f"{name}.jsonl"
    path.write_bytes((FORMAT_1 / path.name).read_bytes())
    head, *lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    session = read_session(path)
    assert (session.settings.way, session.settings.observer, session.settings.seed) == (way, "Anna", 1)
    assert (session.side, session.limits, session.started) == (64, ((47.0, 160.0),), head["started"])
    assert session.note == head["note"]
    assert [[asdict(picture) for picture in question] for question in session.questions] == head["questions"]
    assert [asdict(answer) | {"fast": False} for answer in session.answers] == lines
    assert session.open_questions == [5, 6, 7][: len(session.questions) - 5]
    assert session.result().wrong.total == 5
    went_on = keep_answer(session, Answer(5, session.truth(5), 1.0))
    assert read_session(path) == went_on
