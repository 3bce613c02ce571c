"""Labels to heat flow and back: nothing may be lost, arrows must turn with the picture."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import run

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_organoid_synth.core.codec import heatflow
from napari_organoid_synth.core.codec.heatflow import decode, encode, flow_error, turn
from napari_organoid_synth.core.segmentation.agreement import object_scores
from napari_organoid_synth.core.simulators.simulate import tissue


def ap90(truth: NDArray[np.int32], found: NDArray[np.int32]) -> float:
    return object_scores(truth, found, (0.9,))[0.9]["accuracy"]


def angles(a: NDArray[np.float32], b: NDArray[np.float32], where: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Degrees between the arrows of two fields."""
    one, other = (field[1] + 1j * field[2] for field in (a, b))
    return np.abs(np.angle(one[where] * np.conj(other[where]), deg=True))


def reference(labels: NDArray[np.int32]) -> NDArray[np.float64]:
    """The definition, one object at a time in float64: heat with zeros outside, central differences, unit length."""
    field = np.zeros((3, *labels.shape))
    field[0] = np.where(labels, 1, -1)
    for number in np.unique(labels)[1:]:
        mask = np.pad(labels == number, 1)
        y, x = np.nonzero(mask)
        source = np.argmin((y - y.mean()) ** 2 + (x - x.mean()) ** 2)
        heat = np.zeros(mask.shape)
        for _ in range(2 * int(np.ptp(y) + np.ptp(x) + 2 + 4)):
            heat[y[source], x[source]] += 1
            around = sum(np.roll(heat, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1))
            heat = around / 9 * mask
        padded = np.pad(heat, 1)
        dy, dx = padded[2:, 1:-1] - padded[:-2, 1:-1], padded[1:-1, 2:] - padded[1:-1, :-2]
        length = np.hypot(dy, dx) + 1e-60
        inside = labels == number
        field[1][inside], field[2][inside] = ((d / length)[1:-1, 1:-1][inside] for d in (dy, dx))
    return field


def two_touching() -> NDArray[np.int32]:
    labels = np.zeros((40, 60), np.int32)
    labels[5:30, 4:30] = 7
    labels[8:36, 30:55] = 2
    return labels


def test_encode_is_the_definition_for_touching_objects():
    labels = two_touching()
    found, expected = encode(labels), reference(labels)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found[0], expected[0])
    clear = (labels > 0) & (np.hypot(*expected[1:]) > 0.5)
    assert angles(found, expected, clear).mean() < 0.3  # rounds are those of the largest object in the sheet
    assert np.quantile(angles(found, expected, clear), 0.99) < 3


def test_arrows_have_unit_length_and_do_not_cross_a_touching_border():
    labels = two_touching()
    field = encode(labels)
    assert np.all(field[1:, labels == 0] == 0)
    np.testing.assert_allclose(np.hypot(*field[1:])[labels > 0], 1, atol=1e-5)
    assert np.all(field[2, 8:30, 29] < 0)  # left object: away from the border at x = 29.5
    assert np.all(field[2, 8:30, 30] > 0)


def test_round_trip_of_150_touching_cells():
    for seed in (1, 2):
        labels = tissue(seed, 256, n_cells=150).labels
        assert labels.max() >= 145
        assert ap90(labels, decode(encode(labels))) >= 0.99


@pytest.mark.parametrize("name", ["miniature/nuclei", "nuclei_dsb2018"])
def test_round_trip_of_nuclei(image_set: Callable[[str], Path], name: str):
    from imageio.v3 import imread

    files = sorted((image_set(name) / "masks").glob("*.png"))
    assert len(files) >= 12
    scores = []
    for file in files:
        labels = imread(file).astype(np.int32)
        scores.append(ap90(labels, decode(encode(labels))))
    assert np.mean(scores) >= 0.99
    assert np.min(scores) >= 0.97


def test_score_agrees_with_stardist():
    matching = pytest.importorskip("stardist.matching")
    labels = tissue(5, 128, n_cells=40).labels
    found = decode(encode(labels) + np.random.default_rng(0).normal(0, 0.9, (3, 128, 128)).astype(np.float32))
    assert ap90(labels, found) == pytest.approx(matching.matching(labels, found, thresh=0.9).accuracy)


def test_noise_on_the_arrows_is_harmless():
    labels = tissue(4, 256, n_cells=60).labels
    field = encode(labels)
    field[1:] += np.random.default_rng(0).normal(0, 0.3, field[1:].shape).astype(np.float32)
    assert ap90(labels, decode(field)) >= 0.95
    field[0, 0, 0] = np.nan
    field[1, 50, 50] = np.inf
    assert decode(field).max() > 50


