"""Arms with a generator against the best arm without one: the share chosen, the rival, the plateau, the sentences."""

import numpy as np
import pytest

from napari_organoid_synth.core.gain.choose_ratios import choose_ratios
from napari_organoid_synth.core.gain.folds import Fold
from napari_organoid_synth.core.gain.headlines import plain_verdict, short_verdict
from napari_organoid_synth.core.gain.results import ArmRecord, Design, rival_of
from napari_organoid_synth.core.gain.sentences import gain_sentences, gain_verdict, table_lines
from napari_organoid_synth.core.gain.summary import summarise
from napari_organoid_synth.core.gain.table import gain_table
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve

ARM, PASTED = "classical+synthetic", "classical+pasted"
NAMES = [f"{index:02d}" for index in range(12)]
FOLDS = (Fold(train=("x",), test=tuple(NAMES[:6])), Fold(train=("x",), test=tuple(NAMES[6:])))
PLATEAU = Curve(steps=(1000, 2000), scores=(0.6, 0.7), taken=2000, at_plateau=True, best=0.7)
RISING = Curve(steps=(2500, 5000), scores=(0.6, 0.7), taken=5000, best=0.7, rise=0.013, wanted=8960)


def trained(arm, dice, held=0.5, ratio=1.0, seeds=3, curve=PLATEAU, **more):
    """Trainings of an arm in both folds; ``held`` is one number or one for each fold."""
    heights = held if isinstance(held, tuple) else (held, held)
    return [
        ArmRecord(
            arm=arm, ratio=ratio, fold=fold, seed=seed, curve=curve, held_score=heights[fold], steps=curve.taken,
            synthetic=20 * ("+" in arm), trained_on=4,
            per_image={name: {"dice": dice + 0.001 * int(name) + 0.002 * seed} for name in FOLDS[fold].test}, **more,
        )
        for fold in (0, 1)
        for seed in range(seeds)
    ]  # fmt: skip


def comparison(**more):
    """Best without a generator: pasted; the share 0.25 is better on the held-back parts of both folds."""
    return [
        *trained("raw", 0.50, held=0.50),
        *trained("classical", 0.60, held=0.60),
        *trained(PASTED, 0.62, held=0.61),
        *trained(ARM, 0.65, held=0.65, ratio=0.25, **more),
        *trained(ARM, 0.70, held=0.64, ratio=1.0, **more),
    ]


def row_of(rows, arm, ratio=None):
    return next(row for row in rows if (row.arm, row.ratio) == (arm, ratio))


def result_of(records, **more):
    return summarise(records, Design(folds=FOLDS, name="k-fold", repeats=3, **more))


def test_the_ratio_is_chosen_on_the_held_back_score_not_on_the_test():
    rows = gain_table(comparison(), {})
    chosen = row_of(rows, ARM)
    assert chosen.chosen == (0.25, 0.25)
    assert chosen.scores == row_of(rows, ARM, 0.25).scores
    assert row_of(rows, ARM, 1.0).scores["dice"].mean > chosen.scores["dice"].mean  # the test may not choose
    assert [row.ratio for row in rows if row.arm == ARM] == [None, 0.25, 1.0]


def test_each_fold_has_a_choice_of_its_own_and_none_is_one():
    records = [
        *trained("classical", 0.6, held=(0.6, 0.6)),
        *trained(ARM, 0.65, held=(0.5, 0.7), ratio=0.25),
        *trained(ARM, 0.7, held=(0.5, 0.8), ratio=1.0),
    ]
    choice = choose_ratios(records)[ARM, "", 1.0]
    assert choice.ratios == (0.0, 1.0)
    assert [(one.arm, one.fold) for one in choice.records] == [("classical", 0)] * 3 + [(ARM, 1)] * 3
    row = row_of(gain_table(records, {}), ARM)
    assert row.scores["dice"].mean == pytest.approx((0.6 + 0.7) / 2 + 0.0055 + 0.002)
    assert row.synthetic == 10


def test_of_equal_shares_the_smaller_is_chosen():
    records = [*trained("classical", 0.6), *trained(ARM, 0.6, ratio=0.25), *trained(ARM, 0.6, ratio=1.0)]
    assert choose_ratios(records)[ARM, "", 1.0].ratios == (0.25, 0.25)


