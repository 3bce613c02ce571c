"""Cellpose (Stringer 2021, doi 10.1038/s41592-020-01018-x) as the installed library has it, major 3 or 4.

The library's ``train_seg`` cannot be stopped or resumed and reports nothing, so the loop is ours; each step is that of
the library, with its network, augmentation and decoding. The network learns our flows, where each object is computed in
a crop of its own. The library computes all objects together, and at touching borders the neighbour's heat turns the
arrows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from napari_organoid_synth.core.codec.heatflow import encode, flow_error
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event
from napari_organoid_synth.core.segmentation.segmenters.base import Prediction, Segmenter, has_bf16
from napari_organoid_synth.core.segmentation.segmenters.cellpose_config import CellposeConfig
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.held_score import held_images, in_batches, mean_dice
from napari_organoid_synth.core.segmentation.segmenters.plateau import FLOOR, Plateau
from napari_organoid_synth.core.weight_files import read_weights

SUPPORTED = {3: (3, 1), 4: (4, 2)}
"""Oldest supported version of each major."""
INSTALL = "Run: pip install 'cellpose>=3.1,<4' (trains from random weights) or 'cellpose>=4.2' (needs weights)."
LEARNING_RATE = {3: 5e-3, 4: 1e-5}
WEIGHT_DECAY = {3: 1e-5, 4: 0.1}
PUBLISHED = {3: "cyto3", 4: "cpsam_v2"}
WARM_UP = 10
"""Steps in which the learning rate rises."""
SCALES = 0.5
"""Range of scales: crops are scaled by 0.75 to 1.25."""
MIN_AREA = 15
"""Smaller instances are dropped, px."""
MAX_FLOW_ERROR = 0.4
"""Objects whose arrows have a larger mean squared error are dropped."""


class Cellpose(Segmenter):
    """A network that predicts for each pixel whether it belongs to an object, and the direction to its middle.

    Published weights of Cellpose 3 have two input channels, those of 4 three; networks of 3 with random weights have as
    many as the image. Missing channels are zero; more channels are averaged, as the library does with RGB.

    Raises
    ------
    UserError
        If the library is missing or of another version, or the mask holds named classes.
    """

    config: CellposeConfig

    def build(self) -> nn.Module:
        """Build the library's network with random weights."""
        if self.spec.mask_kind == "classes":
            raise UserError(
                f"The mask holds {len(self.spec.class_names)} named classes.",
                "Cellpose separates objects of one class.",
                "Choose the U-Net, or load the mask of one class.",
            )
        self.major = installed_major()
        self.facts = {"library": f"cellpose {version('cellpose')}"}
        try:
            if self.major == 3:
                from cellpose.resnet_torch import CPnet as Network
            else:
                from cellpose.vit import CPSAM as Network
        except (ImportError, RuntimeError) as error:  # torchvision raises the latter if torch is of another build
            raise UserError(
                f"Cellpose {self.major} is installed but cannot be loaded: {error}.",
                "Expected torch and torchvision from the same index.",
                "Install both again, from one index.",
            ) from None
        if self.major == 4:
            return Network()  # type: ignore[no-any-return]
        channels = 2 if self.config.weights or self.config.download else max(2, self.spec.channels)
        return Network([channels, 32, 64, 128, 256], nout=3, sz=3)  # type: ignore[no-any-return]

    def load_weights(self) -> None:
        """Load the weights that the settings name, if any; `fit` starts with this.

        Raises
        ------
        UserError
            If the file holds other weights, or the installed major needs weights and none are named.
        """
        expected = f"Expected weights of Cellpose {self.major}{' (cpsam)' if self.major == 4 else ''}."
        todo = "Name a file that this version saved, or set 'download' to use the published weights."
        if self.config.weights:
            path = Path(self.config.weights).expanduser()
        elif self.config.download:
            path = _download_weights(self.major)
        elif self.major == 4:
            raise UserError("No weights are named.", "Cellpose 4 needs weights to start from.", f"{todo} Or install 3.")
        else:
            return
        state = read_weights(path, expected, todo)
        state = {key.removeprefix("module."): value for key, value in state.items()}
        own = self.network.state_dict()
        missing = own.keys() - state.keys() - {"diam_mean", "diam_labels"}  # missing in old files
        if missing or any(not isinstance(state.get(key, own[key]), Tensor) for key in own):
            raise UserError(f"{path.name} holds the weights of another network.", expected, todo)
        for key in own.keys() & state.keys():
            if own[key].shape != state[key].shape:
                shape = " × ".join(map(str, state[key].shape))
                raise UserError(f"In {path.name} '{key}' is {shape}, not {_size(own[key])}.", expected, todo)
        self.network.load_state_dict({key: state[key] for key in own.keys() & state.keys()}, strict=False)
        with path.open("rb") as file:
            self.facts["weights_sha256"] = hashlib.file_digest(file, "sha256").hexdigest()

    def fit(
        self, pool: CropPool, steps: int, control: Control, keep: Path | None = None, floor: int = FLOOR
    ) -> Iterator[Event]:
        """Train with AdamW on crops that the library turns, mirrors and scales; the rate rises over ten steps."""
        self.load_weights()
        self.usual = pool.usual
        network: Any = self.network
        network.diam_labels.data.fill_(mean_diameter([self._objects(pair.labels) for pair in pool.real]))
        network.train()
        peak = self.config.learning_rate or LEARNING_RATE[self.major]
        moving = [weights for weights in network.parameters() if weights.requires_grad]
        optimiser = torch.optim.AdamW(moving, peak, weight_decay=WEIGHT_DECAY[self.major], fused=True)
        side, window = self._sides(pool.extent)
        held = held_images(pool, self.config.batch, max(1, round(side * self._object_scale())))
        course = Plateau(steps, floor, held is not None)

        def learn(step: int) -> dict[str, Tensor]:
            images, labels = pool.draw(step, self.config.batch, window, elastic=self.config.elastic)
            with _random_numbers(pool.seed, step, self.device):
                image, target = self._turned(images, labels, side)
                with torch.autocast(
                    self.device.type, torch.bfloat16, enabled=self.major == 3 and has_bf16(self.device)
                ):
                    output = network(image)[0]
                loss = flow_loss(output.float(), target)
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            return {"loss": loss}

        score = self._scored(*held, side) if held else None
        kept = self._kept(keep, pool, course)
        yield from self._repeat(learn, {"optimiser": optimiser}, course, score, control, kept, warm_up=WARM_UP)

    def _scored(self, images: NDArray[np.float32], labels: NDArray[np.int32], side: int) -> Callable[[], float]:
        """Return what scores crops (N, C, Y, X) with labels (N, Y, X), resized to a side.

        The score is the mean of the Dice of the objects and of the cosine between the arrows on objects, at least 0.
        """
        inputs, targets = (torch.from_numpy(part).to(self.device) for part in self._resized(images, labels, side))
        inputs = inputs.contiguous(memory_format=torch.channels_last)
        truth = (targets[:, 0] > 0).long()

        def compare(image: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
            output = self.network(image)[0].float()
            cosine = nn.functional.cosine_similarity(output[:, -3:-1], target[:, 1:], dim=1)
            return output[:, -1] > 0, cosine[target[:, 0] > 0]

        def score() -> float:
            found, cosine = zip(*in_batches(compare, self.config.batch, inputs, targets), strict=True)
            dice = mean_dice(torch.cat(found).long(), truth, 2)
            return ((dice + torch.cat(cosine).mean().clamp(min=0)) / 2 if truth.any() else dice).item()

        return score

    def _resized(
        self, images: NDArray[np.float32], labels: NDArray[np.int32], side: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return input (N, C, side, side) and target (N, 3, side, side) as `_turned`, without chance."""
        from cellpose.transforms import resize_image

        planes = self._channels(images)
        if planes.shape[-1] != side:
            planes = resize_image(planes.transpose(0, 2, 3, 1), side, side).transpose(0, 3, 1, 2)
            places = ((np.arange(side) + 0.5) * labels.shape[-1] / side).astype(int)
            labels = labels[:, places][:, :, places]
        fields = np.stack([encode(self._objects(one)) for one in labels])
        fields[:, 0] = fields[:, 0] > 0
        return planes, fields

    @torch.inference_mode()
    def predict(self, image: NDArray[Any]) -> Prediction:
        """Predict: the library cuts and blends tiles and follows the arrows."""
        from cellpose import core, dynamics, transforms

        self._check(image)
        height, width = image.shape[1:]
        normalised = self.normalised(image)
        planes = self._channels(normalised[None])[0].transpose(1, 2, 0)  # (Y, X, C)
        zoom = 1 / self._object_scale()
        size = max(1, round(height * zoom)), max(1, round(width * zoom))
        if size != (height, width):
            planes = transforms.resize_image(planes, *size)
        output = core.run_net(self.network, planes[None], batch_size=self.config.batch, bsize=self._tile())[0]
        if size != (height, width):
            output = transforms.resize_image(output, height, width)
        arrows, logit = np.moveaxis(output[0, :, :, -3:-1], -1, 0), output[0, :, :, -1]
        room = [(0, max(0, 2 - height)), (0, max(0, 2 - width))]  # the library divides by the size minus one
        sparse: Any = torch.sparse
        with sparse.check_sparse_tensor_invariants(False):  # set, since torch otherwise warns about the library
            objects = dynamics.compute_masks(
                np.pad(arrows, [(0, 0), *room]),
                np.pad(logit, room, constant_values=-50),
                niter=int(200 / zoom),
                flow_threshold=0,  # the library's own arrows are wrong at touching borders
                min_size=MIN_AREA,
                max_size_fraction=1.0,
                device=self.device,
            )
        labels = objects[:height, :width].astype(np.int32)
        error = flow_error(labels, np.stack([logit, *arrows / 5]))
        keep = error <= MAX_FLOW_ERROR
        keep[0] = False
        labels = np.where(keep, np.cumsum(keep), 0)[labels].astype(np.int32)
        probability = np.asarray(1 / (1 + np.exp(-np.clip(logit, -50, 50))), np.float32)[None]
        if self.spec.mask_kind == "binary":
            labels = (labels > 0).astype(np.int32)
        prediction = Prediction(labels, probability, np.ascontiguousarray(arrows, np.float32))
        return self.visible(normalised, prediction)

    def _channels(self, images: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return images (N, C, Y, X) with the number of channels that the network expects."""
        n = getattr(self.network, "nchan", 3)
        if images.shape[1] > n:
            images = images.mean(axis=1, keepdims=True)
        return np.pad(images, [(0, 0), (0, n - images.shape[1]), (0, 0), (0, 0)])

    def _object_scale(self) -> float:
        """Return the width of the training objects relative to that of the network; 1 without rescaling."""
        if self.major == 4 or not self.config.rescale:
            return 1.0
        network: Any = self.network
        return float(network.diam_labels) / float(network.diam_mean)

    def _tile(self) -> int:
        return 256 if self.major == 4 else self.config.tile

    def _sides(self, extent: int) -> tuple[int, int]:
        """Return the side of the input, and of the window from which it can be cut at any angle, px."""
        scale = self._object_scale()
        side = self._tile()
        if self.major == 3:  # no larger than the images; halved three times
            side = min(side, max(32, -(-int(extent / scale) // 16) * 16))
        return side, min(extent, int(np.ceil(side * scale * np.sqrt(2) / (1 - SCALES / 2))))

    def _turned(self, images: NDArray[np.float32], labels: NDArray[np.int32], side: int) -> tuple[Tensor, Tensor]:
        """Return input (N, C, side, side) and target (N, 3, side, side): object (0 or 1), dy, dx; turned and scaled."""
        from cellpose.transforms import random_rotate_and_resize

        planes = self._channels(images)
        fields = [encode(self._objects(one)) for one in labels]
        for field in fields:
            field[0] = field[0] > 0
        scales = np.full(len(planes), self._object_scale())
        if self.major == 3:
            image, target, _ = random_rotate_and_resize(
                list(planes), Y=fields, rescale=scales, scale_range=SCALES, xy=(side, side)
            )
            return torch.from_numpy(image).to(self.device, memory_format=torch.channels_last), torch.from_numpy(
                target
            ).to(self.device)
        image, target, _ = random_rotate_and_resize(
            list(planes), lbls=fields, rescale=scales, scale_range=SCALES, bsize=side, device=self.device
        )
        return image, target


def installed_major() -> int:
    """Return the installed major version, 3 or 4, without importing the library.

    Raises
    ------
    UserError
        If it is not installed, or the version is not supported.
    """
    try:
        installed = version("cellpose")
    except PackageNotFoundError:
        raise UserError("Cellpose is not installed.", "Expected the library, version 3 or 4.", INSTALL) from None
    parts = tuple(int(part) for part in installed.split(".")[:2])
    if parts < SUPPORTED.get(parts[0], (99,)):
        raise UserError(f"Cellpose {installed} is installed.", "Expected 3.1 or later, or 4.2 or later.", INSTALL)
    return parts[0]


def flow_loss(drawn: Tensor, target: Tensor) -> Tensor:
    """Compute half the squared error of five times the arrows plus the cross entropy of the objects.

    Parameters
    ----------
    drawn : Tensor (N, 3, Y, X)
        5 dy, 5 dx, logit.
    target : Tensor (N, 3, Y, X)
        Object (0 or 1), dy, dx.
    """
    arrows = nn.functional.mse_loss(drawn[:, -3:-1], 5 * target[:, 1:]) / 2
    return arrows + nn.functional.binary_cross_entropy_with_logits(drawn[:, -1], (target[:, 0] > 0.5).float())


def mean_diameter(labels: list[NDArray[np.int32]]) -> float:
    """Compute the mean over images of the median diameter of their objects, px: that of a disc of the same area.

    At least 5; 30, the diameter that the network expects, if there is no object.
    """
    widths = []
    for one in labels:
        area = np.unique(one[one > 0], return_counts=True)[1]
        if area.size:
            widths.append(max(5.0, float(np.median(np.sqrt(area))) * 2 / np.sqrt(np.pi)))
    return float(np.mean(widths)) if widths else 30.0


def _download_weights(major: int) -> Path:
    """Download the published weights by the library's own loader; called only on explicit request."""
    from cellpose import models

    name = PUBLISHED[major]
    try:
        return Path(models.cache_model_path(name))
    except OSError as error:
        raise UserError(
            f"Cannot download {name}: {error}.",
            f"Expected an answer from {models._MODEL_URL}.",
            f"Put the file into {models.MODEL_DIR}, or name it as 'weights'.",
        ) from None


def _size(tensor: Tensor) -> str:
    return " × ".join(map(str, tensor.shape))


@contextmanager
def _random_numbers(seed: int, step: int, device: torch.device) -> Iterator[None]:
    """Derive the library's random numbers from (seed, step), and restore the global streams afterwards."""
    devices = [device] if device.type == "cuda" else []
    before = np.random.get_state()  # noqa: NPY002 - it is this one that the library draws from
    chance = np.random.SeedSequence((seed, step)).generate_state(2)
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(int(chance[0]))
        np.random.seed(int(chance[1]))  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002
