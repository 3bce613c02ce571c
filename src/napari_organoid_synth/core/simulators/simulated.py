"""The pair that a simulator returns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, Source


def simulated_pair(
    simulator: str,
    seed: int,
    image: NDArray[Any],
    labels: NDArray[Any],
    mask_kind: MaskKind,
    class_names: tuple[str, ...],
    pixel_size: float,
    **settings: Any,
) -> SamplePair:
    """Return a pair with a record of everything needed to simulate it again.

    Parameters
    ----------
    simulator : str
        Its name in `SIMULATORS`.
    seed : int
        Seed of the random numbers.
    image : NDArray (1, size, size) uint8 or uint16
        Image of the camera.
    labels : NDArray (size, size)
        Object, class or background of each pixel.
    mask_kind, class_names
        As in `SamplePair`.
    pixel_size : float
        Side of a pixel, µm.
    **settings
        Further arguments of the simulator.
    """
    return SamplePair(
        name=f"{simulator}_{seed:05d}",
        image=image,
        labels=labels.astype(np.int32),
        mask_kind=mask_kind,
        class_names=class_names,
        pixel_size=(pixel_size, pixel_size),
        source=Source(
            "simulated",
            provenance={"simulator": simulator, "seed": seed, "size": labels.shape[0], **settings},
        ),
    )
