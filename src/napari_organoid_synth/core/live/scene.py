"""What a person looks at: a canvas with the request it was painted for, and the light that falls on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from napari_organoid_synth.core.boxes import Box, widened
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.live.canvas import Canvas, Quality
from napari_organoid_synth.core.live.frames import plain
from napari_organoid_synth.core.live.light import LightSettings, apply_light
from napari_organoid_synth.core.live.look import Look
from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.core.seeds import seed_of

if TYPE_CHECKING:
    from napari_organoid_synth.core.codec.codec import Codec
    from napari_organoid_synth.core.live.live_generator import LiveGenerator

MAX_SIDE = 16_384
"""Rows or columns of a canvas."""


class PaintSettings(Settings):
    """How a canvas is painted."""

    seed: int = Field(0, ge=0, description="The same seed gives the same image.")
    image_class: int = Field(0, ge=0, description="Number of the image class among those of the generator.")
    variety: float = Field(1.0, ge=0, le=2, description="Spread of the noise, 1 as trained.")
    exclude: tuple[str, ...] = Field((), description="Real images that a painter without training may not use.")
    walk: WalkSettings | None = Field(
        None, description="Place on a way through the noise, which says seed, class and variety; none: as said here."
    )

    @property
    def place(self) -> WalkSettings:
        """Where the noise is taken from."""
        if self.walk is not None:
            return self.walk
        classes = {"class_from": self.image_class, "class_to": self.image_class}
        return WalkSettings(seed=self.seed, variety=self.variety, **classes)


@dataclass(eq=False)
class Scene:
    """A canvas and its request.

    Parameters
    ----------
    settings : PaintSettings
    labels : NDArray (Y, X) int32, optional
        The mask as the person drew it; None where the generator draws masks itself.
    real : NDArray (C, Y, X), optional
        The real image of this mask, or of `first`, native dtype.
    light : LightSettings
    look : NDArray (C, Y, X), optional
        Another real image, whose tones are taken.
    first : NDArray (Y, X) int32, optional
        The mask that the real image belongs to; default: the mask at first.
    """

    settings: PaintSettings
    labels: NDArray[np.int32] | None
    real: NDArray[Any] | None = None
    light: LightSettings = field(default_factory=LightSettings)
    look: NDArray[Any] | None = None
    first: NDArray[np.int32] | None = None
    canvas: Canvas | None = field(default=None, init=False)
    image: NDArray[Any] | None = field(default=None, init=False)
    drawn_labels: NDArray[np.int32] | None = field(default=None, init=False)
    _tones: Look | None = field(default=None, init=False)
    _span: tuple[float, float] | None = field(default=None, init=False)

    def paint(self, generator: LiveGenerator) -> Box:
        """Paint the whole mask, or draw image and mask from noise; return the box of all.

        Raises
        ------
        UserError
            If the generator cannot paint this mask, or needs one and there is none.
        """
        self.forget()
        settings, place = self.settings, self.settings.place
        _check_class(generator, settings.image_class)
        if generator.shape == "painter":
            if self.labels is None:
                raise UserError(
                    "There is no mask to paint on.", f"Expected one, for {generator.name} is a painter.", ""
                )
            if self.real is not None and self.first is None:
                self.first = self.labels.copy()
            begin = self.labels if self.first is None else self.first
            self.canvas = generator.open_canvas(begin, place, settings.exclude, self.real)
            if self.first is not None:  # what was changed since is painted into the real image
                self.canvas.change(self.labels.copy())
            self.image = self.canvas.image
        else:
            image, self.drawn_labels = generator.draw(place)
            empty = np.zeros((0, generator.side, generator.side), generator.codec.dtype)
            self.image = empty if image is None else image
        self._measure(generator.codec)
        return self.whole

    def change(self, generator: LiveGenerator, quality: Quality) -> Box | None:
        """Paint what depends on the changed part of `labels`; return where the image changed.

        Raises
        ------
        UserError
            If the mask has a label that the generator does not know, or it draws masks itself.
        """
        if self.labels is None:
            raise UserError(f"{generator.name} draws image and mask.", "Expected a painter.", "Choose a painter.")
        if self.canvas is None:  # it failed before, or was painted on a device that has no memory left
            return self.paint(generator)
        box = self.canvas.change(self.labels.copy(), quality)  # it may keep the mask, to compare the next one with it
        self.image = self.canvas.image
        return None if box is None else widened(box, self.light.reach, self.image.shape[-2:])

    def _measure(self, codec: Codec) -> None:
        """Measure what the light refers to, once for a whole painting: a bright spot later on must not dim the rest."""
        assert self.image is not None
        self._tones = None if self.look is None else Look.between(self.image, self.look)
        finite = self.image[np.isfinite(self.image)] if self.image.dtype.kind == "f" else self.image
        ends = [*codec.low, *codec.high, *((float(finite.min()), float(finite.max())) if finite.size else ())]
        self._span = None if self.image.dtype.itemsize == 1 else (min(ends), max(ends))

    def relight(self, generator: LiveGenerator, settings: dict[str, Any] | None, look: NDArray[Any] | None) -> None:
        """Choose another light, and the image whose look is taken; `picture` shows it.

        Raises
        ------
        UserError
            If a setting is out of bounds, or the look has other channels than the image.
        """
        self.light, self.look = LightSettings.parse(settings or {}), look
        if self.image is not None:
            self._measure(generator.codec)

    @property
    def whole(self) -> Box:
        """Box of the whole image."""
        assert self.image is not None
        height, width = self.image.shape[-2:]
        return 0, 0, height, width

    def picture(self, box: Box) -> NDArray[Any]:
        """Return the image (C, h, w) of a box in its light."""
        assert self.image is not None
        return apply_light(self.image, self.light, self.settings.seed, box, self._tones, self._span)

    @property
    def origin(self) -> dict[str, Any]:
        """Where the noise comes from: ``seed`` as asked for, ``latent_seed`` in decimal digits.

        With ``walk`` where a seed alone does not say all.
        """
        place = self.settings.place
        latent = seed_of(place.seed, "sample", place.index, place.attempt)
        known = {} if place.is_plain else {"walk": place.model_dump(exclude_defaults=True)}
        return {**known, "seed": place.seed, "latent_seed": str(latent)}

    def facts(self) -> dict[str, Any]:
        """Measure what is known of the origin of the image, which takes a moment.

        `origin`, and of painters without training ``sources`` (share by name), ``residual`` (misfit by label) and
        ``largest_piece`` (px).
        """
        known = {} if self.canvas is None else self.canvas.facts()
        latent = {"latent_seed": str(known.pop("seed"))} if "seed" in known else {}
        facts: dict[str, Any] = plain({**known, **self.origin, **latent})
        return facts

    def forget(self) -> None:
        """Let go of everything that lies on the device; the next change paints the whole canvas."""
        self.canvas = self.image = self.drawn_labels = None


def _check_class(generator: LiveGenerator, image_class: int) -> None:
    classes = generator.codec.image_classes
    if image_class >= max(len(classes), 1):
        raise UserError(
            f"There is no image class {image_class}.",
            f"Expected one of {len(classes)}: {', '.join(classes) or 'none'}.",
            "Choose a class that the generator was trained with.",
        )
