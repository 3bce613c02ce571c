"""flow and flow_joint: noise, path, guidance, size, sketches, and what they learn."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.device import random_stream
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.base import build_generator
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.dcgan_config import DcganConfig
from napari_organoid_synth.core.generators.flow import Flow
from napari_organoid_synth.core.generators.flow_config import FlowConfig
from napari_organoid_synth.core.generators.flow_joint import FlowJoint
from napari_organoid_synth.core.generators.flow_joint_config import FlowJointConfig
from napari_organoid_synth.core.generators.flow_matching import LOOK_STEPS, draw_times
from napari_organoid_synth.core.generators.flow_network import Velocity, doubled, evened, levelled
from napari_organoid_synth.core.generators.flow_sampling import averaged, draw_noise, follow, padded, starts
from napari_organoid_synth.core.recipe import Recipe

CPU = torch.device("cpu")
SMALL = FlowConfig(channels=8, max_channels=16)
SPEC = PairSpec(32, 1, 2)


def stream(*parts: int | str) -> torch.Generator:
    return random_stream(CPU, *parts)


def painter(config: FlowConfig = SMALL, spec: PairSpec = SPEC, seed: int = 0) -> Flow:
    generator = build_generator(config, spec, seed)
    assert isinstance(generator, Flow)
    return generator


def two_tones(side: int = 32) -> Batch:
    """Four tiles: background -0.6, one class 0, the other 0.6, and a little noise."""
    mask = -torch.ones(4, 2, side, side)
    for index in range(4):
        mask[index, 0, 4 + index : 14 + index, 4:14] = 1
        mask[index, 1, 16:26, 12 + index : 22 + index] = 1
    clean = -0.6 + 0.3 * (mask[:, :1] + 1) + 0.6 * (mask[:, 1:] + 1)
    image = clean + 0.05 * torch.randn(clean.shape, generator=stream("tones"))
    return Batch(image, mask, torch.zeros(4, dtype=torch.int64))


def plane_means(noise: Tensor) -> Tensor:
    return torch.stack([noise[..., y::2, x::2].mean((2, 3)) for y in (0, 1) for x in (0, 1)])


# ----------------------------------------------------------------------------------------------------------- network


def test_the_default_network_has_two_million_weights_and_two_and_a_half_gigaflops() -> None:
    from torch.utils.flop_counter import FlopCounterMode

    network = Velocity(4, 1)
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(2.02, abs=0.01)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 4, 128, 128), torch.zeros(1))
    assert counter.get_total_flops() / 1e9 == pytest.approx(2.48, abs=0.02)


def test_doubling_repeats_pixels() -> None:
    x = torch.randn(2, 3, 4, 6)
    torch.testing.assert_close(doubled(x), torch.nn.functional.interpolate(x, scale_factor=2))


def test_a_block_hardly_changes_anything_before_the_first_step() -> None:
    generator = painter()
    x = torch.randn(1, 4, 32, 32)
    assert generator.average(x, torch.full((1,), 0.5)).std() < 0.1


# ------------------------------------------------------------------------------------------------------------- noise


def test_noise_has_no_mean_in_any_folded_plane() -> None:
    noise = torch.randn(2, 3, 16, 24)
    assert plane_means(noise).abs().max() > 0.05
    torch.testing.assert_close(plane_means(levelled(noise)), torch.zeros(4, 2, 3), atol=1e-6, rtol=0)
    drawn = draw_noise([stream(0), stream(1)], (2, 3, 64, 64), variety=0.5)
    torch.testing.assert_close(plane_means(drawn), torch.zeros(4, 2, 3), atol=1e-6, rtol=0)
    cells = draw_noise([stream(0)], (1, 1, 48, 40), cell=32)
    for square in (cells[..., :32, :32], cells[..., :32, 32:], cells[..., 32:, :32], cells[..., 32:, 32:]):
        torch.testing.assert_close(plane_means(square), torch.zeros(4, 1, 1), atol=1e-6, rtol=0)


def test_an_evened_velocity_keeps_its_mean_and_its_planes_agree() -> None:
    velocity = torch.randn(2, 3, 16, 24) + 0.5
    found = evened(velocity)
    torch.testing.assert_close(found.mean((2, 3)), velocity.mean((2, 3)))
    torch.testing.assert_close(plane_means(found), velocity.mean((2, 3)).expand(4, 2, 3))


def test_the_noise_of_a_training_step_is_levelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """With black pictures the input of the network is (1 - t) · noise, so its planes have the mean 0."""
    generator, seen = painter(), []
    forward = generator.velocity.forward
    monkeypatch.setattr(generator.velocity, "forward", lambda x, *rest: (seen.append(x), forward(x, *rest))[1])
    batch = two_tones()
    generator.step(Batch(torch.zeros_like(batch.image), batch.mask, batch.image_class), stream(0), 0.0)
    noisy = seen[0][:, :1]
    assert noisy.std() > 0.1
    torch.testing.assert_close(plane_means(noisy), torch.zeros(4, 4, 1), atol=1e-6, rtol=0)


@pytest.mark.parametrize("variety", [0.0, 0.3, 1.0])
def test_noise_of_any_variety_has_a_spread_of_one(variety: float) -> None:
    drawn = draw_noise([stream(0), stream(1)], (2, 1, 128, 128), variety)
    assert drawn.std().item() == pytest.approx(1, abs=0.02)
    alike = torch.corrcoef(drawn.flatten(1))[0, 1].item()
    assert alike == pytest.approx(1 - variety**2, abs=0.02)


# -------------------------------------------------------------------------------------------------------------- path


def test_following_a_straight_path_ends_at_the_picture_in_any_number_of_steps() -> None:
    noise, picture = torch.randn(1, 1, 4, 4), torch.randn(1, 1, 4, 4)
    for steps, start in ((1, 0.0), (7, 0.0), (5, 0.4)):
        x = (1 - start) * noise + start * picture
        torch.testing.assert_close(follow(x, lambda x, t: picture - noise, steps, start), picture)


def test_the_steps_are_at_the_right_times() -> None:
    times: list[float] = []
    follow(torch.zeros(1), lambda x, t: (times.append(t), x)[1], 4, 0.2)
    assert times == pytest.approx([0.2, 0.4, 0.6, 0.8])


def test_times_are_a_sigmoid_of_normal_numbers_cut_off_below() -> None:
    plain, cut = draw_times(20_000, stream(0)), draw_times(20_000, stream(0), 0.2)
    assert plain.mean().item() == pytest.approx(0.5, abs=0.01)
    assert plain.min() < 0.2
    assert (torch.logit(plain).std()).item() == pytest.approx(1, abs=0.03)
    assert 0.2 <= cut.min() < 0.21
    assert (cut > 0.5).float().mean().item() == pytest.approx(0.5 / (1 - 0.0828), abs=0.02)  # Φ(logit 0.2) = 0.0828


# -------------------------------------------------------------------------------------------------------------- size


def test_windows_cover_a_picture_overlap_by_a_quarter_and_start_at_multiples_of_16() -> None:
    for length, side in ((512, 256), (300 // 16 * 16, 64), (80, 64), (1024, 256), (64, 64)):
        found = starts(length, side)
        assert found[0] == 0
        assert found[-1] + side >= length
        assert all(start % 16 == 0 for start in found)
        steps = np.diff(found)
        assert (steps <= side - side // 4 + 16).all()
        assert (steps > 0).all()


def test_a_mean_of_windows_that_agree_is_the_whole() -> None:
    whole = torch.randn(1, 1, 96, 112)
    found = averaged(lambda part, rows, columns: whole[..., rows, columns], torch.zeros(1, 1, 96, 112), 32)
    torch.testing.assert_close(found, whole)


def test_between_two_windows_that_disagree_there_is_no_step() -> None:
    """Windows that say 0 and 1 blend: no two neighbouring pixels differ by more than 1 / the width of the overlap."""
    found = averaged(lambda part, rows, columns: part * 0 + columns.start / 32, torch.zeros(1, 1, 32, 64), 32)
    assert found.min() == 0
    assert found.max() == 1
    assert found.diff(dim=-1).abs().max() < 0.15


@pytest.mark.parametrize("size", [(16, 16), (40, 24), (33, 57), (32, 100)])
def test_a_painter_paints_any_size(size: tuple[int, int]) -> None:
    generator = painter()
    assert generator.paints_any_size
    mask = torch.sign(torch.randn(1, 2, *size))
    painted = generator.sample(stream(0), condition=mask)
    assert painted.shape == (1, 1, *size)
    assert torch.isfinite(painted).all()
    assert painted.abs().max() <= 1


def test_padding_repeats_the_border() -> None:
    x = torch.arange(18.0 * 17).reshape(1, 1, 18, 17)
    found = padded(x)
    assert found.shape == (1, 1, 32, 32)
    torch.testing.assert_close(found[..., :18, :17], x)
    assert (found[0, 0, 5, 17:] == x[0, 0, 5, -1]).all()


# ----------------------------------------------------------------------------------------------------------- drawing


def test_a_seed_repeats_a_picture_and_no_variety_means_one_picture() -> None:
    generator, mask = painter(), two_tones().mask[:1]

    def painted(seed: int, variety: float = 1.0) -> Tensor:
        return generator.sample(stream(seed), condition=mask, variety=variety)

    assert torch.equal(painted(0), painted(0))
    assert (painted(0) - painted(1)).std() > 0.5
    assert torch.equal(painted(0, 0.0), painted(1, 0.0))
    assert 0 < (painted(0, 0.2) - painted(1, 0.2)).std() < (painted(0) - painted(1)).std() / 2


def test_a_sample_does_not_depend_on_its_neighbours() -> None:
    generator, mask = painter(), two_tones().mask[:2]
    both = generator.sample([stream(0), stream(1)], condition=mask)
    torch.testing.assert_close(generator.sample([stream(1)], condition=mask[1:]), both[1:], atol=1e-5, rtol=1e-4)


def test_guidance_moves_away_from_the_velocity_without_a_mask() -> None:
    generator, batch = painter(), two_tones()
    for step in range(3):
        generator.step(batch, stream(0, step), 0.0)
    x, time = torch.randn(4, 1, 32, 32), torch.full((4,), 0.5)
    shown = torch.cat([batch.mask, torch.zeros(4, 1, 32, 32)], 1)
    nothing = torch.cat([torch.zeros_like(batch.mask), torch.ones(4, 1, 32, 32)], 1)
    with torch.no_grad():
        seen = generator.average(torch.cat([x, shown], 1), time)
        blind = generator.average(torch.cat([x, nothing], 1), time)
        assert (seen - blind).std() > 0
        assert torch.equal(generator.velocity_of(x, time, shown, None), seen)
        for guidance in (0.0, 1.5, 2.0):
            generator.guidance = guidance
            found = generator.velocity_of(x, time, shown, None)
            torch.testing.assert_close(found, blind + guidance * (seen - blind))


def test_a_look_takes_eight_steps_and_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator, passes = painter(), []
    plain = generator.velocity_of
    monkeypatch.setattr(generator, "velocity_of", lambda *told: (passes.append(1), plain(*told))[1])
    mask = two_tones().mask[:1]
    generator.look(stream(0), condition=mask)
    assert len(passes) == generator.look_passes == LOOK_STEPS
    generator.sample(stream(0), condition=mask)
    assert len(passes) == LOOK_STEPS + 16


# ---------------------------------------------------------------------------------------------------------- learning


@pytest.fixture(scope="module")
def learned() -> Flow:
    """A painter after 250 steps on four tiles."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    generator = painter(FlowConfig(channels=16, max_channels=32, learning_rate=3e-3))
    for step in range(250):
        generator.step(two_tones(), stream(0, step), step / 250)
    torch.set_num_threads(before)
    return generator


