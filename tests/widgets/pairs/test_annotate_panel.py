"""The panel runs the real verb in a process of its own."""

import numpy as np
import pytest

pytest.importorskip("napari")
pytest.importorskip("pytestqt")

from qtpy.QtWidgets import QFileDialog

from napari_organoid_synth.core.pairs.loading import check_pairs
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.segmentation.settings import AnnotateSettings
from napari_organoid_synth.widgets.pairs.dock import PairsWidget


def make(path, classes) -> Project:
    project, entries = Project(path), []
    for seed in range(2):
        image = np.random.default_rng(seed).integers(0, 200, (1, 64, 64)).astype(np.uint8)
        masks = {}
        for number, name in enumerate(classes):
            labels = np.zeros((64, 64), np.int32)
            labels[10 + 20 * number : 20 + 20 * number, 10:50] = 1
            image_file, mask = write_pair(path / name, SamplePair(f"p{seed}", image, labels, "binary", (name,)))
            masks[name] = str(mask)
        entries.append(PairEntry(name=f"p{seed}", image=str(image_file), masks=masks))
    check_pairs(PairTable(entries=tuple(entries))).to_file(project.pairs_path)
    return project


def test_a_class_is_added_with_the_button(make_napari_viewer, qtbot, tmp_path, monkeypatch):
    teacher, pupil = make(tmp_path / "a", ("mito", "wall")), make(tmp_path / "b", ("mito",))
    dock = PairsWidget(make_napari_viewer())
    qtbot.addWidget(dock)
    panel = dock.annotate
    assert panel.isHidden()
    dock.workspace.setProject(pupil)
    assert not panel.isHidden()
    assert not panel.start.isEnabled()  # no project to learn from is named
    small = {"channels": 8, "depth": 2, "tile": 64, "batch": 1}
    panel.setValue(AnnotateSettings(steps=2, unet=small, device="cpu", threads=1))
    assert not panel.start.isEnabled()
    monkeypatch.setattr(QFileDialog, "getExistingDirectory", lambda *_: str(teacher.path))
    panel.browse.click()
    assert panel.start.isEnabled()
    with qtbot.waitSignal(panel.runner.finished, timeout=240_000):
        panel.start.click()
        assert not panel.start.isEnabled()
    assert "2 masks of wall added" in panel.message.text()
    assert dock.workspace.pairs.class_names == ("mito", "wall")
    dock.workspace.close()
