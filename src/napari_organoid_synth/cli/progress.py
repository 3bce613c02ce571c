"""Progress of a command: one bar in a terminal, a line from time to time where there is none."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, ClassVar, Protocol, Self

from tqdm import tqdm

from napari_organoid_synth.core.quantities import words_for_seconds

if TYPE_CHECKING:
    from napari_organoid_synth.core.job import Progress


class Display(Protocol):
    """What shows the progress of a command on standard error."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *_: object) -> None: ...

    def show(self, progress: Progress) -> None:
        """Show how far the command is."""

    def say(self, text: str) -> None:
        """Print a sentence, such as a warning."""


def display(verb: str) -> Display:
    """Return a bar if standard error is a terminal, else lines."""
    return Bar(verb) if sys.stderr.isatty() else Lines(verb)


class Bar:
    """One line of a terminal that is drawn again, at most some times a second and never longer than the terminal."""

    REDRAW_SECONDS: ClassVar[float] = 0.2
    NOTE_SHARE: ClassVar[float] = 0.25
    """Share of the width that a note may take, and numbers, too."""

    def __init__(self, verb: str) -> None:
        self.verb, self._drawn = verb, 0.0
        self._bar = tqdm(desc=verb, file=sys.stderr, leave=False, dynamic_ncols=True, mininterval=self.REDRAW_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, progress: Progress) -> None:
        """Draw the bar again, if the last time is long enough ago."""
        now = time.monotonic()
        if now - self._drawn < self.REDRAW_SECONDS and progress.step < progress.total:
            return
        self._drawn = now
        self._bar.total, self._bar.n = progress.total, progress.step
        room = int(shutil.get_terminal_size().columns * self.NOTE_SHARE)
        self._bar.set_description_str(_short(progress.note or self.verb, room), refresh=False)
        self._bar.set_postfix_str(_short(_numbers(progress), room), refresh=False)
        self._bar.refresh()

    def say(self, text: str) -> None:
        """Print a sentence above the bar."""
        tqdm.write(text, file=sys.stderr)


class Lines:
    """A line after 5 % more, but not every second, and at least every ten seconds: for logs and pipes."""

    SHARE: ClassVar[float] = 0.05
    SOONEST, LATEST = 2.0, 10.0
    """Seconds between two lines."""

    def __init__(self, verb: str) -> None:
        self.verb = verb
        self._said: tuple[float, int] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Leave nothing behind."""

    def show(self, progress: Progress) -> None:
        """Print a line if one is due; the end of a command says its result."""
        now = time.monotonic()
        if self._said is None:
            self._said = now, progress.step
        seconds, steps = now - self._said[0], progress.step - self._said[1]
        due = seconds >= self.LATEST or (seconds >= self.SOONEST and steps >= self.SHARE * progress.total)
        if due and progress.step < progress.total:
            self._said = now, progress.step
            self.say(self._line(progress))

    def say(self, text: str) -> None:
        """Print a sentence."""
        print(text, file=sys.stderr, flush=True)

    def _line(self, progress: Progress) -> str:
        share = f"{progress.step:,} of {progress.total:,} ({progress.share:.0%})"
        left = "" if progress.seconds_left is None else f"{words_for_seconds(progress.seconds_left)} left"
        return ", ".join(filter(None, (f"{self.verb}: {share}", _short(progress.note, 80), _numbers(progress), left)))


def _numbers(progress: Progress) -> str:
    return " ".join(f"{name}={value:.3g}" for name, value in progress.stats.items())


def _short(text: str, room: int) -> str:
    text = " ".join(text.split())
    return text if len(text) <= room else f"{text[: max(room - 1, 0)]}…"
