"""A choice of layers follows the layer list of the viewer that its dock stands in."""

from __future__ import annotations

import numpy as np
import pytest
from napari.layers import Image, Labels
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_organoid_synth.widgets.shared.layer_choice import layer_choice


class ChoiceDock(QWidget):
    def __init__(self) -> None:
        super().__init__()
        self.image, self.mask = layer_choice(Image), layer_choice(Labels)
        layout = QVBoxLayout(self)
        for choice in (self.image, self.mask):
            layout.addWidget(choice.native)

    def reset_choices(self, _: object = None) -> None:
        for choice in (self.image, self.mask):
            choice.reset_choices()


def test_layers_come_go_and_change_their_names(make_napari_viewer):
    viewer = make_napari_viewer()
    dock = ChoiceDock()
    viewer.window.add_dock_widget(dock)
    assert (dock.image.value, dock.mask.value) == (None, None)
    one, two = viewer.add_image(np.zeros((4, 4)), name="one"), viewer.add_image(np.zeros((4, 4)), name="two")
    labels = viewer.add_labels(np.zeros((4, 4), int), name="mask")
    assert dock.image.choices == (one, two)
    assert dock.mask.choices == (labels,)
    dock.image.value = two
    changes = []
    dock.image.changed.connect(changes.append)
    two.name = "zwei"
    assert dock.image.value is two
    assert dock.image.current_choice == "zwei"
    assert dock.image.native.itemData(1) is two
    viewer.layers.remove(one)
    assert dock.image.value is two
    viewer.layers.remove(two)
    assert dock.image.value is None
    with pytest.raises(ValueError, match="is not among"):
        dock.image.value = one