def test_none_is_chosen_only_where_it_is_clearly_better():
    """Three seeds of one fold, none better by 0.01: clear where seeds agree, not where they differ by more."""

    def held(*scores, **kind):
        records = [one for one in trained(held=0.5, **kind) if one.fold == 0]
        return [one.replace(held_score=score) for one, score in zip(records, scores, strict=True)]

    pairs = held(0.6, 0.6, 0.6, arm=ARM, dice=0.6, ratio=0.25)
    agreeing = held(0.610, 0.611, 0.609, arm="classical", dice=0.6)
    differing = held(0.65, 0.57, 0.61, arm="classical", dice=0.6)
    assert choose_ratios([*pairs, *agreeing])[ARM, "", 1.0].ratios == (0.0,)
    assert choose_ratios([*pairs, *differing])[ARM, "", 1.0].ratios == (0.25,)
    alone = [one for one in (*pairs, *differing) if one.seed == 0]
    assert choose_ratios(alone)[ARM, "", 1.0].ratios == (0.0,)  # one seed: nothing is known of the luck


def test_only_seeds_that_every_ratio_has_are_compared():
    """The first seed of one ratio is high by luck; with both seeds the other is better."""
    late = trained(ARM, 0.6, held=0.9, ratio=1.0, seeds=1)
    records = [*trained("classical", 0.6, held=0.5), *trained(ARM, 0.6, held=0.8, ratio=0.25), *late]
    choice = choose_ratios(records)[ARM, "", 1.0]
    assert choice.ratios == (1.0, 1.0)
    assert {one.seed for one in choice.records} == {0}
    missing = [one for one in records if (one.arm, one.ratio, one.fold) != (ARM, 1.0, 1)]
    assert choose_ratios(missing)[ARM, "", 1.0].ratios == (1.0,)  # the second fold waits


def test_nothing_is_chosen_without_held_back_scores_or_ratio():
    bare = [one.replace(held_score=None) for one in comparison()]
    assert choose_ratios(bare) == {}
    assert choose_ratios(trained(ARM, 0.6)) == {}  # one ratio and no base arm
    pretrained = [*trained("classical", 0.6), *trained("pretrain", 0.7), *trained("synthetic-only", 0.4)]
    assert choose_ratios(pretrained) == {}


def test_generators_are_chosen_for_apart():
    records = [
        *trained("classical", 0.6, held=0.6),
        *trained(ARM, 0.65, held=0.7, generator="stylegan"),
        *trained(ARM, 0.55, held=0.5, generator="pix2pix"),
    ]
    choices = choose_ratios(records)
    assert choices[ARM, "stylegan", 1.0].ratios == (1.0, 1.0)
    assert choices[ARM, "pix2pix", 1.0].ratios == (0.0, 0.0)
    result = result_of(records)
    assert {f"{ARM} (stylegan)", f"{ARM} (pix2pix)"} < set(result.arms)
    none, added, *_ = result.sentences
    assert none == "No share of synthetic pairs (pix2pix) helped on the held-back parts: use none."
    assert added.startswith("Synthetic pairs (stylegan) added 0.050")


def test_the_rival_is_the_highest_arm_without_a_generator():
    rows = gain_table(comparison(), {})
    rival = rival_of(rows, "dice")
    assert rival is not None
    assert (rival.arm, rival.ratio, rival.chosen) == (PASTED, None, (1.0, 1.0))
    change = row_of(rows, ARM).over_best["dice"]
    assert change.mean == pytest.approx(0.03)
    assert row_of(rows, ARM).gain["dice"].mean == pytest.approx(0.15)
    assert row_of(rows, PASTED).over_best == {}
    assert rival_of([], "dice") is None


def test_while_it_runs_an_arm_with_fewer_images_is_no_rival():
    records = [one for one in comparison() if one.arm != PASTED or one.fold == 1]  # the second fold scores higher
    rows = gain_table(records, {})
    assert row_of(rows, PASTED).scores["dice"].mean > row_of(rows, "classical", 1.0).scores["dice"].mean
    rival = rival_of(rows, "dice")
    assert rival is not None
    assert rival.arm == "classical"


def test_the_headline_is_against_the_best_without_a_generator():
    result = result_of(comparison())
    assert result.rival == PASTED
    assert result.sentences[0].startswith("Classical augmentation and synthetic pairs added")
    assert [text for text in result.sentences if "the best without a generator" in text] == [
        "Classical augmentation and synthetic pairs added 0.030 [0.030, 0.030] of Dice over classical augmentation and "
        "pasted pairs, the best without a generator."
    ]
    verdict = gain_verdict(result)
    assert verdict.startswith("Classical augmentation and synthetic pairs added 0.030 [0.030, 0.030] of Dice over")
    assert "Share chosen on the held-back parts: one synthetic crop for four real ones." in verdict
    assert result.arms[ARM].dice == pytest.approx(0.6575)


