"""The multiscale deep adversarial network of the spheroid study, for whole images of one or few objects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from napari_organoid_synth.core.job import Control, Event, Warned
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters.base import Prediction, Segmenter, SegmentSpec, has_bf16
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.held_score import held_images, in_batches, mean_dice
from napari_organoid_synth.core.segmentation.segmenters.multiscale_adversarial_config import MultiscaleAdversarialConfig
from napari_organoid_synth.core.segmentation.segmenters.multiscale_net import Adversary, MultiscaleNet
from napari_organoid_synth.core.segmentation.segmenters.network_input import (
    unfit,
    whole_image,
    whole_size,
)
from napari_organoid_synth.core.segmentation.segmenters.plateau import FLOOR, Plateau

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
        if config.hard:
            hard = [is_hard(pair, config.hard) for pair in pool.real]
            pool = pool.favouring(hard, config.hard_share)
            self.facts["hard"] = f"{sum(hard)} of {len(hard)} images"
            if len(set(hard)) < 2:
                subject = (
                    f"All {len(hard)} training images are" if hard[0] else f"None of {len(hard)} training images is"
                )
                yield Warned(0, f"{subject} hard by '{config.hard}': all are drawn equally often.")
        network = self.network.train()
        self.usual = pool.usual
        adversary = self.adversary.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        network.single.fill_(all(_is_single(pair, config) for pair in pool.real))
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

        score = self._scored(*held) if held else None
        optimisers, parts = {"optimiser": optimiser, "rival": rival}, {"adversary": adversary}
        kept = self._kept(keep, pool, course)
        yield from self._repeat(learn, optimisers, course, score, control, kept, parts)

    def _scored(self, images: NDArray[np.float32], labels: NDArray[np.int32]) -> Callable[[], float]:
        """Return what computes the mean Dice of the classes; one image after the other, as in predictions."""
        inputs, truth = self._to_device(images), torch.from_numpy(self._target(labels)).to(self.device)

        def score() -> float:
            found = in_batches(lambda image: self._logits(image).argmax(dim=1), 1, inputs)
            return mean_dice(torch.cat(found), truth, self.n_maps).item()

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
        labels = clean(
            shares,
            self.config.threshold,
            self.config.fill_holes,
            _min_area(self.config, size),
            self.config.objects == "largest" or (self.config.objects == "auto" and bool(self.network.single)),
        )
        if self.spec.mask_kind == "instances":
            labels = _pieces(labels > 0)[0]
        return self.visible(planes, Prediction(labels, shares[1:]))

    def _target(self, labels: NDArray[np.int32]) -> NDArray[np.int64]:
        return (labels > 0 if self.spec.mask_kind == "instances" else labels).astype(np.int64)


# --- losses and training ---


def is_hard(pair: SamplePair, pattern: str) -> bool:
    """Return whether a regular expression matches part of the name or the class of an image."""
    return any(re.search(pattern, text) for text in (pair.name, pair.image_class or ""))


def weighted_cross_entropy(
    logits: torch.Tensor, target: torch.Tensor, foreground: float = 3.0, cap: float = 1000.0
) -> torch.Tensor:
    """Compute the cross entropy with classes weighted by their rarity in the image, mean over pixels.

    Parameters
    ----------
    logits : Tensor (N, K, Y, X) float32
        Class 0 is background, its weight is 1.
    target : Tensor (N, Y, X) int64
        Classes 0..K-1.
    foreground : float
        Class k of an image weighs ``foreground`` · N_0 / N_k; 1 where either is 0.
    cap : float
        Largest weight.

    Examples
    --------
    >>> logits, target = torch.zeros(1, 2, 1, 4), torch.tensor([[[0, 0, 0, 1]]])
    >>> round(float(weighted_cross_entropy(logits, target) / np.log(2)), 4)  # (1 + 1 + 1 + 9) / 4
    3.0
    """
    kinds = torch.arange(logits.shape[1], device=target.device)
    counts = (target[:, None] == kinds[:, None, None]).sum(dim=(2, 3)).float()  # (N, K)
    background = counts[:, :1]
    weights = (foreground * background / counts.clamp(min=1)).clamp(max=cap)
    weights = torch.where((counts > 0) & (background > 0) & (kinds > 0), weights, torch.ones_like(weights))
    each = weights.gather(1, target.flatten(1)).view_as(target)
    return (each * F.cross_entropy(logits, target, reduction="none")).mean()


def ramp(step: int, steps: int, last: float) -> float:
    """Compute the weight of the adversary at a step counted from 0: ``last`` · t / T with t = 1..T, then ``last``."""
    return last * min(1.0, (step + 1) / steps)


def masked(images: torch.Tensor, maps: torch.Tensor) -> torch.Tensor:
    """Multiply every channel with every class: images (N, C, Y, X), maps (N, K, Y, X) to (N, K · C, Y, X)."""
    return (maps[:, :, None] * images[:, None]).flatten(1, 2)


def turned(
    images: NDArray[np.float32], labels: NDArray[np.int32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Turn and mirror a batch (N, C, Y, X) and (N, Y, X) by one of the eight symmetries of the square."""
    quarters, mirror = int(rng.integers(4)), bool(rng.integers(2))
    if mirror:
        images, labels = images[..., ::-1], labels[..., ::-1]
    images, labels = np.rot90(images, quarters, (-2, -1)), np.rot90(labels, quarters, (-2, -1))
    return np.ascontiguousarray(images), np.ascontiguousarray(labels)


