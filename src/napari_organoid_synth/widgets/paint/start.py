"""What a painting starts on: an empty canvas, a real pair, a labels layer or a sample; read in the background."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import MaskKind, SamplePair
from napari_organoid_synth.core.pairs.pictures import limits
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable

StartKind = Literal["empty", "pair", "layer", "sample"]
DEFAULT_SIDE, MAX_SIDE = 256, 4096
"""Side of an empty canvas where there are no real images, and the largest one, px."""
LARGEST_DEFAULT = 512
"""Largest side that an empty canvas gets unasked, px."""
MIN_BRUSH, MAX_BRUSH = 3, 60
"""Diameter of the brush at first, px."""


@dataclass(frozen=True, eq=False)
class StartChoice:
    """What a person chose to start on.

    Parameters
    ----------
    kind : {"empty", "pair", "layer", "sample"}
    name : str
        Of the pair or layer, or id of the sample.
    size : (int, int)
        Height and width of an empty canvas, px.
    keep_real : bool
        Whether the pixels of a real pair stay where its mask does.
    labels : NDArray (Y, X) int32, optional
        Of the layer.
    """

    kind: StartKind = "empty"
    name: str = ""
    size: tuple[int, int] = (DEFAULT_SIDE, DEFAULT_SIDE)
    keep_real: bool = True
    labels: NDArray[np.int32] | None = None


@dataclass(frozen=True, eq=False)
class Start:
    """Everything that a painting needs at first.

    Parameters
    ----------
    choice : StartChoice
    labels : NDArray (Y, X) int32
        A copy.
    image : NDArray (C, Y, X), optional
        The picture until the first is painted, native dtype.
    real : NDArray (C, Y, X), optional
        The real image whose pixels stay where the mask does.
    limits : tuple of (float, float)
        For each channel of the real images the values shown as black and white; empty where there are none.
    brush : int
        Diameter, px.
    pixel_size, channel_names
        As of the real images.
    origin : dict
        Provenance of the sample.
    barred : tuple of str
        Real images that a painter without training may not use, for the mask is theirs.
    """

    choice: StartChoice
    labels: NDArray[np.int32]
    image: NDArray[Any] | None = None
    real: NDArray[Any] | None = None
    limits: tuple[tuple[float, float], ...] = ()
    brush: int = 10
    pixel_size: tuple[float, float] | None = None
    channel_names: tuple[str, ...] = ()
    origin: Mapping[str, Any] = field(default_factory=dict)
    barred: tuple[str, ...] = ()


def usable_rows(table: PairTable | None) -> list[PairEntry]:
    """Return the rows to train with that have a mask; those to test stay unseen."""
    return [entry for entry in table.train if entry.masks] if table is not None else []


def default_size(table: PairTable | None) -> tuple[int, int]:
    """Return height and width of an empty canvas: those of the first real image, each up to 512 px."""
    size = next((entry.size for entry in usable_rows(table) if entry.size is not None), None)
    return (min(size[0], LARGEST_DEFAULT), min(size[1], LARGEST_DEFAULT)) if size else (DEFAULT_SIDE, DEFAULT_SIDE)


def read_start(choice: StartChoice, table: PairTable | None, samples: Path | None) -> Start:
    """Read what a painting starts on; takes as long as reading an image does.

    Parameters
    ----------
    choice : StartChoice
        What it is.
    table : PairTable, optional
        The real pairs, of which the first also fixes contrast and brush.
    samples : Path, optional
        Database of the samples.

    Raises
    ------
    UserError
        If the pair or the sample is gone or cannot be read.
    """
    from napari_organoid_synth.core.pairs.loading import read_entry

    real: SamplePair | None = None
    rows = usable_rows(table)
    if table is not None and choice.kind == "pair":
        real = read_entry(table.entry(choice.name), table.mask_kind, table.class_names)
    elif table is not None and rows:
        real = read_entry(next((row for row in rows if row.n_objects), rows[0]), table.mask_kind, table.class_names)
    shown = real
    if choice.kind == "sample":
        shown = read_sample(samples, choice.name)
    labels = np.zeros(choice.size, np.int32)
    if choice.kind == "layer" and choice.labels is not None:
        labels = choice.labels
    elif choice.kind in ("pair", "sample") and shown is not None:
        labels = np.array(shown.labels, np.int32)
    reference, origin = real or shown, {}
    if choice.kind == "sample" and shown is not None:
        origin = dict(shown.source.provenance)
    return Start(
        choice,
        labels,
        image=np.array(shown.image) if choice.kind in ("pair", "sample") and shown is not None else None,
        real=real.image if choice.kind == "pair" and choice.keep_real and real is not None else None,
        limits=limits_of(reference.image, reference.is_rgb) if reference is not None else (),
        brush=brush_of(reference, labels.shape),
        pixel_size=shown.pixel_size if shown is not None else None,
        channel_names=reference.channel_names if reference is not None else (),
        origin=origin,
        barred=barred_from(choice, labels, table, origin),
    )


def barred_from(
    choice: StartChoice, labels: NDArray[np.int32], table: PairTable | None, origin: Mapping[str, Any]
) -> tuple[str, ...]:
    """Return the real images whose own mask is painted on: painted with them it would give them back.

    Parameters
    ----------
    choice : StartChoice
        What is painted on.
    labels : NDArray (Y, X) int32
        The mask at first.
    table : PairTable, optional
        The real pairs; a layer is compared with the masks of its size.
    origin : mapping
        Provenance of a sample.
    """
    from napari_organoid_synth.core.pairs.loading import read_entry
    from napari_organoid_synth.core.pairs.mask_origin import real_masks
    from napari_organoid_synth.core.synthesis.own_images import is_new_layout, pairs_with_mask

    if choice.kind == "pair":
        return () if choice.keep_real else (choice.name,)
    if choice.kind == "sample":
        mask = origin.get("mask")
        is_new = isinstance(mask, Mapping) and mask.get("kind") != "drawn" and is_new_layout(mask)
        return () if is_new else tuple(sorted(real_masks(origin)))
    if choice.kind != "layer" or table is None or not labels.any():
        return ()
    rows = [row for row in usable_rows(table) if row.size == labels.shape]
    pairs = (read_entry(row, table.mask_kind, table.class_names) for row in rows)
    return tuple(sorted(pairs_with_mask(labels, pairs)))


def read_sample(samples: Path | None, id: str) -> SamplePair:
    """Read a sample of the gallery.

    Raises
    ------
    UserError
        If there is no project, or no such sample.
    """
    from napari_organoid_synth.core.samples.store import SampleStore

    if samples is None:
        raise UserError("No project is open.", "Expected the project of the sample.", "Open it first.")
    with SampleStore(samples) as store:
        return store.pair(id)


def limits_of(image: NDArray[Any], rgb: bool = False) -> tuple[tuple[float, float], ...]:
    """Return for each channel of an image (C, Y, X) the values shown as black and white; for colours all alike."""
    step = max(1, max(image.shape[1:]) // 512)
    probe = np.asarray(image[:, ::step, ::step], np.float32).reshape(len(image), -1)
    return tuple(limits(probe.ravel() if rgb else channel) for channel in probe)


def brush_of(pair: SamplePair | None, size: tuple[int, ...]) -> int:
    """Return a diameter, px, that draws an object in a few strokes: 0.4 of that of the objects, or a share of the size.

    Parameters
    ----------
    pair : SamplePair, optional
        Real, of the kind that is painted.
    size : tuple of int
        Height and width of the canvas, px.
    """
    wanted = min(size) / 30
    if pair is not None and pair.mask_kind == "instances" and pair.labels.any():
        areas = np.unique(pair.labels[pair.labels > 0], return_counts=True)[1]
        wanted = 0.4 * 2 * float(np.sqrt(np.median(areas) / np.pi))
    return int(np.clip(round(wanted), MIN_BRUSH, MAX_BRUSH))


def kind_of(kind: str) -> MaskKind:
    """Return the kind of the masks as a model names it; instances where it names none."""
    return kind if kind in ("binary", "classes", "instances") else "instances"  # type: ignore[return-value]
