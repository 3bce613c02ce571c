"""Arms: the ways to train a segmenter that are compared, and the scores of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from napari_organoid_synth.core.frozen_model import FrozenModel

Arm = Literal["raw", "classical-tissue", "classical-organoid", "synthetic", "curated", "simulator", "pretrain"]
RAW = "raw"
ARMS = {
    "raw": "real pairs",
    "classical-tissue": "classical augmentation (tissue)",
    "classical-organoid": "classical augmentation (organoid)",
    "synthetic": "synthetic pairs",
    "curated": "curated synthetic pairs",
    "simulator": "simulated pairs",
    "pretrain": "pretraining on synthetic pairs",
}
"""Every arm and its title, in the order in which they are shown."""
GENERATED = ("synthetic", "curated", "pretrain")
"""Arms that need generated pairs."""
MIXED = {*GENERATED, "simulator"}
"""Arms to which the ratio of synthetic to real crops applies."""
OLD_NAMES = {"real": "raw", "classical": "classical-tissue"}
"""Names of arms in files of earlier versions."""
SCORES = {
    "dice": "Dice",
    "precision": "precision",
    "recall": "recall",
    "f": "F",
    "ap": "accuracy of objects (IoU 0.5 to 0.9)",
    "ap95": "accuracy of objects (IoU 0.5 to 0.95)",
}
Scores = dict[str, float]
"""A value in [0, 1] for each score that was computed, a key of `SCORES`."""


def current_arm(name: str) -> str:
    """Return the present name of an arm, which a file of an earlier version may name otherwise.

    Examples
    --------
    >>> current_arm("real"), current_arm("curated")
    ('raw', 'curated')
    """
    return OLD_NAMES.get(name, name)


def main_score(mask_kind: str) -> str:
    """Return the score that is reported first: accuracy of objects for instance masks, Dice for all others."""
    return "ap" if mask_kind == "instances" else "dice"


class ArmResult(FrozenModel):
    """Scores of one arm over all test images.

    Parameters
    ----------
    scores : dict of str to float
        Means over images.
    per_image : dict of str to dict
        Scores of each test image; an image that was tested several times has the mean of its tests.
    per_class : dict of str to dict
        Mean Dice, precision and recall of each class.
    steps : int
        Optimiser steps of each training.
    seconds : float
        Mean duration of a training with its test.
    synthetic : int
        Generated or simulated pairs in a training, mean.
    """

    scores: Scores
    per_image: dict[str, Scores] = Field(default_factory=dict)
    per_class: dict[str, Scores] = Field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    synthetic: int = 0

    @property
    def dice(self) -> float:
        """Mean Dice over images."""
        return self.scores["dice"]

    @model_validator(mode="before")
    @classmethod
    def _from_version_1(cls, values: Any) -> Any:
        """Accept the earlier layout, in which means stood beside the other values."""
        if isinstance(values, Mapping) and "scores" not in values:
            known = {name: value for name, value in values.items() if name in cls.model_fields}
            return {"scores": {name: values[name] for name in SCORES if name in values}} | known
        return values
