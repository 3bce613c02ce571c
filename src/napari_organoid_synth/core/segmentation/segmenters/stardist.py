"""StarDist (Schmidt 2018, arXiv 1806.03535) in torch; rays, shapes and matching by the stardist package itself.

A U-Net predicts for each pixel how central it is in an object, and how far the edge is in each of 32 directions. Of
shapes that overlap the most probable survive. Architecture, losses, optimiser and thresholds are those of stardist
0.9, which trains with TensorFlow; TensorFlow is not needed here, and a saved model opens there.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters.base import Prediction, Segmenter, has_bf16
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.held_score import held_images, in_batches, overlap
from napari_organoid_synth.core.segmentation.segmenters.network_input import reflect_to
from napari_organoid_synth.core.segmentation.segmenters.plateau import FLOOR, Plateau
from napari_organoid_synth.core.segmentation.segmenters.stardist_config import StarDistConfig
from napari_organoid_synth.core.segmentation.segmenters.stardist_net import EPSILON, StarNet, star_loss, star_targets
from napari_organoid_synth.core.segmentation.segmenters.stardist_shapes import Shapes, fit_thresholds

WINDOW = 512
"""Side of a window that is predicted at once, without its surroundings, px."""
BORDER = 2
"""Grid points at the edge of the image that start no object."""
MAX_IMAGES = 8
"""Images, at most 1024 px large, that the thresholds are fitted on."""
OFFICIAL = "stardist"
"""Folder of the model for the stardist package, beside the weights."""
Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Images, probabilities, distances."""


