"""Choices of napari layers: magicgui's own, which follow the layer list of the viewer they are shown in.

napari tells a dock widget that has a method ``reset_choices`` about every layer that comes, goes or changes its name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from magicgui.type_map import get_widget_class

from napari_organoid_synth.widgets.forms.editors import ChoiceEdit


def layer_choice(kind: type[Any]) -> ChoiceEdit:
    """Create a choice of one layer.

    Parameters
    ----------
    kind : type of napari.layers.Layer
        ``napari.layers.Image``, for example. Its ``value`` is a layer of this kind, or None while there is none.
    """
    return ChoiceEdit(annotation=kind, choices=layers_of(kind))


def layers_of(kind: type[Any]) -> Callable[[Any], list[Any]]:
    """Return the function that napari registered with magicgui: it lists the layers of a kind for a widget."""
    choices: Callable[[Any], list[Any]] = get_widget_class(annotation=kind)[1]["choices"]
    return choices
