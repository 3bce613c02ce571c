"""Make pairs where they are missing: draw many, keep those that lie nearest to chosen real tiles.

Every generator is treated alike: it draws ``tries`` candidates for each pair that is kept. A painter paints them on
warped masks of just these tiles. The chosen tiles in turn keep their nearest candidate. Each kept sample is the one
that ``generate`` makes of the settings and the index in its provenance.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_organoid_synth.core.device import use_threads
from napari_organoid_synth.core.distances import euclidean, radii
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.job import Added, Control, Event, Finished, Progress, Started, Warned
from napari_organoid_synth.core.map.gaps import nearest_each
from napari_organoid_synth.core.map.storage import read_map
from napari_organoid_synth.core.metrics.memorisation import Space
from napari_organoid_synth.core.metrics.tile_space import TileSpace, check_weights
from napari_organoid_synth.core.pairs.pair import SamplePair
from napari_organoid_synth.core.pairs.tile_reading import TilePlace
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.runs.run import Run
from napari_organoid_synth.core.runs.sharing import find_run
from napari_organoid_synth.core.samples.store import SampleStore
from napari_organoid_synth.core.seeds import seed_of
from napari_organoid_synth.core.synthesis.provenance import ChoiceRecord
from napari_organoid_synth.core.synthesis.sampler import Sampler
from napari_organoid_synth.core.synthesis.settings import FillSettings, GenerateSettings

REPORT_SECONDS = 0.5


def fill(project: Project, settings: FillSettings, control: Control) -> Iterator[Event]:
    """Add pairs near real tiles.

    Copies of real tiles, and samples that are there already, are not kept.

    Parameters
    ----------
    project : Project
        With a map and a run that draws images.
    settings : FillSettings
        Empty region or tiles, run, how many pairs, how many tries for each.
    control : Control
        Pause and cancel are honoured after the batch in progress.

    Yields
    ------
    Event
        Started, Progress, Added, Warned, Finished with ``added``, ``candidates``, and of the chosen tiles: ``distance``
        (mean, of each to its nearest kept sample, in features), ``distance_plain`` (to its nearest of as many samples
        that were drawn without choosing), ``nearer`` (1 - their ratio), ``covered`` and ``covered_plain`` (how many
        have a sample within their fifth nearest real neighbour).

    Raises
    ------
    UserError
        If there is no map, no such region or tile, or the run cannot draw images.
    """
    check_weights(settings)
    use_threads()
    side, targets = _targets(project, settings)
    names = tuple(place.name for place in targets)
    run = find_run(project, settings.run)
    plain, aimed = _samplers(project, run, settings, names)
    number, total = settings.number, settings.number * settings.tries
    yield Started(0, {"run": run.name, "generator": aimed.model.generator, "total": total, "tiles": len(names)})
    space = TileSpace(project, side, settings)
    if (yield from _learn(space, total, control)):
        yield Finished(0, "canceled", {"added": 0, "samples": []})
        return
    goal = _Goal.find(space, targets)

    candidates = yield from _draw(aimed, space, total, settings.batch, control, "draw candidates")
    others = candidates if plain is aimed else {}
    if plain is not aimed and not control.canceled:
        others = yield from _draw(plain, space, number, settings.batch, control, "draw for comparison")
    with SampleStore(project.samples_path) as store:
        kept_indices, ids = yield from _keep(store, goal, aimed, candidates, settings, control)
    added = len(kept_indices)
    if added < number and not control.canceled:
        yield Warned(
            total, f"{added} of {number} pairs: the other candidates are copies, are there already, or failed."
        )
    result: dict[str, Any] = {
        "run": run.name,
        "tiles": len(names),
        "added": added,
        "samples": ids,
        "candidates": len(candidates),
    }
    if added:
        kept = np.stack([candidates[index].vector for index in kept_indices])
        without = np.stack([one.vector for one in list(others.values())[:added]])
        result |= compare(goal.real, goal.radius, kept, without)
    yield Finished(total, "canceled" if control.canceled else "completed", result)


def _samplers(project: Project, run: Run, settings: FillSettings, names: tuple[str, ...]) -> tuple[Sampler, Sampler]:
    """Return a sampler that knows nothing of the tiles, and one that aims at them: a painter paints on their masks."""
    seed = seed_of(settings.seed, "fill", *sorted(names)) % 2**31  # none that `generate` is likely to have used
    sampling = GenerateSettings(
        run=run.name,
        checkpoint=settings.checkpoint,
        seed=seed,
        variety=settings.variety,
        batch=settings.batch,
        device=settings.device,
    )
    plain = Sampler.from_run(project, run, sampling)
    if plain.masks is None:
        return plain, plain
    return plain, Sampler.from_run(project, run, sampling.replace(mask_tiles=names))


def _learn(space: TileSpace, total: int, control: Control) -> Generator[Event, None, bool]:
    """Learn the features; whether it was canceled."""
    reported = time.monotonic()
    for share in space.learn():
        yield from control.wait_while_paused(0)
        if control.canceled:
            return True
        if time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            yield Progress(0, total, note=f"learn features, {share:.0%}")
    return False


@dataclass(frozen=True)
class _Candidate:
    """Name and features (D,) of a sample; its pixels are not kept: they can be drawn again."""

    name: str
    vector: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Goal:
    """The real tiles to come near to: names, features (T, D), and the radius (T,) within which a sample covers one."""

    space: TileSpace
    names: tuple[str, ...]
    real: NDArray[Any]
    radius: NDArray[np.float64]

    @classmethod
    def find(cls, space: TileSpace, targets: tuple[TilePlace, ...]) -> _Goal:
        """Look up the tiles.

        Raises
        ------
        UserError
            If one is missing.
        """
        missing = sorted(set(targets) - set(space.places))
        if missing:
            raise UserError(
                f"'{missing[0].name}' is not among the real tiles.", todo="Make the map again, then choose tiles."
            )
        rows = [space.places.index(place) for place in targets]
        radius = radii(euclidean(space.upright, space.upright))[rows]
        return cls(space, tuple(place.name for place in targets), space.upright[rows], radius)

    def choose(self, candidates: dict[int, _Candidate], number: int, sampler: Sampler) -> list[int]:
        """Return the indices of the candidates that the tiles in turn keep, each its nearest."""
        indices = list(candidates)
        vectors = np.stack([candidates[index].vector for index in indices])
        distance = euclidean(self.real, vectors)
        if sampler.masks is None:  # on the mask of a real tile a sample is meant to be like it
            distance[:, Space(self.space.features, self.space.sources).ratio(vectors) < 1] = np.inf
        return [indices[column] for column in nearest_each(distance, number)]

    def record(self, pair: SamplePair, candidates: dict[int, _Candidate], total: int) -> SamplePair:
        """Return a pair whose provenance records the tiles near which it was chosen, and the number of candidates."""
        vector = candidates[int(pair.source.provenance["index"])].vector
        distance = round(float(euclidean(self.real, vector[None]).min()), 4)
        choice = ChoiceRecord(
            near=self.names, candidates=total, distance=distance, extractor=self.space.extractor.identity
        )
        provenance = pair.source.provenance | {"chosen": choice.model_dump(mode="json")}
        return pair.replace(source=replace(pair.source, provenance=provenance))


def _keep(
    store: SampleStore,
    goal: _Goal,
    sampler: Sampler,
    candidates: dict[int, _Candidate],
    settings: FillSettings,
    control: Control,
) -> Generator[Event, None, tuple[list[int], list[str]]]:
    """Draw the nearest candidates again and add them to the store; returns their indices and ids."""
    total, known = settings.number * settings.tries, {row.name for row in store.rows()}
    fresh = {index: one for index, one in candidates.items() if one.name not in known}
    indices = goal.choose(fresh, settings.number, sampler) if fresh and not control.canceled else []
    added: list[str] = []
    for start in range(0, len(indices), settings.batch):
        yield from control.wait_while_paused(total)
        if control.canceled:
            break
        pairs = sampler.draw(indices[start : start + settings.batch])
        ids = store.add_many([goal.record(pair, candidates, total) for pair in pairs], run=sampler.model.name)
        added += ids
        yield Added(total, tuple(ids))
        yield Progress(total, total, note=f"pair {len(added)} of {len(indices)}")
    return indices[: len(added)], added


def compare(
    real: NDArray[Any], radius: NDArray[np.float64], kept: NDArray[Any], without: NDArray[Any]
) -> dict[str, float]:
    """Compute the distances of samples to real tiles, beside those of samples drawn without choosing.

    Parameters
    ----------
    real : NDArray (T, D)
        Features of the tiles.
    radius : NDArray (T,)
        Distance within which a sample covers a tile.
    kept : NDArray (N, D)
        Features of the samples.
    without : NDArray (N, D)
        Features of the others.
    """
    found, plain = (euclidean(real, vectors).min(1) for vectors in (kept, without))
    return {
        "distance": round(float(found.mean()), 4),
        "distance_plain": round(float(plain.mean()), 4),
        "nearer": round(1 - float(found.mean() / plain.mean()), 4) if plain.mean() > 0 else 0.0,
        "covered": int((found <= radius).sum()),
        "covered_plain": int((plain <= radius).sum()),
    }


def _targets(project: Project, settings: FillSettings) -> tuple[int, tuple[TilePlace, ...]]:
    """Return side and places of the real tiles that are asked for."""
    known = read_map(project)
    if known is None or known.record.side is None:
        raise UserError("This project has no map.", todo="Make one first: organoid-synth map.")
    regions, side = known.record.regions, known.record.side
    if settings.tiles:
        return side, tuple(TilePlace.from_name(name) for name in dict.fromkeys(settings.tiles))
    if settings.region > len(regions):
        raise UserError(
            f"There is no empty region {settings.region}.",
            f"The map has {len(regions)}.",
            "Choose one of these, or name real tiles.",
        )
    return side, tuple(known.record.tiles[row] for row in regions[settings.region - 1])


def _draw(
    sampler: Sampler, space: TileSpace, number: int, batch: int, control: Control, note: str
) -> Generator[Event, None, dict[int, _Candidate]]:
    """Draw the samples of the first indices and return their features."""
    candidates: dict[int, _Candidate] = {}
    began, reported = time.monotonic(), time.monotonic()
    for start in range(0, number, batch):
        pairs = sampler.keep(sampler.draw(range(start, min(start + batch, number))))
        sampler.check()
        if pairs:
            vectors = space.vectors([space.picture(pair) for pair in pairs])
            for pair, vector in zip(pairs, vectors, strict=True):
                candidates[int(pair.source.provenance["index"])] = _Candidate(pair.name, vector)
        done = min(start + batch, number)
        yield from control.wait_while_paused(done)
        if control.canceled:
            break
        if time.monotonic() - reported > REPORT_SECONDS:
            reported = time.monotonic()
            seconds_left = (reported - began) / done * (number - done)
            yield Progress(done, number, note=note, seconds_left=seconds_left)
    return candidates
