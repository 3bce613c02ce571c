"""Arms: the ways to train a segmenter that are compared, and the scores of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal, get_args

from pydantic import Field, model_validator

from napari_organoid_synth.core.frozen_model import FrozenModel

Arm = Literal[
    "raw",
    "classical",
    "classical-tissue",
    "classical-organoid",
    "raw+pasted",
    "classical+pasted",
    "classical-tissue+pasted",
    "classical-organoid+pasted",
    "raw+simulated",
    "classical+simulated",
    "classical-tissue+simulated",
    "classical-organoid+simulated",
    "raw+synthetic",
    "classical+synthetic",
    "classical-tissue+synthetic",
    "classical-organoid+synthetic",
    "raw+curated",
    "classical+curated",
    "classical-tissue+curated",
    "classical-organoid+curated",
    "pretrain",
    "synthetic-only",
]
"""A way to train: an augmentation, alone or with added pairs after the ``+``; or one of the two last ones."""
RAW, PRETRAIN, SYNTHETIC_ONLY = "raw", "pretrain", "synthetic-only"
Augmentation = Literal["", "classical", "tissue", "organoid"]
Data = Literal["", "pasted", "simulated", "synthetic", "curated"]
AUGMENTATIONS: dict[str, Augmentation] = {
    "raw": "",
    "classical": "classical",
    "classical-tissue": "tissue",
    "classical-organoid": "organoid",
}
"""First part of the name of an arm, and the augmentation of `CropPool`."""
DATA: dict[Data, str] = {
    "": "",
    "pasted": "pasted pairs",
    "simulated": "simulated pairs",
    "synthetic": "synthetic pairs",
    "curated": "curated synthetic pairs",
}
"""Second part of the name of an arm, and its title."""
CURATED_BY = {
    "automatic": "automatically curated synthetic pairs",
    "by hand": "synthetic pairs curated by hand",
    "automatic and by hand": "synthetic pairs curated by hand in some folds, automatically in others",
}
"""How pairs were curated, and the title of such pairs."""
OLD_NAMES = {
    "real": "raw",
    "pasted": "classical+pasted",
    "simulator": "raw+simulated",
    "synthetic": "raw+synthetic",
    "curated": "raw+curated",
}
"""Names of arms in files of earlier versions."""
OLDEST_NAMES = {**OLD_NAMES, "classical": "classical-tissue"}
"""Names in comparisons on one split of the first version, where ``classical`` was another augmentation than now."""


def augmentation_of(arm: str) -> Augmentation:
    """Return the augmentation of an arm, as `CropPool` takes it.

    Examples
    --------
    >>> augmentation_of("raw+synthetic"), augmentation_of("classical-tissue"), augmentation_of("pretrain")
    ('', 'tissue', 'classical')
    """
    return "classical" if arm in (PRETRAIN, SYNTHETIC_ONLY) else AUGMENTATIONS.get(arm.partition("+")[0], "")


def data_of(arm: str) -> Data:
    """Return which pairs an arm adds to the real ones; empty for none.

    Examples
    --------
    >>> data_of("classical+pasted"), data_of("classical"), data_of("synthetic-only")
    ('pasted', '', 'synthetic')
    """
    if arm in (PRETRAIN, SYNTHETIC_ONLY):
        return "synthetic"
    name = arm.partition("+")[2]
    return next((data for data in DATA if data == name), "")


def base_of(arm: str) -> str:
    """Return the arm with the same augmentation and no added pairs.

    Examples
    --------
    >>> base_of("classical-tissue+curated"), base_of("pretrain"), base_of("raw")
    ('classical-tissue', 'classical', 'raw')
    """
    return "classical" if arm in (PRETRAIN, SYNTHETIC_ONLY) else arm.partition("+")[0]


def needs_generator(arm: str) -> bool:
    """Return whether an arm needs generated pairs."""
    return data_of(arm) in ("synthetic", "curated")


def has_ratio(arm: str) -> bool:
    """Return whether an arm mixes added pairs with real ones, so that the ratio of their crops matters."""
    return bool(data_of(arm)) and arm not in (PRETRAIN, SYNTHETIC_ONLY)


def trained_arms(arms: Iterable[str]) -> tuple[str, ...]:
    """Return the arms that a comparison trains: raw, and each augmentation whose pairs are compared, always with them.

    Examples
    --------
    >>> trained_arms(["classical+synthetic", "raw+pasted"])
    ('raw', 'classical', 'classical+synthetic', 'raw+pasted')
    """
    named = tuple(arms)
    return tuple(dict.fromkeys([RAW, *(arm for one in named for arm in (base_of(one), one))]))


def title_of(arm: str, curation: str = "") -> str:
    """Return the title of an arm in plain words; the name of an unknown one.

    Parameters
    ----------
    arm : str
        Its name.
    curation : str
        How its pairs were curated, a key of `CURATED_BY`; empty: not said.

    Examples
    --------
    >>> title_of("raw"), title_of("raw+pasted"), title_of("classical-tissue")
    ('real pairs', 'real and pasted pairs', 'classical augmentation (tissue)')
    >>> title_of("classical+synthetic"), title_of("classical+curated", "by hand")
    ('classical augmentation and synthetic pairs', 'classical augmentation and synthetic pairs curated by hand')
    """
    if arm == PRETRAIN:
        return "pretraining on synthetic pairs"
    if arm == SYNTHETIC_ONLY:
        return "synthetic pairs alone"
    base, data = base_of(arm), data_of(arm)
    if base not in AUGMENTATIONS:
        return arm
    pairs = CURATED_BY.get(curation, DATA[data]) if data == "curated" else DATA[data]
    if base == RAW:
        return f"real and {pairs}" if pairs else "real pairs"
    kind = base.partition("-")[2]
    title = f"classical augmentation ({kind})" if kind else "classical augmentation"
    return f"{title} and {pairs}" if pairs else title


ARMS: dict[str, str] = {arm: title_of(arm) for arm in get_args(Arm)}
"""Every arm and its title, in the order in which they are shown."""
SCORES = {
    "dice": "Dice",
    "precision": "precision",
    "recall": "recall",
    "f": "F",
    "cldice": "Dice of middle lines",
    "ap": "accuracy of objects (IoU 0.5 to 0.9)",
    "ap95": "accuracy of objects (IoU 0.5 to 0.95)",
}
Scores = dict[str, float]
"""A value in [0, 1] for each score that was computed, a key of `SCORES`."""


def current_arm(name: str, oldest: bool = False) -> str:
    """Return the present name of an arm, which a file of an earlier version may name otherwise.

    Parameters
    ----------
    name : str
        As the file has it.
    oldest : bool
        Whether it stands in a comparison on one split of the first version.

    Examples
    --------
    >>> current_arm("real"), current_arm("curated"), current_arm("classical")
    ('raw', 'raw+curated', 'classical')
    """
    return (OLDEST_NAMES if oldest else OLD_NAMES).get(name, name)


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
