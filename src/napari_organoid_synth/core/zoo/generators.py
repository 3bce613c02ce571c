"""Trained generators as model packages of the zoo."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.runs.model_file import ModelFile, read_model_file
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.runs.settings import ShareSettings
from napari_organoid_synth.core.runs.sharing import tensors_of, write_model_file
from napari_organoid_synth.core.zoo.package import WEIGHTS, authors_of, axis, npy, write_package, zoo_name
from napari_organoid_synth.core.zoo.pages import cited, generator_page
from napari_organoid_synth.core.zoo.tracing import CPU, DrawnTile, traced

if TYPE_CHECKING:
    from collections.abc import Sequence

ATTACHED = "model.synth"
SEED = 0
"""Of the noise of the test."""


def write_generator_package(run: Run, path: Path, settings: ShareSettings, day: str = "") -> ModelFile:
    """Write a checkpoint of a run as a model package, with its ``.synth`` file attached.

    Parameters
    ----------
    run : Run
        Of a generator that trains.
    path : Path
        Ends with ``.zip``.
    settings : ShareSettings
        Checkpoint, licence, authors, note.
    day : str
        As ``2026-01-31``; today when empty.

    Returns
    -------
    ModelFile
        The attached one, as it was written.

    Raises
    ------
    UserError
        As `write_model_file`; also without an author, and of a generator that has no network.
    """
    authors = authors_of(settings)
    if not run.recipe.gan.trains:
        raise UserError(
            f"{run.recipe.gan.name} paints with pieces of real images and has no network.",
            "Expected a trained network, as the zoo holds them.",
            "Share it as a .synth file.",
        )
    with tempfile.TemporaryDirectory() as folder:
        model_file = write_model_file(run, Path(folder) / ATTACHED, settings, day)
        attached = (Path(folder) / ATTACHED).read_bytes()
        tensors = tensors_of(read_model_file(Path(folder) / ATTACHED))
    generator = new_generator(run.recipe, run.spec, draws_only=True).to(CPU)
    generator.load_shared_state(tensors, model_file.card.numbers)
    tile = DrawnTile(generator)
    inputs, given = _inputs(tile, run.codec)
    script, outputs = traced(tile, [torch.from_numpy(array) for array in given])
    described = _outputs(run, [array.numpy() for array in outputs])
    tests = {f"{one['id']}.npy": npy(array) for one, array in zip(inputs, given, strict=True)}
    tests |= {f"{one['id']}.npy": npy(array) for one, array in described}
    card = model_file.card
    rdf = {
        "name": zoo_name(card.name),
        "description": f"Draws synthetic microscopy images: {card.generator}, trained on {card.pairs} images.",
        "authors": authors,
        "cite": cited(card.generator),
        "license": card.licence,
        "documentation": {"source": "README.md"},
        "covers": [{"source": "cover.png"}],
        "tags": ["2d", "synthetic", "image-synthesis", "pytorch", card.generator],
        "attachments": [{"source": ATTACHED}],
        "inputs": inputs,
        "outputs": [one for one, _ in described],
        "weights": {"torchscript": {"source": WEIGHTS, "pytorch_version": torch.__version__.partition("+")[0]}},
    }
    page = generator_page(card, run.codec, inputs, tile.noise is None)
    files = {"README.md": page.encode(), "cover.png": model_file.preview, WEIGHTS: script, ATTACHED: attached, **tests}
    write_package(path, rdf, files, day)
    return model_file


def _inputs(tile: DrawnTile, codec: Codec) -> tuple[list[dict[str, Any]], list[NDArray[np.float32]]]:
    """Return the descriptions of the inputs, and an example of each."""
    described, given = [], []
    if tile.condition is not None:
        mask = codec.encode_condition(discs(tile.condition[-1], len(codec.class_names)))[None]
        described.append(
            _tensor("mask", mask.shape, condition_names(codec), "The encoded mask, see the documentation.")
        )
        given.append(mask.astype(np.float32))
    if tile.noise is not None:
        noise = torch.randn(tile.noise, generator=torch.Generator().manual_seed(SEED)).numpy()
        names = [f"noise {number + 1}" for number in range(tile.noise[1])]
        described.append(_tensor("noise", tile.noise, names, "Numbers of N(0, 1); others give another image."))
        given.append(noise)
    if not given:
        raise UserError("The generator always draws the same.", "Expected one with noise or a mask.", "")
    return described, given


def _outputs(run: Run, arrays: Sequence[NDArray[np.float32]]) -> list[tuple[dict[str, Any], NDArray[np.float32]]]:
    """Return description and test of each output: images in native intensity, masks as they are encoded."""
    codec = run.codec
    found: list[tuple[dict[str, Any], NDArray[np.float32]]] = []
    for array in arrays:
        if run.spec.image_channels and not found:
            low, high = (np.array(ends, np.float64) for ends in (codec.low, codec.high))
            gain, offset = (high - low) / 2, (high + low) / 2
            names = codec.channel_names or [f"channel {number + 1}" for number in range(len(low))]
            image = _tensor("image", array.shape, names, "The image, in the intensities of the originals.")
            scale = {"axis": "channel", "gain": gain.tolist(), "offset": offset.tolist()}
            image["postprocessing"] = [{"id": "scale_linear", "kwargs": scale}]
            scaled = array * gain[:, None, None] + offset[:, None, None]
            found.append((image, scaled.astype(np.float32)))
        else:
            names = [f"mask {number + 1}" for number in range(array.shape[1])]
            mask = _tensor("drawn_mask", array.shape, names, "The encoded mask of the image, see the documentation.")
            found.append((mask, array))
    return found


def _tensor(name: str, shape: Sequence[int], channels: Sequence[str], text: str) -> dict[str, Any]:
    """Describe a tensor (1, C, Y, X) or (1, C) of fixed size."""
    sides = [axis(kind, size=int(size)) for kind, size in zip("yx", shape[2:], strict=False)]
    return {
        "id": name,
        "description": text,
        "axes": [axis("batch"), axis("channel", channel_names=channels), *sides],
        "test_tensor": {"source": f"{name}.npy"},
        "data": {"type": "float32"},
    }


def condition_names(codec: Codec) -> list[str]:
    """Return the names of the channels that a painter sees."""
    classes = list(codec.class_names) if codec.mask_kind == "classes" else ["object"]
    names = {
        "classes": classes,
        "edges": [*classes, "edge"],
        "flow": ["flow y", "flow x", "inside"],
        "labels": ["label"],
    }
    return names[codec.condition]


def discs(side: int, classes: int) -> NDArray[np.int32]:
    """Return a mask (side, side) with four discs, numbered 1 to 4 or as many classes as there are."""
    rows, columns = np.mgrid[:side, :side] / side
    labels = np.zeros((side, side), np.int32)
    for number, (y, x) in enumerate(((0.25, 0.3), (0.3, 0.75), (0.7, 0.25), (0.72, 0.7))):
        labels[(rows - y) ** 2 + (columns - x) ** 2 < (0.12 + 0.02 * number) ** 2] = number % max(classes, 1) + 1
    return labels
