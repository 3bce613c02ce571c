"""Fréchet and kernel distance of drawn images to the originals of the same class, in features of all originals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from napari_organoid_synth.core.job import Control, Event, Finished, Progress
from napari_organoid_synth.core.metrics.set_measures import FEATURE_SCORES, feature_measure, feature_notes
from napari_organoid_synth.core.metrics.sets import MIN_TILES, SetScore, evaluate
from napari_organoid_synth.core.metrics.settings import ScoreSettings
from napari_organoid_synth.core.metrics.tile_space import TileSpace
from napari_organoid_synth.core.pairs.tile_reading import tile_side
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.report.rendering import Table
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.studies.page import Prose
from napari_organoid_synth.core.studies.parts import Part, Results
from napari_organoid_synth.core.studies.set_table import cell, span

SCORES = tuple(score for score in FEATURE_SCORES if score.name in ("kid", "fid"))


def scoring_by_class(
    project: Project, runs: Sequence[str], settings: ScoreSettings, control: Control, needs: Sequence[str], name: str
) -> Part:
    """Return a part that scores the samples of each run and class against the originals of that class.

    ``scores`` of its result is a list of plain values: ``run``, ``image_class`` and the fields of each `SetScore` in
    ``scores``; classes with fewer than eight originals or samples are in ``left_out`` as ``[run, class, why]``.
    """

    def work(_: Results, key: str) -> Iterator[Event]:
        with SampleStore(project.samples_path) as store:
            rows = [row for row in store.rows() if row.run in runs]
            space = TileSpace(project, tile_side(row.size for row in rows), settings)
            for share in space.learn():
                if control.canceled:
                    yield Finished(0, "canceled")
                    return
                yield Progress(round(100 * share), 200, note="learn features")
            features: dict[tuple[str, str], list[Any]] = {}
            for number, row in enumerate(rows):
                yield from control.wait_while_paused(number)
                if control.canceled:
                    yield Finished(0, "canceled")
                    return
                yield Progress(100 + 90 * number // len(rows), 200, note="look at samples")
                pair = store.pair(row.id)
                vector = space.vectors([space.picture(pair)])[0]
                features.setdefault((row.run, pair.image_class or ""), []).append(vector)
        classes = [tile.image_class or "" for tile in space.tiles]
        scores, left_out = [], []
        for (run, image_class), vectors in sorted(features.items()):
            real = [place for place, one in enumerate(classes) if one == image_class]
            if min(len(real), len(vectors)) < MIN_TILES:
                left_out.append(
                    [run, image_class, f"{plural(len(real), 'original')}, {plural(len(vectors), 'sample')}"]
                )
                continue
            found = evaluate(
                SCORES,
                feature_measure(space.upright[real], np.stack(vectors)),
                [space.sources[place] for place in real],
                len(vectors),
                seed=settings.seed,
                extractor=space.extractor.identity,
                notes=feature_notes(SCORES, min(len(real), len(vectors))),
            )
            plain = [one.model_dump(mode="json") for one in found]
            scores.append({"run": run, "image_class": image_class, "originals": len(real), "scores": plain})
        yield Progress(200, 200)
        yield Finished(200, "completed", {"scores": scores, "left_out": left_out})

    determined_by = {**settings.model_dump(mode="json", exclude={"device", "metrics", "again"}), "runs": list(runs)}
    return Part(name, "compare each class", work, determined_by, needs, 5.0)


def class_blocks(titles: Mapping[str, str], found: Mapping[str, Any]) -> list[Any]:
    """Return FID and KID of each class as blocks of a page; ``titles`` are those of the rows, with their runs."""
    names = {run: title for title, run in titles.items()}
    rows = []
    for one in found["scores"]:
        scores = {score.name: score for score in map(SetScore.parse, one["scores"])}
        values = [(cell(scores.get(name)), _range(scores.get(name))) for name in ("fid", "kid")]
        cells = [text for pair in values for text in pair]
        rows.append([names.get(one["run"], one["run"]), one["image_class"] or "none", f"{one['originals']}", *cells])
    head = ["Generator", "Class", "Originals", "FID ↓", "FID of the originals", "KID ↓", "KID of the originals"]
    blocks: list[Any] = [
        Prose("Each class is compared with the originals of the same class, in the features of all originals.")
    ]
    blocks += [Table(head, rows, left=False)] if rows else []
    blocks += [
        Prose(f"{names.get(run, run)}, {image_class or 'no class'}: left out ({why}), fewer than eight.", "faint")
        for run, image_class, why in found["left_out"]
    ]
    return blocks


def _range(score: SetScore | None) -> str:
    return "–" if score is None else span(score.originals)
