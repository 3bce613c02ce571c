"""Trained segmenters of a project: where they lie, how they did, what they saw. Reads JSON alone, no weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair, content_hash
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.segmenters.config import segmenter_config

WEIGHTS, DESCRIPTION, NOTE = "segmenter.safetensors", "segmenter.json", "trained.json"
TRAINING = "training.safetensors"  # what an unfinished training goes on from
BELOW = "segmenters"


@dataclass(frozen=True)
class Trained:
    """A folder with a trained segmenter.

    Parameters
    ----------
    path : Path
        Holds ``segmenter.json``.
    comparison : str
        Name of the comparison that trained it; empty for a folder from elsewhere.
    arm : str
        What it was trained on.
    fold : int
        From 1; 0 where there are no folds.
    score : float, optional
        Mean of the arm over the test images of its comparison.
    """

    path: Path
    comparison: str = ""
    arm: str = ""
    fold: int = 0
    score: float | None = None

    @property
    def name(self) -> str:
        """``20261121-183939-gain/curated/fold1``, which `find_trained` takes; the path for one from elsewhere."""
        parts = [self.comparison, self.arm, *([f"fold{self.fold}"] if self.fold else [])]
        return "/".join(parts) if self.comparison else str(self.path)

    @property
    def words(self) -> str:
        """``curated, fold 1 (0.874)``."""
        text = f"{self.arm}, fold {self.fold}" if self.fold else self.arm or self.path.name
        return text if self.score is None else f"{text} ({self.score:.3f})"

    def description(self) -> dict[str, Any]:
        """``config``, ``spec`` (``channels``, ``mask_kind``, ``class_names``) and ``facts``.

        Raises
        ------
        UserError
            If the file is damaged.
        """
        try:
            found: dict[str, Any] = json.loads((self.path / DESCRIPTION).read_text(encoding="utf-8"))
            found["config"]["name"], int(found["spec"]["channels"])
        except (OSError, ValueError, KeyError, TypeError):
            raise UserError(
                f"{self.path} holds no trained segmenter.",
                f"Expected a folder with {DESCRIPTION} and {WEIGHTS}.",
                "Measure the gain first, or choose another folder.",
            ) from None
        return found

    @property
    def draws_flow(self) -> bool:
        """Whether it has arrows to show beside probabilities, as Cellpose does."""
        return segmenter_config(self.description()["config"]["name"]).draws_flow

    def note(self) -> dict[str, Any]:
        """``images`` (name to `content_hash` of the pixels) and ``scale`` of those it was trained on; may be empty."""
        try:
            found: dict[str, Any] = json.loads((self.path / NOTE).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the weights and what they mean.

        Raises
        ------
        UserError
            If a file is missing.
        """
        digest = hashlib.sha256(json.dumps(self.description(), sort_keys=True).encode())
        try:
            digest.update((self.path / WEIGHTS).read_bytes())
        except OSError:
            raise UserError(f"{self.path} has no weights.", f"Expected {WEIGHTS}.", "Measure the gain again.") from None
        return digest.hexdigest()[:12]


def note_training(folder: Path, train: Sequence[SamplePair], scale: float) -> None:
    """Keep beside a segmenter which real images it was trained on, and at which share of their size."""
    images = {pair.name: content_hash(pair.image) for pair in train}
    write_text(Path(folder) / NOTE, json.dumps({"images": images, "scale": scale}, indent=1))


def all_trained(project: Project) -> list[Trained]:
    """Trained segmenters of the project, newest comparison first; in each the arms in order, the best score first."""
    found: list[Trained] = []
    for folder in sorted(project.path.glob(f"segment/*/{BELOW}"), reverse=True):
        scores = _scores(folder.parent)
        arms = []
        for path in sorted(folder.glob(f"*/**/{DESCRIPTION}")):
            arm, *below = path.parent.relative_to(folder).parts
            fold = below[0].removeprefix("fold") if below else "0"
            if len(below) < 2 and fold.isdigit():
                arms.append(Trained(path.parent, folder.parent.name, arm, int(fold), scores.get(arm)))
        found += sorted(arms, key=lambda one: (-(one.score if one.score is not None else -1.0), one.arm, one.fold))
    return found


def _scores(folder: Path) -> Mapping[str, float]:
    """Mean score of each arm: of objects where they were told apart, else Dice."""
    try:
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        score = "ap" if results["mask_kind"] == "instances" else "dice"
        return {arm: float(one[score]) for arm, one in results["arms"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def find_trained(project: Project, name: str = "") -> Trained:
    """The segmenter of that name.

    Parameters
    ----------
    project : Project
        Whose comparisons are looked into.
    name : str
        A folder with ``segmenter.json``; an arm of the newest comparison that has it; ``COMPARISON/ARM`` or
        ``COMPARISON/ARM/foldN``. Empty: the arm with the best score of the newest comparison that kept segmenters.

    Raises
    ------
    UserError
        If there is none.
    """
    if name and (Path(name).expanduser() / DESCRIPTION).is_file():
        path = Path(name).expanduser().resolve()
        return next((one for one in all_trained(project) if one.path.resolve() == path), Trained(path))
    known = all_trained(project)
    for one in known:
        if name in ("", one.arm, one.name, f"{one.comparison}/{one.arm}", one.comparison):
            return one
    if not known:
        raise UserError(
            f"{project.path.name} has no trained segmenter.",
            "Expected a comparison in which an arm is finished.",
            "Measure the gain first, or name the folder of a segmenter.",
        )
    names = list(dict.fromkeys(one.arm for one in known))
    raise UserError(
        f"There is no segmenter '{name}'.",
        f"Expected a folder with {DESCRIPTION}, or one of: {', '.join(names)}.",
        "Look at the spelling.",
    )
