import re
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from napari_organoid_synth.core.gain.bootstrap import Parts, paired
from napari_organoid_synth.core.gain.curve_figure import FRAME, curve_lines, curves_svg
from napari_organoid_synth.core.gain.figures import LEFT, RIGHT, WIDTH, bars, colour_of, intervals, round_ticks
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.results import ArmRecord, Design, GainResult, TaskCounts, TrainingCurve
from napari_organoid_synth.core.gain.sentences import (
    NO_SEED_VARIANCE,
    OPTIMISTIC,
    gain_sentences,
    gain_verdict,
    table_lines,
)
from napari_organoid_synth.core.gain.settings import GainSettings
from napari_organoid_synth.core.gain.table import gain_table
from napari_organoid_synth.core.segmentation.agreement import (
    DSB_THRESHOLDS,
    IOU_THRESHOLDS,
    object_accuracy,
    object_scores,
    paired_gain,
    pixel_scores,
)
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve


def record(arm, values, fold=0, seed=0, subset=1.0, ratio=1.0, **more):
    scores = {name: {"dice": value} for name, value in values.items()}
    base = {"arm": arm, "subset": subset, "ratio": ratio, "fold": fold, "seed": seed, "per_image": scores}
    return ArmRecord.parse({**base, "steps": 10, "seconds": 1.0, **more})


def once(values):
    """Scores of images that were tested in one training."""
    return {(name, 0, 0): float(value) for name, value in values.items()}


def test_means_and_spreads_by_hand():
    records = [
        record("raw", {"a": 0.2, "b": 0.4}, fold=0, seed=0),
        record("raw", {"c": 0.6}, fold=1, seed=0),
        record("raw", {"a": 0.4, "b": 0.6}, fold=0, seed=1),
        record("raw", {"c": 0.8}, fold=1, seed=1),
    ]
    (row,) = gain_table(records, {})
    spread = row.scores["dice"]
    assert (row.images, row.trainings) == (3, 4)
    assert spread.mean == pytest.approx((0.3 + 0.5 + 0.7) / 3)
    assert spread.sd == pytest.approx(0.2)
    assert spread.sd_folds == pytest.approx(np.std([0.4, 0.7], ddof=1))
    assert spread.sd_seeds == pytest.approx(np.std([0.4, 0.6], ddof=1))
    assert row.gain == {}


def test_differences_are_paired_within_subset_and_averaged_over_seeds():
    with_pairs = "classical+synthetic"
    values = (("raw", 0, 0.1), ("raw", 1, 0.3), (with_pairs, 0, 0.2), (with_pairs, 1, 0.6))
    records = [record(arm, {"a": value}, seed=seed) for arm, seed, value in values]
    records += [record("raw", {"a": 0.9}, subset=0.5), record("classical+synthetic", {"a": 0.8}, subset=0.5)]
    rows = {(row.arm, row.subset): row for row in gain_table(records, {})}
    assert rows["classical+synthetic", 1.0].gain["dice"].mean == pytest.approx(0.2)
    assert rows["classical+synthetic", 0.5].gain["dice"].mean == pytest.approx(-0.1)


def test_a_half_finished_table_compares_only_what_both_arms_have():
    records = [record("raw", {"a": 0.5}, fold=0), record("raw", {"b": 0.1}, fold=1)]
    records += [record("raw", {"a": 0.9}, fold=0, seed=1), record("classical+synthetic", {"a": 0.6}, fold=0)]
    change = gain_table(records, {})[1].gain["dice"]
    assert (change.images, change.mean) == (1, pytest.approx(0.1))


def test_interval_equals_the_plain_bootstrap_where_images_stand_alone():
    rng = np.random.default_rng(0)
    before, change = rng.random(12), rng.normal(0.05, 0.1, 12)
    names = [f"{index:02d}" for index in range(12)]
    one, other = (once(dict(zip(names, values, strict=True))) for values in (before, before + change))
    found = paired(one, other, {}, seed=0)
    assert (found.mean, found.low, found.high) == pytest.approx(paired_gain(before, before + change, seed=0))
    assert (found.low_all, found.high_all) == (found.low, found.high)


