"""Sections on what people and segmenters made of the synthetic pairs."""

from __future__ import annotations

from typing import Any

from napari_organoid_synth.core.blind.session import Answer, keep_answer
from napari_organoid_synth.core.blind.settings import BlindSettings
from napari_organoid_synth.core.blind.setup import make_session
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import ArmRecord, Design, GainResult, TaskCounts
from napari_organoid_synth.core.gain.storage import write_result
from napari_organoid_synth.core.gain.summary import summarise
from report_project import EVIL


def test_a_blind_test_shows_its_intervals_and_convincing_samples(project, read):
    assert "Blind test" not in read(project).headings
    session = make_session(project, BlindSettings(number=2, samples="all", observer=EVIL, seed=1))
    for question, (picture,) in enumerate(session.questions):  # everything is called real
        keep_answer(session, Answer(question, "real", 2.0 if picture.kind == "real" else 4.0))
    page = read(project)
    table = page.table("Test")
    assert table[1][1:4] == [EVIL, "one by one", "2 of 2"]
    assert table[1][4:] == ["1 of 2 (50 %, 9 to 91 %)", "1 of 1 (100 %, 21 to 100 %)", "right 2.0 s, wrong 4.0 s"]
    fooled = next(picture.name for (picture,) in session.questions if picture.kind == "synthetic")
    assert f"{fooled}: 1 of 1 for real" in page.words


def comparison(shares: tuple[float, ...] = (1.0,), **design: Any) -> GainResult:
    """Raw and synthetic on four images in two folds; synthetic pairs gain 0.1 on three of them and lose 0.1 on one."""
    records = [
        ArmRecord(
            arm=name, subset=share, fold=fold, steps=7, seconds=1.0, synthetic=9 * (name != "raw"),
            per_image={
                f"t{2 * fold + i}": {"dice": share * 0.5 + gain * (name != "raw")} for i, gain in enumerate(gains)
            },
        )
        for share in shares for name in ("raw", "raw+synthetic") for fold, gains in enumerate(((0.1, 0.1), (0.1, -0.1)))
    ]  # fmt: skip
    folds = (Fold(train=("t2", "t3"), test=("t0", "t1")), Fold(train=("t0", "t1"), test=("t2", "t3")))
    how = Design(folds=folds, name="k-fold", groups=f"4 images {EVIL}", **design)
    return summarise(records, how, tasks=TaskCounts(total=5, done=4))


def test_a_comparison_in_folds_has_its_own_section(project, read):
    write_result(project.path / "segment" / "z", comparison())
    page = read(project)
    assert "What synthetic pairs gained" in page.headings
    head, raw, synthetic = page.table("Trained on")
    over_best = "Over the best without a generator"
    assert head == ["Trained on", "Pairs", "Change of Dice", "Better on", over_best, "Steps", "Dice"]  # one share
    assert raw == ["real pairs", "0", "–", "–", "–", "7", "0.500 ± 0.000"]
    assert synthetic[:2] == ["real and synthetic pairs", "9"]
    assert synthetic[2].startswith("+0.050 [-0.0")
    assert synthetic[3:] == ["3 of 4", synthetic[2], "7", "0.550 ± 0.100"]
    for words in ("Unfinished: 4 of 5 trainings", "Design k-fold, 2 folds", "without its test images", EVIL):
        assert words in page.words
    assert "real and synthetic pairs: 55.0 ± 7.1 %" in page.words  # over the means 0.6 and 0.5 of the folds


def test_the_paper_protocol_is_called_optimistic(project, read):
    found = comparison(paper_protocol=True)
    assert "Optimistic: the generator saw the test images." in read(project, result=found).words


def test_several_shares_have_a_column_and_failures_are_counted(project, read):
    tasks, warnings = TaskCounts(total=9, done=6, failed=3), ("Training the generator, fold 1, failed: It broke.",)
    page = read(project, result=comparison((1.0, 0.5)).model_copy(update={"tasks": tasks, "warnings": warnings}))
    table = page.table("Trained on")
    assert table[0][:3] == ["Trained on", "Share of images", "Pairs"]
    assert [row[1] for row in table[1:]] == ["100 %", "100 %", "50 %", "50 %"]
    assert "3 of 9 trainings failed or could not be done" in page.words
    assert "Note. Training the generator, fold 1, failed: It broke." in page.words
    assert "Unfinished" not in page.words


def test_an_unfinished_table_without_gains_is_drawn(project, read):
    found = comparison()
    page = read(project, result=found.model_copy(update={"table": found.table[:1], "sentences": ()}))
    assert page.table("Trained on")[1][2:4] == ["–", "–"]
