"""Parts of ProGAN and StyleGAN, against closed forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional

from napari_organoid_synth.core.generators.style_blocks import (
    ROOT_2,
    ClassVector,
    EqualConv2d,
    EqualLinear,
    MappingNetwork,
    minibatch_std,
    pixel_norm,
)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_equalised_layers_scale_their_stored_weights_by_the_fan_in() -> None:
    x = torch.randn(5, 6, generator=stream())
    dense = EqualLinear(6, 4, gain=1.5, lrmul=0.01, bias=0.7)
    expected = x @ dense.weight.T * 1.5 * 0.01 / math.sqrt(6) + 0.7
    torch.testing.assert_close(dense(x), expected)
    assert EqualLinear(6, 4, bias=None)(torch.zeros(1, 6)).abs().max() == 0
    picture = torch.randn(2, 6, 5, 5, generator=stream())
    conv = EqualConv2d(6, 4, 3, gain=2.0)
    expected = functional.conv2d(picture, conv.weight * 2 / math.sqrt(6 * 9), padding=1)
    torch.testing.assert_close(conv(picture), expected)
    assert conv.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("lrmul", [1.0, 0.01])
def test_stored_weights_and_what_they_do_have_the_stated_spread(lrmul: float) -> None:
    torch.manual_seed(0)
    dense = EqualLinear(256, 256, ROOT_2, lrmul)
    assert dense.weight.std().item() * lrmul == pytest.approx(1, rel=0.02)
    out = functional.leaky_relu(dense(torch.randn(64, 256)), 0.2)
    assert out.square().mean().sqrt().item() == pytest.approx(math.sqrt(1.04), rel=0.1)  # 2 · (1 + 0.2²) / 2
    conv = EqualConv2d(64, 64, 3)
    assert conv.weight.std().item() == pytest.approx(1, rel=0.02)
    out = functional.leaky_relu(conv(torch.randn(4, 64, 32, 32)), 0.2)
    assert out.square().mean().sqrt().item() == pytest.approx(math.sqrt(1.04), rel=0.1)


@pytest.mark.parametrize("layers", [2, 8])
def test_every_mapping_layer_keeps_the_spread(layers: int) -> None:
    torch.manual_seed(0)
    mapping, spreads = MappingNetwork(128, 3, 128, layers), []
    for layer in mapping.layers:
        layer.register_forward_hook(lambda _m, _i, out: spreads.append(functional.leaky_relu(out, 0.2).std().item()))
    mapping(torch.randn(256, 128), torch.arange(256) % 3)
    assert len(spreads) == layers
    assert all(0.7 < spread < 1.4 for spread in spreads), spreads


def test_pixel_norm_divides_by_the_root_mean_square_over_channels() -> None:
    x = torch.tensor([[[[3.0]], [[4.0]]], [[[0.0]], [[0.0]]]])
    torch.testing.assert_close(pixel_norm(x)[0].flatten(), torch.tensor([3.0, 4.0]) / math.sqrt(12.5))
    assert pixel_norm(x)[1].abs().max() == 0
    small = torch.full((1, 4), 1e-4)
    torch.testing.assert_close(pixel_norm(small), small / math.sqrt(2e-8))
    picture = torch.randn(2, 8, 4, 4, generator=stream()).to(memory_format=torch.channels_last)
    assert pixel_norm(picture).is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(pixel_norm(picture).square().mean(1), torch.ones(2, 4, 4))
    assert pixel_norm(picture.bfloat16()).dtype == torch.bfloat16


class TestMinibatchDeviation:
    """The map that tells a discriminator how much the samples of a batch differ."""

    @pytest.mark.parametrize("n", [1, 2, 4, 8])
    def test_equal_samples_give_the_root_of_1e_8(self, n: int) -> None:
        x = torch.randn(1, 3, 4, 5, generator=stream()).expand(n, -1, -1, -1)
        found = minibatch_std(x)
        assert found.shape == (n, 4, 4, 5)
        assert torch.equal(found[:, :3], x)
        torch.testing.assert_close(found[:, 3], torch.full((n, 4, 5), 1e-4), rtol=1e-4, atol=0)

    @pytest.mark.parametrize(("n", "size"), [(2, 2), (4, 4), (6, 3), (7, 1), (8, 4), (10, 2)])
    def test_groups_are_strided_and_of_the_largest_divisor(self, n: int, size: int) -> None:
        x = torch.randn(n, 3, 4, 4, generator=stream())
        found, groups = minibatch_std(x), n // size
        for i in range(n):
            members = x[i % groups :: groups]
            assert len(members) == size
            expected = (members.var(0, correction=0) + 1e-8).sqrt().mean()
            torch.testing.assert_close(found[i, 3], expected.expand(4, 4))

    def test_order_within_a_group_means_nothing_and_gradients_come_back(self) -> None:
        x = torch.randn(8, 2, 4, 4, generator=stream(), requires_grad=True)
        order = torch.tensor([4, 1, 2, 7, 6, 5, 0, 3])  # changes places within {0, 2, 4, 6} and {1, 3, 5, 7}
        torch.testing.assert_close(minibatch_std(x[order])[:, 2], minibatch_std(x)[:, 2])
        x64 = x.detach()[:4].double().requires_grad_()
        assert torch.autograd.gradcheck(lambda v: minibatch_std(v.float() * 1.0).double(), x64, eps=1e-3, atol=1e-2)

    def test_half_precision_is_counted_in_float32(self) -> None:
        x = torch.randn(4, 2, 4, 4, generator=stream()).bfloat16()
        assert minibatch_std(x).dtype == torch.bfloat16
        torch.testing.assert_close(minibatch_std(x)[:, 2], minibatch_std(x.float())[:, 2].bfloat16())


class TestMapping:
    """Latent vectors to style vectors."""

    @pytest.mark.parametrize(("classes", "own"), [(0, 0), (1, 0), (3, 3)])
    def test_parameters(self, classes: int, own: int) -> None:
        mapping = MappingNetwork(10, classes, 16, layers=4)
        inside = 20 if own else 10
        assert sum(p.numel() for p in mapping.parameters()) == own * 10 + (inside + 1) * 16 + 3 * 17 * 16

    def test_only_the_direction_of_a_latent_vector_and_its_class_count(self) -> None:
        z, none = torch.randn(4, 10, generator=stream()), torch.zeros(4, dtype=torch.int64)
        plain, told = MappingNetwork(10, 0, 16), MappingNetwork(10, 3, 16)
        torch.testing.assert_close(plain(z, none), plain(5 * z, none))
        torch.testing.assert_close(plain(z, none), plain(z, none + 2))
        assert not torch.allclose(told(z, none), told(z, none + 2))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(told(z, none), told(z, none))
            assert told(z, none).dtype == torch.float32

    def test_the_mean_of_each_class_that_is_there_follows_with_a_decay_of_995(self) -> None:
        mapping, w = MappingNetwork(4, 3, 2), torch.tensor([[1.0, 2.0], [3.0, 6.0], [10.0, 20.0]])
        for _ in range(100):
            mapping.track(w, torch.tensor([0, 0, 2]))
        share = 1 - 0.995**100
        expected = share * torch.tensor([[2.0, 4.0], [0.0, 0.0], [10.0, 20.0]])
        torch.testing.assert_close(mapping.mean, expected)
        plain = MappingNetwork(4, 0, 2)
        plain.track(w, torch.tensor([0, 0, 2]))
        torch.testing.assert_close(plain.mean, 0.005 * w.mean(0, keepdim=True))

    def test_truncation(self) -> None:
        mapping, w = MappingNetwork(4, 2, 2), torch.tensor([[1.0, 2.0], [3.0, 6.0]])
        mapping.mean.copy_(torch.tensor([[1.0, 1.0], [-1.0, 0.0]]))
        classes = torch.tensor([1, 0])
        torch.testing.assert_close(mapping.truncate(w, classes, 0.0), torch.tensor([[-1.0, 0.0], [1.0, 1.0]]))
        torch.testing.assert_close(mapping.truncate(w, classes, 0.5), torch.tensor([[0.0, 1.0], [2.0, 3.5]]))
        assert torch.equal(mapping.truncate(w, classes, 1.0), w)


def test_class_vectors() -> None:
    vectors = ClassVector(3, 5)
    assert torch.equal(vectors(torch.tensor([2, 0])), vectors.weight[[2, 0]])
    assert isinstance(vectors.weight, nn.Parameter)