def _descend(optimiser: torch.optim.Optimizer, loss: torch.Tensor) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()


# --- from probabilities to objects ---


def clean(shares: NDArray[np.float32], threshold: int, fill: bool, smallest: float, largest: bool) -> NDArray[np.int32]:
    """Classify pixels, fill holes and drop small pieces.

    Parameters
    ----------
    shares : NDArray (1 + K, Y, X) float32
        Probabilities of background and classes.
    threshold : int
        A pixel is foreground where its probability, as 8-bit number, is above this.
    fill : bool
        Fill holes; pixels of another class stay.
    smallest : float
        Pieces of fewer px are dropped; diagonal neighbours are connected.
    largest : bool
        Keep only the largest piece of each class.

    Returns
    -------
    NDArray (Y, X) int32
        0..K; the likeliest class of each foreground pixel.
    """
    from scipy.ndimage import binary_fill_holes

    foreground = np.rint(255 * (1 - shares[0])) > threshold
    labels: NDArray[np.int32] = np.where(foreground, shares[1:].argmax(axis=0) + 1, 0).astype(np.int32)
    for value in range(1, len(shares)):
        mask = labels == value
        if fill:
            mask |= binary_fill_holes(mask) & (labels == 0)
        pieces, sizes = _pieces(mask)
        keep = (sizes > 0) & (sizes >= smallest)
        if largest:
            keep &= np.arange(len(sizes)) == sizes.argmax()
        labels[labels == value] = 0
        labels[keep[pieces]] = value
    return labels


def _pieces(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """Label connected pieces 1..n and count the pixels of each; the background (piece 0) counts 0."""
    from scipy.ndimage import label

    pieces, _ = label(mask, structure=np.ones((3, 3)), output=np.int32)
    sizes = np.bincount(pieces.ravel())
    sizes[0] = 0
    return pieces, sizes


def _is_single(pair: SamplePair, config: MultiscaleAdversarialConfig) -> bool:
    """Return whether each class of the mask has at most one object that is large enough."""
    smallest = _min_area(config, pair.size)
    values = [value for value in np.unique(pair.labels) if value]
    if pair.mask_kind == "instances":
        return len(values) < 2
    return all(np.count_nonzero(_pieces(pair.labels == value)[1] >= smallest) < 2 for value in values)


def _min_area(config: MultiscaleAdversarialConfig, size: tuple[int, int]) -> float:
    """Convert ``smallest`` from px of the resized image to px of an image of that size."""
    height, width = whole_size(size, config.side)
    return config.smallest * size[0] * size[1] / (height * width)