@pytest.mark.parametrize(
    ("wave", "dice", "text"),
    [
        (0.0, 0.65, "Synthetic pairs added 0.050 [0.050, 0.050] of Dice over classical augmentation, the best without"),
        (0.0, 0.55, "Synthetic pairs lowered Dice by 0.050 [0.050, 0.050] against classical augmentation, the best w"),
        (0.1, 0.60, "Synthetic pairs made no clear difference to classical augmentation, the best without a generato"),
    ],
)
def test_what_synthetic_pairs_do_to_the_score(wave, dice, text):
    records = [*trained("raw", 0.5), *trained("classical", 0.6, held=0.5)]
    for one in trained(ARM, dice, held=0.6):
        scores = {n: {"dice": each["dice"] + wave * (-1) ** int(n)} for n, each in one.per_image.items()}
        records.append(one.replace(per_image=scores))
    found = gain_sentences(gain_table(records, {}), "dice")
    assert [one for one in found if one.startswith(text)], found


def test_no_share_that_helps_means_use_none():
    records = [*trained("raw", 0.5), *trained("classical", 0.6, held=0.8), *trained(ARM, 0.7, held=0.7)]
    found = gain_sentences(gain_table(records, {}), "dice")
    assert "No share of synthetic pairs helped on the held-back parts: use none." in found
    assert not [text for text in found if "added" in text]


def test_pasted_pairs_that_were_not_chosen_are_not_praised_for_what_augmentation_does():
    records = [*trained("raw", 0.5), *trained("classical", 0.7, held=0.8), *trained(PASTED, 0.6, held=0.7)]
    found = gain_sentences(gain_table(records, {}), "dice")
    assert "No share of pasted pairs helped on the held-back parts: use none." in found
    assert not [text for text in found if text.startswith("Classical augmentation and pasted")]
    assert [text for text in found if text.startswith("Classical augmentation helped")]


def test_an_arm_that_still_rises_gets_no_verdict_and_neither_do_those_compared_with_it():
    rising = [one.replace(curve=RISING, steps=5000) if (one.fold, one.seed) < (0, 2) else one for one in comparison()]
    only_pairs = [a if a.arm == ARM else b for a, b in zip(rising, comparison(), strict=True)]
    row = row_of(gain_table(only_pairs, {}), ARM)
    assert (row.rising, row.plateau, row.wanted) == (2, pytest.approx(4 / 6), 8960)
    assert row.steps == 3000  # the mean
    text = next(text for text in result_of(only_pairs).sentences if ARM_TITLE in text)
    assert text == (
        f"No verdict for {ARM_TITLE}: 2 of 6 trainings were still rising at 5,000 steps (+0.013 in the last 1,250). "
        "Set steps to about 9,000."
    )
    only_rival = [a if a.arm == PASTED else b for a, b in zip(rising, comparison(), strict=True)]
    text = next(text for text in result_of(only_rival).sentences if f"for {ARM_TITLE}:" in text)
    assert "2 of 6 trainings of classical augmentation and pasted pairs, with which it is compared, were still" in text
    assert "added" not in gain_verdict(result_of(only_rival))
    only_raw = [a if a.arm == "raw" else b for a, b in zip(rising, comparison(), strict=True)]
    found = result_of(only_raw).sentences
    assert [
        text for text in found if text.startswith("No verdict for classical augmentation: 2 of 6 trainings of real")
    ]
    assert [text for text in found if " added " in text]  # the pairs are compared with the rival, which stands still
    assert "(2 of 6 rising)" in "\n".join(table_lines(gain_table(rising, {})))


ARM_TITLE = "classical augmentation and synthetic pairs"


def test_no_share_is_no_verdict_where_those_with_pairs_were_still_rising():
    """They might have overtaken the arm without pairs, which stands."""
    stands = [*trained("raw", 0.5), *trained("classical", 0.6, held=0.6), *trained(ARM, 0.6, held=0.55, ratio=0.25)]
    for curve, verdict in ((PLATEAU, "No share of synthetic pairs helped"), (RISING, "No verdict for")):
        late = trained(ARM, 0.6, held=0.5, ratio=1.0, curve=curve)
        rows = gain_table([*stands, *late], {})
        row = row_of(rows, ARM)
        assert row.chosen == (0.0, 0.0)
        assert (row.trainings, row.rising) == (6, 6 * (curve is RISING))
        assert [text for text in gain_sentences(rows, "dice") if text.startswith(verdict)]
    one = [record.replace(curve=PLATEAU) if (record.fold, record.seed) != (1, 2) else record for record in late]
    row = row_of(gain_table([*stands, *one], {}), ARM)
    assert (row.rising, row.wanted, row.taken) == (1, 8960, 5000)
    taken = trained(ARM, 0.6, held=0.7, ratio=0.25)  # of a share that was chosen it does not matter
    assert row_of(gain_table([*stands[:12], *taken, *late], {}), ARM).rising == 0


