"""Perceptual distance: compare images by the features of a trained network.

VGG19 is downloaded only on request: the settings give a file, or name torchvision's own loader.
"""

from __future__ import annotations

import hashlib
from importlib import import_module
from pathlib import Path

import torch
from torch import Tensor, nn

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.weight_files import read_weights

WIDTHS = (64, 64, 0, 128, 128, 0, 256, 256)
"""Feature maps of the convolutions up to conv3_2; 0 is a pooling."""
NEXT = "features.16.weight"
"""Weight of conv3_4, which VGG16 lacks; its first seven convolutions are like those of VGG19."""
EXPECTED = "Expected the state dict of torchvision's VGG19 as .safetensors, .pth or .pt."
TODO = "Choose that file, or set perceptual to disc."


class Vgg19(nn.Module):
    """VGG19 (Simonyan 2015) up to ``conv3_3`` before its ReLU, which is torchvision's feature layer 14.

    The layers carry torchvision's numbers: ``layers[14]`` is its ``features.14``.
    """

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inside = 3
        for width in WIDTHS:
            layers += [nn.Conv2d(inside, width, 3, 1, 1), nn.ReLU()] if width else [nn.MaxPool2d(2)]
            inside = width or inside
        self.layers = nn.Sequential(*layers, nn.Conv2d(inside, 256, 3, 1, 1))
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1), persistent=False)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> Tensor:
        """Compute features of images.

        Parameters
        ----------
        images : Tensor (N, C, Y, X) float32 in [-1, 1]
            Three channels are red, green and blue; otherwise each channel is a grey image.

        Returns
        -------
        Tensor (N, 256, Y/4, X/4), or (N · C, 256, Y/4, X/4)
        """
        if images.shape[1] != 3:
            images = images.flatten(0, 1)[:, None].expand(-1, 3, -1, -1)
        features: Tensor = self.layers(((images + 1) / 2 - self.mean) / self.std)
        return features


def load_vgg19(file: str, todo: str = TODO) -> tuple[Vgg19, dict[str, str]]:
    """Load VGG19 with the weights of a file.

    Parameters
    ----------
    file : str
        State dict in torchvision's layout; empty asks torchvision, which must be installed, to load its own.
    todo : str
        Advice in the message about an unusable file.

    Returns
    -------
    Vgg19
    dict
        ``perceptual`` (which layer), ``perceptual_file`` (name) and ``perceptual_sha256`` of the file.

    Raises
    ------
    UserError
        If the file cannot be read, holds anything but tensors, or is not VGG19.
    """
    path = Path(file) if file else _torchvision_file()
    network = Vgg19()
    tensors = read_weights(path, EXPECTED, todo)
    expected = {f"features.{key}": value for key, value in network.layers.state_dict().items()}
    for key, like in {**expected, NEXT: expected["features.14.weight"]}.items():
        tensor = tensors.get(key)
        if not isinstance(tensor, Tensor) or tensor.shape != like.shape:
            problem = f"of shape {tuple(tensor.shape)}" if isinstance(tensor, Tensor) else "missing"
            raise UserError(f"{path.name} is not VGG19: its '{key}' is {problem}.", EXPECTED, todo)
    network.layers.load_state_dict({key.removeprefix("features."): tensors[key].float() for key in expected})
    return network, {
        "perceptual": "vgg19 conv3_3",
        "perceptual_file": path.name,
        "perceptual_sha256": _sha256(path),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _torchvision_file() -> Path:
    """Return the file of torchvision's VGG19 weights, after torchvision has downloaded and checked it."""
    try:
        weights = import_module("torchvision.models").VGG19_Weights.IMAGENET1K_V1
    except (ImportError, RuntimeError):  # the latter if it was built for another torch
        raise UserError(
            "VGG19 is asked for without a weight file, and torchvision cannot be imported.",
            "Expected a file of VGG19 weights, or torchvision.",
            "Set vgg19_weights to a file, install torchvision, or set perceptual to disc.",
        ) from None
    try:
        weights.get_state_dict(progress=False, check_hash=True)
    except (OSError, RuntimeError) as error:
        raise UserError(f"torchvision could not load VGG19: {error}.", "", TODO) from None
    return Path(torch.hub.get_dir()) / "checkpoints" / str(weights.url).rsplit("/", 1)[-1]
