"""The bar of steps: names, states, one row or two."""

from __future__ import annotations

import pytest

from napari_organoid_synth.widgets.steps.bar import StepBar, StepState
from napari_organoid_synth.widgets.steps.step_table import STEPS, step_of

STATES = [
    StepState("done", "14 pairs"),
    StepState("running", "40 %"),
    StepState("ready", "ready"),
    StepState("attention", "failed"),
    StepState(),
    StepState("done", "exported"),
]


@pytest.fixture
def bar(qtbot):
    bar = StepBar()
    qtbot.addWidget(bar)
    bar.show()
    return bar


def test_each_step_says_its_state_in_text_and_to_screen_readers(bar, qtbot):
    bar.resize(900, 80)
    bar.show_states(STATES)
    qtbot.waitUntil(lambda: bar.buttons[0].text() == "Pairs\n✓ 14 pairs")
    texts = [button.text() for button in bar.buttons]
    assert texts[:5] == ["Pairs\n✓ 14 pairs", "Train\n▶ 40 %", "Generate\nready", "Curate\n! failed", "Measure\n–"]
    assert bar.buttons[3].accessibleName() == "Curate, needs attention: failed"
    assert bar.buttons[4].accessibleName() == "Measure, nothing to do yet"
    assert STEPS[1].purpose in bar.buttons[1].toolTip()
    assert bar.buttons[2].accessibleName() == "Generate, ready"  # and not twice


def test_a_long_name_is_shortened_and_whole_in_the_tooltip(bar, qtbot):
    bar.resize(320, 80)
    bar.show_states([STATES[0], StepState("done", "HeLa cells, all five plates of May"), *STATES[2:]])
    qtbot.waitUntil(lambda: "…" in bar.buttons[1].text())
    assert bar.buttons[1].toolTip().endswith("Done: HeLa cells, all five plates of May.")


def test_where_a_word_would_be_cut_its_number_stands_alone(bar, qtbot):
    bar.resize(320, 80)
    bar.show_states([StepState("done", "123,456 pairs of organoids"), *STATES[1:]])
    qtbot.waitUntil(lambda: bar.buttons[0].text() == "Pairs\n✓ 123,456")
    assert bar.buttons[0].toolTip().endswith("Done: 123,456 pairs of organoids.")


@pytest.mark.parametrize(("width", "rows"), [(320, 2), (900, 1)])
def test_one_row_or_two(bar, qtbot, width, rows):
    bar.resize(width, 80)
    qtbot.waitUntil(lambda: len({button.y() for button in bar.buttons}) == rows)
    assert all(button.width() > 0.9 * width / (len(STEPS) / rows) - 8 for button in bar.buttons)


def test_a_click_chooses_a_step(bar, qtbot):
    with qtbot.waitSignal(bar.chosen) as chosen:
        bar.buttons[2].click()
    assert chosen.args == [2]
    assert bar.buttons[2].isChecked()
    bar.select(4)
    assert [button.isChecked() for button in bar.buttons] == [place == 4 for place in range(6)]


@pytest.mark.parametrize(("page", "place"), [("Pairs", 0), ("Adapt", 0), ("Map", 3), ("Curate", 3), ("Export", 5)])
def test_every_page_belongs_to_a_step(page, place):
    assert step_of(page) == place


def test_every_page_of_the_menu_has_its_place():
    from napari_organoid_synth.widgets.shared.menus import DOCKS

    assert {step_of(title) for title in DOCKS} == set(range(len(STEPS)))
    with pytest.raises(KeyError):
        step_of("Elsewhere")