class StarDist(Segmenter):
    """Star-convex objects: a probability and 32 distances to the edge for each pixel.

    It learns as in the stardist package, but ends by the rule of all segmenters (`Plateau`). Both thresholds are fitted
    on the held-back pairs; without any on the training images, which makes them optimistic.
    """

    config: StarDistConfig
    network: StarNet

    def build(self) -> nn.Module:
        """Build the network with Glorot weights."""
        try:
            import h5py  # noqa: F401
            import stardist  # noqa: F401
        except ModuleNotFoundError as error:
            raise UserError(
                f"The package '{error.name}' is not installed.",
                "The segmenter StarDist needs stardist and h5py, but no TensorFlow.",
                'Run: pip install "napari-organoid-synth[stardist]"',
            ) from None
        if self.spec.mask_kind == "classes":
            raise UserError(
                f"The masks hold classes ({', '.join(self.spec.class_names)}).",
                "StarDist separates objects of one class.",
                "Choose the U-Net, or give each object its own number in the masks.",
            )
        return StarNet(self.spec.channels, self.config)

    @property
    def _unit(self) -> int:
        """Unit of the sides of the network's input, px: they are multiples of it."""
        unit: int = 2**self.config.depth * self.config.grid
        return unit

    def fit(
        self, pool: CropPool, steps: int, control: Control, keep: Path | None = None, floor: int = FLOOR
    ) -> Iterator[Event]:
        """Train with Adam, then fit the thresholds, on held-back pairs if there are any."""
        self.network.train()
        self.usual = pool.usual
        side = max(self._unit, min(self.config.tile, -(-pool.extent // self._unit) * self._unit))
        held = held_images(pool, self.config.batch, side)
        course = Plateau(steps, floor, held is not None)
        optimiser = torch.optim.Adam(self.network.parameters(), self.config.learning_rate, fused=True)

        def learn(step: int) -> dict[str, Tensor]:
            while len(ahead) <= min(workers, course.end - step - 1):
                ahead.append(threads.submit(self._batch, pool, step + len(ahead), side))
            batch = self._send(*ahead.popleft().result())
            for group in optimiser.param_groups:  # Keras adds it to the uncorrected root of the second moment
                group["eps"] = EPSILON / (1 - group["betas"][1] ** (step + 1)) ** 0.5
            loss = self._loss(*batch)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            return {"loss": loss}

        score = self._scored(*held) if held else None
        with ThreadPoolExecutor(workers := min(4, os.cpu_count() or 1), "targets") as threads:
            ahead: deque[Future[Batch]] = deque()
            kept = self._kept(keep, pool, course)
            yield from self._repeat(learn, {"optimiser": optimiser}, course, score, control, kept)
        if not control.canceled:
            self.fit_thresholds([pair for pair in pool.held if pair.labels.any()] or pool.real)

    def _scored(self, images: NDArray[np.float32], labels: NDArray[np.int32]) -> Callable[[], float]:
        """Return what computes the mean soft IoU of probabilities and distances on crops with labels (N, Y, X)."""
        inputs, prob, dist = self._send(images, *self._targets(labels))

        def compare(image: Tensor, centre: Tensor, far: Tensor) -> Tensor:
            logit, found = self.network(image)
            object_weight = (centre > 0)[..., None]
            shapes = overlap(found.permute(0, 2, 3, 1).clamp(min=0) * object_weight, far * object_weight)
            return torch.stack([overlap(logit[:, 0].sigmoid(), centre), shapes])

        def score() -> float:
            sums = torch.stack(in_batches(compare, self.config.batch, inputs, prob, dist)).sum(dim=0)
            return (sums[:, 0] / sums[:, 1].clamp(min=EPSILON)).mean().item()

        return score

    def fit_thresholds(self, pairs: Sequence[SamplePair]) -> None:
        """Choose both thresholds by the mean accuracy of objects at IoU 0.3, 0.5 and 0.7, as stardist does.

        Parameters
        ----------
        pairs : sequence of SamplePair
            The first eight, cut to 1024 × 1024 px, are used.
        """
        proposed, truth = [], []
        for pair in pairs[:MAX_IMAGES]:
            image, labels = pair.image[:, :1024, :1024], pair.labels[:1024, :1024]
            if labels.any():
                proposed.append(self._shapes(image, None)[1])
                truth.append(self._objects(labels))
        thresholds = fit_thresholds(proposed, truth)
        with torch.no_grad():
            self.network.thresholds.copy_(torch.tensor(thresholds))

    def predict(self, image: NDArray[Any]) -> Prediction:
        """Predict window by window; then the shapes of all windows compete."""
        self._check(image)
        prob_threshold, overlap_threshold = self.network.thresholds.tolist()
        probability, shapes = self._shapes(image, prob_threshold)
        labels = shapes.labels(prob_threshold, overlap_threshold)
        if self.spec.mask_kind == "binary":
            labels = (labels > 0).astype(np.int32)
        grid, (height, width) = self.config.grid, labels.shape
        prediction = Prediction(labels, probability.repeat(grid, 0).repeat(grid, 1)[None, :height, :width])
        return self.visible(self.normalised(image), prediction)

    def save(self, folder: Path) -> None:
        """Write weights and description, and beside them the model for the stardist package."""
        super().save(folder)
        self.export(folder / OFFICIAL)

    def export(self, folder: Path) -> None:
        """Write a model folder that ``stardist.models.StarDist2D(None, folder.name, folder.parent)`` opens.

        It expects an image (Y, X) or (Y, X, C) normalised as here:
        ``csbdeep.utils.normalize(image, 1, 99.8, axis=(0, 1)).clip(-1, 4)``.
        """
        from napari_organoid_synth.core.segmentation.segmenters.stardist_export import write_model

        convolutions = {
            name: (layer.weight.detach().cpu().numpy(), layer.bias.detach().cpu().numpy())
            for name, layer in self.network.named_children()
            if isinstance(layer, nn.Conv2d) and layer.bias is not None
        }
        thresholds: list[float] = self.network.thresholds.tolist()
        write_model(folder, self.config, self.spec.channels, convolutions, (thresholds[0], thresholds[1]))

    # --- training ---

    def _batch(self, pool: CropPool, step: int, side: int) -> Batch:
        """Return images (N, C, Y, X), probabilities (N, Y, X), distances (N, Y, X, rays) of a step; in a thread."""
        images, labels = pool.draw(
            step, self.config.batch, side, foreground=self.config.foreground, elastic=self.config.elastic, by_image=True
        )
        return images, *self._targets(labels)

    def _targets(self, labels: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        targets = [star_targets(self._objects(one), self.config.rays, self.config.grid) for one in labels]
        return np.stack([prob for prob, _ in targets]), np.stack([dist for _, dist in targets])

    def _loss(self, images: Tensor, prob: Tensor, dist: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=has_bf16(self.device)):
            logit, predicted = self.network(images)
        return star_loss(logit, predicted, prob, dist)

    def _send(self, *arrays: NDArray[np.float32]) -> tuple[Tensor, Tensor, Tensor]:
        tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
        if self.device.type == "cuda":  # so that the copy overlaps with computing
            tensors = [tensor.pin_memory() for tensor in tensors]
        images, prob, dist = (tensor.to(self.device, non_blocking=True) for tensor in tensors)
        return images.contiguous(memory_format=torch.channels_last), prob, dist

    @torch.inference_mode()
    def _shapes(self, image: NDArray[Any], threshold: float | None) -> tuple[NDArray[np.float32], Shapes]:
        """Predict the probability (Y / grid, X / grid) and the shapes of all points above a threshold.

        Without a threshold: of all points above half of the highest probability. Each window includes the surroundings
        that can influence it, so the result equals that of the whole image; in float32 on every device, so that the
        stardist package gives the same.
        """
        self.network.eval()
        grid, unit, (height, width) = self.config.grid, self._unit, image.shape[1:]
        padded = reflect_to(self.normalised(image), -(-height // unit) * unit, -(-width // unit) * unit)
        rows, columns = (_cuts(length, unit) for length in padded.shape[1:])
        prob = np.zeros((rows[-1] // grid, columns[-1] // grid), np.float32)
        points, dists, top = [], [], 0.0
        for y0, y1 in pairwise(rows):
            for x0, x1 in pairwise(columns):
                above, left = max(0, y0 - 7 * unit), max(0, x0 - 7 * unit)  # the network sees less than 7 units far
                part = torch.from_numpy(padded[None, :, above : y1 + 7 * unit, left : x1 + 7 * unit])
                logit, dist = self.network(part.to(self.device).contiguous(memory_format=torch.channels_last))
                box = (
                    slice((y0 - above) // grid, (y1 - above) // grid),
                    slice((x0 - left) // grid, (x1 - left) // grid),
                )
                chance = logit[0, 0][box].sigmoid()
                prob[y0 // grid : y1 // grid, x0 // grid : x1 // grid] = chance.cpu().numpy()
                top = max(top, float(chance.max()))
                likely = (chance > (top / 2 if threshold is None else threshold)).nonzero()
                dists.append(dist[0].permute(1, 2, 0)[box][likely[:, 0], likely[:, 1]].cpu().numpy())
                points.append(likely.cpu().numpy() + np.array([y0 // grid, x0 // grid]))
        where, far = np.concatenate(points), np.concatenate(dists)
        inner = (where >= BORDER) & (where < np.array(prob.shape) - BORDER) & (where * grid < (height, width))
        keep = inner.all(axis=1) & (prob[where[:, 0], where[:, 1]] > (top / 2 if threshold is None else 0))
        where, far = where[keep], far[keep]
        order = np.lexsort((where[:, 1], where[:, 0]))  # row by row, as if there were no windows
        where, far = where[order], np.maximum(far[order], np.float32(1e-3))
        return prob, Shapes((height, width), where * grid, prob[where[:, 0], where[:, 1]], far)


def _cuts(length: int, unit: int) -> list[int]:
    """Return the borders of windows of about equal size, at most 512 px, in multiples of the unit."""
    number = -(-length // max(WINDOW, unit))
    return [round(index * length / unit / number) * unit for index in range(number + 1)]
