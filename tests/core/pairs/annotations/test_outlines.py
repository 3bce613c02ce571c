"""Outlines and run lengths become the right pixels, within bounds."""

from __future__ import annotations

import time
import tracemalloc

import numpy as np
import pytest

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.annotations import rle
from napari_organoid_synth.core.pairs.annotations.outlines import (
    DrawnObject,
    Window,
    ellipse,
    fill,
    paint,
    rectangle,
    ring,
)


def whole(window: Window, size: tuple[int, int]) -> np.ndarray:
    mask = np.zeros(size, bool)
    height, width = window.inside.shape
    mask[window.y : window.y + height, window.x : window.x + width] = window.inside
    return mask


def test_a_pixel_belongs_to_an_outline_if_its_centre_lies_inside() -> None:
    expected = np.zeros((20, 30), bool)
    expected[3:7, 2:10] = True
    np.testing.assert_array_equal(whole(fill([[rectangle(2, 3, 10, 7)]], (20, 30), "a"), (20, 30)), expected)
    expected[4:6, 4:6] = False  # a hole, whichever way it turns
    for hole in (rectangle(4, 4, 6, 6), rectangle(4, 4, 6, 6)[::-1]):
        found = whole(fill([[rectangle(2, 3, 10, 7), hole]], (20, 30), "a"), (20, 30))
        np.testing.assert_array_equal(found, expected)
    both = whole(fill([[rectangle(0, 0, 4, 4)], [rectangle(2, 2, 6, 6)]], (8, 8), "a"), (8, 8))
    assert both.sum() == 16 + 16 - 4  # parts unite where they overlap
    assert fill([[rectangle(2, 3, 2.4, 9)]], (20, 30), "a").inside.sum() == 0  # no centre inside
    disc = whole(fill([[ellipse(10, 10, 6, 6)]], (20, 20), "a"), (20, 20))
    y, x = np.mgrid[:20, :20] + 0.5
    np.testing.assert_array_equal(disc, (x - 10) ** 2 + (y - 10) ** 2 < 36)


def test_what_reaches_beyond_the_image_is_cut() -> None:
    found = whole(fill([[rectangle(-5, -5, 3, 2)]], (4, 4), "a"), (4, 4))
    assert found[:2, :3].all()
    assert found.sum() == 6
    assert fill([[rectangle(-5, -5, 99, 99)]], (4, 4), "a").inside.sum() == 16


def test_losses_are_counted_and_said() -> None:
    objects = [
        DrawnObject([[rectangle(0, 0, 2, 2)]], class_name="a"),
        DrawnObject([[rectangle(1, 1, 6, 6)]], class_name="b"),
        DrawnObject([[rectangle(0, 0, 3, 3)]], class_name="b"),  # hides the first
        DrawnObject([[rectangle(50, 50, 60, 60)]], class_name="b"),
        DrawnObject([[rectangle(7.1, 7.1, 7.3, 7.3)]], class_name="b"),
        DrawnObject(left_out="point"),
    ]
    drawn = paint(objects, (8, 8), "x.json")
    assert drawn.remarks == (
        "the classes b (4), a (1) are not kept, only the single objects",
        "7 px are in several objects, the later one wins",
        "1 object hidden by later ones",
        "1 object outside the image left out",
        "1 object smaller than a pixel left out",
        "1 point left out",
    )
    assert np.unique(drawn.labels).tolist() == [0, 2, 3]
    assert (drawn.labels == 3).sum() == 9
    with pytest.raises(UserError, match=r"x\.json contains 2 points and no outline of an object"):
        paint([DrawnObject(left_out="point")] * 2, (8, 8), "x.json")
    assert paint([], (8, 8), "x.json").labels.max() == 0  # an image without objects


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e300, -1e9])
def test_absurd_coordinates_are_refused(value: float) -> None:
    with pytest.raises(UserError, match=r"x\.json has an outline with the coordinate"):
        fill([[ring([(0, 0), (value, 1), (1, 1)])]], (8, 8), "x.json")


def test_memory_follows_the_image_and_not_the_coordinates() -> None:
    rng = np.random.default_rng(0)
    zigzag = np.stack([np.arange(20_000) % 2 * 9e6, rng.random(20_000) * 9e6], axis=1)
    tracemalloc.start()
    fill([[zigzag]], (300, 300), "x")
    assert tracemalloc.get_traced_memory()[1] < 200e6
    tracemalloc.stop()
    everywhere = [DrawnObject([[rectangle(0, 0, 4096, 4096)]])] * 1_000
    begun = time.monotonic()
    with pytest.raises(UserError, match="cover the image more than 300 times"):
        paint(everywhere, (512, 512), "x")
    assert time.monotonic() - begun < 10


def test_run_lengths_are_those_of_the_coco_api() -> None:
    api = pytest.importorskip("pycocotools.mask", exc_type=ImportError)
    rng = np.random.default_rng(1)
    for _ in range(100):
        size = (int(rng.integers(1, 40)), int(rng.integers(1, 40)))
        mask = rng.random(size) < rng.random()
        text = rle.encode(Window(0, 0, mask), size)
        assert text == api.encode(np.asfortranarray(mask.astype(np.uint8)))["counts"].decode()
        np.testing.assert_array_equal(whole(rle.decode(text, size), size), mask)
    points = np.stack([20 + 15 * np.cos(np.arange(40) / 6.4), 20 + 12 * np.sin(np.arange(40) / 6.4)], axis=1)
    theirs = api.decode(api.frPyObjects([points.ravel().tolist()], 40, 40))[..., 0].astype(bool)
    ours = whole(fill([[points]], (40, 40), "a"), (40, 40))
    assert (ours & theirs).sum() / (ours | theirs).sum() > 0.96  # they draw the edge itself, too


def test_plain_run_lengths_go_down_the_columns() -> None:
    mask = whole(rle.decode([2, 3, 1], (3, 2)), (3, 2))
    assert mask.tolist() == [[False, True], [False, True], [True, False]]


@pytest.mark.parametrize("counts", [[2, 3], [7], [-1, 7], [10**12], "0", "zz", "é", b"\xff", "PPPPPPPPPPPPPP0", [[6]]])
def test_wrong_run_lengths_are_refused(counts: object) -> None:
    with pytest.raises((ValueError, TypeError)):
        rle.decode(counts, (3, 2))  # type: ignore[arg-type]
