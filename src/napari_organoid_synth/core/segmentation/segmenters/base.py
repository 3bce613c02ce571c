"""Base of every segmenter: it learns from crops, predicts masks of images, and can be saved."""

from __future__ import annotations

import hashlib
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_organoid_synth.core.atomic import regular_file, write_bytes, write_text
from napari_organoid_synth.core.device import bf16_runs, pick_device
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Progress
from napari_organoid_synth.core.pairs.pair import MaskKind
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.segmentation.segmenters.averaging import EVERY, MovingAverage
from napari_organoid_synth.core.segmentation.segmenters.checkpoint import TrainingFile
from napari_organoid_synth.core.segmentation.segmenters.config import DESCRIPTION, WEIGHTS, SegmenterConfig
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve
from napari_organoid_synth.core.segmentation.segmenters.network_input import intensity_range, normalise
from napari_organoid_synth.core.segmentation.segmenters.plateau import FLOOR, Plateau
from napari_organoid_synth.core.segmentation.segmenters.training_range import TrainingRange
from napari_organoid_synth.core.weight_files import check_weights

REPORT_SECONDS = 0.5
"""Between two reports of progress."""
KEEP_SECONDS = 60.0
"""Between two states of a training on disk."""
WRITE_SHARE = 50
"""Training takes at least this many times as long as writing its state."""


@dataclass(frozen=True)
class SegmentSpec:
    """Channels of images and meaning of masks.

    Parameters
    ----------
    channels : int
        Of an image.
    mask_kind : {"binary", "classes", "instances"}
    class_names : tuple of str
        Names of the label values 1..K.
    """

    channels: int
    mask_kind: MaskKind
    class_names: tuple[str, ...]


class Prediction(NamedTuple):
    """Mask that a segmenter predicts for an image, with probabilities.

    Parameters
    ----------
    labels : NDArray (Y, X) int32, 0 is background
        With the meaning of ``spec.mask_kind``.
    probability : NDArray (K, Y, X) float32 in [0, 1]
        ``binary``: of the object; ``classes``: of each class; ``instances``: of objects and, if the network predicts
        them, of their borders.
    flow : NDArray (2, Y, X) float32, optional
        Arrows (dy, dx) to the middle of the object, about 5 long on objects, as Cellpose predicts them; None for
        other segmenters.
    """

    labels: NDArray[np.int32]
    probability: NDArray[np.float32]
    flow: NDArray[np.float32] | None = None


