"""Keep image and mask that were drawn from noise: they become a sample with the record of how they came about."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.synthesis.provenance import Provenance
from napari_organoid_synth.widgets.live.noise import Drawing
from napari_organoid_synth.widgets.live.target import pair_of


def drawn_pair(drawing: Drawing, light: Mapping[str, Any], data: Mapping[str, str]) -> SamplePair:
    """Return a drawing as a sample.

    Parameters
    ----------
    drawing : Drawing
        Of an image and a mask.
    light : mapping
        Settings of light and noise that the picture has, for the record.
    data : mapping of str to str
        Hash of every pair that the model learned from, by name.

    Raises
    ------
    UserError
        If the mask is empty.
    """
    message, place, model = drawing.message, drawing.place, drawing.model
    labels = np.array(message.labels, np.int32)
    if not labels.any():
        raise UserError("The mask is empty.", "Expected at least one object.", "Draw at another place of the walk.")
    name, classes = str(model.get("name", "")), tuple(model.get("image_classes") or ())
    provenance = Provenance(
        run=name,
        generator=str(model.get("generator", "")),
        model_sha256=str(model.get("sha256", "")),
        checkpoint=int(model.get("checkpoint", 0)),
        seed=place.seed,
        index=place.index,
        attempt=place.attempt,
        latent_seed=str(drawing.facts.get("latent_seed", place.seed)),
        mask={"digest": content_hash(labels)},
        data=dict(data),
        settings={
            "seed": place.seed,
            "variety": place.variety,
            "light": dict(light),
            "walk": place.model_dump(exclude_defaults=True),
        },
    )
    image_class = place.class_to if place.class_share > 0.5 else place.class_from
    pair = pair_of(f"{name.removesuffix('-train')}-walk-s{place.seed}", np.array(message.pixels), labels, model)
    return pair.replace(
        image_class=next(iter(classes[image_class:]), None) if model.get("class_conditional") else None,
        source=Source("synthetic", provenance=provenance.as_dict()),
    )


def keep_drawn(pair: SamplePair, samples: Path) -> str:
    """Add it to the samples of a project, as new; return its id. Writes files.

    Raises
    ------
    UserError
        If the disk is full.
    Misfit
        If it does not fit the real pairs of the project.
    """
    from napari_organoid_synth.core.samples.store import SampleStore

    with SampleStore(samples) as store:
        return store.add(pair, run=str(pair.source.provenance["run"]))
