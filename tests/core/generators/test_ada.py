"""Adaptive augmentation against numpy, scipy and the flow of turned masks; its controller by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.ndimage import affine_transform
from torch import Tensor

from napari_organoid_synth.core.codec import heatflow
from napari_organoid_synth.core.generators import ada
from napari_organoid_synth.core.generators.ada import Ada, blit, color, copy_pixels, cutout, geom, noise, spectrum, warp
from napari_organoid_synth.core.simulators.simulate import tissue

GROUPS = ("blit", "geom", "color", "filter", "noise", "cutout")
MOST = torch.tensor(0.8)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def at(p: float, groups: tuple[str, ...], image_channels: int = 2, **options: object) -> Ada:
    made = Ada(groups, image_channels, **options)  # type: ignore[arg-type]
    made.p.fill_(p)
    return made


def turning(degrees: float, scale: float = 1.0, move: tuple[float, float] = (0.0, 0.0)) -> Tensor:
    """The inverse (1, 2, 3) that `warp` takes, for a turn on (x, y), a scale and a move in shares of half the tile."""
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    linear = torch.tensor([[c, s], [-s, c]], dtype=torch.float64) / scale
    return torch.cat([linear, -linear @ torch.tensor(move, dtype=torch.float64)[:, None]], 1)[None]


def sampled(plane: np.ndarray, inverse: Tensor, order: int, zoom: int) -> np.ndarray:
    """The same by scipy, ``zoom`` times as large; mirrored at the border."""
    side = len(plane)
    a, b, tx, c, d, ty = inverse.flatten().tolist()
    matrix = np.array([[d, c], [b, a]])  # rows and columns
    # pixel i of the result is at (i + ½) / zoom px from the border, the tile going from -1 to 1
    start = np.array([(0.5 / zoom - side / 2)] * 2)
    offset = matrix @ start + np.array([ty, tx]) * side / 2 + side / 2 - 0.5
    return affine_transform(plane, matrix / zoom, offset, (zoom * side,) * 2, order=order, mode="reflect")


def angles(found: np.ndarray, expected: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Degrees between arrows (dy, dx) where both are."""
    f, e = found[:, inside], expected[:, inside]
    length = np.maximum(np.linalg.norm(f, axis=0) * np.linalg.norm(e, axis=0), 1e-6)
    return np.degrees(np.arccos(np.clip((f * e).sum(0) / length, -1, 1)))


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_identity_bit_for_bit_at_p_0(group: str, channels: int) -> None:
    x = torch.randn(4, channels + 3, 16, 16, generator=stream())
    assert torch.equal(at(0.0, (group,), channels, vectors=channels + 1)(x, stream(1)), x)
    assert not torch.equal(at(0.8, (group,), channels, vectors=channels + 1)(x, stream(1)), x)


def test_all_groups_at_p_0_and_no_group_at_all() -> None:
    x = torch.randn(4, 3, 16, 16, generator=stream())
    assert torch.equal(at(0.0, GROUPS)(x, stream(1)), x)
    assert at(0.8, ())(x, stream(1)) is x


def test_a_seed_repeats_it_and_samples_differ() -> None:
    x = torch.randn(1, 3, 16, 16).expand(6, -1, -1, -1)
    first = at(0.8, GROUPS)(x, stream(3))
    assert torch.equal(first, at(0.8, GROUPS)(x, stream(3)))
    assert not torch.equal(first[0], first[1])


# ----------------------------------------------------------------------------------------------------------- geometry


