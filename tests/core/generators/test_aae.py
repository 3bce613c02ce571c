"""Adversarial autoencoder: sizes, losses put together by hand, codes, variations, what a run says of it."""

from __future__ import annotations

import copy
import hashlib
from itertools import combinations
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.generators.aae import Aae, CodeCloud, Encoder, conv_autoencoder
from napari_organoid_synth.core.generators.aae_config import AaeConfig
from napari_organoid_synth.core.generators.batch import Batch
from napari_organoid_synth.core.generators.contract import check_generator
from napari_organoid_synth.core.generators.losses import generator_loss
from napari_organoid_synth.core.generators.perceptual import Vgg19
from napari_organoid_synth.core.job import Control, Started
from napari_organoid_synth.core.pairs.loading import add_pair
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.simulators.simulate import organoid_brightfield
from napari_organoid_synth.core.training.train import train

SMALL: dict[str, Any] = {"channels": 8, "max_channels": 16, "discriminator_channels": 8, "width": 16, "latent": 5}
SPEC = PairSpec(64, 1, 1)
LOSSES = get_args(AaeConfig.model_fields["loss"].annotation)


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def small(**settings: Any) -> Aae:
    torch.manual_seed(0)
    return Aae(AaeConfig(**{**SMALL, **settings}), SPEC)


def data(n: int = 3, seed: int = 5) -> Batch:
    joint = torch.rand(n, 2, 64, 64, generator=stream(seed)) * 2 - 1
    return Batch(joint[:, :1], joint[:, 1:], torch.zeros(n, dtype=torch.int64))


# -------------------------------------------------------------------------------------------------------------- sizes


def test_weights_of_the_convolutional_preset_as_specified() -> None:
    channels = 3
    gan = Aae(AaeConfig(image_critic="off"), PairSpec(256, 2, 1))
    assert gan.latent == 64
    encoder = 16 * channels * 32 + 32  # k4; the first without norm
    encoder += sum(16 * a * b + 2 * b for a, b in ((32, 64), (64, 128), (128, 256), (256, 256)))
    encoder += 16384 * 64 + 64
    decoder = 64 * 16384 + 16384
    decoder += sum(9 * a * b + 2 * b for a, b in ((256, 256), (256, 128), (128, 64), (64, 32), (32, 16)))
    decoder += 9 * 16 * channels + channels
    critic = 64 * 512 + 512 + 512 * 256 + 256 + 256 + 1
    assert gan.parameters == {"autoencoder": encoder + decoder, "discriminator_latent": critic}
    assert sum(p.numel() for p in gan.encoder.parameters()) == encoder


def test_weights_of_the_connected_preset_as_specified() -> None:
    values = 2 * 64 * 64
    gan = Aae(AaeConfig(network="mlp", image_critic="off"), SPEC)
    assert gan.latent == 10
    encoder = values * 512 + 512 + 512 * 512 + 512 + 512 * 20 + 20  # mean and log variance of 10
    decoder = 10 * 512 + 512 + 512 * 512 + 512 + 512 * values + values
    critic = 10 * 512 + 512 + 512 * 256 + 256 + 256 + 1
    assert gan.parameters == {"autoencoder": encoder + decoder, "discriminator_latent": critic}


@pytest.mark.parametrize("tile", [64, 128])
def test_smaller_tiles_keep_the_widths_from_the_top(tile: int) -> None:
    network = conv_autoencoder(1, tile, AaeConfig())
    widths = [m.out_channels for m in network["encoder"].modules() if isinstance(m, torch.nn.Conv2d)]  # type: ignore[union-attr]
    assert widths == [32, 64, 128, 256][: len(widths)]
    assert len(widths) == {64: 3, 128: 4}[tile]
    codes = network["encoder"](torch.zeros(2, 1, tile, tile))
    assert codes.shape == (2, 64)
    assert network["decoder"](codes).shape == (2, 1, tile, tile)


