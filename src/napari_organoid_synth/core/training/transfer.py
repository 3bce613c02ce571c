"""Start a training from the weights of another."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import capital
from napari_organoid_synth.core.recipe import StartSettings
from napari_organoid_synth.core.runs.metadata import StartingPoint
from napari_organoid_synth.core.runs.model_file import SUFFIX, read_model_file
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.runs.sharing import tensors_of

if TYPE_CHECKING:
    from napari_organoid_synth.core.generators.base import Generator


@dataclass(frozen=True)
class Weights:
    """Weights of an earlier training.

    Parameters
    ----------
    source : str
        Such as ``"run 20260101-000000-train"``, which stays.
    sha256 : str
        Of the file with the tensors.
    tensors : dict of str to Tensor
        ``network/NAME/KEY``, as `Generator.state` names them.
    generator : str
        Name of the generator.
    spec : PairSpec
        Input and output of its network.
    data : dict of str to str
        Hashes of the pairs that it learned from.
    class_names : tuple of str
        Of its masks.
    title : str
        As ``source``, with the name that the run has in sentences.
    """

    source: str
    sha256: str
    tensors: dict[str, Tensor]
    generator: str
    spec: PairSpec
    data: dict[str, str] = field(default_factory=dict)
    class_names: tuple[str, ...] = ()
    title: str = ""


def find_weights(project: Project, start: StartSettings) -> Weights:
    """Find the weights that ``start.run`` names.

    Raises
    ------
    UserError
        If there is no such run or file, or it is damaged or not ours.
    """
    text = start.run
    file = next((path for path in (Path(text).expanduser(), project.path / text) if path.is_file()), None)
    if Path(text).suffix.lower() == SUFFIX:
        model_file = read_model_file(file or Path(text).expanduser())
        card = model_file.card
        tensors = tensors_of(model_file)
        digest = card.sha256["model.safetensors"]
        classes, title = model_file.codec.class_names, f"file {model_file.path.name}"
        return Weights(title, digest, tensors, card.generator, model_file.spec, model_file.data, classes, title)
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
    return Weights(
        f"run {run.name}",
        checkpoint.sha256,
        tensors,
        run.recipe.gan.name,
        run.spec,
        run.seen,
        run.codec.class_names,
        run.title,
    )


def start_from(run: Run, generator: Generator, weights: Weights) -> str:
    """Give a new run the weights of an earlier training and record their origin; returns a summary.

    The pairs that the earlier training has seen count as seen by this one.

    Raises
    ------
    UserError
        If they are of another kind, or none of them fits.
    """
    try:
        message = transfer_weights(generator, run.recipe.gan.name, weights, run.codec.class_names)
    except UserError:
        (run.path / "recipe.yaml").unlink()  # nothing began: the folder is not a run
        raise
    data = {f"{name} ({weights.source})": digest for name, digest in weights.data.items()}
    start = StartingPoint(source=weights.source, sha256=weights.sha256, message=message)
    run.update_metadata(start=start, data={**run.seen, **data})
    return f"{message[:1].upper()}{message[1:]}."


def transfer_weights(generator: Generator, name: str, weights: Weights, class_names: tuple[str, ...] = ()) -> str:
    """Give the networks of a generator the weights of another of the same kind; returns their number, in words.

    Parameters
    ----------
    generator : Generator
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
    if weights.generator != name:
        raise UserError(
            f"{capital(weights.title)} is a '{weights.generator}'.",
            f"Expected '{name}', the generator of this training.",
            f"Start from a run of {name}, or train a {weights.generator}.",
        )
    n_loaded, n_initial = generator.load_matching_weights(weights.tensors)
    if not n_loaded:
        raise UserError(
            f"None of the {n_initial} tensors of this {name} is in {weights.title} with the same name and shape.",
            "Expected a run with similar settings.",
            "Choose the same numbers of feature maps and the same tile size as there.",
        )
    message = f"took over {n_loaded} of {n_loaded + n_initial} tensors from {weights.title}"
    if n_initial:
        there, here = weights.spec, generator.spec
        has_same_channels = (there.image_channels, there.mask_channels) == (here.image_channels, here.mask_channels)
        difference = "settings" if has_same_channels else "channels"
        message += f"; {n_initial} keep{'s' * (n_initial == 1)} random values because the {difference} differ"
    if class_names and weights.class_names and class_names != weights.class_names:
        message += f"; {', '.join(weights.class_names)} there, {', '.join(class_names)} here"
    return message