class TestBlit:
    """Values are copied, never blended."""

    @pytest.mark.parametrize("mirrored", [False, True])
    @pytest.mark.parametrize("turns", range(4))
    @pytest.mark.parametrize("move", [(0, 0), (2, -1), (-2, 2), (7, -7)])
    @pytest.mark.parametrize("side", [8, 9])
    def test_against_numpy(self, mirrored: bool, turns: int, move: tuple[int, int], side: int) -> None:
        x = torch.randn(2, 3, side, side, generator=stream())
        found = copy_pixels(x, torch.tensor([mirrored, False]), torch.tensor([turns, 0]), torch.tensor([move, (0, 0)]))
        expected = x[0].numpy()[..., ::-1] if mirrored else x[0].numpy()
        expected = np.rot90(expected, turns, (1, 2))
        down, right = move
        expected = np.pad(expected, ((0, 0), (7, 7), (7, 7)), "reflect")
        expected = expected[:, 7 - down : 7 - down + side, 7 - right : 7 - right + side]
        assert np.array_equal(found[0], expected)
        assert torch.equal(found[1], x[1])

    @pytest.mark.parametrize("turns", range(4))
    def test_it_can_be_undone(self, turns: int) -> None:
        x, none = torch.randn(1, 4, 8, 8, generator=stream()), torch.zeros(1, 2, dtype=torch.int64)
        no, yes = torch.tensor([False]), torch.tensor([True])
        for vectors in (None, 2):
            there = copy_pixels(x, no, torch.tensor([turns]), none, vectors)
            assert torch.equal(copy_pixels(there, no, torch.tensor([-turns % 4]), none, vectors), x)
            there = copy_pixels(x, yes, torch.tensor([turns]), none, vectors)
            assert torch.equal(copy_pixels(there, yes, torch.tensor([turns]), none, vectors), x)

    @pytest.mark.parametrize("mirrored", [False, True])
    @pytest.mark.parametrize("turns", range(4))
    def test_the_flow_of_a_turned_mask_is_the_turned_flow(self, mirrored: bool, turns: int) -> None:
        labels = tissue(0, 64).labels
        field = heatflow.encode(labels)
        found = copy_pixels(
            torch.from_numpy(field)[None],
            torch.tensor([mirrored]),
            torch.tensor([turns]),
            torch.zeros(1, 2, dtype=torch.int64),
            vectors=1,
        )[0].numpy()
        assert np.array_equal(found, heatflow.turn(field, turns, mirrored))
        turned = np.rot90(labels[:, ::-1] if mirrored else labels, turns)
        expected = heatflow.encode(np.ascontiguousarray(turned))
        assert np.array_equal(found[0], expected[0])
        error = angles(found[1:], expected[1:], expected[0] > 0)
        assert np.median(error) < (1e-3 if turns == 0 else 1)
        assert np.mean(error < 1) > 0.99

    def test_a_mirrored_strip_has_its_arrows_turned_round(self) -> None:
        field = torch.ones(1, 3, 8, 8)
        move = torch.tensor([[2, -3]])
        found = copy_pixels(field, torch.tensor([False]), torch.tensor([0]), move, vectors=1)[0]
        down, right = torch.ones(8, 8), torch.ones(8, 8)
        down[:2], right[:, 5:] = -1, -1  # the two rows above and three columns to the right are reflections
        assert torch.equal(found, torch.stack([torch.ones(8, 8), down, right]))

    def test_what_is_drawn(self) -> None:
        """p of mirroring is ½ p, of turning ¾ p; moves reach an eighth of the tile."""
        n, side, p = 4000, 16, 0.8
        x = torch.arange(side * side, dtype=torch.float32).view(1, 1, side, side).expand(n, -1, -1, -1)
        found = blit(x, stream(), torch.tensor(p))[:, 0]
        centre = found[:, 4:12, 4:12].long()
        right, down = centre[:, 0, 1] - centre[:, 0, 0], centre[:, 1, 0] - centre[:, 0, 0]
        upright = {(1, 16): 0.0, (-1, 16): 0.0}
        for key in upright:
            upright[key] = ((right == key[0]) & (down == key[1])).float().mean().item()
        straight = 1 - 0.75 * p  # not turned
        assert upright[1, 16] == pytest.approx(straight * (1 - p / 2), abs=0.03)
        assert upright[-1, 16] == pytest.approx(straight * p / 2, abs=0.03)
        still = (right == 1) & (down == 16)
        offsets = centre[still][:, 0, 0] - (4 * side + 4)
        rows = torch.round(offsets / side)
        columns = offsets - side * rows
        assert rows.abs().max() == columns.abs().max() == 2
        assert ((rows == 0) & (columns == 0)).float().mean().item() == pytest.approx(1 - p + p / 25, abs=0.03)