def test_groups_are_drawn_whole():
    """Ten copies of each of 5 groups: the cluster interval is that of 5 images, the plain one is √10 narrower."""
    change = np.array([-0.2, -0.1, 0.0, 0.3, 0.5])
    names = [f"{group}{copy}" for group in "abcde" for copy in range(10)]
    after = {name: float(change["abcde".index(name[0])]) for name in names}
    before = dict.fromkeys(names, 0.0)
    whole = paired(once(before), once(after), {name: name[0] for name in names})
    plain = paired(once(before), once(after), {})
    five = paired_gain(np.zeros(5), change)
    assert (whole.mean, whole.low, whole.high) == pytest.approx(five)
    assert (whole.groups, whole.images) == (5, 50)
    ratio = (whole.high - whole.low) / (plain.high - plain.low)
    assert ratio == pytest.approx(np.sqrt(10), rel=0.1)


def test_unequal_groups_keep_the_mean_over_images():
    before = dict.fromkeys("abcdefg", 0.0)
    after = dict(zip("abcdefg", (0.1, 0.1, 0.1, 0.4, -0.2, 0.0, 0.2), strict=True))
    found = paired(once(before), once(after), {"a": "x", "b": "x", "c": "x"})
    assert found.groups == 5
    assert found.mean == pytest.approx(0.1)
    assert found.low < 0.1 < found.high


def test_trainings_are_drawn_within_their_fold_with_their_whole_variance():
    """Where all images of a fold change alike, only the luck of its trainings is left: sd(n - 1) / √n of each fold."""
    luck = {0: np.array([0.1, -0.1, 0.3]), 1: np.array([0.0, 0.2])}
    after = {
        (f"{fold}{image}", fold, seed): float(change)
        for fold, changes in luck.items()
        for seed, change in enumerate(changes)
        for image in range(400)
    }
    folds, changes = np.repeat([0, 1], [3, 2]), np.concatenate(list(luck.values()))
    by_training = np.where(folds[:, None] == np.repeat([0, 1], 400), (changes / np.array([3, 3, 3, 2, 2]))[:, None], 0)
    found = paired(dict.fromkeys(after, 0.0), after, {})
    assert (found.seeds, found.images) == (2, 800)
    assert found.mean == pytest.approx(0.1)
    rng = np.random.default_rng(0)
    means = Parts(by_training, folds, np.ones(800, int)).draw(rng.integers(0, 800, (10_000, 800)), rng)
    assert (np.percentile(means, 2.5), np.percentile(means, 97.5)) == pytest.approx((found.low, found.high))
    expected = np.sqrt(sum(changes.var(ddof=1) / len(changes) for changes in luck.values())) / 2
    assert means.std() == pytest.approx(expected, rel=0.03)
    assert means.mean() == pytest.approx(0.1, abs=0.002)


def test_several_seeds_let_the_interval_know_the_luck_of_a_training():
    """Two folds, five seeds, no change but luck of σ 0.1 per training: nearly all intervals hold zero, as those of one
    seed do not."""
    rng = np.random.default_rng(3)
    held = {1: 0, 5: 0}
    for _ in range(200):
        for seeds in held:
            after = {}
            for fold in range(2):
                for seed in range(seeds):
                    luck = rng.normal(0, 0.1)
                    for image in range(10):
                        after[f"{fold}{image}", fold, seed] = luck + rng.normal(0, 0.02)
            found = paired(dict.fromkeys(after, 0.0), after, {})
            held[seeds] += found.low <= 0 <= found.high
    assert held[5] >= 170
    assert held[1] <= 120


def test_more_comparisons_widen_the_interval():
    rng = np.random.default_rng(1)
    after = {f"{index}": float(value) for index, value in enumerate(rng.normal(0.05, 0.08, 30))}
    found = paired(once(dict.fromkeys(after, 0.0)), once(after), {}, comparisons=10)
    assert found.low_all < found.low < found.high < found.high_all
    normal = 2.807 / 1.960  # quantiles 0.9975 and 0.975 of the normal distribution
    assert (found.high_all - found.low_all) / (found.high - found.low) == pytest.approx(normal, rel=0.08)


