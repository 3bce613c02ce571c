"""The task of an arm: train the segmenter, test it on the images of the fold."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from napari_organoid_synth.core.atomic import write_bytes, write_text
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.arm_folders import PREDICTIONS, arm_folder
from napari_organoid_synth.core.gain.leakage import refuse_leaks
from napari_organoid_synth.core.gain.make_pairs import pairs_path
from napari_organoid_synth.core.gain.results import ArmRecord, PairsRecord
from napari_organoid_synth.core.gain.tasks import ArmTask, Part, read_record, shared_folder
from napari_organoid_synth.core.job import Control, Event, Warned
from napari_organoid_synth.core.pairs.pair import SamplePair, Source
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.segmentation.arms import (
    PRETRAIN,
    SYNTHETIC_ONLY,
    Scores,
    augmentation_of,
    data_of,
    title_of,
)
from napari_organoid_synth.core.segmentation.catalog import SEGMENTERS_DIR, TRAINING, write_training_note
from napari_organoid_synth.core.segmentation.segmenters.curve import Curve

TRAINED_AT = 0.95
"""Progress of a task when its segmenter is trained."""
PRETRAINED_AT = 0.6
"""Progress of pretraining when its first half is done."""
PRETRAINED, PRETRAINING, CURVE = "pretrained", "pretraining.safetensors", "curve.json"
"""Folder of the segmenter after its first half, the state in it, and its curve."""
FINE_TUNING_SHARE = 5
"""The floor of fine-tuning is this part of that of a whole training (100 and 20 epochs in Tasnadi et al. 2023)."""


def train_arm(folder: Path, task: ArmTask, control: Control) -> Generator[Event, None, ArmRecord]:
    """Train the segmenter in the way of the arm and test it on the images of the fold."""
    from napari_organoid_synth.core.device import is_out_of_memory
    from napari_organoid_synth.core.segmentation.agreement import failed_training_warnings

    train, test, aside = (task.pairs(hashes) for hashes in (task.train, task.test, task.put_aside))
    extra = _extra_pairs(task)
    refuse_leaks(aside, train, extra.pairs, extra.data)
    if not task.paper_protocol:
        refuse_leaks(test, train, extra.pairs, extra.data)
    else:
        refuse_leaks(test, train, (), {})
    try:
        training = yield from _trained(folder, task, train, extra.pairs, control)
        segmenter = training.segmenter
        shown = None
        if task.show:
            shown = arm_folder(folder, PREDICTIONS, task.arm, task.generator, task.ratio)
            kept = arm_folder(folder, SEGMENTERS_DIR, task.arm, task.generator, task.ratio) / f"fold{task.fold + 1}"
            segmenter.save(kept)
            scale = PairTable.from_file(Project(task.project, make=False).pairs_path).scale
            write_training_note(kept, train, scale)
        per_image, per_class, false = _test(segmenter, test, task.scored, shown, task.arm)
        put_aside, _, _ = _test(segmenter, aside, task.scored)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise UserError(
            f"Memory is full with {task.segmenter.crops.number} crops of {task.segmenter.crops.side} px.",
            "Expected room for one training step; all arms must train alike, so none was made smaller.",
            "Lower the crops per step or the side of the crops, or use fewer workers.",
        ) from None
    curve = training.curve
    return ArmRecord(
        arm=task.arm,
        generator=task.generator,
        subset=task.subset,
        ratio=task.ratio,
        fold=task.fold,
        seed=task.seed,
        per_image=per_image,
        per_class=per_class,
        false_objects=false,
        put_aside=put_aside,
        classes=tuple(per_class) if train[0].mask_kind == "classes" else (),
        curve=curve,
        held_score=curve.best if curve.watched else None,
        steps=curve.taken,
        synthetic=len(extra.pairs),
        curation=extra.curation,
        trained_on=len(train),
        warnings=(*training.warnings, *failed_training_warnings(title_of(task.arm), per_image, false)),
    )


@dataclass(frozen=True)
class _Training:
    """A trained segmenter, the curve of its held-back score, and warnings."""

    segmenter: Any
    curve: Curve
    warnings: tuple[str, ...]


def _trained(
    folder: Path, task: ArmTask, train: list[SamplePair], extra: list[SamplePair], control: Control
) -> Generator[Event, None, _Training]:
    """Train a segmenter on the training parts; pretraining in two halves, the second from the result of the first."""
    from napari_organoid_synth.core.registry import SEGMENTERS
    from napari_organoid_synth.core.segmentation.segmenters.base import SegmentSpec, load_segmenter
    from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool
    from napari_organoid_synth.core.segmentation.segmenters.held_parts import hold_parts

    parts, held = hold_parts(train, whole=task.segmenter.sees_whole)
    scored = _scored_values(task, train[0].class_names)
    augment, here = augmentation_of(task.arm), task.folder(folder)
    spec = SegmentSpec(len(train[0].image), train[0].mask_kind, train[0].class_names)

    def new() -> Any:
        return SEGMENTERS.load(task.segmenter.name)(task.segmenter, spec, task.device, task.seed)

    def synthetic() -> CropPool:
        """Synthetic pairs alone, in the value range of the real ones."""
        return CropPool(parts, extra, augment=augment, seed=task.seed, ratio=math.inf, held=held, scored=scored)

    whole = Part(here, 0.0, TRAINED_AT)
    if task.arm == SYNTHETIC_ONLY:
        return (yield from _fit(new(), synthetic(), task.steps, task.floor, here / TRAINING, whole, control))
    if task.arm != PRETRAIN:
        pool = CropPool(parts, extra, augment=augment, seed=task.seed, ratio=task.ratio, held=held, scored=scored)
        return (yield from _fit(new(), pool, task.steps, task.floor, here / TRAINING, whole, control))
    first = here / PRETRAINED
    if not (first / CURVE).exists():
        part = Part(here, 0.0, PRETRAINED_AT)
        done = yield from _fit(new(), synthetic(), task.steps, task.floor, here / PRETRAINING, part, control)
        done.segmenter.save(first)
        write_text(first / CURVE, done.curve.model_dump_json())
    before = Curve.from_file(first / CURVE)
    pool = CropPool(parts, augment=augment, seed=task.seed, held=held, scored=scored)
    part = Part(here, PRETRAINED_AT, TRAINED_AT)
    floor = max(1, task.floor // FINE_TUNING_SHARE)
    tuned = yield from _fit(load_segmenter(first, task.device), pool, task.steps, floor, here / TRAINING, part, control)
    return _Training(tuned.segmenter, _joined(before, tuned.curve), tuned.warnings)


def _scored_values(task: ArmTask, names: Sequence[str]) -> tuple[int, ...]:
    """Return the label values of the classes that are scored in the tested images; empty where all are."""
    if any(name not in task.scored for name in (*task.test, *task.put_aside)):
        return ()
    counted = {name for classes in task.scored.values() for name in classes}
    return tuple(value for value, name in enumerate(names, 1) if name in counted)


def _fit(
    segmenter: Any, pool: Any, steps: int, floor: int, keep: Path, part: Part, control: Control
) -> Generator[Event, None, _Training]:
    """Train a segmenter to its plateau, or from where it was interrupted."""
    warnings = list[str]()

    def watched() -> Iterator[Event]:
        for event in segmenter.fit(pool, steps, control, keep, floor=floor):
            if isinstance(event, Warned):
                warnings.append(event.text)
            yield event

    yield from part.follow(watched(), control)
    return _Training(segmenter, segmenter.curve, tuple(warnings))


def _joined(first: Curve, second: Curve) -> Curve:
    """Return the curve of two trainings one after the other; it is at its plateau if both are.

    Examples
    --------
    >>> one = Curve(steps=(10, 20), scores=(0.1, 0.2), taken=20, rise=0.1, wanted=90)
    >>> both = _joined(one, Curve(steps=(10,), scores=(0.5,), taken=12, at_plateau=True, best=0.5))
    >>> both.steps, both.taken, both.at_plateau, both.best, both.wanted
    ((10, 20, 30), 32, False, 0.5, 90)
    """
    rising = first if second.at_plateau else second
    return Curve(
        steps=(*first.steps, *(step + first.taken for step in second.steps)),
        scores=(*first.scores, *second.scores),
        taken=first.taken + second.taken,
        at_plateau=first.at_plateau and second.at_plateau,
        best=second.best,
        rise=rising.rise,
        wanted=max(first.wanted, second.wanted),
    )


@dataclass(frozen=True)
class _ExtraPairs:
    """Added pairs of an arm, how they were chosen, and the real pairs that their makers saw."""

    pairs: list[SamplePair] = field(default_factory=list)
    curation: str = ""
    data: Mapping[str, str] = field(default_factory=dict)


def _extra_pairs(task: ArmTask) -> _ExtraPairs:
    from napari_organoid_synth.core.samples.store import SampleStore

    is_curated = data_of(task.arm) == "curated"
    if task.stored:
        with SampleStore(Project(task.project, make=False).samples_path) as store:
            pairs = [store.pair(stored.id) for stored in task.stored]
        hashes = [pair.source.provenance.get("data", {}) for pair in pairs]
        data = {name: digest for data in hashes for name, digest in data.items()}
        return _ExtraPairs(pairs, "by hand" if is_curated else "", data)
    if not task.source:
        return _ExtraPairs()
    made = read_record(shared_folder(task.project, task.source))
    assert isinstance(made, PairsRecord)
    chosen, refusal = None, ""
    if task.curation:
        choice = read_record(shared_folder(task.project, task.curation))
        assert isinstance(choice, PairsRecord)
        chosen, refusal = set(choice.curated), choice.refusal
    with SampleStore(pairs_path(task.project, task.source)) as store:
        rows = sorted(store.rows(), key=lambda row: row.name)
        pairs = [store.pair(row.id) for row in rows if chosen is None or row.name in chosen]
    if refusal:
        raise UserError(refusal)
    if not pairs:
        raise UserError(
            "All generated pairs of a fold are flagged as copies or broken masks." if is_curated
            else "The maker of the pairs of a fold made no pair.",
            "Expected some to train on.",
            "Train the generator longer.",
        )  # fmt: skip
    return _ExtraPairs(pairs, "automatic" if is_curated else "", made.data)


def _test(
    segmenter: Any,
    test: list[SamplePair],
    scored: Mapping[str, tuple[str, ...]],
    shown: Path | None = None,
    arm: str = "",
) -> tuple[dict[str, Scores], dict[str, Scores], dict[str, int]]:
    """Score every test image and its classes, count false objects in empty ones.

    Only the classes of ``scored`` count in the images that it names. Predictions and error pictures are written to the
    folder ``shown``, as those of the ``arm``.
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
            provenance = {"predicted_by": arm, "segmenter": segmenter.config.model_dump(mode="json")}
            provenance |= {"scored": list(counted)} if counted is not None else {}
            write_pair(shown, pair.replace(labels=labels, source=Source("real", pair.source.files, provenance)))
            errors = error_overlay(found, truth, picture(pair.image, pair.is_rgb), pair.mask_kind == "classes")
            write_bytes(shown / f"{file_stem(pair.name)}_errors.png", encode_png(errors))
    return per_image, mean_class_scores(classes), false
