"""A segmenter that two commands of the user train and apply; files are all that passes between them and us."""

from __future__ import annotations

import hashlib
import json
import shutil
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import nn

from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Progress
from napari_organoid_synth.core.pairs.ome_tiff import read_labels
from napari_organoid_synth.core.segmentation.segmenters.base import Prediction, Segmenter, SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.child_process import run_command
from napari_organoid_synth.core.segmentation.segmenters.command_config import CommandConfig
from napari_organoid_synth.core.segmentation.segmenters.command_files import (
    held_score,
    read_curve,
    write_data,
    write_images,
)
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve
from napari_organoid_synth.core.segmentation.segmenters.plateau import FLOOR

MODEL, LOG = "model", "command.log"
"""Beside a saved segmenter: the folder that the command wrote, and what it said."""
KINDS = (".tif", ".tiff", ".ome.tif", ".png")
"""Endings of the label images that are looked for."""


class Command(Segmenter):
    """Any segmenter, as two command lines.

    Attributes
    ----------
    model : Path
        Folder that the command wrote; a temporary one until the segmenter is saved or read.
    """

    config: CommandConfig

    def __init__(self, config: CommandConfig, spec: SegmentSpec, device: str = "auto", seed: int = 0) -> None:
        super().__init__(config, spec, device, seed)
        self.seed = seed
        self._here = Path(mkdtemp(prefix="organoid-synth-"))
        weakref.finalize(self, shutil.rmtree, self._here, ignore_errors=True)
        self.model, self.log = self._here / MODEL, self._here / LOG
        self._recalled = False
        self._foreseen: dict[str, NDArray[np.int32]] = {}

    def build(self) -> nn.Module:
        """Return a network without weights: the command has its own."""
        return nn.Identity()

    def fit(
        self, pool: CropPool, steps: int, control: Control, keep: Path | None = None, floor: int = FLOOR
    ) -> Iterator[Event]:
        """Write the pairs and run the command that trains; it begins from the start each time.

        ``steps`` fills ``{steps}``, if the command has it. `curve` is that of ``curve.json``; without, it is that of
        a training that nobody watched, or at its plateau where the settings say ``trained_to_end``.

        Raises
        ------
        UserError
            If the command fails or leaves no file, or this segmenter is trained already.
        """
        if self._recalled:
            raise UserError(
                "A command begins from the start and cannot go on from an earlier training.",
                "Expected arms that are trained once.",
                "Leave the arm 'pretrain' out.",
            )
        self.log = keep.with_name(LOG) if keep else self._here / LOG
        self.log.unlink(missing_ok=True)
        data, self.model = self._here / "data", self._here / MODEL
        for folder in (data, self.model):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
        self._foreseen = {}
        write_data(data, pool, self.spec, seed=self.seed, steps=steps)
        places = {"data": data, "model": self.model, "seed": self.seed, "steps": steps}
        yield from self._run(self.config.fit, places, control, steps)
        shutil.rmtree(data, ignore_errors=True)
        if control.canceled:
            return
        if not any(self.model.iterdir()):
            raise UserError(
                f"'{self.config.fit[0]}' left no file.",
                "Expected what it learned in the folder {model}.",
                "Let it write its weights there.",
            )
        self.facts["model"] = _digest(self.model)
        self.curve = read_curve(self.model) or self._promised(pool, steps)
        yield Progress(steps, steps)

    def _promised(self, pool: CropPool, steps: int) -> Curve:
        """Return the curve of a command that wrote none: at its plateau, with our score, if the settings say so."""
        if not self.config.trained_to_end or not pool.held:
            return Curve(taken=steps, at_plateau=self.config.trained_to_end)
        self.foresee([pair.image for pair in pool.held])
        score = held_score(pool.held, [self.predict(pair.image).labels for pair in pool.held], pool.scored)
        return Curve(steps=(steps,), scores=(score,), taken=steps, at_plateau=True, best=score)

    def foresee(self, images: Sequence[NDArray[Any]]) -> None:
        """Predict the masks of several images (C, Y, X) with one call of the command, for `predict` to return."""
        missing = {_key(image): image for image in images if _key(image) not in self._foreseen}
        if not missing:
            return
        with TemporaryDirectory(prefix="organoid-synth-", ignore_cleanup_errors=True) as room:
            source, out = Path(room) / "images", Path(room) / "out"
            for folder in (source, out):
                folder.mkdir()
            for image in missing.values():
                self._check(image)
            names = write_images(source, list(missing.values()))
            places = {"model": self.model, "images": source, "out": out, "seed": self.seed}
            for _ in self._run(self.config.predict, places, Control(), 0):
                pass
            for name, (key, image) in zip(names, missing.items(), strict=True):
                self._foreseen[key] = self._read(out, name, image.shape[1:])

    def predict(self, image: NDArray[Any]) -> Prediction:
        """Return the label image that the command writes; probabilities are 1 where it marks a class, else 0."""
        self.foresee([image])
        labels = self._foreseen[_key(image)]
        if self.spec.mask_kind != "classes":
            return Prediction(labels, (labels > 0)[None].astype(np.float32))
        values = np.arange(1, len(self.spec.class_names) + 1)[:, None, None]
        return Prediction(labels, (labels == values).astype(np.float32))

    def save(self, folder: Path) -> None:
        """Write the description, and copy the folder of the command and its log."""
        super().save(folder)
        shutil.rmtree(folder / MODEL, ignore_errors=True)
        shutil.copytree(self.model, folder / MODEL)
        if self.log.exists():
            shutil.copyfile(self.log, folder / LOG)

    def recall(self, folder: Path, facts: Mapping[str, str]) -> None:
        """Use the folder of the command that `save` copied.

        Raises
        ------
        UserError
            If it is missing, or has changed.
        """
        self.model, self._recalled = folder / MODEL, True
        found = _digest(self.model) if self.model.is_dir() else ""
        self.facts = dict(facts)
        if found != facts.get("model"):
            raise UserError(
                f"{self.model} {'has changed' if found else 'is missing'}.",
                "Expected the folder that the command wrote when it was trained.",
                "Train the segmenter again.",
            )

    def _run(self, words: Sequence[str], places: Mapping[str, Any], control: Control, total: int) -> Iterator[Event]:
        """Run a command with its folders and numbers filled in."""
        folder = Path(self.config.folder).expanduser() if self.config.folder else None
        filled = []
        for word in words:
            for name, value in {**places, "device": self.device}.items():
                word = word.replace(f"{{{name}}}", str(value))
            filled.append(word)
        yield from run_command(filled, self.log, self.config.hours, control, total, folder)

    def _read(self, out: Path, name: str, size: tuple[int, ...]) -> NDArray[np.int32]:
        """Read the label image of a name."""
        program = self.config.predict[0]
        path = next((path for kind in KINDS if (path := out / f"{name}{kind}").is_file()), None)
        if path is None:
            found = ", ".join(sorted(path.name for path in out.iterdir())[:5]) or "nothing"
            raise UserError(
                f"'{program}' wrote no label image for {name}.tif, but {found}.",
                "Expected a file of the same name in {out} for each image in {images}.",
            )
        labels = read_labels(path)
        if labels.shape != size:
            raise UserError(
                f"The label image {path.name} of '{program}' has shape {labels.shape}.",
                f"Expected {size}, the height and width of the image.",
            )
        most = {"binary": 1, "classes": len(self.spec.class_names)}.get(self.spec.mask_kind)
        if labels.min() < 0 or (most is not None and self.spec.mask_kind == "classes" and labels.max() > most):
            raise UserError(
                f"The label image {path.name} of '{program}' has values from {labels.min()} to {labels.max()}.",
                f"Expected 0 to {most}: {', '.join(self.spec.class_names)}." if most else "Expected 0 or more.",
            )
        return (labels > 0).astype(np.int32) if self.spec.mask_kind == "binary" else labels


def _key(image: NDArray[Any]) -> str:
    return hashlib.sha256(f"{image.shape}{image.dtype}".encode() + np.ascontiguousarray(image).tobytes()).hexdigest()


def _digest(folder: Path) -> str:
    """Return a hash of the names and contents of all files."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        part = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(json.dumps([path.relative_to(folder).as_posix(), part]).encode())
    return digest.hexdigest()[:16]
