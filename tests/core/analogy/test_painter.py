"""Painting by analogy: the right texture in the right place, the same bits for the same seed, nothing else touched."""

from __future__ import annotations

import numpy as np
import pytest

from analogy_pairs import TOP, discs, pair, shade, spread
from napari_organoid_synth.core.analogy.painter import AnalogyPainter, Source
from napari_organoid_synth.core.errors import UserError


@pytest.fixture(scope="module")
def painter() -> AnalogyPainter:
    return AnalogyPainter([pair(0), pair(1)], "instances")


def test_a_mask_painted_from_its_own_image_gives_that_image_and_says_that_it_is_a_copy() -> None:
    source = pair(0)
    own = AnalogyPainter([source], "instances", turn=False).paint(source.labels, 1)
    fresh = AnalogyPainter([pair(1)], "instances", turn=False).paint(source.labels, 1)
    inside = source.labels > 0
    copied, made = (np.corrcoef(painting.image[0][inside], source.image[0][inside])[0, 1] for painting in (own, fresh))
    assert copied > 0.9
    assert copied > made + 0.1
    assert own.largest_piece > 1.5 * fresh.largest_piece
    assert own.residual[1] < 0.2


def test_each_class_gets_its_own_texture() -> None:
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:128, :128]
    classes = 1 + (np.hypot(rows - 64, columns - 64) < 36).astype(np.int32)
    stripes = 120 + 80 * np.sign(np.sin(rows * np.pi / 2 + 0.1))  # change along y alone
    posts = 120 + 80 * np.sign(np.sin(columns * np.pi / 2 + 0.1))  # change along x alone
    image = np.where(classes == 2, stripes, posts) + rng.normal(0, 4, classes.shape)
    source = Source("two", image[None].clip(0, 255).astype(np.uint8), classes)
    new = np.ones((96, 96), np.int32)
    new[:, 40:] = 2
    painted = AnalogyPainter([source], "classes", ["posts", "stripes"], turn=False).paint(new, 0).image[0]
    posts_there, stripes_there = painted[8:-8, 6:34], painted[8:-8, 48:90]
    assert spread(posts_there, 1) > 5 * spread(posts_there, 0)
    assert spread(stripes_there, 0) > 5 * spread(stripes_there, 1)


def test_channels_stay_registered() -> None:
    painting = AnalogyPainter([shade(pair(0)), shade(pair(1))], "instances").paint(discs(5), 2)
    first, other, half, third = painting.image.astype(np.float32)
    assert painting.image.shape == (4, 96, 96)
    assert np.abs(first + other - 255).max() <= 2
    assert np.abs(first / 2 - half).max() <= 2
    assert np.abs(40 + first / 3 - third).max() <= 2


