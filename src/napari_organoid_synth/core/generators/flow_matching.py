"""Flow matching on a straight path (Lipman 2023, arXiv 2210.02747; Liu 2023, arXiv 2209.03003).

A picture at the time t lies at (1 − t) · noise + t · picture; the network learns its velocity, picture − noise. Drawing
starts with noise and follows the velocity in some steps.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.base import Generator, channels_last, descend, make_adam
from napari_organoid_synth.core.generators.canvas import StepStream, Stream, normal, uniform
from napari_organoid_synth.core.generators.flow_matching_config import FlowMatchingConfig
from napari_organoid_synth.core.generators.flow_network import Velocity, evened, levelled
from napari_organoid_synth.core.generators.flow_sampling import Rectangle, averaged, draw_noise, faded, follow

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.spec import PairSpec

WARM_UP = 50  # steps
BETAS = (0.9, 0.99)
CLIP = 1.0  # norm of the gradient
AVERAGED = 0.005  # share of the newest weights in the averaged ones
LOOK_STEPS = 8  # of samples that judge a training
WINDOW = 256
"""Side, px, of what the network sees at once of a larger picture; more where its tiles were larger."""


class FlowMatching(Generator):
    """What painter and joint generator share: training step, averaged network, steps from noise to picture.

    Parameters
    ----------
    config : FlowMatchingConfig
    spec : PairSpec
    drawn : int
        Channels of what is drawn.
    shown : int
        Channels that the network sees beside it.

    Attributes
    ----------
    sampling_steps : int
        Steps from noise to picture of the next samples; at first those of the settings.
    """

    config: FlowMatchingConfig
    paints_any_size: ClassVar[bool] = True

    def __init__(self, config: FlowMatchingConfig, spec: PairSpec, drawn: int, shown: int) -> None:
        super().__init__(config, spec)
        self.drawn, self.sampling_steps = drawn, config.sampling_steps
        classes = len(spec.image_classes) if config.class_conditional else 0
        self.velocity = Velocity(drawn + shown, drawn, config.channels, config.max_channels, classes)
        self._optimizers: dict[str, Optimizer] = {
            "velocity": make_adam(channels_last(self.velocity), config.learning_rate, *BETAS)
        }
        self.average = copy.deepcopy(self.velocity).requires_grad_(False).eval()

    def networks(self) -> dict[str, nn.Module]:
        """Return the network and its average, which draws."""
        return {"velocity": self.velocity, "average": self.average}

    def optimizers(self) -> dict[str, Optimizer]:
        """Return Adam."""
        return self._optimizers

    @property
    def look_passes(self) -> int:
        """Passes of a look: as many as its steps."""
        return LOOK_STEPS

    def learning_rate(self, progress: float) -> float:
        """Return the learning rate: rising for 50 steps, constant, then linear to 0 from ``decay_from`` on."""
        start = self.config.decay_from
        falling = 1.0 if progress <= start else (1 - progress) / (1 - start)
        return self.config.learning_rate * min(1.0, (self.steps_taken + 1) / WARM_UP, falling)

    def learn(
        self, pictures: Tensor, shown: Tensor | None, image_class: Tensor, rng: StepStream, progress: float
    ) -> dict[str, Tensor]:
        """Take one training step.

        Parameters
        ----------
        pictures : Tensor (N, C, Y, X) float32 in [-1, 1]
            What is to be drawn.
        shown : Tensor (N, S, Y, X), optional
            What the network sees beside the noisy picture.
        image_class, rng, progress
            As in `step`.
        """
        optimizer = self._optimizers["velocity"]
        optimizer.param_groups[0]["lr"] = self.learning_rate(progress)
        time = draw_times(len(pictures), rng, self.config.least_time)
        noise = levelled(normal(pictures.shape, rng))
        share = time[:, None, None, None]
        noisy = (1 - share) * noise + share * pictures
        with self.autocast():
            found = self.velocity(noisy if shown is None else torch.cat([noisy, shown], 1), time, image_class)
        loss = functional.mse_loss(found, pictures - noise)
        bad = descend(loss, self.velocity, optimizer, CLIP)
        self.record_step(len(pictures))
        self._average()
        return {"difference": loss.detach(), "bad": bad}

    def _average(self) -> None:
        """Move the averaged network towards the trained one, faster in the first steps."""
        newest = AVERAGED if self.transferred else max(AVERAGED, min(1.0, 10 / self.steps_taken))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.velocity.parameters()), newest)

    # ------------------------------------------------------------------------------------------------------ drawing

    def steer(self, steps: int | None = None, guidance: float | None = None) -> None:
        """Choose the steps of the next pictures; there is no mask that guidance could follow."""
        if guidance is not None:
            raise UserError(
                f"{self.config.name} draws without a mask.",
                "Expected no guidance.",
                "Leave guidance empty, or use flow.",
            )
        self.sampling_steps = self.config.sampling_steps if steps is None else steps

    def look(
        self,
        rng: Stream | Sequence[Stream],
        n: int = 1,
        condition: Tensor | None = None,
        image_class: Tensor | None = None,
    ) -> Tensor:
        """Draw as `sample`, in 8 steps."""
        steps, self.sampling_steps = self.sampling_steps, min(self.sampling_steps, LOOK_STEPS)
        try:
            return self.sample(rng, n, condition, image_class)
        finally:
            self.sampling_steps = steps

    def draw(
        self,
        streams: Sequence[Stream],
        shape: tuple[int, int, int, int],
        shown: Tensor | None,
        image_class: Tensor | None,
        variety: float,
        sketch: Tensor | None = None,
        start: float = 0.0,
    ) -> Tensor:
        """Draw pictures (N, C, Y, X) in [-1, 1] from noise, or from sketches that are put at the time ``start``."""
        x = draw_noise(streams, shape, variety, self.spec.tile)
        if sketch is not None:
            x = (1 - start) * x + start * sketch
        side = max(self.spec.tile, WINDOW)
        steps = max(1, round(self.sampling_steps * (1 - start)))

        def velocity(x: Tensor, time: float) -> Tensor:
            times = torch.full((len(x),), max(time, self.config.least_time), device=x.device)
            return averaged(
                lambda part, rows, columns: evened(
                    self.velocity_of(part, times, None if shown is None else shown[..., rows, columns], image_class)
                ),
                x,
                side,
            )

        return follow(x, velocity, steps, start).clamp(-1, 1)

    def redraw(
        self,
        streams: Sequence[Stream],
        picture: Tensor,
        shown: Tensor | None,
        image_class: Tensor | None,
        variety: float,
        inner: Rectangle,
        outer: Rectangle,
    ) -> Tensor:
        """Draw a part of a picture again, with the noise of the whole.

        What lies around it is kept, at every step, on the straight way from its noise to what it is, so that the new
        part joins on to it (RePaint: Lugmayr 2022, arXiv 2201.09865).

        Parameters
        ----------
        streams : sequence of torch.Generator
            Those that the picture was drawn with.
        picture : Tensor (N, C, Y, X) float32 in [-1, 1]
            Sides are multiples of 16 px.
        shown, image_class, variety
            As in `draw`.
        inner, outer : (slice, slice)
            Rows and columns that are drawn again, and those that the network sees; the outer ones begin and end at
            multiples of 16 px. Over 8 px the new part passes into its surroundings.

        Returns
        -------
        Tensor (N, C, y, x)
            The outer part.
        """
        noise = draw_noise(streams, tuple(picture.shape), variety, self.spec.tile)[..., *outer]
        known = picture[..., *outer]
        part = None if shown is None else shown[..., *outer]
        share = faded(inner, outer, picture)

        x, steps = noise, self.sampling_steps
        for number in range(steps):
            time = number / steps
            times = torch.full((len(x),), max(time, self.config.least_time), device=x.device)
            x = x + evened(self.velocity_of(x, times, part, image_class)) / steps
            now = (number + 1) / steps
            x = ((1 - now) * noise + now * known).lerp(x, share)
        return x.clamp(-1, 1)

    def velocity_of(self, x: Tensor, time: Tensor, shown: Tensor | None, image_class: Tensor | None) -> Tensor:
        """Compute the velocity of noisy pictures (N, C, Y, X) by the averaged network."""
        found: Tensor = self.average(x if shown is None else torch.cat([x, shown], 1), time, image_class)
        return found


def draw_times(number: int, rng: StepStream, least: float = 0.0) -> Tensor:
    """Draw times (N,) in (least, 1) as the sigmoid of N(0, 1), in which the middle of the way counts most.

    Esser 2024 (arXiv 2403.03206); below ``least`` the distribution is cut off.
    """
    if not least:
        return torch.sigmoid(normal((number,), rng))
    below = float(torch.special.ndtr(torch.logit(torch.tensor(least, dtype=torch.float64))))
    share = below + (1 - below) * uniform((number,), rng, torch.float64)
    return torch.sigmoid(torch.special.ndtri(share)).float()
