"""Comparisons in the tables of a study: one row for each arm, and what was chosen is said."""

from __future__ import annotations

import pytest

from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import ArmRecord, Design, GainResult, main_rows
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.segmentation.arms import needs_generator
from napari_organoid_synth.core.studies.compared import first_sentence, name_of_arm, verdict
from napari_organoid_synth.core.studies.em import _table
from napari_organoid_synth.core.studies.em_settings import EmSettings
from napari_organoid_synth.core.studies.organoid_page import _rows
from napari_organoid_synth.core.studies.organoid_runs import Runs


def compared(held: dict[str, tuple[float, float]], generator: str = "") -> GainResult:
    """Return a comparison with the held-back score of each arm in two folds; pairs are of the named generator."""
    records = []
    for arm, scores in held.items():
        whose = generator * needs_generator(arm)
        for fold, score in enumerate(scores):
            tested = {f"section {fold}": {"dice": score}}
            records.append(ArmRecord(arm=arm, generator=whose, fold=fold, held_score=score, per_image=tested))
    folds = (Fold(train=("section 1",), test=("section 0",)), Fold(train=("section 0",), test=("section 1",)))
    return summarise(records, Design(folds=folds))


@pytest.mark.parametrize(
    ("added", "title"),
    [
        ((0.8, 0.9), "real and synthetic pairs"),
        ((0.6, 0.9), "real and synthetic pairs (none of the pairs chosen in 1 of 2 folds)"),
    ],
)
def test_an_arm_whose_share_was_chosen_has_one_row(added: tuple[float, float], title: str) -> None:
    result = compared({"raw": (0.7, 0.7), "raw+synthetic": added})
    assert len(result.table) == 3  # its chosen share, and the only one there was
    assert [name_of_arm(row) for row in main_rows(result.table)] == ["real pairs", title]
    assert [row[0] for row in _table(EmSettings(), result).rows] == ["real pairs", title]


def test_a_loss_none_of_whose_pairs_were_chosen_keeps_its_name() -> None:
    result = compared({"raw": (0.9, 0.9), "raw+synthetic": (0.5, 0.5)}, "aae-bce")
    runs = Runs(recipes={}, losses={"bce": "aae-bce"}, generators={}, planned={})
    titles = [title for title, _ in _rows(runs, result).values()]
    assert titles == ["Originals alone", "BCE (none of the pairs chosen in 2 of 2 folds)"]


def test_the_number_of_steps_has_the_name_that_it_has_in_the_study() -> None:
    result = compared({"raw": (0.7, 0.7)})
    said = "No verdict: it was still rising at 600 steps. Set steps to about 3,500."
    result = result.model_copy(update={"sentences": (said,)})
    expected = "No verdict: it was still rising at 600 steps. Set segmenter_steps to about 3,500."
    assert first_sentence(result) == verdict(result) == expected
