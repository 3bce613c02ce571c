"""Pairs and images from a trained generator as arrays in memory; no project is needed."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.device import use_threads
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.arrays import PairLike, as_pairs
from napari_organoid_synth.core.pairs.ome_tiff import as_labels
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.synthesis.mask_sources import MaskSource, masks_of, project_masks
from napari_organoid_synth.core.synthesis.sampler import Sampler
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.core.synthesis.trained_generator import ModelSource, TrainedGenerator

logger = logging.getLogger(__name__)


def make_pairs(
    model: ModelSource,
    number: int,
    seed: int = 0,
    pairs: Iterable[PairLike] | None = None,
    settings: GenerateSettings | None = None,
) -> list[SamplePair]:
    """Make synthetic pairs with a trained generator.

    Parameters
    ----------
    model : Run, Path or str
        A run, the folder of one, or a ``.synth`` file.
    number : int
        Of pairs. One for which no usable mask is found in 20 attempts is left out, with a warning in the log.
    seed : int
        The same model, settings and seed give the same pairs; a larger number begins with the same ones.
    pairs : iterable of SamplePair or (image, labels), optional
        Real pairs whose masks a painter paints on, as ``settings.masks`` says: warped, as they are, or measured.
        Default: the training pairs of the project that the run lies in. Generators that draw masks need none.
    settings : GenerateSettings, optional
        Checkpoint, kind of masks, variety, image class, background, device; its run, number and seed are not used.

    Returns
    -------
    list of SamplePair
        Images in the type of the training images; their source holds the provenance. The same as the verb `generate`
        puts into a project.

    Raises
    ------
    UserError
        If the model cannot be read or draws masks alone, there are no masks to paint on, or none of them is usable.
    """
    settings = (settings or GenerateSettings()).replace(number=number, seed=seed)
    use_threads()
    trained = TrainedGenerator.open(model, settings.checkpoint, settings.device)
    real = None if pairs is None else as_pairs(pairs)
    sampler = Sampler(trained, settings, _masks(model, trained, real, settings))
    first = settings.first or 0
    made = sampler.keep(sampler.draw(range(first, first + number)))
    sampler.check()
    if sampler.blank:
        logger.warning("%d of %d images were left out: every pixel has the same value.", sampler.blank, number)
    if sampler.missing:
        logger.warning("%d of %d pairs were left out: no usable mask was found.", sampler.missing, number)
    return made


def paint(
    model: ModelSource, masks: Iterable[NDArray[Any]], seed: int = 0, settings: GenerateSettings | None = None
) -> list[NDArray[Any]]:
    """Paint images onto your own masks.

    Parameters
    ----------
    model : Run, Path or str
        A run of a painter, the folder of one, or a ``.synth`` file.
    masks : iterable of array (Y, X)
        Labels as in the training masks, 0 is background; of any size. Large ones are painted tile by tile.
    seed : int
        The same model, mask, place in the list and seed give the same image.
    settings : GenerateSettings, optional
        Checkpoint, variety, image class, background and device; nothing else of it is used.

    Returns
    -------
    list of NDArray (C, Y, X)
        One for each mask, in the type of the training images.

    Raises
    ------
    UserError
        If the model cannot be read or is not a painter, or a mask is empty, not whole numbers, or has a class that the
        training masks lack.
    """
    settings = (settings or GenerateSettings()).replace(seed=seed)
    use_threads()
    labels = [_mask(np.asarray(mask), f"mask {number}") for number, mask in enumerate(masks)]
    trained = TrainedGenerator.open(model, settings.checkpoint, settings.device)
    return [pair.image for pair in Sampler(trained, settings).paint(labels)]


def _masks(
    model: ModelSource, trained: TrainedGenerator, pairs: Sequence[SamplePair] | None, settings: GenerateSettings
) -> MaskSource | None:
    """Return the masks that a painter paints on: of the pairs, or of the project of the run."""
    if trained.shape != "painter":
        return None
    project = _project_of(model) if pairs is None else None
    return project_masks(project, trained, settings) if project else masks_of(trained, pairs or (), settings)


def _project_of(model: ModelSource) -> Project | None:
    """Return the project whose folder ``runs`` holds a run, if there is one."""
    if isinstance(model, TrainedGenerator):
        return None
    path = model.path if isinstance(model, Run) else Path(model).expanduser().resolve()
    try:
        return Project(path.parent.parent, make=False)
    except UserError:
        return None


def _mask(values: NDArray[Any], name: str) -> NDArray[np.int32]:
    if values.ndim != 2:
        raise UserError(f"The {name} has shape {values.shape}.", "Expected (y, x).", "Pass masks one by one in a list.")
    return as_labels(values, f"'{name}'")