def test_one_object_larger_than_the_number_of_steps():
    y, x = np.ogrid[:520, :620]
    labels = (((y - 260) / 250) ** 2 + ((x - 310) / 300) ** 2 < 1).astype(np.int32)
    found = decode(encode(labels))
    assert found.max() == 1
    assert ap90(labels, found) == 1


def test_the_half_size_short_cut_changes_directions_little(monkeypatch):
    y, x = np.ogrid[:300, :320]
    labels = (((y - 150) / 140) ** 2 + ((x - 160) / (150 - 30 * (y > 150))) ** 2 < 1).astype(np.int32)
    fast = encode(labels)
    monkeypatch.setattr(heatflow, "COARSE_SIDE", 10_000)
    difference = angles(fast, encode(labels), labels > 0)
    assert np.median(difference) < 2
    assert np.quantile(difference, 0.95) < 10


def test_ids_pieces_sizes_and_holes():
    labels = np.zeros((64, 64), np.int64)
    labels[2:12, 2:12] = 3_000_000_000  # beyond int32
    labels[20:40, 20:40] = 5
    labels[28:31, 28:31] = 0
    labels[50:60, 2:12] = labels[50:60, 30:40] = 9  # two pieces
    labels[62, 62] = 11
    field = encode(labels)
    assert np.isfinite(field).all()
    found = decode(field)
    assert found.dtype == np.int32
    assert found.max() == 4
    assert found[29, 29] == found[21, 21] > 0  # hole filled
    assert found[62, 62] == 0  # below 15 px
    assert found[55, 5] != found[55, 35]
    assert decode(field, min_size=150).max() == 1
    assert decode(field, max_share=0.05).max() == 3
    assert decode(field, threshold=1.5).max() == 0


def test_more_objects_than_16_bits_hold():
    tile = np.zeros((5, 5), np.int64)
    tile[:4, :4] = 1
    count = 260 * 260
    labels = np.kron(np.arange(1, count + 1).reshape(260, 260), tile).astype(np.int32)
    found = decode(encode(labels))
    assert found.max() == count
    np.testing.assert_array_equal(found > 0, labels > 0)


@pytest.mark.parametrize("labels", [np.zeros((16, 20), np.uint8), np.ones((16, 20), np.int32)])
def test_empty_and_full(labels: NDArray[np.integer]):
    np.testing.assert_array_equal(decode(encode(labels)), labels)


@pytest.mark.parametrize("flip", [False, True])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_turning_commutes_with_encoding(turns: int, flip: bool):
    labels = tissue(3, 128, n_cells=30).labels
    turned = np.rot90(labels[:, ::-1] if flip else labels, turns)
    a, b = turn(encode(labels), turns, flip), encode(turned)
    np.testing.assert_array_equal(a[0], b[0])
    assert np.median(angles(a, b, turned > 0)) < 1
    np.testing.assert_array_equal(turn(turn(encode(labels), turns), -turns % 4), encode(labels))


def test_mirroring_is_exact_where_the_middle_is_one_pixel():
    y, x = np.ogrid[:31, :41]
    labels = (((y - 15) / 11) ** 2 + ((x - 14) / 13) ** 2 < 1).astype(np.int32)
    mirrored = turn(encode(labels), 0, flip=True)
    expected = encode(labels[:, ::-1])
    np.testing.assert_array_equal(mirrored[0], expected[0])
    sides = (labels[:, ::-1] > 0) & (np.arange(41) != 26) & (np.arange(31) != 15)[:, None]  # off the axes through it
    np.testing.assert_allclose(mirrored[:, sides], expected[:, sides], atol=1e-4)


def test_flow_error_is_0_for_the_field_itself_and_4_for_its_opposite():
    labels = two_touching()
    field = encode(labels)
    np.testing.assert_allclose(flow_error(labels, field)[[2, 7]], 0, atol=1e-10)
    field[1:, labels == 7] *= -1
    error = flow_error(labels, field)
    assert error.shape == (8,)
    assert error[7] == pytest.approx(4, abs=1e-4)
    assert error[2] == 0


def test_imports_no_torch():
    package = "napari_organoid_synth.core"
    code = f"import sys; import {package}.codec.codec, {package}.simulators.simulate as s; s.em(0, 64)"
    run([sys.executable, "-c", f"{code}; assert 'torch' not in sys.modules"], check=True)
