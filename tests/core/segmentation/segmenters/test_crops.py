import math

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.network_input import intensity_range, normalise


def flat(value: int, name: str = "p") -> SamplePair:
    image = np.tile(np.arange(64, dtype=np.uint8), (1, 64, 1))
    return SamplePair(name, image, np.full((64, 64), value, np.int32), "classes", ("a", "b"))


def shares(pool, steps, number=4):
    return [int((pool.draw(step, number, 32)[1][:, 0, 0] == 2).sum()) for step in range(steps)]


@pytest.mark.parametrize(
    ("ratio", "number", "of_twelve"), [(1, 4, 24), (3, 4, 36), (0.5, 4, 16), (2, 1, 8), (5, 1, 10)]
)
def test_the_ratio_holds_exactly_over_the_steps(ratio, number, of_twelve):
    found = shares(CropPool([flat(1)], [flat(2)], ratio=ratio), 12, number)
    assert sum(found) == of_twelve
    assert max(found) - min(found) <= 1


def test_synthetic_crops_alone():
    assert shares(CropPool([flat(1)], [flat(2)], ratio=math.inf), 3) == [4, 4, 4]
    with pytest.raises(UserError, match="no pair to train on"):
        CropPool([flat(1)], ratio=math.inf)


def test_each_pixel_or_each_image_is_as_likely_as_any_other():
    small = SamplePair("s", np.zeros((1, 32, 32), np.uint8), np.ones((32, 32), np.int32))
    large = SamplePair("l", np.zeros((1, 96, 96), np.uint8), np.full((96, 96), 2, np.int32))
    pool = CropPool([small, large])
    of_small = [(pool.draw(0, 4000, 8, by_image=one)[1][:, 0, 0] == 1).mean() for one in (False, True)]
    assert of_small == pytest.approx([0.1, 0.5], abs=0.03)


def numbered(n: int) -> list[SamplePair]:
    """Pairs of 16 px whose label is their number; those with the higher numbers are larger."""
    return [SamplePair(f"p{i}", np.zeros((1, 16 + i, 16), np.uint8), np.full((16 + i, 16), i)) for i in range(n)]


def whole_draws(pool, steps, number=1) -> np.ndarray:
    return np.concatenate([pool.draw(step, number, 16, whole=True)[1][:, 0, 0] for step in range(steps)])


@pytest.mark.parametrize(("n", "n_hard", "share"), [(10, 2, 0.3), (10, 9, 0.3), (4, 1, 0.5), (20, 10, 0.3)])
def test_favoured_images_make_their_share_of_whole_draws(n, n_hard, share):
    hard = [index < n_hard for index in range(n)]
    pool = CropPool(numbered(n), seed=5).favouring(hard, share)
    drawn = whole_draws(pool, 1000)
    assert np.mean(drawn < n_hard) == pytest.approx(share, abs=3.3 * np.sqrt(share * (1 - share) / 1000))
    counts = np.bincount(drawn, minlength=n) / 1000
    for part, expected in ((counts[:n_hard], share / n_hard), (counts[n_hard:], (1 - share) / (n - n_hard))):
        assert part == pytest.approx(np.full(len(part), expected), abs=4 * np.sqrt(expected * (1 - expected) / 1000))
    again = CropPool(numbered(n), seed=5).favouring(hard, share)
    assert np.array_equal(whole_draws(again, 1000), drawn)  # step by step, so also in the middle
    assert again.draw(731, 1, 16, whole=True)[1][0, 0, 0] == drawn[731]
    assert not np.array_equal(whole_draws(CropPool(numbered(n), seed=6).favouring(hard, share), 1000), drawn)


@pytest.mark.parametrize("hard", [[False] * 6, [True] * 6])
def test_all_or_none_favoured_changes_nothing(hard):
    pool = CropPool(numbered(6), seed=1)
    assert np.array_equal(whole_draws(pool.favouring(hard, 0.3), 200), whole_draws(pool, 200))
    counts = np.bincount(whole_draws(pool, 1200), minlength=6)
    assert abs(counts - 200).max() < 4 * np.sqrt(1200 / 6 * 5 / 6)  # large ones are no likelier than small ones


def test_favouring_leaves_crops_synthetic_shares_and_the_pool_alone():
    pool = CropPool(numbered(6), [flat(7).replace(labels=np.full((64, 64), 7))], ratio=1, seed=2)
    before = whole_draws(pool, 400)
    favoured = pool.favouring([True] + [False] * 5, 0.3)
    drawn = whole_draws(favoured, 4000)
    assert np.sum(drawn == 7) == 2000  # exactly half, as before
    assert np.mean(drawn[drawn != 7] == 0) == pytest.approx(0.3, abs=3.3 * np.sqrt(0.21 / 2000))
    assert np.array_equal(whole_draws(pool, 400), before)
    for step in range(20):
        assert np.array_equal(pool.draw(step, 4, 8)[1], favoured.draw(step, 4, 8)[1])


def test_tissue_intensity_follows_the_formula():
    """Of two images that differ by a constant factor only the same draws give the same crops; noise is 0.02."""
    pair = SamplePair(
        "p", np.random.default_rng(0).integers(0, 200, (1, 64, 64)).astype(np.uint8), np.ones((64, 64), int)
    )
    plain = SamplePair("c", np.full((1, 64, 64), 7, np.uint8), np.ones((64, 64), np.int32))
    crops = np.concatenate([CropPool([plain], augment="tissue", seed=3).draw(step, 8, 48)[0] for step in range(20)])
    assert crops.std(axis=(1, 2, 3)) == pytest.approx(0.02, abs=0.002)  # a constant image is 0: only shift and noise
    shift = crops.mean(axis=(1, 2, 3))
    assert -0.2 <= shift.min() < -0.18
    assert 0.18 < shift.max() <= 0.2
    tissue, again = (CropPool([pair], augment=name, seed=3).draw(0, 4, 48)[0] for name in ("tissue", True))
    assert np.array_equal(tissue, again)


def test_half_of_an_organoid_batch_is_as_it_is():
    pair = SamplePair(
        "p", np.random.default_rng(0).random((1, 40, 40)).astype(np.float32), np.zeros((40, 40), np.int32)
    )
    whole = normalise(pair.image, *intensity_range(pair.image))
    images = CropPool([pair], augment="organoid").draw(0, 6, 40)[0]
    assert [bool(np.array_equal(image, whole)) for image in images] == [False] * 3 + [True] * 3
