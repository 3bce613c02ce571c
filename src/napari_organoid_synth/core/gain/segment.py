"""Train a segmenter with and without synthetic pairs and measure, on images that no network has seen, what they gain.

The arms differ in what they train on and in nothing else: same network, same initial weights, same number of optimiser
steps, same size of crops. ``results.json`` is written after every arm, so that a killed comparison goes on when it is
started again in the same folder: an unfinished arm from its last minute, the others without repetition.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from napari_organoid_synth.core.atomic import write_bytes, write_text
from napari_organoid_synth.core.device import describe_device, is_out_of_memory, pick_device, use_threads
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.gain.settings import SegmentSettings
from napari_organoid_synth.core.job import Added, Control, Event, Finished, Progress, Started, Warned
from napari_organoid_synth.core.pairs.loading import load_pairs, predicted_classes
from napari_organoid_synth.core.pairs.ome_tiff import write_pair
from napari_organoid_synth.core.pairs.pair import SamplePair, Source, content_hash
from napari_organoid_synth.core.pairs.pictures import encode_png, error_overlay, picture
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project, file_stem
from napari_organoid_synth.core.registry import SEGMENTERS
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.segmentation.agreement import mask_scores, mean_scores, nothing_right, paired_gain
from napari_organoid_synth.core.segmentation.catalog import BELOW, TRAINING, note_training
from napari_organoid_synth.core.segmentation.segmenters.base import Segmenter, SegmentSpec
from napari_organoid_synth.core.segmentation.segmenters.crops import CropPool

RESULTS = "results.json"
FEW = 10  # accepted pairs below which a warning is due
ARM_WORDS = {
    "real": "real pairs",
    "classical": "real pairs + classical augmentation",
    "synthetic": "real + all synthetic pairs",
    "curated": "real + accepted synthetic pairs",
}


def segment(
    project: Project, settings: SegmentSettings, control: Control, folder: Path | None = None
) -> Iterator[Event]:
    """Train and test every arm.

    Parameters
    ----------
    project : Project
        With real pairs, some of them put aside for the test, and synthetic pairs for the arms that want them.
    settings : SegmentSettings
        Segmenter, arms, steps, seed, device.
    control : Control
        Pause and cancel are honoured after the optimiser step in progress; finished arms are kept.
    folder : Path, optional
        Where results go; arms that ``results.json`` there already holds for the same data and settings are not
        repeated. A new one below ``segment`` when not given.

    Yields
    ------
    Event
        Started; Progress, whose note names the arm; Added with the name of a finished arm; Warned; Finished with the
        contents of ``results.json``: ``arms`` (for each ``dice``, ``precision``, ``recall``, for instances ``ap``,
        ``per_image``, ``per_class``, ``steps``, ``seconds``), ``sentence``, ``test``, ``folder``.

    Raises
    ------
    UserError
        If there are no training, test or synthetic pairs for the arms, the pairs do not fit together, or memory is
        full.
    """
    use_threads(settings.threads)
    device = pick_device(settings.device)
    data = _Data.read(project, settings)
    folder = Path(folder) if folder is not None else project.job("segment").path
    results = _Results(folder, settings, data)
    n_arms, steps = len(settings.arms), settings.steps
    total = n_arms * steps
    info = {"folder": str(folder), "device": describe_device(device), "arms": list(settings.arms), "total": total}
    yield Started(0, info | {"train": len(data.train), "test": len(data.test)})
    for text in data.warnings:
        yield Warned(0, text)
    for number, arm in enumerate(settings.arms):
        before, note = number * steps, f"{ARM_WORDS[arm]} ({number + 1} of {n_arms})"
        if results.has(arm):
            yield Progress(before + steps, total, note=f"{note}: was done before")
            continue
        began = time.monotonic()
        segmenter: Segmenter = SEGMENTERS.load(settings.segmenter.name)(
            settings.segmenter, data.spec, str(device), settings.seed
        )
        pool = CropPool(
            data.train, data.extra.get(arm, ()), augment="tissue" if arm == "classical" else "", seed=settings.seed
        )
        try:
            for event in segmenter.fit(pool, steps, control, folder / TRAINING):
                if isinstance(event, Progress):
                    left = (total - before - event.step) / event.rate if event.rate else None
                    event = replace(event, step=before + event.step, total=total, seconds_left=left, note=note)
                yield event
            if control.canceled:
                break
            scores = _test(segmenter, data, folder / "predictions" / arm)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise UserError(
                f"Memory is full with {settings.segmenter.crops.number} crops of {settings.segmenter.crops.side} px.",
                "Expected room for one training step; all arms must train alike, so none was made smaller.",
                "Lower the crops per step or the side of the crops.",
            ) from None
        segmenter.save(folder / BELOW / arm)
        note_training(folder / BELOW / arm, data.train, PairTable.from_file(project.pairs_path).scale)
        seconds = round(time.monotonic() - began, 1)
        results.add(arm, scores | {"steps": steps, "seconds": seconds, "synthetic": len(data.extra.get(arm, ()))})
        for text in nothing_right(ARM_WORDS[arm], scores["per_image"]):
            yield Warned(before + steps, text)
        (folder / TRAINING).unlink(missing_ok=True)
        yield Added(before + steps, (arm,))
    done = sum(map(results.has, settings.arms))
    reason = "completed" if done == n_arms else "canceled"
    yield Finished(done * steps, reason, results.record | {"folder": str(folder)})


@dataclass(frozen=True)
class _Data:
    """What the arms train on and are tested on."""

    train: list[SamplePair]
    test: list[SamplePair]
    extra: dict[str, list[SamplePair]]  # arm to its synthetic pairs
    spec: SegmentSpec
    warnings: list[str]

    @classmethod
    def read(cls, project: Project, settings: SegmentSettings) -> _Data:
        """Load the pairs and refuse what would give no result or a wrong one."""
        table = PairTable.from_file(project.pairs_path)
        if not table.test:
            raise UserError(
                f"None of the {len(table.matched)} pairs is put aside for the test.",
                "Expected at least one image that neither the generator nor the segmenter has seen.",
                "Mark some as test pairs (Pairs dock, or 'organoid-synth pair --test 0.2'), train the generator again.",
            )
        train, test = load_pairs(table, "train"), load_pairs(table, "test")
        first = train[0]
        for pair in train + test:
            if len(pair.image) != len(first.image) or pair.mask_kind != first.mask_kind:
                raise UserError(
                    f"'{pair.name}' has {len(pair.image)} channels and a mask of {pair.mask_kind}.",
                    f"Expected {len(first.image)} and {first.mask_kind}, like '{first.name}'.",
                    "Take it out of the pairs.",
                )
        spec = SegmentSpec(len(first.image), first.mask_kind, first.class_names)
        extra: dict[str, list[SamplePair]] = {}
        warnings: list[str] = []
        with SampleStore(project.samples_path) as store:
            for arm in settings.arms:
                if arm in {"synthetic", "curated"}:
                    extra[arm], more = _synthetic(store, arm, spec, settings)
                    warnings += more
            warnings += _leaks(project, store, test) if extra else []
        if guessed := sorted({name for entry in table.test for name in predicted_classes(entry)}):
            warnings.append(
                f"In the test images {', '.join(guessed)} was predicted, not drawn: the scores tell how well that "
                "prediction is repeated, not how well what is there is found."
            )
        return cls(train, test, extra, spec, list(dict.fromkeys(warnings)))


def _synthetic(
    store: SampleStore, arm: str, spec: SegmentSpec, settings: SegmentSettings
) -> tuple[list[SamplePair], list[str]]:
    """Synthetic pairs of an arm, at most as many as the steps can show; and what is wrong with them."""
    ids = store.ids("accepted" if arm == "curated" else None)
    word = "accepted synthetic pair" if arm == "curated" else "synthetic pair"
    if not ids:
        raise UserError(
            f"There is no {word}.",
            f"Expected some for the arm '{arm}'.",
            "Accept some in the Curate dock"
            if arm == "curated" and store.ids()
            else "Generate pairs, or leave it out.",
        )
    shown = -(-settings.steps * settings.segmenter.crops.number // 2)
    if len(ids) > shown:
        chosen = np.random.default_rng(settings.seed).choice(len(ids), shown, replace=False)
        ids = [ids[index] for index in sorted(chosen)]
    pairs = [store.pair(id) for id in ids]
    fitting = [
        pair
        for pair in pairs
        if (len(pair.image), pair.mask_kind, pair.class_names) == (spec.channels, spec.mask_kind, spec.class_names)
    ]
    if not fitting:
        raise UserError(
            f"No {word} has {spec.channels} channel{'s' * (spec.channels > 1)} and a mask of {spec.mask_kind} "
            f"({', '.join(spec.class_names)}), like the real pairs.",
            todo="Train the generator again on the present pairs.",
        )
    warnings = []
    if len(fitting) < len(pairs):
        left = len(pairs) - len(fitting)
        warnings.append(
            f"{left} synthetic pair{'s' * (left > 1)} left out: other channels or classes than the real ones."
        )
    if len(fitting) < FEW:
        warnings.append(
            f"The arm '{arm}' has only {len(fitting)} {word}{'s' * (len(fitting) > 1)}; expect little from so few."
        )
    return fitting, warnings


def _leaks(project: Project, store: SampleStore, test: list[SamplePair]) -> list[str]:
    """Say so if a generator was trained on what is now a test image."""
    held = {content_hash(pair.image, pair.labels) for pair in test}
    warnings = []
    for name in sorted({row.run for row in store.rows()}):
        try:
            seen = held & Run(project.run_path(name)).metadata.data_hashes if name else set()
        except UserError:  # the run is gone; its samples stay useful
            continue
        if seen:
            warnings.append(
                f"The generator of run {name} was trained on {len(seen)} of the {len(test)} test images, so the gain "
                "looks better than it is. Train it again with the present test images."
            )
    return warnings


def _test(segmenter: Segmenter, data: _Data, folder: Path) -> dict[str, Any]:
    """Predict every test image, write labels and error pictures, and score them."""
    per_image, per_class = {}, []
    for pair in data.test:
        labels = segmenter.predict(pair.image).labels
        scores, classes = mask_scores(pair.labels, labels, pair.mask_kind, data.spec.class_names)
        per_image[pair.name] = scores
        per_class.append(classes)
        made = {"predicted_by": folder.name, "segmenter": segmenter.config.model_dump(mode="json")}
        write_pair(folder, pair.replace(labels=labels, source=Source("real", pair.source.files, made)))
        errors = error_overlay(labels, pair.labels, picture(pair.image, pair.is_rgb), pair.mask_kind == "classes")
        write_bytes(folder / f"{file_stem(pair.name)}_errors.png", encode_png(errors))
    return {
        **mean_scores(list(per_image.values())),
        "per_image": per_image,
        "per_class": {name: mean_scores([one[name] for one in per_class]) for name in data.spec.class_names},
    }


class _Results:
    """``results.json``: arms of the same data and settings are kept, others are forgotten."""

    def __init__(self, folder: Path, settings: SegmentSettings, data: _Data) -> None:
        self.path, self._order, self._data = folder / RESULTS, settings.arms, data
        common = [
            settings.replace(arms=("real",), device="auto", threads=0).digest,
            *map(_hash, data.train + data.test),
        ]
        self._keys: dict[str, str] = {
            arm: hashlib.sha256(
                " ".join(common + [_hash(pair) for pair in data.extra.get(arm, ())]).encode()
            ).hexdigest()
            for arm in settings.arms
        }
        try:
            arms = json.loads(self.path.read_text(encoding="utf-8"))["arms"]
            self._arms = {arm: arms[arm] for arm in arms if arms[arm]["key"] == self._keys.get(arm)}
        except (OSError, ValueError, KeyError, TypeError):
            self._arms = {}

    def has(self, arm: str) -> bool:
        return arm in self._arms

    def add(self, arm: str, scores: dict[str, Any]) -> None:
        self._arms[arm] = scores | {"key": self._keys[arm]}
        write_text(self.path, json.dumps(self.record, indent=1))

    @property
    def record(self) -> dict[str, Any]:
        arms: dict[str, Any] = {arm: self._arms[arm] for arm in self._order if arm in self._arms}
        return {
            "arms": arms,
            "sentence": gain_sentence(arms),
            "warnings": self._data.warnings
            + [text for arm, one in arms.items() for text in nothing_right(ARM_WORDS[arm], one["per_image"])],
            "train": [pair.name for pair in self._data.train],
            "test": [pair.name for pair in self._data.test],
            "mask_kind": self._data.spec.mask_kind,
        }


def _hash(pair: SamplePair) -> str:
    return content_hash(pair.image, pair.labels)


def gain_sentence(arms: dict[str, Any]) -> str:
    """What synthetic pairs changed, in words that do not promise more than the numbers hold.

    Parameters
    ----------
    arms : dict
        As in the result of `segment`.

    Returns
    -------
    str
        Empty until two arms that can be compared are done.

    Examples
    --------
    >>> real = {"dice": 0.5, "per_image": {"a": {"dice": 0.5}}}
    >>> curated = {"dice": 0.4, "synthetic": 9, "per_image": {"a": {"dice": 0.4}}}
    >>> gain_sentence({"real": real, "curated": curated})
    'With 9 accepted synthetic pairs Dice fell from 0.500 to 0.400 (-0.100) on 1 test image. One image tells little.'
    """
    arm = next((name for name in ("curated", "synthetic", "classical") if name in arms), None)
    if arm is None or "real" not in arms:
        return ""
    real, other = arms["real"], arms[arm]
    names = list(real["per_image"])
    before, after = (np.array([one["per_image"][name]["dice"] for name in names]) for one in (real, other))
    mean, low, high = paired_gain(before, after)
    better, n = int((after > before).sum()), len(names)
    what = {"curated": "accepted synthetic pairs", "synthetic": "synthetic pairs"}.get(arm, "classical augmentation")
    count = f"{other['synthetic']} " if arm != "classical" else ""
    verb = "stayed at" if abs(mean) < 5e-4 else ("rose" if mean > 0 else "fell")
    change = (
        f"stayed at {real['dice']:.3f}"
        if verb == "stayed at"
        else (f"{verb} from {real['dice']:.3f} to {other['dice']:.3f} ({mean:+.3f})")
    )
    text = f"With {count}{what} Dice {change} on {n} test image{'s' * (n > 1)}"
    if n == 1:
        text += ". One image tells little."
    elif n < 4:
        text += f", better on {better} (single images {low:+.3f} to {high:+.3f}). So few images tell little."
    else:
        text += f", better on {better} (95 % interval of the change {low:+.3f} to {high:+.3f})."
        if low <= 0 <= high and low < high:
            text += " The interval includes zero: this may be chance."
    if arm != "classical" and "classical" in arms:
        text += f" Classical augmentation alone gave {arms['classical']['dice']:.3f}."
    return text
