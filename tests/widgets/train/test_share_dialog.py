"""What the dialog says about a model file before it is written."""

from __future__ import annotations

from napari_organoid_synth.widgets.shared.runs import RunInfo
from napari_organoid_synth.widgets.train.share_dialog import ShareDialog


def test_a_file_that_will_contain_real_images_says_so(qtbot):
    for trains, words in ((True, "neither your images nor their names"), (False, "will contain your real images")):
        info = RunInfo("a", "run 1 · analogy", generator="analogy", steps=(0,), trains=trains)
        dialog = ShareDialog(info)
        qtbot.addWidget(dialog)
        assert words in dialog.about.text()