class TestWarp:
    """Bilinear at twice the resolution, then the mean of 2 × 2."""

    @pytest.mark.parametrize(
        "inverse",
        [
            turning(0),
            turning(30),
            turning(-111, 1.3),
            turning(200, 0.6, (0.31, -0.2)),
            torch.tensor([[[0.9, 0.4, 0.1], [-0.2, 1.2, -0.3]]], dtype=torch.float64),
        ],
    )
    @pytest.mark.parametrize("side", [16, 17])
    def test_against_scipy(self, inverse: Tensor, side: int) -> None:
        x = torch.randn(1, 2, side, side, generator=stream(), dtype=torch.float64)
        found = warp(x, inverse)[0].numpy()
        for plane, result in zip(x[0].numpy(), found, strict=True):
            large = sampled(plane, inverse, order=1, zoom=2)
            expected = large.reshape(side, 2, side, 2).mean((1, 3))
            np.testing.assert_allclose(result, expected, atol=1e-9)

    def test_smooth_pictures_are_as_with_plain_bilinear_sampling(self) -> None:
        y, x = np.mgrid[:64, :64] / 64
        plane, inverse = np.sin(5 * x + 3 * y) + x * y, turning(25, 1.1, (0.1, 0.05))
        found = warp(torch.from_numpy(plane)[None, None], inverse)[0, 0].numpy()
        inside = np.s_[16:48, 16:48]
        np.testing.assert_allclose(found[inside], sampled(plane, inverse, 1, 1)[inside], atol=2e-3)

    def test_first_and_second_derivative(self) -> None:
        x = torch.randn(1, 3, 4, 4, generator=stream(), dtype=torch.float64, requires_grad=True)
        inverse = turning(33, 1.2, (0.3, 0.1))
        for vectors in (None, 1):
            assert torch.autograd.gradcheck(lambda v, k=vectors: warp(v, inverse, k), x)
            assert torch.autograd.gradgradcheck(lambda v, k=vectors: warp(v, inverse, k), x)

    @pytest.mark.parametrize("degrees", [0.0, 90.0, 180.0, -90.0])
    def test_right_angles_turn_arrows_as_copying_does(self, degrees: float) -> None:
        field = torch.randn(1, 3, 16, 16, generator=stream(), dtype=torch.float64)
        turns = torch.tensor([round(-degrees / 90) % 4])  # counter-clockwise on the screen is a negative turn of (x, y)
        copied = copy_pixels(field, torch.tensor([False]), turns, torch.zeros(1, 2, dtype=torch.int64), vectors=1)
        found = warp(field, turning(degrees), vectors=1)
        torch.testing.assert_close(found, warp(copied, turning(0)), atol=1e-9, rtol=0)

    @pytest.mark.parametrize(("degrees", "scale"), [(20, 1.0), (-70, 1.2), (137, 0.85), (0, 1.25)])
    def test_the_flow_of_a_turned_mask(self, degrees: float, scale: float) -> None:
        """Arrows lie as those of the turned and scaled mask; left unturned they would not."""
        y, x = np.mgrid[:96, :96]
        labels = np.zeros((96, 96), np.int32)
        for number, (cy, cx, tall, wide) in enumerate([(36, 34, 12, 18), (64, 40, 13, 10), (48, 68, 19, 9)], 1):
            labels[((y - cy) / tall) ** 2 + ((x - cx) / wide) ** 2 < 1] = number
        inverse = turning(degrees, scale, (0.05, -0.03))
        field = torch.from_numpy(heatflow.encode(labels))[None]
        found = warp(field, inverse.float(), vectors=1)[0].numpy()
        turned = sampled(labels, inverse, order=0, zoom=1).astype(np.int32)
        expected = heatflow.encode(turned)
        inside = (found[0] > 0.9) & (expected[0] > 0)
        assert inside.sum() > 800
        error = angles(found[1:], expected[1:], inside)
        assert np.median(error) < 4
        assert np.mean(error < 20) > 0.85  # near the middle, half a pixel turns an arrow far
        if degrees:
            unturned = angles(warp(field, inverse.float())[0, 1:].numpy(), expected[1:], inside)
            assert np.median(unturned) == pytest.approx(abs(degrees), abs=5)
        again = heatflow.decode(found)
        for number in (1, 2, 3):
            first = np.argwhere((turned == number) & (again > 0))[0]
            piece = again == again[tuple(first)]
            assert set(np.unique(turned[piece & (turned > 0)])) == {number}

    def test_arrows_beyond_the_border_are_turned_round(self) -> None:
        field = torch.ones(1, 3, 8, 8, dtype=torch.float64)
        found = warp(field, turning(0, 1.0, (1.0, 0.0)), vectors=1)[0]  # to the right by half the tile
        right = torch.ones(8, 8, dtype=torch.float64)
        right[:, :4] = -1
        torch.testing.assert_close(found, torch.stack([torch.ones_like(right), torch.ones_like(right), right]))


