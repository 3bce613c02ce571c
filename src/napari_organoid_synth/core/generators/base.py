"""Base class of generators: all that training, runs and ``generate`` use of them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.canvas import Stream
from napari_organoid_synth.core.registry import GENERATORS
from napari_organoid_synth.core.seeds import seed_of

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec
    from napari_organoid_synth.core.generators.batch import Batch
    from napari_organoid_synth.core.generators.config import GeneratorConfig, Kind

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Generator(ABC):
    """A generator with everything that it needs to learn: networks, optimisers, its training step.

    Parameters
    ----------
    config : GeneratorConfig
        The settings of this generator.
    spec : PairSpec
        Tile size and channel counts of image and mask.

    Attributes
    ----------
    images_seen, steps_taken : int
        In this training.
    bf16 : bool
        Whether convolutions compute in bf16 (`step` only; samples are always float32).
    transferred : bool
        Whether training started from the weights of another one, so that an averaged network is good from the start.
    """

    paints_any_size: ClassVar[bool] = False
    """Whether `sample` takes a condition of any size and paints it whole, without seams."""
    takes_tile_streams: ClassVar[bool] = False
    """Whether `sample` takes a `TileStream`, so that neighbouring tiles of a larger canvas have the same noise."""

    def __init__(self, config: GeneratorConfig, spec: PairSpec) -> None:
        self.config, self.spec = config, spec
        self.device = torch.device("cpu")
        self.images_seen = self.steps_taken = 0
        self.bf16 = self.transferred = False

    @property
    def kind(self) -> Kind:
        """Whether it is a joint generator, a mask generator or a painter."""
        return self.config.kind

    @property
    def class_conditional(self) -> bool:
        """Whether it draws the image class that it is asked for; others draw all classes mixed."""
        return self.config.class_conditional

    @property
    def average_window(self) -> float:
        """Number of images that the averaged network may cover: `images_seen`, unlimited after a transfer."""
        return math.inf if self.transferred else self.images_seen

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Return every network by name, averaged ones included."""

    @abstractmethod
    def optimizers(self) -> dict[str, Optimizer]:
        """Return the optimiser of each trained network, by the name of the network."""

    @abstractmethod
    def step(self, batch: Batch, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Learn from one batch.

        Parameters
        ----------
        batch : Batch
            On the device of the networks.
        rng : torch.Generator
            Source of all random numbers of this step, on the same device.
        progress : float
            Share of the training that is done, 0 to 1.

        Returns
        -------
        dict of str to Tensor ()
            Losses, detached and still on the device; ``bad`` is 1 if a loss or gradient was not finite.
        """

    @abstractmethod
    def sample(
        self,
        rng: Stream | Sequence[Stream],
        n: int = 1,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Draw samples.

        Parameters
        ----------
        rng : Stream or sequence of Stream
            One for the batch, or one per sample so that a sample does not depend on its neighbours.
        n : int
            Number of samples, where neither ``rng`` nor ``condition`` gives it.
        condition : Tensor (N, M, Y, X) float32 in [-1, 1], optional
            Encoded masks; a painter needs them.
        image_class : Tensor (N,) int64 or (N, K) float32, optional
            Class of each sample, or the share of each of K classes in it; ignored by generators that are not
            class-conditional.
        variety : float
            Spread of the noise: 0 always draws the same sample, 1 is as trained.

        Returns
        -------
        Tensor (N, C, Y, X) float32 in [-1, 1]
            Image channels; a joint generator appends the M mask channels.
        """

    @property
    def look_passes(self) -> int:
        """Passes of the network that `look` takes for a sample; what judges a training looks as much more rarely."""
        return 1

    @property
    def draws_noise(self) -> bool:
        """Whether samples depend on a stream of random numbers."""
        return True

    @property
    def has_gradual_variety(self) -> bool:
        """Whether samples change gradually with their variety."""
        return True

    def steer(self, steps: int | None = None, guidance: float | None = None) -> None:
        """Choose how the next samples are drawn; None as in the settings of the generator.

        Parameters
        ----------
        steps : int, optional
            Passes from noise to picture.
        guidance : float, optional
            How strictly a painter follows the mask, 1 as learned.

        Raises
        ------
        UserError
            If the generator has no such choice.
        """
        if steps is not None or guidance is not None:
            chosen = "sampling_steps" if steps is not None else "guidance"
            raise UserError(
                f"{self.config.name} draws in one pass.",
                f"Expected no {chosen}.",
                f"Leave {chosen} empty, or use flow.",
            )

    def look(
        self,
        rng: Stream | Sequence[Stream],
        n: int = 1,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
    ) -> Tensor:
        """Draw as `sample`, in fewer passes where a sample takes many: for what judges a training."""
        return self.sample(rng, n, condition, image_class)

    def finish(
        self,
        pictures: Tensor,
        rng: Stream | Sequence[Stream],
        time: float = 0.45,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Turn rough pictures, such as sketches of masks, into pictures like those of the training.

        Parameters
        ----------
        pictures : Tensor (N, C, Y, X) float32 in [-1, 1]
            Sketches: all channels that the generator draws.
        rng, condition, image_class, variety
            As in `sample`.
        time : float in (0, 1)
            Where on the way from noise to picture a sketch is put: at 0 it counts nothing, at 1 nothing changes.

        Returns
        -------
        Tensor (N, C, Y, X) float32 in [-1, 1]

        Raises
        ------
        UserError
            If the generator draws in one pass.
        """
        raise UserError(
            f"{self.config.name} draws in one pass and cannot start from a sketch.",
            "Expected a generator that goes from noise to picture in steps.",
            "Train flow_joint with draws=images.",
        )

    def batch_size(self, batch: int, progress: float) -> int:
        """Return the number of tiles of the step at this share of the training; ``batch`` is that of the recipe."""
        return batch

    def step_kinds(self, steps: int) -> list[tuple[float, float, int]]:
        """Return the kinds of step that differ in cost: share of all ``steps``; progress and steps taken to try one."""
        return [(1.0, 0.0, 0)]

    def steps_for(self, tiles: int, batch: int) -> int:
        """Return the steps of a training that shows so many tiles; ``batch`` is that of the recipe."""
        a_step = sum(share * self.batch_size(batch, progress) for share, progress, _ in self.step_kinds(1))
        return max(1, math.ceil(tiles / a_step - 1e-6))

    def record_step(self, images: int) -> None:
        """Count a finished step and its images."""
        self.images_seen += images
        self.steps_taken += 1

    @property
    def metadata(self) -> dict[str, str]:
        """Facts to record beside the settings, such as name and hash of a weight file."""
        return {}

    def transferable(self) -> dict[str, nn.Module]:
        """Return the networks with weights, averaged ones included, which another training can start from.

        The others are pools of drawn images, or the strength of an augmentation, useful to their own training only.
        """
        return {name: network for name, network in self.networks().items() if any(True for _ in network.parameters())}

    def shared_state(self) -> dict[str, Tensor]:
        """Return the tensors that a model file holds: those of the networks that hold weights."""
        return {
            f"network/{name}/{key}": value.detach().cpu().contiguous()
            for name, network in self.transferable().items()
            for key, value in network.state_dict().items()
        }

    def load_shared_state(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        """Take up what `shared_state` returned, already checked; everything else stays as it is."""
        self.load_state({**self.state()[0], **tensors}, numbers)

    @property
    def parameters(self) -> dict[str, int]:
        """Number of trained parameters of each network."""
        networks = self.networks()
        return {name: sum(p.numel() for p in networks[name].parameters()) for name in self.optimizers()}

    def to(self, device: torch.device) -> Generator:
        """Move the networks, in ``channels_last`` layout; call it before the first step and before `load_state`."""
        self.device = device
        for network in self.networks().values():
            channels_last(network.to(device))
        return self

    def autocast(self) -> AbstractContextManager[Any]:
        """Return a context with bf16 arithmetic where it is safe, if chosen."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Return everything needed to resume: named tensors, and numbers."""
        tensors: dict[str, Tensor] = {}
        for name, network in self.networks().items():
            tensors |= {f"network/{name}/{key}": value for key, value in network.state_dict().items()}
        for name, optimizer in self.optimizers().items():
            for index, state in enumerate(_states(optimizer)):
                tensors |= {f"optimizer/{name}/{index}/{key}": state[key] for key in MOMENTS if state}
        return {key: value.detach().cpu().contiguous() for key, value in tensors.items()}, {
            "seen": self.images_seen,
            "taken": self.steps_taken,
            "transferred": self.transferred,
        }

    def load_state(self, tensors: dict[str, Tensor], numbers: dict[str, float]) -> None:
        """Restore a state from `state`.

        Raises
        ------
        UserError
            If a tensor is missing or has another shape, because it belongs to other settings.
        """
        for name, network in self.networks().items():
            own = network.state_dict()
            for key, target in own.items():
                target.copy_(_tensor(tensors, f"network/{name}/{key}", target))
        for name, optimizer in self.optimizers().items():
            parameters = [p for group in optimizer.param_groups for p in group["params"]]
            for index, parameter in enumerate(parameters):
                if f"optimizer/{name}/{index}/step" not in tensors:  # before the first step, or frozen
                    continue
                # empty_like keeps the memory layout of the parameter, which the fused kernel relies on
                state = optimizer.state[parameter] = {
                    "step": torch.zeros((), device=parameter.device if optimizer.defaults["fused"] else "cpu"),
                    "exp_avg": torch.empty_like(parameter, requires_grad=False),
                    "exp_avg_sq": torch.empty_like(parameter, requires_grad=False),
                }
                for key, target in state.items():
                    target.copy_(_tensor(tensors, f"optimizer/{name}/{index}/{key}", target))
        self.images_seen, self.steps_taken = int(numbers["seen"]), int(numbers.get("taken", 0))
        self.transferred = bool(numbers.get("transferred"))

    def load_matching_weights(self, tensors: dict[str, Tensor]) -> tuple[int, int]:
        """Start from the weights of another training: load every tensor with the same name and shape.

        Optimisers are reset. Returns how many tensors were loaded, and how many kept their initial values.
        """
        loaded = kept = 0
        for name, network in self.transferable().items():
            for key, target in network.state_dict().items():
                tensor = tensors.get(f"network/{name}/{key}")
                if tensor is not None and tensor.shape == target.shape:
                    target.copy_(tensor)
                    loaded += 1
                else:
                    kept += 1
        self.transferred = loaded > 0
        return loaded, kept

    def freeze(self, layers: int) -> None:
        """Freeze the first ``layers`` convolutions of every discriminator (Mo 2020, arXiv 2002.10964).

        They are counted from the input; without convolutions, fully connected layers are counted. Call it after
        construction or `load_matching_weights`, and also before resuming a training.
        """
        for name, network in self.networks().items():
            if not name.startswith("discriminator"):
                continue
            convolutions = [module for module in network.modules() if _is_convolution(module)]
            dense = [module for module in network.modules() if isinstance(module, nn.Linear)]
            for module in (convolutions or dense)[:layers]:
                for parameter in module.parameters(recurse=False):
                    parameter.frozen = True  # type: ignore[attr-defined]
                    parameter.requires_grad_(False)


def build_generator(config: GeneratorConfig, spec: PairSpec, seed: int = 0, draws_only: bool = False) -> Generator:
    """Build a registered generator with initial weights that depend on the seed alone.

    One that ``draws_only`` has no optimisers: the first one that is made in a process loads torch's compiler, which
    takes as long as torch itself.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, "weights"))
        token = _draws_only.set(draws_only)
        try:
            generator: Generator = GENERATORS.load(config.name)(config, spec)
        finally:
            _draws_only.reset(token)
    return generator


_draws_only: ContextVar[bool] = ContextVar("draws_only", default=False)


class _NoOptimizer:
    """Stands where a generator that only draws would have an optimiser: without weights, without a state."""

    def __init__(self) -> None:
        self.param_groups: list[dict[str, Any]] = []
        self.state: dict[Any, Any] = {}
        self.defaults: dict[str, Any] = {}


def make_adam(network: nn.Module, learning_rate: float, beta1: float, beta2: float = 0.999) -> Adam:
    """Return Adam in one kernel over all weights; with small batches a plain loop costs as much as the convolutions."""
    if _draws_only.get():
        return cast(Adam, _NoOptimizer())
    return Adam(network.parameters(), lr=learning_rate, betas=(float(beta1), float(beta2)), fused=True)


averaging: ContextVar[Callable[[list[Tensor]], None] | None] = ContextVar("averaging", default=None)
"""What averages gradients in place over the processes that share a batch; None where this one is alone."""


def descend(loss: Tensor, network: nn.Module, optimizer: Optimizer, clip: float | None = None) -> Tensor:
    """Take one optimiser step on a loss; returns 1 if the loss or a gradient was not finite, else 0, on the device.

    NaN becomes 0 and ±Inf becomes ±1e5, so that one bad batch does not destroy the weights; with ``clip`` the norm of
    all gradients is at most that.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    if (average := averaging.get()) is not None:
        average(gradients)
    # a gradient that is not finite reaches the first layer through all others: checking there is enough
    bad = ~torch.isfinite(loss.detach() + gradients[0].sum())
    for gradient in gradients:
        gradient.nan_to_num_(0.0, 1e5, -1e5)
    if clip is not None:
        nn.utils.clip_grad_norm_(network.parameters(), clip)
    optimizer.step()
    return bad.float()


def channels_last(network: nn.Module) -> nn.Module:
    """Change the weights of convolutions to the layout in which processors and graphics cards are fastest."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def set_trainable(network: nn.Module, on: bool) -> None:
    """Switch gradients of the weights on or off; off saves a third of a discriminator's backward pass."""
    for parameter in network.parameters():
        parameter.requires_grad_(on and not getattr(parameter, "frozen", False))


def streams_of(rng: Stream | Sequence[Stream]) -> Sequence[Stream]:
    """Return one stream or several as a sequence."""
    return rng if isinstance(rng, Sequence) else (rng,)


def _is_convolution(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.ndim == 4


def _states(optimizer: Optimizer) -> Iterable[dict[str, Tensor]]:
    return [optimizer.state.get(p, {}) for group in optimizer.param_groups for p in group["params"]]


def _tensor(tensors: dict[str, Tensor], key: str, like: Tensor) -> Tensor:
    tensor = tensors.get(key)
    if tensor is None or tensor.shape != like.shape:
        raise UserError(
            f"The checkpoint's '{key}' is {'missing' if tensor is None else tuple(tensor.shape)}.",
            f"Expected {tuple(like.shape)}.",
            "It was trained with other settings or another version; choose the run it belongs to.",
        )
    return tensor
