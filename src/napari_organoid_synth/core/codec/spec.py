"""Inputs and outputs of networks: shapes, parts and channels; and the settings of the codec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from napari_organoid_synth.core.frozen_model import Settings

Shape = Literal["joint", "image", "mask", "painter"]
Part = Literal["image", "mask", "condition"]
Condition = Literal["edges", "classes", "flow", "labels"]


class CodecSettings(Settings):
    """Conversion of pixels and labels to network values."""

    low: float = Field(0.1, ge=0, lt=50, description="Percentile of intensity that becomes -1.")
    high: float = Field(99.9, gt=50, le=100, description="Percentile of intensity that becomes +1.")
    condition: Literal["auto", "edges", "classes", "flow", "labels"] = Field(
        "auto", description="Form in which a painter sees the mask; auto: edges for instances, else one map per class."
    )


@dataclass(frozen=True)
class PairSpec:
    """Channels that a network takes and returns.

    Parameters
    ----------
    tile : int
        Side, px.
    image_channels, mask_channels : int
        For a painter ``mask_channels`` counts the channels of its condition.
    image_classes : tuple of str
        Labels of whole images; empty when there are none.
    vectors : int, optional
        Channel, counted through image and mask, of the y component of a heat flow; its x component follows.
    whole : int
        Side of the middle of a sample, px, that is kept; 0: all of it.
    """

    tile: int
    image_channels: int
    mask_channels: int
    image_classes: tuple[str, ...] = ()
    vectors: int | None = None
    whole: int = 0
