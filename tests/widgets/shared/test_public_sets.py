"""Public sample data from the menu: asked for once, then from the cache."""

from __future__ import annotations

import pytest

pytest.importorskip("napari")

from qtpy.QtWidgets import QMessageBox

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.widgets.shared.public_sets import open_set


@pytest.mark.parametrize("agree", [True, False])
def test_the_menu_asks_first_and_the_second_time_reads_the_cache(served, tmp_path, monkeypatch, qtbot, agree):
    asked = []
    answer = QMessageBox.StandardButton.Yes if agree else QMessageBox.StandardButton.No
    monkeypatch.setattr(QMessageBox, "question", lambda *arguments: asked.append(arguments[2]) or answer)
    if not agree:
        with pytest.raises(UserError, match="Nothing was downloaded"):
            open_set(served)
        assert not (tmp_path / "cache").exists()
        return
    assert len(open_set(served)) == 4
    assert len(open_set(served)) == 4
    assert len(asked) == 1
    assert "CC0" in asked[0]
