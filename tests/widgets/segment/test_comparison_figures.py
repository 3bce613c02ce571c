"""The result of a comparison in the dock: headline, change over the best without a generator, curves, no verdict."""

from __future__ import annotations

import pytest
from qtpy.QtWidgets import QApplication

from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import ArmRecord, Design, GainResult
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve
from napari_organoid_synth.widgets.segment.comparison import ComparisonPanel

ARM = "classical+synthetic"
NAMES = ("b", "c", "d", "e")


def comparison(rising: bool = False) -> GainResult:
    """Real pairs, classical augmentation, and synthetic pairs at two shares, of which the smaller is chosen."""
    records = []
    for arm, dice, ratio in (("raw", 0.5, 1.0), ("classical", 0.6, 1.0), (ARM, 0.65, 0.25), (ARM, 0.63, 1.0)):
        late = rising and arm == ARM
        curve = Curve(
            steps=(100, 200), scores=(dice - 0.1, dice), taken=200, at_plateau=not late, best=dice,
            rise=0.02 * late, wanted=900 * late,
        )  # fmt: skip
        records += [
            ArmRecord(
                arm=arm, ratio=ratio, seed=seed, curve=curve, held_score=dice, steps=200, synthetic=9 * (arm == ARM),
                per_image={name: {"dice": dice + 0.01 * number} for number, name in enumerate(NAMES)},
                put_aside={"z": {"dice": dice - 0.1}},
            )
            for seed in (0, 1)
        ]  # fmt: skip
    return summarise(records, Design(folds=(Fold(train=("a",), test=NAMES),), repeats=2))


@pytest.fixture
def panel(make_napari_viewer):
    panel = ComparisonPanel(make_napari_viewer(), lambda: None, print)
    yield panel
    panel.close()


def shown_tabs(panel: ComparisonPanel) -> list[str]:
    return [panel.tabs.tabText(number) for number in range(panel.tabs.count()) if panel.tabs.isTabVisible(number)]


def test_the_headline_the_changes_and_the_table_are_over_the_best_without_a_generator(panel):
    panel.show_result(comparison())
    assert panel.verdict.text() == "The synthetic pairs help."
    assert panel.sentence.text().startswith("Synthetic pairs added 0.050 [0.050, 0.050] of Dice over classical augment")
    assert "one synthetic crop for four real ones" in panel.words.text()
    assert not panel.numbers.isExpanded()
    assert shown_tabs(panel) == ["Change", "Images", "Curves", "How many"]
    rows = [(name, round(change.mean, 3)) for _, name, change in panel.changes._rows]
    assert rows == [
        ("classical, synthetic, share chosen", 0.05),
        ("classical, synthetic, 0.25 : 1", 0.05),
        ("classical, synthetic, 1 : 1", 0.03),
    ]
    assert panel.changes.plot.getAxis("bottom").labelText == "Change of Dice over classical, right is better"
    table = panel.table
    heads = [table.horizontalHeaderItem(column).text() for column in range(table.columnCount())]
    assert heads == ["Dice", "Over best", "Change", "Better", "Aside"]
    cells = [[table.item(row, column).text() for column in (2, 1, 4)] for row in range(3)]
    assert cells == [
        ["", "", "0.400"],
        ["+0.100\n[0.100, 0.100]", "", "0.500"],
        ["+0.150\n[0.150, 0.150]", "+0.050\n[0.050, 0.050]", "0.550"],
    ]
    tip = table.verticalHeaderItem(2).toolTip()
    assert "shares chosen in the folds: one synthetic crop for four real ones" in tip
    assert "On the 1 image put aside, Dice:" in panel.words.text()


def test_curves_of_all_trainings_are_drawn_with_their_end(panel):
    panel.show_result(comparison(rising=True))
    panel.tabs.setCurrentIndex(3)
    assert panel.curves.isVisibleTo(panel)
    assert len(panel.curves._lines) == 8
    words = panel.curves.legend.text()
    assert "classical: all 2 at the plateau" in words
    assert "classical, synthetic: 4 of 4 still rising" in words
    ends = [item for item in panel.curves.plot.listDataItems() if item.opts["symbol"] == "o"]
    assert sum(item.opts["symbolBrush"] is None for item in ends) == 4  # rings


def test_without_a_plateau_there_is_no_verdict(panel):
    panel.show_result(comparison(rising=True))
    assert panel.sentence.text().startswith(
        "No verdict for classical augmentation and synthetic pairs: 2 of 2 trainings"
    )
    assert "Set steps to about 900." in panel.sentence.text()
    assert panel.changes._rising == [True] * 3
    row = [panel.table.item(2, column) for column in range(5)]
    assert row[1].text() == "still\nrising"
    assert not any(item.font().bold() for item in row)
    assert "2 of 2 trainings were still rising" in panel.table.verticalHeaderItem(2).toolTip()


@pytest.mark.parametrize(("width", "least"), [(240, 2), (330, 3), (900, 5)])
def test_no_text_of_the_table_is_cut_and_what_the_pairs_are_worth_is_shown_at_any_width(panel, width, least):
    panel.show_result(comparison())
    panel.numbers.expand(animate=False)
    table = panel.table
    table.setMinimumWidth(width)
    table.setMaximumWidth(width)
    panel.show()
    QApplication.processEvents()
    shown = [column for column in range(table.columnCount()) if not table.isColumnHidden(column)]
    assert len(shown) >= least
    assert table.horizontalHeaderItem(shown[1]).text() == "Over best"
    assert sum(map(table.columnWidth, shown)) <= table.viewport().width()
    assert all(table.columnWidth(column) >= table._needed(column) for column in shown)
    assert "change: +" in table.verticalHeaderItem(2).toolTip()  # where there is no room for it


def test_a_result_without_curves_or_generator_shows_changes_against_real_pairs(panel):
    result = comparison()
    rows = tuple(row.replace(over_best={}, put_aside={}, images_aside=0) for row in result.table if row.arm != ARM)
    arms = {name: arm for name, arm in result.arms.items() if name != ARM}
    panel.show_result(result.replace(table=rows, arms=arms, curves=(), sentences=("As before.",)))
    assert panel.verdict.text() == "As before."
    assert panel.sentence.isHidden()
    assert shown_tabs(panel) == ["Change", "Images", "How many"]
    assert [name for _, name, _ in panel.changes._rows] == ["classical"]
    assert panel.changes.plot.getAxis("bottom").labelText == "Change of Dice, right is better"
