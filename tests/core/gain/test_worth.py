"""What pairs are worth in annotated images, on learning curves whose answer is known."""

import numpy as np
import pytest

from napari_organoid_synth.core.gain.headlines import worth_sentence
from napari_organoid_synth.core.gain.results import ArmRecord
from napari_organoid_synth.core.gain.worth import FEW, LARGEST, RISING, images_needed, rising_curves, worth_in_images
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve

ARM = "classical+synthetic"
IMAGES = {0.25: 2, 0.5: 4, 1.0: 8}


def learning(images):
    """Dice of the arm without pairs: 0.1 more with twice the images."""
    return 0.4 + 0.1 * np.log2(images)


def trainings(arm, dice, subset, luck=0.0, noise=0.0, effects=None, rng=None, seeds=3, curve=None):
    """Trainings on a share of the images in two folds of six test images."""
    found = []
    for fold in (0, 1):
        for seed in range(seeds):
            of_training = luck and rng.normal(0, luck)
            scores = {}
            for image in range(6 * fold, 6 * fold + 6):
                value = dice + of_training + (noise and rng.normal(0, noise))
                value += effects[image] if effects is not None else 0.0
                scores[f"{image:02d}"] = {"dice": float(value)}
            found.append(
                ArmRecord(
                    arm=arm,
                    subset=subset,
                    fold=fold,
                    seed=seed,
                    per_image=scores,
                    trained_on=IMAGES[subset],
                    curve=curve,
                )
            )
    return found


def comparison(more=3.0, **noise):
    """Pairs that are worth so many more images at each share."""
    records = []
    for subset, images in IMAGES.items():
        records += trainings("classical", learning(images), subset, **noise)
        records += trainings(ARM, learning(images + more), subset, **noise)
    return records


def test_the_worth_of_a_known_curve():
    found = {one.subset: one for one in worth_in_images(comparison(more=3.0), {}, "classical")}
    assert list(found) == [1.0, 0.5, 0.25]  # largest first
    for subset, images in ((0.25, 2), (0.5, 4)):
        one = found[subset]
        assert (one.images, one.rival, one.reason) == (images, "classical", "")
        assert (one.more, one.low, one.high) == pytest.approx((3.0, 3.0, 3.0))
        assert one.annotate == images  # the next point of the curve has twice the images
        assert (one.rise, one.rise_low, one.rise_high) == pytest.approx((0.1, 0.1, 0.1))
        assert not one.beyond
    assert found[1.0].reason == LARGEST
    assert worth_sentence(found[1.0]) == ""


def test_beyond_the_largest_number_the_answer_is_at_least():
    one = worth_in_images(comparison(more=5.0), {}, "classical")[1]
    assert (one.images, one.more, one.beyond, one.beyond_high) == (4, 4.0, True, True)
    assert worth_sentence(one) == (
        "With 4 annotated images the synthetic pairs are worth at least 4 [4, beyond 4] more annotated images; "
        "annotating 4 more raises classical augmentation by 0.100 [0.100, 0.100]."
    )


def test_pairs_that_lower_the_score_are_worth_less_than_none():
    found = {one.subset: one for one in worth_in_images(comparison(more=-1.0), {}, "classical")}
    assert found[0.5].more == pytest.approx(-1.0)
    assert found[0.25].more == 0  # below the curve nothing is read off


def test_a_curve_that_falls_between_two_points_is_made_monotone():
    """0.6 at 4 images and 0.5 at 8 become 0.55 at both."""
    images = np.array([2.0, 4.0, 8.0, 16.0])
    scores = np.array([0.4, 0.6, 0.5, 0.75])
    reached = np.array([0.55, 0.475, 0.65, 0.3, 0.8])
    needed = images_needed(images, np.tile(scores, (5, 1)), reached)
    assert needed == pytest.approx([4.0, 2 * np.sqrt(2), 8 * np.sqrt(2), 2.0, np.inf])


def test_curves_are_made_monotone_as_scikit_learn_does():
    isotonic_regression = pytest.importorskip("sklearn.isotonic").isotonic_regression
    curves = np.random.default_rng(0).random((200, 5))
    assert rising_curves(curves) == pytest.approx(np.stack([isotonic_regression(curve) for curve in curves]))


def test_there_is_no_number_off_the_plateau_or_from_few_images():
    rising = Curve(steps=(100,), scores=(0.5,), taken=100, wanted=900)
    late = [one.replace(curve=rising) if (one.arm, one.subset) == ("classical", 0.25) else one for one in comparison()]
    assert {one.reason for one in worth_in_images(late, {}, "classical")} == {RISING}
    whole = {f"{image:02d}": str(image % 3) for image in range(12)}
    assert {one.reason for one in worth_in_images(comparison(), whole, "classical")} == {FEW}
    assert worth_in_images([one for one in comparison() if one.subset == 1.0], {}, "classical") == ()
    assert worth_in_images([one for one in comparison() if one.arm == "classical"], {}, "classical") == ()


def test_the_interval_holds_the_true_worth_about_as_often_as_it_says():
    """Images differ by 0.1, a training has luck of 0.01, every score noise of 0.02; the pairs are worth one image."""
    rng, held, wide = np.random.default_rng(5), 0, []
    for _ in range(60):
        effects = rng.normal(0, 0.1, 12)
        records = comparison(more=1.0, luck=0.01, noise=0.02, effects=effects, rng=rng)
        one = worth_in_images(records, {}, "classical", seed=int(rng.integers(1000)), draws=300)[1]
        held += one.low <= 1.0 <= one.high
        wide.append(one.high - one.low)
    assert held >= 51  # 85 %; the luck of three seeds is hard to know
    assert 0.2 < np.median(wide) < 2.5