class TestGeom:
    """What is drawn, and that only what was drawn is warped."""

    @pytest.mark.parametrize("stretch", [True, False])
    def test_what_is_drawn(self, stretch: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        n, p = 20_000, 0.6
        seen: list[Tensor] = []

        def note(x: Tensor, inverse: Tensor, vectors: int | None) -> Tensor:
            seen.append(inverse.double())
            return x + 1

        monkeypatch.setattr(ada, "warp", note)
        changed = geom(torch.zeros(n, 1, 1, 1), stream(), torch.tensor(p), stretch=stretch)
        share = 1 - (1 - p) ** (4 if stretch else 3)  # scale, turns, stretch, move
        assert changed.mean().item() == pytest.approx(share, abs=0.01)
        (inverse,) = seen
        forward = torch.linalg.inv(inverse[:, :, :2])
        scale = torch.log2(torch.linalg.det(forward)) / 2
        one = scale.abs() > 1e-5
        assert one.float().mean().item() * share == pytest.approx(p, abs=0.01)
        assert scale[one].std().item() == pytest.approx(0.2, rel=0.03)
        assert scale[one].mean().item() == pytest.approx(0, abs=0.01)
        values = torch.linalg.svdvals(forward)
        ratio = torch.log2(values[:, 0] / values[:, 1]) / 2
        if stretch:
            assert ratio[ratio > 1e-4].square().mean().sqrt().item() == pytest.approx(0.2, rel=0.03)
        else:
            assert ratio.max() < 1e-4
            turn = torch.atan2(forward[:, 1, 0], forward[:, 0, 0]).abs()
            assert (turn > 1e-5).float().mean().item() * share == pytest.approx(p, abs=0.01)
        move = -(forward @ inverse[:, :, 2:])[:, :, 0] / 2  # in tiles
        moved = move.abs().sum(1) > 1e-6
        assert moved.float().mean().item() * share == pytest.approx(p, abs=0.01)
        torch.testing.assert_close(move[moved].std(0), torch.full((2,), 0.125).double(), atol=0.003, rtol=0)

    def test_each_sample_is_warped_by_its_own_matrix_or_not_at_all(self, monkeypatch: pytest.MonkeyPatch) -> None:
        x, seen = torch.randn(12, 2, 8, 8, generator=stream()), []
        original = ada.warp

        def note(given: Tensor, inverse: Tensor, vectors: int | None) -> Tensor:
            seen.append((given, inverse))
            return original(given, inverse, vectors)

        monkeypatch.setattr(ada, "warp", note)
        found = geom(x, stream(5), torch.tensor(0.2))
        ((given, inverse),) = seen
        assert 1 <= len(given) < 12
        rows = [index for index in range(12) if not torch.equal(found[index], x[index])]
        assert torch.equal(given, x[rows])
        for row, matrix in zip(rows, inverse, strict=True):
            torch.testing.assert_close(found[row], original(x[row : row + 1], matrix[None])[0])


@pytest.mark.parametrize("vectors", [None, 1])
def test_second_derivative_through_the_whole_geometry(vectors: int | None) -> None:
    augment = at(0.8, ("blit", "geom"), 1, vectors=vectors, stretch=vectors is None)
    x = torch.randn(2, 3, 6, 6, generator=stream(), dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: augment(v, stream(4)), x, fast_mode=True)
    assert torch.autograd.gradgradcheck(lambda v: augment(v, stream(4)), x, fast_mode=True)


@pytest.mark.parametrize("channels", [1, 2, 3])
def test_second_derivative_through_the_changes_of_images(channels: int) -> None:
    augment = at(0.8, ("color", "filter", "cutout"), channels)
    x = torch.randn(2, channels, 16, 16, generator=stream(), dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(augment(x, stream(2)).square().sum(), x, create_graph=True)
    direction = torch.randn(x.shape, generator=stream(1), dtype=torch.float64)
    (second,) = torch.autograd.grad((slope * direction).sum(), x)
    eps = 1e-4

    def slope_at(v: Tensor) -> Tensor:
        v = v.detach().requires_grad_()
        return torch.autograd.grad(augment(v, stream(2)).square().sum(), v)[0]

    finite = (slope_at(x + eps * direction) - slope_at(x - eps * direction)) / (2 * eps)
    torch.testing.assert_close(second, finite, atol=1e-6, rtol=1e-5)


# -------------------------------------------------------------------------------------------------------- images only


class TestColor:
    """Brightness, contrast and, in RGB, luma, hue and saturation."""

    @pytest.mark.parametrize("channels", [1, 2, 5])
    def test_brightness_and_contrast_per_channel(self, channels: int) -> None:
        n = 3000
        x = torch.stack([torch.zeros(n, channels), torch.ones(n, channels)], 2)[..., None]  # (N, C, 2, 1)
        found = color(x, stream(), MOST)[..., 0]
        factor = found[:, :, 1] - found[:, :, 0]
        offset = found[:, :, 0] / factor
        # relative: the sum of a large and a small number is rounded
        brighter, stronger = offset.abs().amax(1) > 1e-5, (torch.log2(factor).abs() > 1e-5).any(1)
        assert brighter.float().mean().item() == pytest.approx(0.8, abs=0.03)
        assert stronger.float().mean().item() == pytest.approx(0.8, abs=0.03)
        assert (brighter & stronger).float().mean().item() == pytest.approx(0.64, abs=0.03)
        assert offset[brighter].std().item() == pytest.approx(0.2, rel=0.05)
        assert torch.log2(factor[stronger]).std().item() == pytest.approx(0.5, rel=0.05)
        if channels > 1:
            assert not torch.allclose(factor[stronger][:, 0], factor[stronger][:, 1], atol=1e-3)

    def test_rgb_against_one_matrix_after_the_other(self) -> None:
        n, p, replay = 40, torch.tensor(0.6), stream(7)
        gates = [torch.rand(n, generator=replay) < p for _ in range(5)]
        offset, factor = (torch.randn(n, 1, 1, 1, generator=replay).flatten() for _ in range(2))
        mirror = torch.rand(n, generator=replay) < 0.5
        hue = (torch.rand(n, 1, 1, generator=replay).flatten() * 2 - 1) * math.pi
        colorful = torch.randn(n, 1, 1, 1, generator=replay).flatten()
        x = torch.randn(n, 3, 4, 4, generator=stream())
        found, grey = color(x, stream(7), p), np.ones(3) / math.sqrt(3)
        cross = np.cross(grey, np.eye(3)).T  # cross @ v = grey × v
        for i in range(n):
            pixels = x[i].flatten(1).double().numpy()
            if gates[0][i]:
                pixels = pixels + 0.2 * offset[i].item()
            if gates[1][i]:
                pixels = pixels * 2 ** (0.5 * factor[i].item())
            if gates[2][i] and mirror[i]:
                pixels = pixels - 2 * np.outer(grey, grey @ pixels)  # Householder
            if gates[3][i]:  # Rodrigues
                t = hue[i].item()
                pixels = (np.eye(3) + math.sin(t) * cross + (1 - math.cos(t)) * cross @ cross) @ pixels
            if gates[4][i]:
                along = np.outer(grey, grey @ pixels)
                pixels = along + 2 ** colorful[i].item() * (pixels - along)
            np.testing.assert_allclose(found[i].flatten(1), pixels, atol=1e-4)
        still = ~torch.stack(gates).any(0)
        assert still.any()
        assert torch.equal(found[still], x[still])


class TestSpectrum:
    """Octave bands."""

    def test_bands_add_up_to_the_picture_and_halve_in_frequency(self) -> None:
        bands = ada._bands(torch.device("cpu"), torch.float64)
        delta = torch.zeros(29, dtype=torch.float64)
        delta[14] = 1
        torch.testing.assert_close(bands.sum(0), delta)
        torch.testing.assert_close(bands, bands.flip(1))
        frequency = torch.linspace(0, 0.5, 513, dtype=torch.float64)
        place = torch.arange(-14, 15, dtype=torch.float64)
        response = torch.cos(2 * math.pi * frequency[:, None] * place) @ bands.T
        torch.testing.assert_close(response[0], torch.tensor([1.0, 0, 0, 0]).double(), atol=1e-12, rtol=0)
        torch.testing.assert_close(response[-1], torch.tensor([0.0, 0, 0, 1]).double(), atol=1e-12, rtol=0)
        peaks = frequency[response.argmax(0)]
        assert peaks[0] == 0
        assert (peaks[2] / peaks[1]).item() == pytest.approx(2, rel=0.1)
        assert peaks[3] == 0.5

    def test_one_band_is_amplified_and_the_power_kept(self, monkeypatch: pytest.MonkeyPatch) -> None:
        n, power = 5, torch.tensor([10.0, 1, 1, 1]) / 13
        for band in range(4):
            gates = iter([torch.full((n,), number == band) for number in range(4)])
            monkeypatch.setattr(ada, "_gate", lambda *_, queue=gates: next(queue))
            x = torch.randn(n, 1, 33, 33, generator=stream())
            found = spectrum(x, stream(3), torch.tensor(1.0))
            factor = torch.exp2(torch.randn(n, 4, generator=stream(3)))[:, band]
            gains = torch.ones(n, 4)
            gains[:, band] = factor
            gains = gains / (gains.square() @ power).sqrt()[:, None]
            kernel = gains @ ada._bands(torch.device("cpu"), torch.float32)
            for i in range(n):  # the middle sees no border
                patch = x[i, 0, 2:31, 2:31]
                expected = kernel[i] @ patch @ kernel[i]
                torch.testing.assert_close(found[i, 0, 16, 16], expected, atol=1e-4, rtol=1e-4)

    def test_a_flat_picture_stays_flat(self) -> None:
        flat = spectrum(torch.ones(50, 2, 32, 32), stream(), MOST)
        torch.testing.assert_close(flat, flat[:, :1, :1, :1].expand_as(flat))
        assert flat.std(0).max() > 0.05


def test_noise_is_half_normal_in_strength() -> None:
    x = torch.zeros(4000, 1, 8, 8)
    found = noise(x, stream(), torch.tensor(0.5))
    changed = (found != 0).flatten(1).any(1)
    assert changed.float().mean().item() == pytest.approx(0.5, abs=0.03)
    sigma = found[changed].flatten(1).square().mean(1).sqrt()
    assert sigma.mean().item() == pytest.approx(0.1 * math.sqrt(2 / math.pi), rel=0.05)
    assert found[changed].square().mean().sqrt().item() == pytest.approx(0.1, rel=0.05)


def test_a_square_of_half_the_side_is_cut_around_a_place_anywhere() -> None:
    n, side = 2000, 16
    found = cutout(torch.ones(n, 2, side, side), stream(), MOST)
    assert set(found.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(found[:, 0], found[:, 1])
    area = (found[:, 0] == 0).float().mean((1, 2))
    assert (area > 0).float().mean().item() == pytest.approx(0.8, abs=0.03)
    assert area.max().item() == pytest.approx(0.25)
    assert area[area > 0].mean().item() == pytest.approx((0.5 - 0.0625) ** 2, rel=0.03)  # E of the side that is inside


class TestJoint:
    """Images with masks behind them."""

    @pytest.mark.parametrize("group", ["color", "filter", "noise", "cutout"])
    def test_masks_and_flows_keep_their_values(self, group: str) -> None:
        x = torch.randn(6, 5, 16, 16, generator=stream())
        found = at(0.8, (group,), 2, vectors=3)(x, stream(1))
        assert torch.equal(found[:, 2:], x[:, 2:])
        assert not torch.equal(found[:, :2], x[:, :2])
        masks = x[:, 2:]
        assert at(0.8, (group,), 0, vectors=1)(masks, stream(1)) is masks  # nothing but masks

    def test_image_and_mask_move_together(self) -> None:
        plane = torch.randn(6, 1, 16, 16, generator=stream())
        found = at(0.8, ("blit", "geom"), 1)(plane.expand(-1, 3, -1, -1), stream(1))
        assert torch.equal(found[:, 0], found[:, 1])
        assert not torch.allclose(found[:, :1], plane)
        field = torch.cat([plane, plane, torch.randn(6, 2, 16, 16, generator=stream())], 1)
        turned = at(0.8, ("blit", "geom"), 1, vectors=2, stretch=False)(field, stream(1))
        assert torch.equal(turned[:, 0], turned[:, 1])
        as_scalars = at(0.8, ("blit", "geom"), 1, stretch=False)(field, stream(1))
        assert torch.equal(turned[:, :2], as_scalars[:, :2])
        assert not torch.allclose(turned[:, 2:], as_scalars[:, 2:])


# --------------------------------------------------------------------------------------------------------- controller


class TestController:
    """p ← clip(p + sign(r - target) · 4 N / (1000 kimg), 0, 0.8), every four batches."""

    def test_each_step_by_hand(self) -> None:
        made = Ada(("blit",), 1, target=0.6, kimg=0.5)  # 8 tiles: a step is 32 / 500
        sure, unsure = torch.full((8,), 3.0), torch.tensor([1.0, 1, 1, 1, 1, 1, -1, -1])  # mean signs 1 and 0.5
        p = []
        for taken, logits in enumerate([sure] * 8 + [unsure] * 4 + [sure] * 2 + [-sure] * 2):
            made.adjust(logits, taken)
            p.append(made.p.item())
        step = 4 * 8 / 500
        assert p == pytest.approx(
            [0] * 3 + [step] * 4 + [2 * step] * 4 + [step] * 4 + [0], abs=1e-7
        )  # up, up, down, down: the mean of 1, 1, -1, -1 is 0
        assert made.sign.item() == 0

    def test_the_mean_over_four_batches_decides(self) -> None:
        made = Ada(("blit",), 1, target=0.6, kimg=1.0)
        for taken, share in enumerate((1.0, 1.0, 1.0, -0.5)):  # mean 0.625
            made.adjust(torch.tensor([1.0] * 2 + [1.0 if share > 0 else -1.0] * 6), taken)
        assert made.sign.item() == pytest.approx(0.625)
        assert made.p.item() == pytest.approx(4 * 8 / 1000)

    def test_bounds(self) -> None:
        made, sure = Ada(("blit",), 1, kimg=0.1), torch.ones(8)
        for taken in range(40):
            made.adjust(sure, taken)
        assert made.p.item() == pytest.approx(0.8)
        for taken in range(40):
            made.adjust(-sure, taken)
        assert made.p.item() == 0

    def test_it_goes_on_where_it_stopped(self) -> None:
        first, second = Ada(("blit",), 1, kimg=0.5), Ada(("blit",), 1, kimg=0.5)
        logits = [torch.randn(8, generator=stream(k)) + 0.8 for k in range(11)]
        for taken in range(6):
            first.adjust(logits[taken], taken)
        second.load_state_dict(first.state_dict())
        for taken in range(6, 11):
            first.adjust(logits[taken], taken)
            second.adjust(logits[taken], taken)
        assert set(first.state_dict()) == {"p", "sign", "signs"}
        assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())
        assert first.signs != 0
