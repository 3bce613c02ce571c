"""Field types shared by several settings, each with bounds and description."""

from __future__ import annotations

import re
import warnings
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from napari_organoid_synth.core.registry import Registry

Names = Annotated[tuple[str, ...], BeforeValidator(lambda value: (value,) if isinstance(value, str) else value)]
"""One or more names; a single one may stand without brackets."""

Which = Annotated[str, BeforeValidator(lambda value: str(value) if type(value) is int else value)]
"""A checkpoint: newest, best, or its step."""
WHICH = r"^(newest|best|\d{1,9})$"


def _switch(value: Any) -> Any:
    """Turn a truth value of YAML into on or off."""
    if isinstance(value, str):
        value = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}.get(
            value.lower(), value
        )
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else value


Switch = Annotated[Literal["auto", "on", "off"], BeforeValidator(_switch)]
"""On, off, or as the program thinks best; ``true`` and ``no`` are understood, too."""


def _is_pattern(value: str) -> str:
    try:
        with warnings.catch_warnings(action="ignore"):  # of what may mean something else in a later Python
            re.compile(value)
    except re.error as error:
        raise ValueError(f"It is not a regular expression: {error}") from None
    return value


Pattern = Annotated[str, AfterValidator(_is_pattern)]
"""A regular expression, or empty."""

DeviceName = Annotated[str, Field(pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$", description="auto, cpu, cuda, cuda:1, mps.")]
Threads = Annotated[int, Field(ge=0, description="Processor threads; 0: as many as there are cores.")]

MIN_PIXEL_SIZE, MAX_PIXEL_SIZE = 1e-6, 1e6
"""Sides of a pixel that a microscope can have, µm; anything else is a mistake."""


def is_pixel_size(size: tuple[float, float]) -> bool:
    """Return whether a pixel can have this height and width, µm."""
    return all(MIN_PIXEL_SIZE <= side <= MAX_PIXEL_SIZE for side in size)


PixelSize = Annotated[
    tuple[float, float] | None,
    AfterValidator(lambda size: size if size and is_pixel_size(size) else None),
    Field(description="Height and width of a pixel, µm."),
]
"""An impossible size counts as not known, as in the files of other programs."""


class MemberOf:
    """Turn ``"dcgan"`` or ``{"name": "dcgan", ...}`` into the settings of that member.

    Parameters
    ----------
    registry : Registry
        The family that the member belongs to.
    """

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def __call__(self, value: Any) -> Any:
        """Validate a value as pydantic asks for it; settings stay what they are."""
        if isinstance(value, str):
            value = {"name": value}
        if isinstance(value, dict) and isinstance(value.get("name"), str):
            return self.registry.config(value["name"]).model_validate(value)
        return value


def member_of(registry: Registry) -> Any:
    """Annotate a field that holds the settings of one member of a family."""
    return BeforeValidator(MemberOf(registry))


Layout = Literal["auto", "arranged", "moved", "warped", "real", "fitted", "generated", "simulated"]
"""Where the masks that a painter paints on come from."""
LAYOUTS = (
    "What a painter paints on: real objects at other places (arranged), real masks bent strongly (moved), bent a "
    "little (warped) or as they are (real), new objects with the sizes, shapes and clusters of the real ones (fitted), "
    "masks of a mask generator (generated) or simulated ones; auto: moved for classes, else arranged."
)
