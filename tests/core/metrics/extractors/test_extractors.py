"""Extractors: any channels and type, fixed by their weights, and Inception-v3 of the published size."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from scipy.ndimage import gaussian_filter

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.extractors.base import resize
from napari_organoid_synth.core.metrics.extractors.inception import Inception, Stem
from napari_organoid_synth.core.registry import EXTRACTORS


def tiles(n: int, channels: int, seed: int = 0, blur: float = 1.5) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(n, channels, 48, 48))
    return (0.5 + 0.8 * gaussian_filter(noise, (0, 0, blur, blur))).astype(np.float32)


@pytest.mark.parametrize("channels", [1, 3, 5])
def test_random_weights_are_always_the_same(channels: int) -> None:
    first, second = (EXTRACTORS.load("random")(channels) for _ in range(2))
    found = first(tiles(3, channels))
    assert found.shape == (3, 256)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, second(tiles(3, channels)))
    assert first.identity == second.identity
    assert len(first.digest) == 12


def test_the_encoder_learns_is_stored_and_repeats_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("napari_organoid_synth.core.metrics.extractors.encoder.STEPS", 12)
    real = np.concatenate([tiles(4, 1, seed, blur) for seed, blur in ((0, 0.7), (1, 3))])
    made = []
    for _ in range(2):
        encoder = EXTRACTORS.load("encoder")(1)
        assert list(encoder.fit(real, seed=3)) == pytest.approx(np.arange(1, 13) / 12)
        made.append(encoder)
    features = made[0](real)
    assert features.shape == (8, 320)
    np.testing.assert_allclose(features.mean(0), 0, atol=1e-4)
    spread = features.std(0)
    assert np.all(spread < 1.001)
    assert (spread > 0.999).mean() > 0.9
    assert made[0].identity == made[1].identity
    other = EXTRACTORS.load("encoder")(1)
    other.from_bytes(made[0].to_bytes())
    assert other.identity == made[0].identity
    np.testing.assert_array_equal(other(real), features)
    distance = np.linalg.norm(features[:, None] - features, axis=2) + 1e9 * np.eye(8)
    same_texture = (distance.argmin(1) < 4) == (np.arange(8) < 4)
    assert same_texture.mean() >= 7 / 8


def test_resizing_knows_no_integers() -> None:
    image = torch.rand(1, 1, 64, 64)
    assert float(resize(image, 32).std()) < float(image.std())  # antialiased
    np.testing.assert_allclose(resize(torch.full((1, 1, 40, 50), 0.123456), 33).numpy(), 0.123456, rtol=1e-5)


def test_inception_has_the_published_size() -> None:
    network = Inception()
    assert sum(p.numel() for p in network.parameters()) == 21_785_568  # 23 834 568 less the classifier of 2 049 000
    assert {
        "Mixed_5b.branch5x5_2.conv.weight",
        "Mixed_7c.branch3x3dbl_3b.bn.running_var",
    } <= network.state_dict().keys()
    assert network.Mixed_6e.branch7x7dbl_5.conv.weight.shape == (192, 192, 1, 7)
    assert [getattr(network, f"Mixed_{n}").width for n in ("5b", "5d", "6a", "6e", "7a", "7c")] == [
        256, 288, 768, 768, 1280, 2048,
    ]  # fmt: skip
    with torch.no_grad():
        assert Stem()(torch.zeros(1, 3, 299, 299)).shape == (1, 64, 73, 73)


def test_weights_come_from_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Inception()
    path = tmp_path / "inception.safetensors"
    tensors = network.state_dict() | {"fc.weight": torch.zeros(1008, 2048)}
    save_file(tensors, path)
    torch.save({key: value for key, value in tensors.items() if "num_batches" not in key}, tmp_path / "inception.pth")
    load = EXTRACTORS.load("inception64")
    grey, rgb = load(1, str(path)), load(3, str(tmp_path / "inception.pth"))
    assert grey.identity == rgb.identity
    assert grey(tiles(1, 1)).shape == (1, 64)
    assert load(2, str(path))(tiles(1, 2)).shape == (1, 128)
    same = tiles(1, 1)
    np.testing.assert_allclose(rgb(np.repeat(same, 3, 1)), grey(same), rtol=1e-5)
    whole = EXTRACTORS.load("inception2048")(1, str(path))
    assert whole(same).shape == (1, 2048)
    save_file(tensors | {"fc.weight": torch.zeros(1000, 2048)}, path)
    with pytest.raises(UserError, match="1000 outputs"):
        load(1, str(path))
    save_file({"other": torch.zeros(1)}, path)
    with pytest.raises(UserError, match=r"'Conv2d_1a_3x3.conv.weight' is missing"):
        load(1, str(path))


@pytest.mark.parametrize("name", ["inception2048", "inception64", "vgg19"])
def test_a_missing_or_wrong_file_is_said(name: str, tmp_path: Path) -> None:
    load = EXTRACTORS.load(name)
    with pytest.raises(UserError, match="No file of weights is named"):
        load(1)
    with pytest.raises(UserError, match=r"Cannot read .*none\.pth: No such file.*Set 'weights'"):
        load(1, str(tmp_path / "none.pth"))
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(UserError, match="something else than tensors"):
        load(1, str(tmp_path / "text.pth"))