def sentence(change, n=12, arm="classical", extra=(), paper=False, **more):
    names = [f"{index:02d}" for index in range(n)]
    after = dict(zip(names, 0.5 + np.asarray(change), strict=True))
    records = [record("raw", dict.fromkeys(names, 0.5)), record(arm, after, **more)]
    records += [record(other, dict.fromkeys(names, 0.5)) for other in extra]
    return gain_sentences(gain_table(records, {}), "dice", OPTIMISTIC * paper)


def test_the_sentences_about_arms_without_a_generator():
    help_nine = np.array([0.03] * 9 + [-0.01] * 3)
    text, _ = sentence(help_nine)
    assert text.startswith("Classical augmentation helped on 9 of 12 images, Dice +0.020 [0.0")
    text, _ = sentence(-help_nine)
    assert text.startswith("Classical augmentation did not help: better on 3 of 12 images, Dice -0.020 [-0.0")
    text, _ = sentence(np.array([0.1, -0.1] * 6))
    assert text.endswith("the interval includes zero.")
    assert "no clear difference: better on 6 of 12 images, Dice +0.000" in text
    text, _ = sentence(np.zeros(12))
    assert "no clear difference: better on 0 of 12 images" in text
    assert "helped" not in text


def test_few_images_many_arms_and_the_paper_protocol_are_said():
    one, few = sentence([0.1], n=1)
    assert one == "Classical augmentation: better on 1 of 1 image, Dice +0.100 [0.100, 0.100]."
    assert few.startswith("Only 1 image:")
    assert sentence([0.1, 0.2, -0.1], n=3)[1].startswith("Only 3 images")
    many = sentence(np.full(12, 0.1), extra=("classical-tissue", "classical+pasted"))
    assert many[-2].startswith("3 comparisons were made; about one in twenty")
    assert many[-1] == NO_SEED_VARIANCE
    records = [record(arm, dict.fromkeys("abcd", 0.5), seed=seed) for arm in ("raw", "classical") for seed in (0, 1)]
    assert NO_SEED_VARIANCE not in gain_sentences(gain_table(records, {}), "dice")
    assert OPTIMISTIC in sentence(np.full(12, 0.1), paper=True)[1]
    borderline = np.array([0.1] * 7 + [-0.04] * 5)
    others = ("classical-tissue", "classical+pasted", "classical+simulated")
    alone, among = sentence(borderline)[0], sentence(borderline, extra=others)[0]
    assert "may be chance" not in alone
    assert "With 4 comparisons, this may be chance." in among


# --- figures ---


def some_rows():
    names = [f"{index:02d}" for index in range(8)]
    records = []
    for subset, gain in ((1.0, 0.1), (0.5, -0.2)):
        records.append(record("raw", dict.fromkeys(names, 0.5), subset=subset))
        after = {name: 0.5 + gain + 0.01 * index for index, name in enumerate(names)}
        records.append(record("classical+synthetic", after, subset=subset))
    return gain_table(records, {})


def test_bars_and_intervals_stand_where_their_numbers_are():
    rows = some_rows()
    drawn = ElementTree.fromstring(bars(rows, "dice"))
    widths = [float(one.get("width")) for one in drawn.iter("rect")]
    assert widths == pytest.approx([row.scores["dice"].mean * (WIDTH - LEFT - RIGHT) for row in rows], abs=0.06)
    assert next(text.text for text in drawn.iter("text")) == "100 % of the training images"
    drawn = ElementTree.fromstring(intervals(rows, "dice"))
    lines = [[float(part) for part in re.findall(r"[-\d.]+", one.get("d"))] for one in drawn.iter("path")]
    zero, *spans, _ = lines  # the last is the axis
    dots = [float(one.get("cx")) for one in drawn.iter("circle")]
    assert len(dots) == len(spans) == 2  # the real pairs are the best without a generator: not drawn twice
    assert dots[0] > zero[0] > dots[1]  # it helped with all images, and harmed with half of them
    for (start, _, end), dot in zip(spans, dots, strict=True):
        assert start < dot < end

    texts = [one.text for one in drawn.iter("text")]
    assert texts[0] == "against raw, the best without a generator"
    assert texts[1:3] == ["classical + synthetic, 100 % of images", "+0.135 [0.119, 0.151]"]
    assert texts[5:-1] == ["-0.2", "-0.1", "0", "+0.1", "+0.2"]
    assert texts[-1] == "change of Dice; right of 0 is better"


