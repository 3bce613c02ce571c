import pytest
import torch
from torch import nn

from napari_organoid_synth.core.segmentation.segmenters.averaging import POWER, MovingAverage


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2))


def test_the_average_is_the_one_computed_by_hand():
    layer, steps = nn.Linear(1, 1, bias=False), (4, 8, 12, 16, 20)
    average = MovingAverage(layer)
    for step in steps:
        layer.weight.data.fill_(float(step) ** 0.5)
        average.update(step)
    expected, before = 0.0, 0
    for step in steps:
        old = (before / step) ** POWER
        expected, before = old * expected + (1 - old) * step**0.5, step
    with average.shown():
        assert layer.weight.item() == pytest.approx(expected, rel=1e-6)
    assert layer.weight.item() == pytest.approx(20**0.5)


def test_a_17th_of_the_steps_counts():
    layer = nn.Linear(1, 1, bias=False)
    average = MovingAverage(layer)
    for step in range(4, 4001, 4):
        layer.weight.data.fill_(float(step))
        average.update(step)
    average.keep()
    assert layer.weight.item() == pytest.approx(4000 * (1 - 1 / 18), rel=1e-3)  # the mean of s with weight s^16


def test_running_statistics_are_averaged_and_counts_are_not():
    made = network()
    average = MovingAverage(made)
    for step in (4, 8):
        made[1].running_mean.fill_(step)
        made[1].num_batches_tracked.fill_(step)
        average.update(step)
    average.keep()
    assert made[1].running_mean.tolist() == pytest.approx([8 - 4 * 0.5**POWER] * 2)
    assert made[1].num_batches_tracked.item() == 8


def test_weights_that_stay_are_the_same_bit_for_bit():
    made = network()
    before = made[1].running_var.clone()
    average = MovingAverage(made)
    for step in range(4, 100, 4):
        average.update(step)
    average.keep()
    assert torch.equal(made[1].running_var, before)


def test_an_optimiser_goes_on_with_the_weights_themselves():
    """The same steps with and without a look between them."""
    results = []
    for looks in (False, True):
        torch.manual_seed(0)
        made = network()
        optimiser = torch.optim.AdamW(made.parameters(), 0.1, fused=True)
        average = MovingAverage(made)
        for step in range(1, 9):
            made(torch.ones(1, 1, 2, 2) * step).square().sum().backward()
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            average.update(step)
            if looks:
                with average.shown():
                    made.eval()(torch.ones(1, 1, 2, 2))
                made.train()
        results.append(torch.cat([one.flatten().double() for one in made.state_dict().values()]))
    assert torch.equal(*results)


def test_an_average_goes_on_from_its_state():
    made, kept = network(), {}
    average = MovingAverage(made)
    for step in (4, 8, 12):
        nn.init.constant_(made[0].weight, step)
        average.update(step)
        if step == 8:
            state = average.state_dict()
            kept = {"means": {key: one.clone() for key, one in state["means"].items()}, "at": state["at"]}
    other = network()
    again = MovingAverage(other)
    again.load_state_dict(kept)
    nn.init.constant_(other[0].weight, 12)
    again.update(12)
    again.keep()
    average.keep()
    assert torch.equal(other[0].weight, made[0].weight)
