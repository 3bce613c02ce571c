"""Parts of the tissue study that are about masks: the checkpoint that draws, other encodings, sources, transfer."""

from __future__ import annotations

import re
import shutil
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.atomic import write_bytes
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Control, Event, Finished, Progress, Warned
from napari_organoid_synth.core.metrics.settings import FeatureSettings
from napari_organoid_synth.core.pairs.loading import load_pairs
from napari_organoid_synth.core.pairs.pictures import decode_png, encode_png
from napari_organoid_synth.core.pairs.table import PairTable
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.studies.commands import begin_again
from napari_organoid_synth.core.studies.parts import Part, Results, Values
from napari_organoid_synth.core.synthesis.settings import GenerateSettings

MASKS, PAINTER = "masks", "painter"
CHECK = "check-masks"
LONGER = "Train the generator of masks longer: masks_steps."
ENCODINGS = {"flow": "Heat flow", "binary": "Binary", "labels": "Raw labels"}
"""How masks are encoded for the generator, and what the page calls it."""
REAL = "real"
"""Beside them, the real tiles."""
SHOWN = 6
"""Masks of each encoding that the page shows."""


def checking(
    project: Project, run: str, features: FeatureSettings, number: int, seed: int, control: Control, name: str
) -> Part:
    """Return a part that chooses the checkpoint whose masks are nearest, and checks its masks.

    Its result: ``checkpoint`` (a step), ``distances`` by step, and ``decode``, the values of a `DecodeReport`.
    """

    def work(_: Results, key: str) -> Iterator[Event]:
        from napari_organoid_synth.core.runs.run import Run
        from napari_organoid_synth.core.synthesis.choose_checkpoint import mask_distances
        from napari_organoid_synth.core.synthesis.mask_sampler import MaskSampler, real_tiles

        opened, real = Run(project.path / "runs" / run), load_pairs(project, split="train")
        tiles = real_tiles(opened, real)
        distances = yield from mask_distances(opened, tiles, features, number, seed, control)
        if control.canceled:
            yield Finished(0, "canceled")
            return
        step = min(distances, key=lambda one: distances[one])
        masks = MaskSampler(opened, real, features.device, str(step))
        for index in range(number):
            masks.draw(seed, "check", index, 0)
            yield Progress(number + index, 2 * number)
            yield from control.wait_while_paused(index)
            if control.canceled:
                yield Finished(index, "canceled")
                return
        result = {"checkpoint": step, "distances": {str(one): value for one, value in distances.items()}}
        yield Finished(number, "completed", {**result, "decode": masks.report().model_dump(mode="json")})

    determined_by = {"features": features.model_dump(mode="json", exclude={"device"}), "number": number, "seed": seed}
    return Part(name, "choose the nearest masks and check them", work, determined_by, (f"train-{run}",), 3.0)


# --- figure 5 ---


def painting_sources(
    project: Project, other: Project, sources: Sequence[str], number: int, seed: int, control: Control, device: str
) -> Part:
    """Return a part that paints pairs on masks of each source, with copies of both runs in a project of their own.

    Its result: ``made``, the pairs of each source, and ``left_out``, why there are none.
    """

    def work(results: Results, key: str) -> Iterator[Event]:
        from napari_organoid_synth.core.synthesis.generate import generate

        begin_again(other.path, key)
        PairTable.from_file(project.pairs_path).to_file(other.pairs_path)
        for run in (MASKS, PAINTER):
            shutil.copytree(project.path / "runs" / run, other.path / "runs" / run)
        made: dict[str, int] = {}
        left_out: dict[str, str] = {}
        for place, source in enumerate(sources):
            settings = GenerateSettings.parse(
                {
                    "run": PAINTER, "masks": source, "mask_run": MASKS if source == "generated" else "",
                    "mask_checkpoint": str(results[CHECK]["checkpoint"]), "number": number, "first": place * number,
                    "seed": seed, "device": device,
                }
            )  # fmt: skip
            try:
                for event in generate(other, settings, control):
                    if isinstance(event, Progress):
                        yield Progress(place, len(sources), part=event.share)
                    elif isinstance(event, Finished):
                        made[source] = int(event.result["added"])
            except UserError as error:
                left_out[source] = str(error)
            if control.canceled:
                yield Finished(place, "canceled")
                return
        yield Finished(len(sources), "completed", {"made": made, "left_out": left_out})

    determined_by = {"sources": list(sources), "number": number, "seed": seed}
    needs = (CHECK, f"train-{PAINTER}")
    return Part("samples-sources", "paint on masks of each source", work, determined_by, needs, 5.0)


