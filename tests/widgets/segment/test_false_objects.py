"""The table of a comparison tells false objects where there were test images without objects."""

from __future__ import annotations

from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import ArmRecord, Design, GainResult
from napari_organoid_synth.core.gain.sentences import gain_verdict
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.widgets.segment.result_table import ResultTable


def result(false: dict[str, dict[str, int]]) -> GainResult:
    design = Design(folds=(Fold(train=("a",), test=("b", "c")),))
    scores = {"b": {"dice": 0.8}, "c": {"dice": 0.0}}
    arms = ("raw", "synthetic")
    return summarise([ArmRecord(arm=arm, per_image=scores, false_objects=false.get(arm, {})) for arm in arms], design)


def heads(table: ResultTable) -> list[str]:
    return [table.horizontalHeaderItem(column).text() for column in range(table.columnCount())]


def test_false_objects_have_a_column_where_they_were_counted(qtbot) -> None:
    table = ResultTable()
    qtbot.addWidget(table)
    table.show_result(result({}))
    assert heads(table) == ["Dice", "Change", "Better"]
    counted = result({"raw": {"c": 4}, "synthetic": {"c": 1}})
    table.show_result(counted)
    assert heads(table) == ["Dice", "Change", "Better", "False"]
    assert [table.item(row, 3).text() for row in range(2)] == ["4", "1"]
    sentence = "False objects per empty field (1 test image without objects): real pairs 4, real and synthetic pairs 1."
    assert sentence in gain_verdict(counted)
    table.show_result(result({}))
    assert table.columnCount() == 3
