"""A project is a folder; this module defines where everything is in it."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import JobFolder
from napari_organoid_synth.core.spelling import did_you_mean

MARKER = "organoid-synth.json"
VERSION = 1


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
            version = int(json.loads(marker.read_text())["version"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"Cannot use {self.path} as a project: {error}.",
                "Expected a writable folder.",
                "Choose another folder.",
            ) from None
        if version > VERSION:
            raise UserError(
                f"{self.path} was made by a newer version of organoid-synth (format {version}).",
                f"Expected format {VERSION} or older.",
                "Update napari-organoid-synth.",
            )

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
        return sorted(path.parent for path in self.path.glob("runs/*/recipe.yaml"))

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
        below = {"train": "runs", "segment": "segment", "gain": "segment"}.get(verb, "jobs")
        stem = f"{time.strftime('%Y%m%d-%H%M%S')}-{verb}"
        for number in range(1000):
            path = self.path / below / (stem if number == 0 else f"{stem}-{number}")
            try:
                path.mkdir(parents=True)
            except FileExistsError:
                continue
            return JobFolder(path)
        raise UserError(f"Cannot make a folder in {self.path / below}.")

    def jobs(self, verb: str | None = None) -> list[JobFolder]:
        """Return the folders of all long commands, oldest first; only those of ``verb`` if given."""
        jobs = [JobFolder(path.parent) for path in self.path.glob("*/*/job.json")]
        if verb is not None:
            jobs = [job for job in jobs if job.info.get("verb") == verb]
        return sorted(jobs, key=lambda job: float(job.info.get("started", 0)))


def file_stem(name: str) -> str:
    """Return a name that every file system accepts and people can still read."""
    return re.sub(r"[^\w.-]+", "_", name, flags=re.UNICODE).strip("._") or "sample"
