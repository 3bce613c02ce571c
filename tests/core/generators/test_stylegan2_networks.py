"""StyleGAN2's filter, modulated convolutions and residual blocks against explicit oracles."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.signal import convolve2d
from torch import Tensor
from torch.nn import functional

from napari_organoid_synth.core.generators.stylegan2_networks import Blur, Halving, ModulatedConv, ToPicture

FIR = np.outer([1, 3, 3, 1], [1, 3, 3, 1]) / 64


@pytest.fixture(autouse=True)
def same_stream() -> None:
    """Nothing here depends on what ran before."""
    torch.manual_seed(0)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class TestFilter:
    """[1, 3, 3, 1] against scipy, and its derivatives."""

    def test_doubling_and_halving(self) -> None:
        x = torch.randn(1, 2, 6, 6, generator=stream(), dtype=torch.float64)
        empty = np.zeros((2, 13, 13))
        empty[:, 1:12:2, 1:12:2] = x[0].numpy()  # as a transposed convolution leaves it
        expected = np.stack([convolve2d(plane, 4 * FIR)[2:14, 2:14] for plane in empty])
        found = Blur(2, gain=4.0)(torch.from_numpy(empty)[None])
        assert found.shape == (1, 2, 12, 12)
        np.testing.assert_allclose(found[0], expected, atol=1e-12)
        halved = Blur(2, stride=2)(x)[0]
        expected = np.stack([convolve2d(plane.numpy(), FIR)[2:8:2, 2:8:2] for plane in x[0]])
        np.testing.assert_allclose(halved, expected, atol=1e-12)
        before_stride = Blur(2, padding=2)(x)[0]
        assert before_stride.shape == (2, 7, 7)
        np.testing.assert_allclose(before_stride, [convolve2d(p.numpy(), FIR)[1:8, 1:8] for p in x[0]], atol=1e-12)

    def test_pictures_doubled_bilinearly_are_doubled_by_the_filter(self) -> None:
        x = torch.randn(1, 1, 6, 6, generator=stream())
        spread = torch.zeros(1, 1, 13, 13)
        spread[:, :, 1:12:2, 1:12:2] = x
        found = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
        torch.testing.assert_close(found[..., 1:-1, 1:-1], Blur(1, gain=4.0)(spread)[..., 1:-1, 1:-1])

    @pytest.mark.parametrize(("padding", "stride"), [(1, 1), (2, 1), (1, 2)])
    def test_first_and_second_derivative(self, padding: int, stride: int) -> None:
        blur = Blur(2, padding=padding, stride=stride).double()
        x = torch.randn(1, 2, 6, 6, generator=stream(), dtype=torch.float64, requires_grad=True)
        assert torch.autograd.gradcheck(blur, x)
        assert torch.autograd.gradgradcheck(blur, x)


class TestModulatedConv:
    """Scaling before and after is the same as a weight per sample."""

    @pytest.mark.parametrize("up", [False, True])
    def test_equals_the_grouped_form(self, up: bool) -> None:
        torch.manual_seed(0)
        n, inside, outside, side = 3, 6, 5, 8
        layer = ModulatedConv(inside, outside, 4, up).double()
        with torch.no_grad():
            layer.strength.fill_(0.3)
            layer.bias.normal_()
        x, w = torch.randn(n, inside, side, side).double(), torch.randn(n, 4).double()
        noise = torch.randn(n, 1, side << up, side << up).double()
        style = w @ layer.style.weight.T / 2 + layer.style.bias  # an equalised layer over 4 numbers, bias 1
        assert torch.equal(layer.style.bias, torch.ones(inside).double())
        stored = layer.weight.transpose(0, 1) if up else layer.weight
        weight = style[:, None, :, None, None] * stored[None] / math.sqrt(9 * inside)
        weight = weight * torch.rsqrt(weight.square().sum((2, 3, 4), keepdim=True) + 1e-8)
        rows = x.reshape(1, n * inside, side, side)
        if up:
            kernel = weight.transpose(1, 2).reshape(n * inside, outside, 3, 3)
            spread = functional.conv_transpose2d(rows, kernel, stride=2, groups=n)
            fir = torch.from_numpy(4 * FIR).expand(n * outside, 1, 4, 4)
            found = functional.conv2d(spread, fir, padding=1, groups=n * outside)
        else:
            found = functional.conv2d(rows, weight.reshape(n * outside, inside, 3, 3), padding=1, groups=n)
        found = found.reshape(n, outside, side << up, side << up) + 0.3 * noise + layer.bias[:, None, None]
        expected = functional.leaky_relu(found, 0.2) * math.sqrt(2)
        torch.testing.assert_close(layer(x, w, noise), expected, atol=1e-5, rtol=1e-5)

    @pytest.mark.parametrize("up", [False, True])
    def test_unit_variance_whatever_the_style(self, up: bool) -> None:
        torch.manual_seed(0)
        layer, seen = ModulatedConv(64, 64, 16, up), []
        for strength in (0.1, 10.0):
            before, after = layer.scales(strength * torch.randn(8, 16))
            x = torch.randn(8, 64, 32, 32) * before[:, :, None, None]
            if up:
                y = layer.blur(functional.conv_transpose2d(x, layer.weight, stride=2))
            else:
                y = functional.conv2d(x, layer.weight, padding=1)
            seen.append((y * after[:, :, None, None])[..., 2:-2, 2:-2].var().item())
        # doubled: a quarter of the pixels is not empty, and the filter keeps 4 (4 Σ fir²) of what is left
        wanted = 0.39 if up else 1.0
        assert seen == pytest.approx([wanted, wanted], rel=0.05)

    def test_noise_has_no_strength_at_first(self) -> None:
        layer, x, w = ModulatedConv(4, 4, 4), torch.randn(2, 4, 8, 8), torch.randn(2, 4)
        assert torch.equal(layer(x, w, torch.randn(2, 1, 8, 8)), layer(x, w, torch.zeros(2, 1, 8, 8)))


def test_to_picture_is_modulated_and_not_brought_to_unit_length() -> None:
    torch.manual_seed(0)
    layer, x, w = ToPicture(6, 3, 4), torch.randn(2, 6, 5, 5), torch.randn(2, 4)
    with torch.no_grad():
        layer.bias.normal_()
    style = (w @ layer.style.weight.T / 2 + 1) / math.sqrt(6)
    expected = torch.einsum("nchw,nc,oc->nohw", x, style, layer.weight) + layer.bias[:, None, None]
    torch.testing.assert_close(layer(x, w), expected, atol=1e-5, rtol=1e-5)
    doubled = layer(x, w) - layer.bias[:, None, None]
    with torch.no_grad():
        layer.style.weight.mul_(2)
        layer.style.bias.mul_(2)
    torch.testing.assert_close(layer(x, w) - layer.bias[:, None, None], 2 * doubled, atol=1e-5, rtol=1e-5)


def test_halving_is_a_residual_block() -> None:
    torch.manual_seed(0)
    block, x = Halving(4, 6), torch.randn(2, 4, 8, 8)

    def fir(y: Tensor, padding: int) -> Tensor:
        return functional.conv2d(y, torch.from_numpy(FIR).float().expand(4, 1, 4, 4), padding=padding, groups=4)

    def relu(y: Tensor) -> Tensor:
        return functional.leaky_relu(y, 0.2) * math.sqrt(2)

    y = relu(functional.conv2d(x, block.conv.weight / 6, padding=1))
    y = relu(functional.conv2d(fir(y, 2), block.down.weight / 6, stride=2))
    skip = functional.conv2d(fir(x, 1)[..., ::2, ::2], block.skip.weight / 2)
    torch.testing.assert_close(block(x), (y + skip) * math.sqrt(0.5), atol=1e-5, rtol=1e-5)
    assert block.skip.bias is None