def test_changes_against_the_best_without_a_generator_come_first():
    names = [f"{index:02d}" for index in range(8)]
    dice = {"raw": 0.5, "classical": 0.6, "classical+synthetic": 0.65}
    rising = Curve(steps=(100,), scores=(0.4,), taken=100, wanted=300)
    records = [record(arm, dict.fromkeys(names, value), curve=rising) for arm, value in dice.items()]
    drawn = ElementTree.fromstring(intervals(gain_table(records, {}), "dice"))
    texts = [one.text for one in drawn.iter("text")]
    assert texts[:3] == ["against classical, the best without a generator", "classical + synthetic", texts[2]]
    assert texts[2].startswith("+0.050 [")
    assert texts[3:7:2] == ["against real pairs alone", texts[5]]
    assert [text for text in texts if text.startswith("+0.1")][:2] == ["+0.100 [0.100, 0.100]", "+0.150 [0.150, 0.150]"]
    assert {one.get("fill") for one in drawn.iter("circle")} == {"none"}  # rings: they were still rising


def test_curves_of_trainings_end_in_a_dot_at_the_plateau_and_in_a_ring_where_they_rise():
    flat = Curve(steps=(100, 200), scores=(0.4, 0.5), taken=200, at_plateau=True, best=0.5)
    rising = Curve(steps=(100, 200, 400), scores=(0.2, 0.3, 0.4), taken=400, best=0.4, rise=0.1, wanted=900)
    curves = [
        TrainingCurve(arm="raw", curve=flat),
        TrainingCurve(arm="raw", curve=rising, fold=1),
        TrainingCurve(arm="classical+synthetic", curve=flat, ratio=0.25),
        TrainingCurve(arm="classical+synthetic", curve=flat, ratio=1.0),
        TrainingCurve(arm="raw", curve=flat, subset=0.5),  # a smaller share is not drawn
        TrainingCurve(arm="pretrain", curve=Curve(taken=30)),  # nothing was held back
    ]
    lines = curve_lines(curves)
    assert [line.title for line in lines] == [
        "raw, fold 1, seed 0",
        "raw, fold 2, seed 0",
        "classical + synthetic, ratio 0.25, fold 1, seed 0",
        "classical + synthetic, ratio 1, fold 1, seed 0",
    ]
    assert len(curve_lines(curves, subset=0.5)) == 1
    drawn = ElementTree.fromstring(curves_svg(curves))
    points = [one.get("points").split() for one in drawn.iter("polyline")]
    assert [len(line) for line in points] == [2, 3, 2, 2]
    x, y = (float(part) for part in points[1][-1].split(","))
    left, top, width, height = FRAME
    assert x == pytest.approx(left + width)
    rings = [one.get("fill") == "none" for one in drawn.iter("circle")]
    assert rings == [False, True, False, False]
    texts = [one.text for one in drawn.iter("text")]
    assert texts[-2:] == ["raw: 1 of 2 still rising", "classical + synthetic: all 2 at the plateau"]
    low, high = (float(texts[index]) for index in (0, 8))
    assert (low, high) == (0.2, 0.6)
    assert y == pytest.approx(top + (high - 0.4) / (high - low) * height)
    assert curves_svg(()) == ""


def test_ticks_are_round_hold_zero_and_span_all():
    assert round_ticks(0.0, 0.0) == [0.0, 0.005, 0.01]
    for low, high in ((-0.028, 0.083), (0.0, 1e-3), (-0.9, 0.0), (-0.01, 0.011)):
        ticks = round_ticks(low, high)
        assert 0.0 in ticks
        assert ticks[0] <= low <= high <= ticks[-1]
        assert 2 <= len(ticks) <= 7
        assert np.diff(ticks) == pytest.approx([ticks[1] - ticks[0]] * (len(ticks) - 1))


def result_of(rows, paper_protocol=False):
    design = Design(folds=(Fold(train=("a",), test=("b",)),), paper_protocol=paper_protocol)
    sentences = tuple(gain_sentences(rows, "dice"))
    return GainResult(arms={}, table=rows, design=design, tasks=TaskCounts(total=1, done=1), sentences=sentences)