def test_threads_give_the_same_bits(painter: AnalogyPainter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    other = AnalogyPainter([pair(0), pair(1)], "instances")
    assert np.array_equal(other.paint(discs(5), 2).image, painter.paint(discs(5), 2).image)


def test_same_seed_gives_same_bits_and_another_does_not(painter: AnalogyPainter) -> None:
    mask = discs(5)
    one, other = painter.paint(mask, 3), painter.paint(mask, 4)
    painter.paint(discs(6), 1)
    again = AnalogyPainter([pair(0), pair(1)], "instances").paint(mask, 3)
    assert np.array_equal(one.image, again.image)
    assert not np.array_equal(one.image, other.image)


def test_excluded_sources_give_no_pixel(painter: AnalogyPainter) -> None:
    assert set(painter.paint(discs(0), 1, ["source_0"]).sources) == {"source_1"}
    assert sum(painter.paint(discs(5), 1).sources.values()) == pytest.approx(1)
    with pytest.raises(UserError, match=r"source_0, source_1 excluded.*Add an annotated image"):
        painter.paint(discs(0), 1, ["source_0", "source_1"])


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float32"])
def test_values_stay_in_the_range_of_the_source(dtype: str) -> None:
    source = pair(1, dtype=dtype)
    painted = AnalogyPainter([source], "instances").paint(discs(5), 0).image
    inside = discs(5) > 0
    assert painted.dtype == dtype
    assert painted.shape == (1, 96, 96)
    assert painted.min() >= source.image.min()
    assert painted.max() <= source.image.max()
    assert painted[0][inside].mean() == pytest.approx(0.7 * TOP[dtype], rel=0.1)
    assert painted[0][~inside].mean() == pytest.approx(0.17 * TOP[dtype], rel=0.25)


def test_objects_are_as_sharp_and_as_rough_as_real_ones(painter: AnalogyPainter) -> None:
    real, mask = pair(5), discs(5)
    painted = painter.paint(mask, 0).image[0]
    inside, outside = mask > 0, mask == 0
    for region in (inside, outside):
        both = region[1:] & region[:-1]
        rough = (np.diff(painted.astype(float), axis=0)[both] ** 2).mean()
        usual = (np.diff(real.image[0].astype(float), axis=0)[both] ** 2).mean()
        assert 0.4 * usual < rough < 2 * usual


def test_repainting_leaves_the_outside_bit_for_bit_and_paints_what_is_new(painter: AnalogyPainter) -> None:
    mask = discs(5)
    before = painter.paint(mask, 3)
    kept = before.image.copy()
    changed = mask.copy()
    changed[40:56, 40:56] = 99
    after = painter.repaint(before, changed, (40, 40, 56, 56), "fast")
    outside = np.ones(mask.shape, bool)
    outside[26:70, 26:70] = False
    assert np.array_equal(before.image[:, outside], after.image[:, outside])
    assert np.array_equal(before.image, kept)  # the first painting is not changed
    new = np.zeros(mask.shape, bool)
    new[42:54, 42:54] = mask[42:54, 42:54] == 0
    assert after.image[0][new].mean() > 2.5 * before.image[0][new].mean()
    assert set(after.residual) == set(before.residual) | {99}


def test_a_change_paints_the_rest_of_an_object_whose_size_changed_when_there_is_time(painter: AnalogyPainter) -> None:
    mask = np.zeros((96, 160), np.int32)
    mask[40:52, 20:140] = 1
    before = painter.paint(mask, 3)
    thick = mask.copy()
    thick[30:62, 100:140] = 1  # the whole object is of another depth now
    painting = painter.repaint(before, mask, (0, 0, 1, 1))
    quick = painter.change(painting, thick, (30, 100, 62, 140), "fast")
    assert quick is not None
    assert quick[1] == 100 - 14
    rest = painter.change(painting, thick, (30, 100, 62, 140), "full")
    assert rest is not None
    assert rest[1] < 40  # the thin part of it
    outside = np.ones(mask.shape, bool)
    outside[min(quick[0], rest[0]) : max(quick[2], rest[2]), rest[1] : max(quick[3], rest[3])] = False
    assert np.array_equal(before.image[:, outside], painting.image[:, outside])
    assert painter.change(painting, thick, (0, 0, 96, 160), "full") is None


def test_repainting_without_a_change_changes_nothing(painter: AnalogyPainter) -> None:
    mask = discs(5)
    before = painter.paint(mask, 3)
    assert np.array_equal(painter.repaint(before, mask, (32, 32, 64, 64)).image, before.image)
    assert painter.change(before, mask, (32, 32, 64, 64), since=mask) is None


def test_what_was_drawn_bit_by_bit_is_painted_as_if_it_were_new(painter: AnalogyPainter) -> None:
    """A disc drawn in slices gets the texture of one that was there from the beginning; a far one keeps its pixels."""
    rows, columns = np.ogrid[:128, :128]
    far = np.where((rows - 24) ** 2 + (columns - 100) ** 2 < 100, 1, 0).astype(np.int32)
    disc = (rows - 80) ** 2 + (columns - 50) ** 2 < 14**2
    painting = painter.paint(far, 3)
    before = painting.image.copy()
    mask = far
    for first in range(36, 64, 4):
        mask = np.where(disc & (columns >= first) & (columns < first + 4), 2, mask).astype(np.int32)
        painter.change(painting, mask, (66, first, 95, first + 4), "fast")
    drawn = painting.image.copy()
    place = painter.change(painting, mask, (66, 36, 95, 65), "full", far)
    assert place is not None
    changed = np.any(painting.image != drawn, axis=0)
    assert changed[disc].mean() > 0.5
    assert not changed[: place[0]].any()
    kept = np.any(painting.image != before, axis=0)
    assert not kept[far > 0].any()
    inside = painting.image[0][disc].mean()
    assert inside == pytest.approx(painter.paint(mask, 3).image[0][disc].mean(), rel=0.15)


def test_repainting_refuses_a_mask_of_another_size(painter: AnalogyPainter) -> None:
    with pytest.raises(UserError, match="Expected the same size"):
        painter.repaint(painter.paint(discs(5), 0), discs(5, 64), (0, 0, 8, 8))


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (5, 5), (33, 61)])
def test_masks_of_any_size(painter: AnalogyPainter, shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, np.int32)
    mask[shape[0] // 2, shape[1] // 2] = 7  # an object of one pixel
    painting = painter.paint(mask, 0)
    assert painting.image.shape == (1, *shape)
    assert list(painting.residual) == [7]
    assert painting.image.max() > 0


def test_an_empty_mask_is_background_alone(painter: AnalogyPainter) -> None:
    painting = painter.paint(np.zeros((64, 64), np.int32), 0)
    assert painting.residual == {}
    assert painting.image.max() < 0.4 * 255
    assert painting.image.std() > 2  # with its noise


def test_sources_of_different_sizes_some_smaller_than_a_patch() -> None:
    tiny = Source("tiny", pair(2).image[:, 20:25, 20:26], pair(2).labels[20:25, 20:26])
    small = Source("small", pair(3).image[:, :24, :20], pair(3).labels[:24, :20])
    painting = AnalogyPainter([tiny, small, pair(0, 80)], "instances").paint(discs(5), 0)
    assert painting.image[0][discs(5) > 0].mean() > 2 * painting.image[0][discs(5) == 0].mean()
    alone = AnalogyPainter([tiny], "binary").paint(discs(5) > 0, 0)
    assert alone.image.min() >= tiny.image.min()
    assert alone.image.max() <= tiny.image.max()


def test_constant_images_stay_constant() -> None:
    source = Source("plain", np.full((1, 48, 48), 77, np.uint8), discs(1, 48, 3))
    assert np.unique(AnalogyPainter([source], "instances").paint(discs(5, 48, 3), 0).image).tolist() == [77]


def test_a_large_canvas_is_painted_by_windows_without_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    from napari_organoid_synth.core.analogy import painter as module

    monkeypatch.setattr(module, "WINDOW", 64)
    mask = discs(5, 130, 14)
    painted = AnalogyPainter([pair(0, noise=0.01), pair(1, noise=0.01)], "binary").paint(mask > 0, 0).image[0]
    steps = np.abs(np.diff(painted.astype(float), axis=1))
    quiet = (mask[:, 1:] == 0) & (mask[:, :-1] == 0)
    seams = [round(130 * k / 3) - 1 for k in (1, 2)]
    at_seams = np.mean([steps[:, k][quiet[:, k]].mean() for k in seams])
    assert at_seams < 1.5 * steps[quiet].mean()
    assert painted[mask > 0].mean() > 2 * painted[mask == 0].mean()


def test_light_from_one_side_is_kept_without_turning() -> None:
    labels = discs(2)
    slope = np.linspace(60, 200, 96)[None] + np.zeros((96, 1))
    columns = np.arange(96)[None] + np.zeros((96, 1))
    for number in range(1, 8):  # the left side of every object is bright
        inside = labels == number
        if inside.any():
            slope[inside] = 255 - 8 * (columns[inside] - columns[inside].min())
    slope[labels == 0] = 20
    source = Source("lit", slope[None].astype(np.uint8), labels)
    mask = discs(7, 96, 5)

    def tilt(turn: bool) -> float:
        painted = AnalogyPainter([source], "instances", turn=turn).paint(mask, 0).image[0].astype(float)
        inside = mask > 0
        found = []
        for number in np.unique(mask[inside]):
            one = mask == number
            middle = columns[one].mean()
            found.append(painted[one & (columns < middle)].mean() - painted[one & (columns > middle)].mean())
        return float(np.mean(found))

    assert tilt(False) > 25
    assert tilt(False) > 2 * abs(tilt(True))


def test_objects_larger_than_any_example_have_a_larger_residual(painter: AnalogyPainter) -> None:
    usual = [value for seed in range(3) for value in painter.paint(discs(seed + 5), 0).residual.values()]
    rows, columns = np.mgrid[:128, :128]
    huge = ((rows - 64) ** 2 + (columns - 64) ** 2 < 30**2).astype(np.int32)
    assert 0.4 < np.mean(usual) < 2
    assert painter.paint(huge, 0).residual[1] > max(2.5, *usual)


def test_sources_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(UserError, match="no images to paint from"):
        AnalogyPainter([], "binary")
    with pytest.raises(UserError, match="1 channels of uint16, 1 channels of uint8"):
        AnalogyPainter([pair(0), pair(1, dtype="uint16")], "binary")
    with pytest.raises(UserError, match="Two images are called source_0"):
        AnalogyPainter([pair(0), pair(0)], "binary")
