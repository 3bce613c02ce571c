import pytest
import torch

from napari_organoid_synth.core.segmentation.segmenters.checkpoint import TrainingFile


def parts(width=3):
    torch.manual_seed(0)
    network = torch.nn.Sequential(
        torch.nn.Conv2d(1, width, 3), torch.nn.BatchNorm2d(width), torch.nn.Conv2d(width, 2, 3)
    )
    network = network.to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), 1e-2, fused=True)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, patience=0)
    return {"network": network, "optimiser": optimiser, "plateau": plateau}


def learn(parts, steps):
    for step in steps:
        images = torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(step))
        loss = parts["network"](images).square().mean()
        loss.backward()
        parts["optimiser"].step()
        parts["optimiser"].zero_grad()
        parts["plateau"].step(float(step % 3))  # the rate falls now and then


def weights(parts):
    return torch.cat([tensor.flatten().double() for tensor in parts["network"].state_dict().values()])


def test_a_training_that_goes_on_ends_with_the_very_same_weights(tmp_path):
    through = parts()
    learn(through, range(12))
    begun = parts()
    learn(begun, range(7))
    TrainingFile(tmp_path / "training.safetensors", "a").write(begun, 7)
    other = parts()
    file = TrainingFile(tmp_path / "training.safetensors", "a")
    assert file.read(other) == 7
    learn(other, range(7, 12))
    assert torch.equal(weights(other), weights(through))
    assert other["optimiser"].param_groups[0]["lr"] == through["optimiser"].param_groups[0]["lr"] < 1e-2
    file.remove()
    assert file.read(other) == 0


@pytest.mark.parametrize("damage", ["cut", "other", "parts", "nothing"])
def test_what_does_not_belong_to_the_training_is_left_alone(tmp_path, damage):
    path = tmp_path / "training.safetensors"
    begun = parts()
    if damage != "nothing":
        TrainingFile(path, "another" if damage == "other" else "a").write(begun, 7)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-40])
    if damage == "parts":
        begun.pop("plateau")
    before = weights(begun)
    assert TrainingFile(path, "a").read(begun) == 0
    assert torch.equal(weights(begun), before)
