"""Grids of known period and strength; noise and smooth images of known slope."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_organoid_synth.core.metrics.texture import Texture, grid_energy, grid_peak, slope, spectrum
from simulated import sample, scene


@pytest.mark.parametrize("side", [64, 96, 128])
@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_grid_of_each_period_stands_out(side: int, period: int) -> None:
    """In each of eight images: no grid, one of 2 % of the range, one of 5 %, and stripes of another period."""
    found = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        image = scene(seed, side, 6)[0][0].astype(float)
        image += rng.normal(0, 0.02 * np.ptp(image), image.shape)  # noise of a camera
        cell = rng.normal(size=(period, period))
        cells = np.tile((cell - cell.mean()) / cell.std(), (side // period, side // period))
        y, x = np.indices(image.shape)
        stripes = np.cos(2 * np.pi * (y + x) / 5.3)  # that no doubling of size makes
        added = [0 * cells, 0.02 * cells, 0.05 * cells, 0.05 * stripes]
        found.append([grid_energy(spectrum(image + np.ptp(image) * one)) for one in added])
    plain, weak, strong, other = np.array(found).T
    assert max(plain.max(), other.max()) < 2.5
    assert max(plain.mean(), other.mean()) < 1.6
    assert (weak > plain + 1).all()
    assert (weak - plain).mean() > 2.5
    assert (strong > weak + 2).all()


def test_noise_has_no_grid_and_slope_0() -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(40, 128, 128))
    grids = [grid_energy(spectrum(one)) for one in noise]
    assert np.mean(grids) < 1
    assert max(grids) < 2.5
    assert np.mean([slope(spectrum(one)) for one in noise]) == pytest.approx(0, abs=0.05)


def test_slope_of_a_power_law() -> None:
    rng = np.random.default_rng(0)
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128), indexing="ij"))
    frequency[0, 0] = 1
    found = []
    for _ in range(20):
        image = np.fft.ifft2(np.fft.fft2(rng.normal(size=(128, 128))) * frequency**-1.5).real
        found.append(slope(spectrum(image)))
    assert np.mean(found) == pytest.approx(-3, abs=0.1)  # of power: twice that of the amplitude


def test_spectrum_of_one_wave() -> None:
    wave = np.cos(2 * np.pi * 16 * np.arange(64) / 64)[None].repeat(64, 0)
    power = spectrum(wave)
    assert np.unravel_index(power.argmax(), power.shape) in ((0, 16), (0, 48))
    assert spectrum(np.zeros((70, 70))).shape == (64, 64)


def test_plain_and_tiny_images_are_finite() -> None:
    metric = Texture().fit([sample(f"r{seed}", *scene(seed, 64, 4)) for seed in range(4)])
    image, labels = scene(9, 64, 4)
    assert metric(sample("plain", np.full_like(image, 7), labels)) == {"grid": 0.0, "slope": 0.0}
    assert metric(sample("tiny", image[:, :8, :8], labels[:8, :8])) == {"grid": 0.0, "slope": 0.0}
    assert np.isfinite(list(metric(sample("odd", image[:, :33, :47], labels[:33, :47])).values())).all()


def test_words_name_a_visible_grid() -> None:
    metric = Texture().fit([sample(f"r{seed}", *scene(seed, 96, 9)) for seed in range(12)])
    image, labels = scene(30, 96, 9)
    assert metric.judge(sample("good", image, labels)).message == ""
    smooth = np.stack([gaussian_filter(image[0].astype(float), 1)])
    y, x = np.indices(labels.shape)
    grid = smooth + 0.1 * np.ptp(smooth) * ((y + x) % 2)
    assert metric.judge(sample("grid", grid, labels)).message == "grid of the generator visible"


def scenes(first: int, number: int = 12, side: int = 64) -> list[np.ndarray]:
    return [scene(seed, side, 6)[0].astype(float) for seed in range(first, first + number)]


@pytest.mark.parametrize("period", [2, 4, 8])
def test_peak_is_that_of_a_grid_of_the_upsampling_alone(period: int) -> None:
    """Neither blur nor noise nor another pattern counts, but a grid of a tenth of the standard deviation does."""
    rng = np.random.default_rng(0)
    real, images = scenes(0), scenes(20)
    assert grid_peak(images, real) < 2
    assert grid_peak([image + rng.normal(0, 0.3 * image.std(), image.shape) for image in images], real) < 2
    assert grid_peak([gaussian_filter(image, (0, 2, 2)) for image in images], real) < 2
    y, x = np.indices((64, 64))
    assert grid_peak([image + 0.3 * image.std() * np.cos(2 * np.pi * (y + x) / 5.3) for image in images], real) < 2
    cell = rng.normal(size=(period, period))
    grid = np.tile((cell - cell.mean()) / cell.std(), (64 // period, 64 // period))
    with_grid = [image + 0.1 * image.std() * grid for image in images]
    assert grid_peak(with_grid, real) > 3
    assert grid_peak(with_grid, [image + 0.1 * image.std() * grid for image in real]) < 2  # theirs, too


def test_peak_refuses_what_it_cannot_compare() -> None:
    with pytest.raises(ValueError, match="no images"):
        grid_peak([], scenes(0))
    with pytest.raises(ValueError, match="expected at least 32 px"):
        grid_peak([np.zeros((1, 16, 64))], scenes(0))
