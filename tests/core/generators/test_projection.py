"""The way back from a picture to its style vector."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.generators.projection import (
    Projection,
    ProjectionOptions,
    _correlation,
    _distance_to,
    _rate_share,
    project,
)
from napari_organoid_synth.core.generators.stylegan2_ada import StyleGan2Ada
from napari_organoid_synth.core.generators.stylegan2_ada_config import StyleGan2AdaConfig


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def gan() -> StyleGan2Ada:
    torch.manual_seed(0)
    config = StyleGan2AdaConfig(channels=256, max_channels=16, latent=8)
    return StyleGan2Ada(config, PairSpec(32, 1, 1, ("healthy", "ill")))


@pytest.fixture
def target(gan: StyleGan2Ada) -> Tensor:
    return gan.draw(gan.latents(stream(11)))[0]


@pytest.mark.parametrize("compare", ["features", "pyramid"])
def test_a_picture_of_the_generator_is_found_again(gan: StyleGan2Ada, target: Tensor, compare: str) -> None:
    found = gan.project(target, stream(), ProjectionOptions(steps=100, compare=compare))
    assert found.styles.shape == (8,)
    assert found.distances.shape == (100,)
    assert found.distances[-1] < 0.01 * found.distances[0]
    assert found.distances.isfinite().all()
    assert torch.equal(found.picture, gan.draw_styles(found.styles[None])[0])
    far = (gan.draw(torch.zeros(1, 8), variety=0.0)[0] - target).square().mean()
    assert (found.picture - target).square().mean() < 0.01 * far
    again = gan.project(target, stream(), ProjectionOptions(steps=100, compare=compare))
    assert torch.equal(again.styles, found.styles)
    assert torch.equal(again.distances, found.distances)


def test_it_begins_at_the_mean_style_of_the_class(gan: StyleGan2Ada, target: Tensor) -> None:
    for number in (0, 1):
        found = gan.project(
            target, stream(), ProjectionOptions(steps=1, image_class=number, compare="pyramid", learning_rate=0.0)
        )
        z = torch.randn(1000, 8, generator=stream())
        mean = gan.average.mapping(z, torch.full((1000,), number)).mean(0)
        torch.testing.assert_close(found.styles, mean)


def test_a_style_for_each_layer_and_the_noise(gan: StyleGan2Ada) -> None:
    """Both come closer to a picture that the generator never drew, and the noise stays white."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, 32)] * 2, indexing="ij")
    strange = torch.stack([torch.sin(9 * x), torch.cos(7 * y)])
    with torch.no_grad():
        for conv in gan.average.synthesis.convs:
            conv.strength.fill_(0.1)
    before = [one.clone() for one in gan.average.synthesis.fixed_noise()]

    def found(**options: object) -> Projection:
        return project(
            gan.average, gan.discriminator, strange, stream(), ProjectionOptions(steps=60, compare="pyramid", **options)
        )

    one, each, both = found(), found(each_layer=True), found(each_layer=True, noise=True)
    assert each.styles.shape == (gan.average.synthesis.count, 8)
    assert both.distances[-1] < each.distances[-1] < one.distances[-1]
    for own, kept, moved in zip(before, each.noise, both.noise, strict=True):
        assert torch.equal(own, kept)
        assert not torch.equal(own, moved)
        assert moved.mean().item() == pytest.approx(0, abs=1e-5)
        assert moved.square().mean().item() == pytest.approx(1, abs=1e-4)
    assert all(torch.equal(a, b) for a, b in zip(before, gan.average.synthesis.fixed_noise(), strict=True))
    assert torch.equal(both.picture, gan.draw_styles(both.styles[None], both.noise)[0])


def test_networks_stay_as_they_are(gan: StyleGan2Ada, target: Tensor) -> None:
    before = gan.state()[0]
    gan.project(target, stream(), ProjectionOptions(steps=3, each_layer=True, noise=True))
    assert all(torch.equal(value, before[key]) for key, value in gan.state()[0].items())
    assert all(p.grad is None for p in gan.average.parameters())


def test_distance_of_pictures_by_hand() -> None:
    target, other = torch.zeros(1, 16, 16), torch.zeros(1, 1, 16, 16)
    other[..., ::2, :] = 1.0
    distance = _distance_to(target, None)
    # pixels: ½; means of 2, 4 and 8 px squares: ¼ each
    assert distance(other).item() == pytest.approx((0.5 + 2 * 0.25) / 3)
    assert distance(target[None]).item() == 0
    # features of unit length at each place: (1, 0) and (0, 1) · √2 differ by 2 · 2 / 2
    seen = _distance_to(torch.tensor([[[3.0]], [[0.0]]]), lambda x: [x])
    assert seen(torch.tensor([[[[0.0]], [[5.0]]]])).item() == pytest.approx(((9 + 25) / 2 + 2) / 2)


def test_pace_of_learning() -> None:
    assert _rate_share(0.0) == pytest.approx(0.02)
    assert [_rate_share(done) for done in (0.05, 0.5, 0.75)] == pytest.approx([1, 1, 1])
    assert _rate_share(0.875) == pytest.approx(0.5)
    assert _rate_share(1.0) == pytest.approx(0.0)


def test_pattern_is_small_for_white_noise_alone() -> None:
    white = torch.randn(200, 1, 1, 64, 64, generator=stream())
    stripes = torch.ones(1, 1, 64, 64)
    stripes[..., ::2] = -1
    left = torch.stack([_correlation([one]) for one in white]).mean().item()
    assert left == pytest.approx(2 * (1 / 64**2 + 1 / 32**2 + 1 / 16**2 + 1 / 8**2), rel=0.2)  # 1 / pixels each
    # neighbours across agree in -1 along and +1 across; after that the mean of 2 × 2 is 0
    assert _correlation([stripes]).item() == pytest.approx(2)
    assert _correlation([torch.ones(1, 1, 8, 8)]).item() == pytest.approx(2)