def test_which_losses_judge_images() -> None:
    def judged(**settings: str) -> list[str]:
        return [loss for loss in LOSSES if "discriminator_image" in small(loss=loss, **settings).networks()]

    assert judged() == [*LOSSES]
    assert judged(image_critic="auto") == ["wasserstein", "perceptual_wasserstein"]  # as written in older recipes
    assert "discriminator_image" in small(loss="bce", image_critic="on").networks()
    assert "discriminator_image" not in small(loss="wasserstein", image_critic="off").networks()


# -------------------------------------------------------------------------------------------------------------- codes


def test_codes_are_drawn_from_the_distribution_that_the_encoder_names() -> None:
    encoder = Encoder(torch.nn.Sequential(torch.nn.Flatten()), 4, 2, spread=True)
    with torch.no_grad():
        encoder.last.weight.zero_()
        encoder.last.bias.copy_(torch.tensor([3.0, -1.0, 2 * torch.log(torch.tensor(0.5)), 0.0]))  # σ ½ and 1
    x = torch.zeros(50_000, 1, 2, 2)
    codes = encoder(x, stream())
    torch.testing.assert_close(codes.mean(0), torch.tensor([3.0, -1.0]), atol=0.02, rtol=0)
    torch.testing.assert_close(codes.std(0), torch.tensor([0.5, 1.0]), atol=0.02, rtol=0)
    torch.testing.assert_close(encoder(x[:2]), torch.tensor([[3.0, -1.0]] * 2))
    codes.sum().backward()  # d/dμ = 1, d/dlog σ² = σ ε / 2
    noise = torch.randn(50_000, 2, generator=stream())
    expected = torch.cat([torch.full((2,), 50_000.0), (torch.tensor([0.5, 1.0]) * noise / 2).sum(0)])
    torch.testing.assert_close(encoder.last.bias.grad, expected, atol=0.05, rtol=1e-4)


@pytest.mark.parametrize("network", ["conv", "mlp"])
def test_variations_are_the_decoder_around_the_codes(network: str) -> None:
    gan = small(network=network)
    joint = data().joint
    codes = gan.encode(joint)
    assert codes.shape == (3, 5)
    assert torch.equal(codes, gan.encode(joint))
    with torch.no_grad():
        torch.testing.assert_close(gan.vary(joint, stream(), sigma=0.0), gan.decoder(codes))
    noise = torch.randn(3, 5, generator=stream(4))
    torch.testing.assert_close(gan.vary(joint, stream(4)), gan.decoder(codes + 0.5 * noise).detach())
    apart = gan.vary(joint, [stream(1), stream(2), stream(3)], sigma=2.0)
    torch.testing.assert_close(apart[1:2], gan.vary(joint[1:2], stream(2), sigma=2.0), atol=1e-5, rtol=1e-5)
    assert apart.abs().max() <= 1


def test_samples_are_the_decoder_of_noise() -> None:
    gan = small(samples_from="normal")
    latents = gan.latents(stream(), 10_000)
    assert latents.mean().abs() < 0.02
    assert latents.std().item() == pytest.approx(1, abs=0.02)
    with torch.no_grad():
        torch.testing.assert_close(gan.sample(stream(3), 2), gan.decoder(gan.latents(stream(3), 2)))
        torch.testing.assert_close(gan.draw(latents[:2], variety=0.5), gan.decoder(latents[:2] / 2))


def test_samples_are_drawn_where_the_codes_lie() -> None:
    cloud, mix = (
        CodeCloud(3),
        torch.tensor([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [0.0, 0.0, 0.0]]),
    )  # no spread in the last
    noise = torch.randn(4, 3, generator=stream())
    torch.testing.assert_close(cloud.place(noise), noise)  # N(0, 1) at first
    for step in range(3000):
        cloud.update(torch.randn(32, 3, generator=stream(step)) @ mix.T + torch.tensor([1.0, -2.0, 3.0]))
    codes = cloud.place(torch.randn(50_000, 3, generator=stream(9)))
    torch.testing.assert_close(codes.mean(0), torch.tensor([1.0, -2.0, 3.0]), atol=0.1, rtol=0)
    torch.testing.assert_close(codes.T.cov(), mix @ mix.T, atol=0.2, rtol=0)
    torch.testing.assert_close(cloud.place(noise, 0.0), cloud.mean.expand(4, -1))