def drawn_pairs(project: Project, number: int, seed: int, control: Control, device: str, share: float) -> Part:
    """Return the part that paints pairs on drawn masks in the main project; earlier ones are deleted first.

    Where no drawn mask can be used its result is ``left_out``, the reason: everything that needs no pairs goes on.
    """

    def work(results: Results, key: str) -> Iterator[Event]:
        from napari_organoid_synth.core.samples.store import SampleStore
        from napari_organoid_synth.core.synthesis.generate import generate
        from napari_organoid_synth.core.synthesis.sampler import NoUsableMask

        if project.samples_path.exists():
            with SampleStore(project.samples_path) as store:
                store.delete([row.id for row in store.rows() if row.run == PAINTER])
        settings = GenerateSettings(
            run=PAINTER, masks="generated", mask_run=MASKS, mask_checkpoint=str(results[CHECK]["checkpoint"]),
            number=number, first=0, seed=seed, device=device,
        )  # fmt: skip
        try:
            yield from generate(project, settings, control)
        except NoUsableMask as error:
            yield Warned(0, f"{error.found} {LONGER}")
            yield Finished(0, "completed", {"left_out": error.found})

    determined_by = {"number": number, "seed": seed}
    return Part(
        f"samples-{PAINTER}", "paint on drawn masks", work, determined_by, (CHECK, f"train-{PAINTER}"), share
    )  # fmt: skip


# --- figure 3 ---


def preparing_encoding(project: Project, other: Project, encoding: str, needs: Sequence[str]) -> Part:
    """Return a part that makes the project of an encoding: binary masks, or labels as grey images."""

    def work(_: Results, key: str) -> Iterator[Event]:
        begin_again(other.path, key)
        table = PairTable.from_file(project.pairs_path)
        if encoding == "binary":
            table.replace(mask_kind="binary", kind_by_hand=True).to_file(other.pairs_path)
        else:
            _labels_as_images(project, other)
        yield Finished(1, "completed", {"encoding": encoding})

    title = f"masks as {ENCODINGS[encoding].lower()}"
    return Part(f"prepare-{encoding}", title, work, {"encoding": encoding}, needs, 0.2)


def _labels_as_images(project: Project, other: Project) -> None:
    """Write the labels of the training pairs as grey images, numbered from 1 in each."""
    from imageio.v3 import imwrite

    from napari_organoid_synth.core.pairs.checking import check_pairs
    from napari_organoid_synth.core.pairs.discovery import find_pairs

    folder = other.path / "labels"
    folder.mkdir(parents=True, exist_ok=True)
    for number, pair in enumerate(load_pairs(project, split="train")):
        _, numbered = np.unique(pair.labels, return_inverse=True)
        imwrite(folder / f"labels_{number:04d}.png", numbered.reshape(pair.labels.shape).astype(np.uint16))
    check_pairs(find_pairs(folder, no_masks=True)).to_file(other.pairs_path)


