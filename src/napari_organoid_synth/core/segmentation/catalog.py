"""Trained segmenters of a project: their folders, scores and training images. Reads no weights."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field

from napari_organoid_synth.core.atomic import regular_file, write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, content_hash
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.arms import ArmResult, current_arm, main_score
from napari_organoid_synth.core.segmentation.segmenters.config import DESCRIPTION, WEIGHTS, segmenter_config
from napari_organoid_synth.core.segmentation.segmenters.zoo_model_config import PACKAGE

TRAINING_NOTE = "trained.json"
TRAINING = "training.safetensors"
"""The state from which an unfinished training goes on."""
SEGMENTERS_DIR = "segmenters"
"""Folder of the segmenters of a comparison."""


class TrainingNote(FrozenModel):
    """Training images of a segmenter; ``trained.json`` beside it.

    Parameters
    ----------
    images : dict of str to str
        Name of each real image to the `content_hash` of its pixels.
    scale : float, optional
        Share of their size at which they were used; None: not known.
    """

    images: dict[str, str] = Field(default_factory=dict)
    scale: float | None = None


class SegmenterSpec(FrozenModel):
    """Input and output of a trained segmenter."""

    channels: int
    mask_kind: MaskKind
    class_names: tuple[str, ...]


class SegmenterDescription(FrozenModel):
    """The file ``segmenter.json``.

    Parameters
    ----------
    config : dict
        Settings of the segmenter, among them its ``name``.
    spec : SegmenterSpec
    facts : dict of str to str
        Facts to keep, such as the version of a library.
    usual : dict, optional
        Contrast and noise of the training images (`TrainingRange`); missing in files of earlier versions.
    """

    config: dict[str, Any]
    spec: SegmenterSpec
    facts: dict[str, Any] = Field(default_factory=dict)
    usual: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        """Name of the segmenter in the registry."""
        return str(self.config["name"])


@dataclass(frozen=True)
class TrainedSegmenter:
    """A folder with a trained segmenter.

    Parameters
    ----------
    path : Path
        Holds ``segmenter.json``.
    comparison : str
        Name of the comparison that trained it; empty for a folder from elsewhere.
    arm : str
        Training images.
    fold : int
        From 1; 0 in comparisons of earlier versions on one split.
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
        """``20261121-183939-gain/curated/fold1``, which `find_segmenter` takes; the path for one from elsewhere."""
        parts = [self.comparison, self.arm, *([f"fold{self.fold}"] if self.fold else [])]
        return "/".join(parts) if self.comparison else str(self.path)

    @property
    def label(self) -> str:
        """``curated, fold 1 (0.874)``."""
        text = f"{self.arm}, fold {self.fold}" if self.fold else self.arm or self.path.name
        return text if self.score is None else f"{text} ({self.score:.3f})"

    def description(self) -> SegmenterDescription:
        """Read the description of the segmenter.

        Raises
        ------
        UserError
            If the file is damaged.
        """
        try:
            values = read_object(self.path / DESCRIPTION)
            description = SegmenterDescription.parse(values)
            segmenter_config(description.name)
        except (OSError, ValueError, KeyError, TypeError, UserError):
            raise UserError(
                f"{self.path} holds no trained segmenter.",
                f"Expected a folder with {DESCRIPTION} and {WEIGHTS}.",
                "Measure the gain first, or choose another folder.",
            ) from None
        return description

    @property
    def draws_flow(self) -> bool:
        """Whether it has arrows to show beside probabilities, as Cellpose does."""
        return segmenter_config(self.description().name).draws_flow

    def training_note(self) -> TrainingNote:
        """Read the note on its training images; empty where there is none."""
        try:
            values = read_object(self.path / TRAINING_NOTE)
            return TrainingNote.parse(values)
        except (OSError, ValueError, UserError, TypeError):
            return TrainingNote()

    @property
    def size(self) -> int:
        """Bytes on disk."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the weights and their description.

        Raises
        ------
        UserError
            If a file is missing.
        """
        self.description()
        values = read_object(self.path / DESCRIPTION)
        digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
        try:
            weights = next((one for one in (WEIGHTS, PACKAGE) if (self.path / one).exists()), WEIGHTS)
            digest.update(regular_file(self.path / weights).read_bytes())
        except OSError:
            raise UserError(f"{self.path} has no weights.", f"Expected {WEIGHTS}.", "Measure the gain again.") from None
        return digest.hexdigest()[:12]


def write_training_note(folder: Path, train: Sequence[SamplePair], scale: float) -> None:
    """Write down beside a segmenter which real images it was trained on, and at which share of their size."""
    note = TrainingNote(images={pair.name: content_hash(pair.image) for pair in train}, scale=scale)
    write_text(Path(folder) / TRAINING_NOTE, note.model_dump_json(indent=1))


def list_segmenters(project: Project) -> list[TrainedSegmenter]:
    """List the trained segmenters, newest comparison first; in each the arms in order, the best score first."""
    segmenters: list[TrainedSegmenter] = []
    for comparison in reversed(project.folders(f"segment/*/{SEGMENTERS_DIR}")):
        folder, oldest = comparison / SEGMENTERS_DIR, not (comparison / "gain.yaml").exists()
        scores = _scores(comparison, oldest)
        arms = []
        for path in sorted(folder.glob(f"*/**/{DESCRIPTION}")):
            arm, *below = path.parent.relative_to(folder).parts
            fold = below[0].removeprefix("fold") if below else "0"
            if len(below) < 2 and fold.isdigit():
                arm = current_arm(arm, oldest)
                arms.append(TrainedSegmenter(path.parent, folder.parent.name, arm, int(fold), scores.get(arm)))
        segmenters += sorted(arms, key=lambda one: (-(one.score if one.score is not None else -1.0), one.arm, one.fold))
    return segmenters


def _scores(folder: Path, oldest: bool) -> Mapping[str, float]:
    """Return the mean score of each arm: accuracy of objects for instance masks, else Dice."""
    try:
        values = read_object(folder / "results.json")
        score = main_score(values["mask_kind"])
        arms = {current_arm(arm, oldest): ArmResult.parse(one) for arm, one in values["arms"].items()}
        return {arm: one.scores[score] for arm, one in arms.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, UserError):
        return {}


def find_segmenter(project: Project, name: str = "") -> TrainedSegmenter:
    """Return the segmenter of that name.

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
    known = list_segmenters(project)
    if name and (Path(name).expanduser() / DESCRIPTION).is_file():
        path = Path(name).expanduser().resolve()
        return next((one for one in known if one.path.resolve() == path), TrainedSegmenter(path))
    current_name = "/".join(map(current_arm, name.split("/")))
    for one in known:
        if current_name in ("", one.arm, one.name, f"{one.comparison}/{one.arm}", one.comparison):
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
        "Check the spelling.",
    )
