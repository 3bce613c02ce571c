"""Examples of masks beside their choice: drawn from the pairs of the project, following the sliders."""

from __future__ import annotations

from functools import partial

import napari
import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtGui import QPixmap
from qtpy.QtWidgets import QStyleOptionViewItem

from napari_organoid_synth.core.pairs.loading import check_pairs, find_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.simulators.simulate import SIMULATORS
from napari_organoid_synth.core.synthesis.settings import GenerateSettings
from napari_organoid_synth.widgets.generate.dock import GenerateWidget
from napari_organoid_synth.widgets.generate.layout_list import SENTENCE
from napari_organoid_synth.widgets.generate.layout_panel import coloured_labels
from napari_organoid_synth.widgets.generate.mask_source import MASKS
from napari_organoid_synth.widgets.shared.workspace import Workspace


def shown(qtbot, tmp_path, kind):
    """Open the dock in a project of three simulated pairs of a kind."""
    simulate = SIMULATORS["em"] if kind == "classes" else partial(SIMULATORS["tissue"], n_cells=14)
    for seed in range(3):
        pair = simulate(seed, 128)
        write_pair(tmp_path / "pairs", pair.replace(name=f"p{seed}"))
    project = Project(tmp_path / "project")
    check_pairs(find_pairs(tmp_path / "pairs"), kind).to_file(project.pairs_path)
    viewer = napari.components.ViewerModel()
    dock = GenerateWidget(viewer)
    qtbot.addWidget(dock)
    with qtbot.waitSignal(dock.layouts.found, timeout=30_000):
        Workspace.of(viewer).setProject(project)
    qtbot.waitUntil(lambda: not dock.layouts.picture.isHidden(), timeout=10_000)
    return dock


def row_of(dock, key):
    return dock.mask_choice.native.findData(key)


@pytest.fixture
def cells(qtbot, tmp_path):
    dock = shown(qtbot, tmp_path, "instances")
    yield dock
    dock.close()
    Workspace.of(dock.viewer).close()


def picture(dock):
    return dock.layouts.picture.pixmap().toImage()


def test_measured_values_are_the_default(cells):
    panel = cells.layouts
    assert cells.value().masks == "auto"
    assert (cells.value().cover, cells.value().contact) == (0.0, -1.0)
    assert cells.value() == GenerateSettings(run=cells.value().run)
    assert panel.cover_text.text() == f"as measured ({panel._found.cover:.0%})"
    assert panel.contact_text.text().startswith("as measured (")
    assert "covered" in panel.caption.text()
    assert "objects" in panel.caption.text()


def test_the_example_follows_the_sliders(cells, qtbot):
    panel, before = cells.layouts, picture(cells)
    panel.cover.setValue(55)
    assert panel.cover_text.text() == "55 %"
    assert cells.value().cover == 0.55
    qtbot.waitUntil(lambda: picture(cells) != before, timeout=10_000)
    covered = int(panel.caption.text().partition("masks: ")[2].partition("%")[0])
    assert 45 <= covered <= 60


def test_each_layout_has_a_picture_and_a_sentence(cells):
    for key in ("auto", "arranged", "moved", "fitted", "warped", "real", "generated", "simulated"):
        combo, row = cells.mask_choice.native, row_of(cells, key)
        assert not combo.itemIcon(row).isNull(), key
        assert combo.itemData(row, SENTENCE) == MASKS[key][1]
    delegate = combo.view().itemDelegate()
    option = QStyleOptionViewItem()
    assert delegate.sizeHint(option, combo.model().index(0, 0)).height() >= 44
    drawn = QPixmap(340, 80)
    drawn.fill(Qt.GlobalColor.black)
    combo.view().setFixedSize(340, 400)
    combo.view().render(drawn)
    assert drawn.toImage().pixelColor(20, 20).isValid()


def test_masks_without_a_layout_from_real_ones_show_no_example(cells):
    cells.mask_choice.value = "simulated"
    assert cells.layouts.isHidden()
    cells.mask_choice.value = "arranged"
    assert not cells.layouts.isHidden()
    assert not cells.layouts.cover_row.isHidden()
    cells.mask_choice.value = "warped"
    assert cells.layouts.cover_row.isHidden()


def test_classes_are_moved_and_the_others_say_why_not(qtbot, tmp_path):
    dock = shown(qtbot, tmp_path, "classes")
    model = dock.mask_choice.native.model()
    for key in ("arranged", "fitted"):
        row = row_of(dock, key)
        assert not model.item(row).isEnabled()
        assert "named classes" in dock.mask_choice.native.itemData(row, SENTENCE)
    assert model.item(row_of(dock, "moved")).isEnabled()
    assert dock.layouts.cover_row.isHidden()
    assert dock.layouts.caption.text().startswith("An example from your masks: ")
    dock.viewer.add_labels(np.ones((8, 8), int), name="drawn")
    dock.reset_choices()
    assert not model.item(row_of(dock, "arranged")).isEnabled()  # also after the list was read again
    dock.close()
    Workspace.of(dock.viewer).close()


def test_labels_are_coloured_on_a_dark_ground():
    labels = np.zeros((50, 100), np.int32)
    labels[10:40, 20:80] = 3
    small = coloured_labels(labels, 44)
    assert small.shape == (44, 44, 3)
    assert (small[0, 0] == 24).all()
    assert (small[22, 22] != 24).any()
