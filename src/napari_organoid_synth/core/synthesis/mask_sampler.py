"""Masks from a trained mask generator, each checked; those that fail are kept with the reason."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_bytes, write_text
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import cut_pair, list_tiles, used_whole
from napari_organoid_synth.core.quantities import capital
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.synthesis.decode_report import DecodeReport
from napari_organoid_synth.core.synthesis.mask_check import MaskCheck, MaskChecker, object_sizes, summarize
from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

MAX_KEPT = 200  # failed masks that are kept on disk


class MaskSampler:
    """A mask generator that gives the mask of any seed, with its check.

    Parameters
    ----------
    run : Run
        A training that draws masks.
    real : sequence of SamplePair
        The real pairs, whose masks set the limits of the check.
    device : str
        ``"auto"``, ``"cpu"``, ...
    checkpoint : str
        ``"newest"``, ``"best"``, or a step.

    Attributes
    ----------
    tiles : list of SamplePair
        Real tiles.
    checks : list of MaskCheck
        Of all masks so far.
    sizes : list of int
        Pixels of every object of all masks so far.
    failed : list of (NDArray (Y, X) int32, MaskCheck)
        Masks that failed, at most 200.

    Raises
    ------
    UserError
        If the run does not draw masks, or has no whole checkpoint.
    """

    def __init__(self, run: Run, real: Sequence[SamplePair], device: str = "auto", checkpoint: str = "newest") -> None:
        if run.recipe.shape != "mask":
            raise UserError(
                f"{capital(run.title)} draws {run.recipe.draws}.",
                "Expected a run that draws masks.",
                "Train one with draws=masks, or name another run.",
            )
        self.model = TrainedGenerator.from_run(run, checkpoint, device)
        self.tiles = real_tiles(run, real)
        self.checker = MaskChecker(run.codec, self.tiles)
        self.checks: list[MaskCheck] = []
        self.sizes: list[int] = []
        self.failed: list[tuple[NDArray[np.int32], MaskCheck]] = []

    def draw(self, *seed: int | str, variety: float = 1.0) -> tuple[NDArray[np.int32], MaskCheck]:
        """Draw the mask (Y, X) int32 of a seed and check it; the same seed gives the same mask.

        Parameters
        ----------
        *seed : int or str
            The last but one is the index of the sample.
        variety : float
            Spread of the noise, 1 as trained.
        """
        codec = self.model.codec
        stream = random_stream(self.model.device, *seed)
        image_class = int(seed[-2]) % max(len(codec.graded), 1)
        field = self.model.draw_fields([stream], [image_class], variety)[0]
        labels = codec.decode_mask(field)
        check = self.checker(field, labels)
        self.checks.append(check)
        self.sizes += object_sizes(labels, codec)
        if not check.passed and len(self.failed) < MAX_KEPT:
            self.failed.append((labels, check))
        return labels, check

    def report(self) -> DecodeReport:
        """Summarize the checks of all masks drawn so far."""
        summary = summarize(self.checks, self.sizes, self.checker)
        return summary.replace(run=self.model.name, checkpoint=self.model.step)

    def write_failed(self, folder: Path) -> None:
        """Write the masks that failed as TIFF, and ``reasons.json`` beside them."""
        reasons = {}
        for number, (labels, check) in enumerate(self.failed):
            name = f"mask_{number:04d}.tif"
            write_mask(folder / name, labels)
            reasons[name] = check.as_dict()
        if reasons:
            write_text(folder / "reasons.json", json.dumps(reasons, indent=1))


def write_mask(path: Path, labels: NDArray[np.int32]) -> Path:
    """Write labels (Y, X) as TIFF, and return the file."""
    import tifffile

    stream = io.BytesIO()
    tifffile.imwrite(stream, labels, compression="zlib")
    write_bytes(path, stream.getvalue())
    return path


def real_tiles(run: Run, real: Sequence[SamplePair]) -> list[SamplePair]:
    """Cut the upright tiles of real pairs, of the size that a run draws."""
    settings = run.recipe.tiles
    upright, real = settings.replace(turn=False, flip=False, size=settings.side), used_whole(real, settings)
    return [cut_pair(real[tile.pair], tile) for tile in list_tiles(real, upright) if tile.kept]


def check_same_masks(painter: TrainedGenerator, masks: TrainedGenerator) -> None:
    """Raise `UserError` if a painter cannot paint on the masks of a mask generator."""
    for what in ("mask_kind", "class_names"):
        paints, draws = getattr(painter.codec, what), getattr(masks.codec, what)
        if paints != draws:
            raise UserError(
                f"{capital(masks.title)} draws {draws if isinstance(draws, str) else ', '.join(draws)}.",
                f"{capital(painter.title)} paints {paints if isinstance(paints, str) else ', '.join(paints)}.",
                "Train both on the same pairs.",
            )
