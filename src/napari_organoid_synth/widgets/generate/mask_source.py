"""Sources of masks that a painter can paint on, and what each of them needs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Labels

from napari_organoid_synth.widgets.forms.editors import ChoiceEdit
from napari_organoid_synth.widgets.shared.layer_choice import layers_of
from napari_organoid_synth.widgets.shared.layer_grid import full_data
from napari_organoid_synth.widgets.shared.runs import RunInfo

if TYPE_CHECKING:
    from napari_organoid_synth.core.pairs.table import PairTable

MASKS = {
    "auto": ("automatic", "Your objects at new places; masks with named classes are moved as a whole."),
    "arranged": (
        "real objects, arranged",
        "Your objects, turned, at other places, as close as now or as you say.",
    ),
    "moved": ("real masks, moved", "Parts of your masks, bent strongly; organelles change places."),
    "fitted": ("fitted masks", "New objects with the number, sizes, shapes and clusters of yours."),
    "warped": ("real masks, warped", "Your masks, bent a little, turned and mirrored: little that is new."),
    "real": ("real masks, as they are", "Tiles of your masks, unchanged: known shapes with a new look."),
    "generated": ("new masks, generated", "Masks from a run that was trained to draw masks; each is checked."),
    "simulated": ("simulated masks", "Shapes drawn by the built-in simulator of the same kind of mask."),
}
FROM_REAL = ("auto", "arranged", "moved", "fitted", "warped", "real")
"""Masks that are made of real ones alone."""
USES = {
    "arranged": "objects of the masks of {own}, arranged in new ways",
    "moved": "the masks of {own}, bent strongly, with organelles exchanged",
    "warped": "the masks of {own}, bent a little and rotated",
    "real": "the masks of {own}",
}
SIMULATED = {"binary": "organoids", "instances": "touching cells", "classes": "mitochondria and membranes"}
NO_PAIRS = "Needs your pairs, and this project has none. Drop images and masks in Pairs"


def mask_choice() -> ChoiceEdit:
    """Create the choice of masks: a key of `MASKS`, or a labels layer that can be painted on."""
    layers = layers_of(Labels)

    def choices(widget: Any) -> list[tuple[str, Any]]:
        drawn = [layer for layer in layers(widget) if layer.ndim == 2 and (layer.editable or layer.multiscale)]
        return [(text, key) for key, (text, _) in MASKS.items()] + [(f"layer: {one.name}", one) for one in drawn]

    return ChoiceEdit(annotation=Labels, choices=choices, tips={key: tip for key, (_, tip) in MASKS.items()})


Need = tuple[str, str]
"""Two sentences about a mask source: what it uses, and what it lacks; one of them is empty."""


def need_of(source: str, painter: RunInfo | None, table: PairTable | None, drawer: RunInfo | None) -> Need:
    """Return what a source of masks uses, or what it lacks.

    Parameters
    ----------
    source : str
        A key of `MASKS`.
    painter : RunInfo, optional
        The run that paints.
    table : PairTable, optional
        The pairs of the project.
    drawer : RunInfo, optional
        The run that draws the masks when the source is "generated".
    """
    pairs = len(table.train) if table is not None else 0
    kind = painter.mask_kind if painter is not None else ""
    if source == "simulated":
        if kind == "classes" and painter is not None and painter.class_names != simulated_classes():
            return "", (
                f"The simulator draws {SIMULATED['classes']}; this run paints {', '.join(painter.class_names)}. "
                "Choose real masks, moved."
            )
        return f"Needs no pairs: {SIMULATED.get(kind, 'shapes')} are simulated.", ""
    if not pairs:
        other = ", or choose simulated masks." if source in {"auto", *USES} else "."
        return "", NO_PAIRS + other
    own = f"your {pairs} pair{'s' * (pairs != 1)}"
    if source == "fitted":
        if kind == "classes":
            return "", "Named classes have no objects to count and measure. Choose real masks, moved."
        return f"Uses number, sizes and clusters of the objects in {own}.", ""
    if source == "generated":
        if drawer is None:
            return "", (
                "Needs a run that draws masks, and none here fits. In Train choose 'Masks, then images', or a "
                "joint generator that draws masks."
            )
        name = drawer.title.partition(" · ")[0]
        return f"Uses new masks of {name}; masks that fail the check against {own} are replaced.", ""
    if source == "arranged" and kind == "classes":
        return "", "Named classes belong together and cannot be arranged apart. Choose real masks, moved."
    if source == "auto":
        source = "moved" if kind == "classes" else "arranged"
    return f"Uses {USES[source].format(own=own)}.", ""


def layer_need(layer: Any, painter: RunInfo | None) -> Need:
    """Return what painting on a labels layer uses, or what it lacks."""
    labels = np.asarray(full_data(layer))
    if not labels.any():
        return "", "The chosen labels layer is empty. Paint an object on it first."
    highest = int(labels.max())
    if painter is not None and painter.mask_kind == "classes" and highest > len(painter.class_names):
        names = ", ".join(f"{number} {name}" for number, name in enumerate(painter.class_names, 1))
        return "", f"The layer contains label {highest}; this run knows {names}."
    return f"Uses '{layer.name}' for every pair: one mask, each time with another look.", ""


def fitting_drawers(runs: Sequence[RunInfo], painter: RunInfo | None) -> list[RunInfo]:
    """Return the runs whose masks a painter can paint on, newest first."""
    drawers = [run for run in runs if run.shape == "mask" and not run.problem]
    if painter is None:
        return drawers
    return [run for run in drawers if (run.mask_kind, run.class_names) == (painter.mask_kind, painter.class_names)]


def cannot_draw(info: RunInfo) -> str:
    """Return why a run cannot draw images; empty when it can."""
    if info.shape == "mask" and not info.problem:
        return "This run draws masks only. Choose a run that paints, and 'new masks, generated' as its masks."
    return info.problem


@cache
def simulated_classes() -> tuple[str, ...]:
    """Return the classes that the simulator of classes draws."""
    from napari_organoid_synth.core.simulators.simulate import SIMULATORS

    return tuple(SIMULATORS["em"](0, 64).class_names)
