"""The task of an arm: train the segmenter, test it on the images of the fold."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.leakage import refuse_leaks
from napari_organoid_synth.core.gain.results import ArmRecord, PairsRecord
from napari_organoid_synth.core.gain.tasks import ArmTask, Part, read_record, task_folder
from napari_organoid_synth.core.job import Control, Event, Progress, Warned
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.segmentation.arms import Scores, augmentation_of, data_of, title_of
from napari_organoid_synth.core.segmentation.catalog import SEGMENTERS_DIR, TRAINING, write_training_note

TRAINED_AT = 0.95
"""Progress of a task when its segmenter is trained."""


def train_arm(folder: Path, task: ArmTask, control: Control) -> Generator[Event, None, ArmRecord]:
    """Train the segmenter in the way of the arm and test it on the images of the fold."""
    from napari_organoid_synth.core.device import is_out_of_memory
    from napari_organoid_synth.core.registry import SEGMENTERS
    from napari_organoid_synth.core.segmentation.agreement import failed_training_warnings
    from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec

    train, test, aside = (task.pairs(hashes) for hashes in (task.train, task.test, task.put_aside))
    extra = _extra_pairs(folder, task)
    refuse_leaks(aside, train, extra.pairs, extra.data)
    if not task.paper_protocol:
        refuse_leaks(test, train, extra.pairs, extra.data)
    else:
        refuse_leaks(test, train, (), {})
    spec = SegmentSpec(len(train[0].image), train[0].mask_kind, train[0].class_names)
    try:
        segmenter = SEGMENTERS.load(task.segmenter.name)(task.segmenter, spec, task.device, task.seed)
        warnings = yield from _fit(segmenter, _pool(task, train, extra.pairs), folder, task, control)
        if task.show:
            segmenter_folder = Path(folder) / SEGMENTERS_DIR / task.arm / f"fold{task.fold + 1}"
            segmenter.save(segmenter_folder)
            scale = PairTable.from_file(Project(task.project, make=False).pairs_path).scale
            write_training_note(segmenter_folder, train, scale)
        predictions = Path(folder) / "predictions" / task.arm
        per_image, per_class, false = _test(segmenter, test, task.scored, predictions if task.show else None)
        put_aside, _, _ = _test(segmenter, aside, task.scored)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            f"Memory is full with {task.segmenter.crops.number} crops of {task.segmenter.crops.side} px.",
            "Expected room for one training step; all arms must train alike, so none was made smaller.",
            "Lower the crops per step or the side of the crops, or use fewer workers.",
        ) from None
    return ArmRecord(
        arm=task.arm,
        subset=task.subset,
        ratio=task.ratio,
        fold=task.fold,
        seed=task.seed,
        per_image=per_image,
        per_class=per_class,
        false_objects=false,
        put_aside=put_aside,
        classes=tuple(per_class) if spec.mask_kind == "classes" else (),
        steps=task.steps,
        synthetic=len(extra.pairs),
        curation=extra.curation,
        trained_on=len(train),
        warnings=(*warnings, *failed_training_warnings(title_of(task.arm), per_image, false)),
    )


def _fit(segmenter: Any, pool: Any, folder: Path, task: ArmTask, control: Control) -> Generator[Event, None, list[str]]:
    """Train for exactly the steps of the task; return the warnings of the training."""
    taken, warnings = 0, list[str]()

    def watched() -> Iterator[Event]:
        nonlocal taken
        for event in segmenter.fit(pool, task.steps, control, task_folder(folder, task.key) / TRAINING):
            if isinstance(event, Progress):
                taken = max(taken, event.step)
            elif isinstance(event, Warned):
                warnings.append(event.text)
            yield event

    yield from Part(folder, task.key, 0.0, TRAINED_AT).follow(watched(), control)
    if taken != task.steps:
        raise RuntimeError(f"the segmenter took {taken} steps instead of {task.steps}")
    return warnings


@dataclass(frozen=True)
class _ExtraPairs:
    """Generated or simulated pairs of an arm, how they were chosen, and the real pairs that their makers saw."""

    pairs: list[SamplePair] = field(default_factory=list)
    curation: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


def _extra_pairs(folder: Path, task: ArmTask) -> _ExtraPairs:
    from napari_organoid_synth.core.samples.store import SampleStore

    if task.stored:
        with SampleStore(Project(task.project, make=False).samples_path) as store:
            pairs = [store.pair(stored.id) for stored in task.stored]
        hashes = [pair.source.provenance.get("data", {}) for pair in pairs]
        data = {name: digest for data in hashes for name, digest in data.items()}
        return _ExtraPairs(pairs, "by hand" if data_of(task.arm) == "curated" else "", data)
    if not task.source:
        return _ExtraPairs()
    record = read_record(folder, task.source)
    assert isinstance(record, PairsRecord)
    with SampleStore(task_folder(folder, task.source) / "project" / "samples.sqlite") as store:
        rows = sorted(store.rows(), key=lambda row: row.name)
        if data_of(task.arm) == "curated":
            rows = [row for row in rows if row.name in record.curated]
        pairs = [store.pair(row.id) for row in rows]
    if not pairs:
        raise UserError(
            "All generated pairs of a fold are flagged as copies or broken masks." if data_of(task.arm) == "curated"
            else "The generator of a fold made no pair.",
            "Expected some to train on.",
            "Train the generator longer.",
        )  # fmt: skip
    return _ExtraPairs(pairs, "automatic" if data_of(task.arm) == "curated" else "", record.data)


def _pool(task: ArmTask, train: list[SamplePair], extra: list[SamplePair]) -> Any:
    """Return the pool that an arm draws its crops from."""
    from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool

    augment: Any = augmentation_of(task.arm)
    synthetic_steps = min(task.steps - 1, round(task.steps * task.ratio / (1 + task.ratio)))
    first = synthetic_steps if task.arm == "pretrain" else 0
    return CropPool(train, extra, augment=augment, seed=task.seed, ratio=task.ratio, first=first)


def _test(
    segmenter: Any, test: list[SamplePair], scored: Mapping[str, tuple[str, ...]], shown: Path | None = None
) -> tuple[dict[str, Scores], dict[str, Scores], dict[str, int]]:
    """Score every test image and its classes, count false objects in empty ones.

    Only the classes of ``scored`` count in the images that it names. Predictions and error pictures are written to the
    folder ``shown``.
    """
    from napari_organoid_synth.core.pairs.ome_tiff import write_pair
    from napari_organoid_synth.core.pairs.pictures import encode_png, error_overlay, picture
    from napari_organoid_synth.core.segmentation.agreement import (
        false_objects,
        image_scores,
        mean_class_scores,
        only_classes,
    )

    per_image, classes, false = {}, [], {}
    segmenter.foresee([pair.image for pair in test])
    for pair in test:
        counted = scored.get(pair.name)
        labels = segmenter.predict(pair.image).labels
        per_image[pair.name], per_class = image_scores(pair, labels, counted)
        classes.append(per_class)
        truth, found = (only_classes(mask, pair, counted) for mask in (pair.labels, labels))
        if (number := false_objects(pair.replace(labels=truth), found)) is not None:
            false[pair.name] = number
        if shown is not None:
            provenance = {"predicted_by": shown.name, "segmenter": segmenter.config.model_dump(mode="json")}
            provenance |= {"scored": list(counted)} if counted is not None else {}
            write_pair(shown, pair.replace(labels=labels, source=Source("real", pair.source.files, provenance)))
            errors = error_overlay(found, truth, picture(pair.image, pair.is_rgb), pair.mask_kind == "classes")
            write_bytes(shown / f"{file_stem(pair.name)}_errors.png", encode_png(errors))
    return per_image, mean_class_scores(classes), false
