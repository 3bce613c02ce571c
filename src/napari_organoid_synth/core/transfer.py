"""Start a training from the weights of another."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import Tensor

from napari_organoid_synth.core.bundle import SUFFIX, read_bundle
from napari_organoid_synth.core.codec import PairSpec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.recipe import StartSettings
from napari_organoid_synth.core.run import Run
from napari_organoid_synth.core.share import tensors_of

if TYPE_CHECKING:
    from napari_organoid_synth.core.gans.base import Gan

TORCH_FILES = (".pt", ".pth")


@dataclass(frozen=True)
class Weights:
    """Networks of an earlier training.

    Parameters
    ----------
    source : str
        In words: ``"run 20260101-000000-train"``.
    sha256 : str
        Of the file with the tensors.
    tensors : dict of str to Tensor
        ``network/NAME/KEY``, as `Gan.state` names them.
    generator : str
        Name of the generator; empty when the file does not say.
    spec : PairSpec, optional
        What it took and gave.
    data : dict of str to str
        Hashes of the pairs that it learned from.
    class_names : tuple of str
        Of its masks.
    """

    source: str
    sha256: str
    tensors: dict[str, Tensor]
    generator: str = ""
    spec: PairSpec | None = None
    data: dict[str, str] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()


def find_weights(project: Project, start: StartSettings) -> Weights:
    """The weights that ``start.run`` names.

    Raises
    ------
    UserError
        If there is no such run or file, or it is damaged or not ours.
    """
    text = start.run
    file = next((path for path in (Path(text).expanduser(), project.path / text) if path.is_file()), None)
    if Path(text).suffix.lower() in TORCH_FILES and file:
        return _from_torch(file)
    if Path(text).suffix.lower() == SUFFIX:
        bundle = read_bundle(file or Path(text).expanduser())
        card = bundle.card
        tensors = tensors_of(bundle)
        digest = card.sha256["model.safetensors"]
        classes = bundle.codec.class_names
        return Weights(f"file {bundle.path.name}", digest, tensors, card.generator, bundle.spec, bundle.data, classes)
    folders = [
        path for path in (project.path / "runs" / text, Path(text).expanduser()) if (path / "codec.json").exists()
    ]
    if not folders:
        names = ", ".join(path.name for path in project.runs())
        raise UserError(
            f"There is no run or file '{text}' to start from.",
            f"Expected the name of a run{f' ({names})' if names else ''}, the folder of one, or a {SUFFIX} file.",
            "Change start.run, or leave it empty to start from random weights.",
        )
    run = Run(folders[0])
    checkpoint, tensors = run.read(run.pick(start.checkpoint))
    data = run.note().get("data", {})
    generator: Any = run.recipe.gan
    return Weights(f"run {run.name}", checkpoint.sha256, tensors, generator.name, run.spec, data, run.codec.class_names)


def take_over(gan: Gan, name: str, weights: Weights, class_names: tuple[str, ...] = ()) -> str:
    """Give the networks of a generator the weights of another of the same kind; says in words how many.

    Parameters
    ----------
    gan : Gan
        Before its first step.
    name : str
        Name of the generator.
    weights : Weights
        As `find_weights` gives them.
    class_names : tuple of str
        Of the masks of the training that starts.

    Raises
    ------
    UserError
        If they are of another kind, or none of them fits.
    """
    what = weights.source[:1].upper() + weights.source[1:]
    if weights.generator and weights.generator != name:
        raise UserError(
            f"{what} is a '{weights.generator}'.",
            f"Expected '{name}', the generator of this training.",
            f"Start from a run of {name}, or train a {weights.generator}.",
        )
    wanted = {f"network/{part}/{key}" for part, network in gan.networks().items() for key in network.state_dict()}
    if not weights.generator and (foreign := sorted(weights.tensors.keys() - wanted)):
        raise _not_ours(what, foreign[0], name)
    taken, left = gan.adopt(weights.tensors)
    if not taken:
        raise UserError(
            f"None of the {left} tensors of this {name} is in {weights.source} with the same name and shape.",
            "Expected a run with similar settings.",
            "Choose the same numbers of feature maps and the same tile size as there.",
        )
    words = f"took over {taken} of {taken + left} tensors from {weights.source}"
    if left:
        there, here = weights.spec, gan.spec
        same = there and (there.image_channels, there.mask_channels) == (here.image_channels, here.mask_channels)
        one = left == 1
        why = "settings" if same or not there else "channels"
        words += f"; {left} start{'s' * one} anew because the {why} differ"
    if class_names and weights.class_names and class_names != weights.class_names:
        words += f"; {', '.join(weights.class_names)} there, {', '.join(class_names)} here"
    return words


def _from_torch(path: Path) -> Weights:
    """Tensors of a PyTorch file: ``network/NAME/KEY``, or a state dict for each NAME; nothing else is ever built."""
    import torch

    try:
        data = path.read_bytes()
        with warnings.catch_warnings():  # of an unusual pickle: it is refused or plain, and the sentence below says so
            warnings.simplefilter("ignore")
            found = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, ValueError, EOFError, KeyError, AttributeError, TypeError):
        raise UserError(
            f"{path.name} is no plain file of weights.",
            "Expected tensors alone; files with other objects could run programs and are not opened.",
            f"Use a run, or a {SUFFIX} file.",
        ) from None
    tensors: dict[str, Tensor] = {}
    for name, value in found.items() if isinstance(found, dict) else ():
        parts = {f"network/{name}/{key}": part for key, part in value.items()} if isinstance(value, dict) else {}
        tensors |= parts or {str(name): value}
    strange = [key for key, value in tensors.items() if not (isinstance(value, Tensor) and key.startswith("network/"))]
    if strange or not tensors:
        raise _not_ours(path.name, str(strange[0]) if strange else "nothing", "generator of this training")
    return Weights(f"file {path.name}", hashlib.sha256(data).hexdigest(), tensors)


def _not_ours(what: str, key: str, name: str) -> UserError:
    return UserError(
        f"{what} holds '{key}', which is no tensor of a {name}.",
        "Expected the names that checkpoints here have, such as network/generator/….",
        "Weights of other programs do not fit; start from a run or a .synth file.",
    )
