"""Add a class that a project lacks, learned from another project that has it.

Suppose mitochondria and membranes are drawn in one set of electron micrographs, mitochondria alone in another. A U-Net
learns to mark membranes from image and mitochondria of the first. Strong noise and changes of contrast keep it from
leaning on the look of one microscope. Then it marks the second set, which so gets both classes, and a painter can learn
from it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.device import describe_device, is_out_of_memory, pick_device, use_threads
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Started, Warned
from napari_organoid_synth.core.pairs.loading import check_pairs, drawn_classes, predicted_classes, read_entry
from napari_organoid_synth.core.pairs.ome_tiff import LABELS_ENDING, write_labels
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.table import PairEntry, PairTable
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.segmentation.agreement import mean_scores, pixel_scores
from napari_organoid_synth.core.segmentation.catalog import TRAINING
from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
from napari_organoid_synth.core.segmentation.segmenters.unet import UNet
from napari_organoid_synth.core.segmentation.settings import AnnotateSettings

FOLDER = "predicted"
MAX_SCALE_RATIO = 1.25
"""Pixel sizes that differ by more are worth a warning."""


def annotate(
    project: Project, settings: AnnotateSettings, control: Control, folder: Path | None = None
) -> Iterator[Event]:
    """Train on the other project, mark every image of this one, and enter the masks in its table of pairs.

    Parameters
    ----------
    project : Project
        Whose pairs get another mask each, in ``predicted/``; their OME-XML says what made them.
    settings : AnnotateSettings
        The other project, the class, noise and contrast, the network.
    control : Control
        Pause and cancel are honoured after each step and each image. After cancel the table is as it was. The same
        settings then continue the training where it stopped; after a kill, from its last minute.
    folder : Path, optional
        Folder of the trained network; a new one below ``jobs`` when not given.

    Yields
    ------
    Event
        Started; Progress; Warned; Finished with ``class``, ``known``, ``masks`` (how many were made), ``cover`` (mean
        share of an image that they mark), ``files`` (the masks), ``held_out`` (Dice, precision, recall on the
        test pairs of the other project, if it has any), ``folder``.

    Raises
    ------
    UserError
        If the two projects do not share a class, the class is not there, or was drawn here.
    """
    use_threads(settings.threads)
    device = pick_device(settings.device)
    task = _Task.read(project, settings)
    folder = Path(folder) if folder is not None else project.job("annotate").path
    total = settings.steps + len(task.rows)
    info = {"folder": str(folder), "device": describe_device(device), "total": total, "class": task.target}
    yield Started(0, info | {"train": len(task.train), "images": len(task.rows)})
    for warning in task.warnings:
        yield Warned(0, warning)
    spec = SegmentSpec(task.channels + len(task.known), "binary", (task.target,))
    unet = UNet(settings.unet, spec, str(device), settings.seed)
    yield from _learn(unet, task, settings, control, project.path / FOLDER / TRAINING)
    if control.canceled:
        yield Finished(0, "canceled", {"folder": str(folder)})
        return
    unet.save(folder / "segmenter")
    (project.path / FOLDER / TRAINING).unlink(missing_ok=True)
    provenance = _provenance(unet, task, settings)
    renamed, cover, files = {}, [], list[str]()
    began = time.monotonic()
    for number, entry in enumerate(task.rows, 1):
        pair = task.named(read_entry(entry))
        labels = mark(unet, pair, task.known)
        cover.append(float(labels.mean()))
        renamed[entry.name] = _write_mask(project, task, entry, pair, labels, provenance)
        files.append(renamed[entry.name].masks[task.target])
        step, seconds = settings.steps + number, (time.monotonic() - began) / number
        yield Progress(step, total, seconds_left=seconds * (len(task.rows) - number), note=f"marking {entry.name}")
        yield from control.wait_while_paused(step)
        if control.canceled:
            yield Finished(step, "canceled", {"folder": str(folder)})
            return
    table = task.table.replace(entries=tuple(renamed.get(entry.name, entry) for entry in task.table.entries))
    check_pairs(table).to_file(project.pairs_path)
    marked = {"masks": len(renamed), "cover": round(float(np.mean(cover)), 4), "held_out": provenance["held_out"]}
    yield Finished(total, "completed", task.names | marked | {"folder": str(folder), "files": files})


def _learn(unet: UNet, task: _Task, settings: AnnotateSettings, control: Control, unfinished: Path) -> Iterator[Event]:
    """Train on the other project."""
    pool = GuidedPool(task.train, task.known, task.target, settings.noise, settings.contrast, settings.seed)
    total = settings.steps + len(task.rows)
    try:
        for event in unet.fit(pool, settings.steps, control, unfinished):
            yield replace(event, total=total, note="learning") if isinstance(event, Progress) else event
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            f"Memory is full with {settings.unet.batch} crops of {settings.unet.tile} px.",
            todo="Lower the crops per step or the side of the crops.",
        ) from None


def _provenance(unet: UNet, task: _Task, settings: AnnotateSettings) -> dict[str, Any]:
    """Return the origin of the masks and the scores of the network on the test pairs of the other project."""
    scores = [pixel_scores(_drawn_mask(pair, task.target), mark(unet, pair, task.known)) for pair in task.test]
    held_out = {key: round(value, 4) for key, value in mean_scores(scores).items()} if scores else {}
    return {
        "predicted": task.target,
        "known": list(task.known),
        "learned_from": [content_hash(pair.image, pair.labels) for pair in task.train],
        "settings": settings.model_dump(mode="json", exclude={"source", "device", "threads"}),
        "held_out": held_out,
    }


class GuidedPool(CropPool):
    """Crops of image and known classes, to learn another class from.

    Parameters
    ----------
    pairs : sequence of SamplePair
        With named classes.
    known : sequence of str
        Classes that are shown beside the image, one channel (0 or 1) each.
    target : str
        The class to learn.
    noise : float
        Gaussian noise of σ ~ U(0, noise), one σ per crop, where an image spans 0 to 1; on the image alone.
    contrast : float
        c: intensities become (I - 0.5) · U(1 - c, 1 + c) + 0.5 + U(-c / 2, c / 2).
    seed : int
    """

    def __init__(
        self,
        pairs: Sequence[SamplePair],
        known: Sequence[str],
        target: str,
        noise: float = 0.2,
        contrast: float = 0.4,
        seed: int = 0,
    ) -> None:
        super().__init__(pairs, seed=seed)
        self.known, self.target, self.noise, self.contrast = known, target, noise, contrast
        self._names = pairs[0].class_names

    @property
    def identity(self) -> str:
        """Text that changes with anything that changes a batch."""
        return json.dumps([super().identity, list(self.known), self.target, self.noise, self.contrast])

    def draw(
        self, step: int, number: int, size: int, *args: Any, **kwargs: Any
    ) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
        """Draw images with known classes (number, C + K, size, size), and masks of the class to learn.

        Each crop is mirrored and turned by right angles at random.
        """
        images, labels = super().draw(step, number, size, *args, **kwargs)
        rng = np.random.default_rng((self.seed, step, 1))
        crops, targets = [], []
        for image, label in zip(images, labels, strict=True):
            image = (image - 0.5) * rng.uniform(1 - self.contrast, 1 + self.contrast) + 0.5
            image = image + rng.uniform(-self.contrast / 2, self.contrast / 2)
            image = image + rng.normal(0, rng.uniform(0, self.noise), image.shape)
            target = label == 1 + self._names.index(self.target)
            crop = np.concatenate([image, _maps(label, self._names, self.known), target[None]])
            crop = np.rot90(crop[..., :: int(rng.choice((1, -1)))], int(rng.integers(4)), axes=(-2, -1))
            crops.append(crop[:-1].astype(np.float32))
            targets.append(crop[-1].astype(np.int32))
        return np.stack(crops), np.stack(targets)


def mark(unet: UNet, pair: SamplePair, known: Sequence[str]) -> NDArray[np.int32]:
    """Mark the class that a U-Net learned from a `GuidedPool`, (Y, X) 0 or 1; never where a known class is."""
    maps = _maps(pair.labels, pair.class_names, known)
    planes = np.concatenate([unet.normalised(pair.image), maps])
    return np.where(maps.any(axis=0), 0, unet.mark(planes).labels).astype(np.int32)


def _maps(labels: NDArray[np.int32], names: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float32]:
    """Return a map (K, Y, X) of 0 and 1 for each of the classes."""
    maps: NDArray[np.float32] = np.stack([labels == 1 + names.index(name) for name in wanted]).astype(np.float32)
    return maps


def _drawn_mask(pair: SamplePair, name: str) -> NDArray[np.bool_]:
    return np.asarray(pair.labels == 1 + pair.class_names.index(name))


@dataclass(frozen=True)
class _Task:
    """Pairs to learn from, and rows whose images are to be marked."""

    train: list[SamplePair]
    test: list[SamplePair]
    rows: tuple[PairEntry, ...]
    table: PairTable
    known: tuple[str, ...]
    target: str
    unnamed: str  # the class that masks without a name stand for
    channels: int
    warnings: list[str]

    @classmethod
    def read(cls, project: Project, settings: AnnotateSettings) -> _Task:
        """Open both projects and refuse pairs or settings that would give no result or a wrong one."""
        if not settings.source:
            raise UserError("No project to learn from is named.", "Expected one with one class more than this.")
        teacher = Project(settings.source, make=False)
        taught, table = (PairTable.from_file(one.pairs_path) for one in (teacher, project))
        if taught.mask_kind != "classes":
            raise UserError(
                f"The masks of {teacher.path.name} are {taught.mask_kind}.",
                "Expected named classes, those of this project and one more.",
                "Load its masks as NAME=FOLDER, one folder for each class.",
            )
        rows = tuple(entry for entry in table.matched if entry.masks)
        if not rows:
            raise UserError(f"{project.path.name} has no usable pair.", "Expected images with the masks of a class.")
        known, unnamed = _known_classes(table, rows, taught, settings)
        others = [name for name in taught.class_names if name not in known]
        target = settings.target or (others[0] if len(others) == 1 else "")
        if target not in others:
            raise UserError(
                f"'{target}' is not a class to add." if target else f"There are {len(others)} classes to add.",
                f"Expected one of: {', '.join(others) or 'none, all are here'}.",
                "Name it as 'target'.",
            )
        names = taught.class_names
        train, test = (
            [read_entry(one, "classes", names) for one in part if one.masks and target in drawn_classes(one, names)]
            for part in (taught.train, taught.test)
        )
        if not train:
            raise UserError(
                f"{teacher.path.name} has no pair to train on in which '{target}' was drawn.",
                "Expected at least one; what a segmenter predicted is neither learned from nor tested.",
                "Draw it in some images that are not marked for testing.",
            )
        channels = len(train[0].image)
        for entry in rows:
            if entry.shape and entry.shape[0] != channels:
                raise UserError(
                    f"'{entry.name}' has {entry.shape[0]} channels.", f"Expected {channels}, like {teacher.path.name}."
                )
        warnings = []
        there, here = train[0].pixel_size, rows[0].pixel_size
        if there and here:
            ratio = (here[0] / rows[0].share) / there[0]
            if not 1 / MAX_SCALE_RATIO < ratio < MAX_SCALE_RATIO:
                warnings.append(
                    f"A pixel here is {ratio:.2g} times as wide as in {teacher.path.name}: objects look different from "
                    "those that were learned. Use the larger images at a share of their size "
                    "('organoid-synth pair --scale')."
                )
        return cls(train, test, rows, table, known, target, unnamed, channels, warnings)

    @property
    def names(self) -> dict[str, Any]:
        """The class that is marked, and those that are known."""
        return {"class": self.target, "known": list(self.known)}

    def named(self, pair: SamplePair) -> SamplePair:
        """Return the pair with classes, also where the table has single objects or one unnamed class."""
        if pair.mask_kind == "classes":
            return pair
        return pair.replace(
            labels=(pair.labels > 0).astype(np.int32), mask_kind="classes", class_names=(self.known[0],)
        )


def _known_classes(
    table: PairTable, rows: Sequence[PairEntry], taught: PairTable, settings: AnnotateSettings
) -> tuple[tuple[str, ...], str]:
    """Return the classes of both projects, and the one that a mask without name stands for."""
    several = len(rows[0].masks) > 1
    if table.mask_kind == "classes" and not several:
        raise UserError(
            "The classes of this project lie in one mask.",
            "Expected a mask of its own for each class.",
            "Save and load them as NAME=FOLDER, one folder for each class.",
        )
    predicted = predicted_classes(rows[0])  # which may be made again
    names = [name for name in rows[0].masks if name not in predicted]
    if len(names) == 1 and names[0] not in taught.class_names:
        if settings.known not in taught.class_names:
            raise UserError(
                f"The masks here are called '{names[0]}'.",
                f"Expected a class that both projects have: {', '.join(taught.class_names)}.",
                "Name it as 'known'.",
            )
        return (settings.known,), names[0]
    unknown = [name for name in names if name not in taught.class_names]
    if unknown:
        raise UserError(f"The other project has no class '{unknown[0]}'.", f"Expected {', '.join(taught.class_names)}.")
    return tuple(names), ""


def _write_mask(
    project: Project, task: _Task, entry: PairEntry, pair: SamplePair, labels: NDArray[np.int32], made: dict[str, Any]
) -> PairEntry:
    """Write a mask at the size of the file and enter it in the row, after the masks that were there."""
    if entry.shape is not None and labels.shape != entry.shape[1:]:
        rows, columns = (
            ((np.arange(full) + 0.5) * used / full).astype(int)
            for full, used in zip(entry.shape[1:], labels.shape, strict=True)
        )
        labels = labels[np.ix_(rows, columns)]
    path = project.path / FOLDER / f"{file_stem(entry.name)}_{file_stem(task.target)}{LABELS_ENDING}"
    path.parent.mkdir(exist_ok=True)
    write_labels(
        path,
        SamplePair(
            entry.name,
            np.broadcast_to(np.zeros(1, np.uint8), (1, *labels.shape)),
            labels,
            "binary",
            (task.target,),
            entry.pixel_size,
            source=Source("predicted", pair.source.files[:1], made),
        ),
    )
    masks = {task.known[0] if name == task.unnamed else name: file for name, file in entry.masks.items()}
    masks.pop(task.target, None)
    return entry.replace(masks=masks | {task.target: str(path)})
