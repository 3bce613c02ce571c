"""The record that is written into the files of a pair, so that reading gives the same pair again."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from napari_organoid_synth import __version__
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair, Source

FORMAT = 1
REMARK = "remark"
"""Key in the provenance of a source: what was done to bring image and mask together, in words."""


class PairRecord(FrozenModel):
    """Everything about a pair except its pixels and their size; keys of later versions are ignored."""

    model_config = ConfigDict(extra="ignore")

    format: int = Field(FORMAT, description="Version of these fields; files before 1 lack it.")
    name: str = Field(description="Name of the pair, unique within a set.")
    mask_kind: MaskKind = Field("binary", description="What the labels mean.")
    class_names: tuple[str, ...] = Field(("object",), description="Names of the labels 1..K.")
    image_class: str | None = Field(None, description="Label of the whole image.")
    channel_names: tuple[str, ...] = Field((), description="One per channel, or none.")
    dtype: str = Field("", description="Pixel type of the image; the file may store a wider one.")
    source: Source = Field(Source(), description="Where the pair comes from.")
    software: str = Field("", description="Program and version that wrote the file.")

    @classmethod
    def of(cls, pair: SamplePair) -> PairRecord:
        """Describe a pair."""
        return cls(
            name=pair.name,
            mask_kind=pair.mask_kind,
            class_names=pair.class_names,
            image_class=pair.image_class,
            channel_names=pair.channel_names,
            dtype=pair.image.dtype.name,
            source=pair.source,
            software=f"napari-organoid-synth {__version__}",
        )

    @property
    def remark(self) -> str:
        """What was done to bring image and mask together; empty where nothing was."""
        return str(self.source.provenance.get(REMARK, ""))

    @property
    def is_synthetic(self) -> bool:
        """Whether a generator or a simulator made the image."""
        return self.source.kind in ("synthetic", "simulated")

    def as_json(self) -> dict[str, Any]:
        """Return the record as JSON values."""
        return self.model_dump(mode="json")
