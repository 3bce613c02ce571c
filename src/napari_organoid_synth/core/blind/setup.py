"""Choose the pictures of a blind test and their order.

Both kinds are treated alike: real tiles are cut as those that the generator learned from, synthetic images that are
larger are cut to the same side, both are shown with the contrast limits of the real tiles, outlines in one colour, and
neither is resampled. No two real tiles of a test overlap, and as far as possible no two pictures show the same mask.
Samples flagged as copies are left out: they are real images, and an observer who takes them for real is right.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np

from napari_organoid_synth.core.blind.session import Picture, Session, free_path, write_session
from napari_organoid_synth.core.blind.settings import BlindSettings
from napari_organoid_synth.core.errors import UserError
from napari_organoid_synth.core.metrics.base import intensity_limits
from napari_organoid_synth.core.metrics.real_tiles import RealTiles, real_tiles
from napari_organoid_synth.core.pairs.tile_reading import TilePlace, tile_side
from napari_organoid_synth.core.project import Project
from napari_organoid_synth.core.quantities import plural
from napari_organoid_synth.core.samples.store import SampleRow, SampleStore


@dataclass(frozen=True)
class _Choice:
    """Equal numbers of real and synthetic pictures, each in random order; the rest as in `Session`."""

    reals: list[Picture]
    synthetics: list[Picture]
    side: int
    limits: tuple[tuple[float, float], ...]
    note: str


def make_session(project: Project, settings: BlindSettings, like: Session | None = None) -> Session:
    """Choose pictures and their order, and write the file of the test.

    Parameters
    ----------
    project : Project
        With real pairs and samples.
    settings : BlindSettings
        Settings of the test.
    like : Session, optional
        Show its pictures again, in another order, for another observer.

    Raises
    ------
    UserError
        If there are no such samples or no real tiles of their size.
    """
    seed = int(np.random.SeedSequence().generate_state(1)[0]) if settings.seed is None else settings.seed
    settings, rng = settings.replace(seed=seed), np.random.default_rng(seed)
    new = {"path": free_path(project), "started": time.time()}
    if like is not None:
        new_settings = like.settings.replace(observer=settings.observer, practice=settings.practice, seed=seed)
        session = like.model_copy(update=new | {"settings": new_settings, "answers": ()})
        questions = like.questions
    else:
        choice = _choose(project, settings, rng)
        session = Session(settings=settings, side=choice.side, limits=choice.limits, note=choice.note, **new)
        if settings.way == "in pairs":
            questions = tuple(zip(choice.reals, choice.synthetics, strict=True))
        else:
            questions = tuple((picture,) for picture in (*choice.reals, *choice.synthetics))
    session = session.model_copy(update={"questions": _shuffle(questions, rng)})
    write_session(session)
    return session


def _shuffle(shown: Sequence[tuple[Picture, ...]], rng: np.random.Generator) -> tuple[tuple[Picture, ...], ...]:
    """Put questions in random order; of two pictures the real one is on either side equally often."""
    order = rng.permutation(len(shown))
    swapped = rng.permutation(np.arange(len(shown)) % 2)
    return tuple(
        tuple(sorted(shown[number], key=lambda picture: picture.kind, reverse=bool(swap)))
        for number, swap in zip(order, swapped, strict=True)
    )


def _choose(project: Project, settings: BlindSettings, rng: np.random.Generator) -> _Choice:
    if not project.samples_path.exists():
        raise UserError(
            "There are no synthetic pairs yet.", todo="Make some ('organoid-synth generate', in napari: Generate)."
        )
    with SampleStore(project.samples_path) as store:
        rows, copies = _candidates(store, settings)
        side = tile_side(row.size for row in rows)
        rows = [row for row in rows if min(row.size) >= side]
        tiles = _shown_tiles(project, side, settings)
        places = _distant_places(tiles.places, side, rng)
        target = settings.number if settings.way == "in pairs" else max(1, settings.number // 2)
        number = min(target, len(rows), len(places))
        places = [places[index] for index in rng.permutation(len(places))[:number]]
        samples, alike = _different_samples(store, rows, places, side, rng)
    turns, flips = rng.integers(4, size=2 * number), rng.integers(2, size=2 * number)
    if not settings.turned:
        turns[:] = flips[:] = 0
    ways = list(zip(turns.tolist(), (flips > 0).tolist(), strict=True))
    reals = [Picture("real", at.pair, at.y, at.x, *way) for at, way in zip(places, ways[:number], strict=True)]
    synthetics = []
    for row, way in zip(samples, ways[number:], strict=True):
        y, x = (int(rng.integers(length - side + 1)) for length in row.size)
        synthetics.append(Picture("synthetic", row.id, y, x, *way))
    notes = []
    if number < target:
        scarce = f"{number} real tiles that do not overlap"
        if number == len(rows):
            scarce = plural(number, "synthetic pair")
        notes.append(f"There {'is' if number == 1 else 'are'} only {scarce}.")
    if copies:
        notes.append(
            f"{plural(copies, 'pair')} flagged as {'a copy' if copies == 1 else 'copies'} of real images left out."
        )
    if alike:
        notes.append(f"{plural(alike, 'synthetic picture')} on the mask of another picture of the test.")
    return _Choice(reals, synthetics, side, _contrast(tiles), " ".join(notes))


def _shown_tiles(project: Project, side: int, settings: BlindSettings) -> RealTiles:
    """Return the real tiles that may be shown: all, or with outlines those that have objects."""
    candidates = real_tiles(project, side)
    is_shown = [tile.labels.any() or not settings.masks for tile in candidates.pairs]
    tiles = RealTiles(list(compress(candidates.pairs, is_shown)), list(compress(candidates.places, is_shown)))
    if not tiles.pairs:
        raise UserError("No real image has a mask.", "Expected outlines to draw.", "Show pictures without masks.")
    return tiles


def _contrast(tiles: RealTiles) -> tuple[tuple[float, float], ...]:
    """Return black and white of each channel; of RGB the same for all, so that colours stay."""
    limits = intensity_limits(tiles.pairs)
    if tiles.pairs[0].is_rgb:
        limits[:] = limits[:, 0].min(), limits[:, 1].max()
    return tuple((float(low), float(high)) for low, high in limits)


def _candidates(store: SampleStore, settings: BlindSettings) -> tuple[list[SampleRow], int]:
    """Return the samples that may be shown, and the number of copies left out."""
    verdicts = {"accepted": ("accepted",), "new and accepted": ("new", "accepted")}.get(settings.samples)
    rows = [
        row for row in store.rows() if (verdicts is None or row.verdict in verdicts) and settings.run in ("", row.run)
    ]
    candidates = [row for row in rows if "copy" not in row.flagged and not (settings.masks and row.flagged)]
    if not candidates:
        which = "" if settings.samples == "all" else f" {settings.samples}"
        raise UserError(
            f"There is no{which} synthetic pair to show{f' of run {settings.run!r}' if settings.run else ''}.",
            "Expected at least one that is not flagged as a copy.",
            "Choose other samples, or make more ('organoid-synth generate', in napari: Generate).",
        )
    return candidates, sum("copy" in row.flagged for row in rows)


def _distant_places(places: Sequence[TilePlace], side: int, rng: np.random.Generator) -> list[TilePlace]:
    """Choose places of which no two share a pixel: at random, or row by row where that gives more."""

    def greedy(order: Iterable[int]) -> list[TilePlace]:
        selection: list[TilePlace] = []
        for index in order:
            if not any(places[index].overlaps(other, side) for other in selection):
                selection.append(places[index])
        return selection

    choices = greedy(rng.permutation(len(places)).tolist()), greedy(range(len(places)))
    return max(choices, key=len)


def _different_samples(
    store: SampleStore,
    rows: Sequence[SampleRow],
    places: Sequence[TilePlace],
    side: int,
    rng: np.random.Generator,
) -> tuple[list[SampleRow], int]:
    """Return as many random samples as places, and the number of those on the mask of another picture.

    Such samples are taken only where there are too few others.
    """
    number, used_places, digests = len(places), list(places), set[str]()
    samples: list[SampleRow] = []
    alike: list[SampleRow] = []
    for index in rng.permutation(len(rows)):
        if len(samples) == number or len(samples) + len(alike) == 4 * number:  # each is a file to read
            break
        mask = store.pair(rows[index].id).source.provenance.get("mask")
        mask = mask if isinstance(mask, dict) else {}
        place = TilePlace.from_name(str(mask.get("name"))) if mask.get("kind") == "real" else None
        digest = str(mask.get("digest", ""))
        if (digest and digest in digests) or (place and any(place.overlaps(other, side) for other in used_places)):
            alike.append(rows[index])
            continue
        digests.add(digest)
        used_places += [place] if place else []
        samples.append(rows[index])
    more = alike[: number - len(samples)]
    return samples + more, len(more)
