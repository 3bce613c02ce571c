"""A training on disk: recipe, codec, checkpoints, previews.

::

    runs/<id>/recipe.yaml  codec.json  run.json
              checkpoints/step_00000500.safetensors  checkpoints/step_00000500.json  previews/step_00000100.npz

A checkpoint counts only when its JSON is there and names size and SHA-256 of the tensors beside it; the JSON is
written last. A process killed at any moment leaves the previous checkpoint whole. Nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth import __version__
from napari_organoid_synth.core.atomic import leads_elsewhere, regular_file, write_bytes, write_text
from napari_organoid_synth.core.codec.codec import Codec
from napari_organoid_synth.core.codec.spec import PairSpec
from napari_organoid_synth.core.errors import UserError, vanished
from napari_organoid_synth.core.plain_values import read_object
from napari_organoid_synth.core.quantities import capital
from napari_organoid_synth.core.recipe import Recipe
from napari_organoid_synth.core.runs.files import SCORE, best_checkpoint, checkpoint_path, checkpoint_steps, previews
from napari_organoid_synth.core.runs.metadata import RunMetadata
from napari_organoid_synth.core.runs.titles import name_of

if TYPE_CHECKING:
    from torch import Tensor

    from napari_organoid_synth.core.generators.base import Generator

T = TypeVar("T")
FORMAT = 1
TODO = "Choose another checkpoint, or copy the run again from where it was trained."


@dataclass(frozen=True)
class Checkpoint:
    """A whole checkpoint.

    Parameters
    ----------
    step : int
    path : Path
        The safetensors file.
    sha256 : str
        Of that file.
    numbers : dict
        Numbers that the generator, its monitor and the training loop record beside the tensors.
    """

    step: int
    path: Path
    sha256: str
    numbers: dict[str, float]

    @property
    def images_seen(self) -> int:
        """Tiles that the generator was shown."""
        return int(self.numbers["seen"])

    @property
    def scores(self) -> dict[str, float]:
        """Scores of the samples of this checkpoint: ``kernel_distance`` and ``diversity``, if known."""
        return {name: self.numbers[name] for name in (SCORE, "diversity") if name in self.numbers}


class Run:
    """The folder of one training.

    Parameters
    ----------
    path : Path
        As `create` made it.

    Raises
    ------
    UserError
        If recipe or codec are missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = Path(path)
        for name in ("recipe.yaml", "codec.json"):
            if not (self.path / name).exists():
                raise UserError(
                    f"{self.path} has no {name}.", "Expected the folder of a training.", "Choose a run of the project."
                )
        self.recipe = Recipe.from_file(self.path / "recipe.yaml")
        self.codec = Codec.from_file(self.path / "codec.json")

    @classmethod
    def create(cls, path: Path, recipe: Recipe, codec: Codec) -> Run:
        """Start a run in a folder, which may exist and contain a job.

        Raises
        ------
        UserError
            If the folder is a run already.
        """
        if (path / "recipe.yaml").exists():
            raise UserError(f"{path} is a run already.", todo="Resume it, or choose another folder.")
        codec.to_file(path / "codec.json")
        recipe.to_file(path / "recipe.yaml")  # last: it makes the folder a run
        return cls(path)

    @property
    def name(self) -> str:
        """Name of the folder."""
        return self.path.name

    @property
    def title(self) -> str:
        """Its name in sentences: ``"run 3"``, or the one that a person gave it."""
        return name_of(self.path)

    @property
    def spec(self) -> PairSpec:
        """Shapes of input and output of the network."""
        return self.recipe.spec(self.codec)

    @property
    def metadata(self) -> RunMetadata:
        """Contents of ``run.json``: pairs, machine, speed."""
        return RunMetadata.read(self.path / "run.json")

    @property
    def seen(self) -> dict[str, str]:
        """Hash of every pair that the networks have seen, by name.

        Raises
        ------
        UserError
            If ``run.json`` is damaged.
        """
        return RunMetadata.read_whole(self.path / "run.json").data

    def update_metadata(self, **changes: Any) -> RunMetadata:
        """Change some values of ``run.json`` and return all of them."""
        metadata = RunMetadata.read_whole(self.path / "run.json").replace(**changes)
        metadata.write(self.path / "run.json")
        return metadata

    def note_steps(self, epochs: int, steps: int) -> None:
        """Write the steps of a training into its recipe, where that counts in epochs."""
        self.recipe = self.recipe.override(f"train.epochs={epochs}", f"train.steps={steps}")
        self.recipe.to_file(self.path / "recipe.yaml")

    def is_complete(self, recipe: Recipe) -> bool:
        """Return whether it has the last checkpoint of a training by a recipe, which differs in its length at most."""
        train, own = recipe.train, self.recipe.train
        if not recipe.gan.trains:
            return bool(self.steps())
        steps = train.steps if not train.epochs else own.steps if train.epochs <= own.epochs else None
        return steps is not None and max(self.steps(), default=0) >= steps

    # ----------------------------------------------------------------------------------------------- checkpoints

    def save(self, gan: Generator, step: int, **numbers: Any) -> Path:
        """Write a checkpoint and delete those older than the newest ``recipe.train.keep``, except the best.

        An earlier checkpoint of the same step stays whole until the new one is: while the tensors are replaced, the
        JSON describes both.
        """
        from safetensors.torch import save

        tensors, own = gan.state()
        # one entry: several are written in random order, and equal weights would differ in their bytes
        data = save(tensors, metadata={"generator": f"{self._generator}, format {FORMAT}"})
        path = self.put(data, step, {**own, **numbers})
        if leads_elsewhere(path.parent, levels=2):  # a person keeps them somewhere else
            return path
        so_far = [old for old in self._headers() if old.name <= path.with_suffix(".json").name]
        best = self.checkpoint_path(self.best() or 0).with_suffix(".json")
        for old in so_far[: -self.recipe.train.keep]:  # a later one is the damaged one that was gone back from
            if old != best:
                old.unlink(missing_ok=True)  # the JSON first: a checkpoint without it does not count
                old.with_suffix(".safetensors").unlink(missing_ok=True)
        return path

    def put(self, data: bytes, step: int, numbers: dict[str, Any]) -> Path:
        """Write the tensors of a checkpoint, already safetensors, and its JSON."""
        self._check_there()
        path = self.checkpoint_path(step)
        header: dict[str, Any] = {
            "format": FORMAT,
            "generator": self._generator,
            "step": step,
            "size": len(data),
            "sha256": hashlib.sha256(data).hexdigest(),
            "numbers": numbers,
            "software": __version__,
        }
        before = self._before(step)
        if before and before["sha256"] != header["sha256"]:
            write_text(path.with_suffix(".json"), json.dumps({**header, "before": before}, indent=1))
        if not before or before["sha256"] != header["sha256"]:
            write_bytes(path, data)
        write_text(path.with_suffix(".json"), json.dumps(header, indent=1))
        return path

    def _check_there(self) -> None:
        """Refuse to make a run again that was deleted while it was trained."""
        if not (self.path / "recipe.yaml").exists():
            raise vanished(self.path)

    def checkpoint_path(self, step: int) -> Path:
        """Return the path of the tensors of a step, which need not exist."""
        return checkpoint_path(self.path, step)

    def steps(self) -> list[int]:
        """List the steps that have a checkpoint, oldest first."""
        return checkpoint_steps(self.path)

    def best(self) -> int | None:
        """Return the step of the checkpoint with the lowest kernel distance, the first of equals; None without any."""
        best = best_checkpoint(self.path)
        return best[0] if best is not None else None

    def pick(self, which: str) -> int | None:
        """Return the step to `load`: ``"newest"``, ``"best"`` (the newest where none was assessed), or a step.

        Raises
        ------
        UserError
            If there is no checkpoint of that step.
        """
        if which == "newest":
            return None
        if which == "best":
            return self.best()
        steps = self.steps()
        if int(which) not in steps:
            raise UserError(
                f"{capital(self.title)} has no checkpoint of step {which}.",
                f"Expected newest, best or one of: {', '.join(map(str, steps)) or 'none yet'}.",
                "Older checkpoints are deleted; keep more with train.keep.",
            )
        return int(which)

    def load(self, gan: Generator, step: int | None = None) -> Checkpoint:
        """Load a checkpoint into a generator: that of ``step``, or the newest that is whole.

        Raises
        ------
        UserError
            If there is none, or the one asked for is damaged or belongs to another generator.
        """
        checkpoint, tensors = self.read(step)
        gan.load_state(tensors, checkpoint.numbers)
        return checkpoint

    def read(self, step: int | None = None) -> tuple[Checkpoint, dict[str, Tensor]]:
        """Read a checkpoint and its tensors, as `load` chooses it."""
        from safetensors.torch import load

        from napari_organoid_synth.core.weight_files import check_weights

        def decode(data: bytes, name: str) -> dict[str, Tensor]:
            tensors: dict[str, Tensor] = load(data)
            check_weights(tensors, name, "Expected the weights of a trained network.", TODO, below="network/")
            return tensors

        return self._newest_whole(step, decode)

    def read_arrays(self, step: int | None = None) -> tuple[Checkpoint, dict[str, NDArray[Any]]]:
        """Read a checkpoint without torch, where it holds images; their pixels are not checked."""
        from safetensors.numpy import load

        return self._newest_whole(step, lambda data, _: {name: array.copy() for name, array in load(data).items()})

    def _newest_whole(self, step: int | None, decode: Callable[[bytes, str], T]) -> tuple[Checkpoint, T]:
        from safetensors import SafetensorError

        steps = self.steps() if step is None else [step]
        damage: UserError | None = None
        for candidate in reversed(steps):
            try:
                checkpoint, data = self._read(candidate)
                return checkpoint, decode(data, checkpoint.path.name)
            except UserError as error:
                damage = damage or error
            except (SafetensorError, KeyError, ValueError, RuntimeError, TypeError):  # a header that claims nonsense
                damage = damage or UserError(
                    f"{self.checkpoint_path(candidate).name} has no tensors.",
                    "Expected a safetensors file.",
                    TODO,
                )
        raise damage or UserError(
            f"{capital(self.title)} has no checkpoint.", todo="Train until the first is saved, or stop the training."
        )

    def _before(self, step: int) -> dict[str, Any] | None:
        """Return the header of the whole checkpoint of a step, if there is one."""
        try:
            self._read(step)
        except UserError:
            return None
        return self._header(self.checkpoint_path(step))[0]

    def _header(self, path: Path) -> tuple[dict[str, Any], bytes]:
        """Read the JSON that describes the tensors on disk, and these."""
        header = read_object(path.with_suffix(".json"))
        data = regular_file(path).read_bytes()
        before = header.get("before")
        if before and hashlib.sha256(data).hexdigest() == before["sha256"]:
            header = before  # killed before the new tensors took the place of these
        return header, data

    def _read(self, step: int) -> tuple[Checkpoint, bytes]:
        path = self.checkpoint_path(step)
        try:
            header, data = self._header(path)
            version = int(header["format"])
            if version <= FORMAT:
                size, digest, name = int(header["size"]), str(header["sha256"]), str(header["generator"])
                numbers = {str(key): float(value) for key, value in header["numbers"].items()}
                checkpoint = Checkpoint(int(header["step"]), path, digest, numbers)
                numbers["seen"]  # every generator needs it
        except OSError as error:
            raise UserError(f"Cannot read the checkpoint {path.name}: {error.strerror}.", "", TODO) from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise UserError(
                f"{path.stem}.json does not describe a checkpoint.",
                "Expected format, generator, step, size, sha256 and numbers.",
                TODO,
            ) from None
        if version > FORMAT:
            raise UserError(
                f"{path.name} has format {version}.", f"Expected {FORMAT}.", "Update napari-organoid-synth."
            )
        if name != self._generator:
            raise UserError(f"{path.name} is a checkpoint of '{name}'.", f"Expected '{self._generator}'.", TODO)
        if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
            raise UserError(
                f"Checkpoint {path.name} is damaged: it has {len(data)} bytes.",
                f"Expected {size} bytes with SHA-256 {digest[:12]}….",
                TODO,
            )
        return checkpoint, data

    def _headers(self) -> list[Path]:
        return [self.checkpoint_path(step).with_suffix(".json") for step in self.steps()]

    @property
    def _generator(self) -> str:
        return self.recipe.gan.name

    # -------------------------------------------------------------------------------------------------- previews

    def write_preview(self, step: int, image: NDArray[Any], labels: NDArray[np.int32]) -> Path:
        """Write the live samples of a step: image (N, C, Y, X) native, labels (N, Y, X)."""
        self._check_there()
        stream = io.BytesIO()
        np.savez_compressed(stream, image=image, labels=labels)
        path = self.path / "previews" / f"step_{step:08d}.npz"
        write_bytes(path, stream.getvalue())
        return path

    def previews(self) -> list[tuple[int, Path]]:
        """List steps and files of all previews, oldest first."""
        return previews(self.path)


def new_generator(recipe: Recipe, spec: PairSpec, draws_only: bool = False) -> Generator:
    """Build the recipe's generator with initial weights that depend on its seed alone, as `build_generator` does."""
    from napari_organoid_synth.core.generators.base import build_generator

    return build_generator(recipe.gan, spec, recipe.train.seed, draws_only)
