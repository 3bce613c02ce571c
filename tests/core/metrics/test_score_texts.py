"""Every score has words, and they agree with the score."""

from __future__ import annotations

from pathlib import Path

from napari_organoid_synth.core.metrics import set_measures
from napari_organoid_synth.core.metrics.memorisation import SAMPLE_SCORES
from napari_organoid_synth.core.metrics.score_texts import SAMPLE_TEXTS, SET_TEXTS
from napari_organoid_synth.core.registry import METRICS


def test_every_score_of_a_pair_has_a_title_a_sentence_and_a_direction() -> None:
    scores = [*(score for name in METRICS.names() for score in METRICS.load(name).scores), *SAMPLE_SCORES]
    assert {score.name for score in scores} | {"realism"} == SAMPLE_TEXTS.keys()
    wrong = {score.name for score in scores if SAMPLE_TEXTS[score.name].better != score.better}
    assert not wrong


def test_every_score_of_a_set_has_them_too() -> None:
    families = ("FEATURE_SCORES", "FLOW_SCORES", "PAIR_SCORES", "IMAGE_SCORES", "MASK_SCORES")
    scores = [score for family in families for score in getattr(set_measures, family)]
    assert {score.name for score in scores} == SET_TEXTS.keys()
    assert not {score.name for score in scores if SET_TEXTS[score.name].better != score.better}


def test_the_words_are_short_sentences() -> None:
    for text in (*SAMPLE_TEXTS.values(), *SET_TEXTS.values()):
        assert len(text.title) <= 32
        assert text.about[-1] in ".?"
        assert text.sentence.endswith(("better.", "images."))
    assert SAMPLE_TEXTS["fits"].sentence.endswith("below 0.5. More is better.")


def test_the_manual_has_the_same_words() -> None:
    manual = (Path(__file__).parents[3] / "docs" / "scores.md").read_text(encoding="utf-8")
    for texts in (SAMPLE_TEXTS, SET_TEXTS):
        for name, text in texts.items():
            assert f"| `{name}` | {text.title} | {text.about} | {text.direction} |" in manual
