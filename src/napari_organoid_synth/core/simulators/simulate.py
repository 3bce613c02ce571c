"""Parametric simulators: pairs for trying things out, masks to paint on, and the baseline that a generator must beat.

A simulator takes a seed and a size and returns a `SamplePair`; the same seed gives the same pixels.
"""

from __future__ import annotations

from collections.abc import Callable

from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.simulators.em import em
from napari_organoid_synth.core.simulators.organoid_brightfield import organoid_brightfield
from napari_organoid_synth.core.simulators.population import population
from napari_organoid_synth.core.simulators.tissue import tissue

__all__ = ["SIMULATORS", "em", "organoid_brightfield", "population", "tissue"]

SIMULATORS: dict[str, Callable[..., SamplePair]] = {
    "organoid_brightfield": organoid_brightfield,
    "em": em,
    "tissue": tissue,
    "population": population,
}
"""All simulators by name, each called with a seed and ``size=`` (side of the image, px)."""
