"""StarDist (Schmidt 2018, arXiv 1806.03535) in torch; rays, shapes and matching by the stardist package itself.

A U-Net tells for each pixel how central it is in an object and how far the edge is in each of 32 directions. The best
of the shapes that overlap survive. Architecture, losses, training and thresholds are those of stardist 0.9, which
trains with TensorFlow; here that is not needed, and a saved model opens there.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters.base import Prediction, Segmenter, has_bf16
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool, intensity_range, normalise, reflect_to
from napari_organoid_synth.core.segmentation.segmenters.stardist_config import StarDistConfig

EPOCH = 100  # steps after which the held-back loss is looked at
FEATURES = 128  # maps of the convolution before the two heads
BACKGROUND = 1e-4  # weight of distances outside objects
DISTANCES = 0.2  # weight of the distances beside the probability
EPSILON = 1e-7  # of Keras: in Adam and against a division by zero
THRESHOLDS = 0.5, 0.4  # of probability and overlap until they are fitted
OVERLAPS = 0.3, 0.4, 0.5  # tried between shapes
MATCHES = 0.3, 0.5, 0.7  # intersection over union at which the thresholds are judged
WINDOW = 512  # px of an image predicted at once, without its surroundings
BORDER = 2  # grid points at the edge of the image that start no object
HELD = 8  # images at most, of at most 1024 px, that the thresholds are fitted on
OFFICIAL = "stardist"  # folder beside the weights
Batch = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]  # images, probabilities, distances


class StarNet(nn.Module):
    """The network of `stardist.models.StarDist2D`; every convolution has the name of its Keras layer.

    Parameters
    ----------
    in_channels : int
        Of an image.
    config : StarDistConfig

    Attributes
    ----------
    thresholds : Tensor (2,) float32
        Probability from which a pixel proposes a shape, and overlap from which the less probable of two shapes goes.
    """

    thresholds: Tensor

    def __init__(self, in_channels: int, config: StarDistConfig) -> None:
        super().__init__()
        self.depth, self.halvings, base = config.depth, config.grid.bit_length() - 1, config.channels
        widths = [base * 2**level for level in range(self.depth + 1)]
        now = in_channels

        def add(name: str, out: int, kernel: int = 3, more: int = 0) -> None:
            nonlocal now
            convolution = nn.Conv2d(now + more, out, kernel, padding=kernel // 2)
            nn.init.xavier_uniform_(convolution.weight)
            nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
            self.add_module(name, convolution)
            now = out

        for number in range(2 * self.halvings):
            add(f"conv2d_{number}" if number else "conv2d", base)
        for level in range(self.depth):
            add(f"down_level_{level}_no_0", widths[level])
            add(f"down_level_{level}_no_1", widths[level])
        add("middle_0", widths[self.depth])
        add("middle_2", widths[self.depth - 1])
        for level in reversed(range(self.depth)):
            add(f"up_level_{level}_no_0", widths[level], more=widths[level])
            add(f"up_level_{level}_no_2", widths[max(0, level - 1)])
        add("features", FEATURES)
        add("prob", 1, kernel=1)
        now = FEATURES
        add("dist", config.rays, kernel=1)
        self.register_buffer("thresholds", torch.tensor(THRESHOLDS))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Images (N, C, Y, X) to logits (N, 1, Y / grid, X / grid) and distances (N, rays, ..., ...) in px."""
        for number in range(self.halvings):
            x = self._relu(f"conv2d_{2 * number}" if number else "conv2d", x)
            x = F.max_pool2d(self._relu(f"conv2d_{2 * number + 1}", x), 2)
        skips = []
        for level in range(self.depth):
            x = self._relu(f"down_level_{level}_no_1", self._relu(f"down_level_{level}_no_0", x))
            skips.append(x)
            x = F.max_pool2d(x, 2)
        x = self._relu("middle_2", self._relu("middle_0", x))
        for level in reversed(range(self.depth)):
            x = torch.cat([F.interpolate(x, scale_factor=2.0, mode="nearest"), skips[level]], 1)
            x = self._relu(f"up_level_{level}_no_2", self._relu(f"up_level_{level}_no_0", x))
        x = self._relu("features", x)
        with torch.autocast(x.device.type, enabled=False):  # eight bits are too few for a distance of 100 px
            return self.get_submodule("prob")(x.float()), self.get_submodule("dist")(x.float())

    def _relu(self, name: str, x: Tensor) -> Tensor:
        return F.relu(self.get_submodule(name)(x), inplace=True)


