"""Provenance of a synthetic pair, in its OME annotations: enough to make it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import ConfigDict, Field

from napari_organoid_synth import __version__
from napari_organoid_synth.core.frozen_model import FrozenModel
from napari_organoid_synth.core.quantities import plural


class BackgroundRecord(FrozenModel):
    """An uneven background that was added to the image."""

    strength: float = Field(ge=0, le=1, description="Share of each channel's range.")
    seed: str = Field(description="Decimal digits.")


class ChoiceRecord(FrozenModel):
    """Reason for choosing a pair among candidates."""

    near: tuple[str, ...] = Field(description="Real tiles that it was to be near to.")
    candidates: int = Field(description="How many were drawn.")
    distance: float = Field(description="To the nearest of these tiles, in features.")
    extractor: str = Field(description="Network whose features were compared.")


class PaintedRecord(FrozenModel):
    """Origin of an image that was put together from real ones."""

    seed: str = Field(description="Decimal digits.")
    sources: dict[str, float] = Field(description="Share of the pixels by the name of the real image.")
    largest_piece: int = Field(ge=0, description="Area of the largest piece that was taken over as it was, px.")
    worst: float = Field(
        ge=0, description="Largest misfit of an object; 1 where it is matched as well as real ones among themselves."
    )
    residual: dict[str, float] = Field(description="Misfit of each object or class.")


class DrawnRecord(FrozenModel):
    """What a person did by hand on the mask while the image followed."""

    start: Literal["empty", "pair", "layer", "sample"] = Field(description="What the mask was at first.")
    name: str = Field("", description="Of the real pair or layer, or id of the sample, that it started from.")
    strokes: int = Field(ge=0, description="Strokes of brush, eraser, fill and polygon; undone ones count, too.")
    stamps: int = Field(0, ge=0, description="Objects that were stamped.")
    shapes: tuple[str, ...] = Field((), description="Real images that the stamped shapes were cut from.")
    runs: tuple[str, ...] = Field((), description="Runs of generators that drew stamped shapes.")
    box: tuple[int, int, int, int] | None = Field(
        None, description="First row and column, last row and column plus one, of all synthetic pixels."
    )
    synthetic: float = Field(1.0, ge=0, le=1, description="Share of the pixels that are not those of a real image.")

    @property
    def real(self) -> tuple[str, ...]:
        """Names of the real images whose mask, or objects of it, the mask holds."""
        own = (self.name,) if self.start == "pair" else ()
        return tuple(dict.fromkeys((*own, *self.shapes)))


def drawn_sentence(provenance: Mapping[str, Any]) -> str:
    """Say what a person painted, and how much of a real image remains; empty for pairs that nobody painted."""
    drawn = provenance.get("drawn")
    if not isinstance(drawn, Mapping):
        return ""
    done = [plural(int(drawn.get(key, 0)), word) for key, word in (("strokes", "stroke"), ("stamps", "stamp"))]
    kind, name = drawn.get("start"), drawn.get("name", "")
    begin = {"pair": f" on the real pair {name}", "sample": f" on the sample {name}", "layer": f" on '{name}'"}
    text = f"Painted by hand{begin.get(str(kind), '')}: {', '.join(done)}."
    if (share := float(drawn.get("synthetic", 1.0))) < 1:
        text += f" {share:.1%} of the pixels are synthetic, the others real."
    return text


UNLIKE = 3.0
"""Misfit from which on an object counts as unlike any in the real images."""


def painted_sentence(provenance: Mapping[str, Any]) -> str:
    """Say which real images a pair was painted with, and what is unlike them; empty where a network drew it."""
    painted = provenance.get("painted")
    if not isinstance(painted, Mapping):
        return ""
    shares = sorted(painted.get("sources", {}).items(), key=lambda one: -one[1])
    named = ", ".join(f"{name} ({share:.0%})" for name, share in shares[:3])
    text = f"Painted with pieces of {named}{' and others' if len(shares) > 3 else ''}."
    unlike = [label for label, misfit in painted.get("residual", {}).items() if misfit >= UNLIKE]
    if not unlike:
        return text
    which = f"label{'s' * (len(unlike) != 1)} {', '.join(unlike[:5])}{' …' if len(unlike) > 5 else ''}"
    return f"{text} Nothing like this in your images: {which}."


class Provenance(FrozenModel):
    """Provenance of a sample."""

    model_config = ConfigDict(populate_by_name=True)

    run: str = Field(description="Name of the run or model file.")
    generator: str = Field(description="Kind of generator.")
    model_sha256: str = Field(description="Of the file with the tensors.")
    checkpoint: int = Field(description="Step of the checkpoint.")
    seed: int = Field(description="That of the settings.")
    index: int = Field(description="Number of the sample.")
    attempt: int = Field(0, alias="try", description="How many masks were refused before.")
    latent_seed: str = Field(description="Decimal digits; 63 bits are too long for a JSON number.")
    mask: dict[str, Any] = Field(description="Where the mask comes from, and its hash.")
    data: dict[str, str] = Field({}, description="Hash of every pair that the generator learned from.")
    settings: dict[str, Any] = Field({}, description="Of the command 'generate'.")
    software: str = Field(__version__, description="Version of napari-organoid-synth.")
    background: BackgroundRecord | None = None
    chosen: ChoiceRecord | None = None
    painted: PaintedRecord | None = None
    drawn: DrawnRecord | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for the annotations of a file."""
        values = self.model_dump(mode="json", by_alias=True)
        return {name: value for name, value in values.items() if value is not None}