def test_a_training_without_held_back_parts_gets_no_verdict():
    records = [one.replace(curve=Curve(taken=300), held_score=None) for one in comparison()]
    found = gain_sentences(gain_table(records, {}), "dice")
    start = "No verdict for classical augmentation: nothing was held back in 6 of 6 trainings"
    assert [text for text in found if text.startswith(start)]
    assert not [text for text in found if "added" in text]


def test_trainings_without_a_curve_are_judged_as_before():
    """A segmenter that is given as a function says nothing about its course."""
    records = [one.replace(curve=None, held_score=None) for one in comparison()]
    assert [text for text in gain_sentences(gain_table(records, {}), "dice") if " added " in text]


def test_images_put_aside_are_told_with_their_change():
    aside = {"raw": 0.4, "classical": 0.5, PASTED: 0.52, ARM: 0.55}
    records = [
        one.replace(put_aside={f"z{k}": {"dice": aside[one.arm] + 0.01 * k} for k in range(4)}) for one in comparison()
    ]
    rows = gain_table(records, {})
    row = row_of(rows, ARM)
    assert (row.images, row.images_aside) == (12, 4)
    assert row.put_aside["dice"].mean == pytest.approx(0.565)
    assert row.put_aside_over_best["dice"].mean == pytest.approx(0.03)
    assert row.put_aside_over_best["dice"].images == 4
    text = next(text for text in gain_sentences(rows, "dice") if text.startswith("On the 4 images put aside, Dice:"))
    assert "real pairs 0.415, classical augmentation 0.515," in text
    assert text.endswith(f"{ARM_TITLE} 0.565 (+0.030 [0.030, 0.030] against classical augmentation and pasted pairs).")


def test_one_seed_and_the_classes_that_were_scored_are_said():
    records = [one.replace(classes=("lumen", "wall")) for one in comparison() if one.seed == 0]
    result = result_of(records)
    assert result.classes == ("lumen", "wall")
    assert "Scored: lumen, wall." in result.sentences
    assert any(text.startswith("Each training was done once") for text in result.sentences)
    assert "Each training was done once" in gain_verdict(result)
    assert not any(text.startswith("Each training was done once") for text in result_of(comparison()).sentences)


def test_of_many_generators_the_verdict_counts_and_names_the_highest():
    records = [*trained("raw", 0.5), *trained("classical", 0.6, held=0.5)]
    for name, dice in (("a", 0.62), ("b", 0.58), ("c", 0.64)):
        records += trained(ARM, dice, held=0.6, generator=name)
    text = gain_verdict(result_of(records))
    assert text.startswith(
        "Against classical augmentation, the best without a generator, 2 of 3 scored higher, 1 lower."
    )
    assert "Synthetic pairs (c) added 0.040" in text
    assert "(a)" not in text


def test_every_training_with_a_curve_is_in_the_result():
    result = result_of(comparison())
    assert len(result.curves) == 5 * 6
    assert {(one.arm, one.ratio) for one in result.curves} == {
        ("raw", 1.0), ("classical", 1.0), (PASTED, 1.0), (ARM, 0.25), (ARM, 1.0),
    }  # fmt: skip
    assert np.all([one.curve == PLATEAU for one in result.curves])


@pytest.mark.parametrize(
    ("short", "plain", "records"),
    [
        ("+0.03", "The synthetic pairs help.", comparison()),
        ("-0.12", "The synthetic pairs do harm: leave them out.",
         [*trained("raw", 0.5), *trained("classical", 0.62), *trained(ARM, 0.5, ratio=0.25, held=0.6)]),
        ("+0.00", "The synthetic pairs make no clear difference.",
         [*trained("raw", 0.5), *trained("classical", 0.62), *trained(ARM, 0.64, ratio=0.25, held=0.6)[:3],
          *trained(ARM, 0.5999, ratio=0.25, held=0.6)[3:]]),
        ("use none", "The synthetic pairs are not worth using here: no share of them helped.",
         [*trained("classical", 0.6, held=0.7), *trained(ARM, 0.65, ratio=0.25, held=0.6)]),
        ("no verdict", "No verdict yet: trainings were still rising when they ended.", comparison(curve=RISING)),
        ("", "", [*trained("raw", 0.5), *trained("classical", 0.6)]),
    ],
)  # fmt: skip
def test_the_verdict_in_two_words_and_in_a_plain_sentence(short, plain, records):
    result = result_of(records)
    assert (short_verdict(result), plain_verdict(result)) == (short, plain)