def star_targets(labels: NDArray[np.int32], rays: int, grid: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """What the network should say.

    Parameters
    ----------
    labels : NDArray (Y, X) int32, 0 is background
        One id per object.
    rays, grid : int
        Directions; every how many px.

    Returns
    -------
    prob : NDArray (Y / grid, X / grid) float32 in [0, 1]
        Distance to the edge of the object, divided by the largest in that object.
    dist : NDArray (Y / grid, X / grid, rays) float32, px
        Way to the edge of the object in each direction, 0 outside.
    """
    from stardist.geometry import star_dist
    from stardist.utils import edt_prob

    present = np.zeros(int(labels.max()) + 1, bool)
    present[labels] = True
    present[0] = False
    compact = np.where(present, np.cumsum(present), 0)[labels]  # star_dist counts to 65535, edt_prob loops over ids
    coarse = np.ascontiguousarray(compact[::grid, ::grid])
    full = bool(coarse.all())  # an object without an edge would be warned about
    prob = edt_prob(np.pad(coarse, 1))[1:-1, 1:-1] if full else edt_prob(coarse)
    return prob.astype(np.float32), star_dist(compact, rays, grid=(grid, grid))


def star_loss(logit: Tensor, dist: Tensor, prob_target: Tensor, dist_target: Tensor) -> Tensor:
    """Binary cross entropy of the probability plus 0.2 times the weighted mean absolute error of the distances.

    With p the target probability, d the target and f the found distances, and means over pixels and rays:
    BCE(p) + 0.2 · (mean(p · abs(f − d)) / mean(p) + 1e-4 · mean((1 − p) · abs(f))).

    Parameters
    ----------
    logit : Tensor (N, 1, Y, X) float32
        Of the probability.
    dist : Tensor (N, rays, Y, X) float32, px
        Found distances.
    prob_target : Tensor (N, Y, X) float32 in [0, 1]
        As `star_targets` makes it.
    dist_target : Tensor (N, Y, X, rays) float32, px
        As `star_targets` makes it.

    Returns
    -------
    Tensor ()
    """
    found = dist.permute(0, 2, 3, 1)  # no copy: channels come last in memory
    weight = prob_target
    error = (weight * (found - dist_target).abs().mean(-1)).mean() / (weight.mean() + EPSILON)
    outside = ((1 - weight) * found.abs().mean(-1)).mean()
    return F.binary_cross_entropy_with_logits(logit[:, 0], weight) + DISTANCES * (error + BACKGROUND * outside)


@dataclass(frozen=True, eq=False)
class Shapes:
    """Star-convex shapes proposed in an image, row by row.

    Parameters
    ----------
    size : (int, int)
        Of the image, px.
    points : NDArray (n, 2) int, px
        Their origins (y, x).
    prob : NDArray (n,) float32 in [0, 1]
    dist : NDArray (n, rays) float32, px
        Above 0.
    """

    size: tuple[int, int]
    points: NDArray[np.int64]
    prob: NDArray[np.float32]
    dist: NDArray[np.float32]

    def labels(self, prob_threshold: float, overlap_threshold: float) -> NDArray[np.int32]:
        """Objects (Y, X) that survive: of two that overlap by more than the threshold, the more probable one."""
        from stardist.geometry import polygons_to_label
        from stardist.nms import non_maximum_suppression_sparse

        likely = self.prob > np.float32(prob_threshold)
        if not likely.any():
            return np.zeros(self.size, np.int32)
        points, prob, dist, _ = non_maximum_suppression_sparse(
            self.dist[likely], self.prob[likely], self.points[likely], nms_thresh=overlap_threshold
        )
        labels: NDArray[np.int32] = polygons_to_label(dist, points, self.size, prob)
        return labels


class StarDist(Segmenter):
    """Star-convex objects: a probability and 32 distances to the edge for each pixel.

    Of four or more real training images 15 % (at least one) are held back, as in the example of stardist. On them,
    every 100 steps, the loss is measured: when it has not fallen for `patience` times 100 steps the learning rate is
    halved, the weights with the lowest are kept, and both thresholds are fitted. Of three images none can be spared:
    then the training loss halves the rate, the last weights stay, and the thresholds are fitted on the training images.
    """

    config: StarDistConfig
    network: StarNet

    def build(self) -> nn.Module:
        """The network with Glorot weights."""
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
                "StarDist tells objects of one kind apart.",
                "Choose the U-Net, or give each object its own number in the masks.",
            )
        return StarNet(self.spec.channels, self.config)

    @property
    def _unit(self) -> int:
        """Sides of what the network sees are multiples of this, px."""
        unit: int = 2**self.config.depth * self.config.grid
        return unit

    def fit(self, pool: CropPool, steps: int, control: Control, keep: Path | None = None) -> Iterator[Event]:
        """Train with Adam, then fit the thresholds."""
        self.network.train()
        train, held = pool.hold_back()
        side = max(self._unit, min(self.config.tile, -(-pool.extent // self._unit) * self._unit))
        check = self._held_batch(held, pool.seed, side)
        optimiser = torch.optim.Adam(self.network.parameters(), self.config.learning_rate, fused=True)
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimiser, factor=0.5, patience=self.config.patience - 1, threshold=0.0
        )
        best = _Best(self.device)

        def learn(step: int) -> dict[str, Tensor]:
            while len(ahead) <= min(workers, steps - step - 1):
                ahead.append(threads.submit(self._batch, train, step + len(ahead), side))
            batch = self._send(*ahead.popleft().result())
            for group in optimiser.param_groups:  # Keras adds it to the uncorrected root of the second moment
                group["eps"] = EPSILON / (1 - group["betas"][1] ** (step + 1)) ** 0.5
            loss = self._loss(*batch)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            best.losses.append(loss.detach())
            if (step + 1) % EPOCH == 0 or step + 1 == steps:
                look()
            return {"loss": loss}

        def look() -> None:
            value = self._held_loss(check) if check else float(torch.stack(best.losses).mean())
            plateau.step(value)
            best.losses.clear()
            if check and value < best.lowest:
                best.lowest, best.weights = value, {key: one.clone() for key, one in self.network.state_dict().items()}

        with ThreadPoolExecutor(workers := min(4, os.cpu_count() or 1), "targets") as threads:
            ahead: deque[Future[Batch]] = deque()
            parts = {"network": self.network, "optimiser": optimiser, "plateau": plateau, "best": best}
            kept = self._kept(keep, pool, steps)
            yield from self._repeat(learn, steps, control, self.config.learning_rate, parts, kept)
        if best.weights:
            self.network.load_state_dict(best.weights)
        if not control.canceled:
            self.fit_thresholds(held or pool.real)

    def fit_thresholds(self, pairs: Sequence[SamplePair]) -> None:
        """Choose both thresholds by the mean accuracy of objects at IoU 0.3, 0.5 and 0.7, as stardist does.

        Parameters
        ----------
        pairs : sequence of SamplePair
            The first eight are used, of large images the first 1024 × 1024 px.
        """
        from stardist.utils import optimize_threshold

        proposed, truth = [], []
        for pair in pairs[:HELD]:
            image, labels = pair.image[:, :1024, :1024], pair.labels[:1024, :1024]
            if labels.any():
                proposed.append(self._shapes(image, None)[1])
                truth.append(self._objects(labels))
        top = max((float(shapes.prob.max(initial=0)) for shapes in proposed), default=0.0)
        best, chosen = 0.0, THRESHOLDS
        for overlap in OVERLAPS if top > 0 else ():
            found, accuracy = optimize_threshold(
                truth,
                [(shapes,) for shapes in proposed],
                model=_Marker(),
                nms_thresh=overlap,
                iou_threshs=MATCHES,
                bracket=(top / 2, top),
                verbose=0,
            )
            if accuracy > best:
                best, chosen = accuracy, (float(np.clip(found, top / 2, top)), overlap)
        with torch.no_grad():
            self.network.thresholds.copy_(torch.tensor(chosen))

    def predict(self, image: NDArray[Any]) -> Prediction:
        """Mark an image window by window; the shapes of all windows then compete together."""
        self._check(image)
        prob_threshold, overlap_threshold = self.network.thresholds.tolist()
        probability, shapes = self._shapes(image, prob_threshold)
        labels = shapes.labels(prob_threshold, overlap_threshold)
        if self.spec.mask_kind == "binary":
            labels = (labels > 0).astype(np.int32)
        grid, (height, width) = self.config.grid, labels.shape
        return Prediction(labels, probability.repeat(grid, 0).repeat(grid, 1)[None, :height, :width])

    def save(self, folder: Path) -> None:
        """Write weights and description, and beside them the model for the stardist package."""
        super().save(folder)
        self.export(folder / OFFICIAL)

    def export(self, folder: Path) -> None:
        """Write a model folder that ``stardist.models.StarDist2D(None, folder.name, folder.parent)`` opens.

        It expects an image (Y, X) or (Y, X, C) as it was normalised here:
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

    # --- inside ---

    def _batch(self, pool: CropPool, step: int, side: int) -> Batch:
        """Images (N, C, Y, X), probabilities (N, Y, X) and distances (N, Y, X, rays) of a step; in a thread, ahead."""
        images, labels = pool.draw(
            step, self.config.batch, side, foreground=self.config.foreground, elastic=self.config.elastic, by_image=True
        )
        return images, *self._targets(labels)

    def _targets(self, labels: NDArray[np.int32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        made = [star_targets(self._objects(one), self.config.rays, self.config.grid) for one in labels]
        return np.stack([prob for prob, _ in made]), np.stack([dist for _, dist in made])

    def _held_batch(self, held: Sequence[SamplePair], seed: int, side: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        """One crop of each held-back image, the same every time, in batches of the training size."""
        drawn = [CropPool([pair], seed=seed).draw(0, 1, side, foreground=self.config.foreground) for pair in held]
        size = self.config.batch
        batches = []
        for start in range(0, len(drawn), size):
            images, labels = (np.concatenate(part) for part in zip(*drawn[start : start + size], strict=True))
            batches.append(self._send(images, *self._targets(labels)))
        return batches

    def _held_loss(self, batches: list[tuple[Tensor, Tensor, Tensor]]) -> float:
        with torch.inference_mode():
            losses = torch.stack([self._loss(*batch) for batch in batches])
        sizes = torch.tensor([float(len(batch[0])) for batch in batches], device=losses.device)
        return float((losses * sizes).sum() / sizes.sum())

    def _loss(self, images: Tensor, prob: Tensor, dist: Tensor) -> Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=has_bf16(self.device)):
            logit, found = self.network(images)
        return star_loss(logit, found, prob, dist)

    def _send(self, *arrays: NDArray[np.float32]) -> tuple[Tensor, Tensor, Tensor]:
        tensors = [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]
        if self.device.type == "cuda":  # so that the copy runs beside the network
            tensors = [tensor.pin_memory() for tensor in tensors]
        images, prob, dist = (tensor.to(self.device, non_blocking=True) for tensor in tensors)
        return images.contiguous(memory_format=torch.channels_last), prob, dist

    @torch.inference_mode()
    def _shapes(self, image: NDArray[Any], threshold: float | None) -> tuple[NDArray[np.float32], Shapes]:
        """Probability (Y / grid, X / grid) of an image and the shapes of all points above a threshold.

        Without a threshold, of all points above half of the highest probability. Each window is predicted with the
        surroundings that can influence it, so that the result is that of the whole image; in float32 on every device,
        so that the official package gives the same.
        """
        self.network.eval()
        grid, unit, (height, width) = self.config.grid, self._unit, image.shape[1:]
        padded = reflect_to(
            normalise(image, *intensity_range(image)), -(-height // unit) * unit, -(-width // unit) * unit
        )
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


class _Best:
    """What is remembered between two looks at the held-back images."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.lowest = float("inf")  # held-back loss
        self.weights: dict[str, Tensor] = {}  # that reached it
        self.losses: list[Tensor] = []  # of training, since the last look

    def state_dict(self) -> dict[str, Any]:
        return {"lowest": self.lowest, "weights": self.weights, "losses": self.losses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.lowest, self.weights = state["lowest"], state["weights"]
        self.losses = [loss.to(self.device) for loss in state["losses"]]


class _Marker:
    """What stardist's search for thresholds calls."""

    @staticmethod
    def _instances_from_prediction(
        shape: tuple[int, int], shapes: Shapes, prob_thresh: float, nms_thresh: float
    ) -> tuple[NDArray[np.int32], None]:
        return shapes.labels(prob_thresh, nms_thresh), None


def _cuts(length: int, unit: int) -> list[int]:
    """Where windows of at most 512 px and of about the same size begin and end, in multiples of the unit."""
    number = -(-length // max(WINDOW, unit))
    return [round(index * length / unit / number) * unit for index in range(number + 1)]
