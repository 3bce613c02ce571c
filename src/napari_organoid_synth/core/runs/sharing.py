"""Write a trained generator as one file, and import such a file into a project."""

from __future__ import annotations

import datetime
import json
import shutil
from contextlib import suppress
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth import __version__
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.pairs.pair import RGB
from napari_organoid_synth.core.pairs.pair_format import FormatOf
from napari_organoid_synth.core.pairs.pictures import decode_png, encode_png, outline, picture
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.recipe import Recipe, StartSettings
from napari_organoid_synth.core.runs.card import LICENCES, Card
from napari_organoid_synth.core.runs.files import read_preview
from napari_organoid_synth.core.runs.metadata import ImportedFile
from napari_organoid_synth.core.runs.model_file import SUFFIX, TODO, ModelFile, pack_model_file, read_model_file
from napari_organoid_synth.core.runs.run import Run, new_generator
from napari_organoid_synth.core.runs.settings import ShareSettings

if TYPE_CHECKING:
    from torch import Tensor

    from napari_organoid_synth.core.generators.base import Generator

MAX_SAMPLES, MAX_SIDE = 4, 256  # in a preview; the side in px
OUTLINE_COLOUR = (255, 221, 0)


def write_model_file(run: Run, path: Path, settings: ShareSettings, created: str = "") -> ModelFile:
    """Write a checkpoint of a run as a model file.

    Parameters
    ----------
    run : Run
        With a checkpoint.
    path : Path
        Ends with ``.synth``; the folder is made when missing.
    settings : ShareSettings
        Checkpoint, licence, authors, note. ``settings.run`` is ignored.
    created : str
        Day as ``2026-01-31``; today when empty. The same day, run and settings give the same bytes.

    Returns
    -------
    ModelFile
        As it was written.

    Raises
    ------
    UserError
        If no licence is chosen, or the run has no whole checkpoint.
    """
    from safetensors.torch import save

    if not settings.licence:
        raise UserError(
            "No licence is chosen.",
            f"Expected an SPDX identifier such as {', '.join(LICENCES)}.",
            "Choose under which terms others may use the model; without one nobody may.",
        )
    generator = new_generator(run.recipe, run.spec)
    checkpoint = run.load(generator, run.pick(settings.checkpoint))
    shared = generator.shared_state()
    numbers = {key: float(value) for key, value in generator.state()[1].items()}
    data = sorted(set(run.seen.values()))
    card = Card.parse(
        {
            "name": settings.name or run.name,
            "generator": run.recipe.gan.name,
            "steps": checkpoint.step,
            "images": checkpoint.images_seen,
            "pairs": len(data),
            "data": data,
            "licence": settings.licence,
            "authors": settings.authors,
            "note": settings.note,
            "created": created or datetime.datetime.now(datetime.UTC).date().isoformat(),
            "software": __version__,
            "metrics": checkpoint.scores,
            "numbers": numbers,
            "real_images": 0 if run.recipe.gan.trains else checkpoint.images_seen,
        }
    )
    members = {
        "recipe.yaml": _without_paths(run.recipe).to_yaml().encode("utf-8"),
        "codec.json": json.dumps(run.codec.model_dump(mode="json"), indent=1, ensure_ascii=False).encode("utf-8"),
        "preview.png": _preview(run, checkpoint.step),
        "model.safetensors": save(shared),
    }
    return pack_model_file(path, card, members)


def import_model(project: Project, path: Path, name: str = "") -> Run:
    """Import a model file into a project as a run; one that is there already is not imported twice.

    Parameters
    ----------
    project : Project
        Gets the run.
    path : Path
        A ``.synth`` file.
    name : str
        Name of the run, after the time; that on the card when empty.

    Returns
    -------
    Run
        The new one, or that of the same file which is there already.

    Raises
    ------
    UserError
        As `read_model_file`; also if the tensors are not those of the networks that the recipe describes.
    Misfit
        If it draws other channels, pixels, masks or classes than the real pairs of the project have.
    """
    from safetensors.torch import save

    model_file = read_model_file(path)
    if (real := FormatOf(project.pairs_path).get()) is not None:
        drawn = model_file.codec.format(model_file.recipe.shape)
        todo = f"Import it into a project of such pairs; to start a training from its weights, give start.run={path}."
        real.refuse(drawn, f"The generator in {path.name}", todo)
    for folder in project.runs() if not name else ():
        with suppress(UserError):  # a damaged run is not the one
            imported = (run := Run(folder)).metadata.model_file
            if imported is not None and imported.sha256 == model_file.sha256:
                return run
    image, card = _decoded_preview(model_file), model_file.card
    generator = new_generator(model_file.recipe, model_file.spec)
    numbers = generator.state()[1]
    if numbers.keys() != card.numbers.keys():
        raise UserError(
            f"card.json in {model_file.path.name} has the numbers {', '.join(card.numbers) or 'none'}.",
            f"Expected {', '.join(numbers)}.",
            TODO,
        )
    generator.load_shared_state(tensors_of(model_file), card.numbers)
    state = {key: value for key, value in generator.state()[0].items() if not key.startswith("optimizer/")}
    target = project.path / "runs" / project.next_name("runs", file_stem(name or card.name)[:60])
    part_path = project.path / f".{target.name}.part"
    try:
        run = Run.create(part_path, model_file.recipe, model_file.codec)
        run.put(save(state), card.steps, {**card.numbers, **card.metrics})
        run.write_preview(card.steps, image, np.zeros((1, *image.shape[2:]), np.int32))
        imported = ImportedFile(file=model_file.path.name, sha256=model_file.sha256, steps=card.steps)
        run.update_metadata(steps=card.steps, data=model_file.data, model_file=imported, card=card)
        target.parent.mkdir(exist_ok=True)
        part_path.rename(target)
    except BaseException:
        shutil.rmtree(part_path, ignore_errors=True)
        raise
    return Run(target)


