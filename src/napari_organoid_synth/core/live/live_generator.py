"""What the renderer asks of a generator, whatever it is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.codec.spec import Shape
from napari_organoid_synth.core.live.canvas import Canvas
from napari_organoid_synth.core.live.walk_settings import Walk, WalkSettings
from napari_organoid_synth.core.pairs.pair import SamplePair

if TYPE_CHECKING:
    from pathlib import Path

    from napari_organoid_synth.core.runs.run import Run
    from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

LiveSource: TypeAlias = "TrainedGenerator | Run | Path | str"
"""A trained generator, a run, the folder of a run, or a ``.synth`` file."""

Drawn = tuple[NDArray[Any] | None, NDArray[np.int32] | None]
"""Image (C, Y, X) in its native dtype, and labels (Y, X); None for what is not drawn."""


@dataclass(frozen=True, eq=False, kw_only=True)
class LiveGenerator(ABC):
    """A generator that is open.

    Parameters
    ----------
    name : str
        Of its run, or of the model file without its suffix.
    generator : str
        Its kind, such as ``analogy``.
    shape : {"joint", "image", "mask", "painter"}
    side : int
        Of a tile, px.
    codec : Codec
    step : int
        Of the checkpoint.
    sha256 : str
        Of the file with its parameters.
    device : str
        What computes, in words.
    on_processor : bool
    class_conditional : bool
    any_size : bool
        Whether masks of any size are painted at once, and not tile by tile.
    walks : tuple of Walk
        Ways that it offers.
    style_layers : int
        Layers with a style of their own.
    pairs : tuple of SamplePair
        Real pairs that it paints with; none of a network.
    """

    name: str
    generator: str
    shape: Shape
    side: int
    codec: Codec
    step: int
    sha256: str
    device: str = "processor"
    on_processor: bool = True
    class_conditional: bool = False
    any_size: bool = False
    walks: tuple[Walk, ...] = ()
    style_layers: int = 0
    pairs: tuple[SamplePair, ...] = ()

    @abstractmethod
    def open_canvas(
        self,
        labels: NDArray[np.integer[Any]],
        place: WalkSettings,
        exclude: Collection[str] = (),
        real: NDArray[Any] | None = None,
    ) -> Canvas:
        """Paint a mask with the noise of a place, and return the canvas on which it can be changed.

        Parameters
        ----------
        labels : NDArray (Y, X) int
            Labels as in the training masks, of any size; may be empty.
        place : WalkSettings
            Seed, variety and class of a batch, or a place on a way.
        exclude : collection of str
            Real images that a painter without training may not use.
        real : NDArray (C, Y, X), optional
            The real image of this mask, native dtype: it stays as it is but where the mask is changed.

        Raises
        ------
        UserError
            If the generator paints no masks, a label is not one of its own, or the real image is unlike what it paints.
        """

    @abstractmethod
    def draw(self, place: WalkSettings) -> Drawn:
        """Draw image and mask from the noise of a place."""

    @abstractmethod
    def rest(self) -> None:
        """Return memory that is not needed while nobody asks."""
