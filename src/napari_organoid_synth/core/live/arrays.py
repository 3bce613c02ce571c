"""Painting live in a script: a canvas as arrays in memory; no project is needed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.live.canvas import Canvas
from napari_organoid_synth.core.live.live_generator import LiveGenerator, LiveSource
from napari_organoid_synth.core.live.model import open_generator
from napari_organoid_synth.core.live.walk_settings import WalkSettings
from napari_organoid_synth.core.pairs.ome_tiff import as_labels
from napari_organoid_synth.core.synthesis.own_images import pairs_with_mask


def open_canvas(
    model: LiveSource,
    mask: NDArray[Any],
    seed: int = 0,
    image_class: str = "",
    variety: float = 1.0,
    exclude: Collection[str] = (),
    real: NDArray[Any] | None = None,
    checkpoint: str = "newest",
    device: str = "auto",
) -> Canvas:
    """Paint a mask, and return a canvas on which it can be changed: only what a change touches is painted again.

    Parameters
    ----------
    model : Run, Path or str
        A run of a painter, the folder of one, or a ``.synth`` file. For many canvases pass a `TrainedGenerator`, which
        is read once.
    mask : NDArray (Y, X) int
        Labels as in the training masks, 0 is background; of any size, and may be empty.
    seed : int
        The same model, mask and seed give the same image: that of `paint`.
    image_class : str
        A class of the training images; empty: the first one.
    variety : float
        Spread of the noise, 0 to 2, 1 as trained.
    exclude : collection of str
        Real images that a painter without training may not use. Without ``real`` those whose own mask this is are left
        out, too.
    real : NDArray (C, Y, X), optional
        The real image of this mask, in its own type: it stays as it is but where the mask is changed.
    checkpoint, device : str
        As in `GenerateSettings`.

    Returns
    -------
    Canvas
        With ``labels`` (Y, X) int32, ``image`` (C, Y, X) in the type of the training images, both changed in place, and
        ``change(labels)``, which returns the box of the image that changed.

    Raises
    ------
    UserError
        If the model cannot be read or is not a painter, the mask is not one of whole numbers or has a class that the
        training masks lack, or there is no such image class.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise UserError(f"The mask has shape {mask.shape}.", "Expected (y, x).", "Open a canvas for each mask.")
    labels = as_labels(mask, "given")
    generator = open_generator(model, checkpoint, device)
    number = _class_number(generator, image_class)
    if generator.pairs and real is None and labels.any():
        exclude = {*exclude, *pairs_with_mask(labels, generator.pairs)}
    place = WalkSettings.parse({"seed": seed, "variety": variety, "class_from": number, "class_to": number})
    return generator.open_canvas(labels, place, exclude, real)


def _class_number(generator: LiveGenerator, name: str) -> int:
    classes = generator.codec.image_classes
    if not name:
        return 0
    if name not in classes or not generator.class_conditional:
        offered = ", ".join(classes) if generator.class_conditional else "none"
        raise UserError(
            f"{generator.name} has no image class '{name}'.",
            f"Expected one of: {offered or 'none'}.",
            "Leave the class empty, or choose a generator that was trained with it.",
        )
    return classes.index(name)
