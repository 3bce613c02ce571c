"""What the training loop, the run and ``generate`` know of a generator: nothing but this class."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from napari_organoid_synth.core.errors import UserError

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec
    from napari_organoid_synth.core.generators.batch import Batch
    from napari_organoid_synth.core.generators.config import GeneratorConfig, Kind

MOMENTS = ("step", "exp_avg", "exp_avg_sq")


class Generator(ABC):
    """A generative adversarial network with everything it needs to learn: networks, optimisers, its step.

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
        Whether the training started from the weights of another, so that an averaged network is good from the start.
    """

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
        """Images over which an averaged network may look back: `images_seen`, without limit after a transfer."""
        return math.inf if self.transferred else self.images_seen

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Every network by name, an averaged one included."""

    @abstractmethod
    def optimizers(self) -> dict[str, Optimizer]:
        """The optimiser of each trained network, by that network's name."""

    @abstractmethod
    def step(self, batch: Batch, rng: torch.Generator, progress: float) -> dict[str, Tensor]:
        """Learn from one batch.

        Parameters
        ----------
        batch : Batch
            On the device of the networks.
        rng : torch.Generator
            All random choices of this step; on the same device.
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
        rng: torch.Generator | Sequence[torch.Generator],
        n: int = 1,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
        variety: float = 1.0,
    ) -> Tensor:
        """Draw samples.

        Parameters
        ----------
        rng : torch.Generator or sequence of torch.Generator
            One for the batch, or one per sample so that a sample does not depend on its neighbours.
        n : int
            How many, when neither ``rng`` nor ``condition`` says so.
        condition : Tensor (N, M, Y, X) float32 in [-1, 1], optional
            Encoded masks; a painter needs them.
        image_class : Tensor (N,) int64, optional
            Ignored by generators that know no classes.
        variety : float
            Spread of the noise: 0 always draws the same, 1 as trained.

        Returns
        -------
        Tensor (N, C, Y, X) float32 in [-1, 1]
            Image channels; a joint generator appends the M mask channels.
        """

    def batch_size(self, batch: int, progress: float) -> int:
        """Tiles of the step at this share of the training, ``batch`` being what the recipe says."""
        return batch

    def step_kinds(self, steps: int) -> list[tuple[float, float, int]]:
        """The kinds of step that differ in cost: share of all ``steps``, progress at which to try one, steps taken."""
        return [(1.0, 0.0, 0)]

    def record_step(self, images: int) -> None:
        """Note that a step has been taken with so many images."""
        self.images_seen += images
        self.steps_taken += 1

    @property
    def metadata(self) -> dict[str, str]:
        """What a person should know of this training beside its settings, such as the weight file that it reads."""
        return {}

    def transferable(self) -> dict[str, nn.Module]:
        """The networks that hold weights, averaged ones included; the others only remember their own training.

        Those are pools of shown and drawn images, or the strength of an augmentation: nothing to pass on.
        """
        return {name: network for name, network in self.networks().items() if any(True for _ in network.parameters())}

    @property
    def parameters(self) -> dict[str, int]:
        """Number of trained parameters of each network."""
        networks = self.networks()
        return {name: sum(p.numel() for p in networks[name].parameters()) for name in self.optimizers()}

    def to(self, device: torch.device) -> Generator:
        """Move the networks, before the first step and before `load_state`, in ``channels_last`` layout."""
        self.device = device
        for network in self.networks().values():
            channels_last(network.to(device))
        return self

    def autocast(self) -> AbstractContextManager[Any]:
        """bf16 arithmetic where it is safe, if chosen."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16)

    def state(self) -> tuple[dict[str, Tensor], dict[str, float]]:
        """Everything needed to go on: named tensors, and numbers."""
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
        """Take over what `state` gave.

        Raises
        ------
        UserError
            If a tensor is missing or has another shape: the file belongs to other settings.
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
        """Start from the weights of another training: take every tensor of `transferable` with the same name and shape.

        Optimisers start anew. Returns how many tensors were taken, and how many kept their initial values.
        """
        taken = left = 0
        for name, network in self.transferable().items():
            for key, target in network.state_dict().items():
                found = tensors.get(f"network/{name}/{key}")
                if found is not None and found.shape == target.shape:
                    target.copy_(found)
                    taken += 1
                else:
                    left += 1
        self.transferred = taken > 0
        return taken, left

    def freeze(self, layers: int) -> None:
        """Keep the first ``layers`` convolutions of every discriminator as they are (Mo 2020, arXiv 2002.10964).

        They are counted from the input on; without convolutions, fully connected layers count. Called after
        construction or `load_matching_weights`, and again before a resumed training.
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


def make_adam(network: nn.Module, learning_rate: float, beta1: float, beta2: float = 0.999) -> Adam:
    """Adam in one kernel over all weights; on small batches the plain loop costs as much as the convolutions."""
    return Adam(network.parameters(), lr=learning_rate, betas=(float(beta1), float(beta2)), fused=True)


def descend(loss: Tensor, network: nn.Module, optimizer: Optimizer) -> Tensor:
    """One optimiser step on a loss; returns 1 if the loss or a gradient was not finite, else 0, on the device.

    NaN becomes 0 and ±Inf becomes ±1e5, so that one bad batch does not destroy the weights.
    """
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    # a gradient that is not finite reaches the first layer through all others: looking there is enough
    bad = ~torch.isfinite(loss.detach() + gradients[0].sum())
    for gradient in gradients:
        gradient.nan_to_num_(0.0, 1e5, -1e5)
    optimizer.step()
    return bad.float()


def channels_last(network: nn.Module) -> nn.Module:
    """The same network, its convolution weights in the layout in which processors and graphics cards are fastest."""
    return network.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


def set_trainable(network: nn.Module, on: bool) -> None:
    """Whether gradients of the weights are computed; off saves a third of a discriminator's backward pass."""
    for parameter in network.parameters():
        parameter.requires_grad_(on and not getattr(parameter, "frozen", False))


def streams_of(rng: torch.Generator | Sequence[torch.Generator]) -> Sequence[torch.Generator]:
    """One stream or several, as a sequence."""
    return (rng,) if isinstance(rng, torch.Generator) else rng


def _is_convolution(module: nn.Module) -> bool:
    weight = getattr(module, "weight", None)
    return isinstance(weight, nn.Parameter) and weight.ndim == 4


def _states(optimizer: Optimizer) -> Iterable[dict[str, Tensor]]:
    return [optimizer.state.get(p, {}) for group in optimizer.param_groups for p in group["params"]]


def _tensor(tensors: dict[str, Tensor], key: str, like: Tensor) -> Tensor:
    found = tensors.get(key)
    if found is None or found.shape != like.shape:
        raise UserError(
            f"The checkpoint's '{key}' is {'missing' if found is None else tuple(found.shape)}.",
            f"Expected {tuple(like.shape)}.",
            "It was trained with other settings or another version; choose the run it belongs to.",
        )
    return found