def find_run(project: Project, name: str) -> Run:
    """Find a run of the project by its name, or that of a ``.synth`` file, which is imported when it is not there.

    Without a name the newest that gives images; one that draws masks alone only where there is no other.
    """
    if not name:
        for path in reversed(project.runs()):
            with suppress(UserError):  # it has only begun, or is damaged
                if (run := Run(path)).recipe.shape != "mask":
                    return run
        return Run(project.run_path())
    if Path(name).suffix.lower() != SUFFIX:
        return Run(project.run_path(name))
    path = Path(name).expanduser()
    return import_model(project, path if path.exists() else project.path / name)


def tensors_of(model_file: ModelFile) -> dict[str, Tensor]:
    """Read the tensors of a model file, each checked against the network that its recipe describes.

    Raises
    ------
    UserError
        If one is missing, foreign, of another shape or type, or holds numbers that no trained network has.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    from napari_organoid_synth.core.weight_files import check_weights

    what = f"model.safetensors in {model_file.path.name}"
    try:
        tensors: dict[str, Tensor] = load(model_file.model)
    except (SafetensorError, KeyError, ValueError, RuntimeError, TypeError):
        raise UserError(f"{what} has no tensors.", "Expected safetensors.", TODO) from None
    generator = new_generator(model_file.recipe, model_file.spec)
    if model_file.recipe.gan.trains:
        _check_shapes(model_file, tensors, generator.shared_state())
    else:
        _check_sources(model_file, tensors, generator)
    check_weights(tensors, model_file.path.name, "Expected the weights of a trained network.", TODO, below="network/")
    return tensors


def _check_shapes(model_file: ModelFile, tensors: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Refuse tensors that are not exactly those of the networks of a recipe."""
    what = f"model.safetensors in {model_file.path.name}"
    for key in sorted(tensors.keys() | expected.keys()):
        tensor, expected_tensor = tensors.get(key), expected.get(key)
        if expected_tensor is None:
            raise UserError(
                f"{what} contains {key[:80]!a}.",
                f"A {model_file.card.generator} of its recipe has no such tensor.",
                TODO,
            )
        if tensor is None:
            raise UserError(f"{what} has no '{key}'.", f"Expected {tuple(expected_tensor.shape)}.", TODO)
        if tensor.shape != expected_tensor.shape or tensor.dtype != expected_tensor.dtype:
            raise UserError(
                f"'{key}' in {model_file.path.name} is {tuple(tensor.shape)} {tensor.dtype}.",
                f"Expected {tuple(expected_tensor.shape)} {expected_tensor.dtype}.",
                TODO,
            )


def _check_sources(model_file: ModelFile, tensors: dict[str, Tensor], generator: Generator) -> None:
    """Refuse real pairs that are not of the kind that the codec of a file describes."""
    generator.load_shared_state(tensors, model_file.card.numbers)
    codec = model_file.codec
    for key, tensor in tensors.items():
        found = str(tensor.dtype).removeprefix("torch.")
        if key.endswith("/image") and found != codec.dtype:
            raise UserError(
                f"'{key}' in {model_file.path.name} is {found}.", f"Expected {codec.dtype}, as its codec says.", TODO
            )


def _without_paths(recipe: Recipe) -> Recipe:
    """Return a recipe without the folders of this computer: neither that of a start nor that of a file of weights."""
    gan: Any = recipe.gan
    names = {
        key: PureWindowsPath(value).name  # which knows both kinds of slashes
        for key, value in gan.model_dump().items()
        if isinstance(value, str) and ("/" in value or "\\" in value)
    }
    return recipe.replace(start=StartSettings(), gan=gan.replace(**names))


def _preview(run: Run, step: int) -> bytes:
    """Draw the samples of the newest preview up to a step side by side, below them with outlines, as PNG."""
    before = [(at, path) for at, path in run.previews() if at <= step]
    if not before:
        return encode_png(np.full((MAX_SIDE, MAX_SIDE, 3), 128, np.uint8))
    image, labels = read_preview(before[-1][1])
    imported = run.metadata.model_file
    if imported is not None and before[-1][0] == imported.steps:  # the picture that came with the model
        return encode_png(np.ascontiguousarray(image[0].transpose(1, 2, 0)))
    columns = []
    for sample, mask in zip(image[:MAX_SAMPLES], labels[:MAX_SAMPLES], strict=True):
        stride = -(-max(mask.shape) // MAX_SIDE)
        upper = picture(sample[:, ::stride, ::stride], run.codec.channel_names == RGB)
        lower = upper.copy()
        lower[outline(mask[::stride, ::stride])] = OUTLINE_COLOUR
        columns.append(np.concatenate([upper, lower]))
    return encode_png(np.concatenate(columns, 1))


def _decoded_preview(model_file: ModelFile) -> NDArray[np.uint8]:
    """Decode the preview as an image (1, 3, Y, X)."""
    try:
        image: NDArray[np.uint8] = decode_png(model_file.preview)
    except (OSError, ValueError, SyntaxError):
        image = np.zeros(0, np.uint8)
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise UserError(
            f"preview.png in {model_file.path.name} is not a picture.",
            "Expected a colour picture.",
            "Ask for another file.",
        )
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None])
