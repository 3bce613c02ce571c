"""Trained U-Nets as model packages of the zoo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pictures import encode_png
from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.core.segmentation.catalog import TrainedSegmenter
from napari_organoid_synth.core.segmentation.segmenters.base import load_segmenter
from napari_organoid_synth.core.segmentation.segmenters.config import DESCRIPTION
from napari_organoid_synth.core.segmentation.segmenters.config import WEIGHTS as OWN_WEIGHTS
from napari_organoid_synth.core.segmentation.segmenters.network_input import CLIP, HIGH, LOW, intensity_range, normalise
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.zoo.generators import discs
from napari_organoid_synth.core.zoo.package import WEIGHTS, authors_of, axis, npy, write_package, zoo_name
from napari_organoid_synth.core.zoo.pages import cited, unet_page
from napari_organoid_synth.core.zoo.tracing import Shares, traced

SIDE = 128
"""Of the test image, px, or the least that the network takes."""


def write_segmenter_package(trained: TrainedSegmenter, path: Path, settings: ShareSettings, day: str = "") -> None:
    """Write a trained U-Net as a model package, with its own files attached.

    Parameters
    ----------
    trained : TrainedSegmenter
        Of the U-Net.
    path : Path
        Ends with ``.zip``.
    settings : ShareSettings
        Licence, authors, name, note.
    day : str
        As ``2026-01-31``; today when empty.

    Raises
    ------
    UserError
        Of another segmenter, of one that sees whole images, and without licence or author.
    """
    authors = authors_of(settings)
    segmenter = load_segmenter(trained.path, "cpu")
    if not isinstance(segmenter, UNet) or segmenter.config.sees_whole:
        kind = "a U-Net for whole images" if isinstance(segmenter, UNet) else segmenter.config.name
        raise UserError(
            f"{trained.name} is {kind}.",
            "Expected a U-Net that learned from crops of images.",
            "Copy its folder to share it.",
        )
    spec, unit = segmenter.spec, 2**segmenter.config.depth
    classes = ["background", *(("inside", "outline") if spec.mask_kind == "instances" else spec.class_names)]
    image = _example(spec.channels, max(SIDE, 2 * unit))
    normalised = normalise(image, *intensity_range(image)).astype(np.float32)[None]
    network = segmenter.network.requires_grad_(False).eval()
    network._forward_hooks.clear()  # they read numbers back, which a recorded network cannot
    script, outputs = traced(Shares(network), [torch.from_numpy(normalised)])
    shares = outputs[0].numpy()
    name = settings.name or f"{trained.arm or trained.path.name} U-Net"
    sizes = {"min": 2 * unit, "step": unit}
    reference = [axis(kind, size={"tensor_id": "image", "axis_id": kind}) for kind in "yx"]
    channels = [f"channel {number + 1}" for number in range(spec.channels)]
    scale = {"axes": ["y", "x"], "min_percentile": LOW, "max_percentile": HIGH}
    inputs = {
        "id": "image",
        "axes": [axis("batch"), axis("channel", channel_names=channels), *(axis(kind, size=sizes) for kind in "yx")],
        "test_tensor": {"source": "image.npy"},
        "data": {"type": "float32"},
        "preprocessing": [
            {"id": "scale_range", "kwargs": scale},
            {"id": "clip", "kwargs": {"min": CLIP[0], "max": CLIP[1]}},
        ],
    }
    outputs_of: dict[str, Any] = {
        "id": "shares",
        "axes": [axis("batch"), axis("channel", channel_names=classes), *reference],
        "test_tensor": {"source": "shares.npy"},
        "data": {"type": "float32", "range": [0, 1]},
    }
    rdf = {
        "name": zoo_name(name),
        "description": f"Segments microscopy images: {', '.join(classes)}.",
        "authors": authors,
        "cite": cited("unet"),
        "license": settings.licence,
        "documentation": {"source": "README.md"},
        "covers": [{"source": "cover.png"}],
        "tags": ["2d", "segmentation", "unet", "pytorch"],
        "attachments": [{"source": DESCRIPTION}, {"source": OWN_WEIGHTS}],
        "inputs": [inputs],
        "outputs": [outputs_of],
        "weights": {"torchscript": {"source": WEIGHTS, "pytorch_version": torch.__version__.partition("+")[0]}},
    }
    page = unet_page(name, settings.note, classes, f"sides are multiples of {unit} px, at least {2 * unit}")
    own = {key: (trained.path / key).read_bytes() for key in (DESCRIPTION, OWN_WEIGHTS)}
    tests = {"image.npy": npy(image[None]), "shares.npy": npy(shares)}
    files = {"README.md": page.encode(), "cover.png": _cover(image, shares), WEIGHTS: script, **own, **tests}
    write_package(path, rdf, files, day)


def _example(channels: int, side: int) -> NDArray[np.float32]:
    """Return an image (C, side, side) with four bright discs and noise, no real one."""
    rng = np.random.default_rng(0)
    image = np.where(discs(side, 4) > 0, 900.0, 200.0) + rng.normal(0, 40, (channels, side, side))
    example: NDArray[np.float32] = np.rint(image).clip(0).astype(np.float32)
    return example


def _cover(image: NDArray[np.float32], shares: NDArray[np.float32]) -> bytes:
    """Draw test image and share of the objects side by side, as PNG."""
    grey = (image[0] - image[0].min()) / np.ptp(image[0])
    both = np.concatenate([grey, 1 - shares[0, 0]], axis=1)
    return encode_png(np.repeat(np.rint(255 * both)[..., None], 3, axis=2).astype(np.uint8))
