"""VGG19 with random weights in torchvision's layout, and files that are something else."""

from __future__ import annotations

import hashlib
import pickle
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.perceptual import Vgg19, load_vgg19

# torchvision's layers of VGG19 up to conv3_4: number, channels in, channels out; 4 and 9 are poolings
CONVOLUTIONS = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256)}


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    rng = torch.Generator().manual_seed(0)
    found = {}
    for number, (inside, outside) in {**CONVOLUTIONS, 16: (256, 256)}.items():
        found[f"features.{number}.weight"] = torch.randn(outside, inside, 3, 3, generator=rng) * (2 / 9 / inside) ** 0.5
        found[f"features.{number}.bias"] = torch.randn(outside, generator=rng) * 0.1
    return found | {"classifier.6.bias": torch.zeros(1000)}


def test_layers_carry_the_numbers_of_torchvision() -> None:
    layers = Vgg19().layers
    convolutions = {i: (m.in_channels, m.out_channels) for i, m in enumerate(layers) if isinstance(m, nn.Conv2d)}
    assert convolutions == CONVOLUTIONS
    assert [i for i, m in enumerate(layers) if isinstance(m, nn.MaxPool2d)] == [4, 9]
    assert len(layers) == 15  # the last is feature 14, and no ReLU follows
    assert sum(p.numel() for p in layers.parameters()) == sum(9 * a * b + b for a, b in CONVOLUTIONS.values())


def test_features_are_conv3_3_before_its_relu(weights: dict[str, Tensor], tmp_path: Path) -> None:
    save_file(weights, tmp_path / "vgg19.safetensors")
    network, notes = load_vgg19(str(tmp_path / "vgg19.safetensors"))
    image = torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(1)) * 2 - 1
    x = (image + 1) / 2
    x = torch.stack([(x[:, 0] - 0.485) / 0.229, (x[:, 1] - 0.456) / 0.224, (x[:, 2] - 0.406) / 0.225], 1)
    for number in CONVOLUTIONS:
        x = functional.conv2d(x, weights[f"features.{number}.weight"], weights[f"features.{number}.bias"], padding=1)
        if number != 14:
            x = functional.relu(x)
        if number in (2, 7):
            x = functional.max_pool2d(x, 2)
    found = network(image)
    assert found.shape == (2, 256, 8, 12)
    assert found.min() < 0
    torch.testing.assert_close(found, x)
    digest = hashlib.sha256((tmp_path / "vgg19.safetensors").read_bytes()).hexdigest()
    assert notes == {
        "perceptual": "vgg19 conv3_3",
        "perceptual_file": "vgg19.safetensors",
        "perceptual_sha256": digest,
    }
    assert not any(p.requires_grad for p in network.parameters())


def test_a_channel_is_a_grey_image(weights: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(weights, tmp_path / "vgg19.pth")
    network, _ = load_vgg19(str(tmp_path / "vgg19.pth"))
    images = torch.rand(2, 2, 16, 16, generator=torch.Generator().manual_seed(1)) * 2 - 1
    found = network(images)
    assert found.shape == (4, 256, 4, 4)
    torch.testing.assert_close(found[1:2], network(images[:1, 1:].repeat(1, 3, 1, 1)), atol=1e-5, rtol=1e-4)


EXPECTED = "Expected the state dict of torchvision's VGG19 as .safetensors, .pth or .pt."
TODO = "Choose that file, or set perceptual to disc."


def refusal(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        load_vgg19(str(path))
    return str(caught.value)


def test_vgg16_is_refused(weights: dict[str, Tensor], tmp_path: Path) -> None:
    sixteen = {key: value for key, value in weights.items() if not key.startswith("features.16")}
    save_file(sixteen, tmp_path / "vgg16.safetensors")
    expected = f"vgg16.safetensors is not VGG19: its 'features.16.weight' is missing. {EXPECTED} {TODO}"
    assert refusal(tmp_path / "vgg16.safetensors") == expected


def test_another_network_is_refused(weights: dict[str, Tensor], tmp_path: Path) -> None:
    alex = {"features.0.weight": torch.zeros(64, 3, 11, 11), "features.0.bias": torch.zeros(64)}
    torch.save(alex, tmp_path / "alexnet.pth")
    expected = f"alexnet.pth is not VGG19: its 'features.0.weight' is of shape (64, 3, 11, 11). {EXPECTED} {TODO}"
    assert refusal(tmp_path / "alexnet.pth") == expected
    torch.save([torch.zeros(1)], tmp_path / "list.pt")
    assert refusal(tmp_path / "list.pt") == f"list.pt holds list. {EXPECTED} {TODO}"


class _Trap:
    def __reduce__(self) -> tuple[object, ...]:
        return exec, ("import sys; sys.trap = True",)


@pytest.mark.parametrize(
    "save", [lambda x, path: torch.save(x, path), lambda x, path: path.write_bytes(pickle.dumps(x))]
)
def test_a_pickle_with_code_is_refused_and_not_run(save, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "trap.pth"
    save({"features.0.weight": _Trap()}, path)
    expected = f"trap.pth holds something else than tensors, or is damaged; nothing of it was run. {EXPECTED} {TODO}"
    assert refusal(path) == expected
    assert not hasattr(sys, "trap")


@pytest.mark.parametrize("name", ["empty.pth", "text.pth", "cut.pth"])
def test_a_damaged_file_is_refused(name: str, weights: dict[str, Tensor], tmp_path: Path) -> None:
    path = tmp_path / name
    if name == "cut.pth":
        torch.save({"features.0.weight": weights["features.0.weight"]}, path)
        path.write_bytes(path.read_bytes()[:-100])
    else:
        path.write_bytes(b"" if name == "empty.pth" else b"no weights here")
    assert refusal(path).startswith(f"{name} holds something else than tensors, or is damaged")
    assert refusal(tmp_path / "gone.pth").startswith(f"Cannot read {tmp_path / 'gone.pth'}: No such file")
    (tmp_path / "text.safetensors").write_bytes(b"no weights here")
    assert refusal(tmp_path / "text.safetensors").startswith("text.safetensors holds something else than tensors")


def test_without_a_file_torchvision_is_asked(
    weights: dict[str, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision.models", None)  # as where it is not installed
    with pytest.raises(UserError, match="without a weight file, and torchvision cannot be imported"):
        load_vgg19("")

    fetched = []

    def get_state_dict(progress: bool, check_hash: bool) -> dict[str, Tensor]:
        fetched.append((progress, check_hash))
        folder = tmp_path / "checkpoints"
        folder.mkdir()
        torch.save(weights, folder / "vgg19-1234.pth")
        return weights

    chosen = SimpleNamespace(url="https://example.org/models/vgg19-1234.pth", get_state_dict=get_state_dict)
    models = ModuleType("torchvision.models")
    models.VGG19_Weights = SimpleNamespace(IMAGENET1K_V1=chosen)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.models", models)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    network, notes = load_vgg19("")
    assert fetched == [(False, True)]
    assert notes["perceptual_file"] == "vgg19-1234.pth"
    assert torch.equal(network.layers[14].weight, weights["features.14.weight"])  # type: ignore[arg-type]
