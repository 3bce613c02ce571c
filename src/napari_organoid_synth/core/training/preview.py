"""Live samples of a training."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.pairs.tiling import middle
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.training.dataset import PairDataset, decode_sample

if TYPE_CHECKING:
    from napari_organoid_synth.core.generators.base import Generator


class PreviewWriter:
    """Draws samples always from the same masks and noise, so that steps can be compared, and writes them into the run.

    Parameters
    ----------
    run : Run
    dataset : PairDataset
        Its upright tiles give a painter masks to paint on.
    generator : Generator
    """

    def __init__(self, run: Run, dataset: PairDataset, generator: Generator) -> None:
        self.run, self.generator = run, generator
        settings = run.recipe.train
        self.seeds = [("preview", settings.seed, number) for number in range(settings.previews)]
        self.condition, self.labels = None, []
        classes = max(len(run.codec.image_classes), 1)
        self.image_class = torch.arange(settings.previews, device=generator.device) % classes
        if generator.kind == "painter":
            upright = [i for i, tile in enumerate(dataset.tiles) if not tile.turns and not tile.flip]
            upright = upright or list(range(len(dataset)))
            tiles = [upright[i] for i in np.linspace(0, len(upright) - 1, settings.previews).round().astype(int)]
            self.condition = dataset.batch(tiles).mask.to(generator.device)
            self.labels = [dataset.pair(i).labels for i in tiles]

    def write(self, step: int) -> Path:
        """Draw and write the samples of a step."""
        streams = [random_stream(self.generator.device, *seed) for seed in self.seeds]
        samples = self.generator.look(streams, condition=self.condition, image_class=self.image_class)
        decoded = [decode_sample(sample, self.run.codec, self.run.spec) for sample in samples]
        # a mask generator shows the field that it draws, an image generator an empty mask
        fields = middle(samples.float().cpu().numpy(), self.run.spec.whole)
        images = [field if image is None else image for field, (image, _) in zip(fields, decoded, strict=True)]
        nothing = np.zeros(fields.shape[-2:], np.int32)
        labels = self.labels or [nothing if mask is None else mask for _, mask in decoded]
        return self.run.write_preview(step, np.stack(images), np.stack(labels))
