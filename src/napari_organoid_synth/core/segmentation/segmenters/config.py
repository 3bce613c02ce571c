"""Base class of the settings of segmenters, and the names of the files of a saved one; without torch."""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, ClassVar, NamedTuple

from pydantic import SerializeAsAny

from napari_organoid_synth.core.fields import member_of
from napari_organoid_synth.core.frozen_model import Settings
from napari_organoid_synth.core.registry import SEGMENTERS

WEIGHTS, DESCRIPTION = "segmenter.safetensors", "segmenter.json"


class Crops(NamedTuple):
    """Input of a network in one optimiser step.

    Parameters
    ----------
    number : int
    side : int
        Of each, px.
    """

    number: int
    side: int


class SegmenterConfig(Settings):
    """Base of the settings of a segmenter, with all facts that need no network.

    Attributes
    ----------
    title : str
        Name in the window.
    when : str
        Use and limits.
    draws_flow : bool
        Whether it also predicts arrows to the middle of each object.
    takes_steps : bool
        Whether its training is made of single steps, so that a few can be timed.
    name : str
        Key in the registry and in settings files.
    """

    title: ClassVar[str]
    when: ClassVar[str]
    draws_flow: ClassVar[bool] = False
    takes_steps: ClassVar[bool] = True

    name: str

    @property
    @abstractmethod
    def crops(self) -> Crops:
        """Crops, or whole images, of one optimiser step."""

    @property
    def sees_whole(self) -> bool:
        """Whether it sees whole images, so that whole ones are held back."""
        return False


AnySegmenter = Annotated[SerializeAsAny[SegmenterConfig], member_of(SEGMENTERS)]
"""Field type: settings of any registered segmenter, given whole or by its name alone."""


def segmenter_config(name: str) -> type[SegmenterConfig]:
    """Return the settings class of a registered segmenter; imports no torch for those of this package.

    Raises
    ------
    UserError
        If there is no such segmenter.
    """
    cls = SEGMENTERS.config(name)
    assert issubclass(cls, SegmenterConfig), f"{cls.__name__} is not a SegmenterConfig"
    return cls
