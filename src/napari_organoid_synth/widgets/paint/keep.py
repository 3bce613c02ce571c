"""Keep a painting: image and mask become a sample with the record of how they came about."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.boxes import changed_box
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.mask_origin import real_masks
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.synthesis.provenance import DrawnRecord, PaintedRecord, Provenance
from napari_organoid_synth.widgets.paint.session import Deeds, PaintOptions, PaintSession
from napari_organoid_synth.widgets.paint.start import Start

BY_HAND = "by hand"
"""Kind of the mask in the settings of a sample that was painted."""


@dataclass(frozen=True, eq=False)
class Painting:
    """A painting as it is at one moment.

    Parameters
    ----------
    pair : SamplePair
        Image and mask, copies.
    start : Start
    options : PaintOptions
    model, facts : mapping
        What the renderer said of the model and of the image.
    deeds : Deeds
        What was done by hand.
    light : mapping
        Settings of light and noise that the picture was given; empty without.
    """

    pair: SamplePair
    start: Start
    options: PaintOptions
    model: Mapping[str, Any]
    facts: Mapping[str, Any]
    deeds: Deeds
    light: Mapping[str, Any]


def take_painting(session: PaintSession, light: Mapping[str, Any] | None = None) -> Painting:
    """Copy what is on the layers.

    Raises
    ------
    UserError
        If nothing was painted yet.
    """
    layers, start, classes = session.layers, session.start, tuple(session.model.get("image_classes", ()))
    labels, pixels = layers.mask, layers.pixels.copy()
    if not labels.any():
        raise UserError("The mask is empty.", "Expected at least one object.", "Paint one with the brush.")
    if start.real is not None and not (labels != start.labels).any() and np.array_equal(pixels, start.real):
        raise UserError(
            "This is still the real pair itself.", "Expected a change.", "Add, remove or move an object, then keep it."
        )
    pair = layers.pair.replace(
        name=layers.name.replace(" painted", "-painted"),
        image=pixels,
        labels=labels,
        image_class=next(iter(classes[session.options.image_class :]), None),
    )
    deeds = replace(session.deeds, shapes=set(session.deeds.shapes), runs=set(session.deeds.runs))
    return Painting(pair, start, session.options, session.model, session.facts, deeds, dict(light or {}))


def keep_painting(painting: Painting, samples: Path, data: Mapping[str, str]) -> str:
    """Add a painting to the samples of a project, as new; return its id. Writes files.

    Parameters
    ----------
    painting : Painting
        Of `take_painting`.
    samples : Path
        Their database.
    data : mapping of str to str
        Hash of every pair that the model learned from, by name.

    Raises
    ------
    UserError
        If the disk is full.
    Misfit
        If it does not fit the real pairs of the project.
    """
    from napari_organoid_synth.core.samples.store import SampleStore

    provenance = provenance_of(painting, data)
    pair = painting.pair.replace(source=Source("synthetic", provenance=provenance.as_dict()))
    with SampleStore(samples) as store:
        return store.add(pair, run=provenance.run)


def provenance_of(painting: Painting, data: Mapping[str, str]) -> Provenance:
    """Return the record of a painting: model, seed, mask, what was done by hand and which pixels are synthetic."""
    start, model, options = painting.start, painting.model, painting.options
    box, share = synthetic_part(painting.pair.image, start.real)
    drawn = DrawnRecord(
        start=start.choice.kind,
        name=start.choice.name,
        strokes=painting.deeds.strokes,
        stamps=painting.deeds.stamps,
        shapes=tuple(sorted(painting.deeds.shapes)),
        runs=tuple(sorted(painting.deeds.runs)),
        box=box,
        synthetic=round(share, 6),
    )
    names = dict.fromkeys((*drawn.real, *sorted(real_masks(start.origin))))
    place = options.walk
    seed, variety = (options.seed, options.variety) if place is None else (place.seed, place.variety)
    settings = {"masks": BY_HAND, "seed": seed, "variety": variety, "light": dict(painting.light)}
    if place is not None:
        settings["walk"] = place.model_dump(exclude_defaults=True)
    return Provenance(
        run=str(model.get("name", "")),
        generator=str(model.get("generator", "")),
        model_sha256=str(model.get("sha256", "")),
        checkpoint=int(model.get("checkpoint", 0)),
        seed=seed,
        index=0 if place is None else place.index,
        latent_seed=str(painting.facts.get("latent_seed", seed)),
        mask={"kind": "drawn", "names": list(names), "digest": content_hash(painting.pair.labels)},
        data=dict(data),
        settings=settings,
        painted=painted_record(painting.facts),
        drawn=drawn,
    )


def synthetic_part(image: NDArray[Any], real: NDArray[Any] | None) -> tuple[tuple[int, int, int, int] | None, float]:
    """Return the box that holds all pixels of an image (C, Y, X) that differ from the real one, and their share."""
    if real is None or real.shape != image.shape:
        return (0, 0, image.shape[1], image.shape[2]), 1.0
    differ = (image != real).any(axis=0)
    return changed_box(differ, np.zeros_like(differ)), float(np.count_nonzero(differ) / differ.size)


def painted_record(facts: Mapping[str, Any]) -> PaintedRecord | None:
    """Return where the pieces of an image come from; None where a network drew it."""
    sources = facts.get("sources")
    if not sources:
        return None
    residual = {str(label): round(float(value), 3) for label, value in dict(facts.get("residual") or {}).items()}
    return PaintedRecord(
        seed=str(facts.get("latent_seed", "")),
        sources={str(name): round(float(share), 4) for name, share in dict(sources).items()},
        largest_piece=int(facts.get("largest_piece") or 0),
        worst=max(residual.values(), default=0.0),
        residual=residual,
    )


def learned_from(run: Path) -> dict[str, str]:
    """Return the hash of every pair that a run learned from, by name; none for other models."""
    from napari_organoid_synth.core.runs.metadata import RunMetadata

    try:
        return dict(RunMetadata.read(run / "run.json").data)
    except UserError:
        return {}


def unlike_sentence(
    facts: Mapping[str, Any], class_names: tuple[str, ...] = (), among: Collection[int] | None = None
) -> str:
    """Say which objects are unlike any example; empty where all are like one.

    Parameters
    ----------
    facts : mapping
        Of the image, with the misfit of each label under ``residual``.
    class_names : tuple of str
        Of a mask of classes; other masks have numbers.
    among : collection of int, optional
        Labels that count; default: all.
    """
    from napari_organoid_synth.core.synthesis.provenance import UNLIKE

    misfits = dict(facts.get("residual") or {})
    unlike = [int(label) for label, misfit in misfits.items() if float(misfit) >= UNLIKE and int(label) > 0]
    unlike = [label for label in unlike if among is None or label in among]
    if not unlike:
        return ""
    if class_names:
        named = [class_names[label - 1] if label <= len(class_names) else str(label) for label in unlike]
        return f"Nothing like this in your images: {', '.join(named[:5])}."
    more = " …" if len(unlike) > 5 else ""
    which = f"object{'s' * (len(unlike) != 1)} {', '.join(map(str, unlike[:5]))}{more}"
    return f"Nothing like this in your images: {which}."