def means(painted: Tensor, mask: Tensor) -> list[float]:
    background = (mask < 0).all(1, keepdim=True)
    return [painted[background].mean().item(), *(painted[mask[:, c : c + 1] > 0].mean().item() for c in range(2))]


def test_learns_the_tone_of_every_class(learned: Flow) -> None:
    batch = two_tones()
    painted = learned.sample(stream(5), condition=batch.mask)
    assert means(painted, batch.mask) == pytest.approx([-0.6, 0.0, 0.6], abs=0.08)


def test_a_large_mask_has_the_tones_and_no_seam(learned: Flow, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows of 32 px on 80 px: across the borders of windows neighbouring pixels differ as they do elsewhere."""
    monkeypatch.setattr("napari_organoid_synth.core.generators.flow_matching.WINDOW", 32)
    mask = two_tones().mask[:1]
    large = -torch.ones(1, 2, 80, 80)
    large[..., 8:40, 24:56] = mask
    painted = learned.sample(stream(6), condition=large)
    assert means(painted, large) == pytest.approx([-0.6, 0.0, 0.6], abs=0.1)
    background = (large < 0).all(1)[0]
    both = background[:, 1:] & background[:, :-1]
    across = (painted[0, 0, :, 1:] - painted[0, 0, :, :-1]).abs()
    borders = sorted({place - 1 for start in starts(80, 32) for place in (start, start + 32) if 0 < place < 80})
    at = np.mean([across[:, column][both[:, column]].mean().item() for column in borders])
    assert at < 1.5 * across[both].mean().item()


def test_what_is_drawn_has_no_grid(learned: Flow) -> None:
    """The means of the four folded planes are the same, in the background of tiles and in a larger picture."""
    batch = two_tones()
    large = learned.sample(stream(7), condition=batch.mask[:1].repeat(1, 1, 4, 4))
    assert np.ptp(plane_means(large).numpy()) < 0.005
    painted = learned.sample([stream(7, index) for index in range(4)], condition=batch.mask)
    background = (batch.mask < 0).all(1)
    planes = [painted[:, 0, y::2, x::2][background[:, y::2, x::2]].mean().item() for y in (0, 1) for x in (0, 1)]
    assert np.ptp(planes) < 0.04


def test_a_sketch_is_kept_late_on_the_way_and_free_early(learned: Flow) -> None:
    """Sketches in the tones of the training, in places of their own: late, pictures stay close to them."""
    batch = two_tones()
    sketch = torch.where(torch.flip(batch.mask, (3,))[:, 1:] > 0, 0.6, -0.6)
    streams = [stream(8, index) for index in range(4)]
    early, late = (learned.finish(sketch, streams, time) for time in (0.05, 0.9))
    assert (late - sketch).abs().mean() < (early - sketch).abs().mean()
    assert (late - sketch).abs().mean() < 0.15


def test_generators_of_one_pass_refuse_sketches_in_words() -> None:
    generator = build_generator(DcganConfig(generator_channels=8, discriminator_channels=8), PairSpec(64, 1, 0))
    with pytest.raises(UserError, match=r"dcgan draws in one pass and cannot start from a sketch.*flow_joint"):
        generator.finish(torch.zeros(1, 1, 64, 64), stream(0))


def test_the_joint_generator_finishes_sketches_of_any_size() -> None:
    generator = build_generator(FlowJointConfig(channels=8, max_channels=16, least_time=0.2), PairSpec(32, 2, 0))
    assert isinstance(generator, FlowJoint)
    found = generator.finish(torch.zeros(2, 2, 40, 50), [stream(0), stream(1)], 0.45)
    assert found.shape == (2, 2, 40, 50)
    assert generator.sample([stream(0), stream(1)]).shape == (2, 2, 32, 32)


def test_the_class_of_an_image_changes_what_is_drawn() -> None:
    spec = PairSpec(32, 1, 0, ("a", "b"))
    generator = build_generator(FlowJointConfig(channels=8, max_channels=16, learning_rate=1e-2), spec)
    image = torch.stack([torch.full((1, 32, 32), tone) for tone in (-0.5, 0.5)])
    for step in range(120):
        generator.step(Batch(image, image[:, :0], torch.arange(2)), stream(0, step), step / 120)
    drawn = generator.sample([stream(1), stream(2)], image_class=torch.tensor([0, 1]))
    assert drawn.mean((1, 2, 3)).tolist() == pytest.approx([-0.5, 0.5], abs=0.15)


# ---------------------------------------------------------------------------------------------------------- settings


@pytest.mark.parametrize("size", [24, 40, 100])
def test_a_tile_that_cannot_be_halved_is_refused_in_words(size: int) -> None:
    if size == 24:
        with pytest.raises(Exception, match=r"greater than or equal to 32|24"):
            Recipe.parse({"gan": {"name": "flow"}, "tiles": {"size": size}})
        return
    with pytest.raises(UserError, match=rf"The tile is {size} px\. Flow takes multiples of 16 px from 32 px on"):
        Recipe.parse({"gan": {"name": "flow"}, "tiles": {"size": size}})


def test_the_rate_rises_stays_and_falls() -> None:
    generator = painter()
    rates = []
    for taken, progress in ((0, 0.0), (24, 0.1), (49, 0.2), (500, 0.6), (800, 0.8), (999, 1.0)):
        generator.steps_taken = taken
        rates.append(generator.learning_rate(progress))
    assert rates == pytest.approx([2e-5, 5e-4, 1e-3, 1e-3, 5e-4, 0])


def test_half_of_the_tiles_of_the_painter_are_aimed_and_the_recipe_may_say_otherwise() -> None:
    assert Recipe.parse({"gan": "flow"}).aimed == 0.5
    assert Recipe.parse({"gan": "flow", "tiles": {"aimed": 0}}).aimed == 0
    assert Recipe.parse({"gan": "pix2pix"}).aimed == 0
    assert Recipe.parse({"gan": "pix2pix", "tiles": {"aimed": 0.3}}).aimed == 0.3
    assert Recipe.parse({"gan": "flow_joint", "draws": "images", "tiles": {"aimed": 0.3}}).aimed == 0


def test_suggestions_follow_the_number_of_images_and_the_size_of_objects() -> None:
    assert FlowConfig.suggest(1, 512) == {"tiles.size": 64, "train.steps": 4000, "gan.guidance": 1.5}
    assert FlowConfig.suggest(5, 512, 30) == {"tiles.size": 64, "train.steps": 7000}
    assert FlowConfig.suggest(5, 512, 60) == {"tiles.size": 128, "train.steps": 7000}
    assert FlowConfig.suggest(21, 512) == {"tiles.size": 128, "train.steps": 10_000}
    assert FlowConfig.suggest(21, 100)["tiles.size"] == 96
    assert FlowJointConfig.suggest(2, 40) == {"tiles.size": 32, "train.steps": 4000}
    for side in (32, 50, 64, 200):
        FlowConfig().check_tile(int(FlowConfig.suggest(3, side)["tiles.size"]))
    assert DcganConfig.suggest(5, 512) == {"tiles.size": 256}
    assert DcganConfig.suggest(5, 100) == {"tiles.size": 64}
