"""The multiscale deep adversarial network of the spheroid study, for whole images of one or few objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from napari_organoid_synth.core.job import Control, Event
from napari_organoid_synth.core.segmentation.segmenters.base import Prediction, Segmenter, SegmentSpec, has_bf16
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.held_score import held_images, in_batches, mean_dice
from napari_organoid_synth.core.segmentation.segmenters.multiscale_adversarial_config import MultiscaleAdversarialConfig
from napari_organoid_synth.core.segmentation.segmenters.multiscale_net import Adversary, MultiscaleNet
from napari_organoid_synth.core.segmentation.segmenters.network_input import unfit, whole_image
from napari_organoid_synth.core.segmentation.segmenters.plateau import FLOOR, Plateau
from napari_organoid_synth.core.segmentation.segmenters.whole_images import (
    favoured,
    is_single,
    min_area,
    objects_of,
    turned,
    weighted_cross_entropy,
)

REAL, FAKE = 1, 0


class MultiscaleAdversarial(Segmenter):
    """A segmenter trained against an adversary, one image per step.

    Instances are learned as foreground; each connected piece is one object, so objects that touch become one.

    Attributes
    ----------
    adversary : Adversary
        Used in training only, and not saved.
    """

    config: MultiscaleAdversarialConfig

    def __init__(
        self, config: MultiscaleAdversarialConfig, spec: SegmentSpec, device: str = "auto", seed: int = 0
    ) -> None:
        super().__init__(config, spec, device, seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.adversary = Adversary(spec.channels * self.n_maps)

    @property
    def n_maps(self) -> int:
        """Number of output maps: background and classes."""
        return 2 if self.spec.mask_kind == "instances" else 1 + len(self.spec.class_names)

    def build(self) -> nn.Module:
        """Build the segmenter."""
        return MultiscaleNet(self.spec.channels, self.n_maps, self.config.width, self.config.norm == "running")

    def fit(
        self, pool: CropPool, steps: int, control: Control, keep: Path | None = None, floor: int = FLOOR
    ) -> Iterator[Event]:
        """Train both networks with Adam; the statistics are ``loss``, its two parts and the adversary's own.

        The weight of the adversary at step t is t / T of the setting, at most all of it. T is the number of steps, as
        published; where the rule of `Plateau` may end the training, it is ``floor``. With a pattern for hard images,
        these are a fixed share of the real images that are drawn; their number is stored in ``facts``.
        """
        config, device = self.config, self.device
        pool = yield from favoured(pool, config, self.facts)
        network = self.network.train()
        self.usual = pool.usual
        adversary = self.adversary.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.single.fill_(
            all(is_single(pair, min_area(config.smallest, config.side, pair.size)) for pair in pool.real)
        )
        betas = (0.5, 0.99)
        optimiser = torch.optim.Adam(network.parameters(), config.learning_rate, betas, fused=True)
        rival = torch.optim.Adam(adversary.parameters(), config.adversary_rate, betas, fused=True)
        held = held_images(pool, *config.crops, whole=True)
        course = Plateau(steps, floor, held is not None)
        rising = min(floor, steps) if held else steps

        def judge(images: torch.Tensor, maps: torch.Tensor, answer: int) -> torch.Tensor:
            with torch.autocast(device.type, torch.bfloat16, enabled=has_bf16(device)):
                logits = adversary(masked(images, maps))
            return F.cross_entropy(logits.float(), torch.full((len(images),), answer, device=device))

        def learn(step: int) -> dict[str, torch.Tensor]:
            shown, labels = pool.draw(step, *config.crops, whole=True)
            if config.turn:
                shown, labels = turned(shown, labels, np.random.default_rng((pool.seed, step, 1)))
            images = self._to_device(shown)
            target = torch.from_numpy(self._target(labels)).to(device)
            logits = self._logits(images)
            entropy = weighted_cross_entropy(logits, target, config.foreground_weight, config.largest_weight)
            if not config.adversarial:
                _descend(optimiser, entropy)
                return {"loss": entropy}
            maps = logits.softmax(dim=1)
            adversary.requires_grad_(False)
            fooling = judge(images, maps, REAL)
            loss = entropy + ramp(step, rising, config.adversarial_weight) * fooling
            _descend(optimiser, loss)
            adversary.requires_grad_(True)
            truth = F.one_hot(target, self.n_maps).permute(0, 3, 1, 2).float()
            caught = judge(images, truth, REAL) + judge(images, maps.detach(), FAKE)
            _descend(rival, caught)
            return {"loss": loss, "cross entropy": entropy, "fooling": fooling, "adversary": caught}

        score = self._scored(*held, pool.scored) if held else None
        optimisers, parts = {"optimiser": optimiser, "rival": rival}, {"adversary": adversary}
        kept = self._kept(keep, pool, course)
        yield from self._repeat(learn, optimisers, course, score, control, kept, parts)

    def _scored(
        self, images: NDArray[np.float32], labels: NDArray[np.int32], scored: Sequence[int]
    ) -> Callable[[], float]:
        """Return what computes the mean Dice of the classes; one image after the other, as in predictions."""
        inputs, truth = self._to_device(images), torch.from_numpy(self._target(labels)).to(self.device)

        def score() -> float:
            found = in_batches(lambda image: self._logits(image).argmax(dim=1), 1, inputs)
            return mean_dice(torch.cat(found), truth, self.n_maps, scored).item()

        return score

    @torch.inference_mode()
    def predict(self, image: NDArray[Any]) -> Prediction:
        """Predict the image as a whole; probabilities are resized to its size before the threshold."""
        self._check(image)
        self.network.eval()
        size = image.shape[1], image.shape[2]
        planes = self.normalised(image)
        inputs = whole_image(planes, self.config.side)
        shares = unfit(self._logits(self._to_device(inputs[None])).softmax(dim=1)[0].cpu().numpy(), size).clip(0, 1)
        single, instances = bool(self.network.single), self.spec.mask_kind == "instances"
        labels = objects_of(shares, self.config, self.config.side, single, instances)
        return self.visible(planes, Prediction(labels, shares[1:]))

    def _target(self, labels: NDArray[np.int32]) -> NDArray[np.int64]:
        return (labels > 0 if self.spec.mask_kind == "instances" else labels).astype(np.int64)


# --- losses and training ---


def ramp(step: int, steps: int, last: float) -> float:
    """Compute the weight of the adversary at a step counted from 0: ``last`` · t / T with t = 1..T, then ``last``."""
    return last * min(1.0, (step + 1) / steps)


def masked(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Multiply every channel with every class: images (N, C, Y, X), maps (N, K, Y, X) to (N, K · C, Y, X)."""
    return (maps[:, :, None] * images[:, None]).flatten(1, 2)


def _descend(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
