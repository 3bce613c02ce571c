"""One blind test as a file: what was asked, with the truth, and every answer.

The first line of ``blind/<id>.jsonl`` holds settings, seed and the list of pictures with the truth, so nobody should
read it before the test is over; every further line is one answer, on disk before the next picture is shown. A killed
window loses nothing, and a line cut short is passed over.
"""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from napari_organoid_synth.core.blind.statistics import FAST, NOISE, SIGNAL, Choice, Judged, Result, Way, summarise
from napari_organoid_synth.core.errors import DiskFull, UserError, is_disk_full
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.project import Project

logger = logging.getLogger(__name__)

FORMAT = 1


class BlindSettings(Settings):
    """One blind test."""

    way: Way = Field("one by one", description="Ask of each picture what it is, or which of two is real.")
    number: int = Field(40, ge=2, le=1000, description="Questions; fewer where there are not so many pictures.")
    samples: Literal["accepted", "new and accepted", "all"] = Field(
        "new and accepted", description="Synthetic pairs to draw from."
    )
    run: str = Field("", description="Only pairs of this run; empty: of all.")
    observer: str = Field("", max_length=80, description="Who answers; may stay empty.")
    seconds: float = Field(0.0, ge=0, le=60, description="A picture is hidden after so many seconds; 0: never.")
    masks: bool = Field(False, description="Draw the outline of the mask.")
    turned: bool = Field(False, description="Turn and mirror every picture at random.")
    practice: bool = Field(False, description="Say after each answer whether it was right; kept apart from real tests.")
    seed: int | None = Field(None, ge=0, description="Fixes choice and order; empty: drawn anew and noted.")


Place = tuple[str, str, int, int]
"""Kind, name, first row and column: what a picture shows, whatever its orientation."""