def test_the_codes_of_a_step_are_remembered_and_samples_follow_them() -> None:
    gan, joint = small(), data().joint
    codes = gan.encode(joint)
    gan.step(data(), stream(), 0.0)
    away = 0.995 * torch.eye(5) + 0.005 * codes.T @ codes / 3
    torch.testing.assert_close(gan.networks()["codes"].covariance, away)
    torch.testing.assert_close(gan.cloud.mean, 0.005 * codes.mean(0))
    z = gan.latents(stream(), 4)
    with torch.no_grad():
        torch.testing.assert_close(gan.draw(z, variety=0.7), gan.decoder(gan.cloud.place(z, 0.7)))


# ------------------------------------------------------------------------------------------------------------- losses


def gradients(network: torch.nn.Module) -> dict[str, Tensor]:
    return {key: p.grad for key, p in network.named_parameters() if p.grad is not None}


def step_and_compare(gan: Aae, name: str, loss: Tensor, twin: Aae) -> dict[str, Tensor]:
    """Whether a step leaves the gradients of this loss in a network."""
    network = twin.networks()[name]
    network.zero_grad()
    loss.backward()
    losses = gan.step(data(), stream(7), 0.0)
    expected, found = gradients(network), gradients(gan.networks()[name])
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, atol=1e-6, rtol=1e-3)
    return losses


def test_the_autoencoder_minimises_reconstruction_and_a_thousandth_of_the_verdict() -> None:
    gan = small(image_critic="auto", adv_weight=0.001)
    twin = copy.deepcopy(gan)
    joint = data().joint
    codes = twin.encoder(joint)
    copied = (twin.decoder(codes) - joint).square().mean()
    verdict = functional.softplus(-twin.networks()["discriminator_latent"](codes)).mean()
    losses = step_and_compare(gan, "autoencoder", 0.999 * copied + 0.001 * verdict, twin)
    assert losses["reconstruction"].item() == pytest.approx(copied.item(), rel=1e-5)
    assert losses["generator"].item() == pytest.approx(verdict.item(), rel=1e-5)
    assert set(losses) == {"reconstruction", "generator", "discriminator_latent", "bad"}


SIX = [loss for loss in LOSSES if loss != "wasserstein_plain"]


def adversarial_shares(gan: Aae) -> tuple[float, float]:
    """Norm of the adversarial gradient in encoder and decoder, as a share of that of reconstruction."""
    joint, networks, config = data().joint, gan.networks(), gan.config
    parts = (gan.encoder, gan.decoder)

    def norms(loss: Tensor) -> list[float]:
        for part in parts:
            part.zero_grad()
        loss.backward(retain_graph=True)
        squares = [[p.grad.square().sum() for p in part.parameters() if p.grad is not None] for part in parts]
        return [float(torch.stack(one).sum().sqrt()) if one else 0.0 for one in squares]

    codes = gan.encoder(joint)
    drawn = gan.decoder(codes)
    verdicts = [networks["discriminator_latent"](codes)]
    hidden: list[Tensor] = []
    if "discriminator_image" in networks:
        *hidden, verdict = networks["discriminator_image"](drawn)
        verdicts.append(verdict)
    adversarial = torch.stack([generator_loss(verdict, gan.adversarial) for verdict in verdicts]).sum()
    if config.features:
        adversarial = adversarial + config.perceptual_weight * gan._feature_distance(joint, drawn, hidden)
    of_copies = norms((1 - config.adversarial_share) * (drawn - joint).square().mean())
    first, second = (a / b for a, b in zip(norms(config.adversarial_share * adversarial), of_copies, strict=True))
    return first, second


