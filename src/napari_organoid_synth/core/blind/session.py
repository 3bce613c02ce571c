"""A blind test as a file: questions with the truth, and every answer.

The first line of ``blind/<id>.jsonl`` holds settings, seed and the list of pictures with the truth, so nobody should
read it before the test is over; every further line is one answer, or takes one back, on disk before the next picture
is shown. A killed window loses nothing, and an incomplete line is skipped.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from napari_organoid_synth.core.atomic import regular_file, write_text
from napari_organoid_synth.core.blind.settings import BlindSettings
from napari_organoid_synth.core.blind.statistics import FAST, NOISE, SIGNAL, Choice, Judged, Result, summarise
from napari_organoid_synth.core.errors import DiskFull, UserError, is_disk_full
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.plain_values import from_json
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.spelling import did_you_mean

logger = logging.getLogger(__name__)

FORMAT = 1
"""Newest version of the file of a test that can be read."""


Place = tuple[str, str, int, int]
"""Kind, name, first row and column: content of a picture, regardless of its orientation."""


@dataclass(frozen=True)
class Picture:
    """Picture of a question: its kind, which is the truth, and its place.

    Parameters
    ----------
    kind : {"real", "synthetic"}
    name : str
        Of the real pair, or id of the sample.
    y, x : int
        First row and column in it, px.
    turns, flip : int, bool
        Orientation, as in `Tile`.
    """

    kind: Literal["real", "synthetic"]
    name: str
    y: int = 0
    x: int = 0
    turns: int = 0
    flip: bool = False

    @property
    def place(self) -> Place:
        """Kind, name and position, without the orientation."""
        return self.kind, self.name, self.y, self.x


@dataclass(frozen=True)
class Answer:
    """One answer.

    Parameters
    ----------
    question : int
        Number of the question, from 0.
    choice : {"real", "synthetic", "left", "right"}
    seconds : float
        From the moment the picture was painted to the key, without pauses.
    time : float
        When, seconds since 1970.
    pauses : int
        Number of pauses during the question.
    """

    question: int
    choice: Choice
    seconds: float
    time: float = 0.0
    pauses: int = 0


_ANSWER = TypeAdapter(Answer)


class Session(FrozenModel):
    """A blind test: its questions and their answers.

    Attributes
    ----------
    path : Path
        Its file.
    format : int
        Version of the file.
    started : float
        Seconds since 1970.
    settings : BlindSettings
        With the seed that was used.
    side : int
        Of all pictures, px.
    limits : tuple of (float, float)
        Native values of each channel that are shown black and white.
    questions : tuple of tuple of Picture
        One picture each, or the left and the right one.
    note : str
        Remarks on the choice of pictures, in words.
    answers : tuple of Answer
        In the order in which they were given.
    """

    path: Path = Field(exclude=True)
    format: Literal[1] = 1
    started: float
    settings: BlindSettings
    side: int
    limits: tuple[tuple[float, float], ...]
    note: str = ""
    questions: tuple[tuple[Picture, ...], ...] = ()
    answers: tuple[Answer, ...] = Field((), exclude=True)

    @property
    def id(self) -> str:
        """Name of its file."""
        return self.path.stem

    @property
    def open_questions(self) -> list[int]:
        """Numbers of the questions without an answer."""
        done = {answer.question for answer in self.answers}
        return [number for number in range(len(self.questions)) if number not in done]

    @property
    def title(self) -> str:
        """Time, observer and answers so far: ``21 Nov 14:32, Anna, 12 of 40``."""
        when = time.strftime("%d %b %H:%M", time.localtime(self.started))
        observer = f", {self.settings.observer}" if self.settings.observer else ""
        practice = ", practice" if self.settings.practice else ""
        return f"{when}{observer}, {len(self.answers)} of {len(self.questions)}{practice}"

    def truth(self, question: int) -> Choice:
        """Return the right answer to a question."""
        pictures = self.questions[question]
        if len(pictures) == 1:
            return pictures[0].kind
        return "left" if pictures[0].kind == "real" else "right"

    def taken_for_real(self, answer: Answer) -> list[tuple[Picture, bool]]:
        """Return the pictures of an answered question, each with whether it was taken for real."""
        pictures = self.questions[answer.question]
        if len(pictures) == 1:
            return [(pictures[0], answer.choice == "real")]
        return [(picture, answer.choice == side) for picture, side in zip(pictures, ("left", "right"), strict=True)]

    def judged(self) -> list[Judged]:
        """Return the answers beside the truth."""
        return [Judged(self.truth(one.question), one.choice, one.seconds) for one in self.answers]

    def result(self) -> Result:
        """Compute the statistics of its answers."""
        return summarise(self.judged(), self.settings.way)


# ---------------------------------------------------------------------------------------------------------- files


def _folder(project: Project) -> Path:
    return project.path / "blind"


def free_path(project: Project) -> Path:
    """Return where a new test goes, named by time."""
    stem, number = time.strftime("%Y%m%d-%H%M%S"), 1
    while (path := _folder(project) / (f"{stem}.jsonl" if number == 1 else f"{stem}-{number}.jsonl")).exists():
        number += 1
    return path


def write_session(session: Session) -> None:
    """Write the file of a new test: its first line, everything but the answers."""
    write_text(session.path, json.dumps(session.model_dump(mode="json")) + "\n")


def keep_answer(session: Session, answer: Answer) -> Session:
    """Write an answer to the disk, and return the test with it.

    Raises
    ------
    UserError
        If it cannot be written; what was answered before is safe.
    """
    _append(session, asdict(answer) | {"fast": answer.seconds < FAST})
    return session.model_copy(update={"answers": (*session.answers, answer)})


def take_back(session: Session) -> Session:
    """Take the last answer back, on the disk too, and return the test without it: its question is open again.

    Raises
    ------
    UserError
        If there is none, or it cannot be written.
    """
    if not session.answers:
        raise UserError("There is no answer to take back.")
    _append(session, {"taken_back": session.answers[-1].question})
    return session.model_copy(update={"answers": session.answers[:-1]})


def _append(session: Session, record: dict[str, Any]) -> None:
    """Write one line to the file of a test, on the disk before it returns."""
    line = json.dumps(record).encode() + b"\n"
    try:
        with session.path.open("r+b") as stream:
            if stream.seek(0, os.SEEK_END) and stream.seek(-1, os.SEEK_END) is not None and stream.read(1) != b"\n":
                line = b"\n" + line  # after an incomplete line
            stream.seek(0, os.SEEK_END)
            stream.write(line)
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        if is_disk_full(error):
            raise DiskFull(session.path) from error
        raise UserError(
            f"The answer cannot be written to {session.path}: {error.strerror}.",
            "Expected a file that can be written.",
            "The answers before it are safe. Continue the test later.",
        ) from error


def find_session(project: Project, name: str) -> Session:
    """Read a blind test by its name.

    Raises
    ------
    UserError
        If there is none of that name, or it cannot be read.
    """
    names = sorted(path.stem for path in _folder(project).glob("*.jsonl"))
    if name not in names:
        near = did_you_mean(name, names)
        raise UserError(
            f"There is no blind test '{name}'.", f"Expected one of: {', '.join(names) or 'none yet'}.", near
        )
    return read_session(_folder(project) / f"{name}.jsonl")


def forget_unanswered(path: Path) -> None:
    """Delete a test without a single answer."""
    if not read_session(path).answers:
        path.unlink()


def read_session(path: Path) -> Session:
    """Read a test; lines that are not answers are skipped.

    Raises
    ------
    UserError
        If its first line cannot be read.
    """
    try:
        first, *lines = regular_file(path).read_bytes().split(b"\n")
        values = from_json(first.decode("utf-8"))
        newer = values["format"] > FORMAT
        session = None if newer else Session.parse({"path": path} | values)
    except (OSError, UserError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {error}", "Expected the file of a blind test.") from error
    if session is None:
        raise UserError(f"{path.name} was written by a newer version.", todo="Update napari-organoid-synth.")
    answers: dict[int, Answer] = {}
    choices = SIGNAL[session.settings.way], NOISE[session.settings.way]
    for line in filter(None, lines):
        try:
            if (taken_back := _taken_back(line)) is not None:
                answers.pop(taken_back, None)
                continue
            answer = _ANSWER.validate_json(line)
        except ValidationError:
            logger.info("%s: a line is incomplete", path.name)
            continue
        if 0 <= answer.question < len(session.questions) and answer.choice in choices:
            answers.setdefault(answer.question, answer)
    return session.model_copy(update={"answers": tuple(answers.values())})


def _taken_back(line: bytes) -> int | None:
    """Return the question whose answer a line takes back; None if it is another line."""
    if b'"taken_back"' not in line:
        return None
    return TypeAdapter(dict[Literal["taken_back"], int]).validate_json(line)["taken_back"]


def read_sessions(project: Project) -> list[Session]:
    """Read all blind tests of a project, newest first; files that cannot be read are skipped."""
    sessions = []
    for path in sorted(_folder(project).glob("*.jsonl")):
        try:
            sessions.append(read_session(path))
        except UserError as error:
            logger.warning("%s", error)
    return sorted(sessions, key=lambda session: session.started, reverse=True)
