"""Shared parts: the norm against torch's, dropout streams, half-life of the average."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from torch import nn
from torch.nn import functional

from napari_organoid_synth.core.generators.blocks import (
    FOLDED_PIXELS,
    DoublingConv,
    Dropout,
    InstanceNorm,
    init_weights,
    norm_layer,
    up_layer,
    update_average,
)


def stream(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_instance_norm_equals_torch() -> None:
    layer = InstanceNorm(5)
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    x = (3 * torch.randn(3, 5, 7, 9) + 2).to(memory_format=torch.channels_last).requires_grad_()
    y = layer(x)
    expected = functional.instance_norm(x, weight=layer.weight, bias=layer.bias)
    torch.testing.assert_close(y, expected, atol=1e-5, rtol=1e-5)
    weights = torch.randn_like(y)
    (own,) = torch.autograd.grad((y * weights).sum(), x)
    (torchs,) = torch.autograd.grad((expected * weights).sum(), x)
    torch.testing.assert_close(own, torchs, atol=1e-5, rtol=1e-5)
    assert y.is_contiguous(memory_format=torch.channels_last)


def test_no_norm_where_there_is_one_pixel() -> None:
    assert norm_layer("instance", 8, 1) == []
    assert norm_layer("none", 8, 4) == []
    assert isinstance(norm_layer("batch", 8, 4)[0], nn.BatchNorm2d)


def test_dropout_is_silent_scales_and_repeats() -> None:
    layer, x = Dropout(0.25), torch.ones(2, 10, 50, 50)
    assert layer(x) is x
    layer.streams = [stream(1), stream(2)]
    first = layer(x)
    assert sorted(first.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert first.mean().item() == pytest.approx(1, abs=0.02)
    layer.streams = [stream(2)]
    assert torch.equal(layer(x[1:]), first[1:])  # a sample does not depend on its neighbours


def test_initial_weights() -> None:
    conv, norm = nn.Conv2d(64, 64, 4), nn.BatchNorm2d(4096)
    init_weights(nn.Sequential(conv, norm))
    assert conv.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert conv.bias is not None
    assert not conv.bias.any()
    assert norm.weight.mean().item() == pytest.approx(1, abs=0.002)
    assert norm.weight.std().item() == pytest.approx(0.02, rel=0.05)


def test_average_halves_the_error_in_a_half_life() -> None:
    network, average = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    nn.init.constant_(network.weight, 1.0)
    nn.init.constant_(average.weight, 0.0)
    network.running_mean = torch.full((3,), 7.0)
    for _ in range(125):  # 1000 images
        update_average(average, network, batch=8, images_seen=10**6, half_life=1000)
    torch.testing.assert_close(average.weight.data, torch.full((3,), 0.5), atol=1e-5, rtol=0)
    assert average.running_mean is not None
    assert average.running_mean.tolist() == [7, 7, 7]


def test_average_follows_at_once_early_on() -> None:
    network, average = nn.Linear(2, 2), nn.Linear(2, 2)
    update_average(average, network, batch=8, images_seen=8, half_life=1000)
    torch.testing.assert_close(average.weight.data, network.weight.data, atol=1e-5, rtol=0)


@pytest.mark.parametrize("border", ["zeros", "reflect"])
def test_doubling_equals_nearest_and_a_convolution(border: Literal["zeros", "reflect"]) -> None:
    """Folded weights give the values and gradients of the two layers that they replace, up to the border."""
    folded = DoublingConv(3, 2, border=border).double()
    layers = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(3, 2, 3, 1, 1, padding_mode=border)).double()
    layers[1].load_state_dict(folded.state_dict())
    side = int(FOLDED_PIXELS**0.5) + 1
    x = torch.randn(2, 3, side, side + 3, dtype=torch.float64, requires_grad=True)
    weights = torch.randn(2, 2, 2 * side, 2 * side + 6, dtype=torch.float64)
    found = []
    for network in (folded, layers):
        drawn = network(x)
        found.append([drawn, *torch.autograd.grad((drawn * weights).sum(), [x, *network.parameters()])])
    for own, other in zip(*found, strict=True):
        torch.testing.assert_close(own, other, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("side", [4, 64])
def test_doubling_paints_no_checkerboard_on_a_plain_input(side: int) -> None:
    plain = torch.ones(1, 2, side, side)
    for kind, is_plain in (("resize", True), ("transposed", False)):
        drawn = nn.Sequential(*up_layer(2, 1, kind, bias=False))(plain).detach()[..., 2:-2, 2:-2]
        assert (float(drawn.std()) < 1e-5) is is_plain


def test_names_of_weights_are_those_of_older_files() -> None:
    before = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(2, 3, 3, 1, 1))
    assert nn.Sequential(*up_layer(2, 3, "resize", bias=True)).state_dict().keys() == before.state_dict().keys()
