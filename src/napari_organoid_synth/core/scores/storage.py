"""Scores of sets as they are kept, in ``scores.json`` of the project."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from pydantic import model_validator

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.metrics.memorisation import DataCopying
from napari_organoid_synth.core.metrics.sets import SetScore
from napari_organoid_synth.core.metrics.settings import Trait
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.scores.sample_sets import SetKey


class Memorisation(FrozenModel):
    """Copies of real tiles among the samples; shares are from 0 to 1.

    Attributes
    ----------
    ssim_copies : float, optional
        Share that reaches the SSIM of a copy with a real tile; None when the samples have no such score.
    copies : float
        Share nearer to a real tile than real tiles of different images are to each other, in pixels or features;
        without samples on borrowed masks.
    pixels_copies, features_copies, masks_copies : float, optional
        The same in each space; None where there is no such space.
    one_image : bool
        All real tiles come from one image, so that only SSIM finds copies.
    borrowed_masks : float
        Share painted on masks that were made from real ones.
    test : DataCopying, optional
        Whether samples lie nearer to the training tiles than tiles of test images; None where it was not tested.
    """

    ssim_copies: float | None
    copies: float
    pixels_copies: float | None = None
    features_copies: float | None = None
    masks_copies: float | None = None
    one_image: bool
    borrowed_masks: float
    test: DataCopying | None = None


class Variety(FrozenModel):
    """Samples that repeat others; shares are from 0 to 1.

    Attributes
    ----------
    distinct : int
        Samples left when those that look the same count as one.
    effective, real_effective : float, optional
        Effective number of different samples, where rare ones count less, and that of as many real tiles; None in files
        of earlier versions.
    ssim, real_ssim : float
        Share of the samples, and of the real tiles, that reach the SSIM of a copy with another one.
    pixels, features, masks : float, optional
        Share nearer to another sample than real tiles of different images are to each other; None where unknown.
    """

    distinct: int
    effective: float | None = None
    real_effective: float | None = None
    ssim: float
    real_ssim: float
    pixels: float | None = None
    features: float | None = None
    masks: float | None = None


class MaskFit(FrozenModel):
    """Masks that may not belong to their images; shares are from 0 to 1.

    Attributes
    ----------
    low, real, strange : float
        Share below the threshold of the score ``fits``: of the samples, of real pairs, and of real images under masks
        of other images.
    useful : bool
        Whether real pairs and those with masks of other images can be told apart.
    """

    low: float
    real: float
    strange: float
    useful: bool


class SetScores(FrozenModel):
    """Everything known about the samples of one run, or of a part of it, as a set.

    Attributes
    ----------
    run : str
        The run that made them; empty for samples without one.
    samples : {"all", "kept", "accepted"}
        Choice among its samples.
    by : tuple of str
        Traits that tell the sets apart, ``run`` alone in files of earlier versions.
    parts : tuple of (str, str)
        Traits other than the run, each with the value that all samples have.
    extractor, weights, seed, max_samples, max_tiles
        As in `ScoreSettings`.
    fingerprint : str
        Changes with the samples, the real pairs and the settings.
    number : int
        Number of samples.
    made : float
        When the scores were asked for, seconds since 1970.
    scores : tuple of SetScore
        Empty when there are too few tiles.
    memorisation : Memorisation
    variety : Variety, optional
    mask_fit : MaskFit, optional
        None where it could not be learned.
    """

    run: str
    samples: Literal["all", "kept", "accepted"]
    by: tuple[Trait, ...] = ("run",)
    parts: tuple[tuple[str, str], ...] = ()
    extractor: str
    weights: str = ""
    seed: int = 0
    max_samples: int = 1000
    max_tiles: int = 50_000
    fingerprint: str
    number: int
    made: float
    scores: tuple[SetScore, ...] = ()
    memorisation: Memorisation
    variety: Variety | None = None
    mask_fit: MaskFit | None = None

    @property
    def key(self) -> tuple[SetKey, str, str]:
        """What its samples have in common, kind of set and extractor: one result of each is kept."""
        return self.set_key, self.samples, self.extractor

    @property
    def set_key(self) -> SetKey:
        """What its samples have in common."""
        return SetKey(self.run, self.by, self.parts)

    @property
    def title(self) -> str:
        """Name of the set for a person."""
        return self.set_key.title

    @property
    def by_name(self) -> dict[str, SetScore]:
        """The scores by name, in their order."""
        return {score.name: score for score in self.scores}


class ScoresFile(FrozenModel):
    """The content of ``scores.json``; files of format 1 are read as well."""

    version: Literal[2] = 2
    sets: tuple[SetScores, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _upgrade(cls, values: Any) -> Any:
        if isinstance(values, dict) and values.get("version") == 1:
            return {"version": 2, "sets": [_upgraded(column) for column in values["columns"]]}
        return values


def read_set_scores(project: Project) -> list[SetScores]:
    """Read the scores of all sets: one per run, kind of set and extractor; nothing when the file cannot be read."""
    try:
        return parse_set_scores(project.scores_path)
    except (OSError, ValueError):
        return []


def parse_set_scores(path: Path) -> list[SetScores]:
    """Read the scores of all sets from a file.

    Raises
    ------
    OSError, ValueError
        If it cannot be read.
    """
    try:
        return list(ScoresFile.parse(read_object(path)).sets)
    except (KeyError, TypeError, AttributeError) as error:  # of an earlier format
        raise ValueError(f"it lacks {error}") from None


def write_set_scores(project: Project, sets: Iterable[SetScores]) -> None:
    """Write the scores of all sets."""
    content = ScoresFile(sets=tuple(sets)).model_dump(mode="json")
    write_text(project.scores_path, json.dumps(content, indent=1))


def _upgraded(column: dict[str, Any]) -> dict[str, Any]:
    """Turn an entry of format 1 into one of format 2."""
    memorisation = dict(column["memorisation"])
    if test := memorisation.get("test"):
        memorisation["test"] = _renamed(test, words="message")
    return {
        **{name: column[name] for name in ("run", "samples", "extractor", "number", "made")},
        "fingerprint": column["digest"],
        **column.get("asked", {}),
        "scores": [_upgraded_score(score) for score in column["scores"]],
        "memorisation": memorisation,
        "variety": column.get("collapse") or None,
        "mask_fit": column.get("fits") or None,
    }


def _upgraded_score(score: dict[str, Any]) -> dict[str, Any]:
    ends = ("low", "high", "real_low", "real_high")
    kept = {name: value for name, value in score.items() if name not in ends}
    low, high, real_low, real_high = (score[name] for name in ends)
    intervals = {"interval": {"low": low, "high": high}, "originals": {"low": real_low, "high": real_high}}
    return _renamed(kept, alike="matched_value", n_fake="n_synthetic", words="message") | intervals


def _renamed(values: dict[str, Any], **names: str) -> dict[str, Any]:
    return {names.get(name, name): value for name, value in values.items()}