class Segmenter(ABC):
    """A network that predicts masks, with its training.

    Parameters
    ----------
    config : SegmenterConfig
        Of this segmenter.
    spec : SegmentSpec
    device : str
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"`` or ``"mps"``.
    seed : int
        Fixes the initial weights.

    Attributes
    ----------
    network : nn.Module
        Made by `build`.
    facts : dict of str to str
        Stored beside the weights, such as the version of a library.
    usual : TrainingRange, optional
        Contrast and noise of the training images, from `fit`; stored beside the weights. None where it was saved
        without, and before training.
    curve : Curve, optional
        Held-back score of the last `fit`; None before.
    """

    def __init__(self, config: SegmenterConfig, spec: SegmentSpec, device: str = "auto", seed: int = 0) -> None:
        self.config, self.spec, self.device = config, spec, pick_device(device)
        self.facts: dict[str, str] = {}
        self.usual: TrainingRange | None = None
        self.curve: Curve | None = None
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.network = self.build().to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network.register_forward_hook(_refuse_not_finite)

    @abstractmethod
    def build(self) -> nn.Module:
        """Build the network with random weights."""

    @abstractmethod
    def fit(
        self, pool: CropPool, steps: int, control: Control, keep: Path | None = None, floor: int = FLOOR
    ) -> Iterator[Event]:
        """Train until the held-back score stops rising; stop early, without an error, when the control cancels.

        With ``pool.held`` and ``steps`` > ``floor`` the rule of `Plateau` ends the training; otherwise it takes
        exactly ``steps`` steps. The moving average of the weights is the result, and `curve` says how it went.

        Parameters
        ----------
        pool : CropPool
            Training pairs, and held-back ones.
        steps : int
            Most optimiser steps.
        control : Control
            Pause and cancel.
        keep : Path, optional
            File for the state of the training, written every minute and on cancelling. If it holds a state of the same
            training, training continues from there and ends as if it had never stopped. Remove it when the result is
            saved.
        floor : int
            Steps before which the rule does not end the training.

        Yields
        ------
        Progress
            With the mean ``loss`` since the last one, and after each look the ``held score``; the total is ``steps``,
            though it may end earlier.
        """

    @abstractmethod
    def predict(self, image: NDArray[Any]) -> Prediction:
        """Predict the mask of an image of any size.

        Parameters
        ----------
        image : NDArray (C, Y, X), native dtype
            With ``spec.channels`` channels.
        """

    def foresee(self, images: Sequence[NDArray[Any]]) -> None:  # noqa: B027
        """Prepare for `predict` of several images (C, Y, X); most segmenters have nothing to prepare."""

    def recall(self, folder: Path, facts: Mapping[str, str]) -> None:  # noqa: B027
        """Take up what `save` wrote beside the weights, with its ``facts``; most segmenters have nothing more."""

    def _repeat(
        self,
        step: Callable[[int], dict[str, torch.Tensor]],
        optimisers: Mapping[str, torch.optim.Optimizer],
        course: Plateau,
        score: Callable[[], float] | None,
        control: Control,
        kept: TrainingFile | None,
        parts: Mapping[str, Any] | None = None,
        warm_up: int = 0,
    ) -> Iterator[Event]:
        """Take the steps, with `Progress` twice a second and at each look; in between nothing waits for the device.

        Parameters
        ----------
        step : callable
            From the number of the step, counted from 0, to its losses, ``loss`` first.
        optimisers : mapping of str to Optimizer
            Their rates follow ``course``; the first is the one that a message about the loss names.
        course : Plateau
            Of this training.
        score : callable, optional
            Scores the network on the held-back parts, in [0, 1]; called with the averaged weights, in eval mode.
        control : Control
            Pause and cancel.
        kept : TrainingFile, optional
            File of the state.
        parts : mapping of str to object, optional
            What else changes from step to step, with ``state_dict`` and ``load_state_dict``.
        warm_up : int
            First steps, in which the rates rise evenly.

        Raises
        ------
        UserError
            If the loss is not finite.
        """
        average = MovingAverage(self.network)
        state = {"network": self.network, "average": average, "course": course, **optimisers, **(parts or {})}
        rates = [optimiser.param_groups[0]["lr"] for optimiser in optimisers.values()]
        losses: list[torch.Tensor] = []  # (losses,) each
        begun = done = kept.read(state) if kept else 0
        if begun:
            yield Progress(done, course.cap)
        started = reported = time.monotonic()
        due = started + KEEP_SECONDS
        while done < course.end and not control.canceled:
            share = course.rate(done) * min(1.0, (done + 1) / max(1, warm_up))
            for optimiser, rate in zip(optimisers.values(), rates, strict=True):
                for group in optimiser.param_groups:
                    group["lr"] = rate * share
            values = step(done)
            losses.append(torch.stack(list(values.values())).detach())
            done += 1
            looks = score is not None and course.due(done)
            if looks or done % EVERY == 0 or done == course.end:
                average.update(done)
            now = time.monotonic()
            if looks or now - reported >= REPORT_SECONDS or done == course.end:
                stats = dict(zip(values, torch.stack(losses).mean(dim=0).tolist(), strict=True))
                if not np.isfinite(stats["loss"]):
                    raise UserError(
                        f"The loss became {stats['loss']} at step {done}.",
                        todo=f"Lower the learning rate below {rates[0]:g}.",
                    )
                if score is not None and looks:
                    stats["held score"] = self._look(score, average)
                    course.look(done, stats["held score"])
                pace = (done - begun) / max(now - started, 1e-9)
                yield Progress(done, course.cap, stats, pace, (course.end - done) / pace)
                losses, reported = [], now
            if kept and now >= due:
                kept.write(state, done)
                due = time.monotonic() + max(KEEP_SECONDS, WRITE_SHARE * (time.monotonic() - now))
            yield from control.wait_while_paused(done)
        if kept and done < course.end:
            kept.write(state, done)
        if done == course.end:
            average.keep()
        self.curve = course.curve(done)

    def _look(self, score: Callable[[], float], average: MovingAverage) -> float:
        """Score the averaged weights on the held-back parts."""
        with average.shown(), torch.no_grad():
            self.network.eval()
            value = score()
            self.network.train()
        return value

    def _kept(self, keep: Path | None, pool: CropPool, course: Plateau) -> TrainingFile | None:
        """Return the file of this training; the state of any other training in it is ignored."""
        if keep is None:
            return None
        parts = [
            self.config.model_dump(mode="json"),
            asdict(self.spec),
            self.facts,
            course.cap,
            course.floor,
            pool.identity,
        ]
        return TrainingFile(keep, hashlib.sha256(json.dumps(parts).encode()).hexdigest())

    def _check(self, image: NDArray[Any]) -> None:
        """Refuse an image with another number of channels than the network was built for."""
        if len(image) != self.spec.channels:
            raise UserError(
                f"The image has {plural(len(image), 'channel')}.", f"The segmenter expects {self.spec.channels}."
            )

    def normalised(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Scale an image (C, Y, X) to float32, background near 0 and peaks near 1, but noise not to signal."""
        return normalise(image, *(self.usual.range_of(image) if self.usual else intensity_range(image)))

    def visible(self, planes: NDArray[np.float32], prediction: Prediction) -> Prediction:
        """Drop objects that hardly differ from what is around them; those of training images differ much more.

        Instance norm, and whatever else a network does to be independent of contrast, also finds objects in noise.

        Parameters
        ----------
        planes : NDArray (C, Y, X) float32
            The image, as `normalised` returns it.
        prediction : Prediction
            Of that image.
        """
        if self.usual is None:
            return prediction
        return prediction._replace(labels=self.usual.visible(planes, prediction.labels, self.spec.mask_kind))

    def _objects(self, labels: NDArray[np.int32]) -> NDArray[np.int32]:
        """Return ids of single objects; those of a binary mask are its connected parts."""
        if self.spec.mask_kind == "instances":
            return labels
        from scipy.ndimage import label

        parts: NDArray[np.int32] = label(labels > 0, output=np.int32)[0]
        return parts

    def _to_device(self, images: NDArray[np.float32]) -> torch.Tensor:
        return torch.from_numpy(images).to(self.device, memory_format=torch.channels_last)

    def _logits(
        self, images: torch.Tensor, forward: Callable[[torch.Tensor], torch.Tensor] | None = None
    ) -> torch.Tensor:
        """Apply the network, or its compiled ``forward``, in bfloat16 where the hardware supports it; float32."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=has_bf16(self.device)):
            logits: torch.Tensor = (forward or self.network)(images.contiguous(memory_format=torch.channels_last))
        return logits.float()

    def save(self, folder: Path) -> None:
        """Write weights (safetensors) and description (JSON)."""
        from safetensors.torch import save

        state = {key: value.detach().cpu().contiguous() for key, value in _tensors(self.network).items()}
        write_bytes(folder / WEIGHTS, save(state))
        description = {"config": self.config.model_dump(mode="json"), "spec": asdict(self.spec), "facts": self.facts}
        if self.usual:
            description["usual"] = asdict(self.usual)
        write_text(folder / DESCRIPTION, json.dumps(description, indent=1))


def load_segmenter(folder: Path, device: str = "auto") -> Segmenter:
    """Read a segmenter that `Segmenter.save` wrote.

    Raises
    ------
    UserError
        If a file is missing or damaged, or holds the weights of another network.
    """
    from safetensors.torch import load

    try:
        description = read_object(folder / DESCRIPTION)
        usual = TrainingRange.from_json(description.get("usual"))
        name = description["config"]["name"]
        spec = SegmentSpec(**{**description["spec"], "class_names": tuple(description["spec"]["class_names"])})
        segmenter: Segmenter = SEGMENTERS.load(name)(SEGMENTERS.config(name).parse(description["config"]), spec, device)
        segmenter.usual = usual
        tensors = _tensors(segmenter.network)
        state = load(regular_file(folder / WEIGHTS).read_bytes()) if tensors else {}
        if {key: value.shape for key, value in state.items()} != {key: value.shape for key, value in tensors.items()}:
            raise ValueError("the weights are those of another network")
        check_weights(state, f"{folder / WEIGHTS}", "Expected a trained segmenter.", "Train it again.")
        with torch.no_grad():
            for key, tensor in tensors.items():
                tensor.copy_(state[key])
        segmenter.recall(folder, description.get("facts") or {})
    except UserError:
        raise
    except Exception as error:  # safetensors and torch raise several kinds
        raise UserError(
            f"Cannot read the segmenter in {folder}: {error}",
            f"Expected {WEIGHTS} and {DESCRIPTION} of one training.",
            "Train it again.",
        ) from None
    return segmenter


def _refuse_not_finite(network: nn.Module, _: Any, outputs: Any) -> None:
    """Refuse what a trained network computes if it is not finite; in training the loss tells."""
    if network.training or torch.is_grad_enabled():
        return
    for output in outputs if isinstance(outputs, tuple) else (outputs,):  # a library may add lists of other things
        if isinstance(output, torch.Tensor) and not torch.isfinite(output).all():
            raise UserError(
                "The network of the segmenter computes NaN or infinite numbers.",
                "Expected probabilities of objects.",
                "Its weights are damaged or from a failed training: choose another segmenter, or train it again.",
            )


def _tensors(network: nn.Module) -> dict[str, torch.Tensor]:
    """Return weights and buffers, each once; a ``state_dict`` repeats those with two names."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


def has_bf16(device: torch.device) -> bool:
    """Return whether the hardware multiplies in bfloat16; elsewhere that is slower than float32.

    This is asked, not timed, so that a seed always gives the same weights on a machine.
    """
    if device.type == "cpu":
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", bool)())
    return bf16_runs(device)
