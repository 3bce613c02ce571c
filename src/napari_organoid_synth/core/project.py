"""A project is a folder; this module defines where everything is in it."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from pathlib import Path

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError, vanished
from napari_organoid_synth.core.job import JobFolder, jobs_in
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.spelling import did_you_mean

MARKER = "organoid-synth.json"
VERSION = 1
_TIME = "%Y%m%d-%H%M%S"


class Project:
    """The folder that docks and command line share.

    ``pairs.json`` (the table of real pairs), ``runs/<id>/`` (trainings), ``samples.sqlite`` and ``samples/`` (synthetic
    pairs), ``scores.json`` (scores of sets) and ``features/`` (cached features of the real tiles), ``map.npz``
    (positions of tiles and pairs on the map), ``blind/`` (blind tests), ``exports/``, ``segment/<id>/``,
    ``jobs/<id>/`` (other long commands), ``bin/`` (deleted files).

    Parameters
    ----------
    path : Path or str
    make : bool
        Whether a missing folder is made; for a command that only reads, it is a mistyped name.

    Raises
    ------
    UserError
        If the folder is a file, cannot be written, was made by a newer version, or is missing and shall not be made.
    """

    def __init__(self, path: Path | str, make: bool = True) -> None:
        self.path = Path(path).expanduser().resolve()
        marker = self.path / MARKER
        if not make and not marker.exists():
            raise UserError(
                f"{self.path} is not a project." if self.path.exists() else f"There is no folder {self.path}.",
                "Expected a project, made with 'organoid-synth pair' or in napari.",
                "Check the spelling.",
            )
        try:
            if not marker.exists():
                self.path.mkdir(parents=True, exist_ok=True)
                write_text(marker, json.dumps({"version": VERSION}))
        except OSError as error:
            if isinstance(error, UserError):
                raise
            raise UserError(
                f"Cannot use {self.path} as a project: {error.strerror or error}.",
                "Expected a writable folder.",
                "Choose another folder.",
            ) from None
        version = self._version()
        if version > VERSION:
            raise UserError(
                f"{self.path} was made by a newer version of organoid-synth (format {version}).",
                f"Expected format {VERSION} or older.",
                "Update napari-organoid-synth.",
            )

    @property
    def is_there(self) -> bool:
        """Whether the folder still is this project: it may be deleted, moved or unmounted while a command runs."""
        return (self.path / MARKER).exists()

    def _version(self) -> int:
        """Return the format of the project; a damaged marker says nothing, and all else can still be used."""
        try:
            version = read_object(self.path / MARKER)["version"]
        except (OSError, ValueError, KeyError):
            return VERSION
        return version if type(version) is int else VERSION

    @property
    def pairs_path(self) -> Path:
        """The table of real pairs."""
        return self.path / "pairs.json"

    @property
    def samples_path(self) -> Path:
        """The database of synthetic pairs."""
        return self.path / "samples.sqlite"

    @property
    def scores_path(self) -> Path:
        """Scores of the synthetic pairs as sets."""
        return self.path / "scores.json"

    @property
    def map_path(self) -> Path:
        """The map of real tiles and synthetic pairs."""
        return self.path / "map.npz"

    def runs(self) -> list[Path]:
        """Return the folders of trainings, newest last."""
        return self.folders("runs/*/recipe.yaml")

    def folders(self, pattern: str) -> list[Path]:
        """Return the folders with a file, such as ``segment/*/results.json``; those that were made last are last.

        A name never lies before an earlier one, also when the clock was set back; unfinished copies are left out.
        """
        paths = [path.parent for path in self.path.glob(pattern)]
        return sorted((path for path in paths if not path.name.startswith(".")), key=by_name)

    def run_path(self, name: str = "") -> Path:
        """Return the folder of one training; the newest if no name is given."""
        runs = self.runs()
        if not runs:
            raise UserError(f"{self.path} has no trained run.", todo="Train a generator first.")
        if not name:
            return runs[-1]
        path = self.path / "runs" / name
        if path not in runs:
            names = [run.name for run in runs]
            raise UserError(
                f"There is no run '{name}'.", f"Expected one of: {', '.join(names)}.", did_you_mean(name, names)
            )
        return path

    def job(self, verb: str) -> JobFolder:
        """Make a folder for one long command, named by time.

        It is below ``runs/`` for train, below ``segment/`` for segment and gain, else below ``jobs/``.
        """
        if not self.is_there:  # it would be made again, empty
            raise vanished(self.path)
        below = {"train": "runs", "segment": "segment", "gain": "segment"}.get(verb, "jobs")
        for _ in range(1000):
            path = self.path / below / self.next_name(below, verb)
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue  # of another process, at the same moment
            return JobFolder(path)
        raise UserError(f"Cannot make a folder in {self.path / below}.")

    def next_name(self, below: str, name: str) -> str:
        """Return a name for a new folder: the time and ``name``.

        The time is always later than that in the names of the folders that are there, also when the clock was set back.
        """
        times = filter(None, (time_of(path.name) for path in (self.path / below).glob("*")))
        time = max([datetime.now().replace(microsecond=0), *(earlier + timedelta(seconds=1) for earlier in times)])
        return f"{time:{_TIME}}-{name}"

    def jobs(self, verb: str | None = None) -> list[JobFolder]:
        """Return the folders of all long commands, the one that was begun last is last; only those of ``verb``."""
        jobs = jobs_in(self.path)
        infos = {job.path: job.info for job in jobs}
        if verb is not None:
            jobs = [job for job in jobs if infos[job.path].get("verb") == verb]
        return sorted(jobs, key=lambda job: (job.number, by_name(job.path)))

    def running_jobs(self) -> dict[Path, JobFolder]:
        """Return for the folder of each job that runs the job to steer, the one begun last is last.

        A job inside another, such as a training of a pipeline, has the same process: the one begun first is obeyed.
        """
        alive = [job for job in self.jobs() if job.alive]
        first: dict[int, JobFolder] = {}
        for job in alive:
            first.setdefault(int(job.info["pid"]), job)
        owners = list(first.values())
        parts = sorted(alive, key=lambda job: owners.index(first[int(job.info["pid"])]))
        return {job.path: first[int(job.info["pid"])] for job in parts}


def time_of(name: str) -> datetime | None:
    """Return the time in the name of a folder; None if there is none."""
    try:
        return datetime.strptime(name[:15], _TIME) if name[15:16] == "-" and name[0] < "9" else None
    except ValueError:
        return None


def by_name(path: Path) -> tuple[list[tuple[int, str]], str]:
    """Return a key that sorts folders by name, numbers by value: ``b-10`` after ``b-2``."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() and len(part) < 30 else (-1, part) for part in parts], path.name


def file_stem(name: str) -> str:
    """Return a name that every file system accepts and people can still read."""
    return re.sub(r"[^\w.-]+", "_", name, flags=re.UNICODE).strip("._") or "sample"