@pytest.mark.parametrize("loss", SIX)
def test_the_loss_moves_encoder_and_decoder(loss: str) -> None:
    gan = small(loss=loss)
    for step in range(12):
        gan.step(data(), stream(step), 0.0)
    assert min(adversarial_shares(gan)) > 0.02
    assert max(adversarial_shares(gan)) < 5  # reconstruction is not drowned
    before = small(loss="bce", image_critic="auto", adv_weight=0.001)
    before.step(data(), stream(), 0.0)
    assert adversarial_shares(before)[1] == 0  # defaults of earlier versions: the decoder never heard of the loss


def test_pictures_of_six_losses_differ() -> None:
    def pictures(**settings: Any) -> dict[str, Tensor]:
        found = {}
        for loss in SIX:
            gan = small(loss=loss, learning_rate=2e-3, **settings)
            for step in range(25):
                gan.step(data(), stream(step), 0.0)
            found[loss] = gan.vary(data().joint, stream(), 0.0)[:, :1] * 127.5
        return found

    def apart(found: dict[str, Tensor]) -> float:
        return min(float((a - b).square().mean().sqrt()) for a, b in combinations(found.values(), 2))

    assert apart(pictures()) > 3 * apart(pictures(image_critic="off", adv_weight=0.001))


def test_recipes_keep_the_values_that_are_written_in_them() -> None:
    older = {"gan": {"name": "aae", "image_critic": "auto", "adv_weight": 0.001}, "tiles": {"size": 64}}
    gan = Recipe.parse(older).gan
    assert isinstance(gan, AaeConfig)
    assert (gan.judges_images, gan.adv_weight) == (False, 0.001)
    assert (AaeConfig().judges_images, AaeConfig().adversarial_share) == (True, 0.01)
    assert AaeConfig(loss="perceptual_wasserstein").adversarial_share == 0.001


def test_the_connected_autoencoder_reconstructs_from_drawn_codes() -> None:
    gan = small(network="mlp", adv_weight=0.0, reconstruction_loss="l1")
    twin = copy.deepcopy(gan)
    joint = data().joint
    mean, log_variance = twin.encoder.last(twin.encoder.features(joint)).chunk(2, 1)
    codes = mean + torch.exp(log_variance / 2) * torch.randn(3, 5, generator=stream(7))
    step_and_compare(gan, "autoencoder", (twin.decoder(codes) - joint).abs().mean() / 2, twin)


@pytest.mark.parametrize("features", ["disc", "encoder"])
def test_perceptual_wasserstein_adds_a_hundred_times_the_distance_of_features(features: str) -> None:
    gan = small(loss="perceptual_wasserstein", perceptual=features, adv_weight=0.5)
    twin = copy.deepcopy(gan)
    joint, networks = data().joint, twin.networks()
    codes = twin.encoder(joint)
    drawn = twin.decoder(codes)
    *fake, verdict = networks["discriminator_image"](drawn)
    *real, _ = networks["discriminator_image"](joint)
    if features == "encoder":
        frozen = copy.deepcopy(twin.encoder.features).requires_grad_(False)
        real, fake = [frozen(joint)], [frozen(drawn)]
    distance: Tensor = sum((r.detach() - f).square().mean() for r, f in zip(real, fake, strict=True)) / len(real)
    adversarial = -networks["discriminator_latent"](codes).mean() - verdict.mean() + 100 * distance
    loss = 0.5 * (drawn - joint).square().mean() + 0.5 * adversarial
    losses = step_and_compare(gan, "autoencoder", loss, twin)
    assert losses["perceptual"].item() == pytest.approx(float(distance.detach()), rel=1e-4)
    assert gan.metadata == {"perceptual": features}


@pytest.mark.parametrize("loss", ["wasserstein", "wasserstein_plain", "least_squares"])
def test_the_critic_of_codes(loss: str) -> None:
    gan = small(loss=loss, image_critic="off", critic_steps=1, penalty_weight=3.0)
    twin = copy.deepcopy(gan)
    critic, rng = twin.networks()["discriminator_latent"], stream(7)
    fake = twin.encode(data().joint)
    real = torch.randn(3, 5, generator=rng)
    if loss == "least_squares":
        expected = 0.5 * (critic(real) - 1).square().mean() + 0.5 * critic(fake).square().mean()
    else:
        expected = critic(fake).mean() - critic(real).mean()
    if loss == "wasserstein":
        share = torch.rand(3, 1, generator=rng)
        mixed = (share * real + (1 - share) * fake).requires_grad_(True)
        (slope,) = torch.autograd.grad(critic(mixed).sum(), mixed, create_graph=True)
        expected = expected + 3 * (slope.norm(dim=1) - 1).square().mean()
    step_and_compare(gan, "discriminator_latent", expected, twin)
    assert ("loss" in gan.metadata) == (loss == "wasserstein_plain")


