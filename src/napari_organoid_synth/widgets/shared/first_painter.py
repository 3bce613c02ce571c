"""The choice to paint now, with the pairs of the project and without any training."""

from __future__ import annotations

from typing import TYPE_CHECKING

from napari_organoid_synth.core.generators.analogy_config import AnalogyConfig
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.widgets.shared.runs import RunInfo

if TYPE_CHECKING:
    from napari_organoid_synth.core.pairs.table import PairTable

NOW = "analogy"
"""Stands for a run in the settings: the run is made when it is needed."""


def painter_now(table: PairTable | None) -> RunInfo | None:
    """Return the painter that needs no training as a run; None where the project has no pair to paint with."""
    usable = [entry for entry in table.train if entry.masks and not entry.is_empty_field] if table is not None else []
    if table is None or not usable:
        return None
    title = f"no training · pieces of your {plural(len(usable), 'image')}"
    classes = tuple(sorted({entry.image_class for entry in usable if entry.image_class}))
    return RunInfo(
        NOW,
        title,
        AnalogyConfig.kind,
        generator=NOW,
        steps=(0,),
        mask_kind=table.mask_kind or "",
        class_names=table.class_names,
        image_classes=classes,
        trains=False,
    )
