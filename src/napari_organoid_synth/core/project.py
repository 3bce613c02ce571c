"""A project is a folder; this file knows where in it everything lies."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import JobFolder

MARKER = "organoid-synth.json"
VERSION = 1


class Project:
    """The folder that docks and command line share.

    ``pairs.json`` (the table of real pairs), ``runs/<id>/`` (trainings), ``samples.sqlite`` and ``samples/`` (generated
    pairs), ``scores.json`` (scores of sets) and ``features/`` (what these keep of the real tiles), ``map.npz``
    (where tiles and pairs lie to each other), ``blind/`` (blind tests), ``exports/``, ``segment/<id>/``,
    ``jobs/<id>/`` (other long verbs), ``bin/`` (what was deleted).

    Parameters
    ----------
    path : Path or str
    make : bool
        Whether a folder that is not there is made; to a verb that only reads, it is a mistyped name.

    Raises
    ------
    UserError
        If the folder is a file, cannot be written, was made by a newer version, or is missing and not to be made.
    """

    def __init__(self, path: Path | str, make: bool = True) -> None:
        self.path = Path(path).expanduser().resolve()
        marker = self.path / MARKER
        if not make and not marker.exists():
            raise UserError(
                f"{self.path} is no project." if self.path.exists() else f"There is no folder {self.path}.",
                "Expected a project, made with 'organoid-synth pair' or in napari.",
                "Look at the spelling.",
            )
        try:
            if not marker.exists():
                self.path.mkdir(parents=True, exist_ok=True)
                write_text(marker, json.dumps({"version": VERSION}))
            version = int(json.loads(marker.read_text())["version"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(
                f"Cannot use {self.path} as a project: {error}.",
                "Expected a folder that can be written.",
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
        """The database of generated pairs."""
        return self.path / "samples.sqlite"

    @property
    def scores_path(self) -> Path:
        """Scores of the generated pairs as sets."""
        return self.path / "scores.json"

    @property
    def map_path(self) -> Path:
        """Where real tiles and generated pairs lie to each other."""
        return self.path / "map.npz"

    def runs(self) -> list[Path]:
        """Folders of trainings, newest last."""
        return sorted(path.parent for path in self.path.glob("runs/*/recipe.yaml"))

    def run_path(self, name: str = "") -> Path:
        """Folder of one training; the newest when no name is given."""
        runs = self.runs()
        if not runs:
            raise UserError(f"{self.path} has no trained run.", todo="Train a generator first.")
        if not name:
            return runs[-1]
        path = self.path / "runs" / name
        if path not in runs:
            raise UserError(f"There is no run '{name}'.", f"Expected one of: {', '.join(r.name for r in runs)}.")
        return path

    def job(self, verb: str) -> JobFolder:
        """A new folder for one long verb, named by time: ``runs/`` for train, ``segment/`` for segment and gain, or
        ``jobs/``.
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
        """Folders of all long verbs, oldest first; of one verb when given."""
        found = [JobFolder(path.parent) for path in self.path.glob("*/*/job.json")]
        if verb is not None:
            found = [job for job in found if job.info.get("verb") == verb]
        return sorted(found, key=lambda job: float(job.info.get("started", 0)))


def file_stem(name: str) -> str:
    """A name that every file system takes, unique names stay unique enough to read."""
    return re.sub(r"[^\w.-]+", "_", name, flags=re.UNICODE).strip("._") or "sample"