@pytest.mark.parametrize("loss", LOSSES)
def test_steps_of_the_critics(loss: str) -> None:
    gan = small(loss=loss)
    losses = gan.step(data(), stream(), 0.0)
    assert all(torch.isfinite(value) for value in losses.values())
    assert losses["bad"] == 0
    steps = {name: int(next(iter(o.state.values()))["step"]) for name, o in gan.optimizers().items()}
    assert steps.pop("autoencoder") == 1
    assert set(steps.values()) == {5 if loss in ("wasserstein", "perceptual_wasserstein") else 1}
    assert AaeConfig(loss=loss, critic_steps=3).steps_of_critics == 3


def test_it_learns_to_copy() -> None:
    gan = small(learning_rate=2e-3, latent=8)
    y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    discs = [((y - 32) ** 2 + (x - cx) ** 2 < 200).float() * 2 - 1 for cx in (16, 32, 48)]
    mask = torch.stack(discs)[:, None]
    shown = Batch(mask * 0.5, mask, torch.zeros(3, dtype=torch.int64))
    before = (gan.vary(shown.joint, stream(), 0.0) - shown.joint).square().mean()
    for step in range(60):
        gan.step(shown, stream(step), step / 60)
    after = (gan.vary(shown.joint, stream(), 0.0) - shown.joint).square().mean()
    assert after < 0.1 * before


# -------------------------------------------------------------------------------------------------------------- VGG19


@pytest.fixture(scope="module")
def weight_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    tensors = {f"features.{key}": value for key, value in Vgg19().layers.state_dict().items()}
    path = tmp_path_factory.mktemp("weights") / "vgg19.pth"
    torch.save({**tensors, "features.16.weight": tensors["features.14.weight"]}, path)
    return path


def test_vgg19_compares_the_image_channels(weight_file: Path) -> None:
    gan = small(loss="perceptual_wasserstein", vgg19_weights=str(weight_file), image_critic="off", adv_weight=1.0)
    digest = hashlib.sha256(weight_file.read_bytes()).hexdigest()
    assert gan.metadata == {
        "perceptual": "vgg19 conv3_3",
        "perceptual_file": "vgg19.pth",
        "perceptual_sha256": digest,
    }
    twin = copy.deepcopy(gan)
    joint = data().joint
    codes = twin.encoder(joint)
    phi = twin._vgg19[0]
    grey = [x[:, :1].repeat(1, 3, 1, 1) for x in (joint, twin.decoder(codes))]
    distance = (phi(grey[0]) - phi(grey[1])).square().mean()
    verdict = -twin.networks()["discriminator_latent"](codes).mean()
    losses = step_and_compare(gan, "autoencoder", verdict + 100 * distance, twin)
    assert losses["perceptual"].item() == pytest.approx(distance.item(), rel=1e-4)
    assert not any("vgg" in key for key in gan.state()[0])


def test_samples_need_no_weight_file_and_training_refuses_a_wrong_one() -> None:
    gan = small(loss="perceptual_wasserstein", vgg19_weights="gone.pth")
    assert gan.sample(stream()).shape == (1, 2, 64, 64)
    with pytest.raises(UserError, match=r"Cannot read gone\.pth: No such file"):
        gan.step(data(), stream(), 0.0)