def comparing_encodings(
    project: Project, others: dict[str, Project], features: FeatureSettings, number: int, seed: int, control: Control
) -> Part:
    """Return a part that draws masks in each encoding, decodes them to objects and checks all alike.

    Its result has for each encoding ``passed`` (share that passes the check and has about as many cells as real masks),
    ``objects`` (median), ``fragments`` and ``merged`` (shares of objects), and ``distance`` (Fréchet distance of the
    flows of the decoded masks). The first masks of each are kept in `figure_folder`.
    """

    def work(results: Results, key: str) -> Iterator[Event]:
        from napari_organoid_synth.core.runs.run import Run
        from napari_organoid_synth.core.synthesis.choose_checkpoint import fitted_extractor, mask_distance
        from napari_organoid_synth.core.synthesis.mask_check import MaskChecker, object_sizes, summarize
        from napari_organoid_synth.core.synthesis.mask_sampler import real_tiles

        flow = Run(project.path / "runs" / MASKS)
        tiles = real_tiles(flow, load_pairs(project, split="train"))
        checker = MaskChecker(flow.codec, tiles)
        fewest, most = np.percentile([pair.n_objects for pair in tiles], (1, 99))
        real = np.stack([flow.codec.encode_mask(pair.labels) for pair in tiles])
        extractor = fitted_extractor(real, features)
        begin_again(figure_folder(project), key)
        spread = np.linspace(0, len(tiles) - 1, min(len(tiles), SHOWN)).round().astype(int)
        _keep(project, REAL, [tiles[place].labels for place in spread])
        found: Values = {}
        steps = {"flow": int(results[CHECK]["checkpoint"])} | dict.fromkeys(others)
        for place, (encoding, step) in enumerate(steps.items()):
            run = flow if encoding == "flow" else Run(others[encoding].path / "runs" / MASKS)
            masks = list[NDArray[np.int32]]()
            for labels in _drawn(run, step, encoding, number, seed, features.device):
                masks.append(labels)
                yield Progress(place * number + len(masks), len(steps) * number, note=ENCODINGS[encoding])
                yield from control.wait_while_paused(len(masks))
                if control.canceled:
                    yield Finished(0, "canceled")
                    return
            _keep(project, encoding, masks[:SHOWN])
            fields = [flow.codec.encode_mask(labels) for labels in masks]
            checks = [checker(field, labels) for field, labels in zip(fields, masks, strict=True)]
            areas = [area for labels in masks for area in object_sizes(labels, flow.codec)]
            report = summarize(checks, areas, checker)
            alike = [check.passed and fewest / 2 <= check.objects <= 2 * most for check in checks]
            found[encoding] = {
                "passed": float(np.mean(alike)), "objects": report.objects[1], "real_objects": report.real_objects[1],
                "area": report.area_px[1], "real_area": report.real_area_px[1],
                "fragments": report.fragments, "merged": report.merged,
                "distance": mask_distance(extractor, real, np.stack(fields)), "extractor": extractor.identity,
            }  # fmt: skip
        yield Finished(number, "completed", found)

    determined_by = {"features": features.model_dump(mode="json", exclude={"device"}), "number": number, "seed": seed}
    needs = (CHECK, *(f"train-{name}" for name in others))
    return Part("figure-3", "decode masks of each encoding", work, determined_by, needs, 3.0)


def figure_folder(project: Project) -> Path:
    """Return the folder with masks of each encoding, ``ENCODING_NUMBER.png``, 16 bits, and some of the real tiles."""
    return project.path.parent / "figure-3"


def _keep(project: Project, encoding: str, masks: Sequence[NDArray[np.int32]]) -> None:
    for number, labels in enumerate(masks):
        write_bytes(figure_folder(project) / f"{encoding}_{number}.png", encode_png(labels.astype(np.uint16)))


def kept_masks(project: Project, encoding: str) -> list[NDArray[np.uint16]]:
    """Return the masks of an encoding (Y, X) that were kept, in the order in which they were drawn."""
    return [decode_png(path.read_bytes()) for path in sorted(figure_folder(project).glob(f"{encoding}_*.png"))]


def _drawn(
    run: Any, step: int | None, encoding: str, number: int, seed: int, device: str
) -> Generator[NDArray[np.int32], None, None]:
    """Yield drawn masks (Y, X) as objects: decoded flows, pieces of a binary mask, or pieces of one grey value."""
    import torch
    from skimage.measure import label

    from napari_organoid_synth.core.device import random_stream
    from napari_organoid_synth.core.pairs.tiling import MIN_AREA, clean_instances
    from napari_organoid_synth.core.synthesis.trained_generator import TrainedGenerator

    model = TrainedGenerator.from_run(run, "newest" if step is None else str(step), device)
    for index in range(number):
        stream = random_stream(torch.device(model.device), seed, "encoding", index)
        ((image, labels),) = model.draw([stream], [0])
        if labels is not None and encoding == "flow":
            yield labels
            continue
        values = labels if labels is not None else _first(image)
        yield clean_instances(np.asarray(label(values, background=0, connectivity=1), np.int32), MIN_AREA)


def _first(image: NDArray[Any] | None) -> NDArray[np.int32]:
    assert image is not None  # a generator of images draws them
    return np.asarray(image[0], np.int32)


# --- transfer ---


def gathering(names: Sequence[str], title: str, needs: Sequence[str]) -> Part:
    """Return a part that gathers the least distance of several checks: ``distances`` by name."""

    def work(results: Results, key: str) -> Iterator[Event]:
        found = {name: min(results[name]["distances"].values()) for name in names}
        yield Finished(1, "completed", {"distances": found})

    return Part("transfer", title, work, {"names": list(names)}, needs, 0.1)


def pairs_only(table: PairTable, pattern: str) -> PairTable:
    """Return a table with the rows alone whose names a regular expression matches, and those that are no pairs."""
    if not pattern:
        return table
    return table.replace(entries=tuple(entry for entry in table.entries if re.search(pattern, entry.name)))
