"""What suits the pairs is said where they are made, and follows the table."""

from __future__ import annotations

from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.widgets.shared.advice_label import AdviceLabel, remember_objects
from napari_organoid_synth.widgets.shared.workspace import Workspace


def test_the_sentence_follows_the_pairs(qtbot, project):
    workspace = Workspace()
    label = AdviceLabel(workspace)
    qtbot.addWidget(label)
    assert label.isHidden()
    workspace.setProject(project)
    remember_objects(workspace, 30.0, 0.8)
    rows = [PairEntry(name=name, image=name, masks={"object": name}, n_objects=40) for name in "abc"]
    workspace.setPairs(PairTable(entries=tuple(rows), mask_kind="instances"))
    assert not label.isHidden()
    assert label.text().startswith(
        "With 3 images of touching objects: Analogy on arranged masks, without training. "
        "Expect little: on 3 images of nuclei in fluorescence there was no clear difference."
    )
    assert "accuracy by +0.015 [-0.013, 0.045]" in label.toolTip()
    workspace.setPairs(PairTable())
    assert label.isHidden()
    workspace.close()