def test_a_verdict_counts_clear_changes_and_names_the_highest():
    names = [f"{index:02d}" for index in range(12)]
    wave = np.array([0.01, -0.01] * 6)
    records = [record("raw", dict.fromkeys(names, 0.5))]
    changes = {"classical": 0.04, "classical-tissue": 0.03, "raw+simulated": 0.0, "raw+pasted": -0.03}
    for arm, change in changes.items():
        records.append(record(arm, dict(zip(names, 0.5 + change + wave, strict=True))))
    rows = gain_table(records, {})
    results = result_of(rows)
    assert gain_verdict(results) == (
        "Against real pairs alone 2 of 4 helped, 1 made no clear difference, 1 did not help. Highest mean change of "
        "Dice: classical augmentation, +0.040. "
        "Each training was done once; variance between seeds is not included."
    )
    assert gain_verdict(result_of(rows, paper_protocol=True)).startswith(OPTIMISTIC)
    assert gain_verdict(result_of(rows[:3])) == "\n".join(gain_sentences(rows[:3], "dice"))
    few = gain_table([one.replace(per_image={"00": one.per_image["00"]}) for one in records], {})
    assert "3 of 4 scored higher on average; too few images for a conclusion" in gain_verdict(result_of(few))
    assert gain_verdict(result_of(())) == ""


def test_an_arm_has_a_colour_of_its_own():
    arms = [*GainSettings().arms, "classical+curated", "classical+simulated", "pretrain", "synthetic-only"]
    assert len({colour_of(arm) for arm in arms}) == len(arms) == 8
    assert colour_of("raw+synthetic") == colour_of("classical+synthetic")  # of the same pairs


def test_lines_of_text_hold_the_table():
    text = table_lines(some_rows())
    assert len(text) == 5
    assert "+0.135 [" in text[2]
    assert "better on 8 of 8" in text[2]


# --- scores against the libraries ---

LABELS = arrays(np.int32, (12, 12), elements=st.integers(0, 6))


@given(LABELS, LABELS)
@settings(max_examples=60, deadline=None)
def test_objects_equal_stardist_at_every_threshold(truth, found):
    matching = pytest.importorskip("stardist.matching").matching
    grow = np.kron(found, np.ones((1, 1), np.int32))
    for predicted in (found, truth, np.where(found > 4, found, truth), grow):
        ours = object_scores(truth, predicted, DSB_THRESHOLDS)
        with_library = object_accuracy(truth, predicted)
        assert list(with_library) == list(DSB_THRESHOLDS) == [*IOU_THRESHOLDS, 0.95]
        if not truth.any() and not predicted.any():
            assert set(with_library.values()) == {1.0}
            continue
        for threshold, theirs in zip(DSB_THRESHOLDS, matching(truth, predicted, thresh=DSB_THRESHOLDS), strict=True):
            assert (ours[threshold]["tp"], ours[threshold]["fp"], ours[threshold]["fn"]) == (
                theirs.tp,
                theirs.fp,
                theirs.fn,
            )
            assert ours[threshold]["accuracy"] == with_library[threshold] == pytest.approx(theirs.accuracy)


@given(LABELS, LABELS)
@settings(max_examples=60, deadline=None)
def test_pixels_equal_scikit_learn(truth, found):
    from sklearn.metrics import f1_score, precision_score, recall_score

    truth, found = truth > 3, found > 3
    ours, flat = pixel_scores(truth, found), (truth.ravel(), found.ravel())
    empty = 1.0 if not truth.any() and not found.any() else 0.0
    assert ours["dice"] == pytest.approx(f1_score(*flat, zero_division=empty))
    assert ours["precision"] == pytest.approx(precision_score(*flat, zero_division=empty))
    assert ours["recall"] == pytest.approx(recall_score(*flat, zero_division=empty))


def test_empty_masks_score_as_agreed():
    nothing, thing = np.zeros((4, 4), int), np.ones((4, 4), int)
    assert set(object_accuracy(nothing, nothing).values()) == {1.0}
    for pair in ((nothing, thing), (thing, nothing)):
        assert set(object_accuracy(*pair).values()) == {0.0}
    assert set(object_accuracy(thing, thing).values()) == {1.0}