def test_which_features() -> None:
    assert AaeConfig().features == ""
    perceptual = AaeConfig(loss="perceptual_wasserstein")
    assert perceptual.features == "disc"
    assert perceptual.replace(image_critic="off").features == "encoder"
    assert perceptual.replace(vgg19_weights="a.pth").features == "vgg19"
    assert perceptual.replace(perceptual="vgg19").features == "vgg19"
    with pytest.raises(
        UserError, match=r"Features of the image critic are chosen \(perceptual: disc\), but image_critic is off"
    ):
        perceptual.replace(image_critic="off", perceptual="disc")
    with pytest.raises(UserError, match="AAE takes"):
        AaeConfig().check_tile(96)


def test_a_run_says_whose_features_it_compares_and_resumes_with_the_same(weight_file: Path, tmp_path: Path) -> None:
    project = Project(tmp_path / "project")
    for seed in range(2):
        pair = organoid_brightfield(seed, 64)
        add_pair(project, SamplePair(f"o{seed}", pair.image, pair.labels, pixel_size=(4.3, 4.3)), "binary")
    file = tmp_path / "vgg19.pth"
    file.write_bytes(weight_file.read_bytes())
    gan = {"name": "aae", **SMALL, "loss": "perceptual_wasserstein", "vgg19_weights": str(file), "critic_steps": 1}
    recipe = Recipe.parse(
        {
            "gan": gan,
            "tiles": {"size": 64},
            "train": {"steps": 1, "batch": 2, "threads": 1, "precision": "float32", "device": "cpu"},
        }
    )
    started, *_ = train(project, recipe, Control(), tmp_path / "run")
    assert isinstance(started, Started)
    assert started.info["notes"]["perceptual"] == "vgg19 conv3_3"
    assert Run(tmp_path / "run").metadata.notes == started.info["notes"]
    other = torch.load(file, weights_only=True)
    other["features.0.bias"] += 1
    torch.save(other, file)
    with pytest.raises(UserError, match="Put the file back that it was trained with"):
        list(train(project, recipe.override("train.steps=2"), Control(), tmp_path / "run", resume=True))


SKIPS = AaeConfig(channels=8, max_channels=16, width=16, discriminator_channels=8, skips=True)


def test_an_autoencoder_with_skips_keeps_the_contract_of_generators() -> None:
    check_generator(SKIPS)


def test_skips_reach_copies_and_variations_and_not_new_samples() -> None:
    aae = Aae(SKIPS, PairSpec(64, 1, 1))
    pairs = torch.rand(2, 2, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1
    codes, seen = aae._looked_at(pairs)
    assert torch.equal(codes, aae.encode(pairs))
    assert [one.shape[1:] for one in seen] == [(8, 32, 32), (16, 16, 16), (16, 8, 8)]
    with torch.no_grad():
        with_skips, alone = aae.decoder(codes, seen), aae.decoder(codes)
        torch.testing.assert_close(alone, aae.decoder(codes, [torch.zeros_like(one) for one in seen]))
    assert not torch.allclose(with_skips, alone)
    torch.testing.assert_close(aae.vary(pairs, torch.Generator(), sigma=0), with_skips)
    latents = torch.zeros(1, aae.latent)
    torch.testing.assert_close(aae.draw(latents), aae.decoder(aae.cloud.place(latents)).detach())


def test_copies_with_skips_are_sharper_than_those_of_codes_alone() -> None:
    aae = Aae(SKIPS.replace(image_critic="off", learning_rate=2e-3), PairSpec(64, 1, 0))
    pairs = torch.rand(4, 1, 64, 64, generator=torch.Generator().manual_seed(1)) * 2 - 1  # no code keeps noise
    batch = Batch(pairs, torch.empty(4, 0, 64, 64), torch.zeros(4, dtype=torch.int64))
    for step in range(60):
        aae.step(batch, torch.Generator().manual_seed(step), step / 60)
    copies = aae.vary(pairs, torch.Generator(), sigma=0)
    with torch.no_grad():
        alone = aae.decoder(aae.encode(pairs))
    assert functional.mse_loss(copies, pairs) < 0.8 * functional.mse_loss(alone, pairs)


def test_skips_need_convolutions() -> None:
    with pytest.raises(UserError, match=r"skips.*'mlp'"):
        AaeConfig.parse({"skips": True, "network": "mlp"})
