"""U-Net (Ronneberger 2015, arXiv 1505.04597) from MONAI, for binary masks, named classes and instances."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event
from napari_organoid_synth.core.segmentation.segmenters.base import Prediction, Segmenter
from napari_organoid_synth.core.segmentation.segmenters.compiling import compiled
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.held_score import (
    held_images,
    in_batches,
    mean_dice,
)
from napari_organoid_synth.core.segmentation.segmenters.instances import outline_classes, split_instances
from napari_organoid_synth.core.segmentation.segmenters.network_input import (
    reflect_to,
    unfit,
    whole_image,
)
from napari_organoid_synth.core.segmentation.segmenters.original_unet import OriginalUNet
from napari_organoid_synth.core.segmentation.segmenters.plateau import FLOOR, Plateau
from napari_organoid_synth.core.segmentation.segmenters.unet_config import UNetConfig
from napari_organoid_synth.core.segmentation.segmenters.whole_images import (
    favoured,
    is_single,
    min_area,
    objects_of,
    turned,
    weighted_cross_entropy,
)


class UNet(Segmenter):
    """Two 3×3 convolutions per level, skips by concatenation; loss Dice + cross entropy.

    Instances are learned as three classes (background, inside, outline) and separated by a watershed that starts from
    the insides, so that touching cells stay apart. With ``study`` whole images are learned and cleaned as by
    `MultiscaleAdversarial`, and instances are connected pieces.
    """

    config: UNetConfig

    @property
    def n_maps(self) -> int:
        """Number of output maps: background and classes; for instances background, inside and outline."""
        if self.spec.mask_kind == "instances":
            return 2 if self.config.study else 3
        return 1 + len(self.spec.class_names)

    def build(self) -> nn.Module:
        """Build MONAI's DynUNet or the original network, of the configured width and depth."""
        network = self._bare()
        if self.config.study:
            network.register_buffer("single", torch.tensor(False))  # no training mask has two objects
        return network

    def _bare(self) -> nn.Module:
        from monai.networks.nets.dynunet import DynUNet

        depth, width = self.config.depth, self.config.channels
        if self.config.network == "original":
            return OriginalUNet(self.spec.channels, self.n_maps, width, depth)
        network: nn.Module = DynUNet(
            spatial_dims=2,
            in_channels=self.spec.channels,
            out_channels=self.n_maps,
            kernel_size=[3] * (depth + 1),
            strides=[1] + [2] * depth,
            upsample_kernel_size=[2] * depth,
            filters=[width * 2**level for level in range(depth + 1)],
        )
        return network

    def fit(
        self, pool: CropPool, steps: int, control: Control, keep: Path | None = None, floor: int = FLOOR
    ) -> Iterator[Event]:
        """Train with AdamW."""
        config = self.config
        self.network.train()
        self.usual = pool.usual
        if config.study:
            pool = yield from favoured(pool, config, self.facts)
            smallest = [min_area(config.smallest, config.tile, pair.size) for pair in pool.real]
            single: Any = self.network.single
            single.fill_(all(map(is_single, pool.real, smallest)))
        optimiser = torch.optim.AdamW(self.network.parameters(), config.learning_rate, fused=True)
        loss_of = self._loss(pool)
        side = self._side(pool.extent)
        held = held_images(pool, config.batch, side, config.sees_whole)
        course = Plateau(steps, floor, held is not None)
        forward = compiled(self.network) if config.compile else None

        def learn(step: int) -> dict[str, torch.Tensor]:
            images, labels = pool.draw(step, config.batch, side, config.sees_whole)
            if config.study and config.turn:
                images, labels = turned(images, labels, np.random.default_rng((pool.seed, step, 1)))
            logits = self._logits(self._to_device(images), forward)
            loss = loss_of(logits, torch.from_numpy(self._target(labels)).to(self.device))
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            return {"loss": loss}

        score = self._scored(*held, pool.scored) if held else None
        kept = self._kept(keep, pool, course)
        yield from self._repeat(learn, {"optimiser": optimiser}, course, score, control, kept)

    def _loss(self, pool: CropPool) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
        """Return the loss of logits (N, K, Y, X) and classes (N, Y, X)."""
        from monai.losses.dice import DiceLoss

        weights = self._class_weights(pool)
        if self.config.study:
            foreground, largest = self.config.foreground_weight, self.config.largest_weight
            return lambda logits, target: weighted_cross_entropy(logits, target, foreground, largest)
        dice = DiceLoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
        return lambda logits, target: dice(logits, target[:, None]) + F.cross_entropy(logits, target, weights)

    def _scored(
        self, images: NDArray[np.float32], labels: NDArray[np.int32], scored: Sequence[int]
    ) -> Callable[[], float]:
        """Return what computes the mean Dice of the classes on crops (N, C, Y, X) with labels (N, Y, X)."""
        inputs, truth = self._to_device(images), torch.from_numpy(self._target(labels)).to(self.device)

        def score() -> float:
            found = in_batches(lambda part: self._logits(part).argmax(dim=1), self.config.batch, inputs)
            return mean_dice(torch.cat(found), truth, self.n_maps, scored).item()

        return score

    @torch.inference_mode()
    def predict(self, image: NDArray[Any]) -> Prediction:
        """Predict in windows of the training size, blended with Gaussian weights, or the image as a whole."""
        self._check(image)
        planes = self.normalised(image)
        return self.visible(planes, self.mark(planes))

    @torch.inference_mode()
    def mark(self, planes: NDArray[np.float32]) -> Prediction:
        """Predict from a normalised image (C, Y, X)."""
        from monai.inferers.utils import sliding_window_inference

        self.network.eval()
        height, width = planes.shape[1:]
        if self.config.sees_whole:
            inputs = whole_image(planes, self.config.tile)
            shares = self._logits(self._to_device(inputs[None])).softmax(dim=1)[0].cpu().numpy()
            return self._marked(unfit(shares, (height, width)).clip(0, 1))
        side = self._side(max(height, width))
        padded = reflect_to(planes, side, side)
        probability: Any = sliding_window_inference(
            torch.from_numpy(padded[None]),
            roi_size=(side, side),
            sw_batch_size=4,
            predictor=lambda windows: self._logits(windows).softmax(dim=1),
            overlap=0.25,
            mode="gaussian",
            sw_device=self.device,
            device=torch.device("cpu"),
        )
        return self._marked(probability[0, :, :height, :width].numpy())

    def _marked(self, shares: NDArray[np.float32]) -> Prediction:
        """Return labels and probabilities from probabilities (1 + K, Y, X) that include the background."""
        instances = self.spec.mask_kind == "instances"
        if self.config.study:
            single = bool(self.network.single)
            return Prediction(objects_of(shares, self.config, self.config.tile, single, instances), shares[1:])
        if instances:
            return Prediction(split_instances(shares), np.stack([1 - shares[0], shares[2]]))
        return Prediction(shares.argmax(axis=0).astype(np.int32), shares[1:])

    def _side(self, extent: int) -> int:
        """Return the side of crops or windows, px: no larger than images need, divisible by all halvings."""
        if self.config.sees_whole:
            return self.config.tile
        unit: int = 2**self.config.depth  # instance norm needs at least 2 × 2 px on the deepest level
        return max(2 * unit, min(self.config.tile, -(-extent // unit) * unit))

    def _class_weights(self, pool: CropPool) -> torch.Tensor | None:
        """Return the weight of each class in the cross entropy, a weighted mean.

        ``balanced`` is N / (K · N_k) of all N pixels of the real masks with K classes; 1 for a class without pixels.
        """
        setting = self.config.class_weights
        if setting == "none":
            return None
        if setting == "balanced":
            counts = sum(np.bincount(self._target(pair.labels).ravel(), minlength=self.n_maps) for pair in pool.real)
            weights = np.where(counts > 0, np.sum(counts) / (self.n_maps * np.maximum(counts, 1)), 1.0)
        else:
            weights = np.array([float(number) for number in setting.split(",")])
        if len(weights) != self.n_maps:
            names = ("inside", "outline") if self.spec.mask_kind == "instances" else self.spec.class_names
            raise UserError(
                f"class_weights has {len(weights)} numbers: {setting}.",
                f"Expected {self.n_maps}: background, {', '.join(names)}.",
                "Give one number for each, or 'balanced'.",
            )
        return torch.tensor(weights, dtype=torch.float32, device=self.device)

    def _target(self, labels: NDArray[np.int32]) -> NDArray[np.int64]:
        """Return the class of each pixel: its label; for instances 1 inside and 2 on the outline."""
        if self.config.study and self.spec.mask_kind == "instances":
            return (labels > 0).astype(np.int64)
        return outline_classes(labels) if self.spec.mask_kind == "instances" else labels.astype(np.int64)
