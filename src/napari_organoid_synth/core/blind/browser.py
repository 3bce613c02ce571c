"""A blind test in a browser page on this computer, for a terminal without napari.

A server that only this computer reaches gives one page, the pictures of the next questions, and takes answers. Its
address holds a random word, the name of the host is checked, so that no other page or user can read or answer, and
nothing that the page gets tells the truth. Questions, rules, files and statistics are those of `session`.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from napari_organoid_synth.core.blind.pictures import Pictures
from napari_organoid_synth.core.blind.results import write_scores
from napari_organoid_synth.core.blind.sentences import session_sentences
from napari_organoid_synth.core.blind.session import Answer, Session, forget_unanswered, keep_answer, take_back
from napari_organoid_synth.core.blind.statistics import NOISE, SIGNAL, Choice
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Started
from napari_organoid_synth.core.pairs.pictures import encode_png
from napari_organoid_synth.core.project import Project

HOST = "127.0.0.1"
AHEAD = 8
"""Questions whose pictures are given before they are asked."""
ASKED = {"one by one": "Real or synthetic?", "in pairs": "Which one is real?"}
MAX_BODY = 10_000
"""Bytes of a request."""
POLL_SECONDS = 0.1
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Refused(Exception):
    """A request that is not fulfilled, with its status and reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Reply(BaseModel):
    """An answer as the page sends it."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    question: int
    choice: Choice
    seconds: float = Field(ge=0, le=24 * 3600)
    pauses: int = Field(ge=0, le=10_000)


class Examiner:
    """Asks the open questions of a test and keeps the answers; used by several threads.

    Parameters
    ----------
    project : Project
    session : Session
    """

    def __init__(self, project: Project, session: Session) -> None:
        self.session, self._pictures = session, Pictures(project, session)
        self._lock = threading.Lock()
        self.is_over = not session.open_questions
        self.error: UserError | None = None
        """A picture that cannot be read or an answer that cannot be written; it ends the test."""

    @property
    def choices(self) -> tuple[Choice, Choice]:
        """The two answers, in the order of the keys 1 and 2."""
        way = self.session.settings.way
        return SIGNAL[way], NOISE[way]

    def state(self) -> dict[str, Any]:
        """Return what the page shows; nothing in it tells which picture is real."""
        session, settings = self.session, self.session.settings
        return {
            "asked": ASKED[settings.way],
            "choices": self.choices,
            "pictures": len(session.questions[0]) if session.questions else 0,
            "total": len(session.questions),
            "answered": len(session.answers),
            "open": len(session.open_questions),
            "next": session.open_questions[:AHEAD],
            "seconds": settings.seconds,
            "practice": settings.practice,
            "undo": bool(session.answers) and not settings.practice,
        }

    def picture(self, number: int, index: int) -> bytes:
        """Return a picture of one of the next questions as PNG."""
        if number not in self.session.open_questions[:AHEAD] or not 0 <= index < len(self.session.questions[number]):
            raise Refused(HTTPStatus.NOT_FOUND, "There is no such picture.")
        with self._stops():
            return encode_png(self._pictures.draw(self.session.questions[number][index]))

    def answer(self, values: dict[str, Any]) -> dict[str, Any]:
        """Keep the answer to the question that is asked, and return the state; in practice also the truth."""
        with self._lock:
            try:
                reply = Reply.model_validate(values)
            except ValidationError:
                raise Refused(HTTPStatus.BAD_REQUEST, "This is not an answer.") from None
            if reply.choice not in self.choices:
                raise Refused(HTTPStatus.BAD_REQUEST, "This is not an answer.")
            if self.session.open_questions[:1] != [reply.question]:
                raise Refused(HTTPStatus.CONFLICT, "This question is not being asked.")
            now = round(time.time(), 3)
            answer = Answer(reply.question, reply.choice, round(reply.seconds, 4), now, reply.pauses)
            with self._stops():
                self.session = keep_answer(self.session, answer)
            state = self.state()
            if self.session.settings.practice:
                state["feedback"] = self._feedback(answer)
            self.is_over = not self.session.open_questions
            return state

    def _feedback(self, answer: Answer) -> str:
        truth = self.session.truth(answer.question)
        what = f"it is {truth}" if len(self.session.questions[0]) == 1 else f"the {truth} one is real"
        return f"{'✓ Correct' if answer.choice == truth else '✕ Wrong'}: {what}."

    def undo(self) -> dict[str, Any]:
        """Take the last answer back, so that its question is asked again."""
        with self._lock:
            if not self.state()["undo"]:
                raise Refused(HTTPStatus.CONFLICT, "There is no answer to take back.")
            with self._stops():
                self.session = take_back(self.session)
            return self.state()

    def stop(self) -> dict[str, Any]:
        """End the test; the answers are kept."""
        self.is_over = True
        return self.state()

    def _stops(self) -> _Stopping:
        return _Stopping(self)


class _Stopping:
    """End the test where something inside fails."""

    def __init__(self, examiner: Examiner) -> None:
        self._examiner = examiner

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, UserError):
            self._examiner.error, self._examiner.is_over = error, True
            raise Refused(HTTPStatus.INTERNAL_SERVER_ERROR, str(error)) from error


class BlindServer:
    """A test in a browser page.

    Parameters
    ----------
    project : Project
    session : Session
        Its open questions are asked.

    Attributes
    ----------
    address : str
        Of the page; a person who knows it can answer.

    Raises
    ------
    UserError
        If the table of real pairs cannot be read.
    """

    def __init__(self, project: Project, session: Session) -> None:
        self._project, self.examiner = project, Examiner(project, session)
        self.token = secrets.token_urlsafe(16)
        self._http = ThreadingHTTPServer((HOST, 0), _handler(self))
        self._http.daemon_threads = True
        self.host = f"{HOST}:{self._http.server_address[1]}"
        self.address = f"http://{self.host}/{self.token}/"

    def run(self, control: Control) -> Iterator[Event]:
        """Serve until all is answered, the person stops or the job is canceled; write the scores of the pairs.

        Yields
        ------
        Event
            Started with ``address``; Progress; Finished with ``test``, ``questions``, ``answers``, ``words`` and
            ``result``.

        Raises
        ------
        UserError
            If a picture cannot be read or an answer not be written; the answers before it are kept.
        """
        examiner, reported = self.examiner, -1
        total = len(examiner.session.questions)
        serving = threading.Thread(target=self._http.serve_forever, args=(POLL_SECONDS,), daemon=True)
        serving.start()
        try:
            yield Started(0, {"address": self.address, "total": total})
            while not (examiner.is_over or control.canceled):
                if reported != (reported := len(examiner.session.answers)):
                    yield Progress(reported, total)
                time.sleep(POLL_SECONDS)
        finally:
            self._http.shutdown()
            self._http.server_close()
        forget_unanswered(examiner.session.path)
        write_scores(self._project)
        if examiner.error is not None:
            raise examiner.error
        session = examiner.session
        result = {
            "test": session.id,
            "questions": total,
            "answers": len(session.answers),
            "words": session_sentences(session) if session.answers else ["Nothing was answered."],
            "result": session.result().model_dump(mode="json") if session.answers else None,
        }
        yield Finished(len(session.answers), "canceled" if control.canceled else "completed", result)


def _handler(server: BlindServer) -> type[BaseHTTPRequestHandler]:
    """Return the class that answers the requests of a server."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 30  # a connection that says nothing does not stay

        def do_GET(self) -> None:
            self._answer(self._get)

        def do_POST(self) -> None:
            self._answer(self._post)

        def _answer(self, respond: Any) -> None:
            try:
                respond(self._path())
            except Refused as refused:
                self._send(json.dumps({"error": str(refused)}).encode(), "application/json", refused.status)

        def _path(self) -> list[str]:
            """Return the parts of the path behind the random word; refuse a request that does not know it."""
            _, token, *parts = self.path.split("/") if self.path.startswith("/") else ("", "")
            port = server.host.partition(":")[2]
            if self.headers.get("Host") not in (server.host, f"localhost:{port}"):
                raise Refused(HTTPStatus.FORBIDDEN, "This host is not served.")
            if not secrets.compare_digest(token.encode(), server.token.encode()):
                raise Refused(HTTPStatus.FORBIDDEN, "This address is not served.")
            return parts

        def _get(self, parts: list[str]) -> None:
            match parts:
                case [""]:
                    nonce = secrets.token_urlsafe(16)
                    page = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
                    self._send(page.replace("{{nonce}}", nonce).encode(), "text/html; charset=utf-8", nonce=nonce)
                case ["state"]:
                    self._send(json.dumps(server.examiner.state()).encode(), "application/json")
                case ["picture", number, index] if number.isdecimal() and index.isdecimal():
                    self._send(server.examiner.picture(int(number), int(index)), "image/png")
                case _:
                    raise Refused(HTTPStatus.NOT_FOUND, "There is no such page.")

        def _post(self, parts: list[str]) -> None:
            origin = self.headers.get("Origin")
            if origin is not None and origin != f"http://{self.headers.get('Host')}":
                raise Refused(HTTPStatus.FORBIDDEN, "Another page may not answer.")
            if self.headers.get_content_type() != "application/json":  # a form of another page cannot send it
                raise Refused(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Expected JSON.")
            values = self._body()
            examiner = server.examiner
            match parts:
                case ["answer"]:
                    state = examiner.answer(values)
                case ["undo"]:
                    state = examiner.undo()
                case ["stop"]:
                    state = examiner.stop()
                case _:
                    raise Refused(HTTPStatus.NOT_FOUND, "There is no such page.")
            self._send(json.dumps(state).encode(), "application/json")

        def _body(self) -> dict[str, Any]:
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal() or int(length) > MAX_BODY:
                raise Refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"Expected at most {MAX_BODY} bytes.")
            try:
                values = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                raise Refused(HTTPStatus.BAD_REQUEST, "This is not JSON.") from None
            if not isinstance(values, dict):
                raise Refused(HTTPStatus.BAD_REQUEST, "Expected an object.")
            return values

        def _send(self, body: bytes, kind: str, status: HTTPStatus = HTTPStatus.OK, nonce: str = "") -> None:
            script = f"'nonce-{nonce}'" if nonce else "'none'"
            policy = (
                f"default-src 'none'; script-src {script}; style-src 'unsafe-inline'; img-src 'self' data:; "
                "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
            )
            sent = {"Content-Type": kind, "Content-Length": str(len(body)), "Content-Security-Policy": policy}
            try:
                self.send_response(status)
                for name, value in {**sent, **HEADERS}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except ConnectionError:
                return  # the page was closed

        def log_message(self, format: str, *args: Any) -> None: ...

    return Handler
