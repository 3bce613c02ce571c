"""Masks drawn by a trained mask generator, each checked; those that fail are kept apart with the reason."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.device import pick_device, random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tiling import cut_pair, list_tiles
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.synthesis.mask_check import MaskCheck, MaskChecker, object_sizes, summarize

MOST_APART = 200  # failed masks that are kept on disk


class DrawnMasks:
    """A mask generator that gives the mask of any index, with its check.

    Parameters
    ----------
    run : Run
        A training that draws masks.
    real : sequence of SamplePair
        The real pairs, whose masks set the limits of the check.
    device : str
        ``"auto"``, ``"cpu"``, ...

    Attributes
    ----------
    checks : list of MaskCheck
        Of all masks so far.
    sizes : list of int
        Pixels of every object of all masks so far.
    failed : list of (NDArray (Y, X) int32, MaskCheck)
        Masks that failed, at most 200.

    Raises
    ------
    UserError
        If the run draws no masks, or has no whole checkpoint.
    """

    def __init__(self, run: Run, real: Sequence[SamplePair], device: str = "auto") -> None:
        if run.recipe.shape != "mask":
            raise UserError(
                f"Run {run.name} draws {run.recipe.draws}.",
                "Expected a run that draws masks.",
                "Train one with draws=masks, or name another run.",
            )
        self.run, self.codec = run, run.codec
        self.device = pick_device(device)
        self.gan = new_generator(run.recipe, run.spec).to(self.device)
        self.checkpoint = run.load(self.gan)
        upright = run.recipe.tiles.replace(turn=False, flip=False)
        tiles = [cut_pair(real[tile.pair], tile) for tile in list_tiles(real, upright) if tile.kept]
        self.checker = MaskChecker(run.codec, tiles)
        self.checks: list[MaskCheck] = []
        self.sizes: list[int] = []
        self.failed: list[tuple[NDArray[np.int32], MaskCheck]] = []

    def draw(self, *seed: int | str, variety: float = 1.0) -> tuple[NDArray[np.int32], MaskCheck]:
        """The mask (Y, X) int32 of a seed, and what the check found; the same seed gives the same mask."""
        import torch

        stream = random_stream(self.device, *seed)
        classes = len(self.codec.image_classes)
        image_class = torch.tensor([int(seed[-2]) % classes], device=self.device) if classes else None
        field = self.gan.sample(stream, image_class=image_class, variety=variety)[0].float().cpu().numpy()
        labels = self.codec.decode_mask(field)
        check = self.checker(field, labels)
        self.checks.append(check)
        self.sizes += object_sizes(labels, self.codec)
        if not check.passed and len(self.failed) < MOST_APART:
            self.failed.append((labels, check))
        return labels, check

    def report(self) -> dict[str, Any]:
        """The decode report of all masks drawn so far."""
        return {"run": self.run.name, "checkpoint": self.checkpoint.step} | summarize(
            self.checks, self.sizes, self.checker
        )

    def keep_apart(self, folder: Path) -> None:
        """Write the masks that failed as TIFF, and ``reasons.json`` beside them."""
        import tifffile

        if not self.failed:
            return
        folder.mkdir(parents=True, exist_ok=True)
        reasons = {}
        for number, (labels, check) in enumerate(self.failed):
            name = f"mask_{number:04d}.tif"
            part = folder / f"{name}.part"
            tifffile.imwrite(part, labels, compression="zlib")
            part.rename(folder / name)
            reasons[name] = check.as_dict()
        write_text(folder / "reasons.json", json.dumps(reasons, indent=1))


def check_same_masks(painter: Run, masks: Run) -> None:
    """Raise if a painter cannot paint what a mask generator draws."""
    for what in ("mask_kind", "class_names"):
        wanted, found = getattr(painter.codec, what), getattr(masks.codec, what)
        if wanted != found:
            raise UserError(
                f"Run {masks.name} draws {found if isinstance(found, str) else ', '.join(found)}.",
                f"Run {painter.name} paints {wanted if isinstance(wanted, str) else ', '.join(wanted)}.",
                "Train both on the same pairs.",
            )
