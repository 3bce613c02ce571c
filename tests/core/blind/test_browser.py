"""A blind test in a browser page: the same answers give the same result as in the window, and nobody else answers."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
from PIL import Image

import terminal
from blind_project import answered
from napari_organoid_synth.core.blind.browser import AHEAD, BlindServer
from napari_organoid_synth.core.blind.pictures import Pictures
from napari_organoid_synth.core.blind.session import Session, read_session, read_sessions
from napari_organoid_synth.core.blind.settings import BlindSettings
from napari_organoid_synth.core.blind.setup import make_session
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.samples.store import SampleStore


class Page:
    """What the page does: it knows the address alone."""

    def __init__(self, server: BlindServer) -> None:
        self.address, self.events = server.address, list[Event]()
        self.failure: list[Exception] = []

    def send(self, path: str, body: Any = None, **headers: str) -> Any:
        data = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} if data is not None else {}
        request = urllib.request.Request(self.address + path, data, {**kind, **headers})
        with urllib.request.urlopen(request, timeout=10) as response:
            content = response.read()
        return json.loads(content) if response.headers.get_content_type() == "application/json" else content

    def status(self, path: str, body: Any = None, **headers: str) -> int:
        with pytest.raises(urllib.error.HTTPError) as refused:
            self.send(path, body, **headers)
        with refused.value as answer:
            answer.read()
            return int(answer.code)

    def answer(self, choice: str, seconds: float = 1.0) -> Any:
        question = self.send("state")["next"][0]
        return self.send("answer", {"question": question, "choice": choice, "seconds": seconds, "pauses": 0})


@contextmanager
def served(project: Project, session: Session) -> Iterator[Page]:
    """Serve a test in a thread; at the end it is over, and ``events`` holds what was reported."""
    server, control = BlindServer(project, session), Control()
    page = Page(server)

    def work() -> None:
        try:
            page.events += server.run(control)
        except UserError as error:
            page.failure.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield page
    finally:
        if not server.examiner.is_over:
            control.cancel()
        thread.join(10)
        assert not thread.is_alive()


def test_answers_land_in_the_session_and_the_result_is_that_of_the_window(project: Project) -> None:
    settings = BlindSettings(number=8, seed=3, observer="Anna")
    window = make_session(project, settings)
    expected = answered(window, lambda number: "real" if number % 3 else "synthetic", 2.5)
    session = make_session(project, settings)
    assert session.questions == window.questions
    with served(project, session) as page:
        for number in range(8):
            state = page.answer("real" if number % 3 else "synthetic", 2.5)
            assert (state["answered"], state["total"]) == (number + 1, 8)
    kept = read_session(session.path)
    assert [(one.question, one.choice, one.seconds, one.pauses) for one in kept.answers] == [
        (one.question, one.choice, one.seconds, one.pauses) for one in expected.answers
    ]
    assert kept.result() == expected.result()
    last = page.events[-1]
    assert isinstance(last, Finished)
    assert (last.reason, last.result["answers"]) == ("completed", 8)
    assert last.result["words"][0].startswith("Anna recognised ")
    assert last.result["result"] == expected.result().model_dump(mode="json")
    with SampleStore(project.samples_path) as store:
        assert len(store.score_values("blind_real")) == 4


def test_the_page_gets_the_pictures_of_the_window_and_not_the_truth(project: Project) -> None:
    session = make_session(project, BlindSettings(number=24, seed=1))
    drawn = Pictures(project, session)
    with served(project, session) as page:
        html, state = page.send("").decode(), page.send("state")
        assert state["next"] == list(range(AHEAD))
        for number in state["next"]:
            png = page.send(f"picture/{number}/0")
            with Image.open(io.BytesIO(png)) as image:
                assert image.info == {}
                np.testing.assert_array_equal(np.asarray(image), drawn.question(number)[0])
        assert page.status("picture/20/0") == 404  # far ahead
        assert page.status("picture/0/1") == 404
        known = {picture.name for question in session.questions for picture in question}
        text = html + json.dumps(state)
        assert not [name for name in known if name in text]
        assert not re.search(r"(src|href)=.https?:|//cdn", html)  # nothing from elsewhere
        page.send("stop", {})


def test_the_last_answer_is_taken_back_and_the_question_asked_again(project: Project) -> None:
    session = make_session(project, BlindSettings(number=8, seed=3))
    with served(project, session) as page:
        assert page.status("undo", {}) == 409
        page.answer("real")
        page.answer("synthetic")
        state = page.send("undo", {})
        assert (state["answered"], state["next"][0]) == (1, 1)
        assert len(read_session(session.path).answers) == 1
        page.answer("real", 4.0)
        page.send("stop", {})
    kept = read_session(session.path)
    assert [(one.question, one.choice, one.seconds) for one in kept.answers] == [(0, "real", 1.0), (1, "real", 4.0)]


def test_practice_tells_the_truth_and_takes_nothing_back(project: Project) -> None:
    session = make_session(project, BlindSettings(number=8, practice=True))
    with served(project, session) as page:
        state = page.answer(session.truth(0))
        assert state["feedback"] == f"✓ Correct: it is {session.truth(0)}."
        assert page.status("undo", {}) == 409
        page.send("stop", {})


def test_a_stopped_test_goes_on_and_one_without_an_answer_is_forgotten(project: Project) -> None:
    session = make_session(project, BlindSettings(number=8, way="in pairs"))
    with served(project, session) as page:
        assert page.send("state")["choices"] == ["left", "right"]
        page.answer("left")
        page.send("stop", {})
    again = read_session(session.path)
    with served(project, again) as page:
        assert page.send("state")["next"][0] == 1
        page.answer("right")  # and Ctrl-C
    last = page.events[-1]
    assert isinstance(last, Finished)
    assert (last.reason, len(read_session(session.path).answers)) == ("canceled", 2)
    other = make_session(project, BlindSettings(number=8))
    with served(project, other) as page:
        page.send("stop", {})
    assert not other.path.exists()


def test_other_pages_and_users_are_refused(project: Project) -> None:
    session = make_session(project, BlindSettings(number=8))
    body = {"question": 0, "choice": "real", "seconds": 1.0, "pauses": 0}
    with served(project, session) as page:
        assert page.status("answer", body, Origin="http://evil.example") == 403
        assert page.status("answer", body, Origin="null") == 403
        assert page.status("answer", body, Host="evil.example") == 403  # another name for this address
        assert page.status("state", Host="evil.example:80") == 403
        assert page.status("answer", body, **{"Content-Type": "text/plain"}) == 415  # what a form can send
        root = page.address.rsplit("/", 2)[0]
        page.address = f"{root}/{'x' * 22}/"
        assert page.status("state") == 403
        assert page.status("answer", body) == 403
        page.address = f"{root}/"
        assert page.status("") == 403
    assert not session.path.exists()  # no answer was kept


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"question": 1, "choice": "real", "seconds": 1, "pauses": 0}, 409),
        ({"question": 0, "choice": "left", "seconds": 1, "pauses": 0}, 400),
        ({"question": 0, "choice": "real", "seconds": -1, "pauses": 0}, 400),
        ({"question": 0, "choice": "real", "seconds": float("nan"), "pauses": 0}, 400),
        ({"question": 0, "choice": "real", "seconds": 1, "pauses": 0, "more": 1}, 400),
        ([1], 400),
        ({"x": "y" * 20_000}, 413),
    ],
)
def test_what_is_not_an_answer_is_not_kept(body: Any, code: int, project: Project) -> None:
    session = make_session(project, BlindSettings(number=8))
    with served(project, session) as page:
        assert page.status("answer", body) == code
        page.answer("real")
        question = page.send("state")["next"][0]
        assert question == 1
        page.send("stop", {})
    assert len(read_session(session.path).answers) == 1


def test_a_picture_that_is_gone_ends_the_test_with_a_sentence(project: Project) -> None:
    session = make_session(project, BlindSettings(number=8))
    number = next(number for number in range(8) if session.truth(number) == "synthetic")
    with served(project, session) as page:
        for _ in range(number):
            page.answer("real")
        for path in (project.path / "samples").glob("*.tif"):
            path.unlink()
        assert page.status(f"picture/{number}/0") == 500
    assert "There is no file" in str(page.failure[0])
    assert session.path.exists() == (number > 0)


def test_the_command_asks_in_a_page_and_prints_the_result(project: Project) -> None:
    command = [sys.executable, "-m", "napari_organoid_synth", "blind", str(project.path), "--run", "--no-browser"]
    options = ["--set", "number=8", "--set", "seed=3", "--set", "observer=Anna", "--json"]
    with subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = re.search(r"http://127\.0\.0\.1:\d+/[\w-]+/", process.stderr.readline())
        assert address is not None
        page = Page.__new__(Page)
        page.address = address[0]
        for _ in range(8):
            page.answer("real")
        said = terminal.result(process.stdout.read())
        process.stderr.read()
        assert process.wait(10) == 0
    assert said["words"][0].startswith("Anna recognised 4 of 8 (50 %")
    (session,) = read_sessions(project)
    assert (said["test"], said["answers"], len(session.answers)) == (session.id, 8, 8)


def test_tests_are_named_and_options_without_a_test_refused(project: Project) -> None:
    make_session(project, BlindSettings(number=8))
    for options, sentence in (
        (["--run", "--resume", "x"], "There is no blind test 'x'. Expected one of: "),
        (["--resume", "x"], "These options are for a new test. Add --run, or leave them out."),
        (["--run", "--set", "wai=x"], "There is no setting 'wai'."),
    ):
        done = terminal.run("blind", project.path, *options)
        assert (done.code, done.out) == (1, "")
        assert sentence in done.err