@dataclass(frozen=True)
class Picture:
    """What is shown, and the truth about it.

    Parameters
    ----------
    kind : {"real", "synthetic"}
    name : str
        Of the real pair, or id of the sample.
    y, x : int
        First row and column in it, px.
    turns, flip : int, bool
        Orientation, see `core.tiling.Tile`.
    """

    kind: Literal["real", "synthetic"]
    name: str
    y: int = 0
    x: int = 0
    turns: int = 0
    flip: bool = False

    @property
    def place(self) -> Place:
        """What it shows, whatever the orientation."""
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
        How often the test was paused during the question.
    """

    question: int
    choice: Choice
    seconds: float
    time: float = 0.0
    pauses: int = 0


@dataclass(frozen=True)
class Session:
    """A blind test: what was asked and what was answered.

    Parameters
    ----------
    path : Path
        Its file.
    started : float
        Seconds since 1970.
    settings : BlindSettings
        With the seed that was used.
    side : int
        Of all pictures, px.
    limits : tuple of (float, float)
        Native values of each channel that are shown black and bright.
    questions : tuple of tuple of Picture
        One picture each, or the left and the right one.
    note : str
        What to know about the choice of pictures, in words.
    answers : tuple of Answer
        In the order in which they were given.
    """

    path: Path
    started: float
    settings: BlindSettings
    side: int
    limits: tuple[tuple[float, float], ...]
    questions: tuple[tuple[Picture, ...], ...]
    note: str = ""
    answers: tuple[Answer, ...] = ()

    @property
    def id(self) -> str:
        """Name of its file."""
        return self.path.stem

    @property
    def left(self) -> list[int]:
        """Questions without an answer."""
        done = {answer.question for answer in self.answers}
        return [number for number in range(len(self.questions)) if number not in done]

    @property
    def title(self) -> str:
        """When, who and how much: ``21 Nov 14:32, Anna, 12 of 40``."""
        when = time.strftime("%d %b %H:%M", time.localtime(self.started))
        who = f", {self.settings.observer}" if self.settings.observer else ""
        practice = ", practice" if self.settings.practice else ""
        return f"{when}{who}, {len(self.answers)} of {len(self.questions)}{practice}"

    def truth(self, question: int) -> Choice:
        """The right answer to a question."""
        pictures = self.questions[question]
        if len(pictures) == 1:
            return pictures[0].kind
        return "left" if pictures[0].kind == "real" else "right"

    def taken_for_real(self, answer: Answer) -> list[tuple[Picture, bool]]:
        """The pictures of an answered question, each with whether it was taken for real."""
        pictures = self.questions[answer.question]
        if len(pictures) == 1:
            return [(pictures[0], answer.choice == "real")]
        return [(picture, answer.choice == side) for picture, side in zip(pictures, ("left", "right"), strict=True)]

    def judged(self) -> list[Judged]:
        """Answers beside the truth."""
        return [Judged(self.truth(one.question), one.choice, one.seconds) for one in self.answers]

    def result(self) -> Result:
        """The statistics of its answers."""
        return summarise(self.judged(), self.settings.way)


# ---------------------------------------------------------------------------------------------------------- files


def _folder(project: Project) -> Path:
    return project.path / "blind"


def free_path(project: Project) -> Path:
    """Where a new test goes, named by time."""
    stem, number = time.strftime("%Y%m%d-%H%M%S"), 1
    while (path := _folder(project) / (f"{stem}.jsonl" if number == 1 else f"{stem}-{number}.jsonl")).exists():
        number += 1
    return path


def header_of(session: Session) -> dict[str, Any]:
    """The first line of its file: everything but the answers."""
    return {
        "format": FORMAT,
        "started": session.started,
        "settings": session.settings.model_dump(mode="json"),
        "side": session.side,
        "limits": session.limits,
        "note": session.note,
        "questions": [[asdict(picture) for picture in pictures] for pictures in session.questions],
    }


def keep_answer(session: Session, answer: Answer) -> Session:
    """Write an answer to the disk; the test with it.

    Raises
    ------
    UserError
        If it cannot be written; what was answered before is safe.
    """
    line = json.dumps(asdict(answer) | {"fast": answer.seconds < FAST}).encode() + b"\n"
    try:
        with session.path.open("r+b") as stream:
            if stream.seek(0, os.SEEK_END) and stream.seek(-1, os.SEEK_END) is not None and stream.read(1) != b"\n":
                line = b"\n" + line  # after a line that was cut short
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
            "The answers before it are safe: go on with the test later.",
        ) from error
    return replace(session, answers=(*session.answers, answer))


def read_session(path: Path) -> Session:
    """A test from its file; what is no answer is passed over.

    Raises
    ------
    UserError
        If its first line cannot be read.
    """
    try:
        head, *rest = path.read_bytes().split(b"\n")
        header = json.loads(head)
        if int(header["format"]) > FORMAT:
            raise UserError(f"{path.name} was written by a newer version.", todo="Update napari-organoid-synth.")
        session = Session(
            path,
            float(header["started"]),
            BlindSettings.parse(header["settings"]),
            int(header["side"]),
            tuple((float(low), float(high)) for low, high in header["limits"]),
            tuple(tuple(Picture(**picture) for picture in pictures) for pictures in header["questions"]),
            str(header["note"]),
        )
    except UserError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read: {error}.", "Expected the file of a blind test.") from error
    answers: dict[int, Answer] = {}
    words_of = session.settings.way
    for line in rest:
        try:
            found = json.loads(line)
            one = Answer(
                int(found["question"]), found["choice"], float(found["seconds"]), found["time"], found["pauses"]
            )
        except (ValueError, KeyError, TypeError):
            if line:
                logger.info("%s: a line was cut short", path.name)
            continue
        if 0 <= one.question < len(session.questions) and one.choice in (SIGNAL[words_of], NOISE[words_of]):
            answers.setdefault(one.question, one)
    return replace(session, answers=tuple(answers.values()))


def read_sessions(project: Project) -> list[Session]:
    """All blind tests of a project, newest first; files that cannot be read are passed over."""
    found = []
    for path in sorted(_folder(project).glob("*.jsonl")):
        try:
            found.append(read_session(path))
        except UserError as error:
            logger.warning("%s", error)
    return sorted(found, key=lambda session: session.started, reverse=True)
