"""U-Net (Ronneberger 2015, arXiv 1505.04597) from MONAI, for binary masks, named classes and instances."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_organoid_synth.core.configs.unet import UNetConfig
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Progress
from napari_organoid_synth.core.overlay import outline
from napari_organoid_synth.core.segmenters.base import Segmenter, has_bf16
from napari_organoid_synth.core.segmenters.crops import CropPool, intensity_range, normalise, reflect_to

REPORT_SECONDS = 0.5
SMALLEST = 15  # px; smaller instances are crumbs


class UNet(Segmenter):
    """Two 3×3 convolutions with instance norm per level, skips by concatenation; loss Dice + cross entropy.

    Instances are learned as three classes (background, inside, outline) and told apart by a watershed from the
    insides, so that touching cells stay two.
    """

    config: UNetConfig

    def build(self) -> nn.Module:
        """MONAI's DynUNet of the configured width and depth."""
        from monai.networks.nets.dynunet import DynUNet

        depth, width = self.config.depth, self.config.channels
        network: nn.Module = DynUNet(
            spatial_dims=2,
            in_channels=self.spec.channels,
            out_channels=1 + (2 if self.spec.mask_kind == "instances" else len(self.spec.class_names)),
            kernel_size=[3] * (depth + 1),
            strides=[1] + [2] * depth,
            upsample_kernel_size=[2] * depth,
            filters=[width * 2**level for level in range(depth + 1)],
        )
        return network

    def fit(self, pool: CropPool, steps: int, control: Control) -> Iterator[Event]:
        """Train with AdamW, the rate falling along a cosine."""
        from monai.losses.dice import DiceCELoss

        self.network.train()
        optimiser = torch.optim.AdamW(self.network.parameters(), self.config.learning_rate, fused=True)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
        loss_of = DiceCELoss(include_background=False, to_onehot_y=True, softmax=True, batch=True)
        side = self._side(pool.extent)
        losses: list[torch.Tensor] = []
        started = reported = time.monotonic()
        step = 0
        while step < steps and not control.canceled:
            images, labels = pool.draw(step, self.config.batch, side)
            logits = self._logits(self._to_device(images))
            target = torch.from_numpy(self._target(labels)).to(self.device)
            loss = loss_of(logits, target[:, None])
            loss.backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            schedule.step()
            losses.append(loss.detach())
            step += 1
            now = time.monotonic()
            if now - reported >= REPORT_SECONDS or step == steps:
                rate = step / (now - started)
                stats = {"loss": float(torch.stack(losses).mean())}
                if not np.isfinite(stats["loss"]):
                    raise UserError(
                        f"The loss became {stats['loss']} at step {step}.",
                        todo=f"Lower the learning rate below {self.config.learning_rate:g}.",
                    )
                yield Progress(step, steps, stats, rate, (steps - step) / rate)
                losses, reported = [], now
            yield from control.gate(step)

    @torch.inference_mode()
    def predict(self, image: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Mark an image in windows of the training size, blended with Gaussian weights."""
        if len(image) != self.spec.channels:
            raise UserError(f"The image has {len(image)} channels.", f"The segmenter knows {self.spec.channels}.")
        return self.mark(normalise(image, *intensity_range(image)))

    @torch.inference_mode()
    def mark(self, planes: NDArray[np.float32]) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The same from what the network sees, (C, Y, X), intensities from 0 to 1."""
        from monai.inferers.utils import sliding_window_inference

        self.network.eval()
        height, width = planes.shape[1:]
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
        shares = probability[0, :, :height, :width].numpy()  # (1 + K, Y, X)
        if self.spec.mask_kind == "instances":
            return split_instances(shares), np.stack([1 - shares[0], shares[2]])
        return shares.argmax(axis=0).astype(np.int32), shares[1:]

    def _side(self, extent: int) -> int:
        """Side of crops or windows in px, no larger than images need, a multiple of what the network halves away."""
        unit: int = 2**self.config.depth  # instance norm wants at least 2 × 2 px on the deepest level
        return max(2 * unit, min(self.config.tile, -(-extent // unit) * unit))

    def _to_device(self, images: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(images).to(self.device, memory_format=torch.channels_last)

    def _logits(self, images: torch.Tensor) -> torch.Tensor:
        with torch.autocast(self.device.type, torch.bfloat16, enabled=has_bf16(self.device)):
            logits: torch.Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return logits.float()

    def _target(self, labels: NDArray[np.int32]) -> NDArray[np.int64]:
        """Class of each pixel: the label itself, or for instances 1 inside and 2 on the outline."""
        if self.spec.mask_kind != "instances":
            return labels.astype(np.int64)
        return (labels > 0).astype(np.int64) + outline(labels)


def split_instances(shares: NDArray[np.float32]) -> NDArray[np.int32]:
    """Objects from the probabilities of background, inside and outline.

    Parameters
    ----------
    shares : NDArray (3, Y, X) float32
        They sum to 1.

    Returns
    -------
    NDArray (Y, X) int32
        Ids 1..n. Each connected inside grows over the foreground around it; foreground without an inside is an object
        by itself; what is smaller than 15 px goes.
    """
    from scipy.ndimage import label
    from skimage.segmentation import watershed

    foreground = shares[0] < 0.5
    insides, n = label(foreground & (shares[1] > shares[2]))
    objects = watershed(-shares[1], insides, mask=foreground)
    rest, _ = label(foreground & (objects == 0))
    objects = np.where(rest > 0, rest + n, objects)
    keep = np.bincount(objects.ravel()) >= SMALLEST
    keep[0] = False
    labels: NDArray[np.int32] = np.where(keep, np.cumsum(keep), 0)[objects].astype(np.int32)
    return labels
