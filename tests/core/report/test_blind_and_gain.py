"""Sections on what people and segmenters made of the synthetic pairs."""

from __future__ import annotations

import json
from typing import Any

from napari_organoid_synth.core.atomic import write_text
from napari_organoid_synth.core.blind.session import Answer, BlindSettings, keep_answer
from napari_organoid_synth.core.blind.setup import make_session
from napari_organoid_synth.core.gain.table import gain_sentences, gain_table
from report_project import EVIL, arm


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


def results(shares: tuple[float, ...] = (1.0,)) -> dict[str, Any]:
    """Raw and synthetic on four images in two folds; synthetic pairs gain 0.1 on three of them and lose 0.1 on one."""
    records = [
        {
            "arm": name, "subset": share, "ratio": 1.0, "fold": fold, "seed": 0, "steps": 7, "seconds": 1.0,
            "synthetic": 9 * (name == "synthetic"), "curation": "",
            "per_image": {
                f"t{2 * fold + i}": {"dice": share * 0.5 + gain * (name == "synthetic")} for i, gain in enumerate(gains)
            },
        }
        for share in shares for name in ("raw", "synthetic") for fold, gains in enumerate(((0.1, 0.1), (0.1, -0.1)))
    ]  # fmt: skip
    rows = gain_table(records, {f"t{i}": f"t{i}" for i in range(4)})
    folds = [{"train": [], "test": ["t0", "t1"]}, {"train": [], "test": ["t2", "t3"]}]
    return {
        "arms": {"raw": arm([0.5] * 4), "synthetic": arm([0.6, 0.6, 0.6, 0.4])},
        "table": rows, "score": "dice", "sentences": gain_sentences(rows, "dice"), "sentence": "", "warnings": [],
        "test": ["t0", "t1", "t2", "t3"], "mask_kind": "binary", "tasks": {"total": 5, "done": 4, "failed": 0},
        "design": {
            "name": "k-fold", "groups": f"4 images {EVIL}", "folds": folds, "repeats": 1, "paper_protocol": False
        },
    }  # fmt: skip


def test_a_comparison_in_folds_has_its_own_section(project, read):
    write_text(project.path / "segment" / "z" / "results.json", json.dumps(results()))
    page = read(project, results=results())
    assert "What synthetic pairs gained" in page.headings
    assert "Segmentation with and without synthetic pairs" not in page.headings
    head, raw, synthetic = page.table("Trained on")
    assert head == ["Trained on", "Pairs", "Change of Dice", "Better on", "Dice"]  # one share, one ratio: no columns
    assert raw == ["real pairs", "0", "–", "–", "0.500 ± 0.000"]
    assert synthetic[:2] == ["synthetic pairs", "9"]
    assert synthetic[2].startswith("+0.050 [-0.0")
    assert synthetic[3:] == ["3 of 4", "0.550 ± 0.100"]
    for words in ("Unfinished: 4 of 5 trainings", "Design k-fold, 2 folds", "without its test images", EVIL):
        assert words in page.words
    assert "synthetic pairs: 55.0 ± 7.1 %" in page.words  # over the means 0.6 and 0.5 of the folds


def test_the_paper_protocol_is_called_optimistic(project, read):
    found = results()
    found["design"]["paper_protocol"] = True
    assert "Optimistic: the generator saw the test images." in read(project, results=found).words


def test_several_shares_have_a_column_and_failures_are_counted(project, read):
    found = results((1.0, 0.5))
    found["tasks"] = {"total": 9, "done": 6, "failed": 3}
    found["warnings"] = ["Training the generator, fold 1, failed: It broke."]
    page = read(project, results=found)
    table = page.table("Trained on")
    assert table[0][:3] == ["Trained on", "Share of images", "Pairs"]
    assert [row[1] for row in table[1:]] == ["100 %", "100 %", "50 %", "50 %"]
    assert "3 of 9 trainings failed or could not be done" in page.words
    assert "Note. Training the generator, fold 1, failed: It broke." in page.words
    assert "Unfinished" not in page.words


def test_an_unfinished_table_without_gains_is_drawn(project, read):
    found = results()
    found["table"] = found["table"][:1]
    found["sentences"] = []
    page = read(project, results=found)
    assert page.table("Trained on")[1][2:4] == ["–", "–"]
